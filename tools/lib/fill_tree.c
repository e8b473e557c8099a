// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bulk load of trees, and the batches in which their nodes are compressed.
 *
 * Items come in ascending order, so every node is written as soon as it is
 * full, and one open node per level is all that is kept. Most inodes never
 * need more than their root. What results is what vfsr_bt_walk() checks: every
 * node but those at the right edge is full.
 */
#include <stdlib.h>

#include "lib/fill_priv.h"

static struct vfsr_disk_node *head_of(u8 *node)
{
	return (struct vfsr_disk_node *)node;
}

void fill_tree_begin(struct fill_tree *t, u64 ino, const struct vfsr_inode *in)
{
	struct vfsr_disk_inode disk;
	u32 bytes = vfsr_inode_encode(in, &disk);

	t->ino = ino;
	t->nr_levels = 0;
	vfsr_node_init(t->root, ino, ino, 0, &disk, bytes);
}

void fill_tree_release(struct fill_tree *t)
{
	while (t->nr_levels)
		free(t->level[--t->nr_levels]);
}

/* Append all items of @src to @dst, which has the room. */
static int copy_items(u8 *dst, const u8 *src)
{
	unsigned int i, nr = vfsr_node_nr_items(src);
	struct vfsr_item item;
	int err = 0;

	for (i = 0; i < nr && !err; i++) {
		vfsr_node_item(src, i, &item);
		err = vfsr_node_append(dst, item.key, item.value, item.bytes);
	}
	return err;
}

/* Start one more level. */
static int grow(struct fill_tree *t)
{
	u8 *node;

	if (t->nr_levels == VFSR_BT_MAX_DEPTH - 1)
		return -EFBIG;
	node = aligned_alloc(sizeof(u64), VFSR_NODE_BYTES);
	if (!node)
		return -ENOMEM;
	vfsr_node_init(node, 0, t->ino, t->nr_levels, NULL, 0);
	t->level[t->nr_levels++] = node;
	return 0;
}

/* Write the open node of a level; out: its key and id, for the level above. */
static void write_node(struct fill *f, struct fill_tree *t, unsigned int l,
		       struct vfsr_key *key, __le64 *id)
{
	u8 *node = t->level[l];
	struct vfsr_item first;

	*id = cpu_to_le64(vfsr_writer_new_id(f->w));
	head_of(node)->id = *id;
	vfsr_node_item(node, 0, &first);
	*key = first.key;
	fill_node_add(f, VFSR_KIND_NODE, le64_to_cpu(*id), t->ino, node);
	vfsr_node_init(node, 0, t->ino, l, NULL, 0);
}

/* Append to the open node of level @l, and what follows from it above. */
static int push(struct fill *f, struct fill_tree *t, unsigned int l,
		struct vfsr_key key, const void *value, u32 bytes)
{
	struct vfsr_key first;
	__le64 id, child;
	int err;

	for (;; l++) {
		if (l == t->nr_levels) {
			err = grow(t);
			if (err)
				return err;
		}
		err = vfsr_node_append(t->level[l], key, value, bytes);
		if (err != -ENOSPC)
			return err;
		write_node(f, t, l, &first, &id);
		err = vfsr_node_append(t->level[l], key, value, bytes);
		if (err)
			return err;
		key = first;
		child = id;
		value = &child;
		bytes = sizeof(child);
	}
}

void fill_tree_append(struct fill *f, struct fill_tree *t, struct vfsr_key key,
		      const void *value, u32 bytes)
{
	int err = f->err;

	if (err)
		return;
	if (!t->nr_levels) {
		err = vfsr_node_append(t->root, key, value, bytes);
		if (!err)
			return;
		if (err == -ENOSPC)
			err = grow(t);
		if (!err)
			err = copy_items(t->level[0], t->root);
	}
	if (!err)
		err = push(f, t, 0, key, value, bytes);
	if (err)
		fill_fail(f, err);
}

/* Bytes that the items of a node without inode header would take in a root. */
static bool fits_root(const u8 *node, u32 inode_bytes)
{
	return vfsr_node_bytes(node) + inode_bytes <= VFSR_NODE_BYTES;
}

static int close_levels(struct fill *f, struct fill_tree *t, u32 inode_bytes)
{
	unsigned int l;
	struct vfsr_key key;
	__le64 id;
	int err = 0;

	for (l = 0; l < t->nr_levels && !err; l++) {
		if (l == t->nr_levels - 1 &&
		    fits_root(t->level[l], inode_bytes))
			break;
		write_node(f, t, l, &key, &id);
		err = push(f, t, l + 1, key, &id, sizeof(id));
	}
	return err;
}

void fill_tree_finish(struct fill *f, struct fill_tree *t,
		      const struct vfsr_inode *in)
{
	struct vfsr_disk_inode disk;
	u32 bytes = vfsr_inode_encode(in, &disk);
	unsigned int top;
	int err = f->err;

	if (err)
		return;
	if (!t->nr_levels) {
		err = vfsr_node_set_inode(t->root, &disk, bytes);
	} else {
		err = close_levels(f, t, bytes);
		top = t->nr_levels - 1;
		if (!err) {
			vfsr_node_init(t->root, t->ino, t->ino, top, &disk,
				       bytes);
			err = copy_items(t->root, t->level[top]);
		}
		fill_tree_release(t);
	}
	if (err)
		fill_fail(f, err);
}

/* --- batches --- */

void fill_node_add(struct fill *f, u8 kind, u64 id, u64 owner, const u8 *node)
{
	u32 bytes = vfsr_node_bytes(node);
	struct fill_job *job;
	struct fill_node *n;

	if (f->err)
		return;
	/* submitting may complete files, whose nodes start a new batch */
	while ((job = f->batch) && (job->nr_nodes == FILL_BATCH_NODES ||
				    job->bytes + bytes > VFSR_CHUNK_BYTES))
		fill_node_flush(f);
	if (!job) {
		job = fill_job_get(f, FILL_JOB_NODES);
		f->batch = job;
		if (!job)
			return;
	}
	n = &job->node[job->nr_nodes++];
	n->id = id;
	n->owner = owner;
	n->kind = kind;
	n->at = job->bytes;
	n->bytes = (u16)bytes;
	memcpy(job->in + job->bytes, node, bytes);
	job->bytes += bytes;
	f->nr_inodes += kind == VFSR_KIND_INODE;
}

void fill_node_flush(struct fill *f)
{
	struct fill_job *job = f->batch;

	if (!job)
		return;
	f->batch = NULL;
	fill_submit(f, job);
}

void fill_nodes_retire(struct fill *f, struct fill_job *job)
{
	u32 i;
	int err = f->err;

	for (i = 0; i < job->nr_nodes && !err; i++) {
		const struct fill_node *n = &job->node[i];
		struct vfsr_chunk c = {
			.id = n->id,
			.owner = n->owner,
			.stored = n->stored,
			.logical = n->bytes,
			.crc = n->crc,
			.refs = 1,
			.state = n->state,
			.alg = n->alg,
			.kind = n->kind,
		};
		const u8 *from = n->state == VFSR_STATE_RAW ? job->in :
							      job->out;

		err = vfsr_writer_add(f->w, VFSR_USE_META, &c, from + n->at);
	}
	if (err)
		fill_fail(f, err);
	fill_job_put(f, job);
}
