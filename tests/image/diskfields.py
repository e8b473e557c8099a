# SPDX-License-Identifier: GPL-2.0-only
"""Constants and fields of the on-disk format, from
Documentation/disk-format.rst alone, and the ways to get and put them."""
import os
import struct
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from diskmath import crc32c  # noqa: E402

BOOT = 64 << 10
SLOT = 64 << 10
SLOTS = 16
RING = SLOT * SLOTS
RECORD_MAGIC, TABLE_MAGIC = 0x52534656, 0x54534656
TRAILER_MAGIC, FOOTER_MAGIC = 0x4c534656, 0x46534656
MAP_MAGIC, NODE_MAGIC = 0x4d534656, 0x4e534656
HEADER, MEMBER, OPEN_GRID = 512, 128, 704
STRIPS_PER_BLOCK, LIVES_PER_BLOCK, REFS_PER_BLOCK = 126, 1008, 504
IDS_PER_PAGE, CHILDREN_PER_PAGE, PAGE_HEAD = 127, 254, 32
DATA, INODE, NODE, XATTR, MAP, COMMIT = 1, 2, 3, 4, 5, 6
INLINE, EXTENT, ATTRIBUTE, DIRENT = 1, 2, 3, 4
NODE_HEAD, ITEM_HEAD = 32, 16
SEALED = 3

# name: offset, struct format
RECORD = {
    'magic': (0, '<I'), 'crc': (4, '<I'), 'uuid': (8, '16s'),
    'bytes': (24, '<I'), 'this_member': (28, '<H'), 'nr_members': (30, '<H'),
    'epoch': (32, '<Q'), 'sequence': (40, '<Q'), 'transaction': (48, '<Q'),
    'compat': (56, '<Q'), 'ro_compat': (64, '<Q'), 'incompat': (72, '<Q'),
    'hash_key': (96, '16s'), 'label': (112, '64s'),
    'sector_shift': (176, 'B'), 'strip_shift': (179, 'B'),
    'csum_type': (180, 'B'), 'layout': (186, 'B'), 'nr_open': (187, 'B'),
    'data_policy': (192, '4s'), 'meta_policy': (196, '4s'),
    'map_place': (200, '<Q'), 'map_crc': (208, '<I'),
    'map_len_free': (212, '<I'), 'map_levels': (216, 'B'),
    'next_id': (224, '<Q'), 'next_grid': (232, '<Q'),
    'next_serial': (240, '<Q'), 'next_transaction': (248, '<Q'),
    'nr_ids': (256, '<Q'), 'nr_inodes': (264, '<Q'),
    'logical_bytes': (272, '<Q'), 'live_bytes': (280, '<Q'),
}
MEMBER_FIELDS = {
    'uuid': (0, '16s'), 'bytes': (16, '<Q'), 'ack_epoch': (24, '<Q'),
    'ack_sequence': (32, '<Q'), 'table_sector': (40, '<Q'),
    'tail_sector': (48, '<Q'), 'wal_sector': (56, '<Q'),
    'strip_sector': (64, '<Q'), 'wal_sectors': (72, '<I'),
    'nr_strips': (76, '<I'), 'state': (80, 'B'), 'nr_index': (81, 'B'),
}
TRAILER = {
    'magic': (0, '<I'), 'crc': (4, '<I'), 'uuid': (8, '16s'),
    'grid': (24, '<Q'), 'transaction': (32, '<Q'), 'policy': (40, '4s'),
    'column': (44, 'B'), 'layout': (45, 'B'), 'strip_shift': (46, 'B'),
    'use': (47, 'B'), 'full_depth': (48, '<H'), 'rows_used': (52, '<I'),
    'epoch': (56, '<Q'), 'strip': (192, '<32I'), 'device': (320, '32s'),
    'starts': (352, '512s'), 'parity_crc': (864, '<512I'),
}
FOOTER = {
    'magic': (0, '<I'), 'crc': (4, '<I'), 'uuid': (8, '16s'),
    'grid': (24, '<Q'), 'transaction': (32, '<Q'), 'base': (40, '<Q'),
    'serial': (48, '<Q'), 'epoch': (56, '<Q'), 'policy': (64, '4s'),
    'layout': (68, 'B'), 'strip_shift': (69, 'B'), 'use': (70, 'B'),
    'flags': (71, 'B'), 'row': (72, '<I'), 'depth': (76, '<H'),
    'full_depth': (78, '<H'), 'nr_entries': (80, '<I'),
    'entries_start': (84, '<I'), 'entries_bytes': (88, '<I'),
    'entries_crc': (92, '<I'), 'aligned_end': (96, '<I'),
    'nr_stripes': (100, '<I'), 'strip': (192, '<32I'),
    'device': (320, '32s'), 'sector_crc': (352, '<896I'),
}
INODE_FIELDS = {        # from the start of the node's inode header
    'bytes': (0, '<H'), 'mode': (2, '<H'), 'flags': (4, '<I'),
    'uid': (8, '<I'), 'gid': (12, '<I'), 'size': (16, '<Q'),
    'nlink': (24, '<Q'), 'blocks': (32, '<Q'), 'parent': (40, '<Q'),
    'mtime': (48, '<q'), 'ctime': (56, '<q'), 'atime': (64, '<q'),
}


class FormatError(Exception):
    pass


def get(buf, fields, name, base=0):
    off, fmt = fields[name]
    v = struct.unpack_from(fmt, buf, base + off)
    return v[0] if len(v) == 1 else v


def put(buf, fields, name, value, base=0):
    off, fmt = fields[name]
    struct.pack_into(fmt, buf, base + off,
                     *(value if isinstance(value, (tuple, list)) else (value,)))


def seal(buf, length=None):
    """Put the crc of a structure, which all but map pages and nodes keep at
    byte 4 (records of @length bytes)."""
    struct.pack_into('<I', buf, 4, 0)
    struct.pack_into('<I', buf, 4, crc32c(bytes(buf[:length or len(buf)])))
    return buf


def sealed_ok(buf):
    copy = bytearray(buf)
    struct.pack_into('<I', copy, 4, 0)
    return crc32c(copy) == struct.unpack_from('<I', buf, 4)[0]


def zigzag(v):
    return v >> 1 ^ -(v & 1)


def varint(buf, at):
    v = shift = 0
    while True:
        b = buf[at]
        at += 1
        v |= (b & 127) << shift
        shift += 7
        if not b & 128:
            return v & (1 << 64) - 1, at


def place_of(grid, sector, byte):
    return grid << 28 | sector << 12 | byte
