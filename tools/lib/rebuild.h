/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rebuilds a pool whose records, strip tables and map are lost, from footers
 * and trailers alone (fsck.vfsr --rebuild-map), after Rosenblum and Ousterhout's
 * roll-forward (1992) taken to the whole log.
 *
 * Devices are scanned for labels; the newest transaction all of whose stripes
 * are there gives the state; entries of all stripes give, for each id, the
 * newest place; what the root reaches is kept; a new map, tables and record
 * are written into free strips under a higher epoch.
 */
#ifndef VFSR_LIB_REBUILD_H
#define VFSR_LIB_REBUILD_H

#include "lib/pool.h"

struct vfsr_rebuild_stats {
	u64 labels; /* footers and trailers found */
	u64 grids, stripes;
	u64 transaction; /* whose state was rebuilt */
	u64 ids; /* in the new map */
	u64 dropped; /* ids that nothing reaches */
	u64 lost; /* nodes and stripes that could not be read */
	u64 inodes;
};

/**
 * vfsr_rebuild - rebuild the map of a pool
 * @paths: devices or images, any order; some may be missing
 * @nr: how many
 * @write: false: only find out what would be rebuilt
 * @stats: out
 *
 * Return: 0, or a negative errno, already reported: -ENOENT if no label was
 * found, -ENOSPC if there are no free strips for the new map.
 */
int vfsr_rebuild(char *const *paths, unsigned int nr, bool write,
		 struct vfsr_rebuild_stats *stats);

#endif
