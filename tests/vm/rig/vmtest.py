#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""vmtest.py TEST.sh: run one test in a guest; result lines and the log go to standard output.

Comment lines at the test's top say what it needs (the defaults are behind the colons):
    # disks:              sizes of the empty disks, e.g. 2G 2G 512M
    # smp: 1              CPUs
    # mem: 1G             memory
    # timeout: 300        seconds for the test itself, in each boot
    # boots: 1            how often its host part may boot the guest
    # kernel:             more kernel arguments
    # allow:              a regular expression: kernel messages that do not fail the test

TEST.host.sh beside TEST.sh is the host part, see host.sh. Environment: VFSR_BUILD (directory of
the programs), VM_MODULE (the module, build/module/vfsr.ko by default), VM_KEEP (do not remove the
guest's directory), VM_SLOW (multiplies the timeouts: for a kernel that checks a lot), VM_MEM (in
place of each test's memory), VM_APPEND (more kernel arguments).
"""

import os
import re
import signal
import subprocess
import sys
import time

import root
from guest import Guest, SLOW

DEFAULTS = {"disks": "", "smp": "1", "mem": "1G", "timeout": "300", "boots": "1", "kernel": "",
            "allow": ""}
# Seconds for a guest's boot, and for the checks after its test, on a machine with other work
SLACK = 240 * SLOW


def needs(path):
    """The values of the comment lines."""
    values = dict(DEFAULTS)
    with open(path, encoding="utf-8") as f:
        for line in f:
            if not line.startswith("#") and line.strip():
                break
            match = re.match(r"# (\w+): *(.*)$", line)
            if match and match.group(1) in values:
                values[match.group(1)] = match.group(2).strip()
    values["timeout"] = int(values["timeout"]) * SLOW
    values["mem"] = os.environ.get("VM_MEM", values["mem"])
    return values


class Output:
    """The guest's output, copied line by line; remembers whether a result was bad."""

    def __init__(self, path):
        self.path, self.at, self.rest, self.results, self.bad = path, 0, "", 0, 0
        self.started = 0

    def copy(self, last=False):
        try:
            with open(self.path, "rb") as f:
                f.seek(self.at)
                data = f.read()
        except FileNotFoundError:
            return
        self.at += len(data)
        self.rest += data.decode(errors="replace").replace("\r", "")
        *lines, self.rest = self.rest.split("\n")
        if last and self.rest:
            lines, self.rest = lines + [self.rest], ""
        for line in lines:
            self.results += line.startswith(("ok ", "not ok ", "skip "))
            self.bad += line.startswith("not ok ")
            self.started += line.startswith("vm: test starts")
            print(line)
        sys.stdout.flush()


def console_tail(guest, start):
    """The end of what the kernel said, from a line that looks like the cause if there is one."""
    with open(guest.console, encoding="utf-8", errors="replace") as f:
        f.seek(start)
        lines = f.read().splitlines()
    for number, line in enumerate(lines):
        if re.search(r"BUG|Oops|Kernel panic|WARNING|general protection|Show Blocked State", line):
            lines = lines[max(number - 5, 0):][:120]
            break
    else:
        lines = lines[-40:]
    return "".join(f"| {line}\n" for line in lines)


class Test:
    """One test file: its guest, its host part, and the verdict."""

    def __init__(self, path):
        self.path, self.want = path, needs(path)
        self.name = os.path.basename(path)[:-3]
        module = os.environ.get("VM_MODULE", os.path.join(root.SRC, "build/module/vfsr.ko"))
        if not os.path.exists(module):
            raise root.RigError(f"no {module} (make module)")
        self.programs = os.environ.get("VFSR_BUILD", os.path.join(root.SRC, "build"))
        self.guest = Guest(
            os.path.join(root.BUILD, "run", f"{self.name}-{os.getpid()}"),
            disks=self.want["disks"].split(), smp=int(self.want["smp"]), mem=self.want["mem"],
            append=self.want["kernel"], module=module, programs=self.programs)
        self.output = Output(self.guest.output)
        self.host = None
        self.status = 0

    def flag(self, name):
        return os.path.join(self.guest.dir, name)

    def take_flag(self, name):
        """Whether the host part left this file; it is removed."""
        try:
            os.unlink(self.flag(name))
        except FileNotFoundError:
            return False
        return True

    def start_host(self):
        path = self.path[:-3] + ".host.sh"
        if os.path.exists(path):
            env = {**os.environ, "VFSR_SRC": root.SRC, "VFSR_BUILD": self.programs,
                   "VM_RUN": self.guest.dir, "VM_QMP": self.guest.qmp_path}
            self.host = subprocess.Popen(["bash", path], env=env, stdin=subprocess.DEVNULL)

    def boot(self, number):
        """One boot to its end; adds to the status."""
        # emulation with several threads may trip over a kernel that patches its own code: a guest
        # that dies before the module is loaded says nothing of it, and gets one more try
        if not self.boot_once(number, number == 1):
            print("vm: the guest died before the test, once more")
            self.boot_once(number, False)

    def boot_once(self, number, again):
        """False: it died before the test began, and @again allows for that."""
        start = time.monotonic()
        at = os.path.getsize(self.guest.console) if os.path.exists(self.guest.console) else 0
        self.guest.start("test", {
            "VM_TEST": "/vm/tests/" + os.path.relpath(self.path, os.path.dirname(root.HERE)),
            "VM_TIMEOUT": self.want["timeout"], "VM_ALLOW": self.want["allow"], "VM_BOOT": number})
        with open(self.flag("pid"), "w", encoding="utf-8") as f:
            f.write(f"{self.guest.process.pid}\n")
        if number == 1 and not self.host:
            self.start_host()
        started = self.output.started
        in_time = self.guest.wait(self.want["timeout"] + SLACK, self.output.copy)
        if not in_time:
            self.guest.ask_for_stacks()
            self.guest.kill()
        self.output.copy(True)
        cut = self.take_flag("cut")
        status = self.guest.read("status")
        if again and in_time and status is None and not cut and self.output.started == started:
            print(console_tail(self.guest, at))
            os.unlink(self.flag("pid"))
            return False
        if not in_time:
            print(console_tail(self.guest, at) + "not ok timed out")
            self.output.bad += 1
        elif status is None and not cut:
            print(console_tail(self.guest, at) + "not ok the guest died")
            self.output.bad += 1
        elif status is not None:
            self.status = self.status or int(status)
            seconds = float((self.guest.read("seconds") or "0").strip() or 0)
            print(f"vm: the guest took {time.monotonic() - start - seconds:.1f} s beside the test")
        sys.stdout.flush()
        os.unlink(self.flag("pid"))
        return True

    def run(self):
        boots = int(self.want["boots"])
        number = 1
        self.boot(1)
        while self.host:
            end = time.monotonic() + self.want["timeout"]
            while self.host.poll() is None and not os.path.exists(self.flag("again")):
                if time.monotonic() > end:
                    self.host.kill()
                    print("not ok the host part timed out")
                    self.output.bad += 1
                time.sleep(0.05)
            if not self.take_flag("again"):
                break
            number += 1
            if number > boots:
                raise root.RigError(f"more boots than the {boots} of the line '# boots:'")
            self.boot(number)
        if self.host and self.host.wait():
            print(f"not ok the host part: exit status {self.host.returncode}")
            self.output.bad += 1
        if self.output.bad:
            return 1
        if self.status == 77:
            return 0 if self.output.results else 77
        return self.status

    def close(self):
        if self.host and self.host.poll() is None:
            self.host.kill()
        self.guest.close()
        logs = os.environ.get("VM_LOGS", os.path.join(root.SRC, "build", "logs", "vm"))
        os.makedirs(logs, exist_ok=True)
        for name, path in (("dmesg", os.path.join(self.guest.vm, "dmesg")),
                           ("console", self.guest.console)):
            if os.path.exists(path):
                os.replace(path, os.path.join(logs, f"{self.name}.{name}"))
        if not os.environ.get("VM_KEEP"):
            self.guest.remove()


def stop(*_):
    """On SIGTERM too, the guest has to be ended."""
    raise KeyboardInterrupt


def main():
    signal.signal(signal.SIGTERM, stop)
    test = Test(os.path.realpath(sys.argv[1]))
    try:
        return test.run()
    finally:
        test.close()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except root.RigError as e:
        print(f"vm: {e}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(124)
