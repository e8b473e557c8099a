// SPDX-License-Identifier: GPL-2.0-only
/*
 * The map of a transaction, made anew: entries are collected by leaf, a leaf
 * whose ids are all set is written at once and forgotten, the rest and the
 * levels above at the end.
 *
 * So memory holds the incomplete leaves, and 40 bytes for each written one.
 * Leaves hold only the entries they have: ids may be sparse (they come from
 * footers in a rebuild) without costing a page of memory each. Completed
 * leaves wait in a list, because a leaf is completed while a stripe is being
 * closed, when nothing can be appended.
 */
#include <stdlib.h>

#include "lib/wr_priv.h"

#define MIN_BUCKETS 1024u
#define FIRST_ROOM 8u /* entries of a new leaf */
#define MIN_PAGES 64u
#define MAP_LEVEL 6 /* of compression: pages are small and read often */
#define LEVEL_SHIFT 56 /* of the level in a map page's id */

/* What a leaf keeps of a chunk. */
struct entry {
	u64 place, birth;
	u32 crc, refs, stored, logical;
	u8 state, alg, kind;
	u8 slot; /* id % 127 */
};

struct wr_leaf {
	struct wr_leaf *next; /* in its bucket, or in the list of full ones */
	u64 index;
	u64 set[2]; /* slots that are taken */
	u32 nr, room;
	struct entry *entry;
};

int wr_map_init(struct vfsr_writer *w)
{
	struct wr_map *m = &w->map;

	m->full_end = &m->full;
	m->nr_buckets = MIN_BUCKETS;
	m->bucket = calloc(m->nr_buckets, sizeof(struct wr_leaf *));
	m->deflate_ws = calloc(1, vfsr_port_deflate_ws_bytes());
	return m->bucket && m->deflate_ws ? 0 : -ENOMEM;
}

static void leaf_free(struct wr_leaf *leaf)
{
	free(leaf->entry);
	free(leaf);
}

static void list_free(struct wr_leaf *leaf)
{
	while (leaf) {
		struct wr_leaf *next = leaf->next;

		leaf_free(leaf);
		leaf = next;
	}
}

void wr_map_release(struct vfsr_writer *w)
{
	struct wr_map *m = &w->map;
	u32 i;

	for (i = 0; m->bucket && i < m->nr_buckets; i++)
		list_free(m->bucket[i]);
	list_free(m->full);
	free(m->bucket);
	free(m->page[0]);
	free(m->page[1]);
	vfsr_port_ws_release(m->deflate_ws);
	free(m->deflate_ws);
}

/* --- leaves in memory --- */

static struct wr_leaf **leaf_bucket(const struct wr_map *m, u64 index)
{
	u64 hash = index * 0x9e3779b97f4a7c15ull >> 32;

	return &m->bucket[hash & (m->nr_buckets - 1)];
}

/* Twice the buckets; with the old ones the table works too. */
static void grow_buckets(struct wr_map *m)
{
	struct wr_leaf **old = m->bucket, *leaf;
	u32 i, nr_old = m->nr_buckets;

	m->bucket = calloc((size_t)nr_old * 2, sizeof(struct wr_leaf *));
	if (!m->bucket) {
		m->bucket = old;
		return;
	}
	m->nr_buckets = nr_old * 2;
	for (i = 0; i < nr_old; i++) {
		while ((leaf = old[i])) {
			struct wr_leaf **to = leaf_bucket(m, leaf->index);

			old[i] = leaf->next;
			leaf->next = *to;
			*to = leaf;
		}
	}
	free(old);
}

static struct wr_leaf *leaf_get(struct wr_map *m, u64 index)
{
	struct wr_leaf **head = leaf_bucket(m, index), *leaf;

	for (leaf = *head; leaf; leaf = leaf->next)
		if (leaf->index == index)
			return leaf;
	if (m->nr_leaves >= m->nr_buckets) {
		grow_buckets(m);
		head = leaf_bucket(m, index);
	}
	leaf = calloc(1, sizeof(*leaf));
	if (!leaf)
		return NULL;
	leaf->index = index;
	leaf->next = *head;
	*head = leaf;
	m->nr_leaves++;
	return leaf;
}

/* Take a leaf out of its bucket and put it behind the full ones. */
static void leaf_done(struct wr_map *m, struct wr_leaf *leaf)
{
	struct wr_leaf **at = leaf_bucket(m, leaf->index);

	while (*at != leaf)
		at = &(*at)->next;
	*at = leaf->next;
	m->nr_leaves--;
	leaf->next = NULL;
	*m->full_end = leaf;
	m->full_end = &leaf->next;
}

static int leaf_grow(struct wr_leaf *leaf)
{
	u32 room = leaf->room ?
			   min_t(u32, leaf->room * 4, VFSR_MAP_LEAF_ENTRIES) :
			   FIRST_ROOM;
	struct entry *bigger = realloc(leaf->entry, room * sizeof(*bigger));

	if (!bigger)
		return -ENOMEM;
	leaf->entry = bigger;
	leaf->room = room;
	return 0;
}

