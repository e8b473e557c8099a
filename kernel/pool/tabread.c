// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading strip tables at mount: from the head region, block by block from its
 * copy at the end where the head's is damaged.
 *
 * Every block is checked against the crc in its index, every index against the
 * record. A member of which a block is lost in both copies keeps what could be
 * read, but gets no_table: nobody places grids there or writes that table, as a lost
 * entry looks like a free strip. A member that missed commits has its last
 * committed table; if what the record names never reached it, that of its own
 * newest record counts.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "pool/member_priv.h"

#define BATCH_BLOCKS 64u /* read together */

struct loader {
	struct vfsr_pool *p;
	struct vfsr_dev *d;
	const struct vfsr_opening *o;
	u8 *buf; /* both slots of BATCH_BLOCKS blocks */
	u8 *single; /* a sector */
	u32 nr_lost; /* blocks of the member */
	bool bad_entry; /* a sound block with an impossible entry */
};

/* A block as the reader looks for it. */
struct wanted {
	u8 kind; /* enum vfsr_table_kind */
	u32 block; /* number within its kind */
	u32 nr; /* in the region */
	struct vfsr_table_ref ref;
};

static bool block_ok(const struct loader *l, const struct wanted *w,
		     const void *block)
{
	struct vfsr_table_head want = {
		.block = w->block,
		.member = (u16)l->d->index,
		.kind = w->kind,
	};

	memcpy(want.pool_uuid, l->p->super->pool_uuid, VFSR_UUID_BYTES);
	return !vfsr_table_check(block, &want, w->ref.crc, NULL);
}

/* One block alone, from head or tail. Its contents, or NULL. */
static const void *read_single(struct loader *l, const struct wanted *w)
{
	const struct vfsr_member *m = &l->p->super->member[l->d->index];
	const u64 start[] = { m->table_sector, m->tail_sector };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(start); i++) {
		struct vfsr_io io = {
			.dev = l->d,
			.sector = start[i] + 2ull * w->nr + w->ref.slot,
			.buf = l->single,
			.nr_sectors = 1,
		};

		if (!vfsr_io_run(&io, 1, REQ_OP_READ | REQ_META) &&
		    block_ok(l, w, l->single))
			return l->single;
	}
	return NULL;
}

/* Both slots of blocks [nr, nr + count) of the region in one run. */
static bool read_batch(struct loader *l, u32 nr, u32 count)
{
	const struct vfsr_member *m = &l->p->super->member[l->d->index];
	struct vfsr_io io = {
		.dev = l->d,
		.sector = m->table_sector + 2ull * nr,
		.buf = l->buf,
		.nr_sectors = 2 * count,
	};

	return !vfsr_io_run(&io, 1, REQ_OP_READ | REQ_META);
}

/* --- what blocks say --- */

static void take_strips(struct loader *l, u32 block, const void *data)
{
	const u32 first = block * (u32)VFSR_STRIPS_PER_BLOCK;
	struct vfsr_where at = { .dev = (int)l->d->index };
	struct vfsr_fault f = { 0 };
	u32 i;

	for (i = 0; i < VFSR_STRIPS_PER_BLOCK; i++) {
		if (first + i >= l->d->nr_strips)
			return;
		if (!vfsr_strip_decode(data, i, l->p->super->strip_shift,
				       &l->d->strip[first + i], &f))
			continue;
		memset(&l->d->strip[first + i], 0, sizeof(*l->d->strip));
		l->bad_entry = true;
		vfsr_report(l->p->name, &at, &f);
	}
}

static void take_live(struct loader *l, u32 block, const void *data)
{
	const u32 first = block * (u32)VFSR_LIVES_PER_BLOCK;
	u32 i;

	for (i = 0; i < VFSR_LIVES_PER_BLOCK; i++) {
		if (first + i >= l->d->nr_strips)
			return;
		l->d->live[first + i] = vfsr_live_get(data, i);
	}
}

static void take_index(struct loader *l, u32 block, const void *data)
{
	const u32 first = block * (u32)VFSR_REFS_PER_BLOCK;
	const u32 nr = l->d->nr_table + l->d->nr_live;
	struct vfsr_where at = { .dev = (int)l->d->index };
	struct vfsr_fault f = { 0 };
	u32 i;

	for (i = 0; i < VFSR_REFS_PER_BLOCK && first + i < nr; i++) {
		if (!vfsr_ref_get(data, i, &l->d->ref[first + i], &f))
			continue;
		/* neither slot: the block counts as lost */
		l->bad_entry = true;
		vfsr_report(l->p->name, &at, &f);
	}
}

static void take(struct loader *l, const struct wanted *w, const void *data)
{
	if (w->kind == VFSR_TABLE_INDEX)
		take_index(l, w->block, data);
	else if (w->kind == VFSR_TABLE_STRIPS)
		take_strips(l, w->block, data);
	else
		take_live(l, w->block, data);
}

