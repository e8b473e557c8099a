// SPDX-License-Identifier: GPL-2.0-only
/*
 * Inodes: header on disk to struct inode and back, fsync.
 *
 * The header in the tree is the truth that checkpoints write. Whoever changes
 * struct inode for good does it within a transaction and calls
 * vfsr_inode_update() in the same one, so no checkpoint has half of a change. Only
 * timestamps go the lazy way: dirty inode, then vfsr_write_inode(). A header
 * is checked before anything of it is believed: link counts, sizes and
 * device numbers that the VFS could stumble over make the inode -EUCLEAN.
 */
#include <linux/fs.h>
#include <linux/iversion.h>
#include <linux/pagemap.h>
#include <linux/posix_acl.h>
#include <linux/random.h>
#include <linux/writeback.h>

#include "vfs/vfs.h"

#define RDEV_MAJOR_MAX ((1u << (32 - MINORBITS)) - 1)
#define RDEV_MINOR_MAX MINORMASK

/* --- messages --- */

static int ino_bad(struct super_block *sb, u64 ino, enum vfsr_reason reason,
		   u64 have, u64 want)
{
	struct vfsr_where at = { .dev = -1, .ino = ino };
	struct vfsr_fault f = { .reason = reason, .have = have, .want = want };

	vfsr_report(vfsr_sb(sb)->pool->name, &at, &f);
	return -EUCLEAN;
}

int vfsr_inode_bad(const struct inode *inode, enum vfsr_reason reason, u64 have,
		   u64 want)
{
	return ino_bad(inode->i_sb, inode->i_ino, reason, have, want);
}

/* --- from the header --- */

static struct timespec64 time_in(const struct vfsr_time *t)
{
	return (struct timespec64){ .tv_sec = t->sec, .tv_nsec = t->nsec };
}

static int nlink_check(struct inode *inode, const struct vfsr_inode *in,
		       bool orphan)
{
	if (orphan && !in->nlink)
		return 0;
	if (in->nlink > U32_MAX)
		return vfsr_inode_bad(inode, VFSR_REASON_NLINK, in->nlink,
				      U32_MAX);
	if (!S_ISDIR(in->mode))
		return in->nlink ?
			       0 :
			       vfsr_inode_bad(inode, VFSR_REASON_NLINK, 0, 1);
	if (in->nlink < 2 || in->nlink - 2 > in->size)
		return vfsr_inode_bad(inode, VFSR_REASON_NLINK, in->nlink,
				      in->size + 2);
	return 0;
}

/* What the VFS takes for granted. */
static int header_check(struct inode *inode, const struct vfsr_inode *in,
			bool orphan)
{
	int err = nlink_check(inode, in, orphan);

	if (err)
		return err;
	if (S_ISLNK(in->mode) && (!in->size || in->size >= PATH_MAX))
		return vfsr_inode_bad(inode, VFSR_REASON_INODE, in->size,
				      PATH_MAX - 1);
	if (in->rdev_major > RDEV_MAJOR_MAX)
		return vfsr_inode_bad(inode, VFSR_REASON_INODE, in->rdev_major,
				      RDEV_MAJOR_MAX);
	if (in->rdev_minor > RDEV_MINOR_MAX)
		return vfsr_inode_bad(inode, VFSR_REASON_INODE, in->rdev_minor,
				      RDEV_MINOR_MAX);
	return 0;
}

static void header_take(struct inode *inode, const struct vfsr_inode *in)
{
	struct vfsr_ino *v = vfsr_i(inode);

	inode->i_mode = in->mode;
	i_uid_write(inode, in->uid);
	i_gid_write(inode, in->gid);
	set_nlink(inode, (u32)in->nlink);
	i_size_write(inode, in->size);
	inode_set_mtime_to_ts(inode, time_in(&in->mtime));
	inode_set_ctime_to_ts(inode, time_in(&in->ctime));
	inode_set_atime_to_ts(inode, time_in(&in->atime));
	inode->i_generation = in->generation;
	inode_set_iversion_queried(inode, in->change);
	inode->i_rdev = MKDEV(in->rdev_major, in->rdev_minor);
	v->disk_size = in->size;
	v->blocks = in->blocks;
	v->parent = in->parent;
	v->btime = time_in(&in->btime);
	v->flags = in->flags;
	vfsr_flags_show(inode);
	v->project = in->project;
	v->policy = in->policy;
	v->compress_alg = in->compress_alg;
	v->compress_level = in->compress_level;
	v->compress_keep = in->compress_keep;
}

