// SPDX-License-Identifier: GPL-2.0-only
/*
 * optest: the oracle. Nodes with their names, extents and attributes, as they
 * should be; no system calls here.
 *
 * A node lives while it has a name or an open handle. Extents of a node are
 * sorted and disjoint, inside its size, and never empty; where there is none
 * the file reads as zeros. A real buffer lives while an extent names it.
 */
#include <stdlib.h>

#include "optest.h"

struct node *node_new(u32 mode)
{
	struct node *n = xmalloc(sizeof(*n));

	memset(n, 0, sizeof(*n));
	n->mode = mode;
	n->id = ot.next_id++;
	if (ot.nr_nodes == ot.room_nodes) {
		ot.room_nodes = ot.room_nodes * 2 + 64;
		ot.node = xrealloc(ot.node, ot.room_nodes * sizeof(*ot.node));
	}
	n->at = ot.nr_nodes;
	ot.node[ot.nr_nodes++] = n;
	return n;
}

static void node_free(struct node *n)
{
	node_resize(n, 0);
	while (n->nr_xattrs)
		xattr_del(n, n->xattr);
	ot.node[n->at] = ot.node[--ot.nr_nodes];
	ot.node[n->at]->at = n->at;
	free(n->extent);
	free(n->xattr);
	free(n->link);
	free(n->entry);
	free(n->target);
	free(n);
}

void node_drop_if_unused(struct node *n)
{
	if (!n->nr_links && !n->nr_open && n != ot.root)
		node_free(n);
}

/* Any node of a type (0 = any but the root) that has a name. */
struct node *node_pick(u32 type)
{
	struct node *n;
	u32 i, at;

	if (!ot.nr_nodes)
		return NULL;
	at = (u32)below(ot.nr_nodes);
	for (i = 0; i < ot.nr_nodes; i++) {
		n = ot.node[(at + i) % ot.nr_nodes];
		if (type == S_IFDIR && n == ot.root)
			return n;
		if (n->nr_links && (!type || (n->mode & S_IFMT) == type))
			return n;
	}
	return NULL;
}

struct link *link_pick(u32 type)
{
	struct node *n = node_pick(type);
	u32 i;

	/* the root has no name */
	for (i = 0; n && !n->nr_links && i < 8; i++)
		n = node_pick(type);
	return n && n->nr_links ? n->link[below(n->nr_links)] : NULL;
}

struct link *link_add(struct node *dir, const char *name, struct node *n)
{
	struct link *l = xmalloc(sizeof(*l));

	l->dir = dir;
	l->node = n;
	l->name = strdup(name);
	if (!l->name)
		fatal("out of memory");
	if (dir->nr_entries == dir->room_entries) {
		dir->room_entries = dir->room_entries * 2 + 8;
		dir->entry = xrealloc(dir->entry,
				      dir->room_entries * sizeof(*dir->entry));
	}
	l->at_dir = dir->nr_entries;
	dir->entry[dir->nr_entries++] = l;
	l->at_node = n->nr_links;
	n->link = xrealloc(n->link, (n->nr_links + 1) * sizeof(*n->link));
	n->link[n->nr_links++] = l;
	if (S_ISDIR(n->mode))
		dir->nr_subdirs++;
	return l;
}

/* Takes a name away; the node stays, for node_drop_if_unused(). */
void link_del(struct link *l)
{
	struct node *dir = l->dir, *n = l->node;

	dir->entry[l->at_dir] = dir->entry[--dir->nr_entries];
	dir->entry[l->at_dir]->at_dir = l->at_dir;
	n->link[l->at_node] = n->link[--n->nr_links];
	n->link[l->at_node]->at_node = l->at_node;
	if (S_ISDIR(n->mode))
		dir->nr_subdirs--;
	free(l->name);
	free(l);
}

void link_move(struct link *l, struct node *dir, const char *name)
{
	struct node *n = l->node;

	link_add(dir, name, n);
	link_del(l);
}

struct link *link_find(const struct node *dir, const char *name)
{
	u32 i;

	for (i = 0; i < dir->nr_entries; i++)
		if (!strcmp(dir->entry[i]->name, name))
			return dir->entry[i];
	return NULL;
}

