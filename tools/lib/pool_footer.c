// SPDX-License-Identifier: GPL-2.0-only
/*
 * Footers by decoding, when both copies of one are gone: trial erasures in the
 * row of a copy, then the column parity. The footer's own crc decides, so a
 * wrong guess costs time and nothing else. Also finds the stripes of a grid that
 * lost every trailer, by the chain of its footers.
 *
 * The number of trials is bounded. Called by pool_grid.c.
 */
#include <stdlib.h>

#include "lib/pool_priv.h"

/* Row decodes tried per copy; all sets for the usual policies. */
#define MAX_TRIALS 4096u

/* One row of an unknown stripe, and what is thought of it. */
struct trial {
	struct vfsr_pool *p;
	struct vfsr_grid *g;
	const struct vfsr_extent_rows *e;
	u32 col, row; /* where the footer ought to be; row absolute */
	u32 gone; /* columns that cannot be read, and @col */
	u8 *raw; /* n sectors as read */
	u8 *try; /* VFSR_MAX_PARITY + 1 sectors to decode into */
	u8 *sum; /* n sectors: what column parity says */
	u32 have_sum; /* columns whose @sum is known */
	struct vfsr_footer *ft;
	u8 *out; /* the footer's sector */
	bool any_depth; /* the stripe may be less deep than @e says */
};

static u8 *nth(u8 *sectors, u32 i)
{
	return sectors + (size_t)i * VFSR_SECTOR_BYTES;
}

/* Is a sector the footer looked for? */
static bool accept(struct trial *t, const u8 *sector)
{
	struct vfsr_extent_rows e = *t->e;

	if (vfsr_footer_decode(sector, t->p->super->pool_uuid, t->ft, NULL))
		return false;
	if (t->any_depth)
		e.depth = min_t(u32, e.depth, t->ft->depth);
	if (!stripe_fits(t->g, &e, t->ft))
		return false;
	memcpy(t->out, sector, VFSR_SECTOR_BYTES);
	return true;
}

/* Decode the row with the erasures @mask. */
static bool try_mask(struct trial *t, u32 mask)
{
	u8 *buf[VFSR_MAX_COLUMNS];
	u32 col, lost = 0, at = 0;

	if (mask_bits(mask) > t->g->g.m)
		return false;
	for (col = 0; col < t->g->g.n; col++) {
		buf[col] = nth(t->raw, col);
		if (!(mask >> col & 1))
			continue;
		if (col == t->col)
			at = lost;
		buf[col] = nth(t->try, lost++);
	}
	return !vfsr_row_decode(t->p->ops, t->g->g.k, t->g->g.m,
				VFSR_SECTOR_BYTES, mask, buf) &&
	       accept(t, nth(t->try, at));
}

/* All sets of erasures up to m, smaller ones first. */
static bool try_sets(struct trial *t)
{
	u32 n = t->g->g.n, m = t->g->g.m, nr_trials = 0;
	u32 free_cols[VFSR_MAX_COLUMNS] = { 0 }, pick[VFSR_MAX_PARITY];
	u32 nr_free = 0, size, i, mask;

	for (i = 0; i < n; i++)
		if (!(t->gone >> i & 1))
			free_cols[nr_free++] = i;
	for (size = 0; mask_bits(t->gone) + size <= m && size <= nr_free;
	     size++) {
		for (i = 0; i < size; i++)
			pick[i] = i;
		for (;;) {
			for (mask = t->gone, i = 0; i < size; i++)
				mask |= 1u << free_cols[pick[i]];
			if (try_mask(t, mask))
				return true;
			if (++nr_trials >= MAX_TRIALS)
				return false;
			/* next combination */
			for (i = size;
			     i && pick[i - 1] == nr_free - size + i - 1;)
				i--;
			if (!i)
				break;
			pick[i - 1]++;
			for (; i < size; i++)
				pick[i] = pick[i - 1] + 1;
		}
	}
	return false;
}

/* What column parity says of (col, t->row): the XOR of the rest of its class.
 * Sectors of the same stripe are taken as they are. */
