/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Numbers that look random and are the same in every run, for tests that mix or
 * damage structures. One sequence per program.
 */
#ifndef VFSR_TESTS_PRNG_H
#define VFSR_TESTS_PRNG_H

#include "port.h"

static u64 prng_state = 0x9e3779b97f4a7c15ull;

static inline u64 prng(void)
{
	prng_state ^= prng_state << 13;
	prng_state ^= prng_state >> 7;
	prng_state ^= prng_state << 17;
	return prng_state * 0x2545f4914f6cdd1dull;
}

/* 0..below - 1 */
static inline u32 prng_below(u32 below)
{
	return (u32)((prng() >> 32) * below >> 32);
}

static inline void prng_fill(void *buf, size_t len_bytes)
{
	u8 *p = buf;
	u64 v = 0;
	size_t i;

	for (i = 0; i < len_bytes; i++, v >>= 8) {
		if (i % sizeof(v) == 0)
			v = prng();
		p[i] = (u8)v;
	}
}

#endif
