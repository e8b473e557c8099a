// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bringing members that missed commits up to date: every column on them that is
 * not what the grid says is verified, rebuilt and written back.
 *
 * A sealed grid's column is done when its trailer is there, which is written
 * last; so an interrupted resync goes on where it was. Grids that were open at
 * the mount are looked at each time. One runs at a time
 * (resync_lock); vfsr_grids_stop() ends it between two stripes.
 */
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "grid/grid_priv.h"

struct resync {
	struct vfsr_grids *gs;
	u64 devs; /* members that are stale, a bit each */
	struct vfsr_trailer *trailer;
	u8 *sector; /* a page */
	u32 nr_grids; /* looked at more closely */
	u64 nr_written; /* sectors */
	u64 nr_left; /* sectors that could not be rebuilt */
};

static bool stopped(const struct resync *r)
{
	return READ_ONCE(r->gs->reader->stop) ||
	       READ_ONCE(r->gs->pool->read_only);
}

/* Columns of a grid on stale members, of those that can be written. */
static u32 stale_columns(const struct resync *r, const struct vfsr_grid *g)
{
	u32 col, mask = 0;

	for (col = 0; col < g->g.n; col++)
		if (g->col[col].known && g->col[col].device < 64 &&
		    r->devs >> g->col[col].device & 1)
			mask |= 1u << col;
	return mask;
}

/* Of these, the ones whose trailer is not the grid's. */
static u32 without_trailer(struct resync *r, struct vfsr_grid *g, u32 mask)
{
	u32 col, left = 0;
	u8 state;

	for (col = 0; col < g->g.n; col++) {
		if (!(mask >> col & 1))
			continue;
		if (!vfsr_trailer_read(r->gs, g, col, r->sector, r->trailer,
				       &state) &&
		    state != SECTOR_MISSING)
			left |= 1u << col;
	}
	return left;
}

/* Rows of one stripe or some parity rows: heal the columns @mask of them. */
static int heal_rows(struct resync *r, struct vfsr_row_run *rr, u32 mask,
		     struct vfsr_read_ws *ws)
{
	u32 i, col;
	int err;

	err = vfsr_rows_load(r->gs, rr, ws);
	if (err)
		return err;
	vfsr_rows_decode(r->gs, rr, ws);
	/* the next reads use ws->bad and ws->rows for themselves */
	memcpy(ws->left, rr->bad, rr->nr * sizeof(*ws->left));
	for (i = 0; i < rr->nr; i++) {
		for (col = 0; ws->left[i] & mask && col < rr->g->g.n; col++) {
			if (!((ws->left[i] & mask) >> col & 1))
				continue;
			err = vfsr_heal_sector(r->gs, rr->g, col, rr->row + i,
					       r->sector, ws);
			if (err == -ENOMEM)
				return err;
			r->nr_left += !!err;
		}
	}
	return 0;
}

static int heal_stripe(struct resync *r, struct vfsr_grid *g,
		       const struct vfsr_extent_rows *e, u32 mask)
{
	struct vfsr_row_run rr = {
		.g = g,
		.e = *e,
		.row = e->row,
		.nr = e->depth,
	};
	struct vfsr_read_ws *ws;
	int err;

	if (READ_ONCE(g->open))
		vfsr_open_wait(r->gs, g, e->row, e->depth);
	ws = vfsr_ws_get(r->gs);
	err = vfsr_label_get(r->gs, g, e, true, ws, &rr.label);
	if (!err) {
		err = heal_rows(r, &rr, mask, ws);
		vfsr_label_put(rr.label);
	} else if (err == -EIO) {
		/* nothing of it can be verified */
		r->nr_left += (u64)e->depth * vfsr_mask_bits(mask);
		err = 0;
	}
	r->nr_written += ws->nr_written;
	vfsr_ws_put(r->gs, ws);
	return err;
}

static int heal_parity_rows(struct resync *r, struct vfsr_grid *g, u32 mask)
{
	struct vfsr_row_run rr = { .g = g };
	struct vfsr_read_ws *ws = vfsr_ws_get(r->gs);
	u32 row;
	int err = 0;

	for (row = g->g.data_rows; !err && row < g->g.rows; row += rr.nr) {
		rr.row = row;
		rr.nr = min(g->g.rows - row, vfsr_rows_max(g));
		err = heal_rows(r, &rr, mask, ws);
	}
	r->nr_written += ws->nr_written;
	vfsr_ws_put(r->gs, ws);
	return err;
}

/* The trailers of columns that are healed, from a good one. */
static void heal_trailers(struct resync *r, struct vfsr_grid *g, u32 mask)
{
	struct vfsr_trailer *t = r->trailer;
	u32 col;
	u8 state;

	for (col = 0; col < g->g.n; col++)
		if (vfsr_trailer_read(r->gs, g, col, r->sector, t, &state))
			break;
	for (; col < g->g.n && mask; mask &= mask - 1) {
		t->column = (u8)__ffs(mask);
		vfsr_trailer_encode(t, r->sector);
		vfsr_heal_mark(r->gs, g, NULL, t->column, g->g.rows, MARK_BAD,
			       NULL);
		if (!vfsr_heal_done(r->gs, g, NULL, t->column, g->g.rows, 1,
				    r->sector, NULL))
			break;
		r->nr_written++;
	}
	r->nr_left += vfsr_mask_bits(mask);
}

