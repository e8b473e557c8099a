// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writeback: dirty folios become chunks, fills, holes or inline data.
 *
 * Consecutive dirty folios of one window make a job. Its folios are under
 * writeback from before it is queued until both its transaction has ended and
 * the stripes of all its pieces are on disk, so a folio that may be
 * reclaimed can be read back, and truncation waits for the job. A job encodes outside of
 * the transaction, adds its pieces to the stream, then enters the extents
 * under tree->lock. It waits for stripe buffers and records, never for a folio.
 *
 * Order: the size in the header must never cover data that is still on its
 * way, or a crash would show zeroes in its place. So jobs that make a file
 * longer on disk enter its tree in the order in which they were collected,
 * which is the order of the file: one call of writepages at a time collects,
 * from where the size on disk ends, and not beyond i_size as of its beginning
 * (see struct walk). Pieces are stored in the transaction that enters them,
 * so no checkpoint has chunks without an owner. Nobody waits for his turn: a
 * job that is encoded too early is left to whoever ends the one before it. It
 * keeps its buffer meanwhile, but the last buffer is for those whose turn it
 * is; a job that finds no other is left as well, and is started again.
 *
 * A job's end: min(i_size, end of the last folio) as of when that folio was
 * locked. i_size grows only with its last folio dirtied under the same lock
 * (write_end), or through vfsr_setsize(), which writes the header; so when all
 * dirty folios are written, the size in the header is i_size. A size that
 * shrinks waits for jobs that reach beyond it before it touches the tree.
 */
#include <linux/bitops.h>
#include <linux/highmem.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/writeback.h>

#include "vfs/datapath.h"

#define MIN_JOBS 64 /* that memory is set aside for */
#define MIN_PIECE 16384u /* raw data is not cut into less */
#define MAX_PIECES (VFSR_CHUNK_BYTES / MIN_PIECE)
#define BLOCK_MASK ((u32)VFSR_SECTOR_BYTES - 1)

struct write_job;

/* One chunk of a job. */
struct write_piece {
	struct vfsr_pending pending;
	struct write_job *job;
	u64 id;
	u32 bytes;
};

/* One call of writepages that waits for its jobs. */
struct write_call {
	atomic_t left; /* its jobs, and 1 for itself */
	struct completion done;
};

/* A job that is being encoded and stored. */
struct encoded {
	struct vfsr_buf *buf;
	struct vfsr_routed r;
	u32 crc; /* of all that is stored */
};

enum turn_state {
	TURN_NONE, /* queued, or somebody works on it */
	TURN_BUFFER, /* will need a buffer when its turn comes */
	TURN_ENTER, /* encoded; to be entered when its turn comes */
};

struct write_job {
	struct work_struct work;
	struct list_head turn; /* on vfsr_ino.jobs if it makes the file
				* longer, until it is in the tree */
	enum turn_state state; /* io->live_lock */
	struct encoded enc;
	struct vfsr_sb *s;
	struct inode *inode;
	struct write_call *call; /* NULL: nobody waits */
	refcount_t refs; /* 1 until the transaction has ended, and 1
				 * for each piece on its way */
	int error;
	u64 pos; /* byte in the file, multiple of 4096 */
	u32 bytes;
	u32 nr_folios;
	u32 nr_pieces;
	struct folio *folio[VFSR_WINDOW_PAGES];
	struct write_piece piece[MAX_PIECES];
};

/* --- the end of a job --- */

static void job_end(struct write_job *job)
{
	struct vfsr_io_ws *io = job->s->io_ws;
	u64 held = 0;
	u32 i;

	if (job->error) {
		pr_warn_ratelimited(
			"vfsr (%s): ino=%llu: %u bytes at %llu could not be written (error %d)\n",
			job->s->pool->name, vfsr_i(job->inode)->tree.ino,
			job->bytes, job->pos, job->error);
		mapping_set_error(job->inode->i_mapping, job->error);
	}
	for (i = 0; i < job->nr_folios; i++)
		held += vfsr_promise_drop(job->folio[i]);
	if (held)
		vfsr_space_release(&job->s->space, held * PAGE_SIZE);
	/* the inode may go away with the last of these */
	for (i = 0; i < job->nr_folios; i++)
		folio_end_writeback(job->folio[i]);
	mempool_free(job, io->jobs);

	spin_lock(&io->live_lock);
	if (!--io->nr_live)
		wake_up_all(&io->idle);
	spin_unlock(&io->live_lock);
}

