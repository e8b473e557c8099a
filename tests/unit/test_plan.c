// SPDX-License-Identifier: GPL-2.0-only
/*
 * What mkfs plans for sets of devices: policies, strip sizes, the least size,
 * and what it says that a layout survives.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/out.h"
#include "lib/writer.h"

#define MAX_DEVS 12
#define KIB 1024ull
#define MIB (KIB * 1024)
#define STEP 65536u

/*
 * Wishes: r (rotating), s and i (layout asked for), 16 (log2 of the strip size
 * asked for), or a data policy. Wanted: data and metadata policy, log2 of the
 * strip size, layout; NULL: refused.
 */
static const struct {
	const char *name, *devs, *wishes, *want;
} plans[] = {
	{ "one", "10G", "", "grid:16+1+1 grid:1+1+1 22 0" },
	{ "rotating", "10G", "r", "grid:16+1+1 grid:1+1+1 22 1" },
	{ "rotating, spread", "10G", "r s", "grid:16+1+1 grid:1+1+1 22 0" },
	{ "interleaved", "10G", "i", "grid:16+1+1 grid:1+1+1 22 1" },
	{ "1 GiB", "1G", "", "grid:16+1+1 grid:1+1+1 19 0" },
	{ "128 MiB", "128M", "", "grid:16+1+1 grid:1+1+1 16 0" },
	{ "64 MiB", "64M", "", "grid:8+1+1 grid:1+1+1 16 0" },
	{ "24 MiB", "24M", "", "grid:4+1+1 grid:1+1+1 16 0" },
	{ "12 MiB", "12M", "", "grid:1+1+1 grid:1+1+1 16 0" },
	{ "4 MiB", "4M", "", NULL },
	{ "nothing", "0", "", NULL },
	{ "two", "1G 1G", "", "grid:1+1+1 grid:1+1+1 22 0" },
	{ "uneven", "10G 20M", "", "grid:1+1+1 grid:1+1+1 18 0" },
	{ "three", "1G 1G 1G", "", "grid:2+1+1 grid:1+2+1 22 0" },
	{ "four", "1G 1G 1G 1G", "", "grid:2+2+1 grid:1+2+1 22 0" },
	{ "six", "1G 1G 1G 1G 1G 1G", "r", "grid:4+2+1 grid:1+2+1 22 0" },
	{ "twelve", "1G 1G 1G 1G 1G 1G 1G 1G 1G 1G 1G 1G", "",
	  "grid:8+2+1 grid:1+2+1 22 0" },
	{ "stripes of three sectors", "1G 1G", "16 grid:1+0+12", NULL },
	{ "stripes of four", "1G 1G", "16 grid:1+0+11",
	  "grid:1+0+11 grid:1+1+1 16 0" },
	{ "a record does not fit", "1G 1G", "16 m=grid:1+1+3", NULL },
	{ "a record fits", "1G 1G", "16 m=grid:1+1+2",
	  "grid:1+1+1 grid:1+1+2 16 0" },
	{ "strip size", "10G", "16", "grid:16+1+1 grid:1+1+1 16 0" },
	{ "8 MiB strips", "4G 4G", "23", "grid:1+1+2 grid:1+1+2 23 0" },
	{ "16 MiB strips", "4G 4G", "24", "grid:1+1+4 grid:1+1+4 24 0" },
	{ "very large", "10T", "", "grid:16+1+4 grid:1+1+4 24 0" },
	{ "strips too large", "200M", "24", NULL },
	{ "as asked", "1G 1G", "ec:4+2", "ec:4+2 grid:1+1+1 22 0" },
	{ "does not shrink", "64M", "grid:16+1+1", NULL },
	{ "too many columns", "1G 1G", "ec:31+2", NULL },
	{ "interleaved on two", "1G 1G", "i", NULL },
	{ "wide", "100G", "grid:26+6+8", "grid:26+6+8 grid:1+1+1 22 0" },
};

