// SPDX-License-Identifier: GPL-2.0-only
/*
 * mkfs.vfsr: makes a pool on devices or image files, and fills it from a
 * directory if asked to.
 *
 * Everything that can be refused is refused before the first byte is written to
 * any device. The record comes last, so a run that fails leaves no pool behind.
 * It never asks a question.
 */
#include <getopt.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "mkfs.h"

#define DEFAULT_LEVEL 1 /* of zlib */
#define MAX_LEVEL 9
#define UNUSED_SHARE 16u /* of a device that stays unused: tell */

static const char usage_text[] =
	"Usage: mkfs.vfsr [OPTIONS] DEVICE...\n"
	"\n"
	"Makes one vfsr pool on block devices or image files.\n"
	"\n"
	"  -L, --label LABEL        name of the pool, up to 63 bytes\n"
	"  -U, --uuid UUID          uuid of the pool (default: random)\n"
	"  -d, --data POLICY        redundancy of file data: single, mirror,\n"
	"                           replica:N, ec:K+M or grid:K+M+R\n"
	"  -m, --metadata POLICY    redundancy of metadata\n"
	"      --strip SIZE         64K to 16M, a power of two\n"
	"      --compress ALG[:LEVEL]|none  default zlib:1\n"
	"      --rootdir DIR        fill the pool with the contents of DIR\n"
	"  -O, --features LIST      interleaved, ^interleaved\n"
	"  -f, --force              overwrite another filesystem\n"
	"  -K, --nodiscard          do not discard the devices first\n"
	"  -n, --dry-run            check everything, write nothing\n"
	"  -q, --quiet              no summary, no progress\n"
	"  -v, --verbose            tell more\n"
	"      --json               the summary as JSON\n"
	"  -V, --version            print the version\n"
	"      --help               print this\n"
	"\n"
	"Sizes take K, M, G, T. A mounted device is always refused.\n"
	"Exit status: 0 done, 1 refused (nothing was written), 8 failed.\n"
	"\n"
	"Example:\n"
	"  mkfs.vfsr -L photos -d grid:4+2+1 --rootdir ~/photos disk?.img\n";

enum {
	OPT_JSON = 256,
	OPT_STRIP,
	OPT_COMPRESS,
	OPT_ROOTDIR,
	OPT_HELP,
};

static const struct option long_options[] = {
	{ "label", required_argument, NULL, 'L' },
	{ "uuid", required_argument, NULL, 'U' },
	{ "force", no_argument, NULL, 'f' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "dry-run", no_argument, NULL, 'n' },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "data", required_argument, NULL, 'd' },
	{ "metadata", required_argument, NULL, 'm' },
	{ "strip", required_argument, NULL, OPT_STRIP },
	{ "compress", required_argument, NULL, OPT_COMPRESS },
	{ "rootdir", required_argument, NULL, OPT_ROOTDIR },
	{ "nodiscard", no_argument, NULL, 'K' },
	{ "features", required_argument, NULL, 'O' },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

/* --- options --- */

static bool set_label(struct vfsr_plan_in *in, const char *text)
{
	size_t i, len = strlen(text);

	if (len >= VFSR_LABEL_BYTES) {
		vfsr_error("the label has %zu bytes; use at most %d", len,
			   VFSR_LABEL_BYTES - 1);
		return false;
	}
	for (i = 0; i < len; i++) {
		if ((u8)text[i] >= 0x20 && text[i] != 0x7f)
			continue;
		vfsr_error("the label has a control character; leave it out");
		return false;
	}
	memset(in->label, 0, sizeof(in->label));
	memcpy(in->label, text, len);
	return true;
}

static bool set_uuid(struct mkfs_opts *o, const char *text)
{
	static const u8 zero[VFSR_UUID_BYTES];

	if (vfsr_uuid_parse(text, o->plan.uuid) ||
	    !memcmp(o->plan.uuid, zero, sizeof(zero))) {
		vfsr_error(
			"'%s' is not a uuid; give 8-4-4-4-12 hex digits, not all zero",
			text);
		return false;
	}
	o->have_uuid = true;
	return true;
}

