// SPDX-License-Identifier: GPL-2.0-only
/*
 * The check's driver: reads the map into memory, runs the parts, and compares
 * the record's counters with what they counted.
 */
#include <stdlib.h>

#include "lib/check_priv.h"

void vfsr_check_found(struct check *c, int dev, u64 grid, u64 ino,
		      const struct vfsr_fault *f)
{
	struct vfsr_finding finding = {
		.fault = *f,
		.dev = dev,
		.grid = grid,
		.ino = ino,
	};

	c->stats->findings++;
	c->opts->report(c->opts->ctx, &finding);
}

void vfsr_check_bad(struct check *c, enum vfsr_reason reason, int dev, u64 grid,
		    u64 ino, u64 have, u64 want)
{
	struct vfsr_fault f = { .reason = reason, .have = have, .want = want };

	vfsr_check_found(c, dev, grid, ino, &f);
}

struct check_id *vfsr_check_find(struct check *c, u64 id)
{
	size_t low = 0, high = c->nr;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (c->id[mid].id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low < c->nr && c->id[low].id == id ? &c->id[low] : NULL;
}

/* Add stored bytes to the grid that holds them. */
static void count_live(struct check *c, const struct vfsr_chunk *chunk)
{
	u64 grid = vfsr_place_grid(chunk->place);
	struct vfsr_grid *g = vfsr_pool_grid(c->pool, grid);

	c->stored_bytes += chunk->stored;
	if (!g) {
		vfsr_check_bad(c, VFSR_REASON_RANGE, -1, grid, chunk->id, grid,
			       c->pool->super->next_grid);
		return;
	}
	c->live[g - c->pool->grid] += chunk->stored;
}

static int visit_id(void *arg, const struct vfsr_chunk *chunk)
{
	struct check *c = arg;
	struct check_id *e;

	if (c->nr == c->room) {
		size_t room = c->room ? c->room * 2 : 4096;

		e = realloc(c->id, room * sizeof(*e));
		if (!e)
			return -ENOMEM;
		c->id = e;
		c->room = room;
	}
	e = &c->id[c->nr++];
	memset(e, 0, sizeof(*e));
	e->id = chunk->id;
	e->place = chunk->place;
	e->birth = chunk->birth;
	e->crc = chunk->crc;
	e->stored = chunk->stored;
	e->logical = chunk->logical;
	e->refs = chunk->refs;
	e->kind = chunk->kind;
	e->state = chunk->state;
	count_live(c, chunk);
	if (chunk->id >= c->pool->super->next_id)
		vfsr_check_bad(c, VFSR_REASON_RANGE, -1, 0, chunk->id,
			       chunk->id, c->pool->super->next_id);
	if (chunk->birth > c->pool->super->transaction)
		vfsr_check_bad(c, VFSR_REASON_ORDER, -1, 0, chunk->id,
			       chunk->birth, c->pool->super->transaction);
	return 0;
}

static int visit_page(void *arg, const struct vfsr_chunk *page)
{
	struct check *c = arg;

	c->stats->map_pages++;
	count_live(c, page);
	return 0;
}

static void counter(struct check *c, u64 have, u64 want)
{
	if (have != want)
		vfsr_check_bad(c, VFSR_REASON_COUNTER, -1, 0, 0, have, want);
}

static void check_counters(struct check *c)
{
	const struct vfsr_super *s = c->pool->super;
	u32 i;

	if (c->map_damaged)
		return;
	counter(c, s->nr_ids, c->nr);
	counter(c, s->nr_inodes, c->stats->inodes);
	counter(c, s->live_bytes, c->stored_bytes);
	if (!c->unread)
		counter(c, s->logical_bytes, c->logical_bytes);
	for (i = 0; i < c->pool->nr_grids; i++) {
		struct vfsr_grid *g = &c->pool->grid[i];

		if (g->live_bytes != c->live[i])
			vfsr_check_bad(c, VFSR_REASON_LIVE, -1, g->id, 0,
				       g->live_bytes, c->live[i]);
	}
}

int vfsr_check(struct vfsr_pool *p, const struct vfsr_check_opts *opts,
	       struct vfsr_check_stats *stats)
{
	struct check c = { .pool = p, .opts = opts, .stats = stats };
	int err = -ENOMEM;

	memset(stats, 0, sizeof(*stats));
	c.ws = vfsr_ws_new();
	c.live = calloc(p->nr_grids + 1u, sizeof(*c.live));
	if (!c.ws || !c.live)
		goto out;
	err = vfsr_check_members(&c);
	if (err)
		goto out;
	err = vfsr_map_walk(p, c.ws, visit_id, visit_page, &c);
	if (err == -ENOMEM)
		goto out;
	if (err) {
		const struct vfsr_fault *f = vfsr_ws_fault(c.ws);

		c.map_damaged = true;
		vfsr_check_found(&c, -1, vfsr_place_grid(p->super->map_place),
				 f->where, f);
	}
	err = vfsr_check_trees(&c);
	if (err)
		goto out;
	err = vfsr_check_grids(&c);
	if (err)
		goto out;
	check_counters(&c);
out:
	free(c.id);
	free(c.live);
	free(c.places);
	vfsr_ws_free(c.ws);
	return err;
}
