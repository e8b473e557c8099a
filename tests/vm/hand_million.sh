#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# By hand: a million files (or $1) in a guest with little memory, created, walked after a mount, and
# checked. Prints the rate and what memory is left while it creates.
#   tests/vm/vmrun.py -m 1G -d 4G -t 0 -- 'bash /src/tests/vm/hand_million.sh'
# disks: 4G
# mem: 1G
# timeout: 7200

# shellcheck source=tests/vm/guest.sh
. "$(dirname "$0")/guest.sh"

number=${1:-1000000}

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

count()
{
	local have
	have=$(find "$MNT" -type f -printf '.' | wc -c)
	echo "$have files found"
	((have == number))
}

run 'mkfs and mount' mkfs_mount || exit 1
run "$number files" create
run 'unmount' umount "$MNT"
time run 'mount again' mount_pool
time run 'all are found' count
umount_fsck 'fsck'
