// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tree of one inode as the core's B-tree sees it (node provider), the
 * inode's header, and its making and removal.
 *
 * The provider never says -ENOENT: to the core that would mean that an item is not
 * there. A child that the map does not have is corruption, reported here;
 * what the core finds wrong itself is reported by vfsr_tree_result().
 */
#include <linux/mm.h>

#include "tree/tree_impl.h"

/* Items that may be left in a tree to be removed: of types unknown to us. */
#define STRAY_ITEMS_MAX	1024u

/* --- messages --- */

int vfsr_tree_result(struct vfsr_tree *t, struct vfsr_bt *bt, int rc)
{
	struct vfsr_where at = { .dev = -1, .ino = t->ino };

	if (rc == -EUCLEAN && bt->fault.reason != VFSR_REASON_NONE) {
		vfsr_report(t->trees->log->pool->name, &at, &bt->fault);
		bt->fault.reason = VFSR_REASON_NONE;
	}
	return rc;
}

int vfsr_tree_bad(struct vfsr_tree *t, enum vfsr_reason reason, u64 have,
		  u64 want)
{
	struct vfsr_bt bt = vfsr_tree_bt(t);

	vfsr_fault_set(&bt.fault, reason, have, want);
	return vfsr_tree_result(t, &bt, -EUCLEAN);
}

/* --- node provider; @ctx is the tree --- */

static struct vfsr_meta *meta_of(const u8 *node)
{
	return (struct vfsr_meta *)page_private(virt_to_page(node));
}

static int provider_get(void *ctx, u64 id, u8 **node)
{
	struct vfsr_tree *t = ctx;
	struct vfsr_meta *m;
	int rc = vfsr_meta_get(t->trees, id, t->ino, &m);

	if (rc == -ENOENT)
		return vfsr_tree_bad(t, VFSR_REASON_MISSING, id, 0);
	if (!rc)
		*node = m->buf;
	return rc;
}

static int provider_alloc(void *ctx, u64 *id, u8 **node)
{
	struct vfsr_tree *t = ctx;
	struct vfsr_map *map = t->trees->log->map;
	struct vfsr_meta *m;
	int rc = vfsr_id_alloc(map, VFSR_KIND_NODE, id);

	if (rc)
		return rc;
	rc = vfsr_meta_new(t->trees, *id, t->ino, VFSR_KIND_NODE,
			   VFSR_NODE_BYTES, &m);
	if (rc) {
		/* unless somebody has a node by this id */
		if (rc != -EUCLEAN)
			vfsr_map_drop(map, *id);
		return rc;
	}
	*node = m->buf;
	return 0;
}

static int provider_dirty(void *ctx, u64 id, u8 *node)
{
	struct vfsr_tree *t = ctx;

	return vfsr_meta_dirty(t->trees, meta_of(node));
}

static void provider_put(void *ctx, u64 id, u8 *node)
{
	vfsr_meta_put(meta_of(node));
}

static void provider_free(void *ctx, u64 id)
{
	struct vfsr_tree *t = ctx;

	vfsr_meta_drop(t->trees, id);
}

const struct vfsr_bt_provider vfsr_tree_provider = {
	.get = provider_get,
	.alloc = provider_alloc,
	.dirty = provider_dirty,
	.put = provider_put,
	.free = provider_free,
};

void vfsr_tree_init(struct vfsr_tree *t, struct vfsr_trees *ts, u64 ino)
{
	memset(&t->bt, 0, sizeof(t->bt));
	t->bt.ops = &vfsr_tree_provider;
	t->bt.ctx = t;
	t->bt.ino = ino;
	t->trees = ts;
	t->ino = ino;
	/* one place, so one lockdep class: two at a time are never held */
	init_rwsem(&t->lock);
}

/* --- the header --- */

int vfsr_tree_header(struct vfsr_tree *t, struct vfsr_inode *in)
{
	struct vfsr_bt bt = vfsr_tree_bt(t);
	struct vfsr_meta *m;
	u32 bytes;
	u8 *head;
	int rc = vfsr_meta_get(t->trees, t->ino, t->ino, &m);

	if (rc)
		return rc;
	/* a root has a header: vfsr_node_ok() */
	head = vfsr_node_inode(m->buf, &bytes);
	rc = vfsr_inode_decode(head, bytes, in, &bt.fault);
	vfsr_meta_put(m);
	return vfsr_tree_result(t, &bt, rc);
}

