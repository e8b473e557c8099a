// SPDX-License-Identifier: GPL-2.0-only
/*
 * Footers of stripes: sealing a stripe, reading a footer, and the check of
 * single sectors against it (format/footer.h).
 *
 * A footer holds the crcs of parity sectors, and parity covers the footers. The
 * knot is cut by linearity: the crc of a parity sector under a footer is that
 * of its residual, the sector without the footers' contribution
 * (coefficient * footer), which is added last and taken away for a check.
 */
#include "core/footer.h"

#include "core/bytes.h"
#include "format/super.h"

#define MIN_ENTRY_BYTES	7u	/* flags, id, stored length, crc */

/* Is column @c's strip possible beside those of the columns before? */
static bool column_ok(const struct vfsr_geometry *g, const u32 *strip,
		      const u8 *device, u32 c, struct vfsr_fault *f)
{
	u32 other;

	if (strip[c] >= VFSR_MAX_STRIPS)
		return vfsr_fault_set(f, VFSR_REASON_RANGE, strip[c],
				      VFSR_MAX_STRIPS - 1);
	if (device[c] >= VFSR_MAX_MEMBERS)
		return vfsr_fault_set(f, VFSR_REASON_RANGE, device[c],
				      VFSR_MAX_MEMBERS - 1);
	if (g->layout == VFSR_LAYOUT_INTERLEAVED &&
	    (device[c] != device[0] || strip[c] != strip[0] + c))
		return vfsr_fault_set(f, VFSR_REASON_STRIP, strip[c],
				      strip[0] + c);
	for (other = 0; other < c; other++) {
		if (strip[other] == strip[c] && device[other] == device[c])
			return vfsr_fault_set(f, VFSR_REASON_TWICE, strip[c],
					      other);
	}
	return true;
}

bool vfsr_columns_ok(const struct vfsr_geometry *g, const u32 *strip,
		     const u8 *device, struct vfsr_fault *f)
{
	u32 c;

	for (c = 0; c < g->n; c++) {
		if (!column_ok(g, strip, device, c, f))
			goto bad;
	}
	for (; c < VFSR_MAX_COLUMNS; c++) {
		if (!strip[c] && !device[c])
			continue;
		vfsr_fault_set(f, VFSR_REASON_PADDING, strip[c], 0);
		goto bad;
	}
	return true;
bad:
	if (f)
		f->where = c;
	return false;
}

int vfsr_label_geometry(const struct vfsr_policy *p, unsigned int strip_shift,
			unsigned int layout, u32 depth, struct vfsr_geometry *g,
			struct vfsr_fault *f)
{
	if (vfsr_geometry_init(g, p, strip_shift, layout, f))
		return -EUCLEAN;
	if (depth == g->depth)
		return 0;
	vfsr_fault_set(f, VFSR_REASON_GEOMETRY, depth, g->depth);
	return -EUCLEAN;
}

int vfsr_footer_geometry(const struct vfsr_footer *ft, struct vfsr_geometry *g,
			 struct vfsr_fault *f)
{
	return vfsr_label_geometry(&ft->policy, ft->strip_shift, ft->layout,
				   ft->full_depth, g, f);
}

/* Everything of the label; the table of crcs stays on disk. */
static void footer_read(const struct vfsr_disk_footer *d,
			struct vfsr_footer *ft)
{
	u32 c;

	memcpy(ft->pool_uuid, d->pool_uuid, sizeof(ft->pool_uuid));
	ft->grid = le64_to_cpu(d->grid);
	ft->transaction = le64_to_cpu(d->transaction);
	ft->base = le64_to_cpu(d->base);
	ft->serial = le64_to_cpu(d->serial);
	ft->epoch = le64_to_cpu(d->epoch);
	ft->policy.k = d->policy.k;
	ft->policy.m = d->policy.m;
	ft->policy.r = le16_to_cpu(d->policy.r);
	ft->layout = d->layout;
	ft->strip_shift = d->strip_shift;
	ft->use = d->use;
	ft->flags = d->flags;
	ft->row = le32_to_cpu(d->row);
	ft->depth = le16_to_cpu(d->depth);
	ft->full_depth = le16_to_cpu(d->full_depth);
	ft->nr_entries = le32_to_cpu(d->nr_entries);
	ft->entries_start = le32_to_cpu(d->entries_start);
	ft->entries_bytes = le32_to_cpu(d->entries_bytes);
	ft->entries_crc = le32_to_cpu(d->entries_crc);
	ft->aligned_end = le32_to_cpu(d->aligned_end);
	ft->nr_stripes = le32_to_cpu(d->nr_stripes);
	for (c = 0; c < VFSR_MAX_COLUMNS; c++) {
		ft->strip[c] = le32_to_cpu(d->strip[c]);
		ft->device[c] = d->device[c];
	}
}

