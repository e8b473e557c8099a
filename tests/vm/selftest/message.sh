#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A warning of the kernel, a mount in use that is left behind, and a failure.
# disks: 64M

# shellcheck source=tests/vm/guest.sh
. "$(dirname "$0")/../guest.sh"

ok 'one good result'
not_ok 'one bad result'
skip 'one that was skipped'
echo 'WARNING: CPU: 0 PID: 1 at nowhere.c:1 made_up+0x0/0x1' >/dev/kmsg
mkfs.ext4 -q "${DISKS[0]}"
mount "${DISKS[0]}" "$MNT"
mkdir -p "$MNT/a b"
mount -t tmpfs inner "$MNT/a b"
tail -f /dev/null 3<"$MNT/a b" &
exit 3
