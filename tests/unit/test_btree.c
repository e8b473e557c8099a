// SPDX-License-Identifier: GPL-2.0-only
/*
 * The B+tree against a table of what it must contain, under a provider that
 * checks its use and can fail at any call; and hostile trees.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "mem_tree.h"

#define TYPES	3	/* item types 1..3 are used */
#define KEYS	3000	/* keys 0..KEYS-1 of each, times a stride */
#define ALL_KEYS (TYPES * KEYS)
#define STRIDE	5

/* What the tree must contain: the seed and length of each value */
struct oracle {
	u64 seed[ALL_KEYS];	/* 0: absent */
	u32 bytes[ALL_KEYS];
	u64 nr;
};

static u8 value_buf[VFSR_MAX_ITEM_BYTES], want_buf[VFSR_MAX_ITEM_BYTES];

static struct vfsr_key key_at(unsigned int i)
{
	struct vfsr_key key = { (u8)(1 + i / KEYS), (u64)(i % KEYS) * STRIDE };

	return key;
}

static void fill(u8 *buf, u64 seed, u32 bytes)
{
	u32 i;

	for (i = 0; i < bytes; i++)
		buf[i] = (u8)(seed >> (i % 8 * 8)) ^ (u8)i;
}

static void check_value(const struct oracle *o, unsigned int i, u32 bytes)
{
	assert_int_equal(bytes, o->bytes[i]);
	fill(want_buf, o->seed[i], bytes);
	assert_memory_equal(value_buf, want_buf, bytes);
}

static void check_all(struct mem_tree *m, const struct oracle *o)
{
	unsigned int i;
	u32 bytes;

	for (i = 0; i < ALL_KEYS; i++) {
		int rc = vfsr_bt_lookup(&m->bt, key_at(i), value_buf, &bytes);

		assert_int_equal(rc, o->seed[i] ? 0 : -ENOENT);
		if (!rc)
			check_value(o, i, bytes);
	}
	assert_int_equal(mem_tree_check(m), o->nr);
}

static void do_next(struct mem_tree *m, const struct oracle *o, unsigned int i,
		    u64 random)
{
	struct vfsr_key key = key_at(i), want;
	u32 bytes;
	int rc;

	/* from between two keys as well */
	if (random & 1)
		key.key++;
	if (random & 1)
		i++;
	while (i < ALL_KEYS && !o->seed[i])
		i++;
	rc = vfsr_bt_next(&m->bt, &key, value_buf, &bytes);
	if (i == ALL_KEYS) {
		assert_int_equal(rc, -ENOENT);
		return;
	}
	assert_int_equal(rc, 0);
	want = key_at(i);
	assert_int_equal(vfsr_key_cmp(key, want), 0);
	check_value(o, i, bytes);
}

static void do_prev(struct mem_tree *m, const struct oracle *o, unsigned int at,
		    u64 random)
{
	struct vfsr_key key = key_at(at), want;
	int i = (int)at;
	u32 bytes;
	int rc;

	if (random & 1)
		key.key++;
	while (i >= 0 && !o->seed[i])
		i--;
	rc = vfsr_bt_prev(&m->bt, &key, value_buf, &bytes);
	if (i < 0) {
		assert_int_equal(rc, -ENOENT);
		return;
	}
	assert_int_equal(rc, 0);
	want = key_at((unsigned int)i);
	assert_int_equal(vfsr_key_cmp(key, want), 0);
	check_value(o, (unsigned int)i, bytes);
}

static void do_store(struct mem_tree *m, struct oracle *o, unsigned int i,
		     u64 random, u32 bytes)
{
	fill(value_buf, random, bytes);
	if (o->seed[i]) {
		assert_int_equal(vfsr_bt_insert(&m->bt, key_at(i), value_buf,
						bytes),
				 -EEXIST);
		assert_int_equal(vfsr_bt_replace(&m->bt, key_at(i), value_buf,
						 bytes),
				 0);
	} else {
		assert_int_equal(vfsr_bt_replace(&m->bt, key_at(i), value_buf,
						 bytes),
				 -ENOENT);
		assert_int_equal(
			vfsr_bt_insert(&m->bt, key_at(i), value_buf, bytes), 0);
		o->nr++;
	}
	o->seed[i] = random;
	o->bytes[i] = bytes;
}

