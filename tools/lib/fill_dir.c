// SPDX-License-Identifier: GPL-2.0-only
/*
 * A directory in memory: its names in bytewise order while the walk takes them,
 * then in the order of their hashes, in which they go into its tree.
 *
 * Takes about 25 bytes a name beside the name itself; only the directories on the way to
 * the object at hand are in memory.
 */
#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/fill_priv.h"

/* A record: what the name leads to, then the name and a NUL. */
struct record {
	u64 id;
	u8 type;
	u8 bytes; /* of the name */
} __attribute__((packed));

/* For the order of the tree. */
struct hashed {
	u64 key;
	size_t at;
};

static int add_name(struct fill_dir *d, const char *name, unsigned int type)
{
	size_t bytes = strlen(name);
	struct record r = { .type = (u8)type, .bytes = (u8)bytes };

	if (bytes > VFSR_NAME_MAX)
		return -ENAMETOOLONG;
	if (d->room - d->used < sizeof(r) + bytes + 1) {
		size_t room = d->room + d->room / 2 + BUFSIZ;
		u8 *names = realloc(d->names, room);

		if (!names)
			return -ENOMEM;
		d->names = names;
		d->room = room;
	}
	if (d->nr == d->nr_room) {
		size_t room = d->nr_room + d->nr_room / 2 + 32;
		size_t *order = realloc(d->order, room * sizeof(*order));

		if (!order)
			return -ENOMEM;
		d->order = order;
		d->nr_room = room;
	}
	d->order[d->nr++] = d->used;
	memcpy(d->names + d->used, &r, sizeof(r));
	memcpy(d->names + d->used + sizeof(r), name, bytes + 1);
	d->used += sizeof(r) + bytes + 1;
	return 0;
}

static int compare_names(const void *a, const void *b, void *arg)
{
	const char *names = (const char *)arg + sizeof(struct record);

	return strcmp(names + *(const size_t *)a, names + *(const size_t *)b);
}

static bool dots(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

int fill_dir_read(struct fill *f, struct fill_dir *d)
{
	const struct dirent64 *e;
	ssize_t n, at;
	int err = 0;

	while ((n = getdents64(d->fd, f->scratch, FILL_SCRATCH_BYTES)) > 0) {
		for (at = 0; at < n && !err; at += e->d_reclen) {
			e = (const struct dirent64 *)(f->scratch + at);
			if (!dots(e->d_name))
				err = add_name(d, e->d_name, e->d_type);
		}
		if (err)
			return err;
	}
	if (n < 0)
		return -errno;
	if (d->nr)
		qsort_r(d->order, d->nr, sizeof(*d->order), compare_names,
			d->names);
	return 0;
}

void fill_dir_name(const struct fill_dir *d, size_t i, struct fill_name *out)
{
	struct record r;

	memcpy(&r, d->names + d->order[i], sizeof(r));
	out->text = (const char *)d->names + d->order[i] + sizeof(r);
	out->type = r.type;
}

void fill_dir_set(struct fill_dir *d, size_t i, u64 id, unsigned int type)
{
	struct record r;

	memcpy(&r, d->names + d->order[i], sizeof(r));
	r.id = id;
	r.type = (u8)type;
	memcpy(d->names + d->order[i], &r, sizeof(r));
	if (!id)
		return;
	d->in.size++;
	if (type == VFSR_DT_DIR)
		d->in.nlink++;
}

static int compare_hashes(const void *a, const void *b, void *arg)
{
	const struct hashed *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return compare_names(&x->at, &y->at, arg);
}

static struct hashed *hash_names(struct fill *f, const struct fill_dir *d,
				 size_t *nr)
{
	struct hashed *h = malloc((d->nr + 1) * sizeof(*h));
	struct record r;
	size_t i;

	*nr = 0;
	if (!h) {
		fill_fail(f, -ENOMEM);
		return NULL;
	}
	for (i = 0; i < d->nr; i++) {
		size_t at = d->order[i];

		memcpy(&r, d->names + at, sizeof(r));
		if (!r.id)
			continue;
		h[*nr].at = at;
		h[*nr].key = vfsr_name_hash(f->s->hash_key,
					    d->names + at + sizeof(r), r.bytes);
		++*nr;
	}
	qsort_r(h, *nr, sizeof(*h), compare_hashes, d->names);
	return h;
}

static void append_names(struct fill *f, const struct fill_dir *d,
			 struct hashed *h, size_t nr, struct fill_tree *t)
{
	u8 value[VFSR_DIRENT_HEAD + VFSR_NAME_MAX];
	struct vfsr_key key = { VFSR_ITEM_DIRENT, 0 };
	struct vfsr_dirent de;
	struct record r;
	size_t i;

	for (i = 0; i < nr && !f->err; i++) {
		if (h[i].key > key.key) {
			key.key = h[i].key;
		} else if (vfsr_name_same_hash(key.key, key.key + 1)) {
			key.key++; /* equal hashes: the next number */
		} else {
			fill_fail(f, -EOVERFLOW);
			return;
		}
		memcpy(&r, d->names + h[i].at, sizeof(r));
		de.ino = r.id;
		de.type = r.type;
		de.name_bytes = r.bytes;
		de.name = d->names + h[i].at + sizeof(r);
		fill_tree_append(f, t, key, value,
				 vfsr_dirent_encode(&de, value));
	}
}

void fill_dir_finish(struct fill *f, struct fill_dir *d)
{
	struct fill_tree t;
	struct hashed *h;
	size_t nr;

	if (f->err)
		return;
	h = hash_names(f, d, &nr);
	if (!h)
		return;
	fill_tree_begin(&t, d->id, &d->in);
	fill_xattr_append(f, &d->xattrs, &t);
	append_names(f, d, h, nr, &t);
	fill_tree_finish(f, &t, &d->in);
	fill_node_add(f, VFSR_KIND_INODE, d->id, d->id, t.root);
	fill_tree_release(&t);
	free(h);
	f->stats->dirs++;
}

void fill_dir_free(struct fill_dir *d)
{
	if (d->fd >= 0)
		close(d->fd);
	fill_xattr_release(&d->xattrs);
	free(d->names);
	free(d->order);
	free(d);
}
