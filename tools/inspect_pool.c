// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfsr inspect super and strips: the chosen record with the slots that hold
 * valid ones, and what each strip is used for as the opened pool sees it
 * (tables, record, and labels where a table block is lost).
 */
#include <stdlib.h>

#include "cmd.h"
#include "inspect.h"

/* --- the record --- */

static void put_format(struct json_object *to, const struct vfsr_super *s)
{
	inspect_put_u64(to, "sector_bytes", VFSR_SECTOR_BYTES);
	inspect_put_u64(to, "node_bytes", VFSR_NODE_BYTES);
	inspect_put_u64(to, "strip_bytes", 1ull << s->strip_shift);
	inspect_put_text(to, "checksum", "crc32c");
	inspect_put_text(to, "parity", "raid6-cauchy");
	inspect_put_hex(to, "compat", s->compat, 16);
	inspect_put_hex(to, "ro_compat", s->ro_compat, 16);
	inspect_put_hex(to, "incompat", s->incompat, 16);
	inspect_put_text(to, "layout", inspect_layout_name(s->layout));
	inspect_put_policy(to, "data", &s->data);
	inspect_put_policy(to, "metadata", &s->meta);
	inspect_put_text(to, "compress", inspect_alg_name(s->compress_alg));
	inspect_put_u64(to, "compress_level", s->compress_level);
	inspect_put_u64(to, "compress_keep", s->compress_keep);
}

static void put_counters(struct json_object *to, const struct vfsr_super *s)
{
	inspect_put_id(to, "next_id", s->next_id);
	inspect_put_id(to, "next_grid", s->next_grid);
	inspect_put_id(to, "next_serial", s->next_serial);
	inspect_put_id(to, "next_transaction", s->next_transaction);
	inspect_put_u64(to, "ids", s->nr_ids);
	inspect_put_u64(to, "inodes", s->nr_inodes);
	inspect_put_u64(to, "logical_bytes", s->logical_bytes);
	inspect_put_u64(to, "live_bytes", s->live_bytes);
}

static void put_roots(struct json_object *to, const struct vfsr_super *s)
{
	inspect_put_place(to, "map_place", s->map_place);
	inspect_put_hex(to, "map_crc", s->map_crc, 8);
	inspect_put_u64(to, "map_stored", s->map_len);
	inspect_put_u64(to, "map_free", s->map_free);
	inspect_put_u64(to, "map_levels", s->map_levels);
	inspect_put_u64(to, "wal_tail", s->wal_tail);
	inspect_put_id(to, "quota", s->quota_root);
	inspect_put_id(to, "snapshot", s->snapshot_root);
	inspect_put_id(to, "forward", s->forward_root);
	inspect_put_id(to, "damage", s->damage_root);
}

static const char *member_state(unsigned int state)
{
	static const char *const names[VFSR_NR_MEMBER_STATES] = {
		[VFSR_MEMBER_NONE] = "none",
		[VFSR_MEMBER_ACTIVE] = "active",
		[VFSR_MEMBER_FAILED] = "failed",
		[VFSR_MEMBER_EVACUATING] = "evacuating",
	};

	return state < ARRAY_SIZE(names) ? names[state] : "unknown";
}

static void put_members(const struct inspect *in)
{
	const struct vfsr_super *s = in->p->super;
	struct json_object *list = inspect_put_list(in->root, "members");
	unsigned int m, i;

	for (m = 0; m < s->nr_members; m++) {
		const struct vfsr_member *me = &s->member[m];
		struct json_object *o = inspect_add_object(list);
		struct json_object *roots;

		inspect_put_member(o, in->p, (int)m);
		inspect_put_uuid(o, "uuid", me->uuid);
		inspect_put_text(o, "state", member_state(me->state));
		inspect_put_u64(o, "size_bytes", me->bytes);
		inspect_put_id(o, "ack_epoch", me->ack_epoch);
		inspect_put_id(o, "ack_sequence", me->ack_sequence);
		inspect_put_u64(o, "table_offset",
				me->table_sector * VFSR_SECTOR_BYTES);
		inspect_put_u64(o, "tail_offset",
				me->tail_sector * VFSR_SECTOR_BYTES);
		inspect_put_u64(o, "wal_offset",
				me->wal_sector * VFSR_SECTOR_BYTES);
		inspect_put_u64(o, "wal_sectors", me->wal_sectors);
		inspect_put_u64(o, "strip_offset",
				me->strip_sector * VFSR_SECTOR_BYTES);
		inspect_put_u64(o, "strips", me->nr_strips);
		roots = inspect_put_list(o, "index");
		for (i = 0; i < me->nr_index && i < VFSR_MAX_INDEX_BLOCKS;
		     i++) {
			struct json_object *r = inspect_add_object(roots);

			inspect_put_hex(r, "crc", me->index[i].crc, 8);
			inspect_put_u64(r, "slot", me->index[i].slot);
		}
	}
}

