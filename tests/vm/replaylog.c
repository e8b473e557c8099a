// SPDX-License-Identifier: GPL-2.0-only
/*
 * replaylog: reads the log of a dm-log-writes device and writes what it holds,
 * up to a point, to other devices: the states in which a power cut could have
 * left them. `replaylog --help` has the commands.
 *
 * The kernel logs a write that is not FUA when the next flush that followed it
 * is done, a FUA write and a mark at once. So the writes between two flushes,
 * or any part of them, may have reached the medium when the power went, while
 * those before a flush and those with FUA have. Several members that are slices
 * of one logged device have one order of writes, but a flush of one member
 * counts as a flush of all.
 */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "port.h"

#define LOG_MAGIC 0x6a736677736872ull
#define LOG_VERSION 1
#define MARK_MAX 64
#define TARGETS_MAX 64
#define IO_BYTES (1u << 20)

enum {
	FLAG_FLUSH = 1 << 0,
	FLAG_FUA = 1 << 1,
	FLAG_DISCARD = 1 << 2,
	FLAG_MARK = 1 << 3,
	FLAG_META = 1 << 4,
};

/* On the log device, each at the start of a sector. */
struct disk_super {
	__le64 magic;
	__le64 version;
	__le64 nr_entries;
	__le32 sector_bytes;
};

struct disk_entry {
	__le64 sector;
	__le64 nr_sectors;
	__le64 flags;
	__le64 mark_bytes; /* the mark follows in the same sector */
};

struct entry {
	u64 off, len; /* bytes on the logged device */
	u64 data; /* where its bytes are in the log */
	u32 flags;
	char mark[MARK_MAX];
};

/* One device; together they are the logged device, one after the other. */
struct target {
	int fd;
	u64 start, len;
};

static struct {
	int fd;
	u32 sector_bytes;
	struct entry *entry;
	u64 nr;
} log_dev;

static struct target targets[TARGETS_MAX];
static u32 nr_targets;

static struct {
	u64 from, to, seed, random, subsets, torn, unit;
	const char *after, *index;
} opt = { .to = ~0ull, .unit = 4096 };

static void die(const char *what)
{
	fprintf(stderr, "replaylog: %s: %m\n", what);
	exit(2);
}

static void usage(FILE *out)
{
	fprintf(out,
		"usage: replaylog list   [--from N] [--to N] LOG\n"
		"       replaylog next   [--from N] flush|fua|mark|NAME LOG\n"
		"       replaylog replay [--from N] [--to N] LOG TARGET...\n"
		"       replaylog subset --from N --to N [--seed S] [--torn 1] LOG TARGET...\n"
		"       replaylog points [--after MARK] [--random N] [--subsets N] [--torn N] [--seed S] LOG\n"
		"Entries are numbered from 0; --to is the first one left out. The targets together are\n"
		"the logged device. subset applies FUA writes, and of the others a random choice; with\n"
		"--torn every write, FUA too, may be applied in part (whole --unit bytes, default 4096).\n"
		"--index FILE, with any command: where the log's entries are is in the file, or, if there\n"
		"is none, goes into it; scanning a long log takes seconds.\n"
		"next prints the number of an entry at or after N (NAME: a mark), or fails.\n"
		"points prints one line for each state worth testing, in the order of the log:\n"
		"  KIND FROM TO SEED DONE BEGUN   replay to FROM, then (KIND subset or torn) a subset up to TO;\n"
		"                                 the last marks dDONE (- if none) and oBEGUN before TO\n"
		"Example: replaylog replay --to 120 /dev/vdb /dev/vdc\n");
}

static u64 rnd(u64 *state)
{
	u64 v;

	*state += 0x9e3779b97f4a7c15ull;
	v = *state;
	v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9ull;
	v = (v ^ (v >> 27)) * 0x94d049bb133111ebull;
	return v ^ (v >> 31);
}

/* --- the log --- */

static void read_at(int fd, void *buf, size_t len, u64 off)
{
	ssize_t got;

	while (len) {
		got = pread(fd, buf, len, (off_t)off);
		if (got <= 0)
			die(got ? "read" : "the log ends early");
		buf = (u8 *)buf + got;
		off += (u64)got;
		len -= (size_t)got;
	}
}

static void log_entry(struct entry *e, const u8 *sector, u64 at)
{
	const struct disk_entry *d = (const void *)sector;
	u64 mark = le64_to_cpu(d->mark_bytes);

	e->flags = (u32)le64_to_cpu(d->flags);
	e->off = le64_to_cpu(d->sector) * log_dev.sector_bytes;
	e->len = le64_to_cpu(d->nr_sectors) * log_dev.sector_bytes;
	e->data = at + log_dev.sector_bytes;
	e->mark[0] = 0;
	if (e->flags & FLAG_MARK) {
		mark = min_t(u64, mark, MARK_MAX - 1);
		memcpy(e->mark, sector + sizeof(*d), mark);
		e->mark[mark] = 0;
	}
}

