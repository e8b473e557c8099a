#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# clang-tidy, with the checks that .clang-tidy lists, over everything built in userspace.
# build/lint/tidy remembers what was clean, by the content of all that went into it: a file is
# looked at again when it, a header, the checks, the flags or the program changed.

# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"
need clang-tidy

mapfile -t files < <(project_files 'kernel/core/*.c' 'tools/*.c' 'mkfs/*.c' 'fsck/*.c' 'mount/*.c' 'tests/*.c' |
	grep -v '^tests/kmod/')
((${#files[@]})) || exit 0
clean=build/lint/tidy
mkdir -p "$clean"

# content FILE FLAG...: a hash of everything the result depends on
content()
{
	local deps
	# one dependency per line: no name here has a blank in it
	deps=$(clang -M "${@:2}" "$1" | sed 's/^[^ ]*: //; s/\\$//' | tr -s ' ' '\n') || return
	{
		clang-tidy --version
		clang-tidy --dump-config "$1" --
		printf '%s\n' "$@"
		xargs sha256sum <<<"$deps"
	} | sha256sum
}

# a file at a time, because one run over several prints and works one after the other
tidy()
{
	local file=$1 hash mark
	shift
	mark=$clean/${file//\//,}
	hash=$(content "$file" "$@") || hash=
	[[ -n $hash && -f $mark && $(<"$mark") == "$hash" ]] && return
	rm -f "$mark"
	# the count of warnings in system headers is not news
	clang-tidy --quiet "$file" -- "$@" 2>&1 | grep -v '^[0-9]* warnings\? generated\.$'
	((PIPESTATUS[0] == 0)) || return 1
	# changed meanwhile: not what was looked at
	[[ -z $hash || $(content "$file" "$@") != "$hash" ]] || printf '%s\n' "$hash" >"$mark"
}
export -f content tidy
export clean

mapfile -t flags < <(make_flags print-cppflags && make_flags print-cflags)
# shellcheck disable=SC2016 # the inner shell expands it
printf '%s\0' "${files[@]}" |
	xargs -0 -P "$(nproc)" -I FILE bash -o pipefail -c 'tidy "$@"' bash FILE "${flags[@]}"
