/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The map: from chunk id to where and how the chunk is stored.
 *
 * A radix tree of 4 KiB pages. The leaf for id i is page i / 127, entry
 * i % 127; a page p of level l is child p % 254 of page p / 254 of level l + 1.
 * Pages are chunks of kind MAP (raw deflate if that is smaller), found by the
 * place, length and crc in their parent; the root's are in the record.
 *
 * A place: grid id in bits 63..28, linear data sector of the grid in bits
 * 27..12, byte in bits 11..0. Grid ids start at 1, so no place is 0. A stripe at
 * row s owns the linear sectors from s * k on.
 */
#ifndef VFSR_FORMAT_MAP_H
#define VFSR_FORMAT_MAP_H

#include "format/types.h"

#define VFSR_MAP_MAGIC		0x4d534656u	/* "VFSM" */
#define VFSR_MAP_LEAF_ENTRIES	127u
#define VFSR_MAP_FANOUT		254u
#define VFSR_MAP_MAX_LEVELS	7u
#define VFSR_MAX_ID		((1ull << 56) - 1)
#define VFSR_MAX_GRID		((1ull << 36) - 1)

#define VFSR_PLACE_GRID_SHIFT	28
#define VFSR_PLACE_BYTE_BITS	12
#define VFSR_PLACE_SECTOR_MASK	0xffffu

#define VFSR_LEN_BITS		24	/* low bits of the length words */
#define VFSR_LEN_MASK		((1u << VFSR_LEN_BITS) - 1)

/* Where chunk `id` is. All zero: the id is free. */
struct vfsr_disk_map_entry {
	__le64	place;
	__le64	birth;		/* transaction that inserted the entry */
	__le32	crc;		/* crc32c of the stored bytes */
	__le32	refs;		/* extents, or 1 for metadata */
	__le32	stored;		/* bytes; bits 24..25 state, 26.. algorithm */
	__le32	logical;	/* bytes; kind in bits 24..31 */
};
static_assert(sizeof(struct vfsr_disk_map_entry) == 32, "map entry is ABI");

#define VFSR_CHILD_LEN_BITS	13
#define VFSR_CHILD_LEN_MASK	((1u << VFSR_CHILD_LEN_BITS) - 1)
#define VFSR_CHILD_FREE_MAX	((1u << 19) - 1)

/* A page below an interior page. All zero: all its ids are free. */
struct vfsr_disk_map_child {
	__le64	place;
	__le32	crc;		/* crc32c of the stored bytes */
	__le32	len_free;	/* low 13 bits: stored length, 4096: raw;
				 * the rest: free ids below, saturated */
};
static_assert(sizeof(struct vfsr_disk_map_child) == 16, "map child is ABI");

struct vfsr_disk_map_head {
	__le32	magic;		/* VFSR_MAP_MAGIC */
	__u8	level;		/* 0: leaf */
	__u8	pad[3];
	__le64	index;		/* of the page within its level */
	__le64	transaction;
	__u8	pool_tag[8];	/* first half of the pool's uuid */
};
static_assert(sizeof(struct vfsr_disk_map_head) == 32, "map head is ABI");
static_assert(sizeof(struct vfsr_disk_map_head) +
			      VFSR_MAP_LEAF_ENTRIES *
				      sizeof(struct vfsr_disk_map_entry) ==
		      VFSR_NODE_BYTES,
	      "a leaf fills its page");
static_assert(sizeof(struct vfsr_disk_map_head) +
			      VFSR_MAP_FANOUT *
				      sizeof(struct vfsr_disk_map_child) ==
		      VFSR_NODE_BYTES,
	      "an interior page is full");

#endif
