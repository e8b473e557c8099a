// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ids of the rebuild: entries of stripes become a sorted table that stands in
 * for the map, and a walk from the root directory tells which are in use.
 *
 * Memory: about 90 bytes per entry found. The walk is a loop over a list of
 * directories, so that no crafted depth can exhaust a stack.
 */
#include <stdlib.h>

#include "lib/out.h"
#include "lib/rebuild_priv.h"
#include "lib/treeiter.h"

static int add_chunk(struct rebuild_ids *ids, const struct vfsr_chunk *c)
{
	if (ids->nr == ids->room) {
		size_t room = ids->room ? ids->room * 2 : 4096;
		struct vfsr_chunk *more =
			realloc(ids->chunk, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		ids->chunk = more;
		ids->room = room;
	}
	ids->chunk[ids->nr] = *c;
	ids->chunk[ids->nr++].refs = 0;
	return 0;
}

static int collect_stripe(struct rebuild *r, struct vfsr_grid *g,
			  const struct vfsr_stripe *s)
{
	const struct vfsr_footer *ft = &s->ft;
	struct vfsr_entries walk;
	struct vfsr_fault f = { 0 };
	struct vfsr_chunk c;
	u8 *buf;
	const u8 *table;
	int got = 0, err;

	/* the record knows the ceilings of all that was written before it */
	if (ft->transaction > r->transaction ||
	    ft->serial >= r->pool->super->next_serial ||
	    ft->grid >= r->pool->super->next_grid)
		return 0;
	buf = malloc(VFSR_MAX_STRIPE_SECTORS * VFSR_SECTOR_BYTES);
	if (!buf)
		return -ENOMEM;
	err = vfsr_stripe_entries(r->pool, g, s, buf, r->ws, &table);
	if (err) {
		r->stats->lost++;
		err = err == -ENOMEM ? err : 0;
		goto out;
	}
	vfsr_entries_init(&walk, table, ft->entries_bytes, ft->nr_entries,
			  g->g.k, ft->row, ft->depth, ft->entries_start,
			  ft->transaction, ft->grid);
	while (!err && (got = vfsr_entries_next(&walk, &c, &f)) == 1)
		if (c.kind != VFSR_KIND_MAP && c.kind != VFSR_KIND_COMMIT)
			err = add_chunk(&r->ids, &c);
	if (got < 0) {
		vfsr_complain(r->pool->name, -1, g->id, 0, &f);
		r->stats->lost++;
	}
out:
	free(buf);
	return err;
}

/* By id, newest birth first; copies by place, the newest grid first. */
static int by_id(const void *va, const void *vb)
{
	const struct vfsr_chunk *a = va, *b = vb;

	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	if (a->birth != b->birth)
		return a->birth > b->birth ? -1 : 1;
	return a->place > b->place ? -1 : a->place < b->place;
}

int rebuild_collect(struct rebuild *r)
{
	struct rebuild_ids *ids = &r->ids;
	size_t i, out = 0;
	int err = rebuild_each_stripe(r, collect_stripe);

	if (err)
		return err;
	if (ids->nr)
		qsort(ids->chunk, ids->nr, sizeof(*ids->chunk), by_id);
	for (i = 0; i < ids->nr; i++) {
		if (out && ids->chunk[out - 1].id == ids->chunk[i].id)
			continue;
		ids->chunk[out++] = ids->chunk[i];
	}
	ids->nr = out;
	if (out)
		r->max_id = max_t(u64, r->max_id, ids->chunk[out - 1].id);
	ids->reached = calloc(out + 1, 1);
	return ids->reached ? 0 : -ENOMEM;
}

static struct vfsr_chunk *find(struct rebuild *r, u64 id)
{
	size_t low = 0, high = r->ids.nr;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (r->ids.chunk[mid].id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low < r->ids.nr && r->ids.chunk[low].id == id ?
		       &r->ids.chunk[low] :
		       NULL;
}

int rebuild_lookup(void *ctx, u64 id, struct vfsr_chunk *c)
{
	const struct vfsr_chunk *found = find(ctx, id);

	if (!found)
		return -ENOENT;
	*c = *found;
	c->refs = 1;
	return 0;
}

/* Inodes that were reached and are still to be read. */
struct todo {
	u64 *ino;
	size_t nr, room;
};

static int push(struct todo *t, u64 ino)
{
	if (t->nr == t->room) {
		size_t room = t->room ? t->room * 2 : 1024;
		u64 *more = realloc(t->ino, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		t->ino = more;
		t->room = room;
	}
	t->ino[t->nr++] = ino;
	return 0;
}

/* Count one use of an id; true the first time. */
static bool reach(struct rebuild *r, u64 id, u8 kind)
{
	struct vfsr_chunk *c = find(r, id);
	bool first;

	if (!c || c->kind != kind) {
		r->stats->lost++;
		return false;
	}
	first = !r->ids.reached[c - r->ids.chunk];
	r->ids.reached[c - r->ids.chunk] = 1;
	if (kind == VFSR_KIND_DATA || first)
		c->refs++;
	return first;
}

static int reach_item(struct rebuild *r, struct todo *t,
		      const struct vfsr_item *item)
{
	struct vfsr_extent e;
	struct vfsr_xattr x;
	struct vfsr_dirent d;

	switch (item->key.type) {
	case VFSR_ITEM_INLINE:
		r->logical_bytes += item->bytes;
		break;
	case VFSR_ITEM_EXTENT:
		if (vfsr_extent_decode(item->value, item->bytes, item->key.key,
				       &e, NULL))
			break;
		r->logical_bytes += e.bytes;
		if (e.chunk)
			reach(r, e.chunk, VFSR_KIND_DATA);
		break;
	case VFSR_ITEM_XATTR:
		if (!vfsr_xattr_decode(item->value, item->bytes, &x, NULL) &&
		    !x.value)
			reach(r, x.chunk, VFSR_KIND_XATTR);
		break;
	case VFSR_ITEM_DIRENT:
		if (!vfsr_dirent_decode(item->value, item->bytes, &d, NULL) &&
		    reach(r, d.ino, VFSR_KIND_INODE))
			return push(t, d.ino);
		break;
	}
	return 0;
}

/* Nodes of a tree other than its root, children of one node at a time. */
static int reach_nodes(struct rebuild *r, u64 ino)
{
	struct todo t = { 0 };
	u8 *node = malloc(VFSR_NODE_BYTES);
	unsigned int i;
	int err = node ? push(&t, ino) : -ENOMEM;

	while (!err && t.nr) {
		u64 id = t.ino[--t.nr];

		err = vfsr_node_read(r->pool, id, ino, node, r->ws);
		if (err == -ENOMEM)
			break;
		if (err) {
			r->stats->lost++;
			r->unread++;
			err = 0;
			continue;
		}
		for (i = 0; vfsr_node_level(node) && !err &&
			    i < vfsr_node_nr_items(node);
		     i++) {
			u64 child = vfsr_node_child(node, i);

			if (reach(r, child, VFSR_KIND_NODE) &&
			    vfsr_node_level(node) > 1)
				err = push(&t, child);
		}
	}
	free(t.ino);
	free(node);
	return err;
}

static int reach_inode(struct rebuild *r, struct vfsr_iter *it, struct todo *t,
		       u64 ino)
{
	u64 before = r->logical_bytes;
	struct vfsr_inode in;
	struct vfsr_item item;
	int err = vfsr_iter_open(it, ino, &in);

	if (err == -ENOMEM)
		return err;
	if (err) {
		r->stats->lost++;
		r->unread++;
		return 0;
	}
	r->nr_inodes++;
	if (vfsr_node_level(it->node[0])) {
		err = reach_nodes(r, ino);
		if (err)
			return err;
	}
	for (;;) {
		err = vfsr_iter_next(it, &item);
		if (err == -ENOENT)
			break;
		if (err == -ENOMEM)
			return err;
		if (err)
			continue; /* counted by reach_nodes() */
		err = reach_item(r, t, &item);
		if (err)
			return err;
	}
	/* only regular files have data in the pool's sense */
	if (in.mode >> VFSR_MODE_TYPE_SHIFT != VFSR_DT_REG)
		r->logical_bytes = before;
	return 0;
}

/*
 * Keep what was reached. Where the walk could not look below a node, what is not
 * reached may be all that is left of it: then keep everything.
 */
static void drop_rest(struct rebuild *r)
{
	struct rebuild_ids *ids = &r->ids;
	size_t i, out = 0;

	for (i = 0; i < ids->nr; i++) {
		if (!ids->reached[i] && !r->unread) {
			r->stats->dropped++;
			continue;
		}
		ids->chunk[out] = ids->chunk[i];
		if (!ids->chunk[out].refs)
			ids->chunk[out].refs = 1;
		out++;
	}
	ids->nr = out;
}

int rebuild_reach(struct rebuild *r)
{
	static const u64 roots[] = { VFSR_ROOT_INO, VFSR_ORPHAN_INO };
	struct todo t = { 0 };
	struct vfsr_iter it;
	size_t i;
	int err = 0;

	vfsr_iter_init(&it, r->pool, r->ws);
	for (i = 0; i < ARRAY_SIZE(roots) && !err; i++)
		if (find(r, roots[i]) && reach(r, roots[i], VFSR_KIND_INODE))
			err = push(&t, roots[i]);
	if (!err && !t.nr) {
		vfsr_error(
			"pool %s: the root directory was not found in any stripe; attach missing devices and try again",
			r->pool->name);
		err = -ENOENT;
	}
	while (t.nr && !err)
		err = reach_inode(r, &it, &t, t.ino[--t.nr]);
	vfsr_iter_release(&it);
	free(t.ino);
	if (!err)
		drop_rest(r);
	return err;
}
