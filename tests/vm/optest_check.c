// SPDX-License-Identifier: GPL-2.0-only
/*
 * optest: comparing what the file system says with the oracle, and reporting.
 *
 * A difference is printed where it is found and counted; the run ends after
 * the operation that found it, so that one comparison can show several. The
 * oracle is not corrected by what was found.
 */
#include <dirent.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "optest.h"

#define DIFFS_PRINTED 20
#define HOLE_WHOLE (512u << 10) /* longer holes are read in part */
#define HOLE_EDGE (64u << 10)

static const char *const diff_names[DIFF_KINDS] = {
	[DIFF_DATA] = "data",	    [DIFF_SIZE] = "size",
	[DIFF_MISSING] = "missing", [DIFF_EXTRA] = "extra",
	[DIFF_TYPE] = "type",	    [DIFF_MODE] = "mode",
	[DIFF_OWNER] = "owner",	    [DIFF_NLINK] = "links",
	[DIFF_TIME] = "time",	    [DIFF_INO] = "inode",
	[DIFF_TARGET] = "target",   [DIFF_XATTR] = "xattr",
	[DIFF_RDEV] = "rdev",	    [DIFF_ERRNO] = "error",
	[DIFF_READDIR] = "readdir", [DIFF_STATFS] = "statfs",
	[DIFF_HOLE] = "hole",
};

const char *diff_name(enum diff_kind kind)
{
	return diff_names[kind];
}

void fatal(const char *fmt, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "optest: worker %u operation %u: ", ot.worker, ot.op);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(2);
}

/* Names may hold any byte; reports should not. */
void printable(char *s)
{
	for (; *s; s++)
		if (*s < ' ' || *s > '~')
			*s = '?';
}

/* One line about what is being done, kept for a report. */
void note(const char *fmt, ...)
{
	char *line = ot.history[ot.nr_history++ % HISTORY];
	va_list args;
	int at = snprintf(line, HISTORY_LEN, "%u %s: ", ot.op, ot.op_name);

	va_start(args, fmt);
	vsnprintf(line + at, (size_t)(HISTORY_LEN - at), fmt, args);
	va_end(args);
	printable(line);
	if (ot.verbose)
		printf("w%u %s\n", ot.worker, line);
}

void diff(enum diff_kind kind, const struct node *n, const char *fmt, ...)
{
	char text[2 * PATH_LEN_MAX];
	va_list args;

	ot.diff_mask |= 1u << kind;
	if (ot.nr_diffs++ >= DIFFS_PRINTED || ot.self_test)
		return;
	printf("optest: DIFFERENCE %s: worker %u operation %u (%s)",
	       diff_names[kind], ot.worker, ot.op, ot.op_name);
	if (n)
		printf(" %s (inode %llu)", label(n),
		       (unsigned long long)n->ino);
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	printable(text);
	printf(": %s\n", text);
}

static bool is_full(int err)
{
	return err == ENOSPC || err == EDQUOT;
}

/* How did a call end that should give want (0 or an errno)? Uses errno. */
enum outcome judge(const char *call, struct node *n, long ret, int want)
{
	int got = ret < 0 ? errno : 0;

	if (got == want)
		return got ? REFUSED : DONE;
	if (is_full(got)) {
		ot.nr_full++;
		if (n)
			n->times_unsure = true;
		note("%s: no space", call);
		return FULL;
	}
	diff(DIFF_ERRNO, n, "%s gave %s, expected %s", call,
	     got ? strerrorname_np(got) : "success",
	     want ? strerrorname_np(want) : "success");
	return WRONG;
}

/* --- content --- */

static void print_hex(const char *what, const u8 *p, size_t len)
{
	size_t i;

	printf("    %s", what);
	for (i = 0; i < len; i++)
		printf(" %02x", p[i]);
	putchar('\n');
}

