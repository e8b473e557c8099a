/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the grid reader share: workspaces, the cache of footers,
 * the record of damage, and the calls between them. Included by
 * kernel/grid/grid*.c only.
 *
 * Locks, outermost first: resync_lock, heal_lock (one expensive recovery at a time), a
 * grid's load_lock (loading it, or writing healed sectors to it), then one of the
 * spinlocks (ws_lock, label_lock, mark_lock, sector_lock), which are never
 * nested. A workspace is waited for with none of these held but resync_lock,
 * and its holder never waits for a second one.
 */
#ifndef VFSR_GRID_GRID_PRIV_H
#define VFSR_GRID_GRID_PRIV_H

#include <linux/bitops.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/ratelimit.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "core/chunk.h"
#include "grid/gridtab.h"
#include "grid/stripe.h"

/* Sectors that cover a chunk: 32, and one more where it is not aligned */
#define WS_SECTORS (VFSR_CHUNK_BYTES / VFSR_SECTOR_BYTES + 1)
#define WS_IOS \
	72u /* runs of one batch: each piece of a chunk, or each
				 * column, crosses a strip's end at most once */

#define SOCIAL_SECTORS 4u /* a chunk of no more is read with its neighbours */

#define LABEL_BUCKETS 64u
#define LABELS_MAX 64u /* footers kept */
#define LOST_LABELS 64u /* known to be lost, direct mapped */
#define MARK_SETS 2048u /* sectors with events: sets x ways */
#define MARK_WAYS 4u
#define SECTOR_SETS 256u /* sectors rebuilt and not written: 4 MiB */
#define SECTOR_WAYS 4u
#define HOPELESS_GRIDS 8u
#define BAD_WINDOWS 16u

/* What was decoded in vain is not tried again for so long. */
#define HOPELESS_JIFFIES (30 * HZ)

/* What was noted about a sector. */
#define MARK_BAD 1u
#define MARK_HEALED 2u
#define MARK_WRITTEN 4u
#define MARK_LOST 8u

/* How a sector could be read. */
enum vfsr_sector_state {
	SECTOR_OK = 0,
	SECTOR_ERROR = 1, /* the member is there but does not give it */
	SECTOR_MISSING = 2, /* the member is missing, or the place unknown */
};

/* A stripe's footer, cached; constant but for refs and links. */
struct vfsr_label {
	struct vfsr_footer ft;
	struct hlist_node hash;	/* label_lock */
	struct list_head lru;	/* label_lock */
	refcount_t refs;	/* one for the cache */
	u8 *sector; /* page: as on disk */
};

/* Events of one sector, so that each counts once. */
struct vfsr_mark {
	u64 key;	/* sector_key() << 4 | MARK_*; 0: empty */
	u32 closed;	/* heal_seq when it was written back, 0: not yet */
};

struct vfsr_kept_sector {
	u64 key;	/* 0: empty */
	u8 *data; /* page */
};

/* A whole-grid decode that left something. */
struct vfsr_hopeless {
	u64 grid;	/* 0: empty */
	unsigned long when;	/* jiffies */
	u32 *bad; /* R masks */
};

