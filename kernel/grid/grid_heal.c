// SPDX-License-Identifier: GPL-2.0-only
/*
 * Healing beyond single rows: a whole grid by rows and column parity in turn,
 * the record of events, and write-back.
 *
 * A whole-grid decode holds at most the sectors of that grid that it touches;
 * heal_lock lets one run at a time. What only it could rebuild and what cannot be
 * written back goes to a small cache. A sector counts once per kind of event,
 * until it was written back: what is found wrong by a read that began later is
 * a new event.
 *
 * Healed sectors are written under the grid's load_lock and only while the grid is
 * not freed, so they never hit strips that belong to another grid by now
 * (vfsr_grid_quiesce()).
 */
#include <linux/hash.h>
#include <linux/jiffies.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "grid/grid_priv.h"

/* --- events --- */

static u64 sector_key(const struct vfsr_grid *g, u32 col, u32 row)
{
	/* 36 + 5 + 12 bits; grid ids are not zero, so no key is */
	return (g->id << 5 | col) << 12 | row;
}

/* The slot of a sector: its own, else one to take. mark_lock held. */
static struct vfsr_mark *mark_slot(struct vfsr_reader *rd, u64 key)
{
	struct vfsr_mark *set = rd->mark[hash_64(key, ilog2(MARK_SETS))];
	struct vfsr_mark *spare = NULL;
	u32 i;

	for (i = 0; i < MARK_WAYS; i++) {
		if (set[i].key >> 4 == key)
			return &set[i];
		if (!spare && (!set[i].key || set[i].closed))
			spare = &set[i];
	}
	if (!spare)
		spare = &set[rd->mark_hand++ % MARK_WAYS];
	spare->key = key << 4;
	spare->closed = 0;
	return spare;
}

/* Note an event. Return: whether it is the first of its kind. */
static bool note_event(struct vfsr_reader *rd, const struct vfsr_grid *g,
		       u32 col, u32 row, u32 mark,
		       const struct vfsr_read_ws *ws)
{
	u64 key = sector_key(g, col, row);
	struct vfsr_mark *m;
	bool first;

	spin_lock(&rd->mark_lock);
	m = mark_slot(rd, key);
	if (m->closed && (!ws || (s32)(m->closed - ws->heal_seq) <= 0)) {
		m->key = key << 4;
		m->closed = 0;
	}
	first = !(m->key & mark);
	m->key |= mark;
	if (mark == MARK_WRITTEN) {
		rd->heal_seq++;
		rd->heal_seq += !rd->heal_seq;
		m->closed = rd->heal_seq;
	}
	spin_unlock(&rd->mark_lock);
	return first;
}

static void mark_on(struct vfsr_grids *gs, struct vfsr_dev *d,
		    const struct vfsr_grid *g, u32 col, u32 row, u32 mark,
		    struct vfsr_read_ws *ws)
{
	if (ws && mark == MARK_BAD)
		ws->seen_bad = true;
	if (!note_event(gs->reader, g, col, row, mark, ws))
		return;
	if (mark == MARK_BAD)
		atomic64_inc(&d->stats.bad_sectors);
	else if (mark == MARK_HEALED)
		atomic64_inc(&d->stats.healed_sectors);
	else if (mark == MARK_WRITTEN)
		atomic64_inc(&d->stats.written_sectors);
	else
		atomic64_inc(&d->stats.lost_sectors);
}

void vfsr_heal_mark(struct vfsr_grids *gs, struct vfsr_grid *g,
		    const struct vfsr_extent_rows *e, u32 col, u32 row,
		    u32 mark, struct vfsr_read_ws *ws)
{
	u64 sector;
	struct vfsr_dev *d = vfsr_grid_pos(gs, g, e, col, row, &sector);

	if (vfsr_dev_usable(d))
		mark_on(gs, d, g, col, row, mark, ws);
}

static bool write_back(struct vfsr_grids *gs, struct vfsr_grid *g,
		       struct vfsr_dev *d, u64 sector, u32 nr, u8 *data)
{
	struct vfsr_io io = {
		.dev = d,
		.sector = sector,
		.buf = data,
		.nr_sectors = nr,
	};
	int err = -EROFS;

	mutex_lock(&g->load_lock);
	if (READ_ONCE(g->state) != VFSR_STRIP_FREE &&
	    !READ_ONCE(gs->pool->read_only))
		err = vfsr_io_run(&io, 1, REQ_OP_WRITE);
	mutex_unlock(&g->load_lock);
	return !err;
}

