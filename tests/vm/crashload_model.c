// SPDX-License-Identifier: GPL-2.0-only
/*
 * crashload: the steps, and what names and objects may be after each. Pure:
 * no system calls here, and no numbers but those that follow from the seed.
 */
#include <stdarg.h>
#include <stdlib.h>

#include "crashload.h"

const char *const action_names[STEP_ACTIONS] = {
	[STEP_WRITE] = "write",	    [STEP_TRUNCATE] = "truncate",
	[STEP_RENAME] = "rename",   [STEP_EXCHANGE] = "exchange",
	[STEP_LINK] = "link",	    [STEP_UNLINK] = "unlink",
	[STEP_SYMLINK] = "symlink", [STEP_MKDIR] = "mkdir",
	[STEP_RMDIR] = "rmdir",	    [STEP_XATTR] = "xattr",
	[STEP_PUNCH] = "punch",	       [STEP_FSYNC] = "fsync",
	[STEP_FSYNC_DIR] = "fsyncdir", [STEP_SYNC] = "sync",
	[STEP_FLUSH_OUT] = "flushout",
};

void fatal(const char *fmt, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "crashload: ");
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(2);
}

static void *xrealloc(void *p, size_t len)
{
	p = realloc(p, len ? len : 1);
	if (!p)
		fatal("out of memory");
	return p;
}

u64 mix64(u64 v)
{
	v += 0x9e3779b97f4a7c15ull;
	v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9ull;
	v = (v ^ (v >> 27)) * 0x94d049bb133111ebull;
	return v ^ (v >> 31);
}

/* Dice of one step. */
static u64 dice_state;

static u64 dice(u64 n)
{
	dice_state = mix64(dice_state);
	return dice_state % n;
}

void name_path(u32 name, char *path, size_t room)
{
	u32 slot = name % SLOTS;

	if (slot == SLOTS - 1)
		snprintf(path, room, "d%u/tmp", name / SLOTS);
	else
		snprintf(path, room, "d%u/f%u", name / SLOTS, slot);
}

void symlink_target(u32 id, char *target, size_t room)
{
	snprintf(target, room, "target-%u-%0*d", id, (int)(id % 90), 7);
}

/* Directories are told by their mode: 64 of them. */
u32 dir_mode(u32 id)
{
	return 0700 | (id & 077);
}

/* The bytes of a write: random, lines of text, or one byte repeated. */
void step_data(const struct step *s, u8 *buf)
{
	u64 i, v = 0;
	u32 kind = s->seed % 5;

	if (kind == 4) {
		memset(buf, (int)(s->seed >> 8), s->len);
		return;
	}
	for (i = 0; i < s->len; i++) {
		if (i % 8 == 0)
			v = mix64(s->seed + i / (kind < 2 ? 8 : 256));
		buf[i] = (u8)(kind < 2 ? v >> i % 8 * 8 : 'a' + (v + i) % 26);
	}
}

struct object *name_object(const struct name *n)
{
	return n->binding[n->nr_bindings - 1].object;
}

static struct object *object_of(const struct model *m, u32 name)
{
	return name_object(&m->name[name]);
}

void model_init(struct model *m, u64 seed)
{
	u32 i;

	memset(m, 0, sizeof(*m));
	m->seed = seed;
	for (i = 0; i < NAMES; i++) {
		m->name[i].binding = xrealloc(NULL, sizeof(struct binding));
		m->name[i].binding[0] = (struct binding){ 0, NULL };
		m->name[i].nr_bindings = 1;
	}
}

/* --- choosing --- */

/* A name that stands for a file (or with what < 0 nothing, or a kind). */
static bool pick(const struct model *m, int what, u32 *name)
{
	u32 at = (u32)dice(NAMES), i;

	for (i = 0; i < NAMES; i++) {
		const struct object *o;

		*name = (at + i) % NAMES;
		o = object_of(m, *name);
		if (*name % SLOTS != SLOTS - 1 &&
		    (o ? (int)o->kind == what : what < 0))
			return true;
	}
	return false;
}

static u64 size_of(const struct object *o)
{
	return o ? o->version[o->nr_versions - 1].size : 0;
}

static struct step pick_write(const struct model *m)
{
	struct step s = { .action = STEP_WRITE, .seed = mix64(dice_state) };
	u64 size;

	if (!pick(m, dice(4) ? KIND_FILE : -1, &s.a) &&
	    !pick(m, KIND_FILE, &s.a))
		pick(m, -1, &s.a);
	size = size_of(object_of(m, s.a));
	s.off = dice(3) ? size : dice(size + 1);
	if (!dice(8))
		s.off += dice(20000);
	s.len = 1 + dice(dice(3) ? 6000 : 150000);
	if (s.off >= FILE_MAX)
		s.off = dice(FILE_MAX / 2);
	s.len = min_t(u64, s.len, FILE_MAX - s.off);
	return s;
}

