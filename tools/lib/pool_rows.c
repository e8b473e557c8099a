// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rows of a stripe: read them whole, check every sector, and rebuild bad ones
 * by row parity. The first and cheapest way of healing; it needs nothing but
 * the rows themselves and the stripe's footer.
 *
 * Works in the caller's ws->stripe and takes no lock of its own.
 */
#include <stdlib.h>

#include "lib/pool_priv.h"

int ws_need_stripe(struct vfsr_ws *ws)
{
	if (!ws->stripe)
		ws->stripe = aligned_alloc(VFSR_SECTOR_BYTES,
					   (size_t)VFSR_MAX_STRIPE_SECTORS *
						   VFSR_SECTOR_BYTES);
	return ws->stripe ? 0 : -ENOMEM;
}

u32 rows_max(const struct vfsr_grid *g)
{
	return VFSR_MAX_STRIPE_SECTORS / g->g.n;
}

int rows_load(struct vfsr_pool *p, struct row_run *rr, struct vfsr_ws *ws)
{
	struct vfsr_grid *g = rr->g;
	u32 col, i;
	int err = ws_need_stripe(ws);

	if (err)
		return err;
	rr->bad = ws->bad;
	memset(rr->bad, 0, rr->nr * sizeof(*rr->bad));
	for (col = 0; col < g->g.n; col++) {
		u8 *buf = ws->stripe + (size_t)col * rr->nr * VFSR_SECTOR_BYTES;

		rr->buf[col] = buf;
		grid_read_run(p, g, &rr->e, col, rr->row, rr->nr, buf,
			      ws->state);
		for (i = 0; i < rr->nr; i++) {
			u8 *data = buf + (size_t)i * VFSR_SECTOR_BYTES;

			if (ws->state[i] == SECTOR_OK &&
			    grid_sector_ok(p, g, rr->s, col, rr->row + i, data))
				continue;
			rr->bad[i] |= 1u << col;
			if (ws->state[i] != SECTOR_MISSING)
				heal_mark(p, g, &rr->e, col, rr->row + i,
					  MARK_BAD);
		}
	}
	return 0;
}

/* Rebuild @nr rows from @first on, all with the bad columns @mask. */
static void decode_equal(struct vfsr_pool *p, struct row_run *rr, u32 first,
			 u32 nr, u32 mask, bool write_back)
{
	struct vfsr_grid *g = rr->g;
	u8 *buf[VFSR_MAX_COLUMNS];
	u32 col, i;

	for (col = 0; col < g->g.n; col++)
		buf[col] = rr->buf[col] + (size_t)first * VFSR_SECTOR_BYTES;
	if (vfsr_row_decode(p->ops, g->g.k, g->g.m,
			    (size_t)nr * VFSR_SECTOR_BYTES, mask, buf))
		return;
	for (col = 0; col < g->g.n; col++) {
		if (!(mask >> col & 1))
			continue;
		for (i = 0; i < nr; i++) {
			u32 row = rr->row + first + i;
			u8 *data = buf[col] + (size_t)i * VFSR_SECTOR_BYTES;

			if (!grid_sector_ok(p, g, rr->s, col, row, data))
				continue;
			rr->bad[first + i] &= ~(1u << col);
			heal_done(p, g, &rr->e, col, row, data, write_back);
		}
	}
}

void rows_decode(struct vfsr_pool *p, struct row_run *rr, bool write_back)
{
	u32 i, nr;

	for (i = 0; i < rr->nr; i += nr) {
		u32 mask = rr->bad[i];

		for (nr = 1; i + nr < rr->nr && rr->bad[i + nr] == mask;)
			nr++;
		if (mask && mask_bits(mask) <= rr->g->g.m)
			decode_equal(p, rr, i, nr, mask, write_back);
	}
}

int grid_sector_get(struct vfsr_pool *p, struct vfsr_grid *g, u32 col, u32 row,
		    u8 *data, struct vfsr_ws *ws)
{
	struct row_run rr = { .g = g, .row = row, .nr = 1 };
	u8 state;
	int err = 0;

	if (row < g->g.data_rows) {
		if (vfsr_stripe_at(&g->g, g->starts, g->rows_used, row,
				   &rr.e)) {
			memset(data, 0, VFSR_SECTOR_BYTES);
			return 0;
		}
		err = stripe_get_simple(p, g, &rr.e, ws, &rr.s);
		if (err)
			return err;
	}
	grid_read_run(p, g, &rr.e, col, row, 1, data, &state);
	if (state != SECTOR_OK || !grid_sector_ok(p, g, rr.s, col, row, data)) {
		err = rows_load(p, &rr, ws);
		if (!err) {
			rows_decode(p, &rr, p->write_back);
			if (rr.bad[0] >> col & 1)
				err = -EIO;
			else
				memcpy(data, rr.buf[col], VFSR_SECTOR_BYTES);
		}
	}
	if (rr.s)
		vfsr_stripe_put(p, rr.s);
	return err;
}
