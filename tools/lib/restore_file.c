// SPDX-License-Identifier: GPL-2.0-only
/*
 * Contents of a file: the items of its tree, written where they belong.
 *
 * A file is worked on by pulling a few extents at a time under its lock and
 * writing them without it; so idle workers can join in on a big file. Ranges
 * that cannot be read are noted and left as holes; nothing that did not pass
 * a checksum is written.
 */
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lib/restore_impl.h"

#define PULL_MAX 32u /* extents that a worker takes at a time */
#define HELP_BYTES (16u << 20) /* files from this size on get help */
#define PIECE_BYTES 4096u /* granularity of loss within a chunk */
/* A crafted extent may claim any length: beyond this, look for room first. */
#define ROOM_CHECK_BYTES (1ull << 30)

/* A part of the file with data: [from, to) */
struct piece {
	u64 from, to;
	struct vfsr_extent e;
};

void vfsr_rfile_init(struct vfsr_rfile *f, struct vfsr_rdir *dir,
		     const char *name, u64 ino, u64 size, int fd)
{
	memset(f, 0, sizeof(*f));
	f->dir = dir;
	f->name = name;
	f->ino = ino;
	f->size = size;
	f->fd = fd;
	pthread_mutex_init(&f->lock, NULL);
}

void vfsr_rfile_release(struct vfsr_rfile *f)
{
	pthread_mutex_destroy(&f->lock);
	free(f->lost);
}

/* Note a lost range; with f->lock held. */
static void lose(struct vfsr_rfile *f, u64 from, u64 to)
{
	to = min_t(u64, to, f->size);
	if (from >= to)
		return;
	if (f->nr_lost && f->lost[f->nr_lost - 1].to == from) {
		f->lost[f->nr_lost - 1].to = to;
		return;
	}
	if (f->nr_lost == f->room_lost) {
		u32 room = f->room_lost ? f->room_lost * 2 : 16;
		struct vfsr_range *more;

		more = realloc(f->lost, room * sizeof(*more));
		if (!more) {
			f->error = -ENOMEM;
			return;
		}
		f->lost = more;
		f->room_lost = room;
	}
	f->lost[f->nr_lost++] = (struct vfsr_range){ from, to };
}

static void fail(struct vfsr_rfile *f, int err)
{
	pthread_mutex_lock(&f->lock);
	if (!f->error)
		f->error = err;
	pthread_mutex_unlock(&f->lock);
}

/* --- output --- */

static int write_all(int fd, const u8 *data, u64 bytes, u64 pos, bool stream)
{
	while (bytes) {
		ssize_t n = stream ? write(fd, data, bytes) :
				     pwrite(fd, data, bytes, (off_t)pos);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		data += n;
		pos += (u64)n;
		bytes -= (u64)n;
	}
	return 0;
}

/* Zeros of a stream up to @to. */
static int stream_gap(struct vfsr_rfile *f, u64 to)
{
	static const u8 zeros[65536];
	int err = 0;

	while (f->streamed < to && !err) {
		u64 n = min_t(u64, to - f->streamed, sizeof(zeros));

		err = write_all(f->fd, zeros, n, 0, true);
		f->streamed += n;
	}
	return err;
}

static int put(struct vfsr_rworker *w, struct vfsr_rfile *f, u64 from,
	       const u8 *data, u64 bytes)
{
	int err = 0;

	if (f->memory) {
		memcpy(f->memory + from, data, bytes);
		return 0;
	}
	atomic_fetch_add(&w->rs->data_bytes, bytes);
	if (f->stream) {
		/* overlapping extents are only met in crafted trees */
		if (from < f->streamed)
			return -EUCLEAN;
		err = stream_gap(f, from);
		f->streamed += bytes;
	}
	if (!err)
		err = write_all(f->fd, data, bytes, from, f->stream);
	return err;
}

/* --- what there is to write --- */

/* Byte of the file where the item with this key starts. */
static u64 offset_of(struct vfsr_key key)
{
	if (key.type < VFSR_ITEM_INLINE)
		return 0;
	if (key.type == VFSR_ITEM_INLINE)
		return key.key;
	if (key.type > VFSR_ITEM_EXTENT ||
	    key.key > VFSR_FILE_BYTES_MAX / VFSR_SECTOR_BYTES)
		return VFSR_FILE_BYTES_MAX;
	return key.key * VFSR_SECTOR_BYTES;
}

