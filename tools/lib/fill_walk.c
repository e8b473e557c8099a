// SPDX-License-Identifier: GPL-2.0-only
/*
 * The walk: depth first, names in bytewise order, without recursion and with a
 * bounded number of descriptors. Mount points are followed, symbolic links are
 * not. An object that cannot be read is reported and left out.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/fill_priv.h"

#define OPEN_DIRS_MAX 200u /* directories on the path that stay open */
#define READ_FLAGS (O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)

/* Make f->path the path of @name in the innermost directory. */
static int set_path(struct fill *f, const char *name)
{
	size_t at = f->dir ? f->dir->path_bytes : 0;
	size_t bytes = strlen(name) + 2;

	if (f->path_room - at < bytes) {
		size_t room = at + bytes + PATH_MAX;
		char *path = realloc(f->path, room);

		if (!path)
			return fill_fail(f, -ENOMEM);
		f->path = path;
		f->path_room = room;
	}
	if (at && f->path[at - 1] != '/')
		f->path[at++] = '/';
	memcpy(f->path + at, name, bytes - 1);
	f->path_bytes = at + bytes - 2;
	return 0;
}

/* Open for reading, without touching the access time where that is allowed. */
static int open_at(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, READ_FLAGS | O_NOATIME);

	if (fd < 0 && errno == EPERM)
		fd = openat(dirfd, name, READ_FLAGS);
	return fd;
}

static struct fill_dir *dir_new(struct fill *f, int fd, const struct stat *st)
{
	struct fill_dir *d = calloc(1, sizeof(*d));

	if (!d) {
		close(fd);
		fill_fail(f, -ENOMEM);
		return NULL;
	}
	d->fd = fd;
	d->dev = st->st_dev;
	d->host_ino = st->st_ino;
	d->path_bytes = f->path_bytes;
	return d;
}

/* Keep the number of descriptors bounded on the way down. */
static void close_far(struct fill *f)
{
	struct fill_dir *d = f->dir;
	unsigned int i;

	for (i = 0; d && i < OPEN_DIRS_MAX; i++)
		d = d->up;
	if (d && d->fd >= 0) {
		close(d->fd);
		d->fd = -1;
	}
}

/* The directory above was closed: find it again. */
static void reopen(struct fill *f, struct fill_dir *d, int below)
{
	struct stat st;

	d->fd = openat(below, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->fd >= 0 && !fstat(d->fd, &st) && st.st_dev == d->dev &&
	    st.st_ino == d->host_ino)
		return;
	set_path(f, "");
	vfsr_error("%s: the directory was moved while it was read", f->path);
	fill_fail(f, -ESTALE);
}

/* Go down into an open directory; @fd belongs to the walk then. */
static void enter(struct fill *f, int fd, const struct stat *st, u64 id)
{
	struct fill_dir *d = dir_new(f, fd, st);
	u64 parent = f->dir ? f->dir->id : id;
	int err;

	if (!d)
		return;
	d->id = id;
	fill_inode_set(&d->in, st, parent);
	d->in.nlink = 2;
	fill_xattr_read(f, fd, st, id, &d->xattrs);
	err = fill_dir_read(f, d);
	if (err == -ENOMEM)
		fill_fail(f, err);
	else if (err)
		fill_skip(f, "cannot read the directory", -err);
	d->up = f->dir;
	f->dir = d;
	close_far(f);
}

/* The innermost directory is done. */
static void leave(struct fill *f)
{
	struct fill_dir *d = f->dir;

	fill_dir_finish(f, d);
	f->dir = d->up;
	if (f->dir && f->dir->fd < 0 && !f->err)
		reopen(f, f->dir, d->fd);
	fill_dir_free(d);
}

/* A name that went away meanwhile is none of the tree. */
static void cannot_look(struct fill *f, const char *what)
{
	if (errno == ENOENT)
		fill_changed(f, "went away while the tree was read; left out");
	else
		fill_skip(f, what, errno);
}

/*
 * Attributes of a name, and a descriptor (else -1) where it is a file or
 * directory. false: reported.
 */
static bool look(struct fill *f, const struct fill_dir *d,
		 const struct fill_name *n, struct stat *st, int *fd)
{
	*fd = -1;
	if (n->type != VFSR_DT_REG && n->type != VFSR_DT_DIR) {
		if (fstatat(d->fd, n->text, st, AT_SYMLINK_NOFOLLOW)) {
			cannot_look(f, "cannot read its attributes");
			return false;
		}
		if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode))
			return true;
	}
	*fd = open_at(d->fd, n->text);
	if (*fd < 0) {
		cannot_look(f, "cannot open");
		return false;
	}
	if (fstat(*fd, st)) {
		fill_skip(f, "cannot read its attributes", errno);
		close(*fd);
		return false;
	}
	if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode)) {
		close(*fd);
		fill_changed(
			f,
			"became something else while the tree was read; left out");
		return false;
	}
	return true;
}

/* Take the next name of the innermost directory. */
static void take(struct fill *f)
{
	struct fill_dir *d = f->dir;
	size_t i = d->next++;
	struct fill_name n;
	struct stat st;
	u64 id;
	int fd;

	fill_dir_name(d, i, &n);
	if (set_path(f, n.text) || !look(f, d, &n, &st, &fd))
		return;
	if (fd >= 0 && S_ISDIR(st.st_mode)) {
		id = vfsr_writer_new_id(f->w);
		fill_dir_set(d, i, id, VFSR_DT_DIR);
		enter(f, fd, &st, id);
		return;
	}
	if (fd < 0)
		snprintf(f->link_path, PATH_MAX, "/proc/self/fd/%d/%s", d->fd,
			 n.text);
	id = fill_file_add(f, d->fd, n.text, d->id, &st, fd);
	fill_dir_set(d, i, id, st.st_mode >> VFSR_MODE_TYPE_SHIFT);
	if (fd >= 0)
		close(fd);
}

void fill_walk(struct fill *f)
{
	struct stat st;
	int fd;

	if (set_path(f, f->opts->rootdir))
		return;
	/* the root itself may be reached through a link */
	fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st)) {
		fill_fail(f, -errno);
		vfsr_error("%s: cannot open the directory: %s", f->path,
			   strerror(-f->err));
		if (fd >= 0)
			close(fd);
		return;
	}
	enter(f, fd, &st, VFSR_ROOT_INO);
	while (f->dir && !f->err) {
		if (f->dir->next < f->dir->nr)
			take(f);
		else
			leave(f);
	}
}

void fill_walk_release(struct fill *f)
{
	while (f->dir) {
		struct fill_dir *d = f->dir;

		f->dir = d->up;
		fill_dir_free(d);
	}
	free(f->path);
	free(f->link_path);
}
