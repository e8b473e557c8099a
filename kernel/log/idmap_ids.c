// SPDX-License-Identifier: GPL-2.0-only
/*
 * The map's entries: looking them up, giving out ids, places, references.
 *
 * An id is free, given (its chunk has no place yet: known in memory alone), or
 * placed. What was freed stays unavailable until the record that says so is
 * durable: the old chunk may have to come back, and one of the same id may still
 * wait in an open stripe, which is then dead when it gets its place.
 *
 * Ids come from one leaf until it has no more: a leaf with holes, found by the
 * counts of free ids in interior pages, else the leaf of next_id.
 */
#include <linux/slab.h>

#include "log/idmap_priv.h"

#define MIN_HOLES 16u /* free ids that make a leaf worth while */
#define MAX_LOOKS 64u /* counts looked at in search of one */
#define MAX_LEAVES 4u /* leaves looked at */
#define MAX_SKIPS 64u /* leaves at the end that have no room after all */

#define ID_LIMIT vfsr_map_span(VFSR_MAP_MAX_LEVELS - 1)

enum id_state {
	ID_FREE,
	ID_GIVEN,
	ID_PLACED,
};

/* State of an id and its entry, or -EUCLEAN; page->lock held. */
static int id_state(struct vfsr_map_page *page, u32 slot, struct vfsr_chunk *c,
		    struct vfsr_fault *f)
{
	int ret = vfsr_map_entry_get(page->buf, slot, c, f);

	lockdep_assert_held(&page->lock);
	if (ret)
		return ret < 0 ? ret : ID_PLACED;
	return test_bit(slot, page->given) ? ID_GIVEN : ID_FREE;
}

static void clear_entry(struct vfsr_map_page *page, u32 slot)
{
	static const struct vfsr_chunk none;

	vfsr_map_entry_set(page->buf, slot, &none);
}

/* Forget what was freed once that is durable; page->lock held. */
static void expire_freed(const struct vfsr_map *m, struct vfsr_map_page *page)
{
	if (!page->freed_at || page->freed_at > READ_ONCE(m->durable))
		return;
	bitmap_zero(page->freed, VFSR_MAP_LEAF_ENTRIES);
	page->freed_at = 0;
}

static void note_freed(const struct vfsr_map *m, struct vfsr_map_page *page,
		       u32 slot)
{
	expire_freed(m, page);
	__set_bit(slot, page->freed);
	page->freed_at = m->transaction;
}

static void give(struct vfsr_map_page *page, u32 slot)
{
	__set_bit(slot, page->given);
	page->refs_of[slot] = 1;
	WRITE_ONCE(page->nr_given, page->nr_given + 1);
}

static void ungive(struct vfsr_map_page *page, u32 slot)
{
	__clear_bit(slot, page->given);
	page->refs_of[slot] = 0;
	WRITE_ONCE(page->nr_given, page->nr_given - 1);
}

/* Report what is wrong with an entry. */
static int bad_id(struct vfsr_map *m, enum vfsr_reason reason, u64 have,
		  u64 want)
{
	struct vfsr_fault f = { 0 };

	vfsr_fault_set(&f, reason, have, want);
	vfsr_map_report(m, &f, 0);
	return -EUCLEAN;
}

/* --- lookups --- */

int vfsr_map_lookup(struct vfsr_map *m, u64 id, struct vfsr_chunk *c)
{
	struct vfsr_map_page *page;
	struct vfsr_fault f = { 0 };
	u32 slot;
	u64 leaf = vfsr_map_leaf(id, &slot);
	int ret;

	ret = vfsr_map_walk(m, 0, leaf, 0, &page);
	if (ret)
		return ret;
	spin_lock(&page->lock);
	ret = id_state(page, slot, c, &f);
	spin_unlock(&page->lock);
	vfsr_map_put(page);
	if (ret < 0) {
		vfsr_map_report(m, &f, 0);
		return ret;
	}
	if (ret == ID_PLACED)
		return 0;
	return ret == ID_GIVEN ? -EAGAIN : -ENOENT;
}

/* --- the leaf that ids are taken from --- */

