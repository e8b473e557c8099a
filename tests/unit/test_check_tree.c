// SPDX-License-Identifier: GPL-2.0-only
/*
 * The check's rules for file data and for the orphan list: small pools with one
 * file each, right and wrong ones, and what the check says of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/items.h"
#include "lib/check.h"
#include "lib/writer.h"

#define IMAGE_BYTES (64ull << 20)
#define INO 16u
#define SECTOR VFSR_SECTOR_BYTES

/* Fill extents of the file; bytes 0: no more. */
struct part {
	u64 block, bytes;
};

struct tree_case {
	const char *name;
	u32 inline_bytes;
	struct part part[3];
	u64 nlink;
	bool linked; /* the root directory names it */
	bool orphan; /* the orphan directory does */
	u8 orphan_type;
	enum vfsr_reason want; /* NONE: nothing to find */
};

static const struct tree_case cases[] = {
	{ "inline", 100, { { 0 } }, 1, true, false, 0, VFSR_REASON_NONE },
	{ "inline, then an extent",
	  100,
	  { { 1, SECTOR } },
	  1,
	  true,
	  false,
	  0,
	  VFSR_REASON_NONE },
	{ "inline to the end of its block",
	  SECTOR / 4,
	  { { 1, SECTOR }, { 2, 1 } },
	  1,
	  true,
	  false,
	  0,
	  VFSR_REASON_NONE },
	{ "an extent in the inline data's block",
	  100,
	  { { 0, SECTOR } },
	  1,
	  true,
	  false,
	  0,
	  VFSR_REASON_OVERLAP },
	{ "extents that end within a block",
	  0,
	  { { 0, 1 }, { 1, SECTOR + 7 }, { 3, 4095 } },
	  1,
	  true,
	  false,
	  0,
	  VFSR_REASON_NONE },
	{ "an extent that reaches into the next block",
	  0,
	  { { 0, SECTOR + 1 }, { 1, SECTOR } },
	  1,
	  true,
	  false,
	  0,
	  VFSR_REASON_OVERLAP },
	{ "an orphan",
	  0,
	  { { 0, 10 } },
	  0,
	  false,
	  true,
	  VFSR_DT_REG,
	  VFSR_REASON_NONE },
	{ "an orphan that counts links",
	  0,
	  { { 0 } },
	  1,
	  false,
	  true,
	  VFSR_DT_REG,
	  VFSR_REASON_NLINK },
	{ "an orphan of another type",
	  0,
	  { { 0 } },
	  0,
	  false,
	  true,
	  VFSR_DT_DIR,
	  VFSR_REASON_DIRENT },
	{ "neither named nor an orphan",
	  0,
	  { { 0 } },
	  0,
	  false,
	  false,
	  0,
	  VFSR_REASON_UNREACHABLE },
};

static struct vfsr_super super;
static struct vfsr_writer *writer;

static void node_add(u64 id, const u8 *node)
{
	u32 bytes = vfsr_node_bytes(node);
	struct vfsr_chunk c = {
		.id = id,
		.owner = id,
		.stored = bytes,
		.logical = bytes,
		.crc = vfsr_port_crc32c(0, node, bytes),
		.refs = 1,
		.state = VFSR_STATE_RAW,
		.kind = VFSR_KIND_INODE,
	};

	assert_int_equal(vfsr_writer_add(writer, VFSR_USE_META, &c, node), 0);
	super.nr_inodes++;
}

static void item(u8 *node, u8 type, u64 key, const void *value, u32 bytes)
{
	struct vfsr_key k = { type, key };

	assert_int_equal(vfsr_node_append(node, k, value, bytes), 0);
}

static void inode_begin(u8 *node, u64 ino, const struct vfsr_inode *in)
{
	u8 buf[sizeof(struct vfsr_disk_inode)];

	vfsr_node_init(node, ino, ino, 0, buf, vfsr_inode_encode(in, buf));
}

/* A directory with one name or none. */
static void dir_add(u64 ino, const char *name, u8 type)
{
	u8 node[VFSR_NODE_BYTES] __attribute__((aligned(8)));
	u8 value[VFSR_DIRENT_HEAD + VFSR_NAME_MAX];
	struct vfsr_inode in = { .mode = S_IFDIR | 0755,
				 .size = !!name,
				 .nlink = 2,
				 .parent = ino };
	struct vfsr_dirent d = { .ino = INO, .type = type };

	inode_begin(node, ino, &in);
	if (name) {
		d.name = (const u8 *)name;
		d.name_bytes = (u8)strlen(name);
		item(node, VFSR_ITEM_DIRENT,
		     vfsr_name_hash(super.hash_key, name, d.name_bytes), value,
		     vfsr_dirent_encode(&d, value));
	}
	node_add(ino, node);
}

