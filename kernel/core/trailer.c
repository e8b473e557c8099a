// SPDX-License-Identifier: GPL-2.0-only
/*
 * Trailers of sealed strips between disk and host form (format/grid.h).
 *
 * All columns of a grid carry the same trailer but for the column number, so
 * that any one that is left tells the whole grid's geometry, stripes and the
 * crcs of its column parity. A trailer that passes the decoder can be used
 * without further checks, other than whether devices and strips exist.
 */
#include "core/bytes.h"
#include "core/footer.h"
#include "format/super.h"

void vfsr_trailer_encode(const struct vfsr_trailer *t, void *sector)
{
	struct vfsr_disk_trailer *d = sector;
	u32 n = t->policy.k + t->policy.m;
	u32 crc, i;

	memset(d, 0, sizeof(*d));
	d->magic = cpu_to_le32(VFSR_TRAILER_MAGIC);
	memcpy(d->pool_uuid, t->pool_uuid, sizeof(d->pool_uuid));
	d->grid = cpu_to_le64(t->grid);
	d->transaction = cpu_to_le64(t->transaction);
	d->policy.k = t->policy.k;
	d->policy.m = t->policy.m;
	d->policy.r = cpu_to_le16(t->policy.r);
	d->column = t->column;
	d->layout = t->layout;
	d->strip_shift = t->strip_shift;
	d->use = t->use;
	d->depth = cpu_to_le16((u16)t->depth);
	d->rows_used = cpu_to_le32(t->rows_used);
	d->epoch = cpu_to_le64(t->epoch);
	for (i = 0; i < n; i++) {
		d->strip[i] = cpu_to_le32(t->strip[i]);
		d->device[i] = t->device[i];
	}
	memcpy(d->starts, t->starts, sizeof(d->starts));
	for (i = 0; i < n * t->policy.r; i++)
		d->parity_crc[i] = cpu_to_le32(t->parity_crc[i]);
	crc = vfsr_bytes_crc(d, sizeof(*d),
			     offsetof(struct vfsr_disk_trailer, crc));
	d->crc = cpu_to_le32(crc);
}

int vfsr_trailer_geometry(const struct vfsr_trailer *t, struct vfsr_geometry *g,
			  struct vfsr_fault *f)
{
	return vfsr_label_geometry(&t->policy, t->strip_shift, t->layout,
				   t->depth, g, f);
}

static void trailer_read(const struct vfsr_disk_trailer *d,
			 struct vfsr_trailer *t)
{
	u32 i;

	memcpy(t->pool_uuid, d->pool_uuid, sizeof(t->pool_uuid));
	t->grid = le64_to_cpu(d->grid);
	t->transaction = le64_to_cpu(d->transaction);
	t->epoch = le64_to_cpu(d->epoch);
	t->policy.k = d->policy.k;
	t->policy.m = d->policy.m;
	t->policy.r = le16_to_cpu(d->policy.r);
	t->column = d->column;
	t->layout = d->layout;
	t->strip_shift = d->strip_shift;
	t->use = d->use;
	t->depth = le16_to_cpu(d->depth);
	t->rows_used = le32_to_cpu(d->rows_used);
	for (i = 0; i < VFSR_MAX_COLUMNS; i++) {
		t->strip[i] = le32_to_cpu(d->strip[i]);
		t->device[i] = d->device[i];
	}
	memcpy(t->starts, d->starts, sizeof(t->starts));
	for (i = 0; i < VFSR_MAX_PARITY_CRCS; i++)
		t->parity_crc[i] = le32_to_cpu(d->parity_crc[i]);
}

static bool trailer_ok(const struct vfsr_trailer *t, struct vfsr_fault *f)
{
	struct vfsr_geometry g;

	if (vfsr_trailer_geometry(t, &g, f))
		return false;
	if (!t->grid || t->grid > VFSR_MAX_GRID)
		return vfsr_fault_set(f, VFSR_REASON_RANGE, t->grid,
				      VFSR_MAX_GRID);
	if (!t->transaction)
		return vfsr_fault_set(f, VFSR_REASON_RANGE, 0, 1);
	if (t->column >= g.n)
		return vfsr_fault_set(f, VFSR_REASON_GEOMETRY, t->column,
				      g.n - 1);
	if (t->use >= VFSR_NR_USES)
		return vfsr_fault_set(f, VFSR_REASON_RANGE, t->use,
				      VFSR_NR_USES - 1);
	return vfsr_starts_ok(&g, t->starts, t->rows_used, f) &&
	       vfsr_columns_ok(&g, t->strip, t->device, f);
}

static bool padding_ok(const struct vfsr_disk_trailer *d,
		       const struct vfsr_trailer *t, struct vfsr_fault *f)
{
	u32 used = (t->policy.k + t->policy.m) * t->policy.r;

	if (!d->pad0 && vfsr_bytes_zero(d->pad1, sizeof(d->pad1)) &&
	    vfsr_bytes_zero(d->pad2, sizeof(d->pad2)) &&
	    vfsr_bytes_zero(d->parity_crc + used,
			    (VFSR_MAX_PARITY_CRCS - used) *
				    sizeof(d->parity_crc[0])))
		return true;
	return vfsr_fault_set(f, VFSR_REASON_PADDING, 1, 0);
}

int vfsr_trailer_decode(const void *sector, const u8 *uuid,
			struct vfsr_trailer *out, struct vfsr_fault *f)
{
	const struct vfsr_disk_trailer *d = sector;
	u32 crc;

	if (le32_to_cpu(d->magic) != VFSR_TRAILER_MAGIC) {
		vfsr_fault_set(f, VFSR_REASON_MAGIC, le32_to_cpu(d->magic),
			       VFSR_TRAILER_MAGIC);
		return -EBADMSG;
	}
	crc = vfsr_bytes_crc(d, sizeof(*d),
			     offsetof(struct vfsr_disk_trailer, crc));
	if (crc != le32_to_cpu(d->crc)) {
		vfsr_fault_set(f, VFSR_REASON_CRC, crc, le32_to_cpu(d->crc));
		return -EBADMSG;
	}
	if (uuid && memcmp(d->pool_uuid, uuid, sizeof(d->pool_uuid)) != 0) {
		vfsr_fault_set(f, VFSR_REASON_UUID, 0, 0);
		return -EUCLEAN;
	}
	trailer_read(d, out);
	if (!trailer_ok(out, f) || !padding_ok(d, out, f))
		return -EUCLEAN;
	return 0;
}
