#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Nothing is wrong; a disk is unplugged and plugged in, the host writes to one, power is cut, and
# the guest is booted again.
# disks: 64M 128M
# boots: 2
# smp: 2
# mem: 512M

# shellcheck source=tests/vm/guest.sh
. "$(dirname "$0")/../guest.sh"

if ((VM_BOOT == 2)); then
	run 'what was written is there' grep -q persistent "${DISKS[1]}"
	exit
fi
equal 'two disks' 2 "${#DISKS[@]}"
equal 'the second is larger' 134217728 "$(blockdev --getsize64 "${DISKS[1]}")"
equal 'two CPUs' 2 "$(nproc)"
tell_host ready
run 'the host answers' wait_host unplugged
find_disks
equal 'the first disk is gone' '' "${DISKS[0]}"
tell_host gone
run 'the host answers again' wait_host plugged
for ((i = 0; i < 50; i++)); do
	find_disks
	[[ -n ${DISKS[0]} ]] && break
	sleep 0.1
done
equal 'what the host wrote is there' 'from the host' "$(head -c 13 "${DISKS[0]}")"
echo persistent | dd of="${DISKS[1]}" oflag=direct bs=4096 conv=sync status=none
tell_host written
sleep 1000
