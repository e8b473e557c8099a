// SPDX-License-Identifier: GPL-2.0-only
/*
 * optest: operations on names. Each works out from the oracle what the call
 * has to give, calls, and then brings the oracle and the file system to agree
 * about exactly what the call may have changed.
 */
#include <dirent.h>
#include <stdlib.h>
#include <sys/sysmacros.h>

#include "optest.h"

#define NEW (MTIME_NEW | CTIME_NEW)
#define NAMES_SHORT 60

/* A name for dir: from a small set, so that it may exist; or unusual. */
static void pick_name(const struct node *dir, char *name)
{
	size_t at = 0, len, i;

	if (dir == ot.root && ot.shared_dir)
		at = (size_t)snprintf(name, NAME_LEN_MAX + 1, "w%u_",
				      ot.worker);
	switch (below(12)) {
	case 0: /* any bytes but / and 0, as long as it may be */
		len = chance(3) ? NAME_LEN_MAX - at :
				  1 + below(NAME_LEN_MAX - at);
		for (i = 0; i < len; i++)
			do
				name[at + i] = (char)rnd();
			while (!name[at + i] || name[at + i] == '/');
		name[at + len] = 0;
		if (strcmp(name, ".") && strcmp(name, ".."))
			break;
		fallthrough;
	case 1:
		snprintf(name + at, NAME_LEN_MAX + 1 - at,
			 "%llu.long-name-%llu", (unsigned long long)below(1000),
			 (unsigned long long)rnd());
		break;
	default:
		snprintf(name + at, NAME_LEN_MAX + 1 - at, "n%llu",
			 (unsigned long long)below(NAMES_SHORT));
	}
}

/* A directory that may get more entries. */
static struct node *pick_dir(void)
{
	return node_pick(S_IFDIR);
}

static u32 pick_mode(u32 type)
{
	u32 mode = S_ISDIR(type) ? 0700 : 0600;

	return type | mode | ((u32)rnd() & (ot.has.chown ? 07177 : 0177));
}

/* The node for something just made in dir, with what it inherits. */
static struct node *born(const struct node *dir, u32 mode)
{
	struct node *n = node_new(mode);

	n->uid = geteuid();
	n->gid = getegid();
	if (dir->mode & S_ISGID) {
		n->gid = dir->gid;
		if (S_ISDIR(mode))
			n->mode |= S_ISGID;
	}
	return n;
}

/* Something may have gone wrong: is the name as it was? */
static enum outcome named(enum outcome o, struct node *dir, const char *name)
{
	if (o != DONE)
		check_name(dir, name);
	if (o == FULL)
		dir->times_unsure = true;
	return o;
}

/* A new name for n in dir was made. */
static void appeared(struct node *dir, const char *name, struct node *n)
{
	link_add(dir, name, n);
	attr_seen_path(n, NEW);
	attr_seen_path(dir, NEW);
}

static void some_data(struct node *n, int fd)
{
	u64 len = pick_len(ot.live_bytes > ot.max_bytes ? 100 : IO_MAX);

	write_some(n, fd, 0, len);
	attr_seen(n, fd, NULL, TOUCHED);
}

void op_create(void)
{
	struct node *dir = pick_dir(), *n;
	char name[NAME_LEN_MAX + 1], path[PATH_LEN_MAX];
	struct link *l;
	int flags = O_RDWR | O_CREAT | O_NOFOLLOW, want = 0, fd;
	u32 mode = pick_mode(S_IFREG);

	pick_name(dir, name);
	name_path(dir, name, path);
	l = link_find(dir, name);
	if (chance(3) || (l && !S_ISREG(l->node->mode)))
		flags |= O_EXCL;
	if (chance(4))
		flags |= O_TRUNC;
	if (l && flags & O_EXCL)
		want = EEXIST;
	note("%s/%.40s flags %x mode %o", label(dir), name, (u32)flags, mode);
	fd = openat(ot.base, path, flags, mode);
	if (named(judge("open", l ? l->node : dir, fd, want), dir, name) !=
	    DONE)
		return;
	if (l) {
		n = l->node;
		if (flags & O_TRUNC)
			node_resize(n, 0);
		attr_seen(n, fd, NULL, flags & O_TRUNC ? NEW : 0);
	} else {
		n = born(dir, mode);
		appeared(dir, name, n);
	}
	if (chance(2))
		some_data(n, fd);
	judge("close", n, close(fd), 0);
}

