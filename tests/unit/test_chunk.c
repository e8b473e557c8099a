// SPDX-License-Identifier: GPL-2.0-only
/*
 * The four-state codec: which state data gets, that the threshold is exact,
 * and that decoding believes neither lengths nor streams.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/chunk.h"

struct fixture {
	void *dws, *iws;
	u8 src[VFSR_CHUNK_BYTES];
	u8 dst[VFSR_CHUNK_BYTES];
	u8 out[VFSR_CHUNK_BYTES];
};

static const struct vfsr_route_opts usual = {
	.alg = VFSR_ALG_ZLIB,
	.level = 1,
	.keep = 80,
	.probe = true,
};

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	assert_non_null(x);
	x->dws = calloc(1, vfsr_port_deflate_ws_bytes());
	x->iws = calloc(1, vfsr_port_inflate_ws_bytes());
	assert_true(x->dws && x->iws);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	vfsr_port_ws_release(x->dws);
	vfsr_port_ws_release(x->iws);
	free(x->dws);
	free(x->iws);
	free(x);
	return 0;
}

/* @nr_noise bytes that do not compress, then zeroes but for the last byte. */
static void fill(u8 *p, u32 len_bytes, u32 nr_noise)
{
	u64 seed = 42;
	u32 i;

	memset(p, 0, len_bytes);
	p[len_bytes - 1] = 1;
	for (i = 0; i < nr_noise; i++) {
		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		p[i] = (u8)(seed >> 32);
	}
}

/* The chunk that a routed piece of data becomes. */
static struct vfsr_chunk chunk_of(const struct vfsr_routed *r, u32 logical)
{
	struct vfsr_chunk c = {
		.id = 16,
		.stored = r->stored,
		.logical = logical,
		.state = r->state,
		.alg = r->alg,
		.kind = VFSR_KIND_DATA,
	};

	c.crc = vfsr_port_crc32c(0, r->data, r->stored);
	return c;
}

static void four_states(void **state)
{
	static const struct {
		const char *name;
		u32 len_bytes, nr_noise;
		int fill; /* -1: noise, then zeroes */
		bool probe;
		u8 alg, want;
	} c[] = {
		{ "void", 131072, 0, 0, true, VFSR_ALG_ZLIB, VFSR_STATE_VOID },
		{ "void, one byte", 1, 0, 0, true, VFSR_ALG_ZLIB,
		  VFSR_STATE_VOID },
		{ "void, not compressing", 4096, 0, 0, true, VFSR_ALG_NONE,
		  VFSR_STATE_VOID },
		{ "monolith", 131072, 0, 0xe5, true, VFSR_ALG_ZLIB,
		  VFSR_STATE_MONOLITH },
		{ "monolith, one byte", 1, 0, 'x', true, VFSR_ALG_NONE,
		  VFSR_STATE_MONOLITH },
		{ "compressed", 131072, 1000, -1, true, VFSR_ALG_ZLIB,
		  VFSR_STATE_COMPRESSED },
		{ "almost void", 131072, 0, -1, true, VFSR_ALG_ZLIB,
		  VFSR_STATE_COMPRESSED },
		{ "raw by the probe", 131072, 131072, -1, true, VFSR_ALG_ZLIB,
		  VFSR_STATE_RAW },
		{ "raw by the trial", 131072, 131072, -1, false, VFSR_ALG_ZLIB,
		  VFSR_STATE_RAW },
		{ "raw by wish", 131072, 0, -1, true, VFSR_ALG_NONE,
		  VFSR_STATE_RAW },
		{ "raw, two bytes", 2, 0, -1, true, VFSR_ALG_ZLIB,
		  VFSR_STATE_RAW },
	};
	struct fixture *x = *state;
	struct vfsr_route_opts opts;
	struct vfsr_routed r;
	struct vfsr_chunk k;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(c); i++) {
		u32 len = c[i].len_bytes;

		opts = usual;
		opts.probe = c[i].probe;
		opts.alg = c[i].alg;
		if (c[i].fill < 0)
			fill(x->src, len, c[i].nr_noise);
		else
			memset(x->src, c[i].fill, len);
		vfsr_chunk_route(&opts, x->dws, x->src, len, x->dst, &r);
		if (r.state != c[i].want)
			fail_msg("%s: state %u", c[i].name, r.state);
		if (r.state == VFSR_STATE_VOID ||
		    r.state == VFSR_STATE_MONOLITH) {
			assert_int_equal(r.stored, 0);
			assert_int_equal(r.fill, x->src[0]);
			continue;
		}
		assert_ptr_equal(r.data,
				 r.state == VFSR_STATE_RAW ? x->src : x->dst);
		k = chunk_of(&r, len);
		assert_true(vfsr_chunk_ok(&k, NULL));
		memset(x->out, 0x5a, len);
		assert_int_equal(
			vfsr_chunk_decode(&k, x->iws, r.data, x->out, NULL), 0);
		assert_memory_equal(x->out, x->src, len);
	}
}

