// SPDX-License-Identifier: GPL-2.0-only
/*
 * The stripe builder against a simple model: a list of the chunks that were
 * added, and a map of which bytes of the data area are taken. Then the reader
 * of entry tables against malformed ones: built by hand, cut, and mutated.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/pack.h"
#include "format/node.h"
#include "prng.h"

#define MAX_SECTORS VFSR_MAX_STRIPE_SECTORS
#define MAX_BYTES (MAX_SECTORS * VFSR_SECTOR_BYTES)
#define MAX_CHUNKS (MAX_BYTES / 8)
#define GRID 0x123456789ull
#define TRANSACTION 1000000007ull

static u8 *data, *entries, *taken, *pool;
static struct vfsr_chunk *model;
static u32 *model_at; /* of each chunk: where its bytes are in pool */
static u32 nr_model;

static int setup(void **state)
{
	(void)state;
	data = malloc(MAX_BYTES);
	entries = malloc(MAX_BYTES);
	taken = malloc(MAX_BYTES);
	pool = malloc(2 * VFSR_CHUNK_BYTES);
	model = calloc(MAX_CHUNKS, sizeof(*model));
	model_at = calloc(MAX_CHUNKS, sizeof(*model_at));
	if (!data || !entries || !taken || !pool || !model || !model_at)
		return -1;
	prng_fill(pool, 2 * VFSR_CHUNK_BYTES);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(data);
	free(entries);
	free(taken);
	free(pool);
	free(model);
	free(model_at);
	return 0;
}

/* What a writer may add: sizes, kinds and ids of every sort. */
enum mix { SMALL, LARGE, RAW, ANY, NR_MIXES };

static u32 random_bytes(enum mix mix)
{
	switch (mix) {
	case SMALL:
		return 1 + prng_below(600);
	case LARGE:
		return 1 + prng_below(VFSR_CHUNK_BYTES - 1);
	case RAW:
		return (1 + prng_below(32)) * VFSR_SECTOR_BYTES;
	default:
		return random_bytes(prng_below(ANY));
	}
}

static void random_chunk(struct vfsr_chunk *c, u32 bytes, u64 prev)
{
	memset(c, 0, sizeof(*c));
	c->kind = VFSR_KIND_DATA;
	c->stored = bytes;
	c->logical = bytes;
	c->crc = (u32)prng();
	if (prng_below(2) && bytes < VFSR_CHUNK_BYTES) {
		c->state = VFSR_STATE_COMPRESSED;
		c->alg = VFSR_ALG_ZLIB;
		c->logical += 1 + prng_below(VFSR_CHUNK_BYTES - bytes);
	}
	if (c->logical <= VFSR_NODE_BYTES && prng_below(2))
		c->kind = prng_below(2) ? VFSR_KIND_INODE : VFSR_KIND_NODE;
	c->id = prng_below(2) ? prev % (VFSR_MAX_ID - 9) + 1 + prng_below(9) :
				1 + (prng() & VFSR_MAX_ID) % VFSR_MAX_ID;
	if (c->logical <= VFSR_NODE_BYTES && !prng_below(9)) {
		c->kind = VFSR_KIND_MAP;
		c->id = (u64)prng_below(7) << 56 | prng_below(300);
	}
	c->owner = prng_below(3) ? c->id % VFSR_MAX_ID + 1 : c->id;
	if (prng_below(2))
		c->offset = prng() >> 1 & ~(u64)(VFSR_SECTOR_BYTES - 1);
	c->birth = prng_below(2) ? TRANSACTION : 1 + prng_below(TRANSACTION);
}

static void begin(struct vfsr_pack *p, u32 nr_sectors)
{
	nr_model = 0;
	memset(data, 0xa5, MAX_BYTES);
	vfsr_pack_init(p, data, nr_sectors, entries, MAX_BYTES, TRANSACTION);
}

/* Add a chunk of so many bytes, and note it if it fitted. */
static int add(struct vfsr_pack *p, u32 bytes)
{
	struct vfsr_chunk *c = &model[nr_model];
	u32 room, gap = vfsr_pack_gap(p);
	bool aligned;
	int err;

	random_chunk(c, bytes, nr_model ? c[-1].id : 0);
	aligned = vfsr_pack_aligned(c->state, c->stored);
	room = vfsr_pack_room(p, aligned);
	model_at[nr_model] = prng_below(VFSR_CHUNK_BYTES);
	err = vfsr_pack_add(p, c, pool + model_at[nr_model]);
	assert_true(!err || err == -ENOSPC);
	if (bytes <= room)
		assert_int_equal(err, 0);
	if (err) {
		assert_int_equal(vfsr_pack_gap(p), gap);
		assert_true(bytes > room);
		return err;
	}
	nr_model++;
	return 0;
}