/* What --index remembers of the log; entries follow. */
struct index_head {
	u64 nr;
	u32 sector_bytes, pad;
};

static void *entries_new(void)
{
	log_dev.entry = calloc(log_dev.nr + 1, sizeof(*log_dev.entry));
	if (!log_dev.entry)
		die("memory");
	return log_dev.entry;
}

static bool index_load(void)
{
	int fd = opt.index ? open(opt.index, O_RDONLY) : -1;
	struct index_head head;

	if (fd < 0)
		return false;
	read_at(fd, &head, sizeof(head), 0);
	log_dev.nr = head.nr;
	log_dev.sector_bytes = head.sector_bytes;
	read_at(fd, entries_new(), head.nr * sizeof(*log_dev.entry),
		sizeof(head));
	close(fd);
	return true;
}

static void index_store(void)
{
	const struct index_head head = {
		.nr = log_dev.nr,
		.sector_bytes = log_dev.sector_bytes,
	};
	FILE *f = opt.index ? fopen(opt.index, "w") : NULL;

	if (!opt.index)
		return;
	if (!f || fwrite(&head, sizeof(head), 1, f) != 1 ||
	    fwrite(log_dev.entry, sizeof(*log_dev.entry), log_dev.nr, f) !=
		    log_dev.nr ||
	    fclose(f))
		die(opt.index);
}

static void log_scan(const char *path)
{
	u8 sector[4096] = { 0 };
	const struct disk_super *s = (const void *)sector;
	u64 at, i;

	read_at(log_dev.fd, sector, sizeof(sector), 0);
	log_dev.sector_bytes = le32_to_cpu(s->sector_bytes);
	log_dev.nr = le64_to_cpu(s->nr_entries);
	if (le64_to_cpu(s->magic) != LOG_MAGIC ||
	    le64_to_cpu(s->version) != LOG_VERSION ||
	    log_dev.sector_bytes < 512 || log_dev.sector_bytes > 4096) {
		fprintf(stderr, "replaylog: %s is no log of dm-log-writes\n",
			path);
		exit(2);
	}
	entries_new();
	at = log_dev.sector_bytes;
	for (i = 0; i < log_dev.nr; i++) {
		struct entry *e = &log_dev.entry[i];

		read_at(log_dev.fd, sector, log_dev.sector_bytes, at);
		log_entry(e, sector, at);
		at += log_dev.sector_bytes;
		if (!(e->flags & FLAG_DISCARD))
			at += e->len;
	}
}

static void log_open(const char *path)
{
	log_dev.fd = open(path, O_RDONLY);
	if (log_dev.fd < 0)
		die(path);
	if (!index_load()) {
		log_scan(path);
		index_store();
	}
	opt.to = min_t(u64, opt.to, log_dev.nr);
	opt.from = min_t(u64, opt.from, opt.to);
}

static void list(void)
{
	static const char *const names[] = { "flush", "fua", "discard", "mark",
					     "meta" };
	u64 i;
	u32 b;

	for (i = opt.from; i < opt.to; i++) {
		const struct entry *e = &log_dev.entry[i];

		printf("%llu %llu+%llu", (unsigned long long)i,
		       (unsigned long long)e->off, (unsigned long long)e->len);
		for (b = 0; b < ARRAY_SIZE(names); b++)
			if (e->flags & 1u << b)
				printf(" %s", names[b]);
		printf("%s%s\n", *e->mark ? " " : "", e->mark);
	}
}

static int next(const char *what)
{
	u32 flag = !strcmp(what, "flush") ? FLAG_FLUSH :
		   !strcmp(what, "fua")	  ? FLAG_FUA :
		   !strcmp(what, "mark")  ? FLAG_MARK :
					    0;
	u64 i;

	for (i = opt.from; i < opt.to; i++) {
		const struct entry *e = &log_dev.entry[i];

		if (flag ? !(e->flags & flag) : strcmp(e->mark, what) != 0)
			continue;
		printf("%llu\n", (unsigned long long)i);
		return 0;
	}
	return 1;
}

/* --- writing --- */

