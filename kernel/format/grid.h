/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The trailer: the last sector of a sealed strip, one copy per column.
 *
 * A strip of S sectors has R = S - 1 rows, then the trailer. Rows 0..R-r-1
 * carry stripes; the last r rows are column parity: row q >= R-r is the XOR of
 * the rows i < R-r with i mod r == q mod r of its own strip; rows in no stripe
 * count as zero. So any r neighbouring rows are in r different classes.
 * In an interleaved grid sector offsets run over the n adjacent strips as one
 * region: the stripe at row s, depth d, column c, row i is at
 * s * n + c * d + (i - s); the parity rows count as a stripe of depth r at row
 * R - r, the trailers as one of depth 1 at row R.
 */
#ifndef VFSR_FORMAT_GRID_H
#define VFSR_FORMAT_GRID_H

#include "format/types.h"

#define VFSR_TRAILER_MAGIC	0x4c534656u	/* "VFSL" */

struct vfsr_disk_trailer {
	__le32	magic;		/* VFSR_TRAILER_MAGIC */
	__le32	crc;		/* of the sector */
	__u8	pool_uuid[VFSR_UUID_BYTES];
	__le64	grid;		/* never 0 */
	__le64	transaction;	/* that sealed the grid */
	struct vfsr_disk_policy policy;
	__u8	column;		/* 0..n-1; >= k is parity */
	__u8	layout;
	__u8	strip_shift;
	__u8	use;		/* enum vfsr_grid_use */
	__le16	depth;		/* full depth in rows */
	__le16	pad0;
	__le32	rows_used;	/* rows in stripes; they start at row 0 */
	__le64	epoch;
	__u8	pad1[128];
	__le32	strip[VFSR_MAX_COLUMNS];
	__u8	device[VFSR_MAX_COLUMNS];
	__u8	starts[VFSR_BITMAP_BYTES]; /* bit i%8 of byte i/8: start at i */
	__le32	parity_crc[VFSR_MAX_PARITY_CRCS]; /* [column * r + j] */
	__u8	pad2[1184];
};
static_assert(sizeof(struct vfsr_disk_trailer) == VFSR_SECTOR_BYTES,
	      "trailer is one sector");
static_assert(offsetof(struct vfsr_disk_trailer, grid) == 24,
	      "trailer layout is ABI");
static_assert(offsetof(struct vfsr_disk_trailer, strip) == 192,
	      "trailer layout is ABI");
static_assert(offsetof(struct vfsr_disk_trailer, parity_crc) == 864,
	      "trailer layout is ABI");

#endif
