#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""fsck.vfsr on whole images: nothing is found on sound pools; every kind of
wrong structure, crafted with all checksums right, is found under its name; -p
heals what parity covers.
"""
import os
import random
import struct

import imagetest as t
from diskformat import (ATTRIBUTE, DIRENT, EXTENT, SECTOR, Pool,
                        node_get, node_items, node_put, seal)
from imagetest import (case, equal, expect, fsck, fsck_clean, make_pool,
                       overwrite, run, same_bytes)

OK, CORRECTED, LEFT, ERROR, USAGE = 0, 1, 4, 8, 16
HEAD = 512  # bytes of a record before its members


def tree():
    rng = random.Random(21)
    os.makedirs('tree/a/b/c/x')
    os.makedirs('tree/other')
    os.makedirs('tree/wide')
    for i in range(400):
        os.symlink('to%d' % i, 'tree/wide/a-name-that-takes-room-%d' % i)
    for name, size in (('big', 300000), ('big2', 200000), ('small', 700)):
        with open('tree/' + name, 'wb') as f:
            f.write(rng.randbytes(size))
    with open('tree/text', 'wb') as f:
        f.write(b'some words that compress ' * 4000)
    for i in range(8):
        with open('tree/a/file%d' % i, 'wb') as f:
            f.write(b'contents %d' % i)
    os.link('tree/a/file1', 'tree/a/second')
    os.symlink('text', 'tree/link')
    for name, value in (('user.tag', b'v'), ('user.long', b'w' * 2500)):
        try:
            os.setxattr('tree/small', name, value)
        except OSError:
            pass


CRAFTED = []


def crafted(*reasons):
    """A case that changes a pool: just @reasons are found afterwards."""
    def add(fn):
        def run_case():
            tree()
            images = make_pool('a', (24, 24, 24), 'tree', '-d', 'grid:2+1+1',
                               '-m', 'replica:2', '--compress', 'none')
            with Pool(images) as p:
                fn(p)
            doc = fsck(images, '-n', status=LEFT)
            equal({x['reason'] for x in doc['findings']}, set(reasons),
                  'reasons')
            equal(doc['left'], len(doc['findings']), 'count')
            for x in doc['findings']:
                expect(x['text'] and x['advice'], x)
            before = t.copy(images, 'before')
            r = run('fsck.vfsr', '-n', '-v', *images, status=LEFT)
            for reason in reasons:
                expect('corrupt %s: ' % reason in r.errors, r.errors)
            same_bytes(images, before)
        run_case.__name__ = fn.__name__
        return case(run_case)
    return add


def edit_inode(p, path, **fields):
    ino = p.lookup(path) if path != '/' else 1

    def edit(node):
        for name, value in fields.items():
            node_put(node, name, value(node_get(node, name)))
    p.edit_chunk(ino, edit)


def edit_item(p, path, kind, which, edit):
    """@edit gets the node and the Item."""
    ino = p.lookup(path) if path != '/' else 1
    items = [(n, i) for n, i in p.tree_items(ino) if i.type == kind]
    node, item = which(items) if callable(which) else items[which]
    p.edit_chunk(node, lambda buf: edit(buf, item))


def named(name):
    return lambda items: next(x for x in items
                              if x[1].value[10:] == name.encode())


def put64(at, value):
    return lambda buf, item: struct.pack_into('<Q', buf, item.at + at, value)


# --- sound pools ---

@case
def clean_pools():
    tree()
    os.mkdir('nothing')
    for i, (sizes, args) in enumerate((
            ((72,), ()), ((24, 30), ()), ((24, 24, 24), ()),
            ((24, 24, 28, 33), ()),
            ((20, 24, 28, 33, 38, 44), ('-d', 'grid:4+2+1', '-m', 'replica:3')),
            ((24, 24, 24), ('-d', 'grid:2+1+1', '-m', 'grid:2+1+1')),
            ((72,), ('-d', 'grid:16+1+1', '-O', 'interleaved')),
            ((32,), ('-d', 'single', '-m', 'single', '--compress', 'none')))):
        for source in ('tree', 'nothing'):
            images = make_pool('%s%d' % (source, i), sizes, source, *args)
            doc = fsck(images, '-n')
            equal((doc['result'], doc['found'], doc['left'], doc['exit'],
                   doc['findings']), ('clean', 0, 0, 0, []), args)
            before = t.copy(images, t.fresh('before'))
            for how in ('-n', '-a', '-p', '-y', '-f'):
                run('fsck.vfsr', how, *images)
            same_bytes(images, before)
        equal((doc['inodes'], doc['directories']), (1, 1), 'empty pool')


@case
def empty_pool_without_rootdir():
    images = t.make_images('a', (24, 24))
    run('mkfs.vfsr', '-q', *images)
    fsck_clean(images)


@case
def rich_tree():
    import maketree
    maketree.make_tree('tree', 3, big=False)
    images = make_pool('a', (40, 40, 40), 'tree')
    fsck_clean(images)


# --- crafted inodes ---

@crafted('wrong-nlink')
def file_links(p):
    edit_inode(p, 'a/file1', nlink=lambda x: x + 1)


@crafted('wrong-nlink')
def directory_links(p):
    edit_inode(p, 'a', nlink=lambda x: x + 1)


@crafted('wrong-parent')
def directory_parent(p):
    edit_inode(p, 'a/b', parent=lambda x: 1)


@crafted('wrong-parent')
def file_parent(p):
    edit_inode(p, 'a/file3', parent=lambda x: 1)


@crafted('wrong-blocks')
def blocks(p):
    edit_inode(p, 'big', blocks=lambda x: x + 8)


@crafted('wrong-dirsize')
def directory_size(p):
    edit_inode(p, 'a', size=lambda x: x + 1)


@crafted('bad-size')
def file_ends_before_its_extents(p):
    edit_inode(p, 'big', size=lambda x: x - 100000)


@crafted('bad-size')
def symlink_size(p):
    edit_inode(p, 'link', size=lambda x: x + 1)


@crafted('bad-inode')
def type_of_nothing(p):
    edit_inode(p, 'a/file4', mode=lambda x: x & 0o7777)


@crafted('bad-dirent', 'bad-item', 'wrong-counter')
def file_that_says_it_is_a_fifo(p):
    edit_inode(p, 'a/file4', mode=lambda x: x & 0o7777 | 0o010000)


# --- crafted items ---

@crafted('overlap')
def extents_overlap(p):
    items = [i for _, i in p.tree_items(p.lookup('big')) if i.type == EXTENT]

    def edit(buf, item):
        struct.pack_into('<Q', buf, item.head, items[1].key + 1)
    edit_item(p, 'big', EXTENT, 2, edit)


@crafted('missing-chunk', 'unreachable')
def chunk_is_missing(p):
    edit_item(p, 'big', EXTENT, 1, put64(0, p['next_id'] + 5))


@crafted('wrong-kind', 'unreachable')
def chunk_is_an_inode(p):
    edit_item(p, 'big', EXTENT, 1, put64(0, p.lookup('a/file5')))


@crafted('wrong-refs', 'unreachable')
def chunk_is_used_twice(p):
    first = p.tree_items(p.lookup('big'))[0][1].value
    edit_item(p, 'big', EXTENT, 1,
              put64(0, struct.unpack_from('<Q', first)[0]))


@crafted('unreachable', 'wrong-blocks')
def chunk_is_not_used(p):
    def edit(buf, item):
        struct.pack_into('<Q', buf, item.at, 0)
        struct.pack_into('<IB', buf, item.at + 16, 0, 2)
    edit_item(p, 'big', EXTENT, 1, edit)


@crafted('out-of-range')
def extent_beyond_its_chunk(p):
    def edit(buf, item):
        struct.pack_into('<I', buf, item.at + 16, 4096)
    edit_item(p, 'big', EXTENT, -1, edit)


@crafted('wrong-refs')
def reference_count(p):
    value = p.tree_items(p.lookup('big'))[0][1].value
    p.edit_entry(struct.unpack_from('<Q', value)[0],
                 lambda c: setattr(c, 'refs', 7))


@crafted('wrong-refs')
def reference_count_of_an_inode(p):
    p.edit_entry(p.lookup('a/file6'), lambda c: setattr(c, 'refs', 2))


@crafted('wrong-hash')
def name_under_another_hash(p):
    def edit(buf, item):
        buf[item.at + item.bytes - 1] ^= 1
    edit_item(p, 'a', DIRENT, named('file7'), edit)


@crafted('wrong-hash')
def attribute_under_another_hash(p):
    items = [i for _, i in p.tree_items(p.lookup('small'))
             if i.type == ATTRIBUTE]
    if not items:
        raise t.Skip('no attributes here')

    def edit(buf, item):
        buf[item.at + 8 + 6] ^= 1
    edit_item(p, 'small', ATTRIBUTE, 0, edit)


@crafted('claimed-twice', 'wrong-hash')
def name_given_twice(p):
    items = [i for _, i in p.tree_items(p.lookup('a')) if i.type == DIRENT]
    one, two = next((x, y) for x, y in zip(items, items[1:])
                    if x.bytes == y.bytes)

    def edit(buf, item):
        struct.pack_into('<Q', buf, item.head, one.key + 1)
        buf[item.at + 10:item.at + item.bytes] = one.value[10:-1] + b'\1'
        struct.pack_into('%ds' % (one.bytes - 10), buf, item.at + 10,
                         one.value[10:])
    edit_item(p, 'a', DIRENT, lambda x: next(
        i for i in x if i[1].key == two.key), edit)
    # and a wrong one beside, to see that both are told
    edit_item(p, 'wide', DIRENT, 3, lambda buf, item: buf.__setitem__(
        item.at + item.bytes - 1, buf[item.at + item.bytes - 1] ^ 1))


@crafted('claimed-twice', 'unreachable', 'wrong-nlink')
def directory_with_two_names(p):
    target = p.lookup('other')

    def edit(buf, item):
        struct.pack_into('<QB', buf, item.at, target, 4)
    edit_item(p, 'a', DIRENT, named('file2'), edit)


@crafted('bad-dirent', 'unreachable')
def name_of_nothing(p):
    edit_item(p, 'a', DIRENT, named('file2'), put64(0, p['next_id'] + 9))


@crafted('bad-dirent')
def name_of_another_type(p):
    def edit(buf, item):
        buf[item.at + 8] = 12
    edit_item(p, 'a', DIRENT, named('file2'), edit)


@crafted('loop', 'wrong-parent', 'unreachable')
def directories_in_a_loop(p):
    a, x = p.lookup('a'), p.lookup('a/b/c/x')
    c = p.lookup('a/b/c')
    edit_item(p, '/', DIRENT, named('a'), put64(0, x))
    node, item = next((n, i) for n, i in p.tree_items(c) if i.type == DIRENT)
    p.edit_chunk(node, lambda buf: struct.pack_into('<Q', buf, item.at, a))


@crafted('bad-item')
def item_of_a_reserved_type(p):
    def edit(buf, item):
        buf[item.head + 10] = 9
    items = p.tree_items(p.lookup('small'))
    if items[-1][1].type != ATTRIBUTE:
        raise t.Skip('no attributes here')
    edit_item(p, 'small', ATTRIBUTE, lambda x: next(
        i for i in x if len(i[1].value) < 100
        and i[1].key == items[-1][1].key), edit)


@crafted('bad-order')
def items_out_of_order(p):
    def edit(buf, item):
        struct.pack_into('<Q', buf, item.head, 1 << 62)
    edit_item(p, 'big', EXTENT, 0, edit)


@crafted('wrong-address')
def node_of_another_owner(p):
    ino = p.lookup('wide')
    node = next(n for n, _ in p.tree_items(ino) if n != ino)
    p.edit_chunk(node, lambda buf: struct.pack_into('<Q', buf, 16, 1))


@crafted('bad-order')
def tree_in_a_loop(p):
    """An interior node whose two children are the same leaf."""
    ino = p.lookup('wide')

    def edit(buf):
        one, two = node_items(buf)[:2]
        struct.pack_into('8s', buf, two.at, one.value)
    p.edit_chunk(ino, edit)


# --- crafted counters, map, tables ---

def count(name):
    def fn(p):
        p[name] = p[name] + 1
        p.store_record()
    fn.__name__ = 'counter_' + name
    crafted('wrong-counter')(fn)


for x in ('nr_ids', 'nr_inodes', 'logical_bytes', 'live_bytes'):
    count(x)


@crafted('wrong-live')
def live_bytes_of_a_grid(p):
    g = next(iter(p.grids.values()))

    def edit(buf):
        at = 64 + 4 * g.strip[0]
        struct.pack_into('<I', buf, at,
                         struct.unpack_from('<I', buf, at)[0] + 1)
    p.edit_table(g.device[0], 3, 0, edit)


@crafted('out-of-range')
def id_above_the_ceiling(p):
    p['next_id'] = max(p.chunks())
    p.store_record()


@crafted('bad-order', 'wrong-entry')
def born_in_the_future(p):
    p.edit_entry(p.lookup('a/file6'),
                 lambda c: setattr(c, 'birth', p['transaction'] + 3))


@crafted('wrong-entry')
def entry_with_another_crc(p):
    c = p.chunks()[p.lookup('a/file6')]
    st = p.stored(c.place, c.stored)[0]
    e = next(e for e in st.entries() if e.place == c.place)
    st.write_at(st['entries_start'] + e.crc_at, struct.pack('<I', e.crc ^ 1))
    st.reseal()


@crafted('bad-order')
def stripe_serial_above_the_ceiling(p):
    st = next(iter(p.grids.values())).stripes()[0]
    st['serial'] = p['next_serial'] + 1
    st.reseal()
    st.grid.reseal_columns()


@crafted('wrong-strip')
def table_says_another_use(p):
    g = next(g for g in p.grids.values() if g.k == 2)

    def edit(buf, at):
        buf[at + 11] ^= 1
    p.edit_strip(g.device[1], g.strip[1], edit)


@crafted('wrong-strip')
def trailer_names_another_strip(p):
    g = next(g for g in p.grids.values() if g.k == 2)
    buf = bytearray(g.load().read(2, g.rows))
    struct.pack_into('<I', buf, 192, struct.unpack_from('<I', buf, 192)[0] + 1)
    g.write(2, g.rows, bytes(seal(buf)))


@crafted('wrong-address')
def trailer_of_another_column(p):
    g = next(g for g in p.grids.values() if g.k == 2)
    g.write(2, g.rows, g.read(1, g.rows))


@crafted('wrong-address')
def record_of_another_member(p):
    rec = bytearray(p.record)
    struct.pack_into('<H', rec, 28, 1)
    p.write(0, p.record_spots(0)[1], bytes(seal(rec)))


@crafted('foreign-uuid')
def record_of_another_pool(p):
    rec = bytearray(p.record)
    struct.pack_into('16s', rec, 8, b'another pool....')
    p.write(0, p.record_spots(0)[1], bytes(seal(rec)))


@crafted('bad-magic')
def record_that_is_none(p):
    p.write(0, p.record_spots(0)[1], b'\xaa' * SECTOR)


@crafted('bad-crc')
def table_block_damaged(p):
    block, slot, *_ = next(iter(p.table_refs(1)))
    at = p.table_spot(1, block, slot)[1]
    buf = bytearray(p.read(1, at, SECTOR))
    buf[100] ^= 1
    p.write(1, at, bytes(buf))


# --- plain damage ---

def damaged_pool(*args):
    tree()
    images = make_pool('a', (24, 24, 24), 'tree', '-d', 'grid:2+1+1', '-m',
                       'replica:2', *args)
    return images, t.copy(images, 'twin')


@case
def preen_heals_what_parity_covers():
    images, twin = damaged_pool()
    rng = random.Random(5)
    with Pool(images) as p:
        spots = [(0, p.record_spots(0)[0]), (1, p.record_spots(1)[1])]
        block, slot, *_ = list(p.table_refs(2))[1]
        spots.append((2, p.table_spot(2, block, slot)[0]))
        for g in p.grids.values():
            spots.append(g.spot(0, g.rows))
            spots.append(g.spot(0, 0, g.stripes()[0]))
    for how in ('-p', '-a', '-y'):
        for member, at in spots:
            overwrite(images[member], at // SECTOR, 1, rng)
        run('fsck.vfsr', '-n', *images, status=LEFT)
        doc = fsck(images, how, status=CORRECTED)
        equal((doc['result'], doc['left']), ('corrected', 0), how)
        expect(doc['found'] > 0, how)
        same_bytes(images, twin)
        fsck_clean(images)


@case
def rebuild_heals_the_map():
    """-y: what copies do not heal is rebuilt from the stripes."""
    images, _ = damaged_pool()
    with Pool(images) as p:
        p.edit_entry(p.lookup('a/file6'), lambda c: setattr(c, 'refs', 2))
        p['nr_ids'] = p['nr_ids'] + 3
        p.store_record()
    run('fsck.vfsr', '-p', *images, status=LEFT)
    doc = fsck(images, '-y', status=CORRECTED)
    equal(doc['left'], 0, 'left')
    fsck_clean(images)
    t.restored_is(images, 'tree')


@case
def both_copies_of_a_table():
    """No copy is left: files are all there, -y makes new tables."""
    images, _ = damaged_pool()
    rng = random.Random(6)
    with Pool(images) as p:
        spots = [at for block, slot, *_ in p.table_refs(1)
                 for at in p.table_spot(1, block, slot)]
    for at in spots:
        overwrite(images[1], at // SECTOR, 1, rng)
    t.restored_is(images, 'tree')
    doc = t.verify(images, '--repair', status=3)
    equal(doc['lost_files'], 0, 'lost files')
    expect(doc['bad_roots'] > 0, doc)
    run('fsck.vfsr', '-p', *images, status=LEFT)
    fsck(images, '-y', status=CORRECTED)
    fsck_clean(images)
    t.restored_is(images, 'tree')


@case
def lost_metadata():
    """All copies of an inode destroyed: found, and left by everything."""
    images, _ = damaged_pool()
    with Pool(images) as p:
        c = p.chunks()[p.lookup('a/file6')]
        spots = list(p.copies(c.place, c.stored))
    for member, at, length in spots:
        with open(images[member], 'r+b') as f:
            f.seek(at)
            f.write(b'\x55' * length)
    doc = fsck(images, '-n', status=LEFT)
    reasons = {x['reason'] for x in doc['findings']}
    expect('lost-data' in reasons, reasons)
    paths = {x.get('path') for x in doc['findings']}
    expect(any(str(c.id) in (x or '') or 'file6' in (x or '') for x in paths),
           paths)


@case
def missing_device():
    images, _ = damaged_pool()
    doc = fsck(images[:2], '-n', status=LEFT)
    equal([x['reason'] for x in doc['findings']], ['missing-device'], 'found')
    equal(doc['findings'][0]['member'], 2, 'member')


@case
def record_that_is_older():
    """One slot has what was right before the last commit."""
    images, _ = damaged_pool()
    run('fsck.vfsr', '--rebuild-map', *images, status=CORRECTED)
    fsck_clean(images)
    with Pool(images) as p:
        rec = bytearray(p.record)
        struct.pack_into('<QQ', rec, 32, p['epoch'] - 1, p['sequence'])
        p.write(0, p.record_spots(0)[1], bytes(seal(rec)))
    doc = fsck(images, '-n', status=LEFT)
    equal([x['reason'] for x in doc['findings']], ['stale-member'], 'found')
    run('fsck.vfsr', '-p', *images, status=CORRECTED)
    fsck_clean(images)


@case
def record_whose_writing_was_cut():
    """One copy ends in what its slot had before: nothing to repair, but said."""
    images, _ = damaged_pool()
    run('fsck.vfsr', '--rebuild-map', *images, status=CORRECTED)
    fsck_clean(images)
    with Pool(images) as p:
        at = p.record_spots(1)[1]
        expect(any(p.read(1, at + HEAD, SECTOR - HEAD)), 'nothing to cut')
        p.write(1, at + HEAD, bytes(SECTOR - HEAD))
    r = run('fsck.vfsr', '-n', *images)
    expect('is not whole, as a power cut leaves it' in r.errors + r.text, r.errors)
    # one that begins with something else is damage
    with Pool(images) as p:
        p.write(1, at, b'\xaa' * HEAD)
    doc = fsck(images, '-n', status=LEFT)
    equal([x['reason'] for x in doc['findings']], ['bad-magic'], 'found')


@case
def every_finding_only_with_verbose():
    images, _ = damaged_pool('--compress', 'none')
    with Pool(images) as p:
        ino = p.lookup('wide')
        items = p.tree_items(ino)
        leaf = items[0][0]
        wrong = [i for n, i in items if n == leaf][:30]
        expect(len(wrong) == 30, 'entries: %d' % len(wrong))

        def edit(node):
            for i in wrong:
                node[i.at + 8] = 8
        p.edit_chunk(leaf, edit)
    brief = run('fsck.vfsr', '-n', *images, status=LEFT).errors
    full = run('fsck.vfsr', '-n', '-v', *images, status=LEFT).errors
    equal(full.count('corrupt bad-dirent'), 30, full)
    expect(0 < brief.count('corrupt bad-dirent') < 30, brief)
    expect('-v prints all' in brief, brief)


@case
def progress():
    images, _ = damaged_pool()
    r = run('fsck.vfsr', '-n', '-C', '1', *images)
    first = r.text.split('\n')[0].split()
    equal((first[0], len(first)), ('1', 4), 'progress line')


@case
def usage_and_failure():
    run('fsck.vfsr', status=USAGE)
    run('fsck.vfsr', '-x', 'a', status=USAGE)
    run('fsck.vfsr', '-n', '-y', 'a', status=USAGE)
    run('fsck.vfsr', '-C', 'x', 'a', status=USAGE)
    run('fsck.vfsr', '--nonsense', 'a', status=USAGE)
    run('fsck.vfsr', *['a'] * 65, status=USAGE)
    expect('Example' in run('fsck.vfsr', '--help').text, 'help')
    expect('fsck.vfsr' in run('fsck.vfsr', '-V').text, 'version')
    run('fsck.vfsr', '-n', 'not-there', status=ERROR)
    with open('noise', 'wb') as f:
        f.write(random.Random(1).randbytes(1 << 20))
    run('fsck.vfsr', '-n', 'noise', status=ERROR)
    run('fsck.vfsr', '-p', 'noise', status=ERROR)


if __name__ == '__main__':
    t.main()