bool vfsr_heal_done(struct vfsr_grids *gs, struct vfsr_grid *g,
		    const struct vfsr_extent_rows *e, u32 col, u32 row, u32 nr,
		    u8 *data, struct vfsr_read_ws *ws)
{
	/* without a trailer nothing verifies column parity */
	bool sure = row < g->g.data_rows || row >= g->g.rows ||
		    READ_ONCE(g->parity_crc);
	bool all = true;
	u32 i, j, len;

	for (i = 0; i < nr; i += len) {
		u64 sector;
		struct vfsr_dev *d = vfsr_grid_pos_run(gs, g, e, col, row + i,
						       nr - i, &sector, &len);

		if (!vfsr_dev_usable(d)) {
			/* rebuilt for a missing member: no event of anyone */
			all = false;
			continue;
		}
		if (ws)
			ws->nr_healed[d->index] += len;
		for (j = i; j < i + len; j++)
			mark_on(gs, d, g, col, row + j, MARK_HEALED, ws);
		if (!sure || !write_back(gs, g, d, sector, len,
					 vfsr_nth_sector(data, i))) {
			all = false;
			continue;
		}
		if (ws)
			ws->nr_written += len;
		for (j = i; j < i + len; j++)
			mark_on(gs, d, g, col, row + j, MARK_WRITTEN, ws);
	}
	return all;
}

/* --- the cache of sectors that only a whole grid could give --- */

static struct vfsr_kept_sector *sector_set(struct vfsr_reader *rd, u64 key)
{
	return rd->sector[hash_64(key, ilog2(SECTOR_SETS))];
}

static bool sector_cached(struct vfsr_reader *rd, const struct vfsr_grid *g,
			  u32 col, u32 row, u8 *data)
{
	u64 key = sector_key(g, col, row);
	bool found = false;
	u32 i;

	spin_lock(&rd->sector_lock);
	for (i = 0; rd->sector && i < SECTOR_WAYS && !found; i++) {
		struct vfsr_kept_sector *s = &sector_set(rd, key)[i];

		found = s->key == key;
		if (found)
			memcpy(data, s->data, VFSR_SECTOR_BYTES);
	}
	spin_unlock(&rd->sector_lock);
	return found;
}

/* Failing to keep one only costs time later. heal_lock is held. */
static void sector_keep(struct vfsr_reader *rd, const struct vfsr_grid *g,
			u32 col, u32 row, const u8 *data)
{
	u8 *copy = (u8 *)__get_free_page(GFP_NOFS | __GFP_NOWARN);
	struct vfsr_kept_sector(*table)[SECTOR_WAYS] = rd->sector;
	u64 key = sector_key(g, col, row);
	struct vfsr_kept_sector *s;

	lockdep_assert_held(&rd->heal_lock);
	if (!table)
		table = kvcalloc(SECTOR_SETS, sizeof(*table), GFP_NOFS);
	if (!copy || !table) {
		free_page((unsigned long)copy);
		if (!rd->sector)
			kvfree(table);
		return;
	}
	memcpy(copy, data, VFSR_SECTOR_BYTES);
	spin_lock(&rd->sector_lock);
	rd->sector = table;
	s = &sector_set(rd, key)[rd->sector_hand++ % SECTOR_WAYS];
	s->key = key;
	swap(s->data, copy);
	spin_unlock(&rd->sector_lock);
	free_page((unsigned long)copy);
}

/* --- whole-grid decode --- */

struct healer {
	struct vfsr_grids *gs;
	struct vfsr_grid *g;
	struct vfsr_read_ws *ws;
	const u32 *bad0; /* masks at the start */
	struct vfsr_label *label; /* of the stripe used last */
	u32 want_col, want_row; /* the sector asked for */
	u8 *want; /* its buffer, NULL once filled */
	u8 **sector; /* [row * n + col], pages loaded so far */
	u8 *zero; /* what rows in no stripe hold */
	bool no_memory;
};

/* The stripe of a data row; false: none, or its footer is lost. */
static bool stripe_of(struct healer *h, u32 row)
{
	const struct vfsr_label *l = h->label;
	struct vfsr_extent_rows e;

	if (l && row >= l->ft.row && row - l->ft.row < l->ft.depth)
		return true;
	vfsr_label_put(h->label);
	h->label = NULL;
	return !vfsr_stripe_at(&h->g->g, h->g->starts, h->g->rows_used, row,
			       &e) &&
	       !vfsr_label_get(h->gs, h->g, &e, true, h->ws, &h->label);
}

