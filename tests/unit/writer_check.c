// SPDX-License-Identifier: GPL-2.0-only
/*
 * Verifies a pool from its images alone: record, tables, trailers, footers,
 * entries, parity, map and live counts. Addresses and parity are computed here
 * anew from the format's description, not by the code under test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/footer.h"
#include "core/gf.h"
#include "core/mappage.h"
#include "core/parity.h"
#include "writer_check.h"

/* --- reading --- */

static void check_records(struct fixture *f)
{
	const u64 at = VFSR_SLOT_BYTES; /* sequence 1 */
	unsigned int i, slot;

	for (i = 0; i < f->kind->nr_devs; i++) {
		u64 size = f->dev[i]->bytes & ~(u64)65535;
		const u8 *head = f->image[i] + VFSR_BOOT_BYTES;
		const u8 *tail = f->image[i] + size - VFSR_RING_BYTES;

		assert_memory_equal(head, tail, VFSR_RING_BYTES);
		for (slot = 0; slot < VFSR_RING_SLOTS; slot++) {
			int err = vfsr_super_decode(
				head + slot * VFSR_SLOT_BYTES, VFSR_SLOT_BYTES,
				f->rec, NULL);

			assert_int_equal(!err, slot == 1);
		}
		assert_int_equal(vfsr_super_decode(head + at, VFSR_SLOT_BYTES,
						   f->rec, NULL),
				 0);
		assert_int_equal(f->rec->this_member, i);
		assert_int_equal(f->rec->sequence, 1);
		assert_int_equal(f->rec->transaction, 1);
		assert_int_equal(f->rec->next_transaction, 2);
		assert_int_equal(f->rec->nr_open, 0);
		assert_int_equal(f->rec->nr_ids, f->nr_want);
		assert_string_equal(f->rec->label, "unit");
	}
}

static void check_table_block(const struct fixture *f, unsigned int m, u8 kind,
			      u32 block, const void *buf, u32 crc)
{
	struct vfsr_table_head want = { .member = (u16)m,
					.kind = kind,
					.block = block };

	memcpy(want.pool_uuid, f->s->pool_uuid, sizeof(want.pool_uuid));
	assert_int_equal(vfsr_table_check(buf, &want, crc, NULL), 0);
	assert_int_equal(want.transaction, f->rec->transaction);
}

void writer_check_table(const struct fixture *f, unsigned int m,
			struct vfsr_strip *strips, u32 *live)
{
	const struct vfsr_member *mem = &f->rec->member[m];
	const u8 *region = f->image[m] + mem->table_sector * SECTOR;
	u32 nr_table, nr_live, nr_index, b, i;

	vfsr_table_counts(mem->nr_strips, &nr_table, &nr_live, &nr_index);
	assert_int_equal(mem->nr_index, nr_index);
	for (b = 0; b < nr_table + nr_live; b++) {
		const u8 *index =
			region + (2ull * (b / VFSR_REFS_PER_BLOCK) +
				  mem->index[b / VFSR_REFS_PER_BLOCK].slot) *
					 SECTOR;
		struct vfsr_table_ref ref;
		const u8 *block;
		u64 sector;

		check_table_block(f, m, VFSR_TABLE_INDEX,
				  b / (u32)VFSR_REFS_PER_BLOCK, index,
				  mem->index[b / VFSR_REFS_PER_BLOCK].crc);
		assert_int_equal(vfsr_ref_get(index, b % VFSR_REFS_PER_BLOCK,
					      &ref, NULL),
				 0);
		sector = 2ull * (nr_index + b) + ref.slot;
		block = region + sector * SECTOR;
		assert_memory_equal(block,
				    f->image[m] + (mem->tail_sector + sector) *
							  SECTOR,
				    SECTOR);
		if (b < nr_table) {
			check_table_block(f, m, VFSR_TABLE_STRIPS, b, block,
					  ref.crc);
			for (i = 0; i < VFSR_STRIPS_PER_BLOCK; i++)
				if (b * VFSR_STRIPS_PER_BLOCK + i <
				    mem->nr_strips)
					assert_int_equal(
						vfsr_strip_decode(
							block, i,
							f->rec->strip_shift,
							&strips[b * VFSR_STRIPS_PER_BLOCK +
								i],
							NULL),
						0);
			continue;
		}
		check_table_block(f, m, VFSR_TABLE_LIVE, b - nr_table, block,
				  ref.crc);
		for (i = 0; i < VFSR_LIVES_PER_BLOCK; i++) {
			u32 at = (b - nr_table) * (u32)VFSR_LIVES_PER_BLOCK + i;

			if (at < mem->nr_strips)
				live[at] = vfsr_live_get(block, i);
		}
	}
}

