#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The guest's kernel, initramfs and root image, built from installed Debian packages.

The root image holds the files of the packages in packages.guest and of all that they depend on,
and the kernel's modules; nothing else of this machine gets into it. It is an uncompressed EROFS,
kept in build/vm under a name that tells its contents (packages, versions, kernel), so that it is
made anew only when one of these changes. The initramfs is a static busybox and the modules that
reach the root: see init.

Environment: VM_KERNEL names another kernel image, VM_MODULES its directory .../VERSION of modules.
"""

import fcntl
import glob
import hashlib
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
SRC = os.path.realpath(os.path.join(HERE, "..", "..", ".."))
BUILD = os.path.join(SRC, "build", "vm")

# Modules that the initramfs loads, those they depend on too. The generic crc32c is named because
# libcrc32c asks for one by a name that only modprobe understands; and the crc32 instruction is
# slow in software emulation.
BOOT_MODULES = ["crc32c_generic", "virtio_pci", "virtio_blk", "virtio_rng", "erofs", "overlay",
                "9pnet_virtio", "9p"]
# Parts of /lib/modules/VERSION/kernel that a guest has no hardware for.
NO_MODULES = re.compile(r"/kernel/(sound|net/(?!9p)|drivers/(?!md|block|virtio|char|nvdimm|dax|"
                        r"mtd|nvme|scsi|target|ata|watchdog))")
# Files of packages that no test reads.
NO_FILES = re.compile(r"^/(usr/share/(doc|man|info|locale|lintian|bug|icons|gtk-doc)/|usr/include/|"
                      r"usr/src/|boot/|usr/lib/x86_64-linux-gnu/dri/|usr/lib/debug/)|\.a$")
# What no package owns, but programs look for.
MORE_FILES = ["/etc/alternatives", "/etc/group", "/etc/passwd", "/etc/ld.so.cache", "/etc/ld.so.conf",
              "/etc/ld.so.conf.d", "/etc/localtime", "/etc/nsswitch.conf", "/etc/ssl/certs/"]
EMPTY_DIRS = ["dev", "mnt", "proc", "root", "run", "src", "sys", "tmp", "vm", "var/tmp", "var/log",
              "home"]


class RigError(Exception):
    """Something the rig needs is missing; the text says what to do."""


def kernel():
    """(kernel image, directory of its modules, release) of the guest's kernel."""
    image = os.environ.get("VM_KERNEL")
    modules = os.environ.get("VM_MODULES")
    if not image:
        images = [i for i in glob.glob("/boot/vmlinuz-6.12*")
                  if os.path.isdir("/lib/modules/" + os.path.basename(i)[8:])]
        if not images:
            raise RigError("no 6.12 kernel in /boot (make deps, or VM_KERNEL= and VM_MODULES=)")
        image = max(images, key=lambda i: [int(n) for n in re.findall(r"\d+", i)])
        modules = modules or "/lib/modules/" + os.path.basename(image)[8:]
    if not modules:
        raise RigError("VM_KERNEL is set; VM_MODULES must name its modules, .../lib/modules/VERSION")
    modules = os.path.realpath(modules)
    return image, modules, os.path.basename(modules)


def words(name):
    """The lines of one of the lists of packages, without comments."""
    with open(os.path.join(HERE, "..", name), encoding="utf-8") as f:
        return [line.strip() for line in f if line.strip() and not line.startswith("#")]


def installed():
    """What is installed: {name: (name with arch, version, [[alternative, ...], ...])}, who provides
    each virtual package, and the names of the essential packages."""
    fields = "${Package}\t${binary:Package}\t${Version}\t${Architecture}\t${db:Status-Status}\t" \
             "${Provides}\t${Essential}\t${Pre-Depends}, ${Depends}\n"
    out = subprocess.run(["dpkg-query", "-W", "-f", fields], check=True, stdout=subprocess.PIPE,
                         universal_newlines=True).stdout
    packages, provides, essential = {}, {}, []
    native = subprocess.run(["dpkg", "--print-architecture"], check=True, stdout=subprocess.PIPE,
                            universal_newlines=True).stdout.strip()
    for line in out.splitlines():
        name, full, version, arch, status, gives, always, needs = line.split("\t")
        if status != "installed" or arch not in (native, "all"):
            continue
        depends = [[re.sub(r"[\s(:].*", "", one.strip()) for one in group.split("|")]
                   for group in needs.split(",") if group.strip()]
        packages[name] = (full, version, depends)
        if always == "yes":
            essential.append(name)
        for virtual in gives.split(","):
            if virtual.strip():
                provides.setdefault(re.sub(r"[\s(:].*", "", virtual.strip()), []).append(name)
    return packages, provides, essential


