// SPDX-License-Identifier: GPL-2.0-only
/*
 * How much may still be dirtied, and what statfs says.
 *
 * All sums are raw bytes: strips that can be placed as grids, and rows left in open
 * and reserved grids, against what was promised, each at its policy's worst. Rows of
 * metadata grids serve metadata alone, those of data grids data; free strips serve
 * both, but for the last ones, which placement keeps for metadata. So writeback finds
 * its room, whatever the data compresses to, and a full pool can commit and delete:
 * operations that ask may use half of what is kept.
 *
 * Most promises take from a budget and look at nothing; it is refilled with a part
 * of what is left, once a second or when used up. Lock order: sp->lock, then those of
 * a checkpoint; grids->lock.
 */
#include <linux/jiffies.h>
#include <linux/math64.h>
#include <linux/statfs.h>

#include "space/space.h"

#define COST_SHIFT 12 /* factors are per 4096 bytes */
/* Entries and gaps of full stripes take less than 1 in 32 */
#define OVERHEAD_SHIFT 5
#define FOOTERS 2u /* sectors of a stripe */
#define HELD_SHARE 64u /* of the pool is held back */
#define HELD_SHARE_MOST 4u /* ... at most, in a tiny pool */
#define HELD_META_GRIDS 6u /* that a commit may need to open */
#define HELD_DATA_GRIDS 2u
#define BUDGET_SHARE 8 /* of what is left */
#define BUDGET_MAX (256ll << 20)
#define BUDGET_JIFFIES HZ

/* What there is and what is promised, raw bytes. */
struct view {
	s64 data_free; /* free strips as grids of data, less those held; may be < 0 */
	s64 meta_free; /* free strips as grids of metadata */
	s64 data_room, meta_room; /* rows left in open grids */
	s64 data_cost, meta_cost; /* of what is dirty */
};

/* --- arithmetic --- */

/* Sectors of a grid that are left for chunks when all its stripes are full. */
static u64 chunk_sectors(const struct vfsr_geometry *g)
{
	u32 nr_stripes = DIV_ROUND_UP(g->data_rows, g->depth);
	u64 footers = (u64)nr_stripes * FOOTERS;

	return g->data_sectors > footers ? g->data_sectors - footers : 1;
}

static int cost_init(struct vfsr_space_cost *c, const struct vfsr_super *s,
		     const struct vfsr_policy *policy)
{
	struct vfsr_geometry g;
	u64 raw;

	if (vfsr_geometry_init(&g, policy, s->strip_shift, VFSR_LAYOUT_SPREAD,
			       NULL))
		return -EUCLEAN;
	c->grid_bytes = (u64)g.n << s->strip_shift;
	c->stripe_bytes = div_u64(c->grid_bytes * g.depth, g.data_rows);
	raw = (u64)g.n * g.strip_sectors << COST_SHIFT;
	raw += raw >> OVERHEAD_SHIFT;
	/* n * strip_sectors is 2^17 at most: it fits */
	c->factor = (u32)div64_u64(raw, chunk_sectors(&g)) + 1;
	return 0;
}

/* Raw bytes that storing @bytes takes. */
static s64 cost_of(const struct vfsr_space_cost *c, u64 bytes)
{
	return (s64)mul_u64_u32_shr(bytes, c->factor, COST_SHIFT);
}

/* Bytes that can be stored in @raw bytes. */
static u64 stored_in(const struct vfsr_space_cost *c, s64 raw)
{
	if (raw <= 0)
		return 0;
	return mul_u64_u64_div_u64((u64)raw, 1u << COST_SHIFT, c->factor);
}

/* Rows left in an open grid, as their part of the grid's raw bytes. */
static s64 grid_room(const struct vfsr_grid *g)
{
	u32 used = READ_ONCE(g->rows_used);
	u64 raw = (u64)g->g.n << g->g.strip_shift;

	if (used >= g->g.data_rows)
		return 0;
	return (s64)div_u64(raw * (g->g.data_rows - used), g->g.data_rows);
}

/* --- looking --- */

static void add_rooms(struct vfsr_grids *gs, struct view *v)
{
	struct vfsr_open *o;

	spin_lock(&gs->lock);
	list_for_each_entry(o, &gs->open_list, link) {
		const struct vfsr_grid *g = o->grid;

		if (READ_ONCE(o->finished) || READ_ONCE(g->frozen))
			continue;
		if (g->use == VFSR_USE_META)
			v->meta_room += grid_room(g);
		else
			v->data_room += grid_room(g);
	}
	spin_unlock(&gs->lock);
}

