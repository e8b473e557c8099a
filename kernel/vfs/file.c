// SPDX-License-Identifier: GPL-2.0-only
/*
 * File operations on regular files: reading, writing, mapping, seeking.
 *
 * All I/O goes through the page cache. Direct I/O is buffered I/O with the
 * cache written back before (reads) or written back and dropped after
 * (writes). Lock order: mmap_lock or i_rwsem, freeze protection, then as in
 * vfs/vfs.h. Writers hold i_rwsem; page_mkwrite does not.
 */
#include <linux/compat.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/splice.h>
#include <linux/uio.h>

#include "vfs/datapath.h"

/* --- reading and writing --- */

static ssize_t file_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	size_t count = iov_iter_count(to);
	int err;

	if (!count)
		return 0;
	if (iocb->ki_flags & IOCB_DIRECT) {
		err = kiocb_write_and_wait(iocb, count);
		if (err < 0)
			return err;
	}
	return filemap_read(iocb, to, 0);
}

static ssize_t write_locked(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	loff_t old = i_size_read(inode);
	ssize_t ret;

	ret = file_remove_privs(iocb->ki_filp);
	if (!ret)
		ret = file_update_time(iocb->ki_filp);
	if (ret)
		return ret;
	if (iocb->ki_pos > old)
		vfsr_zero_tail(inode);
	ret = generic_perform_write(iocb, from);
	if (i_size_read(inode) != old)
		mark_inode_dirty(inode);
	return ret;
}

/* What was written (up to ki_pos) is to be on disk and not in the cache. */
static int write_through(struct kiocb *iocb, ssize_t written)
{
	struct address_space *mapping = iocb->ki_filp->f_mapping;
	loff_t start = iocb->ki_pos - written, last = iocb->ki_pos - 1;
	int err = filemap_write_and_wait_range(mapping, start, last);

	if (!err)
		invalidate_mapping_pages(mapping, start >> PAGE_SHIFT,
					 last >> PAGE_SHIFT);
	return err;
}

static ssize_t file_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	ssize_t ret;
	int err;

	if (iocb->ki_flags & IOCB_NOWAIT)
		return -EAGAIN;
	if (vfsr_log_error(vfsr_sb(inode->i_sb)->log))
		return -EIO;
	inode_lock(inode);
	ret = IS_IMMUTABLE(inode) ? -EPERM : generic_write_checks(iocb, from);
	if (ret > 0)
		ret = write_locked(iocb, from);
	inode_unlock(inode);
	if (ret <= 0)
		return ret;
	if (iocb->ki_flags & IOCB_DIRECT) {
		err = write_through(iocb, ret);
		if (err)
			return err;
	}
	return generic_write_sync(iocb, ret);
}

static int file_open(struct inode *inode, struct file *file)
{
	/* reads from the page cache need not sleep; writes say -EAGAIN */
	file->f_mode |= FMODE_CAN_ODIRECT | FMODE_NOWAIT;
	return generic_file_open(inode, file);
}

/* --- mapping --- */

static vm_fault_t page_mkwrite(struct vm_fault *vmf)
{
	struct folio *folio = page_folio(vmf->page);
	struct file *file = vmf->vma->vm_file;
	struct inode *inode = file_inode(file);
	vm_fault_t ret = VM_FAULT_LOCKED;
	bool promised = false, again;
	int err;

	if (IS_IMMUTABLE(inode))
		return VM_FAULT_SIGBUS;
	sb_start_pagefault(inode->i_sb);
	err = file_update_time(file);
	for (again = false; !err; again = true) {
		err = vfsr_promise(inode->i_mapping, vmf->pgoff, again,
				   &promised);
		if (err)
			break;
		folio_lock(folio);
		if (folio->mapping != inode->i_mapping ||
		    folio_pos(folio) >= i_size_read(inode)) {
			folio_unlock(folio);
			ret = VM_FAULT_NOPAGE;
			break;
		}
		folio_wait_writeback(folio);
		if (vfsr_promise_take(folio, &promised)) {
			folio_mark_dirty(folio);
			break;
		}
		/* it was written back just now */
		folio_unlock(folio);
	}
	vfsr_promise_return(inode->i_mapping, &promised);
	sb_end_pagefault(inode->i_sb);
	return err ? vmf_fs_error(err) : ret;
}

