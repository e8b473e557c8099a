// SPDX-License-Identifier: GPL-2.0-only
/*
 * posixtest: extended attributes in all namespaces, and ACLs as attributes.
 * What setfacl and getfacl make of them is in test_posix.sh.
 */
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdlib.h>
#include <sys/xattr.h>

#include "posixtest.h"

#define VALUE_MAX 65536

static u8 value[VALUE_MAX + 1], back[VALUE_MAX + 1];

static bool has_xattr(const char *path, const char *name, const void *v,
		      size_t len)
{
	return lgetxattr(path, name, back, sizeof(back)) == (ssize_t)len &&
	       !memcmp(back, v, len);
}

static bool listed(const char *path, const char *name)
{
	static char list[VALUE_MAX];
	ssize_t len = WORKS(llistxattr(path, list, sizeof(list)));
	const char *p;

	for (p = list; p < list + len; p += strlen(p) + 1)
		if (!strcmp(p, name))
			return true;
	return false;
}

static void test_xattr(void)
{
	make_file("f", "");
	WORKS(setxattr("f", "user.a", "one", 3, 0));
	MUST(has_xattr("f", "user.a", "one", 3) && listed("f", "user.a"));
	WORKS(setxattr("f", "user.a", "longer", 6, XATTR_REPLACE));
	MUST(has_xattr("f", "user.a", "longer", 6));
	FAILS(setxattr("f", "user.a", "x", 1, XATTR_CREATE), EEXIST);
	FAILS(setxattr("f", "user.b", "x", 1, XATTR_REPLACE), ENODATA);
	WORKS(setxattr("f", "user.b", "", 0, XATTR_CREATE));
	MUST(has_xattr("f", "user.b", "", 0) && listed("f", "user.b"));
	FAILS(getxattr("f", "user.a", back, 3), ERANGE);
	MUST(getxattr("f", "user.a", NULL, 0) == 6);
	FAILS(getxattr("f", "user.none", back, 3), ENODATA);
	FAILS(listxattr("f", (char *)back, 1), ERANGE);
	WORKS(removexattr("f", "user.a"));
	FAILS(removexattr("f", "user.a"), ENODATA);
	MUST(!listed("f", "user.a") && listed("f", "user.b"));
	FAILS(setxattr("f", "unknown.a", "x", 1, 0), EOPNOTSUPP);
	FAILS(setxattr("f", "user.", "x", 1, 0), EINVAL);
	FAILS(setxattr("none", "user.a", "x", 1, 0), ENOENT);
}

static void test_xattr_spaces(void)
{
	static const char *const names[] = { "user.n", "trusted.n",
					     "security.n" };
	u32 i;

	make_file("f", "");
	WORKS(mkdir("d", 0755));
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		WORKS(setxattr("f", names[i], names[i], strlen(names[i]), 0));
		WORKS(setxattr("d", names[i], names[i], strlen(names[i]), 0));
	}
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		MUST(listed("f", names[i]) && listed("d", names[i]));
		MUST(has_xattr("f", names[i], names[i], strlen(names[i])));
		WORKS(removexattr("f", names[i]));
		MUST(has_xattr("d", names[i], names[i], strlen(names[i])));
	}
	/* a symlink and a fifo may have trusted ones, but no user's */
	WORKS(symlink("nowhere", "s"));
	FAILS(lsetxattr("s", "user.n", "x", 1, 0), EPERM);
	WORKS(lsetxattr("s", "trusted.n", "x", 1, 0));
	MUST(has_xattr("s", "trusted.n", "x", 1));
	WORKS(mknod("p", S_IFIFO | 0600, 0));
	FAILS(lsetxattr("p", "user.n", "x", 1, 0), EPERM);
	WORKS(lsetxattr("p", "trusted.n", "x", 1, 0));
}

static void nobody_xattrs(void)
{
	MUST(listed("f", "user.a") && !listed("f", "trusted.a"));
	FAILS(getxattr("f", "trusted.a", back, 10), ENODATA);
	FAILS(setxattr("f", "trusted.a", "x", 1, 0), EPERM);
	FAILS(setxattr("f", "user.a", "x", 1, 0), EACCES);
	FAILS(setxattr("f", "security.a", "x", 1, 0), EPERM);
}