/* Compare bytes read (got, at most IO_MAX) with what should be at off. */
void check_bytes(const struct node *n, const char *how, u64 off, const u8 *got,
		 size_t len)
{
	const struct extent *e;
	size_t first, last, nr = 0, zeros = 0, i;
	unsigned long long from, to;
	bool printed = ot.nr_diffs < DIFFS_PRINTED && !ot.self_test;

	extent_fill(n, off, ot.want, len);
	if (!memcmp(ot.want, got, len))
		return;
	for (first = 0; ot.want[first] == got[first]; first++)
		;
	for (last = len - 1; ot.want[last] == got[last]; last--)
		;
	for (i = first; i <= last; i++) {
		nr += ot.want[i] != got[i];
		zeros += ot.want[i] != got[i] && !got[i];
	}
	from = off + first;
	to = off + last;
	e = extent_at(n, from);
	diff(DIFF_DATA, n,
	     "%s at %llu: %zu wrong bytes from %llu to %llu, %zu of them zeros; file size %llu",
	     how, (unsigned long long)off, nr, from, to, zeros,
	     (unsigned long long)n->size);
	if (!printed)
		return;
	if (e && e->off <= from)
		printf("    written by operation %u, kind %u, extent %llu+%llu\n",
		       e->src.op, e->src.kind, (unsigned long long)e->off,
		       (unsigned long long)e->len);
	else
		printf("    should be a hole\n");
	nr = min_t(size_t, 16, len - first);
	print_hex("expected", ot.want + first, nr);
	print_hex("found   ", got + first, nr);
}

/* Read and compare a range, which may go beyond the end. */
void check_range(struct node *n, int fd, u64 off, u64 len)
{
	size_t part, want;
	ssize_t got;

	while (len) {
		part = min_t(u64, len, IO_MAX);
		want = off >= n->size ? 0 : min_t(u64, part, n->size - off);
		got = pread(fd, ot.got, part, (off_t)off);
		if (judge("pread", n, got, 0) != DONE)
			return;
		if ((size_t)got != want) {
			diff(DIFF_SIZE, n,
			     "pread of %zu bytes at %llu gave %zd, expected %zu",
			     part, (unsigned long long)off, got, want);
			return;
		}
		if (!got)
			return;
		check_bytes(n, "read", off, ot.got, (size_t)got);
		off += part;
		len -= part;
	}
}

/* All of a file, but only edges and a sample of long holes. */
void check_content(struct node *n, int fd)
{
	const struct extent *e;
	u64 off = 0, end;

	while (off < n->size) {
		e = extent_at(n, off);
		end = e ? max_t(u64, e->off, off) : n->size;
		if (end - off > HOLE_WHOLE) {
			check_range(n, fd, off, HOLE_EDGE);
			check_range(n, fd, off + below(end - off - 4096), 4096);
			check_range(n, fd, end - HOLE_EDGE, HOLE_EDGE);
			off = end;
			continue;
		}
		if (e)
			end = e->off + e->len;
		end = min_t(u64, end, n->size);
		/* several extents by one call */
		while (end < n->size && end - off < IO_MAX) {
			e = extent_at(n, end);
			if (!e || e->off - end > HOLE_WHOLE)
				break;
			end = min_t(u64, e->off + e->len, n->size);
		}
		check_range(n, fd, off, end - off);
		off = end;
	}
	check_range(n, fd, n->size, 4096);
	ot.nr_verified++;
}

/* --- attributes --- */

static bool time_in_window(const struct timespec *t)
{
	struct timespec now, start = ot.op_start;

	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_nsec += 10000000;
	if (now.tv_nsec >= 1000000000) {
		now.tv_sec++;
		now.tv_nsec -= 1000000000;
	}
	if (ot.has.gran_ns)
		start.tv_nsec -= start.tv_nsec % ot.has.gran_ns;
	if (t->tv_sec < start.tv_sec ||
	    (t->tv_sec == start.tv_sec && t->tv_nsec < start.tv_nsec))
		return false;
	return t->tv_sec < now.tv_sec ||
	       (t->tv_sec == now.tv_sec && t->tv_nsec <= now.tv_nsec);
}

