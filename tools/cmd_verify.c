// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfsr verify: the offline scrub. Options, report, exit status; the work is
 * in lib/scrub.c.
 */
#include <getopt.h>
#include <stdlib.h>

#include "cmd.h"
#include "lib/scrub.h"

#define THREADS_MAX 64u

struct verify {
	bool json, repair, force;
	unsigned int threads;
	struct json_object *lost; /* list for JSON, NULL in text */
};

static void on_lost(void *ctx, const char *path, const char *what, u64 from,
		    u64 bytes)
{
	struct verify *v = ctx;
	struct json_object *o;

	if (strcmp(what, "bytes"))
		fprintf(stderr, "lost: %s: %s\n", path, what);
	else
		fprintf(stderr, "lost: %s: bytes %llu-%llu\n", path,
			(unsigned long long)from,
			(unsigned long long)(from + bytes - 1));
	o = json_object_new_object();
	json_object_object_add(o, "path", json_object_new_string(path));
	json_object_object_add(o, "what", json_object_new_string(what));
	json_object_object_add(o, "offset", json_object_new_uint64(from));
	json_object_object_add(o, "bytes", json_object_new_uint64(bytes));
	json_object_array_add(v->lost, o);
}

static void add_u64(struct json_object *o, const char *name, u64 v)
{
	json_object_object_add(o, name, json_object_new_uint64(v));
}

static struct json_object *members(const struct vfsr_pool *p)
{
	struct json_object *list = json_object_new_array();
	unsigned int m;

	for (m = 0; m < p->super->nr_members; m++) {
		const struct vfsr_health *h = &p->health[m];
		struct json_object *o = json_object_new_object();

		add_u64(o, "member", m);
		json_object_object_add(
			o, "path",
			json_object_new_string(p->dev[m] ? p->dev[m]->path :
							   "(missing)"));
		add_u64(o, "bad_sectors", h->bad_sectors);
		add_u64(o, "healed_sectors", h->healed_sectors);
		add_u64(o, "written_sectors", h->written_sectors);
		add_u64(o, "lost_sectors", h->lost_sectors);
		json_object_array_add(list, o);
	}
	return list;
}

/* What the scrub's findings mean for the user, in one word. */
static const char *verdict(const struct vfsr_scrub_stats *st)
{
	if (st->lost_chunks || st->lost_files || st->lost_map)
		return "lost";
	if (st->lost || st->bad || st->roots_bad || st->trailers_bad)
		return st->lost || st->bad > st->written ||
				       st->roots_bad > st->roots_written ||
				       st->trailers_bad ?
			       "damaged" :
			       "repaired";
	return "clean";
}

static int report(struct verify *v, const struct vfsr_pool *p,
		  const struct vfsr_scrub_stats *st)
{
	double rate = st->seconds > 0 ? (double)st->bytes / st->seconds / 1e6 :
					0;
	const char *word = verdict(st);
	struct vfsr_doc d;

	vfsr_doc_begin(&d, "verify");
	json_object_object_add(d.root, "pool", json_object_new_string(p->name));
	json_object_object_add(d.root, "result", json_object_new_string(word));
	add_u64(d.root, "grids", st->grids);
	add_u64(d.root, "checked_bytes", st->bytes);
	json_object_object_add(d.root, "seconds",
			       vfsr_json_number(st->seconds));
	json_object_object_add(d.root, "megabytes_per_second",
			       vfsr_json_number(rate));
	add_u64(d.root, "bad_sectors", st->bad);
	add_u64(d.root, "healed_sectors", st->healed);
	add_u64(d.root, "written_sectors", st->written);
	add_u64(d.root, "lost_sectors", st->lost);
	add_u64(d.root, "bad_roots", st->roots_bad);
	add_u64(d.root, "written_roots", st->roots_written);
	add_u64(d.root, "bad_trailers", st->trailers_bad);
	add_u64(d.root, "lost_chunks", st->lost_chunks);
	add_u64(d.root, "lost_files", st->lost_files);
	json_object_object_add(d.root, "devices", members(p));
	if (v->json)
		json_object_object_add(d.root, "lost",
				       json_object_get(v->lost));
	if (!vfsr_quiet || v->json)
		vfsr_doc_end(&d, v->json);
	else
		json_object_put(d.root);
	vfsr_complain_flush();
	if (!strcmp(word, "damaged") && st->lost)
		vfsr_warn("%llu sector%s damaged; no file needs %s",
			  (unsigned long long)st->lost,
			  st->lost == 1 ? " stays" : "s stay",
			  st->lost == 1 ? "it" : "them");
	if (!strcmp(word, "damaged") && !v->repair)
		vfsr_warn("damage was found that parity covers; 'vfsr verify "
			  "--repair' writes it back");
	if (!strcmp(word, "lost"))
		vfsr_error("damage was found that parity does not cover; "
			   "attach missing devices, or restore the files "
			   "named above from a backup");
	if (!strcmp(word, "lost"))
		return VFSR_EXIT_LOST;
	return strcmp(word, "damaged") ? VFSR_EXIT_OK : VFSR_EXIT_DAMAGED;
}

