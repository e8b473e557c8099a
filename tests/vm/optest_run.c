// SPDX-License-Identifier: GPL-2.0-only
/*
 * optest: one worker. Picks operations by weight, compares everything now and
 * then, and waits for remounts.
 *
 * The numbers of an operation begin anew from (seed, worker, operation), so
 * leaving out a kind of operation does not change the dice of the others.
 */
#include <dirent.h>
#include <stdlib.h>

#include "optest.h"

/* Operations that ended for lack of space before room is made. */
#define FULL_PATIENCE 12

static struct op {
	const char *name, *group;
	u32 weight;
	void (*run)(void);
	bool off;
} ops[] = {
	{ "create", "names", 60, op_create, false },
	{ "mkdir", "names", 14, op_mkdir, false },
	{ "mknod", "names", 5, op_mknod, false },
	{ "symlink", "names", 8, op_symlink, false },
	{ "link", "names", 14, op_link, false },
	{ "unlink", "names", 30, op_unlink, false },
	{ "rmdir", "names", 8, op_rmdir, false },
	{ "rename", "rename", 34, op_rename, false },
	{ "noreplace", "rename", 6, op_noreplace, false },
	{ "exchange", "rename", 8, op_exchange, false },
	{ "whiteout", "rename", 3, op_whiteout, false },
	{ "tmpfile", "names", 8, op_tmpfile, false },
	{ "burst", "names", 1, op_burst, false },
	{ "lookup", "names", 6, op_lookup, false },
	{ "longname", "names", 1, op_long_name, false },
	{ "readdir", "readdir", 8, op_readdir, false },
	{ "seekdir", "readdir", 6, op_seekdir, false },
	{ "readdirunlink", "readdir", 2, op_readdir_unlink, false },
	{ "write", "data", 110, op_write, false },
	{ "append", "data", 30, op_append, false },
	{ "far", "data", 4, op_far, false },
	{ "directwrite", "direct", 8, op_direct_write, false },
	{ "truncate", "data", 40, op_truncate, false },
	{ "fallocate", "fallocate", 8, op_fallocate, false },
	{ "punch", "fallocate", 10, op_punch, false },
	{ "zerorange", "fallocate", 5, op_zero_range, false },
	{ "collapse", "fallocate", 4, op_collapse, false },
	{ "copyrange", "copy", 8, op_copy_range, false },
	{ "clone", "copy", 10, op_clone, false },
	{ "read", "data", 60, op_read, false },
	{ "directread", "direct", 8, op_direct_read, false },
	{ "seekdata", "data", 8, op_seek_data, false },
	{ "mmapwrite", "mmap", 30, op_mmap_write, false },
	{ "mmapread", "mmap", 16, op_mmap_read, false },
	{ "mmapprivate", "mmap", 4, op_mmap_private, false },
	{ "pollute", "mmap", 6, op_pollute, false },
	{ "chmod", "attr", 10, op_chmod, false },
	{ "chown", "attr", 6, op_chown, false },
	{ "utimes", "attr", 8, op_utimes, false },
	{ "setxattr", "xattr", 24, op_setxattr, false },
	{ "removexattr", "xattr", 8, op_removexattr, false },
	{ "getxattr", "xattr", 10, op_getxattr, false },
	{ "listxattr", "xattr", 6, op_listxattr, false },
	{ "check", "check", 30, op_check, false },
	{ "statfs", "check", 3, op_statfs, false },
	{ "fsync", "sync", 8, op_fsync, false },
	{ "fdatasync", "sync", 6, op_fdatasync, false },
	{ "sync", "sync", 2, op_sync, false },
	{ "forget", "sync", 14, op_forget, false },
	{ "open", "handles", 14, op_open, false },
	{ "openunlink", "handles", 6, op_open_unlink, false },
	{ "close", "handles", 16, op_close, false },
};

void ops_print(FILE *out)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		fprintf(out, "%s%s (%s)",
			i % 5 ? ", " :
			i     ? ",\n  " :
				"  ",
			ops[i].name, ops[i].group);
	fputc('\n', out);
}

/* Switch off an operation, or a group of them. */
bool ops_disable(const char *word)
{
	bool found = false;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		if (strcmp(ops[i].name, word) && strcmp(ops[i].group, word))
			continue;
		ops[i].off = true;
		found = true;
	}
	return found;
}

static void report(void)
{
	u32 i, from = ot.nr_history > HISTORY ? ot.nr_history - HISTORY : 0;

	if (ot.nr_diffs)
		printf("optest: %u differences; last operations:\n",
		       ot.nr_diffs);
	for (i = from; i < ot.nr_history; i++)
		printf("  %s\n", ot.history[i % HISTORY]);
	printf("optest: FAILED seed %llu worker %u operation %u\n",
	       (unsigned long long)ot.seed, ot.worker, ot.op);
	fflush(stdout);
}

