// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attributes, owners, modes and times of what was made.
 *
 * The order matters: a change of owner clears setuid bits and capabilities, an
 * ACL changes the mode, any of them changes nothing about times but the
 * contents do; so owner, attributes, mode, times, after everything else.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "lib/restore_impl.h"

#define PERMISSIONS 07777u
#define FD_PATH_BYTES 64
/* all of an inode's attributes; the kernel's own limit for a list is 64 KiB of
 * names, so this is only met by crafted images */
#define XATTRS_MAX (64u << 20)

void vfsr_rmeta_take(struct vfsr_rmeta *m, const struct vfsr_inode *in)
{
	m->mode = in->mode;
	m->uid = in->uid;
	m->gid = in->gid;
	m->mtime = in->mtime;
	m->atime = in->atime;
	m->nr_xattrs = 0;
	m->used = 0;
}

void vfsr_rmeta_release(struct vfsr_rmeta *m)
{
	free(m->xattrs);
	memset(m, 0, sizeof(*m));
}

/* Room for one more attribute; returns where its value goes. */
static u8 *append(struct vfsr_rmeta *m, const u8 *name, u32 name_bytes,
		  u32 value_bytes)
{
	u32 need = name_bytes + 1 + (u32)sizeof(u32) + value_bytes;
	u8 *at;

	if (m->used + need > XATTRS_MAX)
		return NULL;
	if (m->used + need > m->room) {
		u32 room = max_t(u32, m->room * 2, m->used + need);
		u8 *more = realloc(m->xattrs, room);

		if (!more)
			return NULL;
		m->xattrs = more;
		m->room = room;
	}
	at = m->xattrs + m->used;
	memcpy(at, name, name_bytes);
	at += name_bytes;
	*at++ = '\0';
	memcpy(at, &value_bytes, sizeof(u32));
	m->used += need;
	m->nr_xattrs++;
	return at + sizeof(u32);
}

/* Read a value that is a chunk of its own. */
static int value_read(struct vfsr_rworker *w, const struct vfsr_xattr *x,
		      u8 *dst)
{
	struct vfsr_chunk c;
	int err;

	err = vfsr_map_lookup(w->rs->pool, x->chunk, &c, w->ws);
	if (err)
		return err;
	if (c.kind != VFSR_KIND_XATTR || c.logical != x->value_bytes)
		return -EUCLEAN;
	return vfsr_pool_read(w->rs->pool, &c, dst, NULL, w->ws);
}

/* Return: 0, or an error if this attribute is lost. */
static int collect_one(struct vfsr_rworker *w, const struct vfsr_item *item,
		       u64 ino, struct vfsr_rmeta *m)
{
	struct vfsr_fault f = { 0 };
	struct vfsr_xattr x;
	u32 used = m->used;
	u8 *dst;
	int err = 0;

	if (vfsr_xattr_decode(item->value, item->bytes, &x, &f)) {
		vfsr_complain(w->rs->pool->name, -1, 0, ino, &f);
		return -EUCLEAN;
	}
	if (memchr(x.name, '\0', x.name_bytes) ||
	    x.value_bytes > VFSR_XATTR_VALUE_MAX)
		return -EUCLEAN;
	dst = append(m, x.name, x.name_bytes, x.value_bytes);
	if (!dst)
		return -ENOMEM;
	if (x.value)
		memcpy(dst, x.value, x.value_bytes);
	else
		err = value_read(w, &x, dst);
	if (err) {
		m->used = used;
		m->nr_xattrs--;
	}
	return err;
}

int vfsr_rmeta_collect(struct vfsr_rworker *w, struct vfsr_iter *iter,
		       struct vfsr_rmeta *m)
{
	const struct vfsr_key first = { VFSR_ITEM_XATTR, 0 };
	struct vfsr_item item;
	int err, lost = 0;

	vfsr_iter_seek(iter, first);
	for (;;) {
		err = vfsr_iter_next(iter, &item);
		if (err == -ENOENT)
			return lost;
		if (err == -ENOMEM)
			return err;
		if (err) {
			/* a directory's names are told as such */
			if (iter->lost.type <= VFSR_ITEM_XATTR)
				lost++;
			continue;
		}
		if (item.key.type != VFSR_ITEM_XATTR)
			return lost;
		err = collect_one(w, &item, iter->ino, m);
		if (err == -ENOMEM)
			return err;
		lost += !!err;
	}
}