/* Free ids below a page, as far as is known without looking at it. */
static u32 free_below(struct vfsr_map *m, unsigned int level, u64 index)
{
	struct vfsr_map_page *parent;
	struct vfsr_map_child c;
	u32 item;
	u64 above = vfsr_map_index(index, 1, &item);
	int ret;

	ret = vfsr_map_walk(m, level + 1, above, 0, &parent);
	if (ret)
		/* none: all are free, or it is the root: look at it */
		return ret == -ENOENT ? VFSR_CHILD_FREE_MAX : 0;
	spin_lock(&parent->lock);
	ret = vfsr_map_child_get(parent->buf, item, &c, NULL);
	spin_unlock(&parent->lock);
	vfsr_map_put(parent);
	if (ret < 0)
		return 0;
	return ret ? c.free : VFSR_CHILD_FREE_MAX;
}

/* Take ids from this leaf from now on. -ENOSPC: it has none. */
static int cursor_set(struct vfsr_map *m, u64 leaf)
{
	struct vfsr_map_page *page;
	struct vfsr_chunk c;
	u32 slot;
	int err;

	vfsr_map_put(m->cur);
	m->cur = NULL;
	bitmap_zero(m->avail, VFSR_MAP_LEAF_ENTRIES);
	err = vfsr_map_walk(m, 0, leaf, VFSR_WALK_CREATE, &page);
	if (err)
		return err;
	m->cur = page;
	spin_lock(&page->lock);
	expire_freed(m, page);
	for (slot = 0; slot < VFSR_MAP_LEAF_ENTRIES; slot++) {
		if (leaf * VFSR_MAP_LEAF_ENTRIES + slot >= VFSR_FIRST_ID &&
		    !test_bit(slot, page->freed) &&
		    id_state(page, slot, &c, NULL) == ID_FREE)
			__set_bit(slot, m->avail);
	}
	spin_unlock(&page->lock);
	return bitmap_empty(m->avail, VFSR_MAP_LEAF_ENTRIES) ? -ENOSPC : 0;
}

/* The next leaf before @tail that seems to have holes, looking at *@looks
 * counts at most. */
static bool next_hole(struct vfsr_map *m, u64 tail, unsigned int *looks,
		      u64 *leaf)
{
	u64 page;
	u32 item;

	while (m->scan < tail && *looks) {
		(*looks)--;
		page = vfsr_map_index(m->scan, 1, &item);
		if (!item && m->levels > 2 &&
		    free_below(m, 1, page) < MIN_HOLES) {
			m->scan += VFSR_MAP_FANOUT;
			continue;
		}
		*leaf = m->scan++;
		if (free_below(m, 0, *leaf) >= MIN_HOLES)
			return true;
	}
	/* from the start the next time */
	if (m->scan >= tail)
		m->scan = 0;
	return false;
}

static int cursor_next(struct vfsr_map *m)
{
	unsigned int looks = MAX_LOOKS, tries;
	u32 slot;
	u64 leaf, tail = vfsr_map_leaf(m->next_id, &slot);
	int err = -ENOSPC;

	for (tries = 0; tries < MAX_LEAVES; tries++) {
		if (!next_hole(m, tail, &looks, &leaf))
			break;
		/* one that cannot be read is left alone */
		err = cursor_set(m, leaf);
		if (!err || err == -ENOMEM)
			return err;
	}
	for (tries = 0; tries < MAX_SKIPS; tries++) {
		if (m->next_id >= ID_LIMIT)
			return -ENOSPC;
		err = vfsr_map_grow(m, m->next_id);
		if (err)
			return err;
		tail = vfsr_map_leaf(m->next_id, &slot);
		err = cursor_set(m, tail);
		if (!err || err == -ENOMEM)
			return err;
		/* damaged, or next_id is not what it should be */
		m->next_id = (tail + 1) * VFSR_MAP_LEAF_ENTRIES;
	}
	return err;
}

/* --- giving out --- */

static void gave(struct vfsr_map *m, u64 id)
{
	if (id >= m->next_id)
		m->next_id = id + 1;
}

/* Give out a slot of the cursor's leaf. 1: done, 0: it is taken, or an error. */
static int take_slot(struct vfsr_map *m, u32 slot)
{
	struct vfsr_map_page *page;
	struct vfsr_chunk c;
	int ret;

	ret = vfsr_map_walk(m, 0, m->cur->index,
			    VFSR_WALK_CREATE | VFSR_WALK_DIRTY, &page);
	if (ret)
		return ret;
	__clear_bit(slot, m->avail);
	spin_lock(&page->lock);
	if (id_state(page, slot, &c, NULL) == ID_FREE &&
	    !test_bit(slot, page->freed)) {
		give(page, slot);
		ret = 1;
	}
	spin_unlock(&page->lock);
	vfsr_map_put(page);
	return ret;
}

