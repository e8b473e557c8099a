#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""fsck.vfsr --rebuild-map: with every record, strip table and map page
overwritten on every member, footers and trailers alone give the pool back.
"""
import os
import random

import imagetest as t
from diskformat import SECTOR, Pool
from imagetest import (case, equal, expect, fsck_clean, make_pool, overwrite,
                       restored_is, run, same_bytes)
from wipe_roots import wipe

SIZES = (20, 24, 28, 33, 38, 44)


def rebuild(images, *args, status=1):
    return run('fsck.vfsr', '--rebuild-map', *args, *images, status=status)


def tree(total=2 << 20):
    return t.write_tree('tree', random.Random(7), total)


def is_back(images):
    restored_is(images, 'tree')


def cycle(policy, meta, sizes, *args):
    """Wipe, rebuild, compare, check."""
    tree()
    images = make_pool('a', sizes, 'tree', '-d', policy, '-m', meta, *args)
    wipe(images, random.Random(1))
    run('vfsr', 'restore', *images, '--to', 'no', status=1)
    rebuild(images)
    is_back(images)
    fsck_clean(images)
    return images


@case
def one_device():
    cycle('grid:16+1+1', 'replica:2', (72,))


@case
def one_device_single():
    cycle('single', 'single', (32,))


@case
def one_device_interleaved():
    cycle('grid:4+1+1', 'replica:2', (64,), '-O', 'interleaved')


@case
def mirror():
    cycle('mirror', 'mirror', (24, 24))


@case
def three_devices():
    cycle('grid:2+1+1', 'replica:3', (24, 24, 24))


@case
def metadata_with_columns():
    cycle('grid:2+1+1', 'grid:2+1+1', (24, 26, 28))


@case
def six_devices():
    cycle('grid:4+2+1', 'replica:3', SIZES)


@case
def three_parities():
    cycle('grid:3+3+2', 'replica:3', SIZES)


@case
def a_device_that_was_never_used():
    """The smallest of four gets no strip of a small pool; it stays a member."""
    images = cycle('grid:2+1+1', 'replica:3', (20, 40, 40, 40))
    with Pool(images) as p:
        equal(sorted(p.dev), [0, 1, 2, 3], 'members')
        equal([m['state'] for m in p.members], [1] * 4, 'states')


@case
def wide_directory_and_interior_map_pages():
    os.makedirs('tree/wide')
    for i in range(6000):
        os.symlink('s%d' % i, 'tree/wide/%d' % i)
    images = make_pool('a', (24, 24, 24), 'tree', '-d', 'grid:2+1+1',
                       '-m', 'replica:3')
    wipe(images, random.Random(2))
    rebuild(images)
    is_back(images)
    fsck_clean(images)


@case
def members_missing():
    """Wiped, and up to m members gone besides."""
    tree()
    images = make_pool('a', SIZES, 'tree', '-d', 'grid:4+2+1',
                       '-m', 'replica:3')
    rng = random.Random(3)
    for gone in ((0,), (5,), (2,), (0, 1), (4, 5), (3, 5)):
        where = t.fresh('c')
        left = [x for i, x in enumerate(t.copy(images, where))
                if i not in gone]
        wipe(left, rng)
        rng.shuffle(left)
        rebuild(left)
        is_back(left)
        found = {x['reason'] for x in
                 t.fsck(left, '-n', status=(0, 4))['findings']}
        expect(not found, gone, found)


@case
def damaged_besides():
    """Wiped, and 2m+1 data sectors of each grid destroyed."""
    tree()
    images = make_pool('a', SIZES, 'tree', '-d', 'grid:4+2+1',
                       '-m', 'replica:3')
    rng = random.Random(4)
    spots = []
    with Pool(images) as p:
        for g in p.grids.values():
            for _ in range(2 * g.m + 1 if g.k > 1 else 0):
                m, at = g.spot(rng.randrange(g.n), rng.randrange(g.rows_used))
                spots.append((p.path[m], at // SECTOR))
    wipe(images, rng)
    for path, sector in spots:
        overwrite(path, sector, 1, rng)
    rebuild(images)
    is_back(images)
    run('fsck.vfsr', '-p', *images, status=(0, 1))
    fsck_clean(images)


@case
def devices_shuffled_and_renamed():
    tree()
    images = make_pool('a', SIZES, 'tree', '-d', 'grid:4+2+1',
                       '-m', 'replica:3')
    wipe(images, random.Random(5))
    order = [images[i] for i in (4, 1, 5, 0, 3, 2)]
    renamed = []
    for i, x in enumerate(order):
        os.rename(x, 'x%d.img' % i)
        renamed.append('x%d.img' % i)
    rebuild(renamed)
    is_back(renamed)
    fsck_clean(renamed[::-1])


@case
def healthy_pool():
    """Nothing is wiped: the rebuild changes the map, not the files."""
    tree()
    images = make_pool('a', (24, 24, 24), 'tree', '-d', 'grid:2+1+1')
    rebuild(images)
    is_back(images)
    fsck_clean(images)


@case
def dry_run_writes_nothing():
    tree()
    images = make_pool('a', (24, 24, 24), 'tree', '-d', 'grid:2+1+1')
    wipe(images, random.Random(6))
    before = t.copy(images, 'before')
    rebuild(images, '-n', status=0)
    same_bytes(images, before)


@case
def again_and_again():
    """Each rebuild leaves old map pages behind, which must not count."""
    tree()
    images = make_pool('a', (24, 24, 24), 'tree', '-d', 'grid:2+1+1')
    for i in range(4):
        wipe(images, random.Random(i))
        rebuild(images)
        is_back(images)
        fsck_clean(images)
    rebuild(images)
    rebuild(images)
    fsck_clean(images)
    is_back(images)


@case
def deterministic():
    tree()
    images = make_pool('a', (24, 24, 24), 'tree', '-d', 'grid:2+1+1')
    wipe(images, random.Random(6))
    other = t.copy(images, 'other')
    os.environ['SOURCE_DATE_EPOCH'] = '1700000000'
    try:
        rebuild(images)
        rebuild(other)
    finally:
        del os.environ['SOURCE_DATE_EPOCH']
    same_bytes(images, other)


def stripes_of(images, transaction):
    """Serial, and path and byte of every sector, of a transaction's stripes."""
    out = []
    with Pool(images) as p:
        for g in p.grids.values():
            for s in g.stripes():
                if s['transaction'] == transaction:
                    spots = [g.spot(c, r, s) for c in range(g.n)
                             for r in range(s.row, s.row + s.depth)]
                    out.append((s['serial'],
                                [(p.path[m], at) for m, at in spots]))
    return sorted(out, key=lambda x: x[0])


