/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A pool opened for reading (and healing): members, the chosen record, strip
 * tables, grids, verified reads with 2-D recovery, the map, and nodes.
 *
 * Opening never writes. After it everything but vfsr_pool_close() may be called
 * by several threads; each brings its own struct vfsr_ws. Bytes are only
 * returned after a checksum was verified over them.
 */
#ifndef VFSR_LIB_POOL_H
#define VFSR_LIB_POOL_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/btree.h"
#include "core/footer.h"
#include "core/mappage.h"
#include "core/striptab.h"
#include "core/super.h"
#include "lib/dev.h"

#define VFSR_POOL_WRITE		0x1u	/* open members for writing */
#define VFSR_POOL_FORCE		0x2u	/* accept split brain */
#define VFSR_POOL_QUIET		0x4u	/* no warnings about missing members */

/* What was found and done on one member. */
struct vfsr_health {
	atomic_ullong bad_sectors;	/* found unreadable or wrong */
	atomic_ullong healed_sectors;	/* of these, rebuilt and verified */
	atomic_ullong written_sectors;	/* of these, written back */
	atomic_ullong lost_sectors;	/* could not be rebuilt */
};

/* A grid; location of the columns as the tables and trailers say. */
struct vfsr_grid {
	u64 id;
	struct vfsr_geometry g;
	u8 use;			/* enum vfsr_grid_use */
	u8 state;		/* enum vfsr_strip_state */
	u32 known;		/* mask of columns with a known place */
	u32 live_bytes;
	u32 strip[VFSR_MAX_COLUMNS];
	u8 device[VFSR_MAX_COLUMNS];
	/* loaded at first use, under the pool's lock */
	bool loaded;
	int load_error;
	u32 rows_used;
	u8 starts[VFSR_BITMAP_BYTES];
	u32 *parity_crc;	/* n * r, NULL for an open grid */
	u32 trailer_bad;	/* columns whose trailer is damaged */
	u32 unsure;		/* columns placed by a stale table or a label */
	struct vfsr_grid_heal *heal; /* damage so far, pool's own; or NULL */
};

/* A stripe's footer, cached. */
struct vfsr_stripe {
	struct vfsr_footer ft;
	struct vfsr_geometry g;
	atomic_int refs;
	u8 sector[VFSR_SECTOR_BYTES] /* as on disk; aligned for parity_ops */
		__attribute__((aligned(64)));
};

struct vfsr_pool {
	struct vfsr_super *super;	/* the chosen record */
	char name[64];			/* label, else uuid: for messages */
	struct vfsr_dev *dev[VFSR_MAX_MEMBERS];	/* NULL: missing */
	u64 seen_sequence[VFSR_MAX_MEMBERS]; /* newest record on that member */
	u64 seen_epoch[VFSR_MAX_MEMBERS];
	struct vfsr_health health[VFSR_MAX_MEMBERS];
	const struct vfsr_parity_ops *ops;
	struct vfsr_grid *grid;		/* sorted by id */
	u32 nr_grids;
	bool write_back;		/* heal on disk too (verify --repair) */
	bool ignore_tables;	/* trust labels alone (rebuild) */
	/* Stands in for the map while it is rebuilt; NULL: the map. As
	 * vfsr_map_lookup() */
	int (*lookup)(void *ctx, u64 id, struct vfsr_chunk *c);
	void *lookup_ctx;
	struct vfsr_pool_priv *priv;	/* caches, locks: pool's own */
};

/* A thread's buffers. */
struct vfsr_ws;
struct vfsr_ws *vfsr_ws_new(void);
void vfsr_ws_free(struct vfsr_ws *ws);
void *vfsr_ws_inflate(struct vfsr_ws *ws);	/* for vfsr_chunk_decode() */

/**
 * vfsr_ws_fault - why the last failed read of a node, inode or map was refused
 * @ws: the calling thread's buffers
 *
 * Return: the fault; for an entry of the map, where is its id. The reason is
 * LOST where nothing could be read.
 */
const struct vfsr_fault *vfsr_ws_fault(const struct vfsr_ws *ws);

/**
 * vfsr_pool_open - open members in any order, some may be missing or damaged
 * @paths: devices or images
 * @nr: how many, 1..64
 * @flags: VFSR_POOL_*
 * @out: the pool
 *
 * Chooses the newest valid record of all rings of all members (head and tail)
 * by (epoch, sequence), finds which path is which member by its record, (or,
 * if all its slots are destroyed, by the labels of its footers and trailers),
 * refuses foreign members, duplicates and split brain, warns of missing and stale
 * ones, loads the strip tables (head, else tail copy), and builds the grid list.
 * What cannot be opened or identified is named and left out, as if missing. With
 * no record on any member the answer is -ENOENT.
 *
 * Return: 0, or a negative errno, already reported.
 */
