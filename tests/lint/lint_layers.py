#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Layers: a file includes only its own and lower ones, by the layer's name.

Also: the core and the format hold no system includes and no #ifdef __KERNEL__; the names of
files are unique across kernel/ (but kernel/core/X.h may be the code for kernel/format/X.h), and
so are include guards everywhere.
"""

import os
import re

from common import c_files, error, finish, read_lines

# From low to high. A kernel layer includes what stands before it, and itself.
KERNEL = ["port", "format", "core", "base", "pool", "grid", "log", "tree", "space", "vfs"]
PURE = ("kernel/format/", "kernel/core/")
PORTS = ("kernel/port/", "tools/lib/port/")
LIB = ["port", "uapi", "format", "core", "lib"]
UAPI = {"linux/types.h", "linux/ioctl.h"}

INCLUDE = re.compile(r'\s*#\s*include\s*(["<])([^">]+)[">]')
GUARD = re.compile(r"\s*#\s*ifndef\s+(\w+_H_*)\s*$")
KERNEL_IFDEF = re.compile(r"\s*#\s*(ifn?def|if|elif)\b.*\b__KERNEL__\b")


def layer_of_include(name, path):
    """The layer that an include names; None for an unknown one."""
    if path == "port.h":
        return "port"
    head = path.split("/", 1)[0] if "/" in path else ""
    if head in KERNEL or head in ("uapi", "lib"):
        return head
    if not head:
        # a plain name is a file beside this one: the same layer
        return "sibling" if os.path.exists(os.path.join(os.path.dirname(name), path)) else None
    return None


def allowed_layers(name):
    """The layers this file may include, or None when anything goes (tests)."""
    parts = name.split("/")
    if name.startswith(PORTS):
        return ["sibling", "port"]
    if parts[0] == "kernel":
        layer = parts[1]
        if layer in ("format", "core"):
            return KERNEL[:KERNEL.index(layer) + 1]
        if layer in KERNEL:
            return KERNEL[:KERNEL.index(layer) + 1] + ["uapi", "sibling"]
        return []
    if name.startswith("tools/lib/"):
        return LIB + ["sibling"]
    if parts[0] in ("mkfs", "fsck", "mount", "tools"):
        return LIB + ["sibling"]
    return None


def check_include(name, number, quote, path):
    where = f"{name}:{number}"
    if name.startswith("kernel/uapi/"):
        if quote != "<" or path not in UAPI:
            error(where, f"the ABI header may include only {', '.join(sorted(UAPI))}, not {path}")
        return
    if quote == "<":
        if name.startswith(PURE):
            error(where, f"<{path}>: core and format get the system through port.h alone")
        return
    allowed = allowed_layers(name)
    if allowed is None:
        return
    layer = layer_of_include(name, path)
    if layer is None:
        error(where, f'"{path}": no such layer or file; name it as "LAYER/file.h"')
    elif layer == "sibling" and name.startswith(PURE):
        error(where, f'"{path}": name the layer: "{name.split("/")[1]}/{path}"')
    elif layer not in allowed:
        error(where, f'"{path}": layer {layer} is above {os.path.dirname(name)} '
                     "(reach it through a callback struct)")


def main():
    basenames, guards = {}, {}
    for name in c_files():
        if name.startswith("kernel/") and not name.startswith("kernel/format/"):
            first = basenames.setdefault(os.path.basename(name), name)
            if first != name:
                error(f"{name}:1", f"the name is taken by {first}; names are unique in kernel/")
        for number, line in enumerate(read_lines(name), 1):
            match = GUARD.match(line)
            if match and os.path.basename(name) != "port.h":
                first = guards.setdefault(match.group(1), name)
                if first != name:
                    error(f"{name}:{number}", f"the guard {match.group(1)} is that of {first}")
            match = INCLUDE.match(line)
            if match:
                check_include(name, number, *match.groups())
            elif name.startswith(PURE) and KERNEL_IFDEF.match(line):
                error(f"{name}:{number}", "the core has one source for both sides: no __KERNEL__")
    finish()


main()
