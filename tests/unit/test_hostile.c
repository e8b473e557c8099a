// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hostile pools: about a thousand mutated images, always the same ones, with
 * the checksums above each change repaired, used by every reader. Nothing may
 * crash, hang, or take memory by what a number on disk says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "core/items.h"
#include "prng.h"
#include "tests/shared/pool_image.h"

#define NR_RANDOM 300u /* images of each kind with random changes */
#define MAX_CHANGES 4u
#define OP_BYTES_MAX 23u /* of one change: head and 16 bytes */
#define PEAK_KIB (300u * 1024)

static struct image image;
static u8 list[OP_BYTES_MAX * MAX_CHANGES];
static size_t list_bytes;
static u32 nr_opened, nr_refused;

/* Freed blocks that ASan keeps for a while would count as memory in use. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "quarantine_size_mb=8";
}

static void add(enum image_op code, u32 what, u32 offset, const void *bytes,
		u32 nr)
{
	u8 *at = list + list_bytes;

	assert_true(nr >= 1 && nr <= 16);
	assert_true(list_bytes + OP_BYTES_MAX <= sizeof(list));
	at[0] = (u8)code;
	at[1] = (u8)what;
	at[2] = (u8)(what >> 8);
	at[3] = (u8)offset;
	at[4] = (u8)(offset >> 8);
	at[5] = (u8)(nr - 1);
	at[6] = 0;
	memcpy(at + 7, bytes, nr);
	list_bytes += 7 + nr;
}

/* Apply the list, use the pool, put it back. */
static void run(unsigned int how)
{
	image_mutate(&image, list, list_bytes);
	if (image_use(&image, how))
		nr_opened++;
	else
		nr_refused++;
	image_reset(&image);
	list_bytes = 0;
}

static int make(enum image_kind kind)
{
	nr_opened = 0;
	nr_refused = 0;
	if (!image_make(&image, kind))
		return -1;
	image_use_init();
	/* as made it is good, whatever is done to it */
	return image_use(&image, ~USE_DEGRADED) ? (image_reset(&image), 0) : -1;
}

static int make_single(void **state)
{
	(void)state;
	return make(IMAGE_SINGLE);
}

static int make_triple(void **state)
{
	(void)state;
	return make(IMAGE_TRIPLE);
}

static int drop(void **state)
{
	(void)state;
	image_free(&image);
	image_use_end();
	return 0;
}

/* Random changes of every kind, some of them together. */
static void random_changes(void **state)
{
	u32 i, j, nr;
	u8 bytes[16];

	(void)state;
	for (i = 0; i < NR_RANDOM; i++) {
		nr = 1 + prng_below(MAX_CHANGES);
		for (j = 0; j < nr; j++) {
			prng_fill(bytes, sizeof(bytes));
			add((i + j) % NR_IMAGE_OPS, prng_below(65536),
			    prng_below(4) ? prng_below(65536) : prng_below(256),
			    bytes, 1 + prng_below(prng_below(2) ? 16 : 2));
		}
		run(i % 8 ? USE_ALL_READ : 0xffu);
	}
	assert_true(nr_opened > NR_RANDOM / 3 && nr_refused);
}

