// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blocks of the strip-table region: golden bytes, round trips, every
 * malformed field, and random blocks. The golden bytes were computed apart from
 * the code; if they change, the format did.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/striptab.h"
#include "format/super.h"

#define HEAD_BYTES sizeof(struct vfsr_disk_table_head)
#define ENTRY_BYTES sizeof(struct vfsr_disk_strip)
#define STRIP_SHIFT 20

static const struct vfsr_table_head sample_head = {
	.pool_uuid = { 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,
		       0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f },
	.transaction = 0x1122334455667788,
	.block = 0x01020304,
	.member = 42,
	.kind = VFSR_TABLE_STRIPS,
};

static const struct vfsr_strip sample_strip = {
	.grid = 0x123456789,
	.transaction = 0x0807060504030201,
	.policy = { .k = 4, .m = 2, .r = 1 },
	.column = 3,
	.state = VFSR_STRIP_OPEN,
	.layout = VFSR_LAYOUT_INTERLEAVED,
	.use = VFSR_USE_WARM,
};

/* An empty block at the end of its heap block, for ASan. */
static u8 *new_block(void)
{
	u8 *block = calloc(1, VFSR_SECTOR_BYTES);

	assert_non_null(block);
	return block;
}

static void golden_strips(void **state)
{
	static const u8 head[HEAD_BYTES] = {
		0x56, 0x46, 0x53, 0x54, 0xfc, 0xb7, 0xb3, 0x56, 0x10, 0x11,
		0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b,
		0x1c, 0x1d, 0x1e, 0x1f, 0x2a, 0x00, 0x02, 0x00, 0x04, 0x03,
		0x02, 0x01, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,
	};
	static const u8 entry[ENTRY_BYTES] = {
		0x89, 0x67, 0x45, 0x23, 0x01, 0x00, 0x00, 0x00,
		0x03, 0x02, 0x01, 0x02, 0x04, 0x02, 0x01, 0x00,
		0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
	};
	u8 *block = new_block();

	(void)state;
	/* the head of whatever was there before goes away */
	memset(block, 0xcc, HEAD_BYTES);
	vfsr_strip_encode(&sample_strip, block, 0);
	vfsr_strip_encode(&sample_strip, block, VFSR_STRIPS_PER_BLOCK - 1);
	assert_int_equal(vfsr_table_seal(&sample_head, block), 0x56b3b7fc);
	assert_memory_equal(block, head, sizeof(head));
	assert_memory_equal(block + HEAD_BYTES, entry, sizeof(entry));
	assert_memory_equal(block + VFSR_SECTOR_BYTES - sizeof(entry), entry,
			    sizeof(entry));
	assert_int_equal(vfsr_port_crc32c(0, block, VFSR_SECTOR_BYTES),
			 0x23904322);
	free(block);
}

static void golden_live_and_index(void **state)
{
	static const struct vfsr_table_ref first = { 0x12345678, 1 };
	static const struct vfsr_table_ref last = { 0x9abcdef0, 0 };
	struct vfsr_table_head head = sample_head;
	u8 *block = new_block();

	(void)state;
	head.kind = VFSR_TABLE_LIVE;
	head.block = 1;
	vfsr_live_set(block, 0, 0x12345678);
	vfsr_live_set(block, VFSR_LIVES_PER_BLOCK - 1, 0xffffffff);
	assert_int_equal(vfsr_table_seal(&head, block), 0xa9015c21);
	assert_int_equal(vfsr_port_crc32c(0, block, VFSR_SECTOR_BYTES),
			 0xf17c88e1);

	memset(block, 0, VFSR_SECTOR_BYTES);
	head.kind = VFSR_TABLE_INDEX;
	head.block = 0;
	vfsr_ref_set(block, 0, &first);
	vfsr_ref_set(block, VFSR_REFS_PER_BLOCK - 1, &last);
	assert_int_equal(vfsr_table_seal(&head, block), 0x9e45ce8d);
	assert_int_equal(vfsr_port_crc32c(0, block, VFSR_SECTOR_BYTES),
			 0xa8884e68);
	free(block);
}

static void strips_round_trip(void **state)
{
	struct vfsr_strip in = sample_strip;
	struct vfsr_strip out;
	u8 *block = new_block();
	unsigned int i;

	(void)state;
	for (i = 0; i < VFSR_STRIPS_PER_BLOCK; i++) {
		assert_int_equal(vfsr_strip_decode(block, i, STRIP_SHIFT, &out,
						   NULL),
				 0);
		assert_int_equal(out.grid, 0);
		in = sample_strip;
		in.grid = VFSR_MAX_GRID - i;
		in.column = i % 6;
		in.state = VFSR_STRIP_RESERVED + i % 3;
		in.use = i % VFSR_NR_USES;
		in.layout = i % VFSR_NR_LAYOUTS;
		vfsr_strip_encode(&in, block, i);
		assert_int_equal(vfsr_strip_decode(block, i, STRIP_SHIFT, &out,
						   NULL),
				 0);
		assert_true(out.grid == in.grid &&
			    out.transaction == in.transaction);
		assert_true(out.policy.k == 4 && out.policy.m == 2 &&
			    out.policy.r == 1);
		assert_true(out.column == in.column && out.state == in.state &&
			    out.use == in.use && out.layout == in.layout);
	}
	/* free strips are written as zeroes, whatever else they say */
	in.grid = 0;
	vfsr_strip_encode(&in, block, 5);
	assert_memory_equal(block + HEAD_BYTES + 5 * ENTRY_BYTES,
			    (u8[ENTRY_BYTES]){ 0 }, ENTRY_BYTES);
	assert_int_equal(vfsr_strip_decode(block, 5, STRIP_SHIFT, &out, NULL),
			 0);
	assert_int_equal(out.grid, 0);
	free(block);
}