static void job_put(struct write_job *job)
{
	if (refcount_dec_and_test(&job->refs))
		job_end(job);
}

static void piece_done(struct vfsr_pending *p, int error)
{
	struct write_piece *piece =
		container_of(p, struct write_piece, pending);

	if (error)
		WRITE_ONCE(piece->job->error, error);
	job_put(piece->job);
}

/* --- the tree --- */

/* The header says what the tree has got. */
static int settle(struct inode *inode, u64 end, const struct vfsr_tree_delta *d)
{
	struct vfsr_ino *v = vfsr_i(inode);

	lockdep_assert_held_write(&v->tree.lock);
	v->blocks += d->blocks;
	if (end > v->disk_size)
		v->disk_size = end;
	return vfsr_inode_update_locked(inode);
}

/* No extent names it (any more): free the id. */
static void unref(struct vfsr_sb *s, u64 id)
{
	int err = vfsr_map_ref(s->log->map, id, -1);

	if (err)
		vfsr_log_stop(s->log, err, "a chunk cannot be given back");
}

static int store_chunk(struct vfsr_sb *s, struct vfsr_chunk *c,
		       const void *data, struct vfsr_pending *pending)
{
	int err = vfsr_id_alloc(s->log->map, VFSR_KIND_DATA, &c->id);

	if (err)
		return err;
	c->kind = VFSR_KIND_DATA;
	err = vfsr_stream_add(s->log, VFSR_STREAM_HOT, c, data, pending);
	if (err)
		unref(s, c->id);
	return err;
}

/*
 * The file gets an extent elsewhere: data in the tree, at its start, becomes a
 * chunk. Its stripe is on disk before the checkpoint that names it is durable, so nobody
 * has to wait for it.
 */
static int move_inline(struct write_job *job, u8 *buf,
		       struct vfsr_tree_delta *d)
{
	struct vfsr_tree *t = &vfsr_i(job->inode)->tree;
	struct vfsr_chunk c = { .owner = t->ino, .state = VFSR_STATE_RAW };
	struct vfsr_extent e = { .state = VFSR_STATE_RAW };
	struct vfsr_run run;
	int ret;

	ret = vfsr_tree_run(t, 0, &run);
	if (ret || run.type != VFSR_RUN_INLINE)
		return ret;
	ret = vfsr_tree_inline_read(t, 0, buf, VFSR_CHUNK_BYTES);
	if (ret <= 0)
		return ret;
	c.stored = c.logical = ret;
	c.crc = vfsr_port_crc32c(0, buf, ret);
	e.bytes = ret;
	ret = store_chunk(job->s, &c, buf, NULL);
	if (ret)
		return ret;
	e.chunk = c.id;
	ret = vfsr_tree_extent_set(t, 0, &e, e.bytes, d);
	if (ret)
		unref(job->s, c.id);
	return ret;
}

/* Extents for all pieces; those that did not get one are given back. */
static int enter_chunks(struct write_job *job, u8 *spare)
{
	struct vfsr_tree *t = &vfsr_i(job->inode)->tree;
	struct vfsr_tree_delta d = { 0 };
	u64 pos = job->pos;
	int err = 0, err2;
	u32 i;

	down_write(&t->lock);
	if (pos)
		err = move_inline(job, spare, &d);
	for (i = 0; i < job->nr_pieces && !err; i++) {
		struct vfsr_extent e = {
			.chunk = job->piece[i].id,
			.bytes = job->piece[i].bytes,
			.state = VFSR_STATE_RAW,
		};

		err = vfsr_tree_extent_set(t, pos, &e, e.bytes, &d);
		if (err)
			break;
		pos += e.bytes;
	}
	/* what was entered before an error counts too */
	err2 = settle(job->inode, pos > job->pos ? pos : 0, &d);
	up_write(&t->lock);
	for (; i < job->nr_pieces; i++)
		unref(job->s, job->piece[i].id);
	return err ? err : err2;
}

/* --- storing, within the transaction --- */

/*
 * How much of raw data to put into the next chunk: all, or what fills the open
 * stripe. The room is a hint, others add chunks meanwhile.
 */