static void check_time(const struct node *n, const char *what,
		       struct timespec *have,
		       const struct statx_timestamp *found, bool is_new,
		       bool may_be_new)
{
	struct timespec t = { .tv_sec = found->tv_sec,
			      .tv_nsec = found->tv_nsec };
	bool same = t.tv_sec == have->tv_sec && t.tv_nsec == have->tv_nsec;
	bool right = is_new	? time_in_window(&t) :
		     may_be_new ? same || time_in_window(&t) :
				  same;

	if (!right && !n->times_unsure)
		diff(DIFF_TIME, n,
		     "%s is %lld.%09ld, %s %lld.%09ld, operation began at %lld.%09ld",
		     what, (long long)t.tv_sec, t.tv_nsec,
		     is_new ? "should be new, was" : "expected",
		     (long long)have->tv_sec, have->tv_nsec,
		     (long long)ot.op_start.tv_sec, ot.op_start.tv_nsec);
	*have = t;
}

static void check_times(struct node *n, const struct statx *st, u32 flags)
{
	struct timespec t = { .tv_sec = st->stx_btime.tv_sec,
			      .tv_nsec = st->stx_btime.tv_nsec };

	if (flags & TIMES_ANY) {
		n->mtime = (struct timespec){ st->stx_mtime.tv_sec,
					      st->stx_mtime.tv_nsec };
		n->ctime = (struct timespec){ st->stx_ctime.tv_sec,
					      st->stx_ctime.tv_nsec };
	} else if (ot.check_times) {
		if (flags & MTIME_NEW && flags & CTIME_NEW)
			n->times_unsure = false;
		check_time(n, "mtime", &n->mtime, &st->stx_mtime,
			   flags & MTIME_NEW, flags & TOUCHED);
		check_time(n, "ctime", &n->ctime, &st->stx_ctime,
			   flags & CTIME_NEW, flags & (TOUCHED | CTOUCHED));
	}
	if (!ot.has.btime || !ot.check_times)
		return;
	if (!n->btime.tv_sec)
		n->btime = t;
	else if (t.tv_sec != n->btime.tv_sec || t.tv_nsec != n->btime.tv_nsec)
		diff(DIFF_TIME, n, "birth time changed from %lld to %lld",
		     (long long)n->btime.tv_sec, (long long)t.tv_sec);
}

static void check_stat(struct node *n, const struct statx *st, u32 flags)
{
	bool is_shared = n == ot.root && ot.shared_dir;
	u64 rdev = makedev(st->stx_rdev_major, st->stx_rdev_minor);

	if ((st->stx_mode & S_IFMT) != (n->mode & S_IFMT)) {
		diff(DIFF_TYPE, n, "mode %o, expected %o", st->stx_mode,
		     n->mode);
		return;
	}
	if (st->stx_mode != n->mode)
		diff(DIFF_MODE, n, "mode %o, expected %o", st->stx_mode,
		     n->mode);
	if (st->stx_uid != n->uid || st->stx_gid != n->gid)
		diff(DIFF_OWNER, n, "owner %u:%u, expected %u:%u", st->stx_uid,
		     st->stx_gid, n->uid, n->gid);
	if (!n->ino)
		n->ino = st->stx_ino;
	else if (n->ino != st->stx_ino)
		diff(DIFF_INO, n, "inode number %llu, expected %llu",
		     (unsigned long long)st->stx_ino,
		     (unsigned long long)n->ino);
	if (is_shared)
		return;
	if (st->stx_nlink != node_nlink(n))
		diff(DIFF_NLINK, n, "%u links, expected %u", st->stx_nlink,
		     node_nlink(n));
	if (!S_ISDIR(n->mode) && st->stx_size != n->size)
		diff(DIFF_SIZE, n, "size %llu, expected %llu",
		     (unsigned long long)st->stx_size,
		     (unsigned long long)n->size);
	if (rdev != n->rdev)
		diff(DIFF_RDEV, n, "device %llx, expected %llx",
		     (unsigned long long)rdev, (unsigned long long)n->rdev);
	check_times(n, st, flags);
}

/* Stat a node (by fd if >= 0) and compare; flags say what was done to it. */
void attr_seen(struct node *n, int fd, const char *path, u32 flags)
{
	struct statx st;
	int err;

	if (fd >= 0)
		err = statx(fd, "", AT_EMPTY_PATH,
			    STATX_BASIC_STATS | STATX_BTIME, &st);
	else
		err = statx(ot.base, path ?: "", AT_SYMLINK_NOFOLLOW,
			    STATX_BASIC_STATS | STATX_BTIME, &st);
	if (err < 0) {
		if (errno == ENOENT)
			diff(DIFF_MISSING, n, "it is not there");
		else
			judge("statx", n, err, 0);
		return;
	}
	check_stat(n, &st, flags);
}

