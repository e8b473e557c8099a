// SPDX-License-Identifier: GPL-2.0-only
/*
 * posixtest: reading, writing, sizes, holes, direct and appending I/O.
 */
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "posixtest.h"

#define MIB (1u << 20)
#define EXTENTS 16u /* asked for at a time */

static u8 buf[4 * MIB] __attribute__((aligned(4096)));
static u8 back[4 * MIB] __attribute__((aligned(4096)));

static void fill(u8 *p, size_t len, u32 seed)
{
	size_t i;

	for (i = 0; i < len; i++) {
		seed = seed * 1103515245 + 12345;
		p[i] = (u8)(seed >> 16);
	}
}

static bool all_zero(const u8 *p, size_t len)
{
	return !len || (!*p && !memcmp(p, p + 1, len - 1));
}

static int new_file(const char *path)
{
	return WORKS(open(path, O_RDWR | O_CREAT | O_EXCL, 0644));
}

static void put(int fd, const void *p, size_t len, u64 off)
{
	MUST(pwrite(fd, p, len, (off_t)off) == (ssize_t)len);
}

static bool holds(int fd, const void *p, size_t len, u64 off)
{
	return pread(fd, back, len, (off_t)off) == (ssize_t)len &&
	       !memcmp(back, p, len);
}

static bool is_zero(int fd, size_t len, u64 off)
{
	return pread(fd, back, len, (off_t)off) == (ssize_t)len &&
	       all_zero(back, len);
}

static u64 size_of(int fd)
{
	struct stat st;

	WORKS(fstat(fd, &st));
	return (u64)st.st_size;
}

