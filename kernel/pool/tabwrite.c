// SPDX-License-Identifier: GPL-2.0-only
/*
 * Strip tables: changes in memory, and their way to disk.
 *
 * A block is encoded into the slot that does not hold its last committed version;
 * so is every index block above it, and the record names those. So nothing that the
 * last durable record names is overwritten, and a power cut leaves one of the two
 * states. Encoding runs under record_lock, entries are copied under table_lock.
 * Members that are missing, failed, or without a readable table are passed over:
 * their table on disk stays what the record says.
 */
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "pool/member_priv.h"

#define NR_COPIES 2u /* head and tail */

struct vfsr_table_write {
	u32 nr, room; /* blocks in @blocks */
	u8 *blocks;
	struct vfsr_io *io; /* NR_COPIES runs per block */
};

/* --- in memory --- */

void vfsr_member_set_strip(struct vfsr_dev *d, u32 strip,
			   const struct vfsr_strip *s)
{
	if (!d->strip || WARN_ON_ONCE(strip >= d->nr_strips))
		return;
	spin_lock(&d->pool->table_lock);
	d->strip[strip] = *s;
	__set_bit(strip / VFSR_STRIPS_PER_BLOCK, d->dirty);
	spin_unlock(&d->pool->table_lock);
}

void vfsr_member_set_live(struct vfsr_dev *d, u32 strip, u32 live_bytes)
{
	if (!d->live || WARN_ON_ONCE(strip >= d->nr_strips))
		return;
	spin_lock(&d->pool->table_lock);
	if (d->live[strip] != live_bytes) {
		d->live[strip] = live_bytes;
		__set_bit(d->nr_table + strip / VFSR_LIVES_PER_BLOCK, d->dirty);
	}
	spin_unlock(&d->pool->table_lock);
}

void vfsr_member_dirty_all(struct vfsr_dev *d)
{
	if (!d->dirty)
		return;
	spin_lock(&d->pool->table_lock);
	bitmap_set(d->dirty, 0, d->nr_table + d->nr_live);
	spin_unlock(&d->pool->table_lock);
}

/* --- encoding --- */

static void fill_strips(const struct vfsr_dev *d, u32 block, void *to)
{
	const u32 first = block * (u32)VFSR_STRIPS_PER_BLOCK;
	u32 i;

	for (i = 0; i < VFSR_STRIPS_PER_BLOCK && first + i < d->nr_strips; i++)
		vfsr_strip_encode(&d->strip[first + i], to, i);
}

static void fill_live(const struct vfsr_dev *d, u32 block, void *to)
{
	const u32 first = block * (u32)VFSR_LIVES_PER_BLOCK;
	u32 i;

	for (i = 0; i < VFSR_LIVES_PER_BLOCK && first + i < d->nr_strips; i++)
		vfsr_live_set(to, i, d->live[first + i]);
}

static void fill_index(const struct vfsr_dev *d, u32 block, void *to)
{
	const u32 first = block * (u32)VFSR_REFS_PER_BLOCK;
	const u32 nr = d->nr_table + d->nr_live;
	u32 i;

	for (i = 0; i < VFSR_REFS_PER_BLOCK && first + i < nr; i++)
		vfsr_ref_set(to, i, &d->ref[first + i]);
}

/* Room for one more block, zeroed; its two runs go to @slot of block @nr. */
static void *add_block(struct vfsr_table_write *tw, struct vfsr_dev *d, u32 nr,
		       u32 slot)
{
	const struct vfsr_member *m = &d->pool->super->member[d->index];
	const u64 start[NR_COPIES] = { m->table_sector, m->tail_sector };
	u8 *block = tw->blocks + (size_t)tw->nr * VFSR_SECTOR_BYTES;
	u32 i;

	memset(block, 0, VFSR_SECTOR_BYTES);
	for (i = 0; i < NR_COPIES; i++)
		tw->io[tw->nr * NR_COPIES + i] = (struct vfsr_io){
			.dev = d,
			.sector = start[i] + 2ull * nr + slot,
			.buf = block,
			.nr_sectors = 1,
		};
	tw->nr++;
	return block;
}

