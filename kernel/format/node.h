/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Nodes: inodes, and the blocks of an inode's B+tree.
 *
 * A node is one metadata object of at most 4 KiB, stored without any gap:
 * head, inode header (only in the inode's own node, which is the root of its
 * tree), item heads in key order, item values in the same order. Only as many
 * bytes as are used are stored. Keys are ordered by (type, key).
 *
 * A leaf has level 0; the items of a node of level l are its children, of level
 * l - 1: the value is the child's id (8 bytes), the key is no greater than any
 * key below that child, and greater than any key below the child before. It
 * starts as the key of the first item below; deleting that item may leave
 * it, inserting a smaller one lowers it. Only a root may have no items.
 */
#ifndef VFSR_FORMAT_NODE_H
#define VFSR_FORMAT_NODE_H

#include "format/types.h"

#define VFSR_NODE_MAGIC		0x4e534656u	/* "VFSN" */
#define VFSR_MAX_NODE_LEVEL	15
#define VFSR_MAX_ITEM_BYTES	1792u	/* of a value; two fit any node */

#define VFSR_CHILD_BYTES	8u	/* value of an item of level > 0 */

/* Types of items; the values are on disk and give the order. */
enum vfsr_item_type {
	VFSR_ITEM_INLINE	= 1,	/* key: byte offset in the file */
	VFSR_ITEM_EXTENT	= 2,	/* key: file offset / 4096 */
	VFSR_ITEM_XATTR		= 3,	/* key: name hash */
	VFSR_ITEM_DIRENT	= 4,	/* key: name hash, the readdir cookie */
	VFSR_ITEM_PARENT	= 5,	/* reserved: a further parent */
	VFSR_ITEM_VERITY	= 6,	/* reserved */
	VFSR_ITEM_CRYPT		= 7,	/* reserved */
	VFSR_NR_ITEM_TYPES
};

struct vfsr_disk_node {
	__le32	magic;		/* VFSR_NODE_MAGIC */
	__u8	level;		/* 0: leaf */
	__u8	flags;		/* zero */
	__le16	bytes;		/* used, head included */
	__le64	id;		/* its own */
	__le64	owner;		/* the inode's id; equals id in the root */
	__le16	nr_items;
	__le16	inode_bytes;	/* of the inode header; 0: not an inode */
	__le32	pad;
};
static_assert(sizeof(struct vfsr_disk_node) == 32, "node head is ABI");

struct vfsr_disk_item {
	__le64	key;
	__le16	bytes;		/* of the value */
	__u8	type;		/* enum vfsr_item_type */
	__u8	pad[5];
};
static_assert(sizeof(struct vfsr_disk_item) == 16, "item head is ABI");

/*
 * Inode header. `bytes` is the stored length, a multiple of 8 from 112 on;
 * what is not stored is zero.
 */
struct vfsr_disk_inode {
	__le16	bytes;
	__le16	mode;		/* type and permissions, as st_mode */
	__le32	flags;		/* VFSR_INODE_* */
	__le32	uid;
	__le32	gid;
	__le64	size;		/* bytes; of a directory: its entries */
	__le64	nlink;		/* of a directory: 2 + subdirectories */
	__le64	blocks;		/* 512-byte units of data in chunks: the sum
				 * over its extents that name a chunk of
				 * ceil(extent bytes / 512) */
	__le64	parent;		/* a directory that names it */
	__le64	mtime_sec;
	__le64	ctime_sec;
	__le64	atime_sec;
	__le64	btime_sec;
	__le32	mtime_nsec;
	__le32	ctime_nsec;
	__le32	atime_nsec;
	__le32	btime_nsec;
	__le64	change;		/* change counter */
	__le32	generation;
	struct vfsr_disk_policy policy;	/* k = 0: the pool's default */
	__le32	project;
	__u8	compress_alg;	/* property: 0 none set, 1 + enum vfsr_alg */
	__u8	compress_level;
	__u8	compress_keep;	/* percent, 0: default */
	__u8	pad0;
	__le32	rdev_major;
	__le32	rdev_minor;
	__u8	spare[64];
};
static_assert(sizeof(struct vfsr_disk_inode) == 192, "inode is ABI");
static_assert(offsetof(struct vfsr_disk_inode, change) == 96, "inode is ABI");
static_assert(offsetof(struct vfsr_disk_inode, spare) == 128, "inode is ABI");

