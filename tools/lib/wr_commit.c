// SPDX-License-Identifier: GPL-2.0-only
/*
 * The commit: what makes a transaction durable, in this order: data stripes,
 * map, the stripe with the commit mark, column parity and trailers, strip
 * tables, flush, record, flush.
 *
 * The commit mark holds the record, the record the crcs of the tables, and the
 * tables the strips of the grid that takes the commit mark. So its place is
 * found first, and the tables are encoded twice: for their crcs, and for the
 * disk. Until the record is written nothing that was there before is gone:
 * tables go to the slots that the last commit does not use.
 */
#include <stdlib.h>

#include "lib/out.h"
#include "lib/wr_priv.h"

#define BATCH_BLOCKS 32u /* of a table region, written together */

/* The table region of a member. */
struct region {
	struct vfsr_writer *w;
	unsigned int member;
	u32 nr_index, nr_table, nr_live;
	struct vfsr_table_ref *ref; /* of table and live blocks */
};

/* --- blocks --- */

static void fill_strips(const struct region *r, u32 b, void *block)
{
	u32 first = b * VFSR_STRIPS_PER_BLOCK, i;
	u32 nr_strips = r->w->s->member[r->member].nr_strips;

	for (i = 0; i < VFSR_STRIPS_PER_BLOCK && first + i < nr_strips; i++)
		vfsr_strip_encode(&r->w->strips[r->member][first + i], block,
				  i);
}

static void fill_live(const struct region *r, u32 b, void *block)
{
	u32 first = b * VFSR_LIVES_PER_BLOCK, i;
	u32 nr_strips = r->w->s->member[r->member].nr_strips;

	for (i = 0; i < VFSR_LIVES_PER_BLOCK && first + i < nr_strips; i++)
		vfsr_live_set(block, i, r->w->live[r->member][first + i]);
}

static void fill_index(const struct region *r, u32 b, void *block)
{
	u32 first = b * VFSR_REFS_PER_BLOCK, i;
	u32 nr = r->nr_table + r->nr_live;

	for (i = 0; i < VFSR_REFS_PER_BLOCK && first + i < nr; i++)
		vfsr_ref_set(block, i, &r->ref[first + i]);
}

/* Encode block @b of the region (index, then table, then live blocks). */
static u32 encode_block(const struct region *r, u32 b, void *block)
{
	struct vfsr_table_head head = {
		.transaction = r->w->transaction,
		.member = (u16)r->member,
	};

	memcpy(head.pool_uuid, r->w->s->pool_uuid, VFSR_UUID_BYTES);
	memset(block, 0, VFSR_SECTOR_BYTES);
	if (b < r->nr_index) {
		head.kind = VFSR_TABLE_INDEX;
		head.block = b;
		fill_index(r, head.block, block);
	} else if (b < r->nr_index + r->nr_table) {
		head.kind = VFSR_TABLE_STRIPS;
		head.block = b - r->nr_index;
		fill_strips(r, head.block, block);
	} else {
		head.kind = VFSR_TABLE_LIVE;
		head.block = b - r->nr_index - r->nr_table;
		fill_live(r, head.block, block);
	}
	return vfsr_table_seal(&head, block);
}

static u32 block_slot(const struct region *r, u32 b)
{
	return b < r->nr_index ? r->w->s->member[r->member].index[b].slot :
				 r->ref[b - r->nr_index].slot;
}

/* --- slots --- */

/* The last committed version of an index block, from head or tail. */
static bool read_index(const struct region *r, u32 b, void *block)
{
	const struct vfsr_member *m = &r->w->s->member[r->member];
	const u64 start[] = { m->table_sector, m->tail_sector };
	struct vfsr_table_head want = {
		.member = (u16)r->member,
		.kind = VFSR_TABLE_INDEX,
		.block = b,
	};
	unsigned int i;

	memcpy(want.pool_uuid, r->w->s->pool_uuid, VFSR_UUID_BYTES);
	for (i = 0; i < ARRAY_SIZE(start); i++) {
		u64 sector = start[i] + 2 * b + m->index[b].slot;

		if (!vfsr_dev_read(r->w->dev[r->member], block,
				   VFSR_SECTOR_BYTES,
				   sector * VFSR_SECTOR_BYTES) &&
		    !vfsr_table_check(block, &want, m->index[b].crc, NULL))
			return true;
	}
	return false;
}

