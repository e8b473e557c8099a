// SPDX-License-Identifier: GPL-2.0-only
/*
 * Grids for the reader: where their sectors are, the trailer of a sealed grid,
 * footers of stripes and their cache.
 *
 * A grid is loaded once, under grid_lock; what loading sets does not change
 * any more. Stripes are counted references: the cache holds one, each user
 * another, so that a full cache never makes a reader wait.
 */
#include <stdlib.h>

#include "lib/out.h"
#include "lib/pool_priv.h"

s64 vfsr_strip_pos(const struct vfsr_pool *p, unsigned int device, u32 strip,
		   u32 sector)
{
	unsigned int shift = p->super->strip_shift;
	const struct vfsr_member *m;

	if (device >= p->super->nr_members || !p->dev[device])
		return -1;
	m = &p->super->member[device];
	if (strip >= m->nr_strips ||
	    sector >= 1u << (shift - VFSR_SECTOR_SHIFT))
		return -1;
	return (s64)((m->strip_sector + sector) * VFSR_SECTOR_BYTES +
		     ((u64)strip << shift));
}

s64 vfsr_grid_pos(const struct vfsr_pool *p, const struct vfsr_grid *g,
		  const struct vfsr_extent_rows *rows, u32 col, u32 row,
		  int *member)
{
	struct vfsr_strip_pos at = vfsr_row_place(&g->g, rows, col, row);

	*member = -1;
	if (at.strip >= g->g.n || !(g->known >> at.strip & 1))
		return -1;
	if (g->device[at.strip] < p->super->nr_members)
		*member = g->device[at.strip];
	return vfsr_strip_pos(p, g->device[at.strip], g->strip[at.strip],
			      at.sector);
}

void grid_read_run(struct vfsr_pool *p, const struct vfsr_grid *g,
		   const struct vfsr_extent_rows *e, u32 col, u32 row, u32 nr,
		   u8 *buf, u8 *state)
{
	u32 i, j, len;

	for (i = 0; i < nr; i += len) {
		int member, next;
		s64 pos = vfsr_grid_pos(p, g, e, col, row + i, &member);

		len = 1;
		if (pos < 0) {
			state[i] = SECTOR_MISSING;
			continue;
		}
		while (i + len < nr &&
		       vfsr_grid_pos(p, g, e, col, row + i + len, &next) ==
			       pos + (s64)len * VFSR_SECTOR_BYTES &&
		       next == member)
			len++;
		memset(state + i, SECTOR_OK, len);
		if (!vfsr_dev_read(p->dev[member],
				   buf + (size_t)i * VFSR_SECTOR_BYTES,
				   (size_t)len * VFSR_SECTOR_BYTES, (u64)pos))
			continue;
		/* one bad sector must not take its neighbours with it */
		for (j = i; j < i + len; j++)
			if (vfsr_dev_read(p->dev[member],
					  buf + (size_t)j * VFSR_SECTOR_BYTES,
					  VFSR_SECTOR_BYTES,
					  (u64)pos + (u64)(j - i) *
							     VFSR_SECTOR_BYTES))
				state[j] = SECTOR_ERROR;
	}
}

/* --- loading --- */

/* Does a trailer describe this grid? */
static bool trailer_fits(const struct vfsr_grid *g,
			 const struct vfsr_trailer *t, u32 col)
{
	struct vfsr_geometry geometry;

	if (t->grid != g->id || t->column != col ||
	    vfsr_trailer_geometry(t, &geometry, NULL))
		return false;
	return same_geometry(&geometry, &g->g);
}

/* Take stripes, parity crcs and unknown places over from a trailer. */
static int apply_trailer(struct vfsr_grid *g, const struct vfsr_trailer *t)
{
	u32 nr = (u32)g->g.n * g->g.r, col;

	g->parity_crc = malloc((nr ? nr : 1) * sizeof(u32));
	if (!g->parity_crc)
		return -ENOMEM;
	memcpy(g->parity_crc, t->parity_crc, nr * sizeof(u32));
	g->rows_used = t->rows_used;
	memcpy(g->starts, t->starts, sizeof(g->starts));
	for (col = 0; col < g->g.n; col++) {
		if (g->known >> col & 1 && !(g->unsure >> col & 1))
			continue;
		g->known |= 1u << col;
		g->strip[col] = t->strip[col];
		g->device[col] = t->device[col];
	}
	g->unsure = 0;
	return 0;
}

/*
 * The newest trailer of those columns whose place is certain, else of any: a
 * sealed grid whose column was moved has a newer list of places.
 */
