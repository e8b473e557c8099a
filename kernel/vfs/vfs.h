/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VFS layer's own: the mounted filesystem, inodes in memory, and what its
 * files call of each other.
 *
 * Lock order: i_rwsem, invalidate_lock, write_lock, folio, transaction,
 * tree->lock (one at a time). The header fields of an inode are in struct inode and below, guarded by
 * i_rwsem or, for sizes and blocks changed by writeback, by tree.lock (write).
 */
#ifndef VFSR_VFS_VFS_H
#define VFSR_VFS_VFS_H

#include <linux/completion.h>
#include <linux/fs.h>
#include <linux/fs_parser.h>
#include <linux/kobject.h>

#include "space/space.h"

/* Options of a mount; compress ones may change by remount. */
struct vfsr_opts {
	u8 compress_alg;	/* enum vfsr_alg */
	u8 compress_level;	/* 1..9 */
	u8 compress_keep;	/* percent */
	bool degraded;
	bool discard;		/* what a freed grid had */
	unsigned int commit_seconds;
};

struct fiemap_extent_info;
struct fileattr;
struct fs_context;
struct vfsr_sysfs;

struct vfsr_sb {
	struct super_block *sb;
	u8 uuid[VFSR_UUID_BYTES];	/* of the pool, constant */
	struct vfsr_pool *pool;
	struct vfsr_grids *grids;
	struct vfsr_log *log;
	struct vfsr_trees *trees;
	struct inode *sectors;		/* its page cache holds sectors that
					 * were lately read */
	struct vfsr_space space;
	struct vfsr_opts opts;
	struct kobject kobj;		/* /sys/fs/vfsr/<uuid> */
	struct completion kobj_gone;
	struct vfsr_sysfs *sysfs;	/* what hangs below; sysfs.c's own */
	char **paths;			/* devices, for /proc/mounts */
	unsigned int nr_paths;
	struct vfsr_io_ws *io_ws;	/* data path's own: codec workspaces */
	struct workqueue_struct *read_wq, *write_wq; /* data path's own */
	struct work_struct resync;
	atomic64_t route[VFSR_NR_STATES]; /* chunks written in each state */
};

struct vfsr_ino {
	struct vfsr_tree tree;
	u64 disk_size;		/* size in the header on disk: no more than
				 * i_size; data behind it is not yet written
				 * back. tree.lock (write) */
	u64 blocks;		/* 512-byte units; tree.lock (write) */
	u64 parent;		/* i_rwsem of the directory that changes it */
	struct timespec64 btime;
	u32 flags, project;
	struct vfsr_policy policy;
	u8 compress_alg, compress_level, compress_keep;
	bool orphan;		/* on the on-disk orphan list: no name; i_rwsem
				 * of the directories that change it */
	bool dead;		/* its tree is gone; set before the last iput */
	struct list_head jobs;	/* of writeback that make the file longer, in
				 * order; io_ws->live_lock */
	struct mutex write_lock; /* one at a time collects them */
	atomic_t nr_promised;	/* folios that hold a promise of space: dirty,
				 * or being written; 0 in a new inode */
	struct inode vfs;
};

static inline struct vfsr_sb *vfsr_sb(const struct super_block *sb)
{
	return sb->s_fs_info;
}

static inline struct vfsr_ino *vfsr_i(const struct inode *inode)
{
	return container_of(inode, struct vfsr_ino, vfs);
}

/* --- inode.c --- */

/* Get inode @ino (64 bits), reading it if need be; checks that its type is
 * @type (DT_*) unless 0. ERR_PTR: -ENOENT, -EUCLEAN (reported), ... */
struct inode *vfsr_iget(struct super_block *sb, u64 ino, u8 type);
/* An inode on the orphan list, as vfsr_iget(); one without links comes back
 * with v->orphan set. */
struct inode *vfsr_iget_orphan(struct super_block *sb, u64 ino);
/* An inode by what a file handle says; -ESTALE unless the generation is right. */
struct inode *vfsr_iget_generation(struct super_block *sb, u64 ino,
				   u32 generation);
/* A new inode in @dir, tree created, in a transaction; locked and I_NEW: then
 * unlock_new_inode(), or vfsr_new_inode_undo() in the same transaction and
 * discard_new_inode() after it. */
struct inode *vfsr_new_inode(struct mnt_idmap *idmap, struct inode *dir,
			     umode_t mode, dev_t rdev);
/* Remove the tree of a new inode that got no name. */
void vfsr_new_inode_undo(struct inode *inode);
/* Write the header from struct inode into the tree; in a transaction, takes
 * tree->lock. The disk size becomes @disk_size (see struct vfsr_ino). */
