#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Every shell script, the completions too, through shellcheck.

# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"
need shellcheck

mapfile -t files < <(project_files '*.sh' '*.bash' '.ci/run')
shellcheck -x "${files[@]}"
