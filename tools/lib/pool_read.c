// SPDX-License-Identifier: GPL-2.0-only
/*
 * Verified reads: chunks by their own checksum, sectors by their footer, and
 * the way from the fast path (one plain read, no footer) to healing.
 *
 * Buffers belong to the caller's struct vfsr_ws. Nothing is returned that has
 * not passed a checksum; what cannot be had is zeroed and named.
 */
#include <stdlib.h>

#include "lib/out.h"
#include "lib/pool_priv.h"

/* Every piece of 4 KiB of @len_bytes. */
static u64 all_pieces(u32 len_bytes)
{
	return ((u64)1 << DIV_ROUND_UP(len_bytes, VFSR_SECTOR_BYTES)) - 1;
}

struct vfsr_ws *vfsr_ws_new(void)
{
	struct vfsr_ws *ws = calloc(1, sizeof(*ws));

	if (!ws)
		return NULL;
	ws->inflate = calloc(1, vfsr_port_inflate_ws_bytes());
	ws->stored = aligned_alloc(VFSR_SECTOR_BYTES, VFSR_CHUNK_BYTES);
	ws->sectors = aligned_alloc(VFSR_SECTOR_BYTES,
				    WS_SECTORS * VFSR_SECTOR_BYTES);
	ws->page = aligned_alloc(VFSR_SECTOR_BYTES, VFSR_NODE_BYTES);
	if (ws->inflate && ws->stored && ws->sectors && ws->page)
		return ws;
	vfsr_ws_free(ws);
	return NULL;
}

void vfsr_ws_free(struct vfsr_ws *ws)
{
	if (!ws)
		return;
	if (ws->inflate)
		vfsr_port_ws_release(ws->inflate);
	free(ws->inflate);
	free(ws->stored);
	free(ws->sectors);
	free(ws->page);
	free(ws->stripe);
	free(ws);
}

void *vfsr_ws_inflate(struct vfsr_ws *ws)
{
	return ws->inflate;
}

const struct vfsr_fault *vfsr_ws_fault(const struct vfsr_ws *ws)
{
	return &ws->fault;
}

/* --- by sectors --- */

/* Part of one column of one stripe. */
struct part {
	struct vfsr_grid *g;
	struct vfsr_stripe *s;
	struct vfsr_extent_rows e;
	u32 col, row, nr;
	u8 *buf;
	u8 state[VFSR_MAX_STRIPE_SECTORS]; /* SECTOR_OK: verified */
};

static u8 *part_sector(const struct part *t, u32 i)
{
	return t->buf + (size_t)i * VFSR_SECTOR_BYTES;
}

/* Plain read and check of every sector. Returns how many are bad. */
static u32 part_read(struct vfsr_pool *p, struct part *t)
{
	u32 i, nr_bad = 0;

	grid_read_run(p, t->g, &t->e, t->col, t->row, t->nr, t->buf, t->state);
	for (i = 0; i < t->nr; i++) {
		if (t->state[i] == SECTOR_OK &&
		    grid_sector_ok(p, t->g, t->s, t->col, t->row + i,
				   part_sector(t, i)))
			continue;
		if (t->state[i] != SECTOR_MISSING) {
			heal_mark(p, t->g, &t->e, t->col, t->row + i, MARK_BAD);
			t->state[i] = SECTOR_ERROR;
		}
		nr_bad++;
	}
	return nr_bad;
}

/* Heal bad sectors by their rows, run after run. */
static int part_heal_rows(struct vfsr_pool *p, struct part *t,
			  struct vfsr_ws *ws)
{
	struct row_run rr = { .g = t->g, .s = t->s, .e = t->e };
	u32 i, j, nr;
	int err;

