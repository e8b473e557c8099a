#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run.sh check|lint|unit|fuzz|image|vm: run tests, count every case, end with the line
# "N passed, N failed, N skipped". Exit status 1 when anything failed.
#
# Environment: TESTS (names to run, default all), FUZZ_SECONDS (for all fuzz targets together),
# TEST_TIMEOUT (seconds per test program; a comment "# timeout: N" in a script overrides it).
#
# What a test program gets: VFSR_SRC, VFSR_BUILD (directory of the binaries), a private
# directory TMP (also TMPDIR), the top of the source tree as its working directory.
# Scripts print one line "ok NAME", "not ok NAME" or "skip NAME" per sub-case and exit with
# 0 = pass, 77 = skip, else fail. Logs and results are in build/logs.

set -uo pipefail
shopt -s nullglob
cd "$(dirname "$0")/.." || exit 1

SRC=$PWD
LOGS=$SRC/build/logs
: "${MAKE:=make}" "${FUZZ_SECONDS:=60}" "${TEST_TIMEOUT:=300}" "${TESTS:=}"
JOBS=$(nproc)
STEPS=()

# exitcode 99: a sanitizer report must not look like a tool's own error status
SAN_COMMON=exitcode=99:print_stacktrace=1:handle_abort=1
export ASAN_OPTIONS=$SAN_COMMON:detect_leaks=1:strict_string_checks=1
export UBSAN_OPTIONS=$SAN_COMMON
export VFSR_SRC=$SRC LC_ALL=C.UTF-8 MAKE
unset CMOCKA_TEST_FILTER CMOCKA_XML_FILE

# record STEP NAME SECONDS: add the result lines on stdin to the step's results, print a summary
record()
{
	local results=$LOGS/$1/$2.results failed text
	mkdir -p "${results%/*}"
	sed "s#^\(ok\|not ok\|skip\) #&$1/$2: #" >"$results"
	# a test that says nothing has not passed
	[[ -s $results ]] || echo "not ok $1/$2: no result" >"$results"
	failed=$(grep -c '^not ok' "$results")
	text=$(printf '%-4s %-40s %4d passed %3d failed %3d skipped %5ds' \
		"$( ((failed)) && echo FAIL || echo pass)" "$1/$2" \
		"$(grep -c '^ok' "$results")" "$failed" "$(grep -c '^skip' "$results")" "$3")
	if ((failed)); then
		text+=$'\n'$(grep '^not ok' "$results" | head -n 20 | sed 's/^/     /')
		text+=$'\n'"     the end of ${LOGS#"$SRC"/}/$1/$2.log:"
		text+=$'\n'$(tail -n "${FAIL_LINES:-25}" "$LOGS/$1/$2.log" | cut -c 1-300 | sed 's/^/     | /')
	fi
	# one write, so that parallel tests do not mix their lines
	printf '%s\n' "$text"
}

# cases_cmocka STATUS: result lines from cmocka's standard output on stdin
cases_cmocka()
{
	awk -v status="$1" '
	function result(word, name) { print word " " name; n++; if (word == "not ok") bad++; cur = "" }
	match($0, /\[ RUN      \] /) { if (cur != "") result("not ok", cur " (no result)")
		cur = substr($0, RSTART + RLENGTH); next }
	match($0, /\[       OK \] /) && substr($0, RSTART + RLENGTH) == cur { result("ok", cur); next }
	match($0, /\[  SKIPPED \] /) && substr($0, RSTART + RLENGTH) == cur { result("skip", cur); next }
	match($0, /\[  (FAILED |ERROR  ) \] /) && substr($0, RSTART + RLENGTH) == cur && cur != "" {
		result("not ok", cur); next }
	/\[  FAILED  \] GROUP (SETUP|TEARDOWN)/ { result("not ok", "group setup or teardown") }
	END {	if (cur != "") result("not ok", cur " (crashed or timed out)")
		if (status == 124 || status == 137) result("not ok", "timed out")
		else if (status != 0 && !bad) result("not ok", "exit status " status (status == 99 ? ", a sanitizer report" : ""))
		else if (!n) result("not ok", "no test case was run") }'
}