struct vfsr_reader {
	/* workspaces */
	spinlock_t ws_lock;
	struct list_head ws_idle;	/* ws_lock */
	unsigned int nr_ws, max_ws;	/* made so far: ws_lock; bound */
	wait_queue_head_t ws_wait;
	struct vfsr_wait ws_had;	/* by a reader; never two */
	/* footers */
	spinlock_t label_lock;
	struct list_head label_lru;	/* newest first */
	struct hlist_head label_hash[LABEL_BUCKETS];
	unsigned int nr_labels;
	struct {
		u64 key;	/* 0: empty */
		unsigned long when;	/* jiffies */
	} lost_label[LOST_LABELS];
	/* runs of sectors that could not be read whole: 1 + number, 0: empty;
	 * no lock, direct mapped */
	u64 bad_window[BAD_WINDOWS];
	/* events */
	spinlock_t mark_lock;
	struct vfsr_mark (*mark)[MARK_WAYS]; /* MARK_SETS */
	u32 mark_hand;
	u32 heal_seq;	/* grows with each write-back */
	/* sectors that only a whole grid gave */
	spinlock_t sector_lock;
	struct vfsr_kept_sector (*sector)[SECTOR_WAYS]; /* or NULL */
	u32 sector_hand;
	/* whole grids */
	struct mutex heal_lock;
	struct vfsr_hopeless hopeless[HOPELESS_GRIDS];	/* heal_lock */
	u32 hopeless_hand;
	/* resync */
	struct mutex resync_lock;
	bool stop;
	struct ratelimit_state healed_limit, lost_limit;
};

/* Buffers of one reader. */
struct vfsr_read_ws {
	struct list_head link;
	void *inflate;
	u8 *stored; /* WS_SECTORS sectors */
	u8 *rows; /* rows of all columns; grows when needed */
	u32 rows_room;	/* sectors */
	u32 heal_depth;	/* nested holds of heal_lock */
	u32 heal_seq;	/* when this read began to look closer */
	bool seen_bad;	/* a member that is there gave something wrong */
	u32 nr_written;	/* sectors written back since it was got */
	u32 nr_lost;
	u32 nr_healed[VFSR_MAX_MEMBERS];	/* of members that are there */
	u32 nr_io;
	struct vfsr_io io[WS_IOS];
	u8 *io_state[WS_IOS]; /* of the sectors of that run */
	u8 part_state[WS_SECTORS];
	u8 state[VFSR_MAX_STRIPE_SECTORS];	/* column after column */
	u32 bad[VFSR_MAX_STRIPE_SECTORS];	/* a mask per row */
	u32 left[VFSR_MAX_STRIPE_SECTORS];	/* what rows could not give */
};

/* Where a chunk lies. */
struct vfsr_spot {
	struct vfsr_grid *g; /* held */
	struct vfsr_extent_rows e;
	u32 sector; /* linear, of the grid */
	u32 nr; /* sectors that cover it */
	u32 byte; /* in the first */
	u32 inside; /* linear sector of the stripe */
};

/* Rows [row, row + nr) of one stripe (or of the parity rows, @label NULL). */
struct vfsr_row_run {
	struct vfsr_grid *g;
	struct vfsr_label *label;
	struct vfsr_extent_rows e;
	u32 row, nr;
	bool own_bufs;	/* @buf is the caller's, not in ws->rows */
	u8 *buf[VFSR_MAX_COLUMNS]; /* nr sectors each */
	u32 *bad; /* nr masks, in ws->bad */
};

static inline unsigned int vfsr_mask_bits(u32 mask)
{
	return hweight32(mask);
}

static inline u32 vfsr_mask_all(const struct vfsr_grid *g)
{
	return ~(u32)0 >> (VFSR_MAX_COLUMNS - g->g.n);
}

/* All fields that a label states; not memcmp(), the struct has a hole. */
static inline bool vfsr_same_geometry(const struct vfsr_geometry *a,
				      const struct vfsr_geometry *b)
{
	return a->k == b->k && a->m == b->m && a->r == b->r &&
	       a->layout == b->layout && a->strip_shift == b->strip_shift;
}

/* Column parity can be used: the trailers are committed. */
static inline bool vfsr_grid_has_columns(const struct vfsr_grid *g)
{
	return READ_ONCE(g->state) == VFSR_STRIP_SEALED && g->g.r;
}

/* Rows in stripes. An open grid's grow: whoever adds a stripe sets its start bit
 * before rows_used (with release), so a reader sees whole stripes only. */
static inline u32 vfsr_grid_rows_used(const struct vfsr_grid *g)
{
	return smp_load_acquire(&g->rows_used);
}

