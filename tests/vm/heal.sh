# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the tests of healing share; sourced after guest.sh.

tree=/usr/share/perl
# shellcheck disable=SC2034 # for who sources this
all=("${DISKS[@]}")

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

# spoil MEMBER COLUMN: overwrite every eighth sector of the member's strips in use; COLUMN: of strips
# of that column alone, or any
spoil()
{
	vfsr inspect strips --json "${DISKS[@]}" >/tmp/strips.json
	python3 - "$@" <<-'PY'
		import json, os, sys
		member, column = int(sys.argv[1]), sys.argv[2]
		table = json.load(open("/tmp/strips.json"))
		path = {m["member"]: m["path"] for m in table["members"]}[member]
		strips = sorted(s["offset"] for s in table["strips"] if s["member"] == member)
		size = min((b - a for a, b in zip(strips, strips[1:])), default=65536)
		fd, n = os.open(path, os.O_WRONLY), 0
		for s in table["strips"]:
		    if s["member"] == member and s["state"] in ("sealed", "open") and column in ("any", str(s["column"])):
		        for pos in range(s["offset"], s["offset"] + size, 8 * 4096):
		            os.pwrite(fd, os.urandom(4096), pos)
		            n += 1
		os.fsync(fd)
		print(n, "sectors of", path, "overwritten")
	PY
}

# scatter: three random sectors of every sealed grid, one of every open one, whatever the layout. Not the
# footer of a stripe there: its own column is all that has it until the grid is sealed
scatter()
{
	vfsr inspect strips --json "${DISKS[@]}" >/tmp/strips.json
	python3 - <<-'PY'
		import json, os, random
		table = json.load(open("/tmp/strips.json"))
		path = {m["member"]: m["path"] for m in table["members"]}
		starts = sorted(s["offset"] for s in table["strips"])
		size = min((b - a for a, b in zip(starts, starts[1:])), default=65536)
		grids, n = {}, 0
		for s in table["strips"]:
		    if s["live"]:
		        grids.setdefault((s["grid"], s["state"]), []).append(s)
		for (_, state), strips in grids.items():
		    sectors = [(s, pos) for s in strips for pos in range(0, size - 4096, 4096)]
		    random.shuffle(sectors)
		    left = 3 if state == "sealed" else 1
		    for s, pos in sectors:
		        if not left:
		            break
		        with open(path[s["member"]], "r+b") as f:
		            f.seek(s["offset"] + pos)
		            if state != "sealed" and f.read(4) == b"VFSL":
		                continue
		            left -= 1
		            f.seek(s["offset"] + pos)
		            f.write(os.urandom(4096))
		            os.fsync(f.fileno())
		        n += 1
		print(n, "sectors overwritten in", len(grids), "grids")
	PY
}
