/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes a transaction into a pool offline: mkfs into an empty one, the map
 * rebuild into free strips. Streams pack chunks into stripes, stripes go to
 * grids, grids to the devices with most free strips; the map follows the
 * chunks, and the commit writes map, commit mark, trailers, tables, record.
 *
 * Calls come from one thread; sealing (parity, crcs) and I/O of stripes run on
 * the writer's own threads with a bounded number of stripes in flight. The
 * bytes on disk depend only on the order of the calls.
 */
#ifndef VFSR_LIB_WRITER_H
#define VFSR_LIB_WRITER_H

#include "core/chunk.h"
#include "core/striptab.h"
#include "core/super.h"
#include "lib/dev.h"

struct vfsr_writer;

/* What mkfs was asked for. */
struct vfsr_plan_in {
	u64 dev_bytes[VFSR_MAX_MEMBERS];
	bool rotational[VFSR_MAX_MEMBERS];
	unsigned int nr_devs;
	bool have_data, have_meta;	/* policies given explicitly */
	struct vfsr_policy data, meta;
	unsigned int strip_shift;	/* 0: choose */
	int layout;			/* -1: choose, else enum vfsr_layout */
	u8 compress_alg, compress_level;
	u8 uuid[VFSR_UUID_BYTES];
	struct vfsr_time now;
	char label[VFSR_LABEL_BYTES];
};

/**
 * vfsr_plan - choose policies, strip size and layout; fill a fresh record
 * @in: wishes
 * @s: record to fill (epoch 1, sequence 0, no map)
 * @why: out: on failure a sentence for the user, with the minimum size named
 * @why_bytes: room in @why
 *
 * Defaults of design section 9. Explicit policies are honoured even on fewer
 * devices than columns (the summary then says what it survives). Strips
 * and k shrink until at least 64 grids fit.
 *
 * Return: 0, -EINVAL, -ENOSPC.
 */
int vfsr_plan(const struct vfsr_plan_in *in, struct vfsr_super *s, char *why,
	      size_t why_bytes);

/* Smallest device (bytes) that vfsr_plan() accepts with these wishes. */
u64 vfsr_plan_min_bytes(const struct vfsr_plan_in *in);

/**
 * vfsr_plan_grids - grids that can be placed in an empty pool
 * @strips: free strips of each device
 * @nr_devs: devices, at least 1
 * @n: columns of a grid
 * @layout: enum vfsr_layout
 *
 * A grid takes the n devices with most free strips, or where there are fewer at
 * most its even share of strips on each. That places G grids if and only if
 * the sum over the devices of min(strips, G * share) is at least G * n.
 *
 * Return: the number of grids.
 */
u64 vfsr_plan_grids(const u32 *strips, unsigned int nr_devs, unsigned int n,
		    unsigned int layout);

/**
 * vfsr_plan_survives - say what a policy survives
 * @p: policy
 * @nr_devs: devices of the pool, at least 1
 * @strip_shift: log2 of the strip's bytes
 * @layout: enum vfsr_layout
 * @buf: out: "any 2 devices, plus ...", true for every sealed grid
 * @buf_bytes: its room, at least 1
 */
void vfsr_plan_survives(const struct vfsr_policy *p, unsigned int nr_devs,
			unsigned int strip_shift, unsigned int layout,
			char *buf, size_t buf_bytes);

/**
 * vfsr_writer_new - start a transaction
 * @s: record to continue (transaction s->next_transaction is written); the
 *     writer updates it and the caller keeps it until vfsr_writer_free()
 * @devs: by member number, NULL: missing
 * @strips: by member, nr_strips entries each, in use marked as loaded; NULL:
 *	    all free. The writer updates them
 * @live: likewise, u32 per strip. Only written, at the commit: the whole map
 *	  is made anew, so the live bytes of every grid are known then
 * @out: the writer
 *
 * A device that is NULL gets no strips, tables or record; its state and the
 * epoch are the caller's business.
 *
 * Return: 0 or a negative errno.
 */
int vfsr_writer_new(struct vfsr_super *s, struct vfsr_dev **devs,
		    struct vfsr_strip **strips, u32 **live,
		    struct vfsr_writer **out);
void vfsr_writer_free(struct vfsr_writer *w);

/**
 * vfsr_writer_add - append a chunk to a stream
 * @w: writer
 * @use: VFSR_USE_META or VFSR_USE_WARM (file data)
 * @c: id, owner, offset, stored, logical, crc, state, alg, kind, refs (final);
 *     birth 0 means this transaction
 * @stored: bytes; copied
 *
 * Return: 0; -ENOSPC when no grid can be placed any more; -EIO ... (an error is final).
 */
int vfsr_writer_add(struct vfsr_writer *w, unsigned int use,
		    const struct vfsr_chunk *c, const void *stored);

/**
 * vfsr_writer_room - largest chunk that the open stripe still takes
 * @w: writer
 * @use: stream
 * @aligned: as vfsr_pack_room()
 *
 * So that a caller can choose a pending chunk that fits, or cut one.
 * A chunk that does not fit closes the stripe.
 */
u32 vfsr_writer_room(struct vfsr_writer *w, unsigned int use, bool aligned);
/* Bytes of a fresh stripe's data area of that stream. */
u32 vfsr_writer_stripe_bytes(struct vfsr_writer *w, unsigned int use);

/* Next free id (s->next_id is the ceiling). */
u64 vfsr_writer_new_id(struct vfsr_writer *w);

/* Put an entry into the map for a chunk that is already on disk (rebuild).
 * Return: 0, -EEXIST if the id is set already, -ENOMEM, -EINVAL (id 0). */
int vfsr_writer_map_set(struct vfsr_writer *w, const struct vfsr_chunk *c);

struct vfsr_write_stats {
	u64 stripes, grids;
	u64 stored_bytes;	/* chunks, footers' entry tables excluded */
	u64 gap_bytes;		/* packing waste inside closed stripes */
	u64 footer_bytes;	/* footer sectors and entry tables */
	u64 used_bytes;		/* before parity: data sectors of stripes,
				 * footers included */
	u64 raw_used_bytes;	/* with parity: all sectors of stripes, column
				 * parity, trailers */
	u64 allocated_bytes;	/* whole strips of grids in use, open ends too,
				 * and head and tail regions */
	u64 meta_bytes;		/* of used_bytes, in metadata grids */
};

/**
 * vfsr_writer_commit - make it durable
 * @w: writer; ends here, only vfsr_writer_free() may follow
 * @stats: out: what was written, on success
 *
 * Closes the streams, writes the map and the commit mark (last stripe), seals
 * every grid (column parity, trailers), writes strip tables to the slots that do
 * not hold the current version (head and tail), flushes all, then the record to
 * both rings of every member, flushes again. s->nr_inodes, logical_bytes etc. must be
 * set by the caller before; sequence, transaction, map, nr_ids and live_bytes are set
 * here. Members keep the acknowledged (epoch, sequence) that the caller gave in
 * this record, and get this record's afterwards.
 *
 * Return: 0 or a negative errno, after which the pool is as it was before.
 */
int vfsr_writer_commit(struct vfsr_writer *w, struct vfsr_write_stats *stats);

#endif
