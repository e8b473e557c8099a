// SPDX-License-Identifier: GPL-2.0-only
/*
 * Healing beyond single rows: a whole grid by rows and column parity in turn,
 * the damage record of a grid, write-back, and the trailers.
 *
 * A whole-grid decode holds at most the sectors of that grid that it touches;
 * heal_lock lets one run at a time. What only it could rebuild goes to a small
 * cache, so that the next read of the same spot is cheap. A sector is counted
 * once per kind of event, whoever meets it.
 */
#include <stdlib.h>

#include "lib/pool_priv.h"

#define SLAB_SECTORS 256u

/* --- the damage record --- */

struct vfsr_grid_heal *heal_of(struct vfsr_pool *p, struct vfsr_grid *g)
{
	struct vfsr_grid_heal *h;

	pthread_mutex_lock(&p->priv->mark_lock);
	h = g->heal;
	if (!h) {
		h = calloc(1, sizeof(*h));
		/* a nibble per sector, the trailer's row included */
		if (h)
			h->marks =
				calloc(((g->g.rows + 1) * g->g.n + 1) / 2, 1);
		if (h && !h->marks) {
			free(h);
			h = NULL;
		}
		g->heal = h;
	}
	pthread_mutex_unlock(&p->priv->mark_lock);
	return h;
}

void heal_free(struct vfsr_grid_heal *h)
{
	if (!h)
		return;
	free(h->marks);
	free(h->left);
	free(h);
}

bool heal_mark(struct vfsr_pool *p, struct vfsr_grid *g,
	       const struct vfsr_extent_rows *e, u32 col, u32 row, u32 mark)
{
	struct vfsr_grid_heal *h = heal_of(p, g);
	u32 i = row * g->g.n + col;
	u32 shift = i % 2 * 4;
	struct vfsr_health *health;
	bool first;
	int member;

	vfsr_grid_pos(p, g, e, col, row, &member);
	if (!h || member < 0)
		return false;
	pthread_mutex_lock(&p->priv->mark_lock);
	first = !(h->marks[i / 2] >> shift & mark);
	h->marks[i / 2] |= (u8)(mark << shift);
	pthread_mutex_unlock(&p->priv->mark_lock);
	if (!first)
		return false;
	health = &p->health[member];
	if (mark == MARK_BAD)
		atomic_fetch_add(&health->bad_sectors, 1);
	else if (mark == MARK_HEALED)
		atomic_fetch_add(&health->healed_sectors, 1);
	else if (mark == MARK_WRITTEN)
		atomic_fetch_add(&health->written_sectors, 1);
	else
		atomic_fetch_add(&health->lost_sectors, 1);
	return true;
}

bool heal_marked(struct vfsr_pool *p, struct vfsr_grid *g, u32 col, u32 row,
		 u32 mark)
{
	u32 i = row * g->g.n + col;
	bool set = false;

	pthread_mutex_lock(&p->priv->mark_lock);
	if (g->heal)
		set = g->heal->marks[i / 2] >> (i % 2 * 4) & mark;
	pthread_mutex_unlock(&p->priv->mark_lock);
	return set;
}

void heal_done(struct vfsr_pool *p, struct vfsr_grid *g,
	       const struct vfsr_extent_rows *e, u32 col, u32 row,
	       const u8 *data, bool write_back)
{
	int member;
	s64 pos = vfsr_grid_pos(p, g, e, col, row, &member);

	if (pos < 0)
		return; /* rebuilt for a missing member: nobody's bad sector */
	heal_mark(p, g, e, col, row, MARK_HEALED);
	/* without a trailer nothing verifies column parity */
	if (row >= g->g.data_rows && row < g->g.rows && !g->parity_crc)
		return;
	if (!write_back || heal_marked(p, g, col, row, MARK_WRITTEN))
		return;
	if (!vfsr_dev_write(p->dev[member], data, VFSR_SECTOR_BYTES, (u64)pos))
		heal_mark(p, g, e, col, row, MARK_WRITTEN);
}

/* --- the cache of sectors that only a whole grid could give --- */

static u64 sector_key(const struct vfsr_grid *g, u32 col, u32 row)
{
	/* 36 + 5 + 12 bits; grid ids are not zero, so no key is */
	return (g->id << 5 | col) << 12 | row;
}

static struct sector_slot *sector_set(struct vfsr_pool *p, u64 key)
{
	return p->priv->sector[(key * 0x9e3779b97f4a7c15ull) >> 40 &
			       (SECTOR_SETS - 1)];
}

