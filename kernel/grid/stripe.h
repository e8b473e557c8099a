/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writing stripes: buffers, sealing (parity, crcs, footers), their I/O, and
 * the sealing of full grids.
 *
 * A stripe buffer is taken, filled by its owner (a stream of the log) through
 * `pack`, closed (its rows and places are fixed, in order), and submitted; a
 * worker seals and writes it. Every chunk in it may leave a struct
 * vfsr_pending, called when the stripe's I/O has ended. Stripes in flight are counted per
 * grid; readers of their rows wait. A grid without room is finished: when its
 * last stripe has ended a worker writes column parity and trailers.
 *
 * Locks: a stream's lock, open->lock or open->colpar_lock, grids->lock. What a
 * stripe waits for never waits for a stripe: its worker and its bios depend on
 * nothing else, and buffers come back when the I/O ends.
 */
#ifndef VFSR_GRID_STRIPE_H
#define VFSR_GRID_STRIPE_H

#include "grid/gridtab.h"

/* Something waits for the I/O of a stripe. */
struct vfsr_pending {
	struct list_head link;
	/* in a worker, may sleep but not for long, nor begin a transaction or
	 * take a stream's lock; error 0 or -EIO (the data is in no usable
	 * place). The struct may be freed by it. */
	void (*done)(struct vfsr_pending *p, int error);
};

/*
 * What an open or reserved grid has besides. It stays until the grid is freed,
 * so that nobody who looks at grid->open needs a lock; `sealed` says that it is
 * over.
 */
struct vfsr_open {
	struct list_head link;		/* in grids->open_list; empty once it
					 * was settled as sealed or dropped */
	struct vfsr_grids *gs;
	struct vfsr_grid *grid;
	struct mutex lock;		/* guards grid->starts and rows_used
					 * while open */
	struct mutex colpar_lock;	/* guards colpar and parity_from */
	u32 parity_from;	/* rows below are not summed up in colpar (they
				 * were written by an earlier mount): sealing
				 * must read them */
	u8 *colpar;		/* n * r sectors, XOR so far; NULL until the
				 * first stripe of this mount, if r == 0, and
				 * once sealed */
	u64 transaction;	/* of the newest stripe of this mount, or 0;
				 * under lock */
	/* the rest under grids->lock; in_flight is also read without */
	atomic_t in_flight;	/* stripes closed and not yet on disk */
	struct list_head flying;	/* those stripes (vfsr_stripe.link) */
	bool busy;		/* a stripe is begun and not closed */
	bool finished;		/* no more stripes; seal when none flies */
	bool sealing;		/* the worker has it or had it */
	bool stuck;		/* it could not be sealed: it stays open */
	bool sealed;		/* trailers are written (not flushed). Set after
				 * grid->parity_crc, with release */
	bool durable;		/* named by the last durable record: stripes may
				 * go there */
	struct work_struct seal;
};

/* Has it column parity and trailers? (The table may say so only later.) */
static inline bool vfsr_grid_is_sealed(const struct vfsr_grid *g)
{
	const struct vfsr_open *o = READ_ONCE(g->open);

	return !o || smp_load_acquire(&o->sealed);
}

struct vfsr_stripe {
	struct list_head link;	/* in open->flying; idle: in its class */
	struct list_head all;	/* of all in flight, under grids->lock */
	struct vfsr_grids *gs;
	struct vfsr_grid *grid;	/* referenced */
	struct vfsr_pack pack;
	u8 *data;		/* n * full depth sectors, page aligned */
	u8 *entries;		/* room for the entry table */
	u32 entries_room;	/* bytes of it */
	struct vfsr_footer ft;	/* label; places set by close */
	struct list_head pending;	/* struct vfsr_pending */
	u64 transaction;
	/* stripe.c's own: seal and write, then what follows the I/O */
	struct work_struct work, finish;
	struct vfsr_io_batch batch;
	struct vfsr_io *io;	/* VFSR_MAX_COLUMNS */
	u8 **bufs;		/* VFSR_MAX_COLUMNS */
	struct vfsr_stripe_class *class;
};

int vfsr_stripes_init(struct vfsr_grids *gs); /* part of vfsr_grids_new() */
void vfsr_stripes_exit(struct vfsr_grids *gs);

/* Make struct vfsr_open for a grid and put it on the open list; sets starts (a
 * copy; NULL: none), rows_used and loaded. For reserve and for grids of the record. May
 * sleep (NOFS). 0 or -ENOMEM. */
int vfsr_open_init(struct vfsr_grids *gs, struct vfsr_grid *g, u32 rows_used,
		   const u8 *starts, bool durable);
/* Free it with its grid (NULL is fine); takes it off the open list. Any context that
 * may take grids->lock. */
void vfsr_open_free(struct vfsr_grid *g);

/* Rows that the next stripe of a grid may have: the full depth, or what is left,
 * 0 if that is too little or the grid is frozen: a column is on a member that
 * is missing or was given up. */
