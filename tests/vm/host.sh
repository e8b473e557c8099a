# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the host part of a test, test_NAME.host.sh, can use; sourced:  . "$VFSR_SRC/tests/vm/host.sh"
# It runs beside the guest and may go on after it; its result lines count like the guest's.
#
#   ${IMAGES[N]}           the image file of disk N; what is written there, the guest reads
#   wait_guest WORD [SECONDS], tell_guest WORD   the other ends of tell_host and wait_host
#   unplug N, plug N       take disk N out of the running guest, put it back in
#   monitor COMMAND [JSON] one QMP command
#   power_cut              end the guest at once
#   wait_end [SECONDS]     until the guest has ended, by itself or by a power cut
#   boot_again             after the end: start the guest again, with $VM_BOOT one higher there
#   mkfs.vfsr, fsck.vfsr and vfsr are in the PATH

# shellcheck source=tests/vm/guest.sh
VM_HOST_PART=1 . "$VFSR_SRC/tests/vm/guest.sh"

PATH=$VFSR_BUILD:$PATH
# shellcheck disable=SC2034 # for the test
IMAGES=("$VM_RUN"/disks/disk*)

wait_guest()
{
	local tries=$((${2:-60} * ${VM_SLOW:-1} * 10))
	until [[ -e $VM_RUN/vm/sync/guest.$1 ]]; do
		if ((tries-- <= 0)); then
			not_ok "the guest says $1"
			return 1
		fi
		sleep 0.1
	done
}

tell_guest()
{
	touch "$VM_RUN/vm/sync/host.$1"
}

monitor()
{
	python3 "$VFSR_SRC/tests/vm/rig/monitor.py" "$VM_QMP" "$@"
}

unplug()
{
	monitor unplug "$1"
}

plug()
{
	monitor plug "$1"
}

power_cut()
{
	touch "$VM_RUN/cut"
	kill -KILL "$(<"$VM_RUN/pid")" && wait_end
}

wait_end()
{
	local tries=$((${1:-60} * ${VM_SLOW:-1} * 10))
	while [[ -e $VM_RUN/pid ]]; do
		if ((tries-- <= 0)); then
			not_ok 'the guest ends'
			return 1
		fi
		sleep 0.1
	done
}

boot_again()
{
	touch "$VM_RUN/again"
	local tries=600
	until [[ -e $VM_RUN/pid ]]; do
		((tries-- > 0)) || return 1
		sleep 0.1
	done
}
