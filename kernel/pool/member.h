/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pool: its members, the checkpoint record, strip tables, and all I/O to
 * devices. Nothing above this layer sees a block device.
 *
 * `super` is the last durable record. It and the tables' references change
 * only with record_lock held: from vfsr_tables_prepare() until the record that
 * names what was prepared is durable. The arrays strip[] and live[] of a member
 * are what the next prepare writes; they are guarded by table_lock.
 */
#ifndef VFSR_POOL_MEMBER_H
#define VFSR_POOL_MEMBER_H

#include <linux/atomic.h>
#include <linux/bio.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>

#include "base/report.h"
#include "core/striptab.h"
#include "core/super.h"

struct file;

/* Counters of one member, shown in sysfs. */
struct vfsr_dev_stats {
	atomic64_t read_errors;		/* requests that the device failed */
	atomic64_t write_errors;
	atomic64_t bad_sectors;		/* found unreadable or wrong */
	atomic64_t healed_sectors;	/* of these, rebuilt and verified */
	atomic64_t written_sectors;	/* of these, written back */
	atomic64_t lost_sectors;	/* could not be rebuilt */
};

struct vfsr_dev {
	struct vfsr_pool *pool;
	unsigned int index;		/* member number */
	struct file *file;		/* opened device; NULL: missing */
	struct block_device *bdev;	/* of @file */
	char path[64];			/* for messages; "" if missing */
	bool failed;	/* gave up on it; no I/O from then on. Set once */
	bool stale;			/* missed commits before this mount */
	bool no_table;	/* present, but not all of its strip table can be read:
			 * what cannot looks free, without live bytes. Such a
			 * table is never written and its free strips never
			 * given out */
	bool can_discard;
	atomic_t gave_up;		/* guards the one setting of @failed */
	u64 ack_epoch, ack_sequence;	/* newest record it has; record_lock */
	u64 strip_sector;		/* 4 KiB sectors, as in the record */
	u32 nr_strips;
	/* the strip table, guarded by pool->table_lock */
	struct vfsr_strip *strip;	/* nr_strips entries */
	u32 *live;			/* nr_strips: live bytes of the grid */
	struct vfsr_table_ref *ref; /* of table and live blocks: committed */
	unsigned long *dirty;		/* bit per table and live block */
	u32 nr_table, nr_live, nr_index;	/* blocks of each kind */
	struct vfsr_dev_stats stats;
};

struct vfsr_pool {
	char name[64];			/* label, else uuid */
	unsigned int nr_devs;		/* places: super->nr_members */
	struct vfsr_dev *dev[VFSR_MAX_MEMBERS];	/* never NULL below nr_devs for
					* a place in use; NULL: free place */
	struct vfsr_super *super;	/* last durable record */
	struct mutex record_lock;	/* guards super and all ref[] */
	spinlock_t table_lock;		/* guards strip[], live[], dirty */
	void *slot;	/* VFSR_SLOT_BYTES, under record_lock */
	u8 *records;	/* a slot per member, under record_lock;
					 * ring.c's own */
	struct bio_set bios;	/* all I/O, so that it always goes on */
	bool read_only;	/* never write (ro device or ro mount) */
	bool clean;			/* the record was left by an unmount */
	atomic_t nr_failed;		/* devices given up since the mount */
};

/* May I/O be sent to it? */
static inline bool vfsr_dev_usable(const struct vfsr_dev *d)
{
	return d && d->file && !READ_ONCE(d->failed);
}

/* --- opening --- */

#define VFSR_OPEN_RDONLY 0x1u
#define VFSR_OPEN_DEGRADED 0x2u /* members may be missing */
#define VFSR_OPEN_FORCE 0x4u /* accept split brain */

/* Text for the user who mounts: fc's log, or the kernel log. */
typedef void (*vfsr_say_fn)(void *ctx, const char *text);

/**
 * vfsr_pool_identify - uuid of the pool that a device belongs to
 * @path: block device
 * @uuid: out, VFSR_UUID_BYTES
 *
 * Opens the device, reads its rings, closes it. Return: 0; -EINVAL if no valid
 * record is on it (so that mount goes on to other types); or the error of open.
 */
int vfsr_pool_identify(const char *path, u8 *uuid);

/**
 * vfsr_pool_open - open the members and choose the record
 * @paths: block devices, any order; duplicates of one device are ignored
 * @nr: how many
 * @flags: VFSR_OPEN_*
 * @say: gets one sentence per problem: what, which device, what to do
 * @say_ctx: for @say
 * @out: the pool
 *
 * Chooses the newest valid record of all rings (head and tail) by (epoch,
 * sequence), assigns devices to members by their own records, refuses foreign
 * devices, split brain (unless forced), missing members (unless degraded), devices
 * smaller than the record says, unknown features (ro_compat: unless RDONLY).
 * Marks members stale whose own newest record is older than the chosen one by
 * more than the commit that may have been cut, or that the record calls failed. Loads
 * the strip tables (head, else tail). Writes nothing.
 *
 * Return: 0 or a negative errno, already said.
 */
