// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzes nodes and the B-tree on hostile nodes. The input makes a few nodes
 * that lie in memory, then calls operations on the tree that they form.
 *
 * Nodes are either raw bytes, or built so that each one is sound while what
 * they say of each other is not. Whatever they are: everything got is put, no
 * operation goes on for ever, and a tree that was sound stays sound.
 */
#include "core/items.h"
#include "fuzz.h"

#define ROOT_ID 16u
#define MAX_NODES 24u /* of the input */
#define ALL_NODES 96u /* with those that operations add */
#define MAX_OPS 48u
#define MAX_CALLS 4096u /* of the provider, in one operation */
#define MODE_RAW 1u /* bits of the input's first byte */
#define MODE_EMPTY 2u

struct store {
	u8 *node[ALL_NODES]; /* 4 KiB each, by id - ROOT_ID */
	u32 held[ALL_NODES];
	u32 nr_held, calls, next;
	u32 fail_at; /* call that fails, 0: none */
	struct vfsr_bt bt;
};

static const u8 hash_key[16] = { 1, 2, 3 };

/* --- provider --- */

static bool fails(struct store *s)
{
	s->calls++;
	fuzz_must(s->calls < MAX_CALLS);
	return s->calls == s->fail_at;
}

static int node_get(void *ctx, u64 id, u8 **node)
{
	struct store *s = ctx;

	if (fails(s) || id < ROOT_ID || id - ROOT_ID >= ALL_NODES ||
	    !s->node[id - ROOT_ID])
		return -EIO;
	*node = s->node[id - ROOT_ID];
	if (!vfsr_node_ok(*node, vfsr_node_bytes(*node), id, s->bt.ino,
			  &s->bt.fault))
		return -EUCLEAN;
	s->held[id - ROOT_ID]++;
	s->nr_held++;
	return 0;
}

static int node_alloc(void *ctx, u64 *id, u8 **node)
{
	struct store *s = ctx;

	if (fails(s) || s->next == ALL_NODES)
		return -ENOSPC;
	*id = ROOT_ID + s->next;
	*node = fuzz_alloc(VFSR_NODE_BYTES);
	memset(*node, 0xa5, VFSR_NODE_BYTES);
	s->node[s->next] = *node;
	s->held[s->next++] = 1;
	s->nr_held++;
	return 0;
}

static int node_dirty(void *ctx, u64 id, u8 *node)
{
	struct store *s = ctx;

	fuzz_must(s->node[id - ROOT_ID] == node && s->held[id - ROOT_ID]);
	return fails(s) ? -ENOMEM : 0;
}

static void node_put(void *ctx, u64 id, u8 *node)
{
	struct store *s = ctx;

	fuzz_must(id >= ROOT_ID && id - ROOT_ID < ALL_NODES);
	fuzz_must(s->node[id - ROOT_ID] == node && s->held[id - ROOT_ID]);
	s->held[id - ROOT_ID]--;
	s->nr_held--;
}

static void node_free(void *ctx, u64 id)
{
	struct store *s = ctx;

	fuzz_must(id > ROOT_ID && id - ROOT_ID < ALL_NODES);
	fuzz_must(s->node[id - ROOT_ID] && !s->held[id - ROOT_ID]);
	free(s->node[id - ROOT_ID]);
	s->node[id - ROOT_ID] = NULL;
}

static const struct vfsr_bt_provider provider = {
	.get = node_get,
	.alloc = node_alloc,
	.dirty = node_dirty,
	.put = node_put,
	.free = node_free,
};

/* --- nodes of the input --- */

