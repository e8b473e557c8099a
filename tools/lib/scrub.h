/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The offline scrub (vfsr verify): every sector of every grid is read once,
 * checked, rebuilt where it is wrong, and written back if wanted; then the
 * copies of records and tables; then damage that stays gets the names of files.
 */
#ifndef VFSR_LIB_SCRUB_H
#define VFSR_LIB_SCRUB_H

#include "lib/pool.h"

struct vfsr_scrub_opts {
	bool repair; /* write healed sectors back */
	unsigned int threads; /* 0: one per processor */
	bool progress;
	/* A file, or part of one, that cannot be given back; @path may be
	 * freed after the call. @what: "bytes", "inode", "names", "attributes". */
	void (*lost)(void *ctx, const char *path, const char *what, u64 from,
		     u64 bytes);
	void *ctx;
};

struct vfsr_scrub_stats {
	u64 grids, sectors, bytes; /* read and checked */
	u64 bad, healed, written; /* sectors, all members together */
	u64 lost; /* sectors of stripes that stay bad, in use
					 * or not */
	u64 roots_bad, roots_written; /* copies of records and tables */
	u64 trailers_bad; /* that stay bad */
	u64 lost_chunks; /* in use, and cannot be read */
	u64 lost_files;
	bool lost_map; /* part of the map: files below unknown */
	double seconds;
};

/**
 * vfsr_scrub - check and repair a pool
 * @p: pool, opened for writing if @opts->repair
 * @opts: what to do, and who hears of losses
 * @stats: out
 *
 * Return: 0 if the scrub could be done, whatever it found; a negative errno if
 * not: -ENOMEM, or that of a flush after which repairs may not last.
 */
int vfsr_scrub(struct vfsr_pool *p, const struct vfsr_scrub_opts *opts,
	       struct vfsr_scrub_stats *stats);

/* A run of data sectors that is lost. */
struct vfsr_lost_run {
	u64 grid;
	u32 sector; /* linear data sector of the grid */
	u32 nr;
};

/**
 * vfsr_scrub_grid - check one grid, heal what can be healed
 * @p: pool
 * @g: grid
 * @repair: write healed sectors back
 * @bad: R masks, out: columns that stay bad
 * @sectors: out: sectors that were read and checked
 * @ws: the calling thread's buffers
 *
 * Return: number of sectors that stay bad, or a negative errno.
 */
int vfsr_scrub_grid(struct vfsr_pool *p, struct vfsr_grid *g, bool repair,
		    u32 *bad, u64 *sectors, struct vfsr_ws *ws);

/* Copies of the record and of the tables on every member. */
int vfsr_scrub_roots(struct vfsr_pool *p, bool repair,
		     struct vfsr_scrub_stats *stats);

/* Name the files that use lost sectors; @run is ascending. */
int vfsr_scrub_names(struct vfsr_pool *p, const struct vfsr_lost_run *run,
		     size_t nr, const struct vfsr_scrub_opts *opts,
		     struct vfsr_scrub_stats *stats);

#endif