static u8 *healer_sector(void *ctx, u32 col, u32 row)
{
	struct healer *h = ctx;
	struct vfsr_grid *g = h->g;
	struct vfsr_extent_rows e = { .row = row, .depth = 1 };
	u8 **at = &h->sector[row * g->g.n + col];

	if (row < g->g.data_rows &&
	    vfsr_stripe_at(&g->g, g->starts, g->rows_used, row, &e))
		return h->zero;
	if (*at)
		return *at;
	*at = (u8 *)__get_free_page(GFP_NOFS | __GFP_NOWARN | __GFP_NORETRY);
	if (!*at) {
		h->no_memory = true;
		return NULL;
	}
	cond_resched();
	if (h->bad0[row] >> col & 1)
		return *at;
	return vfsr_sector_read(h->gs, g, &e, col, row, *at) == SECTOR_OK ?
		       *at :
		       NULL;
}

static bool healer_rebuilt(void *ctx, u32 col, u32 row, u8 *data)
{
	struct healer *h = ctx;
	struct vfsr_grid *g = h->g;
	struct vfsr_extent_rows e = { .row = row, .depth = 1 };
	bool data_row = row < g->g.data_rows;
	bool on_disk;

	if (data_row) {
		if (!stripe_of(h, row))
			return false;
		e.row = h->label->ft.row;
		e.depth = h->label->ft.depth;
	}
	if (!vfsr_sector_ok(h->gs, g, data_row ? h->label : NULL, col, row,
			    data))
		return false;
	on_disk = vfsr_heal_done(h->gs, g, &e, col, row, 1, data, h->ws);
	if (h->want && h->want_col == col && h->want_row == row) {
		memcpy(h->want, data, VFSR_SECTOR_BYTES);
		h->want = NULL;
	}
	if (!on_disk && vfsr_mask_bits(h->bad0[row]) > g->g.m)
		sector_keep(h->gs->reader, g, col, row, data);
	return true;
}

static void healer_free(struct healer *h)
{
	u32 i;

	vfsr_label_put(h->label);
	for (i = 0; h->sector && i < h->g->g.rows * h->g->g.n; i++)
		free_page((unsigned long)h->sector[i]);
	kvfree(h->sector);
	free_page((unsigned long)h->zero);
}

/* Decode by the masks in @bad, which say what the disk has. heal_lock is held.
 * Returns sectors still bad, or an errno. */
static int healer_run(struct healer *h, u32 *bad)
{
	static const struct vfsr_grid_cb cb = {
		.sector = healer_sector,
		.rebuilt = healer_rebuilt,
	};
	const struct vfsr_geometry *g = &h->g->g;
	u32 *bad0 = kvmalloc_array(g->rows, sizeof(*bad0), GFP_NOFS);
	int err = -ENOMEM;

	lockdep_assert_held(&h->gs->reader->heal_lock);
	h->sector =
		kvcalloc((size_t)g->rows * g->n, sizeof(*h->sector), GFP_NOFS);
	h->zero = (u8 *)get_zeroed_page(GFP_NOFS);
	if (bad0 && h->sector && h->zero) {
		memcpy(bad0, bad, g->rows * sizeof(*bad0));
		h->bad0 = bad0;
		err = vfsr_grid_decode(h->gs->ops, g, bad, true, &cb, h);
		if (h->no_memory)
			err = -ENOMEM;
	}
	healer_free(h);
	kvfree(bad0);
	return err;
}

/* Check a run of rows into the masks @bad. */
static int scan_rows(struct vfsr_grids *gs, struct vfsr_row_run *rr, u32 *bad,
		     struct vfsr_read_ws *ws)
{
	int err = vfsr_rows_load(gs, rr, ws);

	if (!err)
		memcpy(bad + rr->row, rr->bad, rr->nr * sizeof(*bad));
	cond_resched();
	return err;
}

/* Check every sector of a grid into masks of R rows. */
static int scan_grid(struct vfsr_grids *gs, struct vfsr_grid *g, u32 *bad,
		     struct vfsr_read_ws *ws)
{
	struct vfsr_row_run rr = { .g = g };
	u32 row, i;
	int err;

	memset(bad, 0, g->g.rows * sizeof(*bad));
	for (row = 0; row < g->rows_used; row += rr.nr) {
		if (vfsr_stripe_at(&g->g, g->starts, g->rows_used, row, &rr.e))
			return -EUCLEAN;
		rr.row = rr.e.row;
		rr.nr = rr.e.depth;
		err = vfsr_label_get(gs, g, &rr.e, true, ws, &rr.label);
		if (err == -ENOMEM)
			return err;
		if (err) {
			for (i = 0; i < rr.nr; i++)
				bad[row + i] = vfsr_mask_all(g);
			continue;
		}
		err = scan_rows(gs, &rr, bad, ws);
		vfsr_label_put(rr.label);
		if (err)
			return err;
	}
	rr.label = NULL;
	for (row = g->g.data_rows; row < g->g.rows; row += rr.nr) {
		rr.row = row;
		rr.nr = min(g->g.rows - row, vfsr_rows_max(g));
		err = scan_rows(gs, &rr, bad, ws);
		if (err)
			return err;
	}
	return 0;
}

