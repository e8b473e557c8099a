/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Scalars and limits that every on-disk structure shares.
 *
 * All on-disk integers are little-endian and naturally aligned, padding is
 * zero. Every crc is crc32c (Castagnoli, reflected), initial value ~0 and final
 * inversion, i.e. vfsr_port_crc32c(0, ...). Where a structure holds its own
 * crc, the field counts as zero.
 */
#ifndef VFSR_FORMAT_TYPES_H
#define VFSR_FORMAT_TYPES_H

#include "port.h"

#define VFSR_SECTOR_SHIFT	12
#define VFSR_SECTOR_BYTES	4096u
#define VFSR_UUID_BYTES		16

#define VFSR_MAX_MEMBERS	64	/* devices of one pool */
#define VFSR_MAX_COLUMNS	32	/* n = k + m */
#define VFSR_MAX_PARITY		6	/* m */
#define VFSR_MAX_OPEN_GRIDS	32	/* open and reserved, in the record */
#define VFSR_MAX_STRIPS		(1u << 20) /* per device */
#define VFSR_MIN_STRIP_SHIFT	16	/* log2 of 64 KiB */
#define VFSR_MAX_STRIP_SHIFT	24	/* log2 of 16 MiB */
#define VFSR_MAX_DATA_SECTORS	65536u	/* k * R of one grid */
#define VFSR_MAX_PARITY_CRCS	512u	/* n * r */
#define VFSR_MAX_STRIPE_SECTORS	896u	/* n * depth */
#define VFSR_BITMAP_BYTES	512u	/* a bit per row, R <= 4095 */

#define VFSR_CHUNK_BYTES	131072u	/* most logical bytes of a chunk */
#define VFSR_NODE_BYTES		4096u	/* most of a node or map page */

/* What to do with a piece of data; the values are on disk. */
enum vfsr_state {
	VFSR_STATE_RAW		= 0,	/* stored as is */
	VFSR_STATE_COMPRESSED	= 1,	/* stored, and smaller than the data */
	VFSR_STATE_VOID		= 2,	/* all bytes zero, nothing stored */
	VFSR_STATE_MONOLITH	= 3,	/* one byte repeated, nothing stored */
	VFSR_NR_STATES
};

/* How a compressed chunk was compressed; the values are on disk. */
enum vfsr_alg {
	VFSR_ALG_NONE		= 0,
	VFSR_ALG_ZLIB		= 1,	/* raw deflate, window 32 KiB */
	VFSR_NR_ALGS
};

/* What a chunk is; the values are on disk. */
enum vfsr_kind {
	VFSR_KIND_NONE		= 0,	/* unused map entry */
	VFSR_KIND_DATA		= 1,	/* file data, of one or several files */
	VFSR_KIND_INODE		= 2,	/* node: inode, root of its tree */
	VFSR_KIND_NODE		= 3,	/* node: other block of a tree */
	VFSR_KIND_XATTR		= 4,	/* value of one extended attribute */
	VFSR_KIND_MAP		= 5,	/* page; id: level << 56 | index */
	VFSR_KIND_COMMIT	= 6,	/* commit mark: copy of a record */
	VFSR_NR_KINDS
};

/* Grid layouts; the values are on disk. */
enum vfsr_layout {
	VFSR_LAYOUT_SPREAD	= 0,	/* a column is a whole strip */
	VFSR_LAYOUT_INTERLEAVED	= 1,	/* one device, stripe after stripe */
	VFSR_NR_LAYOUTS
};

/* Reserved ids; ordinary ids start at VFSR_FIRST_ID. 0 is never an id. */
#define VFSR_ROOT_INO		1
#define VFSR_ORPHAN_INO		2
#define VFSR_FIRST_ID		16

/* Redundancy: k data and m parity columns, r column-parity rows. */
struct vfsr_disk_policy {
	__u8	k;
	__u8	m;
	__le16	r;
};
static_assert(sizeof(struct vfsr_disk_policy) == 4, "policy is ABI");

/* Seconds since the epoch (may be negative) and nanoseconds. */
struct vfsr_disk_time {
	__le64	sec;
	__le32	nsec;
	__le32	pad;
};
static_assert(sizeof(struct vfsr_disk_time) == 16, "time is ABI");

#endif