static int handle_fd(const struct node *n)
{
	u32 i;

	for (i = 0; i < ot.nr_handles; i++)
		if (ot.handle[i].node == n)
			return ot.handle[i].fd;
	return -1;
}

void attr_seen_path(struct node *n, u32 flags)
{
	const char *path = node_path(n);

	if (path)
		attr_seen(n, -1, path, flags);
	else
		attr_seen(n, handle_fd(n), NULL, flags);
}

/* Is a name there exactly if it should be, and the right inode? */
void check_name(struct node *dir, const char *name)
{
	const struct link *l = link_find(dir, name);
	char path[PATH_LEN_MAX];
	struct stat st;
	int err;

	name_path(dir, name, path);
	err = fstatat(ot.base, path, &st, AT_SYMLINK_NOFOLLOW);
	if (err < 0 && errno != ENOENT) {
		judge("fstatat", l ? l->node : dir, err, 0);
		return;
	}
	if (!l && !err)
		diff(DIFF_EXTRA, NULL, "%s should not be there", path);
	if (l && err)
		diff(DIFF_MISSING, l->node, "%s is not there", path);
	if (l && !err && l->node->ino && l->node->ino != st.st_ino)
		diff(DIFF_INO, l->node, "%s has inode %llu, expected %llu",
		     path, (unsigned long long)st.st_ino,
		     (unsigned long long)l->node->ino);
}

/* --- xattrs --- */

static bool xattr_is_ours(const char *name)
{
	const char *dot = strchr(name, '.');

	return dot && !strncmp(dot, ".ot", 3);
}

static void check_xattr(const struct node *n, const struct xattr *x, int fd,
			const char *path)
{
	u8 *value = xmalloc(2 * XATTR_LEN_MAX);
	ssize_t len;

	len = fd >= 0 ? fgetxattr(fd, x->name, value, XATTR_LEN_MAX) :
			lgetxattr(path, x->name, value, XATTR_LEN_MAX);
	if (len < 0) {
		diff(DIFF_XATTR, n, "%s (%u bytes, operation %u): %s", x->name,
		     x->len, x->src.op, strerrorname_np(errno));
		goto out;
	}
	if ((u32)len != x->len) {
		diff(DIFF_XATTR, n, "%s has %zd bytes, expected %u", x->name,
		     len, x->len);
		goto out;
	}
	gen_fill(&x->src, 0, value + XATTR_LEN_MAX, (size_t)len);
	if (memcmp(value, value + XATTR_LEN_MAX, (size_t)len))
		diff(DIFF_XATTR, n, "%s (%u bytes, operation %u): wrong value",
		     x->name, x->len, x->src.op);
out:
	free(value);
}

/* Names and values; path is absolute, used if fd < 0. */
void check_xattrs(struct node *n, int fd, const char *path)
{
	char *list, *name;
	ssize_t len;
	u32 nr = 0, i;

	if (!ot.has.user_xattr && !ot.has.trusted_xattr &&
	    !ot.has.security_xattr)
		return;
	list = xmalloc(XATTR_LEN_MAX);
	len = fd >= 0 ? flistxattr(fd, list, XATTR_LEN_MAX) :
			llistxattr(path, list, XATTR_LEN_MAX);
	if (judge("listxattr", n, len, 0) != DONE)
		len = 0;
	for (name = list; name < list + len; name += strlen(name) + 1) {
		if (!xattr_is_ours(name))
			continue;
		nr++;
		if (!xattr_find(n, name))
			diff(DIFF_XATTR, n, "%s should not be there", name);
	}
	if (nr != n->nr_xattrs)
		diff(DIFF_XATTR, n, "%u xattrs listed, expected %u", nr,
		     n->nr_xattrs);
	free(list);
	for (i = 0; i < n->nr_xattrs; i++)
		check_xattr(n, &n->xattr[i], fd, path);
}

