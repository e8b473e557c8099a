// SPDX-License-Identifier: GPL-2.0-only
/*
 * Map pages: golden bytes, round trips, every malformed field, and random
 * pages. The golden bytes were computed apart from the code; if they change,
 * the format did.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/geometry.h"
#include "core/mappage.h"

#define HEAD_BYTES sizeof(struct vfsr_disk_map_head)

static const u8 pool[VFSR_UUID_BYTES] = { 0x10, 0x11, 0x12, 0x13, 0x14, 0x15,
					  0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b,
					  0x1c, 0x1d, 0x1e, 0x1f };

/* A page at the end of its heap block, so that ASan sees what is beyond. */
static u8 *new_page(unsigned int level, u64 index)
{
	u8 *page = malloc(VFSR_NODE_BYTES);

	assert_non_null(page);
	vfsr_map_page_init(page, level, index, 9, pool);
	return page;
}

static struct vfsr_chunk sample_chunk(void)
{
	return (struct vfsr_chunk){
		.birth = 0x0102030405060708,
		.place = vfsr_place_make(0x123456789, 0xabcd, 0xef0),
		.stored = 0x12345,
		.logical = 0x20000,
		.crc = 0xdeadbeef,
		.refs = 3,
		.state = VFSR_STATE_COMPRESSED,
		.alg = VFSR_ALG_ZLIB,
		.kind = VFSR_KIND_DATA,
	};
}

static struct vfsr_chunk sample_inode(void)
{
	return (struct vfsr_chunk){
		.birth = 7,
		.place = vfsr_place_make(1, 0, 0),
		.stored = 200,
		.logical = 200,
		.crc = 0x01020304,
		.refs = 1,
		.state = VFSR_STATE_RAW,
		.kind = VFSR_KIND_INODE,
	};
}

static void golden_leaf(void **state)
{
	static const u8 head[] = {
		0x56, 0x46, 0x53, 0x4d, 0x00, 0x00, 0x00, 0x00,
		0x05, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,
		0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
	};
	static const u8 first[] = {
		0x00, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0x00,
		0x07, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x04, 0x03, 0x02, 0x01, 0x01, 0x00, 0x00, 0x00,
		0xc8, 0x00, 0x00, 0x00, 0xc8, 0x00, 0x00, 0x02,
	};
	static const u8 last[] = {
		0xf0, 0xde, 0xbc, 0x9a, 0x78, 0x56, 0x34, 0x12,
		0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01,
		0xef, 0xbe, 0xad, 0xde, 0x03, 0x00, 0x00, 0x00,
		0x45, 0x23, 0x01, 0x05, 0x00, 0x00, 0x02, 0x01,
	};
	struct vfsr_chunk c = sample_chunk();
	struct vfsr_chunk d = sample_inode();
	u8 *page = malloc(VFSR_NODE_BYTES);

	(void)state;
	assert_non_null(page);
	memset(page, 0xcc, VFSR_NODE_BYTES);
	vfsr_map_page_init(page, 0, 5, 9, pool);
	vfsr_map_page_stamp(page, 0x1122334455667788);
	vfsr_map_entry_set(page, 126, &c);
	vfsr_map_entry_set(page, 0, &d);
	assert_memory_equal(page, head, sizeof(head));
	assert_memory_equal(page + HEAD_BYTES, first, sizeof(first));
	assert_memory_equal(page + HEAD_BYTES + 126 * 32, last, sizeof(last));
	assert_int_equal(vfsr_port_crc32c(0, page, VFSR_NODE_BYTES),
			 0x63f2c111);
	free(page);
}

