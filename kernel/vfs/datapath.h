/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the data path share: buffers, promises of space, and the
 * way from folios to chunks and back.
 *
 * A folio that is dirty or under writeback holds a promise of PAGE_SIZE bytes
 * (vfsr_space_reserve()); PG_private says so, the private word is only a mark.
 * It changes hands under the folio lock, or by the end of the folio's
 * writeback. Promises are made before the folio is locked.
 *
 * Everybody holds at most one buffer, and who holds a read buffer waits for
 * no write buffer, nor the reverse.
 */
#ifndef VFSR_VFS_DATAPATH_H
#define VFSR_VFS_DATAPATH_H

#include <linux/mempool.h>
#include <linux/pagemap.h>

#include "vfs/vfs.h"

/* Folios of a window: the part of a file that one chunk covers at most. */
#define VFSR_WINDOW_PAGES (VFSR_CHUNK_BYTES / PAGE_SIZE)
static_assert(PAGE_SIZE == VFSR_SECTOR_BYTES, "a folio is one block");

struct vfsr_buf {
	struct list_head link;
	bool lent; /* by vfsr_bufs_try() */
	u8 *data; /* VFSR_CHUNK_BYTES */
	u8 *out; /* the same, for the encoded form; write only */
	void *ws; /* deflate workspace; write only */
};

/* A bounded number of buffers; some are there from the beginning, so that
 * there is progress without memory. */
struct vfsr_bufs {
	spinlock_t lock; /* guards free, nr, nr_lent */
	struct list_head free;
	unsigned int nr; /* made so far */
	unsigned int nr_lent; /* by vfsr_bufs_try(), fewer than nr */
	unsigned int max;
	bool codec; /* with out and ws */
	wait_queue_head_t wait;
};

struct vfsr_io_ws {
	struct vfsr_bufs rd, wr;
	mempool_t *jobs; /* struct write_job */
	unsigned int job_pages; /* most folios of a job: what an empty stripe
				 * has room for, at most a window */
	unsigned int max_queued;
	atomic_t nr_queued; /* jobs not yet in the tree */
	wait_queue_head_t room; /* nr_queued fell */
	spinlock_t live_lock; /* guards nr_live, vfsr_ino.jobs */
	unsigned int nr_live; /* jobs whose folios are under writeback */
	wait_queue_head_t idle; /* nr_live fell to 0 */
};

/* --- datapath.c --- */

/* A buffer; waits for one if all are in use. Never fails. Who has it waits for
 * nobody who may need one. */
struct vfsr_buf *vfsr_bufs_get(struct vfsr_bufs *bs);
/* A buffer that may be kept for long, as one is left for vfsr_bufs_get(); or
 * NULL. */
struct vfsr_buf *vfsr_bufs_try(struct vfsr_bufs *bs);
void vfsr_bufs_put(struct vfsr_bufs *bs, struct vfsr_buf *b);

/* --- aops.c --- */

/**
 * vfsr_promise - promise space for a folio about to be dirtied
 * @mapping: of the file
 * @index: of the folio
 * @force: also if the folio seems to hold a promise
 * @promised: set if one was made: vfsr_promise_take() or _return() it
 *
 * Sleeps. No folio locked, no transaction.
 *
 * Return: 0, -ENOSPC, or the error that stopped the filesystem.
 */
int vfsr_promise(struct address_space *mapping, pgoff_t index, bool force,
		 bool *promised);
/* For space.write_back: write back what is dirty (it may need less than was
 * promised) and wait until it is. @ctx: struct vfsr_sb. */
void vfsr_write_back(void *ctx);
/* Let the folio, locked and not under writeback, hold the promise unless it
 * has one. False: it has none and *@promised is false. */
bool vfsr_promise_take(struct folio *folio, bool *promised);
void vfsr_promise_return(struct address_space *mapping, bool *promised);
/* The folio holds no promise from now on; was there one? The caller releases
 * PAGE_SIZE bytes. Folio locked, or under writeback. */
bool vfsr_promise_drop(struct folio *folio);

/* --- readpath.c --- */

/* Make a locked folio uptodate. 0, or why it could not be read. */
int vfsr_fill_folio(struct inode *inode, struct folio *folio);
int vfsr_read_folio(struct file *file, struct folio *folio);
void vfsr_readahead(struct readahead_control *rac);

/* --- writepath.c --- */

int vfsr_writepath_init(struct vfsr_io_ws *io);
/* All jobs must have ended or be about to: waits until nobody touches @io. */
void vfsr_writepath_exit(struct vfsr_io_ws *io);
int vfsr_writepages(struct address_space *mapping,
		    struct writeback_control *wbc);
/* Wait until no job is under way, but no longer than @timeout (jiffies). */
void vfsr_write_settle(struct vfsr_sb *s, unsigned long timeout);

/* --- setsize.c --- */

/* The file grows beyond i_size: zero what a mapping may have stored behind it
 * in its last folio. i_rwsem held. */
void vfsr_zero_tail(struct inode *inode);

#endif
