/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The map in memory: pages found by (level, index), loaded through their
 * parents, dirty ones pinned until the checkpoint that writes them is durable.
 *
 * A page that is cached is current. Leaf entries change under the page's own
 * lock; children of interior pages only at a commit. Whoever will change an
 * entry pins it first (vfsr_map_pin(), vfsr_id_alloc()): that loads the leaf and all
 * pages above it and makes them dirty, so that neither placing a chunk nor
 * the commit reads anything or fails. Clean pages are given back under
 * memory pressure by a shrinker.
 *
 * Locks: map->alloc_lock (giving out ids), one of map->load_lock[] (loading one
 * page, held over its I/O), then one of the spinlocks: a page's lock, dirty_lock, or
 * lru_lock with the xarray's lock in it. Looking up an entry of a cached page takes
 * that page's lock alone.
 */
#ifndef VFSR_LOG_IDMAP_H
#define VFSR_LOG_IDMAP_H

#include "core/mappage.h"
#include "grid/gridtab.h"

struct vfsr_map;

/* The root as the record has it. */
struct vfsr_map_root {
	u64 place;
	u32 crc, len, free;
	u8 levels;
	u64 next_id;
	u64 nr_ids;
};

int vfsr_map_new(struct vfsr_grids *gs, const struct vfsr_super *s,
		 struct vfsr_map **out);
void vfsr_map_free(struct vfsr_map *m);

/**
 * vfsr_map_lookup - the entry of an id
 * @m: map
 * @id: chunk id
 * @c: filled but for owner and offset
 *
 * Return: 0; -ENOENT if the id is free; -EAGAIN if it was given out and its
 * chunk has no place yet (its stripe is open: flush the streams, try again);
 * -EIO, -EUCLEAN, reported. May sleep.
 */
int vfsr_map_lookup(struct vfsr_map *m, u64 id, struct vfsr_chunk *c);

/* --- changes: within a transaction --- */

/**
 * vfsr_id_alloc - a new id
 * @m: map
 * @kind: what it will be: DATA starts with refs 1
 * @id: out
 *
 * Fills holes left by freed ids, but not those freed since the last durable record; else
 * counts on from next_id, up to vfsr_map_span(VFSR_MAP_MAX_LEVELS - 1). The entry is
 * pinned. May sleep.
 *
 * Return: 0, -ENOSPC (no ids), -ENOMEM, -EIO.
 */
int vfsr_id_alloc(struct vfsr_map *m, u8 kind, u64 *id);

/* Take the id that is asked for (the orphan directory's), instead of any. As
 * vfsr_id_alloc(); -EEXIST if it is in use, -EBUSY if it was freed and no record
 * says so yet. */
int vfsr_id_take(struct vfsr_map *m, u64 id, u8 kind);

/* Load and pin the entry of an id, so that vfsr_map_place() and vfsr_map_drop()
 * cannot fail. Idempotent within a transaction and cheap then. 0; -ENOENT if the map
 * has no page for it; -EUCLEAN if its entry is malformed, -EIO, both reported; -ENOMEM. */
int vfsr_map_pin(struct vfsr_map *m, u64 id);

/**
 * vfsr_map_place - a chunk got its place
 * @m: map
 * @c: with place, birth, crc, lengths, state, alg, kind; refs ignored
 *
 * Entry must be pinned. References stay what they were (a new id: 1, or what
 * vfsr_map_ref() made of it). If they fell to 0 before this the chunk is
 * dead and nothing is entered. Live bytes of the old and the new grid are
 * kept. Never fails, does not sleep (called with a stream's lock held).
 */
void vfsr_map_place(struct vfsr_map *m, const struct vfsr_chunk *c);

/* References of a data chunk, placed or not yet: @delta is +1 or -1; at 0 the
 * id is freed. Pins. 0, or -EIO, -EUCLEAN (also if there is no such id, reported),
 * -ENOMEM (nothing changed). May sleep. */
int vfsr_map_ref(struct vfsr_map *m, u64 id, int delta);

/* Free an id outright (nodes, attribute values, ids never placed). Pinned before
 * by the caller if it must not fail; pins itself otherwise. Errors as vfsr_map_ref(). */
int vfsr_map_drop(struct vfsr_map *m, u64 id);

/* --- commit: transactions are held off --- */

/* Stores one map page; returns its place. See vfsr_map_commit(). */
typedef int (*vfsr_map_store_fn)(void *ctx, const struct vfsr_chunk *c,
				 const void *page, u64 *place);

/**
 * vfsr_map_commit - write all dirty pages, leaves first
 * @m: map
 * @transaction: that they belong to
 * @store: stores a page as RAW chunk of 4096 bytes (kind MAP) and tells its place
 * @ctx: for @store
 * @root: out: what the record says of the map
 *
 * Pages without anything in use are dropped from their parents. Grows and never
 * shrinks levels. Live bytes of old and new page places are kept. The pages are
 * clean afterwards, and stay in memory until vfsr_map_durable(@transaction).
 *
 * Return: 0, or the error of @store (the filesystem then stops).
 */
int vfsr_map_commit(struct vfsr_map *m, u64 transaction,
		    vfsr_map_store_fn store, void *ctx,
		    struct vfsr_map_root *root);
/* The record of @transaction is durable: ids freed up to it may be reused, its
 * pages may be given back. */
void vfsr_map_durable(struct vfsr_map *m, u64 transaction);

/* Dirty pages now (what the next commit writes), for throttling. */
unsigned long vfsr_map_nr_dirty(const struct vfsr_map *m);
/* Transaction that changes belong to from now on; set by the log. */
void vfsr_map_set_transaction(struct vfsr_map *m, u64 transaction);

#endif
