// SPDX-License-Identifier: GPL-2.0-only
/*
 * Name hashing: SipHash-2-4 and the keys that names are filed under.
 *
 * A keyed hash, so that nobody can prepare names that all collide; it is part
 * of the format and the same on every machine.
 */
#include "core/items.h"

#define SIP_C_ROUNDS	2
#define SIP_D_ROUNDS	4
#define SIP_WORD_BYTES	8u
#define SIP_LEN_SHIFT	56	/* the length's low byte ends the last word */
#define HASH_BITS	48

/* "somepseudorandomlygeneratedbytes", as the algorithm's authors chose */
#define SIP_INIT_0	0x736f6d6570736575ull
#define SIP_INIT_1	0x646f72616e646f6dull
#define SIP_INIT_2	0x6c7967656e657261ull
#define SIP_INIT_3	0x7465646279746573ull
#define SIP_FINAL	0xffu

static u64 rotl(u64 x, unsigned int n)
{
	return x << n | x >> (64 - n);
}

static u64 word_at(const u8 *data)
{
	__le64 word;

	memcpy(&word, data, sizeof(word));
	return le64_to_cpu(word);
}

static void sip_rounds(u64 v[4], unsigned int n)
{
	while (n--) {
		v[0] += v[1];
		v[1] = rotl(v[1], 13) ^ v[0];
		v[0] = rotl(v[0], 32);
		v[2] += v[3];
		v[3] = rotl(v[3], 16) ^ v[2];
		v[0] += v[3];
		v[3] = rotl(v[3], 21) ^ v[0];
		v[2] += v[1];
		v[1] = rotl(v[1], 17) ^ v[2];
		v[2] = rotl(v[2], 32);
	}
}

static void sip_word(u64 v[4], u64 word)
{
	v[3] ^= word;
	sip_rounds(v, SIP_C_ROUNDS);
	v[0] ^= word;
}

u64 vfsr_siphash(const u8 key[16], const void *data, u32 len_bytes)
{
	u64 k0 = word_at(key), k1 = word_at(key + SIP_WORD_BYTES);
	u64 v[4] = { k0 ^ SIP_INIT_0, k1 ^ SIP_INIT_1, k0 ^ SIP_INIT_2,
		     k1 ^ SIP_INIT_3 };
	u64 last = (u64)len_bytes << SIP_LEN_SHIFT;
	const u8 *at = data;
	u32 i;

	for (; len_bytes >= SIP_WORD_BYTES; len_bytes -= SIP_WORD_BYTES) {
		sip_word(v, word_at(at));
		at += SIP_WORD_BYTES;
	}
	for (i = 0; i < len_bytes; i++)
		last |= (u64)at[i] << 8 * i;
	sip_word(v, last);
	v[2] ^= SIP_FINAL;
	sip_rounds(v, SIP_D_ROUNDS);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

u64 vfsr_name_hash(const u8 key[16], const void *name, u32 len_bytes)
{
	u64 hash = vfsr_siphash(key, name, len_bytes) >>
		   (64 - HASH_BITS) << VFSR_HASH_DISC_BITS;

	return max_t(u64, hash, VFSR_HASH_KEY_MIN);
}
