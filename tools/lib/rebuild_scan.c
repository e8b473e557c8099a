// SPDX-License-Identifier: GPL-2.0-only
/*
 * Finds a pool by its labels: reads every device for footers and trailers, and
 * lets them vote on which member a device is and where its strip 0 lies.
 *
 * A footer may be in several columns, parity included, so it votes for several
 * members, and always for the right one; a trailer names its own column and
 * decides. Holes of image files are skipped.
 */
#include <stdlib.h>
#include <unistd.h>

#include "core/super.h"
#include "lib/out.h"
#include "lib/rebuild_priv.h"

#define SCAN_BYTES (4u << 20)
#define MAX_ORIGINS 512u /* candidates kept per device */
#define LAYOUT_BONUS 4u /* votes for where mkfs would have put it */

struct origin {
	u8 uuid[VFSR_UUID_BYTES];
	u64 first_sector; /* of strip 0 */
	u64 votes;
	u8 member;
	u8 strip_shift;
};

struct scanned {
	struct vfsr_dev *dev;
	struct origin origin[MAX_ORIGINS];
	unsigned int nr;
	u64 epoch;
	u64 labels;
	struct vfsr_trailer trailer;
};

/* One label says: sector @pos of the device is (column, row) of a grid. */
static void vote(struct scanned *s, const u8 *uuid,
		 const struct vfsr_geometry *g,
		 const struct vfsr_extent_rows *rows, const u8 *device,
		 const u32 *strip, u32 col, u32 row, u64 pos)
{
	struct vfsr_strip_pos at = vfsr_row_place(g, rows, col, row);
	u64 before = (u64)strip[at.strip] * g->strip_sectors + at.sector;
	struct vfsr_device_layout layout;
	struct origin *o;
	unsigned int i;

	if (pos / VFSR_SECTOR_BYTES < before)
		return;
	for (i = 0; i < s->nr; i++) {
		o = &s->origin[i];
		if (o->member == device[at.strip] &&
		    o->first_sector == pos / VFSR_SECTOR_BYTES - before &&
		    o->strip_shift == g->strip_shift &&
		    !memcmp(o->uuid, uuid, VFSR_UUID_BYTES)) {
			o->votes++;
			return;
		}
	}
	if (s->nr == MAX_ORIGINS)
		return;
	o = &s->origin[s->nr++];
	memcpy(o->uuid, uuid, VFSR_UUID_BYTES);
	o->first_sector = pos / VFSR_SECTOR_BYTES - before;
	o->member = device[at.strip];
	o->strip_shift = g->strip_shift;
	o->votes = 1;
	if (!vfsr_device_layout(s->dev->bytes, g->strip_shift, &layout) &&
	    layout.strip_sector == o->first_sector)
		o->votes += LAYOUT_BONUS;
}

/* Parity of a footer and of zeros is the footer again, in any parity column. */
static void vote_parity(struct scanned *s, const struct vfsr_footer *ft,
			const struct vfsr_geometry *g,
			const struct vfsr_extent_rows *rows, u64 pos)
{
	u32 col;

	for (col = g->k; col < g->n; col++) {
		vote(s, ft->pool_uuid, g, rows, ft->device, ft->strip, col,
		     ft->row, pos);
		if (ft->depth > 1)
			vote(s, ft->pool_uuid, g, rows, ft->device, ft->strip,
			     col, ft->row + ft->depth - 1, pos);
	}
}

