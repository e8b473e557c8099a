// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioctls on files and directories. What the VFS answers itself (flags, uuid, sysfs
 * path) does not come here. All arguments are pointers of the same layout for
 * 32-bit callers.
 */
#include <linux/capability.h>
#include <linux/compat.h>
#include <linux/mount.h>
#include <linux/overflow.h>
#include <linux/uaccess.h>

#include "uapi/vfsr_ioctl.h"
#include "vfs/vfs.h"

static_assert(VFSR_LABEL_BYTES <= FSLABEL_MAX, "a label fits its ioctl");

static long get_label(const struct vfsr_sb *s, char __user *arg)
{
	char label[FSLABEL_MAX] = { 0 };

	memcpy(label, s->pool->super->label, VFSR_LABEL_BYTES);
	label[VFSR_LABEL_BYTES - 1] = 0;
	return copy_to_user(arg, label, sizeof(label)) ? -EFAULT : 0;
}

/**
 * vfsr_shutdown - stop the filesystem for good
 * @sb: filesystem
 * @how: VFSR_SHUTDOWN_*
 *
 * Context: no locks held.
 */
void vfsr_shutdown(struct super_block *sb, u32 how)
{
	struct vfsr_log *log = vfsr_sb(sb)->log;

	if (how == VFSR_SHUTDOWN_SYNC) {
		down_read(&sb->s_umount);
		sync_filesystem(sb);
		up_read(&sb->s_umount);
	}
	if (how != VFSR_SHUTDOWN_NOW)
		vfsr_log_commit(log);
	vfsr_log_stop(log, -EIO, "shut down by ioctl");
}

static long do_shutdown(struct super_block *sb, u32 __user *arg)
{
	u32 how;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (get_user(how, arg))
		return -EFAULT;
	if (how > VFSR_SHUTDOWN_NOW)
		return -EINVAL;
	vfsr_shutdown(sb, how);
	return 0;
}

/* fstrim(8): discard what is free. What becomes free later is discarded then. */
static long trim(struct file *file, struct fstrim_range __user *arg)
{
	struct vfsr_sb *s = vfsr_sb(file_inode(file)->i_sb);
	struct fstrim_range r;
	u64 end;
	int err;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (copy_from_user(&r, arg, sizeof(r)))
		return -EFAULT;
	if (r.len < VFSR_SECTOR_BYTES)
		return -EINVAL;
	if (check_add_overflow(r.start, r.len, &end))
		end = U64_MAX;
	err = mnt_want_write_file(file);
	if (err)
		return err;
	err = vfsr_log_error(s->log) ? -EIO : 0;
	if (!err)
		err = vfsr_grids_trim(s->log->grids, r.start, end, r.minlen,
				      &r.len);
	mnt_drop_write_file(file);
	if (err)
		return err;
	return copy_to_user(arg, &r, sizeof(r)) ? -EFAULT : 0;
}

long vfsr_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct inode *inode = file_inode(file);
	void __user *p = (void __user *)arg;

	switch (cmd) {
	case FS_IOC_GETVERSION:
	case FS_IOC32_GETVERSION:
		return put_user(inode->i_generation, (u32 __user *)p);
	case FS_IOC_GETFSLABEL:
		return get_label(vfsr_sb(inode->i_sb), p);
	case FITRIM:
		return trim(file, p);
	case VFSR_IOC_SHUTDOWN:
		return do_shutdown(inode->i_sb, p);
	default:
		return -ENOTTY;
	}
}
