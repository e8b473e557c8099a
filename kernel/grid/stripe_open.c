// SPDX-License-Identifier: GPL-2.0-only
/*
 * The list of open and reserved grids: what is on it, when grids leave it, and
 * what records say of it.
 *
 * Grids come onto the list when they are reserved or at mount, and leave it at a
 * commit: sealed ones, and those that lost a column before their first stripe. The
 * list and the flags are under grids->lock. The table's reference keeps a
 * grid on the list alive. Records are filled under the pool's record_lock, so one
 * commit and one reservation never mix.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "grid/stripe_priv.h"

/* --- life --- */

int vfsr_open_init(struct vfsr_grids *gs, struct vfsr_grid *g, u32 rows_used,
		   const u8 *starts, bool durable)
{
	struct vfsr_open *o = kzalloc(sizeof(*o), GFP_NOFS);

	if (!o)
		return -ENOMEM;
	if (!g->starts)
		g->starts = kvzalloc(VFSR_BITMAP_BYTES, GFP_NOFS);
	if (!g->starts) {
		kfree(o);
		return -ENOMEM;
	}
	if (starts)
		memcpy(g->starts, starts, VFSR_BITMAP_BYTES);
	g->rows_used = rows_used;
	o->gs = gs;
	o->grid = g;
	mutex_init(&o->lock);
	mutex_init(&o->colpar_lock);
	o->parity_from = rows_used;
	INIT_LIST_HEAD(&o->flying);
	o->durable = durable;
	INIT_WORK(&o->seal, vfsr_seal_work);
	g->frozen = vfsr_grid_nr_lost(gs, g) > 0;
	g->open = o;
	smp_store_release(&g->loaded, true);
	spin_lock(&gs->lock);
	list_add_tail(&o->link, &gs->open_list);
	gs->nr_open++;
	spin_unlock(&gs->lock);
	return 0;
}

static void leave_list(struct vfsr_open *o)
{
	lockdep_assert_held(&o->gs->lock);
	list_del_init(&o->link);
	o->durable = false;
	o->gs->nr_open--;
}

void vfsr_open_free(struct vfsr_grid *g)
{
	struct vfsr_open *o = g->open;

	if (!o)
		return;
	/* still listed only when all grids are dropped at the end */
	if (!list_empty(&o->link)) {
		spin_lock(&o->gs->lock);
		leave_list(o);
		spin_unlock(&o->gs->lock);
	}
	WARN_ON_ONCE(!list_empty(&o->flying));
	vfree(o->colpar);
	mutex_destroy(&o->colpar_lock);
	mutex_destroy(&o->lock);
	g->open = NULL;
	kfree(o);
}

/* --- columns --- */

u32 vfsr_grid_nr_lost(const struct vfsr_grids *gs, const struct vfsr_grid *g)
{
	u32 col, nr = 0;

	for (col = 0; col < g->g.n; col++) {
		const struct vfsr_column *c = &g->col[col];

		if (!c->known || c->device >= gs->pool->nr_devs ||
		    !vfsr_dev_usable(gs->pool->dev[c->device]))
			nr++;
	}
	return nr;
}

void vfsr_opens_freeze(struct vfsr_grids *gs)
{
	struct vfsr_open *o;

	spin_lock(&gs->lock);
	list_for_each_entry(o, &gs->open_list, link)
		if (vfsr_grid_nr_lost(gs, o->grid))
			WRITE_ONCE(o->grid->frozen, true);
	spin_unlock(&gs->lock);
}

u32 vfsr_open_depth(const struct vfsr_grid *g)
{
	const struct vfsr_open *o = g->open;
	u32 rows;

	if (!o || READ_ONCE(o->finished) || READ_ONCE(g->frozen) ||
	    vfsr_grid_nr_lost(o->gs, g))
		return 0;
	rows = min(g->g.depth, g->g.data_rows - READ_ONCE(g->rows_used));
	return rows * g->g.k < VFSR_MIN_STRIPE_SECTORS ? 0 : rows;
}

/* --- strip tables and records --- */

