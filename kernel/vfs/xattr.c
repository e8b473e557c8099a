// SPDX-License-Identifier: GPL-2.0-only
/*
 * Extended attributes: user, trusted, security, and (through acl.c) the two
 * ACLs. Names are stored with their prefix, as listxattr(2) shows them.
 *
 * Values are read and written under the inode's tree lock; the VFS holds
 * i_rwsem for changes and checks permissions.
 */
#include <linux/iversion.h>
#include <linux/posix_acl_xattr.h>
#include <linux/security.h>
#include <linux/slab.h>
#include <linux/xattr.h>

#include "vfs/names.h"

/* Two footers and the entry table: what a chunk cannot have of a stripe */
#define FOOTER_SECTORS 3u

/*
 * A long value is a chunk, and chunks do not cross stripes: the metadata policy of
 * a small pool may have stripes shorter than a value may be.
 */
static size_t value_max(const struct vfsr_sb *s)
{
	const struct vfsr_super *super = s->pool->super;
	struct vfsr_geometry g;
	u32 sectors;

	if (vfsr_geometry_init(&g, &super->meta, super->strip_shift,
			       super->layout, NULL))
		return 0;
	sectors = g.k * g.depth;
	if (sectors <= FOOTER_SECTORS)
		return 0;
	return min_t(size_t, VFSR_XATTR_VALUE_MAX,
		     (sectors - FOOTER_SECTORS) * VFSR_SECTOR_BYTES);
}

int vfsr_xattr_put(struct inode *inode, const char *name, const void *value,
		   size_t size, int flags)
{
	struct vfsr_tree *t = &vfsr_i(inode)->tree;
	int err;

	if (value && size > vfsr_xattr_inline_max(VFSR_NAME_MAX) &&
	    size > value_max(vfsr_sb(inode->i_sb)))
		return -E2BIG;
	down_write(&t->lock);
	err = vfsr_tree_xattr_set(t, name, value, size, flags);
	up_write(&t->lock);
	return err;
}

/* --- handlers --- */

static int get(const struct xattr_handler *handler, struct dentry *dentry,
	       struct inode *inode, const char *name, void *value, size_t size)
{
	struct vfsr_tree *t = &vfsr_i(inode)->tree;
	ssize_t ret;

	down_read(&t->lock);
	ret = vfsr_tree_xattr_get(t, xattr_full_name(handler, name), value,
				  size);
	up_read(&t->lock);
	return (int)ret;
}

static int set(const struct xattr_handler *handler, struct mnt_idmap *idmap,
	       struct dentry *dentry, struct inode *inode, const char *name,
	       const void *value, size_t size, int flags)
{
	struct vfsr_sb *s = vfsr_sb(inode->i_sb);
	int err = 0;

	/* removing must work on a full pool */
	if (value)
		err = vfsr_space_meta(&s->space, 4 + size / VFSR_NODE_BYTES);
	if (!err)
		err = vfsr_trans_begin(s->log);
	if (err)
		return err;
	err = vfsr_xattr_put(inode, xattr_full_name(handler, name), value, size,
			     flags);
	if (!err) {
		inode_set_ctime_current(inode);
		inode_inc_iversion(inode);
		err = vfsr_inode_update(inode);
		/* the value is set: the time can follow */
		if (err)
			mark_inode_dirty(inode);
		err = 0;
	}
	vfsr_trans_end(s->log);
	return err;
}

static const struct xattr_handler user_handler = {
	.prefix = XATTR_USER_PREFIX,
	.get = get,
	.set = set,
};

static const struct xattr_handler trusted_handler = {
	.prefix = XATTR_TRUSTED_PREFIX,
	.get = get,
	.set = set,
};

static const struct xattr_handler security_handler = {
	.prefix = XATTR_SECURITY_PREFIX,
	.get = get,
	.set = set,
};

const struct xattr_handler *const vfsr_xattr_handlers[] = {
	&user_handler, &trusted_handler, &security_handler, NULL
};

/* --- names --- */

struct listing {
	char *buf; /* NULL: only the length is asked for */
	size_t size, used;
	bool trusted;
};

static bool has_prefix(const char *name, u32 bytes, const char *prefix)
{
	size_t len = strlen(prefix);

	return bytes > len && !memcmp(name, prefix, len);
}

static int list_name(void *ctx, const char *name, u32 bytes)
{
	struct listing *l = ctx;

	if (!l->trusted && has_prefix(name, bytes, XATTR_TRUSTED_PREFIX))
		return 0;
	if (l->buf) {
		if (bytes + 1 > l->size - l->used)
			return -ERANGE;
		memcpy(l->buf + l->used, name, bytes);
		l->buf[l->used + bytes] = 0;
	}
	l->used += bytes + 1;
	return 0;
}

ssize_t vfsr_listxattr(struct dentry *dentry, char *buf, size_t size)
{
	struct vfsr_tree *t = &vfsr_i(d_inode(dentry))->tree;
	struct listing l = {
		.buf = size ? buf : NULL,
		.size = size,
		.trusted = capable(CAP_SYS_ADMIN),
	};
	int err;

	down_read(&t->lock);
	err = vfsr_tree_xattr_list(t, list_name, &l);
	up_read(&t->lock);
	return err ? err : (ssize_t)l.used;
}

/* --- labels of new inodes --- */

static int label_store(struct inode *inode, const struct xattr *xattrs,
		       void *fs_data)
{
	const struct xattr *x;
	char *name;
	int err = 0;

	for (x = xattrs; x->name && !err; x++) {
		name = kasprintf(GFP_NOFS, "%s%s", XATTR_SECURITY_PREFIX,
				 x->name);
		if (!name)
			return -ENOMEM;
		err = vfsr_xattr_put(inode, name, x->value, x->value_len, 0);
		kfree(name);
	}
	return err;
}

int vfsr_security_init(struct inode *inode, struct inode *dir,
		       const struct qstr *name)
{
	return security_inode_init_security(inode, dir, name, label_store,
					    NULL);
}
