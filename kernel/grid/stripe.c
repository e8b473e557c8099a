// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stripes from their buffer to the disk.
 *
 * A stripe belongs to its stream from begin to submit, then to a work item that
 * seals and submits it, to its bios, and to a second work item that ends it. From
 * close to end it is in flight: on the grid's list and on that of all, under
 * grids->lock. No worker here allocates or waits for anything but bios.
 *
 * Buffers: a stream holds at most one, and waits for one only while it holds
 * none. Each class has one more than streams from the start, so there is always
 * one that is idle or in flight, and what is in flight comes back by itself.
 */
#include <linux/cpumask.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "grid/stripe_priv.h"

/* Streams that use a class (see the log), and buffers made at mount */
static const unsigned int nr_streams[VFSR_NR_CLASSES] = {
	[VFSR_CLASS_META] = 2, /* nodes, and the map */
	[VFSR_CLASS_DATA] = 1,
};

#define SPARE_BUFFERS 2u /* in flight, beyond two for each processor */
#define MAX_BUFFERS 32u

/* More buffers are welcome but not needed */
#define GFP_MORE (GFP_NOFS | __GFP_NORETRY | __GFP_NOWARN)

/* A stripe with its arrays. */
struct stripe_buf {
	struct vfsr_stripe s;
	struct vfsr_io io[VFSR_MAX_COLUMNS];
	u8 *bufs[VFSR_MAX_COLUMNS];
};

static void stripe_work(struct work_struct *work);
static void stripe_finish(struct work_struct *work);

/* --- buffers --- */

static void buf_free(struct vfsr_stripe *s)
{
	vfree(s->data);
	vfree(s->entries);
	kfree(container_of(s, struct stripe_buf, s));
}

static struct vfsr_stripe *buf_new(struct vfsr_grids *gs,
				   struct vfsr_stripe_class *c, gfp_t gfp)
{
	struct stripe_buf *b = kzalloc(sizeof(*b), gfp);
	struct vfsr_stripe *s;

	if (!b)
		return NULL;
	s = &b->s;
	s->gs = gs;
	s->class = c;
	s->io = b->io;
	s->bufs = b->bufs;
	s->entries_room = c->entries_bytes;
	s->data = __vmalloc((size_t)c->nr_sectors * VFSR_SECTOR_BYTES, gfp);
	s->entries = __vmalloc(c->entries_bytes, gfp);
	if (!s->data || !s->entries) {
		buf_free(s);
		return NULL;
	}
	INIT_LIST_HEAD(&s->link);
	INIT_LIST_HEAD(&s->all);
	INIT_LIST_HEAD(&s->pending);
	INIT_WORK(&s->work, stripe_work);
	INIT_WORK(&s->finish, stripe_finish);
	return s;
}

static void buf_put(struct vfsr_stripe *s)
{
	struct vfsr_stripe_pool *sp = s->gs->stripes;

	s->grid = NULL;
	spin_lock(&sp->lock);
	/* the one that was used last is warm */
	list_add(&s->link, &s->class->idle);
	spin_unlock(&sp->lock);
	wake_up_all(&sp->wait);
}

/* An idle buffer; *@grow: there is none, but one may be made. */
static struct vfsr_stripe *buf_idle(struct vfsr_stripe_pool *sp,
				    struct vfsr_stripe_class *c, bool *grow)
{
	struct vfsr_stripe *s;

	spin_lock(&sp->lock);
	s = list_first_entry_or_null(&c->idle, struct vfsr_stripe, link);
	if (s)
		list_del_init(&s->link);
	*grow = !s && c->nr < c->max;
	c->nr += *grow;
	spin_unlock(&sp->lock);
	return s;
}

static struct vfsr_stripe *buf_get(struct vfsr_grids *gs,
				   struct vfsr_stripe_class *c)
{
	struct vfsr_stripe_pool *sp = gs->stripes;
	struct vfsr_stripe *s;
	bool grow;

	vfsr_might_wait(&gs->flight);
	for (;;) {
		s = buf_idle(sp, c, &grow);
		if (!s && grow) {
			s = buf_new(gs, c, GFP_MORE);
			if (!s) {
				spin_lock(&sp->lock);
				c->nr--;
				spin_unlock(&sp->lock);
			}
		}
		if (s)
			return s;
		wait_event(sp->wait, !list_empty_careful(&c->idle));
	}
}

