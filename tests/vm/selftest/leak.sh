#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The module leaks; see tests/kmod/leaky.c.
# kernel: slub_debug=U,kmalloc-1k,kmalloc-2k

# shellcheck source=tests/vm/guest.sh
. "$(dirname "$0")/../guest.sh"

run 'the module is there' grep -q '^vfsr ' /proc/modules
