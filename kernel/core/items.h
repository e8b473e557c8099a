/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Items and inode headers in host order, name hashing, and the operations on
 * names that are more than one item (lookup with equal hashes).
 */
#ifndef VFSR_CORE_ITEMS_H
#define VFSR_CORE_ITEMS_H

#include "core/btree.h"
#include "core/geometry.h"
#include "core/super.h"

struct vfsr_inode {
	u16 mode;
	u32 flags, uid, gid, project;
	u64 size, nlink, blocks, parent;
	struct vfsr_time mtime, ctime, atime, btime;
	u64 change;
	u32 generation;
	struct vfsr_policy policy;	/* k = 0: default */
	u8 compress_alg, compress_level, compress_keep;
	u32 rdev_major, rdev_minor;
};

/**
 * vfsr_inode_encode - make an inode header
 * @in: inode
 * @buf: room for sizeof(struct vfsr_disk_inode) bytes; all of them are written
 *
 * Return: the stored length, trailing zeroes cut.
 */
u32 vfsr_inode_encode(const struct vfsr_inode *in, void *buf);

/**
 * vfsr_inode_decode - check and read an inode header
 * @buf: header, any alignment
 * @bytes: its stored length
 * @out: filled
 * @f: filled on failure, may be NULL
 *
 * Checks type, nanoseconds, size <= 2^63-1, parent, the limits of a policy that
 * need no strip size, compression properties, padding.
 *
 * Return: 0 or -EUCLEAN.
 */
int vfsr_inode_decode(const void *buf, u32 bytes, struct vfsr_inode *out,
		      struct vfsr_fault *f);

struct vfsr_extent {
	u64 chunk, bytes;
	u32 offset;
	u16 flags;
	u8 state, fill;
};

/**
 * vfsr_extent_encode - make an extent item
 * @e: extent
 * @buf: room for sizeof(struct vfsr_disk_extent) bytes
 *
 * Return: length of the item.
 */
u32 vfsr_extent_encode(const struct vfsr_extent *e, void *buf);

/**
 * vfsr_extent_decode - check and read an extent item
 * @buf: value of the item
 * @bytes: its length
 * @block: the item's key
 * @out: filled
 * @f: filled on failure, may be NULL
 *
 * Checks state, the fields that the state has, flags, lengths (within one chunk's
 * logical bounds; end <= 2^63-1). That extents do not overlap takes their
 * neighbours: the caller checks it.
 *
 * Return: 0 or -EUCLEAN.
 */
int vfsr_extent_decode(const void *buf, u32 bytes, u64 block,
		       struct vfsr_extent *out, struct vfsr_fault *f);

struct vfsr_dirent {
	u64 ino;
	u8 type;		/* DT_* */
	u8 name_bytes;
	const u8 *name;		/* not terminated */
};

/**
 * vfsr_name_ok - may this be a name in a directory?
 * @name: bytes, not terminated
 * @name_bytes: how many
 * @f: filled when not, may be NULL
 *
 * Return: true for 1..255 bytes, no '/', no NUL, not "." or "..".
 */
bool vfsr_name_ok(const void *name, u32 name_bytes, struct vfsr_fault *f);

/**
 * vfsr_dirent_encode - make a directory entry item
 * @d: entry
 * @buf: room for VFSR_DIRENT_HEAD + d->name_bytes bytes
 *
 * Return: length of the item.
 */
u32 vfsr_dirent_encode(const struct vfsr_dirent *d, void *buf);

/**
 * vfsr_dirent_encode_head - the bytes of a directory entry before the name
 * @d: entry
 * @buf: room for VFSR_DIRENT_HEAD bytes
 *
 * Return: VFSR_DIRENT_HEAD.
 */
u32 vfsr_dirent_encode_head(const struct vfsr_dirent *d, void *buf);

/**
 * vfsr_dirent_decode - check and read a directory entry item
 * @buf: value of the item
 * @bytes: its length
 * @out: filled; the name points into @buf
 * @f: filled on failure, may be NULL
 *
 * Checks ino, type, name (vfsr_name_ok()).
 *
 * Return: 0 or -EUCLEAN.
 */
int vfsr_dirent_decode(const void *buf, u32 bytes, struct vfsr_dirent *out,
		       struct vfsr_fault *f);

struct vfsr_xattr {
	const u8 *name;
	u8 name_bytes;
	u32 value_bytes;
	const u8 *value;	/* NULL: the value is chunk @chunk */
	u64 chunk;
};

/**
 * vfsr_xattr_inline_max - most bytes of a value that fits the item
 * @name_bytes: length of the name, at most 255
 *
 * Return: bytes.
 */
u32 vfsr_xattr_inline_max(u32 name_bytes);

/**
 * vfsr_xattr_encode - make an extended attribute item
 * @x: attribute; an empty value is in the item, whatever x->value
 * @buf: room for VFSR_MAX_ITEM_BYTES
 *
 * The caller sees to it that a value in the item is no longer than
 * vfsr_xattr_inline_max().
 *
 * Return: length of the item.
 */
