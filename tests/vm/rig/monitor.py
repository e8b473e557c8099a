#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""monitor.py SOCKET unplug N | plug N | COMMAND [JSON]: one request to a guest's QEMU."""

import json
import sys
import time

import root
from guest import plug, qmp


def unplug(path, number, seconds=30):
    """Take the disk out, and wait until the guest has let go of it."""
    end = time.monotonic() + seconds
    qmp(path, "device_del", id=f"disk{number}")
    while any(one["name"] == f"disk{number}"
              for one in qmp(path, "qom-list", path="/machine/peripheral")):
        if time.monotonic() > end:
            raise root.RigError(f"the guest does not let go of disk {number}")
        time.sleep(0.1)


def main():
    path, command, *rest = sys.argv[1:]
    if command == "unplug":
        unplug(path, rest[0])
    elif command == "plug":
        qmp(path, "device_add", **plug(rest[0]))
    else:
        print(json.dumps(qmp(path, command, **(json.loads(rest[0]) if rest else {}))))


if __name__ == "__main__":
    try:
        main()
    except (root.RigError, OSError) as e:
        sys.exit(f"monitor: {e}")
