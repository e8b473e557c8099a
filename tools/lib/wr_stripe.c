// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sealing threads: parity, crcs and footers of closed stripes, their writes,
 * and the column parity and trailers of full grids.
 *
 * Column parity is summed up as stripes pass by (XOR does not mind the order),
 * so that sealing a grid reads nothing. A grid is sealed by whoever drops its
 * last reference. After the first error nothing more is written, and all
 * jobs just drain.
 */
#include <stdlib.h>
#include <unistd.h>

#include "lib/accel.h"
#include "lib/out.h"
#include "lib/wr_priv.h"

#define MAX_THREADS 16
#define SPARE_JOBS 4 /* in flight beyond one for each thread */
/* A column in at most one piece of a stripe, parity and trailer of a tail */
#define MAX_PIECES (2 * VFSR_MAX_COLUMNS)

/* Pieces of one batch; neighbours in memory and on disk become one. */
struct batch {
	struct vfsr_iov iov[MAX_PIECES];
	unsigned int nr;
};

static void batch_add(struct vfsr_writer *w, const struct wr_grid *grid,
		      struct vfsr_strip_pos at, u8 *buf, u32 nr_sectors,
		      struct batch *b)
{
	unsigned int device = grid->device[at.strip];
	u64 pos = w->s->member[device].strip_sector * VFSR_SECTOR_BYTES +
		  ((u64)grid->strip[at.strip] << w->s->strip_shift) +
		  (u64)at.sector * VFSR_SECTOR_BYTES;
	struct vfsr_iov *last = b->nr ? &b->iov[b->nr - 1] : NULL;
	size_t len_bytes = (size_t)nr_sectors * VFSR_SECTOR_BYTES;

	if (last && last->dev == w->dev[device] &&
	    (u8 *)last->buf + last->len_bytes == buf &&
	    last->pos + last->len_bytes == pos) {
		last->len_bytes += len_bytes;
		return;
	}
	b->iov[b->nr++] = (struct vfsr_iov){
		.dev = w->dev[device],
		.buf = buf,
		.len_bytes = len_bytes,
		.pos = pos,
	};
}

static void fail(struct vfsr_writer *w, int err)
{
	pthread_mutex_lock(&w->pool.lock);
	if (!w->pool.error)
		w->pool.error = err;
	pthread_mutex_unlock(&w->pool.lock);
}

void wr_fail_io(struct vfsr_writer *w, const struct vfsr_iov *v)
{
	bool first;

	pthread_mutex_lock(&w->pool.lock);
	first = !w->pool.error;
	if (first)
		w->pool.error = v->error;
	pthread_mutex_unlock(&w->pool.lock);
	if (first)
		vfsr_error(
			"%s: writing %zu bytes at byte %llu failed: %s; check the device",
			v->dev->path, v->len_bytes, (unsigned long long)v->pos,
			strerror(-v->error));
}

static void batch_write(struct vfsr_writer *w, struct batch *b,
			struct vfsr_queue *q)
{
	unsigned int i;

	if (q) {
		if (!vfsr_queue_run(q, true, b->iov, b->nr))
			return;
	} else {
		for (i = 0; i < b->nr; i++)
			b->iov[i].error = vfsr_dev_write(b->iov[i].dev,
							 b->iov[i].buf,
							 b->iov[i].len_bytes,
							 b->iov[i].pos);
	}
	for (i = 0; i < b->nr; i++)
		if (b->iov[i].error)
			wr_fail_io(w, &b->iov[i]);
}

/*
 * Place of parity row @j, or of the trailer (@j = r), in the tail's buffer:
 * spread has them column after column, interleaved all parity rows first.
 */
static u8 *tail_sector(const struct wr_grid *grid, u32 col, u32 j)
{
	u32 r = grid->g.r, index = col * (r + 1) + j;

	if (grid->g.layout == VFSR_LAYOUT_INTERLEAVED)
		index = j < r ? col * r + j : grid->g.n * r + col;
	return grid->tail + (size_t)index * VFSR_SECTOR_BYTES;
}

/* Add the rows of a sealed stripe to the column parity. */
static void sum_columns(struct vfsr_writer *w, struct wr_grid *grid,
			const struct vfsr_footer *ft, u8 *const *bufs)
{
	u32 first = grid->g.rows - grid->g.r;
	u32 col, i;

	if (!grid->g.r)
		return;
	pthread_mutex_lock(&grid->lock);
	for (col = 0; col < grid->g.n; col++)
		for (i = 0; i < ft->depth; i++)
			w->ops->xor_into(
				tail_sector(grid, col,
					    vfsr_parity_row(&grid->g,
							    ft->row + i) -
						    first),
				bufs[col] + (size_t)i * VFSR_SECTOR_BYTES,
				VFSR_SECTOR_BYTES);
	pthread_mutex_unlock(&grid->lock);
}

