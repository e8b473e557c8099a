// SPDX-License-Identifier: GPL-2.0-only
/*
 * Chooses which finished data chunk goes into the open stripe next, so that
 * stripes are left nearly full although chunks do not cross them.
 *
 * Oldest first while it fits; then the largest that fits; then, if what is left is
 * worth it, the head of a raw piece that is cut there. Only pieces of one
 * file are cut, whose extents wait until then.
 */
#include "core/pack.h"
#include "lib/fill_priv.h"

static u32 room_for(struct fill *f, const struct fill_job *job)
{
	return vfsr_writer_room(f->w, VFSR_USE_WARM,
				vfsr_pack_aligned(job->c.state, job->c.stored));
}

static void count(struct fill *f, const struct fill_job *job)
{
	f->stats->stored_bytes += job->c.stored;
	f->stats->state_bytes[job->c.state] += job->c.logical;
}

static void write_out(struct fill *f, const struct vfsr_chunk *c,
		      const u8 *data)
{
	int err = f->err;

	if (!err)
		err = vfsr_writer_add(f->w, VFSR_USE_WARM, c, data);
	if (err)
		fill_fail(f, err);
}

/* Place window entry @i. */
static void place(struct fill *f, unsigned int i)
{
	struct fill_window *win = &f->window;
	struct fill_job *job = win->job[i];

	win->nr--;
	memmove(&win->job[i], &win->job[i + 1],
		(win->nr - i) * sizeof(struct fill_job *));
	count(f, job);
	write_out(f, &job->c, job->data);
	if (job->ext)
		fill_file_placed(f, job->file, job->ext);
	fill_job_put(f, job);
}

/* Place the first @bytes of a raw piece; what remains keeps its turn. */
static void cut(struct fill *f, struct fill_job *job, u32 bytes)
{
	struct vfsr_chunk c = job->c;
	u64 rest = vfsr_writer_new_id(f->w);
	struct fill_extent *ext, *done;

	c.stored = c.logical = bytes;
	c.crc = vfsr_port_crc32c(0, job->data, bytes);
	ext = fill_file_cut(f, job->file, job->ext, bytes, rest);
	if (!ext)
		return;
	f->stats->stored_bytes += bytes;
	f->stats->state_bytes[VFSR_STATE_RAW] += bytes;
	write_out(f, &c, job->data);
	done = job->ext;
	job->ext = ext;
	job->data += bytes;
	job->c.id = rest;
	job->c.offset += bytes;
	job->c.stored -= bytes;
	job->c.logical = job->c.stored;
	job->c.crc = vfsr_port_crc32c(0, job->data, job->c.stored);
	fill_file_placed(f, job->file, done);
}

static bool cuttable(const struct fill_job *job, u32 room)
{
	return job->kind == FILL_JOB_DATA && job->c.state == VFSR_STATE_RAW &&
	       job->c.stored > room;
}

/* Place one chunk, or a part of one. */
static void place_one(struct fill *f)
{
	struct fill_window *win = &f->window;
	u32 aligned, odd, best_bytes = 0;
	unsigned int i, best = 0;

	if (f->err || win->job[0]->c.stored <= room_for(f, win->job[0])) {
		place(f, 0);
		return;
	}
	aligned = vfsr_writer_room(f->w, VFSR_USE_WARM, true);
	odd = vfsr_writer_room(f->w, VFSR_USE_WARM, false);
	for (i = 1; i < win->nr; i++) {
		const struct vfsr_chunk *c = &win->job[i]->c;

		if (c->stored > best_bytes &&
		    c->stored <= (vfsr_pack_aligned(c->state, c->stored) ?
					  aligned :
					  odd)) {
			best = i;
			best_bytes = c->stored;
		}
	}
	if (best_bytes) {
		place(f, best);
		return;
	}
	for (i = 0; i < win->nr && aligned >= f->cut_min; i++) {
		if (cuttable(win->job[i], aligned)) {
			cut(f, win->job[i], aligned);
			return;
		}
	}
	place(f, 0); /* into a new stripe */
}

void fill_place(struct fill *f, struct fill_job *job)
{
	struct fill_window *win = &f->window;

	f->stats->shared_chunks += job->shared;
	/* what is compressed will not be cut */
	if (job->ext && job->c.state != VFSR_STATE_RAW) {
		fill_file_placed(f, job->file, job->ext);
		job->ext = NULL;
	}
	while (win->nr == FILL_WINDOW)
		place_one(f);
	win->job[win->nr++] = job;
}

void fill_place_all(struct fill *f)
{
	while (f->window.nr)
		place_one(f);
}