static bool set_policy(const char *text, struct vfsr_policy *p, bool *have)
{
	*have = true;
	if (!vfsr_policy_parse(text, p))
		return true;
	vfsr_error(
		"'%s' is not a policy; use single, mirror, replica:N, ec:K+M or grid:K+M+R",
		text);
	return false;
}

static bool set_strip(struct vfsr_plan_in *in, const char *text)
{
	unsigned int shift;
	u64 bytes;

	if (!vfsr_parse_size(text, &bytes)) {
		for (shift = VFSR_MIN_STRIP_SHIFT;
		     shift <= VFSR_MAX_STRIP_SHIFT; shift++) {
			if (bytes != 1ull << shift)
				continue;
			in->strip_shift = shift;
			return true;
		}
	}
	vfsr_error(
		"'%s' is not a strip size; give a power of two from 64K to 16M",
		text);
	return false;
}

static bool set_compress(struct vfsr_plan_in *in, const char *text)
{
	const char *level = strchr(text, ':');
	size_t len = level ? (size_t)(level - text) : strlen(text);

	if (!strcmp(text, "none")) {
		in->compress_alg = VFSR_ALG_NONE;
		in->compress_level = 0;
		return true;
	}
	if (len == 4 && !strncmp(text, "zlib", len)) {
		in->compress_alg = VFSR_ALG_ZLIB;
		in->compress_level = DEFAULT_LEVEL;
		if (!level)
			return true;
		in->compress_level = (u8)(level[1] - '0');
		if (level[1] >= '1' && level[1] - '0' <= MAX_LEVEL && !level[2])
			return true;
	}
	vfsr_error(
		"'%s' is not a compression; use none, zlib, or zlib:1 to zlib:9",
		text);
	return false;
}

static bool set_features(struct vfsr_plan_in *in, const char *text)
{
	static const char name[] = "interleaved";
	size_t len;

	for (; *text; text += len + (text[len] == ',')) {
		bool off = *text == '^';
		const char *word = text + off;

		len = strcspn(text, ",");
		if (len - off == strlen(name) &&
		    !strncmp(word, name, strlen(name))) {
			in->layout = off ? VFSR_LAYOUT_SPREAD :
					   VFSR_LAYOUT_INTERLEAVED;
			continue;
		}
		vfsr_error(
			"unknown feature '%.*s'; known: interleaved, ^interleaved",
			(int)len, text);
		return false;
	}
	return true;
}

/* One option. 1: done, the program is to end well; 0 or -EINVAL. */
static int option(struct mkfs_opts *o, int c, char **argv)
{
	bool ok = true;

	switch (c) {
	case 'L':
		ok = set_label(&o->plan, optarg);
		break;
	case 'U':
		ok = set_uuid(o, optarg);
		break;
	case 'd':
		ok = set_policy(optarg, &o->plan.data, &o->plan.have_data);
		break;
	case 'm':
		ok = set_policy(optarg, &o->plan.meta, &o->plan.have_meta);
		break;
	case 'O':
		ok = set_features(&o->plan, optarg);
		break;
	case OPT_STRIP:
		ok = set_strip(&o->plan, optarg);
		break;
	case OPT_COMPRESS:
		ok = set_compress(&o->plan, optarg);
		break;
	case OPT_ROOTDIR:
		o->rootdir = optarg;
		break;
	case OPT_JSON:
		o->json = true;
		break;
	case 'f':
		o->force = true;
		break;
	case 'K':
		o->keep = true;
		break;
	case 'n':
		o->dry_run = true;
		break;
	case 'q':
		vfsr_quiet = true;
		break;
	case 'v':
		vfsr_verbose++;
		break;
	case 'V':
		printf("mkfs.vfsr %s\n", VFSR_VERSION);
		return 1;
	case OPT_HELP:
		fputs(usage_text, stdout);
		return 1;
	case ':':
		vfsr_error("option '%s' needs a value; see mkfs.vfsr --help",
			   argv[optind - 1]);
		return -EINVAL;
	default:
		if (optopt && optopt < OPT_JSON)
			vfsr_error("unknown option '-%c'; see mkfs.vfsr --help",
				   optopt);
		else
			vfsr_error("unknown option '%s'; see mkfs.vfsr --help",
				   argv[optind - 1]);
		return -EINVAL;
	}
	return ok ? 0 : -EINVAL;
}

