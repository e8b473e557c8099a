#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Nothing committed names a path of the machine it was written on.

That is: home directories, and the folder this tree lies in (known only now), as far as that is
not a place every system has.
"""

import os
import re

from common import SRC, error, finish, project_files

# The first folders that every system has, and that documents may speak of.
COMMON = {"bin", "boot", "dev", "etc", "lib", "media", "mnt", "opt", "proc", "run", "sbin", "srv",
          "sys", "tmp", "usr", "var"}

names = ["home/[a-z]", "root/", "Users/[A-Za-z]"]
names.append(re.escape(SRC.lstrip("/")) + r"\b")
top = SRC.split("/")[1]
if top not in COMMON | {"home", "root", ""}:
    names.append(re.escape(top) + "/")
PATTERN = re.compile(r"(?<![\w./$}*)\]%-])/(?:" + "|".join(names) + ")")

for name in project_files():
    if name == "tests/lint/lint_paths.py":
        continue
    with open(name, encoding="utf-8", errors="replace") as f:
        for number, line in enumerate(f, 1):
            match = PATTERN.search(line)
            if match:
                error(f"{name}:{number}", f"a path of one machine: {line.strip()[:80]}")
finish()
