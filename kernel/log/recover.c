// SPDX-License-Identifier: GPL-2.0-only
/*
 * Crash recovery: stripes of unfinished transactions lose their labels.
 *
 * Such stripes lie only in grids that the record lists as open or reserved,
 * behind the rows that it counts. Their footers, with the whole rows that hold
 * them (so that parity cannot bring them back), and trailers of a seal that was
 * not committed are zeroed, so that a later rebuild from footers does not
 * take what was never committed. Nothing that is committed is touched.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "log/log_priv.h"

#define BATCH_SECTORS 64u

struct scan {
	struct vfsr_log *log;
	struct vfsr_grid *g;
	u8 *buf; /* BATCH_SECTORS sectors */
	void *zero; /* one sector of zeroes */
	struct vfsr_footer ft;
	struct vfsr_trailer *trailer;
	u64 nr_zeroed;
};

static int rw_strip(struct scan *s, u32 col, u32 sector, u32 nr, void *buf,
		    blk_opf_t op)
{
	const struct vfsr_column *c = &s->g->col[col];
	struct vfsr_io io = { .buf = buf, .nr_sectors = nr };

	io.dev = c->known ? s->log->pool->dev[c->device] : NULL;
	if (!vfsr_dev_usable(io.dev))
		return -ENODEV;
	io.sector = vfsr_strip_sector(io.dev, c->strip) + sector;
	return vfsr_io_run(&io, 1, op);
}

/* A row of a stripe, in all columns whose devices are there. */
static int zero_row(struct scan *s, const struct vfsr_extent_rows *rows,
		    u32 row)
{
	u32 col;
	int err;

	for (col = 0; col < s->g->g.n; col++) {
		struct vfsr_strip_pos at =
			vfsr_row_place(&s->g->g, rows, col, row);

		err = rw_strip(s, at.strip, at.sector, 1, s->zero,
			       REQ_OP_WRITE | REQ_SYNC);
		if (err && err != -ENODEV)
			return err;
	}
	return 0;
}

/* Is this sector a footer of the grid, of a stripe behind the committed rows? */
static bool is_unfinished(struct scan *s, const u8 *sector)
{
	const struct vfsr_footer *ft = &s->ft;
	struct vfsr_geometry g;

	return !vfsr_footer_decode(sector, s->log->pool->super->pool_uuid,
				   &s->ft, NULL) &&
	       ft->grid == s->g->id && !vfsr_footer_geometry(ft, &g, NULL) &&
	       g.depth == s->g->g.depth && g.n == s->g->g.n &&
	       g.layout == s->g->g.layout && ft->row >= s->g->rows_used &&
	       ft->row + ft->depth <= s->g->g.data_rows;
}

static int check_sector(struct scan *s, u32 col, u32 sector, const u8 *data)
{
	struct vfsr_extent_rows rows;
	int err;

	if (*(const __le32 *)data != cpu_to_le32(VFSR_FOOTER_MAGIC))
		return 0;
	if (!is_unfinished(s, data)) {
		/* not a label that anyone would believe: only if it is ours */
		return 0;
	}
	rows.row = s->ft.row;
	rows.depth = s->ft.depth;
	s->nr_zeroed++;
	err = zero_row(s, &rows, rows.row);
	if (!err && rows.depth > 1)
		err = zero_row(s, &rows, rows.row + rows.depth - 1);
	/* also where it was found, if that is another place */
	if (!err)
		err = rw_strip(s, col, sector, 1, s->zero,
			       REQ_OP_WRITE | REQ_SYNC);
	return err;
}

static int scan_strip(struct scan *s, u32 col, u32 from, u32 to)
{
	u32 at, i, nr;
	int err;

	for (at = from; at < to; at += nr) {
		nr = min(BATCH_SECTORS, to - at);
		err = rw_strip(s, col, at, nr, s->buf, REQ_OP_READ);
		if (err)
			/* unreadable: no label that anyone could find */
			continue;
		for (i = 0; i < nr; i++) {
			err = check_sector(s, col, at + i,
					   s->buf + i * VFSR_SECTOR_BYTES);
			if (err)
				return err;
		}
		cond_resched();
	}
	return 0;
}

