// SPDX-License-Identifier: GPL-2.0-only
/*
 * optest: what the file system below ot.base can do. Tried once at the start
 * with a few files that are removed again; what is missing is named, and its
 * operations do nothing.
 */
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <linux/falloc.h>
#include <linux/fs.h>

#include "optest.h"

#define PROBE "probe"
#define PROBE2 "probe2"

static bool try_xattr(int fd, const char *name, u32 len)
{
	bool can;

	memset(ot.data, 'x', len);
	can = !fsetxattr(fd, name, ot.data, len, 0);
	if (can)
		fremovexattr(fd, name);
	return can;
}

static void find_xattrs(int fd)
{
	static const u32 lens[] = { 65536, 32768, 16000, 8000,
				    4000,  3000,  1000,	 100 };
	const char *any;
	u32 i;

	ot.has.user_xattr = try_xattr(fd, "user.ot", 1);
	ot.has.trusted_xattr = try_xattr(fd, "trusted.ot", 1);
	ot.has.security_xattr = try_xattr(fd, "security.ot", 1);
	any = ot.has.user_xattr ? "user.ot" : "trusted.ot";
	for (i = 0; i < ARRAY_SIZE(lens) && !ot.has.xattr_len; i++)
		if (try_xattr(fd, any, lens[i]))
			ot.has.xattr_len = lens[i];
}

static bool try_fallocate(int fd, int mode)
{
	return !fallocate(fd, mode, 4096, 4096);
}

static void find_data(int fd, int fd2)
{
	struct file_clone_range range = { .src_fd = fd, .src_length = 4096 };
	off_t from = 0, to = 0;
	int direct, bit;

	memset(ot.data, 'd', 16384);
	if (pwrite(fd, ot.data, 16384, 0) != 16384)
		fatal("cannot write: %m");
	ot.has.copy_range = copy_file_range(fd, &from, fd2, &to, 4096, 0) > 0;
	ot.has.clone = !ioctl(fd2, FICLONERANGE, &range);
	ot.has.seek_data = lseek(fd, 0, SEEK_DATA) == 0;
	ot.has.fallocate = try_fallocate(fd, 0);
	ot.has.keep_size = try_fallocate(fd, FALLOC_FL_KEEP_SIZE);
	ot.has.punch =
		try_fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
	ot.has.zero_range = try_fallocate(fd, FALLOC_FL_ZERO_RANGE);
	ot.has.collapse = try_fallocate(fd, FALLOC_FL_COLLAPSE_RANGE);
	ot.has.insert = try_fallocate(fd, FALLOC_FL_INSERT_RANGE);
	direct = openat(ot.base, PROBE, O_RDWR | O_DIRECT);
	ot.has.direct = direct >= 0 &&
			pwrite(direct, ot.data, 4096, 0) == 4096 &&
			pread(direct, ot.data, 4096, 0) == 4096;
	if (direct >= 0)
		close(direct);
	for (bit = 62; bit > 20; bit--)
		if (pwrite(fd2, "x", 1, (off_t)(1ull << bit)) == 1)
			break;
	ot.has.far = (1ull << bit) - 32768;
}

static void find_names(void)
{
	static const u32 lens[] = { 4000, 2000, 1000, 500, 60 };
	char target[PATH_LEN_MAX + 1];
	struct stat st;
	int fd;
	u32 i;

	ot.has.noreplace = !renameat2(ot.base, PROBE2, ot.base, "probe3",
				      RENAME_NOREPLACE);
	ot.has.exchange =
		ot.has.noreplace &&
		!renameat2(ot.base, PROBE, ot.base, "probe3", RENAME_EXCHANGE);
	ot.has.whiteout =
		!renameat2(ot.base, PROBE, ot.base, "probe4", RENAME_WHITEOUT);
	fd = openat(ot.base, ".", O_TMPFILE | O_RDWR, 0600);
	ot.has.tmpfile = fd >= 0;
	if (fd >= 0)
		close(fd);
	ot.has.mknod_dev =
		!mknodat(ot.base, "probe5", S_IFCHR | 0600, makedev(400, 5));
	if (mkdirat(ot.base, "probe6", 0755) ||
	    mkdirat(ot.base, "probe6/sub", 0755) ||
	    fstatat(ot.base, "probe6", &st, 0))
		fatal("cannot make directories: %m");
	ot.has.dir_nlink = st.st_nlink == 3;
	for (i = 0; i < ARRAY_SIZE(lens) && !ot.has.symlink_len; i++) {
		memset(target, 't', lens[i]);
		target[lens[i]] = 0;
		if (!symlinkat(target, ot.base, "probe7"))
			ot.has.symlink_len = lens[i];
	}
}

