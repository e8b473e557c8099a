// SPDX-License-Identifier: GPL-2.0-only
/*
 * Single nodes: the bytes of one, append and access, the inode header, and each
 * malformed field refused with its reason.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "mem_tree.h"

#define ID	0x1234
#define OWNER	0x20

/* a line is what belongs together */
/* clang-format off */

/* A leaf of two items, and an interior node of one, byte for byte */
static const u8 golden_leaf[] = {
	0x56, 0x46, 0x53, 0x4e,			/* magic "VFSN" */
	0x00, 0x00,				/* level, flags */
	0x47, 0x00,				/* bytes: 71 */
	0x34, 0x12, 0, 0, 0, 0, 0, 0,		/* id */
	0x20, 0, 0, 0, 0, 0, 0, 0,		/* owner */
	0x02, 0x00, 0x00, 0x00, 0, 0, 0, 0,	/* items, inode bytes, pad */
	/* item heads: key, bytes, type, pad */
	0x05, 0, 0, 0, 0, 0, 0, 0, 0x03, 0x00, 0x01, 0, 0, 0, 0, 0,
	0x01, 0, 0, 0, 0, 0, 0, 0x40, 0x04, 0x00, 0x04, 0, 0, 0, 0, 0,
	'a', 'b', 'c', 'w', 'x', 'y', 'z',
};

static const u8 golden_interior[] = {
	0x56, 0x46, 0x53, 0x4e,			/* magic "VFSN" */
	0x01, 0x00,				/* level, flags */
	0x38, 0x00,				/* bytes: 56 */
	0x34, 0x12, 0, 0, 0, 0, 0, 0,		/* id */
	0x20, 0, 0, 0, 0, 0, 0, 0,		/* owner */
	0x01, 0x00, 0x00, 0x00, 0, 0, 0, 0,	/* items, inode bytes, pad */
	0x07, 0, 0, 0, 0, 0, 0, 0, 0x08, 0x00, 0x02, 0, 0, 0, 0, 0,
	0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x00,	/* child */
};

/* clang-format on */

static u8 *new_node(void)
{
	u8 *node = malloc(VFSR_NODE_BYTES);

	assert_non_null(node);
	memset(node, 0xa5, VFSR_NODE_BYTES);
	return node;
}

static void test_golden(void **state)
{
	struct vfsr_key inline_key = { VFSR_ITEM_INLINE, 5 };
	struct vfsr_key dirent_key = { VFSR_ITEM_DIRENT, 0x4000000000000001 };
	struct vfsr_key extent_key = { VFSR_ITEM_EXTENT, 7 };
	__le64 child = cpu_to_le64(0x0002030405060708);
	struct vfsr_item item;
	u8 *node = new_node();

	(void)state;
	vfsr_node_init(node, ID, OWNER, 0, NULL, 0);
	assert_int_equal(vfsr_node_append(node, inline_key, "abc", 3), 0);
	assert_int_equal(vfsr_node_append(node, dirent_key, "wxyz", 4), 0);
	assert_int_equal(vfsr_node_bytes(node), sizeof(golden_leaf));
	assert_memory_equal(node, golden_leaf, sizeof(golden_leaf));
	assert_true(vfsr_node_ok(node, sizeof(golden_leaf), ID, OWNER, NULL));
	assert_true(vfsr_node_ok(node, sizeof(golden_leaf), ID, 0, NULL));
	vfsr_node_item(node, 1, &item);
	assert_int_equal(vfsr_key_cmp(item.key, dirent_key), 0);
	assert_int_equal(item.bytes, 4);
	assert_memory_equal(item.value, "wxyz", 4);

	vfsr_node_init(node, ID, OWNER, 1, NULL, 0);
	assert_int_equal(vfsr_node_append(node, extent_key, &child, 8), 0);
	assert_memory_equal(node, golden_interior, sizeof(golden_interior));
	assert_true(
		vfsr_node_ok(node, sizeof(golden_interior), ID, OWNER, NULL));
	assert_true(vfsr_node_child(node, 0) == 0x0002030405060708);
	assert_int_equal(vfsr_node_level(node), 1);
	assert_int_equal(vfsr_node_nr_items(node), 1);
	free(node);
}

