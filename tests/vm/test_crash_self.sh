#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The power-cut tests see what they are there to see: ext4 passes them, ext4 told not to flush
# does not.
# disks: 512M 2G 512M 512M
# mem: 2G
# timeout: 240

# shellcheck source=tests/vm/guest.sh
. "$(dirname "$0")/guest.sh"
FSTYP=ext4
# shellcheck source=tests/vm/anyfs.sh
. "$(dirname "$0")/anyfs.sh"
# shellcheck source=tests/vm/crash.sh
. "$(dirname "$0")/crash.sh"

seed=${1:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}

fs_there || { skip 'no ext4 here'; exit 0; }
run 'record' crash_record 1 "$seed" 120 || exit 1
crash_replay 'with flushes' 40
FS_OPTIONS=nobarrier
run 'record without flushes' crash_record 1 "$seed" 120 || exit 1
crash_replay 'without' 40 >/tmp/out
grep -E 'states|bad$' /tmp/out
run 'without flushes crash points are bad' grep -q '^not ok' /tmp/out
