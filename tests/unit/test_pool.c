// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pool reader on images that the writer made: every chunk must come back
 * after any damage within the guarantee, whatever the order of the members; and
 * beyond it there are errors, never wrong bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/out.h"
#include "lib/pool.h"
#include "lib/writer.h"
#include "prng.h"

#define MAX_IMAGES 8
#define MAX_CHUNKS 4096
#define MIB (1024u * 1024u)

/* A chunk that was written; its contents follow from its number. */
struct sample {
	u64 id;
	u32 logical;
	bool text; /* compresses */
};

static char dir[64];
static char *path[MAX_IMAGES], *master[MAX_IMAGES];
static unsigned int nr_images;
static struct sample sample[MAX_CHUNKS];
static u32 nr_samples;
static struct vfsr_super made;
static u8 want[VFSR_CHUNK_BYTES], got[VFSR_CHUNK_BYTES + 64];
static struct vfsr_pool *pool;
static struct vfsr_ws *ws;

/* --- making a pool --- */

static void contents(const struct sample *s, u8 *buf)
{
	u64 x = s->id * 0x9e3779b97f4a7c15ull + 1;
	u32 i;

	for (i = 0; i < s->logical; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		buf[i] = s->text ? (u8)('a' + (x >> 40) % 4) : (u8)(x >> 32);
	}
}

static void add_sample(struct vfsr_writer *w, u32 logical, bool text,
		       unsigned int use)
{
	static u8 packed[VFSR_CHUNK_BYTES];
	struct sample *s = &sample[nr_samples++];
	struct vfsr_chunk c = { .alg = VFSR_ALG_NONE };
	void *deflate = calloc(1, vfsr_port_deflate_ws_bytes());
	int len = 0;

	s->id = vfsr_writer_new_id(w);
	s->logical = logical;
	s->text = text;
	contents(s, want);
	if (text)
		len = vfsr_port_deflate(deflate, 1, want, logical, packed,
					logical - 1);
	vfsr_port_ws_release(deflate);
	free(deflate);
	c.id = s->id;
	c.owner = s->id;
	c.logical = logical;
	c.stored = len > 0 ? (u32)len : logical;
	c.state = len > 0 ? VFSR_STATE_COMPRESSED : VFSR_STATE_RAW;
	c.alg = len > 0 ? VFSR_ALG_ZLIB : VFSR_ALG_NONE;
	c.kind = use == VFSR_USE_META ? VFSR_KIND_XATTR : VFSR_KIND_DATA;
	c.refs = 1;
	c.crc = vfsr_port_crc32c(0, len > 0 ? packed : want, c.stored);
	assert_int_equal(vfsr_writer_add(w, use, &c, len > 0 ? packed : want),
			 0);
}

static void copy_file(const char *from, const char *to)
{
	static u8 buf[MIB];
	FILE *in = fopen(from, "re"), *out = fopen(to, "we");
	size_t n;

	assert_non_null(in);
	assert_non_null(out);
	while ((n = fread(buf, 1, sizeof(buf), in)) > 0)
		assert_int_equal(fwrite(buf, 1, n, out), n);
	fclose(in);
	assert_int_equal(fclose(out), 0);
}

/* Fresh images from the untouched ones. */
static void reset_images(void)
{
	unsigned int i;

	for (i = 0; i < nr_images; i++)
		copy_file(master[i], path[i]);
}

