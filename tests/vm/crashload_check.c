// SPDX-License-Identifier: GPL-2.0-only
/*
 * crashload: is a directory in a state that the model allows?
 *
 * A name must stand for something it stood for since its base. A file must
 * have a size it had or grew through, and each of its pages must be as in one
 * of the versions since its base that reach as far. A directory made here has a
 * mode of its own. An object that was durable
 * and has always had a name must be found. Link counts must match names.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "crashload.h"

static u32 nr_wrong;
static bool zeros_allowed;

/* What was found under a name. */
struct found {
	bool there;
	enum kind kind;
	u64 ino;
	u32 nlink;
	u32 mode; /* of a directory */
	u64 size;
	u32 xattr;
	u8 *data;
	char target[200];
};

static struct found found[NAMES];

static void wrong(const char *path, const char *what)
{
	printf("crashload: WRONG %s: %s\n", path, what);
	nr_wrong++;
}

/* --- reading what is there --- */

static void load_file(struct found *f, int dir, const char *path)
{
	char value[16] = "";
	int fd = openat(dir, path, O_RDONLY);
	u64 at = 0;
	ssize_t got;

	if (fd < 0) {
		wrong(path, "it cannot be opened");
		return;
	}
	f->data = malloc(f->size + 1);
	if (!f->data)
		fatal("out of memory");
	while (at < f->size) {
		got = pread(fd, f->data + at, f->size - at, (off_t)at);
		if (got <= 0) {
			fprintf(stderr, "crashload: %s at %llu: %m\n", path,
				(unsigned long long)at);
			wrong(path, got ? "it cannot be read" :
					  "it ends before its size");
			break;
		}
		at += (u64)got;
	}
	memset(f->data + at, 0, f->size - at);
	got = fgetxattr(fd, XATTR_NAME, value, sizeof(value) - 1);
	if (got > 0)
		f->xattr = (u32)strtoul(value, NULL, 10);
	else if (errno != ENODATA && errno != EOPNOTSUPP)
		wrong(path, "its xattr cannot be read");
	close(fd);
}

static void load(u32 name, int dir)
{
	struct found *f = &found[name];
	char path[32];
	struct stat st;

	name_path(name, path, sizeof(path));
	if (fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW)) {
		if (errno != ENOENT)
			wrong(path, "stat fails");
		return;
	}
	f->there = true;
	f->ino = st.st_ino;
	f->nlink = (u32)st.st_nlink;
	f->size = (u64)st.st_size;
	if (S_ISREG(st.st_mode)) {
		f->kind = KIND_FILE;
		if (f->size > 2 * FILE_MAX)
			wrong(path, "it is larger than it ever was");
		else
			load_file(f, dir, path);
	} else if (S_ISLNK(st.st_mode)) {
		f->kind = KIND_SYMLINK;
		if (readlinkat(dir, path, f->target, sizeof(f->target) - 1) < 0)
			wrong(path, "the symlink cannot be read");
	} else if (S_ISDIR(st.st_mode)) {
		f->kind = KIND_DIR;
		f->mode = st.st_mode & 07777;
	} else {
		wrong(path, "a strange type");
	}
}

/* Every entry must be a name of ours, once, and lead somewhere. */
static void check_listing(int dir, u32 d)
{
	u32 seen[SLOTS] = { 0 }, i;
	char path[32], want[32];
	struct dirent *entry;
	DIR *stream;
	int fd;

	snprintf(path, sizeof(path), "d%u", d);
	fd = openat(dir, path, O_RDONLY | O_DIRECTORY);
	stream = fd < 0 ? NULL : fdopendir(fd);
	if (!stream) {
		wrong(path, "the directory cannot be opened");
		return;
	}
	for (errno = 0; (entry = readdir(stream)); errno = 0) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		for (i = 0; i < SLOTS; i++) {
			name_path(d * SLOTS + i, want, sizeof(want));
			if (!strcmp(strchr(want, '/') + 1, entry->d_name))
				break;
		}
		if (i == SLOTS)
			wrong(entry->d_name, "nobody made this name");
		else if (seen[i]++)
			wrong(entry->d_name, "it is listed twice");
	}
	if (errno)
		wrong(path, "the directory cannot be read");
	closedir(stream);
	for (i = 0; i < SLOTS; i++) {
		name_path(d * SLOTS + i, want, sizeof(want));
		if (found[d * SLOTS + i].there != (seen[i] > 0))
			wrong(want, "stat and readdir do not agree");
	}
}

/* --- comparing --- */

static bool size_allowed(const struct object *o, u64 size)
{
	const struct version *v = o->version;
	u32 i;

	for (i = 0; i < o->nr_versions; i++)
		if (size == v[i].size || (i && v[i].grows && size < v[i].size &&
					  size > v[i - 1].size))
			return true;
	return false;
}

/*
 * Is the page as in a version that reaches as far, or, if zeros are allowed, in
 * one that does not, with zeros from its end on?
 */
