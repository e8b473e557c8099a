// SPDX-License-Identifier: GPL-2.0-only
/*
 * Vector operations of row parity by ISA-L, which picks the instructions at
 * run time and computes in the same field (polynomial 0x11d).
 *
 * Each thread keeps the multiplication tables of the last (k, m) it encoded;
 * there is no other state. What ISA-L cannot do (parity of one column, which
 * is a copy, and lengths beyond int) is done here. Used by everything in the
 * tools that computes parity.
 */
#include <isa-l/erasure_code.h>
#include <isa-l/raid.h>

#include "lib/accel.h"

#define TABLE_BYTES	32	/* ISA-L's table of one coefficient */
#define PIECE_BYTES	((size_t)1 << 30) /* ISA-L takes int lengths */

struct encode_tables {
	unsigned int k, m;
	u8 tables[VFSR_MAX_PARITY * VFSR_MAX_COLUMNS * TABLE_BYTES];
};

static _Thread_local struct encode_tables last_encode;

static u8 *encode_tables_for(unsigned int k, unsigned int m)
{
	struct encode_tables *t = &last_encode;
	u8 mat[VFSR_MAX_PARITY * VFSR_MAX_COLUMNS];
	unsigned int i, j;

	if (t->k == k && t->m == m)
		return t->tables;
	for (j = 0; j < m; j++)
		for (i = 0; i < k; i++)
			mat[j * k + i] = vfsr_parity_coef(m, j, i);
	ec_init_tables((int)k, (int)m, mat, t->tables);
	t->k = k;
	t->m = m;
	return t->tables;
}

/*
 * All parities of one piece. The first two rows of every matrix are RAID-6's,
 * for which ISA-L has code of twice the speed; it counts on the alignment that
 * core/parity.h asks for, and refuses some lengths.
 */
static void encode_piece(unsigned int k, unsigned int m, size_t len_bytes,
			 u8 **bufs)
{
	unsigned int rows = min_t(unsigned int, m, 2);
	int err;

	if (rows == 1)
		err = xor_gen((int)k + 1, (int)len_bytes, (void **)bufs);
	else
		err = pq_gen((int)k + 2, (int)len_bytes, (void **)bufs);
	if (err)
		rows = 0;
	if (rows < m)
		ec_encode_data((int)len_bytes, (int)k, (int)(m - rows),
			       encode_tables_for(k, m) + rows * k * TABLE_BYTES,
			       bufs, bufs + k + rows);
}

static void isal_encode(unsigned int k, unsigned int m, size_t len_bytes,
			u8 *const *bufs)
{
	u8 *at[VFSR_MAX_COLUMNS];
	unsigned int c;
	size_t done, piece;

	if (!m)
		return;
	if (k == 1) {
		for (c = 1; c <= m; c++)
			memcpy(bufs[c], bufs[0], len_bytes);
		return;
	}
	for (done = 0; done < len_bytes; done += piece) {
		piece = min_t(size_t, len_bytes - done, PIECE_BYTES);
		for (c = 0; c < k + m; c++)
			at[c] = bufs[c] + done;
		encode_piece(k, m, piece, at);
	}
}

static void isal_mul_add(u8 *dst, const u8 *src, u8 coef, size_t len_bytes)
{
	u8 table[TABLE_BYTES];
	size_t done, piece;

	if (!coef)
		return;
	gf_vect_mul_init(coef, table);
	for (done = 0; done < len_bytes; done += piece) {
		piece = min_t(size_t, len_bytes - done, PIECE_BYTES);
		/* ISA-L's prototype lacks the const that its code keeps */
		gf_vect_mad((int)piece, 1, 0, table, (u8 *)src + done,
			    dst + done);
	}
}

/* With the coefficient 1 still twice as fast as a loop over words. */
static void isal_xor_into(u8 *dst, const u8 *src, size_t len_bytes)
{
	isal_mul_add(dst, src, 1, len_bytes);
}

static const struct vfsr_parity_ops isal_ops = {
	.name = "isa-l",
	.xor_into = isal_xor_into,
	.mul_add = isal_mul_add,
	.encode = isal_encode,
};

const struct vfsr_parity_ops *vfsr_accel_parity(void)
{
	return &isal_ops;
}