/* --- directories --- */

static u8 d_type_of(u32 mode)
{
	return (u8)((mode & S_IFMT) >> 12);
}

static void check_entry(const struct node *dir, const struct dirent *d,
			u8 *seen)
{
	const struct link *l = link_find(dir, d->d_name);

	if (!l) {
		diff(DIFF_EXTRA, dir, "entry '%s' should not be there",
		     d->d_name);
		return;
	}
	if (seen[l->at_dir]++)
		diff(DIFF_READDIR, dir, "entry '%s' comes twice", d->d_name);
	if (l->node->ino && d->d_ino != l->node->ino)
		diff(DIFF_INO, dir, "entry '%s' has inode %llu, expected %llu",
		     d->d_name, (unsigned long long)d->d_ino,
		     (unsigned long long)l->node->ino);
	if (d->d_type != DT_UNKNOWN && d->d_type != d_type_of(l->node->mode))
		diff(DIFF_TYPE, dir, "entry '%s' has type %u, expected %u",
		     d->d_name, d->d_type, d_type_of(l->node->mode));
}

static void check_dir(struct node *dir, const char *path)
{
	int fd = openat(ot.base, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	u8 *seen = xmalloc(dir->nr_entries + 1);
	u32 i, dots = 0;
	struct dirent *d;
	DIR *stream;

	memset(seen, 0, dir->nr_entries + 1);
	stream = fd < 0 ? NULL : fdopendir(fd);
	if (judge("opendir", dir, stream ? 0 : -1, 0) != DONE || !stream)
		goto out;
	for (errno = 0; (d = readdir(stream)); errno = 0) {
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			dots++;
		else if (name_is_mine(dir, d->d_name))
			check_entry(dir, d, seen);
	}
	judge("readdir", dir, errno ? -1 : 0, 0);
	closedir(stream);
	if (dots != 2)
		diff(DIFF_READDIR, dir, "%u entries . and ..", dots);
	for (i = 0; i < dir->nr_entries; i++)
		if (!seen[i])
			diff(DIFF_MISSING, dir->entry[i]->node,
			     "entry '%s' of its directory is missing",
			     dir->entry[i]->name);
out:
	free(seen);
}

static void check_symlink(struct node *n, const char *path)
{
	char target[PATH_LEN_MAX + 1];
	ssize_t len = readlinkat(ot.base, path, target, sizeof(target) - 1);

	if (judge("readlink", n, len, 0) != DONE)
		return;
	target[len] = 0;
	if (strcmp(target, n->target))
		diff(DIFF_TARGET, n, "target '%s', expected '%s'", target,
		     n->target);
}

/* Everything about one node. */
void check_node(struct node *n)
{
	const char *in_oracle = node_path(n);
	char path[PATH_LEN_MAX], in_proc[PATH_LEN_MAX + 64];
	int fd = handle_fd(n), err;
	u32 before = ot.nr_diffs;

	if (in_oracle) {
		copy_text(path, in_oracle, sizeof(path));
		snprintf(in_proc, sizeof(in_proc), "/proc/self/fd/%d/%s",
			 ot.base, path);
		fd = -1;
	}
	attr_seen_path(n, 0);
	/* what the path leads to is something else, or nothing */
	if (ot.nr_diffs != before &&
	    (ot.diff_mask & (1u << DIFF_TYPE | 1u << DIFF_MISSING)))
		return;
	if (S_ISREG(n->mode)) {
		if (in_oracle) {
			fd = openat(ot.base, path, O_RDONLY | O_NOFOLLOW);
			if (judge("open", n, fd, 0) != DONE)
				return;
		}
		check_content(n, fd);
	}
	if (fd >= 0 || in_oracle)
		check_xattrs(n, fd, in_proc);
	if (S_ISREG(n->mode) && in_oracle) {
		err = close(fd);
		judge("close", n, err, 0);
	}
	if (S_ISDIR(n->mode))
		check_dir(n, path);
	if (S_ISLNK(n->mode))
		check_symlink(n, path);
}

void check_all(void)
{
	u32 i;

	for (i = 0; i < ot.nr_nodes; i++)
		check_node(ot.node[i]);
}