static void do_delete(struct mem_tree *m, struct oracle *o, unsigned int i)
{
	assert_int_equal(vfsr_bt_delete(&m->bt, key_at(i)),
			 o->seed[i] ? 0 : -ENOENT);
	if (o->seed[i])
		o->nr--;
	o->seed[i] = 0;
}

struct random_case {
	const char *name;
	u32 max_bytes;
	u32 inode_bytes;
	unsigned int ops;
	unsigned int keys;	/* how many of the oracle's are used */
	unsigned int delete_pct;
	bool check_writes;
};

static const struct random_case random_cases[] = {
	{ "small values", 40, 112, 80000, ALL_KEYS, 20, false },
	{ "all lengths", VFSR_MAX_ITEM_BYTES, 192, 60000, ALL_KEYS, 20, false },
	{ "few keys", VFSR_MAX_ITEM_BYTES, 128, 40000, 60, 35, true },
	{ "many deletes", 300, 192, 40000, ALL_KEYS, 45, true },
};

static u32 random_bytes(const struct random_case *c, u64 random)
{
	/* the ends of the range more often than by chance */
	if (random % 16 == 0)
		return c->max_bytes;
	if (random % 16 == 1)
		return 0;
	return (u32)(random >> 8) % (c->max_bytes + 1);
}

static void run_random(const struct random_case *c, u64 seed)
{
	struct oracle *o = calloc(1, sizeof(*o));
	u64 state = seed;
	struct mem_tree m;
	unsigned int n;

	assert_non_null(o);
	mem_tree_init(&m, c->inode_bytes);
	m.check_writes = c->check_writes;
	for (n = 0; n < c->ops; n++) {
		u64 random = test_random(&state) | 1ull << 63;
		unsigned int i = (unsigned int)(test_random(&state) % c->keys);
		unsigned int what = (unsigned int)(random >> 40) % 100;

		if (what < c->delete_pct)
			do_delete(&m, o, i);
		else if (what < 60)
			do_store(&m, o, i, random, random_bytes(c, random));
		else if (what < 80)
			do_next(&m, o, i, random);
		else
			do_prev(&m, o, i, random);
		if (n % 2000 == 0)
			assert_int_equal(mem_tree_check(&m), o->nr);
	}
	check_all(&m, o);
	for (n = 0; n < ALL_KEYS; n++)
		do_delete(&m, o, n);
	assert_int_equal(mem_tree_check(&m), 0);
	assert_int_equal(m.nr_nodes, 1);
	mem_tree_release(&m);
	free(o);
}

static void test_random_ops(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(random_cases); i++) {
		print_message("%s\n", random_cases[i].name);
		run_random(&random_cases[i], i + 1);
	}
}

struct bulk_case {
	const char *name;
	u32 bytes;
	int step;		/* of the keys; negative: descending */
	unsigned int min_fill;	/* percent */
};

static const struct bulk_case bulk_cases[] = {
	{ "extents ascending", 24, 1, 95 },
	{ "names ascending", 60, 7, 95 },
	{ "descending", 24, -1, 45 },
	{ "largest ascending", VFSR_MAX_ITEM_BYTES, 1, 85 },
};

static void test_bulk(void **state)
{
	const u64 nr = 20000;
	unsigned int i, leaves;
	struct mem_tree m;
	u64 n, bytes;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bulk_cases); i++) {
		const struct bulk_case *c = &bulk_cases[i];
		struct vfsr_key key = { VFSR_ITEM_EXTENT, 1ull << 40 };

		mem_tree_init(&m, VFSR_INODE_BYTES_MIN);
		fill(value_buf, i, c->bytes);
		for (n = 0; n < nr; n++) {
			assert_int_equal(vfsr_bt_insert(&m.bt, key, value_buf,
							c->bytes),
					 0);
			key.key += (u64)(s64)c->step;
		}
		assert_int_equal(mem_tree_check(&m), nr);
		bytes = mem_tree_leaf_bytes(&m, &leaves);
		print_message(
			"%s: %u leaves, %u %% full\n", c->name, leaves,
			(unsigned int)(bytes * 100 / leaves / VFSR_NODE_BYTES));
		assert_true(bytes * 100 >=
			    (u64)leaves * VFSR_NODE_BYTES * c->min_fill);
		mem_tree_release(&m);
	}
}

