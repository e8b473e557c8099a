#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# prepare.sh SRC DIR [LAYERS [MAIN]]: fill DIR with symlinks to the sources of the module, so
# that kbuild leaves its objects there and not in the source tree. Links that are right already
# are left alone, so that nothing is compiled again for them.
#
# LAYERS are folders of kernel/, all that exist by default. MAIN is a source file that is linked
# in beside them; without one, and when no layer has a module_init, tests/kmod/main.c is.

set -euo pipefail
shopt -s nullglob

src=$(readlink -f "$1")
dir=$2
layers=${3:-port core base pool grid log tree space vfs}
main=${4:-}
mkdir -p "$dir"

declare -A want=([Kbuild]=$src/kernel/Kbuild)
own_init=
for layer in $layers; do
	for file in "$src/kernel/$layer"/*.[ch]; do
		want[$layer/${file##*/}]=$file
	done
	[[ -e $src/kernel/vfs/vfs_main.c && $layer == vfs ]] && own_init=1
done
if [[ -n $main ]]; then
	want[main.c]=$(readlink -f "$main")
elif [[ -z $own_init ]]; then
	want[main.c]=$src/tests/kmod/main.c
fi

cd "$dir"
while IFS= read -r -d '' link; do
	link=${link#./}
	if [[ ${want[$link]-} == "$(readlink "$link")" ]]; then
		unset "want[$link]"
	else
		rm -f "$link"
	fi
done < <(find . -type l -print0)
for link in "${!want[@]}"; do
	mkdir -p "$(dirname "$link")"
	ln -s "${want[$link]}" "$link"
done
