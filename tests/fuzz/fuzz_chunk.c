// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzes the chunk decoder with lengths, states and streams of the input's
 * choice; then stores the input as a chunk, which must come back.
 *
 * The input: level of compression, state, algorithm, kind, stored and logical
 * length (24 bits as in the map), a byte whose lowest bit asks for the right
 * crc, then the stored bytes.
 */
#include "core/chunk.h"
#include "fuzz.h"

#define LEN_MASK 0xffffffu
#define MAX_LEVEL 9u
#define KEEP_PERCENT 100u

static void decode(struct fuzz_in *in, void *ws)
{
	struct vfsr_fault f = { .reason = VFSR_REASON_NONE };
	struct vfsr_chunk c = { .id = 1 };
	u8 *stored, *logical;
	bool right;
	u32 room;
	int err;

	c.state = fuzz_u8(in);
	c.alg = fuzz_u8(in);
	c.kind = fuzz_u8(in);
	c.stored = fuzz_u32(in) & LEN_MASK;
	c.logical = fuzz_u32(in) & LEN_MASK;
	right = fuzz_u8(in) & 1;
	/* no caller has more than a chunk's room */
	room = min_t(u32, c.stored, VFSR_CHUNK_BYTES);
	stored = fuzz_alloc(room);
	fuzz_take(in, stored, room);
	c.crc = vfsr_port_crc32c(0, stored, room) ^ !right;
	logical = fuzz_alloc(min_t(u32, c.logical, VFSR_CHUNK_BYTES));
	err = vfsr_chunk_decode(&c, ws, stored, logical, &f);
	fuzz_must(!err == (f.reason == VFSR_REASON_NONE));
	fuzz_must(err || (right && c.stored <= c.logical));
	free(logical);
	free(stored);
}

static void encode(const u8 *data, u32 len_bytes, u8 level, void *inflate_ws,
		   void *deflate_ws)
{
	struct vfsr_route_opts o = {
		.alg = VFSR_ALG_ZLIB,
		.level = (u8)(1 + level % MAX_LEVEL),
		.keep = KEEP_PERCENT,
		.probe = level & 1,
	};
	struct vfsr_chunk c = { .id = 1, .kind = VFSR_KIND_DATA };
	u8 *src = fuzz_copy(data, len_bytes), *dst = fuzz_alloc(len_bytes);
	u8 *back = fuzz_alloc(len_bytes);
	struct vfsr_routed out;

	vfsr_chunk_route(&o, deflate_ws, src, len_bytes, dst, &out);
	if (out.stored) {
		c.state = out.state;
		c.alg = out.alg;
		c.stored = out.stored;
		c.logical = len_bytes;
		c.crc = vfsr_port_crc32c(0, out.data, out.stored);
		fuzz_must(vfsr_chunk_ok(&c, NULL));
		fuzz_must(!vfsr_chunk_decode(&c, inflate_ws, out.data, back,
					     NULL));
	} else {
		fuzz_must(out.state == VFSR_STATE_VOID ||
			  out.state == VFSR_STATE_MONOLITH);
		memset(back, out.fill, len_bytes);
	}
	fuzz_must(!memcmp(back, src, len_bytes));
	free(back);
	free(dst);
	free(src);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct fuzz_in in = { data, size };
	void *inflate_ws = calloc(1, vfsr_port_inflate_ws_bytes());
	void *deflate_ws = calloc(1, vfsr_port_deflate_ws_bytes());
	u8 level;

	fuzz_must(inflate_ws && deflate_ws);
	if (size && size <= VFSR_CHUNK_BYTES) {
		level = fuzz_u8(&in);
		decode(&in, inflate_ws);
		encode(data, (u32)size, level, inflate_ws, deflate_ws);
	}
	vfsr_port_ws_release(inflate_ws);
	vfsr_port_ws_release(deflate_ws);
	free(inflate_ws);
	free(deflate_ws);
	return 0;
}
