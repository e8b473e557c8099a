// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rows of a stripe: read them from all columns at a time, check every sector,
 * and rebuild bad ones by row parity. The first and cheapest way of healing; it
 * needs nothing but the rows themselves and the stripe's footer.
 *
 * Works in the caller's workspace and takes no lock of its own. Masks have a
 * bit per column.
 */
#include <linux/slab.h>

#include "grid/grid_priv.h"

/* --- batches of reads --- */

bool vfsr_ws_queue(struct vfsr_read_ws *ws, struct vfsr_dev *dev, u64 sector,
		   u32 nr, u8 *buf, u8 *state)
{
	u32 n = ws->nr_io;
	struct vfsr_io *io = n ? &ws->io[n - 1] : NULL;

	if (io && io->dev == dev && io->sector + io->nr_sectors == sector &&
	    vfsr_nth_sector(io->buf, io->nr_sectors) == buf &&
	    (state ? ws->io_state[n - 1] + io->nr_sectors == state :
		     !ws->io_state[n - 1])) {
		io->nr_sectors += nr;
		return true;
	}
	if (n == WS_IOS)
		return false;
	ws->io[n] = (struct vfsr_io){
		.dev = dev,
		.sector = sector,
		.buf = buf,
		.nr_sectors = nr,
	};
	ws->io_state[n] = state;
	ws->nr_io++;
	return true;
}

/* One bad sector must not take its neighbours with it. */
static void read_singly(struct vfsr_io *run, u8 *state)
{
	u32 i;

	if (run->error == -ENODEV) {
		memset(state, SECTOR_MISSING, run->nr_sectors);
		return;
	}
	for (i = 0; i < run->nr_sectors; i++) {
		struct vfsr_io io = {
			.dev = run->dev,
			.sector = run->sector + i,
			.buf = vfsr_nth_sector(run->buf, i),
			.nr_sectors = 1,
		};
		int err = run->error;

		if (run->nr_sectors > 1)
			err = vfsr_io_run(&io, 1, REQ_OP_READ);
		if (err)
			state[i] = err == -ENODEV ? SECTOR_MISSING :
						    SECTOR_ERROR;
	}
}

void vfsr_ws_read(struct vfsr_read_ws *ws)
{
	u32 i, nr = ws->nr_io;

	ws->nr_io = 0;
	if (!nr || !vfsr_io_run(ws->io, nr, REQ_OP_READ))
		return;
	for (i = 0; i < nr; i++)
		if (ws->io[i].error)
			read_singly(&ws->io[i], ws->io_state[i]);
}

void vfsr_rows_queue(struct vfsr_grids *gs, const struct vfsr_grid *g,
		     const struct vfsr_extent_rows *e, u32 col, u32 row, u32 nr,
		     u8 *buf, u8 *state, struct vfsr_read_ws *ws)
{
	struct vfsr_dev *d;
	u32 i, len;
	u64 sector;

	for (i = 0; i < nr; i += len) {
		d = vfsr_grid_pos_run(gs, g, e, col, row + i, nr - i, &sector,
				      &len);
		if (!vfsr_dev_usable(d)) {
			memset(state + i, SECTOR_MISSING, len);
			continue;
		}
		memset(state + i, SECTOR_OK, len);
		while (!vfsr_ws_queue(ws, d, sector, len,
				      vfsr_nth_sector(buf, i), state + i))
			vfsr_ws_read(ws);
	}
}

u8 vfsr_sector_read(struct vfsr_grids *gs, const struct vfsr_grid *g,
		    const struct vfsr_extent_rows *e, u32 col, u32 row, u8 *buf)
{
	struct vfsr_io io = { .buf = buf, .nr_sectors = 1 };
	int err;

	io.dev = vfsr_grid_pos(gs, g, e, col, row, &io.sector);
	if (!vfsr_dev_usable(io.dev))
		return SECTOR_MISSING;
	err = vfsr_io_run(&io, 1, REQ_OP_READ);
	if (!err)
		return SECTOR_OK;
	return err == -ENODEV ? SECTOR_MISSING : SECTOR_ERROR;
}

bool vfsr_sector_ok(struct vfsr_grids *gs, const struct vfsr_grid *g,
		    const struct vfsr_label *label, u32 col, u32 row, u8 *data)
{
	const u32 *crc;

	if (label)
		return vfsr_stripe_check(gs->ops, &label->ft, label->sector,
					 col, row - label->ft.row, data);
	if (row < g->g.data_rows || row >= g->g.rows)
		return false;
	/* without a trailer nothing tells; what it rebuilds is checked */
	crc = READ_ONCE(g->parity_crc);
	if (!crc)
		return true;
	return vfsr_port_crc32c(0, data, VFSR_SECTOR_BYTES) ==
	       crc[col * g->g.r + row - g->g.data_rows];
}

/* --- rows --- */

/* Room for @nr sectors in ws->rows; its contents are lost if it grows. */
static int need_rows(struct vfsr_read_ws *ws, u32 nr)
{
	u8 *rows;

	if (nr <= ws->rows_room)
		return 0;
	rows = kvmalloc_array(nr, VFSR_SECTOR_BYTES, GFP_NOFS);
	if (!rows)
		return -ENOMEM;
	kvfree(ws->rows);
	ws->rows = rows;
	ws->rows_room = nr;
	return 0;
}

