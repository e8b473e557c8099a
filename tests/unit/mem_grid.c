// SPDX-License-Identifier: GPL-2.0-only
/*
 * A grid in memory, for tests of the 2-D decoder (see mem_grid.h). It is
 * encoded with the accelerated operations, whatever it is decoded with.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/gf.h"
#include "lib/accel.h"
#include "mem_grid.h"

#define THIN_BYTES	16	/* that the thin operations handle */

static u64 rng_state = 0xd1342543de82ef95ull;

u32 mem_rng(u32 below)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return (u32)((rng_state >> 32) % below);
}

static void thin_xor_into(u8 *dst, const u8 *src, size_t len_bytes)
{
	size_t i;

	assert_int_equal(len_bytes, VFSR_SECTOR_BYTES);
	for (i = 0; i < THIN_BYTES; i++)
		dst[i] ^= src[i];
}

static void thin_mul_add(u8 *dst, const u8 *src, u8 coef, size_t len_bytes)
{
	size_t i;

	assert_int_equal(len_bytes, VFSR_SECTOR_BYTES);
	for (i = 0; i < THIN_BYTES; i++)
		dst[i] ^= vfsr_gf_mul(coef, src[i]);
}

const struct vfsr_parity_ops mem_thin_ops = {
	.name = "thin",
	.xor_into = thin_xor_into,
	.mul_add = thin_mul_add,
};

size_t mem_sector_at(const struct mem_grid *gr, u32 col, u32 row)
{
	return ((size_t)row * gr->g.n + col) * VFSR_SECTOR_BYTES;
}

static u8 *cb_sector(void *ctx, u32 col, u32 row)
{
	struct mem_grid *gr = ctx;

	assert_true(col < gr->g.n && row < gr->g.rows);
	if (col == gr->unreadable)
		return NULL;
	return gr->now + mem_sector_at(gr, col, row);
}

static bool cb_rebuilt(void *ctx, u32 col, u32 row, u8 *data)
{
	struct mem_grid *gr = ctx;

	gr->nr_rebuilt++;
	assert_true(gr->bad[row] >> col & 1);
	assert_ptr_equal(data, gr->now + mem_sector_at(gr, col, row));
	if (gr->liars[row] >> col & 1)
		return false;
	return memcmp(data, gr->good + mem_sector_at(gr, col, row),
		      gr->used_bytes) == 0;
}

const struct vfsr_grid_cb mem_grid_cb = {
	.sector = cb_sector,
	.rebuilt = cb_rebuilt,
};

struct vfsr_geometry mem_small_geometry(u32 k, u32 m, u32 rows, u32 r)
{
	return (struct vfsr_geometry){
		.k = (u8)k,
		.m = (u8)m,
		.n = (u8)(k + m),
		.r = (u16)r,
		.strip_sectors = rows + 1,
		.rows = rows,
		.data_rows = rows - r,
		.depth = rows - r,
	};
}

struct vfsr_geometry mem_real_geometry(u32 k, u32 m, u32 r, u32 shift)
{
	struct vfsr_policy p = { (u8)k, (u8)m, (u16)r };
	struct vfsr_geometry g;

	assert_int_equal(vfsr_geometry_init(&g, &p, shift, 0, NULL), 0);
	return g;
}

/* Column parity of all columns, data and parity. */
static void grid_seal(struct mem_grid *gr)
{
	const struct vfsr_geometry *g = &gr->g;
	u8 *column = aligned_alloc(64, (size_t)g->rows * VFSR_SECTOR_BYTES);
	u32 col, row;

	assert_non_null(column);
	for (col = 0; col < g->n; col++) {
		for (row = 0; row < g->data_rows; row++)
			memcpy(column + (size_t)row * VFSR_SECTOR_BYTES,
			       gr->good + mem_sector_at(gr, col, row),
			       VFSR_SECTOR_BYTES);
		vfsr_column_parity(vfsr_accel_parity(), g, column, g->data_rows,
				   column + (size_t)g->data_rows *
						    VFSR_SECTOR_BYTES);
		for (; row < g->rows; row++)
			memcpy(gr->good + mem_sector_at(gr, col, row),
			       column + (size_t)row * VFSR_SECTOR_BYTES,
			       VFSR_SECTOR_BYTES);
	}
	free(column);
}