static void test_append(void **state)
{
	u8 *node = new_node(), value[VFSR_MAX_ITEM_BYTES + 1] = { 0 };
	struct vfsr_key key = { VFSR_ITEM_XATTR, 10 };
	u32 size;

	(void)state;
	vfsr_node_init(node, ID, OWNER, 0, NULL, 0);
	assert_null(vfsr_node_inode(node, &size));
	assert_int_equal(size, 0);
	assert_int_equal(vfsr_node_append(node, key, value, sizeof(value)),
			 -E2BIG);
	assert_int_equal(vfsr_node_append(node, key, value, 1792), 0);
	assert_int_equal(vfsr_node_append(node, key, value, 1), -EINVAL);
	key.type = VFSR_ITEM_EXTENT;
	assert_int_equal(vfsr_node_append(node, key, value, 1), -EINVAL);
	key.type = VFSR_ITEM_XATTR;
	key.key = 11;
	assert_int_equal(vfsr_node_append(node, key, value, 1792), 0);
	/* 4096 - 32 - 2 * 1808 = 448 are left */
	key.key = 12;
	assert_int_equal(vfsr_node_append(node, key, value, 433), -ENOSPC);
	assert_int_equal(vfsr_node_append(node, key, value, 432), 0);
	assert_int_equal(vfsr_node_bytes(node), VFSR_NODE_BYTES);
	key.key = 13;
	assert_int_equal(vfsr_node_append(node, key, value, 0), -ENOSPC);
	assert_true(vfsr_node_ok(node, VFSR_NODE_BYTES, ID, OWNER, NULL));
	free(node);
}

static void test_inode_header(void **state)
{
	struct vfsr_disk_inode inode;
	struct vfsr_key key = { VFSR_ITEM_INLINE, 0 };
	u8 *node = new_node(), value[1700];
	u32 size;

	(void)state;
	memset(value, 7, sizeof(value));
	memset(&inode, 0x33, sizeof(inode));
	inode.bytes = cpu_to_le16(VFSR_INODE_BYTES_MIN);
	vfsr_node_init(node, OWNER, OWNER, 0, &inode, VFSR_INODE_BYTES_MIN);
	assert_true(vfsr_node_ok(node, 32 + 112, OWNER, OWNER, NULL));
	assert_int_equal(vfsr_node_append(node, key, value, 1700), 0);
	key.key = 1700;
	assert_int_equal(vfsr_node_append(node, key, value, 1700), 0);
	inode.bytes = cpu_to_le16(sizeof(inode));
	assert_int_equal(vfsr_node_set_inode(node, &inode, sizeof(inode)), 0);
	assert_memory_equal(vfsr_node_inode(node, &size), &inode,
			    sizeof(inode));
	assert_int_equal(size, sizeof(inode));
	assert_true(
		vfsr_node_ok(node, vfsr_node_bytes(node), OWNER, OWNER, NULL));
	inode.bytes = cpu_to_le16(120);
	assert_int_equal(vfsr_node_set_inode(node, &inode, 120), 0);
	key.key = 3400;
	assert_int_equal(vfsr_node_append(node, key, value, 440), 0);
	inode.bytes = cpu_to_le16(184);
	assert_int_equal(vfsr_node_set_inode(node, &inode, 184), -ENOSPC);
	assert_int_equal(vfsr_node_set_inode(node, &inode, 104), -EINVAL);
	assert_int_equal(vfsr_node_set_inode(node, &inode, 200), -EINVAL);
	assert_int_equal(vfsr_node_set_inode(node, &inode, 116), -EINVAL);
	assert_true(
		vfsr_node_ok(node, vfsr_node_bytes(node), OWNER, OWNER, NULL));
	free(node);
}

struct bad_case {
	const char *name;
	unsigned int at;	/* byte of golden_leaf */
	u8 to;
	enum vfsr_reason reason;
};

static const struct bad_case bad_cases[] = {
	{ "magic", 0, 0x57, VFSR_REASON_MAGIC },
	{ "level 16", 4, 16, VFSR_REASON_SIZE },
	{ "a leaf as interior", 4, 1, VFSR_REASON_SIZE },
	{ "flags", 5, 1, VFSR_REASON_PADDING },
	{ "bytes", 6, 0x48, VFSR_REASON_SIZE },
	{ "id", 8, 0x35, VFSR_REASON_SELF },
	{ "owner", 16, 0x21, VFSR_REASON_SELF },
	{ "more items", 24, 3, VFSR_REASON_SIZE },
	{ "fewer items", 24, 1, VFSR_REASON_SIZE },
	{ "no items", 24, 0, VFSR_REASON_SIZE },
	{ "items beyond the end", 25, 0xff, VFSR_REASON_SIZE },
	{ "inode header outside of a root", 26, 112, VFSR_REASON_INODE },
	{ "head padding", 31, 1, VFSR_REASON_PADDING },
	{ "first length", 32 + 8, 4, VFSR_REASON_SIZE },
	{ "length out of bounds", 32 + 9, 7, VFSR_REASON_SIZE },
	{ "huge length", 48 + 9, 0xff, VFSR_REASON_SIZE },
	{ "item type 0", 32 + 10, 0, VFSR_REASON_ITEM },
	{ "item type 8", 48 + 10, 8, VFSR_REASON_ITEM },
	{ "item padding", 48 + 15, 1, VFSR_REASON_PADDING },
	{ "order of types", 32 + 10, 5, VFSR_REASON_ORDER },
};

