// SPDX-License-Identifier: GPL-2.0-only
/*
 * Trailers of sealed strips: round trip for the extreme policies, golden bytes,
 * one impossible field at a time, and mutants.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "core/footer.h"
#include "format/super.h"
#include "prng.h"

/* Too large for the stack of a test of kernel code. */
static struct vfsr_trailer a, b;
static union {
	u8 bytes[VFSR_SECTOR_BYTES];
	struct vfsr_disk_trailer d;
} sector;

static void reseal(void)
{
	sector.d.crc = cpu_to_le32(
		vfsr_bytes_crc(&sector, sizeof(sector),
			       offsetof(struct vfsr_disk_trailer, crc)));
}

/* A trailer whose stripes are all of full depth but the last. */
static void trailer_init(struct vfsr_trailer *t, u32 k, u32 m, u32 r,
			 u32 strip_shift, u32 layout, u32 rows_used)
{
	struct vfsr_geometry g;
	u32 i;

	memset(t, 0, sizeof(*t));
	for (i = 0; i < VFSR_UUID_BYTES; i++)
		t->pool_uuid[i] = (u8)(0x20 + i);
	t->grid = 4711;
	t->transaction = 88;
	t->epoch = 2;
	t->policy = (struct vfsr_policy){ (u8)k, (u8)m, (u16)r };
	t->layout = (u8)layout;
	t->strip_shift = (u8)strip_shift;
	t->use = VFSR_USE_COLD;
	t->column = (u8)(k + m - 1);
	for (i = 0; i < k + m; i++) {
		t->strip[i] = 500 + i;
		t->device[i] = layout ? 5 : (u8)i;
	}
	for (i = 0; i < (k + m) * r; i++)
		t->parity_crc[i] = 0x01000193u * (i + 1);
	assert_int_equal(vfsr_geometry_init(&g, &t->policy, strip_shift, layout,
					    NULL),
			 0);
	t->depth = g.depth;
	t->rows_used = min_t(u32, rows_used, g.data_rows);
	for (i = 0; i < t->rows_used; i += g.depth)
		vfsr_starts_set(t->starts, i);
}

static void trailers_round_trip(void **state)
{
	static const struct {
		u32 k, m, r, shift, layout, rows;
	} t[] = {
		{ 1, 0, 0, 16, 0, 15 },	   { 1, 1, 1, 16, 0, 14 },
		{ 2, 1, 1, 20, 0, 254 },   { 16, 1, 1, 20, 1, 200 },
		{ 26, 6, 16, 20, 0, 239 }, { 32, 0, 16, 20, 1, 239 },
		{ 16, 6, 8, 24, 0, 4087 }, { 1, 0, 512, 24, 0, 3583 },
		{ 8, 2, 1, 22, 0, 0 },
	};
	struct vfsr_geometry g;
	struct vfsr_fault f;
	u32 i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		memset(&f, 0, sizeof(f));
		memset(&b, 0xff, sizeof(b));
		memset(&sector, 0xff, sizeof(sector));
		trailer_init(&a, t[i].k, t[i].m, t[i].r, t[i].shift,
			     t[i].layout, t[i].rows);
		vfsr_trailer_encode(&a, &sector);
		if (vfsr_trailer_decode(&sector, a.pool_uuid, &b, &f))
			fail_msg("case %u: %s", i, vfsr_reason_name(f.reason));
		assert_int_equal(vfsr_trailer_geometry(&b, &g, NULL), 0);
		assert_int_equal(g.n, t[i].k + t[i].m);
		assert_true(a.grid == b.grid && a.epoch == b.epoch);
		assert_true(a.transaction == b.transaction);
		assert_int_equal(a.column, b.column);
		assert_int_equal(a.use, b.use);
		assert_int_equal(a.rows_used, b.rows_used);
		assert_memory_equal(a.strip, b.strip, sizeof(a.strip));
		assert_memory_equal(a.device, b.device, sizeof(a.device));
		assert_memory_equal(a.starts, b.starts, sizeof(a.starts));
		assert_memory_equal(a.parity_crc, b.parity_crc,
				    sizeof(a.parity_crc));
	}
}