/* A copy of a tree's nodes in memory, with nothing held */
static void tree_copy(struct mem_tree *to, const struct mem_tree *from)
{
	unsigned int i;

	mem_tree_init(to, VFSR_INODE_BYTES_MIN);
	for (i = 0; i < MEM_TREE_NODES; i++) {
		if (!from->nodes[i].buf)
			continue;
		if (!to->nodes[i].buf)
			to->nodes[i].buf = malloc(VFSR_NODE_BYTES);
		assert_non_null(to->nodes[i].buf);
		memcpy(to->nodes[i].buf, from->nodes[i].buf, VFSR_NODE_BYTES);
	}
	to->next_id = from->next_id;
	to->nr_nodes = from->nr_nodes;
}

enum fail_op { FAIL_INSERT, FAIL_REPLACE, FAIL_DELETE, FAIL_INODE };

static int fail_run(struct mem_tree *m, enum fail_op op, unsigned int i)
{
	u8 inode[sizeof(struct vfsr_disk_inode)] = { sizeof(inode) };
	struct vfsr_key key = key_at(i);

	fill(value_buf, i, VFSR_MAX_ITEM_BYTES);
	switch (op) {
	case FAIL_INSERT:
		key.key++;	/* a key that no tree here has */
		return vfsr_bt_insert(&m->bt, key, value_buf,
				      VFSR_MAX_ITEM_BYTES);
	case FAIL_REPLACE:
		return vfsr_bt_replace(&m->bt, key, value_buf,
				       VFSR_MAX_ITEM_BYTES);
	case FAIL_DELETE:
		return vfsr_bt_delete(&m->bt, key);
	default:
		return vfsr_bt_set_inode(&m->bt, inode, sizeof(inode));
	}
}

/*
 * Run one operation on copies of a tree with the first, second, ... call of
 * the provider failing, until it runs without failing.
 */
static void fail_everywhere(const struct mem_tree *from, enum fail_op op,
			    unsigned int i, u64 nr_items)
{
	struct mem_tree m;
	long at;
	int rc;

	for (at = 0;; at++) {
		bool failed;
		u32 crc;

		tree_copy(&m, from);
		m.check_writes = true;
		crc = mem_tree_crc(&m);
		m.fail_at = at;
		rc = fail_run(&m, op, i);
		failed = m.fail_at < 0;
		m.fail_at = -1;
		if (rc) {
			assert_true(failed);
			assert_int_equal(mem_tree_crc(&m), crc);
			assert_int_equal(m.nr_nodes, from->nr_nodes);
			assert_int_equal(mem_tree_check(&m), nr_items);
		} else {
			u64 want = nr_items + (op == FAIL_INSERT) -
				   (op == FAIL_DELETE);

			/* only the thrift of a delete may be given up */
			assert_true(!failed || op == FAIL_DELETE);
			assert_int_equal(mem_tree_check(&m), want);
		}
		mem_tree_release(&m);
		if (!failed)
			return;
	}
}

static void test_failing_provider(void **state)
{
	/* two leaf bytes make deep trees of few items, by long values */
	static const unsigned int sizes[] = { 1, 2, 3, 5, 40, 163, 400 };
	unsigned int s, i, n;
	struct mem_tree m;

	(void)state;
	for (s = 0; s < ARRAY_SIZE(sizes); s++) {
		n = sizes[s];
		mem_tree_init(&m, s % 2 ? VFSR_INODE_BYTES_MIN :
					  sizeof(struct vfsr_disk_inode));
		for (i = 0; i < n; i++) {
			u32 bytes = i % 3 ? 1500 : 700;

			fill(value_buf, i, bytes);
			assert_int_equal(vfsr_bt_insert(&m.bt, key_at(i + 1),
							value_buf, bytes),
					 0);
		}
		for (i = 0; i <= n; i += n / 8 + 1) {
			fail_everywhere(&m, FAIL_INSERT, i, n);
			if (!i)
				continue;
			fail_everywhere(&m, FAIL_REPLACE, i, n);
			fail_everywhere(&m, FAIL_DELETE, i, n);
		}
		fail_everywhere(&m, FAIL_INODE, 0, n);
		mem_tree_release(&m);
	}
}

