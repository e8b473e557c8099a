// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rebuild's driver: labels give a first pool, that pool's stripes give the
 * newest whole transaction and its commit mark, and the mark gives the record
 * from which everything else goes on. See rebuild.h.
 */
#include <stdlib.h>
#include <time.h>

#include "core/items.h"
#include "lib/out.h"
#include "lib/rebuild_priv.h"
#include "lib/writer.h"

int rebuild_each_stripe(struct rebuild *r, rebuild_visit visit)
{
	u32 i, row;
	int err;

	for (i = 0; i < r->pool->nr_grids; i++) {
		struct vfsr_grid *g = &r->pool->grid[i];
		struct vfsr_extent_rows e;
		struct vfsr_stripe *s;

		err = vfsr_grid_load(r->pool, g, r->ws);
		if (err == -ENOMEM)
			return err;
		if (err) {
			r->stats->lost++;
			continue;
		}
		for (row = 0; row < g->rows_used; row = e.row + e.depth) {
			if (vfsr_stripe_at(&g->g, g->starts, g->rows_used, row,
					   &e))
				break;
			err = vfsr_stripe_get(r->pool, g, &e, r->ws, &s);
			if (err == -ENOMEM)
				return err;
			if (err) {
				r->stats->lost++;
				continue;
			}
			err = visit(r, g, s);
			vfsr_stripe_put(r->pool, s);
			if (err)
				return err;
		}
	}
	return 0;
}

static int note_stripe(struct rebuild *r, struct vfsr_grid *g,
		       const struct vfsr_stripe *s)
{
	struct rebuild_stripe *st;

	if (r->nr_stripes == r->room_stripes) {
		size_t room = r->room_stripes ? r->room_stripes * 2 : 1024;

		st = realloc(r->stripe, room * sizeof(*st));
		if (!st)
			return -ENOMEM;
		r->stripe = st;
		r->room_stripes = room;
	}
	st = &r->stripe[r->nr_stripes++];
	st->transaction = s->ft.transaction;
	st->base = s->ft.base;
	st->serial = s->ft.serial;
	st->grid = g->id;
	st->row = s->ft.row;
	st->commit = s->ft.flags & VFSR_FOOTER_COMMIT;
	st->nr_stripes = s->ft.nr_stripes;
	r->max_serial = max_t(u64, r->max_serial, s->ft.serial);
	r->max_transaction = max_t(u64, r->max_transaction, s->ft.transaction);
	r->max_grid = max_t(u64, r->max_grid, g->id);
	r->stats->stripes++;
	return 0;
}

static int by_transaction(const void *va, const void *vb)
{
	const struct rebuild_stripe *a = va, *b = vb;

	if (a->transaction != b->transaction)
		return a->transaction > b->transaction ? -1 : 1;
	return a->serial < b->serial ? -1 : a->serial > b->serial;
}

/*
 * The newest transaction that is whole, or that a later stripe names as
 * durable. NULL: none; else the stripe with its commit mark.
 */
static const struct rebuild_stripe *choose_transaction(struct rebuild *r)
{
	const struct rebuild_stripe *mark, *found = NULL;
	u64 base = 0;
	size_t i, j;

	if (r->nr_stripes)
		qsort(r->stripe, r->nr_stripes, sizeof(*r->stripe),
		      by_transaction);
	for (i = 0; i < r->nr_stripes; i++)
		base = max_t(u64, base, r->stripe[i].base);
	for (i = 0; i < r->nr_stripes; i = j) {
		u64 count = 0;

		mark = NULL;
		for (j = i;
		     j < r->nr_stripes &&
		     r->stripe[j].transaction == r->stripe[i].transaction;
		     j++) {
			count += j == i ||
				 r->stripe[j].serial != r->stripe[j - 1].serial;
			if (!r->stripe[j].commit)
				continue;
			r->two_histories |= mark != NULL;
			mark = &r->stripe[j];
		}
		if (!mark)
			continue;
		if (count >= mark->nr_stripes || mark->transaction <= base) {
			found = mark;
			break;
		}
		if (!found)
			found = mark; /* better than nothing, see below */
	}
	if (found && i >= r->nr_stripes)
		vfsr_warn(
			"pool %s: stripes of transaction %llu are missing; going on with what is there",
			r->pool->name, (unsigned long long)found->transaction);
	return found;
}

