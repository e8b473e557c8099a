/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tools say: errors, warnings, progress, and results as text or JSON.
 *
 * Errors go to stderr as "PROG: error: WHAT: WHY; ADVICE". Results go to
 * stdout, once, by a document of name-value pairs that is rendered as aligned
 * text or as one JSON object with a "version". Sizes are raw numbers in JSON,
 * 64-bit ids are strings there.
 */
#ifndef VFSR_LIB_OUT_H
#define VFSR_LIB_OUT_H

#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/fault.h"
#include "core/geometry.h"

#define VFSR_JSON_VERSION	1
#define VFSR_VERSION		"0.1.0"

/* Set by every program's main(); used in messages. */
extern const char *vfsr_prog;
extern bool vfsr_quiet;		/* -q: no progress, no summary */
extern int vfsr_verbose;	/* -v, repeated */

void vfsr_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void vfsr_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void vfsr_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Only with -v */
void vfsr_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* "" for one, else "s". */
const char *vfsr_plural(u64 n);

/**
 * vfsr_interrupt_text - what to say when the user ends the program
 * @text: a whole line that stays valid: what is left behind, and what to do
 * @status: exit status then, or -1: end by the signal, so that a shell knows
 *
 * From now on SIGINT and SIGTERM print the text to stderr and end the program. A
 * later call replaces it.
 */
void vfsr_interrupt_text(const char *text, int status);

/**
 * vfsr_complain - report corruption in the one message grammar
 * @pool: label or uuid
 * @dev: member number or -1
 * @grid: grid id or 0
 * @ino: inode id or 0
 * @f: what was found
 *
 * Prints "vfsr (POOL): corrupt REASON: dev=2 grid=118 ino=0, have X, want Y".
 * More than 20 in a row of one reason are counted, not printed
 * (vfsr_complain_flush() tells the rest).
 */
void vfsr_complain(const char *pool, int dev, u64 grid, u64 ino,
		   const struct vfsr_fault *f);
void vfsr_complain_flush(void);

/* "4K", "1.5G", "65536" -> bytes. Return: 0, -EINVAL, -ERANGE. */
int vfsr_parse_size(const char *text, u64 *bytes);
/* "12.3 GiB"; @buf of at least 16 bytes; returns @buf. */
const char *vfsr_size_text(u64 bytes, char *buf);
/* UUID text of 36 characters + NUL. */
void vfsr_uuid_text(const u8 *uuid, char *buf);
int vfsr_uuid_parse(const char *text, u8 *uuid);
/* A file name as printable text: control bytes and invalid UTF-8 as \xNN. The caller frees. */
char *vfsr_name_text(const void *name, size_t len_bytes);

/* single | replica:N | mirror | ec:K+M | grid:K+M+R -> policy. -EINVAL. */
int vfsr_policy_parse(const char *text, struct vfsr_policy *p);
/* The shortest spelling. @buf of at least 32 bytes. */
const char *vfsr_policy_text(const struct vfsr_policy *p, char *buf);

/* --- results --- */

/* A document: an ordered JSON object that also renders as aligned text. */
struct vfsr_doc {
	struct json_object *root;
};

/* A measured number, of two digits behind the point. */
struct json_object *vfsr_json_number(double v);

/* @kind names the schema: "mkfs", "verify" ... */
void vfsr_doc_begin(struct vfsr_doc *d, const char *kind);
/* Print as JSON (pretty on a terminal, one line else) or aligned text; frees. */
void vfsr_doc_end(struct vfsr_doc *d, bool json);

/* --- progress --- */

/* Prints at most twice a second on a terminal, every 10 s a line elsewhere. */
struct vfsr_progress {
	const char *what;	/* "filling" */
	u64 total;		/* 0: unknown */
	u64 done;		/* bytes */
	double started;		/* seconds, monotonic */
	double printed;
	bool tty;
	bool shown;
};

void vfsr_progress_begin(struct vfsr_progress *p, const char *what, u64 total);
/* Cheap; call often, from one thread. */
void vfsr_progress_set(struct vfsr_progress *p, u64 done);
void vfsr_progress_end(struct vfsr_progress *p);
double vfsr_now(void);	/* monotonic seconds */

#endif