static void write_stripe(struct vfsr_writer *w, struct wr_job *job,
			 struct vfsr_queue *q)
{
	const struct vfsr_footer *ft = &job->ft;
	struct vfsr_extent_rows rows = { ft->row, ft->depth };
	struct wr_grid *grid = job->grid;
	u8 *bufs[VFSR_MAX_COLUMNS];
	struct batch b;
	u32 col;

	b.nr = 0;
	for (col = 0; col < grid->g.n; col++)
		bufs[col] =
			job->data + (size_t)col * ft->depth * VFSR_SECTOR_BYTES;
	vfsr_stripe_seal(w->ops, ft, bufs);
	sum_columns(w, grid, ft, bufs);
	for (col = 0; col < grid->g.n; col++)
		batch_add(w, grid,
			  vfsr_row_place(&grid->g, &rows, col, ft->row),
			  bufs[col], ft->depth, &b);
	batch_write(w, &b, q);
}

static void fill_trailer(struct vfsr_writer *w, const struct wr_grid *grid,
			 struct vfsr_trailer *t)
{
	u32 col, j, r = grid->g.r;

	memset(t, 0, sizeof(*t));
	memcpy(t->pool_uuid, w->s->pool_uuid, VFSR_UUID_BYTES);
	t->grid = grid->id;
	t->transaction = w->transaction;
	t->epoch = w->s->epoch;
	t->policy = grid->policy;
	t->layout = grid->g.layout;
	t->strip_shift = w->s->strip_shift;
	t->use = grid->use;
	t->depth = grid->g.depth;
	t->rows_used = grid->rows_used;
	memcpy(t->strip, grid->strip, sizeof(t->strip));
	memcpy(t->device, grid->device, sizeof(t->device));
	memcpy(t->starts, grid->starts, sizeof(t->starts));
	for (col = 0; col < grid->g.n; col++)
		for (j = 0; j < r; j++)
			t->parity_crc[col * r + j] =
				vfsr_port_crc32c(0, tail_sector(grid, col, j),
						 VFSR_SECTOR_BYTES);
}

/* Write column parity and trailers. */
static void seal_grid(struct vfsr_writer *w, struct wr_grid *grid,
		      struct vfsr_queue *q)
{
	const struct vfsr_geometry *g = &grid->g;
	struct vfsr_trailer t;
	struct batch b;
	u32 col;

	b.nr = 0;
	fill_trailer(w, grid, &t);
	for (col = 0; col < g->n; col++) {
		t.column = (u8)col;
		vfsr_trailer_encode(&t, tail_sector(grid, col, g->r));
	}
	for (col = 0; g->r && col < g->n; col++) {
		batch_add(w, grid, vfsr_row_place(g, NULL, col, g->rows - g->r),
			  tail_sector(grid, col, 0), g->r, &b);
		if (g->layout == VFSR_LAYOUT_SPREAD)
			batch_add(w, grid,
				  vfsr_row_place(g, NULL, col, g->rows),
				  tail_sector(grid, col, g->r), 1, &b);
	}
	for (col = 0; col < g->n; col++)
		if (!g->r || g->layout == VFSR_LAYOUT_INTERLEAVED)
			batch_add(w, grid,
				  vfsr_row_place(g, NULL, col, g->rows),
				  tail_sector(grid, col, g->r), 1, &b);
	batch_write(w, &b, q);
}

void wr_grid_put(struct vfsr_writer *w, struct wr_grid *grid,
		 struct vfsr_queue *q)
{
	if (atomic_fetch_sub(&grid->refs, 1) != 1)
		return;
	if (!wr_pool_error(w))
		seal_grid(w, grid, q);
	pthread_mutex_destroy(&grid->lock);
	free(grid->tail);
	free(grid);
}

/* --- the threads --- */

struct worker {
	struct vfsr_writer *w;
	struct vfsr_queue *queue;
};

static struct wr_job *next_job(struct wr_pool *p)
{
	struct wr_job *job;

	pthread_mutex_lock(&p->lock);
	while (!p->head && !p->stop)
		pthread_cond_wait(&p->work, &p->lock);
	job = p->head;
	if (job) {
		p->head = job->next;
		if (!p->head)
			p->tail = NULL;
	}
	pthread_mutex_unlock(&p->lock);
	return job;
}

static void *work(void *arg)
{
	struct worker me = *(struct worker *)arg;
	struct wr_pool *p = &me.w->pool;
	struct wr_job *job;

	free(arg);
	while ((job = next_job(p))) {
		if (!wr_pool_error(me.w))
			write_stripe(me.w, job, me.queue);
		wr_grid_put(me.w, job->grid, me.queue);
		pthread_mutex_lock(&p->lock);
		job->next = p->idle;
		p->idle = job;
		p->running--;
		pthread_cond_broadcast(&p->done);
		pthread_mutex_unlock(&p->lock);
	}
	return NULL;
}

