// SPDX-License-Identifier: GPL-2.0-only
/*
 * From strip tables and record to the table of grids, at mount.
 *
 * Every strip in use is a claim: this strip is that column of that grid. Claims
 * of members that took part in the last commit come first; those of stale
 * members only fill gaps. Open grids are what the record says. Memory grows with
 * what the tables really hold, never with a count that a block states.
 *
 * Runs alone, before anything else uses the pool: no locks are needed.
 */
#include <linux/sched.h>
#include <linux/slab.h>

#include "grid/grid_priv.h"

/* In the table by claims of stale members alone. */
#define STALE_ONLY XA_MARK_0

static void complain(struct vfsr_grids *gs, int dev, u64 grid,
		     const struct vfsr_fault *f)
{
	struct vfsr_where at = { .dev = dev, .grid = grid };

	vfsr_report(gs->pool->name, &at, f);
}

/* Has the member a table? (With no_table: what could be read of it.) */
static bool has_table(const struct vfsr_dev *d)
{
	return d && d->file && d->strip;
}

/* Is its table all of the last commit's? */
static bool has_right_table(const struct vfsr_dev *d)
{
	return has_table(d) && !d->no_table && !d->stale;
}

/* The grid that a strip names, made if need be. NULL with 0: a claim that
 * cannot be. */
static int claimed_grid(struct vfsr_grids *gs, struct vfsr_dev *d, u32 strip,
			const struct vfsr_strip *s, struct vfsr_grid **out)
{
	struct vfsr_geometry geometry;
	struct vfsr_fault f = { 0 };
	struct vfsr_grid *g = xa_load(&gs->table, s->grid);
	int err;

	*out = NULL;
	if (vfsr_geometry_init(&geometry, &s->policy,
			       gs->pool->super->strip_shift, s->layout, &f) ||
	    s->grid > VFSR_MAX_GRID || s->column >= geometry.n ||
	    s->use >= VFSR_NR_USES) {
		if (!f.reason)
			vfsr_fault_set(&f, VFSR_REASON_STRIP, s->column,
				       geometry.n);
		complain(gs, (int)d->index, s->grid, &f);
		return 0;
	}
	if (g && !vfsr_same_geometry(&g->g, &geometry)) {
		vfsr_fault_set(&f, VFSR_REASON_STRIP, strip, g->g.n);
		complain(gs, (int)d->index, s->grid, &f);
		return 0;
	}
	if (!g) {
		g = vfsr_grid_alloc(s->grid, &geometry, &s->policy, s->use,
				    s->state);
		if (!g)
			return -ENOMEM;
		err = xa_err(xa_store(&gs->table, g->id, g, GFP_KERNEL));
		if (err) {
			vfsr_grid_put(g);
			return err;
		}
		if (d->stale)
			xa_set_mark(&gs->table, g->id, STALE_ONLY);
		if (d->live)
			atomic64_set(&g->live, d->live[strip]);
		gs->next_grid = max(gs->next_grid, g->id + 1);
	}
	*out = g;
	return 0;
}

static int claim_strip(struct vfsr_grids *gs, struct vfsr_dev *d, u32 strip)
{
	const struct vfsr_strip *s = &d->strip[strip];
	struct vfsr_fault f = { 0 };
	struct vfsr_column *c;
	struct vfsr_grid *g;
	int err;

	if (!s->grid || s->state == VFSR_STRIP_FREE)
		return 0;
	err = claimed_grid(gs, d, strip, s, &g);
	if (!g)
		return err;
	c = &g->col[s->column];
	if (c->known) {
		/* a stale member's older claim is no surprise */
		if (d->stale)
			return 0;
		vfsr_fault_set(&f, VFSR_REASON_TWICE, strip, c->strip);
		complain(gs, (int)d->index, s->grid, &f);
		return 0;
	}
	c->strip = strip;
	c->device = (u8)d->index;
	c->known = true;
	return 0;
}

static int claim_member(struct vfsr_grids *gs, struct vfsr_dev *d)
{
	u32 strip;
	int err;

	for (strip = 0; strip < d->nr_strips; strip++) {
		err = claim_strip(gs, d, strip);
		if (err)
			return err;
		if (strip % 4096 == 0)
			cond_resched();
	}
	return 0;
}

int vfsr_grids_claim(struct vfsr_grids *gs)
{
	struct vfsr_pool *p = gs->pool;
	unsigned int i, stale;
	int err;

	for (stale = 0; stale < 2; stale++)
		for (i = 0; i < p->nr_devs; i++) {
			if (!has_table(p->dev[i]) || p->dev[i]->stale != stale)
				continue;
			err = claim_member(gs, p->dev[i]);
			if (err)
				return err;
		}
	return 0;
}

