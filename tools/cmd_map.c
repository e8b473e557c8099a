// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfsr map: the map as seven columns, a line per id in use, ascending.
 *
 * Lines are written as the walk meets the entries, so memory does not grow
 * with the pool. All values are numbers and constants: nothing needs escaping.
 */
#include <getopt.h>
#include <stdlib.h>

#include "cmd.h"
#include "inspect.h"

struct map {
	bool json;
	unsigned int flags;	/* VFSR_POOL_* */
};

static void line_json(const struct vfsr_chunk *c)
{
	printf("{\"version\":%d,\"id\":\"%llu\","
	       "\"place\":{\"grid\":\"%llu\",\"sector\":%u,\"byte\":%u},"
	       "\"stored\":%u,"
	       "\"state\":{\"name\":\"%s\",\"algorithm\":\"%s\",\"kind\":\"%s\"},"
	       "\"logical\":%u,\"refs\":%u,\"crc\":\"%08x\",\"birth\":\"%llu\"}\n",
	       VFSR_JSON_VERSION, (unsigned long long)c->id,
	       (unsigned long long)vfsr_place_grid(c->place),
	       vfsr_place_sector(c->place), vfsr_place_byte(c->place),
	       c->stored, inspect_state_name(c->state),
	       inspect_alg_name(c->alg), inspect_kind_name(c->kind), c->logical,
	       c->refs, c->crc, (unsigned long long)c->birth);
}

static void line_text(const struct vfsr_chunk *c)
{
	char place[48], state[48];

	snprintf(place, sizeof(place), "%llu:%u+%u",
		 (unsigned long long)vfsr_place_grid(c->place),
		 vfsr_place_sector(c->place), vfsr_place_byte(c->place));
	snprintf(state, sizeof(state), "%s/%s/%s", inspect_state_name(c->state),
		 inspect_alg_name(c->alg), inspect_kind_name(c->kind));
	printf("%12llu  %-20s %7u  %-24s %7u %5u  %08x %10llu\n",
	       (unsigned long long)c->id, place, c->stored, state, c->logical,
	       c->refs, c->crc, (unsigned long long)c->birth);
}

static void header(void)
{
	printf("%12s  %-20s %7s  %-24s %7s %5s  %8s %10s\n", "ID",
	       "GRID:SECTOR+BYTE", "STORED", "STATE/ALGORITHM/KIND", "LOGICAL",
	       "REFS", "CRC32C", "BIRTH");
}

static int visit(void *arg, const struct vfsr_chunk *c)
{
	const struct map *m = arg;

	if (m->json)
		line_json(c);
	else
		line_text(c);
	/* a reader that went away, as `head`, ends the walk */
	return ferror(stdout) ? -EPIPE : 0;
}

static int parse(struct map *m, int argc, char **argv)
{
	static const struct option options[] = {
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
	while ((c = getopt_long(argc, argv, "fqvh", options, NULL)) != -1) {
		switch (c) {
		case 'j':
			m->json = true;
			break;
		case 'f':
			m->flags |= VFSR_POOL_FORCE;
			break;
		case 'q':
			m->flags |= VFSR_POOL_QUIET;
			vfsr_quiet = true;
			break;
		case 'v':
			vfsr_verbose++;
			break;
		case 'h':
			vfsr_cmd_help(&vfsr_cmd_map, stdout);
			return -1;
		default:
			return vfsr_cmd_bad_option(&vfsr_cmd_map, argv);
		}
	}
	if (optind == argc)
		return vfsr_cmd_usage(&vfsr_cmd_map, "no device was named");
	if (argc - optind > VFSR_MAX_MEMBERS)
		return vfsr_cmd_usage(&vfsr_cmd_map,
				      "a pool has at most %d devices",
				      VFSR_MAX_MEMBERS);
	return 0;
}

/* What the end of the walk means. */
static int outcome(const struct vfsr_pool *p, int err)
{
	if (!err && fflush(stdout))
		err = -errno;
	vfsr_complain_flush();
	if (!err)
		return VFSR_EXIT_OK;
	if (err == -EIO || err == -EUCLEAN || err == -EBADMSG) {
		vfsr_error(
			"pool %s: part of the map cannot be read, its ids are left out; 'fsck.vfsr --rebuild-map' makes it anew",
			p->name);
		return VFSR_EXIT_LOST;
	}
	vfsr_error("pool %s: the map was not printed to its end: %s", p->name,
		   strerror(-err));
	return VFSR_EXIT_FAILED;
}

static int run(int argc, char **argv)
{
	struct map m = { 0 };
	struct vfsr_pool *p;
	struct vfsr_ws *ws;
	int err = parse(&m, argc, argv);

	if (err)
		return err < 0 ? VFSR_EXIT_OK : err;
	if (vfsr_pool_open(argv + optind, (unsigned int)(argc - optind),
			   m.flags, &p))
		return VFSR_EXIT_FAILED;
	ws = vfsr_ws_new();
	err = ws ? 0 : -ENOMEM;
	if (!err && !m.json)
		header();
	if (!err)
		err = vfsr_map_walk(p, ws, visit, NULL, &m);
	err = outcome(p, err);
	vfsr_ws_free(ws);
	vfsr_pool_close(p);
	return err;
}

const struct vfsr_cmd vfsr_cmd_map = {
	.name = "map",
	.run = run,
	.synopsis = "[OPTIONS] DEVICE... [--json]",
	.summary = "Print the map, seven columns for every id in use",
	.help = "The columns are: place (grid, linear data sector, byte), stored bytes, state\n"
		"with algorithm and kind, logical bytes, references, crc32c of the stored bytes,\n"
		"birth transaction. Ids ascend. The pool is never written.\n"
		"\n"
		"      --json       one JSON object per line and id\n"
		"  -f, --force      go on although devices disagree about the latest state\n"
		"  -q, --quiet      no warnings about missing devices\n"
		"  -v, --verbose    print every finding\n"
		"  -h, --help       this text\n"
		"\n"
		"Exit status: 0 done, 1 could not be done, 2 usage, 4 part of the map cannot be\n"
		"read.\n"
		"\n"
		"Example:\n"
		"  vfsr map disk1.img disk2.img --json | jq -s 'map(.stored) | add'\n",
};
