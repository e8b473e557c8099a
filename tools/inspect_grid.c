// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfsr inspect grid and footer: where a grid lies, its stripes and trailers;
 * one stripe's label and entries.
 */
#include <stdlib.h>

#include "cmd.h"
#include "core/footer.h"
#include "inspect.h"

/* The grid an argument names; its stripes are loaded. NULL: reported. */
static struct vfsr_grid *find_grid(struct inspect *in, int *code)
{
	struct vfsr_grid *g;
	u64 id;
	int err;

	*code = VFSR_EXIT_USAGE;
	if (!inspect_number(in->arg[0], &id)) {
		vfsr_error(
			"'%s' is no grid id; 'vfsr inspect strips' lists the grids",
			in->arg[0]);
		return NULL;
	}
	*code = VFSR_EXIT_FAILED;
	g = vfsr_pool_grid(in->p, id);
	if (!g) {
		vfsr_error(
			"pool %s has no grid %llu; 'vfsr inspect strips' lists the grids",
			in->p->name, (unsigned long long)id);
		return NULL;
	}
	err = vfsr_grid_load(in->p, g, in->ws);
	*code = err ? VFSR_EXIT_LOST : VFSR_EXIT_OK;
	return g;
}

static void put_grid(struct json_object *to, const struct vfsr_grid *g)
{
	struct vfsr_policy policy = { g->g.k, g->g.m, g->g.r };

	inspect_put_id(to, "grid", g->id);
	inspect_put_policy(to, "policy", &policy);
	inspect_put_u64(to, "k", g->g.k);
	inspect_put_u64(to, "m", g->g.m);
	inspect_put_u64(to, "r", g->g.r);
	inspect_put_text(to, "layout", inspect_layout_name(g->g.layout));
	inspect_put_text(to, "use", inspect_use_name(g->use));
	inspect_put_text(to, "state", inspect_strip_state_name(g->state));
	inspect_put_u64(to, "strip_bytes",
			(u64)g->g.strip_sectors * VFSR_SECTOR_BYTES);
	inspect_put_u64(to, "rows", g->g.rows);
	inspect_put_u64(to, "data_rows", g->g.data_rows);
	inspect_put_u64(to, "full_depth", g->g.depth);
	inspect_put_u64(to, "rows_used", g->rows_used);
	inspect_put_u64(to, "live", g->live_bytes);
}

/* --- columns --- */

/* What is in the place of a column's trailer. */
static const char *trailer_status(const struct inspect *in,
				  const struct vfsr_grid *g, u32 col,
				  struct vfsr_trailer *t, u8 *sector, s64 *pos)
{
	int member;

	*pos = vfsr_grid_pos(in->p, g, NULL, col, g->g.rows, &member);
	if (g->state != VFSR_STRIP_SEALED)
		return "none";
	if (*pos < 0)
		return "missing";
	if (vfsr_dev_read(in->p->dev[member], sector, VFSR_SECTOR_BYTES,
			  (u64)*pos) ||
	    vfsr_trailer_decode(sector, in->p->super->pool_uuid, t, NULL) ||
	    t->grid != g->id || t->column != col)
		return "damaged";
	return "ok";
}

static int put_columns(const struct inspect *in, const struct vfsr_grid *g)
{
	struct json_object *list = inspect_put_list(in->root, "columns");
	struct vfsr_trailer *t = malloc(sizeof(*t));
	u8 *sector = aligned_alloc(VFSR_SECTOR_BYTES, VFSR_SECTOR_BYTES);
	u32 col;
	s64 pos;

	if (!t || !sector) {
		free(t);
		free(sector);
		return -ENOMEM;
	}
	for (col = 0; col < g->g.n; col++) {
		struct json_object *o = inspect_add_object(list);
		bool known = g->known >> col & 1;
		const char *status;

		inspect_put_u64(o, "column", col);
		inspect_put_text(o, "role", col < g->g.k ? "data" : "parity");
		inspect_put_member(o, in->p, known ? g->device[col] : -1);
		if (known)
			inspect_put_u64(o, "strip", g->strip[col]);
		pos = known ? vfsr_strip_pos(in->p, g->device[col],
					     g->strip[col], 0) :
			      -1;
		if (pos >= 0)
			inspect_put_u64(o, "offset", (u64)pos);
		status = trailer_status(in, g, col, t, sector, &pos);
		inspect_put_text(o, "trailer", status);
		if (pos >= 0)
			inspect_put_u64(o, "trailer_offset", (u64)pos);
	}
	free(sector);
	free(t);
	return 0;
}

/* --- stripes --- */

/* The next stripe at or after a row. false: there is none. */
static bool next_stripe(const struct vfsr_grid *g, u32 row,
			struct vfsr_extent_rows *e)
{
	return !vfsr_stripe_at(&g->g, g->starts, g->rows_used, row, e) &&
	       e->depth;
}