/* --- the record's open list --- */

/* Do the tables of members that took part in the last commit agree? */
static bool open_agrees(struct vfsr_grids *gs, const struct vfsr_open_grid *o,
			u32 n, struct vfsr_where *at, struct vfsr_fault *f)
{
	const struct vfsr_strip *s;
	struct vfsr_dev *d;
	u32 col;

	for (col = 0; col < n; col++) {
		at->dev = o->device[col];
		if (o->device[col] >= gs->pool->nr_devs)
			return vfsr_fault_set(f, VFSR_REASON_RANGE,
					      o->device[col],
					      gs->pool->nr_devs);
		d = gs->pool->dev[o->device[col]];
		if (!d || o->strip[col] >= d->nr_strips)
			return vfsr_fault_set(f, VFSR_REASON_RANGE,
					      o->strip[col],
					      d ? d->nr_strips : 0);
		if (!has_right_table(d))
			continue;
		s = &d->strip[o->strip[col]];
		if (s->grid != o->grid || s->column != col)
			return vfsr_fault_set(f, VFSR_REASON_STRIP, s->grid,
					      o->grid);
	}
	return true;
}

static int open_grid(struct vfsr_grids *gs, const struct vfsr_open_grid *o)
{
	struct vfsr_grid *g = xa_load(&gs->table, o->grid);
	struct vfsr_where at = { .dev = -1, .grid = o->grid };
	struct vfsr_geometry geometry;
	struct vfsr_fault f = { 0 };
	u32 col;
	int err;

	if (vfsr_geometry_init(&geometry, &o->policy,
			       gs->pool->super->strip_shift, o->layout, &f) ||
	    !vfsr_starts_ok(&geometry, o->starts, o->rows_used, &f) ||
	    !open_agrees(gs, o, geometry.n, &at, &f))
		goto bad;
	if (g && (!vfsr_same_geometry(&g->g, &geometry) || g->open)) {
		vfsr_fault_set(&f, VFSR_REASON_STRIP, g->g.n, geometry.n);
		goto bad;
	}
	if (!g) {
		g = vfsr_grid_alloc(o->grid, &geometry, &o->policy, o->use,
				    VFSR_STRIP_OPEN);
		if (!g)
			return -ENOMEM;
		err = xa_err(xa_store(&gs->table, g->id, g, GFP_KERNEL));
		if (err) {
			vfsr_grid_put(g);
			return err;
		}
		gs->next_grid = max(gs->next_grid, g->id + 1);
	}
	xa_clear_mark(&gs->table, g->id, STALE_ONLY);
	g->use = o->use;
	g->state = o->reserved ? VFSR_STRIP_RESERVED : VFSR_STRIP_OPEN;
	for (col = 0; col < g->g.n; col++) {
		g->col[col].strip = o->strip[col];
		g->col[col].device = o->device[col];
		g->col[col].known = true;
	}
	return vfsr_open_init(gs, g, o->reserved ? 0 : o->rows_used, o->starts,
			      true);
bad:
	vfsr_report(gs->pool->name, &at, &f);
	return -EUCLEAN;
}

static bool all_known(const struct vfsr_grid *g)
{
	u32 col;

	for (col = 0; col < g->g.n; col++)
		if (!g->col[col].known)
			return false;
	return true;
}

/*
 * A grid that only stale members know, and not wholly, while every other
 * member is there: it was freed while they were away. (Grids with a column on
 * a missing member are kept, but not in the commit during which it fails.)
 */
static void drop_outdated(struct vfsr_grids *gs)
{
	struct vfsr_grid *g;
	unsigned long id;
	u32 nr = 0;

	if (vfsr_grids_incomplete(gs))
		return;
	xa_for_each_marked(&gs->table, id, g, STALE_ONLY) {
		if (g->open || all_known(g))
			continue;
		xa_erase(&gs->table, id);
		vfsr_grid_put(g);
		nr++;
		cond_resched();
	}
	if (nr)
		vfsr_info(
			gs->pool->name,
			"dropped %u grids that only a stale member still knew",
			nr);
}

/*
 * Reserved and open strips of grids that the record does not list: left by a
 * member that was away. Their stripes, if any, are found by footers; without
 * live bytes the grid is freed at the next commit.
 */
static void settle_zombies(struct vfsr_grids *gs)
{
	struct vfsr_grid *g;
	unsigned long id;
	u32 nr = 0;

	xa_for_each(&gs->table, id, g) {
		if (g->open || g->state == VFSR_STRIP_SEALED)
			continue;
		g->state = VFSR_STRIP_SEALED;
		nr++;
	}
	if (nr)
		vfsr_info(
			gs->pool->name,
			"%u grids are reserved or open in strip tables and not in the record; taken as sealed",
			nr);
}

