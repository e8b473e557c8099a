#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Files of at most 1000 lines (a note from 800 on), C functions of at most 100 lines.

In the kernel's style a function starts with a line "{" and ends with the next line that
begins with "}"; nothing else puts a brace alone into the first column.
"""

import re

from common import error, finish, project_files, read_lines

FILE_NOTE, FILE_MAX, FUNCTION_MAX = 800, 1000, 100
SOURCE = re.compile(r"(\.([ch]|sh|py|bash)|(^|/)Makefile)$")
NAME = re.compile(r"(\w+)\s*\(")


def function_name(lines, brace):
    """The name in the head that ends above the brace."""
    for i in range(brace - 1, max(brace - 12, -1), -1):
        match = NAME.search(lines[i])
        if match and not lines[i][:1].isspace():
            return match.group(1)
    return "function"


def check_functions(name, lines):
    start = None
    for number, line in enumerate(lines):
        if line == "{":
            start = number
        elif line.startswith("}") and start is not None:
            length = number - start - 1
            if length > FUNCTION_MAX:
                error(f"{name}:{start + 1}", f"{function_name(lines, start)}() has {length} lines, "
                                             f"more than {FUNCTION_MAX}")
            start = None


for path in project_files():
    if not SOURCE.search(path):
        continue
    text = read_lines(path)
    if len(text) > FILE_MAX:
        error(f"{path}:{len(text)}", f"{len(text)} lines, more than {FILE_MAX}: split the file")
    elif len(text) > FILE_NOTE:
        print(f"{path}:{len(text)}: note: {len(text)} lines, {FILE_MAX} are the limit")
    if path.endswith((".c", ".h")):
        check_functions(path, text)
finish()
