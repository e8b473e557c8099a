#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 900
"""vfsr restore on whole images: round trips, lost members, bursts, damage beyond
the guarantee, single files and subtrees, existing targets, hostile input.

VFSR_BUILD is the directory of mkfs.vfsr and vfsr. Prints "ok NAME" or
"not ok NAME" per case. Arguments: names (parts of names) of cases to run.
"""
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import maketree                                         # noqa: E402
from treecmp import differences                         # noqa: E402

SRC = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BUILD = os.environ.get('VFSR_BUILD', os.path.join(SRC, 'build'))
ROOT = os.geteuid() == 0
MIB = 1 << 20
SECTOR = 4096
OK, FAILED, USAGE, LOST = 0, 1, 2, 4

CASES = []


def case(fn):
    CASES.append(fn)
    return fn


class Failure(Exception):
    pass


class Skip(Exception):
    """The case cannot be run here."""


def expect(true, *what):
    if not true:
        raise Failure(' '.join(str(w) for w in what))


def run(*args, status=OK, prog='vfsr'):
    """Run a program; @status is the exit status (or several) it must have."""
    r = subprocess.run([os.path.join(BUILD, prog)] + [
        a if isinstance(a, bytes) else str(a) for a in args],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=600,
        check=False)
    wanted = status if isinstance(status, tuple) else (status,)
    if r.returncode not in wanted:
        raise Failure('%s %s: exit status %d, not %s\n%s' % (
            prog, ' '.join(str(a) for a in args), r.returncode, wanted,
            (r.stdout + r.stderr).decode(errors='backslashreplace')[-3000:]))
    return r


def restore(images, to, *args, status=OK):
    return run('restore', *images, '--to', to, *args, status=status)


def make_pool(where, sizes, rootdir, *args):
    os.makedirs(where, exist_ok=True)
    images = []
    for i, size in enumerate(sizes):
        images.append('%s/m%d' % (where, i))
        with open(images[-1], 'wb') as f:
            f.truncate(size * MIB)
    run('-q', '-f', '--rootdir', rootdir, *args, *images, prog='mkfs.vfsr')
    return images


def same(a, b, **options):
    found = differences(a, b, **options)
    expect(not found, '%d differences:' % len(found),
           *['\n  %r: %s' % d for d in found[:10]])


def fresh(name='out'):
    """A path that does not exist, in the case's directory."""
    i = 0
    while os.path.lexists('%s%d' % (name, i)):
        i += 1
    return os.path.abspath('%s%d' % (name, i))


def digest(path):
    h = hashlib.sha256()
    with open(path, 'rb') as f:
        while block := f.read(MIB):
            h.update(block)
    return h.digest()


