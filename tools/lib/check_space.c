// SPDX-License-Identifier: GPL-2.0-only
/*
 * The part of the check that looks at members and grids: every copy of the
 * record and of the strip tables, every trailer, every footer and its entry
 * table, and whether these and the map tell the same.
 */
#include <stdlib.h>

#include "lib/check_priv.h"
#include "lib/out.h"

/* The head and the tail copy of something on one member. */
#define NR_COPIES 2

/*
 * A power cut in the middle of writing a record, be it the last one of an
 * unmount, leaves copies of it that are still what was in their slots before, or
 * a part of that and a part of the record. The next mount writes all anew.
 * A member without any copy has the record before.
 */
static bool may_be_cut(const struct check *c, unsigned int m)
{
	const struct vfsr_super *want = c->pool->super;

	return c->pool->seen_epoch[m] == want->epoch &&
	       c->pool->seen_sequence[m] + 1 >= want->sequence;
}

static bool is_older(const struct check *c, const struct vfsr_disk_super *d)
{
	const struct vfsr_super *want = c->pool->super;

	return le32_to_cpu(d->magic) == VFSR_SUPER_MAGIC &&
	       !memcmp(d->pool_uuid, want->pool_uuid, VFSR_UUID_BYTES) &&
	       le64_to_cpu(d->sequence) < want->sequence;
}

/* Does a copy that is no record begin like the newest one, or as its slot did
 * before? @s and @buf are scratch. */
static bool is_torn(const struct check *c, unsigned int m, const u8 *slot,
		    struct vfsr_super *s, u8 *buf)
{
	const struct vfsr_super *want = c->pool->super;
	const struct vfsr_disk_super *d = (const void *)slot;

	*s = *want;
	s->this_member = (u16)m;
	memset(buf, 0, VFSR_SLOT_BYTES);
	/* a slot that was never used */
	if (want->sequence <= VFSR_RING_SLOTS && !memcmp(slot, buf, sizeof(*d)))
		return true;
	vfsr_super_encode(s, buf);
	return !memcmp(slot, buf, sizeof(*d)) || is_older(c, d);
}

/* No finding: the pool is as a power cut may leave it. But it may be damage. */
static void say_cut(const struct check *c, unsigned int m, u64 pos)
{
	vfsr_info(
		"%s: the copy of the newest record at byte %llu is not whole, as a power cut leaves it; the next writable mount writes it anew",
		c->pool->dev[m]->path, (unsigned long long)pos);
}

static void check_record(struct check *c, unsigned int m,
			 const struct vfsr_super *s)
{
	const struct vfsr_super *want = c->pool->super;

	if (memcmp(s->pool_uuid, want->pool_uuid, VFSR_UUID_BYTES))
		vfsr_check_bad(c, VFSR_REASON_UUID, (int)m, 0, 0, 0, 0);
	else if (s->epoch != want->epoch || s->sequence != want->sequence)
		vfsr_check_bad(c, VFSR_REASON_STALE, (int)m, 0, 0, s->sequence,
			       want->sequence);
	else if (s->this_member != m)
		vfsr_check_bad(c, VFSR_REASON_SELF, (int)m, 0, 0,
			       s->this_member, m);
}

/* @slot has room for two. */
static void check_ring(struct check *c, unsigned int m, struct vfsr_super *s,
		       u8 *slot)
{
	const struct vfsr_super *want = c->pool->super;
	u64 ring[NR_COPIES] = {
		VFSR_BOOT_BYTES,
		want->member[m].bytes - VFSR_RING_BYTES,
	};
	bool cut = may_be_cut(c, m);
	unsigned int i;

	for (i = 0; i < NR_COPIES; i++) {
		u64 pos = ring[i] +
			  want->sequence % VFSR_RING_SLOTS * VFSR_SLOT_BYTES;
		struct vfsr_fault f = { .reason = VFSR_REASON_NO_SUPER };
		bool there = !vfsr_dev_read(c->pool->dev[m], slot,
					    VFSR_SLOT_BYTES, pos);

		bool good = there &&
			    !vfsr_super_decode(slot, VFSR_SLOT_BYTES, s, &f);

		if (good && !(cut && is_older(c, (const void *)slot))) {
			check_record(c, m, s);
		} else if (there && cut &&
			   is_torn(c, m, slot, s, slot + VFSR_SLOT_BYTES)) {
			say_cut(c, m, pos);
		} else {
			f.where = pos;
			vfsr_check_found(c, (int)m, 0, 0, &f);
		}
	}
}

/* One copy of a member's table region. */
struct region {
	struct check *c;
	unsigned int member;
	u64 sector; /* first */
	u32 nr_table, nr_live, nr_index;
	u8 *block; /* 4 KiB */
	u8 *index; /* 4 KiB */
	u32 *owner; /* by strip: 1 + index in pool->grid, 0: free */
};

