// SPDX-License-Identifier: GPL-2.0-only
/*
 * The userspace port: crc32c against known values and against the scalar
 * code, deflate against zlib in both directions, and what inflate must refuse.
 * Inputs lie at the very end of heap blocks, so that ASan sees any read or
 * write beyond them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zlib.h>

#include "port.h"

#define CHUNK_BYTES 131072u
#define RAW_WINDOW (-15)

/* Deterministic noise: the same bytes in every run. */
static u32 noise(u64 *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)(*state >> 32);
}

static void crc_known_values(void **state)
{
	static const struct {
		const char *name;
		u8 fill;
		s8 step;
		u32 len_bytes;
		u32 crc;
	} c[] = {
		/* RFC 3720, B.4 */
		{ "zeroes", 0, 0, 32, 0x8a9136aa },
		{ "ones", 0xff, 0, 32, 0x62a8ab43 },
		{ "up", 0, 1, 32, 0x46dd794e },
		{ "down", 31, -1, 32, 0x113fdb5c },
		{ "nothing", 0, 0, 0, 0 },
	};
	u8 data[32];
	size_t i;
	u32 j;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(c); i++) {
		for (j = 0; j < c[i].len_bytes; j++)
			data[j] = (u8)(c[i].fill + c[i].step * (int)j);
		if (vfsr_port_crc32c(0, data, c[i].len_bytes) != c[i].crc ||
		    vfsr_port_crc32c_scalar(0, data, c[i].len_bytes) !=
			    c[i].crc)
			fail_msg("%s", c[i].name);
	}
	assert_int_equal(vfsr_port_crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(vfsr_port_crc32c_scalar(0, "123456789", 9),
			 0xe3069283);
}

static void crc_chains(void **state)
{
	const char text[] = "123456789";
	size_t cut;
	u32 crc;

	(void)state;
	for (cut = 0; cut <= 9; cut++) {
		crc = vfsr_port_crc32c(0, text, cut);
		crc = vfsr_port_crc32c(crc, text + cut, 9 - cut);
		assert_int_equal(crc, 0xe3069283);
		crc = vfsr_port_crc32c_scalar(0, text, cut);
		crc = vfsr_port_crc32c_scalar(crc, text + cut, 9 - cut);
		assert_int_equal(crc, 0xe3069283);
	}
}

static void crc_equals_scalar(void **state)
{
	static const u32 more[] = { 511,  512,	1023, 1024, 3071, 3072,
				    4095, 4096, 8191, 9000, 16384 };
	u8 *data = malloc(CHUNK_BYTES);
	u64 seed = 1;
	u32 len, align, i;

	(void)state;
	assert_non_null(data);
	for (i = 0; i < CHUNK_BYTES; i++)
		data[i] = (u8)noise(&seed);
	for (align = 0; align < 9; align++) {
		for (len = 0; len < 300; len++)
			assert_int_equal(
				vfsr_port_crc32c(len, data + align, len),
				vfsr_port_crc32c_scalar(len, data + align,
							len));
		for (i = 0; i < ARRAY_SIZE(more); i++)
			assert_int_equal(
				vfsr_port_crc32c(0, data + align, more[i]),
				vfsr_port_crc32c_scalar(0, data + align,
							more[i]));
	}
	assert_int_equal(vfsr_port_crc32c(7, data, CHUNK_BYTES),
			 vfsr_port_crc32c_scalar(7, data, CHUNK_BYTES));
	free(data);
}

enum filling { FILL_TEXT, FILL_NOISE, FILL_ZERO, FILL_FAR };

/* Kinds of contents that take different ways through a compressor. */
static void fill(u8 *data, u32 len_bytes, enum filling how)
{
	static const char words[] = "the quick brown fox jumps over a lazy dog";
	u64 seed = len_bytes;
	u32 i;

	for (i = 0; i < len_bytes; i++) {
		switch (how) {
		case FILL_TEXT:
			data[i] = (u8)words[noise(&seed) % sizeof(words)];
			break;
		case FILL_NOISE:
			data[i] = (u8)noise(&seed);
			break;
		case FILL_ZERO:
			data[i] = 0;
			break;
		case FILL_FAR: /* matches only at the far end of the window */
			data[i] = i < 32768 ? (u8)noise(&seed) :
					      data[i - 32768];
			break;
		}
	}
}

static const struct {
	const char *name;
	enum filling how;
	u32 len_bytes;
} contents[] = {
	{ "one byte", FILL_TEXT, 1 },
	{ "two bytes", FILL_NOISE, 2 },
	{ "small text", FILL_TEXT, 400 },
	{ "node", FILL_TEXT, 4096 },
	{ "odd text", FILL_TEXT, 99991 },
	{ "text", FILL_TEXT, CHUNK_BYTES },
	{ "noise", FILL_NOISE, CHUNK_BYTES },
	{ "zero", FILL_ZERO, CHUNK_BYTES },
	{ "far", FILL_FAR, CHUNK_BYTES },
};

