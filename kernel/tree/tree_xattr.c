// SPDX-License-Identifier: GPL-2.0-only
/*
 * Extended attributes. A value that does not fit the item is a chunk of its
 * own, named by the item.
 *
 * A new value stays in the cache as a dirty object, is stored by the checkpoint
 * like a node, and leaves the cache when the record is durable. So reading one
 * never waits for a stripe, which under a tree's lock might wait for
 * ever, and a value set twice between two checkpoints is stored once. Values are
 * immutable: setting makes a new chunk. Callers hold the tree's lock.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/xattr.h>

#include "tree/tree_impl.h"

#define DROP_BATCH	16	/* attributes removed per transaction */

/* The chunk of a value, into @buf of x->value_bytes. 0 or an error. */
static int value_read(struct vfsr_tree *t, const struct vfsr_xattr *x,
		      void *buf)
{
	const struct vfsr_reader_of who = { .ino = t->ino };
	struct vfsr_trees *ts = t->trees;
	struct vfsr_meta *m = vfsr_meta_find(ts, x->chunk);
	int rc;

	if (m) {
		rc = -EUCLEAN;
		if (m->kind == VFSR_KIND_XATTR && m->owner == t->ino &&
		    m->bytes == x->value_bytes) {
			memcpy(buf, m->buf, m->bytes);
			rc = 0;
		}
		vfsr_meta_put(m);
		return rc ? vfsr_tree_bad(t, VFSR_REASON_KIND, x->chunk, 0) : 0;
	}
	rc = vfsr_meta_placed(ts, x->chunk, VFSR_KIND_XATTR);
	if (rc == -ENOENT)
		return vfsr_tree_bad(t, VFSR_REASON_MISSING, x->chunk, 0);
	if (rc)
		return rc;
	rc = vfsr_log_read(ts->log, x->chunk, VFSR_KIND_XATTR, NULL, buf,
			   x->value_bytes, NULL, &who);
	if (rc < 0)
		return rc == -ENOENT ? -EUCLEAN : rc;
	if ((u32)rc != x->value_bytes)
		return vfsr_tree_bad(t, VFSR_REASON_SIZE, (u64)rc,
				     x->value_bytes);
	return 0;
}

/*
 * May the chunk that an item names as its value be freed, and is that sure to
 * succeed? It is not if the pool is damaged and the id is another's or free:
 * then *@id becomes 0 and the item can go without it.
 */
static int value_drop_prepare(struct vfsr_tree *t, u64 *id)
{
	struct vfsr_trees *ts = t->trees;
	struct vfsr_meta *m;
	bool mine;
	int rc;

	if (!*id)
		return 0;
	m = vfsr_meta_find(ts, *id);
	if (m) {
		mine = m->kind == VFSR_KIND_XATTR && m->owner == t->ino;
		vfsr_meta_put(m);
		rc = mine ? 0 : -ENOENT;
	} else {
		rc = vfsr_meta_placed(ts, *id, VFSR_KIND_XATTR);
	}
	if (!rc)
		rc = vfsr_map_pin(ts->log->map, *id);
	if (rc != -ENOENT && rc != -EUCLEAN)
		return rc;
	vfsr_tree_bad(t, VFSR_REASON_MISSING, *id, 0);
	*id = 0;
	return 0;
}

static void value_drop(struct vfsr_tree *t, u64 id)
{
	if (id)
		vfsr_meta_drop(t->trees, id);
}

/* Make a chunk of a value; out: its id. */
static int value_add(struct vfsr_tree *t, const void *value, u32 bytes, u64 *id)
{
	struct vfsr_trees *ts = t->trees;
	struct vfsr_meta *m;
	int rc = vfsr_id_alloc(ts->log->map, VFSR_KIND_XATTR, id);

	if (rc)
		return rc;
	rc = vfsr_meta_new(ts, *id, t->ino, VFSR_KIND_XATTR, bytes, &m);
	if (rc) {
		if (rc != -EUCLEAN)
			vfsr_map_drop(ts->log->map, *id);
		return rc;
	}
	memcpy(m->buf, value, bytes);
	rc = vfsr_meta_dirty(ts, m);
	vfsr_meta_put(m);
	if (rc)
		vfsr_meta_drop(ts, *id);
	return rc;
}

