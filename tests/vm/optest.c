// SPDX-License-Identifier: GPL-2.0-only
/*
 * optest: random operations on any mounted file system, compared with an
 * oracle in memory. `optest --help` has the options.
 *
 * The parent finds out what the file system can do, forks the workers, runs
 * the remount command when all of them have let go, and watches for workers
 * that hang. Exit status: 0 no difference, 1 a difference or a hang, 2 usage
 * or setup.
 */
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "optest.h"

struct optest ot = {
	.nr_workers = 1,
	.verify_every = 5000,
	.remount_every = 10000,
	.max_nodes = 1500,
	.max_bytes = 64 << 20,
	.hang_seconds = 600,
	.check_times = true,
	.base = -1,
	.op_name = "start",
};

static pid_t pids[WORKERS_MAX];
static u32 nr_alive;

static void usage(FILE *out)
{
	fprintf(out,
		"usage: optest [options] DIR\n"
		"Random operations below DIR, compared with an oracle in memory.\n"
		"  --seed N            begin of the random numbers (default: the time)\n"
		"  --replay N          the same, for repeating a run: give the same options\n"
		"  --ops N             operations per worker (default 20000)\n"
		"  --seconds T         instead, or as well: stop after T seconds\n"
		"  --smp W             workers, each a process with a tree and oracle of its own\n"
		"  --shared            all workers use names in one directory\n"
		"  --verify-every N    compare everything each N operations (default 5000, 0 never)\n"
		"  --remount CMD       shell command that unmounts and mounts DIR's file system;\n"
		"  --remount-every N     run each N operations (default 10000), compared after\n"
		"  --nodes N           inodes per worker, about (default 1500)\n"
		"  --bytes N[K|M|G]    written bytes kept per worker, about (default 64M)\n"
		"  --no-WORD           leave out an operation or a group (see --list)\n"
		"  --no-times          do not compare times\n"
		"  --pollute           also store behind the end of files through mappings\n"
		"  --drop-caches       also drop all caches of this machine now and then\n"
		"  --hang T            a worker is stuck after T seconds (default 600)\n"
		"  --keep              leave the tree\n"
		"  --verbose           print every operation\n"
		"  --self-test         spoil trees behind the oracle's back: is each kind seen?\n"
		"  --list              the operations and their groups\n"
		"Example: optest --seconds 60 --smp 2 --remount 'umount /mnt; mount /dev/vdb /mnt' /mnt\n");
}

static u64 number(const char *s)
{
	char *end;
	u64 v = strtoull(s, &end, 0);
	const char *unit = strchr("KMG", *end);

	if (end != s && *end && unit && !end[1])
		return v << (10 * (unit - "KMG" + 1));
	if (end == s || *end) {
		fprintf(stderr, "optest: '%s' is not a number\n", s);
		exit(2);
	}
	return v;
}

enum {
	OPT_SEED = 256,
	OPT_OPS,
	OPT_SECONDS,
	OPT_SMP,
	OPT_SHARED,
	OPT_VERIFY,
	OPT_REMOUNT,
	OPT_REMOUNT_EVERY,
	OPT_NODES,
	OPT_BYTES,
	OPT_POLLUTE,
	OPT_DROP,
	OPT_HANG,
	OPT_KEEP,
	OPT_VERBOSE,
	OPT_SELF,
	OPT_LIST,
	OPT_HELP,
};

static const struct option long_options[] = {
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "replay", required_argument, NULL, OPT_SEED },
	{ "ops", required_argument, NULL, OPT_OPS },
	{ "seconds", required_argument, NULL, OPT_SECONDS },
	{ "smp", required_argument, NULL, OPT_SMP },
	{ "shared", no_argument, NULL, OPT_SHARED },
	{ "verify-every", required_argument, NULL, OPT_VERIFY },
	{ "remount", required_argument, NULL, OPT_REMOUNT },
	{ "remount-every", required_argument, NULL, OPT_REMOUNT_EVERY },
	{ "nodes", required_argument, NULL, OPT_NODES },
	{ "bytes", required_argument, NULL, OPT_BYTES },
	{ "pollute", no_argument, NULL, OPT_POLLUTE },
	{ "drop-caches", no_argument, NULL, OPT_DROP },
	{ "hang", required_argument, NULL, OPT_HANG },
	{ "keep", no_argument, NULL, OPT_KEEP },
	{ "verbose", no_argument, NULL, OPT_VERBOSE },
	{ "self-test", no_argument, NULL, OPT_SELF },
	{ "list", no_argument, NULL, OPT_LIST },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