static int read_block(struct region *r, u8 *block, u32 number, u32 in_kind,
		      u8 kind, const struct vfsr_table_ref *ref)
{
	struct vfsr_table_head head = { .member = (u16)r->member,
					.kind = kind,
					.block = in_kind };
	u64 pos = (r->sector + 2ull * number + ref->slot) * VFSR_SECTOR_BYTES;
	struct vfsr_fault f = { .reason = VFSR_REASON_CRC };
	int err;

	memcpy(head.pool_uuid, r->c->pool->super->pool_uuid, VFSR_UUID_BYTES);
	err = vfsr_dev_read(r->c->pool->dev[r->member], block,
			    VFSR_SECTOR_BYTES, pos);
	if (!err)
		err = vfsr_table_check(block, &head, ref->crc, &f);
	if (err) {
		f.where = pos;
		vfsr_check_found(r->c, (int)r->member, 0, 0, &f);
	}
	return err;
}

/* Is a strip's entry what the grid list was made from? */
static void check_strip(struct region *r, u32 number, const u8 *block, u32 i)
{
	struct vfsr_fault f = { 0 };
	struct vfsr_strip s;
	struct vfsr_grid *g;

	if (vfsr_strip_decode(block, i, r->c->pool->super->strip_shift, &s,
			      &f)) {
		vfsr_check_found(r->c, (int)r->member, 0, 0, &f);
		return;
	}
	if (!s.grid)
		return;
	g = vfsr_pool_grid(r->c->pool, s.grid);
	if (!g || s.column >= g->g.n || g->device[s.column] != r->member ||
	    g->strip[s.column] != number || s.policy.k != g->g.k ||
	    s.policy.m != g->g.m || s.policy.r != g->g.r ||
	    s.layout != g->g.layout || s.use != g->use || s.state != g->state)
		vfsr_check_bad(r->c, VFSR_REASON_STRIP, (int)r->member, s.grid,
			       0, number, s.column);
}

static void check_live(struct region *r, u32 number, u32 live)
{
	struct vfsr_grid *g = NULL;
	u32 want = 0;

	if (r->owner[number]) {
		g = &r->c->pool->grid[r->owner[number] - 1];
		want = g->live_bytes;
	}
	if (live != want)
		vfsr_check_bad(r->c, VFSR_REASON_LIVE, (int)r->member,
			       g ? g->id : 0, 0, live, want);
}

/* All entries of one block that is right in itself. */
static void check_block(struct region *r, u32 in_kind, bool live)
{
	u32 per = live ? (u32)VFSR_LIVES_PER_BLOCK : (u32)VFSR_STRIPS_PER_BLOCK;
	u32 nr_strips = r->c->pool->super->member[r->member].nr_strips;
	u32 i, n;

	for (i = 0; i < per; i++) {
		n = in_kind * per + i;
		if (n >= nr_strips)
			return;
		if (live)
			check_live(r, n, vfsr_live_get(r->block, i));
		else
			check_strip(r, n, r->block, i);
	}
}

static void check_region(struct region *r)
{
	const struct vfsr_member *m = &r->c->pool->super->member[r->member];
	u32 per = (u32)VFSR_REFS_PER_BLOCK, all = r->nr_table + r->nr_live;
	u32 x, b;

	for (x = 0; x < r->nr_index; x++) {
		struct vfsr_table_ref ref = { m->index[x].crc,
					      m->index[x].slot };
		struct vfsr_fault f = { 0 };

		if (read_block(r, r->index, x, x, VFSR_TABLE_INDEX, &ref))
			continue;
		for (b = x * per; b < all && b < (x + 1) * per; b++) {
			bool live = b >= r->nr_table;
			u32 in_kind = live ? b - r->nr_table : b;

			if (vfsr_ref_get(r->index, b - x * per, &ref, &f)) {
				vfsr_check_found(r->c, (int)r->member, 0, 0,
						 &f);
				continue;
			}
			if (!read_block(r, r->block, r->nr_index + b, in_kind,
					live ? VFSR_TABLE_LIVE :
					       VFSR_TABLE_STRIPS,
					&ref))
				check_block(r, in_kind, live);
		}
	}
}

/* Which grid owns each strip of a member, as the grid list says. */
static u32 *map_owners(struct check *c, unsigned int m)
{
	u32 nr = c->pool->super->member[m].nr_strips, i, col;
	u32 *owner = calloc(nr + 1u, sizeof(*owner));

	for (i = 0; owner && i < c->pool->nr_grids; i++) {
		struct vfsr_grid *g = &c->pool->grid[i];

		for (col = 0; col < g->g.n; col++)
			if (g->known >> col & 1 && g->device[col] == m &&
			    g->strip[col] < nr)
				owner[g->strip[col]] = i + 1;
	}
	return owner;
}

