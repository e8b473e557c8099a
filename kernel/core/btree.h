/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * B+tree of items on node buffers of 4 KiB.
 *
 * The root is the inode's own node and never moves: when it is full its items
 * go to a new child. Nodes are reached through a provider, so the same
 * code runs over the kernel's node cache and over plain memory. No recursion; a
 * cursor holds the path (at most 16 levels). Buffers are canonical: no gaps, item values
 * in key order, bytes after `bytes` are not significant in memory. They are
 * aligned to 8 bytes.
 */
#ifndef VFSR_CORE_BTREE_H
#define VFSR_CORE_BTREE_H

#include "core/fault.h"
#include "format/node.h"

#define VFSR_BT_MAX_DEPTH	16

struct vfsr_key {
	u8 type;
	u64 key;
};

static inline int vfsr_key_cmp(struct vfsr_key a, struct vfsr_key b)
{
	if (a.type != b.type)
		return a.type < b.type ? -1 : 1;
	if (a.key != b.key)
		return a.key < b.key ? -1 : 1;
	return 0;
}

/* Who owns the nodes. Every get or alloc is paired with a put. */
struct vfsr_bt_provider {
	/* Node @id of this tree, 4 KiB, checked with vfsr_node_ok() */
	int (*get)(void *ctx, u64 id, u8 **node);
	/* A new node (id assigned, buffer of 4 KiB, contents undefined). If it
	 * is not needed after all it is put and freed */
	int (*alloc)(void *ctx, u64 *id, u8 **node);
	/* The held node is about to be changed. Called before the first
	 * change of an operation, which an error prevents */
	int (*dirty)(void *ctx, u64 id, u8 *node);
	void (*put)(void *ctx, u64 id, u8 *node);
	/* The node is no longer in the tree (the tree holds no reference) */
	void (*free)(void *ctx, u64 id);
};

/* A tree: its inode's id is the id of its root node. */
struct vfsr_bt {
	const struct vfsr_bt_provider *ops;
	void *ctx;
	u64 ino;
	struct vfsr_fault fault;	/* of the last -EUCLEAN */
};

/* An item in a node buffer; valid until the next change or put. */
struct vfsr_item {
	struct vfsr_key key;
	u32 bytes;
	const u8 *value;
};

/* --- single nodes --- */

/**
 * vfsr_node_init - make an empty node
 * @node: buffer of 4 KiB
 * @id: its own id
 * @owner: the inode's id; equals @id in a root
 * @level: 0 for a leaf
 * @inode: inode header to place in it, or NULL
 * @inode_bytes: length of @inode
 */
void vfsr_node_init(u8 *node, u64 id, u64 owner, unsigned int level,
		    const void *inode, u32 inode_bytes);

/**
 * vfsr_node_bytes - used bytes (what is stored), from the head
 * @node: node
 *
 * Return: bytes, head included.
 */
u32 vfsr_node_bytes(const u8 *node);

/**
 * vfsr_node_ok - full check of one node
 * @node: its stored form; no byte behind @bytes is read
 * @bytes: length of the stored form; must equal the head's
 * @id: expected
 * @owner: expected, or 0 for any
 * @f: filled when not, may be NULL
 *
 * Head, lengths, inode header bounds (a root has one, no other node), item
 * order, item types, value sizes, padding, child ids. Only a root may be
 * empty, as a leaf. Values are checked by items.h.
 *
 * Return: whether it is a node that the tree code may use.
 */
bool vfsr_node_ok(const u8 *node, u32 bytes, u64 id, u64 owner,
		  struct vfsr_fault *f);

/**
 * vfsr_node_level - how many levels are below a node
 * @node: node
 *
 * Return: 0 for a leaf.
 */
unsigned int vfsr_node_level(const u8 *node);

/**
 * vfsr_node_nr_items - number of items
 * @node: node
 *
 * Return: items.
 */
unsigned int vfsr_node_nr_items(const u8 *node);

/**
 * vfsr_node_item - look at an item
 * @node: node
 * @i: 0..nr-1
 * @out: filled; points into @node
 */
void vfsr_node_item(const u8 *node, unsigned int i, struct vfsr_item *out);

/**
 * vfsr_node_child - child that an item of an interior node names
 * @node: node of level 1 or more
 * @i: 0..nr-1
 *
 * Return: the child's id.
 */
u64 vfsr_node_child(const u8 *node, unsigned int i);

/**
 * vfsr_node_inode - the inode header of a root
 * @node: node
 * @bytes: out: its length, 0 if there is none; may be NULL
 *
 * Return: the header in @node, or NULL if there is none.
 */
u8 *vfsr_node_inode(u8 *node, u32 *bytes);

/**
 * vfsr_node_set_inode - replace the inode header
 * @node: root
 * @inode: encoded header
 * @inode_bytes: its length, which may differ from the present one
 *
 * Return: 0; -ENOSPC if it does not fit (vfsr_bt_set_inode() makes room);
 * -EINVAL for an impossible length.
 */
