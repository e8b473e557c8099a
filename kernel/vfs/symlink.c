// SPDX-License-Identifier: GPL-2.0-only
/*
 * Symbolic links. The target is inline data in the tree, in items of as many
 * bytes as one may have; the size says how long it is.
 *
 * It is read when a link is followed first, then kept in i_link, which RCU walks use
 * without asking; free_inode frees it.
 */
#include <linux/slab.h>

#include "vfs/names.h"

/**
 * vfsr_symlink_store - give a new link its target
 * @inode: link, just made
 * @target: path
 * @bytes: its length, 1..PATH_MAX - 1
 *
 * Context: in a transaction.
 *
 * Return: 0, or an error; then some of it may be in the tree.
 */
int vfsr_symlink_store(struct inode *inode, const char *target, u32 bytes)
{
	struct vfsr_ino *v = vfsr_i(inode);
	struct vfsr_key key = { .type = VFSR_ITEM_INLINE };
	struct vfsr_bt bt = v->tree.bt;
	u32 len;
	int err = 0;

	down_write(&v->tree.lock);
	for (; key.key < bytes && !err; key.key += len) {
		len = min_t(u32, bytes - key.key, VFSR_MAX_ITEM_BYTES);
		err = vfsr_bt_insert(&bt, key, target + key.key, len);
	}
	if (!err) {
		i_size_write(inode, bytes);
		err = vfsr_inode_update_locked(inode);
	}
	up_write(&v->tree.lock);
	return err;
}

static char *target_read(struct inode *inode)
{
	struct vfsr_ino *v = vfsr_i(inode);
	u32 bytes = (u32)i_size_read(inode);
	char *target = kmalloc(bytes + 1, GFP_KERNEL);
	int ret;

	if (!target)
		return ERR_PTR(-ENOMEM);
	down_read(&v->tree.lock);
	ret = vfsr_tree_inline_read(&v->tree, 0, target, bytes);
	up_read(&v->tree.lock);
	if (ret >= 0 && ((u32)ret != bytes || memchr(target, 0, bytes)))
		ret = vfsr_inode_bad(inode, VFSR_REASON_SIZE, (u64)ret, bytes);
	if (ret < 0) {
		kfree(target);
		return ERR_PTR(ret);
	}
	target[bytes] = 0;
	return target;
}

static const char *get_link(struct dentry *dentry, struct inode *inode,
			    struct delayed_call *done)
{
	char *target, *old;

	if (!dentry)
		return ERR_PTR(-ECHILD);
	target = target_read(inode);
	if (IS_ERR(target))
		return target;
	/* whoever was first keeps it there */
	old = cmpxchg(&inode->i_link, NULL, target);
	if (!old)
		return target;
	kfree(target);
	return old;
}

const struct inode_operations vfsr_symlink_iops = {
	.get_link = get_link,
	.getattr = vfsr_getattr,
	.setattr = vfsr_setattr,
	.listxattr = vfsr_listxattr,
};
