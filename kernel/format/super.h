/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The checkpoint record and where it lies.
 *
 * A device: 64 KiB left alone for boot loaders, a ring of 16 slots of 64 KiB,
 * the strip-table region (strip.h), the write-ahead-log ring if any, strips,
 * a copy of the strip-table region, and in its last MiB a copy of the ring.
 * The device's size is first rounded down to 64 KiB. A record with sequence s
 * goes to slot s % 16 of both rings. A record is a header and three tables:
 * members, index roots (member after member), open grids; `bytes` spans all
 * of it and the crc covers it.
 */
#ifndef VFSR_FORMAT_SUPER_H
#define VFSR_FORMAT_SUPER_H

#include "format/types.h"

#define VFSR_SUPER_MAGIC	0x52534656u	/* "VFSR" */
#define VFSR_BOOT_BYTES		65536u
#define VFSR_SLOT_BYTES		65536u
#define VFSR_RING_SLOTS		16u
#define VFSR_RING_BYTES		(VFSR_SLOT_BYTES * VFSR_RING_SLOTS)
#define VFSR_LABEL_BYTES	64	/* with the final NUL */
#define VFSR_MAX_INDEX_BLOCKS	19u	/* index blocks of a member */

/* Member states; the values are on disk. */
enum vfsr_member_state {
	VFSR_MEMBER_NONE	= 0,	/* free place in the table */
	VFSR_MEMBER_ACTIVE	= 1,
	VFSR_MEMBER_FAILED	= 2,	/* did not acknowledge a commit */
	VFSR_MEMBER_EVACUATING	= 3,	/* no new strips here */
	VFSR_NR_MEMBER_STATES
};

/* One device of the pool, as the record knows it. */
struct vfsr_disk_member {
	__u8	uuid[VFSR_UUID_BYTES];
	__le64	bytes;		/* size, a multiple of 64 KiB */
	__le64	ack_epoch;	/* of the last record it acknowledged */
	__le64	ack_sequence;
	__le64	table_sector;	/* first sector of the strip-table region */
	__le64	tail_sector;	/* first sector of that region's copy */
	__le64	wal_sector;	/* first sector of its log ring, 0: none */
	__le64	strip_sector;	/* first sector of strip 0 */
	__le32	wal_sectors;
	__le32	nr_strips;
	__u8	state;		/* enum vfsr_member_state */
	__u8	nr_index;	/* its index blocks, 1..19 */
	__u8	pad[46];
};
static_assert(sizeof(struct vfsr_disk_member) == 128, "member is ABI");
static_assert(offsetof(struct vfsr_disk_member, nr_strips) == 76,
	      "member layout is ABI");

/* Where the current version of a strip-table index block is. */
struct vfsr_disk_index_root {
	__le32	crc;		/* that block's own crc field */
	__le32	slot;		/* 0 or 1 */
};
static_assert(sizeof(struct vfsr_disk_index_root) == 8, "index root is ABI");

/* Open and reserved grids; the values are on disk. */
enum vfsr_grid_use {
	VFSR_USE_META	= 0,
	VFSR_USE_HOT	= 1,
	VFSR_USE_WARM	= 2,
	VFSR_USE_COLD	= 3,
	VFSR_NR_USES
};

/* A grid that may receive stripes after this record. */
struct vfsr_disk_open_grid {
	__le64	grid;
	struct vfsr_disk_policy policy;
	__u8	layout;
	__u8	use;		/* enum vfsr_grid_use */
	__le16	depth;		/* full depth in rows */
	__le32	rows_used;	/* rows in committed stripes */
	__u8	reserved;	/* 1: no stripe yet */
	__u8	pad[11];
	__le32	strip[VFSR_MAX_COLUMNS];
	__u8	device[VFSR_MAX_COLUMNS];
	__u8	starts[VFSR_BITMAP_BYTES]; /* rows where a stripe starts */
};
static_assert(sizeof(struct vfsr_disk_open_grid) == 704, "open grid is ABI");
static_assert(offsetof(struct vfsr_disk_open_grid, starts) == 192,
	      "open grid layout is ABI");

