// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tree layer as a whole: its start and end, and its part of a checkpoint.
 *
 * A checkpoint stores every dirty object while transactions are held off, so
 * nothing changes meanwhile; readers go on. What is stored is clean and can be
 * changed by the next transaction at once (the stripe has a copy), but stays in
 * memory until the record is durable. A node is checked before it is stored:
 * what our own code broke does not get to disk.
 */
#include <linux/list_sort.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "core/chunk.h"
#include "tree/tree_impl.h"

#define COMPRESS_MIN_BYTES	1024u	/* smaller nodes stay as they are */
#define COMPRESS_LEVEL		1
#define COMPRESS_KEEP		80
#define SCRATCH_MIN		8	/* operations side by side at least */

/* --- storing --- */

/* An inode's objects together and by id: neighbours in the entry table take few
 * bytes, and what is read together is stored together. */
static int by_owner(void *priv, const struct list_head *la,
		    const struct list_head *lb)
{
	const struct vfsr_meta *a = list_entry(la, struct vfsr_meta, link);
	const struct vfsr_meta *b = list_entry(lb, struct vfsr_meta, link);

	if (a->owner != b->owner)
		return a->owner > b->owner;
	return a->id > b->id;
}

/* Bytes of an object to store; 0 if it is a node that must not be. */
static u32 object_bytes(struct vfsr_trees *ts, const struct vfsr_meta *m)
{
	struct vfsr_where at = { .dev = -1, .ino = m->owner };
	struct vfsr_fault f = { 0 };

	if (m->kind == VFSR_KIND_XATTR)
		return m->bytes;
	if (vfsr_node_ok(m->buf, vfsr_node_bytes(m->buf), m->id, m->owner, &f))
		return vfsr_node_bytes(m->buf);
	WARN_ONCE(1, "vfsr: a node in memory is broken");
	vfsr_report(ts->log->pool->name, &at, &f);
	return 0;
}

static int object_store(struct vfsr_trees *ts, struct vfsr_meta *m)
{
	static const struct vfsr_route_opts opts = {
		.alg = VFSR_ALG_ZLIB,
		.level = COMPRESS_LEVEL,
		.keep = COMPRESS_KEEP,
		.probe = true,
	};
	u32 bytes = object_bytes(ts, m);
	struct vfsr_chunk c = {
		.id = m->id,
		.owner = m->owner,
		.stored = bytes,
		.logical = bytes,
		.state = VFSR_STATE_RAW,
		.kind = m->kind,
	};
	const void *data = m->buf;
	struct vfsr_routed r;

	if (!bytes)
		return -EUCLEAN;
	if (bytes >= COMPRESS_MIN_BYTES) {
		vfsr_chunk_route(&opts, ts->deflate_ws, m->buf, bytes,
				 ts->deflate_out, &r);
		/* the other states are for file data */
		if (r.state == VFSR_STATE_COMPRESSED) {
			c.state = r.state;
			c.alg = r.alg;
			c.stored = r.stored;
			data = r.data;
		}
	}
	c.crc = vfsr_port_crc32c(0, data, c.stored);
	return vfsr_stream_add(ts->log, VFSR_STREAM_META, &c, data, NULL);
}

/**
 * vfsr_nodes_write - store everything dirty
 * @ts: trees
 *
 * In a checkpoint: nobody adds to the dirty list or frees what is on it, so the
 * first object stays valid without a lock.
 *
 * Return: 0, or the error of storing (the rest stays dirty).
 */
int vfsr_nodes_write(struct vfsr_trees *ts)
{
	unsigned int nofs = memalloc_nofs_save();
	struct vfsr_meta *m;
	int rc = 0;

	list_sort(NULL, &ts->dirty, by_owner);
	while (!rc && !list_empty(&ts->dirty)) {
		m = list_first_entry(&ts->dirty, struct vfsr_meta, link);
		rc = object_store(ts, m);
		if (!rc)
			vfsr_meta_stored(ts, m, ts->log->transaction);
		cond_resched();
	}
	memalloc_nofs_restore(nofs);
	return rc;
}