/* Interior splits and a tree of several levels, built and torn down */
static void test_deep(void **state)
{
	const u64 nr = 60000;
	struct vfsr_key key = { VFSR_ITEM_DIRENT, 0 };
	struct mem_tree m;
	u64 n, mix = 7;

	(void)state;
	mem_tree_init(&m, sizeof(struct vfsr_disk_inode));
	fill(value_buf, 1, 900);
	for (n = 0; n < nr; n++) {
		key.key = n * 0x9e3779b97f4a7c15ull;
		assert_int_equal(vfsr_bt_insert(&m.bt, key, value_buf, 900), 0);
	}
	assert_int_equal(mem_tree_check(&m), nr);
	assert_true(vfsr_node_level(mem_tree_node(&m, MEM_TREE_INO)) >= 2);
	for (n = 0; n < nr; n++) {
		key.key = n * 0x9e3779b97f4a7c15ull;
		if (test_random(&mix) % 64)
			assert_int_equal(vfsr_bt_delete(&m.bt, key), 0);
	}
	print_message("%u nodes for %u items\n", m.nr_nodes,
		      (unsigned int)mem_tree_check(&m));
	/* sparse nodes were merged: at least a third of each is used */
	assert_true((u64)m.nr_nodes * VFSR_NODE_BYTES <
		    4 * 916 * mem_tree_check(&m));
	mem_tree_release(&m);
}

/* Every length of inode header on roots filled to every degree */
static void test_inode_header(void **state)
{
	u8 inode[sizeof(struct vfsr_disk_inode)];
	u32 fill_bytes, from, to;
	struct mem_tree m;

	(void)state;
	memset(inode, 0x5a, sizeof(inode));
	for (from = VFSR_INODE_BYTES_MIN; from <= sizeof(inode); from += 8) {
		for (fill_bytes = 3600; fill_bytes < 3960; fill_bytes += 24) {
			struct vfsr_key key = { VFSR_ITEM_INLINE, 9 };
			u32 second = fill_bytes - 2 * 16 - 1700, size;
			u64 nr = 2;
			u8 *root;

			mem_tree_init(&m, from);
			assert_int_equal(
				vfsr_bt_insert(&m.bt, key, value_buf, 1700), 0);
			key.key = 7;
			if (second > VFSR_MAX_ITEM_BYTES)
				second = VFSR_MAX_ITEM_BYTES;
			assert_int_equal(vfsr_bt_insert(&m.bt, key, value_buf,
							second),
					 0);
			for (to = sizeof(inode); to >= VFSR_INODE_BYTES_MIN;
			     to -= 40) {
				inode[0] = (u8)to;
				inode[1] = 0;
				assert_int_equal(
					vfsr_bt_set_inode(&m.bt, inode, to), 0);
				root = mem_tree_node(&m, MEM_TREE_INO);
				assert_memory_equal(vfsr_node_inode(root,
								    &size),
						    inode, to);
				assert_int_equal(size, to);
				assert_int_equal(mem_tree_check(&m), nr);
			}
			mem_tree_release(&m);
		}
	}
	mem_tree_init(&m, VFSR_INODE_BYTES_MIN);
	assert_int_equal(vfsr_bt_set_inode(&m.bt, inode, 104), -EINVAL);
	assert_int_equal(vfsr_bt_set_inode(&m.bt, inode, 113), -EINVAL);
	assert_int_equal(vfsr_bt_set_inode(&m.bt, inode, 200), -EINVAL);
	mem_tree_release(&m);
}

