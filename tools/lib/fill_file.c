// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files, links and special files: their data cut into pieces, their extents in
 * order, their inodes.
 *
 * A piece below f->pack_max goes into a pack; any other is a chunk of its
 * own, which is cut again when it turns out raw and a stripe's end needs it. So
 * its extent waits for the placement, and an inode is complete when nothing
 * waits any more. Uniform pieces need no chunk; equal neighbours become one
 * extent. Holes, where the host knows them, get no extent at all.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/fill_priv.h"

#define INLINE_MAX 64u /* bytes of a file that stay in its inode */
#define PENDING_MAX 65536u /* extents held up before the pipeline is drained */
#define STAT_BLOCK 512u
#define LINK_PART VFSR_MAX_ITEM_BYTES /* of a symbolic link's target */
#define BLOCK_MASK ((u64)VFSR_SECTOR_BYTES - 1)

void fill_inode_set(struct vfsr_inode *in, const struct stat *st, u64 parent)
{
	memset(in, 0, sizeof(*in));
	in->mode = (u16)st->st_mode;
	in->uid = st->st_uid;
	in->gid = st->st_gid;
	in->nlink = 1;
	in->parent = parent;
	in->mtime.sec = st->st_mtim.tv_sec;
	in->mtime.nsec = (u32)st->st_mtim.tv_nsec;
	in->ctime = in->atime = in->btime = in->mtime;
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) {
		in->rdev_major = major(st->st_rdev);
		in->rdev_minor = minor(st->st_rdev);
	}
}

/* --- objects --- */

static struct fill_file *file_get(struct fill *f)
{
	struct fill_file *file = f->free_files;

	if (file) {
		f->free_files = file->next;
	} else {
		file = malloc(sizeof(*file));
		if (!file) {
			fill_fail(f, -ENOMEM);
			return NULL;
		}
	}
	/* all but the node's buffer */
	memset(file, 0, offsetof(struct fill_file, tree));
	file->tree.nr_levels = 0;
	file->next = f->files;
	if (f->files)
		f->files->prev = file;
	f->files = file;
	return file;
}

static void file_put(struct fill *f, struct fill_file *file)
{
	if (file->prev)
		file->prev->next = file->next;
	else
		f->files = file->next;
	if (file->next)
		file->next->prev = file->prev;
	file->next = f->free_files;
	f->free_files = file;
}

static struct fill_extent *extent_get(struct fill *f)
{
	struct fill_extent *x = f->free_extents;

	if (x) {
		f->free_extents = x->next;
		return x;
	}
	x = malloc(sizeof(*x));
	if (!x)
		fill_fail(f, -ENOMEM);
	return x;
}

static void extent_put(struct fill *f, struct fill_extent *x)
{
	x->next = f->free_extents;
	f->free_extents = x;
}

static void free_extents(struct fill_extent *x)
{
	struct fill_extent *next;

	for (; x; x = next) {
		next = x->next;
		free(x);
	}
}

void fill_file_release(struct fill *f)
{
	struct fill_file *file, *next;

	for (file = f->files; file; file = next) {
		next = file->next;
		free_extents(file->head);
		fill_xattr_release(&file->xattrs);
		fill_tree_release(&file->tree);
		free(file);
	}
	for (file = f->free_files; file; file = next) {
		next = file->next;
		free(file);
	}
	free_extents(f->free_extents);
}

/* --- extents --- */

static void to_tree(struct fill *f, struct fill_file *file, u64 pos,
		    const struct vfsr_extent *e)
{
	struct vfsr_key key = { VFSR_ITEM_EXTENT, pos >> VFSR_SECTOR_SHIFT };
	struct vfsr_disk_extent disk;
	u32 bytes = vfsr_extent_encode(e, &disk);

	if (e->chunk)
		file->in.blocks += DIV_ROUND_UP(e->bytes, STAT_BLOCK);
	fill_tree_append(f, &file->tree, key, &disk, bytes);
}

/* Everything was read and placed: write the inode. */
static void finish(struct fill *f, struct fill_file *file)
{
	fill_xattr_append(f, &file->xattrs, &file->tree);
	fill_tree_finish(f, &file->tree, &file->in);
	if (file->linked)
		fill_link_complete(f, file->dev, file->host_ino,
				   file->tree.root);
	else
		fill_node_add(f, VFSR_KIND_INODE, file->tree.ino,
			      file->tree.ino, file->tree.root);
	fill_tree_release(&file->tree);
	file_put(f, file);
}

/* Extents that nothing holds up any more go into the tree. */
static void advance(struct fill *f, struct fill_file *file)
{
	struct fill_extent *x;

	while ((x = file->head) && !x->waiting) {
		to_tree(f, file, x->pos, &x->e);
		file->head = x->next;
		file->nr_extents--;
		extent_put(f, x);
	}
	if (!file->head && file->closed)
		finish(f, file);
}

