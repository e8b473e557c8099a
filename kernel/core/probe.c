// SPDX-License-Identifier: GPL-2.0-only
/*
 * The probe: is a trial compression worth its time? Two questions in order of
 * cost, each able to end it: are the byte values of scattered samples spread
 * evenly, so that entropy coding gains nothing; and do 4-byte strings come back
 * within the window, so that matches would. Only "evenly, and they do not" is
 * incompressible: wrong in that direction costs space, in the other only time.
 *
 * Integers only and deterministic: every machine routes the same data alike.
 */
#include "core/chunk.h"

#define PROBE_MIN_BYTES 1024u /* below, a trial is as cheap as the probe */
#define PROBE_RUN_BYTES 64u
#define PROBE_RUNS 128u
#define PROBE_EARLY_RUNS 16u /* first look, at 1 KiB of samples */
#define PROBE_EARLY_DISTINCT 200u /* even data has about 251 of 256 by then */
#define PROBE_SPREAD 2654435769u /* 2^32 / golden ratio */

/*
 * Sums of squares at most 1.5 times those of even data mean an entropy of 7.4
 * bits per byte or more: no code of single bytes gets below 92 %.
 */
#define PROBE_SKEW_NUM 3u
#define PROBE_SKEW_DEN 2u

/*
 * Content picks the strings that are remembered (one of 128), so that both
 * copies of a repeated piece pick the same ones wherever they start; 256 slots
 * hold the picks of about 32 KiB, the window of deflate. The hash is one to one
 * and every bit but the lowest is used, so equal picks are equal strings. Its
 * bias leaves runs of 0x00 and of 0xff unpicked: they would outvote the rest,
 * and where they matter the byte values say so.
 */
#define PROBE_HASH_BIAS 0x61c88647u
#define PROBE_PICK_SHIFT 25 /* picked: hash bits 31..25 are zero */
#define PROBE_SLOT_SHIFT 17 /* slot: bits 24..17 */
#define PROBE_TAG_SHIFT 1 /* tag: bits 16..1 */
#define PROBE_SLOTS 256u
#define PROBE_STRING_BYTES 4u
#define PROBE_REPEAT_SHARE 8u /* repeats worth a trial: one pick in 8 */

/* Room of both passes; one at a time. */
union probe_room {
	u16 count[256]; /* samples with this byte value */
	u16 tag[PROBE_SLOTS]; /* of the last string picked into this slot */
};

/* Add a run to the histogram; how many values it has that none before had. */
static u32 count_run(u16 *count, const u8 *run, u32 len_bytes)
{
	u32 fresh = 0;
	u32 i;

	for (i = 0; i < len_bytes; i++)
		fresh += !count[run[i]]++;
	return fresh;
}

/* Start of sample run @i: one per stride, at another phase of it each time. */
static u32 run_start(u32 i, u32 stride)
{
	u32 slack = stride - PROBE_RUN_BYTES;
	u32 phase = i * PROBE_SPREAD >> 16; /* 0..65535 */

	return i * stride + (u32)((u64)phase * (slack + 1) >> 16);
}

static bool values_even(u16 *count, const u8 *data, u32 len_bytes)
{
	u32 nr_runs = min_t(u32, PROBE_RUNS, len_bytes / PROBE_RUN_BYTES);
	u32 nr_samples = nr_runs * PROBE_RUN_BYTES;
	u32 stride = len_bytes / nr_runs;
	u32 distinct = 0;
	u64 squares = 0;
	u64 even;
	u32 i;

	memset(count, 0, 256 * sizeof(*count));
	for (i = 0; i < nr_runs; i++) {
		distinct += count_run(count, data + run_start(i, stride),
				      PROBE_RUN_BYTES);
		if (i + 1 == PROBE_EARLY_RUNS &&
		    distinct < PROBE_EARLY_DISTINCT)
			return false;
	}
	for (i = 0; i < 256; i++)
		squares += (u32)count[i] * count[i];
	/* expected for even data: N + N * (N - 1) / 256 */
	even = nr_samples + ((u64)nr_samples * (nr_samples - 1) >> 8);
	return squares * PROBE_SKEW_DEN <= even * PROBE_SKEW_NUM;
}

static bool strings_repeat(u16 *tag, const u8 *data, u32 len_bytes)
{
	u32 picked = 0;
	u32 repeats = 0;
	u32 hash, slot, i;
	__le32 string;

	memset(tag, 0, PROBE_SLOTS * sizeof(*tag));
	for (i = 0; i + PROBE_STRING_BYTES <= len_bytes; i++) {
		memcpy(&string, data + i, sizeof(string));
		hash = le32_to_cpu(string) * PROBE_SPREAD + PROBE_HASH_BIAS;
		if (hash >> PROBE_PICK_SHIFT)
			continue;
		slot = hash >> PROBE_SLOT_SHIFT & (PROBE_SLOTS - 1);
		picked++;
		repeats += tag[slot] == (u16)(hash >> PROBE_TAG_SHIFT);
		tag[slot] = (u16)(hash >> PROBE_TAG_SHIFT);
	}
	return repeats > 1 && repeats * PROBE_REPEAT_SHARE >= picked;
}

bool vfsr_probe_incompressible(const u8 *data, u32 len_bytes)
{
	union probe_room room;

	if (len_bytes < PROBE_MIN_BYTES)
		return false;
	return values_even(room.count, data, len_bytes) &&
	       !strings_repeat(room.tag, data, len_bytes);
}

bool vfsr_probe_uniform(const u8 *data, u32 len_bytes, u8 *fill)
{
	if (!len_bytes)
		return false;
	/* two looks end it for nearly all data that is not uniform */
	if (data[0] != data[len_bytes / 2] || data[0] != data[len_bytes - 1])
		return false;
	if (memcmp(data, data + 1, len_bytes - 1) != 0)
		return false;
	*fill = data[0];
	return true;
}