static inline u8 *vfsr_nth_sector(u8 *buf, u32 i)
{
	return buf + (size_t)i * VFSR_SECTOR_BYTES;
}

/* --- gridtab.c --- */

/* As vfsr_grid_pos(), and how many of the @nr sectors from @row on, all of one
 * stripe or all parity rows, follow it on the device. */
struct vfsr_dev *vfsr_grid_pos_run(struct vfsr_grids *gs,
				   const struct vfsr_grid *g,
				   const struct vfsr_extent_rows *rows, u32 col,
				   u32 row, u32 nr, u64 *sector, u32 *len);
/* The next grid by id, from @id on, held; NULL at the end. */
struct vfsr_grid *vfsr_grid_next(struct vfsr_grids *gs, u64 id);
/* Are there members whose strips nobody knows? */
bool vfsr_grids_incomplete(const struct vfsr_grids *gs);

/* --- grid_claim.c --- */

/* Make the grids of all strip tables and of the record's open list. */
int vfsr_grids_claim(struct vfsr_grids *gs);
/* Tell the tables of members that were away what the others know. */
void vfsr_grids_teach(struct vfsr_grids *gs);
int vfsr_grids_open_list(struct vfsr_grids *gs);

/* --- grid_load.c --- */

/* Read the trailer of a column. @t is filled and true returned if it is one of
 * this grid; *@state says how it could be read. @sector: one page. */
bool vfsr_trailer_read(struct vfsr_grids *gs, struct vfsr_grid *g, u32 col,
		       u8 *sector, struct vfsr_trailer *t, u8 *state);
/* Take places that nobody knew from a label's lists; load_lock held. */
void vfsr_grid_learn(struct vfsr_grids *gs, struct vfsr_grid *g,
		     const u32 *strip, const u8 *device);

/* --- grid_footer.c --- */

/* The footer of a stripe, referenced. @hard: by column parity too. 0, -EIO,
 * -ENOMEM. */
int vfsr_label_get(struct vfsr_grids *gs, struct vfsr_grid *g,
		   const struct vfsr_extent_rows *e, bool hard,
		   struct vfsr_read_ws *ws, struct vfsr_label **out);
void vfsr_label_put(struct vfsr_label *l);
/* Drop what is cached of a grid; 0: of all. */
void vfsr_labels_forget(struct vfsr_grids *gs, u64 grid);
/* Find the stripes of a grid without trailers, by the chain of its footers. @starts
 * and @rows_used are out. Places that nobody knew are learnt. */
int vfsr_grid_scan_starts(struct vfsr_grids *gs, struct vfsr_grid *g,
			  u8 *starts, u32 *rows_used);

/* --- grid_rows.c --- */

/* Queue a run of sectors for reading, merged with the last one if it follows. @state
 * (of @nr sectors) may be NULL. False: no room, vfsr_ws_read() first. */
bool vfsr_ws_queue(struct vfsr_read_ws *ws, struct vfsr_dev *dev, u64 sector,
		   u32 nr, u8 *buf, u8 *state);
/* Read what was queued; what fails is read again sector by sector, and the
 * states say which ones failed. */
void vfsr_ws_read(struct vfsr_read_ws *ws);
/* Queue sectors of a column (one stripe, or parity rows), reading if the queue is
 * full; the state of each is set after the next vfsr_ws_read(). */
void vfsr_rows_queue(struct vfsr_grids *gs, const struct vfsr_grid *g,
		     const struct vfsr_extent_rows *e, u32 col, u32 row, u32 nr,
		     u8 *buf, u8 *state, struct vfsr_read_ws *ws);
/* The same for one sector, without a workspace. */
u8 vfsr_sector_read(struct vfsr_grids *gs, const struct vfsr_grid *g,
		    const struct vfsr_extent_rows *e, u32 col, u32 row,
		    u8 *buf);
