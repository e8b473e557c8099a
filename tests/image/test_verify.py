#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""vfsr verify on whole images: exit status, counts equal to the damage done, names
and ranges of what is lost, repairs that give back the very same bytes.
"""
import os
import random

import imagetest as t
from diskformat import BOOT, SECTOR, SLOT, Pool
from imagetest import (case, equal, expect, fsck_clean, make_pool, overwrite,
                       run, same_bytes, verify)

CLEAN, FAILED, USAGE, DAMAGED, LOST = 0, 1, 2, 3, 4
COUNTS = ('bad_sectors', 'healed_sectors', 'written_sectors', 'lost_sectors',
          'bad_roots', 'written_roots', 'bad_trailers', 'lost_files')


def counts_are(doc, **wanted):
    for name in COUNTS:
        equal(doc[name], wanted.get(name, 0), name)


class Damage:
    """A pool and its undamaged twin."""

    def __init__(self, sizes, *args, total=1 << 20):
        self.rng = random.Random(11)
        t.write_tree('tree', self.rng, total)
        self.images = make_pool('a', sizes, 'tree', *args)
        self.twin = t.copy(self.images, 'twin')

    def pool(self):
        return Pool(self.images)

    def grids(self):
        """(grid, all its cells as (column, row, member, byte)): data first."""
        with self.pool() as p:
            out = []
            for g in p.grids.values():
                cells = []
                for st in g.stripes():
                    cells += [(c, r) + g.spot(c, r, st) for c in range(g.n)
                              for r in range(st.row, st.row + st.depth)]
                out.append((g, cells))
        return sorted(out, key=lambda x: -x[0].k)

    def hit(self, member, at, nr=1):
        overwrite(self.images[member], at // SECTOR, nr, self.rng)

    def repaired(self, **wanted):
        """Found, repaired, identical, clean."""
        before = t.copy(self.images, t.fresh('before'))
        sectors = wanted.get('bad_sectors', 0)
        roots = wanted.get('bad_roots', 0)
        doc = verify(self.images, status=DAMAGED)
        counts_are(doc, healed_sectors=wanted.get('healed', sectors), **{
            k: v for k, v in wanted.items() if k != 'healed'})
        equal(doc['result'], 'damaged', 'result')
        same_bytes(self.images, before)
        doc = verify(self.images, '--repair')
        equal(doc['result'], 'repaired', 'result')
        counts_are(doc, bad_sectors=sectors, bad_roots=roots,
                   healed_sectors=sectors, written_sectors=sectors,
                   written_roots=roots)
        same_bytes(self.images, self.twin)
        doc = verify(self.images)
        equal(doc['result'], 'clean', 'result')
        counts_are(doc)
        fsck_clean(self.images)


def three():
    return Damage((24, 24, 24), '-d', 'grid:2+1+1', '-m', 'replica:3')


@case
def clean_pools():
    t.write_tree('tree', random.Random(1), 1 << 20)
    for i, (sizes, args) in enumerate((
            ((72,), ()), ((24, 30), ()), ((24, 24, 24), ()),
            ((20, 24, 28, 33, 38, 44), ('-d', 'grid:4+2+1')),
            ((72,), ('-d', 'grid:16+1+1', '-O', 'interleaved')),
            ((32,), ('-d', 'single', '-m', 'single')))):
        images = make_pool('p%d' % i, sizes, 'tree', *args)
        doc = verify(images)
        counts_are(doc)
        equal(doc['result'], 'clean', 'result')
        expect(doc['checked_bytes'] > 0, 'nothing was checked')
        equal(len(doc['devices']), len(sizes), 'devices')
        r = run('vfsr', 'verify', *images)
        expect('clean' in r.text, r.text)
        r = run('vfsr', 'verify', '-q', *images)
        equal(r.text + r.errors, '', 'quiet')


@case
def data_parity_and_footers():
    d = three()
    nr = {}
    for g, cells in d.grids():
        rows = {}
        for c, r, member, at in cells:
            rows.setdefault(r, []).append((c, member, at))
        for r in d.rng.sample(sorted(rows), min(len(rows), 6)):
            _, member, at = d.rng.choice(rows[r])
            d.hit(member, at)
            nr[member] = nr.get(member, 0) + 1
    total = sum(nr.values())
    doc = verify(d.images, status=DAMAGED)
    for x in doc['devices']:
        equal(x['bad_sectors'], nr.get(x['member'], 0), 'member')
        equal(x['healed_sectors'], nr.get(x['member'], 0), 'member')
    d.repaired(bad_sectors=total)


@case
def both_footers_of_a_stripe():
    d = three()
    with d.pool() as p:
        g = next(g for g in p.grids.values() if g.k == 2)
        st = g.stripes()[0]
        spots = [g.spot(c, r, st) for c, r in st.footer_spots()]
    for member, at in spots:
        d.hit(member, at)
    d.repaired(bad_sectors=2)


@case
def column_parity_rows():
    d = three()
    spots = []
    with d.pool() as p:
        for g in p.grids.values():
            if g.r:
                spots.append(g.spot(d.rng.randrange(g.n), g.data_rows))
    for member, at in spots:
        d.hit(member, at)
    d.repaired(bad_sectors=len(spots))


@case
def trailers():
    d = three()
    spots = []
    with d.pool() as p:
        for i, g in enumerate(p.grids.values()):
            for c in range(g.n - 1 if i == 0 else 1):
                spots.append(g.spot(c, g.rows))
    for member, at in spots:
        d.hit(member, at)
    d.repaired(bad_sectors=len(spots), bad_trailers=len(spots))


@case
def all_trailers_of_a_grid():
    """The footers still tell the stripes, and column parity can be computed."""
    d = three()
    with d.pool() as p:
        g = next(g for g in p.grids.values() if g.k == 2)
        spots = [g.spot(c, g.rows) for c in range(g.n)]
    for member, at in spots:
        d.hit(member, at)
    d.repaired(bad_sectors=len(spots), bad_trailers=len(spots), healed=0)


@case
def ring_slots():
    d = three()
    with d.pool() as p:
        spots = [(m, p.record_spots(m)[m % 2]) for m in p.dev]
    for member, at in spots:
        d.hit(member, at)
    d.repaired(bad_roots=len(spots))


@case
def every_slot_of_one_member():
    d = three()
    with d.pool() as p:
        spots = p.record_spots(1)
        size = p.size[1]
    d.hit(1, BOOT, (1 << 20) // SECTOR)
    d.hit(1, size - (1 << 20), (1 << 20) // SECTOR)
    verify(d.images, status=DAMAGED)
    doc = verify(d.images, '--repair')
    equal((doc['bad_roots'], doc['written_roots']), (2, 2), 'roots')
    for at in spots:
        with open(d.images[1], 'rb') as a, open(d.twin[1], 'rb') as b:
            a.seek(at)
            b.seek(at)
            equal(a.read(SLOT) == b.read(SLOT), True, 'slot')
    fsck_clean(d.images)


@case
def tables():
    """Head of one member, tail of another, both copies nowhere."""
    d = three()
    spots = []
    with d.pool() as p:
        for member in p.dev:
            for block, slot, *_ in p.table_refs(member):
                spots.append((member, p.table_spot(member, block, slot)[
                    (member + block) % 2]))
    for member, at in spots:
        d.hit(member, at)
    d.repaired(bad_roots=len(spots))


@case
def a_device_whose_head_is_gone():
    d = three()
    with d.pool() as p:
        strips = p.members[0]['strip_sector']
    d.hit(0, 0, strips)
    verify(d.images, status=DAMAGED)
    verify(d.images, '--repair')
    equal(verify(d.images)['result'], 'clean', 'result')
    fsck_clean(d.images)
    t.restored_is(d.images, 'tree')


@case
def lost_ranges_are_exact():
    """One sector of a raw chunk beyond repair: that range and no other."""
    os.mkdir('tree')
    data = random.Random(3).randbytes(900000)
    for name in ('a', 'b', 'c'):
        with open('tree/' + name, 'wb') as f:
            f.write(data)
    images = make_pool('a', (32,), 'tree', '-d', 'single', '-m', 'single',
                       '--compress', 'none')
    rng = random.Random(4)
    with Pool(images) as p:
        ino = p.lookup('/b')
        extents = [i for _, i in p.tree_items(ino) if i.type == 2]
        item = extents[2]
        chunk = p.chunks()[int.from_bytes(item.value[:8], 'little')]
        equal(chunk.state, 0, 'raw')
        spots = list(p.copies(chunk.place, chunk.stored))
    member, at, _ = spots[0]
    piece = 5
    overwrite(images[member], at // SECTOR + piece, 3, rng)
    first = item.key * SECTOR + piece * SECTOR
    doc = verify(images, status=LOST)
    equal([(x['path'], x['what'], x['offset'], x['bytes'])
           for x in doc['lost']], [('/b', 'bytes', first, 3 * SECTOR)], 'lost')
    counts_are(doc, bad_sectors=3, lost_sectors=3, lost_files=1)
    before = t.copy(images, 'before')
    doc = verify(images, '--repair', status=LOST)
    counts_are(doc, bad_sectors=3, lost_sectors=3, lost_files=1)
    same_bytes(images, before)
    r = run('vfsr', 'verify', *images, status=LOST)
    expect('lost: /b: bytes %d-%d' % (first, first + 3 * SECTOR - 1)
           in r.errors, r.errors)


@case
def lost_inode_is_named():
    os.mkdir('tree')
    for i in range(40):
        with open('tree/f%d' % i, 'wb') as f:
            f.write(random.Random(i).randbytes(1500))
    images = make_pool('a', (32,), 'tree', '-d', 'single', '-m', 'single')
    with Pool(images) as p:
        ino = p.lookup('/f17')
        c = p.chunks()[ino]
        spots = list(p.copies(c.place, c.stored))
        with open(images[0], 'r+b') as f:
            f.seek(spots[0][1])
            f.write(random.Random(1).randbytes(spots[0][2]))
    doc = verify(images, status=LOST)
    expect(('/f17', 'inode') in [(x['path'], x['what']) for x in doc['lost']]
           or any('#%d' % ino in x['path'] for x in doc['lost']), doc['lost'])


@case
def within_and_beyond_together():
    """What can be repaired is, although something else is lost."""
    d = three()
    (g, cells), *_ = d.grids()
    beyond = [x for x in cells if x[0] in (0, 1) and x[1] in (40, 41)]
    equal(len(beyond), 4, 'cells')
    within = [x for x in cells if x[1] in range(90, 100) and x[0] == x[1] % 3]
    for _, _, member, at in beyond + within:
        d.hit(member, at)
    n = len(within)
    doc = verify(d.images, '--repair', status=LOST)
    equal((doc['bad_sectors'], doc['healed_sectors'], doc['written_sectors'],
           doc['lost_sectors']), (4 + n, n, n, 4), 'counts')
    doc = verify(d.images, status=LOST)
    equal((doc['bad_sectors'], doc['lost_sectors']), (4, 4), 'again')
    for x in beyond:
        with open(d.twin[x[2]], 'rb') as a, open(d.images[x[2]], 'r+b') as b:
            a.seek(x[3])
            b.seek(x[3])
            b.write(a.read(SECTOR))
    same_bytes(d.images, d.twin)


@case
def degraded_pool():
    d = three()
    (g, cells), *_ = d.grids()
    left = [d.images[0], d.images[2]]
    doc = verify(left, status=CLEAN)
    counts_are(doc)
    equal([x['path'] for x in doc['devices']],
          [left[0], '(missing)', left[1]], 'devices')
    hits = [x for x in cells if x[1] in (30, 60) and x[2] == 0]
    for _, _, member, at in hits[:1]:
        d.hit(member, at)
    doc = verify(left, '--repair')
    counts_are(doc, bad_sectors=1, healed_sectors=1, written_sectors=1)
    same_bytes(d.images, d.twin)


@case
def too_many_members_missing():
    d = three()
    doc = verify(d.images[1:2], status=LOST)
    expect(doc['lost_files'] > 0, 'files')


@case
def several_threads_same_result():
    d = three()
    for g, cells in d.grids():
        for _, _, member, at in d.rng.sample(cells, 1):
            d.hit(member, at)
    docs = [verify(d.images, '--threads', n, status=DAMAGED)
            for n in (1, 2, 7)]
    for doc in docs:
        for name in ('seconds', 'megabytes_per_second'):
            del doc[name]
    equal(docs[1], docs[0], 'two threads')
    equal(docs[2], docs[0], 'seven threads')


@case
def text_is_a_table():
    """Members stand below each other, numbers below their names."""
    d = three()
    lines = run('vfsr', 'verify', d.images[0], d.images[2]).text.splitlines()
    at = lines.index('devices')
    head, rows = lines[at + 1], lines[at + 2:]
    equal(len(rows), 3, 'rows')
    expect('(missing)' in rows[1], rows[1])
    for row in rows:
        equal(len(row), len(head), row)
        equal(row[:len('  member')].split(), [str(rows.index(row))], row)


@case
def usage_and_failure():
    run('vfsr', 'verify', status=USAGE)
    run('vfsr', 'verify', '--nonsense', 'x', status=USAGE)
    run('vfsr', 'verify', '--threads', '0', 'x', status=USAGE)
    run('vfsr', 'verify', '--threads', '4x', 'x', status=USAGE)
    run('vfsr', 'verify', '--threads', '65', 'x', status=USAGE)
    r = run('vfsr', 'verify', '-qx', 'x', status=USAGE)
    expect("unknown option '-x'" in r.errors, r.errors)
    r = run('vfsr', 'verify', 'x', '--threads', status=USAGE)
    expect("'--threads' needs a value" in r.errors, r.errors)
    run('vfsr', 'verify', 'not-there', status=FAILED)
    r = run('vfsr', 'verify', '--help')
    expect('--repair' in r.text, r.text)


@case
def read_only_image():
    """--repair of what may not be written says so and changes nothing."""
    d = three()
    doc = verify(d.images)
    equal(doc['result'], 'clean', 'result')
    if t.ROOT:
        raise t.Skip('root may write everything')
    os.chmod(d.images[0], 0o444)
    run('vfsr', 'verify', '--repair', *d.images, status=FAILED)


if __name__ == '__main__':
    t.main()
