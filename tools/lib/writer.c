// SPDX-License-Identifier: GPL-2.0-only
/*
 * The writer's streams: chunks are packed into the open stripe of their
 * stream; a closed stripe gets its label and goes to the sealing threads, and
 * only then, when the place of everything in it is known, into the map.
 *
 * All of it runs on the caller's thread, so that ids, serials and places
 * follow from the order of the calls alone. An error is final: it is reported
 * once, and returned by every later call.
 */
#include <stdlib.h>

#include "lib/out.h"
#include "lib/wr_priv.h"

#define MIN_STRIPE_SECTORS 3u /* two footers and something to store */
#define MIN_REFS 256u
#define MIN_COUNTS 64u

/* Remember and return an error. */
static int fatal(struct vfsr_writer *w, int err)
{
	if (err && !w->error)
		w->error = err;
	return err;
}

/* --- counts by grid --- */

static struct wr_count *count_slot(const struct wr_counts *t, u64 grid)
{
	u32 i = (u32)(grid * 0x9e3779b97f4a7c15ull >> 32) & (t->room - 1);

	while (t->slot[i].grid && t->slot[i].grid != grid)
		i = (i + 1) & (t->room - 1);
	return &t->slot[i];
}

static int counts_grow(struct wr_counts *t)
{
	struct wr_counts bigger = { 0 };
	u32 i;

	bigger.room = t->room ? t->room * 2 : MIN_COUNTS;
	bigger.nr = t->nr;
	bigger.slot = calloc(bigger.room, sizeof(*bigger.slot));
	if (!bigger.slot)
		return -ENOMEM;
	for (i = 0; i < t->room; i++)
		if (t->slot[i].grid)
			*count_slot(&bigger, t->slot[i].grid) = t->slot[i];
	free(t->slot);
	*t = bigger;
	return 0;
}

int wr_count_add(struct wr_counts *t, u64 grid, u64 bytes)
{
	struct wr_count *c;
	int err;

	if ((u64)t->nr * 2 >= t->room) {
		err = counts_grow(t);
		if (err)
			return err;
	}
	c = count_slot(t, grid);
	if (!c->grid) {
		c->grid = grid;
		t->nr++;
	}
	c->bytes += bytes;
	return 0;
}

u64 wr_count_get(const struct wr_counts *t, u64 grid)
{
	return t->room ? count_slot(t, grid)->bytes : 0;
}

/* --- streams --- */

void wr_stream_end_grid(struct vfsr_writer *w, unsigned int use)
{
	struct wr_stream *st = &w->stream[use];

	if (!st->grid)
		return;
	wr_grid_put(w, st->grid, NULL);
	st->grid = NULL;
}

int wr_stream_ready(struct vfsr_writer *w, unsigned int use)
{
	struct wr_stream *st = &w->stream[use];
	u32 depth;
	int err;

	if (st->job)
		return 0;
	if (!st->grid) {
		err = wr_grid_new(w, use, &st->grid);
		if (err == -ENOSPC && !w->error)
			vfsr_error(
				"the pool is full: there is no room for another grid of %s; use larger devices",
				wr_stream_use(use) == VFSR_USE_META ?
					"metadata" :
					"data");
		if (err)
			return fatal(w, err);
	}
	st->job = wr_job_get(w);
	if (!st->job)
		return fatal(w, -ENOMEM);
	depth = min_t(u32, st->depth,
		      st->grid->g.data_rows - st->grid->rows_used);
	vfsr_pack_init(&st->pack, st->job->data, st->policy.k * depth,
		       st->entries, st->entries_room, w->transaction);
	return 0;
}

/* A chunk's place is known: tell the map. */
static int chunk_placed(struct vfsr_writer *w, struct vfsr_chunk *c, u32 refs)
{
	int err;

	w->stats.stored_bytes += c->stored;
	/* the commit mark is dead as soon as it is written */
	if (c->kind == VFSR_KIND_COMMIT)
		return 0;
	c->refs = refs;
	if (c->kind != VFSR_KIND_MAP)
		return wr_map_set(w, c);
	err = wr_count_add(&w->live_bytes, vfsr_place_grid(c->place),
			   c->stored);
	return err ? err : wr_map_page_placed(w, c);
}

static int walk_entries(struct vfsr_writer *w, struct wr_stream *st,
			const struct vfsr_footer *ft)
{
	struct vfsr_entries e;
	struct vfsr_chunk c;
	u32 i;
	int err;

	vfsr_entries_init(&e, st->entries, ft->entries_bytes, ft->nr_entries,
			  ft->policy.k, ft->row, ft->depth, ft->entries_start,
			  ft->transaction, ft->grid);
	for (i = 0; i < ft->nr_entries; i++) {
		if (vfsr_entries_next(&e, &c, NULL) != 1)
			return -EINVAL;
		err = chunk_placed(w, &c, st->refs[i]);
		if (err)
			return err;
	}
	return 0;
}

