/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the pool reader share: caches, locks, and the calls
 * between them. Included by tools/lib/pool_*.c only.
 *
 * Locks, outermost first: heal_lock (one expensive recovery at a time), grid_lock
 * (loading a grid), then one of the leaf locks (stripe_lock, mark_lock,
 * sector_lock, a map shard), which are never nested.
 */
#ifndef VFSR_LIB_POOL_PRIV_H
#define VFSR_LIB_POOL_PRIV_H

#include "lib/pool.h"

#define STRIPE_SETS 64u /* stripe cache: sets x ways */
#define STRIPE_WAYS 4u
#define MAP_SHARDS 16u /* map cache: shards x ways pages */
#define MAP_WAYS 64u
#define SECTOR_SETS 4096u /* healed sectors: 64 MiB */
#define SECTOR_WAYS 4u

/* What was noted about a sector; a nibble per sector in vfsr_grid_heal. */
#define MARK_BAD 1u
#define MARK_HEALED 2u
#define MARK_WRITTEN 4u
#define MARK_LOST 8u

/* How a sector could be read. */
enum sector_state {
	SECTOR_OK = 0,
	SECTOR_ERROR = 1, /* the member is there but does not give it */
	SECTOR_MISSING = 2, /* the member or its strip is unknown */
};

/* Damage seen on one grid; made when the first damage is met. */
struct vfsr_grid_heal {
	u8 *marks; /* (R + 1) * n nibbles, mark_lock */
	u32 *left; /* heal_lock: masks after whole-grid decoding, or NULL */
	u8 lost[VFSR_BITMAP_BYTES]; /* mark_lock: stripes without a footer */
};

struct stripe_slot {
	struct vfsr_stripe *s;
	u64 used; /* clock of the last use */
};

struct map_slot {
	u64 id; /* level << 56 | index, ~0: empty */
	u64 used;
	u8 *page;
};

struct map_shard {
	pthread_mutex_t lock;
	u64 clock;
	struct map_slot slot[MAP_WAYS];
};

struct sector_slot {
	u64 key; /* 0: empty */
	u8 *data;
};

struct vfsr_pool_priv {
	pthread_mutex_t heal_lock, grid_lock;
	pthread_mutex_t stripe_lock, mark_lock, sector_lock;
	u64 stripe_clock;
	struct stripe_slot stripe[STRIPE_SETS][STRIPE_WAYS];
	struct map_shard map[MAP_SHARDS];
	struct sector_slot (*sector)[SECTOR_WAYS]; /* SECTOR_SETS, or NULL */
	u32 sector_hand;
};

struct vfsr_ws {
	void *inflate;
	struct vfsr_fault fault; /* of the last failed read of metadata */
	u8 *stored; /* stored form of a chunk, VFSR_CHUNK_BYTES */
	u8 *sectors; /* the sectors that cover a chunk, one more */
	u8 *page; /* a map page */
	u8 *stripe; /* VFSR_MAX_STRIPE_SECTORS sectors, made at first use */
	u8 state[VFSR_MAX_STRIPE_SECTORS];
	u32 bad[VFSR_MAX_STRIPE_SECTORS];
};

#define WS_SECTORS (VFSR_CHUNK_BYTES / VFSR_SECTOR_BYTES + 1)

/* --- pool_open.c, pool_ident.c, pool_table.c --- */

/* A path given to vfsr_pool_open(), on its way to become a member. */
struct candidate {
	struct vfsr_dev *dev; /* NULL: could not be opened, or taken */
	struct vfsr_super *super; /* newest record found, NULL: none */
	int member; /* place in the pool, -1: unknown */
};

/* Find the newest record of a ring whose first byte is @pos; into c->super. */
int pool_read_ring(struct candidate *c, u64 pos, u8 *slot,
		   struct vfsr_super *tmp);
/* The member that a candidate without records is, -1 if nothing tells. */
int pool_identify(const struct vfsr_pool *p, const struct candidate *c);
/* Load tables of all members and make the grid list. */
int pool_load_tables(struct vfsr_pool *p, struct vfsr_super *const *own);

/* --- pool_grid.c --- */

/* Is a stripe's footer the one wanted? */
bool stripe_fits(const struct vfsr_grid *g, const struct vfsr_extent_rows *e,
		 const struct vfsr_footer *ft);