static struct fill_extent *add_extent(struct fill *f, struct fill_file *file,
				      u64 pos, const struct vfsr_extent *e,
				      bool waiting)
{
	struct fill_extent *x;

	if (!file->head && !waiting) {
		to_tree(f, file, pos, e);
		return NULL;
	}
	x = extent_get(f);
	if (!x)
		return NULL;
	x->next = NULL;
	x->pos = pos;
	x->e = *e;
	x->waiting = waiting;
	if (file->head)
		file->tail->next = x;
	else
		file->head = x;
	file->tail = x;
	file->nr_extents++;
	return x;
}

static void end_run(struct fill *f, struct fill_file *file)
{
	if (!file->run.e.bytes)
		return;
	add_extent(f, file, file->run.pos, &file->run.e, false);
	file->run.e.bytes = 0;
}

/* @bytes at @pos are all @fill. */
static void add_uniform(struct fill *f, struct fill_file *file, u64 pos,
			u32 bytes, u8 fill)
{
	struct vfsr_extent *e = &file->run.e;
	u8 state = fill ? VFSR_STATE_MONOLITH : VFSR_STATE_VOID;

	f->stats->state_bytes[state] += bytes;
	if (e->bytes && e->fill == fill && file->run.pos + e->bytes == pos) {
		e->bytes += bytes;
		return;
	}
	end_run(f, file);
	memset(&file->run, 0, sizeof(file->run));
	file->run.pos = pos;
	e->bytes = bytes;
	e->state = state;
	e->fill = fill;
}

static struct fill_extent *add_chunk(struct fill *f, struct fill_file *file,
				     u64 pos, u32 bytes, u64 id, u32 offset,
				     bool waiting)
{
	struct vfsr_extent e = {
		.chunk = id,
		.bytes = bytes,
		.offset = offset,
		.state = VFSR_STATE_RAW,
	};

	end_run(f, file);
	return add_extent(f, file, pos, &e, waiting);
}

struct fill_extent *fill_file_cut(struct fill *f, struct fill_file *file,
				  struct fill_extent *ext, u32 bytes, u64 rest)
{
	struct fill_extent *x = extent_get(f);

	if (!x)
		return NULL;
	*x = *ext;
	x->pos += bytes;
	x->e.chunk = rest;
	x->e.bytes -= bytes;
	ext->e.bytes = bytes;
	ext->next = x;
	if (file->tail == ext)
		file->tail = x;
	file->nr_extents++;
	return x;
}

void fill_file_placed(struct fill *f, struct fill_file *file,
		      struct fill_extent *ext)
{
	ext->waiting = false;
	if (ext == file->head)
		advance(f, file);
}

/* --- data --- */

/*
 * Read exactly @bytes; false: reported, and no use in going on. Behind the end
 * of a file that became shorter there are zeros.
 */
static bool read_all(struct fill *f, int fd, u8 *buf, u32 bytes, u64 pos)
{
	ssize_t n;

	while (bytes) {
		n = pread(fd, buf, bytes, (off_t)pos);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			fill_skip(f, "cannot read", errno);
			return false;
		}
		if (!n) {
			memset(buf, 0, bytes);
			f->shorter = true;
			return true;
		}
		buf += n;
		pos += (u64)n;
		bytes -= (u32)n;
	}
	return true;
}

static bool read_piece(struct fill *f, struct fill_file *file, int fd, u64 pos,
		       u32 bytes)
{
	struct fill_job *job = fill_job_get(f, FILL_JOB_DATA);
	u8 fill;

	if (!job)
		return false;
	if (!read_all(f, fd, job->in, bytes, pos)) {
		fill_job_put(f, job);
		return false;
	}
	if (vfsr_probe_uniform(job->in, bytes, &fill)) {
		fill_job_put(f, job);
		add_uniform(f, file, pos, bytes, fill);
		return true;
	}
	job->bytes = bytes;
	job->c.id = vfsr_writer_new_id(f->w);
	job->c.owner = file->tree.ino;
	job->c.offset = pos;
	job->c.kind = VFSR_KIND_DATA;
	job->c.refs = 1;
	job->file = file;
	job->ext = add_chunk(f, file, pos, bytes, job->c.id, 0, true);
	if (!job->ext) {
		fill_job_put(f, job);
		return false;
	}
	fill_submit(f, job);
	return true;
}

static bool read_small(struct fill *f, struct fill_file *file, int fd,
		       const char *name, u64 pos, u32 bytes)
{
	u8 *buf = fill_pack_room(f, name, bytes);
	u32 offset;
	u64 id;
	u8 fill;

	if (!buf || !read_all(f, fd, buf, bytes, pos))
		return false;
	if (vfsr_probe_uniform(buf, bytes, &fill)) {
		add_uniform(f, file, pos, bytes, fill);
		return true;
	}
	id = fill_pack_add(f, bytes, file->tree.ino, pos, &offset);
	add_chunk(f, file, pos, bytes, id, offset, false);
	return true;
}

