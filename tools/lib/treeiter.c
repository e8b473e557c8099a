// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads the items of one inode in key order and goes on behind damage: see
 * treeiter.h. Every node was checked by vfsr_node_read(); here its place in
 * the tree is checked: the level, and that its keys lie between its parent's.
 */
#include <stdlib.h>

#include "lib/out.h"
#include "lib/treeiter.h"

void vfsr_iter_init(struct vfsr_iter *it, struct vfsr_pool *pool,
		    struct vfsr_ws *ws)
{
	memset(it, 0, sizeof(*it));
	it->pool = pool;
	it->ws = ws;
}

void vfsr_iter_release(struct vfsr_iter *it)
{
	unsigned int i;

	for (i = 0; i < VFSR_BT_MAX_DEPTH; i++) {
		free(it->node[i]);
		it->node[i] = NULL;
	}
	it->depth = 0;
}

/* Read a node into place @d of the path. */
static int node_load(struct vfsr_iter *it, unsigned int d, u64 id)
{
	if (!it->node[d])
		it->node[d] = aligned_alloc(64, VFSR_NODE_BYTES);
	if (!it->node[d])
		return -ENOMEM;
	return vfsr_node_read(it->pool, id, it->ino, it->node[d], it->ws);
}

static struct vfsr_key key_of(const u8 *node, unsigned int i)
{
	struct vfsr_item item;

	vfsr_node_item(node, i, &item);
	return item.key;
}

/* First item that is not below @key. */
static unsigned int first_at(const u8 *node, struct vfsr_key key)
{
	unsigned int lo = 0, hi = vfsr_node_nr_items(node);

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;

		if (vfsr_key_cmp(key_of(node, mid), key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Where to begin in the node at place @d, so as to meet it->want. */
static void stand(struct vfsr_iter *it, unsigned int d)
{
	const u8 *node = it->node[d];
	unsigned int i = first_at(node, it->want);

	/* the child before may hold it, unless one starts right there */
	if (vfsr_node_level(node) && i &&
	    (i == vfsr_node_nr_items(node) ||
	     vfsr_key_cmp(key_of(node, i), it->want)))
		i--;
	it->slot[d] = i;
}

static int refuse(struct vfsr_iter *it, enum vfsr_reason reason, u64 have,
		  u64 want)
{
	struct vfsr_fault f = { reason, have, want, 0 };

	vfsr_complain(it->pool->name, -1, 0, it->ino, &f);
	return -EUCLEAN;
}

int vfsr_iter_open(struct vfsr_iter *it, u64 ino, struct vfsr_inode *in)
{
	struct vfsr_fault f = { 0 };
	u32 bytes = 0;
	u8 *head;
	int err;

	it->ino = ino;
	it->depth = 0;
	err = node_load(it, 0, ino);
	if (err)
		return err;
	head = vfsr_node_inode(it->node[0], &bytes);
	if (!head)
		return refuse(it, VFSR_REASON_KIND, VFSR_KIND_NODE,
			      VFSR_KIND_INODE);
	if (vfsr_inode_decode(head, bytes, in, &f)) {
		vfsr_complain(it->pool->name, -1, 0, ino, &f);
		return -EUCLEAN;
	}
	vfsr_iter_seek(it, (struct vfsr_key){ 0, 0 });
	return 0;
}

void vfsr_iter_seek(struct vfsr_iter *it, struct vfsr_key key)
{
	it->want = key;
	it->depth = 1;
	it->bounded[0] = false;
	stand(it, 0);
}

/* Go down to the child at the present slot of the last node of the path. */
static int descend(struct vfsr_iter *it)
{
	unsigned int d = it->depth, up = d - 1, slot = it->slot[up], nr;
	const u8 *parent = it->node[up], *node;
	struct vfsr_key first = key_of(parent, slot);
	int err;

	it->bounded[d] = it->bounded[up];
	it->end[d] = it->end[up];
	if (slot + 1 < vfsr_node_nr_items(parent)) {
		it->bounded[d] = true;
		it->end[d] = key_of(parent, slot + 1);
	}
	err = node_load(it, d, vfsr_node_child(parent, slot));
	if (err)
		return err;
	node = it->node[d];
	nr = vfsr_node_nr_items(node);
	if (vfsr_node_level(node) + 1 != vfsr_node_level(parent))
		return refuse(it, VFSR_REASON_LOOP, vfsr_node_level(node),
			      vfsr_node_level(parent) - 1);
	if (!nr || vfsr_key_cmp(key_of(node, 0), first) < 0 ||
	    (it->bounded[d] &&
	     vfsr_key_cmp(key_of(node, nr - 1), it->end[d]) >= 0))
		return refuse(it, VFSR_REASON_ORDER, nr, slot);
	stand(it, d);
	it->depth++;
	return 0;
}

int vfsr_iter_next(struct vfsr_iter *it, struct vfsr_item *item)
{
	while (it->depth) {
		unsigned int top = it->depth - 1;
		u8 *node = it->node[top];
		int err;

		if (it->slot[top] >= vfsr_node_nr_items(node)) {
			it->depth--;
			if (it->depth)
				it->slot[it->depth - 1]++;
			continue;
		}
		if (!vfsr_node_level(node)) {
			vfsr_node_item(node, it->slot[top]++, item);
			return 0;
		}
		/* levels fall from at most 15 to 0: the path has room */
		err = descend(it);
		if (!err)
			continue;
		it->lost = key_of(node, it->slot[top]);
		if (vfsr_key_cmp(it->lost, it->want) < 0)
			it->lost = it->want;
		it->slot[top]++;
		return err == -ENOENT ? -EIO : err;
	}
	return -ENOENT;
}
