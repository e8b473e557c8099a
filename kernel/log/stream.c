// SPDX-License-Identifier: GPL-2.0-only
/*
 * Streams: chunks go to the open stripe of their stream, stripes to its grid.
 *
 * A stream takes only grids that the last durable record names. It keeps some
 * reserved ahead; when they are used up it has a record written that reserves
 * more. That record commits nothing, so it can be written in the
 * middle of a transaction.
 */
#include <linux/jiffies.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "log/log_priv.h"

#define CLOSE_DELAY msecs_to_jiffies(10)
#define MIN_SPARE 2u
/* All streams together leave most of VFSR_MAX_OPEN_GRIDS to a transaction */
#define MAX_WANT 4u
/* Checkpoints in a row that needed no spare: one less is wanted */
#define IDLE_COMMITS 8u

/* --- grids --- */

static bool same_policy(const struct vfsr_policy *a,
			const struct vfsr_policy *b)
{
	return a->k == b->k && a->m == b->m && a->r == b->r;
}

static bool may_write(struct vfsr_grids *gs, const struct vfsr_grid *g)
{
	bool durable;

	spin_lock(&gs->lock);
	durable = g->open && g->open->durable;
	spin_unlock(&gs->lock);
	return durable;
}

/* Done with the stream's grid: it is sealed when its stripes are on disk. */
static void end_grid(struct vfsr_stream *st)
{
	if (!st->grid)
		return;
	vfsr_grid_finish(st->log->grids, st->grid);
	vfsr_grid_put(st->grid);
	st->grid = NULL;
}

/* Take the oldest spare of @from that stripes of @st may go to. */
static bool take_from(struct vfsr_stream *st, struct vfsr_stream *from)
{
	struct vfsr_grids *gs = st->log->grids;
	unsigned int i;

	lockdep_assert_held(&from->lock);
	for (i = 0; i < from->nr_spare; i++) {
		struct vfsr_grid *g = from->spare[i];

		if (!may_write(gs, g))
			continue;
		from->nr_spare--;
		memmove(&from->spare[i], &from->spare[i + 1],
			(from->nr_spare - i) * sizeof(g));
		if (!vfsr_open_depth(g)) {
			/* a column went away since it was reserved */
			vfsr_grid_finish(gs, g);
			vfsr_grid_put(g);
			i--;
			continue;
		}
		st->grid = g;
		return true;
	}
	return false;
}

static bool take_spare(struct vfsr_stream *st)
{
	return take_from(st, st);
}

/*
 * No strips are left for another grid: take a spare that another stream of metadata
 * keeps. Those are filled by the checkpoint alone, so nobody takes two of these locks in
 * another order.
 */
static bool borrow_spare(struct vfsr_stream *st)
{
	bool taken = false;
	unsigned int i;

	for (i = 0; i < VFSR_NR_STREAMS && !taken; i++) {
		struct vfsr_stream *from = st->log->stream[i];

		if (from == st || from->use != st->use ||
		    !same_policy(&from->policy, &st->policy))
			continue;
		mutex_lock_nested(&from->lock, SINGLE_DEPTH_NESTING);
		taken = take_from(st, from);
		mutex_unlock(&from->lock);
	}
	return taken;
}

void vfsr_stream_top_up(struct vfsr_stream *st)
{
	struct vfsr_grids *gs = st->log->grids;

	lockdep_assert_held(&st->lock);
	/* no record in between sees some of a grid's strips only */
	mutex_lock(&gs->pool->record_lock);
	while (st->nr_spare < st->want_spare) {
		if (READ_ONCE(gs->nr_open) + 4 > VFSR_MAX_OPEN_GRIDS &&
		    st->nr_spare)
			break;
		if (vfsr_grid_reserve(gs, &st->policy, st->use,
				      &st->spare[st->nr_spare]))
			break;
		st->nr_spare++;
	}
	mutex_unlock(&gs->pool->record_lock);
}

/* Has it a spare that it could do without? The newest: older ones may have stripes. */
static bool has_idle(const struct vfsr_stream *st)
{
	return st->nr_spare > MIN_SPARE &&
	       !READ_ONCE(st->spare[st->nr_spare - 1]->rows_used);
}

