// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stripe builder and reader of entry tables (format/footer.h).
 *
 * While a stripe is built, aligned chunks grow upward from sector 1 and all
 * others downward from the last sector, where a footer will be; entries are
 * encoded aside and their bytes are counted as used, so that closing never
 * fails. Invariant: aligned_end sectors, the encoded entries and the bytes
 * from tail_start on always fit the data area of the full depth.
 *
 * The reader takes nothing for granted but the bounds that
 * vfsr_footer_decode() checked, and accepts one encoding of each entry only.
 */
#include "core/pack.h"

#include "core/mappage.h"

#define VARINT_BITS	7
#define VARINT_MORE	0x80u
#define VARINT_LAST_SHIFT 63	/* of the tenth byte, which has one bit */

/* 2^63 bytes, the end of all files, in sectors */
#define MAX_OFFSET_SECTORS ((1ull << 63) >> VFSR_SECTOR_SHIFT)

static u64 zigzag(u64 delta)
{
	return delta << 1 ^ (0 - (delta >> 63));
}

static u64 unzigzag(u64 v)
{
	return v >> 1 ^ (0 - (v & 1));
}

static u8 *put_varint(u8 *p, u64 v)
{
	while (v >= VARINT_MORE) {
		*p++ = (u8)(v | VARINT_MORE);
		v >>= VARINT_BITS;
	}
	*p++ = (u8)v;
	return p;
}

static u8 *put_le32(u8 *p, u32 v)
{
	const __le32 le = cpu_to_le32(v);

	memcpy(p, &le, sizeof(le));
	return p + sizeof(le);
}

/* Sectors of the data area are counted from 0; the first is a footer. */
void vfsr_pack_init(struct vfsr_pack *p, u8 *data, u32 nr_sectors, u8 *entries,
		    u32 entries_room, u64 transaction)
{
	memset(p, 0, sizeof(*p));
	p->data = data;
	p->entries = entries;
	p->entries_room = entries_room;
	p->nr_sectors = nr_sectors;
	p->aligned_end = 1;
	p->tail_start = (nr_sectors - 1) * VFSR_SECTOR_BYTES;
	p->transaction = transaction;
}

u32 vfsr_pack_gap(const struct vfsr_pack *p)
{
	return p->tail_start - p->entries_bytes -
	       p->aligned_end * VFSR_SECTOR_BYTES;
}

u32 vfsr_pack_room(const struct vfsr_pack *p, bool aligned)
{
	u32 gap = vfsr_pack_gap(p);

	if (p->entries_room - p->entries_bytes < VFSR_ENTRY_MAX_BYTES ||
	    gap <= VFSR_ENTRY_MAX_BYTES)
		return 0;
	gap -= VFSR_ENTRY_MAX_BYTES;
	return aligned ? gap & ~(VFSR_SECTOR_BYTES - 1) : gap;
}

/* Encode an entry, at most VFSR_ENTRY_MAX_BYTES; returns its length. */
static u32 entry_encode(const struct vfsr_pack *p, const struct vfsr_chunk *c,
			bool aligned, u8 *buf)
{
	bool compressed = c->state == VFSR_STATE_COMPRESSED;
	u8 flags = c->kind & VFSR_ENTRY_KIND_MASK;
	u8 *pos = buf + 1;

	pos = put_varint(pos, zigzag(c->id - p->prev_id));
	pos = put_varint(pos, c->stored);
	if (compressed) {
		flags |= VFSR_ENTRY_COMPRESSED;
		pos = put_varint(pos, c->logical);
		*pos++ = c->alg;
	}
	if (aligned)
		flags |= VFSR_ENTRY_ALIGNED;
	if (c->owner != c->id) {
		flags |= VFSR_ENTRY_OWNER;
		pos = put_varint(pos, zigzag(c->owner - c->id));
	}
	if (c->offset) {
		flags |= VFSR_ENTRY_OFFSET;
		pos = put_varint(pos, c->offset >> VFSR_SECTOR_SHIFT);
	}
	if (c->birth != p->transaction) {
		flags |= VFSR_ENTRY_OLD;
		pos = put_varint(pos, p->transaction - c->birth);
	}
	pos = put_le32(pos, c->crc);
	buf[0] = flags;
	return (u32)(pos - buf);
}

int vfsr_pack_add(struct vfsr_pack *p, const struct vfsr_chunk *c,
		  const void *stored)
{
	bool aligned = vfsr_pack_aligned(c->state, c->stored);
	u8 entry[VFSR_ENTRY_MAX_BYTES];
	u32 bytes = entry_encode(p, c, aligned, entry);
	u32 gap = vfsr_pack_gap(p);

	if (bytes > p->entries_room - p->entries_bytes || bytes > gap ||
	    c->stored > gap - bytes)
		return -ENOSPC;
	if (aligned) {
		memcpy(p->data + p->aligned_end * VFSR_SECTOR_BYTES, stored,
		       c->stored);
		p->aligned_end += c->stored >> VFSR_SECTOR_SHIFT;
	} else {
		p->tail_start -= c->stored;
		memcpy(p->data + p->tail_start, stored, c->stored);
	}
	memcpy(p->entries + p->entries_bytes, entry, bytes);
	p->entries_bytes += bytes;
	p->nr_entries++;
	p->prev_id = c->id;
	return 0;
}