/* Check what was read of one column. */
static void check_column(struct vfsr_grids *gs, struct vfsr_row_run *rr,
			 u32 col, const u8 *state, struct vfsr_read_ws *ws)
{
	u32 i;

	for (i = 0; i < rr->nr; i++) {
		u8 *data = vfsr_nth_sector(rr->buf[col], i);

		if (state[i] == SECTOR_OK &&
		    vfsr_sector_ok(gs, rr->g, rr->label, col, rr->row + i,
				   data))
			continue;
		rr->bad[i] |= 1u << col;
		if (state[i] != SECTOR_MISSING)
			vfsr_heal_mark(gs, rr->g, &rr->e, col, rr->row + i,
				       MARK_BAD, ws);
	}
}

int vfsr_rows_load(struct vfsr_grids *gs, struct vfsr_row_run *rr,
		   struct vfsr_read_ws *ws)
{
	struct vfsr_grid *g = rr->g;
	u32 col;
	int err;

	if (WARN_ON_ONCE(g->g.n * rr->nr > VFSR_MAX_STRIPE_SECTORS))
		return -EINVAL;
	if (!rr->own_bufs) {
		err = need_rows(ws, g->g.n * rr->nr);
		if (err)
			return err;
		for (col = 0; col < g->g.n; col++)
			rr->buf[col] = vfsr_nth_sector(ws->rows, col * rr->nr);
	}
	rr->bad = ws->bad;
	memset(rr->bad, 0, rr->nr * sizeof(*rr->bad));
	for (col = 0; col < g->g.n; col++)
		vfsr_rows_queue(gs, g, &rr->e, col, rr->row, rr->nr,
				rr->buf[col], ws->state + col * rr->nr, ws);
	vfsr_ws_read(ws);
	for (col = 0; col < g->g.n; col++)
		check_column(gs, rr, col, ws->state + col * rr->nr, ws);
	return 0;
}

/* Verify rebuilt rows of a column, and settle the right ones, run by run. */
static void settle_column(struct vfsr_grids *gs, struct vfsr_row_run *rr,
			  u32 col, u32 first, u32 nr, struct vfsr_read_ws *ws)
{
	u32 i, run;

	for (i = first; i < first + nr; i += run + 1) {
		for (run = 0; i + run < first + nr; run++) {
			if (!vfsr_sector_ok(gs, rr->g, rr->label, col,
					    rr->row + i + run,
					    vfsr_nth_sector(rr->buf[col],
							    i + run)))
				break;
			rr->bad[i + run] &= ~(1u << col);
		}
		if (run)
			vfsr_heal_done(gs, rr->g, &rr->e, col, rr->row + i, run,
				       vfsr_nth_sector(rr->buf[col], i), ws);
	}
}

/* Rebuild @nr rows from @first on, all with the bad columns @mask. */
static void decode_equal(struct vfsr_grids *gs, struct vfsr_row_run *rr,
			 u32 first, u32 nr, u32 mask, struct vfsr_read_ws *ws)
{
	struct vfsr_grid *g = rr->g;
	u8 *buf[VFSR_MAX_COLUMNS];
	u32 col;

	for (col = 0; col < g->g.n; col++)
		buf[col] = vfsr_nth_sector(rr->buf[col], first);
	if (vfsr_row_decode(gs->ops, g->g.k, g->g.m,
			    (size_t)nr * VFSR_SECTOR_BYTES, mask, buf))
		return;
	for (col = 0; col < g->g.n; col++)
		if (mask >> col & 1)
			settle_column(gs, rr, col, first, nr, ws);
}

void vfsr_rows_decode(struct vfsr_grids *gs, struct vfsr_row_run *rr,
		      struct vfsr_read_ws *ws)
{
	u32 i, nr;

	for (i = 0; i < rr->nr; i += nr) {
		u32 mask = rr->bad[i];

		for (nr = 1; i + nr < rr->nr && rr->bad[i + nr] == mask;)
			nr++;
		if (mask && vfsr_mask_bits(mask) <= rr->g->g.m)
			decode_equal(gs, rr, i, nr, mask, ws);
	}
}

int vfsr_sector_get(struct vfsr_grids *gs, struct vfsr_grid *g, u32 col,
		    u32 row, u8 *data, struct vfsr_read_ws *ws)
{
	struct vfsr_row_run rr = { .g = g, .row = row, .nr = 1 };
	u8 state;
	int err = 0;

	if (row < g->g.data_rows) {
		if (vfsr_stripe_at(&g->g, g->starts, vfsr_grid_rows_used(g),
				   row, &rr.e)) {
			memset(data, 0, VFSR_SECTOR_BYTES);
			return 0;
		}
		err = vfsr_label_get(gs, g, &rr.e, false, ws, &rr.label);
		if (err)
			return err;
	}
	state = vfsr_sector_read(gs, g, &rr.e, col, row, data);
	if (state != SECTOR_OK ||
	    !vfsr_sector_ok(gs, g, rr.label, col, row, data)) {
		err = vfsr_rows_load(gs, &rr, ws);
		if (!err) {
			vfsr_rows_decode(gs, &rr, ws);
			if (rr.bad[0] >> col & 1)
				err = -EIO;
			else
				memcpy(data, rr.buf[col], VFSR_SECTOR_BYTES);
		}
	}
	vfsr_label_put(rr.label);
	return err;
}
