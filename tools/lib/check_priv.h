/* SPDX-License-Identifier: GPL-2.0-only */
/* State that the parts of the check share: check.c, check_space.c, check_tree.c. */
#ifndef VFSR_LIB_CHECK_PRIV_H
#define VFSR_LIB_CHECK_PRIV_H

#include "lib/check.h"

#define ID_CONFIRMED 0x01u /* an entry of a stripe says the same */
#define ID_REACHED 0x02u /* something names it */
#define ID_DIR 0x04u /* an inode that is a directory */
#define ID_READ 0x08u /* an inode whose header could be read */
#define ID_ROOTED 0x10u /* its parents lead to the root */
#define ID_WALKED 0x20u /* on the way of the walk to the root */
#define ID_ORPHAN 0x40u /* an inode that the orphan directory names */

/* What is known of an id in use. */
struct check_id {
	u64 id;
	u64 place;
	u64 birth;
	u64 parent; /* inode: first directory that names it */
	u64 says_parent; /* inode: its own parent field */
	u64 nlink; /* inode: its own link count */
	u32 crc;
	u32 stored, logical;
	u32 refs; /* as the map says */
	u32 seen; /* references or names that were found */
	u32 subdirs;
	u8 kind, state;
	u8 flags; /* ID_* */
	u8 says_type; /* DT_* of the first name */
	u8 type; /* DT_* of the inode's mode */
};

struct check {
	struct vfsr_pool *pool;
	struct vfsr_ws *ws;
	const struct vfsr_check_opts *opts;
	struct vfsr_check_stats *stats;
	struct check_id *id; /* ascending by id */
	size_t nr, room;
	u64 *live; /* per grid, in the order of pool->grid */
	u64 *places; /* of all ids, ascending; made at first use */
	u64 logical_bytes, stored_bytes;
	bool map_damaged; /* ids may be missing from @id */
	u64 unread; /* inodes and items that could not be looked into */
};

/*
 * With something unread, what nothing names may be named there: then only what
 * is certainly wrong is told, so that one damage gives one finding.
 */
static inline bool check_is_partial(const struct check *c)
{
	return c->map_damaged || c->unread;
}

struct check_id *vfsr_check_find(struct check *c, u64 id);
/* Report one finding. */
void vfsr_check_found(struct check *c, int dev, u64 grid, u64 ino,
		      const struct vfsr_fault *f);
/* The same from its parts. */
void vfsr_check_bad(struct check *c, enum vfsr_reason reason, int dev, u64 grid,
		    u64 ino, u64 have, u64 want);

/* Records and strip tables of every member. */
int vfsr_check_members(struct check *c);
/* Trailers, footers and entry tables against the map. */
int vfsr_check_grids(struct check *c);
/* Inodes and their trees; then links, references and reachability. */
int vfsr_check_trees(struct check *c);

#endif
