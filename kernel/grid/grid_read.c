// SPDX-License-Identifier: GPL-2.0-only
/*
 * Verified reads: chunks by their own checksum, sectors by their footer, and
 * the way from the fast path (one plain read, no footer) to healing.
 *
 * Buffers come from a bounded set of workspaces; at least one exists from the
 * start, so that reading never depends on memory that writing must free. A workspace
 * is taken after all waiting for stripes in flight. Nothing is returned that has not
 * passed a checksum; what cannot be had is zeroed and named.
 *
 * A read that fails may have had an outdated place (its grid was freed meanwhile):
 * callers look the chunk up again, and try again if its place has changed.
 */
#include <linux/cpumask.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "grid/grid_priv.h"

/* --- workspaces --- */

static void ws_free(struct vfsr_read_ws *ws)
{
	if (!ws)
		return;
	kvfree(ws->inflate);
	kvfree(ws->stored);
	kvfree(ws->rows);
	kvfree(ws);
}

static struct vfsr_read_ws *ws_new(gfp_t gfp)
{
	struct vfsr_read_ws *ws = kvzalloc(sizeof(*ws), gfp);

	if (!ws)
		return NULL;
	ws->inflate = kvzalloc(vfsr_port_inflate_ws_bytes(), gfp);
	ws->stored = kvmalloc_array(WS_SECTORS, VFSR_SECTOR_BYTES, gfp);
	if (ws->inflate && ws->stored)
		return ws;
	ws_free(ws);
	return NULL;
}

/* An idle workspace, or leave to make one (@ws is NULL). False: wait. */
static bool ws_try(struct vfsr_reader *rd, bool may_make,
		   struct vfsr_read_ws **ws)
{
	bool got = true;

	spin_lock(&rd->ws_lock);
	*ws = list_first_entry_or_null(&rd->ws_idle, struct vfsr_read_ws, link);
	if (*ws)
		list_del(&(*ws)->link);
	else if (may_make && rd->nr_ws < rd->max_ws)
		rd->nr_ws++;
	else
		got = false;
	spin_unlock(&rd->ws_lock);
	return got;
}

struct vfsr_read_ws *vfsr_ws_get(struct vfsr_grids *gs)
{
	struct vfsr_reader *rd = gs->reader;
	struct vfsr_read_ws *ws;

	vfsr_wait_begin(&rd->ws_had);
	wait_event(rd->ws_wait, ws_try(rd, true, &ws));
	if (!ws) {
		ws = ws_new(GFP_NOFS | __GFP_NOWARN | __GFP_NORETRY);
		if (!ws) {
			/* then those that there are must do: one always is */
			spin_lock(&rd->ws_lock);
			rd->nr_ws--;
			spin_unlock(&rd->ws_lock);
			wait_event(rd->ws_wait, ws_try(rd, false, &ws));
		}
	}
	ws->heal_seq = READ_ONCE(rd->heal_seq);
	ws->seen_bad = false;
	ws->nr_written = 0;
	ws->nr_lost = 0;
	memset(ws->nr_healed, 0, sizeof(ws->nr_healed));
	return ws;
}

void vfsr_ws_put(struct vfsr_grids *gs, struct vfsr_read_ws *ws)
{
	struct vfsr_reader *rd = gs->reader;

	WARN_ON_ONCE(ws->heal_depth || ws->nr_io);
	spin_lock(&rd->ws_lock);
	list_add(&ws->link, &rd->ws_idle);
	spin_unlock(&rd->ws_lock);
	vfsr_wait_end(&rd->ws_had);
	wake_up(&rd->ws_wait);
}

int vfsr_reader_init(struct vfsr_grids *gs)
{
	struct vfsr_reader *rd = kzalloc(sizeof(*rd), GFP_KERNEL);
	struct vfsr_read_ws *ws;
	u32 i;

	gs->reader = rd;
	if (!rd)
		return -ENOMEM;
	spin_lock_init(&rd->ws_lock);
	vfsr_wait_init(&rd->ws_had, "vfsr workspace");
	INIT_LIST_HEAD(&rd->ws_idle);
	init_waitqueue_head(&rd->ws_wait);
	spin_lock_init(&rd->label_lock);
	INIT_LIST_HEAD(&rd->label_lru);
	for (i = 0; i < LABEL_BUCKETS; i++)
		INIT_HLIST_HEAD(&rd->label_hash[i]);
	mutex_init(&rd->resync_lock);
	ratelimit_state_init(&rd->healed_limit, 5 * HZ, 10);
	ratelimit_state_init(&rd->lost_limit, 5 * HZ, 10);
	rd->max_ws = 4 * num_online_cpus() + 8;
	if (vfsr_heal_init(gs))
		goto fail;
	ws = ws_new(GFP_KERNEL);
	if (!ws)
		goto fail;
	list_add(&ws->link, &rd->ws_idle);
	rd->nr_ws = 1;
	return 0;
fail:
	vfsr_reader_exit(gs);
	return -ENOMEM;
}

