#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The guarantee on whole images: m devices gone, any 2m+1 sectors of a grid
destroyed, or m devices gone and a burst on each survivor. Each time the tree
comes back bit for bit and a repair leaves the images as they were.

The sectors that are destroyed are those of sealed grids, found by the second
reader of the format, footers, trailers and parity rows among them.
"""
import itertools
import os
import random

import imagetest as t
from diskformat import SECTOR, Pool
from imagetest import (case, equal, expect, fsck_clean, make_pool, overwrite,
                       restored_is, run, same_bytes)

SIX = (20, 24, 28, 33, 38, 44)
ROUNDS = int(os.environ.get('VFSR_ROUNDS', '2'))


class Shape:
    def __init__(self, policy, meta, sizes, *args, total=1 << 20):
        self.policy, self.args = policy, ('-d', policy, '-m', meta) + args
        self.sizes, self.total = sizes, total
        self.rng = random.Random(policy + meta)

    def make(self):
        t.write_tree('tree', self.rng, self.total)
        self.images = make_pool('a', self.sizes, 'tree', *self.args)
        with Pool(self.images) as p:
            self.grids = [(g.id, g.k, g.m, g.r, g.rows, g.data_rows,
                           g.rows_used) for g in p.grids.values()]
            self.spots = {}
            for g in p.grids.values():
                for st in g.stripes():
                    for row in range(st.row, st.row + st.depth):
                        for col in range(g.n):
                            self.spots[g.id, col, row] = g.spot(col, row, st)
                for row in range(g.data_rows, g.rows):
                    for col in range(g.n):
                        self.spots[g.id, col, row] = g.spot(col, row)
        return self

    def damage(self, images, cells):
        """Overwrite (grid, column, row) cells; @images by member, None: gone."""
        nr = 0
        for cell in cells:
            member, at = self.spots[cell]
            if images[member]:
                overwrite(images[member], at // SECTOR, 1, self.rng)
                nr += 1
        return nr


def heals(shape, images, damaged):
    """All members are there: repair gives back the very same images."""
    restored_is(images, 'tree')
    doc = t.verify(images, '--repair')
    equal(doc['bad_sectors'], damaged, 'bad sectors')
    equal(doc['written_sectors'], damaged, 'written sectors')
    same_bytes(images, shape.images)
    equal(t.verify(images)['result'], 'clean', 'second verify')
    fsck_clean(images)


def degraded(images):
    """Some are missing: everything is readable, and the rest gets repaired."""
    left = [i for i in images if i]
    restored_is(left, 'tree')
    t.verify(left, '--repair', status=(0, 3))
    doc = t.verify(left, status=(0, 3))
    equal(doc['bad_sectors'], 0, 'bad sectors after repair')
    restored_is(left, 'tree')


def members_gone(shape, m, most=99):
    for nr in range(1, m + 1):
        sets = list(itertools.combinations(range(len(shape.sizes)), nr))
        shape.rng.shuffle(sets)
        for gone in sets[:most]:
            left = [i for n, i in enumerate(shape.images) if n not in gone]
            shape.rng.shuffle(left)
            restored_is(left, 'tree')
    gone = sets[0]
    left = t.copy([i for n, i in enumerate(shape.images) if n not in gone],
                  t.fresh('left'))
    degraded(left)


def random_sectors(shape):
    for i in range(ROUNDS):
        images = t.copy(shape.images, t.fresh('random'))
        nr = 0
        for gid, k, m, r, rows, data_rows, used in shape.grids:
            cells = [c for c in shape.spots if c[0] == gid]
            # without column parity: m in a row is what is promised
            want = 2 * m + 1 if r else m
            nr += shape.damage(images, shape.rng.sample(cells, want))
        heals(shape, images, nr)


def worst_sectors(shape):
    """2m+1 sectors packed into two rows of one class, footers first."""
    images = t.copy(shape.images, 'worst')
    nr = 0
    for gid, k, m, r, rows, data_rows, used in shape.grids:
        if not r:
            continue
        n, row = k + m, 0
        other = next((x for x in range(row + r, used, r)), None)
        if other is None:
            continue
        cols = list(range(min(n, m + 1)))
        cells = [(gid, c, row) for c in cols]
        cells += [(gid, c, other) for c in cols[:m]]
        nr += shape.damage(images, cells)
    if nr:
        heals(shape, images, nr)


def bursts(shape, m):
    """m members gone, and on each survivor a burst of up to r rows."""
    members = range(len(shape.sizes))
    for i in range(ROUNDS):
        gone = shape.rng.sample(list(members), m)
        images = t.copy(shape.images, t.fresh('burst'))
        cells = []
        for gid, k, m_, r, rows, data_rows, used in shape.grids:
            if not r:
                continue
            # the grid's own columns may share a device: one each then
            by_member = {}
            for c in range(k + m_):
                by_member.setdefault(shape.spots[gid, c, 0][0], []).append(c)
            if any(len(c) > 1 for c in by_member.values()):
                continue
            for member, (col,) in by_member.items():
                if member in gone:
                    continue
                nr = shape.rng.randint(1, r)
                first = shape.rng.randrange(used - nr + 1)
                cells += [(gid, col, first + x) for x in range(nr)]
        for x in gone:
            os.unlink(images[x])
            images[x] = None
        shape.damage(images, cells)
        degraded(images)


@case
def one_device_16_1_1():
    s = Shape('grid:16+1+1', 'replica:2', (72,)).make()
    random_sectors(s)
    worst_sectors(s)


@case
def one_device_interleaved():
    s = Shape('grid:16+1+1', 'replica:2', (72,), '-O', 'interleaved').make()
    random_sectors(s)
    worst_sectors(s)


@case
def two_devices_mirror():
    s = Shape('mirror', 'mirror', (24, 30)).make()
    members_gone(s, 1)
    random_sectors(s)


@case
def three_devices_2_1_1():
    s = Shape('grid:2+1+1', 'replica:2', (24, 24, 24)).make()
    members_gone(s, 1)
    random_sectors(s)
    worst_sectors(s)
    bursts(s, 1)


@case
def four_devices_2_1_1():
    s = Shape('grid:2+1+1', 'grid:2+1+1', (20, 24, 28, 33)).make()
    members_gone(s, 1)
    random_sectors(s)
    worst_sectors(s)
    bursts(s, 1)


@case
def six_devices_4_2_1():
    s = Shape('grid:4+2+1', 'replica:3', SIX).make()
    members_gone(s, 2, 8)
    random_sectors(s)
    worst_sectors(s)
    bursts(s, 2)


@case
def six_devices_3_3_2():
    s = Shape('grid:3+3+2', 'replica:4', SIX).make()
    members_gone(s, 3, 5)
    random_sectors(s)
    worst_sectors(s)
    bursts(s, 3)


@case
def beyond_it_is_an_error():
    """(m+1) columns x 2 rows of one class of raw data: reported, never wrong."""
    s = Shape('grid:2+1+1', 'replica:3', (24, 24, 24)).make()
    images = t.copy(s.images, 'beyond')
    gid = next(g[0] for g in s.grids if g[1] == 2)
    s.damage(images, [(gid, c, r) for c in (0, 1) for r in (40, 41)])
    doc = t.verify(images, status=4)
    equal(doc['result'], 'lost', 'result')
    equal(doc['lost_sectors'], 4, 'lost sectors')
    out = t.fresh()
    r = t.restore(images, out, status=4)
    damaged = {os.path.relpath(x['path'], '/') for x in doc['lost']}
    expect(damaged, 'no file was named')
    inodes = {os.stat(os.path.join('tree', x)).st_ino for x in damaged}
    for d, _, names in os.walk('tree'):
        for name in names:
            path = os.path.join(d, name)
            rel = os.path.relpath(path, 'tree')
            if os.path.islink(path) or not os.path.isfile(path) \
                    or os.stat(path).st_ino in inodes:
                continue
            same_bytes([path], [os.path.join(out, rel)])
    expect(any(x in r.errors for x in damaged), r.errors)
    run('vfsr', 'restore', *images, '--to', out, status=1)


if __name__ == '__main__':
    t.main()
