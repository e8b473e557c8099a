// SPDX-License-Identifier: GPL-2.0-only
/*
 * The map for readers: lookups through a cache of pages, the ordered walk,
 * nodes, the tree provider, and paths of inodes.
 *
 * A page is copied into its shard of the cache after it was verified; lookups
 * read entries under the shard's lock, so no page is referenced outside. Depths
 * and loops are bounded by the format's limits, not by what a page says.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/items.h"
#include "lib/out.h"
#include "lib/pool_priv.h"

#define PATH_MAX_STEPS 2048u /* directories from an inode to the root */
#define EMPTY_SLOT (~(u64)0)

int map_cache_init(struct vfsr_pool *p)
{
	u32 i, j;

	for (i = 0; i < MAP_SHARDS; i++) {
		pthread_mutex_init(&p->priv->map[i].lock, NULL);
		for (j = 0; j < MAP_WAYS; j++)
			p->priv->map[i].slot[j].id = EMPTY_SLOT;
	}
	return 0;
}

void map_cache_free(struct vfsr_pool *p)
{
	u32 i, j;

	for (i = 0; i < MAP_SHARDS; i++) {
		for (j = 0; j < MAP_WAYS; j++)
			free(p->priv->map[i].slot[j].page);
		pthread_mutex_destroy(&p->priv->map[i].lock);
	}
}

/* What is wanted of a page: a child, or an entry of a leaf. */
struct wanted {
	struct vfsr_map_child child;
	struct vfsr_chunk entry;
};

static int pick(const u8 *page, unsigned int level, u32 i, struct wanted *w,
		struct vfsr_fault *f)
{
	return level ? vfsr_map_child_get(page, i, &w->child, f) :
		       vfsr_map_entry_get(page, i, &w->entry, f);
}

static struct map_shard *map_shard(struct vfsr_pool *p, u64 id)
{
	return &p->priv->map[id % MAP_SHARDS];
}

/* Pick from a cached page. false: it is not there. */
static bool cache_pick(struct vfsr_pool *p, u64 id, u32 i, struct wanted *w,
		       struct vfsr_fault *f, int *ret)
{
	struct map_shard *m = map_shard(p, id);
	bool found = false;
	u32 j;

	pthread_mutex_lock(&m->lock);
	for (j = 0; j < MAP_WAYS && !found; j++) {
		if (m->slot[j].id != id)
			continue;
		found = true;
		m->slot[j].used = ++m->clock;
		*ret = pick(m->slot[j].page, (unsigned int)(id >> 56), i, w, f);
	}
	pthread_mutex_unlock(&m->lock);
	return found;
}

static void cache_keep(struct vfsr_pool *p, u64 id, const u8 *page)
{
	struct map_shard *m = map_shard(p, id);
	struct map_slot *old = m->slot;
	u32 j;

	pthread_mutex_lock(&m->lock);
	for (j = 0; j < MAP_WAYS; j++) {
		if (m->slot[j].id == id)
			goto out; /* another reader was faster */
		if (m->slot[j].used < old->used)
			old = &m->slot[j];
	}
	if (!old->page)
		old->page = malloc(VFSR_NODE_BYTES);
	if (old->page) {
		memcpy(old->page, page, VFSR_NODE_BYTES);
		old->id = id;
		old->used = ++m->clock;
	}
out:
	pthread_mutex_unlock(&m->lock);
}

/* A map page as a chunk. */
static void page_chunk(const struct vfsr_map_child *c, unsigned int level,
		       u64 index, struct vfsr_chunk *out)
{
	bool raw = c->len == VFSR_NODE_BYTES;

	memset(out, 0, sizeof(*out));
	out->id = vfsr_map_chunk_id(level, index);
	out->owner = out->id;
	out->place = c->place;
	out->stored = c->len;
	out->logical = VFSR_NODE_BYTES;
	out->crc = c->crc;
	out->refs = 1;
	out->state = raw ? VFSR_STATE_RAW : VFSR_STATE_COMPRESSED;
	out->alg = raw ? VFSR_ALG_NONE : VFSR_ALG_ZLIB;
	out->kind = VFSR_KIND_MAP;
}

