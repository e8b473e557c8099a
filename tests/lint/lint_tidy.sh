#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# clang-tidy, with the checks that .clang-tidy lists, over everything built in userspace.

# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"
need clang-tidy

mapfile -t files < <(project_files 'kernel/core/*.c' 'tools/*.c' 'mkfs/*.c' 'fsck/*.c' 'tests/*.c' |
	grep -v '^tests/kmod/')
((${#files[@]})) || exit 0

# a file at a time, because one run over several prints and works one after the other
tidy()
{
	local file=$1
	shift
	# the count of warnings in system headers is not news
	clang-tidy --quiet "$file" -- "$@" 2>&1 | grep -v '^[0-9]* warnings\? generated\.$'
	return "${PIPESTATUS[0]}"
}
export -f tidy

mapfile -t flags < <(make_flags print-cppflags && make_flags print-cflags)
# shellcheck disable=SC2016 # the inner shell expands it
printf '%s\0' "${files[@]}" |
	xargs -0 -P "$(nproc)" -I FILE bash -c 'tidy "$@"' bash FILE "${flags[@]}"
