// SPDX-License-Identifier: GPL-2.0-only
/*
 * Trailers of a sealed grid: find the damaged and the outdated ones, and write
 * them anew from a good copy, or from the grid itself when none is left.
 *
 * Called by verify, one thread per grid.
 */
#include <stdlib.h>

#include "lib/pool_priv.h"

/* Read every trailer of a grid that is on a member that is there. */
struct copies {
	u32 present; /* columns whose member is there */
	u32 good; /* of these, those that say what the newest says */
	struct vfsr_trailer newest, one;
	u64 transaction[VFSR_MAX_COLUMNS];
};

static void read_copies(struct vfsr_pool *p, struct vfsr_grid *g, u8 *sector,
			struct copies *c)
{
	struct vfsr_geometry geometry;
	u32 col;
	u8 state;

	for (col = 0; col < g->g.n; col++) {
		grid_read_run(p, g, NULL, col, g->g.rows, 1, sector, &state);
		if (state == SECTOR_MISSING)
			continue;
		c->present |= 1u << col;
		if (state != SECTOR_OK ||
		    vfsr_trailer_decode(sector, p->super->pool_uuid, &c->one,
					NULL) ||
		    vfsr_trailer_geometry(&c->one, &geometry, NULL) ||
		    c->one.grid != g->id || c->one.column != col ||
		    !same_geometry(&geometry, &g->g))
			continue;
		c->transaction[col] = c->one.transaction;
		if (!c->good || c->one.transaction > c->newest.transaction)
			c->newest = c->one;
		c->good |= 1u << col;
	}
	for (col = 0; col < g->g.n; col++)
		if (c->transaction[col] < c->newest.transaction)
			c->good &= ~(1u << col);
}

/*
 * Column-parity crcs of one column, from verified data rows. Classes whose
 * parity row says the same go to @agree.
 */
static int parity_crcs(struct vfsr_pool *p, struct vfsr_grid *g, u32 col,
		       u8 *room, u32 *crc, u8 *agree, struct vfsr_ws *ws)
{
	u8 *sum = room, *one = room + VFSR_SECTOR_BYTES;
	u32 j, row, at;
	u8 state;
	int err;

	for (j = 0; j < g->g.r; j++) {
		memset(sum, 0, VFSR_SECTOR_BYTES);
		for (row = j; row < g->rows_used; row += g->g.r) {
			err = grid_sector_get(p, g, col, row, one, ws);
			if (err)
				return err;
			p->ops->xor_into(sum, one, VFSR_SECTOR_BYTES);
		}
		/* the parity row of row j's class */
		row = vfsr_parity_row(&g->g, j);
		at = row - g->g.data_rows;
		crc[col * g->g.r + at] =
			vfsr_port_crc32c(0, sum, VFSR_SECTOR_BYTES);
		grid_read_run(p, g, NULL, col, row, 1, one, &state);
		if (state == SECTOR_OK && !memcmp(sum, one, VFSR_SECTOR_BYTES))
			agree[at / 8] |= (u8)(1u << at % 8);
	}
	return 0;
}

/*
 * Without a trailer the stripes are those whose footers were found. While
 * members are missing one may be known to them alone, and a trailer without it
 * would bury it: then column parity must confirm every class.
 */
static bool stripes_sure(const struct vfsr_grid *g, u32 present,
			 const u8 *agree)
{
	u32 j;

	if (present == mask_all(g))
		return true;
	for (j = 0; j < g->g.r; j++)
		if (!(agree[j / 8] >> j % 8 & 1))
			return false;
	return g->g.r;
}

/* A trailer made of what the grid itself tells. */
static int make_trailer(struct vfsr_pool *p, struct vfsr_grid *g, u32 present,
			struct vfsr_trailer *t, struct vfsr_ws *ws)
{
	u8 agree[DIV_ROUND_UP(VFSR_MAX_PARITY_CRCS, 8)] = { 0 };
	u8 *room;
	u32 col;
	int err = 0;

	if (g->known != mask_all(g))
		return -EIO;
	room = aligned_alloc(VFSR_SECTOR_BYTES, 2 * VFSR_SECTOR_BYTES);
	if (!room)
		return -ENOMEM;
	memset(t, 0, sizeof(*t));
	memcpy(t->pool_uuid, p->super->pool_uuid, VFSR_UUID_BYTES);
	t->grid = g->id;
	t->transaction = p->super->transaction;
	t->epoch = p->super->epoch;
	t->policy = (struct vfsr_policy){ g->g.k, g->g.m, g->g.r };
	t->layout = g->g.layout;
	t->strip_shift = g->g.strip_shift;
	t->use = g->use;
	t->depth = g->g.depth;
	t->rows_used = g->rows_used;
	memcpy(t->starts, g->starts, sizeof(t->starts));
	memcpy(t->strip, g->strip, g->g.n * sizeof(t->strip[0]));
	memcpy(t->device, g->device, g->g.n);
	for (col = 0; !err && col < g->g.n; col++)
		err = parity_crcs(p, g, col, room, t->parity_crc, agree, ws);
	if (!err && !stripes_sure(g, present, agree))
		err = -EIO;
	free(room);
	return err;
}

int vfsr_grid_heal_trailers(struct vfsr_pool *p, struct vfsr_grid *g,
			    bool write_back, struct vfsr_ws *ws)
{
	struct vfsr_extent_rows none = { .row = 0 };
	struct copies *c;
	u8 *sector;
	u32 col;
	int err = vfsr_grid_load(p, g, ws), nr_bad = 0;

	if (err || g->state != VFSR_STRIP_SEALED)
		return err;
	c = calloc(1, sizeof(*c));
	sector = malloc(VFSR_SECTOR_BYTES);
	if (!c || !sector) {
		err = -ENOMEM;
		goto out;
	}
	read_copies(p, g, sector, c);
	g->trailer_bad = c->present & ~c->good;
	if (!c->good && write_back)
		err = make_trailer(p, g, c->present, &c->newest, ws);
	for (col = 0; col < g->g.n; col++) {
		if (!(g->trailer_bad >> col & 1))
			continue;
		heal_mark(p, g, &none, col, g->g.rows, MARK_BAD);
		if (!err && (c->good || write_back)) {
			c->newest.column = (u8)col;
			vfsr_trailer_encode(&c->newest, sector);
			heal_done(p, g, &none, col, g->g.rows, sector,
				  write_back);
		}
		nr_bad += !heal_marked(p, g, col, g->g.rows, MARK_WRITTEN);
	}
	if (err == -EIO)
		err = 0; /* counted: nothing to make them of */
out:
	free(sector);
	free(c);
	return err ? err : nr_bad;
}
