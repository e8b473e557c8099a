# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Power cuts: record what a workload writes, then mount what the devices would hold had the power
# gone at some moment. Sourced after guest.sh and anyfs.sh; needs four disks: the recorded device,
# its log, the device for replaying, and room for what the mounts of crash states write. The first
# and the third have one size.
#
#   crash_record MEMBERS SEED STEPS [CRASHLOAD-OPTION...]   make the file system and the log
#   crash_replay NAME SECONDS [POINTS-FILE]                 try points for so long, 0 = all of them
#
# The members are slices of one recorded device, so that one log has the order of all writes. The
# price: a flush of one member counts as a flush of all, so a flush that was forgotten for one
# member, but not for another, is not found this way.
#
# CRASH_SKIP_FIRST=1 leaves out the check before mounting, to see what else there is.
#
# A point is a line of `replaylog points`: flush, fua, random: the log up to an entry. subset: up
# to a flush, and of what followed it up to the next flush a random part, which is what a cache
# that lost its power may have kept. torn: a FUA write that is cut into.

export DM_DISABLE_UDEV=1
CRASH_FAILURES_MAX=5

# slices PREFIX DEVICE [LENGTH]: linear devices PREFIX0.. over the parts of a device
slices()
{
	local i table=
	for ((i = 0; i < members; i++)); do
		table+="${table:+;}$1$i,,,rw,0 $slice linear $2 $((i * slice))"
	done
	dmsetup create --concise "$table"
}

# mapped PREFIX: the paths of PREFIX0..
mapped()
{
	local i
	for ((i = 0; i < members; i++)); do
		echo "/dev/mapper/$1$i"
	done
}

crash_record()
{
	local sectors
	members=$1 crash_seed=$2 crash_steps=$3
	shift 3
	modprobe dm-log-writes && modprobe dm-snapshot || return
	sectors=$(blockdev --getsz "${DISKS[0]}")
	slice=$((sectors / members / 2048 * 2048))
	dmsetup create crashlog --table "0 $((slice * members)) log-writes ${DISKS[0]} ${DISKS[1]}" &&
		slices m /dev/mapper/crashlog || return
	# shellcheck disable=SC2046 # words
	fs_mkfs $(mapped m) && dmsetup message crashlog 0 mark mkfs && fs_mount "$MNT" $(mapped m) ||
		return
	# dirty data does not wait 30 s here
	echo 20 >/proc/sys/vm/dirty_writeback_centisecs
	echo 50 >/proc/sys/vm/dirty_expire_centisecs
	crashload run --seed "$crash_seed" --ops "$crash_steps" --mark crashlog "$@" "$MNT" \
		>/tmp/crash.journal || return
	tail -n 1 /tmp/crash.journal
	umount "$MNT" || return
	# shellcheck disable=SC2046 # words
	fs_check $(mapped m) >/tmp/crash.check 2>&1 || { cat /tmp/crash.check; return 1; }
	if dmsetup status crashlog | grep logging_disabled; then
		echo 'the log is incomplete'
		return 1
	fi
	# shellcheck disable=SC2046 # words
	dmsetup remove $(mapped m) crashlog
}

# Look at the state that is on the snapshots s0..
crash_look()
{
	local done=$1 begun=$2 devices status=0
	mapfile -t devices < <(mapped s)
	# others need their recovery before a check can say anything
	if [[ -z ${CRASH_SKIP_FIRST:-} && ($FSTYP == vfsr || $FSTYP == btrfs) ]]; then
		fs_check "${devices[@]}" >/tmp/crash.check 2>&1 ||
			{ echo 'check before mounting:'; tail -n 30 /tmp/crash.check; status=1; }
	fi
	fs_mount "$MNT" "${devices[@]}" || { echo 'mount failed'; dmesg | tail -n 20; return 1; }
	if [[ $done != - ]]; then
		crashload verify --seed "$crash_seed" --ops "$crash_steps" --done "$done" \
			--begun "$begun" "${CRASH_PROMISE[@]}" --touch "$MNT" || status=1
	fi
	umount "$MNT" || { echo 'umount failed'; return 1; }
	fs_check "${devices[@]}" >/tmp/crash.check 2>&1 ||
		{ echo 'check after unmounting:'; tail -n 30 /tmp/crash.check; status=1; }
	return $status
}