/* Heal the columns @mask of a grid, data first and trailers last. */
static int heal_columns(struct resync *r, struct vfsr_grid *g, u32 mask)
{
	bool sealed = READ_ONCE(g->state) == VFSR_STRIP_SEALED;
	u32 row, rows_used = vfsr_grid_rows_used(g);
	u64 left = r->nr_left;
	struct vfsr_extent_rows e;
	int err = 0;

	for (row = 0; !err && row < rows_used; row = e.row + e.depth) {
		if (stopped(r))
			return -EINTR;
		if (vfsr_stripe_at(&g->g, g->starts, rows_used, row, &e))
			return -EUCLEAN;
		err = heal_stripe(r, g, &e, mask);
		cond_resched();
	}
	if (err || !sealed)
		return err;
	if (g->g.r)
		err = heal_parity_rows(r, g, mask);
	/* a trailer says that the column is whole */
	if (!err && r->nr_left == left)
		heal_trailers(r, g, mask);
	return err;
}

static int resync_grid(struct resync *r, struct vfsr_grid *g)
{
	u32 mask = stale_columns(r, g);
	int err;

	if (!mask || READ_ONCE(g->state) == VFSR_STRIP_FREE ||
	    READ_ONCE(g->state) == VFSR_STRIP_RESERVED)
		return 0;
	err = vfsr_grid_load(r->gs, g);
	if (err == -EIO)
		return 0; /* said, and nothing to heal from */
	if (err)
		return err;
	/* one that was open at the mount may have got its trailer since, over
	 * rows that the member missed */
	if (READ_ONCE(g->state) == VFSR_STRIP_SEALED && !READ_ONCE(g->open))
		mask = without_trailer(r, g, mask);
	if (!mask)
		return 0;
	r->nr_grids++;
	return heal_columns(r, g, mask);
}

static int resync_all(struct resync *r)
{
	struct vfsr_grids *gs = r->gs;
	struct vfsr_grid *g;
	u64 id = 0, end;
	int err = 0;

	/* grids made from now on have all that is written to them */
	spin_lock(&gs->lock);
	end = gs->next_grid;
	spin_unlock(&gs->lock);
	while (!err && (g = vfsr_grid_next(gs, id))) {
		id = g->id + 1;
		if (id > end)
			err = 1;
		else
			err = stopped(r) ? -EINTR : resync_grid(r, g);
		vfsr_grid_put(g);
		cond_resched();
	}
	return err > 0 ? 0 : err;
}

/* Members to bring up to date. */
static u64 stale_members(struct vfsr_grids *gs)
{
	u64 mask = 0;
	unsigned int i;

	for (i = 0; i < gs->pool->nr_devs; i++)
		if (vfsr_dev_usable(gs->pool->dev[i]) &&
		    READ_ONCE(gs->pool->dev[i]->stale))
			mask |= 1ull << i;
	return mask;
}

static void resync_report(struct resync *r, int err)
{
	const char *name = r->gs->pool->name;
	unsigned int i;

	if (err == -EINTR) {
		vfsr_info(
			name,
			"resync stopped: %u grids, %llu sectors written; it goes on at the next mount",
			r->nr_grids, r->nr_written);
		return;
	}
	if (err || r->nr_left) {
		vfsr_warn(
			name,
			"resync is not complete (%d): %u grids, %llu sectors written, %llu could not be rebuilt",
			err, r->nr_grids, r->nr_written, r->nr_left);
		return;
	}
	for (i = 0; i < r->gs->pool->nr_devs; i++)
		if (r->devs >> i & 1)
			WRITE_ONCE(r->gs->pool->dev[i]->stale, false);
	vfsr_info(
		name,
		"resync complete: %u grids, %llu sectors written to stale members",
		r->nr_grids, r->nr_written);
}

void vfsr_grids_resync(struct vfsr_grids *gs)
{
	struct resync r = { .gs = gs, .devs = stale_members(gs) };
	unsigned int nofs;
	int err = -ENOMEM;

	if (!r.devs || stopped(&r))
		return;
	mutex_lock(&gs->reader->resync_lock);
	nofs = memalloc_nofs_save();
	r.trailer = kmalloc(sizeof(*r.trailer), GFP_NOFS);
	r.sector = (u8 *)__get_free_page(GFP_NOFS);
	if (r.trailer && r.sector) {
		vfsr_info(gs->pool->name, "resync of %u stale members started",
			  (unsigned int)hweight64(r.devs));
		err = resync_all(&r);
	}
	resync_report(&r, err);
	free_page((unsigned long)r.sector);
	kfree(r.trailer);
	memalloc_nofs_restore(nofs);
	mutex_unlock(&gs->reader->resync_lock);
}

void vfsr_grids_stop(struct vfsr_grids *gs)
{
	WRITE_ONCE(gs->reader->stop, true);
	/* until it has seen that */
	mutex_lock(&gs->reader->resync_lock);
	mutex_unlock(&gs->reader->resync_lock);
}

void vfsr_grids_resume(struct vfsr_grids *gs)
{
	WRITE_ONCE(gs->reader->stop, false);
}
