// SPDX-License-Identifier: GPL-2.0-only
/*
 * posixtest: directories, and reading them with small buffers while they
 * change.
 */
#include <dirent.h>
#include <stdlib.h>

#include "posixtest.h"

#define MANY 3000

static void name_of(u32 i, char *name, size_t room)
{
	snprintf(name, room, "entry-%u-%0*u", i, (int)(i % 40) + 1, i);
}

static void make_many(u32 nr)
{
	char name[128];
	u32 i;

	WORKS(mkdir("d", 0755));
	for (i = 0; i < nr; i++) {
		name_of(i, name + 2, sizeof(name) - 2);
		name[0] = 'd';
		name[1] = '/';
		WORKS(mknod(name, S_IFREG | 0600, 0));
	}
}

struct reader {
	int fd;
	u64 buf[128]; /* 1 KiB: many calls */
	ssize_t len, at;
	u64 next; /* position after the last entry given out */
};

static void reader_open(struct reader *r)
{
	r->fd = WORKS(open("d", O_RDONLY | O_DIRECTORY));
	r->len = r->at = 0;
}

static void reader_seek(struct reader *r, u64 pos)
{
	MUST(lseek(r->fd, (off_t)pos, SEEK_SET) == (off_t)pos);
	r->len = r->at = 0;
}

/* The next name that is not . or .., or NULL. */
static const char *reader_next(struct reader *r)
{
	const struct dirent64 *d;

	for (;;) {
		if (r->at == r->len) {
			r->len = WORKS(
				getdents64(r->fd, r->buf, sizeof(r->buf)));
			r->at = 0;
			if (!r->len)
				return NULL;
		}
		d = (const void *)((const char *)r->buf + r->at);
		r->at += d->d_reclen;
		r->next = (u64)d->d_off;
		if (strcmp(d->d_name, ".") && strcmp(d->d_name, ".."))
			return d->d_name;
	}
}

static u32 number_of(const char *name)
{
	u32 nr = (u32)strtoul(name + strlen("entry-"), NULL, 10);
	char want[128];

	name_of(nr, want, sizeof(want));
	MUST(nr < 2 * MANY && !strcmp(name, want));
	return nr;
}

static void test_readdir(void)
{
	static u8 seen[MANY];
	struct reader r;
	const char *name;
	u32 nr = 0, round;

	make_many(MANY);
	reader_open(&r);
	for (round = 1; round <= 2; round++) {
		while ((name = reader_next(&r))) {
			nr = number_of(name);
			MUST(nr < MANY && seen[nr] == round - 1);
			seen[nr]++;
		}
		for (nr = 0; nr < MANY; nr++)
			MUST(seen[nr] == round);
		/* at the end it stays at the end */
		MUST(!reader_next(&r));
		reader_seek(&r, 0);
	}
}

static void test_seekdir(void)
{
	static u64 pos[MANY];
	static u32 order[MANY];
	struct reader r;
	const char *name;
	u32 nr = 0, i;

	make_many(MANY);
	reader_open(&r);
	while ((name = reader_next(&r))) {
		MUST(nr < MANY);
		order[nr] = number_of(name);
		pos[nr++] = r.next;
	}
	MUST(nr == MANY);
	for (i = 0; i + 1 < MANY; i += 37) {
		MUST(pos[i] != pos[i + 1] && pos[i] <= INT64_MAX);
		reader_seek(&r, pos[i]);
		name = reader_next(&r);
		MUST(name && number_of(name) == order[i + 1]);
	}
	reader_seek(&r, pos[MANY - 1]);
	MUST(!reader_next(&r));
	/* positions are good for another opening too */
	close(r.fd);
	reader_open(&r);
	reader_seek(&r, pos[100]);
	MUST(number_of(reader_next(&r)) == order[101]);
}

/* Names go and come while the directory is read. */
static void test_readdir_changes(void)
{
	static u8 seen[2 * MANY], gone[2 * MANY];
	struct reader r;
	const char *name;
	char path[128] = "d/";
	u32 nr, i = 0, victim;

	make_many(MANY);
	reader_open(&r);
	while ((name = reader_next(&r))) {
		nr = number_of(name);
		MUST(!seen[nr]++);
		/* the one just read; one that is to come or has been */
		name_of(nr, path + 2, sizeof(path) - 2);
		if (i % 2 == 0 && !gone[nr])
			gone[nr] = !WORKS(unlink(path));
		victim = i * 7 % MANY;
		name_of(victim, path + 2, sizeof(path) - 2);
		if (i % 5 == 0 && !gone[victim])
			gone[victim] = !WORKS(unlink(path));
		name_of(MANY + i, path + 2, sizeof(path) - 2);
		if (i % 3 == 0 && i < MANY)
			WORKS(mknod(path, S_IFREG | 0600, 0));
		i++;
	}
	for (nr = 0; nr < MANY; nr++)
		MUST(gone[nr] || seen[nr]);
	/* what is left is exactly what was not taken away */
	memset(seen, 0, sizeof(seen));
	reader_seek(&r, 0);
	while ((name = reader_next(&r))) {
		nr = number_of(name);
		MUST(!gone[nr] && !seen[nr]++);
	}
	for (nr = 0; nr < MANY; nr++)
		MUST(gone[nr] || seen[nr]);
}