void vfsr_reader_exit(struct vfsr_grids *gs)
{
	struct vfsr_reader *rd = gs->reader;
	struct vfsr_read_ws *ws, *next;

	if (!rd)
		return;
	list_for_each_entry_safe(ws, next, &rd->ws_idle, link) {
		list_del(&ws->link);
		ws_free(ws);
		rd->nr_ws--;
	}
	WARN_ON_ONCE(rd->nr_ws);
	vfsr_labels_forget(gs, 0);
	vfsr_heal_exit(gs);
	kfree(rd);
	gs->reader = NULL;
}

/* --- messages --- */

/* Say what was healed, a line per member, and count. */
static void say_healed(struct vfsr_grids *gs, const struct vfsr_grid *g,
		       const struct vfsr_read_ws *ws,
		       const struct vfsr_reader_of *who)
{
	unsigned int i;

	for (i = 0; i < gs->pool->nr_devs; i++) {
		if (!ws->nr_healed[i] ||
		    !__ratelimit(&gs->reader->healed_limit))
			continue;
		vfsr_warn(
			gs->pool->name,
			"healed %u sectors: dev=%u (%s) grid=%llu ino=%llu offset=%llu",
			ws->nr_healed[i], i, gs->pool->dev[i]->path, g->id,
			who ? who->ino : 0, who ? who->offset : 0);
	}
}

static void say_lost(struct vfsr_grids *gs, u64 grid, u32 nr_sectors,
		     const struct vfsr_reader_of *who)
{
	struct vfsr_where at = { .dev = -1, .grid = grid };
	struct vfsr_fault f = { .reason = VFSR_REASON_LOST };

	if (who) {
		at.ino = who->ino;
		f.where = who->offset;
	}
	f.have = nr_sectors;
	vfsr_report(gs->pool->name, &at, &f);
	if (__ratelimit(&gs->reader->lost_limit))
		vfsr_err(gs->pool->name,
			 "lost %u sectors: grid=%llu ino=%llu offset=%llu",
			 nr_sectors, grid, at.ino, f.where);
}

/* --- by sectors --- */

/* Part of one column of one stripe. */
struct part {
	struct vfsr_grid *g;
	struct vfsr_label *label;
	struct vfsr_extent_rows e;
	u32 col, row, nr;
	u8 *buf;
	u8 *state; /* nr; SECTOR_OK: verified */
};

/* Plain read and check of every sector. Returns how many are bad. */
static u32 part_read(struct vfsr_grids *gs, struct part *t,
		     struct vfsr_read_ws *ws)
{
	u32 i, nr_bad = 0;

	vfsr_rows_queue(gs, t->g, &t->e, t->col, t->row, t->nr, t->buf,
			t->state, ws);
	vfsr_ws_read(ws);
	for (i = 0; i < t->nr; i++) {
		if (t->state[i] == SECTOR_OK &&
		    vfsr_sector_ok(gs, t->g, t->label, t->col, t->row + i,
				   vfsr_nth_sector(t->buf, i)))
			continue;
		if (t->state[i] != SECTOR_MISSING) {
			vfsr_heal_mark(gs, t->g, &t->e, t->col, t->row + i,
				       MARK_BAD, ws);
			t->state[i] = SECTOR_ERROR;
		}
		nr_bad++;
	}
	return nr_bad;
}

/* Heal bad sectors by their rows, run after run. */
static int part_heal_rows(struct vfsr_grids *gs, struct part *t,
			  struct vfsr_read_ws *ws)
{
	struct vfsr_row_run rr = { .g = t->g, .label = t->label, .e = t->e };
	u32 i, j, nr;
	int err;

