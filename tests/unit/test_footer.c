// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sealing of stripes and the check of sectors against their footer: any changed
 * bit is found, and only there; parity covers the footers physically, so that
 * every m columns come back bit for bit. Then golden bytes, and footers with
 * one impossible field each.
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

#define ALIGN_BYTES 64
#define STRIP_SHIFT 20

static u8 *work[VFSR_MAX_COLUMNS], *good[VFSR_MAX_COLUMNS];
static u8 *entries;
static u8 footer_copy[VFSR_SECTOR_BYTES] __attribute__((aligned(64)));

/* Deepest stripe of any policy: k = 1, m = 0. */
#define MAX_DEPTH VFSR_MAX_STRIPE_SECTORS
#define COLUMN_BYTES (MAX_DEPTH * VFSR_SECTOR_BYTES)

static int setup(void **state)
{
	u32 c;

	(void)state;
	entries = malloc(COLUMN_BYTES);
	for (c = 0; c < VFSR_MAX_COLUMNS; c++) {
		work[c] = aligned_alloc(ALIGN_BYTES, COLUMN_BYTES);
		good[c] = aligned_alloc(ALIGN_BYTES, COLUMN_BYTES);
		if (!entries || !work[c] || !good[c])
			return -1;
	}
	return 0;
}

static int teardown(void **state)
{
	u32 c;

	(void)state;
	free(entries);
	for (c = 0; c < VFSR_MAX_COLUMNS; c++) {
		free(work[c]);
		free(good[c]);
	}
	return 0;
}

static void label_init(struct vfsr_footer *ft, u32 k, u32 m,
		       struct vfsr_geometry *g)
{
	u32 c;

	memset(ft, 0, sizeof(*ft));
	for (c = 0; c < VFSR_UUID_BYTES; c++)
		ft->pool_uuid[c] = (u8)(0x10 + c);
	ft->grid = 77;
	ft->transaction = 1234;
	ft->base = 1233;
	ft->serial = 99;
	ft->epoch = 3;
	ft->policy = (struct vfsr_policy){ (u8)k, (u8)m, 1 };
	ft->layout = VFSR_LAYOUT_SPREAD;
	ft->strip_shift = STRIP_SHIFT;
	ft->use = VFSR_USE_WARM;
	ft->row = 5;
	for (c = 0; c < k + m; c++) {
		ft->strip[c] = 1000 + c;
		ft->device[c] = (u8)(c % 7);
	}
	assert_int_equal(vfsr_geometry_init(g, &ft->policy, STRIP_SHIFT,
					    ft->layout, NULL),
			 0);
	ft->full_depth = g->depth;
}

/* Pack random chunks into a stripe of about this depth and seal it. */
static void make_stripe(struct vfsr_footer *ft, u32 k, u32 m, u32 depth)
{
	struct vfsr_pack_result out;
	struct vfsr_chunk c = {
		.id = 20, .owner = 20, .birth = 1234, .kind = VFSR_KIND_DATA
	};
	static u8 chunk[VFSR_CHUNK_BYTES];
	struct vfsr_geometry g;
	struct vfsr_pack p;
	u8 *linear;
	u32 i, bytes;

	label_init(ft, k, m, &g);
	if (!depth)
		depth = g.depth;
	linear = malloc(k * depth * VFSR_SECTOR_BYTES);
	assert_non_null(linear);
	vfsr_pack_init(&p, linear, k * depth, entries, COLUMN_BYTES, 1234);
	prng_fill(chunk, sizeof(chunk));
	while ((bytes = vfsr_pack_room(&p, false))) {
		if (bytes > 40000)
			bytes = 1 + prng_below(30000);
		c.stored = bytes;
		c.logical = bytes;
		if (vfsr_pack_add(&p, &c, chunk + prng_below(1000)))
			break;
		c.id++;
	}
	vfsr_pack_close(&p, k, &out);
	assert_int_equal(out.depth, depth);
	ft->depth = out.depth;
	ft->row = min_t(u32, ft->row, g.data_rows - depth);
	ft->nr_entries = out.nr_entries;
	ft->entries_start = out.entries_start;
	ft->entries_bytes = out.entries_bytes;
	ft->entries_crc = out.entries_crc;
	ft->aligned_end = out.aligned_end;
	for (i = 0; i < k; i++)
		memcpy(good[i], linear + i * depth * VFSR_SECTOR_BYTES,
		       depth * VFSR_SECTOR_BYTES);
	free(linear);
	for (i = k; i < k + m; i++)
		memset(good[i], 0xee, depth * VFSR_SECTOR_BYTES);
	vfsr_stripe_seal(&vfsr_parity_scalar, ft, good);
	memcpy(footer_copy, good[0], VFSR_SECTOR_BYTES);
	for (i = 0; i < k + m; i++)
		memcpy(work[i], good[i], depth * VFSR_SECTOR_BYTES);
}

