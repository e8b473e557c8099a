// SPDX-License-Identifier: GPL-2.0-only
/*
 * Filling a pool from a tree: trees with every kind of object are made in a
 * temporary directory, filled into an image by the real writer, checked as a
 * whole by vfsr_check(), and compared name by name with the host's: attributes, contents,
 * holes, links. Only core functions read the trees here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/items.h"
#include "lib/check.h"
#include "lib/fill.h"
#include "lib/out.h"

#define MIB (1024ull * 1024)
#define BLOCK VFSR_SECTOR_BYTES
#define XATTR_ROOM 65536

static char work_dir[256], tree[300], image[300], image2[300];

/* What a filled image says of itself. */
struct filled {
	struct vfsr_super *s;
	struct vfsr_fill_stats fill;
	struct vfsr_write_stats write;
};

struct reader {
	struct vfsr_pool *pool;
	struct vfsr_ws *ws;
	struct vfsr_tree t;
	u8 *chunk; /* contents of chunk_id */
	u64 chunk_id;
	u8 *host;
	u64 nr_extents, nr_uniform; /* of the file compared last */
	u64 nr_objects;
};

static u64 rng_state = 1;

static u32 rng(void)
{
	rng_state = rng_state * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)(rng_state >> 33);
}

/* --- making trees --- */

static int remove_one(const char *path, const struct stat *st, int flag,
		      struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(work_dir, sizeof(work_dir), "%s/vfsr-fill-XXXXXX",
		 tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(work_dir));
	snprintf(tree, sizeof(tree), "%s/tree", work_dir);
	snprintf(image, sizeof(image), "%s/image", work_dir);
	snprintf(image2, sizeof(image2), "%s/image2", work_dir);
	assert_int_equal(mkdir(tree, 0750), 0);
	rng_state = 1;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	nftw(work_dir, remove_one, 64, FTW_DEPTH | FTW_PHYS);
	return 0;
}

static const char *in_tree(const char *name)
{
	static char path[2][1024];
	static int turn;

	turn = !turn;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", tree, name);
	return path[turn];
}

static void put_bytes(int fd, u64 pos, const void *buf, size_t bytes)
{
	assert_int_equal(pwrite(fd, buf, bytes, (off_t)pos), bytes);
}

enum contents { TEXT, NOISE, ZEROS, SEVENS };

static void put_data(int fd, u64 pos, u64 bytes, enum contents what)
{
	static u8 buf[65536];
	size_t n, i;

	for (; bytes; bytes -= n, pos += n) {
		n = min_t(size_t, bytes, sizeof(buf));
		for (i = 0; i < n; i++)
			buf[i] = what == TEXT ? "lorem ipsum dolor "[i % 18] +
							(i % 97 == 0) :
				 what == NOISE ? (u8)rng() :
				 what == ZEROS ? 0 :
						 7;
		put_bytes(fd, pos, buf, n);
	}
}

static void make_file(const char *name, u64 bytes, enum contents what)
{
	int fd = open(in_tree(name), O_CREAT | O_WRONLY | O_EXCL, 0640);

	assert_true(fd >= 0);
	put_data(fd, 0, bytes, what);
	close(fd);
}

static void make_sparse(const char *name)
{
	int fd = open(in_tree(name), O_CREAT | O_WRONLY | O_EXCL, 0600);

	assert_true(fd >= 0);
	put_data(fd, 5 * MIB, 300000, TEXT);
	put_data(fd, 8 * MIB, 2 * MIB, ZEROS);
	put_data(fd, 90 * MIB + 4096, 5000, NOISE);
	put_data(fd, 100 * MIB, 3 * MIB + 100, SEVENS);
	assert_int_equal(ftruncate(fd, 2048 * MIB + 17), 0);
	close(fd);
}

static void set_attr(const char *name, const char *attr, u32 bytes)
{
	static u8 value[XATTR_ROOM];
	u32 i;

	for (i = 0; i < bytes; i++)
		value[i] = (u8)rng();
	/* not every file system takes every attribute */
	if (lsetxattr(in_tree(name), attr, value, bytes, 0))
		assert_true(errno == ENOTSUP || errno == EPERM ||
			    errno == ENOSPC || errno == E2BIG);
}

