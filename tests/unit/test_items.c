// SPDX-License-Identifier: GPL-2.0-only
/*
 * Items and the inode header: the bytes of each, the way there and back, each
 * malformed field refused with its reason, and random damage.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "mem_tree.h"

/* --- golden vectors --- */

/* a line is what belongs together */
/* clang-format off */

static const struct vfsr_inode full_inode = {
	.mode = 0060644,
	.flags = 0x01020304,
	.uid = 1000,
	.gid = 100,
	.project = 0x77,
	.size = 0x1122334455667788,
	.nlink = 3,
	.blocks = 0x10,
	.parent = 1,
	.mtime = { -1, 999999999 },
	.ctime = { 2, 2 },
	.atime = { 3, 3 },
	.btime = { 4, 4 },
	.change = 0x99,
	.generation = 0xaabbccdd,
	.policy = { 4, 2, 1 },
	.compress_alg = 2,
	.compress_level = 9,
	.compress_keep = 80,
	.rdev_major = 8,
	.rdev_minor = 17,
};

static const u8 golden_inode[] = {
	0x80, 0x00, 0xa4, 0x61, 0x04, 0x03, 0x02, 0x01,	/* 128, mode, flags */
	0xe8, 0x03, 0x00, 0x00, 0x64, 0x00, 0x00, 0x00,	/* uid, gid */
	0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,	/* size */
	0x03, 0, 0, 0, 0, 0, 0, 0,			/* nlink */
	0x10, 0, 0, 0, 0, 0, 0, 0,			/* blocks */
	0x01, 0, 0, 0, 0, 0, 0, 0,			/* parent */
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,	/* mtime */
	0x02, 0, 0, 0, 0, 0, 0, 0,			/* ctime */
	0x03, 0, 0, 0, 0, 0, 0, 0,			/* atime */
	0x04, 0, 0, 0, 0, 0, 0, 0,			/* btime */
	0xff, 0xc9, 0x9a, 0x3b, 0x02, 0, 0, 0,		/* their nanoseconds */
	0x03, 0, 0, 0, 0x04, 0, 0, 0,
	0x99, 0, 0, 0, 0, 0, 0, 0,			/* change */
	0xdd, 0xcc, 0xbb, 0xaa, 0x04, 0x02, 0x01, 0x00,	/* generation, policy */
	0x77, 0, 0, 0, 0x02, 0x09, 0x50, 0x00,		/* project, compression */
	0x08, 0, 0, 0, 0x11, 0, 0, 0,			/* rdev */
};

static const struct vfsr_extent raw_extent = {
	.chunk = 0x0102030405,
	.bytes = 0x3000,
	.offset = 0x10203,
	.state = VFSR_STATE_RAW,
};

static const u8 golden_extent[] = {
	0x05, 0x04, 0x03, 0x02, 0x01, 0, 0, 0,	/* chunk */
	0x00, 0x30, 0, 0, 0, 0, 0, 0,		/* bytes */
	0x03, 0x02, 0x01, 0x00,			/* offset */
	0x00, 0x00, 0x00, 0x00,			/* state, fill, flags */
};

static const struct vfsr_extent monolith = {
	.bytes = 0x100000,
	.state = VFSR_STATE_MONOLITH,
	.fill = 0xee,
};

static const u8 golden_monolith[] = {
	0, 0, 0, 0, 0, 0, 0, 0,			/* chunk */
	0x00, 0x00, 0x10, 0, 0, 0, 0, 0,	/* bytes */
	0, 0, 0, 0,				/* offset */
	0x03, 0xee, 0x00, 0x00,			/* state, fill, flags */
};

static const struct vfsr_dirent dirent = {
	.ino = 0x1234,
	.type = VFSR_DT_DIR,
	.name_bytes = 5,
	.name = (const u8 *)"na\377me",
};

static const u8 golden_dirent[] = {
	0x34, 0x12, 0, 0, 0, 0, 0, 0, 0x04, 0x00, 'n', 'a', 0xff, 'm', 'e',
};

static const struct vfsr_xattr inline_xattr = {
	.name = (const u8 *)"user.x",
	.name_bytes = 6,
	.value_bytes = 3,
	.value = (const u8 *)"a\0b",
};

static const u8 golden_xattr[] = {
	0x03, 0, 0, 0, 0x06, 0x00, 0, 0,
	'u', 's', 'e', 'r', '.', 'x', 'a', 0, 'b',
};

static const struct vfsr_xattr chunk_xattr = {
	.name = (const u8 *)"user.x",
	.name_bytes = 6,
	.value_bytes = 0x8000,
	.chunk = 0x55,
};