u32 vfsr_open_depth(const struct vfsr_grid *g);

/**
 * vfsr_stripe_begin - an empty stripe for a grid
 * @gs: grids
 * @g: open grid with room; a reference is taken
 * @transaction: that it belongs to
 * @out: the stripe
 *
 * Waits for a buffer when too many stripes are in flight (their I/O does not depend on
 * the caller). One stripe of a grid at a time is open, and whoever begins one
 * has no other open. A grid that froze just now takes this one stripe still.
 *
 * Return: 0; -EINVAL if no stripe of the grid's policy fits a buffer, or the grid is full.
 */
int vfsr_stripe_begin(struct vfsr_grids *gs, struct vfsr_grid *g,
		      u64 transaction, struct vfsr_stripe **out);

/* Called by close for every chunk of the stripe with its place. */
typedef void (*vfsr_placed_fn)(void *ctx, const struct vfsr_chunk *c);

/**
 * vfsr_stripe_close - fix rows, footer label and places
 * @s: stripe with at least one chunk
 * @base: last durable transaction
 * @serial: of this stripe
 * @epoch: of the pool
 * @flags: VFSR_FOOTER_*
 * @nr_stripes: of the transaction, with VFSR_FOOTER_COMMIT
 * @placed: called for each entry in order; c->refs is 0 there
 * @ctx: for @placed
 *
 * The grid's rows_used and starts grow; the stripe is in flight from here on,
 * before @placed is called: who finds a place waits for its rows. Must be
 * followed by vfsr_stripe_submit(). Callers of one grid are serialized (by their stream).
 */
void vfsr_stripe_close(struct vfsr_stripe *s, u64 base, u64 serial, u64 epoch,
		       u8 flags, u32 nr_stripes, vfsr_placed_fn placed,
		       void *ctx);

/* Depth in rows that close would give the stripe now. */
u32 vfsr_stripe_depth(const struct vfsr_stripe *s);

/**
 * vfsr_stripe_submit - seal and write a closed stripe
 * @s: stripe; gone when its pendings were called
 *
 * Parity, crcs and footers in a worker; column parity is summed up; columns on
 * unusable members are left out. A failed column is written once more; then its
 * device is given up, and the grid frozen. More than m columns gone: the stripe
 * is lost, gs->io_error is set, pendings get -EIO.
 */
void vfsr_stripe_submit(struct vfsr_stripe *s);
/* Give back a stripe without chunks. */
void vfsr_stripe_cancel(struct vfsr_stripe *s);

/* Wait until no stripe of transaction @transaction or older is in flight and their
 * pendings were called. Return: 0, or gs->io_error. */
int vfsr_stripes_wait(struct vfsr_grids *gs, u64 transaction);

/* Wait until the rows [row, row + nr) of a grid are on disk. */
void vfsr_open_wait(struct vfsr_grids *gs, struct vfsr_grid *g, u32 row,
		    u32 nr);

/**
 * vfsr_grid_finish - no more stripes into this grid
 * @gs: grids
 * @g: open grid; one that is RESERVED (no stripes) stays as it is
 *
 * When nothing is in flight a worker reads rows below parity_from (verified), writes
 * column parity and trailers, fills in parity_crc, and sets open->sealed. The table
 * says SEALED from the next vfsr_opens_settle() on. If rows that an earlier mount
 * wrote are lost the grid cannot get column parity: it stays open, without more
 * stripes, and is tried again by the next mount.
 */
void vfsr_grid_finish(struct vfsr_grids *gs, struct vfsr_grid *g);

/**
 * vfsr_opens_settle - bring open list and tables together, for a commit
 * @gs: grids
 * @next: record: its open list is filled from what stays open or reserved
 *
 * Sealed grids become SEALED in the strip tables and leave the open list; those
 * with rows become OPEN. A grid without rows that lost a column is dropped: its
 * strips are FREE in the tables, and usable after vfsr_opens_durable(). Waits for
 * seals if more than VFSR_MAX_OPEN_GRIDS would be left. next->transaction and the
 * pool's record_lock are the caller's. Nobody closes stripes or reserves meanwhile.
 *
 * Return: 0, or -EMFILE if too many grids cannot be sealed.
 */
int vfsr_opens_settle(struct vfsr_grids *gs, struct vfsr_super *next);

/* Wait until at most @nr listed grids are not sealed, or no more are about to be. */
void vfsr_opens_wait(struct vfsr_grids *gs, unsigned int nr);

/* Fill next's open list for a record that commits nothing: grids that @next already
 * lists keep what it says of them, other open ones are listed as
 * reserved (without rows), sealed ones too. 0, or -EMFILE if they are too many: only a
 * checkpoint helps, which settles those that are sealed. */
int vfsr_opens_reserve(struct vfsr_grids *gs, struct vfsr_super *next);
/* The record is durable: all grids on its open list may take stripes. */
void vfsr_opens_durable(struct vfsr_grids *gs, const struct vfsr_super *s);

#endif
