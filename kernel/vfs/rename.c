// SPDX-License-Identifier: GPL-2.0-only
/*
 * rename(2) with all its flags, in one transaction.
 *
 * The new name comes first, then the old one goes; steps that were taken are
 * undone in the reverse order when one fails. The inodes' own headers come last:
 * if one cannot be written then, the filesystem stops. Loops are the VFS's concern.
 */
#include <linux/fs.h>

#include "vfs/names.h"

struct rename {
	struct inode *old_dir, *new_dir;
	const struct qstr *old_name, *new_name;
	struct inode *inode;
	struct inode *target; /* what has the new name, or NULL */
	struct inode *whiteout; /* to be put in its old place, or NULL */
};

/* Undo a step. */
static void undo(const struct rename *r, int err)
{
	if (err)
		vfsr_log_stop(vfsr_sb(r->old_dir->i_sb)->log, err,
			      "a rename is half done");
}

static int take_new_name(const struct rename *r)
{
	if (r->target)
		return vfsr_entry_replace(r->new_dir, r->new_name, r->inode,
					  r->target);
	return vfsr_entry_add(r->new_dir, r->new_name, r->inode);
}

static int give_new_name_back(const struct rename *r)
{
	if (r->target)
		return vfsr_entry_replace(r->new_dir, r->new_name, r->target,
					  r->inode);
	return vfsr_entry_remove(r->new_dir, r->new_name, r->inode);
}

static int leave_old_name(const struct rename *r)
{
	if (r->whiteout)
		return vfsr_entry_replace(r->old_dir, r->old_name, r->whiteout,
					  r->inode);
	return vfsr_entry_remove(r->old_dir, r->old_name, r->inode);
}

static int move(const struct rename *r)
{
	int err = 0;

	if (r->target)
		err = vfsr_link_drop_prepare(r->target);
	if (err)
		return err;
	err = take_new_name(r);
	if (err)
		goto cancel;
	err = leave_old_name(r);
	if (err) {
		undo(r, give_new_name_back(r));
		goto cancel;
	}
	err = vfsr_link_moved(r->inode, r->old_dir, r->new_dir);
	if (!err && r->target)
		err = vfsr_link_drop(r->new_dir, r->target);
	return err;
cancel:
	if (r->target)
		vfsr_link_drop_cancel(r->target);
	return err;
}

static int exchange(const struct rename *r)
{
	int err;

	err = vfsr_entry_replace(r->new_dir, r->new_name, r->inode, r->target);
	if (err)
		return err;
	err = vfsr_entry_replace(r->old_dir, r->old_name, r->target, r->inode);
	if (err) {
		undo(r, vfsr_entry_replace(r->new_dir, r->new_name, r->target,
					   r->inode));
		return err;
	}
	err = vfsr_link_moved(r->inode, r->old_dir, r->new_dir);
	if (!err)
		err = vfsr_link_moved(r->target, r->new_dir, r->old_dir);
	return err;
}

/* Within the transaction. */
static int move_with_whiteout(struct mnt_idmap *idmap, struct rename *r)
{
	const struct vfsr_acls none = { NULL, NULL };
	int err;

	r->whiteout = vfsr_make_inode(idmap, r->old_dir, r->old_name,
				      S_IFCHR | WHITEOUT_MODE, WHITEOUT_DEV,
				      &none);
	if (IS_ERR(r->whiteout)) {
		err = PTR_ERR(r->whiteout);
		r->whiteout = NULL;
		return err;
	}
	err = move(r);
	if (err)
		vfsr_new_inode_undo(r->whiteout);
	return err;
}

static int begin(const struct rename *r)
{
	int err;

	if (r->target && S_ISDIR(r->target->i_mode)) {
		err = vfsr_dir_check_empty(r->target);
		if (err)
			return err;
	}
	return vfsr_names_begin(r->new_dir, 2 * VFSR_NAME_NODES);
}

int vfsr_rename(struct mnt_idmap *idmap, struct inode *old_dir,
		struct dentry *old_dentry, struct inode *new_dir,
		struct dentry *new_dentry, unsigned int flags)
{
	struct rename r = {
		.old_dir = old_dir,
		.new_dir = new_dir,
		.old_name = &old_dentry->d_name,
		.new_name = &new_dentry->d_name,
		.inode = d_inode(old_dentry),
		.target = d_inode(new_dentry),
	};
	int err;

	if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))
		return -EINVAL;
	if (flags & RENAME_EXCHANGE) {
		err = vfsr_names_begin(new_dir, 2 * VFSR_NAME_NODES);
		if (err)
			return err;
		err = exchange(&r);
		return vfsr_names_end(old_dir, new_dir, err);
	}
	err = begin(&r);
	if (err)
		return err;
	if (flags & RENAME_WHITEOUT)
		err = move_with_whiteout(idmap, &r);
	else
		err = move(&r);
	err = vfsr_names_end(old_dir, new_dir, err);
	if (r.whiteout && vfsr_i(r.whiteout)->dead) {
		discard_new_inode(r.whiteout);
	} else if (r.whiteout) {
		unlock_new_inode(r.whiteout);
		iput(r.whiteout);
	}
	return err;
}