def used_sectors(image):
    """Numbers of the sectors that mkfs wrote."""
    size, at, out = os.path.getsize(image), 0, []
    with open(image, 'rb') as f:
        while at < size:
            try:
                start = os.lseek(f.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            at = os.lseek(f.fileno(), start, os.SEEK_HOLE)
            out += range(start // SECTOR, at // SECTOR)
    return out


def overwrite(image, sector, nr, rng):
    with open(image, 'r+b') as f:
        f.seek(sector * SECTOR)
        f.write(rng.randbytes(nr * SECTOR))


def copy_images(images, where):
    os.makedirs(where)
    out = []
    for i in images:
        out.append(os.path.join(where, os.path.basename(i)))
        subprocess.run(['cp', '--sparse=always', i, out[-1]], check=True)
    return out


def small_tree(name='tree', seed=5):
    maketree.make_tree(name, seed, big=False)
    return name


def plain_tree(name='plain'):
    """Files only, without anything that takes privilege."""
    os.makedirs(name + '/a/b')
    for p in ('top', 'a/one', 'a/two', 'a/b/three'):
        with open(os.path.join(name, p), 'w', encoding='ascii') as f:
            f.write(p * 100)
    return name


# --- everything comes back ---

LAYOUTS = (
    ('default-1', (256,), ()),
    ('single', (192,), ('-d', 'single', '-m', 'replica:2')),
    ('mirror-2', (160, 160), ('-d', 'mirror', '-m', 'mirror')),
    ('ec-3', (128, 128, 160), ('-d', 'ec:2+1', '-m', 'replica:2')),
    ('grid-6', (96, 100, 128, 96, 160, 97),
     ('-d', 'grid:4+2+1', '-m', 'replica:3')),
    ('nothing-compressed', (128, 128, 128), ('--compress', 'none')),
)


@case
def round_trips():
    maketree.make_tree('tree', 1)
    for name, sizes, args in LAYOUTS:
        images = make_pool(name, sizes, 'tree', *args)
        before = [digest(i) for i in images]
        out = fresh()
        restore(images, out)
        same('tree', out, atime_is_mtime=True)
        expect([digest(i) for i in images] == before, name,
               'restore wrote to the pool')
        shutil.rmtree(out)
        restore(images, out, '--threads', 1, '-q')
        same('tree', out)
        shutil.rmtree(out)
        shutil.rmtree(name)


@case
def wide_directory():
    maketree.make_wide('tree', 100000)
    images = make_pool('pool', (192, 192), 'tree')
    restore(images, 'out')
    same('tree', 'out')


@case
def empty_pool():
    os.mkdir('nothing')
    images = make_pool('pool', (64, 64), 'nothing')
    restore(images, 'out')
    same('nothing', 'out')


# --- damage within the guarantee ---

@case
def members_missing_shuffled_renamed():
    small_tree()
    images = make_pool('pool', (64,) * 6, 'tree', '-d', 'grid:4+2+1',
                       '-m', 'grid:4+2+1')
    rng = random.Random(7)
    for gone in ((0,), (5,), (0, 1), (2, 4), (0, 5)):
        left = [i for n, i in enumerate(images) if n not in gone]
        rng.shuffle(left)
        named = []
        for n, i in enumerate(left):
            named.append('named-%d-%d' % (gone[0] * 10 + gone[-1], n))
            os.link(i, named[-1])
        out = fresh()
        restore(named, out)
        same('tree', out)
        shutil.rmtree(out)


@case
def two_members_gone_and_bursts():
    small_tree()
    images = make_pool('pool', (64,) * 6, 'tree', '-d', 'grid:4+2+1',
                       '-m', 'grid:4+2+1')
    healed = 0
    for seed in range(6):
        rng = random.Random(seed)
        damaged = copy_images(images, 'd%d' % seed)
        left = rng.sample(damaged, 4)
        for i in left:
            overwrite(i, rng.choice(used_sectors(i)), 1, rng)
        out = fresh()
        r = restore(left, out, '--json')
        same('tree', out)
        doc = json.loads(r.stdout)
        healed += doc['healed_sectors']
        expect(doc['lost'] == [] and doc['exit_status'] == 0, doc)
        shutil.rmtree(out)
        shutil.rmtree('d%d' % seed)
    expect(healed, 'no damage was met in any of the rounds')


@case
def long_burst_on_one_member():
    small_tree()
    images = make_pool('pool', (96,) * 3, 'tree', '-d', 'ec:2+1',
                       '-m', 'replica:2')
    rng = random.Random(3)
    used = used_sectors(images[1])
    overwrite(images[1], used[len(used) // 2], 200, rng)
    r = restore(images, 'out', '--json')
    same('tree', 'out')
    doc = json.loads(r.stdout)
    bad = {d['member']: d for d in doc['devices']}
    expect(len(bad) == 3, doc)
    expect(sum(d['lost_sectors'] for d in doc['devices']) == 0, doc)


# --- beyond it ---

def lost_of(r):
    """Reported ranges: from JSON, by path in the tree."""
    out = {}
    for e in json.loads(r.stdout)['lost']:
        expect(e['what'] == 'bytes', 'more than bytes lost:', e)
        out.setdefault(e['path'].lstrip('/'), []).append(
            (e['offset'], e['offset'] + e['bytes']))
    return out


def check_lost(tree, out, lost):
    """Only what was reported differs, and it reads as zeros."""
    # losses are told by one name of a file
    told = {os.stat(os.path.join(out, p)).st_ino for p in lost}
    for rel, what in differences(tree, out):
        expect(what.startswith('contents') and
               os.lstat(os.path.join(os.fsencode(out), rel)).st_ino in told,
               'unreported difference:', rel, what)
    for rel, ranges in lost.items():
        with open(os.path.join(tree, rel), 'rb') as f:
            a = bytearray(f.read())
        with open(os.path.join(out, rel), 'rb') as f:
            b = bytearray(f.read())
        expect(len(a) == len(b), rel, 'has another size')
        for start, end in ranges:
            expect(0 <= start < end <= len(a), rel, 'impossible range')
            expect(not any(b[start:end]), rel, 'lost range is not zero')
            a[start:end] = b[start:end]
        expect(a == b, rel, 'differs outside of the reported ranges')


def find_block(images, block):
    for i in images:
        with open(i, 'rb') as f:
            at = f.read().find(block)
        if at >= 0:
            return i, at // SECTOR
    raise Failure('the block is nowhere on the images')


@case
def one_sector_beyond_repair():
    """Without redundancy exactly the overwritten sectors are lost."""
    rng = random.Random(11)
    plain_tree('tree')
    data = rng.randbytes(172 * SECTOR)
    with open('tree/a/noise', 'wb') as f:
        f.write(data)
    with open('tree/a/text', 'wb') as f:
        f.write(maketree.text(rng, 500000))
    images = make_pool('pool', (64, 64), 'tree', '-d', 'single',
                       '-m', 'replica:2')
    for block in (3, 4, 90, 159):
        at = block * SECTOR
        image, sector = find_block(images, data[at:at + SECTOR])
        overwrite(image, sector, 1, rng)
    r = restore(images, 'out', '--json', status=LOST)
    expect(b'lost: /a/noise: bytes 12288-20479\n' in r.stderr, r.stderr)
    expect(b'lost: /a/noise: bytes 368640-372735\n' in r.stderr, r.stderr)
    expect(b'lost: /a/noise: bytes 651264-655359\n' in r.stderr, r.stderr)
    lost = lost_of(r)
    expect(lost == {'a/noise': [(12288, 20480), (368640, 372736),
                                (651264, 655360)]}, lost)
    check_lost('tree', 'out', lost)
    r = run('restore', *images, '--to', '-', 'a/noise', status=LOST)
    expect(len(r.stdout) == len(data) and r.stdout[:12288] == data[:12288] and
           r.stdout[20480:368640] == data[20480:368640] and
           not any(r.stdout[12288:20480]), 'contents on standard output')
    # the rest of a file may share a chunk, at any byte, with other files
    image, sector = find_block(images, data[-SECTOR:])
    overwrite(image, sector, 1, rng)
    r = restore(images, 'out2', '--json', status=LOST)
    lost = lost_of(r)
    check_lost('tree', 'out2', lost)
    expect(sum(e - s for v in lost.values() for s, e in v) <= 7 * SECTOR, lost)


@case
def three_of_six_members_gone():
    """Too many are gone for the data, but not for the metadata."""
    rng = random.Random(13)
    small_tree('tree', 9)
    os.unlink('tree/sparse/huge')   # too long to compare byte by byte
    with open('tree/noise/long', 'wb') as f:
        f.write(rng.randbytes(6 * MIB))
    images = make_pool('pool', (64,) * 6, 'tree', '-d', 'grid:4+2+1',
                       '-m', 'replica:5')
    r = restore(images[1:3] + images[5:], 'out', '--json', status=LOST)
    lost = lost_of(r)
    expect('noise/long' in lost, 'nothing is lost of the long file')
    check_lost('tree', 'out', lost)
    n = sum(e - s for s, e in lost['noise/long'])
    expect(n < 6 * MIB, 'sectors that are still there were not used')


@case
def metadata_beyond_repair():
    """Lost metadata is told, whatever can be reached is restored."""
    rng = random.Random(17)
    small_tree('tree', 4)
    images = make_pool('pool', (128,), 'tree', '-d', 'single',
                       '-m', 'single')
    for seed in range(4):
        damaged = copy_images(images, 'd%d' % seed)
        used = [s for s in used_sectors(damaged[0]) if s * SECTOR > 2 * MIB]
        for _ in range(20):
            overwrite(damaged[0], rng.choice(used), 1, rng)
        out = fresh()
        r = restore(damaged, out, '--json', status=(FAILED, LOST))
        if r.returncode == LOST:
            expect(b'lost: ' in r.stderr, 'nothing was told')
            told = set()
            for e in json.loads(r.stdout)['lost']:
                if e['what'] == 'bytes':
                    told.add(os.stat(out + e['path']).st_ino)
            for rel, what in differences('tree', out):
                expect(what != 'not in the original', rel, what)
                if what.startswith('contents'):
                    expect(os.stat(os.path.join(os.fsencode(out), rel)).st_ino
                           in told, rel, what)
        shutil.rmtree(out, ignore_errors=True)
        shutil.rmtree('d%d' % seed)


# --- parts ---

@case
def one_file_to_stdout():
    maketree.make_tree('tree', 2, big=True)
    images = make_pool('pool', (128, 128), 'tree')
    for p in ('noise/f131073', 'text/f300001', 'fills/mixed', 'noise/f0',
              'sparse/middle', 'small/s007', 'big', 'links/other/name3'):
        r = run('restore', *images, '--to', '-', p)
        with open('tree/' + p, 'rb') as f:
            expect(r.stdout == f.read(), p, 'differs')
    r = run('restore', *images, '--to', '-', b'/names/\xff\xfe\x80')
    expect(r.stdout == b'\xff\xfe\x80', 'file with an odd name')
    for p in ('noise', 'links/long', 'special/fifo', '/'):
        r = run('restore', *images, '--to', '-', p, status=FAILED)
        expect(not r.stdout and b'regular' in r.stderr, p, r.stderr)


@case
def files_and_subtrees():
    small_tree()
    images = make_pool('pool', (96, 96), 'tree')
    restore(images, 'a', 'modes')
    same('tree/modes', 'a/modes')
    expect(os.listdir('a') == ['modes'], 'more than the subtree')
    restore(images, 'b', '/text/f4097', './noise//f100', 'links/long')
    expect(sorted(os.listdir('b')) == ['f100', 'f4097', 'long'],
           os.listdir('b'))
    same('tree/deep/level00', fresh_sub(images, 'deep/level00/'))
    # one inside of the other is no loop
    restore(images, 'c', 'deep', 'deep/level00')
    same('tree/deep', 'c/deep')
    same('tree/deep/level00', 'c/level00')
    restore(images, 'd', '/')
    same('tree', 'd')


def fresh_sub(images, path):
    out = fresh()
    restore(images, out, path)
    return os.path.join(out, os.path.basename(path.rstrip('/')))


@case
def unknown_paths():
    plain_tree()
    images = make_pool('pool', (64, 64), 'plain')
    for p, word in (('nothing', b'not in the pool'), ('a/x/y', b'not in the'),
                    ('top/x', b'not a directory'), ('a/../top', b"'..'"),
                    ('n' * 300, b'name too long')):
        r = restore(images, 'out', p, status=FAILED)
        expect(word.lower() in r.stderr.lower(), p, r.stderr)
        expect(not os.listdir('out'), 'something was restored')
    # nothing at all is done if one of them is wrong
    restore(images, 'out', 'top', 'nothing', status=FAILED)
    expect(not os.listdir('out'), 'something was restored')


# --- the target ---

@case
def existing_files_refused():
    plain_tree()
    images = make_pool('pool', (64, 64), 'plain')
    os.makedirs('out/a')
    with open('out/a/one', 'w', encoding='ascii') as f:
        f.write('precious')
    r = restore(images, 'out', status=FAILED)
    expect(b'/a/one' in r.stderr and b'--overwrite' in r.stderr, r.stderr)
    with open('out/a/one', encoding='ascii') as f:
        expect(f.read() == 'precious', 'the existing file was changed')
    same('plain/a/b', 'out/a/b')
    r = restore(images, 'out', status=FAILED)
    restore(images, 'out', '--overwrite')
    same('plain', 'out')
    with open('file', 'wb'):
        pass
    r = restore(images, 'file', status=FAILED)
    expect(b'file' in r.stderr, r.stderr)
    r = restore(images, 'no/such/dir', status=FAILED)
    expect(b'no/such/dir' in r.stderr, r.stderr)


@case
def links_in_the_target_not_followed():
    plain_tree()
    images = make_pool('pool', (64, 64), 'plain')
    for extra in ((), ('--overwrite',)):
        out = fresh()
        os.makedirs('outside/b', exist_ok=True)
        with open('outside/victim', 'w', encoding='ascii') as f:
            f.write('precious')
        os.mkdir(out)
        os.symlink(os.path.abspath('outside'), out + '/a')
        os.symlink(os.path.abspath('outside/victim'), out + '/top')
        restore(images, out, *extra, status=FAILED)
        with open('outside/victim', encoding='ascii') as f:
            expect(f.read() == 'precious', 'written through a link')
        expect(sorted(os.listdir('outside')) == ['b', 'victim'] and
               not os.listdir('outside/b'), 'made files behind a link')


@case
def without_privilege():
    if not ROOT:
        raise Skip('only root can give privilege up')
    plain_tree()
    for p in ('plain/a/one', 'plain/a'):
        os.chown(p, 4321, 4321)
    os.chmod('plain/a/two', 0o4444)
    os.chmod('plain/a/b', 0o555)
    os.setxattr('plain/a/two', 'user.x', b'1')
    os.setxattr('plain/a/two', 'trusted.x', b'1')
    images = make_pool('pool', (64, 64), 'plain')
    os.mkdir('home')
    os.chown('home', 65534, 65534)
    for i in images + ['.', 'pool']:
        os.chmod(i, 0o755)
    r = subprocess.run(
        ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups',
         os.path.join(BUILD, 'vfsr'), 'restore', *images, '--to', 'home/out'],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if r.returncode in (126, 127):
        raise Skip('the build is where only root may enter')
    expect(r.returncode == OK, r.returncode, r.stderr)
    expect(b'owners were not set' in r.stderr, r.stderr)
    # a program must not become one that runs as whoever restored it
    expect(os.stat('home/out/a/two').st_mode & 0o7777 == 0o444, 'setuid')
    os.chmod('plain/a/two', 0o444)
    same('plain', 'home/out', owners=False, ignore_xattrs=('trusted.x',))


# --- hostile input, usage ---

@case
def hostile_input():
    plain_tree()
    one = make_pool('one', (64, 64, 64), 'plain', '-d', 'ec:2+1',
                    '-m', 'replica:2')
    two = make_pool('two', (64, 64), 'plain')
    rng = random.Random(19)
    with open('random', 'wb') as f:
        f.write(rng.randbytes(8 * MIB))
    with open('empty', 'wb'):
        pass
    with open('zeros', 'wb') as f:
        f.truncate(64 * MIB)
    copies = copy_images(one[:1], 'cut')
    os.truncate(copies[0], 3 * MIB)
    tries = ((['random'], 'random'), (['empty'], 'empty'),
             (['zeros'], 'zeros'), (['absent'], 'absent'),
             (['.'], '.'), ([one[0], 'random'], 'random'),
             (one[:2] + two[:1], None), ([one[0], one[0]], None),
             (copies, None))
    for images, word in tries:
        out = fresh()
        r = restore(images, out, status=(FAILED, LOST))
        expect(b'error: ' in r.stderr or b'warning: ' in r.stderr, images,
               r.stderr)
        expect(not word or word.encode() in r.stderr, images, r.stderr)
    # what is cut off counts as lost, and the others make up for it
    out = fresh()
    restore(copies + one[1:], out, status=(OK, FAILED))


@case
def hostile_trees():
    """Sealed properly, but with loops, absurd sizes and wrong pointers."""
    for d in ('tests/image', ''):
        helper = os.path.join(BUILD, d, 'hostile_tree')
        if os.path.exists(helper):
            break
    else:
        raise Skip('no hostile_tree in ' + BUILD)
    with open('image', 'wb') as f:
        f.truncate(128 * MIB)
    os.mkdir('outside')
    subprocess.run([helper, 'image', os.path.abspath('outside')], check=True)
    for extra in ((), ('--overwrite',), ('--threads', '8', '--overwrite')):
        out = fresh()
        r = restore(['image'], out, '--json', *extra, status=LOST)
        lost = {e['path']: e for e in json.loads(r.stdout)['lost']}
        for p in ('/loop/self', '/loop/root', '/no-inode', '/no-dir',
                  '/not-a-dir', '/not-a-file', '/empty-link', '/short-link'):
            expect(p in lost and lost[p]['what'] != 'bytes', p, lost.keys())
        for p, size in (('kind', 4096), ('beyond', 131072), ('absent', 8192)):
            e = lost['/' + p]
            expect((e['offset'], e['bytes']) == (0, size), e)
            expect(os.path.getsize(out + '/' + p) == size, p)
        expect(('/twin1' in lost) != ('/twin2' in lost), lost.keys())
        expect(any('/d/d/d' in p for p in lost), 'depth has no bound')
        with open(out + '/shared', 'rb') as f:
            expect(f.read(8192) == b'c' * 4096 + bytes(4096), 'shared node')
        expect(os.path.samefile(out + '/absent', out + '/absent2'), 'links')
        expect(os.path.exists(out + '/good'), 'the good file is missing')
        expect(not os.listdir('outside'), 'written outside of the target')
        # 4096 levels are too many for shutil
        subprocess.run(['rm', '-rf', out], check=False)


@case
def command_line():
    plain_tree()
    images = make_pool('pool', (64, 64), 'plain')
    for args in ((), images, ('--to', 'out'), images + ['--to'],
                 images + ['--to', 'out', '--to', 'x'],
                 images + ['--to', 'out', '--nonsense'],
                 images + ['--to', 'out', '--threads', '0'],
                 images + ['--to', 'out', '--threads', '5x'],
                 images + ['--to', '-'], images + ['--to', '-', 'top', 'a'],
                 images + ['--to', '-', '--json', 'top']):
        r = run('restore', *args, status=USAGE)
        expect(b'--help' in r.stderr, args, r.stderr)
        expect(not os.path.exists('out'), 'something was done')
    r = run('restore', '--help')
    expect(b'Example' in r.stdout, r.stdout)
    # --to first: then all arguments are devices
    run('restore', '--to', 'out', *images)
    same('plain', 'out')


@case
def json_summary():
    plain_tree()
    os.link('plain/top', 'plain/a/top2')
    os.symlink('x', 'plain/a/link')
    images = make_pool('pool', (64, 64), 'plain')
    r = restore(images, 'out', '--json')
    doc = json.loads(r.stdout)
    expect(doc['version'] == 1 and doc['kind'] == 'restore', doc)
    expect((doc['files'], doc['directories'], doc['symlinks'],
            doc['hard_links']) == (4, 3, 1, 1), doc)
    expect(doc['data_bytes'] == 100 * sum(
        map(len, ('top', 'a/one', 'a/two', 'a/b/three'))), doc)
    r = restore(images, 'quiet', '-q')
    expect(not r.stdout and not r.stderr, r.stdout, r.stderr)
    r = restore(images, 'text')
    expect(b'hard links' in r.stdout, r.stdout)


def main():
    if not os.path.exists(os.path.join(BUILD, 'mkfs.vfsr')):
        print('skip all: no mkfs.vfsr in', BUILD)
        return 77
    os.umask(0o022)
    top = tempfile.mkdtemp(prefix='restore-')
    os.chmod(top, 0o755)
    failed = 0
    for fn in CASES:
        name = fn.__name__.replace('_', '-')
        if sys.argv[1:] and not any(a in name for a in sys.argv[1:]):
            continue
        where = os.path.join(top, name)
        os.mkdir(where)
        os.chdir(where)
        try:
            fn()
            print('ok', name, flush=True)
        except Skip as e:
            print('skip %s: %s' % (name, e), flush=True)
        except Exception as e:      # a case never stops the others
            failed += 1
            if not isinstance(e, Failure):
                traceback.print_exc()
            print(e)
            print('not ok', name, flush=True)
        os.chdir(top)
        subprocess.run(['chmod', '-R', 'u+rwX', where], check=False)
        subprocess.run(['rm', '-rf', where], check=False)
    shutil.rmtree(top, ignore_errors=True)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
