/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads the items of one inode in key order and goes on behind damage.
 *
 * The core's cursor ends at the first node that cannot be read; extraction
 * wants everything else. So this one descends by itself, says from which key
 * on a subtree is lost, and continues with its neighbour. Nodes are bounded by
 * the keys of their parents: a crafted tree cannot lead to a node twice.
 * Belongs to one thread at a time.
 */
#ifndef VFSR_LIB_TREEITER_H
#define VFSR_LIB_TREEITER_H

#include "core/items.h"
#include "lib/pool.h"

struct vfsr_iter {
	struct vfsr_pool *pool;
	struct vfsr_ws *ws; /* of the calling thread; may be changed */
	u64 ino;
	struct vfsr_key lost; /* after an error: first key that is lost */
	/* the path; node[0] is the inode's own node */
	unsigned int depth;
	unsigned int slot[VFSR_BT_MAX_DEPTH];
	bool bounded[VFSR_BT_MAX_DEPTH];
	struct vfsr_key end[VFSR_BT_MAX_DEPTH]; /* keys are below, if bounded */
	struct vfsr_key want; /* items before it are passed over */
	u8 *node[VFSR_BT_MAX_DEPTH];
};

/* Prepare; buffers are allocated as depth asks for them. */
void vfsr_iter_init(struct vfsr_iter *it, struct vfsr_pool *pool,
		    struct vfsr_ws *ws);
/* Free the buffers. */
void vfsr_iter_release(struct vfsr_iter *it);

/**
 * vfsr_iter_open - read an inode and stand before its first item
 * @it: prepared
 * @ino: inode
 * @in: out, its header
 *
 * Return: 0; -ENOENT, -EIO, -EUCLEAN if the inode is lost; -ENOMEM.
 */
int vfsr_iter_open(struct vfsr_iter *it, u64 ino, struct vfsr_inode *in);

/* Stand before the first item at or after @key. Reads nothing. */
void vfsr_iter_seek(struct vfsr_iter *it, struct vfsr_key key);

/**
 * vfsr_iter_next - the next item
 * @it: opened
 * @item: out; valid until the next call
 *
 * Return: 0; -ENOENT at the end; another error if a subtree is lost: its keys
 * are from it->lost on, up to the next item, and the next call goes on there.
 */
int vfsr_iter_next(struct vfsr_iter *it, struct vfsr_item *item);

#endif