static void make_links(void)
{
	char target[PATH_MAX];

	memset(target, 'x', sizeof(target));
	target[4095] = 0;
	assert_int_equal(symlink(target, in_tree("link-4095")), 0);
	target[2] = 0;
	assert_int_equal(symlink(target, in_tree("link-2")), 0);
	make_file("linked", 100000, TEXT);
	make_file("linked-noise", 300000, NOISE);
	assert_int_equal(mkdir(in_tree("zz"), 0700), 0);
	assert_int_equal(link(in_tree("linked"), in_tree("zz/again")), 0);
	assert_int_equal(link(in_tree("linked"), in_tree("zz/third")), 0);
	assert_int_equal(link(in_tree("linked-noise"), in_tree("lnoise2")), 0);
	make_file("outside", 777, TEXT);
	/* a name that the tree does not have */
	assert_int_equal(link(in_tree("outside"), image2), 0);
	assert_int_equal(link(in_tree("outside"), in_tree("outside2")), 0);
	assert_int_equal(linkat(AT_FDCWD, in_tree("link-2"), AT_FDCWD,
				in_tree("zz/link-2"), 0),
			 0);
}

static void make_objects(void)
{
	struct timespec old[2] = { { -123456789, 5 },
				   { -123456789, 987654321 } };
	static const u64 sizes[] = { 0,	     1,	     64,    65,	    4095,
				     4096,   65535,  65536, 131071, 131072,
				     131073, 262144, 400001 };
	char name[VFSR_NAME_MAX + 1];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes) * 4; i++) {
		snprintf(name, sizeof(name), "f%u.c%u", i, i % 4);
		make_file(name, sizes[i / 4], (enum contents)(i % 4));
	}
	memset(name, 0xfe, VFSR_NAME_MAX);
	name[VFSR_NAME_MAX] = 0;
	make_file(name, 100, TEXT);
	make_file("old", 10, TEXT);
	make_sparse("sparse");
	make_links();
	assert_int_equal(mkfifo(in_tree("fifo"), 0604), 0);
	if (mknod(in_tree("chr"), S_IFCHR | 0600, makedev(300, 70000)) ||
	    chown(in_tree("f0.c0"), 12345, 4000000000u))
		print_message("without privilege: no devices and owners\n");
	assert_int_equal(chmod(in_tree("f5.c1"), 06755), 0);
	set_attr("f6.c2", "user.small", 10);
	set_attr("f6.c2", "user.empty", 0);
	set_attr("f7.c3", "user.large", 3000);
	set_attr("sparse", "user.sparse", 1700);
	set_attr("zz", "user.dir", 100);
	set_attr("link-2", "trusted.link", 20);
	assert_int_equal(utimensat(AT_FDCWD, in_tree("old"), old, 0), 0);
}

/* --- filling --- */

static void plan(struct vfsr_super *s, u64 bytes, unsigned int strip_shift)
{
	struct vfsr_plan_in in = { .layout = -1, .nr_devs = 1 };
	char why[256];

	in.dev_bytes[0] = bytes;
	in.have_data = in.have_meta = true;
	assert_int_equal(vfsr_policy_parse("single", &in.data), 0);
	assert_int_equal(vfsr_policy_parse("single", &in.meta), 0);
	in.strip_shift = strip_shift;
	in.compress_alg = VFSR_ALG_ZLIB;
	in.compress_level = 1;
	memset(in.uuid, 0x5a, sizeof(in.uuid));
	in.now.sec = 1234567890;
	if (vfsr_plan(&in, s, why, sizeof(why)))
		fail_msg("%s", why);
}

static int fill_image(const char *path, u64 bytes, unsigned int strip_shift,
		      const char *rootdir, unsigned int threads,
		      struct filled *out)
{
	struct vfsr_fill_opts opts = { .rootdir = rootdir,
				       .alg = VFSR_ALG_ZLIB,
				       .level = 1,
				       .keep = 80,
				       .threads = threads,
				       .now = { 1234567890, 5 } };
	struct vfsr_dev *dev[VFSR_MAX_MEMBERS] = { NULL };
	struct vfsr_writer *w;
	int fd, err;

