#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Disks with sectors that cannot be read: what is there is healed, the members stay in use, and what
# was written back is right when the disk can read these sectors again. On one disk and over four.
# disks: 256M 256M 256M 256M
# mem: 1G
# timeout: 400

# shellcheck source=tests/vm/guest.sh
. "$(dirname "$0")/guest.sh"
# shellcheck source=tests/vm/heal.sh
. "$(dirname "$0")/heal.sh"

export DM_DISABLE_UDEV=1

# choose COUNT USE...: for each of DISKS a line: path, then sectors of 4 KiB in strips of sealed grids
# of these uses, no two in one row, COUNT at most in all
choose()
{
	vfsr inspect strips --json "${DISKS[@]}" >/tmp/strips.json
	python3 - "$@" <<-'PY'
		import json, random, sys
		table = json.load(open("/tmp/strips.json"))
		starts = sorted(s["offset"] for s in table["strips"] if s["member"] == 0)
		size = min(b - a for a, b in zip(starts, starts[1:]))
		bad = {m["member"]: (m["path"], []) for m in table["members"]}
		strips = [s for s in table["strips"] if s["live"] and s["state"] == "sealed" and s["use"] in sys.argv[2:]]
		rows = set()
		for i in range(int(sys.argv[1])):
		    s = random.choice(strips)
		    row = random.randrange(size // 4096)
		    if (s["grid"], row) in rows:
		        continue
		    rows.add((s["grid"], row))
		    bad[s["member"]][1].append(s["offset"] // 4096 + row)
		for path, sectors in bad.values():
		    print(path, *sorted(sectors))
	PY
}

# table PATH SECTOR...: a device-mapper table in which reading these fails; writing them works
table()
{
	local disk=$1 at=0 sector end
	end=$(($(blockdev --getsz "$disk") / 8))
	shift
	for sector; do
		((sector > at)) && echo "$((at * 8)) $(((sector - at) * 8)) linear $disk $((at * 8))"
		echo "$((sector * 8)) 8 flakey $disk $((sector * 8)) 0 1 1 error_reads"
		at=$((sector + 1))
	done
	echo "$((at * 8)) $(((end - at) * 8)) linear $disk $((at * 8))"
}

# round NAME TREE "USE..." [MKFS-OPTION...]
round()
{
	local name=$1 uses line i=0 chosen bad errors again members=()
	tree=$2
	read -ra uses <<<"$3"
	shift 3
	run "$name: mkfs and mount" mkfs_mount "$@" || return
	cp -a "$tree" "$MNT/tree"
	cp /tmp/random "$MNT/random"
	run "$name: unmount" umount "$MNT"
	choose 40 "${uses[@]}" >/tmp/bad || return
	cat /tmp/bad
	chosen=$(($(wc -w </tmp/bad) - $(wc -l </tmp/bad)))
	while read -ra line; do
		table "${line[@]}" | dmsetup create "bad$i" || return
		members+=("/dev/mapper/bad$i")
		i=$((i + 1))
	done </tmp/bad
	DISKS=("${members[@]}")
	run "$name: mount" mount_pool || return
	run "$name: the same" same
	run "$name: a big file too" cmp /tmp/random "$MNT/random"
	bad=$(counter bad_sectors)
	run "$name: $bad bad sectors counted" test "$bad" -gt 0
	run "$name: all healed" test "$(counter healed_sectors)" -ge "$bad"
	equal "$name: no member has failed" active "$(cat /sys/fs/vfsr/*/devices/*/state | sort -u)"
	run "$name: writing goes on" cp -a /etc "$MNT/etc"
	errors=$(counter read_errors)
	run "$name: the same again" same
	# they still cannot be read: that is found out for each chunk in them, and not for each that lies
	# in the neighbourhood, which would be 19 times for a sector of metadata
	again=$(($(counter read_errors) - errors))
	run "$name: $again errors of reading $chosen sectors, $errors before" test "$again" -gt 0 -a "$again" -le $((chosen * 12))
	run "$name: unmount again" umount "$MNT"
	i=0
	while read -ra line; do
		dmsetup remove "bad$i"
		i=$((i + 1))
	done </tmp/bad
}

modprobe dm-flakey || exit
head -c 30M /dev/urandom >/tmp/random
mkdir /tmp/small
for i in {1..8000}; do echo "$i" >"/tmp/small/$i"; done
DISKS=("${all[0]}")
round 'one disk' /usr/share/perl 'hot metadata'
DISKS=("${all[0]}")
run 'one disk: verify' vfsr verify "${DISKS[@]}"
run 'one disk: fsck' fsck.vfsr -n "${DISKS[@]}"
round 'metadata' /tmp/small metadata
DISKS=("${all[0]}")
run 'metadata: verify' vfsr verify "${DISKS[@]}"
DISKS=("${all[@]}")
round 'four disks' /usr/share/perl 'hot metadata' -d grid:2+1+1 -m replica:3
DISKS=("${all[@]}")
run 'four disks: verify' vfsr verify "${DISKS[@]}"
run 'four disks: fsck' fsck.vfsr -n "${DISKS[@]}"
