// SPDX-License-Identifier: GPL-2.0-only
/*
 * The log's life: opening at the record's ceilings, becoming writable and read
 * only, stopping after an error, and reads of chunks by id.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "log/log_priv.h"

#define COMMIT_SECONDS 15u
/* Metadata that a checkpoint should not exceed, pages */
#define DIRTY_MAX (64ul << (20 - PAGE_SHIFT))
#define DIRTY_MIN 64ul

/* --- stopping --- */

static void stop_work(struct work_struct *work)
{
	struct vfsr_log *log = container_of(work, struct vfsr_log, stop_work);

	vfsr_streams_drop(log, -EIO);
	if (log->ops && log->ops->stopped)
		log->ops->stopped(log->ops_ctx);
	wake_up_all(&log->wait);
}

void vfsr_log_stop(struct vfsr_log *log, int error, const char *why)
{
	if (cmpxchg(&log->error, 0, error ? error : -EIO))
		return;
	vfsr_err(
		log->pool->name,
		"stopped: %s (error %d); nothing is written any more, unmount and run fsck.vfsr",
		why, error);
	wake_up_all(&log->wait);
	queue_work(log->wq, &log->stop_work);
}

/* --- the periodic checkpoint --- */

static void commit_work(struct work_struct *work)
{
	struct vfsr_log *log = container_of(to_delayed_work(work),
					    struct vfsr_log, commit_work);

	if (vfsr_log_error(log) || READ_ONCE(log->read_only))
		return;
	if (vfsr_log_is_dirty(log))
		vfsr_log_commit(log);
	queue_delayed_work(log->wq, &log->commit_work,
			   log->commit_seconds * HZ);
}

/* --- becoming writable --- */

/* Dirty metadata that starts a checkpoint: what memory and grids can take. */
static unsigned long soft_limit(const struct vfsr_log *log)
{
	const struct vfsr_super *s = log->pool->super;
	unsigned long nr = min(DIRTY_MAX, totalram_pages() / 16);
	struct vfsr_geometry g;

	if (!vfsr_geometry_init(&g, &s->meta, s->strip_shift, s->layout, NULL))
		nr = min_t(u64, nr, VFSR_DIRTY_GRIDS / 3 * g.data_sectors);
	return max(nr, DIRTY_MIN);
}

/* Members that were missing or failed and are here again, or the reverse: the
 * first record of this mount says so, under a higher epoch. */
static bool members_changed(struct vfsr_log *log)
{
	struct vfsr_pool *pool = log->pool;
	bool changed = false;
	unsigned int i;

	for (i = 0; i < pool->nr_devs; i++) {
		struct vfsr_dev *d = pool->dev[i];
		struct vfsr_member *m = &pool->super->member[i];

		if (!d || m->state == VFSR_MEMBER_NONE)
			continue;
		if (!vfsr_dev_usable(d)) {
			changed |= m->state != VFSR_MEMBER_FAILED;
			continue;
		}
		if (d->stale || d->no_table)
			vfsr_member_dirty_all(d);
		if (m->state == VFSR_MEMBER_FAILED) {
			m->state = VFSR_MEMBER_ACTIVE;
			changed = true;
		}
		changed |= d->stale || d->no_table;
	}
	return changed;
}

int vfsr_log_set_rw(struct vfsr_log *log)
{
	struct vfsr_pool *pool = log->pool;
	bool changed;
	int err;

	if (vfsr_log_error(log))
		return -EIO;
	if (!log->read_only)
		return 0;
	WRITE_ONCE(pool->read_only, false);
	if (!pool->clean) {
		err = vfsr_log_recover(log);
		if (err)
			goto fail;
	}
	mutex_lock(&pool->record_lock);
	changed = members_changed(log);
	mutex_unlock(&pool->record_lock);
	if (changed) {
		err = vfsr_log_rewrite(log, false, true);
		if (err)
			goto fail;
	}
	vfsr_streams_adopt(log);
	WRITE_ONCE(log->read_only, false);
	queue_delayed_work(log->wq, &log->commit_work,
			   log->commit_seconds * HZ);
	return 0;
fail:
	WRITE_ONCE(pool->read_only, true);
	return err;
}

/* Are there sealed grids that the tables still call open? */
static bool any_unsettled(struct vfsr_grids *gs)
{
	struct vfsr_open *o;
	bool any = false;

	spin_lock(&gs->lock);
	list_for_each_entry(o, &gs->open_list, link)
		any |= o->sealed;
	spin_unlock(&gs->lock);
	return any;
}

/* Everything durable, every full grid sealed, and a record that says so. */
static int finish(struct vfsr_log *log)
{
	int err = vfsr_log_commit(log);

	if (err)
		return err;
	vfsr_opens_wait(log->grids, 0);
	mutex_lock(&log->commit_lock);
	if (any_unsettled(log->grids))
		err = vfsr_log_checkpoint(log);
	if (!err && !log->pool->clean)
		err = vfsr_log_rewrite(log, true, false);
	mutex_unlock(&log->commit_lock);
	return err;
}

int vfsr_log_set_ro(struct vfsr_log *log)
{
	int err;

	if (log->read_only)
		return 0;
	cancel_delayed_work_sync(&log->commit_work);
	vfsr_streams_quiesce(log);
	err = finish(log);
	vfsr_streams_quiesce(log);
	cancel_delayed_work_sync(&log->commit_work);
	WRITE_ONCE(log->read_only, true);
	vfsr_streams_drop(log, -EIO);
	return err;
}

