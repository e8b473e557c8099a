// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names: SipHash's official vectors, directories of many names, equal hashes
 * (made by filing names under a key of our choice), extended attributes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "mem_tree.h"

static const u8 hash_key[16] = { 9, 8, 7, 6, 5, 4, 3, 2, 1 };

/* Of the reference implementation: key 00..0f, input 00 01 .. of i bytes */
static const u64 sip_vectors[] = {
	0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a,
	0x85676696d7fb7e2d, 0xcf2794e0277187b7, 0x18765564cd99a68d,
	0xcbc9466e58fee3ce, 0xab0200f58b01d137, 0x93f5f5799a932462,
	0x9e0082df0ba9e4b0, 0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7,
	0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee,
	0xa129ca6149be45e5,
};

static void test_siphash(void **state)
{
	u8 key[16], in[ARRAY_SIZE(sip_vectors)];
	unsigned int i;

	(void)state;
	for (i = 0; i < 16; i++) {
		key[i] = (u8)i;
		in[i] = (u8)i;
	}
	for (i = 0; i < ARRAY_SIZE(sip_vectors); i++)
		assert_true(vfsr_siphash(key, in, i) == sip_vectors[i]);
	/* hash48 and 15 zero bits; bit 63 is zero */
	assert_true(vfsr_name_hash(key, in, 15) ==
		    (0xa129ca6149beull << VFSR_HASH_DISC_BITS));
}

static u32 make_name(unsigned int i, u8 *name)
{
	u64 state = i;
	u32 len, j;

	switch (i % 8) {
	case 0: /* the longest there are, in any bytes */
		len = VFSR_NAME_MAX;
		break;
	case 1: /* invalid UTF-8 */
		len = 9;
		break;
	default:
		return (u32)snprintf((char *)name, VFSR_NAME_MAX + 1,
				     "file-%u.txt", i);
	}
	for (j = 0; j < len; j++) {
		name[j] = (u8)test_random(&state) | 0x80;
		if (j < 4)
			name[j] = (u8)(0x80 | (i >> 6 * j & 0x3f));
	}
	return len;
}

static void insert_name(struct mem_tree *m, const u8 *name, u32 name_bytes,
			u64 ino, int want)
{
	struct vfsr_dirent d = { .ino = ino,
				 .type = VFSR_DT_REG,
				 .name_bytes = (u8)name_bytes,
				 .name = name };

	assert_int_equal(vfsr_dir_insert(&m->bt, hash_key, &d), want);
}

static void expect_name(struct mem_tree *m, const void *name, u32 name_bytes,
			u64 ino, u64 cookie)
{
	u64 have_ino, have_cookie;
	u8 type;
	int rc;

	rc = vfsr_dir_lookup(&m->bt, hash_key, name, name_bytes, &have_cookie,
			     &have_ino, &type);
	assert_int_equal(rc, ino ? 0 : -ENOENT);
	if (!ino)
		return;
	assert_true(have_ino == ino);
	assert_int_equal(type, VFSR_DT_REG);
	if (cookie)
		assert_true(have_cookie == cookie);
}

static void test_many_names(void **state)
{
	const unsigned int nr = 100000;
	u8 name[VFSR_NAME_MAX + 1], item[VFSR_MAX_ITEM_BYTES];
	struct vfsr_key key = { VFSR_ITEM_DIRENT, 0 };
	struct vfsr_dirent d;
	struct mem_tree m;
	unsigned int i, seen = 0;
	u32 len;
	int rc;

	(void)state;
	mem_tree_init(&m, VFSR_INODE_BYTES_MIN);
	for (i = 0; i < nr; i++) {
		len = make_name(i, name);
		insert_name(&m, name, len, 100 + i, 0);
		if (i % 1000 == 0)
			insert_name(&m, name, len, 7, -EEXIST);
	}
	assert_int_equal(mem_tree_check(&m), nr);
	for (i = 0; i < nr; i++)
		expect_name(&m, name, make_name(i, name), 100 + i, 0);
	/* readdir: every name once, in order of the cookies */
	while (!(rc = vfsr_bt_next(&m.bt, &key, item, &len))) {
		assert_int_equal(vfsr_dirent_decode(item, len, &d, NULL), 0);
		assert_true(key.key >= VFSR_HASH_KEY_MIN && !(key.key >> 63));
		assert_true(vfsr_name_same_hash(key.key,
						vfsr_name_hash(hash_key, d.name,
							       d.name_bytes)));
		assert_int_equal(make_name((unsigned int)(d.ino - 100), name),
				 d.name_bytes);
		assert_memory_equal(name, d.name, d.name_bytes);
		seen++;
		key.key++;
	}
	assert_int_equal(rc, -ENOENT);
	assert_int_equal(seen, nr);
	for (i = 0; i < nr; i += 2)
		assert_int_equal(vfsr_dir_delete(&m.bt, hash_key, name,
						 make_name(i, name)),
				 0);
	assert_int_equal(mem_tree_check(&m), nr / 2);
	for (i = 0; i < nr; i += 7)
		expect_name(&m, name, make_name(i, name), i % 2 ? 100 + i : 0,
			    0);
	mem_tree_release(&m);
}