static int alloc_locked(struct vfsr_map *m, u64 *id)
{
	unsigned int nr_bad = 0;
	u32 slot;
	int ret;

	lockdep_assert_held(&m->alloc_lock);
	for (;;) {
		slot = find_first_bit(m->avail, VFSR_MAP_LEAF_ENTRIES);
		if (!m->cur || slot >= VFSR_MAP_LEAF_ENTRIES) {
			ret = cursor_next(m);
			if (ret)
				return ret;
			continue;
		}
		ret = take_slot(m, slot);
		if (ret > 0) {
			*id = m->cur->index * VFSR_MAP_LEAF_ENTRIES + slot;
			gave(m, *id);
			return 0;
		}
		if (ret == -ENOMEM || (ret && ++nr_bad == MAX_LEAVES))
			return ret;
		/* what is above this leaf cannot be read: another one */
		if (ret)
			bitmap_zero(m->avail, VFSR_MAP_LEAF_ENTRIES);
	}
}

int vfsr_id_alloc(struct vfsr_map *m, u8 kind, u64 *id)
{
	int err;

	mutex_lock(&m->alloc_lock);
	err = alloc_locked(m, id);
	mutex_unlock(&m->alloc_lock);
	return err == -EUCLEAN ? -EIO : err;
}

int vfsr_id_take(struct vfsr_map *m, u64 id, u8 kind)
{
	struct vfsr_map_page *page;
	struct vfsr_fault f = { 0 };
	struct vfsr_chunk c;
	u32 slot;
	u64 leaf = vfsr_map_leaf(id, &slot);
	int err;

	if (!id || id >= ID_LIMIT)
		return -EINVAL;
	mutex_lock(&m->alloc_lock);
	err = vfsr_map_grow(m, id);
	if (!err)
		err = vfsr_map_walk(m, 0, leaf,
				    VFSR_WALK_CREATE | VFSR_WALK_DIRTY, &page);
	if (err)
		goto out;
	spin_lock(&page->lock);
	expire_freed(m, page);
	err = id_state(page, slot, &c, &f);
	if (err > 0)
		err = -EEXIST;
	else if (!err && test_bit(slot, page->freed))
		err = -EBUSY;
	else if (!err)
		give(page, slot);
	spin_unlock(&page->lock);
	vfsr_map_put(page);
	if (err == -EUCLEAN)
		vfsr_map_report(m, &f, 0);
	if (!err)
		gave(m, id);
out:
	mutex_unlock(&m->alloc_lock);
	return err;
}

/* --- changes --- */

int vfsr_map_pin(struct vfsr_map *m, u64 id)
{
	struct vfsr_map_page *page;
	struct vfsr_fault f = { 0 };
	struct vfsr_chunk c;
	u32 slot;
	u64 leaf = vfsr_map_leaf(id, &slot);
	int ret;

	ret = vfsr_map_walk(m, 0, leaf, VFSR_WALK_DIRTY, &page);
	if (ret)
		return ret;
	spin_lock(&page->lock);
	ret = id_state(page, slot, &c, &f);
	spin_unlock(&page->lock);
	vfsr_map_put(page);
	if (ret >= 0)
		return 0;
	vfsr_map_report(m, &f, 0);
	return ret;
}

void vfsr_map_place(struct vfsr_map *m, const struct vfsr_chunk *c)
{
	struct vfsr_chunk new = *c, old;
	struct vfsr_map_page *page;
	u32 slot;
	u64 leaf = vfsr_map_leaf(c->id, &slot);
	int state;

	page = vfsr_map_cached(m, 0, leaf);
	if (WARN_ON_ONCE(!page || !READ_ONCE(page->dirty))) {
		/* nobody pinned it: the chunk would be lost, so would a commit */
		atomic_cmpxchg(&m->gs->io_error, 0, -EUCLEAN);
		vfsr_map_put(page);
		return;
	}
	spin_lock(&page->lock);
	state = id_state(page, slot, &old, NULL);
	if (state == ID_PLACED) {
		new.refs = old.refs;
	} else if (state == ID_GIVEN) {
		new.refs = page->refs_of[slot];
		ungive(page, slot);
	}
	if (state == ID_PLACED || state == ID_GIVEN)
		vfsr_map_entry_set(page->buf, slot, &new);
	spin_unlock(&page->lock);
	vfsr_map_put(page);
	if (state == ID_GIVEN)
		atomic64_inc(&m->nr_ids);
	else if (state == ID_PLACED)
		vfsr_grids_live_add(m->gs, old.place, -(s64)old.stored);
	else
		return; /* freed while its stripe was open */
	vfsr_grids_live_add(m->gs, new.place, new.stored);
}