/*
 * Choose the slot that the last commit does not use. Where its index cannot be
 * read that commit has no table any more, and either slot will do.
 */
static void choose_slots(struct region *r)
{
	u8 block[VFSR_SECTOR_BYTES] __attribute__((aligned(8)));
	struct vfsr_member *m = &r->w->s->member[r->member];
	u32 b, i, nr = r->nr_table + r->nr_live;

	for (b = 0; b < r->nr_index; b++) {
		bool old = read_index(r, b, block);

		for (i = 0; i < VFSR_REFS_PER_BLOCK; i++) {
			u32 at = b * (u32)VFSR_REFS_PER_BLOCK + i;
			struct vfsr_table_ref ref;

			if (at < nr && old &&
			    !vfsr_ref_get(block, i, &ref, NULL))
				r->ref[at].slot = !ref.slot;
		}
		m->index[b].slot = !m->index[b].slot;
	}
}

/* --- tables --- */

static int region_init(struct region *r, struct vfsr_writer *w,
		       unsigned int member)
{
	memset(r, 0, sizeof(*r));
	r->w = w;
	r->member = member;
	vfsr_table_counts(w->s->member[member].nr_strips, &r->nr_table,
			  &r->nr_live, &r->nr_index);
	r->ref = calloc(r->nr_table + r->nr_live, sizeof(*r->ref));
	return r->ref ? 0 : -ENOMEM;
}

/* Crcs of all blocks: into the references, and into the record. */
static void region_prepare(struct region *r)
{
	u8 block[VFSR_SECTOR_BYTES] __attribute__((aligned(8)));
	struct vfsr_member *m = &r->w->s->member[r->member];
	u32 b, nr = r->nr_index + r->nr_table + r->nr_live;

	/* before the first commit there is nothing to keep */
	if (r->w->s->sequence)
		choose_slots(r);
	for (b = r->nr_index; b < nr; b++)
		r->ref[b - r->nr_index].crc = encode_block(r, b, block);
	for (b = 0; b < r->nr_index; b++)
		m->index[b].crc = encode_block(r, b, block);
	m->nr_index = (u8)r->nr_index;
}

static int region_write(struct region *r, struct vfsr_queue *q)
{
	const struct vfsr_member *m = &r->w->s->member[r->member];
	const u64 start[] = { m->table_sector, m->tail_sector };
	u32 b, i, j, nr = r->nr_index + r->nr_table + r->nr_live;
	struct vfsr_iov iov[BATCH_BLOCKS * ARRAY_SIZE(start)];
	u8 *buf = aligned_alloc(VFSR_SECTOR_BYTES,
				BATCH_BLOCKS * VFSR_SECTOR_BYTES);

	if (!buf)
		return -ENOMEM;
	for (b = 0; b < nr; b += BATCH_BLOCKS) {
		u32 nr_iov = 0;

		for (i = b; i < nr && i < b + BATCH_BLOCKS; i++) {
			u8 *block = buf + (i - b) * VFSR_SECTOR_BYTES;

			encode_block(r, i, block);
			for (j = 0; j < ARRAY_SIZE(start); j++)
				iov[nr_iov++] = (struct vfsr_iov){
					.dev = r->w->dev[r->member],
					.buf = block,
					.len_bytes = VFSR_SECTOR_BYTES,
					.pos = (start[j] + 2ull * i +
						block_slot(r, i)) *
					       VFSR_SECTOR_BYTES,
				};
		}
		if (!vfsr_queue_run(q, true, iov, nr_iov))
			continue;
		for (j = 0; j < nr_iov; j++)
			if (iov[j].error)
				wr_fail_io(r->w, &iov[j]);
		break;
	}
	free(buf);
	return wr_pool_error(r->w);
}

/*
 * Free the strips of older grids without live bytes. Not while a member is
 * missing: its own table would still claim them when it comes back.
 */