static int check_member(struct check *c, unsigned int m, struct vfsr_super *s,
			u8 *slot, u8 *blocks)
{
	const struct vfsr_member *mem = &c->pool->super->member[m];
	u64 sector[NR_COPIES] = { mem->table_sector, mem->tail_sector };
	struct region r = { .c = c,
			    .member = m,
			    .block = blocks,
			    .index = blocks + VFSR_SECTOR_BYTES };
	unsigned int i;

	if (mem->state == VFSR_MEMBER_NONE)
		return 0;
	if (!c->pool->dev[m]) {
		/* what the record gave up already is no finding */
		if (mem->state == VFSR_MEMBER_FAILED)
			return 0;
		vfsr_check_bad(c, VFSR_REASON_NO_DEVICE, (int)m, 0, 0, 0, 0);
		return 0;
	}
	check_ring(c, m, s, slot);
	r.owner = map_owners(c, m);
	if (!r.owner)
		return -ENOMEM;
	vfsr_table_counts(mem->nr_strips, &r.nr_table, &r.nr_live, &r.nr_index);
	for (i = 0; i < NR_COPIES; i++) {
		r.sector = sector[i];
		check_region(&r);
	}
	free(r.owner);
	return 0;
}

int vfsr_check_members(struct check *c)
{
	struct vfsr_super *s = calloc(1, sizeof(*s));
	u8 *slot = malloc(2 * VFSR_SLOT_BYTES);
	u8 *blocks = malloc(2 * VFSR_SECTOR_BYTES);
	unsigned int m;
	int err = -ENOMEM;

	if (!s || !slot || !blocks)
		goto out;
	err = 0;
	for (m = 0; m < c->pool->super->nr_members && !err; m++)
		err = check_member(c, m, s, slot, blocks);
out:
	free(s);
	free(slot);
	free(blocks);
	return err;
}

/* --- grids --- */

/* A sealed grid that was loaded without any trailer has no crcs of its own. */
static bool same_parity_crcs(const struct vfsr_trailer *t,
			     const struct vfsr_grid *g)
{
	return !g->g.r || (g->parity_crc &&
			   !memcmp(t->parity_crc, g->parity_crc,
				   g->g.n * g->g.r * sizeof(*t->parity_crc)));
}

/* Every present column of a sealed grid has its trailer, and they agree. */
static void check_trailers(struct check *c, struct vfsr_grid *g, u8 *sector,
			   struct vfsr_trailer *t)
{
	u32 col, i;

	for (col = 0; col < g->g.n && g->state == VFSR_STRIP_SEALED; col++) {
		struct vfsr_strip_pos at;
		struct vfsr_fault f = { .reason = VFSR_REASON_CRC };
		int dev;
		s64 pos;

		at = vfsr_row_place(&g->g, NULL, col, g->g.rows);
		if (!(g->known >> at.strip & 1)) {
			vfsr_check_bad(c, VFSR_REASON_STRIP, -1, g->id, 0, col,
				       g->g.n);
			continue;
		}
		dev = g->device[at.strip];
		pos = vfsr_strip_pos(c->pool, (u32)dev, g->strip[at.strip],
				     at.sector);
		if (pos < 0)
			continue; /* a missing device was reported */
		if (vfsr_dev_read(c->pool->dev[dev], sector, VFSR_SECTOR_BYTES,
				  (u64)pos) ||
		    vfsr_trailer_decode(sector, c->pool->super->pool_uuid, t,
					&f)) {
			vfsr_check_found(c, dev, g->id, 0, &f);
			continue;
		}
		if (t->grid != g->id || t->column != col ||
		    t->rows_used != g->rows_used ||
		    memcmp(t->starts, g->starts, sizeof(t->starts)) ||
		    !same_parity_crcs(t, g))
			vfsr_check_bad(c, VFSR_REASON_SELF, dev, g->id, 0,
				       t->grid, g->id);
		for (i = 0; i < g->g.n; i++)
			if (g->known >> i & 1 &&
			    (t->device[i] != g->device[i] ||
			     t->strip[i] != g->strip[i]))
				vfsr_check_bad(c, VFSR_REASON_STRIP, dev, g->id,
					       0, t->strip[i], g->strip[i]);
	}
}

