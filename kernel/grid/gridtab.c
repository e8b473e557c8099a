// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of grids: its life, finding grids, where their sectors are, live
 * bytes, and plain I/O to strips.
 *
 * A grid is looked up under RCU and held by reference; the table holds one.
 * Geometry and known columns are constant once a grid is in the table; columns
 * that nobody knew are learnt under load_lock, before `loaded` is set. live_lock
 * is innermost and guards membership of live_list alone; whoever takes grids off
 * that list does so at a commit or at the end, when nobody adds any.
 */
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "grid/grid_priv.h"

/* --- grids --- */

struct vfsr_grid *vfsr_grid_alloc(u64 id, const struct vfsr_geometry *g,
				  const struct vfsr_policy *policy, u8 use,
				  u8 state)
{
	struct vfsr_grid *grid =
		kzalloc(struct_size(grid, col, g->n), GFP_NOFS);

	if (!grid)
		return NULL;
	grid->id = id;
	grid->g = *g;
	grid->policy = *policy;
	grid->use = use;
	grid->state = state;
	refcount_set(&grid->refs, 1);
	atomic64_set(&grid->live, 0);
	INIT_LIST_HEAD(&grid->live_link);
	mutex_init(&grid->load_lock);
	return grid;
}

struct vfsr_grid *vfsr_grid_get(struct vfsr_grids *gs, u64 id)
{
	struct vfsr_grid *g;

	rcu_read_lock();
	g = xa_load(&gs->table, id);
	if (g && !refcount_inc_not_zero(&g->refs))
		g = NULL;
	rcu_read_unlock();
	return g;
}

void vfsr_grid_put(struct vfsr_grid *g)
{
	if (!g || !refcount_dec_and_test(&g->refs))
		return;
	vfsr_open_free(g);
	kvfree(g->starts);
	kvfree(g->parity_crc);
	mutex_destroy(&g->load_lock);
	kfree_rcu(g, rcu);
}

struct vfsr_grid *vfsr_grid_next(struct vfsr_grids *gs, u64 id)
{
	unsigned long index = id;
	struct vfsr_grid *g;

	rcu_read_lock();
	g = xa_find(&gs->table, &index, ULONG_MAX, XA_PRESENT);
	while (g && !refcount_inc_not_zero(&g->refs))
		g = xa_find_after(&gs->table, &index, ULONG_MAX, XA_PRESENT);
	rcu_read_unlock();
	return g;
}

bool vfsr_grids_incomplete(const struct vfsr_grids *gs)
{
	const struct vfsr_pool *p = gs->pool;
	unsigned int i;

	for (i = 0; i < p->nr_devs; i++)
		if (p->dev[i] && (!p->dev[i]->file || p->dev[i]->no_table))
			return true;
	return false;
}

/* --- places --- */

struct vfsr_dev *vfsr_grid_pos_run(struct vfsr_grids *gs,
				   const struct vfsr_grid *g,
				   const struct vfsr_extent_rows *rows, u32 col,
				   u32 row, u32 nr, u64 *sector, u32 *len)
{
	struct vfsr_strip_pos at = vfsr_row_place(&g->g, rows, col, row);
	const struct vfsr_column *c;
	struct vfsr_dev *d;

	*sector = 0;
	*len = 1;
	if (at.strip >= g->g.n || at.sector >= g->g.strip_sectors)
		return NULL;
	*len = min(nr, g->g.strip_sectors - at.sector);
	c = &g->col[at.strip];
	if (!c->known || c->device >= gs->pool->nr_devs)
		return NULL;
	d = gs->pool->dev[c->device];
	if (!d || !d->file || c->strip >= d->nr_strips)
		return NULL;
	*sector = vfsr_strip_sector(d, c->strip) + at.sector;
	return d;
}

struct vfsr_dev *vfsr_grid_pos(struct vfsr_grids *gs, const struct vfsr_grid *g,
			       const struct vfsr_extent_rows *rows, u32 col,
			       u32 row, u64 *sector)
{
	u32 len;

	return vfsr_grid_pos_run(gs, g, rows, col, row, 1, sector, &len);
}

static int strip_io(struct vfsr_grids *gs, const struct vfsr_grid *g, u32 col,
		    u32 strip_sector, u32 nr, void *buf, blk_opf_t op)
{
	struct vfsr_io io = { .buf = buf, .nr_sectors = nr };
	const struct vfsr_column *c;

	if (col >= g->g.n || !nr || strip_sector >= g->g.strip_sectors ||
	    nr > g->g.strip_sectors - strip_sector)
		return -EINVAL;
	c = &g->col[col];
	if (!c->known || c->device >= gs->pool->nr_devs)
		return -ENODEV;
	io.dev = gs->pool->dev[c->device];
	if (!vfsr_dev_usable(io.dev) || c->strip >= io.dev->nr_strips)
		return -ENODEV;
	io.sector = vfsr_strip_sector(io.dev, c->strip) + strip_sector;
	return vfsr_io_run(&io, 1, op);
}

int vfsr_grid_sector_read(struct vfsr_grids *gs, const struct vfsr_grid *g,
			  u32 col, u32 strip_sector, u32 nr, void *buf)
{
	return strip_io(gs, g, col, strip_sector, nr, buf, REQ_OP_READ);
}

int vfsr_grid_sector_write(struct vfsr_grids *gs, const struct vfsr_grid *g,
			   u32 col, u32 strip_sector, u32 nr, void *buf)
{
	int err = strip_io(gs, g, col, strip_sector, nr, buf,
			   REQ_OP_WRITE | REQ_SYNC);

	vfsr_labels_forget(gs, g->id);
	return err;
}

/* --- live bytes --- */

