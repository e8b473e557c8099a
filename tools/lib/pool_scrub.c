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

/* One grid while it is scrubbed. */
struct pass {
	struct vfsr_pool *p;
	struct vfsr_grid *g;
	struct vfsr_ws *ws;
	bool repair;
	u32 *disk; /* R masks: what is bad or missing on disk */
	u32 left; /* sectors that rows alone could not give */
	u64 sectors;
};

/* Check and heal one run of rows. */
static int scrub_run(struct pass *s, struct row_run *rr)
{
	int err = rows_load(s->p, rr, s->ws);
	u32 i;

	if (err)
		return err;
	memcpy(s->disk + rr->row, rr->bad, rr->nr * sizeof(*s->disk));
	s->sectors += present(s->p, s->g, rr->nr);
	rows_decode(s->p, rr, s->repair);
	for (i = 0; i < rr->nr; i++)
		s->left += mask_bits(rr->bad[i]);
	return 0;
}

static int scrub_stripe(struct pass *s, const struct vfsr_extent_rows *e)
{
	struct row_run rr = {
		.g = s->g, .e = *e, .row = e->row, .nr = e->depth
	};
	int err = vfsr_stripe_get(s->p, s->g, e, s->ws, &rr.s);
	u32 i;

	if (err == -ENOMEM)
		return err;
	if (err) { /* without a footer nothing can be told */
		for (i = 0; i < e->depth; i++)
			s->disk[e->row + i] = mask_all(s->g);
		s->left += e->depth * s->g->g.n;
		s->sectors += present(s->p, s->g, e->depth);
		return 0;
	}
	err = scrub_run(s, &rr);
	vfsr_stripe_put(s->p, rr.s);
	return err;
}

static int scrub_rows(struct pass *s)
{
	struct vfsr_grid *g = s->g;
	struct vfsr_extent_rows e;
	u32 row, step = rows_max(g);
	int err = 0;

	for (row = 0; row < g->rows_used && !err; row = e.row + e.depth) {
		err = vfsr_stripe_at(&g->g, g->starts, g->rows_used, row, &e);
		if (!err)
			err = scrub_stripe(s, &e);
	}
	for (row = g->g.data_rows; row < g->g.rows && g->parity_crc && !err;) {
		struct row_run rr = { .g = g, .row = row };

		rr.nr = min_t(u32, step, g->g.rows - row);
		err = scrub_run(s, &rr);
		row += rr.nr;
	}
	return err;
}

int vfsr_scrub_grid(struct vfsr_pool *p, struct vfsr_grid *g, bool repair,
		    u32 *bad, u64 *sectors, struct vfsr_ws *ws)
{
	struct pass s = {
		.p = p, .g = g, .ws = ws, .repair = repair, .disk = bad
	};
	int err = vfsr_grid_load(p, g, ws);
	u32 i;

	*sectors = 0;
	memset(bad, 0, g->g.rows * sizeof(*bad));
	if (err == -ENOMEM)
		return err;
	if (err) { /* neither trailers nor footers: all of it */
		for (i = 0; i < g->g.data_rows; i++)
			bad[i] = mask_all(g);
		return (int)(g->g.data_rows * g->g.n);
	}
	err = scrub_rows(&s);
	*sectors = s.sectors;
	if (!err && s.left)
		/*
		 * The column runs read other rows from disk as well, so this
		 * wants all that is wrong there, not only what rows left over.
		 */
		return vfsr_grid_heal(p, g, bad, repair, ws);
	memset(bad, 0, g->g.rows * sizeof(*bad));
	return err;
}
