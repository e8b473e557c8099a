// SPDX-License-Identifier: GPL-2.0-only
/*
 * The part of the check that reads every inode and tree: items, extents and
 * names first, in the order of ids; then what only the whole shows: link
 * counts, references, types, and the way to the root.
 */
#include <stdlib.h>

#include "core/items.h"
#include "lib/check_priv.h"

/* One inode while its tree is walked. */
struct walk {
	struct check *c;
	struct check_id *self;
	struct vfsr_inode in;
	u64 end; /* file offset behind the last extent */
	u64 data_bytes; /* covered by extents and inline items */
	u64 blocks;
	u64 inline_bytes;
	u64 names;
	u64 last_hash; /* key and name of the entry before */
	u8 last_name[VFSR_NAME_MAX];
	u32 last_bytes;
	bool broken; /* items or nodes were left out */
};

static void bad(struct walk *w, enum vfsr_reason reason, u64 have, u64 want)
{
	vfsr_check_bad(w->c, reason, -1, vfsr_place_grid(w->self->place),
		       w->self->id, have, want);
}

static void found(struct walk *w, const struct vfsr_fault *f)
{
	vfsr_check_found(w->c, -1, vfsr_place_grid(w->self->place), w->self->id,
			 f);
}

/* Something of the inode cannot be looked into: @f tells why. */
static void unread(struct walk *w, const struct vfsr_fault *f)
{
	found(w, f);
	w->broken = true;
	w->c->unread++;
}

/* An item names a chunk: it must exist and be of this kind. */
static struct check_id *use_chunk(struct walk *w, u64 id, u8 kind)
{
	struct check_id *e = vfsr_check_find(w->c, id);

	if (!e) {
		if (!w->c->map_damaged)
			bad(w, VFSR_REASON_MISSING, id, 0);
		return NULL;
	}
	if (e->kind != kind) {
		bad(w, VFSR_REASON_KIND, e->kind, kind);
		return NULL;
	}
	e->seen++;
	e->flags |= ID_REACHED;
	return e;
}

static void check_extent(struct walk *w, const struct vfsr_item *item)
{
	u64 pos = item->key.key << VFSR_SECTOR_SHIFT;
	struct vfsr_fault f = { 0 };
	struct vfsr_extent e;
	struct check_id *chunk;

	if (w->self->type != VFSR_DT_REG) {
		bad(w, VFSR_REASON_ITEM, item->key.type, w->self->type);
		return;
	}
	if (vfsr_extent_decode(item->value, item->bytes, item->key.key, &e,
			       &f)) {
		unread(w, &f);
		return;
	}
	/* inline items come first in the order of keys */
	if (pos < max_t(u64, w->end, w->inline_bytes))
		bad(w, VFSR_REASON_OVERLAP, pos,
		    max_t(u64, w->end, w->inline_bytes));
	w->end = pos + e.bytes;
	w->data_bytes += e.bytes;
	if (w->end > w->in.size)
		bad(w, VFSR_REASON_SIZE, w->end, w->in.size);
	if (!e.chunk)
		return;
	w->blocks += DIV_ROUND_UP(e.bytes, 512);
	chunk = use_chunk(w, e.chunk, VFSR_KIND_DATA);
	if (chunk && e.offset + e.bytes > chunk->logical)
		bad(w, VFSR_REASON_RANGE, e.offset + e.bytes, chunk->logical);
}

static void check_inline(struct walk *w, const struct vfsr_item *item)
{
	if (w->self->type != VFSR_DT_REG && w->self->type != VFSR_DT_LNK) {
		bad(w, VFSR_REASON_ITEM, item->key.type, w->self->type);
		return;
	}
	if (item->key.key < w->inline_bytes)
		bad(w, VFSR_REASON_OVERLAP, item->key.key, w->inline_bytes);
	if (item->key.key > w->in.size ||
	    item->bytes > w->in.size - item->key.key) {
		bad(w, VFSR_REASON_SIZE, item->key.key + item->bytes,
		    w->in.size);
		return;
	}
	w->inline_bytes = item->key.key + item->bytes;
	w->data_bytes += item->bytes;
}