/* Each stripe with what its footer says. Returns whether all could be read. */
static bool put_stripes(const struct inspect *in, struct vfsr_grid *g)
{
	struct json_object *list = inspect_put_list(in->root, "stripes");
	struct vfsr_extent_rows e;
	struct vfsr_stripe *s;
	bool all = true;
	u32 nr = 0, row;

	for (row = 0; next_stripe(g, row, &e); row = e.row + e.depth) {
		struct json_object *o = inspect_add_object(list);

		inspect_put_u64(o, "stripe", nr++);
		inspect_put_u64(o, "row", e.row);
		inspect_put_u64(o, "depth", e.depth);
		inspect_put_u64(o, "sector", (u64)e.row * g->g.k);
		if (vfsr_stripe_get(in->p, g, &e, in->ws, &s)) {
			inspect_put_text(o, "footer", "lost");
			all = false;
			continue;
		}
		inspect_put_text(o, "footer", "ok");
		inspect_put_id(o, "transaction", s->ft.transaction);
		inspect_put_id(o, "serial", s->ft.serial);
		inspect_put_u64(o, "entries", s->ft.nr_entries);
		inspect_put_bool(o, "commit", s->ft.flags & VFSR_FOOTER_COMMIT);
		vfsr_stripe_put(in->p, s);
	}
	return all;
}

int inspect_grid(struct inspect *in)
{
	int code;
	struct vfsr_grid *g = find_grid(in, &code);

	if (!g)
		return code;
	put_grid(in->root, g);
	if (put_columns(in, g)) {
		vfsr_error("out of memory; close other programs");
		return VFSR_EXIT_FAILED;
	}
	if (code == VFSR_EXIT_OK && !put_stripes(in, g))
		code = VFSR_EXIT_LOST;
	return code;
}

/* --- one footer --- */

static void put_footer(const struct inspect *in, const struct vfsr_footer *ft)
{
	struct json_object *to = in->root, *list;
	u32 col;

	inspect_put_id(to, "transaction", ft->transaction);
	inspect_put_id(to, "base", ft->base);
	inspect_put_id(to, "serial", ft->serial);
	inspect_put_id(to, "epoch", ft->epoch);
	inspect_put_policy(to, "policy", &ft->policy);
	inspect_put_text(to, "layout", inspect_layout_name(ft->layout));
	inspect_put_text(to, "use", inspect_use_name(ft->use));
	inspect_put_bool(to, "commit", ft->flags & VFSR_FOOTER_COMMIT);
	inspect_put_u64(to, "transaction_stripes", ft->nr_stripes);
	inspect_put_u64(to, "row", ft->row);
	inspect_put_u64(to, "depth", ft->depth);
	inspect_put_u64(to, "full_depth", ft->full_depth);
	inspect_put_u64(to, "strip_bytes", 1ull << ft->strip_shift);
	inspect_put_u64(to, "aligned_end", ft->aligned_end);
	inspect_put_u64(to, "table_start", ft->entries_start);
	inspect_put_u64(to, "table_length", ft->entries_bytes);
	inspect_put_hex(to, "table_crc", ft->entries_crc, 8);
	inspect_put_u64(to, "nr_entries", ft->nr_entries);
	list = inspect_put_list(to, "columns");
	for (col = 0; col < ft->policy.k + (u32)ft->policy.m; col++) {
		struct json_object *o = inspect_add_object(list);

		inspect_put_u64(o, "column", col);
		inspect_put_member(o, in->p, ft->device[col]);
		inspect_put_u64(o, "strip", ft->strip[col]);
	}
}

/* Where each sector of the stripe lies, and its crc. */
static void put_sectors(const struct inspect *in, const struct vfsr_grid *g,
			const struct vfsr_stripe *s)
{
	struct vfsr_extent_rows e = { s->ft.row, s->ft.depth };
	struct json_object *list = inspect_put_list(in->root, "sectors");
	u32 col, i;

	for (col = 0; col < g->g.n; col++)
		for (i = 0; i < s->ft.depth; i++) {
			struct json_object *o = inspect_add_object(list);
			int member;
			s64 pos = vfsr_grid_pos(in->p, g, &e, col, e.row + i,
						&member);

			inspect_put_u64(o, "column", col);
			inspect_put_u64(o, "row", e.row + i);
			inspect_put_u64(o, "member",
					member < 0 ? g->device[col] :
						     (u32)member);
			if (pos >= 0)
				inspect_put_u64(o, "offset", (u64)pos);
			inspect_put_hex(o, "crc",
					vfsr_footer_sector_crc(
						&s->ft, s->sector, col, i),
					8);
			if (vfsr_is_footer(&s->ft, col, i))
				inspect_put_bool(o, "footer", true);
		}
}