int vfsr_tree_read_inode(struct vfsr_tree *t, struct vfsr_inode *in)
{
	lockdep_assert_held(&t->lock);
	return vfsr_tree_header(t, in);
}

/**
 * vfsr_tree_write_inode - replace the header of an inode
 * @t: tree, lock held for write, in a transaction
 * @in: header
 *
 * Return: 0, or an error; then nothing changed.
 */
int vfsr_tree_write_inode(struct vfsr_tree *t, const struct vfsr_inode *in)
{
	struct vfsr_bt bt = vfsr_tree_bt(t);
	struct vfsr_disk_inode disk;
	u32 bytes = vfsr_inode_encode(in, &disk);

	lockdep_assert_held_write(&t->lock);
	return vfsr_tree_result(t, &bt, vfsr_bt_set_inode(&bt, &disk, bytes));
}

int vfsr_tree_is_file(struct vfsr_tree *t)
{
	struct vfsr_inode in;
	int rc = vfsr_tree_header(t, &in);

	if (rc == -ENOENT)
		return vfsr_tree_bad(t, VFSR_REASON_MISSING, t->ino, 0);
	return rc ? rc : in.mode >> VFSR_MODE_TYPE_SHIFT == VFSR_DT_REG;
}

/* --- making and removing --- */

/* @ino: 0: allocate one. */
int vfsr_tree_new_root(struct vfsr_trees *ts, const struct vfsr_inode *in,
		       u64 *ino)
{
	struct vfsr_map *map = ts->log->map;
	struct vfsr_disk_inode disk;
	u32 bytes = vfsr_inode_encode(in, &disk);
	struct vfsr_meta *m;
	int rc;

	if (*ino)
		rc = vfsr_id_take(map, *ino, VFSR_KIND_INODE);
	else
		rc = vfsr_id_alloc(map, VFSR_KIND_INODE, ino);
	if (rc)
		return rc;
	rc = vfsr_meta_new(ts, *ino, *ino, VFSR_KIND_INODE, VFSR_NODE_BYTES,
			   &m);
	if (rc) {
		if (rc != -EUCLEAN)
			vfsr_map_drop(map, *ino);
		return rc;
	}
	vfsr_node_init(m->buf, *ino, *ino, 0, &disk, bytes);
	rc = vfsr_meta_dirty(ts, m);
	vfsr_meta_put(m);
	if (rc) {
		vfsr_meta_drop(ts, *ino);
		return rc;
	}
	atomic64_inc(&ts->log->counts.nr_inodes);
	return 0;
}

int vfsr_tree_create(struct vfsr_trees *ts, const struct vfsr_inode *in,
		     u64 ino, struct vfsr_tree *t)
{
	int rc = vfsr_tree_new_root(ts, in, &ino);

	if (!rc)
		vfsr_tree_init(t, ts, ino);
	return rc;
}

/*
 * Delete what is left in the tree, so that only the root remains. Extents and
 * attributes were to go before; what may be there is of types that nothing here
 * writes, or names in a directory that lied about its size.
 */
static int clear_items(struct vfsr_tree *t, struct vfsr_bt *bt)
{
	struct vfsr_key key;
	unsigned int i;
	int rc;

	for (i = 0; i < STRAY_ITEMS_MAX; i++) {
		key = vfsr_tree_key(0, 0);
		rc = vfsr_bt_next(bt, &key, NULL, NULL);
		if (rc)
			return rc == -ENOENT ? 0 : rc;
		if (!i)
			vfsr_tree_bad(t, VFSR_REASON_ITEM, key.type, 0);
		rc = vfsr_bt_delete(bt, key);
		if (rc)
			return rc;
	}
	return -EUCLEAN;
}

int vfsr_tree_destroy(struct vfsr_tree *t)
{
	struct vfsr_bt bt = vfsr_tree_bt(t);
	struct vfsr_trees *ts = t->trees;
	int rc;

	lockdep_assert_held_write(&t->lock);
	rc = clear_items(t, &bt);
	/* from here on nothing may fail */
	if (!rc)
		rc = vfsr_map_pin(ts->log->map, t->ino);
	if (rc)
		return vfsr_tree_result(t, &bt, rc);
	vfsr_meta_drop(ts, t->ino);
	atomic64_dec(&ts->log->counts.nr_inodes);
	return 0;
}
