// SPDX-License-Identifier: GPL-2.0-only
/*
 * optest: proof that it sees what it is there to see. For each kind of damage
 * a tree is made, spoiled behind the oracle's back (or the oracle is spoiled,
 * where the file system cannot be made to lie), and looked at: the right kind
 * of difference has to be reported, and none before.
 */
#include <stdlib.h>
#include <sys/xattr.h>

#include "optest.h"

#define OPS 400

static char path[PATH_LEN_MAX];

/* A file with a name, some data and no open handle. */
static struct node *victim(void)
{
	struct node *n;
	u32 i;

	for (i = 0; i < 1000; i++) {
		n = node_pick(S_IFREG);
		if (n && n->nr_extents && !n->nr_open && n->size < 1 << 20) {
			copy_text(path, node_path(n), sizeof(path));
			return n;
		}
	}
	fatal("the tree has no file to spoil");
}

static int victim_open(void)
{
	int fd = openat(ot.base, path, O_RDWR);

	if (fd < 0)
		fatal("%s: %m", path);
	return fd;
}

static void must(bool did)
{
	if (!did)
		fatal("cannot spoil %s: %m", path);
}

static void times_back(const struct node *n, int fd)
{
	struct timespec t[2] = { n->mtime, n->mtime };

	must(!futimens(fd, t));
	close(fd);
}

static bool spoil_byte(void)
{
	struct node *n = victim();
	u64 off = n->extent[0].off + below(n->extent[0].len);
	int fd = victim_open();
	u8 c;

	must(pread(fd, &c, 1, (off_t)off) == 1);
	c ^= 1;
	must(pwrite(fd, &c, 1, (off_t)off) == 1);
	times_back(n, fd);
	return true;
}

/* A byte where a hole is. */
static bool spoil_hole(void)
{
	struct node *n = victim();
	int fd = victim_open();

	must(!ftruncate(fd, (off_t)n->size + 9000));
	node_resize(n, n->size + 9000);
	must(pwrite(fd, "h", 1, (off_t)n->size - 1) == 1);
	times_back(n, fd);
	return true;
}

/* A page as it was before: a write that got lost. */
static bool spoil_lost_write(void)
{
	struct source s = { .kind = DATA_RANDOM, .seed = rnd() };
	struct node *n = victim();

	extent_set(n, 0, min_t(u64, n->size, 4096), &s);
	return true;
}

static bool spoil_size(void)
{
	struct node *n = victim();
	int fd = victim_open();

	must(!ftruncate(fd, (off_t)n->size + 1));
	times_back(n, fd);
	return true;
}

static bool spoil_missing(void)
{
	victim();
	must(!unlinkat(ot.base, path, 0));
	return true;
}

static bool spoil_extra(void)
{
	must(!mknodat(ot.base, "spoiled", S_IFREG | 0600, 0));
	return true;
}

static bool spoil_type(void)
{
	victim();
	must(!unlinkat(ot.base, path, 0));
	must(!mknodat(ot.base, path, S_IFIFO | 0600, 0));
	return true;
}

static bool spoil_mode(void)
{
	struct node *n = victim();

	must(!fchmodat(ot.base, path, (n->mode & 07777) ^ 0040, 0));
	return true;
}

static bool spoil_owner(void)
{
	struct node *n = victim();

	if (!ot.has.chown)
		return false;
	must(!fchownat(ot.base, path, n->uid + 1, n->gid, 0));
	return true;
}

static bool spoil_links(void)
{
	victim();
	must(!linkat(ot.base, path, ot.base, "spoiled", 0));
	return true;
}

static bool spoil_mtime(void)
{
	struct node *n = victim();
	struct timespec t[2] = { n->mtime, n->mtime };

	t[1].tv_sec ^= 1;
	must(!utimensat(ot.base, path, t, 0));
	return true;
}

/* Another inode with the same name. */
static bool spoil_inode(void)
{
	victim();
	must(!mknodat(ot.base, "spoiled", S_IFREG | 0600, 0));
	must(!renameat(ot.base, "spoiled", ot.base, path));
	return true;
}

static bool spoil_target(void)
{
	struct link *l = link_pick(S_IFLNK);

	if (!l)
		fatal("the tree has no symlink");
	link_path(l, path);
	must(!unlinkat(ot.base, path, 0));
	must(!symlinkat("elsewhere", ot.base, path));
	return true;
}

static bool spoil_rdev(void)
{
	struct node *n = victim();

	n->rdev = 0x123;
	return true;
}

/* A file with an extended attribute. */
static struct node *xattr_victim(void)
{
	u32 i;

	for (i = 0; i < ot.nr_nodes; i++)
		if (ot.node[i]->nr_xattrs && S_ISREG(ot.node[i]->mode) &&
		    ot.node[i]->nr_links) {
			copy_text(path, node_path(ot.node[i]), sizeof(path));
			return ot.node[i];
		}
	return NULL;
}

