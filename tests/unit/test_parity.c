// SPDX-License-Identifier: GPL-2.0-only
/*
 * Row parity: golden coefficients, proof that the code is MDS for every
 * supported (k, m), encoding and rebuilding on data, column parity, and the
 * accelerated operations against the scalar ones.
 *
 * Coefficients do not depend on k, so what holds for the largest k of an m holds
 * for every smaller one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/gf.h"
#include "core/parity.h"
#include "lib/accel.h"

#define MAX_BYTES	(2 * VFSR_SECTOR_BYTES)
#define ALIGN_BYTES	64

static u64 rng_state = 0x2545f4914f6cdd1dull;

static u32 rng(u32 below)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return (u32)((rng_state >> 32) % below);
}

/* Two sets of columns: one to work on, one to compare with. */
static u8 *work[VFSR_MAX_COLUMNS];
static u8 *good[VFSR_MAX_COLUMNS];

static void fill(u8 *data, size_t len_bytes)
{
	size_t i;

	for (i = 0; i < len_bytes; i++)
		data[i] = (u8)rng(256);
}

static int setup(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < VFSR_MAX_COLUMNS; i++) {
		work[i] = aligned_alloc(ALIGN_BYTES, MAX_BYTES);
		good[i] = aligned_alloc(ALIGN_BYTES, MAX_BYTES);
		if (!work[i] || !good[i])
			return -1;
		fill(good[i], MAX_BYTES);
	}
	return 0;
}

static int teardown(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < VFSR_MAX_COLUMNS; i++) {
		free(work[i]);
		free(good[i]);
	}
	return 0;
}

/* The first two rows are RAID-6's P and Q, the third for m = 3 its square;
 * the Cauchy rows follow from the formula in parity.h. */
static void test_golden_coefficients(void **state)
{
	static const struct {
		unsigned int m, j;
		u8 coef[26];
	} cases[] = {
		{ 3, 2, { 0x01, 0x04, 0x10, 0x40, 0x1d, 0x74, 0xcd, 0x13, 0x4c,
			  0x2d, 0xb4, 0xea, 0x8f, 0x06, 0x18, 0x60, 0x9d, 0x4e,
			  0x25, 0x94, 0x6a, 0xb5, 0xee, 0x9f, 0x46, 0x05 } },
		{ 6, 0, { 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01,
			  0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01,
			  0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01 } },
		{ 6, 1, { 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1d,
			  0x3a, 0x74, 0xe8, 0xcd, 0x87, 0x13, 0x26, 0x4c, 0x98,
			  0x2d, 0x5a, 0xb4, 0x75, 0xea, 0xc9, 0x8f, 0x03 } },
		{ 6, 2, { 0x01, 0xf5, 0xd2, 0xc4, 0x9a, 0x71, 0xf1, 0x7f, 0xfc,
			  0x87, 0xc1, 0xc6, 0x19, 0x2f, 0x40, 0x55, 0x3d, 0xba,
			  0x53, 0x04, 0x9c, 0x61, 0x34, 0x8c, 0x46, 0x68 } },
		{ 6, 3, { 0x01, 0xbb, 0xa6, 0xd7, 0xc7, 0x07, 0xce, 0x82, 0x4a,
			  0x2f, 0xa5, 0x9b, 0xb6, 0x60, 0xf1, 0xad, 0xe7, 0xf4,
			  0x06, 0xd2, 0xdf, 0x2e, 0xca, 0x65, 0x5c, 0x48 } },
		{ 6, 4, { 0x01, 0x97, 0x7f, 0x9c, 0x7c, 0x18, 0xbd, 0xa2, 0x58,
			  0x1a, 0xda, 0x74, 0x70, 0xa3, 0xe5, 0x47, 0x29, 0x07,
			  0xf5, 0x80, 0x23, 0xe9, 0xfa, 0x46, 0x54, 0xa0 } },
		{ 6, 5, { 0x01, 0x2b, 0x3f, 0xcf, 0x73, 0x2c, 0xd6, 0xed, 0xcb,
			  0x74, 0x15, 0x78, 0x8a, 0xc1, 0x17, 0xc9, 0x89, 0x68,
			  0x21, 0xab, 0x76, 0x3b, 0x4b, 0x5a, 0x6e, 0x0e } },
	};
	unsigned int m, i, j;
	size_t c;

	(void)state;
	for (c = 0; c < ARRAY_SIZE(cases); c++)
		for (i = 0; i < ARRAY_SIZE(cases[c].coef); i++)
			if (vfsr_parity_coef(cases[c].m, cases[c].j, i) !=
			    cases[c].coef[i])
				fail_msg("m %u parity %u column %u", cases[c].m,
					 cases[c].j, i);
	/* smaller matrices are the upper parts of larger ones of their kind */
	for (m = 1; m <= 6; m++)
		for (j = 0; j < m; j++)
			for (i = 0; i < VFSR_MAX_COLUMNS - m; i++)
				assert_int_equal(
					vfsr_parity_coef(m, j, i),
					vfsr_parity_coef(m <= 3 ? 3 : 6, j, i));
}

