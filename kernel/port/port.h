/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Port header of the shared core, kernel twin of tools/lib/port/port.h.
 *
 * The kernel has most of it; what is missing is here, as inlines over lib/zlib
 * and crc32c. Nothing allocates, sleeps or takes a lock: the caller owns every
 * workspace and may call from any context that can afford the time.
 */
#ifndef VFSR_PORT_H
#define VFSR_PORT_H

#include <linux/build_bug.h>
#include <linux/crc32c.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/math64.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/types.h>
#include <linux/zlib.h>

#include <asm/byteorder.h>

/* Streams without zlib's head and trailer: negative window bits say so. */
#define VFSR_PORT_WINDOW_BITS 15
#define VFSR_PORT_RAW_WINDOW (-VFSR_PORT_WINDOW_BITS)

/**
 * vfsr_port_crc32c - crc32c of a buffer
 * @crc: 0, or the result for the bytes before
 * @data: bytes
 * @len_bytes: how many, below 4 GiB
 *
 * Initial value ~0 and final inversion are inside, so that calls chain.
 *
 * Return: the checksum.
 */
static inline u32 vfsr_port_crc32c(u32 crc, const void *data, size_t len_bytes)
{
	return ~crc32c(~crc, data, len_bytes);
}

/**
 * vfsr_port_deflate_ws_bytes - size of a compression workspace
 *
 * Return: bytes that the caller must give to vfsr_port_deflate().
 */
static inline size_t vfsr_port_deflate_ws_bytes(void)
{
	return zlib_deflate_workspacesize(VFSR_PORT_WINDOW_BITS, DEF_MEM_LEVEL);
}

/**
 * vfsr_port_deflate - raw deflate (RFC 1951), window 32 KiB
 * @ws: workspace, zeroed before its first use
 * @level: 1..9
 * @src: input
 * @src_bytes: 1..128 KiB
 * @dst: output
 * @dst_bytes: room in @dst
 *
 * Return: bytes of the stream, 0 if it does not fit into @dst_bytes, -EIO if
 * the library failed.
 */
static inline int vfsr_port_deflate(void *ws, int level, const void *src,
				    u32 src_bytes, void *dst, u32 dst_bytes)
{
	struct z_stream_s z = { .workspace = ws };
	int ret;

	if (level < Z_BEST_SPEED || level > Z_BEST_COMPRESSION)
		return -EIO;
	if (zlib_deflateInit2(&z, level, Z_DEFLATED, VFSR_PORT_RAW_WINDOW,
			      DEF_MEM_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
		return -EIO;
	z.next_in = src;
	z.avail_in = src_bytes;
	z.next_out = dst;
	z.avail_out = dst_bytes;
	ret = zlib_deflate(&z, Z_FINISH);
	zlib_deflateEnd(&z);
	if (ret == Z_STREAM_END)
		return (int)z.total_out;
	/* out of room while it still had to write */
	return ret == Z_OK || ret == Z_BUF_ERROR ? 0 : -EIO;
}

/**
 * vfsr_port_inflate_ws_bytes - size of a decompression workspace
 *
 * Return: bytes that the caller must give to vfsr_port_inflate().
 */
static inline size_t vfsr_port_inflate_ws_bytes(void)
{
	return zlib_inflate_workspacesize();
}

/**
 * vfsr_port_inflate - expand one raw deflate stream
 * @ws: workspace, as for vfsr_port_deflate()
 * @src: the stream
 * @src_bytes: its exact length
 * @dst: output
 * @dst_bytes: exact length of the output
 *
 * Return: 0, or -EUCLEAN if @src is not a stream of exactly these lengths.
 */
static inline int vfsr_port_inflate(void *ws, const void *src, u32 src_bytes,
				    void *dst, u32 dst_bytes)
{
	struct z_stream_s z = { .workspace = ws };
	int ret;

	z.next_in = src;
	z.avail_in = src_bytes;
	z.next_out = dst;
	z.avail_out = dst_bytes;
	if (zlib_inflateInit2(&z, VFSR_PORT_RAW_WINDOW) != Z_OK)
		return -EUCLEAN;
	ret = zlib_inflate(&z, Z_FINISH);
	zlib_inflateEnd(&z);
	return ret == Z_STREAM_END && !z.avail_in && !z.avail_out ? 0 :
								    -EUCLEAN;
}

#endif
