// SPDX-License-Identifier: GPL-2.0-only
/*
 * Images: each is attached to a loop device, as mount(8) does it for the types that
 * libblkid knows. The device detaches itself when the pool is unmounted.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "mount.h"

#define CONTROL "/dev/loop-control"
/* Others may take the device that was free a moment ago. */
#define TRIES 32

/* Configure a free device. Returns its descriptor or -errno. */
static int attach_free(int control, const struct loop_config *config, bool ro,
		       char *path, size_t room)
{
	int nr = ioctl(control, LOOP_CTL_GET_FREE);
	int fd, err;

	if (nr < 0)
		return -errno;
	snprintf(path, room, "/dev/loop%d", nr);
	fd = open(path, (ro ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!ioctl(fd, LOOP_CONFIGURE, config))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* The image is open as config->fd. */
static int attach_image(struct mount_dev *d, struct loop_config *config)
{
	bool ro = config->info.lo_flags & LO_FLAGS_READ_ONLY;
	int control = open(CONTROL, O_RDWR | O_CLOEXEC);
	char path[32], *copy;
	int fd = -EBUSY, i;

	if (control < 0) {
		vfsr_error("%s: %s; to mount an image: modprobe loop", CONTROL,
			   strerror(errno));
		return -errno;
	}
	for (i = 0; i < TRIES && fd == -EBUSY; i++)
		fd = attach_free(control, config, ro, path, sizeof(path));
	close(control);
	if (fd < 0) {
		vfsr_error(
			"%s: cannot be attached to a loop device: %s; see losetup(8)",
			d->path, strerror(-fd));
		return fd;
	}
	vfsr_note("%s: attached to %s", d->path, path);
	copy = strdup(path);
	if (!copy) {
		vfsr_error("%s: %s", d->path, strerror(ENOMEM));
		close(fd);
		return -ENOMEM;
	}
	free(d->path);
	d->path = copy;
	/* stays open: without a user it would detach itself before the mount */
	return 0;
}

static int attach(struct mount_dev *d, bool ro)
{
	struct loop_config config = { .info.lo_flags = LO_FLAGS_AUTOCLEAR };
	int fd = ro ? -1 : open(d->path, O_RDWR | O_CLOEXEC), err;

	if (fd < 0) {
		config.info.lo_flags |= LO_FLAGS_READ_ONLY;
		fd = open(d->path, O_RDONLY | O_CLOEXEC);
	}
	if (fd < 0) {
		vfsr_error("%s: %s; check the name", d->path, strerror(errno));
		return -errno;
	}
	snprintf((char *)config.info.lo_file_name,
		 sizeof(config.info.lo_file_name), "%s", d->path);
	config.fd = (unsigned int)fd;
	err = attach_image(d, &config);
	close(fd);
	return err;
}

int mount_loop_images(struct mount_scan *s, const struct mount_pool *p, bool ro)
{
	unsigned int i, j;
	int err = 0;

	for (i = 0; i < s->nr && !err; i++) {
		struct mount_dev *d = &s->dev[i];

		for (j = 0; j < p->super->nr_members; j++)
			if (p->member[j] == d && d->is_image)
				break;
		if (j < p->super->nr_members)
			err = attach(d, ro);
	}
	return err;
}
