// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfsr restore: takes files out of a pool; options and the summary. The work
 * is done by lib/restore.h. Opens members for reading only.
 */
#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd.h"
#include "lib/restore.h"

/* What the command line says. */
struct request {
	struct vfsr_restore_opts opts;
	unsigned int nr_devices;
	unsigned int pool_flags;
	bool json;
	bool paths_follow; /* further arguments are paths in the pool */
	char **device, **path; /* into argv */
};

enum {
	OPT_TO = 256,
	OPT_JSON,
	OPT_FORCE,
	OPT_OVERWRITE,
	OPT_THREADS,
};

static const struct option options[] = {
	{ "to", required_argument, NULL, OPT_TO },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "force", no_argument, NULL, OPT_FORCE },
	{ "overwrite", no_argument, NULL, OPT_OVERWRITE },
	{ "threads", required_argument, NULL, OPT_THREADS },
	{ "quiet", no_argument, NULL, 'q' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static bool threads_ok(const char *text, unsigned int *out)
{
	char *end;
	unsigned long v;

	if (!text)
		return false;
	v = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || !v ||
	    v > VFSR_RESTORE_MAX_THREADS)
		return false;
	*out = (unsigned int)v;
	return true;
}

/*
 * Arguments before --to are devices, those after it are paths in the pool;
 * unless --to comes first: then all are devices.
 */
static void take_argument(struct request *r, char *arg)
{
	if (r->paths_follow)
		r->path[r->opts.nr_paths++] = arg;
	else
		r->device[r->nr_devices++] = arg;
}

/* Return: -1 to go on, else the exit code. */
static int parse(int argc, char **argv, struct request *r)
{
	const struct vfsr_cmd *cmd = &vfsr_cmd_restore;
	int c;

	optind = 0;
	while ((c = getopt_long(argc, argv, "-:qvh", options, NULL)) != -1) {
		switch (c) {
		case 1:
			take_argument(r, optarg);
			break;
		case OPT_TO:
			if (r->opts.to)
				return vfsr_cmd_usage(cmd,
						      "--to is given twice");
			r->opts.to = optarg;
			r->paths_follow = r->nr_devices > 0;
			break;
		case OPT_JSON:
			r->json = true;
			break;
		case OPT_FORCE:
			r->pool_flags |= VFSR_POOL_FORCE;
			break;
		case OPT_OVERWRITE:
			r->opts.overwrite = true;
			break;
		case OPT_THREADS:
			if (!threads_ok(optarg, &r->opts.threads))
				return vfsr_cmd_usage(
					cmd,
					"--threads takes a number from 1 to %u, not '%s'",
					VFSR_RESTORE_MAX_THREADS, optarg);
			break;
		case 'q':
			vfsr_quiet = true;
			break;
		case 'v':
			vfsr_verbose++;
			break;
		case 'h':
			vfsr_cmd_help(cmd, stdout);
			return VFSR_EXIT_OK;
		case ':':
			return vfsr_cmd_usage(cmd, "%s needs a value",
					      argv[optind - 1]);
		default:
			return vfsr_cmd_bad_option(cmd, argv);
		}
	}
	for (; optind < argc; optind++)
		take_argument(r, argv[optind]);
	return -1;
}

/* What is wrong with the whole of it. Return: -1 if nothing. */
static int check(const struct request *r)
{
	const struct vfsr_cmd *cmd = &vfsr_cmd_restore;

	if (!r->nr_devices)
		return vfsr_cmd_usage(cmd,
				      "name the pool's devices, before --to");
	if (r->nr_devices > VFSR_MAX_MEMBERS)
		return vfsr_cmd_usage(cmd, "a pool has at most %d devices",
				      VFSR_MAX_MEMBERS);
	if (!r->opts.to || !*r->opts.to)
		return vfsr_cmd_usage(cmd, "say where to by --to DIR");
	if (strcmp(r->opts.to, "-"))
		return -1;
	if (r->opts.nr_paths != 1)
		return vfsr_cmd_usage(cmd,
				      "--to - takes exactly one file's PATH");
	if (r->json || r->opts.overwrite)
		return vfsr_cmd_usage(cmd,
				      "--to - excludes --json and --overwrite");
	return -1;
}

static void add_number(struct json_object *o, const char *name, u64 v)
{
	json_object_object_add(o, name, json_object_new_uint64(v));
}