	unlink(path);
	fd = open(path, O_CREAT | O_RDWR, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	close(fd);
	assert_int_equal(vfsr_dev_open(path, VFSR_DEV_WRITE, &dev[0]), 0);
	memset(out, 0, sizeof(*out));
	out->s = calloc(1, sizeof(*out->s));
	plan(out->s, dev[0]->bytes, strip_shift);
	assert_int_equal(vfsr_writer_new(out->s, dev, NULL, NULL, &w), 0);
	err = vfsr_fill(w, out->s, &opts, &out->fill);
	if (!err)
		assert_int_equal(vfsr_writer_commit(w, &out->write), 0);
	vfsr_writer_free(w);
	vfsr_dev_close(dev[0]);
	free(out->s);
	return err;
}

/* --- comparing --- */

static void finding(void *ctx, const struct vfsr_finding *f)
{
	(void)ctx;
	vfsr_complain("image", f->dev, f->grid, f->ino, &f->fault);
}

static void open_image(struct reader *r, const char *path)
{
	char *paths[1] = { (char *)path };
	struct vfsr_check_opts opts = { .report = finding };
	struct vfsr_check_stats stats;

	memset(r, 0, sizeof(*r));
	assert_int_equal(vfsr_pool_open(paths, 1, 0, &r->pool), 0);
	assert_int_equal(vfsr_check(r->pool, &opts, &stats), 0);
	assert_int_equal(stats.findings, 0);
	r->ws = vfsr_ws_new();
	r->chunk = malloc(VFSR_CHUNK_BYTES);
	r->host = malloc(VFSR_CHUNK_BYTES);
	assert_int_equal(vfsr_tree_init(&r->t, r->pool, r->ws), 0);
}

static void close_image(struct reader *r)
{
	vfsr_tree_release(&r->t);
	vfsr_ws_free(r->ws);
	vfsr_pool_close(r->pool);
	free(r->chunk);
	free(r->host);
}

static void get_chunk(struct reader *r, u64 id)
{
	struct vfsr_chunk c;

	if (r->chunk_id == id)
		return;
	assert_int_equal(vfsr_map_lookup(r->pool, id, &c, r->ws), 0);
	assert_int_equal(vfsr_pool_read(r->pool, &c, r->chunk, NULL, r->ws), 0);
	r->chunk_id = id;
}

static void compare_extent(struct reader *r, int fd, u64 pos,
			   const struct vfsr_extent *e)
{
	u64 done;
	u32 n, i;

	r->nr_extents++;
	if (e->chunk)
		get_chunk(r, e->chunk);
	else
		r->nr_uniform++;
	for (done = 0; done < e->bytes; done += n) {
		n = (u32)min_t(u64, e->bytes - done, VFSR_CHUNK_BYTES);
		assert_int_equal(pread(fd, r->host, n, (off_t)(pos + done)), n);
		if (e->chunk)
			assert_memory_equal(r->host, r->chunk + e->offset, n);
		for (i = 0; !e->chunk && i < n; i++)
			if (r->host[i] != e->fill)
				fail_msg("byte %u is not %u", i, e->fill);
	}
}

static void expect_hole(int fd, u64 pos, u64 end)
{
	off_t at;

	if (pos >= end)
		return;
	at = lseek(fd, (off_t)pos, SEEK_DATA);
	assert_true((at < 0 && errno == ENXIO) || at >= (off_t)end);
}

static void compare_data(struct reader *r, const char *path, u64 size)
{
	struct vfsr_key key = { VFSR_ITEM_INLINE, 0 };
	u8 value[VFSR_MAX_ITEM_BYTES];
	int fd = open(path, O_RDONLY);
	struct vfsr_extent e;
	u64 end = 0;
	u32 bytes;

	assert_true(fd >= 0);
	r->nr_extents = r->nr_uniform = 0;
	if (!vfsr_bt_next(&r->t.bt, &key, value, &bytes) &&
	    key.type == VFSR_ITEM_INLINE) {
		assert_int_equal(pread(fd, r->host, BLOCK, 0), size);
		assert_int_equal(bytes, size);
		assert_memory_equal(value, r->host, size);
		close(fd);
		return;
	}
	key = (struct vfsr_key){ VFSR_ITEM_EXTENT, 0 };
	while (!vfsr_bt_next(&r->t.bt, &key, value, &bytes) &&
	       key.type == VFSR_ITEM_EXTENT) {
		assert_int_equal(
			vfsr_extent_decode(value, bytes, key.key, &e, NULL), 0);
		expect_hole(fd, end, key.key * BLOCK);
		compare_extent(r, fd, key.key * BLOCK, &e);
		end = key.key * BLOCK + e.bytes;
		key.key++;
	}
	expect_hole(fd, end, size);
	close(fd);
}

static void compare_link(struct reader *r, const char *path, u64 size)
{
	struct vfsr_key key = { VFSR_ITEM_INLINE, 0 };
	u8 value[VFSR_MAX_ITEM_BYTES];
	char target[PATH_MAX];
	u64 done = 0;
	u32 bytes;

	assert_int_equal(readlink(path, target, sizeof(target)), size);
	for (; done < size; done += bytes) {
		key.key = done;
		assert_int_equal(vfsr_bt_lookup(&r->t.bt, key, value, &bytes),
				 0);
		assert_memory_equal(value, target + done, bytes);
	}
	assert_int_equal(done, size);
}

static void compare_xattrs(struct reader *r, const char *path)
{
	struct vfsr_key key = { VFSR_ITEM_XATTR, 0 };
	static char names[XATTR_ROOM], value[XATTR_ROOM];
	ssize_t bytes, at, n = llistxattr(path, names, sizeof(names));
	u8 item[VFSR_MAX_ITEM_BYTES];
	struct vfsr_xattr x;
	int nr = 0;
	u32 len;

	for (at = 0; at < n; at += (ssize_t)strlen(names + at) + 1, nr++) {
		bytes = lgetxattr(path, names + at, value, sizeof(value));
		assert_true(bytes >= 0);
		assert_int_equal(
			vfsr_xattr_get(&r->t.bt, r->pool->super->hash_key,
				       (u8 *)names + at,
				       (u32)strlen(names + at), &x, item),
			0);
		assert_int_equal(x.value_bytes, bytes);
		if (x.chunk)
			get_chunk(r, x.chunk);
		assert_memory_equal(x.chunk ? r->chunk : x.value, value, bytes);
	}
	while (!vfsr_bt_next(&r->t.bt, &key, item, &len) &&
	       key.type == VFSR_ITEM_XATTR) {
		nr--;
		key.key++;
	}
	assert_int_equal(nr, 0);
}

static void compare_times(const struct vfsr_inode *in, const struct stat *st)
{
	assert_true(in->mtime.sec == st->st_mtim.tv_sec);
	assert_int_equal(in->mtime.nsec, st->st_mtim.tv_nsec);
	assert_memory_equal(&in->mtime, &in->atime, sizeof(in->mtime));
	assert_memory_equal(&in->mtime, &in->ctime, sizeof(in->mtime));
	assert_memory_equal(&in->mtime, &in->btime, sizeof(in->mtime));
}

/* Everything but what is below a directory. */
static void compare_object(struct reader *r, const char *path, u64 ino,
			   u64 parent, struct vfsr_inode *in)
{
	struct stat st;

	r->nr_objects++;
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(vfsr_tree_seek(&r->t, ino, in), 0);
	assert_int_equal(in->mode, st.st_mode);
	assert_int_equal(in->uid, st.st_uid);
	assert_int_equal(in->gid, st.st_gid);
	if (st.st_nlink == 1 || S_ISDIR(st.st_mode))
		assert_true(in->parent == parent);
	compare_times(in, &st);
	compare_xattrs(r, path);
	if (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode))
		assert_true(in->size == (u64)st.st_size);
	if (S_ISREG(st.st_mode))
		compare_data(r, path, in->size);
	if (S_ISLNK(st.st_mode))
		compare_link(r, path, in->size);
	if (S_ISCHR(st.st_mode)) {
		assert_int_equal(in->rdev_major, major(st.st_rdev));
		assert_int_equal(in->rdev_minor, minor(st.st_rdev));
	}
}