int vfsr_node_set_inode(u8 *node, const void *inode, u32 inode_bytes);

/**
 * vfsr_node_append - add an item behind all others
 * @node: leaf, or interior node if the value is a child's id
 * @key: behind the last one
 * @value: value
 * @bytes: its length
 *
 * Return: 0; -ENOSPC if it does not fit; -E2BIG beyond VFSR_MAX_ITEM_BYTES;
 * -EINVAL if the key is not behind the last.
 */
int vfsr_node_append(u8 *node, struct vfsr_key key, const void *value,
		     u32 bytes);

/* --- the tree --- */

/**
 * vfsr_bt_lookup - find an item
 * @t: tree
 * @key: its key
 * @value: room for VFSR_MAX_ITEM_BYTES, may be NULL
 * @bytes: out: length of the value, may be NULL
 *
 * Return: 0, -ENOENT, -EUCLEAN with t->fault filled, or the provider's error.
 */
int vfsr_bt_lookup(struct vfsr_bt *t, struct vfsr_key key, void *value,
		   u32 *bytes);

/**
 * vfsr_bt_next - first item at or after a key
 * @t: tree
 * @key: in: where to start; out: the item's key
 * @value: room for VFSR_MAX_ITEM_BYTES, may be NULL
 * @bytes: out: length of the value, may be NULL
 *
 * To go on: add one to key->key (or go to type + 1, key 0 on overflow).
 *
 * Return: 0, -ENOENT at the end, -EUCLEAN, or the provider's error.
 */
int vfsr_bt_next(struct vfsr_bt *t, struct vfsr_key *key, void *value,
		 u32 *bytes);

/**
 * vfsr_bt_prev - last item at or before a key
 * @t: tree
 * @key: in: where to start; out: the item's key
 * @value: room for VFSR_MAX_ITEM_BYTES, may be NULL
 * @bytes: out: length of the value, may be NULL
 *
 * Return: 0, -ENOENT before the first, -EUCLEAN, or the provider's error.
 */
int vfsr_bt_prev(struct vfsr_bt *t, struct vfsr_key *key, void *value,
		 u32 *bytes);

/**
 * vfsr_bt_insert - insert an item
 * @t: tree
 * @key: its key
 * @value: value; not a part of a node of this tree
 * @bytes: its length
 *
 * A split caused by appending behind the last item of the tree leaves the left
 * node full, so that sorted input gives a dense tree.
 *
 * Return: 0; -EEXIST; -E2BIG if @bytes > VFSR_MAX_ITEM_BYTES; -EINVAL for an
 * unknown type; -EFBIG if the tree is as deep as it may be; -EUCLEAN; or the
 * provider's error. On any error the tree is unchanged: nodes are got, allocated
 * and announced as dirty before anything is written.
 */
int vfsr_bt_insert(struct vfsr_bt *t, struct vfsr_key key, const void *value,
		   u32 bytes);

/**
 * vfsr_bt_replace - replace the value of an item, by one of any length
 * @t: tree
 * @key: its key
 * @value: new value; not a part of a node of this tree
 * @bytes: its length
 *
 * Return: as vfsr_bt_insert(), but -ENOENT if there is no such item.
 */
int vfsr_bt_replace(struct vfsr_bt *t, struct vfsr_key key, const void *value,
		    u32 bytes);

/**
 * vfsr_bt_delete - delete an item
 * @t: tree
 * @key: its key
 *
 * Nodes less than a third full are merged with a neighbour where both fit
 * into one; an empty child is freed; a root with one child takes its items
 * back when they fit. A neighbour that cannot be read is left as it is.
 *
 * Return: 0, -ENOENT, -EUCLEAN, or the provider's error; on error the tree is
 * unchanged.
 */
int vfsr_bt_delete(struct vfsr_bt *t, struct vfsr_key key);

/**
 * vfsr_bt_set_inode - replace the inode header of the root
 * @t: tree
 * @inode: encoded header
 * @inode_bytes: its length, which may differ from the present one
 *
 * Where a longer header does not fit, the root's items go to a new child.
 *
 * Return: 0; -EINVAL for an impossible length; -EFBIG as vfsr_bt_insert(); or
 * the provider's error (the tree is unchanged).
 */
int vfsr_bt_set_inode(struct vfsr_bt *t, const void *inode, u32 inode_bytes);

/* Called per node by vfsr_bt_walk(), parents first. Non-zero ends the walk. */
typedef int (*vfsr_bt_visit)(void *arg, u64 id, const u8 *node);

/**
 * vfsr_bt_walk - visit every node in key order and check the structure
 * @t: tree
 * @visit: called with each node, which it must not change
 * @arg: for @visit
 *
 * Checks that each child is one level below its parent, has an item, and that
 * its keys lie between those of its parent's items (so no node is met
 * twice, and the walk ends).
 *
 * Return: 0, what @visit returned, -EUCLEAN with t->fault filled (where: the
 * child's id), or the provider's error.
 */
int vfsr_bt_walk(struct vfsr_bt *t, vfsr_bt_visit visit, void *arg);

#endif
