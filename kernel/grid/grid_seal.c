// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of a grid: column parity and a trailer for every column.
 *
 * Column parity was summed up as stripes passed by; rows of earlier mounts (or
 * of a time without memory for it) are read, verified, stripe by stripe from the
 * highest one down, so that `parity_from` tells at any time what is still
 * missing. Runs on a queue of its own: it waits for reads and for bios, never for
 * a transaction or a stripe buffer, so a commit may wait for it. While it runs the
 * grid takes no stripe: starts and rows_used are constant.
 */
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "grid/stripe_priv.h"

#define NO_MEMORY_TRIES 50u
#define NO_MEMORY_MS 100u

/* What sealing needs besides column parity. */
struct seal {
	struct vfsr_grids *gs;
	struct vfsr_grid *g;
	struct vfsr_open *o;
	u8 *trailers; /* n sectors */
	u32 *parity_crc; /* n * r, becomes the grid's */
	u8 *rows; /* n * full depth sectors, if rows are read */
	struct vfsr_trailer t;
	struct vfsr_io io[2 * VFSR_MAX_COLUMNS];
};

static void seal_free(struct seal *s)
{
	if (!s)
		return;
	vfree(s->trailers);
	vfree(s->rows);
	kvfree(s->parity_crc);
	kvfree(s);
}

static struct seal *seal_new(struct vfsr_open *o)
{
	const struct vfsr_geometry *g = &o->grid->g;
	struct seal *s = kvzalloc(sizeof(*s), GFP_NOFS);

	if (!s)
		return NULL;
	s->gs = o->gs;
	s->g = o->grid;
	s->o = o;
	s->trailers = __vmalloc((size_t)g->n * VFSR_SECTOR_BYTES, GFP_NOFS);
	if (!s->trailers)
		goto fail;
	if (!g->r)
		return s;
	s->parity_crc = kvmalloc_array(g->n * g->r, sizeof(u32), GFP_NOFS);
	if (!s->parity_crc || !vfsr_colpar_start(o))
		goto fail;
	if (o->parity_from) {
		s->rows = __vmalloc((size_t)g->n * g->depth * VFSR_SECTOR_BYTES,
				    GFP_NOFS);
		if (!s->rows)
			goto fail;
	}
	return s;
fail:
	seal_free(s);
	return NULL;
}

/* Add the rows below parity_from to the column parity. */
static int sum_old_rows(struct seal *s)
{
	struct vfsr_grid *g = s->g;
	struct vfsr_open *o = s->o;
	struct vfsr_extent_rows rows;
	u8 *bufs[VFSR_MAX_COLUMNS];
	u32 col;
	int err;

	if (!g->g.r)
		return 0;
	while (o->parity_from) {
		if (vfsr_stripe_at(&g->g, g->starts, g->rows_used,
				   o->parity_from - 1, &rows))
			return -EUCLEAN;
		err = vfsr_grid_rows_read(s->gs, g, &rows, s->rows);
		if (err)
			return err;
		for (col = 0; col < g->g.n; col++)
			bufs[col] = s->rows + (size_t)col * rows.depth *
						      VFSR_SECTOR_BYTES;
		mutex_lock(&o->colpar_lock);
		vfsr_colpar_add(o, &rows, bufs);
		o->parity_from = rows.row;
		mutex_unlock(&o->colpar_lock);
		cond_resched();
	}
	return 0;
}

static void fill_trailer(struct seal *s)
{
	const struct vfsr_super *super = s->gs->pool->super;
	const struct vfsr_grid *g = s->g;
	struct vfsr_trailer *t = &s->t;
	u32 col, i;

	memcpy(t->pool_uuid, super->pool_uuid, VFSR_UUID_BYTES);
	t->grid = g->id;
	t->transaction = max(s->o->transaction, READ_ONCE(super->transaction));
	t->epoch = READ_ONCE(super->epoch);
	t->policy = g->policy;
	t->layout = g->g.layout;
	t->strip_shift = g->g.strip_shift;
	t->use = g->use;
	t->depth = g->g.depth;
	t->rows_used = g->rows_used;
	for (col = 0; col < g->g.n; col++) {
		t->strip[col] = g->col[col].strip;
		t->device[col] = g->col[col].device;
	}
	memcpy(t->starts, g->starts, sizeof(t->starts));
	for (i = 0; i < (u32)g->g.n * g->g.r; i++) {
		s->parity_crc[i] = vfsr_port_crc32c(
			0, s->o->colpar + (size_t)i * VFSR_SECTOR_BYTES,
			VFSR_SECTOR_BYTES);
		t->parity_crc[i] = s->parity_crc[i];
	}
	for (col = 0; col < g->g.n; col++) {
		t->column = (u8)col;
		vfsr_trailer_encode(t, s->trailers +
					       (size_t)col * VFSR_SECTOR_BYTES);
	}
}