/* Bytes of the downward chunks. */
static u32 tail_bytes_of(const struct vfsr_pack *p)
{
	return (p->nr_sectors - 1) * VFSR_SECTOR_BYTES - p->tail_start;
}

u32 vfsr_pack_depth(const struct vfsr_pack *p, u32 k)
{
	u32 used = p->aligned_end * VFSR_SECTOR_BYTES + p->entries_bytes +
		   tail_bytes_of(p);
	u32 sectors = DIV_ROUND_UP(used, VFSR_SECTOR_BYTES) + 1;

	sectors = max_t(u32, sectors, VFSR_MIN_STRIPE_SECTORS);
	return DIV_ROUND_UP(sectors, k);
}

void vfsr_pack_close(struct vfsr_pack *p, u32 k, struct vfsr_pack_result *out)
{
	u32 aligned_bytes = p->aligned_end * VFSR_SECTOR_BYTES;
	u32 tail_bytes = tail_bytes_of(p);
	u32 top;

	out->depth = vfsr_pack_depth(p, k);
	p->nr_sectors = out->depth * k;
	top = (p->nr_sectors - 1) * VFSR_SECTOR_BYTES;
	memmove(p->data + top - tail_bytes, p->data + p->tail_start,
		tail_bytes);
	p->tail_start = top - tail_bytes;

	out->entries_bytes = p->entries_bytes;
	out->entries_start = p->tail_start - p->entries_bytes;
	out->entries_crc = vfsr_port_crc32c(0, p->entries, p->entries_bytes);
	out->nr_entries = p->nr_entries;
	out->aligned_end = p->aligned_end;
	memcpy(p->data + out->entries_start, p->entries, p->entries_bytes);

	memset(p->data, 0, VFSR_SECTOR_BYTES);
	memset(p->data + aligned_bytes, 0, out->entries_start - aligned_bytes);
	memset(p->data + top, 0, VFSR_SECTOR_BYTES);
}

void vfsr_entries_init(struct vfsr_entries *e, const u8 *table, u32 bytes,
		       u32 nr_entries, u32 k, u32 row, u32 depth,
		       u32 entries_start, u64 transaction, u64 grid)
{
	memset(e, 0, sizeof(*e));
	e->pos = table;
	e->end = table + bytes;
	e->left = nr_entries;
	e->aligned_sector = 1;
	e->nr_sectors = k * depth;
	e->tail = (e->nr_sectors - 1) * VFSR_SECTOR_BYTES;
	e->low = entries_start;
	e->tail_low = entries_start + bytes;
	e->transaction = transaction;
	e->grid = grid;
	e->base_sector = row * k;
}

/* Read a varint of at most 64 bits in its shortest form. */
static bool get_varint(struct vfsr_entries *e, u64 *v)
{
	unsigned int shift;
	u8 byte;

	*v = 0;
	for (shift = 0; shift <= VARINT_LAST_SHIFT; shift += VARINT_BITS) {
		if (e->pos == e->end)
			return false;
		byte = *e->pos++;
		if (shift == VARINT_LAST_SHIFT && byte > 1)
			return false;
		*v |= (u64)(byte & ~VARINT_MORE) << shift;
		if (!(byte & VARINT_MORE))
			return byte || !shift;
	}
	return false;
}

static bool get_u32(struct vfsr_entries *e, u32 *v)
{
	u64 wide;

	if (!get_varint(e, &wide) || wide > VFSR_CHUNK_BYTES)
		return false;
	*v = (u32)wide;
	return true;
}

/* Optional fields: absent means zero, so a zero that is there is malformed. */
static bool get_optional(struct vfsr_entries *e, bool present, u64 *v)
{
	*v = 0;
	return !present || (get_varint(e, v) && *v);
}

/* Read the fields of one entry; ranges are checked by the caller. */
static bool entry_fields(struct vfsr_entries *e, u8 flags, struct vfsr_chunk *c,
			 u64 *offset_sectors, u64 *age)
{
	u64 delta;
	__le32 crc;

	if (!get_varint(e, &delta))
		return false;
	c->id = e->prev_id + unzigzag(delta);
	if (!get_u32(e, &c->stored))
		return false;
	c->logical = c->stored;
	if (flags & VFSR_ENTRY_COMPRESSED) {
		if (!get_u32(e, &c->logical) || e->pos == e->end)
			return false;
		c->alg = *e->pos++;
		c->state = VFSR_STATE_COMPRESSED;
	}
	if (!get_optional(e, flags & VFSR_ENTRY_OWNER, &delta))
		return false;
	c->owner = c->id + unzigzag(delta);
	if (!get_optional(e, flags & VFSR_ENTRY_OFFSET, offset_sectors) ||
	    !get_optional(e, flags & VFSR_ENTRY_OLD, age) ||
	    e->end - e->pos < (ptrdiff_t)sizeof(crc))
		return false;
	memcpy(&crc, e->pos, sizeof(crc));
	e->pos += sizeof(crc);
	c->crc = le32_to_cpu(crc);
	return true;
}