static u32 piece_bytes(struct vfsr_log *log, const struct vfsr_routed *r,
		       u32 left)
{
	u32 room;

	if (r->state != VFSR_STATE_RAW || left < 2 * MIN_PIECE)
		return left;
	if (vfsr_stream_room(log, VFSR_STREAM_HOT, !(left & BLOCK_MASK)) >=
	    left)
		return left;
	room = vfsr_stream_room(log, VFSR_STREAM_HOT, true);
	if (room < MIN_PIECE || room >= left)
		return left;
	return min(room, left - MIN_PIECE) & ~BLOCK_MASK;
}

static int store_pieces(struct write_job *job, const struct encoded *enc)
{
	const u8 *data = enc->r.data;
	u32 done = 0;
	int err;

	while (done < job->bytes) {
		struct write_piece *p = &job->piece[job->nr_pieces];
		struct vfsr_chunk c = {
			.owner = vfsr_i(job->inode)->tree.ino,
			.offset = job->pos + done,
			.state = enc->r.state,
			.alg = enc->r.alg,
		};

		p->job = job;
		p->pending.done = piece_done;
		p->bytes = piece_bytes(job->s->log, &enc->r, job->bytes - done);
		c.logical = p->bytes;
		c.stored = c.state == VFSR_STATE_RAW ? p->bytes : enc->r.stored;
		c.crc = p->bytes == job->bytes ?
				enc->crc :
				vfsr_port_crc32c(0, data + done, p->bytes);
		refcount_inc(&job->refs);
		err = store_chunk(job->s, &c, data + done, &p->pending);
		if (err) {
			refcount_dec(&job->refs);
			while (job->nr_pieces)
				unref(job->s, job->piece[--job->nr_pieces].id);
			return err;
		}
		p->id = c.id;
		job->nr_pieces++;
		done += p->bytes;
	}
	return 0;
}

/*
 * A small file as a whole goes into its tree, if no extent can lie behind it:
 * none does beyond disk_size, which a shrinking lowers when the tree is cut.
 * Returns 1 if not.
 */
static int store_inline(struct write_job *job, const u8 *data)
{
	struct vfsr_ino *v = vfsr_i(job->inode);
	struct vfsr_tree_delta d = { 0 };
	int err, err2;

	down_write(&v->tree.lock);
	if (v->disk_size > VFSR_INLINE_MAX) {
		up_write(&v->tree.lock);
		return 1;
	}
	err = vfsr_tree_inline_set(&v->tree, data, job->bytes, &d);
	err2 = settle(job->inode, err ? 0 : job->bytes, &d);
	up_write(&v->tree.lock);
	return err ? err : err2;
}

static int store_fill(struct write_job *job, u8 fill, u8 *spare)
{
	struct vfsr_tree *t = &vfsr_i(job->inode)->tree;
	struct vfsr_tree_delta d = { 0 };
	struct vfsr_extent e = {
		.bytes = job->bytes,
		.state = VFSR_STATE_MONOLITH,
		.fill = fill,
	};
	int err = 0, err2;

	down_write(&t->lock);
	/* a hole is no extent */
	if (fill && job->pos)
		err = move_inline(job, spare, &d);
	if (!err)
		err = vfsr_tree_extent_set(t, job->pos, fill ? &e : NULL,
					   job->bytes, &d);
	err2 = settle(job->inode, err ? 0 : job->pos + job->bytes, &d);
	up_write(&t->lock);
	return err ? err : err2;
}

static bool is_small(const struct write_job *job)
{
	return !job->pos && job->bytes <= VFSR_INLINE_MAX;
}

static int store(struct write_job *job, const struct encoded *enc)
{
	int err = 1;

	if (enc->r.state == VFSR_STATE_VOID ||
	    enc->r.state == VFSR_STATE_MONOLITH) {
		err = store_fill(job, enc->r.fill, enc->buf->out);
		goto count;
	}
	if (is_small(job))
		err = store_inline(job, enc->buf->data);
	if (err != 1)
		return err;
	err = store_pieces(job, enc);
	/* the stream has copied the data: either buffer is free */
	if (!err)
		err = enter_chunks(job, enc->buf->out);
count:
	if (!err)
		atomic64_inc(&job->s->route[enc->r.state]);
	return err;
}

/* --- a job --- */