/* --- one attribute --- */

/**
 * vfsr_tree_xattr_get - value of an attribute
 * @t: tree, lock held
 * @name: with its prefix
 * @buf: kmalloc or vmalloc memory; NULL: tell the length only
 * @size: room in @buf; 0 as NULL
 *
 * Context: may sleep; within a transaction or not.
 *
 * Return: length of the value; -ENODATA; -ERANGE if it does not fit; -EUCLEAN, -EIO,
 * reported.
 */
ssize_t vfsr_tree_xattr_get(struct vfsr_tree *t, const char *name, void *buf,
			    size_t size)
{
	struct vfsr_bt bt = vfsr_tree_bt(t);
	struct vfsr_tree_scratch *s;
	struct vfsr_xattr x;
	size_t len = strlen(name);
	ssize_t rc;

	lockdep_assert_held(&t->lock);
	if (!len || len > VFSR_NAME_MAX)
		return -ERANGE;
	s = vfsr_scratch_get(t->trees);
	rc = vfsr_xattr_get(&bt, t->trees->hash_key, (const u8 *)name, (u32)len,
			    &x, s->value);
	if (rc) {
		rc = rc == -ENOENT ? -ENODATA :
				     vfsr_tree_result(t, &bt, (int)rc);
		goto out;
	}
	rc = x.value_bytes;
	if (!buf || !size)
		goto out;
	if (x.value_bytes > size)
		rc = -ERANGE;
	else if (x.value)
		memcpy(buf, x.value, x.value_bytes);
	else
		rc = value_read(t, &x, buf) ?: (ssize_t)x.value_bytes;
out:
	vfsr_scratch_put(t->trees, s);
	return rc;
}

static int xattr_remove(struct vfsr_tree *t, struct vfsr_bt *bt, const u8 *name,
			u32 len, u64 old_chunk)
{
	int rc = vfsr_xattr_delete(bt, t->trees->hash_key, name, len);

	if (!rc)
		value_drop(t, old_chunk);
	return rc;
}

static int xattr_store(struct vfsr_tree *t, struct vfsr_bt *bt, const u8 *name,
		       u32 len, const void *value, u32 size, u64 old_chunk)
{
	struct vfsr_xattr x = { .name = name,
				.name_bytes = (u8)len,
				.value_bytes = size };
	int rc;

	if (size <= vfsr_xattr_inline_max(len)) {
		x.value = value;
	} else {
		rc = value_add(t, value, size, &x.chunk);
		if (rc)
			return rc;
	}
	rc = vfsr_xattr_set(bt, t->trees->hash_key, &x);
	value_drop(t, rc ? x.chunk : old_chunk);
	return rc;
}

/**
 * vfsr_tree_xattr_set - set or remove an attribute
 * @t: tree, lock held for write, in a transaction
 * @name: with its prefix
 * @value: NULL: remove it; kernel memory
 * @size: bytes of @value
 * @flags: XATTR_CREATE, XATTR_REPLACE
 *
 * Return: 0; -EEXIST, -ENODATA; -E2BIG beyond VFSR_XATTR_VALUE_MAX; -ERANGE for
 * a name too long; or another error. Then nothing changed.
 */
int vfsr_tree_xattr_set(struct vfsr_tree *t, const char *name,
			const void *value, size_t size, int flags)
{
	struct vfsr_bt bt = vfsr_tree_bt(t);
	struct vfsr_tree_scratch *s;
	const u8 *n = (const u8 *)name;
	struct vfsr_xattr x;
	size_t len = strlen(name);
	u64 old_chunk = 0;
	bool exists;
	int rc;

	lockdep_assert_held_write(&t->lock);
	if (!len || len > VFSR_NAME_MAX)
		return -ERANGE;
	if (value && size > VFSR_XATTR_VALUE_MAX)
		return -E2BIG;
	s = vfsr_scratch_get(t->trees);
	rc = vfsr_xattr_get(&bt, t->trees->hash_key, n, (u32)len, &x, s->value);
	exists = !rc;
	if (exists && !x.value)
		old_chunk = x.chunk;
	vfsr_scratch_put(t->trees, s);
	if (rc && rc != -ENOENT)
		return vfsr_tree_result(t, &bt, rc);
	if (exists && flags & XATTR_CREATE)
		return -EEXIST;
	if (!exists && (!value || flags & XATTR_REPLACE))
		return -ENODATA;
	rc = value_drop_prepare(t, &old_chunk);
	if (rc)
		return rc;
	if (value)
		rc = xattr_store(t, &bt, n, (u32)len, value, (u32)size,
				 old_chunk);
	else
		rc = xattr_remove(t, &bt, n, (u32)len, old_chunk);
	return vfsr_tree_result(t, &bt, rc);
}