int vfsr_pool_open(char *const *paths, unsigned int nr, unsigned int flags,
		   vfsr_say_fn say, void *say_ctx, struct vfsr_pool **out);
void vfsr_pool_close(struct vfsr_pool *p);

/* Let a pool that was opened VFSR_OPEN_RDONLY be written to (remount). Return:
 * 0; -EROFS if a device or an unknown feature forbids it, said. */
int vfsr_pool_set_rw(struct vfsr_pool *p, vfsr_say_fn say, void *say_ctx);

/* --- I/O; all positions and lengths in whole 4 KiB sectors --- */

/* One run of sectors of one device. @buf is page aligned, kmalloc, vmalloc or
 * page memory. */
struct vfsr_io {
	struct vfsr_dev *dev;
	u64 sector;
	void *buf;
	u32 nr_sectors;
	int error;			/* out */
};

/**
 * vfsr_io_run - read or write runs of sectors and wait
 * @io: runs; each gets its own error (-ENODEV: missing or failed device)
 * @nr: how many
 * @op: REQ_OP_READ or REQ_OP_WRITE with flags (REQ_FUA, REQ_META, REQ_SYNC...)
 *
 * Counts errors of devices. Context: may sleep.
 *
 * Return: 0, or the first error.
 */
int vfsr_io_run(struct vfsr_io *io, unsigned int nr, blk_opf_t op);

/* The same without waiting: @done is called once, in a context that may not
 * sleep (bio completion), when all runs have ended. The batch belongs to the
 * caller and stays valid until then. */
struct vfsr_io_batch {
	struct vfsr_io *io;
	unsigned int nr;
	atomic_t left;			/* internal */
	void (*done)(struct vfsr_io_batch *b);
};
void vfsr_io_submit(struct vfsr_io_batch *b, blk_opf_t op);

/* Flush the caches of all usable members, side by side. A member that fails is
 * given up (vfsr_dev_fail()). Return: 0, or -EIO if none is left. */
int vfsr_pool_flush(struct vfsr_pool *p);

/* Give up on a member after an I/O error or removal: logs once, sets failed.
 * What that means for grids is found when they are used. Any context. */
void vfsr_dev_fail(struct vfsr_dev *d, const char *why);

/* Discard a run of strips. May sleep. -EOPNOTSUPP if the device has no discard or must
 * not be written, else what the device says. */
int vfsr_dev_discard(struct vfsr_dev *d, u32 strip, u32 nr_strips);

/* First sector of a strip. */
static inline u64 vfsr_strip_sector(const struct vfsr_dev *d, u32 strip)
{
	return d->strip_sector + ((u64)strip << (d->pool->super->strip_shift -
						 VFSR_SECTOR_SHIFT));
}

/* --- strip tables --- */

/* Change an entry of a member's table (in memory; its block becomes dirty).
 * Missing members too: what they will be told when they return. Takes table_lock. */
void vfsr_member_set_strip(struct vfsr_dev *d, u32 strip,
			   const struct vfsr_strip *s);
void vfsr_member_set_live(struct vfsr_dev *d, u32 strip, u32 live_bytes);
/* All blocks of it are to be written (a stale member came back). */
void vfsr_member_dirty_all(struct vfsr_dev *d);

/* Encoded table blocks on their way to disk. */
struct vfsr_table_write;

/**
 * vfsr_tables_prepare - encode all dirty blocks
 * @p: pool, record_lock held
 * @transaction: that they belong to
 * @strips_only: leave live blocks dirty for later (they count what is not yet
 *		 committed)
 * @next: record that will name them: its members' index roots are set
 * @out: what vfsr_tables_write() shall write; NULL if nothing is dirty
 *
 * Slots change: once this succeeded, either @next becomes durable or the
 * filesystem stops (vfsr_tables_drop() frees only memory). Usable members only.
 *
 * Return: 0 or -ENOMEM.
 */
int vfsr_tables_prepare(struct vfsr_pool *p, u64 transaction, bool strips_only,
			struct vfsr_super *next, struct vfsr_table_write **out);
/* Write them, head and tail copies, and wait; does not flush. Frees @tw. A member whose
 * write fails is given up; 0, or -EIO if none is left. */
int vfsr_tables_write(struct vfsr_pool *p, struct vfsr_table_write *tw);
void vfsr_tables_drop(struct vfsr_table_write *tw);

/* --- the record --- */

/**
 * vfsr_record_write - flush everything, then make a record durable
 * @p: pool, record_lock held
 * @next: record; sequence is set here (last + 1), members that are not usable
 *	  are marked FAILED (then epoch grows too), acknowledgements are set
 *
 * Flushes all members, writes @next with FUA to both rings of every usable
 * member. If one fails on the way it is given up and the record is written
 * again under a higher epoch and sequence. On success *p->super = *next.
 *
 * Return: 0, or -EIO when no member could be written.
 */
int vfsr_record_write(struct vfsr_pool *p, struct vfsr_super *next);

#endif
