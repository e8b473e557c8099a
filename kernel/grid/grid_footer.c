// SPDX-License-Identifier: GPL-2.0-only
/*
 * Footers of stripes: a small cache, the two copies, and decoding when both are
 * gone: trial erasures in the row of a copy, then the column parity. The
 * footer's own crc decides, so a wrong guess costs time and nothing else.
 *
 * A footer is immutable once found; the cache holds one reference, each user
 * another. The number of trials is bounded, and what was tried in vain is
 * remembered for a while. label_lock guards the cache and is innermost.
 */
#include <linux/hash.h>
#include <linux/jiffies.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "grid/grid_priv.h"

/* Row decodes tried per copy; all sets for the usual policies. */
#define MAX_TRIALS 4096u

/* --- the cache --- */

static u64 label_key(u64 grid, u32 row)
{
	return grid << 12 | row;
}

static struct hlist_head *bucket_of(struct vfsr_reader *rd, u64 key)
{
	return &rd->label_hash[hash_64(key, ilog2(LABEL_BUCKETS))];
}

void vfsr_label_put(struct vfsr_label *l)
{
	if (!l || !refcount_dec_and_test(&l->refs))
		return;
	free_page((unsigned long)l->sector);
	kfree(l);
}

static struct vfsr_label *label_new(void)
{
	struct vfsr_label *l = kzalloc(sizeof(*l), GFP_NOFS);

	if (!l)
		return NULL;
	l->sector = (u8 *)__get_free_page(GFP_NOFS);
	if (!l->sector) {
		kfree(l);
		return NULL;
	}
	refcount_set(&l->refs, 1);
	return l;
}

static struct vfsr_label *find_locked(struct vfsr_reader *rd, u64 grid, u32 row)
{
	struct vfsr_label *l;

	hlist_for_each_entry(l, bucket_of(rd, label_key(grid, row)), hash)
		if (l->ft.grid == grid && l->ft.row == row)
			return l;
	return NULL;
}

static struct vfsr_label *label_cached(struct vfsr_reader *rd, u64 grid,
				       const struct vfsr_extent_rows *e)
{
	struct vfsr_label *l;

	spin_lock(&rd->label_lock);
	l = find_locked(rd, grid, e->row);
	if (l && l->ft.depth == e->depth) {
		refcount_inc(&l->refs);
		list_move(&l->lru, &rd->label_lru);
	} else {
		l = NULL;
	}
	spin_unlock(&rd->label_lock);
	return l;
}

static void unlink_locked(struct vfsr_reader *rd, struct vfsr_label *l,
			  struct list_head *gone)
{
	hlist_del(&l->hash);
	list_move(&l->lru, gone);
	rd->nr_labels--;
}

static void put_all(struct list_head *gone)
{
	struct vfsr_label *l, *next;

	list_for_each_entry_safe(l, next, gone, lru) {
		list_del(&l->lru);
		vfsr_label_put(l);
	}
}

/* Put a footer into the cache, which takes a reference of its own. */
static void label_keep(struct vfsr_reader *rd, struct vfsr_label *l)
{
	struct vfsr_label *old;
	LIST_HEAD(gone);

	spin_lock(&rd->label_lock);
	old = find_locked(rd, l->ft.grid, l->ft.row);
	if (old)
		unlink_locked(rd, old, &gone);
	while (rd->nr_labels >= LABELS_MAX)
		unlink_locked(rd,
			      list_last_entry(&rd->label_lru, struct vfsr_label,
					      lru),
			      &gone);
	refcount_inc(&l->refs);
	hlist_add_head(&l->hash,
		       bucket_of(rd, label_key(l->ft.grid, l->ft.row)));
	list_add(&l->lru, &rd->label_lru);
	rd->nr_labels++;
	spin_unlock(&rd->label_lock);
	put_all(&gone);
}

void vfsr_labels_forget(struct vfsr_grids *gs, u64 grid)
{
	struct vfsr_reader *rd = gs->reader;
	struct vfsr_label *l, *next;
	LIST_HEAD(gone);
	u32 i;

	spin_lock(&rd->label_lock);
	list_for_each_entry_safe(l, next, &rd->label_lru, lru)
		if (!grid || l->ft.grid == grid)
			unlink_locked(rd, l, &gone);
	for (i = 0; i < LOST_LABELS; i++)
		if (!grid || rd->lost_label[i].key >> 13 == grid)
			rd->lost_label[i].key = 0;
	spin_unlock(&rd->label_lock);
	put_all(&gone);
}

