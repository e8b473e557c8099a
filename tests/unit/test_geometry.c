// SPDX-License-Identifier: GPL-2.0-only
/*
 * Geometry of grids: limits of policies, depths (they are part of the format,
 * so golden), bitmaps of stripe starts, linear sectors, and places in
 * both layouts: bijective over the region for every legal bitmap.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/geometry.h"

#define MAX_REGION	(VFSR_MAX_COLUMNS * 4096u)

static u64 rng_state = 0x9e3779b97f4a7c15ull;

static u32 rng(u32 below)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return (u32)((rng_state >> 32) % below);
}

static void test_policy_limits(void **state)
{
	static const struct {
		const char *name;
		struct vfsr_policy p;
		unsigned int shift;
		bool ok;
		u64 have, want;
	} cases[] = {
		{ "single", { 1, 0, 0 }, 16, true, 0, 0 },
		{ "replica:7", { 1, 6, 0 }, 24, true, 0, 0 },
		{ "grid:8+2+1", { 8, 2, 1 }, 20, true, 0, 0 },
		{ "grid:26+6+16", { 26, 6, 16 }, 16, false, 16, 14 },
		{ "grid:26+6+12", { 26, 6, 12 }, 16, true, 0, 0 },
		{ "32 data columns", { 32, 0, 1 }, 16, true, 0, 0 },
		{ "strip too small", { 1, 0, 0 }, 15, false, 15, 16 },
		{ "strip too large", { 1, 0, 0 }, 25, false, 25, 24 },
		{ "strip shift absurd", { 1, 0, 0 }, 255, false, 255, 24 },
		{ "no data column", { 0, 2, 1 }, 20, false, 0, 1 },
		{ "too much parity", { 4, 7, 1 }, 20, false, 7, 6 },
		{ "too many columns", { 30, 3, 1 }, 16, false, 33, 32 },
		{ "255 columns", { 255, 6, 1 }, 16, false, 261, 32 },
		{ "k * R at the limit", { 16, 2, 1 }, 24, true, 0, 0 },
		{ "k * R too large", { 17, 2, 1 }, 24, false, 69615, 65536 },
		{ "n * r at the limit", { 10, 6, 32 }, 24, true, 0, 0 },
		{ "n * r too large", { 10, 6, 33 }, 24, false, 528, 512 },
		{ "r huge", { 1, 0, 65535 }, 24, false, 65535, 512 },
		{ "no data row", { 4, 1, 15 }, 16, false, 15, 14 },
		{ "one data row", { 4, 1, 14 }, 16, true, 0, 0 },
		{ "two data sectors", { 2, 1, 14 }, 16, false, 2, 3 },
		{ "one data sector", { 1, 1, 14 }, 16, false, 1, 3 },
		{ "three data sectors", { 1, 1, 12 }, 16, true, 0, 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vfsr_fault f = { VFSR_REASON_NONE, 0, 0, 0 };
		struct vfsr_geometry g;
		bool ok = vfsr_policy_ok(&cases[i].p, cases[i].shift, &f);
		int err = vfsr_geometry_init(&g, &cases[i].p, cases[i].shift,
					     VFSR_LAYOUT_SPREAD, NULL);

		if (ok != cases[i].ok || err != (ok ? 0 : -EINVAL))
			fail_msg("%s: wrong verdict", cases[i].name);
		if (!ok && (f.reason != VFSR_REASON_GEOMETRY ||
			    f.have != cases[i].have || f.want != cases[i].want))
			fail_msg("%s: fault has %lu, wants %lu", cases[i].name,
				 (unsigned long)f.have, (unsigned long)f.want);
	}
}

static void test_unknown_layout(void **state)
{
	struct vfsr_policy p = { 4, 2, 1 };
	struct vfsr_fault f = { VFSR_REASON_NONE, 0, 0, 0 };
	struct vfsr_geometry g;

	(void)state;
	assert_int_equal(vfsr_geometry_init(&g, &p, 20, VFSR_NR_LAYOUTS, &f),
			 -EINVAL);
	assert_int_equal(f.reason, VFSR_REASON_GEOMETRY);
	assert_int_equal(f.have, VFSR_NR_LAYOUTS);
}

static void test_golden_geometry(void **state)
{
	static const struct {
		struct vfsr_policy p;
		unsigned int shift;
		u32 rows, data_rows, depth;
	} cases[] = {
		{ { 1, 0, 0 }, 16, 15, 15, 15 },
		{ { 1, 1, 0 }, 20, 255, 255, 255 },
		{ { 1, 6, 0 }, 24, 4095, 4095, 117 },
		{ { 2, 1, 1 }, 18, 63, 62, 62 },
		{ { 4, 2, 1 }, 18, 63, 62, 62 },
		{ { 4, 2, 1 }, 20, 255, 254, 51 },
		{ { 8, 2, 1 }, 18, 63, 62, 31 },
		{ { 8, 2, 1 }, 20, 255, 254, 32 },
		{ { 8, 2, 4 }, 22, 1023, 1019, 30 },
		{ { 16, 1, 1 }, 20, 255, 254, 17 },
		{ { 16, 1, 16 }, 24, 4095, 4079, 16 },
		{ { 26, 6, 1 }, 20, 255, 254, 17 },
		{ { 32, 0, 0 }, 16, 15, 15, 15 },
	};
	struct vfsr_geometry g;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(
			vfsr_geometry_init(&g, &cases[i].p, cases[i].shift,
					   VFSR_LAYOUT_INTERLEAVED, NULL),
			0);
		assert_int_equal(g.n, cases[i].p.k + cases[i].p.m);
		assert_int_equal(g.strip_sectors, cases[i].rows + 1);
		assert_int_equal(g.rows, cases[i].rows);
		assert_int_equal(g.data_rows, cases[i].data_rows);
		if (g.depth != cases[i].depth)
			fail_msg("%u+%u+%u strip %u: depth %u, not %u", g.k,
				 g.m, g.r, cases[i].shift, g.depth,
				 cases[i].depth);
		assert_int_equal(g.data_sectors,
				 cases[i].p.k * cases[i].data_rows);
	}
}

/* Every policy that is legal gives a geometry within all limits. */
static void test_depth_limits(void **state)
{
	static const u16 rs[] = { 0, 1, 2, 3, 7, 14, 16, 100, 512 };
	struct vfsr_geometry g;
	unsigned int k, m, shift;
	size_t i;
	u32 legal = 0;

	(void)state;
	for (shift = 16; shift <= 24; shift++)
		for (k = 1; k <= 32; k++)
			for (m = 0; m <= 6; m++)
				for (i = 0; i < ARRAY_SIZE(rs); i++) {
					struct vfsr_policy p = { (u8)k, (u8)m,
								 rs[i] };

					if (vfsr_geometry_init(&g, &p, shift, 0,
							       NULL))
						continue;
					legal++;
					assert_in_range(g.depth, 1,
							g.data_rows);
					assert_true(g.n * g.depth <= 896);
					assert_true(g.depth >= 16 ||
						    g.depth == g.data_rows);
					assert_true(g.k * g.depth >= 3);
					assert_true(g.data_sectors <= 65536);
					assert_true(g.rows <=
						    VFSR_BITMAP_BYTES * 8);
				}
	assert_true(legal > 5000);
}

