// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entries and what hangs on them: size, times and link count of the directory,
 * link count and parent of the inode that is named.
 *
 * An entry and its directory's header change under one tree lock and undo each
 * other, so each function here is one step that happened or did not. `parent` of
 * an inode that is no directory is one of the directories that name it, or 0:
 * when that directory's name goes and others stay, nobody knows where they are.
 */
#include <linux/iversion.h>

#include "vfs/names.h"

/* --- transactions --- */

int vfsr_names_begin_free(struct inode *dir)
{
	return vfsr_trans_begin(vfsr_sb(dir->i_sb)->log);
}

int vfsr_names_begin(struct inode *dir, unsigned int nr_nodes)
{
	int err = vfsr_space_meta(&vfsr_sb(dir->i_sb)->space, nr_nodes);

	return err ? err : vfsr_names_begin_free(dir);
}

int vfsr_names_end(struct inode *dir, struct inode *dir2, int err)
{
	struct vfsr_log *log = vfsr_sb(dir->i_sb)->log;

	vfsr_trans_end(log);
	if (!err && (IS_DIRSYNC(dir) || IS_DIRSYNC(dir2)))
		err = vfsr_log_commit(log);
	return err;
}

/* --- the directory's header --- */

/* What an operation does to the counts of a directory. */
struct counts {
	int entries, subdirs;
};

/* Counts that a damaged directory does not have must not wrap. */
static int counts_check(struct inode *dir, const struct counts *c)
{
	loff_t size = i_size_read(dir);

	if (c->entries < 0 ? size < -c->entries : size > S64_MAX - c->entries)
		return vfsr_inode_bad(dir, VFSR_REASON_DIRSIZE, size, 1);
	if (c->subdirs < 0 && dir->i_nlink < 2u - c->subdirs)
		return vfsr_inode_bad(dir, VFSR_REASON_NLINK, dir->i_nlink,
				      2u - c->subdirs);
	return 0;
}

static void counts_apply(struct inode *dir, const struct counts *c, int sign)
{
	i_size_write(dir, i_size_read(dir) + sign * c->entries);
	if (c->subdirs)
		set_nlink(dir, dir->i_nlink + sign * c->subdirs);
}

/* The entry changed; now the header. tree lock held. */
static int header_change(struct inode *dir, const struct counts *c)
{
	struct timespec64 mtime = inode_get_mtime(dir);
	struct timespec64 ctime = inode_get_ctime(dir);
	int err;

	counts_apply(dir, c, 1);
	inode_set_mtime_to_ts(dir, inode_set_ctime_current(dir));
	inode_inc_iversion(dir);
	err = vfsr_inode_update_locked(dir);
	if (err) {
		counts_apply(dir, c, -1);
		inode_set_mtime_to_ts(dir, mtime);
		inode_set_ctime_to_ts(dir, ctime);
	}
	return err;
}

static void undone(struct inode *dir, int err)
{
	if (err)
		vfsr_log_stop(vfsr_sb(dir->i_sb)->log, err,
			      "a directory is half changed");
}

/* --- entries --- */

int vfsr_entry_add(struct inode *dir, const struct qstr *name,
		   const struct inode *inode)
{
	const struct counts c = { 1, S_ISDIR(inode->i_mode) };
	struct vfsr_tree *t = &vfsr_i(dir)->tree;
	int err = counts_check(dir, &c);

	if (err)
		return err;
	down_write(&t->lock);
	err = vfsr_tree_dir_insert(t, name->name, name->len, inode->i_ino,
				   fs_umode_to_dtype(inode->i_mode));
	if (!err) {
		err = header_change(dir, &c);
		if (err)
			undone(dir,
			       vfsr_tree_dir_delete(t, name->name, name->len));
	}
	up_write(&t->lock);
	return err;
}

int vfsr_entry_remove(struct inode *dir, const struct qstr *name,
		      const struct inode *inode)
{
	const struct counts c = { -1, -S_ISDIR(inode->i_mode) };
	struct vfsr_tree *t = &vfsr_i(dir)->tree;
	int err = counts_check(dir, &c);

	if (err)
		return err;
	down_write(&t->lock);
	err = vfsr_tree_dir_delete(t, name->name, name->len);
	if (!err) {
		err = header_change(dir, &c);
		if (err)
			undone(dir,
			       vfsr_tree_dir_insert(
				       t, name->name, name->len, inode->i_ino,
				       fs_umode_to_dtype(inode->i_mode)));
	}
	up_write(&t->lock);
	return err;
}

