// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages and results of the tools: see out.h. Messages are written with one
 * call each, so that lines of several threads do not mix.
 */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/out.h"

#define SAME_REASON_MAX	20	/* complaints of one reason that are printed */

const char *vfsr_prog = "vfsr";
bool vfsr_quiet;
int vfsr_verbose;

static unsigned int complaints[VFSR_NR_REASONS];

static void say(const char *tag, const char *fmt, va_list ap)
{
	char text[2048];
	int n;

	n = vsnprintf(text, sizeof(text), fmt, ap);
	if (n < 0)
		return;
	/* a progress line may stand there: begin with a clear line */
	fprintf(stderr, "%s%s: %s%s\n", isatty(2) ? "\r\033[K" : "", vfsr_prog,
		tag, text);
}

void vfsr_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("error: ", fmt, ap);
	va_end(ap);
}

void vfsr_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("warning: ", fmt, ap);
	va_end(ap);
}

void vfsr_info(const char *fmt, ...)
{
	va_list ap;

	if (vfsr_quiet)
		return;
	va_start(ap, fmt);
	say("", fmt, ap);
	va_end(ap);
}

void vfsr_note(const char *fmt, ...)
{
	va_list ap;

	if (!vfsr_verbose)
		return;
	va_start(ap, fmt);
	say("", fmt, ap);
	va_end(ap);
}

static const char *interrupt_text;
static int interrupt_status;

/* Only calls that a handler may make. */
static void on_interrupt(int sig)
{
	static const char clear[] = "\r\033[K";
	ssize_t n = 0;

	if (isatty(2))
		n = write(2, clear, sizeof(clear) - 1);
	n += write(2, interrupt_text, strlen(interrupt_text));
	(void)n;
	if (interrupt_status >= 0)
		_exit(interrupt_status);
	/* reset by SA_RESETHAND: ends the program, and the caller sees why */
	raise(sig);
}

void vfsr_interrupt_text(const char *text, int status)
{
	struct sigaction act = { .sa_handler = on_interrupt,
				 .sa_flags = (int)SA_RESETHAND };

	interrupt_text = text;
	interrupt_status = status;
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
}

const char *vfsr_plural(u64 n)
{
	return n == 1 ? "" : "s";
}

void vfsr_complain(const char *pool, int dev, u64 grid, u64 ino,
		   const struct vfsr_fault *f)
{
	unsigned int seen;
	char device[32] = "";

	if ((unsigned int)f->reason >= VFSR_NR_REASONS)
		return;
	seen = __atomic_fetch_add(&complaints[f->reason], 1, __ATOMIC_RELAXED);
	if (seen >= SAME_REASON_MAX && !vfsr_verbose)
		return;
	if (dev >= 0)
		snprintf(device, sizeof(device), "dev=%d ", dev);
	fprintf(stderr,
		"vfsr (%s): corrupt %s: %sgrid=%llu ino=%llu, have %llu, want %llu\n",
		pool, vfsr_reason_name(f->reason), device,
		(unsigned long long)grid, (unsigned long long)ino,
		(unsigned long long)f->have, (unsigned long long)f->want);
}

void vfsr_complain_flush(void)
{
	unsigned int i;

	for (i = 0; i < VFSR_NR_REASONS; i++) {
		unsigned int n = complaints[i];

		complaints[i] = 0;
		if (n > SAME_REASON_MAX && !vfsr_verbose)
			vfsr_warn("%s: %u more; -v prints all",
				  vfsr_reason_name(i), n - SAME_REASON_MAX);
	}
}

/* --- results --- */

struct json_object *vfsr_json_number(double v)
{
	char text[64];

	snprintf(text, sizeof(text), "%.2f", v);
	return json_object_new_double_s(v, text);
}

void vfsr_doc_begin(struct vfsr_doc *d, const char *kind)
{
	d->root = json_object_new_object();
	json_object_object_add(d->root, "version",
			       json_object_new_int(VFSR_JSON_VERSION));
	json_object_object_add(d->root, "kind", json_object_new_string(kind));
}

