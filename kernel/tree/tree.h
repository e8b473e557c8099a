/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trees: the cache of nodes, and the tree of one inode: header, directory
 * entries, attributes (through core/items.h), extents.
 *
 * Nodes are cached by id. A dirty node is pinned until the checkpoint that
 * stored it is durable; clean ones are given back by a shrinker. Dirtying a node
 * pins its map entry, so the checkpoint cannot fail for memory or reads.
 * tree->lock: read for lookups, write for changes; a change happens within a
 * transaction. Never hold two trees' locks. Contents of a node may be read
 * by holders of its tree's lock only (and by the checkpoint).
 */
#ifndef VFSR_TREE_TREE_H
#define VFSR_TREE_TREE_H

#include <linux/rwsem.h>

#include "core/items.h"
#include "log/log.h"

struct vfsr_trees;

/* The tree of one inode, embedded in the inode. */
struct vfsr_tree {
	struct vfsr_bt bt;		/* ops and ctx are the tree's own */
	struct rw_semaphore lock;
	struct vfsr_trees *trees;
	u64 ino;
};

/* --- life --- */

/* Sets log->ops and log->ops_ctx. `stopped` of the ops is forwarded to @stopped,
 * which may be NULL. */
int vfsr_trees_new(struct vfsr_log *log, void (*stopped)(void *ctx),
		   void *stopped_ctx, struct vfsr_trees **out);
void vfsr_trees_free(struct vfsr_trees *ts);

/* Dirty nodes now; a new attribute value counts as the nodes it would fill. */
unsigned long vfsr_trees_nr_dirty(const struct vfsr_trees *ts);

/* Prepare @t for inode @ino; no I/O. Repeatable. */
void vfsr_tree_init(struct vfsr_tree *t, struct vfsr_trees *ts, u64 ino);

/* --- inodes; tree->lock held (read: read, write: the others) --- */

/**
 * vfsr_tree_read_inode - header of the inode
 * @t: tree, lock held
 * @in: out
 *
 * Return: 0; -ENOENT if there is no such inode; -EUCLEAN, -EIO, reported.
 */
int vfsr_tree_read_inode(struct vfsr_tree *t, struct vfsr_inode *in);
/* Replace the header, in a transaction. */
int vfsr_tree_write_inode(struct vfsr_tree *t, const struct vfsr_inode *in);
/**
 * vfsr_tree_create - a new inode: its id and root node
 * @ts: trees
 * @in: header
 * @ino: 0: allocate an id; else this one (the orphan directory)
 * @t: initialised on success, not locked
 *
 * Return: 0 or errno. In a transaction.
 */
int vfsr_tree_create(struct vfsr_trees *ts, const struct vfsr_inode *in,
		     u64 ino, struct vfsr_tree *t);
/**
 * vfsr_tree_destroy - remove an inode for good
 * @t: tree, whose extents and attributes are gone (vfsr_tree_truncate(0),
 *     vfsr_tree_drop_xattrs()); lock held
 *
 * Frees the remaining nodes and the id. In a transaction.
 */
int vfsr_tree_destroy(struct vfsr_tree *t);

/* --- attributes whose value does not fit an item; lock held --- */

/* Value of an attribute into @buf (NULL or size 0: length only). Returns the
 * length, -ENODATA, -ERANGE, or an error. */
ssize_t vfsr_tree_xattr_get(struct vfsr_tree *t, const char *name, void *buf,
			    size_t size);
/* Set (flags XATTR_CREATE, XATTR_REPLACE as of setxattr(2)), or remove with a NULL
 * value. -EEXIST, -ENODATA. In a transaction. */
int vfsr_tree_xattr_set(struct vfsr_tree *t, const char *name,
			const void *value, size_t size, int flags);
/* Call @fn with every name (not terminated). */
int vfsr_tree_xattr_list(struct vfsr_tree *t,
			 int (*fn)(void *ctx, const char *name, u32 bytes),
			 void *ctx);
/* Remove some attributes (bounded work); 1 if there are more. In a transaction. */
int vfsr_tree_drop_xattrs(struct vfsr_tree *t);

/* --- names; lock held --- */

/* vfsr_dir_lookup(), _insert(), _delete() of the core with the pool's hash key. */
int vfsr_tree_dir_lookup(struct vfsr_tree *t, const u8 *name, u32 bytes,
			 u64 *ino, u8 *type);
int vfsr_tree_dir_insert(struct vfsr_tree *t, const u8 *name, u32 bytes,
			 u64 ino, u8 type);
