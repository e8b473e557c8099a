// SPDX-License-Identifier: GPL-2.0-only
/*
 * GF(256) arithmetic of the core: every product against multiplication bit by
 * bit, inverses, powers, and values that must never change.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/gf.h"

/* The definition: polynomials over GF(2) modulo 0x11d. */
static u8 slow_mul(unsigned int a, unsigned int b)
{
	unsigned int sum = 0;

	for (; b; b >>= 1) {
		if (b & 1)
			sum ^= a;
		a <<= 1;
		if (a & 0x100)
			a ^= 0x11d;
	}
	return (u8)sum;
}

static void test_mul_all_pairs(void **state)
{
	unsigned int a, b;

	(void)state;
	for (a = 0; a < 256; a++)
		for (b = 0; b < 256; b++)
			assert_int_equal(vfsr_gf_mul((u8)a, (u8)b),
					 slow_mul(a, b));
}

static void test_inverse(void **state)
{
	unsigned int a;

	(void)state;
	for (a = 1; a < 256; a++)
		assert_int_equal(slow_mul(a, vfsr_gf_inv((u8)a)), 1);
}

static void test_powers_of_two(void **state)
{
	u8 want = 1;
	unsigned int e;

	(void)state;
	for (e = 0; e < 1100; e++) {
		assert_int_equal(vfsr_gf_pow2(e), want);
		want = slow_mul(want, 2);
	}
}

static void test_golden_values(void **state)
{
	static const struct {
		const char *name;
		u8 a, b, product;
	} cases[] = {
		{ "zero", 0x00, 0xff, 0x00 },
		{ "one", 0x01, 0xa7, 0xa7 },
		{ "no reduction", 0x02, 0x40, 0x80 },
		{ "reduction", 0x02, 0x80, 0x1d },
		{ "both large", 0xff, 0xff, 0xe2 },
		{ "inverse of 2", 0x02, 0x8e, 0x01 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		if (vfsr_gf_mul(cases[i].a, cases[i].b) != cases[i].product)
			fail_msg("%s", cases[i].name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mul_all_pairs),
		cmocka_unit_test(test_inverse),
		cmocka_unit_test(test_powers_of_two),
		cmocka_unit_test(test_golden_values),
	};

	return cmocka_run_group_tests_name("gf", tests, NULL, NULL);
}