# cases_lines STATUS: result lines of a script's "ok", "not ok" and "skip" lines on stdin
cases_lines()
{
	awk -v status="$1" '
	/^(ok|not ok|skip) / { print; n++; if (/^not ok /) bad++ }
	END {	if (status == 124 || status == 137) print "not ok timed out"
		else if (status == 77) { if (!n) print "skip all of it" }
		else if (status != 0 && !bad) print "not ok exit status " status
		else if (!n) print "ok all of it" }'
}

# cases_status STATUS: the program is one case
cases_status()
{
	case $1 in
	0) echo 'ok all of it' ;;
	124 | 137) echo 'not ok timed out' ;;
	*) echo "not ok exit status $1" ;;
	esac
}

# run_one STEP NAME PARSER TIMEOUT COMMAND...: run in a private directory, record the cases
run_one()
{
	local step=$1 name=$2 parser=$3 limit=$4 start=$SECONDS status tmp log report
	shift 4
	log=$LOGS/$step/$name.log
	tmp=$(mktemp -d "${TMPDIR:-/tmp}/vfsr-test.XXXXXX") || exit 1
	mkdir "$tmp/tmp" "$tmp/sanitizer"
	(
		unset MAKEFLAGS MFLAGS MAKELEVEL
		export TMP=$tmp/tmp TMPDIR=$tmp/tmp
		# reports of tools whose failure a script expects must not get lost
		if [[ $parser == cases_lines ]]; then
			ASAN_OPTIONS+=:log_path=$tmp/sanitizer/asan
			UBSAN_OPTIONS+=:log_path=$tmp/sanitizer/ubsan
		fi
		exec timeout -k 10 "$limit" "$@"
	) >"$log" 2>&1 </dev/null
	status=$?
	{
		"$parser" "$status" <"$log"
		for report in "$tmp"/sanitizer/*; do
			cat "$report" >>"$log"
			echo "not ok sanitizer report: $(grep -m1 -E 'ERROR|error:' "$report" | cut -c 1-150)"
		done
	} | record "$step" "$name" $((SECONDS - start))
	chmod -R u+rwX "$tmp" 2>/dev/null
	rm -rf "$tmp"
}

# in_parallel N: run the shell commands on stdin, N at a time
in_parallel()
{
	local running=0 command
	while IFS= read -r command; do
		if ((running >= $1)); then
			wait -n
			((running--))
		fi
		eval "$command" </dev/null &
		((running++))
	done
	wait
}

# in_parallel_weighted N: "WEIGHT COMMAND" lines on stdin, side by side while their weights fit N
in_parallel_weighted()
{
	local free=$1 weight command pid i
	local -a pending
	local -A running=()
	mapfile -t pending
	while ((${#pending[@]} || ${#running[@]})); do
		for i in "${!pending[@]}"; do
			read -r weight command <<<"${pending[i]}"
			((weight <= $1)) || weight=$1
			((weight <= free)) || continue
			eval "$command" </dev/null &
			running[$!]=$weight
			((free -= weight))
			unset "pending[i]"
		done
		wait -n -p pid "${!running[@]}"
		((free += running[$pid]))
		unset "running[$pid]"
	done
}

wanted()
{
	[[ -z $TESTS || " $TESTS " == *" $1 "* || " $TESTS " == *" ${1%.*} "* ]]
}

new_step()
{
	rm -rf "${LOGS:?}/$1"
	mkdir -p "$LOGS/$1"
	STEPS+=("$LOGS/$1")
}

# build STEP NAME MAKE-ARGUMENTS...: one case of the step "build"; elsewhere only a failure counts
build()
{
	local step=$1 name=$2 start=$SECONDS status
	shift 2
	"$MAKE" -k "$@" >"$LOGS/$step/$name.log" 2>&1
	status=$?
	if ((status)); then
		echo "not ok does not build" | record "$step" "$name" $((SECONDS - start))
	elif [[ $step == build ]]; then
		echo "ok builds" | record "$step" "$name" $((SECONDS - start))
	fi
	return $status
}

timeout_of()
{
	local own
	own=$(sed -n 's/^# timeout: \([0-9][0-9]*\)$/\1/p' "$1" | head -n 1)
	echo "${own:-$TEST_TIMEOUT}"
}

runner_of()
{
	case $1 in
	*.py) echo python3 ;;
	*) echo bash ;;
	esac
}

step_lint()
{
	local script name
	new_step lint
	for script in tests/lint/lint_*; do
		name=$(basename "${script%.*}")
		wanted "$name" || continue
		FAIL_LINES=60 run_one lint "$name" cases_lines 900 "$(runner_of "$script")" "$script"
	done
}

step_unit()
{
	local variant dir name names=() source
	for source in tests/unit/test_*.c; do
		name=$(basename "$source" .c)
		wanted "$name" && names+=("$name")
	done
	((${#names[@]})) || return 0
	for variant in asan clang; do
		dir=build/$variant
		new_step "unit-$variant"
		build "unit-$variant" build VARIANT=$variant "${names[@]/#/$dir/tests/unit/}" || continue
		for name in "${names[@]}"; do
			echo "VFSR_BUILD=$SRC/$dir run_one unit-$variant $name cases_cmocka" \
				"$TEST_TIMEOUT $SRC/$dir/tests/unit/$name"
		done | in_parallel "$JOBS"
	done
}

# Every seeds_X or gen_X program is called with one directory that holds an (empty) directory
# for each target, named like it, to write inputs into. Inputs worth keeping for ever can be
# committed in tests/fuzz/corpus/fuzz_X; fuzz_X.options holds more libFuzzer options.
step_fuzz()
{
	local dir=$SRC/build/fuzz name names=() source seconds input options
	for source in tests/fuzz/fuzz_*.c; do
		name=$(basename "$source" .c)
		wanted "$name" && names+=("$name")
	done
	((${#names[@]})) || return 0
	new_step fuzz
	build fuzz build VARIANT=fuzz fuzzers || return 0
	for name in "${names[@]}"; do
		mkdir -p "$dir/corpus/$name" "$dir/seeds/$name" "$dir/crashes"
	done
	for source in tests/fuzz/seeds_*.c tests/fuzz/gen_*.c; do
		name=$(basename "$source" .c)
		VFSR_BUILD=$dir run_one fuzz "$name" cases_status "$TEST_TIMEOUT" \
			"$dir/tests/fuzz/$name" "$dir/seeds"
	done
	# two at a time
	seconds=$((FUZZ_SECONDS * (${#names[@]} > 1 ? 2 : 1) / ${#names[@]}))
	((seconds >= 5)) || seconds=5
	for name in "${names[@]}"; do
		options=
		[[ -f tests/fuzz/$name.options ]] && options=$(grep -v '^#' "tests/fuzz/$name.options" | tr '\n' ' ')
		for input in corpus/"$name" seeds/"$name" ../../tests/fuzz/corpus/"$name"; do
			[[ -d $dir/$input ]] && options+=" $dir/$input"
		done
		echo "VFSR_BUILD=$dir run_one fuzz $name cases_status $((seconds + TEST_TIMEOUT))" \
			"$dir/tests/fuzz/$name -max_total_time=$seconds -timeout=30 -rss_limit_mb=2048" \
			"-print_final_stats=1 -artifact_prefix=$dir/crashes/$name- $options"
	done | in_parallel 2
}

# Image tests run on the sanitized programs; those with _fast in their name on the released ones.
step_image()
{
	local script name names=() dir
	for script in tests/image/test_*.sh tests/image/test_*.py; do
		wanted "$(basename "$script")" && names+=("$script")
	done
	((${#names[@]})) || return 0
	new_step image
	build image build tools || return 0
	build image build-asan VARIANT=asan tools || return 0
	for script in "${names[@]}"; do
		name=$(basename "${script%.*}")
		dir=$SRC/build/asan
		[[ $name == *_fast* ]] && dir=$SRC/build
		echo "VFSR_BUILD=$dir run_one image $name cases_lines $(timeout_of "$script")" \
			"$(runner_of "$script") $SRC/$script"
	done | in_parallel 2
}

# need_of FILE WORD DEFAULT: the value of a test's comment "# WORD: value"
need_of()
{
	local own
	own=$(sed -n "s/^# $2: *\([0-9][0-9]*\)\$/\1/p" "$1" | head -n 1)
	echo "${own:-$3}"
}

# Each test has a guest of its own; a guest with two CPUs counts as two. The longest start first.
step_vm()
{
	local script name names=() smp timeout start=$SECONDS log
	for script in tests/vm/test_*.sh; do
		[[ $script == *.host.sh ]] || ! wanted "$(basename "$script")" || names+=("$script")
	done
	# made for the packaged kernel
	[[ -z ${VM_KERNEL:-} ]] && wanted selftest && names+=(tests/vm/selftest.sh)
	((${#names[@]})) || return 0
	# one run at a time: they would share logs and the module
	mkdir -p build/vm
	exec 9>build/vm/.step
	flock -n 9 || {
		echo 'waiting for another run of the VM tests to end'
		flock 9
	}
	new_step vm
	build vm build tools || return 0
	build vm module module KCHECK= OUT="${VM_OUT:-build/module}" || return 0
	log=$LOGS/vm/rig.log
	if ! python3 tests/vm/rig/root.py >"$log" 2>&1; then
		echo "not ok images of the guest" | record vm rig $((SECONDS - start))
		return 0
	fi
	for script in "${names[@]}"; do
		name=$(basename "${script%.*}")
		smp=$(need_of "$script" smp 1)
		timeout=$(($(need_of "$script" timeout 300) * ${VM_SLOW:-1}))
		# what the rig allows for booting and for checking comes on top
		timeout=$(((timeout + 300 * ${VM_SLOW:-1}) * $(need_of "$script" boots 1)))
		if [[ $name == selftest ]]; then
			echo "$smp $timeout VFSR_BUILD=$SRC/build run_one vm $name cases_lines" \
				"$timeout bash $SRC/$script"
		else
			echo "$smp $timeout VFSR_BUILD=$SRC/build run_one vm $name cases_lines" \
				"$timeout python3 $SRC/tests/vm/rig/vmtest.py $SRC/$script"
		fi
	done | sort -k1,1nr -k2,2nr | sed 's/^\([0-9]*\) [0-9]* /\1 /' |
		in_parallel_weighted "${VM_JOBS:-$JOBS}"
}

step_check()
{
	new_step build
	build build release all
	build build clang VARIANT=clang all
	build build asan VARIANT=asan all
	build build module module
	step_lint
	step_unit
	step_fuzz
	step_image
	step_vm
}

case ${1:-} in
check | lint | unit | fuzz | image | vm) ;;
*)
	echo "usage: $0 check|lint|unit|fuzz|image|vm" >&2
	exit 2
	;;
esac

mkdir -p "$LOGS"
rm -f "$LOGS/summary"
"step_$1"

((${#STEPS[@]})) || STEPS=(/dev/null)
find "${STEPS[@]}" -name '*.results' -exec cat {} + >"$LOGS/results"
failed=$(grep -c '^not ok' "$LOGS/results")
if ((failed)); then
	echo
	echo 'Failed:'
	sed -n 's/^not ok /  /p' "$LOGS/results"
fi
echo
grep -n '^skip' "$LOGS/results" | sed 's/^[0-9]*:skip /skipped: /'
echo "$(grep -c '^ok' "$LOGS/results") passed, $failed failed, $(grep -c '^skip' "$LOGS/results") skipped" |
	tee "$LOGS/summary"
((failed == 0))
