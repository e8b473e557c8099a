// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where grids go, and strips coming back: the n devices with most free strips,
 * the lowest free strip of each. With fewer devices than columns no device gets
 * more than its even share, or the pool would not survive what mkfs promised.
 * On one device the strips are neighbours where there are enough.
 *
 * A strip is free when its bit is set; grids->lock guards bits, counts and
 * next_grid. Strips of freed grids stay taken until the record that says so is
 * durable. Equal tables give equal places, and the same as the tools choose.
 */
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "grid/stripe.h"

/* Grids looked at by vfsr_grids_have_empty(); more than the open ones */
#define EMPTY_SCAN 64u
/* Discarded at once by vfsr_grids_trim(), unless a strip is more */
#define TRIM_BYTES (64u << 20)

/* --- which members --- */

/* May a member get new strips? */
static bool eligible(const struct vfsr_grids *gs, unsigned int i)
{
	const struct vfsr_pool *p = gs->pool;

	return gs->free[i] && vfsr_dev_usable(p->dev[i]) &&
	       !p->dev[i]->no_table &&
	       READ_ONCE(p->super->member[i].state) == VFSR_MEMBER_ACTIVE;
}

static unsigned int nr_eligible(const struct vfsr_grids *gs, unsigned int *last)
{
	unsigned int i, nr = 0;

	for (i = 0; i < gs->pool->nr_devs; i++) {
		if (!eligible(gs, i))
			continue;
		*last = i;
		nr++;
	}
	return nr;
}

/* --- strips --- */

static bool is_free(const struct vfsr_grids *gs, unsigned int dev, u32 strip)
{
	return test_bit(strip, gs->free[dev]);
}

static void take_strip(struct vfsr_grids *gs, unsigned int dev, u32 strip)
{
	lockdep_assert_held(&gs->lock);
	if (WARN_ON_ONCE(!__test_and_clear_bit(strip, gs->free[dev])))
		return;
	gs->nr_free[dev]--;
}

static void give_strip(struct vfsr_grids *gs, unsigned int dev, u32 strip)
{
	lockdep_assert_held(&gs->lock);
	/* twice only where disk contents let two grids have one strip */
	if (!gs->free[dev] || __test_and_set_bit(strip, gs->free[dev]))
		return;
	gs->nr_free[dev]++;
	gs->first_free[dev] = min(gs->first_free[dev], strip);
}

/* Free counts changed: what others have computed from them is old. */
static void touch(struct vfsr_grids *gs)
{
	lockdep_assert_held(&gs->lock);
	WRITE_ONCE(gs->place_gen, gs->place_gen + 1);
}

/* --- life --- */

static int init_member(struct vfsr_grids *gs, unsigned int i)
{
	const struct vfsr_dev *d = gs->pool->dev[i];
	u32 strip;

	if (!d || !d->file || !d->strip || d->no_table)
		return 0;
	gs->free[i] =
		kvcalloc(BITS_TO_LONGS(d->nr_strips), sizeof(long), GFP_KERNEL);
	if (!gs->free[i])
		return -ENOMEM;
	for (strip = 0; strip < d->nr_strips; strip++) {
		if (d->strip[strip].grid)
			continue;
		__set_bit(strip, gs->free[i]);
		gs->nr_free[i]++;
	}
	return 0;
}

/* What a grid has is not free, whatever the table of that strip says. */
static void init_grid(struct vfsr_grids *gs, const struct vfsr_grid *g)
{
	unsigned int c;

	for (c = 0; c < g->g.n; c++) {
		const struct vfsr_column *col = &g->col[c];

		if (col->known && col->device < gs->pool->nr_devs &&
		    gs->free[col->device] &&
		    col->strip < gs->pool->dev[col->device]->nr_strips &&
		    is_free(gs, col->device, col->strip))
			take_strip(gs, col->device, col->strip);
	}
}

int vfsr_place_init(struct vfsr_grids *gs)
{
	struct vfsr_grid *g;
	unsigned long id;
	unsigned int i;

	for (i = 0; i < gs->pool->nr_devs; i++) {
		if (init_member(gs, i)) {
			vfsr_place_exit(gs);
			return -ENOMEM;
		}
	}
	xa_for_each(&gs->table, id, g) {
		spin_lock(&gs->lock);
		init_grid(gs, g);
		spin_unlock(&gs->lock);
		cond_resched();
	}
	return 0;
}