/* Read @nr sectors of a column from @row on; state per sector. */
void grid_read_run(struct vfsr_pool *p, const struct vfsr_grid *g,
		   const struct vfsr_extent_rows *e, u32 col, u32 row, u32 nr,
		   u8 *buf, u8 *state);
/* As vfsr_stripe_get(), but tries only the copies and their own rows. */
int stripe_get_simple(struct vfsr_pool *p, struct vfsr_grid *g,
		      const struct vfsr_extent_rows *e, struct vfsr_ws *ws,
		      struct vfsr_stripe **out);
/* Is a sector right? @s: its stripe, NULL for parity rows. */
bool grid_sector_ok(struct vfsr_pool *p, const struct vfsr_grid *g,
		    const struct vfsr_stripe *s, u32 col, u32 row, u8 *data);
/* Make ws->stripe. 0 or -ENOMEM. */
int ws_need_stripe(struct vfsr_ws *ws);

/* --- pool_rows.c --- */

/* Rows [row, row + nr) of one stripe (or of the parity rows, @s NULL). */
struct row_run {
	struct vfsr_grid *g;
	struct vfsr_stripe *s;
	struct vfsr_extent_rows e;
	u32 row, nr;
	u8 *buf[VFSR_MAX_COLUMNS]; /* nr sectors each, in ws->stripe */
	u32 *bad; /* nr masks, in ws->bad */
};

/* Most rows that one run can have. */
u32 rows_max(const struct vfsr_grid *g);
/* Read and check rows; bad ones are counted. 0 or -ENOMEM. */
int rows_load(struct vfsr_pool *p, struct row_run *rr, struct vfsr_ws *ws);
/* Rebuild what the rows' own parity can; clears bits of rr->bad. */
void rows_decode(struct vfsr_pool *p, struct row_run *rr, bool write_back);
/* One verified sector, healed by its row if need be. 0 or -EIO. */
int grid_sector_get(struct vfsr_pool *p, struct vfsr_grid *g, u32 col, u32 row,
		    u8 *data, struct vfsr_ws *ws);

/* --- pool_footer.c --- */

/* The hard ways to a footer. @hard: use column parity too. */
int footer_recover(struct vfsr_pool *p, struct vfsr_grid *g,
		   const struct vfsr_extent_rows *e, bool hard,
		   struct vfsr_ws *ws, u8 *sector, struct vfsr_footer *ft);
/* Find stripe starts without a trailer. */
int grid_scan_starts(struct vfsr_pool *p, struct vfsr_grid *g);

/* --- pool_heal.c --- */

/* Note @mark of a sector once; true the first time. Counts for its member. */
bool heal_mark(struct vfsr_pool *p, struct vfsr_grid *g,
	       const struct vfsr_extent_rows *e, u32 col, u32 row, u32 mark);
bool heal_marked(struct vfsr_pool *p, struct vfsr_grid *g, u32 col, u32 row,
		 u32 mark);
/* A sector was rebuilt and verified: count it, write it back. */
void heal_done(struct vfsr_pool *p, struct vfsr_grid *g,
	       const struct vfsr_extent_rows *e, u32 col, u32 row,
	       const u8 *data, bool write_back);
/* Damage record of a grid, made if need be; NULL: no memory. */
struct vfsr_grid_heal *heal_of(struct vfsr_pool *p, struct vfsr_grid *g);
void heal_free(struct vfsr_grid_heal *h);
/* A sector that only the whole grid could give. 0 or -EIO. */
int heal_sector(struct vfsr_pool *p, struct vfsr_grid *g, u32 col, u32 row,
		u8 *data, struct vfsr_ws *ws);
/* --- pool_map.c --- */

int map_cache_init(struct vfsr_pool *p);
void map_cache_free(struct vfsr_pool *p);

static inline unsigned int mask_bits(u32 mask)
{
	return (unsigned int)__builtin_popcount(mask);
}

/* All fields that a label states; not memcmp(), the struct has a hole. */
static inline bool same_geometry(const struct vfsr_geometry *a,
				 const struct vfsr_geometry *b)
{
	return a->k == b->k && a->m == b->m && a->r == b->r &&
	       a->layout == b->layout && a->strip_shift == b->strip_shift;
}

static inline u32 mask_all(const struct vfsr_grid *g)
{
	return g->g.n ? ~(u32)0 >> (VFSR_MAX_COLUMNS - g->g.n) : 0;
}

#endif