static int load_sealed(struct vfsr_pool *p, struct vfsr_grid *g)
{
	const u8 *uuid = p->super->pool_uuid;
	struct vfsr_trailer *t = malloc(2 * sizeof(*t));
	struct vfsr_trailer *best = t + 1;
	bool found = false;
	u8 *sector = malloc(VFSR_SECTOR_BYTES);
	u32 col, pass;
	int err = t && sector ? 0 : -ENOMEM;

	for (pass = 0; !err && pass < 2 && !found; pass++) {
		u32 set = pass ? g->unsure : ~g->unsure;

		for (col = 0; col < g->g.n; col++) {
			int member;
			s64 pos = vfsr_grid_pos(p, g, NULL, col, g->g.rows,
						&member);

			if (pos < 0 || !(set >> col & 1))
				continue;
			if (vfsr_dev_read(p->dev[member], sector,
					  VFSR_SECTOR_BYTES, (u64)pos) ||
			    vfsr_trailer_decode(sector, uuid, t, NULL) ||
			    !trailer_fits(g, t, col)) {
				g->trailer_bad |= 1u << col;
				continue;
			}
			if (!found || t->transaction > best->transaction)
				*best = *t;
			found = true;
			/* all copies agree unless some place is in doubt */
			if (!g->unsure)
				break;
		}
	}
	if (!err)
		err = found ? apply_trailer(g, best) : grid_scan_starts(p, g);
	free(sector);
	free(t);
	return err;
}

