// SPDX-License-Identifier: GPL-2.0-only
/*
 * Row parity: the matrix of the code, portable vector operations, and the
 * rebuilding of lost columns of a row; also column parity of one strip.
 *
 * The vector operations treat a buffer as 64-bit words of eight independent
 * bytes. Multiplying all of them by 2 is a shift and a conditional XOR
 * without branches (H. P. Anvin, "The mathematics of RAID-6", 2004), so
 * P, Q and the third row of m = 3 are evaluated by Horner's rule. Other
 * coefficients go through a table of their multiples. Pure; called by the grid decoder, footers, and whoever writes or reads stripes.
 */
#include "core/gf.h"
#include "core/parity.h"

#define EACH_BYTE(b)	((u64)0x0101010101010101ull * (b))
#define POLY_LOW	0x1du	/* 0x11d without the bit that falls out */
#define NR_BYTES	256u	/* values of a byte */
#define STEP_WORDS	8	/* 64 bytes */
#define MATRIX_BYTES	(VFSR_MAX_PARITY * VFSR_MAX_COLUMNS)

/* Multiply each of eight bytes by 2. */
static inline u64 mul2(u64 v)
{
	u64 top = v & EACH_BYTE(0x80);
	u64 mask = (top << 1) - (top >> 7);

	return ((v << 1) & EACH_BYTE(0xfe)) ^ (mask & EACH_BYTE(POLY_LOW));
}

static void scalar_xor_into(u8 *dst, const u8 *src, size_t len_bytes)
{
	u64 *d = (u64 *)dst;
	const u64 *s = (const u64 *)src;
	size_t words = len_bytes / sizeof(u64);
	size_t i;
	unsigned int w;

	for (i = 0; i < words; i += STEP_WORDS)
		for (w = 0; w < STEP_WORDS; w++)
			d[i + w] ^= s[i + w];
}

/* Multiples of @coef by every byte. */
static void multiples(u8 coef, u8 *table)
{
	unsigned int power, i;

	table[0] = 0;
	for (power = 1; power <= NR_BYTES / 2; power *= 2) {
		for (i = 0; i < power; i++)
			table[power + i] = table[i] ^ coef;
		coef = (u8)mul2(coef);
	}
}

/* One byte of a word replaced by what the table has for it. */
static inline u64 look_up(const u8 *table, u64 word, unsigned int shift)
{
	return (u64)table[word >> shift & 0xff] << shift;
}

static void scalar_mul_add(u8 *dst, const u8 *src, u8 coef, size_t len_bytes)
{
	u64 *d = (u64 *)dst;
	const u64 *s = (const u64 *)src;
	size_t words = len_bytes / sizeof(u64);
	u8 table[NR_BYTES];
	size_t i;

	if (!coef)
		return;
	if (coef == 1) {
		scalar_xor_into(dst, src, len_bytes);
		return;
	}
	multiples(coef, table);
	for (i = 0; i < words; i++) {
		d[i] ^= look_up(table, s[i], 0) | look_up(table, s[i], 8) |
			look_up(table, s[i], 16) | look_up(table, s[i], 24) |
			look_up(table, s[i], 32) | look_up(table, s[i], 40) |
			look_up(table, s[i], 48) | look_up(table, s[i], 56);
	}
}

static void encode_p(unsigned int k, size_t len_bytes, u8 *const *bufs)
{
	unsigned int i;

	memcpy(bufs[k], bufs[0], len_bytes);
	for (i = 1; i < k; i++)
		scalar_xor_into(bufs[k], bufs[i], len_bytes);
}

/* P and Q of bytes @at.. of one step. */
static inline void encode_pq_step(unsigned int k, size_t at, u8 *const *bufs)
{
	u64 p[STEP_WORDS] = { 0 }, q[STEP_WORDS] = { 0 };
	unsigned int i, w;

	for (i = k; i-- > 0;) {
		const u64 *d = (const u64 *)(bufs[i] + at);

		for (w = 0; w < STEP_WORDS; w++) {
			p[w] ^= d[w];
			q[w] = mul2(q[w]) ^ d[w];
		}
	}
	memcpy(bufs[k] + at, p, sizeof(p));
	memcpy(bufs[k + 1] + at, q, sizeof(q));
}

