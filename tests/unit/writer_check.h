/* SPDX-License-Identifier: GPL-2.0-only */
/* A pool in image files and what should be in it; writer_check.c checks it. */
#ifndef VFSR_UNIT_WRITER_CHECK_H
#define VFSR_UNIT_WRITER_CHECK_H

#include "lib/writer.h"

#define MAX_DEVS 6
#define SECTOR VFSR_SECTOR_BYTES
#define MIB (1024ull * 1024)

struct kind_of_pool {
	const char *name;
	unsigned int nr_devs;
	u64 mib[MAX_DEVS];
	const char *data, *meta; /* NULL: default */
	int layout;
	unsigned int nr_chunks;
	bool sparse; /* leave some ids out */
};

/* What was written, by id. */
struct expected {
	struct vfsr_chunk c;
	bool seen;
};

struct fixture {
	const struct kind_of_pool *kind;
	char path[MAX_DEVS][256];
	struct vfsr_dev *dev[MAX_DEVS];
	u8 *image[MAX_DEVS];
	struct vfsr_super *s; /* the writer's */
	struct vfsr_super *rec; /* decoded from disk */
	struct vfsr_write_stats stats;
	struct expected *want; /* by id */
	u64 nr_want;
	/* found on disk */
	u64 stripes, commits, live, stored, used, gaps, footers;
	u64 *grid_live; /* by grid id */
	u8 mark[VFSR_SLOT_BYTES];
	u32 mark_bytes;
	u64 marked_stripes;
};

/* Check everything that a pool of one transaction has on disk. */
void writer_check_pool(struct fixture *f);

/* Strip table of a member by way of f->rec and index; head and tail agree. */
void writer_check_table(const struct fixture *f, unsigned int m,
			struct vfsr_strip *strips, u32 *live);

#endif