void op_mkdir(void)
{
	struct node *dir = pick_dir(), *n;
	char name[NAME_LEN_MAX + 1], path[PATH_LEN_MAX];
	u32 mode = pick_mode(S_IFDIR);
	const struct link *l;
	int ret;

	if (dir_depth(dir) >= DEPTH_MAX)
		return;
	pick_name(dir, name);
	name_path(dir, name, path);
	l = link_find(dir, name);
	note("%s/%.40s mode %o", label(dir), name, mode);
	/* the suid and sgid bits are not mkdir's to give */
	mode &= ~(u32)(S_ISUID | S_ISGID);
	ret = mkdirat(ot.base, path, mode & 07777);
	if (named(judge("mkdir", dir, ret, l ? EEXIST : 0), dir, name) != DONE)
		return;
	n = born(dir, mode);
	appeared(dir, name, n);
}

void op_mknod(void)
{
	static const u32 types[] = { S_IFIFO, S_IFIFO, S_IFSOCK, S_IFCHR,
				     S_IFBLK };
	u32 type = types[below(ot.has.mknod_dev ? ARRAY_SIZE(types) : 3)];
	u32 mode = pick_mode(type);
	struct node *dir = pick_dir(), *n;
	char name[NAME_LEN_MAX + 1], path[PATH_LEN_MAX];
	dev_t rdev = 0;
	const struct link *l;
	int ret;

	pick_name(dir, name);
	name_path(dir, name, path);
	l = link_find(dir, name);
	if (S_ISCHR(type) || S_ISBLK(type))
		rdev = makedev(1 + below(500), below(1 << 18));
	note("%s/%.40s mode %o", label(dir), name, mode);
	ret = mknodat(ot.base, path, mode, rdev);
	if (named(judge("mknod", dir, ret, l ? EEXIST : 0), dir, name) != DONE)
		return;
	n = born(dir, mode);
	n->rdev = rdev;
	appeared(dir, name, n);
}

void op_symlink(void)
{
	struct node *dir = pick_dir(), *n;
	char name[NAME_LEN_MAX + 1], path[PATH_LEN_MAX];
	char target[PATH_LEN_MAX + 1];
	const struct link *l;
	size_t len = 1 + below(chance(4) ? ot.has.symlink_len : 60), i;
	int ret;

	len = min_t(size_t, len, PATH_LEN_MAX);
	for (i = 0; i < len; i++)
		target[i] = (char)('!' + below(90));
	target[len] = 0;
	pick_name(dir, name);
	name_path(dir, name, path);
	l = link_find(dir, name);
	note("%s/%.40s target of %zu bytes", label(dir), name, len);
	ret = symlinkat(target, ot.base, path);
	if (named(judge("symlink", dir, ret, l ? EEXIST : 0), dir, name) !=
	    DONE)
		return;
	n = born(dir, S_IFLNK | 0777);
	n->size = len;
	n->target = strdup(target);
	appeared(dir, name, n);
}

void op_link(void)
{
	struct link *from = link_pick(chance(20) ? 0 : S_IFREG);
	struct node *dir = pick_dir();
	char name[NAME_LEN_MAX + 1], path[PATH_LEN_MAX], old[PATH_LEN_MAX];
	int ret, want;

	if (!from)
		return;
	pick_name(dir, name);
	name_path(dir, name, path);
	link_path(from, old);
	want = link_find(dir, name)	 ? EEXIST :
	       S_ISDIR(from->node->mode) ? EPERM :
					   0;
	note("#%u to %s/%.40s", from->node->id, label(dir), name);
	ret = linkat(ot.base, old, ot.base, path, 0);
	if (named(judge("link", from->node, ret, want), dir, name) != DONE)
		return;
	link_add(dir, name, from->node);
	attr_seen_path(from->node, CTIME_NEW);
	attr_seen_path(dir, NEW);
}