/* P, Q and the row 4^i of m = 3. */
static inline void encode_pqr_step(unsigned int k, size_t at, u8 *const *bufs)
{
	u64 p[STEP_WORDS] = { 0 }, q[STEP_WORDS] = { 0 }, r[STEP_WORDS] = { 0 };
	unsigned int i, w;

	for (i = k; i-- > 0;) {
		const u64 *d = (const u64 *)(bufs[i] + at);

		for (w = 0; w < STEP_WORDS; w++) {
			p[w] ^= d[w];
			q[w] = mul2(q[w]) ^ d[w];
			r[w] = mul2(mul2(r[w])) ^ d[w];
		}
	}
	memcpy(bufs[k] + at, p, sizeof(p));
	memcpy(bufs[k + 1] + at, q, sizeof(q));
	memcpy(bufs[k + 2] + at, r, sizeof(r));
}

static void scalar_encode(unsigned int k, unsigned int m, size_t len_bytes,
			  u8 *const *bufs)
{
	const size_t step = STEP_WORDS * sizeof(u64);
	unsigned int i, j;
	size_t at;

	if (!m)
		return;
	if (m == 1) {
		encode_p(k, len_bytes, bufs);
		return;
	}
	if (m == 3) {
		for (at = 0; at < len_bytes; at += step)
			encode_pqr_step(k, at, bufs);
		return;
	}
	for (at = 0; at < len_bytes; at += step)
		encode_pq_step(k, at, bufs);
	/* sector by sector, so that the parity stays in the nearest cache */
	for (at = 0; m > 2 && at < len_bytes; at += VFSR_SECTOR_BYTES)
		for (j = 2; j < m; j++) {
			memcpy(bufs[k + j] + at, bufs[0] + at,
			       VFSR_SECTOR_BYTES);
			for (i = 1; i < k; i++)
				scalar_mul_add(bufs[k + j] + at, bufs[i] + at,
					       vfsr_parity_coef(m, j, i),
					       VFSR_SECTOR_BYTES);
		}
}

const struct vfsr_parity_ops vfsr_parity_scalar = {
	.name = "scalar",
	.xor_into = scalar_xor_into,
	.mul_add = scalar_mul_add,
	.encode = scalar_encode,
};

u8 vfsr_parity_coef(unsigned int m, unsigned int j, unsigned int i)
{
	u8 y;

	if (j == 0)
		return 1;
	if (j == 1)
		return vfsr_gf_pow2(i);
	if (m <= 3)
		return vfsr_gf_pow2(2 * i);
	/* 2^-i never equals y here: that would need i >= 251 */
	y = vfsr_gf_pow2(j - 1);
	return vfsr_gf_mul(vfsr_gf_inv(vfsr_gf_inv(vfsr_gf_pow2(i)) ^ y),
			   1 ^ y);
}

/* The square part of the row code that a loss leaves to solve. */
struct loss {
	unsigned int nr_data;			/* lost data columns */
	u8 data[VFSR_MAX_PARITY];		/* which */
	u8 parity[VFSR_MAX_PARITY];		/* parities that replace them */
	u8 inv[VFSR_MAX_PARITY][VFSR_MAX_PARITY]; /* inverse of the matrix
						   * [parity][data] */
};

static void swap_rows(u8 *a, u8 *b, unsigned int len)
{
	unsigned int i;
	u8 t;

	for (i = 0; i < len; i++) {
		t = a[i];
		a[i] = b[i];
		b[i] = t;
	}
}

/* Gauss-Jordan; false if the matrix is singular, which an MDS code excludes. */
static bool loss_invert(struct loss *ls, unsigned int m)
{
	u8 a[VFSR_MAX_PARITY][VFSR_MAX_PARITY];
	unsigned int n = ls->nr_data;
	unsigned int c, i, row;
	u8 f;

	for (row = 0; row < n; row++)
		for (c = 0; c < n; c++) {
			a[row][c] = vfsr_parity_coef(m, ls->parity[row],
						     ls->data[c]);
			ls->inv[row][c] = row == c;
		}
	for (c = 0; c < n; c++) {
		for (row = c; row < n && !a[row][c]; row++)
			;
		if (row == n)
			return false;
		swap_rows(a[c], a[row], n);
		swap_rows(ls->inv[c], ls->inv[row], n);
		f = vfsr_gf_inv(a[c][c]);
		for (i = 0; i < n; i++) {
			a[c][i] = vfsr_gf_mul(a[c][i], f);
			ls->inv[c][i] = vfsr_gf_mul(ls->inv[c][i], f);
		}
		for (row = 0; row < n; row++) {
			f = a[row][c];
			if (row == c || !f)
				continue;
			for (i = 0; i < n; i++) {
				a[row][i] ^= vfsr_gf_mul(f, a[c][i]);
				ls->inv[row][i] ^=
					vfsr_gf_mul(f, ls->inv[c][i]);
			}
		}
	}
	return true;
}