/* Pin the leaf of an id that somebody names. */
static int pin_named(struct vfsr_map *m, u64 id, u32 *slot,
		     struct vfsr_map_page **page)
{
	u64 leaf = vfsr_map_leaf(id, slot);
	int err = vfsr_map_walk(m, 0, leaf, VFSR_WALK_DIRTY, page);

	return err == -ENOENT ? bad_id(m, VFSR_REASON_MISSING, 0, id) : err;
}

/* A placed entry is gone: what it stood for is not live any more. */
static void entry_gone(struct vfsr_map *m, const struct vfsr_chunk *old)
{
	atomic64_dec(&m->nr_ids);
	vfsr_grids_live_add(m->gs, old->place, -(s64)old->stored);
}

/* New count of references in @refs; an errno, or whether it changed. */
static int ref_change(struct vfsr_map *m, struct vfsr_map_page *page, u32 slot,
		      int state, int delta, struct vfsr_chunk *c,
		      struct vfsr_fault *f)
{
	u32 *refs = state == ID_GIVEN ? &page->refs_of[slot] : &c->refs;

	if (state == ID_FREE) {
		vfsr_fault_set(f, VFSR_REASON_MISSING, 0, c->id);
		return -EUCLEAN;
	}
	if (state == ID_PLACED && c->kind != VFSR_KIND_DATA) {
		vfsr_fault_set(f, VFSR_REASON_KIND, c->kind, VFSR_KIND_DATA);
		return -EUCLEAN;
	}
	if (delta > 0 && *refs == U32_MAX) {
		vfsr_fault_set(f, VFSR_REASON_REFS, *refs, U32_MAX - 1);
		return -EUCLEAN;
	}
	*refs += delta;
	if (!*refs) {
		if (state == ID_GIVEN)
			ungive(page, slot);
		else
			clear_entry(page, slot);
		note_freed(m, page, slot);
	} else if (state == ID_PLACED) {
		vfsr_map_entry_set(page->buf, slot, c);
	}
	return 0;
}

int vfsr_map_ref(struct vfsr_map *m, u64 id, int delta)
{
	struct vfsr_map_page *page;
	struct vfsr_fault f = { 0 };
	struct vfsr_chunk c;
	int err, state;
	u32 slot;

	if (WARN_ON_ONCE(delta != 1 && delta != -1))
		return -EINVAL;
	err = pin_named(m, id, &slot, &page);
	if (err)
		return err;
	spin_lock(&page->lock);
	state = id_state(page, slot, &c, &f);
	err = state < 0 ? state :
			  ref_change(m, page, slot, state, delta, &c, &f);
	spin_unlock(&page->lock);
	vfsr_map_put(page);
	if (err)
		vfsr_map_report(m, &f, 0);
	else if (state == ID_PLACED && !c.refs)
		entry_gone(m, &c);
	return err;
}

int vfsr_map_drop(struct vfsr_map *m, u64 id)
{
	struct vfsr_map_page *page;
	struct vfsr_fault f = { 0 };
	struct vfsr_chunk c;
	int err, state;
	u32 slot;

	err = pin_named(m, id, &slot, &page);
	if (err)
		return err;
	spin_lock(&page->lock);
	state = id_state(page, slot, &c, &f);
	if (state == ID_GIVEN)
		ungive(page, slot);
	else if (state == ID_PLACED)
		clear_entry(page, slot);
	if (state > ID_FREE)
		note_freed(m, page, slot);
	spin_unlock(&page->lock);
	vfsr_map_put(page);
	if (state == ID_FREE)
		return bad_id(m, VFSR_REASON_MISSING, 0, id);
	if (state < 0)
		vfsr_map_report(m, &f, 0);
	else if (state == ID_PLACED)
		entry_gone(m, &c);
	return state < 0 ? state : 0;
}