static void route_opts(const struct write_job *job, struct vfsr_route_opts *o)
{
	const struct vfsr_ino *v = vfsr_i(job->inode);
	const struct vfsr_opts *def = &job->s->opts;
	u8 alg = READ_ONCE(v->compress_alg);
	u8 level = READ_ONCE(v->compress_level);
	u8 keep = READ_ONCE(v->compress_keep);

	o->alg = alg ? alg - 1 : READ_ONCE(def->compress_alg);
	o->level = level ? level : READ_ONCE(def->compress_level);
	o->keep = keep ? keep : READ_ONCE(def->compress_keep);
	o->probe = true;
	/* will be in the tree */
	if (is_small(job))
		o->alg = VFSR_ALG_NONE;
}

static void encode(const struct write_job *job, struct encoded *enc)
{
	struct vfsr_route_opts opts;
	u32 i;

	for (i = 0; i < job->nr_folios; i++)
		memcpy_from_folio((char *)enc->buf->data + i * PAGE_SIZE,
				  job->folio[i], 0, PAGE_SIZE);
	route_opts(job, &opts);
	vfsr_chunk_route(&opts, enc->buf->ws, enc->buf->data, job->bytes,
			 enc->buf->out, &enc->r);
	enc->crc = vfsr_port_crc32c(0, enc->r.data, enc->r.stored);
}

/* --- turns --- */

/* Is it this job's turn? If not, it is left to others in @state. */
static bool take_turn(struct write_job *job, enum turn_state state)
{
	struct vfsr_io_ws *io = job->s->io_ws;
	bool mine;

	spin_lock(&io->live_lock);
	mine = list_empty(&job->turn) ||
	       list_is_first(&job->turn, &vfsr_i(job->inode)->jobs);
	if (!mine)
		job->state = state;
	spin_unlock(&io->live_lock);
	return mine;
}

/* The job is in the tree. Returns the next one if that is to be entered now. */
static struct write_job *give_turn(struct write_job *job)
{
	struct vfsr_io_ws *io = job->s->io_ws;
	struct write_job *next = NULL;
	enum turn_state state = TURN_NONE;

	spin_lock(&io->live_lock);
	if (!list_empty(&job->turn)) {
		list_del_init(&job->turn);
		next = list_first_entry_or_null(&vfsr_i(job->inode)->jobs,
						struct write_job, turn);
	}
	if (next) {
		state = next->state;
		next->state = TURN_NONE;
	}
	if (state == TURN_BUFFER)
		queue_work(next->s->write_wq, &next->work);
	spin_unlock(&io->live_lock);
	return state == TURN_ENTER ? next : NULL;
}

/* False: it is left to others. */
static bool get_buf(struct write_job *job)
{
	struct vfsr_bufs *bufs = &job->s->io_ws->wr;

	job->enc.buf = vfsr_bufs_try(bufs);
	if (job->enc.buf)
		return true;
	if (!take_turn(job, TURN_BUFFER))
		return false;
	job->enc.buf = vfsr_bufs_get(bufs);
	return true;
}

/* Into the tree. Afterwards nothing of @job may be used. Returns the next one
 * if that is to be entered, too. */
static struct write_job *job_enter(struct write_job *job)
{
	struct vfsr_sb *s = job->s;
	struct vfsr_io_ws *io = s->io_ws;
	struct write_call *call = job->call;
	struct write_job *next;
	int err;

	err = vfsr_trans_begin_writeback(s->log);
	if (!err) {
		err = store(job, &job->enc);
		vfsr_trans_end(s->log);
	}
	vfsr_bufs_put(&io->wr, job->enc.buf);
	next = give_turn(job);
	if (err)
		WRITE_ONCE(job->error, err);
	/* nobody may come after the last one: see to it that its stripe closes */
	if (atomic_dec_and_test(&io->nr_queued))
		vfsr_stream_flush(s->log, VFSR_STREAM_HOT, true);
	wake_up(&io->room);
	job_put(job);
	if (call && atomic_dec_and_test(&call->left))
		complete(&call->done);
	return next;
}

/* From folios to the tree. When this returns nothing of @job may be used. */
static void job_run(struct write_job *job)
{
	unsigned int nofs = memalloc_nofs_save();

	if (get_buf(job)) {
		encode(job, &job->enc);
		if (!take_turn(job, TURN_ENTER))
			job = NULL;
		while (job)
			job = job_enter(job);
	}
	memalloc_nofs_restore(nofs);
}

static void job_work(struct work_struct *work)
{
	job_run(container_of(work, struct write_job, work));
}

/* --- writepages --- */