	for (i = 0; i < t->nr; i += nr) {
		nr = 1;
		if (t->state[i] == SECTOR_OK)
			continue;
		while (i + nr < t->nr && t->state[i + nr] != SECTOR_OK &&
		       nr < rows_max(t->g))
			nr++;
		rr.row = t->row + i;
		rr.nr = nr;
		err = rows_load(p, &rr, ws);
		if (err)
			return err;
		rows_decode(p, &rr, p->write_back);
		for (j = 0; j < nr; j++) {
			if (rr.bad[j] >> t->col & 1)
				continue;
			memcpy(part_sector(t, i + j),
			       rr.buf[t->col] + (size_t)j * VFSR_SECTOR_BYTES,
			       VFSR_SECTOR_BYTES);
			t->state[i + j] = SECTOR_OK;
		}
	}
	return 0;
}

/* Read part of a column. Returns bad sectors (t->state), or an errno. */
static int part_get(struct vfsr_pool *p, struct part *t, struct vfsr_ws *ws)
{
	int err, nr_bad = 0;
	u32 i;

	err = vfsr_stripe_get(p, t->g, &t->e, ws, &t->s);
	if (err == -ENOMEM)
		return err;
	if (err) {
		/* without a footer nothing of the stripe can be verified */
		memset(t->buf, 0, (size_t)t->nr * VFSR_SECTOR_BYTES);
		memset(t->state, SECTOR_ERROR, t->nr);
		for (i = 0; i < t->nr; i++)
			heal_mark(p, t->g, &t->e, t->col, t->row + i,
				  MARK_LOST);
		return (int)t->nr;
	}
	if (part_read(p, t)) {
		err = part_heal_rows(p, t, ws);
		for (i = 0; !err && i < t->nr; i++) {
			if (t->state[i] == SECTOR_OK)
				continue;
			err = heal_sector(p, t->g, t->col, t->row + i,
					  part_sector(t, i), ws);
			if (!err)
				t->state[i] = SECTOR_OK;
			if (err != -EIO)
				continue;
			err = 0;
			nr_bad++;
			memset(part_sector(t, i), 0, VFSR_SECTOR_BYTES);
			heal_mark(p, t->g, &t->e, t->col, t->row + i,
				  MARK_LOST);
			t->state[i] = SECTOR_MISSING;
		}
		/* left for the caller: which ones are lost */
		for (i = 0; i < t->nr; i++)
			t->state[i] = t->state[i] == SECTOR_MISSING ?
					      SECTOR_ERROR :
					      SECTOR_OK;
	}
	vfsr_stripe_put(p, t->s);
	return err ? err : nr_bad;
}

int vfsr_pool_read_sectors(struct vfsr_pool *p, struct vfsr_grid *g, u32 sector,
			   u32 nr, u8 *buf, u8 *bad, struct vfsr_ws *ws)
{
	struct part t = { .g = g };
	u32 i, done;
	int err = vfsr_grid_load(p, g, ws), nr_bad = 0;

	if (bad)
		memset(bad, 0, DIV_ROUND_UP(nr, 8));
	if (err)
		return err;
	for (done = 0; done < nr; done += t.nr) {
		err = vfsr_sector_locate(&g->g, g->starts, g->rows_used,
					 sector + done, &t.e, &t.col, &t.row);
		if (err)
			return err;
		t.nr = min_t(u32, nr - done, t.e.row + t.e.depth - t.row);
		t.buf = buf + (size_t)done * VFSR_SECTOR_BYTES;
		err = part_get(p, &t, ws);
		if (err < 0)
			return err;
		nr_bad += err;
		for (i = 0; bad && err && i < t.nr; i++)
			if (t.state[i] != SECTOR_OK)
				bad[(done + i) / 8] |=
					(u8)(1u << (done + i) % 8);
	}
	return nr_bad;
}

/* --- chunks --- */

/* Where a chunk lies. */
struct spot {
	struct vfsr_grid *g;
	struct vfsr_extent_rows e;
	u32 sector; /* linear, of the grid */
	u32 byte; /* in it */
	u32 inside; /* linear sector of the stripe */
};

