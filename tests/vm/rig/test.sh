#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Run the test $VM_TEST in a guest, then unmount everything, unload the module and look for what
# it left behind: kernel messages, slab caches, memory. Each finding is a result line "not ok".
# Nothing here waits for a program that cannot be killed: the host must get an answer.

# shellcheck source=tests/vm/guest.sh
. /vm/tests/guest.sh

# What in the kernel's messages fails a test.
BAD='WARNING:|BUG:|BUG |kernel BUG|Oops|general protection|KASAN|KCSAN|UBSAN|KFENCE|cut here'
BAD+='|INFO: task .* blocked for more|stalls? on CPU|detected stall|soft lockup|hard LOCKUP'
BAD+='|Objects remaining|possible (circular|recursive|irq)|inconsistent lock state|suspicious RCU'
BAD+='|sleeping function called|scheduling while atomic|list_(add|del) corruption|refcount_t:'
BAD+='|unreferenced object|bad page|Bad page|Busy inodes|Call Trace|page allocation failure'
BAD+='|kmem_cache_destroy|lock held when returning|still has locks held|DEBUG_LOCKS_WARN'
# KiB that may be missing after unload: counters are per CPU, and caches keep empty slabs
PAGES_MAX=6144
SLAB_MAX=16384

# limited SECONDS COMMAND...: like timeout, but gives up on a program that does not die of SIGKILL
limited()
{
	local tries=$(($1 * 10)) pid
	shift
	setsid "$@" &
	pid=$!
	while kill -0 $pid 2>/dev/null; do
		if ((tries-- <= 0)); then
			echo "vm: time is up: $*"
			echo w >/proc/sysrq-trigger
			kill -KILL -- -$pid 2>/dev/null
			sleep 2
			# show where it hangs: the blocked tasks
			dmesg | sed -n '/sysrq: Show Blocked State/,$p' | head -n 150
			return 124
		fi
		sleep 0.1
	done
	wait $pid
}

mounts()
{
	awk '{ print $5 }' /proc/self/mountinfo
}

# pages: KiB of memory that nothing in /proc/meminfo accounts for: pages the kernel took for itself.
# Free pages on the lists of a CPU (count: in zoneinfo, up to 14 MB seen here) are not in MemFree.
pages()
{
	[[ ! -e /proc/sys/vm/compact_memory ]] || echo 1 >/proc/sys/vm/compact_memory
	awk '/^MemTotal:/ { left += $2 }
	     /^(MemFree|Buffers|Cached|SwapCached|AnonPages|Slab|KernelStack|PageTables|SecPageTables|VmallocUsed|Percpu):/ {
		left -= $2 }
	     $1 == "count:" { left -= $2 * 4 }
	     END { print left }' /proc/meminfo /proc/zoneinfo
}

unreclaimable()
{
	awk '/^SUnreclaim:/ { print $2 }' /proc/meminfo
}

before_load()
{
	mounts >/run/mounts.before
	echo 3 >/proc/sys/vm/drop_caches
	PAGES_BEFORE=$(pages)
	SLAB_BEFORE=$(unreclaimable)
	read -r TAINT_BEFORE </proc/sys/kernel/tainted
	[[ ! -e /sys/kernel/debug/kmemleak ]] || echo clear >/sys/kernel/debug/kmemleak
}

unmount_all()
{
	local mount
	# everyone but this shell and process 1
	kill -KILL -1
	sleep 0.2
	mounts | tac >/run/mounts.after
	while IFS= read -r mount; do
		grep -qxF -- "$mount" /run/mounts.before && continue
		mount=$(printf '%b' "$mount")
		if ! limited $((120 * VM_SLOW)) umount "$mount"; then
			not_ok "umount $mount after the test"
			umount -l "$mount" 2>/dev/null
		fi
	done </run/mounts.after
	# only if in use: a module loaded for nothing would lie where code that vfsr freed was
	grep -q '^dm_mod ' /proc/modules && dmsetup remove_all --force >/dev/null 2>&1
	grep -q '^loop ' /proc/modules && losetup -D
}

# own_code FILE...: lines that name an address within the unloaded module. The first word of a line
# may be the range that vmalloc gave away, which says nothing about who asked for it.
own_code()
{
	awk -v ranges="$MODULE_RANGES" '
	# the lower 10 digits: a double is exact there
	function hex(s,   i, n) {
		n = 0
		s = substr(s, length(s) - 9)
		for (i = 1; i <= length(s); i++)
			n = n * 16 + index("0123456789abcdef", substr(s, i, 1)) - 1
		return n
	}
	BEGIN {
		n = split(ranges, word, " ")
		for (i = 1; i < n; i += 2) {
			from[i] = hex(word[i])
			to[i] = from[i] + word[i + 1]
		}
	}
	{
		line = $0
		sub(/^0x[0-9a-f]*-0x[0-9a-f]*/, "", line)
		while (match(line, /0xffffffff[0-9a-f]+/)) {
			at = hex(substr(line, RSTART, RLENGTH))
			for (i in from)
				if (at >= from[i] && at < to[i]) { print FILENAME ": " $0; next }
			line = substr(line, RSTART + RLENGTH)
		}
	}' "$@" 2>/dev/null
}

