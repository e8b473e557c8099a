#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Space and speed beside squashfs, in one run and with the same threads:
# ratios count, seconds are those of this machine today.
#
# Usage: bench.sh [DIR]	(default: the linux-source-6.12 package, unpacked)
# Environment: VFSR_BUILD, VFSR_SRC, TMPDIR (room for three copies of DIR),
# RUNS (default 3: the best of so many), THREADS (default: all processors).

set -euo pipefail

src=${VFSR_SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
bin=${VFSR_BUILD:-$src/build}
runs=${RUNS:-3}
threads=${THREADS:-$(nproc)}
work=$(mktemp -d "${TMPDIR:-/tmp}/vfsr-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT

die() {
	printf 'bench: %s\n' "$*" >&2
	exit 1
}
field() { python3 -c 'import json,sys
print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$1" "$2"; }

dir=${1:-}
if [[ -z $dir ]]; then
	tarball=/usr/src/linux-source-6.12.tar.xz
	[[ -f $tarball ]] || die "$tarball is missing; run 'make deps-bench', or name a directory"
	echo "unpacking $tarball"
	tar -xf "$tarball" -C "$work"
	dir=$work/linux-source-6.12
fi
[[ -d $dir ]] || die "$dir is not a directory"
for tool in mksquashfs unsquashfs; do
	command -v "$tool" >/dev/null || die "$tool is missing; run 'make deps'"
done

# Best of $runs; $1 is prepared before each run, the rest is timed.
best() {
	local prepare=$1 i start took min=
	shift
	for ((i = 0; i < runs; i++)); do
		eval "$prepare"
		start=$(date +%s.%N)
		"$@" >"$work/log" 2>&1 || {
			tail -n 5 "$work/log" >&2
			die "failed: $*"
		}
		took=$(awk -v a="$start" -v b="$(date +%s.%N)" 'BEGIN { printf "%.2f", b - a }')
		if [[ -z $min ]] || awk -v a="$took" -v b="$min" 'BEGIN { exit !(a < b) }'; then
			min=$took
		fi
	done
	echo "$min"
}
row() { # name, vfsr, peer, unit, wanted, how to read the ratio
	awk -v n="$1" -v v="$2" -v p="$3" -v u="$4" -v w="$5" \
		'BEGIN { printf "%-34s %12s %12s %-4s %7.2f   %s\n", n, v, p, u, v / p, w }'
}

bytes=$(du -sb "$dir" | cut -f 1)
pool=$work/pool.img
sq=$work/pool.sqsh
fill() { "$bin/mkfs.vfsr" -q --json --compress "zlib:$1" --rootdir "$dir" "$pool" >"$work/mkfs.$1"; }
pool_size=$((bytes / 4096 * 4096 + (1 << 30)))
fresh="rm -f $pool $sq; truncate -s $pool_size $pool"

tar -cf - -C "$dir" . | cat >/dev/null # into the page cache
printf 'tree: %s, %s MiB; %s threads; best of %s\n\n' "$dir" $((bytes >> 20)) "$threads" "$runs"
printf '%-34s %12s %12s %-4s %7s   %s\n' what vfsr squashfs unit ratio aim

v=$(best "$fresh" fill 1)
s=$(best "rm -f $sq" mksquashfs "$dir" "$sq" -comp gzip -Xcompression-level 1 -b 128K \
	-processors "$threads" -noappend -no-progress -quiet)
row 'fill, level 1' "$v" "$s" s '<= 1'
row 'bytes stored, level 1' "$(field "$work/mkfs.1" used_bytes)" "$(stat -c %s "$sq")" B '<= 1.10'

eval "$fresh"
fill 9
mksquashfs "$dir" "$sq" -comp gzip -b 128K -processors "$threads" -noappend -no-progress -quiet >"$work/log" 2>&1
row 'bytes stored, level 9' "$(field "$work/mkfs.9" used_bytes)" "$(stat -c %s "$sq")" B '<= 1.10, aim < 1'
printf '%-34s %12s %12s %-4s\n' 'packing waste, level 9' "$(field "$work/mkfs.9" waste_percent)" '' '%'

v=$(best "rm -rf $work/out" "$bin/vfsr" restore -q --threads "$threads" "$pool" --to "$work/out")
rm -rf "$work/out"
s=$(best "rm -rf $work/out" unsquashfs -q -n -p "$threads" -d "$work/out" "$sq")
rm -rf "$work/out"
row 'restore' "$v" "$s" s '<= 1'

"$bin/vfsr" verify --json --threads "$threads" "$pool" >"$work/verify" # warm
rate=0
for ((i = 0; i < runs; i++)); do
	"$bin/vfsr" verify --json --threads "$threads" "$pool" >"$work/verify"
	rate=$(awk -v a="$rate" -v b="$(field "$work/verify" megabytes_per_second)" 'BEGIN { print (b > a ? b : a) }')
done
awk -v r="$rate" 'BEGIN { printf "%-34s %12.0f %12s %-4s %7s   %s\n", "verify, page cache", r, "", "MB/s", "", ">= 1500" }'
