// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes a pool whose blocks are all sealed properly but whose trees are not
 * what a file system writes: loops, directories with two names, names twice,
 * absurd sizes, wrong kinds. `hostile_tree IMAGE OUTSIDE`: IMAGE exists, and a
 * symlink in the tree points to OUTSIDE. test_restore.py runs it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/items.h"
#include "lib/writer.h"
#include "lib/out.h"

#define NAMES_MAX 32
#define DEEP 5000 /* nested directories */
#define INO_DEEP 10000

struct name {
	struct vfsr_key key;
	u8 item[VFSR_DIRENT_HEAD + VFSR_NAME_MAX];
	u32 bytes;
};

/* A directory in the making. */
struct dir {
	struct name name[NAMES_MAX];
	unsigned int nr;
};

static struct vfsr_writer *writer;
static struct vfsr_super super;

static void die(const char *what, int err)
{
	fprintf(stderr, "hostile_tree: %s: %s\n", what, strerror(-err));
	exit(1);
}

static void add_chunk(u64 id, u64 owner, u8 kind, const void *data, u32 bytes)
{
	struct vfsr_chunk c = {
		.id = id,
		.owner = owner,
		.stored = bytes,
		.logical = bytes,
		.crc = vfsr_port_crc32c(0, data, bytes),
		.refs = 1,
		.state = VFSR_STATE_RAW,
		.kind = kind,
	};
	int err = vfsr_writer_add(
		writer, kind == VFSR_KIND_DATA ? VFSR_USE_WARM : VFSR_USE_META,
		&c, data);

	if (err)
		die("chunk", err);
}

/* Start the node of an inode. */
static void inode_begin(u8 *node, u64 ino, u32 mode, u64 size, u64 nlink)
{
	struct vfsr_inode in = {
		.mode = (u16)mode,
		.size = size,
		.nlink = nlink,
		.parent = VFSR_ROOT_INO,
	};
	u8 buf[sizeof(struct vfsr_disk_inode)];

	vfsr_node_init(node, ino, ino, 0, buf, vfsr_inode_encode(&in, buf));
}

static void item(u8 *node, u8 type, u64 key, const void *value, u32 bytes)
{
	struct vfsr_key k = { type, key };
	int err = vfsr_node_append(node, k, value, bytes);

	if (err)
		die("item", err);
}

static void node_end(const u8 *node, u64 id, u64 owner, u8 kind)
{
	add_chunk(id, owner, kind, node, vfsr_node_bytes(node));
}

static void file(u64 ino, u64 size, u64 nlink, const struct vfsr_extent *e)
{
	u8 node[VFSR_NODE_BYTES] __attribute__((aligned(8)));
	u8 buf[sizeof(struct vfsr_disk_extent)];

	inode_begin(node, ino, S_IFREG | 0644, size, nlink);
	if (e)
		item(node, VFSR_ITEM_EXTENT, 0, buf,
		     vfsr_extent_encode(e, buf));
	node_end(node, ino, ino, VFSR_KIND_INODE);
}

static void symlink_to(u64 ino, const char *target, u64 size)
{
	u8 node[VFSR_NODE_BYTES] __attribute__((aligned(8)));

	inode_begin(node, ino, S_IFLNK | 0777, size, 1);
	if (*target)
		item(node, VFSR_ITEM_INLINE, 0, target, (u32)strlen(target));
	node_end(node, ino, ino, VFSR_KIND_INODE);
}

static void name(struct dir *d, const char *text, u64 ino, u8 type, u64 twin)
{
	struct name *n = &d->name[d->nr++];
	u32 bytes = (u32)strlen(text);
	struct vfsr_dirent e = { .ino = ino,
				 .type = type,
				 .name_bytes = (u8)bytes,
				 .name = (const u8 *)text };

	n->key.type = VFSR_ITEM_DIRENT;
	n->key.key = vfsr_name_hash(super.hash_key, text, bytes) + twin;
	n->bytes = vfsr_dirent_encode(&e, n->item);
}

static int by_key(const void *a, const void *b)
{
	return vfsr_key_cmp(((const struct name *)a)->key,
			    ((const struct name *)b)->key);
}

static void dir_end(struct dir *d, u64 ino)
{
	u8 node[VFSR_NODE_BYTES] __attribute__((aligned(8)));
	unsigned int i;

	qsort(d->name, d->nr, sizeof(d->name[0]), by_key);
	inode_begin(node, ino, S_IFDIR | 0755, d->nr, 3);
	for (i = 0; i < d->nr; i++)
		item(node, VFSR_ITEM_DIRENT, d->name[i].key.key,
		     d->name[i].item, d->name[i].bytes);
	node_end(node, ino, ino, VFSR_KIND_INODE);
	d->nr = 0;
}