static bool sector_cached(struct vfsr_pool *p, const struct vfsr_grid *g,
			  u32 col, u32 row, u8 *data)
{
	u64 key = sector_key(g, col, row);
	bool found = false;
	u32 i;

	pthread_mutex_lock(&p->priv->sector_lock);
	for (i = 0; p->priv->sector && i < SECTOR_WAYS && !found; i++) {
		struct sector_slot *s = &sector_set(p, key)[i];

		found = s->key == key;
		if (found)
			memcpy(data, s->data, VFSR_SECTOR_BYTES);
	}
	pthread_mutex_unlock(&p->priv->sector_lock);
	return found;
}

/* Failing to keep one only costs time later. */
static void sector_keep(struct vfsr_pool *p, const struct vfsr_grid *g, u32 col,
			u32 row, const u8 *data)
{
	struct vfsr_pool_priv *v = p->priv;
	struct sector_slot *s;
	u64 key = sector_key(g, col, row);

	pthread_mutex_lock(&v->sector_lock);
	if (!v->sector)
		v->sector = calloc(SECTOR_SETS, sizeof(*v->sector));
	if (v->sector) {
		s = &sector_set(p, key)[v->sector_hand++ % SECTOR_WAYS];
		if (!s->data)
			s->data = malloc(VFSR_SECTOR_BYTES);
		if (s->data) {
			s->key = key;
			memcpy(s->data, data, VFSR_SECTOR_BYTES);
		}
	}
	pthread_mutex_unlock(&v->sector_lock);
}

/* --- whole-grid decode --- */

struct healer {
	struct vfsr_pool *p;
	struct vfsr_grid *g;
	struct vfsr_ws *ws;
	const u32 *bad0; /* masks at the start */
	struct vfsr_stripe *s; /* the stripe used last */
	bool write_back, keep;
	u32 want_col, want_row; /* keep: the sector asked for */
	u8 *want; /* its buffer, NULL once filled */
	u8 **sector; /* [row * n + col], loaded so far */
	u8 **slab; /* memory for them */
	u32 nr_slabs, left; /* free sectors of the last slab */
	u8 *zero; /* what rows in no stripe hold */
};

/* The stripe of a data row; false: none, or its footer is lost. */
static bool stripe_of(struct healer *h, u32 row)
{
	struct vfsr_extent_rows e;

	if (h->s && row >= h->s->ft.row && row - h->s->ft.row < h->s->ft.depth)
		return true;
	if (h->s)
		vfsr_stripe_put(h->p, h->s);
	h->s = NULL;
	return !vfsr_stripe_at(&h->g->g, h->g->starts, h->g->rows_used, row,
			       &e) &&
	       !vfsr_stripe_get(h->p, h->g, &e, h->ws, &h->s);
}

static u8 *slab_sector(struct healer *h)
{
	u8 **slab;

	if (!h->left) {
		slab = realloc(h->slab, (h->nr_slabs + 1) * sizeof(*slab));
		if (!slab)
			return NULL;
		h->slab = slab;
		slab[h->nr_slabs] =
			aligned_alloc(VFSR_SECTOR_BYTES,
				      (size_t)SLAB_SECTORS * VFSR_SECTOR_BYTES);
		if (!slab[h->nr_slabs])
			return NULL;
		h->nr_slabs++;
		h->left = SLAB_SECTORS;
	}
	h->left--;
	return h->slab[h->nr_slabs - 1] + (size_t)h->left * VFSR_SECTOR_BYTES;
}

static u8 *healer_sector(void *ctx, u32 col, u32 row)
{
	struct healer *h = ctx;
	struct vfsr_grid *g = h->g;
	struct vfsr_extent_rows e = { .row = row, .depth = 1 };
	u8 **at = &h->sector[row * g->g.n + col];
	u8 state, *data;

	if (row < g->g.data_rows &&
	    vfsr_stripe_at(&g->g, g->starts, g->rows_used, row, &e))
		return h->zero;
	data = *at;
	if (data)
		return data;
	data = slab_sector(h);
	*at = data;
	if (!data || h->bad0[row] >> col & 1)
		return data;
	grid_read_run(h->p, g, &e, col, row, 1, data, &state);
	return state == SECTOR_OK ? data : NULL;
}

static bool healer_rebuilt(void *ctx, u32 col, u32 row, u8 *data)
{
	struct healer *h = ctx;
	struct vfsr_grid *g = h->g;
	struct vfsr_extent_rows e = { .row = row, .depth = 1 };
	bool data_row = row < g->g.data_rows;

	if (data_row) {
		if (!stripe_of(h, row))
			return false;
		e.row = h->s->ft.row;
		e.depth = h->s->ft.depth;
	}
	if (!grid_sector_ok(h->p, g, data_row ? h->s : NULL, col, row, data))
		return false;
	heal_done(h->p, g, &e, col, row, data, h->write_back);
	if (h->want && h->want_col == col && h->want_row == row) {
		memcpy(h->want, data, VFSR_SECTOR_BYTES);
		h->want = NULL;
	}
	if (h->keep && mask_bits(h->bad0[row]) > g->g.m)
		sector_keep(h->p, g, col, row, data);
	return true;
}