void vfsr_grids_live_add(struct vfsr_grids *gs, u64 place, s64 bytes)
{
	struct vfsr_grid *g;

	rcu_read_lock();
	g = xa_load(&gs->table, vfsr_place_grid(place));
	if (!g)
		goto out;
	atomic64_add(bytes, &g->live);
	atomic64_add(bytes, &gs->live_bytes);
	if (READ_ONCE(g->live_dirty))
		goto out;
	spin_lock(&gs->live_lock);
	/* a grid that was taken out of the table meanwhile has no list */
	if (!g->live_dirty && refcount_read(&g->refs) &&
	    xa_load(&gs->table, g->id) == g) {
		g->live_dirty = true;
		list_add_tail(&g->live_link, &gs->live_list);
	}
	spin_unlock(&gs->live_lock);
out:
	rcu_read_unlock();
}

/* Tell every column's member how much of the grid is live. */
static void flush_one(struct vfsr_grids *gs, const struct vfsr_grid *g)
{
	s64 live = clamp_t(s64, atomic64_read(&g->live), 0, U32_MAX);
	struct vfsr_dev *d;
	u32 col;

	for (col = 0; col < g->g.n; col++) {
		const struct vfsr_column *c = &g->col[col];

		if (!c->known || c->device >= gs->pool->nr_devs)
			continue;
		d = gs->pool->dev[c->device];
		if (!d || !d->live || c->strip >= d->nr_strips ||
		    READ_ONCE(d->live[c->strip]) == (u32)live)
			continue;
		vfsr_member_set_live(d, c->strip, (u32)live);
	}
}

void vfsr_grids_live_flush(struct vfsr_grids *gs)
{
	struct vfsr_grid *g, *next;
	LIST_HEAD(changed);
	LIST_HEAD(empty);

	/* who is on a list stays marked, so nobody adds it a second time */
	spin_lock(&gs->live_lock);
	list_splice_init(&gs->live_list, &changed);
	spin_unlock(&gs->live_lock);
	list_for_each_entry_safe(g, next, &changed, live_link) {
		flush_one(gs, g);
		if (atomic64_read(&g->live) <= 0) {
			list_move_tail(&g->live_link, &empty);
			continue;
		}
		spin_lock(&gs->live_lock);
		list_del_init(&g->live_link);
		g->live_dirty = false;
		spin_unlock(&gs->live_lock);
	}
	spin_lock(&gs->live_lock);
	list_splice(&empty, &gs->live_list);
	spin_unlock(&gs->live_lock);
}

/* What the tables counted. Grids that may be freed go to the live list, where
 * vfsr_grids_free_empty() looks. */
static void count_live(struct vfsr_grids *gs)
{
	struct vfsr_grid *g;
	unsigned long id;
	s64 sum = 0;

	xa_for_each(&gs->table, id, g) {
		s64 live = atomic64_read(&g->live);

		sum += live;
		if (live)
			continue;
		spin_lock(&gs->live_lock);
		g->live_dirty = true;
		list_add_tail(&g->live_link, &gs->live_list);
		spin_unlock(&gs->live_lock);
	}
	atomic64_set(&gs->live_bytes, sum);
}

/* --- life --- */

static struct vfsr_grids *grids_alloc(struct vfsr_pool *p)
{
	struct vfsr_grids *gs = kzalloc(sizeof(*gs), GFP_KERNEL);

	if (!gs)
		return NULL;
	gs->pool = p;
	gs->ops = vfsr_parity_best();
	xa_init(&gs->table);
	spin_lock_init(&gs->lock);
	spin_lock_init(&gs->live_lock);
	INIT_LIST_HEAD(&gs->live_list);
	INIT_LIST_HEAD(&gs->open_list);
	init_waitqueue_head(&gs->wait);
	vfsr_wait_init(&gs->flight, "vfsr stripe");
	vfsr_wait_init(&gs->sealing, "vfsr seal");
	gs->next_grid = p->super->next_grid;
	return gs;
}

/* Drop all grids; nobody else holds any. */
static void drop_table(struct vfsr_grids *gs)
{
	struct vfsr_grid *g, *next;
	unsigned long id;

	list_for_each_entry_safe(g, next, &gs->live_list, live_link) {
		list_del_init(&g->live_link);
		g->live_dirty = false;
	}
	xa_for_each(&gs->table, id, g) {
		xa_erase(&gs->table, id);
		WARN_ON_ONCE(refcount_read(&g->refs) != 1);
		vfsr_grid_put(g);
	}
	xa_destroy(&gs->table);
}

int vfsr_grids_new(struct vfsr_pool *p, struct vfsr_grids **out)
{
	struct vfsr_grids *gs = grids_alloc(p);
	int err;

	if (!gs)
		return -ENOMEM;
	err = vfsr_reader_init(gs);
	if (err)
		goto no_reader;
	err = vfsr_stripes_init(gs);
	if (err)
		goto no_stripes;
	err = vfsr_grids_claim(gs);
	if (!err)
		err = vfsr_grids_open_list(gs);
	if (err)
		goto no_place;
	vfsr_grids_teach(gs);
	count_live(gs);
	err = vfsr_place_init(gs);
	if (err)
		goto no_place;
	*out = gs;
	return 0;
no_place:
	vfsr_stripes_exit(gs);
no_stripes:
	drop_table(gs);
	vfsr_reader_exit(gs);
no_reader:
	kfree(gs);
	return err;
}

void vfsr_grids_free(struct vfsr_grids *gs)
{
	if (!gs)
		return;
	vfsr_grids_stop(gs);
	vfsr_stripes_exit(gs);
	vfsr_place_exit(gs);
	drop_table(gs);
	vfsr_reader_exit(gs);
	kfree(gs);
}