	for (i = 0; i < t->nr; i += nr) {
		nr = 1;
		if (t->state[i] == SECTOR_OK)
			continue;
		while (i + nr < t->nr && t->state[i + nr] != SECTOR_OK &&
		       nr < vfsr_rows_max(t->g))
			nr++;
		rr.row = t->row + i;
		rr.nr = nr;
		err = vfsr_rows_load(gs, &rr, ws);
		if (err)
			return err;
		vfsr_rows_decode(gs, &rr, ws);
		for (j = 0; j < nr; j++) {
			if (rr.bad[j] >> t->col & 1)
				continue;
			memcpy(vfsr_nth_sector(t->buf, i + j),
			       vfsr_nth_sector(rr.buf[t->col], j),
			       VFSR_SECTOR_BYTES);
			t->state[i + j] = SECTOR_OK;
		}
	}
	return 0;
}

static void part_lose(struct vfsr_grids *gs, struct part *t, u32 i,
		      struct vfsr_read_ws *ws)
{
	memset(vfsr_nth_sector(t->buf, i), 0, VFSR_SECTOR_BYTES);
	vfsr_heal_mark(gs, t->g, &t->e, t->col, t->row + i, MARK_LOST, ws);
	t->state[i] = SECTOR_ERROR;
	ws->nr_lost++;
}

/* Read part of a column. 0 (t->state says what is lost), or -ENOMEM. */
static int part_get(struct vfsr_grids *gs, struct part *t,
		    struct vfsr_read_ws *ws)
{
	int err;
	u32 i;

	err = vfsr_label_get(gs, t->g, &t->e, true, ws, &t->label);
	if (err == -ENOMEM)
		return err;
	if (err) {
		/* without a footer nothing of the stripe can be verified */
		for (i = 0; i < t->nr; i++)
			part_lose(gs, t, i, ws);
		return 0;
	}
	if (part_read(gs, t, ws))
		err = part_heal_rows(gs, t, ws);
	for (i = 0; !err && i < t->nr; i++) {
		if (t->state[i] == SECTOR_OK)
			continue;
		err = vfsr_heal_sector(gs, t->g, t->col, t->row + i,
				       vfsr_nth_sector(t->buf, i), ws);
		if (!err)
			t->state[i] = SECTOR_OK;
		if (err == -ENOMEM)
			break;
		if (err)
			part_lose(gs, t, i, ws);
		err = 0;
	}
	vfsr_label_put(t->label);
	return err;
}

/* Linear sectors [sector, sector + nr) of a grid, verified; ws->part_state says
 * which ones are lost. 0, -EUCLEAN, -ENOMEM. */
static int read_sectors(struct vfsr_grids *gs, struct vfsr_grid *g, u32 sector,
			u32 nr, u8 *buf, struct vfsr_read_ws *ws)
{
	struct part t = { .g = g };
	u32 done;
	int err;

	for (done = 0; done < nr; done += t.nr) {
		if (vfsr_sector_locate(&g->g, g->starts, vfsr_grid_rows_used(g),
				       sector + done, &t.e, &t.col, &t.row))
			return -EUCLEAN;
		t.nr = min(nr - done, t.e.row + t.e.depth - t.row);
		t.buf = vfsr_nth_sector(buf, done);
		t.state = ws->part_state + done;
		err = part_get(gs, &t, ws);
		if (err)
			return err;
	}
	return 0;
}

/* --- chunks --- */

/* Find and bound a chunk. 0, -EUCLEAN, or the grid's error; at->g is to be put. */
static int chunk_spot(struct vfsr_grids *gs, const struct vfsr_chunk *c,
		      struct vfsr_spot *at)
{
	struct vfsr_grid *g = vfsr_grid_get(gs, vfsr_place_grid(c->place));
	u32 col, row, room;
	int err;

	at->g = g;
	at->sector = vfsr_place_sector(c->place);
	at->byte = vfsr_place_byte(c->place);
	if (!g)
		return vfsr_grids_incomplete(gs) ? -EIO : -EUCLEAN;
	err = vfsr_grid_load(gs, g);
	if (err)
		return err;
	if (vfsr_sector_locate(&g->g, g->starts, vfsr_grid_rows_used(g),
			       at->sector, &at->e, &col, &row))
		return -EUCLEAN;
	at->inside = at->sector - at->e.row * g->g.k;
	room = (g->g.k * at->e.depth - at->inside) * VFSR_SECTOR_BYTES -
	       at->byte;
	if (c->stored > room)
		return -EUCLEAN;
	at->nr = DIV_ROUND_UP(at->byte + c->stored, VFSR_SECTOR_BYTES);
	return 0;
}

