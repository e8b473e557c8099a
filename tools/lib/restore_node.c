// SPDX-License-Identifier: GPL-2.0-only
/*
 * One name of a directory: a file, symlink, device, fifo, socket, or a further
 * name of an inode that was made already.
 *
 * Names are made exclusively: what exists is refused, or unlinked first with
 * --overwrite, so that nothing is written through an existing link or file.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/restore_impl.h"

#define MAKING_MODE 0600 /* while owner and mode are not final */
#define PERMISSIONS 07777u
#define SPECIAL_BITS 07000u
#define SYMLINK_MAX 4095u

/* A name in the making. */
struct making {
	struct vfsr_rworker *w;
	struct vfsr_rdir *dir;
	int dirfd;
	const char *name;
	u64 ino;
	struct vfsr_inode in;
	bool xattrs_lost;
};

/* Is the name taken, and may it be removed? 0: removed, try again. */
static int make_way(const struct making *k, int err)
{
	if (err != -EEXIST || !k->w->rs->opts->overwrite)
		return err;
	return unlinkat(k->dirfd, k->name, 0) ? -errno : 0;
}

static int open_new(const struct making *k, unsigned int mode)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(k->dirfd, k->name, flags, mode), err;

	if (fd >= 0)
		return fd;
	err = make_way(k, -errno);
	if (err)
		return err;
	fd = openat(k->dirfd, k->name, flags, mode);
	return fd < 0 ? -errno : fd;
}

static void report(const struct making *k, const char *what, int err)
{
	vfsr_rerror_fatal(k->w->rs, err);
	vfsr_rerror(k->w->rs, k->dir, k->name, what, err);
}

/* Return: 0, or an error (reported): there is no such file. */
static int make_file(struct making *k)
{
	struct vfsr_rworker *w = k->w;
	const struct vfsr_rmeta *m = &w->meta;
	/* the mode can be right from the start if nothing follows it */
	bool settled = !m->nr_xattrs && !(m->mode & SPECIAL_BITS) &&
		       m->uid == w->rs->euid && m->gid == w->rs->egid &&
		       !w->rs->inherits;
	struct vfsr_rfile f;
	int fd, err;

	fd = open_new(k, settled ? m->mode & PERMISSIONS : MAKING_MODE);
	if (fd < 0) {
		report(k, "create", fd);
		return fd;
	}
	vfsr_rfile_init(&f, k->dir, k->name, k->ino, k->in.size, fd);
	f.xattrs_lost = k->xattrs_lost;
	err = vfsr_rfile_write(w, &f);
	if (err) {
		/* half a file would look like a whole one */
		report(k, "write", err);
		unlinkat(k->dirfd, k->name, 0);
	} else {
		vfsr_rmeta_apply(w->rs, fd, -1, k->name, m, settled, k->dir);
		vfsr_rlost_ranges(w->rs, &f);
		atomic_fetch_add(&w->rs->files, 1);
	}
	vfsr_rfile_release(&f);
	if (close(fd) && !err) {
		err = -errno;
		report(k, "close", err);
	}
	return err;
}

static int make_symlink(struct making *k)
{
	char target[SYMLINK_MAX + 1];
	struct vfsr_rfile f;
	int err;

	if (!k->in.size || k->in.size > SYMLINK_MAX) {
		vfsr_rlost_thing(k->w->rs, k->dir, k->name, "symlink");
		return -EUCLEAN;
	}
	memset(target, 0, sizeof(target));
	vfsr_rfile_init(&f, k->dir, k->name, k->ino, k->in.size, -1);
	f.memory = (u8 *)target;
	err = vfsr_rfile_write(k->w, &f);
	if (!err && (f.nr_lost || strlen(target) != k->in.size)) {
		vfsr_rlost_thing(k->w->rs, k->dir, k->name, "symlink");
		err = -EUCLEAN;
	} else if (err) {
		report(k, "read", err);
	}
	vfsr_rfile_release(&f);
	if (err)
		return err;
	if (symlinkat(target, k->dirfd, k->name)) {
		err = make_way(k, -errno);
		if (!err && symlinkat(target, k->dirfd, k->name))
			err = -errno;
	}
	if (err) {
		report(k, "create symlink", err);
		return err;
	}
	atomic_fetch_add(&k->w->rs->symlinks, 1);
	return 0;
}

static int make_special(struct making *k)
{
	mode_t mode = k->in.mode & (S_IFMT | PERMISSIONS);
	dev_t dev = 0;
	int err = 0;

	if (S_ISCHR(mode) || S_ISBLK(mode))
		dev = makedev(k->in.rdev_major, k->in.rdev_minor);
	if (mknodat(k->dirfd, k->name, mode, dev)) {
		err = make_way(k, -errno);
		if (!err && mknodat(k->dirfd, k->name, mode, dev))
			err = -errno;
	}
	if (err) {
		report(k, dev ? "create device" : "create special file", err);
		return err;
	}
	atomic_fetch_add(&k->w->rs->specials, 1);
	return 0;
}