static void wish(struct vfsr_plan_in *in, const char *word)
{
	if (!strcmp(word, "r")) {
		memset(in->rotational, 1, sizeof(in->rotational));
	} else if (!strcmp(word, "s")) {
		in->layout = VFSR_LAYOUT_SPREAD;
	} else if (!strcmp(word, "i")) {
		in->layout = VFSR_LAYOUT_INTERLEAVED;
	} else if (*word <= '9') {
		in->strip_shift = (unsigned int)atoi(word);
	} else if (!strncmp(word, "m=", 2)) {
		in->have_meta = true;
		assert_int_equal(vfsr_policy_parse(word + 2, &in->meta), 0);
	} else {
		in->have_data = true;
		assert_int_equal(vfsr_policy_parse(word, &in->data), 0);
	}
}

static void fill(struct vfsr_plan_in *in, unsigned int i)
{
	char text[128], *word, *rest = text;

	memset(in, 0, sizeof(*in));
	in->layout = -1;
	in->compress_alg = VFSR_ALG_ZLIB;
	in->compress_level = 1;
	memset(in->uuid, 7, sizeof(in->uuid));
	snprintf(text, sizeof(text), "%s", plans[i].devs);
	while ((word = strsep(&rest, " ")))
		assert_int_equal(vfsr_parse_size(word,
						 &in->dev_bytes[in->nr_devs++]),
				 0);
	snprintf(text, sizeof(text), "%s", plans[i].wishes);
	rest = text;
	while ((word = strsep(&rest, " ")))
		if (*word)
			wish(in, word);
}

static void test_plans(void **state)
{
	struct vfsr_super *s = malloc(sizeof(*s)), *t = malloc(sizeof(*t));
	u8 *slot = malloc(VFSR_SLOT_BYTES);
	struct vfsr_plan_in in;
	char why[512], got[128], data[32], meta[32];
	unsigned int i;
	int err;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(plans); i++) {
		fill(&in, i);
		why[0] = '\0';
		err = vfsr_plan(&in, s, why, sizeof(why));
		print_message("%s: %d %s\n", plans[i].name, err, why);
		if (!plans[i].want) {
			assert_true(err == -EINVAL || err == -ENOSPC);
			assert_true(strlen(why) > 20);
			continue;
		}
		assert_int_equal(err, 0);
		snprintf(got, sizeof(got), "%s %s %u %u",
			 vfsr_policy_text(&s->data, data),
			 vfsr_policy_text(&s->meta, meta), s->strip_shift,
			 s->layout);
		assert_string_equal(got, plans[i].want);
		/* a plan is a function of the wishes, and a valid record */
		assert_int_equal(vfsr_plan(&in, t, why, sizeof(why)), 0);
		assert_memory_equal(s, t, sizeof(*s));
		vfsr_super_encode(s, slot);
		assert_int_equal(
			vfsr_super_decode(slot, VFSR_SLOT_BYTES, t, NULL), 0);
	}
	free(slot);
	free(t);
	free(s);
}

/* The least size is enough, and one step less is not. */
static void test_min(void **state)
{
	struct vfsr_super *s = malloc(sizeof(*s));
	struct vfsr_plan_in in;
	unsigned int i, d;
	char why[512], size[32];
	u64 least;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(plans); i++) {
		fill(&in, i);
		least = vfsr_plan_min_bytes(&in);
		if (!least) {
			assert_int_equal(vfsr_plan(&in, s, why, sizeof(why)),
					 -EINVAL);
			continue;
		}
		for (d = 0; d < in.nr_devs; d++)
			in.dev_bytes[d] = least;
		assert_int_equal(vfsr_plan(&in, s, why, sizeof(why)), 0);
		for (d = 0; d < in.nr_devs; d++)
			in.dev_bytes[d] = least - STEP;
		assert_int_equal(vfsr_plan(&in, s, why, sizeof(why)), -ENOSPC);
		snprintf(size, sizeof(size), "%llu KiB",
			 (unsigned long long)(least / KIB));
		assert_non_null(strstr(why, size));
		for (d = 0; d < in.nr_devs; d++)
			in.dev_bytes[d] = least < MIB ? 0 : least - MIB;
		assert_int_equal(vfsr_plan(&in, s, why, sizeof(why)), -ENOSPC);
	}
	free(s);
}

