// SPDX-License-Identifier: GPL-2.0-only
/*
 * The cache of metadata objects: nodes of all trees, and values of attributes
 * that were set and are not yet durable.
 *
 * A lookup takes no lock: RCU, a reference, and a bit that says "used". What is
 * in the cache is current, and belongs to one tree (the owner is compared, so that
 * two trees of a hostile pool never share a node under different locks). An object that
 * is dirty or in flight is pinned, so what the cache has not is on disk with
 * a place in the map. The shrinker takes only what nobody holds: it drops the
 * last reference under the xarray's lock, after which no lookup succeeds.
 */
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/wait_bit.h>

#include "tree/tree_impl.h"

#define DURABLE_BATCH	64	/* objects moved per hold of ts->lock */

/* --- objects --- */

static struct vfsr_meta *meta_alloc(u64 id, u64 owner, u8 kind, u32 bytes)
{
	struct vfsr_meta *m = kzalloc(sizeof(*m), GFP_NOFS);

	if (!m)
		return NULL;
	if (kind == VFSR_KIND_XATTR)
		m->buf = kvmalloc(bytes, GFP_NOFS);
	else
		m->buf = (u8 *)__get_free_page(GFP_NOFS);
	if (!m->buf) {
		kfree(m);
		return NULL;
	}
	/* the core names a node by its buffer: from there to the object */
	if (kind != VFSR_KIND_XATTR)
		set_page_private(virt_to_page(m->buf), (unsigned long)m);
	m->id = id;
	m->owner = owner;
	m->kind = kind;
	m->bytes = bytes;
	refcount_set(&m->refs, 2); /* the cache's and the caller's */
	INIT_LIST_HEAD(&m->link);
	return m;
}

/* May sleep for a value, not for a node. */
static void meta_free(struct vfsr_meta *m)
{
	if (m->kind == VFSR_KIND_XATTR) {
		kvfree(m->buf);
	} else {
		set_page_private(virt_to_page(m->buf), 0);
		free_page((unsigned long)m->buf);
	}
	kfree_rcu(m, rcu);
}

void vfsr_meta_put(struct vfsr_meta *m)
{
	if (refcount_dec_and_test(&m->refs))
		meta_free(m);
}

struct vfsr_meta *vfsr_meta_find(struct vfsr_trees *ts, u64 id)
{
	struct vfsr_meta *m;

	rcu_read_lock();
	m = xa_load(&ts->metas, id);
	if (m && !refcount_inc_not_zero(&m->refs))
		m = NULL;
	rcu_read_unlock();
	return m;
}

/* Take a held object out of the xarray; the cache's reference goes. */
static void meta_unhash(struct vfsr_trees *ts, struct vfsr_meta *m)
{
	if (xa_cmpxchg(&ts->metas, m->id, m, NULL, 0) == m)
		vfsr_meta_put(m);
}

/* --- the LRU --- */

static struct vfsr_meta_shard *shard_of(struct vfsr_trees *ts, u64 id)
{
	return &ts->shard[id % VFSR_META_SHARDS];
}

static void lru_add(struct vfsr_trees *ts, struct vfsr_meta *m)
{
	struct vfsr_meta_shard *s = shard_of(ts, m->id);

	spin_lock(&s->lock);
	list_add_tail(&m->link, &s->lru);
	WRITE_ONCE(m->list, VFSR_META_LRU);
	s->nr++;
	spin_unlock(&s->lock);
}

static void lru_del(struct vfsr_trees *ts, struct vfsr_meta *m)
{
	struct vfsr_meta_shard *s = shard_of(ts, m->id);

	spin_lock(&s->lock);
	list_del_init(&m->link);
	WRITE_ONCE(m->list, VFSR_META_NONE);
	s->nr--;
	spin_unlock(&s->lock);
}

/* If nobody holds it, take an object on the LRU out of the xarray. */
static bool meta_take_last(struct vfsr_trees *ts, struct vfsr_meta *m)
{
	bool taken;

	xa_lock(&ts->metas);
	taken = refcount_dec_if_one(&m->refs);
	if (taken)
		__xa_erase(&ts->metas, m->id);
	xa_unlock(&ts->metas);
	return taken;
}

