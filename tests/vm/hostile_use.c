// SPDX-License-Identifier: GPL-2.0-only
/*
 * Uses a mounted pool, however damaged: walks what a bounded walk meets, reads,
 * writes and removes. Calls may fail as they like; what must hold is that they
 * return.
 */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <linux/fiemap.h>
#include <linux/fs.h>

#include "hostile.h"
#include "kernel/uapi/vfsr_ioctl.h"

#define DEPTH_MAX 6u
#define ENTRIES_MAX 150u
#define NAMES_MAX 40u /* looked at in one directory */
#define PATH_LEN 4096u
#define IO_BYTES (128u * 1024)
#define FIEMAP_EXTENTS 32u
#define SEEKS_MAX 40u

/* One use of one pool; a process has one. */
static struct {
	struct used *used;
	struct dice dice;
	char path[ENTRIES_MAX][PATH_LEN];
	mode_t mode[ENTRIES_MAX];
	u32 nr;
	char buf[IO_BYTES];
} use;

static sigjmp_buf fault;

static void stage(const char *what)
{
	snprintf(use.used->stage, sizeof(use.used->stage), "%s", what);
}

/* Count a call. Return: whether it worked. */
static bool did(long ret)
{
	if (ret < 0)
		use.used->nr_failed++;
	else
		use.used->nr_worked++;
	return ret >= 0;
}

/* --- the walk --- */

static void look(const char *path, const struct stat *st)
{
	ssize_t bytes = llistxattr(path, use.buf, sizeof(use.buf));
	char value[4096];
	const char *name;

	if (did(bytes))
		for (name = use.buf; name < use.buf + bytes;
		     name += strlen(name) + 1)
			did(lgetxattr(path, name, value, sizeof(value)));
	if (S_ISLNK(st->st_mode))
		did(readlink(path, value, sizeof(value)));
}

static void walk(const char *path, u32 depth)
{
	struct dirent *e;
	u32 names = 0, nr;
	struct stat st;
	DIR *dir = opendir(path);

	did(dir ? 0 : -1);
	if (!dir)
		return;
	while (use.nr < ENTRIES_MAX && names++ < NAMES_MAX &&
	       (e = readdir(dir))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		nr = use.nr;
		if (snprintf(use.path[nr], PATH_LEN, "%s/%s", path,
			     e->d_name) >= (int)PATH_LEN)
			continue;
		use.used->nr_entries++;
		if (!did(lstat(use.path[nr], &st)))
			continue;
		use.mode[nr] = st.st_mode;
		use.nr++;
		look(use.path[nr], &st);
		if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
			walk(use.path[nr], depth + 1);
	}
	closedir(dir);
}

/* --- files --- */

static void on_fault(int nr)
{
	(void)nr;
	siglongjmp(fault, 1);
}

/* A page through the fault handlers, the file's first or its last. */
static void touch(int fd, off_t size, bool write)
{
	const long page = sysconf(_SC_PAGESIZE);
	off_t at = size > 0 && roll(&use.dice, 2) ? (size - 1) & -page : 0;
	volatile char *map;

	map = mmap(NULL, (size_t)page, PROT_READ | (write ? PROT_WRITE : 0),
		   MAP_SHARED, fd, at);
	if (!did(map == MAP_FAILED ? -1 : 0))
		return;
	if (!sigsetjmp(fault, 1)) {
		if (write)
			map[0] = 'w';
		else
			use.buf[0] = map[0];
	}
	munmap((void *)map, (size_t)page);
}

static void map_extents(int fd)
{
	union {
		struct fiemap head;
		u8 room[sizeof(struct fiemap) +
			FIEMAP_EXTENTS * sizeof(struct fiemap_extent)];
	} m = { .head = { .fm_length = FIEMAP_MAX_OFFSET,
			  .fm_extent_count = FIEMAP_EXTENTS } };
	off_t at = 0;
	u32 i;

	did(ioctl(fd, FS_IOC_FIEMAP, &m.head));
	for (i = 0; i < SEEKS_MAX && at >= 0; i++) {
		at = lseek(fd, at, i & 1 ? SEEK_HOLE : SEEK_DATA);
		did(at);
	}
}

static void read_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (!did(fd))
		return;
	did(pread(fd, use.buf, sizeof(use.buf), 0));
	if (did(fstat(fd, &st)) && st.st_size > 0) {
		did(pread(fd, use.buf, sizeof(use.buf), st.st_size / 2));
		did(pread(fd, use.buf, sizeof(use.buf), st.st_size - 1));
		touch(fd, st.st_size, false);
	}
	map_extents(fd);
	close(fd);
}

static void change_file(const char *path)
{
	int fd = open(path, O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	u32 bytes = 1 + roll(&use.dice, IO_BYTES);
	struct stat st = { .st_size = 0 };

	if (!did(fd))
		return;
	did(fstat(fd, &st));
	memset(use.buf, (int)roll(&use.dice, 256), bytes);
	switch (roll(&use.dice, 8)) {
	case 0:
		did(pwrite(fd, use.buf, bytes, st.st_size));
		break;
	case 1:
		did(ftruncate(fd, st.st_size / 2));
		break;
	case 2:
		did(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			      bytes));
		break;
	case 3:
		did(ftruncate(fd, 0));
		break;
	case 4:
		touch(fd, st.st_size, true);
		break;
	case 5:
		did(fsetxattr(fd, "user.hostile", use.buf, bytes % 3000, 0));
		break;
	default:
		did(pwrite(fd, use.buf, bytes, roll(&use.dice, IO_BYTES)));
		break;
	}
	if (!roll(&use.dice, 4))
		did(fsync(fd));
	close(fd);
}