struct mem_grid *mem_grid_new(const struct vfsr_geometry *g,
			      const struct vfsr_parity_ops *ops)
{
	struct mem_grid *gr = calloc(1, sizeof(*gr));
	size_t bytes = (size_t)g->rows * g->n * VFSR_SECTOR_BYTES;
	u8 *bufs[VFSR_MAX_COLUMNS];
	u32 row, col, i;

	assert_non_null(gr);
	gr->g = *g;
	gr->ops = ops;
	gr->used_bytes = ops == &mem_thin_ops ? THIN_BYTES : VFSR_SECTOR_BYTES;
	gr->unreadable = ~0u;
	gr->good = aligned_alloc(64, bytes);
	gr->now = aligned_alloc(64, bytes);
	assert_non_null(gr->good);
	assert_non_null(gr->now);
	for (row = 0; row < g->data_rows; row++) {
		for (col = 0; col < g->n; col++) {
			bufs[col] = gr->good + mem_sector_at(gr, col, row);
			for (i = 0; i < VFSR_SECTOR_BYTES; i += 4) {
				u32 word = mem_rng(~0u);

				memcpy(bufs[col] + i, &word, 4);
			}
		}
		vfsr_accel_parity()->encode(g->k, g->m, VFSR_SECTOR_BYTES,
					    bufs);
	}
	grid_seal(gr);
	memcpy(gr->now, gr->good, bytes);
	return gr;
}

void mem_grid_free(struct mem_grid *gr)
{
	free(gr->good);
	free(gr->now);
	free(gr);
}

u32 mem_count_marks(const struct vfsr_geometry *g, const u32 *marks)
{
	u32 row, nr = 0;

	for (row = 0; row < g->rows; row++)
		nr += (u32)__builtin_popcount(marks[row]);
	return nr;
}

int mem_grid_try(struct mem_grid *gr)
{
	const struct vfsr_geometry *g = &gr->g;
	u32 row, col, marks;
	int left;

	for (row = 0; row < g->rows; row++) {
		gr->bad[row] = gr->damage[row];
		marks = gr->damage[row] | gr->silent[row];
		for (col = 0; col < g->n; col++)
			if (marks >> col & 1)
				memset(gr->now + mem_sector_at(gr, col, row),
				       MEM_GRID_GARBAGE, gr->used_bytes);
	}
	gr->nr_rebuilt = 0;
	left = vfsr_grid_decode(gr->ops, g, gr->bad, true, &mem_grid_cb, gr);
	if (left >= 0)
		assert_int_equal(mem_count_marks(g, gr->bad), left);
	for (row = 0; row < g->rows; row++) {
		marks = gr->damage[row] | gr->silent[row];
		assert_int_equal(gr->bad[row] & ~gr->damage[row], 0);
		for (col = 0; col < g->n; col++) {
			size_t at = mem_sector_at(gr, col, row);

			if (!(marks >> col & 1))
				continue;
			if (!((gr->bad[row] | gr->silent[row]) >> col & 1) &&
			    memcmp(gr->now + at, gr->good + at,
				   gr->used_bytes) != 0)
				fail_msg("wrong data at column %u row %u", col,
					 row);
			memcpy(gr->now + at, gr->good + at, gr->used_bytes);
		}
	}
	return left;
}

u32 mem_grid_count(const struct mem_grid *gr)
{
	u32 bad[MEM_GRID_ROWS];

	memcpy(bad, gr->damage, sizeof(u32) * gr->g.rows);
	return vfsr_grid_solvable(&gr->g, bad, true);
}

u32 mem_grid_try_both(struct mem_grid *gr)
{
	u32 bad[MEM_GRID_ROWS];
	int left = mem_grid_try(gr);

	memcpy(bad, gr->damage, sizeof(u32) * gr->g.rows);
	assert_int_equal(vfsr_grid_solvable(&gr->g, bad, true), left);
	assert_memory_equal(bad, gr->bad, sizeof(u32) * gr->g.rows);
	return (u32)left;
}
