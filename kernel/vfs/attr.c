// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attributes: what stat(2) shows, what chmod, chown, truncate and utimes change, and the
 * flags of chattr(1).
 *
 * The flags are in the header. Those that the VFS knows are repeated in i_flags; it
 * refuses most of what they forbid, all that comes by a path. What comes by files
 * that were open before is refused here and by writers.
 */
#include <linux/fs.h>
#include <linux/fileattr.h>
#include <linux/iversion.h>
#include <linux/pagemap.h>
#include <linux/posix_acl.h>

#include "vfs/vfs.h"

/* --- stat and what changes it --- */

/*
 * Archivers take a file of 0 blocks for one that is nothing but a hole. So what
 * is stored without a block of its own, or not yet written back, counts as
 * one block of 4 KiB.
 */
static u64 blocks_shown(struct inode *inode)
{
	struct vfsr_ino *v = vfsr_i(inode);
	u64 blocks = READ_ONCE(v->blocks);
	struct vfsr_run run;
	bool hole;

	if (blocks || !S_ISREG(inode->i_mode) || !i_size_read(inode))
		return blocks;
	if (atomic_read(&v->nr_promised))
		return VFSR_SECTOR_BYTES >> SECTOR_SHIFT;
	hole = !vfsr_run_at(inode, 0, &run) && run.type == VFSR_RUN_HOLE &&
	       !run.stored && run.bytes >= (u64)i_size_read(inode);
	return hole ? 0 : VFSR_SECTOR_BYTES >> SECTOR_SHIFT;
}

int vfsr_getattr(struct mnt_idmap *idmap, const struct path *path,
		 struct kstat *stat, u32 mask, unsigned int flags)
{
	struct inode *inode = d_inode(path->dentry);

	generic_fillattr(idmap, mask, inode, stat);
	generic_fill_statx_attr(inode, stat);
	stat->attributes_mask |= STATX_ATTR_NODUMP;
	if (vfsr_i(inode)->flags & VFSR_INODE_NODUMP)
		stat->attributes |= STATX_ATTR_NODUMP;
	stat->result_mask |= STATX_BTIME;
	stat->btime = vfsr_i(inode)->btime;
	if (mask & STATX_BLOCKS)
		stat->blocks = blocks_shown(inode);
	return 0;
}

/* Everything but the size. */
static int attrs_store(struct mnt_idmap *idmap, struct inode *inode,
		       const struct iattr *attr)
{
	struct vfsr_log *log = vfsr_sb(inode->i_sb)->log;
	int err = vfsr_trans_begin(log);

	if (err)
		return err;
	setattr_copy(idmap, inode, attr);
	inode_inc_iversion(inode);
	err = vfsr_inode_update(inode);
	vfsr_trans_end(log);
	/* it is so in memory: try again later */
	if (err)
		mark_inode_dirty(inode);
	return err;
}

int vfsr_setattr(struct mnt_idmap *idmap, struct dentry *dentry,
		 struct iattr *attr)
{
	struct inode *inode = d_inode(dentry);
	struct vfsr_sb *s = vfsr_sb(inode->i_sb);
	loff_t old = i_size_read(inode);
	bool resize;
	int err;

	/* the VFS lets ftruncate through if the file was open before */
	if (IS_IMMUTABLE(inode))
		return -EPERM;
	err = setattr_prepare(idmap, dentry, attr);
	if (err)
		return err;
	resize = attr->ia_valid & ATTR_SIZE && attr->ia_size != old;
	/* shrinking must work on a full pool, and what is as short already */
	if (!(attr->ia_valid & ATTR_SIZE) || attr->ia_size > old) {
		err = vfsr_space_meta(&s->space, 1);
		if (err)
			return err;
	}
	if (resize) {
		err = vfsr_setsize(inode, attr->ia_size);
		if (err)
			return err;
		if (!(attr->ia_valid & ATTR_MTIME)) {
			attr->ia_valid |= ATTR_MTIME | ATTR_CTIME;
			attr->ia_mtime = current_time(inode);
			attr->ia_ctime = attr->ia_mtime;
		}
	}
	err = attrs_store(idmap, inode, attr);
	if (!err && attr->ia_valid & ATTR_MODE)
		err = posix_acl_chmod(idmap, dentry, inode->i_mode);
	return err;
}

/* --- flags --- */

