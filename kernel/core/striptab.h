/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Blocks of the strip-table region in host order. A block is VFSR_SECTOR_BYTES
 * in a buffer of the caller, aligned to 8. Writers set the body and seal the
 * block last; readers check it first, then read entries.
 */
#ifndef VFSR_CORE_STRIPTAB_H
#define VFSR_CORE_STRIPTAB_H

#include "core/geometry.h"
#include "format/strip.h"

struct vfsr_strip {
	u64 grid;	/* 0: free */
	u64 transaction;
	struct vfsr_policy policy;
	u8 column, state, layout, use;
};

struct vfsr_table_ref {
	u32 crc, slot;
};

/* Head of a table-region block; also what a check expects. */
struct vfsr_table_head {
	u8 pool_uuid[VFSR_UUID_BYTES];
	u64 transaction;
	u32 block;
	u16 member;
	u8 kind;
};

/**
 * vfsr_table_seal - write head and crc of a block whose body is set
 * @h: what the head says
 * @block: VFSR_SECTOR_BYTES; the part after the head is kept
 *
 * Return: the block's crc, for its reference.
 */
u32 vfsr_table_seal(const struct vfsr_table_head *h, void *block);

/**
 * vfsr_table_check - check head, crc, kind and number of a block
 * @block: VFSR_SECTOR_BYTES
 * @want: expected; the transaction is filled in if all is well
 * @want_crc: from the reference, tells this version from older ones
 * @f: filled on failure, may be NULL
 *
 * Return: 0; -EBADMSG if it is damaged or another version (magic, crc);
 * -EUCLEAN if it is sound but not the block wanted.
 */
int vfsr_table_check(const void *block, struct vfsr_table_head *want,
		     u32 want_crc, struct vfsr_fault *f);

/**
 * vfsr_strip_encode - write the entry of a strip
 * @s: strip; with grid 0 the entry is zeroed, whatever else it says
 * @block: of kind STRIPS
 * @i: entry, 0..125
 */
void vfsr_strip_encode(const struct vfsr_strip *s, void *block, unsigned int i);

/**
 * vfsr_strip_decode - read the entry of a strip
 * @block: checked block of kind STRIPS
 * @i: entry, 0..125
 * @strip_shift: of the pool, log2 bytes
 * @out: all zero if the strip is free
 * @f: filled on failure, `where` is @i; may be NULL
 *
 * Return: 0, or -EUCLEAN if no writer could have written it.
 */
int vfsr_strip_decode(const void *block, unsigned int i,
		      unsigned int strip_shift, struct vfsr_strip *out,
		      struct vfsr_fault *f);

/**
 * vfsr_live_set - write the live count of a strip's grid
 * @block: of kind LIVE
 * @i: entry, 0..1007
 * @live_bytes: of the whole grid
 */
void vfsr_live_set(void *block, unsigned int i, u32 live_bytes);

/**
 * vfsr_live_get - read the live count of a strip's grid
 * @block: checked block of kind LIVE
 * @i: entry, 0..1007
 *
 * Return: live bytes of the whole grid.
 */
u32 vfsr_live_get(const void *block, unsigned int i);

/**
 * vfsr_ref_set - write a reference of an index block
 * @block: of kind INDEX
 * @i: entry, 0..503
 * @ref: crc, and slot 0 or 1
 */
void vfsr_ref_set(void *block, unsigned int i,
		  const struct vfsr_table_ref *ref);

/**
 * vfsr_ref_get - read a reference of an index block
 * @block: checked block of kind INDEX
 * @i: entry, 0..503
 * @ref: filled
 * @f: filled on failure, `where` is @i; may be NULL
 *
 * Return: 0, or -EUCLEAN if the slot is neither 0 nor 1.
 */
int vfsr_ref_get(const void *block, unsigned int i, struct vfsr_table_ref *ref,
		 struct vfsr_fault *f);

#endif
