/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Grids: the table of all grids in use, verified reads with healing, and the
 * placement of new grids.
 *
 * A grid is found by id (xarray, RCU) and held by reference. What a grid is (geometry,
 * columns) never changes once it is in the table. An OPEN or RESERVED
 * grid has struct vfsr_open (stripe.h), which stays with it; when it is sealed
 * parity_crc appears. A freed grid leaves the table; who still holds a
 * reference may read what is there, and finds out by checksums.
 */
#ifndef VFSR_GRID_GRIDTAB_H
#define VFSR_GRID_GRIDTAB_H

#include <linux/list.h>
#include <linux/mempool.h>
#include <linux/refcount.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "base/waits.h"
#include "core/footer.h"
#include "pool/member.h"

struct vfsr_column {
	u32 strip;
	u8 device;
	bool known;	/* false: on a member whose table we do not have */
};

struct vfsr_open; /* stripe.h */

struct vfsr_grid {
	u64 id;
	struct vfsr_geometry g;
	struct vfsr_policy policy;
	u8 use;	/* enum vfsr_grid_use */
	u8 state;	/* enum vfsr_strip_state, as the tables have it
				 * or will have it; under grids->lock */
	refcount_t refs;	/* 1 for the table */
	struct rcu_head rcu;
	atomic64_t live;	/* bytes that the map names, now */
	bool live_dirty; /* on grids->live_list; under grids->live_lock */
	bool frozen;	/* takes no more stripes (a column is lost) */
	struct list_head live_link;
	/* stripes: loaded at first use under load_lock, then constant, but for
	 * an open grid, where they are changed under open->lock */
	struct mutex load_lock;
	bool loaded;	/* smp_load_acquire */
	u32 rows_used;
	u8 *starts; /* VFSR_BITMAP_BYTES, NULL until loaded */
	u32 *parity_crc; /* n * r; NULL for an open grid or r == 0 */
	u32 trailer_bad;	/* columns whose trailer is damaged */
	int load_error;	/* of the last vain load, under load_lock */
	unsigned long load_when;	/* jiffies of it, under load_lock */
	struct vfsr_open *open; /* NULL if it was sealed by an earlier mount;
				 * else stays, see vfsr_grid_is_sealed() */
	struct vfsr_column col[];	/* n */
};

/* Counters of healing, shown in sysfs; per device ones are in the pool. */
struct vfsr_heal_stats {
	atomic64_t bad_chunks;	/* reads that failed their checksum */
	atomic64_t healed_chunks;	/* of these, given back right */
	atomic64_t lost_chunks;	/* of these, lost in part */
};

struct vfsr_grids {
	struct vfsr_pool *pool;
	struct xarray table;	/* id -> grid */
	const struct vfsr_parity_ops *ops; /* chosen and compared at load */
	spinlock_t lock;	/* guards state, free counts, lists */
	spinlock_t live_lock;	/* guards live_list; innermost */
	struct list_head live_list;	/* live changed since the last flush */
	atomic64_t live_bytes;	/* sum over all grids */
	/* free strips, guarded by lock */
	unsigned long *free[VFSR_MAX_MEMBERS]; /* bit per strip, set: free;
						* NULL: no new strips there */
	u32 nr_free[VFSR_MAX_MEMBERS];
	u32 first_free[VFSR_MAX_MEMBERS];	/* no free strip below */
	u64 next_grid;	/* id of the next new grid */
	unsigned long place_gen;	/* grows when free strips change; read
					 * without the lock */
	u64 held_grids;			/* of the default data policy: the last
					 * half as many are for metadata alone.
					 * Set once, by the space layer */
	bool discard;			/* freed strips; as the mount's options
					 * say, until then none */
	/* open and reserved grids, guarded by lock; see stripe.h */
	struct list_head open_list;
	unsigned int nr_open;
	wait_queue_head_t wait;	/* a stripe or a seal ended */
	struct vfsr_wait flight;	/* for a stripe, or its buffer */
	struct vfsr_wait sealing;	/* for a seal */
	struct workqueue_struct *wq; /* sealing of stripes and of grids */
	struct vfsr_stripe_pool *stripes; /* buffers; stripe.c's own */
	struct vfsr_reader *reader; /* buffers and footer cache; read's own */
	struct address_space *sectors; /* lately read, by place without its
					* byte; NULL: none are kept. Whoever
					* makes the grids sets it before
					* others read */
	struct vfsr_heal_stats heal;
	/* finds a name for messages: "ino 12 offset 4096"; may be NULL */
	atomic_t io_error;	/* first fatal error of a write, or 0 */
};

/* --- life --- */

/**
 * vfsr_grids_new - build the table from strip tables and record
 * @p: opened pool
 * @out: the grids
 *
 * Every strip in use names its grid; columns on members whose table is missing
 * stay unknown until the trailer or a footer of another column tells (at
 * load). Grids of the record's open list become OPEN or RESERVED with struct
 * vfsr_open. Contradictions are reported; a column that two strips claim goes to the
 * claim of a member that is not stale. A pool that contradicts itself badly
 * (open grid without strips) is refused.
 *
 * Return: 0, -EUCLEAN, -ENOMEM.
 */
