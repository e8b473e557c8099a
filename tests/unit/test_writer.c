// SPDX-License-Identifier: GPL-2.0-only
/*
 * The writer: small pools of every kind are filled with chunks and checked by
 * writer_check.c; a second transaction; a full pool; the map's corner cases.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/out.h"
#include "writer_check.h"

static const struct kind_of_pool pools[] = {
	{ "one device", 1, { 64 }, NULL, NULL, -1, 900, false },
	{ "interleaved", 1, { 96 }, "grid:16+1+1", NULL, 1, 1500, false },
	{ "single", 1, { 40 }, "single", "single", 0, 600, true },
	{ "mirror", 2, { 40, 46 }, NULL, NULL, -1, 700, false },
	{ "three", 3, { 40, 48, 44 }, NULL, NULL, -1, 900, true },
	{ "six",
	  6,
	  { 34, 35, 36, 37, 38, 60 },
	  "grid:4+2+2",
	  NULL,
	  -1,
	  1500,
	  false },
	{ "few devices", 2, { 60, 60 }, "ec:3+2", "replica:3", -1, 800, false },
	{ "nothing", 2, { 24, 24 }, NULL, NULL, -1, 0, false },
};

static u64 rng_state;

static u32 rng(void)
{
	rng_state = rng_state * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)(rng_state >> 33);
}

/* --- writing --- */

static void make_images(struct fixture *f)
{
	const char *tmp = getenv("TMPDIR");
	unsigned int i;

	for (i = 0; i < f->kind->nr_devs; i++) {
		int fd;

		snprintf(f->path[i], sizeof(f->path[i]), "%s/vfsr-w-XXXXXX",
			 tmp ? tmp : "/tmp");
		fd = mkstemp(f->path[i]);
		assert_true(fd >= 0);
		assert_int_equal(
			ftruncate(fd, (off_t)(f->kind->mib[i] * MIB + 5000)),
			0);
		close(fd);
		assert_int_equal(vfsr_dev_open(f->path[i], VFSR_DEV_WRITE,
					       &f->dev[i]),
				 0);
	}
}

static void make_record(struct fixture *f)
{
	struct vfsr_plan_in in = { .layout = f->kind->layout };
	char why[256];
	unsigned int i;

	in.nr_devs = f->kind->nr_devs;
	for (i = 0; i < in.nr_devs; i++)
		in.dev_bytes[i] = f->dev[i]->bytes;
	in.have_data = f->kind->data;
	in.have_meta = f->kind->meta;
	if (in.have_data)
		assert_int_equal(vfsr_policy_parse(f->kind->data, &in.data), 0);
	if (in.have_meta)
		assert_int_equal(vfsr_policy_parse(f->kind->meta, &in.meta), 0);
	memset(in.uuid, 0x5a, sizeof(in.uuid));
	in.compress_alg = VFSR_ALG_ZLIB;
	in.compress_level = 1;
	in.now.sec = 1234567890;
	strcpy(in.label, "unit");
	if (vfsr_plan(&in, f->s, why, sizeof(why)))
		fail_msg("%s: %s", f->kind->name, why);
}

/* Contents of a chunk: a function of its id */
static void contents(u64 id, u8 *buf, u32 bytes)
{
	u64 x = id * 0x9e3779b97f4a7c15ull + 1;
	u32 i;

	for (i = 0; i < bytes; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		buf[i] = (u8)x;
	}
}