/* Lost data column number @t from the columns @from. */
static void loss_data_row(const struct loss *ls, unsigned int k, unsigned int m,
			  const u8 *from, unsigned int t, u8 *row)
{
	unsigned int good = k - ls->nr_data;
	unsigned int s, a;

	for (s = 0; s < good; s++) {
		row[s] = 0;
		for (a = 0; a < ls->nr_data; a++)
			row[s] ^= vfsr_gf_mul(ls->inv[t][a],
					      vfsr_parity_coef(m, ls->parity[a],
							       from[s]));
	}
	for (a = 0; a < ls->nr_data; a++)
		row[good + a] = ls->inv[t][a];
}

/* Lost parity @j: its definition, with the rows of lost data columns put in. */
static void loss_parity_row(const struct loss *ls, unsigned int k,
			    unsigned int m, const u8 *from, unsigned int j,
			    const u8 *mat, u8 *row)
{
	unsigned int good = k - ls->nr_data;
	unsigned int s, t;

	for (s = 0; s < k; s++) {
		row[s] = s < good ? vfsr_parity_coef(m, j, from[s]) : 0;
		for (t = 0; t < ls->nr_data; t++)
			row[s] ^=
				vfsr_gf_mul(vfsr_parity_coef(m, j, ls->data[t]),
					    mat[t * k + s]);
	}
}

static unsigned int count_bits(u32 mask)
{
	unsigned int n = 0;

	for (; mask; mask &= mask - 1)
		n++;
	return n;
}

int vfsr_row_matrix(unsigned int k, unsigned int m, u32 lost, u8 *from, u8 *mat)
{
	unsigned int nr_lost = count_bits(lost);
	unsigned int nr_from = 0, used = 0, row, i, j;
	struct loss ls = { .nr_data = 0 };

	if (nr_lost > m)
		return -EIO;
	for (i = 0; i < k; i++) {
		if (lost >> i & 1)
			ls.data[ls.nr_data++] = (u8)i;
		else
			from[nr_from++] = (u8)i;
	}
	for (j = 0; j < m && used < ls.nr_data; j++) {
		if (lost >> (k + j) & 1)
			continue;
		ls.parity[used++] = (u8)j;
		from[nr_from++] = (u8)(k + j);
	}
	if (nr_from < k || !loss_invert(&ls, m))
		return -EIO;
	for (row = 0; row < ls.nr_data; row++)
		loss_data_row(&ls, k, m, from, row, mat + row * k);
	for (j = 0; j < m; j++)
		if (lost >> (k + j) & 1)
			loss_parity_row(&ls, k, m, from, j, mat,
					mat + row++ * k);
	return (int)nr_lost;
}

int vfsr_row_decode(const struct vfsr_parity_ops *ops, unsigned int k,
		    unsigned int m, size_t len_bytes, u32 lost, u8 *const *bufs)
{
	u8 from[VFSR_MAX_COLUMNS];
	u8 mat[MATRIX_BYTES] = { 0 };
	unsigned int l, s, col;
	size_t at;

	if (vfsr_row_matrix(k, m, lost, from, mat) < 0)
		return -EIO;
	/* sector by sector: what is read for one column is cached for the next */
	for (at = 0; at < len_bytes; at += VFSR_SECTOR_BYTES)
		for (col = 0, l = 0; col < k + m; col++) {
			if (!(lost >> col & 1))
				continue;
			memset(bufs[col] + at, 0, VFSR_SECTOR_BYTES);
			for (s = 0; s < k; s++)
				ops->mul_add(bufs[col] + at, bufs[from[s]] + at,
					     mat[l * k + s], VFSR_SECTOR_BYTES);
			l++;
		}
	return 0;
}

void vfsr_column_parity(const struct vfsr_parity_ops *ops,
			const struct vfsr_geometry *g, const u8 *rows,
			u32 rows_used, u8 *parity)
{
	u32 row, j;

	memset(parity, 0, (size_t)g->r * VFSR_SECTOR_BYTES);
	if (!g->r)
		return;
	for (row = 0; row < rows_used && row < g->data_rows; row++) {
		j = vfsr_parity_row(g, row) - g->data_rows;
		ops->xor_into(parity + (size_t)j * VFSR_SECTOR_BYTES,
			      rows + (size_t)row * VFSR_SECTOR_BYTES,
			      VFSR_SECTOR_BYTES);
	}
}
