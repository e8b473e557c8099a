// SPDX-License-Identifier: GPL-2.0-only
/*
 * The 2-D decoder of a grid: rows and (column, class) runs in turn, until
 * nothing changes.
 *
 * Two bitmaps say what is worth a try: a row once its set of bad sectors has
 * shrunk since the last try, a run likewise. Success in a row puts
 * runs on the list and the other way round; a rebuild that the caller refuses
 * puts nothing there. So every entry after the first round is paid for by
 * a sector that became good, and the decoder ends whatever the caller answers.
 * Without callbacks the same code only counts, so that both
 * entry points agree. Pure; called by whoever reads, verifies or heals grids.
 */
#include "core/parity.h"

#define WORD_BITS	64u
#define MAX_ROWS	(VFSR_BITMAP_BYTES * 8)
#define NO_MASK		0u	/* nothing lost: no matrix is for that */

/* One decode. About 900 bytes: it lives on the stack of the entry point. */
struct decoder {
	const struct vfsr_parity_ops *ops;
	const struct vfsr_geometry *g;
	const struct vfsr_grid_cb *cb;	/* NULL: count only */
	void *ctx;
	u32 *bad;			/* [row], masks of columns */
	u32 columns;			/* mask of the columns that exist */
	u32 nr_rows;			/* that take part */
	u32 nr_classes;			/* 0 without column parity */
	u32 mask;			/* lost columns that @mat is for */
	u8 from[VFSR_MAX_COLUMNS];
	u8 mat[VFSR_MAX_PARITY * VFSR_MAX_COLUMNS];
	u64 rows[MAX_ROWS / WORD_BITS];	/* rows to try */
	u64 runs[VFSR_MAX_PARITY_CRCS / WORD_BITS]; /* class * n + column */
};

static inline void bit_set(u64 *map, u32 bit)
{
	map[bit / WORD_BITS] |= (u64)1 << bit % WORD_BITS;
}

/* Clear a bit; was it set? */
static inline bool bit_take(u64 *map, u32 bit)
{
	u64 one = (u64)1 << bit % WORD_BITS;
	bool was = map[bit / WORD_BITS] & one;

	map[bit / WORD_BITS] &= ~one;
	return was;
}

static unsigned int count_bits(u32 mask)
{
	unsigned int n = 0;

	for (; mask; mask &= mask - 1)
		n++;
	return n;
}

/* Ask the caller about a rebuilt sector; in a count it is always right. */
static bool accepted(struct decoder *d, u32 col, u32 row, u8 *data)
{
	return !d->cb || d->cb->rebuilt(d->ctx, col, row, data);
}

static int row_matrix_for(struct decoder *d, u32 lost)
{
	int err;

	if (d->mask == lost)
		return 0;
	d->mask = NO_MASK;
	err = vfsr_row_matrix(d->g->k, d->g->m, lost, d->from, d->mat);
	if (err < 0)
		return err;
	d->mask = lost;
	return 0;
}

/*
 * Write the sectors @lost of a row, in memory. Out of line: its pointers and
 * the decoder together would not fit one frame.
 */
static __attribute__((__noinline__)) int row_rebuild(struct decoder *d, u32 row,
						     u32 lost, u8 **out)
{
	const u8 *src[VFSR_MAX_COLUMNS];
	unsigned int k = d->g->k;
	unsigned int col, l, s;
	int err;

	err = row_matrix_for(d, lost);
	if (err)
		return err;
	for (s = 0; s < k; s++) {
		src[s] = d->cb->sector(d->ctx, d->from[s], row);
		if (!src[s])
			return -EIO;
	}
	for (col = 0, l = 0; col < d->g->n; col++) {
		if (!(lost >> col & 1))
			continue;
		out[l] = d->cb->sector(d->ctx, col, row);
		if (!out[l])
			return -EIO;
		memset(out[l], 0, VFSR_SECTOR_BYTES);
		for (s = 0; s < k; s++)
			d->ops->mul_add(out[l], src[s], d->mat[l * k + s],
					VFSR_SECTOR_BYTES);
		l++;
	}
	return 0;
}

static int row_try(struct decoder *d, u32 row)
{
	u32 lost = d->bad[row] & d->columns;
	u8 *data[VFSR_MAX_PARITY] = { NULL };
	unsigned int col, l;
	int err;

	if (!lost || count_bits(lost) > d->g->m)
		return 0;
	if (d->cb) {
		err = row_rebuild(d, row, lost, data);
		if (err)
			return err;
	}
	for (col = 0, l = 0; col < d->g->n; col++) {
		if (!(lost >> col & 1))
			continue;
		if (accepted(d, col, row, data[l++])) {
			d->bad[row] &= ~(1u << col);
			if (d->nr_classes)
				bit_set(d->runs, row % d->g->r * d->g->n + col);
		}
	}
	return 0;
}