static const u8 golden_chunk_xattr[] = {
	0x00, 0x80, 0, 0, 0x06, 0x01, 0, 0,
	'u', 's', 'e', 'r', '.', 'x', 0x55, 0, 0, 0, 0, 0, 0, 0,
};

/* clang-format on */

static void test_inode_golden(void **state)
{
	u8 buf[sizeof(struct vfsr_disk_inode)];
	struct vfsr_inode in = full_inode, out;

	(void)state;
	assert_int_equal(vfsr_inode_encode(&in, buf), sizeof(golden_inode));
	assert_memory_equal(buf, golden_inode, sizeof(golden_inode));
	assert_int_equal(
		vfsr_inode_decode(buf, sizeof(golden_inode), &out, NULL), 0);
	assert_int_equal(vfsr_inode_encode(&out, buf), sizeof(golden_inode));
	assert_memory_equal(buf, golden_inode, sizeof(golden_inode));
	assert_true(out.mtime.sec == -1 && out.mtime.nsec == 999999999);
	assert_true(out.size == in.size && out.parent == 1);
	assert_true(out.policy.k == 4 && out.policy.m == 2 &&
		    out.policy.r == 1);
	assert_true(out.rdev_major == 8 && out.rdev_minor == 17);
	/* what is zero at the end is not stored */
	in.rdev_major = 0;
	in.rdev_minor = 0;
	assert_int_equal(vfsr_inode_encode(&in, buf), 120);
	assert_int_equal(vfsr_inode_decode(buf, 120, &out, NULL), 0);
	in.project = 0;
	in.compress_alg = 0;
	in.compress_level = 0;
	in.compress_keep = 0;
	assert_int_equal(vfsr_inode_encode(&in, buf), 112);
	assert_int_equal(vfsr_inode_decode(buf, 112, &out, NULL), 0);
	assert_true(out.generation == in.generation && !out.project);
	/* the longest form is fine too, if its end is zero */
	buf[0] = sizeof(buf);
	assert_int_equal(vfsr_inode_decode(buf, sizeof(buf), &out, NULL), 0);
}

static void test_items_golden(void **state)
{
	u8 buf[64];
	struct vfsr_extent e;
	struct vfsr_dirent d;
	struct vfsr_xattr x;

	(void)state;
	assert_int_equal(vfsr_extent_encode(&raw_extent, buf), 24);
	assert_memory_equal(buf, golden_extent, 24);
	assert_int_equal(vfsr_extent_decode(buf, 24, 7, &e, NULL), 0);
	assert_true(e.chunk == raw_extent.chunk && e.bytes == raw_extent.bytes);
	assert_true(e.offset == raw_extent.offset && e.state == VFSR_STATE_RAW);
	assert_int_equal(vfsr_extent_encode(&monolith, buf), 24);
	assert_memory_equal(buf, golden_monolith, 24);
	assert_int_equal(vfsr_extent_decode(buf, 24, 7, &e, NULL), 0);
	assert_true(e.fill == 0xee && e.bytes == monolith.bytes && !e.chunk);

	assert_int_equal(vfsr_dirent_encode(&dirent, buf),
			 sizeof(golden_dirent));
	assert_memory_equal(buf, golden_dirent, sizeof(golden_dirent));
	assert_int_equal(
		vfsr_dirent_decode(buf, sizeof(golden_dirent), &d, NULL), 0);
	assert_true(d.ino == 0x1234 && d.type == VFSR_DT_DIR);
	assert_int_equal(d.name_bytes, 5);
	assert_memory_equal(d.name, dirent.name, 5);

	assert_int_equal(vfsr_xattr_encode(&inline_xattr, buf),
			 sizeof(golden_xattr));
	assert_memory_equal(buf, golden_xattr, sizeof(golden_xattr));
	assert_int_equal(vfsr_xattr_decode(buf, sizeof(golden_xattr), &x, NULL),
			 0);
	assert_true(x.name_bytes == 6 && x.value_bytes == 3 && !x.chunk);
	assert_memory_equal(x.name, "user.x", 6);
	assert_memory_equal(x.value, "a\0b", 3);
	assert_int_equal(vfsr_xattr_encode(&chunk_xattr, buf),
			 sizeof(golden_chunk_xattr));
	assert_memory_equal(buf, golden_chunk_xattr,
			    sizeof(golden_chunk_xattr));
	assert_int_equal(vfsr_xattr_decode(buf, sizeof(golden_chunk_xattr), &x,
					   NULL),
			 0);
	assert_true(!x.value && x.chunk == 0x55 && x.value_bytes == 0x8000);
}

