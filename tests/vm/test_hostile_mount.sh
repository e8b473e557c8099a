#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Mutated pools, their checksums made to fit, are mounted, walked, read, written and unmounted, or
# refused: never an oops, a hang or a warning. A failure names its seed. By hand, more of them, or
# one seed again (it says then what was changed and done):
#   tests/vm/vmrun.py -m 2G -d 16M -d 8M -d 8M -d 8M -t 8000 -- 'bash /src/tests/vm/test_hostile_mount.sh 1000'
#   ... -- 'bash /src/tests/vm/test_hostile_mount.sh 1 SEED'
# disks: 16M 8M 8M 8M
# mem: 1G
# timeout: 900

# shellcheck source=tests/vm/guest.sh
. "$(dirname "$0")/guest.sh"

images=${1:-100}
first=${2:-0}

# one device, and three
for devices in "${DISKS[0]}" "${DISKS[*]:1}"; do
	# shellcheck disable=SC2086 # words
	run "$(((images + 1) / 2)) images on ${devices// / and }" \
		hostile "$MNT" "$first" $(((images + 1) / 2)) $devices
	# of a seed that failed
	umount "$MNT" 2>/dev/null
done
true
