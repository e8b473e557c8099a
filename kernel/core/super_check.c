// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is a checkpoint record possible? All checks that need no other block, on the
 * host form, for the decoder and for writers.
 *
 * What passes here can be used without fear of overflow: regions lie in order
 * within the device, ceilings leave room to count on, every column names a
 * strip that exists. It may still be wrong: counters and contents are for fsck.
 */
#include "core/bytes.h"
#include "core/footer.h"
#include "core/super.h"
#include "format/node.h"

#define RING_SECTORS	(VFSR_RING_BYTES >> VFSR_SECTOR_SHIFT)
#define HEAD_SECTORS ((VFSR_BOOT_BYTES + VFSR_RING_BYTES) >> VFSR_SECTOR_SHIFT)
#define MAX_COUNT	((1ull << 63) - 1)	/* no counter gets there */
#define MAX_LEVEL	9u
#define MAX_KEEP	100u	/* percent */

static bool at_most(u64 have, u64 most, struct vfsr_fault *f)
{
	return have <= most || vfsr_fault_set(f, VFSR_REASON_RANGE, have, most);
}

static bool counts_ok(const struct vfsr_super *s, struct vfsr_fault *f)
{
	if (!s->nr_members || s->nr_members > VFSR_MAX_MEMBERS)
		return vfsr_fault_set(f, VFSR_REASON_SIZE, s->nr_members,
				      VFSR_MAX_MEMBERS);
	if (s->nr_open > VFSR_MAX_OPEN_GRIDS)
		return vfsr_fault_set(f, VFSR_REASON_SIZE, s->nr_open,
				      VFSR_MAX_OPEN_GRIDS);
	if (s->this_member >= s->nr_members)
		return vfsr_fault_set(f, VFSR_REASON_RANGE, s->this_member,
				      s->nr_members - 1);
	if (s->member[s->this_member].state == VFSR_MEMBER_NONE)
		return vfsr_fault_set(f, VFSR_REASON_SELF, s->this_member, 0);
	if (strnlen(s->label, VFSR_LABEL_BYTES) == VFSR_LABEL_BYTES)
		return vfsr_fault_set(f, VFSR_REASON_NAME, VFSR_LABEL_BYTES,
				      VFSR_LABEL_BYTES - 1);
	return at_most(s->created.nsec, VFSR_NSEC_PER_SEC - 1, f) &&
	       at_most(s->committed.nsec, VFSR_NSEC_PER_SEC - 1, f);
}

static bool defaults_ok(const struct vfsr_super *s, struct vfsr_fault *f)
{
	bool compress = s->compress_alg != VFSR_ALG_NONE;

	if (s->layout >= VFSR_NR_LAYOUTS)
		return vfsr_fault_set(f, VFSR_REASON_GEOMETRY, s->layout,
				      VFSR_NR_LAYOUTS - 1);
	if (!vfsr_policy_ok(&s->data, s->strip_shift, f) ||
	    !vfsr_policy_ok(&s->meta, s->strip_shift, f))
		return false;
	if (s->compress_alg >= VFSR_NR_ALGS)
		return vfsr_fault_set(f, VFSR_REASON_CODEC, s->compress_alg,
				      VFSR_NR_ALGS - 1);
	if (s->compress_level > MAX_LEVEL || (compress && !s->compress_level))
		return vfsr_fault_set(f, VFSR_REASON_RANGE, s->compress_level,
				      MAX_LEVEL);
	if (s->compress_keep > MAX_KEEP || (compress && !s->compress_keep))
		return vfsr_fault_set(f, VFSR_REASON_RANGE, s->compress_keep,
				      MAX_KEEP);
	return true;
}

/* Numbers that the next mount counts on from. */
static bool ceilings_ok(const struct vfsr_super *s, struct vfsr_fault *f)
{
	const u64 root[] = { s->quota_root, s->snapshot_root, s->forward_root,
			     s->damage_root };
	u32 i;

	if (!at_most(s->epoch, MAX_COUNT, f) ||
	    !at_most(s->sequence, MAX_COUNT, f) ||
	    !at_most(s->next_serial, MAX_COUNT, f) ||
	    !at_most(s->next_transaction, MAX_COUNT, f))
		return false;
	if (s->next_transaction <= s->transaction)
		return vfsr_fault_set(f, VFSR_REASON_ORDER, s->next_transaction,
				      s->transaction);
	if (!s->next_id || s->next_id > VFSR_MAX_ID + 1)
		return vfsr_fault_set(f, VFSR_REASON_RANGE, s->next_id,
				      VFSR_MAX_ID + 1);
	if (!s->next_grid || s->next_grid > VFSR_MAX_GRID + 1)
		return vfsr_fault_set(f, VFSR_REASON_RANGE, s->next_grid,
				      VFSR_MAX_GRID + 1);
	for (i = 0; i < ARRAY_SIZE(root); i++) {
		if (!at_most(root[i], s->next_id - 1, f))
			return false;
	}
	return true;
}