static void healer_free(struct healer *h)
{
	u32 i;

	if (h->s)
		vfsr_stripe_put(h->p, h->s);
	for (i = 0; i < h->nr_slabs; i++)
		free(h->slab[i]);
	free(h->slab);
	free(h->sector);
	free(h->zero);
}

/* Decode by the masks in @bad, which say what the disk has. heal_lock is held. */
static int healer_run(struct healer *h, u32 *bad)
{
	static const struct vfsr_grid_cb cb = {
		.sector = healer_sector,
		.rebuilt = healer_rebuilt,
	};
	struct vfsr_grid *g = h->g;
	u32 *bad0 = malloc(g->g.rows * sizeof(*bad0));
	int err = -ENOMEM;

	h->sector = calloc((size_t)g->g.rows * g->g.n, sizeof(*h->sector));
	h->zero = aligned_alloc(VFSR_SECTOR_BYTES, VFSR_SECTOR_BYTES);
	if (bad0 && h->sector && h->zero) {
		memset(h->zero, 0, VFSR_SECTOR_BYTES);
		memcpy(bad0, bad, g->g.rows * sizeof(*bad0));
		h->bad0 = bad0;
		err = vfsr_grid_decode(h->p->ops, &g->g, bad, true, &cb, h);
	}
	healer_free(h);
	free(bad0);
	return err;
}

/* Check a run of rows into the masks @bad. */
static int scan_rows(struct vfsr_pool *p, struct row_run *rr, u32 *bad,
		     struct vfsr_ws *ws)
{
	int err = rows_load(p, rr, ws);

	if (!err)
		memcpy(bad + rr->row, rr->bad, rr->nr * sizeof(*bad));
	return err;
}

/* Check every sector of a grid into masks of R rows. */
static int scan_grid(struct vfsr_pool *p, struct vfsr_grid *g, u32 *bad,
		     struct vfsr_ws *ws)
{
	struct row_run rr = { .g = g };
	u32 row, i;
	int err;

	memset(bad, 0, g->g.rows * sizeof(*bad));
	for (row = 0; row < g->rows_used; row += rr.nr) {
		if (vfsr_stripe_at(&g->g, g->starts, g->rows_used, row, &rr.e))
			return -EUCLEAN;
		rr.row = rr.e.row;
		rr.nr = rr.e.depth;
		err = vfsr_stripe_get(p, g, &rr.e, ws, &rr.s);
		if (err == -ENOMEM)
			return err;
		if (err) {
			for (i = 0; i < rr.nr; i++)
				bad[row + i] = mask_all(g);
			continue;
		}
		err = scan_rows(p, &rr, bad, ws);
		vfsr_stripe_put(p, rr.s);
		if (err)
			return err;
	}
	rr.s = NULL;
	for (row = g->g.data_rows; row < g->g.rows; row += rr.nr) {
		rr.row = row;
		rr.nr = min_t(u32, g->g.rows - row, rows_max(g));
		err = scan_rows(p, &rr, bad, ws);
		if (err)
			return err;
	}
	return 0;
}

static bool has_column_parity(const struct vfsr_grid *g)
{
	return g->state == VFSR_STRIP_SEALED && g->g.r;
}

int heal_sector(struct vfsr_pool *p, struct vfsr_grid *g, u32 col, u32 row,
		u8 *data, struct vfsr_ws *ws)
{
	struct healer h = {
		.p = p,
		.g = g,
		.ws = ws,
		.write_back = p->write_back,
		.keep = true,
		.want_col = col,
		.want_row = row,
		.want = data,
	};
	struct vfsr_grid_heal *rec;
	u32 *bad;
	int err = -EIO;

	if (!has_column_parity(g))
		return -EIO;
	if (sector_cached(p, g, col, row, data))
		return 0;
	rec = heal_of(p, g);
	if (!rec)
		return -ENOMEM;
	pthread_mutex_lock(&p->priv->heal_lock);
	if (sector_cached(p, g, col, row, data)) {
		err = 0;
	} else if (!rec->left || !(rec->left[row] >> col & 1)) {
		bad = malloc(g->g.rows * sizeof(*bad));
		err = bad ? scan_grid(p, g, bad, ws) : -ENOMEM;
		if (!err)
			err = healer_run(&h, bad);
		if (err >= 0) {
			err = h.want ? -EIO : 0;
			/* the next reader of a lost sector need not try */
			if (err && bad[row] >> col & 1) {
				free(rec->left);
				rec->left = bad;
				bad = NULL;
			}
		}
		free(bad);
	}
	pthread_mutex_unlock(&p->priv->heal_lock);
	return err;
}