/* --- what the log asks --- */

static int ops_write_nodes(void *ctx)
{
	return vfsr_nodes_write(ctx);
}

static bool ops_is_dirty(void *ctx)
{
	return vfsr_trees_nr_dirty(ctx) != 0;
}

static unsigned long ops_nr_dirty(void *ctx)
{
	return vfsr_trees_nr_dirty(ctx);
}

static void ops_durable(void *ctx, u64 transaction)
{
	vfsr_meta_durable(ctx, transaction);
}

static void ops_stopped(void *ctx)
{
	struct vfsr_trees *ts = ctx;

	if (ts->stopped)
		ts->stopped(ts->stopped_ctx);
}

static const struct vfsr_log_ops trees_ops = {
	.write_nodes = ops_write_nodes,
	.is_dirty = ops_is_dirty,
	.nr_dirty = ops_nr_dirty,
	.durable = ops_durable,
	.stopped = ops_stopped,
};

/* --- life --- */

/**
 * vfsr_trees_nr_dirty - how much the next checkpoint has to store
 * @ts: trees
 *
 * Return: dirty nodes; a new attribute value counts as the nodes that its bytes
 * would fill. Any context.
 */
unsigned long vfsr_trees_nr_dirty(const struct vfsr_trees *ts)
{
	return READ_ONCE(ts->nr_dirty);
}

/**
 * vfsr_trees_new - start the tree layer on a log
 * @log: log, in which nothing runs yet; its ops are set
 * @stopped: called when the filesystem stops, may be NULL
 * @stopped_ctx: for @stopped
 * @out: trees
 *
 * Return: 0 or -ENOMEM.
 */
int vfsr_trees_new(struct vfsr_log *log, void (*stopped)(void *ctx),
		   void *stopped_ctx, struct vfsr_trees **out)
{
	struct vfsr_trees *ts = kzalloc(sizeof(*ts), GFP_KERNEL);
	int rc = -ENOMEM;

	if (!ts)
		return rc;
	ts->log = log;
	ts->stopped = stopped;
	ts->stopped_ctx = stopped_ctx;
	memcpy(ts->hash_key, log->pool->super->hash_key, sizeof(ts->hash_key));
	vfsr_tree_init(&ts->orphans, ts, VFSR_ORPHAN_INO);
	ts->scratch = mempool_create_kmalloc_pool(
		SCRATCH_MIN, sizeof(struct vfsr_tree_scratch));
	/* zeroed, as the compressor wants it before its first use */
	ts->deflate_ws = kvzalloc(vfsr_port_deflate_ws_bytes(), GFP_KERNEL);
	ts->deflate_out = kvmalloc(VFSR_XATTR_VALUE_MAX, GFP_KERNEL);
	if (ts->scratch && ts->deflate_ws && ts->deflate_out)
		rc = vfsr_meta_cache_init(ts);
	if (rc) {
		vfsr_trees_free(ts);
		return rc;
	}
	log->ops = &trees_ops;
	log->ops_ctx = ts;
	*out = ts;
	return 0;
}

/**
 * vfsr_trees_free - end the tree layer
 * @ts: trees, or NULL
 *
 * After vfsr_log_set_ro() or a stop, when no checkpoint runs and none will, and
 * no tree is in use. What is dirty (after a stop) is forgotten.
 */
void vfsr_trees_free(struct vfsr_trees *ts)
{
	if (!ts)
		return;
	WARN_ON_ONCE(vfsr_trees_nr_dirty(ts) && !vfsr_log_error(ts->log));
	vfsr_meta_cache_exit(ts);
	kvfree(ts->deflate_out);
	kvfree(ts->deflate_ws);
	mempool_destroy(ts->scratch);
	kfree(ts);
}