static void golden_interior(void **state)
{
	static const u8 head[] = {
		0x56, 0x46, 0x53, 0x4d, 0x03, 0x00, 0x00, 0x00,
		0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x09, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
	};
	static const u8 first[] = {
		0x00, 0x10, 0x00, 0x10, 0x00, 0x00, 0x00, 0x00,
		0x05, 0x00, 0x00, 0x00, 0x01, 0x20, 0x00, 0x00,
	};
	static const u8 last[] = {
		0xf0, 0xde, 0xbc, 0x9a, 0x78, 0x56, 0x34, 0x12,
		0x0d, 0xf0, 0xfe, 0xca, 0x00, 0xf0, 0xff, 0xff,
	};
	struct vfsr_map_child c = {
		.place = vfsr_place_make(0x123456789, 0xabcd, 0xef0),
		.crc = 0xcafef00d,
		.len = 4096,
		.free = VFSR_CHILD_FREE_MAX,
	};
	struct vfsr_map_child d = {
		.place = vfsr_place_make(1, 1, 0),
		.crc = 5,
		.len = 1,
		.free = 1,
	};
	u8 *page = new_page(3, 3);

	(void)state;
	vfsr_map_child_set(page, 253, &c);
	vfsr_map_child_set(page, 0, &d);
	assert_memory_equal(page, head, sizeof(head));
	assert_memory_equal(page + HEAD_BYTES, first, sizeof(first));
	assert_memory_equal(page + HEAD_BYTES + 253 * 16, last, sizeof(last));
	assert_int_equal(vfsr_port_crc32c(0, page, VFSR_NODE_BYTES),
			 0xb3e5aed8);
	free(page);
}

static void assert_same_chunk(const struct vfsr_chunk *a,
			      const struct vfsr_chunk *b)
{
	assert_true(a->id == b->id && a->owner == b->owner &&
		    a->offset == b->offset && a->birth == b->birth &&
		    a->place == b->place);
	assert_true(a->stored == b->stored && a->logical == b->logical &&
		    a->crc == b->crc && a->refs == b->refs);
	assert_true(a->state == b->state && a->alg == b->alg &&
		    a->kind == b->kind);
}

static void entries_round_trip(void **state)
{
	struct vfsr_chunk in = sample_chunk();
	struct vfsr_chunk out;
	u8 *page = new_page(0, 5);
	unsigned int i;

	(void)state;
	for (i = 0; i < VFSR_MAP_LEAF_ENTRIES; i++) {
		assert_int_equal(vfsr_map_entry_get(page, i, &out, NULL), 0);
		vfsr_map_entry_set(page, i, &in);
		assert_int_equal(vfsr_map_entry_get(page, i, &out, NULL), 1);
		in.id = 5 * VFSR_MAP_LEAF_ENTRIES + i;
		assert_same_chunk(&in, &out);
		assert_int_equal(vfsr_map_page_free(page),
				 VFSR_MAP_LEAF_ENTRIES - 1 - i);
	}
	in.place = 0;
	vfsr_map_entry_set(page, 3, &in);
	assert_int_equal(vfsr_map_entry_get(page, 3, &out, NULL), 0);
	assert_int_equal(vfsr_map_page_free(page), 1);
	free(page);
}

