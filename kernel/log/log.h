/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The log: transactions, streams of chunks into stripes, checkpoints, recovery.
 *
 * Updates run between vfsr_trans_begin() and vfsr_trans_end(), which holds
 * trans_sem for read. A checkpoint holds it for write while it closes the
 * open stripes, copies dirty nodes and map pages into stripe buffers, and encodes
 * strip tables; the next transaction then starts, while the I/O of the last
 * one goes on. Stripes go only into grids that the last durable record names
 * ("durable"); when a stream runs out of these a record is written that only
 * reserves more (vfsr_log_reserve()).
 *
 * Nothing under a transaction waits for a folio or touches user memory;
 * allocation is NOFS there (begin sets it, end restores it).
 */
#ifndef VFSR_LOG_LOG_H
#define VFSR_LOG_LOG_H

#include <linux/rwsem.h>

#include "grid/stripe.h"
#include "log/idmap.h"

/* Streams; each has at most one open grid and one open stripe. */
enum vfsr_stream_id {
	VFSR_STREAM_META,	/* nodes, attribute values */
	VFSR_STREAM_MAP,	/* map pages, commit marks */
	VFSR_STREAM_HOT,	/* file data */
	VFSR_NR_STREAMS
};

/* The upper layers' part of a checkpoint. @ctx is log->ops_ctx. */
struct vfsr_log_ops {
	/* Trees: store every dirty node by vfsr_stream_add(META), as transaction
	 * log->transaction; transactions are held off. An error stops the filesystem. */
	int (*write_nodes)(void *ctx);
	/* Is anything dirty up there? */
	bool (*is_dirty)(void *ctx);
	/* Dirty nodes, for throttling */
	unsigned long (*nr_dirty)(void *ctx);
	/* The record of a transaction is durable. */
	void (*durable)(void *ctx, u64 transaction);
	/* The filesystem stopped (no writes from now on); may be called in
	 * any context that may sleep. */
	void (*stopped)(void *ctx);
};

/* Counters kept in the record; changed within transactions. */
struct vfsr_log_counts {
	atomic64_t nr_inodes;
	atomic64_t logical_bytes;	/* extents, inline items of files */
};

struct vfsr_stream;	/* stream.c */

struct vfsr_log {
	struct vfsr_pool *pool;
	struct vfsr_grids *grids;
	struct vfsr_map *map;
	const struct vfsr_log_ops *ops;
	void *ops_ctx;
	struct rw_semaphore trans_sem;
	u64 transaction;		/* running; written under trans_sem */
	u64 durable;			/* of the last durable record */
	atomic64_t next_serial;		/* of stripes */
	atomic64_t nr_stripes;		/* closed in the running transaction */
	struct vfsr_log_counts counts;
	struct vfsr_stream *stream[VFSR_NR_STREAMS];
	struct mutex commit_lock;	/* one checkpoint at a time */
	struct vfsr_super *next;	/* record being made, under
					 * pool->record_lock */
	void *mark;			/* VFSR_SLOT_BYTES for commit marks,
					 * under commit_lock */
	bool yield;			/* this checkpoint; commit_lock */
	unsigned long soft_dirty;	/* dirty nodes and map pages that
					 * start a checkpoint; twice that
					 * holds updates back, three
					 * times writeback */
	struct workqueue_struct *wq;
	struct work_struct stop_work;	/* lets go of what waits for stripes */
	struct delayed_work commit_work; /* periodic, or asked for */
	unsigned int commit_seconds;	/* between periodic checkpoints */
	wait_queue_head_t wait;		/* a checkpoint ended */
	bool read_only;
	int error;			/* stopped: why (negative), or 0 */
	atomic64_t nr_commits, nr_reserves; /* for sysfs */
};

/* --- life --- */

/**
 * vfsr_log_open - start the log on an opened pool
 * @gs: grids
 * @read_only: write nothing
 * @out: the log; its maker sets ops and ops_ctx before the first transaction
 *	 (vfsr_trees_new() does)
 *
 * Starts at the record's ceilings. Unless read only and unless the record is
 * clean: crash recovery (zeroes labels of unfinished stripes), then a record under a
 * higher epoch if members are missing, or failed ones returned.
 *
 * Return: 0 or a negative errno.
 */
int vfsr_log_open(struct vfsr_grids *gs, bool read_only, struct vfsr_log **out);
/* Make a read-only log writable (remount). 0 or errno. */
int vfsr_log_set_rw(struct vfsr_log *log);
/* Last checkpoint, a clean record, and no more writes (unmount, remount ro). */
int vfsr_log_set_ro(struct vfsr_log *log);
/* Frees the log; after set_ro, or after an error. Grids and pool stay. */
void vfsr_log_close(struct vfsr_log *log);

