// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading directories.
 *
 * A position is the cookie of the next entry, which is the key of its item: it stays
 * right however the directory changes. 0 and 1 are "." and "..", entries have 2 and
 * more, S64_MAX is the end (no entry has it). Entries are copied out of the
 * tree in batches: dir_emit() may fault, which must not happen under a tree lock.
 */
#include <linux/slab.h>

#include "vfs/vfs.h"

#define BATCH_BYTES 16384u
#define POS_END S64_MAX

/* Emit a batch; false if the caller has no more room. */
static bool emit_batch(struct dir_context *ctx, const u8 *buf, u32 bytes)
{
	const struct vfsr_tree_dirent *d;
	u32 at;

	for (at = 0; at < bytes;
	     at +=
	     ALIGN(offsetof(struct vfsr_tree_dirent, name) + d->name_bytes,
		   8)) {
		d = (const void *)(buf + at);
		ctx->pos = (loff_t)d->cookie;
		if (!dir_emit(ctx, (const char *)d->name, d->name_bytes, d->ino,
			      d->type))
			return false;
	}
	return true;
}

static int read_entries(struct inode *dir, struct dir_context *ctx, u8 *buf)
{
	struct vfsr_tree *t = &vfsr_i(dir)->tree;
	u64 cookie;
	int ret;

	for (;;) {
		cookie = (u64)ctx->pos;
		down_read(&t->lock);
		ret = vfsr_tree_dir_read(t, &cookie, buf, BATCH_BYTES);
		up_read(&t->lock);
		if (ret < 0)
			return ret;
		if (!ret) {
			ctx->pos = POS_END;
			return 0;
		}
		if (!emit_batch(ctx, buf, (u32)ret))
			return 0;
		ctx->pos = (loff_t)cookie;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
}

static int read_dir(struct file *file, struct dir_context *ctx)
{
	u8 *buf;
	int err;

	if (ctx->pos == POS_END || !dir_emit_dots(file, ctx))
		return 0;
	buf = kvmalloc(BATCH_BYTES, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	err = read_entries(file_inode(file), ctx, buf);
	kvfree(buf);
	return err;
}

static loff_t dir_llseek(struct file *file, loff_t offset, int whence)
{
	return generic_file_llseek_size(file, offset, whence, POS_END, POS_END);
}

const struct file_operations vfsr_dir_fops = {
	.llseek = dir_llseek,
	.read = generic_read_dir,
	.iterate_shared = read_dir,
	.fsync = vfsr_fsync,
	.unlocked_ioctl = vfsr_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};