static int parse(struct mkfs_opts *o, int argc, char **argv)
{
	int c, ret;

	memset(o, 0, sizeof(*o));
	o->plan.layout = -1;
	o->plan.compress_alg = VFSR_ALG_ZLIB;
	o->plan.compress_level = DEFAULT_LEVEL;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":L:U:fqvnd:m:KO:V", long_options,
				NULL)) != -1) {
		ret = option(o, c, argv);
		if (ret)
			return ret;
	}
	if (optind == argc) {
		vfsr_error("no device was named; see mkfs.vfsr --help");
		return -EINVAL;
	}
	if (argc - optind > VFSR_MAX_MEMBERS) {
		vfsr_error("%d devices were named; a pool has at most %d",
			   argc - optind, VFSR_MAX_MEMBERS);
		return -EINVAL;
	}
	o->paths = argv + optind;
	o->plan.nr_devs = (unsigned int)(argc - optind);
	return 0;
}

/*
 * The time that the pool says it was made: SOURCE_DATE_EPOCH where it is set.
 * Who gives the uuid wants the same bytes again, so then time is left out.
 */
static int set_time(struct mkfs_opts *o)
{
	const char *text = getenv("SOURCE_DATE_EPOCH");
	struct timespec ts;
	char *end;

	if (text && *text) {
		errno = 0;
		o->plan.now.sec = strtoll(text, &end, 10);
		if (*end || errno) {
			vfsr_error(
				"SOURCE_DATE_EPOCH is '%s'; set it to a number of seconds, or not at all",
				text);
			return -EINVAL;
		}
		return 0;
	}
	if (o->have_uuid)
		return 0;
	clock_gettime(CLOCK_REALTIME, &ts);
	o->plan.now.sec = ts.tv_sec;
	o->plan.now.nsec = (u32)ts.tv_nsec;
	return 0;
}

static int set_random_uuid(struct mkfs_opts *o)
{
	u8 *uuid = o->plan.uuid;

	if (o->have_uuid)
		return 0;
	if (getrandom(uuid, VFSR_UUID_BYTES, 0) != VFSR_UUID_BYTES) {
		vfsr_error("cannot get random bytes; give a uuid with -U");
		return -EIO;
	}
	uuid[6] = (u8)((uuid[6] & 0x0f) | 0x40);
	uuid[8] = (u8)((uuid[8] & 0x3f) | 0x80);
	return 0;
}

/* --- the work --- */

static int open_devices(struct mkfs_opts *o, struct vfsr_dev **dev)
{
	unsigned int flags = VFSR_DEV_EXCL;
	unsigned int i;
	int err;

	if (!o->dry_run)
		flags |= VFSR_DEV_WRITE;
	for (i = 0; i < o->plan.nr_devs; i++) {
		unsigned int j;

		/* opened exclusively a second time it would seem to be busy */
		for (j = 0; j < i; j++) {
			if (strcmp(o->paths[i], o->paths[j]) != 0)
				continue;
			vfsr_error("%s: named twice; name each device once",
				   o->paths[i]);
			return -EINVAL;
		}
		err = vfsr_dev_open(o->paths[i], flags, &dev[i]);
		if (err)
			return err;
		o->plan.dev_bytes[i] = dev[i]->bytes;
		o->plan.rotational[i] = dev[i]->rotational;
	}
	return 0;
}

static int make_plan(const struct mkfs_opts *o, struct vfsr_super *s)
{
	unsigned int i, least = 0;
	char why[512];
	int err = vfsr_plan(&o->plan, s, why, sizeof(why));

	if (err == -ENOSPC) {
		for (i = 1; i < o->plan.nr_devs; i++)
			if (o->plan.dev_bytes[i] < o->plan.dev_bytes[least])
				least = i;
		vfsr_error("%s has %llu KiB: %s", o->paths[least],
			   (unsigned long long)o->plan.dev_bytes[least] >> 10,
			   why);
	} else if (err) {
		vfsr_error("%s", why);
	}
	return err;
}

