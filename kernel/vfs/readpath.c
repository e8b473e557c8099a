// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading folios: from the tree to chunks, from chunks to folios.
 *
 * The folios that are filled are locked and not uptodate. That keeps the extents
 * under them as they are: writeback needs them uptodate, truncation locks them
 * before it cuts the tree. So a chunk found under tree->lock is still the
 * right one when it is read after the lock was dropped.
 *
 * A window of folios (one chunk's worth of file) is filled by one task, which
 * reads each chunk once for all folios of the window that have a part of it. Windows of
 * one readahead are filled side by side by workers. What is lost is
 * not uptodate, folio by folio; the rest is.
 */
#include <linux/bits.h>
#include <linux/highmem.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "vfs/datapath.h"

/* Where a folio's bytes are. */
struct part {
	u64 chunk; /* 0: in none, or done */
	u32 offset; /* byte in the chunk */
	u32 len; /* bytes, the rest of the folio is zero */
	int error; /* not in a chunk: how filling it went */
	bool done; /* the folio is not ours any more */
};

/* Filling locked folios that follow each other in the file. */
struct fill {
	struct inode *inode;
	struct vfsr_sb *s;
	struct folio **folio;
	struct part *part; /* of each folio */
	u32 nr;
	bool unlock; /* end_read each */
	int error; /* of the last folio that failed */
	/* the chunk in the buffer */
	struct vfsr_buf *buf; /* NULL until needed */
	int chunk_error;
	u32 logical; /* bytes */
	u64 bad; /* pieces of 4 KiB that are lost */
};

struct read_job {
	struct work_struct work;
	struct inode *inode;
	u32 nr;
	struct folio *folio[VFSR_WINDOW_PAGES];
	struct part part[VFSR_WINDOW_PAGES];
};

/* The inode may go away with the last one. */
static void folio_done(struct fill *f, u32 i, int err)
{
	struct folio *folio = f->folio[i];

	f->part[i].chunk = 0;
	f->part[i].done = true;
	if (err)
		f->error = err;
	if (f->unlock)
		folio_end_read(folio, !err);
	else if (!err)
		folio_mark_uptodate(folio);
}

/* --- what needs no chunk --- */

static void fill_bytes(struct folio *folio, u8 byte, u32 len)
{
	void *p = kmap_local_folio(folio, 0);

	memset(p, byte, len);
	memset(p + len, 0, PAGE_SIZE - len);
	kunmap_local(p);
	flush_dcache_folio(folio);
}

static int fill_inline(struct vfsr_tree *t, struct folio *folio)
{
	void *p = kmap_local_folio(folio, 0);
	int len = vfsr_tree_inline_read(t, folio_pos(folio), p, PAGE_SIZE);

	if (len > (int)PAGE_SIZE)
		len = -EUCLEAN;
	if (len >= 0)
		memset(p + len, 0, PAGE_SIZE - len);
	kunmap_local(p);
	flush_dcache_folio(folio);
	return len < 0 ? len : 0;
}

static bool run_ok(const struct vfsr_run *run, u64 pos)
{
	return run->pos <= pos && run->bytes > pos - run->pos &&
	       (run->type != VFSR_RUN_CHUNK ||
		(run->chunk && run->offset + run->bytes <= VFSR_CHUNK_BYTES));
}

/* Fill a folio from @run, or note where its bytes are. tree->lock held. */
static void take_run(struct fill *f, u32 i, const struct vfsr_run *run)
{
	struct folio *folio = f->folio[i];
	u64 pos = folio_pos(folio);
	u32 len = min_t(u64, PAGE_SIZE, run->pos + run->bytes - pos);

	switch (run->type) {
	case VFSR_RUN_CHUNK:
		f->part[i].chunk = run->chunk;
		f->part[i].offset = run->offset + (pos - run->pos);
		f->part[i].len = len;
		break;
	case VFSR_RUN_INLINE:
		f->part[i].error = fill_inline(&vfsr_i(f->inode)->tree, folio);
		break;
	case VFSR_RUN_FILL:
		fill_bytes(folio, run->fill, len);
		break;
	default:
		fill_bytes(folio, 0, len);
		break;
	}
}

/* Find out of every folio where its bytes are; fill those in no chunk. */
static void look_up(struct fill *f)
{
	struct vfsr_tree *t = &vfsr_i(f->inode)->tree;
	struct vfsr_run run = { 0 };
	u32 i;

	down_read(&t->lock);
	for (i = 0; i < f->nr; i++) {
		u64 pos = folio_pos(f->folio[i]);
		int err = 0;

		if (!run.bytes || pos >= run.pos + run.bytes) {
			err = vfsr_tree_run(t, pos, &run);
			if (!err && WARN_ON_ONCE(!run_ok(&run, pos)))
				err = -EUCLEAN;
			if (err)
				run.bytes = 0;
		}
		f->part[i] = (struct part){ .error = err };
		if (!err)
			take_run(f, i, &run);
	}
	up_read(&t->lock);
}

/* --- chunks --- */

/* An extent that names bytes that its chunk does not have. */
static int bad_extent(struct fill *f, u64 end, u32 logical)
{
	struct vfsr_where at = {
		.dev = -1,
		.ino = vfsr_i(f->inode)->tree.ino,
	};
	struct vfsr_fault fault = {
		.reason = VFSR_REASON_RANGE,
		.have = end,
		.want = logical,
	};

	vfsr_report(f->s->pool->name, &at, &fault);
	return -EUCLEAN;
}

/* Folio @i has its bytes in the chunk in the buffer. */
static int fill_part(struct fill *f, u32 i)
{
	u32 offset = f->part[i].offset, len = f->part[i].len;
	u64 pieces;

	if (f->chunk_error && !f->bad)
		return f->chunk_error;
	if ((u64)offset + len > f->logical)
		return bad_extent(f, (u64)offset + len, f->logical);
	pieces = GENMASK_ULL((offset + len - 1) >> VFSR_SECTOR_SHIFT,
			     offset >> VFSR_SECTOR_SHIFT);
	if (f->bad & pieces)
		return -EIO;
	memcpy_to_folio(f->folio[i], 0, (const char *)f->buf->data + offset,
			len);
	if (len < PAGE_SIZE)
		folio_zero_segment(f->folio[i], len, PAGE_SIZE);
	return 0;
}

/* Get the chunk of folio @i into the buffer, as far as it is readable. */
static void load_chunk(struct fill *f, u32 i)
{
	struct vfsr_reader_of who = {
		.ino = vfsr_i(f->inode)->tree.ino,
		.offset = folio_pos(f->folio[i]),
		.small = i_size_read(f->inode) <= VFSR_CHUNK_BYTES,
	};
	struct vfsr_chunk c = { 0 };
	int ret;

	if (!f->buf)
		f->buf = vfsr_bufs_get(&f->s->io_ws->rd);
	f->bad = 0;
	ret = vfsr_log_read(f->s->log, f->part[i].chunk, VFSR_KIND_DATA, &c,
			    f->buf->data, VFSR_CHUNK_BYTES, &f->bad, &who);
	f->chunk_error = ret < 0 ? ret : 0;
	/* the file is there, what it is made of is not */
	if (ret == -ENOENT)
		f->chunk_error = -EIO;
	f->logical = ret < 0 ? c.logical : ret;
	/* only an I/O error can be one of some pieces */
	if (ret != -EIO)
		f->bad = 0;
}

/* --- folios --- */

/* All folios from @i on that have a part of the chunk in the buffer. */
static void end_chunk(struct fill *f, u32 i, u64 chunk)
{
	for (; i < f->nr; i++)
		if (f->part[i].chunk == chunk)
			folio_done(f, i, fill_part(f, i));
}

static void fill_folios(struct fill *f)
{
	unsigned int nofs = memalloc_nofs_save();
	u32 i;

	f->s = vfsr_sb(f->inode->i_sb);
	/* no folio is done before the tree's lock, and with it the inode, is
	 * out of use */
	look_up(f);
	for (i = 0; i < f->nr; i++) {
		u64 chunk = f->part[i].chunk;

		if (chunk) {
			load_chunk(f, i);
			end_chunk(f, i, chunk);
		} else if (!f->part[i].done) {
			folio_done(f, i, f->part[i].error);
		}
	}
	if (f->buf)
		vfsr_bufs_put(&f->s->io_ws->rd, f->buf);
	memalloc_nofs_restore(nofs);
}

static int fill_one(struct inode *inode, struct folio *folio, bool unlock)
{
	struct part part;
	struct fill f = {
		.inode = inode,
		.folio = &folio,
		.part = &part,
		.nr = 1,
		.unlock = unlock,
	};

	fill_folios(&f);
	return f.error;
}

int vfsr_fill_folio(struct inode *inode, struct folio *folio)
{
	return fill_one(inode, folio, false);
}

int vfsr_read_folio(struct file *file, struct folio *folio)
{
	return fill_one(folio->mapping->host, folio, true);
}

/* --- readahead --- */

static void job_run(struct read_job *job)
{
	struct fill f = {
		.inode = job->inode,
		.folio = job->folio,
		.part = job->part,
		.nr = job->nr,
		.unlock = true,
	};

	fill_folios(&f);
	kfree(job);
}

static void job_work(struct work_struct *work)
{
	job_run(container_of(work, struct read_job, work));
}

/*
 * Whole windows, as far as they are not in memory: their chunks are read and
 * decoded as a whole anyway, and parts of one would be again and again.
 */
static void expand(struct readahead_control *rac)
{
	u64 isize = i_size_read(rac->mapping->host);
	u64 start = readahead_pos(rac);
	u64 end = start + readahead_length(rac);
	u64 limit = round_up(isize, (u64)PAGE_SIZE);

	if (rac->file && rac->file->f_mode & FMODE_RANDOM)
		return;
	if (end >= limit && !(start % VFSR_CHUNK_BYTES))
		return;
	start = round_down(start, (u64)VFSR_CHUNK_BYTES);
	end = max(end, min(round_up(end, (u64)VFSR_CHUNK_BYTES), limit));
	readahead_expand(rac, start, end - start);
}

/**
 * vfsr_readahead - read folios ahead
 * @rac: which; locked, not uptodate
 *
 * A small piece is read in the caller's context, anything else by workers, and
 * this returns before they are done.
 */
void vfsr_readahead(struct readahead_control *rac)
{
	struct inode *inode = rac->mapping->host;
	struct vfsr_sb *s = vfsr_sb(inode->i_sb);
	struct read_job *job = NULL;
	struct folio *folio;
	bool many;

	expand(rac);
	many = readahead_length(rac) >= VFSR_CHUNK_BYTES ||
	       readahead_pos(rac) / VFSR_CHUNK_BYTES !=
		       (readahead_pos(rac) + readahead_length(rac) - 1) /
			       VFSR_CHUNK_BYTES;
	while ((folio = readahead_folio(rac))) {
		if (!job) {
			job = kmalloc(sizeof(*job),
				      GFP_NOFS | __GFP_NOWARN | __GFP_NORETRY);
			if (!job) {
				vfsr_read_folio(rac->file, folio);
				continue;
			}
			INIT_WORK(&job->work, job_work);
			job->inode = inode;
			job->nr = 0;
		}
		job->folio[job->nr++] = folio;
		if ((folio_pos(folio) + PAGE_SIZE) % VFSR_CHUNK_BYTES)
			continue;
		if (many)
			queue_work(s->read_wq, &job->work);
		else
			job_run(job);
		job = NULL;
	}
	if (!job)
		return;
	if (many)
		queue_work(s->read_wq, &job->work);
	else
		job_run(job);
}