static void make_chunk(struct vfsr_chunk *c, u64 id, u32 max_bytes)
{
	static const u32 raw[] = { 1, 2, 3, 8, 13 };

	memset(c, 0, sizeof(*c));
	c->id = id;
	if (rng() % 2) {
		c->kind = VFSR_KIND_DATA;
		c->owner = 16 + rng() % 1000;
		c->offset = (u64)(rng() % 5000) * SECTOR;
	} else {
		c->kind = rng() % 2 ? VFSR_KIND_INODE : VFSR_KIND_NODE;
		c->owner = c->kind == VFSR_KIND_INODE ? id : 16 + rng() % 1000;
	}
	c->refs = c->kind == VFSR_KIND_DATA ? 1 + rng() % 3 : 1;
	c->state = VFSR_STATE_RAW;
	if (c->kind != VFSR_KIND_DATA) {
		c->stored = 100 + rng() % 3996;
		c->logical = c->stored;
	} else if (rng() % 3) {
		c->state = VFSR_STATE_COMPRESSED;
		c->alg = VFSR_ALG_ZLIB;
		c->stored = 1 + rng() % min_t(u32, 60000, max_bytes);
		c->logical = c->stored + 1 + rng() % 60000;
	} else {
		c->stored = raw[rng() % ARRAY_SIZE(raw)] * SECTOR;
		if (c->stored > max_bytes)
			c->stored = SECTOR;
		c->logical = c->stored;
	}
}

static void write_chunks(struct fixture *f, struct vfsr_writer *w)
{
	u8 *buf = malloc(VFSR_CHUNK_BYTES);
	unsigned int i;

	rng_state = 42;
	f->want = calloc(f->kind->nr_chunks + 5000, sizeof(*f->want));
	for (i = 0; i < f->kind->nr_chunks; i++) {
		u64 id = vfsr_writer_new_id(w);
		struct vfsr_chunk *c = &f->want[id].c;
		unsigned int use;

		if (f->kind->sparse && id % 5 == 0)
			continue;
		make_chunk(c, id,
			   vfsr_writer_stripe_bytes(w, VFSR_USE_WARM) -
				   3 * SECTOR);
		use = c->kind == VFSR_KIND_DATA ? VFSR_USE_WARM : VFSR_USE_META;
		contents(id, buf, c->stored);
		c->crc = vfsr_port_crc32c(0, buf, c->stored);
		f->nr_want++;
		if (i % 7 == 0)
			(void)vfsr_writer_room(w, use, i % 2);
		assert_int_equal(vfsr_writer_add(w, use, c, buf), 0);
	}
	free(buf);
}

static void load_images(struct fixture *f)
{
	unsigned int i;

	for (i = 0; i < f->kind->nr_devs; i++) {
		f->image[i] = malloc(f->dev[i]->bytes);
		assert_non_null(f->image[i]);
		assert_int_equal(vfsr_dev_read(f->dev[i], f->image[i],
					       f->dev[i]->bytes, 0),
				 0);
	}
}

static void write_pool(struct fixture *f)
{
	struct vfsr_writer *w;

	make_images(f);
	f->s = calloc(1, sizeof(*f->s));
	f->rec = calloc(1, sizeof(*f->rec));
	make_record(f);
	assert_int_equal(vfsr_writer_new(f->s, f->dev, NULL, NULL, &w), 0);
	write_chunks(f, w);
	assert_int_equal(vfsr_writer_commit(w, &f->stats), 0);
	/* a second commit is not this writer's */
	assert_int_not_equal(vfsr_writer_commit(w, &f->stats), 0);
	vfsr_writer_free(w);
	load_images(f);
}

static void release(struct fixture *f)
{
	unsigned int i;

	for (i = 0; i < f->kind->nr_devs; i++) {
		free(f->image[i]);
		vfsr_dev_close(f->dev[i]);
		unlink(f->path[i]);
	}
	free(f->s);
	free(f->rec);
	free(f->want);
	free(f->grid_live);
}

/* --- tests --- */

static void test_pools(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(pools); i++) {
		struct fixture *f = calloc(1, sizeof(*f));

		print_message("pool: %s\n", pools[i].name);
		f->kind = &pools[i];
		write_pool(f);
		writer_check_pool(f);
		release(f);
		free(f);
	}
}

static void test_same_bytes(void **state)
{
	struct fixture *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b));
	unsigned int i;

	(void)state;
	a->kind = b->kind = &pools[5];
	write_pool(a);
	write_pool(b);
	for (i = 0; i < a->kind->nr_devs; i++)
		assert_memory_equal(a->image[i], b->image[i], a->dev[i]->bytes);
	release(a);
	release(b);
	free(a);
	free(b);
}