int vfsr_grids_open_list(struct vfsr_grids *gs)
{
	const struct vfsr_super *s = gs->pool->super;
	unsigned int i;
	int err;

	for (i = 0; i < s->nr_open; i++) {
		err = open_grid(gs, &s->open[i]);
		if (err)
			return err;
	}
	drop_outdated(gs);
	settle_zombies(gs);
	return 0;
}

/* --- members that were away --- */

/* A member without a table that can be read whole cannot be taught: grids that it
 * alone knew are not known at all. */
static bool needs_teaching(const struct vfsr_dev *d)
{
	return has_table(d) && d->stale && !d->no_table;
}

/*
 * Find columns on members whose tables don't tell: trailers of the other
 * columns do. Returns whether all are known now.
 */
static bool learn_columns(struct vfsr_grids *gs)
{
	struct vfsr_grid *g;
	unsigned long id;
	bool all = true;

	xa_for_each(&gs->table, id, g) {
		if (all_known(g))
			continue;
		if (vfsr_grid_load(gs, g) || !all_known(g))
			all = false;
		cond_resched();
	}
	return all;
}

/* Free what a table calls in use and no grid has. */
static void unlearn_strips(struct vfsr_grids *gs, struct vfsr_dev *d)
{
	static const struct vfsr_strip none;
	u32 strip;

	for (strip = 0; strip < d->nr_strips; strip++) {
		const struct vfsr_strip *s = &d->strip[strip];
		const struct vfsr_column *c;
		struct vfsr_grid *g;

		if (!s->grid)
			continue;
		g = xa_load(&gs->table, s->grid);
		c = g && s->column < g->g.n ? &g->col[s->column] : NULL;
		if (c && c->known && c->device == d->index && c->strip == strip)
			continue;
		vfsr_member_set_strip(d, strip, &none);
		vfsr_member_set_live(d, strip, 0);
		if (strip % 4096 == 0)
			cond_resched();
	}
}

static void teach_column(struct vfsr_grids *gs, const struct vfsr_grid *g,
			 u32 col)
{
	const struct vfsr_column *c = &g->col[col];
	struct vfsr_dev *d = gs->pool->dev[c->device];
	struct vfsr_strip s = {
		.grid = g->id,
		.transaction = gs->pool->super->transaction,
		.policy = g->policy,
		.column = (u8)col,
		.state = g->state,
		.layout = g->g.layout,
		.use = g->use,
	};

	if (!c->known || !needs_teaching(d) || c->strip >= d->nr_strips)
		return;
	if (d->strip[c->strip].grid == g->id &&
	    d->strip[c->strip].state == g->state)
		s.transaction = d->strip[c->strip].transaction;
	vfsr_member_set_strip(d, c->strip, &s);
	vfsr_member_set_live(d, c->strip, (u32)atomic64_read(&g->live));
}

static void teach_members(struct vfsr_grids *gs)
{
	struct vfsr_pool *p = gs->pool;
	struct vfsr_grid *g;
	unsigned long id;
	unsigned int i;
	u32 col;

	for (i = 0; i < p->nr_devs; i++)
		if (needs_teaching(p->dev[i]))
			unlearn_strips(gs, p->dev[i]);
	xa_for_each(&gs->table, id, g) {
		for (col = 0; col < g->g.n; col++)
			teach_column(gs, g, col);
		cond_resched();
	}
	for (i = 0; i < p->nr_devs; i++)
		if (needs_teaching(p->dev[i]))
			vfsr_member_dirty_all(p->dev[i]);
}

/*
 * Bring the tables of members that missed commits up to date, in memory: the
 * next commit, if there is one, writes them. If some columns cannot be found,
 * such a table would call strips free that are not: then it counts as one that
 * cannot be read, so that nothing new is placed there.
 */
void vfsr_grids_teach(struct vfsr_grids *gs)
{
	struct vfsr_pool *p = gs->pool;
	bool any = false;
	unsigned int i;

	for (i = 0; i < p->nr_devs; i++)
		any |= needs_teaching(p->dev[i]);
	if (!any)
		return;
	if (learn_columns(gs)) {
		teach_members(gs);
		return;
	}
	for (i = 0; i < p->nr_devs; i++) {
		if (!needs_teaching(p->dev[i]))
			continue;
		p->dev[i]->no_table = true;
		vfsr_warn(
			p->name,
			"dev=%u (%s): not all of its strips could be found; no new data goes there, attach missing devices",
			i, p->dev[i]->path);
	}
}