static void test_place_fields(void **state)
{
	u64 place = vfsr_place_make(VFSR_MAX_GRID, 0xffff, 4095);

	(void)state;
	assert_true(place == ~0ull);
	place = vfsr_place_make(0x123456789ull, 0xabcd, 0xef1);
	assert_true(place == 0x123456789abcdef1ull);
	assert_true(vfsr_place_grid(place) == 0x123456789ull);
	assert_int_equal(vfsr_place_sector(place), 0xabcd);
	assert_int_equal(vfsr_place_byte(place), 0xef1);
}

#define NO_ROW	0xffffu

static void test_starts_refused(void **state)
{
	static const struct {
		const char *name;
		u32 rows_used;
		u32 starts[4];		/* NO_ROW: none */
		enum vfsr_reason reason;
	} cases[] = {
		{ "nothing used", 0, { NO_ROW, NO_ROW, NO_ROW, NO_ROW }, 0 },
		{ "one stripe", 31, { 0, NO_ROW, NO_ROW, NO_ROW }, 0 },
		{ "short ones", 10, { 0, 1, 2, 9 }, 0 },
		{ "all rows", 62, { 0, 31, NO_ROW, NO_ROW }, 0 },
		{ "row 0 is no start",
		  32,
		  { 1, NO_ROW, NO_ROW, NO_ROW },
		  VFSR_REASON_ORDER },
		{ "no start at all",
		  32,
		  { NO_ROW, NO_ROW, NO_ROW, NO_ROW },
		  VFSR_REASON_ORDER },
		{ "start at the end",
		  20,
		  { 0, 20, NO_ROW, NO_ROW },
		  VFSR_REASON_ORDER },
		{ "start far behind",
		  20,
		  { 0, 4095, NO_ROW, NO_ROW },
		  VFSR_REASON_ORDER },
		{ "start, nothing used",
		  0,
		  { 0, NO_ROW, NO_ROW, NO_ROW },
		  VFSR_REASON_ORDER },
		{ "too deep",
		  42,
		  { 0, NO_ROW, NO_ROW, NO_ROW },
		  VFSR_REASON_GEOMETRY },
		{ "second too deep",
		  62,
		  { 0, 5, NO_ROW, NO_ROW },
		  VFSR_REASON_GEOMETRY },
		{ "more rows than there are",
		  63,
		  { 0, 31, NO_ROW, NO_ROW },
		  VFSR_REASON_GEOMETRY },
		{ "rows absurd",
		  0xffffffff,
		  { 0, 31, NO_ROW, NO_ROW },
		  VFSR_REASON_GEOMETRY },
	};
	struct vfsr_policy p = { 8, 2, 1 };
	struct vfsr_geometry g;
	size_t i, j;

	(void)state;
	assert_int_equal(vfsr_geometry_init(&g, &p, 18, 0, NULL), 0);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vfsr_fault f = { VFSR_REASON_NONE, 0, 0, 0 };
		u8 starts[VFSR_BITMAP_BYTES] = { 0 };
		bool ok;

		for (j = 0; j < 4; j++)
			if (cases[i].starts[j] != NO_ROW)
				vfsr_starts_set(starts, cases[i].starts[j]);
		ok = vfsr_starts_ok(&g, starts, cases[i].rows_used, &f);
		if (ok != (cases[i].reason == VFSR_REASON_NONE) ||
		    f.reason != cases[i].reason)
			fail_msg("%s", cases[i].name);
	}
}

