#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What the whole-image tests share: running the programs, making pools, damaging
images, and the loop over cases with its "ok NAME" lines.

Every case runs in an empty directory of its own. The tests' environment is
VFSR_BUILD (directory of the programs) and TMPDIR.
"""
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import treecmp                                          # noqa: E402

SRC = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get('VFSR_BUILD', os.path.join(SRC, 'build'))
ROOT = os.geteuid() == 0
MIB = 1 << 20
SECTOR = 4096
UUID = '3f6d1f55-9c0f-4b5e-8f0a-64d0a7b3c001'
OTHER_UUID = '3f6d1f55-9c0f-4b5e-8f0a-64d0a7b3c002'
CASES = []


class Failure(Exception):
    pass


class Skip(Exception):
    pass


def case(fn):
    CASES.append(fn)
    return fn


def expect(true, *what):
    if not true:
        raise Failure(' '.join(str(w) for w in what))


def equal(have, want, what=''):
    expect(have == want, '%s: have %.500r, want %.500r' % (what, have, want))


def run(prog, *args, status=0, timeout=120, limit=None):
    """Run a program; @status is the exit status (or several) it must have."""
    r = subprocess.run([os.path.join(BUILD, prog)] + [str(a) for a in args],
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       timeout=timeout, check=False, preexec_fn=limit)
    r.text = r.stdout.decode(errors='backslashreplace')
    r.errors = r.stderr.decode(errors='backslashreplace')
    wanted = status if isinstance(status, tuple) else (status,)
    expect(status is None or r.returncode in wanted,
           '%s %s: exit status %d, not %s\n%s' % (
               prog, ' '.join(str(a) for a in args), r.returncode, wanted,
               (r.text + r.errors)[-3000:]))
    return r


def verify(images, *args, status=0):
    """vfsr verify's JSON document."""
    r = run('vfsr', 'verify', '--json', *args, *images, status=status)
    return json.loads(r.text)


def fsck(images, *args, status=0):
    """fsck.vfsr's JSON document."""
    r = run('fsck.vfsr', '--json', *args, *images, status=status)
    return json.loads(r.text)


def fsck_clean(images):
    r = run('fsck.vfsr', '-n', *images, status=None)
    expect(r.returncode == 0, 'not clean:', (r.errors + r.text)[-2000:])
    expect('corrupt' not in r.errors, r.errors)


def restore(images, to, *args, status=0):
    return run('vfsr', 'restore', '-q', *images, '--to', to, *args,
               status=status)


def make_images(where, sizes):
    os.makedirs(where, exist_ok=True)
    images = []
    for i, size in enumerate(sizes):
        images.append('%s/m%d' % (where, i))
        with open(images[-1], 'wb') as f:
            f.truncate(int(size * MIB))
    return images


def make_pool(where, sizes, rootdir, *args, uuid=UUID):
    images = make_images(where, sizes)
    run('mkfs.vfsr', '-q', '-f', '-U', uuid, '--rootdir', rootdir, *args,
        *images)
    return images


def copy(images, where):
    os.makedirs(where)
    out = []
    for i in images:
        out.append(os.path.join(where, os.path.basename(i)))
        subprocess.run(['cp', '--sparse=always', i, out[-1]], check=True)
    return out


def fresh(name='out'):
    i = 0
    while os.path.lexists('%s%d' % (name, i)):
        i += 1
    return os.path.abspath('%s%d' % (name, i))


def same_tree(a, b):
    found = treecmp.differences(a, b, owners=ROOT)
    expect(not found, '%d differences:' % len(found),
           *['\n  %r: %s' % d for d in found[:10]])


def restored_is(images, tree, *args):
    """Restore, compare, remove."""
    out = fresh()
    r = restore(images, out, *args)
    same_tree(tree, out)
    subprocess.run(['rm', '-rf', out], check=True)
    return r


def same_bytes(images, wanted):
    for a, b in zip(images, wanted):
        r = subprocess.run(['cmp', a, b], stdout=subprocess.PIPE, check=False)
        expect(r.returncode == 0, 'differ: %s' % r.stdout.decode())


def overwrite(image, sector, nr, rng):
    with open(image, 'r+b') as f:
        f.seek(sector * SECTOR)
        f.write(rng.randbytes(nr * SECTOR))


def write_tree(top, rng, total=2 * MIB, names=60):
    """A mixed tree of about @total bytes, half of it incompressible."""
    os.makedirs(top + '/sub/deeper')
    os.makedirs(top + '/many')
    for i in range(names):
        with open('%s/many/n%03d' % (top, i), 'wb') as f:
            f.write(b'%d ' % i * rng.randrange(400))
    for i, part in enumerate((4, 8, 16)):
        with open('%s/sub/noise%d' % (top, i), 'wb') as f:
            f.write(rng.randbytes(total // part + i * 1001))
        with open('%s/sub/deeper/text%d' % (top, i), 'wb') as f:
            words = b' '.join(b'%d' % rng.randrange(99999)
                              for _ in range(total // part // 6))
            f.write(words)
    with open(top + '/sparse', 'wb') as f:
        f.write(rng.randbytes(5000))
        f.truncate(3 * MIB)
        f.seek(2 * MIB)
        f.write(b'x' * 200000)
    os.link(top + '/sub/noise0', top + '/linked')
    os.symlink('sub/noise0', top + '/symlink')
    os.symlink('t' * 2500, top + '/long-symlink')
    os.mkfifo(top + '/fifo', 0o600)
    os.chmod(top + '/many/n001', 0o4751)
    os.utime(top + '/many', ns=(10**18, 10**18 + 123456789))
    try:
        os.setxattr(top + '/many/n002', 'user.small', b'value')
        os.setxattr(top + '/many/n003', 'user.large', b'v' * 2500)
    except OSError:
        pass
    return top


def main():
    wanted = sys.argv[1:]
    failed = 0
    for fn in CASES:
        name = fn.__name__
        if wanted and not any(w in name for w in wanted):
            continue
        here = tempfile.mkdtemp(prefix='vfsr-%s.' % name)
        back = os.getcwd()
        os.chdir(here)
        try:
            fn()
            print('ok ' + name, flush=True)
        except Skip as e:
            print('skip %s (%s)' % (name, e), flush=True)
        except Failure as e:
            failed += 1
            print(re.sub('(?m)^(ok|not ok|skip) ', r' \1 ', str(e)))
            print('not ok ' + name, flush=True)
        except Exception:       # any error of a case is its failure
            failed += 1
            traceback.print_exc(file=sys.stdout)
            print('not ok ' + name, flush=True)
        finally:
            os.chdir(back)
            shutil.rmtree(here, ignore_errors=True)
    sys.exit(1 if failed else 0)


def rng_of(name):
    return random.Random(name)
