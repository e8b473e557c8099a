// SPDX-License-Identifier: GPL-2.0-only
/*
 * The 2-D decoder. Exhaustive on small grids: every pattern of up to 2m + 1
 * bad sectors comes back, and of those with 2(m + 1) exactly the rectangles
 * are fatal. Then the guarantees on real sizes: random and adversarial
 * patterns, and m whole devices with a burst on each survivor.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/accel.h"
#include "mem_grid.h"

#define MAX_CELLS	64	/* of exhaustive grids */

static bool next_choice(u8 *choice, u32 count, u32 total)
{
	u32 i, j;

	for (i = count; i-- > 0;) {
		if (choice[i] + 1u > total - count + i)
			continue;
		choice[i]++;
		for (j = i + 1; j < count; j++)
			choice[j] = choice[j - 1] + 1;
		return true;
	}
	return false;
}

/* Every choice of @count cells; the number of those that leave something. */
static u32 try_all_patterns(struct mem_grid *gr, u32 count)
{
	u32 n = gr->g.n, i, left, fatal = 0;
	u8 cell[MAX_CELLS];

	for (i = 0; i < count; i++)
		cell[i] = (u8)i;
	do {
		memset(gr->damage, 0, sizeof(u32) * gr->g.rows);
		for (i = 0; i < count; i++)
			gr->damage[cell[i] / n] |= 1u << cell[i] % n;
		left = mem_grid_try_both(gr);
		/* nothing smaller than the whole pattern can be fatal */
		assert_true(left == 0 || left == count);
		fatal += left != 0;
	} while (next_choice(cell, count, n * gr->g.rows));
	return fatal;
}

static u32 choose(u32 n, u32 k)
{
	u64 c = 1;
	u32 i;

	for (i = 0; i < k; i++)
		c = c * (n - i) / (i + 1);
	return k > n ? 0 : (u32)c;
}

/* Sets of m + 1 columns in two rows of one class. */
static u32 rectangles(const struct vfsr_geometry *g)
{
	u32 cls, pairs = 0;

	for (cls = 0; cls < g->r; cls++)
		pairs += choose((g->rows - cls + g->r - 1) / g->r, 2);
	return choose(g->n, g->m + 1u) * pairs;
}

static void test_every_pattern(void **state)
{
	static const struct {
		u32 k, m, rows, r;
		u32 fatal;	/* patterns of 2(m + 1); 0: see rectangles() */
	} cases[] = {
		{ 1, 0, 4, 1, 6 },   { 3, 0, 5, 1, 30 },  { 3, 0, 7, 2, 0 },
		{ 1, 1, 6, 1, 15 },  { 4, 1, 5, 1, 100 }, { 2, 1, 7, 2, 27 },
		{ 5, 1, 6, 3, 0 },   { 3, 2, 4, 1, 60 },  { 1, 2, 7, 1, 0 },
		{ 2, 2, 6, 1, 0 },   { 4, 2, 4, 1, 120 }, { 3, 2, 5, 2, 0 },
		{ 2, 3, 4, 1, 30 },  { 1, 3, 5, 1, 10 },  { 3, 3, 3, 1, 45 },
		{ 2, 3, 4, 2, 10 },  { 1, 4, 4, 1, 6 },   { 1, 5, 3, 1, 3 },
	};
	struct vfsr_geometry g;
	u32 count, limit;
	size_t c;

	(void)state;
	for (c = 0; c < ARRAY_SIZE(cases); c++) {
		struct mem_grid *gr;

		g = mem_small_geometry(cases[c].k, cases[c].m, cases[c].rows,
				       cases[c].r);
		gr = mem_grid_new(&g, &mem_thin_ops);
		limit = 2u * g.m + 1;
		for (count = 0; count <= limit; count++)
			if (try_all_patterns(gr, count))
				fail_msg("%u+%u+%u: loses %u sectors", g.k, g.m,
					 g.r, count);
		count = try_all_patterns(gr, limit + 1);
		assert_int_equal(count, rectangles(&g));
		if (cases[c].fatal)
			assert_int_equal(count, cases[c].fatal);
		mem_grid_free(gr);
	}
}

/* Again with whole sectors and the operations that the tools use. */
static void test_every_pattern_whole_sectors(void **state)
{
	struct vfsr_geometry g = mem_small_geometry(4, 1, 5, 1);
	u32 count, o;

	(void)state;
	for (o = 0; o < 2; o++) {
		struct mem_grid *gr = mem_grid_new(&g, o ? vfsr_accel_parity() :
							   &vfsr_parity_scalar);

		for (count = 0; count <= 3; count++)
			assert_int_equal(try_all_patterns(gr, count), 0);
		mem_grid_free(gr);
	}
}