/* Read and check one map page. 0 or a reported error. */
static int read_page(struct vfsr_pool *p, const struct vfsr_map_child *c,
		     unsigned int level, u64 index, u8 *page,
		     struct vfsr_ws *ws)
{
	struct vfsr_fault f = { .reason = VFSR_REASON_NONE };
	struct vfsr_chunk chunk;
	int err;

	page_chunk(c, level, index, &chunk);
	err = vfsr_pool_read(p, &chunk, page, NULL, ws);
	if (err) {
		vfsr_fault_set(&f, VFSR_REASON_LOST, chunk.id, 0);
		vfsr_complain(p->name, -1, vfsr_place_grid(c->place), 0, &f);
		return err;
	}
	err = vfsr_map_page_check(page, level, index, p->super->pool_uuid, &f);
	if (err)
		vfsr_complain(p->name, -1, vfsr_place_grid(c->place), 0, &f);
	return err;
}

static void root_child(const struct vfsr_super *s, struct vfsr_map_child *c)
{
	c->place = s->map_place;
	c->crc = s->map_crc;
	c->len = s->map_len;
	c->free = s->map_free;
}

static unsigned int map_levels(const struct vfsr_super *s)
{
	return s->map_place ?
		       min_t(unsigned int, s->map_levels, VFSR_MAP_MAX_LEVELS) :
		       0;
}

/* Index of the page of a level that an id is below, and the item in it. */
static u64 page_of(u64 id, unsigned int level, u32 *item)
{
	u64 index = id / VFSR_MAP_LEAF_ENTRIES;

	*item = (u32)(id % VFSR_MAP_LEAF_ENTRIES);
	for (; level; level--) {
		*item = (u32)(index % VFSR_MAP_FANOUT);
		index /= VFSR_MAP_FANOUT;
	}
	return index;
}

int vfsr_map_lookup(struct vfsr_pool *p, u64 id, struct vfsr_chunk *c,
		    struct vfsr_ws *ws)
{
	struct vfsr_fault f = { .reason = VFSR_REASON_NONE };
	unsigned int levels = map_levels(p->super), level = 0;
	struct wanted w;
	u64 index;
	u32 item;
	int ret = 0;

	if (p->lookup)
		return p->lookup(p->lookup_ctx, id, c);
	memset(&w, 0, sizeof(w));
	if (!levels || id > VFSR_MAX_ID || page_of(id, levels - 1, &item))
		return -ENOENT;
	/* up to the first page that is at hand */
	for (; level < levels; level++) {
		index = page_of(id, level, &item);
		if (cache_pick(p, vfsr_map_chunk_id(level, index), item, &w, &f,
			       &ret))
			break;
	}
	if (level == levels) {
		root_child(p->super, &w.child);
		ret = 1;
	}
	/* and down, reading */
	while (level && ret > 0) {
		index = page_of(id, --level, &item);
		ret = read_page(p, &w.child, level, index, ws->page, ws);
		if (ret)
			return ret;
		cache_keep(p, vfsr_map_chunk_id(level, index), ws->page);
		ret = pick(ws->page, level, item, &w, &f);
	}
	if (ret < 0) {
		vfsr_complain(p->name, -1, 0, id, &f);
		return ret;
	}
	if (!ret)
		return -ENOENT;
	*c = w.entry;
	c->id = id;
	return 0;
}

/* --- the walk --- */

struct walk {
	struct vfsr_pool *p;
	struct vfsr_ws *ws;
	vfsr_map_visit visit, page;
	void *arg;
	u8 *pages; /* one per level */
	u64 index[VFSR_MAP_MAX_LEVELS];
	u32 next[VFSR_MAP_MAX_LEVELS]; /* item to look at next */
	int damaged; /* first error of a page */
	struct vfsr_fault fault; /* with it */
};