/* Tell the tables of all columns; VFSR_STRIP_FREE empties the entries. */
static void set_state(struct vfsr_grids *gs, struct vfsr_grid *g, u8 state,
		      u64 transaction)
{
	struct vfsr_strip s = { 0 };
	u32 col;

	spin_lock(&gs->lock);
	g->state = state;
	spin_unlock(&gs->lock);
	for (col = 0; col < g->g.n; col++) {
		const struct vfsr_column *c = &g->col[col];

		if (!c->known || c->device >= gs->pool->nr_devs ||
		    !gs->pool->dev[c->device])
			continue;
		if (state != VFSR_STRIP_FREE)
			s = (struct vfsr_strip){
				.grid = g->id,
				.transaction = transaction,
				.policy = g->policy,
				.column = (u8)col,
				.state = state,
				.layout = g->g.layout,
				.use = g->use,
			};
		vfsr_member_set_strip(gs->pool->dev[c->device], c->strip, &s);
	}
}

/* @rows: as they are now; else as a reserved one. */
static void fill_open(const struct vfsr_grid *g, bool rows,
		      struct vfsr_open_grid *og)
{
	u32 col;

	memset(og, 0, sizeof(*og));
	og->grid = g->id;
	og->policy = g->policy;
	og->layout = g->g.layout;
	og->use = g->use;
	og->depth = g->g.depth;
	og->reserved = !rows || !g->rows_used;
	for (col = 0; col < g->g.n; col++) {
		og->strip[col] = g->col[col].strip;
		og->device[col] = g->col[col].device;
	}
	if (og->reserved)
		return;
	og->rows_used = g->rows_used;
	memcpy(og->starts, g->starts, sizeof(og->starts));
}

/* --- the commit --- */

/* Is it of no more use: no stripe yet, and none to come? */
static bool is_dead(const struct vfsr_open *o)
{
	const struct vfsr_grid *g = o->grid;

	return !g->rows_used && !o->busy &&
	       (g->frozen || vfsr_grid_nr_lost(o->gs, g));
}

/*
 * Take what is done off the list. Return: whether more will be done soon (a
 * finished grid is sealed, or gets stuck, without further ado).
 */
static bool take_done(struct vfsr_grids *gs, struct list_head *sealed,
		      struct list_head *dead)
{
	struct vfsr_open *o, *next;
	bool more = false;

	spin_lock(&gs->lock);
	list_for_each_entry_safe(o, next, &gs->open_list, link) {
		if (o->sealed) {
			leave_list(o);
			list_add_tail(&o->link, sealed);
		} else if (is_dead(o)) {
			leave_list(o);
			list_add_tail(&o->link, dead);
		} else if (o->finished && !o->stuck) {
			more = true;
		}
	}
	spin_unlock(&gs->lock);
	return more;
}

static bool few_unsealed(struct vfsr_grids *gs, unsigned int nr)
{
	unsigned int unsealed = 0, sealing = 0;
	struct vfsr_open *o;

	spin_lock(&gs->lock);
	list_for_each_entry(o, &gs->open_list, link) {
		unsealed += !o->sealed;
		sealing += o->finished && !o->sealed && !o->stuck;
	}
	spin_unlock(&gs->lock);
	return unsealed <= nr || !sealing;
}

void vfsr_opens_wait(struct vfsr_grids *gs, unsigned int nr)
{
	vfsr_might_wait(&gs->sealing);
	wait_event(gs->wait, few_unsealed(gs, nr));
}

static bool any_done(struct vfsr_grids *gs)
{
	struct vfsr_open *o;
	bool done = false, more = false;

	spin_lock(&gs->lock);
	list_for_each_entry(o, &gs->open_list, link) {
		done |= o->sealed;
		more |= o->finished && !o->sealed && !o->stuck;
	}
	spin_unlock(&gs->lock);
	return done || !more;
}

static void settle_sealed(struct vfsr_grids *gs, struct list_head *sealed,
			  u64 transaction)
{
	struct vfsr_open *o, *next;

	list_for_each_entry_safe(o, next, sealed, link) {
		list_del_init(&o->link);
		set_state(gs, o->grid, VFSR_STRIP_SEALED, transaction);
	}
}