int vfsr_pool_open(char *const *paths, unsigned int nr, unsigned int flags,
		   struct vfsr_pool **out);
void vfsr_pool_close(struct vfsr_pool *p);

/**
 * vfsr_pool_assemble - make a pool of devices that are known already
 * @s: record to use; copied
 * @devs: by member number, NULL: missing; the pool owns them from here on
 * @out: the pool; its grids are those that labels of strips tell, strip
 *	 tables are not read
 *
 * Return: 0, or a negative errno (the devices are closed then).
 */
int vfsr_pool_assemble(const struct vfsr_super *s, struct vfsr_dev **devs,
		       struct vfsr_pool **out);

/* NULL if there is no such grid. */
struct vfsr_grid *vfsr_pool_grid(struct vfsr_pool *p, u64 id);

/* Load stripe starts and parity crcs (trailers or record). 0 or errno. */
int vfsr_grid_load(struct vfsr_pool *p, struct vfsr_grid *g,
		   struct vfsr_ws *ws);

/* Byte position of a sector of a strip; -1 if the member is missing. */
s64 vfsr_strip_pos(const struct vfsr_pool *p, unsigned int device, u32 strip,
		   u32 sector);

/**
 * vfsr_grid_pos - where a sector of a grid is on disk
 * @p: pool
 * @g: grid
 * @rows: the stripe of @row; ignored for parity rows and the trailer
 * @col: column
 * @row: 0..R; R is the trailer
 * @member: out: the member that holds it, or -1 if that is unknown
 *
 * Return: byte position, or -1 if unknown or the member is missing.
 */
s64 vfsr_grid_pos(const struct vfsr_pool *p, const struct vfsr_grid *g,
		  const struct vfsr_extent_rows *rows, u32 col, u32 row,
		  int *member);

/**
 * vfsr_grid_heal - full 2-D recovery of a grid
 * @p: pool
 * @g: grid
 * @bad: R masks of bad columns, parity rows included; solved ones are cleared
 * @write_back: write rebuilt sectors to the members that are there
 * @ws: the calling thread's buffers
 *
 * Counts in the members' health. Rows whose only bad sectors are on missing members
 * are solved without being rebuilt.
 *
 * Return: number of sectors still bad, or a negative errno.
 */
int vfsr_grid_heal(struct vfsr_pool *p, struct vfsr_grid *g, u32 *bad,
		   bool write_back, struct vfsr_ws *ws);

/**
 * vfsr_grid_heal_trailers - check the trailers of a sealed grid
 * @p: pool
 * @g: grid
 * @write_back: rewrite damaged ones from a good one
 * @ws: the calling thread's buffers
 *
 * Sets g->trailer_bad; counts in the members' health.
 *
 * Return: number of trailers still bad on members that are there, or a
 * negative errno.
 */
int vfsr_grid_heal_trailers(struct vfsr_pool *p, struct vfsr_grid *g,
			    bool write_back, struct vfsr_ws *ws);

/**
 * vfsr_stripe_get - the footer of the stripe at a first row
 * @p: pool
 * @g: grid
 * @rows: first row and depth of the stripe
 * @ws: the calling thread's buffers
 * @out: the stripe, referenced
 *
 * From either copy, else by trial decoding. Cached; pair with
 * vfsr_stripe_put().
 */
int vfsr_stripe_get(struct vfsr_pool *p, struct vfsr_grid *g,
		    const struct vfsr_extent_rows *rows, struct vfsr_ws *ws,
		    struct vfsr_stripe **out);
void vfsr_stripe_put(struct vfsr_pool *p, struct vfsr_stripe *s);

/**
 * vfsr_stripe_entries - the entry table of a stripe, verified
 * @p: pool
 * @g: grid
 * @s: the stripe
 * @buf: room for VFSR_MAX_STRIPE_SECTORS sectors
 * @ws: the calling thread's buffers
 * @table: out: the table, in @buf
 *
 * Return: 0; -EIO if no copy of it is right; -ENOMEM.
 */
int vfsr_stripe_entries(struct vfsr_pool *p, struct vfsr_grid *g,
			const struct vfsr_stripe *s, u8 *buf,
			struct vfsr_ws *ws, const u8 **table);