/* --- a whole grid for verify --- */

/* Columns of a row that are on members that are there. */
static u32 present_mask(const struct vfsr_pool *p, const struct vfsr_grid *g,
			const struct vfsr_extent_rows *e, u32 row)
{
	u32 col, mask = 0;
	int member;

	for (col = 0; col < g->g.n; col++)
		if (vfsr_grid_pos(p, g, e, col, row, &member) >= 0)
			mask |= 1u << col;
	return mask;
}

/* Rows [row, end) of one stripe or of the parity rows, by row parity. */
static int heal_rows(struct vfsr_pool *p, struct row_run *rr, u32 row, u32 end,
		     u32 *bad, bool write_back, struct vfsr_ws *ws)
{
	struct vfsr_grid *g = rr->g;
	u32 nr;
	int err;

	for (; row < end; row += nr) {
		nr = 1;
		if (!bad[row] || mask_bits(bad[row]) > g->g.m)
			continue;
		if (!(bad[row] & present_mask(p, g, &rr->e, row))) {
			bad[row] = 0;
			continue;
		}
		while (row + nr < end && nr < rows_max(g) && bad[row + nr] &&
		       mask_bits(bad[row + nr]) <= g->g.m)
			nr++;
		rr->row = row;
		rr->nr = nr;
		err = rows_load(p, rr, ws);
		if (err)
			return err;
		rows_decode(p, rr, write_back);
		memcpy(bad + row, rr->bad, nr * sizeof(*bad));
	}
	return 0;
}

static bool any_bad(const u32 *bad, u32 row, u32 end)
{
	for (; row < end; row++)
		if (bad[row])
			return true;
	return false;
}

/* Row parity over the whole grid. */
static int heal_all_rows(struct vfsr_pool *p, struct vfsr_grid *g, u32 *bad,
			 bool write_back, struct vfsr_ws *ws)
{
	struct row_run rr = { .g = g };
	u32 row, end;
	int err = 0;

	for (row = 0; !err && row < g->rows_used; row = end) {
		if (vfsr_stripe_at(&g->g, g->starts, g->rows_used, row, &rr.e))
			return -EUCLEAN;
		end = rr.e.row + rr.e.depth;
		if (!any_bad(bad, row, end))
			continue;
		err = vfsr_stripe_get(p, g, &rr.e, ws, &rr.s);
		if (err == -EIO) {
			err = 0;
			continue;
		}
		if (err)
			break;
		err = heal_rows(p, &rr, row, end, bad, write_back, ws);
		vfsr_stripe_put(p, rr.s);
	}
	rr.s = NULL;
	if (!err && has_column_parity(g))
		err = heal_rows(p, &rr, g->g.data_rows, g->g.rows, bad,
				write_back, ws);
	return err;
}

/* Note what is left as lost. Returns how many sectors. */
static int count_left(struct vfsr_pool *p, struct vfsr_grid *g, const u32 *bad)
{
	struct vfsr_extent_rows e = { .row = 0 };
	u32 row, col;
	int nr = 0;

	for (row = 0; row < g->g.rows; row++) {
		if (!bad[row])
			continue;
		if (row < g->g.data_rows &&
		    vfsr_stripe_at(&g->g, g->starts, g->rows_used, row, &e))
			continue;
		for (col = 0; col < g->g.n; col++) {
			if (!(bad[row] >> col & 1))
				continue;
			heal_mark(p, g, &e, col, row, MARK_LOST);
			nr++;
		}
	}
	return nr;
}

int vfsr_grid_heal(struct vfsr_pool *p, struct vfsr_grid *g, u32 *bad,
		   bool write_back, struct vfsr_ws *ws)
{
	struct healer h = {
		.p = p,
		.g = g,
		.ws = ws,
		.write_back = write_back,
	};
	u32 *full;
	int err = vfsr_grid_load(p, g, ws);

	if (err)
		return err;
	/* what is on disk now: the column runs need every row of it */
	full = malloc(g->g.rows * sizeof(*full));
	if (!full)
		return -ENOMEM;
	memcpy(full, bad, g->g.rows * sizeof(*full));
	err = heal_all_rows(p, g, bad, write_back, ws);
	if (!err && has_column_parity(g) && any_bad(bad, 0, g->g.rows)) {
		pthread_mutex_lock(&p->priv->heal_lock);
		err = healer_run(&h, full);
		pthread_mutex_unlock(&p->priv->heal_lock);
		if (err >= 0)
			memcpy(bad, full, g->g.rows * sizeof(*full));
	}
	free(full);
	return err < 0 ? err : count_left(p, g, bad);
}
