#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# deps.sh PACKAGE...: install the Debian packages that are missing, quietly and without
# questions. Does nothing, not even `apt-get update`, when all are there.

set -euo pipefail

if ! command -v dpkg-query >/dev/null; then
	echo "deps: not a Debian system; install the equivalents of: $*" >&2
	exit 0
fi

missing=()
for package; do
	state=$(dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null || true)
	grep -qx installed <<<"$state" || missing+=("$package")
done
((${#missing[@]})) || exit 0

as_root=()
if ((EUID != 0)); then
	command -v sudo >/dev/null || {
		echo "deps: need root or sudo to install: ${missing[*]}" >&2
		exit 1
	}
	as_root=(sudo)
fi

apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y
	-o DPkg::Lock::Timeout=900 -o Dpkg::Use-Pty=0)
echo "deps: installing ${missing[*]}"
# an unreachable third-party source must not stop us if ours answered
"${apt[@]}" update || echo "deps: apt-get update had errors, going on" >&2
"${apt[@]}" install --no-install-recommends "${missing[@]}" </dev/null >/dev/null
