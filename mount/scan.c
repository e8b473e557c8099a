// SPDX-License-Identifier: GPL-2.0-only
/*
 * Looking at devices: which of them hold a record, and its newest one.
 *
 * Only reads, and only at the places where records are: of a device without any,
 * 32 sectors. A device that another one is made of (device mapper, md, loop in
 * use by them) has holders and is passed over, as the one on top shows the same
 * records.
 */
#include <blkid/blkid.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "mount.h"

#define DEVICES_ENV "VFSR_DEVICES"

static bool out_of_memory(void)
{
	vfsr_error("out of memory; close other programs");
	return false;
}

/* --- records --- */

static bool read_all(int fd, void *buf, size_t len, u64 pos)
{
	u8 *to = buf;

	while (len) {
		ssize_t got = pread(fd, to, len, (off_t)pos);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		to += got;
		pos += (u64)got;
		len -= (size_t)got;
	}
	return true;
}

/* One of another pool is what an earlier mkfs left behind. */
static bool supersedes(const struct vfsr_super *a, const struct vfsr_super *b)
{
	if (memcmp(a->pool_uuid, b->pool_uuid, VFSR_UUID_BYTES) != 0) {
		if (a->created.sec != b->created.sec)
			return a->created.sec > b->created.sec;
		return a->created.nsec > b->created.nsec;
	}
	if (a->epoch != b->epoch)
		return a->epoch > b->epoch;
	return a->sequence > b->sequence;
}

/* Buffers of a scan. */
struct work {
	u8 slot[VFSR_SLOT_BYTES] __attribute__((aligned(8)));
	struct vfsr_super super;
};

static bool read_ring(struct mount_dev *d, int fd, u64 pos, struct work *w)
{
	unsigned int i;
	__le32 magic;
	int err;

	for (i = 0; i < VFSR_RING_SLOTS; i++, pos += VFSR_SLOT_BYTES) {
		if (!read_all(fd, w->slot, VFSR_SECTOR_BYTES, pos)) {
			d->error = -EIO;
			continue;
		}
		memcpy(&magic, w->slot, sizeof(magic));
		if (le32_to_cpu(magic) != VFSR_SUPER_MAGIC)
			continue;
		if (!read_all(fd, w->slot, VFSR_SLOT_BYTES, pos)) {
			d->error = -EIO;
			continue;
		}
		err = vfsr_super_decode(w->slot, VFSR_SLOT_BYTES, &w->super,
					NULL);
		if (err == -EOPNOTSUPP)
			d->newer = true;
		if (err || (d->super && !supersedes(&w->super, d->super)))
			continue;
		if (!d->super)
			d->super = malloc(sizeof(*d->super));
		if (!d->super)
			return out_of_memory();
		*d->super = w->super;
	}
	return true;
}

/* Both rings of an open device. */
static bool read_device(struct mount_dev *d, int fd, u64 bytes)
{
	u64 end = bytes & ~(u64)(VFSR_BOOT_BYTES - 1);
	struct work *w;
	bool ok = true;

	if (end < VFSR_BOOT_BYTES + 2 * VFSR_RING_BYTES)
		return true;
	w = malloc(sizeof(*w));
	if (!w)
		return out_of_memory();
	/* what the kernel wrote past the page cache */
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	ok = read_ring(d, fd, VFSR_BOOT_BYTES, w) &&
	     read_ring(d, fd, end - VFSR_RING_BYTES, w);
	free(w);
	return ok;
}

/* --- devices --- */

/* A place for a device that was not yet looked at. */
static struct mount_dev *add(struct mount_scan *s, const char *path)
{
	struct mount_dev *d;

	if (s->nr == s->room) {
		unsigned int room = s->room ? s->room * 2 : 32;

		d = reallocarray(s->dev, room, sizeof(*d));
		if (!d) {
			out_of_memory();
			return NULL;
		}
		s->dev = d;
		s->room = room;
	}
	d = &s->dev[s->nr];
	memset(d, 0, sizeof(*d));
	/* what /proc/mounts shows must not depend on where this ran */
	d->path = *path == '/' ? NULL : realpath(path, NULL);
	if (!d->path)
		d->path = strdup(path);
	if (!d->path) {
		out_of_memory();
		return NULL;
	}
	s->nr++;
	return d;
}