/* zlib's word on a stream: exactly these lengths, and the contents. */
static void check_by_zlib(const u8 *stream, u32 stream_bytes, const u8 *want,
			  u32 len_bytes)
{
	u8 *out = malloc(len_bytes);
	z_stream z = { .next_in = (u8 *)stream, .avail_in = stream_bytes };

	assert_non_null(out);
	z.next_out = out;
	z.avail_out = len_bytes;
	assert_int_equal(inflateInit2(&z, RAW_WINDOW), Z_OK);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.avail_in, 0);
	assert_int_equal(z.avail_out, 0);
	assert_memory_equal(out, want, len_bytes);
	inflateEnd(&z);
	free(out);
}

static void deflate_round_trips(void **state)
{
	void *dws = calloc(1, vfsr_port_deflate_ws_bytes());
	void *iws = calloc(1, vfsr_port_inflate_ws_bytes());
	u32 room = CHUNK_BYTES + 1024;
	u8 *stream = malloc(room);
	u8 *exact, *data, *out;
	size_t i;
	u32 len;
	int level, n;

	(void)state;
	assert_true(dws && iws && stream);
	for (i = 0; i < ARRAY_SIZE(contents); i++) {
		len = contents[i].len_bytes;
		data = malloc(len);
		out = malloc(len);
		assert_true(data && out);
		fill(data, len, contents[i].how);
		for (level = 1; level <= 9; level++) {
			n = vfsr_port_deflate(dws, level, data, len, stream,
					      room);
			assert_true(n > 0);
			exact = malloc((size_t)n);
			assert_non_null(exact);
			memcpy(exact, stream, (size_t)n);
			check_by_zlib(exact, (u32)n, data, len);
			memset(out, 0x5a, len);
			if (vfsr_port_inflate(iws, exact, (u32)n, out, len) ||
			    memcmp(out, data, len) != 0)
				fail_msg("%s, level %d", contents[i].name,
					 level);
			free(exact);
		}
		free(data);
		free(out);
	}
	vfsr_port_ws_release(dws);
	vfsr_port_ws_release(iws);
	free(dws);
	free(iws);
	free(stream);
}