static void option(int c)
{
	switch (c) {
	case OPT_SEED:
		ot.seed = number(optarg);
		break;
	case OPT_OPS:
		ot.nr_ops = number(optarg);
		break;
	case OPT_SECONDS:
		ot.seconds = (u32)number(optarg);
		break;
	case OPT_SMP:
		ot.nr_workers = (u32)number(optarg);
		break;
	case OPT_SHARED:
		ot.shared_dir = true;
		break;
	case OPT_VERIFY:
		ot.verify_every = (u32)number(optarg);
		break;
	case OPT_REMOUNT:
		ot.remount = optarg;
		break;
	case OPT_REMOUNT_EVERY:
		ot.remount_every = (u32)number(optarg);
		break;
	case OPT_NODES:
		ot.max_nodes = (u32)number(optarg);
		break;
	case OPT_BYTES:
		ot.max_bytes = number(optarg);
		break;
	case OPT_POLLUTE:
		ot.pollute = true;
		break;
	case OPT_DROP:
		ot.drop_caches = true;
		break;
	case OPT_HANG:
		ot.hang_seconds = (u32)number(optarg);
		break;
	case OPT_KEEP:
		ot.keep = true;
		break;
	case OPT_VERBOSE:
		ot.verbose = true;
		break;
	case OPT_SELF:
		ot.self_test = true;
		break;
	case OPT_LIST:
		ops_print(stdout);
		exit(0);
	case OPT_HELP:
		usage(stdout);
		exit(0);
	default:
		usage(stderr);
		exit(2);
	}
}

/* Takes the --no-WORD arguments out of argv. */
static int without(int argc, char **argv)
{
	int i, nr = 1;

	for (i = 1; i < argc; i++) {
		if (strncmp(argv[i], "--no-", 5)) {
			argv[nr++] = argv[i];
		} else if (!strcmp(argv[i], "--no-times")) {
			ot.check_times = false;
		} else if (!ops_disable(argv[i] + 5)) {
			fprintf(stderr, "optest: no operation or group '%s'\n",
				argv[i] + 5);
			exit(2);
		}
	}
	argv[nr] = NULL;
	return nr;
}

static void parse(int argc, char **argv)
{
	struct timespec now;
	int c;

	clock_gettime(CLOCK_REALTIME, &now);
	ot.seed = (u64)now.tv_sec * 1000 + (u64)now.tv_nsec / 1000000;
	argc = without(argc, argv);
	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		option(c);
	if (optind + 1 != argc || !ot.nr_workers ||
	    ot.nr_workers > WORKERS_MAX) {
		usage(stderr);
		exit(2);
	}
	if (!ot.nr_ops && !ot.seconds)
		ot.nr_ops = 20000;
	ot.dir = realpath(argv[optind], NULL);
	if (!ot.dir) {
		fprintf(stderr, "optest: %s: %m\n", argv[optind]);
		exit(2);
	}
}

static void kill_all(void)
{
	u32 i;

	for (i = 0; i < ot.nr_workers; i++)
		if (pids[i])
			kill(pids[i], SIGKILL);
}

static void print_stack(pid_t pid)
{
	char path[64], line[200];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stack", pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		printf("    %s", line);
	if (f)
		fclose(f);
}

