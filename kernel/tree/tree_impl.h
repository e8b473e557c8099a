/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the tree layer share: metadata objects in the cache, and
 * the frame of an operation on one tree.
 *
 * A metadata object is a node (a page) or an attribute value that has a chunk
 * of its own. It is found by id (xarray, RCU) and held by reference; the cache
 * holds one, the dirty and the flight list another. It is on one list at most:
 * LRU (clean, given back by the shrinker unless somebody holds it), dirty, or
 * flight (stored by a transaction whose record is not yet durable).
 *
 * Locks: ts->lock guards the dirty and flight lists and the moves from and to
 * them; inside of it a shard's lock guards its LRU; inside of that is the
 * xarray's. None is held while anything is allocated or read.
 */
#ifndef VFSR_TREE_TREE_IMPL_H
#define VFSR_TREE_TREE_IMPL_H

#include <linux/mempool.h>
#include <linux/refcount.h>
#include <linux/shrinker.h>
#include <linux/spinlock.h>
#include <linux/xarray.h>

#include "tree/tree.h"

static_assert(sizeof(unsigned long) == sizeof(u64), "ids index xarrays");

/* --- metadata objects --- */

enum vfsr_meta_list {
	VFSR_META_NONE,		/* new, being read, or no longer in use */
	VFSR_META_LRU,
	VFSR_META_DIRTY,
	VFSR_META_FLIGHT,
};

/* Bits of vfsr_meta.flags */
#define VFSR_META_READING	0	/* its reader will clear it and wake */
#define VFSR_META_UPTODATE	1	/* contents may be used */
#define VFSR_META_USED		2	/* since the last scan */

struct vfsr_meta {
	u64 id;			/* constant, as are the next four */
	u64 owner;		/* inode; equals id in a root */
	u8 *buf;		/* contents; guarded by the tree's lock */
	u32 bytes;		/* of buf: a page for nodes, or the value's */
	u8 kind;		/* enum vfsr_kind: INODE, NODE, XATTR */
	u8 list;		/* enum vfsr_meta_list; ts->lock, shard lock */
	unsigned long flags;	/* VFSR_META_*, atomic bits */
	refcount_t refs;	/* the cache's, a list's, and users' */
	int error;		/* of reading; valid once READING is clear */
	u64 transaction;	/* FLIGHT: that stored it; ts->lock */
	struct list_head link;	/* of `list` */
	struct rcu_head rcu;
};

#define VFSR_META_SHARDS	16u

/* A part of the LRU. */
struct vfsr_meta_shard {
	spinlock_t lock;
	struct list_head lru;	/* oldest first */
	unsigned long nr;
} ____cacheline_aligned_in_smp;

struct vfsr_tree_scratch;

struct vfsr_trees {
	struct vfsr_log *log;
	u8 hash_key[16];	/* the pool's, constant */
	struct xarray metas;	/* id -> vfsr_meta */
	struct vfsr_wait reading;	/* for one that is being read */
	struct vfsr_meta_shard shard[VFSR_META_SHARDS];
	struct shrinker *shrinker;
	atomic_t next_shard;	/* where the shrinker goes on */
	spinlock_t lock;
	struct list_head dirty;	/* guarded by lock */
	struct list_head flight; /* by transaction, guarded by lock */
	unsigned long nr_dirty;	/* nodes' worth on `dirty`; lock */
	mempool_t *scratch;	/* struct vfsr_tree_scratch */
	/* used by a checkpoint only, so by one thread at a time */
	void *deflate_ws;
	u8 *deflate_out;	/* VFSR_XATTR_VALUE_MAX bytes */
	struct vfsr_tree orphans; /* tree of VFSR_ORPHAN_INO; may not exist */
	void (*stopped)(void *ctx);
	void *stopped_ctx;
};

/* --- the cache: nodecache.c --- */

int vfsr_meta_cache_init(struct vfsr_trees *ts);
/* Frees all objects, whatever their state; nobody uses any. */
void vfsr_meta_cache_exit(struct vfsr_trees *ts);

/**
 * vfsr_meta_get - find or read a node
 * @ts: trees
 * @id: of the node
 * @owner: inode whose tree it belongs to
 * @out: the node, held
 *
 * Return: 0; -ENOENT if @id is free or no node of this kind, not reported;
 * -EUCLEAN, -EIO, reported; -ENOMEM.
 */
int vfsr_meta_get(struct vfsr_trees *ts, u64 id, u64 owner,
		  struct vfsr_meta **out);