/* --- grids that could not be healed wholly; heal_lock held --- */

/* Was a sector found to be lost just now? */
static bool hopeless(struct vfsr_reader *rd, const struct vfsr_grid *g, u32 col,
		     u32 row)
{
	u32 i;

	for (i = 0; i < HOPELESS_GRIDS; i++) {
		const struct vfsr_hopeless *h = &rd->hopeless[i];

		if (h->grid == g->id &&
		    time_before(jiffies, h->when + HOPELESS_JIFFIES))
			return h->bad[row] >> col & 1;
	}
	return false;
}

/* Remember what was left. Takes @bad over. */
static void give_up(struct vfsr_reader *rd, const struct vfsr_grid *g, u32 *bad)
{
	struct vfsr_hopeless *h = NULL;
	u32 i;

	for (i = 0; i < HOPELESS_GRIDS && !h; i++)
		if (rd->hopeless[i].grid == g->id)
			h = &rd->hopeless[i];
	if (!h)
		h = &rd->hopeless[rd->hopeless_hand++ % HOPELESS_GRIDS];
	kvfree(h->bad);
	h->bad = bad;
	h->grid = g->id;
	h->when = jiffies;
}

void vfsr_heal_lock(struct vfsr_grids *gs, struct vfsr_read_ws *ws)
{
	if (!ws->heal_depth++)
		mutex_lock(&gs->reader->heal_lock);
}

void vfsr_heal_unlock(struct vfsr_grids *gs, struct vfsr_read_ws *ws)
{
	if (!--ws->heal_depth)
		mutex_unlock(&gs->reader->heal_lock);
}

/* Try the whole grid for one sector. heal_lock held. */
static int heal_locked(struct healer *h)
{
	struct vfsr_grid *g = h->g;
	u32 *bad = kvmalloc_array(g->g.rows, sizeof(*bad), GFP_NOFS);
	int err = -ENOMEM;

	if (!bad)
		return -ENOMEM;
	err = scan_grid(h->gs, g, bad, h->ws);
	if (!err && !(bad[h->want_row] >> h->want_col & 1))
		err = vfsr_sector_get(h->gs, g, h->want_col, h->want_row,
				      h->want, h->ws);
	else if (!err)
		err = healer_run(h, bad);
	if (err >= 0)
		err = h->want && bad[h->want_row] >> h->want_col & 1 ? -EIO : 0;
	/* the next reader of a lost sector need not try */
	if (err == -EIO && bad[h->want_row] >> h->want_col & 1)
		give_up(h->gs->reader, g, bad);
	else
		kvfree(bad);
	return err;
}

int vfsr_heal_sector(struct vfsr_grids *gs, struct vfsr_grid *g, u32 col,
		     u32 row, u8 *data, struct vfsr_read_ws *ws)
{
	struct vfsr_reader *rd = gs->reader;
	struct healer h = {
		.gs = gs,
		.g = g,
		.ws = ws,
		.want_col = col,
		.want_row = row,
		.want = data,
	};
	int err;

	if (!vfsr_grid_has_columns(g))
		return -EIO;
	if (sector_cached(rd, g, col, row, data))
		return 0;
	vfsr_heal_lock(gs, ws);
	if (sector_cached(rd, g, col, row, data))
		err = 0;
	else if (hopeless(rd, g, col, row))
		err = -EIO;
	else
		err = heal_locked(&h);
	vfsr_heal_unlock(gs, ws);
	return err;
}

/* --- life --- */

int vfsr_heal_init(struct vfsr_grids *gs)
{
	struct vfsr_reader *rd = gs->reader;

	spin_lock_init(&rd->mark_lock);
	spin_lock_init(&rd->sector_lock);
	mutex_init(&rd->heal_lock);
	rd->heal_seq = 1;
	rd->mark = kvcalloc(MARK_SETS, sizeof(*rd->mark), GFP_KERNEL);
	return rd->mark ? 0 : -ENOMEM;
}

void vfsr_heal_exit(struct vfsr_grids *gs)
{
	struct vfsr_reader *rd = gs->reader;
	u32 i, j;

	for (i = 0; rd->sector && i < SECTOR_SETS; i++)
		for (j = 0; j < SECTOR_WAYS; j++)
			free_page((unsigned long)rd->sector[i][j].data);
	kvfree(rd->sector);
	for (i = 0; i < HOPELESS_GRIDS; i++)
		kvfree(rd->hopeless[i].bad);
	kvfree(rd->mark);
}
