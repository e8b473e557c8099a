#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# debug_kernel.sh build DIR: a kernel that checks itself (KASAN, lockdep, kmemleak), from the package
# linux-source-6.12 and debug.config, in DIR: built once, and again when one of the two changes.
# Takes an hour of two CPUs and 4 GB. A DIR without a stamp of ours but with a kernel is taken as
# it is, whoever built it there.
#
# debug_kernel.sh test DIR: run the VM tests on it, one after another, $TESTS or all that the
# packaged kernel runs too. VM_SLOW (8) stretches their timeouts.

set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
src=$(readlink -f "$here/../..")
tarball=/usr/src/linux-source-6.12.tar.xz

build()
{
	local dir=$1 tree stamp line
	if [[ -e $dir/arch/x86/boot/bzImage && ! -e $dir/vfsr.stamp ]]; then
		echo "debug kernel: the one in $dir"
		return
	fi
	[[ -e $tarball ]] || {
		echo "debug kernel: no $tarball (make deps-debug)" >&2
		return 1
	}
	stamp=$(cat "$here/debug.config" "$tarball" | sha256sum)
	[[ ! -e $dir/vfsr.stamp || $(<"$dir/vfsr.stamp") != "$stamp" ]] || return 0
	mkdir -p "$dir"
	dir=$(readlink -f "$dir")
	tree=$dir.source
	rm -rf "$tree" "$dir/vfsr.stamp"
	mkdir "$tree"
	tar -xf "$tarball" -C "$tree" --strip-components=1
	make -s -C "$tree" O="$dir" tinyconfig
	cat "$here/debug.config" >>"$dir/.config"
	make -s -C "$tree" O="$dir" olddefconfig 2>/dev/null
	while IFS= read -r line; do
		[[ $line != *CONFIG_* ]] || grep -qxF -- "$line" "$dir/.config" ||
			{ echo "debug kernel: cannot have $line" >&2; return 1; }
	done < <(grep -E '^(# )?CONFIG_' "$here/debug.config")
	echo "debug kernel: building in $dir, about an hour"
	nice make -s -j"$(nproc)" -C "$tree" O="$dir" bzImage modules
	echo "$stamp" >"$dir/vfsr.stamp"
}

# Its modules in DIR.modules, also of a DIR that somebody else built
install_modules()
{
	make -s -C "$1/source" O="$1" modules_install INSTALL_MOD_PATH="$src/build/debug/install"
}

run_tests()
{
	local dir release
	dir=$(readlink -f "$1")
	release=$(<"$dir/include/config/kernel.release")
	install_modules "$dir"
	export VM_KERNEL=$dir/arch/x86/boot/bzImage
	export VM_MODULES=$src/build/debug/install/lib/modules/$release
	export VM_SLOW=${VM_SLOW:-8} VM_MEM=${VM_MEM:-3G} VM_JOBS=1 VM_APPEND=kmemleak=on
	export KDIR=$dir VM_OUT=build/debug/module VM_MODULE=$src/build/debug/module/vfsr.ko
	cd "$src"
	tests/run.sh vm
}

case ${1:-} in
build) build "$2" ;;
test) run_tests "$2" ;;
*)
	echo "usage: $0 build|test DIR" >&2
	exit 2
	;;
esac
