// SPDX-License-Identifier: GPL-2.0-only
/*
 * Parity by the kernel's vector code: XOR by xor_blocks(), P and Q by
 * raid6_pq, whose matrix the first two rows of ours are. Everything else is the
 * core's scalar code.
 *
 * Nothing is taken on trust: vfsr_parity_selftest() compares all of it with
 * the core's at module load, and the scalar code is used if they differ.
 * Process context only (both libraries use the vector unit).
 */
#include <linux/gfp.h>
#include <linux/raid/pq.h>
#include <linux/raid/xor.h>
#include <linux/slab.h>

#include "grid/grid_priv.h"

/* At a time, so that all columns' bytes stay in a cache, and preemption is not
 * off for long. Buffers' lengths are multiples of it. */
#define STEP_BYTES VFSR_SECTOR_BYTES

static const struct vfsr_parity_ops *chosen = &vfsr_parity_scalar;

static void kernel_xor_into(u8 *dst, const u8 *src, size_t len_bytes)
{
	void *srcs[1] = { (void *)src };
	size_t at;

	for (at = 0; at < len_bytes; at += STEP_BYTES) {
		srcs[0] = (void *)(src + at);
		xor_blocks(1, STEP_BYTES, dst + at, srcs);
	}
}

static void kernel_mul_add(u8 *dst, const u8 *src, u8 coef, size_t len_bytes)
{
	if (coef == 1)
		kernel_xor_into(dst, src, len_bytes);
	else
		vfsr_parity_scalar.mul_add(dst, src, coef, len_bytes);
}

/* P of one step: bufs[k] becomes the XOR of the data columns. */
static void encode_p(unsigned int k, size_t at, u8 *const *bufs)
{
	void *srcs[MAX_XOR_BLOCKS];
	unsigned int i, nr;

	memcpy(bufs[k] + at, bufs[0] + at, STEP_BYTES);
	for (i = 1; i < k; i += nr) {
		nr = 0;
		while (nr < MAX_XOR_BLOCKS && i + nr < k) {
			srcs[nr] = bufs[i + nr] + at;
			nr++;
		}
		xor_blocks(nr, STEP_BYTES, bufs[k] + at, srcs);
	}
}

static void encode_pq(unsigned int k, size_t at, u8 *const *bufs)
{
	void *ptrs[VFSR_MAX_COLUMNS];
	unsigned int i;

	for (i = 0; i < k + 2; i++)
		ptrs[i] = bufs[i] + at;
	raid6_call.gen_syndrome((int)k + 2, STEP_BYTES, ptrs);
}

/* The third parity of m = 3. */
static void encode_third(unsigned int k, size_t at, u8 *const *bufs)
{
	u8 *out = bufs[k + 2] + at;
	unsigned int i;

	memcpy(out, bufs[0] + at, STEP_BYTES);
	for (i = 1; i < k; i++)
		vfsr_parity_scalar.mul_add(out, bufs[i] + at,
					   vfsr_parity_coef(3, 2, i),
					   STEP_BYTES);
}

static void kernel_encode(unsigned int k, unsigned int m, size_t len_bytes,
			  u8 *const *bufs)
{
	unsigned int j;
	size_t at;

	if (k == 1) {
		/* a copy: all coefficients of column 0 are 1. (The library's
		 * P and Q need two columns.) */
		for (j = 0; j < m; j++)
			memcpy(bufs[1 + j], bufs[0], len_bytes);
		return;
	}
	if (m > 3) {
		vfsr_parity_scalar.encode(k, m, len_bytes, bufs);
		return;
	}
	for (at = 0; m && at < len_bytes; at += STEP_BYTES) {
		if (m == 1)
			encode_p(k, at, bufs);
		else
			encode_pq(k, at, bufs);
		if (m == 3)
			encode_third(k, at, bufs);
	}
}

const struct vfsr_parity_ops vfsr_parity_kernel = {
	.name = "kernel",
	.xor_into = kernel_xor_into,
	.mul_add = kernel_mul_add,
	.encode = kernel_encode,
};

const struct vfsr_parity_ops *vfsr_parity_best(void)
{
	return READ_ONCE(chosen);
}