/* Does the map say that this entry is the current version? */
static bool entry_live(const struct inspect *in, const struct vfsr_chunk *c)
{
	struct vfsr_chunk now;

	return !vfsr_map_lookup(in->p, c->id, &now, in->ws) &&
	       now.place == c->place;
}

static void put_entry(const struct inspect *in, struct json_object *o,
		      const struct vfsr_chunk *c)
{
	inspect_put_id(o, "id", c->id);
	inspect_put_text(o, "kind", inspect_kind_name(c->kind));
	inspect_put_u64(o, "stored", c->stored);
	inspect_put_u64(o, "logical", c->logical);
	inspect_put_text(o, "state", inspect_state_name(c->state));
	inspect_put_text(o, "algorithm", inspect_alg_name(c->alg));
	inspect_put_hex(o, "crc", c->crc, 8);
	inspect_put_id(o, "birth", c->birth);
	inspect_put_id(o, "owner", c->owner);
	inspect_put_u64(o, "offset", c->offset);
	inspect_put_u64(o, "sector", vfsr_place_sector(c->place));
	inspect_put_u64(o, "byte", vfsr_place_byte(c->place));
	/* the map has no entries for its own pages and for commit marks */
	if (c->kind != VFSR_KIND_MAP && c->kind != VFSR_KIND_COMMIT)
		inspect_put_bool(o, "live", entry_live(in, c));
}

static int put_entries(const struct inspect *in, struct vfsr_grid *g,
		       const struct vfsr_stripe *s)
{
	struct json_object *list = inspect_put_list(in->root, "entries");
	struct vfsr_fault f = { .reason = VFSR_REASON_NONE };
	const struct vfsr_footer *ft = &s->ft;
	struct vfsr_entries walk;
	struct vfsr_chunk c;
	const u8 *table;
	u8 *buf;
	int err;

	if (!ft->nr_entries)
		return VFSR_EXIT_OK;
	buf = aligned_alloc(VFSR_SECTOR_BYTES,
			    VFSR_MAX_STRIPE_SECTORS * VFSR_SECTOR_BYTES);
	err = buf ? vfsr_stripe_entries(in->p, g, s, buf, in->ws, &table) :
		    -ENOMEM;
	if (err) {
		vfsr_error(
			"grid %llu: the entry table of the stripe at row %u cannot be read: %s; attach missing devices",
			(unsigned long long)g->id, ft->row, strerror(-err));
		free(buf);
		return VFSR_EXIT_LOST;
	}
	vfsr_entries_init(&walk, table, ft->entries_bytes, ft->nr_entries,
			  ft->policy.k, ft->row, ft->depth, ft->entries_start,
			  ft->transaction, ft->grid);
	while ((err = vfsr_entries_next(&walk, &c, &f)) > 0)
		put_entry(in, inspect_add_object(list), &c);
	free(buf);
	if (err < 0)
		vfsr_complain(in->p->name, -1, g->id, 0, &f);
	return err ? VFSR_EXIT_LOST : VFSR_EXIT_OK;
}

/* The n-th stripe of a grid. */
static bool nth_stripe(const struct vfsr_grid *g, u64 n,
		       struct vfsr_extent_rows *e, u64 *have)
{
	u32 row;

	*have = 0;
	for (row = 0; next_stripe(g, row, e); row = e->row + e->depth)
		if ((*have)++ == n)
			return true;
	return false;
}

int inspect_footer(struct inspect *in)
{
	struct vfsr_extent_rows e;
	struct vfsr_stripe *s;
	u64 n, have;
	int code;
	struct vfsr_grid *g = find_grid(in, &code);

	if (!g)
		return code;
	if (!inspect_number(in->arg[1], &n)) {
		vfsr_error(
			"'%s' is no number of a stripe; they are counted from 0",
			in->arg[1]);
		return VFSR_EXIT_USAGE;
	}
	if (code != VFSR_EXIT_OK)
		return VFSR_EXIT_FAILED;
	if (!nth_stripe(g, n, &e, &have)) {
		vfsr_error(
			"grid %llu has %llu stripes, counted from 0; there is no stripe %llu",
			(unsigned long long)g->id, (unsigned long long)have,
			(unsigned long long)n);
		return VFSR_EXIT_FAILED;
	}
	inspect_put_id(in->root, "grid", g->id);
	inspect_put_u64(in->root, "stripe", n);
	if (vfsr_stripe_get(in->p, g, &e, in->ws, &s)) {
		inspect_put_text(in->root, "footer", "lost");
		vfsr_error(
			"grid %llu: both copies of the footer at row %u are lost; attach missing devices",
			(unsigned long long)g->id, e.row);
		return VFSR_EXIT_LOST;
	}
	put_footer(in, &s->ft);
	if (in->all)
		put_sectors(in, g, s);
	code = put_entries(in, g, s);
	vfsr_stripe_put(in->p, s);
	return code;
}
