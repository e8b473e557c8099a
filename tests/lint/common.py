# SPDX-License-Identifier: GPL-2.0-only
"""What the lint scripts share: the list of the project's files and the reporting.

A script calls error() for each finding (file:line: message) and ends with finish().
"""

import os
import subprocess
import sys

SRC = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
errors = 0


def _walk():
    for top, dirs, names in os.walk("."):
        dirs[:] = [d for d in dirs if d not in (".git", "build", "__pycache__")]
        for name in names:
            yield os.path.relpath(os.path.join(top, name))


def project_files():
    """Every file that is or would be committed, sorted."""
    os.chdir(SRC)
    git = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    if git.returncode == 0:
        names = [os.fsdecode(n) for n in git.stdout.split(b"\0") if n]
    else:
        names = list(_walk())
    return sorted({n for n in names if os.path.isfile(n)})


def c_files(*tops):
    """The .c and .h files below the given folders (all without arguments)."""
    return [n for n in project_files() if n.endswith((".c", ".h"))
            and (not tops or n.startswith(tuple(t + "/" for t in tops)))]


def read_lines(name):
    with open(name, encoding="utf-8", errors="surrogateescape") as f:
        return f.read().splitlines()


def make_flags(target):
    """The value of print-cflags or print-cppflags of the Makefile, as a list."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    out = subprocess.run(["make", "-s", target], cwd=SRC, env=env, check=True,
                         stdout=subprocess.PIPE, universal_newlines=True)
    return out.stdout.split()


def error(where, message):
    global errors
    errors += 1
    print(f"{where}: {message}")


def finish():
    sys.exit(1 if errors else 0)
