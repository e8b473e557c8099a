/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stripe builder: packs chunks into the data area of one stripe, from both
 * ends (format/footer.h), and writes its entry table. Also reads tables.
 */
#ifndef VFSR_CORE_PACK_H
#define VFSR_CORE_PACK_H

#include "core/chunk.h"
#include "core/geometry.h"
#include "format/footer.h"

#define VFSR_ENTRY_MAX_BYTES	64u	/* upper bound of one encoded entry */

/* A stripe under construction. The caller owns both buffers; @entries is apart
 * from @data; as many bytes as @data has are always enough. */
struct vfsr_pack {
	u8 *data;		/* k * depth sectors, linear order */
	u8 *entries;		/* encoded entries so far */
	u32 entries_room;	/* bytes of @entries */
	u32 nr_sectors;		/* k * depth */
	u32 aligned_end;	/* sector after the last aligned chunk, or 1 */
	u32 tail_start;		/* byte where the downward area starts */
	u32 entries_bytes;
	u32 nr_entries;
	u64 transaction;	/* births are relative to it */
	u64 prev_id;
};

/* Result of closing. */
struct vfsr_pack_result {
	u32 depth;		/* rows that are really used */
	u32 entries_start;	/* byte in the data area */
	u32 entries_bytes;
	u32 entries_crc;
	u32 nr_entries;
	u32 aligned_end;
};

/**
 * vfsr_pack_init - start a stripe
 * @p: stripe to start
 * @data: the data area, @nr_sectors sectors; need not be zeroed
 * @nr_sectors: k times the grid's full depth, at least 3
 * @entries: room for the encoded entries
 * @entries_room: bytes of @entries
 * @transaction: that the stripe belongs to; no chunk is younger
 */
void vfsr_pack_init(struct vfsr_pack *p, u8 *data, u32 nr_sectors, u8 *entries,
		    u32 entries_room, u64 transaction);

/* Is a chunk stored on sector boundaries? (RAW, whole sectors) */
static inline bool vfsr_pack_aligned(u8 state, u32 stored)
{
	return state == VFSR_STATE_RAW && stored &&
	       !(stored & (VFSR_SECTOR_BYTES - 1));
}

/**
 * vfsr_pack_room - bytes that one more chunk may have
 * @p: stripe under construction
 * @aligned: of an aligned chunk (result is a multiple of 4096), or of another
 *
 * Takes a worst-case entry into account. It may be more than any chunk has,
 * VFSR_CHUNK_BYTES. What a raw chunk is follows from its length
 * (vfsr_pack_aligned()): one cut to a room found for an odd-sized chunk must
 * not become whole sectors.
 *
 * Return: the bytes, 0 if none fits.
 */
u32 vfsr_pack_room(const struct vfsr_pack *p, bool aligned);

/**
 * vfsr_pack_add - add a chunk
 * @p: stripe under construction
 * @c: all of id, owner, offset, birth, stored, logical, crc, state, alg, kind
 * @stored: its bytes
 *
 * Return: 0, or -ENOSPC (nothing changed).
 */
int vfsr_pack_add(struct vfsr_pack *p, const struct vfsr_chunk *c,
		  const void *stored);

/**
 * vfsr_pack_gap - unused bytes
 * @p: stripe under construction
 *
 * Return: bytes of the data area that would hold nothing if it were closed at
 * full depth.
 */
u32 vfsr_pack_gap(const struct vfsr_pack *p);

/**
 * vfsr_pack_depth - rows that closing would take now
 * @p: stripe under construction
 * @k: data columns; nr_sectors is a multiple
 *
 * Return: the smallest depth that holds everything.
 */
u32 vfsr_pack_depth(const struct vfsr_pack *p, u32 k);

/**
 * vfsr_pack_close - finish the data area
 * @p: stripe; nothing may be added any more. An empty one is fine
 * @k: data columns; nr_sectors is a multiple
 * @out: what the footer needs
 *
 * Places the entry table, takes the smallest depth that holds everything (the
 * downward area moves), and zeroes gaps and the footers' sectors. After this,
 * column i is the out->depth sectors from sector i * out->depth on. Places
 * are found by walking the table (vfsr_entries_next()).
 */
void vfsr_pack_close(struct vfsr_pack *p, u32 k, struct vfsr_pack_result *out);

/* Walk over an entry table. */
struct vfsr_entries {
	const u8 *pos;
	const u8 *end;
	u32 left;		/* entries to come */
	u32 aligned_sector;	/* next upward sector */
	u32 tail;		/* where the next downward chunk ends, byte */
	u32 nr_sectors;		/* of the data area */
	u32 low;		/* start of the entry table, byte: the upper
				 * bound of aligned chunks */
	u32 tail_low;		/* end of the entry table: tail's lower bound */
	u32 index;		/* entries so far; a fault's `where` */
	u64 transaction;
	u64 prev_id;
	u64 grid;
	u32 base_sector;	/* linear sector of the stripe's first sector */
};

/**
 * vfsr_entries_init - start a walk
 * @e: walk
 * @table: the table's bytes, whose crc was checked; stays valid for the walk
 * @bytes: length of the table
 * @nr_entries: entries in it
 * @k: data columns
 * @row: first row of the stripe
 * @depth: rows
 * @entries_start: byte of the table in the data area
 * @transaction: of the stripe
 * @grid: id of the grid, for the places
 *
 * All numbers are those of one footer that passed vfsr_footer_decode(), which
 * bounds them.
 */
void vfsr_entries_init(struct vfsr_entries *e, const u8 *table, u32 bytes,
		       u32 nr_entries, u32 k, u32 row, u32 depth,
		       u32 entries_start, u64 transaction, u64 grid);

/**
 * vfsr_entries_next - next entry
 * @e: walk
 * @c: filled, with its place (refs is 0)
 * @f: filled on failure, may be NULL
 *
 * Only the one encoding that vfsr_pack_add() would write is accepted. At the
 * end nothing of the table and nothing below the last downward chunk may be
 * left over. Ids are 1..VFSR_MAX_ID; those of map pages are level << 56 |
 * index, those of commit marks may be 0, as may be the owner of both.
 *
 * Return: 1, 0 at the end, -EUCLEAN with @f filled if the table is malformed or
 * a chunk would not fit the stripe.
 */
int vfsr_entries_next(struct vfsr_entries *e, struct vfsr_chunk *c,
		      struct vfsr_fault *f);

#endif