static struct vfsr_table_head head_of(const struct vfsr_dev *d, u64 transaction,
				      u8 kind, u32 block)
{
	struct vfsr_table_head h = {
		.transaction = transaction,
		.block = block,
		.member = (u16)d->index,
		.kind = kind,
	};

	memcpy(h.pool_uuid, d->pool->super->pool_uuid, VFSR_UUID_BYTES);
	return h;
}

/* Table or live block @nr, counted as its reference is. */
static void encode_block(struct vfsr_table_write *tw, struct vfsr_dev *d,
			 u32 nr, u64 transaction)
{
	bool live = nr >= d->nr_table;
	u32 number = live ? nr - d->nr_table : nr;
	struct vfsr_table_head h =
		head_of(d, transaction,
			live ? VFSR_TABLE_LIVE : VFSR_TABLE_STRIPS, number);
	struct vfsr_table_ref *ref = &d->ref[nr];
	void *block;

	ref->slot = !ref->slot;
	block = add_block(tw, d, d->nr_index + nr, ref->slot);
	spin_lock(&d->pool->table_lock);
	__clear_bit(nr, d->dirty);
	if (live)
		fill_live(d, number, block);
	else
		fill_strips(d, number, block);
	spin_unlock(&d->pool->table_lock);
	ref->crc = vfsr_table_seal(&h, block);
}

static void encode_index(struct vfsr_table_write *tw, struct vfsr_dev *d,
			 u32 nr, u64 transaction, struct vfsr_super *next)
{
	struct vfsr_table_head h =
		head_of(d, transaction, VFSR_TABLE_INDEX, nr);
	const struct vfsr_super *last = d->pool->super;
	struct vfsr_index_root *root = &next->member[d->index].index[nr];
	void *block;

	root->slot = !last->member[d->index].index[nr].slot;
	block = add_block(tw, d, nr, root->slot);
	fill_index(d, nr, block);
	root->crc = vfsr_table_seal(&h, block);
}

/* --- preparing --- */

/* Which blocks of each member go to disk. */
struct plan {
	unsigned long *bits[VFSR_MAX_MEMBERS]; /* NULL: none */
	u32 nr_blocks; /* of all, index included */
};

static void plan_free(struct plan *pl)
{
	unsigned int i;

	for (i = 0; i < VFSR_MAX_MEMBERS; i++)
		kvfree(pl->bits[i]);
	kfree(pl);
}

/* Does an index block refer to any of the blocks? */
static bool index_needed(const struct vfsr_dev *d, const unsigned long *bits,
			 u32 index)
{
	const u32 first = index * (u32)VFSR_REFS_PER_BLOCK;
	const u32 end =
		min(first + (u32)VFSR_REFS_PER_BLOCK, d->nr_table + d->nr_live);

	return find_next_bit(bits, end, first) < end;
}

static int plan_member(struct plan *pl, struct vfsr_dev *d, bool strips_only)
{
	const u32 nr = strips_only ? d->nr_table : d->nr_table + d->nr_live;
	unsigned long *bits;
	u32 i;

	/* zeroed up to the live blocks' end, which the index covers too */
	bits = kvcalloc(BITS_TO_LONGS(d->nr_table + d->nr_live), sizeof(long),
			GFP_NOFS);
	if (!bits)
		return -ENOMEM;
	spin_lock(&d->pool->table_lock);
	bitmap_copy(bits, d->dirty, nr);
	spin_unlock(&d->pool->table_lock);
	/* bitmap_copy() moves whole words */
	bitmap_clear(bits, nr, d->nr_table + d->nr_live - nr);
	if (bitmap_empty(bits, nr)) {
		kvfree(bits);
		return 0;
	}
	pl->bits[d->index] = bits;
	pl->nr_blocks += bitmap_weight(bits, nr);
	for (i = 0; i < d->nr_index; i++)
		pl->nr_blocks += index_needed(d, bits, i);
	return 0;
}