static u64 find_name(struct reader *r, u64 dir, const char *name, u8 *type)
{
	struct vfsr_inode in;
	u64 ino = 0;

	assert_int_equal(vfsr_tree_seek(&r->t, dir, &in), 0);
	assert_int_equal(vfsr_dir_lookup(&r->t.bt, r->pool->super->hash_key,
					 (const u8 *)name, (u32)strlen(name),
					 NULL, &ino, type),
			 0);
	return ino;
}

/* A directory and all below. */
static void compare_tree(struct reader *r, const char *path, u64 ino,
			 u64 parent)
{
	struct vfsr_inode in;
	struct dirent *e;
	char name[2048];
	u64 nr = 0, child;
	DIR *dir;
	u8 type;

	compare_object(r, path, ino, parent, &in);
	dir = opendir(path);
	assert_non_null(dir);
	while ((e = readdir(dir))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		nr++;
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		child = find_name(r, ino, e->d_name, &type);
		if (type == VFSR_DT_DIR) {
			compare_tree(r, name, child, ino);
		} else {
			struct vfsr_inode file;

			compare_object(r, name, child, ino, &file);
			assert_int_equal(file.mode >> VFSR_MODE_TYPE_SHIFT,
					 type);
		}
	}
	closedir(dir);
	assert_true(in.size == nr);
}