static void take(u32 from, u32 bytes)
{
	u32 i;

	for (i = from; i < from + bytes; i++) {
		assert_int_equal(taken[i], 0);
		taken[i] = 1;
	}
}

static void same_chunk(const struct vfsr_chunk *a, const struct vfsr_chunk *b)
{
	assert_true(a->id == b->id);
	assert_true(a->owner == b->owner);
	assert_true(a->offset == b->offset);
	assert_true(a->birth == b->birth);
	assert_int_equal(a->stored, b->stored);
	assert_int_equal(a->logical, b->logical);
	assert_int_equal(a->crc, b->crc);
	assert_int_equal(a->state, b->state);
	assert_int_equal(a->alg, b->alg);
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(b->refs, 0);
}

/* Close, walk, and compare everything with the model. */
static u32 close_and_compare(struct vfsr_pack *p, u32 k, u32 row)
{
	struct vfsr_pack_result out;
	struct vfsr_entries e;
	struct vfsr_chunk c;
	struct vfsr_fault f;
	u32 i, sectors, at, used = 2 * VFSR_SECTOR_BYTES;
	u32 full = p->nr_sectors / k;
	u32 depth = vfsr_pack_depth(p, k);

	vfsr_pack_close(p, k, &out);
	assert_int_equal(out.depth, depth);
	sectors = out.depth * k;
	assert_in_range(out.depth, 1, full);
	assert_true(sectors >= VFSR_MIN_STRIPE_SECTORS);
	assert_int_equal(out.nr_entries, nr_model);
	assert_int_equal(out.entries_crc,
			 vfsr_port_crc32c(0, data + out.entries_start,
					  out.entries_bytes));
	memset(taken, 0, MAX_BYTES);
	take(0, VFSR_SECTOR_BYTES);
	take((sectors - 1) * VFSR_SECTOR_BYTES, VFSR_SECTOR_BYTES);
	take(out.entries_start, out.entries_bytes);
	used += out.entries_bytes;
	vfsr_entries_init(&e, data + out.entries_start, out.entries_bytes,
			  out.nr_entries, k, row, out.depth, out.entries_start,
			  TRANSACTION, GRID);
	for (i = 0; i < nr_model; i++) {
		assert_int_equal(vfsr_entries_next(&e, &c, &f), 1);
		same_chunk(&model[i], &c);
		assert_true(vfsr_place_grid(c.place) == GRID);
		at = (vfsr_place_sector(c.place) - row * k) *
			     VFSR_SECTOR_BYTES +
		     vfsr_place_byte(c.place);
		assert_true(at < sectors * VFSR_SECTOR_BYTES);
		take(at, c.stored);
		assert_memory_equal(data + at, pool + model_at[i], c.stored);
		used += c.stored;
		if (vfsr_pack_aligned(c.state, c.stored))
			assert_true(at + c.stored <=
				    out.aligned_end * VFSR_SECTOR_BYTES);
	}
	assert_int_equal(vfsr_entries_next(&e, &c, &f), 0);
	for (i = 0; i < sectors * VFSR_SECTOR_BYTES; i++) {
		if (!taken[i] || i < VFSR_SECTOR_BYTES ||
		    i >= (sectors - 1) * VFSR_SECTOR_BYTES)
			assert_int_equal(data[i], 0);
	}
	/* one row less would not do, the odd bytes below the table aside */
	if (out.depth > 1 && sectors - k >= VFSR_MIN_STRIPE_SECTORS)
		assert_true(used > (sectors - k) * VFSR_SECTOR_BYTES);
	return out.depth;
}

static const struct {
	u32 k, depth;
} shapes[] = {
	{ 1, 3 },  { 1, 240 }, { 1, 448 }, { 2, 2 },   { 2, 128 }, { 3, 1 },
	{ 3, 85 }, { 4, 64 },  { 8, 32 },  { 16, 16 }, { 26, 16 }, { 32, 28 },
};

