// SPDX-License-Identifier: GPL-2.0-only
/*
 * One grid of a scrub: stripe after stripe in big reads, rows healed on the
 * way; what rows alone cannot heal is left to the whole-grid decoder.
 *
 * Works in the caller's workspace; several grids at a time.
 */
#include "lib/pool_priv.h"
#include "lib/scrub.h"

/* Sectors of a run of rows that were there to be checked. */
static u64 present(const struct vfsr_pool *p, const struct vfsr_grid *g, u32 nr)
{
	u64 columns = 0;
	u32 col;

	for (col = 0; col < g->g.n; col++)
		columns += g->known >> col & 1 && p->dev[g->device[col]];
	return columns * nr;
}

/* Check and heal one run of rows; what stays bad goes to @bad. */
static int scrub_run(struct vfsr_pool *p, struct row_run *rr, bool repair,
		     u32 *bad, struct vfsr_ws *ws)
{
	int err = rows_load(p, rr, ws);
	u32 i;

	if (err)
		return err;
	rows_decode(p, rr, repair);
	for (i = 0; i < rr->nr; i++)
		bad[rr->row + i] = rr->bad[i];
	return 0;
}

static int scrub_stripe(struct vfsr_pool *p, struct vfsr_grid *g,
			const struct vfsr_extent_rows *e, bool repair,
			u32 *bad, struct vfsr_ws *ws)
{
	struct row_run rr = { .g = g, .e = *e, .row = e->row,
			      .nr = e->depth };
	u32 i;
	int err = vfsr_stripe_get(p, g, e, ws, &rr.s);

	if (err == -ENOMEM)
		return err;
	if (err) {	/* without a footer nothing can be told */
		for (i = 0; i < e->depth; i++)
			bad[e->row + i] = mask_all(g);
		return 0;
	}
	err = scrub_run(p, &rr, repair, bad, ws);
	vfsr_stripe_put(p, rr.s);
	return err;
}

int vfsr_scrub_grid(struct vfsr_pool *p, struct vfsr_grid *g, bool repair,
		    u32 *bad, u64 *sectors, struct vfsr_ws *ws)
{
	u32 row, i, left = 0, step = rows_max(g);
	int err = vfsr_grid_load(p, g, ws);

	*sectors = 0;
	memset(bad, 0, g->g.rows * sizeof(*bad));
	if (err == -ENOMEM)
		return err;
	if (err) {	/* neither trailers nor footers: all of it */
		for (i = 0; i < g->g.data_rows; i++)
			bad[i] = mask_all(g);
		return (int)(g->g.data_rows * g->g.n);
	}
	for (row = 0; row < g->rows_used && !err;) {
		struct vfsr_extent_rows e;

		err = vfsr_stripe_at(&g->g, g->starts, g->rows_used, row, &e);
		if (err)
			break;
		err = scrub_stripe(p, g, &e, repair, bad, ws);
		*sectors += present(p, g, e.depth);
		row = e.row + e.depth;
	}
	for (row = g->g.data_rows; row < g->g.rows && g->parity_crc && !err;) {
		struct row_run rr = { .g = g, .row = row };

		rr.nr = min_t(u32, step, g->g.rows - row);
		err = scrub_run(p, &rr, repair, bad, ws);
		*sectors += present(p, g, rr.nr);
		row += rr.nr;
	}
	if (err)
		return err;
	for (i = 0; i < g->g.rows; i++)
		left += mask_bits(bad[i]);
	if (!left)
		return 0;
	return vfsr_grid_heal(p, g, bad, repair, ws);
}
