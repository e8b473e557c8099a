#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The arithmetic of the on-disk format, for diskformat.py: crc32c, GF(256) and the
coefficients of row parity, from Documentation/disk-format.rst alone.
"""
SECTOR = 4096
ALL = 0xffffffff


def _crc_table():
    table = []
    for i in range(256):
        for _ in range(8):
            i = i >> 1 ^ (0x82f63b78 if i & 1 else 0)
        table.append(i)
    return table


CRC_TABLE = _crc_table()


def crc32c(data, table=CRC_TABLE):
    crc = ALL
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ ALL


assert crc32c(b'123456789') == 0xe3069283
ZERO = bytes(SECTOR)


def _gf_tables():
    exp, log, x = [0] * 512, [0] * 256, 1
    for i in range(255):
        exp[i] = exp[i + 255] = x
        log[x] = i
        x <<= 1
        if x & 256:
            x ^= 0x11d
    return exp, log


EXP, LOG = _gf_tables()


def gf_mul(a, b):
    return EXP[LOG[a] + LOG[b]] if a and b else 0


def gf_inv(a):
    return EXP[255 - LOG[a]]


MUL = {}


def gf_scale(c, data):
    """A constant times every byte."""
    if c == 1:
        return data
    if c not in MUL:
        MUL[c] = bytes(gf_mul(c, x) for x in range(256))
    return data.translate(MUL[c])


def xor(a, b):
    return (int.from_bytes(a, 'little') ^ int.from_bytes(b, 'little')
            ).to_bytes(len(a), 'little')


def coefficient(m, j, i):
    """c(j, i): of data column i in parity column j."""
    if j == 0:
        return 1
    if m <= 3 or j == 1:
        return EXP[j * i % 255]

    def plain(i):
        return gf_inv(EXP[(255 - i) % 255] ^ EXP[j - 1])
    return gf_mul(gf_inv(plain(0)), plain(i))