static void malformed_entries(void **state)
{
	enum { AT = 126, RAW_AT = 125 };
	static const struct {
		const char *name;
		unsigned int entry, byte;
		u8 value;
		enum vfsr_reason want;
	} c[] = {
		{ "free with birth", 1, 8, 1, VFSR_REASON_PADDING },
		{ "free with crc", 1, 16, 1, VFSR_REASON_PADDING },
		{ "free with refs", 1, 20, 1, VFSR_REASON_PADDING },
		{ "free with state", 1, 27, 1, VFSR_REASON_PADDING },
		{ "free with kind", 1, 31, 1, VFSR_REASON_PADDING },
		{ "free with place byte", 1, 0, 1, VFSR_REASON_RANGE },
		{ "no references", AT, 20, 0, VFSR_REASON_REFS },
		{ "inode used twice", RAW_AT, 20, 2, VFSR_REASON_REFS },
		{ "state void", AT, 27, 2 | 1 << 2, VFSR_REASON_CODEC },
		{ "state monolith", AT, 27, 3 | 1 << 2, VFSR_REASON_CODEC },
		{ "unknown algorithm", AT, 27, 1 | 2 << 2, VFSR_REASON_CODEC },
		{ "last algorithm", AT, 27, 1 | 63 << 2, VFSR_REASON_CODEC },
		{ "raw, algorithm", RAW_AT, 27, 1 << 2, VFSR_REASON_CODEC },
		{ "raw, lengths", RAW_AT, 24, 199, VFSR_REASON_SIZE },
		{ "stored too long", AT, 26, 2, VFSR_REASON_SIZE },
		{ "logical too long", AT, 28, 1, VFSR_REASON_SIZE },
		{ "logical 0", AT, 30, 0, VFSR_REASON_SIZE },
		{ "kind none", AT, 31, 0, VFSR_REASON_KIND },
		{ "kind map", RAW_AT, 31, 5, VFSR_REASON_KIND },
		{ "kind commit", AT, 31, 6, VFSR_REASON_KIND },
		{ "kind unknown", AT, 31, 7, VFSR_REASON_KIND },
		{ "kind 255", AT, 31, 255, VFSR_REASON_KIND },
	};
	struct vfsr_chunk in = sample_chunk();
	struct vfsr_chunk raw = sample_inode();
	struct vfsr_chunk out;
	struct vfsr_fault f;
	u8 *page = new_page(0, 5);
	size_t i;
	u8 *at;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(c); i++) {
		vfsr_map_page_init(page, 0, 5, 9, pool);
		vfsr_map_entry_set(page, AT, &in);
		vfsr_map_entry_set(page, RAW_AT, &raw);
		at = page + HEAD_BYTES + c[i].entry * 32 + c[i].byte;
		*at = c[i].value;
		memset(&f, 0, sizeof(f));
		if (vfsr_map_entry_get(page, c[i].entry, &out, &f) !=
			    -EUCLEAN ||
		    f.reason != c[i].want)
			fail_msg("%s: %s", c[i].name,
				 vfsr_reason_name(f.reason));
		assert_int_equal(f.where,
				 5 * VFSR_MAP_LEAF_ENTRIES + c[i].entry);
		assert_int_equal(vfsr_map_entry_get(page, c[i].entry, &out,
						    NULL),
				 -EUCLEAN);
	}
	assert_int_equal(vfsr_map_entry_get(page, VFSR_MAP_LEAF_ENTRIES, &out,
					    &f),
			 -EUCLEAN);
	assert_int_equal(f.reason, VFSR_REASON_RANGE);

	/* id 0 is never an id */
	vfsr_map_page_init(page, 0, 0, 9, pool);
	vfsr_map_entry_set(page, 0, &in);
	vfsr_map_entry_set(page, 1, &in);
	assert_int_equal(vfsr_map_entry_get(page, 0, &out, &f), -EUCLEAN);
	assert_int_equal(f.reason, VFSR_REASON_RANGE);
	assert_int_equal(vfsr_map_entry_get(page, 1, &out, &f), 1);

	/* nor is one beyond the last */
	vfsr_map_page_init(page, 0, VFSR_MAX_ID / VFSR_MAP_LEAF_ENTRIES, 9,
			   pool);
	i = VFSR_MAX_ID % VFSR_MAP_LEAF_ENTRIES;
	vfsr_map_entry_set(page, i, &in);
	vfsr_map_entry_set(page, i + 1, &in);
	assert_int_equal(vfsr_map_entry_get(page, i, &out, &f), 1);
	assert_int_equal(out.id, VFSR_MAX_ID);
	assert_int_equal(vfsr_map_entry_get(page, i + 1, &out, &f), -EUCLEAN);
	assert_int_equal(f.reason, VFSR_REASON_RANGE);
	free(page);
}

