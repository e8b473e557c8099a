// SPDX-License-Identifier: GPL-2.0-only
/*
 * The four-state codec: routes data to void, monolith, raw or compressed, and
 * checks and expands stored chunks. Called by the writers (kernel and mkfs) on
 * many threads at once; all state is in the caller's buffers.
 *
 * Invariant: a chunk that vfsr_chunk_ok() passes can be decoded into a buffer of
 * its logical length without reading or writing beyond either buffer.
 */
#include "core/chunk.h"

static bool worth_keeping(const struct vfsr_route_opts *opts, u32 stored,
			  u32 logical)
{
	return stored < logical &&
	       (u64)stored * 100 <= (u64)logical * opts->keep;
}

void vfsr_chunk_route(const struct vfsr_route_opts *opts, void *ws,
		      const void *src, u32 len_bytes, void *dst,
		      struct vfsr_routed *out)
{
	int bytes;

	memset(out, 0, sizeof(*out));
	out->data = src;
	if (vfsr_probe_uniform(src, len_bytes, &out->fill)) {
		out->state = out->fill ? VFSR_STATE_MONOLITH : VFSR_STATE_VOID;
		return;
	}
	out->state = VFSR_STATE_RAW;
	out->alg = VFSR_ALG_NONE;
	out->stored = len_bytes;
	if (opts->alg != VFSR_ALG_ZLIB)
		return;
	if (opts->probe && vfsr_probe_incompressible(src, len_bytes))
		return;
	/* full room: a library that needs slack at the end must not move the
	 * threshold */
	bytes = vfsr_port_deflate(ws, opts->level, src, len_bytes, dst,
				  len_bytes);
	if (bytes <= 0 || !worth_keeping(opts, (u32)bytes, len_bytes))
		return;
	out->state = VFSR_STATE_COMPRESSED;
	out->alg = VFSR_ALG_ZLIB;
	out->stored = (u32)bytes;
	out->data = dst;
}

/* Most logical bytes of a kind; 0 for a kind that does not exist. */
static u32 kind_max_bytes(u8 kind)
{
	switch (kind) {
	case VFSR_KIND_INODE:
	case VFSR_KIND_NODE:
	case VFSR_KIND_MAP:
		return VFSR_NODE_BYTES;
	case VFSR_KIND_DATA:
	case VFSR_KIND_XATTR:
	case VFSR_KIND_COMMIT:
		return VFSR_CHUNK_BYTES;
	default:
		return 0;
	}
}

bool vfsr_chunk_ok(const struct vfsr_chunk *c, struct vfsr_fault *f)
{
	u32 max = kind_max_bytes(c->kind);

	if (!max)
		return vfsr_fault_set(f, VFSR_REASON_KIND, c->kind,
				      VFSR_NR_KINDS - 1);
	if (!c->logical || c->logical > max)
		return vfsr_fault_set(f, VFSR_REASON_SIZE, c->logical, max);
	switch (c->state) {
	case VFSR_STATE_RAW:
		if (c->alg != VFSR_ALG_NONE)
			return vfsr_fault_set(f, VFSR_REASON_CODEC, c->alg,
					      VFSR_ALG_NONE);
		if (c->stored != c->logical)
			return vfsr_fault_set(f, VFSR_REASON_SIZE, c->stored,
					      c->logical);
		return true;
	case VFSR_STATE_COMPRESSED:
		if (c->alg != VFSR_ALG_ZLIB)
			return vfsr_fault_set(f, VFSR_REASON_CODEC, c->alg,
					      VFSR_ALG_ZLIB);
		if (!c->stored || c->stored >= c->logical)
			return vfsr_fault_set(f, VFSR_REASON_SIZE, c->stored,
					      c->logical - 1);
		return true;
	default:
		return vfsr_fault_set(f, VFSR_REASON_CODEC, c->state,
				      VFSR_STATE_COMPRESSED);
	}
}

int vfsr_chunk_decode(const struct vfsr_chunk *c, void *ws, const void *stored,
		      void *dst, struct vfsr_fault *f)
{
	u32 crc;

	if (!vfsr_chunk_ok(c, f))
		return -EUCLEAN;
	crc = vfsr_port_crc32c(0, stored, c->stored);
	if (crc != c->crc) {
		vfsr_fault_set(f, VFSR_REASON_CHUNK_CRC, crc, c->crc);
		return -EBADMSG;
	}
	if (c->state == VFSR_STATE_RAW) {
		memcpy(dst, stored, c->logical);
		return 0;
	}
	if (vfsr_port_inflate(ws, stored, c->stored, dst, c->logical)) {
		vfsr_fault_set(f, VFSR_REASON_CODEC, c->stored, c->logical);
		return -EUCLEAN;
	}
	return 0;
}
