// SPDX-License-Identifier: GPL-2.0-only
/*
 * Layout of a device: how many strips fit beside rings and strip tables, and
 * where each region starts (format/super.h). Sizes the tables for mkfs and for
 * the check of records.
 */
#include "core/super.h"
#include "format/strip.h"

#define HEAD_SECTORS ((VFSR_BOOT_BYTES + VFSR_RING_BYTES) >> VFSR_SECTOR_SHIFT)
#define RING_SECTORS	(VFSR_RING_BYTES >> VFSR_SECTOR_SHIFT)
#define MAX_ALIGN_SHIFT	20	/* strip 0 starts on 1 MiB at most */

void vfsr_table_counts(u32 nr_strips, u32 *nr_table, u32 *nr_live,
		       u32 *nr_index)
{
	const u32 strips = VFSR_STRIPS_PER_BLOCK;
	const u32 lives = VFSR_LIVES_PER_BLOCK;
	const u32 refs = VFSR_REFS_PER_BLOCK;

	*nr_table = nr_strips / strips + !!(nr_strips % strips);
	*nr_live = nr_strips / lives + !!(nr_strips % lives);
	*nr_index = DIV_ROUND_UP(*nr_table + *nr_live, refs);
}

/* Place everything for a number of strips; do they fit? */
static bool place(u64 sectors, unsigned int strip_shift, u32 nr_strips,
		  struct vfsr_device_layout *out)
{
	unsigned int align_shift =
		min_t(unsigned int, strip_shift, MAX_ALIGN_SHIFT) -
		VFSR_SECTOR_SHIFT;
	u64 align = 1ull << align_shift;

	out->nr_strips = nr_strips;
	vfsr_table_counts(nr_strips, &out->nr_table, &out->nr_live,
			  &out->nr_index);
	out->table_sectors = 2 * (out->nr_index + out->nr_table + out->nr_live);
	if (sectors < HEAD_SECTORS + 2ull * out->table_sectors + RING_SECTORS)
		return false;
	out->table_sector = HEAD_SECTORS;
	out->strip_sector =
		(out->table_sector + out->table_sectors + align - 1) &
		~(align - 1);
	out->ring_tail_sector = sectors - RING_SECTORS;
	out->tail_sector = out->ring_tail_sector - out->table_sectors;
	return out->strip_sector +
		       ((u64)nr_strips << (strip_shift - VFSR_SECTOR_SHIFT)) <=
	       out->tail_sector;
}

/*
 * More strips need larger tables as well, so what fits is monotone: halve the
 * interval between what fits and what does not.
 */
int vfsr_device_layout(u64 bytes, unsigned int strip_shift,
		       struct vfsr_device_layout *out)
{
	u64 sectors = (bytes & ~(u64)(VFSR_SLOT_BYTES - 1)) >>
		      VFSR_SECTOR_SHIFT;
	u32 fits = 0, too_many = VFSR_MAX_STRIPS + 1, middle;

	while (too_many - fits > 1) {
		middle = fits + (too_many - fits) / 2;
		if (place(sectors, strip_shift, middle, out))
			fits = middle;
		else
			too_many = middle;
	}
	if (!fits)
		return -ENOSPC;
	place(sectors, strip_shift, fits, out);
	return 0;
}
