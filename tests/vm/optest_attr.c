// SPDX-License-Identifier: GPL-2.0-only
/*
 * optest: attributes, extended attributes, syncing, open files, and what only
 * asks. Handles stay open across operations, so that files are used after
 * their last name is gone; they are closed for a remount.
 */
#include <stdlib.h>
#include <sys/statfs.h>
#include <sys/xattr.h>

#include "optest.h"

#define XATTRS_MAX 8

/* Any node, often a regular file. */
static struct node *any_pick(void)
{
	return node_pick(chance(2) ? S_IFREG : 0);
}

/* Not the directory of all workers. */
static bool is_common(const struct node *n)
{
	return n == ot.root && ot.shared_dir;
}

void op_chmod(void)
{
	struct node *n = any_pick();
	u32 mode;

	/* a symlink has no mode of its own to change */
	if (!n || S_ISLNK(n->mode) || is_common(n))
		return;
	mode = 0600 | ((u32)rnd() & (ot.has.chown ? 07777 : 0777));
	if (S_ISDIR(n->mode))
		mode |= 0100;
	note("%s %o", label(n), mode);
	if (judge("chmod", n, fchmodat(ot.base, node_path(n), mode, 0), 0) !=
	    DONE)
		return;
	n->mode = (n->mode & S_IFMT) | mode;
	attr_seen_path(n, CTIME_NEW);
}

void op_chown(void)
{
	struct node *n = any_pick();
	u32 uid = (u32)below(5) * 1000, gid = (u32)below(5) * 1000;

	if (!n || !ot.has.chown || is_common(n))
		return;
	if (chance(3))
		gid = (u32)-1;
	else if (chance(3))
		uid = (u32)-1;
	note("%s %u:%u", label(n), uid, gid);
	if (judge("chown", n,
		  fchownat(ot.base, node_path(n), uid, gid,
			   AT_SYMLINK_NOFOLLOW),
		  0) != DONE)
		return;
	n->uid = uid == (u32)-1 ? n->uid : uid;
	n->gid = gid == (u32)-1 ? n->gid : gid;
	/* other owners must not inherit the powers of the old one */
	if (!S_ISDIR(n->mode)) {
		n->mode &= ~(u32)S_ISUID;
		if (n->mode & S_IXGRP)
			n->mode &= ~(u32)S_ISGID;
	}
	attr_seen_path(n, CTIME_NEW);
}

static struct timespec pick_time(void)
{
	struct timespec t = {
		.tv_sec = (time_t)below(ot.has.time_max),
		.tv_nsec = (long)below(1000000000),
	};

	t.tv_nsec -= t.tv_nsec % (long)ot.has.gran_ns;
	return t;
}

void op_utimes(void)
{
	struct node *n = any_pick();
	struct timespec t[2] = { pick_time(), pick_time() };
	u32 flags = CTIME_NEW;

	if (!n || is_common(n))
		return;
	if (chance(4)) {
		t[1].tv_nsec = UTIME_NOW;
		flags |= MTIME_NEW;
	} else if (chance(6)) {
		t[1].tv_nsec = UTIME_OMIT;
	}
	note("%s %lld.%ld", label(n), (long long)t[1].tv_sec, t[1].tv_nsec);
	if (judge("utimensat", n,
		  utimensat(ot.base, node_path(n), t, AT_SYMLINK_NOFOLLOW),
		  0) != DONE)
		return;
	if (t[1].tv_nsec < 1000000000)
		n->mtime = t[1];
	attr_seen_path(n, flags);
}

/* --- extended attributes --- */

/* Path for the calls that know no directory descriptor. */
static const char *xattr_path(const struct node *n)
{
	static char path[PATH_LEN_MAX + 64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", ot.base,
		 node_path(n));
	return path;
}

/* A name that the node may have; false if there is no namespace for it. */
static bool xattr_pick(const struct node *n, char *name)
{
	const char *space[3];
	u32 nr = 0;

	if (ot.has.user_xattr && (S_ISREG(n->mode) || S_ISDIR(n->mode)))
		space[nr++] = "user";
	if (ot.has.trusted_xattr)
		space[nr++] = "trusted";
	if (ot.has.security_xattr && !S_ISLNK(n->mode))
		space[nr++] = "security";
	if (!nr)
		return false;
	sprintf(name, "%s.ot%llu", space[below(nr)],
		(unsigned long long)below(6));
	if (chance(10))
		sprintf(name + strlen(name), "-%0200d", 7);
	return true;
}