static bool check(const struct vfsr_footer *ft, u32 col, u32 row)
{
	return vfsr_stripe_check(&vfsr_parity_scalar, ft, footer_copy, col, row,
				 work[col] + row * VFSR_SECTOR_BYTES);
}

/* Every sector is right, but for one. */
static void only_this_is_wrong(const struct vfsr_footer *ft, u32 col, u32 row)
{
	u32 n = ft->policy.k + ft->policy.m, c, i;

	for (c = 0; c < n; c++) {
		for (i = 0; i < ft->depth; i++)
			assert_int_equal(check(ft, c, i), c != col || i != row);
	}
}

static const struct {
	u32 k, m, depth; /* depth 0: full */
} shapes[] = {
	{ 1, 0, 3 },  { 1, 0, 0 },  { 1, 1, 3 },  { 1, 1, 0 },	{ 1, 2, 4 },
	{ 1, 6, 3 },  { 2, 0, 2 },  { 2, 1, 2 },  { 2, 2, 7 },	{ 3, 0, 1 },
	{ 3, 1, 1 },  { 3, 2, 1 },  { 3, 6, 1 },  { 4, 2, 0 },	{ 5, 3, 2 },
	{ 8, 2, 0 },  { 8, 4, 1 },  { 16, 1, 0 }, { 16, 6, 1 }, { 26, 6, 1 },
	{ 26, 6, 0 }, { 31, 1, 1 }, { 32, 0, 1 }, { 32, 0, 0 },
};

static void sealed_stripes_check_out(void **state)
{
	struct vfsr_footer ft, again;
	struct vfsr_fault f;
	u32 i, last;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		memset(&f, 0, sizeof(f));
		memset(&again, 0, sizeof(again));
		make_stripe(&ft, shapes[i].k, shapes[i].m, shapes[i].depth);
		last = (ft.depth - 1) * VFSR_SECTOR_BYTES;
		assert_memory_equal(work[0], work[ft.policy.k - 1] + last,
				    VFSR_SECTOR_BYTES);
		if (vfsr_footer_decode(work[0], ft.pool_uuid, &again, &f))
			fail_msg("shape %u: %s", i, vfsr_reason_name(f.reason));
		assert_memory_equal(&ft, &again, sizeof(ft));
		only_this_is_wrong(&ft, VFSR_MAX_COLUMNS, 0);
		assert_memory_equal(work[ft.policy.k - 1],
				    good[ft.policy.k - 1],
				    ft.depth * VFSR_SECTOR_BYTES);
		if (ft.policy.k + ft.policy.m < VFSR_MAX_COLUMNS)
			assert_false(check(&ft, ft.policy.k + ft.policy.m, 0));
		if (ft.depth < MAX_DEPTH)
			assert_false(check(&ft, 0, ft.depth));
	}
}

static void any_changed_bit_is_found(void **state)
{
	struct vfsr_footer ft;
	u32 i, n, col, row, byte, tries;
	u8 bit;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		make_stripe(&ft, shapes[i].k, shapes[i].m, shapes[i].depth);
		n = ft.policy.k + ft.policy.m;
		tries = n * ft.depth <= 64 ? n * ft.depth : 6;
		for (; tries; tries--) {
			col = n * ft.depth <= 64 ? (tries - 1) / ft.depth :
						   prng_below(n);
			row = n * ft.depth <= 64 ? (tries - 1) % ft.depth :
						   prng_below(ft.depth);
			byte = row * VFSR_SECTOR_BYTES +
			       prng_below(VFSR_SECTOR_BYTES);
			bit = (u8)(1u << prng_below(8));
			work[col][byte] ^= bit;
			only_this_is_wrong(&ft, col, row);
			work[col][byte] ^= bit;
		}
		only_this_is_wrong(&ft, VFSR_MAX_COLUMNS, 0);
	}
}