static bool column_sum(struct trial *t, u32 col, u8 *one, struct vfsr_ws *ws)
{
	struct vfsr_grid *g = t->g;
	u8 *sum = nth(t->sum, col);
	u32 row;
	u8 state;

	memset(sum, 0, VFSR_SECTOR_BYTES);
	for (row = t->row % g->g.r; row < g->g.rows; row += g->g.r) {
		if (row == t->row)
			continue;
		if (row >= t->e->row && row < t->e->row + t->e->depth) {
			grid_read_run(t->p, g, t->e, col, row, 1, one, &state);
			if (state != SECTOR_OK)
				return false;
		} else if (grid_sector_get(t->p, g, col, row, one, ws)) {
			return false;
		}
		t->p->ops->xor_into(sum, one, VFSR_SECTOR_BYTES);
	}
	return true;
}

/* Ways that use column parity. */
static bool try_columns(struct trial *t, u8 *one, struct vfsr_ws *ws)
{
	u32 differ = 0, col;

	if (column_sum(t, t->col, one, ws) && accept(t, nth(t->sum, t->col)))
		return true;
	for (col = 0; col < t->g->g.n; col++) {
		if (col == t->col)
			continue;
		if (!column_sum(t, col, one, ws))
			continue;
		t->have_sum |= 1u << col;
		if (t->gone >> col & 1 ||
		    memcmp(nth(t->sum, col), nth(t->raw, col),
			   VFSR_SECTOR_BYTES))
			differ |= 1u << col;
	}
	/* what the columns call wrong is erased, or else taken from them */
	if (try_mask(t, t->gone | differ))
		return true;
	for (col = 0; col < t->g->g.n; col++)
		if (differ >> col & 1)
			memcpy(nth(t->raw, col), nth(t->sum, col),
			       VFSR_SECTOR_BYTES);
	t->gone &= ~differ;
	return try_mask(t, t->gone);
}

/* Read the row of a copy. */
static void read_row(struct trial *t, u32 copy)
{
	u32 col;
	u8 state;

	t->col = copy ? t->g->g.k - 1u : 0;
	t->row = copy ? t->e->row + t->e->depth - 1 : t->e->row;
	t->gone = 1u << t->col;
	t->have_sum = 0;
	for (col = 0; col < t->g->g.n; col++) {
		grid_read_run(t->p, t->g, t->e, col, t->row, 1,
			      nth(t->raw, col), &state);
		if (state != SECTOR_OK)
			t->gone |= 1u << col;
	}
}

/* Both copies, one after the other. */
static int recover(struct trial *t, bool hard, u8 *one, struct vfsr_ws *ws)
{
	u32 copy;

	for (copy = 0; copy < 2; copy++) {
		read_row(t, copy);
		if (hard ? try_columns(t, one, ws) : try_sets(t))
			return 0;
	}
	return -EIO;
}

/* Sectors for a trial; NULL: no memory. The caller frees them. */
static u8 *trial_room(struct trial *t)
{
	u32 n = t->g->g.n;
	u8 *room = aligned_alloc(VFSR_SECTOR_BYTES,
				 (size_t)(2 * n + VFSR_MAX_PARITY + 2) *
					 VFSR_SECTOR_BYTES);

	if (!room)
		return NULL;
	t->raw = room;
	t->sum = nth(room, n);
	t->try = nth(room, 2 * n);
	return room;
}

int footer_recover(struct vfsr_pool *p, struct vfsr_grid *g,
		   const struct vfsr_extent_rows *e, bool hard,
		   struct vfsr_ws *ws, u8 *sector, struct vfsr_footer *ft)
{
	struct trial t = {
		.p = p,
		.g = g,
		.e = e,
		.ft = ft,
		.out = sector,
	};
	u8 *room;
	int err;

	if (hard ? !g->g.r || g->state != VFSR_STRIP_SEALED : !g->g.m)
		return -EIO;
	room = trial_room(&t);
	if (!room)
		return -ENOMEM;
	err = recover(&t, hard, nth(room, 2 * g->g.n + VFSR_MAX_PARITY + 1),
		      ws);
	free(room);
	return err;
}

/* --- a grid without a trailer --- */

/* Take places that nobody knew from a footer. */
static void learn_places(struct vfsr_grid *g, const struct vfsr_footer *ft)
{
	u32 col;

	for (col = 0; col < g->g.n; col++) {
		if (g->known >> col & 1)
			continue;
		g->known |= 1u << col;
		g->strip[col] = ft->strip[col];
		g->device[col] = ft->device[col];
	}
}

