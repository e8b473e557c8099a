// SPDX-License-Identifier: GPL-2.0-only
/*
 * posixtest: names, links, renames and special files.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "posixtest.h"

static void test_create(void)
{
	int fd = WORKS(open("f", O_RDWR | O_CREAT | O_EXCL, 0640));
	struct stat st = stat_of("f");

	MUST(S_ISREG(st.st_mode) && (st.st_mode & 07777) == 0640);
	MUST(st.st_size == 0 && st.st_nlink == 1 && st.st_uid == 0);
	WORKS(close(fd));
	FAILS(open("f", O_RDWR | O_CREAT | O_EXCL, 0640), EEXIST);
	FAILS(open("none", O_RDWR), ENOENT);
	FAILS(open("none/f", O_RDWR | O_CREAT, 0600), ENOENT);
	FAILS(open("f/f", O_RDWR | O_CREAT, 0600), ENOTDIR);
	FAILS(open("", O_RDWR | O_CREAT, 0600), ENOENT);
	WORKS(mkdir("d", 0755));
	FAILS(open("d", O_RDWR), EISDIR);
	FAILS(open("f", O_RDONLY | O_DIRECTORY), ENOTDIR);
	FAILS(open("none/", O_RDWR | O_CREAT, 0600), EISDIR);
	umask(027);
	close(WORKS(open("g", O_RDWR | O_CREAT, 0777)));
	MUST((stat_of("g").st_mode & 07777) == 0750);
}

static void test_long_names(void)
{
	char name[257];

	memset(name, 'n', sizeof(name));
	name[256] = 0;
	FAILS(open(name, O_RDWR | O_CREAT, 0600), ENAMETOOLONG);
	FAILS(mkdir(name, 0700), ENAMETOOLONG);
	FAILS(symlink("x", name), ENAMETOOLONG);
	FAILS(access(name, F_OK), ENAMETOOLONG);
	name[255] = 0;
	make_file(name, "long");
	MUST(has_text(name, "long"));
	FAILS(rename(name, "none/x"), ENOENT);
	name[0] = 'm';
	WORKS(mkdir(name, 0700));
	WORKS(rmdir(name));
}

static void test_odd_names(void)
{
	static const char *const names[] = {
		" ", "\n", "...", "a\tb", "\xff\xfe", "\xc3\xa9", "e\xcc\x81",
		"A", "a",  "-rf", "*",	  "\\",	      "\x01",
	};
	char text[16];
	u32 i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(text, sizeof(text), "%u", i);
		make_file(names[i], text);
	}
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(text, sizeof(text), "%u", i);
		MUST(has_text(names[i], text));
		WORKS(unlink(names[i]));
	}
}

static void test_link(void)
{
	u64 ino;

	make_file("a", "one");
	ino = stat_of("a").st_ino;
	WORKS(link("a", "b"));
	MUST(stat_of("b").st_ino == ino && stat_of("b").st_nlink == 2);
	MUST(has_text("b", "one"));
	FAILS(link("a", "b"), EEXIST);
	FAILS(link("none", "c"), ENOENT);
	WORKS(mkdir("d", 0755));
	FAILS(link("d", "e"), EPERM);
	FAILS(link("a", "a/x"), ENOTDIR);
	WORKS(link("a", "d/a"));
	WORKS(unlink("a"));
	MUST(stat_of("b").st_nlink == 2);
	WORKS(symlink("b", "s"));
	WORKS(linkat(AT_FDCWD, "s", AT_FDCWD, "s2", 0));
	MUST(S_ISLNK(stat_of("s2").st_mode) && stat_of("s2").st_nlink == 2);
	WORKS(linkat(AT_FDCWD, "s", AT_FDCWD, "b2", AT_SYMLINK_FOLLOW));
	MUST(stat_of("b2").st_ino == ino && stat_of("b").st_nlink == 3);
}

/* More names than a 16-bit count can hold, unless that is the limit. */
static void test_many_links(void)
{
	char name[16];
	u32 nr, i;

	make_file("f", "x");
	for (nr = 1; nr < 20000; nr++) {
		snprintf(name, sizeof(name), "l%u", nr);
		if (link("f", name)) {
			MUST(errno == EMLINK && nr >= 1000);
			break;
		}
	}
	MUST(stat_of("f").st_nlink == nr);
	for (i = 1; i < nr; i++) {
		snprintf(name, sizeof(name), "l%u", i);
		WORKS(unlink(name));
	}
	MUST(stat_of("f").st_nlink == 1);
}

