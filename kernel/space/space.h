/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Space: what may still be dirtied, and what statfs says. (The engine that moves
 * data out of half-dead grids will live in this layer.)
 *
 * Everything is counted in raw bytes (parity included): free strips that can
 * be placed as grids, and rows left in open and reserved grids, less what is promised: data
 * in dirty folios, dirty nodes and map pages at their worst, and an amount held
 * back so that a full pool can still commit and delete.
 */
#ifndef VFSR_SPACE_SPACE_H
#define VFSR_SPACE_SPACE_H

#include <linux/percpu_counter.h>

#include "tree/tree.h"

struct kstatfs;

/* f_type of statfs(2) and s_magic: "VFSR" */
#define VFSR_STATFS_MAGIC 0x56465352

/* What a policy makes of bytes. */
struct vfsr_space_cost {
	u64 grid_bytes;			/* raw bytes of one grid */
	u64 stripe_bytes;		/* of one full stripe, likewise */
	u32 factor;	/* raw bytes for 4096 bytes stored, with overhead */
};

struct vfsr_space {
	struct vfsr_log *log;
	struct vfsr_trees *trees;
	struct percpu_counter data;	/* bytes of dirty folios promised */
	u64 held_back;			/* raw bytes: grids->held_grids */
	struct vfsr_space_cost data_cost, meta_cost;
	/* promises that need no look at the pool, until @budget_end */
	atomic64_t data_budget;		/* bytes */
	atomic64_t meta_budget;		/* nodes */
	unsigned long budget_end;	/* jiffies */
	struct mutex lock;		/* one looks at the pool, or commits */
	/* free strips as whole grids of one policy, as of @place_gen; under @lock */
	u64 free_data, free_meta;
	unsigned long place_gen;
	bool place_known;
	/* Start writing dirty file data, which may need less than was promised; may
	 * be NULL. Called like vfsr_space_reserve(). Set by the upper layer. */
	void (*write_back)(void *ctx);
	void *write_back_ctx;
};

int vfsr_space_init(struct vfsr_space *sp, struct vfsr_log *log,
		    struct vfsr_trees *ts);
void vfsr_space_exit(struct vfsr_space *sp);

/* Promise room for @bytes of file data about to be dirtied. Short of space: a
 * checkpoint if that could free strips, then -ENOSPC. Sleeps; not in a transaction,
 * no folio locked. */
int vfsr_space_reserve(struct vfsr_space *sp, u64 bytes);
void vfsr_space_release(struct vfsr_space *sp, u64 bytes);

/* Before an operation on names or attributes that may dirty @nr_nodes nodes:
 * -ENOSPC if the room is not there. Operations that free space don't ask. Not in a transaction. */
int vfsr_space_meta(struct vfsr_space *sp, unsigned int nr_nodes);

/* f_blocks, f_bfree, f_bavail (in f_bsize = 4096, as data that can be stored
 * raw under the default data policy), f_files, f_ffree. */
void vfsr_space_statfs(struct vfsr_space *sp, struct kstatfs *st);

#endif
