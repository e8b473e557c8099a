/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A grid in memory, for tests of the 2-D decoder: what was written, what is
 * read, what is damaged how. Every decode puts all damage in first and
 * compares whatever the decoder calls good with the original: wrong data fails
 * the test, whatever else was expected.
 */
#ifndef TESTS_UNIT_MEM_GRID_H
#define TESTS_UNIT_MEM_GRID_H

#include "core/parity.h"

#define MEM_GRID_ROWS		4096
#define MEM_GRID_GARBAGE	0xa5

/* A pseudo-random number in 0..@below-1; the same ones in each run. */
u32 mem_rng(u32 below);

/*
 * Operations on the first bytes of a sector alone: all bytes are treated
 * alike, and so the decoder's logic can be run on every pattern there is.
 */
extern const struct vfsr_parity_ops mem_thin_ops;

struct mem_grid {
	struct vfsr_geometry g;
	const struct vfsr_parity_ops *ops;
	size_t used_bytes;	/* of each sector, that @ops handles */
	u8 *good;		/* [(row * n + col) * 4096], as written */
	u8 *now;		/* as read, then healed */
	u32 bad[MEM_GRID_ROWS];	/* as given to the decoder */
	u32 damage[MEM_GRID_ROWS];	/* what was damaged */
	u32 liars[MEM_GRID_ROWS];	/* refused in any case */
	u32 silent[MEM_GRID_ROWS];	/* damaged, but not called bad */
	u32 unreadable;		/* sectors that cannot be had: this column */
	u32 nr_rebuilt;		/* calls */
};

/* Gives a struct mem_grid, as ctx, to the decoder. */
extern const struct vfsr_grid_cb mem_grid_cb;

/* A geometry of any number of rows, for grids too small for a strip. */
struct vfsr_geometry mem_small_geometry(u32 k, u32 m, u32 rows, u32 r);
struct vfsr_geometry mem_real_geometry(u32 k, u32 m, u32 r, u32 shift);

/* A sealed grid of random data. */
struct mem_grid *mem_grid_new(const struct vfsr_geometry *g,
			      const struct vfsr_parity_ops *ops);
void mem_grid_free(struct mem_grid *gr);

/* Byte of a sector in good[] and now[]. */
size_t mem_sector_at(const struct mem_grid *gr, u32 col, u32 row);

/* Bits set in R masks. */
u32 mem_count_marks(const struct vfsr_geometry *g, const u32 *marks);

/*
 * Damage what gr->damage (and gr->silent) say, decode, compare, and put
 * everything back. Return: what the decoder said.
 */
int mem_grid_try(struct mem_grid *gr);

/* What vfsr_grid_solvable() says of gr->damage, which is kept. */
u32 mem_grid_count(const struct mem_grid *gr);

/* Both entry points on gr->damage: they must agree. */
u32 mem_grid_try_both(struct mem_grid *gr);

#endif
