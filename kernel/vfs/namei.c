// SPDX-License-Identifier: GPL-2.0-only
/*
 * Operations on names: lookup, create, mkdir, mknod, symlink, tmpfile, link,
 * unlink, rmdir. (rename.c has the rest.)
 *
 * Each is one transaction of a few steps (entry.c) that undo each other; the VFS holds
 * i_rwsem of the directories. What an inode is made of comes before its name, so that
 * a name never leads to something unfinished, and what fails leaves no trace.
 */
#include <linux/iversion.h>
#include <linux/namei.h>

#include "vfs/names.h"

/* --- lookup --- */

/* The way up must be the way down, else directories could form a loop. */
static int parent_check(const struct inode *dir, const struct inode *inode)
{
	u64 parent = vfsr_i(inode)->parent;

	if (!S_ISDIR(inode->i_mode) || parent == dir->i_ino)
		return 0;
	return vfsr_inode_bad(inode, VFSR_REASON_PARENT, parent, dir->i_ino);
}

static struct inode *get_named(struct inode *dir, u64 ino, u8 type)
{
	struct inode *inode = vfsr_iget(dir->i_sb, ino, type);
	int err;

	if (inode == ERR_PTR(-ENOENT))
		return ERR_PTR(vfsr_inode_bad(dir, VFSR_REASON_DIRENT, ino, 0));
	if (IS_ERR(inode))
		return inode;
	err = parent_check(dir, inode);
	if (!err)
		return inode;
	iput(inode);
	return ERR_PTR(err);
}

static struct dentry *lookup(struct inode *dir, struct dentry *dentry,
			     unsigned int flags)
{
	struct vfsr_tree *t = &vfsr_i(dir)->tree;
	const struct qstr *name = &dentry->d_name;
	struct inode *inode = NULL;
	u64 ino;
	u8 type;
	int err;

	if (name->len > VFSR_NAME_MAX)
		return ERR_PTR(-ENAMETOOLONG);
	down_read(&t->lock);
	err = vfsr_tree_dir_lookup(t, name->name, name->len, &ino, &type);
	up_read(&t->lock);
	if (err && err != -ENOENT)
		return ERR_PTR(err);
	if (!err)
		inode = get_named(dir, ino, type);
	return d_splice_alias(inode, dentry);
}

/* --- making --- */

struct inode *vfsr_make_inode(struct mnt_idmap *idmap, struct inode *dir,
			      const struct qstr *name, umode_t mode, dev_t rdev,
			      const struct vfsr_acls *acls)
{
	struct inode *inode = vfsr_new_inode(idmap, dir, mode, rdev);
	int err;

	if (IS_ERR(inode))
		return inode;
	err = vfsr_acls_store(inode, acls);
	if (!err)
		err = vfsr_security_init(inode, dir, name);
	if (!err)
		return inode;
	vfsr_new_inode_undo(inode);
	/* dead: no transaction is needed to let go of it */
	discard_new_inode(inode);
	return ERR_PTR(err);
}

/* An inode with a name; a link's @target, else NULL. */
static int make(struct mnt_idmap *idmap, struct inode *dir,
		struct dentry *dentry, umode_t mode, dev_t rdev,
		const char *target)
{
	struct vfsr_acls acls;
	struct inode *inode = NULL;
	int err;

	/* looks into the directory */
	err = vfsr_acls_inherit(dir, &mode, &acls);
	if (err)
		return err;
	err = vfsr_names_begin(dir, VFSR_NAME_NODES);
	if (err)
		goto out;
	inode = vfsr_make_inode(idmap, dir, &dentry->d_name, mode, rdev, &acls);
	if (IS_ERR(inode)) {
		err = PTR_ERR(inode);
		inode = NULL;
		goto end;
	}
	if (target)
		err = vfsr_symlink_store(inode, target, strlen(target));
	if (!err)
		err = vfsr_entry_add(dir, &dentry->d_name, inode);
	if (err)
		vfsr_new_inode_undo(inode);
	else
		d_instantiate_new(dentry, inode);
end:
	err = vfsr_names_end(dir, dir, err);
	if (inode && vfsr_i(inode)->dead)
		discard_new_inode(inode);
out:
	vfsr_acls_release(&acls);
	return err;
}

static int create(struct mnt_idmap *idmap, struct inode *dir,
		  struct dentry *dentry, umode_t mode, bool excl)
{
	return make(idmap, dir, dentry, mode, 0, NULL);
}

static int make_dir(struct mnt_idmap *idmap, struct inode *dir,
		    struct dentry *dentry, umode_t mode)
{
	return make(idmap, dir, dentry, mode | S_IFDIR, 0, NULL);
}

static int make_node(struct mnt_idmap *idmap, struct inode *dir,
		     struct dentry *dentry, umode_t mode, dev_t rdev)
{
	return make(idmap, dir, dentry, mode, rdev, NULL);
}

static int make_symlink(struct mnt_idmap *idmap, struct inode *dir,
			struct dentry *dentry, const char *target)
{
	size_t bytes = strlen(target);

	if (!bytes)
		return -ENOENT;
	if (bytes >= PATH_MAX)
		return -ENAMETOOLONG;
	return make(idmap, dir, dentry, S_IFLNK | 0777, 0, target);
}

