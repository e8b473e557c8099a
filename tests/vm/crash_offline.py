#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Power cuts without a guest: all states of a recorded log, judged by fsck.vfsr and a restore.

A state takes a fraction of the time that mounting it in a guest takes, so all of a log can be
tried. What a mount does to an unclean pool is not seen: that is for test_crash.sh.

LOG is what crash_record (crash.sh) left on its second disk, for example of
    tests/vm/vmrun.py -k -r /tmp/rec -s 2 -m 2G -d 512M -d 2G -- '. /src/tests/vm/anyfs.sh
        . /src/tests/vm/crash.sh; crash_record 1 7 400 --noise'
    tests/vm/crash_offline.py --seed 7 --steps 400 --bytes 512M /tmp/rec/disks/disk1
"""

import argparse
import collections
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

SRC = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
BUILD = os.environ.get("VFSR_BUILD", os.path.join(SRC, "build"))
PROGRAMS = {"replaylog": "tests/vm/replaylog", "crashload": "tests/vm/crashload",
            "fsck": "fsck.vfsr", "vfsr": "vfsr"}
MIB = 1 << 20
MAX_BAD = 10


def size(text):
    """A number of bytes with K, M or G behind it."""
    match = re.fullmatch(r"(\d+)([KMG]?)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"'{text}' is no size")
    return int(match.group(1)) << {"": 0, "K": 10, "M": 20, "G": 30}[match.group(2)]


def arguments():
    """The parsed command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--seed", type=int, required=True, help="of the workload")
    add("--steps", type=int, required=True, help="of the workload")
    add("--bytes", type=size, required=True, help="size of the recorded disk, e.g. 512M")
    add("--members", type=int, default=1, help="that it was cut into (1)")
    add("--points", type=int, default=0, help="so many, chosen at random by --seed (0: all)")
    add("--dir", help="where images go; they are sparse (a new temporary directory)")
    add("log")
    return parser.parse_args()


def call(program, *words):
    """Run a program of the build; its exit status and all it said."""
    done = subprocess.run([os.path.join(BUILD, PROGRAMS[program]), *map(str, words)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.returncode, done.stdout.decode(errors="replace")


def must(program, *words):
    status, text = call(program, *words)
    if status:
        sys.exit(f"{program}: status {status}: {text}")
    return text


class States:
    """The images, and the entry of the log that they stand at."""

    def __init__(self, args, top):
        self.args, self.top, self.at = args, top, 0
        member = args.bytes // args.members // MIB * MIB
        self.base = [os.path.join(top, f"base{i}") for i in range(args.members)]
        self.copy = [os.path.join(top, f"copy{i}") for i in range(args.members)]
        self.index = ["--index", os.path.join(top, "index")]
        for path in self.base:
            with open(path, "wb") as f:
                f.truncate(member)

    def points(self):
        """Lines of `replaylog points`, split."""
        text = must("replaylog", "points", *self.index, "--after", "mkfs", "--random", 200,
                    "--subsets", 3, "--torn", 1, "--seed", self.args.seed, self.args.log)
        lines = [line.split() for line in text.splitlines()]
        if self.args.points and self.args.points < len(lines):
            dice = random.Random(self.args.seed)
            lines = [lines[i] for i in sorted(dice.sample(range(len(lines)), self.args.points))]
        return lines

    def make(self, kind, begin, end, seed):
        """Images of one state."""
        if int(begin) > self.at:
            must("replaylog", "replay", *self.index, "--from", self.at, "--to", begin,
                 self.args.log, *self.base)
            self.at = int(begin)
        if kind not in ("subset", "torn"):
            return self.base
        for base, copy in zip(self.base, self.copy):
            subprocess.run(["cp", "--sparse=always", base, copy], check=True)
        must("replaylog", "subset", *self.index, "--from", begin, "--to", end, "--seed", seed,
             *(["--torn", 1] if kind == "torn" else []), self.args.log, *self.copy)
        return self.copy

    def judge(self, images, done, begun):
        """What is wrong with a state."""
        wrong = []
        status, text = call("fsck", "-n", *images)
        if status:
            wrong.append(f"fsck.vfsr: status {status}\n{text}")
        if done == "-":
            return wrong
        out = os.path.join(self.top, "out")
        shutil.rmtree(out, ignore_errors=True)
        status, text = call("vfsr", "restore", "-q", *images, "--to", out, "crash")
        if status:
            wrong.append(f"restore: status {status}\n{text}")
        status, text = call("crashload", "verify", "--seed", self.args.seed, "--ops",
                            self.args.steps, "--done", done, "--begun", begun, out)
        if status:
            wrong.append(f"verify: status {status}\n{text}")
        return wrong


def main():
    args = arguments()
    top = tempfile.mkdtemp(prefix="crash-", dir=args.dir)
    bad, nr, start = 0, collections.Counter(), time.monotonic()
    try:
        states = States(args, top)
        for kind, begin, end, seed, done, begun in states.points():
            wrong = states.judge(states.make(kind, begin, end, seed), done, begun)
            nr[kind] += 1
            if wrong:
                print("\n".join(wrong), f"point: {kind} {begin} {end} {seed} {done} {begun}",
                      sep="\n", flush=True)
                bad += 1
            if bad == MAX_BAD:
                break
    finally:
        shutil.rmtree(top)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(nr.items()))
    print(f"seed {args.seed}: {nr.total()} states ({kinds}), {bad} bad,"
          f" {time.monotonic() - start:.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