static void file_add(const struct tree_case *tc)
{
	u8 node[VFSR_NODE_BYTES] __attribute__((aligned(8)));
	u8 data[VFSR_MAX_ITEM_BYTES] = { 1 };
	struct vfsr_inode in = { .mode = S_IFREG | 0644,
				 .size = 5 * SECTOR,
				 .nlink = tc->nlink,
				 .parent = tc->linked ? VFSR_ROOT_INO : 0 };
	struct vfsr_extent e = { .fill = 'f', .state = VFSR_STATE_MONOLITH };
	unsigned int i;

	inode_begin(node, INO, &in);
	super.logical_bytes = tc->inline_bytes;
	if (tc->inline_bytes)
		item(node, VFSR_ITEM_INLINE, 0, data, tc->inline_bytes);
	for (i = 0; i < ARRAY_SIZE(tc->part) && tc->part[i].bytes; i++) {
		e.bytes = tc->part[i].bytes;
		super.logical_bytes += e.bytes;
		item(node, VFSR_ITEM_EXTENT, tc->part[i].block, data,
		     vfsr_extent_encode(&e, data));
	}
	node_add(INO, node);
}

static void pool_make(const char *path, const struct tree_case *tc)
{
	struct vfsr_plan_in in = { .nr_devs = 1,
				   .layout = -1,
				   .uuid = { 1, 2, 3, 4 },
				   .dev_bytes = { IMAGE_BYTES } };
	struct vfsr_write_stats stats;
	struct vfsr_dev *dev;
	char why[256], name[17];

	assert_int_equal(vfsr_dev_open(path, VFSR_DEV_WRITE, &dev), 0);
	memset(&super, 0, sizeof(super));
	assert_int_equal(vfsr_plan(&in, &super, why, sizeof(why)), 0);
	assert_int_equal(vfsr_writer_new(&super, &dev, NULL, NULL, &writer), 0);
	dir_add(VFSR_ROOT_INO, tc->linked ? "file" : NULL, VFSR_DT_REG);
	snprintf(name, sizeof(name), "%016x", INO);
	if (tc->orphan)
		dir_add(VFSR_ORPHAN_INO, name, tc->orphan_type);
	file_add(tc);
	super.next_id = INO + 1;
	assert_int_equal(vfsr_writer_commit(writer, &stats), 0);
	vfsr_writer_free(writer);
	vfsr_dev_close(dev);
}

struct seen {
	u64 nr;
	enum vfsr_reason first;
};

static void note(void *ctx, const struct vfsr_finding *f)
{
	struct seen *s = ctx;

	if (!s->nr++)
		s->first = f->fault.reason;
}

static void pool_check(char *path, struct seen *s)
{
	struct vfsr_check_opts opts = { .report = note, .ctx = s };
	struct vfsr_check_stats stats;
	struct vfsr_pool *pool;

	assert_int_equal(vfsr_pool_open(&path, 1, VFSR_POOL_QUIET, &pool), 0);
	assert_int_equal(vfsr_check(pool, &opts, &stats), 0);
	vfsr_pool_close(pool);
}

static void each_case(void **state)
{
	const char *tmp = getenv("TMPDIR");
	char path[256];
	size_t i;
	int fd;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct seen s = { 0 };
		u64 want = cases[i].want != VFSR_REASON_NONE;

		snprintf(path, sizeof(path), "%s/vfsr-ct-XXXXXX",
			 tmp ? tmp : "/tmp");
		fd = mkstemp(path);
		assert_true(fd >= 0);
		assert_int_equal(ftruncate(fd, (off_t)IMAGE_BYTES), 0);
		close(fd);
		pool_make(path, &cases[i]);
		pool_check(path, &s);
		unlink(path);
		if (s.nr != want || s.first != cases[i].want)
			fail_msg("%s: %llu findings, first %s, want %s",
				 cases[i].name, (unsigned long long)s.nr,
				 vfsr_reason_name(s.first),
				 vfsr_reason_name(cases[i].want));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_case),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
