#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Process 1 of a guest once the root is mounted. Runs what the host asked for in /vm/mode:
# "run" the script /vm/cmd, "test" a test with the checks after it, "shell" a shell on the
# console. The output goes to the host through a virtio port, the exit status into /vm/status,
# the kernel's messages into /vm/dmesg. Then the guest is powered off.

export PATH=/vm/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root LC_ALL=C.UTF-8 TERM=${TERM:-linux}
cd /

mount -t devpts -o gid=5,mode=620 devpts /dev/pts 2>/dev/null ||
	{ mkdir -p /dev/pts && mount -t devpts devpts /dev/pts; }
mkdir -p /dev/shm && mount -t tmpfs shm /dev/shm
mount -t tmpfs tmp /tmp && chmod 1777 /tmp
mount -t tmpfs run /run
mkdir -p /run/lock /run/mount
mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null
# when it is asked to, not all the time
[[ ! -e /sys/kernel/debug/kmemleak ]] || echo scan=off >/sys/kernel/debug/kmemleak 2>/dev/null
ln -sf /proc/self/mounts /etc/mtab
ln -sf /proc/self/fd /dev/fd
ip link set lo up 2>/dev/null
hostname vm
cp /vm/sbin/* /usr/sbin/ 2>/dev/null
# the console gets every message, for the case that the guest dies
echo 8 >/proc/sys/kernel/printk

port=/dev/console
for dir in /sys/class/virtio-ports/*; do
	[[ $(cat "$dir/name" 2>/dev/null) == output ]] && port=/dev/${dir##*/}
done

# shellcheck source=/dev/null
. /vm/env
for ((i = 0; i < ${VM_SHARES:-0}; i++)); do
	mkdir -p "/share$i"
	mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,ro,cache=loose "share$i" "/share$i"
done
# shellcheck source=tests/vm/guest.sh
. /vm/tests/guest.sh

status=0
case $(cat /vm/mode) in
run)
	exec 3>&1 >"$port" 2>&1
	if load_module; then
		bash /vm/cmd </dev/null
		status=$?
	else
		status=125
	fi
	exec >&3 2>&3 3>&-
	;;
test)
	bash /vm/rig/test.sh >"$port" 2>&1 </dev/null
	status=$?
	;;
shell)
	echo 5 >/proc/sys/kernel/printk
	load_module
	if [[ -n ${VM_ROWS:-} ]]; then
		stty rows "$VM_ROWS" cols "$VM_COLUMNS" </dev/ttyS0
	fi
	# the functions and variables of tests for the person, too
	printf '%s\n' '. /vm/tests/guest.sh' "PS1='vm:\w# '" >/run/shellrc
	# a session of its own makes the console the controlling terminal: job control, ^C
	setsid -c bash --rcfile /run/shellrc -i </dev/ttyS0 >/dev/ttyS0 2>&1
	status=$?
	;;
esac

dmesg >/vm/dmesg
echo "$status" >/vm/status
sync -f /vm
echo 1 >/proc/sys/kernel/sysrq
# the host ends with us (-no-reboot)
echo b >/proc/sysrq-trigger
sleep 100
