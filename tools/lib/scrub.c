// SPDX-License-Identifier: GPL-2.0-only
/*
 * The scrub's driver: grids are handed out to threads in order, so that every
 * device is read from its start to its end; lost sectors are collected.
 *
 * One lock guards the shared state; a thread takes it once per grid.
 */
#include <stdlib.h>
#include <unistd.h>

#include "lib/out.h"
#include "lib/scrub.h"

#define MAX_THREADS 64u
#define MAX_ROWS (1u << (VFSR_MAX_STRIP_SHIFT - VFSR_SECTOR_SHIFT))

struct scrub {
	struct vfsr_pool *pool;
	const struct vfsr_scrub_opts *opts;
	struct vfsr_scrub_stats *stats;
	pthread_mutex_t lock;
	/* under lock */
	u32 next; /* grid to hand out */
	int error;
	struct vfsr_lost_run *run;
	size_t nr, room;
	struct vfsr_progress progress;
};

static int add_run(struct scrub *s, u64 grid, u32 sector)
{
	struct vfsr_lost_run *r = s->nr ? &s->run[s->nr - 1] : NULL;

	if (r && r->grid == grid && r->sector + r->nr == sector) {
		r->nr++;
		return 0;
	}
	if (!s->run || s->nr == s->room) {
		size_t room = s->room ? s->room * 2 : 256;

		r = realloc(s->run, room * sizeof(*r));
		if (!r)
			return -ENOMEM;
		s->run = r;
		s->room = room;
	}
	s->run[s->nr++] = (struct vfsr_lost_run){ grid, sector, 1 };
	return 0;
}

/* Bad sectors of the data area as runs of linear sectors. Lock held. */
static int collect(struct scrub *s, struct vfsr_grid *g, const u32 *bad)
{
	struct vfsr_extent_rows e;
	u32 row, sector, nr;
	int err = 0;

	if (g->load_error) /* no starts: everything that it could hold */
		for (sector = 0; sector < g->g.data_sectors && !err; sector++)
			err = add_run(s, g->id, sector);
	for (row = 0; row < g->rows_used && !g->load_error && !err;
	     row = e.row + e.depth) {
		if (vfsr_stripe_at(&g->g, g->starts, g->rows_used, row, &e))
			break;
		nr = e.depth * g->g.k;
		for (sector = 0; sector < nr && !err; sector++)
			if (bad[e.row + sector % e.depth] >>
				    (sector / e.depth) &
			    1)
				err = add_run(s, g->id,
					      e.row * g->g.k + sector);
	}
	return err;
}

static void *scrub_thread(void *arg)
{
	struct scrub *s = arg;
	struct vfsr_ws *ws = vfsr_ws_new();
	u32 *bad = malloc(MAX_ROWS * sizeof(*bad));

	pthread_mutex_lock(&s->lock);
	if (!ws || !bad)
		s->error = -ENOMEM;
	while (!s->error && s->next < s->pool->nr_grids) {
		struct vfsr_grid *g = &s->pool->grid[s->next++];
		u64 sectors = 0;
		int left;

		pthread_mutex_unlock(&s->lock);
		left = vfsr_scrub_grid(s->pool, g, s->opts->repair, bad,
				       &sectors, ws);
		pthread_mutex_lock(&s->lock);
		if (left < 0) {
			s->error = left;
			break;
		}
		s->stats->grids++;
		s->stats->sectors += sectors;
		s->stats->lost += (u64)left;
		if (left)
			s->error = collect(s, g, bad);
		if (s->opts->progress)
			vfsr_progress_set(&s->progress,
					  s->stats->sectors *
						  VFSR_SECTOR_BYTES);
	}
	pthread_mutex_unlock(&s->lock);
	free(bad);
	vfsr_ws_free(ws);
	return NULL;
}

static int by_place(const void *a, const void *b)
{
	const struct vfsr_lost_run *x = a, *y = b;

	if (x->grid != y->grid)
		return x->grid < y->grid ? -1 : 1;
	return x->sector < y->sector ? -1 : x->sector > y->sector;
}

static int run_threads(struct scrub *s)
{
	pthread_t thread[MAX_THREADS];
	unsigned int nr = s->opts->threads, i, started = 0;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (!nr)
		nr = cpus > 0 ? (unsigned int)cpus : 1;
	nr = min_t(unsigned int, nr, MAX_THREADS);
	nr = min_t(unsigned int, nr, max_t(u32, s->pool->nr_grids, 1));
	for (i = 1; i < nr; i++) {
		if (pthread_create(&thread[started], NULL, scrub_thread, s))
			break;
		started++;
	}
	scrub_thread(s);
	for (i = 0; i < started; i++)
		pthread_join(thread[i], NULL);
	return s->error;
}

/* Bytes that will be read: for the progress line. */
static u64 expected(const struct vfsr_pool *p)
{
	u64 total = 0;
	u32 i;

	for (i = 0; i < p->nr_grids; i++)
		total += (u64)p->grid[i].g.n << p->grid[i].g.strip_shift;
	return total;
}

/* Flush what was repaired. 0, or the first error after all were flushed. */
static int flush_members(struct vfsr_pool *p)
{
	int first = 0, err;
	unsigned int m;

	for (m = 0; m < VFSR_MAX_MEMBERS; m++) {
		err = p->dev[m] ? vfsr_dev_sync(p->dev[m]) : 0;
		if (!err)
			continue;
		vfsr_error(
			"%s: flush failed: %s; what was repaired may not last, replace the device",
			p->dev[m]->path, strerror(-err));
		if (!first)
			first = err;
	}
	return first;
}

int vfsr_scrub(struct vfsr_pool *p, const struct vfsr_scrub_opts *opts,
	       struct vfsr_scrub_stats *stats)
{
	struct scrub s = { .pool = p, .opts = opts, .stats = stats };
	double start = vfsr_now();
	struct vfsr_ws *ws;
	unsigned int m;
	int err;
	u32 i;

	memset(stats, 0, sizeof(*stats));
	pthread_mutex_init(&s.lock, NULL);
	vfsr_progress_begin(&s.progress,
			    opts->repair ? "repairing" : "verifying",
			    expected(p));
	err = run_threads(&s);
	vfsr_progress_end(&s.progress);
	stats->bytes = stats->sectors * VFSR_SECTOR_BYTES;
	stats->seconds = vfsr_now() - start;
	if (err)
		goto out;
	err = vfsr_scrub_roots(p, opts->repair, stats);
	if (err)
		goto out;
	ws = vfsr_ws_new();
	err = ws ? 0 : -ENOMEM;
	for (i = 0; i < p->nr_grids && !err; i++) {
		int n = vfsr_grid_heal_trailers(p, &p->grid[i], opts->repair,
						ws);

		if (n == -ENOMEM)
			err = n;
		if (n > 0)
			stats->trailers_bad += (u64)n;
	}
	vfsr_ws_free(ws);
	if (!err && s.nr) {
		qsort(s.run, s.nr, sizeof(*s.run), by_place);
		err = vfsr_scrub_names(p, s.run, s.nr, opts, stats);
	}
	if (!err && opts->repair)
		err = flush_members(p);
	for (m = 0; m < VFSR_MAX_MEMBERS; m++) {
		stats->bad += p->health[m].bad_sectors;
		stats->healed += p->health[m].healed_sectors;
		stats->written += p->health[m].written_sectors;
	}
out:
	free(s.run);
	pthread_mutex_destroy(&s.lock);
	return err;
}
