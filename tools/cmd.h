/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The subcommands of the vfsr program: one table drives dispatch, --help,
 * completion and the list of man pages.
 */
#ifndef VFSR_TOOLS_CMD_H
#define VFSR_TOOLS_CMD_H

#include "lib/out.h"

/* Exit codes of vfsr subcommands. */
#define VFSR_EXIT_OK		0	/* done, nothing wrong */
#define VFSR_EXIT_FAILED	1	/* could not be done */
#define VFSR_EXIT_USAGE		2	/* bad command line */
#define VFSR_EXIT_DAMAGED	3	/* done; damage is left */
#define VFSR_EXIT_LOST		4	/* done; data is lost */

struct vfsr_cmd {
	const char *name;
	int (*run)(int argc, char **argv);	/* argv[0] is the name */
	const char *synopsis;	/* "DEVICE... --to DIR [PATH]" */
	const char *summary;	/* one line */
	const char *help;	/* options, a line each, and an example */
};

extern const struct vfsr_cmd vfsr_cmd_restore;
extern const struct vfsr_cmd vfsr_cmd_verify;
extern const struct vfsr_cmd vfsr_cmd_inspect;
extern const struct vfsr_cmd vfsr_cmd_map;

/* Print "Usage: vfsr NAME SYNOPSIS", summary and help. */
void vfsr_cmd_help(const struct vfsr_cmd *cmd, FILE *to);
/* Say what is wrong with the command line and where help is; VFSR_EXIT_USAGE. */
int vfsr_cmd_usage(const struct vfsr_cmd *cmd, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The same for what getopt_long() refused just now. */
int vfsr_cmd_bad_option(const struct vfsr_cmd *cmd, char *const *argv);

#endif