static void malformed_strips(void **state)
{
	static const struct {
		const char *name;
		unsigned int entry, byte;
		u8 value;
		enum vfsr_reason want;
	} c[] = {
		{ "free, column", 1, 8, 1, VFSR_REASON_PADDING },
		{ "free, state", 1, 9, 1, VFSR_REASON_PADDING },
		{ "free, policy", 1, 12, 1, VFSR_REASON_PADDING },
		{ "free, transaction", 1, 16, 1, VFSR_REASON_PADDING },
		{ "free, padding", 1, 31, 1, VFSR_REASON_PADDING },
		{ "grid too large", 125, 4, 0x11, VFSR_REASON_RANGE },
		{ "grid far too large", 125, 7, 1, VFSR_REASON_RANGE },
		{ "column n", 125, 8, 6, VFSR_REASON_GEOMETRY },
		{ "column 255", 125, 8, 255, VFSR_REASON_GEOMETRY },
		{ "state free", 125, 9, 0, VFSR_REASON_STRIP },
		{ "state 4", 125, 9, 4, VFSR_REASON_STRIP },
		{ "layout 2", 125, 10, 2, VFSR_REASON_GEOMETRY },
		{ "use 4", 125, 11, 4, VFSR_REASON_STRIP },
		{ "k 0", 125, 12, 0, VFSR_REASON_GEOMETRY },
		{ "k 255", 125, 12, 255, VFSR_REASON_GEOMETRY },
		{ "m 7", 125, 13, 7, VFSR_REASON_GEOMETRY },
		{ "r 255", 125, 14, 255, VFSR_REASON_GEOMETRY },
		{ "padding", 125, 24, 1, VFSR_REASON_PADDING },
		{ "last padding", 125, 31, 128, VFSR_REASON_PADDING },
	};
	struct vfsr_strip out;
	struct vfsr_fault f;
	u8 *block = new_block();
	size_t i;
	u8 *at, before;

	(void)state;
	vfsr_strip_encode(&sample_strip, block, 125);
	for (i = 0; i < ARRAY_SIZE(c); i++) {
		at = block + HEAD_BYTES + c[i].entry * ENTRY_BYTES + c[i].byte;
		before = *at;
		*at = c[i].value;
		memset(&f, 0, sizeof(f));
		if (vfsr_strip_decode(block, c[i].entry, STRIP_SHIFT, &out,
				      &f) != -EUCLEAN ||
		    f.reason != c[i].want)
			fail_msg("%s: %s", c[i].name,
				 vfsr_reason_name(f.reason));
		assert_int_equal(f.where, c[i].entry);
		assert_int_equal(vfsr_strip_decode(block, c[i].entry,
						   STRIP_SHIFT, &out, NULL),
				 -EUCLEAN);
		*at = before;
	}
	assert_int_equal(vfsr_strip_decode(block, 125, STRIP_SHIFT, &out, NULL),
			 0);
	free(block);
}

static void live_and_refs(void **state)
{
	struct vfsr_table_ref ref;
	struct vfsr_fault f;
	u8 *block = new_block();
	unsigned int i;

	(void)state;
	for (i = 0; i < VFSR_LIVES_PER_BLOCK; i++)
		vfsr_live_set(block, i, i * 0x01010101u);
	for (i = 0; i < VFSR_LIVES_PER_BLOCK; i++)
		assert_int_equal(vfsr_live_get(block, i), i * 0x01010101u);
	for (i = 0; i < VFSR_REFS_PER_BLOCK; i++) {
		ref.crc = i * 0x01010101u;
		ref.slot = i & 1;
		vfsr_ref_set(block, i, &ref);
	}
	for (i = 0; i < VFSR_REFS_PER_BLOCK; i++) {
		assert_int_equal(vfsr_ref_get(block, i, &ref, NULL), 0);
		assert_int_equal(ref.crc, i * 0x01010101u);
		assert_int_equal(ref.slot, i & 1);
	}
	/* there are two slots */
	for (i = 1; i < 32; i++) {
		ref.slot = 1u << i;
		vfsr_ref_set(block, 503, &ref);
		assert_int_equal(vfsr_ref_get(block, 503, &ref, &f), -EUCLEAN);
		assert_int_equal(f.reason, VFSR_REASON_RANGE);
		assert_int_equal(f.where, 503);
	}
	free(block);
}