static void mixes_match_the_model(void **state)
{
	struct vfsr_pack p;
	enum mix mix;
	u32 i, tries, bytes;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		for (mix = 0; mix < NR_MIXES; mix++) {
			begin(&p, shapes[i].k * shapes[i].depth);
			for (tries = 0; tries < 40;) {
				bytes = random_bytes(mix);
				if (add(&p, bytes))
					tries++;
			}
			close_and_compare(&p, shapes[i].k, i);
		}
	}
}

static void early_closes_match_the_model(void **state)
{
	struct vfsr_pack p;
	u32 i, j, most;

	(void)state;
	for (i = 0; i < 300; i++) {
		j = prng_below(ARRAY_SIZE(shapes));
		begin(&p, shapes[j].k * shapes[j].depth);
		for (most = prng_below(60); most; most--)
			add(&p, random_bytes(prng_below(NR_MIXES)));
		close_and_compare(&p, shapes[j].k, prng_below(100));
	}
}

/* Add one compressed chunk of so many bytes, with id 1. */
static void add_plain(struct vfsr_pack *p, u32 bytes)
{
	struct vfsr_chunk *c = &model[nr_model];

	*c = (struct vfsr_chunk){
		.id = 1,
		.owner = 1,
		.birth = TRANSACTION,
		.stored = bytes,
		.logical = VFSR_CHUNK_BYTES,
		.state = VFSR_STATE_COMPRESSED,
		.alg = VFSR_ALG_ZLIB,
		.kind = VFSR_KIND_DATA,
	};
	model_at[nr_model++] = 0;
	assert_int_equal(vfsr_pack_add(p, c, pool), 0);
}

/* Take exactly @space bytes of the data area, entries included. */
static void use_exactly(struct vfsr_pack *p, u32 space)
{
	/* flags, id, stored, logical, alg, crc */
	const u32 entry = 1 + 1 + 3 + 3 + 1 + 4, step = 90000;

	for (; space > step + 2 * VFSR_SECTOR_BYTES; space -= step)
		add_plain(p, step - entry);
	/* below 16 KiB the length takes two bytes */
	add_plain(p,
		  space - entry >= 16384 ? space - entry : space - entry + 1);
}

/* Exactly as much as a depth holds gives that depth, a byte more the next. */
static void every_depth_is_exact(void **state)
{
	static const u32 ks[] = { 1, 2, 3, 4, 16 };
	const u32 full = 40;
	struct vfsr_pack p;
	u32 i, k, depth, space, extra, gap;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(ks); i++) {
		k = ks[i];
		for (depth = DIV_ROUND_UP(3, k); depth < full; depth++) {
			space = (k * depth - 2) * VFSR_SECTOR_BYTES;
			for (extra = 0; extra < 2; extra++) {
				begin(&p, k * full);
				gap = vfsr_pack_gap(&p);
				use_exactly(&p, space + extra);
				assert_int_equal(gap - vfsr_pack_gap(&p),
						 space + extra);
				assert_int_equal(close_and_compare(&p, k, 0),
						 depth + extra);
			}
		}
	}
}

static void an_empty_stripe_closes(void **state)
{
	struct vfsr_pack p;

	(void)state;
	begin(&p, 16 * 16);
	assert_int_equal(close_and_compare(&p, 16, 0), 1);
	begin(&p, 2 * 128);
	assert_int_equal(close_and_compare(&p, 2, 0), 2);
	begin(&p, 240);
	assert_int_equal(close_and_compare(&p, 1, 0), 3);
}

/* A writer that cuts its chunks to the room leaves next to nothing empty. */
static void cutting_fills_the_stripe(void **state)
{
	struct vfsr_pack p;
	u32 i, bytes, room;

	(void)state;
	for (i = 0; i < 60; i++) {
		begin(&p, 16 * 16);
		for (;;) {
			bytes = random_bytes(prng_below(NR_MIXES));
			room = vfsr_pack_room(&p, false);
			if (!room)
				break;
			if (add(&p, bytes))
				add(&p, min_t(u32, room, VFSR_CHUNK_BYTES - 1));
		}
		assert_true(vfsr_pack_gap(&p) <= 2 * VFSR_ENTRY_MAX_BYTES);
		close_and_compare(&p, 16, 1);
	}
}

