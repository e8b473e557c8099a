// SPDX-License-Identifier: GPL-2.0-only
/*
 * The roots of a scrub: both copies of the record and of the strip tables on
 * every member. A bad copy is rewritten from the good one; the slots of older
 * versions are left alone.
 */
#include <stdlib.h>

#include "core/striptab.h"
#include "lib/out.h"
#include "lib/scrub.h"

#define NR_COPIES 2

struct roots {
	struct vfsr_pool *pool;
	bool repair;
	struct vfsr_scrub_stats *stats;
	u8 *slot; /* a record */
	u8 *block[NR_COPIES];
	struct vfsr_super *tmp;
};

static void note_bad(struct roots *r, unsigned int m, enum vfsr_reason reason,
		     u64 pos)
{
	struct vfsr_fault f = { .reason = reason, .have = pos };

	r->stats->roots_bad++;
	if (!r->repair)
		vfsr_complain(r->pool->name, (int)m, 0, 0, &f);
}

static int put(struct roots *r, unsigned int m, const void *buf, size_t len,
	       u64 pos)
{
	int err = vfsr_dev_write(r->pool->dev[m], buf, len, pos);

	if (err)
		vfsr_error("%s: cannot write at byte %llu: %s; replace the "
			   "device",
			   r->pool->dev[m]->path, (unsigned long long)pos,
			   strerror(-err));
	else
		r->stats->roots_written++;
	return err;
}

/* The chosen record in its slot of both rings. */
static void scrub_rings(struct roots *r, unsigned int m)
{
	const struct vfsr_super *s = r->pool->super;
	u64 in_ring = s->sequence % VFSR_RING_SLOTS * VFSR_SLOT_BYTES;
	u64 pos[NR_COPIES] = {
		VFSR_BOOT_BYTES + in_ring,
		s->member[m].bytes - VFSR_RING_BYTES + in_ring,
	};
	unsigned int i;

	for (i = 0; i < NR_COPIES; i++) {
		struct vfsr_fault f = { 0 };

		if (!vfsr_dev_read(r->pool->dev[m], r->slot, VFSR_SLOT_BYTES,
				   pos[i]) &&
		    !vfsr_super_decode(r->slot, VFSR_SLOT_BYTES, r->tmp, &f) &&
		    !memcmp(r->tmp->pool_uuid, s->pool_uuid, VFSR_UUID_BYTES) &&
		    r->tmp->epoch == s->epoch &&
		    r->tmp->sequence == s->sequence && r->tmp->this_member == m)
			continue;
		note_bad(r, m, VFSR_REASON_NO_SUPER, pos[i]);
		if (!r->repair)
			continue;
		memcpy(r->tmp, s, sizeof(*s));
		r->tmp->this_member = (u16)m;
		vfsr_super_encode(r->tmp, r->slot);
		put(r, m, r->slot, VFSR_SLOT_BYTES, pos[i]);
	}
}

/* One block: both copies, the good one over the bad one. Contents of a good
 * copy go to block[0]. Return: 0, or -EIO if both are bad. */
static int scrub_block(struct roots *r, unsigned int m, u32 number, u32 in_kind,
		       u8 kind, const struct vfsr_table_ref *ref)
{
	const struct vfsr_super *s = r->pool->super;
	u64 base[NR_COPIES] = { s->member[m].table_sector,
				s->member[m].tail_sector };
	bool good[NR_COPIES];
	unsigned int i;

	for (i = 0; i < NR_COPIES; i++) {
		struct vfsr_table_head head = { .member = (u16)m,
						.kind = kind,
						.block = in_kind };
		u64 pos = (base[i] + 2ull * number + ref->slot) *
			  VFSR_SECTOR_BYTES;
		struct vfsr_fault f = { 0 };

		memcpy(head.pool_uuid, s->pool_uuid, VFSR_UUID_BYTES);
		good[i] = !vfsr_dev_read(r->pool->dev[m], r->block[i],
					 VFSR_SECTOR_BYTES, pos) &&
			  !vfsr_table_check(r->block[i], &head, ref->crc, &f);
		if (!good[i])
			note_bad(r, m, VFSR_REASON_CRC, pos);
	}
	if (!good[0] && !good[1])
		return -EIO;
	for (i = 0; i < NR_COPIES; i++)
		if (!good[i] && r->repair)
			put(r, m, r->block[!i], VFSR_SECTOR_BYTES,
			    (base[i] + 2ull * number + ref->slot) *
				    VFSR_SECTOR_BYTES);
	if (!good[0])
		memcpy(r->block[0], r->block[1], VFSR_SECTOR_BYTES);
	return 0;
}

static void scrub_tables(struct roots *r, unsigned int m, u8 *index)
{
	const struct vfsr_member *mem = &r->pool->super->member[m];
	u32 nr_table, nr_live, nr_index, x, b;
	u32 per = (u32)VFSR_REFS_PER_BLOCK;

	vfsr_table_counts(mem->nr_strips, &nr_table, &nr_live, &nr_index);
	for (x = 0; x < nr_index; x++) {
		struct vfsr_table_ref ref = { mem->index[x].crc,
					      mem->index[x].slot };

		if (scrub_block(r, m, x, x, VFSR_TABLE_INDEX, &ref))
			continue;
		memcpy(index, r->block[0], VFSR_SECTOR_BYTES);
		for (b = x * per; b < nr_table + nr_live && b < (x + 1) * per;
		     b++) {
			bool live = b >= nr_table;

			if (vfsr_ref_get(index, b - x * per, &ref, NULL))
				continue;
			scrub_block(r, m, nr_index + b, live ? b - nr_table : b,
				    live ? VFSR_TABLE_LIVE : VFSR_TABLE_STRIPS,
				    &ref);
		}
	}
}

int vfsr_scrub_roots(struct vfsr_pool *p, bool repair,
		     struct vfsr_scrub_stats *stats)
{
	struct roots r = { .pool = p, .repair = repair, .stats = stats };
	u8 *index = malloc(VFSR_SECTOR_BYTES);
	unsigned int m;
	int err = -ENOMEM;

	r.slot = malloc(VFSR_SLOT_BYTES);
	r.block[0] = malloc(VFSR_SECTOR_BYTES);
	r.block[1] = malloc(VFSR_SECTOR_BYTES);
	r.tmp = malloc(sizeof(*r.tmp));
	if (!index || !r.slot || !r.block[0] || !r.block[1] || !r.tmp)
		goto out;
	err = 0;
	for (m = 0; m < p->super->nr_members; m++) {
		if (!p->dev[m])
			continue;
		scrub_rings(&r, m);
		scrub_tables(&r, m, index);
	}
out:
	free(index);
	free(r.slot);
	free(r.block[0]);
	free(r.block[1]);
	free(r.tmp);
	return err;
}