static int parse(struct verify *v, int argc, char **argv)
{
	static const struct option options[] = {
		{ "repair", no_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "force", no_argument, NULL, 'f' },
		{ "threads", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	unsigned long nr;
	char *end;
	int c;

	opterr = 0;
	optind = 1;
	while ((c = getopt_long(argc, argv, "rqvfh", options, NULL)) != -1) {
		switch (c) {
		case 'r':
			v->repair = true;
			break;
		case 'j':
			v->json = true;
			break;
		case 'q':
			vfsr_quiet = true;
			break;
		case 'v':
			vfsr_verbose++;
			break;
		case 'f':
			v->force = true;
			break;
		case 't':
			nr = strtoul(optarg, &end, 10);
			if (*optarg < '1' || *optarg > '9' || *end ||
			    nr > THREADS_MAX)
				return vfsr_cmd_usage(
					&vfsr_cmd_verify,
					"--threads takes a number from 1 to %u, not '%s'",
					THREADS_MAX, optarg);
			v->threads = (unsigned int)nr;
			break;
		case 'h':
			vfsr_cmd_help(&vfsr_cmd_verify, stdout);
			return -1;
		default:
			return vfsr_cmd_bad_option(&vfsr_cmd_verify, argv);
		}
	}
	if (optind == argc)
		return vfsr_cmd_usage(&vfsr_cmd_verify, "no device was named");
	if (argc - optind > VFSR_MAX_MEMBERS)
		return vfsr_cmd_usage(&vfsr_cmd_verify,
				      "a pool has at most %d devices",
				      VFSR_MAX_MEMBERS);
	return 0;
}

static int run(int argc, char **argv)
{
	struct verify v = { 0 };
	struct vfsr_scrub_opts opts = { .lost = on_lost, .ctx = &v };
	struct vfsr_scrub_stats st;
	struct vfsr_pool *p;
	unsigned int flags;
	int err = parse(&v, argc, argv);

	if (err)
		return err < 0 ? VFSR_EXIT_OK : err;
	flags = (v.repair ? VFSR_POOL_WRITE : 0) |
		(v.force ? VFSR_POOL_FORCE : 0);
	if (vfsr_pool_open(argv + optind, (unsigned int)(argc - optind), flags,
			   &p))
		return VFSR_EXIT_FAILED;
	vfsr_interrupt_text(
		v.repair ?
			"vfsr: interrupted: not everything was repaired; run it again\n" :
			"vfsr: interrupted: nothing was written\n",
		-1);
	v.lost = json_object_new_array();
	opts.repair = v.repair;
	opts.threads = v.threads;
	opts.progress = !v.json;
	p->write_back = v.repair;
	err = vfsr_scrub(p, &opts, &st);
	if (err)
		vfsr_error("verify of %s stopped: %s", p->name, strerror(-err));
	err = err ? VFSR_EXIT_FAILED : report(&v, p, &st);
	json_object_put(v.lost);
	vfsr_pool_close(p);
	return err;
}

const struct vfsr_cmd vfsr_cmd_verify = {
	.name = "verify",
	.run = run,
	.synopsis = "[--repair] DEVICE...",
	.summary =
		"Check every sector, heal what parity covers, name what is lost",
	.help = "Reads every grid once, in order, and checks each sector, record and table.\n"
		"Without --repair nothing is written.\n"
		"\n"
		"  -r, --repair     write healed sectors and roots back\n"
		"  -f, --force      go on although devices disagree about the latest state\n"
		"  -q, --quiet      no progress, no summary\n"
		"  -v, --verbose    print every finding\n"
		"      --threads N  instead of one per processor\n"
		"      --json       result as one JSON object\n"
		"  -h, --help       this text\n"
		"\n"
		"Exit status: 0 clean or all repaired, 1 could not run, 2 usage, 3 damage is\n"
		"left but no data is lost, 4 data is lost.\n"
		"\n"
		"Example:\n"
		"  vfsr verify --repair /dev/sdb /dev/sdc /dev/sdd\n",
};