static const struct vm_operations_struct file_vm_ops = {
	.fault = filemap_fault,
	.map_pages = filemap_map_pages,
	.page_mkwrite = page_mkwrite,
};

static int file_mmap(struct file *file, struct vm_area_struct *vma)
{
	file_accessed(file);
	vma->vm_ops = &file_vm_ops;
	return 0;
}

/* --- seeking --- */

int vfsr_run_at(struct inode *inode, u64 pos, struct vfsr_run *run)
{
	struct vfsr_tree *t = &vfsr_i(inode)->tree;
	unsigned int nofs = memalloc_nofs_save();
	int err;

	down_read(&t->lock);
	err = vfsr_tree_run(t, pos, run);
	up_read(&t->lock);
	memalloc_nofs_restore(nofs);
	/* or a walk would not come to an end */
	if (!err && run->pos + run->bytes <= pos)
		err = -EUCLEAN;
	return err;
}

/*
 * First block from @pos on that is data (or is not), in bytes; no less than
 * @pos. Blocks are looked at as a whole: a run starts on a block, and the rest
 * of one that it ends in reads as zero but belongs to it.
 */
static int seek_block(struct inode *inode, u64 pos, u64 isize, bool data,
		      u64 *found)
{
	u64 block = round_down(pos, (u64)VFSR_SECTOR_BYTES);
	struct vfsr_run run;
	int err;

	while (block < isize) {
		err = vfsr_run_at(inode, block, &run);
		if (err)
			return err;
		if ((run.type != VFSR_RUN_HOLE) == data)
			break;
		block = round_up(run.pos + run.bytes, (u64)VFSR_SECTOR_BYTES);
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	*found = max(block, pos);
	return 0;
}

/* With everything written back the tree knows what is a hole. */
static loff_t seek_hole_data(struct inode *inode, loff_t offset, int whence)
{
	u64 isize = i_size_read(inode), found;
	int err;

	if (offset < 0 || offset >= isize)
		return -ENXIO;
	err = filemap_write_and_wait_range(
		inode->i_mapping, round_down(offset, (loff_t)PAGE_SIZE),
		LLONG_MAX);
	if (!err)
		err = seek_block(inode, offset, isize, whence == SEEK_DATA,
				 &found);
	if (err)
		return err;
	if (found < isize)
		return found;
	return whence == SEEK_DATA ? -ENXIO : isize;
}

static loff_t file_llseek(struct file *file, loff_t offset, int whence)
{
	struct inode *inode = file_inode(file);

	if (whence != SEEK_HOLE && whence != SEEK_DATA)
		return generic_file_llseek(file, offset, whence);
	inode_lock_shared(inode);
	offset = seek_hole_data(inode, offset, whence);
	inode_unlock_shared(inode);
	if (offset < 0)
		return offset;
	return vfs_setpos(file, offset, inode->i_sb->s_maxbytes);
}

const struct file_operations vfsr_file_fops = {
	.open = file_open,
	.llseek = file_llseek,
	.read_iter = file_read_iter,
	.write_iter = file_write_iter,
	.mmap = file_mmap,
	.fsync = vfsr_fsync,
	.fallocate = vfsr_fallocate,
	.splice_read = filemap_splice_read,
	.splice_write = iter_file_splice_write,
	.unlocked_ioctl = vfsr_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

const struct inode_operations vfsr_file_iops = {
	.getattr = vfsr_getattr,
	.setattr = vfsr_setattr,
	.listxattr = vfsr_listxattr,
	.get_inode_acl = vfsr_get_acl,
	.set_acl = vfsr_set_acl,
	.fileattr_get = vfsr_fileattr_get,
	.fileattr_set = vfsr_fileattr_set,
	.fiemap = vfsr_fiemap,
};