/* Stripes, linear sectors and places of one legal bitmap. */
static void check_bitmap(const struct vfsr_geometry *g, const u8 *starts,
			 u32 rows_used)
{
	static u8 seen[MAX_REGION];
	struct vfsr_extent_rows at = { 0, 0 }, other;
	struct vfsr_strip_pos pos;
	u32 row, col, first = 0, sector, offset, want, c, r;

	memset(seen, 0, g->n * g->strip_sectors);
	for (row = 0; row <= g->rows; row++) {
		if (row < rows_used) {
			if (vfsr_starts_test(starts, row))
				first = row;
			assert_int_equal(vfsr_stripe_at(g, starts, rows_used,
							row, &at),
					 0);
			assert_int_equal(at.row, first);
			assert_true(row - first < at.depth);
			assert_true(first + at.depth == rows_used ||
				    vfsr_starts_test(starts, first + at.depth));
		} else {
			assert_int_equal(vfsr_stripe_at(g, starts, rows_used,
							row, &other),
					 -ERANGE);
		}
		for (col = 0; col < g->n; col++) {
			pos = vfsr_row_place(g, row < rows_used ? &at : NULL,
					     col, row);
			assert_true(pos.strip < g->n);
			assert_true(pos.sector < g->strip_sectors);
			offset = pos.strip * g->strip_sectors + pos.sector;
			assert_false(seen[offset]++);
			want = col * g->strip_sectors + row;
			if (g->layout == VFSR_LAYOUT_INTERLEAVED) {
				want = row * g->n + col;
				if (row < rows_used)
					want = at.row * g->n + col * at.depth +
					       row - at.row;
				else if (row >= g->data_rows && row < g->rows)
					want = g->data_rows * g->n +
					       col * g->r + row - g->data_rows;
			}
			assert_int_equal(offset, want);
		}
	}
	for (sector = 0; sector < rows_used * g->k; sector++) {
		assert_int_equal(vfsr_sector_locate(g, starts, rows_used,
						    sector, &at, &c, &r),
				 0);
		assert_true(c < g->k && r >= at.row && r < at.row + at.depth);
		assert_int_equal(at.row * g->k + c * at.depth + r - at.row,
				 sector);
	}
	assert_int_equal(vfsr_sector_locate(g, starts, rows_used, sector, NULL,
					    &c, &r),
			 -ERANGE);
	assert_int_equal(vfsr_sector_locate(g, starts, rows_used, ~0u, NULL, &c,
					    &r),
			 -ERANGE);
}

/* The rules of vfsr_starts_ok(), once more and plainly, for few rows. */
static bool plainly_legal(const struct vfsr_geometry *g, u32 bits,
			  u32 rows_used)
{
	u32 row, depth = 0;

	if (rows_used > g->data_rows || bits >> rows_used)
		return false;
	if (rows_used && !(bits & 1))
		return false;
	for (row = 0; row < rows_used; row++) {
		depth++;
		if (row + 1 < rows_used && !(bits >> (row + 1) & 1))
			continue;
		if (depth > g->depth || depth * g->k < 3)
			return false;
		depth = 0;
	}
	return true;
}

