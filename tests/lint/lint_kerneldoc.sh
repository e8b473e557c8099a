#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The kernel's own kernel-doc script over the comments in kernel/ and tools/lib/.

# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

script=
for file in /usr/lib/linux-kbuild-6.*/scripts/kernel-doc /usr/src/linux-headers-6.*/scripts/kernel-doc; do
	script=$file
done
if [[ -z $script ]]; then
	echo 'skip kernel-doc is not installed (it comes with the kernel headers)'
	exit 77
fi
mapfile -t files < <(project_files 'kernel/*.[ch]' 'tools/lib/*.[ch]')
((${#files[@]})) || exit 0
"$script" -none -Werror "${files[@]}"
