// SPDX-License-Identifier: GPL-2.0-only
/*
 * optest: shared and private mappings, fallocate in its modes, copies and
 * clones. A store to a mapping that finds no space raises SIGBUS, which is
 * caught only around the stores and loads here.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/falloc.h>
#include <linux/fs.h>

#include "optest.h"

static sigjmp_buf bus_jump;

static void on_bus(int sig)
{
	siglongjmp(bus_jump, sig);
}

/* memcpy that a mapping may refuse. */
static bool copy_mapped(void *to, const void *from, size_t len)
{
	struct sigaction old, act = { .sa_handler = on_bus };
	volatile bool done = false;

	sigaction(SIGBUS, &act, &old);
	if (!sigsetjmp(bus_jump, 1)) {
		memcpy(to, from, len);
		done = true;
	}
	sigaction(SIGBUS, &old, NULL);
	return done;
}

struct window {
	struct node *n;
	int fd;
	bool close_it;
	u8 *map; /* starts at a page */
	size_t map_len;
	u64 off, len; /* the bytes meant, inside the file */
	u8 *at; /* of off */
};

/* Map some of a file; false if there is nothing to map. */
static bool window_open(struct window *w, int prot, int flags)
{
	u64 start;

	w->n = file_pick();
	if (!w->n || !w->n->size)
		return false;
	w->off = off_pick(w->n);
	if (w->off >= w->n->size)
		w->off = below(w->n->size);
	w->len = min_t(u64, pick_len(256 << 10), w->n->size - w->off);
	start = w->off & ~4095ull;
	w->map_len = (size_t)(w->off - start + w->len);
	note("%s %llu+%llu, size %llu", label(w->n), (unsigned long long)w->off,
	     (unsigned long long)w->len, (unsigned long long)w->n->size);
	w->fd = node_open(w->n, prot & PROT_WRITE ? O_RDWR : O_RDONLY,
			  &w->close_it);
	if (w->fd < 0)
		return false;
	w->map = mmap(NULL, w->map_len, prot, flags, w->fd, (off_t)start);
	if (w->map == MAP_FAILED) {
		judge("mmap", w->n, -1, 0);
		done_with(w->n, w->fd, w->close_it);
		return false;
	}
	w->at = w->map + (w->off - start);
	return true;
}

static void window_close(struct window *w)
{
	judge("munmap", w->n, munmap(w->map, w->map_len), 0);
	attr_seen(w->n, w->fd, NULL, TOUCHED);
	done_with(w->n, w->fd, w->close_it);
}

static void window_check(const struct window *w, const char *how)
{
	if (!copy_mapped(ot.got, w->at, w->len))
		diff(DIFF_ERRNO, w->n, "SIGBUS in a load at %llu+%llu",
		     (unsigned long long)w->off, (unsigned long long)w->len);
	else
		check_bytes(w->n, how, w->off, ot.got, w->len);
}

void op_mmap_write(void)
{
	struct node fresh = { .mode = S_IFREG };
	struct window w;
	bool stored;

	if (!window_open(&w, PROT_READ | PROT_WRITE, MAP_SHARED))
		return;
	write_fill(w.off, w.len, &fresh);
	stored = copy_mapped(w.at, ot.data, w.len);
	if (stored)
		extent_copy(w.n, w.off, &fresh, w.off, w.len);
	else
		ot.nr_full++;
	node_resize(&fresh, 0);
	free(fresh.extent);
	if (!stored)
		adopt(w.n, w.fd, w.off, w.len, ot.data);
	if (chance(3))
		window_check(&w, "mapped read");
	if (chance(3))
		judge("msync", w.n, msync(w.map, w.map_len, MS_SYNC), 0);
	else if (chance(3))
		judge("msync", w.n, msync(w.map, w.map_len, MS_ASYNC), 0);
	if (chance(3))
		check_range(w.n, w.fd, w.off, w.len);
	window_close(&w);
}

void op_mmap_read(void)
{
	struct window w;

	if (!window_open(&w, PROT_READ, chance(2) ? MAP_SHARED : MAP_PRIVATE))
		return;
	window_check(&w, "mapped read");
	window_close(&w);
}

