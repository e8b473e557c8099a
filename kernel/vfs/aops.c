// SPDX-License-Identifier: GPL-2.0-only
/*
 * Folios of files: promises of space for those that get dirty, and the page
 * cache's side of buffered writes.
 *
 * A folio holds a promise (PG_private) from before it is dirty until its writeback has
 * ended or it is cut off; so writeback finds room. Under the folio
 * lock a clean folio that is not under writeback normally holds none; if one
 * does, release_folio gives it back. A dirty folio without a promise comes only
 * from a device that wrote through a pinned page; its writeback may fail for space.
 */
#include <linux/backing-dev.h>
#include <linux/highmem.h>
#include <linux/writeback.h>

#include "vfs/datapath.h"

/* The private word of a folio with a promise; only its being there counts. */
#define PROMISE_MARK ((void *)1ul)
/* How long to wait for what is written back to make room */
#define WRITE_BACK_TIMEOUT (10 * HZ)

/* --- promises --- */

void vfsr_write_back(void *ctx)
{
	struct vfsr_sb *s = ctx;

	try_to_writeback_inodes_sb(s->sb, WB_REASON_FS_FREE_SPACE);
	vfsr_write_settle(s, WRITE_BACK_TIMEOUT);
}

static bool holds_promise(struct address_space *mapping, pgoff_t index)
{
	struct folio *folio = filemap_get_folio(mapping, index);
	bool holds;

	if (IS_ERR(folio))
		return false;
	holds = folio_test_private(folio) && !folio_test_writeback(folio);
	folio_put(folio);
	return holds;
}

int vfsr_promise(struct address_space *mapping, pgoff_t index, bool force,
		 bool *promised)
{
	struct vfsr_sb *s = vfsr_sb(mapping->host->i_sb);
	int err = vfsr_log_error(s->log);

	*promised = false;
	if (err)
		return -EIO;
	if (!force && holds_promise(mapping, index))
		return 0;
	err = vfsr_space_reserve(&s->space, PAGE_SIZE);
	*promised = !err;
	return err;
}

void vfsr_promise_return(struct address_space *mapping, bool *promised)
{
	if (*promised)
		vfsr_space_release(&vfsr_sb(mapping->host->i_sb)->space,
				   PAGE_SIZE);
	*promised = false;
}

bool vfsr_promise_take(struct folio *folio, bool *promised)
{
	struct address_space *mapping = folio->mapping;

	if (folio_test_private(folio)) {
		vfsr_promise_return(mapping, promised);
		return true;
	}
	if (!*promised)
		return false;
	*promised = false;
	folio_attach_private(folio, PROMISE_MARK);
	atomic_inc(&vfsr_i(mapping->host)->nr_promised);
	return true;
}

bool vfsr_promise_drop(struct folio *folio)
{
	if (!folio_test_private(folio))
		return false;
	atomic_dec(&vfsr_i(folio->mapping->host)->nr_promised);
	folio_detach_private(folio);
	return true;
}

static void drop_and_release(struct folio *folio)
{
	struct super_block *sb = folio->mapping->host->i_sb;

	if (vfsr_promise_drop(folio))
		vfsr_space_release(&vfsr_sb(sb)->space, PAGE_SIZE);
}

/* --- buffered writes --- */

/* Make right what @len bytes from @pos on will not overwrite. */
static int prepare(struct folio *folio, loff_t pos, u32 len)
{
	struct inode *inode = folio->mapping->host;
	size_t from = offset_in_folio(folio, pos);
	loff_t isize = i_size_read(inode);

	if (folio_test_uptodate(folio) || len == PAGE_SIZE)
		return 0;
	if (folio_pos(folio) < isize && (from || pos + len < isize))
		return vfsr_fill_folio(inode, folio);
	folio_zero_segments(folio, 0, from, from + len, PAGE_SIZE);
	return 0;
}

static void unlock_put(struct folio *folio)
{
	folio_unlock(folio);
	folio_put(folio);
}

/* A locked folio at @index that holds a promise and is not under writeback. */
static struct folio *get_promised(struct address_space *mapping, pgoff_t index)
{
	struct folio *folio;
	bool promised, again;
	int err;

	for (again = false;; again = true) {
		err = vfsr_promise(mapping, index, again, &promised);
		if (err)
			return ERR_PTR(err);
		folio = __filemap_get_folio(mapping, index, FGP_WRITEBEGIN,
					    mapping_gfp_mask(mapping));
		if (IS_ERR(folio)) {
			vfsr_promise_return(mapping, &promised);
			return folio;
		}
		folio_wait_writeback(folio);
		if (vfsr_promise_take(folio, &promised))
			return folio;
		/* it was written back just now */
		unlock_put(folio);
	}
}

static int write_begin(struct file *file, struct address_space *mapping,
		       loff_t pos, unsigned int len, struct folio **foliop,
		       void **fsdata)
{
	struct folio *folio = get_promised(mapping, pos >> PAGE_SHIFT);
	int err;

	if (IS_ERR(folio))
		return PTR_ERR(folio);
	err = prepare(folio, pos, len);
	if (err) {
		if (!folio_test_dirty(folio))
			drop_and_release(folio);
		unlock_put(folio);
		return err;
	}
	*foliop = folio;
	return 0;
}

/* i_size grows and the folio gets dirty under one lock of the folio: whoever
 * writes it back afterwards sees the size that it belongs to. */
static int write_end(struct file *file, struct address_space *mapping,
		     loff_t pos, unsigned int len, unsigned int copied,
		     struct folio *folio, void *fsdata)
{
	struct inode *inode = mapping->host;

	if (!folio_test_uptodate(folio)) {
		/* what was not copied is nothing at all */
		if (copied < len)
			copied = 0;
		else
			folio_mark_uptodate(folio);
	}
	if (copied) {
		if (pos + copied > i_size_read(inode))
			i_size_write(inode, pos + copied);
		folio_mark_dirty(folio);
	} else if (!folio_test_dirty(folio)) {
		drop_and_release(folio);
	}
	unlock_put(folio);
	return copied;
}

/* --- folios that go away --- */

static void invalidate_folio(struct folio *folio, size_t offset, size_t len)
{
	if (offset || len != folio_size(folio))
		return;
	folio_wait_writeback(folio);
	drop_and_release(folio);
}

static bool release_folio(struct folio *folio, gfp_t gfp)
{
	if (folio_test_dirty(folio) || folio_test_writeback(folio))
		return false;
	drop_and_release(folio);
	return true;
}

const struct address_space_operations vfsr_file_aops = {
	.read_folio = vfsr_read_folio,
	.readahead = vfsr_readahead,
	.writepages = vfsr_writepages,
	.dirty_folio = filemap_dirty_folio,
	.write_begin = write_begin,
	.write_end = write_end,
	.invalidate_folio = invalidate_folio,
	.release_folio = release_folio,
	.migrate_folio = filemap_migrate_folio,
	.error_remove_folio = generic_error_remove_folio,
};