/* --- life --- */

static void log_init(struct vfsr_log *log, struct vfsr_grids *gs)
{
	const struct vfsr_super *s = gs->pool->super;

	log->pool = gs->pool;
	log->grids = gs;
	log->transaction = s->next_transaction;
	log->durable = s->transaction;
	log->read_only = true;
	log->commit_seconds = COMMIT_SECONDS;
	init_rwsem(&log->trans_sem);
	mutex_init(&log->commit_lock);
	init_waitqueue_head(&log->wait);
	INIT_DELAYED_WORK(&log->commit_work, commit_work);
	INIT_WORK(&log->stop_work, stop_work);
	atomic64_set(&log->next_serial, s->next_serial);
	atomic64_set(&log->counts.nr_inodes, s->nr_inodes);
	atomic64_set(&log->counts.logical_bytes, s->logical_bytes);
	log->soft_dirty = soft_limit(log);
}

int vfsr_log_open(struct vfsr_grids *gs, bool read_only, struct vfsr_log **out)
{
	struct vfsr_log *log = kzalloc(sizeof(*log), GFP_KERNEL);
	int err = -ENOMEM;

	if (!log)
		return -ENOMEM;
	log_init(log, gs);
	log->next = kvzalloc(sizeof(*log->next), GFP_KERNEL);
	log->mark = kvzalloc(VFSR_SLOT_BYTES, GFP_KERNEL);
	/* checkpoints and closing of stripes wait for nothing on this queue */
	log->wq = alloc_workqueue("vfsr-log", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!log->next || !log->mark || !log->wq)
		goto fail;
	err = vfsr_map_new(gs, gs->pool->super, &log->map);
	if (err)
		goto fail;
	vfsr_map_set_transaction(log->map, log->transaction);
	err = vfsr_streams_new(log);
	if (!err && !read_only)
		err = vfsr_log_set_rw(log);
	if (err)
		goto fail;
	*out = log;
	return 0;
fail:
	vfsr_log_close(log);
	return err;
}

void vfsr_log_close(struct vfsr_log *log)
{
	if (!log)
		return;
	if (log->wq) {
		cancel_delayed_work_sync(&log->commit_work);
		vfsr_streams_quiesce(log);
		flush_work(&log->stop_work);
		WARN_ON_ONCE(!log->read_only && !log->error);
		vfsr_streams_drop(log, -EIO);
		vfsr_stripes_wait(log->grids, U64_MAX);
		destroy_workqueue(log->wq);
	}
	vfsr_streams_free(log);
	vfsr_map_free(log->map);
	kvfree(log->mark);
	kvfree(log->next);
	kfree(log);
}

/* --- reading --- */

static int report_chunk(struct vfsr_log *log, enum vfsr_reason reason, u64 have,
			u64 want, u64 ino, int err)
{
	struct vfsr_where at = { .dev = -1, .ino = ino };
	struct vfsr_fault f = { .reason = reason, .have = have, .want = want };

	vfsr_report(log->pool->name, &at, &f);
	return err;
}

static int lookup(struct vfsr_log *log, u64 id, struct vfsr_chunk *c)
{
	unsigned int i, tries;
	int err = -EAGAIN;

	for (tries = 0; tries < 4 && err == -EAGAIN; tries++) {
		err = vfsr_map_lookup(log->map, id, c);
		if (err != -EAGAIN)
			break;
		for (i = 0; i < VFSR_NR_STREAMS; i++)
			vfsr_stream_flush(log, i, false);
	}
	return err;
}

int vfsr_log_read(struct vfsr_log *log, u64 id, u8 kind, struct vfsr_chunk *c,
		  void *dst, u32 room, u64 *bad,
		  const struct vfsr_reader_of *who)
{
	struct vfsr_chunk chunk;
	unsigned int tries = 0;
	u64 place;
	int err;

again:
	err = lookup(log, id, &chunk);
	if (err == -ENOENT)
		return report_chunk(log, VFSR_REASON_MISSING, 0, id, who->ino,
				    -ENOENT);
	if (err)
		return err;
	if (chunk.kind != kind)
		return report_chunk(log, VFSR_REASON_KIND, chunk.kind, kind,
				    who->ino, -EUCLEAN);
	if (chunk.logical > room)
		return report_chunk(log, VFSR_REASON_SIZE, chunk.logical, room,
				    who->ino, -EUCLEAN);
	if (c)
		*c = chunk;
	place = chunk.place;
	err = vfsr_chunk_read(log->grids, &chunk, dst, bad, who);
	if (!err)
		return (int)chunk.logical;
	/* it may have gone elsewhere meanwhile, and its grid with it */
	if (tries++ < 2 && !vfsr_map_lookup(log->map, id, &chunk) &&
	    chunk.place != place)
		goto again;
	return err;
}

int vfsr_log_reserve(struct vfsr_log *log, enum vfsr_stream_id id)
{
	struct vfsr_stream *st = log->stream[id];

	mutex_lock(&st->lock);
	vfsr_stream_top_up(st);
	mutex_unlock(&st->lock);
	return vfsr_log_rewrite(log, false, false);
}