void vfsr_place_exit(struct vfsr_grids *gs)
{
	unsigned int i;

	for (i = 0; i < VFSR_MAX_MEMBERS; i++) {
		kvfree(gs->free[i]);
		gs->free[i] = NULL;
		gs->nr_free[i] = 0;
		gs->first_free[i] = 0;
	}
}

/* --- how many more --- */

/* Grids that @free strips of each device hold if none gives more than @share. */
static u64 count_grids(const u32 *free, unsigned int nr_devs, unsigned int n)
{
	const u32 share = DIV_ROUND_UP(n, nr_devs);
	u64 low = 0, high = 0;
	unsigned int i;

	for (i = 0; i < nr_devs; i++)
		high += free[i];
	high = div_u64(high, n);
	/* the largest number for which the shares add up */
	while (low < high) {
		u64 mid = high - (high - low) / 2, have = 0;

		for (i = 0; i < nr_devs; i++)
			have += min_t(u64, free[i], mid * share);
		if (have >= mid * n)
			low = mid;
		else
			high = mid - 1;
	}
	return low;
}

static u64 count_locked(struct vfsr_grids *gs, const struct vfsr_policy *policy,
			bool used_too)
{
	u32 strips[VFSR_MAX_MEMBERS];
	unsigned int i, nr = 0;

	lockdep_assert_held(&gs->lock);
	for (i = 0; i < gs->pool->nr_devs; i++)
		if (eligible(gs, i))
			strips[nr++] = used_too ? gs->pool->dev[i]->nr_strips :
						  gs->nr_free[i];
	return nr ? count_grids(strips, nr, policy->k + policy->m) : 0;
}

static u64 count_all(struct vfsr_grids *gs, const struct vfsr_policy *policy,
		     bool used_too)
{
	u64 nr;

	spin_lock(&gs->lock);
	nr = count_locked(gs, policy, used_too);
	spin_unlock(&gs->lock);
	return nr;
}

u64 vfsr_place_count(struct vfsr_grids *gs, const struct vfsr_policy *policy)
{
	return count_all(gs, policy, false);
}

u64 vfsr_place_total(struct vfsr_grids *gs, const struct vfsr_policy *policy)
{
	return count_all(gs, policy, true);
}

/* --- choosing; grids->lock held --- */

/* Skip used strips at the start of the table. */
static u32 first_free(struct vfsr_grids *gs, unsigned int dev)
{
	gs->first_free[dev] = find_next_bit(gs->free[dev],
					    gs->pool->dev[dev]->nr_strips,
					    gs->first_free[dev]);
	return gs->first_free[dev];
}

/* The lowest run of @n free neighbours; false if there is none. */
static bool find_run(struct vfsr_grids *gs, unsigned int dev, unsigned int n,
		     u32 *start)
{
	const u32 nr_strips = gs->pool->dev[dev]->nr_strips;
	u32 from = first_free(gs, dev), end;

	while (from < nr_strips) {
		end = find_next_zero_bit(gs->free[dev], nr_strips, from);
		if (end - from >= n) {
			*start = from;
			return true;
		}
		from = find_next_bit(gs->free[dev], nr_strips, end);
	}
	return false;
}

/* Device for one more column: least columns, then most free, then lowest. */
static int next_device(const struct vfsr_grids *gs, const u8 *taken,
		       unsigned int share)
{
	unsigned int i;
	int best = -1;

	for (i = 0; i < gs->pool->nr_devs; i++) {
		if (!eligible(gs, i) || taken[i] == share ||
		    gs->nr_free[i] <= taken[i])
			continue;
		if (best < 0 || taken[i] < taken[best] ||
		    (taken[i] == taken[best] &&
		     gs->nr_free[i] - taken[i] >
			     gs->nr_free[best] - taken[best]))
			best = (int)i;
	}
	return best;
}

/*
 * Columns over devices. Which column goes to which of the chosen devices turns
 * with the grid's id, so that reads (of data columns) use all of them.
 */