static void make_pool(unsigned int nr, u32 image_mib, const char *data,
		      const char *meta, unsigned int strip_shift, int layout,
		      u32 data_bytes)
{
	struct vfsr_plan_in in = { .layout = layout };
	struct vfsr_dev *dev[VFSR_MAX_MEMBERS] = { NULL };
	struct vfsr_write_stats stats;
	struct vfsr_writer *w;
	char why[256] = "";
	unsigned int i, use;
	u32 bytes;

	nr_images = nr;
	nr_samples = 0;
	for (i = 0; i < nr; i++) {
		u64 size = (u64)image_mib * MIB + i * 65536;

		assert_true(asprintf(&master[i], "%s/m%u", dir, i) > 0);
		assert_true(asprintf(&path[i], "%s/d%u", dir, i) > 0);
		fclose(fopen(master[i], "we"));
		assert_int_equal(truncate(master[i], (off_t)size), 0);
		assert_int_equal(
			vfsr_dev_open(master[i], VFSR_DEV_WRITE, &dev[i]), 0);
		in.dev_bytes[i] = size;
	}
	in.nr_devs = nr;
	in.have_data = true;
	in.have_meta = true;
	assert_int_equal(vfsr_policy_parse(data, &in.data), 0);
	assert_int_equal(vfsr_policy_parse(meta, &in.meta), 0);
	in.strip_shift = strip_shift;
	prng_fill(in.uuid, sizeof(in.uuid));
	in.now.sec = 1700000000;
	if (vfsr_plan(&in, &made, why, sizeof(why)))
		fail_msg("plan: %s", why);
	assert_int_equal(vfsr_writer_new(&made, dev, NULL, NULL, &w), 0);
	for (bytes = 0; bytes < data_bytes && nr_samples < MAX_CHUNKS;) {
		u32 logical = 1 + prng_below(prng_below(4) ? 20000 :
							     VFSR_CHUNK_BYTES);

		if (prng_below(3) == 0)
			logical = VFSR_CHUNK_BYTES >> prng_below(6);
		use = prng_below(4) ? VFSR_USE_WARM : VFSR_USE_META;
		/* two footers and an entry table share the stripe */
		logical = min_t(u32, logical,
				vfsr_writer_stripe_bytes(w, use) -
					3 * VFSR_SECTOR_BYTES);
		add_sample(w, logical, prng_below(3) == 0, use);
		bytes += logical;
	}
	assert_int_equal(vfsr_writer_commit(w, &stats), 0);
	vfsr_writer_free(w);
	for (i = 0; i < nr; i++)
		vfsr_dev_close(dev[i]);
	reset_images();
}

static void drop_pool(void)
{
	unsigned int i;

	for (i = 0; i < nr_images; i++) {
		unlink(path[i]);
		unlink(master[i]);
		free(path[i]);
		free(master[i]);
	}
	nr_images = 0;
}

/* --- opening and reading --- */

/* Open the members of a mask, in a shuffled order. */
static int open_mask(u32 mask, unsigned int flags)
{
	char *list[MAX_IMAGES];
	unsigned int i, n = 0;

	for (i = 0; i < nr_images; i++)
		if (mask >> i & 1)
			list[n++] = path[i];
	for (i = n; i > 1; i--) {
		unsigned int j = prng_below(i);
		char *t = list[j];

		list[j] = list[i - 1];
		list[i - 1] = t;
	}
	return vfsr_pool_open(list, n, flags | VFSR_POOL_QUIET, &pool);
}

/* Read all; returns how many chunks are lost. Wrong bytes fail the test. */
static u32 read_all(void)
{
	u32 i, j, nr_lost = 0;

	for (i = 0; i < nr_samples; i++) {
		const struct sample *s = &sample[i];
		struct vfsr_chunk c;
		u64 bad = 0;
		int err = vfsr_map_lookup(pool, s->id, &c, ws);

		if (err) {
			assert_int_not_equal(err, -ENOENT);
			nr_lost++;
			continue;
		}
		assert_int_equal(c.logical, s->logical);
		memset(got, 0x5a, sizeof(got));
		err = vfsr_pool_read(pool, &c, got, &bad, ws);
		assert_int_equal(got[s->logical], 0x5a);
		contents(s, want);
		if (err) {
			assert_int_not_equal(bad, 0);
			nr_lost++;
		} else {
			assert_int_equal(bad, 0);
		}
		for (j = 0; j < s->logical; j += VFSR_SECTOR_BYTES)
			if (!(bad >> (j / VFSR_SECTOR_BYTES) & 1))
				assert_memory_equal(got + j, want + j,
						    min_t(u32,
							  VFSR_SECTOR_BYTES,
							  s->logical - j));
	}
	return nr_lost;
}

/* Everything comes back from these members. */
static void expect_all(u32 mask)
{
	assert_int_equal(open_mask(mask, 0), 0);
	assert_int_equal(read_all(), 0);
	vfsr_pool_close(pool);
}

static void smash(unsigned int image, u64 pos, u64 len_bytes)
{
	FILE *f = fopen(path[image], "r+e");
	u8 noise[VFSR_SECTOR_BYTES];
	u64 n;

	assert_non_null(f);
	assert_int_equal(fseeko(f, (off_t)pos, SEEK_SET), 0);
	for (; len_bytes; len_bytes -= n) {
		n = min_t(u64, len_bytes, sizeof(noise));
		prng_fill(noise, sizeof(noise));
		assert_int_equal(fwrite(noise, 1, n, f), n);
	}
	fclose(f);
}