void vfsr_set_ops(struct inode *inode)
{
	switch (inode->i_mode & S_IFMT) {
	case S_IFREG:
		inode->i_op = &vfsr_file_iops;
		inode->i_fop = &vfsr_file_fops;
		inode->i_mapping->a_ops = &vfsr_file_aops;
		break;
	case S_IFDIR:
		inode->i_op = &vfsr_dir_iops;
		inode->i_fop = &vfsr_dir_fops;
		break;
	case S_IFLNK:
		inode->i_op = &vfsr_symlink_iops;
		break;
	default:
		inode->i_op = &vfsr_special_iops;
		init_special_inode(inode, inode->i_mode, inode->i_rdev);
		break;
	}
}

/*
 * An inode whose tree is its root alone, without attributes, has no ACLs: known
 * now, that spares every permission check a look into the tree.
 */
static void note_no_acls(struct inode *inode)
{
	struct vfsr_bt bt = vfsr_i(inode)->tree.bt;
	struct vfsr_key key = { .type = VFSR_ITEM_XATTR };
	unsigned int level;
	u8 *node;
	int err;

	if (bt.ops->get(bt.ctx, bt.ino, &node))
		return;
	level = vfsr_node_level(node);
	bt.ops->put(bt.ctx, bt.ino, node);
	if (level)
		return;
	err = vfsr_bt_next(&bt, &key, NULL, NULL);
	if (err == -ENOENT || (!err && key.type != VFSR_ITEM_XATTR))
		cache_no_acl(inode);
}

static int inode_read(struct inode *inode, bool orphan)
{
	struct vfsr_ino *v = vfsr_i(inode);
	struct vfsr_inode in;
	int err;

	down_read(&v->tree.lock);
	err = vfsr_tree_read_inode(&v->tree, &in);
	if (!err)
		err = header_check(inode, &in, orphan);
	if (!err) {
		header_take(inode, &in);
		note_no_acls(inode);
	}
	up_read(&v->tree.lock);
	if (err)
		return err;
	v->orphan = !inode->i_nlink;
	vfsr_set_ops(inode);
	return 0;
}

static struct inode *get_inode(struct super_block *sb, u64 ino, bool orphan)
{
	struct inode *inode;
	int err;

	if (ino > VFSR_MAX_ID || (ino < VFSR_FIRST_ID && ino != VFSR_ROOT_INO))
		return ERR_PTR(-ENOENT);
	inode = iget_locked(sb, ino);
	if (!inode)
		return ERR_PTR(-ENOMEM);
	if (!(inode->i_state & I_NEW))
		return inode;
	vfsr_tree_init(&vfsr_i(inode)->tree, vfsr_sb(sb)->trees, ino);
	err = inode_read(inode, orphan);
	if (err) {
		iget_failed(inode);
		return ERR_PTR(err);
	}
	unlock_new_inode(inode);
	return inode;
}

/**
 * vfsr_iget - get an inode by number, as a name gives it
 * @sb: filesystem
 * @ino: number
 * @type: DT_* that it must have, or 0
 *
 * Context: no transaction, no tree lock.
 *
 * Return: the inode, referenced; -ENOENT, not reported; -EUCLEAN, reported: bad header,
 * another type, or no links though there is a name (@type not 0); -EIO, -ENOMEM.
 */
struct inode *vfsr_iget(struct super_block *sb, u64 ino, u8 type)
{
	struct inode *inode = get_inode(sb, ino, false);
	int err = 0;

	if (IS_ERR(inode) || !type)
		return inode;
	if (fs_umode_to_dtype(inode->i_mode) != type)
		err = vfsr_inode_bad(inode, VFSR_REASON_DIRENT, type,
				     fs_umode_to_dtype(inode->i_mode));
	else if (!inode->i_nlink)
		err = vfsr_inode_bad(inode, VFSR_REASON_NLINK, 0, 1);
	if (!err)
		return inode;
	iput(inode);
	return ERR_PTR(err);
}

struct inode *vfsr_iget_orphan(struct super_block *sb, u64 ino)
{
	return get_inode(sb, ino, true);
}