/* --- refusals --- */

enum item { INODE, EXTENT, MONOLITH, DIRENT, XATTR, CHUNK_XATTR, NR_ITEMS };

static const struct {
	const u8 *bytes;
	u32 len;
} golden[NR_ITEMS] = {
	[INODE] = { golden_inode, sizeof(golden_inode) },
	[EXTENT] = { golden_extent, sizeof(golden_extent) },
	[MONOLITH] = { golden_monolith, sizeof(golden_monolith) },
	[DIRENT] = { golden_dirent, sizeof(golden_dirent) },
	[XATTR] = { golden_xattr, sizeof(golden_xattr) },
	[CHUNK_XATTR] = { golden_chunk_xattr, sizeof(golden_chunk_xattr) },
};

/* Decode; a name or value that comes out must lie within the item. */
static int decode(enum item item, const u8 *buf, u32 len, u64 block,
		  struct vfsr_fault *f)
{
	struct vfsr_inode in;
	struct vfsr_extent e;
	struct vfsr_dirent d;
	struct vfsr_xattr x;
	int rc;

	switch (item) {
	case INODE:
		return vfsr_inode_decode(buf, len, &in, f);
	case EXTENT:
	case MONOLITH:
		return vfsr_extent_decode(buf, len, block, &e, f);
	case DIRENT:
		rc = vfsr_dirent_decode(buf, len, &d, f);
		if (!rc)
			assert_true(d.name > buf &&
				    d.name + d.name_bytes == buf + len);
		return rc;
	default:
		rc = vfsr_xattr_decode(buf, len, &x, f);
		if (!rc && x.value)
			assert_true(x.name + x.name_bytes == x.value &&
				    x.value + x.value_bytes == buf + len);
		return rc;
	}
}

struct bad_case {
	const char *name;
	enum item item;
	unsigned int at;	/* byte that changes */
	u8 to;
	int longer;		/* than the golden bytes */
	enum vfsr_reason reason;
};