static void fill_footer(struct vfsr_writer *w, const struct wr_grid *grid,
			const struct vfsr_pack_result *res,
			struct vfsr_footer *ft)
{
	memset(ft, 0, sizeof(*ft));
	memcpy(ft->pool_uuid, w->s->pool_uuid, VFSR_UUID_BYTES);
	ft->grid = grid->id;
	ft->transaction = w->transaction;
	ft->base = w->base;
	ft->serial = w->s->next_serial;
	ft->epoch = w->s->epoch;
	ft->policy = grid->policy;
	ft->layout = grid->g.layout;
	ft->strip_shift = w->s->strip_shift;
	ft->use = grid->use;
	ft->row = grid->rows_used;
	ft->depth = res->depth;
	ft->full_depth = grid->g.depth;
	ft->nr_entries = res->nr_entries;
	ft->entries_start = res->entries_start;
	ft->entries_bytes = res->entries_bytes;
	ft->entries_crc = res->entries_crc;
	ft->aligned_end = res->aligned_end;
	memcpy(ft->strip, grid->strip, sizeof(ft->strip));
	memcpy(ft->device, grid->device, sizeof(ft->device));
}

static void count_stripe(struct vfsr_writer *w, const struct vfsr_footer *ft,
			 u64 stored_bytes)
{
	u64 area = (u64)ft->policy.k * ft->depth * VFSR_SECTOR_BYTES;
	u64 footer = 2 * VFSR_SECTOR_BYTES + ft->entries_bytes;

	w->stats.stripes++;
	w->stats.used_bytes += area;
	w->stats.raw_used_bytes +=
		area / ft->policy.k * (ft->policy.k + ft->policy.m);
	w->stats.footer_bytes += footer;
	w->stats.gap_bytes += area - footer - stored_bytes;
	if (ft->use == VFSR_USE_META)
		w->stats.meta_bytes += area;
}

int wr_stream_close(struct vfsr_writer *w, unsigned int use, u8 flags,
		    u32 nr_stripes)
{
	struct wr_stream *st = &w->stream[use];
	u64 stored_before = w->stats.stored_bytes;
	struct wr_grid *grid = st->grid;
	struct wr_job *job = st->job;
	struct vfsr_pack_result res;
	struct vfsr_footer *ft;
	int err;

	if (!job)
		return 0;
	st->job = NULL;
	if (!st->pack.nr_entries) {
		wr_job_put(w, job);
		return 0;
	}
	vfsr_pack_close(&st->pack, st->policy.k, &res);
	ft = &job->ft;
	fill_footer(w, grid, &res, ft);
	ft->flags = flags;
	ft->nr_stripes = nr_stripes;
	w->s->next_serial++;
	vfsr_starts_set(grid->starts, ft->row);
	grid->rows_used += ft->depth;
	err = walk_entries(w, st, ft);
	if (err) {
		wr_job_put(w, job);
		return fatal(w, err);
	}
	count_stripe(w, ft, w->stats.stored_bytes - stored_before);
	job->grid = grid;
	atomic_fetch_add(&grid->refs, 1);
	wr_job_submit(w, job);
	if ((grid->g.data_rows - grid->rows_used) * st->policy.k <
	    MIN_STRIPE_SECTORS)
		wr_stream_end_grid(w, use);
	return 0;
}

