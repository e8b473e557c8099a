#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Run one command, or a shell, in a fresh guest with the module loaded and empty disks."""

import argparse
import os
import re
import shutil
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "rig"))
# the imports below are from there
import root  # noqa: E402
from guest import Guest  # noqa: E402

EPILOG = """In the guest: /src is the source tree (read-only), /vm a folder shared with the host
(RUNDIR/vm), $DISKS the disks, and the functions of tests/vm/guest.sh can be called.
Example: vmrun.py -d 1G -d 1G -- 'mkfs_mount && ls -la $MNT; umount $MNT; dmesg | tail'"""


def arguments():
    """The parsed command line."""
    parser = argparse.ArgumentParser(description=__doc__, epilog=EPILOG)
    add = parser.add_argument
    add("-o", "--out", default=f"{root.SRC}/build/module", help="directory of vfsr.ko (build/module)")
    add("-p", "--programs", default=f"{root.SRC}/build", help="directory of mkfs.vfsr and the others (build)")
    add("-s", "--smp", type=int, default=1, help="number of CPUs (1)")
    add("-m", "--mem", default="1G", help="memory (1G)")
    add("-d", "--disk", action="append", default=[], metavar="SIZE", help="an empty disk, as often"
        " as you like; FILE for an image of your own, which is written to")
    add("-a", "--append", default="", help="more kernel arguments")
    add("-v", "--share", action="append", default=[], metavar="DIR",
        help="a host directory, mounted read-only at /share0, /share1, ...")
    add("-t", "--timeout", type=int, default=600, help="seconds (600), 0 for none")
    add("-r", "--rundir", help="where the disks and logs go (build/vm/run/run-PID)")
    add("-k", "--keep-disks", action="store_true", help="do not remove the disks at the end")
    add("-n", "--no-module", action="store_true", help="load no vfsr.ko")
    add("--shell", action="store_true", help="a shell on this terminal; ^A X ends the guest")
    add("command", nargs="*", help="shell commands; - reads them from standard input")
    return parser.parse_args()


def prune(top):
    """Remove directories of runs that ended more than a day ago."""
    for name in os.listdir(top):
        path = os.path.join(top, name)
        match = re.fullmatch(r"run-(\d+)", name)
        if match and not os.path.exists("/proc/" + match.group(1)) \
                and time.time() - os.path.getmtime(path) > 86400:
            shutil.rmtree(path, ignore_errors=True)


def follow(path, state):
    """Copy what was added to the file since the last call to standard output."""
    try:
        with open(path, "rb") as f:
            f.seek(state["at"])
            data = f.read()
    except FileNotFoundError:
        return
    if data:
        state["at"] += len(data)
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def finish(guest, in_time, args):
    """The exit status, after words about a guest that did not end well."""
    status = guest.read("status")
    dmesg = os.path.join(guest.vm, "dmesg")
    if not in_time or status is None:
        print(f"vmrun: {'timed out' if not in_time else 'the guest died'}; its console ends:",
              file=sys.stderr)
        with open(guest.console, encoding="utf-8", errors="replace") as f:
            print("".join(f.readlines()[-60:]), file=sys.stderr)
        dmesg = guest.console
    print(f"vmrun: status {status.strip() if status else 'none'}, kernel messages in {dmesg}",
          file=sys.stderr)
    guest.trim(not args.keep_disks)
    return 124 if not in_time else int(status) if status else 125


def main():
    args = arguments()
    if not args.shell and not args.command:
        raise root.RigError("no command; see --help")
    runs = os.path.join(root.BUILD, "run")
    os.makedirs(runs, exist_ok=True)
    prune(runs)
    module = None
    if not args.no_module:
        module = os.path.join(args.out, "vfsr.ko")
        if not os.path.exists(module):
            raise root.RigError(f"no {module} (make module; -n does without)")
    say = (lambda text: print("vmrun:", text, file=sys.stderr))
    sizes = [d if not os.path.exists(d) else "0" for d in args.disk]
    guest = Guest(args.rundir or os.path.join(runs, f"run-{os.getpid()}"), disks=sizes,
                  smp=args.smp, mem=args.mem, append=args.append, module=module,
                  programs=args.programs, shares=args.share)
    for number, disk in enumerate(args.disk):
        if os.path.exists(disk):
            guest.disks[number] = disk
    env = {"VM_SHARES": len(args.share), "VM_BOOT": 1}
    if args.shell:
        columns, lines = shutil.get_terminal_size()
        env.update(VM_ROWS=lines, VM_COLUMNS=columns, TERM=os.environ.get("TERM", "linux"))
    else:
        text = sys.stdin.read() if args.command == ["-"] else "\n".join(args.command)
        guest.write("cmd", ". /vm/tests/guest.sh\n" + text + "\n")
    try:
        guest.start("shell" if args.shell else "run", env, args.shell, say)
        if args.shell:
            guest.wait()
            guest.trim(not args.keep_disks)
            return 0
        state = {"at": 0}
        in_time = guest.wait(args.timeout or None, lambda: follow(guest.output, state))
        if not in_time:
            guest.ask_for_stacks()
    finally:
        guest.close()
    return finish(guest, in_time, args)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except root.RigError as e:
        sys.exit(f"vmrun: {e}")
    except KeyboardInterrupt:
        sys.exit(130)