/* The name l is gone from the file system. */
static void vanished(struct link *l)
{
	struct node *dir = l->dir, *n = l->node;

	link_del(l);
	attr_seen_path(dir, NEW);
	if (n->nr_links || n->nr_open)
		attr_seen_path(n, CTIME_NEW);
	node_drop_if_unused(n);
}

/* Removing needs no space that a full file system would lack. */
static enum outcome judge_removal(const char *call, struct node *n, int ret,
				  int want)
{
	enum outcome o = judge(call, n, ret, want);

	if (o == FULL)
		diff(DIFF_ERRNO, n, "%s failed for lack of space", call);
	return o;
}

static void do_unlink(struct link *l)
{
	char path[PATH_LEN_MAX];
	bool is_dir = S_ISDIR(l->node->mode);
	int ret;

	link_path(l, path);
	note("%s in #%u", label(l->node), l->dir->id);
	ret = unlinkat(ot.base, path, 0);
	if (judge_removal("unlink", l->node, ret, is_dir ? EISDIR : 0) != DONE)
		check_name(l->dir, l->name);
	else
		vanished(l);
}

static void do_rmdir(struct link *l)
{
	char path[PATH_LEN_MAX];
	int ret, want;

	link_path(l, path);
	note("%s in #%u", label(l->node), l->dir->id);
	want = !S_ISDIR(l->node->mode) ? ENOTDIR :
	       l->node->nr_entries     ? ENOTEMPTY :
					 0;
	ret = unlinkat(ot.base, path, AT_REMOVEDIR);
	if (judge_removal("rmdir", l->node, ret, want) != DONE)
		check_name(l->dir, l->name);
	else
		vanished(l);
}

void op_unlink(void)
{
	struct link *l = link_pick(chance(3) ? 0 : S_IFREG);

	if (l)
		do_unlink(l);
}

void op_rmdir(void)
{
	struct link *l = link_pick(chance(20) ? 0 : S_IFDIR);

	if (l)
		do_rmdir(l);
}

static u32 height(const struct node *n)
{
	const struct node *up, *top = n;
	u32 i, depth, most = 0;

	/* by asking every directory how far it lies below n */
	for (i = 0; i < ot.nr_nodes; i++) {
		up = ot.node[i];
		if (!S_ISDIR(up->mode) || !dir_is_above(top, up))
			continue;
		for (depth = 0; up != top; up = up->link[0]->dir)
			depth++;
		most = max_t(u32, most, depth);
	}
	return most;
}

static int rename_want(const struct link *l, const struct node *dir,
		       const struct link *t, u32 flags)
{
	bool is_dir = S_ISDIR(l->node->mode);

	if (flags & RENAME_NOREPLACE && t)
		return EEXIST;
	if (flags & RENAME_EXCHANGE && !t)
		return ENOENT;
	if (is_dir && dir_is_above(l->node, dir))
		return EINVAL;
	if (t && S_ISDIR(t->node->mode) && dir_is_above(t->node, l->dir))
		return flags & RENAME_EXCHANGE ? EINVAL : ENOTEMPTY;
	if (!t || t->node == l->node || flags & RENAME_EXCHANGE)
		return 0;
	if (is_dir && !S_ISDIR(t->node->mode))
		return ENOTDIR;
	if (!is_dir && S_ISDIR(t->node->mode))
		return EISDIR;
	return t->node->nr_entries ? ENOTEMPTY : 0;
}

/* Brings a rename that succeeded into the oracle. */
static void renamed(struct link *l, struct node *dir, const char *name,
		    struct link *t, u32 flags)
{
	struct node *n = l->node, *from = l->dir;
	struct node *over = t ? t->node : NULL, *white;
	char *old = strdup(l->name);

	if (!old)
		fatal("out of memory");
	if (t)
		link_del(t);
	link_move(l, dir, name);
	if (flags & RENAME_EXCHANGE)
		link_add(from, old, over);
	if (flags & RENAME_WHITEOUT) {
		white = born(from, S_IFCHR);
		appeared(from, old, white);
	}
	attr_seen_path(n, S_ISDIR(n->mode) ? TOUCHED : CTOUCHED);
	attr_seen_path(from, NEW);
	attr_seen_path(dir, NEW);
	if (over && (over->nr_links || over->nr_open))
		attr_seen_path(over, !(flags & RENAME_EXCHANGE) ? CTIME_NEW :
				     S_ISDIR(over->mode)	? TOUCHED :
								  CTOUCHED);
	if (over)
		node_drop_if_unused(over);
	check_name(from, old);
	check_name(dir, name);
	free(old);
}

