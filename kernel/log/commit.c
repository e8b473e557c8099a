// SPDX-License-Identifier: GPL-2.0-only
/*
 * The checkpoint: what makes a transaction durable.
 *
 * With transactions held off: close the data stripe, store dirty nodes, then
 * map pages (leaves first; their places are known as they are added), then the
 * strip tables are encoded, and last the commit mark, a copy of the record,
 * closes the last stripe. Then updates go on, while this waits for the stripes,
 * writes the tables, flushes, and writes the record.
 *
 * record_lock is held from the encoding of the tables until the record is durable,
 * so records that only reserve grids (vfsr_log_rewrite()) come before or after.
 */
#include <linux/ktime.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>

#include "log/log_priv.h"

/* Stripes and transactions that may be used up before the next record */
#define SERIAL_AHEAD (1ull << 20)
#define TRANSACTIONS_AHEAD 16u
/* Grids that may get reserved while the mark's stripe is opened */
#define SPARE_OPENS 4u

void vfsr_log_ceilings(struct vfsr_log *log, struct vfsr_super *next,
		       bool clean)
{
	u64 serial = atomic64_read(&log->next_serial);

	spin_lock(&log->grids->lock);
	next->next_grid = log->grids->next_grid;
	spin_unlock(&log->grids->lock);
	next->next_serial = clean ? serial : serial + SERIAL_AHEAD;
	/* exactly one ahead: that is how a mount knows a clean record */
	next->next_transaction =
		clean ? next->transaction + 1 :
			READ_ONCE(log->transaction) + TRANSACTIONS_AHEAD;
}

static void set_time(struct vfsr_super *next)
{
	struct timespec64 now;

	ktime_get_real_ts64(&now);
	next->committed.sec = now.tv_sec;
	next->committed.nsec = (u32)now.tv_nsec;
}

static int record_ok(struct vfsr_log *log, const struct vfsr_super *next)
{
	struct vfsr_fault f = { 0 };
	struct vfsr_where at = { .dev = -1 };

	if (vfsr_super_ok(next, &f))
		return 0;
	/* a hostile record may hold counters that leave no room to go on */
	vfsr_report(log->pool->name, &at, &f);
	return -EUCLEAN;
}

/* --- records that commit nothing --- */

/* A member that was not brought up to date before the unmount stays what it was,
 * so that the next mount goes on with it. */
static void keep_stale(struct vfsr_log *log, struct vfsr_super *next)
{
	unsigned int i;

	for (i = 0; i < log->pool->nr_devs; i++) {
		const struct vfsr_dev *d = log->pool->dev[i];

		if (d && READ_ONCE(d->stale) && vfsr_dev_usable(d))
			next->member[i].state = VFSR_MEMBER_FAILED;
	}
}

int vfsr_log_rewrite(struct vfsr_log *log, bool clean, bool epoch)
{
	struct vfsr_pool *pool = log->pool;
	struct vfsr_super *next = log->next;
	struct vfsr_table_write *tw = NULL;
	int err;

	mutex_lock(&pool->record_lock);
	*next = *pool->super;
	next->epoch += epoch;
	vfsr_log_ceilings(log, next, clean);
	if (clean)
		keep_stale(log, next);
	set_time(next);
	err = vfsr_opens_reserve(log->grids, next);
	if (!err)
		err = record_ok(log, next);
	if (!err)
		err = vfsr_tables_prepare(pool, next->transaction, !epoch, next,
					  &tw);
	if (err)
		goto out;
	if (tw)
		err = vfsr_tables_write(pool, tw);
	if (!err)
		err = vfsr_record_write(pool, next);
	if (err) {
		vfsr_log_stop(log, err, "a record could not be written");
		goto out;
	}
	WRITE_ONCE(pool->clean, clean);
	vfsr_opens_durable(log->grids, pool->super);
out:
	mutex_unlock(&pool->record_lock);
	return err;
}

/* --- contents --- */

static void close_stream(struct vfsr_log *log, enum vfsr_stream_id id)
{
	struct vfsr_stream *st = log->stream[id];

	mutex_lock(&st->lock);
	vfsr_stream_close_locked(st, 0, 0);
	mutex_unlock(&st->lock);
}

static int store_page(void *ctx, const struct vfsr_chunk *c, const void *page,
		      u64 *place)
{
	return vfsr_stream_add_placed(ctx, VFSR_STREAM_MAP, c, page, place);
}

static int write_contents(struct vfsr_log *log, struct vfsr_map_root *root)
{
	int err = 0;

	close_stream(log, VFSR_STREAM_HOT);
	if (log->ops)
		err = log->ops->write_nodes(log->ops_ctx);
	close_stream(log, VFSR_STREAM_META);
	if (err)
		return err;
	return vfsr_map_commit(log->map, log->transaction, store_page, log,
			       root);
}