/* On disk, in FS_IOC_SETFLAGS, in i_flags */
static const struct flag {
	u32 disk, user;
	unsigned int vfs;
} flag_table[] = {
	{ VFSR_INODE_SYNC, FS_SYNC_FL, S_SYNC },
	{ VFSR_INODE_IMMUTABLE, FS_IMMUTABLE_FL, S_IMMUTABLE },
	{ VFSR_INODE_APPEND, FS_APPEND_FL, S_APPEND },
	{ VFSR_INODE_NODUMP, FS_NODUMP_FL, 0 },
	{ VFSR_INODE_NOATIME, FS_NOATIME_FL, S_NOATIME },
	{ VFSR_INODE_DIRSYNC, FS_DIRSYNC_FL, S_DIRSYNC },
};

#define FLAGS_USER                                                       \
	(FS_SYNC_FL | FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL | \
	 FS_NOATIME_FL | FS_DIRSYNC_FL)
#define FLAGS_VFS (S_SYNC | S_IMMUTABLE | S_APPEND | S_NOATIME | S_DIRSYNC)

void vfsr_flags_show(struct inode *inode)
{
	unsigned int i, flags = 0;

	for (i = 0; i < ARRAY_SIZE(flag_table); i++)
		if (vfsr_i(inode)->flags & flag_table[i].disk)
			flags |= flag_table[i].vfs;
	inode_set_flags(inode, flags, FLAGS_VFS);
}

u32 vfsr_flags_inherited(u32 flags, umode_t mode)
{
	u32 mask = VFSR_INODE_NODUMP | VFSR_INODE_NOATIME;

	if (S_ISREG(mode) || S_ISDIR(mode))
		mask |= VFSR_INODE_SYNC;
	if (S_ISDIR(mode))
		mask |= VFSR_INODE_DIRSYNC;
	return flags & mask;
}

static u32 flags_to_user(u32 disk)
{
	unsigned int i;
	u32 user = 0;

	for (i = 0; i < ARRAY_SIZE(flag_table); i++)
		if (disk & flag_table[i].disk)
			user |= flag_table[i].user;
	return user;
}

/* Flags that are not in the table stay as they are. */
static u32 flags_from_user(u32 disk, u32 user)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(flag_table); i++) {
		disk &= ~flag_table[i].disk;
		if (user & flag_table[i].user)
			disk |= flag_table[i].disk;
	}
	return disk;
}

int vfsr_fileattr_get(struct dentry *dentry, struct fileattr *fa)
{
	const struct vfsr_ino *v = vfsr_i(d_inode(dentry));

	fileattr_fill_flags(fa, flags_to_user(v->flags));
	fa->fsx_projid = v->project;
	return 0;
}

static int flags_store(struct inode *inode, u32 flags)
{
	struct vfsr_log *log = vfsr_sb(inode->i_sb)->log;
	struct vfsr_ino *v = vfsr_i(inode);
	u32 old = v->flags;
	int err = vfsr_trans_begin(log);

	if (err)
		return err;
	v->flags = flags;
	inode_set_ctime_current(inode);
	inode_inc_iversion(inode);
	err = vfsr_inode_update(inode);
	if (err)
		v->flags = old;
	else
		vfsr_flags_show(inode);
	vfsr_trans_end(log);
	return err;
}

int vfsr_fileattr_set(struct mnt_idmap *idmap, struct dentry *dentry,
		      struct fileattr *fa)
{
	struct inode *inode = d_inode(dentry);
	struct vfsr_ino *v = vfsr_i(inode);
	u32 flags;
	int err;

	/* projects, and hints of sizes, cannot be set */
	if (fa->fsx_valid &&
	    (fa->fsx_xflags & ~FS_XFLAG_COMMON || fa->fsx_extsize ||
	     fa->fsx_cowextsize || fa->fsx_projid != v->project))
		return -EOPNOTSUPP;
	if (fa->flags & ~FLAGS_USER)
		return -EOPNOTSUPP;
	flags = flags_from_user(v->flags, fa->flags);
	if (!S_ISDIR(inode->i_mode) && flags & VFSR_INODE_DIRSYNC)
		return -EOPNOTSUPP;
	err = vfsr_space_meta(&vfsr_sb(inode->i_sb)->space, 1);
	if (err)
		return err;
	/* what was written through maps before is to stay */
	if (flags & ~v->flags & VFSR_INODE_IMMUTABLE) {
		err = filemap_write_and_wait(inode->i_mapping);
		if (err)
			return err;
	}
	return flags_store(inode, flags);
}
