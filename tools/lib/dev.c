// SPDX-License-Identifier: GPL-2.0-only
/*
 * One member as a file: opening with the checks that keep a tool from writing
 * over something in use, and positional whole-buffer I/O.
 *
 * A struct vfsr_dev does not change after vfsr_dev_open(), so every call but
 * vfsr_dev_close() may come from any thread. Called by everything that touches
 * a device or an image.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/dev.h"
#include "lib/out.h"

/* Longest line of /proc or /sys that is looked at. */
#define LINE_ROOM 8192
/* One call moves at most this much; Linux itself stops at 2 GiB. */
#define IO_MAX_BYTES (1u << 30)

/* First line of a file, without its newline. 0 or -errno. */
static int read_line(const char *path, char *line, size_t room)
{
	FILE *f = fopen(path, "re");
	int err = 0;

	if (!f)
		return -errno;
	if (!fgets(line, (int)room, f))
		err = -EIO;
	else
		line[strcspn(line, "\n")] = 0;
	fclose(f);
	return err;
}

static bool is_rotational(dev_t rdev)
{
	static const char *const form[] = {
		"/sys/dev/block/%u:%u/queue/rotational",
		"/sys/dev/block/%u:%u/../queue/rotational", /* of a partition */
	};
	char path[128], line[16] = "";
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(form); i++) {
		/* both strings are the constants above */
		snprintf(path, sizeof(path), form[i], major(rdev), minor(rdev));
		if (!read_line(path, line, sizeof(line)))
			return line[0] == '1';
	}
	return false;
}

/* Is a block device the source of a mount? Its mount point goes to @where. */
static bool is_mounted(dev_t rdev, char *where, size_t room)
{
	char line[LINE_ROOM], point[LINE_ROOM];
	FILE *f = fopen("/proc/self/mountinfo", "re");
	unsigned int maj, min;
	bool found = false;

	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*u %*u %u:%u %*s %8191s", &maj, &min,
			   point) != 3)
			continue;
		found = makedev(maj, min) == rdev;
	}
	fclose(f);
	if (found)
		snprintf(where, room, "%.*s", (int)room - 1, point);
	return found;
}

/* Is an image the backing file of a loop device? Its name goes to @where. */
static bool is_looped(const struct stat *st, char *where, size_t room)
{
	DIR *d = opendir("/sys/block");
	struct dirent *e;
	struct stat back;
	char path[512], line[LINE_ROOM];
	bool found = false;

	if (!d)
		return false;
	while (!found && (e = readdir(d))) {
		if (strncmp(e->d_name, "loop", 4))
			continue;
		snprintf(path, sizeof(path), "/sys/block/%s/loop/backing_file",
			 e->d_name);
		if (read_line(path, line, sizeof(line)) || stat(line, &back))
			continue;
		found = back.st_dev == st->st_dev && back.st_ino == st->st_ino;
		if (found)
			snprintf(where, room, "/dev/%.*s", (int)room - 8,
				 e->d_name);
	}
	closedir(d);
	return found;
}

/* Refuse what somebody else is using. */
static int check_unused(const char *path, const struct stat *st)
{
	char where[256];

	if (S_ISBLK(st->st_mode)) {
		if (!is_mounted(st->st_rdev, where, sizeof(where)))
			return 0;
		vfsr_error("%s: mounted on %s; unmount it first", path, where);
		return -EBUSY;
	}
	if (!is_looped(st, where, sizeof(where)))
		return 0;
	vfsr_error("%s: in use by %s; detach it first (losetup -d %s)", path,
		   where, where);
	return -EBUSY;
}

static int explain_open(const char *path, int err)
{
	const char *hint = "check the name";

	if (err == -EBUSY)
		hint = "unmount it or stop what uses it first";
	else if (err == -EACCES || err == -EPERM || err == -EROFS)
		hint = "run as a user who may access it";
	vfsr_error("%s: cannot open: %s; %s", path, strerror(-err), hint);
	return err;
}

