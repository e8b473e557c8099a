/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Strip tables: what each strip of a device is used for.
 *
 * The table region of a device holds three runs of blocks: X index blocks,
 * T table blocks, L live blocks, in this order. Block b has two slots, at
 * sectors 2b and 2b + 1 of the region; a new version goes to the slot that
 * does not hold the last committed one. Index blocks name slot and crc of
 * table and live blocks (numbered 0..T+L-1), the record those of the index
 * blocks. The copy at the device's end has the same layout and contents.
 */
#ifndef VFSR_FORMAT_STRIP_H
#define VFSR_FORMAT_STRIP_H

#include "format/types.h"

#define VFSR_TABLE_MAGIC	0x54534656u	/* "VFST" */

/* Kinds of blocks in the table region; the values are on disk. */
enum vfsr_table_kind {
	VFSR_TABLE_INDEX	= 1,
	VFSR_TABLE_STRIPS	= 2,
	VFSR_TABLE_LIVE		= 3,
};

/* States of a strip; the values are on disk. */
enum vfsr_strip_state {
	VFSR_STRIP_FREE		= 0,
	VFSR_STRIP_RESERVED	= 1,	/* of a grid without stripes */
	VFSR_STRIP_OPEN		= 2,
	VFSR_STRIP_SEALED	= 3,
	VFSR_NR_STRIP_STATES
};

/* Head of every block of the table region. */
struct vfsr_disk_table_head {
	__le32	magic;		/* VFSR_TABLE_MAGIC */
	__le32	crc;		/* of the sector */
	__u8	pool_uuid[VFSR_UUID_BYTES];
	__le16	member;		/* whose strips */
	__u8	kind;		/* enum vfsr_table_kind */
	__u8	pad0;
	__le32	block;		/* number within its kind */
	__le64	transaction;	/* that wrote this version */
	__u8	pad1[24];
};
static_assert(sizeof(struct vfsr_disk_table_head) == 64, "table head is ABI");

/* One strip; all zero when free. */
struct vfsr_disk_strip {
	__le64	grid;
	__u8	column;
	__u8	state;		/* enum vfsr_strip_state */
	__u8	layout;		/* enum vfsr_layout */
	__u8	use;		/* enum vfsr_grid_use */
	struct vfsr_disk_policy policy;
	__le64	transaction;	/* that changed this entry last */
	__u8	pad[8];
};
static_assert(sizeof(struct vfsr_disk_strip) == 32, "strip entry is ABI");

/* Slot and crc of one table or live block. */
struct vfsr_disk_table_ref {
	__le32	crc;		/* that block's own crc field */
	__le32	slot;		/* 0 or 1 */
};

#define VFSR_STRIPS_PER_BLOCK \
	((VFSR_SECTOR_BYTES - sizeof(struct vfsr_disk_table_head)) / \
	 sizeof(struct vfsr_disk_strip))			/* 126 */
#define VFSR_LIVES_PER_BLOCK \
	((VFSR_SECTOR_BYTES - sizeof(struct vfsr_disk_table_head)) / \
	 sizeof(__le32))					/* 1008 */
#define VFSR_REFS_PER_BLOCK \
	((VFSR_SECTOR_BYTES - sizeof(struct vfsr_disk_table_head)) / \
	 sizeof(struct vfsr_disk_table_ref))			/* 504 */

static_assert(VFSR_STRIPS_PER_BLOCK == 126, "strips per block is ABI");
static_assert(VFSR_LIVES_PER_BLOCK == 1008, "live counts per block is ABI");
static_assert(VFSR_REFS_PER_BLOCK == 504, "refs per block is ABI");

/*
 * The live count of a strip is that of its whole GRID, in bytes (k * R
 * sectors fit 32 bits): every column repeats it, so that a pool that lost
 * devices still knows it. It is the sum of the stored bytes of all chunks that
 * the map names, and of the map's own pages. A commit mark is never live.
 */

#endif