static int plan_all(struct plan *pl, struct vfsr_pool *p, bool strips_only)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < p->nr_devs && !err; i++) {
		struct vfsr_dev *d = p->dev[i];

		if (vfsr_dev_usable(d) && d->dirty && !d->no_table)
			err = plan_member(pl, d, strips_only);
	}
	return err;
}

static struct vfsr_table_write *write_new(u32 room)
{
	struct vfsr_table_write *tw = kzalloc(sizeof(*tw), GFP_NOFS);

	if (!tw)
		return NULL;
	tw->room = room;
	tw->blocks = kvmalloc_array(room, VFSR_SECTOR_BYTES, GFP_NOFS);
	tw->io = kvcalloc(room, NR_COPIES * sizeof(*tw->io), GFP_NOFS);
	if (tw->blocks && tw->io)
		return tw;
	vfsr_tables_drop(tw);
	return NULL;
}

static void encode_member(struct vfsr_table_write *tw, struct vfsr_dev *d,
			  const unsigned long *bits, u64 transaction,
			  struct vfsr_super *next)
{
	u32 nr;

	for_each_set_bit(nr, bits, d->nr_table + d->nr_live)
		encode_block(tw, d, nr, transaction);
	for (nr = 0; nr < d->nr_index; nr++)
		if (index_needed(d, bits, nr))
			encode_index(tw, d, nr, transaction, next);
}

int vfsr_tables_prepare(struct vfsr_pool *p, u64 transaction, bool strips_only,
			struct vfsr_super *next, struct vfsr_table_write **out)
{
	struct plan *pl = kzalloc(sizeof(*pl), GFP_NOFS);
	struct vfsr_table_write *tw;
	unsigned int i;
	int err;

	lockdep_assert_held(&p->record_lock);
	*out = NULL;
	if (!pl)
		return -ENOMEM;
	err = plan_all(pl, p, strips_only);
	/* what does not change stays where it is */
	for (i = 0; i < p->nr_devs && !err; i++)
		memcpy(next->member[i].index, p->super->member[i].index,
		       sizeof(next->member[i].index));
	if (err || !pl->nr_blocks)
		goto out;
	tw = write_new(pl->nr_blocks);
	err = tw ? 0 : -ENOMEM;
	if (err)
		goto out;
	/* from here on nothing fails */
	for (i = 0; i < p->nr_devs; i++)
		if (pl->bits[i])
			encode_member(tw, p->dev[i], pl->bits[i], transaction,
				      next);
	WARN_ON_ONCE(tw->nr != tw->room);
	*out = tw;
out:
	plan_free(pl);
	return err;
}

/* --- writing --- */

int vfsr_tables_write(struct vfsr_pool *p, struct vfsr_table_write *tw)
{
	const blk_opf_t op = REQ_OP_WRITE | REQ_META | REQ_SYNC;
	u32 i, nr = tw->nr * NR_COPIES;

	if (p->read_only) {
		vfsr_tables_drop(tw);
		return -EROFS;
	}
	if (vfsr_io_run(tw->io, nr, op)) {
		for (i = 0; i < nr; i++)
			if (tw->io[i].error && vfsr_io_run(&tw->io[i], 1, op))
				vfsr_dev_fail(
					tw->io[i].dev,
					"its strip table cannot be written");
	}
	vfsr_tables_drop(tw);
	return vfsr_pool_usable(p) ? 0 : -EIO;
}

void vfsr_tables_drop(struct vfsr_table_write *tw)
{
	kvfree(tw->io);
	kvfree(tw->blocks);
	kfree(tw);
}