int vfsr_spot_read(struct vfsr_grids *gs, const struct vfsr_spot *at, u32 copy,
		   blk_opf_t op, u8 *buf, struct vfsr_read_ws *ws)
{
	u32 depth = at->e.depth, done, len, nr_io;
	struct vfsr_dev *d;
	u64 sector;

	for (done = 0; done < at->nr; done += len) {
		u32 rel = (at->inside + done) % depth;

		d = vfsr_grid_pos_run(gs, at->g, &at->e,
				      (at->inside + done) / depth + copy,
				      at->e.row + rel,
				      min(at->nr - done, depth - rel), &sector,
				      &len);
		if (!vfsr_dev_usable(d) ||
		    !vfsr_ws_queue(ws, d, sector, len,
				   vfsr_nth_sector(buf, done), NULL)) {
			ws->nr_io = 0;
			return -EIO;
		}
	}
	nr_io = ws->nr_io;
	ws->nr_io = 0;
	return vfsr_io_run(ws->io, nr_io, op);
}

static u64 all_pieces(u32 len_bytes)
{
	return ((u64)1 << DIV_ROUND_UP(len_bytes, VFSR_SECTOR_BYTES)) - 1;
}

/* Pieces of the stored bytes that sector @i of the cover touches. */
static u64 pieces_of_sector(u32 i, u32 byte, u32 stored)
{
	u32 from = i ? i * VFSR_SECTOR_BYTES - byte : 0;
	u32 to = (i + 1) * VFSR_SECTOR_BYTES - byte; /* after it */
	u32 first = from / VFSR_SECTOR_BYTES;
	u32 last = (min(to, stored) - 1) / VFSR_SECTOR_BYTES;

	return ((u64)2 << last) - ((u64)1 << first);
}

/*
 * The last resort where parity is a copy: a copy whose sectors fail because of a
 * neighbour in them may still have this chunk.
 */
static bool read_copies(struct vfsr_grids *gs, const struct vfsr_chunk *c,
			const struct vfsr_spot *at, struct vfsr_read_ws *ws)
{
	const struct vfsr_geometry *g = &at->g->g;
	u32 copy;

	for (copy = 1; g->k == 1 && copy < g->n; copy++)
		if (!vfsr_spot_read(gs, at, copy, REQ_OP_READ, ws->stored,
				    ws) &&
		    vfsr_port_crc32c(0, ws->stored + at->byte, c->stored) ==
			    c->crc)
			return true;
	return false;
}

/* Which pieces of a raw chunk are lost; all of any other. */
static u64 lost_pieces(const struct vfsr_chunk *c, const struct vfsr_spot *at,
		       const struct vfsr_read_ws *ws)
{
	u64 bad = 0;
	u32 i;

	if (c->state != VFSR_STATE_RAW)
		return all_pieces(c->logical);
	for (i = 0; i < at->nr; i++)
		if (ws->part_state[i] != SECTOR_OK)
			bad |= pieces_of_sector(i, at->byte, c->stored);
	return bad;
}

/* Sectors are right and the chunk is not: who names it is wrong. */
static void say_wrong(struct vfsr_grids *gs, const struct vfsr_spot *at,
		      const struct vfsr_fault *f,
		      const struct vfsr_reader_of *who)
{
	struct vfsr_where where = { .dev = -1, .grid = at->g->id };

	where.ino = who ? who->ino : 0;
	vfsr_report(gs->pool->name, &where, f);
}

/* What could be read of a raw chunk, lost pieces zeroed. */
static void give_rest(const struct vfsr_chunk *c, const struct vfsr_spot *at,
		      u64 bad, u8 *dst, const struct vfsr_read_ws *ws)
{
	u32 i, from, len;

	for (i = 0; i * VFSR_SECTOR_BYTES < c->logical; i++) {
		from = i * VFSR_SECTOR_BYTES;
		len = min(c->logical - from, VFSR_SECTOR_BYTES);
		if (bad >> i & 1)
			memset(dst + from, 0, len);
		else
			memcpy(dst + from, ws->stored + at->byte + from, len);
	}
}

/*
 * Read a chunk by verified sectors, healing. 0; -EIO: @bad says what is lost, the
 * rest is in @dst; others: all is lost.
 */
