// SPDX-License-Identifier: GPL-2.0-only
/*
 * What udev is told of a member, in the words of libblkid: with these properties its
 * rules make /dev/disk/by-label and by-uuid, by which mount(8) and fstab(5) find it.
 *
 * Labels come from the disk: they are printed in encoded form alone, so that none can
 * add a property of its own.
 */
#include <blkid/blkid.h>

#include "mount.h"

/* Four characters for one at most. */
#define ENCODED_ROOM (VFSR_LABEL_BYTES * 4 + 1)

static void print_property(const char *name, const char *value)
{
	char text[ENCODED_ROOM];

	if (!*value)
		return;
	if (!blkid_safe_string(value, text, sizeof(text)))
		printf("ID_FS_%s=%s\n", name, text);
	if (!blkid_encode_string(value, text, sizeof(text)))
		printf("ID_FS_%s_ENC=%s\n", name, text);
}

int mount_udev(const char *path)
{
	struct mount_scan s = { 0 };
	const struct mount_dev *d = mount_scan_path(&s, path, true);
	const struct vfsr_super *super = d ? d->super : NULL;
	char uuid[40];

	if (super) {
		printf("ID_FS_TYPE=vfsr\nID_FS_USAGE=filesystem\n");
		vfsr_uuid_text(super->pool_uuid, uuid);
		print_property("UUID", uuid);
		vfsr_uuid_text(super->member[super->this_member].uuid, uuid);
		print_property("UUID_SUB", uuid);
		print_property("LABEL", super->label);
	}
	mount_scan_free(&s);
	return super ? MOUNT_OK : MOUNT_FAILED;
}