static void base_path(char *path)
{
	if (ot.shared_dir)
		snprintf(path, PATH_LEN_MAX, "%s/optest-all", ot.dir);
	else
		snprintf(path, PATH_LEN_MAX, "%s/optest-%u", ot.dir, ot.worker);
}

static void base_open(void)
{
	char path[PATH_LEN_MAX];

	base_path(path);
	if (mkdir(path, 0755) && errno != EEXIST)
		fatal("cannot make %s: %m", path);
	ot.base = open(path, O_RDONLY | O_DIRECTORY);
	if (ot.base < 0)
		fatal("cannot open %s: %m", path);
}

static u8 *buffer(void)
{
	u8 *p = aligned_alloc(4096, IO_MAX);

	if (!p)
		fatal("out of memory");
	memset(p, 0, IO_MAX);
	return p;
}

void run_end(void)
{
	char path[PATH_LEN_MAX];

	handles_close();
	tree_remove();
	close(ot.base);
	ot.base = -1;
	base_path(path);
	/* the directory of all goes with the last worker */
	if (rmdir(path) && !(ot.shared_dir && errno == ENOTEMPTY) &&
	    !(ot.shared_dir && errno == ENOENT))
		judge("rmdir", NULL, -1, 0);
}

/* What can the file system do? Leaves nothing behind. */
void run_probe(void)
{
	ot.want = buffer();
	ot.got = buffer();
	ot.data = buffer();
	base_open();
	tree_remove();
	features_find();
	run_end();
}

/* Empties the directory of this worker and starts an oracle for it. */
void run_begin(u32 worker)
{
	struct stat st;

	ot.worker = worker;
	base_open();
	tree_remove();
	if (fstat(ot.base, &st))
		fatal("fstat: %m");
	clock_gettime(CLOCK_REALTIME_COARSE, &ot.op_start);
	ot.next_id = 0;
	ot.live_bytes = 0;
	ot.op = 0;
	ot.op_name = "begin";
	ot.root = node_new(st.st_mode);
	ot.root->uid = st.st_uid;
	ot.root->gid = st.st_gid;
	attr_seen_path(ot.root, TIMES_ANY);
}

static void step(const struct op *op)
{
	u64 before = ot.nr_full;
	static u32 full;

	if (op->off)
		return;
	ot.op_name = op->name;
	op->run();
	full = ot.nr_full > before ? full + 1 : full;
	if (!ot.nr_diffs &&
	    (ot.nr_nodes > ot.max_nodes || full > FULL_PATIENCE ||
	     (ot.live_bytes > ot.max_bytes && chance(4)))) {
		full = 0;
		ot.op_name = "prune";
		op_prune();
	}
}

static const struct op *op_pick(void)
{
	u32 i, total = 0, at;

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		total += ops[i].weight;
	at = (u32)below(total);
	for (i = 0; at >= ops[i].weight; i++)
		at -= ops[i].weight;
	return &ops[i];
}

static void verify(const char *why)
{
	ot.op_name = why;
	note("everything");
	check_all();
	ot.shm->verified[ot.worker] = ot.nr_verified;
	ot.shm->full[ot.worker] = ot.nr_full;
}

/* Lets go of the file system until the parent has mounted it again. */
static void remount(void)
{
	u32 number = ot.shm->remounts + 1;
	pid_t parent = getppid();

	ot.op_name = "remount";
	note("number %u", number);
	handles_close();
	if (ot.nr_diffs)
		return;
	close(ot.base);
	__atomic_store_n(&ot.shm->waiting[ot.worker], number, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&ot.shm->remounts, __ATOMIC_SEQ_CST) < number) {
		usleep(1000);
		if (getppid() != parent)
			exit(2);
	}
	base_open();
	verify("verify after remount");
}

/* Operations up to a number, or until the time is over or a difference. */
void run_ops(u64 until)
{
	time_t end = time(NULL) + ot.seconds;

	while (!ot.nr_diffs && (!until || ot.op < until) &&
	       (!ot.seconds || time(NULL) < end)) {
		ot.op++;
		ot.rng = mix64(mix64(ot.seed + ot.worker) + ot.op);
		if (ot.shm)
			__atomic_store_n(&ot.shm->ops[ot.worker], ot.op,
					 __ATOMIC_SEQ_CST);
		clock_gettime(CLOCK_REALTIME_COARSE, &ot.op_start);
		step(op_pick());
		if (!ot.nr_diffs && ot.verify_every &&
		    !(ot.op % ot.verify_every))
			verify("verify");
		if (!ot.nr_diffs && ot.remount && ot.remount_every &&
		    !(ot.op % ot.remount_every))
			remount();
	}
}

int run_worker(u32 worker)
{
	run_begin(worker);
	run_ops(ot.nr_ops);
	if (!ot.nr_diffs)
		verify("last verify");
	if (!ot.nr_diffs && !ot.keep) {
		ot.op_name = "remove all";
		run_end();
	}
	if (ot.nr_diffs)
		report();
	fflush(stdout);
	return ot.nr_diffs ? 1 : 0;
}