/* Find and bound a chunk. 0, -EUCLEAN, or the grid's error. */
static int chunk_spot(struct vfsr_pool *p, const struct vfsr_chunk *c,
		      struct vfsr_ws *ws, struct spot *at)
{
	u32 col, row, room;
	int err;

	at->g = vfsr_pool_grid(p, vfsr_place_grid(c->place));
	at->sector = vfsr_place_sector(c->place);
	at->byte = vfsr_place_byte(c->place);
	if (!at->g)
		return -EUCLEAN;
	err = vfsr_grid_load(p, at->g, ws);
	if (err)
		return err;
	if (vfsr_sector_locate(&at->g->g, at->g->starts, at->g->rows_used,
			       at->sector, &at->e, &col, &row))
		return -EUCLEAN;
	at->inside = at->sector - at->e.row * at->g->g.k;
	room = (at->g->g.k * at->e.depth - at->inside) * VFSR_SECTOR_BYTES -
	       at->byte;
	return c->stored <= room ? 0 : -EUCLEAN;
}

/*
 * Read a chunk's bytes as they are; nothing is verified yet. @copy: the column to
 * read where parity is a copy, else 0.
 */
static int read_plain(struct vfsr_pool *p, const struct spot *at, u32 len_bytes,
		      u32 copy, u8 *buf)
{
	const struct vfsr_grid *g = at->g;
	u32 inside = at->inside, byte = at->byte;
	u32 depth = at->e.depth;

	while (len_bytes) {
		u32 col = inside / depth + copy, rel = inside % depth;
		struct vfsr_strip_pos place;
		u32 sectors, part;
		int member, err;
		s64 pos;

		pos = vfsr_grid_pos(p, g, &at->e, col, at->e.row + rel,
				    &member);
		if (pos < 0)
			return -EIO;
		/* up to the end of the column, or of the strip */
		place = vfsr_row_place(&g->g, &at->e, col, at->e.row + rel);
		sectors = min_t(u32, depth - rel,
				g->g.strip_sectors - place.sector);
		part = min_t(u32, len_bytes,
			     sectors * VFSR_SECTOR_BYTES - byte);
		err = vfsr_dev_read(p->dev[member], buf, part, (u64)pos + byte);
		if (err)
			return err;
		buf += part;
		len_bytes -= part;
		inside += sectors;
		byte = 0;
	}
	return 0;
}

/* Pieces of the stored bytes that a bad sector @i of the cover touches. */
static u64 pieces_of_sector(u32 i, u32 byte, u32 stored)
{
	u32 from = i ? i * VFSR_SECTOR_BYTES - byte : 0;
	u32 to = (i + 1) * VFSR_SECTOR_BYTES - byte; /* after it */
	u32 first = from / VFSR_SECTOR_BYTES;
	u32 last = (min_t(u32, to, stored) - 1) / VFSR_SECTOR_BYTES;

	/* a chunk has 32 pieces, and one more where it is not aligned */
	if (!stored || last > VFSR_CHUNK_BYTES / VFSR_SECTOR_BYTES)
		return ~(u64)0;
	return ((u64)2 << last) - ((u64)1 << first);
}

/*
 * The last resort where parity is a copy: a copy whose sectors fail because of a
 * neighbour in them may still have this chunk.
 */
static bool read_copies(struct vfsr_pool *p, const struct vfsr_chunk *c,
			const struct spot *at, u8 *buf)
{
	u32 copy;

	for (copy = 1; at->g->g.k == 1 && copy < at->g->g.n; copy++)
		if (!read_plain(p, at, c->stored, copy, buf) &&
		    vfsr_port_crc32c(0, buf, c->stored) == c->crc)
			return true;
	return false;
}

