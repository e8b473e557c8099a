#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Generated documents are up to date; man pages and rst files have no syntax errors.

# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"
status=0

verdict()
{
	if (($1)); then
		echo "not ok $2"
		status=1
	else
		echo "ok $2"
	fi
}

if [[ -f tools/gen/errors_gen.c ]]; then
	bad=0
	env -u MAKEFLAGS make -s build/errors_gen &&
		build/errors_gen | diff -u Documentation/errors.rst - || bad=1
	((bad)) && echo 'Documentation/errors.rst:1: differs from what "make docs" writes'
	verdict $bad errors.rst
fi

mapfile -t files < <(project_files 'Documentation/man/*.[1-9]')
if ((${#files[@]})); then
	bad=0
	for file in "${files[@]}"; do
		messages=$(groff -man -Tutf8 -ww -z "$file" 2>&1)
		[[ -z $messages ]] || { echo "$messages" && bad=1; }
	done
	verdict $bad man
fi

mapfile -t files < <(project_files '*.rst')
if ((${#files[@]})) && command -v rst2html >/dev/null; then
	bad=0
	for file in "${files[@]}"; do
		rst2html --halt=5 --report=2 --exit-status=2 "$file" /dev/null || bad=1
	done
	verdict $bad rst
fi
exit $status