/* Key of a search in vain; a hard one and a simple one are two things. */
static u64 lost_key(const struct vfsr_grid *g, u32 row, bool hard)
{
	return label_key(g->id, row) << 1 | hard;
}

static bool known_lost(struct vfsr_reader *rd, const struct vfsr_grid *g,
		       u32 row, bool hard)
{
	u64 key = lost_key(g, row, hard);
	u32 i = hash_64(key, ilog2(LOST_LABELS));
	bool lost;

	spin_lock(&rd->label_lock);
	lost = rd->lost_label[i].key == key &&
	       time_before(jiffies, rd->lost_label[i].when + HOPELESS_JIFFIES);
	spin_unlock(&rd->label_lock);
	return lost;
}

static void note_lost(struct vfsr_reader *rd, const struct vfsr_grid *g,
		      u32 row, bool hard)
{
	u64 key = lost_key(g, row, hard);
	u32 i = hash_64(key, ilog2(LOST_LABELS));

	spin_lock(&rd->label_lock);
	rd->lost_label[i].key = key;
	rd->lost_label[i].when = jiffies;
	spin_unlock(&rd->label_lock);
}

/* --- trials --- */

static bool stripe_fits(const struct vfsr_grid *g,
			const struct vfsr_extent_rows *e,
			const struct vfsr_footer *ft)
{
	return ft->grid == g->id && ft->row == e->row &&
	       ft->depth == e->depth && ft->policy.k == g->g.k &&
	       ft->policy.m == g->g.m && ft->policy.r == g->g.r &&
	       ft->layout == g->g.layout && ft->strip_shift == g->g.strip_shift;
}

/* One row of an unknown stripe, and what is thought of it. */
struct trial {
	struct vfsr_grids *gs;
	struct vfsr_grid *g;
	const struct vfsr_extent_rows *e;
	u32 col, row; /* where the footer ought to be; row absolute */
	u32 gone; /* columns that cannot be read, and @col */
	u8 *raw; /* n sectors as read */
	u8 *try; /* VFSR_MAX_PARITY + 1 sectors to decode into */
	u8 *sum; /* n sectors: what column parity says */
	u8 *one; /* a sector */
	struct vfsr_footer *ft;
	u8 *out; /* the footer's sector */
	u8 *buf[VFSR_MAX_COLUMNS]; /* columns of the row being decoded */
	bool any_depth; /* the stripe may be less deep than @e says */
};

/* Is a sector the footer looked for? */
static bool accept(struct trial *t, const u8 *sector)
{
	struct vfsr_extent_rows e = *t->e;

	if (vfsr_footer_decode(sector, t->gs->pool->super->pool_uuid, t->ft,
			       NULL))
		return false;
	if (t->any_depth)
		e.depth = min(e.depth, t->ft->depth);
	if (!stripe_fits(t->g, &e, t->ft))
		return false;
	memcpy(t->out, sector, VFSR_SECTOR_BYTES);
	return true;
}

/* Decode the row with the erasures @mask. */
static bool try_mask(struct trial *t, u32 mask)
{
	const struct vfsr_geometry *g = &t->g->g;
	u32 col, lost = 0, at = 0;

	if (vfsr_mask_bits(mask) > g->m)
		return false;
	for (col = 0; col < g->n; col++) {
		t->buf[col] = vfsr_nth_sector(t->raw, col);
		if (!(mask >> col & 1))
			continue;
		if (col == t->col)
			at = lost;
		t->buf[col] = vfsr_nth_sector(t->try, lost++);
	}
	return !vfsr_row_decode(t->gs->ops, g->k, g->m, VFSR_SECTOR_BYTES, mask,
				t->buf) &&
	       accept(t, vfsr_nth_sector(t->try, at));
}

/* The next set of @size out of @nr, in order; false after the last. */
static bool next_set(u32 *pick, u32 size, u32 nr)
{
	u32 i = size;

	while (i && pick[i - 1] == nr - size + i - 1)
		i--;
	if (!i)
		return false;
	pick[i - 1]++;
	for (; i < size; i++)
		pick[i] = pick[i - 1] + 1;
	return true;
}