static bool map_ok(const struct vfsr_super *s, struct vfsr_fault *f)
{
	u64 grid = vfsr_place_grid(s->map_place);

	if (!s->map_place) {
		if (!s->map_levels && !s->map_crc && !s->map_len &&
		    !s->map_free)
			return true;
		return vfsr_fault_set(f, VFSR_REASON_RANGE, 0, 1);
	}
	if (!grid || grid >= s->next_grid)
		return vfsr_fault_set(f, VFSR_REASON_RANGE, grid,
				      s->next_grid - 1);
	if (!s->map_levels || s->map_levels > VFSR_MAP_MAX_LEVELS)
		return vfsr_fault_set(f, VFSR_REASON_SIZE, s->map_levels,
				      VFSR_MAP_MAX_LEVELS);
	if (!s->map_len || s->map_len > VFSR_NODE_BYTES)
		return vfsr_fault_set(f, VFSR_REASON_SIZE, s->map_len,
				      VFSR_NODE_BYTES);
	return at_most(s->map_free, VFSR_CHILD_FREE_MAX, f);
}

/* @end of a region, which must lie at or before the @next one. */
static bool before(u64 end, u64 next, struct vfsr_fault *f)
{
	return end <= next || vfsr_fault_set(f, VFSR_REASON_ORDER, end, next);
}

/*
 * Ring, table, log, strips, table copy, ring copy: in this order and without
 * overlap. Starts are bounded by the device first, so that sums do not wrap.
 */
static bool regions_ok(const struct vfsr_member *m, unsigned int strip_shift,
		       struct vfsr_fault *f)
{
	u64 sectors = m->bytes >> VFSR_SECTOR_SHIFT;
	u64 table_end, strips_end;
	u32 table, live, index, table_sectors;

	if (m->bytes & (VFSR_SLOT_BYTES - 1) || m->bytes > MAX_COUNT ||
	    sectors < HEAD_SECTORS + RING_SECTORS)
		return vfsr_fault_set(f, VFSR_REASON_SIZE, m->bytes,
				      VFSR_SLOT_BYTES);
	if (!m->nr_strips || m->nr_strips > VFSR_MAX_STRIPS)
		return vfsr_fault_set(f, VFSR_REASON_SIZE, m->nr_strips,
				      VFSR_MAX_STRIPS);
	vfsr_table_counts(m->nr_strips, &table, &live, &index);
	if (m->nr_index != index)
		return vfsr_fault_set(f, VFSR_REASON_SIZE, m->nr_index, index);
	if (!m->wal_sector != !m->wal_sectors)
		return vfsr_fault_set(f, VFSR_REASON_SIZE, m->wal_sectors, 0);
	if (!at_most(m->table_sector, sectors, f) ||
	    !at_most(m->wal_sector, sectors, f) ||
	    !at_most(m->strip_sector, sectors, f) ||
	    !at_most(m->tail_sector, sectors, f))
		return false;
	table_sectors = 2 * (table + live + index);
	table_end = m->table_sector + table_sectors;
	strips_end = m->strip_sector +
		     ((u64)m->nr_strips << (strip_shift - VFSR_SECTOR_SHIFT));
	if (m->wal_sector &&
	    (!before(table_end, m->wal_sector, f) ||
	     !before(m->wal_sector + m->wal_sectors, m->strip_sector, f)))
		return false;
	return before(HEAD_SECTORS, m->table_sector, f) &&
	       before(table_end, m->strip_sector, f) &&
	       before(strips_end, m->tail_sector, f) &&
	       before(m->tail_sector + table_sectors, sectors - RING_SECTORS,
		      f);
}

/* A free place has no contents: without roots, which have no place then. */
static bool free_member_ok(const struct vfsr_member *m, struct vfsr_fault *f)
{
	if (vfsr_bytes_zero(m->uuid, sizeof(m->uuid)) && !m->bytes &&
	    !m->ack_epoch && !m->ack_sequence && !m->table_sector &&
	    !m->tail_sector && !m->wal_sector && !m->strip_sector &&
	    !m->wal_sectors && !m->nr_strips && !m->nr_index)
		return true;
	return vfsr_fault_set(f, VFSR_REASON_PADDING, 1, 0);
}