/* Next run of data from @pos on; false: none. */
static bool next_run(int fd, u64 size, u64 pos, u64 *start, u64 *end)
{
	off_t at = lseek(fd, (off_t)pos, SEEK_DATA);

	*start = pos;
	*end = size;
	if (at < 0)
		return errno != ENXIO; /* not supported: all is data */
	if ((u64)at >= size)
		return false;
	*start = max_t(u64, pos, (u64)at & ~BLOCK_MASK);
	at = lseek(fd, at, SEEK_HOLE);
	if (at >= 0)
		*end = min_t(u64, size, ((u64)at + BLOCK_MASK) & ~BLOCK_MASK);
	return *end > *start;
}

static bool read_run(struct fill *f, struct fill_file *file, int fd,
		     const char *name, u64 pos, u64 end)
{
	u32 bytes;
	bool ok = true;

	for (; pos < end && ok && !f->err; pos += bytes) {
		bytes = (u32)min_t(u64, end - pos,
				   f->piece_max - pos % f->piece_max);
		if (bytes < f->pack_max)
			ok = read_small(f, file, fd, name, pos, bytes);
		else
			ok = read_piece(f, file, fd, pos, bytes);
		if (ok)
			f->stats->logical_bytes += bytes;
		if (file->nr_extents > PENDING_MAX)
			fill_drain(f);
		if (f->opts->progress)
			vfsr_progress_set(&f->progress,
					  f->stats->logical_bytes);
	}
	return ok;
}

static bool read_inline(struct fill *f, struct fill_file *file, int fd,
			u32 bytes)
{
	struct vfsr_key key = { VFSR_ITEM_INLINE, 0 };
	u8 buf[INLINE_MAX];

	if (!read_all(f, fd, buf, bytes, 0))
		return false;
	fill_tree_append(f, &file->tree, key, buf, bytes);
	f->stats->logical_bytes += bytes;
	f->stats->stored_bytes += bytes;
	f->stats->state_bytes[VFSR_STATE_RAW] += bytes;
	return true;
}

static void read_file(struct fill *f, struct fill_file *file, int fd,
		      const char *name, const struct stat *st)
{
	bool sparse = (u64)st->st_blocks <
		      DIV_ROUND_UP((u64)st->st_size, STAT_BLOCK);
	u64 size = (u64)st->st_size, pos = 0, end = size;
	struct stat now;
	bool ok = true;

	file->in.size = size;
	f->shorter = false;
	if (!size)
		return;
	if (size <= INLINE_MAX)
		ok = read_inline(f, file, fd, (u32)size);
	else if (!sparse)
		ok = read_run(f, file, fd, name, 0, size);
	while (sparse && size > INLINE_MAX && ok && !f->err && pos < size &&
	       next_run(fd, size, pos, &pos, &end)) {
		ok = read_run(f, file, fd, name, pos, end);
		pos = end;
	}
	end_run(f, file);
	if (!ok)
		return;
	if (f->shorter)
		fill_changed(
			f,
			"became shorter while it was read; what is missing is taken as zeros");
	else if (fstat(fd, &now))
		fill_skip(f, "cannot read its attributes", errno);
	else if (now.st_size != st->st_size ||
		 now.st_mtim.tv_sec != st->st_mtim.tv_sec ||
		 now.st_mtim.tv_nsec != st->st_mtim.tv_nsec)
		fill_changed(f, "changed while it was read");
}

static void read_link(struct fill *f, struct fill_file *file, int dirfd,
		      const char *name)
{
	struct vfsr_key key = { VFSR_ITEM_INLINE, 0 };
	ssize_t n =
		readlinkat(dirfd, name, (char *)f->value, FILL_SCRATCH_BYTES);

	if (n < 0) {
		fill_skip(f, "cannot read the link", errno);
		return;
	}
	file->in.size = (u64)n;
	for (; key.key < (u64)n; key.key += LINK_PART)
		fill_tree_append(f, &file->tree, key, f->value + key.key,
				 (u32)min_t(u64, LINK_PART, (u64)n - key.key));
}

u64 fill_file_add(struct fill *f, int dirfd, const char *name, u64 parent,
		  const struct stat *st, int fd)
{
	struct fill_link *link = NULL;
	struct fill_file *file;
	u64 id;

	if (st->st_nlink > 1)
		link = fill_link_seen(f, st);
	if (link)
		return link->id;
	file = file_get(f);
	if (!file)
		return 0;
	id = vfsr_writer_new_id(f->w);
	if (st->st_nlink > 1) {
		fill_link_new(f, st, id);
		file->linked = true;
		file->dev = st->st_dev;
		file->host_ino = st->st_ino;
	}
	fill_inode_set(&file->in, st, parent);
	fill_tree_begin(&file->tree, id, &file->in);
	fill_xattr_read(f, fd, st, id, &file->xattrs);
	if (S_ISREG(st->st_mode)) {
		f->stats->files++;
		read_file(f, file, fd, name, st);
	} else if (S_ISLNK(st->st_mode)) {
		f->stats->symlinks++;
		read_link(f, file, dirfd, name);
	} else {
		f->stats->specials++;
	}
	file->closed = true;
	advance(f, file);
	return id;
}