int vfsr_grids_new(struct vfsr_pool *p, struct vfsr_grids **out);
void vfsr_grids_free(struct vfsr_grids *gs);

/* A grid in no table and without known columns, with one reference and unlocked
 * locks; its maker sets the columns. NULL: no memory. */
struct vfsr_grid *vfsr_grid_alloc(u64 id, const struct vfsr_geometry *g,
				  const struct vfsr_policy *policy, u8 use,
				  u8 state);

/* Find and hold; NULL if there is none. */
struct vfsr_grid *vfsr_grid_get(struct vfsr_grids *gs, u64 id);
void vfsr_grid_put(struct vfsr_grid *g);

/* Load stripe starts and parity crcs (trailers; an open grid has them).
 * 0, -EIO if no trailer of it can be read, -EUCLEAN. May sleep. */
int vfsr_grid_load(struct vfsr_grids *gs, struct vfsr_grid *g);

/**
 * vfsr_grid_pos - where a sector of a grid is
 * @gs: grids
 * @g: grid
 * @rows: the stripe of @row; ignored for parity rows and the trailer
 * @col: column
 * @row: 0..R
 * @sector: out: 4 KiB sector of the device
 *
 * Return: the device (maybe failed), or NULL if unknown or missing.
 */
struct vfsr_dev *vfsr_grid_pos(struct vfsr_grids *gs, const struct vfsr_grid *g,
			       const struct vfsr_extent_rows *rows, u32 col,
			       u32 row, u64 *sector);

/* --- live bytes --- */

/* A chunk of @bytes appeared at @place (or vanished, negative). An unknown grid
 * is ignored (its members are missing). Any context but hard interrupts. */
void vfsr_grids_live_add(struct vfsr_grids *gs, u64 place, s64 bytes);
/* Write the live bytes that changed into the members' tables. Nobody may call
 * live_add meanwhile (transactions are held off). Afterwards live_list holds
 * the grids without live bytes, for vfsr_grids_free_empty(). */
void vfsr_grids_live_flush(struct vfsr_grids *gs);

/* --- reading --- */

/* Who asks, for messages. */
struct vfsr_reader_of {
	u64 ino;	/* 0: metadata of no file */
	u64 offset;	/* byte in the file */
	bool small;	/* a small file: its neighbours are others */
};

/**
 * vfsr_chunk_read - logical contents of a chunk, verified, healed if need be
 * @gs: grids
 * @c: chunk as the map has it
 * @dst: room for c->logical bytes (kmalloc or vmalloc)
 * @bad: out: mask of 4 KiB pieces of @dst that are lost (all of them for a
 *	 compressed chunk), these are zeroed; may be NULL
 * @who: for messages
 *
 * Waits for a stripe that is still on its way to disk. A wrong checksum: the
 * bad sectors are found by the stripe's footer, rebuilt by row, else by the whole
 * grid, verified, returned and written back (unless the pool is read only), counted
 * per device and logged (rate limited) with device, grid and file.
 *
 * A grid may be freed while a chunk of it is read, then this fails: callers look
 * the chunk up again and try again if its place has changed.
 *
 * Context: may sleep, GFP_NOFS inside; no folio is touched.
 *
 * Return: 0; -EIO if anything is lost (@bad says what, the rest is right);
 * -EUCLEAN if the stored form is malformed; -ENOMEM.
 */
int vfsr_chunk_read(struct vfsr_grids *gs, const struct vfsr_chunk *c,
		    void *dst, u64 *bad, const struct vfsr_reader_of *who);

/**
 * vfsr_grid_rows_read - verified data and parity rows of all columns
 * @gs: grids
 * @g: grid
 * @rows: a stripe
 * @buf: n * depth sectors, column after column
 *
 * For sealing (column parity over what an earlier mount wrote) and for
 * moving. Heals as vfsr_chunk_read() does; columns on missing members are
 * rebuilt too.
 *
 * Return: 0, -EIO if a sector of it is lost.
 */
int vfsr_grid_rows_read(struct vfsr_grids *gs, struct vfsr_grid *g,
			const struct vfsr_extent_rows *rows, u8 *buf);

/**
 * vfsr_grid_sector_read - sectors of a column's strip as they are on disk
 * @gs: grids
 * @g: grid
 * @col: column whose strip it is
 * @strip_sector: first sector in the strip, 0 .. strip_sectors - 1
 * @nr: sectors, all in this strip
 * @buf: room for them, page aligned
 *
 * Nothing is verified or healed: for recovery, which looks for stripes.
 *
 * Return: 0; -ENODEV if the member is missing or unknown; -EINVAL; -EIO.
 */
int vfsr_grid_sector_read(struct vfsr_grids *gs, const struct vfsr_grid *g,
			  u32 col, u32 strip_sector, u32 nr, void *buf);