static void load_tables(struct fixture *f, struct vfsr_strip **strips,
			u32 **live)
{
	unsigned int m;

	for (m = 0; m < f->kind->nr_devs; m++) {
		u32 nr = f->rec->member[m].nr_strips;

		strips[m] = calloc(nr, sizeof(**strips));
		live[m] = calloc(nr, sizeof(**live));
		writer_check_table(f, m, strips[m], live[m]);
	}
}

static void free_tables(struct vfsr_strip **strips, u32 **live)
{
	unsigned int m;

	for (m = 0; m < MAX_DEVS; m++) {
		free(strips[m]);
		free(live[m]);
	}
}

/* Map the old chunks anew, add some more, commit. */
static void write_again(struct fixture *f, struct vfsr_strip **strips,
			u32 **live)
{
	static u8 buf[3 * SECTOR];
	struct vfsr_chunk c = { .kind = VFSR_KIND_DATA, .refs = 1 };
	struct vfsr_writer *w;
	u64 id, end = f->s->next_id;

	assert_int_equal(vfsr_writer_new(f->s, f->dev, strips, live, &w), 0);
	for (id = 0; id < end; id++)
		if (f->want[id].seen)
			assert_int_equal(vfsr_writer_map_set(w, &f->want[id].c),
					 0);
	c.stored = c.logical = sizeof(buf);
	c.crc = vfsr_port_crc32c(0, buf, sizeof(buf));
	for (id = 0; id < 40; id++) {
		c.id = c.owner = vfsr_writer_new_id(w);
		assert_int_equal(vfsr_writer_add(w, VFSR_USE_WARM, &c, buf), 0);
	}
	assert_int_equal(vfsr_writer_commit(w, &f->stats), 0);
	vfsr_writer_free(w);
}

/* A second transaction keeps the first one whole. */
static void test_second(void **state)
{
	struct vfsr_strip *was[MAX_DEVS] = { NULL }, *is[MAX_DEVS] = { NULL };
	u32 *live_was[MAX_DEVS] = { NULL }, *live_is[MAX_DEVS] = { NULL };
	struct fixture *f = calloc(1, sizeof(*f));
	unsigned int m;
	u32 i, nr_new = 0, nr_freed = 0;

	(void)state;
	f->kind = &pools[3];
	write_pool(f);
	writer_check_pool(f);
	for (i = 0; i < f->s->next_id; i++)
		f->want[i].c.birth = 1;
	load_tables(f, was, live_was);
	write_again(f, was, live_was);
	free_tables(was, live_was);
	for (m = 0; m < f->kind->nr_devs; m++)
		free(f->image[m]);
	load_images(f);

	/* the record before, its tables and its trailers are there still */
	assert_int_equal(vfsr_super_decode(f->image[0] + VFSR_BOOT_BYTES +
						   VFSR_SLOT_BYTES,
					   VFSR_SLOT_BYTES, f->rec, NULL),
			 0);
	assert_int_equal(f->rec->transaction, 1);
	load_tables(f, was, live_was);
	assert_int_equal(vfsr_super_decode(f->image[1] + VFSR_BOOT_BYTES +
						   2 * VFSR_SLOT_BYTES,
					   VFSR_SLOT_BYTES, f->rec, NULL),
			 0);
	assert_int_equal(f->rec->transaction, 2);
	assert_int_equal(f->rec->sequence, 2);
	assert_int_equal(f->rec->member[0].ack_sequence, 1);
	assert_int_equal(f->rec->nr_ids, f->nr_want + 40);
	load_tables(f, is, live_is);
	for (m = 0; m < f->kind->nr_devs; m++) {
		for (i = 0; i < f->rec->member[m].nr_strips; i++) {
			nr_new += is[m][i].grid && !was[m][i].grid;
			if (!was[m][i].grid)
				continue;
			/* the old map is dead now, and its grid with it */
			if (!is[m][i].grid) {
				assert_int_equal(was[m][i].use, VFSR_USE_META);
				assert_int_equal(live_is[m][i], 0);
				nr_freed++;
				continue;
			}
			assert_int_equal(is[m][i].grid, was[m][i].grid);
			if (was[m][i].use == VFSR_USE_WARM)
				assert_int_equal(live_is[m][i], live_was[m][i]);
			else
				assert_true(live_is[m][i] <= live_was[m][i]);
		}
	}
	/* a grid of data and one of metadata, on two devices each */
	assert_true(nr_new >= 4);
	assert_true(nr_freed > 0);
	free_tables(was, live_was);
	free_tables(is, live_is);
	release(f);
	free(f);
}