static u64 nlink_of(struct reader *r, const char *name)
{
	struct vfsr_inode in;
	u8 type;

	assert_int_equal(
		vfsr_tree_seek(&r->t, find_name(r, VFSR_ROOT_INO, name, &type),
			       &in),
		0);
	return in.nlink;
}

/* --- tests --- */

static void test_objects(void **state)
{
	static const unsigned int shifts[] = { 16, 20, 22 };
	struct filled out;
	struct reader r;
	unsigned int i;

	(void)state;
	make_objects();
	for (i = 0; i < ARRAY_SIZE(shifts); i++) {
		assert_int_equal(fill_image(image, 400 * MIB, shifts[i], tree,
					    2, &out),
				 0);
		assert_int_equal(out.fill.skipped, 0);
		assert_int_equal(out.fill.hardlinks, 5);
		assert_true(out.fill.shared_chunks > 0);
		assert_true(out.fill.logical_bytes ==
			    out.fill.state_bytes[0] + out.fill.state_bytes[1] +
				    out.fill.state_bytes[2] +
				    out.fill.state_bytes[3]);
		open_image(&r, image);
		compare_tree(&r, tree, VFSR_ROOT_INO, VFSR_ROOT_INO);
		assert_int_equal(nlink_of(&r, "linked"), 3);
		assert_int_equal(nlink_of(&r, "linked-noise"), 2);
		assert_int_equal(nlink_of(&r, "outside"), 2);
		assert_int_equal(nlink_of(&r, "zz"), 2);
		close_image(&r);
	}
}

static void test_empty(void **state)
{
	struct vfsr_inode in;
	struct filled out;
	struct reader r;

	(void)state;
	assert_int_equal(fill_image(image, 64 * MIB, 0, NULL, 0, &out), 0);
	open_image(&r, image);
	assert_int_equal(vfsr_tree_seek(&r.t, VFSR_ROOT_INO, &in), 0);
	assert_int_equal(in.mode, S_IFDIR | 0755);
	assert_int_equal(in.nlink, 2);
	assert_int_equal(in.size, 0);
	assert_int_equal(in.mtime.nsec, 5);
	close_image(&r);
}

/* Trees of several levels, of names and of extents. */
static void test_large_trees(void **state)
{
	const unsigned int nr_names = 20000, nr_runs = 9000;
	char name[64], buf[BLOCK];
	struct filled out;
	struct reader r;
	unsigned int i;
	u8 type;
	u64 ino;
	int fd;

	(void)state;
	assert_int_equal(mkdir(in_tree("many"), 0700), 0);
	for (i = 0; i < nr_names; i++) {
		snprintf(name, sizeof(name), "many/name-%u", i);
		fd = open(in_tree(name), O_CREAT | O_WRONLY | O_EXCL, 0600);
		assert_true(fd >= 0);
		close(fd);
	}
	fd = open(in_tree("runs"), O_CREAT | O_WRONLY | O_EXCL, 0600);
	for (i = 0; i < nr_runs; i++) {
		memset(buf, 'a' + (int)(i % 20), sizeof(buf));
		buf[i % BLOCK] = 'z';
		put_bytes(fd, (u64)i * 2 * BLOCK, buf, sizeof(buf));
	}
	close(fd);
	assert_int_equal(fill_image(image, 128 * MIB, 0, tree, 2, &out), 0);
	open_image(&r, image);
	compare_tree(&r, tree, VFSR_ROOT_INO, VFSR_ROOT_INO);
	assert_int_equal(r.nr_objects, nr_names + 3);
	ino = find_name(&r, VFSR_ROOT_INO, "runs", &type);
	compare_object(&r, in_tree("runs"), ino, VFSR_ROOT_INO,
		       &(struct vfsr_inode){ 0 });
	assert_int_equal(r.nr_extents, nr_runs);
	close_image(&r);
}