/* The next ascending choice of @count out of @total; false after the last. */
static bool next_choice(u8 *choice, unsigned int count, unsigned int total)
{
	unsigned int i, j;

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

static void first_choice(u8 *choice, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		choice[i] = (u8)i;
}

/* Is the square matrix regular? Elimination below the diagonal. */
static bool regular(u8 a[6][6], unsigned int n)
{
	unsigned int c, row, i;
	u8 f, t;

	for (c = 0; c < n; c++) {
		for (row = c; row < n && !a[row][c]; row++)
			;
		if (row == n)
			return false;
		for (i = c; i < n; i++) {
			t = a[c][i];
			a[c][i] = a[row][i];
			a[row][i] = t;
		}
		f = vfsr_gf_inv(a[c][c]);
		for (row = c + 1; row < n; row++) {
			u8 g = vfsr_gf_mul(a[row][c], f);

			for (i = c; g && i < n; i++)
				a[row][i] ^= vfsr_gf_mul(g, a[c][i]);
		}
	}
	return true;
}

/*
 * A systematic code is MDS if and only if every square submatrix of its parity
 * part is regular (MacWilliams and Sloane, chapter 11, theorem 8).
 */
static u32 check_minors(unsigned int m, unsigned int k, unsigned int size)
{
	u8 coef[6][VFSR_MAX_COLUMNS];
	u8 cols[6], rows[6], a[6][6];
	unsigned int i, j;
	u32 checked = 0;

	for (j = 0; j < m; j++)
		for (i = 0; i < k; i++)
			coef[j][i] = vfsr_parity_coef(m, j, i);
	first_choice(rows, size);
	do {
		first_choice(cols, size);
		do {
			for (j = 0; j < size; j++)
				for (i = 0; i < size; i++)
					a[j][i] = coef[rows[j]][cols[i]];
			assert_true(regular(a, size));
			checked++;
		} while (next_choice(cols, size, k));
	} while (next_choice(rows, size, m));
	return checked;
}

static u32 choose(u32 n, u32 k)
{
	u64 c = 1;
	u32 i;

	for (i = 0; i < k; i++)
		c = c * (n - i) / (i + 1);
	return (u32)c;
}

static void test_mds_all_minors(void **state)
{
	unsigned int m, size, k;

	(void)state;
	for (m = 1; m <= VFSR_MAX_PARITY; m++) {
		k = VFSR_MAX_COLUMNS - m;
		for (size = 1; size <= m; size++)
			assert_int_equal(check_minors(m, k, size),
					 choose(k, size) * choose(m, size));
	}
}

/* One codeword of single bytes. */
static void codeword(unsigned int k, unsigned int m, u8 *word)
{
	unsigned int i, j;

	for (i = 0; i < k; i++)
		word[i] = (u8)rng(256);
	for (j = 0; j < m; j++) {
		word[k + j] = 0;
		for (i = 0; i < k; i++)
			word[k + j] ^=
				vfsr_gf_mul(vfsr_parity_coef(m, j, i), word[i]);
	}
}

/* Does vfsr_row_matrix() give back what is lost of a codeword? */
static void check_loss(unsigned int k, unsigned int m, u32 lost, const u8 *word)
{
	u8 from[VFSR_MAX_COLUMNS], mat[6 * VFSR_MAX_COLUMNS];
	int nr = vfsr_row_matrix(k, m, lost, from, mat);
	unsigned int s, col, l = 0;
	u8 sum;

	assert_int_equal(nr, __builtin_popcount(lost));
	for (s = 0; s < k; s++) {
		assert_false(lost >> from[s] & 1);
		assert_true(from[s] < k + m);
		assert_true(!s || from[s] > from[s - 1]);
	}
	for (col = 0; col < k + m; col++) {
		if (!(lost >> col & 1))
			continue;
		for (s = 0, sum = 0; s < k; s++)
			sum ^= vfsr_gf_mul(mat[l * k + s], word[from[s]]);
		if (sum != word[col])
			fail_msg("%u+%u lost %#x: column %u", k, m, lost, col);
		l++;
	}
}

/* Every loss of up to m columns of every small (k, m), and of the widest
 * grids with m <= 5; m = 6 at full width densely. */
static void test_matrix_every_loss(void **state)
{
	u8 word[VFSR_MAX_COLUMNS], choice[6];
	unsigned int k, m, n, count, i;
	u32 lost, nr = 0;

	(void)state;
	for (m = 0; m <= VFSR_MAX_PARITY; m++)
		for (k = 1; k <= VFSR_MAX_COLUMNS - m; k++) {
			n = k + m;
			if (n > 12 && n < VFSR_MAX_COLUMNS)
				continue;
			for (count = 0; count <= m; count++) {
				codeword(k, m, word);
				first_choice(choice, count);
				do {
					/* every 5th of the 906,192 widest */
					if (n == VFSR_MAX_COLUMNS &&
					    count == 6 && nr++ % 5)
						continue;
					for (i = 0, lost = 0; i < count; i++)
						lost |= 1u << choice[i];
					check_loss(k, m, lost, word);
				} while (next_choice(choice, count, n));
			}
		}
}

static void test_matrix_sampled(void **state)
{
	u8 word[VFSR_MAX_COLUMNS];
	unsigned int k, m, round, i;
	u32 lost;

	(void)state;
	for (m = 1; m <= VFSR_MAX_PARITY; m++)
		for (k = 1; k <= VFSR_MAX_COLUMNS - m; k++) {
			codeword(k, m, word);
			for (round = 0; round < 100; round++) {
				for (i = 0, lost = 0; i < m; i++)
					lost |= 1u << rng(k + m);
				check_loss(k, m, lost, word);
			}
		}
}

static void test_matrix_too_many_lost(void **state)
{
	u8 from[VFSR_MAX_COLUMNS], mat[6 * VFSR_MAX_COLUMNS];

	(void)state;
	assert_int_equal(vfsr_row_matrix(4, 0, 1, from, mat), -EIO);
	assert_int_equal(vfsr_row_matrix(4, 1, 3, from, mat), -EIO);
	assert_int_equal(vfsr_row_matrix(1, 6, 0x7f, from, mat), -EIO);
	assert_int_equal(vfsr_row_matrix(26, 6, ~0u, from, mat), -EIO);
	assert_int_equal(vfsr_row_matrix(26, 6, 0xfe000000, from, mat), -EIO);
	assert_int_equal(vfsr_row_matrix(4, 0, 0, from, mat), 0);
}

static const struct vfsr_parity_ops *ops_of(unsigned int i)
{
	return i ? vfsr_accel_parity() : &vfsr_parity_scalar;
}

/* Products by the definition, one byte at a time. */
static void slow_mul_add(u8 *dst, const u8 *src, u8 coef, size_t len_bytes)
{
	u8 product[256];
	unsigned int v;
	size_t i;

	for (v = 0; v < 256; v++)
		product[v] = vfsr_gf_mul((u8)v, coef);
	for (i = 0; i < len_bytes; i++)
		dst[i] ^= product[src[i]];
}

static void test_mul_add_all_coefficients(void **state)
{
	unsigned int o, coef;
	size_t len;

	(void)state;
	for (o = 0; o < 2; o++)
		for (coef = 0; coef < 256; coef++) {
			len = coef % 2 ? MAX_BYTES : VFSR_SECTOR_BYTES;
			memcpy(work[0], good[0], MAX_BYTES);
			memcpy(work[1], good[0], MAX_BYTES);
			memcpy(work[2], good[1], MAX_BYTES);
			ops_of(o)->mul_add(work[0], work[2], (u8)coef, len);
			slow_mul_add(work[1], work[2], (u8)coef, len);
			if (memcmp(work[0], work[1], MAX_BYTES) != 0)
				fail_msg("%s: coefficient %u", ops_of(o)->name,
					 coef);
			assert_memory_equal(work[2], good[1], MAX_BYTES);
			if (coef != 1)
				continue;
			memcpy(work[0], good[0], MAX_BYTES);
			ops_of(o)->xor_into(work[0], work[2], len);
			assert_memory_equal(work[0], work[1], MAX_BYTES);
		}
}

/* Every (k, m), scalar and accelerated, against the definition. */
static void test_encode(void **state)
{
	unsigned int o, k, m, i, j;
	size_t len;

	(void)state;
	for (m = 0; m <= VFSR_MAX_PARITY; m++)
		for (k = 1; k <= VFSR_MAX_COLUMNS - m; k++) {
			len = k % 4 ? VFSR_SECTOR_BYTES : MAX_BYTES;
			for (j = 0; j < m; j++) {
				memset(good[k + j], 0, MAX_BYTES);
				for (i = 0; i < k; i++)
					slow_mul_add(good[k + j], good[i],
						     vfsr_parity_coef(m, j, i),
						     len);
			}
			for (o = 0; o < 2; o++) {
				for (i = 0; i < k; i++)
					memcpy(work[i], good[i], len);
				for (j = 0; j < m; j++)
					fill(work[k + j], 64);
				ops_of(o)->encode(k, m, len, work);
				for (i = 0; i < k + m; i++)
					if (memcmp(work[i], good[i], len) != 0)
						fail_msg("%s %u+%u column %u",
							 ops_of(o)->name, k, m,
							 i);
			}
			for (j = 0; j < m; j++)
				fill(good[k + j], MAX_BYTES);
		}
}

static void test_row_decode(void **state)
{
	unsigned int o, k, m, i, n;
	u32 lost;

	(void)state;
	for (m = 1; m <= VFSR_MAX_PARITY; m++)
		for (k = 1; k <= VFSR_MAX_COLUMNS - m; k += 1 + k / 4) {
			n = k + m;
			vfsr_parity_scalar.encode(k, m, MAX_BYTES, good);
			for (o = 0; o < 2; o++) {
				for (i = 0, lost = 0; i < m; i++)
					lost |= 1u << rng(n);
				for (i = 0; i < n; i++) {
					memcpy(work[i], good[i], MAX_BYTES);
					if (lost >> i & 1)
						memset(work[i], 0xee,
						       MAX_BYTES);
				}
				assert_int_equal(vfsr_row_decode(ops_of(o), k,
								 m, MAX_BYTES,
								 lost, work),
						 0);
				for (i = 0; i < n; i++)
					assert_memory_equal(work[i], good[i],
							    MAX_BYTES);
			}
		}
}

static void test_row_decode_refuses(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < 6; i++)
		memcpy(work[i], good[i], MAX_BYTES);
	assert_int_equal(vfsr_row_decode(&vfsr_parity_scalar, 4, 2, MAX_BYTES,
					 0x13, work),
			 -EIO);
	for (i = 0; i < 6; i++)
		assert_memory_equal(work[i], good[i], MAX_BYTES);
}

