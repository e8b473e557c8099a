#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# mount.vfsr finds the members of a pool: by a device, a label, a uuid, with copies,
# strangers and missing members around. Nothing is mounted (-f): images serve as devices.
#
# Needs VFSR_BUILD (programs); makes files in TMPDIR only.

src=${VFSR_SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${VFSR_BUILD:-$src/build}
tmp=$(mktemp -d "${TMPDIR:-/tmp}/vfsr-mount.XXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 1
failed=0

verdict()
{
	if (($? == 0)); then
		echo "ok $1"
	else
		echo "not ok $1"
		failed=1
	fi
}

# devices FILE...: what mount.vfsr looks at
devices()
{
	local name list=
	for name; do
		list+=${list:+:}$tmp/$name
	done
	export VFSR_DEVICES=$list
}

# mounts OPTIONS SOURCE ARGUMENT...: it would mount SOURCE with these options
mounts()
{
	local want="mount -i -t vfsr -o $1 $2 /mnt" status
	shift 2
	"$build/mount.vfsr" -f "$@" >out 2>err
	status=$?
	if ((status != 0)) || [[ $(<out) != "$want" ]]; then
		echo "$*: status $status, wanted '$want', got:"
		cat out err
		return 1
	fi
}

# refuses CODE WORDS ARGUMENT...
refuses()
{
	local code=$1 words=$2 status
	shift 2
	"$build/mount.vfsr" -f "$@" >out 2>err
	status=$?
	if ((status != code)) || [[ -s out ]] || ! grep -q -e "$words" err; then
		echo "$*: status $status (not $code), or no '$words' in its error:"
		cat out err
		return 1
	fi
}

truncate -s 64M {a,b,c,d,e}.img
uuid=11111111-2222-4333-8444-555555555555
"$build/mkfs.vfsr" -q -L photos -U $uuid {a,b,c}.img && "$build/mkfs.vfsr" -q -L other d.img || exit 1
rest=device=$tmp/b.img,device=$tmp/c.img

devices {a,b,c,d,e}.img
mounts "rw,$rest" "$tmp/a.img" a.img /mnt &&
	mounts "rw,device=$tmp/a.img,device=$tmp/c.img" "$tmp/b.img" "$tmp/b.img" /mnt
verdict 'by any device'
mounts "rw,$rest" "$tmp/a.img" LABEL=photos /mnt &&
	mounts "rw,$rest" "$tmp/a.img" 'LABEL="photos"' /mnt &&
	mounts "rw,$rest" "$tmp/a.img" UUID=$uuid /mnt &&
	mounts rw "$tmp/d.img" LABEL=other /mnt
verdict 'by label and uuid'
mounts "ro,compress_keep=70,sloppy,$rest" "$tmp/a.img" a.img /mnt -sn \
	-o rw,noatime,nofail,x-systemd.automount -o 'ro,compress_keep="70",sloppy,_netdev,user=me'
verdict 'options'
mounts "rw,context=\"a,b\",$rest" "$tmp/a.img" a.img /mnt -o 'context="a,b"'
verdict 'an option with a comma'

"$build/mount.vfsr" -f --json a.img /mnt >out &&
	[[ $(jq -r '.kind, .uuid, .missing, .members[1].device' out | tr '\n' ' ') == \
		"mount $uuid 0 $tmp/b.img " ]]
verdict 'json'

"$build/mount.vfsr" --udev b.img >out &&
	grep -qx 'ID_FS_TYPE=vfsr' out && grep -qx "ID_FS_UUID=$uuid" out && grep -qx 'ID_FS_LABEL_ENC=photos' out
verdict 'properties for udev'
"$build/mkfs.vfsr" -q -L $'a b"=\\' e.img && "$build/mount.vfsr" --udev e.img >out &&
	grep -qxF 'ID_FS_LABEL_ENC=a\x20b\x22=\x5c' out && truncate -s 0 e.img && truncate -s 64M e.img &&
	! "$build/mount.vfsr" --udev e.img >out && [[ ! -s out ]]
verdict 'an odd label for udev'

refuses 32 'no device with a record' LABEL=nobody /mnt &&
	refuses 32 'not a uuid' UUID=x /mnt &&
	refuses 32 'no checkpoint record' e.img /mnt &&
	refuses 32 'absent.img.*check the name' absent.img /mnt &&
	refuses 1 'name a source' a.img &&
	refuses 1 'this mounts vfsr only' -t ext4 a.img /mnt
verdict 'wrong sources'

devices a.img b.img
refuses 32 'member 2 .* is missing; attach it, or mount with -o degraded' a.img /mnt &&
	mounts "rw,degraded,device=$tmp/b.img" "$tmp/a.img" a.img /mnt -o degraded &&
	grep -q 'member 2 .* is missing' err
verdict 'a missing member'
mounts "rw,$rest" "$tmp/a.img" a.img /mnt -o device="$tmp/c.img"
verdict 'a member named by device='
refuses 32 'd.img: belongs to another pool' a.img /mnt -o device=d.img &&
	refuses 32 'e.img: no checkpoint record' a.img /mnt -o device=e.img
verdict 'a stranger named by device='

cp b.img copy.img
devices {a,b,copy,c}.img
refuses 32 'b.img and .*copy.img are both member 1' a.img /mnt &&
	mounts "rw,device=$tmp/copy.img,device=$tmp/c.img" "$tmp/a.img" a.img /mnt -o device="$tmp/copy.img"
verdict 'a copy of a member'
ln b.img link.img
devices {a,b,link,c}.img
mounts "rw,$rest" "$tmp/a.img" a.img /mnt
verdict 'one device by two names'

devices {a,b,c,e}.img
"$build/mkfs.vfsr" -q -L photos e.img
refuses 32 'two pools have this label' LABEL=photos /mnt && mounts rw "$tmp/e.img" e.img /mnt
verdict 'two pools of one label'

# either ring is enough
devices {a,b,c}.img
dd if=/dev/zero of=b.img bs=64K count=17 conv=notrunc status=none
mounts "rw,$rest" "$tmp/a.img" a.img /mnt
verdict 'a destroyed head'
dd if=/dev/urandom of=c.img bs=1M seek=63 count=1 conv=notrunc status=none
mounts "rw,$rest" "$tmp/a.img" a.img /mnt
verdict 'a destroyed tail'
truncate -s 128M a.img
mounts "rw,$rest" "$tmp/a.img" a.img /mnt
verdict 'a device that grew'

# an overwritten pool is not found any more
"$build/mkfs.vfsr" -q -L new a.img 2>/dev/null
mounts rw "$tmp/a.img" a.img /mnt && refuses 32 'member 0 .* is missing' b.img /mnt
verdict 'a device that went to a new pool'
exit $failed