static void do_rename(u32 flags)
{
	struct link *l = link_pick(chance(3) ? S_IFDIR :
				   chance(2) ? 0 :
					       S_IFREG);
	struct node *dir = pick_dir();
	char name[NAME_LEN_MAX + 1], old[PATH_LEN_MAX], new[PATH_LEN_MAX];
	struct link *t;
	enum outcome o;
	int ret, want;

	if (!l)
		return;
	if (chance(3))
		dir = l->dir;
	pick_name(dir, name);
	if ((flags & RENAME_EXCHANGE ? !chance(10) : chance(4)) &&
	    dir->nr_entries)
		copy_text(name, dir->entry[below(dir->nr_entries)]->name,
			  sizeof(name));
	t = link_find(dir, name);
	if (S_ISDIR(l->node->mode) && !dir_is_above(l->node, dir) &&
	    dir_depth(dir) + height(l->node) >= DEPTH_MAX)
		return;
	if (flags & RENAME_EXCHANGE && t && S_ISDIR(t->node->mode) &&
	    dir_depth(l->dir) + height(t->node) >= DEPTH_MAX)
		return;
	link_path(l, old);
	name_path(dir, name, new);
	note("#%u from #%u/%.40s to %s/%.40s flags %u", l->node->id, l->dir->id,
	     l->name, label(dir), name, flags);
	ret = renameat2(ot.base, old, ot.base, new, flags);
	want = rename_want(l, dir, t, flags);
	/* either says that a directory is not empty */
	if (ret < 0 && errno == EEXIST && want == ENOTEMPTY)
		errno = ENOTEMPTY;
	o = judge("rename", l->node, ret, want);
	if (o != DONE) {
		check_name(l->dir, l->name);
		check_name(dir, name);
		/* ext4 makes the whiteout first, and takes it back */
		if (flags & RENAME_WHITEOUT || o == FULL)
			l->dir->times_unsure = dir->times_unsure = true;
	} else if (t && t->node == l->node) {
		/* two names of one inode: nothing happens */
		attr_seen_path(l->node, TOUCHED);
		attr_seen_path(l->dir, TOUCHED);
		attr_seen_path(dir, TOUCHED);
	} else {
		renamed(l, dir, name, t, flags);
	}
}

void op_rename(void)
{
	do_rename(0);
}

void op_noreplace(void)
{
	if (ot.has.noreplace)
		do_rename(RENAME_NOREPLACE);
}

void op_exchange(void)
{
	if (ot.has.exchange)
		do_rename(RENAME_EXCHANGE);
}

void op_whiteout(void)
{
	if (ot.has.whiteout)
		do_rename(RENAME_WHITEOUT);
}

/* A file without a name, which then gets one or not. */
void op_tmpfile(void)
{
	struct node *dir = pick_dir(), *n;
	char name[NAME_LEN_MAX + 1], path[PATH_LEN_MAX], from[64];
	u32 mode = pick_mode(S_IFREG);
	int fd, ret;

	if (!ot.has.tmpfile)
		return;
	pick_name(dir, name);
	name_path(dir, ".", path);
	note("%s/%.40s", label(dir), name);
	fd = openat(ot.base, path, O_TMPFILE | O_RDWR, mode);
	if (judge("open with O_TMPFILE", dir, fd, 0) != DONE)
		return;
	n = born(dir, mode);
	attr_seen(n, fd, NULL, NEW);
	if (!chance(3))
		some_data(n, fd);
	if (!chance(3)) {
		name_path(dir, name, path);
		snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
		ret = linkat(AT_FDCWD, from, ot.base, path, AT_SYMLINK_FOLLOW);
		if (named(judge("linkat of a temporary file", n, ret,
				link_find(dir, name) ? EEXIST : 0),
			  dir, name) == DONE) {
			link_add(dir, name, n);
			attr_seen(n, fd, NULL, CTIME_NEW);
			attr_seen_path(dir, NEW);
		}
	}
	check_content(n, fd);
	judge("close", n, close(fd), 0);
	node_drop_if_unused(n);
}