/* Is a sector right? @label: its stripe's, NULL for parity rows. */
bool vfsr_sector_ok(struct vfsr_grids *gs, const struct vfsr_grid *g,
		    const struct vfsr_label *label, u32 col, u32 row, u8 *data);
/* Most rows that one run can have. */
static inline u32 vfsr_rows_max(const struct vfsr_grid *g)
{
	return VFSR_MAX_STRIPE_SECTORS / g->g.n;
}
/* Read and check rows; bad ones are counted. 0 or -ENOMEM. */
int vfsr_rows_load(struct vfsr_grids *gs, struct vfsr_row_run *rr,
		   struct vfsr_read_ws *ws);
/* Rebuild what the rows' own parity can; clears bits of rr->bad. */
void vfsr_rows_decode(struct vfsr_grids *gs, struct vfsr_row_run *rr,
		      struct vfsr_read_ws *ws);
/* One verified sector, healed by its row if need be. 0, -EIO, -ENOMEM. */
int vfsr_sector_get(struct vfsr_grids *gs, struct vfsr_grid *g, u32 col,
		    u32 row, u8 *data, struct vfsr_read_ws *ws);

/* --- grid_heal.c --- */

/* Note @mark of a sector of a member that is there; each counts once. */
void vfsr_heal_mark(struct vfsr_grids *gs, struct vfsr_grid *g,
		    const struct vfsr_extent_rows *e, u32 col, u32 row,
		    u32 mark, struct vfsr_read_ws *ws);
/* Sectors of a column were rebuilt and verified: count them, write them back.
 * Return: whether all of them are on disk now. */
bool vfsr_heal_done(struct vfsr_grids *gs, struct vfsr_grid *g,
		    const struct vfsr_extent_rows *e, u32 col, u32 row, u32 nr,
		    u8 *data, struct vfsr_read_ws *ws);
/* A sector that only the whole grid could give. 0, -EIO, -ENOMEM. */
int vfsr_heal_sector(struct vfsr_grids *gs, struct vfsr_grid *g, u32 col,
		     u32 row, u8 *data, struct vfsr_read_ws *ws);
/* One expensive recovery at a time; may be nested by one workspace. */
void vfsr_heal_lock(struct vfsr_grids *gs, struct vfsr_read_ws *ws);
void vfsr_heal_unlock(struct vfsr_grids *gs, struct vfsr_read_ws *ws);
int vfsr_heal_init(struct vfsr_grids *gs);
void vfsr_heal_exit(struct vfsr_grids *gs);

/* --- grid_read.c --- */

int vfsr_reader_init(struct vfsr_grids *gs);
void vfsr_reader_exit(struct vfsr_grids *gs);
/* A workspace; waits for one. Never fails. */
struct vfsr_read_ws *vfsr_ws_get(struct vfsr_grids *gs);
void vfsr_ws_put(struct vfsr_grids *gs, struct vfsr_read_ws *ws);
/*
 * Read the sectors of a chunk as they are; nothing is verified yet. @copy: the
 * column to read where parity is a copy, else 0.
 */
int vfsr_spot_read(struct vfsr_grids *gs, const struct vfsr_spot *at, u32 copy,
		   blk_opf_t op, u8 *buf, struct vfsr_read_ws *ws);

/* --- grid_sectors.c: only while gs->sectors is set --- */

/* As vfsr_spot_read() of column 0, or from what was read before. @data: out, the
 * sectors in ws->stored. 0 or -EIO: read just the spot. */
int vfsr_sectors_read(struct vfsr_grids *gs, const struct vfsr_spot *at,
		      blk_opf_t op, const u8 **data, struct vfsr_read_ws *ws);
/* The sectors of a spot turned out to be wrong. */
void vfsr_sectors_forget(struct vfsr_grids *gs, const struct vfsr_spot *at);

/* --- grid_parity.c --- */

/* The operations that the self test chose. */
const struct vfsr_parity_ops *vfsr_parity_best(void);

#endif
