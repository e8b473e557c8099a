/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of `vfsr inspect` share: the request, and the small steps by
 * which a structure becomes members of the document.
 *
 * Everything that comes from disk or from the command line as text goes
 * through inspect_put_name(), so that no control byte reaches a terminal and
 * the JSON is valid UTF-8. Ids are strings, sizes numbers.
 */
#ifndef VFSR_TOOLS_INSPECT_H
#define VFSR_TOOLS_INSPECT_H

#include "core/items.h"
#include "lib/out.h"
#include "lib/pool.h"

/* One run of `vfsr inspect`. */
struct inspect {
	struct vfsr_pool *p;
	struct vfsr_ws *ws;
	struct json_object *root;	/* the document, filled by the part */
	bool all;			/* --all: what is usually left out */
	const char *arg[2];		/* ID, GRID and STRIPE, or INO */
};

/*
 * The parts. Each fills in->root, which is printed unless it was the
 * structure itself that is not there.
 *
 * Return: VFSR_EXIT_OK; VFSR_EXIT_LOST if a piece could not be read (it is
 * marked in the document); VFSR_EXIT_FAILED or VFSR_EXIT_USAGE, already
 * reported, if there is nothing to print.
 */
int inspect_super(struct inspect *in);
int inspect_strips(struct inspect *in);
int inspect_grid(struct inspect *in);
int inspect_footer(struct inspect *in);
int inspect_map(struct inspect *in);
int inspect_inode(struct inspect *in);
int inspect_tree(struct inspect *in);

/* A decimal number. Return: whether @text is one, and nothing else. */
bool inspect_number(const char *text, u64 *out);

/* Names of the values that are on disk; "unknown" beyond the list. */
const char *inspect_state_name(unsigned int state);
const char *inspect_alg_name(unsigned int alg);
const char *inspect_kind_name(unsigned int kind);
const char *inspect_use_name(unsigned int use);
const char *inspect_strip_state_name(unsigned int state);
const char *inspect_layout_name(unsigned int layout);

/* Members of a JSON object. */
void inspect_put(struct json_object *to, const char *name,
		 struct json_object *value);
void inspect_put_u64(struct json_object *to, const char *name, u64 value);
void inspect_put_bool(struct json_object *to, const char *name, bool value);
/* A constant text. */
void inspect_put_text(struct json_object *to, const char *name,
		      const char *text);
/* An id: 64 bits as a string, since readers of JSON may have doubles only. */
void inspect_put_id(struct json_object *to, const char *name, u64 id);
/* A checksum or a word of flags: hex digits. */
void inspect_put_hex(struct json_object *to, const char *name, u64 value,
		     unsigned int digits);
void inspect_put_uuid(struct json_object *to, const char *name, const u8 *uuid);
/* Bytes that nobody checked, see vfsr_name_text(). */
void inspect_put_name(struct json_object *to, const char *name,
		      const void *text, size_t len_bytes);
void inspect_put_time(struct json_object *to, const char *name,
		      const struct vfsr_time *t);
void inspect_put_policy(struct json_object *to, const char *name,
			const struct vfsr_policy *p);
/* The pool's label, else its uuid, as "pool". */
void inspect_put_pool(struct json_object *to, const struct vfsr_pool *p);
/* {"grid", "sector", "byte"} */
void inspect_put_place(struct json_object *to, const char *name, u64 place);
/* "member", and "path", or "missing" if it was not given. */
void inspect_put_member(struct json_object *to, const struct vfsr_pool *p,
			int member);
/* The seven columns of a map entry. */
void inspect_put_entry(struct json_object *to, const struct vfsr_chunk *c);
/* A new list, a member of @to already. */
struct json_object *inspect_put_list(struct json_object *to, const char *name);
/* A new object at the end of a list. */
struct json_object *inspect_add_object(struct json_object *list);

#endif
