// SPDX-License-Identifier: GPL-2.0-only
/*
 * The map's pages: finding, loading, growing, dirtying, and giving them back.
 *
 * Loading goes from the root down and holds one load_lock (by the page's key) at a
 * time, so different pages are read side by side and a page once. The shrinker
 * takes spinlocks alone: it may run from any allocation made here.
 */
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "log/idmap_priv.h"

void vfsr_map_report(struct vfsr_map *m, const struct vfsr_fault *f, u64 grid)
{
	struct vfsr_where at = { .dev = -1, .grid = grid };

	vfsr_report(m->gs->pool->name, &at, f);
}

/* --- pages --- */

static void page_free(struct vfsr_map_page *page)
{
	free_page((unsigned long)page->buf);
	kfree(page->refs_of);
	kfree_rcu(page, rcu);
}

static struct vfsr_map_page *page_new(unsigned int level, u64 index)
{
	struct vfsr_map_page *page = kzalloc(sizeof(*page), GFP_NOFS);

	if (!page)
		return NULL;
	page->buf = (u8 *)__get_free_page(GFP_NOFS);
	if (!page->buf) {
		kfree(page);
		return NULL;
	}
	page->level = (u8)level;
	page->index = index;
	/* the cache's and the caller's */
	refcount_set(&page->refs, 2);
	spin_lock_init(&page->lock);
	INIT_LIST_HEAD(&page->link);
	INIT_LIST_HEAD(&page->lru);
	return page;
}

struct vfsr_map_page *vfsr_map_cached(struct vfsr_map *m, unsigned int level,
				      u64 index)
{
	struct vfsr_map_page *page;

	rcu_read_lock();
	page = xa_load(&m->pages, vfsr_map_chunk_id(level, index));
	if (page && !refcount_inc_not_zero(&page->refs))
		page = NULL;
	rcu_read_unlock();
	if (page && !READ_ONCE(page->used))
		WRITE_ONCE(page->used, true);
	return page;
}

void vfsr_map_put(struct vfsr_map_page *page)
{
	/* the cache's own reference goes in evict() alone */
	if (page)
		WARN_ON_ONCE(refcount_dec_and_test(&page->refs));
}

static int cache_insert(struct vfsr_map *m, struct vfsr_map_page *page)
{
	int err = xa_insert(&m->pages,
			    vfsr_map_chunk_id(page->level, page->index), page,
			    GFP_NOFS);

	if (err)
		return err;
	atomic_long_inc(&m->nr_pages);
	spin_lock(&m->lru_lock);
	list_add_tail(&page->lru, &m->lru);
	spin_unlock(&m->lru_lock);
	return 0;
}

/* --- loading --- */

/* How a page was stored last. 1: it was, 0: never, -EAGAIN: the map grew. */
static int stored_as(struct vfsr_map *m, struct vfsr_map_page *parent,
		     unsigned int level, u64 index, struct vfsr_map_child *c)
{
	struct vfsr_fault f = { 0 };
	u32 item;
	int ret;

	if (!parent) {
		spin_lock(&m->root_lock);
		*c = m->top;
		ret = level == m->levels - 1 ? !!c->place : -EAGAIN;
		spin_unlock(&m->root_lock);
		return ret;
	}
	vfsr_map_index(index, 1, &item);
	spin_lock(&parent->lock);
	ret = vfsr_map_child_get(parent->buf, item, c, &f);
	spin_unlock(&parent->lock);
	if (ret < 0)
		vfsr_map_report(m, &f, 0);
	return ret;
}

static int page_read(struct vfsr_map *m, const struct vfsr_map_child *child,
		     struct vfsr_map_page *page)
{
	const struct vfsr_reader_of who = { 0 };
	bool raw = child->len == VFSR_NODE_BYTES;
	struct vfsr_chunk c = {
		.id = vfsr_map_chunk_id(page->level, page->index),
		.place = child->place,
		.stored = child->len,
		.logical = VFSR_NODE_BYTES,
		.crc = child->crc,
		.refs = 1,
		.state = raw ? VFSR_STATE_RAW : VFSR_STATE_COMPRESSED,
		.alg = raw ? VFSR_ALG_NONE : VFSR_ALG_ZLIB,
		.kind = VFSR_KIND_MAP,
	};
	struct vfsr_fault f = { 0 };
	int err;

	c.owner = c.id;
	err = vfsr_chunk_read(m->gs, &c, page->buf, NULL, &who);
	if (err == -ENOMEM)
		return err;
	if (err)
		vfsr_fault_set(&f, VFSR_REASON_LOST, c.id, 0);
	else
		err = vfsr_map_page_check(page->buf, page->level, page->index,
					  m->pool_uuid, &f);
	if (err)
		vfsr_map_report(m, &f, vfsr_place_grid(c.place));
	return err;
}

