/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Takes files out of a pool: contents, holes, links, owners, modes, times,
 * attributes. Never writes the pool, and never outside of the target.
 *
 * One thread walks directories; the others make files, in the order of their
 * inodes, which is nearly that of their data. What cannot be recovered is
 * reported with its path and everything else is still restored; lost
 * ranges read as zero in the file that is made.
 */
#ifndef VFSR_LIB_RESTORE_H
#define VFSR_LIB_RESTORE_H

#include "lib/out.h"
#include "lib/pool.h"

#define VFSR_RESTORE_MAX_DEPTH 4096u /* levels of directories */
#define VFSR_RESTORE_MAX_THREADS 64u

#define VFSR_RESTORE_MESSAGES 20u /* errors of the target that are printed */

struct vfsr_restore_opts {
	const char *to; /* directory, made if absent */
	char *const *paths; /* in the pool; none: everything */
	unsigned int nr_paths;
	unsigned int threads; /* 0: one per processor */
	bool overwrite; /* replace existing files */
};

struct vfsr_restore_stats {
	u64 files, dirs, symlinks, specials, hardlinks, xattrs;
	u64 data_bytes; /* of file contents, holes excluded */
	u64 lost_files; /* files with a lost range */
	u64 lost_ranges;
	u64 lost_bytes;
	u64 lost_names; /* files and directories that are missing, and
				 * other metadata that is lost */
	u64 errors; /* of the target: could not be made or set */
	u64 owners_skipped; /* not permitted without privilege */
	u64 xattrs_skipped; /* likewise */
	struct json_object *lost; /* list of what is lost; the caller puts it */
	bool lost_cut; /* the list is incomplete, it had too many */
};

/**
 * vfsr_restore - restore everything, or the named files and subtrees
 * @p: pool, opened for reading
 * @opts: what and where
 * @st: out, zeroed first
 *
 * A named file or subtree is placed into the target under the last component
 * of its path; the path "/" is everything, and the target itself then gets the
 * root directory's attributes. Existing directories are merged into; existing
 * files are refused by name, or replaced (never written through).
 *
 * Errors are reported when they occur. Sets the umask of the process to zero
 * while it runs.
 *
 * Return: 0 if the run came to its end (see @st for losses and errors), or a
 * negative errno: nothing could be done, or it was given up (-ENOSPC...).
 */
int vfsr_restore(struct vfsr_pool *p, const struct vfsr_restore_opts *opts,
		 struct vfsr_restore_stats *st);

/**
 * vfsr_restore_cat - write the contents of one regular file to a descriptor
 * @p: pool
 * @path: in the pool
 * @fd: where to; need not be seekable
 * @st: out, zeroed first
 *
 * Holes and lost ranges are written as zeros, the latter are reported.
 *
 * Return: 0, or a negative errno, already reported.
 */
int vfsr_restore_cat(struct vfsr_pool *p, const char *path, int fd,
		     struct vfsr_restore_stats *st);

#endif