/* An inode whose only interior node names one child for two ranges. */
static void shared_child(u64 ino, u64 child)
{
	u8 node[VFSR_NODE_BYTES] __attribute__((aligned(8)));
	struct vfsr_inode in = { .mode = S_IFREG | 0644,
				 .size = 1 << 20,
				 .nlink = 1,
				 .parent = VFSR_ROOT_INO };
	struct vfsr_extent e = { .bytes = 4096,
				 .fill = 'c',
				 .state = VFSR_STATE_MONOLITH };
	u8 buf[sizeof(struct vfsr_disk_inode)];
	__le64 id = cpu_to_le64(child);

	vfsr_node_init(node, ino, ino, 1, buf, vfsr_inode_encode(&in, buf));
	item(node, VFSR_ITEM_EXTENT, 0, &id, sizeof(id));
	item(node, VFSR_ITEM_EXTENT, 64, &id, sizeof(id));
	node_end(node, ino, ino, VFSR_KIND_INODE);

	vfsr_node_init(node, child, ino, 0, NULL, 0);
	item(node, VFSR_ITEM_EXTENT, 0, buf, vfsr_extent_encode(&e, buf));
	node_end(node, child, ino, VFSR_KIND_NODE);
}

static void make_files(struct dir *root, const char *outside)
{
	const struct vfsr_extent bomb = { .bytes = 1ull << 61,
					  .fill = 'b',
					  .state = VFSR_STATE_MONOLITH };
	const struct vfsr_extent kind = { .chunk = VFSR_ROOT_INO,
					  .bytes = 4096 };
	const struct vfsr_extent beyond = { .chunk = 50,
					    .bytes = 131072,
					    .offset = 65536 };
	const struct vfsr_extent absent = { .chunk = 77, .bytes = 8192 };
	u8 data[65536 + 4096];

	memset(data, 'd', sizeof(data));
	add_chunk(50, 33, VFSR_KIND_DATA, data, sizeof(data));
	file(22, 0, 1, NULL);
	file(30, 1ull << 62, 1, NULL);
	file(31, 1ull << 61, 1, &bomb);
	file(32, 4096, 1, &kind);
	file(33, 131072, 1, &beyond);
	file(34, 8192, 1000, &absent);
	symlink_to(35, "", 0);
	symlink_to(36, "short", 4000);
	symlink_to(23, outside, strlen(outside));
	shared_child(37, 38);

	name(root, "good", 22, VFSR_DT_REG, 0);
	name(root, "huge", 30, VFSR_DT_REG, 0);
	name(root, "bomb", 31, VFSR_DT_REG, 0);
	name(root, "kind", 32, VFSR_DT_REG, 0);
	name(root, "beyond", 33, VFSR_DT_REG, 0);
	name(root, "absent", 34, VFSR_DT_REG, 0);
	name(root, "absent2", 34, VFSR_DT_REG, 0);
	name(root, "empty-link", 35, VFSR_DT_LNK, 0);
	name(root, "short-link", 36, VFSR_DT_LNK, 0);
	name(root, "shared", 37, VFSR_DT_REG, 0);
	name(root, "not-a-file", 21, VFSR_DT_REG, 0);
	name(root, "not-a-dir", 22, VFSR_DT_DIR, 0);
	name(root, "no-inode", 99, VFSR_DT_REG, 0);
	name(root, "no-dir", 98, VFSR_DT_DIR, 0);
}

static void make_dirs(struct dir *root)
{
	struct dir d = { .nr = 0 };
	u64 i;

	/* a loop to itself and to the root */
	name(&d, "self", 20, VFSR_DT_DIR, 0);
	name(&d, "root", VFSR_ROOT_INO, VFSR_DT_DIR, 0);
	dir_end(&d, 20);
	name(root, "loop", 20, VFSR_DT_DIR, 0);
	/* a directory with two names */
	name(&d, "file", 22, VFSR_DT_REG, 0);
	dir_end(&d, 21);
	name(root, "twin1", 21, VFSR_DT_DIR, 0);
	name(root, "twin2", 21, VFSR_DT_DIR, 0);
	/* one name for a link that leads out and for a directory */
	name(&d, "escaped", 22, VFSR_DT_REG, 0);
	dir_end(&d, 24);
	name(root, "same", 23, VFSR_DT_LNK, 0);
	name(root, "same", 24, VFSR_DT_DIR, 1);
	for (i = 0; i < DEEP; i++) {
		if (i + 1 < DEEP)
			name(&d, "d", INO_DEEP + i + 1, VFSR_DT_DIR, 0);
		dir_end(&d, INO_DEEP + i);
	}
	name(root, "deep", INO_DEEP, VFSR_DT_DIR, 0);
}

int main(int argc, char **argv)
{
	static struct vfsr_plan_in in = { .nr_devs = 1,
					  .layout = -1,
					  .uuid = { 1, 2, 3, 4 } };
	struct dir root = { .nr = 0 };
	struct vfsr_write_stats stats;
	struct vfsr_dev *dev;
	char why[256] = "";
	int err;

	if (argc != 3)
		return 2;
	err = vfsr_dev_open(argv[1], VFSR_DEV_WRITE, &dev);
	if (err)
		die(argv[1], err);
	in.dev_bytes[0] = dev->bytes;
	err = vfsr_plan(&in, &super, why, sizeof(why));
	if (err)
		die(why, err);
	err = vfsr_writer_new(&super, &dev, NULL, NULL, &writer);
	if (err)
		die("writer", err);
	make_files(&root, argv[2]);
	make_dirs(&root);
	dir_end(&root, VFSR_ROOT_INO);
	super.next_id = INO_DEEP + DEEP;
	super.nr_inodes = 20 + DEEP;
	super.logical_bytes = 1ull << 62;
	err = vfsr_writer_commit(writer, &stats);
	if (err)
		die("commit", err);
	vfsr_writer_free(writer);
	vfsr_dev_close(dev);
	return 0;
}
