#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The main job in one page, on virtual disks in a guest.

A pool over six disks of different sizes is mounted, a real tree is copied in, two disks are pulled
out while it is read, it is compared, more is written without the two; then, outside of the guest,
the pool is checked and the tree is restored from the four images that are left.

Usage: demo.py [DIR]    (default: the newest /usr/lib/python3.N)
Environment: VFSR_SRC, VFSR_BUILD, MODULE_OUT, TMPDIR.
"""

import glob
import os
import shutil
import subprocess
import sys
import tempfile
import time

SRC = os.environ.get("VFSR_SRC") or os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BUILD = os.environ.get("VFSR_BUILD") or os.path.join(SRC, "build")
MODULE = os.path.join(os.environ.get("MODULE_OUT") or os.path.join(BUILD, "module"), "vfsr.ko")
sys.path.insert(0, os.path.join(SRC, "tests", "vm", "rig"))
from guest import Guest         # noqa: E402
from monitor import unplug      # noqa: E402

POLICY = "grid:4+2+1"
LIMIT = 280     # seconds that the guest may take
PULLED = (1, 4)

GUEST = r"""
. /vm/tests/guest.sh
set -o pipefail
tree=/share0
die() { echo "demo: $*"; exit 1; }
now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.1f s", b - a }'; }
say() { printf '\n%s\n' "$*"; }
note() { echo "   $*"; }
same() { echo 3 >/proc/sys/vm/drop_caches; diff -r --no-dereference "$tree" "$MNT/tree"; }

say "1. A pool over six disks: $POLICY"
mkfs.vfsr -q -L demo -d "$POLICY" "${DISKS[@]}" || die "mkfs.vfsr failed"
mount -t vfsr "${DISKS[0]}" "$MNT" || die "the mount failed"
note "$(findmnt -n -o SOURCE,FSTYPE,SIZE,AVAIL "$MNT")"

say "2. A tree goes in"
start=$(now)
cp -a "$tree" "$MNT/tree" || die "cp failed"
sync -f "$MNT"
took=$(since "$start")
note "$(find "$MNT/tree" | wc -l) names, $(du -sm --apparent-size "$MNT/tree" | cut -f1) MiB of data in $took"
for state in raw compressed void monolith; do
	printf '   %s chunks: %s\n' "$state" "$(cat /sys/fs/vfsr/*/route_$state)"
done
umount "$MNT" && mount -t vfsr "${DISKS[0]}" "$MNT" || die "remounting failed"

say "3. Two disks are pulled out while it is read"
(same) & reader=$!
tell_host pull
wait_host pulled 60 || die "the disks were not pulled out"
wait "$reader" || die "a file read differently"
note "disks in the guest: $(ls /dev/vd? | wc -l) (one is the system's)"
start=$(now)
same || die "a file read differently"
note "read again and compared, byte for byte, with two of six disks gone: $(since "$start")"

say "4. Writing goes on without them"
mkdir "$MNT/more" && cp -a "$MNT/tree/." "$MNT/more/" && sync -f "$MNT" || die "writing failed"
diff -r --no-dereference "$tree" "$MNT/more" || die "the copy differs"
note "a second copy written and compared; members: $(cat /sys/fs/vfsr/*/devices/*/state | tr '\n' ' ')"
umount "$MNT" || die "the unmount failed"
note "unmounted"
"""


def die(text):
    """The demo failed."""
    sys.exit(f"demo: {text}")


def follow(guest, state):
    """Show what the guest wrote since the last time; answer it."""
    try:
        with open(guest.output, "rb") as f:
            f.seek(state["at"])
            data = f.read()
    except FileNotFoundError:
        data = b""
    state["at"] += len(data)
    sys.stdout.write(data.decode(errors="replace"))
    sys.stdout.flush()
    if not state["pulled"] and os.path.exists(os.path.join(guest.vm, "sync", "guest.pull")):
        state["pulled"] = True
        for number in PULLED:
            unplug(guest.qmp_path, number)
        guest.write(os.path.join("sync", "host.pulled"), "")


def in_guest(folder, tree):
    """Everything up to the unmount. Returns the images of the disks that are left."""
    megabytes = int(subprocess.run(["du", "-sm", "--apparent-size", tree], check=True,
                                   stdout=subprocess.PIPE, text=True).stdout.split()[0])
    # two copies, in four of six columns; the smallest disk decides
    sizes = [f"{megabytes * 3 // 4 + 192 + i * 37}M" for i in range(6)]
    guest = Guest(os.path.join(folder, "guest"), disks=sizes, smp=2, mem="2G", module=MODULE,
                  programs=BUILD, shares=[tree])
    guest.write("cmd", f"POLICY={POLICY}\n" + GUEST)
    state = {"at": 0, "pulled": False}
    try:
        guest.start("run", {"VM_SHARES": 1, "VM_BOOT": 1},
                    say=lambda text: print("demo:", text, flush=True))
        if not guest.wait(LIMIT, lambda: follow(guest, state)):
            guest.ask_for_stacks()
            die(f"the guest took more than {LIMIT} seconds")
    finally:
        guest.close()
    status = (guest.read("status") or "none").strip()
    if status != "0":
        with open(guest.console, encoding="utf-8", errors="replace") as f:
            print("".join(f.readlines()[-20:]), file=sys.stderr)
        die(f"the guest ended with status {status}")
    return [disk for number, disk in enumerate(guest.disks) if number not in PULLED]


def tool(name, *arguments, ok=(0,)):
    """Run one of our programs; show what it said when it failed."""
    start = time.monotonic()
    done = subprocess.run([os.path.join(BUILD, name), *arguments], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode not in ok:
        print(done.stdout[-3000:], file=sys.stderr)
        die(f"{name} ended with status {done.returncode}")
    return time.monotonic() - start


def main():
    tree = sys.argv[1] if len(sys.argv) > 1 and sys.argv[1] else \
        sorted(glob.glob("/usr/lib/python3.[0-9]*"))[-1]
    if not os.path.isdir(tree):
        die(f"{tree} is not a directory")
    if not os.path.exists(MODULE):
        die(f"{MODULE} is missing; run 'make module' first")
    start = time.monotonic()
    folder = tempfile.mkdtemp(prefix="vfsr-demo.")
    try:
        images = in_guest(folder, tree)
        print("\n5. Outside of the guest, from the four images that are left")
        took = tool("fsck.vfsr", "-n", *images)
        print(f"   fsck.vfsr -n: clean ({took:.1f} s)")
        took = tool("vfsr", "restore", "-q", *reversed(images), "--to", os.path.join(folder, "out"))
        print(f"   vfsr restore: {took:.1f} s")
        for name in ("tree", "more"):
            done = subprocess.run(["diff", "-r", "--no-dereference", tree,
                                   os.path.join(folder, "out", name)], check=False)
            if done.returncode:
                die(f"the restored {name} differs")
        print("   both copies compared with the original: identical")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"\nDone in {time.monotonic() - start:.0f} s: nothing was lost.")


main()