struct write_loop {
	struct vfsr_sb *s;
	struct inode *inode;
	struct write_call *call; /* NULL: does not wait */
	struct write_job *job; /* being collected, or NULL */
	unsigned int nr_jobs; /* handed over before */
};

/* Never fails: jobs in flight end without anything that waits for us (the
 * folio that we hold locked is in none). */
static struct write_job *job_new(struct write_loop *l, u64 pos)
{
	struct vfsr_io_ws *io = l->s->io_ws;
	struct write_job *job = mempool_alloc(io->jobs, GFP_NOFS);

	job->s = l->s;
	job->inode = l->inode;
	job->call = l->call;
	refcount_set(&job->refs, 1);
	job->error = 0;
	job->pos = pos;
	job->bytes = 0;
	job->nr_folios = 0;
	job->nr_pieces = 0;
	job->state = TURN_NONE;
	INIT_LIST_HEAD(&job->turn);
	INIT_WORK(&job->work, job_work);

	spin_lock(&io->live_lock);
	io->nr_live++;
	spin_unlock(&io->live_lock);
	return job;
}

/*
 * Hand over the collected job; @here: run it in this context.
 *
 * Whether it makes the file longer is certain: the size on disk comes down only
 * after the job, if it reaches beyond the new size.
 */
static void job_go(struct write_loop *l, bool here)
{
	struct vfsr_io_ws *io = l->s->io_ws;
	struct vfsr_ino *v = vfsr_i(l->inode);
	struct write_job *job = l->job;

	l->job = NULL;
	l->nr_jobs++;
	if (l->call)
		atomic_inc(&l->call->left);
	atomic_inc(&io->nr_queued);
	if (job->pos + job->bytes > READ_ONCE(v->disk_size)) {
		spin_lock(&io->live_lock);
		list_add_tail(&job->turn, &v->jobs);
		spin_unlock(&io->live_lock);
	}
	if (here) {
		job_run(job);
		return;
	}
	queue_work(l->s->write_wq, &job->work);
	wait_event(io->room, atomic_read(&io->nr_queued) < io->max_queued);
}

/* Does the folio at @pos go on where the job ends, in the same window? */
static bool job_goes_on(const struct write_loop *l, u64 pos)
{
	const struct write_job *job = l->job;

	return job->nr_folios < l->s->io_ws->job_pages &&
	       pos == job->pos + (u64)job->nr_folios * PAGE_SIZE &&
	       pos / VFSR_CHUNK_BYTES == job->pos / VFSR_CHUNK_BYTES;
}

/* Take a folio that writeback_iter() locked and cleaned. */
static void take_folio(struct write_loop *l, struct folio *folio)
{
	u64 isize = i_size_read(l->inode);
	u64 pos = folio_pos(folio);
	u32 len = PAGE_SIZE;
	struct write_job *job;

	if (pos >= isize) {
		/* being cut off; what it holds goes when it is invalidated */
		folio_unlock(folio);
		return;
	}
	if (isize - pos < PAGE_SIZE) {
		/* mappings may have stored something there */
		len = isize - pos;
		folio_zero_segment(folio, len, PAGE_SIZE);
	}
	if (l->job && !job_goes_on(l, pos))
		job_go(l, false);
	if (!l->job)
		l->job = job_new(l, pos);
	job = l->job;
	job->folio[job->nr_folios++] = folio;
	job->bytes = pos + len - job->pos;
	folio_start_writeback(folio);
	folio_unlock(folio);
	if (job->nr_folios == VFSR_WINDOW_PAGES)
		job_go(l, false);
}

/*
 * What a call of writepages looks at, in place of what it was asked for: also
 * what lies between the size on disk and that, or the size would cover it
 * before it is there; and nothing behind i_size as of now. For what the file
 * grows by meanwhile may begin in the middle of a page that was passed already.
 */
struct walk {
	bool cyclic; /* as it was asked */
	loff_t start, end;
};

static void walk_begin(struct walk *w, struct address_space *mapping,
		       struct writeback_control *wbc, loff_t isize)
{
	u64 covered = READ_ONCE(vfsr_i(mapping->host)->disk_size);
	loff_t start = wbc->range_start, end = wbc->range_end;