/* Give back that spare: the commit that is being made drops it. */
static void release_spare(struct vfsr_stream *st)
{
	struct vfsr_grid *g = st->spare[--st->nr_spare];

	WRITE_ONCE(g->frozen, true);
	vfsr_grid_put(g);
}

/* Rows in spares of data are room for data, those of metadata are not. */
static bool can_yield(const struct vfsr_stream *st)
{
	return st->use == VFSR_USE_META && has_idle(st);
}

bool vfsr_streams_can_yield(struct vfsr_log *log)
{
	bool found = false;
	unsigned int i;

	for (i = 0; i < VFSR_NR_STREAMS && !found; i++) {
		struct vfsr_stream *st = log->stream[i];

		mutex_lock(&st->lock);
		found = can_yield(st);
		mutex_unlock(&st->lock);
	}
	return found;
}

void vfsr_stream_adjust(struct vfsr_stream *st, bool yield)
{
	lockdep_assert_held(&st->lock);
	if (yield && can_yield(st)) {
		st->want_spare = MIN_SPARE;
		st->nr_idle = 0;
		while (can_yield(st))
			release_spare(st);
	} else if (st->nr_spare < st->want_spare) {
		st->nr_idle = 0;
	} else if (++st->nr_idle >= IDLE_COMMITS && st->nr_spare > MIN_SPARE) {
		st->nr_idle = 0;
		/* a mount may find more than are wanted */
		if (st->want_spare == st->nr_spare)
			st->want_spare--;
		if (has_idle(st))
			release_spare(st);
	}
	vfsr_stream_top_up(st);
}

/* Reserve more grids and make that durable. */
static int reserve(struct vfsr_stream *st)
{
	int err;

	if (st->want_spare < MAX_WANT)
		st->want_spare++;
	vfsr_stream_top_up(st);
	if (!st->nr_spare)
		return -ENOSPC;
	/* perhaps all are there and no record names them yet */
	err = vfsr_log_rewrite(st->log, false, false);
	if (!err)
		atomic64_inc(&st->log->nr_reserves);
	return err;
}

/* A grid with room, in st->grid. */
static int grid_ready(struct vfsr_stream *st)
{
	int err;

	if (st->grid && !vfsr_open_depth(st->grid))
		end_grid(st);
	/* a record that an unmount left must be followed by one that is not
	 * clean before anything is written */
	if (st->log->pool->clean) {
		err = reserve(st);
		if (err && (err != -ENOSPC || st->log->pool->clean))
			return err;
	}
	while (!st->grid) {
		if (take_spare(st))
			break;
		err = reserve(st);
		if (err == -ENOSPC && borrow_spare(st))
			err = 0;
		if (err)
			return err;
	}
	return 0;
}

/* --- stripes --- */

/* The map learns where a chunk is. Map pages know already, marks have no id. */
static void chunk_placed(void *ctx, const struct vfsr_chunk *c)
{
	if (c->kind != VFSR_KIND_MAP && c->kind != VFSR_KIND_COMMIT)
		vfsr_map_place(ctx, c);
}

void vfsr_stream_close_locked(struct vfsr_stream *st, u8 flags, u32 nr_stripes)
{
	struct vfsr_log *log = st->log;
	struct vfsr_stripe *s = st->stripe;
	u64 serial;

	lockdep_assert_held(&st->lock);
	if (!s)
		return;
	st->stripe = NULL;
	if (!s->pack.nr_entries) {
		vfsr_stripe_cancel(s);
		return;
	}
	serial = atomic64_inc_return(&log->next_serial) - 1;
	if (!(flags & VFSR_FOOTER_COMMIT))
		atomic64_inc(&log->nr_stripes);
	vfsr_stripe_close(s, READ_ONCE(log->durable), serial,
			  READ_ONCE(log->pool->super->epoch), flags, nr_stripes,
			  chunk_placed, log->map);
	vfsr_stripe_submit(s);
}

static int stripe_ready(struct vfsr_stream *st)
{
	int err;

	if (st->stripe)
		return 0;
	err = grid_ready(st);
	if (err)
		return err;
	return vfsr_stripe_begin(st->log->grids, st->grid, st->log->transaction,
				 &st->stripe);
}

