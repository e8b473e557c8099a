#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Builds a tree with everything that a pool must bring back: sizes around the
limits of blocks and chunks, sparse files, links, special files, attributes,
odd names, odd modes and times. The same seed gives the same tree.

What needs privilege, or the file system below does not have, is left out.
"""
import os
import random
import socket
import stat
import struct
import sys

SIZES = (0, 1, 100, 1791, 1792, 1793, 4095, 4096, 4097, 8191, 65536, 131071,
         131072, 131073, 262144, 300001)
ROOT = os.geteuid() == 0


def noise(rng, size):
    return rng.randbytes(size)


def text(rng, size):
    words = [b'parity', b'stripe', b'footer', b'chunk', b'sector', b'\n']
    out = bytearray()
    while len(out) < size:
        out += rng.choice(words) + b' %d ' % rng.randrange(1000)
    return bytes(out[:size])


def write(path, data):
    with open(path, 'wb') as f:
        f.write(data)


def make_contents(top, rng):
    for kind, make in (('noise', noise), ('text', text)):
        d = os.path.join(top, kind)
        os.mkdir(d)
        for size in SIZES:
            write(os.path.join(d, 'f%d' % size), make(rng, size))
    d = os.path.join(top, 'fills')
    os.mkdir(d)
    write(d + '/zeros', bytes(300000))
    write(d + '/ones', b'\xff' * 500001)
    write(d + '/letters', b'a' * 4096 + b'b' * 131072 + b'c' * 5)
    write(d + '/mixed', noise(rng, 200000) + bytes(131072 * 2)
          + b'z' * 262144 + text(rng, 400000))
    d = os.path.join(top, 'small')
    os.mkdir(d)
    for i in range(300):
        write(d + '/s%03d' % i, text(rng, rng.randrange(3000)))


def make_big(top, rng, size=20 << 20):
    """Big enough for several threads to write one file."""
    with open(os.path.join(top, 'big'), 'wb') as f:
        while f.tell() < size:
            f.write(rng.choice((noise, text))(rng, 700001))
            f.seek(rng.choice((0, 300000)), os.SEEK_CUR)
        f.truncate(size + 12345)


def make_sparse(top, rng):
    d = os.path.join(top, 'sparse')
    os.mkdir(d)
    for name, size, spots in (('hole', 1 << 20, ()),
                              ('middle', 10 << 20, (5 << 20,)),
                              ('ends', (3 << 20) + 77, (0, 3 << 20)),
                              ('huge', (1 << 40) + 5, (7 << 30, 1 << 40))):
        with open(os.path.join(d, name), 'wb') as f:
            for at in spots:
                f.seek(at)
                f.write(noise(rng, 5 if at == 1 << 40 else 5000)[:size - at])
            f.truncate(size)


def make_links(top, rng):
    d = os.path.join(top, 'links')
    os.makedirs(d + '/other')
    write(d + '/first', text(rng, 5000))
    for i in range(20):
        os.link(d + '/first', d + '/other/name%d' % i)
    os.link(d + '/first', top + '/zz-last')
    write(d + '/large', noise(rng, 1 << 20))
    os.link(d + '/large', d + '/other/large')
    os.symlink('nowhere', d + '/dangling')
    os.symlink('/etc/passwd', d + '/absolute')
    os.symlink(b'../\xff\xfe \n', os.fsencode(d) + b'/bytes')
    os.symlink('x/' * 2000 + 'end', d + '/long')
    os.symlink('y' * 200, d + '/medium')
    os.link(d + '/dangling', d + '/dangling2', follow_symlinks=False)


def make_special(top):
    d = os.path.join(top, 'special')
    os.mkdir(d)
    os.mkfifo(d + '/fifo', 0o640)
    s = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(d)
    s.bind('socket')
    os.chdir(here)
    s.close()
    if ROOT:
        try:
            os.mknod(d + '/null', 0o666 | stat.S_IFCHR, os.makedev(1, 3))
            os.mknod(d + '/disk', 0o660 | stat.S_IFBLK,
                     os.makedev(259, 1 << 19))
            os.link(d + '/null', d + '/null2')
        except OSError:
            pass


def acl(*entries):
    """A POSIX ACL in the form of the system attributes."""
    return struct.pack('<I', 2) + b''.join(struct.pack('<HHI', *e)
                                           for e in entries)


def make_attributes(top):
    d = os.path.join(top, 'attributes')
    os.mkdir(d)
    nobody = 0xffffffff
    rules = acl((1, 6, nobody), (2, 4, 12345), (4, 4, nobody),
                (8, 6, 23456), (16, 6, nobody), (32, 4, nobody))
    write(d + '/plain', b'x')
    write(d + '/many', b'y')
    wanted = [(d + '/plain', 'user.one', b'value'),
              (d + '/plain', 'user.empty', b''),
              (d + '/plain', 'user.bytes', bytes(range(256))),
              (d + '/many', 'user.long', b'v' * 2500),
              (d, 'user.directory', b'of attributes'),
              (d + '/plain', 'system.posix_acl_access', rules),
              (d, 'system.posix_acl_default', rules)]
    wanted += [(d + '/many', 'user.n%02d' % i, b'%d' % i) for i in range(20)]
    if ROOT:
        wanted += [(d + '/plain', 'trusted.secret', b't'),
                   (d + '/plain', 'security.other', b's')]
    for path, name, value in wanted:
        try:
            os.setxattr(path, name, value)
        except OSError:
            pass


def make_names(top):
    d = os.fsencode(os.path.join(top, 'names'))
    os.mkdir(d)
    for name in (b'\xff\xfe\x80', b'new\nline', b' space ', b'-dash', b'n' * 255,
                 'ä€𝄞'.encode(), b'back\\slash', b'...', b'\x01\x1b[0m',
                 b'"quotes\'', '\u202e'.encode()):
        write(d + b'/' + name, name)
    os.mkdir(d + b'/' + b'D' * 255)
    write(d + b'/' + b'D' * 255 + b'/' + b'f' * 255, b'deep')
    deep = os.fsencode(os.path.join(top, 'deep'))
    for i in range(60):
        os.makedirs(deep, exist_ok=True)
        write(deep + b'/file', b'%d' % i)
        deep += b'/level%02d' % i
    os.makedirs(deep)


def make_modes(top):
    d = os.path.join(top, 'modes')
    os.mkdir(d)
    for mode in (0o4755, 0o2711, 0o6777, 0o1644, 0o444, 0o000, 0o200, 0o777):
        p = d + '/file%04o' % mode
        write(p, b'%o' % mode)
        if ROOT and mode & 0o6000:
            os.chown(p, 1000 + mode % 7, 2000)
        os.chmod(p, mode)
    for mode in (0o1777, 0o2775, 0o555, 0o500) + ((0o000,) if ROOT else ()):
        p = d + '/dir%04o' % mode
        os.mkdir(p)
        write(p + '/inside', b'in')
        if ROOT:
            os.chown(p, 77, 88)
        os.chmod(p, mode)


def make_times(top):
    d = os.path.join(top, 'times')
    os.mkdir(d)
    for i, ns in enumerate((0, 1, 999999999, -1, -5 * 10**17 + 3, 2**31 * 10**9,
                            4102444800123456789)):
        p = d + '/t%d' % i
        if i % 2:
            os.mkdir(p)
        else:
            write(p, b't')
        os.utime(p, ns=(ns, ns))
    os.symlink('x', d + '/link')
    os.utime(d + '/link', ns=(10**18 + 7, 10**18 + 7), follow_symlinks=False)
    os.utime(d, ns=(86400 * 10**9 + 9, 86400 * 10**9 + 9))


def make_tree(top, seed=1, big=True, special=True):
    """Everything, into a new directory."""
    rng = random.Random(seed)
    os.makedirs(top)
    make_contents(top, rng)
    if big:
        make_big(top, rng)
    make_sparse(top, rng)
    make_links(top, rng)
    if special:
        make_special(top)
    make_attributes(top)
    make_names(top)
    make_modes(top)
    make_times(top)
    os.mkdir(os.path.join(top, 'empty'))
    os.chmod(top, 0o751)
    os.utime(top, ns=(10**18 + 1, 10**18 + 1))


def make_wide(top, nr):
    """A directory with very many names."""
    os.makedirs(top + '/wide')
    for i in range(nr):
        p = '%s/wide/file-%d' % (top, i)
        if i % 1000 == 3:
            os.mkdir(p)
        elif i % 1000 == 4:
            os.symlink(str(i), p)
        else:
            fd = os.open(p, os.O_CREAT | os.O_WRONLY, 0o644)
            if i % 7 == 0:
                os.write(fd, b'%d' % i)
            os.close(fd)


if __name__ == '__main__':
    make_tree(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1)