int wr_map_set(struct vfsr_writer *w, const struct vfsr_chunk *c)
{
	struct wr_map *m = &w->map;
	u32 slot = (u32)(c->id % VFSR_MAP_LEAF_ENTRIES);
	struct wr_leaf *leaf;
	int err;

	if (!c->id || c->id >= vfsr_map_span(VFSR_MAP_MAX_LEVELS - 1) ||
	    !c->place || !c->refs ||
	    (c->kind != VFSR_KIND_DATA && c->refs != 1))
		return -EINVAL;
	leaf = leaf_get(m, c->id / VFSR_MAP_LEAF_ENTRIES);
	if (!leaf)
		return -ENOMEM;
	if (leaf->set[slot / 64] >> (slot % 64) & 1)
		return -EEXIST;
	if (leaf->nr == leaf->room) {
		err = leaf_grow(leaf);
		if (err)
			return err;
	}
	err = wr_count_add(&w->live_bytes, vfsr_place_grid(c->place),
			   c->stored);
	if (err)
		return err;
	leaf->set[slot / 64] |= 1ull << (slot % 64);
	leaf->entry[leaf->nr++] = (struct entry){
		.place = c->place,
		.birth = c->birth,
		.crc = c->crc,
		.refs = c->refs,
		.stored = c->stored,
		.logical = c->logical,
		.state = c->state,
		.alg = c->alg,
		.kind = c->kind,
		.slot = (u8)slot,
	};
	m->nr_ids++;
	if (c->id >= w->s->next_id)
		w->s->next_id = c->id + 1;
	if (leaf->nr == VFSR_MAP_LEAF_ENTRIES)
		leaf_done(m, leaf);
	return 0;
}

/* --- pages --- */

/* Compress a page if that is any smaller, and append it. */
static int page_append(struct vfsr_writer *w, unsigned int level, u64 index,
		       const u8 *page)
{
	struct vfsr_chunk c = {
		.id = vfsr_map_chunk_id(level, index),
		.owner = vfsr_map_chunk_id(level, index),
		.birth = w->transaction,
		.stored = VFSR_NODE_BYTES,
		.logical = VFSR_NODE_BYTES,
		.kind = VFSR_KIND_MAP,
		.state = VFSR_STATE_RAW,
	};
	u8 packed[VFSR_NODE_BYTES];
	const u8 *stored = page;
	int bytes;

	/* a page has no references: the field carries what its parent says */
	c.refs = vfsr_map_page_free(page);
	bytes = vfsr_port_deflate(w->map.deflate_ws, MAP_LEVEL, page,
				  VFSR_NODE_BYTES, packed, VFSR_NODE_BYTES);
	if (bytes > 0 && bytes < (int)VFSR_NODE_BYTES) {
		c.stored = (u32)bytes;
		c.state = VFSR_STATE_COMPRESSED;
		c.alg = VFSR_ALG_ZLIB;
		stored = packed;
	}
	c.crc = vfsr_port_crc32c(0, stored, c.stored);
	return wr_append(w, WR_STREAM_MAP, &c, stored);
}

int wr_map_page_placed(struct vfsr_writer *w, const struct vfsr_chunk *c)
{
	struct wr_map *m = &w->map;
	unsigned int to = (unsigned int)(c->id >> LEVEL_SHIFT) != m->level;
	struct wr_page *p;

	if (m->nr_pages[to] == m->room[to]) {
		size_t room = m->room[to] ? m->room[to] * 2 : MIN_PAGES;

		p = realloc(m->page[to], room * sizeof(*p));
		if (!p)
			return -ENOMEM;
		m->page[to] = p;
		m->room[to] = room;
	}
	p = &m->page[to][m->nr_pages[to]++];
	p->index = c->id & VFSR_MAX_ID;
	p->child = (struct vfsr_map_child){
		.place = c->place,
		.crc = c->crc,
		.len = c->stored,
		.free = c->refs,
	};
	return 0;
}

static int leaf_write(struct vfsr_writer *w, const struct wr_leaf *leaf)
{
	u8 page[VFSR_NODE_BYTES] __attribute__((aligned(8)));
	struct vfsr_chunk c;
	u32 i;

	vfsr_map_page_init(page, 0, leaf->index, w->transaction,
			   w->s->pool_uuid);
	for (i = 0; i < leaf->nr; i++) {
		const struct entry *e = &leaf->entry[i];

		c = (struct vfsr_chunk){
			.id = leaf->index * VFSR_MAP_LEAF_ENTRIES + e->slot,
			.place = e->place,
			.birth = e->birth,
			.crc = e->crc,
			.refs = e->refs,
			.stored = e->stored,
			.logical = e->logical,
			.state = e->state,
			.alg = e->alg,
			.kind = e->kind,
		};
		vfsr_map_entry_set(page, e->slot, &c);
	}
	return page_append(w, 0, leaf->index, page);
}

