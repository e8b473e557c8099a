#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Pulls the fourth disk out while the guest reads, and puts it back later.

# shellcheck source=tests/vm/host.sh
. "$VFSR_SRC/tests/vm/host.sh"

wait_guest pull 300 || exit 0
unplug 3
tell_guest pulled
wait_guest finished 200 || exit 0
plug 3
tell_guest plugged
