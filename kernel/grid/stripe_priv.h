/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the stripe writer share: the pool of stripe buffers, runs of
 * sectors to write, column parity, the end of a grid. Included by stripe*.c and
 * grid_seal.c only.
 */
#ifndef VFSR_GRID_STRIPE_PRIV_H
#define VFSR_GRID_STRIPE_PRIV_H

#include "grid/stripe.h"

/* Buffers of one size: those of metadata and those of data differ much. */
struct vfsr_stripe_class {
	struct list_head idle;	/* vfsr_stripe.link; stripes->lock */
	unsigned int nr;	/* that exist; stripes->lock */
	unsigned int max;
	u32 nr_sectors;		/* of a buffer: n * full depth */
	u32 entries_bytes;	/* room for an entry table */
};

enum { VFSR_CLASS_META, VFSR_CLASS_DATA, VFSR_NR_CLASSES };

struct vfsr_stripe_pool {
	spinlock_t lock;	/* innermost */
	wait_queue_head_t wait;	/* a buffer became idle */
	struct vfsr_stripe_class class[VFSR_NR_CLASSES];
	struct list_head flying;	/* vfsr_stripe.all; grids->lock */
	struct list_head dropped;	/* grids whose strips are free when
					 * the next record is durable
					 * (live_link); pool->record_lock */
	/* apart from grids->wq, as sealing a grid waits for stripes and reads */
	struct workqueue_struct *seal_wq;
};

/* --- stripe.c --- */

/* Add a run to write; neighbours in memory and on disk become one. */
void vfsr_runs_add(struct vfsr_io *io, unsigned int *nr, struct vfsr_dev *dev,
		   u64 sector, u8 *buf, u32 nr_sectors);
/*
 * Write failed runs once more, then give up on their devices, and on the grids
 * that are open there. @io is reordered. Return: runs that failed on devices that
 * are still in use (a bug, or the pool became read only).
 */
unsigned int vfsr_runs_retry(struct vfsr_grids *gs, struct vfsr_io *io,
			     unsigned int nr, blk_opf_t op);

/* Make room for column parity; without memory for it sealing will read. May
 * sleep. Return: whether it is there. */
bool vfsr_colpar_start(struct vfsr_open *o);
/* Sum up rows of a stripe; colpar_lock held, colpar is there. */
void vfsr_colpar_add(struct vfsr_open *o, const struct vfsr_extent_rows *rows,
		     u8 *const *bufs);

/* --- stripe_open.c --- */

/* Columns that cannot be written: on members that are missing or given up. */
u32 vfsr_grid_nr_lost(const struct vfsr_grids *gs, const struct vfsr_grid *g);
/* A device was given up: no more stripes into the grids that have a column there. */
void vfsr_opens_freeze(struct vfsr_grids *gs);
void vfsr_dropped_exit(struct vfsr_grids *gs);

/* --- grid_seal.c --- */

void vfsr_seal_work(struct work_struct *work);
/* Start the worker if it is time to; grids->lock held. */
void vfsr_seal_queue(struct vfsr_open *o);

#endif
