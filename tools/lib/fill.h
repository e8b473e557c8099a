/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fills a pool from a directory tree (mkfs --rootdir), or with an empty root.
 *
 * A pipeline: one thread walks the tree in a fixed order and cuts file data
 * into chunks, workers route and compress them, and the results are placed in
 * the order of the walk. Memory is bounded, whatever the tree.
 */
#ifndef VFSR_LIB_FILL_H
#define VFSR_LIB_FILL_H

#include "lib/writer.h"

struct vfsr_fill_opts {
	const char *rootdir;	/* NULL: only an empty root directory */
	u8 alg, level, keep;
	unsigned int threads;	/* 0: one per processor */
	bool progress;
	struct vfsr_time now;	/* times of an empty root */
};

struct vfsr_fill_stats {
	u64 files, dirs, symlinks, specials, hardlinks, xattrs;
	u64 logical_bytes;	/* file sizes without holes, inodes once */
	u64 state_bytes[VFSR_NR_STATES]; /* logical, per state */
	u64 stored_bytes;	/* of file data */
	u64 shared_chunks;	/* chunks with data of several files */
	u64 changed;		/* what changed while it was read */
	u64 skipped;		/* what could not be read */
};

/**
 * vfsr_fill - write the tree into the open transaction
 * @w: writer of the transaction; the caller commits it
 * @s: its record; counters of inodes and bytes are set
 * @opts: what to write and how
 * @stats: out: what was written
 *
 * What cannot be read is reported by path and counted in @stats; the function
 * goes on and returns -EIO at the end, so that mkfs fails without a usable pool.
 * Files that change meanwhile are reported and counted too, but kept as they were
 * read, with the size they had at first: trees that live can be taken. Sockets, fifos and devices are made as inodes.
 * atime, ctime and btime are set to mtime, so that equal trees give equal pools.
 */
int vfsr_fill(struct vfsr_writer *w, struct vfsr_super *s,
	      const struct vfsr_fill_opts *opts, struct vfsr_fill_stats *stats);

#endif