	*w = (struct walk){ wbc->range_cyclic, start, end };
	if (wbc->range_cyclic) {
		start = (loff_t)mapping->writeback_index << PAGE_SHIFT;
		end = LLONG_MAX;
	}
	if (covered < isize)
		start = min_t(loff_t, start, round_down(covered, PAGE_SIZE));
	wbc->range_start = start;
	wbc->range_end = min(end, isize - 1);
	wbc->range_cyclic = 0;
}

static void walk_end(const struct walk *w, struct address_space *mapping,
		     struct writeback_control *wbc, pgoff_t next)
{
	/* from the beginning, unless the walk had to stop before the end */
	if (w->cyclic)
		mapping->writeback_index = wbc->nr_to_write > 0 ? 0 : next;
	wbc->range_start = w->start;
	wbc->range_end = w->end;
	wbc->range_cyclic = w->cyclic;
}

/* Collect dirty folios into jobs. */
static int collect(struct write_loop *l, struct address_space *mapping,
		   struct writeback_control *wbc)
{
	loff_t isize = i_size_read(l->inode);
	struct folio *folio = NULL;
	pgoff_t next = 0;
	struct walk w;
	int err = 0;

	/* what is dirty is being cut off */
	if (!isize)
		return 0;
	walk_begin(&w, mapping, wbc, isize);
	while ((folio = writeback_iter(mapping, wbc, folio, &err))) {
		next = folio->index + 1;
		take_folio(l, folio);
	}
	walk_end(&w, mapping, wbc, next);
	return err;
}

/**
 * vfsr_writepages - start writing back dirty folios of a file
 * @mapping: of the file
 * @wbc: which, and whether somebody waits
 *
 * For data integrity (but not for sync(2), which waits for all inodes after
 * starting all) the stripes that the folios are in are closed, so that
 * waiting for the folios takes no longer than the I/O. Errors are left in the
 * mapping.
 *
 * Return: 0.
 */
int vfsr_writepages(struct address_space *mapping,
		    struct writeback_control *wbc)
{
	bool waits = wbc->sync_mode == WB_SYNC_ALL && !wbc->for_sync;
	struct write_call call = { .left = ATOMIC_INIT(1) };
	struct write_loop l = {
		.s = vfsr_sb(mapping->host->i_sb),
		.inode = mapping->host,
		.call = waits ? &call : NULL,
	};
	struct vfsr_ino *v = vfsr_i(mapping->host);
	int err;

	init_completion(&call.done);
	mutex_lock(&v->write_lock);
	err = collect(&l, mapping, wbc);
	if (l.job)
		job_go(&l, waits && !l.nr_jobs);
	mutex_unlock(&v->write_lock);
	if (waits) {
		if (!atomic_dec_and_test(&call.left))
			wait_for_completion(&call.done);
		/* or other files' stripes would be closed for nothing */
		if (l.nr_jobs ||
		    mapping_tagged(mapping, PAGECACHE_TAG_WRITEBACK))
			vfsr_stream_flush(l.s->log, VFSR_STREAM_HOT, false);
	}
	return err;
}

/* --- life --- */

static bool is_idle(struct vfsr_io_ws *io)
{
	bool idle;

	spin_lock(&io->live_lock);
	idle = !io->nr_live;
	spin_unlock(&io->live_lock);
	return idle;
}

void vfsr_write_settle(struct vfsr_sb *s, unsigned long timeout)
{
	struct vfsr_io_ws *io = s->io_ws;
	unsigned long end = jiffies + timeout;

	wait_event_timeout(io->room, !atomic_read(&io->nr_queued), timeout);
	vfsr_stream_flush(s->log, VFSR_STREAM_HOT, false);
	if (time_before(jiffies, end))
		wait_event_timeout(io->idle, is_idle(io), end - jiffies);
}

int vfsr_writepath_init(struct vfsr_io_ws *io)
{
	spin_lock_init(&io->live_lock);
	init_waitqueue_head(&io->room);
	init_waitqueue_head(&io->idle);
	atomic_set(&io->nr_queued, 0);
	io->jobs =
		mempool_create_kmalloc_pool(MIN_JOBS, sizeof(struct write_job));
	return io->jobs ? 0 : -ENOMEM;
}

void vfsr_writepath_exit(struct vfsr_io_ws *io)
{
	if (!io->jobs)
		return;
	/* the last end of a job may still be between its folios and here */
	wait_event(io->idle, is_idle(io));
	mempool_destroy(io->jobs);
	io->jobs = NULL;
}