static void test_bad_names(void **state)
{
	static const char *const bad[] = { ".", "..", "a/b", "/" };
	struct mem_tree m;
	unsigned int i;

	(void)state;
	mem_tree_init(&m, VFSR_INODE_BYTES_MIN);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		insert_name(&m, (const u8 *)bad[i], (u32)strlen(bad[i]), 7,
			    -EINVAL);
	insert_name(&m, (const u8 *)"a\0b", 3, 7, -EINVAL);
	insert_name(&m, (const u8 *)"", 0, 7, -EINVAL);
	insert_name(&m, (const u8 *)"...", 3, 7, 0);
	assert_int_equal(mem_tree_check(&m), 1);
	mem_tree_release(&m);
}

/* File a name under a key of our choice, as if its hash were that. */
static void plant(struct mem_tree *m, u64 at, const char *name, u64 ino)
{
	struct vfsr_dirent d = { .ino = ino,
				 .type = VFSR_DT_REG,
				 .name_bytes = (u8)strlen(name),
				 .name = (const u8 *)name };
	struct vfsr_key key = { VFSR_ITEM_DIRENT, at };
	u8 item[VFSR_MAX_ITEM_BYTES];

	assert_int_equal(vfsr_bt_insert(&m->bt, key, item,
					vfsr_dirent_encode(&d, item)),
			 0);
}

static void test_equal_hashes(void **state)
{
	const u8 *target = (const u8 *)"target";
	u64 first = vfsr_name_hash(hash_key, target, 6);
	struct vfsr_key key = { VFSR_ITEM_DIRENT, first };
	struct mem_tree m;

	(void)state;
	mem_tree_init(&m, VFSR_INODE_BYTES_MIN);
	/* neighbours with another hash48 do not count */
	plant(&m, first - 1, "before", 50);
	plant(&m, first + (1 << VFSR_HASH_DISC_BITS), "target", 51);
	expect_name(&m, target, 6, 0, 0);
	insert_name(&m, target, 6, 60, 0);
	expect_name(&m, target, 6, 60, first);
	assert_int_equal(vfsr_dir_delete(&m.bt, hash_key, target, 6), 0);

	/*
	 * 0, 1 and 3 are taken: 2 is the lowest free number. No name is taken
	 * for one that it starts with.
	 */
	plant(&m, first, "targ", 61);
	plant(&m, first + 1, "target2", 62);
	plant(&m, first + 3, "three", 63);
	expect_name(&m, target, 6, 0, 0);
	insert_name(&m, target, 6, 60, 0);
	expect_name(&m, target, 6, 60, first + 2);
	insert_name(&m, target, 6, 61, -EEXIST);

	/* the cookie stays when names before it go */
	assert_int_equal(vfsr_bt_delete(&m.bt, key), 0);
	expect_name(&m, target, 6, 60, first + 2);
	assert_int_equal(vfsr_dir_delete(&m.bt, hash_key, target, 6), 0);
	expect_name(&m, target, 6, 0, 0);
	insert_name(&m, target, 6, 60, 0);
	expect_name(&m, target, 6, 60, first);
	/* behind a gap, a name is found too */
	assert_int_equal(vfsr_dir_delete(&m.bt, hash_key, target, 6), 0);
	plant(&m, first + 9, "target", 64);
	expect_name(&m, target, 6, 64, first + 9);
	insert_name(&m, target, 6, 60, -EEXIST);
	assert_int_equal(mem_tree_check(&m), 5);
	mem_tree_release(&m);
}

static void test_hash_full(void **state)
{
	const u32 numbers = 1u << VFSR_HASH_DISC_BITS;
	const u8 *target = (const u8 *)"target";
	u64 first = vfsr_name_hash(hash_key, target, 6);
	struct vfsr_key key = { VFSR_ITEM_DIRENT, first + numbers - 1 };
	struct mem_tree m;
	char name[16];
	u32 i;

	(void)state;
	mem_tree_init(&m, VFSR_INODE_BYTES_MIN);
	for (i = 0; i < numbers; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		plant(&m, first + i, name, 100 + i);
	}
	insert_name(&m, target, 6, 60, -EOVERFLOW);
	assert_int_equal(vfsr_bt_delete(&m.bt, key), 0);
	insert_name(&m, target, 6, 60, 0);
	expect_name(&m, target, 6, 60, key.key);
	mem_tree_release(&m);
}