/* Does a worker neither wait for a remount nor get on? */
static bool any_hangs(const struct shared *shm)
{
	static u64 last[WORKERS_MAX];
	static time_t since[WORKERS_MAX];
	u32 i;

	for (i = 0; i < ot.nr_workers; i++) {
		u64 op = __atomic_load_n(&shm->ops[i], __ATOMIC_SEQ_CST);

		if (!pids[i] || op != last[i] || !since[i] ||
		    shm->waiting[i] > shm->remounts) {
			last[i] = op;
			since[i] = time(NULL);
		} else if (time(NULL) - since[i] > ot.hang_seconds) {
			printf("optest: HANG: worker %u is in operation %llu for %u s; its stack:\n",
			       i, (unsigned long long)op, ot.hang_seconds);
			print_stack(pids[i]);
			return true;
		}
	}
	return false;
}

static bool all_wait(const struct shared *shm)
{
	u32 i, nr = 0;

	for (i = 0; i < ot.nr_workers; i++)
		nr += pids[i] &&
		      __atomic_load_n(&shm->waiting[i], __ATOMIC_SEQ_CST) >
			      shm->remounts;
	return nr && nr == nr_alive;
}

/* Worker that ended; its status, or -1 if none did. */
static int reap(const struct shared *shm)
{
	int status;
	pid_t pid = waitpid(-1, &status, WNOHANG);
	u32 i;

	if (pid <= 0)
		return -1;
	for (i = 0; i < ot.nr_workers; i++)
		if (pids[i] == pid)
			break;
	if (i == ot.nr_workers)
		return -1;
	pids[i] = 0;
	nr_alive--;
	if (WIFSIGNALED(status)) {
		printf("optest: worker %u was killed by signal %d in operation %llu\n",
		       i, WTERMSIG(status), (unsigned long long)shm->ops[i]);
		return 1;
	}
	return WEXITSTATUS(status);
}

static u64 sum(const u64 *v)
{
	u64 total = 0;
	u32 i;

	for (i = 0; i < ot.nr_workers; i++)
		total += v[i];
	return total;
}

static int watch(struct shared *shm)
{
	time_t next = time(NULL) + 60;
	int status;

	while (nr_alive) {
		status = reap(shm);
		if (status > 0 || any_hangs(shm)) {
			kill_all();
			return status > 0 ? status : 1;
		}
		if (all_wait(shm)) {
			fflush(stdout);
			status = system(ot.remount);
			if (status) {
				printf("optest: the remount command gave status %d\n",
				       WEXITSTATUS(status));
				kill_all();
				return 1;
			}
			__atomic_add_fetch(&shm->remounts, 1, __ATOMIC_SEQ_CST);
		}
		if (time(NULL) >= next) {
			printf("optest: %llu operations, %u remounts\n",
			       (unsigned long long)sum(shm->ops),
			       shm->remounts);
			fflush(stdout);
			next += 60;
		}
		usleep(2000);
	}
	return 0;
}

static void run_all(void)
{
	u32 i;

	for (i = 0; i < ot.nr_workers; i++) {
		fflush(stdout);
		pids[i] = fork();
		if (pids[i] < 0)
			fatal("fork: %m");
		if (!pids[i])
			exit(run_worker(i));
		nr_alive++;
	}
}

int main(int argc, char **argv)
{
	struct shared *shm;
	int status;

	parse(argc, argv);
	umask(0);
	printf("optest: seed %llu, %u worker%s in %s\n",
	       (unsigned long long)ot.seed, ot.nr_workers,
	       ot.nr_workers > 1 ? "s" : "", ot.dir);
	if (chdir("/"))
		fatal("chdir: %m");
	run_probe();
	features_print();
	if (ot.self_test)
		return self_test();
	shm = mmap(NULL, sizeof(*shm), PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shm == MAP_FAILED || !shm)
		fatal("mmap: %m");
	ot.shm = shm;
	run_all();
	status = watch(shm);
	printf("optest: %s: seed %llu, %llu operations, %u remounts, %llu files compared, %llu times no space\n",
	       status ? "FAILED" : "no difference", (unsigned long long)ot.seed,
	       (unsigned long long)sum(shm->ops), shm->remounts,
	       (unsigned long long)sum(shm->verified),
	       (unsigned long long)sum(shm->full));
	if (status)
		printf("optest: repeat with --replay %llu and the same other options\n",
		       (unsigned long long)ot.seed);
	return status;
}