static void target_open(const char *path)
{
	struct target *t = &targets[nr_targets];
	off_t len;

	t->fd = open(path, O_WRONLY);
	if (t->fd < 0)
		die(path);
	len = lseek(t->fd, 0, SEEK_END);
	if (len < 0)
		die(path);
	t->start = nr_targets ? t[-1].start + t[-1].len : 0;
	t->len = (u64)len;
	nr_targets++;
}

/* Bytes of the logged device: to the target that has them. */
static void put(const u8 *buf, u64 off, u64 len)
{
	const struct target *t;
	u64 part;
	ssize_t ret;

	while (len) {
		for (t = targets; t < targets + nr_targets; t++)
			if (off >= t->start && off < t->start + t->len)
				break;
		if (t == targets + nr_targets) {
			fprintf(stderr,
				"replaylog: byte %llu is beyond the targets\n",
				(unsigned long long)off);
			exit(2);
		}
		part = min_t(u64, len, t->start + t->len - off);
		ret = pwrite(t->fd, buf, part, (off_t)(off - t->start));
		if (ret <= 0)
			die("write");
		buf += ret;
		off += (u64)ret;
		len -= (u64)ret;
	}
}

/* A part of an entry, skip bytes after its start. */
static void apply_part(const struct entry *e, u64 skip, u64 len)
{
	static u8 buf[IO_BYTES];
	u64 part;

	for (; len; len -= part, skip += part) {
		part = min_t(u64, len, IO_BYTES);
		if (e->flags & FLAG_DISCARD)
			memset(buf, 0, part);
		else
			read_at(log_dev.fd, buf, part, e->data + skip);
		put(buf, e->off + skip, part);
	}
}

/* Zeros without writing them, where the whole range is in one sparse file. */
static bool punched(const struct entry *e)
{
	struct stat st;

	return nr_targets == 1 && !fstat(targets[0].fd, &st) &&
	       e->off + e->len <= targets[0].len &&
	       !fallocate(targets[0].fd,
			  FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			  (off_t)e->off, (off_t)e->len);
}

static void apply(const struct entry *e)
{
	if (!e->len || e->flags & FLAG_MARK)
		return;
	if (e->flags & FLAG_DISCARD && punched(e))
		return;
	apply_part(e, 0, e->len);
}

static void sync_targets(void)
{
	u32 i;

	for (i = 0; i < nr_targets; i++)
		if (fsync(targets[i].fd) || close(targets[i].fd))
			die("fsync");
}

static void replay(void)
{
	u64 i;

	for (i = opt.from; i < opt.to; i++)
		apply(&log_dev.entry[i]);
	sync_targets();
}

/* Some units of a write, each with a chance of its own, or a beginning. */
static void tear(const struct entry *e, u64 *dice)
{
	bool prefix = rnd(dice) % 2;
	u64 units = DIV_ROUND_UP(e->len, opt.unit), i;
	u64 cut = rnd(dice) % (units + 1);

	for (i = 0; i < units; i++) {
		u64 skip = i * opt.unit;

		if (prefix ? i < cut : rnd(dice) % 2)
			apply_part(e, skip,
				   min_t(u64, opt.unit, e->len - skip));
	}
}

static void subset(void)
{
	u64 dice = opt.seed, i, nr = 0, whole = 0, some = 0;

	for (i = opt.from; i < opt.to; i++) {
		const struct entry *e = &log_dev.entry[i];

		if (!e->len || e->flags & FLAG_MARK)
			continue;
		nr++;
		if (e->flags & FLAG_FUA && !opt.torn) {
			apply(e);
			whole++;
			continue;
		}
		/* half of them whole, a quarter in part */
		switch (rnd(&dice) % 4) {
		case 0:
			break;
		case 1:
			tear(e, &dice);
			some++;
			break;
		default:
			if (opt.torn && e->len > opt.unit) {
				tear(e, &dice);
				some++;
				break;
			}
			apply(e);
			whole++;
		}
	}
	sync_targets();
	printf("%llu writes: %llu applied, %llu in part\n",
	       (unsigned long long)nr, (unsigned long long)whole,
	       (unsigned long long)some);
}

/* --- points --- */

struct point {
	u64 from, to, seed;
	const char *kind;
};

static struct point *points;
static u64 nr_points;

static void point_add(const char *kind, u64 from, u64 to, u64 seed)
{
	if (nr_points % 1024 == 0) {
		points = realloc(points, (nr_points + 1024) * sizeof(*points));
		if (!points)
			die("memory");
	}
	points[nr_points++] = (struct point){
		.kind = kind,
		.from = from,
		.to = to,
		.seed = seed,
	};
}

static int point_order(const void *a, const void *b)
{
	const struct point *x = a, *y = b;

	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	if (x->to != y->to)
		return x->to < y->to ? -1 : 1;
	return 0;
}