static void test_xattr_users(void)
{
	make_file("f", "");
	WORKS(setxattr("f", "user.a", "x", 1, 0));
	WORKS(setxattr("f", "trusted.a", "x", 1, 0));
	as_user(NOBODY, NOBODY, nobody_xattrs);
}

static void test_xattr_large(void)
{
	static const u32 lens[] = { 100,  3000,	 3900,	4096,
				    8000, 20000, 40000, VALUE_MAX };
	u32 i, j, largest = 0;

	make_file("f", "some data");
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		for (j = 0; j < lens[i]; j++)
			value[j] = (u8)(j * 31 + j / 256 + i);
		if (setxattr("f", "user.large", value, lens[i], 0)) {
			MUST(errno == ENOSPC || errno == E2BIG);
			break;
		}
		largest = lens[i];
		MUST(has_xattr("f", "user.large", value, lens[i]));
	}
	FAILS(setxattr("f", "user.large", value, VALUE_MAX + 1, 0), E2BIG);
	MUST(getxattr("f", "user.large", NULL, 0) == (ssize_t)largest);
	MUST(has_text("f", "some data"));
	WORKS(setxattr("f", "user.large", "small", 5, 0));
	MUST(has_xattr("f", "user.large", "small", 5));
	if (largest < VALUE_MAX)
		skip("a value of 64 KiB");
}

static void test_xattr_names(void)
{
	char name[300] = "user.";

	make_file("f", "");
	memset(name + 5, 'n', 250);
	name[255] = 0;
	WORKS(setxattr("f", name, "long", 4, 0));
	MUST(has_xattr("f", name, "long", 4) && listed("f", name));
	name[255] = 'n';
	FAILS(setxattr("f", name, "longer", 6, 0), ERANGE);
	WORKS(setxattr("f", "user.\xff\n ", "odd", 3, 0));
	MUST(has_xattr("f", "user.\xff\n ", "odd", 3));
	WORKS(setxattr("f", "user.n", "n", 1, 0));
	WORKS(setxattr("f", "user.N", "N", 1, 0));
	MUST(has_xattr("f", "user.n", "n", 1));
}

static void test_xattr_many(void)
{
	char name[32];
	u32 nr, i;

	make_file("f", "");
	for (nr = 0; nr < 400; nr++) {
		snprintf(name, sizeof(name), "user.many%u", nr);
		if (setxattr("f", name, name, strlen(name), 0)) {
			MUST((errno == ENOSPC || errno == E2BIG) && nr > 30);
			break;
		}
	}
	for (i = 0; i < nr; i++) {
		snprintf(name, sizeof(name), "user.many%u", i);
		MUST(has_xattr("f", name, name, strlen(name)));
		if (i % 2)
			WORKS(removexattr("f", name));
	}
	for (i = 0; i < nr; i++) {
		snprintf(name, sizeof(name), "user.many%u", i);
		MUST(listed("f", name) == !(i % 2));
	}
}

/* Through renames, links and truncation; gone with the inode. */
static void test_xattr_stays(void)
{
	make_file("f", "data");
	WORKS(setxattr("f", "user.a", "kept", 4, 0));
	WORKS(link("f", "g"));
	WORKS(rename("f", "h"));
	WORKS(truncate("h", 0));
	MUST(has_xattr("g", "user.a", "kept", 4));
	WORKS(unlink("g"));
	MUST(has_xattr("h", "user.a", "kept", 4));
	WORKS(unlink("h"));
	make_file("h", "");
	FAILS(getxattr("h", "user.a", back, 10), ENODATA);
}

/* --- ACLs --- */

#define ACL_NAME "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"

struct acl {
	struct posix_acl_xattr_header head;
	struct posix_acl_xattr_entry entry[8];
	u32 nr;
};

static void acl_add(struct acl *a, u32 tag, u32 perm, u32 id)
{
	a->head.a_version = cpu_to_le32(POSIX_ACL_XATTR_VERSION);
	a->entry[a->nr++] = (struct posix_acl_xattr_entry){
		.e_tag = cpu_to_le16((u16)tag),
		.e_perm = cpu_to_le16((u16)perm),
		.e_id = cpu_to_le32(id),
	};
}

static int acl_set(const char *path, const char *name, const struct acl *a)
{
	return setxattr(path, name, a,
			sizeof(a->head) + a->nr * sizeof(a->entry[0]), 0);
}