unload()
{
	local left size start init
	grep -q '^vfsr ' /proc/modules || return 0
	read -r _ size _ _ _ start _ < <(grep '^vfsr ' /proc/modules)
	MODULE_RANGES="$start $size"
	# freed after loading, but what it allocated may live on
	read -r init 2>/dev/null </sys/module/vfsr/sections/.init.text && MODULE_RANGES+=" $init 8192"
	if ! limited $((120 * VM_SLOW)) rmmod vfsr; then
		grep '^vfsr ' /proc/modules
		not_ok 'rmmod vfsr'
		return 1
	fi
	left=$(ls -d /sys/kernel/slab/*vfsr* /sys/fs/vfsr /sys/kernel/debug/vfsr /proc/fs/vfsr 2>/dev/null
		grep '^vfsr' /proc/slabinfo)
	if [[ -n $left ]]; then
		echo "$left"
		not_ok 'nothing of the module is left after unload'
	fi
	# who allocated: with slub_debug=U for slabs, always for vmalloc
	left=$(own_code /proc/vmallocinfo /sys/kernel/debug/slab/*/alloc_traces)
	if [[ -n $left ]]; then
		echo "$left" | cut -c 1-400 | head -n 40
		not_ok 'all memory that the module allocated is freed'
	fi
}

check_memory()
{
	local pages slab tries left
	if [[ -e /sys/kernel/debug/kmemleak ]]; then
		# twice: what was allocated just before a scan counts at the next
		for tries in 1 2; do
			echo scan 2>/dev/null >/sys/kernel/debug/kmemleak || not_ok 'kmemleak works (kmemleak=on)'
			sleep 5
		done
		left=$(</sys/kernel/debug/kmemleak)
		if [[ -n $left ]]; then
			head -n 100 <<<"$left"
			not_ok 'kmemleak finds nothing'
		fi
		# such a kernel keeps memory of its own: the numbers below say nothing
		return
	fi
	# delayed frees (RCU, workqueues) may take a moment
	for tries in 1 2 3 4; do
		echo 3 >/proc/sys/vm/drop_caches
		pages=$(($(pages) - PAGES_BEFORE))
		slab=$(($(unreclaimable) - SLAB_BEFORE))
		((pages > PAGES_MAX || slab > SLAB_MAX)) || break
		sleep "$tries"
	done
	echo "vm: after unload $pages KiB of pages and $slab KiB of slabs more than before"
	((pages <= PAGES_MAX)) || not_ok "pages are freed at unload, $pages KiB are not"
	((slab <= SLAB_MAX)) || not_ok "slabs are freed at unload, $slab KiB are not"
}

check_messages()
{
	local found taint
	found=$(dmesg | sed '1,/vm: test starts/d' | grep -E "$BAD" | grep -vE "${VM_ALLOW:-^$}")
	if [[ -n $found ]]; then
		dmesg | sed '1,/vm: test starts/d' | grep -E -m 1 -A 60 "$BAD" | sed 's/^/| /'
		not_ok "kernel messages: $(head -n 1 <<<"$found" | cut -c 1-150)"
	fi
	read -r taint </proc/sys/kernel/tainted
	# bad page 5, died 7, warned 9, soft lockup 14
	((((taint & ~TAINT_BEFORE) & (1 << 5 | 1 << 7 | 1 << 9 | 1 << 14)) == 0)) || [[ -n ${VM_ALLOW:-} ]] ||
		not_ok "the kernel is tainted: $taint"
}

echo "vm: test starts, up $(cut -d ' ' -f 1 /proc/uptime) s"
echo 'vm: test starts' >/dev/kmsg
before_load
if ! limited $((60 * VM_SLOW)) bash -c '. /vm/tests/guest.sh; load_module'; then
	not_ok 'the module loads'
	check_messages
	exit 1
fi
start=$(date +%s.%N)
limited "$VM_TIMEOUT" bash "$VM_TEST"
status=$?
date +%s.%N | awk -v start="$start" '{ printf "%.1f\n", $1 - start }' >/vm/seconds
echo "vm: the test took $(cat /vm/seconds) s"
if ((status == 124)); then
	not_ok 'timed out'
	check_messages
	exit 124
fi
unmount_all
unload && check_memory
check_messages
exit $status