/**
 * vfsr_pool_read_sectors - verified linear data sectors of a grid
 * @p: pool
 * @g: grid
 * @sector: first linear data sector
 * @nr: how many
 * @buf: room for @nr sectors
 * @bad: out, a bit per sector (bit i of byte i / 8), set where nothing could
 *	 be verified; those sectors are zeroed. May be NULL
 * @ws: the calling thread's buffers
 *
 * Every sector is checked against its footer; wrong ones are rebuilt by row,
 * else by the whole grid, and counted.
 *
 * Return: number of bad sectors, or a negative errno.
 */
int vfsr_pool_read_sectors(struct vfsr_pool *p, struct vfsr_grid *g, u32 sector,
			   u32 nr, u8 *buf, u8 *bad, struct vfsr_ws *ws);

/**
 * vfsr_pool_read_stored - the stored bytes of a chunk
 * @p: pool
 * @c: chunk
 * @buf: room for c->stored bytes
 * @bad: out, mask of 4 KiB pieces of the STORED bytes that are lost (bit i:
 *	 bytes from i * 4096 on); 0 if all is well. May be NULL
 * @ws: the calling thread's buffers
 *
 * Fast path: plain read, chunk crc. Else by sectors, healing.
 *
 * Return: 0; -EIO if anything is lost (@bad says what; the rest of @buf is right).
 */
int vfsr_pool_read_stored(struct vfsr_pool *p, const struct vfsr_chunk *c,
			  u8 *buf, u64 *bad, struct vfsr_ws *ws);

/**
 * vfsr_pool_read - the logical contents of a chunk
 * @p: pool
 * @c: chunk
 * @dst: room for c->logical bytes
 * @bad: out, mask of 4 KiB pieces of @dst that are lost (all of it for a
 *	 compressed chunk); these are zeroed. May be NULL
 * @ws: the calling thread's buffers
 *
 * Return: 0; -EIO if anything is lost.
 */
int vfsr_pool_read(struct vfsr_pool *p, const struct vfsr_chunk *c, u8 *dst,
		   u64 *bad, struct vfsr_ws *ws);

/**
 * vfsr_map_lookup - the map's entry of an id
 * @p: pool
 * @id: chunk id
 * @c: filled but for owner and offset
 * @ws: the calling thread's buffers
 *
 * Return: 0; -ENOENT if the id is free; -EIO, -EUCLEAN if the map is damaged
 * (reported).
 */
int vfsr_map_lookup(struct vfsr_pool *p, u64 id, struct vfsr_chunk *c,
		    struct vfsr_ws *ws);

/* Called with every id in use, ascending; non-zero ends the walk. */
typedef int (*vfsr_map_visit)(void *arg, const struct vfsr_chunk *c);
/* Called with every map page as a chunk (kind MAP), parents first; may be NULL. */
int vfsr_map_walk(struct vfsr_pool *p, struct vfsr_ws *ws, vfsr_map_visit visit,
		  vfsr_map_visit page, void *arg);

/**
 * vfsr_node_read - a node, checked by vfsr_node_ok()
 * @p: pool
 * @id: its id
 * @owner: inode it must belong to
 * @node: 4 KiB
 * @ws: the calling thread's buffers
 *
 * Return: 0; -ENOENT, -EIO, -EUCLEAN (reported with @owner).
 */
int vfsr_node_read(struct vfsr_pool *p, u64 id, u64 owner, u8 *node,
		   struct vfsr_ws *ws);

/* A tree opened for reading: one inode. Not shared between threads. */
struct vfsr_tree {
	struct vfsr_bt bt;
	struct vfsr_pool *pool;
	struct vfsr_ws *ws;
	u8 *path[VFSR_BT_MAX_DEPTH];	/* node buffers */
	u64 path_id[VFSR_BT_MAX_DEPTH];
	bool path_busy[VFSR_BT_MAX_DEPTH];
	unsigned int next;	/* buffer to reuse next */
};

/* Prepare; vfsr_tree_seek() chooses the inode. Keeps its buffers between inodes. */
int vfsr_tree_init(struct vfsr_tree *t, struct vfsr_pool *p,
		   struct vfsr_ws *ws);
void vfsr_tree_release(struct vfsr_tree *t);
/* Read inode @ino's root into the tree; its header to @in (items.h). */
struct vfsr_inode;
int vfsr_tree_seek(struct vfsr_tree *t, u64 ino, struct vfsr_inode *in);

/* Path of an inode by its parents, from "/"; the caller frees; never NULL ("#INO" if lost). */
char *vfsr_path_of(struct vfsr_pool *p, u64 ino, struct vfsr_ws *ws);

#endif
