#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Destroys every root of a pool: wipe_roots.py IMAGE...

Random bytes go over every slot of both rings, both strip-table regions and every
map page, the current ones and those of older transactions, in every copy, on
each of the images. Data, footers and trailers stay. What is where is found with
diskformat.py, the second reader of the format.
"""
import os
import random
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from diskformat import (BOOT, MAP, RING, SECTOR, SLOTS,  # noqa: E402
                        FormatError, Pool, counts)


def map_pages(pool):
    """Place and length of every map page that a stripe or the map names."""
    found = {(p.place, p.length) for p in pool.pages()}
    for grid in pool.grids.values():
        try:
            extents = grid.extents()
        except FormatError:
            continue
        for extent in extents:
            try:
                entries = grid.stripe_at(*extent).entries()
            except FormatError:
                continue
            found |= {(e.place, e.stored) for e in entries if e.kind == MAP}
    return found


def wipe(paths, rng=None):
    """Wipe; (record slots, table blocks, map pages, members)."""
    rng = rng or random.Random()
    with Pool(paths) as pool:
        pages = map_pages(pool)
        # all places first: what is wiped is needed to find the rest
        spots = [s for p in pages for s in pool.copies(*p)]
        blocks = 0
        for member in pool.dev:
            m = pool.members[member]
            region = 2 * sum(counts(m['nr_strips']))
            blocks += 2 * region
            spots += [(member, m[base] * SECTOR, region * SECTOR)
                      for base in ('table_sector', 'tail_sector')]
            spots += [(member, BOOT, RING),
                      (member, pool.size[member] - RING, RING)]
        for member, at, length in spots:
            pool.write(member, at, rng.randbytes(length))
        for fd in pool.dev.values():
            os.fsync(fd)
        return (2 * SLOTS * len(pool.dev), blocks, len(pages), len(pool.dev))


def main():
    if len(sys.argv) < 2:
        sys.exit('usage: wipe_roots.py IMAGE...')
    print('wiped %d record slots, %d table blocks, %d map pages on %d members'
          % wipe(sys.argv[1:]))


if __name__ == '__main__':
    main()
