// SPDX-License-Identifier: GPL-2.0-only
/*
 * optest: reading, writing and changing the size of files.
 *
 * After a call that failed for lack of space the oracle takes what the file
 * has, but only within the range of the call, and only if each byte is the old
 * or the new one.
 */
#include <stdlib.h>

#include "optest.h"

#define NEW (MTIME_NEW | CTIME_NEW)
#define FILE_MAX (6ull << 20) /* ordinary writes stay below */
#define PIECES_MAX 4

/* A regular file, with or without a name. */
struct node *file_pick(void)
{
	u32 i, at = (u32)below(ot.nr_nodes);
	struct node *n;

	for (i = 0; i < ot.nr_nodes; i++) {
		n = ot.node[(at + i) % ot.nr_nodes];
		if (S_ISREG(n->mode) && (n->nr_links || n->nr_open))
			return n;
	}
	return NULL;
}

/* An offset where something may happen. */
u64 off_pick(const struct node *n)
{
	const struct extent *e;
	u64 off;

	switch (below(8)) {
	case 0:
		return 0;
	case 1:
		return n->size < FAR_MAX ? n->size : 0;
	case 2:
		off = 4096 * below(n->size / 4096 + 3);
		break;
	case 3:
	case 4:
		if (!n->nr_extents)
			return below(8192);
		e = &n->extent[below(n->nr_extents)];
		off = (chance(2) ? e->off : e->off + e->len) + below(3);
		return off ? off - 1 : 0;
	case 5:
		off = n->size + below(100000);
		break;
	default:
		off = below(n->size + 1);
	}
	return off < FILE_MAX ? off : below(FILE_MAX);
}

/* Opens a file, or gives the descriptor of an open one. -1 is reported. */
int node_open(struct node *n, int flags, bool *close_it)
{
	const char *path = node_path(n);
	char proc[64];
	u32 i;
	int fd;

	for (i = 0; i < ot.nr_handles; i++)
		if (ot.handle[i].node == n)
			break;
	*close_it = true;
	if (i == ot.nr_handles) {
		fd = openat(ot.base, path, flags | O_NOFOLLOW);
	} else if (!(flags & ~O_ACCMODE) && (!path || chance(2))) {
		*close_it = false;
		return ot.handle[i].fd;
	} else {
		snprintf(proc, sizeof(proc), "/proc/self/fd/%d",
			 ot.handle[i].fd);
		fd = open(proc, flags);
	}
	judge("open", n, fd, 0);
	return fd;
}

void done_with(struct node *n, int fd, bool close_it)
{
	if (close_it)
		judge("close", n, close(fd), 0);
}

/*
 * The call on [off, off + len) failed. new has the bytes it would have
 * written, or is NULL if it would only have changed the size.
 */
void adopt(struct node *n, int fd, u64 off, u64 len, const u8 *new)
{
	struct source s = { .kind = DATA_REAL, .op = ot.op };
	char path[64];
	unsigned long long at;
	u64 size, have;
	struct stat st;
	ssize_t got;
	size_t i;
	int in;

	if (judge("fstat", n, fstat(fd, &st), 0) != DONE)
		return;
	size = (u64)st.st_size;
	if (size != n->size && (size < n->size || size > off + len)) {
		diff(DIFF_SIZE, n,
		     "size %llu after a failed write to %llu+%llu, was %llu",
		     (unsigned long long)size, (unsigned long long)off,
		     (unsigned long long)len, (unsigned long long)n->size);
		return;
	}
	n->size = size;
	if (!new || size <= off)
		return;
	have = min_t(u64, len, size - off);
	/* fd may be for direct or for appending writes */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	in = open(path, O_RDONLY);
	got = pread(in, ot.got, have, (off_t)off);
	close(in);
	if (judge("pread", n, got, 0) != DONE || (u64)got != have)
		return;
	extent_fill(n, off, ot.want, have);
	if (!memcmp(ot.want, ot.got, have))
		return;
	for (i = 0; i < have; i++)
		if (ot.got[i] != ot.want[i] && ot.got[i] != new[i])
			break;
	at = off + i;
	if (i < have)
		diff(DIFF_DATA, n,
		     "byte at %llu is %02x after a failed write, was %02x, to be %02x",
		     at, ot.got[i], ot.want[i], new[i]);
	s.real = xmalloc(sizeof(*s.real) + have);
	s.real->users = 0;
	memcpy(s.real->bytes, ot.got, have);
	extent_set(n, off, have, &s);
}

