// SPDX-License-Identifier: GPL-2.0-only
/*
 * Orphans: inodes without a name that are still in use, or not yet wholly
 * removed. A directory that no path leads to names them, so that a mount after a
 * crash finds and removes them.
 *
 * It is inode VFSR_ORPHAN_INO, made when the first orphan comes; its names are inode
 * numbers in 16 hex digits, and are no links. Its tree lock serializes; it is
 * taken in a transaction, with no other tree's lock held.
 */
#include <linux/ktime.h>
#include <linux/slab.h>
#include <linux/stat.h>

#include "tree/tree_impl.h"

#define NAME_BYTES	16
#define READ_BYTES	PAGE_SIZE	/* of a batch of entries */

static void name_of(u64 ino, u8 *name)
{
	char text[NAME_BYTES + 1];

	snprintf(text, sizeof(text), "%016llx", ino);
	memcpy(name, text, NAME_BYTES);
}

/* The header of the directory; -ENOENT if it does not exist. */
static int dir_header(struct vfsr_tree *t, struct vfsr_inode *in)
{
	int rc = vfsr_tree_header(t, in);

	if (!rc && in->mode >> VFSR_MODE_TYPE_SHIFT != VFSR_DT_DIR)
		return vfsr_tree_bad(t, VFSR_REASON_INODE, in->mode, S_IFDIR);
	return rc;
}

static int dir_make(struct vfsr_tree *t, struct vfsr_inode *in)
{
	struct timespec64 now;
	u64 ino = VFSR_ORPHAN_INO;

	ktime_get_real_ts64(&now);
	memset(in, 0, sizeof(*in));
	in->mode = S_IFDIR | 0700;
	in->nlink = 2;
	in->parent = VFSR_ORPHAN_INO;
	in->btime.sec = now.tv_sec;
	in->btime.nsec = (u32)now.tv_nsec;
	in->mtime = in->btime;
	in->ctime = in->btime;
	in->atime = in->btime;
	return vfsr_tree_new_root(t->trees, in, &ino);
}

/*
 * The header changes first, so that the name's failure is undone by writing the
 * header again: its node is dirty by then, and it has the same length, which
 * cannot fail.
 */
static int dir_resize(struct vfsr_tree *t, struct vfsr_inode *in, int delta)
{
	in->size += (u64)delta;
	return vfsr_tree_write_inode(t, in);
}

static int dir_undo(struct vfsr_tree *t, struct vfsr_inode *in, int delta,
		    int rc)
{
	int err = dir_resize(t, in, -delta);

	if (err)
		vfsr_log_stop(t->trees->log, err, "orphan list half changed");
	return rc;
}

/**
 * vfsr_orphan_add - enter an inode into the list
 * @ts: trees
 * @ino: inode
 * @type: DT_* of it
 *
 * Context: in a transaction, no tree lock held. May sleep.
 *
 * Return: 0; -EEXIST if it is there; or an error. Then nothing changed.
 */
int vfsr_orphan_add(struct vfsr_trees *ts, u64 ino, u8 type)
{
	struct vfsr_tree *t = &ts->orphans;
	struct vfsr_inode in;
	u8 name[NAME_BYTES];
	int rc;

	name_of(ino, name);
	down_write(&t->lock);
	rc = dir_header(t, &in);
	if (rc == -ENOENT)
		rc = dir_make(t, &in);
	if (!rc)
		rc = dir_resize(t, &in, 1);
	if (!rc) {
		rc = vfsr_tree_dir_insert(t, name, NAME_BYTES, ino, type);
		if (rc)
			rc = dir_undo(t, &in, 1, rc);
	}
	up_write(&t->lock);
	return rc;
}

/**
 * vfsr_orphan_del - take an inode off the list
 * @ts: trees
 * @ino: inode
 *
 * Context: in a transaction, no tree lock held. May sleep.
 *
 * Return: 0; -ENOENT if it is not there; or an error. Then nothing changed.
 */
int vfsr_orphan_del(struct vfsr_trees *ts, u64 ino)
{
	struct vfsr_tree *t = &ts->orphans;
	struct vfsr_inode in;
	u8 name[NAME_BYTES];
	int rc;

	name_of(ino, name);
	down_write(&t->lock);
	rc = dir_header(t, &in);
	if (!rc)
		rc = dir_resize(t, &in, -1);
	if (!rc) {
		rc = vfsr_tree_dir_delete(t, name, NAME_BYTES);
		if (rc)
			rc = dir_undo(t, &in, -1, rc);
	}
	up_write(&t->lock);
	return rc;
}

/* Hand a batch of entries to @fn; 0 or its error. */
static int batch_each(struct vfsr_trees *ts, const u8 *buf, u32 bytes,
		      int (*fn)(void *ctx, u64 ino), void *ctx)
{
	const struct vfsr_tree_dirent *e;
	u8 name[NAME_BYTES];
	u32 at = 0;
	int rc = 0;

	while (at < bytes && !rc) {
		e = (const void *)(buf + at);
		at += ALIGN((u32)offsetof(struct vfsr_tree_dirent, name) +
				    e->name_bytes,
			    8);
		name_of(e->ino, name);
		if (e->name_bytes != NAME_BYTES ||
		    memcmp(e->name, name, NAME_BYTES))
			vfsr_tree_bad(&ts->orphans, VFSR_REASON_NAME, e->ino,
				      e->cookie);
		else
			rc = fn(ctx, e->ino);
	}
	return rc;
}

/**
 * vfsr_orphans_each - call a function with every orphan
 * @ts: trees
 * @fn: called without locks, may add and remove orphans; non-zero ends
 * @ctx: for @fn
 *
 * Context: not in a transaction. May sleep.
 *
 * Return: 0, what @fn returned, or an error of reading.
 */
int vfsr_orphans_each(struct vfsr_trees *ts, int (*fn)(void *ctx, u64 ino),
		      void *ctx)
{
	struct vfsr_tree *t = &ts->orphans;
	struct vfsr_inode in;
	u64 cookie = 0;
	u8 *buf;
	int rc;

	down_read(&t->lock);
	rc = dir_header(t, &in);
	up_read(&t->lock);
	if (rc)
		return rc == -ENOENT ? 0 : rc;
	buf = kmalloc(READ_BYTES, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	do {
		down_read(&t->lock);
		rc = vfsr_tree_dir_read(t, &cookie, buf, READ_BYTES);
		up_read(&t->lock);
		if (rc <= 0)
			break;
		rc = batch_each(ts, buf, (u32)rc, fn, ctx);
	} while (!rc);
	kfree(buf);
	return rc;
}