/* Type, size and kind of an open file. 0 or a reported error. */
static int examine(struct vfsr_dev *d, const struct stat *st)
{
	u64 bytes = 0;

	if (S_ISREG(st->st_mode)) {
		d->bytes = (u64)st->st_size;
		return 0;
	}
	if (!S_ISBLK(st->st_mode)) {
		vfsr_error(
			"%s: neither a block device nor a plain file; name an image or a device",
			d->path);
		return S_ISDIR(st->st_mode) ? -EISDIR : -ENOTBLK;
	}
	if (ioctl(d->fd, BLKGETSIZE64, &bytes)) {
		int err = -errno;

		vfsr_error("%s: cannot get its size: %s; check the device",
			   d->path, strerror(-err));
		return err;
	}
	d->bytes = bytes;
	d->block = true;
	d->rotational = is_rotational(st->st_rdev);
	return 0;
}

int vfsr_dev_open(const char *path, unsigned int flags, struct vfsr_dev **out)
{
	/* O_NONBLOCK: a fifo must not make open() wait */
	int mode = O_CLOEXEC | O_NONBLOCK |
		   (flags & VFSR_DEV_WRITE ? O_RDWR : O_RDONLY);
	struct vfsr_dev *d;
	struct stat st;
	int err;

	*out = NULL;
	if (stat(path, &st))
		return explain_open(path, -errno);
	if (flags & VFSR_DEV_EXCL) {
		err = check_unused(path, &st);
		if (err)
			return err;
		if (S_ISBLK(st.st_mode))
			mode |= O_EXCL;
	}
	d = calloc(1, sizeof(*d));
	if (!d)
		return explain_open(path, -ENOMEM);
	d->path = strdup(path);
	d->fd = d->path ? open(path, mode) : -1;
	if (d->fd < 0) {
		err = explain_open(path, d->path ? -errno : -ENOMEM);
		goto fail;
	}
	if (fstat(d->fd, &st)) {
		err = explain_open(path, -errno);
		goto fail;
	}
	err = examine(d, &st);
	if (err)
		goto fail;
	*out = d;
	return 0;
fail:
	vfsr_dev_close(d);
	return err;
}

void vfsr_dev_close(struct vfsr_dev *d)
{
	if (!d)
		return;
	if (d->fd >= 0)
		close(d->fd);
	free(d->path);
	free(d);
}

int vfsr_dev_read(struct vfsr_dev *d, void *buf, size_t len_bytes, u64 pos)
{
	u8 *to = buf;

	if (pos > d->bytes || len_bytes > d->bytes - pos)
		return -ENODATA;
	while (len_bytes) {
		size_t part = min_t(size_t, len_bytes, IO_MAX_BYTES);
		ssize_t got = pread(d->fd, to, part, (off_t)pos);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			return -ENODATA; /* it shrank under us */
		to += got;
		pos += (u64)got;
		len_bytes -= (size_t)got;
	}
	return 0;
}

int vfsr_dev_write(struct vfsr_dev *d, const void *buf, size_t len_bytes,
		   u64 pos)
{
	const u8 *from = buf;

	/* an image never grows by being written to */
	if (pos > d->bytes || len_bytes > d->bytes - pos)
		return -ENOSPC;
	while (len_bytes) {
		size_t part = min_t(size_t, len_bytes, IO_MAX_BYTES);
		ssize_t put = pwrite(d->fd, from, part, (off_t)pos);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		if (!put)
			return -EIO;
		from += put;
		pos += (u64)put;
		len_bytes -= (size_t)put;
	}
	return 0;
}

int vfsr_dev_sync(struct vfsr_dev *d)
{
	return fdatasync(d->fd) ? -errno : 0;
}

void vfsr_dev_discard(struct vfsr_dev *d, u64 pos, u64 len_bytes)
{
	u64 range[2] = { pos, len_bytes };

	if (pos > d->bytes || len_bytes > d->bytes - pos)
		return;
	if (d->block)
		(void)!ioctl(d->fd, BLKDISCARD, range);
	else
		(void)!fallocate(d->fd,
				 FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				 (off_t)pos, (off_t)len_bytes);
}