static void test_refused(void **state)
{
	u8 *node = new_node();
	struct vfsr_fault f;
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad_cases); i++) {
		const struct bad_case *c = &bad_cases[i];

		print_message("%s\n", c->name);
		memcpy(node, golden_leaf, sizeof(golden_leaf));
		node[c->at] = c->to;
		assert_false(
			vfsr_node_ok(node, sizeof(golden_leaf), ID, OWNER, &f));
		assert_int_equal(f.reason, c->reason);
		assert_false(vfsr_node_ok(node, sizeof(golden_leaf), ID, OWNER,
					  NULL));
	}
	/* equal keys */
	memcpy(node, golden_leaf, sizeof(golden_leaf));
	memcpy(node + 48, node + 32, 8);
	node[48 + 10] = VFSR_ITEM_INLINE;
	assert_false(vfsr_node_ok(node, sizeof(golden_leaf), ID, OWNER, &f));
	assert_int_equal(f.reason, VFSR_REASON_ORDER);
	assert_int_equal(f.where, 1);
	/* children */
	memcpy(node, golden_interior, sizeof(golden_interior));
	memset(node + 48, 0, 8);
	assert_false(vfsr_node_ok(node, 56, ID, OWNER, &f));
	assert_int_equal(f.reason, VFSR_REASON_ITEM);
	memcpy(node + 48, node + 8, 8);
	assert_false(vfsr_node_ok(node, 56, ID, OWNER, &f));
	assert_int_equal(f.reason, VFSR_REASON_ITEM);
	node[55] = 1;
	assert_false(vfsr_node_ok(node, 56, ID, OWNER, &f));
	assert_int_equal(f.reason, VFSR_REASON_ITEM);
	free(node);
}

static void test_refused_root(void **state)
{
	struct vfsr_disk_inode inode = { .bytes = cpu_to_le16(120) };
	u8 *node = new_node();
	struct vfsr_disk_node *head = (struct vfsr_disk_node *)node;
	struct vfsr_fault f;

	(void)state;
	vfsr_node_init(node, OWNER, OWNER, 0, &inode, 120);
	assert_true(vfsr_node_ok(node, 152, OWNER, OWNER, &f));
	head->level = 1;	/* interior and empty */
	assert_false(vfsr_node_ok(node, 152, OWNER, OWNER, &f));
	assert_int_equal(f.reason, VFSR_REASON_SIZE);
	head->level = 0;
	inode.bytes = cpu_to_le16(112);
	memcpy(node + 32, &inode, 2);
	assert_false(vfsr_node_ok(node, 152, OWNER, OWNER, &f));
	assert_int_equal(f.reason, VFSR_REASON_INODE);
	vfsr_node_init(node, OWNER, OWNER, 0, NULL, 0);
	assert_false(vfsr_node_ok(node, 32, OWNER, OWNER, &f));
	assert_int_equal(f.reason, VFSR_REASON_INODE);
	head->inode_bytes = cpu_to_le16(192);
	assert_false(vfsr_node_ok(node, 32, OWNER, OWNER, &f));
	assert_int_equal(f.reason, VFSR_REASON_INODE);
	free(node);
}

/* Buffers of just the stored length, so that ASan sees any byte read beyond */
static void test_short(void **state)
{
	u64 rnd = 3;
	u32 len, i;

	(void)state;
	for (i = 0; i < 60000; i++) {
		bool interior = i & 1;
		const u8 *from = interior ? golden_interior : golden_leaf;
		u32 full = interior ? sizeof(golden_interior) :
				      sizeof(golden_leaf);
		u64 random = test_random(&rnd);
		u8 *node;

		len = random % 3 ? full : (u32)(random >> 8) % (full + 1);
		node = malloc(len ? len : 1);
		assert_non_null(node);
		memcpy(node, from, len);
		if (len)
			node[(random >> 32) % len] ^= (u8)(random >> 16);
		if (len >= 8 && random % 2) {
			node[6] = (u8)len;
			node[7] = 0;
		}
		vfsr_node_ok(node, len, ID, random % 5 ? OWNER : 0, NULL);
		free(node);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_append),
		cmocka_unit_test(test_inode_header),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_refused_root),
		cmocka_unit_test(test_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
