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

# Holes in a file, and what is told of its extents.
ranges()
{
	run "$what: fallocate" xfs_io -c 'fpunch 5000 2m' -c 'fzero 3m 100001' \
		-c 'fzero -k 4900k 300k' -c 'falloc 0 5m' -c 'fpunch 3210k 1k' -c fsync "$MNT/big"
	# the same without them
	xfs_io -c 'pwrite -q -S 0 5000 2m' -c 'pwrite -q -S 0 3m 100001' -c 'truncate 5m' \
		-c 'pwrite -q -S 0 3210k 1k' /tmp/big
	run "$what: the same with holes" cmp /tmp/big "$MNT/big"
	run "$what: fewer blocks" test "$(stat -c %b "$MNT/big")" -lt 6000
	run "$what: extents with holes" test "$(xfs_io -r -c fiemap "$MNT/big" | grep -c hole)" -ge 2
	refuse "$what: more than there is" fallocate -l 1T "$MNT/big"
	run "$what: the size stays" test "$(stat -c %s "$MNT/big")" = 5242880
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
	ranges
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