/* Their strips are free in the tables now, and for us when that is durable. */
static void drop_dead(struct vfsr_grids *gs, struct list_head *dead)
{
	struct vfsr_open *o, *next;

	list_for_each_entry_safe(o, next, dead, link) {
		struct vfsr_grid *g = o->grid;

		list_del_init(&o->link);
		set_state(gs, g, VFSR_STRIP_FREE, 0);
		xa_erase(&gs->table, g->id);
		spin_lock(&gs->live_lock);
		list_del_init(&g->live_link);
		g->live_dirty = false;
		spin_unlock(&gs->live_lock);
		list_add_tail(&g->live_link, &gs->stripes->dropped);
	}
}

/* List what stays: at most VFSR_MAX_OPEN_GRIDS. */
static void list_rest(struct vfsr_grids *gs, struct vfsr_super *next)
{
	struct vfsr_grid *grid[VFSR_MAX_OPEN_GRIDS];
	struct vfsr_open *o;
	unsigned int nr = 0, i;

	/* only this thread takes grids off the list */
	spin_lock(&gs->lock);
	list_for_each_entry(o, &gs->open_list, link)
		if (!WARN_ON_ONCE(nr == ARRAY_SIZE(grid)))
			grid[nr++] = o->grid;
	spin_unlock(&gs->lock);
	for (i = 0; i < nr; i++) {
		mutex_lock(&grid[i]->open->lock);
		fill_open(grid[i], true, &next->open[i]);
		mutex_unlock(&grid[i]->open->lock);
		if (grid[i]->rows_used && grid[i]->state != VFSR_STRIP_OPEN)
			set_state(gs, grid[i], VFSR_STRIP_OPEN,
				  next->transaction);
	}
	next->nr_open = (u8)nr;
}

int vfsr_opens_settle(struct vfsr_grids *gs, struct vfsr_super *next)
{
	LIST_HEAD(sealed);
	LIST_HEAD(dead);
	bool more;
	int err = 0;

	lockdep_assert_held(&gs->pool->record_lock);
	/* a member may have been given up by a reader or a flush */
	vfsr_opens_freeze(gs);
	vfsr_might_wait(&gs->sealing);
	for (;;) {
		more = take_done(gs, &sealed, &dead);
		if (READ_ONCE(gs->nr_open) <= VFSR_MAX_OPEN_GRIDS)
			break;
		if (!more) {
			err = -EMFILE;
			break;
		}
		wait_event(gs->wait, any_done(gs));
	}
	settle_sealed(gs, &sealed, next->transaction);
	drop_dead(gs, &dead);
	if (!err)
		list_rest(gs, next);
	return err;
}

/* --- records that commit nothing --- */

static bool is_listed(const struct vfsr_super *s, unsigned int nr, u64 id)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (s->open[i].grid == id)
			return true;
	return false;
}

int vfsr_opens_reserve(struct vfsr_grids *gs, struct vfsr_super *next)
{
	unsigned int nr_old = next->nr_open;
	struct vfsr_open *o;
	int err = 0;

	lockdep_assert_held(&gs->pool->record_lock);
	spin_lock(&gs->lock);
	list_for_each_entry(o, &gs->open_list, link) {
		if (is_listed(next, nr_old, o->grid->id))
			continue;
		if (next->nr_open == VFSR_MAX_OPEN_GRIDS) {
			err = -EMFILE;
			break;
		}
		fill_open(o->grid, false, &next->open[next->nr_open++]);
	}
	spin_unlock(&gs->lock);
	return err;
}

void vfsr_opens_durable(struct vfsr_grids *gs, const struct vfsr_super *s)
{
	struct vfsr_open *o;
	LIST_HEAD(dropped);

	lockdep_assert_held(&gs->pool->record_lock);
	spin_lock(&gs->lock);
	list_for_each_entry(o, &gs->open_list, link)
		if (is_listed(s, s->nr_open, o->grid->id))
			o->durable = true;
	spin_unlock(&gs->lock);
	list_splice_init(&gs->stripes->dropped, &dropped);
	if (!list_empty(&dropped))
		vfsr_grids_freed(gs, &dropped);
}

void vfsr_dropped_exit(struct vfsr_grids *gs)
{
	struct vfsr_grid *g, *next;

	list_for_each_entry_safe(g, next, &gs->stripes->dropped, live_link) {
		list_del_init(&g->live_link);
		vfsr_grid_put(g);
	}
}