int wr_map_flush(struct vfsr_writer *w)
{
	struct wr_map *m = &w->map;
	struct wr_leaf *leaf;
	int err = 0;

	/* writing one may close a stripe, which completes more */
	while (!err && (leaf = m->full)) {
		m->full = leaf->next;
		if (!m->full)
			m->full_end = &m->full;
		err = leaf_write(w, leaf);
		leaf_free(leaf);
	}
	return err;
}

/* --- the end --- */

static int by_index(const void *a, const void *b)
{
	u64 x = (*(struct wr_leaf *const *)a)->index;
	u64 y = (*(struct wr_leaf *const *)b)->index;

	return x < y ? -1 : x > y;
}

static int by_page(const void *a, const void *b)
{
	u64 x = ((const struct wr_page *)a)->index;
	u64 y = ((const struct wr_page *)b)->index;

	return x < y ? -1 : x > y;
}

/* Move the incomplete leaves behind the complete ones, by ascending index. */
static int collect_leaves(struct wr_map *m)
{
	struct wr_leaf **all, *leaf;
	u32 i, nr = 0;

	if (!m->nr_leaves)
		return 0;
	all = calloc(m->nr_leaves, sizeof(struct wr_leaf *));
	if (!all)
		return -ENOMEM;
	for (i = 0; i < m->nr_buckets; i++)
		for (leaf = m->bucket[i]; leaf; leaf = leaf->next)
			all[nr++] = leaf;
	qsort(all, nr, sizeof(struct wr_leaf *), by_index);
	for (i = 0; i < nr; i++)
		leaf_done(m, all[i]);
	free(all);
	return 0;
}

/* Sort the placed pages of a level; an index that is there twice is refused. */
static int sort_pages(struct wr_map *m)
{
	size_t i;

	if (m->nr_pages[0])
		qsort(m->page[0], m->nr_pages[0], sizeof(*m->page[0]), by_page);
	for (i = 1; i < m->nr_pages[0]; i++)
		if (m->page[0][i].index == m->page[0][i - 1].index)
			return -EEXIST;
	return 0;
}

/* The pages of the level above, from the placed pages of a level. */
static int write_level(struct vfsr_writer *w, unsigned int level)
{
	u8 page[VFSR_NODE_BYTES] __attribute__((aligned(8)));
	struct wr_map *m = &w->map;
	size_t i = 0;
	int err = 0;

	while (i < m->nr_pages[0] && !err) {
		u64 index = m->page[0][i].index / VFSR_MAP_FANOUT;

		vfsr_map_page_init(page, level, index, w->transaction,
				   w->s->pool_uuid);
		for (; i < m->nr_pages[0] &&
		       m->page[0][i].index / VFSR_MAP_FANOUT == index;
		     i++)
			vfsr_map_child_set(page,
					   (unsigned int)(m->page[0][i].index %
							  VFSR_MAP_FANOUT),
					   &m->page[0][i].child);
		err = page_append(w, level, index, page);
	}
	return err;
}

/* What was above is below now. */
static void next_level(struct wr_map *m)
{
	struct wr_page *page = m->page[0];
	size_t room = m->room[0];

	m->page[0] = m->page[1];
	m->nr_pages[0] = m->nr_pages[1];
	m->room[0] = m->room[1];
	m->page[1] = page;
	m->nr_pages[1] = 0;
	m->room[1] = room;
	m->level++;
}

int wr_map_finish(struct vfsr_writer *w)
{
	unsigned int level, levels = vfsr_map_levels(w->s->next_id);
	struct wr_map *m = &w->map;
	int err;

	err = collect_leaves(m);
	if (!err)
		err = wr_map_flush(w);
	if (!err)
		err = wr_stream_close(w, WR_STREAM_MAP, 0, 0);
	for (level = 1; level < levels && !err; level++) {
		err = sort_pages(m);
		if (!err)
			err = write_level(w, level);
		if (!err)
			err = wr_stream_close(w, WR_STREAM_MAP, 0, 0);
		next_level(m);
	}
	if (!err)
		err = sort_pages(m);
	if (err)
		return err;
	w->s->nr_ids = m->nr_ids;
	w->s->map_place = 0;
	w->s->map_crc = 0;
	w->s->map_len = 0;
	w->s->map_free = 0;
	w->s->map_levels = 0;
	if (!m->nr_pages[0])
		return 0;
	w->s->map_levels = (u8)levels;
	w->s->map_place = m->page[0][0].child.place;
	w->s->map_crc = m->page[0][0].child.crc;
	w->s->map_len = m->page[0][0].child.len;
	w->s->map_free = m->page[0][0].child.free;
	return 0;
}
