/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Checkpoint records in host order. About 90 KiB: callers allocate it.
 */
#ifndef VFSR_CORE_SUPER_H
#define VFSR_CORE_SUPER_H

#include "core/geometry.h"
#include "format/super.h"

struct vfsr_time {
	s64 sec;
	u32 nsec;
};

struct vfsr_index_root {
	u32 crc;
	u32 slot;
};

struct vfsr_member {
	u8 uuid[VFSR_UUID_BYTES];
	u64 bytes;
	u64 ack_epoch, ack_sequence;
	u64 table_sector, tail_sector, wal_sector, strip_sector;
	u32 wal_sectors;
	u32 nr_strips;
	u8 state;
	u8 nr_index;
	struct vfsr_index_root index[VFSR_MAX_INDEX_BLOCKS];
};

struct vfsr_open_grid {
	u64 grid;
	struct vfsr_policy policy;
	u8 layout, use, reserved;
	u32 depth, rows_used;
	u32 strip[VFSR_MAX_COLUMNS];
	u8 device[VFSR_MAX_COLUMNS];
	u8 starts[VFSR_BITMAP_BYTES];
};

struct vfsr_super {
	u8 pool_uuid[VFSR_UUID_BYTES];
	u8 metadata_uuid[VFSR_UUID_BYTES];
	u8 hash_key[16];
	char label[VFSR_LABEL_BYTES];	/* NUL terminated */
	u16 this_member, nr_members;
	u64 epoch, sequence, transaction;
	u64 compat, ro_compat, incompat;
	u8 strip_shift, compress_alg, compress_level, compress_keep, layout;
	u8 nr_open;
	struct vfsr_policy data, meta;
	u64 map_place;
	u32 map_crc;
	u32 map_len;		/* stored bytes of the root page */
	u32 map_free;		/* free ids below, saturated */
	u8 map_levels;
	u64 next_id, next_grid, next_serial, next_transaction;
	u64 nr_ids, nr_inodes, logical_bytes, live_bytes;
	u64 wal_tail, quota_root, snapshot_root, forward_root, damage_root;
	struct vfsr_time created, committed;
	struct vfsr_member member[VFSR_MAX_MEMBERS];
	struct vfsr_open_grid open[VFSR_MAX_OPEN_GRIDS];
};

/**
 * vfsr_super_bytes - length of the encoded record
 * @s: record whose counts are within their limits
 *
 * Return: bytes of header and tables, at most VFSR_SLOT_BYTES.
 */
u32 vfsr_super_bytes(const struct vfsr_super *s);

/**
 * vfsr_super_ok - is a record possible?
 * @s: record in host order, in which nothing is taken for granted
 * @f: filled when not (where: number of the member or open grid), may be NULL
 *
 * All checks of vfsr_super_decode() that are not about the encoding: geometry of
 * both policies, ceilings, map root, members with their regions in order and
 * inside the device, open grids with columns on known members, no strip used
 * twice. Writers may ask before they write.
 *
 * Return: true if it is.
 */
bool vfsr_super_ok(const struct vfsr_super *s, struct vfsr_fault *f);

/**
 * vfsr_super_encode - write a record
 * @s: record that passes vfsr_super_ok()
 * @slot: VFSR_SLOT_BYTES, aligned to 8; what the record does not use is zeroed
 *
 * Return: bytes of the record.
 */
u32 vfsr_super_encode(const struct vfsr_super *s, void *slot);

/**
 * vfsr_super_decode - check and read a record
 * @slot: @room bytes, aligned to 8
 * @room: at most VFSR_SLOT_BYTES; commit marks are shorter
 * @out: filled; its contents are undefined on failure
 * @f: filled on failure, may be NULL
 *
 * Checks everything that can be checked without other blocks: magic, crc,
 * lengths, features, geometry of both policies, member tables (regions in
 * order and inside the device), open grids (columns on known members, starts).
 *
 * Return: 0; -EBADMSG for magic or crc; -EOPNOTSUPP for unknown incompatible
 * features or sizes; -EUCLEAN.
 */
int vfsr_super_decode(const void *slot, u32 room, struct vfsr_super *out,
		      struct vfsr_fault *f);

/* Regions of a device, in sectors. */
struct vfsr_device_layout {
	u64 table_sector, strip_sector, tail_sector, ring_tail_sector;
	u32 table_sectors;
	u32 nr_strips, nr_table, nr_live, nr_index;
};

/**
 * vfsr_device_layout - where everything goes on a device of this size
 * @bytes: size of the device; rounded down to 64 KiB
 * @strip_shift: log2 of the strip's bytes, 16..24
 * @out: filled
 *
 * As many strips as fit; strip 0 is aligned to the smaller of strip size and
 * 1 MiB. Table blocks for the strips: T = ceil(strips / 126),
 * L = ceil(strips / 1008), X = ceil((T + L) / 504).
 *
 * Return: 0, or -ENOSPC if not even one strip fits.
 */
int vfsr_device_layout(u64 bytes, unsigned int strip_shift,
		       struct vfsr_device_layout *out);

/**
 * vfsr_table_counts - blocks of a strip table
 * @nr_strips: strips of the device
 * @nr_table: out, T
 * @nr_live: out, L
 * @nr_index: out, X
 *
 * Each has two slots, so a table region has 2 * (X + T + L) sectors.
 */
void vfsr_table_counts(u32 nr_strips, u32 *nr_table, u32 *nr_live,
		       u32 *nr_index);

#endif