/* One route per amount of noise; kept exactly when the rule says so. */
static void threshold_is_exact(void **state)
{
	static const u8 keep[] = { 80, 70, 100, 1, 0 };
	enum { LEN = 1000, SLACK = 16 }; /* port.h: vfsr_port_deflate() */
	struct fixture *x = *state;
	struct vfsr_route_opts opts = usual;
	struct vfsr_routed r;
	bool at, above;
	u32 nr_noise;
	size_t i;
	int n;

	opts.probe = false;
	for (i = 0; i < ARRAY_SIZE(keep); i++) {
		opts.keep = keep[i];
		at = false;
		above = false;
		for (nr_noise = 0; nr_noise < LEN; nr_noise++) {
			fill(x->src, LEN, nr_noise);
			n = vfsr_port_deflate(x->dws, opts.level, x->src, LEN,
					      x->out, sizeof(x->out));
			vfsr_chunk_route(&opts, x->dws, x->src, LEN, x->dst,
					 &r);
			at |= n == LEN / 100 * keep[i];
			above |= n == LEN / 100 * keep[i] + 1;
			assert_true(n > 0);
			if (n > LEN - SLACK && n < LEN)
				continue;
			if (n < LEN && n * 100 <= LEN * keep[i]) {
				assert_int_equal(r.state,
						 VFSR_STATE_COMPRESSED);
				assert_int_equal(r.stored, n);
			} else {
				assert_int_equal(r.state, VFSR_STATE_RAW);
				assert_int_equal(r.stored, LEN);
			}
		}
		/* the two lengths beside the line have been seen */
		if (keep[i] == 80 || keep[i] == 70)
			assert_true(at && above);
	}
}

static void all_levels_decode(void **state)
{
	struct fixture *x = *state;
	struct vfsr_route_opts opts = usual;
	struct vfsr_routed r;
	struct vfsr_chunk k;

	fill(x->src, VFSR_CHUNK_BYTES, 40000);
	for (opts.level = 1; opts.level <= 9; opts.level++) {
		vfsr_chunk_route(&opts, x->dws, x->src, VFSR_CHUNK_BYTES,
				 x->dst, &r);
		assert_int_equal(r.state, VFSR_STATE_COMPRESSED);
		k = chunk_of(&r, VFSR_CHUNK_BYTES);
		assert_int_equal(
			vfsr_chunk_decode(&k, x->iws, r.data, x->out, NULL), 0);
		assert_memory_equal(x->out, x->src, VFSR_CHUNK_BYTES);
	}
	/* a level that no library has: stored raw, not failed */
	opts.level = 0;
	vfsr_chunk_route(&opts, x->dws, x->src, VFSR_CHUNK_BYTES, x->dst, &r);
	assert_int_equal(r.state, VFSR_STATE_RAW);
}

static void fields_out_of_range(void **state)
{
	static const struct {
		const char *name;
		u32 stored, logical;
		u8 state, alg, kind;
		enum vfsr_reason want; /* NONE: possible */
	} c[] = {
		{ "raw", 131072, 131072, 0, 0, 1, VFSR_REASON_NONE },
		{ "raw, one byte", 1, 1, 0, 0, 1, VFSR_REASON_NONE },
		{ "compressed", 131071, 131072, 1, 1, 1, VFSR_REASON_NONE },
		{ "raw node", 4096, 4096, 0, 0, 3, VFSR_REASON_NONE },
		{ "map page", 100, 4096, 1, 1, 5, VFSR_REASON_NONE },
		{ "commit mark", 70000, 90000, 1, 1, 6, VFSR_REASON_NONE },
		{ "empty", 0, 0, 0, 0, 1, VFSR_REASON_SIZE },
		{ "too long", 131073, 131073, 0, 0, 1, VFSR_REASON_SIZE },
		{ "huge", 1, 0xffffffff, 1, 1, 1, VFSR_REASON_SIZE },
		{ "raw, lengths differ", 4095, 4096, 0, 0, 1,
		  VFSR_REASON_SIZE },
		{ "raw, stored is more", 4097, 4096, 0, 0, 1,
		  VFSR_REASON_SIZE },
		{ "raw with algorithm", 4096, 4096, 0, 1, 1,
		  VFSR_REASON_CODEC },
		{ "compressed to nothing", 0, 4096, 1, 1, 1, VFSR_REASON_SIZE },
		{ "compressed to as much", 4096, 4096, 1, 1, 1,
		  VFSR_REASON_SIZE },
		{ "compressed to more", 5000, 4096, 1, 1, 1, VFSR_REASON_SIZE },
		{ "compressed by nothing", 100, 4096, 1, 0, 1,
		  VFSR_REASON_CODEC },
		{ "unknown algorithm", 100, 4096, 1, 2, 1, VFSR_REASON_CODEC },
		{ "void", 0, 4096, 2, 0, 1, VFSR_REASON_CODEC },
		{ "monolith", 1, 4096, 3, 0, 1, VFSR_REASON_CODEC },
		{ "no state", 4096, 4096, 255, 0, 1, VFSR_REASON_CODEC },
		{ "large inode", 4097, 4097, 0, 0, 2, VFSR_REASON_SIZE },
		{ "large node", 100, 4097, 1, 1, 3, VFSR_REASON_SIZE },
		{ "large map page", 100, 8192, 1, 1, 5, VFSR_REASON_SIZE },
		{ "kind 0", 4096, 4096, 0, 0, 0, VFSR_REASON_KIND },
		{ "kind 7", 4096, 4096, 0, 0, 7, VFSR_REASON_KIND },
		{ "kind 255", 4096, 4096, 0, 0, 255, VFSR_REASON_KIND },
	};
	struct fixture *x = *state;
	struct vfsr_chunk k;
	struct vfsr_fault f;
	size_t i;
	bool ok;

	for (i = 0; i < ARRAY_SIZE(c); i++) {
		memset(&f, 0, sizeof(f));
		k = (struct vfsr_chunk){
			.stored = c[i].stored,
			.logical = c[i].logical,
			.state = c[i].state,
			.alg = c[i].alg,
			.kind = c[i].kind,
		};
		ok = vfsr_chunk_ok(&k, &f);
		if (ok != (c[i].want == VFSR_REASON_NONE) ||
		    f.reason != c[i].want)
			fail_msg("%s: %s", c[i].name,
				 vfsr_reason_name(f.reason));
		assert_int_equal(vfsr_chunk_ok(&k, NULL), ok);
		/* refused before either buffer is touched */
		if (!ok)
			assert_int_equal(vfsr_chunk_decode(&k, x->iws, NULL,
							   NULL, NULL),
					 -EUCLEAN);
	}
}

