// SPDX-License-Identifier: GPL-2.0-only
/*
 * The probe on every kind of contents whose answer is known: noise and
 * streams that are compressed already, against text, code-like data, pictures,
 * base64, and noise that repeats within the window of deflate.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zlib.h>

#include "core/chunk.h"

/* Deterministic noise: the same bytes in every run. */
static u32 noise(u64 *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)(*state >> 32);
}

static void make_noise(u8 *p, u32 n, u32 unused)
{
	u64 seed = n;

	(void)unused;
	while (n--)
		*p++ = (u8)noise(&seed);
}

/* Words of skewed frequency, as prose or source text. */
static void make_text(u8 *p, u32 n, u32 seed_in)
{
	static const char *const word[] = { "static ", "int ", "return ",
					    "if (",    "x = ", "foo_bar",
					    ");\n",    "\t",   "struct " };
	u64 seed = seed_in;
	const char *w = "";

	while (n--) {
		if (!*w)
			w = word[noise(&seed) % ARRAY_SIZE(word)];
		*p++ = (u8)*w++;
	}
}

static void make_base64(u8 *p, u32 n, u32 line)
{
	static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmn"
				    "opqrstuvwxyz0123456789+/";
	u64 seed = 5;
	u32 i;

	for (i = 0; i < n; i++)
		p[i] = line && i % line == line - 1 ?
			       '\n' :
			       (u8)digit[noise(&seed) % 64];
}

/* Noise of @bits of 8 bits. */
static void make_narrow(u8 *p, u32 n, u32 bits)
{
	u64 seed = 6;

	while (n--)
		*p++ = (u8)(noise(&seed) >> (32 - bits));
}

/* 0, 1, 2 ... as in a gradient, with a period of 256. */
static void make_ramp(u8 *p, u32 n, u32 step)
{
	u32 i;

	for (i = 0; i < n; i++)
		p[i] = (u8)(i * step);
}

/* Noise that comes back after @period bytes. */
static void make_repeats(u8 *p, u32 n, u32 period)
{
	u32 i;

	make_noise(p, min_t(u32, n, period), 0);
	for (i = period; i < n; i++)
		p[i] = p[i - period];
}

/* @percent of text, the rest noise, in turn every 4 KiB. */
static void make_mix(u8 *p, u32 n, u32 percent)
{
	u32 i, text;

	make_noise(p, n, 0);
	for (i = 0; i + 4096 <= n; i += 4096) {
		text = 4096 * percent / 100;
		make_text(p + i, text, i + 1);
	}
}

/* Little-endian 32-bit counters, as in an index. */
static void make_counters(u8 *p, u32 n, u32 step)
{
	__le32 v;
	u32 i;

	for (i = 0; i + 4 <= n; i += 4) {
		v = cpu_to_le32(i * step + 1000000);
		memcpy(p + i, &v, sizeof(v));
	}
}

/* Doubles near each other: noise in six bytes of eight. */
static void make_doubles(u8 *p, u32 n, u32 unused)
{
	u32 i;

	(void)unused;
	make_noise(p, n, 0);
	for (i = 0; i + 8 <= n; i += 8) {
		p[i + 7] = 0x40;
		p[i + 6] &= 0x0f;
	}
}

/* The middle of a deflate stream of varied text. */
static void make_deflated(u8 *p, u32 n, u32 level)
{
	u32 plain = n * 12;
	u8 *text = malloc(plain);
	z_stream z = { .next_in = text, .avail_in = plain };
	u64 seed = 8;
	u32 i;

	assert_non_null(text);
	for (i = 0; i < plain; i++)
		text[i] = (u8)('a' + noise(&seed) % (1 + i % 24));
	z.next_out = p;
	z.avail_out = n;
	assert_int_equal(deflateInit2(&z, (int)level, Z_DEFLATED, -15, 8,
				      Z_DEFAULT_STRATEGY),
			 Z_OK);
	deflate(&z, Z_NO_FLUSH);
	assert_int_equal(z.avail_out, 0);
	deflateEnd(&z);
	free(text);
}