static void look_at(struct scanned *s, const u8 *sector, u64 pos)
{
	struct vfsr_extent_rows rows;
	struct vfsr_geometry g;
	struct vfsr_footer ft;
	__le32 magic;

	memcpy(&magic, sector, sizeof(magic));
	if (magic == cpu_to_le32(VFSR_FOOTER_MAGIC) &&
	    !vfsr_footer_decode(sector, NULL, &ft, NULL) &&
	    !vfsr_footer_geometry(&ft, &g, NULL)) {
		rows.row = ft.row;
		rows.depth = ft.depth;
		s->labels++;
		s->epoch = max_t(u64, s->epoch, ft.epoch);
		vote(s, ft.pool_uuid, &g, &rows, ft.device, ft.strip, 0, ft.row,
		     pos);
		if (g.k > 1 || ft.depth > 1)
			vote(s, ft.pool_uuid, &g, &rows, ft.device, ft.strip,
			     g.k - 1u, ft.row + ft.depth - 1, pos);
		vote_parity(s, &ft, &g, &rows, pos);
	} else if (magic == cpu_to_le32(VFSR_TRAILER_MAGIC) &&
		   !vfsr_trailer_decode(sector, NULL, &s->trailer, NULL) &&
		   !vfsr_trailer_geometry(&s->trailer, &g, NULL)) {
		s->labels++;
		s->epoch = max_t(u64, s->epoch, s->trailer.epoch);
		vote(s, s->trailer.pool_uuid, &g, NULL, s->trailer.device,
		     s->trailer.strip, s->trailer.column, g.rows, pos);
	}
}

/* Next byte that may hold data; the device's end if there is none. */
static u64 skip_hole(const struct vfsr_dev *d, u64 pos)
{
	off_t next;

	if (d->block)
		return pos;
	next = lseek(d->fd, (off_t)pos, SEEK_DATA);
	if (next < 0)
		return errno == ENXIO ? d->bytes : pos;
	return (u64)next & ~(u64)(VFSR_SECTOR_BYTES - 1);
}

static void scan_device(struct scanned *s, u8 *buf, struct vfsr_progress *pr,
			u64 done)
{
	u64 pos = 0, end = s->dev->bytes & ~(u64)(VFSR_SECTOR_BYTES - 1);
	size_t len, i;

	while ((pos = skip_hole(s->dev, pos)) < end) {
		len = (size_t)min_t(u64, SCAN_BYTES, end - pos);
		if (vfsr_dev_read(s->dev, buf, len, pos)) {
			/* an unreadable spot: sector after sector there */
			for (i = 0; i < len; i += VFSR_SECTOR_BYTES)
				if (!vfsr_dev_read(s->dev, buf,
						   VFSR_SECTOR_BYTES, pos + i))
					look_at(s, buf, pos + i);
		} else {
			for (i = 0; i < len; i += VFSR_SECTOR_BYTES)
				look_at(s, buf + i, pos + i);
		}
		pos += len;
		vfsr_progress_set(pr, done + pos);
	}
}

/* The pool that most labels of all devices belong to. */
static const struct origin *choose_pool(struct scanned *s, unsigned int nr)
{
	const struct origin *best = NULL;
	u64 votes, best_votes = 0;
	unsigned int i, j, d, e;

	for (d = 0; d < nr; d++) {
		for (i = 0; i < s[d].nr; i++) {
			const struct origin *o = &s[d].origin[i];

			for (votes = 0, e = 0; e < nr; e++)
				for (j = 0; j < s[e].nr; j++)
					if (!memcmp(s[e].origin[j].uuid,
						    o->uuid, VFSR_UUID_BYTES))
						votes += s[e].origin[j].votes;
			if (votes > best_votes) {
				best_votes = votes;
				best = o;
			}
		}
	}
	return best;
}

/* What the labels of a device say about the member it is. */
struct verdict {
	const struct origin *best; /* NULL: no label of the pool */
	bool tied; /* another member has as many votes */
};

static bool is_candidate(const struct rebuild_scan *out, const struct origin *o)
{
	return !memcmp(o->uuid, out->pool_uuid, VFSR_UUID_BYTES) &&
	       o->strip_shift == out->strip_shift &&
	       o->member < VFSR_MAX_MEMBERS;
}

/* The member with most votes; with @free_only of those without a device. */
static struct verdict judge(const struct scanned *s,
			    const struct rebuild_scan *out, bool free_only)
{
	struct verdict v = { 0 };
	unsigned int i;

	for (i = 0; i < s->nr; i++) {
		const struct origin *o = &s->origin[i];

		if (!is_candidate(out, o) || (free_only && out->dev[o->member]))
			continue;
		if (v.best && o->votes == v.best->votes)
			v.tied |= o->member != v.best->member;
		if (!v.best || o->votes > v.best->votes)
			v = (struct verdict){ .best = o };
	}
	return v;
}

