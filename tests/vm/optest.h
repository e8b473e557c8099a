/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * optest: random operations on any file system, compared with an oracle in
 * memory. What the files of the program share.
 *
 * A worker is a process with a tree, an oracle and a random sequence of its
 * own, so nothing here needs a lock; all of it is in `ot`. The choices of
 * operation N depend on (seed, worker, N) and the oracle alone, never on time
 * or on numbers that the file system invents, so a seed repeats a run.
 */
#ifndef VFSR_TESTS_OPTEST_H
#define VFSR_TESTS_OPTEST_H

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "port.h"

#define IO_MAX (1u << 20) /* bytes of one read or write */
#define NAME_LEN_MAX 255
#define PATH_LEN_MAX 4000
#define XATTR_LEN_MAX 65536
#define HANDLES_MAX 16
#define DEPTH_MAX 10
#define FAR_MAX (1ull << 62)

/* How the bytes of an extent are made from its seed and a position. */
enum data_kind {
	DATA_RANDOM,
	DATA_TEXT, /* words: deflate makes it several times smaller */
	DATA_MIXED, /* part random, near the limit where storing it smaller pays */
	DATA_ZERO,
	DATA_BYTE, /* one byte repeated: the low byte of the seed */
	DATA_KINDS,
	DATA_REAL = DATA_KINDS, /* bytes read back after a write that failed */
};

/* Bytes that no generator makes, shared by the extents cut from them. */
struct real {
	u32 users;
	u8 bytes[];
};

/* What gives the bytes of a range. */
struct source {
	u64 seed;
	u64 pos; /* of the first byte, in what the generator makes */
	struct real *real; /* with DATA_REAL */
	u32 op; /* the operation that wrote it, for messages */
	u8 kind;
};

struct extent {
	u64 off; /* in the file */
	u64 len; /* bytes, never 0 */
	struct source src;
};

struct xattr {
	char *name;
	struct source src;
	u32 len;
};

struct node;

/* One name of a node; listed in its directory and in its node. */
struct link {
	struct node *dir;
	struct node *node;
	char *name;
	u32 at_dir; /* index in dir->entry */
	u32 at_node; /* index in node->link */
};

/* What an inode should be. */
struct node {
	u32 id; /* counts up, for messages */
	u32 at; /* index in ot.node */
	u32 mode; /* with the type */
	u32 uid, gid;
	u32 nr_open; /* handles on it */
	u64 rdev;
	u64 size;
	u64 ino; /* as the file system said first; must stay */
	struct timespec mtime, ctime; /* as seen after the last change */
	bool times_unsure; /* a change failed for lack of space */
	struct timespec btime; /* as seen first; must stay */
	struct extent *extent; /* sorted by offset, disjoint */
	u32 nr_extents, room_extents;
	struct xattr *xattr;
	u32 nr_xattrs;
	struct link **link;
	u32 nr_links;
	struct link **entry; /* of a directory */
	u32 nr_entries, room_entries;
	u32 nr_subdirs;
	char *target; /* of a symlink */
};

struct handle {
	int fd; /* open for reading and writing */
	struct node *node;
};

/* What the file system can do; found out at start. */
struct features {
	bool user_xattr, trusted_xattr, security_xattr;
	bool tmpfile;
	bool direct;
	bool fallocate, keep_size, punch, zero_range, collapse, insert;
	bool clone, copy_range;
	bool noreplace, exchange, whiteout;
	bool mknod_dev;
	bool chown;
	bool btime;
	bool dir_nlink; /* a directory's link count is 2 and its subdirectories */
	bool seek_data;
	u64 far; /* largest tested offset that can be written */
	u32 xattr_len; /* longest value */
	u32 symlink_len; /* longest target */
	u32 gran_ns; /* of the times */
	u64 time_max; /* latest tested second */
};