static struct node *xattr_node(char *name)
{
	struct node *n = node_pick(chance(3) ? 0 : S_IFREG);

	if (n == ot.root || !n || !xattr_pick(n, name))
		return NULL;
	return n;
}

void op_setxattr(void)
{
	char name[NAME_LEN_MAX + 1];
	struct node *n = xattr_node(name);
	struct source s = gen_pick();
	struct xattr *x;
	enum outcome o;
	u32 len;
	int flags = 0, want = 0, ret;

	if (!n)
		return;
	x = xattr_find(n, name);
	if (!x && n->nr_xattrs >= XATTRS_MAX)
		return;
	len = (u32)below(chance(3) ? 4000 : 100);
	if (chance(20))
		len = (u32)below(ot.has.xattr_len + 1);
	if (chance(4))
		flags = chance(2) ? XATTR_CREATE : XATTR_REPLACE;
	if (flags == XATTR_CREATE && x)
		want = EEXIST;
	if (flags == XATTR_REPLACE && !x)
		want = ENODATA;
	note("%s %s %u bytes flags %d", label(n), name, len, flags);
	gen_fill(&s, 0, ot.data, len);
	ret = lsetxattr(xattr_path(n), name, ot.data, len, flags);
	/* all of a node's together may be limited */
	if (ret < 0 && (errno == E2BIG || errno == ERANGE))
		errno = ENOSPC;
	o = judge("setxattr", n, ret, want);
	if (o == DONE)
		xattr_set(n, name, &s, len);
	attr_seen_path(n, CTOUCHED);
	if (o == FULL)
		check_xattrs(n, -1, xattr_path(n));
}

void op_removexattr(void)
{
	char name[NAME_LEN_MAX + 1];
	struct node *n = xattr_node(name);
	struct xattr *x;
	int ret;

	if (!n)
		return;
	if (n->nr_xattrs && !chance(4))
		copy_text(name, n->xattr[below(n->nr_xattrs)].name,
			  sizeof(name));
	x = xattr_find(n, name);
	note("%s %s", label(n), name);
	ret = lremovexattr(xattr_path(n), name);
	if (judge("removexattr", n, ret, x ? 0 : ENODATA) == DONE)
		xattr_del(n, x);
	attr_seen_path(n, CTOUCHED);
}

void op_getxattr(void)
{
	char name[NAME_LEN_MAX + 1];
	struct node *n = xattr_node(name);
	const struct xattr *x;
	ssize_t ret;

	if (!n)
		return;
	if (n->nr_xattrs && !chance(3))
		copy_text(name, n->xattr[below(n->nr_xattrs)].name,
			  sizeof(name));
	x = xattr_find(n, name);
	note("%s %s", label(n), name);
	ret = lgetxattr(xattr_path(n), name, NULL, 0);
	if (judge("getxattr", n, ret, x ? 0 : ENODATA) == DONE && x &&
	    (u32)ret != x->len)
		diff(DIFF_XATTR, n, "%s has %zd bytes, expected %u", name, ret,
		     x->len);
	if (x && x->len > 1)
		judge("getxattr into a small buffer", n,
		      lgetxattr(xattr_path(n), name, ot.got, x->len - 1),
		      ERANGE);
}

void op_listxattr(void)
{
	struct node *n = any_pick();

	if (!n)
		return;
	note("%s", label(n));
	check_xattrs(n, -1, xattr_path(n));
}

/* --- asking and syncing --- */

void op_check(void)
{
	struct node *n = any_pick();

	if (!n)
		return;
	note("%s", label(n));
	check_node(n);
}