/* Grids of real sizes, for the tests below. */
static const struct {
	u32 k, m, r, shift;
} real[] = {
	{ 1, 0, 1, 16 },   { 4, 0, 4, 20 },   { 1, 1, 1, 20 },
	{ 1, 2, 3, 20 },   { 4, 2, 1, 18 },   { 8, 2, 1, 18 },
	{ 8, 2, 2, 20 },   { 16, 1, 1, 20 },  { 16, 1, 16, 24 },
	{ 10, 3, 5, 22 },  { 12, 4, 16, 22 }, { 26, 6, 1, 18 },
	{ 26, 6, 16, 20 }, { 16, 5, 7, 24 },  { 10, 6, 16, 24 },
};

/* @count different cells out of @nr_cols columns and rows @rows[]. */
static void random_cells(struct mem_grid *gr, u32 count, const u32 *cols,
			 u32 nr_cols, const u32 *rows, u32 nr_rows)
{
	u32 row, col;

	memset(gr->damage, 0, sizeof(u32) * gr->g.rows);
	while (count) {
		row = rows ? rows[mem_rng(nr_rows)] : mem_rng(gr->g.rows);
		col = cols ? cols[mem_rng(nr_cols)] : mem_rng(gr->g.n);
		if (gr->damage[row] >> col & 1)
			continue;
		gr->damage[row] |= 1u << col;
		count--;
	}
}

/* Different columns, and different rows of one class where it has so many. */
static u32 pick(const struct vfsr_geometry *g, u32 *cols, u32 nr_cols,
		u32 *rows, u32 nr_rows)
{
	u32 cls = mem_rng(g->r);
	u32 size = (g->rows - cls + g->r - 1) / g->r;
	u32 i, j;

	for (i = 0; i < nr_cols; i++)
		do {
			cols[i] = mem_rng(g->n);
			for (j = 0; cols[j] != cols[i]; j++)
				;
		} while (j < i);
	nr_rows = min_t(u32, nr_rows, size);
	for (i = 0; i < nr_rows; i++)
		do {
			rows[i] = cls + mem_rng(size) * g->r;
			for (j = 0; rows[j] != rows[i]; j++)
				;
		} while (j < i);
	return nr_rows;
}

/* Up to 2m + 1 anywhere, then crowded where rectangles could arise. */
static void test_real_sizes_sampled(void **state)
{
	u32 cols[8] = { 0 }, rows[4] = { 0 }, nr_cols, nr_rows, round, limit;
	size_t c;

	(void)state;
	for (c = 0; c < ARRAY_SIZE(real); c++) {
		struct vfsr_geometry g = mem_real_geometry(
			real[c].k, real[c].m, real[c].r, real[c].shift);
		struct mem_grid *gr = calloc(1, sizeof(*gr));

		assert_non_null(gr);
		gr->g = g;
		limit = 2u * g.m + 1;
		for (round = 0; round < 300; round++) {
			random_cells(gr, 1 + mem_rng(limit), NULL, 0, NULL, 0);
			assert_int_equal(mem_grid_count(gr), 0);
			nr_cols = min_t(u32, g.m + 2u, g.n);
			nr_rows = pick(&g, cols, nr_cols, rows, 4);
			random_cells(gr, min_t(u32, limit, nr_cols * nr_rows),
				     cols, nr_cols, rows, nr_rows);
			assert_int_equal(mem_grid_count(gr), 0);
		}
		free(gr);
	}
}

/* The same with data, for the sizes that fit a test. */
static void test_sampled_with_data(void **state)
{
	static const struct {
		u32 k, m, r, shift;
	} cases[] = {
		{ 8, 2, 1, 18 },  { 4, 2, 3, 17 },  { 1, 4, 2, 17 },
		{ 12, 4, 1, 17 }, { 10, 5, 2, 17 }, { 26, 6, 1, 16 },
		{ 6, 6, 4, 17 },  { 5, 0, 2, 17 },
	};
	u32 cols[8] = { 0 }, rows[4] = { 0 }, nr_rows, round, limit;
	size_t c;

	(void)state;
	for (c = 0; c < ARRAY_SIZE(cases); c++) {
		struct vfsr_geometry g = mem_real_geometry(
			cases[c].k, cases[c].m, cases[c].r, cases[c].shift);
		struct mem_grid *gr = mem_grid_new(&g, vfsr_accel_parity());

		limit = 2u * g.m + 1;
		for (round = 0; round < 100; round++) {
			random_cells(gr, 1 + mem_rng(limit), NULL, 0, NULL, 0);
			assert_int_equal(mem_grid_try_both(gr), 0);
			nr_rows = pick(&g, cols, g.m + 1u, rows, 3);
			random_cells(gr,
				     min_t(u32, limit, (g.m + 1u) * nr_rows),
				     cols, g.m + 1u, rows, nr_rows);
			assert_int_equal(mem_grid_try_both(gr), 0);
			/* far beyond the guarantee: whatever is left is said */
			random_cells(gr, g.rows * g.n * mem_rng(60) / 100, NULL,
				     0, NULL, 0);
			mem_grid_try_both(gr);
		}
		mem_grid_free(gr);
	}
}

