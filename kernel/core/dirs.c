// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names in a tree: directory entries and extended attributes.
 *
 * A name is filed under its hash; names with equal hashes have keys next to
 * each other and are told apart by comparing them. So all operations are one scan
 * of the keys with one hash48, which is one item nearly always. The caller
 * holds the tree's lock from the call to its return.
 */
#include "core/btree_impl.h"
#include "core/items.h"

/* What a scan of one hash found */
struct name_scan {
	struct vfsr_bt_path p;	/* held if and only if the scan returned 0 */
	struct vfsr_item item;	/* the name's */
	u64 free_key;		/* lowest free key of this hash */
};

/* The name that an item of either type holds */
static int item_name(struct vfsr_bt *t, const struct vfsr_item *item,
		     const u8 **name, u32 *name_bytes)
{
	struct vfsr_dirent d;
	struct vfsr_xattr x;
	int rc;

	if (item->key.type == VFSR_ITEM_DIRENT) {
		rc = vfsr_dirent_decode(item->value, item->bytes, &d,
					&t->fault);
		if (rc)
			return rc;
		*name = d.name;
		*name_bytes = d.name_bytes;
		return 0;
	}
	rc = vfsr_xattr_decode(item->value, item->bytes, &x, &t->fault);
	if (rc)
		return rc;
	*name = x.name;
	*name_bytes = x.name_bytes;
	return 0;
}

/*
 * Look for a name among the items of @type with its hash. Without it, -ENOENT,
 * and s->free_key is where it would go.
 */
static int scan(struct vfsr_bt *t, u8 type, const u8 hash_key[16],
		const u8 *name, u32 name_bytes, struct name_scan *s)
{
	struct vfsr_key key = { type, 0 };
	const u8 *have;
	u32 have_bytes;
	bool found;
	int rc;

	key.key = vfsr_name_hash(hash_key, name, name_bytes);
	s->free_key = key.key;
	rc = vfsr_bt_path_find(t, &s->p, key, &found);
	if (rc)
		return rc;
	for (;;) {
		rc = vfsr_bt_path_settle(t, &s->p, &s->item);
		if (rc)
			break;
		rc = -ENOENT;
		if (s->item.key.type != type ||
		    !vfsr_name_same_hash(s->item.key.key, key.key))
			break;
		rc = item_name(t, &s->item, &have, &have_bytes);
		if (rc)
			break;
		if (have_bytes == name_bytes && !memcmp(have, name, have_bytes))
			return 0;
		if (s->item.key.key == s->free_key)
			s->free_key++;
		s->p.slot[s->p.depth - 1]++;
	}
	vfsr_bt_path_trim(t, &s->p, 0);
	return rc;
}

/* Insert an item for a name that is not there yet. */
static int name_insert(struct vfsr_bt *t, u8 type, u64 hash, u64 free_key,
		       const struct vfsr_value *v)
{
	struct vfsr_key key = { type, free_key };

	if (!vfsr_name_same_hash(hash, free_key))
		return -EOVERFLOW;
	return vfsr_bt_store(t, key, v, VFSR_STORE_INSERT);
}

/* Delete a name's item. */
static int name_delete(struct vfsr_bt *t, u8 type, const u8 hash_key[16],
		       const u8 *name, u32 name_bytes)
{
	struct name_scan s;
	int rc;

	rc = scan(t, type, hash_key, name, name_bytes, &s);
	if (rc)
		return rc;
	vfsr_bt_path_trim(t, &s.p, 0);
	return vfsr_bt_delete(t, s.item.key);
}

int vfsr_dir_lookup(struct vfsr_bt *t, const u8 hash_key[16], const u8 *name,
		    u32 name_bytes, u64 *cookie, u64 *ino, u8 *type)
{
	struct vfsr_dirent d;
	struct name_scan s;
	int rc;

	rc = scan(t, VFSR_ITEM_DIRENT, hash_key, name, name_bytes, &s);
	if (rc)
		return rc;
	rc = vfsr_dirent_decode(s.item.value, s.item.bytes, &d, &t->fault);
	if (!rc) {
		if (cookie)
			*cookie = s.item.key.key;
		*ino = d.ino;
		*type = d.type;
	}
	vfsr_bt_path_trim(t, &s.p, 0);
	return rc;
}

int vfsr_dir_insert(struct vfsr_bt *t, const u8 hash_key[16],
		    const struct vfsr_dirent *d)
{
	u8 head[VFSR_DIRENT_HEAD];
	struct vfsr_value v = { { head, d->name },
				{ sizeof(head), d->name_bytes } };
	struct name_scan s;
	int rc;

	if (!vfsr_name_ok(d->name, d->name_bytes, NULL))
		return -EINVAL;
	rc = scan(t, VFSR_ITEM_DIRENT, hash_key, d->name, d->name_bytes, &s);
	if (!rc) {
		vfsr_bt_path_trim(t, &s.p, 0);
		return -EEXIST;
	}
	if (rc != -ENOENT)
		return rc;
	vfsr_dirent_encode_head(d, head);
	return name_insert(t, VFSR_ITEM_DIRENT,
			   vfsr_name_hash(hash_key, d->name, d->name_bytes),
			   s.free_key, &v);
}

int vfsr_dir_delete(struct vfsr_bt *t, const u8 hash_key[16], const u8 *name,
		    u32 name_bytes)
{
	return name_delete(t, VFSR_ITEM_DIRENT, hash_key, name, name_bytes);
}

int vfsr_xattr_get(struct vfsr_bt *t, const u8 hash_key[16], const u8 *name,
		   u32 name_bytes, struct vfsr_xattr *x, u8 *item)
{
	struct name_scan s;
	int rc;

	rc = scan(t, VFSR_ITEM_XATTR, hash_key, name, name_bytes, &s);
	if (rc)
		return rc;
	memcpy(item, s.item.value, s.item.bytes);
	vfsr_bt_path_trim(t, &s.p, 0);
	return vfsr_xattr_decode(item, s.item.bytes, x, &t->fault);
}

int vfsr_xattr_set(struct vfsr_bt *t, const u8 hash_key[16],
		   const struct vfsr_xattr *x)
{
	__le64 chunk = cpu_to_le64(x->chunk);
	u8 head[VFSR_XATTR_HEAD];
	struct vfsr_value v = { { head, x->name, &chunk },
				{ sizeof(head), x->name_bytes,
				  sizeof(chunk) } };
	struct name_scan s;
	int rc;

	if (!x->name_bytes || memchr(x->name, 0, x->name_bytes) ||
	    x->value_bytes > VFSR_XATTR_VALUE_MAX ||
	    (!x->value && x->value_bytes && !x->chunk))
		return -EINVAL;
	if (x->value || !x->value_bytes) {
		v.part[2] = x->value;
		v.bytes[2] = x->value_bytes;
	}
	vfsr_xattr_encode_head(x, head);
	rc = scan(t, VFSR_ITEM_XATTR, hash_key, x->name, x->name_bytes, &s);
	if (!rc) {
		vfsr_bt_path_trim(t, &s.p, 0);
		return vfsr_bt_store(t, s.item.key, &v, VFSR_STORE_REPLACE);
	}
	if (rc != -ENOENT)
		return rc;
	return name_insert(t, VFSR_ITEM_XATTR,
			   vfsr_name_hash(hash_key, x->name, x->name_bytes),
			   s.free_key, &v);
}

int vfsr_xattr_delete(struct vfsr_bt *t, const u8 hash_key[16], const u8 *name,
		      u32 name_bytes)
{
	return name_delete(t, VFSR_ITEM_XATTR, hash_key, name, name_bytes);
}