/* A sector, by the words of format/grid.h; @first and @depth of its stripe. */
static u8 *sector_at(struct fixture *f, const struct vfsr_trailer *t, u32 n,
		     u32 first, u32 depth, u32 col, u32 row)
{
	u64 offset = row; /* in the strip */
	u32 strip = col;

	if (t->layout == VFSR_LAYOUT_INTERLEAVED) {
		strip = 0;
		offset = (u64)first * n + (u64)col * depth + (row - first);
	}
	return f->image[t->device[strip]] +
	       (f->rec->member[t->device[strip]].strip_sector + offset) *
		       SECTOR +
	       ((u64)t->strip[strip] << f->rec->strip_shift);
}

/* The p-th parity of a row, slowly */
static void check_row(const struct vfsr_policy *p, u8 *const *col)
{
	unsigned int i, j, at;

	for (j = 0; j < p->m; j++) {
		for (at = 0; at < SECTOR; at += 97) {
			u8 sum = 0;

			for (i = 0; i < p->k; i++) {
				if (!col[i])
					abort();
				sum ^= vfsr_gf_mul(vfsr_parity_coef(p->m, j, i),
						   col[i][at]);
			}
			if (!col[p->k + j])
				abort();
			assert_int_equal(sum, col[p->k + j][at]);
		}
	}
}

/* Data area of a stripe in linear order; the caller frees */
static u8 *linear(struct fixture *f, const struct vfsr_trailer *t,
		  const struct vfsr_footer *ft)
{
	u32 n = t->policy.k + t->policy.m, c, i;
	u8 *area = malloc((size_t)t->policy.k * ft->depth * SECTOR);

	for (c = 0; c < t->policy.k; c++)
		for (i = 0; i < ft->depth; i++)
			memcpy(area + ((size_t)c * ft->depth + i) * SECTOR,
			       sector_at(f, t, n, ft->row, ft->depth, c,
					 ft->row + i),
			       SECTOR);
	return area;
}

static void check_chunk(struct fixture *f, const struct vfsr_chunk *c,
			const u8 *stored)
{
	const struct vfsr_chunk *want;

	assert_int_equal(vfsr_port_crc32c(0, stored, c->stored), c->crc);
	f->stored += c->stored;
	if (c->kind == VFSR_KIND_COMMIT) {
		f->mark_bytes = c->stored;
		memcpy(f->mark, stored, c->stored);
		return;
	}
	f->live += c->stored;
	f->grid_live[vfsr_place_grid(c->place)] += c->stored;
	if (c->kind == VFSR_KIND_MAP)
		return;
	want = &f->want[c->id].c;
	assert_int_equal(c->kind, want->kind);
	assert_int_equal(c->owner, want->owner);
	assert_int_equal(c->offset, want->offset);
	assert_int_equal(c->stored, want->stored);
	assert_int_equal(c->logical, want->logical);
	assert_int_equal(c->crc, want->crc);
	assert_int_equal(c->state, want->state);
	assert_int_equal(c->birth, 1);
	assert_false(f->want[c->id].seen);
	f->want[c->id].seen = true;
	f->want[c->id].c.place = c->place;
}