/* Look at up to @nr objects of a shard; out: those to free. */
static void shard_scan(struct vfsr_trees *ts, struct vfsr_meta_shard *s,
		       unsigned long nr, struct list_head *out)
{
	struct vfsr_meta *m;

	spin_lock(&s->lock);
	while (nr-- && !list_empty(&s->lru)) {
		m = list_first_entry(&s->lru, struct vfsr_meta, link);
		if (test_and_clear_bit(VFSR_META_USED, &m->flags) ||
		    refcount_read(&m->refs) > 1 || !meta_take_last(ts, m)) {
			list_move_tail(&m->link, &s->lru);
			continue;
		}
		list_move(&m->link, out);
		s->nr--;
	}
	spin_unlock(&s->lock);
}

static unsigned long cache_count(struct shrinker *sh, struct shrink_control *sc)
{
	struct vfsr_trees *ts = sh->private_data;
	unsigned long nr = 0;
	unsigned int i;

	for (i = 0; i < VFSR_META_SHARDS; i++)
		nr += READ_ONCE(ts->shard[i].nr);
	return nr ? nr : SHRINK_EMPTY;
}

static unsigned long cache_scan(struct shrinker *sh, struct shrink_control *sc)
{
	struct vfsr_trees *ts = sh->private_data;
	unsigned long each = DIV_ROUND_UP(sc->nr_to_scan, VFSR_META_SHARDS);
	unsigned long left = sc->nr_to_scan, freed = 0;
	struct vfsr_meta *m, *next;
	unsigned int i, at;
	LIST_HEAD(out);

	for (i = 0; i < VFSR_META_SHARDS && left; i++) {
		at = (unsigned int)atomic_inc_return(&ts->next_shard);
		shard_scan(ts, &ts->shard[at % VFSR_META_SHARDS],
			   min(each, left), &out);
		left -= min(each, left);
	}
	/* only nodes get onto the LRU: freeing one does not sleep */
	list_for_each_entry_safe(m, next, &out, link) {
		meta_free(m);
		freed++;
	}
	mm_account_reclaimed_pages(freed);
	return freed;
}

/* --- reading --- */

static int report(struct vfsr_trees *ts, u64 ino, const struct vfsr_fault *f)
{
	struct vfsr_where at = { .dev = -1, .ino = ino };

	vfsr_report(ts->log->pool->name, &at, f);
	return -EUCLEAN;
}

int vfsr_meta_placed(struct vfsr_trees *ts, u64 id, u8 kind)
{
	struct vfsr_chunk c;
	int rc = vfsr_map_lookup(ts->log->map, id, &c);

	/* given out but not placed: what we wait for would be in the cache */
	if (rc == -EAGAIN)
		return -ENOENT;
	if (rc)
		return rc;
	return c.kind == kind ? 0 : -ENOENT;
}

static u8 node_kind(u64 id, u64 owner)
{
	return id == owner ? VFSR_KIND_INODE : VFSR_KIND_NODE;
}

/*
 * Asking the map first makes sure that vfsr_log_read() never waits for a
 * stripe to be placed: that would take a transaction, and we may be in one.
 */
static int node_fill(struct vfsr_trees *ts, struct vfsr_meta *m)
{
	const struct vfsr_reader_of who = { .ino = m->owner };
	struct vfsr_fault f = { 0 };
	int rc = vfsr_meta_placed(ts, m->id, m->kind);

	if (rc)
		return rc;
	rc = vfsr_log_read(ts->log, m->id, m->kind, NULL, m->buf,
			   VFSR_NODE_BYTES, NULL, &who);
	if (rc < 0)
		return rc;
	if (!vfsr_node_ok(m->buf, (u32)rc, m->id, m->owner, &f))
		return report(ts, m->owner, &f);
	return 0;
}

/* Enter a new object and read it; -EBUSY: somebody else was first. */
static int node_read(struct vfsr_trees *ts, u64 id, u64 owner,
		     struct vfsr_meta **out)
{
	unsigned int nofs = memalloc_nofs_save();
	struct vfsr_meta *m;
	int rc = -ENOMEM;

	m = meta_alloc(id, owner, node_kind(id, owner), VFSR_NODE_BYTES);
	if (!m)
		goto out;
	__set_bit(VFSR_META_READING, &m->flags);
	rc = xa_insert(&ts->metas, id, m, GFP_NOFS);
	if (rc) {
		meta_free(m);
		goto out;
	}
	vfsr_wait_begin(&ts->reading);
	rc = node_fill(ts, m);
	vfsr_wait_end(&ts->reading);
	m->error = rc;
	if (rc) {
		meta_unhash(ts, m);
	} else {
		lru_add(ts, m);
		/* whoever sees the bit sees the contents */
		smp_mb__before_atomic();
		set_bit(VFSR_META_UPTODATE, &m->flags);
	}
	clear_and_wake_up_bit(VFSR_META_READING, &m->flags);
	if (rc)
		vfsr_meta_put(m);
	else
		*out = m;
out:
	memalloc_nofs_restore(nofs);
	return rc;
}