def closure(names):
    """{package with arch: version} of the named packages and all they depend on."""
    packages, provides, essential = installed()
    result, todo, seen = {}, list(names) + essential, set()
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        if name not in packages:
            todo += provides.get(name, [])
            continue
        full, version, depends = packages[name]
        if not name.endswith("-dev"):
            result[full] = version
        for group in depends:
            todo += [one for one in group if one in packages or one in provides][:1]
    return result


def package_files(names):
    """Every existing path that the packages own, in the order of a walk."""
    out = subprocess.run(["dpkg-query", "-L", *names], check=True, stdout=subprocess.PIPE,
                         universal_newlines=True).stdout
    paths = {line for line in out.splitlines() if line.startswith("/") and line != "/."}
    return {p for p in paths if os.path.lexists(p) and not NO_FILES.search(p)}


def root_files(names, modules):
    """The paths of the root image. A path through a merged /bin is named by its real directory."""
    paths = package_files(names)
    for more in MORE_FILES + [modules]:
        if os.path.isdir(more) and not os.path.islink(more):
            for top, dirs, files in os.walk(more):
                paths.add(top)
                paths.update(os.path.join(top, one) for one in dirs + files)
        elif os.path.lexists(more):
            paths.add(more)
    for folder in ("/usr/bin", "/usr/sbin", "/usr/lib"):
        for one in os.scandir(folder):
            if one.is_symlink() and os.readlink(one.path).startswith("/etc/alternatives/"):
                paths.add(one.path)
    paths.update(p for p in ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
                 if os.path.islink(p))
    real = set()
    for path in paths:
        if path.startswith(modules) and (NO_MODULES.search(path) or path.endswith("/build")
                                         or path.endswith("/source")):
            continue
        real.add(os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path)))
    for path in list(real):
        while path != "/":
            path = os.path.dirname(path)
            real.add(path)
    real.discard("/")
    return sorted(real)


