// SPDX-License-Identifier: GPL-2.0-only
/*
 * fsck.vfsr: options, the order of steps, report, exit status of fsck(8). The
 * check is in lib/check*.c, healing in lib/scrub*.c, the rebuild in
 * lib/rebuild*.c.
 *
 * Nothing is written unless it was asked for by -a, -p, -y or --rebuild-map, and
 * nothing ever asks back.
 */
#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/check.h"
#include "lib/out.h"
#include "lib/rebuild.h"
#include "lib/scrub.h"

/* Exit status: a sum, as fsck(8). */
#define FSCK_OK 0
#define FSCK_CORRECTED 1
#define FSCK_UNCORRECTED 4
#define FSCK_ERROR 8
#define FSCK_USAGE 16
#define FSCK_CANCELLED 32

#define LIST_MAX 10000u /* findings in JSON */
#define PASS_CHECK 1 /* number of the pass for -C */

struct fsck {
	char **paths;
	unsigned int nr;
	bool write; /* -a, -p, -y */
	bool all; /* -y: rebuild the map too if need be */
	bool dry; /* -n */
	bool rebuild, json;
	int progress_fd; /* -1: none */
	struct vfsr_progress progress;
	struct vfsr_pool *pool; /* while it is checked */
	struct vfsr_ws *ws;
	struct json_object *findings;
	struct vfsr_check_stats stats;
	struct vfsr_rebuild_stats rebuilt;
	bool have_rebuilt;
};

static const char help[] =
	"Usage: fsck.vfsr [-a|-p|-n|-y] [-f] [-v] [-C FD] [--json] [--rebuild-map] DEVICE...\n"
	"\n"
	"Checks a vfsr pool that is not mounted; name all its devices, in any order.\n"
	"Without -a, -p or -y nothing is written.\n"
	"\n"
	"  -n               only check (the default)\n"
	"  -a, -p           heal from parity and copies what can be healed safely\n"
	"  -y               heal, and rebuild the map if findings remain\n"
	"  -f               accepted; the check is always complete\n"
	"  -q               only findings and errors\n"
	"  -v               print every finding, not only the first of each kind\n"
	"  -C FD            report progress to this descriptor; 0: on the terminal\n"
	"      --json       findings as one JSON object\n"
	"      --rebuild-map  rebuild records, tables and map from footers and\n"
	"                   trailers alone; with -n only say what would be found\n"
	"  -V, --version    print the version\n"
	"  -h, --help       this text\n"
	"\n"
	"Exit status, a sum: 0 no errors, 1 errors corrected, 4 errors left, 8 the\n"
	"check could not run, 16 usage, 32 cancelled by the user.\n"
	"\n"
	"Example:\n"
	"  fsck.vfsr -n disk1.img disk2.img disk3.img\n";

static void add_u64(struct json_object *o, const char *name, u64 v)
{
	json_object_object_add(o, name, json_object_new_uint64(v));
}

static void add_str(struct json_object *o, const char *name, const char *v)
{
	json_object_object_add(o, name, json_object_new_string(v));
}

static void add_id(struct json_object *o, const char *name, u64 id)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)id);
	add_str(o, name, text);
}

/* One finding: a line, and an element of the list. */
static void on_finding(void *ctx, const struct vfsr_finding *x)
{
	struct fsck *f = ctx;
	struct json_object *o;
	char *path = NULL;

	if (!f->json)
		vfsr_complain(f->pool->name, x->dev, x->grid, x->ino,
			      &x->fault);
	if (json_object_array_length(f->findings) >= LIST_MAX)
		return;
	o = json_object_new_object();
	add_str(o, "reason", vfsr_reason_name(x->fault.reason));
	add_str(o, "text", vfsr_reason_text(x->fault.reason));
	add_str(o, "advice", vfsr_reason_hint(x->fault.reason));
	if (x->dev >= 0) {
		add_u64(o, "member", (u64)x->dev);
		if (f->pool->dev[x->dev])
			add_str(o, "device", f->pool->dev[x->dev]->path);
	}
	if (x->grid)
		add_id(o, "grid", x->grid);
	if (x->ino) {
		add_id(o, "id", x->ino);
		path = vfsr_path_of(f->pool, x->ino, f->ws);
		add_str(o, "path", path);
		free(path);
	}
	add_id(o, "have", x->fault.have);
	add_id(o, "want", x->fault.want);
	json_object_array_add(f->findings, o);
}

static void on_progress(void *ctx, u64 done, u64 total)
{
	struct fsck *f = ctx;

	if (f->progress_fd == 0) {
		f->progress.total = total;
		vfsr_progress_set(&f->progress, done);
	} else if (f->progress_fd > 0) {
		dprintf(f->progress_fd, "%d %llu %llu %s\n", PASS_CHECK,
			(unsigned long long)done, (unsigned long long)total,
			f->paths[0]);
	}
}