/* A root with the longest header, filled with the largest items */
static void test_largest(void **state)
{
	struct vfsr_key key = { VFSR_ITEM_XATTR, 0 };
	struct mem_tree m;
	unsigned int i;

	(void)state;
	mem_tree_init(&m, sizeof(struct vfsr_disk_inode));
	fill(value_buf, 3, VFSR_MAX_ITEM_BYTES);
	assert_int_equal(vfsr_bt_insert(&m.bt, key, value_buf,
					VFSR_MAX_ITEM_BYTES + 1),
			 -E2BIG);
	key.type = 0;
	assert_int_equal(vfsr_bt_insert(&m.bt, key, value_buf, 1), -EINVAL);
	key.type = VFSR_NR_ITEM_TYPES;
	assert_int_equal(vfsr_bt_insert(&m.bt, key, value_buf, 1), -EINVAL);
	key.type = VFSR_ITEM_XATTR;
	for (i = 0; i < 300; i++) {
		key.key = (i * 97) % 300;
		assert_int_equal(vfsr_bt_insert(&m.bt, key, value_buf,
						VFSR_MAX_ITEM_BYTES),
				 0);
		assert_int_equal(mem_tree_check(&m), i + 1);
	}
	mem_tree_release(&m);
}

/* --- hostile trees: each node is in order, together they are not --- */

struct hostile {
	const char *name;
	void (*build)(struct mem_tree *m);
	enum vfsr_reason reason;
};

static void child_item(u8 *node, u64 key, u64 child)
{
	struct vfsr_key k = { VFSR_ITEM_EXTENT, key };
	__le64 id = cpu_to_le64(child);

	assert_int_equal(vfsr_node_append(node, k, &id, sizeof(id)), 0);
}

static void leaf_item(u8 *node, u64 key)
{
	struct vfsr_key k = { VFSR_ITEM_EXTENT, key };
	u8 value[24] = { 0 };

	assert_int_equal(vfsr_node_append(node, k, value, sizeof(value)), 0);
}

static u8 *hostile_root(struct mem_tree *m, unsigned int level)
{
	u8 *root = mem_tree_node(m, MEM_TREE_INO);

	((struct vfsr_disk_node *)root)->level = (u8)level;
	return root;
}

static void hostile_twice(struct mem_tree *m)
{
	u8 *root = hostile_root(m, 1);
	u8 *leaf = mem_tree_add(m, 30, 0);

	leaf_item(leaf, 5);
	leaf_item(leaf, 15);
	child_item(root, 5, 30);
	child_item(root, 10, 30);
}

static void hostile_level(struct mem_tree *m)
{
	leaf_item(mem_tree_add(m, 30, 0), 5);
	child_item(hostile_root(m, 3), 5, 30);
}

static void hostile_loop(struct mem_tree *m)
{
	u8 *a = mem_tree_add(m, 30, 1), *b = mem_tree_add(m, 31, 1);

	child_item(hostile_root(m, 2), 5, 30);
	child_item(a, 5, 31);
	child_item(b, 5, 30);
}

static void hostile_low(struct mem_tree *m)
{
	leaf_item(mem_tree_add(m, 30, 0), 4);
	child_item(hostile_root(m, 1), 5, 30);
}

static void hostile_high(struct mem_tree *m)
{
	u8 *root = hostile_root(m, 2), *mid = mem_tree_add(m, 30, 1);
	u8 *leaf = mem_tree_add(m, 31, 0);

	leaf_item(leaf, 5);
	leaf_item(leaf, 20);
	child_item(mid, 5, 31);
	child_item(root, 5, 30);
	child_item(root, 20, 32);
	leaf_item(mem_tree_add(m, 32, 0), 20);
}

static void hostile_to_root(struct mem_tree *m)
{
	u8 *mid = mem_tree_add(m, 30, 1);

	child_item(mid, 5, MEM_TREE_INO);
	child_item(hostile_root(m, 2), 5, 30);
}

static void hostile_empty(struct mem_tree *m)
{
	mem_tree_add(m, 30, 0);
	child_item(hostile_root(m, 1), 5, 30);
}

static void hostile_zero(struct mem_tree *m)
{
	child_item(hostile_root(m, 1), 5, 0);
}

