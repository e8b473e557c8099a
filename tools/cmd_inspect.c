// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfsr inspect: shows one structure of a pool, as text or JSON. Options and
 * the choice of the part; the parts are in inspect_*.c. Opens members for
 * reading only.
 */
#include <getopt.h>
#include <stdlib.h>

#include "cmd.h"
#include "inspect.h"

/* What can be looked at, and how many arguments come before the devices. */
static const struct part {
	const char *name;
	int (*show)(struct inspect *in);
	int nr_args;
	const char *args;
} parts[] = {
	{ "super", inspect_super, 0, "" },
	{ "strips", inspect_strips, 0, "" },
	{ "grid", inspect_grid, 1, "ID " },
	{ "footer", inspect_footer, 2, "GRID STRIPE " },
	{ "map", inspect_map, 0, "" },
	{ "inode", inspect_inode, 1, "INO " },
	{ "tree", inspect_tree, 1, "INO " },
};

/* What the command line says. */
struct request {
	const struct part *part;
	bool json;
	unsigned int flags;	/* VFSR_POOL_* */
	char **devices;
	int nr_devices;
};

/* The arguments that are no options. 0 or the exit code. */
static int take_arguments(struct request *r, struct inspect *in, int argc,
			  char **argv)
{
	const struct vfsr_cmd *cmd = &vfsr_cmd_inspect;
	size_t i;
	int a;

	if (!argc)
		return vfsr_cmd_usage(
			cmd,
			"say what: super, strips, grid, footer, map, inode or tree");
	for (i = 0; i < ARRAY_SIZE(parts) && !r->part; i++)
		if (!strcmp(argv[0], parts[i].name))
			r->part = &parts[i];
	if (!r->part)
		return vfsr_cmd_usage(
			cmd,
			"'%s' is none of super, strips, grid, footer, map, inode, tree",
			argv[0]);
	if (argc < 2 + r->part->nr_args)
		return vfsr_cmd_usage(
			cmd, "too few arguments; it takes '%s %sDEVICE...'",
			r->part->name, r->part->args);
	for (a = 0; a < r->part->nr_args; a++)
		in->arg[a] = argv[1 + a];
	r->devices = argv + 1 + r->part->nr_args;
	r->nr_devices = argc - 1 - r->part->nr_args;
	if (r->nr_devices > VFSR_MAX_MEMBERS)
		return vfsr_cmd_usage(cmd, "a pool has at most %d devices",
				      VFSR_MAX_MEMBERS);
	return 0;
}

static int parse(struct request *r, struct inspect *in, int argc, char **argv)
{
	static const struct option options[] = {
		{ "all", no_argument, NULL, 'a' },
		{ "json", no_argument, NULL, 'j' },
		{ "force", no_argument, NULL, 'f' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	opterr = 0;
	optind = 0;
	while ((c = getopt_long(argc, argv, "afqvh", options, NULL)) != -1) {
		switch (c) {
		case 'a':
			in->all = true;
			break;
		case 'j':
			r->json = true;
			break;
		case 'f':
			r->flags |= VFSR_POOL_FORCE;
			break;
		case 'q':
			r->flags |= VFSR_POOL_QUIET;
			vfsr_quiet = true;
			break;
		case 'v':
			vfsr_verbose++;
			break;
		case 'h':
			vfsr_cmd_help(&vfsr_cmd_inspect, stdout);
			return -1;
		default:
			return vfsr_cmd_bad_option(&vfsr_cmd_inspect, argv);
		}
	}
	return take_arguments(r, in, argc - optind, argv + optind);
}

static int show(const struct request *r, struct inspect *in)
{
	char kind[32];
	struct vfsr_doc d;
	int code;

	snprintf(kind, sizeof(kind), "inspect-%s", r->part->name);
	vfsr_doc_begin(&d, kind);
	in->root = d.root;
	inspect_put_pool(d.root, in->p);
	code = r->part->show(in);
	vfsr_complain_flush();
	if (code == VFSR_EXIT_OK || code == VFSR_EXIT_LOST)
		vfsr_doc_end(&d, r->json);
	else
		json_object_put(d.root);
	return code;
}

static int run(int argc, char **argv)
{
	struct request r = { 0 };
	struct inspect in = { 0 };
	int code = parse(&r, &in, argc, argv);

	if (code || !r.part)
		return code < 0 ? VFSR_EXIT_OK : code;
	if (vfsr_pool_open(r.devices, (unsigned int)r.nr_devices, r.flags,
			   &in.p))
		return VFSR_EXIT_FAILED;
	in.ws = vfsr_ws_new();
	if (in.ws) {
		code = show(&r, &in);
	} else {
		vfsr_error("out of memory; close other programs");
		code = VFSR_EXIT_FAILED;
	}
	vfsr_ws_free(in.ws);
	vfsr_pool_close(in.p);
	return code;
}

const struct vfsr_cmd vfsr_cmd_inspect = {
	.name = "inspect",
	.run = run,
	.synopsis = "[OPTIONS] WHAT [ARGUMENT...] DEVICE...",
	.summary = "Show one structure of a pool",
	.help = "WHAT is one of:\n"
		"  super               the record: pool, members, open grids, valid slots\n"
		"  strips              every strip in use; with --all free ones too\n"
		"  grid ID             geometry, columns, stripes, trailers of a grid\n"
		"  footer GRID STRIPE  label and entries of a stripe, counted from 0; with\n"
		"                      --all the crc of every sector\n"
		"  map                 every page of the map, and where its bytes lie\n"
		"  inode INO           header and items; with --all more than the first 1000\n"
		"  tree INO            every node of an inode's tree, with its items\n"
		"INO is a number, or a path in the pool that begins with '/'. The pool is never\n"
		"written; missing members may be left out.\n"
		"\n"
		"  -a, --all        also what is usually left out\n"
		"  -f, --force      go on although devices disagree about the latest state\n"
		"  -q, --quiet      no warnings about missing devices\n"
		"  -v, --verbose    print every finding\n"
		"      --json       one JSON object\n"
		"  -h, --help       this text\n"
		"\n"
		"Exit status: 0 done, 1 could not be done or no such thing, 2 usage, 4 a part\n"
		"of it cannot be read.\n"
		"\n"
		"Example:\n"
		"  vfsr inspect super disk1.img disk2.img\n"
		"  vfsr inspect inode /etc/fstab disk?.img --json\n",
};