static void check_entries(struct fixture *f, const struct vfsr_trailer *t,
			  const struct vfsr_footer *ft)
{
	u8 *area = linear(f, t, ft);
	struct vfsr_entries e;
	struct vfsr_chunk c;
	u32 nr = 0;
	int more;

	assert_int_equal(vfsr_port_crc32c(0, area + ft->entries_start,
					  ft->entries_bytes),
			 ft->entries_crc);
	vfsr_entries_init(&e, area + ft->entries_start, ft->entries_bytes,
			  ft->nr_entries, ft->policy.k, ft->row, ft->depth,
			  ft->entries_start, ft->transaction, ft->grid);
	while ((more = vfsr_entries_next(&e, &c, NULL)) == 1) {
		u32 at = (vfsr_place_sector(c.place) - ft->row * t->policy.k) *
				 SECTOR +
			 vfsr_place_byte(c.place);

		assert_int_equal(vfsr_place_grid(c.place), t->grid);
		check_chunk(f, &c, area + at);
		nr++;
	}
	assert_int_equal(more, 0);
	assert_int_equal(nr, ft->nr_entries);
	free(area);
}

static void check_stripe(struct fixture *f, const struct vfsr_trailer *t,
			 u32 first, u32 depth)
{
	u32 n = t->policy.k + t->policy.m, c, i;
	u8 *footer = sector_at(f, t, n, first, depth, 0, first);
	struct vfsr_footer ft;

	assert_int_equal(
		vfsr_footer_decode(footer, f->rec->pool_uuid, &ft, NULL), 0);
	assert_int_equal(ft.row, first);
	assert_int_equal(ft.depth, depth);
	assert_int_equal(ft.full_depth, t->depth);
	assert_int_equal(ft.grid, t->grid);
	assert_int_equal(ft.transaction, 1);
	assert_int_equal(ft.base, 0);
	assert_memory_equal(ft.strip, t->strip, sizeof(ft.strip));
	assert_memory_equal(ft.device, t->device, sizeof(ft.device));
	assert_memory_equal(footer,
			    sector_at(f, t, n, first, depth, t->policy.k - 1u,
				      first + depth - 1),
			    SECTOR);
	for (i = 0; i < depth; i++) {
		u8 *col[VFSR_MAX_COLUMNS] = { NULL };

		for (c = 0; c < n; c++) {
			col[c] = sector_at(f, t, n, first, depth, c, first + i);
			assert_true(vfsr_stripe_check(&vfsr_parity_scalar, &ft,
						      footer, c, i, col[c]));
		}
		check_row(&t->policy, col);
	}
	f->stripes++;
	f->used += (u64)t->policy.k * depth * SECTOR;
	f->footers += 2 * SECTOR + ft.entries_bytes;
	if (ft.flags & VFSR_FOOTER_COMMIT) {
		f->commits++;
		f->marked_stripes = ft.nr_stripes;
		assert_int_equal(ft.serial, f->rec->next_serial - 1);
	}
	check_entries(f, t, &ft);
}

/* In each column the XOR of every class of rows is zero. */
static void check_columns(struct fixture *f, const struct vfsr_trailer *t,
			  const u32 *first, const u32 *depth, u32 rows)
{
	u32 n = t->policy.k + t->policy.m, r = t->policy.r;
	u8 sum[SECTOR];
	u32 c, j, row, at;

	for (c = 0; c < n; c++) {
		for (j = 0; j < r; j++) {
			u32 parity = rows - r + j;
			u8 *p = sector_at(f, t, n, rows - r, r, c, parity);

			memcpy(sum, p, SECTOR);
			for (row = parity % r; row < t->rows_used; row += r) {
				const u8 *s = sector_at(f, t, n, first[row],
							depth[row], c, row);

				for (at = 0; at < SECTOR; at++)
					sum[at] ^= s[at];
			}
			for (at = 0; at < SECTOR; at++)
				assert_int_equal(sum[at], 0);
			assert_int_equal(vfsr_port_crc32c(0, p, SECTOR),
					 t->parity_crc[c * r + j]);
		}
	}
	for (j = 0; j < r; j++) {
		u8 *col[VFSR_MAX_COLUMNS] = { NULL };

		for (c = 0; c < n; c++)
			col[c] = sector_at(f, t, n, rows - r, r, c,
					   rows - r + j);
		check_row(&t->policy, col);
	}
}