/* Read the commit mark of a stripe into @s. 0, -ENOENT or another error. */
static int read_mark(struct rebuild *r, const struct rebuild_stripe *mark,
		     struct vfsr_super *s)
{
	struct vfsr_grid *g = vfsr_pool_grid(r->pool, mark->grid);
	u8 *buf = malloc(VFSR_MAX_STRIPE_SECTORS * VFSR_SECTOR_BYTES);
	u8 *record = calloc(1, VFSR_CHUNK_BYTES);
	struct vfsr_extent_rows e;
	struct vfsr_stripe *st = NULL;
	struct vfsr_entries walk;
	struct vfsr_fault f = { 0 };
	struct vfsr_chunk c;
	const u8 *table;
	int err = -ENOMEM;

	if (!buf || !record)
		goto out;
	err = vfsr_stripe_at(&g->g, g->starts, g->rows_used, mark->row, &e);
	if (!err)
		err = vfsr_stripe_get(r->pool, g, &e, r->ws, &st);
	if (err)
		goto out;
	err = vfsr_stripe_entries(r->pool, g, st, buf, r->ws, &table);
	if (err)
		goto out;
	err = -ENOENT;
	vfsr_entries_init(&walk, table, st->ft.entries_bytes, st->ft.nr_entries,
			  g->g.k, st->ft.row, st->ft.depth,
			  st->ft.entries_start, st->ft.transaction, g->id);
	while (err == -ENOENT && vfsr_entries_next(&walk, &c, &f) == 1) {
		if (c.kind != VFSR_KIND_COMMIT)
			continue;
		err = vfsr_pool_read(r->pool, &c, record, NULL, r->ws);
		if (!err)
			err = vfsr_super_decode(
				record, min_t(u32, c.logical, VFSR_SLOT_BYTES),
				s, &f);
		if (!err && memcmp(s->pool_uuid, r->pool->super->pool_uuid,
				   VFSR_UUID_BYTES))
			err = -EUCLEAN;
	}
out:
	if (st)
		vfsr_stripe_put(r->pool, st);
	free(buf);
	free(record);
	return err;
}

/* A record good enough to read stripes with, from labels alone. */
static int first_record(const struct rebuild_scan *scan, struct vfsr_super *s)
{
	unsigned int i;

	memset(s, 0, sizeof(*s));
	memcpy(s->pool_uuid, scan->pool_uuid, VFSR_UUID_BYTES);
	s->strip_shift = (u8)scan->strip_shift;
	s->nr_members = (u16)scan->nr_members;
	s->epoch = scan->epoch;
	s->sequence = 1;
	for (i = 0; i < scan->nr_members; i++) {
		struct vfsr_member *m = &s->member[i];
		struct vfsr_device_layout l;

		m->state = VFSR_MEMBER_ACTIVE;
		if (!scan->dev[i])
			continue;
		if (vfsr_device_layout(scan->dev[i]->bytes, scan->strip_shift,
				       &l)) {
			vfsr_error(
				"%s: too small to hold even one strip of its pool; give the whole device",
				scan->dev[i]->path);
			return -EINVAL;
		}
		m->bytes = scan->dev[i]->bytes & ~(u64)(VFSR_BOOT_BYTES - 1);
		m->table_sector = l.table_sector;
		m->tail_sector = l.tail_sector;
		m->strip_sector = scan->strip_sector[i];
		m->nr_strips = l.nr_strips;
		m->nr_index = (u8)l.nr_index;
	}
	return 0;
}

/* Time of the commit: as mkfs, SOURCE_DATE_EPOCH counts. */
static struct vfsr_time commit_time(void)
{
	const char *text = getenv("SOURCE_DATE_EPOCH");
	struct timespec now;

