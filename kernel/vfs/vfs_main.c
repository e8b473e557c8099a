// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module: what exists once, before any mount and after the last one. The
 * inode cache, /sys/fs/vfsr, the comparison of accelerated parity with the core's, and the
 * registration of the filesystem type.
 */
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "vfs/vfs.h"

struct kmem_cache *vfsr_inode_cache;

static struct file_system_type vfsr_fs_type = {
	.owner = THIS_MODULE,
	.name = "vfsr",
	.init_fs_context = vfsr_init_fs_context,
	.parameters = vfsr_mount_params,
	.kill_sb = vfsr_kill_sb,
	.fs_flags = FS_REQUIRES_DEV | FS_ALLOW_IDMAP,
};
MODULE_ALIAS_FS("vfsr");

static void inode_construct(void *ptr)
{
	struct vfsr_ino *v = ptr;

	inode_init_once(&v->vfs);
}

static int caches_init(void)
{
	vfsr_inode_cache = kmem_cache_create(
		"vfsr_inode", sizeof(struct vfsr_ino), 0,
		SLAB_RECLAIM_ACCOUNT | SLAB_ACCOUNT, inode_construct);
	return vfsr_inode_cache ? 0 : -ENOMEM;
}

static void caches_exit(void)
{
	/* inodes, nodes and grids are freed by RCU callbacks */
	rcu_barrier();
	kmem_cache_destroy(vfsr_inode_cache);
}

static int __init vfsr_init(void)
{
	int err;

	if (PAGE_SIZE != VFSR_SECTOR_BYTES) {
		pr_err("vfsr: needs a kernel with pages of %u bytes; this one has %lu\n",
		       VFSR_SECTOR_BYTES, PAGE_SIZE);
		return -EINVAL;
	}
	/* it says so itself; the scalar code is used then */
	vfsr_parity_selftest();
	err = caches_init();
	if (err)
		return err;
	err = vfsr_sysfs_init();
	if (err)
		goto caches;
	err = register_filesystem(&vfsr_fs_type);
	if (err)
		goto sysfs;
	return 0;
sysfs:
	vfsr_sysfs_exit();
caches:
	caches_exit();
	return err;
}

static void __exit vfsr_exit(void)
{
	unregister_filesystem(&vfsr_fs_type);
	vfsr_sysfs_exit();
	caches_exit();
}

module_init(vfsr_init);
module_exit(vfsr_exit);
MODULE_DESCRIPTION(
	"vfsr: a self-healing, compressing filesystem over a pool of devices");
MODULE_LICENSE("GPL");