static void check_grid(struct fixture *f, const struct vfsr_trailer *t)
{
	u32 rows = (1u << (f->rec->strip_shift - 12)) - 1;
	u32 n = t->policy.k + t->policy.m, c, row, end;
	u32 *first = calloc(2 * (size_t)rows, sizeof(*first));
	u32 *depth = first + rows;

	for (c = 0; c < n; c++) {
		struct vfsr_trailer other;

		assert_int_equal(vfsr_trailer_decode(
					 sector_at(f, t, n, rows, 1, c, rows),
					 f->rec->pool_uuid, &other, NULL),
				 0);
		assert_int_equal(other.column, c);
		other.column = t->column;
		assert_memory_equal(&other, t, sizeof(other));
	}
	assert_true(vfsr_starts_test(t->starts, 0));
	for (row = 0; row < t->rows_used; row = end) {
		u32 i;

		for (end = row + 1; end < t->rows_used; end++)
			if (vfsr_starts_test(t->starts, end))
				break;
		for (i = row; i < end; i++) {
			first[i] = row;
			depth[i] = end - row;
		}
		check_stripe(f, t, row, end - row);
	}
	check_columns(f, t, first, depth, rows);
	free(first);
}

/* --- the map --- */

static u8 *read_place(struct fixture *f, struct vfsr_trailer *grids, u64 place,
		      u32 bytes)
{
	const struct vfsr_trailer *t = &grids[vfsr_place_grid(place)];
	u8 *out = calloc(1, bytes);
	u32 sector = vfsr_place_sector(place);
	u32 at = vfsr_place_byte(place), done = 0;
	u32 n = t->policy.k + t->policy.m;

	if (!t->policy.k)
		abort();
	while (done < bytes) {
		u32 row = sector / t->policy.k, first, end, l;
		u32 part = min_t(u32, bytes - done, SECTOR - at);

		/* the stripe that owns row sector / k owns the sector */
		for (first = row; !vfsr_starts_test(t->starts, first); first--)
			;
		for (end = row + 1; end < t->rows_used; end++)
			if (vfsr_starts_test(t->starts, end))
				break;
		l = sector - first * t->policy.k;
		memcpy(out + done,
		       sector_at(f, t, n, first, end - first, l / (end - first),
				 first + l % (end - first)) +
			       at,
		       part);
		done += part;
		at = 0;
		sector++;
	}
	return out;
}

static u64 walk_map(struct fixture *f, struct vfsr_trailer *grids,
		    unsigned int level, u64 index, u64 place, u32 crc, u32 len,
		    u32 free_ids)
{
	u8 *stored = read_place(f, grids, place, len);
	u8 page[VFSR_NODE_BYTES];
	struct vfsr_map_child child;
	struct vfsr_chunk c;
	u64 nr = 0;
	unsigned int i;

	assert_int_equal(vfsr_port_crc32c(0, stored, len), crc);
	if (len == VFSR_NODE_BYTES) {
		memcpy(page, stored, len);
	} else {
		void *ws = calloc(1, vfsr_port_inflate_ws_bytes());

		assert_int_equal(vfsr_port_inflate(ws, stored, len, page,
						   sizeof(page)),
				 0);
		vfsr_port_ws_release(ws);
		free(ws);
	}
	free(stored);
	assert_int_equal(vfsr_map_page_check(page, level, index,
					     f->rec->pool_uuid, NULL),
			 0);
	assert_int_equal(vfsr_map_page_free(page), free_ids);
	for (i = 0; level && i < VFSR_MAP_FANOUT; i++)
		if (vfsr_map_child_get(page, i, &child, NULL) == 1)
			nr += walk_map(f, grids, level - 1,
				       index * VFSR_MAP_FANOUT + i, child.place,
				       child.crc, child.len, child.free);
	for (i = 0; !level && i < VFSR_MAP_LEAF_ENTRIES; i++) {
		int got = vfsr_map_entry_get(page, i, &c, NULL);
		const struct expected *want;

		assert_true(got >= 0);
		if (!got)
			continue;
		want = &f->want[index * VFSR_MAP_LEAF_ENTRIES + i];
		assert_true(want->seen);
		assert_int_equal(c.place, want->c.place);
		assert_int_equal(c.crc, want->c.crc);
		assert_int_equal(c.refs, want->c.refs);
		assert_int_equal(c.stored, want->c.stored);
		assert_int_equal(c.logical, want->c.logical);
		assert_int_equal(c.kind, want->c.kind);
		assert_int_equal(c.state, want->c.state);
		assert_int_equal(c.birth, 1);
		nr++;
	}
	return nr;
}

