// SPDX-License-Identifier: GPL-2.0-only
/*
 * What mkfs asks of devices before it writes to any of them, and how it wipes
 * them afterwards. That a device is mounted or in use is found by
 * vfsr_dev_open() already, and -f does not change it.
 */
#include <blkid/blkid.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/super.h"
#include "mkfs.h"

#define WIPE_STEP (1u << 20) /* bytes that are zeroed at once */
#define SIZE_UNIT 65536u /* the pool uses whole ones of a device */

/* --- the same device twice --- */

static bool same_device(const struct stat *a, const struct stat *b)
{
	if (S_ISBLK(a->st_mode) && S_ISBLK(b->st_mode))
		return a->st_rdev == b->st_rdev;
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static int check_twice(struct vfsr_dev *const *dev, unsigned int nr)
{
	struct stat st[VFSR_MAX_MEMBERS];
	unsigned int i, j;

	for (i = 0; i < nr; i++) {
		if (fstat(dev[i]->fd, &st[i])) {
			int err = -errno;

			vfsr_error(
				"%s: cannot look at it: %s; check the device",
				dev[i]->path, strerror(-err));
			return err;
		}
		for (j = 0; j < i; j++) {
			if (!same_device(&st[i], &st[j]))
				continue;
			vfsr_error(
				"%s: the same device as %s; name each device once",
				dev[i]->path, dev[j]->path);
			return -EINVAL;
		}
	}
	return 0;
}

/* --- signatures --- */

static blkid_probe probe_open(const struct vfsr_dev *d)
{
	blkid_probe pr = blkid_new_probe();

	if (!pr)
		return NULL;
	if (blkid_probe_set_device(pr, d->fd, 0, 0)) {
		blkid_free_probe(pr);
		return NULL;
	}
	blkid_probe_enable_superblocks(pr, 1);
	blkid_probe_set_superblocks_flags(
		pr, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_LABEL |
			    BLKID_SUBLKS_USAGE | BLKID_SUBLKS_MAGIC);
	blkid_probe_enable_partitions(pr, 1);
	blkid_probe_set_partitions_flags(pr, BLKID_PARTS_MAGIC);
	return pr;
}

static const char *value(blkid_probe pr, const char *name)
{
	const char *data;

	return blkid_probe_lookup_value(pr, name, &data, NULL) ? NULL : data;
}

static void say_found(const struct vfsr_dev *d, blkid_probe pr)
{
	const char *type = value(pr, "TYPE"), *label = value(pr, "LABEL");
	const char *usage = value(pr, "USAGE"), *table = value(pr, "PTTYPE");
	bool raid = usage && !strcmp(usage, "raid");

	if (type)
		vfsr_error("%s: holds a %s %s%s%s%s; use -f to overwrite it",
			   d->path, type, raid ? "RAID member" : "filesystem",
			   label ? " labelled '" : "", label ? label : "",
			   label ? "'" : "");
	else
		vfsr_error(
			"%s: holds a partition table (%s); use -f to overwrite it",
			d->path, table ? table : "unknown");
}

static int check_signature(const struct vfsr_dev *d)
{
	blkid_probe pr = d->bytes ? probe_open(d) : NULL;
	int found, err = -EEXIST;

	if (!d->bytes)
		return 0;
	if (!pr) {
		vfsr_error(
			"%s: cannot probe it for other filesystems; use -f to skip that",
			d->path);
		return -EIO;
	}
	found = blkid_do_safeprobe(pr);
	if (!found) {
		say_found(d, pr);
	} else if (found == -2) {
		vfsr_error(
			"%s: holds signatures of several filesystems; use -f to overwrite them",
			d->path);
	} else if (found < 0) {
		vfsr_error(
			"%s: probing it for other filesystems failed; use -f to skip that",
			d->path);
		err = -EIO;
	} else {
		err = 0;
	}
	blkid_free_probe(pr);
	return err;
}

/* --- another vfsr pool, which libblkid does not know --- */

/* A record in any slot of the ring at @pos; its slot stays in @slot. */
static bool ring_has_record(struct vfsr_dev *d, u64 pos, u8 *slot,
			    struct vfsr_super *s)
{
	const struct vfsr_disk_super *disk = (const void *)slot;
	unsigned int i;
	int err;

	for (i = 0; i < VFSR_RING_SLOTS; i++) {
		if (vfsr_dev_read(d, slot, VFSR_SLOT_BYTES,
				  pos + (u64)i * VFSR_SLOT_BYTES))
			continue;
		err = vfsr_super_decode(slot, VFSR_SLOT_BYTES, s, NULL);
		if (!err)
			return true;
		if (err == -EOPNOTSUPP) { /* made by newer tools */
			memset(s, 0, sizeof(*s));
			memcpy(s->pool_uuid, disk->pool_uuid, VFSR_UUID_BYTES);
			return true;
		}
	}
	return false;
}

/* Say which pool is overwritten: only other filesystems need -f, so that
 * scripts can make a pool anew. */
static int name_old_pool(struct vfsr_dev *d)
{
	u64 used = d->bytes / SIZE_UNIT * SIZE_UNIT;
	u8 *slot = aligned_alloc(VFSR_SECTOR_BYTES, VFSR_SLOT_BYTES);
	struct vfsr_super *s = malloc(sizeof(*s));
	int err = slot && s ? 0 : -ENOMEM;
	char uuid[40];
	char *label;

	if (err) {
		vfsr_error("out of memory; close other programs");
		goto out;
	}
	if (used < VFSR_BOOT_BYTES + 2 * VFSR_RING_BYTES ||
	    (!ring_has_record(d, VFSR_BOOT_BYTES, slot, s) &&
	     !ring_has_record(d, used - VFSR_RING_BYTES, slot, s)))
		goto out;
	vfsr_uuid_text(s->pool_uuid, uuid);
	label = vfsr_name_text(s->label, strlen(s->label));
	vfsr_info(
		"%s: was a member of the vfsr pool %s%s%s%s, which is overwritten",
		d->path, uuid, *label ? " labelled '" : "", label,
		*label ? "'" : "");
	free(label);
out:
	free(slot);
	free(s);
	return err;
}

/* --- filling from a tree that holds the image --- */

static int check_rootdir(const char *rootdir, struct vfsr_dev *const *dev,
			 unsigned int nr)
{
	char root[PATH_MAX], image[PATH_MAX];
	unsigned int i;
	struct stat st;
	size_t len;

	if (!realpath(rootdir, root) || stat(root, &st)) {
		int err = -errno;

		vfsr_error(
			"%s: cannot open: %s; check the name given to --rootdir",
			rootdir, strerror(-err));
		return err;
	}
	if (!S_ISDIR(st.st_mode)) {
		vfsr_error("%s: not a directory; --rootdir needs one", rootdir);
		return -ENOTDIR;
	}
	len = strcmp(root, "/") ? strlen(root) : 0;
	for (i = 0; i < nr; i++) {
		if (dev[i]->block || !realpath(dev[i]->path, image) ||
		    strncmp(image, root, len) != 0 || image[len] != '/')
			continue;
		vfsr_error(
			"%s: lies inside of %s, which it is to be filled from; put the image elsewhere",
			dev[i]->path, rootdir);
		return -EINVAL;
	}
	return 0;
}

int mkfs_check_devices(const struct mkfs_opts *o, struct vfsr_dev *const *dev)
{
	unsigned int i;
	int err;

	err = check_twice(dev, o->plan.nr_devs);
	if (!err && o->rootdir)
		err = check_rootdir(o->rootdir, dev, o->plan.nr_devs);
	for (i = 0; i < o->plan.nr_devs && !err && !o->force; i++) {
		err = check_signature(dev[i]);
		if (!err)
			err = name_old_pool(dev[i]);
	}
	return err;
}

/* --- wiping --- */

static int zero(struct vfsr_dev *d, u64 pos, u64 end)
{
	u8 *buf = calloc(1, WIPE_STEP);
	int err = buf ? 0 : -ENOMEM;

	while (pos < end && !err) {
		size_t part = min_t(u64, end - pos, WIPE_STEP);

		err = vfsr_dev_write(d, buf, part, pos);
		pos += part;
	}
	free(buf);
	if (err)
		vfsr_error("%s: cannot wipe it: %s; check the device", d->path,
			   strerror(-err));
	return err;
}

static void wipe_signatures(const struct vfsr_dev *d)
{
	blkid_probe pr = probe_open(d);

	if (!pr)
		return;
	while (!blkid_do_probe(pr))
		if (blkid_do_wipe(pr, 0))
			break;
	blkid_free_probe(pr);
}

int mkfs_wipe(struct vfsr_dev *d, bool keep)
{
	u64 used = d->bytes / SIZE_UNIT * SIZE_UNIT;
	u64 first = VFSR_BOOT_BYTES + VFSR_RING_BYTES;
	u64 end = used - VFSR_RING_BYTES;
	int err;

	wipe_signatures(d);
	err = zero(d, 0, first);
	if (!err)
		err = zero(d, end, d->bytes);
	/* no older record may outlive a power cut in what follows */
	if (!err) {
		err = vfsr_dev_sync(d);
		if (err)
			vfsr_error("%s: cannot wipe it: %s; check the device",
				   d->path, strerror(-err));
	}
	if (!err && !keep)
		vfsr_dev_discard(d, first, end - first);
	return err;
}