static void children(void **state)
{
	static const struct {
		const char *name;
		u64 place;
		unsigned int level;
		u32 len, free;
		enum vfsr_reason want; /* NONE: good */
	} c[] = {
		{ "leaf", 1 << 28, 1, 4096, 127, VFSR_REASON_NONE },
		{ "small", 1 << 28, 1, 1, 0, VFSR_REASON_NONE },
		{ "wide", 1 << 28, 2, 77, 127 * 254, VFSR_REASON_NONE },
		{ "saturated", 1 << 28, 3, 77, VFSR_CHILD_FREE_MAX,
		  VFSR_REASON_NONE },
		{ "grid 0", (1 << 28) - 1, 1, 10, 0, VFSR_REASON_RANGE },
		{ "length 0", 1 << 28, 1, 0, 0, VFSR_REASON_SIZE },
		{ "length 4097", 1 << 28, 1, 4097, 0, VFSR_REASON_SIZE },
		{ "length 8191", 1 << 28, 1, 8191, 0, VFSR_REASON_SIZE },
		{ "too many free", 1 << 28, 1, 10, 128, VFSR_REASON_SIZE },
		{ "far too many", 1 << 28, 2, 10, 127 * 254 + 1,
		  VFSR_REASON_SIZE },
	};
	struct vfsr_map_child in, out;
	struct vfsr_fault f;
	u8 *page;
	size_t i;
	int ret;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(c); i++) {
		page = new_page(c[i].level, 0);
		in = (struct vfsr_map_child){ .place = c[i].place,
					      .crc = 0xcafef00d,
					      .len = c[i].len,
					      .free = c[i].free };
		assert_int_equal(vfsr_map_child_get(page, 253, &out, NULL), 0);
		vfsr_map_child_set(page, 253, &in);
		memset(&f, 0, sizeof(f));
		ret = vfsr_map_child_get(page, 253, &out, &f);
		if (f.reason != c[i].want)
			fail_msg("%s: %s", c[i].name,
				 vfsr_reason_name(f.reason));
		assert_int_equal(ret, f.reason ? -EUCLEAN : 1);
		if (ret == 1)
			assert_true(in.place == out.place &&
				    in.crc == out.crc && in.len == out.len &&
				    in.free == out.free);
		else
			assert_int_equal(f.where, 253);
		in.place = 0;
		vfsr_map_child_set(page, 253, &in);
		assert_int_equal(vfsr_map_child_get(page, 253, &out, NULL), 0);
		page[HEAD_BYTES + 253 * 16 + 15] = 1;
		assert_int_equal(vfsr_map_child_get(page, 253, &out, &f),
				 -EUCLEAN);
		assert_int_equal(f.reason, VFSR_REASON_PADDING);
		assert_int_equal(vfsr_map_child_get(page, 254, &out, &f),
				 -EUCLEAN);
		assert_int_equal(f.reason, VFSR_REASON_RANGE);
		free(page);
	}
}

static void malformed_heads(void **state)
{
	static const struct {
		const char *name;
		unsigned int byte, bit;
		enum vfsr_reason want;
	} c[] = {
		{ "magic", 0, 0, VFSR_REASON_MAGIC },
		{ "magic, last bit", 3, 7, VFSR_REASON_MAGIC },
		{ "level", 4, 0, VFSR_REASON_SELF },
		{ "first padding", 5, 0, VFSR_REASON_PADDING },
		{ "last padding", 7, 7, VFSR_REASON_PADDING },
		{ "index", 8, 0, VFSR_REASON_SELF },
		{ "index, last bit", 15, 7, VFSR_REASON_SELF },
		{ "transaction", 16, 0, VFSR_REASON_NONE },
		{ "pool", 24, 0, VFSR_REASON_UUID },
		{ "pool, last bit", 31, 7, VFSR_REASON_UUID },
	};
	u8 *page = new_page(2, 77);
	struct vfsr_fault f;
	size_t i;
	int ret;

	(void)state;
	assert_int_equal(vfsr_map_page_check(page, 2, 77, pool, NULL), 0);
	for (i = 0; i < ARRAY_SIZE(c); i++) {
		page[c[i].byte] ^= (u8)(1u << c[i].bit);
		memset(&f, 0, sizeof(f));
		ret = vfsr_map_page_check(page, 2, 77, pool, &f);
		if (f.reason != c[i].want)
			fail_msg("%s: %s", c[i].name,
				 vfsr_reason_name(f.reason));
		assert_int_equal(ret, f.reason ? -EUCLEAN : 0);
		page[c[i].byte] ^= (u8)(1u << c[i].bit);
	}
	/* levels and pages that no map has, even if they say so themselves */
	vfsr_map_page_init(page, VFSR_MAP_MAX_LEVELS, 0, 9, pool);
	assert_int_equal(vfsr_map_page_check(page, VFSR_MAP_MAX_LEVELS, 0, pool,
					     &f),
			 -EUCLEAN);
	assert_int_equal(f.reason, VFSR_REASON_RANGE);
	vfsr_map_page_init(page, 0, VFSR_MAX_ID, 9, pool);
	assert_int_equal(vfsr_map_page_check(page, 0, VFSR_MAX_ID, pool, &f),
			 -EUCLEAN);
	assert_int_equal(f.reason, VFSR_REASON_RANGE);
	free(page);
}