static u64 image_bytes(unsigned int image)
{
	struct stat st;

	assert_int_equal(stat(path[image], &st), 0);
	return (u64)st.st_size;
}

/* Byte position of a sector of a grid, by the tables of the open pool. */
static u64 grid_place(struct vfsr_grid *g, u32 col, u32 row, int *member)
{
	struct vfsr_extent_rows e = { .row = row, .depth = 1 };
	s64 pos;

	if (row < g->rows_used)
		vfsr_stripe_at(&g->g, g->starts, g->rows_used, row, &e);
	pos = vfsr_grid_pos(pool, g, &e, col, row, member);
	assert_true(pos >= 0);
	return (u64)pos;
}

/* --- cases --- */

struct policy_case {
	const char *name;
	unsigned int nr;
	const char *data, *meta;
	unsigned int strip_shift;
	int layout;
	unsigned int m; /* devices that may go */
};

static const struct policy_case cases[] = {
	{ "grid 4+2+1 on 6", 6, "grid:4+2+1", "replica:3", 18, 0, 2 },
	{ "mirror on 2", 2, "replica:2", "replica:2", 17, 0, 1 },
	{ "ec 2+1 on 3", 3, "ec:2+1", "replica:2", 16, 0, 1 },
	{ "grid 3+3+2 on 6", 6, "grid:3+3+2", "grid:1+3+1", 17, 0, 3 },
	{ "one device, spread", 1, "grid:8+1+1", "grid:1+1+1", 16, 0, 0 },
	{ "one device, interleaved", 1, "grid:8+1+1", "grid:1+1+1", 16, 1, 0 },
};

static void make_case(const struct policy_case *c)
{
	make_pool(c->nr, c->nr == 1 ? 64 : 32, c->data, c->meta, c->strip_shift,
		  c->layout, 6 * MIB);
}

static void test_members_missing(void **state)
{
	u32 i, mask;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct policy_case *c = &cases[i];

		print_message("  %s\n", c->name);
		make_case(c);
		for (mask = 1; mask < 1u << c->nr; mask++) {
			u32 gone = c->nr - (u32)__builtin_popcount(mask);

			if (gone <= c->m && (gone == c->m || !gone) &&
			    (!gone || prng_below(3) == 0))
				expect_all(mask);
		}
		drop_pool();
	}
}

/* More members gone than the policy has parity: errors, nothing wrong. */
static void test_too_many_missing(void **state)
{
	u32 lost;

	(void)state;
	make_case(&cases[0]);
	if (!open_mask(0x07, 0)) {
		lost = read_all();
		assert_true(lost > 0);
		vfsr_pool_close(pool);
	}
	drop_pool();
}

/* Up to 2m + 1 bad sectors in every grid, anywhere in it. */
static void test_sectors_anywhere(void **state)
{
	u32 i, j, k;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct policy_case *c = &cases[i];
		u64 place[64][16];
		int member[64][16];

		print_message("  %s\n", c->name);
		make_case(c);
		for (k = 0; k < 3; k++) {
			u32 nr_grids;

			assert_int_equal(open_mask((1u << c->nr) - 1, 0), 0);
			nr_grids = min_t(u32, pool->nr_grids, 64);
			for (j = 0; j < nr_grids; j++) {
				struct vfsr_grid *g = &pool->grid[j];
				u32 n = g->g.r ? 2u * g->g.m + 1 : g->g.m;
				u32 x;

				assert_int_equal(vfsr_grid_load(pool, g, ws),
						 0);
				for (x = 0; x < 16; x++)
					member[j][x] = -1;
				for (x = 0; x < n; x++) {
					u32 row = prng_below(g->g.rows);

					/* footers and their rows often */
					if (k == 1)
						row = prng_below(2);
					if (k == 2 && g->rows_used)
						row = prng_below(2) *
						      (g->rows_used - 1);
					place[j][x] = grid_place(
						g,
						prng_below(2) ?
							prng_below(g->g.n) :
							0,
						row, &member[j][x]);
				}
			}
			vfsr_pool_close(pool);
			for (j = 0; j < nr_grids; j++) {
				u32 x;

				for (x = 0; x < 16; x++)
					if (member[j][x] >= 0)
						smash((u32)member[j][x],
						      place[j][x],
						      VFSR_SECTOR_BYTES);
			}
			expect_all((1u << c->nr) - 1);
			reset_images();
		}
		drop_pool();
	}
}

