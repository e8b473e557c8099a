# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What a test in a guest can use; sourced by each:  . "$(dirname "$0")/guest.sh"
#
#   $DISKS      array of the empty block devices, in the order of the line "# disks:"
#   $MNT        an empty directory to mount at
#   ok/not_ok/skip NAME                  one result line
#   run NAME COMMAND...                  ok if the command succeeds
#   refuse NAME COMMAND...               ok if the command fails by itself (not by a signal)
#   equal NAME WANT HAVE                 ok if the two strings are the same
#   mkfs_mount [MKFS-OPTION...] [-- [MOUNT-OPTION-STRING]]   a new pool over all disks, mounted
#   umount_fsck NAME                     unmount $MNT, fsck.vfsr -n over all disks: one result
#   disk_of N, tell_host WORD, wait_host WORD [SECONDS]
#
# Also there: $VFSR_SRC (the source tree, read-only), /vm/bin (programs of tests/vm and
# tests/image) in the PATH, $VM_BOOT (1 for the first boot of a test, see host.sh).

MNT=/mnt/vfsr

# disk_of N: the block device with the serial number diskN, nothing if it is not there
disk_of()
{
	local dir
	for dir in /sys/block/vd*; do
		[[ $(cat "$dir/serial" 2>/dev/null) == "disk$1" ]] && echo "/dev/${dir##*/}" && return
	done
	return 1
}

# find_disks: (re)fill DISKS; a disk that is unplugged is an empty word
find_disks()
{
	local i
	DISKS=()
	for ((i = 0; i < ${VM_NDISKS:-0}; i++)); do
		DISKS+=("$(disk_of "$i")")
	done
}

# load_module: load vfsr and what it depends on
load_module()
{
	local needs
	[[ -e /vm/vfsr.ko ]] || return 0
	grep -q '^vfsr ' /proc/modules && return
	for needs in $(modinfo -F depends /vm/vfsr.ko | tr ',' ' '); do
		modprobe "$needs" || return
	done
	insmod /vm/vfsr.ko "$@"
}

ok()
{
	echo "ok $*"
}

not_ok()
{
	echo "not ok $*"
}

skip()
{
	echo "skip $*"
}

# run NAME COMMAND...
run()
{
	local name=$1 status
	shift
	"$@"
	status=$?
	if ((status == 0)); then
		ok "$name"
	else
		echo "status $status: $*"
		not_ok "$name"
	fi
	return $status
}

# refuse NAME COMMAND...: the command must fail, but not by a signal
refuse()
{
	local name=$1 status
	shift
	"$@"
	status=$?
	if ((status > 0 && status < 124)); then
		ok "$name"
		return 0
	fi
	echo "status $status: $*"
	not_ok "$name"
	return 1
}

# equal NAME WANT HAVE
equal()
{
	if [[ $2 == "$3" ]]; then
		ok "$1"
	else
		echo "$1: want '$2', have '$3'"
		not_ok "$1"
		return 1
	fi
}

# device_option: "device=...,device=..." for every disk but the first
device_option()
{
	local disk list=
	for disk in "${DISKS[@]:1}"; do
		[[ -n $disk ]] && list+=${list:+,}device=$disk
	done
	printf '%s' "$list"
}

# mount_pool [OPTIONS]: mount the pool over all disks at $MNT, without a mount helper
mount_pool()
{
	local options=${1:-} more
	more=$(device_option)
	options+=${more:+${options:+,}$more}
	mount -i -t vfsr ${options:+-o "$options"} "${DISKS[0]}" "$MNT"
}

# mkfs_mount [MKFS-OPTION...] [-- [MOUNT-OPTIONS]]
mkfs_mount()
{
	local arguments=()
	while (($#)) && [[ $1 != -- ]]; do
		arguments+=("$1")
		shift
	done
	(($#)) && shift
	mkfs.vfsr -q "${arguments[@]}" "${DISKS[@]}" && mount_pool "${1:-}"
}

# umount_fsck NAME
umount_fsck()
{
	local disk there=()
	if ! umount "$MNT"; then
		not_ok "$1: umount"
		return 1
	fi
	for disk in "${DISKS[@]}"; do
		[[ -n $disk ]] && there+=("$disk")
	done
	run "$1" fsck.vfsr -n "${there[@]}"
}

# tell_host WORD: the host part's `wait_guest WORD` returns
tell_host()
{
	touch "/vm/sync/guest.$1"
}

# wait_host WORD [SECONDS]: until the host part says `tell_guest WORD`
wait_host()
{
	local tries=$((${2:-60} * ${VM_SLOW:-1} * 10))
	until [[ -e /vm/sync/host.$1 ]]; do
		((tries-- > 0)) || return 1
		sleep 0.1
	done
}

# the host parts of tests share the functions for results
if [[ -z ${VM_HOST_PART:-} ]]; then
	mkdir -p "$MNT"
	find_disks
fi