static void test_symlink(void)
{
	char target[PATH_MAX], back[PATH_MAX + 1];

	WORKS(symlink("nowhere", "s"));
	MUST(S_ISLNK(stat_of("s").st_mode) && stat_of("s").st_size == 7);
	FAILS(open("s", O_RDONLY), ENOENT);
	FAILS(open("s", O_RDONLY | O_NOFOLLOW), ELOOP);
	MUST(readlink("s", back, 3) == 3 && !memcmp(back, "now", 3));
	FAILS(symlink("x", "s"), EEXIST);
	FAILS(readlink(".", back, 3), EINVAL);
	WORKS(symlink("loop", "loop"));
	FAILS(open("loop", O_RDONLY), ELOOP);
	FAILS(symlink("", "empty"), ENOENT);
	memset(target, 't', sizeof(target));
	target[1000] = 0;
	WORKS(symlink(target, "long"));
	MUST(readlink("long", back, sizeof(back)) == 1000);
	MUST(!memcmp(back, target, 1000));
	target[1000] = 't';
	target[PATH_MAX - 1] = 0;
	if (symlink(target, "longest"))
		MUST(errno == ENAMETOOLONG);
	else
		MUST(readlink("longest", back, sizeof(back)) == PATH_MAX - 1);
}

static void test_unlink(void)
{
	WORKS(mkdir("d", 0755));
	make_file("d/f", "x");
	make_file("f", "x");
	FAILS(unlink("none"), ENOENT);
	FAILS(unlink("d"), EISDIR);
	FAILS(rmdir("d"), ENOTEMPTY);
	FAILS(rmdir("f"), ENOTDIR);
	FAILS(unlink("f/"), ENOTDIR);
	FAILS(rmdir("d/."), EINVAL);
	WORKS(unlink("d/f"));
	WORKS(rmdir("d"));
	FAILS(access("d", F_OK), ENOENT);
}

static void test_unlink_open(void)
{
	char buf[10] = "", path[64];
	struct stat st;
	int fd, fd2;

	make_file("f", "kept");
	fd = WORKS(open("f", O_RDWR));
	WORKS(unlink("f"));
	FAILS(access("f", F_OK), ENOENT);
	WORKS(fstat(fd, &st));
	MUST(st.st_nlink == 0 && st.st_size == 4);
	MUST(pwrite(fd, "more", 4, 4) == 4);
	MUST(pread(fd, buf, 9, 0) == 8 && !strcmp(buf, "keptmore"));
	WORKS(fsync(fd));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd2 = WORKS(open(path, O_RDONLY));
	MUST(read(fd2, buf, 9) == 8);
	/* it can not come back */
	FAILS(linkat(AT_FDCWD, path, AT_FDCWD, "again", AT_SYMLINK_FOLLOW),
	      ENOENT);
	make_file("f", "new");
	MUST(stat_of("f").st_ino != st.st_ino);
	WORKS(close(fd2));
	WORKS(close(fd));
}