@case
def last_transaction_incomplete():
    """The stripes of a second commit are partly destroyed: the state before
    it is used."""
    tree()
    images = make_pool('a', (24, 24, 24), 'tree', '-d', 'grid:2+1+1')
    rebuild(images)
    with Pool(images) as p:
        newest = p['transaction']
    stripes = stripes_of(images, newest)
    expect(stripes, 'no stripes of transaction', newest)
    rng = random.Random(8)
    for victim in range(len(stripes)):
        where = t.copy(images, 'v%d' % victim)
        wipe(where, rng)
        for path, at in stripes[victim][1]:
            path = os.path.join('v%d' % victim, os.path.basename(path))
            overwrite(path, at // SECTOR, 1, rng)
        r = rebuild(where)
        expect('transaction %d,' % (newest - 1) in r.errors, r.errors)
        is_back(where)
        fsck_clean(where)


@case
def a_member_returns():
    """Rebuilt without it, then it is there again: it is not believed."""
    tree()
    images = make_pool('a', (24, 24, 24), 'tree', '-d', 'grid:2+1+1')
    old = t.copy(images[2:], 'old')
    wipe(images[:2], random.Random(6))
    rebuild(images[:2])
    is_back(images[:2])
    is_back(images[:2] + old)
    is_back(old + images[1:2] + images[:1])


@case
def a_lost_inode_takes_only_its_file():
    tree()
    images = make_pool('a', (24, 24, 24), 'tree', '-d', 'grid:2+1+1',
                       '-m', 'replica:2')
    with Pool(images) as p:
        c = p.chunks()[p.lookup('many/n007')]
        spots = list(p.copies(c.place, c.stored))
    wipe(images, random.Random(6))
    for member, at, length in spots:
        with open(images[member], 'r+b') as f:
            f.seek(at)
            f.write(b'\x55' * length)
    rebuild(images, status=5)
    t.restore(images, 'out', status=4)
    for name in ('many/n006', 'many/n008', 'sub/noise0'):
        same_bytes(['tree/' + name], ['out/' + name])


@case
def nothing_to_rebuild_from():
    with open('noise', 'wb') as f:
        f.write(random.Random(1).randbytes(4 << 20))
    r = rebuild(['noise'], status=8)
    expect('no label' in r.errors, r.errors)
    with open('empty', 'wb') as f:
        pass
    rebuild(['empty'], status=8)


@case
def two_pools_mixed():
    """Another pool's member among them is refused before anything is written."""
    tree()
    images = make_pool('a', (24, 24, 24), 'tree', '-d', 'grid:2+1+1')
    other = make_pool('b', (24,), 'tree', '-d', 'single', '-m', 'single',
                      uuid=t.OTHER_UUID)
    wipe(images, random.Random(6))
    before = t.copy(other, 'before')
    r = rebuild(images + other, status=8)
    expect('b/m0' in r.errors and 'another pool' in r.errors, r.errors)
    same_bytes(other, before)
    rebuild(images)
    is_back(images)
    fsck_clean(images)


def two_of_one_uuid():
    """A small pool where a larger one of the same uuid was, not discarded;
    the images, and what is where in the last stripe of the larger one."""
    os.makedirs('old')
    with open('old/AAA', 'wb') as f:
        f.write(random.Random(9).randbytes(12 << 20))
    for i in range(40):
        with open('old/%d' % i, 'w') as f:
            f.write('old')
    tree()
    how = ('-d', 'grid:2+1+1', '-m', 'replica:2')
    images = make_pool('a', (80, 80, 80), 'old', *how)
    mark = stripes_of(images, 1)[-1][1]
    run('mkfs.vfsr', '-f', '-K', '-U', t.UUID, '--rootdir', 'tree', *how,
        *images)
    is_back(images)
    wipe(images, random.Random(6))
    return images, mark


@case
def two_pools_of_one_uuid():
    """Two commit marks of one transaction: refused, nothing is mixed."""
    images, _ = two_of_one_uuid()
    before = t.copy(images, 'before')
    r = rebuild(images, status=8)
    expect('two commit marks' in r.errors, r.errors)
    same_bytes(images, before)


@case
def leftovers_of_one_uuid():
    """Stripes beyond the ceilings of the only commit mark do not count."""
    images, mark = two_of_one_uuid()
    rng = random.Random(7)
    for path, at in mark:
        overwrite(path, at // SECTOR, 1, rng)
    rebuild(images, status=(1, 5))
    is_back(images)


@case
def the_same_device_twice():
    tree()
    images = make_pool('a', (24, 24), 'tree', '-d', 'mirror')
    wipe(images, random.Random(6))
    twin = t.copy(images[:1], 'twin')
    before = t.copy(images, 'before')
    r = rebuild(images + twin, status=8)
    expect('only one' in r.errors, r.errors)
    same_bytes(images, before)


if __name__ == '__main__':
    t.main()
