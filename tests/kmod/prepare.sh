#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# prepare.sh SRC DIR: fill DIR with symlinks to the sources of the core check module, so that
# kbuild leaves its objects there and not in the source tree.

set -euo pipefail

src=$(readlink -f "$1")
mkdir -p "$2/core" "$2/port"
cd "$2"

find . -type l -delete
ln -s "$src"/tests/kmod/{Kbuild,main.c} .
for layer in core port; do
	find "$src/kernel/$layer" -maxdepth 1 -name '*.c' -exec ln -s -t "$layer" {} + 2>/dev/null || true
done