/* Note the reference count of the chunk that was packed last. */
static int note_refs(struct wr_stream *st, u32 refs)
{
	if (st->pack.nr_entries > st->refs_room) {
		u32 room = max_t(u32, MIN_REFS, st->refs_room * 2);
		u32 *bigger = realloc(st->refs, room * sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		st->refs = bigger;
		st->refs_room = room;
	}
	st->refs[st->pack.nr_entries - 1] = refs;
	return 0;
}

/*
 * A chunk that does not fit closes the stripe. If it does not even fit an empty
 * one, that is the short rest of a grid, which is left unused.
 */
int wr_append(struct vfsr_writer *w, unsigned int use,
	      const struct vfsr_chunk *c, const void *stored)
{
	struct wr_stream *st = &w->stream[use];
	int err;

	for (;;) {
		err = wr_stream_ready(w, use);
		if (err)
			return err;
		err = vfsr_pack_add(&st->pack, c, stored);
		if (!err)
			return fatal(w, note_refs(st, c->refs));
		if (st->pack.nr_entries) {
			err = wr_stream_close(w, use, 0, 0);
			if (err)
				return err;
			continue;
		}
		wr_job_put(w, st->job);
		st->job = NULL;
		if (!st->grid->rows_used)
			return fatal(w, -EMSGSIZE);
		wr_stream_end_grid(w, use);
	}
}

/* --- what callers use --- */

int vfsr_writer_add(struct vfsr_writer *w, unsigned int use,
		    const struct vfsr_chunk *c, const void *stored)
{
	struct vfsr_chunk chunk = *c;
	int err = wr_pool_error(w);

	if (w->error || err)
		return w->error ? w->error : err;
	if (use >= VFSR_NR_USES || !vfsr_chunk_ok(c, NULL))
		return -EINVAL;
	if (!chunk.birth)
		chunk.birth = w->transaction;
	err = wr_append(w, use, &chunk, stored);
	return err ? err : wr_map_flush(w);
}

u32 vfsr_writer_room(struct vfsr_writer *w, unsigned int use, bool aligned)
{
	if (w->error || wr_pool_error(w) || wr_stream_ready(w, use))
		return 0;
	return vfsr_pack_room(&w->stream[use].pack, aligned);
}

u32 vfsr_writer_stripe_bytes(struct vfsr_writer *w, unsigned int use)
{
	const struct wr_stream *st = &w->stream[use];

	return st->policy.k * st->depth * VFSR_SECTOR_BYTES;
}

u64 vfsr_writer_new_id(struct vfsr_writer *w)
{
	return w->s->next_id++;
}

int vfsr_writer_map_set(struct vfsr_writer *w, const struct vfsr_chunk *c)
{
	int err = wr_pool_error(w);

	if (w->error || err)
		return w->error ? w->error : err;
	err = wr_map_set(w, c);
	return err ? err : wr_map_flush(w);
}

static int stream_init(struct vfsr_writer *w, unsigned int use)
{
	struct wr_stream *st = &w->stream[use];
	struct vfsr_geometry g;

	st->policy = wr_stream_use(use) == VFSR_USE_META ? w->s->meta :
							   w->s->data;
	if (vfsr_geometry_init(&g, &st->policy, w->s->strip_shift, w->s->layout,
			       NULL))
		return -EINVAL;
	st->depth = g.depth;
	/* the smallest chunks have entries of a quarter of their size */
	st->entries_room = g.k * g.depth * VFSR_SECTOR_BYTES / 4;
	st->entries = malloc(st->entries_room);
	return st->entries ? 0 : -ENOMEM;
}

/* Tables: the caller's, or our own of a pool where all is free. */
static int tables_init(struct vfsr_writer *w, struct vfsr_dev **devs,
		       struct vfsr_strip **strips, u32 **live)
{
	unsigned int i;

	w->own_strips = !strips;
	w->own_live = !live;
	for (i = 0; i < w->s->nr_members; i++) {
		u32 nr = w->s->member[i].nr_strips;

		w->dev[i] = devs[i];
		w->strips[i] = strips ? strips[i] :
					calloc(nr, sizeof(**w->strips));
		w->live[i] = live ? live[i] : calloc(nr, sizeof(**w->live));
		if (devs[i] && (!w->strips[i] || !w->live[i]))
			return -ENOMEM;
	}
	return 0;
}

int vfsr_writer_new(struct vfsr_super *s, struct vfsr_dev **devs,
		    struct vfsr_strip **strips, u32 **live,
		    struct vfsr_writer **out)
{
	struct vfsr_writer *w = calloc(1, sizeof(*w));
	unsigned int use;
	int err;

	*out = NULL;
	if (!w)
		return -ENOMEM;
	w->s = s;
	w->transaction = s->next_transaction;
	w->base = s->transaction;
	w->first_grid = s->next_grid;
	err = tables_init(w, devs, strips, live);
	for (use = 0; use < WR_NR_STREAMS && !err; use++)
		err = stream_init(w, use);
	if (!err)
		err = wr_map_init(w);
	if (!err) {
		wr_alloc_init(w);
		err = wr_pool_start(w);
		if (err)
			wr_pool_stop(w);
	}
	if (err) {
		w->error = err;
		w->pool.nr_threads = 0;
		vfsr_writer_free(w);
		return err;
	}
	*out = w;
	return 0;
}

/* End the streams of a transaction that was not committed. */
static void abandon(struct vfsr_writer *w)
{
	unsigned int use;

	pthread_mutex_lock(&w->pool.lock);
	if (!w->pool.error)
		w->pool.error = -ECANCELED;
	pthread_mutex_unlock(&w->pool.lock);
	for (use = 0; use < WR_NR_STREAMS; use++) {
		if (w->stream[use].job)
			wr_job_put(w, w->stream[use].job);
		wr_stream_end_grid(w, use);
	}
	wr_pool_drain(w);
	wr_pool_stop(w);
}

void vfsr_writer_free(struct vfsr_writer *w)
{
	unsigned int i;

	if (!w)
		return;
	if (w->pool.nr_threads)
		abandon(w);
	for (i = 0; i < WR_NR_STREAMS; i++) {
		free(w->stream[i].entries);
		free(w->stream[i].refs);
	}
	for (i = 0; i < w->s->nr_members; i++) {
		if (w->own_strips)
			free(w->strips[i]);
		if (w->own_live)
			free(w->live[i]);
	}
	wr_map_release(w);
	free(w->live_bytes.slot);
	free(w);
}