/* The path from ot.base on; path has PATH_LEN_MAX bytes. */
void name_path(const struct node *dir, const char *name, char *path)
{
	const struct link *up[DEPTH_MAX + 2] = { NULL };
	u32 nr = 0;
	size_t at = 0;

	for (; dir != ot.root && dir->nr_links && nr < ARRAY_SIZE(up);
	     dir = dir->link[0]->dir)
		up[nr++] = dir->link[0];
	while (nr--)
		at += (size_t)snprintf(path + at, PATH_LEN_MAX - at, "%s/",
				       up[nr]->name);
	snprintf(path + at, PATH_LEN_MAX - at, "%s", name);
}

void link_path(const struct link *l, char *path)
{
	name_path(l->dir, l->name, path);
}

/* For messages and calls; valid until the next call. */
const char *node_path(const struct node *n)
{
	static char path[PATH_LEN_MAX];

	if (n == ot.root)
		return ".";
	if (!n->nr_links)
		return NULL;
	link_path(n->link[0], path);
	return path;
}

/* For messages: the number, and the end of the path. */
const char *label(const struct node *n)
{
	static char text[64];
	const char *path = node_path(n);
	size_t len;

	if (!path)
		path = "(unlinked)";
	len = strlen(path);
	snprintf(text, sizeof(text), "#%u %s%s", n->id, len > 40 ? "~" : "",
		 len > 40 ? path + len - 40 : path);
	printable(text);
	return text;
}

/* Is dir the node or one of the directories that lead to it? */
bool dir_is_above(const struct node *dir, const struct node *n)
{
	while (n != dir && n != ot.root && n->nr_links)
		n = n->link[0]->dir;
	return n == dir;
}

u32 dir_depth(const struct node *dir)
{
	u32 depth = 0;

	for (; dir != ot.root && dir->nr_links; dir = dir->link[0]->dir)
		depth++;
	return depth;
}

u32 node_nlink(const struct node *n)
{
	if (!S_ISDIR(n->mode))
		return n->nr_links;
	return ot.has.dir_nlink ? 2 + n->nr_subdirs : 1;
}

/* In a directory shared with other workers each has a prefix of its own. */
bool name_is_mine(const struct node *dir, const char *name)
{
	char prefix[16];

	if (dir != ot.root || !ot.shared_dir)
		return true;
	snprintf(prefix, sizeof(prefix), "w%u_", ot.worker);
	return !strncmp(name, prefix, strlen(prefix));
}

/* --- extents --- */

static void real_get(const struct source *s)
{
	if (s->kind == DATA_REAL)
		s->real->users++;
}

static void real_put(const struct source *s)
{
	if (s->kind == DATA_REAL && !--s->real->users)
		free(s->real);
}

