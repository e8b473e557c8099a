#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs in a guest (tests/bench/kbench.sh starts it): vfsr beside btrfs on the same disks, one
# after the other, the same work. Prints one line per measurement:
#	RESULT config measure vfsr-value btrfs-value unit
# Environment: DISKS (array), MNT, BENCH_TREE (a tar file of a source tree), BENCH_MB (size of
# the big files), BENCH_CONFIGS.

set -u
# shellcheck disable=SC1091
declare -F mkfs_mount >/dev/null || . /src/tests/vm/guest.sh

mb=${BENCH_MB:-96}
configs=${BENCH_CONFIGS:-single raid1 raid5 raid6}
work=/tmp/bench
mkdir -p "$work" "$MNT"
declare -A result

now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.3f", b - a }'; }
cold() {
	umount "$MNT" || exit 1
	echo 3 >/proc/sys/vm/drop_caches
	mount_fs
}

# The files' contents are made once, on tmpfs.
prepare() {
	head -c "${mb}M" /dev/urandom >"$work/random"
	find /usr/share /usr/lib/python3 -type f \( -name '*.py' -o -name '*.txt' -o -name '*.h' -o -name '*.json' \
		-o -name '*.pm' -o -name '*.html' \) -print0 2>/dev/null | sort -z | xargs -0 cat 2>/dev/null |
		head -c "${mb}M" >"$work/text"
	while (($(stat -c %s "$work/text") < mb << 20)); do
		cat "$work/text" "$work/text" | head -c "${mb}M" >"$work/text2"
		mv "$work/text2" "$work/text"
	done
}

make_fs() {
	local n=1
	case $config in
	raid1) n=2 ;;
	raid5 | raid6) n=4 ;;
	esac
	members=("${DISKS[@]:0:n}")
	for disk in "${members[@]}"; do
		blkdiscard -f "$disk" 2>/dev/null
		wipefs -qa "$disk" 2>/dev/null
	done
	if [[ $fs == btrfs ]]; then
		local profile=(-d "$config" -m raid1)
		[[ $config == single ]] && profile=(-d single -m dup)
		[[ $config == raid6 ]] && profile=(-d raid6 -m raid1c3)
		mkfs.btrfs -q -f "${profile[@]}" "${members[@]}" || exit 1
	else
		local policy
		case $config in
		single) policy=(-d single -m replica:2) ;;
		raid1) policy=(-d replica:2 -m replica:2) ;;
		raid5) policy=(-d ec:3+1 -m replica:2) ;;
		raid6) policy=(-d ec:2+2 -m replica:3) ;;
		esac
		mkfs.vfsr -q -f "${policy[@]}" "${members[@]}" || exit 1
	fi
}

mount_fs() {
	local options=compress=zlib:1 disk
	[[ $fs == btrfs ]] && options=compress-force=zlib:1
	for disk in "${members[@]:1}"; do
		options+=,device=$disk
	done
	mount -t "$fs" -o "$options" "${members[0]}" "$MNT" || exit 1
}

put() { result[$config.$1.$fs]=$2; }

# KiB of data and metadata in use, each counted once whatever its redundancy; df(1) would say
# how many grids and block groups there are. What stripes need beside them is some 1 %.
used_kib() {
	sync -f "$MNT"
	if [[ $fs == btrfs ]]; then
		btrfs filesystem df -b "$MNT" | grep -v GlobalReserve |
			awk -F 'used=' '{ sum += $2 } END { printf "%d", sum / 1024 }'
	else
		echo $(($(cat /sys/fs/vfsr/*/live_bytes) / 1024))
	fi
}

# measure NAME COMMAND...: seconds, with everything on disk at the end
measure() {
	local name=$1 start
	shift
	start=$(now)
	"$@" || echo "FAILED $fs $config $name" >&2
	sync -f "$MNT"
	put "$name" "$(since "$start")"
}

small_files() {
	local i
	mkdir "$MNT/small"
	for i in $(seq 50); do
		mkdir "$MNT/small/$i"
	done
	python3 - "$MNT/small" <<-'PY'
		import sys
		for i in range(5000):
		    with open(f"{sys.argv[1]}/{i % 50 + 1}/f{i}", "wb") as f:
		        f.write((b"line %d of a small file\n" % i) * (i % 97 + 1))
	PY
}

# tar looks at nothing if it writes to /dev/null itself
read_tree() { tar -cf - -C "$MNT" . | cat >/dev/null; }

one_run() {
	local before start
	make_fs
	mount_fs
	measure write-random cp "$work/random" "$MNT/random"
	before=$(used_kib)
	measure write-text cp "$work/text" "$MNT/text"
	put bytes-text $(($(used_kib) - before))
	cold
	measure read-random cat "$MNT/random" >/dev/null
	measure read-text cat "$MNT/text" >/dev/null
	before=$(used_kib)
	measure small-files small_files
	put bytes-small $(($(used_kib) - before))
	before=$(used_kib)
	measure untar tar -xf "$BENCH_TREE" -C "$MNT"
	put bytes-tree $(($(used_kib) - before))
	cold
	measure walk find "$MNT" -type f -printf '%s %T@\n' >/dev/null
	cold
	measure read-tree read_tree
	umount "$MNT"
	echo 3 >/proc/sys/vm/drop_caches
	start=$(now)
	mount_fs
	put mount "$(since "$start")"
	measure rm rm -rf "$MNT"/small "$MNT"/*/
	umount "$MNT"
}

prepare
for config in $configs; do
	for fs in btrfs vfsr; do
		one_run
	done
	for name in write-random write-text read-random read-text small-files untar walk read-tree rm mount \
		bytes-text bytes-small bytes-tree; do
		unit=s
		[[ $name == bytes-* ]] && unit=KiB
		echo "RESULT $config $name ${result[$config.$name.vfsr]:-0} ${result[$config.$name.btrfs]:-0} $unit"
	done
done