/* Free strips as grids. Counted again only after they changed. */
static void count_free(struct vfsr_space *sp)
{
	struct vfsr_grids *gs = sp->log->grids;
	const struct vfsr_super *s = gs->pool->super;
	unsigned long gen = READ_ONCE(gs->place_gen) +
			    (unsigned int)atomic_read(&gs->pool->nr_failed);

	lockdep_assert_held(&sp->lock);
	if (sp->place_known && sp->place_gen == gen)
		return;
	sp->free_data = vfsr_place_count(gs, &s->data);
	sp->free_meta = vfsr_place_count(gs, &s->meta);
	sp->place_gen = gen;
	sp->place_known = true;
}

static void look(struct vfsr_space *sp, struct view *v)
{
	struct vfsr_log *log = sp->log;
	u64 nodes =
		vfsr_trees_nr_dirty(sp->trees) + vfsr_map_nr_dirty(log->map);

	memset(v, 0, sizeof(*v));
	count_free(sp);
	/* below 0 if data has dug into what is held: so much of its room is not
	 * there for promises */
	v->data_free = (s64)(sp->free_data * sp->data_cost.grid_bytes) -
		       (s64)sp->held_back;
	v->meta_free = (s64)(sp->free_meta * sp->meta_cost.grid_bytes);
	v->data_cost = cost_of(&sp->data_cost,
			       (u64)percpu_counter_sum_positive(&sp->data));
	v->meta_cost = cost_of(&sp->meta_cost, nodes * VFSR_NODE_BYTES);
	add_rooms(log->grids, v);
	/* what is in the open stripe is neither promised nor in rows any more */
	v->data_room =
		max_t(s64, v->data_room - (s64)sp->data_cost.stripe_bytes, 0);
}

/* Raw bytes left for data. */
static s64 left_for_data(const struct view *v)
{
	return v->data_free + v->data_room - v->data_cost -
	       max_t(s64, v->meta_cost - v->meta_room, 0);
}

/* Raw bytes left for metadata, half of what is held included. */
static s64 left_for_meta(const struct vfsr_space *sp, const struct view *v)
{
	return v->meta_free + v->meta_room - v->meta_cost -
	       max_t(s64, v->data_cost - v->data_room, 0) -
	       (s64)(sp->held_back / 2);
}

/* --- promising --- */

/* Let the next promises take a part of what is left. */
static void refill(struct vfsr_space *sp, s64 data_left, s64 meta_left)
{
	u64 bytes = stored_in(&sp->data_cost, data_left / BUDGET_SHARE);
	u64 meta = stored_in(&sp->meta_cost, meta_left / BUDGET_SHARE);

	atomic64_set(&sp->data_budget, min_t(s64, (s64)bytes, BUDGET_MAX));
	atomic64_set(&sp->meta_budget,
		     min_t(s64, (s64)meta, BUDGET_MAX) / VFSR_NODE_BYTES);
	WRITE_ONCE(sp->budget_end, jiffies + BUDGET_JIFFIES);
}

static bool take(struct vfsr_space *sp, atomic64_t *budget, s64 amount)
{
	return atomic64_sub_return(amount, budget) >= 0 &&
	       time_before(jiffies, READ_ONCE(sp->budget_end));
}

/* Are there raw bytes @data and @meta beyond what is promised already? */
static bool enough(struct vfsr_space *sp, s64 data, s64 meta)
{
	s64 data_left, meta_left;
	struct view v;

	look(sp, &v);
	data_left = left_for_data(&v) - data;
	meta_left = left_for_meta(sp, &v) - meta;
	refill(sp, data_left, meta_left);
	return (!data || data_left >= 0) && (!meta || meta_left >= 0);
}

/*
 * Make room: dirty data may need less than was promised for it, and a checkpoint
 * frees the grids that have become empty.
 */
static int write_out(struct vfsr_space *sp)
{
	if (sp->write_back &&
	    percpu_counter_sum_positive(&sp->data) >= VFSR_CHUNK_BYTES)
		sp->write_back(sp->write_back_ctx);
	return vfsr_log_commit(sp->log);
}

/* The last resort is what metadata keeps reserved beyond its need. */
static int make_room(struct vfsr_space *sp, s64 data, s64 meta)
{
	int err = write_out(sp);

	if (!err && !enough(sp, data, meta)) {
		err = vfsr_log_yield(sp->log);
		if (!err && !enough(sp, data, meta))
			err = -ENOSPC;
	}
	return err;
}

/* Promise file data of @bytes and room for metadata of @meta raw bytes. */
static int promise(struct vfsr_space *sp, u64 bytes, s64 meta)
{
	s64 data = cost_of(&sp->data_cost, bytes);
	int err = 0;

	mutex_lock(&sp->lock);
	if (!enough(sp, data, meta))
		err = make_room(sp, data, meta);
	/* before the next one looks */
	if (!err)
		percpu_counter_add(&sp->data, (s64)bytes);
	mutex_unlock(&sp->lock);
	return err;
}