/* The usual way to replace a file: write beside it, fsync, rename, fsync. */
static struct step replace(struct model *m)
{
	struct step s = { .action = STEP_WRITE, .seed = mix64(dice_state) };
	u32 to, tmp;

	if (!pick(m, KIND_FILE, &to))
		return pick_write(m);
	tmp = to / SLOTS * SLOTS + SLOTS - 1;
	s.a = tmp;
	s.len = 1 + dice(dice(2) ? 3000 : 100000);
	m->queue[m->queued++] =
		(struct step){ .action = STEP_FSYNC_DIR, .a = to / SLOTS };
	m->queue[m->queued++] =
		(struct step){ .action = STEP_RENAME, .a = tmp, .b = to };
	m->queue[m->queued++] = (struct step){ .action = STEP_FSYNC, .a = tmp };
	return s;
}

/* Two names for rename or exchange. */
static bool pick_two(const struct model *m, struct step *s)
{
	const struct object *a, *b;

	s->a = (u32)dice(NAMES);
	s->b = (u32)dice(NAMES);
	a = object_of(m, s->a);
	b = object_of(m, s->b);
	if (!a || a == b || s->a % SLOTS == SLOTS - 1 ||
	    s->b % SLOTS == SLOTS - 1)
		return false;
	if (s->action == STEP_EXCHANGE)
		return b;
	return !b || (a->kind == KIND_DIR) == (b->kind == KIND_DIR);
}

/* All of a file, or what begins or ends somewhere in it. */
static bool pick_flush_out(const struct model *m, struct step *s)
{
	u64 size;

	s->action = STEP_FLUSH_OUT;
	if (!pick(m, KIND_FILE, &s->a))
		return false;
	size = size_of(object_of(m, s->a));
	s->off = dice(2) ? dice(size + 1) : 0;
	s->len = dice(2) ? 1 + dice(size + 1) : 0;
	return true;
}

static bool pick_truncate(const struct model *m, struct step *s)
{
	s->action = dice(3) ? STEP_TRUNCATE : STEP_PUNCH;
	s->len = dice(3) ? dice(60000) : 0;
	if (!pick(m, KIND_FILE, &s->a))
		return false;
	if (s->action == STEP_PUNCH) {
		s->off = dice(size_of(object_of(m, s->a)) + 1);
		s->len++;
	}
	return true;
}

static bool pick_step(struct model *m, struct step *s)
{
	u64 roll = dice(100);

	*s = (struct step){ .seed = dice(1 << 30) };
	if (roll < 34) {
		*s = pick_write(m);
		return true;
	}
	if (roll < 42) {
		*s = replace(m);
		return true;
	}
	if (roll < 47)
		return pick_truncate(m, s);
	if (roll < 57) {
		s->action = roll < 54 ? STEP_RENAME : STEP_EXCHANGE;
		return pick_two(m, s);
	}
	if (roll < 61) {
		s->action = STEP_LINK;
		return pick(m, KIND_FILE, &s->a) && pick(m, -1, &s->b);
	}
	if (roll < 68) {
		s->action = STEP_UNLINK;
		return pick(m, dice(4) ? KIND_FILE : KIND_SYMLINK, &s->a);
	}
	if (roll < 75) {
		s->action = roll < 71 ? STEP_SYMLINK : STEP_MKDIR;
		return pick(m, -1, &s->a);
	}
	if (roll < 77) {
		s->action = STEP_RMDIR;
		return pick(m, KIND_DIR, &s->a);
	}
	if (roll < 81) {
		s->action = STEP_XATTR;
		return pick(m, KIND_FILE, &s->a);
	}
	if (roll < 87) {
		s->action = STEP_FSYNC;
		return pick(m, KIND_FILE, &s->a);
	}
	if (roll < 91)
		return pick_flush_out(m, s);
	s->action = roll < 97 ? STEP_FSYNC_DIR : STEP_SYNC;
	s->a = (u32)dice(DIRS);
	return true;
}

/* What step op is, if all before it have begun. */
struct step model_next(struct model *m, u32 op)
{
	struct step s;

	if (m->queued)
		return m->queue[--m->queued];
	dice_state = mix64(m->seed) + op;
	while (!pick_step(m, &s))
		;
	/* often somebody waits for what was written */
	if (s.action == STEP_WRITE && !m->queued && !dice(4))
		m->queue[m->queued++] =
			(struct step){ .action = STEP_FSYNC, .a = s.a };
	return s;
}

/* --- what a step does --- */

static struct object *object_new(struct model *m, enum kind kind, u32 op)
{
	struct object *o = xrealloc(NULL, sizeof(*o));

