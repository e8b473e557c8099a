/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the B-tree share: editing of one node, and the path from
 * the root to a leaf. Only node.c, btree.c, btree_mod.c and dirs.c include it.
 *
 * The editing functions trust the node: it was checked by vfsr_node_ok() or
 * made here, and the caller made sure that there is room.
 */
#ifndef VFSR_CORE_BTREE_IMPL_H
#define VFSR_CORE_BTREE_IMPL_H

#include "core/btree.h"

/* Bytes of a node without inode header for item heads and values */
#define VFSR_NODE_ROOM (VFSR_NODE_BYTES - (u32)sizeof(struct vfsr_disk_node))
#define VFSR_ITEM_HEAD ((u32)sizeof(struct vfsr_disk_item))

#define VFSR_VALUE_PARTS 3

/* A value in pieces, so that nobody needs a buffer to put it together. */
struct vfsr_value {
	const void *part[VFSR_VALUE_PARTS];
	u32 bytes[VFSR_VALUE_PARTS]; /* 0: no such piece */
};

/* --- one node --- */

/* Key of item @i */
struct vfsr_key vfsr_node_key(const u8 *node, unsigned int i);
/* Change the key of item @i; the order stays the caller's business */
void vfsr_node_set_key(u8 *node, unsigned int i, struct vfsr_key key);
/* Length of the value of item @i */
u32 vfsr_node_value_bytes(const u8 *node, unsigned int i);
/* Bytes of all item heads and values */
u32 vfsr_node_item_bytes(const u8 *node);
/* Bytes that are still free */
u32 vfsr_node_room(const u8 *node);
/* First item that is not below @key, or the number of items */
unsigned int vfsr_node_search(const u8 *node, struct vfsr_key key, bool *found);
/* The level of a root changes when its items move to or from a child */
void vfsr_node_set_level(u8 *node, unsigned int level);

/* Bytes of all pieces */
u32 vfsr_value_bytes(const struct vfsr_value *v);
/* Insert an item before item @i */
void vfsr_node_insert(u8 *node, unsigned int i, struct vfsr_key key,
		      const struct vfsr_value *v);
/* Replace the value of item @i */
void vfsr_node_set_value(u8 *node, unsigned int i, const struct vfsr_value *v);
/* Remove @nr items from @i on */
void vfsr_node_remove(u8 *node, unsigned int i, unsigned int nr);
/* Move @nr items of @src from @si on to before item @di of @dst */
void vfsr_node_move(u8 *dst, unsigned int di, u8 *src, unsigned int si,
		    unsigned int nr);

/* --- paths --- */

/* The nodes from the root down, all held. Level of node[d]: root's - d. */
struct vfsr_bt_path {
	u8 *node[VFSR_BT_MAX_DEPTH];
	u64 id[VFSR_BT_MAX_DEPTH];
	u16 slot[VFSR_BT_MAX_DEPTH]; /* item of node[d]: leads to node[d+1] */
	unsigned int depth; /* nodes held */
};

/**
 * vfsr_bt_child_get - get and check a child of a node of the path
 * @t: tree
 * @p: path
 * @d: the parent's place in the path
 * @slot: item of the parent
 * @id: out
 * @node: out; the caller puts it
 *
 * Checks the child's level, and that its first and last key lie between those
 * of the parent's items. So two slots never lead to the same node: a hostile
 * tree is refused on the way, and what the tree code changes is in order.
 *
 * Return: 0, -EUCLEAN with t->fault filled, or the provider's error.
 */
int vfsr_bt_child_get(struct vfsr_bt *t, const struct vfsr_bt_path *p,
		      unsigned int d, unsigned int slot, u64 *id, u8 **node);

/**
 * vfsr_bt_path_root - start a path with the root
 * @t: tree
 * @p: path, contents undefined before
 *
 * Return: 0, -EUCLEAN, or the provider's error; on error nothing is held.
 */
int vfsr_bt_path_root(struct vfsr_bt *t, struct vfsr_bt_path *p);

/**
 * vfsr_bt_path_find - go to the leaf that holds a key, or would hold it
 * @t: tree
 * @p: path; its last slot becomes the first item not below @key
 * @key: what to look for
 * @found: out: the item has exactly this key
 *
 * Return: 0 (the caller puts the path), -EUCLEAN, or the provider's error (nothing
 * is held).
 */
int vfsr_bt_path_find(struct vfsr_bt *t, struct vfsr_bt_path *p,
		      struct vfsr_key key, bool *found);

/**
 * vfsr_bt_path_settle - go on to the next leaf while the slot is behind the last
 * @t: tree
 * @p: path to a leaf
 * @item: out, points into the leaf
 *
 * Return: 0, -ENOENT at the end, or an error. The caller puts the path always.
 */
int vfsr_bt_path_settle(struct vfsr_bt *t, struct vfsr_bt_path *p,
			struct vfsr_item *item);

/* Put the nodes below the first @depth ones; 0: the whole path */
void vfsr_bt_path_trim(struct vfsr_bt *t, struct vfsr_bt_path *p,
		       unsigned int depth);

/* What vfsr_bt_store() does with a key */
enum vfsr_store {
	VFSR_STORE_INSERT, /* -EEXIST if present */
	VFSR_STORE_REPLACE, /* -ENOENT if absent */
};

/**
 * vfsr_bt_store - insert an item or replace its value
 * @t: tree
 * @key: key
 * @v: value in pieces
 * @how: which of the two
 *
 * Return: as vfsr_bt_insert() and vfsr_bt_replace().
 */
int vfsr_bt_store(struct vfsr_bt *t, struct vfsr_key key,
		  const struct vfsr_value *v, enum vfsr_store how);

#endif
