/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Port header of the shared core, userspace twin of kernel/port/port.h.
 *
 * Gives the core its types, byte order, checked helpers, crc32c and deflate,
 * and nothing else. Every vfsr_port_* function is pure: no allocation in the
 * calls that the core makes, the caller owns all workspaces.
 */
#ifndef VFSR_PORT_H
#define VFSR_PORT_H

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __CHECKER__
#define __vfsr_bitwise __attribute__((bitwise))
#define __vfsr_force __attribute__((force))
#else
#define __vfsr_bitwise
#define __vfsr_force
#endif

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

/* linux/types.h has these too; both may be included */
#include <linux/types.h>

static inline u16 le16_to_cpu(__le16 v)
{
	return le16toh((__vfsr_force u16)v);
}
static inline u32 le32_to_cpu(__le32 v)
{
	return le32toh((__vfsr_force u32)v);
}
static inline u64 le64_to_cpu(__le64 v)
{
	return le64toh((__vfsr_force u64)v);
}
static inline __le16 cpu_to_le16(u16 v)
{
	return (__vfsr_force __le16)htole16(v);
}
static inline __le32 cpu_to_le32(u32 v)
{
	return (__vfsr_force __le32)htole32(v);
}
static inline __le64 cpu_to_le64(u64 v)
{
	return (__vfsr_force __le64)htole64(v);
}

#define min_t(type, a, b)                            \
	({                                           \
		type min_a_ = (a), min_b_ = (b);     \
		min_a_ < min_b_ ? min_a_ : min_b_;   \
	})
#define max_t(type, a, b)                            \
	({                                           \
		type max_a_ = (a), max_b_ = (b);     \
		max_a_ > max_b_ ? max_a_ : max_b_;   \
	})
#define DIV_ROUND_UP(a, b) (((a) + (b)-1) / (b))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static inline u64 div_u64(u64 a, u32 b)
{
	return a / b;
}
static inline u64 div_u64_rem(u64 a, u32 b, u32 *rem)
{
	*rem = (u32)(a % b);
	return a / b;
}

#ifndef fallthrough
#define fallthrough __attribute__((__fallthrough__))
#endif

/**
 * vfsr_port_crc32c - crc32c of a buffer
 * @crc: 0, or the result for the bytes before
 * @data: bytes
 * @len_bytes: how many
 *
 * Initial value ~0 and final inversion are inside, so that calls chain.
 *
 * Return: the checksum.
 */
u32 vfsr_port_crc32c(u32 crc, const void *data, size_t len_bytes);

/**
 * vfsr_port_crc32c_scalar - the same in portable C, for tests to compare with
 * @crc: as above
 * @data: bytes
 * @len_bytes: how many
 *
 * Return: the checksum.
 */
u32 vfsr_port_crc32c_scalar(u32 crc, const void *data, size_t len_bytes);

/**
 * vfsr_port_deflate_ws_bytes - size of a compression workspace
 *
 * Return: bytes that the caller must give to vfsr_port_deflate().
 */
size_t vfsr_port_deflate_ws_bytes(void);

/**
 * vfsr_port_deflate - raw deflate (RFC 1951), window 32 KiB
 * @ws: workspace; zeroed before its first use, reused freely after
 * @level: 1..9
 * @src: input
 * @src_bytes: 1..128 KiB
 * @dst: output
 * @dst_bytes: room in @dst
 *
 * Return: bytes of the stream, 0 if it does not fit into @dst_bytes (or only
 * with less than 16 bytes to spare, which some libraries need), -EIO if the
 * library failed.
 */
int vfsr_port_deflate(void *ws, int level, const void *src, u32 src_bytes,
		      void *dst, u32 dst_bytes);

/**
 * vfsr_port_inflate_ws_bytes - size of a decompression workspace
 *
 * Return: bytes that the caller must give to vfsr_port_inflate().
 */
size_t vfsr_port_inflate_ws_bytes(void);

/**
 * vfsr_port_inflate - expand one raw deflate stream
 * @ws: workspace, as for vfsr_port_deflate()
 * @src: the stream
 * @src_bytes: its exact length
 * @dst: output
 * @dst_bytes: exact length of the output
 *
 * Return: 0, -EUCLEAN if @src is not a stream of exactly these lengths, or
 * -ENOMEM.
 */
int vfsr_port_inflate(void *ws, const void *src, u32 src_bytes, void *dst,
		      u32 dst_bytes);

/**
 * vfsr_port_ws_release - free what a workspace holds
 * @ws: deflate or inflate workspace, may be NULL; as good as new afterwards
 *
 * Userspace only: workspaces cache library objects there. The block itself
 * stays the caller's.
 */
void vfsr_port_ws_release(void *ws);

#endif