/* m whole members gone and a burst of r sectors on each survivor. */
static void burst_once(const struct policy_case *c, u32 row)
{
	u32 all = (1u << c->nr) - 1, mask = all;
	static u64 place[512][VFSR_MAX_COLUMNS];
	static int member[512][VFSR_MAX_COLUMNS];
	u32 nr_grids, j, col, i;

	assert_int_equal(open_mask(all, 0), 0);
	nr_grids = min_t(u32, pool->nr_grids, 512);
	while (mask == all || __builtin_popcount(mask) != (int)(c->nr - c->m))
		mask = prng_below(all + 1);
	for (j = 0; j < nr_grids; j++) {
		struct vfsr_grid *g = &pool->grid[j];
		u32 at;

		assert_int_equal(vfsr_grid_load(pool, g, ws), 0);
		at = row == ~0u ? prng_below(g->g.data_rows) : row;
		for (col = 0; col < g->g.n; col++)
			place[j][col] = grid_place(g, col, at, &member[j][col]);
		for (; g->g.r && col < VFSR_MAX_COLUMNS; col++)
			member[j][col] = -1;
		if (!g->g.r)
			for (col = 0; col < VFSR_MAX_COLUMNS; col++)
				member[j][col] = -1;
	}
	vfsr_pool_close(pool);
	for (j = 0; j < nr_grids; j++)
		for (i = 0; i < VFSR_MAX_COLUMNS; i++)
			if (member[j][i] >= 0 && mask >> member[j][i] & 1)
				smash((u32)member[j][i], place[j][i],
				      VFSR_SECTOR_BYTES);
	expect_all(mask);
	reset_images();
}

static void test_members_and_burst(void **state)
{
	u32 i;

	(void)state;
	make_case(&cases[0]);
	burst_once(&cases[0], 0);
	for (i = 0; i < 3; i++)
		burst_once(&cases[0], ~0u);
	drop_pool();
	make_case(&cases[3]);
	burst_once(&cases[3], 0);
	burst_once(&cases[3], ~0u);
	drop_pool();
}

/* Smash whole rows of one grid. */
static void smash_row(struct vfsr_grid *g, u32 row)
{
	u32 col;

	for (col = 0; col < g->g.n; col++) {
		int member;
		u64 pos = grid_place(g, col, row, &member);

		smash((u32)member, pos, VFSR_SECTOR_BYTES);
	}
}

/* Both rows that hold a footer are gone whole, in different classes. */
static void test_footer_rows(void **state)
{
	struct vfsr_extent_rows e;
	u32 i, row, nr_hit = 0;

	(void)state;
	make_case(&cases[3]);
	assert_int_equal(open_mask(0x3f, 0), 0);
	for (i = 0; i < pool->nr_grids; i++) {
		struct vfsr_grid *g = &pool->grid[i];

		assert_int_equal(vfsr_grid_load(pool, g, ws), 0);
		for (row = 0; g->g.r == 2 && row < g->rows_used;
		     row += e.depth) {
			vfsr_stripe_at(&g->g, g->starts, g->rows_used, row, &e);
			if (e.depth % 2)
				continue;
			smash_row(g, row);
			smash_row(g, row + e.depth - 1);
			nr_hit++;
			break;
		}
	}
	vfsr_pool_close(pool);
	assert_true(nr_hit > 0);
	expect_all(0x3f);
	drop_pool();
}

static int count_id(void *arg, const struct vfsr_chunk *c)
{
	u32 *count = arg;

	count[c->kind]++;
	return 0;
}

static int stop_walk(void *arg, const struct vfsr_chunk *c)
{
	(void)c;
	++*(u32 *)arg;
	return 7;
}

