/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the map share: pages in memory, and how they are reached.
 * Included by log/idmap*.c only.
 *
 * Invariants:
 * - A page is cached at most once; whoever holds a reference to it knows that it
 *   is the cached one: only pages without other references are given back.
 * - A dirty page's ancestors are cached and dirty, and a dirty leaf has its array
 *   of references. Pages become dirty from the root down, within a
 *   transaction, and clean together, while transactions are held off.
 * - Dirty pages, and those that were written and are not durable, are on one list
 *   (page->link), which holds a reference.
 * - What a parent says of a child is what was stored last; it changes at a
 *   commit, and only for children that are dirty.
 */
#ifndef VFSR_LOG_IDMAP_PRIV_H
#define VFSR_LOG_IDMAP_PRIV_H

#include <linux/bitmap.h>
#include <linux/shrinker.h>

#include "log/idmap.h"

#define VFSR_MAP_LOADERS 16u /* pages that may be loaded at a time */

struct vfsr_map_page {
	u64 index;		/* of the page within its level */
	u8 level;		/* 0: leaf */
	bool dirty;		/* dirty_lock; set with release */
	bool used;		/* looked at since the shrinker came by */
	refcount_t refs;	/* 1 for the cache */
	u64 pinned;		/* written by this transaction, which is not
				 * durable; 0: not so. dirty_lock */
	struct list_head link;	/* map->dirty[level] or map->written */
	struct list_head lru;	/* lru_lock */
	struct rcu_head rcu;
	spinlock_t lock;	/* guards all below */
	u8 *buf;		/* disk form, one page */
	/* leaves: ids given out whose chunks have no place yet, and their
	 * references */
	unsigned long given[BITS_TO_LONGS(VFSR_MAP_LEAF_ENTRIES)];
	u32 nr_given;
	u32 *refs_of;		/* VFSR_MAP_LEAF_ENTRIES, or NULL */
	/* leaves: ids not to be reused before transaction freed_at is durable */
	unsigned long freed[BITS_TO_LONGS(VFSR_MAP_LEAF_ENTRIES)];
	u64 freed_at;
};

struct vfsr_map {
	struct vfsr_grids *gs;
	u8 pool_uuid[VFSR_UUID_BYTES];
	struct xarray pages;	/* vfsr_map_chunk_id() -> page */
	struct mutex load_lock[VFSR_MAP_LOADERS]; /* by the page's key */
	/* the root: page (levels - 1, 0) */
	spinlock_t root_lock;	/* guards levels and top */
	unsigned int levels;	/* at least 1; grows under alloc_lock */
	struct vfsr_map_child top;	/* how the root was stored last */
	/* giving out ids */
	struct mutex alloc_lock;	/* guards next_id, cur, avail, scan */
	u64 next_id;
	struct vfsr_map_page *cur;	/* leaf ids are taken from, or NULL */
	DECLARE_BITMAP(avail, VFSR_MAP_LEAF_ENTRIES); /* candidates there */
	u64 scan;		/* leaf to look at next for holes */
	/* dirty pages */
	spinlock_t dirty_lock;
	struct list_head dirty[VFSR_MAP_MAX_LEVELS];
	struct list_head written;	/* oldest transaction first */
	atomic_long_t nr_dirty;
	atomic_long_t nr_held;	/* dirty or written */
	u64 transaction;	/* running */
	u64 durable;		/* last one that is */
	atomic64_t nr_ids;	/* with a place */
	/* the cache */
	spinlock_t lru_lock;
	struct list_head lru;	/* next victim first */
	atomic_long_t nr_pages;
	struct shrinker *shrinker;
};

/* Index of the page of @level that a leaf is below, and its item there. */
static inline u64 vfsr_map_index(u64 leaf, unsigned int level, u32 *item)
{
	*item = 0;
	while (level--)
		leaf = div_u64_rem(leaf, VFSR_MAP_FANOUT, item);
	return leaf;
}

static inline u64 vfsr_map_leaf(u64 id, u32 *slot)
{
	return div_u64_rem(id, VFSR_MAP_LEAF_ENTRIES, slot);
}

/* --- idmap.c --- */

#define VFSR_WALK_CREATE 0x1u /* make pages that are not there */
#define VFSR_WALK_DIRTY 0x2u /* make them and all above dirty */

/**
 * vfsr_map_walk - get a page
 * @m: map
 * @level: its level, 0 for a leaf
 * @index: of the page
 * @flags: VFSR_WALK_*; DIRTY within a transaction only
 * @out: the page, referenced
 *
 * Return: 0; -ENOENT if there is none (or the map is too low for it), -EIO, -EUCLEAN
 * (reported), -ENOMEM.
 */
int vfsr_map_walk(struct vfsr_map *m, unsigned int level, u64 index,
		  unsigned int flags, struct vfsr_map_page **out);
/* The page if it is cached, referenced; else NULL. */
struct vfsr_map_page *vfsr_map_cached(struct vfsr_map *m, unsigned int level,
				      u64 index);
void vfsr_map_put(struct vfsr_map_page *page);
/* Raise the root until the map spans an id; alloc_lock held, in a transaction. 0 or
 * -ENOMEM. */
int vfsr_map_grow(struct vfsr_map *m, u64 id);
void vfsr_map_report(struct vfsr_map *m, const struct vfsr_fault *f, u64 grid);

#endif