/* Per device: what was found and healed. In text only devices with damage. */
static u64 add_health(struct vfsr_doc *d, struct vfsr_pool *p, bool all)
{
	struct json_object *list = json_object_new_array();
	u64 healed_total = 0;
	unsigned int i;

	for (i = 0; i < p->super->nr_members; i++) {
		const struct vfsr_member *m = &p->super->member[i];
		u64 bad = p->health[i].bad_sectors;
		u64 healed = p->health[i].healed_sectors;
		u64 lost = p->health[i].lost_sectors;
		struct json_object *o;

		if (m->state == VFSR_MEMBER_NONE)
			continue;
		healed_total += healed;
		if (!all && p->dev[i] && !bad && !healed && !lost)
			continue;
		o = json_object_new_object();
		add_number(o, "member", i);
		json_object_object_add(
			o, "path",
			json_object_new_string(p->dev[i] ? p->dev[i]->path :
							   "(missing)"));
		json_object_object_add(o, "missing",
				       json_object_new_boolean(!p->dev[i]));
		add_number(o, "bad_sectors", bad);
		add_number(o, "healed_sectors", healed);
		add_number(o, "lost_sectors", lost);
		json_object_array_add(list, o);
	}
	json_object_object_add(d->root, "devices", list);
	return healed_total;
}

/* Threads find losses in any order: told in the order of paths. */
static int by_path(const void *a, const void *b)
{
	struct json_object *x = *(struct json_object *const *)a;
	struct json_object *y = *(struct json_object *const *)b;
	int order = strcmp(
		json_object_get_string(json_object_object_get(x, "path")),
		json_object_get_string(json_object_object_get(y, "path")));
	u64 from, to;

	if (order)
		return order;
	from = json_object_get_uint64(json_object_object_get(x, "offset"));
	to = json_object_get_uint64(json_object_object_get(y, "offset"));
	return from < to ? -1 : from > to;
}

static int exit_code(const struct vfsr_restore_stats *st, int err)
{
	if (st->lost_files || st->lost_names)
		return VFSR_EXIT_LOST;
	return err || st->errors ? VFSR_EXIT_FAILED : VFSR_EXIT_OK;
}

static const char *outcome(int code, u64 healed)
{
	switch (code) {
	case VFSR_EXIT_LOST:
		return "some data is lost, the rest was restored";
	case VFSR_EXIT_FAILED:
		return "not everything could be restored";
	default:
		return healed ? "complete, with damage healed" : "complete";
	}
}

static void summary(const struct request *r, struct vfsr_pool *p,
		    struct vfsr_restore_stats *st, int code, double took)
{
	struct vfsr_doc d;
	u64 healed;

	vfsr_doc_begin(&d, "restore");
	json_object_object_add(d.root, "pool", json_object_new_string(p->name));
	json_object_object_add(d.root, "to",
			       json_object_new_string(r->opts.to));
	add_number(d.root, "files", st->files);
	add_number(d.root, "directories", st->dirs);
	add_number(d.root, "symlinks", st->symlinks);
	add_number(d.root, "special_files", st->specials);
	add_number(d.root, "hard_links", st->hardlinks);
	add_number(d.root, "attributes", st->xattrs);
	add_number(d.root, "data_bytes", st->data_bytes);
	json_object_object_add(d.root, "seconds", vfsr_json_number(took));
	healed = add_health(&d, p, r->json);
	add_number(d.root, "healed_sectors", healed);
	if (r->json || code == VFSR_EXIT_LOST) {
		add_number(d.root, "lost_files", st->lost_files);
		add_number(d.root, "lost_ranges", st->lost_ranges);
		add_number(d.root, "lost_bytes", st->lost_bytes);
		add_number(d.root, "lost_names", st->lost_names);
	}
	if (r->json || st->errors)
		add_number(d.root, "errors", st->errors);
	if (r->json) {
		add_number(d.root, "owners_skipped", st->owners_skipped);
		add_number(d.root, "attributes_skipped", st->xattrs_skipped);
		json_object_array_sort(st->lost, by_path);
		json_object_object_add(d.root, "lost", st->lost);
		json_object_object_add(d.root, "lost_incomplete",
				       json_object_new_boolean(st->lost_cut));
		st->lost = NULL;
		add_number(d.root, "exit_status", (u64)code);
	}
	json_object_object_add(d.root, "result",
			       json_object_new_string(outcome(code, healed)));
	vfsr_doc_end(&d, r->json);
}