static u32 zlib_deflate(int level, const u8 *data, u32 len_bytes, u8 *out,
			u32 room)
{
	z_stream z = { .next_in = (u8 *)data, .avail_in = len_bytes };

	z.next_out = out;
	z.avail_out = room;
	assert_int_equal(deflateInit2(&z, level, Z_DEFLATED, RAW_WINDOW, 8,
				      Z_DEFAULT_STRATEGY),
			 Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return (u32)z.total_out;
}

/* What the kernel writes, userspace reads; and it is not the larger one. */
static void inflate_reads_zlib(void **state)
{
	void *dws = calloc(1, vfsr_port_deflate_ws_bytes());
	void *iws = calloc(1, vfsr_port_inflate_ws_bytes());
	u32 room = CHUNK_BYTES + 1024;
	u8 *stream = malloc(room);
	u8 *data = malloc(CHUNK_BYTES);
	u8 *out = malloc(CHUNK_BYTES);
	u32 len, n;
	size_t i;
	int level;

	(void)state;
	assert_true(dws && iws && stream && data && out);
	for (i = 0; i < ARRAY_SIZE(contents); i++) {
		len = contents[i].len_bytes;
		fill(data, len, contents[i].how);
		for (level = 0; level <= 9; level++) {
			n = zlib_deflate(level, data, len, stream, room);
			memset(out, 0x5a, len);
			assert_int_equal(
				vfsr_port_inflate(iws, stream, n, out, len), 0);
			assert_memory_equal(out, data, len);
		}
	}
	fill(data, CHUNK_BYTES, FILL_TEXT);
	for (level = 1; level <= 9; level += 8) {
		n = zlib_deflate(level, data, CHUNK_BYTES, stream, room);
		assert_in_range(vfsr_port_deflate(dws, level, data, CHUNK_BYTES,
						  out, CHUNK_BYTES),
				1, n);
	}
	vfsr_port_ws_release(dws);
	vfsr_port_ws_release(iws);
	free(dws);
	free(iws);
	free(stream);
	free(data);
	free(out);
}

static void deflate_without_room(void **state)
{
	void *ws = calloc(1, vfsr_port_deflate_ws_bytes());
	u8 *data = malloc(4096);
	u8 *out;
	u32 room;
	int n;

	(void)state;
	assert_true(ws && data);
	fill(data, 4096, FILL_NOISE);
	for (room = 0; room <= 4096; room += room < 64 ? 1 : 63) {
		out = malloc(room ? room : 1);
		assert_non_null(out);
		n = vfsr_port_deflate(ws, 1, data, 4096, out, room);
		assert_int_equal(n, 0);
		free(out);
	}
	assert_int_equal(vfsr_port_deflate(ws, 0, data, 4096, data, 4096),
			 -EIO);
	assert_int_equal(vfsr_port_deflate(ws, 10, data, 4096, data, 4096),
			 -EIO);
	vfsr_port_ws_release(ws);
	free(ws);
	free(data);
}

/* A stream of @n bytes at the end of its block must be refused. */
static void refuse(void *ws, const u8 *stream, u32 n, u32 len_bytes)
{
	u8 *exact = malloc(n ? n : 1);
	u8 *out = malloc(len_bytes ? len_bytes : 1);

	assert_true(exact && out);
	memcpy(exact, stream, n);
	assert_int_equal(vfsr_port_inflate(ws, exact, n, out, len_bytes),
			 -EUCLEAN);
	free(exact);
	free(out);
}

static void inflate_refuses(void **state)
{
	void *dws = calloc(1, vfsr_port_deflate_ws_bytes());
	void *iws = calloc(1, vfsr_port_inflate_ws_bytes());
	enum { LEN = 4000 };
	u8 data[LEN], stream[LEN + 64];
	int level, n;
	u32 cut;

	(void)state;
	assert_true(dws && iws);
	for (level = 1; level <= 9; level += 4) {
		fill(data, LEN, level == 5 ? FILL_NOISE : FILL_TEXT);
		n = vfsr_port_deflate(dws, level, data, LEN, stream,
				      sizeof(stream));
		assert_true(n > 0);
		for (cut = 0; cut < (u32)n; cut++)
			refuse(iws, stream, cut, LEN);
		/* trailing garbage, of both kinds */
		stream[n] = 0;
		refuse(iws, stream, (u32)n + 1, LEN);
		memset(stream + n, 0xff, 16);
		refuse(iws, stream, (u32)n + 16, LEN);
		/* other lengths */
		refuse(iws, stream, (u32)n, LEN - 1);
		refuse(iws, stream, (u32)n, LEN + 1);
		refuse(iws, stream, (u32)n, 1);
		refuse(iws, stream, (u32)n, 0);
	}
	vfsr_port_ws_release(dws);
	vfsr_port_ws_release(iws);
	free(dws);
	free(iws);
}

/* Random bytes and random damage: any verdict, no access outside. */
static void inflate_survives(void **state)
{
	void *dws = calloc(1, vfsr_port_deflate_ws_bytes());
	void *iws = calloc(1, vfsr_port_inflate_ws_bytes());
	enum { LEN = 2000, ROUNDS = 20000 };
	u8 data[LEN], stream[LEN + 64];
	u8 *exact, *out;
	u64 seed = 3;
	u32 i, j;
	int n;

	(void)state;
	assert_true(dws && iws);
	fill(data, LEN, FILL_TEXT);
	n = vfsr_port_deflate(dws, 6, data, LEN, stream, sizeof(stream));
	assert_true(n > 0);
	exact = malloc((size_t)n);
	out = malloc(LEN);
	assert_true(exact && out);
	for (i = 0; i < ROUNDS; i++) {
		memcpy(exact, stream, (size_t)n);
		if (i & 1)
			exact[noise(&seed) % (u32)n] ^=
				(u8)(1u << noise(&seed) % 8);
		else
			for (j = 0; j < (u32)n; j++)
				exact[j] = (u8)noise(&seed);
		vfsr_port_inflate(iws, exact, (u32)n, out, LEN);
	}
	free(exact);
	free(out);
	vfsr_port_ws_release(dws);
	vfsr_port_ws_release(iws);
	free(dws);
	free(iws);
}

static void workspaces_are_reusable(void **state)
{
	void *ws = calloc(1, vfsr_port_deflate_ws_bytes());
	u8 data[512], first[1024], again[1024];
	int n;

	(void)state;
	assert_non_null(ws);
	fill(data, sizeof(data), FILL_TEXT);
	n = vfsr_port_deflate(ws, 9, data, sizeof(data), first, sizeof(first));
	assert_true(n > 0);
	vfsr_port_ws_release(ws);
	assert_int_equal(vfsr_port_deflate(ws, 9, data, sizeof(data), again,
					   sizeof(again)),
			 n);
	assert_memory_equal(first, again, (size_t)n);
	vfsr_port_ws_release(ws);
	vfsr_port_ws_release(ws);
	vfsr_port_ws_release(NULL);
	free(ws);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc_known_values),
		cmocka_unit_test(crc_chains),
		cmocka_unit_test(crc_equals_scalar),
		cmocka_unit_test(deflate_round_trips),
		cmocka_unit_test(inflate_reads_zlib),
		cmocka_unit_test(deflate_without_room),
		cmocka_unit_test(inflate_refuses),
		cmocka_unit_test(inflate_survives),
		cmocka_unit_test(workspaces_are_reusable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