/* Many new files in one directory. */
void op_burst(void)
{
	struct node *dir = pick_dir(), *n;
	char name[NAME_LEN_MAX + 1], path[PATH_LEN_MAX];
	u32 nr = 10 + (u32)below(150), i;
	const char *prefix = "";
	int fd;

	if (ot.nr_nodes + nr > ot.max_nodes)
		return;
	snprintf(path, sizeof(path), "w%u_", ot.worker);
	if (dir == ot.root && ot.shared_dir)
		prefix = strdupa(path);
	note("%u files in %s", nr, label(dir));
	for (i = 0; i < nr && !ot.nr_diffs; i++) {
		snprintf(name, sizeof(name), "%sb%u_%llu", prefix, ot.op,
			 (unsigned long long)rnd());
		name_path(dir, name, path);
		fd = openat(ot.base, path, O_CREAT | O_EXCL | O_RDWR, 0644);
		if (named(judge("open", dir, fd, 0), dir, name) != DONE)
			break;
		n = born(dir, S_IFREG | 0644);
		link_add(dir, name, n);
		if (chance(2))
			write_some(n, fd, 0, 1 + below(2000));
		attr_seen(n, fd, NULL, NEW);
		judge("close", n, close(fd), 0);
	}
	if (i)
		attr_seen_path(dir, NEW);
}

/* Makes room: removes several names, of large files first. */
void op_prune(void)
{
	struct link *l, *best;
	u32 i, j, nr = 4 + (u32)below(40);

	for (i = 0; i < nr && !ot.nr_diffs; i++) {
		best = NULL;
		for (j = 0; j < 6; j++) {
			l = link_pick(S_IFREG);
			if (!best ||
			    (l && l->node->size < FAR_MAX &&
			     l->node->nr_extents > best->node->nr_extents))
				best = l;
		}
		if (chance(4))
			best = link_pick(0);
		if (best && S_ISDIR(best->node->mode))
			do_rmdir(best);
		else if (best)
			do_unlink(best);
	}
}

/* Names that do not exist, and paths through what is no directory. */
void op_lookup(void)
{
	struct link *l = link_pick(S_IFREG);
	struct node *dir = pick_dir();
	char name[NAME_LEN_MAX + 1], path[PATH_LEN_MAX];
	struct stat st;

	pick_name(dir, name);
	note("%s/%.40s", label(dir), name);
	check_name(dir, name);
	if (!l)
		return;
	snprintf(path, sizeof(path), "%s/x", node_path(l->node));
	judge("stat through a file", l->node, fstatat(ot.base, path, &st, 0),
	      ENOTDIR);
}

void op_long_name(void)
{
	char name[NAME_LEN_MAX + 2];
	int fd;

	memset(name, 'l', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	note("256 bytes");
	fd = openat(ot.base, name, O_CREAT | O_RDWR, 0644);
	judge("open of a name of 256 bytes", ot.root, fd, ENAMETOOLONG);
	judge("mkdir of a name of 256 bytes", ot.root,
	      mkdirat(ot.base, name, 0755), ENAMETOOLONG);
}

/* --- the end --- */

static void remove_below(int at, const char *name, bool is_root)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;

	if (!stream) {
		judge("opendir", NULL, -1, 0);
		return;
	}
	while ((d = readdir(stream))) {
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		if (is_root && !name_is_mine(ot.root, d->d_name))
			continue;
		if (!unlinkat(dirfd(stream), d->d_name, 0))
			continue;
		if (errno != EISDIR) {
			judge_removal("unlink", NULL, -1, 0);
			continue;
		}
		remove_below(dirfd(stream), d->d_name, false);
		judge_removal("rmdir", NULL,
			      unlinkat(dirfd(stream), d->d_name, AT_REMOVEDIR),
			      0);
	}
	closedir(stream);
}

/* Removes everything of this worker, which must work too. */
void tree_remove(void)
{
	oracle_free();
	remove_below(ot.base, ".", true);
}