static const struct hostile hostiles[] = {
	{ "one leaf twice", hostile_twice, VFSR_REASON_ORDER },
	{ "a level is skipped", hostile_level, VFSR_REASON_SELF },
	{ "a loop", hostile_loop, VFSR_REASON_SELF },
	{ "a key below its bound", hostile_low, VFSR_REASON_ORDER },
	{ "a key above its bound", hostile_high, VFSR_REASON_ORDER },
	{ "back to the root", hostile_to_root, VFSR_REASON_SELF },
	{ "an empty leaf", hostile_empty, VFSR_REASON_SIZE },
	{ "child 0", hostile_zero, VFSR_REASON_ITEM },
};

static int visit_nothing(void *arg, u64 id, const u8 *node)
{
	(void)arg;
	(void)id;
	(void)node;
	return 0;
}

static void test_hostile(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(hostiles); i++) {
		struct vfsr_key key = { VFSR_ITEM_EXTENT, 6 };
		struct mem_tree m;

		print_message("%s\n", hostiles[i].name);
		mem_tree_init(&m, VFSR_INODE_BYTES_MIN);
		hostiles[i].build(&m);
		assert_int_equal(vfsr_bt_walk(&m.bt, visit_nothing, NULL),
				 -EUCLEAN);
		assert_int_equal(m.bt.fault.reason, hostiles[i].reason);
		assert_int_equal(vfsr_bt_insert(&m.bt, key, "x", 1), -EUCLEAN);
		assert_int_equal(vfsr_bt_delete(&m.bt, key), -EUCLEAN);
		assert_int_equal(vfsr_bt_next(&m.bt, &key, NULL, NULL),
				 -EUCLEAN);
		assert_int_equal(vfsr_bt_prev(&m.bt, &key, NULL, NULL),
				 -EUCLEAN);
		mem_tree_release(&m);
	}
}

/* The root takes its items back, and an empty tree is a leaf again. */
static void test_collapse(void **state)
{
	struct vfsr_key key = { VFSR_ITEM_EXTENT, 0 };
	struct mem_tree m;
	u8 *root;

	(void)state;
	mem_tree_init(&m, sizeof(struct vfsr_disk_inode));
	root = mem_tree_node(&m, MEM_TREE_INO);
	for (key.key = 0; key.key < 20000; key.key++)
		assert_int_equal(vfsr_bt_insert(&m.bt, key, value_buf, 60), 0);
	assert_int_equal(vfsr_node_level(root), 2);
	while (key.key-- > 3)
		assert_int_equal(vfsr_bt_delete(&m.bt, key), 0);
	assert_int_equal(vfsr_node_level(root), 0);
	assert_int_equal(vfsr_node_nr_items(root), 3);
	assert_int_equal(mem_tree_check(&m), 3);
	assert_int_equal(m.nr_nodes, 1);
	mem_tree_release(&m);

	/* a chain of nodes with one item each goes away with it */
	mem_tree_init(&m, VFSR_INODE_BYTES_MIN);
	root = hostile_root(&m, 2);
	child_item(root, 5, 30);
	child_item(mem_tree_add(&m, 30, 1), 5, 31);
	leaf_item(mem_tree_add(&m, 31, 0), 5);
	key.key = 5;
	assert_int_equal(mem_tree_check(&m), 1);
	assert_int_equal(vfsr_bt_delete(&m.bt, key), 0);
	assert_int_equal(mem_tree_check(&m), 0);
	assert_int_equal(m.nr_nodes, 1);
	assert_int_equal(vfsr_node_level(root), 0);
	mem_tree_release(&m);
}

static int visit_stop(void *arg, u64 id, const u8 *node)
{
	unsigned int *left = arg;

	(void)id;
	(void)node;
	return --*left ? 0 : -EINTR;
}

