# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the lint scripts share. Sourced, from the top of the source tree.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
shopt -s nullglob

# project_files PATTERN...: files that are or would be committed and match a shell pattern
project_files()
{
	local file pattern
	{
		git -c safe.directory='*' ls-files -z -co --exclude-standard 2>/dev/null ||
			find . \( -name .git -o -name build \) -prune -o -type f -printf '%P\0'
	} | sort -zu | while IFS= read -r -d '' file; do
		[[ -f $file ]] || continue
		for pattern; do
			# shellcheck disable=SC2053 # a pattern is meant
			if [[ $file == $pattern ]]; then
				printf '%s\n' "$file"
				break
			fi
		done
	done
}

# need PROGRAM: skip this lint where the program is not installed
need()
{
	command -v "$1" >/dev/null && return
	echo "skip $1 is not installed"
	exit 77
}

make_flags()
{
	env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -s "$1"
}
