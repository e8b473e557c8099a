#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What is free is discarded when a grid is freed, and all of it by fstrim(8); what is stored stays,
# also while files come and go beside it. The disks are images in memory, whose blocks tell what
# was discarded.
# disks: 64M
# mem: 1G
# timeout: 300

# shellcheck source=tests/vm/guest.sh
. "$(dirname "$0")/guest.sh"

virtual=("${DISKS[@]}")
mkdir /tmp/img
mount -t tmpfs -o size=400m tmpfs /tmp/img
modprobe loop
DISKS=()
for i in 0 1 2; do
	# every block is there to begin with
	head -c 96M /dev/urandom >/tmp/img/$i
	DISKS+=("$(losetup -f --show /tmp/img/$i)")
done

# MiB that the images take
taken()
{
	du -cm /tmp/img/? | tail -n 1 | cut -f 1
}

# trimmed [OPTION...]: MiB that fstrim says
trimmed()
{
	local bytes
	bytes=$(fstrim -v "$@" "$MNT" | sed -n 's/.*(\([0-9]*\) bytes).*/\1/p')
	echo $((bytes >> 20))
}

sums()
{
	find "$MNT" -type f -exec md5sum {} + | sort
}

run 'mkfs and mount' mkfs_mount -K || exit
all=$(taken)
run "mkfs -K discards nothing: $all MiB" test "$all" -ge 285
mkdir "$MNT/keep"
for i in 1 2 3; do head -c 10M /dev/urandom >"$MNT/keep/$i"; done
sync
sums >/tmp/sums
said=$(trimmed -m 1G)
equal 'no run is as long as the least that was asked for' 0 "$said"
first=$(trimmed -l 96M)
run "the first disk alone: $first MiB" test "$first" -gt 30 -a "$first" -lt 96
said=$(trimmed)
left=$(taken)
run "discarded: $said MiB, left $left" test "$said" -gt 150 -a "$left" -le $((290 - said + 5))
refuse 'behind the end' fstrim -o 10G "$MNT"
refuse 'less than a block' fstrim -l 1024 "$MNT"
refuse 'not for users' setpriv --reuid 65534 --regid 65534 --clear-groups fstrim "$MNT"
echo 3 >/proc/sys/vm/drop_caches
sums | run 'contents' diff /tmp/sums -

# what a freed grid had is discarded without being asked
head -c 60M /dev/urandom >"$MNT/go"
sync
more=$(taken)
rm "$MNT/go"
sync
less=$(taken)
run "after a file of 60 MB $more MiB, without it $less" test "$less" -le $((more - 50))

run 'remount with nodiscard' mount -o remount,nodiscard "$MNT"
run 'nodiscard is shown' grep -q 'vfsr.*nodiscard' /proc/mounts
head -c 60M /dev/urandom >"$MNT/go"
sync
more=$(taken)
rm "$MNT/go"
sync
less=$(taken)
run "nodiscard: after a file of 60 MB $more MiB, without it $less" test "$less" -ge $((more - 5))
run 'remount with discard' mount -o remount,discard "$MNT"
refuse 'nodiscard is not shown' grep -q 'vfsr.*nodiscard' /proc/mounts

# beside files that come and go
while :; do fstrim "$MNT" || exit; done &
trimmer=$!
for i in {1..12}; do
	head -c 8M /dev/urandom >"$MNT/new$((i % 4))"
	head -c 100K /dev/urandom >"$MNT/keep/small$i"
	sync
done
run 'fstrim went on' kill $trimmer
wait $trimmer 2>/dev/null
sums >/tmp/sums
umount_fsck 'fsck'
run 'mount' mount_pool
sums | run 'contents after the mount' diff /tmp/sums -
run 'remount ro' mount -o remount,ro "$MNT"
refuse 'not on a read-only mount' fstrim "$MNT"
run 'unmount' umount "$MNT"
for i in "${DISKS[@]}"; do losetup -d "$i"; done

DISKS=("${virtual[@]}")
run 'a disk that is not an image: mkfs and mount' mkfs_mount
run 'a disk that is not an image: fstrim' fstrim "$MNT"
umount_fsck 'a disk that is not an image: fsck'