static struct mount_dev *find(struct mount_scan *s, const u64 *id)
{
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		if (!memcmp(s->dev[i].id, id, sizeof(s->dev[i].id)) &&
		    s->dev[i].error != -ENOENT)
			return &s->dev[i];
	return NULL;
}

static u64 size_of(int fd, const struct stat *st)
{
	u64 bytes = 0;

	if (!S_ISBLK(st->st_mode))
		return (u64)st->st_size;
	return ioctl(fd, BLKGETSIZE64, &bytes) ? 0 : bytes;
}

struct mount_dev *mount_scan_path(struct mount_scan *s, const char *path,
				  bool named)
{
	struct mount_dev *d;
	struct stat st = { 0 };
	u64 id[2] = { 0 };
	int fd, err = 0;
	bool ok;

	if (stat(path, &st))
		err = -errno;
	else if (!S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode))
		err = -ENOTBLK;
	/* a block device by its number, an image by where it is */
	id[0] = S_ISBLK(st.st_mode) ? 0 : st.st_dev;
	id[1] = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_ino;
	d = err ? NULL : find(s, id);
	if (d) {
		d->named |= named;
		return d;
	}
	d = add(s, path);
	if (!d)
		return NULL;
	memcpy(d->id, id, sizeof(id));
	d->named = named;
	d->is_image = !err && S_ISREG(st.st_mode);
	d->error = err;
	if (err)
		return d;
	/* a drive without medium must not make open() wait */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		d->error = -errno;
		return d;
	}
	ok = read_device(d, fd, size_of(fd, &st));
	close(fd);
	return ok ? d : NULL;
}

/* Is another device made of this one? */
static bool has_holders(unsigned int maj, unsigned int min)
{
	struct dirent *e;
	char path[64];
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/holders", maj, min);
	dir = opendir(path);
	while (dir && !found && (e = readdir(dir)))
		found = e->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return found;
}

static int scan_number(struct mount_scan *s, unsigned int maj, unsigned int min,
		       const char *name)
{
	char *path = blkid_devno_to_devname(makedev(maj, min));
	char plain[288];
	bool ok;

	snprintf(plain, sizeof(plain), "/dev/%s", name);
	ok = mount_scan_path(s, path ? path : plain, false);
	free(path);
	return ok ? 0 : -ENOMEM;
}

/* Whatever the kernel lists as a disk or partition. */
static int scan_system(struct mount_scan *s)
{
	FILE *f = fopen("/proc/partitions", "re");
	unsigned long long blocks;
	unsigned int maj, min;
	char line[512], name[256];
	int err = 0;

	if (!f) {
		vfsr_warn(
			"/proc/partitions: %s; the members cannot be found, name them with -o device=",
			strerror(errno));
		return 0;
	}
	while (!err && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%u %u %llu %255s", &maj, &min, &blocks,
			   name) != 4)
			continue;
		/* floppies hold no pool, and opening their drive takes long */
		if (!blocks || !strncmp(name, "fd", 2) || has_holders(maj, min))
			continue;
		err = scan_number(s, maj, min, name);
	}
	fclose(f);
	return err;
}

int mount_scan_all(struct mount_scan *s)
{
	const char *list = getenv(DEVICES_ENV);
	char *copy, *save, *path;
	int err = 0;

	if (!list)
		return scan_system(s);
	copy = strdup(list);
	if (!copy) {
		out_of_memory();
		return -ENOMEM;
	}
	for (path = strtok_r(copy, ":", &save); path && !err;
	     path = strtok_r(NULL, ":", &save))
		if (!mount_scan_path(s, path, false))
			err = -ENOMEM;
	free(copy);
	return err;
}

void mount_scan_free(struct mount_scan *s)
{
	unsigned int i;

	for (i = 0; i < s->nr; i++) {
		free(s->dev[i].path);
		free(s->dev[i].super);
	}
	free(s->dev);
}