/* What the cache has under an id, held; it may be still being read. NULL: nothing. */
struct vfsr_meta *vfsr_meta_find(struct vfsr_trees *ts, u64 id);
/* A new object under an id just allocated, held, on no list, contents undefined;
 * 0, -ENOMEM, -EUCLEAN. */
int vfsr_meta_new(struct vfsr_trees *ts, u64 id, u64 owner, u8 kind, u32 bytes,
		  struct vfsr_meta **out);
void vfsr_meta_put(struct vfsr_meta *m);
/* Announce a change of a held object, in a transaction. 0 or the map's error. */
int vfsr_meta_dirty(struct vfsr_trees *ts, struct vfsr_meta *m);
/* Forget what the cache has under an id and free the id, in a transaction. If it was
 * not announced as dirty the map may refuse: then the filesystem stops. */
void vfsr_meta_drop(struct vfsr_trees *ts, u64 id);
/* The object was stored by @transaction. */
void vfsr_meta_stored(struct vfsr_trees *ts, struct vfsr_meta *m,
		      u64 transaction);
/* The record of @transaction is durable: nothing up to it needs to be kept. */
void vfsr_meta_durable(struct vfsr_trees *ts, u64 transaction);
/* Is an id a chunk of this kind with a place? What the cache has not is on
 * disk, so an id without a place is none. 0, -ENOENT, or an error. */
int vfsr_meta_placed(struct vfsr_trees *ts, u64 id, u8 kind);

/* Nodes' worth of an object. */
static inline unsigned long vfsr_meta_units(const struct vfsr_meta *m)
{
	return DIV_ROUND_UP(m->bytes, VFSR_NODE_BYTES);
}

/* --- storing: nodewrite.c --- */

int vfsr_nodes_write(struct vfsr_trees *ts);

/* --- operations --- */

extern const struct vfsr_bt_provider vfsr_tree_provider;

/*
 * The core's view of a tree for one operation: a copy, so that readers side by side
 * have a fault each. vfsr_tree_result() reports what the core found.
 */
static inline struct vfsr_bt vfsr_tree_bt(const struct vfsr_tree *t)
{
	return t->bt;
}

/* Report the core's fault, if it is the reason for @rc. Returns @rc. */
int vfsr_tree_result(struct vfsr_tree *t, struct vfsr_bt *bt, int rc);
/* Report @reason about the tree's inode. Returns -EUCLEAN. */
int vfsr_tree_bad(struct vfsr_tree *t, enum vfsr_reason reason, u64 have,
		  u64 want);
/* The next two: vfsr_tree_read_inode(), vfsr_tree_create() without locks. */
int vfsr_tree_header(struct vfsr_tree *t, struct vfsr_inode *in);
int vfsr_tree_new_root(struct vfsr_trees *ts, const struct vfsr_inode *in,
		       u64 *ino);
/* Is the inode a regular file, whose bytes count as the pool's? 1, 0, error. */
int vfsr_tree_is_file(struct vfsr_tree *t);

/* An extent item. */
struct vfsr_ext {
	u64 block;		/* its key */
	struct vfsr_extent e;
};

/* Items of at most 128 KiB of a file, and a neighbour on either side */
#define VFSR_EXT_OLD		(VFSR_CHUNK_BYTES / VFSR_SECTOR_BYTES + 2)
#define VFSR_EXT_NEW		4	/* head, new, tail, neighbour */
#define VFSR_INLINE_ITEMS	64	/* of one file; writers make 1..4 */

/* Working memory of one operation, too large for the stack. An operation takes
 * one at most, so that taking it cannot fail. */
struct vfsr_tree_scratch {
	u8 value[VFSR_MAX_ITEM_BYTES];
	struct vfsr_ext old[VFSR_EXT_OLD];
	struct vfsr_ext new[VFSR_EXT_NEW];
	u64 inline_key[VFSR_INLINE_ITEMS];
	u8 parts[VFSR_EXT_OLD];	/* items that an old one lives on in */
	unsigned int nr_old, nr_new, nr_inline;
	u64 inline_bytes;
	bool changed;		/* the tree is no longer what it was */
};

static inline struct vfsr_tree_scratch *vfsr_scratch_get(struct vfsr_trees *ts)
{
	return mempool_alloc(ts->scratch, GFP_NOFS);
}

static inline void vfsr_scratch_put(struct vfsr_trees *ts,
				    struct vfsr_tree_scratch *s)
{
	mempool_free(s, ts->scratch);
}

static inline struct vfsr_key vfsr_tree_key(u8 type, u64 key)
{
	return (struct vfsr_key){ .type = type, .key = key };
}

#endif
