#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The module loads, unloads and loads again; what is no pool is refused with a message.
# disks: 256M 256M
# timeout: 120

# shellcheck source=tests/vm/guest.sh
. "$(dirname "$0")/guest.sh"

run 'the module is there' grep -q '^vfsr ' /proc/modules
run 'unload' rmmod vfsr
run 'load again' load_module

if ! grep -qw vfsr /proc/filesystems; then
	skip 'mounting (this module has no vfs layer)'
	exit 0
fi
ok 'the filesystem is registered'
refuse 'an empty device' mount -t vfsr "${DISKS[0]}" "$MNT"
dd if=/dev/urandom of="${DISKS[0]}" bs=1M count=64 status=none
dmesg -C
refuse 'a device full of noise' mount -t vfsr "${DISKS[0]}" "$MNT"
run 'it says why' grep -q vfsr <(dmesg)
refuse 'a directory' mount -t vfsr /tmp "$MNT"
refuse 'an unknown option' mount -t vfsr -o no_such_option "${DISKS[0]}" "$MNT"
