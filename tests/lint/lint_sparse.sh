#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# sparse over the core with the userspace port: the disk's little-endian types are bitwise on
# this side too. (`make kmod` does the same with the kernel port.)

# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"
need sparse

mapfile -t files < <(project_files 'kernel/core/*.c')
((${#files[@]})) || exit 0
mapfile -t flags < <(make_flags print-cppflags)
status=0
for file in "${files[@]}"; do
	sparse -Wsparse-error -Wbitwise -Wno-decl -std=gnu11 -m64 "${flags[@]}" "$file" || status=1
done
exit $status