/* rwx for the owner, a user, the mask; rx for the group; nothing for others. */
static struct acl an_acl(u32 uid)
{
	struct acl a = { 0 };

	acl_add(&a, ACL_USER_OBJ, 7, ACL_UNDEFINED_ID);
	acl_add(&a, ACL_USER, 7, uid);
	acl_add(&a, ACL_GROUP_OBJ, 5, ACL_UNDEFINED_ID);
	acl_add(&a, ACL_MASK, 7, ACL_UNDEFINED_ID);
	acl_add(&a, ACL_OTHER, 0, ACL_UNDEFINED_ID);
	return a;
}

static void named_user(void)
{
	int fd = WORKS(open("f", O_RDWR));

	MUST(write(fd, "mine", 4) == 4);
	FAILS(open("masked", O_RDWR), EACCES);
	close(WORKS(open("masked", O_RDONLY)));
}

static void other_user(void)
{
	FAILS(open("f", O_RDONLY), EACCES);
}

static void test_acl(void)
{
	struct acl a = an_acl(1000), b = an_acl(1000);

	make_file("f", "");
	make_file("masked", "");
	WORKS_OR_SKIP(acl_set("f", ACL_NAME, &a));
	MUST((stat_of("f").st_mode & 0777) == 0770);
	MUST(getxattr("f", ACL_NAME, back, sizeof(back)) ==
	     (ssize_t)(sizeof(a.head) + a.nr * sizeof(a.entry[0])));
	b.entry[3].e_perm = cpu_to_le16(4);
	WORKS(acl_set("masked", ACL_NAME, &b));
	MUST((stat_of("masked").st_mode & 0777) == 0740);
	as_user(1000, 1000, named_user);
	as_user(1001, 1001, other_user);
	/* chmod changes the mask */
	WORKS(chmod("f", 0700));
	WORKS(getxattr("f", ACL_NAME, &b, sizeof(b)));
	MUST(le16_to_cpu(b.entry[3].e_perm) == 0);
	WORKS(removexattr("f", ACL_NAME));
	FAILS(getxattr("f", ACL_NAME, back, sizeof(back)), ENODATA);
	/* what is no ACL is refused; a default one is for directories */
	FAILS(setxattr("f", ACL_NAME, "xxxxxxxx", 8, 0), EOPNOTSUPP);
	FAILS(acl_set("f", ACL_DEFAULT, &a), EACCES);
}

static void test_acl_default(void)
{
	struct acl a = an_acl(1000);

	WORKS(mkdir("d", 0755));
	WORKS_OR_SKIP(acl_set("d", ACL_DEFAULT, &a));
	FAILS(getxattr("d", ACL_NAME, back, sizeof(back)), ENODATA);
	umask(077);
	close(WORKS(open("d/f", O_CREAT | O_RDWR, 0666)));
	WORKS(mkdir("d/sub", 0777));
	/* the umask does not count where a default ACL is */
	MUST((stat_of("d/f").st_mode & 0777) == 0660);
	MUST((stat_of("d/sub").st_mode & 0777) == 0770);
	MUST(getxattr("d/f", ACL_NAME, back, sizeof(back)) > 0);
	MUST(getxattr("d/sub", ACL_NAME, back, sizeof(back)) > 0);
	MUST(getxattr("d/sub", ACL_DEFAULT, back, sizeof(back)) > 0);
	FAILS(getxattr("d/f", ACL_DEFAULT, back, sizeof(back)), ENODATA);
	WORKS(removexattr("d", ACL_DEFAULT));
	close(WORKS(open("d/g", O_CREAT | O_RDWR, 0666)));
	MUST((stat_of("d/g").st_mode & 0777) == 0600);
	FAILS(getxattr("d/g", ACL_NAME, back, sizeof(back)), ENODATA);
}

const struct test xattr_tests[] = {
	{ "xattr", test_xattr },
	{ "xattr_spaces", test_xattr_spaces },
	{ "xattr_users", test_xattr_users },
	{ "xattr_large", test_xattr_large },
	{ "xattr_names", test_xattr_names },
	{ "xattr_many", test_xattr_many },
	{ "xattr_stays", test_xattr_stays },
	{ "acl", test_acl },
	{ "acl_default", test_acl_default },
	{ NULL, NULL },
};
