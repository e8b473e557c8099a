#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Healing under a live mount: sectors overwritten behind its back, a disk pulled out, a disk
# left out and brought back, too much lost.
# disks: 512M 512M 512M 512M
# smp: 2
# mem: 2G
# timeout: 900

# shellcheck source=tests/vm/guest.sh
. "$(dirname "$0")/guest.sh"

all=("${DISKS[@]}")
tree=/usr/share/perl

same()
{
	echo 3 >/proc/sys/vm/drop_caches
	diff -r --no-dereference "$tree" "$MNT/tree"
}

# a value summed up over the devices' sysfs files
counter()
{
	cat /sys/fs/vfsr/*/devices/*/"$1" | awk '{ n += $1 } END { print n + 0 }'
}

# member N's field of the record
field()
{
	vfsr inspect super --json "${DISKS[@]}" | python3 -c '
import json, sys
def find(node, key):
    if isinstance(node, dict):
        for k, v in node.items():
            if k == key:
                yield v
            yield from find(v, key)
    elif isinstance(node, list):
        for v in node:
            yield from find(v, key)
print(list(find(json.load(sys.stdin), sys.argv[2]))[int(sys.argv[1])])' "$1" "$2"
}

# spoil DISK EVERY: overwrite one sector in every so many MiB of the strips
spoil()
{
	python3 - "$1" "$2" "$(field 0 strip_sector)" <<-'PY'
		import os, sys
		path, every, first = sys.argv[1], int(sys.argv[2]) << 20, int(sys.argv[3]) * 4096
		fd = os.open(path, os.O_WRONLY)
		size = os.lseek(fd, 0, os.SEEK_END) - (2 << 20)
		n = 0
		for pos in range(first, size, every):
		    os.pwrite(fd, os.urandom(4096), pos + n * 37 % 200 * 4096)
		    n += 1
		os.fsync(fd)
		print(n, "sectors of", path, "overwritten")
	PY
}

# --- one disk: single sectors ---

DISKS=("${all[0]}")
run 'one disk: mkfs and mount' mkfs_mount
cp -a "$tree" "$MNT/tree"
umount "$MNT" && mount_pool
spoil "${all[0]}" 16
run 'one disk: the same with sectors spoiled' same
bad=$(counter bad_sectors)
run 'one disk: bad sectors counted' test "$bad" -gt 0
equal 'one disk: all healed' "$bad" "$(counter healed_sectors)"
equal 'one disk: all written back' "$bad" "$(counter written_sectors)"
run 'one disk: the log says so' grep -q 'healed' <(dmesg)
run 'one disk: the same again' same
equal 'one disk: nothing new to heal' "$bad" "$(counter bad_sectors)"
umount_fsck 'one disk: fsck'

# --- four disks ---

DISKS=("${all[@]}")
run 'four disks: mkfs and mount' mkfs_mount -d grid:2+1+1 -m replica:3
cp -a "$tree" "$MNT/tree"
umount "$MNT" && mount_pool
spoil "${all[1]}" 1
spoil "${all[2]}" 7
run 'four disks: the same with sectors of two spoiled' same
umount_fsck 'four disks: fsck'

mount_pool
sectors=$(field 0 strip_sector)
dd if=/dev/zero of="${all[3]}" bs=4096 seek="$sectors" count=100000 conv=notrunc,fsync status=none
run 'four disks: the same with all strips of one zeroed' same
run 'four disks: healed' test "$(counter healed_sectors)" -gt 100
run 'four disks: writing goes on' cp -a /etc "$MNT/etc"
umount "$MNT"
run 'four disks: verify repairs the rest' vfsr verify --repair "${all[@]}"
run 'four disks: fsck after that' fsck.vfsr -n "${all[@]}"

# --- degraded ---

DISKS=("${all[@]:0:3}")
refuse 'one left out: refused without degraded' mount_pool
run 'one left out: degraded mount' mount_pool degraded
run 'one left out: the same' same
run 'one left out: writing' cp -a /usr/share/perl5 "$MNT/more"
run 'one left out: reading that' diff -r --no-dereference /usr/share/perl5 "$MNT/more"
umount "$MNT"
DISKS=("${all[@]}")
run 'brought back: mount' mount_pool
run 'brought back: the same' same
run 'brought back: what was written without it' diff -r --no-dereference /usr/share/perl5 "$MNT/more"
sleep 3
umount "$MNT"
run 'brought back: fsck' fsck.vfsr -n "${all[@]}"
DISKS=("${all[@]:1:3}")
run 'another left out: degraded mount' mount_pool degraded
run 'another left out: the same' same
umount "$MNT"
DISKS=("${all[@]}")
mount_pool && umount "$MNT"

# --- pulled out while files are read ---

mount_pool
(for i in 1 2 3; do same || exit 1; done) &
reader=$!
sleep 1
tell_host pull
if wait_host pulled 60; then
	wait $reader
	equal 'pulled out: files read as they should' 0 $?
	run 'pulled out: writing' cp -a /etc "$MNT/etc2"
	run 'pulled out: sync' sync -f "$MNT"
	run 'pulled out: the same' same
	run 'pulled out: unmount' umount "$MNT"
	find_disks
	run 'pulled out: fsck without it' fsck.vfsr -n "${all[@]:0:3}"
else
	not_ok 'the host pulled the disk out'
fi
tell_host finished
wait_host plugged 60
find_disks
all=("${DISKS[@]}")
run 'put back: mount' mount_pool
run 'put back: the same' same
sleep 3
umount_fsck 'put back: fsck'

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