/* Make the inode's first name. */
static int make(struct making *k)
{
	struct vfsr_restore *rs = k->w->rs;
	int err;

	vfsr_rmeta_take(&k->w->meta, &k->in);
	err = vfsr_rmeta_collect(k->w, &k->w->iter, &k->w->meta);
	if (err < 0) {
		report(k, "read", err);
		return err;
	}
	k->xattrs_lost = err > 0;
	if (S_ISREG(k->in.mode))
		return make_file(k);
	if (S_ISLNK(k->in.mode))
		err = make_symlink(k);
	else
		err = make_special(k);
	if (err)
		return err;
	vfsr_rmeta_apply(rs, -1, k->dirfd, k->name, &k->w->meta, false, k->dir);
	if (k->xattrs_lost)
		vfsr_rlost_thing(rs, k->dir, k->name, "attributes");
	return 0;
}

/* A further name: link to the first. */
static void make_link(struct making *k, struct vfsr_rdir *from,
		      const char *name)
{
	struct vfsr_restore *rs = k->w->rs;
	int fd = vfsr_rdir_pin(rs, from), err = 0;

	if (fd < 0) {
		report(k, "link", fd);
		return;
	}
	if (linkat(fd, name, k->dirfd, k->name, 0)) {
		err = make_way(k, -errno);
		if (!err && linkat(fd, name, k->dirfd, k->name, 0))
			err = -errno;
	}
	vfsr_rdir_unpin(rs, from);
	if (err) {
		report(k, "link", err);
		return;
	}
	atomic_fetch_add(&rs->hardlinks, 1);
	vfsr_rlinks_used(rs, k->ino);
}

static void make_later(struct making *k, const struct vfsr_rname *n)
{
	struct vfsr_restore *rs = k->w->rs;
	struct vfsr_rlater *l = malloc(sizeof(*l) + strlen(k->name) + 1);

	if (!l) {
		report(k, "link", -ENOMEM);
		return;
	}
	l->dir = vfsr_rdir_get(k->dir);
	l->ino = n->ino;
	l->type = n->type;
	memcpy(l->name, k->name, strlen(k->name) + 1);
	pthread_mutex_lock(&rs->lock);
	l->next = rs->later;
	rs->later = l;
	pthread_mutex_unlock(&rs->lock);
}

static void make_one_of_many(struct making *k, const struct vfsr_rname *n)
{
	struct vfsr_restore *rs = k->w->rs;
	struct vfsr_rdir *from = NULL;
	char *name = NULL;
	int err;

	switch (vfsr_rlinks_claim(rs->links, k->ino, k->in.nlink, &from,
				  &name)) {
	case VFSR_RCLAIM_FIRST:
		err = make(k);
		vfsr_rlinks_made(rs, k->ino, k->dir, err ? NULL : k->name);
		break;
	case VFSR_RCLAIM_LINK:
		make_link(k, from, name);
		break;
	case VFSR_RCLAIM_LATER:
		make_later(k, n);
		break;
	case VFSR_RCLAIM_NOMEM:
		report(k, "link", -ENOMEM);
		break;
	}
	if (from)
		vfsr_rdir_put(rs, from);
	free(name);
}

void vfsr_restore_name(struct vfsr_rworker *w, struct vfsr_rdir *dir, int dirfd,
		       const struct vfsr_rname *n, const char *name)
{
	struct making k = {
		.w = w,
		.dir = dir,
		.dirfd = dirfd,
		.name = name,
		.ino = n->ino,
	};
	int err;

	err = vfsr_iter_open(&w->iter, n->ino, &k.in);
	if (err == -ENOMEM) {
		report(&k, "read", err);
		return;
	}
	if (err) {
		vfsr_rlost_thing(w->rs, dir, name, "inode");
		return;
	}
	/* a name that says another type points to a wrong inode */
	if (k.in.mode >> VFSR_MODE_TYPE_SHIFT != n->type) {
		struct vfsr_fault f = { VFSR_REASON_DIRENT, n->type,
					k.in.mode >> VFSR_MODE_TYPE_SHIFT, 0 };

		vfsr_complain(w->rs->pool->name, -1, 0, n->ino, &f);
		vfsr_rlost_thing(w->rs, dir, name, "inode");
		return;
	}
	if (k.in.nlink > 1)
		make_one_of_many(&k, n);
	else
		make(&k);
}
