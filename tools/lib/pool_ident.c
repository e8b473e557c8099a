// SPDX-License-Identifier: GPL-2.0-only
/*
 * Recognising a member whose every record is destroyed, by the labels that its
 * strips carry: a footer or a trailer names the pool and, for each column, the
 * device and strip. If the strip named is the one it was found in, the device
 * named is this one.
 *
 * Where strips begin is known from the record of the other members, so the
 * search is a bounded number of reads at fixed places. Called by pool_open.c.
 */
#include <stdlib.h>

#include "lib/pool_priv.h"

/* Strips looked at for each possible start of the strip area. */
#define PROBE_STRIPS 16384u

/* Is a free place of the pool named by column @col of a label found at @strip? */
static int named_by(const struct vfsr_pool *p, const u8 *device,
		    const u32 *strips, u32 nr_columns, u64 strip_sector,
		    u32 strip)
{
	u32 col;

	for (col = 0; col < nr_columns; col++) {
		u8 d = device[col];

		if (strips[col] != strip || d >= p->super->nr_members ||
		    p->dev[d] ||
		    p->super->member[d].state == VFSR_MEMBER_NONE ||
		    p->super->member[d].strip_sector != strip_sector ||
		    strip >= p->super->member[d].nr_strips)
			continue;
		return d;
	}
	return -1;
}

/*
 * A trailer names its own column. A footer does not: the copy at the start of a
 * strip is column 0's, the other one column k - 1's.
 */
static int member_of_label(const struct vfsr_pool *p, const u8 *sector,
			   u64 strip_sector, u32 strip, bool last)
{
	struct vfsr_footer ft;
	struct vfsr_trailer *t;
	int member = -1;
	u32 col;

	if (!last) {
		if (vfsr_footer_decode(sector, p->super->pool_uuid, &ft, NULL))
			return -1;
		return named_by(p, ft.device, ft.strip, 1, strip_sector, strip);
	}
	t = malloc(sizeof(*t));
	if (t && !vfsr_trailer_decode(sector, p->super->pool_uuid, t, NULL)) {
		col = t->column;
		/* in an interleaved grid the last trailer ends the region */
		member = named_by(p, t->device + col, t->strip + col, 1,
				  strip_sector, strip);
	}
	free(t);
	return member;
}

static int probe_area(const struct vfsr_pool *p, struct vfsr_dev *dev,
		      u64 strip_sector, u32 nr_strips)
{
	unsigned int shift = p->super->strip_shift;
	u8 sector[VFSR_SECTOR_BYTES] __attribute__((aligned(8)));
	u32 strip, nr = min_t(u32, nr_strips, PROBE_STRIPS);
	int member;

	for (strip = 0; strip < nr; strip++) {
		u64 first = strip_sector * VFSR_SECTOR_BYTES +
			    ((u64)strip << shift);
		u64 last = first + ((u64)1 << shift) - VFSR_SECTOR_BYTES;

		if (first >= dev->bytes)
			break;
		if (!vfsr_dev_read(dev, sector, sizeof(sector), first)) {
			member = member_of_label(p, sector, strip_sector, strip,
						 false);
			if (member >= 0)
				return member;
		}
		if (!vfsr_dev_read(dev, sector, sizeof(sector), last)) {
			member = member_of_label(p, sector, strip_sector, strip,
						 true);
			if (member >= 0)
				return member;
		}
	}
	return -1;
}

int pool_identify(const struct vfsr_pool *p, const struct candidate *c)
{
	const struct vfsr_super *s = p->super;
	u32 i, j;
	int member;

	for (i = 0; i < s->nr_members; i++) {
		const struct vfsr_member *m = &s->member[i];
		u32 nr_strips = m->nr_strips;
		bool seen = false;

		if (m->state == VFSR_MEMBER_NONE || p->dev[i])
			continue;
		/* members of one size have their strips in the same place */
		for (j = 0; j < s->nr_members; j++) {
			const struct vfsr_member *o = &s->member[j];

			if (o->state == VFSR_MEMBER_NONE || p->dev[j] ||
			    o->strip_sector != m->strip_sector)
				continue;
			seen |= j < i;
			nr_strips = max_t(u32, nr_strips, o->nr_strips);
		}
		if (seen)
			continue;
		member = probe_area(p, c->dev, m->strip_sector, nr_strips);
		if (member >= 0)
			return member;
	}
	return -1;
}