/* All bitmaps of small grids: the verdict, and the places of the legal ones. */
static void test_all_bitmaps(void **state)
{
	static const struct {
		struct vfsr_policy p;
		u32 depth;		/* lowered, so that it matters */
	} cases[] = {
		{ { 1, 0, 1 }, 14 }, { { 1, 2, 3 }, 6 }, { { 2, 1, 1 }, 5 },
		{ { 3, 2, 4 }, 11 }, { { 5, 0, 4 }, 3 },
	};
	struct vfsr_geometry g;
	u32 bits, rows_used, legal;
	unsigned int layout;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		for (layout = 0; layout < VFSR_NR_LAYOUTS; layout++) {
			vfsr_geometry_init(&g, &cases[i].p, 16, layout, NULL);
			g.depth = cases[i].depth;
			legal = 0;
			for (rows_used = 0; rows_used <= g.rows; rows_used++)
				for (bits = 0; bits < 1u << g.data_rows;
				     bits++) {
					u8 starts[VFSR_BITMAP_BYTES] = {
						(u8)bits, (u8)(bits >> 8)
					};
					bool ok = vfsr_starts_ok(
						&g, starts, rows_used, NULL);

					assert_int_equal(
						ok, plainly_legal(&g, bits,
								  rows_used));
					if (!ok)
						continue;
					legal++;
					check_bitmap(&g, starts, rows_used);
				}
			assert_true(legal > 20);
		}
}

static void random_starts(const struct vfsr_geometry *g, u8 *starts,
			  u32 *rows_used)
{
	u32 end = rng(4) ? g->data_rows : rng(g->data_rows + 1);
	u32 least = DIV_ROUND_UP(3, g->k);
	u32 row = 0, depth;

	memset(starts, 0, VFSR_BITMAP_BYTES);
	while (row + least <= end) {
		depth = rng(3) ? g->depth : least + rng(g->depth - least + 1);
		depth = min_t(u32, depth, end - row);
		vfsr_starts_set(starts, row);
		row += depth;
	}
	*rows_used = row;
}

static void test_random_bitmaps(void **state)
{
	static const struct {
		struct vfsr_policy p;
		unsigned int shift;
	} cases[] = {
		{ { 1, 0, 0 }, 24 },  { { 1, 1, 1 }, 20 },
		{ { 4, 2, 1 }, 18 },  { { 8, 2, 2 }, 20 },
		{ { 16, 1, 1 }, 22 }, { { 16, 6, 16 }, 24 },
		{ { 26, 6, 3 }, 20 }, { { 32, 0, 5 }, 19 },
	};
	u8 starts[VFSR_BITMAP_BYTES];
	struct vfsr_geometry g;
	u32 rows_used, round;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		for (round = 0; round < 6; round++) {
			assert_int_equal(vfsr_geometry_init(
						 &g, &cases[i].p,
						 cases[i].shift,
						 VFSR_LAYOUT_INTERLEAVED, NULL),
					 0);
			random_starts(&g, starts, &rows_used);
			assert_true(
				vfsr_starts_ok(&g, starts, rows_used, NULL));
			check_bitmap(&g, starts, rows_used);
		}
}

/* Lookups stay in bounds and end for bitmaps that nobody checked. */
static void test_hostile_bitmaps(void **state)
{
	struct vfsr_policy p = { 3, 1, 1 };
	struct vfsr_extent_rows at;
	struct vfsr_geometry g;
	u8 *starts = malloc(VFSR_BITMAP_BYTES);
	u32 round, i, row, col, rows_used;

	(void)state;
	assert_non_null(starts);
	assert_int_equal(vfsr_geometry_init(&g, &p, 24, 1, NULL), 0);
	for (round = 0; round < 200; round++) {
		for (i = 0; i < VFSR_BITMAP_BYTES; i++)
			starts[i] = round % 3 ? (u8)rng(256) : 0;
		rows_used = rng(2) ? rng(g.data_rows + 1) : rng(~0u);
		vfsr_starts_ok(&g, starts, rows_used, NULL);
		row = rng(5000);
		if (!vfsr_stripe_at(&g, starts, rows_used, row, &at)) {
			assert_true(at.row <= row && row < at.row + at.depth);
			assert_true(at.row + at.depth <= g.data_rows);
		}
		if (!vfsr_sector_locate(&g, starts, rows_used, rng(70000), &at,
					&col, &row))
			assert_true(col < g.k && row < g.data_rows);
	}
	free(starts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policy_limits),
		cmocka_unit_test(test_unknown_layout),
		cmocka_unit_test(test_golden_geometry),
		cmocka_unit_test(test_depth_limits),
		cmocka_unit_test(test_place_fields),
		cmocka_unit_test(test_starts_refused),
		cmocka_unit_test(test_all_bitmaps),
		cmocka_unit_test(test_random_bitmaps),
		cmocka_unit_test(test_hostile_bitmaps),
	};

	return cmocka_run_group_tests_name("geometry", tests, NULL, NULL);
}