static const struct {
	const char *name;
	void (*make)(u8 *p, u32 n, u32 how);
	u32 how;
	u32 len_bytes;
	bool incompressible;
} cases[] = {
	{ "noise", make_noise, 0, 131072, true },
	{ "noise, odd length", make_noise, 0, 100003, true },
	{ "noise, 8 KiB", make_noise, 0, 8192, true },
	{ "noise, 4 KiB", make_noise, 0, 4096, true },
	{ "noise, too short to tell", make_noise, 0, 500, false },
	{ "one byte", make_noise, 0, 1, false },
	{ "deflate 1", make_deflated, 1, 131072, true },
	{ "deflate 9", make_deflated, 9, 131072, true },
	{ "noise with a little text", make_mix, 5, 131072, true },
	{ "half text", make_mix, 50, 131072, false },
	{ "a third text", make_mix, 35, 131072, false },
	{ "text", make_text, 1, 131072, false },
	{ "short text", make_text, 2, 4096, false },
	{ "base64", make_base64, 0, 131072, false },
	{ "base64 in lines", make_base64, 77, 131072, false },
	{ "4 bits of 8", make_narrow, 4, 131072, false },
	{ "6 bits of 8", make_narrow, 6, 131072, false },
	{ "ramp", make_ramp, 1, 131072, false },
	{ "odd ramp", make_ramp, 37, 131072, false },
	{ "noise, period 1000", make_repeats, 1000, 131072, false },
	{ "noise, period 4096", make_repeats, 4096, 131072, false },
	{ "noise, period 20000", make_repeats, 20000, 131072, false },
	{ "noise, beyond the window", make_repeats, 65536, 131072, true },
	{ "counters", make_counters, 1, 131072, false },
	{ "wide counters", make_counters, 259, 131072, false },
	{ "doubles", make_doubles, 0, 131072, false },
};

static void known_contents(void **state)
{
	size_t i;
	u8 *data;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		data = malloc(cases[i].len_bytes);
		assert_non_null(data);
		cases[i].make(data, cases[i].len_bytes, cases[i].how);
		if (vfsr_probe_incompressible(data, cases[i].len_bytes) !=
		    cases[i].incompressible)
			fail_msg("%s", cases[i].name);
		free(data);
	}
}

/* All lengths near those where the sampling changes. */
static void all_lengths(void **state)
{
	static const u32 near[] = { 1, 64, 1024, 4096, 8192, 16384, 131072 };
	size_t i;
	u32 len;
	u8 *data;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(near); i++) {
		for (len = near[i] > 70 ? near[i] - 70 : 1;
		     len <= min_t(u32, near[i] + 70, 131072); len++) {
			data = malloc(len);
			assert_non_null(data);
			make_noise(data, len, 0);
			if (vfsr_probe_incompressible(data, len) !=
			    (len >= 1024))
				fail_msg("%u bytes", len);
			free(data);
		}
	}
}

static void uniform_data(void **state)
{
	static const u32 len[] = { 1, 2, 3, 7, 8, 9, 4095, 4096, 131072 };
	size_t i;
	u32 at;
	u8 *data, byte;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(len); i++) {
		data = malloc(len[i]);
		assert_non_null(data);
		memset(data, 0xa5, len[i]);
		byte = 0;
		assert_true(vfsr_probe_uniform(data, len[i], &byte));
		assert_int_equal(byte, 0xa5);
		for (at = 0;
		     len[i] > 1 && at<len[i]; at += len[i]> 5000 ? 997 : 1) {
			data[at] ^= 1;
			assert_false(vfsr_probe_uniform(data, len[i], &byte));
			data[at] ^= 1;
		}
		free(data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_contents),
		cmocka_unit_test(all_lengths),
		cmocka_unit_test(uniform_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
