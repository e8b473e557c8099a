# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The tests' file system by name, so that a test can be proved on another one: FSTYP=btrfs (ext4,
# xfs) instead of vfsr. Sourced after guest.sh.
#
#   fs_mkfs DEVICE...       make a file system, with the words of $FS_MKFS
#   fs_mount DIR DEVICE...  mount it, with the options $FS_OPTIONS
#   fs_mount_command DIR DEVICE...   the command that does so, for programs that run it themselves
#   fs_check DEVICE...      read-only check; status 0 = nothing found
#   fs_there                can this guest mount it?

FSTYP=${FSTYP:-vfsr}
FS_MKFS=${FS_MKFS:-}
FS_OPTIONS=${FS_OPTIONS:-}
# What was appended to an ext4 file's last block may be zeros after a power cut.
# shellcheck disable=SC2034 # used in crash.sh
[[ $FSTYP == ext4 ]] && CRASH_PROMISE=(--zeros) || CRASH_PROMISE=()

fs_mkfs()
{
	# shellcheck disable=SC2086 # words
	case $FSTYP in
	vfsr) mkfs.vfsr -q -f $FS_MKFS "$@" ;;
	btrfs) mkfs.btrfs -q -f $FS_MKFS "$@" >/dev/null ;;
	ext4) mkfs.ext4 -q -F $FS_MKFS "$1" ;;
	xfs) mkfs.xfs -q -f $FS_MKFS "$1" ;;
	esac
}

fs_mount_command()
{
	local dir=$1 device=$2 options=$FS_OPTIONS more
	shift 2
	[[ $FSTYP == vfsr || $FSTYP == btrfs ]] || set --
	for more; do
		options+=${options:+,}device=$more
	done
	echo "mount -i -t $FSTYP ${options:+-o $options} $device $dir"
}

fs_mount()
{
	eval "$(fs_mount_command "$@")"
}

fs_check()
{
	case $FSTYP in
	vfsr) fsck.vfsr -n "$@" ;;
	btrfs) btrfs check --readonly "$1" ;;
	ext4) e2fsck -fn "$1" ;;
	xfs) xfs_repair -n "$1" ;;
	esac
}

fs_there()
{
	[[ $FSTYP == vfsr ]] || modprobe "$FSTYP"
	grep -qw "$FSTYP" /proc/filesystems
}
