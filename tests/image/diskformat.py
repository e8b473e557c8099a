#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A second reader of the on-disk format, written from
Documentation/disk-format.rst alone: it finds places for tests to damage, changes
structures, and seals them again. For small images; everything is in memory
only as far as it is asked for.

As a program: diskformat.py IMAGE... prints what it finds.
"""
import os
import struct
import sys
import zlib

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from diskmath import (SECTOR, ZERO, coefficient, crc32c,  # noqa: E402
                      gf_inv, gf_mul, gf_scale, xor)
from diskfields import *  # noqa: E402,F401,F403

# --- structures -------------------------------------------------------------

class Entry:
    """One chunk in a stripe's entry table."""

    def __init__(self, **fields):
        self.__dict__.update(fields)


class Stripe:
    """A footer and what it describes."""

    def __init__(self, grid, buf):
        self.grid, self.buf = grid, bytearray(buf)
        self.row, self.depth = self['row'], self['depth']

    def __getitem__(self, name):
        return get(self.buf, FOOTER, name)

    def __setitem__(self, name, value):
        put(self.buf, FOOTER, name, value)

    def linear(self, sector):
        """Column and row of a linear sector of the stripe."""
        return sector // self.depth, self.row + sector % self.depth

    def bytes_at(self, start, length):
        """Bytes of the data area."""
        out = b''
        first, last = start // SECTOR, -(-(start + length) // SECTOR)
        for s in range(first, last):
            out += self.grid.data(*self.linear(s), stripe=self)
        return out[start - first * SECTOR:][:length]

    def write_at(self, start, data):
        while data:
            col, row = self.linear(start // SECTOR)
            skip = start % SECTOR
            part = data[:SECTOR - skip]
            old = self.grid.data(col, row, stripe=self)
            self.grid.write(col, row, old[:skip] + part
                            + old[skip + len(part):], stripe=self)
            start += len(part)
            data = data[len(part):]

    def table(self):
        return self.bytes_at(self['entries_start'], self['entries_bytes'])

    def entries(self):
        """All entries, each with its place and where its crc is."""
        table, at, last_id = self.table(), 0, 0
        up = 1
        down = (self.grid.k * self.depth - 1) * SECTOR
        out = []
        for _ in range(self['nr_entries']):
            start = at
            flags = table[at]
            v, at = varint(table, at + 1)
            ident = (last_id + zigzag(v)) & (1 << 64) - 1
            stored, at = varint(table, at)
            logical, alg, owner, offset = stored, 0, ident, 0
            birth = self['transaction']
            if flags & 0x08:
                logical, at = varint(table, at)
                alg = table[at]
                at += 1
            if flags & 0x20:
                v, at = varint(table, at)
                owner = ident + zigzag(v)
            if flags & 0x40:
                offset, at = varint(table, at)
            if flags & 0x80:
                v, at = varint(table, at)
                birth -= v
            crc = struct.unpack_from('<I', table, at)[0]
            if flags & 0x10:
                where = up * SECTOR
                up += stored // SECTOR
            else:
                down -= stored
                where = down
            out.append(Entry(kind=flags & 7, flags=flags, id=ident,
                             stored=stored, logical=logical, alg=alg,
                             owner=owner, offset=offset, birth=birth,
                             crc=crc, crc_at=at, start=start, where=where,
                             stripe=self,
                             place=place_of(self.grid.id, self.row
                                            * self.grid.k + where // SECTOR,
                                            where % SECTOR)))
            at += 4
            last_id = ident
        return out

    def footer_spots(self):
        """Columns and rows of the two copies."""
        return [(0, self.row), (self.grid.k - 1, self.row + self.depth - 1)]

    def store(self):
        """Seal the footer and write both copies."""
        seal(self.buf)
        for col, row in self.footer_spots():
            self.grid.write(col, row, bytes(self.buf), stripe=self)

    def reseal(self, table=True):
        """Crcs of the table and of all sectors, parity, footers: as what the data
        area holds now wants them."""
        g = self.grid
        if table and self['entries_bytes']:
            self['entries_crc'] = crc32c(self.table())
        crcs = list(self['sector_crc'])
        spots = self.footer_spots()
        for i in range(self.depth):
            row = self.row + i
            cols = [ZERO if (c, row) in spots else g.data(c, row, stripe=self)
                    for c in range(g.k)]
            for c in range(g.k):
                crcs[c * self.depth + i] = (
                    0 if (c, row) in spots else crc32c(cols[c]))
            for j in range(g.m):
                crcs[(g.k + j) * self.depth + i] = crc32c(g.parity(j, cols))
        self['sector_crc'] = crcs
        self.store()
        for i in range(self.depth):
            row = self.row + i
            cols = [g.data(c, row, stripe=self) for c in range(g.k)]
            for j in range(g.m):
                g.write(g.k + j, row, g.parity(j, cols), stripe=self)


class Grid:
    """A grid: its columns as the strip tables say, and its trailer."""

    def __init__(self, pool, ident, policy, layout, use, state):
        self.pool, self.id = pool, ident
        self.k, self.m, self.r = struct.unpack('<BBH', policy)
        self.n = self.k + self.m
        self.layout, self.use, self.state = layout, use, state
        self.strip, self.device = {}, {}
        self.rows = (1 << pool.strip_shift) // SECTOR - 1
        self.data_rows = self.rows - self.r
        self.trailer = None

    def __repr__(self):
        return 'grid %d (%d+%d+%d)' % (self.id, self.k, self.m, self.r)

    def spot(self, col, row, stripe=None):
        """Member and byte of a sector; None if the member is not there.
        @stripe is needed in interleaved grids for rows with data."""
        strip, sector = col, row
        if self.layout:
            if row < self.data_rows:
                first, depth = stripe.row, stripe.depth
            elif row < self.rows:
                first, depth = self.data_rows, self.r
            else:
                first, depth = row, 1
            at = first * self.n + col * depth + row - first
            strip, sector = divmod(at, self.rows + 1)
        if strip not in self.strip:
            return None
        member = self.device[strip]
        if member not in self.pool.dev:
            return None
        return member, (self.pool.members[member]['strip_sector'] * SECTOR
                        + (self.strip[strip] << self.pool.strip_shift)
                        + sector * SECTOR)

    def read(self, col, row, stripe=None):
        at = self.spot(col, row, stripe)
        return at and self.pool.read(at[0], at[1], SECTOR)

    def write(self, col, row, data, stripe=None):
        at = self.spot(col, row, stripe)
        if at:
            self.pool.write(at[0], at[1], data)

    def data(self, col, row, stripe=None):
        """A sector, by decoding its row if the member is not there."""
        got = self.read(col, row, stripe)
        return got if got is not None else self.decode(row, stripe)[col]

    def parity(self, j, cols):
        out = ZERO
        for i, c in enumerate(cols):
            if c is not ZERO:
                out = xor(out, gf_scale(coefficient(self.m, j, i), c))
        return out

    def decode(self, row, stripe, lost=()):
        """The data columns of a row without those that are not there."""
        cols = [None if c in lost else self.read(c, row, stripe)
                for c in range(self.n)]
        gone = [c for c in range(self.k) if cols[c] is None]
        rows = []
        for j in range(self.m):
            if cols[self.k + j] is None or len(rows) == len(gone):
                continue
            known = [ZERO if c is None else c for c in cols[:self.k]]
            rows.append([[coefficient(self.m, j, i) for i in gone],
                         xor(cols[self.k + j], self.parity(j, known))])
        if len(rows) < len(gone):
            raise FormatError('%r: row %d has too few columns' % (self, row))
        for i in range(len(gone)):
            p = next(x for x in range(i, len(rows)) if rows[x][0][i])
            rows[i], rows[p] = rows[p], rows[i]
            inv = gf_inv(rows[i][0][i])
            rows[i] = [[gf_mul(inv, x) for x in rows[i][0]],
                       gf_scale(inv, rows[i][1])]
            for x in range(len(rows)):
                f = rows[x][0][i]
                if x != i and f:
                    rows[x] = [[a ^ gf_mul(f, b) for a, b
                                in zip(rows[x][0], rows[i][0])],
                               xor(rows[x][1], gf_scale(f, rows[i][1]))]
        for i, c in enumerate(gone):
            cols[c] = rows[i][1]
        return cols[:self.k]

    def load(self):
        """Find a trailer that is right, or the open grid in the record."""
        if self.trailer:
            return self
        for col in range(self.n):
            buf = self.read(col, self.rows)
            if buf and get(buf, TRAILER, 'magic') == TRAILER_MAGIC \
                    and get(buf, TRAILER, 'grid') == self.id \
                    and sealed_ok(buf):
                self.trailer = bytearray(buf)
                return self
        raise FormatError('%r has no trailer' % self)

    @property
    def rows_used(self):
        return get(self.load().trailer, TRAILER, 'rows_used')

    def extents(self):
        """(row, depth) of all stripes."""
        starts = get(self.load().trailer, TRAILER, 'starts')
        rows = [i for i in range(self.rows_used) if starts[i // 8] >> i % 8 & 1]
        return [(a, b - a) for a, b in zip(rows, rows[1:] + [self.rows_used])]

    def stripe_at(self, row, depth):
        probe = Stripe.__new__(Stripe)
        probe.row, probe.depth = row, depth
        for col, r in ((0, row), (self.k - 1, row + depth - 1)):
            choices = [self.read(col, r, probe)]
            if self.k == 1:
                choices += [self.read(c, r, probe) for c in range(1, self.n)]
            if choices[0] is None:
                try:
                    choices.append(self.decode(r, probe)[col])
                except FormatError:
                    pass
            for buf in choices:
                if buf and get(buf, FOOTER, 'magic') == FOOTER_MAGIC \
                        and get(buf, FOOTER, 'grid') == self.id \
                        and get(buf, FOOTER, 'row') == row \
                        and sealed_ok(buf):
                    return Stripe(self, buf)
        raise FormatError('%r: no footer at row %d' % (self, row))

    def stripes(self):
        return [self.stripe_at(*e) for e in self.extents()]

    def stripe_of(self, sector):
        """The stripe that holds a linear sector of the grid."""
        row = sector // self.k
        for first, depth in self.extents():
            if first <= row < first + depth:
                return self.stripe_at(first, depth)
        raise FormatError('%r: sector %d is in no stripe' % (self, sector))

    def reseal_columns(self):
        """Column parity over every column, and the trailers."""
        self.load()
        crcs = [0] * 512
        for col in range(self.n):
            sums = [ZERO] * self.r
            for first, depth in self.extents():
                st = Stripe.__new__(Stripe)
                st.row, st.depth = first, depth
                for row in range(first, first + depth):
                    if self.r:
                        sums[row % self.r] = xor(sums[row % self.r],
                                                 self.read(col, row, st))
            for row in range(self.data_rows, self.rows):
                data = sums[row % self.r]
                self.write(col, row, data)
                crcs[col * self.r + row - self.data_rows] = crc32c(data)
        put(self.trailer, TRAILER, 'parity_crc', crcs)
        self.store_trailers()

    def store_trailers(self):
        for col in range(self.n):
            put(self.trailer, TRAILER, 'column', col)
            self.write(col, self.rows, bytes(seal(self.trailer)))


class Chunk:
    def __init__(self, ident, buf):
        (self.place, self.birth, self.crc, self.refs, stored,
         logical) = struct.unpack('<QQIIII', buf)
        self.id = ident
        self.stored, self.state = stored & 0xffffff, stored >> 24 & 3
        self.alg = stored >> 26
        self.logical, self.kind = logical & 0xffffff, logical >> 24

    def pack(self):
        return struct.pack('<QQIIII', self.place, self.birth, self.crc,
                           self.refs, self.stored | self.state << 24
                           | self.alg << 26, self.logical | self.kind << 24)


class Page:
    """A map page and the way it was found."""

    def __init__(self, level, index, place, crc, length, parent):
        self.level, self.index = level, index
        self.place, self.crc, self.length = place, crc, length
        self.parent = parent    # (page, slot) or None for the root
        self.buf = None


class Item:
    def __init__(self, node, i):
        head = NODE_HEAD + struct.unpack_from('<H', node, 26)[0]
        nr = struct.unpack_from('<H', node, 24)[0]
        self.head = head + i * ITEM_HEAD
        at = head + nr * ITEM_HEAD
        for x in range(i):
            at += struct.unpack_from('<H', node, head + x * ITEM_HEAD + 8)[0]
        self.key, self.bytes, self.type = struct.unpack_from('<QHB', node,
                                                             self.head)
        self.at = at
        self.value = bytes(node[at:at + self.bytes])


def node_items(node):
    return [Item(node, i)
            for i in range(struct.unpack_from('<H', node, 24)[0])]


def node_get(node, name):
    return get(node, INODE_FIELDS, name, NODE_HEAD)


def node_put(node, name, value):
    put(node, INODE_FIELDS, name, value, NODE_HEAD)


def inflate(data):
    return zlib.decompressobj(-15).decompress(data)


def deflate(data, limit):
    """At most @limit bytes of raw deflate."""
    for level in (9, 6, 1):
        for strategy in range(3):
            c = zlib.compressobj(level, zlib.DEFLATED, -15, 9, strategy)
            out = c.compress(data) + c.flush()
            if len(out) <= limit:
                return out
    raise FormatError('does not compress to %d bytes' % limit)


def deflate_exactly(data, length):
    """Raw deflate of just that many bytes: padded by empty blocks."""
    pads = {0: b''}
    for k in range(40):     # empty fixed blocks, then an empty stored one
        bits = '0100000000' * k + '000'
        bits += '0' * (-len(bits) % 8)
        raw = bytes(int(bits[i:i + 8][::-1], 2)
                    for i in range(0, len(bits), 8)) + b'\0\0\xff\xff'
        pads.setdefault(len(raw), raw)
    for a in list(pads):
        for b in list(pads):
            pads.setdefault(a + b, pads[a] + pads[b])
    for level in range(9, -1, -1):
        for mem in (9, 8, 5, 2):
            for strategy in range(5):
                c = zlib.compressobj(level, zlib.DEFLATED, -15, mem, strategy)
                out = c.compress(data) + c.flush()
                if length - len(out) in pads:
                    return pads[length - len(out)] + out
    raise FormatError('does not compress to just %d bytes' % length)


# --- the pool ---------------------------------------------------------------

def ring_spots(size):
    size &= ~(BOOT - 1)
    return [base + i * SLOT for base in (BOOT, size - RING)
            for i in range(SLOTS)]


def parse_record(buf):
    """A valid record, cut to its length, or None."""
    if len(buf) < HEADER or get(buf, RECORD, 'magic') != RECORD_MAGIC:
        return None
    length = get(buf, RECORD, 'bytes')
    if not HEADER <= length <= len(buf) or not sealed_ok(buf[:length]):
        return None
    return bytearray(buf[:length])


def counts(nr_strips):
    t = -(-nr_strips // STRIPS_PER_BLOCK)
    live = -(-nr_strips // LIVES_PER_BLOCK)
    return t, live, -(-(t + live) // REFS_PER_BLOCK)


class Pool:
    """Images of one pool, some may be missing."""

    def __init__(self, paths):
        self.dev, self.path, self.size = {}, {}, {}
        self.record, best = None, None
        self.taken = {}         # bytes put into unused parts of stripes
        for path in paths:
            with open(path, 'r+b', buffering=0) as f:
                fd = os.dup(f.fileno())
            size = os.fstat(fd).st_size
            own = None
            for at in ring_spots(size):
                rec = parse_record(os.pread(fd, SLOT, at))
                if rec:
                    key = (get(rec, RECORD, 'epoch'),
                           get(rec, RECORD, 'sequence'))
                    if own is None or key > own[0]:
                        own = key, rec
            if own is None:
                os.close(fd)
                raise FormatError('%s: no record' % path)
            member = get(own[1], RECORD, 'this_member')
            self.dev[member], self.path[member] = fd, path
            self.size[member] = size & ~(BOOT - 1)
            if best is None or own[0] > best:
                best, self.record = own
        self.load_members()
        self.load_tables()

    def close(self):
        for fd in self.dev.values():
            os.close(fd)
        self.dev = {}

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.close()

    def read(self, member, at, length):
        return os.pread(self.dev[member], length, at)

    def write(self, member, at, data):
        os.pwrite(self.dev[member], data, at)

    def __getitem__(self, name):
        return get(self.record, RECORD, name)

    def __setitem__(self, name, value):
        put(self.record, RECORD, name, value)

    # records

    def load_members(self):
        self.strip_shift = self['strip_shift']
        self.members, at = [], HEADER
        self.index_at = {}
        for i in range(self['nr_members']):
            self.members.append({n: get(self.record, MEMBER_FIELDS, n, at)
                                 for n in MEMBER_FIELDS})
            at += MEMBER
        for i in range(self['nr_members']):
            self.index_at[i] = at
            at += 8 * self.members[i]['nr_index']

    def record_spots(self, member):
        """Bytes of the two slots of the chosen record."""
        at = self['sequence'] % SLOTS * SLOT
        return [BOOT + at, self.size[member] - RING + at]

    def store_record(self, members=None):
        for m in self.dev if members is None else members:
            rec = bytearray(self.record)
            put(rec, RECORD, 'this_member', m)
            for at in self.record_spots(m):
                self.write(m, at, bytes(seal(rec)))

    # strip tables

    def table_spot(self, member, block, slot):
        """Bytes of both copies of a table block."""
        m = self.members[member]
        return [(m[base] + 2 * block + slot) * SECTOR
                for base in ('table_sector', 'tail_sector')]

    def table_block(self, member, block, slot, crc):
        for at in self.table_spot(member, block, slot):
            buf = self.read(member, at, SECTOR)
            if len(buf) == SECTOR and sealed_ok(buf) and \
                    struct.unpack_from('<I', buf, 4)[0] == crc:
                return bytearray(buf)
        raise FormatError('member %d: table block %d is lost'
                          % (member, block))

    def table_refs(self, member):
        """(block, slot, crc, kind, number, where the reference is)."""
        m = self.members[member]
        t, live, x = counts(m['nr_strips'])
        for i in range(x):
            at = self.index_at[member] + 8 * i
            crc, slot = struct.unpack_from('<II', self.record, at)
            yield i, slot, crc, 1, i, at
            index = self.table_block(member, i, slot, crc)
            for b in range(i * REFS_PER_BLOCK,
                           min(t + live, (i + 1) * REFS_PER_BLOCK)):
                off = 64 + b % REFS_PER_BLOCK * 8
                crc, slot = struct.unpack_from('<II', index, off)
                yield (x + b, slot, crc, 2 if b < t else 3,
                       b if b < t else b - t, (i, off))

    def load_tables(self):
        self.grids, self.live = {}, {}
        for member in self.dev:
            nr_strips = self.members[member]['nr_strips']
            for block, slot, crc, kind, number, _ in self.table_refs(member):
                if kind == 1:
                    continue
                buf = self.table_block(member, block, slot, crc)
                if kind == 3:
                    for i in range(LIVES_PER_BLOCK):
                        self.live[member, number * LIVES_PER_BLOCK + i] = \
                            struct.unpack_from('<I', buf, 64 + 4 * i)[0]
                    continue
                for i in range(STRIPS_PER_BLOCK):
                    strip = number * STRIPS_PER_BLOCK + i
                    if strip < nr_strips:
                        self.add_strip(member, strip,
                                       buf[64 + 32 * i:96 + 32 * i])

    def add_strip(self, member, strip, buf):
        grid, col, state, layout, use = struct.unpack_from('<QBBBB', buf)
        if not grid:
            return
        if grid not in self.grids:
            self.grids[grid] = Grid(self, grid, bytes(buf[12:16]), layout,
                                    use, state)
        self.grids[grid].strip[col] = strip
        self.grids[grid].device[col] = member

    def edit_table(self, member, kind, number, edit):
        """Change a table block and everything that holds its crc."""
        for block, slot, crc, k, n, ref in self.table_refs(member):
            if (k, n) != (kind, number):
                continue
            buf = self.table_block(member, block, slot, crc)
            edit(buf)
            self.put_block(member, block, slot, buf)
            if kind == 1:
                struct.pack_into('<I', self.record, ref,
                                 struct.unpack_from('<I', buf, 4)[0])
                self.store_record()
            else:
                def put_crc(index, at=ref[1]):
                    struct.pack_into('<I', index, at,
                                     struct.unpack_from('<I', buf, 4)[0])
                self.edit_table(member, 1, ref[0], put_crc)
            return
        raise FormatError('no such block')

    def put_block(self, member, block, slot, buf):
        seal(buf)
        for at in self.table_spot(member, block, slot):
            self.write(member, at, bytes(buf))

    def edit_strip(self, member, strip, edit):
        """@edit gets the block and the entry's offset in it."""
        self.edit_table(member, 2, strip // STRIPS_PER_BLOCK, lambda b: edit(
            b, 64 + 32 * (strip % STRIPS_PER_BLOCK)))

    # the map

    def stored(self, place, length):
        grid = self.grids[place >> 28]
        sector = place >> 12 & 0xffff
        st = grid.stripe_of(sector)
        start = (sector - st.row * grid.k) * SECTOR + (place & 0xfff)
        return st, start, st.bytes_at(start, length)

    def copies(self, place, length):
        """(member, byte, length) of every piece of stored bytes in its data
        column and, where parity is a copy, in the parity columns."""
        grid = self.grids[place >> 28]
        st = grid.stripe_of(place >> 12 & 0xffff)
        at = ((place >> 12 & 0xffff) - st.row * grid.k) * SECTOR \
            + (place & 0xfff)
        while length:
            part = min(length, SECTOR - at % SECTOR)
            col, row = st.linear(at // SECTOR)
            for c in range(grid.n) if grid.k == 1 else (col,):
                spot = grid.spot(c, row, st)
                if spot:
                    yield spot[0], spot[1] + at % SECTOR, part
            at += part
            length -= part

    def page(self, level, index, place, crc, length, parent):
        p = Page(level, index, place, crc, length, parent)
        raw = self.stored(place, length)[2]
        p.buf = bytearray(raw if length == SECTOR else inflate(raw))
        magic, lvl = struct.unpack_from('<IB', p.buf)
        if magic != MAP_MAGIC or lvl != level or crc32c(raw) != crc:
            raise FormatError('map page %d/%d is damaged' % (level, index))
        return p

    def pages(self):
        """All map pages, parents first."""
        if not self['map_place']:
            return []
        out, todo = [], [self.page(self['map_levels'] - 1, 0,
                                   self['map_place'], self['map_crc'],
                                   self['map_len_free'] & 0x1fff, None)]
        while todo:
            p = todo.pop(0)
            out.append(p)
            for i in range(CHILDREN_PER_PAGE if p.level else 0):
                place, crc, length = struct.unpack_from('<QII', p.buf,
                                                        PAGE_HEAD + 16 * i)
                if place:
                    todo.append(self.page(
                        p.level - 1, p.index * CHILDREN_PER_PAGE + i, place,
                        crc, length & 0x1fff, (p, i)))
        return out

    def chunks(self):
        """Every id in use: id to Chunk."""
        out = {}
        for p in self.pages():
            for i in range(IDS_PER_PAGE if not p.level else 0):
                buf = p.buf[PAGE_HEAD + 32 * i:PAGE_HEAD + 32 * i + 32]
                if any(buf):
                    ident = p.index * IDS_PER_PAGE + i
                    out[ident] = Chunk(ident, buf)
        return out

    def unused(self, length):
        """A stripe and a byte in it with room that nothing uses."""
        for grid in self.grids.values():
            for st in grid.stripes():
                key = grid.id, st.row
                at = max(SECTOR, st['aligned_end'] * SECTOR) \
                    + self.taken.get(key, 0)
                if st['entries_start'] - at >= length:
                    self.taken[key] = self.taken.get(key, 0) + length
                    return st, at
        raise FormatError('no stripe has %d bytes to spare' % length)

    def store_page(self, page):
        """Write a changed page over the old one, or elsewhere if it got longer,
        and what names it above; then the live bytes."""
        data = bytes(page.buf)
        if page.length < SECTOR:
            data = deflate(data, SECTOR - 1)
        if len(data) <= page.length:
            st, start, _ = self.stored(page.place, page.length)
        else:
            st, start = self.unused(len(data))
        page.place = place_of(st.grid.id, st.row * st.grid.k
                              + start // SECTOR, start % SECTOR)
        page.length, page.crc = len(data), crc32c(data)
        st.write_at(start, data)
        st.reseal()
        st.grid.reseal_columns()
        if page.parent is None:
            self['map_place'], self['map_crc'] = page.place, page.crc
            self['map_len_free'] = self['map_len_free'] & ~0x1fff | page.length
            self.store_record()
            self.store_live()
            return
        parent, i = page.parent
        at = PAGE_HEAD + 16 * i
        old = struct.unpack_from('<I', parent.buf, at + 12)[0]
        struct.pack_into('<QII', parent.buf, at, page.place, page.crc,
                         old & ~0x1fff | page.length)
        self.store_page(parent)

    def store_live(self):
        """Live bytes of every grid and of the pool, counted anew."""
        live = dict.fromkeys(self.grids, 0)
        for page in self.pages():
            live[page.place >> 28] += page.length
        for c in self.chunks().values():
            if c.place >> 28 in live:
                live[c.place >> 28] += c.stored
        self['live_bytes'] = sum(live.values())
        self.store_record()
        for grid in self.grids.values():
            for strip, member in ((grid.strip[i], grid.device[i])
                                  for i in grid.strip):
                if self.live[member, strip] != live[grid.id]:
                    self.live[member, strip] = live[grid.id]
                    at = 64 + 4 * (strip % LIVES_PER_BLOCK)
                    self.edit_table(
                        member, 3, strip // LIVES_PER_BLOCK,
                        lambda b, at=at, v=live[grid.id]: struct.pack_into(
                            '<I', b, at, v))

    def edit_entry(self, ident, edit):
        """Change the map's entry of an id: @edit gets a Chunk, None frees."""
        for p in self.pages():
            if not p.level and p.index == ident // IDS_PER_PAGE:
                at = PAGE_HEAD + 32 * (ident % IDS_PER_PAGE)
                if edit is None:
                    p.buf[at:at + 32] = bytes(32)
                else:
                    c = Chunk(ident, bytes(p.buf[at:at + 32]))
                    edit(c)
                    p.buf[at:at + 32] = c.pack()
                self.store_page(p)
                return
        raise FormatError('no map page for id %d' % ident)

    # chunks

    def contents(self, c):
        raw = self.stored(c.place, c.stored)[2]
        if crc32c(raw) != c.crc:
            raise FormatError('chunk %d is damaged' % c.id)
        return inflate(raw) if c.state else raw

    def edit_chunk(self, ident, edit, confirm=True):
        """Change a chunk's logical contents, same length, and with it the map
        and (with @confirm) its stripe's entry."""
        c = self.chunks()[ident]
        data = bytearray(self.contents(c))
        edit(data)
        data = bytes(data)
        if len(data) != c.logical:
            raise FormatError('another length')
        raw = deflate_exactly(data, c.stored) if c.state else data
        st, start, _ = self.stored(c.place, c.stored)
        st.write_at(start, raw)
        for e in st.entries():
            if e.place == c.place and confirm:
                st.write_at(st['entries_start'] + e.crc_at,
                            struct.pack('<I', crc32c(raw)))
        st.reseal()
        st.grid.reseal_columns()
        self.edit_entry(ident, lambda x: setattr(x, 'crc', crc32c(raw)))

    # names

    def node(self, ident):
        return self.contents(self.chunks()[ident])

    def tree_items(self, ino, chunks=None):
        """All items of an inode's tree, as (node id, Item)."""
        chunks = chunks or self.chunks()
        todo, out = [ino], []
        while todo:
            ident = todo.pop(0)
            node = self.contents(chunks[ident])
            for item in node_items(node):
                if node[4]:
                    todo.append(struct.unpack('<Q', item.value)[0])
                else:
                    out.append((ident, item))
        return out

    def lookup(self, path):
        """The id of a path's inode."""
        ino, chunks = 1, self.chunks()
        for name in path.strip('/').encode().split(b'/'):
            for _, item in self.tree_items(ino, chunks):
                if item.type == DIRENT and item.value[10:] == name:
                    ino = struct.unpack_from('<Q', item.value)[0]
                    break
            else:
                raise FormatError('%s is not there' % path)
        return ino


def main():
    with Pool(sys.argv[1:]) as pool:
        print('uuid %s sequence %d transaction %d' % (
            pool['uuid'].hex(), pool['sequence'], pool['transaction']))
        for g in pool.grids.values():
            print('%r use %d layout %d rows %d: %s' % (
                g, g.use, g.layout, g.rows_used, g.extents()))
        kinds = {}
        for c in pool.chunks().values():
            kinds[c.kind] = kinds.get(c.kind, 0) + 1
        print('pages %d, ids by kind %s' % (len(pool.pages()), kinds))


if __name__ == '__main__':
    main()