/* Queue @nr rows of every column, from @row on; parity rows or the trailer. */
static void add_rows(struct seal *s, u32 row, u32 nr, u8 *buf,
		     unsigned int *nr_io)
{
	struct vfsr_dev *dev;
	u64 sector;
	u32 col;

	for (col = 0; col < s->g->g.n; col++) {
		dev = vfsr_grid_pos(s->gs, s->g, NULL, col, row, &sector);
		if (vfsr_dev_usable(dev))
			vfsr_runs_add(
				s->io, nr_io, dev, sector,
				buf + (size_t)col * nr * VFSR_SECTOR_BYTES, nr);
	}
}

static int write_tail(struct seal *s)
{
	const struct vfsr_geometry *g = &s->g->g;
	unsigned int nr = 0, nr_odd;

	if (g->r)
		add_rows(s, g->rows - g->r, g->r, s->o->colpar, &nr);
	add_rows(s, g->rows, 1, s->trailers, &nr);
	vfsr_io_run(s->io, nr, REQ_OP_WRITE);
	nr_odd = vfsr_runs_retry(s->gs, s->io, nr, REQ_OP_WRITE);
	return nr_odd || vfsr_grid_nr_lost(s->gs, s->g) > g->m ? -EIO : 0;
}

static int seal(struct vfsr_open *o)
{
	unsigned int tries = 0;
	struct seal *s;
	int err;

	if (atomic_read(&o->gs->io_error))
		return -EIO;
	while (!(s = seal_new(o))) {
		if (++tries == NO_MEMORY_TRIES)
			return -ENOMEM;
		msleep(NO_MEMORY_MS);
	}
	err = sum_old_rows(s);
	if (!err) {
		fill_trailer(s);
		err = write_tail(s);
	}
	if (!err) {
		/* before `sealed`, which others look at first */
		smp_store_release(&o->grid->parity_crc, s->parity_crc);
		s->parity_crc = NULL;
	}
	seal_free(s);
	return err;
}

void vfsr_seal_work(struct work_struct *work)
{
	struct vfsr_open *o = container_of(work, struct vfsr_open, seal);
	struct vfsr_grids *gs = o->gs;
	struct vfsr_grid *g = o->grid;
	u8 *colpar;
	int err;

	vfsr_wait_begin(&gs->sealing);
	err = seal(o);
	mutex_lock(&o->colpar_lock);
	colpar = o->colpar;
	o->colpar = NULL;
	mutex_unlock(&o->colpar_lock);
	vfree(colpar);
	if (err)
		vfsr_warn(
			gs->pool->name,
			"grid %llu gets no column parity (error %d): it keeps its row parity, and is tried again at the next mount",
			g->id, err);
	spin_lock(&gs->lock);
	if (err) {
		WRITE_ONCE(g->frozen, true);
		o->stuck = true;
	} else {
		smp_store_release(&o->sealed, true);
	}
	spin_unlock(&gs->lock);
	vfsr_wait_end(&gs->sealing);
	wake_up_all(&gs->wait);
	vfsr_grid_put(g);
}

void vfsr_seal_queue(struct vfsr_open *o)
{
	lockdep_assert_held(&o->gs->lock);
	if (!o->finished || o->sealing || atomic_read(&o->in_flight))
		return;
	o->sealing = true;
	refcount_inc(&o->grid->refs);
	queue_work(o->gs->stripes->seal_wq, &o->seal);
}

void vfsr_grid_finish(struct vfsr_grids *gs, struct vfsr_grid *g)
{
	struct vfsr_open *o = g->open;

	if (!o || !READ_ONCE(g->rows_used))
		return;
	spin_lock(&gs->lock);
	o->finished = true;
	vfsr_seal_queue(o);
	spin_unlock(&gs->lock);
}