static void top_up(struct vfsr_log *log)
{
	unsigned int i;

	for (i = 0; i < VFSR_NR_STREAMS; i++) {
		struct vfsr_stream *st = log->stream[i];

		mutex_lock(&st->lock);
		vfsr_stream_adjust(st, log->yield);
		mutex_unlock(&st->lock);
	}
}

/* --- the commit mark --- */

static unsigned int first_member(const struct vfsr_super *s)
{
	unsigned int i = 0;

	while (i + 1 < s->nr_members && s->member[i].state == VFSR_MEMBER_NONE)
		i++;
	return i;
}

/* Rows of the mark's own stripe count in the record that it copies. */
static int count_own_stripe(struct vfsr_stream *st, struct vfsr_super *next)
{
	u32 depth = vfsr_stripe_depth(st->stripe);
	unsigned int i;

	for (i = 0; i < next->nr_open; i++) {
		struct vfsr_open_grid *o = &next->open[i];

		if (o->grid != st->grid->id)
			continue;
		vfsr_starts_set(o->starts, o->rows_used);
		o->rows_used += depth;
		o->reserved = 0;
		return 0;
	}
	return -EUCLEAN;
}

/* A grid whose first stripe is the mark's own is open from this commit on. */
static void mark_open(struct vfsr_log *log, struct vfsr_grid *g)
{
	struct vfsr_strip strip = {
		.grid = g->id,
		.transaction = log->transaction,
		.policy = g->policy,
		.state = VFSR_STRIP_OPEN,
		.layout = g->g.layout,
		.use = g->use,
	};
	unsigned int c;

	spin_lock(&log->grids->lock);
	g->state = VFSR_STRIP_OPEN;
	spin_unlock(&log->grids->lock);
	for (c = 0; c < g->g.n; c++) {
		strip.column = (u8)c;
		if (g->col[c].known && log->pool->dev[g->col[c].device])
			vfsr_member_set_strip(log->pool->dev[g->col[c].device],
					      g->col[c].strip, &strip);
	}
}

/* Where the bytes of the chunk that was added last are. */
static u8 *last_chunk(struct vfsr_pack *pack, u32 bytes)
{
	if (vfsr_pack_aligned(VFSR_STATE_RAW, bytes))
		return pack->data + pack->aligned_end * VFSR_SECTOR_BYTES -
		       bytes;
	return pack->data + pack->tail_start;
}

/*
 * The mark is a copy of the record, and the record says how deep the mark's
 * stripe is. That follows from lengths alone: add the mark, then fill it in.
 * The crc of its bytes is the last field of its entry, the table's last.
 */
static int write_mark(struct vfsr_log *log, struct vfsr_stream *st,
		      struct vfsr_super *next)
{
	u32 bytes = vfsr_super_bytes(next);
	struct vfsr_pack *pack = &st->stripe->pack;
	struct vfsr_chunk c = {
		.id = log->transaction,
		.owner = log->transaction,
		.birth = log->transaction,
		.stored = bytes,
		.logical = bytes,
		.state = VFSR_STATE_RAW,
		.kind = VFSR_KIND_COMMIT,
	};
	__le32 crc;
	int err;

	err = vfsr_pack_add(pack, &c, log->mark);
	if (!err)
		err = count_own_stripe(st, next);
	if (!err)
		err = record_ok(log, next);
	if (err)
		return err;
	next->this_member = (u16)first_member(next);
	vfsr_super_encode(next, log->mark);
	memcpy(last_chunk(pack, bytes), log->mark, bytes);
	crc = cpu_to_le32(vfsr_port_crc32c(0, log->mark, bytes));
	memcpy(pack->entries + pack->entries_bytes - sizeof(crc), &crc,
	       sizeof(crc));
	vfsr_stream_close_locked(st, VFSR_FOOTER_COMMIT,
				 (u32)atomic64_read(&log->nr_stripes) + 1);
	return 0;
}

/* --- the record --- */

static void fill_record(struct vfsr_log *log, const struct vfsr_map_root *root,
			struct vfsr_super *next)
{
	*next = *log->pool->super;
	next->sequence++;
	next->transaction = log->transaction;
	next->map_place = root->place;
	next->map_crc = root->crc;
	next->map_len = root->len;
	next->map_free = root->free;
	next->map_levels = root->levels;
	next->next_id = root->next_id;
	next->nr_ids = root->nr_ids;
	next->nr_inodes = atomic64_read(&log->counts.nr_inodes);
	next->logical_bytes = atomic64_read(&log->counts.logical_bytes);
	next->live_bytes = atomic64_read(&log->grids->live_bytes);
	set_time(next);
	vfsr_log_ceilings(log, next, false);
	/* the mark's own stripe */
	next->next_serial++;
}