static bool label_ok(const struct vfsr_footer *ft, struct vfsr_fault *f)
{
	bool commit = ft->flags & VFSR_FOOTER_COMMIT;

	if (!ft->grid || ft->grid > VFSR_MAX_GRID)
		return vfsr_fault_set(f, VFSR_REASON_RANGE, ft->grid,
				      VFSR_MAX_GRID);
	/* what a stripe belongs to is not yet durable when it is written */
	if (ft->base >= ft->transaction)
		return vfsr_fault_set(f, VFSR_REASON_ORDER, ft->base,
				      ft->transaction);
	if (ft->use >= VFSR_NR_USES)
		return vfsr_fault_set(f, VFSR_REASON_RANGE, ft->use,
				      VFSR_NR_USES - 1);
	if (ft->flags & ~VFSR_FOOTER_COMMIT)
		return vfsr_fault_set(f, VFSR_REASON_PADDING, ft->flags,
				      VFSR_FOOTER_COMMIT);
	if (commit != !!ft->nr_stripes)
		return vfsr_fault_set(f, VFSR_REASON_COMMIT, ft->nr_stripes,
				      commit);
	return true;
}

/* Rows within the grid, chunks and entry table within the data area. */
static bool extent_ok(const struct vfsr_footer *ft,
		      const struct vfsr_geometry *g, struct vfsr_fault *f)
{
	u32 sectors, top;

	if (!ft->depth || ft->depth > g->depth)
		return vfsr_fault_set(f, VFSR_REASON_GEOMETRY, ft->depth,
				      g->depth);
	if (ft->row > g->data_rows - ft->depth)
		return vfsr_fault_set(f, VFSR_REASON_GEOMETRY, ft->row,
				      g->data_rows - ft->depth);
	sectors = ft->depth * g->k;
	if (sectors < VFSR_MIN_STRIPE_SECTORS)
		return vfsr_fault_set(f, VFSR_REASON_GEOMETRY, sectors,
				      VFSR_MIN_STRIPE_SECTORS);
	top = (sectors - 1) * VFSR_SECTOR_BYTES;
	if (ft->entries_start > top)
		return vfsr_fault_set(f, VFSR_REASON_SIZE, ft->entries_start,
				      top);
	if (ft->entries_bytes > top - ft->entries_start)
		return vfsr_fault_set(f, VFSR_REASON_SIZE, ft->entries_bytes,
				      top - ft->entries_start);
	if (ft->nr_entries > ft->entries_bytes / MIN_ENTRY_BYTES)
		return vfsr_fault_set(f, VFSR_REASON_SIZE, ft->nr_entries,
				      ft->entries_bytes / MIN_ENTRY_BYTES);
	if (!ft->aligned_end ||
	    ft->aligned_end > ft->entries_start >> VFSR_SECTOR_SHIFT)
		return vfsr_fault_set(f, VFSR_REASON_SIZE, ft->aligned_end,
				      ft->entries_start >> VFSR_SECTOR_SHIFT);
	return true;
}

static bool padding_ok(const struct vfsr_disk_footer *d,
		       const struct vfsr_footer *ft, struct vfsr_fault *f)
{
	u32 n = ft->policy.k + ft->policy.m;
	u32 used = n * ft->depth;
	u32 last = ft->policy.k * ft->depth - 1;

	if (d->sector_crc[0] || d->sector_crc[last])
		return vfsr_fault_set(f, VFSR_REASON_PADDING, 1, 0);
	if (!vfsr_bytes_zero(d->pad0, sizeof(d->pad0)) ||
	    !vfsr_bytes_zero(d->pad1, sizeof(d->pad1)) ||
	    !vfsr_bytes_zero(d->sector_crc + used,
			     (VFSR_MAX_STRIPE_SECTORS - used) *
				     sizeof(d->sector_crc[0])))
		return vfsr_fault_set(f, VFSR_REASON_PADDING, 1, 0);
	return true;
}

int vfsr_footer_decode(const void *sector, const u8 *uuid,
		       struct vfsr_footer *out, struct vfsr_fault *f)
{
	const struct vfsr_disk_footer *d = sector;
	struct vfsr_geometry g;
	u32 crc;

	if (le32_to_cpu(d->magic) != VFSR_FOOTER_MAGIC) {
		vfsr_fault_set(f, VFSR_REASON_MAGIC, le32_to_cpu(d->magic),
			       VFSR_FOOTER_MAGIC);
		return -EBADMSG;
	}
	crc = vfsr_bytes_crc(d, sizeof(*d),
			     offsetof(struct vfsr_disk_footer, crc));
	if (crc != le32_to_cpu(d->crc)) {
		vfsr_fault_set(f, VFSR_REASON_CRC, crc, le32_to_cpu(d->crc));
		return -EBADMSG;
	}
	if (uuid && memcmp(d->pool_uuid, uuid, sizeof(d->pool_uuid)) != 0) {
		vfsr_fault_set(f, VFSR_REASON_UUID, 0, 0);
		return -EUCLEAN;
	}
	footer_read(d, out);
	if (vfsr_footer_geometry(out, &g, f) || !label_ok(out, f) ||
	    !extent_ok(out, &g, f) ||
	    !vfsr_columns_ok(&g, out->strip, out->device, f) ||
	    !padding_ok(d, out, f))
		return -EUCLEAN;
	return 0;
}

/* Write the label over a zeroed sector; the table of crcs is set after. */
static void label_write(const struct vfsr_footer *ft,
			struct vfsr_disk_footer *d)
{
	u32 c;