static const struct bad_case bad_cases[] = {
	{ "inode: own length", INODE, 0, 120, 0, VFSR_REASON_INODE },
	{ "inode: length", INODE, 0, 129, 1, VFSR_REASON_INODE },
	{ "inode: short", INODE, 0, 104, -24, VFSR_REASON_INODE },
	{ "inode: no such type", INODE, 3, 0x31, 0, VFSR_REASON_INODE },
	{ "inode: type 0", INODE, 3, 0x01, 0, VFSR_REASON_INODE },
	{ "inode: size of 2^63", INODE, 23, 0x80, 0, VFSR_REASON_INODE },
	{ "inode: parent", INODE, 47, 1, 0, VFSR_REASON_INODE },
	{ "inode: mtime", INODE, 81, 0xca, 0, VFSR_REASON_INODE },
	{ "inode: ctime", INODE, 87, 0x40, 0, VFSR_REASON_INODE },
	{ "inode: atime", INODE, 91, 0x40, 0, VFSR_REASON_INODE },
	{ "inode: btime", INODE, 95, 0x40, 0, VFSR_REASON_INODE },
	{ "inode: policy without data", INODE, 108, 0, 0,
	  VFSR_REASON_GEOMETRY },
	{ "inode: 33 columns", INODE, 108, 31, 0, VFSR_REASON_GEOMETRY },
	{ "inode: 7 parities", INODE, 109, 7, 0, VFSR_REASON_GEOMETRY },
	{ "inode: 86 rows of 6", INODE, 110, 86, 0, VFSR_REASON_GEOMETRY },
	{ "inode: algorithm", INODE, 116, 3, 0, VFSR_REASON_INODE },
	{ "inode: level", INODE, 117, 10, 0, VFSR_REASON_INODE },
	{ "inode: keep", INODE, 118, 101, 0, VFSR_REASON_INODE },
	{ "inode: padding", INODE, 119, 1, 0, VFSR_REASON_PADDING },

	{ "extent: short", EXTENT, 0, 5, -1, VFSR_REASON_SIZE },
	{ "extent: long", EXTENT, 0, 5, 1, VFSR_REASON_SIZE },
	{ "extent: chunk", EXTENT, 7, 1, 0, VFSR_REASON_ITEM },
	{ "extent: longer than a chunk", EXTENT, 10, 2, 0, VFSR_REASON_SIZE },
	{ "extent: beyond the chunk", EXTENT, 18, 2, 0, VFSR_REASON_SIZE },
	{ "extent: no bytes", EXTENT, 9, 0, 0, VFSR_REASON_SIZE },
	{ "extent: compressed", EXTENT, 20, 1, 0, VFSR_REASON_ITEM },
	{ "extent: state 4", EXTENT, 20, 4, 0, VFSR_REASON_ITEM },
	{ "extent: void with a chunk", EXTENT, 20, 2, 0, VFSR_REASON_ITEM },
	{ "extent: raw with a fill", EXTENT, 21, 1, 0, VFSR_REASON_PADDING },
	{ "extent: reserved flag", EXTENT, 22, 1, 0, VFSR_REASON_FEATURE },
	{ "extent: unknown flag", EXTENT, 23, 1, 0, VFSR_REASON_FEATURE },
	{ "monolith: end beyond 2^63", MONOLITH, 15, 0x80, 0,
	  VFSR_REASON_SIZE },
	{ "monolith: offset", MONOLITH, 16, 1, 0, VFSR_REASON_ITEM },
	{ "void with a fill", MONOLITH, 20, 2, 0, VFSR_REASON_PADDING },

	{ "dirent: head only", DIRENT, 0, 1, -5, VFSR_REASON_NAME },
	{ "dirent: short", DIRENT, 0, 1, -6, VFSR_REASON_SIZE },
	{ "dirent: ino", DIRENT, 7, 1, 0, VFSR_REASON_ITEM },
	{ "dirent: type", DIRENT, 8, 3, 0, VFSR_REASON_ITEM },
	{ "dirent: type 14", DIRENT, 8, 14, 0, VFSR_REASON_ITEM },
	{ "dirent: padding", DIRENT, 9, 1, 0, VFSR_REASON_PADDING },
	{ "dirent: slash", DIRENT, 11, '/', 0, VFSR_REASON_NAME },
	{ "dirent: NUL", DIRENT, 14, 0, 0, VFSR_REASON_NAME },
	{ "dirent: dot", DIRENT, 10, '.', -4, VFSR_REASON_NAME },

	{ "xattr: short", XATTR, 0, 3, -1, VFSR_REASON_SIZE },
	{ "xattr: head only", XATTR, 0, 3, -9, VFSR_REASON_SIZE },
	{ "xattr: half a head", XATTR, 0, 3, -10, VFSR_REASON_SIZE },
	{ "xattr: long", XATTR, 0, 3, 1, VFSR_REASON_SIZE },
	{ "xattr: value length", XATTR, 0, 4, 0, VFSR_REASON_SIZE },
	{ "xattr: value of 4 GiB", XATTR, 3, 0xff, 0, VFSR_REASON_SIZE },
	{ "xattr: no name", XATTR, 4, 0, 0, VFSR_REASON_NAME },
	{ "xattr: name length", XATTR, 4, 255, 0, VFSR_REASON_SIZE },
	{ "xattr: NUL", XATTR, 9, 0, 0, VFSR_REASON_NAME },
	{ "xattr: flag", XATTR, 5, 2, 0, VFSR_REASON_ITEM },
	{ "xattr: padding", XATTR, 7, 1, 0, VFSR_REASON_PADDING },
	{ "xattr: chunk id", CHUNK_XATTR, 14, 0, 0, VFSR_REASON_ITEM },
	{ "xattr: empty chunk", CHUNK_XATTR, 1, 0, 0, VFSR_REASON_SIZE },
	{ "xattr: chunk of 96 KiB", CHUNK_XATTR, 2, 1, 0, VFSR_REASON_SIZE },
	{ "xattr: id cut", CHUNK_XATTR, 0, 0, -1, VFSR_REASON_SIZE },
};

static void test_refused(void **state)
{
	struct vfsr_fault f;
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad_cases); i++) {
		const struct bad_case *c = &bad_cases[i];
		u32 len = (u32)((int)golden[c->item].len + c->longer);
		u8 *buf = calloc(1, len);

		assert_non_null(buf);
		memcpy(buf, golden[c->item].bytes,
		       min_t(u32, len, golden[c->item].len));
		buf[c->at] = c->to;
		memset(&f, 0, sizeof(f));
		if (decode(c->item, buf, len, 7, &f) != -EUCLEAN ||
		    f.reason != c->reason)
			fail_msg("%s: %s", c->name, vfsr_reason_name(f.reason));
		free(buf);
	}
}

