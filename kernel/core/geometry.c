// SPDX-License-Identifier: GPL-2.0-only
/*
 * Geometry of a grid: limits of a policy, depth of its stripes, the bitmap of
 * stripe starts, and the way from linear sectors to sectors of strips.
 *
 * Nothing here keeps state. A bitmap that comes from disk passes
 * vfsr_starts_ok() first; the lookups stay in bounds for any bitmap, but only
 * for a checked one do they mean anything. The depth rule is part of the
 * format: every implementation must get the same depths.
 */
#include "core/geometry.h"

#define STRIPE_DATA_SECTORS	256u	/* about this much data in a stripe */
#define STRIPE_MIN_ROWS		16u
#define STRIPE_MIN_SECTORS	3u	/* two footers and something to store */

static bool geometry_fault(struct vfsr_fault *f, u64 have, u64 want)
{
	return vfsr_fault_set(f, VFSR_REASON_GEOMETRY, have, want);
}

bool vfsr_policy_ok(const struct vfsr_policy *p, unsigned int strip_shift,
		    struct vfsr_fault *f)
{
	u32 n = (u32)p->k + p->m;
	u32 rows;

	if (strip_shift < VFSR_MIN_STRIP_SHIFT)
		return geometry_fault(f, strip_shift, VFSR_MIN_STRIP_SHIFT);
	if (strip_shift > VFSR_MAX_STRIP_SHIFT)
		return geometry_fault(f, strip_shift, VFSR_MAX_STRIP_SHIFT);
	if (!p->k)
		return geometry_fault(f, 0, 1);
	if (p->m > VFSR_MAX_PARITY)
		return geometry_fault(f, p->m, VFSR_MAX_PARITY);
	if (n > VFSR_MAX_COLUMNS)
		return geometry_fault(f, n, VFSR_MAX_COLUMNS);
	rows = (1u << (strip_shift - VFSR_SECTOR_SHIFT)) - 1;
	if (p->k * rows > VFSR_MAX_DATA_SECTORS)
		return geometry_fault(f, p->k * rows, VFSR_MAX_DATA_SECTORS);
	if (n * p->r > VFSR_MAX_PARITY_CRCS)
		return geometry_fault(f, n * p->r, VFSR_MAX_PARITY_CRCS);
	if (p->r >= rows)
		return geometry_fault(f, p->r, rows - 1);
	if (p->k * (rows - p->r) < STRIPE_MIN_SECTORS)
		return geometry_fault(f, p->k * (rows - p->r),
				      STRIPE_MIN_SECTORS);
	return true;
}

static u32 distance(u32 a, u32 b)
{
	return a > b ? a - b : b - a;
}

/*
 * Among the depths within a quarter of the target, the one whose last stripe
 * lacks the fewest rows; of equals the one nearest to the target, then the
 * smallest.
 */
static u32 full_depth(u32 k, u32 n, u32 data_rows)
{
	u32 most = min_t(u32, VFSR_MAX_STRIPE_SECTORS / n, data_rows);
	u32 least = min_t(u32, STRIPE_MIN_ROWS, most);
	u32 target =
		min_t(u32, max_t(u32, STRIPE_DATA_SECTORS / k, least), most);
	u32 first = max_t(u32, target - target / 4, least);
	u32 last = min_t(u32, target + target / 4, most);
	u32 best = first;
	u32 best_lack = data_rows;
	u32 depth, lack;

	for (depth = first; depth <= last; depth++) {
		lack = (depth - data_rows % depth) % depth;
		if (lack > best_lack)
			continue;
		if (lack == best_lack &&
		    distance(depth, target) >= distance(best, target))
			continue;
		best = depth;
		best_lack = lack;
	}
	return best;
}

