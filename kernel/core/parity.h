/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Row parity (an MDS code over GF(256), polynomial 0x11d) and the 2-D grid.
 *
 * Coefficient of parity j at data column i: 1, 2^i, 4^i for m <= 3 (j = 0, 1
 * are RAID-6's P and Q). For m = 4..6: rows 1 and 2^i, then
 * 1 / (2^-i + 2^(j-1)) scaled to 1 in column 0: an extended Cauchy matrix.
 * Heavy lifting goes through struct vfsr_parity_ops, so that SIMD versions
 * live outside of the core.
 */
#ifndef VFSR_CORE_PARITY_H
#define VFSR_CORE_PARITY_H

#include "core/geometry.h"

/* Vector operations; `len_bytes` is a multiple of 4096, buffers of 64-byte
 * alignment, never overlapping. */
struct vfsr_parity_ops {
	const char *name;
	/* dst ^= src */
	void (*xor_into)(u8 *dst, const u8 *src, size_t len_bytes);
	/* dst ^= coef * src */
	void (*mul_add)(u8 *dst, const u8 *src, u8 coef, size_t len_bytes);
	/* bufs[k + j] = sum of coef(j, i) * bufs[i]; all k + m buffers set */
	void (*encode)(unsigned int k, unsigned int m, size_t len_bytes,
		       u8 *const *bufs);
};

/* Portable versions, 64 bits at a time. */
extern const struct vfsr_parity_ops vfsr_parity_scalar;

/**
 * vfsr_parity_coef - coefficient of parity @j at data column @i
 * @m: parity columns of the policy (decides the matrix), 1..6
 * @j: parity column, 0..m-1
 * @i: data column, 0..k-1
 *
 * Return: the coefficient, never 0.
 */
u8 vfsr_parity_coef(unsigned int m, unsigned int j, unsigned int i);

/**
 * vfsr_row_matrix - rows to rebuild lost columns from survivors
 * @k: data columns
 * @m: parity columns
 * @lost: bit mask of lost columns, data or parity, at most m bits
 * @from: out: the k columns that are used, ascending
 * @mat: out: @mat[l * k + s] is the coefficient of column @from[s] for the
 *	 l-th lost column in ascending order; room for 6 * 32
 *
 * Inverts, by Gauss-Jordan elimination, the part of the code that joins lost
 * data columns and the first surviving parities.
 *
 * Return: number of lost columns, or -EIO if more than m are lost.
 */
int vfsr_row_matrix(unsigned int k, unsigned int m, u32 lost, u8 *from,
		    u8 *mat);

/**
 * vfsr_row_decode - rebuild lost columns of one or more rows
 * @ops: vector operations
 * @k: data columns
 * @m: parity columns
 * @len_bytes: of each buffer, a multiple of 4096
 * @lost: bit mask of lost columns
 * @bufs: k + m buffers of @len_bytes; lost ones are overwritten
 *
 * Return: 0 or -EIO if more than m are lost (nothing is written then).
 */
int vfsr_row_decode(const struct vfsr_parity_ops *ops, unsigned int k,
		    unsigned int m, size_t len_bytes, u32 lost,
		    u8 *const *bufs);

/**
 * vfsr_parity_row - the column-parity row that covers a row
 * @g: geometry with r >= 1
 * @row: any row; a column-parity row is covered by itself
 *
 * All R rows are dealt to the r classes in turn (row mod r), the last r rows
 * too, and in each column the XOR of a class is zero. So any r neighbouring
 * rows, wherever they lie, are in r different classes.
 *
 * Return: the row, R - r .. R - 1.
 */
static inline u32 vfsr_parity_row(const struct vfsr_geometry *g, u32 row)
{
	return g->rows - 1 - (g->rows - 1 - row) % g->r;
}

/* How the 2-D decoder reaches sectors. */
struct vfsr_grid_cb {
	/* The 4096 bytes of a sector, aligned as for struct vfsr_parity_ops:
	 * contents if it is good, room to write if it is bad (then of that
	 * sector alone). Must stay valid during the whole decode, NULL on
	 * failure (then the decode ends with -EIO). Rows in no stripe: all
	 * zero. */
	u8 *(*sector)(void *ctx, u32 col, u32 row);
	/* A sector was rebuilt; check it. false: the rebuilt contents are
	 * wrong, the sector stays bad. It is tried again only the other way
	 * (row or column), or after another sector of the same row was
	 * rebuilt. */
	bool (*rebuilt)(void *ctx, u32 col, u32 row, u8 *data);
};

/**
 * vfsr_grid_decode - iterative 2-D decoding of a grid
 * @ops: vector operations
 * @g: geometry
 * @bad: bad[row] is the mask of bad columns of the row, R entries; bits are
 *	 cleared as sectors are rebuilt
 * @column_parity: false for an open grid: rows only, and only data rows (no
 *	 others are looked at or counted)
 * @cb: access to the sectors
 * @ctx: for @cb
 *
 * Rows with at most m bad sectors are decoded, then (column, class) runs with
 * one bad sector, and so on until nothing changes. Column-parity rows are
 * codewords of the row code as well. Ends for any answers of @cb. What is in
 * the buffers of sectors that stay bad is undefined.
 *
 * Return: number of sectors still bad, or a negative errno.
 */
int vfsr_grid_decode(const struct vfsr_parity_ops *ops,
		     const struct vfsr_geometry *g, u32 *bad,
		     bool column_parity, const struct vfsr_grid_cb *cb,
		     void *ctx);

/**
 * vfsr_grid_solvable - what vfsr_grid_decode() would leave, without any data
 * @g: geometry
 * @bad: as above; changed the same way
 * @column_parity: as above
 *
 * Return: number of sectors that stay bad.
 */
u32 vfsr_grid_solvable(const struct vfsr_geometry *g, u32 *bad,
		       bool column_parity);

/**
 * vfsr_column_parity - parity rows of one column
 * @ops: vector operations
 * @g: geometry
 * @rows: @rows_used sectors in row order, the column's data rows
 * @rows_used: rows in stripes
 * @parity: r sectors, overwritten with rows R - r .. R - 1
 *
 * Rows from @rows_used on count as zero and are not read.
 */
void vfsr_column_parity(const struct vfsr_parity_ops *ops,
			const struct vfsr_geometry *g, const u8 *rows,
			u32 rows_used, u8 *parity);

#endif
