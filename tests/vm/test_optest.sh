#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Random operations against an oracle, two workers on two CPUs, with remounts and dropped caches:
# on one disk, and over four with grid:2+1+1. By hand, for an hour each, on btrfs for comparison:
#   tests/vm/vmrun.py -s 2 -m 2G -d 1G -d 1G -d 1G -d 1G -t 8000 -- 'bash /src/tests/vm/test_optest.sh 3600'
#   ... -- 'FSTYP=btrfs bash /src/tests/vm/test_optest.sh 3600'
# A second argument is the seed.
# disks: 1G 1G 1G 1G
# smp: 2
# mem: 2G
# timeout: 700

# shellcheck source=tests/vm/guest.sh
. "$(dirname "$0")/guest.sh"
# shellcheck source=tests/vm/anyfs.sh
. "$(dirname "$0")/anyfs.sh"

seconds=${1:-60}
seed=${2:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
all=("${DISKS[@]}")

round()
{
	local name=$1
	shift
	run "$name: mkfs" fs_mkfs "${DISKS[@]}" || return
	run "$name: mount" fs_mount "$MNT" "${DISKS[@]}" || return
	run "$name: no difference" optest --seed "$seed" --seconds "$seconds" --smp 2 \
		--verify-every 2000 --remount-every 1000 --drop-caches "$@" \
		--remount "umount $MNT && $(fs_mount_command "$MNT" "${DISKS[@]}")" "$MNT"
	run "$name: unmount" umount "$MNT"
	run "$name: check" fs_check "${DISKS[@]}"
}

fs_there || exit 1
DISKS=("${all[0]}")
round 'one disk'
DISKS=("${all[@]}")
[[ $FSTYP != vfsr ]] || FS_MKFS='-d grid:2+1+1'
round 'four disks'
# all names of all workers in one directory
round 'one directory' --shared