/* One place at a time gets numbers that a sum or a product overflows with. */
static void extremes(enum image_op code, u32 what, u32 from, u32 to, u32 step,
		     unsigned int how)
{
	static const u8 number[][8] = {
		{ 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
		{ 0xff, 0xff, 0xff, 0x7f },
		{ 0x00, 0x00, 0x00, 0x80, 0, 0, 0, 0x80 },
	};
	u32 at;

	for (at = from; at < to; at += step) {
		/* a field of 4 bytes, then of 8, and so on in turn */
		add(code, what, at, number[at / step % ARRAY_SIZE(number)],
		    at / step & 1 ? 8 : 4);
		run(how);
	}
}

static void extreme_records(void **state)
{
	const u32 head = sizeof(struct vfsr_disk_super);

	(void)state;
	extremes(OP_RECORD, 0, 8, head - 152, 4, USE_READ | USE_CHECK);
	extremes(OP_RECORD, 0, head, head + sizeof(struct vfsr_disk_member), 4,
		 USE_READ | USE_CHECK);
}

static void extreme_blocks(void **state)
{
	bool done[NR_BLOCK_KINDS] = { false };
	enum image_block_kind kind;
	u32 i;

	(void)state;
	for (i = 0; i < image.nr_blocks; i++) {
		kind = image.block[i].kind;
		if (done[kind] || kind == BLOCK_SUPER)
			continue;
		done[kind] = true;
		extremes(OP_BLOCK, i, 24, 160, 8, USE_ALL_READ);
		extremes(OP_BLOCK, i, 192, 400, 32, USE_ALL_READ);
	}
	for (i = BLOCK_INDEX; i < NR_BLOCK_KINDS; i++)
		assert_true(done[i]);
}

static void extreme_maps(void **state)
{
	(void)state;
	extremes(OP_PAGE, 0, 0, 96, 8, USE_ALL_READ);
	extremes(OP_PAGE, 1, 0, 96, 8, USE_ALL_READ);
	extremes(OP_ENTRY, 0, 0, 32, 4, USE_ALL_READ);
	extremes(OP_ENTRY, image.nr_chunks / 2, 0, 32, 4, USE_ALL_READ);
	extremes(OP_LIFT, 0, 0, 6, 1, USE_ALL_READ);
	extremes(OP_LIFT, 1, 1, 250, 80, USE_ALL_READ);
}

static void extreme_nodes(void **state)
{
	const u32 head = sizeof(struct vfsr_disk_node);
	u32 i, nr = 0;

	(void)state;
	for (i = 0; i < image.nr_chunks && nr < 4; i++) {
		const struct vfsr_chunk *c = &image.chunk[i];

		/* the root, and roots and leaves of trees */
		if (c->id != VFSR_ROOT_INO && c->kind != VFSR_KIND_NODE)
			continue;
		nr++;
		extremes(OP_NODE, i, 4, head, 4, USE_ALL_READ);
		extremes(OP_NODE, i, head, head + 112, 8, USE_ALL_READ);
		extremes(OP_NODE, i, head + 112, head + 280, 16, USE_ALL_READ);
		extremes(OP_NODE_BYTES, i, 30, 4000, 900, USE_ALL_READ);
	}
	assert_true(nr > 1);
}

/* Kinds of blocks that are gone altogether, on one device or on all. */
static void everything_of_a_kind_is_gone(void **state)
{
	u8 fill[2] = { 0, 0xff };
	u32 mask;

	(void)state;
	for (mask = 1; mask < 1u << NR_BLOCK_KINDS; mask += 3) {
		add(OP_WIPE, mask, mask % 5, fill + (mask & 1), 1);
		run(mask % 4 == 1 ? USE_ALL_READ | USE_REWRITE : USE_ALL_READ);
	}
}

static void truncated(void **state)
{
	u32 i;

	(void)state;
	for (i = 0; i < 12; i++) {
		add(OP_TRUNCATE, i, i * i * 250, &i, 1);
		run(USE_ALL_READ);
	}
}

static void memory_is_bounded(void **state)
{
	struct rusage use;

	(void)state;
	assert_int_equal(getrusage(RUSAGE_SELF, &use), 0);
	if (use.ru_maxrss >= (long)PEAK_KIB)
		fail_msg("peak %ld KiB", use.ru_maxrss);
}

int main(void)
{
	static const struct CMUnitTest single[] = {
		cmocka_unit_test(random_changes),
		cmocka_unit_test(extreme_records),
		cmocka_unit_test(extreme_maps),
		cmocka_unit_test(extreme_nodes),
		cmocka_unit_test(truncated),
		cmocka_unit_test(memory_is_bounded),
	};
	static const struct CMUnitTest triple[] = {
		cmocka_unit_test(random_changes),
		cmocka_unit_test(extreme_blocks),
		cmocka_unit_test(everything_of_a_kind_is_gone),
		cmocka_unit_test(memory_is_bounded),
	};
	int failed;

	failed = cmocka_run_group_tests_name("single", single, make_single,
					     drop);
	return failed +
	       cmocka_run_group_tests_name("triple", triple, make_triple, drop);
}