/* Any r neighbouring rows are in r different classes, whatever R and r. */
static void test_classes(void **state)
{
	struct vfsr_geometry g = { .n = 1 };
	u8 seen[512];
	u32 row, i, parity;

	(void)state;
	for (g.rows = 15; g.rows <= 255; g.rows = g.rows * 2 + 1)
		for (g.r = 1; g.r < g.rows; g.r += 1 + g.r / 8) {
			g.data_rows = g.rows - g.r;
			for (row = 0; row + g.r <= g.rows; row++) {
				memset(seen, 0, sizeof(seen));
				for (i = row; i < row + g.r; i++) {
					parity = vfsr_parity_row(&g, i);
					assert_in_range(parity, g.data_rows,
							g.rows - 1);
					assert_int_equal(parity % g.r, i % g.r);
					assert_false(
						seen[parity - g.data_rows]++);
				}
			}
		}
}

static void test_column_parity(void **state)
{
	static const struct {
		u32 rows, r, rows_used;
	} cases[] = {
		{ 15, 0, 15 }, { 15, 1, 14 }, { 15, 2, 13 }, { 15, 4, 7 },
		{ 15, 3, 0 },  { 15, 14, 1 }, { 63, 5, 58 }, { 63, 40, 23 },
		{ 15, 2, 15 },	/* more than there are: the rest is not read */
	};
	size_t c;

	(void)state;
	for (c = 0; c < ARRAY_SIZE(cases); c++) {
		struct vfsr_geometry g = {
			.rows = cases[c].rows,
			.r = (u16)cases[c].r,
			.data_rows = cases[c].rows - cases[c].r,
		};
		u32 used = min_t(u32, cases[c].rows_used, g.data_rows);
		u8 *all =
			aligned_alloc(ALIGN_BYTES, g.rows * VFSR_SECTOR_BYTES);
		u8 *sums = calloc(g.r + 1u, VFSR_SECTOR_BYTES);
		u32 row, i;

		assert_non_null(all);
		assert_non_null(sums);
		fill(all, g.rows * VFSR_SECTOR_BYTES);
		vfsr_column_parity(vfsr_accel_parity(), &g, all,
				   cases[c].rows_used,
				   all + g.data_rows * VFSR_SECTOR_BYTES);
		for (row = 0; g.r && row < g.rows; row++)
			for (i = 0; i < VFSR_SECTOR_BYTES; i++)
				if (row < used || row >= g.data_rows)
					sums[row % g.r * VFSR_SECTOR_BYTES + i] ^=
						all[row * VFSR_SECTOR_BYTES + i];
		for (i = 0; i < g.r * VFSR_SECTOR_BYTES; i++)
			assert_int_equal(sums[i], 0);
		free(sums);
		free(all);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden_coefficients),
		cmocka_unit_test(test_mds_all_minors),
		cmocka_unit_test(test_matrix_every_loss),
		cmocka_unit_test(test_matrix_sampled),
		cmocka_unit_test(test_matrix_too_many_lost),
		cmocka_unit_test(test_mul_add_all_coefficients),
		cmocka_unit_test(test_encode),
		cmocka_unit_test(test_row_decode),
		cmocka_unit_test(test_row_decode_refuses),
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_column_parity),
	};

	return cmocka_run_group_tests_name("parity", tests, setup, teardown);
}
