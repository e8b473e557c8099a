/* SPDX-License-Identifier: GPL-2.0-only */
/* What rebuild.c, rebuild_scan.c and rebuild_ids.c share. */
#ifndef VFSR_LIB_REBUILD_PRIV_H
#define VFSR_LIB_REBUILD_PRIV_H

#include "lib/rebuild.h"

/* What the labels on the devices tell. */
struct rebuild_scan {
	u8 pool_uuid[VFSR_UUID_BYTES];
	unsigned int strip_shift;
	u64 epoch; /* greatest in any label */
	struct vfsr_dev *dev[VFSR_MAX_MEMBERS]; /* by member */
	u64 strip_sector[VFSR_MAX_MEMBERS]; /* of strip 0 */
	unsigned int nr_members; /* greatest member named, plus 1 */
	u64 labels;
	struct vfsr_dev *spare[VFSR_MAX_MEMBERS]; /* without any label */
	unsigned int nr_spare;
};

/*
 * Open and scan all paths. On success dev[] has the devices that were
 * recognised and spare[] the others. 0 or a reported error.
 */
int rebuild_scan(char *const *paths, unsigned int nr, bool write,
		 struct rebuild_scan *out);
/* Close the spare devices. */
void rebuild_scan_release(struct rebuild_scan *scan);

/* All ids that entries of stripes name. */
struct rebuild_ids {
	struct vfsr_chunk *chunk; /* ascending by id once sorted */
	u8 *reached; /* a byte per chunk */
	size_t nr, room;
};

/* One stripe's label, for the decision which transaction counts. */
struct rebuild_stripe {
	u64 transaction, base, serial;
	u64 grid;
	u32 row;
	u32 nr_stripes; /* of the transaction, if it is its last */
	bool commit;
};

struct rebuild {
	struct vfsr_pool *pool;
	struct vfsr_ws *ws;
	struct vfsr_rebuild_stats *stats;
	struct rebuild_stripe *stripe;
	size_t nr_stripes, room_stripes;
	struct rebuild_ids ids;
	u64 transaction; /* C: the newest that is whole */
	bool two_histories; /* a transaction was committed twice */
	u64 max_id, max_grid, max_serial, max_transaction;
	u64 nr_inodes, logical_bytes;
	u64 unread; /* nodes that the walk could not look below */
};

/* Visit every stripe of every grid of r->pool. */
typedef int (*rebuild_visit)(struct rebuild *r, struct vfsr_grid *g,
			     const struct vfsr_stripe *s);
int rebuild_each_stripe(struct rebuild *r, rebuild_visit visit);

/* Entries of all stripes up to r->transaction; newest per id; sorted. */
int rebuild_collect(struct rebuild *r);
/* Mark what the root reaches, count references; then drop the rest. */
int rebuild_reach(struct rebuild *r);
/* For struct vfsr_pool's lookup; ctx is the struct rebuild. */
int rebuild_lookup(void *ctx, u64 id, struct vfsr_chunk *c);

#endif
