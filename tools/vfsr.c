// SPDX-License-Identifier: GPL-2.0-only
/*
 * The admin program: finds the subcommand in one table and runs it.
 *
 * Everything that is common to subcommands is here: --help, --version, the
 * answer to an unknown name, and the list that completion asks for.
 */
#include <stdlib.h>
#include <unistd.h>

#include "cmd.h"

static const struct vfsr_cmd *const commands[] = {
	&vfsr_cmd_restore,
	&vfsr_cmd_verify,
	&vfsr_cmd_inspect,
	&vfsr_cmd_map,
};

void vfsr_cmd_help(const struct vfsr_cmd *cmd, FILE *to)
{
	fprintf(to, "Usage: vfsr %s %s\n\n%s.\n\n%s", cmd->name, cmd->synopsis,
		cmd->summary, cmd->help);
}

int vfsr_cmd_usage(const struct vfsr_cmd *cmd, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	vfsr_error("%s; see 'vfsr %s --help'", text, cmd->name);
	return VFSR_EXIT_USAGE;
}

int vfsr_cmd_bad_option(const struct vfsr_cmd *cmd, char *const *argv)
{
	/* getopt names a letter that it does not know; letters may be joined */
	if (optopt > ' ' && optopt < 0x7f && strncmp(argv[optind - 1], "--", 2))
		return vfsr_cmd_usage(cmd, "unknown option '-%c'", optopt);
	return vfsr_cmd_usage(
		cmd,
		optopt ? "option '%s' needs a value, or takes none" :
			 "unknown option '%s'",
		argv[optind - 1]);
}

static void help(FILE *to)
{
	size_t i;

	fprintf(to, "Usage: vfsr COMMAND [ARGUMENTS]\n\n"
		    "Looks into vfsr pools, heals them, and takes files out.\n"
		    "\nCommands:\n");
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(to, "  %-10s %s\n", commands[i]->name,
			commands[i]->summary);
	fprintf(to, "\n'vfsr COMMAND --help' tells its options. Every command "
		    "takes --json.\nMaking and checking pools: mkfs.vfsr(8), "
		    "fsck.vfsr(8).\n\nExample:\n"
		    "  vfsr restore disk1.img disk2.img --to /tmp/out\n");
}

/* Edit distance (Levenshtein) of two short words, for "did you mean". */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int row[32];
	size_t na = strlen(a), nb = strlen(b), i, j;

	if (nb >= ARRAY_SIZE(row))
		return UINT_MAX;
	for (j = 0; j <= nb; j++)
		row[j] = (unsigned int)j;
	for (i = 1; i <= na; i++) {
		unsigned int diag = row[0];

		row[0] = (unsigned int)i;
		for (j = 1; j <= nb; j++) {
			unsigned int up = row[j], best;

			best = diag + (a[i - 1] != b[j - 1]);
			best = min_t(unsigned int, best, up + 1);
			best = min_t(unsigned int, best, row[j - 1] + 1);
			row[j] = best;
			diag = up;
		}
	}
	return row[nb];
}

static int unknown(const char *name)
{
	const char *near = NULL;
	unsigned int best = 3;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		unsigned int d = distance(name, commands[i]->name);

		if (d < best) {
			best = d;
			near = commands[i]->name;
		}
	}
	if (near)
		vfsr_error("unknown command '%s'; did you mean '%s'?", name,
			   near);
	else
		vfsr_error("unknown command '%s'; 'vfsr --help' lists them",
			   name);
	return VFSR_EXIT_USAGE;
}

int main(int argc, char **argv)
{
	size_t i;

	vfsr_prog = "vfsr";
	if (argc < 2) {
		help(stderr);
		return VFSR_EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
	    !strcmp(argv[1], "help")) {
		help(stdout);
		return VFSR_EXIT_OK;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		printf("vfsr %s\n", VFSR_VERSION);
		return VFSR_EXIT_OK;
	}
	/* for completion and for the test that every command has a page */
	if (!strcmp(argv[1], "--list-commands")) {
		for (i = 0; i < ARRAY_SIZE(commands); i++)
			puts(commands[i]->name);
		return VFSR_EXIT_OK;
	}
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(argv[1], commands[i]->name))
			return commands[i]->run(argc - 1, argv + 1);
	return unknown(argv[1]);
}
