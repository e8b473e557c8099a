// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sectors lately read, for chunks that are small and were written side by side:
 * nodes, map pages, small files. Reading one of them reads what lies around it,
 * and it is kept in the page cache of an inode of its own, so that the memory is
 * the VM's to reclaim.
 *
 * The sectors are kept as they were read, and nothing says that they are right:
 * each chunk that is taken from them is verified by its own checksum, and on a
 * failure they are forgotten and the chunk is read anew, with healing. They are
 * never outdated: a place is written once, and the ids of grids are never
 * used again.
 */
#include <linux/pagemap.h>
#include <linux/swap.h>

#include "grid/grid_priv.h"

/* Sectors read at once: around the first one, and after its neighbours. Both are
 * powers of two and fit a workspace. */
#define AROUND 8u
#define AHEAD 32u

static_assert(AHEAD < WS_SECTORS && AROUND <= AHEAD);

static pgoff_t key_of(const struct vfsr_spot *at)
{
	u64 place = vfsr_place_make(at->g->id, at->sector, 0);

	return (pgoff_t)(place >> VFSR_PLACE_BYTE_BITS);
}

static bool get_one(struct address_space *map, pgoff_t key, u8 *buf)
{
	struct folio *folio = filemap_get_folio(map, key);
	bool good;

	if (IS_ERR(folio))
		return false;
	good = folio_test_uptodate(folio);
	if (good) {
		memcpy_from_folio((char *)buf, folio, 0, VFSR_SECTOR_BYTES);
		folio_mark_accessed(folio);
	}
	folio_put(folio);
	return good;
}

/* No memory, or somebody else keeps it: then it is not kept. */
static void keep_one(struct address_space *map, pgoff_t key, const u8 *buf)
{
	gfp_t gfp = readahead_gfp_mask(map);
	struct folio *folio = filemap_alloc_folio(gfp, 0);

	if (!folio)
		return;
	memcpy_to_folio(folio, 0, (const char *)buf, VFSR_SECTOR_BYTES);
	if (!filemap_add_folio(map, folio, key, gfp)) {
		folio_mark_uptodate(folio);
		folio_unlock(folio);
	}
	folio_put(folio);
}

static bool is_kept(struct address_space *map, pgoff_t key)
{
	struct folio *folio = filemap_get_folio(map, key);

	if (IS_ERR(folio))
		return false;
	folio_put(folio);
	return true;
}

/*
 * What to read for a spot: more if what lies before it was read, too. Within the
 * stripe, because what is behind it may not be written yet, and within the
 * column, so that it is one run; but no less than the spot.
 */
static struct vfsr_spot window(struct address_space *map,
			       const struct vfsr_spot *at)
{
	u32 column = rounddown(at->inside, at->e.depth);
	u32 end = column + at->e.depth; /* all of these in the stripe */
	struct vfsr_spot w = *at;
	u32 back = min(at->sector % AROUND, at->inside - column);

	w.sector -= back;
	w.inside -= back;
	w.byte = 0;
	w.nr = AROUND;
	if (w.inside > column && is_kept(map, key_of(&w) - 1))
		w.nr = AHEAD;
	w.nr = max(min(w.nr, end - w.inside), back + at->nr);
	return w;
}

/* A disk that cannot read a sector takes seconds to say so: that is not to happen
 * for the sake of neighbours again and again. */
static u64 *bad_slot(struct vfsr_grids *gs, pgoff_t key)
{
	return &gs->reader->bad_window[key / AHEAD % BAD_WINDOWS];
}

int vfsr_sectors_read(struct vfsr_grids *gs, const struct vfsr_spot *at,
		      blk_opf_t op, const u8 **data, struct vfsr_read_ws *ws)
{
	struct address_space *map = gs->sectors;
	pgoff_t key = key_of(at);
	struct vfsr_spot w;
	u32 i;
	int err;

	for (i = 0; i < at->nr; i++)
		if (!get_one(map, key + i, vfsr_nth_sector(ws->stored, i)))
			break;
	*data = ws->stored;
	if (i == at->nr)
		return 0;
	w = window(map, at);
	key = key_of(&w);
	if (READ_ONCE(*bad_slot(gs, key)) == key / AHEAD + 1)
		return -EIO;
	err = vfsr_spot_read(gs, &w, 0, op, ws->stored, ws);
	if (err) {
		WRITE_ONCE(*bad_slot(gs, key), key / AHEAD + 1);
		return err;
	}
	for (i = 0; i < w.nr; i++)
		keep_one(map, key + i, vfsr_nth_sector(ws->stored, i));
	*data = vfsr_nth_sector(ws->stored, at->sector - w.sector);
	return 0;
}

void vfsr_sectors_forget(struct vfsr_grids *gs, const struct vfsr_spot *at)
{
	pgoff_t key = key_of(at);

	invalidate_mapping_pages(gs->sectors, key, key + at->nr - 1);
}
