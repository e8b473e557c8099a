#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The module beside btrfs in one guest: same disks, same work, ratios (below 1: vfsr is faster,
# or smaller). Emulation makes SIMD and the crc32 instruction slow for both sides.
#
# Usage: kbench.sh [CONFIG...]	(single raid1 raid5 raid6; default all)
# Environment: BENCH_MB (default 96), BENCH_SMP (default 2), VFSR_SRC, MODULE_OUT.

set -euo pipefail

src=${VFSR_SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
work=$(mktemp -d "${TMPDIR:-/tmp}/vfsr-kbench.XXXXXX")
trap 'rm -rf "$work"' EXIT
tarball=/usr/src/linux-source-6.12.tar.xz
[[ -f $tarball ]] || {
	echo "kbench: $tarball is missing; run 'make deps-bench'" >&2
	exit 1
}

# a part of the tree that one guest can chew: some 4,000 files
mkdir "$work/tree"
tar -xf "$tarball" -C "$work/tree" linux-source-6.12/{fs,mm,kernel,include/linux,lib}
tar -cf "$work/tree.tar" -C "$work/tree" linux-source-6.12
rm -rf "$work/tree"

cd "$src"
{
	printf 'export BENCH_TREE=/share0/tree.tar BENCH_MB=%q BENCH_CONFIGS=%q\n' "${BENCH_MB:-96}" "${*:-}"
	cat tests/bench/guest_bench.sh
} | tests/vm/vmrun.py ${MODULE_OUT:+-o "$MODULE_OUT"} -s "${BENCH_SMP:-2}" -m 3G -t 3000 -d 4G -d 4G -d 4G -d 4G \
	-v "$work" - | tee "$work/out" | grep -v '^RESULT' || true
echo
printf '%-8s %-14s %12s %12s %-4s %s\n' config measure vfsr btrfs unit ratio
awk '$1 == "RESULT" { printf "%-8s %-14s %12s %12s %-4s %s\n", $2, $3, $4, $5, $6, ($5 > 0 ? sprintf("%.2f", $4 / $5) : "-") }' \
	"$work/out"
grep -q '^RESULT' "$work/out"
