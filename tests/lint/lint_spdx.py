#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Every source file says its licence in its first line (the second, after a #! or #compdef line)."""

import re

from common import error, finish, project_files

EXEMPT = re.compile(r"(\.(md|rst|json|bin|hex|gz|xz|zst|img|patch)|(^|/)COPYING)$|^tests/fuzz/corpus/")
LINE = re.compile(rb"SPDX-License-Identifier: GPL-2\.0-only( WITH Linux-syscall-note)?(\s*\*/)?\s*$")

for name in project_files():
    if EXEMPT.search(name):
        continue
    with open(name, "rb") as f:
        first, second = f.readline(), f.readline()
    line = second if first.startswith((b"#!", b"#compdef")) else first
    number = 2 if first.startswith((b"#!", b"#compdef")) else 1
    if not LINE.search(line):
        error(f"{name}:{number}", "no line 'SPDX-License-Identifier: GPL-2.0-only' here")
finish()
