#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The command line of mkfs.vfsr: what it refuses, and that it then writes
# nothing; what it prints; and that equal input gives equal bytes.
#
# VFSR_BUILD names the directory of the binaries. Prints "ok NAME", "not ok
# NAME" or "skip NAME" per case; the exit status is 1 if any case failed.

set -u
export LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin
mkfs=${VFSR_BUILD:?}/mkfs.vfsr
tmp=$(mktemp -d "${TMPDIR:-/tmp}/vfsr-mkfs.XXXXXX") || exit 1
loop=
failed=0
trap 'cleanup' EXIT
cd "$tmp" || exit 1

# shellcheck disable=SC2317 # called by the trap
cleanup() {
	[[ -z $loop ]] || losetup -d "$loop"
	cd / && rm -rf "$tmp"
}

result() { # STATUS NAME
	if (($1 == 0)); then
		echo "ok $2"
	else
		echo "not ok $2"
		sed 's/^/#   /' "$tmp/err" "$tmp/out" 2>/dev/null
		failed=1
	fi
}

run() { # ARGUMENTS... -> status; output in $tmp/out, $tmp/err
	"$mkfs" "$@" >"$tmp/out" 2>"$tmp/err"
}

image() { # NAME SIZE
	rm -f "$1"
	truncate -s "$2" "$1"
}

untouched() { # NAME: is it still a single hole?
	cmp -s -n "$(stat -c %s "$1")" "$1" /dev/zero
}

# Refused with status 1, the words in the message, and the image as before.
refuses() { # NAME WORDS IMAGE ARGUMENTS...
	local name=$1 words=$2 img=$3 before after status
	shift 3
	before=$([[ -e $img ]] && sha256sum <"$img")
	run "$@"
	status=$?
	after=$([[ -e $img ]] && sha256sum <"$img")
	[[ $status == 1 && $before == "$after" ]] && grep -qe "$words" err &&
		[[ ! -s out ]]
	result $? "$name"
}

json() { # EXPRESSION: is it true of the document in out?
	python3 - "$1" <<'PY'
import json, sys
d = json.load(open("out"))
sys.exit(0 if eval(sys.argv[1]) else 1)
PY
}

# --- what it does ---

image a.img 64M
run a.img && grep -q 'grid:8+1+1' out && grep -q 'survives' out && ! untouched a.img
result $? 'a pool on one image'

run -f -q a.img && [[ ! -s out && ! -s err ]]
result $? 'quiet says nothing'

run -L again a.img && grep -q 'member of the vfsr pool.*overwritten' err
result $? 'an old pool is overwritten, and named'
dd if=/dev/zero of=a.img bs=1M count=2 conv=notrunc status=none
run a.img && grep -q "labelled 'again'" err
result $? 'also by its last ring'

image b.img 64M
run --dry-run b.img && grep -q 'Nothing was written' out && untouched b.img
result $? 'a dry run writes nothing'

image b.img 64M
run -n --json b.img && untouched b.img && json 'd["dry_run"] and "fill" not in d'
result $? 'a dry run in JSON'

for i in 0 1 2 3 4 5; do
	image "m$i.img" "$((40 + i * 3))M"
done
run --json -L 'my pool' -U 01234567-89ab-cdef-0123-456789abcdef \
	-d grid:4+2+1 -m replica:3 m?.img &&
	json 'd["version"] == 1 and d["kind"] == "mkfs"' &&
	json 'd["uuid"] == "01234567-89ab-cdef-0123-456789abcdef"' &&
	json 'd["label"] == "my pool" and len(d["devices"]) == 6' &&
	json 'd["data"]["policy"] == "grid:4+2+1"' &&
	json 'd["metadata"]["policy"] == "replica:3"' &&
	json '"any 2 devices" in d["data"]["survives"]' &&
	json '0 < d["used_bytes"] < d["raw_used_bytes"]' &&
	json 'all(x["strips"] * d["strip_bytes"] < x["size_bytes"] for x in d["devices"])'
result $? 'six images, in JSON'

run --label l --data mirror --metadata mirror --strip 64K --compress zlib:9 \
	--nodiscard --force --verbose --features ^interleaved --json m0.img m1.img &&
	json 'd["compress"] == "zlib:9" and d["strip_bytes"] == 65536'
