#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Compares two directory trees: contents (holes count as zeros), types, modes,
owners, times to the nanosecond, attributes, link structure, device numbers,
symlink targets. Prints a line per difference; exit status 1 if there are any.

As a module: differences(a, b, ...) gives a list of (path, what) with paths as
bytes relative to the trees. Differences of access times are not looked at,
since reading changes them; atime_is_mtime checks them before reading.
"""
import argparse
import os
import stat
import sys

BLOCK = 1 << 20


def attributes(path):
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError:
        return {}
    return {n: os.getxattr(path, n, follow_symlinks=False) for n in names}


def data_ranges(fd, size):
    """The parts of a file that may hold something else than zeros."""
    at = 0
    while at < size:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:
            return
        end = min(os.lseek(fd, start, os.SEEK_HOLE), size)
        yield start, end
        at = end


def differing(a, b, size):
    """First differing byte of two files of one size, or None."""
    with open(a, 'rb', buffering=0) as fa, open(b, 'rb', buffering=0) as fb:
        for fd in (fa.fileno(), fb.fileno()):
            for start, end in data_ranges(fd, size):
                while start < end:
                    want = min(BLOCK, end - start)
                    x = os.pread(fa.fileno(), want, start)
                    y = os.pread(fb.fileno(), want, start)
                    if x != y:
                        for i, (p, q) in enumerate(zip(x, y)):
                            if p != q:
                                return start + i
                        return start + min(len(x), len(y))
                    start += want
    return None


class Comparison:
    def __init__(self, a, b, owners=True, times=True, atime_is_mtime=False,
                 ignore_xattrs=(), top=True):
        self.a, self.b = os.fsencode(a), os.fsencode(b)
        self.owners, self.times = owners, times
        self.atime_is_mtime = atime_is_mtime
        self.ignore_xattrs = set(ignore_xattrs)
        self.top = top
        self.found = []
        self.objects = 0
        self.links_a, self.links_b = {}, {}

    def note(self, rel, what):
        self.found.append((rel, what))

    def run(self):
        stack = [b'']
        while stack:
            rel = stack.pop()
            pa, pb = os.path.join(self.a, rel), os.path.join(self.b, rel)
            try:
                sb = os.lstat(pb)
            except OSError as e:
                self.note(rel, 'missing (%s)' % e.strerror)
                continue
            sa = os.lstat(pa)
            self.objects += 1
            if rel or self.top:
                self.compare_node(rel, pa, pb, sa, sb)
            if stat.S_ISDIR(sa.st_mode) and stat.S_ISDIR(sb.st_mode):
                na, nb = set(os.listdir(pa)), set(os.listdir(pb))
                for extra in sorted(nb - na):
                    self.note(os.path.join(rel, extra), 'not in the original')
                stack += [os.path.join(rel, n) for n in sorted(na)]
        self.compare_links()
        return self.found

    def compare_node(self, rel, pa, pb, sa, sb):
        def check(what, x, y):
            if x != y:
                self.note(rel, '%s: %.99r, was %.99r' % (what, y, x))

        if stat.S_IFMT(sa.st_mode) != stat.S_IFMT(sb.st_mode):
            self.note(rel, 'another type')
            return
        if not stat.S_ISLNK(sa.st_mode):
            check('mode', oct(sa.st_mode), oct(sb.st_mode))
        if self.owners:
            check('owner', (sa.st_uid, sa.st_gid), (sb.st_uid, sb.st_gid))
        if self.times:
            check('mtime', sa.st_mtime_ns, sb.st_mtime_ns)
        # reading one name of a file changes it for the others
        if self.atime_is_mtime and (sb.st_dev, sb.st_ino) not in self.links_b:
            check('atime', sa.st_mtime_ns, sb.st_atime_ns)
        if stat.S_ISCHR(sa.st_mode) or stat.S_ISBLK(sa.st_mode):
            check('device', sa.st_rdev, sb.st_rdev)
        if stat.S_ISLNK(sa.st_mode):
            check('target', os.readlink(pa), os.readlink(pb))
        xa, xb = attributes(pa), attributes(pb)
        for n in sorted((set(xa) | set(xb)) - self.ignore_xattrs):
            check('attribute ' + n, xa.get(n), xb.get(n))
        # a name of the original may lie outside of the tree: there names
        # are compared, not counts
        if not stat.S_ISDIR(sa.st_mode) and sa.st_nlink > 1:
            names = self.links_a.setdefault((sa.st_dev, sa.st_ino), set())
            names.add(rel)
            if len(names) == sa.st_nlink:
                check('links', sa.st_nlink, sb.st_nlink)
        elif not stat.S_ISDIR(sa.st_mode):
            check('links', 1, sb.st_nlink)
        if not stat.S_ISDIR(sb.st_mode) and sb.st_nlink > 1:
            self.links_b.setdefault((sb.st_dev, sb.st_ino), set()).add(rel)
        if stat.S_ISREG(sa.st_mode):
            check('size', sa.st_size, sb.st_size)
            if sa.st_size == sb.st_size:
                at = differing(pa, pb, sa.st_size)
                if at is not None:
                    self.note(rel, 'contents differ at byte %d' % at)

    def compare_links(self):
        groups_a = {frozenset(g) for g in self.links_a.values() if len(g) > 1}
        groups_b = {frozenset(g) for g in self.links_b.values() if len(g) > 1}
        for group in groups_a ^ groups_b:
            self.note(min(group), 'hard links differ: %d names are one file'
                      ' only in %s' % (len(group), 'the original'
                                       if group in groups_a else 'the copy'))


def differences(a, b, **options):
    return Comparison(a, b, **options).run()


def main():
    p = argparse.ArgumentParser(description='compare two directory trees')
    p.add_argument('original')
    p.add_argument('copy')
    p.add_argument('--no-owners', action='store_true')
    p.add_argument('--no-times', action='store_true')
    p.add_argument('--no-top', action='store_true',
                   help='do not compare the two directories themselves')
    p.add_argument('--ignore-xattr', action='append', default=[])
    args = p.parse_args()
    comparison = Comparison(args.original, args.copy,
                            owners=not args.no_owners,
                            times=not args.no_times, top=not args.no_top,
                            ignore_xattrs=args.ignore_xattr)
    found = comparison.run()
    for rel, what in found:
        print('%s: %s' % (os.fsdecode(rel).encode('utf-8', 'backslashreplace')
                          .decode(), what))
    if not found:
        print('%d objects identical' % comparison.objects)
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