static void free_empty(struct vfsr_writer *w)
{
	unsigned int i;
	u32 strip;

	for (i = 0; i < w->s->nr_members; i++)
		if (w->s->member[i].state != VFSR_MEMBER_NONE && !w->dev[i])
			return;
	for (i = 0; i < w->s->nr_members; i++) {
		if (w->s->member[i].state == VFSR_MEMBER_NONE)
			continue;
		for (strip = 0; strip < w->s->member[i].nr_strips; strip++) {
			struct vfsr_strip *st = &w->strips[i][strip];

			if (st->grid && st->grid < w->first_grid &&
			    !wr_count_get(&w->live_bytes, st->grid))
				memset(st, 0, sizeof(*st));
		}
	}
}

/* Live bytes: every strip repeats its grid's. */
static void count_live(struct vfsr_writer *w)
{
	unsigned int i;
	u32 strip;

	w->s->live_bytes = 0;
	for (i = 0; i < w->live_bytes.room; i++)
		w->s->live_bytes += w->live_bytes.slot[i].bytes;
	for (i = 0; i < w->s->nr_members; i++) {
		if (!w->dev[i])
			continue;
		for (strip = 0; strip < w->s->member[i].nr_strips; strip++) {
			u64 grid = w->strips[i][strip].grid;

			w->live[i][strip] =
				grid ? (u32)wr_count_get(&w->live_bytes, grid) :
				       0;
		}
	}
}

/* --- the commit mark --- */

/* Open the last stripe, in a grid that has room for the mark. */
static int open_last(struct vfsr_writer *w)
{
	u32 bytes = vfsr_super_bytes(w->s);
	bool aligned = vfsr_pack_aligned(VFSR_STATE_RAW, bytes);
	struct wr_stream *st = &w->stream[VFSR_USE_META];
	int err;

	for (;;) {
		err = wr_stream_ready(w, VFSR_USE_META);
		if (err)
			return err;
		if (vfsr_pack_room(&st->pack, aligned) >= bytes)
			return 0;
		if (!st->grid->rows_used)
			return -EMSGSIZE;
		wr_job_put(w, st->job);
		st->job = NULL;
		wr_stream_end_grid(w, VFSR_USE_META);
	}
}

/* Write the last stripe: the record as it will be, for member 0. */
static int write_mark(struct vfsr_writer *w)
{
	struct vfsr_chunk c = {
		.id = w->transaction,
		.owner = w->transaction,
		.birth = w->transaction,
		.state = VFSR_STATE_RAW,
		.kind = VFSR_KIND_COMMIT,
	};
	u8 *slot = malloc(VFSR_SLOT_BYTES);
	int err;

	if (!slot)
		return -ENOMEM;
	w->s->this_member = 0;
	/* this stripe's own serial is used up too */
	w->s->next_serial++;
	c.stored = vfsr_super_encode(w->s, slot);
	w->s->next_serial--;
	c.logical = c.stored;
	c.crc = vfsr_port_crc32c(0, slot, c.stored);
	err = wr_append(w, VFSR_USE_META, &c, slot);
	free(slot);
	if (err)
		return err;
	return wr_stream_close(w, VFSR_USE_META, VFSR_FOOTER_COMMIT,
			       (u32)w->stats.stripes + 1);
}

/* --- the record --- */

static int sync_all(struct vfsr_writer *w)
{
	unsigned int i;

	for (i = 0; i < w->s->nr_members; i++) {
		struct vfsr_iov v = { .dev = w->dev[i] };

		if (!w->dev[i])
			continue;
		v.error = vfsr_dev_sync(w->dev[i]);
		if (v.error)
			wr_fail_io(w, &v);
	}
	return wr_pool_error(w);
}

static int write_records(struct vfsr_writer *w)
{
	u8 *slot = aligned_alloc(VFSR_SECTOR_BYTES, VFSR_SLOT_BYTES);
	u64 at = w->s->sequence % VFSR_RING_SLOTS * VFSR_SLOT_BYTES;
	unsigned int i, j;

	if (!slot)
		return -ENOMEM;
	for (i = 0; i < w->s->nr_members; i++) {
		const u64 pos[] = { VFSR_BOOT_BYTES + at,
				    w->s->member[i].bytes - VFSR_RING_BYTES +
					    at };

		if (!w->dev[i])
			continue;
		w->s->this_member = (u16)i;
		vfsr_super_encode(w->s, slot);
		for (j = 0; j < ARRAY_SIZE(pos); j++) {
			struct vfsr_iov v = { w->dev[i], slot, VFSR_SLOT_BYTES,
					      pos[j], 0 };

			v.error = vfsr_dev_write(v.dev, v.buf, v.len_bytes,
						 v.pos);
			if (v.error)
				wr_fail_io(w, &v);
		}
	}
	w->s->this_member = 0;
	free(slot);
	return wr_pool_error(w);
}