/* All sets of erasures up to m, smaller ones first. */
static bool try_sets(struct trial *t)
{
	u32 n = t->g->g.n, m = t->g->g.m, nr_trials = 0;
	u32 pick[VFSR_MAX_PARITY];
	u8 left[VFSR_MAX_COLUMNS] = { 0 }; /* columns not in @gone */
	u32 nr_left = 0, size, i, mask;

	for (i = 0; i < n; i++)
		if (!(t->gone >> i & 1))
			left[nr_left++] = (u8)i;
	for (size = 0; vfsr_mask_bits(t->gone) + size <= m && size <= nr_left;
	     size++) {
		for (i = 0; i < size; i++)
			pick[i] = i;
		do {
			for (mask = t->gone, i = 0; i < size; i++)
				mask |= 1u << left[pick[i]];
			if (try_mask(t, mask))
				return true;
			if (++nr_trials >= MAX_TRIALS)
				return false;
			cond_resched();
		} while (next_set(pick, size, nr_left));
	}
	return false;
}

/* What column parity says of (col, t->row): the XOR of the rest of its class.
 * Sectors of the same stripe are taken as they are. */
static bool column_sum(struct trial *t, u32 col, struct vfsr_read_ws *ws)
{
	struct vfsr_grid *g = t->g;
	u8 *sum = vfsr_nth_sector(t->sum, col);
	u32 row;

	memset(sum, 0, VFSR_SECTOR_BYTES);
	for (row = t->row % g->g.r; row < g->g.rows; row += g->g.r) {
		if (row == t->row)
			continue;
		if (row >= t->e->row && row < t->e->row + t->e->depth) {
			if (vfsr_sector_read(t->gs, g, t->e, col, row,
					     t->one) != SECTOR_OK)
				return false;
		} else if (vfsr_sector_get(t->gs, g, col, row, t->one, ws)) {
			return false;
		}
		t->gs->ops->xor_into(sum, t->one, VFSR_SECTOR_BYTES);
		cond_resched();
	}
	return true;
}

/* Ways that use column parity. */
static bool try_columns(struct trial *t, struct vfsr_read_ws *ws)
{
	u32 differ = 0, col;

	if (column_sum(t, t->col, ws) &&
	    accept(t, vfsr_nth_sector(t->sum, t->col)))
		return true;
	for (col = 0; col < t->g->g.n; col++) {
		if (col == t->col || !column_sum(t, col, ws))
			continue;
		if (t->gone >> col & 1 ||
		    memcmp(vfsr_nth_sector(t->sum, col),
			   vfsr_nth_sector(t->raw, col), VFSR_SECTOR_BYTES))
			differ |= 1u << col;
	}
	/* what the columns call wrong is erased, or else taken from them */
	if (try_mask(t, t->gone | differ))
		return true;
	for (col = 0; col < t->g->g.n; col++)
		if (differ >> col & 1)
			memcpy(vfsr_nth_sector(t->raw, col),
			       vfsr_nth_sector(t->sum, col), VFSR_SECTOR_BYTES);
	t->gone &= ~differ;
	return try_mask(t, t->gone);
}

/* Read the row of a copy. */
static void read_row(struct trial *t, u32 copy)
{
	u32 col;

	t->col = copy ? t->g->g.k - 1u : 0;
	t->row = copy ? t->e->row + t->e->depth - 1 : t->e->row;
	t->gone = 1u << t->col;
	for (col = 0; col < t->g->g.n; col++)
		if (vfsr_sector_read(t->gs, t->g, t->e, col, t->row,
				     vfsr_nth_sector(t->raw, col)) != SECTOR_OK)
			t->gone |= 1u << col;
}

/* A trial with its sectors; NULL: no memory. */
static struct trial *trial_new(struct vfsr_grids *gs, struct vfsr_grid *g)
{
	u32 n = g->g.n;
	struct trial *t = kzalloc(sizeof(*t), GFP_NOFS);
	u8 *room;

	if (!t)
		return NULL;
	room = kvmalloc_array(2 * n + VFSR_MAX_PARITY + 2, VFSR_SECTOR_BYTES,
			      GFP_NOFS);
	if (!room) {
		kfree(t);
		return NULL;
	}
	t->gs = gs;
	t->g = g;
	t->raw = room;
	t->sum = vfsr_nth_sector(room, n);
	t->try = vfsr_nth_sector(room, 2 * n);
	t->one = vfsr_nth_sector(room, 2 * n + VFSR_MAX_PARITY + 1);
	return t;
}

