#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Healing under a live mount: sectors overwritten behind its back on one disk and over four, a
# member wiped; with too much lost, exactly the lost ranges fail.
# disks: 512M 512M 512M 512M
# mem: 1G
# timeout: 700

# shellcheck source=tests/vm/guest.sh
. "$(dirname "$0")/guest.sh"
# shellcheck source=tests/vm/heal.sh
. "$(dirname "$0")/heal.sh"

# --- one disk: single sectors ---

DISKS=("${all[0]}")
run 'one disk: mkfs and mount' mkfs_mount
cp -a "$tree" "$MNT/tree"
head -c 60M /dev/urandom >/tmp/random
cp /tmp/random "$MNT/random"
umount "$MNT" && mount_pool
scatter
run 'one disk: the same with sectors spoiled' same
run 'one disk: a big file too' cmp /tmp/random "$MNT/random"
bad=$(counter bad_sectors)
run 'one disk: bad sectors counted' test "$bad" -gt 0
equal 'one disk: all healed' "$bad" "$(counter healed_sectors)"
equal 'one disk: all written back' "$bad" "$(counter written_sectors)"
run 'one disk: the log says so' grep -q 'healed' <(dmesg)
run 'one disk: the same again' same
equal 'one disk: nothing new to heal' "$bad" "$(counter bad_sectors)"
umount "$MNT"
# footers and parity that no file needed
run 'one disk: verify repairs the rest' vfsr verify --repair "${all[0]}"
run 'one disk: fsck' fsck.vfsr -n "${all[0]}"

# --- four disks ---

DISKS=("${all[@]}")
run 'four disks: mkfs and mount' mkfs_mount -d grid:2+1+1 -m replica:3
cp -a "$tree" "$MNT/tree"
umount "$MNT" && mount_pool
spoil 1 any
run 'four disks: the same with sectors of one spoiled' same
umount_fsck 'four disks: fsck'

mount_pool
dd if=/dev/zero of="${all[3]}" bs=1M seek=2 count=500 conv=notrunc,fsync status=none
run 'four disks: the same with all strips of one zeroed' same
run 'four disks: healed' test "$(counter healed_sectors)" -gt 100
run 'four disks: writing goes on' cp -a /etc "$MNT/etc"
umount "$MNT"
run 'four disks: verify repairs the rest' vfsr verify --repair "${all[@]}"
run 'four disks: fsck after that' fsck.vfsr -n "${all[@]}"

# --- too much lost: exactly the lost ranges fail ---

DISKS=("${all[0]}")
run 'lost: a single policy' mkfs_mount -f -d single -m replica:2
head -c 4M /dev/urandom >"$MNT/file"
cp "$MNT/file" /tmp/file
umount "$MNT" && mount_pool
python3 - "${all[0]}" /tmp/file <<-'PY'
	import os, sys
	want = open(sys.argv[2], "rb").read()
	piece = want[1 << 20:(1 << 20) + 4096]
	fd = os.open(sys.argv[1], os.O_RDWR)
	pos, step, found = 0, 64 << 20, []
	size = os.lseek(fd, 0, os.SEEK_END)
	while pos < size:
	    data = os.pread(fd, step, pos)
	    at = data.find(piece)
	    if at >= 0:
	        found.append(pos + at)
	    pos += step
	for at in found:
	    os.pwrite(fd, b"x" * 4096, at)
	os.fsync(fd)
	print("overwritten at", found)
	sys.exit(not found)
PY
equal 'lost: the piece was found' 0 $?
python3 - "$MNT/file" /tmp/file <<-'PY'
	import os, sys
	fd = os.open(sys.argv[1], os.O_RDONLY)
	want = open(sys.argv[2], "rb").read()
	bad = []
	for pos in range(0, len(want), 4096):
	    try:
	        data = os.pread(fd, 4096, pos)
	    except OSError as e:
	        bad.append((pos, e.errno))
	        continue
	    if data != want[pos:pos + 4096]:
	        bad.append((pos, "wrong"))
	print("bad:", bad)
	sys.exit(bad != [(1 << 20, 5)])
PY
equal 'lost: EIO for exactly that range' 0 $?
umount "$MNT"