/* A held object that is up to date: is it a node of this tree? */
static int node_check(struct vfsr_trees *ts, struct vfsr_meta *m, u64 owner)
{
	struct vfsr_fault f;

	if (likely(m->owner == owner && m->kind != VFSR_KIND_XATTR)) {
		if (!test_bit(VFSR_META_USED, &m->flags))
			set_bit(VFSR_META_USED, &m->flags);
		return 0;
	}
	vfsr_fault_set(&f, VFSR_REASON_SELF, m->owner, owner);
	f.where = m->id;
	return report(ts, owner, &f);
}

int vfsr_meta_get(struct vfsr_trees *ts, u64 id, u64 owner,
		  struct vfsr_meta **out)
{
	struct vfsr_meta *m;
	bool same;
	int rc;

	vfsr_might_wait(&ts->reading);
	for (;;) {
		m = vfsr_meta_find(ts, id);
		if (!m) {
			rc = node_read(ts, id, owner, out);
			if (rc != -EBUSY)
				return rc;
			continue;
		}
		if (!test_bit_acquire(VFSR_META_UPTODATE, &m->flags))
			wait_on_bit(&m->flags, VFSR_META_READING,
				    TASK_UNINTERRUPTIBLE);
		if (test_bit_acquire(VFSR_META_UPTODATE, &m->flags)) {
			rc = node_check(ts, m, owner);
			if (rc)
				vfsr_meta_put(m);
			else
				*out = m;
			return rc;
		}
		/* read in vain, and no longer in the cache; for another owner
		 * than ours the result may be another */
		rc = m->error;
		same = m->owner == owner;
		vfsr_meta_put(m);
		if (same)
			return rc;
	}
}

/* --- changing --- */

int vfsr_meta_new(struct vfsr_trees *ts, u64 id, u64 owner, u8 kind, u32 bytes,
		  struct vfsr_meta **out)
{
	struct vfsr_meta *m = meta_alloc(id, owner, kind, bytes), *other;
	struct vfsr_fault f;
	bool used;
	int rc;

	if (!m)
		return -ENOMEM;
	/* an empty node until the core makes it one of its own */
	if (kind != VFSR_KIND_XATTR)
		memset(m->buf, 0, sizeof(struct vfsr_disk_node));
	__set_bit(VFSR_META_UPTODATE, &m->flags);
	__set_bit(VFSR_META_USED, &m->flags);
	while ((rc = xa_insert(&ts->metas, id, m, GFP_NOFS)) == -EBUSY) {
		/* somebody asked for the id while it was free; he is about to
		 * learn that it is */
		other = vfsr_meta_find(ts, id);
		if (!other)
			continue;
		wait_on_bit(&other->flags, VFSR_META_READING,
			    TASK_UNINTERRUPTIBLE);
		used = test_bit_acquire(VFSR_META_UPTODATE, &other->flags);
		vfsr_meta_put(other);
		if (!used)
			continue;
		/* a tree uses a node whose id is free: a damaged pool */
		vfsr_fault_set(&f, VFSR_REASON_TWICE, id, 0);
		report(ts, owner, &f);
		rc = -EUCLEAN;
		break;
	}
	if (rc) {
		meta_free(m);
		return rc;
	}
	*out = m;
	return 0;
}

/*
 * The state is read without a lock first: only a holder of the tree's lock within a
 * transaction moves an object to the dirty list or frees it, and a checkpoint,
 * which takes it off, holds transactions off.
 */
int vfsr_meta_dirty(struct vfsr_trees *ts, struct vfsr_meta *m)
{
	int rc;

	if (READ_ONCE(m->list) == VFSR_META_DIRTY)
		return 0;
	rc = vfsr_map_pin(ts->log->map, m->id);
	if (rc)
		return rc;
	spin_lock(&ts->lock);
	if (m->list == VFSR_META_LRU)
		lru_del(ts, m);
	if (m->list == VFSR_META_NONE)
		refcount_inc(&m->refs);
	list_move_tail(&m->link, &ts->dirty);
	WRITE_ONCE(m->list, VFSR_META_DIRTY);
	ts->nr_dirty += vfsr_meta_units(m);
	spin_unlock(&ts->lock);
	return 0;
}