static void heads_are_checked(void **state)
{
	static const struct {
		const char *name;
		unsigned int byte, bit;
		int ret;
		enum vfsr_reason want;
	} c[] = {
		{ "magic", 0, 0, -EBADMSG, VFSR_REASON_MAGIC },
		{ "uuid", 8, 0, -EUCLEAN, VFSR_REASON_UUID },
		{ "uuid, last bit", 23, 7, -EUCLEAN, VFSR_REASON_UUID },
		{ "member", 24, 0, -EUCLEAN, VFSR_REASON_SELF },
		{ "kind", 26, 0, -EUCLEAN, VFSR_REASON_SELF },
		{ "first padding", 27, 0, -EUCLEAN, VFSR_REASON_PADDING },
		{ "block", 28, 0, -EUCLEAN, VFSR_REASON_SELF },
		{ "block, last bit", 31, 7, -EUCLEAN, VFSR_REASON_SELF },
		{ "transaction", 32, 0, 0, VFSR_REASON_NONE },
		{ "padding", 40, 0, -EUCLEAN, VFSR_REASON_PADDING },
		{ "last padding", 63, 7, -EUCLEAN, VFSR_REASON_PADDING },
		{ "body", 4095, 7, 0, VFSR_REASON_NONE },
	};
	struct vfsr_table_head want = sample_head;
	struct vfsr_fault f;
	u8 *block = new_block();
	__le32 crc_le = 0;
	size_t i;
	u32 crc;

	(void)state;
	vfsr_table_seal(&sample_head, block);
	for (i = 0; i < ARRAY_SIZE(c); i++) {
		/* with the crc made right again: a crafted block */
		block[c[i].byte] ^= (u8)(1u << c[i].bit);
		memset(block + 4, 0, 4);
		crc = vfsr_port_crc32c(0, block, VFSR_SECTOR_BYTES);
		crc_le = cpu_to_le32(crc);
		memcpy(block + 4, &crc_le, 4);
		memset(&f, 0, sizeof(f));
		want = sample_head;
		if (vfsr_table_check(block, &want, crc, &f) != c[i].ret ||
		    f.reason != c[i].want)
			fail_msg("%s: %s", c[i].name,
				 vfsr_reason_name(f.reason));
		block[c[i].byte] ^= (u8)(1u << c[i].bit);
	}
	/* the transaction is what the block says */
	want.transaction = 0;
	crc = vfsr_table_seal(&sample_head, block);
	assert_int_equal(vfsr_table_check(block, &want, crc, NULL), 0);
	assert_true(want.transaction == sample_head.transaction);
	free(block);
}

static void versions_and_damage(void **state)
{
	struct vfsr_table_head want = sample_head;
	struct vfsr_fault f;
	u8 *block = new_block();
	u32 crc, bit;

	(void)state;
	crc = vfsr_table_seal(&sample_head, block);
	/* sound, but not the version that the reference means */
	assert_int_equal(vfsr_table_check(block, &want, crc ^ 1, &f), -EBADMSG);
	assert_int_equal(f.reason, VFSR_REASON_CRC);
	for (bit = 32; bit < VFSR_SECTOR_BYTES * 8; bit += bit < 600 ? 1 : 61) {
		block[bit / 8] ^= (u8)(1u << bit % 8);
		assert_int_equal(vfsr_table_check(block, &want, crc, &f),
				 -EBADMSG);
		assert_int_equal(f.reason, VFSR_REASON_CRC);
		block[bit / 8] ^= (u8)(1u << bit % 8);
	}
	free(block);
}

/* Random blocks: any verdict; what is accepted obeys the rules. */
static void random_blocks(void **state)
{
	struct vfsr_table_head want = sample_head;
	struct vfsr_table_ref ref;
	struct vfsr_strip s;
	struct vfsr_fault f;
	u8 *block = new_block();
	unsigned int i, n;
	u64 seed = 12;

	(void)state;
	for (n = 0; n < 200; n++) {
		for (i = 0; i < VFSR_SECTOR_BYTES; i++) {
			seed = seed * 6364136223846793005ull + 1;
			/* small values, so that some entries pass */
			block[i] = (u8)(seed >> 40) & (n & 1 ? 0xff : 3);
		}
		vfsr_table_check(block, &want, n, &f);
		for (i = 0; i < VFSR_STRIPS_PER_BLOCK; i++)
			if (!vfsr_strip_decode(block, i, n % 64, &s, &f) &&
			    s.grid)
				assert_true(s.column < s.policy.k + s.policy.m);
		for (i = 0; i < VFSR_REFS_PER_BLOCK; i++)
			if (!vfsr_ref_get(block, i, &ref, &f))
				assert_in_range(ref.slot, 0, 1);
	}
	free(block);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_strips),
		cmocka_unit_test(golden_live_and_index),
		cmocka_unit_test(strips_round_trip),
		cmocka_unit_test(malformed_strips),
		cmocka_unit_test(live_and_refs),
		cmocka_unit_test(heads_are_checked),
		cmocka_unit_test(versions_and_damage),
		cmocka_unit_test(random_blocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
