#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Power cuts on one device. Every flush and FUA write, random moments between them, caches that
# lost some of what they held, and torn writes: each mounts, shows all that was synced, and passes
# fsck before and after. Arguments: seconds for the states (0 = all), seed, steps. By hand, all of
# them; and the test itself on another file system (see anyfs.sh):
#   tests/vm/vmrun.py -m 2G -d 512M -d 2G -d 512M -d 512M -t 20000 -- 'bash /src/tests/vm/test_crash.sh 0'
#   ... -- 'FSTYP=ext4 bash /src/tests/vm/test_crash.sh 300'
# disks: 512M 2G 512M 512M
# smp: 2
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
run 'record' crash_record 1 "$seed" "$steps" --noise || exit 1
crash_replay 'one device' "$seconds"