static bool member_ok(const struct vfsr_super *s, u32 i, struct vfsr_fault *f)
{
	const struct vfsr_member *m = &s->member[i];
	u32 j;

	if (m->state == VFSR_MEMBER_NONE)
		return free_member_ok(m, f);
	if (!at_most(m->state, VFSR_NR_MEMBER_STATES - 1, f) ||
	    !regions_ok(m, s->strip_shift, f))
		return false;
	if (m->ack_epoch > s->epoch)
		return vfsr_fault_set(f, VFSR_REASON_ORDER, m->ack_epoch,
				      s->epoch);
	if (m->ack_epoch == s->epoch && m->ack_sequence > s->sequence)
		return vfsr_fault_set(f, VFSR_REASON_ORDER, m->ack_sequence,
				      s->sequence);
	for (j = 0; j < m->nr_index; j++) {
		if (!at_most(m->index[j].slot, 1, f))
			return false;
	}
	for (j = 0; j < i; j++) {
		if (s->member[j].state != VFSR_MEMBER_NONE &&
		    !memcmp(s->member[j].uuid, m->uuid, sizeof(m->uuid)))
			return vfsr_fault_set(f, VFSR_REASON_TWICE, i, j);
	}
	return true;
}

/* Columns on members that are there, on strips that they have. */
static bool open_columns_ok(const struct vfsr_super *s,
			    const struct vfsr_open_grid *o, u32 n,
			    struct vfsr_fault *f)
{
	const struct vfsr_member *m;
	u32 c;

	for (c = 0; c < n; c++) {
		if (!at_most(o->device[c], s->nr_members - 1, f))
			return false;
		m = &s->member[o->device[c]];
		if (m->state == VFSR_MEMBER_NONE)
			return vfsr_fault_set(f, VFSR_REASON_RANGE,
					      o->device[c], s->nr_members);
		if (!at_most(o->strip[c], m->nr_strips - 1, f))
			return false;
	}
	return true;
}

/* No grid is listed twice, and no strip is in two grids. */
static bool apart(const struct vfsr_open_grid *a,
		  const struct vfsr_open_grid *b, struct vfsr_fault *f)
{
	u32 na = a->policy.k + a->policy.m;
	u32 nb = b->policy.k + b->policy.m;
	u32 i, j;

	if (a->grid == b->grid)
		return vfsr_fault_set(f, VFSR_REASON_TWICE, a->grid, b->grid);
	for (i = 0; i < na; i++) {
		for (j = 0; j < nb; j++) {
			if (a->strip[i] == b->strip[j] &&
			    a->device[i] == b->device[j])
				return vfsr_fault_set(f, VFSR_REASON_TWICE,
						      a->grid, b->grid);
		}
	}
	return true;
}

static bool open_ok(const struct vfsr_super *s, u32 i, struct vfsr_fault *f)
{
	const struct vfsr_open_grid *o = &s->open[i];
	struct vfsr_geometry g;
	u32 j;

	if (!o->grid || o->grid >= s->next_grid)
		return vfsr_fault_set(f, VFSR_REASON_RANGE, o->grid,
				      s->next_grid - 1);
	if (vfsr_geometry_init(&g, &o->policy, s->strip_shift, o->layout, f))
		return false;
	if (o->depth != g.depth)
		return vfsr_fault_set(f, VFSR_REASON_GEOMETRY, o->depth,
				      g.depth);
	if (!at_most(o->use, VFSR_NR_USES - 1, f) ||
	    !at_most(o->reserved, 1, f))
		return false;
	if (o->reserved && o->rows_used)
		return vfsr_fault_set(f, VFSR_REASON_STRIP, o->rows_used, 0);
	if (!vfsr_starts_ok(&g, o->starts, o->rows_used, f) ||
	    !vfsr_columns_ok(&g, o->strip, o->device, f) ||
	    !open_columns_ok(s, o, g.n, f))
		return false;
	for (j = 0; j < i; j++) {
		if (!apart(&s->open[j], o, f))
			return false;
	}
	return true;
}

bool vfsr_super_ok(const struct vfsr_super *s, struct vfsr_fault *f)
{
	u32 i;

	if (!counts_ok(s, f) || !defaults_ok(s, f) || !ceilings_ok(s, f) ||
	    !map_ok(s, f))
		return false;
	for (i = 0; i < s->nr_members; i++) {
		if (!member_ok(s, i, f))
			goto bad;
	}
	for (i = 0; i < s->nr_open; i++) {
		if (!open_ok(s, i, f))
			goto bad;
	}
	return true;
bad:
	if (f)
		f->where = i;
	return false;
}
