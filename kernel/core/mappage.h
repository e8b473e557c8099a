/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Map pages: entries and children in host order. A page is VFSR_NODE_BYTES in
 * a buffer of the caller, aligned to 8. Callers check a page against its
 * parent's crc, then with vfsr_map_page_check(), and only then read entries.
 */
#ifndef VFSR_CORE_MAPPAGE_H
#define VFSR_CORE_MAPPAGE_H

#include "core/chunk.h"
#include "format/map.h"

struct vfsr_map_child {
	u64 place;	/* 0: nothing below */
	u32 crc;
	u32 len;	/* stored bytes; 4096: raw */
	u32 free;	/* free ids below, saturated at VFSR_CHILD_FREE_MAX */
};

/**
 * vfsr_map_page_init - start an empty page
 * @page: VFSR_NODE_BYTES, all of it is written
 * @level: 0 for a leaf
 * @index: of the page within its level
 * @transaction: that writes it
 * @pool_uuid: its first half goes into the page
 */
void vfsr_map_page_init(void *page, unsigned int level, u64 index,
			u64 transaction, const u8 *pool_uuid);

/**
 * vfsr_map_page_stamp - say which transaction writes a page
 * @page: checked page, or one made by vfsr_map_page_init()
 * @transaction: that writes it
 */
void vfsr_map_page_stamp(void *page, u64 transaction);

/**
 * vfsr_map_page_check - check a page against who it should be
 * @page: VFSR_NODE_BYTES
 * @level: that its parent, or the record, gives it
 * @index: likewise
 * @pool_uuid: of this pool
 * @f: filled on failure, may be NULL
 *
 * Head only; entries are checked as they are read.
 *
 * Return: 0, or -EUCLEAN.
 */
int vfsr_map_page_check(const void *page, unsigned int level, u64 index,
			const u8 *pool_uuid, struct vfsr_fault *f);

/**
 * vfsr_map_entry_set - write an entry of a leaf
 * @page: leaf
 * @i: id % 127
 * @c: chunk that vfsr_chunk_ok() passes; with place 0 the entry becomes free
 */
void vfsr_map_entry_set(void *page, unsigned int i, const struct vfsr_chunk *c);

/**
 * vfsr_map_entry_get - read an entry of a leaf
 * @page: checked leaf
 * @i: id % 127
 * @c: filled but for owner and offset, which the map does not have; the id
 *     comes from the page's index, also when the entry is free
 * @f: filled on failure, `where` is the id; may be NULL
 *
 * Return: 1 in use, 0 free, -EUCLEAN if no writer could have written it.
 */
int vfsr_map_entry_get(const void *page, unsigned int i, struct vfsr_chunk *c,
		       struct vfsr_fault *f);

/**
 * vfsr_map_child_set - write a child of an interior page
 * @page: interior page
 * @i: index of the child % 254
 * @c: child; with place 0 it becomes empty. The free count is saturated
 */
void vfsr_map_child_set(void *page, unsigned int i,
			const struct vfsr_map_child *c);

/**
 * vfsr_map_child_get - read a child of an interior page
 * @page: checked interior page
 * @i: index of the child % 254
 * @c: all zero for an empty child, below which all ids are free
 * @f: filled on failure, `where` is @i; may be NULL
 *
 * Return: 1 in use, 0 empty, -EUCLEAN if no writer could have written it (grid
 * 0, length outside of 1..4096, more free ids than the child spans).
 */
int vfsr_map_child_get(const void *page, unsigned int i,
		       struct vfsr_map_child *c, struct vfsr_fault *f);

/**
 * vfsr_map_len_free - stored length and free count in one word
 * @len: stored bytes, 1..4096
 * @free: free ids, saturated here
 *
 * Return: the word, as in a child and in the record's map_len_free.
 */
u32 vfsr_map_len_free(u32 len, u64 free);

/**
 * vfsr_map_page_free - free ids below a page
 * @page: checked page
 *
 * Entries free in a leaf, reserved ids and id 0 included; else the sum of the
 * children, where an empty child counts with all the ids that it spans.
 *
 * Return: the count, saturated at VFSR_CHILD_FREE_MAX.
 */
u32 vfsr_map_page_free(const void *page);

/**
 * vfsr_map_levels - levels that a map needs for ids below a bound
 * @next_id: first id not needed
 *
 * Seven levels span 127 * 254^6 ids, a little under 2^55; who hands out ids
 * stops there, and larger bounds give 7 too.
 *
 * Return: 1..7.
 */
unsigned int vfsr_map_levels(u64 next_id);

/**
 * vfsr_map_span - ids that one page of a level spans
 * @level: 0 for a leaf; counts beyond 7 are taken as 7
 *
 * Return: 127 * 254^level.
 */
u64 vfsr_map_span(unsigned int level);

/* Id of a map page as a chunk: level << 56 | index. */
static inline u64 vfsr_map_chunk_id(unsigned int level, u64 index)
{
	return (u64)level << 56 | index;
}

#endif