/*
 * The header is looked at before an inode is made for the number: a handle that
 * was made up must not leave an inode in memory that a new one with
 * this number would collide with.
 */
struct inode *vfsr_iget_generation(struct super_block *sb, u64 ino,
				   u32 generation)
{
	struct inode *inode = ilookup(sb, ino);
	struct vfsr_inode in;
	struct vfsr_tree tree;
	int err;

	if (!inode) {
		if (ino < VFSR_ROOT_INO || ino > VFSR_MAX_ID)
			return ERR_PTR(-ESTALE);
		vfsr_tree_init(&tree, vfsr_sb(sb)->trees, ino);
		down_read(&tree.lock);
		err = vfsr_tree_read_inode(&tree, &in);
		up_read(&tree.lock);
		if (err)
			return ERR_PTR(err == -ENOENT ? -ESTALE : err);
		if (in.generation != generation || !in.nlink)
			return ERR_PTR(-ESTALE);
		inode = vfsr_iget(sb, ino, 0);
		if (IS_ERR(inode))
			return inode == ERR_PTR(-ENOENT) ? ERR_PTR(-ESTALE) :
							   inode;
	}
	if (is_bad_inode(inode) || inode->i_generation != generation) {
		iput(inode);
		return ERR_PTR(-ESTALE);
	}
	return inode;
}

/* --- to the header --- */

static struct vfsr_time time_out(struct timespec64 ts)
{
	return (struct vfsr_time){ .sec = ts.tv_sec, .nsec = (u32)ts.tv_nsec };
}

static void header_fill(const struct inode *inode, struct vfsr_inode *in)
{
	const struct vfsr_ino *v = vfsr_i(inode);

	*in = (struct vfsr_inode){
		.mode = inode->i_mode,
		.flags = v->flags,
		.uid = i_uid_read(inode),
		.gid = i_gid_read(inode),
		.project = v->project,
		.size = S_ISREG(inode->i_mode) ? v->disk_size :
						 (u64)i_size_read(inode),
		/* one of O_TMPFILE counts 1 for a moment in memory */
		.nlink = v->orphan ? 0 : inode->i_nlink,
		.blocks = v->blocks,
		.parent = v->parent,
		.mtime = time_out(inode_get_mtime(inode)),
		.ctime = time_out(inode_get_ctime(inode)),
		.atime = time_out(inode_get_atime(inode)),
		.btime = time_out(v->btime),
		.change = inode_peek_iversion(inode),
		.generation = inode->i_generation,
		.policy = v->policy,
		.compress_alg = v->compress_alg,
		.compress_level = v->compress_level,
		.compress_keep = v->compress_keep,
		.rdev_major = MAJOR(inode->i_rdev),
		.rdev_minor = MINOR(inode->i_rdev),
	};
}

/**
 * vfsr_inode_update_locked - write the header into the tree
 * @inode: inode whose tree lock is held for write, in a transaction
 *
 * Return: 0; or an error, then the header is as it was.
 */
int vfsr_inode_update_locked(struct inode *inode)
{
	struct vfsr_ino *v = vfsr_i(inode);
	struct vfsr_inode in;

	header_fill(inode, &in);
	return vfsr_tree_write_inode(&v->tree, &in);
}

/**
 * vfsr_inode_update - write the header into the tree
 * @inode: inode, in a transaction, its tree lock not held
 *
 * Return: 0; or an error, then the header is as it was.
 */
int vfsr_inode_update(struct inode *inode)
{
	struct vfsr_ino *v = vfsr_i(inode);
	int err;

	down_write(&v->tree.lock);
	err = vfsr_inode_update_locked(inode);
	up_write(&v->tree.lock);
	return err;
}

/**
 * vfsr_inode_sync - a transaction that writes the header into the tree
 * @inode: inode
 *
 * Context: sleeps, also for a checkpoint; no transaction, no folio locked.
 *
 * Return: 0, -EROFS, -EIO, -ENOMEM.
 */
int vfsr_inode_sync(struct inode *inode)
{
	struct vfsr_log *log = vfsr_sb(inode->i_sb)->log;
	int err = vfsr_trans_begin(log);

	if (err)
		return err;
	err = vfsr_inode_update(inode);
	vfsr_trans_end(log);
	return err;
}

