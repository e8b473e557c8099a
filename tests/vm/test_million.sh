#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Many files in a guest with little memory: created, walked after a mount, and checked; mounting takes
# as long as with none. 150,000 (or $1) here; a million, by hand:
#   tests/vm/vmrun.py -m 1G -d 4G -t 0 -- 'bash /src/tests/vm/test_million.sh 1000000'
# disks: 4G
# mem: 512M
# timeout: 1800

# shellcheck source=tests/vm/guest.sh
. "$(dirname "$0")/guest.sh"

number=${1:-150000}

create()
{
	python3 - "$MNT" "$number" <<-'PY'
		import os, sys, time
		top, number = sys.argv[1], int(sys.argv[2])
		start = time.monotonic()
		for i in range(number):
		    where = f"{top}/{i // 1000}"
		    if i % 1000 == 0:
		        os.mkdir(where)
		    fd = os.open(f"{where}/file{i % 1000}", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
		    if i % 4 == 0:
		        os.write(fd, b"%d" % i * 20)
		    os.close(fd)
		    if (i + 1) % 50000 == 0:
		        with open("/proc/meminfo", encoding="ascii") as f:
		            memory = dict(line.split(":") for line in f)
		        print(f"{i + 1} files, {(i + 1) / (time.monotonic() - start):.0f}/s;",
		              *(f"{k} {memory[k].strip()};" for k in ("MemAvailable", "Dirty",
		              "SReclaimable", "SUnreclaim", "VmallocUsed")), flush=True)
	PY
}

# stat_of FIELD: of the disk; 1: reads so far, 3: sectors of 512 bytes that they read
stat_of()
{
	awk -v field="$1" '{ print $field }' "/sys/class/block/${DISKS[0]##*/}/stat"
}

# Each inode is looked at; neighbours are read together.
walk()
{
	local before have
	before=$(stat_of 1)
	have=$(find "$MNT" -type f -size -10000k -printf "%i\n" | wc -l)
	walked=$(($(stat_of 1) - before))
	echo "$have files found"
	((have == number))
}

# What one mount reads, in sectors.
reads()
{
	local before
	umount "$MNT" && echo 3 >/proc/sys/vm/drop_caches || return
	before=$(stat_of 3)
	mount_pool && echo $(($(stat_of 3) - before))
}

run 'mkfs and mount' mkfs_mount || exit 1
empty=$(reads)
run "$number files" create
full=$(reads)
run "a mount reads $empty sectors with none of them, $full with all" test "$full" -le $((empty * 2))
run 'all are found' walk
run "$walked reads for that" test "$walked" -gt 0 -a "$walked" -lt $((number / 8))
umount_fsck 'fsck'
