/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Geometry: what a policy and a strip size make of a grid, and the way from
 * a place to column and row, and on to a sector of a strip.
 */
#ifndef VFSR_CORE_GEOMETRY_H
#define VFSR_CORE_GEOMETRY_H

#include "core/fault.h"
#include "format/grid.h"
#include "format/map.h"

struct vfsr_policy {
	u8 k;		/* data columns, >= 1 */
	u8 m;		/* parity columns, 0..6 */
	u16 r;		/* column-parity rows */
};

/* Derived from policy, layout and strip size; all counts in sectors or rows. */
struct vfsr_geometry {
	u8 k, m, n;		/* n = k + m */
	u8 layout;		/* enum vfsr_layout */
	u8 strip_shift;		/* log2 bytes */
	u16 r;
	u32 strip_sectors;	/* S */
	u32 rows;		/* R = S - 1; row R is the trailer */
	u32 data_rows;		/* R - r: rows that stripes may use */
	u32 depth;		/* full stripe depth, rows */
	u64 data_sectors;	/* k * data_rows */
};

/* Where a stripe lies in its grid. */
struct vfsr_extent_rows {
	u32 row;	/* first */
	u32 depth;
};

/**
 * vfsr_policy_ok - is a policy possible with this strip size?
 * @p: policy
 * @strip_shift: log2 of the strip's bytes
 * @f: filled when not, may be NULL
 *
 * Limits of design section 2: k >= 1, m <= 6, n <= 32, k * R <= 65536,
 * n * r <= 512, r < R, stripes of at least 3 data sectors.
 *
 * Return: true if it is.
 */
bool vfsr_policy_ok(const struct vfsr_policy *p, unsigned int strip_shift,
		    struct vfsr_fault *f);

/**
 * vfsr_geometry_init - derive the geometry of a grid
 * @g: out
 * @p: policy, checked here
 * @strip_shift: log2 of the strip's bytes
 * @layout: enum vfsr_layout, checked here
 * @f: filled on failure, may be NULL
 *
 * The full depth is about 256 data sectors over k columns, at least 16
 * rows (or all data rows), n * depth <= 896, chosen so that stripes of it fill
 * the data rows with the least remainder. Exactly, with D data rows, integer
 * division, and every value limited to the range 16..min(896 / n, D) (the
 * upper limit wins): the target is t = 256 / k; of the depths d in
 * t - t / 4 .. t + t / 4 the one with the smallest -D mod d; of equals the
 * one nearest to t, then the smaller.
 *
 * Return: 0, or -EINVAL with @f filled.
 */
int vfsr_geometry_init(struct vfsr_geometry *g, const struct vfsr_policy *p,
		       unsigned int strip_shift, unsigned int layout,
		       struct vfsr_fault *f);

/* Places: grid 36 bits, sector 16 bits, byte 12 bits. */
static inline u64 vfsr_place_make(u64 grid, u32 sector, u32 byte)
{
	return grid << VFSR_PLACE_GRID_SHIFT |
	       (u64)sector << VFSR_PLACE_BYTE_BITS | byte;
}

static inline u64 vfsr_place_grid(u64 place)
{
	return place >> VFSR_PLACE_GRID_SHIFT;
}

static inline u32 vfsr_place_sector(u64 place)
{
	return place >> VFSR_PLACE_BYTE_BITS & VFSR_PLACE_SECTOR_MASK;
}

static inline u32 vfsr_place_byte(u64 place)
{
	return place & (VFSR_SECTOR_BYTES - 1);
}

/* Bitmap of stripe starts. */
static inline bool vfsr_starts_test(const u8 *starts, u32 row)
{
	return starts[row >> 3] >> (row & 7) & 1;
}

static inline void vfsr_starts_set(u8 *starts, u32 row)
{
	starts[row >> 3] |= (u8)(1u << (row & 7));
}

/**
 * vfsr_starts_ok - is a bitmap of stripe starts possible?
 * @g: geometry
 * @starts: VFSR_BITMAP_BYTES, all of which are checked
 * @rows_used: rows in stripes, any value
 * @f: filled when not, may be NULL
 *
 * Row 0 starts a stripe if any row is used, no start at or after @rows_used,
 * @rows_used <= data rows, no stripe deeper than the full depth, and each has at
 * least 3 data sectors (k * depth >= 3).
 *
 * Return: true if it is.
 */
bool vfsr_starts_ok(const struct vfsr_geometry *g, const u8 *starts,
		    u32 rows_used, struct vfsr_fault *f);

/**
 * vfsr_stripe_at - the stripe that holds a row
 * @g: geometry
 * @starts: bitmap that passed vfsr_starts_ok()
 * @rows_used: rows in stripes
 * @row: any row
 * @out: first row and depth
 *
 * Return: 0, or -ERANGE if @row >= @rows_used.
 */
int vfsr_stripe_at(const struct vfsr_geometry *g, const u8 *starts,
		   u32 rows_used, u32 row, struct vfsr_extent_rows *out);

/**
 * vfsr_sector_locate - column and row of a linear data sector
 * @g: geometry
 * @starts: bitmap that passed vfsr_starts_ok()
 * @rows_used: rows in stripes
 * @sector: linear data sector of the grid, any value
 * @stripe: out, may be NULL
 * @col: out
 * @row: out
 *
 * Return: 0, or -ERANGE.
 */
int vfsr_sector_locate(const struct vfsr_geometry *g, const u8 *starts,
		       u32 rows_used, u32 sector,
		       struct vfsr_extent_rows *stripe, u32 *col, u32 *row);

/* A run of sectors of one strip. */
struct vfsr_strip_pos {
	u32 strip;	/* column whose strip holds it */
	u32 sector;	/* in that strip */
};

/**
 * vfsr_row_place - where a (column, row) is on disk
 * @g: geometry
 * @stripe: the stripe that holds @row; for parity rows and trailer ignored;
 *	    NULL for a row in no stripe
 * @col: column, 0..n-1
 * @row: 0..R; R is the trailer
 *
 * Spread: strip @col, sector @row. Interleaved: the region of the n strips is
 * one run (format/grid.h). Consecutive rows of one column in one
 * stripe are consecutive there too (they may cross into the next strip). A
 * data row in no stripe is placed as a stripe of depth 1.
 *
 * Return: the place; @strip is a column, not a device's strip number.
 */
struct vfsr_strip_pos vfsr_row_place(const struct vfsr_geometry *g,
				     const struct vfsr_extent_rows *stripe,
				     u32 col, u32 row);

#endif