static int place_spread(struct vfsr_grids *gs, u64 id, unsigned int n,
			unsigned int nr_devs, struct vfsr_column *col)
{
	const unsigned int share = DIV_ROUND_UP(n, nr_devs);
	const u32 turn = nr_devs > 1 ? (u32)(id % n) : 0;
	u8 taken[VFSR_MAX_MEMBERS] = { 0 };
	u8 pick[VFSR_MAX_COLUMNS];
	unsigned int c;

	for (c = 0; c < n; c++) {
		int dev = next_device(gs, taken, share);

		if (dev < 0)
			return -ENOSPC;
		taken[dev]++;
		pick[c] = (u8)dev;
	}
	for (c = 0; c < n; c++) {
		col[c].device = pick[(c + turn) % n];
		col[c].strip = first_free(gs, col[c].device);
		take_strip(gs, col[c].device, col[c].strip);
	}
	return 0;
}

/* Choose and take strips for @n columns. 0 or -ENOSPC (nothing taken). */
static int place(struct vfsr_grids *gs, u64 id, unsigned int n,
		 struct vfsr_column *col, u8 *layout)
{
	unsigned int only = 0, nr_devs = nr_eligible(gs, &only), c;
	u32 start;

	*layout = VFSR_LAYOUT_SPREAD;
	if (!nr_devs)
		return -ENOSPC;
	if (nr_devs > 1 || !find_run(gs, only, n, &start))
		return place_spread(gs, id, n, nr_devs, col);
	*layout = gs->pool->super->layout;
	for (c = 0; c < n; c++) {
		col[c].device = (u8)only;
		col[c].strip = start + c;
		take_strip(gs, only, start + c);
	}
	return 0;
}

/*
 * The last strips are for metadata: a pool full of data must be able to commit
 * and to delete. Promises of data stop above all that is held, so half of that is
 * left for what was promised and needs more (short stripes, a device that failed).
 */
static bool may_take(struct vfsr_grids *gs, u8 use)
{
	const u64 held = READ_ONCE(gs->held_grids) / 2;

	return use == VFSR_USE_META || !held ||
	       count_locked(gs, &gs->pool->super->data, false) > held;
}

static int place_locked(struct vfsr_grids *gs, unsigned int n, u8 use, u64 *id,
			struct vfsr_column *col, u8 *layout)
{
	int err = -ENOSPC;

	spin_lock(&gs->lock);
	*id = gs->next_grid;
	if (*id <= VFSR_MAX_GRID && may_take(gs, use))
		err = place(gs, *id, n, col, layout);
	if (!err) {
		gs->next_grid++;
		touch(gs);
	}
	spin_unlock(&gs->lock);
	return err;
}

static void unplace(struct vfsr_grids *gs, unsigned int n,
		    const struct vfsr_column *col)
{
	unsigned int c;

	spin_lock(&gs->lock);
	for (c = 0; c < n; c++)
		give_strip(gs, col[c].device, col[c].strip);
	touch(gs);
	spin_unlock(&gs->lock);
}

/* --- new grids --- */

/* Write the state of a grid into the tables of its members. */
static void tell_members(struct vfsr_grids *gs, const struct vfsr_grid *g,
			 u8 state)
{
	struct vfsr_strip s = { 0 };
	unsigned int c;

	if (state != VFSR_STRIP_FREE)
		s = (struct vfsr_strip){
			.grid = g->id,
			.transaction = gs->pool->super->transaction,
			.policy = g->policy,
			.state = state,
			.layout = g->g.layout,
			.use = g->use,
		};
	for (c = 0; c < g->g.n; c++) {
		struct vfsr_dev *d = gs->pool->dev[g->col[c].device];

		if (state != VFSR_STRIP_FREE)
			s.column = (u8)c;
		vfsr_member_set_strip(d, g->col[c].strip, &s);
		vfsr_member_set_live(d, g->col[c].strip, 0);
	}
}

/* Make the grid and let everyone find it. */
static int grid_enter(struct vfsr_grids *gs, u64 id,
		      const struct vfsr_geometry *geometry,
		      const struct vfsr_policy *policy, u8 use,
		      const struct vfsr_column *col, struct vfsr_grid **out)
{
	static const u8 no_starts[VFSR_BITMAP_BYTES];
	struct vfsr_grid *g;
	unsigned int c;
	int err;

	g = vfsr_grid_alloc(id, geometry, policy, use, VFSR_STRIP_RESERVED);
	if (!g)
		return -ENOMEM;
	for (c = 0; c < geometry->n; c++) {
		g->col[c] = col[c];
		g->col[c].known = true;
	}
	err = xa_insert(&gs->table, id, g, GFP_NOFS);
	if (err)
		goto fail;
	err = vfsr_open_init(gs, g, 0, no_starts, false);
	if (err) {
		xa_erase(&gs->table, id);
		goto fail;
	}
	/* so that it is freed even if it never gets anything live */
	spin_lock(&gs->live_lock);
	if (!g->live_dirty) {
		g->live_dirty = true;
		list_add_tail(&g->live_link, &gs->live_list);
	}
	spin_unlock(&gs->live_lock);
	*out = g;
	return 0;
fail:
	vfsr_grid_put(g);
	return err;
}