/* Note the first damage for the walk's end. */
static void walk_damaged(struct walk *w, int err, enum vfsr_reason reason,
			 u64 id)
{
	if (w->damaged)
		return;
	w->damaged = err;
	vfsr_fault_set(&w->fault, reason, (u64)-err, 0);
	w->fault.where = id;
}

/* Enter a page. 1: entered, 0: damaged and left out, or the visitor's word. */
static int walk_enter(struct walk *w, const struct vfsr_map_child *c,
		      unsigned int level, u64 index)
{
	struct vfsr_chunk chunk;
	int err;

	page_chunk(c, level, index, &chunk);
	if (w->page) {
		err = w->page(w->arg, &chunk);
		if (err)
			return err < 0 ? err : -ECANCELED;
	}
	err = read_page(w->p, c, level, index,
			w->pages + (size_t)level * VFSR_NODE_BYTES, w->ws);
	if (err) {
		walk_damaged(w, err, VFSR_REASON_LOST, 0);
		return 0;
	}
	w->index[level] = index;
	w->next[level] = 0;
	return 1;
}

/* All entries of the leaf that was entered. */
static int walk_leaf(struct walk *w)
{
	struct vfsr_fault f = { .reason = VFSR_REASON_NONE };
	struct vfsr_chunk c;
	u32 i;
	int err;

	for (i = 0; i < VFSR_MAP_LEAF_ENTRIES; i++) {
		memset(&c, 0, sizeof(c));
		err = vfsr_map_entry_get(w->pages, i, &c, &f);
		if (!err)
			continue;
		c.id = w->index[0] * VFSR_MAP_LEAF_ENTRIES + i;
		if (err < 0) {
			vfsr_complain(w->p->name, -1, 0, c.id, &f);
			walk_damaged(w, err, f.reason, c.id);
			continue;
		}
		err = w->visit(w->arg, &c);
		if (err)
			return err;
	}
	return 0;
}

static int walk_down(struct walk *w, unsigned int top)
{
	struct vfsr_fault f = { .reason = VFSR_REASON_NONE };
	unsigned int level = top;
	struct vfsr_map_child child;
	u32 i;
	int err;

	for (;;) {
		if (!level) {
			err = walk_leaf(w);
			if (err || !top)
				return err;
			level++;
		}
		while (w->next[level] >= VFSR_MAP_FANOUT) {
			if (level == top)
				return 0;
			level++;
		}
		i = w->next[level]++;
		err = vfsr_map_child_get(w->pages + (size_t)level *
							    VFSR_NODE_BYTES,
					 i, &child, &f);
		if (err < 0) {
			vfsr_complain(w->p->name, -1, 0, 0, &f);
			walk_damaged(w, err, f.reason, 0);
		}
		if (err <= 0)
			continue;
		err = walk_enter(w, &child, level - 1,
				 w->index[level] * VFSR_MAP_FANOUT + i);
		if (err < 0)
			return err;
		if (err)
			level--;
	}
}

int vfsr_map_walk(struct vfsr_pool *p, struct vfsr_ws *ws, vfsr_map_visit visit,
		  vfsr_map_visit page, void *arg)
{
	struct walk w = {
		.p = p,
		.ws = ws,
		.visit = visit,
		.page = page,
		.arg = arg,
	};
	unsigned int levels = map_levels(p->super);
	struct vfsr_map_child root;
	int err;

	if (!levels)
		return 0;
	w.pages = aligned_alloc(VFSR_SECTOR_BYTES,
				(size_t)levels * VFSR_NODE_BYTES);
	if (!w.pages)
		return -ENOMEM;
	root_child(p->super, &root);
	err = walk_enter(&w, &root, levels - 1, 0);
	if (err > 0)
		err = walk_down(&w, levels - 1);
	free(w.pages);
	ws->fault = w.fault;
	return err ? err : w.damaged;
}

/* --- nodes and trees --- */

int vfsr_node_read(struct vfsr_pool *p, u64 id, u64 owner, u8 *node,
		   struct vfsr_ws *ws)
{
	struct vfsr_fault f = { .reason = VFSR_REASON_NONE };
	struct vfsr_chunk c;
	int err = vfsr_map_lookup(p, id, &c, ws);