/* One complete check. Findings or a negative errno. */
static s64 check(struct fsck *f, struct vfsr_pool *p)
{
	struct vfsr_check_opts opts = {
		.report = on_finding,
		.ctx = f,
		.progress = f->progress_fd >= 0 ? on_progress : NULL,
	};
	int err;

	json_object_put(f->findings);
	f->findings = json_object_new_array();
	f->pool = p;
	f->ws = vfsr_ws_new();
	if (!f->ws)
		return -ENOMEM;
	vfsr_progress_begin(&f->progress, "checking", 0);
	err = vfsr_check(p, &opts, &f->stats);
	vfsr_progress_end(&f->progress);
	vfsr_complain_flush();
	vfsr_ws_free(f->ws);
	if (err) {
		vfsr_error("check of %s stopped: %s", p->name, strerror(-err));
		return err;
	}
	return (s64)f->stats.findings;
}

static int open_pool(struct fsck *f, bool write, struct vfsr_pool **p)
{
	return vfsr_pool_open(f->paths, f->nr, write ? VFSR_POOL_WRITE : 0, p);
}

/* Check and close. */
static s64 open_and_check(struct fsck *f, char *name, size_t room)
{
	struct vfsr_pool *p;
	s64 found;

	if (open_pool(f, false, &p))
		return -EIO;
	snprintf(name, room, "%s", p->name);
	found = check(f, p);
	vfsr_pool_close(p);
	return found;
}

static void on_lost(void *ctx, const char *path, const char *what, u64 from,
		    u64 bytes)
{
	(void)ctx;
	if (strcmp(what, "bytes"))
		fprintf(stderr, "lost: %s: %s\n", path, what);
	else
		fprintf(stderr, "lost: %s: bytes %llu-%llu\n", path,
			(unsigned long long)from,
			(unsigned long long)(from + bytes - 1));
}

/* Heal from parity and copies. 0 or a negative errno. */
static int heal(struct fsck *f)
{
	struct vfsr_scrub_opts opts = { .repair = true, .lost = on_lost };
	struct vfsr_scrub_stats st;
	struct vfsr_pool *p;
	int err;

	if (open_pool(f, true, &p))
		return -EIO;
	p->write_back = true;
	err = vfsr_scrub(p, &opts, &st);
	if (!err)
		vfsr_info(
			"%s: healed %llu sectors and %llu roots, %llu sectors are lost",
			p->name, (unsigned long long)st.written,
			(unsigned long long)st.roots_written,
			(unsigned long long)st.lost);
	vfsr_pool_close(p);
	return err;
}

static int rebuild(struct fsck *f, bool write)
{
	const struct vfsr_rebuild_stats *st = &f->rebuilt;
	int err = vfsr_rebuild(f->paths, f->nr, write, &f->rebuilt);

	if (err)
		return err;
	f->have_rebuilt = true;
	vfsr_info(
		"%s from %llu labels: transaction %llu, %llu inodes, %llu ids; dropped %llu ids, lost %llu blocks",
		write ? "rebuilt" : "would rebuild",
		(unsigned long long)st->labels,
		(unsigned long long)st->transaction,
		(unsigned long long)st->inodes, (unsigned long long)st->ids,
		(unsigned long long)st->dropped, (unsigned long long)st->lost);
	return 0;
}

static void add_rebuilt(const struct fsck *f, struct json_object *to)
{
	struct json_object *o = json_object_new_object();
	const struct vfsr_rebuild_stats *st = &f->rebuilt;

	add_u64(o, "labels", st->labels);
	add_u64(o, "grids", st->grids);
	add_u64(o, "stripes", st->stripes);
	add_id(o, "transaction", st->transaction);
	add_u64(o, "inodes", st->inodes);
	add_u64(o, "ids", st->ids);
	add_u64(o, "dropped", st->dropped);
	add_u64(o, "lost", st->lost);
	json_object_object_add(to, "rebuilt", o);
}

/* What a rebuild without writing found: one document, as the check gives. */
static int report_dry(struct fsck *f)
{
	int status = f->rebuilt.lost ? FSCK_UNCORRECTED : FSCK_OK;
	struct vfsr_doc d;

	if (!f->json)
		return status;
	vfsr_doc_begin(&d, "fsck");
	add_str(d.root, "result", "would rebuild");
	json_object_object_add(d.root, "exit", json_object_new_int(status));
	add_rebuilt(f, d.root);
	vfsr_doc_end(&d, true);
	return status;
}