/* The room for entries is a limit as well. */
static void a_full_entry_buffer_stops(void **state)
{
	struct vfsr_pack p;
	struct vfsr_chunk c = {
		.id = 1,
		.owner = 1,
		.birth = TRANSACTION,
		.stored = 5,
		.logical = 5,
		.kind = VFSR_KIND_DATA,
	};
	u32 n = 0;

	(void)state;
	vfsr_pack_init(&p, data, 256, entries, 100, TRANSACTION);
	while (!vfsr_pack_add(&p, &c, pool))
		n++;
	/* flags, id, stored, crc */
	assert_int_equal(n, 100 / 7);
	assert_int_equal(vfsr_pack_room(&p, false), 0);
	assert_int_equal(vfsr_pack_room(&p, true), 0);
}

/*
 * Inode 16 of 300 bytes; data 17 on sector bounds, owner 16, block 3, born 7
 * before; compressed data 5, 1000 of 4096; map page of level 1 and index 2.
 */
static const struct vfsr_chunk golden[] = {
	{ 16, 16, 0, 9, 0, 300, 300, 0x12345678, 0, 0, 0, VFSR_KIND_INODE },
	{ 17, 16, 12288, 2, 0, 8192, 8192, 1, 0, 0, 0, VFSR_KIND_DATA },
	{ 5, 16, 0, 9, 0, 1000, 4096, 2, 0, VFSR_STATE_COMPRESSED,
	  VFSR_ALG_ZLIB, VFSR_KIND_DATA },
	{ 1ull << 56 | 2, 1ull << 56 | 2, 0, 9, 0, 100, 4096, 3, 0,
	  VFSR_STATE_COMPRESSED, VFSR_ALG_ZLIB, VFSR_KIND_MAP },
};

static const u8 golden_bytes[] = {
	0x02, 0x20, 0xac, 0x02, 0x78, 0x56, 0x34, 0x12, 0xf1, 0x02,
	0x80, 0x40, 0x01, 0x03, 0x07, 0x01, 0x00, 0x00, 0x00, 0x29,
	0x17, 0xe8, 0x07, 0x80, 0x20, 0x01, 0x16, 0x02, 0x00, 0x00,
	0x00, 0x0d, 0xfa, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0x01, 0x64, 0x80, 0x20, 0x01, 0x03, 0x00, 0x00, 0x00,
};

/* Same input, same bytes. */
static void entries_are_golden(void **state)
{
	const u32 bytes = sizeof(golden_bytes);
	struct vfsr_pack_result out;
	struct vfsr_pack p;
	u32 i;

	(void)state;
	vfsr_pack_init(&p, data, 64, entries, MAX_BYTES, 9);
	for (i = 0; i < ARRAY_SIZE(golden); i++)
		assert_int_equal(vfsr_pack_add(&p, &golden[i], pool), 0);
	vfsr_pack_close(&p, 4, &out);
	assert_int_equal(out.depth, 2);
	assert_int_equal(out.aligned_end, 3);
	assert_int_equal(out.entries_bytes, bytes);
	assert_int_equal(out.entries_start,
			 7 * VFSR_SECTOR_BYTES - 1400 - bytes);
	assert_memory_equal(data + out.entries_start, golden_bytes, bytes);
}

/* Tables written by hand: of transaction 9, in a stripe of 4 sectors. */
#define HAND_SECTORS 4u
#define HAND_TOP ((HAND_SECTORS - 1) * VFSR_SECTOR_BYTES)

static int walk_hand(const u8 *table, u32 bytes, u32 nr, u32 tail_bytes,
		     struct vfsr_chunk *c, struct vfsr_fault *f)
{
	struct vfsr_entries e;
	u8 *exact = malloc(bytes + !bytes);
	int ret;

	assert_non_null(exact);
	memcpy(exact, table, bytes);
	vfsr_entries_init(&e, exact, bytes, nr, 1, 0, HAND_SECTORS,
			  HAND_TOP - tail_bytes - bytes, 9, 1);
	do {
		ret = vfsr_entries_next(&e, c, f);
	} while (ret == 1);
	/* must cope without a fault as well */
	vfsr_entries_init(&e, exact, bytes, nr, 1, 0, HAND_SECTORS,
			  HAND_TOP - tail_bytes - bytes, 9, 1);
	while (vfsr_entries_next(&e, c, NULL) == 1)
		;
	free(exact);
	return ret;
}

