// SPDX-License-Identifier: GPL-2.0-only
/*
 * Directories of the target, and their descriptors.
 *
 * Everything is made relative to a directory's descriptor, and descriptors are
 * only opened component by component without following links: neither a name
 * in the pool nor somebody who changes the target meanwhile can lead out of
 * it. A limited number stays open; a closed one is opened again from its
 * nearest open ancestor. A top directory (no parent) stays open always.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/restore_impl.h"

#define OPEN_MAX_DIRS 192u /* descriptors kept, not counting pinned ones */
#define MAKING_MODE 0700 /* until the contents are there */
#define OPEN_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct vfsr_rdir *vfsr_rdir_new(struct vfsr_rdir *parent, const char *name,
				size_t name_bytes, u64 ino)
{
	struct vfsr_rdir *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->name = malloc(name_bytes + 1);
	if (!d->name) {
		free(d);
		return NULL;
	}
	memcpy(d->name, name, name_bytes);
	d->name[name_bytes] = '\0';
	d->ino = ino;
	d->fd = -1;
	atomic_init(&d->refs, 1);
	if (parent) {
		d->parent = vfsr_rdir_get(parent);
		d->depth = parent->depth + 1;
	}
	return d;
}

struct vfsr_rdir *vfsr_rdir_get(struct vfsr_rdir *d)
{
	atomic_fetch_add(&d->refs, 1);
	return d;
}

/* --- the list of open ones; all with dir_lock held --- */

static void list_remove(struct vfsr_restore *rs, struct vfsr_rdir *d)
{
	if (d->newer)
		d->newer->older = d->older;
	else
		rs->newest = d->older;
	if (d->older)
		d->older->newer = d->newer;
	else
		rs->oldest = d->newer;
	d->newer = NULL;
	d->older = NULL;
	rs->nr_open--;
}

static void list_add(struct vfsr_restore *rs, struct vfsr_rdir *d)
{
	d->older = rs->newest;
	d->newer = NULL;
	if (rs->newest)
		rs->newest->newer = d;
	else
		rs->oldest = d;
	rs->newest = d;
	rs->nr_open++;
}

/* Close the ones not used for longest, but for pinned ones. */
static void shrink(struct vfsr_restore *rs)
{
	struct vfsr_rdir *d = rs->oldest, *next;

	for (; d && rs->nr_open > OPEN_MAX_DIRS; d = next) {
		next = d->newer;
		if (d->pins)
			continue;
		list_remove(rs, d);
		close(d->fd);
		d->fd = -1;
	}
}

/* Open @d, whose parent is open. */
static int open_one(struct vfsr_restore *rs, struct vfsr_rdir *d)
{
	d->fd = openat(d->parent->fd, d->name, OPEN_FLAGS);
	if (d->fd < 0)
		return -errno;
	list_add(rs, d);
	return 0;
}

/* Open @d and what is closed above it. */
static int open_path(struct vfsr_restore *rs, struct vfsr_rdir *d)
{
	struct vfsr_rdir **chain, *up;
	size_t nr = 0;
	int err = 0;

	if (d->parent->fd >= 0)
		return open_one(rs, d);
	chain = calloc(d->depth + 1, sizeof(struct vfsr_rdir *));
	if (!chain)
		return -ENOMEM;
	for (up = d; up->fd < 0; up = up->parent)
		chain[nr++] = up;
	up->pins++; /* against shrink() */
	while (nr-- && !err) {
		err = open_one(rs, chain[nr]);
		chain[nr]->pins += !err;
		up->pins--;
		up = chain[nr];
		if (!err)
			shrink(rs);
	}
	if (!err)
		up->pins--;
	free(chain);
	return err;
}

int vfsr_rdir_pin(struct vfsr_restore *rs, struct vfsr_rdir *d)
{
	int fd = 0;

	pthread_mutex_lock(&rs->dir_lock);
	if (d->fd < 0) {
		fd = open_path(rs, d);
		if (!fd)
			shrink(rs);
	} else if (d->parent) {
		list_remove(rs, d);
		list_add(rs, d);
	}
	if (!fd) {
		d->pins++;
		fd = d->fd;
	}
	pthread_mutex_unlock(&rs->dir_lock);
	return fd;
}

void vfsr_rdir_unpin(struct vfsr_restore *rs, struct vfsr_rdir *d)
{
	pthread_mutex_lock(&rs->dir_lock);
	d->pins--;
	pthread_mutex_unlock(&rs->dir_lock);
}

int vfsr_rdir_make(struct vfsr_restore *rs, struct vfsr_rdir *d)
{
	int fd = vfsr_rdir_pin(rs, d->parent), err = 0;
	struct stat st;

	if (fd < 0)
		return fd;
	if (mkdirat(fd, d->name, MAKING_MODE)) {
		err = -errno;
		/* one that is there is merged into; a link to one is not */
		if (err == -EEXIST &&
		    !fstatat(fd, d->name, &st, AT_SYMLINK_NOFOLLOW) &&
		    S_ISDIR(st.st_mode))
			err = 0;
	}
	vfsr_rdir_unpin(rs, d->parent);
	if (err)
		return err;
	d->made = true;
	fd = vfsr_rdir_pin(rs, d);
	if (fd < 0)
		return fd;
	vfsr_rdir_unpin(rs, d);
	return 0;
}

/* Everything in it is done: attributes, then the memory. */
static void finish(struct vfsr_restore *rs, struct vfsr_rdir *d)
{
	int fd;

	if (d->made && d->ino && !atomic_load(&rs->fatal)) {
		fd = vfsr_rdir_pin(rs, d);
		if (fd < 0) {
			vfsr_rerror(rs, d, NULL, "open", fd);
		} else {
			vfsr_rmeta_apply(rs, fd, -1, NULL, &d->meta, false, d);
			vfsr_rdir_unpin(rs, d);
		}
	}
	pthread_mutex_lock(&rs->dir_lock);
	if (d->fd >= 0) {
		if (d->parent)
			list_remove(rs, d);
		close(d->fd);
	}
	pthread_mutex_unlock(&rs->dir_lock);
	vfsr_rmeta_release(&d->meta);
	free(d->name);
	free(d);
}

void vfsr_rdir_put(struct vfsr_restore *rs, struct vfsr_rdir *d)
{
	while (d && atomic_fetch_sub(&d->refs, 1) == 1) {
		struct vfsr_rdir *parent = d->parent;

		finish(rs, d);
		d = parent;
	}
}

char *vfsr_rdir_path(const struct vfsr_rdir *d, const char *name)
{
	const struct vfsr_rdir *up;
	size_t len = name ? strlen(name) + 1 : 0, at;
	char *raw, *text;

	for (up = d; up; up = up->parent)
		len += strlen(up->name) + 1;
	raw = malloc(len + 2);
	if (!raw)
		abort();
	at = len;
	if (name) {
		at -= strlen(name);
		memcpy(raw + at, name, strlen(name));
		raw[--at] = '/';
	}
	for (up = d; up; up = up->parent) {
		size_t bytes = strlen(up->name);

		at -= bytes;
		memcpy(raw + at, up->name, bytes);
		/* a top's name begins with its own slash, or is empty */
		if (up->parent)
			raw[--at] = '/';
	}
	if (at == len)
		raw[--at] = '/';
	text = vfsr_name_text(raw + at, len - at);
	free(raw);
	return text;
}