/* --- self test --- */

#define TEST_SECTORS 2u /* of a buffer: more than one step */
#define TEST_BYTES (TEST_SECTORS * VFSR_SECTOR_BYTES)
#define TEST_ORDER 1u /* of its pages */

struct selftest {
	u8 *want[VFSR_MAX_COLUMNS];
	u8 *have[VFSR_MAX_COLUMNS];
};

/* Any bytes will do, as long as no two columns have the same. */
static void fill(u8 *buf, u32 seed)
{
	u32 *word = (u32 *)buf;
	unsigned int i;

	for (i = 0; i < TEST_BYTES / sizeof(*word); i++) {
		seed = seed * 1664525u + 1013904223u;
		word[i] = seed ^ seed >> 15;
	}
}

static bool test_code(struct selftest *t, unsigned int k, unsigned int m)
{
	unsigned int i, j;

	for (i = 0; i < k; i++) {
		fill(t->want[i], i * 7919 + k * 31 + m);
		memcpy(t->have[i], t->want[i], TEST_BYTES);
	}
	/* what is there must not matter */
	for (j = 0; j < m; j++)
		memset(t->have[k + j], 0xa5, TEST_BYTES);
	vfsr_parity_scalar.encode(k, m, TEST_BYTES, t->want);
	vfsr_parity_kernel.encode(k, m, TEST_BYTES, t->have);
	for (i = 0; i < k + m; i++)
		if (memcmp(t->want[i], t->have[i], TEST_BYTES))
			return false;
	return true;
}

static bool test_vectors(struct selftest *t)
{
	static const u8 coefs[] = { 0, 1, 2, 0x1d, 0x80, 0xff };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(coefs); i++) {
		fill(t->want[0], i);
		fill(t->want[1], i + 100);
		memcpy(t->have[0], t->want[0], TEST_BYTES);
		vfsr_parity_scalar.mul_add(t->want[0], t->want[1], coefs[i],
					   TEST_BYTES);
		vfsr_parity_kernel.mul_add(t->have[0], t->want[1], coefs[i],
					   TEST_BYTES);
		if (memcmp(t->want[0], t->have[0], TEST_BYTES))
			return false;
		vfsr_parity_scalar.xor_into(t->want[0], t->want[1], TEST_BYTES);
		vfsr_parity_kernel.xor_into(t->have[0], t->want[1], TEST_BYTES);
		if (memcmp(t->want[0], t->have[0], TEST_BYTES))
			return false;
	}
	return true;
}

static int test_all(struct selftest *t)
{
	static const u8 ks[] = { 1, 2, 3, 4, 5, 6, 8, 9, 16, 26 };
	unsigned int i, m;

	if (!test_vectors(t))
		return -EINVAL;
	for (m = 0; m <= VFSR_MAX_PARITY; m++)
		for (i = 0; i < ARRAY_SIZE(ks); i++)
			if (!test_code(t, ks[i], m))
				return -EINVAL;
	return 0;
}

static u8 *test_buffer(void)
{
	return (u8 *)__get_free_pages(GFP_KERNEL, TEST_ORDER);
}

int vfsr_parity_selftest(void)
{
	struct selftest *t = kzalloc(sizeof(*t), GFP_KERNEL);
	unsigned int i;
	int err = -ENOMEM;

	WRITE_ONCE(chosen, &vfsr_parity_scalar);
	if (!t)
		return -ENOMEM;
	for (i = 0; i < VFSR_MAX_COLUMNS; i++) {
		t->want[i] = test_buffer();
		t->have[i] = test_buffer();
		if (!t->want[i] || !t->have[i])
			goto out;
	}
	err = test_all(t);
	if (!err)
		WRITE_ONCE(chosen, &vfsr_parity_kernel);
	else
		pr_warn("vfsr: parity by the kernel's libraries differs from the format's; using the portable code, which is slower\n");
out:
	for (i = 0; i < VFSR_MAX_COLUMNS; i++) {
		free_pages((unsigned long)t->want[i], TEST_ORDER);
		free_pages((unsigned long)t->have[i], TEST_ORDER);
	}
	kfree(t);
	return err;
}
