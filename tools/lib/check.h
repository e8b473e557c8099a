/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The full read-only check of a pool (fsck.vfsr -n): records, tables, trailers,
 * footers, map, trees, and every count that can be recomputed.
 *
 * Nothing is written. Each finding is one struct vfsr_fault with a stable
 * reason; the caller's report function prints and counts it. Memory is
 * about 90 bytes per id in use.
 */
#ifndef VFSR_LIB_CHECK_H
#define VFSR_LIB_CHECK_H

#include "lib/pool.h"

/* Where a finding was made; 0 or -1 where it does not apply. */
struct vfsr_finding {
	struct vfsr_fault fault;
	int dev;
	u64 grid;
	u64 ino; /* inode or other id */
};

struct vfsr_check_opts {
	/* Called for each finding, from the calling thread. */
	void (*report)(void *ctx, const struct vfsr_finding *finding);
	void *ctx;
	/* Called now and then with ids checked so far; may be NULL. */
	void (*progress)(void *ctx, u64 done, u64 total);
};

struct vfsr_check_stats {
	u64 findings;
	u64 inodes, directories, files, other;
	u64 chunks, nodes, map_pages, grids, stripes;
};

/**
 * vfsr_check - check everything but file contents
 * @p: pool
 * @opts: where findings go
 * @stats: out
 *
 * Return: 0 if the check could be done (findings are in @stats), or a
 * negative errno if not (-ENOMEM).
 */
int vfsr_check(struct vfsr_pool *p, const struct vfsr_check_opts *opts,
	       struct vfsr_check_stats *stats);

#endif