static bool page_allowed(const struct object *o, const u8 *data, u64 from,
			 u64 to)
{
	static const u8 zeros[PAGE_BYTES];
	u64 end;
	u32 i;

	for (i = 0; i < o->nr_versions; i++) {
		const struct version *v = &o->version[i];

		end = max_t(u64, min_t(u64, v->size, to), from);
		if (end < to && !zeros_allowed)
			continue;
		if (end > from &&
		    memcmp(v->data + from, data + from, end - from))
			continue;
		if (!memcmp(data + end, zeros, to - end))
			return true;
	}
	return false;
}

/* NULL if the found thing may be this object, else why not. */
static const char *mismatch(const struct object *o, const struct found *f)
{
	static char why[200];
	char target[200];
	u64 from, to;
	u32 i;

	if (o->kind != f->kind)
		return "another type";
	if (o->kind == KIND_SYMLINK) {
		symlink_target(o->id, target, sizeof(target));
		return strcmp(target, f->target) ? "another target" : NULL;
	}
	if (o->kind == KIND_DIR)
		return dir_mode(o->id) == f->mode ? NULL : "another mode";
	if (!size_allowed(o, f->size)) {
		snprintf(
			why, sizeof(why),
			"size %llu, which it never had; %u versions since it was durable, the first of %llu",
			(unsigned long long)f->size, o->nr_versions,
			(unsigned long long)o->version[0].size);
		return why;
	}
	for (from = 0; from < f->size && f->data; from = to) {
		to = min_t(u64, from + PAGE_BYTES, f->size);
		if (page_allowed(o, f->data, from, to))
			continue;
		snprintf(
			why, sizeof(why),
			"bytes %llu..%llu of %llu are of no version (%u since step %u), they begin %02x %02x %02x %02x",
			(unsigned long long)from, (unsigned long long)to,
			(unsigned long long)f->size, o->nr_versions,
			o->version[0].op, f->data[from], f->data[from + 1],
			f->data[from + 2], f->data[from + 3]);
		return why;
	}
	for (i = 0; i < o->nr_versions; i++)
		if (o->version[i].xattr == f->xattr)
			return NULL;
	snprintf(why, sizeof(why), "xattr %u, which it never had", f->xattr);
	return why;
}

/* Says why the found thing is none of those that it may be. */
static void explain(const struct name *n, u32 number)
{
	char path[32], text[400];
	u32 i;

	name_path(number, path, sizeof(path));
	for (i = 0; i < n->nr_bindings; i++) {
		const struct binding *b = &n->binding[i];
		const char *why = "it is not absent";

		if (b->object)
			why = mismatch(b->object, &found[number]);
		snprintf(text, sizeof(text), "%s step %u made it object %u: %s",
			 i ? "or" : "not what", b->op,
			 b->object ? b->object->id : 0, why);
		wrong(path, text);
	}
}

/* Two objects can be alike: then both have been seen. */
static void check_name(const struct name *n, u32 number)
{
	const struct found *f = &found[number];
	char path[32], text[80];
	bool allowed = false;
	struct object *o;
	u32 i;

	for (i = 0; i < n->nr_bindings; i++) {
		o = n->binding[i].object;
		if (!f->there) {
			allowed |= !o;
		} else if (o && !mismatch(o, f)) {
			o->seen = true;
			allowed = true;
		}
	}
	if (allowed)
		return;
	if (f->there) {
		explain(n, number);
		return;
	}
	name_path(number, path, sizeof(path));
	snprintf(text, sizeof(text), "it is gone; durable since step %u",
		 n->binding[0].op);
	wrong(path, text);
}

/* Durable once, never without a name: it must be somewhere. */
static void check_found(const struct model *m)
{
	const struct object *o;
	char path[32];
	u32 i;

	for (i = 0; i < NAMES; i++) {
		o = m->name[i].binding[0].object;
		if (!o || o->seen || !o->nlink)
			continue;
		name_path(i, path, sizeof(path));
		wrong(path, "what stood here durably has no name any more");
	}
}

static void check_links(void)
{
	char path[32];
	u32 i, j, nr;

	for (i = 0; i < NAMES; i++) {
		if (!found[i].there || found[i].kind == KIND_DIR)
			continue;
		for (nr = 0, j = 0; j < NAMES; j++)
			nr += found[j].there && found[j].ino == found[i].ino;
		if (nr == found[i].nlink)
			continue;
		name_path(i, path, sizeof(path));
		wrong(path, "its link count is not the number of its names");
	}
}

/* Number of wrong things; each is printed. */
int check_state(struct model *m, const char *path, bool zeros)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY);
	u32 i;

	if (dir < 0) {
		wrong(path, "the directory is gone");
		return (int)nr_wrong;
	}
	zeros_allowed = zeros;
	for (i = 0; i < NAMES; i++)
		load(i, dir);
	for (i = 0; i < DIRS; i++)
		check_listing(dir, i);
	for (i = 0; i < NAMES; i++)
		check_name(&m->name[i], i);
	check_found(m);
	check_links();
	for (i = 0; i < NAMES; i++)
		free(found[i].data);
	close(dir);
	return (int)nr_wrong;
}