/* "used_bytes" -> "used", and whether the number is a size */
static bool label_of(const char *name, char *label, size_t room)
{
	size_t len = strlen(name), i;
	bool size = len > 6 && !strcmp(name + len - 6, "_bytes");

	if (size)
		len -= 6;
	if (len >= room)
		len = room - 1;
	for (i = 0; i < len; i++)
		label[i] = name[i] == '_' ? ' ' : name[i];
	label[len] = '\0';
	return size;
}

/* A number, a word or a size as people read it. The caller frees. */
static char *scalar_text(struct json_object *v, bool size)
{
	char buf[32];
	char *text;

	if (size && json_object_is_type(v, json_type_int))
		vfsr_size_text(json_object_get_uint64(v), buf);
	else if (json_object_is_type(v, json_type_double))
		snprintf(buf, sizeof(buf), "%.2f", json_object_get_double(v));
	else if (json_object_is_type(v, json_type_boolean))
		snprintf(buf, sizeof(buf), "%s",
			 json_object_get_boolean(v) ? "yes" : "no");
	else
		buf[0] = '\0';
	text = strdup(buf[0] ? buf : json_object_get_string(v));
	if (!text)
		abort();
	return text;
}

static void print_scalar(struct json_object *v, bool size)
{
	char *text = scalar_text(v, size);

	fputs(text, stdout);
	free(text);
}

static bool is_nested(struct json_object *v)
{
	return json_object_is_type(v, json_type_object) ||
	       json_object_is_type(v, json_type_array);
}

/* One line of "name value" pairs for an element of a list. */
static void print_inline(struct json_object *v)
{
	const char *sep = "";

	if (!json_object_is_type(v, json_type_object)) {
		print_scalar(v, false);
		return;
	}
	json_object_object_foreach(v, key, val) {
		char label[64];
		bool size = label_of(key, label, sizeof(label));

		if (!val || is_nested(val))
			continue;
		printf("%s%s ", sep, label);
		print_scalar(val, size);
		sep = ", ";
	}
}

/* Lists and objects below this depth are left to JSON. */
#define TEXT_MAX_DEPTH	4
#define TEXT_LABEL	20	/* width of the column of names */

static void print_member(const char *key, struct json_object *val, int depth);

/* What an element of a list holds beyond its line, below it. */
static void print_inner(struct json_object *v, int depth)
{
	if (!json_object_is_type(v, json_type_object))
		return;
	json_object_object_foreach(v, key, val) {
		if (val && is_nested(val))
			print_member(key, val, depth);
	}
}

/* --- tables --- */

#define TABLE_COLUMNS	16

struct column {
	const char *key;
	char label[64];
	size_t width;
	bool size;	/* of bytes */
	bool left;	/* words; numbers go to the right */
};

/* Columns of a list's elements; 0 where they are not all alike and simple. */
static unsigned int table_columns(struct json_object *list, struct column *c)
{
	struct json_object *first = json_object_array_get_idx(list, 0);
	size_t nr = json_object_array_length(list), i;
	unsigned int columns = 0, j;

	if (!json_object_is_type(first, json_type_object))
		return 0;
	json_object_object_foreach(first, key, val) {
		if (columns == TABLE_COLUMNS || !val || is_nested(val))
			return 0;
		c[columns].key = key;
		c[columns].left = false;
		c[columns].size = label_of(key, c[columns].label,
					   sizeof(c[columns].label));
		c[columns].width = strlen(c[columns].label);
		columns++;
	}
	for (i = 0; i < nr; i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		if (!json_object_is_type(o, json_type_object) ||
		    json_object_object_length(o) != (int)columns)
			return 0;
		for (j = 0; j < columns; j++) {
			struct json_object *v;
			char *text;

			if (!json_object_object_get_ex(o, c[j].key, &v) || !v ||
			    is_nested(v))
				return 0;
			text = scalar_text(v, c[j].size);
			c[j].width = max_t(size_t, c[j].width, strlen(text));
			if (!c[j].size &&
			    strspn(text, "0123456789.-") != strlen(text))
				c[j].left = true;
			free(text);
		}
	}
	return columns;
}

