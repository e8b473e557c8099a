/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the fuzz targets share: libFuzzer's entry points, the way to report a
 * broken promise, and a reader of numbers that never runs out.
 *
 * Buffers that decoders get are allocated with their exact length, so that
 * AddressSanitizer sees a read behind them.
 */
#ifndef VFSR_TESTS_FUZZ_H
#define VFSR_TESTS_FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#include "core/bytes.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max_size,
			       unsigned int seed);
size_t LLVMFuzzerMutate(u8 *data, size_t size, size_t max_size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* One mutation in so many leaves checksums as they are. */
#define FUZZ_KEEP_BROKEN 16u

/* A promise of the code under test; what libFuzzer reports when it is broken. */
#define fuzz_must(cond)                                                  \
	do {                                                             \
		if (!(cond)) {                                           \
			fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, \
				__LINE__, #cond);                        \
			abort();                                         \
		}                                                        \
	} while (0)

/* Input that is used up from the front; zeroes behind its end. */
struct fuzz_in {
	const u8 *data;
	size_t left;
};

static inline u8 fuzz_u8(struct fuzz_in *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->data++;
}

static inline u16 fuzz_u16(struct fuzz_in *in)
{
	u16 low = fuzz_u8(in);

	return (u16)(low | (u16)(fuzz_u8(in) << 8));
}

static inline u32 fuzz_u32(struct fuzz_in *in)
{
	u32 low = fuzz_u16(in);

	return low | (u32)fuzz_u16(in) << 16;
}

static inline u64 fuzz_u64(struct fuzz_in *in)
{
	u64 low = fuzz_u32(in);

	return low | (u64)fuzz_u32(in) << 32;
}

/* Copy @len_bytes of the input, zeroes where it is shorter. */
static inline void fuzz_take(struct fuzz_in *in, void *out, size_t len_bytes)
{
	size_t n = min_t(size_t, len_bytes, in->left);

	memset(out, 0, len_bytes);
	if (n)
		memcpy(out, in->data, n);
	in->data += n;
	in->left -= n;
}

static inline void *fuzz_alloc(size_t len_bytes)
{
	/* of no bytes as well: then nothing of it may be read */
	/* NOLINTNEXTLINE(clang-analyzer-optin.portability.UnixAPI) */
	void *p = malloc(len_bytes);

	fuzz_must(p || !len_bytes);
	return p;
}

static inline void *fuzz_copy(const void *data, size_t len_bytes)
{
	void *p = fuzz_alloc(len_bytes);

	if (len_bytes)
		memcpy(p, data, len_bytes);
	return p;
}

/* Set a structure's magic and its own crc, which follows the magic. */
static inline void fuzz_seal(u8 *data, size_t len_bytes, u32 magic)
{
	__le32 word = cpu_to_le32(magic);

	memcpy(data, &word, sizeof(word));
	word = cpu_to_le32(vfsr_bytes_crc(data, len_bytes, sizeof(word)));
	memcpy(data + sizeof(word), &word, sizeof(word));
}

#endif
