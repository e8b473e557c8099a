// SPDX-License-Identifier: GPL-2.0-only
/*
 * From strip tables to the list of grids.
 *
 * Every strip in use is a claim: this strip is that column of that grid. Claims
 * of a table that the chosen record names are strong; those of a stale
 * member's own older table, and labels found on strips whose table block is
 * lost in both copies, only fill gaps. Memory grows with what could really be
 * read from the devices, never with a count that a block states.
 */
#include <stdlib.h>

#include "lib/out.h"
#include "lib/pool_priv.h"

/* How much a claim is worth; the lowest wins. */
enum claim_rank {
	CLAIM_TABLE = 0,
	CLAIM_STALE = 1,
	CLAIM_LABEL = 2,
};

struct claim {
	u64 grid;
	u64 transaction;
	u32 strip;
	u32 live_bytes;
	struct vfsr_policy policy;
	u8 device, column;
	u8 state, layout, use;
	u8 rank; /* enum claim_rank */
	bool live_ok; /* live_bytes is known */
	bool denied; /* a label for a strip whose table is healthy */
};

struct loader {
	struct vfsr_pool *p;
	struct claim *claim;
	size_t nr, room;
	u8 *healthy[VFSR_MAX_MEMBERS]; /* a byte per table block */
	u32 nr_lost[VFSR_MAX_MEMBERS]; /* table blocks lost */
	struct vfsr_trailer trailer;
	u32 index_nr; /* index block in @index, ~0: none */
	u8 index[VFSR_SECTOR_BYTES] __attribute__((aligned(8)));
	u8 table[VFSR_SECTOR_BYTES] __attribute__((aligned(8)));
	u8 live[VFSR_SECTOR_BYTES] __attribute__((aligned(8)));
};

static int add_claim(struct loader *l, const struct claim *c)
{
	if (l->nr == l->room) {
		size_t room = l->room ? l->room * 2 : 1024;
		struct claim *bigger = realloc(l->claim, room * sizeof(*c));

		if (!bigger)
			return -ENOMEM;
		l->claim = bigger;
		l->room = room;
	}
	l->claim[l->nr++] = *c;
	return 0;
}

/*
 * Read block @block of a kind, @nr-th of the region, from the head region, else
 * from its copy at the end.
 */
static bool read_block(struct loader *l, u32 member, u8 kind, u32 block, u32 nr,
		       u32 slot, u32 crc, u8 *buf)
{
	const struct vfsr_member *m = &l->p->super->member[member];
	const u64 start[2] = { m->table_sector, m->tail_sector };
	struct vfsr_table_head want = {
		.block = block,
		.member = (u16)member,
		.kind = kind,
	};
	struct vfsr_fault f;
	u32 i;

	memcpy(want.pool_uuid, l->p->super->pool_uuid, VFSR_UUID_BYTES);
	for (i = 0; i < ARRAY_SIZE(start); i++) {
		u64 sector = start[i] + 2 * (u64)nr + slot;

		if (!vfsr_dev_read(l->p->dev[member], buf, VFSR_SECTOR_BYTES,
				   sector * VFSR_SECTOR_BYTES) &&
		    !vfsr_table_check(buf, &want, crc, &f))
			return true;
	}
	return false;
}

/* Counts of a member's table region. */
struct counts {
	u32 table, live, index;
};

/* Read table or live block by its reference number, through its index block. */
static bool read_by_ref(struct loader *l, u32 member,
			const struct vfsr_index_root *roots,
			const struct counts *n, u32 ref_nr, u8 *buf)
{
	u32 index = ref_nr / VFSR_REFS_PER_BLOCK;
	struct vfsr_table_ref ref;
	struct vfsr_fault f;
	bool live = ref_nr >= n->table;

	if (index >= n->index || roots[index].slot > 1)
		return false;
	if (l->index_nr != index) {
		l->index_nr = ~0u;
		if (!read_block(l, member, VFSR_TABLE_INDEX, index, index,
				roots[index].slot, roots[index].crc, l->index))
			return false;
		l->index_nr = index;
	}
	if (vfsr_ref_get(l->index, ref_nr % VFSR_REFS_PER_BLOCK, &ref, &f))
		return false;
	return read_block(l, member, live ? VFSR_TABLE_LIVE : VFSR_TABLE_STRIPS,
			  live ? ref_nr - n->table : ref_nr, n->index + ref_nr,
			  ref.slot, ref.crc, buf);
}