static int read_healed(struct vfsr_grids *gs, const struct vfsr_chunk *c,
		       const struct vfsr_spot *at, u8 *dst, u64 *bad,
		       const struct vfsr_reader_of *who,
		       struct vfsr_read_ws *ws)
{
	struct vfsr_fault f = { .reason = VFSR_REASON_NONE };
	int err;

	*bad = all_pieces(c->logical);
	ws->heal_seq = READ_ONCE(gs->reader->heal_seq);
	err = read_sectors(gs, at->g, at->sector, at->nr, ws->stored, ws);
	if (err)
		return err;
	if (ws->nr_lost) {
		*bad = lost_pieces(c, at, ws);
		if (c->state == VFSR_STATE_RAW)
			give_rest(c, at, *bad, dst, ws);
		if (!read_copies(gs, c, at, ws))
			return -EIO;
		ws->nr_lost = 0;
	}
	err = vfsr_chunk_decode(c, ws->inflate, ws->stored + at->byte, dst, &f);
	if (!err) {
		*bad = 0;
		return 0;
	}
	*bad = all_pieces(c->logical);
	say_wrong(gs, at, &f, who);
	return err == -EBADMSG ? -EIO : err;
}

/* Are the sectors around a chunk worth reading, too? */
static bool is_social(const struct vfsr_grids *gs, const struct vfsr_chunk *c,
		      const struct vfsr_spot *at,
		      const struct vfsr_reader_of *who)
{
	return gs->sectors && at->nr <= SOCIAL_SECTORS &&
	       (c->kind != VFSR_KIND_DATA || (who && who->small));
}

/* One plain read and the chunk's own checksum. 0, or anything else: look closer. */
static int read_fast(struct vfsr_grids *gs, const struct vfsr_chunk *c,
		     const struct vfsr_spot *at, u8 *dst,
		     const struct vfsr_reader_of *who, struct vfsr_read_ws *ws)
{
	const u8 *data = ws->stored;
	blk_opf_t op = REQ_OP_READ;
	int err;

	if (c->kind != VFSR_KIND_DATA)
		op |= REQ_META | REQ_PRIO;
	if (is_social(gs, c, at, who) &&
	    !vfsr_sectors_read(gs, at, op, &data, ws)) {
		err = vfsr_chunk_decode(c, ws->inflate, data + at->byte, dst,
					NULL);
		if (err)
			vfsr_sectors_forget(gs, at);
		return err;
	}
	/* no copy where the sectors are the data */
	if (c->state == VFSR_STATE_RAW && !at->byte &&
	    !(c->stored % VFSR_SECTOR_BYTES) && PAGE_ALIGNED(dst)) {
		err = vfsr_spot_read(gs, at, 0, op, dst, ws);
		if (!err && vfsr_port_crc32c(0, dst, c->stored) != c->crc)
			err = -EBADMSG;
		return err;
	}
	err = vfsr_spot_read(gs, at, 0, op, ws->stored, ws);
	if (err)
		return err;
	return vfsr_chunk_decode(c, ws->inflate, ws->stored + at->byte, dst,
				 NULL);
}

/* Count and tell what a closer look gave. */
static void account(struct vfsr_grids *gs, const struct vfsr_spot *at, int err,
		    const struct vfsr_read_ws *ws,
		    const struct vfsr_reader_of *who)
{
	if (ws->seen_bad)
		atomic64_inc(&gs->heal.bad_chunks);
	if (ws->seen_bad && !err)
		atomic64_inc(&gs->heal.healed_chunks);
	say_healed(gs, at->g, ws, who);
	/* of a freed grid nothing can be expected: the place is outdated */
	if (!ws->nr_lost || READ_ONCE(at->g->state) == VFSR_STRIP_FREE)
		return;
	atomic64_inc(&gs->heal.lost_chunks);
	say_lost(gs, at->g->id, ws->nr_lost, who);
}

static int read_spot(struct vfsr_grids *gs, const struct vfsr_chunk *c,
		     const struct vfsr_spot *at, u8 *dst, u64 *bad,
		     const struct vfsr_reader_of *who)
{
	struct vfsr_read_ws *ws;
	int err;

	/* before a workspace is taken: others must not wait for it */
	if (READ_ONCE(at->g->open))
		vfsr_open_wait(gs, at->g, at->e.row, at->e.depth);
	ws = vfsr_ws_get(gs);
	err = read_fast(gs, c, at, dst, who, ws);
	if (err) {
		err = read_healed(gs, c, at, dst, bad, who, ws);
		account(gs, at, err, ws, who);
	}
	vfsr_ws_put(gs, ws);
	return err;
}

