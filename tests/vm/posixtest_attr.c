// SPDX-License-Identifier: GPL-2.0-only
/*
 * posixtest: owners, modes, permissions, times, and handles.
 */
#include <stdlib.h>
#include <sys/mount.h>
#include <time.h>

#include "posixtest.h"

static u32 mode_of(const char *path)
{
	return stat_of(path).st_mode & 07777;
}

static void test_chmod(void)
{
	make_file("f", "");
	WORKS(chmod("f", 06751));
	MUST(mode_of("f") == 06751);
	WORKS(mkdir("d", 0755));
	WORKS(chmod("d", 01777));
	MUST(mode_of("d") == 01777);
	WORKS(symlink("f", "s"));
	WORKS(chmod("s", 0600));
	MUST(mode_of("f") == 0600);
	FAILS(chmod("none", 0600), ENOENT);
}

static void test_chown(void)
{
	make_file("f", "");
	WORKS(chmod("f", 06755));
	WORKS(chown("f", 1000, 2000));
	MUST(stat_of("f").st_uid == 1000 && stat_of("f").st_gid == 2000);
	/* the powers of the old owner are not passed on */
	MUST(mode_of("f") == 0755);
	WORKS(chown("f", (uid_t)-1, 3000));
	MUST(stat_of("f").st_uid == 1000 && stat_of("f").st_gid == 3000);
	WORKS(symlink("f", "s"));
	WORKS(lchown("s", 7, 8));
	MUST(stat_of("s").st_uid == 7 && stat_of("f").st_uid == 1000);
	WORKS(chown("f", 4000000000u, 4000000001u));
	MUST(stat_of("f").st_uid == 4000000000u);
	MUST(stat_of("f").st_gid == 4000000001u);
}

static void nobody_tries(void)
{
	FAILS(open("secret", O_RDONLY), EACCES);
	FAILS(open("readable", O_RDWR), EACCES);
	close(WORKS(open("readable", O_RDONLY)));
	FAILS(open("new", O_RDWR | O_CREAT, 0600), EACCES);
	FAILS(unlink("readable"), EACCES);
	FAILS(mkdir("new", 0700), EACCES);
	FAILS(chmod("readable", 0777), EPERM);
	FAILS(chown("readable", NOBODY, NOBODY), EPERM);
	FAILS(access("closed/f", F_OK), EACCES);
	FAILS(utimensat(AT_FDCWD, "readable", NULL, 0), EACCES);
	FAILS(mknod("dev", S_IFCHR | 0600, 0x103), EACCES);
	FAILS(truncate("readable", 0), EACCES);
}

static void test_permissions(void)
{
	make_file("secret", "s");
	WORKS(chmod("secret", 0600));
	make_file("readable", "r");
	WORKS(mkdir("closed", 0700));
	make_file("closed/f", "x");
	as_user(NOBODY, NOBODY, nobody_tries);
}

static void sticky_tries(void)
{
	FAILS(unlink("sticky/theirs"), EPERM);
	FAILS(rename("sticky/theirs", "sticky/x"), EPERM);
	make_file("sticky/own", "o");
	FAILS(rename("sticky/own", "sticky/theirs"), EPERM);
	WORKS(unlink("sticky/own"));
	WORKS(unlink("open/theirs"));
}

static void test_sticky(void)
{
	WORKS(mkdir("sticky", 01777));
	WORKS(mkdir("open", 0777));
	make_file("sticky/theirs", "t");
	make_file("open/theirs", "t");
	as_user(NOBODY, NOBODY, sticky_tries);
	MUST(has_text("sticky/theirs", "t"));
}

static void test_sgid_dir(void)
{
	WORKS(mkdir("d", 0755));
	WORKS(chown("d", 0, 1234));
	WORKS(chmod("d", 02775));
	make_file("d/f", "");
	WORKS(mkdir("d/sub", 0755));
	WORKS(symlink("x", "d/s"));
	WORKS(mknod("d/p", S_IFIFO | 0600, 0));
	MUST(stat_of("d/f").st_gid == 1234 && mode_of("d/f") == 0644);
	MUST(stat_of("d/sub").st_gid == 1234 && mode_of("d/sub") == 02755);
	MUST(stat_of("d/s").st_gid == 1234 && stat_of("d/p").st_gid == 1234);
	WORKS(mkdir("plain", 0755));
	make_file("plain/f", "");
	MUST(stat_of("plain/f").st_gid == 0);
}

static void write_suid(void)
{
	int fd = WORKS(open("suid", O_RDWR));

	MUST(write(fd, "x", 1) == 1);
	MUST(mode_of("suid") == 0777);
}

static void test_suid_cleared(void)
{
	make_file("suid", "abc");
	WORKS(chmod("suid", 06777));
	as_user(NOBODY, NOBODY, write_suid);
}

static bool at_time(const struct timespec *t, s64 sec, long nsec)
{
	return t->tv_sec == sec && t->tv_nsec == nsec;
}

static void test_utimes(void)
{
	struct timespec t[2] = { { 1000000000, 123456789 },
				 { 1111111111, 987654321 } };
	struct timespec omit[2] = { { 0, UTIME_OMIT }, { 0, UTIME_OMIT } };
	struct stat st;

	make_file("f", "");
	WORKS(utimensat(AT_FDCWD, "f", t, 0));
	st = stat_of("f");
	MUST(at_time(&st.st_atim, 1000000000, 123456789));
	MUST(at_time(&st.st_mtim, 1111111111, 987654321));
	WORKS(utimensat(AT_FDCWD, "f", omit, 0));
	st = stat_of("f");
	MUST(at_time(&st.st_mtim, 1111111111, 987654321));
	/* beyond 32 bits, and before 1970 */
	t[0] = (struct timespec){ -1000000000, 5 };
	t[1] = (struct timespec){ 8000000000, 7 };
	WORKS(utimensat(AT_FDCWD, "f", t, 0));
	st = stat_of("f");
	MUST(at_time(&st.st_atim, -1000000000, 5));
	MUST(at_time(&st.st_mtim, 8000000000, 7));
	WORKS(symlink("f", "s"));
	t[1].tv_sec = 99;
	WORKS(utimensat(AT_FDCWD, "s", t, AT_SYMLINK_NOFOLLOW));
	MUST(stat_of("s").st_mtim.tv_sec == 99);
	MUST(stat_of("f").st_mtim.tv_sec == 8000000000);
	WORKS(utimensat(AT_FDCWD, "f", NULL, 0));
	MUST(llabs((s64)(stat_of("f").st_mtim.tv_sec - time(NULL))) < 10);
}