/* Write sectors of a strip, unverified. Cached footers of the grid are forgotten. */
int vfsr_grid_sector_write(struct vfsr_grids *gs, const struct vfsr_grid *g,
			   u32 col, u32 strip_sector, u32 nr, void *buf);

/**
 * vfsr_grid_quiesce - wait until nobody writes healed sectors to a freed grid
 * @g: grid whose state is VFSR_STRIP_FREE
 *
 * Healing writes under load_lock and only while the state is not FREE. To be called
 * before the strips of a freed grid can be used again. May sleep.
 */
static inline void vfsr_grid_quiesce(struct vfsr_grid *g)
{
	mutex_lock(&g->load_lock);
	mutex_unlock(&g->load_lock);
}

/**
 * vfsr_grids_resync - bring stale members up to date
 * @gs: grids
 *
 * For every sealed grid with a column on a stale member whose trailer there is
 * not the grid's: heal that column, trailer included; of open grids the rows
 * that are committed. Runs in a worker after a read-write mount; ends early at
 * vfsr_grids_stop() or when the pool becomes read only. When all is done the
 * members are not stale any more.
 */
void vfsr_grids_resync(struct vfsr_grids *gs);
/* End a resync that runs and wait for it; none starts until resume. */
void vfsr_grids_stop(struct vfsr_grids *gs);
void vfsr_grids_resume(struct vfsr_grids *gs);

/* --- placement (grid_place.c) --- */

/* Build the free maps from strip tables and known columns; the last part of
 * vfsr_grids_new(). Leaves nothing behind if it fails. */
int vfsr_place_init(struct vfsr_grids *gs);
void vfsr_place_exit(struct vfsr_grids *gs);

/**
 * vfsr_grid_reserve - take strips for a new grid
 * @gs: grids
 * @policy: its redundancy
 * @use: enum vfsr_grid_use
 * @out: the grid, RESERVED, in the table and on the open list, referenced
 *
 * The n usable, active members with most free strips; with fewer members than
 * columns each gets its even share, as mkfs places them. The strip tables are
 * changed in memory; no stripe may go there before a record names it. If too few
 * members are usable for the policy's spread but enough strips are free, columns
 * double up (a degraded pool goes on). Grids of data leave half of held_grids free.
 *
 * Return: 0, -ENOSPC, -ENOMEM.
 */
int vfsr_grid_reserve(struct vfsr_grids *gs, const struct vfsr_policy *policy,
		      u8 use, struct vfsr_grid **out);

/* Grids of a policy that could be placed now. Takes grids->lock. */
u64 vfsr_place_count(struct vfsr_grids *gs, const struct vfsr_policy *policy);
/* Grids of a policy that the members that are there would hold if empty. */
u64 vfsr_place_total(struct vfsr_grids *gs, const struct vfsr_policy *policy);

/**
 * vfsr_grids_free_empty - free sealed grids without live bytes
 * @gs: grids
 * @list: freed grids are moved here (through live_link, holding the table's
 *	  reference); give them to vfsr_grids_freed() when the record that
 *	  says so is durable
 * @keep: a grid not to free (it holds the newest commit mark), or 0
 *
 * Their strips become FREE in the members' tables but not in the free maps. A
 * grid with a column on a missing or failed member is kept. Called at a commit, nobody
 * changes live bytes meanwhile. Only grids whose live count changed since the
 * last call are looked at, after a mount all.
 */
void vfsr_grids_free_empty(struct vfsr_grids *gs, struct list_head *list,
			   u64 keep);
/* Would vfsr_grids_free_empty() free any now? (A hint: may miss some.) */
bool vfsr_grids_have_empty(struct vfsr_grids *gs);
/* The record is durable: discard the strips, make them free, drop the grids. */
void vfsr_grids_freed(struct vfsr_grids *gs, struct list_head *list);

/**
 * vfsr_grids_trim - discard free strips
 * @gs: grids
 * @start: first byte; the strips of the members are numbered through, member after
 *	   member, and strip i is bytes i * strip size and on
 * @end: byte behind the last one; only strips that are in between as a whole
 * @min_bytes: shorter runs of free neighbours are left alone
 * @done: bytes that were discarded, also after an error
 *
 * Context: sleeps; no transaction. Grids are not reserved while one run is discarded.
 *
 * Return: 0, -EINVAL if @start is behind the last strip, -EOPNOTSUPP if no member has
 * discard, -ERESTARTSYS, the error of a device.
 */
int vfsr_grids_trim(struct vfsr_grids *gs, u64 start, u64 end, u64 min_bytes,
		    u64 *done);

/* --- parity (grid_parity.c) --- */

/* Vector operations of the kernel (raid6_pq, xor), compared with the core's at
 * module load. */
extern const struct vfsr_parity_ops vfsr_parity_kernel;
/* Compare them; 0 or -EINVAL (then vfsr_parity_scalar is used, and said). */
int vfsr_parity_selftest(void);

#endif