/* Stores to a private mapping are nobody else's. */
void op_mmap_private(void)
{
	struct window w;

	if (!window_open(&w, PROT_READ | PROT_WRITE, MAP_PRIVATE))
		return;
	window_check(&w, "private mapping");
	memset(ot.data, 0xa5, w.len);
	if (!copy_mapped(w.at, ot.data, w.len))
		diff(DIFF_ERRNO, w.n, "SIGBUS in a store to a private mapping");
	check_range(w.n, w.fd, w.off, w.len);
	window_close(&w);
}

/* Stores behind the end of the file, in its last page, must not stay. */
void op_pollute(void)
{
	struct window w;
	u64 tail, size;

	if (!ot.pollute || !window_open(&w, PROT_READ | PROT_WRITE, MAP_SHARED))
		return;
	size = w.n->size;
	tail = (4096 - size % 4096) % 4096;
	if (w.off + w.len == size && tail) {
		memset(ot.data, 0xee, tail);
		if (!copy_mapped(w.at + w.len, ot.data, tail))
			ot.nr_full++;
		if (chance(2))
			judge("msync", w.n, msync(w.map, w.map_len, MS_SYNC),
			      0);
		size += 1 + below(6000);
		if (judge("ftruncate", w.n, ftruncate(w.fd, (off_t)size), 0) ==
		    DONE)
			node_resize(w.n, size);
		check_range(w.n, w.fd, w.off, w.len + tail + 6000);
	}
	window_close(&w);
}

/* --- fallocate --- */

/* A range for fallocate; opens the file. */
static struct node *falloc_pick(u64 *off, u64 *len, u64 align, int *fd,
				bool *close_it)
{
	struct node *n = file_pick();

	if (!n)
		return NULL;
	*off = off_pick(n) & ~(align - 1);
	*len = (pick_len(IO_MAX) + align - 1) & ~(align - 1);
	note("%s %llu+%llu, size %llu", label(n), (unsigned long long)*off,
	     (unsigned long long)*len, (unsigned long long)n->size);
	*fd = node_open(n, O_RDWR, close_it);
	return *fd < 0 ? NULL : n;
}

void op_fallocate(void)
{
	bool keep = ot.has.keep_size && chance(2), close_it;
	u64 off, len;
	struct node *n;
	enum outcome o;
	int fd;

	if (!ot.has.fallocate || ot.live_bytes > ot.max_bytes)
		return;
	n = falloc_pick(&off, &len, 1, &fd, &close_it);
	if (!n)
		return;
	o = judge("fallocate", n,
		  fallocate(fd, keep ? FALLOC_FL_KEEP_SIZE : 0, (off_t)off,
			    (off_t)len),
		  0);
	if (o == DONE && !keep && off + len > n->size)
		node_resize(n, off + len);
	if (o == FULL)
		adopt(n, fd, off, len, NULL);
	attr_seen(n, fd, NULL, TOUCHED);
	if (chance(2))
		check_range(n, fd, off, len);
	done_with(n, fd, close_it);
}

/* Punching and zeroing: the range reads as zeros, the size may grow. */
static void clear_range(int mode)
{
	bool keep = mode & FALLOC_FL_KEEP_SIZE, close_it;
	u64 off, len, end;
	struct node *n;
	enum outcome o;
	int fd;

	n = falloc_pick(&off, &len, 1, &fd, &close_it);
	if (!n)
		return;
	o = judge("fallocate", n, fallocate(fd, mode, (off_t)off, (off_t)len),
		  0);
	end = keep ? min_t(u64, off + len, n->size) : off + len;
	if (o == DONE) {
		if (end > n->size)
			node_resize(n, end);
		if (end > off)
			extent_clear(n, off, end - off);
	} else if (o == FULL) {
		memset(ot.data, 0, len);
		adopt(n, fd, off, len, ot.data);
	}
	attr_seen(n, fd, NULL, TOUCHED);
	if (chance(2))
		check_range(n, fd, off - off % 4096, len + 8192);
	done_with(n, fd, close_it);
}