def make_root(image, names, modules):
    """Write the root image; a few hundred MB of files are copied on the way."""
    stage = tempfile.mkdtemp(prefix="stage.", dir=BUILD)
    try:
        listing = "".join(p[1:] + "\0" for p in root_files(names, modules)).encode()
        pack = subprocess.Popen(
            ["tar", "-C", "/", "--no-recursion", "--null", "-T", "-", "--ignore-failed-read",
             "--warning=no-failed-read", "-c"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        with subprocess.Popen(["tar", "-C", stage, "-x", "-p"], stdin=pack.stdout) as unpack:
            pack.stdout.close()
            pack.stdin.write(listing)
            pack.stdin.close()
            if unpack.wait() or pack.wait():
                raise RigError("cannot copy the files of the root image")
        if not modules.startswith("/usr/lib/modules/"):
            release = os.path.join(stage, "usr/lib/modules", os.path.basename(modules))
            os.makedirs(os.path.dirname(release), exist_ok=True)
            os.rename(stage + modules, release)
        for name in EMPTY_DIRS:
            os.makedirs(os.path.join(stage, name), exist_ok=True)
        for name in ("tmp", "var/tmp"):
            os.chmod(os.path.join(stage, name), 0o1777)
        subprocess.run(["mkfs.erofs", "--quiet", "--all-root", "-x-1", image + ".new", stage],
                       check=True, stdout=subprocess.DEVNULL)
        os.rename(image + ".new", image)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def boot_modules(modules):
    """Paths of the boot modules in an order they can be loaded in; built-in ones are left out."""
    depends = {}
    with open(os.path.join(modules, "modules.dep"), encoding="utf-8") as f:
        for line in f:
            path, needs = line.split(":")
            name = os.path.basename(path).split(".")[0].replace("-", "_")
            depends[name] = (path, needs.split())
    with open(os.path.join(modules, "modules.builtin"), encoding="utf-8") as f:
        builtin = {os.path.basename(line.strip())[:-3].replace("-", "_") for line in f}
    order = []
    for name in BOOT_MODULES:
        if name in depends:
            path, needs = depends[name]
            # modules.dep names the one to load first last
            order += [p for p in needs[::-1] + [path] if p not in order]
        elif name not in builtin and name not in ("crc32c_generic", "virtio_rng"):
            raise RigError(f"the guest's kernel has no {name}: {modules}")
    return [os.path.join(modules, p) for p in order]


def unpack_kernel(target, bzimage):
    """Write the plain kernel that is packed into a bzImage; QEMU boots it by its PVH entry.

    Unpacking in the guest takes a second of software emulation. A kernel that is packed in another
    way than by zstd, or has no such entry (a note "Xen" of type 18), is used as it is.
    """
    with open(bzimage, "rb") as f:
        data = f.read()
    plain = b""
    if data[0x202:0x206] == b"HdrS" and shutil.which("zstd"):
        start = ((data[0x1f1] or 4) + 1) * 512 + struct.unpack_from("<I", data, 0x248)[0]
        length = struct.unpack_from("<I", data, 0x24c)[0]
        # the last word of the payload is its unpacked length
        packed = data[start:start + length - 4]
        if packed[:4] == b"\x28\xb5\x2f\xfd":
            plain = subprocess.run(["zstd", "-dc"], input=packed, check=True,
                                   stdout=subprocess.PIPE).stdout
    if not plain.startswith(b"\x7fELF") or struct.pack("<III", 4, 8, 18) + b"Xen\0" not in plain:
        plain = data
    with open(target + ".new", "wb") as f:
        f.write(plain)
    os.rename(target + ".new", target)


def make_initrd(image, modules):
    """Write the initramfs: busybox, init, the boot modules and a list of these."""
    stage = tempfile.mkdtemp(prefix="initrd.", dir=BUILD)
    try:
        for name in ("bin", "dev", "lib", "proc", "sys", "mnt"):
            os.mkdir(os.path.join(stage, name))
        busybox = shutil.which("busybox")
        if not busybox:
            raise RigError("no busybox (make deps)")
        shutil.copy(busybox, os.path.join(stage, "bin/busybox"))
        shutil.copy(os.path.join(HERE, "init"), os.path.join(stage, "init"))
        os.chmod(os.path.join(stage, "init"), 0o755)
        names = []
        for path in boot_modules(modules):
            name = os.path.basename(path)
            target = os.path.join(stage, "lib", name)
            if name.endswith(".xz"):
                target = target[:-3]
                with open(target, "wb") as f:
                    subprocess.run(["xz", "-dc", path], check=True, stdout=f)
            else:
                shutil.copy(path, target)
            names.append(os.path.basename(target))
        with open(os.path.join(stage, "lib/order"), "w", encoding="utf-8") as f:
            f.write("\n".join(names) + "\n")
        with open(image + ".new", "wb") as f:
            subprocess.run("find . | busybox cpio -o -H newc", shell=True, cwd=stage, check=True,
                           stdout=f, stderr=subprocess.DEVNULL)
        os.rename(image + ".new", image)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def ready(say=lambda text: None):
    """Make what is missing; (kernel image, initramfs, root image, release)."""
    bzimage, modules, release = kernel()
    names = closure(words("packages.guest") + os.environ.get("VM_PACKAGES", "").split())
    digest = hashlib.sha256()
    stat = os.stat(bzimage)
    for text in [f"{n} {v}" for n, v in sorted(names.items())] + [
            modules, f"{bzimage} {stat.st_size} {stat.st_mtime_ns}"]:
        digest.update(text.encode() + b"\n")
    for path in (__file__, os.path.join(HERE, "init"), os.path.join(modules, "modules.dep")):
        with open(path, "rb") as f:
            digest.update(f.read())
    key = digest.hexdigest()[:16]
    kinds = ("kernel", "initrd", "root")
    images = [os.path.join(BUILD, f"{kind}-{key}") for kind in kinds]
    os.makedirs(BUILD, exist_ok=True)
    with open(os.path.join(BUILD, ".lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not all(os.path.exists(image) for image in images):
            if not shutil.which("mkfs.erofs"):
                raise RigError("no mkfs.erofs (make deps)")
            say(f"making the guest's root image ({len(names)} packages)")
            start = time.monotonic()
            for kind in kinds:
                # of other kernels and older packages; guests that run keep what they have open
                there = glob.glob(os.path.join(BUILD, kind + "-*"))
                for old in sorted(there, key=os.path.getmtime)[:-2]:
                    os.unlink(old)
            unpack_kernel(images[0], bzimage)
            make_initrd(images[1], modules)
            make_root(images[2], sorted(names), modules)
            say(f"made it: {os.path.getsize(images[2]) >> 20} MiB, {time.monotonic() - start:.0f} s")
        else:
            for image in images:
                os.utime(image)
    return *images, release


if __name__ == "__main__":
    try:
        print(*ready(lambda text: print(text, file=sys.stderr)), sep="\n")
    except RigError as e:
        sys.exit(f"vm: {e}")