	*o = (struct object){ .id = op, .kind = kind, .next = m->objects };
	m->objects = o;
	o->version = xrealloc(NULL, sizeof(*o->version));
	o->version[0] = (struct version){ .op = op };
	o->nr_versions = 1;
	return o;
}

/* A copy of the last version, with room for size bytes, zeros at its end. */
static struct version *version_new(struct object *o, u64 size, u32 op)
{
	struct version *v, *last;

	o->version = xrealloc(o->version, (o->nr_versions + 1) * sizeof(*v));
	last = &o->version[o->nr_versions - 1];
	v = &o->version[o->nr_versions++];
	*v = (struct version){ .op = op, .size = size, .xattr = last->xattr };
	v->data = xrealloc(NULL, size);
	memset(v->data, 0, size);
	if (last->size)
		memcpy(v->data, last->data, min_t(u64, size, last->size));
	return v;
}

static void bind(struct model *m, u32 name, struct object *o, u32 op)
{
	struct name *n = &m->name[name];
	struct object *old = name_object(n);

	if (old)
		old->nlink--;
	if (o)
		o->nlink++;
	n->binding = xrealloc(n->binding,
			      (n->nr_bindings + 1) * sizeof(*n->binding));
	n->binding[n->nr_bindings++] = (struct binding){ op, o };
}

static void begin_write(struct model *m, const struct step *s, u32 op)
{
	struct object *o = object_of(m, s->a);
	struct version *v;

	if (!o) {
		o = object_new(m, KIND_FILE, op);
		bind(m, s->a, o, op);
	}
	v = version_new(o, max_t(u64, size_of(o), s->off + s->len), op);
	v->grows = true;
	step_data(s, v->data + s->off);
}

static void begin_punch(struct object *o, const struct step *s, u32 op)
{
	u64 size = size_of(o);
	struct version *v = version_new(o, size, op);

	if (s->off < size)
		memset(v->data + s->off, 0, min_t(u64, s->len, size - s->off));
}

/* Step op is begun: from now on what it makes may be seen. */
void model_begin(struct model *m, const struct step *s, u32 op)
{
	struct object *o = s->a < NAMES ? object_of(m, s->a) : NULL;
	struct object *b = s->b < NAMES ? object_of(m, s->b) : NULL;

	switch (s->action) {
	case STEP_WRITE:
		begin_write(m, s, op);
		break;
	case STEP_TRUNCATE:
		if (o)
			version_new(o, s->len, op);
		break;
	case STEP_PUNCH:
		if (o)
			begin_punch(o, s, op);
		break;
	case STEP_XATTR:
		if (o)
			version_new(o, size_of(o), op)->xattr = op;
		break;
	case STEP_RENAME:
		bind(m, s->b, o, op);
		bind(m, s->a, NULL, op);
		break;
	case STEP_EXCHANGE:
		bind(m, s->b, o, op);
		bind(m, s->a, b, op);
		break;
	case STEP_LINK:
		bind(m, s->b, o, op);
		break;
	case STEP_UNLINK:
	case STEP_RMDIR:
		bind(m, s->a, NULL, op);
		break;
	case STEP_SYMLINK:
		bind(m, s->a, object_new(m, KIND_SYMLINK, op), op);
		break;
	case STEP_MKDIR:
		bind(m, s->a, object_new(m, KIND_DIR, op), op);
		break;
	default:
		break;
	}
}

bool step_syncs(const struct step *s)
{
	return s->action == STEP_SYNC || s->action == STEP_FSYNC ||
	       s->action == STEP_FSYNC_DIR;
}

/* The present state of a name is its base now. */
static void name_durable(struct name *n)
{
	n->binding[0] = n->binding[n->nr_bindings - 1];
	n->nr_bindings = 1;
}

static void object_durable(struct object *o)
{
	u32 i;

	for (i = 0; i + 1 < o->nr_versions; i++)
		free(o->version[i].data);
	o->version[0] = o->version[o->nr_versions - 1];
	o->nr_versions = 1;
}

/* The sync that is step op has returned; no later step has begun. */
void model_durable(struct model *m, const struct step *s, u32 op)
{
	struct object *o;
	u32 i;

	(void)op;
	for (i = 0; i < NAMES; i++) {
		bool all = s->action == STEP_SYNC;

		if (s->action == STEP_FSYNC)
			all |= object_of(m, i) == object_of(m, s->a);
		if (s->action == STEP_FSYNC_DIR)
			all |= i / SLOTS == s->a;
		if (all)
			name_durable(&m->name[i]);
	}
	if (s->action == STEP_FSYNC)
		object_durable(object_of(m, s->a));
	for (o = m->objects; o && s->action == STEP_SYNC; o = o->next)
		object_durable(o);
}
