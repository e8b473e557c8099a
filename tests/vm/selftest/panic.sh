#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The kernel dies.

# shellcheck source=tests/vm/guest.sh
. "$(dirname "$0")/../guest.sh"

ok 'before the end'
echo c >/proc/sysrq-trigger
ok 'after the end'