/* What lies beyond the columns does not reach the disk. */
static void leftovers_are_not_written(void **state)
{
	(void)state;
	trailer_init(&a, 2, 1, 1, 16, 0, 14);
	a.strip[3] = 1;
	a.device[31] = 1;
	a.parity_crc[3] = 1;
	vfsr_trailer_encode(&a, &sector);
	assert_int_equal(vfsr_trailer_decode(&sector, NULL, &b, NULL), 0);
	assert_int_equal(b.strip[3], 0);
}

static void trailers_are_golden(void **state)
{
	static const u8 want[80] = {
		0x56, 0x46, 0x53, 0x4c, 0xee, 0x80, 0xbd, 0x36, 0x20, 0x21,
		0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x2b,
		0x2c, 0x2d, 0x2e, 0x2f, 0x67, 0x12, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x58, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x02, 0x01, 0x03, 0x00, 0x02, 0x00, 0x10, 0x03, 0x0c, 0x00,
		0x00, 0x00, 0x0c, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	};

	(void)state;
	trailer_init(&a, 2, 1, 3, 16, 0, 12);
	vfsr_trailer_encode(&a, &sector);
	assert_memory_equal(sector.bytes, want, sizeof(want));
	assert_int_equal(vfsr_port_crc32c(0, &sector, sizeof(sector)),
			 0x393809efu);
}

#define AT(member) offsetof(struct vfsr_disk_trailer, member)

static void impossible_fields_are_refused(void **state)
{
	static const struct {
		const char *name;
		u32 at, bytes;
		u64 value;
		enum vfsr_reason reason;
	} t[] = {
		{ "as it is", AT(column), 1, 0, VFSR_REASON_NONE },
		{ "another epoch", AT(epoch), 8, ~0ull, VFSR_REASON_NONE },
		{ "grid 0", AT(grid), 8, 0, VFSR_REASON_RANGE },
		{ "grid 2^36", AT(grid), 8, 1ull << 36, VFSR_REASON_RANGE },
		{ "transaction 0", AT(transaction), 8, 0, VFSR_REASON_RANGE },
		{ "k 0", AT(policy), 1, 0, VFSR_REASON_GEOMETRY },
		{ "k 255", AT(policy), 1, 255, VFSR_REASON_GEOMETRY },
		{ "m 7", AT(policy) + 1, 1, 7, VFSR_REASON_GEOMETRY },
		{ "r 65535", AT(policy) + 2, 2, 65535, VFSR_REASON_GEOMETRY },
		{ "column 3", AT(column), 1, 3, VFSR_REASON_GEOMETRY },
		{ "layout", AT(layout), 1, 2, VFSR_REASON_GEOMETRY },
		{ "interleaved, apart", AT(layout), 1, 1, VFSR_REASON_STRIP },
		{ "strip 2^0", AT(strip_shift), 1, 0, VFSR_REASON_GEOMETRY },
		{ "use", AT(use), 1, 4, VFSR_REASON_RANGE },
		{ "depth", AT(depth), 2, 3, VFSR_REASON_GEOMETRY },
		{ "pad0", AT(pad0), 2, 1, VFSR_REASON_PADDING },
		{ "too many rows", AT(rows_used), 4, 13, VFSR_REASON_GEOMETRY },
		{ "rows 2^32 - 1", AT(rows_used), 4, ~0u,
		  VFSR_REASON_GEOMETRY },
		{ "starts beyond the rows", AT(rows_used), 4, 0,
		  VFSR_REASON_ORDER },
		{ "no start", AT(starts), 1, 0, VFSR_REASON_ORDER },
		{ "start far out", AT(starts) + 511, 1, 0x80,
		  VFSR_REASON_ORDER },
		{ "stripe of one row", AT(starts), 1, 3, VFSR_REASON_GEOMETRY },
		{ "strip number", AT(strip), 4, 1 << 20, VFSR_REASON_RANGE },
		{ "device number", AT(device), 1, 64, VFSR_REASON_RANGE },
		{ "strip beyond n", AT(strip) + 12, 4, 1, VFSR_REASON_PADDING },
		{ "device beyond n", AT(device) + 3, 1, 1,
		  VFSR_REASON_PADDING },
		{ "crc beyond n * r", AT(parity_crc) + 36, 4, 1,
		  VFSR_REASON_PADDING },
		{ "pad1", AT(pad1), 1, 1, VFSR_REASON_PADDING },
		{ "pad2", AT(pad2) + 1183, 1, 1, VFSR_REASON_PADDING },
	};
	struct vfsr_fault f;
	__le64 value;
	u32 i;
	int ret;

	(void)state;
	trailer_init(&a, 2, 1, 3, 16, 0, 12);
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		memset(&f, 0, sizeof(f));
		vfsr_trailer_encode(&a, &sector);
		value = cpu_to_le64(t[i].value);
		memcpy(sector.bytes + t[i].at, &value, t[i].bytes);
		reseal();
		ret = vfsr_trailer_decode(&sector, a.pool_uuid, &b, &f);
		if (f.reason != t[i].reason || ret != (f.reason ? -EUCLEAN : 0))
			fail_msg("%s: %d, %s", t[i].name, ret,
				 vfsr_reason_name(f.reason));
	}
}