static const struct {
	struct vfsr_policy p;
	unsigned int nr_devs, layout;
	const char *text;
} survives[] = {
	{ { 4, 2, 1 },
	  6,
	  0,
	  "any 2 devices, plus one burst of 1 sector on each survivor" },
	{ { 4, 2, 4 },
	  7,
	  0,
	  "any 2 devices, plus one burst of 4 sectors on each survivor" },
	{ { 1, 1, 0 }, 2, 0, "any 1 device" },
	{ { 6, 3, 0 }, 5, 0, "any 1 device" },
	{ { 6, 3, 0 }, 3, 0, "any 1 device" },
	{ { 5, 3, 1 },
	  2,
	  0,
	  "no lost device; any 7 bad sectors per grid, any burst of up to 768 sectors" },
	{ { 4, 2, 1 },
	  4,
	  0,
	  "any 1 device, plus one burst of 1 sector on each survivor" },
	{ { 16, 1, 1 },
	  1,
	  0,
	  "any 3 bad sectors per grid, any burst of up to 256 sectors" },
	{ { 16, 1, 0 },
	  1,
	  0,
	  "any 1 bad sector per row, any burst of up to 256 sectors" },
	{ { 1, 0, 0 }, 1, 0, "nothing: damage is found, but not repaired" },
	{ { 1, 0, 2 },
	  3,
	  0,
	  "no lost device; any 1 bad sector per grid, one burst of 2 sectors per strip" },
	{ { 16, 1, 1 },
	  1,
	  1,
	  "any 3 bad sectors per grid, any burst of up to 17 sectors in full stripes" },
};

static void test_survives(void **state)
{
	struct vfsr_geometry g;
	char text[256];
	unsigned int i;

	(void)state;
	/* the depth that the last text names */
	assert_int_equal(vfsr_geometry_init(&g, &survives[11].p, 20, 1, NULL),
			 0);
	for (i = 0; i < ARRAY_SIZE(survives); i++) {
		char want[256];

		vfsr_plan_survives(&survives[i].p, survives[i].nr_devs, 20,
				   survives[i].layout, text, sizeof(text));
		snprintf(want, sizeof(want), "%s", survives[i].text);
		if (survives[i].layout)
			snprintf(
				want, sizeof(want),
				"any 3 bad sectors per grid, any burst of up to %u sectors in full stripes",
				g.depth);
		assert_string_equal(text, want);
	}
	/* a short buffer is not overrun */
	vfsr_plan_survives(&survives[0].p, 6, 20, 0, text, 8);
	assert_string_equal(text, "any 2 d");
}

/* Place grids one by one, as the writer does. */
static u64 place_greedily(const u32 *strips, unsigned int nr, unsigned int n)
{
	u32 left[MAX_DEVS], share = DIV_ROUND_UP(n, nr);
	u64 grids = 0;
	unsigned int c, i;

	memcpy(left, strips, nr * sizeof(*left));
	for (;; grids++) {
		u32 taken[MAX_DEVS] = { 0 };

		for (c = 0; c < n; c++) {
			int best = -1;

			for (i = 0; i < nr; i++)
				if (left[i] && taken[i] < share &&
				    (best < 0 || taken[i] < taken[best] ||
				     (taken[i] == taken[best] &&
				      left[i] > left[best])))
					best = (int)i;
			if (best < 0)
				return grids;
			left[best]--;
			taken[best]++;
		}
	}
}

static void test_grids(void **state)
{
	u32 strips[MAX_DEVS];
	u32 seed = 1, round, i;

	(void)state;
	for (round = 0; round < 2000; round++) {
		unsigned int nr = 1 + round % MAX_DEVS;
		unsigned int n = 1 + round / MAX_DEVS % nr;

		for (i = 0; i < nr; i++) {
			seed = seed * 1664525u + 1013904223u;
			strips[i] = 1 + (seed >> 16) % 300;
		}
		assert_int_equal(vfsr_plan_grids(strips, nr, n, 0),
				 place_greedily(strips, nr, n));
		/* columns that share devices: an upper bound, exact if even */
		assert_true(vfsr_plan_grids(strips, nr, 2 * nr, 0) ==
			    place_greedily(strips, nr, 2 * nr));
	}
	strips[0] = 100;
	assert_int_equal(vfsr_plan_grids(strips, 1, 17, 1), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plans),
		cmocka_unit_test(test_min),
		cmocka_unit_test(test_survives),
		cmocka_unit_test(test_grids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
