// SPDX-License-Identifier: GPL-2.0-only
/*
 * I/O of members: runs of sectors as bios, flushes, discards, and giving up on
 * a device.
 *
 * Bios come from the pool's own mempool and each is submitted before the next
 * is allocated, so I/O goes on when memory is short. Everything that completes a
 * bio runs in a context that may not sleep and takes no lock. A device that fails
 * a read stays in use (healing rewrites the sector); after a failed write the
 * caller decides; one that is gone is given up at once.
 */
#include <linux/blkdev.h>
#include <linux/completion.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/vmalloc.h>

#include "pool/member_priv.h"

/* From sectors of 4 KiB to those of the block layer */
#define BLOCK_SHIFT (VFSR_SECTOR_SHIFT - SECTOR_SHIFT)

/* A bio and whose it is; the pool's bioset keeps room in front of each bio. */
struct io_bio {
	struct vfsr_io_batch *batch;
	struct vfsr_io *io;
	struct bio bio;
};

#define IO_BIO_PAD offsetof(struct io_bio, bio)
#define IO_BIO_RESERVE 64u

int vfsr_bios_init(struct vfsr_pool *p)
{
	return bioset_init(&p->bios, IO_BIO_RESERVE, IO_BIO_PAD,
			   BIOSET_NEED_BVECS);
}

/* --- giving up --- */

void vfsr_dev_fail(struct vfsr_dev *d, const char *why)
{
	if (atomic_xchg(&d->gave_up, 1))
		return;
	WRITE_ONCE(d->failed, true);
	atomic_inc(&d->pool->nr_failed);
	vfsr_err(
		d->pool->name,
		"gave up on device %u (%s): %s; going on with parity where there is any, replace it and mount again",
		d->index, d->path, why);
}

unsigned int vfsr_pool_usable(const struct vfsr_pool *p)
{
	unsigned int i, nr = 0;

	for (i = 0; i < p->nr_devs; i++)
		nr += vfsr_dev_usable(p->dev[i]);
	return nr;
}

/* An error of a device, in the completion of a bio. */
static void count_error(struct vfsr_dev *d, enum req_op op, int error)
{
	if (op == REQ_OP_READ)
		atomic64_inc(&d->stats.read_errors);
	else
		atomic64_inc(&d->stats.write_errors);
	if (error == -ENODEV || error == -ENXIO ||
	    test_bit(GD_DEAD, &d->bdev->bd_disk->state))
		vfsr_dev_fail(d, "it does not answer any more");
}

/* --- runs --- */

static void batch_put(struct vfsr_io_batch *b)
{
	if (atomic_dec_and_test(&b->left))
		b->done(b);
}

static int run_bytes(const struct vfsr_io *io)
{
	return (int)(io->nr_sectors << VFSR_SECTOR_SHIFT);
}

static void io_end(struct bio *bio)
{
	struct io_bio *ib = container_of(bio, struct io_bio, bio);
	struct vfsr_io_batch *b = ib->batch;
	int error = blk_status_to_errno(bio->bi_status);

	if (error) {
		count_error(ib->io->dev, bio_op(bio), error);
		WRITE_ONCE(ib->io->error, error);
	}
	if (bio_op(bio) == REQ_OP_READ && is_vmalloc_addr(ib->io->buf))
		invalidate_kernel_vmap_range(ib->io->buf, run_bytes(ib->io));
	bio_put(bio);
	batch_put(b);
}

static struct bio *io_bio_new(struct vfsr_dev *d, unsigned short nr_vecs,
			      u64 sector, blk_opf_t op)
{
	/* a mempool and GFP_NOIO: never fails */
	struct bio *bio = bio_alloc_bioset(d->bdev, nr_vecs, op, GFP_NOIO,
					   &d->pool->bios);

	bio->bi_iter.bi_sector = sector << BLOCK_SHIFT;
	return bio;
}

/*
 * Fill a bio from memory that is contiguous in the address space alone. Returns
 * the bytes that it took.
 */
static size_t add_scattered(struct bio *bio, u8 *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		u8 *at = buf + done;
		unsigned int part = min_t(size_t, len - done,
					  PAGE_SIZE - offset_in_page(at));

		if (bio_add_page(bio, vmalloc_to_page(at), part,
				 offset_in_page(at)) != part)
			break;
		done += part;
	}
	return done;
}

static size_t add_buffer(struct bio *bio, u8 *buf, size_t len)
{
	if (is_vmalloc_addr(buf))
		return add_scattered(bio, buf, len);
	/* one piece of memory is one vector, however long */
	__bio_add_page(bio, virt_to_page(buf), len, offset_in_page(buf));
	return len;
}