static void check_xattr(struct walk *w, const struct vfsr_item *item)
{
	const u8 *key = w->c->pool->super->hash_key;
	struct vfsr_fault f = { 0 };
	struct check_id *chunk;
	struct vfsr_xattr x;
	u64 hash;

	if (vfsr_xattr_decode(item->value, item->bytes, &x, &f)) {
		unread(w, &f);
		return;
	}
	hash = vfsr_name_hash(key, x.name, x.name_bytes);
	if (!vfsr_name_same_hash(hash, item->key.key))
		bad(w, VFSR_REASON_HASH, item->key.key, hash);
	if (x.value)
		return;
	chunk = use_chunk(w, x.chunk, VFSR_KIND_XATTR);
	if (chunk && chunk->logical != x.value_bytes)
		bad(w, VFSR_REASON_SIZE, chunk->logical, x.value_bytes);
}

/* The names in the orphan directory are no links. */
static void check_orphan(struct walk *w, struct check_id *child, u8 type)
{
	if (child->flags & ID_ORPHAN)
		bad(w, VFSR_REASON_TWICE, child->id, 0);
	child->flags |= ID_ORPHAN;
	if (!child->seen) {
		child->parent = w->self->id;
		child->says_type = type;
	}
}

static void check_dirent(struct walk *w, const struct vfsr_item *item)
{
	const u8 *key = w->c->pool->super->hash_key;
	struct vfsr_fault f = { 0 };
	struct check_id *child;
	struct vfsr_dirent d;
	u64 hash;

	w->names++;
	if (w->self->type != VFSR_DT_DIR) {
		bad(w, VFSR_REASON_ITEM, item->key.type, w->self->type);
		return;
	}
	if (vfsr_dirent_decode(item->value, item->bytes, &d, &f)) {
		unread(w, &f);
		return;
	}
	hash = vfsr_name_hash(key, d.name, d.name_bytes);
	if (!vfsr_name_same_hash(hash, item->key.key))
		bad(w, VFSR_REASON_HASH, item->key.key, hash);
	if (w->names > 1 && vfsr_name_same_hash(w->last_hash, item->key.key) &&
	    w->last_bytes == d.name_bytes &&
	    !memcmp(w->last_name, d.name, d.name_bytes))
		bad(w, VFSR_REASON_TWICE, item->key.key, w->last_hash);
	w->last_hash = item->key.key;
	w->last_bytes = d.name_bytes;
	memcpy(w->last_name, d.name, d.name_bytes);

	child = vfsr_check_find(w->c, d.ino);
	if (!child || child->kind != VFSR_KIND_INODE) {
		if (child || !w->c->map_damaged)
			bad(w, VFSR_REASON_DIRENT, d.ino, 0);
		return;
	}
	if (w->self->id == VFSR_ORPHAN_INO) {
		check_orphan(w, child, d.type);
		return;
	}
	if (!child->seen++) {
		child->parent = w->self->id;
		child->says_type = d.type;
	} else if (child->says_type != d.type) {
		bad(w, VFSR_REASON_DIRENT, d.type, child->says_type);
	}
	if (d.type == VFSR_DT_DIR)
		w->self->subdirs++;
}

static void check_item(struct walk *w, const struct vfsr_item *item)
{
	switch (item->key.type) {
	case VFSR_ITEM_EXTENT:
		check_extent(w, item);
		break;
	case VFSR_ITEM_INLINE:
		check_inline(w, item);
		break;
	case VFSR_ITEM_XATTR:
		check_xattr(w, item);
		break;
	case VFSR_ITEM_DIRENT:
		check_dirent(w, item);
		break;
	default: /* reserved types: nothing writes them */
		bad(w, VFSR_REASON_ITEM, item->key.type, 0);
		break;
	}
}