int vfsr_write_inode(struct inode *inode, struct writeback_control *wbc)
{
	int err;

	if (vfsr_i(inode)->dead)
		return 0;
	err = vfsr_inode_sync(inode);
	/* what a read-only mount has dirty are times nobody asked to keep */
	return err == -EROFS ? 0 : err;
}

/* --- new inodes --- */

static void inherit(struct inode *inode, const struct inode *dir)
{
	const struct vfsr_ino *d = vfsr_i(dir);
	struct vfsr_ino *v = vfsr_i(inode);

	v->parent = dir->i_ino;
	v->flags = vfsr_flags_inherited(d->flags, inode->i_mode);
	vfsr_flags_show(inode);
	v->project = d->project;
	v->policy = d->policy;
	v->compress_alg = d->compress_alg;
	v->compress_level = d->compress_level;
	v->compress_keep = d->compress_keep;
}

/**
 * vfsr_new_inode - make an inode
 * @idmap: of the mount
 * @dir: directory where it will get a name
 * @mode: type and permissions; ACLs have been applied
 * @rdev: of a device node, else 0
 *
 * Context: in a transaction, no tree lock held.
 *
 * Return: the inode, I_NEW and hashed, link count 1 (2 for a directory), with a
 * tree that has the header; or -ENOMEM, -ENOSPC, -EIO.
 */
struct inode *vfsr_new_inode(struct mnt_idmap *idmap, struct inode *dir,
			     umode_t mode, dev_t rdev)
{
	struct inode *inode = new_inode(dir->i_sb);
	struct vfsr_inode in;
	struct vfsr_ino *v;
	int err;

	if (!inode)
		return ERR_PTR(-ENOMEM);
	v = vfsr_i(inode);
	v->dead = true;
	inode_init_owner(idmap, inode, dir, mode);
	v->btime = simple_inode_init_ts(inode);
	inode->i_generation = get_random_u32();
	inode_set_iversion(inode, 1);
	inode->i_rdev = rdev;
	inherit(inode, dir);
	if (S_ISDIR(mode))
		set_nlink(inode, 2);
	header_fill(inode, &in);
	err = vfsr_tree_create(vfsr_sb(dir->i_sb)->trees, &in, 0, &v->tree);
	if (err)
		goto fail;
	v->dead = false;
	inode->i_ino = v->tree.ino;
	vfsr_set_ops(inode);
	err = insert_inode_locked(inode);
	if (!err)
		return inode;
	vfsr_new_inode_undo(inode);
fail:
	make_bad_inode(inode);
	iput(inode);
	return ERR_PTR(err);
}

/**
 * vfsr_new_inode_undo - remove the tree of an inode just made
 * @inode: from vfsr_new_inode(), in the same transaction
 *
 * The inode is dead afterwards: nothing of it is written any more.
 */
void vfsr_new_inode_undo(struct inode *inode)
{
	struct vfsr_ino *v = vfsr_i(inode);
	struct vfsr_tree_delta d = { 0 };
	int err;

	down_write(&v->tree.lock);
	do {
		err = vfsr_tree_truncate(&v->tree, 0, &d);
	} while (err > 0);
	while (!err) {
		err = vfsr_tree_drop_xattrs(&v->tree);
		if (err <= 0)
			break;
		err = 0;
	}
	if (!err)
		err = vfsr_tree_destroy(&v->tree);
	up_write(&v->tree.lock);
	if (err)
		vfsr_log_stop(vfsr_sb(inode->i_sb)->log, err,
			      "an inode that got no name cannot be removed");
	v->dead = true;
	clear_nlink(inode);
}

/* --- fsync --- */

/**
 * vfsr_fsync - make a file or directory durable
 * @file: open file
 * @start: first byte
 * @end: last byte
 * @datasync: leave out what is not needed to read the data (nothing is)
 *
 * A checkpoint, for now, shared with all who wait at the same time.
 *
 * Return: 0, the error of an earlier write, or the one that stopped the
 * filesystem.
 */
int vfsr_fsync(struct file *file, loff_t start, loff_t end, int datasync)
{
	struct inode *inode = file_inode(file);
	int err = file_write_and_wait_range(file, start, end);

	if (err)
		return err;
	if (READ_ONCE(inode->i_state) & I_DIRTY_ALL) {
		err = sync_inode_metadata(inode, 1);
		if (err)
			return err;
	}
	return vfsr_log_commit(vfsr_sb(inode->i_sb)->log);
}