static void trial_free(struct trial *t)
{
	kvfree(t->raw);
	kfree(t);
}

/* The hard ways to a footer. @hard: column parity, else rows. */
static int footer_recover(struct vfsr_grids *gs, struct vfsr_grid *g,
			  const struct vfsr_extent_rows *e, bool hard,
			  struct vfsr_read_ws *ws, struct vfsr_label *l)
{
	struct trial *t;
	int err = -EIO;
	u32 copy;

	if (hard ? !vfsr_grid_has_columns(g) : !g->g.m)
		return -EIO;
	t = trial_new(gs, g);
	if (!t)
		return -ENOMEM;
	t->e = e;
	t->ft = &l->ft;
	t->out = l->sector;
	for (copy = 0; copy < 2 && err; copy++) {
		read_row(t, copy);
		if (hard ? try_columns(t, ws) : try_sets(t))
			err = 0;
	}
	trial_free(t);
	return err;
}

/* --- finding a footer --- */

/*
 * Read one of the two copies of a footer. A copy that is there but wrong is
 * counted; its mask bit goes to @wrong.
 */
static bool footer_copy(struct vfsr_grids *gs, struct vfsr_grid *g,
			const struct vfsr_extent_rows *e, bool second,
			struct vfsr_label *l, u32 *wrong,
			struct vfsr_read_ws *ws)
{
	u32 col = second ? g->g.k - 1u : 0;
	u32 row = second ? e->row + e->depth - 1 : e->row;
	u8 state = vfsr_sector_read(gs, g, e, col, row, l->sector);

	if (state == SECTOR_OK &&
	    !vfsr_footer_decode(l->sector, gs->pool->super->pool_uuid, &l->ft,
				NULL) &&
	    stripe_fits(g, e, &l->ft))
		return true;
	if (state != SECTOR_MISSING) {
		vfsr_heal_mark(gs, g, e, col, row, MARK_BAD, ws);
		*wrong |= 1u << second;
	}
	return false;
}

/* Find a footer by its copies, or the ways of footer_recover(). */
static int label_read(struct vfsr_grids *gs, struct vfsr_grid *g,
		      const struct vfsr_extent_rows *e, bool hard,
		      struct vfsr_read_ws *ws, struct vfsr_label *l)
{
	u32 wrong = 0;
	int err = 0;

	if (!footer_copy(gs, g, e, false, l, &wrong, ws) &&
	    !footer_copy(gs, g, e, true, l, &wrong, ws))
		err = footer_recover(gs, g, e, hard, ws, l);
	if (err)
		return err;
	if (wrong & 1)
		vfsr_heal_done(gs, g, e, 0, e->row, 1, l->sector, ws);
	if (wrong & 2)
		vfsr_heal_done(gs, g, e, g->g.k - 1u, e->row + e->depth - 1, 1,
			       l->sector, ws);
	return 0;
}

int vfsr_label_get(struct vfsr_grids *gs, struct vfsr_grid *g,
		   const struct vfsr_extent_rows *e, bool hard,
		   struct vfsr_read_ws *ws, struct vfsr_label **out)
{
	struct vfsr_reader *rd = gs->reader;
	struct vfsr_label *l = label_cached(rd, g->id, e);
	int err = -EIO;

	*out = l;
	if (l)
		return 0;
	if (known_lost(rd, g, e->row, hard))
		return -EIO;
	l = label_new();
	if (!l)
		return -ENOMEM;
	if (!known_lost(rd, g, e->row, false)) {
		err = label_read(gs, g, e, false, ws, l);
		if (err == -EIO)
			note_lost(rd, g, e->row, false);
	}
	if (err == -EIO && hard) {
		vfsr_heal_lock(gs, ws);
		/* unless another reader has just tried in vain */
		if (!known_lost(rd, g, e->row, true))
			err = label_read(gs, g, e, true, ws, l);
		vfsr_heal_unlock(gs, ws);
		if (err == -EIO)
			note_lost(rd, g, e->row, true);
	}
	if (err) {
		vfsr_label_put(l);
		return err;
	}
	label_keep(rd, l);
	*out = l;
	return 0;
}

/* --- a grid without a trailer --- */

/*
 * Depth of the stripe of at most @most rows whose first row is @row, by row
 * decodes; 0: none gives a footer. Where the first copy is depends on no depth
 * in a spread grid; else each depth has a row of its own to try, of which only
 * those columns are taken for lost that cannot be read.
 */