/*
 * Depth of the stripe of at most @most rows whose first row is @row, by row
 * decodes; 0: none gives a footer. Where the first copy is depends on no depth
 * in a spread grid; else each depth has a row of its own to try, of which only
 * those columns are taken for lost that cannot be read.
 */
static u32 depth_by_trial(struct vfsr_pool *p, struct vfsr_grid *g, u32 row,
			  u32 most, bool thorough, struct vfsr_footer *ft,
			  u8 *sector)
{
	bool spread = g->g.layout == VFSR_LAYOUT_SPREAD;
	struct vfsr_extent_rows e = { .row = row, .depth = most };
	struct trial t = {
		.p = p,
		.g = g,
		.e = &e,
		.ft = ft,
		.out = sector,
		.any_depth = spread,
	};
	u8 *room = g->g.m ? trial_room(&t) : NULL;
	bool found = false;

	if (!room)
		return 0;
	read_row(&t, 0);
	found = thorough ? try_sets(&t) : try_mask(&t, t.gone);
	t.any_depth = false;
	for (; thorough && !found && e.depth; e.depth--) {
		if (!spread) {
			read_row(&t, 0);
			found = try_mask(&t, t.gone);
		}
		if (!found) {
			read_row(&t, 1);
			found = e.depth == most ? try_sets(&t) :
						  try_mask(&t, t.gone);
		}
	}
	free(room);
	return found ? ft->depth : 0;
}

/* Depth of the stripe that starts at a row; 0: no footer says. */
static u32 depth_at(struct vfsr_pool *p, struct vfsr_grid *g, u32 row,
		    bool thorough, u8 *sector)
{
	u32 most = min_t(u32, g->g.depth, g->g.data_rows - row);
	struct vfsr_extent_rows e = { .row = row, .depth = most };
	struct vfsr_footer ft;
	u8 state;

	/* the first copy's place does not depend on the depth */
	grid_read_run(p, g, &e, 0, row, 1, sector, &state);
	if (state == SECTOR_OK &&
	    !vfsr_footer_decode(sector, p->super->pool_uuid, &ft, NULL)) {
		e.depth = ft.depth;
		if (ft.depth <= most && stripe_fits(g, &e, &ft)) {
			learn_places(g, &ft);
			return ft.depth;
		}
	}
	for (e.depth = most; thorough && e.depth; e.depth--) {
		grid_read_run(p, g, &e, g->g.k - 1u, row + e.depth - 1, 1,
			      sector, &state);
		if (state == SECTOR_OK &&
		    !vfsr_footer_decode(sector, p->super->pool_uuid, &ft,
					NULL) &&
		    stripe_fits(g, &e, &ft)) {
			learn_places(g, &ft);
			return e.depth;
		}
	}
	/* a search of many rows tries what cannot be read, and no guesses */
	if (!thorough && state == SECTOR_OK)
		return 0;
	e.depth = depth_by_trial(p, g, row, most, thorough, &ft, sector);
	if (e.depth)
		learn_places(g, &ft);
	return e.depth;
}

int grid_scan_starts(struct vfsr_pool *p, struct vfsr_grid *g)
{
	u8 *sector = aligned_alloc(VFSR_SECTOR_BYTES, VFSR_SECTOR_BYTES);
	u32 row = 0, next, depth;
	bool found = false;

	if (!sector)
		return -ENOMEM;
	memset(g->starts, 0, sizeof(g->starts));
	while (row < g->g.data_rows) {
		depth = depth_at(p, g, row, true, sector);
		for (next = row + 1; !depth && next < g->g.data_rows; next++)
			if (depth_at(p, g, next, false, sector))
				break;
		if (!depth && next >= g->g.data_rows)
			break;
		found = true;
		/* stripes whose footers are gone are taken to be full ones */
		for (; !depth && row < next; row += g->g.depth)
			vfsr_starts_set(g->starts, row);
		if (!depth) {
			row = next;
			continue;
		}
		vfsr_starts_set(g->starts, row);
		row += depth;
	}
	g->rows_used = row;
	free(sector);
	if (found && vfsr_starts_ok(&g->g, g->starts, row, NULL))
		return 0;
	g->rows_used = 0;
	memset(g->starts, 0, sizeof(g->starts));
	return -EIO;
}
