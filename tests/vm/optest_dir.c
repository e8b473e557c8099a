// SPDX-License-Identifier: GPL-2.0-only
/*
 * optest: reading directories with buffers so small that many calls are
 * needed, going back to positions, and while names come and go.
 *
 * getdents64 is called directly because the C library reads 32 KiB ahead.
 */
#include <dirent.h>
#include <stdlib.h>

#include "optest.h"

#define BUF_BYTES 2048

/* One entry as it was read; name is owned. */
struct seen {
	char *name;
	u64 next; /* position after it */
};

struct list {
	struct seen *entry;
	u32 nr, room;
};

static void list_add(struct list *s, const struct dirent64 *d)
{
	if (s->nr == s->room) {
		s->room = s->room * 2 + 32;
		s->entry = xrealloc(s->entry, s->room * sizeof(*s->entry));
	}
	s->entry[s->nr].name = strdup(d->d_name);
	s->entry[s->nr++].next = (u64)d->d_off;
}

static void list_free(struct list *s)
{
	while (s->nr)
		free(s->entry[--s->nr].name);
	free(s->entry);
}

static u32 list_count(const struct list *s, const char *name)
{
	u32 i, nr = 0;

	for (i = 0; i < s->nr; i++)
		nr += !strcmp(s->entry[i].name, name);
	return nr;
}

/* One call; false at the end or after an error. */
static bool read_some(struct node *dir, int fd, size_t len, struct list *s)
{
	u64 buf[BUF_BYTES / 8];
	const struct dirent64 *d;
	ssize_t got = getdents64(fd, buf, len), at;

	if (judge("getdents64", dir, got, 0) != DONE || !got)
		return false;
	for (at = 0; at < got; at += d->d_reclen) {
		d = (const void *)((const char *)buf + at);
		list_add(s, d);
	}
	return true;
}

static int dir_open(struct node *dir)
{
	int fd = openat(ot.base, node_path(dir), O_RDONLY | O_DIRECTORY);

	judge("open", dir, fd, 0);
	return fd;
}

/* Not one that other workers change too. */
static struct node *quiet_dir(void)
{
	struct node *dir = node_pick(S_IFDIR);

	return ot.shared_dir && dir == ot.root ? NULL : dir;
}

void op_readdir(void)
{
	struct node *dir = node_pick(S_IFDIR);

	note("%s", label(dir));
	check_node(dir);
}

/* Read all, then go back to some positions: the same must follow. */
void op_seekdir(void)
{
	struct node *dir = quiet_dir();
	struct list all = { 0 }, again;
	size_t len = 320 + below(BUF_BYTES - 320);
	u32 i, at;
	int fd;

	if (!dir)
		return;
	note("%s", label(dir));
	fd = dir_open(dir);
	if (fd < 0)
		return;
	while (read_some(dir, fd, len, &all))
		;
	if (all.nr != dir->nr_entries + 2)
		diff(DIFF_READDIR, dir, "%u entries, expected %u", all.nr,
		     dir->nr_entries + 2);
	for (i = 0; i < 4 && all.nr; i++) {
		again = (struct list){ 0 };
		at = (u32)below(all.nr);
		if (lseek(fd, (off_t)all.entry[at].next, SEEK_SET) < 0) {
			judge("lseek", dir, -1, 0);
			break;
		}
		read_some(dir, fd, 320, &again);
		if (at + 1 == all.nr ? again.nr : !again.nr)
			diff(DIFF_READDIR, dir,
			     "after position %llx (%u of %u): %u entries",
			     (unsigned long long)all.entry[at].next, at, all.nr,
			     again.nr);
		else if (again.nr &&
			 strcmp(again.entry[0].name, all.entry[at + 1].name))
			diff(DIFF_READDIR, dir,
			     "after position %llx comes '%s', was '%s'",
			     (unsigned long long)all.entry[at].next,
			     again.entry[0].name, all.entry[at + 1].name);
		list_free(&again);
	}
	close(fd);
	list_free(&all);
}

/* Names taken away or added by op_readdir_unlink(). */
struct changes {
	char name[32][NAME_LEN_MAX + 1];
	u32 nr;
};

static void remove_one(struct node *dir, struct changes *c)
{
	struct link *l;
	struct node *n;
	char path[PATH_LEN_MAX];

	if (!dir->nr_entries)
		return;
	l = dir->entry[below(dir->nr_entries)];
	if (S_ISDIR(l->node->mode))
		return;
	n = l->node;
	link_path(l, path);
	copy_text(c->name[c->nr++], l->name, sizeof(c->name[0]));
	if (judge("unlink", n, unlinkat(ot.base, path, 0), 0) != DONE)
		return;
	link_del(l);
	if (n->nr_links || n->nr_open)
		attr_seen_path(n, CTIME_NEW);
	node_drop_if_unused(n);
}

static void add_one(struct node *dir, struct changes *c)
{
	char path[PATH_LEN_MAX], *name = c->name[c->nr];
	struct node *n;

	snprintf(name, NAME_LEN_MAX, "r%u_%u", ot.op, c->nr);
	name_path(dir, name, path);
	if (judge("mknod", dir, mknodat(ot.base, path, S_IFREG | 0600, 0), 0) !=
	    DONE)
		return;
	c->nr++;
	n = node_new(S_IFREG | 0600);
	n->uid = geteuid();
	n->gid = dir->mode & S_ISGID ? dir->gid : getegid();
	link_add(dir, name, n);
	attr_seen_path(n, MTIME_NEW | CTIME_NEW);
}

static void change_one(struct node *dir, struct changes *c, u32 nr)
{
	if (nr % 4)
		remove_one(dir, c);
	else
		add_one(dir, c);
}

static bool was_changed(const struct changes *c, const char *name)
{
	u32 i;

	for (i = 0; i < c->nr; i++)
		if (!strcmp(c->name[i], name))
			return true;
	return false;
}

/*
 * Names that come or go while a directory is read may be seen or not, but not
 * twice; every other name is seen once.
 */
void op_readdir_unlink(void)
{
	struct node *dir = quiet_dir();
	struct list all = { 0 };
	struct changes *c;
	u32 i, j, nr, more;
	size_t len;
	int fd;

	if (!dir || !dir->nr_entries)
		return;
	note("%s, %u entries", label(dir), dir->nr_entries);
	fd = dir_open(dir);
	if (fd < 0)
		return;
	c = xmalloc(sizeof(*c));
	c->nr = 0;
	len = 320 + below(600);
	more = (u32)below(20);
	/* as many changes, however many calls the directory takes */
	while (read_some(dir, fd, len, &all) && more)
		change_one(dir, c, more--);
	while (read_some(dir, fd, len, &all))
		;
	close(fd);
	while (more)
		change_one(dir, c, more--);
	attr_seen_path(dir, TOUCHED);
	for (i = 0; i < dir->nr_entries; i++) {
		nr = list_count(&all, dir->entry[i]->name);
		if (nr != 1 && !was_changed(c, dir->entry[i]->name))
			diff(DIFF_READDIR, dir, "'%s' was seen %u times",
			     dir->entry[i]->name, nr);
	}
	for (j = 0; j < c->nr; j++)
		if (list_count(&all, c->name[j]) > 1)
			diff(DIFF_READDIR, dir,
			     "'%s', which came or went, was seen %u times",
			     c->name[j], list_count(&all, c->name[j]));
	free(c);
	list_free(&all);
}
