// SPDX-License-Identifier: GPL-2.0-only
/*
 * crashload run: does the steps that follow from a seed, and marks each step's
 * beginning (oN) and each finished sync (dN) in the log of a dm-log-writes
 * device. crashload verify: judges what a power cut left of it.
 *
 * Each step is printed before it is done, so the output is the journal.
 */
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <linux/dm-ioctl.h>

#include "crashload.h"

static struct {
	u64 seed;
	u32 ops, done, begun;
	const char *mark, *dir;
	bool zeros, noise, touch, quiet;
} opt = { .ops = 300 };

static void usage(FILE *out)
{
	fprintf(out,
		"usage: crashload run    --seed S [--ops N] [--mark DM-DEVICE] [--noise] DIR\n"
		"       crashload verify --seed S --done N --begun N [--zeros] [--touch] DIR\n"
		"DIR/crash is made, and must not exist, or is judged. --mark: name of the log-writes\n"
		"device. --noise: a second process works beside, unjudged. --done, --begun: numbers of\n"
		"the last marks dN and oN. --zeros: what was appended may be zeros instead. --touch: also\n"
		"write something new there.\n"
		"Exit status of verify: 0 as it may be, 1 not.\n");
}

/* --- marks --- */

static int dm_control = -1;

static void mark(char letter, u32 op)
{
	u64 buf[64] = { 0 };
	struct dm_ioctl *head = (void *)buf;
	struct dm_target_msg *msg = (void *)(head + 1);

	if (!opt.mark)
		return;
	if (dm_control < 0)
		dm_control = open("/dev/mapper/control", O_RDWR);
	head->version[0] = DM_VERSION_MAJOR;
	head->data_size = sizeof(buf);
	head->data_start = sizeof(*head);
	snprintf(head->name, sizeof(head->name), "%s", opt.mark);
	snprintf(msg->message, 40, "mark %c%u", letter, op);
	if (dm_control < 0 || ioctl(dm_control, DM_TARGET_MSG, buf))
		fatal("cannot set a mark on %s: %m", opt.mark);
}

/* --- the steps --- */

static void must(int ret, const struct step *s, u32 op)
{
	if (ret < 0)
		fatal("step %u, %s: %m", op, action_names[s->action]);
}

static void do_write(const struct step *s, u32 op, const char *path)
{
	static u8 data[FILE_MAX];
	int fd = open(path, O_RDWR | O_CREAT, 0644);
	ssize_t ret;

	must(fd, s, op);
	step_data(s, data);
	ret = pwrite(fd, data, s->len, (off_t)s->off);
	must((int)ret, s, op);
	if ((u64)ret != s->len)
		fatal("step %u: short write", op);
	must(close(fd), s, op);
}

static void do_punch(const struct step *s, u32 op, const char *path)
{
	int fd = open(path, O_RDWR);

	must(fd, s, op);
	must(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		       (off_t)s->off, (off_t)s->len),
	     s, op);
	must(close(fd), s, op);
}

/* Steps on an open file or directory. */
static void do_open(const struct step *s, u32 op, const char *path)
{
	char value[16];
	int fd = open(path, O_RDONLY);

	must(fd, s, op);
	switch (s->action) {
	case STEP_XATTR:
		snprintf(value, sizeof(value), "%u", op);
		must(fsetxattr(fd, XATTR_NAME, value, strlen(value), 0), s, op);
		break;
	case STEP_SYNC:
		must(syncfs(fd), s, op);
		break;
	case STEP_FLUSH_OUT:
		must(sync_file_range(fd, (off_t)s->off, (off_t)s->len,
				     SYNC_FILE_RANGE_WRITE),
		     s, op);
		break;
	default:
		must(fsync(fd), s, op);
	}
	close(fd);
}

static void do_step(const struct step *s, u32 op)
{
	char a[32], b[32], target[200];

	name_path(s->a, a, sizeof(a));
	name_path(s->b, b, sizeof(b));
	if (s->action == STEP_FSYNC_DIR || s->action == STEP_SYNC)
		snprintf(a, sizeof(a), "d%u", s->a);
	if (!opt.quiet)
		printf("%u %s %s %s %llu+%llu\n", op, action_names[s->action],
		       a, b, (unsigned long long)s->off,
		       (unsigned long long)s->len);
	switch (s->action) {
	case STEP_WRITE:
		do_write(s, op, a);
		break;
	case STEP_TRUNCATE:
		must(truncate(a, (off_t)s->len), s, op);
		break;
	case STEP_PUNCH:
		do_punch(s, op, a);
		break;
	case STEP_RENAME:
		must(rename(a, b), s, op);
		break;
	case STEP_EXCHANGE:
		must(renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE), s,
		     op);
		break;
	case STEP_LINK:
		must(link(a, b), s, op);
		break;
	case STEP_UNLINK:
		must(unlink(a), s, op);
		break;
	case STEP_SYMLINK:
		symlink_target(op, target, sizeof(target));
		must(symlink(target, a), s, op);
		break;
	case STEP_MKDIR:
		must(mkdir(a, dir_mode(op)), s, op);
		break;
	case STEP_RMDIR:
		must(rmdir(a), s, op);
		break;
	default:
		do_open(s, op, a);
	}
}