/* The class whose buffers hold a full stripe of a grid, or NULL. */
static struct vfsr_stripe_class *class_for(struct vfsr_grids *gs,
					   const struct vfsr_grid *g)
{
	struct vfsr_stripe_class *c = gs->stripes->class;
	unsigned int i = g->use == VFSR_USE_META ? VFSR_CLASS_META :
						   VFSR_CLASS_DATA;

	return g->g.n * g->g.depth <= c[i].nr_sectors ? &c[i] : NULL;
}

static int class_init(struct vfsr_grids *gs, unsigned int class,
		      const struct vfsr_policy *policy)
{
	struct vfsr_stripe_class *c = &gs->stripes->class[class];
	const struct vfsr_super *s = gs->pool->super;
	struct vfsr_geometry g;

	if (vfsr_geometry_init(&g, policy, s->strip_shift, s->layout, NULL))
		return -EINVAL;
	c->nr_sectors = g.n * g.depth;
	/* the smallest chunks have entries of a quarter of their size */
	c->entries_bytes = g.k * g.depth * VFSR_SECTOR_BYTES / 4;
	c->max = min(nr_streams[class] + SPARE_BUFFERS + 2 * num_online_cpus(),
		     MAX_BUFFERS);
	while (c->nr < nr_streams[class] + 1) {
		struct vfsr_stripe *b = buf_new(gs, c, GFP_KERNEL);

		if (!b)
			return -ENOMEM;
		list_add(&b->link, &c->idle);
		c->nr++;
	}
	return 0;
}

