#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The main job in one page: a directory goes into a pool of six image files,
# two of them are destroyed and the others damaged, and it comes back bit for
# bit; then every root is wiped and the pool is rebuilt from its footers.
#
# Usage: demo.sh [DIR]	(default: /usr/share)
# Environment: VFSR_BUILD (binaries), VFSR_SRC (source tree), TMPDIR.

set -euo pipefail

dir=${1:-/usr/share}
src=${VFSR_SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
bin=${VFSR_BUILD:-$src/build}
policy=grid:4+2+1
work=$(mktemp -d "${TMPDIR:-/tmp}/vfsr-demo.XXXXXX")
trap 'rm -rf "$work"' EXIT

say() { printf '\n%s\n' "$*"; }
die() {
	printf 'demo: %s\n' "$*" >&2
	exit 1
}
field() { python3 -c 'import json,sys
v = json.load(open(sys.argv[1]))
for key in sys.argv[2].split("."): v = v[key]
print(v)' "$1" "$2"; }
mib() { awk -v b="$1" 'BEGIN { printf "%.1f MiB", b / 1048576 }'; }
now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.1f s", b - a }'; }

# Compare contents and every attribute; the tree itself may hold what nobody
# may read, so this runs as the user who made the pool.
compare() {
	python3 "$src/tests/image/treecmp.py" "$1" "$2" >"$work/diff" 2>&1 ||
		{ head -n 20 "$work/diff" >&2; die "the trees differ"; }
	echo "compared: $(find "$2" -mindepth 1 | wc -l) names with contents and every attribute: identical"
}

[[ -d $dir ]] || die "$dir is not a directory"
for tool in mkfs.vfsr fsck.vfsr vfsr; do
	[[ -x $bin/$tool ]] || die "$bin/$tool is missing; run 'make tools' first"
done

# Four of six columns carry data, and every grid has a column on each of the
# six: the smallest image decides. Twice the need leaves room for the rebuild.
need_mib=$(($(du -s --apparent-size -m "$dir" | cut -f 1) / 4 + 64))
images=()
for i in 0 1 2 3 4 5; do
	images+=("$work/disk$i.img")
	truncate -s $((need_mib + i * 37))M "${images[i]}"
done

say "1. Fill: $dir into a pool of six images, $policy"
start=$(now)
"$bin/mkfs.vfsr" --json -q -L demo -d "$policy" \
	--rootdir "$dir" "${images[@]}" >"$work/mkfs.json"
fill_time=$(since "$start")
"$bin/fsck.vfsr" -n "${images[@]}" >"$work/fsck.out" ||
	die "fsck.vfsr -n found something: $(tail -n 3 "$work/fsck.out")"
python3 - "$work/mkfs.json" "$fill_time" <<'PY'
import json, sys
d = json.load(open(sys.argv[1]))
f = d["fill"]
m = 1048576.0
print("   %d files, %d directories, %d symlinks; %.1f MiB of data in %s"
      % (f["files"], f["dirs"], f["symlinks"], f["logical_bytes"] / m,
         sys.argv[2]))
print("   stored %.1f MiB before parity (%.1f %% saved), %.1f MiB with parity"
      % (d["used_bytes"] / m,
         100.0 * (1 - d["used_bytes"] / max(1.0, float(f["logical_bytes"]))),
         d["raw_used_bytes"] / m))
s = f["state_bytes"]
print("   states: " + ", ".join("%s %.1f MiB" % (k, s[k] / m) for k in s))
PY
echo "   fsck.vfsr -n: clean"

say "2. Destroy: two members gone, bursts on each of the four survivors"
strip=$(field "$work/mkfs.json" strip_bytes)
survivors=("${images[@]:2}")
rm "${images[0]}"
head -c 1M /dev/urandom >"${images[1]}"
# A burst of three sectors over the end of a strip is the most that one
# parity row heals when two devices are gone: the last row of one strip, its
# trailer, and the first row of the next.
hits=0
for i in 2 3 4 5; do
	first=$(python3 -c 'import json,sys
print(json.load(open(sys.argv[1]))["devices"][int(sys.argv[2])]["strip_start_bytes"])' \
		"$work/mkfs.json" "$i")
	for s in 2 5 11 17; do
		dd if=/dev/urandom of="${images[i]}" bs=4096 count=3 conv=notrunc \
			seek=$(((first + strip * s) / 4096 - 2)) status=none
		hits=$((hits + 3))
	done
done
echo "   disk0 deleted, disk1 overwritten, $hits sectors of the others overwritten"

say "3. Restore from the four survivors, in another order"
start=$(now)
"$bin/vfsr" restore --json -q "${survivors[3]}" "${survivors[0]}" \
	"${survivors[2]}" "${survivors[1]}" --to "$work/out" >"$work/restore.json" 2>"$work/restore.err" ||
	{ cat "$work/restore.err" >&2; die "restore failed"; }
restore_time=$(since "$start")
python3 - "$work/restore.json" "$restore_time" <<'PY'
import json, sys
d = json.load(open(sys.argv[1]))
print("   restored in %s; healed sectors: %s" % (sys.argv[2], ", ".join(
    "member %d: %d" % (x["member"], x["healed_sectors"])
    for x in d["devices"] if x["healed_sectors"]) or "none"))
PY
echo "   $(compare "$dir" "$work/out")"
rm -rf "$work/out"

say "4. Repair the survivors, then wipe every root of the pool"
"$bin/vfsr" verify --repair --json "${survivors[@]}" >"$work/verify.json" 2>"$work/verify.err" ||
	{ cat "$work/verify.err" >&2; die "the repair failed"; }
echo "   repaired: $(field "$work/verify.json" written_sectors) sectors and $(field "$work/verify.json" written_roots) roots written back"
python3 "$src/tests/image/wipe_roots.py" "${survivors[@]}" >"$work/wipe.out"
echo "   $(tail -n 1 "$work/wipe.out")"
if "$bin/vfsr" restore -q "${survivors[@]}" --to "$work/out" >/dev/null 2>&1; then
	die "a pool without any root was restored: the wipe did nothing"
fi
start=$(now)
"$bin/fsck.vfsr" -y --rebuild-map "${survivors[@]}" >"$work/rebuild.out" 2>&1 &&
	code=0 || code=$?
((code <= 1)) || { tail -n 5 "$work/rebuild.out" >&2; die "the rebuild failed"; }
echo "   rebuilt from footers and trailers in $(since "$start")"
start=$(now)
"$bin/vfsr" restore -q "${survivors[@]}" --to "$work/out" >/dev/null 2>"$work/restore.err" ||
	{ cat "$work/restore.err" >&2; die "restore after the rebuild failed"; }
echo "   restored again in $(since "$start")"
echo "   $(compare "$dir" "$work/out")"

say "Done: everything came back bit for bit, twice. ($(mib "$(du -sb "$dir" | cut -f 1)"))"