int vfsr_grid_load(struct vfsr_pool *p, struct vfsr_grid *g, struct vfsr_ws *ws)
{
	(void)ws;
	if (__atomic_load_n(&g->loaded, __ATOMIC_ACQUIRE))
		return g->load_error;
	pthread_mutex_lock(&p->priv->grid_lock);
	if (!g->loaded) {
		g->load_error = load_sealed(p, g);
		if (g->load_error)
			vfsr_warn(
				"pool %s: grid %llu: no trailer and no footer of it can be read (%s); attach missing devices",
				p->name, (unsigned long long)g->id,
				strerror(-g->load_error));
		__atomic_store_n(&g->loaded, true, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&p->priv->grid_lock);
	return g->load_error;
}

/* --- footers --- */

bool stripe_fits(const struct vfsr_grid *g, const struct vfsr_extent_rows *e,
		 const struct vfsr_footer *ft)
{
	return ft->grid == g->id && ft->row == e->row &&
	       ft->depth == e->depth && ft->policy.k == g->g.k &&
	       ft->policy.m == g->g.m && ft->policy.r == g->g.r &&
	       ft->layout == g->g.layout && ft->strip_shift == g->g.strip_shift;
}

bool grid_sector_ok(struct vfsr_pool *p, const struct vfsr_grid *g,
		    const struct vfsr_stripe *s, u32 col, u32 row, u8 *data)
{
	if (s)
		return vfsr_stripe_check(p->ops, &s->ft, s->sector, col,
					 row - s->ft.row, data);
	if (row < g->g.data_rows || row >= g->g.rows)
		return false;
	/* without a trailer nothing tells; what it rebuilds is checked */
	if (!g->parity_crc)
		return true;
	return vfsr_port_crc32c(0, data, VFSR_SECTOR_BYTES) ==
	       g->parity_crc[col * g->g.r + row - g->g.data_rows];
}

static struct stripe_slot *stripe_set(struct vfsr_pool *p,
				      const struct vfsr_grid *g, u32 row)
{
	u64 hash = (g->id * 4096 + row) * 0x9e3779b97f4a7c15ull;

	return p->priv->stripe[hash >> 32 & (STRIPE_SETS - 1)];
}

static struct vfsr_stripe *stripe_cached(struct vfsr_pool *p,
					 const struct vfsr_grid *g, u32 row)
{
	struct stripe_slot *set = stripe_set(p, g, row);
	struct vfsr_stripe *s = NULL;
	u32 i;

	pthread_mutex_lock(&p->priv->stripe_lock);
	for (i = 0; i < STRIPE_WAYS && !s; i++) {
		if (!set[i].s || set[i].s->ft.grid != g->id ||
		    set[i].s->ft.row != row)
			continue;
		s = set[i].s;
		atomic_fetch_add(&s->refs, 1);
		set[i].used = ++p->priv->stripe_clock;
	}
	pthread_mutex_unlock(&p->priv->stripe_lock);
	return s;
}

/* Put a stripe into the cache, which takes a reference of its own. */
static void stripe_keep(struct vfsr_pool *p, const struct vfsr_grid *g,
			struct vfsr_stripe *s)
{
	struct stripe_slot *set = stripe_set(p, g, s->ft.row);
	struct stripe_slot *old = set;
	struct vfsr_stripe *gone;
	u32 i;

	pthread_mutex_lock(&p->priv->stripe_lock);
	for (i = 1; i < STRIPE_WAYS; i++)
		if (set[i].used < old->used)
			old = &set[i];
	gone = old->s;
	old->s = s;
	old->used = ++p->priv->stripe_clock;
	atomic_fetch_add(&s->refs, 1);
	pthread_mutex_unlock(&p->priv->stripe_lock);
	if (gone)
		vfsr_stripe_put(p, gone);
}

void vfsr_stripe_put(struct vfsr_pool *p, struct vfsr_stripe *s)
{
	(void)p;
	if (atomic_fetch_sub(&s->refs, 1) == 1)
		free(s);
}

/*
 * Read one of the two copies of a footer. A copy that is there but wrong is
 * counted; its mask bit goes to @wrong.
 */
static bool footer_copy(struct vfsr_pool *p, struct vfsr_grid *g,
			const struct vfsr_extent_rows *e, bool second,
			u8 *sector, struct vfsr_footer *ft, u32 *wrong)
{
	u32 col = second ? g->g.k - 1u : 0;
	u32 row = second ? e->row + e->depth - 1 : e->row;
	u8 state;

	grid_read_run(p, g, e, col, row, 1, sector, &state);
	if (state == SECTOR_OK &&
	    !vfsr_footer_decode(sector, p->super->pool_uuid, ft, NULL) &&
	    stripe_fits(g, e, ft))
		return true;
	if (state != SECTOR_MISSING) {
		heal_mark(p, g, e, col, row, MARK_BAD);
		*wrong |= 1u << second;
	}
	return false;
}

/* Read a footer by its copies, or the ways of footer_recover(). */
static int stripe_read(struct vfsr_pool *p, struct vfsr_grid *g,
		       const struct vfsr_extent_rows *e, bool hard,
		       struct vfsr_ws *ws, struct vfsr_stripe *s)
{
	u32 wrong = 0;
	int err = 0;

	if (!footer_copy(p, g, e, false, s->sector, &s->ft, &wrong) &&
	    !footer_copy(p, g, e, true, s->sector, &s->ft, &wrong))
		err = footer_recover(p, g, e, hard, ws, s->sector, &s->ft);
	if (err)
		return err;
	if (wrong & 1)
		heal_done(p, g, e, 0, e->row, s->sector, p->write_back);
	if (wrong & 2)
		heal_done(p, g, e, g->g.k - 1u, e->row + e->depth - 1,
			  s->sector, p->write_back);
	return 0;
}

/* Is a stripe known to have lost its footer for good? */
static bool stripe_lost(struct vfsr_pool *p, struct vfsr_grid *g, u32 row,
			bool now)
{
	struct vfsr_grid_heal *h = now ? heal_of(p, g) : NULL;
	bool lost = false;

	pthread_mutex_lock(&p->priv->mark_lock);
	if (!h)
		h = g->heal;
	if (h && now)
		vfsr_starts_set(h->lost, row);
	if (h)
		lost = vfsr_starts_test(h->lost, row);
	pthread_mutex_unlock(&p->priv->mark_lock);
	return lost;
}

static int stripe_get(struct vfsr_pool *p, struct vfsr_grid *g,
		      const struct vfsr_extent_rows *e, bool hard,
		      struct vfsr_ws *ws, struct vfsr_stripe **out)
{
	struct vfsr_stripe *s = stripe_cached(p, g, e->row);
	int err;

	*out = s;
	if (s)
		return 0;
	if (stripe_lost(p, g, e->row, false))
		return -EIO;
	s = aligned_alloc(64, sizeof(*s));
	if (!s)
		return -ENOMEM;
	memset(s, 0, sizeof(*s));
	atomic_init(&s->refs, 1);
	s->g = g->g;
	err = stripe_read(p, g, e, false, ws, s);
	if (err == -EIO && hard) {
		pthread_mutex_lock(&p->priv->heal_lock);
		/* unless another reader has just tried in vain */
		if (!stripe_lost(p, g, e->row, false))
			err = stripe_read(p, g, e, true, ws, s);
		pthread_mutex_unlock(&p->priv->heal_lock);
		if (err == -EIO)
			stripe_lost(p, g, e->row, true);
	}
	if (err) {
		free(s);
		return err;
	}
	stripe_keep(p, g, s);
	*out = s;
	return 0;
}

int stripe_get_simple(struct vfsr_pool *p, struct vfsr_grid *g,
		      const struct vfsr_extent_rows *e, struct vfsr_ws *ws,
		      struct vfsr_stripe **out)
{
	return stripe_get(p, g, e, false, ws, out);
}

int vfsr_stripe_get(struct vfsr_pool *p, struct vfsr_grid *g,
		    const struct vfsr_extent_rows *rows, struct vfsr_ws *ws,
		    struct vfsr_stripe **out)
{
	return stripe_get(p, g, rows, true, ws, out);
}
