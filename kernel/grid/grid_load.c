// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading a sealed grid at its first use: stripe starts, parity crcs and places
 * that no table told, from a trailer, or by its footers when none is left.
 *
 * Under load_lock, once; `loaded` is set with release after everything else.
 * An open grid has its stripes from the record, and keeps them when it is
 * sealed. Damaged trailers met on the way are written back from a good one,
 * but not on a stale member: there a wrong trailer says that the whole column
 * is still to be healed.
 */
#include <linux/jiffies.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "grid/grid_priv.h"

bool vfsr_trailer_read(struct vfsr_grids *gs, struct vfsr_grid *g, u32 col,
		       u8 *sector, struct vfsr_trailer *t, u8 *state)
{
	struct vfsr_geometry geometry;

	*state = vfsr_sector_read(gs, g, NULL, col, g->g.rows, sector);
	if (*state != SECTOR_OK)
		return false;
	return !vfsr_trailer_decode(sector, gs->pool->super->pool_uuid, t,
				    NULL) &&
	       t->grid == g->id && t->column == col &&
	       !vfsr_trailer_geometry(t, &geometry, NULL) &&
	       vfsr_same_geometry(&geometry, &g->g);
}

/* Can a column be there, as far as the member's own table tells? */
static bool place_possible(struct vfsr_grids *gs, const struct vfsr_grid *g,
			   u32 col, u8 device, u32 strip)
{
	struct vfsr_dev *d;
	bool ok;

	if (device >= gs->pool->nr_devs)
		return false;
	d = gs->pool->dev[device];
	if (!d || strip >= d->nr_strips)
		return false;
	if (!d->file || d->no_table || !d->strip)
		return true;
	spin_lock(&gs->pool->table_lock);
	ok = d->strip[strip].grid == g->id ? d->strip[strip].column == col :
					     d->stale && !d->strip[strip].grid;
	spin_unlock(&gs->pool->table_lock);
	return ok;
}

void vfsr_grid_learn(struct vfsr_grids *gs, struct vfsr_grid *g,
		     const u32 *strip, const u8 *device)
{
	u32 col;

	lockdep_assert_held(&g->load_lock);
	for (col = 0; col < g->g.n; col++) {
		if (g->col[col].known ||
		    !place_possible(gs, g, col, device[col], strip[col]))
			continue;
		g->col[col].strip = strip[col];
		g->col[col].device = device[col];
		smp_store_release(&g->col[col].known, true);
	}
}

/* Take stripes, parity crcs and unknown places over from a trailer. */
static int apply_trailer(struct vfsr_grids *gs, struct vfsr_grid *g,
			 const struct vfsr_trailer *t)
{
	u32 nr = (u32)g->g.n * g->g.r;
	u32 *crc = NULL;
	u8 *starts = kmemdup(t->starts, VFSR_BITMAP_BYTES, GFP_NOFS);

	if (nr)
		crc = kmemdup(t->parity_crc, nr * sizeof(*crc), GFP_NOFS);
	if (!starts || (nr && !crc)) {
		kfree(starts);
		kfree(crc);
		return -ENOMEM;
	}
	vfsr_grid_learn(gs, g, t->strip, t->device);
	g->rows_used = t->rows_used;
	g->parity_crc = crc;
	g->starts = starts;
	return 0;
}

/* Without any trailer: by the chain of the footers. */
static int apply_scan(struct vfsr_grids *gs, struct vfsr_grid *g)
{
	u8 *starts = kzalloc(VFSR_BITMAP_BYTES, GFP_NOFS);
	u32 rows_used = 0;
	int err = -ENOMEM;

	if (starts)
		err = vfsr_grid_scan_starts(gs, g, starts, &rows_used);
	if (err) {
		kfree(starts);
		return err;
	}
	g->rows_used = rows_used;
	g->starts = starts;
	return 0;
}

