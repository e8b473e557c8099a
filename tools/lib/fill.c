// SPDX-License-Identifier: GPL-2.0-only
/*
 * Filling a pool: what belongs to the whole of it. The walk (fill_walk.c)
 * produces data, nodes and attributes; the pipeline (fill_pipe.c) encodes them,
 * fill_place.c and fill_tree.c hand them to the writer. See fill_priv.h for
 * who may do what, and when.
 */
#include <fts.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/fill_priv.h"

#define ROOT_MODE (S_IFDIR | 0755)
#define DIR_NLINK 2
#define FOOTER_SECTORS 3u /* two footers, and the entry of one chunk */
#define CUT_SHARE 100u /* a hundredth of a stripe is worth a cut */
#define STAT_BLOCK 512

int fill_fail(struct fill *f, int err)
{
	if (!f->err)
		f->err = err;
	return err;
}

void fill_skip(struct fill *f, const char *what, int err)
{
	char *path = vfsr_name_text(f->path, f->path_bytes);

	f->stats->skipped++;
	if (err)
		vfsr_error("%s: %s: %s", path ? path : f->path, what,
			   strerror(err));
	else
		vfsr_error("%s: %s", path ? path : f->path, what);
	free(path);
	errno = err;
}

void fill_changed(struct fill *f, const char *what)
{
	char *path = vfsr_name_text(f->path, f->path_bytes);

	f->stats->changed++;
	vfsr_warn("%s: %s", path, what);
	free(path);
}

/* Data below the root, for the progress display alone. */
static u64 tree_bytes(const char *root)
{
	char *argv[2] = { strdup(root), NULL };
	u64 sum = 0;
	FTSENT *e;
	FTS *fts;

	if (!argv[0])
		return 0;
	fts = fts_open(argv, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	while (fts && (e = fts_read(fts))) {
		const struct stat *st = e->fts_statp;

		if (e->fts_info == FTS_F)
			sum += min_t(u64, (u64)st->st_size,
				     (u64)st->st_blocks * STAT_BLOCK) /
			       max_t(u64, st->st_nlink, 1);
	}
	if (fts)
		fts_close(fts);
	free(argv[0]);
	return sum;
}

static void empty_root(struct fill *f)
{
	struct vfsr_inode in = {
		.mode = ROOT_MODE,
		.nlink = DIR_NLINK,
		.parent = VFSR_ROOT_INO,
		.mtime = f->opts->now,
		.ctime = f->opts->now,
		.atime = f->opts->now,
		.btime = f->opts->now,
	};
	struct fill_tree t;

	fill_tree_begin(&t, VFSR_ROOT_INO, &in);
	fill_tree_finish(f, &t, &in);
	fill_node_add(f, VFSR_KIND_INODE, VFSR_ROOT_INO, VFSR_ROOT_INO, t.root);
	f->stats->dirs++;
}

/* The longest chunk that always fits a fresh stripe of a stream, 0: none. */
static u32 longest_chunk(struct fill *f, unsigned int use)
{
	u32 sectors = vfsr_writer_stripe_bytes(f->w, use) / VFSR_SECTOR_BYTES;

	if (sectors <= FOOTER_SECTORS)
		return 0;
	return min_t(u32, VFSR_CHUNK_BYTES,
		     (sectors - FOOTER_SECTORS) * VFSR_SECTOR_BYTES);
}

/* How long pieces may be: chunks do not cross stripes. */
static int limits_set(struct fill *f)
{
	f->piece_max = longest_chunk(f, VFSR_USE_WARM);
	f->pack_max = f->piece_max / 2;
	f->cut_min = max_t(u32, VFSR_SECTOR_BYTES,
			   vfsr_writer_stripe_bytes(f->w, VFSR_USE_WARM) /
				   CUT_SHARE);
	f->xattr_max = longest_chunk(f, VFSR_USE_META);
	return f->piece_max && f->xattr_max ? 0 : -ENOSPC;
}

static int start(struct fill *f)
{
	int err = limits_set(f);

	if (err)
		return err;
	f->scratch = aligned_alloc(sizeof(u64), FILL_SCRATCH_BYTES);
	f->value = malloc(FILL_SCRATCH_BYTES);
	f->link_path = malloc(PATH_MAX);
	if (!f->scratch || !f->value || !f->link_path)
		return -ENOMEM;
	return 0;
}

static void release(struct fill *f)
{
	while (f->window.nr)
		fill_job_put(f, f->window.job[--f->window.nr]);
	fill_pack_release(f);
	if (f->batch)
		fill_job_put(f, f->batch);
	fill_pipe_stop(f);
	fill_file_release(f);
	fill_link_release(f);
	fill_walk_release(f);
	free(f->scratch);
	free(f->value);
}

static void run(struct fill *f)
{
	if (!f->opts->rootdir) {
		empty_root(f);
		fill_drain(f);
		return;
	}
	if (f->opts->progress)
		vfsr_progress_begin(&f->progress, "filling",
				    isatty(STDERR_FILENO) ?
					    tree_bytes(f->opts->rootdir) :
					    0);
	fill_walk(f);
	fill_drain(f);
	/* every node of a linked inode is complete now */
	fill_link_finish(f);
	fill_drain(f);
	if (f->opts->progress)
		vfsr_progress_end(&f->progress);
}

int vfsr_fill(struct vfsr_writer *w, struct vfsr_super *s,
	      const struct vfsr_fill_opts *opts, struct vfsr_fill_stats *stats)
{
	struct fill *f = calloc(1, sizeof(*f));
	int err;

	memset(stats, 0, sizeof(*stats));
	if (!f)
		return -ENOMEM;
	f->w = w;
	f->s = s;
	f->opts = opts;
	f->stats = stats;
	f->links.fd = -1;
	err = fill_pipe_start(f);
	if (!err)
		err = start(f);
	if (err)
		fill_fail(f, err);
	else
		run(f);
	err = f->err;
	s->nr_inodes += f->nr_inodes;
	s->logical_bytes += stats->logical_bytes;
	release(f);
	free(f);
	if (!err && stats->skipped)
		err = -EIO;
	return err;
}
