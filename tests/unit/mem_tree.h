/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A tree in plain memory, for tests: a node provider that checks how it is
 * used. Every get and alloc must be put, no node may be freed while held, a node
 * that changed must have been announced as dirty, and each node must pass
 * vfsr_node_ok() when it is got and when it is put.
 */
#ifndef TESTS_UNIT_MEM_TREE_H
#define TESTS_UNIT_MEM_TREE_H

#include "core/items.h"

#define MEM_TREE_INO	20
#define MEM_TREE_NODES	65536	/* ids from MEM_TREE_INO on */

struct mem_node {
	u8 *buf;	/* 4 KiB of its own, so that ASan sees its ends */
	u8 *before;	/* as it was when got first, if checking writes */
	unsigned int held;
	bool dirty;
};

struct mem_tree {
	struct vfsr_bt bt;
	struct mem_node *nodes;	/* by id - MEM_TREE_INO */
	u64 next_id;
	unsigned int nr_nodes;	/* in existence */
	unsigned int held;
	bool check_writes;
	long fail_at;		/* calls until one fails; -1: never */
};

/* An empty tree whose root has an inode header of this length */
void mem_tree_init(struct mem_tree *m, u32 inode_bytes);
void mem_tree_release(struct mem_tree *m);
/* Direct access to a node */
u8 *mem_tree_node(struct mem_tree *m, u64 id);
/* Put a node of one's own into the tree; returns its buffer */
u8 *mem_tree_add(struct mem_tree *m, u64 id, unsigned int level);
/* Walk, check, and compare the count of nodes; returns the number of items */
u64 mem_tree_check(struct mem_tree *m);
/* Sum of used bytes of all leaves, and their number */
u64 mem_tree_leaf_bytes(struct mem_tree *m, unsigned int *nr_leaves);
/* crc over every node in existence */
u32 mem_tree_crc(struct mem_tree *m);

/* A small deterministic generator */
u64 test_random(u64 *state);

#endif