#define CRC 0, 0, 0, 0

/* parts of a varint that go on */
#define MORE7	0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80
#define WHY(x)	VFSR_REASON_##x

/* Length of the table, entries, bytes of downward chunks. */
static const struct {
	const char *name;
	u8 bytes, nr;
	u32 tail;
	enum vfsr_reason reason;
	u8 table[32];
} malformed[] = {
	{ "good", 7, 1, 9, WHY(NONE), { 1, 2, 9, CRC } },
	{ "good: compressed", 9, 1, 9, WHY(NONE), { 0x09, 2, 9, 10, 1, CRC } },
	{ "good: aligned", 8, 1, 0, WHY(NONE), { 0x11, 2, 0x80, 0x20, CRC } },
	{ "good: sector, odd",
	  8,
	  1,
	  4096,
	  WHY(NONE),
	  { 0x01, 2, 0x80, 0x20, CRC } },
	{ "good: first map leaf", 7, 1, 9, WHY(NONE), { 5, 0, 9, CRC } },
	{ "good: empty", 0, 0, 0, WHY(NONE), { 0 } },
	{ "no entry where one should be", 0, 1, 0, WHY(SIZE), { 0 } },
	{ "bytes after the last", 8, 1, 9, WHY(SIZE), { 1, 2, 9, CRC, 0 } },
	{ "space after the last", 7, 1, 10, WHY(SIZE), { 1, 2, 9, CRC } },
	{ "chunk into the table", 7, 1, 8, WHY(SIZE), { 1, 2, 9, CRC } },
	{ "aligned into table",
	  8,
	  1,
	  8192,
	  WHY(SIZE),
	  { 0x11, 2, 0x80, 0x20, CRC } },
	{ "aligned, odd", 7, 1, 0, WHY(SIZE), { 0x11, 2, 9, CRC } },
	{ "aligned, packed",
	  11,
	  1,
	  0,
	  WHY(SIZE),
	  { 0x19, 2, 0x80, 0x20, 0x80, 0x40, 1, CRC } },
	{ "kind 0", 7, 1, 9, WHY(KIND), { 0, 2, 9, CRC } },
	{ "kind 7", 7, 1, 9, WHY(KIND), { 7, 2, 9, CRC } },
	{ "id 0", 7, 1, 9, WHY(RANGE), { 1, 0, 9, CRC } },
	{ "id -1", 7, 1, 9, WHY(RANGE), { 1, 1, 9, CRC } },
	{ "id 2^56", 15, 1, 9, WHY(RANGE), { 1, MORE7, 0x80, 2, 9, CRC } },
	{ "map level 7", 15, 1, 9, WHY(RANGE), { 5, MORE7, 0x80, 0x0e, 9, CRC } },
	{ "owner 0", 8, 1, 9, WHY(RANGE), { 0x21, 2, 9, 1, CRC } },
	{ "owner -1", 8, 1, 9, WHY(RANGE), { 0x21, 2, 9, 3, CRC } },
	{ "no owner", 8, 1, 9, WHY(SIZE), { 0x21, 2, 9, 0, CRC } },
	{ "no offset", 8, 1, 9, WHY(SIZE), { 0x41, 2, 9, 0, CRC } },
	{ "offset 2^63", 15, 1, 9, WHY(RANGE), { 0x41, 2, 9, MORE7, 4, CRC } },
	{ "born in transaction 0", 8, 1, 9, WHY(RANGE), { 0x81, 2, 9, 9, CRC } },
	{ "no age", 8, 1, 9, WHY(SIZE), { 0x81, 2, 9, 0, CRC } },
	{ "long varint", 8, 1, 9, WHY(SIZE), { 1, 0x82, 0, 9, CRC } },
	{ "65-bit varint",
	  16,
	  1,
	  9,
	  WHY(SIZE),
	  { 1, 0x82, MORE7, 0x80, 2, 9, CRC } },
	{ "endless varint",
	  16,
	  1,
	  9,
	  WHY(SIZE),
	  { 1, 0x82, MORE7, 0x80, 0x81, 1, CRC } },
	{ "nothing stored", 7, 1, 0, WHY(SIZE), { 1, 2, 0, CRC } },
	{ "above 128 KiB", 9, 1, 0, WHY(SIZE), { 1, 2, 0x81, 0x80, 8, CRC } },
	{ "node beyond 4 KiB", 8, 1, 5000, WHY(SIZE), { 3, 2, 0x88, 0x27, CRC } },
	{ "not smaller", 9, 1, 9, WHY(SIZE), { 0x09, 2, 9, 9, 1, CRC } },
	{ "unknown algorithm", 9, 1, 9, WHY(CODEC), { 0x09, 2, 9, 10, 2, CRC } },
	{ "no algorithm", 9, 1, 9, WHY(CODEC), { 0x09, 2, 9, 10, 0, CRC } },
};

