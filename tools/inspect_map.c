// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfsr inspect map: every page of the map, and where on the members its
 * stored bytes lie. In a grid of one data column the parity columns hold
 * copies, which are listed too: together these are all places that hold the
 * page as it is (row and column parity of wider grids do not).
 */
#include <stdlib.h>

#include "cmd.h"
#include "core/mappage.h"
#include "inspect.h"

struct pages {
	struct inspect *in;
	struct json_object *list;
	u8 *page;	/* 4 KiB, aligned */
	u64 nr, stored, lost, ids;
};

/* A run of bytes on one member that grows while they are adjacent. */
struct run {
	int member;
	s64 pos;	/* -1: the member is missing */
	u64 bytes;
};

static void put_run(const struct pages *w, struct json_object *list,
		    const struct run *r, u32 col)
{
	struct json_object *o;

	if (!r->bytes)
		return;
	o = inspect_add_object(list);
	inspect_put_member(o, w->in->p, r->member);
	inspect_put_u64(o, "column", col);
	if (r->pos >= 0)
		inspect_put_u64(o, "offset", (u64)r->pos);
	inspect_put_u64(o, "bytes", r->bytes);
}

/*
 * The runs of a chunk's bytes. @copy: 0 for the data columns, else the parity
 * column that holds a copy. Returns whether the place is possible.
 */
static bool put_copy(struct pages *w, struct json_object *list,
		     struct vfsr_grid *g, const struct vfsr_chunk *c, u32 copy)
{
	u32 sector = vfsr_place_sector(c->place);
	u32 byte = vfsr_place_byte(c->place), left = c->stored, col = 0, last;
	struct run run = { .member = -1, .pos = -1 };

	for (last = 0; left; sector++, byte = 0) {
		u32 n = min_t(u32, left, VFSR_SECTOR_BYTES - byte), row;
		struct vfsr_extent_rows e;
		int member;
		s64 pos;

		if (vfsr_sector_locate(&g->g, g->starts, g->rows_used, sector,
				       &e, &col, &row))
			return false;
		if (copy)
			col = copy;
		pos = vfsr_grid_pos(w->in->p, g, &e, col, row, &member);
		if (pos >= 0)
			pos += byte;
		if (!run.bytes || member != run.member || col != last ||
		    (pos >= 0 ? pos != run.pos + (s64)run.bytes :
				run.pos >= 0)) {
			put_run(w, list, &run, last);
			run = (struct run){ member, pos, 0 };
			last = col;
		}
		run.bytes += n;
		left -= n;
	}
	put_run(w, list, &run, last);
	return true;
}

static bool put_extents(struct pages *w, struct json_object *o,
			const struct vfsr_chunk *c)
{
	struct json_object *list = inspect_put_list(o, "extents");
	struct vfsr_grid *g =
		vfsr_pool_grid(w->in->p, vfsr_place_grid(c->place));
	u32 col;

	if (!g || vfsr_grid_load(w->in->p, g, w->in->ws) ||
	    !put_copy(w, list, g, c, 0))
		return false;
	for (col = 1; g->g.k == 1 && col < g->g.n; col++)
		if (!put_copy(w, list, g, c, col))
			return false;
	return true;
}

static int page(void *arg, const struct vfsr_chunk *c)
{
	struct pages *w = arg;
	struct json_object *o = inspect_add_object(w->list);
	unsigned int level = (unsigned int)(c->id >> 56);
	u64 index = c->id & VFSR_MAX_ID;
	const struct vfsr_disk_map_head *head = (const void *)w->page;
	bool ok;

	inspect_put_u64(o, "level", level);
	inspect_put_id(o, "index", index);
	inspect_put_place(o, "place", c->place);
	inspect_put_u64(o, "stored", c->stored);
	inspect_put_text(o, "state", inspect_state_name(c->state));
	inspect_put_hex(o, "crc", c->crc, 8);
	ok = !vfsr_pool_read(w->in->p, c, w->page, NULL, w->in->ws) &&
	     !vfsr_map_page_check(w->page, level, index,
				  w->in->p->super->pool_uuid, NULL);
	if (ok) {
		inspect_put_u64(o, "free", vfsr_map_page_free(w->page));
		inspect_put_id(o, "transaction",
			       le64_to_cpu(head->transaction));
	} else {
		inspect_put_bool(o, "lost", true);
		w->lost++;
	}
	if (!put_extents(w, o, c))
		inspect_put_bool(o, "unknown_place", true);
	w->nr++;
	w->stored += c->stored;
	return 0;
}

static int count(void *arg, const struct vfsr_chunk *c)
{
	struct pages *w = arg;

	(void)c;
	w->ids++;
	return 0;
}

int inspect_map(struct inspect *in)
{
	struct pages w = { .in = in };
	int err;

	w.page = aligned_alloc(VFSR_SECTOR_BYTES, VFSR_NODE_BYTES);
	if (!w.page) {
		vfsr_error("out of memory; close other programs");
		return VFSR_EXIT_FAILED;
	}
	w.list = json_object_new_array();
	err = vfsr_map_walk(in->p, in->ws, count, page, &w);
	free(w.page);
	inspect_put_u64(in->root, "levels",
			in->p->super->map_place ? in->p->super->map_levels : 0);
	inspect_put_u64(in->root, "ids", w.ids);
	inspect_put_u64(in->root, "nr_pages", w.nr);
	inspect_put_u64(in->root, "stored_bytes", w.stored);
	inspect_put_u64(in->root, "lost_pages", w.lost);
	inspect_put(in->root, "pages", w.list);
	if (err == -ENOMEM) {
		vfsr_error("out of memory; close other programs");
		return VFSR_EXIT_FAILED;
	}
	if (err)
		vfsr_error(
			"pool %s: part of the map cannot be read; 'fsck.vfsr --rebuild-map' makes it anew",
			in->p->name);
	return err ? VFSR_EXIT_LOST : VFSR_EXIT_OK;
}