void op_statfs(void)
{
	struct statfs st;

	note("free space");
	if (judge("fstatfs", NULL, fstatfs(ot.base, &st), 0) != DONE)
		return;
	if (st.f_bfree > st.f_blocks || st.f_bavail > st.f_bfree ||
	    (st.f_files && st.f_ffree > st.f_files) || st.f_bsize <= 0)
		diff(DIFF_STATFS, NULL,
		     "blocks %llu, free %llu, available %llu, inodes %llu, free %llu, block size %ld",
		     (unsigned long long)st.f_blocks,
		     (unsigned long long)st.f_bfree,
		     (unsigned long long)st.f_bavail,
		     (unsigned long long)st.f_files,
		     (unsigned long long)st.f_ffree, (long)st.f_bsize);
	if (st.f_namelen != NAME_LEN_MAX)
		diff(DIFF_STATFS, NULL, "longest name %ld, expected %d",
		     (long)st.f_namelen, NAME_LEN_MAX);
}

static void do_fsync(bool data_only)
{
	struct node *n = chance(5) ? node_pick(S_IFDIR) : file_pick();
	bool close_it;
	int fd;

	if (!n)
		return;
	note("%s", label(n));
	if (S_ISDIR(n->mode)) {
		fd = openat(ot.base, node_path(n), O_RDONLY | O_DIRECTORY);
		close_it = true;
		if (judge("open", n, fd, 0) != DONE)
			return;
	} else {
		fd = node_open(n, O_RDWR, &close_it);
		if (fd < 0)
			return;
	}
	judge(data_only ? "fdatasync" : "fsync", n,
	      data_only ? fdatasync(fd) : fsync(fd), 0);
	done_with(n, fd, close_it);
}

void op_fsync(void)
{
	do_fsync(false);
}

void op_fdatasync(void)
{
	do_fsync(true);
}

void op_sync(void)
{
	note("all");
	if (chance(4))
		sync();
	else
		judge("syncfs", NULL, syncfs(ot.base), 0);
}

/* Drops cached pages, so that reads ask the device. */
void op_forget(void)
{
	struct node *n = file_pick();
	bool close_it;
	int fd;

	if (ot.drop_caches && chance(20)) {
		note("all caches");
		fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
		if (fd < 0 || write(fd, "3", 1) != 1)
			fatal("cannot drop caches");
		close(fd);
		return;
	}
	if (!n)
		return;
	note("%s", label(n));
	fd = node_open(n, O_RDWR, &close_it);
	if (fd < 0)
		return;
	if (chance(2))
		judge("fdatasync", n, fdatasync(fd), 0);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (chance(2))
		check_content(n, fd);
	done_with(n, fd, close_it);
}

/* --- open files --- */

static struct node *open_some(void)
{
	struct node *n = node_pick(S_IFREG);
	int fd;

	if (!n || ot.nr_handles == HANDLES_MAX)
		return NULL;
	note("%s", label(n));
	fd = openat(ot.base, node_path(n), O_RDWR);
	if (judge("open", n, fd, 0) != DONE)
		return NULL;
	ot.handle[ot.nr_handles++] = (struct handle){ fd, n };
	n->nr_open++;
	return n;
}

void op_open(void)
{
	open_some();
}

/* Open a file and remove its last name. */
void op_open_unlink(void)
{
	struct node *n = open_some(), *dir;
	struct link *l;
	char path[PATH_LEN_MAX];

	if (!n || n->nr_links != 1)
		return;
	l = n->link[0];
	dir = l->dir;
	link_path(l, path);
	if (judge("unlink", n, unlinkat(ot.base, path, 0), 0) != DONE)
		return;
	link_del(l);
	attr_seen_path(n, CTIME_NEW);
	attr_seen_path(dir, MTIME_NEW | CTIME_NEW);
}

void handle_close(u32 i)
{
	struct handle h = ot.handle[i];

	ot.handle[i] = ot.handle[--ot.nr_handles];
	judge("close", h.node, close(h.fd), 0);
	h.node->nr_open--;
	node_drop_if_unused(h.node);
}

void handles_close(void)
{
	while (ot.nr_handles)
		handle_close(0);
}

void op_close(void)
{
	u32 i = (u32)below(ot.nr_handles);

	if (!ot.nr_handles)
		return;
	note("%s", label(ot.handle[i].node));
	if (chance(2))
		check_node(ot.handle[i].node);
	handle_close(i);
}