/* The check gives the sector back as it was. */
static void a_check_changes_nothing(void **state)
{
	struct vfsr_footer ft;
	u32 c;

	(void)state;
	make_stripe(&ft, 3, 3, 1);
	for (c = 0; c < 6; c++) {
		check(&ft, c, 0);
		assert_memory_equal(work[c], good[c], VFSR_SECTOR_BYTES);
		work[c][7] ^= 1;
		check(&ft, c, 0);
		work[c][7] ^= 1;
		assert_memory_equal(work[c], good[c], VFSR_SECTOR_BYTES);
	}
}

/* Erase up to m columns, footers included: parity covers them physically. */
static void lose_and_decode(const struct vfsr_footer *ft, u32 lost)
{
	u32 k = ft->policy.k, m = ft->policy.m, c;
	size_t bytes = (size_t)ft->depth * VFSR_SECTOR_BYTES;

	for (c = 0; c < k + m; c++) {
		if (lost >> c & 1)
			prng_fill(work[c], bytes);
	}
	assert_int_equal(vfsr_row_decode(&vfsr_parity_scalar, k, m, bytes, lost,
					 work),
			 0);
	for (c = 0; c < k + m; c++)
		assert_memory_equal(work[c], good[c], bytes);
}

static void lost_columns_come_back(void **state)
{
	struct vfsr_footer ft;
	u32 i, k, m, lost, tries;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		k = shapes[i].k;
		m = shapes[i].m;
		if (!m)
			continue;
		make_stripe(&ft, k, m, shapes[i].depth);
		/* one footer, the other, both, and what chance brings */
		lose_and_decode(&ft, 1);
		lose_and_decode(&ft, 1u << (k - 1));
		if (m > 1)
			lose_and_decode(&ft, 1 | 1u << (k - 1));
		for (tries = 0; tries < 4; tries++) {
			lost = 0;
			while ((u32)__builtin_popcount(lost) < m)
				lost |= 1u << prng_below(k + m);
			lose_and_decode(&ft, lost);
		}
	}
}

/* A fixed stripe of 2+2 columns and 2 rows. */
static void make_golden(struct vfsr_footer *ft)
{
	struct vfsr_geometry g;
	u32 c, i;

	label_init(ft, 2, 2, &g);
	ft->flags = VFSR_FOOTER_COMMIT;
	ft->nr_stripes = 4;
	ft->depth = 2;
	ft->nr_entries = 1;
	ft->entries_start = 2 * VFSR_SECTOR_BYTES + 100;
	ft->entries_bytes = 20;
	ft->entries_crc = 0xdeadbeef;
	ft->aligned_end = 2;
	for (c = 0; c < 2; c++) {
		for (i = 0; i < 2 * VFSR_SECTOR_BYTES; i++)
			good[c][i] = (u8)(i * 7 + c);
	}
	vfsr_stripe_seal(&vfsr_parity_scalar, ft, good);
}

static void footers_are_golden(void **state)
{
	static const u8 want[128] = {
		0x56, 0x46, 0x53, 0x46, 0xc1, 0x4d, 0x56, 0x25, 0x10, 0x11,
		0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b,
		0x1c, 0x1d, 0x1e, 0x1f, 0x4d, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x00, 0xd2, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0xd1, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x63, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x02, 0x02, 0x01, 0x00, 0x00, 0x14,
		0x02, 0x01, 0x05, 0x00, 0x00, 0x00, 0x02, 0x00, 0x7f, 0x00,
		0x01, 0x00, 0x00, 0x00, 0x64, 0x20, 0x00, 0x00, 0x14, 0x00,
		0x00, 0x00, 0xef, 0xbe, 0xad, 0xde, 0x02, 0x00, 0x00, 0x00,
		0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	};
	/* of each sector, as it is on disk */
	static const u32 want_crc[4][2] = {
		{ 0x38762735, 0xc0143a6f },
		{ 0x904f911b, 0x38762735 },
		{ 0x30c0f7a7, 0x609b5cd3 },
		{ 0x5c424236, 0xbfb21424 },
	};
	struct vfsr_footer ft;
	u32 c, i;

	(void)state;
	make_golden(&ft);
	assert_memory_equal(good[0], want, sizeof(want));
	for (c = 0; c < 4; c++) {
		for (i = 0; i < 2; i++)
			assert_int_equal(
				vfsr_port_crc32c(
					0, good[c] + i * VFSR_SECTOR_BYTES,
					VFSR_SECTOR_BYTES),
				want_crc[c][i]);
	}
}