/* The numbers of the last marks dN and oN before an entry. */
static void print_point(const struct point *p)
{
	static u64 at, begun, last_to;
	static char done[24] = "-";

	if (p->to < last_to) {
		at = begun = 0;
		done[0] = '-';
		done[1] = 0;
	}
	last_to = p->to;
	for (; at < p->to; at++) {
		const char *mark = log_dev.entry[at].mark;

		if (mark[0] == 'd' && mark[1] >= '0' && mark[1] <= '9')
			snprintf(done, sizeof(done), "%.20s", mark + 1);
		if (mark[0] == 'o' && mark[1] >= '0' && mark[1] <= '9')
			begun = strtoull(mark + 1, NULL, 10);
	}
	printf("%s %llu %llu %llu %s %llu\n", p->kind,
	       (unsigned long long)p->from, (unsigned long long)p->to,
	       (unsigned long long)p->seed, done, (unsigned long long)begun);
}

/* Every flush and FUA write, and what could be lost or torn before it. */
static void fixed_points(void)
{
	u64 dice = opt.seed, last = opt.from, i, n;

	for (i = opt.from; i < opt.to; i++) {
		const struct entry *e = &log_dev.entry[i];

		if (!(e->flags & (FLAG_FLUSH | FLAG_FUA)))
			continue;
		point_add(e->flags & FLAG_FUA ? "fua" : "flush", i + 1, i + 1,
			  0);
		for (n = 0; n < opt.torn && e->len > opt.unit; n++)
			point_add("torn", i, i + 1, rnd(&dice));
		if (!(e->flags & FLAG_FLUSH))
			continue;
		for (n = 0; n < opt.subsets && i > last + 1; n++)
			point_add("subset", last, i, rnd(&dice));
		last = i + 1;
	}
}

static void print_points(void)
{
	u64 dice = opt.seed ^ 0x5eed, i, at;

	for (i = opt.from; opt.after && i < opt.to; i++)
		if (!strcmp(log_dev.entry[i].mark, opt.after))
			opt.from = i + 1;
	fixed_points();
	for (i = 0; i < opt.random && opt.to > opt.from; i++) {
		at = opt.from + 1 + rnd(&dice) % (opt.to - opt.from);
		point_add("random", at, at, 0);
	}
	qsort(points, nr_points, sizeof(*points), point_order);
	for (i = 0; i < nr_points; i++)
		print_point(&points[i]);
}

static u64 number(const char *s)
{
	char *end;
	u64 v = strtoull(s, &end, 0);

	if (end == s || *end) {
		fprintf(stderr, "replaylog: '%s' is not a number\n", s);
		exit(2);
	}
	return v;
}

static const struct option options[] = {
	{ "from", required_argument, NULL, 'f' },
	{ "to", required_argument, NULL, 't' },
	{ "seed", required_argument, NULL, 's' },
	{ "random", required_argument, NULL, 'r' },
	{ "subsets", required_argument, NULL, 'u' },
	{ "torn", required_argument, NULL, 'n' },
	{ "unit", required_argument, NULL, 'i' },
	{ "after", required_argument, NULL, 'a' },
	{ "index", required_argument, NULL, 'x' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static void parse(int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'f':
			opt.from = number(optarg);
			break;
		case 't':
			opt.to = number(optarg);
			break;
		case 's':
			opt.seed = number(optarg);
			break;
		case 'r':
			opt.random = number(optarg);
			break;
		case 'u':
			opt.subsets = number(optarg);
			break;
		case 'n':
			opt.torn = number(optarg);
			break;
		case 'i':
			opt.unit = number(optarg);
			break;
		case 'a':
			opt.after = optarg;
			break;
		case 'x':
			opt.index = optarg;
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
	const char *command;
	int nr, i;

	parse(argc, argv);
	nr = argc - optind;
	if (nr < 2 || !opt.unit) {
		usage(stderr);
		return 2;
	}
	command = argv[optind];
	if (!strcmp(command, "next") && nr == 3) {
		log_open(argv[optind + 2]);
		return next(argv[optind + 1]);
	}
	log_open(argv[optind + 1]);
	for (i = optind + 2; i < argc && nr_targets < TARGETS_MAX; i++)
		target_open(argv[i]);
	if (!strcmp(command, "list") && !nr_targets)
		list();
	else if (!strcmp(command, "points") && !nr_targets)
		print_points();
	else if (!strcmp(command, "replay") && nr_targets)
		replay();
	else if (!strcmp(command, "subset") && nr_targets)
		subset();
	else {
		usage(stderr);
		return 2;
	}
	return 0;
}