static int visit_node(void *arg, u64 id, const u8 *node)
{
	struct walk *w = arg;
	struct vfsr_item item;
	unsigned int i, nr;

	if (id != w->self->id) {
		w->c->stats->nodes++;
		use_chunk(w, id, VFSR_KIND_NODE);
	}
	if (vfsr_node_level(node))
		return 0;
	nr = vfsr_node_nr_items(node);
	for (i = 0; i < nr; i++) {
		vfsr_node_item(node, i, &item);
		check_item(w, &item);
	}
	return 0;
}

/* What must hold for the whole of an inode once its items were seen. */
static void check_inode(struct walk *w)
{
	struct check *c = w->c;

	switch (w->self->type) {
	case VFSR_DT_DIR:
		c->stats->directories++;
		w->self->flags |= ID_DIR;
		if (w->names != w->in.size)
			bad(w, VFSR_REASON_DIRSIZE, w->in.size, w->names);
		break;
	case VFSR_DT_REG:
		c->stats->files++;
		c->logical_bytes += w->data_bytes;
		break;
	case VFSR_DT_LNK:
		if (w->inline_bytes != w->in.size || !w->in.size)
			bad(w, VFSR_REASON_SIZE, w->inline_bytes, w->in.size);
		fallthrough;
	default:
		c->stats->other++;
		break;
	}
	if (w->blocks != w->in.blocks && !w->broken)
		bad(w, VFSR_REASON_BLOCKS, w->in.blocks, w->blocks);
	w->self->nlink = w->in.nlink;
	w->self->says_parent = w->in.parent;
}

static int check_tree(struct check *c, struct vfsr_tree *t,
		      struct check_id *self, struct walk *w)
{
	int err;

	memset(w, 0, sizeof(*w));
	w->c = c;
	w->self = self;
	c->stats->inodes++;
	err = vfsr_tree_seek(t, self->id, &w->in);
	if (err == -ENOMEM)
		return err;
	if (err) {
		unread(w, vfsr_ws_fault(c->ws));
		return 0;
	}
	self->type = (u8)(w->in.mode >> VFSR_MODE_TYPE_SHIFT);
	self->flags |= ID_READ;
	err = vfsr_bt_walk(&t->bt, visit_node, w);
	if (err == -ENOMEM)
		return err;
	if (!err) {
		check_inode(w);
		return 0;
	}
	self->flags &= (u8)~ID_READ;
	unread(w, err == -EUCLEAN && t->bt.fault.reason ? &t->bt.fault :
							  vfsr_ws_fault(c->ws));
	return 0;
}

static void bad_id(struct check *c, const struct check_id *e,
		   enum vfsr_reason reason, u64 have, u64 want)
{
	vfsr_check_bad(c, reason, -1, vfsr_place_grid(e->place), e->id, have,
		       want);
}

/*
 * Follow parents up to the root, marking the way; every inode is walked over
 * at most twice in all, since a known end ends the walk.
 */
static void find_root(struct check *c, struct check_id *start)
{
	struct check_id *e = start;
	bool rooted;

	while (e && !(e->flags & (ID_ROOTED | ID_WALKED))) {
		e->flags |= ID_WALKED;
		e = e->parent ? vfsr_check_find(c, e->parent) : NULL;
	}
	rooted = e && e->flags & ID_ROOTED;
	for (e = start; e && e->flags & ID_WALKED && rooted;
	     e = vfsr_check_find(c, e->parent)) {
		if (e->flags & ID_ROOTED)
			break;
		e->flags |= ID_ROOTED;
	}
}