/*
 * Map pages and commit marks are not in the map: their ids are of their own
 * (0 for the first leaf), and they may name themselves as owner.
 */
static bool ids_ok(const struct vfsr_chunk *c, struct vfsr_fault *f)
{
	bool listed = c->kind != VFSR_KIND_MAP && c->kind != VFSR_KIND_COMMIT;
	u64 max = VFSR_MAX_ID;

	if (c->kind == VFSR_KIND_MAP)
		max = vfsr_map_chunk_id(VFSR_MAP_MAX_LEVELS - 1, VFSR_MAX_ID);
	if (c->id > max || (listed && !c->id))
		return vfsr_fault_set(f, VFSR_REASON_RANGE, c->id, max);
	if (c->owner == c->id)
		return true;
	if (c->owner > VFSR_MAX_ID || (listed && !c->owner))
		return vfsr_fault_set(f, VFSR_REASON_RANGE, c->owner,
				      VFSR_MAX_ID);
	return true;
}

/* Give the chunk its place in the stripe. */
static bool take_space(struct vfsr_entries *e, bool aligned,
		       struct vfsr_chunk *c, struct vfsr_fault *f)
{
	u32 sectors = c->stored >> VFSR_SECTOR_SHIFT;
	u32 byte, room;

	if (aligned) {
		if (!vfsr_pack_aligned(c->state, c->stored))
			return vfsr_fault_set(f, VFSR_REASON_SIZE, c->stored,
					      VFSR_SECTOR_BYTES);
		room = (e->low >> VFSR_SECTOR_SHIFT) - e->aligned_sector;
		if (sectors > room)
			return vfsr_fault_set(f, VFSR_REASON_SIZE, sectors,
					      room);
		byte = e->aligned_sector * VFSR_SECTOR_BYTES;
		e->aligned_sector += sectors;
	} else {
		room = e->tail - e->tail_low;
		if (c->stored > room)
			return vfsr_fault_set(f, VFSR_REASON_SIZE, c->stored,
					      room);
		e->tail -= c->stored;
		byte = e->tail;
	}
	c->place = vfsr_place_make(e->grid,
				   e->base_sector + (byte >> VFSR_SECTOR_SHIFT),
				   byte & (VFSR_SECTOR_BYTES - 1));
	return true;
}

static bool entry_next(struct vfsr_entries *e, struct vfsr_chunk *c,
		       struct vfsr_fault *f)
{
	u64 offset_sectors, age;
	u8 flags;

	if (e->pos == e->end)
		return vfsr_fault_set(f, VFSR_REASON_SIZE, 0, e->left);
	flags = *e->pos++;
	c->kind = flags & VFSR_ENTRY_KIND_MASK;
	if (!entry_fields(e, flags, c, &offset_sectors, &age))
		return vfsr_fault_set(f, VFSR_REASON_SIZE,
				      (u64)(e->end - e->pos), e->left);
	if (!vfsr_chunk_ok(c, f) || !ids_ok(c, f))
		return false;
	if (offset_sectors >= MAX_OFFSET_SECTORS)
		return vfsr_fault_set(f, VFSR_REASON_RANGE, offset_sectors,
				      MAX_OFFSET_SECTORS - 1);
	c->offset = offset_sectors << VFSR_SECTOR_SHIFT;
	if (age >= e->transaction)
		return vfsr_fault_set(f, VFSR_REASON_RANGE, age,
				      e->transaction - 1);
	c->birth = e->transaction - age;
	return take_space(e, flags & VFSR_ENTRY_ALIGNED, c, f);
}

/* After the last entry nothing of the table or the downward area is left. */
static int entries_end(const struct vfsr_entries *e, struct vfsr_fault *f)
{
	if (e->pos != e->end) {
		vfsr_fault_set(f, VFSR_REASON_SIZE, (u64)(e->end - e->pos), 0);
		return -EUCLEAN;
	}
	if (e->tail != e->tail_low) {
		vfsr_fault_set(f, VFSR_REASON_SIZE, e->tail, e->tail_low);
		return -EUCLEAN;
	}
	return 0;
}

int vfsr_entries_next(struct vfsr_entries *e, struct vfsr_chunk *c,
		      struct vfsr_fault *f)
{
	memset(c, 0, sizeof(*c));
	if (!e->left)
		return entries_end(e, f);
	if (!entry_next(e, c, f)) {
		if (f)
			f->where = e->index;
		return -EUCLEAN;
	}
	e->left--;
	e->index++;
	e->prev_id = c->id;
	return 1;
}
