/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of mkfs.vfsr share: options, checks of devices, the summary. */
#ifndef VFSR_MKFS_MKFS_H
#define VFSR_MKFS_MKFS_H

#include "lib/fill.h"
#include "lib/out.h"
#include "lib/writer.h"

/* Exit codes; after 1 nothing was written. */
enum mkfs_exit {
	MKFS_OK = 0,
	MKFS_REFUSED = 1, /* wrong usage, or refused */
	MKFS_FAILED = 8, /* an operation failed */
};

/* The command line. */
struct mkfs_opts {
	struct vfsr_plan_in plan;
	const char *rootdir; /* NULL: an empty pool */
	bool have_uuid;
	bool force, dry_run, json, keep; /* keep: do not discard */
	char **paths; /* plan.nr_devs of them */
};

/* Everything that the summary tells. */
struct mkfs_result {
	const struct mkfs_opts *opts;
	const struct vfsr_super *s;
	struct vfsr_dev *const *dev;
	bool written; /* the rest is set */
	struct vfsr_fill_stats fill;
	struct vfsr_write_stats write;
	double seconds;
};

/**
 * mkfs_check_devices - refuse what must not be overwritten
 * @o: options
 * @dev: open devices, o->plan.nr_devs of them
 *
 * The same device twice; without -f, another filesystem or pool, partition
 * table or RAID member; a pool that would be filled from a tree holding its own image.
 *
 * Return: 0, or a negative errno, already reported.
 */
int mkfs_check_devices(const struct mkfs_opts *o, struct vfsr_dev *const *dev);

/**
 * mkfs_wipe - make a device forget what was on it
 * @d: device
 * @keep: do not discard
 *
 * Wipes all signatures that libblkid knows, zeroes everything up to the end of
 * the ring, and the ring's copy at the end, flushes, and discards the rest.
 *
 * Return: 0, or a negative errno, already reported.
 */
int mkfs_wipe(struct vfsr_dev *d, bool keep);

/* Print the summary, as text or JSON. */
void mkfs_summary(const struct mkfs_result *r);

#endif
