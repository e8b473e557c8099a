/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The four-state codec: decides how a piece of data is stored, and undoes it.
 */
#ifndef VFSR_CORE_CHUNK_H
#define VFSR_CORE_CHUNK_H

#include "core/fault.h"
#include "format/types.h"

/* Everything that the map and a footer entry say of a chunk. */
struct vfsr_chunk {
	u64 id;
	u64 owner;	/* inode id (for DATA: of the first user) */
	u64 offset;	/* byte in the owner's file, multiple of 4096 */
	u64 birth;	/* transaction */
	u64 place;	/* 0: not placed yet */
	u32 stored;	/* bytes */
	u32 logical;	/* bytes */
	u32 crc;	/* crc32c of the stored bytes */
	u32 refs;
	u8 state;	/* enum vfsr_state: RAW or COMPRESSED */
	u8 alg;		/* enum vfsr_alg */
	u8 kind;	/* enum vfsr_kind */
};

/* How to route. */
struct vfsr_route_opts {
	u8 alg;		/* NONE: never compress */
	u8 level;	/* 1..9 */
	u8 keep;	/* keep if stored * 100 <= logical * keep */
	bool probe;	/* spare the trial if the probe says incompressible */
};

struct vfsr_routed {
	u8 state;	/* enum vfsr_state */
	u8 alg;
	u8 fill;	/* MONOLITH: the byte */
	u32 stored;	/* bytes to store: 0 for VOID and MONOLITH */
	const void *data; /* what to store: source or @dst */
};

/**
 * vfsr_chunk_route - choose the state of a piece of data and encode it
 * @opts: options
 * @ws: deflate workspace
 * @src: data
 * @len_bytes: 1..VFSR_CHUNK_BYTES
 * @dst: room for the compressed form, @len_bytes bytes
 * @out: result
 *
 * Integers only, deterministic. Any failure of the compressor means RAW. Only
 * what is smaller than the data is stored compressed, also with a keep of 100.
 */
void vfsr_chunk_route(const struct vfsr_route_opts *opts, void *ws,
		      const void *src, u32 len_bytes, void *dst,
		      struct vfsr_routed *out);

/**
 * vfsr_chunk_decode - check and expand a stored chunk
 * @c: lengths, state, alg and crc as in the map
 * @ws: inflate workspace
 * @stored: c->stored bytes
 * @dst: room for c->logical bytes
 * @f: filled on failure, may be NULL
 *
 * Return: 0; -EBADMSG if the crc does not match; -EUCLEAN if lengths are
 * impossible or the stream is malformed.
 */
int vfsr_chunk_decode(const struct vfsr_chunk *c, void *ws, const void *stored,
		      void *dst, struct vfsr_fault *f);

/**
 * vfsr_chunk_ok - are the fields of a chunk possible?
 * @c: state, alg, kind and lengths are looked at
 * @f: filled when not, may be NULL
 *
 * State RAW with equal lengths and no algorithm, or COMPRESSED with fewer bytes
 * stored (at least one) and a known algorithm; logical length 1..128 KiB, for
 * nodes and map pages at most 4096; kind known.
 *
 * Return: whether a writer could have made it.
 */
bool vfsr_chunk_ok(const struct vfsr_chunk *c, struct vfsr_fault *f);

/**
 * vfsr_probe_incompressible - does data look incompressible?
 * @data: bytes
 * @len_bytes: how many; below 1 KiB the answer is always false
 *
 * Streaming count of distinct bytes and of their spread over samples, with an
 * early exit; then a look for strings that repeat within the window of deflate.
 *
 * Return: false for anything that could be worth a trial.
 */
bool vfsr_probe_incompressible(const u8 *data, u32 len_bytes);

/**
 * vfsr_probe_uniform - are all bytes equal?
 * @data: bytes
 * @len_bytes: how many; no bytes are not uniform
 * @fill: the byte, written only if all are equal
 *
 * Return: whether they are.
 */
bool vfsr_probe_uniform(const u8 *data, u32 len_bytes, u8 *fill);

#endif
