#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A real tree goes in through the mount, and comes back: through the page cache, after a
# remount, through the offline restore; on one disk and over four.
# disks: 1G 1G 1G 1G
# smp: 2
# mem: 2G
# timeout: 600

# shellcheck source=tests/vm/guest.sh
. "$(dirname "$0")/guest.sh"

all=("${DISKS[@]}")
tree=/usr/share/perl

same()
{
	diff -r --no-dereference "$tree" "$MNT/tree" && diff -r --no-dereference /etc "$MNT/etc"
}

round()
{
	local what=$1
	shift
	run "$what: mkfs and mount" mkfs_mount "$@" || return
	run "$what: copy in" cp -a "$tree" "$MNT/tree"
	run "$what: copy more" cp -a /etc "$MNT/etc"
	head -c 20M /dev/urandom >/tmp/big
	run "$what: a big file" cp /tmp/big "$MNT/big"
	run "$what: the same from the page cache" same
	sync
	run "$what: a file cut short" truncate -s 5000001 "$MNT/big"
	truncate -s 5000001 /tmp/big
	run "$what: unmount" umount "$MNT"
	run "$what: fsck" fsck.vfsr -n "${DISKS[@]}"
	run "$what: mount again" mount_pool
	run "$what: the same from disk" same
	run "$what: the big file" cmp /tmp/big "$MNT/big"
	rm -r "${MNT:?}/etc"
	run "$what: removed" test ! -e "$MNT/etc"
	umount_fsck "$what: fsck after removing"
	rm -rf /tmp/out
	run "$what: offline restore" vfsr restore --to /tmp/out "${DISKS[@]}"
	run "$what: the same from the restore" diff -r --no-dereference "$tree" /tmp/out/tree
	run "$what: ro mount" mount_pool ro
	refuse "$what: no writing there" touch "$MNT/x"
	run "$what: to rw" mount -o remount,rw "$MNT"
	run "$what: writing now" touch "$MNT/x"
	run "$what: back to ro" mount -o remount,ro "$MNT"
	umount_fsck "$what: fsck at the end"
}

DISKS=("${all[0]}")
round 'one disk'
DISKS=("${all[@]}")
round 'grid:2+1+1' -d grid:2+1+1
