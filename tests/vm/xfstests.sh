#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs xfstests in a guest; `make xfstests XFSTESTS_DIR=... XFSTESTS="-g quick"` calls it. The
# suite is a built tree that the user names; it is shared read-only, results go to /vm/results,
# which is build/vm/xfstests/vm/results on the host. Arguments go to its `check`.
# Five disks: TEST_DEV, SCRATCH_DEV, one for logs of writes, two that are left.

set -u
# no udev here: dmsetup makes its nodes itself
export DM_DISABLE_UDEV=1
# DISKS is a list of words here, as it comes from the environment
read -ra disks <<<"${DISKS:?}"
top=/tmp/xfstests

# a writable view of the suite
mkdir -p $top /tmp/over
mount -t tmpfs -o size=256m tmpfs /tmp/over
mkdir /tmp/over/upper /tmp/over/work
mount -t overlay -o lowerdir=/share0,upperdir=/tmp/over/upper,workdir=/tmp/over/work overlay $top
mkdir -p /mnt/test /mnt/scratch /vm/results

# tests of locks talk to localhost; there is no ip(8) here
echo '127.0.0.1 localhost' >>/etc/hosts
python3 -c '
import fcntl, socket, struct
up = struct.pack("16sh14s", b"lo", 0x49, b"")  # IFF_UP, LOOPBACK, RUNNING
fcntl.ioctl(socket.socket(), 0x8914, up)  # SIOCSIFFLAGS'

# and others mount images, or make SCSI disks
modprobe -a loop sd_mod

# users that its tests act as
for user in fsgqa:2001 123456-fsgqa:2002 fsgqa2:2003; do
	grep -q "^${user%:*}:" /etc/passwd && continue
	echo "${user%:*}:x:${user#*:}:${user#*:}::/home:/bin/bash" >>/etc/passwd
	echo "${user%:*}:x:${user#*:}:" >>/etc/group
done

# su(1) to them needs files that an installation makes
for what in auth account session password; do
	echo "$what sufficient pam_permit.so" >/etc/pam.d/common-$what
done

cat >$top/local.config <<-END
	export FSTYP=vfsr
	export TEST_DEV=${disks[0]}
	export TEST_DIR=/mnt/test
	export SCRATCH_DEV=${disks[1]}
	export SCRATCH_MNT=/mnt/scratch
	export LOGWRITES_DEV=${disks[2]}
	export RESULT_BASE=/vm/results
	export MKFS_VFSR_PROG=mkfs.vfsr
	export MKFS_OPTIONS=-q
END

mkfs.vfsr -q -f "${disks[0]}" || exit
cd $top || exit
exec ./check -E /vm/tests/xfstests.exclude "$@"