int vfsr_tree_dir_delete(struct vfsr_tree *t, const u8 *name, u32 bytes);
/* Let an existing name point elsewhere. */
int vfsr_tree_dir_replace(struct vfsr_tree *t, const u8 *name, u32 bytes,
			  u64 ino, u8 type);
/* A batch of entries from cookie *@cookie on, packed into @buf as struct
 * vfsr_tree_dirent (8-byte aligned); *@cookie becomes where to go on.
 * Returns bytes used, 0 at the end, or errno. */
struct vfsr_tree_dirent {
	u64 cookie, ino;
	u8 type, name_bytes;
	u8 name[];
};
int vfsr_tree_dir_read(struct vfsr_tree *t, u64 *cookie, void *buf, u32 room);

/* --- file data; lock held --- */

/* What covers a byte of a file. */
enum vfsr_run_type {
	VFSR_RUN_HOLE,		/* zeroes: no extent, or one of state void */
	VFSR_RUN_FILL,		/* one byte repeated */
	VFSR_RUN_CHUNK,		/* bytes of a chunk */
	VFSR_RUN_INLINE,	/* bytes in the tree */
};

struct vfsr_run {
	u64 pos;	/* where the run starts: at or before the byte asked */
	u64 bytes;	/* its length; holes reach to the next extent or to
			 * 2^63 - 1 */
	u64 chunk;	/* CHUNK: id */
	u32 offset;	/* CHUNK: byte in the chunk of @pos; INLINE: 0 */
	u8 type;	/* enum vfsr_run_type */
	u8 fill;
	bool stored;	/* false for a hole without any item */
};

/* The run that covers byte @pos. An extent that ends within a block is followed by
 * a hole up to the next item. */
int vfsr_tree_run(struct vfsr_tree *t, u64 pos, struct vfsr_run *run);
/* Bytes of inline data from @pos on into @buf; returns how many. */
int vfsr_tree_inline_read(struct vfsr_tree *t, u64 pos, void *buf, u32 room);

/* What a change did to the inode's block count and the pool's logical bytes;
 * the latter is applied inside. */
struct vfsr_tree_delta {
	s64 blocks;	/* 512-byte units, as struct vfsr_disk_inode.blocks */
};

/**
 * vfsr_tree_extent_set - let a range of a file be this
 * @t: tree, lock held for write, in a transaction
 * @pos: first byte, multiple of 4096
 * @e: extent (bytes of it give the range); chunk ids: one reference of the
 *     chunk becomes the extent's. NULL: a hole
 * @bytes: length of the range, at most VFSR_CHUNK_BYTES (what is longer goes
 *	   in pieces, or is truncated away); for an extent equal to e->bytes. If it is no
 *	   multiple of 4096 the range removed reaches to the end of that block
 * @d: added to
 *
 * Removes or splits what was there (references of chunks follow), drops inline
 * data that the range touches (a range that starts at 0), merges with
 * neighbours of equal state without chunk. On an error (-ENOMEM, -EIO) before
 * anything changed the tree is as it was; half way the filesystem is
 * stopped by the callee.
 */
int vfsr_tree_extent_set(struct vfsr_tree *t, u64 pos,
			 const struct vfsr_extent *e, u64 bytes,
			 struct vfsr_tree_delta *d);
/* Replace everything in block 0 by inline data: up to VFSR_INLINE_MAX bytes of a
 * file, 4096 of a link's target. */
#define VFSR_INLINE_MAX	1024u
int vfsr_tree_inline_set(struct vfsr_tree *t, const void *data, u32 bytes,
			 struct vfsr_tree_delta *d);
/**
 * vfsr_tree_truncate - remove what lies at or behind a size
 * @t: tree, lock held for write, in a transaction
 * @size: new size; the extent that covers it is cut there
 * @d: added to
 *
 * Bounded work per call, from the end of the file downward. @d tells what was
 * done also if an error is returned: every step leaves the tree in order.
 *
 * Return: 0 done, 1 call again (in a new transaction), or an error.
 */
int vfsr_tree_truncate(struct vfsr_tree *t, u64 size,
		       struct vfsr_tree_delta *d);

/* --- orphans: inodes without a name that are still in use --- */

/* Enter or leave the on-disk list (directory VFSR_ORPHAN_INO; the name is the
 * ino in 16 hex digits; made at first use). Serialized inside; in a
 * transaction, holding no tree lock. */
int vfsr_orphan_add(struct vfsr_trees *ts, u64 ino, u8 type);
int vfsr_orphan_del(struct vfsr_trees *ts, u64 ino);
/* Call @fn with every orphan (mount, read-write); not in a transaction. */
int vfsr_orphans_each(struct vfsr_trees *ts, int (*fn)(void *ctx, u64 ino),
		      void *ctx);

#endif
