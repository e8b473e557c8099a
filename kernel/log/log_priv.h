/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the log share.
 *
 * Order of locks: commit_lock, trans_sem, stream->lock, pool->record_lock,
 * grids->lock. A stream's lock is taken within a transaction (trans_sem held,
 * for read or write), but for aborting after an error.
 */
#ifndef VFSR_LOG_LOG_PRIV_H
#define VFSR_LOG_LOG_PRIV_H

#include "log/log.h"

#define VFSR_STREAM_SPARES	8u	/* most reserved grids of a stream */
/* Grids of metadata that may be dirty, and so be filled by a checkpoint, at most;
 * a third of that starts one */
#define VFSR_DIRTY_GRIDS	6u

struct vfsr_stream {
	struct vfsr_log *log;
	enum vfsr_stream_id id;
	u8 use;				/* enum vfsr_grid_use */
	struct vfsr_policy policy;
	struct mutex lock;		/* guards all below */
	struct vfsr_grid *grid;		/* being filled, referenced, or NULL */
	struct vfsr_stripe *stripe;	/* open, or NULL */
	struct vfsr_grid *spare[VFSR_STREAM_SPARES]; /* referenced, oldest
						      * first */
	unsigned int nr_spare;
	unsigned int want_spare;	/* reserved ahead at each record */
	unsigned int nr_idle;		/* checkpoints since a spare was used */
	unsigned long last_add;		/* jiffies */
	struct delayed_work close_work;	/* closes a stripe without input */
};

/* --- stream.c --- */

int vfsr_streams_new(struct vfsr_log *log);
void vfsr_streams_free(struct vfsr_log *log);
/* Hand the open list's grids to the streams, those left over are finished. */
void vfsr_streams_adopt(struct vfsr_log *log);
/* Let go of grids and stripes (unmount, or after an error: pendings get @error). */
void vfsr_streams_drop(struct vfsr_log *log, int error);
/* Cancel the delayed closing of stripes. */
void vfsr_streams_quiesce(struct vfsr_log *log);
/* Close and submit the open stripe, st->lock held. */
void vfsr_stream_close_locked(struct vfsr_stream *st, u8 flags, u32 nr_stripes);
/* See to it that a stripe with room for @bytes (packed, not aligned) is open;
 * st->lock held. */
int vfsr_stream_need_locked(struct vfsr_stream *st, u32 bytes);
/* Reserve grids up to what the stream wants ahead, in memory; no record is
 * written. st->lock held. */
void vfsr_stream_top_up(struct vfsr_stream *st);
/* The same for a checkpoint, before its record is prepared: a stream that has needed
 * none for long wants fewer. @yield: a stream of metadata keeps the fewest. */
void vfsr_stream_adjust(struct vfsr_stream *st, bool yield);
/* Would a checkpoint that yields give anything back? */
bool vfsr_streams_can_yield(struct vfsr_log *log);
/* Add a chunk that is whole sectors, raw; its place is known at once. */
int vfsr_stream_add_placed(struct vfsr_log *log, enum vfsr_stream_id id,
			   const struct vfsr_chunk *c, const void *stored,
			   u64 *place);

/* --- trans.c --- */

/* Before a checkpoint that is to make room on the open list, without trans_sem: wait
 * until enough grids are sealed. */
void vfsr_log_wait_seals(struct vfsr_log *log);

/* --- commit.c --- */

/* Ceilings for a record: nothing used until the next record may pass them. */
void vfsr_log_ceilings(struct vfsr_log *log, struct vfsr_super *next,
		       bool clean);
/* Checkpoint; commit_lock held. */
int vfsr_log_checkpoint(struct vfsr_log *log);
/* A record with the contents of the last one: new ceilings, open list, states
 * of members, strip states. @clean: no stripe follows. @epoch: a higher one. */
int vfsr_log_rewrite(struct vfsr_log *log, bool clean, bool epoch);
bool vfsr_log_is_dirty(struct vfsr_log *log);

/* --- recover.c --- */

int vfsr_log_recover(struct vfsr_log *log);

#endif