static int start_thread(struct vfsr_writer *w)
{
	struct wr_pool *p = &w->pool;
	struct worker *me = malloc(sizeof(*me));
	struct vfsr_queue *q = vfsr_queue_new(VFSR_MAX_COLUMNS);
	int err = -ENOMEM;

	if (me && q) {
		me->w = w;
		me->queue = q;
		p->queue[p->nr_threads] = q;
		err = -pthread_create(&p->thread[p->nr_threads], NULL, work,
				      me);
	}
	if (err) {
		free(me);
		vfsr_queue_free(q);
		return err;
	}
	p->nr_threads++;
	return 0;
}

int wr_pool_start(struct vfsr_writer *w)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct wr_pool *p = &w->pool;
	unsigned int i, nr, use;
	int err = 0;

	nr = cpus < 1 ? 1 : (unsigned int)min_t(long, cpus, MAX_THREADS);
	w->ops = vfsr_accel_parity();
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	pthread_cond_init(&p->done, NULL);
	/* an open stripe of every stream holds a job too */
	p->max_jobs = nr + SPARE_JOBS + WR_NR_STREAMS;
	for (use = 0; use < WR_NR_STREAMS; use++) {
		const struct wr_stream *st = &w->stream[use];
		u32 sectors = (st->policy.k + st->policy.m) * st->depth;

		p->job_sectors = max_t(u32, p->job_sectors, sectors);
	}
	p->thread = calloc(nr, sizeof(*p->thread));
	p->queue = calloc(nr, sizeof(struct vfsr_queue *));
	if (!p->thread || !p->queue)
		return -ENOMEM;
	for (i = 0; i < nr && !err; i++)
		err = start_thread(w);
	/* fewer threads than wanted will do */
	return p->nr_threads ? 0 : err;
}

void wr_pool_stop(struct vfsr_writer *w)
{
	struct wr_pool *p = &w->pool;
	unsigned int i;

	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (i = 0; i < p->nr_threads; i++) {
		pthread_join(p->thread[i], NULL);
		vfsr_queue_free(p->queue[i]);
	}
	while (p->idle) {
		struct wr_job *job = p->idle;

		p->idle = job->next;
		free(job->data);
		free(job);
	}
	free(p->thread);
	free(p->queue);
	pthread_cond_destroy(&p->done);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
}

/* --- jobs --- */

static struct wr_job *job_new(struct wr_pool *p)
{
	struct wr_job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	job->data = aligned_alloc(VFSR_SECTOR_BYTES,
				  (size_t)p->job_sectors * VFSR_SECTOR_BYTES);
	if (!job->data) {
		free(job);
		return NULL;
	}
	return job;
}

struct wr_job *wr_job_get(struct vfsr_writer *w)
{
	struct wr_pool *p = &w->pool;
	struct wr_job *job;

	pthread_mutex_lock(&p->lock);
	while (!p->idle && p->nr_jobs == p->max_jobs)
		pthread_cond_wait(&p->done, &p->lock);
	job = p->idle;
	if (job)
		p->idle = job->next;
	else
		p->nr_jobs++;
	pthread_mutex_unlock(&p->lock);
	if (job)
		return job;
	job = job_new(p);
	if (!job) {
		fail(w, -ENOMEM);
		pthread_mutex_lock(&p->lock);
		p->nr_jobs--;
		pthread_mutex_unlock(&p->lock);
	}
	return job;
}

void wr_job_submit(struct vfsr_writer *w, struct wr_job *job)
{
	struct wr_pool *p = &w->pool;

	job->next = NULL;
	pthread_mutex_lock(&p->lock);
	if (p->tail)
		p->tail->next = job;
	else
		p->head = job;
	p->tail = job;
	p->running++;
	pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->lock);
}

void wr_job_put(struct vfsr_writer *w, struct wr_job *job)
{
	struct wr_pool *p = &w->pool;

	pthread_mutex_lock(&p->lock);
	job->next = p->idle;
	p->idle = job;
	pthread_mutex_unlock(&p->lock);
}

int wr_pool_drain(struct vfsr_writer *w)
{
	struct wr_pool *p = &w->pool;

	pthread_mutex_lock(&p->lock);
	while (p->running)
		pthread_cond_wait(&p->done, &p->lock);
	pthread_mutex_unlock(&p->lock);
	return wr_pool_error(w);
}

int wr_pool_error(struct vfsr_writer *w)
{
	int err;

	pthread_mutex_lock(&w->pool.lock);
	err = w->pool.error;
	pthread_mutex_unlock(&w->pool.lock);
	return err;
}