/* Is the member of a column one that missed commits? */
static bool on_stale(struct vfsr_grids *gs, const struct vfsr_grid *g, u32 col)
{
	u64 sector;
	struct vfsr_dev *d =
		vfsr_grid_pos(gs, g, NULL, col, g->g.rows, &sector);

	return d && READ_ONCE(d->stale);
}

/*
 * A trailer of the grid: of a member that was always there, else of any. Columns
 * whose trailer is wrong go to @bad. Return: whether one was found.
 */
static bool find_trailer(struct vfsr_grids *gs, struct vfsr_grid *g, u8 *sector,
			 struct vfsr_trailer *t, u32 *bad)
{
	u32 col, stale;
	u8 state;

	for (stale = 0; stale < 2; stale++)
		for (col = 0; col < g->g.n; col++) {
			if (on_stale(gs, g, col) != stale)
				continue;
			if (vfsr_trailer_read(gs, g, col, sector, t, &state))
				return true;
			if (state != SECTOR_MISSING && !stale)
				*bad |= 1u << col;
		}
	return false;
}

/* Damaged trailers anew, from a good one. load_lock is not held. */
static void heal_trailers(struct vfsr_grids *gs, struct vfsr_grid *g,
			  struct vfsr_trailer *t, u8 *sector, u32 bad)
{
	u32 col, nr = 0;

	for (col = 0; col < g->g.n; col++) {
		if (!(bad >> col & 1))
			continue;
		vfsr_heal_mark(gs, g, NULL, col, g->g.rows, MARK_BAD, NULL);
		t->column = (u8)col;
		vfsr_trailer_encode(t, sector);
		nr += vfsr_heal_done(gs, g, NULL, col, g->g.rows, 1, sector,
				     NULL);
	}
	if (nr && __ratelimit(&gs->reader->healed_limit))
		vfsr_warn(gs->pool->name, "healed %u trailers: grid=%llu", nr,
			  g->id);
}

static int load_sealed(struct vfsr_grids *gs, struct vfsr_grid *g, u8 *sector,
		       struct vfsr_trailer *t, u32 *bad)
{
	int err;

	if (g->load_error &&
	    time_before(jiffies, g->load_when + HOPELESS_JIFFIES))
		return g->load_error;
	if (find_trailer(gs, g, sector, t, bad)) {
		err = apply_trailer(gs, g, t);
	} else {
		/* nothing to heal them from */
		g->trailer_bad = *bad;
		*bad = 0;
		err = apply_scan(gs, g);
	}
	if (err == -EIO) {
		g->load_error = err;
		g->load_when = jiffies;
		if (__ratelimit(&gs->reader->lost_limit))
			vfsr_warn(
				gs->pool->name,
				"grid=%llu: no trailer and no footer of it can be read; attach missing devices",
				g->id);
	}
	return err;
}

int vfsr_grid_load(struct vfsr_grids *gs, struct vfsr_grid *g)
{
	struct vfsr_trailer *t;
	unsigned int nofs;
	u8 *sector;
	u32 bad = 0;
	int err = -ENOMEM;

	if (smp_load_acquire(&g->loaded))
		return 0;
	might_sleep();
	nofs = memalloc_nofs_save();
	t = kmalloc(sizeof(*t), GFP_NOFS);
	sector = (u8 *)__get_free_page(GFP_NOFS);
	if (!t || !sector)
		goto out;
	mutex_lock(&g->load_lock);
	err = 0;
	/* an open grid has its stripes, and one that was sealed since */
	if (!g->loaded && !g->starts)
		err = load_sealed(gs, g, sector, t, &bad);
	if (!err)
		smp_store_release(&g->loaded, true);
	mutex_unlock(&g->load_lock);
	if (!err && bad)
		heal_trailers(gs, g, t, sector, bad);
out:
	free_page((unsigned long)sector);
	kfree(t);
	memalloc_nofs_restore(nofs);
	return err;
}