/* A position stays good when the entry at it is removed. */
static void test_cookies_stay(void)
{
	static u32 order[MANY];
	struct reader r;
	const char *name;
	char path[128] = "d/";
	u64 pos = 0;
	u32 nr = 0, i;

	make_many(500);
	reader_open(&r);
	while ((name = reader_next(&r))) {
		order[nr++] = number_of(name);
		if (nr == 200)
			pos = r.next;
	}
	MUST(nr == 500);
	for (i = 150; i < 250; i++) {
		name_of(order[i], path + 2, sizeof(path) - 2);
		WORKS(unlink(path));
	}
	reader_seek(&r, pos);
	for (i = 250; i < 500; i++) {
		name = reader_next(&r);
		MUST(name && number_of(name) == order[i]);
	}
	MUST(!reader_next(&r));
}

static void test_rm_while_reading(void)
{
	char path[128] = "d/";
	struct reader r;
	const char *name;
	u32 nr = 0;

	make_many(MANY);
	reader_open(&r);
	while ((name = reader_next(&r))) {
		snprintf(path + 2, sizeof(path) - 2, "%s", name);
		WORKS(unlink(path));
		nr++;
	}
	MUST(nr == MANY);
	WORKS(rmdir("d"));
}

static void test_removed_dir(void)
{
	struct reader r;
	struct stat st;
	char buf[4096];

	WORKS(mkdir("d", 0755));
	reader_open(&r);
	WORKS(chdir("d"));
	WORKS(rmdir("../d"));
	WORKS(fstat(r.fd, &st));
	MUST(st.st_nlink == 0 || st.st_nlink == 1);
	if (getdents64(r.fd, buf, sizeof(buf)) < 0)
		MUST(errno == ENOENT);
	FAILS(open("f", O_CREAT | O_RDWR, 0600), ENOENT);
	FAILS(mkdir("x", 0700), ENOENT);
	FAILS(symlink("a", "b"), ENOENT);
	MUST(!getcwd(buf, sizeof(buf)) && errno == ENOENT);
}

static void test_nlink_dir(void)
{
	u64 first;

	WORKS(mkdir("d", 0755));
	first = stat_of("d").st_nlink;
	if (first == 1)
		skip("this file system does not count subdirectories");
	MUST(first == 2);
	WORKS(mkdir("d/a", 0755));
	WORKS(mkdir("d/b", 0755));
	make_file("d/f", "");
	MUST(stat_of("d").st_nlink == 4);
	WORKS(rename("d/a", "a"));
	MUST(stat_of("d").st_nlink == 3);
	WORKS(rename("a", "d/b"));
	MUST(stat_of("d").st_nlink == 3);
	WORKS(rmdir("d/b"));
	MUST(stat_of("d").st_nlink == 2);
}

static void test_deep(void)
{
	char path[3000] = "";
	int i;

	for (i = 0; i < 500; i++) {
		memcpy(path + 2 * (size_t)i, "d/", 3);
		WORKS(mkdir(path, 0755));
	}
	memcpy(path + 1000, "f", 2);
	make_file(path, "deep");
	MUST(has_text(path, "deep"));
}

static void test_dir_fsync(void)
{
	int fd = WORKS(open(".", O_RDONLY));

	make_file("f", "x");
	WORKS(fsync(fd));
	WORKS(fdatasync(fd));
	WORKS(syncfs(fd));
	FAILS(write(fd, "x", 1), EBADF);
	FAILS(read(fd, &fd, 1), EISDIR);
}

const struct test dir_tests[] = {
	{ "readdir", test_readdir },
	{ "seekdir", test_seekdir },
	{ "readdir_changes", test_readdir_changes },
	{ "cookies_stay", test_cookies_stay },
	{ "rm_while_reading", test_rm_while_reading },
	{ "removed_dir", test_removed_dir },
	{ "nlink_dir", test_nlink_dir },
	{ "deep", test_deep },
	{ "dir_fsync", test_dir_fsync },
	{ NULL, NULL },
};
