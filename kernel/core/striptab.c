// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blocks of the strip-table region between disk and host form: the head that
 * all kinds share, strip entries, live counts, and the references of index
 * blocks. A block's crc stands both in it and in the reference to it, so that
 * an older version of the same block is told from the one committed.
 */
#include "core/striptab.h"

#include "format/super.h"

static void *body_of(void *block)
{
	return (u8 *)block + sizeof(struct vfsr_disk_table_head);
}

static const void *body_of_const(const void *block)
{
	return (const u8 *)block + sizeof(struct vfsr_disk_table_head);
}

/* crc32c of a block, its own crc field as zero. */
static u32 block_crc(const void *block)
{
	const size_t at = offsetof(struct vfsr_disk_table_head, crc);
	const __le32 zero = 0;
	const u8 *p = block;
	u32 crc;

	crc = vfsr_port_crc32c(0, p, at);
	crc = vfsr_port_crc32c(crc, &zero, sizeof(zero));
	return vfsr_port_crc32c(crc, p + at + sizeof(zero),
				VFSR_SECTOR_BYTES - at - sizeof(zero));
}

u32 vfsr_table_seal(const struct vfsr_table_head *h, void *block)
{
	struct vfsr_disk_table_head *head = block;
	u32 crc;

	memset(head, 0, sizeof(*head));
	head->magic = cpu_to_le32(VFSR_TABLE_MAGIC);
	memcpy(head->pool_uuid, h->pool_uuid, sizeof(head->pool_uuid));
	head->member = cpu_to_le16(h->member);
	head->kind = h->kind;
	head->block = cpu_to_le32(h->block);
	head->transaction = cpu_to_le64(h->transaction);
	crc = block_crc(block);
	head->crc = cpu_to_le32(crc);
	return crc;
}

static bool head_ok(const struct vfsr_disk_table_head *head,
		    const struct vfsr_table_head *want, struct vfsr_fault *f)
{
	static const u8 zero[sizeof(head->pad1)];

	if (memcmp(head->pool_uuid, want->pool_uuid, sizeof(head->pool_uuid)) !=
	    0)
		return vfsr_fault_set(f, VFSR_REASON_UUID, 0, 0);
	if (le16_to_cpu(head->member) != want->member)
		return vfsr_fault_set(f, VFSR_REASON_SELF,
				      le16_to_cpu(head->member), want->member);
	if (head->kind != want->kind)
		return vfsr_fault_set(f, VFSR_REASON_SELF, head->kind,
				      want->kind);
	if (le32_to_cpu(head->block) != want->block)
		return vfsr_fault_set(f, VFSR_REASON_SELF,
				      le32_to_cpu(head->block), want->block);
	if (head->pad0 || memcmp(head->pad1, zero, sizeof(zero)) != 0)
		return vfsr_fault_set(f, VFSR_REASON_PADDING, 1, 0);
	return true;
}

int vfsr_table_check(const void *block, struct vfsr_table_head *want,
		     u32 want_crc, struct vfsr_fault *f)
{
	const struct vfsr_disk_table_head *head = block;
	u32 crc;

	if (le32_to_cpu(head->magic) != VFSR_TABLE_MAGIC) {
		vfsr_fault_set(f, VFSR_REASON_MAGIC, le32_to_cpu(head->magic),
			       VFSR_TABLE_MAGIC);
		return -EBADMSG;
	}
	crc = block_crc(block);
	if (crc != le32_to_cpu(head->crc)) {
		vfsr_fault_set(f, VFSR_REASON_CRC, crc, le32_to_cpu(head->crc));
		return -EBADMSG;
	}
	if (crc != want_crc) {
		vfsr_fault_set(f, VFSR_REASON_CRC, crc, want_crc);
		return -EBADMSG;
	}
	if (!head_ok(head, want, f))
		return -EUCLEAN;
	want->transaction = le64_to_cpu(head->transaction);
	return 0;
}

