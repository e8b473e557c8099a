#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The core rules that only the compiler can see.

symbols    every undefined symbol of the core objects is defined by another core object or is
           in core-symbols.txt
globals    no writable data
frames     no stack frame above 1 KiB
recursion  no cycle in the call graph (calls through pointers are not followed)
float      compiles with general registers only
"""

import fnmatch
import glob
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from common import SRC, make_flags

OUT = "build/lint/purity"
FRAME = 1024
PLAIN = ["-fno-pic", "-fno-stack-protector", "-U_FORTIFY_SOURCE", "-fcf-protection=none"]
# what is called is easiest to see when nothing is inlined and no call becomes a jump
GRAPH = ["-O1", "-fno-inline", "-fno-optimize-sibling-calls", "-fcallgraph-info"]
failed = False


def verdict(name, findings):
    global failed
    for finding in findings:
        print(finding)
    print(f"{'not ok' if findings else 'ok'} {name}")
    failed = failed or bool(findings)


def compile_one(source, suffix, flags):
    """Compile to OUT; the compiler's messages, empty when all is well."""
    target = os.path.join(OUT, os.path.basename(source)[:-2] + suffix)
    run = subprocess.run(
        [os.environ.get("CC", "gcc"), *make_flags_all, *PLAIN, *flags, "-c", "-o", target, source],
        stderr=subprocess.PIPE, universal_newlines=True, check=False)
    return run.stderr.strip()


def compile_all(sources, suffix, flags):
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [m for m in pool.map(lambda s: compile_one(s, suffix, flags), sources) if m]


def symbols(objects):
    """(object, type letter, name) of each symbol."""
    for obj in objects:
        out = subprocess.run(["nm", "-P", obj], stdout=subprocess.PIPE,
                             universal_newlines=True, check=True).stdout
        for line in out.splitlines():
            name, letter = line.split()[:2]
            yield obj, letter, name


def source_of(obj):
    return "kernel/core/" + os.path.basename(obj)[:-2] + ".c"


def check_symbols(objects):
    with open("tests/lint/core-symbols.txt", encoding="ascii") as f:
        patterns = [line.strip() for line in f if line.strip() and not line.startswith("#")]
    table = list(symbols(objects))
    defined = {name for _, letter, name in table if letter.isupper() and letter != "U"}
    verdict("symbols", [
        f"{source_of(obj)}:1: calls {name}, which neither the core nor core-symbols.txt has"
        for obj, letter, name in table
        if letter in "Uwv" and name not in defined
        and not any(fnmatch.fnmatchcase(name, p) for p in patterns)])
    verdict("globals", [f"{source_of(obj)}:1: {name} is writable data"
                        for obj, letter, name in table if letter in "bBdDgGsSC"])


def call_graph():
    """{function: {callee}} from gcc's .ci files; locals keep their file's name."""
    graph = {}
    for name in glob.glob(OUT + "/*.ci"):
        with open(name, encoding="utf-8") as f:
            text = f.read()
        for caller, callee in re.findall(
                r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"', text):
            graph.setdefault(caller, set()).add(callee)
    return graph


def find_cycles(graph):
    """One finding per function that can reach itself."""
    findings = []
    for start in sorted(graph):
        came_from, todo = {}, [start]
        while todo:
            node = todo.pop()
            for callee in graph.get(node, ()):
                if callee not in came_from:
                    came_from[callee] = node
                    todo.append(callee)
        if start in came_from:
            path = [start, came_from[start]]
            while path[-1] != start:
                path.append(came_from[path[-1]])
            findings.append("kernel/core: recursion: " + " -> ".join(reversed(path)))
    return findings


os.chdir(SRC)
sources = sorted(glob.glob("kernel/core/*.c"))
if not sources:
    print("skip no core sources yet")
    sys.exit(77)
os.makedirs(OUT, exist_ok=True)
for old in glob.glob(OUT + "/*"):
    os.remove(old)
# warnings are the business of the builds: here only what is asked for
make_flags_all = make_flags("print-cppflags") + [
    f for f in make_flags("print-cflags") if not f.startswith("-W")]

verdict("frames", compile_all(sources, ".o", ["-O2", f"-Wframe-larger-than={FRAME}"]))
check_symbols(sorted(glob.glob(OUT + "/*.o")))
verdict("float", compile_all(sources, ".general.tmp", ["-O2", "-mgeneral-regs-only"]))
compile_all(sources, ".graph.tmp", GRAPH)
verdict("recursion", find_cycles(call_graph()))
sys.exit(1 if failed else 0)