int vfsr_grid_reserve(struct vfsr_grids *gs, const struct vfsr_policy *policy,
		      u8 use, struct vfsr_grid **out)
{
	struct vfsr_column col[VFSR_MAX_COLUMNS] = { 0 };
	const unsigned int n = policy->k + policy->m;
	struct vfsr_geometry geometry;
	struct vfsr_grid *g;
	u8 layout;
	u64 id;
	int err;

	/* and so nothing that is free is taken while it is held */
	lockdep_assert_held(&gs->pool->record_lock);
	*out = NULL;
	if (!vfsr_policy_ok(policy, gs->pool->super->strip_shift, NULL))
		return -EINVAL;
	err = place_locked(gs, n, use, &id, col, &layout);
	if (err)
		return err;
	err = vfsr_geometry_init(&geometry, policy,
				 gs->pool->super->strip_shift, layout, NULL);
	if (!err)
		err = grid_enter(gs, id, &geometry, policy, use, col, &g);
	if (err) {
		unplace(gs, n, col);
		return err;
	}
	tell_members(gs, g, VFSR_STRIP_RESERVED);
	refcount_inc(&g->refs);
	*out = g;
	return 0;
}

/* --- freeing --- */

/* Are all its strips on members whose tables will say that they are free? */
static bool can_tell_all(const struct vfsr_grids *gs, const struct vfsr_grid *g)
{
	unsigned int c;

	for (c = 0; c < g->g.n; c++) {
		const struct vfsr_column *col = &g->col[c];
		const struct vfsr_dev *d;

		if (!col->known || col->device >= gs->pool->nr_devs)
			return false;
		d = gs->pool->dev[col->device];
		if (!vfsr_dev_usable(d) || d->no_table ||
		    col->strip >= d->nr_strips)
			return false;
	}
	return true;
}

/* Take a grid out of the table if it is sealed and empty. */
static bool free_one(struct vfsr_grids *gs, struct vfsr_grid *g, u64 keep)
{
	bool sealed;

	if (atomic64_read(&g->live) > 0 || g->id == keep ||
	    !can_tell_all(gs, g))
		return false;
	spin_lock(&gs->lock);
	sealed = g->state == VFSR_STRIP_SEALED;
	/* from now on nobody heals it on disk */
	if (sealed)
		g->state = VFSR_STRIP_FREE;
	spin_unlock(&gs->lock);
	if (!sealed)
		return false;
	tell_members(gs, g, VFSR_STRIP_FREE);
	xa_erase(&gs->table, g->id);
	return true;
}

void vfsr_grids_free_empty(struct vfsr_grids *gs, struct list_head *list,
			   u64 keep)
{
	struct vfsr_grid *g, *next;
	LIST_HEAD(changed);

	/* who is on a list stays live_dirty, so nobody adds it a second time */
	spin_lock(&gs->live_lock);
	list_splice_init(&gs->live_list, &changed);
	spin_unlock(&gs->live_lock);
	list_for_each_entry_safe(g, next, &changed, live_link)
		if (free_one(gs, g, keep))
			list_move_tail(&g->live_link, list);
	spin_lock(&gs->live_lock);
	list_splice(&changed, &gs->live_list);
	spin_unlock(&gs->live_lock);
}

bool vfsr_grids_have_empty(struct vfsr_grids *gs)
{
	unsigned int left = EMPTY_SCAN;
	const struct vfsr_grid *g;
	bool found = false;

	spin_lock(&gs->live_lock);
	list_for_each_entry(g, &gs->live_list, live_link) {
		/* empty ones are in front */
		if (found || !left-- || atomic64_read(&g->live) > 0)
			break;
		found = READ_ONCE(g->state) == VFSR_STRIP_SEALED &&
			!READ_ONCE(g->open) && can_tell_all(gs, g);
	}
	spin_unlock(&gs->live_lock);
	return found;
}