u32 vfsr_xattr_encode(const struct vfsr_xattr *x, void *buf);

/**
 * vfsr_xattr_encode_head - the bytes of an attribute before the name
 * @x: attribute
 * @buf: room for VFSR_XATTR_HEAD bytes
 *
 * Return: VFSR_XATTR_HEAD.
 */
u32 vfsr_xattr_encode_head(const struct vfsr_xattr *x, void *buf);

/**
 * vfsr_xattr_decode - check and read an extended attribute item
 * @buf: value of the item
 * @bytes: its length
 * @out: filled; name and value point into @buf
 * @f: filled on failure, may be NULL
 *
 * Return: 0 or -EUCLEAN.
 */
int vfsr_xattr_decode(const void *buf, u32 bytes, struct vfsr_xattr *out,
		      struct vfsr_fault *f);

/**
 * vfsr_siphash - SipHash-2-4 (Aumasson and Bernstein, 2012), 64 bits
 * @key: 16 bytes
 * @data: bytes
 * @len_bytes: how many
 *
 * Return: the hash.
 */
u64 vfsr_siphash(const u8 key[16], const void *data, u32 len_bytes);

/**
 * vfsr_name_hash - first key of a name
 * @key: the pool's hash key, 16 bytes
 * @name: bytes
 * @len_bytes: how many
 *
 * Return: hash48 << 15, but at least 2.
 */
u64 vfsr_name_hash(const u8 key[16], const void *name, u32 len_bytes);

/**
 * vfsr_name_same_hash - do two keys have the same hash48?
 * @a: key
 * @b: key
 *
 * Return: true if names with these keys had equal hashes.
 */
static inline bool vfsr_name_same_hash(u64 a, u64 b)
{
	return a >> VFSR_HASH_DISC_BITS == b >> VFSR_HASH_DISC_BITS;
}

/**
 * vfsr_dir_lookup - find a name
 * @t: the directory's tree
 * @hash_key: the pool's
 * @name: bytes
 * @name_bytes: how many
 * @cookie: out: key of the item, may be NULL
 * @ino: out
 * @type: out, DT_*
 *
 * Return: 0, -ENOENT, -EUCLEAN with t->fault filled (of the tree, or of an item with
 * the same hash), or the provider's error.
 */
int vfsr_dir_lookup(struct vfsr_bt *t, const u8 hash_key[16], const u8 *name,
		    u32 name_bytes, u64 *cookie, u64 *ino, u8 *type);

/**
 * vfsr_dir_insert - add a name
 * @t: the directory's tree
 * @hash_key: the pool's
 * @d: entry
 *
 * Return: 0, -EEXIST, -EINVAL for an impossible name, -EOVERFLOW if 2^15 names
 * share a hash, or an error of vfsr_bt_insert(). On error nothing changed.
 */
int vfsr_dir_insert(struct vfsr_bt *t, const u8 hash_key[16],
		    const struct vfsr_dirent *d);

/**
 * vfsr_dir_delete - remove a name
 * @t: the directory's tree
 * @hash_key: the pool's
 * @name: bytes
 * @name_bytes: how many
 *
 * Return: 0, -ENOENT, or an error of vfsr_bt_delete().
 */
int vfsr_dir_delete(struct vfsr_bt *t, const u8 hash_key[16], const u8 *name,
		    u32 name_bytes);

/**
 * vfsr_xattr_get - find an attribute
 * @t: the inode's tree
 * @hash_key: the pool's
 * @name: bytes, with the prefix
 * @name_bytes: how many
 * @x: out; points into @item
 * @item: room for VFSR_MAX_ITEM_BYTES
 *
 * Return: as vfsr_dir_lookup().
 */
int vfsr_xattr_get(struct vfsr_bt *t, const u8 hash_key[16], const u8 *name,
		   u32 name_bytes, struct vfsr_xattr *x, u8 *item);

/**
 * vfsr_xattr_set - add an attribute, or replace its value
 * @t: the inode's tree
 * @hash_key: the pool's
 * @x: attribute; its parts are not parts of a node of this tree
 *
 * A chunk that the old value was in stays the caller's business.
 *
 * Return: 0, -EINVAL for an impossible name, value length or chunk, -E2BIG if the value
 * has to go to a chunk, -EOVERFLOW as vfsr_dir_insert(), or an error of
 * vfsr_bt_insert(). On error nothing changed.
 */
int vfsr_xattr_set(struct vfsr_bt *t, const u8 hash_key[16],
		   const struct vfsr_xattr *x);

/**
 * vfsr_xattr_delete - remove an attribute
 * @t: the inode's tree
 * @hash_key: the pool's
 * @name: bytes
 * @name_bytes: how many
 *
 * Return: 0, -ENOENT, or an error of vfsr_bt_delete().
 */
int vfsr_xattr_delete(struct vfsr_bt *t, const u8 hash_key[16], const u8 *name,
		      u32 name_bytes);

#endif
