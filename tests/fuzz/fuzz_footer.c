// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzes footers, entry tables and trailers. The first sector of the input is a
 * footer or a trailer, whatever its magic says; behind a footer follows its
 * entry table. What is accepted must keep the addresses it leads to in bounds.
 */
#include "core/footer.h"
#include "fuzz.h"

/* Every chunk of the table lies within the stripe, apart from the footers. */
static void check_entry(const struct vfsr_footer *ft,
			const struct vfsr_chunk *c)
{
	u32 first = vfsr_place_sector(c->place),
	    byte = vfsr_place_byte(c->place);
	u32 base = ft->row * ft->policy.k, nr = ft->depth * ft->policy.k;
	u64 end = (u64)first * VFSR_SECTOR_BYTES + byte + c->stored;

	fuzz_must(vfsr_place_grid(c->place) == ft->grid);
	fuzz_must(first > base);
	fuzz_must(end <= (u64)(base + nr - 1) * VFSR_SECTOR_BYTES);
	fuzz_must(vfsr_chunk_ok(c, NULL));
	fuzz_must(c->birth <= ft->transaction);
}

static void walk_entries(const struct vfsr_footer *ft, struct fuzz_in *in)
{
	struct vfsr_fault f = { .reason = VFSR_REASON_NONE };
	u8 *table = fuzz_alloc(ft->entries_bytes);
	struct vfsr_entries e;
	struct vfsr_chunk c;
	u32 nr = 0;
	int ret;

	fuzz_take(in, table, ft->entries_bytes);
	vfsr_entries_init(&e, table, ft->entries_bytes, ft->nr_entries,
			  ft->policy.k, ft->row, ft->depth, ft->entries_start,
			  ft->transaction, ft->grid);
	while ((ret = vfsr_entries_next(&e, &c, &f)) > 0) {
		check_entry(ft, &c);
		nr++;
		fuzz_must(nr <= ft->nr_entries);
	}
	fuzz_must(ret || nr == ft->nr_entries);
	fuzz_must(!ret || f.reason != VFSR_REASON_NONE);
	free(table);
}

static volatile u32 sink; /* so that reads are not left out */

static void try_footer(const u8 *sector, struct fuzz_in *in)
{
	struct vfsr_fault f = { .reason = VFSR_REASON_NONE };
	struct vfsr_geometry g;
	struct vfsr_footer ft;
	u32 col, row, sum = 0;

	if (vfsr_footer_decode(sector, NULL, &ft, &f)) {
		fuzz_must(f.reason != VFSR_REASON_NONE);
		return;
	}
	fuzz_must(!vfsr_footer_geometry(&ft, &g, &f));
	fuzz_must(vfsr_columns_ok(&g, ft.strip, ft.device, &f));
	fuzz_must(ft.row + ft.depth <= g.data_rows);
	for (col = 0; col < g.n; col++)
		for (row = 0; row < ft.depth; row++)
			sum |= vfsr_footer_sector_crc(&ft, sector, col, row);
	sink = sum;
	walk_entries(&ft, in);
}

/* Each data sector is in one stripe, at a place of its own in the strips. */
static void locate_all(const struct vfsr_trailer *t,
		       const struct vfsr_geometry *g)
{
	struct vfsr_extent_rows rows;
	struct vfsr_strip_pos pos;
	u32 sector, col, row;

	for (sector = 0; sector < VFSR_MAX_DATA_SECTORS; sector++) {
		if (vfsr_sector_locate(g, t->starts, t->rows_used, sector,
				       &rows, &col, &row)) {
			fuzz_must(sector >= g->k * t->rows_used);
			break;
		}
		fuzz_must(col < g->k && row < t->rows_used);
		fuzz_must(row >= rows.row && row < rows.row + rows.depth);
		pos = vfsr_row_place(g, &rows, col, row);
		fuzz_must(pos.strip < g->n && pos.sector < g->strip_sectors);
	}
}

static void try_trailer(const u8 *sector)
{
	struct vfsr_fault f = { .reason = VFSR_REASON_NONE };
	static struct vfsr_trailer t;
	struct vfsr_geometry g;
	u8 *again;

	if (vfsr_trailer_decode(sector, NULL, &t, &f)) {
		fuzz_must(f.reason != VFSR_REASON_NONE);
		return;
	}
	fuzz_must(!vfsr_trailer_geometry(&t, &g, &f));
	locate_all(&t, &g);
	again = fuzz_alloc(VFSR_SECTOR_BYTES);
	vfsr_trailer_encode(&t, again);
	fuzz_must(!memcmp(again, sector, VFSR_SECTOR_BYTES));
	free(again);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct fuzz_in in = { data, size };
	u8 *sector = fuzz_alloc(VFSR_SECTOR_BYTES);

	fuzz_take(&in, sector, VFSR_SECTOR_BYTES);
	try_footer(sector, &in);
	try_trailer(sector);
	free(sector);
	return 0;
}

size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max_size,
			       unsigned int seed)
{
	__le32 magic;

	size = LLVMFuzzerMutate(data, size, max_size);
	if (size < VFSR_SECTOR_BYTES || !(seed % FUZZ_KEEP_BROKEN))
		return size;
	memcpy(&magic, data, sizeof(magic));
	fuzz_seal(data, VFSR_SECTOR_BYTES,
		  le32_to_cpu(magic) == VFSR_TRAILER_MAGIC ?
			  VFSR_TRAILER_MAGIC :
			  VFSR_FOOTER_MAGIC);
	return size;
}