int vfsr_inode_update(struct inode *inode);
/* The same with tree->lock held for write. */
int vfsr_inode_update_locked(struct inode *inode);
/* Transaction, vfsr_inode_update(), end. */
int vfsr_inode_sync(struct inode *inode);
int vfsr_write_inode(struct inode *inode, struct writeback_control *wbc);
/* fsync of files and directories. */
int vfsr_fsync(struct file *file, loff_t start, loff_t end, int datasync);
/* Set i_op, i_fop, a_ops by type. */
void vfsr_set_ops(struct inode *inode);
/* Report @reason about an inode. Returns -EUCLEAN. */
int vfsr_inode_bad(const struct inode *inode, enum vfsr_reason reason, u64 have,
		   u64 want);
extern struct kmem_cache *vfsr_inode_cache;

/* --- attr.c --- */

int vfsr_getattr(struct mnt_idmap *idmap, const struct path *path,
		 struct kstat *stat, u32 mask, unsigned int flags);
int vfsr_setattr(struct mnt_idmap *idmap, struct dentry *dentry,
		 struct iattr *attr);
/* lsattr(1), chattr(1) */
int vfsr_fileattr_get(struct dentry *dentry, struct fileattr *fa);
int vfsr_fileattr_set(struct mnt_idmap *idmap, struct dentry *dentry,
		      struct fileattr *fa);
/* Repeat the header's flags in i_flags; of an inode that nobody else has, or locked. */
void vfsr_flags_show(struct inode *inode);
/* What a new inode of type @mode takes over from its directory's flags. */
u32 vfsr_flags_inherited(u32 flags, umode_t mode);

/* --- unlinked.c --- */

/* The last user is gone: without links the inode is removed from disk. */
void vfsr_evict_inode(struct inode *inode);
/* Remove what the orphan list names, after a crash; the log is writable. */
int vfsr_orphans_remove(struct super_block *sb);

/* --- namei.c, readdir.c, xattr.c, acl.c, symlink.c, export.c, ioctl.c --- */

extern const struct inode_operations vfsr_dir_iops;
extern const struct inode_operations vfsr_symlink_iops;
extern const struct inode_operations vfsr_special_iops;
extern const struct file_operations vfsr_dir_fops;
extern const struct xattr_handler *const vfsr_xattr_handlers[];
extern const struct export_operations vfsr_export_ops;
ssize_t vfsr_listxattr(struct dentry *dentry, char *buf, size_t size);
struct posix_acl *vfsr_get_acl(struct inode *inode, int type, bool rcu);
int vfsr_set_acl(struct mnt_idmap *idmap, struct dentry *dentry,
		 struct posix_acl *acl, int type);
long vfsr_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

/* --- file.c, aops.c, readpath.c, writepath.c --- */

extern const struct inode_operations vfsr_file_iops;
extern const struct file_operations vfsr_file_fops;
extern const struct address_space_operations vfsr_file_aops;
/* Workspaces and workqueues of the data path; part of mount, after vfsr_space_init(). */
int vfsr_io_init(struct vfsr_sb *s);
void vfsr_io_exit(struct vfsr_sb *s);
/* Change of size through setattr: page cache, tail zeroing, tree, header.
 * i_rwsem held, not in a transaction. */
int vfsr_setsize(struct inode *inode, loff_t size);
/* The run that covers byte @pos; it ends behind @pos. Takes tree->lock; not in a
 * transaction. 0, -ENOMEM, -EIO, -EUCLEAN. */
int vfsr_run_at(struct inode *inode, u64 pos, struct vfsr_run *run);
long vfsr_fallocate(struct file *file, int mode, loff_t start, loff_t len);
int vfsr_fiemap(struct inode *inode, struct fiemap_extent_info *info, u64 start,
		u64 len);

/* --- vfs_super.c, vfs_mount.c, sysfs.c --- */

/* Everything of a superblock that is set up by a mount. @say gets a sentence per
 * problem. 0 or errno; the superblock's owner then kills it. */
int vfsr_fill_super(struct super_block *sb, unsigned int open_flags,
		    vfsr_say_fn say, void *say_ctx);
/* After ro became rw: what a read-only mount leaves undone. */
int vfsr_begin_rw(struct vfsr_sb *s);
void vfsr_kill_sb(struct super_block *sb);
void vfsr_sb_free(struct vfsr_sb *s);
/* Options as the record has them. */
void vfsr_opts_default(const struct vfsr_super *super, struct vfsr_opts *o);
int vfsr_init_fs_context(struct fs_context *fc);
extern const struct fs_parameter_spec vfsr_mount_params[];
int vfsr_sysfs_init(void);
void vfsr_sysfs_exit(void);
int vfsr_sysfs_add(struct vfsr_sb *s);
void vfsr_sysfs_del(struct vfsr_sb *s);
/* The filesystem stops: no more writes; @how: VFSR_SHUTDOWN_*. (ioctl.c) */
void vfsr_shutdown(struct super_block *sb, u32 how);

#endif