	d->magic = cpu_to_le32(VFSR_FOOTER_MAGIC);
	memcpy(d->pool_uuid, ft->pool_uuid, sizeof(d->pool_uuid));
	d->grid = cpu_to_le64(ft->grid);
	d->transaction = cpu_to_le64(ft->transaction);
	d->base = cpu_to_le64(ft->base);
	d->serial = cpu_to_le64(ft->serial);
	d->epoch = cpu_to_le64(ft->epoch);
	d->policy.k = ft->policy.k;
	d->policy.m = ft->policy.m;
	d->policy.r = cpu_to_le16(ft->policy.r);
	d->layout = ft->layout;
	d->strip_shift = ft->strip_shift;
	d->use = ft->use;
	d->flags = ft->flags;
	d->row = cpu_to_le32(ft->row);
	d->depth = cpu_to_le16((u16)ft->depth);
	d->full_depth = cpu_to_le16((u16)ft->full_depth);
	d->nr_entries = cpu_to_le32(ft->nr_entries);
	d->entries_start = cpu_to_le32(ft->entries_start);
	d->entries_bytes = cpu_to_le32(ft->entries_bytes);
	d->entries_crc = cpu_to_le32(ft->entries_crc);
	d->aligned_end = cpu_to_le32(ft->aligned_end);
	d->nr_stripes = cpu_to_le32(ft->nr_stripes);
	for (c = 0; c < (u32)ft->policy.k + ft->policy.m; c++) {
		d->strip[c] = cpu_to_le32(ft->strip[c]);
		d->device[c] = ft->device[c];
	}
}

/*
 * Add what the two footer copies contribute to the parity sector (col, row), or
 * take it away again: in GF(2^8) that is the same. Nothing for other sectors.
 */
static void add_footers(const struct vfsr_parity_ops *ops,
			const struct vfsr_footer *ft, const void *footer_sector,
			u32 col, u32 row, u8 *data)
{
	u32 k = ft->policy.k;

	if (col < k)
		return;
	if (row == 0)
		ops->mul_add(data, footer_sector,
			     vfsr_parity_coef(ft->policy.m, col - k, 0),
			     VFSR_SECTOR_BYTES);
	if (row == ft->depth - 1)
		ops->mul_add(data, footer_sector,
			     vfsr_parity_coef(ft->policy.m, col - k, k - 1),
			     VFSR_SECTOR_BYTES);
}

void vfsr_stripe_seal(const struct vfsr_parity_ops *ops,
		      const struct vfsr_footer *ft, u8 *const *bufs)
{
	u32 k = ft->policy.k, n = k + ft->policy.m, depth = ft->depth;
	u32 last = (depth - 1) * VFSR_SECTOR_BYTES;
	struct vfsr_disk_footer *d = (struct vfsr_disk_footer *)bufs[0];
	u32 c, i, crc;

	memset(bufs[0], 0, VFSR_SECTOR_BYTES);
	memset(bufs[k - 1] + last, 0, VFSR_SECTOR_BYTES);
	if (n > k)
		ops->encode(k, n - k, (size_t)depth * VFSR_SECTOR_BYTES, bufs);

	label_write(ft, d);
	for (c = 0; c < n; c++) {
		for (i = 0; i < depth; i++) {
			if (vfsr_is_footer(ft, c, i))
				continue;
			crc = vfsr_port_crc32c(0,
					       bufs[c] + i * VFSR_SECTOR_BYTES,
					       VFSR_SECTOR_BYTES);
			d->sector_crc[c * depth + i] = cpu_to_le32(crc);
		}
	}
	d->crc = cpu_to_le32(vfsr_bytes_crc(
		d, sizeof(*d), offsetof(struct vfsr_disk_footer, crc)));
	memcpy(bufs[k - 1] + last, bufs[0], VFSR_SECTOR_BYTES);

	for (c = k; c < n; c++) {
		add_footers(ops, ft, d, c, 0, bufs[c]);
		if (depth > 1)
			add_footers(ops, ft, d, c, depth - 1, bufs[c] + last);
	}
}

u32 vfsr_footer_sector_crc(const struct vfsr_footer *ft,
			   const void *footer_sector, u32 col, u32 row)
{
	const struct vfsr_disk_footer *d = footer_sector;

	return le32_to_cpu(d->sector_crc[col * ft->depth + row]);
}

bool vfsr_stripe_check(const struct vfsr_parity_ops *ops,
		       const struct vfsr_footer *ft, const void *footer_sector,
		       u32 col, u32 row, u8 *data)
{
	u32 crc;

	if (col >= (u32)ft->policy.k + ft->policy.m || row >= ft->depth)
		return false;
	if (vfsr_is_footer(ft, col, row))
		return !memcmp(data, footer_sector, VFSR_SECTOR_BYTES);
	add_footers(ops, ft, footer_sector, col, row, data);
	crc = vfsr_port_crc32c(0, data, VFSR_SECTOR_BYTES);
	add_footers(ops, ft, footer_sector, col, row, data);
	return crc == vfsr_footer_sector_crc(ft, footer_sector, col, row);
}
