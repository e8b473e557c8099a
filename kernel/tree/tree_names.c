// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names in a directory: the core's operations with the pool's hash key, and
 * reading in batches for readdir. Callers hold the directory's tree lock; changes happen
 * in a transaction.
 *
 * A cookie is the key of an entry's item: stable while the entry exists, and
 * never that of another name with another hash.
 */
#include <linux/align.h>

#include "tree/tree_impl.h"

/* No name has this key or a larger one: a cookie and the next fit a loff_t. */
#define COOKIE_END	((u64)S64_MAX)

/**
 * vfsr_tree_dir_lookup - find a name
 * @t: tree of the directory, lock held
 * @name: bytes, not terminated
 * @bytes: how many
 * @ino: out
 * @type: out, DT_*
 *
 * Return: 0, -ENOENT, -EUCLEAN (reported), or an error of reading.
 */
int vfsr_tree_dir_lookup(struct vfsr_tree *t, const u8 *name, u32 bytes,
			 u64 *ino, u8 *type)
{
	struct vfsr_bt bt = vfsr_tree_bt(t);
	int rc;

	lockdep_assert_held(&t->lock);
	rc = vfsr_dir_lookup(&bt, t->trees->hash_key, name, bytes, NULL, ino,
			     type);
	return vfsr_tree_result(t, &bt, rc);
}

/**
 * vfsr_tree_dir_insert - add a name
 * @t: tree of the directory, lock held for write, in a transaction
 * @name: bytes, not terminated
 * @bytes: how many
 * @ino: what it names
 * @type: DT_*
 *
 * Return: 0, -EEXIST, -EINVAL, -EOVERFLOW, -EUCLEAN (reported), or another
 * error; then nothing changed.
 */
int vfsr_tree_dir_insert(struct vfsr_tree *t, const u8 *name, u32 bytes,
			 u64 ino, u8 type)
{
	struct vfsr_bt bt = vfsr_tree_bt(t);
	struct vfsr_dirent d = { .ino = ino, .type = type, .name = name };
	int rc;

	lockdep_assert_held_write(&t->lock);
	if (bytes > VFSR_NAME_MAX)
		return -ENAMETOOLONG;
	d.name_bytes = (u8)bytes;
	rc = vfsr_dir_insert(&bt, t->trees->hash_key, &d);
	return vfsr_tree_result(t, &bt, rc);
}

/**
 * vfsr_tree_dir_delete - remove a name
 * @t: tree of the directory, lock held for write, in a transaction
 * @name: bytes, not terminated
 * @bytes: how many
 *
 * Return: 0, -ENOENT, or an error; then nothing changed.
 */
int vfsr_tree_dir_delete(struct vfsr_tree *t, const u8 *name, u32 bytes)
{
	struct vfsr_bt bt = vfsr_tree_bt(t);
	int rc;

	lockdep_assert_held_write(&t->lock);
	rc = vfsr_dir_delete(&bt, t->trees->hash_key, name, bytes);
	return vfsr_tree_result(t, &bt, rc);
}

/**
 * vfsr_tree_dir_replace - let an existing name point elsewhere
 * @t: tree of the directory, lock held for write, in a transaction
 * @name: bytes, not terminated
 * @bytes: how many
 * @ino: what it names from now on
 * @type: DT_*
 *
 * Its cookie stays. Needs no new node, so that it does not fail for space.
 *
 * Return: 0, -ENOENT, or an error; then nothing changed.
 */
int vfsr_tree_dir_replace(struct vfsr_tree *t, const u8 *name, u32 bytes,
			  u64 ino, u8 type)
{
	struct vfsr_bt bt = vfsr_tree_bt(t);
	struct vfsr_dirent d = { .ino = ino, .type = type, .name = name };
	u8 item[VFSR_DIRENT_HEAD + VFSR_NAME_MAX];
	u64 cookie, old_ino;
	u8 old_type;
	int rc;

	lockdep_assert_held_write(&t->lock);
	rc = vfsr_dir_lookup(&bt, t->trees->hash_key, name, bytes, &cookie,
			     &old_ino, &old_type);
	if (rc)
		return vfsr_tree_result(t, &bt, rc);
	d.name_bytes = (u8)bytes;
	rc = vfsr_bt_replace(&bt, vfsr_tree_key(VFSR_ITEM_DIRENT, cookie), item,
			     vfsr_dirent_encode(&d, item));
	return vfsr_tree_result(t, &bt, rc);
}

/**
 * vfsr_tree_dir_read - a batch of entries
 * @t: tree of the directory, lock held
 * @cookie: in: where to start; out: where to go on
 * @buf: room for @room bytes, aligned to 8
 * @room: of which one entry takes up to 280
 *
 * Return: bytes used; 0 at the end; -EINVAL if one entry does not fit; -EUCLEAN
 * (reported) or an error of reading, if the first entry is not to be had.
 */
int vfsr_tree_dir_read(struct vfsr_tree *t, u64 *cookie, void *buf, u32 room)
{
	struct vfsr_bt bt = vfsr_tree_bt(t);
	struct vfsr_tree_scratch *s = vfsr_scratch_get(t->trees);
	struct vfsr_key key = vfsr_tree_key(VFSR_ITEM_DIRENT, *cookie);
	struct vfsr_tree_dirent *out;
	struct vfsr_dirent d;
	u32 bytes, need, used = 0;
	int rc;

	lockdep_assert_held(&t->lock);
	for (;;) {
		rc = vfsr_bt_next(&bt, &key, s->value, &bytes);
		if (!rc && key.type != VFSR_ITEM_DIRENT)
			rc = -ENOENT;
		if (!rc)
			rc = vfsr_dirent_decode(s->value, bytes, &d, &bt.fault);
		if (!rc && key.key >= COOKIE_END) {
			vfsr_fault_set(&bt.fault, VFSR_REASON_HASH, key.key,
				       COOKIE_END - 1);
			rc = -EUCLEAN;
		}
		if (rc)
			break;
		need = ALIGN((u32)offsetof(struct vfsr_tree_dirent, name) +
				     d.name_bytes,
			     8);
		if (need > room - used) {
			rc = -EINVAL;
			break;
		}
		out = buf + used;
		out->cookie = key.key;
		out->ino = d.ino;
		out->type = d.type;
		out->name_bytes = d.name_bytes;
		memcpy(out->name, d.name, d.name_bytes);
		used += need;
		*cookie = ++key.key;
	}
	vfsr_scratch_put(t->trees, s);
	/* what was read before an error is good; it will come up again */
	if (used || rc == -ENOENT)
		return (int)used;
	return vfsr_tree_result(t, &bt, rc);
}
