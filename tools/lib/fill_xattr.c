// SPDX-License-Identifier: GPL-2.0-only
/*
 * Extended attributes of the host's objects, all namespaces: read, encoded,
 * and sorted by key until the inode's tree is ready for them. Values that do not
 * fit an item become chunks at once.
 */
#include <stdlib.h>
#include <sys/xattr.h>

#include "lib/fill_priv.h"

static ssize_t list_names(struct fill *f, int fd)
{
	char *names = (char *)f->scratch;

	return fd >= 0 ? flistxattr(fd, names, FILL_SCRATCH_BYTES) :
			 llistxattr(f->link_path, names, FILL_SCRATCH_BYTES);
}

static ssize_t get_value(struct fill *f, int fd, const char *name)
{
	return fd >= 0 ? fgetxattr(fd, name, f->value, FILL_SCRATCH_BYTES) :
			 lgetxattr(f->link_path, name, f->value,
				   FILL_SCRATCH_BYTES);
}

static int reserve(struct fill_xattrs *x)
{
	if (x->room - x->used < VFSR_MAX_ITEM_BYTES) {
		size_t room = 2 * x->room + VFSR_MAX_ITEM_BYTES;
		u8 *buf = realloc(x->buf, room);

		if (!buf)
			return -ENOMEM;
		x->buf = buf;
		x->room = room;
	}
	if (x->nr == x->nr_room) {
		u32 room = 2 * x->nr_room + 4;
		struct fill_xattr *item =
			realloc(x->item, room * sizeof(*item));

		if (!item)
			return -ENOMEM;
		x->item = item;
		x->nr_room = room;
	}
	return 0;
}

/* Make a chunk of the value; returns its id, 0 on failure. */
static u64 value_chunk(struct fill *f, u32 bytes, u64 owner)
{
	struct fill_job *job = fill_job_get(f, FILL_JOB_XATTR);
	u64 id;

	if (!job)
		return 0;
	id = vfsr_writer_new_id(f->w);
	job->c.id = id;
	job->c.owner = owner;
	job->c.kind = VFSR_KIND_XATTR;
	job->c.refs = 1;
	job->bytes = bytes;
	memcpy(job->in, f->value, bytes);
	fill_submit(f, job);
	return id;
}

static void add(struct fill *f, const char *name, u32 bytes, u64 owner,
		struct fill_xattrs *x)
{
	struct vfsr_xattr xa = {
		.name = (const u8 *)name,
		.name_bytes = (u8)strlen(name),
		.value_bytes = bytes,
		.value = f->value,
	};
	struct fill_xattr *item;

	if (reserve(x)) {
		fill_fail(f, -ENOMEM);
		return;
	}
	if (bytes > f->xattr_max) {
		fill_skip(
			f,
			"an extended attribute is too long for the strips of this pool",
			0);
		return;
	}
	if (bytes > vfsr_xattr_inline_max(xa.name_bytes)) {
		xa.value = NULL;
		xa.chunk = value_chunk(f, bytes, owner);
		if (!xa.chunk)
			return;
	}
	item = &x->item[x->nr++];
	item->key = vfsr_name_hash(f->s->hash_key, name, xa.name_bytes);
	item->at = x->used;
	item->bytes = vfsr_xattr_encode(&xa, x->buf + x->used);
	x->used += item->bytes;
	f->stats->xattrs++;
}

static int compare(const void *a, const void *b, void *arg)
{
	const struct fill_xattr *x = a, *y = b;
	const u8 *buf = arg;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	/* any fixed order: lengths, then bytes (that start with the name) */
	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? -1 : 1;
	return memcmp(buf + x->at, buf + y->at, x->bytes);
}

/* Keys of equal hashes become different. */
static void order(struct fill *f, struct fill_xattrs *x)
{
	u32 i;

	qsort_r(x->item, x->nr, sizeof(*x->item), compare, x->buf);
	for (i = 1; i < x->nr; i++) {
		u64 before = x->item[i - 1].key;

		if (x->item[i].key > before)
			continue;
		if (!vfsr_name_same_hash(before, before + 1)) {
			fill_fail(f, -EOVERFLOW);
			return;
		}
		x->item[i].key = before + 1;
	}
}

void fill_xattr_read(struct fill *f, int fd, const struct stat *st, u64 owner,
		     struct fill_xattrs *x)
{
	const char *names = (const char *)f->scratch;
	ssize_t list_bytes, bytes;
	size_t at;

	x->nr = 0;
	x->used = 0;
	if (f->have_no_xattr_dev && f->no_xattr_dev == st->st_dev)
		return;
	list_bytes = list_names(f, fd);
	if (list_bytes < 0 && (errno == ENOTSUP || errno == ENOSYS)) {
		/* of links and devices it says nothing about files */
		if (fd >= 0) {
			f->have_no_xattr_dev = true;
			f->no_xattr_dev = st->st_dev;
		}
		return;
	}
	if (list_bytes < 0) {
		fill_skip(f, "cannot list extended attributes", errno);
		return;
	}
	for (at = 0; at < (size_t)list_bytes && !f->err;
	     at += strlen(names + at) + 1) {
		bytes = get_value(f, fd, names + at);
		if (bytes < 0)
			fill_skip(f, "cannot read an extended attribute",
				  errno);
		else
			add(f, names + at, (u32)bytes, owner, x);
	}
	if (x->nr > 1)
		order(f, x);
}

void fill_xattr_append(struct fill *f, struct fill_xattrs *x,
		       struct fill_tree *t)
{
	u32 i;

	for (i = 0; i < x->nr; i++) {
		struct vfsr_key key = { VFSR_ITEM_XATTR, x->item[i].key };

		fill_tree_append(f, t, key, x->buf + x->item[i].at,
				 x->item[i].bytes);
	}
	fill_xattr_release(x);
}

void fill_xattr_release(struct fill_xattrs *x)
{
	free(x->item);
	free(x->buf);
	memset(x, 0, sizeof(*x));
}