/* Deeper than descriptors are kept open for. */
static void test_deep(void **state)
{
	const unsigned int depth = 300;
	char path[2048];
	struct filled out;
	struct reader r;
	unsigned int i;
	size_t len;

	(void)state;
	len = (size_t)snprintf(path, sizeof(path), "%s", tree);
	for (i = 0; i < depth; i++) {
		/* here and there two, the deeper one first by name */
		if (i % 16 == 0) {
			snprintf(path + len, sizeof(path) - len, "/e");
			assert_int_equal(mkdir(path, 0700), 0);
		}
		len += (size_t)snprintf(path + len, sizeof(path) - len, "/d");
		assert_int_equal(mkdir(path, 0700), 0);
	}
	assert_int_equal(fill_image(image, 64 * MIB, 0, tree, 2, &out), 0);
	open_image(&r, image);
	compare_tree(&r, tree, VFSR_ROOT_INO, VFSR_ROOT_INO);
	close_image(&r);
}

/* What is full of incompressible data wastes no more than other trees. */
static void test_waste(void **state)
{
	char name[64];
	struct filled out;
	struct reader r;
	unsigned int i;

	(void)state;
	make_file("noise", 24 * MIB + 12345, NOISE);
	for (i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "n%u.jpg", i);
		make_file(name, 1000 + rng() % 200000, NOISE);
	}
	assert_int_equal(fill_image(image, 400 * MIB, 22, tree, 2, &out), 0);
	print_message("waste: %llu of %llu bytes\n",
		      (unsigned long long)out.write.gap_bytes,
		      (unsigned long long)out.write.used_bytes);
	assert_true(out.write.gap_bytes * 50 < out.write.used_bytes);
	open_image(&r, image);
	compare_tree(&r, tree, VFSR_ROOT_INO, VFSR_ROOT_INO);
	close_image(&r);
}

static void test_deterministic(void **state)
{
	struct filled out;
	int a, b;
	ssize_t n;
	u8 *x = malloc(MIB), *y = malloc(MIB);

	(void)state;
	make_objects();
	unlink(image2);
	assert_int_equal(fill_image(image, 256 * MIB, 0, tree, 1, &out), 0);
	assert_int_equal(fill_image(image2, 256 * MIB, 0, tree, 4, &out), 0);
	a = open(image, O_RDONLY);
	b = open(image2, O_RDONLY);
	while ((n = read(a, x, MIB)) > 0) {
		assert_int_equal(read(b, y, MIB), n);
		assert_memory_equal(x, y, n);
	}
	close(a);
	close(b);
	free(x);
	free(y);
}

static atomic_bool stop_touching;

static void *touch(void *arg)
{
	struct timespec t[2] = { { 1, 0 }, { 1, 0 } };

	while (!atomic_load(&stop_touching)) {
		t[1].tv_nsec = (t[1].tv_nsec + 1) % 1000000000;
		utimensat(AT_FDCWD, arg, t, 0);
	}
	return NULL;
}

/* A file that changes meanwhile is counted, and taken as it was read. */
static void test_changing(void **state)
{
	char path[1024];
	struct filled out;
	pthread_t thread;

	(void)state;
	make_file("changing", 32 * MIB, TEXT);
	make_file("other", 100, TEXT);
	snprintf(path, sizeof(path), "%s", in_tree("changing"));
	atomic_store(&stop_touching, false);
	assert_int_equal(pthread_create(&thread, NULL, touch, path), 0);
	assert_int_equal(fill_image(image, 64 * MIB, 0, tree, 2, &out), 0);
	atomic_store(&stop_touching, true);
	pthread_join(thread, NULL);
	assert_int_equal(out.fill.skipped, 0);
	assert_int_equal(out.fill.changed, 1);
	assert_int_equal(out.fill.files, 2);
}

/* The pool is too small, the directory does not exist: errors, no leak. */
static void test_errors(void **state)
{
	struct filled out;

	(void)state;
	assert_int_equal(fill_image(image, 64 * MIB, 0, in_tree("absent"), 2,
				    &out),
			 -ENOENT);
	make_file("noise", 40 * MIB, NOISE);
	make_links();
	assert_int_equal(fill_image(image, 32 * MIB, 0, tree, 2, &out),
			 -ENOSPC);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_objects),	TEST(test_empty),
		TEST(test_large_trees), TEST(test_deep),
		TEST(test_waste),	TEST(test_deterministic),
		TEST(test_changing),	TEST(test_errors),
	};

	vfsr_quiet = true;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