static int report(struct fsck *f, const char *name, s64 before, s64 after,
		  int status)
{
	const struct vfsr_check_stats *s = &f->stats;
	struct vfsr_doc d;

	vfsr_doc_begin(&d, "fsck");
	add_str(d.root, "pool", name);
	add_str(d.root, "result",
		after < 0 ? "failed" :
		after	  ? "errors" :
		before	  ? "corrected" :
			    "clean");
	json_object_object_add(d.root, "exit", json_object_new_int(status));
	if (before >= 0)	/* a rebuild does not check first */
		add_u64(d.root, "found", (u64)before);
	add_u64(d.root, "left", after > 0 ? (u64)after : 0);
	add_u64(d.root, "inodes", s->inodes);
	add_u64(d.root, "directories", s->directories);
	add_u64(d.root, "files", s->files);
	add_u64(d.root, "chunks", s->chunks);
	add_u64(d.root, "nodes", s->nodes);
	add_u64(d.root, "map_pages", s->map_pages);
	add_u64(d.root, "grids", s->grids);
	add_u64(d.root, "stripes", s->stripes);
	if (f->json && f->have_rebuilt)
		add_rebuilt(f, d.root);
	if (f->json)
		json_object_object_add(d.root, "findings",
				       json_object_get(f->findings));
	if (f->json || !vfsr_quiet)
		vfsr_doc_end(&d, f->json);
	else
		json_object_put(d.root);
	if (after > 0 && !f->write)
		vfsr_info(
			"%s: %lld finding%s; 'fsck.vfsr -p' heals what parity covers, -y also rebuilds the map",
			name, (long long)after, vfsr_plural((u64)after));
	return status;
}

/* The rebuild on its own, then a check of the result. */
static int run_rebuild(struct fsck *f)
{
	char name[64] = "";
	s64 left;

	if (rebuild(f, !f->dry))
		return FSCK_ERROR;
	if (f->dry)
		return report_dry(f);
	left = open_and_check(f, name, sizeof(name));
	return report(f, name, -1, left,
		      left < 0 ? FSCK_ERROR :
		      left     ? FSCK_CORRECTED | FSCK_UNCORRECTED :
				 FSCK_CORRECTED);
}

static int run(struct fsck *f)
{
	char name[64] = "";
	s64 found, left;

	if (f->rebuild)
		return run_rebuild(f);
	found = open_and_check(f, name, sizeof(name));
	if (found < 0)
		return FSCK_ERROR;
	left = found;
	if (left && f->write) {
		if (heal(f))
			return FSCK_ERROR;
		left = open_and_check(f, name, sizeof(name));
	}
	if (left > 0 && f->all) {
		if (rebuild(f, true))
			return FSCK_ERROR | FSCK_UNCORRECTED;
		left = open_and_check(f, name, sizeof(name));
	}
	if (left < 0)
		return FSCK_ERROR;
	return report(f, name, found, left,
		      (left < found ? FSCK_CORRECTED : 0) |
			      (left ? FSCK_UNCORRECTED : 0));
}

/* 0 to go on, else 1 + exit status. */
static int parse(struct fsck *f, int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "rebuild-map", no_argument, NULL, 'R' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	char *end;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":apnyfvqC:Vh", options, NULL)) !=
	       -1) {
		switch (c) {
		case 'a':
		case 'p':
			f->write = true;
			break;
		case 'y':
			f->write = true;
			f->all = true;
			break;
		case 'n':
			f->dry = true;
			break;
		case 'f':
			break; /* there is no short check to skip */
		case 'v':
			vfsr_verbose++;
			break;
		case 'q':
			vfsr_quiet = true;
			break;
		case 'C':
			f->progress_fd = (int)strtol(optarg, &end, 10);
			if (*end || end == optarg || f->progress_fd < 0) {
				vfsr_error(
					"'%s' is no file descriptor; see 'fsck.vfsr --help'",
					optarg);
				return 1 + FSCK_USAGE;
			}
			break;
		case 'j':
			f->json = true;
			break;
		case 'R':
			f->rebuild = true;
			break;
		case 'V':
			printf("fsck.vfsr %s\n", VFSR_VERSION);
			return 1 + FSCK_OK;
		case 'h':
			fputs(help, stdout);
			return 1 + FSCK_OK;
		case ':':
			vfsr_error(
				"-C needs a file descriptor; see 'fsck.vfsr --help'");
			return 1 + FSCK_USAGE;
		default:
			vfsr_error(
				"unknown option '%s'; see 'fsck.vfsr --help'",
				argv[optind - 1]);
			return 1 + FSCK_USAGE;
		}
	}
	if (f->dry && f->write) {
		vfsr_error(
			"-n does not go with -a, -p or -y; see 'fsck.vfsr --help'");
		return 1 + FSCK_USAGE;
	}
	f->paths = argv + optind;
	f->nr = (unsigned int)(argc - optind);
	if (!f->nr || f->nr > VFSR_MAX_MEMBERS) {
		vfsr_error("%s; see 'fsck.vfsr --help'",
			   f->nr ? "a pool has at most 64 devices" :
				   "no device was named");
		return 1 + FSCK_USAGE;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct fsck f = { .progress_fd = -1 };
	int status;

	vfsr_prog = "fsck.vfsr";
	status = parse(&f, argc, argv);
	if (status)
		return status - 1;
	vfsr_interrupt_text(
		f.write || (f.rebuild && !f.dry) ?
			"fsck.vfsr: cancelled; run it again before the pool is used\n" :
			"fsck.vfsr: cancelled; nothing was written\n",
		FSCK_CANCELLED);
	status = run(&f);
	json_object_put(f.findings);
	return status;
}