	vfsr_fault_set(&ws->fault, VFSR_REASON_LOST, (u64)-err, 0);
	if (err)
		return err;
	if (c.kind != VFSR_KIND_INODE && c.kind != VFSR_KIND_NODE) {
		vfsr_fault_set(&f, VFSR_REASON_KIND, c.kind, VFSR_KIND_NODE);
		err = -EUCLEAN;
	} else if (c.logical > VFSR_NODE_BYTES) {
		vfsr_fault_set(&f, VFSR_REASON_SIZE, c.logical,
			       VFSR_NODE_BYTES);
		err = -EUCLEAN;
	} else {
		c.owner = owner;
		err = vfsr_pool_read(p, &c, node, NULL, ws);
		if (err)
			vfsr_fault_set(&f, VFSR_REASON_LOST, id, 0);
	}
	if (!err) {
		memset(node + c.logical, 0, VFSR_NODE_BYTES - c.logical);
		if (!vfsr_node_ok(node, c.logical, id, owner, &f))
			err = -EUCLEAN;
	}
	if (err) {
		ws->fault = f;
		vfsr_complain(p->name, -1, vfsr_place_grid(c.place), owner, &f);
	}
	return err;
}

static int tree_get(void *ctx, u64 id, u8 **node)
{
	struct vfsr_tree *t = ctx;
	unsigned int i, tries;
	int err;

	for (i = 0; i < VFSR_BT_MAX_DEPTH; i++) {
		if (t->path_id[i] == id && !t->path_busy[i]) {
			t->path_busy[i] = true;
			*node = t->path[i];
			return 0;
		}
	}
	/* nodes are read once in key order: the oldest buffer is the one */
	for (tries = 0; tries < VFSR_BT_MAX_DEPTH; tries++) {
		i = t->next++ % VFSR_BT_MAX_DEPTH;
		if (!t->path_busy[i])
			break;
	}
	if (tries == VFSR_BT_MAX_DEPTH)
		return -EUCLEAN;
	t->path_id[i] = 0;
	err = vfsr_node_read(t->pool, id, t->bt.ino, t->path[i], t->ws);
	/* a child that the map does not have is damage, not an answer */
	if (err)
		return err == -ENOENT && id != t->bt.ino ? -EUCLEAN : err;
	t->path_id[i] = id;
	t->path_busy[i] = true;
	*node = t->path[i];
	return 0;
}

static void tree_put(void *ctx, u64 id, u8 *node)
{
	struct vfsr_tree *t = ctx;
	unsigned int i;

	(void)id;
	for (i = 0; i < VFSR_BT_MAX_DEPTH; i++)
		if (t->path[i] == node)
			t->path_busy[i] = false;
}

static int tree_alloc(void *ctx, u64 *id, u8 **node)
{
	(void)ctx;
	(void)id;
	(void)node;
	return -EROFS;
}

static int tree_dirty(void *ctx, u64 id, u8 *node)
{
	(void)ctx;
	(void)id;
	(void)node;
	return -EROFS;
}

static void tree_free(void *ctx, u64 id)
{
	(void)ctx;
	(void)id;
}

int vfsr_tree_init(struct vfsr_tree *t, struct vfsr_pool *p, struct vfsr_ws *ws)
{
	static const struct vfsr_bt_provider ops = {
		.get = tree_get,
		.alloc = tree_alloc,
		.dirty = tree_dirty,
		.put = tree_put,
		.free = tree_free,
	};
	unsigned int i;
	u8 *room;

	memset(t, 0, sizeof(*t));
	room = aligned_alloc(VFSR_SECTOR_BYTES,
			     VFSR_BT_MAX_DEPTH * VFSR_NODE_BYTES);
	if (!room)
		return -ENOMEM;
	for (i = 0; i < VFSR_BT_MAX_DEPTH; i++)
		t->path[i] = room + (size_t)i * VFSR_NODE_BYTES;
	t->pool = p;
	t->ws = ws;
	t->bt.ops = &ops;
	t->bt.ctx = t;
	return 0;
}