int vfsr_entry_replace(struct inode *dir, const struct qstr *name,
		       const struct inode *inode, const struct inode *old)
{
	const struct counts c = { 0, S_ISDIR(inode->i_mode) -
					     S_ISDIR(old->i_mode) };
	struct vfsr_tree *t = &vfsr_i(dir)->tree;
	int err = counts_check(dir, &c);

	if (err)
		return err;
	down_write(&t->lock);
	err = vfsr_tree_dir_replace(t, name->name, name->len, inode->i_ino,
				    fs_umode_to_dtype(inode->i_mode));
	if (!err) {
		err = header_change(dir, &c);
		if (err)
			undone(dir,
			       vfsr_tree_dir_replace(
				       t, name->name, name->len, old->i_ino,
				       fs_umode_to_dtype(old->i_mode)));
	}
	up_write(&t->lock);
	return err;
}

int vfsr_dir_check_empty(struct inode *dir)
{
	struct vfsr_tree *t = &vfsr_i(dir)->tree;
	struct vfsr_key key = { .type = VFSR_ITEM_DIRENT };
	struct vfsr_bt bt = t->bt;
	int err;

	if (i_size_read(dir))
		return -ENOTEMPTY;
	down_read(&t->lock);
	err = vfsr_bt_next(&bt, &key, NULL, NULL);
	up_read(&t->lock);
	if (err == -ENOENT || (!err && key.type != VFSR_ITEM_DIRENT))
		return 0;
	if (err == -EUCLEAN && bt.fault.reason)
		vfsr_inode_bad(dir, bt.fault.reason, bt.fault.have,
			       bt.fault.want);
	if (err)
		return err;
	vfsr_inode_bad(dir, VFSR_REASON_DIRSIZE, 0, 1);
	return -ENOTEMPTY;
}

/* --- the inode that is named --- */

static bool is_last(const struct inode *inode)
{
	return S_ISDIR(inode->i_mode) || inode->i_nlink == 1;
}

int vfsr_link_drop_prepare(struct inode *inode)
{
	if (!inode->i_nlink)
		return vfsr_inode_bad(inode, VFSR_REASON_NLINK, 0, 1);
	if (!is_last(inode))
		return 0;
	return vfsr_orphan_add(vfsr_sb(inode->i_sb)->trees, inode->i_ino,
			       fs_umode_to_dtype(inode->i_mode));
}

void vfsr_link_drop_cancel(struct inode *inode)
{
	struct vfsr_sb *s = vfsr_sb(inode->i_sb);
	int err;

	if (!is_last(inode))
		return;
	err = vfsr_orphan_del(s->trees, inode->i_ino);
	if (err)
		vfsr_log_stop(s->log, err, "an inode with a name is orphaned");
}

/* There is no way back: the names have changed already. */
static int must_update(struct inode *inode)
{
	int err;

	inode_set_ctime_current(inode);
	inode_inc_iversion(inode);
	err = vfsr_inode_update(inode);
	if (err)
		vfsr_log_stop(vfsr_sb(inode->i_sb)->log, err,
			      "an inode does not fit its names");
	return err;
}

int vfsr_link_drop(struct inode *dir, struct inode *inode)
{
	struct vfsr_ino *v = vfsr_i(inode);

	if (is_last(inode)) {
		v->orphan = true;
		clear_nlink(inode);
	} else {
		drop_nlink(inode);
	}
	if (v->orphan || v->parent == dir->i_ino)
		v->parent = 0;
	return must_update(inode);
}

int vfsr_link_moved(struct inode *inode, const struct inode *from,
		    const struct inode *to)
{
	struct vfsr_ino *v = vfsr_i(inode);

	if (S_ISDIR(inode->i_mode) || !v->parent || v->parent == from->i_ino)
		v->parent = to->i_ino;
	return must_update(inode);
}
