// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where grids go: the n devices with most free strips, the lowest free strip
 * of each. With fewer devices than columns no device gets more than its even
 * share, or the pool would not survive what the summary of mkfs promises. On
 * one device the strips are neighbours where there are enough.
 *
 * Runs on the caller's thread alone; equal tables give equal places.
 */
#include <stdlib.h>

#include "lib/wr_priv.h"

/* May a member get new strips? */
static bool usable(const struct vfsr_writer *w, unsigned int i)
{
	return w->dev[i] && w->s->member[i].state == VFSR_MEMBER_ACTIVE;
}

static bool is_free(const struct vfsr_writer *w, unsigned int dev, u32 strip)
{
	return !w->strips[dev][strip].grid;
}

void wr_alloc_init(struct vfsr_writer *w)
{
	unsigned int i;
	u32 strip;

	for (i = 0; i < w->s->nr_members; i++) {
		if (!usable(w, i))
			continue;
		for (strip = 0; strip < w->s->member[i].nr_strips; strip++)
			w->nr_free[i] += is_free(w, i, strip);
	}
}

/* Skip used strips at the start of the table. */
static u32 first_free(struct vfsr_writer *w, unsigned int dev)
{
	u32 strip = w->first_free[dev];

	while (strip < w->s->member[dev].nr_strips && !is_free(w, dev, strip))
		strip++;
	w->first_free[dev] = strip;
	return strip;
}

/* The lowest run of @n free neighbours; false if there is none. */
static bool find_run(struct vfsr_writer *w, unsigned int dev, unsigned int n,
		     u32 *start)
{
	u32 nr_strips = w->s->member[dev].nr_strips;
	u32 strip, run = 0;

	for (strip = first_free(w, dev); strip < nr_strips; strip++) {
		run = is_free(w, dev, strip) ? run + 1 : 0;
		if (run == n) {
			*start = strip + 1 - n;
			return true;
		}
	}
	return false;
}

/* Device for one more column: least columns, then most free, then lowest. */
static int next_device(const struct vfsr_writer *w, const u8 *taken,
		       unsigned int share)
{
	unsigned int i;
	int best = -1;

	for (i = 0; i < w->s->nr_members; i++) {
		if (!usable(w, i) || taken[i] == share ||
		    w->nr_free[i] <= taken[i])
			continue;
		if (best < 0 || taken[i] < taken[best] ||
		    (taken[i] == taken[best] &&
		     w->nr_free[i] - taken[i] > w->nr_free[best] - taken[best]))
			best = (int)i;
	}
	return best;
}

static unsigned int nr_usable(const struct vfsr_writer *w, unsigned int *last)
{
	unsigned int i, nr = 0;

	for (i = 0; i < w->s->nr_members; i++) {
		if (!usable(w, i))
			continue;
		*last = i;
		nr++;
	}
	return nr;
}

/* All columns as neighbours on one device. */
static bool place_run(struct vfsr_writer *w, unsigned int dev,
		      struct wr_grid *grid, unsigned int n)
{
	unsigned int c;
	u32 start;

	if (!find_run(w, dev, n, &start))
		return false;
	for (c = 0; c < n; c++) {
		grid->device[c] = (u8)dev;
		grid->strip[c] = start + c;
	}
	return true;
}

/*
 * Columns over devices. Which column goes to which of the chosen devices turns
 * with the grid's id, so that reads (of data columns) use all of them.
 */
static int place_spread(struct vfsr_writer *w, struct wr_grid *grid,
			unsigned int n, unsigned int nr_devs)
{
	unsigned int share = DIV_ROUND_UP(n, nr_devs);
	u8 taken[VFSR_MAX_MEMBERS] = { 0 };
	u32 next[VFSR_MAX_MEMBERS];
	u8 pick[VFSR_MAX_COLUMNS];
	unsigned int c;

	for (c = 0; c < n; c++) {
		int dev = next_device(w, taken, share);

		if (dev < 0)
			return -ENOSPC;
		if (!taken[dev]++)
			next[dev] = first_free(w, (unsigned int)dev);
		pick[c] = (u8)dev;
	}
	for (c = 0; c < n; c++) {
		unsigned int dev = pick[nr_devs > 1 ? (c + grid->id) % n : c];

		while (!is_free(w, dev, next[dev]))
			next[dev]++;
		grid->device[c] = (u8)dev;
		grid->strip[c] = next[dev]++;
	}
	return 0;
}

static int place(struct vfsr_writer *w, struct wr_grid *grid, unsigned int n,
		 u8 *layout)
{
	unsigned int only = 0, nr_devs = nr_usable(w, &only);

	*layout = VFSR_LAYOUT_SPREAD;
	if (!nr_devs)
		return -ENOSPC;
	if (nr_devs == 1 && place_run(w, only, grid, n)) {
		*layout = w->s->layout;
		return 0;
	}
	return place_spread(w, grid, n, nr_devs);
}

/* Write the grid into the tables. It is sealed when they reach the disk. */
static void mark_strips(struct vfsr_writer *w, const struct wr_grid *grid)
{
	unsigned int c;

	for (c = 0; c < grid->g.n; c++) {
		unsigned int dev = grid->device[c];

		w->nr_free[dev]--;
		w->strips[dev][grid->strip[c]] = (struct vfsr_strip){
			.grid = grid->id,
			.transaction = w->transaction,
			.policy = grid->policy,
			.column = (u8)c,
			.state = VFSR_STRIP_SEALED,
			.layout = grid->g.layout,
			.use = grid->use,
		};
	}
}

int wr_grid_new(struct vfsr_writer *w, unsigned int use, struct wr_grid **out)
{
	const struct vfsr_policy *p = &w->stream[use].policy;
	struct wr_grid *grid;
	size_t tail_bytes;
	u8 layout;
	int err;

	if (w->s->next_grid > VFSR_MAX_GRID)
		return -EOVERFLOW;
	grid = calloc(1, sizeof(*grid));
	if (!grid)
		return -ENOMEM;
	grid->id = w->s->next_grid;
	grid->policy = *p;
	grid->use = wr_stream_use(use);
	err = place(w, grid, p->k + p->m, &layout);
	if (!err)
		err = vfsr_geometry_init(&grid->g, p, w->s->strip_shift, layout,
					 NULL);
	if (err)
		goto fail;
	tail_bytes = (size_t)grid->g.n * (grid->g.r + 1u) * VFSR_SECTOR_BYTES;
	grid->tail = aligned_alloc(VFSR_SECTOR_BYTES, tail_bytes);
	err = -ENOMEM;
	if (!grid->tail)
		goto fail;
	memset(grid->tail, 0, tail_bytes);
	pthread_mutex_init(&grid->lock, NULL);
	atomic_init(&grid->refs, 1);
	mark_strips(w, grid);
	w->s->next_grid++;
	w->stats.grids++;
	w->stats.raw_used_bytes += tail_bytes;
	*out = grid;
	return 0;
fail:
	free(grid);
	return err;
}