/* New bytes for a range into ot.data; remembered in `into` at off. */
void write_fill(u64 off, u64 len, struct node *into)
{
	u64 at = 0, part;
	struct source s;
	u32 i, nr = chance(3) ? 1 + (u32)below(PIECES_MAX) : 1;

	for (i = 1; i <= nr && at < len; i++) {
		part = i == nr ? len - at : 1 + below(len - at);
		s = gen_pick();
		gen_fill(&s, 0, ot.data + at, part);
		extent_set(into, off + at, part, &s);
		at += part;
	}
}

/* pwrite, or write at the end if the descriptor appends. */
static ssize_t put(int fd, const u8 *data, u64 len, u64 off)
{
	if (fcntl(fd, F_GETFL) & O_APPEND)
		return write(fd, data, len);
	return pwrite(fd, data, len, (off_t)off);
}

/* Write len new bytes (at most IO_MAX) at off; times are the caller's. */
enum outcome write_some(struct node *n, int fd, u64 off, u64 len)
{
	/* what the file will be, on a node that nobody sees */
	struct node fresh = { .mode = S_IFREG };
	enum outcome o = DONE;
	u64 done = 0;
	ssize_t ret;

	write_fill(off, len, &fresh);
	while (done < len) {
		ret = put(fd, ot.data + done, len - done, off + done);
		o = judge("write", n, ret, 0);
		if (o != DONE)
			break;
		if (!ret || (u64)ret > len - done) {
			diff(DIFF_ERRNO, n, "write of %llu bytes gave %zd",
			     (unsigned long long)(len - done), ret);
			o = WRONG;
			break;
		}
		done += (u64)ret;
	}
	if (done)
		extent_copy(n, off, &fresh, off, done);
	node_resize(&fresh, 0);
	free(fresh.extent);
	if (o == FULL)
		adopt(n, fd, off + done, len - done, ot.data + done);
	return o;
}

static void do_write(struct node *n, u64 off, u64 len, int flags)
{
	enum outcome o;
	bool close_it;
	int fd;

	if (ot.live_bytes > ot.max_bytes)
		len = 1 + len % 64;
	note("%s %llu+%llu, size %llu", label(n), (unsigned long long)off,
	     (unsigned long long)len, (unsigned long long)n->size);
	fd = node_open(n, O_RDWR | flags, &close_it);
	if (fd < 0)
		return;
	o = write_some(n, fd, off, len);
	attr_seen(n, fd, NULL, o == DONE ? NEW : TOUCHED);
	if (chance(3) && !(flags & O_DIRECT))
		check_range(n, fd, off - off % 4096, len + 4096);
	done_with(n, fd, close_it);
}

void op_write(void)
{
	struct node *n = file_pick();

	if (n)
		do_write(n, off_pick(n), pick_len(IO_MAX), 0);
}

void op_append(void)
{
	struct node *n = file_pick();

	if (n && n->size < 2 * FILE_MAX)
		do_write(n, n->size, pick_len(65536), O_APPEND);
}

/* Far beyond the end. */
void op_far(void)
{
	struct node *n = file_pick();
	u64 off;

	if (!n)
		return;
	off = 1ull << (20 + below(43));
	off = min_t(u64, off, ot.has.far);
	do_write(n, off - below(8192), 1 + below(8192), 0);
}

void op_direct_write(void)
{
	struct node *n = file_pick();
	u64 off;

	if (!n || !ot.has.direct)
		return;
	off = off_pick(n) & ~4095ull;
	do_write(n, off, 4096 * (1 + below(32)), O_DIRECT);
}

static u64 pick_size(const struct node *n)
{
	switch (below(8)) {
	case 0:
		return 0;
	case 1:
		return 4096 * below(64);
	case 2:
		return 4096 * below(64) + 1;
	case 3:
		return n->size + below(20000);
	case 4:
		return chance(8) ? 1ull << (20 + below(20)) : n->size;
	case 5:
		return n->size - below(min_t(u64, n->size, 5000));
	default:
		return off_pick(n);
	}
}