/* What a promise may take, whether or not it has to this time. */
static void might_promise(struct vfsr_space *sp)
{
	might_lock(&sp->lock);
	might_lock(&sp->log->commit_lock);
}

int vfsr_space_reserve(struct vfsr_space *sp, u64 bytes)
{
	might_promise(sp);
	if (!take(sp, &sp->data_budget, (s64)bytes))
		return promise(sp, bytes, 0);
	percpu_counter_add(&sp->data, (s64)bytes);
	return 0;
}

void vfsr_space_release(struct vfsr_space *sp, u64 bytes)
{
	percpu_counter_sub(&sp->data, (s64)bytes);
}

int vfsr_space_meta(struct vfsr_space *sp, unsigned int nr_nodes)
{
	might_promise(sp);
	if (take(sp, &sp->meta_budget, nr_nodes))
		return 0;
	return promise(sp, 0,
		       cost_of(&sp->meta_cost,
			       (u64)nr_nodes * VFSR_NODE_BYTES));
}

/* --- statfs --- */

void vfsr_space_statfs(struct vfsr_space *sp, struct kstatfs *st)
{
	const struct vfsr_super *s = sp->log->pool->super;
	u64 total, inodes;
	struct view v;
	s64 left;

	mutex_lock(&sp->lock);
	look(sp, &v);
	mutex_unlock(&sp->lock);
	left = left_for_data(&v);
	total = vfsr_place_total(sp->log->grids, &s->data) *
		sp->data_cost.grid_bytes;
	inodes = (u64)max_t(s64, 0, atomic64_read(&sp->log->counts.nr_inodes));

	st->f_type = VFSR_STATFS_MAGIC;
	st->f_bsize = VFSR_SECTOR_BYTES;
	st->f_frsize = VFSR_SECTOR_BYTES;
	st->f_blocks = stored_in(&sp->data_cost, (s64)total) >>
		       VFSR_SECTOR_SHIFT;
	st->f_bfree = stored_in(&sp->data_cost, left + (s64)sp->held_back) >>
		      VFSR_SECTOR_SHIFT;
	st->f_bfree = min(st->f_bfree, st->f_blocks);
	st->f_bavail = stored_in(&sp->data_cost, left) >> VFSR_SECTOR_SHIFT;
	st->f_bavail = min(st->f_bavail, st->f_bfree);
	/* inodes have no place of their own: as many as there is room for */
	st->f_ffree = st->f_bavail;
	st->f_files = inodes + st->f_ffree;
	st->f_namelen = VFSR_NAME_MAX;
	st->f_fsid = uuid_to_fsid((u8 *)s->pool_uuid);
}

/* --- life --- */

static u64 pool_bytes(const struct vfsr_pool *p)
{
	u64 bytes = 0;
	unsigned int i;

	for (i = 0; i < p->nr_devs; i++)
		if (vfsr_dev_usable(p->dev[i]))
			bytes += (u64)p->dev[i]->nr_strips
				 << p->super->strip_shift;
	return bytes;
}

/* Grids of data that are kept for metadata. */
static u64 held_grids(const struct vfsr_space *sp)
{
	u64 pool = pool_bytes(sp->log->pool);
	u64 want = HELD_META_GRIDS * sp->meta_cost.grid_bytes +
		   HELD_DATA_GRIDS * sp->data_cost.grid_bytes;

	want = min(max(pool / HELD_SHARE, want), pool / HELD_SHARE_MOST);
	return div64_u64(want + sp->data_cost.grid_bytes - 1,
			 sp->data_cost.grid_bytes);
}

int vfsr_space_init(struct vfsr_space *sp, struct vfsr_log *log,
		    struct vfsr_trees *ts)
{
	const struct vfsr_super *s = log->pool->super;
	int err;

	memset(sp, 0, sizeof(*sp));
	sp->log = log;
	sp->trees = ts;
	mutex_init(&sp->lock);
	err = cost_init(&sp->data_cost, s, &s->data);
	if (!err)
		err = cost_init(&sp->meta_cost, s, &s->meta);
	if (err)
		return err;
	/* used up: the first promise looks */
	sp->budget_end = jiffies;
	err = percpu_counter_init(&sp->data, 0, GFP_KERNEL);
	if (err)
		return err;
	WRITE_ONCE(log->grids->held_grids, held_grids(sp));
	sp->held_back = log->grids->held_grids * sp->data_cost.grid_bytes;
	return 0;
}

void vfsr_space_exit(struct vfsr_space *sp)
{
	percpu_counter_destroy(&sp->data);
	mutex_destroy(&sp->lock);
}