static void test_limits(void **state)
{
	struct vfsr_extent e = { .bytes = 1, .state = VFSR_STATE_VOID }, out;
	const u64 last = (1ull << 51) - 1;
	u8 buf[VFSR_DIRENT_HEAD + VFSR_NAME_MAX + 1] = { 1 };
	struct vfsr_inode in = full_inode;
	struct vfsr_dirent d;
	struct vfsr_fault f;
	u32 bytes;

	(void)state;
	/* the last block of the largest file */
	vfsr_extent_encode(&e, buf);
	assert_int_equal(vfsr_extent_decode(buf, 24, last, &out, &f), 0);
	assert_int_equal(vfsr_extent_decode(buf, 24, last + 1, &out, &f),
			 -EUCLEAN);
	assert_int_equal(vfsr_extent_decode(buf, 24, ~0ull, &out, &f),
			 -EUCLEAN);
	e.bytes = 4095;
	vfsr_extent_encode(&e, buf);
	assert_int_equal(vfsr_extent_decode(buf, 24, last, &out, &f), 0);
	e.bytes = 4096;
	vfsr_extent_encode(&e, buf);
	assert_int_equal(vfsr_extent_decode(buf, 24, last, &out, &f), -EUCLEAN);
	assert_int_equal(f.reason, VFSR_REASON_SIZE);
	/* the longest name, and one byte more */
	memset(buf, 'x', sizeof(buf));
	memset(buf, 0, VFSR_DIRENT_HEAD);
	buf[0] = 1;
	buf[8] = VFSR_DT_REG;
	assert_int_equal(vfsr_dirent_decode(buf, sizeof(buf) - 1, &d, &f), 0);
	assert_int_equal(d.name_bytes, VFSR_NAME_MAX);
	assert_int_equal(vfsr_dirent_decode(buf, sizeof(buf), &d, &f),
			 -EUCLEAN);
	assert_int_equal(f.reason, VFSR_REASON_NAME);
	/* ".." but not "..." */
	memset(buf + VFSR_DIRENT_HEAD, '.', 3);
	assert_int_equal(vfsr_dirent_decode(buf, VFSR_DIRENT_HEAD + 2, &d, &f),
			 -EUCLEAN);
	assert_int_equal(vfsr_dirent_decode(buf, VFSR_DIRENT_HEAD + 3, &d, &f),
			 0);
	/* spare bytes of an inode */
	bytes = vfsr_inode_encode(&in, buf);
	assert_int_equal(bytes, 128);
	buf[0] = 136;
	buf[135] = 1;
	assert_int_equal(vfsr_inode_decode(buf, 136, &in, &f), -EUCLEAN);
	assert_int_equal(f.reason, VFSR_REASON_PADDING);
	/* without anybody to tell */
	assert_int_equal(vfsr_inode_decode(buf, 136, &in, NULL), -EUCLEAN);
}

/*
 * Random damage of bytes and lengths, in buffers without a byte to spare. What
 * a decoder takes, the encoder must give back.
 */
static void test_damaged(void **state)
{
	u8 back[VFSR_MAX_ITEM_BYTES];
	u64 rnd = 11;
	u32 n;

	(void)state;
	for (n = 0; n < 200000; n++) {
		u64 random = test_random(&rnd);
		enum item item = (enum item)(random % NR_ITEMS);
		u32 len = golden[item].len, i;
		struct vfsr_dirent d;
		struct vfsr_xattr x;
		struct vfsr_extent e;
		u8 *buf;

		if (random >> 8 & 1)
			len = (u32)(random >> 16) % (len + 1);
		/* one byte more, so that a length of 0 has a buffer */
		buf = malloc(len + 1u);
		assert_non_null(buf);
		/* the item at the end: odd addresses, and no byte behind it */
		memcpy(buf + 1, golden[item].bytes, len);
		for (i = 0; len && i < (random >> 9 & 3); i++)
			buf[1 + test_random(&rnd) % len] =
				(u8)test_random(&rnd);
		if (!decode(item, buf + 1, len, random >> 60, NULL)) {
			u32 got = len;

			if (item == EXTENT || item == MONOLITH) {
				vfsr_extent_decode(buf + 1, len, 0, &e, NULL);
				got = vfsr_extent_encode(&e, back);
			} else if (item == DIRENT) {
				vfsr_dirent_decode(buf + 1, len, &d, NULL);
				got = vfsr_dirent_encode(&d, back);
			} else if (item == XATTR || item == CHUNK_XATTR) {
				vfsr_xattr_decode(buf + 1, len, &x, NULL);
				got = vfsr_xattr_encode(&x, back);
			} else {
				memcpy(back, buf + 1, len);
			}
			assert_int_equal(got, len);
			assert_memory_equal(back, buf + 1, len);
		}
		free(buf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_inode_golden),
		cmocka_unit_test(test_items_golden),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