void vfsr_strip_encode(const struct vfsr_strip *s, void *block, unsigned int i)
{
	struct vfsr_disk_strip *d =
		(struct vfsr_disk_strip *)body_of(block) + i;

	memset(d, 0, sizeof(*d));
	if (!s->grid)
		return;
	d->grid = cpu_to_le64(s->grid);
	d->column = s->column;
	d->state = s->state;
	d->layout = s->layout;
	d->use = s->use;
	d->policy.k = s->policy.k;
	d->policy.m = s->policy.m;
	d->policy.r = cpu_to_le16(s->policy.r);
	d->transaction = cpu_to_le64(s->transaction);
}

static bool strip_ok(const struct vfsr_strip *s, unsigned int strip_shift,
		     struct vfsr_fault *f)
{
	if (s->grid > VFSR_MAX_GRID)
		return vfsr_fault_set(f, VFSR_REASON_RANGE, s->grid,
				      VFSR_MAX_GRID);
	if (s->state == VFSR_STRIP_FREE || s->state >= VFSR_NR_STRIP_STATES)
		return vfsr_fault_set(f, VFSR_REASON_STRIP, s->state,
				      VFSR_NR_STRIP_STATES - 1);
	if (s->use >= VFSR_NR_USES)
		return vfsr_fault_set(f, VFSR_REASON_STRIP, s->use,
				      VFSR_NR_USES - 1);
	if (s->layout >= VFSR_NR_LAYOUTS)
		return vfsr_fault_set(f, VFSR_REASON_GEOMETRY, s->layout,
				      VFSR_NR_LAYOUTS - 1);
	if (!vfsr_policy_ok(&s->policy, strip_shift, f))
		return false;
	if (s->column >= s->policy.k + s->policy.m)
		return vfsr_fault_set(f, VFSR_REASON_GEOMETRY, s->column,
				      s->policy.k + s->policy.m - 1);
	return true;
}

int vfsr_strip_decode(const void *block, unsigned int i,
		      unsigned int strip_shift, struct vfsr_strip *out,
		      struct vfsr_fault *f)
{
	static const struct vfsr_disk_strip empty;
	const struct vfsr_disk_strip *d = body_of_const(block);

	memset(out, 0, sizeof(*out));
	d += i;
	if (!d->grid && memcmp(d, &empty, sizeof(empty)) == 0)
		return 0;
	if (!d->grid || memcmp(d->pad, empty.pad, sizeof(d->pad)) != 0) {
		vfsr_fault_set(f, VFSR_REASON_PADDING, 1, 0);
		goto bad;
	}
	out->grid = le64_to_cpu(d->grid);
	out->column = d->column;
	out->state = d->state;
	out->layout = d->layout;
	out->use = d->use;
	out->policy.k = d->policy.k;
	out->policy.m = d->policy.m;
	out->policy.r = le16_to_cpu(d->policy.r);
	out->transaction = le64_to_cpu(d->transaction);
	if (strip_ok(out, strip_shift, f))
		return 0;
bad:
	if (f)
		f->where = i;
	return -EUCLEAN;
}

void vfsr_live_set(void *block, unsigned int i, u32 live_bytes)
{
	((__le32 *)body_of(block))[i] = cpu_to_le32(live_bytes);
}

u32 vfsr_live_get(const void *block, unsigned int i)
{
	return le32_to_cpu(((const __le32 *)body_of_const(block))[i]);
}

void vfsr_ref_set(void *block, unsigned int i, const struct vfsr_table_ref *ref)
{
	struct vfsr_disk_table_ref *d = body_of(block);

	d[i].crc = cpu_to_le32(ref->crc);
	d[i].slot = cpu_to_le32(ref->slot);
}

int vfsr_ref_get(const void *block, unsigned int i, struct vfsr_table_ref *ref,
		 struct vfsr_fault *f)
{
	const struct vfsr_disk_table_ref *d = body_of_const(block);

	ref->crc = le32_to_cpu(d[i].crc);
	ref->slot = le32_to_cpu(d[i].slot);
	if (ref->slot <= 1)
		return 0;
	vfsr_fault_set(f, VFSR_REASON_RANGE, ref->slot, 1);
	if (f)
		f->where = i;
	return -EUCLEAN;
}