static void test_rename(void)
{
	u64 ino;

	make_file("a", "a");
	make_file("b", "b");
	ino = stat_of("a").st_ino;
	WORKS(rename("a", "c"));
	FAILS(access("a", F_OK), ENOENT);
	MUST(stat_of("c").st_ino == ino);
	WORKS(rename("c", "b"));
	MUST(has_text("b", "a") && stat_of("b").st_ino == ino);
	WORKS(rename("b", "b"));
	WORKS(link("b", "same"));
	WORKS(rename("b", "same"));
	MUST(stat_of("b").st_ino == ino && stat_of("same").st_nlink == 2);
	FAILS(rename("none", "x"), ENOENT);
	WORKS(mkdir("d", 0755));
	FAILS(rename("b", "d"), EISDIR);
	FAILS(rename("d", "b"), ENOTDIR);
	WORKS(rename("b", "d/b"));
	MUST(has_text("d/b", "a"));
	FAILS(rename("d", "d/d"), EINVAL);
	FAILS(rename("d/.", "e"), EBUSY);
}

static void test_rename_dir(void)
{
	u64 top = stat_of(".").st_ino, e;

	WORKS(mkdir("d", 0755));
	WORKS(mkdir("e", 0755));
	WORKS(mkdir("d/sub", 0755));
	make_file("d/sub/f", "f");
	e = stat_of("e").st_ino;
	FAILS(rename("e", "d"), ENOTEMPTY);
	FAILS(rename("d/sub", "d"), ENOTEMPTY);
	WORKS(rename("d/sub", "e/sub"));
	MUST(stat_of("e/sub/..").st_ino == e && has_text("e/sub/f", "f"));
	MUST(stat_of("d/..").st_ino == top);
	/* counts of links, where directories have them */
	if (stat_of("d").st_nlink != 1)
		MUST(stat_of("d").st_nlink == 2 && stat_of("e").st_nlink == 3);
	WORKS(rename("e", "d"));
	MUST(stat_of("d").st_ino == e && has_text("d/sub/f", "f"));
	FAILS(access("e", F_OK), ENOENT);
}

static void test_rename_flags(void)
{
	u64 a, b;

	make_file("a", "a");
	make_file("b", "b");
	a = stat_of("a").st_ino;
	b = stat_of("b").st_ino;
	WORKS_OR_SKIP(
		renameat2(AT_FDCWD, "a", AT_FDCWD, "c", RENAME_NOREPLACE));
	FAILS(renameat2(AT_FDCWD, "c", AT_FDCWD, "b", RENAME_NOREPLACE),
	      EEXIST);
	MUST(has_text("b", "b") && has_text("c", "a"));
	WORKS(renameat2(AT_FDCWD, "c", AT_FDCWD, "b", RENAME_EXCHANGE));
	MUST(stat_of("b").st_ino == a && stat_of("c").st_ino == b);
	FAILS(renameat2(AT_FDCWD, "c", AT_FDCWD, "none", RENAME_EXCHANGE),
	      ENOENT);
	FAILS(renameat2(AT_FDCWD, "c", AT_FDCWD, "b",
			RENAME_EXCHANGE | RENAME_NOREPLACE),
	      EINVAL);
	/* a file and a full directory change places */
	WORKS(mkdir("d", 0755));
	WORKS(mkdir("e", 0755));
	make_file("d/f", "f");
	WORKS(renameat2(AT_FDCWD, "d", AT_FDCWD, "e/x", RENAME_NOREPLACE));
	WORKS(renameat2(AT_FDCWD, "b", AT_FDCWD, "e/x", RENAME_EXCHANGE));
	MUST(has_text("b/f", "f") && has_text("e/x", "a"));
	MUST(stat_of("b/..").st_ino == stat_of(".").st_ino);
	FAILS(renameat2(AT_FDCWD, "e", AT_FDCWD, "e/x", RENAME_EXCHANGE),
	      EINVAL);
	FAILS(renameat2(AT_FDCWD, "e/x", AT_FDCWD, "e", RENAME_EXCHANGE),
	      EINVAL);
}

