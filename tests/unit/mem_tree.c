// SPDX-License-Identifier: GPL-2.0-only
/*
 * See mem_tree.h. Linked into every unit test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "mem_tree.h"

u64 test_random(u64 *state)
{
	u64 z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static struct mem_node *node_of(struct mem_tree *m, u64 id)
{
	if (id < MEM_TREE_INO || id - MEM_TREE_INO >= MEM_TREE_NODES)
		return NULL;
	return &m->nodes[id - MEM_TREE_INO];
}

static bool fails(struct mem_tree *m)
{
	return m->fail_at >= 0 && m->fail_at-- == 0;
}

static void hold(struct mem_tree *m, struct mem_node *n)
{
	if (!n->held++ && m->check_writes) {
		n->before = malloc(VFSR_NODE_BYTES);
		assert_non_null(n->before);
		memcpy(n->before, n->buf, VFSR_NODE_BYTES);
		n->dirty = false;
	}
	m->held++;
}

static int mem_get(void *ctx, u64 id, u8 **node)
{
	struct mem_tree *m = ctx;
	struct mem_node *n = node_of(m, id);

	if (fails(m) || !n || !n->buf)
		return -EIO;
	if (!vfsr_node_ok(n->buf, vfsr_node_bytes(n->buf), id, m->bt.ino,
			  &m->bt.fault))
		return -EUCLEAN;
	hold(m, n);
	*node = n->buf;
	return 0;
}

static int mem_alloc(void *ctx, u64 *id, u8 **node)
{
	struct mem_tree *m = ctx;
	struct mem_node *n;

	if (fails(m))
		return -ENOSPC;
	*id = m->next_id++;
	n = node_of(m, *id);
	assert_non_null(n);
	assert_null(n->buf);
	n->buf = malloc(VFSR_NODE_BYTES);
	assert_non_null(n->buf);
	memset(n->buf, 0xa5, VFSR_NODE_BYTES);
	m->nr_nodes++;
	hold(m, n);
	*node = n->buf;
	return 0;
}

static int mem_dirty(void *ctx, u64 id, u8 *node)
{
	struct mem_tree *m = ctx;
	struct mem_node *n = node_of(m, id);

	assert_non_null(n);
	assert_ptr_equal(n->buf, node);
	assert_true(n->held > 0);
	if (fails(m))
		return -ENOMEM;
	n->dirty = true;
	return 0;
}

static void mem_put(void *ctx, u64 id, u8 *node)
{
	struct mem_tree *m = ctx;
	struct mem_node *n = node_of(m, id);

	assert_non_null(n);
	assert_ptr_equal(n->buf, node);
	assert_true(n->held > 0);
	m->held--;
	if (--n->held || !n->before)
		return;
	if (!n->dirty)
		assert_memory_equal(n->before, n->buf, VFSR_NODE_BYTES);
	free(n->before);
	n->before = NULL;
}

static void mem_free(void *ctx, u64 id)
{
	struct mem_tree *m = ctx;
	struct mem_node *n = node_of(m, id);

	assert_non_null(n);
	assert_non_null(n->buf);
	assert_int_equal(n->held, 0);
	assert_int_not_equal(id, m->bt.ino);
	free(n->buf);
	n->buf = NULL;
	m->nr_nodes--;
}

static const struct vfsr_bt_provider mem_ops = {
	.get = mem_get,
	.alloc = mem_alloc,
	.dirty = mem_dirty,
	.put = mem_put,
	.free = mem_free,
};

u8 *mem_tree_add(struct mem_tree *m, u64 id, unsigned int level)
{
	struct mem_node *n = node_of(m, id);

	assert_non_null(n);
	assert_null(n->buf);
	n->buf = malloc(VFSR_NODE_BYTES);
	assert_non_null(n->buf);
	vfsr_node_init(n->buf, id, m->bt.ino, level, NULL, 0);
	m->nr_nodes++;
	if (m->next_id <= id)
		m->next_id = id + 1;
	return n->buf;
}

void mem_tree_init(struct mem_tree *m, u32 inode_bytes)
{
	struct vfsr_disk_inode inode;
	struct mem_node *root;

	memset(m, 0, sizeof(*m));
	m->nodes = calloc(MEM_TREE_NODES, sizeof(*m->nodes));
	assert_non_null(m->nodes);
	m->fail_at = -1;
	m->bt.ops = &mem_ops;
	m->bt.ctx = m;
	m->bt.ino = MEM_TREE_INO;
	m->next_id = MEM_TREE_INO + 1;
	memset(&inode, 0x11, sizeof(inode));
	inode.bytes = cpu_to_le16((u16)inode_bytes);
	root = &m->nodes[0];
	root->buf = malloc(VFSR_NODE_BYTES);
	assert_non_null(root->buf);
	memset(root->buf, 0xa5, VFSR_NODE_BYTES);
	vfsr_node_init(root->buf, MEM_TREE_INO, MEM_TREE_INO, 0, &inode,
		       inode_bytes);
	m->nr_nodes = 1;
}

void mem_tree_release(struct mem_tree *m)
{
	unsigned int i;

	assert_int_equal(m->held, 0);
	for (i = 0; i < MEM_TREE_NODES; i++)
		free(m->nodes[i].buf);
	free(m->nodes);
}

u8 *mem_tree_node(struct mem_tree *m, u64 id)
{
	struct mem_node *n = node_of(m, id);

	return n ? n->buf : NULL;
}

struct census {
	u64 items, leaf_bytes;
	unsigned int nodes, leaves;
};

static int count_node(void *arg, u64 id, const u8 *node)
{
	struct census *c = arg;

	assert_true(vfsr_node_ok(node, vfsr_node_bytes(node), id, MEM_TREE_INO,
				 NULL));
	c->nodes++;
	if (!vfsr_node_level(node)) {
		c->leaves++;
		c->items += vfsr_node_nr_items(node);
		c->leaf_bytes += vfsr_node_bytes(node);
	}
	return 0;
}

u64 mem_tree_check(struct mem_tree *m)
{
	struct census c = { 0 };

	assert_int_equal(m->held, 0);
	assert_int_equal(vfsr_bt_walk(&m->bt, count_node, &c), 0);
	assert_int_equal(m->held, 0);
	assert_int_equal(c.nodes, m->nr_nodes);
	return c.items;
}

u64 mem_tree_leaf_bytes(struct mem_tree *m, unsigned int *nr_leaves)
{
	struct census c = { 0 };

	assert_int_equal(vfsr_bt_walk(&m->bt, count_node, &c), 0);
	*nr_leaves = c.leaves;
	return c.leaf_bytes;
}

u32 mem_tree_crc(struct mem_tree *m)
{
	u32 crc = 0;
	u64 id;

	for (id = MEM_TREE_INO; id < m->next_id; id++) {
		const u8 *buf = mem_tree_node(m, id);

		if (!buf)
			continue;
		crc = vfsr_port_crc32c(crc, &id, sizeof(id));
		crc = vfsr_port_crc32c(crc, buf, vfsr_node_bytes(buf));
	}
	return crc;
}