/* What was lost before the item that starts at @to. */
static void close_damage(struct vfsr_rfile *f, u64 to)
{
	if (f->damaged)
		lose(f, f->damage, to);
	f->damaged = false;
}

static void open_damage(struct vfsr_rfile *f, u64 from)
{
	if (!f->damaged)
		f->damage = from;
	f->damaged = true;
}

static int room_check(const struct vfsr_rfile *f, u64 bytes)
{
	struct statvfs v;

	if (bytes < ROOM_CHECK_BYTES || f->stream || fstatvfs(f->fd, &v))
		return 0;
	return bytes / v.f_frsize > v.f_bavail ? -EFBIG : 0;
}

static void take_inline(struct vfsr_rworker *w, struct vfsr_rfile *f,
			const struct vfsr_item *item)
{
	u64 from = item->key.key;
	u64 to = min_t(u64, f->size, from + item->bytes);
	int err;

	if (from >= to)
		return;
	err = put(w, f, from, item->value, to - from);
	if (err && !f->error)
		f->error = err;
	f->end = max_t(u64, f->end, to);
}

/* An extent as a piece; false if there is nothing to write. */
static bool take_extent(struct vfsr_rworker *w, struct vfsr_rfile *f,
			const struct vfsr_item *item, struct piece *p)
{
	struct vfsr_fault fault = { 0 };
	u64 from = offset_of(item->key);
	int err;

	if (vfsr_extent_decode(item->value, item->bytes, item->key.key, &p->e,
			       &fault)) {
		vfsr_complain(w->rs->pool->name, -1, 0, f->ino, &fault);
		open_damage(f, from);
		return false;
	}
	p->from = from;
	p->to = min_t(u64, f->size, from + p->e.bytes);
	if (p->from >= p->to || p->e.state == VFSR_STATE_VOID ||
	    p->e.flags & VFSR_EXTENT_PREALLOC)
		return false;
	err = room_check(f, p->to - p->from);
	if (err) {
		f->error = err;
		return false;
	}
	f->end = max_t(u64, f->end, p->to);
	return true;
}

/* The next pieces to write; 0 at the end. */
static unsigned int pull(struct vfsr_rworker *w, struct vfsr_rfile *f,
			 struct piece *p)
{
	unsigned int nr = 0, max = f->stream ? 1 : PULL_MAX;
	struct vfsr_item item;
	int err;

	pthread_mutex_lock(&f->lock);
	f->iter->ws = w->ws;
	while (nr < max && !f->ended && !f->error) {
		err = vfsr_iter_next(f->iter, &item);
		if (err == -ENOMEM) {
			f->error = err;
		} else if (err && err != -ENOENT &&
			   f->iter->lost.type <= VFSR_ITEM_EXTENT) {
			open_damage(f, offset_of(f->iter->lost));
		} else if (err || item.key.type > VFSR_ITEM_EXTENT) {
			close_damage(f, f->size);
			f->ended = true;
		} else {
			close_damage(f, offset_of(item.key));
			if (item.key.type == VFSR_ITEM_INLINE)
				take_inline(w, f, &item);
			else
				nr += take_extent(w, f, &item, &p[nr]);
		}
	}
	pthread_mutex_unlock(&f->lock);
	return nr;
}

/* --- writing pieces --- */

static int write_fill(struct vfsr_rworker *w, struct vfsr_rfile *f,
		      const struct piece *p)
{
	u64 at = p->from;
	int err = 0;

	memset(w->chunk, p->e.fill,
	       min_t(u64, p->to - p->from, VFSR_CHUNK_BYTES));
	while (at < p->to && !err && !atomic_load(&w->rs->fatal)) {
		u64 n = min_t(u64, p->to - at, VFSR_CHUNK_BYTES);

		err = put(w, f, at, w->chunk, n);
		at += n;
	}
	return err;
}