static void set_xattrs(struct vfsr_restore *rs, int fd, const char *path,
		       const struct vfsr_rmeta *m, const char *name,
		       const struct vfsr_rdir *dir)
{
	const u8 *at = m->xattrs;
	u32 i, bytes;

	for (i = 0; i < m->nr_xattrs; i++) {
		const char *key = (const char *)at;
		int bad, err;

		at += strlen(key) + 1;
		memcpy(&bytes, at, sizeof(bytes));
		at += sizeof(bytes);
		bad = fd >= 0 ? fsetxattr(fd, key, at, bytes, 0) :
				lsetxattr(path, key, at, bytes, 0);
		err = bad ? -errno : 0;
		at += bytes;
		if (!err)
			atomic_fetch_add(&rs->xattrs, 1);
		else if (err == -EPERM && !rs->privileged)
			atomic_fetch_add(&rs->xattrs_skipped, 1);
		else
			vfsr_rerror(rs, dir, name, key, err);
	}
}

/* What a default ACL of the target gave to a new file. */
static void drop_inherited(int fd, const char *path)
{
	static const char *const acl[] = { "system.posix_acl_access",
					   "system.posix_acl_default" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(acl); i++) {
		if (fd >= 0)
			fremovexattr(fd, acl[i]);
		else
			lremovexattr(path, acl[i]);
	}
}

/* Return: 0; 1 if it is not permitted without privilege; or an error. */
static int set_owner(struct vfsr_restore *rs, int fd, int dirfd,
		     const char *name, const struct vfsr_rmeta *m)
{
	int bad;

	if (m->uid == rs->euid && m->gid == rs->egid && !rs->inherits)
		return 0;
	bad = fd >= 0 ? fchown(fd, m->uid, m->gid) :
			fchownat(dirfd, name, m->uid, m->gid,
				 AT_SYMLINK_NOFOLLOW);
	if (!bad)
		return 0;
	if (errno != EPERM || rs->privileged)
		return -errno;
	/* the group alone may be permitted: one of the user's own */
	bad = fd >= 0 ? fchown(fd, (uid_t)-1, m->gid) :
			fchownat(dirfd, name, (uid_t)-1, m->gid,
				 AT_SYMLINK_NOFOLLOW);
	if (!bad && m->uid == rs->euid)
		return 0;
	atomic_fetch_add(&rs->owners_skipped, 1);
	return 1;
}

/*
 * A name may meanwhile be another one's symlink (crafted pools have names
 * twice), and there is no fchmodat() that does not follow it: so by descriptor.
 */
static int set_mode_by_name(int dirfd, const char *name, u32 mode)
{
	char path[FD_PATH_BYTES];
	struct stat st;
	int fd, err = 0;

	fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fstat(fd, &st))
		err = -errno;
	else if (S_ISLNK(st.st_mode))
		err = -ELOOP;
	else if (chmod(path, mode & PERMISSIONS))
		err = -errno;
	close(fd);
	return err;
}

static int set_mode(int fd, int dirfd, const char *name, u32 mode)
{
	if (S_ISLNK(mode)) /* links have none */
		return 0;
	if (fd < 0)
		return set_mode_by_name(dirfd, name, mode);
	return fchmod(fd, mode & PERMISSIONS) ? -errno : 0;
}

static int set_times(int fd, int dirfd, const char *name,
		     const struct vfsr_rmeta *m)
{
	struct timespec t[2] = {
		{ .tv_sec = m->atime.sec, .tv_nsec = m->atime.nsec },
		{ .tv_sec = m->mtime.sec, .tv_nsec = m->mtime.nsec },
	};
	int bad;

	bad = fd >= 0 ? futimens(fd, t) :
			utimensat(dirfd, name, t, AT_SYMLINK_NOFOLLOW);
	return bad ? -errno : 0;
}

void vfsr_rmeta_apply(struct vfsr_restore *rs, int fd, int dirfd,
		      const char *name, const struct vfsr_rmeta *m,
		      bool settled, const struct vfsr_rdir *dir)
{
	char path[FD_PATH_BYTES + VFSR_NAME_MAX + 1];
	u32 mode = m->mode;
	int err;

	/* xattrs of a name have no *at call: by the directory's descriptor */
	if (fd < 0)
		snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dirfd,
			 name);
	if (!settled) {
		err = set_owner(rs, fd, dirfd, name, m);
		if (err < 0)
			vfsr_rerror(rs, dir, name, "owner", err);
		/* nobody asked for programs that run as somebody else */
		if (err && !S_ISDIR(mode))
			mode &= ~(u32)(S_ISUID | S_ISGID);
	}
	if (rs->inherits)
		drop_inherited(fd, path);
	if (m->nr_xattrs)
		set_xattrs(rs, fd, path, m, name, dir);
	if (!settled || m->nr_xattrs || rs->inherits) {
		err = set_mode(fd, dirfd, name, mode);
		if (err)
			vfsr_rerror(rs, dir, name, "mode", err);
	}
	err = set_times(fd, dirfd, name, m);
	if (err)
		vfsr_rerror(rs, dir, name, "times", err);
}
