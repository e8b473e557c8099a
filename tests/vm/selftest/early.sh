#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The guest dies before the test begins: the kernel finds no program to start.
# kernel: rdinit=/none root=/dev/none

# shellcheck source=tests/vm/guest.sh
. "$(dirname "$0")/../guest.sh"

ok 'never reached'