enum diff_kind {
	DIFF_DATA,
	DIFF_SIZE,
	DIFF_MISSING,
	DIFF_EXTRA,
	DIFF_TYPE,
	DIFF_MODE,
	DIFF_OWNER,
	DIFF_NLINK,
	DIFF_TIME,
	DIFF_INO,
	DIFF_TARGET,
	DIFF_XATTR,
	DIFF_RDEV,
	DIFF_ERRNO,
	DIFF_READDIR,
	DIFF_STATFS,
	DIFF_HOLE,
	DIFF_KINDS
};

/* Words that the parent and its workers share in memory. */
struct shared {
	u64 ops[64]; /* each worker's current operation */
	u32 waiting[64]; /* worker stands at the barrier of this remount */
	u32 remounts; /* done */
	u64 verified[64]; /* files compared */
	u64 full[64]; /* operations that found no space */
};

#define WORKERS_MAX 64

#define HISTORY 64
#define HISTORY_LEN 200

struct optest {
	/* options */
	u64 seed;
	u64 nr_ops; /* 0 = until the time is over */
	u32 seconds;
	u32 nr_workers;
	u32 verify_every; /* operations between full comparisons, 0 = never */
	u32 remount_every;
	const char *remount;
	u32 max_nodes;
	u64 max_bytes; /* written bytes kept per worker, about */
	u32 hang_seconds;
	bool verbose, keep, shared_dir, pollute, drop_caches, check_times;
	bool self_test;
	const char *dir;

	/* state of this worker */
	u32 worker;
	u32 op; /* number of the current operation */
	const char *op_name;
	u64 rng;
	struct features has;
	int base; /* directory of everything here */
	struct node *root;
	struct node **node;
	u32 nr_nodes, room_nodes;
	u32 next_id;
	u64 live_bytes; /* written bytes in all files */
	struct handle handle[HANDLES_MAX];
	u32 nr_handles;
	struct timespec op_start; /* coarse clock, what inodes get */
	u8 *want, *got, *data; /* IO_MAX bytes each, aligned to a page */
	char history[HISTORY][HISTORY_LEN];
	u32 nr_history;
	u32 nr_diffs;
	u32 diff_mask; /* kinds seen */
	u64 nr_full; /* operations that failed with ENOSPC */
	u64 nr_verified;
	struct shared *shm;
};

extern struct optest ot;

/* optest_gen.c */
u64 mix64(u64 v);
u64 rnd(void);
u64 below(u64 n);
bool chance(u32 one_in);
void gen_fill(const struct source *s, u64 skip, u8 *buf, size_t len);
struct source gen_pick(void);
u64 pick_len(u64 max);
void copy_text(char *to, const char *from, size_t room);
void *xmalloc(size_t len);
void *xrealloc(void *p, size_t len);

/* optest_oracle.c */
struct node *node_new(u32 mode);
void node_drop_if_unused(struct node *n);
struct node *node_pick(u32 type);
struct link *link_pick(u32 type);
struct link *link_add(struct node *dir, const char *name, struct node *n);
void link_del(struct link *l);
void link_move(struct link *l, struct node *dir, const char *name);
struct link *link_find(const struct node *dir, const char *name);
void link_path(const struct link *l, char *path);
void name_path(const struct node *dir, const char *name, char *path);
const char *node_path(const struct node *n);
const char *label(const struct node *n);
bool dir_is_above(const struct node *dir, const struct node *n);
u32 dir_depth(const struct node *dir);
u32 node_nlink(const struct node *n);
void extent_set(struct node *n, u64 off, u64 len, const struct source *s);
void extent_clear(struct node *n, u64 off, u64 len);
void extent_copy(struct node *to, u64 to_off, const struct node *from, u64 off,
		 u64 len);
void extent_shift(struct node *n, u64 off, s64 by);
void extent_fill(const struct node *n, u64 off, u8 *buf, size_t len);
const struct extent *extent_at(const struct node *n, u64 off);
void node_resize(struct node *n, u64 size);
struct xattr *xattr_find(struct node *n, const char *name);
void xattr_set(struct node *n, const char *name, const struct source *s,
	       u32 len);
