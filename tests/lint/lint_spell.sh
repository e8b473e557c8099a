#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# codespell over sources and documents; words it gets wrong are listed in .codespellrc.

# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"
need codespell

project_files '*' | grep -v '^COPYING$\|^tests/fuzz/corpus/\|\.\(bin\|gz\|xz\|img\)$' | tr '\n' '\0' |
	xargs -0 codespell
