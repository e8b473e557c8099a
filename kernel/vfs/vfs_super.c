// SPDX-License-Identifier: GPL-2.0-only
/*
 * The superblock: the layers put together at mount, taken apart at unmount, and
 * the VFS's questions about the whole.
 *
 * Layers are made from the lowest up and ended from the highest down, by one
 * function (layers_end()) that takes whatever is there: a mount that failed half
 * way, or an unmount. That runs in put_super, when no inode is left
 * and sget still makes new mounts of the pool wait, so that they find its devices free.
 * struct vfsr_sb itself, with the uuid that sget compares, goes last.
 */
#include <linux/backing-dev.h>
#include <linux/fs_context.h>
#include <linux/fsnotify.h>
#include <linux/pagemap.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/statfs.h>

#include "vfs/vfs.h"

#define READAHEAD_BYTES (2u << 20)
/* i_nlink has 32 bits */
#define LINKS_MAX (1u << 31)

/* --- inodes in memory --- */

static struct inode *alloc_inode(struct super_block *sb)
{
	struct vfsr_ino *v = alloc_inode_sb(sb, vfsr_inode_cache, GFP_KERNEL);

	if (!v)
		return NULL;
	memset(v, 0, offsetof(struct vfsr_ino, vfs));
	INIT_LIST_HEAD(&v->jobs);
	mutex_init(&v->write_lock);
	return &v->vfs;
}

/* After a grace period: RCU walks may still look at the target of a link. */
static void free_inode(struct inode *inode)
{
	if (S_ISLNK(inode->i_mode))
		kfree(inode->i_link);
	kmem_cache_free(vfsr_inode_cache, vfsr_i(inode));
}

/* --- the whole --- */

static int sync_fs(struct super_block *sb, int wait)
{
	struct vfsr_log *log = vfsr_sb(sb)->log;

	return wait ? vfsr_log_commit(log) : 0;
}

static int freeze_fs(struct super_block *sb)
{
	return vfsr_log_commit(vfsr_sb(sb)->log);
}

static int unfreeze_fs(struct super_block *sb)
{
	return 0;
}

static int statfs(struct dentry *dentry, struct kstatfs *st)
{
	vfsr_space_statfs(&vfsr_sb(dentry->d_sb)->space, st);
	return 0;
}

static int show_options(struct seq_file *m, struct dentry *root)
{
	const struct vfsr_sb *s = vfsr_sb(root->d_sb);
	struct vfsr_opts def;
	unsigned int i;

	vfsr_opts_default(s->pool->super, &def);
	for (i = 0; i < s->nr_paths; i++) {
		seq_puts(m, ",device=");
		seq_escape(m, s->paths[i], ", \t\n\\");
	}
	if (s->opts.degraded)
		seq_puts(m, ",degraded");
	if (s->opts.compress_alg != def.compress_alg ||
	    (s->opts.compress_level != def.compress_level &&
	     s->opts.compress_alg != VFSR_ALG_NONE)) {
		if (s->opts.compress_alg == VFSR_ALG_NONE)
			seq_puts(m, ",compress=none");
		else
			seq_printf(m, ",compress=zlib:%u",
				   s->opts.compress_level);
	}
	if (s->opts.compress_keep != def.compress_keep)
		seq_printf(m, ",compress_keep=%u", s->opts.compress_keep);
	if (s->opts.commit_seconds != def.commit_seconds)
		seq_printf(m, ",commit=%u", s->opts.commit_seconds);
	if (!s->opts.discard)
		seq_puts(m, ",nodiscard");
	return 0;
}

/* --- the end --- */

static void sectors_end(struct vfsr_sb *s)
{
	if (!s->sectors)
		return;
	s->grids->sectors = NULL;
	iput(s->sectors);
	s->sectors = NULL;
}

static void layers_end(struct vfsr_sb *s)
{
	int err;

	if (s->grids) {
		vfsr_grids_stop(s->grids);
		cancel_work_sync(&s->resync);
	}
	vfsr_sysfs_del(s);
	if (s->log) {
		/* the last checkpoint */
		err = vfsr_log_set_ro(s->log);
		if (err && !vfsr_log_error(s->log))
			vfsr_err(
				s->pool->name,
				"the last checkpoint failed (error %d); what was done since the one before is lost",
				err);
		/* it may be about to tell us that it stopped */
		flush_work(&s->log->stop_work);
	}
	vfsr_io_exit(s);
	if (s->space.log)
		vfsr_space_exit(&s->space);
	s->space.log = NULL;
	vfsr_trees_free(s->trees);
	s->trees = NULL;
	sectors_end(s);
	vfsr_log_close(s->log);
	s->log = NULL;
	vfsr_grids_free(s->grids);
	s->grids = NULL;
	if (s->pool)
		vfsr_pool_close(s->pool);
	s->pool = NULL;
}

static void put_super(struct super_block *sb)
{
	layers_end(vfsr_sb(sb));
}

void vfsr_sb_free(struct vfsr_sb *s)
{
	unsigned int i;

	if (!s)
		return;
	for (i = 0; i < s->nr_paths; i++)
		kfree(s->paths[i]);
	kfree(s->paths);
	kfree(s);
}

void vfsr_kill_sb(struct super_block *sb)
{
	struct vfsr_sb *s = vfsr_sb(sb);

	kill_anon_super(sb);
	if (!s)
		return;
	/* a mount that failed before it had a root saw no put_super */
	layers_end(s);
	vfsr_sb_free(s);
}

static const struct super_operations super_ops = {
	.alloc_inode = alloc_inode,
	.free_inode = free_inode,
	.write_inode = vfsr_write_inode,
	.evict_inode = vfsr_evict_inode,
	.put_super = put_super,
	.sync_fs = sync_fs,
	.freeze_fs = freeze_fs,
	.unfreeze_fs = unfreeze_fs,
	.statfs = statfs,
	.show_options = show_options,
};

