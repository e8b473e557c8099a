// SPDX-License-Identifier: GPL-2.0-only
/*
 * File handles for NFS and open_by_handle_at(2): number and generation of the
 * inode, and of a directory that names it where that is asked for. The kinds of
 * handles are the generic ones for 64-bit numbers.
 */
#include <linux/exportfs.h>

#include "vfs/vfs.h"

/* On the wire, in units of 4 bytes; not aligned to 8. */
struct handle {
	u32 ino_low, ino_high;
	u32 generation;
	u32 parent_low, parent_high;
	u32 parent_generation;
};

#define UNITS (offsetof(struct handle, parent_low) / sizeof(u32))
#define UNITS_PARENT (sizeof(struct handle) / sizeof(u32))

static u64 join(u32 low, u32 high)
{
	return (u64)high << 32 | low;
}

static int encode_fh(struct inode *inode, __u32 *fh, int *max_len,
		     struct inode *parent)
{
	struct handle *h = (struct handle *)fh;
	int units = parent ? UNITS_PARENT : UNITS;

	if (*max_len < units) {
		*max_len = units;
		return FILEID_INVALID;
	}
	*max_len = units;
	h->ino_low = lower_32_bits(inode->i_ino);
	h->ino_high = upper_32_bits(inode->i_ino);
	h->generation = inode->i_generation;
	if (!parent)
		return FILEID_INO64_GEN;
	h->parent_low = lower_32_bits(parent->i_ino);
	h->parent_high = upper_32_bits(parent->i_ino);
	h->parent_generation = parent->i_generation;
	return FILEID_INO64_GEN_PARENT;
}

static struct dentry *fh_to_dentry(struct super_block *sb, struct fid *fid,
				   int units, int type)
{
	const struct handle *h = (const struct handle *)fid->raw;

	if ((type != FILEID_INO64_GEN && type != FILEID_INO64_GEN_PARENT) ||
	    units < (int)UNITS)
		return NULL;
	return d_obtain_alias(vfsr_iget_generation(
		sb, join(h->ino_low, h->ino_high), h->generation));
}

static struct dentry *fh_to_parent(struct super_block *sb, struct fid *fid,
				   int units, int type)
{
	const struct handle *h = (const struct handle *)fid->raw;

	if (type != FILEID_INO64_GEN_PARENT || units < (int)UNITS_PARENT)
		return NULL;
	return d_obtain_alias(vfsr_iget_generation(
		sb, join(h->parent_low, h->parent_high), h->parent_generation));
}

static struct dentry *get_parent(struct dentry *child)
{
	struct inode *inode = d_inode(child);
	u64 parent = READ_ONCE(vfsr_i(inode)->parent);

	if (!parent)
		return ERR_PTR(-ESTALE);
	return d_obtain_alias(vfsr_iget(inode->i_sb, parent, VFSR_DT_DIR));
}

const struct export_operations vfsr_export_ops = {
	.encode_fh = encode_fh,
	.fh_to_dentry = fh_to_dentry,
	.fh_to_parent = fh_to_parent,
	.get_parent = get_parent,
};