/* --- transactions --- */

/**
 * vfsr_trans_begin - start changing things
 * @log: log
 *
 * Waits while too much is dirty (until a checkpoint has written it) and while a
 * checkpoint copies. Not nestable. Context: sleeps; holds no tree lock.
 *
 * Return: 0; -EROFS; -EIO when the filesystem has stopped.
 */
int vfsr_trans_begin(struct vfsr_log *log);
/* The same for a job of writeback, which holds no lock and only folios that are under
 * writeback: waits later than others do. */
int vfsr_trans_begin_writeback(struct vfsr_log *log);
/* The same without the throttle: for what frees space. */
int vfsr_trans_begin_nowait(struct vfsr_log *log);
void vfsr_trans_end(struct vfsr_log *log);

/* Stop: an update failed half way, or a write was lost. No more writes; what is
 * durable stays. Logs @why once. */
void vfsr_log_stop(struct vfsr_log *log, int error, const char *why);
static inline int vfsr_log_error(const struct vfsr_log *log)
{
	return READ_ONCE(log->error);
}

/* --- chunks --- */

/**
 * vfsr_stream_add - store a chunk
 * @log: log, within a transaction (or in its checkpoint)
 * @id: stream
 * @c: id (pinned), owner, offset, stored, logical, crc, state, alg, kind; birth 0
 *     means the running transaction
 * @stored: its bytes; copied
 * @p: called when its stripe is on disk, or failed; may be NULL
 *
 * The map learns the place when the stripe closes (at the latest in this
 * transaction's checkpoint). May sleep: for a stripe buffer, for a record that
 * reserves grids.
 *
 * Return: 0; -ENOSPC; -EIO.
 */
int vfsr_stream_add(struct vfsr_log *log, enum vfsr_stream_id id,
		    const struct vfsr_chunk *c, const void *stored,
		    struct vfsr_pending *p);

/* Bytes that one more chunk may have in the open stripe (0: none is open or
 * it is full): a hint for cutting raw data. */
u32 vfsr_stream_room(struct vfsr_log *log, enum vfsr_stream_id id,
		     bool aligned);

/* Close the open stripe so that its I/O starts; @soon: in 10 ms if nothing comes. Within no
 * tree lock; takes a transaction itself. */
void vfsr_stream_flush(struct vfsr_log *log, enum vfsr_stream_id id, bool soon);

/**
 * vfsr_log_read - contents of a chunk by id
 * @log: log
 * @id: chunk id
 * @kind: it must have, or -EUCLEAN
 * @c: out: its entry; may be NULL
 * @dst: room for @room bytes; the chunk's logical bytes are stored there
 * @room: -EUCLEAN if it has more
 * @bad: as vfsr_chunk_read()
 * @who: for messages
 *
 * Looks up, flushes streams if the chunk has no place yet (so: no transaction
 * of one's own, unless the chunk cannot be new), reads, heals.
 *
 * Return: logical bytes; -ENOENT (reported as missing-chunk), -EIO, ...
 */
int vfsr_log_read(struct vfsr_log *log, u64 id, u8 kind, struct vfsr_chunk *c,
		  void *dst, u32 room, u64 *bad,
		  const struct vfsr_reader_of *who);

/* --- checkpoints --- */

/**
 * vfsr_log_commit - make everything durable that was done before the call
 * @log: log
 *
 * Group commit: callers that wait share the next checkpoint. Without changes since the
 * last one: returns at once. Context: no transaction, no lock below i_rwsem.
 *
 * Return: 0 or the error that stopped the filesystem.
 */
int vfsr_log_commit(struct vfsr_log *log);

/**
 * vfsr_log_yield - give back grids that metadata keeps reserved beyond the fewest
 * @log: log
 *
 * For when data finds no room. Needs a checkpoint, makes none if there is nothing to
 * give. Context: as vfsr_log_commit().
 *
 * Return: 0, -EROFS, or -EIO after an error that stopped the filesystem.
 */
int vfsr_log_yield(struct vfsr_log *log);
/* Ask for one in the background. */
void vfsr_log_kick(struct vfsr_log *log);

/* A record that only reserves grids for a stream, with the last durable contents.
 * May be called within a transaction. */
int vfsr_log_reserve(struct vfsr_log *log, enum vfsr_stream_id id);

#endif
