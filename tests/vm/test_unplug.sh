#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A disk is pulled out while files are read and written, and put back.
# smp: 2
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

# --- pulled out while files are read ---

mount_pool
(for i in 1 2 3; do same || exit 1; done) &
reader=$!
sleep 1
tell_host pull
if wait_host pulled 60; then
	wait $reader
	equal 'pulled out: files read as they should' 0 $?
	run 'pulled out: writing' cp -a /etc "$MNT/etc2"
	run 'pulled out: sync' sync -f "$MNT"
	run 'pulled out: the same' same
	run 'pulled out: unmount' umount "$MNT"
	find_disks
	run 'pulled out: fsck without it' fsck.vfsr -n "${all[@]:0:3}"
else
	not_ok 'the host pulled the disk out'
fi
tell_host finished
wait_host plugged 60
find_disks
all=("${DISKS[@]}")
run 'put back: mount' mount_pool
run 'put back: the same' same
sleep 3
umount_fsck 'put back: fsck'
