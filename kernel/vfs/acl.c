// SPDX-License-Identifier: GPL-2.0-only
/*
 * POSIX ACLs: attributes in the form that setxattr(2) has them, cached in the
 * inode by the VFS. An access ACL that says no more than the mode is not stored.
 */
#include <linux/iversion.h>
#include <linux/posix_acl_xattr.h>
#include <linux/slab.h>
#include <linux/xattr.h>

#include "vfs/names.h"

/* A value that grew between asking for its length and reading it */
#define READ_TRIES 4

static const char *acl_name(int type)
{
	return type == ACL_TYPE_ACCESS ? XATTR_NAME_POSIX_ACL_ACCESS :
					 XATTR_NAME_POSIX_ACL_DEFAULT;
}

/* --- reading --- */

/* Its value, allocated; returns the length or an error. */
static ssize_t value_read(struct inode *inode, const char *name, void **value)
{
	struct vfsr_tree *t = &vfsr_i(inode)->tree;
	unsigned int tries;
	ssize_t len, room = 0;

	*value = NULL;
	for (tries = 0; tries < READ_TRIES; tries++) {
		down_read(&t->lock);
		len = vfsr_tree_xattr_get(t, name, *value, room);
		up_read(&t->lock);
		if (*value && len != -ERANGE)
			return len;
		kvfree(*value);
		*value = NULL;
		room = len == -ERANGE ? VFSR_XATTR_VALUE_MAX : len;
		if (room <= 0)
			return len;
		*value = kvmalloc(room, GFP_KERNEL);
		if (!*value)
			return -ENOMEM;
	}
	return -EIO;
}

struct posix_acl *vfsr_get_acl(struct inode *inode, int type, bool rcu)
{
	struct posix_acl *acl;
	void *value;
	ssize_t len;

	if (rcu)
		return ERR_PTR(-ECHILD);
	len = value_read(inode, acl_name(type), &value);
	if (len == -ENODATA || !len)
		acl = NULL;
	else if (len < 0)
		acl = ERR_PTR(len);
	else
		acl = posix_acl_from_xattr(&init_user_ns, value, len);
	kvfree(value);
	return acl;
}

/* --- writing, in a transaction --- */

static int acl_put(struct inode *inode, const struct posix_acl *acl, int type)
{
	void *value = NULL;
	size_t size = 0;
	int err;

	if (acl) {
		size = posix_acl_xattr_size(acl->a_count);
		value = kmalloc(size, GFP_NOFS);
		if (!value)
			return -ENOMEM;
		err = posix_acl_to_xattr(&init_user_ns, acl, value, size);
		if (err < 0)
			goto out;
	}
	err = vfsr_xattr_put(inode, acl_name(type), value, size, 0);
	/* removing what is not there is fine */
	if (!acl && err == -ENODATA)
		err = 0;
out:
	kfree(value);
	return err;
}

int vfsr_set_acl(struct mnt_idmap *idmap, struct dentry *dentry,
		 struct posix_acl *acl, int type)
{
	struct inode *inode = d_inode(dentry);
	struct vfsr_sb *s = vfsr_sb(inode->i_sb);
	struct posix_acl *stored = acl;
	umode_t mode = inode->i_mode;
	int err = 0;

	if (type == ACL_TYPE_DEFAULT && !S_ISDIR(inode->i_mode))
		return acl ? -EACCES : 0;
	if (type == ACL_TYPE_ACCESS && acl)
		err = posix_acl_update_mode(idmap, inode, &mode, &stored);
	if (!err && stored)
		err = vfsr_space_meta(&s->space, 4);
	if (!err)
		err = vfsr_trans_begin(s->log);
	if (err)
		return err;
	err = acl_put(inode, stored, type);
	if (!err) {
		inode->i_mode = mode;
		inode_set_ctime_current(inode);
		inode_inc_iversion(inode);
		err = vfsr_inode_update(inode);
		if (err)
			vfsr_log_stop(s->log, err,
				      "a mode does not fit its ACL");
	}
	vfsr_trans_end(s->log);
	if (!err)
		set_cached_acl(inode, type, stored);
	return err;
}

/* --- new inodes --- */

int vfsr_acls_inherit(struct inode *dir, umode_t *mode, struct vfsr_acls *a)
{
	return posix_acl_create(dir, mode, &a->def, &a->access);
}

int vfsr_acls_store(struct inode *inode, const struct vfsr_acls *a)
{
	int err = 0;

	cache_no_acl(inode);
	if (a->def) {
		err = acl_put(inode, a->def, ACL_TYPE_DEFAULT);
		if (!err)
			set_cached_acl(inode, ACL_TYPE_DEFAULT, a->def);
	}
	if (!err && a->access) {
		err = acl_put(inode, a->access, ACL_TYPE_ACCESS);
		if (!err)
			set_cached_acl(inode, ACL_TYPE_ACCESS, a->access);
	}
	return err;
}

void vfsr_acls_release(struct vfsr_acls *a)
{
	posix_acl_release(a->access);
	posix_acl_release(a->def);
}