/* --- all of it --- */

/*
 * Streams and map; afterwards only the commit mark is missing. It goes behind
 * the nodes, or where there are none (a rebuild) into the map's last grid.
 */
static int finish_contents(struct vfsr_writer *w)
{
	struct wr_stream *meta = &w->stream[VFSR_USE_META];
	struct wr_stream *map = &w->stream[WR_STREAM_MAP];
	unsigned int use;
	int err = 0;

	for (use = 0; use < VFSR_NR_USES && !err; use++) {
		err = wr_stream_close(w, use, 0, 0);
		if (use != VFSR_USE_META)
			wr_stream_end_grid(w, use);
	}
	if (!err)
		err = wr_map_finish(w);
	if (err)
		return err;
	if (meta->grid) {
		wr_stream_end_grid(w, WR_STREAM_MAP);
	} else {
		meta->grid = map->grid;
		map->grid = NULL;
	}
	return open_last(w);
}

static int write_tables(struct region *region)
{
	struct vfsr_queue *q = vfsr_queue_new(2 * BATCH_BLOCKS);
	unsigned int i;
	int err = q ? 0 : -ENOMEM;

	for (i = 0; i < VFSR_MAX_MEMBERS && !err; i++)
		if (region[i].ref)
			err = region_write(&region[i], q);
	vfsr_queue_free(q);
	return err;
}

static int commit(struct vfsr_writer *w, struct region *region)
{
	struct vfsr_super *s = w->s;
	unsigned int i;
	int err;

	err = finish_contents(w);
	if (err)
		return err;
	free_empty(w);
	count_live(w);
	for (i = 0; i < s->nr_members && !err; i++) {
		if (!w->dev[i])
			continue;
		err = region_init(&region[i], w, i);
		if (!err)
			region_prepare(&region[i]);
	}
	if (err)
		return err;
	s->sequence++;
	s->transaction = w->transaction;
	s->next_transaction = w->transaction + 1;
	err = write_mark(w);
	if (err)
		return err;
	wr_stream_end_grid(w, VFSR_USE_META);
	err = wr_pool_drain(w);
	if (!err)
		err = write_tables(region);
	if (!err)
		err = sync_all(w);
	if (!err)
		err = write_records(w);
	return err ? err : sync_all(w);
}

/* Strips of grids in use, and what lies before and behind the strips. */
static u64 allocated(const struct vfsr_writer *w)
{
	u64 bytes = 0;
	unsigned int i;
	u32 strip;

	for (i = 0; i < w->s->nr_members; i++) {
		const struct vfsr_member *m = &w->s->member[i];

		if (!w->dev[i])
			continue;
		bytes += m->strip_sector * VFSR_SECTOR_BYTES;
		bytes += m->bytes - m->tail_sector * VFSR_SECTOR_BYTES;
		for (strip = 0; strip < m->nr_strips; strip++)
			if (w->strips[i][strip].grid)
				bytes += 1ull << w->s->strip_shift;
	}
	return bytes;
}

int vfsr_writer_commit(struct vfsr_writer *w, struct vfsr_write_stats *stats)
{
	struct region *region;
	unsigned int i;
	int err = wr_pool_error(w);

	if (w->error || err)
		return w->error ? w->error : err;
	region = calloc(VFSR_MAX_MEMBERS, sizeof(*region));
	if (!region)
		return -ENOMEM;
	err = commit(w, region);
	for (i = 0; i < VFSR_MAX_MEMBERS; i++)
		free(region[i].ref);
	free(region);
	if (err) {
		w->error = err;
		return err;
	}
	for (i = 0; i < w->s->nr_members; i++) {
		if (!w->dev[i])
			continue;
		w->s->member[i].ack_epoch = w->s->epoch;
		w->s->member[i].ack_sequence = w->s->sequence;
	}
	w->stats.allocated_bytes = allocated(w);
	*stats = w->stats;
	/* a further transaction is another writer's business */
	w->error = -EALREADY;
	return 0;
}