/* Read a chunk by verified sectors, healing. As vfsr_pool_read_stored(). */
static int read_healed(struct vfsr_pool *p, const struct vfsr_chunk *c,
		       const struct spot *at, u8 *buf, u64 *bad,
		       struct vfsr_ws *ws)
{
	u32 nr = DIV_ROUND_UP(at->byte + c->stored, VFSR_SECTOR_BYTES);
	u8 lost[DIV_ROUND_UP(WS_SECTORS, 8)];
	struct vfsr_fault f = { .reason = VFSR_REASON_NONE };
	u32 i, crc;
	int err;

	err = vfsr_pool_read_sectors(p, at->g, at->sector, nr, ws->sectors,
				     lost, ws);
	if (err && err != -ENOMEM && read_copies(p, c, at, buf))
		return 0;
	if (err < 0) {
		memset(buf, 0, c->stored);
		*bad = all_pieces(c->stored);
		return err;
	}
	memcpy(buf, ws->sectors + at->byte, c->stored);
	for (i = 0; err && i < nr; i++)
		if (lost[i / 8] >> i % 8 & 1)
			*bad |= pieces_of_sector(i, at->byte, c->stored);
	if (*bad)
		return -EIO;
	crc = vfsr_port_crc32c(0, buf, c->stored);
	if (crc == c->crc)
		return 0;
	/* the sectors are right, so who names this chunk is wrong */
	vfsr_fault_set(&f, VFSR_REASON_CHUNK_CRC, crc, c->crc);
	vfsr_complain(p->name, -1, at->g->id, c->owner, &f);
	memset(buf, 0, c->stored);
	*bad = all_pieces(c->stored);
	return -EIO;
}

int vfsr_pool_read_stored(struct vfsr_pool *p, const struct vfsr_chunk *c,
			  u8 *buf, u64 *bad, struct vfsr_ws *ws)
{
	struct spot at;
	u64 lost = 0;
	int err = vfsr_chunk_ok(c, NULL) ? 0 : -EUCLEAN;

	if (!err)
		err = chunk_spot(p, c, ws, &at);
	if (err) {
		lost = all_pieces(min_t(u32, c->stored, VFSR_CHUNK_BYTES));
		memset(buf, 0, min_t(u32, c->stored, VFSR_CHUNK_BYTES));
	} else if (read_plain(p, &at, c->stored, 0, buf) ||
		   vfsr_port_crc32c(0, buf, c->stored) != c->crc) {
		err = read_healed(p, c, &at, buf, &lost, ws);
	}
	if (bad)
		*bad = lost;
	return err;
}

/* A compressed chunk: the decoder checks the crc, so that is done once. */
static int read_compressed(struct vfsr_pool *p, const struct vfsr_chunk *c,
			   u8 *dst, struct vfsr_ws *ws)
{
	struct vfsr_fault f = { .reason = VFSR_REASON_NONE };
	struct spot at;
	u64 lost = 0;
	int err = chunk_spot(p, c, ws, &at);

	if (err)
		return err;
	if (!read_plain(p, &at, c->stored, 0, ws->stored) &&
	    !vfsr_chunk_decode(c, ws->inflate, ws->stored, dst, NULL))
		return 0;
	err = read_healed(p, c, &at, ws->stored, &lost, ws);
	if (err)
		return err;
	err = vfsr_chunk_decode(c, ws->inflate, ws->stored, dst, &f);
	if (err)
		vfsr_complain(p->name, -1, at.g->id, c->owner, &f);
	return err;
}

int vfsr_pool_read(struct vfsr_pool *p, const struct vfsr_chunk *c, u8 *dst,
		   u64 *bad, struct vfsr_ws *ws)
{
	u32 logical = min_t(u32, c->logical, VFSR_CHUNK_BYTES);
	int err;

	if (!vfsr_chunk_ok(c, NULL))
		err = -EUCLEAN;
	else if (c->state == VFSR_STATE_RAW)
		return vfsr_pool_read_stored(p, c, dst, bad, ws);
	else
		err = read_compressed(p, c, dst, ws);
	if (err)
		memset(dst, 0, logical);
	if (bad)
		*bad = err ? all_pieces(logical) : 0;
	return err;
}