/* --- names --- */

static const char *any_path(void)
{
	return use.nr ? use.path[roll(&use.dice, use.nr)] : "/nothing";
}

static void make_names(const char *where)
{
	char path[PATH_LEN], other[PATH_LEN];
	u32 i;
	int fd;

	for (i = 0; i < 12; i++) {
		snprintf(path, sizeof(path), "%s/new%u", where, i);
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
		if (did(fd)) {
			did(write(fd, use.buf, roll(&use.dice, 20000)));
			close(fd);
		}
	}
	snprintf(path, sizeof(path), "%s/dir", where);
	did(mkdir(path, 0755));
	snprintf(other, sizeof(other), "%s/dir/moved", where);
	did(rename(any_path(), other));
	snprintf(other, sizeof(other), "%s/dir/link", where);
	did(link(any_path(), other));
	snprintf(other, sizeof(other), "%s/dir/symlink", where);
	did(symlink(any_path(), other));
	did(rename(any_path(), any_path()));
	fd = open(where, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	if (did(fd)) {
		did(write(fd, use.buf, IO_BYTES));
		close(fd);
	}
}

static void remove_names(void)
{
	u32 i;

	/* from below, as a removal does */
	for (i = use.nr; i-- > 0;) {
		if (S_ISDIR(use.mode[i]))
			did(rmdir(use.path[i]));
		else if (roll(&use.dice, 4))
			did(unlink(use.path[i]));
	}
}

static void use_tree(const char *where, bool write)
{
	struct statvfs vfs;
	u32 i;
	int fd;

	stage("walk");
	walk(where, 0);
	did(statvfs(where, &vfs));
	stage("read");
	for (i = 0; i < use.nr; i++)
		if (S_ISREG(use.mode[i]) && !roll(&use.dice, 3))
			read_file(use.path[i]);
	if (!write)
		return;
	stage("write");
	for (i = 0; i < use.nr; i++)
		if (S_ISREG(use.mode[i]) && !roll(&use.dice, 4))
			change_file(use.path[i]);
	stage("make names");
	make_names(where);
	stage("sync");
	fd = open(where, O_RDONLY | O_CLOEXEC);
	if (did(fd)) {
		did(syncfs(fd));
		close(fd);
	}
	stage("remove");
	remove_names();
}

/* --- mounting --- */

static int mount_pool(const char *where, unsigned int nr, char **devs, bool ro,
		      const char *options)
{
	char data[PATH_LEN];
	unsigned int i;
	int said;

	said = snprintf(data, sizeof(data), "%s", options);
	for (i = 1; i < nr; i++)
		said += snprintf(data + said, sizeof(data) - (size_t)said,
				 "%sdevice=%s", said ? "," : "", devs[i]);
	return mount(devs[0], where, "vfsr", ro ? MS_RDONLY : 0, data) ?
		       -errno :
		       0;
}

void use_mounted(const char *where, unsigned int nr, char **devs, u64 seed,
		 struct used *used)
{
	bool ro;

	use.used = used;
	use.dice = dice_of(seed, 1);
	signal(SIGBUS, on_fault);
	ro = !roll(&use.dice, 8);
	stage("mount");
	if (nr > 1 && !roll(&use.dice, 5))
		/* one device is not there */
		used->mount_errno =
			-mount_pool(where, nr - 1, devs, ro, "degraded");
	else
		used->mount_errno =
			-mount_pool(where, nr, devs, ro,
				    roll(&use.dice, 3) ? "" : "degraded,force");
	if (used->mount_errno)
		return;
	use_tree(where, !ro);
	stage("unmount");
	used->unmount_errno = umount2(where, 0) ? errno : 0;
	if (used->unmount_errno || roll(&use.dice, 2))
		return;
	/* once more: what was written into it is read */
	stage("mount again");
	if (!did(mount_pool(where, nr, devs, false, "degraded")))
		return;
	use.nr = 0;
	use_tree(where, false);
	stage("unmount again");
	used->unmount_errno = umount2(where, 0) ? errno : 0;
}

bool use_cut(const char *where, unsigned int nr, char **devs)
{
	static struct used used;
	__u32 flags = VFSR_SHUTDOWN_NOW;
	char path[PATH_LEN];
	bool ok;
	int fd;

	use.used = &used;
	use.dice = dice_of(0, 2);
	if (mount_pool(where, nr, devs, false, ""))
		return false;
	make_names(where);
	sync();
	snprintf(path, sizeof(path), "%s/after", where);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	/* some of it reaches the disk, and no record tells of it */
	ok = fd >= 0 && write(fd, use.buf, IO_BYTES) == IO_BYTES &&
	     !fsync(fd) && write(fd, use.buf, IO_BYTES) == IO_BYTES &&
	     !fdatasync(fd) && !ioctl(fd, VFSR_IOC_SHUTDOWN, &flags);
	if (fd >= 0)
		close(fd);
	return !umount2(where, 0) && ok;
}
