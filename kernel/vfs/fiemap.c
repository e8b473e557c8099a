// SPDX-License-Identifier: GPL-2.0-only
/*
 * FIEMAP: which parts of a file have data, and how it is stored.
 *
 * A chunk has no address on one device: its sectors lie in the columns of a grid. What
 * is reported as physical is the grid's number times 2^32 plus the byte in the grid's
 * data, so neighbours there are neighbours here. Compressed and repeated bytes
 * are "encoded"; what lies in the inode's tree is "inline".
 */
#include <linux/fiemap.h>

#include "vfs/vfs.h"

#define GRID_SHIFT 32

/* An extent that is reported when it is known whether it is the last. */
struct pending_extent {
	u64 pos, place, bytes;
	u32 flags;
};

static int give(struct fiemap_extent_info *info, const struct pending_extent *e,
		u32 more)
{
	if (!e->bytes)
		return 0;
	return fiemap_fill_next_extent(info, e->pos, e->place, e->bytes,
				       e->flags | more);
}

/* Where and how a run is stored. 0, -EIO, -EUCLEAN, reported. */
static int describe(struct vfsr_sb *s, const struct vfsr_run *run,
		    struct pending_extent *e)
{
	struct vfsr_chunk c;
	int err;

	e->place = 0;
	if (run->type == VFSR_RUN_INLINE) {
		e->flags = FIEMAP_EXTENT_DATA_INLINE |
			   FIEMAP_EXTENT_NOT_ALIGNED;
		return 0;
	}
	if (run->type == VFSR_RUN_FILL) {
		e->flags = FIEMAP_EXTENT_ENCODED | FIEMAP_EXTENT_UNKNOWN;
		return 0;
	}
	err = vfsr_map_lookup(s->log->map, run->chunk, &c);
	if (err) {
		/* its stripe is still open */
		e->flags = FIEMAP_EXTENT_UNKNOWN;
		return err == -EAGAIN ? 0 : err;
	}
	e->flags = c.state == VFSR_STATE_RAW ? 0 : FIEMAP_EXTENT_ENCODED;
	e->place = (vfsr_place_grid(c.place) << GRID_SHIFT) +
		   (u64)vfsr_place_sector(c.place) * VFSR_SECTOR_BYTES +
		   vfsr_place_byte(c.place);
	if (c.state == VFSR_STATE_RAW)
		e->place += run->offset;
	if (e->place % VFSR_SECTOR_BYTES)
		e->flags |= FIEMAP_EXTENT_NOT_ALIGNED;
	return 0;
}

static int walk(struct inode *inode, struct fiemap_extent_info *info, u64 pos,
		u64 end)
{
	struct pending_extent e = { 0 };
	struct vfsr_run run;
	int ret;

	while (pos < i_size_read(inode)) {
		ret = vfsr_run_at(inode, pos, &run);
		if (ret)
			return ret;
		pos = run.pos + run.bytes;
		if (run.type == VFSR_RUN_HOLE)
			continue;
		/* there is more, so the one before is not the last */
		ret = give(info, &e, 0);
		if (ret || run.pos >= end)
			return ret > 0 ? 0 : ret;
		e.pos = run.pos;
		/* the rest of a block that data ends in belongs to it */
		e.bytes = run.type == VFSR_RUN_INLINE ?
				  run.bytes :
				  round_up(run.bytes, (u64)VFSR_SECTOR_BYTES);
		ret = describe(vfsr_sb(inode->i_sb), &run, &e);
		if (ret)
			return ret;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	ret = give(info, &e, FIEMAP_EXTENT_LAST);
	return ret > 0 ? 0 : ret;
}

/**
 * vfsr_fiemap - inode_operations.fiemap
 * @inode: regular file
 * @info: request, and where extents go
 * @start: first byte
 * @len: bytes
 *
 * What is dirty in the page cache is written back first if the request says
 * FIEMAP_FLAG_SYNC, and not seen otherwise.
 *
 * Return: 0 or a negative errno.
 */
int vfsr_fiemap(struct inode *inode, struct fiemap_extent_info *info, u64 start,
		u64 len)
{
	int err;

	inode_lock_shared(inode);
	err = fiemap_prep(inode, info, start, &len, 0);
	if (!err)
		err = walk(inode, info, start, start + len);
	inode_unlock_shared(inode);
	return err;
}
