# SPDX-License-Identifier: GPL-2.0-only
"""One guest: its directory, its QEMU, the monitor, and what it leaves behind.

Directory (build/vm/run/NAME by default):
    vm/       shared with the guest as /vm: mode, cmd, env, bin/, sbin/, tests/, rig/, vfsr.ko;
              from the guest: status, dmesg, sync/
    disks/    disk0, disk1, ...: sparse images, /dev/vd* with those serial numbers in the guest
    output    what the guest's program wrote
    console   the serial console

Disks are virtio-blk devices "disk0" ... behind PCIe ports of their own, so that they can be
unplugged and plugged in again, by QMP on a socket.
"""

import ctypes
import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import root

SRC = root.SRC
CMDLINE = ("console=ttyS0 quiet panic=-1 oops=panic mitigations=off norandmaps nokaslr slab_nomerge "
           "cryptomgr.notests initcall_blacklist=jent_mod_init "
           "log_buf_len=8M sysrq_always_enabled watchdog_thresh=30 lsm=capability")
# Multiplies timeouts: for a kernel that checks a lot
SLOW = int(os.environ.get("VM_SLOW", "1"))
PROGRAMS = ("mkfs.vfsr", "fsck.vfsr", "vfsr", "mount.vfsr")
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def size(text):
    """Bytes in a size like 512M."""
    match = re.fullmatch(r"(\d+)([KMGT]?)", text.upper())
    if not match:
        raise root.RigError(f"'{text}' is no size (like 512M or 2G)")
    return int(match.group(1)) * UNITS[match.group(2)]