/* A trailer of a grid that is not sealed was written by an unfinished seal. */
static int scan_trailer(struct scan *s, u32 col)
{
	struct vfsr_strip_pos at =
		vfsr_row_place(&s->g->g, NULL, col, s->g->g.rows);

	if (rw_strip(s, at.strip, at.sector, 1, s->buf, REQ_OP_READ))
		return 0;
	if (vfsr_trailer_decode(s->buf, s->log->pool->super->pool_uuid,
				s->trailer, NULL) ||
	    s->trailer->grid != s->g->id)
		return 0;
	s->nr_zeroed++;
	return rw_strip(s, at.strip, at.sector, 1, s->zero,
			REQ_OP_WRITE | REQ_SYNC);
}

static int scan_grid(struct scan *s)
{
	const struct vfsr_geometry *g = &s->g->g;
	u32 used = s->g->rows_used, col;
	int err = 0;

	for (col = 0; col < g->n && !err; col++)
		err = scan_trailer(s, col);
	if (g->layout == VFSR_LAYOUT_SPREAD) {
		if (!err)
			err = scan_strip(s, 0, used, g->data_rows);
		if (!err && g->k > 1)
			err = scan_strip(s, g->k - 1, used, g->data_rows);
		return err;
	}
	/* interleaved: stripes follow each other over the strips */
	for (col = 0; col < g->n && !err; col++) {
		u32 first = col * g->strip_sectors;
		u32 from = max(used * g->n, first);
		u32 to = min(g->data_rows * g->n, first + g->strip_sectors);

		if (from < to)
			err = scan_strip(s, col, from - first, to - first);
	}
	return err;
}

static int scan_all(struct scan *s, struct vfsr_grid **list, unsigned int nr)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < nr && !err; i++) {
		s->g = list[i];
		err = scan_grid(s);
	}
	return err;
}

/**
 * vfsr_log_recover - make an unclean pool ready for writing
 * @log: log, nothing written yet
 *
 * Context: mount. Bounded by the open list: at most VFSR_MAX_OPEN_GRIDS grids are
 * scanned, whatever the size of the pool.
 *
 * Return: 0, -ENOMEM, or the error of a write.
 */
int vfsr_log_recover(struct vfsr_log *log)
{
	struct vfsr_grid *list[VFSR_MAX_OPEN_GRIDS];
	struct scan *s = kzalloc(sizeof(*s), GFP_KERNEL);
	struct vfsr_open *o;
	unsigned int nr = 0;
	int err = -ENOMEM;

	if (!s)
		return -ENOMEM;
	s->log = log;
	s->buf = kvmalloc(BATCH_SECTORS * VFSR_SECTOR_BYTES, GFP_KERNEL);
	s->zero = (void *)get_zeroed_page(GFP_KERNEL);
	s->trailer = kmalloc(sizeof(*s->trailer), GFP_KERNEL);
	if (!s->buf || !s->zero || !s->trailer)
		goto out;
	spin_lock(&log->grids->lock);
	list_for_each_entry(o, &log->grids->open_list, link) {
		if (nr == ARRAY_SIZE(list))
			break;
		refcount_inc(&o->grid->refs);
		list[nr++] = o->grid;
	}
	spin_unlock(&log->grids->lock);
	err = scan_all(s, list, nr);
	while (nr)
		vfsr_grid_put(list[--nr]);
	if (!err)
		err = vfsr_pool_flush(log->pool);
	vfsr_info(
		log->pool->name,
		"was not unmounted cleanly; recovered to transaction %llu, dropped %llu labels of unfinished stripes",
		log->pool->super->transaction, s->nr_zeroed);
out:
	kfree(s->trailer);
	free_page((unsigned long)s->zero);
	kvfree(s->buf);
	kfree(s);
	return err;
}