int vfsr_chunk_read(struct vfsr_grids *gs, const struct vfsr_chunk *c,
		    void *dst, u64 *bad, const struct vfsr_reader_of *who)
{
	u32 logical = min(c->logical, VFSR_CHUNK_BYTES);
	u64 lost = all_pieces(logical);
	unsigned int nofs;
	struct vfsr_spot at = { .g = NULL };
	int err = -EUCLEAN;

	might_sleep();
	nofs = memalloc_nofs_save();
	if (vfsr_chunk_ok(c, NULL))
		err = chunk_spot(gs, c, &at);
	if (!err)
		err = read_spot(gs, c, &at, dst, &lost, who);
	else if (err == -EIO)
		say_lost(gs, vfsr_place_grid(c->place),
			 DIV_ROUND_UP(c->stored, VFSR_SECTOR_BYTES), who);
	vfsr_grid_put(at.g);
	memalloc_nofs_restore(nofs);
	if (!err)
		lost = 0;
	else if (lost == all_pieces(logical))
		memset(dst, 0, logical);
	if (bad)
		*bad = lost;
	return err;
}

/* --- rows --- */

/* What rows could not give, by the whole grid: into the caller's buffers. @left:
 * masks. 0, -EIO, -ENOMEM. */
static int heal_left(struct vfsr_grids *gs, struct vfsr_row_run *rr,
		     const u32 *left, struct vfsr_read_ws *ws)
{
	u32 i, col;
	int err, ret = 0;

	for (i = 0; i < rr->nr; i++) {
		for (col = 0; left[i] && col < rr->g->g.n; col++) {
			if (!(left[i] >> col & 1))
				continue;
			err = vfsr_heal_sector(gs, rr->g, col, rr->row + i,
					       vfsr_nth_sector(rr->buf[col], i),
					       ws);
			if (err == -ENOMEM)
				return err;
			if (!err)
				continue;
			vfsr_heal_mark(gs, rr->g, &rr->e, col, rr->row + i,
				       MARK_LOST, ws);
			ws->nr_lost++;
			ret = -EIO;
		}
	}
	return ret;
}

static int read_rows(struct vfsr_grids *gs, struct vfsr_row_run *rr,
		     struct vfsr_read_ws *ws)
{
	int err;

	err = vfsr_label_get(gs, rr->g, &rr->e, true, ws, &rr->label);
	if (err)
		return err;
	err = vfsr_rows_load(gs, rr, ws);
	if (!err) {
		vfsr_rows_decode(gs, rr, ws);
		/* the next reads use ws->bad for themselves */
		memcpy(ws->left, rr->bad, rr->nr * sizeof(*ws->left));
		err = heal_left(gs, rr, ws->left, ws);
	}
	vfsr_label_put(rr->label);
	return err;
}

int vfsr_grid_rows_read(struct vfsr_grids *gs, struct vfsr_grid *g,
			const struct vfsr_extent_rows *rows, u8 *buf)
{
	struct vfsr_row_run rr = {
		.g = g,
		.e = *rows,
		.row = rows->row,
		.nr = rows->depth,
		.own_bufs = true,
	};
	struct vfsr_read_ws *ws;
	unsigned int nofs;
	u32 col;
	int err;

	might_sleep();
	if (!rows->depth || rows->depth > vfsr_rows_max(g))
		return -EINVAL;
	for (col = 0; col < g->g.n; col++)
		rr.buf[col] = vfsr_nth_sector(buf, col * rows->depth);
	nofs = memalloc_nofs_save();
	err = vfsr_grid_load(gs, g);
	if (err)
		goto out;
	if (READ_ONCE(g->open))
		vfsr_open_wait(gs, g, rows->row, rows->depth);
	ws = vfsr_ws_get(gs);
	err = read_rows(gs, &rr, ws);
	say_healed(gs, g, ws, NULL);
	if (err == -EIO)
		say_lost(gs, g->id, ws->nr_lost, NULL);
	vfsr_ws_put(gs, ws);
out:
	memalloc_nofs_restore(nofs);
	return err;
}