void op_truncate(void)
{
	struct node *n = file_pick();
	bool close_it, same;
	enum outcome o;
	u64 size;
	int fd;

	if (!n)
		return;
	size = min_t(u64, pick_size(n), ot.has.far);
	same = size == n->size;
	note("%s from %llu to %llu", label(n), (unsigned long long)n->size,
	     (unsigned long long)size);
	fd = node_open(n, O_RDWR, &close_it);
	if (fd < 0)
		return;
	o = judge("ftruncate", n, ftruncate(fd, (off_t)size), 0);
	if (o == DONE)
		node_resize(n, size);
	else if (o == FULL && !size)
		diff(DIFF_ERRNO, n, "truncate to 0 failed for lack of space");
	attr_seen(n, fd, NULL, o == DONE && !same ? NEW : TOUCHED);
	if (chance(2) && size)
		check_range(n, fd, size - min_t(u64, size, 5000), 10000);
	done_with(n, fd, close_it);
}

/* --- reading --- */

static void do_read(int flags, u64 align)
{
	struct node *n = file_pick();
	bool close_it;
	u64 off, len;
	int fd;

	if (!n)
		return;
	off = off_pick(n) & ~(align - 1);
	len = (pick_len(IO_MAX) + align - 1) & ~(align - 1);
	note("%s %llu+%llu", label(n), (unsigned long long)off,
	     (unsigned long long)len);
	fd = node_open(n, O_RDONLY | flags, &close_it);
	if (fd < 0)
		return;
	check_range(n, fd, off, len);
	done_with(n, fd, close_it);
}

void op_read(void)
{
	do_read(0, 1);
}

void op_direct_read(void)
{
	if (ot.has.direct)
		do_read(O_DIRECT, 4096);
}

/* What the file system calls a hole must be zeros. */
static void check_hole(const struct node *n, u64 off, u64 end)
{
	const struct extent *e;
	u64 at = off, from, to;
	size_t part, i;

	while (at < end) {
		e = extent_at(n, at);
		if (!e || e->off >= end)
			return;
		from = max_t(u64, e->off, at);
		to = min_t(u64, e->off + e->len, end);
		for (; from < to; from += part) {
			part = min_t(u64, to - from, IO_MAX);
			extent_fill(n, from, ot.want, part);
			for (i = 0; i < part && !ot.want[i]; i++)
				;
			if (i == part)
				continue;
			from += i;
			diff(DIFF_HOLE, n,
			     "hole %llu..%llu, but data of operation %u at %llu",
			     (unsigned long long)off, (unsigned long long)end,
			     e->src.op, (unsigned long long)from);
			return;
		}
		at = to;
	}
}

void op_seek_data(void)
{
	struct node *n = file_pick();
	off_t at = 0, data, hole;
	u32 i;
	bool close_it;
	int fd;

	if (!n || !ot.has.seek_data)
		return;
	note("%s", label(n));
	fd = node_open(n, O_RDONLY, &close_it);
	if (fd < 0)
		return;
	for (i = 0; i < 2000 && (u64)at < n->size; i++) {
		data = lseek(fd, at, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			data = (off_t)n->size;
		if (judge("SEEK_DATA", n, data, 0) != DONE)
			break;
		check_hole(n, (u64)at, (u64)data);
		if ((u64)data == n->size)
			break;
		hole = lseek(fd, data, SEEK_HOLE);
		if (judge("SEEK_HOLE", n, hole, 0) != DONE)
			break;
		if (data < at || hole <= data || (u64)hole > n->size) {
			diff(DIFF_HOLE, n,
			     "from %lld: data at %lld, hole at %lld, size %llu",
			     (long long)at, (long long)data, (long long)hole,
			     (unsigned long long)n->size);
			break;
		}
		at = hole;
	}
	hole = lseek(fd, (off_t)n->size, SEEK_DATA);
	judge("SEEK_DATA at the end", n, hole, ENXIO);
	done_with(n, fd, close_it);
}