static void put_open_grids(const struct inspect *in)
{
	const struct vfsr_super *s = in->p->super;
	struct json_object *list = inspect_put_list(in->root, "open_grids");
	unsigned int i, col;

	for (i = 0; i < s->nr_open; i++) {
		const struct vfsr_open_grid *g = &s->open[i];
		struct json_object *o = inspect_add_object(list), *cols;

		inspect_put_id(o, "grid", g->grid);
		inspect_put_policy(o, "policy", &g->policy);
		inspect_put_text(o, "layout", inspect_layout_name(g->layout));
		inspect_put_text(o, "use", inspect_use_name(g->use));
		inspect_put_u64(o, "depth", g->depth);
		inspect_put_u64(o, "rows_used", g->rows_used);
		inspect_put_bool(o, "reserved", g->reserved);
		cols = inspect_put_list(o, "columns");
		for (col = 0; col < g->policy.k + (u32)g->policy.m; col++) {
			struct json_object *c = inspect_add_object(cols);

			inspect_put_member(c, in->p, g->device[col]);
			inspect_put_u64(c, "strip", g->strip[col]);
		}
	}
}

/* One ring of one member: every slot that holds a valid record. */
static void put_ring(const struct inspect *in, struct json_object *list,
		     unsigned int m, bool tail, u8 *slot,
		     struct vfsr_super *tmp)
{
	const struct vfsr_super *s = in->p->super;
	u64 pos = tail ? s->member[m].bytes - VFSR_RING_BYTES : VFSR_BOOT_BYTES;
	struct json_object *o;
	u32 i;

	for (i = 0; i < VFSR_RING_SLOTS; i++, pos += VFSR_SLOT_BYTES) {
		if (vfsr_dev_read(in->p->dev[m], slot, VFSR_SLOT_BYTES, pos) ||
		    vfsr_super_decode(slot, VFSR_SLOT_BYTES, tmp, NULL))
			continue;
		o = inspect_add_object(list);
		inspect_put_u64(o, "member", m);
		inspect_put_text(o, "ring", tail ? "tail" : "head");
		inspect_put_u64(o, "slot", i);
		inspect_put_u64(o, "offset", pos);
		inspect_put_u64(o, "bytes", vfsr_super_bytes(tmp));
		inspect_put_id(o, "epoch", tmp->epoch);
		inspect_put_id(o, "sequence", tmp->sequence);
		inspect_put_id(o, "transaction", tmp->transaction);
		if (memcmp(tmp->pool_uuid, s->pool_uuid, VFSR_UUID_BYTES) != 0)
			inspect_put_uuid(o, "foreign_pool", tmp->pool_uuid);
		else
			inspect_put_bool(o, "current",
					 tmp->epoch == s->epoch &&
						 tmp->sequence == s->sequence);
	}
}

static int put_slots(const struct inspect *in)
{
	struct json_object *list = inspect_put_list(in->root, "slots");
	struct vfsr_super *tmp = malloc(sizeof(*tmp));
	u8 *slot = aligned_alloc(VFSR_SECTOR_BYTES, VFSR_SLOT_BYTES);
	unsigned int m;
	int err = tmp && slot ? 0 : -ENOMEM;

	for (m = 0; !err && m < in->p->super->nr_members; m++) {
		if (!in->p->dev[m])
			continue;
		put_ring(in, list, m, false, slot, tmp);
		put_ring(in, list, m, true, slot, tmp);
	}
	free(slot);
	free(tmp);
	return err;
}

static struct json_object *section(struct json_object *to, const char *name)
{
	struct json_object *o = json_object_new_object();

	inspect_put(to, name, o);
	return o;
}

int inspect_super(struct inspect *in)
{
	const struct vfsr_super *s = in->p->super;
	struct json_object *root = in->root;

	inspect_put_name(root, "label", s->label,
			 strnlen(s->label, sizeof(s->label)));
	inspect_put_uuid(root, "uuid", s->pool_uuid);
	inspect_put_uuid(root, "metadata_uuid", s->metadata_uuid);
	inspect_put_id(root, "epoch", s->epoch);
	inspect_put_id(root, "sequence", s->sequence);
	inspect_put_id(root, "transaction", s->transaction);
	inspect_put_u64(root, "record_bytes", vfsr_super_bytes(s));
	inspect_put_time(root, "created", &s->created);
	inspect_put_time(root, "committed", &s->committed);
	put_format(section(root, "format"), s);
	put_roots(section(root, "roots"), s);
	put_counters(section(root, "counters"), s);
	put_members(in);
	put_open_grids(in);
	if (put_slots(in)) {
		vfsr_error("out of memory; close other programs");
		return VFSR_EXIT_FAILED;
	}
	return VFSR_EXIT_OK;
}