/* Discard runs of neighbouring strips together, as far as columns are so. */
static void discard_strips(struct vfsr_grids *gs, const struct vfsr_grid *g)
{
	unsigned int c = 0, nr;

	if (!READ_ONCE(gs->discard))
		return;
	while (c < g->g.n) {
		const struct vfsr_column *col = &g->col[c];

		for (nr = 1; c + nr < g->g.n; nr++)
			if (col[nr].device != col->device ||
			    col[nr].strip != col->strip + nr)
				break;
		/* advice only: whatever the device says, they are free */
		(void)vfsr_dev_discard(gs->pool->dev[col->device], col->strip,
				       nr);
		c += nr;
	}
}

void vfsr_grids_freed(struct vfsr_grids *gs, struct list_head *list)
{
	struct vfsr_grid *g, *next;

	list_for_each_entry_safe(g, next, list, live_link) {
		list_del_init(&g->live_link);
		/* a heal that began before the grid was freed */
		vfsr_grid_quiesce(g);
		discard_strips(gs, g);
		unplace(gs, g->g.n, g->col);
		vfsr_grid_put(g);
		cond_resched();
	}
}

/* --- discarding what is free --- */

/* The first run of free strips of a member within [*@strip, @end); 0 if there is none. */
static u32 free_run(struct vfsr_grids *gs, unsigned int dev, u32 *strip,
		    u32 end)
{
	u32 nr = 0;

	spin_lock(&gs->lock);
	if (eligible(gs, dev)) {
		*strip = find_next_bit(gs->free[dev], end, *strip);
		nr = find_next_zero_bit(gs->free[dev], end, *strip) - *strip;
	}
	spin_unlock(&gs->lock);
	return nr;
}

/* Discard a run bit by bit, no longer than so much at once keeps others waiting. */
static int trim_run(struct vfsr_grids *gs, unsigned int dev, u32 strip, u32 end,
		    u64 *done)
{
	const unsigned int shift = gs->pool->super->strip_shift;
	const u32 most = max(1u, TRIM_BYTES >> shift);
	u32 nr;
	int err;

	while (strip < end) {
		/* who reserves grids holds it, too: none of these is taken now */
		mutex_lock(&gs->pool->record_lock);
		nr = min(free_run(gs, dev, &strip, end), most);
		err = nr ? vfsr_dev_discard(gs->pool->dev[dev], strip, nr) : 0;
		mutex_unlock(&gs->pool->record_lock);
		if (err || !nr)
			return err;
		*done += (u64)nr << shift;
		strip += nr;
		if (fatal_signal_pending(current))
			return -ERESTARTSYS;
		cond_resched();
	}
	return 0;
}

/* Strips [@strip, @end) of a member. */
static int trim_member(struct vfsr_grids *gs, unsigned int dev, u32 strip,
		       u32 end, u64 min_bytes, u64 *done)
{
	const unsigned int shift = gs->pool->super->strip_shift;
	u32 nr;
	int err = 0;

	while (!err && strip < end) {
		nr = free_run(gs, dev, &strip, end);
		if (!nr)
			break;
		if ((u64)nr << shift >= min_bytes)
			err = trim_run(gs, dev, strip, strip + nr, done);
		strip += nr;
	}
	return err;
}

int vfsr_grids_trim(struct vfsr_grids *gs, u64 start, u64 end, u64 min_bytes,
		    u64 *done)
{
	const unsigned int shift = gs->pool->super->strip_shift;
	/* strips [from, to) of all, [base, ...) of the member */
	u64 from = start >> shift, to = end >> shift, base = 0, first, last;
	bool possible = false;
	unsigned int i;
	int err = 0;

	if (start & ((1ull << shift) - 1))
		from++;
	*done = 0;
	for (i = 0; i < gs->pool->nr_devs; i++) {
		const struct vfsr_dev *d = gs->pool->dev[i];
		u32 nr_strips = d ? d->nr_strips : 0;

		first = clamp(from, base, base + nr_strips) - base;
		last = clamp(to, base, base + nr_strips) - base;
		base += nr_strips;
		if (!d || !d->can_discard || !vfsr_dev_usable(d))
			continue;
		possible = true;
		if (!err)
			err = trim_member(gs, i, (u32)first, (u32)last,
					  min_bytes, done);
	}
	if (start >= base << shift)
		return -EINVAL;
	return possible ? err : -EOPNOTSUPP;
}
