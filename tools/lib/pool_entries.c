// SPDX-License-Identifier: GPL-2.0-only
/*
 * The entry table of a stripe: by verified sectors, else by its own crc over
 * what the copies hold.
 *
 * The second way counts when a neighbour in the same sector is destroyed for
 * good, as an old map page may be: the sector's crc then fails for ever, the
 * table's does not. The check and the rebuild come here.
 */
#include "lib/pool_priv.h"

static bool table_ok(const struct vfsr_footer *ft, const u8 *table)
{
	return vfsr_port_crc32c(0, table, ft->entries_bytes) == ft->entries_crc;
}

/* The sectors of a table as one copy has them, unverified. */
static bool read_copy(struct vfsr_pool *p, const struct vfsr_grid *g,
		      const struct vfsr_extent_rows *e, u32 sector, u32 nr,
		      u32 copy, u8 *buf)
{
	u32 i;
	u8 state;

	for (i = 0; i < nr; i++) {
		u32 col = g->g.k == 1 ? copy : (sector + i) / e->depth;
		u32 row = e->row + (sector + i) % e->depth;

		grid_read_run(p, g, e, col, row, 1,
			      buf + (size_t)i * VFSR_SECTOR_BYTES, &state);
		if (state != SECTOR_OK)
			return false;
	}
	return true;
}

int vfsr_stripe_entries(struct vfsr_pool *p, struct vfsr_grid *g,
			const struct vfsr_stripe *s, u8 *buf,
			struct vfsr_ws *ws, const u8 **table)
{
	const struct vfsr_footer *ft = &s->ft;
	struct vfsr_extent_rows e = { .row = ft->row, .depth = ft->depth };
	u32 first = ft->entries_start / VFSR_SECTOR_BYTES;
	u32 skip = ft->entries_start % VFSR_SECTOR_BYTES;
	u32 nr = DIV_ROUND_UP(skip + ft->entries_bytes, VFSR_SECTOR_BYTES);
	u32 copies = g->g.k == 1 ? g->g.n : 1u, copy;
	int err;

	*table = buf + skip;
	if (!ft->entries_bytes)
		return 0;
	err = vfsr_pool_read_sectors(p, g, ft->row * g->g.k + first, nr, buf,
				     NULL, ws);
	if (err == -ENOMEM || (!err && table_ok(ft, buf + skip)))
		return err;
	for (copy = 0; copy < copies; copy++)
		if (read_copy(p, g, &e, first, nr, copy, buf) &&
		    table_ok(ft, buf + skip))
			return 0;
	return -EIO;
}