static bool spoil_xattr_value(void)
{
	struct node *n = xattr_victim();
	int fd;

	if (!n)
		return false;
	fd = victim_open();
	n->xattr[0].src.seed++;
	n->xattr[0].src.kind = DATA_RANDOM;
	if (!n->xattr[0].len)
		n->xattr[0].len = 1;
	close(fd);
	return true;
}

static bool spoil_xattr_gone(void)
{
	struct node *n = xattr_victim();
	int fd;

	if (!n)
		return false;
	fd = victim_open();
	must(!fremovexattr(fd, n->xattr[0].name));
	close(fd);
	return true;
}

static bool spoil_xattr_extra(void)
{
	int fd;

	if (!ot.has.user_xattr)
		return false;
	victim();
	fd = victim_open();
	must(!fsetxattr(fd, "user.otspoiled", "x", 1, 0));
	close(fd);
	return true;
}

/* The file system does not know of data that is there. */
static bool spoil_seek(void)
{
	struct source s = { .kind = DATA_RANDOM, .seed = 1 };
	struct node *n = victim();
	int fd = victim_open();
	off_t end = 4 << 20;

	must(!ftruncate(fd, end));
	node_resize(n, (u64)end);
	close(fd);
	extent_set(n, 1 << 20, 3 << 20, &s);
	return ot.has.seek_data;
}

static void look_everywhere(void)
{
	check_all();
}

static void look_for_holes(void)
{
	u32 i;

	for (i = 0; i < 3000 && !(ot.diff_mask & 1u << DIFF_HOLE); i++)
		op_seek_data();
}

static void look_unlink(void)
{
	u32 i;

	for (i = 0; i < 2000 && !(ot.diff_mask & 1u << DIFF_ERRNO); i++)
		op_unlink();
}

static void look_readdir(void)
{
	u32 i;

	for (i = 0; i < 2000 && !(ot.diff_mask & 1u << DIFF_READDIR); i++)
		op_readdir_unlink();
}

static const struct spoiler {
	const char *name;
	enum diff_kind kind;
	bool (*spoil)(void); /* false: this file system cannot */
	void (*look)(void);
} spoilers[] = {
	{ "a flipped byte", DIFF_DATA, spoil_byte, look_everywhere },
	{ "a byte in a hole", DIFF_DATA, spoil_hole, look_everywhere },
	{ "a lost write", DIFF_DATA, spoil_lost_write, look_everywhere },
	{ "a byte more", DIFF_SIZE, spoil_size, look_everywhere },
	{ "a missing file", DIFF_MISSING, spoil_missing, look_everywhere },
	{ "an extra file", DIFF_EXTRA, spoil_extra, look_everywhere },
	{ "another type", DIFF_TYPE, spoil_type, look_everywhere },
	{ "a mode bit", DIFF_MODE, spoil_mode, look_everywhere },
	{ "another owner", DIFF_OWNER, spoil_owner, look_everywhere },
	{ "a link count", DIFF_NLINK, spoil_links, look_everywhere },
	{ "a time", DIFF_TIME, spoil_mtime, look_everywhere },
	{ "another inode", DIFF_INO, spoil_inode, look_everywhere },
	{ "a symlink's target", DIFF_TARGET, spoil_target, look_everywhere },
	{ "a device number", DIFF_RDEV, spoil_rdev, look_everywhere },
	{ "an xattr's value", DIFF_XATTR, spoil_xattr_value, look_everywhere },
	{ "a dropped xattr", DIFF_XATTR, spoil_xattr_gone, look_everywhere },
	{ "an extra xattr", DIFF_XATTR, spoil_xattr_extra, look_everywhere },
	{ "data called a hole", DIFF_HOLE, spoil_seek, look_for_holes },
	{ "a wrong error", DIFF_ERRNO, spoil_missing, look_unlink },
	{ "an entry readdir leaves out", DIFF_READDIR, spoil_missing,
	  look_readdir },
};

/* Prints one line; 1 if the damage was not seen. */
static int try_one(const struct spoiler *s)
{
	u32 mask;

	run_begin(0);
	run_ops(OPS);
	check_all();
	if (ot.nr_diffs)
		fatal("%u differences before anything was spoiled, first mask %x",
		      ot.nr_diffs, ot.diff_mask);
	handles_close();
	if (!s->spoil()) {
		printf("skip self-test: %s\n", s->name);
		mask = 1u << s->kind;
	} else {
		s->look();
		mask = ot.diff_mask;
		printf("%s self-test: %s is reported as %s\n",
		       mask & 1u << s->kind ? "ok" : "not ok", s->name,
		       diff_name(s->kind));
	}
	ot.nr_diffs = 0;
	ot.diff_mask = 0;
	run_end();
	return !(mask & 1u << s->kind);
}

int self_test(void)
{
	u32 i, failed = 0;

	ot.verify_every = 0;
	ot.remount = NULL;
	ot.seconds = 0;
	for (i = 0; i < ARRAY_SIZE(spoilers); i++)
		failed += (u32)try_one(&spoilers[i]);
	return failed ? 1 : 0;
}