/* --- regions --- */

/* Block @nr of the region and the reference to it. false: none is known. */
static bool want_block(const struct loader *l,
		       const struct vfsr_index_root *roots, u32 nr,
		       struct wanted *w)
{
	const struct vfsr_dev *d = l->d;

	w->nr = nr;
	if (nr < d->nr_index) {
		w->kind = VFSR_TABLE_INDEX;
		w->block = nr;
		w->ref.crc = roots[nr].crc;
		w->ref.slot = roots[nr].slot;
	} else {
		nr -= d->nr_index;
		w->kind = nr < d->nr_table ? VFSR_TABLE_STRIPS :
					     VFSR_TABLE_LIVE;
		w->block = nr < d->nr_table ? nr : nr - d->nr_table;
		w->ref = d->ref[nr];
	}
	return w->ref.slot <= 1;
}

/* Read blocks [from, to) of the region. */
static void load_blocks(struct loader *l, const struct vfsr_index_root *roots,
			u32 from, u32 to)
{
	u32 nr, i, count;

	for (nr = from; nr < to; nr += count) {
		bool have;

		count = min(BATCH_BLOCKS, to - nr);
		have = read_batch(l, nr, count);
		for (i = 0; i < count; i++) {
			const void *data = NULL;
			struct wanted w;

			if (!want_block(l, roots, nr + i, &w)) {
				l->nr_lost++;
				continue;
			}
			if (have)
				data = l->buf +
				       (2 * i + w.ref.slot) * VFSR_SECTOR_BYTES;
			if (!data || !block_ok(l, &w, data))
				data = read_single(l, &w);
			if (data)
				take(l, &w, data);
			else
				l->nr_lost++;
		}
		cond_resched();
	}
}

/* References that no index was read for stay in neither slot. */
static void load_index(struct loader *l, const struct vfsr_index_root *roots)
{
	const u32 nr = l->d->nr_table + l->d->nr_live;
	u32 i;

	for (i = 0; i < nr; i++)
		l->d->ref[i] = (struct vfsr_table_ref){ .slot = ~0u };
	l->nr_lost = 0;
	l->bad_entry = false;
	load_blocks(l, roots, 0, l->d->nr_index);
}

static int alloc_arrays(struct vfsr_dev *d)
{
	vfsr_table_counts(d->nr_strips, &d->nr_table, &d->nr_live,
			  &d->nr_index);
	d->strip = kvcalloc(d->nr_strips, sizeof(*d->strip), GFP_KERNEL);
	d->live = kvcalloc(d->nr_strips, sizeof(*d->live), GFP_KERNEL);
	d->ref =
		kvcalloc(d->nr_table + d->nr_live, sizeof(*d->ref), GFP_KERNEL);
	d->dirty = kvcalloc(BITS_TO_LONGS(d->nr_table + d->nr_live),
			    sizeof(long), GFP_KERNEL);
	return d->strip && d->live && d->ref && d->dirty ? 0 : -ENOMEM;
}

static int load_member(struct loader *l, const struct vfsr_super *own)
{
	struct vfsr_dev *d = l->d;
	struct vfsr_member *m = &l->p->super->member[d->index];
	int err = alloc_arrays(d);

	if (err)
		return err;
	load_index(l, m->index);
	if (l->nr_lost && d->stale && own &&
	    own->member[d->index].nr_strips == m->nr_strips) {
		/* the commit that it missed may have named what it never got */
		memcpy(m->index, own->member[d->index].index, sizeof(m->index));
		load_index(l, m->index);
	}
	load_blocks(l, m->index, d->nr_index,
		    d->nr_index + d->nr_table + d->nr_live);
	d->no_table = l->nr_lost || l->bad_entry;
	if (d->no_table)
		vfsr_opening_say(
			l->o,
			"%s: its strip table is damaged in both copies (%u of %u blocks); nothing new is stored on it, run fsck.vfsr",
			d->path, l->nr_lost,
			d->nr_index + d->nr_table + d->nr_live);
	return 0;
}

int vfsr_tables_load(struct vfsr_pool *p, struct vfsr_super *const *own,
		     const struct vfsr_opening *o)
{
	struct loader l = { .p = p, .o = o };
	unsigned int i;
	int err = 0;

	l.buf = kvmalloc(2 * BATCH_BLOCKS * VFSR_SECTOR_BYTES, GFP_KERNEL);
	l.single = (u8 *)__get_free_page(GFP_KERNEL);
	if (!l.buf || !l.single)
		err = -ENOMEM;
	for (i = 0; i < p->nr_devs && !err; i++) {
		l.d = p->dev[i];
		if (l.d && l.d->file)
			err = load_member(&l, own[i]);
	}
	free_page((unsigned long)l.single);
	kvfree(l.buf);
	return err;
}