static const char *was(u64 n)
{
	return n == 1 ? " was" : "s were";
}

static void advise(const struct vfsr_restore_stats *st)
{
	if (st->lost_ranges)
		vfsr_warn(
			"lost ranges were left out of the restored files and read as zeros there");
	if (st->owners_skipped)
		vfsr_warn("%llu owner%s not set: that takes root",
			  (unsigned long long)st->owners_skipped,
			  was(st->owners_skipped));
	if (st->xattrs_skipped)
		vfsr_warn("%llu attribute%s not set: that takes root",
			  (unsigned long long)st->xattrs_skipped,
			  was(st->xattrs_skipped));
	if (st->errors)
		vfsr_error(
			"%llu error%s in all%s; what %s was not restored as it was",
			(unsigned long long)st->errors, vfsr_plural(st->errors),
			st->errors > VFSR_RESTORE_MESSAGES && !vfsr_verbose ?
				" (-v prints each)" :
				"",
			st->errors == 1 ? "it names" : "they name");
}

static int restore(struct request *r)
{
	bool cat = r->opts.to && !strcmp(r->opts.to, "-");
	struct vfsr_restore_stats st;
	double started = vfsr_now();
	struct vfsr_pool *p;
	int err, code;

	if (vfsr_pool_open(r->device, r->nr_devices, r->pool_flags, &p))
		return VFSR_EXIT_FAILED;
	if (!cat)
		vfsr_interrupt_text(
			"vfsr: interrupted: not everything was restored; run it again with --overwrite\n",
			-1);
	if (cat)
		err = vfsr_restore_cat(p, r->path[0], STDOUT_FILENO, &st);
	else
		err = vfsr_restore(p, &r->opts, &st);
	vfsr_complain_flush();
	code = exit_code(&st, err);
	advise(&st);
	if (!cat && (r->json || (!vfsr_quiet && !err)))
		summary(r, p, &st, code, vfsr_now() - started);
	json_object_put(st.lost);
	vfsr_pool_close(p);
	return code;
}

static int run(int argc, char **argv)
{
	struct request r = { 0 };
	int code;

	r.device = calloc((size_t)argc + 1, sizeof(char *));
	r.path = calloc((size_t)argc + 1, sizeof(char *));
	if (!r.device || !r.path) {
		vfsr_error("out of memory");
		code = VFSR_EXIT_FAILED;
		goto out;
	}
	r.opts.paths = r.path;
	code = parse(argc, argv, &r);
	if (code < 0)
		code = check(&r);
	if (code < 0)
		code = restore(&r);
out:
	free(r.device);
	free(r.path);
	return code;
}

const struct vfsr_cmd vfsr_cmd_restore = {
	.name = "restore",
	.run = run,
	.synopsis = "[OPTIONS] DEVICE... --to DIR [PATH...]",
	.summary = "Take files out of a pool, healing what is damaged",
	.help = "DEVICE is a block device or an image, in any order; missing members may be\n"
		"left out. The pool is never written. Without PATH everything is restored into\n"
		"DIR, which then gets the root directory's attributes. PATH is a file or a\n"
		"directory in the pool; it is placed in DIR under its last component. Arguments\n"
		"before --to are devices, those after it are PATHs.\n"
		"\n"
		"      --to DIR       where to; made if absent. '-': contents of one file to\n"
		"                     standard output\n"
		"      --overwrite    replace existing files; without it they are refused\n"
		"                     (existing directories are always merged into)\n"
		"      --threads N    threads that make files (default: one per processor)\n"
		"      --force        accept devices that went separate ways (split brain)\n"
		"      --json         summary, health of devices and list of losses as JSON\n"
		"  -q, --quiet        no progress, no summary\n"
		"  -v, --verbose      more messages\n"
		"  -h, --help         this text\n"
		"\n"
		"What cannot be recovered is told as 'lost: PATH: bytes FIRST-LAST' (counted\n"
		"from 0); such ranges read as zeros in the restored file.\n"
		"\n"
		"Exit status: 0 everything was restored, damage or not; 1 it could not be done,\n"
		"or something could not be made in DIR; 2 bad command line; 4 data is lost.\n"
		"\n"
		"Example:\n"
		"  vfsr restore disk1.img disk2.img --to /tmp/out\n"
		"  vfsr restore /dev/sd[b-e] --to /tmp/out home/anna/letters\n"
		"  vfsr restore /dev/sd[b-e] --to - etc/fstab\n",
};