static void test_smallest_fatal_pattern(void **state)
{
	u32 cols[8] = { 0 }, rows[4] = { 0 }, round, i, cells;
	size_t c;

	(void)state;
	for (c = 0; c < ARRAY_SIZE(real); c++) {
		struct vfsr_geometry g = mem_real_geometry(
			real[c].k, real[c].m, real[c].r, real[c].shift);
		bool data = g.rows * g.n < 700;
		struct mem_grid *gr =
			data ? mem_grid_new(&g, vfsr_accel_parity()) :
			       calloc(1, sizeof(*gr));

		assert_non_null(gr);
		gr->g = g;
		cells = 2 * (g.m + 1u);
		for (round = 0; round < 40; round++) {
			pick(&g, cols, g.m + 1u, rows, 2);
			memset(gr->damage, 0, sizeof(u32) * g.rows);
			for (i = 0; i < cells; i++)
				gr->damage[rows[i % 2]] |= 1u << cols[i / 2];
			assert_int_equal(data ? mem_grid_try_both(gr) :
						mem_grid_count(gr),
					 cells);
			/* any one of them less is enough */
			gr->damage[rows[round % 2]] &= ~(1u << cols[0]);
			assert_int_equal(data ? mem_grid_try_both(gr) :
						mem_grid_count(gr),
					 0);
		}
		if (data)
			mem_grid_free(gr);
		else
			free(gr);
	}
}

/* m columns that are lost: the first, the last, or any. */
static u32 lost_columns(const struct vfsr_geometry *g, u32 how)
{
	u32 mask = 0, col;

	if (how < 2)
		return ((1u << g->m) - 1) << (how ? g->k : 0);
	while ((u32)__builtin_popcount(mask) < g->m) {
		col = mem_rng(g->n);
		mask |= 1u << col;
	}
	return mask;
}

/* Lose columns and, on each survivor, @len rows from @at (or anywhere) on. */
static void damage_bursts(struct mem_grid *gr, u32 lost, u32 len, u32 at,
			  bool same)
{
	u32 col, row, first;

	for (row = 0; row < gr->g.rows; row++)
		gr->damage[row] = lost;
	for (col = 0; col < gr->g.n; col++) {
		first = same ? at : mem_rng(gr->g.rows - len + 1);
		for (row = first; row < first + len; row++)
			gr->damage[row] |= 1u << col;
	}
}

static void test_devices_and_bursts(void **state)
{
	u32 at, how, len;
	size_t c;

	(void)state;
	for (c = 0; c < ARRAY_SIZE(real); c++) {
		struct vfsr_geometry g = mem_real_geometry(
			real[c].k, real[c].m, real[c].r, real[c].shift);
		struct mem_grid *gr = calloc(1, sizeof(*gr));

		assert_non_null(gr);
		gr->g = g;
		for (at = 0; at + g.r <= g.rows; at++)
			for (how = 0; how < 3; how++) {
				if (g.rows > 1000 && how != at % 3)
					continue;
				damage_bursts(gr, lost_columns(&g, how), g.r,
					      at, true);
				if (mem_grid_count(gr))
					fail_msg("%u+%u+%u: burst at row %u",
						 g.k, g.m, g.r, at);
				len = 1 + mem_rng(g.r);
				damage_bursts(gr, lost_columns(&g, how), len, 0,
					      false);
				assert_int_equal(mem_grid_count(gr), 0);
			}
		/* a burst of one row more is too much, and is said to be */
		for (at = 0; at + g.r < g.rows; at += 1 + g.rows / 50) {
			damage_bursts(gr, lost_columns(&g, 2), g.r + 1u, at,
				      true);
			assert_int_equal(mem_grid_count(gr), 2u * g.n);
		}
		free(gr);
	}
}

