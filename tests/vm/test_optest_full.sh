#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Random operations on a file system that is full again and again: what finds no space must leave
# old or new data, and removing must always work. Arguments as for test_optest.sh.
# disks: 160M
# smp: 2
# mem: 2G
# timeout: 700

# shellcheck source=tests/vm/guest.sh
. "$(dirname "$0")/guest.sh"
# shellcheck source=tests/vm/anyfs.sh
. "$(dirname "$0")/anyfs.sh"

seconds=${1:-90}
seed=${2:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}

fs_there || exit 1
run 'mkfs' fs_mkfs "${DISKS[@]}"
run 'mount' fs_mount "$MNT" "${DISKS[@]}"
# a file that leaves little room, so that slow machines fill the rest as well
room=$(($(stat -f -c '%a * %S' "$MNT") - (24 << 20)))
run 'ballast' dd if=/dev/urandom of="$MNT/ballast" bs=64K count=$((room >> 16)) status=none
run 'no difference' optest --seed "$seed" --seconds "$seconds" --smp 2 --bytes 2G --nodes 3000 \
	--verify-every 2000 --remount-every 1000 \
	--remount "umount $MNT && $(fs_mount_command "$MNT" "${DISKS[@]}")" "$MNT" >/tmp/out
cat /tmp/out
run 'it was full' grep -qE ' [1-9][0-9]* times no space' /tmp/out
run 'all is removed' test -z "$(find "$MNT" -mindepth 1 ! -name lost+found ! -name ballast)"
run 'ballast is removed' rm "$MNT/ballast"
run 'writing after that' dd if=/dev/urandom of="$MNT/new" bs=1M count=20 status=none
run 'unmount' umount "$MNT"
run 'check' fs_check "${DISKS[@]}"