int vfsr_geometry_init(struct vfsr_geometry *g, const struct vfsr_policy *p,
		       unsigned int strip_shift, unsigned int layout,
		       struct vfsr_fault *f)
{
	if (!vfsr_policy_ok(p, strip_shift, f))
		return -EINVAL;
	if (layout >= VFSR_NR_LAYOUTS) {
		geometry_fault(f, layout, VFSR_NR_LAYOUTS - 1);
		return -EINVAL;
	}
	g->k = p->k;
	g->m = p->m;
	g->n = p->k + p->m;
	g->layout = (u8)layout;
	g->strip_shift = (u8)strip_shift;
	g->r = p->r;
	g->strip_sectors = 1u << (strip_shift - VFSR_SECTOR_SHIFT);
	g->rows = g->strip_sectors - 1;
	g->data_rows = g->rows - g->r;
	g->depth = full_depth(g->k, g->n, g->data_rows);
	g->data_sectors = (u64)g->k * g->data_rows;
	return 0;
}

/* First start at or after @row, or @end. */
static u32 next_start(const u8 *starts, u32 row, u32 end)
{
	while (row < end && !vfsr_starts_test(starts, row))
		row += row % 8 == 0 && !starts[row >> 3] ? 8 : 1;
	return min_t(u32, row, end);
}

bool vfsr_starts_ok(const struct vfsr_geometry *g, const u8 *starts,
		    u32 rows_used, struct vfsr_fault *f)
{
	u32 row, end, depth;

	if (rows_used > g->data_rows)
		return geometry_fault(f, rows_used, g->data_rows);
	row = next_start(starts, rows_used, VFSR_BITMAP_BYTES * 8);
	if (row < VFSR_BITMAP_BYTES * 8)
		return vfsr_fault_set(f, VFSR_REASON_ORDER, row, rows_used);
	if (rows_used && !vfsr_starts_test(starts, 0))
		return vfsr_fault_set(f, VFSR_REASON_ORDER,
				      next_start(starts, 0, rows_used), 0);
	for (row = 0; row < rows_used; row = end) {
		end = next_start(starts, row + 1, rows_used);
		depth = end - row;
		if (depth > g->depth)
			return geometry_fault(f, depth, g->depth);
		if (depth * g->k < STRIPE_MIN_SECTORS)
			return geometry_fault(f, depth * g->k,
					      STRIPE_MIN_SECTORS);
	}
	return true;
}

int vfsr_stripe_at(const struct vfsr_geometry *g, const u8 *starts,
		   u32 rows_used, u32 row, struct vfsr_extent_rows *out)
{
	u32 first = row;

	if (row >= rows_used || rows_used > g->data_rows)
		return -ERANGE;
	while (first && !vfsr_starts_test(starts, first))
		first--;
	out->row = first;
	out->depth = next_start(starts, row + 1, rows_used) - first;
	return 0;
}

int vfsr_sector_locate(const struct vfsr_geometry *g, const u8 *starts,
		       u32 rows_used, u32 sector,
		       struct vfsr_extent_rows *stripe, u32 *col, u32 *row)
{
	struct vfsr_extent_rows at;
	u32 inside;

	/* stripes own k sectors per row, so this row is in the right stripe */
	if (vfsr_stripe_at(g, starts, rows_used, sector / g->k, &at))
		return -ERANGE;
	inside = sector - at.row * g->k;
	*col = inside / at.depth;
	*row = at.row + inside % at.depth;
	if (stripe)
		*stripe = at;
	return 0;
}

struct vfsr_strip_pos vfsr_row_place(const struct vfsr_geometry *g,
				     const struct vfsr_extent_rows *stripe,
				     u32 col, u32 row)
{
	struct vfsr_strip_pos pos = { .strip = col, .sector = row };
	u32 first = row, depth = 1;
	u32 offset;

	if (g->layout == VFSR_LAYOUT_SPREAD)
		return pos;
	if (row >= g->data_rows && row < g->rows) {
		first = g->data_rows;
		depth = g->r;
	} else if (row < g->data_rows && stripe && row >= stripe->row &&
		   row - stripe->row < stripe->depth) {
		first = stripe->row;
		depth = stripe->depth;
	}
	offset = first * g->n + col * depth + (row - first);
	pos.strip = offset / g->strip_sectors;
	pos.sector = offset % g->strip_sectors;
	return pos;
}