void vfsr_tree_release(struct vfsr_tree *t)
{
	free(t->path[0]);
	memset(t, 0, sizeof(*t));
}

int vfsr_tree_seek(struct vfsr_tree *t, u64 ino, struct vfsr_inode *in)
{
	struct vfsr_fault f = { .reason = VFSR_REASON_NONE };
	u32 bytes = 0;
	u8 *node, *header;
	int err;

	if (t->bt.ino != ino) {
		/* a node is checked against its owner when it is read */
		memset(t->path_id, 0, sizeof(t->path_id));
		t->bt.ino = ino;
	}
	err = tree_get(t, ino, &node);
	if (err)
		return err;
	header = vfsr_node_inode(node, &bytes);
	if (header) {
		err = vfsr_inode_decode(header, bytes, in, &f);
	} else {
		vfsr_fault_set(&f, VFSR_REASON_INODE, 0, VFSR_INODE_BYTES_MIN);
		err = -EUCLEAN;
	}
	tree_put(t, ino, node);
	if (err) {
		t->ws->fault = f;
		vfsr_complain(t->pool->name, -1, 0, ino, &f);
	}
	return err;
}

/* --- paths --- */

/* The name that a directory, which the tree is at, has for an inode. */
static int name_in(struct vfsr_tree *t, u64 ino, u8 *item,
		   struct vfsr_dirent *d)
{
	struct vfsr_key key = { .type = VFSR_ITEM_DIRENT };
	u32 bytes;
	int err;

	for (;;) {
		err = vfsr_bt_next(&t->bt, &key, item, &bytes);
		if (err)
			return err;
		if (key.type != VFSR_ITEM_DIRENT)
			return -ENOENT;
		if (!vfsr_dirent_decode(item, bytes, d, NULL) && d->ino == ino)
			return 0;
		if (key.key == ~(u64)0)
			return -ENOENT;
		key.key++;
	}
}

/* Put "/name" before a path; frees the old one. */
static char *prepend(char *path, const u8 *name, size_t name_bytes)
{
	size_t len = strlen(path);
	char *longer = malloc(len + name_bytes + 2);

	if (longer) {
		longer[0] = '/';
		memcpy(longer + 1, name, name_bytes);
		memcpy(longer + 1 + name_bytes, path, len + 1);
	}
	free(path);
	return longer;
}

/* Path for an inode whose way up ends at @ino without a name. */
static char *from_lost(char *path, u64 ino)
{
	char *out = NULL;

	if (asprintf(&out, "#%llu%s", (unsigned long long)ino,
		     path ? path : "") < 0)
		out = NULL;
	free(path);
	return out;
}

char *vfsr_path_of(struct vfsr_pool *p, u64 ino, struct vfsr_ws *ws)
{
	char *path = strdup("");
	u8 item[VFSR_MAX_ITEM_BYTES];
	struct vfsr_inode in;
	struct vfsr_dirent d;
	struct vfsr_tree t;
	u32 steps;

	if (vfsr_tree_init(&t, p, ws)) {
		vfsr_tree_release(&t);
		return from_lost(path, ino);
	}
	for (steps = 0; path && ino != VFSR_ROOT_INO; steps++) {
		u64 child = ino;

		if (steps >= PATH_MAX_STEPS || vfsr_tree_seek(&t, ino, &in) ||
		    !in.parent || vfsr_tree_seek(&t, in.parent, &in))
			break;
		ino = t.bt.ino;
		if (name_in(&t, child, item, &d)) {
			ino = child;
			break;
		}
		path = prepend(path, d.name, d.name_bytes);
	}
	vfsr_tree_release(&t);
	if (!path || ino != VFSR_ROOT_INO)
		return from_lost(path, ino);
	if (!path[0]) {
		free(path);
		path = strdup("/");
	}
	return path;
}