static void malformed_tables_are_refused(void **state)
{
	struct vfsr_chunk c;
	struct vfsr_fault f;
	u32 i;
	int ret;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(malformed); i++) {
		memset(&f, 0, sizeof(f));
		ret = walk_hand(malformed[i].table, malformed[i].bytes,
				malformed[i].nr, malformed[i].tail, &c, &f);
		if (f.reason != malformed[i].reason ||
		    ret != (f.reason ? -EUCLEAN : 0))
			fail_msg("%s: %d, %s", malformed[i].name, ret,
				 vfsr_reason_name(f.reason));
	}
}

/* Whatever the table says, chunks stay within the stripe. */
static void walk_hostile(const u8 *table, u32 bytes, u32 nr, u32 start)
{
	const u32 k = 4, depth = 64, row = 7;
	struct vfsr_entries e;
	struct vfsr_chunk c;
	struct vfsr_fault f;
	u32 at, n = 0;

	vfsr_entries_init(&e, table, bytes, nr, k, row, depth, start,
			  TRANSACTION, GRID);
	while (vfsr_entries_next(&e, &c, &f) == 1) {
		at = (vfsr_place_sector(c.place) - row * k) *
			     VFSR_SECTOR_BYTES +
		     vfsr_place_byte(c.place);
		assert_true(at >= VFSR_SECTOR_BYTES);
		assert_true(at + c.stored <=
			    (k * depth - 1) * VFSR_SECTOR_BYTES);
		assert_true(at + c.stored <= start || at >= start + bytes);
		assert_true(c.birth >= 1 && c.birth <= TRANSACTION);
		assert_true(c.offset <= VFSR_FILE_BYTES_MAX);
		assert_true(vfsr_chunk_ok(&c, NULL));
		assert_true(++n <= nr);
	}
}

static void damaged_tables_are_survived(void **state)
{
	struct vfsr_pack_result out;
	struct vfsr_pack p;
	u8 *table;
	u32 i, cut, hits;

	(void)state;
	begin(&p, 4 * 64);
	while (nr_model < 60)
		add(&p, random_bytes(nr_model % 8 ? SMALL : RAW));
	while (vfsr_pack_room(&p, false) > 10000)
		add(&p, random_bytes(LARGE));
	add(&p, vfsr_pack_room(&p, false));
	vfsr_pack_close(&p, 4, &out);
	assert_int_equal(out.depth, 64);
	for (cut = 0; cut <= out.entries_bytes; cut++) {
		table = malloc(cut + !cut);
		assert_non_null(table);
		memcpy(table, data + out.entries_start, cut);
		walk_hostile(table, cut, out.nr_entries, out.entries_start);
		free(table);
	}
	table = malloc(out.entries_bytes + !out.entries_bytes);
	assert_non_null(table);
	for (i = 0; i < 20000; i++) {
		memcpy(table, data + out.entries_start, out.entries_bytes);
		for (hits = 1 + prng_below(4); hits; hits--)
			table[prng_below(out.entries_bytes)] =
				(u8)(prng_below(3) ? prng() : 0xff);
		walk_hostile(table, out.entries_bytes, out.nr_entries,
			     out.entries_start);
	}
	free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mixes_match_the_model),
		cmocka_unit_test(early_closes_match_the_model),
		cmocka_unit_test(every_depth_is_exact),
		cmocka_unit_test(an_empty_stripe_closes),
		cmocka_unit_test(cutting_fills_the_stripe),
		cmocka_unit_test(a_full_entry_buffer_stops),
		cmocka_unit_test(entries_are_golden),
		cmocka_unit_test(malformed_tables_are_refused),
		cmocka_unit_test(damaged_tables_are_survived),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
