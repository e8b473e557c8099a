#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# mount.vfsr in a guest: one device, the label or the uuid mounts the pool, through mount(8)
# too; missing, write-protected and copied devices; the kernel's reasons reach the user.
# disks: 128M 160M 192M
# timeout: 700

# shellcheck source=tests/vm/guest.sh
. "$(dirname "$0")/guest.sh"

options()
{
	awk -v dir="$MNT" '$2 == dir { print $1, $4 }' /proc/mounts
}

# says WORDS COMMAND...: the command fails, and these words are in what it says
says()
{
	local words=$1
	shift
	if "$@" 2>/tmp/said || ! grep -q -e "$words" /tmp/said; then
		cat /tmp/said
		return 1
	fi
}

set -- "${DISKS[@]}"
run mkfs mkfs.vfsr -q -L 'my pool' "$@"
run 'any device' mount.vfsr "$2" "$MNT"
equal 'its source and devices' "$2 rw,relatime,device=$1,device=$3,device=$2" "$(options)"
equal 'type for df' vfsr "$(df --output=fstype "$MNT" | tail -n 1)"
echo here >"$MNT/file"
run 'a second mount is the same' mount.vfsr "$3" /mnt
equal 'the file is there too' here "$(cat /mnt/file)"
umount /mnt
run 'not with another ro' says 'mounted already, and writable' mount.vfsr "$3" /mnt -o ro
umount "$MNT"

run 'mount(8)' mount -t vfsr -o noatime,nosuid,compress=none "$1" "$MNT"
equal 'its options' "$1 rw,nosuid,noatime,device=$2,device=$3,device=$1,compress=none" "$(options)"
run 'to ro' mount -o remount,ro "$MNT"
refuse 'read-only now' touch "$MNT/x"
run 'to rw' mount -o remount,rw,compress=zlib:9 "$MNT"
equal 'after remounts' "$1 rw,nosuid,noatime,device=$2,device=$3,device=$1,compress=zlib:9" "$(options)"
run 'unknown option by remount' says "foo" mount -o remount,foo=1 "$MNT"
umount "$MNT"

run 'by label' mount.vfsr 'LABEL=my pool' "$MNT"
umount "$MNT"
# what the udev rules would do
mkdir -p /dev/disk/by-label /dev/disk/by-uuid
label=$(mount.vfsr --udev "$2" | sed -n 's/^ID_FS_LABEL_ENC=//p')
uuid=$(mount.vfsr --udev "$2" | sed -n 's/^ID_FS_UUID_ENC=//p')
ln -s "$2" "/dev/disk/by-label/$label"
ln -s "$3" "/dev/disk/by-uuid/$uuid"
run 'mount(8) by label' mount -t vfsr 'LABEL=my pool' "$MNT"
umount "$MNT"
echo "UUID=$uuid $MNT vfsr noauto,commit=30 0 0" >>/etc/fstab
run 'by fstab' mount "$MNT"
equal 'with its options' "$3 rw,relatime,device=$1,device=$2,device=$3,commit=30" "$(options)"
umount "$MNT"

run 'unknown option' says "Unknown parameter 'foo'" mount.vfsr "$1" "$MNT" -o foo=1
run 'sloppy' mount.vfsr -s "$1" "$MNT" -o foo=1
umount "$MNT"
run 'a bad value' says 'compress=lz4: say none, zlib' mount.vfsr "$1" "$MNT" -o compress=lz4
run 'no directory' says 'check the mount point' mount.vfsr "$1" /nowhere

blockdev --setro "$1"
run 'write-protected' mount.vfsr "$2" "$MNT"
equal 'is read-only' ro "$(options | sed 's/.* //; s/,.*//')"
umount "$MNT"
run 'rw asked for' says 'read-only, mount with -o ro' mount.vfsr "$2" "$MNT" -o rw
blockdev --setrw "$1"

export VFSR_DEVICES=$1:$3
run 'a missing member' says 'member 1 .* is missing; attach it, or mount with -o degraded' mount.vfsr "$1" "$MNT"
refuse 'without the helper' mount -i -t vfsr "$1" "$MNT"
dmesg | run 'the kernel says which' grep -q 'pool my pool: member 1 .* is missing; attach it'
run degraded mount.vfsr "$1" "$MNT" -o degraded
equal 'the file' here "$(cat "$MNT/file")"
echo more >"$MNT/degraded"
umount "$MNT"
unset VFSR_DEVICES
run 'it came back' mount.vfsr "$1" "$MNT"
equal 'what was written' more "$(cat "$MNT/degraded")"
umount_fsck 'fsck at the end'

dd if="$1" of="$3" bs=1M status=none
run 'a copy of a member' says 'are both member 0' mount.vfsr LABEL='my pool' "$MNT" -o degraded

# where all is named, other disks are left alone
mkfs.vfsr -q -f "$1"
echo 3 >/proc/sys/vm/drop_caches
reads=$(awk '{ print $1 }' "/sys/class/block/${2##*/}/stat")
run 'a pool of one' mount.vfsr "$1" "$MNT"
equal 'no other disk is read' "$reads" "$(awk '{ print $1 }' "/sys/class/block/${2##*/}/stat")"
umount "$MNT"

# images
modprobe loop
truncate -s 100M /tmp/a.img /tmp/b.img
mkfs.vfsr -q -d replica:2 /tmp/a.img /tmp/b.img
run 'images' mount -t vfsr /tmp/a.img "$MNT" -o device=/tmp/b.img
equal 'on loop devices' '2 members' "$(losetup -nl -O BACK-FILE | grep -c '^/tmp/[ab].img') members"
echo image >"$MNT/file"
umount "$MNT"
equal 'that detach themselves' '' "$(losetup -nl -O BACK-FILE)"
run 'fsck of the images' fsck.vfsr -nq /tmp/a.img /tmp/b.img
chmod 400 /tmp/a.img
run 'images read-only' mount -t vfsr -o ro,device=/tmp/b.img /tmp/a.img "$MNT"
equal 'the file of the images' image "$(cat "$MNT/file")"
umount "$MNT"
refuse 'the kernel takes no image' mount -i -t vfsr /tmp/a.img "$MNT"
dmesg | run 'and says what to do' grep -q 'not a block device; give an image a loop device'