# One point; crash_at is the entry that the replaying device stands at.
crash_point()
{
	local kind=$1 from=$2 to=$3 seed=$4 done=$5 begun=$6 i table='' status
	if ((from > crash_at)); then
		replaylog replay --index /tmp/crash.index --from "$crash_at" --to "$from" "${DISKS[1]}" "${DISKS[2]}" || return
		crash_at=$from
	fi
	for ((i = 0; i < members; i++)); do
		table+="${table:+;}s$i,,,rw,0 $slice snapshot /dev/mapper/r$i /dev/mapper/c$i N 16"
	done
	dmsetup create --concise "$table" || return
	case $kind in
	subset | torn)
		# shellcheck disable=SC2046 # words
		replaylog subset --index /tmp/crash.index --from "$from" --to "$to" --seed "$seed" \
			$([[ $kind == torn ]] && echo --torn 1) "${DISKS[1]}" $(mapped s) >/tmp/crash.subset
		;;
	esac
	crash_look "$done" "$begun"
	status=$?
	mountpoint -q "$MNT" && umount "$MNT"
	[[ $FSTYP != btrfs ]] || btrfs device scan --forget >/dev/null 2>&1
	# shellcheck disable=SC2046 # words
	dmsetup remove --retry $(mapped s) || return
	return $status
}

# Each line of /tmp/crash.points; with a time limit, lines that are far enough apart.
crash_points()
{
	local seconds=$1 start=$EPOCHREALTIME now spent at=0 step total
	total=$(wc -l </tmp/crash.points)
	crash_at=0 nr_points=0 nr_failed=0
	mapfile -t points </tmp/crash.points
	while ((at < total && nr_failed < CRASH_FAILURES_MAX)); do
		# shellcheck disable=SC2086 # words
		if ! crash_point ${points[at]}; then
			echo "point: ${points[at]} (seed $crash_seed, steps $crash_steps)"
			((nr_failed++))
		fi
		((nr_points++))
		step=1
		if ((seconds)); then
			now=$EPOCHREALTIME
			spent=$(((${now/./} - ${start/./}) / 1000))
			((spent < seconds * 1000)) || break
			# as many as the time that is left lets do, by the time one took so far
			step=$(((total - at) * spent / nr_points / (seconds * 1000 - spent) + 1))
			((step == 1)) || step=$((1 + RANDOM % (2 * step - 1)))
		fi
		((at += step))
	done
}

crash_replay()
{
	local name=$1 seconds=$2 kinds
	rm -f /tmp/crash.index
	slices r "${DISKS[2]}" && slices c "${DISKS[3]}" || return
	if [[ -n ${3:-} ]]; then
		cp "$3" /tmp/crash.points
	else
		replaylog points --index /tmp/crash.index --after mkfs --random 200 --subsets 3 --torn 1 --seed "$crash_seed" \
			"${DISKS[1]}" >/tmp/crash.points
	fi
	kinds=$(cut -d ' ' -f 1 /tmp/crash.points | sort | uniq -c | awk '{ printf " %s %s", $1, $2 }')
	echo "$name: $(wc -l </tmp/crash.points) states:$kinds; seed $crash_seed"
	# what an older run left must not look like a file system
	blkdiscard -z "${DISKS[2]}" 2>/dev/null
	crash_points "$seconds"
	# shellcheck disable=SC2046 # words
	dmsetup remove $(mapped r) $(mapped c)
	echo "$name: $nr_points crash points, $nr_failed bad"
	run "$name: $nr_points crash points" test "$nr_failed" = 0 -a "$nr_points" -gt 0
}