static bool later(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec > b->tv_sec ||
	       (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

/* Which calls move which times. */
static void test_times(void)
{
	struct stat old, new;

	WORKS(mkdir("d", 0755));
	make_file("d/f", "x");
	old = stat_of("d/f");
	usleep(50000);
	make_file("d/f", "longer");
	new = stat_of("d/f");
	MUST(later(&new.st_mtim, &old.st_mtim));
	MUST(later(&new.st_ctim, &old.st_ctim));
	usleep(50000);
	WORKS(chmod("d/f", 0600));
	old = new;
	new = stat_of("d/f");
	MUST(later(&new.st_ctim, &old.st_ctim));
	MUST(!later(&new.st_mtim, &old.st_mtim));
	usleep(50000);
	old = stat_of("d");
	WORKS(link("d/f", "d/g"));
	new = stat_of("d");
	MUST(later(&new.st_mtim, &old.st_mtim));
	MUST(later(&new.st_ctim, &old.st_ctim));
	old = new;
	usleep(50000);
	WORKS(unlink("d/g"));
	new = stat_of("d");
	MUST(later(&new.st_mtim, &old.st_mtim));
	old = new;
	usleep(50000);
	make_file("d/f", "content only");
	new = stat_of("d");
	MUST(!later(&new.st_mtim, &old.st_mtim));
}

static void test_btime(void)
{
	struct statx a, b;
	time_t now = time(NULL);

	make_file("f", "x");
	WORKS(statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS | STATX_BTIME, &a));
	if (!(a.stx_mask & STATX_BTIME))
		skip("birth times");
	MUST(llabs((s64)(a.stx_btime.tv_sec - now)) < 10);
	usleep(50000);
	make_file("f", "y");
	WORKS(rename("f", "g"));
	WORKS(chmod("g", 0600));
	WORKS(statx(AT_FDCWD, "g", 0, STATX_BASIC_STATS | STATX_BTIME, &b));
	MUST(a.stx_btime.tv_sec == b.stx_btime.tv_sec);
	MUST(a.stx_btime.tv_nsec == b.stx_btime.tv_nsec);
	MUST(b.stx_mtime.tv_sec > b.stx_btime.tv_sec ||
	     b.stx_mtime.tv_nsec > b.stx_btime.tv_nsec);
}

static void test_blocks(void)
{
	static u8 data[1 << 20];
	int fd = WORKS(open("f", O_RDWR | O_CREAT, 0644));
	u32 i, seed = 9;

	for (i = 0; i < sizeof(data); i++) {
		seed = seed * 1103515245 + 12345;
		data[i] = (u8)(seed >> 16);
	}
	MUST(write(fd, data, sizeof(data)) == sizeof(data));
	WORKS(fsync(fd));
	/* 512 bytes each; some file systems count what they add */
	MUST(stat_of("f").st_blocks >= (1 << 20) / 512);
	MUST(stat_of("f").st_blocks < 3 * (1 << 20) / 512);
	WORKS(truncate("f", 0));
	WORKS(fsync(fd));
	MUST(stat_of("f").st_blocks <= 16);
}

static void test_handles(void)
{
	struct {
		struct file_handle h;
		u8 room[128];
	} a = { .h.handle_bytes = 128 }, b = { .h.handle_bytes = 128 };
	int mount, dir = WORKS(open(".", O_RDONLY)), fd;
	struct stat st;
	u64 ino;

	make_file("f", "by handle");
	ino = stat_of("f").st_ino;
	WORKS_OR_SKIP(name_to_handle_at(AT_FDCWD, "f", &a.h, &mount, 0));
	fd = WORKS(open_by_handle_at(dir, &a.h, O_RDWR));
	WORKS(fstat(fd, &st));
	MUST(st.st_ino == ino);
	WORKS(close(fd));
	WORKS(rename("f", "g"));
	close(WORKS(open_by_handle_at(dir, &a.h, O_RDONLY)));
	WORKS(unlink("g"));
	WORKS(syncfs(dir));
	FAILS(open_by_handle_at(dir, &a.h, O_RDONLY), ESTALE);
	/* a new file is not taken for the old one */
	make_file("f", "new");
	WORKS(name_to_handle_at(AT_FDCWD, "f", &b.h, &mount, 0));
	MUST(memcmp(a.h.f_handle, b.h.f_handle, a.h.handle_bytes) != 0);
	FAILS(open_by_handle_at(dir, &a.h, O_RDONLY), ESTALE);
}

const struct test attr_tests[] = {
	{ "chmod", test_chmod },
	{ "chown", test_chown },
	{ "permissions", test_permissions },
	{ "sticky", test_sticky },
	{ "sgid_dir", test_sgid_dir },
	{ "suid_cleared", test_suid_cleared },
	{ "utimes", test_utimes },
	{ "times", test_times },
	{ "btime", test_btime },
	{ "blocks", test_blocks },
	{ "handles", test_handles },
	{ NULL, NULL },
};
