#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The module loads, unloads and loads again; what is no pool is refused with a message.
# disks: 256M 256M
# timeout: 180

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
# the kernel itself, and then the helper
for how in -i ''; do
	by=${how:+the kernel}
	by=${by:-mount.vfsr}
	dd if=/dev/zero of="${DISKS[0]}" bs=1M count=64 status=none
	dmesg -C
	# shellcheck disable=SC2086 # an option or nothing
	refuse "an empty device, by $by" mount $how -t vfsr "${DISKS[0]}" "$MNT"
	dd if=/dev/urandom of="${DISKS[0]}" bs=1M count=64 status=none
	# shellcheck disable=SC2086
	refuse "a device full of noise, by $by" mount $how -t vfsr "${DISKS[0]}" "$MNT" 2>/run/said
	cat /run/said
	run "it says why, by $by" grep -qE 'no vfsr pool|no checkpoint record' <(dmesg; cat /run/said)
	# shellcheck disable=SC2086
	refuse "a directory, by $by" mount $how -t vfsr /tmp "$MNT"
done

run 'mkfs' mkfs.vfsr -q "${DISKS[@]}"
dmesg -C
refuse 'an unknown option' mount -i -t vfsr -o no_such_option "${DISKS[0]}" "$MNT"
run 'it says which' grep -q 'vfsr.*no_such_option' <(dmesg)
refuse 'a member left out' mount -i -t vfsr "${DISKS[0]}" "$MNT"
run 'it says so' grep -q 'is missing; attach it, or mount with -o degraded' <(dmesg)