result $? 'long options'

run -f --json --compress none -O interleaved a.img &&
	json 'd["compress"] == "none" and d["layout"] == "interleaved"'
result $? 'interleaved, not compressed'

run --help && grep -q Example out && run -V && grep -q '^mkfs.vfsr [0-9]' out
result $? 'help and version'

# --- contents, and the same bytes again ---

mkdir -p tree/sub
for i in $(seq 200); do
	seq "$i" $((i * 20)) >"tree/sub/file$i"
done
head -c 3000000 /dev/urandom >tree/random
ln tree/random tree/sub/link
ln -s random tree/symlink
image a.img 64M
run --json --rootdir tree a.img && json 'd["fill"]["files"] == 201' &&
	json 'd["fill"]["logical_bytes"] > 3000000 and d["waste_percent"] < 50' &&
	json 'sum(d["fill"]["state_bytes"].values()) == d["fill"]["logical_bytes"]'
result $? 'filled from a tree'

uuid=6ba7b810-9dad-11d1-80b4-00c04fd430c8
for i in a b; do
	image "$i.img" 64M
	run -q -U $uuid --rootdir tree $i.img || break
	sleep 1.1
done
cmp -s a.img b.img
result $? 'equal input and -U give equal bytes'

image b.img 64M
SOURCE_DATE_EPOCH=1700000000 run -q -U $uuid --rootdir tree b.img &&
	! cmp -s a.img b.img && image a.img 64M &&
	SOURCE_DATE_EPOCH=1700000000 run -q -U $uuid --rootdir tree a.img &&
	cmp -s a.img b.img
result $? 'SOURCE_DATE_EPOCH is the time'

image a.img 64M
SOURCE_DATE_EPOCH=soon refuses 'a malformed SOURCE_DATE_EPOCH' SOURCE_DATE_EPOCH a.img a.img

head -c 64M /dev/urandom >a.img
image b.img 64M
run -q -U $uuid --rootdir tree a.img && run -q -U $uuid --rootdir tree b.img &&
	cmp -s a.img b.img
result $? 'what was there before leaves no trace'

# --- refusals ---

image a.img 16M
refuses 'no device' 'no device was named' a.img
refuses 'an unknown option' "unknown option '--frobnicate'.*--help" a.img --frobnicate a.img
refuses 'an unknown letter' "unknown option '-x'" a.img -x a.img
refuses 'a missing value' 'needs a value' a.img a.img -L
refuses 'an unknown policy' 'not a policy' a.img -d raid5 a.img
refuses 'an impossible policy' '32 columns' a.img -d ec:31+3 a.img
refuses 'a bad strip size' 'not a strip size' a.img --strip 100K a.img
refuses 'a bad compression' 'not a compression' a.img --compress zlib:10 a.img
refuses 'an unknown feature' 'unknown feature' a.img -O encryption a.img
refuses 'interleaved on two devices' 'one device' a.img -f -O interleaved a.img m1.img
refuses 'a bad uuid' 'not a uuid' a.img -U 1234 a.img
refuses 'a long label' 'at most 63' a.img -L "$(printf '%064d' 0)" a.img
refuses 'a missing image' 'cannot open' a.img a.img none.img
refuses 'a directory' 'tree: ' a.img a.img tree
refuses 'a character device' 'neither a block device' a.img a.img /dev/null
refuses 'an image twice' 'named twice\|same device' a.img a.img a.img
ln -s a.img alias.img
refuses 'an image under two names' 'same device' a.img a.img alias.img
refuses 'a missing tree' 'cannot open' a.img --rootdir none a.img
refuses 'a file as tree' 'not a directory' a.img --rootdir tree/random a.img
image tree/inside.img 16M
refuses 'a tree that holds the image' 'lies inside' tree/inside.img --rootdir tree tree/inside.img
rm -f tree/inside.img

# What lies beyond the largest number of strips is told, not lost in silence.
image large.img 100G
run -n --strip 64K large.img && grep -q 'only 64.0 GiB of its 100.0 GiB.*larger --strip' err
result $? 'a strip that is too small for the device'
run -n large.img && [[ ! -s err ]]
result $? 'strips that suit a large device'
rm large.img

