// SPDX-License-Identifier: GPL-2.0-only
/*
 * From lost sectors to the files that need them: the map gives the chunks that
 * lie there, a walk over all inodes gives who uses these chunks.
 *
 * Costs a pass over the metadata, and is only run when something is lost.
 */
#include <stdlib.h>

#include "lib/out.h"
#include "lib/scrub.h"
#include "lib/treeiter.h"

/* A chunk with damage: pieces of 4 KiB of its logical contents. */
struct hurt {
	u64 id;
	u64 pieces;
	u32 logical;
	u8 kind;
};

struct names {
	struct vfsr_pool *pool;
	struct vfsr_ws *ws;
	const struct vfsr_lost_run *run;
	size_t nr_runs;
	struct hurt *hurt; /* ascending by id */
	size_t nr, room;
	u64 *inode; /* all inodes */
	size_t nr_inodes, room_inodes;
	const struct vfsr_scrub_opts *opts;
	struct vfsr_scrub_stats *stats;
};

/* First run that ends behind a sector. */
static size_t find_run(const struct names *n, u64 grid, u32 sector)
{
	size_t low = 0, high = n->nr_runs;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct vfsr_lost_run *r = &n->run[mid];

		if (r->grid < grid ||
		    (r->grid == grid && r->sector + r->nr <= sector))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Does any lost sector lie under these stored bytes? */
static bool is_hit(const struct names *n, const struct vfsr_chunk *c)
{
	u64 grid = vfsr_place_grid(c->place);
	u32 first = vfsr_place_sector(c->place);
	u32 last = first + (vfsr_place_byte(c->place) + c->stored - 1) /
				   VFSR_SECTOR_BYTES;
	size_t i = find_run(n, grid, first);

	return i < n->nr_runs && n->run[i].grid == grid &&
	       n->run[i].sector <= last;
}

static int remember_inode(struct names *n, u64 id)
{
	if (n->nr_inodes == n->room_inodes) {
		size_t room = n->room_inodes ? n->room_inodes * 2 : 4096;
		u64 *more = realloc(n->inode, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		n->inode = more;
		n->room_inodes = room;
	}
	n->inode[n->nr_inodes++] = id;
	return 0;
}

/*
 * Every chunk over lost sectors is read once more: the chunk's own crc, which
 * spares neighbours that only share a sector, decides what is really lost.
 */
static int visit(void *arg, const struct vfsr_chunk *c)
{
	struct names *n = arg;
	u64 pieces = 0;
	u8 *buf;
	int err = 0;

	if (c->kind == VFSR_KIND_INODE)
		err = remember_inode(n, c->id);
	if (err || !is_hit(n, c))
		return err;
	buf = malloc(c->logical);
	if (!buf)
		return -ENOMEM;
	err = vfsr_pool_read(n->pool, c, buf, &pieces, n->ws);
	free(buf);
	if (!err)
		return 0;
	if (n->nr == n->room) {
		size_t room = n->room ? n->room * 2 : 256;
		struct hurt *more = realloc(n->hurt, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		n->hurt = more;
		n->room = room;
	}
	n->hurt[n->nr++] = (struct hurt){ .id = c->id,
					  .pieces = pieces ? pieces : ~0ull,
					  .logical = c->logical,
					  .kind = c->kind };
	return 0;
}

static const struct hurt *find_hurt(const struct names *n, u64 id)
{
	size_t low = 0, high = n->nr;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (n->hurt[mid].id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low < n->nr && n->hurt[low].id == id ? &n->hurt[low] : NULL;
}

/* What is lost of one file: ranges are merged as they come, in order. */
struct loss {
	struct names *n;
	u64 ino;
	char *path;
	u64 from, to;
	bool any;
};

static void tell(struct loss *l, const char *what, u64 from, u64 bytes)
{
	if (!l->path)
		l->path = vfsr_path_of(l->n->pool, l->ino, l->n->ws);
	l->n->opts->lost(l->n->opts->ctx, l->path, what, from, bytes);
	l->any = true;
}

static void flush_range(struct loss *l)
{
	if (l->to > l->from)
		tell(l, "bytes", l->from, l->to - l->from);
	l->from = 0;
	l->to = 0;
}

static void add_range(struct loss *l, u64 from, u64 to)
{
	if (from > l->to || l->to == l->from) {
		flush_range(l);
		l->from = from;
	}
	l->to = max_t(u64, l->to, to);
}

/* The lost pieces of a chunk as ranges of the file. */
static void hurt_extent(struct loss *l, u64 pos, const struct vfsr_extent *e,
			const struct hurt *h)
{
	u32 piece;

	for (piece = 0; piece < 64; piece++) {
		u64 from = (u64)piece * VFSR_SECTOR_BYTES;
		u64 to = from + VFSR_SECTOR_BYTES;

		if (!(h->pieces >> piece & 1))
			continue;
		from = max_t(u64, from, e->offset);
		to = min_t(u64, to, e->offset + e->bytes);
		if (from < to)
			add_range(l, pos + from - e->offset,
				  pos + to - e->offset);
	}
}

static void look_at_item(struct loss *l, const struct vfsr_item *item)
{
	const struct hurt *h;
	struct vfsr_extent e;
	struct vfsr_xattr x;

	if (item->key.type == VFSR_ITEM_EXTENT &&
	    !vfsr_extent_decode(item->value, item->bytes, item->key.key, &e,
				NULL) &&
	    e.chunk) {
		h = find_hurt(l->n, e.chunk);
		if (h)
			hurt_extent(l, item->key.key << VFSR_SECTOR_SHIFT, &e,
				    h);
	}
	if (item->key.type == VFSR_ITEM_XATTR &&
	    !vfsr_xattr_decode(item->value, item->bytes, &x, NULL) &&
	    !x.value && find_hurt(l->n, x.chunk))
		tell(l, "attributes", 0, x.value_bytes);
}

static int look_at_inode(struct names *n, struct vfsr_iter *it, u64 ino)
{
	struct loss l = { .n = n, .ino = ino };
	struct vfsr_inode in;
	struct vfsr_item item;
	int err = vfsr_iter_open(it, ino, &in);

	if (err == -ENOMEM)
		return err;
	if (err) {
		tell(&l, "inode", 0, 0);
		goto out;
	}
	for (;;) {
		err = vfsr_iter_next(it, &item);
		if (err == -ENOENT || err == -ENOMEM)
			break;
		if (!err) {
			look_at_item(&l, &item);
			continue;
		}
		flush_range(&l);
		if (it->lost.type == VFSR_ITEM_EXTENT) {
			u64 from = it->lost.key << VFSR_SECTOR_SHIFT;

			tell(&l, "bytes", from,
			     in.size > from ? in.size - from : 0);
		} else {
			tell(&l,
			     it->lost.type == VFSR_ITEM_DIRENT ? "names" :
								 "attributes",
			     0, 0);
		}
	}
	flush_range(&l);
	if (err == -ENOENT)
		err = 0;
out:
	n->stats->lost_files += l.any;
	free(l.path);
	return err == -ENOMEM ? err : 0;
}

int vfsr_scrub_names(struct vfsr_pool *p, const struct vfsr_lost_run *run,
		     size_t nr, const struct vfsr_scrub_opts *opts,
		     struct vfsr_scrub_stats *stats)
{
	struct names n = { .pool = p,
			   .run = run,
			   .nr_runs = nr,
			   .opts = opts,
			   .stats = stats };
	struct vfsr_iter it;
	size_t i;
	int err;

	n.ws = vfsr_ws_new();
	if (!n.ws)
		return -ENOMEM;
	vfsr_iter_init(&it, p, n.ws);
	err = vfsr_map_walk(p, n.ws, visit, NULL, &n);
	stats->lost_chunks = n.nr;
	if (err && err != -ENOMEM) {
		stats->lost_map = true;
		vfsr_warn("part of the map is lost: files below it cannot be "
			  "named; run fsck.vfsr --rebuild-map");
		err = 0;
	}
	for (i = 0; i < n.nr_inodes && n.nr && !err; i++)
		err = look_at_inode(&n, &it, n.inode[i]);
	vfsr_iter_release(&it);
	vfsr_ws_free(n.ws);
	free(n.hurt);
	free(n.inode);
	return err;
}
