#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 600
"""Images that nobody should trust: cut, random, mixed, old, doubled, and with
crafted sizes and counts under right checksums. Every command must serve or
refuse with a message: no crash, no hang, no memory without bound.
"""
import os
import random
import resource
import shutil
import struct
import subprocess
import tempfile

import imagetest as t
from diskformat import BOOT, RECORD, RING, SECTOR, Pool, get, put, seal
from imagetest import BUILD, case, expect, make_pool, run

SECONDS = 20
MEMORY_KIB = 512 << 10
# what a command may end with: nothing above is an orderly end
ORDERLY = {'vfsr': (0, 1, 2, 3, 4), 'fsck.vfsr': (0, 1, 4, 5, 8, 12)}
COMMANDS = (('vfsr', 'restore', '-q', '--to', 'OUT'),
            ('vfsr', 'verify'),
            ('vfsr', 'verify', '--json'),
            ('vfsr', 'inspect', 'super'),
            ('vfsr', 'inspect', 'strips'),
            ('vfsr', 'inspect', 'map'),
            ('vfsr', 'inspect', 'inode', '1'),
            ('vfsr', 'inspect', 'tree', '1'),
            ('vfsr', 'map', '--json'),
            ('fsck.vfsr', '-n'),
            ('fsck.vfsr', '-n', '--json'),
            ('fsck.vfsr', '-n', '--rebuild-map'))
WRITING = (('vfsr', 'verify', '--repair'), ('fsck.vfsr', '-p'),
           ('fsck.vfsr', '--rebuild-map'), ('fsck.vfsr', '-y'))
with open(os.path.join(BUILD, 'fsck.vfsr'), 'rb') as program:
    SANITIZER = b'AddressSanitizer' in program.read()