static void raw_node(struct store *s, struct fuzz_in *in)
{
	u32 bytes = fuzz_u16(in) % (VFSR_NODE_BYTES + 1), i;
	u8 *exact = fuzz_alloc(bytes);
	struct vfsr_disk_node head;
	u64 id;

	/* first alone and in its exact length, then for the tree */
	fuzz_take(in, exact, bytes);
	memset(&head, 0, sizeof(head));
	memcpy(&head, exact, min_t(size_t, bytes, sizeof(head)));
	id = le64_to_cpu(head.id);
	if (bytes)
		vfsr_node_ok(exact, bytes, id, 0, NULL);
	i = id < ROOT_ID || id - ROOT_ID >= MAX_NODES ? 0 : (u32)(id - ROOT_ID);
	if (!s->node[i])
		s->node[i] = fuzz_alloc(VFSR_NODE_BYTES);
	/* the store owns the node; NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
	memset(s->node[i], 0, VFSR_NODE_BYTES);
	memcpy(s->node[i], exact, bytes);
	free(exact);
}

static void append_items(u8 *node, unsigned int level, struct fuzz_in *in)
{
	u8 value[VFSR_MAX_ITEM_BYTES];
	struct vfsr_key key = { .type = VFSR_ITEM_INLINE };
	u32 nr = fuzz_u8(in) % 64, i, bytes;
	__le64 child;

	for (i = 0; i < nr && in->left; i++) {
		u8 how = fuzz_u8(in);

		if (how & 0x80)
			key.type = (u8)min_t(u32, key.type + 1u,
					     VFSR_NR_ITEM_TYPES - 1);
		key.key = how & 0x40 ? ~(u64)fuzz_u8(in) :
				       key.key + 1 + fuzz_u8(in);
		if (level) {
			child = cpu_to_le64(ROOT_ID + (how % MAX_NODES));
			vfsr_node_append(node, key, &child, sizeof(child));
			continue;
		}
		bytes = how & 0x20 ? fuzz_u16(in) % VFSR_MAX_ITEM_BYTES :
				     how & 0x1f;
		memset(value, how, sizeof(value));
		fuzz_take(in, value, min_t(u32, bytes, how & 0x1f));
		vfsr_node_append(node, key, value, bytes);
	}
}

static void built_node(struct store *s, struct fuzz_in *in, u32 i)
{
	u8 *node = fuzz_alloc(VFSR_NODE_BYTES);
	struct vfsr_disk_inode inode = { .mode = cpu_to_le16(0040755) };
	u32 inode_bytes = VFSR_INODE_BYTES_MIN + fuzz_u8(in) % 11 * 8;
	unsigned int level = fuzz_u8(in);

	/* mostly small, sometimes as deep as it can be */
	level = level & 0x80 ? level & VFSR_MAX_NODE_LEVEL : level % 3;
	inode.bytes = cpu_to_le16((u16)inode_bytes);
	vfsr_node_init(node, ROOT_ID + i, ROOT_ID, level, i ? NULL : &inode,
		       i ? 0 : inode_bytes);
	append_items(node, level, in);
	s->node[i] = node;
}

/* --- operations --- */

static int count_node(void *arg, u64 id, const u8 *node)
{
	struct vfsr_extent e;
	struct vfsr_dirent d;
	struct vfsr_xattr x;
	struct vfsr_item item;
	unsigned int i;

	(void)id;
	++*(u32 *)arg;
	for (i = 0; i < vfsr_node_nr_items(node); i++) {
		vfsr_node_item(node, i, &item);
		if (vfsr_node_level(node))
			continue;
		vfsr_extent_decode(item.value, item.bytes, item.key.key, &e,
				   NULL);
		vfsr_dirent_decode(item.value, item.bytes, &d, NULL);
		vfsr_xattr_decode(item.value, item.bytes, &x, NULL);
	}
	return 0;
}

static bool tree_sound(struct store *s)
{
	u32 nr = 0, fail_at = s->fail_at;
	int err;

	s->calls = 0;
	s->fail_at = 0;
	err = vfsr_bt_walk(&s->bt, count_node, &nr);
	s->fail_at = fail_at;
	fuzz_must(!s->nr_held && nr <= ALL_NODES);
	return !err;
}

