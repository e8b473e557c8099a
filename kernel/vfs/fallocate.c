// SPDX-License-Identifier: GPL-2.0-only
/*
 * fallocate(): holes punched, ranges zeroed, sizes grown.
 *
 * Data never stays where it is, so space cannot be tied to a range of a file ahead
 * of the data: to allocate is to see that there is room now, and to grow the size. A
 * range that is to read as zeroes becomes a hole, block by block; the parts of
 * blocks at its edges are zeroed through the page cache.
 *
 * All of it runs under i_rwsem. A range becomes a hole as a file is truncated: the
 * page cache first, under invalidate_lock, then the tree, in transactions of
 * bounded work.
 */
#include <linux/fs.h>
#include <linux/falloc.h>
#include <linux/highmem.h>
#include <linux/statfs.h>

#include "vfs/datapath.h"

#define STEP_RUNS 64u /* of the tree, in one transaction */

/* --- parts of blocks --- */

/* Zero bytes within one block, below i_size. */
static int zero_part(struct file *file, loff_t pos, u32 len)
{
	struct address_space *mapping = file->f_mapping;
	const struct address_space_operations *ops = mapping->a_ops;
	void *fsdata = NULL;
	struct folio *folio;
	int ret;

	ret = ops->write_begin(file, mapping, pos, len, &folio, &fsdata);
	if (ret)
		return ret;
	folio_zero_range(folio, offset_in_folio(folio, pos), len);
	ret = ops->write_end(file, mapping, pos, len, len, folio, fsdata);
	return ret < 0 ? ret : 0;
}

/*
 * Zero what [*@start, *@end) has of blocks that it does not cover; the range becomes
 * whole blocks, perhaps none. What lies behind i_size reads as zeroes.
 */
static int zero_edges(struct file *file, u64 *start, u64 *end)
{
	const u64 block = VFSR_SECTOR_BYTES;
	u64 isize = i_size_read(file_inode(file));
	u64 first = round_up(*start, block), last = round_down(*end, block);
	int err = 0;

	if (*end >= isize)
		last = round_up(isize, block);
	if (*start < min(first, isize))
		err = zero_part(file, *start,
				min3(first, isize, *end) - *start);
	if (!err && last >= first && *end > last && last < isize)
		err = zero_part(file, last, min(*end, isize) - last);
	*start = first;
	*end = max(first, last);
	return err;
}

/* --- whole blocks --- */

/* Some of what is stored in [*@pos, @end) goes; *@pos moves behind that. */
static int punch_step(struct inode *inode, u64 *pos, u64 end)
{
	struct vfsr_log *log = vfsr_sb(inode->i_sb)->log;
	struct vfsr_tree *t = &vfsr_i(inode)->tree;
	struct vfsr_tree_delta d = { 0 };
	struct vfsr_run run;
	unsigned int i;
	int ret, err;

	ret = vfsr_trans_begin_nowait(log);
	if (ret)
		return ret;
	down_write(&t->lock);
	for (i = 0; i < STEP_RUNS && *pos < end && !ret; i++) {
		u64 bytes = min_t(u64, end - *pos, VFSR_CHUNK_BYTES);

		ret = vfsr_tree_run(t, *pos, &run);
		if (ret)
			break;
		if (run.type == VFSR_RUN_HOLE && !run.stored) {
			*pos = min(end, run.pos + run.bytes);
			continue;
		}
		ret = vfsr_tree_extent_set(t, *pos, NULL, bytes, &d);
		if (!ret)
			*pos += bytes;
	}
	vfsr_i(inode)->blocks += d.blocks;
	/* what went before an error counts too */
	err = vfsr_inode_update_locked(inode);
	up_write(&t->lock);
	vfsr_trans_end(log);
	return ret ? ret : err;
}

static int punch_blocks(struct inode *inode, u64 start, u64 end)
{
	struct address_space *mapping = inode->i_mapping;
	u64 isize = i_size_read(inode);
	u64 covered = READ_ONCE(vfsr_i(inode)->disk_size);
	int err = 0;

	if (start >= end)
		return 0;
	filemap_invalidate_lock(mapping);
	/* the size on disk follows data that is written: not if it is dropped */
	if (covered < isize)
		err = filemap_write_and_wait_range(mapping, covered, LLONG_MAX);
	if (!err)
		truncate_pagecache_range(inode, start, end - 1);
	while (!err && start < end) {
		err = punch_step(inode, &start, end);
		cond_resched();
	}
	filemap_invalidate_unlock(mapping);
	return err;
}

/* Let [start, end) read as zeroes. */
static int make_hole(struct file *file, u64 start, u64 end)
{
	int err = zero_edges(file, &start, &end);

	return err ? err : punch_blocks(file_inode(file), start, end);
}

/* --- room --- */

/* Bytes of [pos, end) without data. */
static int count_holes(struct inode *inode, u64 pos, u64 end, u64 *bytes)
{
	struct vfsr_run run;
	int err;

	*bytes = 0;
	while (pos < end) {
		u64 next;

		err = vfsr_run_at(inode, pos, &run);
		if (err)
			return err;
		next = min(end, run.pos + run.bytes);
		if (run.type == VFSR_RUN_HOLE)
			*bytes += next - pos;
		pos = next;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static int check_room(struct inode *inode, u64 start, u64 end)
{
	struct kstatfs st = { 0 };
	u64 need = end - start, room;
	int err;

	vfsr_space_statfs(&vfsr_sb(inode->i_sb)->space, &st);
	room = st.f_bavail * st.f_bsize;
	if (need <= room)
		return 0;
	err = count_holes(inode, start, end, &need);
	if (err)
		return err;
	return need <= room ? 0 : -ENOSPC;
}

/* --- the call --- */

static int do_fallocate(struct file *file, int mode, u64 start, u64 end)
{
	struct inode *inode = file_inode(file);
	bool grows = !(mode & FALLOC_FL_KEEP_SIZE) && end > i_size_read(inode);
	int err = 0;

	if (grows)
		err = inode_newsize_ok(inode, end);
	/* the header, as for every growth */
	if (!err && grows)
		err = vfsr_space_meta(&vfsr_sb(inode->i_sb)->space, 1);
	if (!err && !(mode & FALLOC_FL_PUNCH_HOLE))
		err = check_room(inode, start, end);
	if (!err)
		err = file_modified(file);
	if (!err && mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		err = make_hole(file, start, end);
	if (!err && grows)
		err = vfsr_setsize(inode, end);
	return err;
}

/**
 * vfsr_fallocate - file_operations.fallocate
 * @file: regular file, open for writing
 * @mode: 0 or FALLOC_FL_KEEP_SIZE (is there room; the size grows unless KEEP_SIZE),
 *	  FALLOC_FL_PUNCH_HOLE with KEEP_SIZE, FALLOC_FL_ZERO_RANGE with or without it
 * @start: first byte
 * @len: bytes, checked by the caller
 *
 * Return: 0; -EOPNOTSUPP for other modes; -ENOSPC; -EFBIG, -EIO, ...
 */
long vfsr_fallocate(struct file *file, int mode, loff_t start, loff_t len)
{
	struct inode *inode = file_inode(file);
	int err;

	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE |
		     FALLOC_FL_ZERO_RANGE))
		return -EOPNOTSUPP;
	if (vfsr_log_error(vfsr_sb(inode->i_sb)->log))
		return -EIO;
	inode_lock(inode);
	err = do_fallocate(file, mode, start, start + len);
	inode_unlock(inode);
	if (!err && (file->f_flags & O_DSYNC || IS_SYNC(inode)))
		err = vfsr_fsync(file, start, start + len - 1, 0);
	return err;
}