/* Claims of one table block that is in l->table. */
static int claim_block(struct loader *l, u32 member, u32 block, u8 rank,
		       bool live_ok)
{
	const struct vfsr_super *s = l->p->super;
	u32 first = block * (u32)VFSR_STRIPS_PER_BLOCK;
	struct vfsr_strip strip;
	struct vfsr_fault f;
	struct claim c = { .device = (u8)member, .rank = rank };
	u32 i;
	int err;

	for (i = 0; i < VFSR_STRIPS_PER_BLOCK; i++) {
		if (first + i >= s->member[member].nr_strips)
			break;
		if (vfsr_strip_decode(l->table, i, s->strip_shift, &strip,
				      &f)) {
			vfsr_complain(l->p->name, (int)member, 0, 0, &f);
			continue;
		}
		if (!strip.grid || strip.state == VFSR_STRIP_FREE)
			continue;
		c.grid = strip.grid;
		c.transaction = strip.transaction;
		c.strip = first + i;
		c.live_ok = live_ok;
		c.live_bytes = 0;
		if (live_ok)
			c.live_bytes = vfsr_live_get(
				l->live, c.strip % VFSR_LIVES_PER_BLOCK);
		c.policy = strip.policy;
		c.column = strip.column;
		c.state = strip.state;
		c.layout = strip.layout;
		c.use = strip.use;
		err = add_claim(l, &c);
		if (err)
			return err;
	}
	return 0;
}

/* All claims of one member's tables. */
static int load_member(struct loader *l, u32 member,
		       const struct vfsr_super *own)
{
	const struct vfsr_super *s = l->p->super;
	const struct vfsr_member *m = &s->member[member];
	const struct vfsr_index_root *roots = m->index;
	u8 rank = CLAIM_TABLE;
	struct counts n;
	bool live_ok = false;
	u32 block;
	int err;

	vfsr_table_counts(m->nr_strips, &n.table, &n.live, &n.index);
	l->healthy[member] = calloc(n.table, 1);
	if (!l->healthy[member])
		return -ENOMEM;
	if (l->p->ignore_tables) {
		l->nr_lost[member] = n.table;
		return 0;
	}
	l->index_nr = ~0u;
	/* a stale member still has its own tables, not those of the record */
	if (own && (own->epoch != s->epoch || own->sequence != s->sequence) &&
	    !read_by_ref(l, member, roots, &n, 0, l->table)) {
		roots = own->member[member].index;
		rank = CLAIM_STALE;
	}
	for (block = 0; block < n.table; block++) {
		u32 strip = block * (u32)VFSR_STRIPS_PER_BLOCK;

		if (strip % VFSR_LIVES_PER_BLOCK == 0)
			live_ok = read_by_ref(
				l, member, roots, &n,
				n.table + strip / (u32)VFSR_LIVES_PER_BLOCK,
				l->live);
		if (!read_by_ref(l, member, roots, &n, block, l->table)) {
			l->nr_lost[member]++;
			continue;
		}
		l->healthy[member][block] = rank == CLAIM_TABLE;
		err = claim_block(l, member, block, rank, live_ok);
		if (err)
			return err;
	}
	if (l->nr_lost[member])
		vfsr_warn(
			"%s: both copies of %u of its %u strip table blocks are damaged; finding its strips by their labels, run vfsr verify --repair",
			l->p->dev[member]->path, l->nr_lost[member], n.table);
	return 0;
}

/* Does a healthy table block speak for this strip? */
static bool spoken_for(const struct loader *l, u32 device, u32 strip)
{
	if (device >= l->p->super->nr_members || !l->healthy[device] ||
	    strip >= l->p->super->member[device].nr_strips)
		return false;
	return l->healthy[device][strip / VFSR_STRIPS_PER_BLOCK];
}

/*
 * Claims of a label found on a strip: of the column that is there (of all in an
 * interleaved grid), and of one that a healthy table speaks for. If that
 * table says nothing of the grid, the grid was freed and the label is old.
 */
