// SPDX-License-Identifier: GPL-2.0-only
/*
 * The map at a checkpoint: dirty pages are stored, leaves first, so that parents
 * can name them. Transactions are held off meanwhile: entries don't change, and
 * nothing becomes dirty. Everything needed is in memory, so only storing can
 * fail. Readers go on; what they see of a parent changes under its lock.
 */
#include <linux/list_sort.h>
#include <linux/sched.h>

#include "log/idmap_priv.h"

#define PAUSE_PAGES \
	256u /* given back between looks at who else wants the CPU */

struct commit {
	struct vfsr_map *m;
	u64 transaction;
	vfsr_map_store_fn store;
	void *ctx;
};

static int by_index(void *priv, const struct list_head *a,
		    const struct list_head *b)
{
	const struct vfsr_map_page *x =
		list_entry(a, struct vfsr_map_page, link);
	const struct vfsr_map_page *y =
		list_entry(b, struct vfsr_map_page, link);

	return x->index > y->index;
}

/* Has a page any entry or child? Unused ones are zero. */
static bool in_use(const struct vfsr_map_page *page)
{
	return memchr_inv(page->buf + sizeof(struct vfsr_disk_map_head), 0,
			  VFSR_NODE_BYTES - sizeof(struct vfsr_disk_map_head));
}

static int store_page(struct commit *ct, struct vfsr_map_page *page,
		      struct vfsr_map_child *child)
{
	struct vfsr_chunk c = {
		.id = vfsr_map_chunk_id(page->level, page->index),
		.birth = ct->transaction,
		.stored = VFSR_NODE_BYTES,
		.logical = VFSR_NODE_BYTES,
		.refs = 1,
		.state = VFSR_STATE_RAW,
		.kind = VFSR_KIND_MAP,
	};
	int err;

	c.owner = c.id;
	vfsr_map_page_stamp(page->buf, ct->transaction);
	c.crc = vfsr_port_crc32c(0, page->buf, VFSR_NODE_BYTES);
	err = ct->store(ct->ctx, &c, page->buf, &child->place);
	child->crc = c.crc;
	child->len = VFSR_NODE_BYTES;
	child->free = vfsr_map_page_free(page->buf);
	return err;
}

/* Let the parent, or the map for the root, name a page where it is now; @child
 * becomes what was named before. */
static int name_page(struct vfsr_map *m, const struct vfsr_map_page *page,
		     struct vfsr_map_child *child)
{
	struct vfsr_map_page *parent;
	struct vfsr_map_child old;
	u32 item;
	u64 above = vfsr_map_index(page->index, 1, &item);

	if (page->level == m->levels - 1) {
		spin_lock(&m->root_lock);
		old = m->top;
		m->top = *child;
		spin_unlock(&m->root_lock);
		*child = old;
		return 0;
	}
	parent = vfsr_map_cached(m, page->level + 1, above);
	if (WARN_ON_ONCE(!parent || !parent->dirty)) {
		vfsr_map_put(parent);
		return -EUCLEAN;
	}
	spin_lock(&parent->lock);
	/* the page was reached through it, so it is sound */
	vfsr_map_child_get(parent->buf, item, &old, NULL);
	vfsr_map_child_set(parent->buf, item, child);
	spin_unlock(&parent->lock);
	vfsr_map_put(parent);
	*child = old;
	return 0;
}

static int commit_page(struct commit *ct, struct vfsr_map_page *page)
{
	struct vfsr_map_child child = { 0 };
	struct vfsr_map *m = ct->m;
	u64 place;
	int err = 0;

	if (in_use(page))
		err = store_page(ct, page, &child);
	if (err)
		return err;
	place = child.place;
	err = name_page(m, page, &child);
	if (err)
		return err;
	if (place)
		vfsr_grids_live_add(m->gs, place, VFSR_NODE_BYTES);
	if (child.place)
		vfsr_grids_live_add(m->gs, child.place, -(s64)child.len);
	spin_lock(&m->dirty_lock);
	page->pinned = ct->transaction;
	WRITE_ONCE(page->dirty, false);
	list_move_tail(&page->link, &m->written);
	spin_unlock(&m->dirty_lock);
	atomic_long_dec(&m->nr_dirty);
	return 0;
}

static int commit_level(struct commit *ct, unsigned int level)
{
	struct vfsr_map_page *page, *next;
	struct vfsr_map *m = ct->m;
	LIST_HEAD(pages);
	int err = 0;

	spin_lock(&m->dirty_lock);
	list_splice_init(&m->dirty[level], &pages);
	spin_unlock(&m->dirty_lock);
	list_sort(NULL, &pages, by_index);
	list_for_each_entry_safe(page, next, &pages, link) {
		err = commit_page(ct, page);
		if (err)
			break;
		cond_resched();
	}
	/* after an error they stay what they are: dirty */
	spin_lock(&m->dirty_lock);
	list_splice(&pages, &m->dirty[level]);
	spin_unlock(&m->dirty_lock);
	return err;
}

int vfsr_map_commit(struct vfsr_map *m, u64 transaction,
		    vfsr_map_store_fn store, void *ctx,
		    struct vfsr_map_root *root)
{
	struct commit ct = {
		.m = m,
		.transaction = transaction,
		.store = store,
		.ctx = ctx,
	};
	unsigned int level;
	int err = 0;

	for (level = 0; level < m->levels && !err; level++)
		err = commit_level(&ct, level);
	if (err)
		return err;
	root->place = m->top.place;
	root->crc = m->top.crc;
	root->len = m->top.len;
	root->free = m->top.free;
	root->levels = root->place ? (u8)m->levels : 0;
	root->next_id = m->next_id;
	root->nr_ids = atomic64_read(&m->nr_ids);
	return 0;
}

void vfsr_map_durable(struct vfsr_map *m, u64 transaction)
{
	struct vfsr_map_page *page;
	unsigned int nr = 0;

	WRITE_ONCE(m->durable, transaction);
	spin_lock(&m->dirty_lock);
	for (;;) {
		page = list_first_entry_or_null(&m->written,
						struct vfsr_map_page, link);
		if (!page || page->pinned > transaction)
			break;
		list_del_init(&page->link);
		page->pinned = 0;
		atomic_long_dec(&m->nr_held);
		vfsr_map_put(page);
		if (++nr % PAUSE_PAGES == 0)
			cond_resched_lock(&m->dirty_lock);
	}
	spin_unlock(&m->dirty_lock);
}

unsigned long vfsr_map_nr_dirty(const struct vfsr_map *m)
{
	return atomic_long_read(&m->nr_dirty);
}

void vfsr_map_set_transaction(struct vfsr_map *m, u64 transaction)
{
	WRITE_ONCE(m->transaction, transaction);
}
