#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Programs that check what they wrote, a short time each: fio, stress-ng, dbench, git and sqlite; on one
# disk and over four. With an argument each takes so many seconds:
#   tests/vm/vmrun.py -s 2 -m 2G -d 2G -d 2G -d 2G -d 2G -t 0 -- 'bash /src/tests/vm/test_apps.sh 600'
# disks: 2G 2G 2G 2G
# smp: 2
# mem: 2G
# timeout: 1800

# shellcheck source=tests/vm/guest.sh
. "$(dirname "$0")/guest.sh"

seconds=${1:-6}
all=("${DISKS[@]}")

# quiet COMMAND...: its output only if it fails
quiet()
{
	"$@" >/tmp/said 2>&1 || {
		tail -n 40 /tmp/said
		return 1
	}
}

fio_verify()
{
	local job=(fio --directory="$MNT" --verify_fatal=1 --time_based --runtime="$seconds" --fallocate=none)
	quiet "${job[@]}" --name=random --size=16m --bs=4k --rw=randwrite --verify=crc32c --ioengine=psync \
		--numjobs=2 --fsync=64 --verify_backlog=512 &&
		quiet "${job[@]}" --name=mixed --size=24m --bsrange=1k-128k --rw=randrw --verify=sha1 \
			--ioengine=libaio --iodepth=8 --direct=1 --buffer_compress_percentage=60 &&
		quiet "${job[@]}" --name=mapped --size=8m --bs=4k --rw=randwrite --verify=md5 --ioengine=mmap &&
		rm -f "$MNT"/random.* "$MNT"/mixed.* "$MNT"/mapped.*
}

# Its stressors of the class are many; these are about files' contents and names.
stress()
{
	mkdir "$MNT/stress"
	quiet stress-ng --temp-path "$MNT/stress" --verify --timeout "$seconds" --oom-avoid \
		--hdd 1 --hdd-bytes 32m --seek 1 --seek-size 16m --dentry 1 --dentries 256 --rename 1 \
		--link 1 --symlink 1 --xattr 1 --readahead 1 --readahead-bytes 16m --sync-file 1 \
		--mmap 1 --mmap-bytes 16m --mmap-file --copy-file 1 --fpunch 1 --fiemap 1 --fiemap-bytes 16m --iomix 1 \
		--iomix-bytes 16m --dirmany 1 --utime 1 --fallocate 1 --fallocate-bytes 16m --aiol 1 || return
	rm -r "$MNT/stress"
}

db()
{
	quiet dbench -D "$MNT" -t "$seconds" -c /usr/share/dbench/client.txt 4 || return
	rm -rf "$MNT"/clients
}

repository()
{
	export HOME=/tmp GIT_CONFIG_COUNT=2 GIT_CONFIG_KEY_0=user.email GIT_CONFIG_VALUE_0=a@example.org \
		GIT_CONFIG_KEY_1=user.name GIT_CONFIG_VALUE_1=a
	quiet git init "$MNT/one" && cp -a /usr/share/perl "$MNT/one/tree" && quiet git -C "$MNT/one" add . &&
		quiet git -C "$MNT/one" commit -m first && find "$MNT/one/tree" -name '*.pm' -delete &&
		quiet git -C "$MNT/one" commit -a -m second &&
		quiet git clone --no-local "$MNT/one" "$MNT/two" && quiet git -C "$MNT/two" gc --quiet
}

repository_is_good()
{
	quiet git -C "$MNT/one" fsck --full && quiet git -C "$MNT/two" fsck --full &&
		test -z "$(git -C "$MNT/two" status --porcelain)"
}

database()
{
	{
		echo 'PRAGMA journal_mode=WAL; CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB);'
		for i in {1..100}; do
			echo "INSERT INTO t(b) VALUES (randomblob($((i * 37))));"
		done
		echo 'BEGIN; WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n LIMIT 20000)
			INSERT INTO t(b) SELECT randomblob(100) FROM n; COMMIT;
			DELETE FROM t WHERE a % 3 = 0; VACUUM;'
	} | quiet sqlite3 "$MNT/db"
}

database_is_good()
{
	[[ $(sqlite3 "$MNT/db" 'PRAGMA integrity_check; SELECT count(*) FROM t') == $'ok\n13400' ]]
}

round()
{
	local what=$1
	shift
	run "$what: mkfs and mount" mkfs_mount "$@" || return
	run "$what: git" repository
	run "$what: sqlite" database
	run "$what: fio" fio_verify
	run "$what: stress-ng" stress
	run "$what: dbench" db
	run "$what: unmount" umount "$MNT"
	run "$what: mount" mount_pool
	run "$what: git fsck" repository_is_good
	run "$what: the database" database_is_good
	umount_fsck "$what: fsck"
}

DISKS=("${all[0]}")
round 'one disk'
DISKS=("${all[@]}")
round 'grid:2+1+1' -d grid:2+1+1