static int claim_label(struct loader *l, u32 member, u32 strip,
		       const struct claim *form, const u8 *device,
		       const u32 *strips)
{
	u32 n = (u32)form->policy.k + form->policy.m;
	bool here = false, denied = false;
	struct claim c = *form;
	u32 col;
	int err;

	for (col = 0; col < n; col++)
		here |= device[col] == member && strips[col] == strip;
	for (col = 0; here && col < n; col++) {
		c.denied = spoken_for(l, device[col], strips[col]);
		if (c.denied ? denied :
			       device[col] != member ||
				       (strips[col] != strip &&
					form->layout == VFSR_LAYOUT_SPREAD))
			continue;
		denied |= c.denied;
		c.column = (u8)col;
		c.device = device[col];
		c.strip = strips[col];
		err = add_claim(l, &c);
		if (err)
			return err;
	}
	return 0;
}

/* Look at the label of one strip. */
static int scan_strip(struct loader *l, u32 member, u32 strip)
{
	const u8 *uuid = l->p->super->pool_uuid;
	struct vfsr_trailer *t = &l->trailer;
	u32 last = (1u << (l->p->super->strip_shift - VFSR_SECTOR_SHIFT)) - 1;
	struct vfsr_footer ft;
	struct claim c = { .rank = CLAIM_LABEL, .state = VFSR_STRIP_SEALED };
	struct vfsr_fault f;
	s64 pos = vfsr_strip_pos(l->p, member, strip, last);

	if (pos >= 0 &&
	    !vfsr_dev_read(l->p->dev[member], l->table, VFSR_SECTOR_BYTES,
			   (u64)pos) &&
	    !vfsr_trailer_decode(l->table, uuid, t, &f)) {
		c.grid = t->grid;
		c.transaction = t->transaction;
		c.policy = t->policy;
		c.layout = t->layout;
		c.use = t->use;
		return claim_label(l, member, strip, &c, t->device, t->strip);
	}
	pos = vfsr_strip_pos(l->p, member, strip, 0);
	if (pos >= 0 &&
	    !vfsr_dev_read(l->p->dev[member], l->table, VFSR_SECTOR_BYTES,
			   (u64)pos) &&
	    !vfsr_footer_decode(l->table, uuid, &ft, &f)) {
		c.grid = ft.grid;
		c.transaction = ft.transaction;
		c.policy = ft.policy;
		c.layout = ft.layout;
		c.use = ft.use;
		return claim_label(l, member, strip, &c, ft.device, ft.strip);
	}
	return 0;
}

static int scan_member(struct loader *l, u32 member)
{
	const struct vfsr_member *m = &l->p->super->member[member];
	u32 strip;
	int err;

	if (!l->nr_lost[member])
		return 0;
	for (strip = 0; strip < m->nr_strips; strip++) {
		s64 pos = vfsr_strip_pos(l->p, member, strip, 0);

		if (pos < 0 || (u64)pos >= l->p->dev[member]->bytes)
			break;
		if (spoken_for(l, member, strip))
			continue;
		err = scan_strip(l, member, strip);
		if (err)
			return err;
	}
	return 0;
}

/* By grid, then column, then worth, newest first. */
static int compare_claims(const void *va, const void *vb)
{
	const struct claim *a = va, *b = vb;

	if (a->grid != b->grid)
		return a->grid < b->grid ? -1 : 1;
	if (a->column != b->column)
		return a->column < b->column ? -1 : 1;
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	if (a->transaction != b->transaction)
		return a->transaction > b->transaction ? -1 : 1;
	if (a->device != b->device)
		return a->device < b->device ? -1 : 1;
	return a->strip < b->strip ? -1 : a->strip > b->strip;
}

/* Make a grid of the claims [c, end), all of one id. false: it is none. */
static bool make_grid(struct loader *l, const struct claim *c,
		      const struct claim *end, struct vfsr_grid *g)
{
	const struct claim *best = c, *i;
	bool strong = false, denied = false;
	struct vfsr_fault f;

	for (i = c; i < end; i++) {
		strong |= i->rank == CLAIM_TABLE;
		denied |= i->denied;
		if (i->rank < best->rank ||
		    (i->rank == best->rank &&
		     i->transaction > best->transaction))
			best = i;
	}
	if (denied && !strong)
		return false;
	memset(g, 0, sizeof(*g));
	g->id = c->grid;
	if (vfsr_geometry_init(&g->g, &best->policy, l->p->super->strip_shift,
			       best->layout, &f)) {
		vfsr_complain(l->p->name, best->device, c->grid, 0, &f);
		return false;
	}
	g->state = best->state;
	g->use = best->use;
	for (i = c; i < end; i++) {
		if (i->live_ok && i->rank == CLAIM_TABLE && !g->live_bytes)
			g->live_bytes = i->live_bytes;
		if (i->column >= g->g.n || i->denied ||
		    g->known >> i->column & 1 || i->layout != best->layout ||
		    memcmp(&i->policy, &best->policy, sizeof(i->policy)))
			continue;
		g->known |= 1u << i->column;
		g->strip[i->column] = i->strip;
		g->device[i->column] = i->device;
		if (i->rank != CLAIM_TABLE)
			g->unsure |= 1u << i->column;
	}
	return g->known != 0;
}