/* A page that was not cached a moment ago. @parent is NULL for the root. */
static int page_load(struct vfsr_map *m, struct vfsr_map_page *parent,
		     unsigned int level, u64 index, bool create,
		     struct vfsr_map_page **out)
{
	u64 key = vfsr_map_chunk_id(level, index);
	struct mutex *lock =
		&m->load_lock[hash_64(key, ilog2(VFSR_MAP_LOADERS))];
	struct vfsr_map_page *page;
	struct vfsr_map_child child;
	int ret = 0;

	mutex_lock(lock);
	page = vfsr_map_cached(m, level, index);
	if (page)
		goto out;
	ret = stored_as(m, parent, level, index, &child);
	if (ret < 0)
		goto out;
	if (!ret && !create) {
		ret = -ENOENT;
		goto out;
	}
	page = page_new(level, index);
	if (!page) {
		ret = -ENOMEM;
		goto out;
	}
	if (ret) {
		ret = page_read(m, &child, page);
	} else {
		vfsr_map_page_init(page->buf, level, index,
				   READ_ONCE(m->transaction), m->pool_uuid);
	}
	if (!ret)
		ret = cache_insert(m, page);
	if (ret)
		page_free(page);
out:
	mutex_unlock(lock);
	if (!ret)
		*out = page;
	return ret;
}

/* --- dirtying --- */

/* A dirty leaf has room for references of ids that have no place yet. */
static int leaf_prepare(struct vfsr_map_page *page)
{
	u32 *refs_of;

	if (page->level || READ_ONCE(page->refs_of))
		return 0;
	refs_of = kcalloc(VFSR_MAP_LEAF_ENTRIES, sizeof(*refs_of), GFP_NOFS);
	if (!refs_of)
		return -ENOMEM;
	spin_lock(&page->lock);
	if (!page->refs_of) {
		page->refs_of = refs_of;
		refs_of = NULL;
	}
	spin_unlock(&page->lock);
	kfree(refs_of);
	return 0;
}

static int page_dirty(struct vfsr_map *m, struct vfsr_map_page *page)
{
	int err;

	/* pairs with the release below: then those above it are dirty too */
	if (smp_load_acquire(&page->dirty))
		return 0;
	err = leaf_prepare(page);
	if (err)
		return err;
	spin_lock(&m->dirty_lock);
	if (!page->dirty) {
		if (!page->pinned) {
			refcount_inc(&page->refs);
			atomic_long_inc(&m->nr_held);
		}
		page->pinned = 0;
		list_move_tail(&page->link, &m->dirty[page->level]);
		atomic_long_inc(&m->nr_dirty);
		smp_store_release(&page->dirty, true);
	}
	spin_unlock(&m->dirty_lock);
	return 0;
}

/* --- the way down --- */

static bool spanned(unsigned int levels, unsigned int level, u64 index)
{
	u32 item;

	return level < levels &&
	       !vfsr_map_index(index, levels - 1 - level, &item);
}

static int walk_down(struct vfsr_map *m, unsigned int levels,
		     unsigned int level, u64 index, unsigned int flags,
		     struct vfsr_map_page **out)
{
	struct vfsr_map_page *page = NULL, *parent = NULL;
	unsigned int at = levels;
	u32 item;
	int err = 0;

	while (at-- > level) {
		u64 here = vfsr_map_index(index, at - level, &item);

		page = vfsr_map_cached(m, at, here);
		if (!page)
			err = page_load(m, parent, at, here,
					flags & VFSR_WALK_CREATE, &page);
		vfsr_map_put(parent);
		if (err)
			return err;
		if (flags & VFSR_WALK_DIRTY)
			err = page_dirty(m, page);
		if (err) {
			vfsr_map_put(page);
			return err;
		}
		parent = page;
	}
	*out = page;
	return 0;
}

int vfsr_map_walk(struct vfsr_map *m, unsigned int level, u64 index,
		  unsigned int flags, struct vfsr_map_page **out)
{
	struct vfsr_map_page *page;
	unsigned int levels;
	int err;

	/* no key of another level, whatever id was asked for */
	if (index > VFSR_MAX_ID / VFSR_MAP_LEAF_ENTRIES)
		return -ENOENT;
	page = vfsr_map_cached(m, level, index);
	if (page &&
	    (!(flags & VFSR_WALK_DIRTY) || smp_load_acquire(&page->dirty))) {
		*out = page;
		return 0;
	}
	vfsr_map_put(page);
	do {
		levels = READ_ONCE(m->levels);
		if (!spanned(levels, level, index))
			return -ENOENT;
		err = walk_down(m, levels, level, index, flags, out);
	} while (err == -EAGAIN);
	return err;
}

/* One level more: the old root becomes child 0 of a new one. */
static int grow_once(struct vfsr_map *m)
{
	unsigned int level = m->levels;
	struct vfsr_map_page *page = page_new(level, 0);
	int err;

	if (!page)
		return -ENOMEM;
	vfsr_map_page_init(page->buf, level, 0, READ_ONCE(m->transaction),
			   m->pool_uuid);
	/* nobody looks for it before `levels` says that it is there */
	if (m->top.place)
		vfsr_map_child_set(page->buf, 0, &m->top);
	err = cache_insert(m, page);
	if (err) {
		page_free(page);
		return err;
	}
	page_dirty(m, page);
	spin_lock(&m->root_lock);
	memset(&m->top, 0, sizeof(m->top));
	WRITE_ONCE(m->levels, level + 1);
	spin_unlock(&m->root_lock);
	vfsr_map_put(page);
	return 0;
}