static void reseal(struct vfsr_disk_footer *d)
{
	d->crc = cpu_to_le32(vfsr_bytes_crc(
		d, sizeof(*d), offsetof(struct vfsr_disk_footer, crc)));
}

#define AT(member) offsetof(struct vfsr_disk_footer, member)

/* One field each of the golden footer is set to something impossible. */
static void impossible_fields_are_refused(void **state)
{
	static const struct {
		const char *name;
		u32 at, bytes;
		u64 value;
		enum vfsr_reason reason;
	} t[] = {
		{ "as it is", AT(use), 1, 2, VFSR_REASON_NONE },
		{ "grid 0", AT(grid), 8, 0, VFSR_REASON_RANGE },
		{ "grid 2^36", AT(grid), 8, 1ull << 36, VFSR_REASON_RANGE },
		{ "base too new", AT(base), 8, 1234, VFSR_REASON_ORDER },
		{ "transaction 0", AT(transaction), 8, 0, VFSR_REASON_ORDER },
		{ "k 0", AT(policy), 1, 0, VFSR_REASON_GEOMETRY },
		{ "m 7", AT(policy) + 1, 1, 7, VFSR_REASON_GEOMETRY },
		{ "r 255", AT(policy) + 2, 2, 255, VFSR_REASON_GEOMETRY },
		{ "layout", AT(layout), 1, 2, VFSR_REASON_GEOMETRY },
		{ "interleaved, apart", AT(layout), 1, 1, VFSR_REASON_STRIP },
		{ "strip 2^15", AT(strip_shift), 1, 15, VFSR_REASON_GEOMETRY },
		{ "strip 2^25", AT(strip_shift), 1, 25, VFSR_REASON_GEOMETRY },
		{ "use", AT(use), 1, 4, VFSR_REASON_RANGE },
		{ "flags", AT(flags), 1, 3, VFSR_REASON_PADDING },
		{ "count without mark", AT(flags), 1, 0, VFSR_REASON_COMMIT },
		{ "mark without count", AT(nr_stripes), 4, 0,
		  VFSR_REASON_COMMIT },
		{ "row", AT(row), 4, 253, VFSR_REASON_GEOMETRY },
		{ "row 2^32 - 1", AT(row), 4, ~0u, VFSR_REASON_GEOMETRY },
		{ "depth 0", AT(depth), 2, 0, VFSR_REASON_GEOMETRY },
		{ "depth 1", AT(depth), 2, 1, VFSR_REASON_GEOMETRY },
		{ "depth", AT(depth), 2, 500, VFSR_REASON_GEOMETRY },
		{ "full depth", AT(full_depth), 2, 2, VFSR_REASON_GEOMETRY },
		{ "too many entries", AT(nr_entries), 4, 3, VFSR_REASON_SIZE },
		{ "table start", AT(entries_start), 4, 3 * 4096 + 1,
		  VFSR_REASON_SIZE },
		{ "table start 2^32 - 1", AT(entries_start), 4, ~0u,
		  VFSR_REASON_SIZE },
		{ "table length", AT(entries_bytes), 4, 4096,
		  VFSR_REASON_SIZE },
		{ "table length 2^32 - 1", AT(entries_bytes), 4, ~0u,
		  VFSR_REASON_SIZE },
		{ "aligned end 0", AT(aligned_end), 4, 0, VFSR_REASON_SIZE },
		{ "aligned end", AT(aligned_end), 4, 3, VFSR_REASON_SIZE },
		{ "strip number", AT(strip), 4, 1 << 20, VFSR_REASON_RANGE },
		{ "device number", AT(device), 1, 64, VFSR_REASON_RANGE },
		{ "strip beyond n", AT(strip) + 16, 4, 1, VFSR_REASON_PADDING },
		{ "device beyond n", AT(device) + 4, 1, 1,
		  VFSR_REASON_PADDING },
		{ "crc of a footer", AT(sector_crc), 4, 1,
		  VFSR_REASON_PADDING },
		{ "crc of the other", AT(sector_crc) + 12, 4, 1,
		  VFSR_REASON_PADDING },
		{ "crc beyond the end", AT(sector_crc) + 32, 4, 1,
		  VFSR_REASON_PADDING },
		{ "pad0", AT(pad0) + 87, 1, 1, VFSR_REASON_PADDING },
		{ "pad1", AT(pad1) + 159, 1, 1, VFSR_REASON_PADDING },
	};
	struct vfsr_footer ft, out;
	struct vfsr_fault f;
	__le64 value;
	u32 i;
	int ret;

	(void)state;
	make_golden(&ft);
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		memset(&f, 0, sizeof(f));
		memcpy(footer_copy, good[0], VFSR_SECTOR_BYTES);
		value = cpu_to_le64(t[i].value);
		memcpy(footer_copy + t[i].at, &value, t[i].bytes);
		reseal((struct vfsr_disk_footer *)footer_copy);
		ret = vfsr_footer_decode(footer_copy, ft.pool_uuid, &out, &f);
		if (f.reason != t[i].reason || ret != (f.reason ? -EUCLEAN : 0))
			fail_msg("%s: %d, %s", t[i].name, ret,
				 vfsr_reason_name(f.reason));
	}
}