/* --- strips --- */

/* A strip that is a column of a grid. */
struct used {
	const struct vfsr_grid *g;
	u32 member, strip, col;
};

static int compare_used(const void *va, const void *vb)
{
	const struct used *a = va, *b = vb;

	if (a->member != b->member)
		return a->member < b->member ? -1 : 1;
	if (a->strip != b->strip)
		return a->strip < b->strip ? -1 : 1;
	return a->g->id < b->g->id ? -1 : a->g->id > b->g->id;
}

static size_t collect(const struct vfsr_pool *p, struct used *out)
{
	size_t nr = 0;
	u32 i, col;

	for (i = 0; i < p->nr_grids; i++) {
		const struct vfsr_grid *g = &p->grid[i];

		for (col = 0; col < g->g.n; col++)
			if (g->known >> col & 1)
				out[nr++] = (struct used){
					.g = g,
					.member = g->device[col],
					.strip = g->strip[col],
					.col = col,
				};
	}
	qsort(out, nr, sizeof(*out), compare_used);
	return nr;
}

static void put_used(struct json_object *o, const struct used *u)
{
	const struct vfsr_grid *g = u->g;
	struct vfsr_policy policy = { g->g.k, g->g.m, g->g.r };

	inspect_put_id(o, "grid", g->id);
	inspect_put_u64(o, "column", u->col);
	inspect_put_text(o, "state", inspect_strip_state_name(g->state));
	inspect_put_policy(o, "policy", &policy);
	inspect_put_text(o, "use", inspect_use_name(g->use));
	inspect_put_text(o, "layout", inspect_layout_name(g->g.layout));
	inspect_put_u64(o, "live", g->live_bytes);
	if (g->unsure >> u->col & 1)
		inspect_put_text(o, "known_by", "label");
}

static struct json_object *add_strip(const struct inspect *in,
				     struct json_object *list, u32 m, u32 strip)
{
	struct json_object *o = inspect_add_object(list);
	s64 pos = vfsr_strip_pos(in->p, m, strip, 0);

	inspect_put_u64(o, "member", m);
	inspect_put_u64(o, "strip", strip);
	if (pos >= 0)
		inspect_put_u64(o, "offset", (u64)pos);
	return o;
}

/* The strips of one member; returns how many of @u were its. */
static size_t put_strips(const struct inspect *in, struct json_object *list,
			 u32 m, const struct used *u, size_t nr, u64 *used)
{
	u32 strips = in->p->super->member[m].nr_strips, strip = 0;
	struct json_object *o;
	size_t i;

	for (i = 0; i < nr && u[i].member == m; i++) {
		for (; in->all && strip < u[i].strip && strip < strips;
		     strip++) {
			o = add_strip(in, list, m, strip);
			inspect_put_text(o, "state", "free");
		}
		o = add_strip(in, list, m, u[i].strip);
		put_used(o, &u[i]);
		*used += !i || u[i].strip != u[i - 1].strip;
		strip = u[i].strip + 1;
	}
	for (; in->all && strip < strips; strip++) {
		o = add_strip(in, list, m, strip);
		inspect_put_text(o, "state", "free");
	}
	return i;
}

int inspect_strips(struct inspect *in)
{
	const struct vfsr_super *s = in->p->super;
	struct json_object *members = inspect_put_list(in->root, "members");
	struct json_object *list = json_object_new_array();
	struct used *u = malloc(((size_t)in->p->nr_grids + 1) *
				VFSR_MAX_COLUMNS * sizeof(*u));
	size_t nr, at = 0;
	u32 m;

	if (!u) {
		json_object_put(list);
		vfsr_error("out of memory; close other programs");
		return VFSR_EXIT_FAILED;
	}
	nr = collect(in->p, u);
	for (m = 0; m < s->nr_members; m++) {
		struct json_object *o = inspect_add_object(members);
		u64 used = 0;

		at += put_strips(in, list, m, u + at, nr - at, &used);
		inspect_put_member(o, in->p, (int)m);
		inspect_put_u64(o, "strips", s->member[m].nr_strips);
		inspect_put_u64(o, "used", used);
		inspect_put_u64(o, "free",
				used < s->member[m].nr_strips ?
					s->member[m].nr_strips - used :
					0);
	}
	inspect_put(in->root, "strips", list);
	free(u);
	return VFSR_EXIT_OK;
}