/* A visitor may stop the walk anywhere; a missing child is the provider's error. */
static void test_walk_errors(void **state)
{
	unsigned int stop, left;
	struct mem_tree m;

	(void)state;
	mem_tree_init(&m, VFSR_INODE_BYTES_MIN);
	child_item(hostile_root(&m, 1), 5, 30);
	child_item(hostile_root(&m, 1), 9, 40);
	leaf_item(mem_tree_add(&m, 30, 0), 5);
	for (stop = 1; stop <= 2; stop++) {
		left = stop;
		assert_int_equal(vfsr_bt_walk(&m.bt, visit_stop, &left),
				 -EINTR);
		assert_int_equal(m.held, 0);
	}
	left = 9;
	assert_int_equal(vfsr_bt_walk(&m.bt, visit_stop, &left), -EIO);
	/* the missing neighbour does not keep an item from being deleted */
	leaf_item(mem_tree_node(&m, 30), 6);
	assert_int_equal(
		vfsr_bt_delete(&m.bt, (struct vfsr_key){ VFSR_ITEM_EXTENT, 5 }),
		0);
	mem_tree_release(&m);
}

/* Damage that a node's own check does not see: keys and children of others */
static void damage(struct mem_tree *m, u64 *state)
{
	u64 id =
		MEM_TREE_INO + test_random(state) % (m->next_id - MEM_TREE_INO);
	u64 random = test_random(state);
	u8 *node = mem_tree_node(m, id);
	struct vfsr_disk_node *head = (struct vfsr_disk_node *)node;
	unsigned int nr, at;

	if (!node ||
	    !vfsr_node_ok(node, vfsr_node_bytes(node), id, MEM_TREE_INO, NULL))
		return;
	nr = vfsr_node_nr_items(node);
	at = vfsr_node_bytes(node) - nr * VFSR_CHILD_BYTES;
	if (random % 4 == 0 && vfsr_node_level(node)) {
		__le64 child = cpu_to_le64(MEM_TREE_INO +
					   (random >> 8) %
						   (m->next_id - MEM_TREE_INO));

		memcpy(node + at + (random >> 40) % nr * VFSR_CHILD_BYTES,
		       &child, sizeof(child));
	} else if (random % 4 == 1) {
		at = sizeof(*head) + le16_to_cpu(head->inode_bytes);
		node[at + (random >> 8) % (nr * 16 + 1)] ^= (u8)(random >> 40);
	} else if (random % 4 == 2) {
		head->level = (u8)(random >> 8) % 4;
	} else {
		node[(random >> 8) % vfsr_node_bytes(node)] ^=
			(u8)(1u << (random >> 40) % 8);
	}
}

/* Any damage: operations fail or succeed, but end, and leave nothing held. */
static void test_damaged(void **state)
{
	u64 rnd = 42, seed;
	struct mem_tree base, m;
	unsigned int i, n;

	(void)state;
	mem_tree_init(&base, sizeof(struct vfsr_disk_inode));
	fill(value_buf, 1, VFSR_MAX_ITEM_BYTES);
	for (i = 0; i < 1500; i++)
		assert_int_equal(vfsr_bt_insert(&base.bt,
						key_at(i * 4 % KEYS + i / 750),
						value_buf, 500 + i % 1000),
				 0);
	for (seed = 0; seed < 150; seed++) {
		tree_copy(&m, &base);
		for (i = 0; i < 1 + seed % 4; i++)
			damage(&m, &rnd);
		for (n = 0; n < 300; n++) {
			u64 random = test_random(&rnd);
			struct vfsr_key key = key_at((random >> 8) % KEYS);
			u32 bytes = (random >> 32) % VFSR_MAX_ITEM_BYTES;

			if (random % 5 == 0)
				vfsr_bt_insert(&m.bt, key, value_buf, bytes);
			else if (random % 5 == 1)
				vfsr_bt_replace(&m.bt, key, value_buf, bytes);
			else if (random % 5 == 2)
				vfsr_bt_next(&m.bt, &key, want_buf, &bytes);
			else if (random % 5 == 3)
				vfsr_bt_prev(&m.bt, &key, want_buf, &bytes);
			else
				vfsr_bt_delete(&m.bt, key);
			assert_int_equal(m.held, 0);
		}
		vfsr_bt_walk(&m.bt, visit_nothing, NULL);
		mem_tree_release(&m);
	}
	mem_tree_release(&base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_ops),
		cmocka_unit_test(test_bulk),
		cmocka_unit_test(test_failing_provider),
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_inode_header),
		cmocka_unit_test(test_largest),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_collapse),
		cmocka_unit_test(test_walk_errors),
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