def attempt(command, images):
    """Run one command in bounds; its exit status."""
    out = tempfile.mkdtemp(dir='.')
    args = [os.path.join(out, 'x') if a == 'OUT' else a for a in command[1:]]
    if 'inspect' in command:
        args = args + list(images)
    else:
        args = [args[0]] + list(images) + args[1:] if 'OUT' in command \
            else args + list(images)
    with open(os.path.join(out, 'stdout'), 'wb') as so, \
            open(os.path.join(out, 'stderr'), 'wb') as se:
        child = subprocess.Popen([os.path.join(BUILD, command[0])] + args,
                                 stdout=so, stderr=se)
        try:
            child.wait(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            raise t.Failure('%s hangs' % ' '.join(command)) from None
    with open(os.path.join(out, 'stderr'), 'rb') as f:
        said = f.read().decode(errors='backslashreplace')
    status = child.returncode
    what = '%s: exit status %d\n%s' % (' '.join(command), status, said[-2500:])
    expect(status in ORDERLY[command[0]], what)
    expect('Sanitizer' not in said and 'runtime error' not in said, what)
    if status:
        expect(said.strip(), what + ': nothing was said')
    for line in said.splitlines():
        expect(len(line) < 500, 'a long line: ' + line)
    shutil.rmtree(out, ignore_errors=True)
    return status


def all_commands(images, write=True):
    """Try everything; what writes gets copies."""
    for command in COMMANDS:
        attempt(command, images)
    for command in WRITING if write else ():
        copies = []
        where = tempfile.mkdtemp(dir='.')
        for n, i in enumerate(images):
            copies.append(i)
            if os.path.isfile(i):
                copies[-1] = os.path.join(where, str(n))
                subprocess.run(['cp', '--sparse=always', i, copies[-1]],
                               check=True)
        attempt(command, copies)
        shutil.rmtree(where)


def memory():
    """Largest resident size of any program so far, in KiB."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


def bounded():
    expect(SANITIZER or memory() < MEMORY_KIB, 'memory: %d KiB' % memory())


def pool(name='a', uuid=t.UUID, sizes=(20, 20)):
    if not os.path.isdir('tree'):
        t.write_tree('tree', random.Random(9), 400000, 20)
    return make_pool(name, sizes, 'tree', '-d', 'replica:2', '-m', 'replica:2',
                     uuid=uuid)


@case
def cut_at_many_lengths():
    images = pool()
    size = os.path.getsize(images[0])
    with Pool(images) as p:
        strips = p.members[0]['strip_sector'] * SECTOR
    for cut in (0, 1, 511, 4095, 4096, 65535, 65536, 65537, 1 << 20,
                BOOT + RING, strips, strips + 1, strips + 100000, size // 2,
                size - (1 << 20), size - 65536, size - 1):
        where = t.copy(images, 'cut%d' % cut)
        os.truncate(where[0], cut)
        all_commands(where, write=cut in (0, strips, size - 65536))
        os.truncate(where[1], cut)
        all_commands(where, write=cut in (4096, size // 2))
        shutil.rmtree('cut%d' % cut)
    bounded()


@case
def longer_than_it_was():
    """A grown image has its tail elsewhere: the head still serves."""
    images = pool()
    os.truncate(images[0], 37 << 20)
    all_commands(images)
    t.restored_is(images, 'tree')


@case
def no_images_at_all():
    rng = random.Random(3)
    os.mkdir('directory')
    with open('empty', 'wb'):
        pass
    with open('noise', 'wb') as f:
        f.write(rng.randbytes(6 << 20))
    with open('zeros', 'wb') as f:
        f.truncate(20 << 20)
    with open('text', 'wb') as f:
        f.write(b'VFSR' * 50000)
    os.mkfifo('fifo')
    for name in ('directory', 'empty', 'noise', 'zeros', 'text', 'missing',
                 '/dev/null', '/dev/zero', '/dev/full'):
        for command in COMMANDS + WRITING:
            status = attempt(command, [name])
            expect(status, '%s served %s' % (command, name))
    for command in COMMANDS:
        attempt(command, ['fifo'])
    bounded()


@case
def bad_companions():
    """Sound members beside something else: they serve, or all is refused."""
    images = pool()
    with open('noise', 'wb') as f:
        f.write(random.Random(3).randbytes(3 << 20))
    with open('empty', 'wb'):
        pass
    os.mkdir('directory')
    for other in ('noise', 'empty', 'directory', 'missing', '/dev/zero'):
        all_commands(images + [other], write=other == 'noise')
    bounded()


@case
def member_of_another_pool():
    images = pool()
    other = pool('b', t.OTHER_UUID)
    for mix in (images + other[:1], other[1:] + images, [images[0], other[1]]):
        all_commands(mix, write=False)
        r = run('vfsr', 'restore', *mix, '--to', t.fresh(), status=1)
        expect('pool' in r.errors, r.errors)
    r = run('fsck.vfsr', '-n', *images, *other, status=8)
    expect('another pool' in r.errors, r.errors)


@case
def member_from_before():
    """A member that was copied before a commit is stale, not believed."""
    images = pool()
    old = t.copy(images, 'old')
    run('fsck.vfsr', '--rebuild-map', *images, status=1)
    mix = [old[0], images[1]]
    all_commands(mix)
    t.restored_is(mix, 'tree')
    doc = t.fsck(mix, '-n', status=4)
    expect(doc['findings'], 'nothing was found')


@case
def member_named_twice():
    images = pool()
    twin = t.copy(images, 'twin')
    for mix in (images + images[:1], images + twin[1:], [images[0]] * 3):
        all_commands(mix, write=False)
        run('vfsr', 'restore', *mix, '--to', t.fresh(), status=1)
        run('fsck.vfsr', '-n', *mix, status=8)


@case
def random_bytes_everywhere():
    images = pool()
    rng = random.Random(12)
    size = os.path.getsize(images[0])
    for i in range(12):
        where = t.copy(images, 'r%d' % i)
        for image in where:
            for _ in range(rng.choice((1, 10, 300))):
                with open(image, 'r+b') as f:
                    f.seek(rng.randrange(min(size, 5 << 20)))
                    f.write(rng.randbytes(rng.choice((1, 4, 64, 5000))))
        all_commands(where, write=i < 3)
        shutil.rmtree('r%d' % i)
    bounded()


VALUES = (0, 1, 2, 63, 64, 65, 255, 4095, 4096, 65535, 65536, 1 << 20,
          (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 36, 1 << 52,
          (1 << 63) - 1, (1 << 64) - 1)


@case
def crafted_records():
    """Every field of the record takes hostile values in all slots, sealed."""
    images = pool()
    rng = random.Random(5)
    with Pool(images) as p:
        good = bytes(p.record)
        at = {m: p.record_spots(m) for m in p.dev}
    fields = [(n, *f) for n, f in RECORD.items()
              if n not in ('magic', 'crc', 'uuid', 'this_member')]
    # members, index roots and open grids as plain words
    fields += [('byte %d' % i, i, '<I') for i in range(512, len(good), 4)]
    where = t.copy(images, 'c')
    for name, off, fmt in fields:
        width = struct.calcsize(fmt)
        for value in rng.sample(VALUES, 1 if 'byte' in name else 2):
            raw = (value & (1 << 8 * min(width, 8)) - 1).to_bytes(
                min(width, 8), 'little')
            for m, spots in at.items():
                rec = bytearray(good)
                rec[off:off + len(raw)] = raw
                put(rec, RECORD, 'this_member', m)
                length = get(rec, RECORD, 'bytes')
                if not 512 <= length <= len(rec):
                    length = len(rec)
                seal(rec, length)
                for spot in spots:
                    with open(where[m], 'r+b') as f:
                        f.seek(spot)
                        f.write(rec)
            command = rng.choice(COMMANDS)
            try:
                attempt(command, where)
                attempt(('fsck.vfsr', '-n'), where)
            except t.Failure as e:
                raise t.Failure('%s = %#x: %s' % (name, value, e)) from None
    bounded()


@case
def crafted_footers():
    """Words of footers and trailers, sealed; read by check and by rebuild."""
    images = pool()
    rng = random.Random(6)
    with Pool(images) as p:
        g = next(iter(p.grids.values()))
        st = g.stripes()[0]
        footer, trailer = bytes(st.buf), bytes(g.load().trailer)
        spots = [[g.spot(c, r, st) for c in range(g.n)
                  for _, r in st.footer_spots()],
                 [g.spot(c, g.rows) for c in range(g.n)]]
    where = t.copy(images, 'c')
    for good, places, used in ((footer, spots[0], 352),
                               (trailer, spots[1], 352)):
        for off in list(range(24, 128, 4)) + list(range(192, used, 16)):
            buf = bytearray(good)
            struct.pack_into('<I', buf, off,
                             rng.choice(VALUES) & 0xffffffff)
            seal(buf)
            for m, at in places:
                with open(where[m], 'r+b') as f:
                    f.seek(at)
                    f.write(buf)
            try:
                attempt(rng.choice(COMMANDS), where)
                attempt(('fsck.vfsr', '-n', '--rebuild-map'), where)
            except t.Failure as e:
                raise t.Failure('word %d: %s' % (off, e)) from None
        for m, at in places:
            with open(where[m], 'r+b') as f:
                f.seek(at)
                f.write(good)
    bounded()


@case
def crafted_map_and_nodes():
    """Words of map pages and nodes, with every checksum above right."""
    if not os.path.isdir('tree'):
        t.write_tree('tree', random.Random(9), 400000, 20)
    images = make_pool('a', (20, 20), 'tree', '-d', 'replica:2', '-m',
                       'replica:2', '--compress', 'none')
    rng = random.Random(7)
    for i in range(30):
        where = t.copy(images, 'c%d' % i)
        value = rng.choice(VALUES)
        with Pool(where) as p:
            inodes = [1, p.lookup('many'), p.lookup('sub/noise0'),
                      p.lookup('long-symlink')]
            if i % 3:
                def edit(node):
                    # past the header, so that the words mean something
                    off = rng.choice((4, 6, 24, 26, 32, 34, 48, 56, 64, 72)
                                     + tuple(range(96, len(node) - 8, 4)))
                    struct.pack_into('<I', node, min(off, len(node) - 4),
                                     value & 0xffffffff)
                p.edit_chunk(rng.choice(inodes), edit)
            else:
                page = rng.choice([x for x in p.pages() if not x.level])
                off = rng.randrange(32, 4096, 4)
                struct.pack_into('<I', page.buf, off, value & 0xffffffff)
                try:
                    p.store_page(page)
                except (KeyError, ValueError):
                    pass        # the page was stored; live bytes were not
        try:
            all_commands(where, write=i % 10 == 0)
        except t.Failure as e:
            raise t.Failure('step %d: %s' % (i, e)) from None
        shutil.rmtree('c%d' % i)
    bounded()


@case
def crafted_tables():
    images = pool()
    rng = random.Random(8)
    for i in range(12):
        where = t.copy(images, 'c%d' % i)
        with Pool(where) as p:
            g = rng.choice(list(p.grids.values()))
            col = rng.randrange(g.n)

            def edit(buf, at):
                off = at + rng.choice((0, 4, 8, 9, 10, 11, 12, 13, 14, 16))
                buf[off] = rng.choice((0, 1, 2, 5, 31, 32, 64, 255))
            p.edit_strip(g.device[col], g.strip[col], edit)
        try:
            all_commands(where, write=i < 2)
        except t.Failure as e:
            raise t.Failure('step %d: %s' % (i, e)) from None
        shutil.rmtree('c%d' % i)
    bounded()


if __name__ == '__main__':
    t.main()