/* --- all of them --- */

/**
 * vfsr_tree_xattr_list - names of all attributes
 * @t: tree, lock held
 * @fn: gets each name, with its prefix and not terminated; non-zero ends the walk
 * @ctx: for @fn
 *
 * Return: 0, what @fn returned, or an error of reading.
 */
int vfsr_tree_xattr_list(struct vfsr_tree *t,
			 int (*fn)(void *ctx, const char *name, u32 bytes),
			 void *ctx)
{
	struct vfsr_bt bt = vfsr_tree_bt(t);
	struct vfsr_tree_scratch *s = vfsr_scratch_get(t->trees);
	struct vfsr_key key = vfsr_tree_key(VFSR_ITEM_XATTR, 0);
	struct vfsr_xattr x;
	u32 bytes;
	int rc;

	lockdep_assert_held(&t->lock);
	do {
		rc = vfsr_bt_next(&bt, &key, s->value, &bytes);
		if (rc == -ENOENT || (!rc && key.type != VFSR_ITEM_XATTR)) {
			rc = 0;
			break;
		}
		if (!rc)
			rc = vfsr_xattr_decode(s->value, bytes, &x, &bt.fault);
		if (rc) {
			rc = vfsr_tree_result(t, &bt, rc);
			break;
		}
		rc = fn(ctx, (const char *)x.name, x.name_bytes);
	} while (!rc && ++key.key);
	vfsr_scratch_put(t->trees, s);
	return rc;
}

/* Remove the first attribute; 1 if there was one, 0, or an error. */
static int drop_first(struct vfsr_tree *t, struct vfsr_bt *bt, u8 *value)
{
	struct vfsr_key key = vfsr_tree_key(VFSR_ITEM_XATTR, 0);
	struct vfsr_xattr x;
	u64 chunk = 0;
	u32 bytes;
	int rc = vfsr_bt_next(bt, &key, value, &bytes);

	if (rc)
		return rc == -ENOENT ? 0 : rc;
	if (key.type != VFSR_ITEM_XATTR)
		return 0;
	/* what cannot be understood names no chunk that could be freed */
	if (vfsr_xattr_decode(value, bytes, &x, &bt->fault))
		vfsr_tree_result(t, bt, -EUCLEAN);
	else if (!x.value)
		chunk = x.chunk;
	rc = value_drop_prepare(t, &chunk);
	if (!rc)
		rc = vfsr_bt_delete(bt, key);
	if (rc)
		return rc;
	value_drop(t, chunk);
	return 1;
}

/**
 * vfsr_tree_drop_xattrs - remove some attributes
 * @t: tree, lock held for write, in a transaction
 *
 * Bounded work.
 *
 * Return: 0 when there are none any more, 1 if there may be (call again, in a new
 * transaction), or an error.
 */
int vfsr_tree_drop_xattrs(struct vfsr_tree *t)
{
	struct vfsr_bt bt = vfsr_tree_bt(t);
	struct vfsr_tree_scratch *s = vfsr_scratch_get(t->trees);
	unsigned int i;
	int rc = 1;

	lockdep_assert_held_write(&t->lock);
	for (i = 0; i < DROP_BATCH && rc == 1; i++)
		rc = drop_first(t, &bt, s->value);
	vfsr_scratch_put(t->trees, s);
	return vfsr_tree_result(t, &bt, rc);
}