static void test_whiteout(void)
{
	struct stat st;

	make_file("a", "a");
	WORKS_OR_SKIP(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_WHITEOUT));
	st = stat_of("a");
	MUST(S_ISCHR(st.st_mode) && st.st_rdev == 0);
	MUST(has_text("b", "a"));
	WORKS(mkdir("d", 0755));
	WORKS(renameat2(AT_FDCWD, "b", AT_FDCWD, "d/b", RENAME_WHITEOUT));
	MUST(S_ISCHR(stat_of("b").st_mode) && has_text("d/b", "a"));
	WORKS(unlink("a"));
	WORKS(unlink("b"));
}

static void test_mknod(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = "sock" };
	int fd, reader, sock;
	char c = 0;

	WORKS(mknod("pipe", S_IFIFO | 0600, 0));
	MUST(S_ISFIFO(stat_of("pipe").st_mode));
	reader = WORKS(open("pipe", O_RDONLY | O_NONBLOCK));
	fd = WORKS(open("pipe", O_WRONLY | O_NONBLOCK));
	MUST(write(fd, "p", 1) == 1 && read(reader, &c, 1) == 1 && c == 'p');
	sock = WORKS(socket(AF_UNIX, SOCK_STREAM, 0));
	WORKS(bind(sock, (struct sockaddr *)&addr, sizeof(addr)));
	MUST(S_ISSOCK(stat_of("sock").st_mode));
	WORKS(listen(sock, 1));
	WORKS(connect(WORKS(socket(AF_UNIX, SOCK_STREAM, 0)),
		      (struct sockaddr *)&addr, sizeof(addr)));
	WORKS(mknod("null", S_IFCHR | 0600, makedev(1, 3)));
	MUST(stat_of("null").st_rdev == makedev(1, 3));
	fd = WORKS(open("null", O_RDWR));
	MUST(read(fd, &c, 1) == 0);
	WORKS(mknod("b", S_IFBLK | 0660, makedev(259, 200000)));
	MUST(S_ISBLK(stat_of("b").st_mode));
	MUST(stat_of("b").st_rdev == makedev(259, 200000));
	WORKS(mknod("f", S_IFREG | 0604, 0));
	MUST(S_ISREG(stat_of("f").st_mode));
	FAILS(mknod("f", S_IFREG | 0604, 0), EEXIST);
}

static void test_tmpfile(void)
{
	struct stat st;
	char path[64];
	int fd;

	WORKS(mkdir("d", 0755));
	fd = WORKS_OR_SKIP(open("d", O_TMPFILE | O_RDWR, 0600));
	WORKS(fstat(fd, &st));
	MUST(st.st_nlink == 0 && S_ISREG(st.st_mode));
	MUST(write(fd, "tmp", 3) == 3);
	/* the directory stays empty */
	WORKS(rmdir("d"));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	WORKS(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	MUST(has_text("named", "tmp") && stat_of("named").st_nlink == 1);
	MUST(stat_of("named").st_ino == st.st_ino);
	fd = WORKS(open(".", O_TMPFILE | O_RDWR | O_EXCL, 0600));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	FAILS(linkat(AT_FDCWD, path, AT_FDCWD, "not", AT_SYMLINK_FOLLOW),
	      ENOENT);
	FAILS(open(".", O_TMPFILE | O_RDONLY, 0600), EINVAL);
}

const struct test name_tests[] = {
	{ "create", test_create },
	{ "long_names", test_long_names },
	{ "odd_names", test_odd_names },
	{ "link", test_link },
	{ "many_links", test_many_links },
	{ "symlink", test_symlink },
	{ "unlink", test_unlink },
	{ "unlink_open", test_unlink_open },
	{ "rename", test_rename },
	{ "rename_dir", test_rename_dir },
	{ "rename_flags", test_rename_flags },
	{ "whiteout", test_whiteout },
	{ "mknod", test_mknod },
	{ "tmpfile", test_tmpfile },
	{ NULL, NULL },
};
