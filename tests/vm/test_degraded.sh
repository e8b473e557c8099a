#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A member left out at mount, written without it, brought back; then another one.
# disks: 512M 512M 512M 512M
# mem: 1G
# timeout: 700

# shellcheck source=tests/vm/guest.sh
. "$(dirname "$0")/guest.sh"
# shellcheck source=tests/vm/heal.sh
. "$(dirname "$0")/heal.sh"

DISKS=("${all[@]}")
run 'mkfs and mount' mkfs_mount -d grid:2+1+1 -m replica:3
cp -a "$tree" "$MNT/tree"
umount "$MNT"

# --- degraded ---

DISKS=("${all[@]:0:3}")
refuse 'one left out: refused without degraded' mount_pool
run 'one left out: degraded mount' mount_pool degraded
run 'one left out: the same' same
run 'one left out: writing' cp -a /usr/share/perl5 "$MNT/more"
run 'one left out: reading that' diff -r --no-dereference /usr/share/perl5 "$MNT/more"
umount "$MNT"
DISKS=("${all[@]}")
run 'brought back: mount' mount_pool
run 'brought back: the same' same
run 'brought back: what was written without it' diff -r --no-dereference /usr/share/perl5 "$MNT/more"
sleep 3
umount "$MNT"
run 'brought back: fsck' fsck.vfsr -n "${all[@]}"
DISKS=("${all[@]:1:3}")
run 'another left out: degraded mount' mount_pool degraded
run 'another left out: the same' same
umount "$MNT"
DISKS=("${all[@]}")
mount_pool && umount "$MNT"
