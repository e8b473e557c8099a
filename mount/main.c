// SPDX-License-Identifier: GPL-2.0-only
/*
 * mount.vfsr: mounts a pool of which one device, the label or the uuid is known,
 * as helper of mount(8) or by hand.
 *
 * It finds the other members by the records on the block devices of the system and
 * names them all to the kernel. Exit codes are those of mount(8).
 */
#include <getopt.h>
#include <stdlib.h>

#include "mount.h"

static const char usage_text[] =
	"Usage: mount.vfsr SOURCE DIR [-fnsv] [-o OPTIONS]\n"
	"\n"
	"Mounts the vfsr pool that SOURCE is of: a device, an image file, LABEL=... or\n"
	"UUID=...\n"
	"Members that are not named are found by the records on all block devices.\n"
	"mount(8) calls it for 'mount -t vfsr'.\n"
	"\n"
	"  -o, --options LIST  options, see vfsr(5); of them for the search:\n"
	"                      device=PATH  look at this device too (repeatable)\n"
	"                      degraded     go on if members are missing\n"
	"  -f, --fake          do everything but the mount, and print what it\n"
	"                      would be; --dry-run is the same\n"
	"      --dry-run\n"
	"      --json          with -f: print that as JSON\n"
	"  -n, --no-mtab       ignored: there is no mtab to write\n"
	"  -s, --sloppy        pass over options that are not known\n"
	"  -t, --types vfsr    accepted for mount(8)\n"
	"  -v, --verbose       tell which devices were found\n"
	"      --udev          print what the device SOURCE is, for udev rules\n"
	"  -V, --version       print the version\n"
	"  -h, --help          print this\n"
	"\n"
	"Exit status: 0 mounted, 1 usage or permissions, 2 system error, 32 failed.\n"
	"\n"
	"Example:\n"
	"  mount.vfsr LABEL=photos /srv/photos -o degraded,ro\n";

enum {
	OPT_DRY_RUN = 256,
	OPT_JSON,
	OPT_UDEV,
};

static const struct option long_options[] = {
	{ "options", required_argument, NULL, 'o' },
	{ "fake", no_argument, NULL, 'f' },
	{ "dry-run", no_argument, NULL, OPT_DRY_RUN },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "no-mtab", no_argument, NULL, 'n' },
	{ "sloppy", no_argument, NULL, 's' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "types", required_argument, NULL, 't' },
	{ "udev", no_argument, NULL, OPT_UDEV },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* One option. 0, positive: done, negative: a reported error. */
static int option(struct mount_opts *o, int c, char **argv)
{
	switch (c) {
	case 'o':
		return mount_opts_add(o, optarg);
	case 'f':
	case OPT_DRY_RUN:
		o->fake = true;
		return 0;
	case OPT_JSON:
		o->json = true;
		return 0;
	case OPT_UDEV:
		o->udev = true;
		return 0;
	case 'n':
		return 0;
	case 's':
		o->sloppy = true;
		return 0;
	case 'v':
		vfsr_verbose++;
		return 0;
	case 't':
		if (!strcmp(optarg, "vfsr") || !strncmp(optarg, "vfsr.", 5))
			return 0;
		vfsr_error("-t %s: this mounts vfsr only; use mount(8)",
			   optarg);
		return -EINVAL;
	case 'V':
		printf("%s %s\n", vfsr_prog, VFSR_VERSION);
		return 1;
	case 'h':
		fputs(usage_text, stdout);
		return 1;
	case ':':
		vfsr_error("%s needs an argument; see mount.vfsr --help",
			   argv[optind - 1]);
		return -EINVAL;
	default:
		vfsr_error("unknown option '%s'; see mount.vfsr --help",
			   argv[optind - 1]);
		return -EINVAL;
	}
}

static int parse(struct mount_opts *o, int argc, char **argv)
{
	int c, ret;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":o:fnsvt:Vh", long_options,
				NULL)) != -1) {
		ret = option(o, c, argv);
		if (ret)
			return ret;
	}
	o->source = argv[optind];
	if (o->udev && argc - optind == 1)
		return 0;
	if (argc - optind != 2) {
		vfsr_error(
			"%s; see mount.vfsr --help",
			argc - optind > 2 ?
				"more than a source and a directory were named" :
				"name a source and a directory");
		return -EINVAL;
	}
	o->dir = argv[optind + 1];
	return 0;
}

