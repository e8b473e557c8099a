#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Do the VM tests see what they are there to see? Runs tests that must fail, each in its way, and
# one that uses all that the rig can do.
# smp: 2
# timeout: 300

set -uo pipefail
here=$(dirname "$0")
TMP=${TMP:-$(mktemp -d)}
VFSR_SRC=${VFSR_SRC:-$(realpath "$here/../..")}
export VM_LOGS=$TMP

# start NAME [VARIABLE=VALUE...]: run selftest/NAME.sh, keep what it prints
start()
{
	local name=$1
	shift
	env "$@" python3 "$here/rig/vmtest.py" "$here/selftest/$name.sh" >"$TMP/$name" 2>&1
	echo "exit status $?" >>"$TMP/$name"
}

# want NAME EXPRESSION: a line that the run must have printed
want()
{
	if grep -qE -- "$2" "$TMP/$1"; then
		echo "ok $1: $2"
	else
		sed 's/^/| /' "$TMP/$1"
		echo "not ok $1: no line '$2'"
	fi
}

# want_not NAME EXPRESSION
want_not()
{
	if grep -E -- "$2" "$TMP/$1" | sed 's/^/| /' | grep .; then
		echo "not ok $1: a line '$2'"
	else
		echo "ok $1: no line '$2'"
	fi
}

start good
want good '^exit status 0$'
want good '^ok what was written is there$'
want good '^ok power cut$'
want_not good '^not ok'

make -s -C "$VFSR_SRC" module OUT=build/leaky LAYERS=none MAIN=tests/kmod/leaky.c KCHECK= ||
	echo 'not ok the leaky module builds'
start message &
start panic
start early &
wait
start timeout &
start leak VM_MODULE="$VFSR_SRC/build/leaky/vfsr.ko"
wait

want message '^ok one good result$'
want message '^not ok one bad result$'
want message '^not ok kernel messages: .*WARNING: CPU: 0 PID: 1 at nowhere'
want_not message '^not ok umount'
want message '^exit status [1-9]'

want panic '^ok before the end$'
want panic '^not ok the guest died'
want panic '^\| .*Kernel panic'
want_not panic '^ok after'
want panic '^exit status [1-9]'

want early '^vm: the guest died before the test, once more'
want early '^not ok the guest died'
want_not early '^ok'
want early '^exit status [1-9]'

want timeout '^not ok timed out'
want timeout '^exit status [1-9]'

want leak '^not ok nothing of the module is left'
want leak 'vfsr_leaky'
want leak '^not ok all memory that the module allocated is freed'
want leak '/proc/vmallocinfo: .* 0xffffffff[0-9a-f]* pages=1 vmalloc'
want leak 'slab/kmalloc-1k/alloc_traces'
want leak 'slab/kmalloc-2k/alloc_traces'
want leak '^not ok pages are freed at unload'
want leak '^exit status [1-9]'
