#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A program that does not end.
# timeout: 5

# shellcheck source=tests/vm/guest.sh
. "$(dirname "$0")/../guest.sh"

ok 'before the end'
trap '' TERM INT HUP
while :; do
	sleep 1
done
