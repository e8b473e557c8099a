#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A full pool: statfs tells how much fits, writers get ENOSPC and nothing breaks, deleting works,
# and what was freed can be used again; on one disk and on disks of three sizes.
# disks: 200M 250M 300M
# smp: 2
# timeout: 700

# shellcheck source=tests/vm/guest.sh
. "$(dirname "$0")/guest.sh"

all=("${DISKS[@]}")

avail()
{
	stat -f -c '%a' "$MNT"
}

# fill NAME BYTES [NUMBER]: files of random data until one does not fit; prints how many did
fill()
{
	local i=0
	while ((i < ${3:-100000})) && head -c "$2" /dev/urandom >"$MNT/$1.$i" 2>/dev/null; do
		i=$((i + 1))
	done
	echo $i
}

# The last file may be short: writing it failed.
sums()
{
	find "$MNT" -type f ! -empty -exec md5sum {} + | sort
}

round()
{
	local what=$1 first before said again=0 i syncer
	shift
	run "$what: mkfs and mount" mkfs_mount "$@" || return
	before=$(avail)
	said=$((before * 4096 / 3000000))
	first=$(fill a 3000000)
	run "$what: $first files of 3 MB, df promised $said" test "$first" -ge $((said * 85 / 100)) -a \
		"$first" -le $((said + 2))
	sync
	# a commit may empty a grid of metadata; what df says then can be written, too
	for i in 1 2 3; do
		(($(avail) < 1024)) && break
		again=$((again + $(fill "a.again$i" 3000000)))
		sync
	done
	run "$what: $again more after later commits" test "$again" -le $((1 + said / 20))
	run "$what: nothing is left, $(avail) blocks" test "$(avail)" -lt 1024
	refuse "$what: a write to the full pool" dd if=/dev/urandom of="$MNT/more" bs=1M count=20 status=none
	sums >/tmp/sums
	echo 3 >/proc/sys/vm/drop_caches
	sums | run "$what: contents" diff /tmp/sums -
	run "$what: deleting" rm -r "$MNT"/a.* "$MNT/more"
	sync
	run "$what: freed: $(avail) of $before" test "$(avail)" -ge $((before * 75 / 100))
	equal "$what: writing again" 10 "$(fill b 3000000 10)"
	rm "$MNT"/b.*
	# side by side, with syncs that close stripes early
	while sleep 0.3; do sync; done &
	syncer=$!
	fill c 1000000 >/dev/null &
	fill d 5000 400 >/dev/null &
	fill e 400000 >/dev/null
	kill $syncer
	wait
	sync
	equal "$what: still running" 0 "$(cat /sys/fs/vfsr/*/stopped)"
	sums >/tmp/sums
	run "$what: unmount" umount "$MNT"
	run "$what: fsck" fsck.vfsr -n "${DISKS[@]}"
	run "$what: mount the full pool" mount_pool
	sums | run "$what: contents after the mount" diff /tmp/sums -
	run "$what: emptying" find "$MNT" -mindepth 1 -delete
	sync
	equal "$what: writing once more" 5 "$(fill f 3000000 5)"
	umount_fsck "$what: fsck at the end"
}

# Grids that were reserved for a burst of writing are given back when none comes any more.
spares()
{
	local busy i
	run 'spares: mkfs and mount' mkfs_mount || return
	for i in 1 2 3 4; do
		head -c 20M /dev/urandom >"$MNT/f$i" &
	done
	wait
	sync
	busy=$(cat /sys/fs/vfsr/*/open_grids)
	for i in {1..60}; do
		touch "$MNT/f1"
		sync
	done
	run "spares: $busy open grids, then $(cat /sys/fs/vfsr/*/open_grids)" \
		test "$(cat /sys/fs/vfsr/*/open_grids)" -lt "$busy"
	umount_fsck 'spares: fsck'
}

DISKS=("${all[0]}")
spares
round 'one disk'
DISKS=("${all[@]}")
round 'three sizes'
