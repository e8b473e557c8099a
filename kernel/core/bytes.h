/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Byte helpers that encoders and decoders of disk structures share: the test
 * that padding is zero, and the crc of a structure that holds its own crc.
 */
#ifndef VFSR_CORE_BYTES_H
#define VFSR_CORE_BYTES_H

#include "port.h"

/**
 * vfsr_bytes_zero - are all bytes zero?
 * @data: bytes
 * @len_bytes: how many, 0 is fine
 *
 * Return: true if they are.
 */
static inline bool vfsr_bytes_zero(const void *data, size_t len_bytes)
{
	const u8 *p = data;

	/* with the first byte zero, equal neighbours make all of them zero */
	return !len_bytes || (!p[0] && !memcmp(p, p + 1, len_bytes - 1));
}

/**
 * vfsr_bytes_crc - crc32c of a structure, its own crc field as zero
 * @data: the structure
 * @len_bytes: its length
 * @crc_offset: byte where its 32-bit crc field starts
 *
 * Return: the checksum.
 */
static inline u32 vfsr_bytes_crc(const void *data, size_t len_bytes,
				 size_t crc_offset)
{
	const size_t after = crc_offset + sizeof(u32);
	const u8 *p = data;
	const u32 zero = 0;
	u32 crc;

	crc = vfsr_port_crc32c(0, p, crc_offset);
	crc = vfsr_port_crc32c(crc, &zero, sizeof(zero));
	return vfsr_port_crc32c(crc, p + after, len_bytes - after);
}

#endif
