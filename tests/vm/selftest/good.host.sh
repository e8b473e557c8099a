#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only

# shellcheck source=tests/vm/host.sh
. "$VFSR_SRC/tests/vm/host.sh"

wait_guest ready
run 'unplug' unplug 0
tell_guest unplugged
wait_guest gone
printf 'from the host' | dd of="${IMAGES[0]}" conv=notrunc status=none
run 'plug' plug 0
tell_guest plugged
wait_guest written
run 'power cut' power_cut
run 'the image keeps what was written' grep -q persistent "${IMAGES[1]}"
run 'boot again' boot_again
wait_end 120