	if (text && *text)
		return (struct vfsr_time){ strtoll(text, NULL, 10), 0 };
	clock_gettime(CLOCK_REALTIME, &now);
	return (struct vfsr_time){ now.tv_sec, (u32)now.tv_nsec };
}

/*
 * A member that no grid has used yet carries no label: its size tells. With equal
 * sizes any of them will do, since all are empty.
 */
static void adopt_spares(struct rebuild *r, struct rebuild_scan *scan,
			 const struct vfsr_super *s)
{
	unsigned int i, m;

	for (i = 0; i < scan->nr_spare; i++) {
		struct vfsr_dev *d = scan->spare[i];
		u64 bytes = d->bytes & ~(u64)(VFSR_BOOT_BYTES - 1);

		for (m = 0; m < s->nr_members; m++)
			if (s->member[m].state == VFSR_MEMBER_ACTIVE &&
			    !r->pool->dev[m] && s->member[m].bytes == bytes)
				break;
		if (m == s->nr_members) {
			vfsr_warn(
				"%s: no label of the pool on it, and no member of its size is missing; left out, check the name",
				d->path);
			continue;
		}
		vfsr_info(
			"%s: taken as member %u, by its size; nothing was stored on it",
			d->path, m);
		r->pool->dev[m] = d;
		scan->dev[m] = d;
		scan->spare[i] = NULL;
	}
}

/* Bring the record of the mark up to what was found. */
static void next_record(struct rebuild *r, const struct rebuild_scan *scan,
			struct vfsr_super *s)
{
	unsigned int i;

	s->epoch = max_t(u64, s->epoch, scan->epoch) + 1;
	s->next_grid = max_t(u64, s->next_grid, r->max_grid + 1);
	s->next_serial = max_t(u64, s->next_serial, r->max_serial + 1);
	s->next_transaction =
		max_t(u64, s->next_transaction, r->max_transaction + 1);
	s->next_id = max_t(u64, s->next_id, r->max_id + 1);
	s->nr_open = 0; /* every grid has been taken as sealed */
	s->nr_inodes = r->nr_inodes;
	s->logical_bytes = r->logical_bytes;
	s->committed = commit_time();
	for (i = 0; i < s->nr_members; i++)
		if (s->member[i].state == VFSR_MEMBER_ACTIVE && !scan->dev[i])
			s->member[i].state = VFSR_MEMBER_FAILED;
}

/* Strip tables as the grids say. */
static int make_tables(struct rebuild *r, const struct vfsr_super *s,
		       struct vfsr_strip **strips, u32 **live)
{
	u32 i, col;

	for (i = 0; i < s->nr_members; i++) {
		strips[i] =
			calloc(s->member[i].nr_strips + 1u, sizeof(**strips));
		live[i] = calloc(s->member[i].nr_strips + 1u, sizeof(**live));
		if (!strips[i] || !live[i])
			return -ENOMEM;
	}
	for (i = 0; i < r->pool->nr_grids; i++) {
		const struct vfsr_grid *g = &r->pool->grid[i];

		for (col = 0; col < g->g.n; col++) {
			struct vfsr_strip *st;

			if (!(g->known >> col & 1) ||
			    g->device[col] >= s->nr_members ||
			    g->strip[col] >=
				    s->member[g->device[col]].nr_strips)
				continue;
			st = &strips[g->device[col]][g->strip[col]];
			st->grid = g->id;
			st->transaction = r->transaction;
			st->policy =
				(struct vfsr_policy){ g->g.k, g->g.m, g->g.r };
			st->column = (u8)col;
			st->state = VFSR_STRIP_SEALED;
			st->layout = g->g.layout;
			st->use = g->use;
		}
	}
	return 0;
}

