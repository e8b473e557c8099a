/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The footer of a stripe: label, crc of every sector, and the entry table.
 *
 * The data area of a stripe of depth d is k * d sectors in linear order: linear
 * sector l is row l % d of column l / d. Sector 0 and sector k * d - 1 hold the
 * two identical copies of the footer sector. Sector-aligned chunks go upward
 * from sector 1; all others downward from the last footer, byte after byte;
 * the entry table is the last of these, so it lies lowest.
 *
 * The sector crcs of a stripe include parity, whose rows under the two footer
 * copies depend on the footer itself. There the crc is that of the parity
 * sector with both footer copies taken as zero ("residual"); on disk, parity
 * covers the footers as any other sector.
 *
 * An entry of the table: a flags byte (below), then varints (7 bits a byte,
 * low first, 0x80: more follow):
 *   zigzag(id - id of the entry before, or of 0),
 *   stored length,
 *   logical length	unless COMPRESSED is clear (then it equals the stored),
 *   algorithm		one byte, if COMPRESSED,
 *   zigzag(owner - id)	if OWNER,
 *   file offset / 4096	if OFFSET (0 otherwise),
 *   transaction - birth	if OLD (0 otherwise),
 * and the crc32c of the stored bytes, 4 bytes little-endian. Varints take the
 * fewest bytes that hold them; what the optional fields hold is not zero.
 * Places follow from the order: a chunk with ALIGNED takes the next sectors
 * upward, any other ends where the one before it starts. The entry table ends
 * where the last of these starts.
 */
#ifndef VFSR_FORMAT_FOOTER_H
#define VFSR_FORMAT_FOOTER_H

#include "format/types.h"

#define VFSR_FOOTER_MAGIC	0x46534656u	/* "VFSF" */

#define VFSR_MIN_STRIPE_SECTORS	3u	/* of data: two footers and one more */

#define VFSR_ENTRY_KIND_MASK	0x07u	/* enum vfsr_kind */
#define VFSR_ENTRY_COMPRESSED	0x08u	/* state 01; clear: state 00 */
#define VFSR_ENTRY_ALIGNED	0x10u
#define VFSR_ENTRY_OWNER	0x20u	/* owner differs from id */
#define VFSR_ENTRY_OFFSET	0x40u
#define VFSR_ENTRY_OLD		0x80u	/* born before this transaction */

#define VFSR_FOOTER_COMMIT	0x01u	/* the transaction's last stripe */

struct vfsr_disk_footer {
	__le32	magic;		/* VFSR_FOOTER_MAGIC */
	__le32	crc;		/* of the sector */
	__u8	pool_uuid[VFSR_UUID_BYTES];
	__le64	grid;
	__le64	transaction;	/* that this stripe belongs to */
	__le64	base;		/* last durable transaction when written */
	__le64	serial;		/* of the stripe, grows in the pool */
	__le64	epoch;
	struct vfsr_disk_policy policy;
	__u8	layout;
	__u8	strip_shift;
	__u8	use;		/* enum vfsr_grid_use */
	__u8	flags;		/* VFSR_FOOTER_* */
	__le32	row;		/* first row of the stripe */
	__le16	depth;		/* rows of the stripe */
	__le16	full_depth;	/* of the grid */
	__le32	nr_entries;
	__le32	entries_start;	/* byte in the data area */
	__le32	entries_bytes;
	__le32	entries_crc;
	__le32	aligned_end;	/* sector after the last aligned chunk */
	__le32	nr_stripes;	/* of the transaction, in its last stripe */
	__u8	pad0[88];
	__le32	strip[VFSR_MAX_COLUMNS];
	__u8	device[VFSR_MAX_COLUMNS];
	__le32	sector_crc[VFSR_MAX_STRIPE_SECTORS]; /* [column * depth + i];
						      * 0 for the footers */
	__u8	pad1[160];
};
static_assert(sizeof(struct vfsr_disk_footer) == VFSR_SECTOR_BYTES,
	      "footer is one sector");
static_assert(offsetof(struct vfsr_disk_footer, row) == 72,
	      "footer layout is ABI");
static_assert(offsetof(struct vfsr_disk_footer, strip) == 192,
	      "footer layout is ABI");
static_assert(offsetof(struct vfsr_disk_footer, sector_crc) == 352,
	      "footer layout is ABI");

#endif
