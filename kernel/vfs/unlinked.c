// SPDX-License-Identifier: GPL-2.0-only
/*
 * Inodes without a name: they stay on disk while somebody uses them, named by the
 * orphan list, and are removed with their last user; or at the next mount.
 *
 * Removal takes transactions of bounded work. After each of them the tree and
 * the header fit each other, and the inode is still an orphan; the last one
 * takes it off the list and frees its root.
 */
#include <linux/mm.h>

#include "vfs/names.h"

/* --- removal --- */

/* Remove some of attributes and data, tree lock held; 1: there is more. */
static int content_step(struct inode *inode)
{
	struct vfsr_ino *v = vfsr_i(inode);
	struct vfsr_tree_delta d = { 0 };
	int ret, err;

	ret = vfsr_tree_drop_xattrs(&v->tree);
	if (!ret)
		ret = vfsr_tree_truncate(&v->tree, 0, &d);
	v->blocks += d.blocks;
	if (!ret)
		return 0;
	/* what went counts, also before an error */
	err = vfsr_inode_update_locked(inode);
	return ret < 0 ? ret : err ? err : 1;
}

/* Off the list and away. */
static int finish(struct inode *inode)
{
	struct vfsr_sb *s = vfsr_sb(inode->i_sb);
	struct vfsr_ino *v = vfsr_i(inode);
	int err;

	err = vfsr_orphan_del(s->trees, inode->i_ino);
	if (err)
		return err;
	down_write(&v->tree.lock);
	err = vfsr_tree_destroy(&v->tree);
	up_write(&v->tree.lock);
	/* its root is still there: let the list lead to it again */
	if (err && vfsr_orphan_add(s->trees, inode->i_ino,
				   fs_umode_to_dtype(inode->i_mode)))
		vfsr_log_stop(s->log, err, "an unlinked inode is half removed");
	return err;
}

/* One transaction; 1: another one is needed. */
static int remove_step(struct inode *inode)
{
	struct vfsr_log *log = vfsr_sb(inode->i_sb)->log;
	struct vfsr_ino *v = vfsr_i(inode);
	int ret = 0;

	/* what a damaged directory holds would be lost */
	if (S_ISDIR(inode->i_mode))
		ret = vfsr_dir_check_empty(inode);
	if (!ret)
		ret = vfsr_trans_begin_nowait(log);
	if (ret)
		return ret;
	down_write(&v->tree.lock);
	ret = content_step(inode);
	up_write(&v->tree.lock);
	if (!ret) {
		ret = finish(inode);
		/* it stays, empty: its header is to say so */
		if (ret && vfsr_inode_update(inode))
			vfsr_log_stop(log, ret,
				      "an unlinked inode is half removed");
	}
	vfsr_trans_end(log);
	return ret;
}

static void remove_inode(struct inode *inode)
{
	int ret;

	/* a freeze waits for this one, which holds nothing that it needs */
	sb_start_intwrite(inode->i_sb);
	do {
		ret = remove_step(inode);
		cond_resched();
	} while (ret > 0);
	sb_end_intwrite(inode->i_sb);
	if (ret && ret != -EROFS && !vfsr_log_error(vfsr_sb(inode->i_sb)->log))
		vfsr_warn(
			vfsr_sb(inode->i_sb)->pool->name,
			"inode %lu has no name and cannot be removed (error %d); the next mount tries again",
			inode->i_ino, ret);
}

/**
 * vfsr_evict_inode - the last user of an inode is gone
 * @inode: inode
 *
 * Context: not in a transaction, unless the inode is dead; may be called from
 * memory reclaim that allows filesystem calls.
 */
void vfsr_evict_inode(struct inode *inode)
{
	struct vfsr_ino *v = vfsr_i(inode);

	truncate_inode_pages_final(&inode->i_data);
	if (!inode->i_nlink && v->orphan && !v->dead && !is_bad_inode(inode))
		remove_inode(inode);
	clear_inode(inode);
}

/* --- at mount --- */

static int list_remove(struct vfsr_sb *s, u64 ino)
{
	int err = vfsr_trans_begin(s->log);

	if (err)
		return err;
	err = vfsr_orphan_del(s->trees, ino);
	vfsr_trans_end(s->log);
	return err;
}

struct orphan_walk {
	struct super_block *sb;
	unsigned long nr;
};

/* What is damaged stays on the list; only what stops all ends the walk. */
static int orphan_visit(void *ctx, u64 ino)
{
	struct orphan_walk *w = ctx;
	struct vfsr_sb *s = vfsr_sb(w->sb);
	struct inode *inode = vfsr_iget_orphan(w->sb, ino);
	bool linked;

	if (IS_ERR(inode)) {
		if (inode == ERR_PTR(-ENOENT))
			list_remove(s, ino);
		return vfsr_log_error(s->log);
	}
	linked = inode->i_nlink;
	w->nr += !linked;
	iput(inode);
	if (linked)
		list_remove(s, ino);
	cond_resched();
	return vfsr_log_error(s->log);
}

/**
 * vfsr_orphans_remove - remove the inodes that a crash left without a name
 * @sb: filesystem whose log is writable
 *
 * Return: 0, or an error that makes writing pointless.
 */
int vfsr_orphans_remove(struct super_block *sb)
{
	struct orphan_walk w = { .sb = sb };
	struct vfsr_sb *s = vfsr_sb(sb);
	int err = vfsr_orphans_each(s->trees, orphan_visit, &w);

	if (w.nr)
		vfsr_info(s->pool->name, "removed %lu unlinked inodes", w.nr);
	/* a list that cannot be read keeps space from being freed, no more */
	return vfsr_log_error(s->log) ? err : 0;
}