static void test_damaged_entry(void **state)
{
	const u8 *target = (const u8 *)"target";
	struct vfsr_key key = { VFSR_ITEM_DIRENT, 0 };
	struct mem_tree m;
	u64 ino;
	u8 type;

	(void)state;
	key.key = vfsr_name_hash(hash_key, target, 6);
	mem_tree_init(&m, VFSR_INODE_BYTES_MIN);
	assert_int_equal(vfsr_bt_insert(&m.bt, key, "short", 5), 0);
	assert_int_equal(vfsr_dir_lookup(&m.bt, hash_key, target, 6, NULL, &ino,
					 &type),
			 -EUCLEAN);
	assert_int_equal(m.bt.fault.reason, VFSR_REASON_SIZE);
	insert_name(&m, target, 6, 60, -EUCLEAN);
	mem_tree_release(&m);
}

/* --- attributes --- */

static void set_xattr(struct mem_tree *m, const char *name, const u8 *value,
		      u32 value_bytes, u64 chunk, int want)
{
	struct vfsr_xattr x = { .name = (const u8 *)name,
				.name_bytes = (u8)strlen(name),
				.value_bytes = value_bytes,
				.value = value,
				.chunk = chunk };

	assert_int_equal(vfsr_xattr_set(&m->bt, hash_key, &x), want);
}

static void expect_xattr(struct mem_tree *m, const char *name, const u8 *value,
			 u32 value_bytes, u64 chunk)
{
	u8 item[VFSR_MAX_ITEM_BYTES];
	struct vfsr_xattr x;

	assert_int_equal(vfsr_xattr_get(&m->bt, hash_key, (const u8 *)name,
					(u32)strlen(name), &x, item),
			 0);
	assert_int_equal(x.name_bytes, strlen(name));
	assert_memory_equal(x.name, name, x.name_bytes);
	assert_int_equal(x.value_bytes, value_bytes);
	assert_true(x.chunk == chunk);
	if (chunk)
		assert_null(x.value);
	else
		assert_memory_equal(x.value, value, value_bytes);
}

static void test_xattrs(void **state)
{
	u32 max = vfsr_xattr_inline_max(9);
	u8 value[VFSR_MAX_ITEM_BYTES], item[VFSR_MAX_ITEM_BYTES];
	struct vfsr_xattr x;
	struct mem_tree m;
	char name[32];
	u32 i;

	(void)state;
	memset(value, 0x42, sizeof(value));
	mem_tree_init(&m, VFSR_INODE_BYTES_MIN);
	set_xattr(&m, "user.name", value, 10, 0, 0);
	expect_xattr(&m, "user.name", value, 10, 0);
	set_xattr(&m, "user.name", value, max, 0, 0);
	expect_xattr(&m, "user.name", value, max, 0);
	set_xattr(&m, "user.name", value, max + 1, 0, -E2BIG);
	expect_xattr(&m, "user.name", value, max, 0);
	set_xattr(&m, "user.name", NULL, 60000, 77, 0);
	expect_xattr(&m, "user.name", NULL, 60000, 77);
	set_xattr(&m, "user.name", value, 0, 0, 0);
	expect_xattr(&m, "user.name", value, 0, 0);
	set_xattr(&m, "user.name", NULL, 0, 0, 0);
	expect_xattr(&m, "user.name", value, 0, 0);
	set_xattr(&m, "", value, 1, 0, -EINVAL);
	set_xattr(&m, "user.big", NULL, VFSR_XATTR_VALUE_MAX + 1, 7, -EINVAL);
	set_xattr(&m, "user.none", NULL, 5, 0, -EINVAL);
	assert_int_equal(mem_tree_check(&m), 1);
	for (i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "user.%u", i);
		set_xattr(&m, name, value, i * 3, 0, 0);
	}
	for (i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "user.%u", i);
		expect_xattr(&m, name, value, i * 3, 0);
		if (i % 2)
			continue;
		assert_int_equal(vfsr_xattr_delete(&m.bt, hash_key,
						   (const u8 *)name,
						   (u32)strlen(name)),
				 0);
	}
	assert_int_equal(mem_tree_check(&m), 251);
	assert_int_equal(vfsr_xattr_get(&m.bt, hash_key, (const u8 *)"user.0",
					6, &x, item),
			 -ENOENT);
	mem_tree_release(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_siphash),
		cmocka_unit_test(test_many_names),
		cmocka_unit_test(test_bad_names),
		cmocka_unit_test(test_equal_hashes),
		cmocka_unit_test(test_hash_full),
		cmocka_unit_test(test_damaged_entry),
		cmocka_unit_test(test_xattrs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
