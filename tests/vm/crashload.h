/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * crashload: a workload whose state after a power cut can be judged. What its
 * files share.
 *
 * The steps follow from the seed alone, so the program that judges a state
 * works them out again: it needs to know only the last step that was begun and
 * the last sync or fsync that had returned when the power went. The model keeps
 * for each name and each object what it may be: the state that was made durable
 * last (the base), and all states after it.
 */
#ifndef VFSR_TESTS_CRASHLOAD_H
#define VFSR_TESTS_CRASHLOAD_H

#include <stdio.h>

#include "port.h"

#define DIRS 3
#define SLOTS 10 /* names in a directory; the last one is for new versions */
#define NAMES (DIRS * SLOTS)
#define FILE_MAX (384u << 10) /* bytes of a file */
#define PAGE_BYTES 4096u
#define XATTR_NAME "user.crashload"

enum kind { KIND_FILE, KIND_SYMLINK, KIND_DIR };

/* Content and attributes of an object at one time. */
struct version {
	u32 op; /* the step that made it */
	u32 xattr; /* value of the xattr, 0 = none */
	u64 size;
	u8 *data; /* size bytes, owned */
	bool grows; /* sizes between the last version's and this may be seen */
};

struct object {
	u32 id; /* the step that made it */
	enum kind kind;
	u32 nlink;
	struct version *version; /* the base, and what came after it */
	u32 nr_versions;
	bool seen; /* found by the check */
	struct object *next; /* list of all */
};

/* What a name stood for from a step on; NULL = nothing. */
struct binding {
	u32 op;
	struct object *object;
};

struct name {
	struct binding *binding; /* the base, and what came after it */
	u32 nr_bindings;
};

enum action {
	STEP_WRITE,
	STEP_TRUNCATE,
	STEP_PUNCH, /* a hole, below the size or across it */
	STEP_RENAME,
	STEP_EXCHANGE,
	STEP_LINK,
	STEP_UNLINK,
	STEP_SYMLINK,
	STEP_MKDIR,
	STEP_RMDIR,
	STEP_XATTR,
	STEP_FSYNC,
	STEP_FSYNC_DIR,
	STEP_SYNC,
	STEP_FLUSH_OUT, /* start writing dirty pages of a file's range */
	STEP_ACTIONS
};

struct step {
	enum action action;
	u32 a, b; /* names; of STEP_FSYNC_DIR a directory */
	u64 off, len;
	u64 seed; /* of the data */
};

struct model {
	u64 seed;
	struct name name[NAMES];
	struct object *objects;
	struct step queue[8]; /* steps that must follow */
	u32 queued;
};

extern const char *const action_names[STEP_ACTIONS];

/* crashload_model.c */
u64 mix64(u64 v);
void model_init(struct model *m, u64 seed);
struct step model_next(struct model *m, u32 op);
void model_begin(struct model *m, const struct step *s, u32 op);
void model_durable(struct model *m, const struct step *s, u32 op);
bool step_syncs(const struct step *s);
struct object *name_object(const struct name *n);
void name_path(u32 name, char *path, size_t room);
void step_data(const struct step *s, u8 *buf);
void symlink_target(u32 id, char *target, size_t room);
u32 dir_mode(u32 id);
void fatal(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));

/* crashload_check.c */
int check_state(struct model *m, const char *dir, bool zeros);

#endif