class Guest:
    """A guest that can be booted, several times over if need be, on the same disks."""

    def __init__(self, folder, *, disks=(), smp=1, mem="1G", append="", module=None,
                 programs="build", shares=()):
        self.dir, self.smp, self.mem, self.append = folder, smp, mem, append
        self.shares = list(shares)
        self.process = None
        # a short path: a socket's may have 107 characters
        self.socket_dir = tempfile.mkdtemp(prefix="vfsr-vm.")
        self.qmp_path = os.path.join(self.socket_dir, "qmp")
        self.vm = os.path.join(folder, "vm")
        self.output = os.path.join(folder, "output")
        self.console = os.path.join(folder, "console")
        shutil.rmtree(folder, ignore_errors=True)
        for name in ("vm/bin", "vm/sbin", "vm/sync", "disks"):
            os.makedirs(os.path.join(folder, name))
        self.disks = []
        for number, text in enumerate(disks):
            path = os.path.join(folder, "disks", f"disk{number}")
            with open(path, "wb") as f:
                f.truncate(size(text))
            self.disks.append(path)
        self._fill(module, programs)

    def _fill(self, module, programs):
        """Copies, so that a build on the host does not change a guest that runs."""
        for name in PROGRAMS:
            path = os.path.join(programs, name)
            if os.path.exists(path):
                shutil.copy(path, os.path.join(self.vm, "sbin"))
        for name in glob.glob(os.path.join(SRC, programs, "tests", "*", "*")):
            if os.access(name, os.X_OK) and os.path.isfile(name) and not name.endswith(".o") \
                    and os.path.basename(os.path.dirname(name)) in ("vm", "image"):
                shutil.copy(name, os.path.join(self.vm, "bin"))
        if module:
            # the lines of the source are most of the file; who wants them has the original
            subprocess.run(["strip", "-g", "-o", os.path.join(self.vm, "vfsr.ko"), module],
                           check=True)
        shutil.copytree(root.HERE, os.path.join(self.vm, "rig"))
        shutil.copytree(os.path.dirname(root.HERE), os.path.join(self.vm, "tests"),
                        ignore=shutil.ignore_patterns("rig", "*.c", "__pycache__"))

    def _arguments(self, interactive, images):
        vmlinuz, initrd, root_image, _ = images
        accel = os.environ.get("VM_ACCEL", "tcg")
        append = CMDLINE + (" tsc=reliable" if self.smp > 1 and accel == "tcg" else "")
        append += f" sysctl.kernel.hung_task_timeout_secs={120 * SLOW}"
        # more than this it does not take
        append += f" rcupdate.rcu_cpu_stall_timeout={min(60 * SLOW, 300)}"
        append += " " + os.environ.get("VM_APPEND", "")
        args = ["qemu-system-x86_64", "-machine", "q35", "-no-reboot", "-nodefaults",
                "-display", "none",
                "-accel", "tcg,thread=multi" if accel == "tcg" else accel,
                "-cpu", os.environ.get("VM_CPU", "Nehalem" if accel == "tcg" else "host"),
                "-smp", str(self.smp), "-m", self.mem,
                "-kernel", vmlinuz, "-initrd", initrd, "-append", f"{append} {self.append}",
                "-device", "virtio-rng-pci",
                "-chardev", f"socket,id=qmp,path={self.qmp_path},server=on,wait=off",
                "-mon", "chardev=qmp,mode=control"]
        if interactive:
            args += ["-serial", "mon:stdio"]
        else:
            args += ["-chardev", f"file,id=console,path={self.console},append=on",
                     "-serial", "chardev:console"]
        args += ["-device", "virtio-serial-pci",
                 "-chardev", f"file,id=output,path={self.output},append=on",
                 "-device", "virtserialport,chardev=output,name=output"]
        for tag, path, readonly in [("vm", self.vm, "off"), ("src", SRC, "on")] + [
                (f"share{i}", p, "on") for i, p in enumerate(self.shares)]:
            args += ["-fsdev", f"local,id={tag},path={path},security_model=none,"
                               f"multidevs=remap,readonly={readonly}",
                     "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
        args += self._disk("root", root_image, True)
        args += ["-device", "virtio-blk-pci,drive=root,serial=root"]
        for number, path in enumerate(self.disks):
            args += self._disk(f"image{number}", path, False)
            args += ["-device", f"pcie-root-port,id=port{number},chassis={number + 1}",
                     "-device", ",".join(f"{k}={v}" for k, v in plug(number).items())]
        return args

    @staticmethod
    def _disk(node, path, readonly):
        # the host's page cache is the medium: nothing needs to be flushed further
        cache = {"direct": False, "no-flush": True}
        return ["-blockdev", json.dumps({
            "driver": "raw", "node-name": node, "read-only": readonly, "cache": cache,
            "discard": "unmap", "detect-zeroes": "off",
            "file": {"driver": "file", "filename": os.path.abspath(path), "read-only": readonly,
                     "cache": cache, "discard": "unmap", "aio": "threads"}})]

    def write(self, name, text):
        """Put a file into the folder that the guest sees as /vm."""
        with open(os.path.join(self.vm, name), "w", encoding="utf-8") as f:
            f.write(text)

    def read(self, name):
        """What the guest left in /vm/name, or None."""
        try:
            with open(os.path.join(self.vm, name), encoding="utf-8", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return None

    def start(self, mode, env=None, interactive=False, say=lambda text: None):
        """Boot. The guest runs /vm/cmd (mode "run"), a test, or a shell."""
        images = root.ready(say)
        self._check_release(images[3])
        for name in ("status", "dmesg"):
            try:
                os.unlink(os.path.join(self.vm, name))
            except FileNotFoundError:
                pass
        values = {"VFSR_SRC": "/src", "VM_SMP": self.smp, "VM_NDISKS": len(self.disks),
                  "VM_SLOW": SLOW,
                  **(env or {})}
        quoted = ((k, str(v).replace("'", "'\\''")) for k, v in values.items())
        self.write("env", "".join(f"export {k}='{v}'\n" for k, v in quoted))
        self.write("mode", mode + "\n")
        args = self._arguments(interactive, images)
        self.process = subprocess.Popen(args, preexec_fn=die_with_parent,
                                        stdin=None if interactive else subprocess.DEVNULL,
                                        stdout=None if interactive else subprocess.DEVNULL,
                                        stderr=None if interactive else subprocess.PIPE)

    def _check_release(self, release):
        module = os.path.join(self.vm, "vfsr.ko")
        if not os.path.exists(module):
            return
        magic = subprocess.run(["modinfo", "-F", "vermagic", module], stdout=subprocess.PIPE,
                               universal_newlines=True, check=True).stdout.split()
        if magic and magic[0] != release:
            raise root.RigError(f"vfsr.ko is built for {magic[0]}, the guest runs {release}")

    def ended(self):
        """Whether QEMU has ended."""
        return self.process is None or self.process.poll() is not None

    def wait(self, seconds=None, tick=None):
        """Wait until the guest has ended; False when it runs on after that time."""
        end = None if seconds is None else time.monotonic() + seconds
        while not self.ended():
            if tick:
                tick()
            if end is not None and time.monotonic() > end:
                return False
            try:
                self.process.wait(0.05)
            except subprocess.TimeoutExpired:
                pass
        if tick:
            tick()
        return True

    def qmp(self, command, **arguments):
        """One command to QEMU's monitor; its answer, or RigError."""
        return qmp(self.qmp_path, command, **arguments)

    def ask_for_stacks(self):
        """Have the kernel print what every CPU and every blocked task does."""
        for key in ("l", "w"):
            try:
                self.qmp("human-monitor-command", **{"command-line": f"sendkey alt-sysrq-{key}"})
            except (root.RigError, OSError):
                return
            time.sleep(1)

    def kill(self):
        """A power cut."""
        if not self.ended():
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def close(self):
        """End QEMU and remove the socket. The directory stays."""
        self.kill()
        if self.process and self.process.stderr:
            text = self.process.stderr.read().decode(errors="replace")
            self.process.stderr.close()
            with open(self.console, "a", encoding="utf-8") as f:
                f.write(text)
        self.process = None
        shutil.rmtree(self.socket_dir, ignore_errors=True)

    def remove(self):
        """Remove all that the guest left."""
        shutil.rmtree(self.dir, ignore_errors=True)

    def trim(self, disks):
        """Remove what was copied for the guest, and the disks' images if so wanted."""
        for name in ("vm/bin", "vm/sbin", "vm/tests", "vm/rig") + (("disks",) if disks else ()):
            shutil.rmtree(os.path.join(self.dir, name), ignore_errors=True)


def plug(number):
    """The properties of a disk's device, in its port."""
    return {"driver": "virtio-blk-pci", "drive": f"image{number}", "id": f"disk{number}",
            "serial": f"disk{number}", "bus": f"port{number}"}


def die_with_parent():
    """Between fork and exec: SIGKILL (9) comes when the parent ends, however it ends."""
    ctypes.CDLL(None).prctl(1, 9)


def qmp(path, command, /, **arguments):
    """One command on a fresh connection to QEMU's monitor; the value it returns."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(20)
        link.connect(path)
        stream = link.makefile("rw", encoding="utf-8")

        def ask(name, values):
            stream.write(json.dumps({"execute": name, "arguments": values}) + "\n")
            stream.flush()
            while True:
                line = stream.readline()
                if not line:
                    raise root.RigError("QEMU has ended")
                answer = json.loads(line)
                if "error" in answer:
                    raise root.RigError(f"QEMU: {name}: {answer['error']['desc']}")
                if "return" in answer:
                    return answer["return"]

        stream.readline()
        ask("qmp_capabilities", {})
        return ask(command, arguments)