/* Room to ask for before the mark: the record with some more open grids than
 * now, as finding the room may reserve some; a sector for alignment. Odd, so
 * that it is not taken for whole sectors. */
static u32 mark_room(const struct vfsr_log *log)
{
	const struct vfsr_super *s = log->pool->super;
	u32 nr = min(READ_ONCE(log->grids->nr_open) + SPARE_OPENS,
		     VFSR_MAX_OPEN_GRIDS);

	return (vfsr_super_bytes(s) +
		(nr - min_t(u32, nr, s->nr_open)) *
			(u32)sizeof(struct vfsr_disk_open_grid) +
		VFSR_SECTOR_BYTES) |
	       1;
}

/*
 * Tables, record and mark. On success record_lock is held, @next is the
 * record to write.
 */
static int prepare_record(struct vfsr_log *log,
			  const struct vfsr_map_root *root,
			  struct list_head *freed, struct vfsr_table_write **tw)
{
	struct vfsr_stream *st = log->stream[VFSR_STREAM_MAP];
	struct vfsr_super *next = log->next;
	int err;

	mutex_lock(&st->lock);
	/* the room first: it may take a new grid, which the tables must show */
	err = vfsr_stream_need_locked(st, mark_room(log));
	if (err)
		goto out;
	mutex_lock(&log->pool->record_lock);
	vfsr_grids_live_flush(log->grids);
	vfsr_grids_free_empty(log->grids, freed, 0);
	fill_record(log, root, next);
	err = vfsr_opens_settle(log->grids, next);
	if (!err && !st->grid->rows_used)
		mark_open(log, st->grid);
	if (!err)
		err = vfsr_tables_prepare(log->pool, log->transaction, false,
					  next, tw);
	if (!err)
		err = write_mark(log, st, next);
	if (err)
		mutex_unlock(&log->pool->record_lock);
out:
	mutex_unlock(&st->lock);
	return err;
}

/* Write what prepare_record() made; record_lock held. */
static int write_record(struct vfsr_log *log, u64 transaction,
			struct vfsr_table_write *tw)
{
	int err, err2 = 0;

	err = vfsr_stripes_wait(log->grids, transaction);
	if (tw && !err)
		err2 = vfsr_tables_write(log->pool, tw);
	else if (tw)
		vfsr_tables_drop(tw);
	if (!err)
		err = err2;
	if (!err)
		err = vfsr_record_write(log->pool, log->next);
	if (err)
		return err;
	WRITE_ONCE(log->pool->clean, false);
	vfsr_opens_durable(log->grids, log->pool->super);
	return 0;
}

static void drop_freed(struct list_head *freed)
{
	struct vfsr_grid *g, *next;

	list_for_each_entry_safe(g, next, freed, live_link) {
		list_del_init(&g->live_link);
		vfsr_grid_put(g);
	}
}

int vfsr_log_checkpoint(struct vfsr_log *log)
{
	struct vfsr_table_write *tw = NULL;
	struct vfsr_map_root root;
	LIST_HEAD(freed);
	u64 transaction;
	int err;

	lockdep_assert_held(&log->commit_lock);
	vfsr_log_wait_seals(log);
	down_write(&log->trans_sem);
	transaction = log->transaction;
	err = vfsr_log_error(log) ? -EIO : 0;
	if (!err)
		err = write_contents(log, &root);
	if (!err) {
		top_up(log);
		err = prepare_record(log, &root, &freed, &tw);
	}
	if (err) {
		up_write(&log->trans_sem);
		goto stop;
	}
	WRITE_ONCE(log->transaction, transaction + 1);
	atomic64_set(&log->nr_stripes, 0);
	vfsr_map_set_transaction(log->map, transaction + 1);
	up_write(&log->trans_sem);

	err = write_record(log, transaction, tw);
	tw = NULL;
	mutex_unlock(&log->pool->record_lock);
	if (err)
		goto stop;
	WRITE_ONCE(log->durable, transaction);
	vfsr_map_durable(log->map, transaction);
	if (log->ops && log->ops->durable)
		log->ops->durable(log->ops_ctx, transaction);
	vfsr_grids_freed(log->grids, &freed);
	atomic64_inc(&log->nr_commits);
	wake_up_all(&log->wait);
	return 0;
stop:
	if (tw)
		vfsr_tables_drop(tw);
	drop_freed(&freed);
	vfsr_log_stop(log, err, "a checkpoint failed");
	return -EIO;
}