static void test_devices_and_bursts_with_data(void **state)
{
	static const struct {
		u32 k, m, r, shift;
	} cases[] = {
		{ 4, 2, 1, 16 }, { 4, 2, 2, 16 }, { 1, 2, 3, 16 },
		{ 8, 1, 4, 16 }, { 3, 0, 3, 16 }, { 10, 6, 3, 16 },
		{ 8, 3, 8, 17 },
	};
	u32 at;
	size_t c;

	(void)state;
	for (c = 0; c < ARRAY_SIZE(cases); c++) {
		struct vfsr_geometry g = mem_real_geometry(
			cases[c].k, cases[c].m, cases[c].r, cases[c].shift);
		struct mem_grid *gr = mem_grid_new(&g, vfsr_accel_parity());

		for (at = 0; at + g.r <= g.rows; at++) {
			damage_bursts(gr, lost_columns(&g, at % 3), g.r, at,
				      true);
			assert_int_equal(mem_grid_try_both(gr), 0);
		}
		mem_grid_free(gr);
	}
}

/* m = 1: iterative decoding reaches everything that any decoder could; a
 * chain of sectors that each need the one before. */
static void test_long_chain(void **state)
{
	struct vfsr_geometry g = mem_real_geometry(15, 1, 1, 18);
	struct mem_grid *gr = mem_grid_new(&g, vfsr_accel_parity());
	u32 i;

	(void)state;
	/* row i and i + 1 share column i: solved from the end only */
	for (i = 0; i < 15; i++) {
		gr->damage[i] |= 1u << i;
		gr->damage[i + 1] |= 1u << i;
	}
	assert_int_equal(mem_grid_try_both(gr), 0);
	/* closed to a ring it is fatal as a whole */
	gr->damage[0] |= 1u << 15;
	gr->damage[15] |= 1u << 15;
	assert_int_equal(mem_grid_try_both(gr), 32);
	mem_grid_free(gr);
}

static void test_open_grid(void **state)
{
	struct vfsr_geometry g = mem_real_geometry(4, 2, 2, 16);
	struct mem_grid *gr = mem_grid_new(&g, vfsr_accel_parity());
	u32 row, col, left;

	(void)state;
	/* two bad in every row, in parity rows as well: those do not exist */
	for (row = 0; row < g.rows; row++) {
		gr->bad[row] = row % 2 ? 0x21 : 0x0a;
		gr->bad[row] |= row >= g.data_rows ? 0x3f : 0;
	}
	gr->bad[3] |= 4;
	memcpy(gr->damage, gr->bad, sizeof(gr->damage));
	left = vfsr_grid_solvable(&g, gr->bad, false);
	assert_int_equal(left, 3);
	memcpy(gr->bad, gr->damage, sizeof(gr->bad));
	for (row = 0; row < g.rows; row++)
		for (col = 0; col < g.n; col++)
			if (gr->bad[row] >> col & 1)
				memset(gr->now + mem_sector_at(gr, col, row),
				       MEM_GRID_GARBAGE, VFSR_SECTOR_BYTES);
	assert_int_equal(vfsr_grid_decode(gr->ops, &g, gr->bad, false,
					  &mem_grid_cb, gr),
			 3);
	for (row = 0; row < g.data_rows; row++) {
		assert_int_equal(gr->bad[row], row == 3 ? 0x25 : 0);
		if (row != 3)
			assert_memory_equal(gr->now + mem_sector_at(gr, 0, row),
					    gr->good +
						    mem_sector_at(gr, 0, row),
					    g.n * VFSR_SECTOR_BYTES);
	}
	for (; row < g.rows; row++)
		assert_int_equal(gr->bad[row], 0x3f);
	mem_grid_free(gr);
}

static void test_nothing_bad(void **state)
{
	struct vfsr_geometry g = mem_real_geometry(4, 2, 1, 16);
	struct mem_grid *gr = mem_grid_new(&g, vfsr_accel_parity());

	(void)state;
	/* not even read: no column can be had */
	gr->unreadable = 0;
	assert_int_equal(mem_grid_try_both(gr), 0);
	assert_int_equal(gr->nr_rebuilt, 0);
	mem_grid_free(gr);
}

/* No column parity at all (r = 0): rows alone, no division by r. */
static void test_without_column_parity(void **state)
{
	struct vfsr_geometry g = mem_real_geometry(3, 1, 0, 16);
	struct mem_grid *gr = mem_grid_new(&g, vfsr_accel_parity());

	(void)state;
	gr->damage[0] = 1;
	gr->damage[5] = 8;
	gr->damage[14] = 2;
	assert_int_equal(mem_grid_try_both(gr), 0);
	gr->damage[5] = 9;
	assert_int_equal(mem_grid_try_both(gr), 2);
	mem_grid_free(gr);

	g = mem_real_geometry(3, 0, 0, 16);
	gr = mem_grid_new(&g, vfsr_accel_parity());
	gr->damage[2] = 4;
	assert_int_equal(mem_grid_try_both(gr), 1);
	mem_grid_free(gr);
}