int vfsr_map_grow(struct vfsr_map *m, u64 id)
{
	int err = 0;

	lockdep_assert_held(&m->alloc_lock);
	/* top changes at commits and here: not within a transaction elsewhere */
	while (!err && vfsr_map_span(m->levels - 1) <= id)
		err = grow_once(m);
	return err;
}

/* --- giving back --- */

/* Out of the cache if nobody else holds it. lru_lock held. */
static bool evict(struct vfsr_map *m, struct vfsr_map_page *page)
{
	bool gone = false;

	/* given ids are in memory alone; nobody without a reference adds any */
	if (READ_ONCE(page->nr_given))
		return false;
	xa_lock(&m->pages);
	if (refcount_dec_if_one(&page->refs)) {
		__xa_erase(&m->pages,
			   vfsr_map_chunk_id(page->level, page->index));
		gone = true;
	}
	xa_unlock(&m->pages);
	return gone;
}

static unsigned long map_count(struct shrinker *shrink,
			       struct shrink_control *sc)
{
	struct vfsr_map *m = shrink->private_data;
	long nr =
		atomic_long_read(&m->nr_pages) - atomic_long_read(&m->nr_held);

	return nr > 0 ? nr : SHRINK_EMPTY;
}

static unsigned long map_scan(struct shrinker *shrink,
			      struct shrink_control *sc)
{
	struct vfsr_map *m = shrink->private_data;
	unsigned long i, nr_freed = 0;
	struct vfsr_map_page *page, *next;
	LIST_HEAD(gone);

	spin_lock(&m->lru_lock);
	for (i = 0; i < sc->nr_to_scan && !list_empty(&m->lru); i++) {
		page = list_first_entry(&m->lru, struct vfsr_map_page, lru);
		if (READ_ONCE(page->used)) {
			WRITE_ONCE(page->used, false);
			list_move_tail(&page->lru, &m->lru);
		} else if (evict(m, page)) {
			list_move(&page->lru, &gone);
			nr_freed++;
		} else {
			list_move_tail(&page->lru, &m->lru);
		}
	}
	spin_unlock(&m->lru_lock);
	atomic_long_sub(nr_freed, &m->nr_pages);
	list_for_each_entry_safe(page, next, &gone, lru)
		page_free(page);
	return nr_freed;
}

/* --- life --- */

static int shrinker_init(struct vfsr_map *m)
{
	m->shrinker = shrinker_alloc(0, "vfsr-map");
	if (!m->shrinker)
		return -ENOMEM;
	m->shrinker->count_objects = map_count;
	m->shrinker->scan_objects = map_scan;
	m->shrinker->private_data = m;
	shrinker_register(m->shrinker);
	return 0;
}

int vfsr_map_new(struct vfsr_grids *gs, const struct vfsr_super *s,
		 struct vfsr_map **out)
{
	struct vfsr_map *m = kzalloc(sizeof(*m), GFP_KERNEL);
	unsigned int i;

	*out = NULL;
	if (!m)
		return -ENOMEM;
	m->gs = gs;
	memcpy(m->pool_uuid, s->pool_uuid, sizeof(m->pool_uuid));
	xa_init(&m->pages);
	for (i = 0; i < VFSR_MAP_LOADERS; i++)
		mutex_init(&m->load_lock[i]);
	spin_lock_init(&m->root_lock);
	m->levels =
		clamp_t(unsigned int, s->map_levels, 1, VFSR_MAP_MAX_LEVELS);
	m->top = (struct vfsr_map_child){
		.place = s->map_place,
		.crc = s->map_crc,
		.len = s->map_len,
		.free = s->map_free,
	};
	mutex_init(&m->alloc_lock);
	m->next_id = max_t(u64, s->next_id, VFSR_FIRST_ID);
	spin_lock_init(&m->dirty_lock);
	for (i = 0; i < VFSR_MAP_MAX_LEVELS; i++)
		INIT_LIST_HEAD(&m->dirty[i]);
	INIT_LIST_HEAD(&m->written);
	m->transaction = s->next_transaction;
	m->durable = s->transaction;
	atomic64_set(&m->nr_ids, s->nr_ids);
	spin_lock_init(&m->lru_lock);
	INIT_LIST_HEAD(&m->lru);
	if (shrinker_init(m)) {
		kfree(m);
		return -ENOMEM;
	}
	*out = m;
	return 0;
}

void vfsr_map_free(struct vfsr_map *m)
{
	struct vfsr_map_page *page;
	unsigned long key;

	if (!m)
		return;
	shrinker_free(m->shrinker);
	/* after an error pages may still be dirty: what they hold is void */
	xa_for_each(&m->pages, key, page)
		page_free(page);
	xa_destroy(&m->pages);
	kfree(m);
}