int vfsr_stripes_init(struct vfsr_grids *gs)
{
	struct vfsr_stripe_pool *sp = kzalloc(sizeof(*sp), GFP_KERNEL);
	unsigned int i;
	int err = -ENOMEM;

	if (!sp)
		return -ENOMEM;
	spin_lock_init(&sp->lock);
	init_waitqueue_head(&sp->wait);
	INIT_LIST_HEAD(&sp->flying);
	INIT_LIST_HEAD(&sp->dropped);
	for (i = 0; i < VFSR_NR_CLASSES; i++)
		INIT_LIST_HEAD(&sp->class[i].idle);
	gs->stripes = sp;
	gs->wq = alloc_workqueue("vfsr-stripe", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	sp->seal_wq =
		alloc_workqueue("vfsr-seal", WQ_UNBOUND | WQ_MEM_RECLAIM, 2);
	if (!gs->wq || !sp->seal_wq)
		goto fail;
	err = class_init(gs, VFSR_CLASS_META, &gs->pool->super->meta);
	if (!err)
		err = class_init(gs, VFSR_CLASS_DATA, &gs->pool->super->data);
	if (!err)
		return 0;
fail:
	vfsr_stripes_exit(gs);
	return err;
}

static bool nothing_flies(struct vfsr_grids *gs, u64 transaction)
{
	struct vfsr_stripe *s;
	bool none = true;

	spin_lock(&gs->lock);
	list_for_each_entry(s, &gs->stripes->flying, all) {
		if (s->transaction <= transaction) {
			none = false;
			break;
		}
	}
	spin_unlock(&gs->lock);
	return none;
}

void vfsr_stripes_exit(struct vfsr_grids *gs)
{
	struct vfsr_stripe_pool *sp = gs->stripes;
	struct vfsr_stripe *s, *next;
	unsigned int i;

	if (!sp)
		return;
	wait_event(gs->wait, nothing_flies(gs, U64_MAX));
	/* what ended last may have started a seal, from this queue */
	if (gs->wq)
		destroy_workqueue(gs->wq);
	if (sp->seal_wq)
		destroy_workqueue(sp->seal_wq);
	gs->wq = NULL;
	vfsr_dropped_exit(gs);
	for (i = 0; i < VFSR_NR_CLASSES; i++) {
		struct vfsr_stripe_class *c = &sp->class[i];

		list_for_each_entry_safe(s, next, &c->idle, link) {
			buf_free(s);
			c->nr--;
		}
		WARN_ON_ONCE(c->nr);
	}
	gs->stripes = NULL;
	kfree(sp);
}

/* --- column parity --- */

bool vfsr_colpar_start(struct vfsr_open *o)
{
	const struct vfsr_geometry *g = &o->grid->g;
	u8 *colpar;

	if (READ_ONCE(o->colpar))
		return true;
	colpar = __vmalloc((size_t)g->n * g->r * VFSR_SECTOR_BYTES,
			   GFP_MORE | __GFP_ZERO);
	if (!colpar)
		return false;
	mutex_lock(&o->colpar_lock);
	/* rows so far were not summed up, whoever wrote them */
	o->parity_from = o->grid->rows_used;
	WRITE_ONCE(o->colpar, colpar);
	mutex_unlock(&o->colpar_lock);
	return true;
}

void vfsr_colpar_add(struct vfsr_open *o, const struct vfsr_extent_rows *rows,
		     u8 *const *bufs)
{
	const struct vfsr_geometry *g = &o->grid->g;
	u32 first = g->rows - g->r;
	u32 col, i, j;

	lockdep_assert_held(&o->colpar_lock);
	for (col = 0; col < g->n; col++) {
		for (i = 0; i < rows->depth; i++) {
			j = vfsr_parity_row(g, rows->row + i) - first;
			o->gs->ops->xor_into(
				o->colpar + (size_t)(col * g->r + j) *
						    VFSR_SECTOR_BYTES,
				bufs[col] + (size_t)i * VFSR_SECTOR_BYTES,
				VFSR_SECTOR_BYTES);
		}
	}
}

/* --- runs --- */

void vfsr_runs_add(struct vfsr_io *io, unsigned int *nr, struct vfsr_dev *dev,
		   u64 sector, u8 *buf, u32 nr_sectors)
{
	struct vfsr_io *last = *nr ? &io[*nr - 1] : NULL;

	if (last && last->dev == dev &&
	    last->sector + last->nr_sectors == sector &&
	    (u8 *)last->buf + (size_t)last->nr_sectors * VFSR_SECTOR_BYTES ==
		    buf) {
		last->nr_sectors += nr_sectors;
		return;
	}
	io[(*nr)++] = (struct vfsr_io){
		.dev = dev,
		.sector = sector,
		.buf = buf,
		.nr_sectors = nr_sectors,
	};
}

unsigned int vfsr_runs_retry(struct vfsr_grids *gs, struct vfsr_io *io,
			     unsigned int nr, blk_opf_t op)
{
	unsigned int i, nr_bad = 0, nr_odd = 0;
	bool failed = false;

	for (i = 0; i < nr; i++) {
		if (!io[i].error)
			continue;
		failed = true;
		if (vfsr_dev_usable(io[i].dev))
			io[nr_bad++] = io[i];
	}
	if (!failed)
		return 0;
	if (nr_bad)
		vfsr_io_run(io, nr_bad, op | REQ_SYNC);
	for (i = 0; i < nr_bad; i++) {
		if (!io[i].error)
			continue;
		/* the device is not to blame for a pool that is read only */
		if (io[i].error == -EROFS)
			nr_odd++;
		else
			vfsr_dev_fail(io[i].dev, "a write failed twice");
	}
	vfsr_opens_freeze(gs);
	return nr_odd;
}

/* --- begin and close --- */

int vfsr_stripe_begin(struct vfsr_grids *gs, struct vfsr_grid *g,
		      u64 transaction, struct vfsr_stripe **out)
{
	u32 depth = min(g->g.depth, g->g.data_rows - g->rows_used);
	struct vfsr_stripe_class *c = class_for(gs, g);
	struct vfsr_open *o = g->open;
	struct vfsr_stripe *s;

	if (WARN_ON_ONCE(!o || o->finished || o->busy || !c ||
			 depth * g->g.k < VFSR_MIN_STRIPE_SECTORS))
		return -EINVAL;
	if (g->g.r)
		vfsr_colpar_start(o);
	s = buf_get(gs, c);
	refcount_inc(&g->refs);
	s->grid = g;
	s->transaction = transaction;
	vfsr_pack_init(&s->pack, s->data, g->g.k * depth, s->entries,
		       s->entries_room, transaction);
	spin_lock(&gs->lock);
	o->busy = true;
	spin_unlock(&gs->lock);
	*out = s;
	return 0;
}

void vfsr_stripe_cancel(struct vfsr_stripe *s)
{
	struct vfsr_grid *g = s->grid;

	WARN_ON_ONCE(!list_empty(&s->pending));
	spin_lock(&s->gs->lock);
	g->open->busy = false;
	spin_unlock(&s->gs->lock);
	buf_put(s);
	vfsr_grid_put(g);
}

u32 vfsr_stripe_depth(const struct vfsr_stripe *s)
{
	return vfsr_pack_depth(&s->pack, s->grid->g.k);
}

static void fill_label(const struct vfsr_stripe *s,
		       const struct vfsr_pack_result *res,
		       struct vfsr_footer *ft)
{
	const struct vfsr_grid *g = s->grid;
	u32 col;

	memset(ft, 0, sizeof(*ft));
	memcpy(ft->pool_uuid, s->gs->pool->super->pool_uuid, VFSR_UUID_BYTES);
	ft->grid = g->id;
	ft->transaction = s->transaction;
	ft->policy = g->policy;
	ft->layout = g->g.layout;
	ft->strip_shift = g->g.strip_shift;
	ft->use = g->use;
	ft->row = g->rows_used;
	ft->depth = res->depth;
	ft->full_depth = g->g.depth;
	ft->nr_entries = res->nr_entries;
	ft->entries_start = res->entries_start;
	ft->entries_bytes = res->entries_bytes;
	ft->entries_crc = res->entries_crc;
	ft->aligned_end = res->aligned_end;
	for (col = 0; col < g->g.n; col++) {
		ft->strip[col] = g->col[col].strip;
		ft->device[col] = g->col[col].device;
	}
}

/* The stripe takes its rows, and is in flight. */
static void take_rows(struct vfsr_stripe *s)
{
	struct vfsr_grids *gs = s->gs;
	struct vfsr_grid *g = s->grid;
	struct vfsr_open *o = g->open;

	mutex_lock(&o->lock);
	spin_lock(&gs->lock);
	atomic_inc(&o->in_flight);
	list_add_tail(&s->link, &o->flying);
	list_add_tail(&s->all, &gs->stripes->flying);
	o->busy = false;
	spin_unlock(&gs->lock);
	vfsr_starts_set(g->starts, s->ft.row);
	/* readers take no lock: the start is there before the rows count */
	smp_store_release(&g->rows_used, s->ft.row + s->ft.depth);
	o->transaction = s->transaction;
	mutex_unlock(&o->lock);
}

static int place_all(const struct vfsr_stripe *s, vfsr_placed_fn placed,
		     void *ctx)
{
	const struct vfsr_footer *ft = &s->ft;
	struct vfsr_entries e;
	struct vfsr_chunk c;
	u32 i;

	vfsr_entries_init(&e, s->entries, ft->entries_bytes, ft->nr_entries,
			  ft->policy.k, ft->row, ft->depth, ft->entries_start,
			  ft->transaction, ft->grid);
	for (i = 0; i < ft->nr_entries; i++) {
		if (vfsr_entries_next(&e, &c, NULL) != 1)
			return -EUCLEAN;
		placed(ctx, &c);
	}
	return 0;
}

void vfsr_stripe_close(struct vfsr_stripe *s, u64 base, u64 serial, u64 epoch,
		       u8 flags, u32 nr_stripes, vfsr_placed_fn placed,
		       void *ctx)
{
	struct vfsr_pack_result res;

	vfsr_pack_close(&s->pack, s->grid->g.k, &res);
	fill_label(s, &res, &s->ft);
	s->ft.base = base;
	s->ft.serial = serial;
	s->ft.epoch = epoch;
	s->ft.flags = flags;
	s->ft.nr_stripes = nr_stripes;
	take_rows(s);
	/* what pack_add() took it wrote itself, so this cannot fail; if it does
	 * something of the stripe is in no map: nothing may become durable */
	if (WARN_ON_ONCE(place_all(s, placed, ctx)))
		atomic_cmpxchg(&s->gs->io_error, 0, -EUCLEAN);
}

void vfsr_stripe_submit(struct vfsr_stripe *s)
{
	queue_work(s->gs->wq, &s->work);
}

/* --- on the way to disk --- */

static blk_opf_t write_op(const struct vfsr_stripe *s)
{
	/* commits wait for metadata */
	return s->ft.use == VFSR_USE_META ? REQ_OP_WRITE | REQ_META | REQ_SYNC :
					    REQ_OP_WRITE;
}

/* In the completion of the last bio. */
static void stripe_io_done(struct vfsr_io_batch *b)
{
	struct vfsr_stripe *s = container_of(b, struct vfsr_stripe, batch);

	queue_work(s->gs->wq, &s->finish);
}

static void sum_columns(struct vfsr_stripe *s,
			const struct vfsr_extent_rows *rows)
{
	struct vfsr_open *o = s->grid->open;

	if (!s->grid->g.r)
		return;
	mutex_lock(&o->colpar_lock);
	if (o->colpar && rows->row >= o->parity_from)
		vfsr_colpar_add(o, rows, s->bufs);
	mutex_unlock(&o->colpar_lock);
}

static void stripe_work(struct work_struct *work)
{
	struct vfsr_stripe *s = container_of(work, struct vfsr_stripe, work);
	struct vfsr_extent_rows rows = { s->ft.row, s->ft.depth };
	const struct vfsr_grid *g = s->grid;
	struct vfsr_grids *gs = s->gs;
	unsigned int nr = 0;
	u32 col;

	vfsr_wait_begin(&gs->flight);
	for (col = 0; col < g->g.n; col++)
		s->bufs[col] =
			s->data + (size_t)col * rows.depth * VFSR_SECTOR_BYTES;
	vfsr_stripe_seal(s->gs->ops, &s->ft, s->bufs);
	sum_columns(s, &rows);
	for (col = 0; col < g->g.n; col++) {
		struct vfsr_dev *dev;
		u64 sector;

		dev = vfsr_grid_pos(s->gs, g, &rows, col, rows.row, &sector);
		if (vfsr_dev_usable(dev))
			vfsr_runs_add(s->io, &nr, dev, sector, s->bufs[col],
				      rows.depth);
	}
	s->batch.io = s->io;
	s->batch.nr = nr;
	s->batch.done = stripe_io_done;
	/* from here on the stripe may be gone */
	vfsr_io_submit(&s->batch, write_op(s));
	vfsr_wait_end(&gs->flight);
}

/* Is the stripe on disk, in enough columns? */
static int write_result(struct vfsr_stripe *s)
{
	struct vfsr_grids *gs = s->gs;
	struct vfsr_grid *g = s->grid;
	unsigned int nr_odd;
	u32 nr_lost;

	nr_odd = vfsr_runs_retry(gs, s->io, s->batch.nr, write_op(s));
	nr_lost = vfsr_grid_nr_lost(gs, g);
	if (nr_lost <= g->g.m && !nr_odd)
		return 0;
	if (!atomic_cmpxchg(&gs->io_error, 0, -EIO))
		vfsr_err(
			gs->pool->name,
			"rows %u..%u of grid %llu cannot be written: %u of %u columns are on devices that are gone, %u may be; attach them and mount again",
			s->ft.row, s->ft.row + s->ft.depth - 1, g->id, nr_lost,
			g->g.n, g->g.m);
	return -EIO;
}

static void stripe_finish(struct work_struct *work)
{
	struct vfsr_stripe *s = container_of(work, struct vfsr_stripe, finish);
	struct vfsr_pending *p, *next;
	struct vfsr_grids *gs = s->gs;
	struct vfsr_grid *g = s->grid;
	int error;

	vfsr_wait_begin(&gs->flight);
	error = write_result(s);
	list_for_each_entry_safe(p, next, &s->pending, link) {
		list_del_init(&p->link);
		p->done(p, error);
	}
	spin_lock(&gs->lock);
	list_del_init(&s->link);
	list_del_init(&s->all);
	atomic_dec(&g->open->in_flight);
	vfsr_seal_queue(g->open);
	spin_unlock(&gs->lock);
	buf_put(s);
	vfsr_grid_put(g);
	vfsr_wait_end(&gs->flight);
	wake_up_all(&gs->wait);
}

/* --- waiting --- */

int vfsr_stripes_wait(struct vfsr_grids *gs, u64 transaction)
{
	vfsr_might_wait(&gs->flight);
	wait_event(gs->wait, nothing_flies(gs, transaction));
	return atomic_read(&gs->io_error);
}

static bool rows_fly(struct vfsr_grids *gs, struct vfsr_open *o, u32 row,
		     u32 nr)
{
	struct vfsr_stripe *s;
	bool fly = false;

	spin_lock(&gs->lock);
	list_for_each_entry(s, &o->flying, link) {
		if (s->ft.row < row + nr && row < s->ft.row + s->ft.depth) {
			fly = true;
			break;
		}
	}
	spin_unlock(&gs->lock);
	return fly;
}

void vfsr_open_wait(struct vfsr_grids *gs, struct vfsr_grid *g, u32 row, u32 nr)
{
	struct vfsr_open *o = READ_ONCE(g->open);

	vfsr_might_wait(&gs->flight);
	if (o && atomic_read(&o->in_flight))
		wait_event(gs->wait, !rows_fly(gs, o, row, nr));
}
