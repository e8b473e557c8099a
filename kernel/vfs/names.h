/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names in directories, between the files that change them. Every call here
 * takes one tree lock at a time, inside, and needs a transaction; the caller has
 * i_rwsem of the directories, as the VFS takes it. What fails has changed nothing, or has
 * stopped the filesystem.
 */
#ifndef VFSR_VFS_NAMES_H
#define VFSR_VFS_NAMES_H

#include "vfs/vfs.h"

struct posix_acl;

/* --- entry.c --- */

/* Ask for room for @nr_nodes nodes, and begin a transaction. */
int vfsr_names_begin(struct inode *dir, unsigned int nr_nodes);
/* The same for what frees space. */
int vfsr_names_begin_free(struct inode *dir);
/* End it; with dirsync make it durable. Returns @err, or why it is not durable. */
int vfsr_names_end(struct inode *dir, struct inode *dir2, int err);

/* Add a name: entry, size, times and subdirectories of @dir. */
int vfsr_entry_add(struct inode *dir, const struct qstr *name,
		   const struct inode *inode);
/* Remove the name of @inode. */
int vfsr_entry_remove(struct inode *dir, const struct qstr *name,
		      const struct inode *inode);
/* Let the name of @old be that of @inode. */
int vfsr_entry_replace(struct inode *dir, const struct qstr *name,
		       const struct inode *inode, const struct inode *old);
/* Is a directory without entries? 0, -ENOTEMPTY, or an error. Takes its tree lock, in a
 * transaction or not. */
int vfsr_dir_check_empty(struct inode *dir);

/* About to remove a name of @inode: enters it into the orphan list if it is the
 * last one. Then either of the next two. */
int vfsr_link_drop_prepare(struct inode *inode);
void vfsr_link_drop_cancel(struct inode *inode);
/* A name of @inode in @dir is gone: link count, ctime, header. */
int vfsr_link_drop(struct inode *dir, struct inode *inode);
/* @inode's name moved from @from to @to (maybe the same). */
int vfsr_link_moved(struct inode *inode, const struct inode *from,
		    const struct inode *to);

/* --- acl.c --- */

struct vfsr_acls {
	struct posix_acl *access, *def; /* or NULL */
};

/* What a new inode in @dir inherits; changes *@mode. May read: no transaction. */
int vfsr_acls_inherit(struct inode *dir, umode_t *mode, struct vfsr_acls *a);
/* Store them in a new inode, in a transaction. */
int vfsr_acls_store(struct inode *inode, const struct vfsr_acls *a);
void vfsr_acls_release(struct vfsr_acls *a);

/* --- xattr.c --- */

/* Set (or with a NULL value remove) an attribute by its full name, in a transaction;
 * nothing else of the inode changes. */
int vfsr_xattr_put(struct inode *inode, const char *name, const void *value,
		   size_t size, int flags);
/* Labels of a new inode from security modules, in a transaction. */
int vfsr_security_init(struct inode *inode, struct inode *dir,
		       const struct qstr *name);

/* --- symlink.c --- */

/* Give a new link its target, in a transaction. */
int vfsr_symlink_store(struct inode *inode, const char *target, u32 bytes);

/* --- namei.c, rename.c --- */

/* Nodes that adding a name may dirty: a path in the directory with splits, the
 * new inode, the orphan list. */
#define VFSR_NAME_NODES 8u

/* An inode with attributes but without a name, in a transaction; as vfsr_new_inode(). */
struct inode *vfsr_make_inode(struct mnt_idmap *idmap, struct inode *dir,
			      const struct qstr *name, umode_t mode, dev_t rdev,
			      const struct vfsr_acls *acls);
int vfsr_rename(struct mnt_idmap *idmap, struct inode *old_dir,
		struct dentry *old_dentry, struct inode *new_dir,
		struct dentry *new_dentry, unsigned int flags);

#endif
