/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Footers of stripes and trailers of strips: encode, decode, and the check of
 * sectors against them.
 */
#ifndef VFSR_CORE_FOOTER_H
#define VFSR_CORE_FOOTER_H

#include "core/pack.h"
#include "core/parity.h"

/* A footer in host order. The disk sector is kept by the caller: the
 * sector crcs are read from there. */
struct vfsr_footer {
	u8 pool_uuid[VFSR_UUID_BYTES];
	u64 grid, transaction, base, serial, epoch;
	struct vfsr_policy policy;
	u8 layout, strip_shift, use, flags;
	u32 row, depth, full_depth;
	u32 nr_entries, entries_start, entries_bytes, entries_crc;
	u32 aligned_end;
	u32 nr_stripes;
	u32 strip[VFSR_MAX_COLUMNS];
	u8 device[VFSR_MAX_COLUMNS];
};

/**
 * vfsr_footer_decode - check a footer sector and read it
 * @sector: 4096 bytes
 * @uuid: the pool's, or NULL for any
 * @out: filled; its contents are undefined on failure
 * @f: filled on failure, may be NULL
 *
 * Checks magic, crc, uuid, geometry, columns, stripe within the data rows, entry table
 * within the data area, padding.
 *
 * Return: 0, -EBADMSG (magic or crc), -EUCLEAN.
 */
int vfsr_footer_decode(const void *sector, const u8 *uuid,
		       struct vfsr_footer *out, struct vfsr_fault *f);

/**
 * vfsr_columns_ok - are the strips of a grid's columns possible?
 * @g: geometry
 * @strip: VFSR_MAX_COLUMNS strip numbers
 * @device: VFSR_MAX_COLUMNS member numbers
 * @f: filled when not (where: the column), may be NULL
 *
 * Within the limits of a pool, no strip used twice, in an interleaved grid
 * adjacent and on one device, zero beyond column n. Whether the member and the
 * strip exist is for the caller to know.
 *
 * Return: true if they are.
 */
bool vfsr_columns_ok(const struct vfsr_geometry *g, const u32 *strip,
		     const u8 *device, struct vfsr_fault *f);

/**
 * vfsr_label_geometry - geometry of the grid that a label describes
 * @p: its policy
 * @strip_shift: log2 of the strip's bytes
 * @layout: enum vfsr_layout
 * @depth: full stripe depth that the label states, rows
 * @g: out
 * @f: filled on failure, may be NULL
 *
 * Return: 0; -EUCLEAN if it is impossible or the full depth is another.
 */
int vfsr_label_geometry(const struct vfsr_policy *p, unsigned int strip_shift,
			unsigned int layout, u32 depth, struct vfsr_geometry *g,
			struct vfsr_fault *f);

/**
 * vfsr_footer_geometry - geometry of the footer's grid
 * @ft: footer
 * @g: out
 * @f: filled on failure, may be NULL
 *
 * Return: 0; -EUCLEAN if it is impossible or the full depth is another.
 */
int vfsr_footer_geometry(const struct vfsr_footer *ft, struct vfsr_geometry *g,
			 struct vfsr_fault *f);

/**
 * vfsr_footer_sector_crc - what a footer says of a sector
 * @ft: decoded footer
 * @footer_sector: its 4096 bytes
 * @col: column, below n
 * @row: row relative to the stripe, below its depth
 *
 * Return: crc32c of the sector; for parity under a footer that without the
 * footer's contribution; 0 for the footers.
 */
u32 vfsr_footer_sector_crc(const struct vfsr_footer *ft,
			   const void *footer_sector, u32 col, u32 row);

/**
 * vfsr_stripe_seal - parity, crcs and footers of a closed stripe
 * @ops: vector operations
 * @ft: label; all fields set
 * @bufs: n columns of depth sectors, aligned as @ops needs it; data columns
 *	  filled. The footers' two sectors are overwritten
 *
 * Computes parity and all crcs, writes both footer copies, adds them to parity.
 */
void vfsr_stripe_seal(const struct vfsr_parity_ops *ops,
		      const struct vfsr_footer *ft, u8 *const *bufs);

/* Is (col, row) one of the two footer copies? @row is relative to the stripe. */
static inline bool vfsr_is_footer(const struct vfsr_footer *ft, u32 col,
				  u32 row)
{
	return (col == 0 && row == 0) ||
	       (col == ft->policy.k - 1u && row == ft->depth - 1);
}

/**
 * vfsr_stripe_check - is a sector of a stripe what the footer says?
 * @ops: vector operations
 * @ft: decoded footer
 * @footer_sector: its 4096 bytes, aligned as @ops needs it
 * @col: column
 * @row: row relative to the stripe
 * @data: the sector, not in @footer_sector's buffer; changed and changed back
 *	  for parity under a footer
 *
 * Return: true if it is right.
 */
bool vfsr_stripe_check(const struct vfsr_parity_ops *ops,
		       const struct vfsr_footer *ft, const void *footer_sector,
		       u32 col, u32 row, u8 *data);

/* A trailer in host order. */
struct vfsr_trailer {
	u8 pool_uuid[VFSR_UUID_BYTES];
	u64 grid, transaction, epoch;
	struct vfsr_policy policy;
	u8 column, layout, strip_shift, use;
	u32 depth, rows_used;
	u32 strip[VFSR_MAX_COLUMNS];
	u8 device[VFSR_MAX_COLUMNS];
	u8 starts[VFSR_BITMAP_BYTES];
	u32 parity_crc[VFSR_MAX_PARITY_CRCS];	/* [column * r + j] */
};

/**
 * vfsr_trailer_encode - write a trailer sector
 * @t: trailer; what lies beyond its columns is not looked at
 * @sector: 4096 bytes
 */
void vfsr_trailer_encode(const struct vfsr_trailer *t, void *sector);

/**
 * vfsr_trailer_decode - check a trailer sector and read it
 * @sector: 4096 bytes
 * @uuid: the pool's, or NULL for any
 * @out: filled; its contents are undefined on failure
 * @f: filled on failure, may be NULL
 *
 * Checks magic, crc, uuid, geometry, stripe starts, columns, padding.
 *
 * Return: 0, -EBADMSG (magic or crc), -EUCLEAN.
 */
int vfsr_trailer_decode(const void *sector, const u8 *uuid,
			struct vfsr_trailer *out, struct vfsr_fault *f);

/**
 * vfsr_trailer_geometry - geometry of the trailer's grid
 * @t: trailer
 * @g: out
 * @f: filled on failure, may be NULL
 *
 * Return: 0; -EUCLEAN if it is impossible or the full depth is another.
 */
int vfsr_trailer_geometry(const struct vfsr_trailer *t, struct vfsr_geometry *g,
			  struct vfsr_fault *f);

#endif
