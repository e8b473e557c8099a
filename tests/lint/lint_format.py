#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's layout of C, by clang-format; --apply changes the files instead.

Alignment inside a line is the author's: members, values and trailing comments may be lined up
with tabs, which clang-format cannot do. So two lines that differ only in the blanks after their
indentation count as the same, as long as the author's one has at most 80 columns (that is left to the author by --apply).
"""

import difflib
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from common import c_files, error, finish

COLUMNS = 80


def keys(lines):
    """What of each line must agree: indentation and words (inside a comment only the words)."""
    out, comment = [], False
    for line in lines:
        body = line.strip()
        indent = "" if comment else line[:len(line) - len(line.lstrip())]
        out.append(indent + re.sub(r"\s+", " ", body))
        opened = line.rfind("/*")
        comment = opened > line.rfind("*/") or (comment and "*/" not in line)
    return out


def too_wide(old, new):
    return len(old.expandtabs(8)) > max(COLUMNS, len(new.expandtabs(8)))


def clang_format(name):
    return subprocess.run(["clang-format", name], check=True, universal_newlines=True,
                          stdout=subprocess.PIPE).stdout


def differences(name, apply):
    """(line number, what is wanted there) of each difference; written back with apply."""
    with open(name, encoding="utf-8") as f:
        old = f.read().splitlines()
    new = clang_format(name).splitlines()
    result, wanted = [], []
    matcher = difflib.SequenceMatcher(None, keys(old), keys(new), autojunk=False)
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag != "equal":
            wanted.append((i1 + 1, f"wanted: {new[j1].strip() if j1 < j2 else '(no line)'}"))
            result += new[j1:j2]
            continue
        for i, j in zip(range(i1, i2), range(j1, j2)):
            text = old[i].rstrip()
            if text != old[i]:
                wanted.append((i + 1, "no blanks at the end"))
            if too_wide(text, new[j]):
                wanted.append((i + 1, f"{COLUMNS} columns at most (blanks count)"))
            result.append(text)
    if apply and wanted:
        with open(name, "w", encoding="utf-8") as f:
            f.write("\n".join(result) + "\n")
    return wanted


def main():
    apply = "--apply" in sys.argv
    if not shutil.which("clang-format"):
        print("skip clang-format is not installed")
        sys.exit(77)
    files = [a for a in sys.argv[1:] if a != "--apply"] or c_files()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, wanted in zip(files, pool.map(lambda n: differences(n, apply), files)):
            for number, text in wanted if not apply else ():
                error(f"{name}:{number}", text)
    finish()


main()