static u32 depth_by_trial(struct trial *t, u32 row, u32 most, bool thorough)
{
	bool spread = t->g->g.layout == VFSR_LAYOUT_SPREAD;
	struct vfsr_extent_rows e = { .row = row, .depth = most };
	bool found;

	if (!t->g->g.m)
		return 0;
	t->e = &e;
	t->any_depth = spread;
	read_row(t, 0);
	found = thorough ? try_sets(t) : try_mask(t, t->gone);
	t->any_depth = false;
	for (; thorough && !found && e.depth; e.depth--) {
		if (!spread) {
			read_row(t, 0);
			found = try_mask(t, t->gone);
		}
		if (!found) {
			read_row(t, 1);
			found = e.depth == most ? try_sets(t) :
						  try_mask(t, t->gone);
		}
	}
	t->e = NULL;
	return found ? t->ft->depth : 0;
}

/* Is a sector a footer of the stripe? Its columns' places are learnt then. */
static bool is_footer(struct trial *t, const struct vfsr_extent_rows *e)
{
	if (vfsr_footer_decode(t->out, t->gs->pool->super->pool_uuid, t->ft,
			       NULL) ||
	    !stripe_fits(t->g, e, t->ft))
		return false;
	vfsr_grid_learn(t->gs, t->g, t->ft->strip, t->ft->device);
	return true;
}

/* Depth of the stripe that starts at a row; 0: no footer says. */
static u32 depth_at(struct trial *t, u32 row, bool thorough)
{
	struct vfsr_grid *g = t->g;
	u32 most = min(g->g.depth, g->g.data_rows - row);
	struct vfsr_extent_rows e = { .row = row, .depth = most };
	u8 state;

	/* the first copy's place does not depend on the depth */
	state = vfsr_sector_read(t->gs, g, &e, 0, row, t->out);
	if (state == SECTOR_OK &&
	    !vfsr_footer_decode(t->out, t->gs->pool->super->pool_uuid, t->ft,
				NULL)) {
		e.depth = t->ft->depth;
		if (e.depth <= most && is_footer(t, &e))
			return e.depth;
	}
	for (e.depth = most; thorough && e.depth; e.depth--) {
		if (vfsr_sector_read(t->gs, g, &e, g->g.k - 1u,
				     row + e.depth - 1, t->out) == SECTOR_OK &&
		    is_footer(t, &e))
			return e.depth;
	}
	/* a search of many rows tries what cannot be read, and no guesses */
	if (!thorough && state == SECTOR_OK)
		return 0;
	e.depth = depth_by_trial(t, row, most, thorough);
	if (e.depth)
		vfsr_grid_learn(t->gs, g, t->ft->strip, t->ft->device);
	return e.depth;
}

/* Walk from stripe to stripe. Returns whether any was found. */
static bool scan_rows(struct trial *t, u8 *starts, u32 *rows_used)
{
	const struct vfsr_geometry *g = &t->g->g;
	u32 row = 0, next, depth;
	bool found = false;

	while (row < g->data_rows) {
		depth = depth_at(t, row, true);
		for (next = row + 1; !depth && next < g->data_rows; next++) {
			if (depth_at(t, next, false))
				break;
			cond_resched();
		}
		if (!depth && next >= g->data_rows)
			break;
		found = true;
		/* stripes whose footers are gone are taken to be full ones */
		for (; !depth && row < next; row += g->depth)
			vfsr_starts_set(starts, row);
		if (!depth) {
			row = next;
			continue;
		}
		vfsr_starts_set(starts, row);
		row += depth;
	}
	*rows_used = row;
	return found;
}

int vfsr_grid_scan_starts(struct vfsr_grids *gs, struct vfsr_grid *g,
			  u8 *starts, u32 *rows_used)
{
	struct vfsr_label *l = label_new();
	struct trial *t = NULL;
	int err = -ENOMEM;

	if (l)
		t = trial_new(gs, g);
	if (!t)
		goto out;
	t->ft = &l->ft;
	t->out = l->sector;
	err = -EIO;
	if (scan_rows(t, starts, rows_used) &&
	    vfsr_starts_ok(&g->g, starts, *rows_used, NULL))
		err = 0;
	trial_free(t);
out:
	vfsr_label_put(l);
	return err;
}
