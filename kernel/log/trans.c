// SPDX-License-Identifier: GPL-2.0-only
/*
 * Transactions: who may change things, and when they have to wait.
 *
 * An updater holds trans_sem for read. It waits before that while more is dirty
 * than a checkpoint should have to write, or while nearly all places of the
 * record's open list are taken; never inside. The NOFS state is kept in
 * current->journal_info, which also catches nesting.
 */
#include <linux/sched.h>
#include <linux/sched/mm.h>

#include "log/log_priv.h"

/* journal_info: a mark, and whether begin made the task NOFS */
#define IN_TRANS 0x1ul
#define SET_NOFS 0x2ul

/* Places that are left on the open list for what runs already, and for the
 * checkpoint that empties it: a current grid for each stream, what is dirty */
#define OPEN_MARGIN (VFSR_NR_STREAMS + VFSR_DIRTY_GRIDS)
/* Checkpoints to wait for; if they free no place, waiting longer does not help */
#define MAX_WAITS 8u

static unsigned long nr_dirty(struct vfsr_log *log)
{
	unsigned long nr = vfsr_map_nr_dirty(log->map);

	if (log->ops && log->ops->nr_dirty)
		nr += log->ops->nr_dirty(log->ops_ctx);
	return nr;
}

static bool open_list_full(struct vfsr_log *log)
{
	return READ_ONCE(log->grids->nr_open) + OPEN_MARGIN >
	       VFSR_MAX_OPEN_GRIDS;
}

void vfsr_log_wait_seals(struct vfsr_log *log)
{
	if (open_list_full(log))
		vfsr_opens_wait(log->grids, VFSR_MAX_OPEN_GRIDS - OPEN_MARGIN);
}

/* May an updater go on? Starts a checkpoint early enough that most may. Writeback
 * is held back later than what makes more work for it. */
static bool may_start(struct vfsr_log *log, bool writeback)
{
	unsigned long nr = nr_dirty(log);
	bool full = open_list_full(log);

	if (nr > log->soft_dirty || full)
		vfsr_log_kick(log);
	return nr < (writeback ? 3 : 2) * log->soft_dirty && !full;
}

static int check(struct vfsr_log *log)
{
	int err = vfsr_log_error(log);

	if (err)
		return -EIO;
	return READ_ONCE(log->read_only) ? -EROFS : 0;
}

int vfsr_trans_begin_nowait(struct vfsr_log *log)
{
	unsigned long info = IN_TRANS;
	int err;

	might_sleep();
	if (WARN_ON_ONCE(current->journal_info))
		return -EDEADLK;
	down_read(&log->trans_sem);
	err = check(log);
	if (err) {
		up_read(&log->trans_sem);
		return err;
	}
	if (memalloc_nofs_save())
		info |= SET_NOFS;
	current->journal_info = (void *)info;
	return 0;
}

static int begin(struct vfsr_log *log, bool writeback)
{
	unsigned int waits = 0;

	/* the checkpoint that makes room */
	might_lock(&log->commit_lock);
	while (!may_start(log, writeback) && !check(log) &&
	       waits++ < MAX_WAITS) {
		u64 durable = READ_ONCE(log->durable);

		wait_event(log->wait, READ_ONCE(log->durable) != durable ||
					      may_start(log, writeback) ||
					      check(log));
	}
	return vfsr_trans_begin_nowait(log);
}

int vfsr_trans_begin(struct vfsr_log *log)
{
	return begin(log, false);
}

int vfsr_trans_begin_writeback(struct vfsr_log *log)
{
	return begin(log, true);
}

void vfsr_trans_end(struct vfsr_log *log)
{
	unsigned long info = (unsigned long)current->journal_info;

	WARN_ON_ONCE(!(info & IN_TRANS));
	current->journal_info = NULL;
	if (info & SET_NOFS)
		memalloc_nofs_restore(PF_MEMALLOC_NOFS);
	up_read(&log->trans_sem);
}

/* --- asking for checkpoints --- */

bool vfsr_log_is_dirty(struct vfsr_log *log)
{
	/* also grids that were sealed since the commit that emptied them */
	return vfsr_map_nr_dirty(log->map) ||
	       (log->ops && log->ops->is_dirty(log->ops_ctx)) ||
	       vfsr_grids_have_empty(log->grids);
}

/*
 * What was done before the call belongs to the running transaction or to an
 * older one. Whoever gets the lock first does the work for all that wait.
 */
int vfsr_log_commit(struct vfsr_log *log)
{
	u64 want = READ_ONCE(log->transaction);
	int err = vfsr_log_error(log);

	if (err)
		return -EIO;
	if (READ_ONCE(log->read_only))
		return 0;
	mutex_lock(&log->commit_lock);
	err = check(log);
	if (err == -EROFS)
		err = 0;
	else if (!err && log->durable < want && vfsr_log_is_dirty(log))
		err = vfsr_log_checkpoint(log);
	mutex_unlock(&log->commit_lock);
	return err;
}

int vfsr_log_yield(struct vfsr_log *log)
{
	int err;

	mutex_lock(&log->commit_lock);
	err = check(log);
	if (!err && vfsr_streams_can_yield(log)) {
		log->yield = true;
		err = vfsr_log_checkpoint(log);
		log->yield = false;
	}
	mutex_unlock(&log->commit_lock);
	return err;
}

void vfsr_log_kick(struct vfsr_log *log)
{
	mod_delayed_work(log->wq, &log->commit_work, 0);
}
