// SPDX-License-Identifier: GPL-2.0-only
/*
 * Userspace port of the shared core: crc32c by ISA-L, deflate and inflate by
 * libdeflate. Owns what a workspace holds: a cache of library objects, made on
 * first use and freed by vfsr_port_ws_release(), so that a call of the core
 * allocates at most once per workspace and level.
 *
 * A workspace belongs to one thread at a time; nothing else here has state.
 * Output depends on the input and the level alone, never on the CPU.
 */
#include "port.h"

#include <isa-l/crc.h>
#include <libdeflate.h>

#define NR_LEVELS 9
#define CRC32C_POLY 0x82f63b78u /* Castagnoli, reflected */
#define CRC_SLICES 8

/* Behind the pointer that the core calls `ws`; all zero is a valid empty one. */
struct port_ws {
	struct libdeflate_compressor *compressor[NR_LEVELS];
	struct libdeflate_decompressor *decompressor;
};

/*
 * Library levels by measurement on 128 KiB pieces of sources, documents and
 * programs: 1 is 1.5 to 2.4 times as fast as zlib's 1 and 2 to 10 % smaller; 11
 * is 3 to 7 % smaller than zlib's 9 at 3 to 8 MB/s. 10 is up to twice as fast
 * and 0 to 3 % larger; 12 gains nothing more. ISA-L's compressor is faster
 * than 1, but its output depends on the CPU.
 */
static const u8 library_level[NR_LEVELS] = { 1, 2, 3, 4, 5, 6, 7, 8, 11 };

u32 vfsr_port_crc32c(u32 crc, const void *data, size_t len_bytes)
{
	/* the library takes a signed length and does not invert */
	u8 *p = (u8 *)data;

	crc = ~crc;
	while (len_bytes > INT_MAX) {
		crc = crc32_iscsi(p, INT_MAX, crc);
		p += INT_MAX;
		len_bytes -= INT_MAX;
	}
	return ~crc32_iscsi(p, (int)len_bytes, crc);
}

/* table[s][b]: what byte b does to the crc when s more bytes follow it */
static void crc_tables(u32 table[CRC_SLICES][256])
{
	unsigned int b, bit, s;
	u32 crc;

	for (b = 0; b < 256; b++) {
		crc = b;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? CRC32C_POLY : 0);
		table[0][b] = crc;
	}
	for (b = 0; b < 256; b++)
		for (s = 1; s < CRC_SLICES; s++)
			table[s][b] = table[s - 1][b] >> 8 ^
				      table[0][table[s - 1][b] & 0xff];
}

/* Builds its tables on each call: it is there to be compared with. */
u32 vfsr_port_crc32c_scalar(u32 crc, const void *data, size_t len_bytes)
{
	u32 t[CRC_SLICES][256];
	const u8 *p = data;
	__le32 word[2];
	u32 lo, hi;

	crc_tables(t);
	crc = ~crc;
	for (; len_bytes >= CRC_SLICES; len_bytes -= CRC_SLICES) {
		memcpy(word, p, sizeof(word));
		lo = le32_to_cpu(word[0]) ^ crc;
		hi = le32_to_cpu(word[1]);
		crc = t[7][lo & 0xff] ^ t[6][lo >> 8 & 0xff] ^
		      t[5][lo >> 16 & 0xff] ^ t[4][lo >> 24] ^ t[3][hi & 0xff] ^
		      t[2][hi >> 8 & 0xff] ^ t[1][hi >> 16 & 0xff] ^
		      t[0][hi >> 24];
		p += CRC_SLICES;
	}
	while (len_bytes--)
		crc = crc >> 8 ^ t[0][(crc ^ *p++) & 0xff];
	return ~crc;
}

size_t vfsr_port_deflate_ws_bytes(void)
{
	return sizeof(struct port_ws);
}

int vfsr_port_deflate(void *ws, int level, const void *src, u32 src_bytes,
		      void *dst, u32 dst_bytes)
{
	struct port_ws *w = ws;
	struct libdeflate_compressor **c;

	if (level < 1 || level > NR_LEVELS)
		return -EIO;
	c = &w->compressor[level - 1];
	if (!*c)
		*c = libdeflate_alloc_compressor(library_level[level - 1]);
	if (!*c)
		return -EIO;
	return (int)libdeflate_deflate_compress(*c, src, src_bytes, dst,
						dst_bytes);
}

size_t vfsr_port_inflate_ws_bytes(void)
{
	return sizeof(struct port_ws);
}

int vfsr_port_inflate(void *ws, const void *src, u32 src_bytes, void *dst,
		      u32 dst_bytes)
{
	enum libdeflate_result result;
	struct port_ws *w = ws;
	size_t used, made;

	if (!w->decompressor)
		w->decompressor = libdeflate_alloc_decompressor();
	if (!w->decompressor)
		return -ENOMEM;
	result = libdeflate_deflate_decompress_ex(
		w->decompressor, src, src_bytes, dst, dst_bytes, &used, &made);
	if (result != LIBDEFLATE_SUCCESS || used != src_bytes ||
	    made != dst_bytes)
		return -EUCLEAN;
	return 0;
}

void vfsr_port_ws_release(void *ws)
{
	struct port_ws *w = ws;
	unsigned int i;

	if (!w)
		return;
	for (i = 0; i < NR_LEVELS; i++)
		libdeflate_free_compressor(w->compressor[i]);
	libdeflate_free_decompressor(w->decompressor);
	memset(w, 0, sizeof(*w));
}