static void forget(int fd)
{
	WORKS(fsync(fd));
	MUST(!posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
}

static void test_write(void)
{
	static const u32 lens[] = { 1,	   7,	  4095,	  4096, 4097,
				    65536, 99999, 131072, MIB,	3 * MIB + 5 };
	int fd = new_file("f");
	u64 off = 0;
	u32 i, pass;

	fill(buf, sizeof(buf), 1);
	for (pass = 0; pass < 2; pass++) {
		for (off = 3, i = 0; i < ARRAY_SIZE(lens); i++) {
			if (!pass)
				put(fd, buf + i, lens[i], off);
			else
				MUST(holds(fd, buf + i, lens[i], off));
			off += lens[i];
		}
		forget(fd);
	}
	MUST(size_of(fd) == off);
	MUST(pread(fd, back, 10, (off_t)off) == 0);
	MUST(pread(fd, back, 10, (off_t)off - 4) == 4);
	FAILS(pread(fd, back, 10, -1), EINVAL);
	FAILS(pwrite(fd, back, 10, -1), EINVAL);
	MUST(pwrite(fd, back, 0, 1 << 30) == 0 && size_of(fd) == off);
}

/* Each kind of content, and each over each. */
static void test_kinds(void)
{
	int fd = new_file("f");
	u32 over, under, i;
	u64 at;

	for (over = 0; over < 4; over++) {
		for (under = 0; under < 4; under++) {
			at = (over * 4 + under) * 300000ull;
			for (i = 0; i < 2; i++) {
				u32 kind = i ? over : under;
				u8 *p = buf + (i ? MIB : 0);

				memset(p, kind == 1 ? 'm' : 0, 200000);
				if (kind == 2)
					fill(p, 200000, at + i);
				if (kind == 3)
					memset(p + 100, 't', 70000);
				put(fd, p, i ? 100001 : 200000,
				    at + (i ? 33333 : 0));
				if (!i)
					forget(fd);
			}
			memcpy(buf + 33333, buf + MIB, 100001);
			MUST(holds(fd, buf, 200000, at));
			forget(fd);
			MUST(holds(fd, buf, 200000, at));
		}
	}
}

static void test_append(void)
{
	int a = new_file("f");
	int b = WORKS(open("f", O_RDWR | O_APPEND));
	int c = WORKS(open("f", O_RDWR | O_APPEND));
	u32 i;

	for (i = 0; i < 50; i++) {
		MUST(write(b, "bb", 2) == 2);
		MUST(write(c, "ccc", 3) == 3);
		MUST(pwrite(a, "aaaa", 4, (off_t)size_of(a)) == 4);
	}
	MUST(size_of(a) == 50 * 9);
	for (i = 0; i < 50; i++)
		MUST(holds(a, "bbcccaaaa", 9, i * 9));
	/* with O_APPEND the offset of pwrite does not count on Linux */
	MUST(pwrite(b, "end", 3, 0) == 3 && holds(a, "end", 3, 450));
	WORKS(fcntl(a, F_SETFL, O_APPEND));
	MUST(write(a, "!", 1) == 1 && size_of(a) == 454);
}

static void test_truncate(void)
{
	int fd = new_file("f");

	fill(buf, MIB, 2);
	put(fd, buf, MIB, 0);
	WORKS(ftruncate(fd, 100001));
	MUST(size_of(fd) == 100001 && holds(fd, buf, 100001, 0));
	WORKS(ftruncate(fd, MIB));
	MUST(is_zero(fd, MIB - 100001, 100001));
	forget(fd);
	MUST(holds(fd, buf, 100001, 0) && is_zero(fd, MIB - 100001, 100001));
	WORKS(truncate("f", 0));
	MUST(pread(fd, back, 10, 0) == 0);
	WORKS(truncate("f", 5000));
	MUST(is_zero(fd, 5000, 0));
	FAILS(truncate("f", -1), EINVAL);
	FAILS(truncate("none", 1), ENOENT);
	FAILS(truncate(".", 1), EISDIR);
	FAILS(ftruncate(WORKS(open("f", O_RDONLY)), 1), EINVAL);
	close(WORKS(open("f", O_WRONLY | O_TRUNC)));
	MUST(size_of(fd) == 0);
}

static void test_sparse(void)
{
	static const u64 offs[] = { 1ull << 20, 1ull << 32, 1ull << 40,
				    1ull << 50, 1ull << 62 };
	int fd = new_file("f");
	struct stat st;
	u32 i, nr = 0;

	for (i = 0; i < ARRAY_SIZE(offs); i++) {
		if (pwrite(fd, "far", 3, (off_t)offs[i]) < 0) {
			MUST(errno == EFBIG);
			break;
		}
		nr++;
		MUST(size_of(fd) == offs[i] + 3);
	}
	forget(fd);
	for (i = 0; i < nr; i++) {
		MUST(holds(fd, "far", 3, offs[i]));
		MUST(is_zero(fd, 65536, offs[i] - 65536));
		MUST(is_zero(fd, 4096, offs[i] / 2 + 77));
	}
	WORKS(fstat(fd, &st));
	MUST(st.st_blocks < 10000);
	WORKS(ftruncate(fd, 1 << 21));
	MUST(holds(fd, "far", 3, 1 << 20));
	if (nr < ARRAY_SIZE(offs))
		skip("offset 2^62");
}

/* The very end of what an offset can say. */
static void test_largest(void)
{
	int fd = new_file("f");
	u64 last = INT64_MAX - 1;

	signal(SIGXFSZ, SIG_IGN);
	if (pwrite(fd, "x", 1, (off_t)last) < 0) {
		MUST(errno == EFBIG);
		skip("a file of 2^63-1 bytes");
	}
	MUST(size_of(fd) == INT64_MAX);
	MUST(holds(fd, "x", 1, last));
	/* no offset is left for it */
	MUST(pwrite(fd, "x", 1, INT64_MAX) < 0);
	forget(fd);
	MUST(holds(fd, "x", 1, last) && is_zero(fd, 4000, last - 4000));
	MUST(lseek(fd, 1, SEEK_END) < 0);
	WORKS(ftruncate(fd, INT64_MAX));
	WORKS(ftruncate(fd, 0));
}

static void test_seek_hole(void)
{
	int fd = new_file("f");
	off_t data, hole;

	FAILS(lseek(fd, 0, SEEK_DATA), ENXIO);
	fill(buf, 65536, 3);
	put(fd, buf, 65536, 4 * MIB);
	put(fd, buf, 65536, 16 * MIB);
	WORKS(ftruncate(fd, 32 * MIB));
	WORKS(fsync(fd));
	data = lseek(fd, 0, SEEK_DATA);
	if (data == 0)
		skip("holes are not told");
	MUST(data > 0 && data <= 4 * MIB);
	hole = lseek(fd, data, SEEK_HOLE);
	MUST(hole >= 4 * MIB + 65536 && hole <= 16 * MIB);
	data = lseek(fd, hole, SEEK_DATA);
	MUST(data > hole && data <= 16 * MIB);
	hole = lseek(fd, data, SEEK_HOLE);
	MUST(hole >= 16 * MIB + 65536 && hole <= 32 * MIB);
	FAILS(lseek(fd, hole, SEEK_DATA), ENXIO);
	MUST(lseek(fd, 4 * MIB + 10, SEEK_DATA) == 4 * MIB + 10);
	MUST(lseek(fd, 100, SEEK_HOLE) == 100);
	FAILS(lseek(fd, 32 * MIB, SEEK_HOLE), ENXIO);
	FAILS(lseek(fd, 32 * MIB, SEEK_DATA), ENXIO);
	/* dirty data that has no place yet is data */
	put(fd, buf, 4096, 24 * MIB);
	MUST(lseek(fd, 24 * MIB, SEEK_DATA) == 24 * MIB);
	MUST(lseek(fd, 20 * MIB, SEEK_DATA) <= 24 * MIB);
}

static void test_direct(void)
{
	int fd = new_file("f"), direct;
	ssize_t got;

	direct = WORKS_OR_SKIP(open("f", O_RDWR | O_DIRECT));
	fill(buf, MIB, 4);
	put(direct, buf, MIB, 0);
	MUST(holds(fd, buf, MIB, 0));
	fill(buf + 4096, 4096, 5);
	put(fd, buf + 4096, 4096, 4096);
	MUST(pread(direct, back, MIB, 0) == MIB && !memcmp(buf, back, MIB));
	fill(buf + 65536, 8192, 6);
	put(direct, buf + 65536, 8192, 65536);
	MUST(holds(fd, buf, MIB, 0));
	/* over the end, and beyond it */
	WORKS(ftruncate(fd, 10000));
	got = pread(direct, back, 65536, 8192);
	MUST(got == 10000 - 8192 && !memcmp(back, buf + 8192, (size_t)got));
	MUST(pread(direct, back, 4096, 65536) == 0);
	put(direct, buf, 4096, 5 * MIB);
	MUST(size_of(fd) == 5 * MIB + 4096 && is_zero(fd, 4096, 4 * MIB));
	/* unaligned: by the cache, or refused */
	if (pwrite(direct, buf + 1, 333, 777) < 0)
		MUST(errno == EINVAL);
	else
		MUST(holds(fd, buf + 1, 333, 777));
}

static void test_vectors(void)
{
	struct iovec v[3] = {
		{ .iov_base = buf, .iov_len = 5000 },
		{ .iov_base = buf + 8000, .iov_len = 1 },
		{ .iov_base = buf + 9000, .iov_len = 70000 },
	};
	int fd = new_file("f");

	fill(buf, 100000, 7);
	MUST(pwritev(fd, v, 3, 100) == 75001);
	MUST(holds(fd, buf, 5000, 100) && holds(fd, buf + 8000, 1, 5100));
	MUST(holds(fd, buf + 9000, 70000, 5101));
	v[0].iov_base = back;
	v[1].iov_base = back + 5000;
	v[2].iov_base = back + 5001;
	MUST(preadv(fd, v, 3, 100) == 75001);
	MUST(!memcmp(back, buf, 5000) && back[5000] == buf[8000]);
	MUST(!memcmp(back + 5001, buf + 9000, 70000));
}

static void test_copies(void)
{
	int from = new_file("f"), to = new_file("g");
	off_t off = 1000, at = 70;
	int p[2];

	fill(buf, MIB, 8);
	put(from, buf, MIB, 0);
	MUST(sendfile(to, from, &off, 500000) > 0 && off > 1000);
	MUST(holds(to, buf + 1000, (size_t)off - 1000, 0));
	WORKS(pipe(p));
	off = 4096;
	MUST(splice(from, &off, p[1], NULL, 4096, 0) == 4096);
	MUST(splice(p[0], NULL, to, &at, 4096, 0) == 4096);
	MUST(holds(to, buf + 4096, 4096, 70));
	off = 300000;
	at = 900000;
	MUST(WORKS_OR_SKIP(copy_file_range(from, &off, to, &at, 5555, 0)) ==
	     5555);
	MUST(holds(to, buf + 300000, 5555, 900000));
}

/* What is in memory is given at once; what is not, once it was read. */
static void test_nowait(void)
{
	struct iovec v = { .iov_base = back, .iov_len = MIB };
	int fd = new_file("f");
	ssize_t got;

	fill(buf, MIB, 9);
	put(fd, buf, MIB, 0);
	got = preadv2(fd, &v, 1, 0, RWF_NOWAIT);
	if (got < 0 && errno == EOPNOTSUPP)
		skip("RWF_NOWAIT");
	MUST(got == MIB && !memcmp(back, buf, MIB));
	WORKS(fsync(fd));
	WORKS(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	memset(back, 0, MIB);
	got = preadv2(fd, &v, 1, 0, RWF_NOWAIT);
	MUST(got < 0 ? errno == EAGAIN : !memcmp(back, buf, (size_t)got));
	MUST(holds(fd, buf, MIB, 0));
	memset(back, 0, MIB);
	MUST(preadv2(fd, &v, 1, 0, RWF_NOWAIT) == MIB);
	MUST(!memcmp(back, buf, MIB));
	v.iov_len = 1;
	MUST(preadv2(fd, &v, 1, MIB, RWF_NOWAIT) == 0);
}

/* The extents of @fd in [@from, @from + @len): in order, disjoint, of data. The
 * number of bytes that they cover; @last: whether the end of the file was told. */
static u64 covered(int fd, u64 from, u64 len, u32 flags, bool *last)
{
	static u8 room[sizeof(struct fiemap) +
		       EXTENTS * sizeof(struct fiemap_extent)]
		__attribute__((aligned(8)));
	struct fiemap *map = (void *)room;
	const struct fiemap_extent *e = map->fm_extents;
	u64 at = from, sum = 0;
	u32 i;

	*last = false;
	while (at < from + len && !*last) {
		*map = (struct fiemap){ .fm_start = at,
					.fm_length = from + len - at,
					.fm_flags = flags,
					.fm_extent_count = EXTENTS };
		WORKS_OR_SKIP(ioctl(fd, FS_IOC_FIEMAP, map));
		MUST(map->fm_mapped_extents <= EXTENTS);
		for (i = 0; i < map->fm_mapped_extents; i++) {
			MUST(!*last && e[i].fe_length &&
			     e[i].fe_logical + e[i].fe_length > at &&
			     e[i].fe_logical < from + len);
			at = e[i].fe_logical > at ? e[i].fe_logical : at;
			sum += e[i].fe_logical + e[i].fe_length - at;
			at = e[i].fe_logical + e[i].fe_length;
			*last = e[i].fe_flags & FIEMAP_EXTENT_LAST;
		}
		if (i < EXTENTS)
			break;
	}
	return sum;
}

static void test_fiemap(void)
{
	int fd = new_file("f");
	u64 i;
	bool last;

	MUST(covered(fd, 0, ~0ull >> 1, 0, &last) == 0 && !last);
	fill(buf, 4 * MIB, 10);
	/* 40 pieces with holes between them, one of zeros that were written */
	for (i = 0; i < 40; i++)
		put(fd, buf + i * 4096, 65536, i * MIB);
	memset(buf, 0, MIB);
	put(fd, buf, 65536, 40 * MIB);
	WORKS(ftruncate(fd, 50 * MIB));
	MUST(covered(fd, 0, 40 * MIB, FIEMAP_FLAG_SYNC, &last) == 40 * 65536);
	MUST(covered(fd, MIB / 2, MIB, FIEMAP_FLAG_SYNC, &last) == 65536);
	MUST(!last);
	MUST(covered(fd, 2 * MIB + 65536, 900000, 0, &last) == 0 && !last);
	MUST(covered(fd, 0, ~0ull >> 1, FIEMAP_FLAG_SYNC, &last) >= 40 * 65536);
	MUST(last);
	WORKS(ftruncate(fd, 39 * MIB + 65536));
	MUST(covered(fd, 0, ~0ull >> 1, FIEMAP_FLAG_SYNC, &last) == 40 * 65536);
	MUST(last);
}

static void test_file_limit(void)
{
	struct rlimit limit = { 100000, RLIM_INFINITY };
	int fd = new_file("f");

	signal(SIGXFSZ, SIG_IGN);
	WORKS(setrlimit(RLIMIT_FSIZE, &limit));
	MUST(pwrite(fd, buf, 200000, 0) == 100000);
	FAILS(pwrite(fd, buf, 1, 100000), EFBIG);
	FAILS(ftruncate(fd, 100001), EFBIG);
	MUST(size_of(fd) == 100000);
}

static void test_modes_of_open(void)
{
	int fd;

	make_file("f", "text");
	fd = WORKS(open("f", O_RDONLY));
	FAILS(write(fd, "x", 1), EBADF);
	fd = WORKS(open("f", O_WRONLY));
	FAILS(read(fd, back, 1), EBADF);
	fd = WORKS(open("f", O_RDWR | O_SYNC));
	put(fd, "sync", 4, 4);
	fd = WORKS(open("f", O_RDWR | O_DSYNC));
	put(fd, "dsync", 5, 8);
	MUST(has_text("f", "textsyncdsync"));
	fd = WORKS(open("f", O_PATH));
	FAILS(read(fd, back, 1), EBADF);
}

const struct test data_tests[] = {
	{ "write", test_write },
	{ "kinds", test_kinds },
	{ "append", test_append },
	{ "truncate", test_truncate },
	{ "sparse", test_sparse },
	{ "largest", test_largest },
	{ "seek_hole", test_seek_hole },
	{ "direct", test_direct },
	{ "vectors", test_vectors },
	{ "copies", test_copies },
	{ "nowait", test_nowait },
	{ "fiemap", test_fiemap },
	{ "file_limit", test_file_limit },
	{ "modes_of_open", test_modes_of_open },
	{ NULL, NULL },
};