# What cannot be read: all of it is named, and no pool is made.
if ((EUID == 0)) && command -v setpriv >/dev/null; then
	# below no private directory
	closed=$(mktemp -d -p /tmp vfsr-closed.XXXXXX)
	mkdir "$closed/dir"
	echo secret >"$closed/file"
	chmod 0 "$closed/file" "$closed/dir"
	chmod 755 "$closed" .
	image a.img 64M
	chmod 666 a.img
	setpriv --reuid=65534 --regid=65534 --clear-groups "$mkfs" --rootdir "$closed" a.img >out 2>err
	[[ $? == 8 ]] && grep -q 'file: cannot open' err && grep -q 'dir: cannot open' err &&
		grep -q 'not made: of the tree 2 objects could not be read; run as' err
	result $? 'files that may not be read'
	rm -rf "$closed"
else
	echo 'skip files that may not be read (not root)'
fi

# Ended by the user: it says what is left, and the shell sees the signal.
mkdir -p slow
head -c 45M /dev/urandom | base64 >slow/text
image a.img 200M
timeout --preserve-status -s INT 0.5 "$mkfs" --compress zlib:9 --rootdir slow a.img >out 2>err
[[ $? == 130 ]] && grep -qx 'mkfs.vfsr: interrupted: the pool was not made.*' err && [[ ! -s out ]] &&
	run --rootdir tree a.img
result $? 'interrupted'
rm -r slow

# The least size is named, is enough, and 64 KiB less is not.
for args in '' '-d grid:16+1+1' '--strip 1M' '-d ec:6+2 -m single'; do
	image small.img 1M
	# shellcheck disable=SC2086
	refuses "too small: ${args:-default}" 'at least [0-9]* KiB' small.img $args small.img
	least=$(sed -n 's/.*at least \([0-9]*\) KiB.*/\1/p' err)
	image small.img "$((least - 64))K"
	# shellcheck disable=SC2086
	refuses "nearly large enough: ${args:-default}" "at least $least KiB" small.img $args small.img
	image small.img "${least}K"
	# shellcheck disable=SC2086
	run $args small.img
	result $? "large enough: ${args:-default}"
done

# A tree that does not fit: status 8, and no pool.
image small.img 12M
head -c 20M /dev/urandom >tree/big
run --rootdir tree small.img
[[ $? == 8 ]] && grep -q 'full' err && grep -q 'was not made' err
result $? 'a tree that does not fit'
rm tree/big

if command -v mkfs.ext4 >/dev/null; then
	image a.img 16M
	mkfs.ext4 -q -L precious a.img
	image b.img 16M
	refuses 'an ext4 image' 'ext4.*precious.*-f' a.img b.img a.img
	untouched b.img
	result $? 'no device is touched when one is refused'
	run -f b.img a.img
	result $? 'an ext4 image with -f'
	run a.img b.img && grep -q 'member of the vfsr pool' err
	result $? 'nothing of ext4 is left'
else
	echo 'skip an ext4 image'
fi

# An MBR with one partition, by hand
image a.img 16M
python3 -c 'import sys
sys.stdout.buffer.write(bytes(446) + bytes.fromhex("00000200830000000008000000400000") + bytes(48) + b"\x55\xaa")' |
	dd of=a.img conv=notrunc status=none
refuses 'a partition table' 'partition table (dos).*-f' a.img a.img
run -f a.img && run a.img && grep -q 'member of the vfsr pool' err
result $? 'a partition table with -f'

image a.img 16M
if command -v mkfs.ext4 >/dev/null && loop=$(losetup -f --show a.img 2>/dev/null); then
	refuses 'an image that a loop device uses' 'in use by' a.img -f a.img
	mkdir -p mnt
	mkfs.ext4 -q "$loop"
	if mount "$loop" mnt 2>/dev/null; then
		refuses 'a mounted device, with -f' 'mounted\|busy\|use' a.img -f "$loop"
		umount mnt
	else
		echo 'skip a mounted device'
	fi
	run -f "$loop"
	result $? 'a block device'
else
	echo 'skip block devices (no loop device)'
fi

exit $failed