static void find_times(int fd)
{
	static const s64 limits[] = { 15000000000, 4000000000, 2147483647 };
	struct timespec t[2] = { { 1, 123456789 }, { 1, 123456789 } };
	struct statx sx;
	struct stat st;
	u32 i;

	if (futimens(fd, t) || fstat(fd, &st))
		fatal("cannot set times: %m");
	ot.has.gran_ns = st.st_mtim.tv_nsec == 123456789 ? 1 :
			 st.st_mtim.tv_nsec == 123456700 ? 100 :
			 st.st_mtim.tv_nsec == 123456000 ? 1000 :
							   1000000000;
	for (i = 0; i < ARRAY_SIZE(limits) && !ot.has.time_max; i++) {
		t[1] = (struct timespec){ .tv_sec = limits[i] };
		if (!futimens(fd, t) && !fstat(fd, &st) &&
		    st.st_mtim.tv_sec == limits[i])
			ot.has.time_max = (u64)limits[i];
	}
	ot.has.btime = !statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &sx) &&
		       sx.stx_mask & STATX_BTIME;
	ot.has.chown = !geteuid() && !fchown(fd, 1000, 1000);
}

void features_find(void)
{
	static const char *const names[] = { PROBE,    PROBE2,	 "probe3",
					     "probe4", "probe5", "probe7" };
	int fd, fd2;
	u32 i;

	memset(&ot.has, 0, sizeof(ot.has));
	fd = openat(ot.base, PROBE, O_CREAT | O_EXCL | O_RDWR, 0644);
	fd2 = openat(ot.base, PROBE2, O_CREAT | O_EXCL | O_RDWR, 0644);
	if (fd < 0 || fd2 < 0)
		fatal("cannot create files: %m");
	find_xattrs(fd);
	find_data(fd, fd2);
	find_times(fd);
	find_names();
	close(fd);
	close(fd2);
	for (i = 0; i < ARRAY_SIZE(names); i++)
		unlinkat(ot.base, names[i], 0);
	if (unlinkat(ot.base, "probe6/sub", AT_REMOVEDIR) ||
	    unlinkat(ot.base, "probe6", AT_REMOVEDIR))
		fatal("cannot remove a directory: %m");
}

void features_print(void)
{
	const struct {
		const char *name;
		bool has;
	} list[] = {
		{ "user xattrs", ot.has.user_xattr },
		{ "trusted xattrs", ot.has.trusted_xattr },
		{ "security xattrs", ot.has.security_xattr },
		{ "O_TMPFILE", ot.has.tmpfile },
		{ "O_DIRECT", ot.has.direct },
		{ "fallocate", ot.has.fallocate },
		{ "KEEP_SIZE", ot.has.keep_size },
		{ "PUNCH_HOLE", ot.has.punch },
		{ "ZERO_RANGE", ot.has.zero_range },
		{ "COLLAPSE_RANGE", ot.has.collapse },
		{ "INSERT_RANGE", ot.has.insert },
		{ "clones", ot.has.clone },
		{ "copy_file_range", ot.has.copy_range },
		{ "RENAME_NOREPLACE", ot.has.noreplace },
		{ "RENAME_EXCHANGE", ot.has.exchange },
		{ "RENAME_WHITEOUT", ot.has.whiteout },
		{ "device nodes", ot.has.mknod_dev },
		{ "chown", ot.has.chown },
		{ "birth times", ot.has.btime },
		{ "SEEK_DATA", ot.has.seek_data },
	};
	u32 i, pass, nr;

	for (pass = 0; pass < 2; pass++) {
		printf("optest: %s:", pass ? "missing, not tested" : "has");
		for (nr = 0, i = 0; i < ARRAY_SIZE(list); i++)
			if (list[i].has == !pass)
				printf("%s %s", nr++ ? "," : "", list[i].name);
		printf("%s\n", nr ? "" : " nothing");
	}
	printf("optest: offsets to %llu, xattrs of %u bytes, symlinks of %u, times of %u ns\n",
	       (unsigned long long)ot.has.far, ot.has.xattr_len,
	       ot.has.symlink_len, ot.has.gran_ns);
}
