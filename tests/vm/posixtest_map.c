// SPDX-License-Identifier: GPL-2.0-only
/*
 * posixtest: mappings, locks, and free space.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <sys/wait.h>

#include "posixtest.h"

#define LEN (256u << 10)

static u8 *map_file(int fd, int prot, int flags)
{
	u8 *p = mmap(NULL, LEN, prot, flags, fd, 0);

	MUST(p != MAP_FAILED);
	return p;
}

static int new_file(u64 size)
{
	int fd = WORKS(open("f", O_RDWR | O_CREAT | O_EXCL, 0644));

	WORKS(ftruncate(fd, (off_t)size));
	return fd;
}

static bool file_has(int fd, u64 off, u8 c)
{
	u8 found;

	return pread(fd, &found, 1, (off_t)off) == 1 && found == c;
}

static void test_map_shared(void)
{
	int fd = new_file(LEN);
	u8 *p = map_file(fd, PROT_READ | PROT_WRITE, MAP_SHARED);
	u8 *q = map_file(fd, PROT_READ, MAP_SHARED);
	pid_t pid;

	MUST(p[0] == 0 && p[LEN - 1] == 0);
	p[5000] = 'm';
	MUST(file_has(fd, 5000, 'm') && q[5000] == 'm');
	MUST(pwrite(fd, "w", 1, 70000) == 1);
	MUST(p[70000] == 'w');
	WORKS(msync(p, LEN, MS_SYNC));
	p[5001] = 'n';
	pid = WORKS(fork());
	if (!pid) {
		p[100000] = 'c';
		_exit(0);
	}
	WORKS(waitpid(pid, NULL, 0));
	MUST(q[100000] == 'c');
	WORKS(munmap(p, LEN));
	WORKS(munmap(q, LEN));
	WORKS(fsync(fd));
	MUST(!posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	MUST(file_has(fd, 5000, 'm') && file_has(fd, 5001, 'n'));
	MUST(file_has(fd, 100000, 'c') && file_has(fd, 70000, 'w'));
}

static void test_map_private(void)
{
	int fd = new_file(LEN);
	u8 *p;

	MUST(pwrite(fd, "file", 4, 9000) == 4);
	p = map_file(fd, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	MUST(!memcmp(p + 9000, "file", 4));
	memcpy(p + 9000, "mine", 4);
	WORKS(msync(p, LEN, MS_SYNC));
	MUST(file_has(fd, 9000, 'f') && p[9000] == 'm');
}

/* After the last name and the descriptor are gone. */
static void test_map_unlinked(void)
{
	int fd = new_file(LEN);
	u8 *p = map_file(fd, PROT_READ | PROT_WRITE, MAP_SHARED);

	memset(p, 'u', LEN / 2);
	WORKS(unlink("f"));
	WORKS(close(fd));
	memset(p + LEN / 2, 'v', LEN / 2);
	WORKS(msync(p, LEN, MS_SYNC));
	MUST(p[0] == 'u' && p[LEN - 1] == 'v');
	WORKS(munmap(p, LEN));
}

static sigjmp_buf jump;

static void on_bus(int sig)
{
	siglongjmp(jump, sig);
}

static bool raises_bus(volatile const u8 *p)
{
	signal(SIGBUS, on_bus);
	if (sigsetjmp(jump, 1))
		return true;
	(void)*p;
	return false;
}

static void test_map_truncate(void)
{
	int fd = new_file(LEN);
	u8 *p = map_file(fd, PROT_READ | PROT_WRITE, MAP_SHARED);

	memset(p, 't', LEN);
	MUST(!raises_bus(p + LEN - 1));
	WORKS(ftruncate(fd, 10000));
	/* the rest of the last page is zero, what follows is not there */
	MUST(p[9999] == 't' && p[10000] == 0 && p[12287] == 0);
	MUST(raises_bus(p + 12288) && raises_bus(p + LEN - 1));
	WORKS(ftruncate(fd, LEN));
	MUST(p[9999] == 't' && p[10000] == 0 && p[12288] == 0);
	MUST(p[LEN - 1] == 0);
}

