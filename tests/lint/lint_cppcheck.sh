#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# cppcheck over the userspace sources and the shared core. False alarms are answered where they
# are, by a comment "cppcheck-suppress ID" with a reason.

# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"
need cppcheck

mapfile -t files < <(project_files 'kernel/core/*.c' 'tools/*.c' 'mkfs/*.c' 'fsck/*.c' 'mount/*.c' 'tests/*.c' |
	grep -v '^tests/kmod/')
((${#files[@]})) || exit 0
mkdir -p build/lint/cppcheck
mapfile -t flags < <(make_flags print-cppflags)
cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
	--error-exitcode=1 -j "$(nproc)" --cppcheck-build-dir=build/lint/cppcheck --max-configs=2 \
	--suppress=missingInclude --suppress=missingIncludeSystem --suppress=unknownMacro \
	--template='{file}:{line}: {severity}: {message} [{id}]' \
	"${flags[@]}" -D__STDC_VERSION__=201112L -D__x86_64__ -D__linux__ "${files[@]}"
