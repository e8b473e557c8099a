#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Power cuts on four devices with grid:2+1+1: as test_crash.sh, which see.
#   tests/vm/vmrun.py -m 2G -d 1G -d 3G -d 1G -d 1G -t 20000 -- 'bash /src/tests/vm/test_crash_grid.sh 0'
# disks: 1G 3G 1G 1G
# mem: 2G
# timeout: 500

# shellcheck source=tests/vm/guest.sh
. "$(dirname "$0")/guest.sh"
# shellcheck source=tests/vm/anyfs.sh
. "$(dirname "$0")/anyfs.sh"
# shellcheck source=tests/vm/crash.sh
. "$(dirname "$0")/crash.sh"

seconds=${1:-120}
seed=${2:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
steps=${3:-400}

fs_there || exit 1
case $FSTYP in
vfsr) FS_MKFS='-d grid:2+1+1' ;;
btrfs) FS_MKFS='-d raid1 -m raid1' ;;
esac
export FS_MKFS
run 'record' crash_record 4 "$seed" "$steps" --noise || exit 1
crash_replay 'four devices' "$seconds"