/* A pool that is full says so, once and for all. */
static void test_full(void **state)
{
	struct kind_of_pool kind = {
		"full", 1, { 14 }, NULL, NULL, 0, 0, false
	};
	struct fixture *f = calloc(1, sizeof(*f));
	struct vfsr_chunk c = { .kind = VFSR_KIND_DATA, .refs = 1 };
	static u8 buf[8 * SECTOR];
	struct vfsr_writer *w;
	int err = 0, i;

	(void)state;
	f->kind = &kind;
	make_images(f);
	f->s = calloc(1, sizeof(*f->s));
	make_record(f);
	assert_int_equal(vfsr_writer_new(f->s, f->dev, NULL, NULL, &w), 0);
	c.stored = c.logical = sizeof(buf);
	c.crc = vfsr_port_crc32c(0, buf, sizeof(buf));
	for (i = 0; i < 1000 && !err; i++) {
		c.id = c.owner = vfsr_writer_new_id(w);
		err = vfsr_writer_add(w, VFSR_USE_WARM, &c, buf);
	}
	assert_int_equal(err, -ENOSPC);
	assert_int_equal(vfsr_writer_add(w, VFSR_USE_META, &c, buf), -ENOSPC);
	assert_int_equal(vfsr_writer_room(w, VFSR_USE_META, false), 0);
	assert_int_equal(vfsr_writer_commit(w, &f->stats), -ENOSPC);
	vfsr_writer_free(w);
	release(f);
	free(f);
}

/* The same id twice is refused; entries from elsewhere (rebuild) count. */
static void test_map_set(void **state)
{
	struct kind_of_pool kind = { "set", 1, { 24 }, NULL, NULL, 0, 0, false };
	struct vfsr_chunk c = {
		.id = 20,
		.owner = 20,
		.birth = 1,
		.place = 77ull << 28,
		.stored = 100,
		.logical = 100,
		.refs = 1,
		.kind = VFSR_KIND_INODE,
	};
	struct fixture *f = calloc(1, sizeof(*f));
	struct vfsr_writer *w;

	(void)state;
	f->kind = &kind;
	make_images(f);
	f->s = calloc(1, sizeof(*f->s));
	make_record(f);
	assert_int_equal(vfsr_writer_new(f->s, f->dev, NULL, NULL, &w), 0);
	assert_int_equal(vfsr_writer_map_set(w, &c), 0);
	assert_int_equal(vfsr_writer_map_set(w, &c), -EEXIST);
	c.id = 0;
	assert_int_equal(vfsr_writer_map_set(w, &c), -EINVAL);
	c.id = VFSR_MAX_ID;
	assert_int_equal(vfsr_writer_map_set(w, &c), -EINVAL);
	/* far apart: more levels, not more memory */
	c.id = 1ull << 50;
	assert_int_equal(vfsr_writer_map_set(w, &c), 0);
	assert_int_equal(vfsr_writer_commit(w, &f->stats), 0);
	assert_int_equal(f->s->nr_ids, 2);
	assert_int_equal(f->s->next_id, (1ull << 50) + 1);
	assert_int_equal(f->s->map_levels, 7);
	vfsr_writer_free(w);
	release(f);
	free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pools),
		cmocka_unit_test(test_same_bytes),
		cmocka_unit_test(test_second),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_map_set),
	};

	vfsr_prog = "test_writer";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