/* Index of the first extent that ends after off. */
static u32 extent_index(const struct node *n, u64 off)
{
	u32 low = 0, high = n->nr_extents, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (n->extent[mid].off + n->extent[mid].len > off)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

/* The extent at off, or the next one, or NULL. */
const struct extent *extent_at(const struct node *n, u64 off)
{
	u32 i = extent_index(n, off);

	return i < n->nr_extents ? &n->extent[i] : NULL;
}

static void extent_insert(struct node *n, u32 i, const struct extent *e)
{
	if (n->nr_extents == n->room_extents) {
		n->room_extents = n->room_extents * 2 + 4;
		n->extent = xrealloc(n->extent,
				     n->room_extents * sizeof(*n->extent));
	}
	memmove(&n->extent[i + 1], &n->extent[i],
		(n->nr_extents - i) * sizeof(*e));
	n->extent[i] = *e;
	n->nr_extents++;
	real_get(&e->src);
	ot.live_bytes += e->len;
}

/* Makes off the border of two extents if it lies inside one. */
static void extent_split(struct node *n, u64 off)
{
	u32 i = extent_index(n, off);
	struct extent right;
	u64 left;

	if (i == n->nr_extents || n->extent[i].off >= off)
		return;
	left = off - n->extent[i].off;
	right = n->extent[i];
	right.off += left;
	right.len -= left;
	right.src.pos += left;
	ot.live_bytes -= right.len;
	n->extent[i].len = left;
	extent_insert(n, i + 1, &right);
}

/* The range reads as zeros from now on; the size stays. */
void extent_clear(struct node *n, u64 off, u64 len)
{
	u32 first, last;

	if (!len || !n->nr_extents)
		return;
	extent_split(n, off);
	extent_split(n, off + len);
	first = extent_index(n, off);
	for (last = first;
	     last < n->nr_extents && n->extent[last].off < off + len; last++) {
		ot.live_bytes -= n->extent[last].len;
		real_put(&n->extent[last].src);
	}
	memmove(&n->extent[first], &n->extent[last],
		(n->nr_extents - last) * sizeof(*n->extent));
	n->nr_extents -= last - first;
}

/* The range gets the bytes of s from s->pos on; the size grows if needed. */
void extent_set(struct node *n, u64 off, u64 len, const struct source *s)
{
	struct extent e = { .off = off, .len = len, .src = *s };

	if (!len)
		return;
	extent_clear(n, off, len);
	extent_insert(n, extent_index(n, off), &e);
	n->size = max_t(u64, n->size, off + len);
}

void extent_copy(struct node *to, u64 to_off, const struct node *from, u64 off,
		 u64 len)
{
	struct extent *piece = NULL;
	const struct extent *e;
	u64 cut, at = off;
	u32 nr = 0, i;

	/* collected first: both may be one file */
	while (at < off + len) {
		e = extent_at(from, at);
		if (!e || e->off >= off + len)
			break;
		piece = xrealloc(piece, (nr + 1) * sizeof(*piece));
		piece[nr] = *e;
		cut = at > e->off ? at - e->off : 0;
		piece[nr].off += cut;
		piece[nr].src.pos += cut;
		piece[nr].len =
			min_t(u64, e->len - cut, off + len - piece[nr].off);
		real_get(&piece[nr].src);
		at = piece[nr].off + piece[nr].len;
		nr++;
	}
	extent_clear(to, to_off, len);
	for (i = 0; i < nr; i++) {
		extent_set(to, piece[i].off - off + to_off, piece[i].len,
			   &piece[i].src);
		real_put(&piece[i].src);
	}
	to->size = max_t(u64, to->size, to_off + len);
	free(piece);
}

/* Moves what lies at off or later; by < 0 removes the bytes before off. */
void extent_shift(struct node *n, u64 off, s64 by)
{
	u32 i;

	if (by < 0)
		extent_clear(n, off - (u64)-by, (u64)-by);
	extent_split(n, off);
	for (i = extent_index(n, off); i < n->nr_extents; i++)
		n->extent[i].off += (u64)by;
	n->size += (u64)by;
}

void node_resize(struct node *n, u64 size)
{
	if (size < n->size)
		extent_clear(n, size, n->size - size);
	n->size = size;
}

/* The bytes that should be there; zeros also beyond the end. */
void extent_fill(const struct node *n, u64 off, u8 *buf, size_t len)
{
	const struct extent *e;
	u64 from, to, at = off;

	memset(buf, 0, len);
	while (at < off + len) {
		e = extent_at(n, at);
		if (!e || e->off >= off + len)
			break;
		from = max_t(u64, e->off, at);
		to = min_t(u64, e->off + e->len, off + len);
		gen_fill(&e->src, from - e->off, buf + (from - off), to - from);
		at = to;
	}
}

/* --- xattrs --- */

struct xattr *xattr_find(struct node *n, const char *name)
{
	u32 i;

	for (i = 0; i < n->nr_xattrs; i++)
		if (!strcmp(n->xattr[i].name, name))
			return &n->xattr[i];
	return NULL;
}

void xattr_set(struct node *n, const char *name, const struct source *s,
	       u32 len)
{
	struct xattr *x = xattr_find(n, name);

	if (!x) {
		n->xattr = xrealloc(n->xattr, (n->nr_xattrs + 1) * sizeof(*x));
		x = &n->xattr[n->nr_xattrs++];
		x->name = strdup(name);
		if (!x->name)
			fatal("out of memory");
	}
	x->src = *s;
	x->len = len;
}

void xattr_del(struct node *n, struct xattr *x)
{
	free(x->name);
	*x = n->xattr[--n->nr_xattrs];
}

static void dir_empty(const struct node *dir)
{
	u32 left;

	for (left = dir->nr_entries; left; left--)
		link_del(dir->entry[left - 1]);
}

void oracle_free(void)
{
	u32 i;

	/* every name hangs in a directory */
	for (i = 0; i < ot.nr_nodes; i++)
		dir_empty(ot.node[i]);
	while (ot.nr_nodes)
		node_free(ot.node[ot.nr_nodes - 1]);
	ot.root = NULL;
}