/* Write the one bad sector of a run: the XOR of its others. */
static int run_rebuild(struct decoder *d, u32 col, u32 row, u8 **out)
{
	u32 r = d->g->r;
	const u8 *src;
	u32 i;

	*out = d->cb->sector(d->ctx, col, row);
	if (!*out)
		return -EIO;
	memset(*out, 0, VFSR_SECTOR_BYTES);
	for (i = row % r; i < d->nr_rows; i += r) {
		if (i == row)
			continue;
		src = d->cb->sector(d->ctx, col, i);
		if (!src)
			return -EIO;
		d->ops->xor_into(*out, src, VFSR_SECTOR_BYTES);
	}
	return 0;
}

static int run_try(struct decoder *d, u32 cls, u32 col)
{
	u8 *data = NULL;
	u32 row = cls;
	int err;

	while (!(d->bad[row] >> col & 1))
		row += d->g->r;
	if (d->cb) {
		err = run_rebuild(d, col, row, &data);
		if (err)
			return err;
	}
	if (accepted(d, col, row, data)) {
		d->bad[row] &= ~(1u << col);
		bit_set(d->rows, row);
	}
	return 0;
}

/* Try those runs of a class that are listed and have one bad sector. */
static int class_try(struct decoder *d, u32 cls)
{
	u32 n = d->g->n;
	u32 listed = 0, once = 0, twice = 0;
	u32 col, row;
	int err;

	for (col = 0; col < n; col++)
		if (bit_take(d->runs, cls * n + col))
			listed |= 1u << col;
	if (!listed)
		return 0;
	/* all columns at a time */
	for (row = cls; row < d->nr_rows; row += d->g->r) {
		twice |= once & d->bad[row];
		once |= d->bad[row];
	}
	listed &= once & ~twice;
	for (col = 0; col < n; col++) {
		if (!(listed >> col & 1))
			continue;
		err = run_try(d, cls, col);
		if (err)
			return err;
	}
	return 0;
}

/* Everything is worth a first try. */
static void decoder_init(struct decoder *d, const struct vfsr_geometry *g,
			 u32 *bad, bool column_parity)
{
	u32 i;

	memset(d, 0, sizeof(*d));
	d->g = g;
	d->bad = bad;
	d->columns = ~(u32)0 >> (VFSR_MAX_COLUMNS - g->n);
	d->nr_classes = column_parity ? g->r : 0;
	d->nr_rows = column_parity ? g->rows : g->data_rows;
	for (i = 0; i < d->nr_rows; i++)
		if (bad[i] & d->columns)
			bit_set(d->rows, i);
	for (i = 0; i < d->nr_classes * g->n; i++)
		bit_set(d->runs, i);
}

/*
 * Out of line for the same reason as row_rebuild().
 * Return: sectors that stay bad, or a negative errno.
 */
static __attribute__((__noinline__)) int decoder_run(struct decoder *d)
{
	u32 i, bit, left = 0;
	bool again = true;
	int err;

	while (again) {
		again = false;
		for (i = 0; i < ARRAY_SIZE(d->rows); i++) {
			for (bit = 0; d->rows[i]; bit++) {
				if (!bit_take(&d->rows[i], bit))
					continue;
				again = true;
				err = row_try(d, i * WORD_BITS + bit);
				if (err)
					return err;
			}
		}
		for (i = 0; again && i < d->nr_classes; i++) {
			err = class_try(d, i);
			if (err)
				return err;
		}
	}
	for (i = 0; i < d->nr_rows; i++)
		left += count_bits(d->bad[i] & d->columns);
	return (int)left;
}

int vfsr_grid_decode(const struct vfsr_parity_ops *ops,
		     const struct vfsr_geometry *g, u32 *bad,
		     bool column_parity, const struct vfsr_grid_cb *cb,
		     void *ctx)
{
	struct decoder d;

	decoder_init(&d, g, bad, column_parity);
	d.ops = ops;
	d.cb = cb;
	d.ctx = ctx;
	return decoder_run(&d);
}

u32 vfsr_grid_solvable(const struct vfsr_geometry *g, u32 *bad,
		       bool column_parity)
{
	struct decoder d;

	decoder_init(&d, g, bad, column_parity);
	/* only callbacks fail, and there are none */
	return (u32)decoder_run(&d);
}