/* What an inode that could be read says of its names, and what they say. */
static void check_names(struct check *c, struct check_id *e, bool special)
{
	bool partial = check_is_partial(c);

	if (!special && e->says_type != e->type)
		bad_id(c, e, VFSR_REASON_DIRENT, e->says_type, e->type);
	if (e->flags & ID_ORPHAN) {
		if (e->nlink || e->seen)
			bad_id(c, e, VFSR_REASON_NLINK, e->nlink, e->seen);
		return;
	}
	if (e->flags & ID_DIR) {
		if (e->seen > !special || (e->seen < !special && !partial))
			bad_id(c, e, VFSR_REASON_TWICE, e->seen, !special);
		if (e->nlink != 2ull + e->subdirs)
			bad_id(c, e, VFSR_REASON_NLINK, e->nlink,
			       2ull + e->subdirs);
		if (!special && e->says_parent != e->parent)
			bad_id(c, e, VFSR_REASON_PARENT, e->says_parent,
			       e->parent);
		return;
	}
	if (e->seen > e->nlink || (e->seen < e->nlink && !partial))
		bad_id(c, e, VFSR_REASON_NLINK, e->nlink, e->seen);
	/* 0: its other names went, and nobody knew where this one is */
	if (e->seen == 1 && e->says_parent && e->says_parent != e->parent &&
	    !partial)
		bad_id(c, e, VFSR_REASON_PARENT, e->says_parent, e->parent);
}

static void check_links(struct check *c, struct check_id *e)
{
	bool special = e->id == VFSR_ROOT_INO || e->id == VFSR_ORPHAN_INO;

	if (!special && !e->seen && !(e->flags & ID_ORPHAN)) {
		if (!check_is_partial(c))
			bad_id(c, e, VFSR_REASON_UNREACHABLE, 0, 1);
		return;
	}
	find_root(c, e);
	if (!(e->flags & ID_ROOTED) && !check_is_partial(c))
		bad_id(c, e,
		       e->flags & ID_DIR ? VFSR_REASON_LOOP :
					   VFSR_REASON_UNREACHABLE,
		       e->parent, VFSR_ROOT_INO);
	if (!(e->flags & ID_READ))
		return;
	check_names(c, e, special);
}

static void check_refs(struct check *c, struct check_id *e)
{
	if (check_is_partial(c) && e->seen <= e->refs)
		return;
	if (!(e->flags & ID_REACHED))
		bad_id(c, e, VFSR_REASON_UNREACHABLE, 0, e->refs);
	else if (e->refs != e->seen)
		bad_id(c, e, VFSR_REASON_REFS, e->refs, e->seen);
}

int vfsr_check_trees(struct check *c)
{
	struct check_id *root = vfsr_check_find(c, VFSR_ROOT_INO);
	struct check_id *orphans = vfsr_check_find(c, VFSR_ORPHAN_INO);
	struct vfsr_tree tree;
	struct walk *w;
	size_t i;
	int err;

	w = malloc(sizeof(*w));
	if (!w)
		return -ENOMEM;
	err = vfsr_tree_init(&tree, c->pool, c->ws);
	for (i = 0; i < c->nr && !err; i++) {
		if (c->id[i].kind == VFSR_KIND_INODE)
			err = check_tree(c, &tree, &c->id[i], w);
		else
			c->stats->chunks += c->id[i].kind == VFSR_KIND_DATA;
		if (c->opts->progress && !(i & 1023))
			c->opts->progress(c->opts->ctx, i, c->nr);
	}
	vfsr_tree_release(&tree);
	free(w);
	if (err)
		return err;
	if (!root || root->type != VFSR_DT_DIR)
		vfsr_check_bad(c, VFSR_REASON_MISSING, -1, 0, VFSR_ROOT_INO, 0,
			       VFSR_ROOT_INO);
	if (root)
		root->flags |= ID_ROOTED;
	if (orphans)
		orphans->flags |= ID_ROOTED;
	for (i = 0; i < c->nr; i++) {
		if (c->id[i].kind == VFSR_KIND_INODE) {
			check_links(c, &c->id[i]);
			if (c->id[i].refs != 1)
				bad_id(c, &c->id[i], VFSR_REASON_REFS,
				       c->id[i].refs, 1);
		} else {
			check_refs(c, &c->id[i]);
		}
	}
	return 0;
}