static void test_unreadable_sector(void **state)
{
	struct vfsr_geometry g = mem_real_geometry(4, 1, 1, 16);
	struct mem_grid *gr = mem_grid_new(&g, vfsr_accel_parity());

	(void)state;
	gr->unreadable = 2;
	gr->damage[3] = 1;	/* needs column 2 as a source */
	assert_int_equal(mem_grid_try(gr), -EIO);
	gr->damage[3] = 4;	/* needs room in column 2 */
	assert_int_equal(mem_grid_try(gr), -EIO);
	gr->damage[3] = 5;	/* the run of column 0 works, then the row */
	assert_int_equal(mem_grid_try(gr), -EIO);
	mem_grid_free(gr);
}

/* A good sector is silently wrong: its row fails, the column still works. */
static void test_refused_row_goes_by_column(void **state)
{
	struct vfsr_geometry g = mem_real_geometry(4, 2, 1, 16);
	struct mem_grid *gr = mem_grid_new(&g, vfsr_accel_parity());

	(void)state;
	gr->damage[3] = 2;
	gr->silent[3] = 1;
	assert_int_equal(mem_grid_try(gr), 0);
	assert_int_equal(gr->nr_rebuilt, 2);
	/* silent in the same column as well: stays bad, each way tried once */
	gr->silent[7] = 2;
	assert_int_equal(mem_grid_try(gr), 1);
	assert_int_equal(gr->nr_rebuilt, 2);
	/* silent in another row of the column alone: the row works */
	gr->silent[3] = 0;
	assert_int_equal(mem_grid_try(gr), 0);
	assert_int_equal(gr->nr_rebuilt, 1);
	mem_grid_free(gr);
}

/*
 * Sectors that are never accepted, and silent damage, anywhere: the decoder
 * ends, calls nothing good that is not, and does not ask too often. A row
 * is tried once and again for each of its sectors that a column gave back, a
 * sector by its column once and again for each that a row gave back.
 */
static void test_refusals_end(void **state)
{
	struct vfsr_geometry g = mem_real_geometry(6, 2, 2, 16);
	struct mem_grid *gr = mem_grid_new(&g, vfsr_accel_parity());
	u32 round, row, damaged;

	(void)state;
	for (round = 0; round < 1500; round++) {
		random_cells(gr, mem_rng(40), NULL, 0, NULL, 0);
		damaged = mem_count_marks(&g, gr->damage);
		for (row = 0; row < g.rows; row++) {
			gr->liars[row] = mem_rng(3) ? 0 : mem_rng(256);
			gr->silent[row] = mem_rng(12) ? 0 : 1u << mem_rng(8);
			gr->silent[row] &= ~gr->damage[row];
		}
		mem_grid_try(gr);
		for (row = 0; row < g.rows; row++)
			assert_int_equal(gr->damage[row] & gr->liars[row] &
						 ~gr->bad[row],
					 0);
		assert_true(gr->nr_rebuilt <= damaged * (2 + 2 * g.m));
	}
	mem_grid_free(gr);
}

/* Mask bits of columns that do not exist change nothing. */
static void test_stray_bits(void **state)
{
	struct vfsr_geometry g = mem_real_geometry(4, 2, 1, 16);
	u32 bad[15] = { 0 };

	(void)state;
	bad[4] = 0xffffffc1;
	bad[9] = 0xffffffc0;
	assert_int_equal(vfsr_grid_solvable(&g, bad, true), 0);
	assert_int_equal(bad[4], 0xffffffc0);
	assert_int_equal(bad[9], 0xffffffc0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_pattern),
		cmocka_unit_test(test_every_pattern_whole_sectors),
		cmocka_unit_test(test_real_sizes_sampled),
		cmocka_unit_test(test_sampled_with_data),
		cmocka_unit_test(test_smallest_fatal_pattern),
		cmocka_unit_test(test_devices_and_bursts),
		cmocka_unit_test(test_devices_and_bursts_with_data),
		cmocka_unit_test(test_long_chain),
		cmocka_unit_test(test_open_grid),
		cmocka_unit_test(test_nothing_bad),
		cmocka_unit_test(test_without_column_parity),
		cmocka_unit_test(test_unreadable_sector),
		cmocka_unit_test(test_refused_row_goes_by_column),
		cmocka_unit_test(test_refusals_end),
		cmocka_unit_test(test_stray_bits),
	};

	return cmocka_run_group_tests_name("grid_decode", tests, NULL, NULL);
}
