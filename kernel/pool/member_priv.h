/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the pool layer share.
 *
 * Order of locks: record_lock, then table_lock; neither is taken in the
 * completion of I/O.
 */
#ifndef VFSR_POOL_MEMBER_PRIV_H
#define VFSR_POOL_MEMBER_PRIV_H

#include "pool/member.h"

/* Whom to tell, and whether anything but a full pool is welcome. */
struct vfsr_opening {
	vfsr_say_fn say;
	void *say_ctx;
	unsigned int flags; /* VFSR_OPEN_* */
};

/* Tell the user who mounts one sentence. */
__printf(2, 3) void vfsr_opening_say(const struct vfsr_opening *o,
				     const char *fmt, ...);

/* --- ring.c --- */

/**
 * vfsr_ring_read - newest valid record of one ring
 * @d: opened device
 * @sector: first sector of the ring
 * @buf: VFSR_RING_BYTES
 * @tmp: room for a record
 * @best: in: best record so far or NULL; out: the better one, allocated by
 *	  kvmalloc()
 *
 * Return: 0, also if there is none; -EOPNOTSUPP if a record there needs a newer
 * version; -ENOMEM.
 */
int vfsr_ring_read(struct vfsr_dev *d, u64 sector, void *buf,
		   struct vfsr_super *tmp, struct vfsr_super **best);
/* Is record @a newer than @b? */
bool vfsr_record_newer(const struct vfsr_super *a, const struct vfsr_super *b);

/* --- tabread.c --- */

/* Read the strip tables of all members that are there. @own: the newest record of
 * each member's own rings, NULL where there is none. 0 or -ENOMEM. */
int vfsr_tables_load(struct vfsr_pool *p, struct vfsr_super *const *own,
		     const struct vfsr_opening *o);

/* --- member_io.c --- */

/* Memory for I/O; freed by bioset_exit(). 0 or -ENOMEM. */
int vfsr_bios_init(struct vfsr_pool *p);
/* Number of members that I/O can be sent to. */
unsigned int vfsr_pool_usable(const struct vfsr_pool *p);

#endif
