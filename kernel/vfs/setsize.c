// SPDX-License-Identifier: GPL-2.0-only
/*
 * Changing the size of a file.
 *
 * Shrinking: first the page cache, so that no writeback reaches beyond the
 * new size any more and no folio there is locked by a reader, then the tree,
 * from its end downward, in transactions of bounded work. In each of these the
 * header's size comes down to what is left, so every checkpoint has extents that end
 * within the size. Reading folios anew waits for invalidate_lock meanwhile.
 *
 * Growing: a hole, and a new size in the header at once.
 */
#include <linux/highmem.h>

#include "vfs/datapath.h"

/* Where the last extent ends, at least @size. */
static u64 data_end(struct vfsr_tree *t, u64 size)
{
	struct vfsr_run run;

	if (vfsr_tree_run(t, VFSR_FILE_BYTES_MAX - 1, &run) ||
	    run.type != VFSR_RUN_HOLE)
		return U64_MAX;
	return max(run.pos, size);
}

/* One transaction's worth. Returns 1 if there is more. */
static int truncate_step(struct inode *inode, u64 size)
{
	struct vfsr_log *log = vfsr_sb(inode->i_sb)->log;
	struct vfsr_ino *v = vfsr_i(inode);
	struct vfsr_tree_delta d = { 0 };
	int ret, err;

	ret = vfsr_trans_begin_nowait(log);
	if (ret)
		return ret;
	down_write(&v->tree.lock);
	ret = vfsr_tree_truncate(&v->tree, size, &d);
	v->blocks += d.blocks;
	if (!ret)
		v->disk_size = size;
	else if (ret > 0)
		v->disk_size = min(v->disk_size, data_end(&v->tree, size));
	/* what went before an error counts too */
	err = vfsr_inode_update_locked(inode);
	up_write(&v->tree.lock);
	vfsr_trans_end(log);
	return err ? err : ret;
}

/* Remove the data behind @size, which becomes the header's size. */
static int truncate_tree(struct inode *inode, u64 size)
{
	struct vfsr_ino *v = vfsr_i(inode);
	int ret;

	if (!size && !v->disk_size && !v->blocks)
		return 0;
	do {
		ret = truncate_step(inode, size);
		cond_resched();
	} while (ret > 0);
	return ret;
}

void vfsr_zero_tail(struct inode *inode)
{
	loff_t size = i_size_read(inode);
	size_t from = offset_in_page(size);
	struct folio *folio;

	if (!from)
		return;
	folio = filemap_lock_folio(inode->i_mapping, size >> PAGE_SHIFT);
	if (IS_ERR(folio))
		return;
	/* a folio under writeback or clean has zeroes there already; this
	 * waits because nobody changes a folio under writeback, even so */
	folio_wait_writeback(folio);
	if (folio_test_uptodate(folio))
		folio_zero_segment(folio, from, folio_size(folio));
	folio_unlock(folio);
	folio_put(folio);
}

static int shrink(struct inode *inode, loff_t size)
{
	struct address_space *mapping = inode->i_mapping;
	int err;

	filemap_invalidate_lock(mapping);
	truncate_setsize(inode, size);
	err = truncate_tree(inode, size);
	filemap_invalidate_unlock(mapping);
	return err;
}

static int grow(struct inode *inode, loff_t size)
{
	struct vfsr_log *log = vfsr_sb(inode->i_sb)->log;
	struct vfsr_ino *v = vfsr_i(inode);
	loff_t old = i_size_read(inode);
	u64 old_disk;
	int err;

	vfsr_zero_tail(inode);
	i_size_write(inode, size);
	err = vfsr_trans_begin(log);
	if (err)
		goto undo;
	down_write(&v->tree.lock);
	old_disk = v->disk_size;
	v->disk_size = size;
	err = vfsr_inode_update_locked(inode);
	if (err)
		v->disk_size = old_disk;
	up_write(&v->tree.lock);
	vfsr_trans_end(log);
	if (err)
		goto undo;
	pagecache_isize_extended(inode, old, size);
	return 0;
undo:
	i_size_write(inode, old);
	truncate_pagecache(inode, old);
	return err;
}

/**
 * vfsr_setsize - change the size of a file
 * @inode: file
 * @size: new size, checked against the limits
 *
 * The header has the new size when this returns. Data below it that the size on
 * disk did not cover yet is written first, or a crash would show zeroes in its
 * place. Times are the caller's business.
 *
 * Context: i_rwsem held for write, no transaction.
 *
 * Return: 0 or a negative errno.
 */
int vfsr_setsize(struct inode *inode, loff_t size)
{
	loff_t old = i_size_read(inode), keep = min(old, size);
	u64 covered = READ_ONCE(vfsr_i(inode)->disk_size);
	int err;

	if (vfsr_log_error(vfsr_sb(inode->i_sb)->log))
		return -EIO;
	if (keep > 0 && covered < keep) {
		err = filemap_write_and_wait_range(inode->i_mapping, covered,
						   keep - 1);
		if (err)
			return err;
	}
	if (size < old)
		return shrink(inode, size);
	return size > old ? grow(inode, size) : 0;
}