/* Nothing fits any more: close the stripe, or give up the short rest of a grid. */
static int next_stripe(struct vfsr_stream *st)
{
	if (st->stripe->pack.nr_entries) {
		vfsr_stream_close_locked(st, 0, 0);
		return 0;
	}
	vfsr_stripe_cancel(st->stripe);
	st->stripe = NULL;
	if (!st->grid->rows_used)
		return -EMSGSIZE;
	end_grid(st);
	return 0;
}

int vfsr_stream_need_locked(struct vfsr_stream *st, u32 bytes)
{
	bool aligned = vfsr_pack_aligned(VFSR_STATE_RAW, bytes);
	int err;

	for (;;) {
		err = stripe_ready(st);
		if (err)
			return err;
		if (vfsr_pack_room(&st->stripe->pack, aligned) >= bytes)
			return 0;
		err = next_stripe(st);
		if (err)
			return err;
	}
}

static int add_locked(struct vfsr_stream *st, const struct vfsr_chunk *c,
		      const void *stored)
{
	int err = vfsr_log_error(st->log);

	while (!err) {
		err = stripe_ready(st);
		if (err)
			break;
		err = vfsr_pack_add(&st->stripe->pack, c, stored);
		if (err != -ENOSPC)
			break;
		err = next_stripe(st);
	}
	return err;
}

int vfsr_stream_add(struct vfsr_log *log, enum vfsr_stream_id id,
		    const struct vfsr_chunk *c, const void *stored,
		    struct vfsr_pending *p)
{
	struct vfsr_stream *st = log->stream[id];
	struct vfsr_chunk chunk = *c;
	int err;

	lockdep_assert_held(&log->trans_sem);
	if (!chunk.birth)
		chunk.birth = log->transaction;
	mutex_lock(&st->lock);
	err = add_locked(st, &chunk, stored);
	if (!err && p)
		list_add_tail(&p->link, &st->stripe->pending);
	st->last_add = jiffies;
	mutex_unlock(&st->lock);
	return err;
}

int vfsr_stream_add_placed(struct vfsr_log *log, enum vfsr_stream_id id,
			   const struct vfsr_chunk *c, const void *stored,
			   u64 *place)
{
	struct vfsr_stream *st = log->stream[id];
	struct vfsr_chunk chunk = *c;
	int err;

	if (WARN_ON_ONCE(!vfsr_pack_aligned(c->state, c->stored)))
		return -EINVAL;
	if (!chunk.birth)
		chunk.birth = log->transaction;
	mutex_lock(&st->lock);
	err = add_locked(st, &chunk, stored);
	if (!err) {
		const struct vfsr_pack *pack = &st->stripe->pack;
		u32 sector = st->grid->rows_used * st->grid->g.k +
			     pack->aligned_end -
			     chunk.stored / VFSR_SECTOR_BYTES;

		*place = vfsr_place_make(st->grid->id, sector, 0);
	}
	mutex_unlock(&st->lock);
	return err;
}

u32 vfsr_stream_room(struct vfsr_log *log, enum vfsr_stream_id id, bool aligned)
{
	struct vfsr_stream *st = log->stream[id];
	u32 room = 0;

	mutex_lock(&st->lock);
	if (st->stripe)
		room = vfsr_pack_room(&st->stripe->pack, aligned);
	mutex_unlock(&st->lock);
	return room;
}

/* --- closing by time --- */

void vfsr_stream_flush(struct vfsr_log *log, enum vfsr_stream_id id, bool soon)
{
	struct vfsr_stream *st = log->stream[id];

	if (!st || !READ_ONCE(st->stripe))
		return;
	if (soon) {
		queue_delayed_work(log->wq, &st->close_work, CLOSE_DELAY);
		return;
	}
	if (vfsr_trans_begin_nowait(log))
		return;
	mutex_lock(&st->lock);
	vfsr_stream_close_locked(st, 0, 0);
	mutex_unlock(&st->lock);
	vfsr_trans_end(log);
}

static void close_idle(struct work_struct *work)
{
	struct vfsr_stream *st = container_of(to_delayed_work(work),
					      struct vfsr_stream, close_work);

	if (time_before(jiffies, READ_ONCE(st->last_add) + CLOSE_DELAY))
		queue_delayed_work(st->log->wq, &st->close_work, CLOSE_DELAY);
	else
		vfsr_stream_flush(st->log, st->id, false);
}

/* --- life --- */