/* Take a held object off its list, whatever it is. */
static void meta_unlist(struct vfsr_trees *ts, struct vfsr_meta *m)
{
	bool listed = false;

	spin_lock(&ts->lock);
	switch (m->list) {
	case VFSR_META_LRU:
		lru_del(ts, m);
		break;
	case VFSR_META_DIRTY:
		ts->nr_dirty -= vfsr_meta_units(m);
		fallthrough;
	case VFSR_META_FLIGHT:
		list_del_init(&m->link);
		WRITE_ONCE(m->list, VFSR_META_NONE);
		listed = true;
		break;
	}
	spin_unlock(&ts->lock);
	if (listed)
		vfsr_meta_put(m);
}

void vfsr_meta_drop(struct vfsr_trees *ts, u64 id)
{
	struct vfsr_meta *m = vfsr_meta_find(ts, id);
	int rc;

	if (m) {
		meta_unlist(ts, m);
		meta_unhash(ts, m);
		vfsr_meta_put(m);
	}
	rc = vfsr_map_drop(ts->log->map, id);
	if (rc)
		vfsr_log_stop(ts->log, rc, "an id could not be freed");
}

/* --- the checkpoint's part --- */

void vfsr_meta_stored(struct vfsr_trees *ts, struct vfsr_meta *m,
		      u64 transaction)
{
	spin_lock(&ts->lock);
	m->transaction = transaction;
	list_move_tail(&m->link, &ts->flight);
	WRITE_ONCE(m->list, VFSR_META_FLIGHT);
	ts->nr_dirty -= vfsr_meta_units(m);
	spin_unlock(&ts->lock);
}

/*
 * The first objects in flight up to a transaction leave the list; nodes go to the
 * LRU. Their list's reference is the caller's now. Returns how many.
 */
static unsigned int take_durable(struct vfsr_trees *ts, u64 transaction,
				 struct vfsr_meta **out)
{
	struct vfsr_meta *m;
	unsigned int nr = 0;

	spin_lock(&ts->lock);
	while (nr < DURABLE_BATCH && !list_empty(&ts->flight)) {
		m = list_first_entry(&ts->flight, struct vfsr_meta, link);
		if (m->transaction > transaction)
			break;
		list_del_init(&m->link);
		WRITE_ONCE(m->list, VFSR_META_NONE);
		if (m->kind != VFSR_KIND_XATTR)
			lru_add(ts, m);
		out[nr++] = m;
	}
	spin_unlock(&ts->lock);
	return nr;
}

void vfsr_meta_durable(struct vfsr_trees *ts, u64 transaction)
{
	struct vfsr_meta *m[DURABLE_BATCH];
	unsigned int i, nr;

	do {
		nr = take_durable(ts, transaction, m);
		for (i = 0; i < nr; i++) {
			/* values are kept only for as long as they must be */
			if (m[i]->kind == VFSR_KIND_XATTR)
				meta_unhash(ts, m[i]);
			vfsr_meta_put(m[i]);
		}
		cond_resched();
	} while (nr == DURABLE_BATCH);
}

/* --- life --- */

int vfsr_meta_cache_init(struct vfsr_trees *ts)
{
	unsigned int i;

	xa_init(&ts->metas);
	vfsr_wait_init(&ts->reading, "vfsr node");
	spin_lock_init(&ts->lock);
	INIT_LIST_HEAD(&ts->dirty);
	INIT_LIST_HEAD(&ts->flight);
	for (i = 0; i < VFSR_META_SHARDS; i++) {
		spin_lock_init(&ts->shard[i].lock);
		INIT_LIST_HEAD(&ts->shard[i].lru);
	}
	ts->shrinker = shrinker_alloc(0, "vfsr-nodes:%s", ts->log->pool->name);
	if (!ts->shrinker)
		return -ENOMEM;
	ts->shrinker->count_objects = cache_count;
	ts->shrinker->scan_objects = cache_scan;
	ts->shrinker->private_data = ts;
	shrinker_register(ts->shrinker);
	return 0;
}

void vfsr_meta_cache_exit(struct vfsr_trees *ts)
{
	struct vfsr_meta *m;
	unsigned long id;

	if (!ts->shrinker)
		return;
	shrinker_free(ts->shrinker);
	xa_for_each(&ts->metas, id, m) {
		bool listed = m->list == VFSR_META_DIRTY ||
			      m->list == VFSR_META_FLIGHT;

		WARN_ON_ONCE(refcount_read(&m->refs) != 1 + listed);
		meta_free(m);
		cond_resched();
	}
	xa_destroy(&ts->metas);
}