static int write_map(struct rebuild *r, struct vfsr_super *s)
{
	struct vfsr_strip *strips[VFSR_MAX_MEMBERS] = { NULL };
	u32 *live[VFSR_MAX_MEMBERS] = { NULL };
	struct vfsr_write_stats stats;
	struct vfsr_writer *w = NULL;
	size_t i;
	int err = make_tables(r, s, strips, live);

	if (!err)
		err = vfsr_writer_new(s, r->pool->dev, strips, live, &w);
	for (i = 0; i < r->ids.nr && !err; i++)
		err = vfsr_writer_map_set(w, &r->ids.chunk[i]);
	if (!err)
		err = vfsr_writer_commit(w, &stats);
	if (err == -ENOSPC)
		vfsr_error(
			"pool %s: no free strips for the new map; attach missing devices",
			r->pool->name);
	else if (err)
		vfsr_error("pool %s: the new map could not be written: %s",
			   r->pool->name, strerror(-err));
	vfsr_writer_free(w);
	for (i = 0; i < VFSR_MAX_MEMBERS; i++) {
		free(strips[i]);
		free(live[i]);
	}
	return err;
}

/* From the labels to the ids; @s becomes the record of the commit mark. */
static int find_state(struct rebuild *r, struct vfsr_super *s)
{
	const struct rebuild_stripe *mark;
	int err = rebuild_each_stripe(r, note_stripe);

	if (err)
		return err;
	r->stats->grids = r->pool->nr_grids;
	mark = choose_transaction(r);
	if (r->two_histories) {
		vfsr_error(
			"pool %s: one transaction has two commit marks: another pool with this uuid was here before, and nothing tells their stripes apart; nothing was rebuilt",
			r->pool->name);
		return -EUCLEAN;
	}
	if (!mark) {
		vfsr_error(
			"pool %s: no stripe has a commit mark; attach missing devices and try again",
			r->pool->name);
		return -ENOENT;
	}
	r->transaction = mark->transaction;
	r->stats->transaction = mark->transaction;
	err = read_mark(r, mark, s);
	if (err) {
		vfsr_error(
			"pool %s: the commit mark of transaction %llu cannot be read; attach missing devices and try again",
			r->pool->name, (unsigned long long)mark->transaction);
		return err;
	}
	/* the second pass meets the same lost stripes again */
	r->stats->lost = 0;
	/* from here on names and members are those of the mark */
	*r->pool->super = *s;
	r->pool->lookup = rebuild_lookup;
	r->pool->lookup_ctx = r;
	err = rebuild_collect(r);
	return err ? err : rebuild_reach(r);
}

static void close_devices(struct rebuild_scan *scan)
{
	unsigned int i;

	for (i = 0; i < VFSR_MAX_MEMBERS; i++)
		vfsr_dev_close(scan->dev[i]);
}

int vfsr_rebuild(char *const *paths, unsigned int nr, bool write,
		 struct vfsr_rebuild_stats *stats)
{
	struct rebuild r = { .stats = stats };
	struct vfsr_super *s = calloc(1, sizeof(*s));
	struct rebuild_scan scan = { 0 };
	int err = -ENOMEM;

	memset(stats, 0, sizeof(*stats));
	if (s)
		err = rebuild_scan(paths, nr, write, &scan);
	if (err)
		goto out;
	stats->labels = scan.labels;
	err = first_record(&scan, s);
	if (err) {
		close_devices(&scan);
		goto out;
	}
	/* the pool owns the devices from here on */
	err = vfsr_pool_assemble(s, scan.dev, &r.pool);
	if (err)
		goto out;
	r.ws = vfsr_ws_new();
	err = r.ws ? find_state(&r, s) : -ENOMEM;
	if (err)
		goto out;
	stats->ids = r.ids.nr;
	stats->inodes = r.nr_inodes;
	adopt_spares(&r, &scan, s);
	next_record(&r, &scan, s);
	if (write)
		err = write_map(&r, s);
out:
	if (err == -ENOMEM)
		vfsr_error("out of memory; close other programs");
	rebuild_scan_release(&scan);
	vfsr_ws_free(r.ws);
	vfsr_pool_close(r.pool);
	free(r.stripe);
	free(r.ids.chunk);
	free(r.ids.reached);
	free(s);
	return err;
}