static void strangers_are_refused(void **state)
{
	static const u8 other[VFSR_UUID_BYTES] = { 1 };
	struct vfsr_footer ft, out;
	struct vfsr_disk_footer *d = (struct vfsr_disk_footer *)footer_copy;
	struct vfsr_fault f;

	(void)state;
	make_golden(&ft);
	memcpy(footer_copy, good[0], VFSR_SECTOR_BYTES);
	assert_int_equal(vfsr_footer_decode(d, NULL, &out, NULL), 0);
	assert_int_equal(vfsr_footer_decode(d, other, &out, &f), -EUCLEAN);
	assert_int_equal(f.reason, VFSR_REASON_UUID);
	d->device[1] = d->device[0];
	d->strip[1] = d->strip[0];
	reseal(d);
	assert_int_equal(vfsr_footer_decode(d, NULL, &out, &f), -EUCLEAN);
	assert_int_equal(f.reason, VFSR_REASON_TWICE);
	assert_int_equal(f.where, 1);
	d->sector_crc[1] = ~d->sector_crc[1];
	assert_int_equal(vfsr_footer_decode(d, NULL, &out, &f), -EBADMSG);
	assert_int_equal(f.reason, VFSR_REASON_CRC);
	d->magic = 0;
	assert_int_equal(vfsr_footer_decode(d, NULL, &out, &f), -EBADMSG);
	assert_int_equal(f.reason, VFSR_REASON_MAGIC);
}

/* What passes can be used: geometry, table walk, check of each sector. */
static void mutants_are_survived(void **state)
{
	struct vfsr_footer ft, out;
	struct vfsr_geometry g;
	struct vfsr_entries e;
	struct vfsr_chunk c;
	u32 i, hits, passed = 0;
	u8 *area;

	(void)state;
	make_golden(&ft);
	area = calloc(VFSR_MAX_STRIPE_SECTORS, VFSR_SECTOR_BYTES);
	assert_non_null(area);
	for (i = 0; i < 20000; i++) {
		memcpy(footer_copy, good[0], VFSR_SECTOR_BYTES);
		for (hits = 1 + prng_below(3); hits; hits--)
			footer_copy[prng_below(256)] ^=
				(u8)(1u << prng_below(8));
		reseal((struct vfsr_disk_footer *)footer_copy);
		if (vfsr_footer_decode(footer_copy, NULL, &out, NULL))
			continue;
		passed++;
		assert_int_equal(vfsr_footer_geometry(&out, &g, NULL), 0);
		vfsr_entries_init(&e, area + out.entries_start,
				  out.entries_bytes, out.nr_entries, g.k,
				  out.row, out.depth, out.entries_start,
				  out.transaction, out.grid);
		while (vfsr_entries_next(&e, &c, NULL) == 1)
			;
		vfsr_stripe_check(&vfsr_parity_scalar, &out, footer_copy,
				  prng_below(VFSR_MAX_COLUMNS),
				  prng_below(MAX_DEPTH), area);
	}
	free(area);
	assert_true(passed > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sealed_stripes_check_out),
		cmocka_unit_test(any_changed_bit_is_found),
		cmocka_unit_test(a_check_changes_nothing),
		cmocka_unit_test(lost_columns_come_back),
		cmocka_unit_test(footers_are_golden),
		cmocka_unit_test(impossible_fields_are_refused),
		cmocka_unit_test(strangers_are_refused),
		cmocka_unit_test(mutants_are_survived),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