/* Does a member have to be named by device=? */
static bool is_extra(const struct mount_pool *p, unsigned int i)
{
	return p->member[i] && p->member[i] != p->source;
}

/* ",KEY=VALUE", in quotes where the value has a comma. */
static void print_option(const char *key, const char *value)
{
	const char *quote = value && strchr(value, ',') ? "\"" : "";

	if (value)
		printf(",%s=%s%s%s", key, quote, value, quote);
	else
		printf(",%s", key);
}

/* The mount as it would be given to mount(8) without a helper. */
static void print_text(const struct mount_opts *o, const struct mount_pool *p)
{
	unsigned int i;

	printf("mount -i -t vfsr -o %s", o->read_only ? "ro" : "rw");
	for (i = 0; i < o->nr_opts; i++)
		print_option(o->opt[i].key, o->opt[i].value);
	for (i = 0; i < p->super->nr_members; i++)
		if (is_extra(p, i))
			print_option("device", p->member[i]->path);
	printf(" %s %s\n", p->source->path, o->dir);
}

static struct json_object *json_member(const struct mount_pool *p,
				       unsigned int i)
{
	struct json_object *j = json_object_new_object();
	const struct mount_dev *d = p->member[i];
	char uuid[40];

	vfsr_uuid_text(p->super->member[i].uuid, uuid);
	json_object_object_add(j, "member", json_object_new_int((int)i));
	json_object_object_add(j, "uuid", json_object_new_string(uuid));
	json_object_object_add(j, "device",
			       d ? json_object_new_string(d->path) : NULL);
	return j;
}

static void print_json(const struct mount_opts *o, const struct mount_pool *p)
{
	struct json_object *list = json_object_new_array();
	struct vfsr_doc doc;
	char uuid[40];
	unsigned int i;

	vfsr_uuid_text(p->super->pool_uuid, uuid);
	for (i = 0; i < p->super->nr_members; i++)
		if (p->super->member[i].state != VFSR_MEMBER_NONE)
			json_object_array_add(list, json_member(p, i));
	vfsr_doc_begin(&doc, "mount");
	json_object_object_add(doc.root, "pool",
			       json_object_new_string(p->name));
	json_object_object_add(doc.root, "uuid", json_object_new_string(uuid));
	json_object_object_add(doc.root, "source",
			       json_object_new_string(p->source->path));
	json_object_object_add(doc.root, "directory",
			       json_object_new_string(o->dir));
	json_object_object_add(doc.root, "missing",
			       json_object_new_int((int)p->nr_missing));
	json_object_object_add(doc.root, "members", list);
	vfsr_doc_end(&doc, true);
}

static int mount_pool(const struct mount_opts *o)
{
	struct mount_scan s = { 0 };
	struct mount_pool p;
	unsigned int i;
	int err = 0, ret;

	if (o->source[0] == '/' && !mount_scan_path(&s, o->source, true))
		err = -ENOMEM;
	for (i = 0; i < o->nr_devices && !err; i++)
		if (!mount_scan_path(&s, o->device[i], true))
			err = -ENOMEM;
	/* other disks need not be woken up if all are named */
	if (!err && !mount_all_found(&s))
		err = mount_scan_all(&s);
	if (!err)
		err = mount_find_pool(o, &s, &p);
	if (err) {
		ret = err == -ENOMEM ? MOUNT_SYSTEM : MOUNT_FAILED;
	} else if (o->fake) {
		if (o->json)
			print_json(o, &p);
		else
			print_text(o, &p);
		ret = MOUNT_OK;
	} else if (mount_loop_images(&s, &p, o->read_only)) {
		ret = MOUNT_FAILED;
	} else {
		ret = mount_attach(o, &p);
	}
	mount_scan_free(&s);
	return ret;
}

int main(int argc, char **argv)
{
	struct mount_opts o = { 0 };
	int ret;

	vfsr_prog = "mount.vfsr";
	ret = parse(&o, argc, argv);
	if (ret)
		ret = ret > 0 ? MOUNT_OK : MOUNT_USAGE;
	else if (o.udev)
		ret = mount_udev(o.source);
	else if (o.remount)
		ret = o.fake ? MOUNT_OK : mount_change(&o);
	else
		ret = mount_pool(&o);
	mount_opts_free(&o);
	return ret;
}