/* The entries of one stripe against the map. */
static void check_entries(struct check *c, struct vfsr_grid *g,
			  const struct vfsr_footer *ft, const u8 *table)
{
	struct vfsr_entries walk;
	struct vfsr_fault f = { 0 };
	struct vfsr_chunk e;
	int got;

	vfsr_entries_init(&walk, table, ft->entries_bytes, ft->nr_entries,
			  ft->policy.k, ft->row, ft->depth, ft->entries_start,
			  ft->transaction, ft->grid);
	while ((got = vfsr_entries_next(&walk, &e, &f)) == 1) {
		struct check_id *id;

		if (e.kind == VFSR_KIND_MAP || e.kind == VFSR_KIND_COMMIT)
			continue;
		id = vfsr_check_find(c, e.id);
		if (!id || id->place != e.place)
			continue; /* moved or freed since */
		if (id->crc != e.crc || id->stored != e.stored ||
		    id->logical != e.logical || id->kind != e.kind ||
		    id->state != e.state || id->birth != e.birth)
			vfsr_check_bad(c, VFSR_REASON_ENTRY, -1, g->id, e.id,
				       e.crc, id->crc);
		else
			id->flags |= ID_CONFIRMED;
	}
	if (got < 0)
		vfsr_check_found(c, -1, g->id, 0, &f);
}

static int by_place(const void *a, const void *b)
{
	const u64 *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/*
 * Is there anything in use in linear sectors [@first, @end) of a grid? What was
 * lost of an unfinished transaction, or of pages that were replaced, is no
 * finding. Without memory for the answer: yes.
 */
static bool in_use(struct check *c, u64 grid, u32 first, u32 end)
{
	u64 from = vfsr_place_make(grid, first, 0), to;
	size_t low = 0, high = c->nr, i;

	if (check_is_partial(c))
		return true;
	if (!c->places && c->nr) {
		c->places = malloc(c->nr * sizeof(*c->places));
		if (!c->places)
			return true;
		for (i = 0; i < c->nr; i++)
			c->places[i] = c->id[i].place;
		qsort(c->places, c->nr, sizeof(*c->places), by_place);
	}
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (c->places[mid] < from)
			low = mid + 1;
		else
			high = mid;
	}
	to = from + ((u64)(end - first) << VFSR_SECTOR_SHIFT);
	return low < c->nr && c->places[low] < to;
}

static void check_stripe(struct check *c, struct vfsr_grid *g,
			 const struct vfsr_extent_rows *rows, u8 *buf)
{
	struct vfsr_stripe *st;
	u32 first = rows->row * g->g.k, end = first + rows->depth * g->g.k;
	const u8 *table;
	int err;

	c->stats->stripes++;
	err = vfsr_stripe_get(c->pool, g, rows, c->ws, &st);
	if (err) {
		if (!in_use(c, g->id, first, end))
			return;
		vfsr_check_bad(c, VFSR_REASON_LOST, -1, g->id, 0, rows->row,
			       (u64)-err);
		return;
	}
	if (st->ft.transaction > c->pool->super->transaction ||
	    st->ft.serial >= c->pool->super->next_serial)
		vfsr_check_bad(c, VFSR_REASON_ORDER, -1, g->id, 0,
			       st->ft.transaction, c->pool->super->transaction);
	err = vfsr_stripe_entries(c->pool, g, st, buf, c->ws, &table);
	if (err && in_use(c, g->id, first, end))
		vfsr_check_bad(c, VFSR_REASON_LOST, -1, g->id, 0, rows->row,
			       st->ft.entries_start);
	if (!err)
		check_entries(c, g, &st->ft, table);
	vfsr_stripe_put(c->pool, st);
}

int vfsr_check_grids(struct check *c)
{
	struct vfsr_trailer *t = malloc(sizeof(*t));
	u8 *buf = malloc(VFSR_MAX_STRIPE_SECTORS * VFSR_SECTOR_BYTES);
	u32 i, row;
	size_t n;
	int err = -ENOMEM;

	if (!t || !buf)
		goto out;
	err = 0;
	for (i = 0; i < c->pool->nr_grids; i++) {
		struct vfsr_grid *g = &c->pool->grid[i];
		struct vfsr_extent_rows rows;

		c->stats->grids++;
		err = vfsr_grid_load(c->pool, g, c->ws);
		if (err == -ENOMEM)
			goto out;
		if (err) {
			vfsr_check_bad(c, VFSR_REASON_LOST, -1, g->id, 0,
				       (u64)-err, 0);
			err = 0;
			continue;
		}
		check_trailers(c, g, buf, t);
		for (row = 0; row < g->rows_used; row = rows.row + rows.depth) {
			if (vfsr_stripe_at(&g->g, g->starts, g->rows_used, row,
					   &rows))
				break;
			check_stripe(c, g, &rows, buf);
		}
	}
	for (n = 0; n < c->nr; n++)
		if (!(c->id[n].flags & ID_CONFIRMED))
			vfsr_check_bad(c, VFSR_REASON_ENTRY, -1,
				       vfsr_place_grid(c->id[n].place),
				       c->id[n].id, 0, c->id[n].crc);
out:
	free(t);
	free(buf);
	return err;
}