/* --- files that never had a name --- */

static int tmpfile_orphan(struct inode *inode)
{
	struct vfsr_trees *trees = vfsr_sb(inode->i_sb)->trees;
	int err = vfsr_orphan_add(trees, inode->i_ino,
				  fs_umode_to_dtype(inode->i_mode));

	if (err)
		return err;
	vfsr_i(inode)->orphan = true;
	vfsr_i(inode)->parent = 0;
	err = vfsr_inode_update(inode);
	if (err)
		vfsr_log_stop(vfsr_sb(inode->i_sb)->log, err,
			      "an unnamed inode is half made");
	return err;
}

static int make_tmpfile(struct mnt_idmap *idmap, struct inode *dir,
			struct file *file, umode_t mode)
{
	struct vfsr_acls acls;
	struct inode *inode = NULL;
	int err;

	err = vfsr_acls_inherit(dir, &mode, &acls);
	if (err)
		return err;
	err = vfsr_names_begin(dir, VFSR_NAME_NODES);
	if (err)
		goto out;
	inode = vfsr_make_inode(idmap, dir, &file->f_path.dentry->d_name, mode,
				0, &acls);
	if (IS_ERR(inode)) {
		err = PTR_ERR(inode);
		inode = NULL;
		goto end;
	}
	err = tmpfile_orphan(inode);
	if (err)
		vfsr_new_inode_undo(inode);
end:
	vfsr_trans_end(vfsr_sb(dir->i_sb)->log);
	if (inode && err) {
		discard_new_inode(inode);
	} else if (inode) {
		/* its link count becomes 0 */
		d_tmpfile(file, inode);
		unlock_new_inode(inode);
	}
out:
	vfsr_acls_release(&acls);
	return finish_open_simple(file, err);
}

/* --- links --- */

/* The name is there; now what the inode says of it. */
static int link_added(struct inode *dir, struct inode *inode)
{
	struct vfsr_ino *v = vfsr_i(inode);
	bool was_orphan = v->orphan;
	int err = 0;

	if (was_orphan)
		err = vfsr_orphan_del(vfsr_sb(dir->i_sb)->trees, inode->i_ino);
	if (err)
		return err;
	v->orphan = false;
	inc_nlink(inode);
	if (!v->parent)
		v->parent = dir->i_ino;
	inode_set_ctime_current(inode);
	inode_inc_iversion(inode);
	err = vfsr_inode_update(inode);
	if (!err)
		return 0;
	/* the counts do not fit any more */
	vfsr_log_stop(vfsr_sb(dir->i_sb)->log, err, "a link is half made");
	drop_nlink(inode);
	v->orphan = was_orphan;
	return err;
}

static int link(struct dentry *old_dentry, struct inode *dir,
		struct dentry *dentry)
{
	struct inode *inode = d_inode(old_dentry);
	int err;

	err = vfsr_names_begin(dir, VFSR_NAME_NODES);
	if (err)
		return err;
	err = vfsr_entry_add(dir, &dentry->d_name, inode);
	if (!err) {
		err = link_added(dir, inode);
		if (err && vfsr_entry_remove(dir, &dentry->d_name, inode))
			vfsr_log_stop(vfsr_sb(dir->i_sb)->log, err,
				      "a link is half made");
	}
	if (!err) {
		ihold(inode);
		d_instantiate(dentry, inode);
	}
	return vfsr_names_end(dir, inode, err);
}

static int remove_name(struct inode *dir, struct dentry *dentry)
{
	struct inode *inode = d_inode(dentry);
	int err;

	err = vfsr_names_begin_free(dir);
	if (err)
		return err;
	err = vfsr_link_drop_prepare(inode);
	if (err)
		goto end;
	err = vfsr_entry_remove(dir, &dentry->d_name, inode);
	if (err)
		vfsr_link_drop_cancel(inode);
	else
		err = vfsr_link_drop(dir, inode);
end:
	return vfsr_names_end(dir, dir, err);
}

static int remove_dir(struct inode *dir, struct dentry *dentry)
{
	int err = vfsr_dir_check_empty(d_inode(dentry));

	return err ? err : remove_name(dir, dentry);
}

const struct inode_operations vfsr_dir_iops = {
	.lookup = lookup,
	.create = create,
	.link = link,
	.unlink = remove_name,
	.symlink = make_symlink,
	.mkdir = make_dir,
	.rmdir = remove_dir,
	.mknod = make_node,
	.rename = vfsr_rename,
	.tmpfile = make_tmpfile,
	.getattr = vfsr_getattr,
	.setattr = vfsr_setattr,
	.listxattr = vfsr_listxattr,
	.get_inode_acl = vfsr_get_acl,
	.set_acl = vfsr_set_acl,
	.fileattr_get = vfsr_fileattr_get,
	.fileattr_set = vfsr_fileattr_set,
};

const struct inode_operations vfsr_special_iops = {
	.getattr = vfsr_getattr,
	.setattr = vfsr_setattr,
	.listxattr = vfsr_listxattr,
	.get_inode_acl = vfsr_get_acl,
	.set_acl = vfsr_set_acl,
};