void op_punch(void)
{
	if (ot.has.punch)
		clear_range(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
}

void op_zero_range(void)
{
	if (ot.has.zero_range && ot.live_bytes <= ot.max_bytes)
		clear_range(FALLOC_FL_ZERO_RANGE |
			    (chance(2) ? FALLOC_FL_KEEP_SIZE : 0));
}

/* Takes out, or opens, a range of whole blocks. */
void op_collapse(void)
{
	bool insert = ot.has.insert && (!ot.has.collapse || chance(2));
	bool close_it;
	u64 off, len;
	struct node *n;
	enum outcome o;
	int fd, want = 0;

	if (!insert && !ot.has.collapse)
		return;
	n = falloc_pick(&off, &len, 4096, &fd, &close_it);
	if (!n)
		return;
	if (insert ? off >= n->size : off + len >= n->size)
		want = EINVAL;
	else if (insert && n->size + len > ot.has.far)
		goto out;
	o = judge(insert ? "insert range" : "collapse range", n,
		  fallocate(fd,
			    insert ? FALLOC_FL_INSERT_RANGE :
				     FALLOC_FL_COLLAPSE_RANGE,
			    (off_t)off, (off_t)len),
		  want);
	if (o == DONE)
		extent_shift(n, insert ? off : off + len,
			     insert ? (s64)len : -(s64)len);
	attr_seen(n, fd, NULL, TOUCHED);
	if (o == DONE && chance(2))
		check_content(n, fd);
out:
	done_with(n, fd, close_it);
}

/* --- copies --- */

struct copy {
	struct node *from, *to;
	u64 off, to_off, len;
	int from_fd, to_fd;
	bool close_from, close_to;
};

static bool copy_open(struct copy *c, u64 align)
{
	c->from = file_pick();
	c->to = file_pick();
	if (!c->from || !c->from->size || ot.live_bytes > ot.max_bytes)
		return false;
	c->off = below(c->from->size) & ~(align - 1);
	c->len = min_t(u64, pick_len(IO_MAX), c->from->size - c->off) &
		 ~(align - 1);
	c->to_off = off_pick(c->to) & ~(align - 1);
	/* a range onto itself is refused, and that is somebody else's test */
	if (!c->len || (c->from == c->to && c->off < c->to_off + c->len &&
			c->to_off < c->off + c->len))
		return false;
	note("node %u %llu+%llu to node %u %llu", c->from->id,
	     (unsigned long long)c->off, (unsigned long long)c->len, c->to->id,
	     (unsigned long long)c->to_off);
	c->from_fd = node_open(c->from, O_RDONLY, &c->close_from);
	if (c->from_fd < 0)
		return false;
	c->to_fd = node_open(c->to, O_RDWR, &c->close_to);
	if (c->to_fd < 0)
		done_with(c->from, c->from_fd, c->close_from);
	return c->to_fd >= 0;
}

static void copy_close(struct copy *c, enum outcome o)
{
	if (o == FULL) {
		extent_fill(c->from, c->off, ot.data, c->len);
		adopt(c->to, c->to_fd, c->to_off, c->len, ot.data);
	}
	attr_seen(c->to, c->to_fd, NULL, TOUCHED);
	attr_seen(c->from, c->from_fd, NULL, 0);
	if (chance(2))
		check_range(c->to, c->to_fd, c->to_off, c->len);
	done_with(c->from, c->from_fd, c->close_from);
	done_with(c->to, c->to_fd, c->close_to);
}

void op_copy_range(void)
{
	enum outcome o = DONE;
	off_t from, to;
	struct copy c;
	ssize_t ret;

	if (!ot.has.copy_range || !copy_open(&c, 1))
		return;
	while (c.len) {
		from = (off_t)c.off;
		to = (off_t)c.to_off;
		ret = copy_file_range(c.from_fd, &from, c.to_fd, &to, c.len, 0);
		o = judge("copy_file_range", c.from, ret, 0);
		if (o != DONE)
			break;
		if (!ret || (u64)ret > c.len) {
			diff(DIFF_ERRNO, c.from, "copied %zd of %llu bytes",
			     ret, (unsigned long long)c.len);
			break;
		}
		extent_copy(c.to, c.to_off, c.from, c.off, (u64)ret);
		c.off += (u64)ret;
		c.to_off += (u64)ret;
		c.len -= (u64)ret;
	}
	copy_close(&c, o);
}

void op_clone(void)
{
	struct file_clone_range range;
	enum outcome o;
	struct copy c;

	if (!ot.has.clone || !copy_open(&c, 4096))
		return;
	range = (struct file_clone_range){
		.src_fd = c.from_fd,
		.src_offset = c.off,
		.src_length = c.len,
		.dest_offset = c.to_off,
	};
	o = judge("FICLONERANGE", c.from, ioctl(c.to_fd, FICLONERANGE, &range),
		  0);
	if (o == DONE)
		extent_copy(c.to, c.to_off, c.from, c.off, c.len);
	copy_close(&c, o);
}