static void io_submit_one(struct vfsr_io_batch *b, struct vfsr_io *io,
			  blk_opf_t op)
{
	size_t left = (size_t)io->nr_sectors << VFSR_SECTOR_SHIFT;
	bool scattered = is_vmalloc_addr(io->buf);
	u64 sector = io->sector;
	u8 *at = io->buf;

	if (scattered && op_is_write(op))
		flush_kernel_vmap_range(io->buf, run_bytes(io));
	while (left) {
		unsigned short nr_vecs = 1;
		struct io_bio *ib;
		struct bio *bio;
		size_t took;

		if (scattered)
			nr_vecs = bio_max_segs(DIV_ROUND_UP(left, PAGE_SIZE));
		bio = io_bio_new(io->dev, nr_vecs, sector, op);
		ib = container_of(bio, struct io_bio, bio);
		ib->batch = b;
		ib->io = io;
		bio->bi_end_io = io_end;
		took = add_buffer(bio, at, left);
		at += took;
		left -= took;
		sector += took >> VFSR_SECTOR_SHIFT;
		atomic_inc(&b->left);
		submit_bio(bio);
	}
}

/* What keeps a run from being sent; 0: nothing. */
static int io_refused(const struct vfsr_io *io, blk_opf_t op)
{
	if (!vfsr_dev_usable(io->dev))
		return -ENODEV;
	if (op_is_write(op) && READ_ONCE(io->dev->pool->read_only))
		return -EROFS;
	/* a device that is given anything else stops */
	if (WARN_ON_ONCE(!is_vmalloc_addr(io->buf) &&
			 !virt_addr_valid(io->buf)))
		return -EFAULT;
	return 0;
}

void vfsr_io_submit(struct vfsr_io_batch *b, blk_opf_t op)
{
	struct blk_plug plug;
	unsigned int i;

	/* one more, so that it cannot end before all were submitted */
	atomic_set(&b->left, 1);
	blk_start_plug(&plug);
	for (i = 0; i < b->nr; i++) {
		struct vfsr_io *io = &b->io[i];

		io->error = io_refused(io, op);
		if (!io->error)
			io_submit_one(b, io, op);
	}
	blk_finish_plug(&plug);
	batch_put(b);
}

struct io_wait {
	struct vfsr_io_batch batch;
	struct completion end;
};

static void io_wait_done(struct vfsr_io_batch *b)
{
	complete(&container_of(b, struct io_wait, batch)->end);
}

int vfsr_io_run(struct vfsr_io *io, unsigned int nr, blk_opf_t op)
{
	struct io_wait w = {
		.batch = { .io = io, .nr = nr, .done = io_wait_done },
	};
	unsigned int i;
	int err = 0;

	init_completion(&w.end);
	vfsr_io_submit(&w.batch, op);
	wait_for_completion_io(&w.end);
	for (i = 0; i < nr && !err; i++)
		err = io[i].error;
	return err;
}

/* --- flush --- */

struct flush_wait {
	atomic_t left;
	struct completion end;
};

/* A flush's bio: the room in front is used otherwise. */
struct flush_bio {
	struct flush_wait *wait;
	struct vfsr_dev *dev;
	struct bio bio;
};
static_assert(offsetof(struct flush_bio, bio) == IO_BIO_PAD,
	      "both kinds of bio have the same front room");

static void flush_put(struct flush_wait *w)
{
	if (atomic_dec_and_test(&w->left))
		complete(&w->end);
}

static void flush_end(struct bio *bio)
{
	struct flush_bio *fb = container_of(bio, struct flush_bio, bio);
	struct flush_wait *w = fb->wait;
	int error = blk_status_to_errno(bio->bi_status);

	if (error) {
		count_error(fb->dev, REQ_OP_FLUSH, error);
		vfsr_dev_fail(fb->dev, "its cache cannot be flushed");
	}
	bio_put(bio);
	flush_put(w);
}

int vfsr_pool_flush(struct vfsr_pool *p)
{
	struct flush_wait w = { .left = ATOMIC_INIT(1) };
	unsigned int i;

	if (p->read_only)
		return -EROFS;
	init_completion(&w.end);
	for (i = 0; i < p->nr_devs; i++) {
		struct flush_bio *fb;
		struct bio *bio;

		if (!vfsr_dev_usable(p->dev[i]))
			continue;
		bio = io_bio_new(p->dev[i], 0, 0,
				 REQ_OP_WRITE | REQ_PREFLUSH | REQ_SYNC);
		fb = container_of(bio, struct flush_bio, bio);
		fb->wait = &w;
		fb->dev = p->dev[i];
		bio->bi_end_io = flush_end;
		atomic_inc(&w.left);
		submit_bio(bio);
	}
	flush_put(&w);
	wait_for_completion_io(&w.end);
	return vfsr_pool_usable(p) ? 0 : -EIO;
}

/* --- discard --- */

int vfsr_dev_discard(struct vfsr_dev *d, u32 strip, u32 nr_strips)
{
	unsigned int shift = d->pool->super->strip_shift - SECTOR_SHIFT;

	if (!d->can_discard || d->pool->read_only || !vfsr_dev_usable(d))
		return -EOPNOTSUPP;
	return blkdev_issue_discard(d->bdev,
				    vfsr_strip_sector(d, strip) << BLOCK_SHIFT,
				    (sector_t)nr_strips << shift, GFP_NOFS);
}