/* The parts of a chunk that are right; notes the others. */
static int write_parts(struct vfsr_rworker *w, struct vfsr_rfile *f,
		       const struct piece *p, const struct vfsr_rchunk *k)
{
	u64 at = p->e.offset, end = p->e.offset + (p->to - p->from);
	int err = 0;

	while (at < end && !err) {
		bool bad = k->bad >> (at / PIECE_BYTES) & 1;
		u64 next = at;

		do
			next = (next / PIECE_BYTES + 1) * PIECE_BYTES;
		while (next < end &&
		       (k->bad >> (next / PIECE_BYTES) & 1) == bad);
		next = min_t(u64, next, end);
		if (bad) {
			pthread_mutex_lock(&f->lock);
			lose(f, p->from + (at - p->e.offset),
			     p->from + (next - p->e.offset));
			pthread_mutex_unlock(&f->lock);
		} else {
			err = put(w, f, p->from + (at - p->e.offset),
				  k->data + at, next - at);
		}
		at = next;
	}
	return err;
}

static int write_chunk(struct vfsr_rworker *w, struct vfsr_rfile *f,
		       struct piece p, const struct vfsr_rchunk *k)
{
	u64 have;

	if (k->err == -ENOMEM)
		return k->err;
	have = k->err || k->logical < p.e.offset ? 0 : k->logical - p.e.offset;
	if (p.to - p.from > have) {
		/* the last block of a file may be longer than its chunk: it
		 * reads as zero from there */
		if (!have || p.to - p.from - have >= VFSR_SECTOR_BYTES) {
			pthread_mutex_lock(&f->lock);
			lose(f, p.from + have, p.to);
			pthread_mutex_unlock(&f->lock);
		}
		p.to = p.from + have;
	}
	return write_parts(w, f, &p, k);
}

static int write_piece(struct vfsr_rworker *w, struct vfsr_rfile *f,
		       const struct piece *p)
{
	struct vfsr_restore *rs = w->rs;
	struct vfsr_rchunk k;
	int err;

	if (p->e.state == VFSR_STATE_MONOLITH)
		return write_fill(w, f, p);
	if (!p->e.offset && p->e.bytes >= VFSR_CHUNK_BYTES) {
		vfsr_rchunk_read(rs->pool, p->e.chunk, w->chunk, w->ws, &k);
		return write_chunk(w, f, *p, &k);
	}
	vfsr_rcache_get(rs->cache, rs->pool, p->e.chunk, w->ws, &k);
	err = write_chunk(w, f, *p, &k);
	vfsr_rcache_put(rs->cache, &k);
	return err;
}

void vfsr_rfile_help(struct vfsr_rworker *w, struct vfsr_rfile *f)
{
	struct piece p[PULL_MAX];
	unsigned int nr, i;
	int err;

	while (!atomic_load(&w->rs->fatal)) {
		nr = pull(w, f, p);
		if (!nr)
			return;
		for (i = 0; i < nr; i++) {
			err = write_piece(w, f, &p[i]);
			if (err)
				fail(f, err);
		}
	}
}

/* Ask idle workers for help, work, and wait until they have left. */
static void write_together(struct vfsr_rworker *w, struct vfsr_rfile *f)
{
	struct vfsr_restore *rs = w->rs;
	struct vfsr_rfile **at;

	pthread_mutex_lock(&rs->lock);
	f->next = rs->want_help;
	rs->want_help = f;
	pthread_cond_broadcast(&rs->work);
	pthread_mutex_unlock(&rs->lock);

	vfsr_rfile_help(w, f);

	pthread_mutex_lock(&rs->lock);
	for (at = &rs->want_help; *at != f; at = &(*at)->next)
		;
	*at = f->next;
	while (f->helpers)
		pthread_cond_wait(&rs->helped, &rs->lock);
	pthread_mutex_unlock(&rs->lock);
	/* a helper may have been the last to read through it */
	f->iter->ws = w->ws;
}

int vfsr_rfile_write(struct vfsr_rworker *w, struct vfsr_rfile *f)
{
	f->iter = &w->iter;
	vfsr_iter_seek(&w->iter, (struct vfsr_key){ 0, 0 });
	if (f->size >= HELP_BYTES && w->rs->nr_workers > 1 && !f->memory &&
	    !f->stream)
		write_together(w, f);
	else
		vfsr_rfile_help(w, f);
	if (atomic_load(&w->rs->fatal))
		return atomic_load(&w->rs->fatal);
	if (f->error || f->memory)
		return f->error;
	if (f->stream)
		return stream_gap(f, f->size);
	/* a hole at the end, or lost ranges there: the size still counts */
	if ((f->end < f->size || f->nr_lost) &&
	    ftruncate(f->fd, (off_t)f->size))
		return -errno;
	return 0;
}