/* --- all of it --- */

static void check_totals(struct fixture *f)
{
	u8 *record = calloc(1, VFSR_SLOT_BYTES);

	assert_int_equal(f->commits, 1);
	assert_int_equal(f->marked_stripes, f->stripes);
	assert_int_equal(f->stats.stripes, f->stripes);
	assert_int_equal(f->rec->next_serial, f->stripes + 1);
	assert_int_equal(f->stats.used_bytes, f->used);
	assert_int_equal(f->stats.stored_bytes, f->stored);
	assert_int_equal(f->stats.footer_bytes, f->footers);
	assert_int_equal(f->stats.gap_bytes, f->used - f->stored - f->footers);
	assert_int_equal(f->rec->live_bytes, f->live);
	assert_true(f->mark_bytes && f->mark_bytes < VFSR_SLOT_BYTES);
	/* the mark is member 0's record, to the byte */
	memcpy(record, f->mark, f->mark_bytes);
	assert_memory_equal(record,
			    f->image[0] + VFSR_BOOT_BYTES + VFSR_SLOT_BYTES,
			    VFSR_SLOT_BYTES);
	free(record);
}

void writer_check_pool(struct fixture *f)
{
	struct vfsr_strip *strips[MAX_DEVS] = { NULL };
	struct vfsr_trailer *grids;
	u32 *live[MAX_DEVS] = { NULL };
	u32 *columns, i, nr_grids;
	unsigned int m;

	check_records(f);
	nr_grids = (u32)f->rec->next_grid;
	grids = calloc(nr_grids, sizeof(*grids));
	columns = calloc(nr_grids, sizeof(*columns));
	f->grid_live = calloc(nr_grids, sizeof(*f->grid_live));
	for (m = 0; m < f->kind->nr_devs; m++) {
		u32 nr = f->rec->member[m].nr_strips;

		strips[m] = calloc(nr, sizeof(**strips));
		live[m] = calloc(nr, sizeof(**live));
		writer_check_table(f, m, strips[m], live[m]);
		for (i = 0; i < nr; i++) {
			const struct vfsr_strip *s = &strips[m][i];
			struct vfsr_trailer *t = &grids[s->grid];
			u32 bit = 1u << s->column;

			if (!s->grid)
				continue;
			assert_true(s->grid < nr_grids);
			assert_int_equal(s->state, VFSR_STRIP_SEALED);
			assert_false(columns[s->grid] & bit);
			columns[s->grid] |= bit;
			t->grid = s->grid;
			t->layout = s->layout;
			t->policy = s->policy;
			t->strip[s->column] = i;
			t->device[s->column] = (u8)m;
		}
	}
	for (i = 1; i < nr_grids; i++) {
		struct vfsr_trailer *t = &grids[i], real;
		u32 n = t->policy.k + t->policy.m;
		u32 rows = (1u << (f->rec->strip_shift - 12)) - 1;

		assert_int_equal(columns[i], (1u << n) - 1);
		assert_int_equal(vfsr_trailer_decode(
					 sector_at(f, t, n, rows, 1, 0, rows),
					 f->rec->pool_uuid, &real, NULL),
				 0);
		assert_memory_equal(real.strip, t->strip, sizeof(t->strip));
		assert_memory_equal(real.device, t->device, sizeof(t->device));
		*t = real;
		check_grid(f, t);
	}
	for (m = 0; m < f->kind->nr_devs; m++) {
		if (!strips[m] || !live[m])
			abort();
		for (i = 0; i < f->rec->member[m].nr_strips; i++)
			assert_int_equal(live[m][i],
					 f->grid_live[strips[m][i].grid]);
		free(strips[m]);
		free(live[m]);
	}
	check_totals(f);
	if (f->nr_want)
		assert_int_equal(walk_map(f, grids, f->rec->map_levels - 1u, 0,
					  f->rec->map_place, f->rec->map_crc,
					  f->rec->map_len, f->rec->map_free),
				 f->nr_want);
	else
		assert_int_equal(f->rec->map_place, 0);
	free(grids);
	free(columns);
}