static void name_op(struct store *s, u8 op, struct fuzz_in *in)
{
	u8 item[VFSR_MAX_ITEM_BYTES], name[VFSR_NAME_MAX];
	u8 bytes = fuzz_u8(in), type;
	struct vfsr_dirent d = {
		.ino = ROOT_ID + 1,
		.type = VFSR_DT_REG,
		.name_bytes = bytes,
		.name = name,
	};
	struct vfsr_xattr x = {
		.name = name,
		.name_bytes = bytes,
		.value_bytes = bytes,
		.value = name,
	};
	u64 cookie, ino;

	memset(name, 'n', sizeof(name));
	name[0] = fuzz_u8(in);
	switch (op) {
	case 0:
		vfsr_dir_lookup(&s->bt, hash_key, name, bytes, &cookie, &ino,
				&type);
		break;
	case 1:
		vfsr_dir_insert(&s->bt, hash_key, &d);
		break;
	case 2:
		vfsr_dir_delete(&s->bt, hash_key, name, bytes);
		break;
	case 3:
		vfsr_xattr_get(&s->bt, hash_key, name, bytes, &x, item);
		break;
	case 4:
		vfsr_xattr_set(&s->bt, hash_key, &x);
		break;
	default:
		vfsr_xattr_delete(&s->bt, hash_key, name, bytes);
		break;
	}
}

static void item_op(struct store *s, u8 op, struct fuzz_in *in)
{
	u8 value[VFSR_MAX_ITEM_BYTES + 1];
	struct vfsr_key key = { .type = fuzz_u8(in) %
					(VFSR_NR_ITEM_TYPES + 1) };
	struct vfsr_disk_inode inode = { .mode = cpu_to_le16(0100644) };
	u32 bytes = fuzz_u16(in) % sizeof(value), inode_bytes;

	key.key = fuzz_u16(in);
	if (key.key & 0x8000)
		key.key = ~(key.key & 0xff);
	memset(value, 'v', sizeof(value));
	inode_bytes = min_t(u32, bytes & 0xff, sizeof(inode));
	inode.bytes = cpu_to_le16((u16)inode_bytes);
	switch (op) {
	case 0:
		vfsr_bt_lookup(&s->bt, key, value, &bytes);
		break;
	case 1:
		vfsr_bt_next(&s->bt, &key, value, &bytes);
		break;
	case 2:
		vfsr_bt_prev(&s->bt, &key, value, &bytes);
		break;
	case 3:
		vfsr_bt_insert(&s->bt, key, value, bytes);
		break;
	case 4:
		vfsr_bt_replace(&s->bt, key, value, bytes);
		break;
	case 5:
		vfsr_bt_delete(&s->bt, key);
		break;
	default:
		vfsr_bt_set_inode(&s->bt, &inode, inode_bytes);
		break;
	}
}

static void run_ops(struct store *s, struct fuzz_in *in)
{
	bool sound = tree_sound(s);
	u32 i;

	for (i = 0; i < MAX_OPS && in->left; i++) {
		u8 op = fuzz_u8(in);

		s->calls = 0;
		s->fail_at = op & 0x80 ? fuzz_u8(in) : 0;
		if (op & 0x40)
			name_op(s, op % 6, in);
		else
			item_op(s, op % 7, in);
		fuzz_must(!s->nr_held);
		fuzz_must(!sound || tree_sound(s));
	}
}

static void read_inode(struct store *s)
{
	struct vfsr_inode inode;
	u32 bytes;
	u8 *header;

	if (!s->node[0] ||
	    !vfsr_node_ok(s->node[0], vfsr_node_bytes(s->node[0]), ROOT_ID,
			  ROOT_ID, NULL))
		return;
	header = vfsr_node_inode(s->node[0], &bytes);
	if (header)
		vfsr_inode_decode(header, bytes, &inode, NULL);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct store s = { .next = MAX_NODES };
	u8 mode = fuzz_u8(&in);
	u32 nr = 1 + fuzz_u8(&in) % MAX_NODES, i;

	s.bt.ops = &provider;
	s.bt.ctx = &s;
	s.bt.ino = ROOT_ID;
	if (mode & MODE_EMPTY)
		nr = 1;
	for (i = 0; i < nr; i++) {
		if (mode & MODE_RAW)
			raw_node(&s, &in);
		else
			built_node(&s, &in, i);
	}
	read_inode(&s);
	run_ops(&s, &in);
	for (i = 0; i < ALL_NODES; i++)
		free(s.node[i]);
	return 0;
}
