#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 600
"""vfsr inspect and vfsr map on whole images: every form is JSON with a version,
and all of them agree with each other, with the record and with the bytes on the
members. Damage, missing members, unknown ids and hostile names.

VFSR_BUILD is the directory of mkfs.vfsr and vfsr. Prints "ok NAME" or
"not ok NAME" per case. Arguments: names (parts of names) of cases to run.
"""
import json
import os
import subprocess
import sys
import tempfile
import traceback
import zlib

SRC = os.environ.get('VFSR_SRC') or os.path.dirname(os.path.dirname(
    os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get('VFSR_BUILD', os.path.join(SRC, 'build'))
MIB = 1 << 20
SECTOR = 4096
OK, FAILED, USAGE, LOST = 0, 1, 2, 4
MAP_MAGIC = 0x4d534656
FOOTER_MAGIC = 0x46534656
SUPER_MAGIC = 0x52534656
TRAILER_MAGIC = 0x4c534656
COLUMNS = ('place', 'stored', 'state', 'logical', 'refs', 'crc', 'birth')
HOSTILE = b'\x1b[31mred\n\xff\\"name'

CASES = []


def case(fn):
    CASES.append(fn)
    return fn


class Failure(Exception):
    pass


def expect(true, *what):
    if not true:
        raise Failure(' '.join(str(w) for w in what))


def equal(a, b, *what):
    expect(a == b, *what, ': %r is not %r' % (a, b))


def run(*args, status=OK, prog='vfsr'):
    """Run a program; @status is the exit status it must have."""
    r = subprocess.run([os.path.join(BUILD, prog)] + [
        a if isinstance(a, bytes) else str(a) for a in args],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300,
        check=False)
    if r.returncode != status:
        raise Failure('%s %r: exit status %d, not %d\n%s' % (
            prog, args, r.returncode, status,
            (r.stdout + r.stderr).decode(errors='backslashreplace')[-2000:]))
    return r


def inspect(pool, *args, status=OK):
    """One document, and the check of what all of them have."""
    out = run('inspect', *args, *pool.images, '--json', status=status).stdout
    doc = json.loads(out.decode('utf-8'))
    equal(doc['version'], 1, args)
    equal(doc['kind'], 'inspect-' + args[0], args)
    return doc


def map_lines(pool, *args, status=OK):
    out = run('map', *pool.images, '--json', *args, status=status).stdout
    return [json.loads(line) for line in out.decode('ascii').splitlines()]


class Pool:
    """Images, and the tree that they were made from."""

    def __init__(self, name, sizes, *args):
        os.mkdir(name)
        self.tree = 'tree'
        self.images = []
        for i, size in enumerate(sizes):
            self.images.append('%s/m%d' % (name, i))
            with open(self.images[-1], 'wb') as f:
                f.truncate(size * MIB)
        run('-q', '-f', '-L', name, '--rootdir', self.tree, *args,
            *self.images, prog='mkfs.vfsr')

    def read(self, path, offset, nr):
        with open(path, 'rb') as f:
            f.seek(offset)
            return f.read(nr)

    def magic(self, path, offset):
        return int.from_bytes(self.read(path, offset, 4), 'little')


def make_tree():
    os.makedirs('tree/sub/deep')
    for i in range(700):
        with open('tree/sub/deep/file-%03d' % i, 'w', encoding='ascii') as f:
            f.write('contents of %d\n' % i)
    with open('tree/random', 'wb') as f:
        f.write(os.urandom(600000))
    with open('tree/text', 'wb') as f:
        f.write(b'the same line again and again\n' * 40000)
    with open('tree/void', 'wb') as f:
        f.truncate(300000)
    with open('tree/mono', 'wb') as f:
        f.write(b'\xab' * 300000)
    with open(b'tree/' + HOSTILE, 'wb') as f:
        f.write(b'x')
    os.symlink('random', 'tree/link')
    os.link('tree/random', 'tree/sub/hard')
    try:
        os.setxattr('tree/text', 'user.note', b'v' * 100)
    except OSError:
        pass


LAYOUTS = (
    ('one', (160,), ()),
    ('single', (96,), ('-d', 'single', '-m', 'single')),
    ('three', (96, 96, 128), ('-m', 'replica:3')),
    ('grid', (64, 80, 64, 64, 96, 64),
     ('-d', 'grid:4+2+1', '-m', 'grid:2+2+1')),
    ('rotating', (160,), ('-O', 'interleaved')),
)
POOLS = {}


def pool(name):
    if name not in POOLS:
        sizes, args = [entry[1:] for entry in LAYOUTS if entry[0] == name][0]
        POOLS[name] = Pool(name, sizes, *args)
    return POOLS[name]


def pools():
    return [pool(entry[0]) for entry in LAYOUTS]


def grids(p):
    return sorted({int(s['grid']) for s in inspect(p, 'strips')['strips']})


def places(p):
    """{(grid, sector, byte): (what, stored)} of all that is live."""
    out = {}
    for e in map_lines(p):
        at = e['place']
        out[int(at['grid']), at['sector'], at['byte']] = ('id ' + e['id'],
                                                          e['stored'])
    for e in inspect(p, 'map')['pages']:
        at = e['place']
        out[int(at['grid']), at['sector'], at['byte']] = (
            'page %d.%s' % (e['level'], e['index']), e['stored'])
    return out


# --- vfsr map ---

@case
def map_has_seven_columns():
    for p in pools():
        last = 0
        for e in map_lines(p):
            equal(tuple(e), ('version', 'id') + COLUMNS, 'members')
            equal(e['version'], 1, 'version')
            equal(set(e['place']), {'grid', 'sector', 'byte'}, 'place')
            equal(set(e['state']), {'name', 'algorithm', 'kind'}, 'state')
            expect(isinstance(e['id'], str) and isinstance(e['birth'], str)
                   and isinstance(e['place']['grid'], str), 'ids are strings')
            expect(len(e['crc']) == 8 and int(e['crc'], 16) >= 0, 'crc')
            expect(int(e['id']) > last, 'ids ascend')
            expect(0 < e['stored'] <= e['logical'] <= 131072, 'lengths')
            equal(e['state']['name'] == 'raw', e['stored'] == e['logical'],
                  'raw means equal lengths')
            last = int(e['id'])


@case
def map_text_is_a_table():
    p = pool('three')
    lines = run('map', *p.images).stdout.decode('ascii').splitlines()
    expect(lines[0].split()[0] == 'ID' and len(lines[0].split()) == 8,
           lines[0])
    equal(len(lines) - 1, len(map_lines(p)), 'lines')
    for line in lines[1:]:
        equal(len(line.split()), 8, line)


@case
def map_agrees_with_the_record():
    for p in pools():
        counters = inspect(p, 'super')['counters']
        entries = map_lines(p)
        pages = inspect(p, 'map')
        equal(len(entries), counters['ids'], 'ids in use')
        equal(sum(e['state']['kind'] == 'inode' for e in entries),
              counters['inodes'], 'inodes')
        stored = sum(e['stored'] for e in entries)
        equal(stored + pages['stored_bytes'], counters['live_bytes'],
              'live bytes of the record')
        equal(pages['ids'], len(entries), 'ids below the pages')


# --- inspect ---

@case
def live_bytes_of_grids():
    for p in pools():
        live = {}
        for (grid, _, _), (_, stored) in places(p).items():
            live[grid] = live.get(grid, 0) + stored
        for s in inspect(p, 'strips')['strips']:
            equal(s['live'], live.get(int(s['grid']), 0),
                  'live of grid', s['grid'])
        for g in grids(p):
            equal(inspect(p, 'grid', g)['live'], live.get(g, 0), 'live of', g)


@case
def footers_agree_with_the_map():
    for p in pools():
        where = places(p)
        found = set()
        for g in grids(p):
            for s in inspect(p, 'grid', g)['stripes']:
                doc = inspect(p, 'footer', g, s['stripe'])
                equal(doc['nr_entries'], s['entries'], 'entries')
                equal(len(doc['entries']), s['entries'], 'entries')
                for e in doc['entries']:
                    at = (g, e['sector'], e['byte'])
                    if e['kind'] == 'commit':
                        expect(at not in where, 'a commit mark is not live')
                        continue
                    if 'live' in e:
                        equal(e['live'], at in where, 'live', e)
                    if at in where:
                        equal(e['stored'], where[at][1], 'stored', e)
                        found.add(at)
        equal(found, set(where), 'all that is live is in a footer')


@case
def grid_offsets_are_right():
    for p in pools():
        for g in grids(p):
            doc = inspect(p, 'grid', g)
            equal(len(doc['columns']), doc['k'] + doc['m'], 'columns')
            for c in doc['columns']:
                if doc['state'] != 'sealed':
                    continue
                equal(c['trailer'], 'ok', 'trailer')
                equal(p.magic(c['path'], c['trailer_offset']), TRAILER_MAGIC,
                      'trailer of grid', g, 'column', c['column'])
            rows = 0
            for s in doc['stripes']:
                equal(s['row'], rows, 'no gaps')
                equal(s['sector'], rows * doc['k'], 'first sector')
                rows += s['depth']
            equal(rows, doc['rows_used'], 'rows')
            sectors = inspect(p, 'footer', g, 0, '--all')['sectors']
            equal(len(sectors), (doc['k'] + doc['m'])
                  * doc['stripes'][0]['depth'], 'sectors of a stripe')
            copies = [x for x in sectors if x.get('footer')]
            equal(len(copies), 2, 'copies of the footer')
            for x in copies:
                equal(p.magic(p.images[x['member']], x['offset']),
                      FOOTER_MAGIC, 'footer of grid', g)


@case
def super_slots_are_right():
    for p in pools():
        doc = inspect(p, 'super')
        equal(doc['label'], os.path.dirname(p.images[0]), 'label')
        equal(len(doc['members']), len(p.images), 'members')
        for m in doc['members']:
            equal(m['size_bytes'], os.path.getsize(m['path']), 'size')
        slots = [s for s in doc['slots'] if s.get('current')]
        equal(len(slots), 2 * len(p.images), 'current slots')
        for s in slots:
            equal(s['slot'], int(doc['sequence']) % 16, 'slot')
            equal(p.magic(p.images[s['member']], s['offset']), SUPER_MAGIC,
                  'record at', s['offset'])


@case
def map_extents_hold_the_pages():
    for p in pools():
        doc = inspect(p, 'map')
        equal(doc['nr_pages'], len(doc['pages']), 'pages')
        policy = {}
        for e in doc['pages']:
            grid = e['place']['grid']
            if grid not in policy:
                g = inspect(p, 'grid', grid)
                policy[grid] = (g['k'], g['m'])
            k, m = policy[grid]
            copies = 1 + m if k == 1 else 1
            equal(sum(x['bytes'] for x in e['extents']), copies * e['stored'],
                  'bytes of all copies')
            stored = [b''] * copies
            i = 0
            for x in e['extents']:
                stored[i] += p.read(x['path'], x['offset'], x['bytes'])
                i += len(stored[i]) == e['stored'] and i < copies - 1
            for data in stored:
                page = data if e['state'] == 'raw' else zlib.decompress(
                    data, wbits=-15)
                equal(len(page), SECTOR, 'page')
                equal(int.from_bytes(page[:4], 'little'), MAP_MAGIC, 'magic')
                equal(page[4], e['level'], 'level')
                equal(int.from_bytes(page[8:16], 'little'), int(e['index']),
                      'index')


@case
def inodes_agree_with_the_source():
    for p in pools():
        entries = {e['id']: e for e in map_lines(p)}
        for path in ('/', '/random', '/text', '/void', '/mono', '/link',
                     '/sub/deep', '/sub/deep/file-123'):
            doc = inspect(p, 'inode', path)
            st = os.lstat(p.tree + path)
            number = inspect(p, 'inode', doc['inode'])
            equal(number, doc, 'by number and by path')
            e = entries[doc['inode']]
            equal({c: e[c] for c in COLUMNS}, doc['map_entry'], 'map entry')
            equal(int(doc['mode'], 8), st.st_mode, 'mode of', path)
            if doc['type'] == 'directory':
                names = os.listdir(p.tree + path)
                equal(doc['size'], len(names), 'size')
                equal(doc['counts'].get('entry', 0), len(names), 'entries')
                continue
            equal(doc['size'], st.st_size, 'size of', path)
            equal(doc['links'], st.st_nlink, 'links of', path)
            for x in doc['items']:
                if x['type'] != 'extent' or x['state'] != 'chunk':
                    continue
                chunk = entries[x['chunk']]
                equal(chunk['state']['kind'], 'data', 'kind')
                expect(x['chunk_offset'] + x['bytes'] <= chunk['logical'],
                       'extent lies in its chunk')
        states = {x['state'] for f in ('/void', '/mono') for x in
                  inspect(p, 'inode', f)['items'] if x['type'] == 'extent'}
        expect(states <= {'void', 'monolith'}, states)


@case
def trees_agree_with_inodes():
    p = pool('three')
    kinds = {e['id']: e['state']['kind'] for e in map_lines(p)}
    for path in ('/', '/sub/deep', '/random', '/link'):
        inode = inspect(p, 'inode', path)
        tree = inspect(p, 'tree', path)
        expect(tree['complete'], path)
        equal(tree['inode'], inode['inode'], 'inode')
        equal(tree['nr_nodes'], len(tree['nodes']), 'nodes')
        equal(tree['nr_items'], inode['nr_items'], 'items')
        leaves = [i for n in tree['nodes'] if n['level'] == 0
                  for i in n['items']]
        equal(leaves, inode['items'], 'items in leaves')
        named = {i['child'] for n in tree['nodes'] if n['level']
                 for i in n['items']}
        below = {n['id'] for n in tree['nodes'][1:]}
        equal(named, below, 'every node but the root is a child')
        expect(all(kinds[i] == 'node' for i in below), 'kinds')
    expect(inspect(p, 'tree', '/sub/deep')['nr_nodes'] > 1, 'a real tree')


@case
def many_items_are_cut():
    os.makedirs('tree2')
    for i in range(1500):
        with open('tree2/%d' % i, 'w', encoding='ascii'):
            pass
    os.rename('tree', 'tree1')
    os.rename('tree2', 'tree')
    try:
        p = Pool('many', (96,))
    finally:
        os.rename('tree', 'tree2')
        os.rename('tree1', 'tree')
    doc = inspect(p, 'inode', 1)
    equal((len(doc['items']), doc['items_left_out'], doc['nr_items']),
          (1000, 500, 1500), 'cut')
    doc = inspect(p, 'inode', 1, '--all')
    equal(len(doc['items']), 1500, '--all')
    expect('items_left_out' not in doc, 'nothing is left out')


@case
def strips_add_up():
    for p in pools():
        used = inspect(p, 'strips')
        every = inspect(p, 'strips', '--all')
        for m in used['members']:
            mine = [s for s in every['strips'] if s['member'] == m['member']]
            equal([s['strip'] for s in mine], list(range(m['strips'])),
                  'every strip once')
            equal(sum(s['state'] == 'free' for s in mine), m['free'], 'free')
            equal(m['used'] + m['free'], m['strips'], 'sum')
        equal([s for s in every['strips'] if s['state'] != 'free'],
              used['strips'], 'the used ones')


# --- text, names, errors ---

FORMS = (('super',), ('strips',), ('grid', 1), ('footer', 1, 0), ('map',),
         ('inode', 1), ('tree', 1))


@case
def text_is_clean():
    p = pool('three')
    for what in FORMS:
        for more in ((), ('--all',)):
            out = run('inspect', *what, *p.images, *more).stdout
            text = out.decode('utf-8')
            expect(all(c == '\n' or c.isprintable() for c in text),
                   what, 'has control characters')
            expect('{' not in text, what, 'has JSON in its text')
    name = '\\x1B[31mred\\x0A\\xFF\\x5C"name'
    doc = inspect(p, 'inode', '/')
    names = {i['name'] for i in doc['items']}
    expect(name in names, names)
    found = inspect(p, 'inode', b'/' + HOSTILE)


@case
def errors_are_clear():
    p = pool('three')
    for args, status, words in (
            (('grid', 99999), FAILED, 'no grid 99999'),
            (('grid', 'x'), USAGE, 'no grid id'),
            (('footer', 1, 9999), FAILED, 'no stripe 9999'),
            (('footer', 1, '-'), USAGE, 'no number'),
            (('footer', 99999, 0), FAILED, 'no grid 99999'),
            (('inode', 999999), FAILED, 'no inode 999999'),
            (('inode', 0), FAILED, 'no inode 0'),
            (('inode', 1 << 63), FAILED, 'no inode'),
            (('inode', '99999999999999999999999'), USAGE, 'neither'),
            (('inode', '1x'), USAGE, 'neither'),
            (('inode', '/no/such'), FAILED, 'No such file'),
            (('inode', '/random/x'), FAILED, 'Not a directory'),
            (('inode', '/' + 'n' * 300), FAILED, 'too long'),
            (('tree', 999999), FAILED, 'no inode 999999'),
            (('nothing',), USAGE, 'is none of')):
        r = run('inspect', *args, *p.images, '--json', status=status)
        err = r.stderr.decode()
        expect(words in err, args, err)
        equal(r.stdout, b'', 'nothing on stdout')
    data = [e['id'] for e in map_lines(p) if e['state']['kind'] == 'data']
    err = run('inspect', 'inode', data[0], *p.images, status=FAILED).stderr
    expect(b"of kind 'data'" in err, err)
    for args in (('inspect',), ('inspect', 'grid'), ('inspect', 'grid', '1'),
                 ('inspect', 'super'), ('map',), ('map', '--nope', 'x'),
                 ('inspect', '--nope')):
        err = run(*args, status=USAGE).stderr
        expect(b'--help' in err, args, err)
    with open('empty', 'wb') as f:
        f.truncate(4 * MIB)
    for args in (('map', 'empty'), ('inspect', 'super', 'empty'),
                 ('map', 'does-not-exist')):
        expect(run(*args, status=FAILED).stderr, args)


# --- damage ---

def copy_of(p, name):
    os.mkdir(name)
    q = Pool.__new__(Pool)
    q.tree, q.images = p.tree, []
    for image in p.images:
        q.images.append(os.path.join(name, os.path.basename(image)))
        subprocess.run(['cp', '--sparse=always', image, q.images[-1]],
                       check=True)
    return q


@case
def missing_member():
    p = pool('three')
    q = copy_of(p, 'less')
    whole = [map_lines(p), inspect(p, 'tree', '/sub/deep')['nodes']]
    gone = q.images.pop(1)
    equal([map_lines(q), inspect(q, 'tree', '/sub/deep')['nodes']], whole,
          'the map is the same without', gone)
    members = inspect(q, 'super')['members']
    equal([m.get('missing', False) for m in members], [False, True, False],
          'missing')
    for what in FORMS:
        inspect(q, *what)
    status = {c.get('trailer') for g in grids(q)
              for c in inspect(q, 'grid', g)['columns']}
    equal(status, {'ok', 'missing'}, 'trailers')


@case
def damaged_pages_are_named():
    q = copy_of(pool('single'), 'broken')
    pages = inspect(q, 'map')['pages']
    leaf = pages[-1]
    equal(leaf['level'], 0, 'a leaf')
    for x in leaf['extents']:
        with open(x['path'], 'r+b') as f:
            f.seek(x['offset'])
            f.write(b'\xa5' * x['bytes'])
    doc = inspect(q, 'map', status=LOST)
    lost = [e for e in doc['pages'] if e.get('lost')]
    equal([e['index'] for e in lost if e['level'] == 0
           and e['index'] == leaf['index']], [leaf['index']], 'lost page')
    ids = {int(e['id']) for e in map_lines(q, status=LOST)}
    expect(ids, 'the other pages are printed')
    first = 127 * int(leaf['index'])
    expect(not ids & set(range(first, first + 127)), 'ids of the lost page')


@case
def extents_are_all_copies():
    """With all extents destroyed the map is lost, with one copy it is not."""
    p = pool('three')
    q = copy_of(p, 'copies')
    want = map_lines(p)
    pages = inspect(q, 'map')['pages']
    for kept in (True, False):
        for e in pages:
            for x in e['extents']:
                if kept and x['column'] == 1:
                    continue
                with open(x['path'], 'r+b') as f:
                    f.seek(x['offset'])
                    f.write(b'\x5a' * x['bytes'])
        if kept:
            equal(map_lines(q), want, 'one copy is enough')
    map_lines(q, status=LOST)


def main():
    wanted = sys.argv[1:]
    bad = 0
    if not os.access(os.path.join(BUILD, 'mkfs.vfsr'), os.X_OK):
        print('skip mkfs.vfsr is not built')
        return 0
    with tempfile.TemporaryDirectory(prefix='vfsr-inspect-') as where:
        os.chdir(where)
        make_tree()
        for fn in CASES:
            if wanted and not any(w in fn.__name__ for w in wanted):
                continue
            try:
                fn()
                print('ok', fn.__name__, flush=True)
            except Exception as e:  # any failure is one case's
                bad += 1
                print('not ok', fn.__name__, flush=True)
                if isinstance(e, Failure):
                    print(' ', e, file=sys.stderr)
                else:
                    traceback.print_exc()
        os.chdir('/')
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