static void print_cell(const struct column *c, const char *text, bool last)
{
	if (last && c->left)
		printf("  %s", text);
	else
		printf("  %*s", c->left ? -(int)c->width : (int)c->width, text);
}

/* A list of like elements: a line of names, and one for each. */
static bool print_table(const char *label, struct json_object *list, int depth)
{
	struct column c[TABLE_COLUMNS];
	size_t nr = json_object_array_length(list), i;
	unsigned int columns = nr ? table_columns(list, c) : 0, j;

	if (columns < 2)
		return false;
	printf("%*s%s\n%*s", 2 * depth, "", label, 2 * depth, "");
	for (j = 0; j < columns; j++)
		print_cell(&c[j], c[j].label, j + 1 == columns);
	putchar('\n');
	for (i = 0; i < nr; i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		printf("%*s", 2 * depth, "");
		for (j = 0; j < columns; j++) {
			char *text = scalar_text(
				json_object_object_get(o, c[j].key), c[j].size);

			print_cell(&c[j], text, j + 1 == columns);
			free(text);
		}
		putchar('\n');
	}
	return true;
}

static void print_list(const char *label, struct json_object *list, int depth)
{
	size_t nr = json_object_array_length(list), i;

	if (print_table(label, list, depth))
		return;
	for (i = 0; i < nr; i++) {
		struct json_object *v = json_object_array_get_idx(list, i);

		if (!v)
			continue;
		printf("%*s%-*s ", 2 * depth, "", TEXT_LABEL, i ? "" : label);
		print_inline(v);
		putchar('\n');
		print_inner(v, depth + 1);
	}
}

static bool is_flat(struct json_object *object)
{
	json_object_object_foreach(object, key, val) {
		(void)key;
		if (val && is_nested(val))
			return false;
	}
	return true;
}

/*
 * A name and its value, a list's elements, or what an object holds: indented
 * below its name, or on one line if it is simple and a part of something else.
 * Recursion ends at TEXT_MAX_DEPTH.
 */
static void print_member(const char *key, struct json_object *val, int depth)
{
	char label[64];
	bool size = label_of(key, label, sizeof(label));

	if (depth > TEXT_MAX_DEPTH)
		return;
	if (json_object_is_type(val, json_type_array)) {
		print_list(label, val, depth);
		return;
	}
	if (json_object_is_type(val, json_type_object)) {
		if (depth && is_flat(val)) {
			printf("%*s%-*s ", 2 * depth, "", TEXT_LABEL, label);
			print_inline(val);
			putchar('\n');
			return;
		}
		printf("%*s%s\n", 2 * depth, "", label);
		json_object_object_foreach(val, sub, inner) {
			if (inner)
				print_member(sub, inner, depth + 1);
		}
		return;
	}
	printf("%*s%-*s ", 2 * depth, "", TEXT_LABEL, label);
	print_scalar(val, size);
	putchar('\n');
}

static void print_text(struct json_object *root)
{
	json_object_object_foreach(root, key, val) {
		if (val && strcmp(key, "version") && strcmp(key, "kind"))
			print_member(key, val, 0);
	}
}

void vfsr_doc_end(struct vfsr_doc *d, bool json)
{
	if (json)
		puts(json_object_to_json_string_ext(
			d->root,
			isatty(1) ? JSON_C_TO_STRING_PRETTY |
					    JSON_C_TO_STRING_NOSLASHESCAPE :
				    JSON_C_TO_STRING_PLAIN |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		print_text(d->root);
	fflush(stdout);
	json_object_put(d->root);
	d->root = NULL;
}