static int place(struct scanned *s, const struct origin *o,
		 struct rebuild_scan *out)
{
	if (out->dev[o->member]) {
		vfsr_error(
			"%s: is member %u, and so is %s; name only one of them",
			s->dev->path, o->member, out->dev[o->member]->path);
		return -EEXIST;
	}
	out->dev[o->member] = s->dev;
	out->strip_sector[o->member] = o->first_sector;
	out->nr_members = max_t(unsigned int, out->nr_members, o->member + 1u);
	s->dev = NULL;
	return 0;
}

/*
 * Make each device the member that most of its labels say; first those that
 * are sure, then, with what is left, those that copies of footers make unsure.
 * A device without any label may be a member that was never used.
 */
static int place_all(struct scanned *s, unsigned int nr,
		     struct rebuild_scan *out)
{
	struct verdict v;
	unsigned int i;
	int err = 0;

	for (i = 0; i < nr && !err; i++) {
		v = judge(&s[i], out, false);
		if (v.best && !v.tied)
			err = place(&s[i], v.best, out);
	}
	for (i = 0; i < nr && !err; i++) {
		if (!s[i].dev)
			continue;
		v = judge(&s[i], out, true);
		if (!v.best)
			v = judge(&s[i], out, false);
		if (v.best) {
			err = place(&s[i], v.best, out);
		} else if (s[i].labels) {
			vfsr_error(
				"%s: has labels of another pool only; leave it out",
				s[i].dev->path);
			err = -EINVAL;
		} else {
			out->spare[out->nr_spare++] = s[i].dev;
			s[i].dev = NULL;
		}
	}
	return err;
}

static int scan_all(struct scanned *s, unsigned int nr,
		    struct rebuild_scan *out)
{
	u8 *buf = aligned_alloc(VFSR_SECTOR_BYTES, SCAN_BYTES);
	const struct origin *best;
	struct vfsr_progress pr;
	u64 total = 0, done = 0;
	unsigned int i;

	if (!buf)
		return -ENOMEM;
	for (i = 0; i < nr; i++)
		total += s[i].dev->bytes;
	vfsr_progress_begin(&pr, "scanning for labels", total);
	for (i = 0; i < nr; i++) {
		scan_device(&s[i], buf, &pr, done);
		done += s[i].dev->bytes;
		out->labels += s[i].labels;
		out->epoch = max_t(u64, out->epoch, s[i].epoch);
	}
	vfsr_progress_end(&pr);
	free(buf);
	best = choose_pool(s, nr);
	if (!best) {
		vfsr_error(
			"no label of any pool was found on %s%s; check the device names",
			s[0].dev->path, nr > 1 ? " and the others" : "");
		return -ENOENT;
	}
	memcpy(out->pool_uuid, best->uuid, VFSR_UUID_BYTES);
	out->strip_shift = best->strip_shift;
	return place_all(s, nr, out);
}

void rebuild_scan_release(struct rebuild_scan *scan)
{
	unsigned int i;

	for (i = 0; i < scan->nr_spare; i++)
		vfsr_dev_close(scan->spare[i]);
	scan->nr_spare = 0;
}

int rebuild_scan(char *const *paths, unsigned int nr, bool write,
		 struct rebuild_scan *out)
{
	struct scanned *s = calloc(nr, sizeof(*s));
	unsigned int i;
	int err = s ? 0 : -ENOMEM;

	memset(out, 0, sizeof(*out));
	for (i = 0; i < nr && !err; i++)
		err = vfsr_dev_open(paths[i],
				    write ? VFSR_DEV_WRITE | VFSR_DEV_EXCL : 0,
				    &s[i].dev);
	if (!err)
		err = scan_all(s, nr, out);
	for (i = 0; s && i < nr; i++)
		vfsr_dev_close(s[i].dev);
	for (i = 0; err && i < VFSR_MAX_MEMBERS; i++) {
		vfsr_dev_close(out->dev[i]);
		out->dev[i] = NULL;
	}
	if (err)
		rebuild_scan_release(out);
	free(s);
	return err;
}