void xattr_del(struct node *n, struct xattr *x);
bool name_is_mine(const struct node *dir, const char *name);
void oracle_free(void);

/* optest_check.c: compare, and report what differs */
void diff(enum diff_kind kind, const struct node *n, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
const char *diff_name(enum diff_kind kind);
void printable(char *s);
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void fatal(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));
void check_bytes(const struct node *n, const char *how, u64 off, const u8 *got,
		 size_t len);
void check_range(struct node *n, int fd, u64 off, u64 len);
void check_content(struct node *n, int fd);
void check_xattrs(struct node *n, int fd, const char *path);
void check_node(struct node *n);
void check_name(struct node *dir, const char *name);
void check_all(void);

/* What an operation did to a node's times, for attr_seen(). */
#define TOUCHED 1u /* mtime and ctime may be new */
#define MTIME_NEW 2u /* mtime must be new */
#define CTIME_NEW 4u
#define TIMES_ANY 8u /* whatever they are now */
#define CTOUCHED 16u /* ctime may be new, mtime not */
void attr_seen(struct node *n, int fd, const char *path, u32 flags);
void attr_seen_path(struct node *n, u32 flags);

/* How a call ended. */
enum outcome {
	DONE,
	REFUSED, /* with the error it had to give */
	FULL, /* no space: nothing, or a part, was done */
	WRONG, /* reported */
};
enum outcome judge(const char *call, struct node *n, long ret, int want);

/* optest_name.c, optest_dir.c, optest_data.c, optest_more.c, optest_attr.c */
void op_create(void);
void op_mkdir(void);
void op_mknod(void);
void op_symlink(void);
void op_link(void);
void op_unlink(void);
void op_rmdir(void);
void op_rename(void);
void op_noreplace(void);
void op_exchange(void);
void op_whiteout(void);
void op_tmpfile(void);
void op_burst(void);
void op_prune(void);
void op_lookup(void);
void op_long_name(void);

void op_readdir(void);
void op_seekdir(void);
void op_readdir_unlink(void);

void op_write(void);
void op_append(void);
void op_far(void);
void op_direct_write(void);
void op_truncate(void);
void op_fallocate(void);
void op_punch(void);
void op_zero_range(void);
void op_collapse(void);
void op_copy_range(void);
void op_clone(void);
void op_read(void);
void op_direct_read(void);
void op_seek_data(void);
void op_mmap_write(void);
void op_mmap_read(void);
void op_mmap_private(void);
void op_pollute(void);

void op_chmod(void);
void op_chown(void);
void op_utimes(void);
void op_setxattr(void);
void op_getxattr(void);
void op_removexattr(void);
void op_listxattr(void);
void op_check(void);
void op_statfs(void);
void op_fsync(void);
void op_fdatasync(void);
void op_sync(void);
void op_forget(void);
void op_open(void);
void op_open_unlink(void);
void op_close(void);

void handle_close(u32 i);
void handles_close(void);
int node_open(struct node *n, int flags, bool *close_it);
void done_with(struct node *n, int fd, bool close_it);
enum outcome write_some(struct node *n, int fd, u64 off, u64 len);
struct node *file_pick(void);
u64 off_pick(const struct node *n);
void write_fill(u64 off, u64 len, struct node *into);
void adopt(struct node *n, int fd, u64 off, u64 len, const u8 *new);
void tree_remove(void);

/* optest_run.c, optest_feature.c, optest_self.c */
void ops_print(FILE *out);
bool ops_disable(const char *word);
void run_probe(void);
void run_begin(u32 worker);
void run_ops(u64 until);
int run_worker(u32 worker);
void run_end(void);
void features_find(void);
void features_print(void);
int self_test(void);

#endif