/* Incompatible features. An unknown bit: the pool is refused. */
#define VFSR_INCOMPAT_ZONED		(1ull << 0)
#define VFSR_INCOMPAT_CASEFOLD		(1ull << 1)
#define VFSR_INCOMPAT_KNOWN		0ull
/* Read-only compatible. An unknown bit: only read-only use. */
#define VFSR_RO_COMPAT_KNOWN		0ull
#define VFSR_COMPAT_KNOWN		0ull

#define VFSR_CSUM_CRC32C	1
#define VFSR_PARITY_RAID6_CAUCHY 1

/* Header of a checkpoint record. */
struct vfsr_disk_super {
	__le32	magic;		/* VFSR_SUPER_MAGIC */
	__le32	crc;		/* crc32c of `bytes` bytes */
	__u8	pool_uuid[VFSR_UUID_BYTES];
	__le32	bytes;		/* of header and tables */
	__le16	this_member;	/* the member this copy was written to */
	__le16	nr_members;	/* places in the member table */
	__le64	epoch;		/* records are ordered by (epoch, sequence) */
	__le64	sequence;
	__le64	transaction;	/* that this record made durable */
	__le64	compat;
	__le64	ro_compat;
	__le64	incompat;
	__u8	metadata_uuid[VFSR_UUID_BYTES]; /* zero: same as pool_uuid */
	__u8	hash_key[16];	/* key of the name hash */
	__u8	label[VFSR_LABEL_BYTES];	/* NUL padded UTF-8 */
	__u8	sector_shift;	/* 12 */
	__u8	page_shift;	/* of map pages, 12 */
	__u8	node_shift;	/* 12 */
	__u8	strip_shift;	/* 16..24 */
	__u8	csum_type;	/* VFSR_CSUM_CRC32C */
	__u8	parity_type;	/* VFSR_PARITY_RAID6_CAUCHY */
	__u8	compress_alg;	/* default, enum vfsr_alg */
	__u8	compress_level;
	__u8	compress_keep;	/* keep if stored <= this many percent */
	__u8	map_entry_shift;	/* 5: entries of 32 bytes */
	__u8	layout;		/* default of new grids */
	__u8	nr_open;	/* open and reserved grids in this record */
	__le16	casefold;	/* name encoding, 0: bytes */
	__le16	pad0;
	struct vfsr_disk_policy data;	/* default policies */
	struct vfsr_disk_policy meta;
	/* the map */
	__le64	map_place;	/* of the root page, 0: no map */
	__le32	map_crc;
	__le32	map_len_free;	/* as in struct vfsr_disk_map_child */
	__u8	map_levels;	/* 1: the root is a leaf */
	__u8	pad1[7];
	__le64	next_id;	/* ids below were given out at some time */
	/* ceilings: the next mount starts here */
	__le64	next_grid;
	__le64	next_serial;	/* of stripes */
	__le64	next_transaction;
	/* counters */
	__le64	nr_ids;		/* ids in use */
	__le64	nr_inodes;
	__le64	logical_bytes;	/* file data before routing */
	__le64	live_bytes;	/* stored bytes of all chunks, map included */
	__le64	wal_tail;
	/* roots for later: chunk ids, 0: none */
	__le64	quota_root;
	__le64	snapshot_root;
	__le64	forward_root;
	__le64	damage_root;
	struct vfsr_disk_time created;
	struct vfsr_disk_time committed;
	__u8	spare[152];
};
static_assert(sizeof(struct vfsr_disk_super) == 512, "super is ABI");
static_assert(offsetof(struct vfsr_disk_super, label) == 112, "super is ABI");
static_assert(offsetof(struct vfsr_disk_super, map_place) == 200,
	      "super is ABI");
static_assert(offsetof(struct vfsr_disk_super, created) == 328, "super is ABI");
static_assert(sizeof(struct vfsr_disk_super) +
			      VFSR_MAX_MEMBERS *
				      sizeof(struct vfsr_disk_member) +
			      VFSR_MAX_MEMBERS * VFSR_MAX_INDEX_BLOCKS *
				      sizeof(struct vfsr_disk_index_root) +
			      VFSR_MAX_OPEN_GRIDS *
				      sizeof(struct vfsr_disk_open_grid) <=
		      VFSR_SLOT_BYTES,
	      "a record fits its slot");

#endif