/* What chattr(1) sets, in `flags`; others are kept and have no effect. */
#define VFSR_INODE_SYNC		0x01u	/* writes wait */
#define VFSR_INODE_IMMUTABLE	0x02u
#define VFSR_INODE_APPEND	0x04u	/* only grows */
#define VFSR_INODE_NODUMP	0x08u
#define VFSR_INODE_NOATIME	0x10u
#define VFSR_INODE_DIRSYNC	0x20u	/* changes of names wait */

#define VFSR_INODE_BYTES_MIN	112u
#define VFSR_INODE_BYTES_ALIGN	8u

/* File types, as DT_* of dirent.h; an inode's mode has them in bits 15..12. */
enum vfsr_file_type {
	VFSR_DT_FIFO	= 1,
	VFSR_DT_CHR	= 2,
	VFSR_DT_DIR	= 4,
	VFSR_DT_BLK	= 6,
	VFSR_DT_REG	= 8,
	VFSR_DT_LNK	= 10,
	VFSR_DT_SOCK	= 12,
};
#define VFSR_MODE_TYPE_SHIFT	12

#define VFSR_FILE_BYTES_MAX	((1ull << 63) - 1)
#define VFSR_NSEC_PER_SEC	1000000000u
#define VFSR_NAME_MAX		255u	/* of a file or attribute */

#define VFSR_EXTENT_PREALLOC	0x0001u	/* reserved: reads as zero */
#define VFSR_EXTENT_ENCRYPTED	0x0002u	/* reserved */

/*
 * A run of file data. It starts at a block; where it ends within one, the rest
 * of that block reads as zero. What no extent and no inline item covers is a
 * hole.
 */
struct vfsr_disk_extent {
	__le64	chunk;		/* id; 0 in states void and monolith */
	__le64	bytes;		/* length in the file */
	__le32	offset;		/* byte in the chunk's logical contents */
	__u8	state;		/* void, monolith, or raw for "see the map" */
	__u8	fill;		/* monolith: the byte */
	__le16	flags;		/* VFSR_EXTENT_* */
};
static_assert(sizeof(struct vfsr_disk_extent) == 24, "extent is ABI");

/* A name in a directory; the name's bytes follow, to the end of the item. */
struct vfsr_disk_dirent {
	__le64	ino;
	__u8	type;		/* DT_* of dirent.h */
	__u8	pad;
	__u8	name[];		/* 1..255 bytes */
};
#define VFSR_DIRENT_HEAD	10u
static_assert(offsetof(struct vfsr_disk_dirent, name) == VFSR_DIRENT_HEAD,
	      "dirent is ABI");

#define VFSR_XATTR_CHUNK	0x01u	/* the value is a chunk, named by id */
#define VFSR_XATTR_VALUE_MAX	65536u

/* An extended attribute; name ("user.x"), then value or chunk id follow. */
struct vfsr_disk_xattr {
	__le32	value_bytes;
	__u8	name_bytes;	/* 1..255, with its prefix */
	__u8	flags;		/* VFSR_XATTR_* */
	__u8	pad[2];
	__u8	name[];
};
#define VFSR_XATTR_HEAD		8u
static_assert(offsetof(struct vfsr_disk_xattr, name) == VFSR_XATTR_HEAD,
	      "xattr is ABI");

/*
 * Hash keys: the upper 48 bits of SipHash-2-4 of the name, under the pool's
 * hash key, and 15 bits that tell names with equal hashes apart (the lowest
 * free value when the name was inserted): hash48 << 15 | number. Bit 63 is
 * zero. Keys below 2 are moved to 2 (cookies 0 and 1 are "." and "..").
 */
#define VFSR_HASH_DISC_BITS	15
#define VFSR_HASH_KEY_MIN	2u

#endif