/* Every id once, in order, and every page. */
static void test_walk(void **state)
{
	u32 count[VFSR_NR_KINDS] = { 0 }, calls = 0;

	(void)state;
	make_case(&cases[0]);
	assert_int_equal(open_mask(0x3f, 0), 0);
	assert_int_equal(vfsr_map_walk(pool, ws, count_id, count_id, count), 0);
	assert_int_equal(count[VFSR_KIND_DATA] + count[VFSR_KIND_XATTR],
			 nr_samples);
	assert_true(count[VFSR_KIND_MAP] > 1);
	assert_int_equal(vfsr_map_walk(pool, ws, stop_walk, NULL, &calls), 7);
	assert_int_equal(calls, 1);
	vfsr_pool_close(pool);
	drop_pool();
}

/* The smallest fatal pattern: exactly those sectors are lost. */
static void test_beyond_guarantee(void **state)
{
	u32 i, lost;

	(void)state;
	make_case(&cases[4]);
	assert_int_equal(open_mask(1, 0), 0);
	for (i = 0; i < pool->nr_grids; i++) {
		struct vfsr_grid *g = &pool->grid[i];
		int member;
		u64 pos[4];

		assert_int_equal(vfsr_grid_load(pool, g, ws), 0);
		if (g->g.k != 8 || g->rows_used < 12)
			continue;
		pos[0] = grid_place(g, 2, 5, &member);
		pos[1] = grid_place(g, 2, 9, &member);
		pos[2] = grid_place(g, 4, 5, &member);
		pos[3] = grid_place(g, 4, 9, &member);
		for (i = 0; i < 4; i++)
			smash(0, pos[i], VFSR_SECTOR_BYTES);
		break;
	}
	vfsr_pool_close(pool);
	assert_int_equal(open_mask(1, 0), 0);
	lost = read_all();
	assert_in_range(lost, 1, 16);
	assert_int_equal(read_all(), lost);
	assert_int_equal(atomic_load(&pool->health[0].lost_sectors), 4);
	assert_int_equal(atomic_load(&pool->health[0].healed_sectors), 0);
	vfsr_pool_close(pool);
	drop_pool();
}

/* Head, tail, tables, rings: one after the other, on every member. */
static void test_roots(void **state)
{
	u32 i;

	(void)state;
	make_case(&cases[0]);
	for (i = 0; i < nr_images; i++)
		smash(i, 0, made.member[i].strip_sector * VFSR_SECTOR_BYTES);
	expect_all(0x3f);
	reset_images();
	for (i = 0; i < nr_images; i++) {
		u64 tail = made.member[i].tail_sector * VFSR_SECTOR_BYTES;

		smash(i, tail, image_bytes(i) - tail);
	}
	expect_all(0x3f);
	/* both, on two members: known by their labels alone */
	for (i = 0; i < 2; i++)
		smash(i, 0, made.member[i].strip_sector * VFSR_SECTOR_BYTES);
	expect_all(0x3f);
	/* these are needed now */
	expect_all(0x0f);
	reset_images();
	/* every table on every member, both copies, but not the rings */
	for (i = 0; i < nr_images; i++) {
		const struct vfsr_member *m = &made.member[i];
		u64 bytes =
			(m->strip_sector - m->table_sector) * VFSR_SECTOR_BYTES;

		smash(i, m->table_sector * VFSR_SECTOR_BYTES, bytes);
		bytes = image_bytes(i) - VFSR_RING_BYTES -
			m->tail_sector * VFSR_SECTOR_BYTES;
		smash(i, m->tail_sector * VFSR_SECTOR_BYTES, bytes);
	}
	expect_all(0x3f);
	expect_all(0x1e);
	/* every record everywhere */
	for (i = 0; i < nr_images; i++) {
		smash(i, VFSR_BOOT_BYTES, VFSR_RING_BYTES);
		smash(i, image_bytes(i) - VFSR_RING_BYTES, VFSR_RING_BYTES);
	}
	assert_int_equal(open_mask(0x3f, 0), -ENOENT);
	drop_pool();
}

/* Every trailer, then every first footer too. */
static void test_labels(void **state)
{
	u32 strip, i, pass;
	u32 bytes;

	(void)state;
	make_case(&cases[0]);
	bytes = 1u << made.strip_shift;
	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < nr_images; i++) {
			const struct vfsr_member *m = &made.member[i];

			for (strip = 0; strip < m->nr_strips; strip++) {
				u64 pos = m->strip_sector * VFSR_SECTOR_BYTES +
					  (u64)strip * bytes;

				if (pass)
					smash(i, pos, VFSR_SECTOR_BYTES);
				else
					smash(i,
					      pos + bytes - VFSR_SECTOR_BYTES,
					      VFSR_SECTOR_BYTES);
			}
		}
		if (!pass)
			expect_all(0x3f);
		else if (!open_mask(0x3f, 0)) {
			/* row 0 of every strip is gone as well */
			read_all();
			vfsr_pool_close(pool);
		}
	}
	drop_pool();
}

