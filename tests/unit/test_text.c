// SPDX-License-Identifier: GPL-2.0-only
/*
 * Words that people type and read: sizes, uuids, policies and file names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/out.h"

static void sizes_are_parsed(void **state)
{
	static const struct {
		const char *text;
		int err;
		u64 bytes;
	} c[] = {
		{ "0", 0, 0 },
		{ "65536", 0, 65536 },
		{ "4k", 0, 4096 },
		{ "4KiB", 0, 4096 },
		{ "1.5G", 0, 3ull << 29 },
		{ "16M", 0, 16 << 20 },
		{ "2T", 0, 2ull << 40 },
		{ "18446744073709551615", 0, ~0ull },
		{ "16E", -ERANGE, 0 },
		{ "99999999999999999999", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "K", -EINVAL, 0 },
		{ "4x", -EINVAL, 0 },
		{ "4Kx", -EINVAL, 0 },
		{ " 4", -EINVAL, 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(c); i++) {
		u64 v = 0;

		assert_int_equal(vfsr_parse_size(c[i].text, &v), c[i].err);
		assert_true(v == c[i].bytes);
	}
}

static void sizes_are_printed(void **state)
{
	char buf[16];

	(void)state;
	assert_string_equal(vfsr_size_text(0, buf), "0 B");
	assert_string_equal(vfsr_size_text(1023, buf), "1023 B");
	assert_string_equal(vfsr_size_text(1536, buf), "1.5 KiB");
	assert_string_equal(vfsr_size_text(~0ull, buf), "16.0 EiB");
}

static void policies_are_parsed(void **state)
{
	static const struct {
		const char *text, *again;
		int err;
		struct vfsr_policy p;
	} c[] = {
		{ "single", "single", 0, { 1, 0, 0 } },
		{ "mirror", "replica:2", 0, { 1, 1, 0 } },
		{ "replica:3", "replica:3", 0, { 1, 2, 0 } },
		{ "replica:1", "single", 0, { 1, 0, 0 } },
		{ "ec:4+2", "ec:4+2", 0, { 4, 2, 0 } },
		{ "grid:16+1+1", "grid:16+1+1", 0, { 16, 1, 1 } },
		{ "grid:1+0+1", "grid:1+0+1", 0, { 1, 0, 1 } },
		{ "replica:0", "", -EINVAL, { 0, 0, 0 } },
		{ "replica:8", "", -EINVAL, { 0, 0, 0 } },
		{ "ec:4", "", -EINVAL, { 0, 0, 0 } },
		{ "ec:4+2+1", "", -EINVAL, { 0, 0, 0 } },
		{ "ec:0+2", "", -EINVAL, { 0, 0, 0 } },
		{ "ec:33+2", "", -EINVAL, { 0, 0, 0 } },
		{ "grid:4+7+1", "", -EINVAL, { 0, 0, 0 } },
		{ "grid:4+-2+1", "", -EINVAL, { 0, 0, 0 } },
		{ "grid:4+2+99999999999", "", -EINVAL, { 0, 0, 0 } },
		{ "raid6", "", -EINVAL, { 0, 0, 0 } },
		{ "", "", -EINVAL, { 0, 0, 0 } },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(c); i++) {
		struct vfsr_policy p = { 0, 0, 0 };
		char buf[32];

		assert_int_equal(vfsr_policy_parse(c[i].text, &p), c[i].err);
		assert_int_equal(p.k, c[i].p.k);
		assert_int_equal(p.m, c[i].p.m);
		assert_int_equal(p.r, c[i].p.r);
		if (!c[i].err)
			assert_string_equal(vfsr_policy_text(&p, buf),
					    c[i].again);
	}
}

static void uuids_round_trip(void **state)
{
	static const char text[] = "01234567-89ab-cdef-0123-456789abcdef";
	u8 uuid[VFSR_UUID_BYTES];
	char buf[37];

	(void)state;
	assert_int_equal(vfsr_uuid_parse(text, uuid), 0);
	assert_int_equal(uuid[0], 0x01);
	assert_int_equal(uuid[15], 0xef);
	vfsr_uuid_text(uuid, buf);
	assert_string_equal(buf, text);
	assert_int_equal(vfsr_uuid_parse("0123", uuid), -EINVAL);
	assert_int_equal(vfsr_uuid_parse("01234567-89ab-cdef-0123-456789abcdeg",
					 uuid),
			 -EINVAL);
	assert_int_equal(
		vfsr_uuid_parse("01234567-89ab-cdef-0123-456789abcdef0", uuid),
		-EINVAL);
	assert_int_equal(vfsr_uuid_parse("0123456789abcdef0123456789abcdef",
					 uuid),
			 -EINVAL);
}

static void names_are_printable(void **state)
{
	static const struct {
		const char *name, *text;
	} c[] = {
		{ "plain", "plain" },
		{ "t\303\244st", "t\303\244st" },
		{ "a\nb", "a\\x0Ab" },
		{ "\033[31m", "\\x1B[31m" },
		{ "\377\376", "\\xFF\\xFE" },
		{ "\303", "\\xC3" },
		{ "\300\200", "\\xC0\\x80" },
		{ "\355\240\200", "\\xED\\xA0\\x80" },
		{ "\360\237\230\200", "\360\237\230\200" },
		{ "back\\slash", "back\\x5Cslash" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(c); i++) {
		char *t = vfsr_name_text(c[i].name, strlen(c[i].name));

		assert_string_equal(t, c[i].text);
		free(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_parsed),
		cmocka_unit_test(sizes_are_printed),
		cmocka_unit_test(policies_are_parsed),
		cmocka_unit_test(uuids_round_trip),
		cmocka_unit_test(names_are_printable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