/* --- the beginning --- */

/* The log has said why; whoever watches the filesystem hears of it. */
static void stopped(void *ctx)
{
	struct vfsr_sb *s = ctx;

	if (s->sb->s_root)
		fsnotify_sb_error(s->sb, NULL, vfsr_log_error(s->log));
}

static void resync_work(struct work_struct *work)
{
	struct vfsr_sb *s = container_of(work, struct vfsr_sb, resync);

	vfsr_grids_resync(s->grids);
}

static bool any_stale(const struct vfsr_pool *p)
{
	unsigned int i;

	for (i = 0; i < p->nr_devs; i++)
		if (p->dev[i] && vfsr_dev_usable(p->dev[i]) &&
		    (p->dev[i]->stale || p->dev[i]->no_table))
			return true;
	return false;
}

int vfsr_begin_rw(struct vfsr_sb *s)
{
	int err = vfsr_orphans_remove(s->sb);

	vfsr_grids_resume(s->grids);
	if (!err && any_stale(s->pool))
		queue_work(system_long_wq, &s->resync);
	return err;
}

static void failed(vfsr_say_fn say, void *say_ctx, const char *what, int err)
{
	char text[128];

	snprintf(text, sizeof(text), "%s (error %d); the kernel log says more",
		 what, err);
	say(say_ctx, text);
}

/* A home for sectors that were read: no file, no name, never written back. */
static int sectors_begin(struct vfsr_sb *s)
{
	s->sectors = new_inode(s->sb);
	if (!s->sectors)
		return -ENOMEM;
	mapping_set_gfp_mask(s->sectors->i_mapping, GFP_NOFS);
	s->grids->sectors = s->sectors->i_mapping;
	return 0;
}

static int layers_begin(struct vfsr_sb *s, unsigned int open_flags,
			vfsr_say_fn say, void *say_ctx)
{
	const char *what;
	int err;

	/* says itself what is wrong */
	err = vfsr_pool_open(s->paths, s->nr_paths, open_flags, say, say_ctx,
			     &s->pool);
	if (err)
		return err;
	what = "the table of grids cannot be built";
	err = vfsr_grids_new(s->pool, &s->grids);
	if (err)
		goto fail;
	what = "the log cannot be opened";
	err = vfsr_log_open(s->grids, sb_rdonly(s->sb), &s->log);
	if (err)
		goto fail;
	what = "cannot get ready";
	err = vfsr_trees_new(s->log, stopped, s, &s->trees);
	if (err)
		goto fail;
	err = vfsr_space_init(&s->space, s->log, s->trees);
	if (err) {
		s->space.log = NULL;
		goto fail;
	}
	err = vfsr_io_init(s);
	if (!err)
		err = sectors_begin(s);
	if (err)
		goto fail;
	return 0;
fail:
	failed(say, say_ctx, what, err);
	return err;
}

/* What the VFS wants to know. */
static int super_set(struct super_block *sb)
{
	struct vfsr_sb *s = vfsr_sb(sb);
	int err;

	sb->s_magic = VFSR_STATFS_MAGIC;
	sb->s_maxbytes = MAX_LFS_FILESIZE;
	sb->s_blocksize = VFSR_SECTOR_BYTES;
	sb->s_blocksize_bits = VFSR_SECTOR_SHIFT;
	sb->s_max_links = LINKS_MAX;
	sb->s_time_gran = 1;
	sb->s_time_min = S64_MIN;
	sb->s_time_max = S64_MAX;
	sb->s_flags |= SB_POSIXACL | SB_I_VERSION | SB_NOSEC;
	/* writeback encodes folios while they are under writeback */
	sb->s_iflags |= SB_I_STABLE_WRITES;
	sb->s_op = &super_ops;
	sb->s_xattr = vfsr_xattr_handlers;
	sb->s_export_op = &vfsr_export_ops;
	super_set_uuid(sb, s->uuid, sizeof(s->uuid));
	super_set_sysfs_name_uuid(sb);
	err = super_setup_bdi(sb);
	if (err)
		return err;
	sb->s_bdi->ra_pages = READAHEAD_BYTES >> PAGE_SHIFT;
	sb->s_bdi->io_pages = sb->s_bdi->ra_pages;
	return 0;
}

static int root_get(struct super_block *sb, vfsr_say_fn say, void *say_ctx)
{
	struct inode *root = vfsr_iget(sb, VFSR_ROOT_INO, VFSR_DT_DIR);

	if (IS_ERR(root)) {
		failed(say, say_ctx, "the root directory cannot be read",
		       PTR_ERR(root));
		return root == ERR_PTR(-ENOENT) ? -EUCLEAN : PTR_ERR(root);
	}
	sb->s_root = d_make_root(root);
	return sb->s_root ? 0 : -ENOMEM;
}

int vfsr_fill_super(struct super_block *sb, unsigned int open_flags,
		    vfsr_say_fn say, void *say_ctx)
{
	struct vfsr_sb *s = vfsr_sb(sb);
	int err;

	s->sb = sb;
	INIT_WORK(&s->resync, resync_work);
	err = super_set(sb);
	if (err)
		return err;
	err = layers_begin(s, open_flags, say, say_ctx);
	if (err)
		return err;
	strscpy(sb->s_id, s->pool->name, sizeof(sb->s_id));
	err = root_get(sb, say, say_ctx);
	if (err)
		return err;
	err = vfsr_sysfs_add(s);
	if (err) {
		failed(say, say_ctx, "cannot make its files in /sys/fs/vfsr",
		       err);
		return err;
	}
	return sb_rdonly(sb) ? 0 : vfsr_begin_rw(s);
}