/*
 * The trailer of every strip that is left, beside as many members as may go:
 * then stripes are found by their footers alone, which may be decoded only.
 */
static void test_labels_degraded(void **state)
{
	u32 i, image, strip, mask;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct policy_case *c = &cases[i];

		print_message("  %s\n", c->name);
		make_case(c);
		for (image = 0; image < nr_images; image++) {
			const struct vfsr_member *m = &made.member[image];

			for (strip = 0; strip < m->nr_strips; strip++)
				smash(image,
				      (m->strip_sector - 1) *
						      VFSR_SECTOR_BYTES +
					      ((u64)(strip + 1)
					       << made.strip_shift),
				      VFSR_SECTOR_BYTES);
		}
		for (mask = 1; mask < 1u << c->nr; mask++)
			if (c->nr - (u32)__builtin_popcount(mask) == c->m &&
			    (c->nr < 4 || prng_below(3) == 0))
				expect_all(mask);
		drop_pool();
	}
}

static void test_truncated(void **state)
{
	(void)state;
	make_case(&cases[0]);
	assert_int_equal(truncate(path[2], 5 * MIB + 123), 0);
	assert_int_equal(truncate(path[4], 100), 0);
	expect_all(0x3f);
	assert_int_equal(truncate(path[0], 0), 0);
	if (!open_mask(0x3f, 0)) {
		read_all();
		vfsr_pool_close(pool);
	}
	drop_pool();
}

static void test_refused(void **state)
{
	char *list[3] = { NULL };
	char *other;

	(void)state;
	make_case(&cases[1]);
	list[0] = path[0];
	list[1] = path[0];
	assert_int_equal(vfsr_pool_open(list, 2, 0, &pool), -EEXIST);
	list[1] = dir;
	assert_int_equal(vfsr_pool_open(list, 2, 0, &pool), -EISDIR);
	list[1] = "/nonexistent";
	assert_int_equal(vfsr_pool_open(list, 2, 0, &pool), -ENOENT);
	assert_int_equal(vfsr_pool_open(list, 0, 0, &pool), -EINVAL);
	assert_int_equal(vfsr_pool_open(list, 65, 0, &pool), -EINVAL);
	/* a member of another pool */
	assert_true(asprintf(&other, "%s/other", dir) > 0);
	assert_int_equal(rename(path[0], other), 0);
	drop_pool();
	make_case(&cases[1]);
	list[0] = path[0];
	list[1] = path[1];
	list[2] = other;
	assert_int_equal(vfsr_pool_open(list, 3, 0, &pool), -EINVAL);
	/* noise is no member */
	copy_file(path[0], other);
	assert_int_equal(rename(other, path[0]), 0);
	smash(0, 0, image_bytes(0));
	expect_all(0x3);
	smash(1, 0, image_bytes(1));
	assert_int_equal(open_mask(0x3, 0), -ENOENT);
	free(other);
	drop_pool();
}

/* Write a record with another number into both rings of a member. */
static void put_record(unsigned int image, u64 epoch, u64 sequence, u64 ack)
{
	static u8 slot[VFSR_SLOT_BYTES];
	struct vfsr_super *s = malloc(sizeof(*s));
	u64 end = image_bytes(image) & ~(u64)(VFSR_SLOT_BYTES - 1);
	FILE *f = fopen(path[image], "r+e");
	u32 copy, i;

	*s = made;
	s->this_member = (u16)image;
	s->epoch = epoch;
	s->sequence = sequence;
	for (i = 0; i < s->nr_members; i++) {
		s->member[i].ack_epoch = 1;
		s->member[i].ack_sequence = ack;
	}
	vfsr_super_encode(s, slot);
	for (copy = 0; copy < 2; copy++) {
		u64 ring = copy ? end - VFSR_RING_BYTES : VFSR_BOOT_BYTES;

		ring += sequence % VFSR_RING_SLOTS * VFSR_SLOT_BYTES;
		assert_int_equal(fseeko(f, (off_t)ring, SEEK_SET), 0);
		assert_int_equal(fwrite(slot, 1, sizeof(slot), f),
				 sizeof(slot));
	}
	fclose(f);
	free(s);
}