static void sizes_of_the_tree(void **state)
{
	static const struct {
		u64 next_id;
		unsigned int levels;
	} c[] = {
		{ 0, 1 },
		{ 1, 1 },
		{ 127, 1 },
		{ 128, 2 },
		{ 32258, 2 },
		{ 32259, 3 },
		{ 8193532, 3 },
		{ 8193533, 4 },
		{ 2081157128ull, 4 },
		{ 2081157129ull, 5 },
		{ VFSR_MAX_ID, 7 },
		{ ~0ull, 7 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(c); i++)
		assert_int_equal(vfsr_map_levels(c[i].next_id), c[i].levels);
	assert_int_equal(vfsr_map_span(0), 127);
	assert_int_equal(vfsr_map_span(1), 127 * 254);
	assert_true(vfsr_map_span(6) == 127 * 268535866540096ull);
	assert_true(vfsr_map_span(200) == vfsr_map_span(7));
}

static void free_counts(void **state)
{
	struct vfsr_map_child c = { .place = 1 << 28, .len = 9 };
	u8 *page = new_page(1, 0);

	(void)state;
	assert_int_equal(vfsr_map_page_free(page), 127 * 254);
	c.free = 20;
	vfsr_map_child_set(page, 7, &c);
	assert_int_equal(vfsr_map_page_free(page), 127 * 253 + 20);
	vfsr_map_page_init(page, 2, 0, 9, pool);
	assert_int_equal(vfsr_map_page_free(page), VFSR_CHILD_FREE_MAX);
	vfsr_map_page_init(page, 6, 0, 9, pool);
	assert_int_equal(vfsr_map_page_free(page), VFSR_CHILD_FREE_MAX);
	assert_int_equal(vfsr_map_len_free(4096, 3), 3 << 13 | 4096);
	assert_int_equal(vfsr_map_len_free(1, VFSR_CHILD_FREE_MAX + 1ull),
			 0xffffe001);
	assert_int_equal(vfsr_map_len_free(0, ~0ull), 0xffffe000);
	free(page);
}

/* Random pages: any verdict; what is accepted obeys the rules. */
static void random_pages(void **state)
{
	u8 *page = malloc(VFSR_NODE_BYTES);
	struct vfsr_map_child child;
	struct vfsr_chunk c;
	struct vfsr_fault f;
	unsigned int i, n;
	u64 seed = 11;

	(void)state;
	assert_non_null(page);
	for (n = 0; n < 200; n++) {
		for (i = 0; i < VFSR_NODE_BYTES; i++) {
			seed = seed * 6364136223846793005ull + 1;
			/* sparse, so that some entries pass */
			page[i] = n & 1 && i & 3 ? 0 : (u8)(seed >> 40);
		}
		vfsr_map_page_check(page, n % 8, n, pool, &f);
		vfsr_map_page_free(page);
		for (i = 0; i < VFSR_MAP_LEAF_ENTRIES; i++)
			if (vfsr_map_entry_get(page, i, &c, &f) == 1)
				assert_true(vfsr_chunk_ok(&c, NULL));
		for (i = 0; i < VFSR_MAP_FANOUT; i++)
			if (vfsr_map_child_get(page, i, &child, &f) == 1)
				assert_in_range(child.len, 1, VFSR_NODE_BYTES);
	}
	free(page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_leaf),
		cmocka_unit_test(golden_interior),
		cmocka_unit_test(entries_round_trip),
		cmocka_unit_test(malformed_entries),
		cmocka_unit_test(children),
		cmocka_unit_test(malformed_heads),
		cmocka_unit_test(sizes_of_the_tree),
		cmocka_unit_test(free_counts),
		cmocka_unit_test(random_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