static void strangers_are_refused(void **state)
{
	static const u8 other[VFSR_UUID_BYTES] = { 1 };
	struct vfsr_fault f;

	(void)state;
	trailer_init(&a, 2, 1, 3, 16, 0, 12);
	vfsr_trailer_encode(&a, &sector);
	assert_int_equal(vfsr_trailer_decode(&sector, NULL, &b, NULL), 0);
	assert_int_equal(vfsr_trailer_decode(&sector, other, &b, &f), -EUCLEAN);
	assert_int_equal(f.reason, VFSR_REASON_UUID);
	sector.bytes[4000] ^= 1;
	assert_int_equal(vfsr_trailer_decode(&sector, NULL, &b, &f), -EBADMSG);
	assert_int_equal(f.reason, VFSR_REASON_CRC);
	sector.bytes[0] ^= 1;
	assert_int_equal(vfsr_trailer_decode(&sector, NULL, &b, &f), -EBADMSG);
	assert_int_equal(f.reason, VFSR_REASON_MAGIC);
}

/* What passes has one encoding and stripes that can be walked. */
static void mutants_are_survived(void **state)
{
	struct vfsr_extent_rows at;
	struct vfsr_geometry g;
	u8 copy[VFSR_SECTOR_BYTES];
	u32 i, hits, row, passed = 0;

	(void)state;
	trailer_init(&a, 2, 1, 3, 16, 0, 12);
	for (i = 0; i < 30000; i++) {
		vfsr_trailer_encode(&a, &sector);
		for (hits = 1 + prng_below(3); hits; hits--)
			sector.bytes[prng_below(400)] ^=
				(u8)(1u << prng_below(8));
		reseal();
		if (vfsr_trailer_decode(&sector, NULL, &b, NULL))
			continue;
		passed++;
		memcpy(copy, sector.bytes, sizeof(copy));
		vfsr_trailer_encode(&b, &sector);
		assert_memory_equal(&sector, copy, sizeof(copy));
		assert_int_equal(vfsr_trailer_geometry(&b, &g, NULL), 0);
		for (row = 0; row < b.rows_used; row += at.depth) {
			assert_int_equal(vfsr_stripe_at(&g, b.starts,
							b.rows_used, row, &at),
					 0);
			assert_int_equal(at.row, row);
			assert_in_range(at.depth, 1, g.depth);
		}
	}
	assert_true(passed > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trailers_round_trip),
		cmocka_unit_test(leftovers_are_not_written),
		cmocka_unit_test(trailers_are_golden),
		cmocka_unit_test(impossible_fields_are_refused),
		cmocka_unit_test(strangers_are_refused),
		cmocka_unit_test(mutants_are_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