/* Every stored bit counts, and so does every bit of the crc. */
static void damage_is_seen(void **state)
{
	enum { LEN = 300 };
	struct fixture *x = *state;
	struct vfsr_routed r;
	struct vfsr_chunk k;
	struct vfsr_fault f;
	u32 bit;
	u8 *p;

	fill(x->src, LEN, 100);
	vfsr_chunk_route(&usual, x->dws, x->src, LEN, x->dst, &r);
	assert_int_equal(r.state, VFSR_STATE_COMPRESSED);
	k = chunk_of(&r, LEN);
	p = malloc(k.stored);
	assert_non_null(p);
	memcpy(p, r.data, k.stored);
	for (bit = 0; bit < k.stored * 8; bit++) {
		p[bit / 8] ^= (u8)(1u << bit % 8);
		assert_int_equal(vfsr_chunk_decode(&k, x->iws, p, x->out, &f),
				 -EBADMSG);
		assert_int_equal(f.reason, VFSR_REASON_CHUNK_CRC);
		p[bit / 8] ^= (u8)(1u << bit % 8);
	}
	for (bit = 0; bit < 32; bit++) {
		k.crc ^= 1u << bit;
		assert_int_equal(vfsr_chunk_decode(&k, x->iws, p, x->out, &f),
				 -EBADMSG);
		assert_int_equal(f.have, k.crc ^ 1u << bit);
		assert_int_equal(f.want, k.crc);
		k.crc ^= 1u << bit;
	}
	assert_int_equal(vfsr_chunk_decode(&k, x->iws, p, x->out, &f), 0);
	free(p);
}

/* The crc is right, the contents are not: a hostile image. */
static void crafted_streams(void **state)
{
	enum { LEN = 3000 };
	struct fixture *x = *state;
	struct vfsr_routed r;
	struct vfsr_chunk good, k;
	struct vfsr_fault f;
	u64 seed = 4;
	u32 i, j;
	u8 *p, *out;

	fill(x->src, LEN, 1000);
	vfsr_chunk_route(&usual, x->dws, x->src, LEN, x->dst, &r);
	good = chunk_of(&r, LEN);

	for (i = 1; i < LEN; i++) {
		if (i == LEN - good.stored)
			continue;
		/* logical length is too large or too small */
		k = good;
		k.logical = good.stored + i;
		out = malloc(k.logical);
		assert_non_null(out);
		assert_int_equal(vfsr_chunk_decode(&k, x->iws, r.data, out, &f),
				 -EUCLEAN);
		assert_int_equal(f.reason, VFSR_REASON_CODEC);
		free(out);
	}
	for (i = 0; i < 5000; i++) {
		k = good;
		k.stored = 1 + i % 40;
		p = malloc(k.stored);
		out = malloc(LEN);
		assert_true(p && out);
		for (j = 0; j < k.stored; j++) {
			seed = seed * 6364136223846793005ull + 1;
			p[j] = (u8)(seed >> 40);
		}
		k.crc = vfsr_port_crc32c(0, p, k.stored);
		assert_int_equal(vfsr_chunk_decode(&k, x->iws, p, out, &f),
				 -EUCLEAN);
		free(p);
		free(out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(four_states),
		cmocka_unit_test(threshold_is_exact),
		cmocka_unit_test(all_levels_decode),
		cmocka_unit_test(fields_out_of_range),
		cmocka_unit_test(damage_is_seen),
		cmocka_unit_test(crafted_streams),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