static void test_map_rules(void)
{
	int fd;

	close(new_file(LEN));
	fd = WORKS(open("f", O_RDONLY));
	MUST(mmap(NULL, LEN, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	MUST(errno == EACCES);
	MUST(map_file(fd, PROT_READ | PROT_WRITE, MAP_PRIVATE));
	fd = WORKS(open("f", O_WRONLY));
	MUST(mmap(NULL, LEN, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED);
	MUST(errno == EACCES);
}

/* A program on the file system runs, and cannot be written meanwhile. */
static void test_exec(void)
{
	static u8 data[64 << 10];
	int in = WORKS(open("/bin/sleep", O_RDONLY));
	int out = WORKS(open("sleep", O_WRONLY | O_CREAT, 0755));
	ssize_t got;
	int status;
	pid_t pid;

	while ((got = read(in, data, sizeof(data))) > 0)
		MUST(write(out, data, (size_t)got) == got);
	WORKS(close(out));
	pid = WORKS(fork());
	if (!pid) {
		execl("./sleep", "sleep", "1", NULL);
		_exit(9);
	}
	usleep(400000);
	FAILS(open("sleep", O_WRONLY), ETXTBSY);
	WORKS(waitpid(pid, &status, 0));
	MUST(WIFEXITED(status) && !WEXITSTATUS(status));
	close(WORKS(open("sleep", O_WRONLY)));
}

static void test_locks(void)
{
	struct flock l = { .l_type = F_WRLCK, .l_start = 10, .l_len = 10 };
	int a = new_file(100), b = WORKS(open("f", O_RDWR)), status;
	pid_t pid;

	WORKS(flock(a, LOCK_EX));
	FAILS(flock(b, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	WORKS(flock(a, LOCK_UN));
	WORKS(flock(b, LOCK_SH | LOCK_NB));
	WORKS(fcntl(a, F_SETLK, &l));
	pid = WORKS(fork());
	if (!pid) {
		l.l_start = 15;
		FAILS(fcntl(b, F_SETLK, &l), EAGAIN);
		l.l_start = 20;
		WORKS(fcntl(b, F_SETLK, &l));
		_exit(0);
	}
	WORKS(waitpid(pid, &status, 0));
	MUST(!status);
}

static void test_statfs(void)
{
	static u8 data[1 << 20];
	struct statfs before, full, after;
	u32 i, seed = 1, tries;
	int fd = new_file(0);

	WORKS(syncfs(fd));
	WORKS(fstatfs(fd, &before));
	MUST(before.f_namelen == 255 && before.f_bsize >= 512);
	MUST(before.f_bfree <= before.f_blocks && before.f_bavail > 0);
	for (i = 0; i < sizeof(data); i++) {
		seed = seed * 1103515245 + 12345;
		data[i] = (u8)(seed >> 16);
	}
	for (i = 0; i < 32; i++) {
		data[i] ^= 1;
		MUST(write(fd, data, sizeof(data)) == sizeof(data));
	}
	WORKS(fsync(fd));
	WORKS(fstatfs(fd, &full));
	/* 32 MiB that cannot be compressed; some slack for what is shared */
	MUST((before.f_bavail - full.f_bavail) * (u64)before.f_bsize >
	     28 << 20);
	WORKS(close(fd));
	WORKS(unlink("f"));
	/* but for the first and the last grid, which hold something else, too */
	for (tries = 0; tries < 50; tries++) {
		fd = WORKS(open(".", O_RDONLY));
		WORKS(syncfs(fd));
		WORKS(fstatfs(fd, &after));
		WORKS(close(fd));
		if ((after.f_bavail - full.f_bavail) * (u64)before.f_bsize >
			    24 << 20 &&
		    after.f_bavail > full.f_bavail)
			return;
		usleep(200000);
	}
	MUST(!"the space comes back");
}

const struct test map_tests[] = {
	{ "map_shared", test_map_shared },
	{ "map_private", test_map_private },
	{ "map_unlinked", test_map_unlinked },
	{ "map_truncate", test_map_truncate },
	{ "map_rules", test_map_rules },
	{ "exec", test_exec },
	{ "locks", test_locks },
	{ "statfs", test_statfs },
	{ NULL, NULL },
};