static struct vfsr_stream *stream_new(struct vfsr_log *log,
				      enum vfsr_stream_id id)
{
	static const u8 use[] = { VFSR_USE_META, VFSR_USE_META, VFSR_USE_HOT };
	struct vfsr_stream *st = kzalloc(sizeof(*st), GFP_KERNEL);

	if (!st)
		return NULL;
	st->log = log;
	st->id = id;
	st->use = use[id];
	st->policy = id == VFSR_STREAM_HOT ? log->pool->super->data :
					     log->pool->super->meta;
	st->want_spare = MIN_SPARE;
	mutex_init(&st->lock);
	INIT_DELAYED_WORK(&st->close_work, close_idle);
	return st;
}

int vfsr_streams_new(struct vfsr_log *log)
{
	unsigned int i;

	for (i = 0; i < VFSR_NR_STREAMS; i++) {
		log->stream[i] = stream_new(log, i);
		if (!log->stream[i])
			return -ENOMEM;
	}
	return 0;
}

void vfsr_streams_free(struct vfsr_log *log)
{
	unsigned int i;

	for (i = 0; i < VFSR_NR_STREAMS; i++) {
		kfree(log->stream[i]);
		log->stream[i] = NULL;
	}
}

/* Give a grid to the stream that has the fewest; false: nobody wants it. */
static bool adopt(struct vfsr_log *log, struct vfsr_grid *g)
{
	struct vfsr_stream *best = NULL;
	unsigned int i;

	if (!vfsr_open_depth(g))
		return false;
	for (i = 0; i < VFSR_NR_STREAMS; i++) {
		struct vfsr_stream *st = log->stream[i];

		if (st->use != g->use ||
		    !same_policy(&st->policy, &g->policy) ||
		    st->nr_spare >= MAX_WANT)
			continue;
		if (!best || st->nr_spare < best->nr_spare)
			best = st;
	}
	if (!best)
		return false;
	refcount_inc(&g->refs);
	best->spare[best->nr_spare++] = g;
	return true;
}

void vfsr_streams_adopt(struct vfsr_log *log)
{
	struct vfsr_grids *gs = log->grids;
	struct vfsr_grid *list[VFSR_MAX_OPEN_GRIDS];
	struct vfsr_open *o;
	unsigned int nr = 0, i, pass;

	spin_lock(&gs->lock);
	list_for_each_entry(o, &gs->open_list, link) {
		if (nr == ARRAY_SIZE(list) || o->finished || o->sealed)
			continue;
		refcount_inc(&o->grid->refs);
		list[nr++] = o->grid;
	}
	spin_unlock(&gs->lock);
	/* those with stripes first: the oldest spare is filled first */
	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < nr; i++) {
			struct vfsr_grid *g = list[i];

			if ((g->rows_used == 0) != (pass == 1))
				continue;
			if (!adopt(log, g)) {
				/* without rows it is dropped by the next commit */
				g->frozen = true;
				vfsr_grid_finish(gs, g);
			}
		}
	}
	while (nr)
		vfsr_grid_put(list[--nr]);
}

static void abort_stripe(struct vfsr_stripe *s, int error)
{
	struct vfsr_pending *p, *next;
	LIST_HEAD(pending);

	list_splice_init(&s->pending, &pending);
	vfsr_stripe_cancel(s);
	list_for_each_entry_safe(p, next, &pending, link) {
		list_del_init(&p->link);
		p->done(p, error);
	}
}

void vfsr_streams_drop(struct vfsr_log *log, int error)
{
	unsigned int i;

	for (i = 0; i < VFSR_NR_STREAMS; i++) {
		struct vfsr_stream *st = log->stream[i];

		if (!st)
			continue;
		mutex_lock(&st->lock);
		if (st->stripe)
			abort_stripe(st->stripe, error);
		st->stripe = NULL;
		if (st->grid)
			vfsr_grid_put(st->grid);
		st->grid = NULL;
		while (st->nr_spare)
			vfsr_grid_put(st->spare[--st->nr_spare]);
		mutex_unlock(&st->lock);
	}
}

void vfsr_streams_quiesce(struct vfsr_log *log)
{
	unsigned int i;

	for (i = 0; i < VFSR_NR_STREAMS; i++)
		if (log->stream[i])
			cancel_delayed_work_sync(&log->stream[i]->close_work);
}