/* An open grid is as the record says, whatever the tables say. */
static bool apply_open(struct vfsr_grid *g, const struct vfsr_open_grid *o,
		       u8 strip_shift)
{
	u32 live_bytes = g->id == o->grid ? g->live_bytes : 0;
	struct vfsr_geometry geometry;
	u32 col;

	if (vfsr_geometry_init(&geometry, &o->policy, strip_shift, o->layout,
			       NULL) ||
	    !vfsr_starts_ok(&geometry, o->starts, o->rows_used, NULL))
		return false;
	memset(g, 0, sizeof(*g));
	g->id = o->grid;
	g->g = geometry;
	g->use = o->use;
	g->state = o->reserved ? VFSR_STRIP_RESERVED : VFSR_STRIP_OPEN;
	g->live_bytes = live_bytes;
	for (col = 0; col < g->g.n; col++) {
		g->known |= 1u << col;
		g->strip[col] = o->strip[col];
		g->device[col] = o->device[col];
	}
	g->rows_used = o->rows_used;
	memcpy(g->starts, o->starts, sizeof(g->starts));
	g->loaded = true;
	return true;
}

static int compare_grids(const void *va, const void *vb)
{
	const struct vfsr_grid *a = va, *b = vb;

	return a->id < b->id ? -1 : a->id > b->id;
}

static int make_grids(struct loader *l)
{
	struct vfsr_pool *p = l->p;
	const struct vfsr_super *s = p->super;
	size_t nr = s->nr_open, i, end;
	struct vfsr_grid *g;

	if (l->nr)
		qsort(l->claim, l->nr, sizeof(*l->claim), compare_claims);
	for (i = 0; i < l->nr; i++)
		nr += !i || l->claim[i].grid != l->claim[i - 1].grid;
	p->grid = calloc(nr ? nr : 1, sizeof(*p->grid));
	if (!p->grid)
		return -ENOMEM;
	for (i = 0; i < l->nr; i = end) {
		for (end = i + 1;
		     end < l->nr && l->claim[end].grid == l->claim[i].grid;)
			end++;
		if (make_grid(l, l->claim + i, l->claim + end,
			      &p->grid[p->nr_grids]))
			p->nr_grids++;
	}
	nr = p->nr_grids;
	for (i = 0; i < s->nr_open; i++) {
		struct vfsr_grid key = { .id = s->open[i].grid };

		g = bsearch(&key, p->grid, nr, sizeof(*g), compare_grids);
		if (g)
			apply_open(g, &s->open[i], s->strip_shift);
		else
			p->nr_grids += apply_open(&p->grid[p->nr_grids],
						  &s->open[i], s->strip_shift);
	}
	if (p->nr_grids)
		qsort(p->grid, p->nr_grids, sizeof(*p->grid), compare_grids);
	return 0;
}

int pool_load_tables(struct vfsr_pool *p, struct vfsr_super *const *own)
{
	struct loader *l = calloc(1, sizeof(*l));
	int err = 0;
	u32 i;

	if (!l)
		return -ENOMEM;
	l->p = p;
	for (i = 0; !err && i < p->super->nr_members; i++)
		if (p->dev[i])
			err = load_member(l, i, own[i]);
	for (i = 0; !err && i < p->super->nr_members; i++)
		if (p->dev[i])
			err = scan_member(l, i);
	if (!err)
		err = make_grids(l);
	for (i = 0; i < VFSR_MAX_MEMBERS; i++)
		free(l->healthy[i]);
	free(l->claim);
	free(l);
	return err;
}

struct vfsr_grid *vfsr_pool_grid(struct vfsr_pool *p, u64 id)
{
	u32 low = 0, high = p->nr_grids;

	while (low < high) {
		u32 mid = low + (high - low) / 2;

		if (p->grid[mid].id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low < p->nr_grids && p->grid[low].id == id ? &p->grid[low] :
							    NULL;
}
