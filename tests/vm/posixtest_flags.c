// SPDX-License-Identifier: GPL-2.0-only
/*
 * posixtest: the flags of chattr(1).
 */
#include <linux/fs.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "posixtest.h"

static int flags_of(const char *path)
{
	int flags = 0, fd = WORKS(open(path, O_RDONLY | O_NONBLOCK));

	WORKS_OR_SKIP(ioctl(fd, FS_IOC_GETFLAGS, &flags));
	WORKS(close(fd));
	/* of a file system's own */
	return flags & (FS_SYNC_FL | FS_IMMUTABLE_FL | FS_APPEND_FL |
			FS_NODUMP_FL | FS_NOATIME_FL | FS_DIRSYNC_FL);
}

static int set_flags(const char *path, int flags)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK), ret;
	int err;

	if (fd < 0)
		return -1;
	ret = ioctl(fd, FS_IOC_SETFLAGS, &flags);
	err = errno;
	close(fd);
	errno = err;
	return ret;
}

static u64 attributes_of(const char *path)
{
	struct statx st;

	WORKS(statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, &st));
	return st.stx_attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND);
}

static bool writing_kills(char *map)
{
	pid_t pid = WORKS(fork());
	int status;

	if (!pid) {
		map[1] = 'E';
		_exit(0);
	}
	WORKS(waitpid(pid, &status, 0));
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS;
}

static void immutable_tries(int fd, char *map)
{
	FAILS(open("f", O_RDWR), EPERM);
	FAILS(write(fd, "x", 1), EPERM);
	FAILS(ftruncate(fd, 0), EPERM);
	FAILS(fallocate(fd, 0, 0, 8192), EPERM);
	FAILS(truncate("f", 0), EPERM);
	FAILS(unlink("f"), EPERM);
	FAILS(rename("f", "g"), EPERM);
	FAILS(link("f", "g"), EPERM);
	FAILS(chmod("f", 0600), EPERM);
	FAILS(chown("f", 1, 1), EPERM);
	FAILS(utimensat(AT_FDCWD, "f", NULL, 0), EPERM);
	FAILS(setxattr("f", "user.a", "x", 1, 0), EPERM);
	MUST(writing_kills(map));
	MUST(has_text("f", "Hello"));
}

static void test_immutable(void)
{
	int fd;
	char *map;

	make_file("f", "hello");
	fd = WORKS(open("f", O_RDWR));
	WORKS_OR_SKIP(set_flags("f", FS_NODUMP_FL));
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	MUST(map != MAP_FAILED);
	map[0] = 'H';
	WORKS(set_flags("f", FS_IMMUTABLE_FL | FS_NODUMP_FL));
	MUST(flags_of("f") == (FS_IMMUTABLE_FL | FS_NODUMP_FL));
	MUST(attributes_of("f") == STATX_ATTR_IMMUTABLE);
	immutable_tries(fd, map);
	WORKS(set_flags("f", 0));
	MUST(!flags_of("f") && !attributes_of("f"));
	map[1] = 'E';
	MUST(has_text("f", "HEllo"));
	WORKS(mkdir("d", 0755));
	make_file("d/f", "x");
	WORKS(set_flags("d", FS_IMMUTABLE_FL));
	FAILS(open("d/new", O_RDWR | O_CREAT, 0600), EPERM);
	FAILS(unlink("d/f"), EPERM);
	make_file("d/f", "what is in it may change");
	WORKS(set_flags("d", 0));
	WORKS(unlink("d/f"));
}

static void test_append_only(void)
{
	int fd;

	make_file("f", "hello");
	WORKS_OR_SKIP(set_flags("f", FS_APPEND_FL));
	MUST(attributes_of("f") == STATX_ATTR_APPEND);
	FAILS(open("f", O_RDWR), EPERM);
	FAILS(open("f", O_WRONLY | O_APPEND | O_TRUNC), EPERM);
	FAILS(truncate("f", 0), EPERM);
	FAILS(chmod("f", 0600), EPERM);
	FAILS(unlink("f"), EPERM);
	FAILS(link("f", "g"), EPERM);
	fd = WORKS(open("f", O_WRONLY | O_APPEND));
	MUST(WORKS(write(fd, " you", 4)) == 4);
	FAILS(ftruncate(fd, 0), EPERM);
	FAILS(fcntl(fd, F_SETFL, 0), EPERM);
	WORKS(close(fd));
	MUST(has_text("f", "hello you"));
	WORKS(set_flags("f", 0));
	WORKS(truncate("f", 5));
	WORKS(mkdir("d", 0755));
	WORKS(set_flags("d", FS_APPEND_FL));
	make_file("d/new", "x");
	FAILS(unlink("d/new"), EPERM);
	FAILS(rename("d/new", "d/old"), EPERM);
	WORKS(set_flags("d", 0));
}

static void flags_tries(void)
{
	FAILS(set_flags("own", FS_IMMUTABLE_FL), EPERM);
	FAILS(set_flags("own", FS_APPEND_FL), EPERM);
	FAILS(set_flags("theirs", FS_NODUMP_FL), EPERM);
	WORKS(set_flags("own", FS_NODUMP_FL));
}

static void test_flags(void)
{
	struct timespec before;

	make_file("own", "x");
	make_file("theirs", "x");
	WORKS(chown("own", NOBODY, NOBODY));
	WORKS_OR_SKIP(set_flags("theirs", FS_NODUMP_FL));
	before = stat_of("own").st_ctim;
	usleep(50000);
	as_user(NOBODY, NOBODY, flags_tries);
	MUST(flags_of("own") == FS_NODUMP_FL);
	MUST(stat_of("own").st_ctim.tv_sec != before.tv_sec ||
	     stat_of("own").st_ctim.tv_nsec != before.tv_nsec);
	WORKS(mkdir("d", 0755));
	WORKS(set_flags("d", FS_SYNC_FL | FS_NODUMP_FL | FS_NOATIME_FL |
				     FS_DIRSYNC_FL));
	make_file("d/f", "x");
	MUST(flags_of("d/f") == (FS_SYNC_FL | FS_NODUMP_FL | FS_NOATIME_FL));
	WORKS(mkdir("d/d", 0755));
	MUST(flags_of("d/d") == flags_of("d"));
	WORKS(mkfifo("d/p", 0600));
	WORKS(symlink("f", "d/s"));
	FAILS(set_flags("theirs", FS_DIRSYNC_FL), EOPNOTSUPP);
	FAILS(set_flags("theirs", FS_ENCRYPT_FL), EOPNOTSUPP);
	MUST(flags_of("theirs") == FS_NODUMP_FL);
}

const struct test flags_tests[] = {
	{ "immutable", test_immutable },
	{ "append_only", test_append_only },
	{ "flags", test_flags },
	{ NULL, NULL },
};
