// SPDX-License-Identifier: GPL-2.0-only
/*
 * The list of reasons is an interface: names are kebab-case, unique and in
 * the order that is on record; texts are there and read well in a sentence.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/fault.h"

static bool is_kebab(const char *name)
{
	const char *p;
	char before = '-';

	for (p = name; *p; before = *p++)
		if (!(*p >= 'a' && *p <= 'z') && !(*p == '-' && before != '-'))
			return false;
	return before != '-';
}

static void names_are_kebab_and_unique(void **state)
{
	const char *name;
	unsigned int i, j;

	(void)state;
	for (i = 0; i < VFSR_NR_REASONS; i++) {
		name = vfsr_reason_name(i);
		assert_true(is_kebab(name));
		for (j = 0; j < i; j++)
			assert_string_not_equal(name, vfsr_reason_name(j));
	}
}

static void texts_are_there(void **state)
{
	const char *text[2];
	unsigned int i, j;
	size_t len;

	(void)state;
	for (i = 0; i <= VFSR_NR_REASONS; i++) {
		text[0] = vfsr_reason_text(i);
		text[1] = vfsr_reason_hint(i);
		for (j = 0; j < 2; j++) {
			assert_non_null(text[j]);
			len = strlen(text[j]);
			assert_true(len > 0);
			/* the printer ends the sentence */
			assert_int_not_equal(text[j][len - 1], '.');
			assert_null(strchr(text[j], '\n'));
		}
	}
}

static void rows_match_their_symbols(void **state)
{
	(void)state;
	assert_string_equal(vfsr_reason_name(VFSR_REASON_NONE), "none");
	assert_string_equal(vfsr_reason_name(VFSR_REASON_MAGIC), "bad-magic");
	assert_string_equal(vfsr_reason_name(VFSR_REASON_CHUNK_CRC),
			    "chunk-crc");
	assert_string_equal(vfsr_reason_name(VFSR_REASON_NO_SUPER),
			    "no-record");
}

static void beyond_the_list_is_unknown(void **state)
{
	static const enum vfsr_reason odd[] = {
		VFSR_NR_REASONS,
		(enum vfsr_reason)(VFSR_NR_REASONS + 1),
		(enum vfsr_reason)INT_MAX,
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(odd); i++)
		assert_string_equal(vfsr_reason_name(odd[i]), "unknown");
}

static void fault_set_fills_all(void **state)
{
	struct vfsr_fault f = { VFSR_REASON_LOOP, 9, 9, 9 };

	(void)state;
	assert_false(vfsr_fault_set(&f, VFSR_REASON_SIZE, 4096, 2047));
	assert_int_equal(f.reason, VFSR_REASON_SIZE);
	assert_int_equal(f.have, 4096);
	assert_int_equal(f.want, 2047);
	assert_int_equal(f.where, 0);
	assert_false(vfsr_fault_set(NULL, VFSR_REASON_SIZE, 1, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_kebab_and_unique),
		cmocka_unit_test(texts_are_there),
		cmocka_unit_test(rows_match_their_symbols),
		cmocka_unit_test(beyond_the_list_is_unknown),
		cmocka_unit_test(fault_set_fills_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