/* Files that come and go beside, until the parent ends. */
static void make_noise(void)
{
	static u8 data[65536];
	u64 state = opt.seed;
	char path[32];
	u32 i = 0;
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (mkdir("../noise", 0755))
		fatal("cannot make noise: %m");
	for (;; i++) {
		state = mix64(state);
		snprintf(path, sizeof(path), "../noise/n%u", (u32)state % 60);
		if (state >> 40 & 1 && !unlink(path))
			continue;
		memset(data, (int)(state >> 32), sizeof(data));
		memcpy(data, &state, sizeof(state));
		fd = open(path, O_WRONLY | O_CREAT, 0644);
		if (fd < 0 ||
				    write(fd, data,
					  (state >> 20) % sizeof(data)) < 0 ||
				    (state >> 50) % 16 == 0 ?
			    fsync(fd) :
			    0)
			fatal("noise: %m");
		close(fd);
		usleep(5000);
	}
}

static void begin(void)
{
	char path[32];
	int fd;
	u32 i;

	if (mkdir("crash", 0755) || chdir("crash"))
		fatal("cannot make the directory crash: %m");
	for (i = 0; i < DIRS; i++) {
		snprintf(path, sizeof(path), "d%u", i);
		if (mkdir(path, 0755))
			fatal("%s: %m", path);
	}
	fd = open(".", O_RDONLY);
	if (fd < 0 || syncfs(fd))
		fatal("sync: %m");
	close(fd);
	mark('d', 0);
}

static int run(void)
{
	struct model m;
	struct step s;
	pid_t noise = 0;
	u32 op;

	begin();
	/* verify --done 0 needs to know that the directories are there */
	model_init(&m, opt.seed);
	fflush(stdout);
	if (opt.noise)
		noise = fork();
	if (opt.noise && !noise)
		make_noise();
	for (op = 1; op <= opt.ops; op++) {
		s = model_next(&m, op);
		if (op == opt.ops)
			s = (struct step){ .action = STEP_SYNC };
		mark('o', op);
		do_step(&s, op);
		model_begin(&m, &s, op);
		if (!step_syncs(&s))
			continue;
		mark('d', op);
		model_durable(&m, &s, op);
	}
	if (noise > 0) {
		if (waitpid(noise, NULL, WNOHANG))
			fatal("the noise ended");
		kill(noise, SIGKILL);
		waitpid(noise, NULL, 0);
	}
	printf("crashload: seed %llu, %u steps\n", (unsigned long long)opt.seed,
	       opt.ops);
	return 0;
}

/* Is the file system still good for something? */
static void touch(void)
{
	static u8 data[100000];
	int fd = open("after", O_RDWR | O_CREAT, 0644);

	memset(data, 'z', sizeof(data));
	if (fd < 0 || write(fd, data, sizeof(data)) != sizeof(data) ||
	    fsync(fd) || close(fd) || rename("after", "later") ||
	    unlink("later"))
		fatal("cannot write any more: %m");
}

static int verify(void)
{
	struct model m;
	struct step s;
	int nr;
	u32 op;

	model_init(&m, opt.seed);
	for (op = 1; op <= opt.begun; op++) {
		s = model_next(&m, op);
		if (op == opt.ops)
			s = (struct step){ .action = STEP_SYNC };
		model_begin(&m, &s, op);
		if (step_syncs(&s) && op <= opt.done)
			model_durable(&m, &s, op);
	}
	nr = check_state(&m, "crash", opt.zeros);
	if (nr)
		printf("crashload: %d things are wrong, seed %llu, done %u, begun %u\n",
		       nr, (unsigned long long)opt.seed, opt.done, opt.begun);
	if (opt.touch)
		touch();
	return nr ? 1 : 0;
}

static const struct option options[] = {
	{ "seed", required_argument, NULL, 's' },
	{ "ops", required_argument, NULL, 'n' },
	{ "mark", required_argument, NULL, 'm' },
	{ "done", required_argument, NULL, 'd' },
	{ "begun", required_argument, NULL, 'b' },
	{ "noise", no_argument, NULL, 'N' },
	{ "zeros", no_argument, NULL, 'z' },
	{ "touch", no_argument, NULL, 't' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static void parse(int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 's':
			opt.seed = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			opt.ops = (u32)strtoul(optarg, NULL, 0);
			break;
		case 'm':
			opt.mark = optarg;
			break;
		case 'd':
			opt.done = (u32)strtoul(optarg, NULL, 0);
			break;
		case 'b':
			opt.begun = (u32)strtoul(optarg, NULL, 0);
			break;
		case 'z':
			opt.zeros = true;
			break;
		case 'N':
			opt.noise = true;
			break;
		case 't':
			opt.touch = true;
			break;
		case 'q':
			opt.quiet = true;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	parse(argc, argv);
	if (optind + 2 != argc) {
		usage(stderr);
		return 2;
	}
	umask(0);
	if (chdir(argv[optind + 1]))
		fatal("%s: %m", argv[optind + 1]);
	if (!strcmp(argv[optind], "run"))
		return run();
	if (!strcmp(argv[optind], "verify"))
		return verify();
	usage(stderr);
	return 2;
}