static void test_histories(void **state)
{
	u64 epoch, seq;

	(void)state;
	make_case(&cases[1]);
	epoch = made.epoch;
	seq = made.sequence;
	assert_int_equal(epoch, 1);
	/* one behind: stale, and usable */
	put_record(0, epoch, seq + 1, seq);
	expect_all(0x3);
	expect_all(0x1);
	expect_all(0x2);
	reset_images();
	/* the other one went on alone, under an older epoch */
	put_record(0, epoch + 1, seq + 1, seq);
	put_record(1, epoch, seq + 5, seq);
	assert_int_equal(open_mask(0x3, 0), -EUCLEAN);
	assert_int_equal(open_mask(0x3, VFSR_POOL_FORCE), 0);
	assert_int_equal(read_all(), 0);
	vfsr_pool_close(pool);
	expect_all(0x1);
	expect_all(0x2);
	drop_pool();
}

/* Healing writes back; a second reader finds nothing wrong. */
static void test_write_back(void **state)
{
	struct vfsr_health *h;
	u32 bad[4096];
	u32 i, row;
	unsigned long long nr_bad = 0;

	(void)state;
	make_case(&cases[0]);
	/* a burst over part of the strips of one member, trailers included */
	smash(1, made.member[1].strip_sector * VFSR_SECTOR_BYTES + 5 * 4096,
	      1 << made.strip_shift);
	assert_int_equal(open_mask(0x3f, VFSR_POOL_WRITE), 0);
	pool->write_back = true;
	for (i = 0; i < pool->nr_grids; i++) {
		struct vfsr_grid *g = &pool->grid[i];

		assert_int_equal(vfsr_grid_load(pool, g, ws), 0);
		for (row = 0; row < g->g.rows; row++)
			bad[row] = row < g->rows_used || row >= g->g.data_rows ?
					   1 :
					   0;
		assert_int_equal(vfsr_grid_heal(pool, g, bad, true, ws), 0);
		for (row = 0; row < g->rows_used; row++)
			bad[row] = 1;
		assert_int_equal(vfsr_grid_heal_trailers(pool, g, true, ws), 0);
	}
	assert_int_equal(read_all(), 0);
	h = &pool->health[1];
	assert_true(atomic_load(&h->bad_sectors) > 0);
	assert_int_equal(atomic_load(&h->bad_sectors),
			 atomic_load(&h->healed_sectors));
	assert_int_equal(atomic_load(&h->bad_sectors),
			 atomic_load(&h->written_sectors));
	vfsr_pool_close(pool);
	assert_int_equal(open_mask(0x3f, 0), 0);
	assert_int_equal(read_all(), 0);
	for (i = 0; i < nr_images; i++)
		nr_bad += atomic_load(&pool->health[i].bad_sectors);
	assert_int_equal(nr_bad, 0);
	vfsr_pool_close(pool);
	drop_pool();
}

/* Random damage everywhere: any answer but wrong bytes or a crash. */
static void test_anything(void **state)
{
	u32 i, j;

	(void)state;
	make_case(&cases[2]);
	for (i = 0; i < 12; i++) {
		for (j = 0; j < 1u << i; j++) {
			u32 image = prng_below(nr_images);

			smash(image, prng_below((u32)image_bytes(image) - 9000),
			      1 + prng_below(9000));
		}
		if (!open_mask(0x7, 0)) {
			read_all();
			vfsr_pool_close(pool);
		}
	}
	drop_pool();
}

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/vfsr-pool-XXXXXX");
	ws = vfsr_ws_new();
	return mkdtemp(dir) && ws ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	vfsr_ws_free(ws);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members_missing),
		cmocka_unit_test(test_too_many_missing),
		cmocka_unit_test(test_sectors_anywhere),
		cmocka_unit_test(test_members_and_burst),
		cmocka_unit_test(test_footer_rows),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_beyond_guarantee),
		cmocka_unit_test(test_roots),
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_labels_degraded),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_histories),
		cmocka_unit_test(test_write_back),
		cmocka_unit_test(test_anything),
	};

	return cmocka_run_group_tests_name("pool", tests, setup, teardown);
}