/*
 * A device has at most VFSR_MAX_STRIPS strips: what lies beyond would be lost
 * without a word.
 */
static void warn_unused(const struct mkfs_opts *o, const struct vfsr_super *s)
{
	char used[32], size[32], strip[32];
	unsigned int i;

	for (i = 0; i < s->nr_members; i++) {
		const struct vfsr_member *m = &s->member[i];
		u64 bytes = (u64)m->nr_strips << s->strip_shift;

		if (m->nr_strips < VFSR_MAX_STRIPS ||
		    m->bytes - bytes < m->bytes / UNUSED_SHARE)
			continue;
		vfsr_warn(
			"%s: only %s of its %s will be used: a device has at most %u strips, of %s here; %s",
			o->paths[i], vfsr_size_text(bytes, used),
			vfsr_size_text(m->bytes, size), VFSR_MAX_STRIPS,
			vfsr_size_text(1ull << s->strip_shift, strip),
			s->strip_shift < VFSR_MAX_STRIP_SHIFT ?
				"use a larger --strip" :
				"divide it into several devices");
	}
}

/* Fill and commit. */
static int write_pool(const struct mkfs_opts *o, struct vfsr_super *s,
		      struct vfsr_dev **dev, struct mkfs_result *r)
{
	struct vfsr_fill_opts fill = {
		.rootdir = o->rootdir,
		.alg = s->compress_alg,
		.level = s->compress_level,
		.keep = s->compress_keep,
		.progress = !vfsr_quiet,
		.now = o->plan.now,
	};
	double start = vfsr_now();
	struct vfsr_writer *w;
	int err;

	vfsr_interrupt_text(
		"mkfs.vfsr: interrupted: the pool was not made; the devices hold nothing usable now\n",
		-1);
	err = vfsr_writer_new(s, dev, NULL, NULL, &w);
	if (err)
		goto out;
	err = vfsr_fill(w, s, &fill, &r->fill);
	if (!err)
		err = vfsr_writer_commit(w, &r->write);
	vfsr_writer_free(w);
	r->seconds = vfsr_now() - start;
	r->written = !err;
out:
	if (err && r->fill.skipped)
		vfsr_error(
			"the pool was not made: of the tree %llu object%s could not be read; run as a user who may, or leave what is named above out",
			(unsigned long long)r->fill.skipped,
			vfsr_plural(r->fill.skipped));
	else if (err)
		vfsr_error(
			"the pool was not made: %s; the devices hold nothing usable now",
			strerror(-err));
	return err;
}

static int run(struct mkfs_opts *o, struct vfsr_dev **dev, struct vfsr_super *s)
{
	struct mkfs_result r = { .opts = o, .s = s, .dev = dev };
	unsigned int i;

	if (set_time(o) || set_random_uuid(o) || open_devices(o, dev) ||
	    mkfs_check_devices(o, dev) || make_plan(o, s))
		return MKFS_REFUSED;
	warn_unused(o, s);
	if (!o->dry_run) {
		for (i = 0; i < o->plan.nr_devs; i++)
			if (mkfs_wipe(dev[i], o->keep))
				return MKFS_FAILED;
		if (write_pool(o, s, dev, &r))
			return MKFS_FAILED;
	}
	mkfs_summary(&r);
	return MKFS_OK;
}

int main(int argc, char **argv)
{
	struct vfsr_dev *dev[VFSR_MAX_MEMBERS] = { NULL };
	struct vfsr_super *s;
	struct mkfs_opts o;
	unsigned int i;
	int ret;

	vfsr_prog = "mkfs.vfsr";
	ret = parse(&o, argc, argv);
	if (ret)
		return ret > 0 ? MKFS_OK : MKFS_REFUSED;
	s = calloc(1, sizeof(*s));
	if (!s) {
		vfsr_error("out of memory; close other programs");
		return MKFS_FAILED;
	}
	ret = run(&o, dev, s);
	for (i = 0; i < VFSR_MAX_MEMBERS; i++)
		vfsr_dev_close(dev[i]);
	free(s);
	return ret;
}
