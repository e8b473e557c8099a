// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checkpoint records between disk and host form (format/super.h).
 *
 * The encoding of a record is unique: what the counts do not cover is zero, and
 * decoding refuses anything else, so that decode followed by encode gives the
 * same bytes. Whether the contents make sense is checked on the host form, in
 * super_check.c. Callers: whoever reads or writes ring slots and commit marks.
 */
#include "core/super.h"

#include "core/bytes.h"
#include "format/map.h"

/* Fixed numbers of this version of the format, beside those with a name. */
#define LOG2_MAP_PAGE	12
#define LOG2_NODE	12
#define LOG2_MAP_ENTRY	5

static_assert(1u << LOG2_MAP_PAGE == VFSR_NODE_BYTES, "map page size");
static_assert(1u << LOG2_NODE == VFSR_NODE_BYTES, "node size");
static_assert(1u << LOG2_MAP_ENTRY == sizeof(struct vfsr_disk_map_entry),
	      "map entry size");

u32 vfsr_super_bytes(const struct vfsr_super *s)
{
	u32 bytes = sizeof(struct vfsr_disk_super);
	u32 i;

	bytes += s->nr_members * (u32)sizeof(struct vfsr_disk_member);
	for (i = 0; i < s->nr_members; i++)
		bytes += s->member[i].nr_index *
			 (u32)sizeof(struct vfsr_disk_index_root);
	bytes += s->nr_open * (u32)sizeof(struct vfsr_disk_open_grid);
	return bytes;
}

static void time_write(const struct vfsr_time *t, struct vfsr_disk_time *d)
{
	d->sec = cpu_to_le64((u64)t->sec);
	d->nsec = cpu_to_le32(t->nsec);
}

static void policy_write(const struct vfsr_policy *p,
			 struct vfsr_disk_policy *d)
{
	d->k = p->k;
	d->m = p->m;
	d->r = cpu_to_le16(p->r);
}

static void map_write(const struct vfsr_super *s, struct vfsr_disk_super *d)
{
	if (s->map_place)
		d->map_len_free =
			cpu_to_le32(s->map_len |
				    min_t(u32, s->map_free, VFSR_CHILD_FREE_MAX)
					    << VFSR_CHILD_LEN_BITS);
	d->map_place = cpu_to_le64(s->map_place);
	d->map_crc = cpu_to_le32(s->map_crc);
	d->map_levels = s->map_levels;
}

static void header_write(const struct vfsr_super *s, struct vfsr_disk_super *d)
{
	d->magic = cpu_to_le32(VFSR_SUPER_MAGIC);
	memcpy(d->pool_uuid, s->pool_uuid, sizeof(d->pool_uuid));
	memcpy(d->metadata_uuid, s->metadata_uuid, sizeof(d->metadata_uuid));
	memcpy(d->hash_key, s->hash_key, sizeof(d->hash_key));
	memcpy(d->label, s->label, strnlen(s->label, VFSR_LABEL_BYTES - 1));
	d->this_member = cpu_to_le16(s->this_member);
	d->nr_members = cpu_to_le16(s->nr_members);
	d->epoch = cpu_to_le64(s->epoch);
	d->sequence = cpu_to_le64(s->sequence);
	d->transaction = cpu_to_le64(s->transaction);
	d->compat = cpu_to_le64(s->compat);
	d->ro_compat = cpu_to_le64(s->ro_compat);
	d->incompat = cpu_to_le64(s->incompat);
	d->sector_shift = VFSR_SECTOR_SHIFT;
	d->page_shift = LOG2_MAP_PAGE;
	d->node_shift = LOG2_NODE;
	d->strip_shift = s->strip_shift;
	d->csum_type = VFSR_CSUM_CRC32C;
	d->parity_type = VFSR_PARITY_RAID6_CAUCHY;
	d->compress_alg = s->compress_alg;
	d->compress_level = s->compress_level;
	d->compress_keep = s->compress_keep;
	d->map_entry_shift = LOG2_MAP_ENTRY;
	d->layout = s->layout;
	d->nr_open = s->nr_open;
	policy_write(&s->data, &d->data);
	policy_write(&s->meta, &d->meta);
	map_write(s, d);
	d->next_id = cpu_to_le64(s->next_id);
	d->next_grid = cpu_to_le64(s->next_grid);
	d->next_serial = cpu_to_le64(s->next_serial);
	d->next_transaction = cpu_to_le64(s->next_transaction);
	d->nr_ids = cpu_to_le64(s->nr_ids);
	d->nr_inodes = cpu_to_le64(s->nr_inodes);
	d->logical_bytes = cpu_to_le64(s->logical_bytes);
	d->live_bytes = cpu_to_le64(s->live_bytes);
	d->wal_tail = cpu_to_le64(s->wal_tail);
	d->quota_root = cpu_to_le64(s->quota_root);
	d->snapshot_root = cpu_to_le64(s->snapshot_root);
	d->forward_root = cpu_to_le64(s->forward_root);
	d->damage_root = cpu_to_le64(s->damage_root);
	time_write(&s->created, &d->created);
	time_write(&s->committed, &d->committed);
}

static void member_write(const struct vfsr_member *m,
			 struct vfsr_disk_member *d)
{
	if (m->state == VFSR_MEMBER_NONE)
		return;
	memcpy(d->uuid, m->uuid, sizeof(d->uuid));
	d->bytes = cpu_to_le64(m->bytes);
	d->ack_epoch = cpu_to_le64(m->ack_epoch);
	d->ack_sequence = cpu_to_le64(m->ack_sequence);
	d->table_sector = cpu_to_le64(m->table_sector);
	d->tail_sector = cpu_to_le64(m->tail_sector);
	d->wal_sector = cpu_to_le64(m->wal_sector);
	d->strip_sector = cpu_to_le64(m->strip_sector);
	d->wal_sectors = cpu_to_le32(m->wal_sectors);
	d->nr_strips = cpu_to_le32(m->nr_strips);
	d->state = m->state;
	d->nr_index = m->nr_index;
}

static void open_write(const struct vfsr_open_grid *o,
		       struct vfsr_disk_open_grid *d)
{
	u32 n = o->policy.k + o->policy.m;
	u32 c;

	d->grid = cpu_to_le64(o->grid);
	policy_write(&o->policy, &d->policy);
	d->layout = o->layout;
	d->use = o->use;
	d->depth = cpu_to_le16((u16)o->depth);
	d->rows_used = cpu_to_le32(o->rows_used);
	d->reserved = o->reserved;
	for (c = 0; c < n; c++) {
		d->strip[c] = cpu_to_le32(o->strip[c]);
		d->device[c] = o->device[c];
	}
	memcpy(d->starts, o->starts, sizeof(d->starts));
}

u32 vfsr_super_encode(const struct vfsr_super *s, void *slot)
{
	struct vfsr_disk_super *d = slot;
	struct vfsr_disk_member *member = (void *)(d + 1);
	struct vfsr_disk_index_root *root = (void *)(member + s->nr_members);
	struct vfsr_disk_open_grid *open;
	u32 bytes = vfsr_super_bytes(s);
	u32 i, j, crc;

	memset(slot, 0, VFSR_SLOT_BYTES);
	header_write(s, d);
	d->bytes = cpu_to_le32(bytes);
	for (i = 0; i < s->nr_members; i++) {
		member_write(&s->member[i], &member[i]);
		for (j = 0; j < s->member[i].nr_index; j++, root++) {
			root->crc = cpu_to_le32(s->member[i].index[j].crc);
			root->slot = cpu_to_le32(s->member[i].index[j].slot);
		}
	}
	open = (void *)root;
	for (i = 0; i < s->nr_open; i++)
		open_write(&s->open[i], &open[i]);
	crc = vfsr_bytes_crc(d, bytes, offsetof(struct vfsr_disk_super, crc));
	d->crc = cpu_to_le32(crc);
	return bytes;
}

static struct vfsr_policy policy_read(const struct vfsr_disk_policy *d)
{
	struct vfsr_policy p = { d->k, d->m, le16_to_cpu(d->r) };

	return p;
}

static struct vfsr_time time_read(const struct vfsr_disk_time *d)
{
	struct vfsr_time t = { (s64)le64_to_cpu(d->sec), le32_to_cpu(d->nsec) };

	return t;
}

static void header_read(const struct vfsr_disk_super *d, struct vfsr_super *s)
{
	u32 len_free = le32_to_cpu(d->map_len_free);

	memcpy(s->pool_uuid, d->pool_uuid, sizeof(s->pool_uuid));
	memcpy(s->metadata_uuid, d->metadata_uuid, sizeof(s->metadata_uuid));
	memcpy(s->hash_key, d->hash_key, sizeof(s->hash_key));
	memcpy(s->label, d->label, sizeof(s->label));
	s->this_member = le16_to_cpu(d->this_member);
	s->nr_members = le16_to_cpu(d->nr_members);
	s->epoch = le64_to_cpu(d->epoch);
	s->sequence = le64_to_cpu(d->sequence);
	s->transaction = le64_to_cpu(d->transaction);
	s->compat = le64_to_cpu(d->compat);
	s->ro_compat = le64_to_cpu(d->ro_compat);
	s->incompat = le64_to_cpu(d->incompat);
	s->strip_shift = d->strip_shift;
	s->compress_alg = d->compress_alg;
	s->compress_level = d->compress_level;
	s->compress_keep = d->compress_keep;
	s->layout = d->layout;
	s->nr_open = d->nr_open;
	s->data = policy_read(&d->data);
	s->meta = policy_read(&d->meta);
	s->map_place = le64_to_cpu(d->map_place);
	s->map_crc = le32_to_cpu(d->map_crc);
	s->map_len = len_free & VFSR_CHILD_LEN_MASK;
	s->map_free = len_free >> VFSR_CHILD_LEN_BITS;
	s->map_levels = d->map_levels;
	s->next_id = le64_to_cpu(d->next_id);
	s->next_grid = le64_to_cpu(d->next_grid);
	s->next_serial = le64_to_cpu(d->next_serial);
	s->next_transaction = le64_to_cpu(d->next_transaction);
	s->nr_ids = le64_to_cpu(d->nr_ids);
	s->nr_inodes = le64_to_cpu(d->nr_inodes);
	s->logical_bytes = le64_to_cpu(d->logical_bytes);
	s->live_bytes = le64_to_cpu(d->live_bytes);
	s->wal_tail = le64_to_cpu(d->wal_tail);
	s->quota_root = le64_to_cpu(d->quota_root);
	s->snapshot_root = le64_to_cpu(d->snapshot_root);
	s->forward_root = le64_to_cpu(d->forward_root);
	s->damage_root = le64_to_cpu(d->damage_root);
	s->created = time_read(&d->created);
	s->committed = time_read(&d->committed);
}

static void member_read(const struct vfsr_disk_member *d, struct vfsr_member *m)
{
	memcpy(m->uuid, d->uuid, sizeof(m->uuid));
	m->bytes = le64_to_cpu(d->bytes);
	m->ack_epoch = le64_to_cpu(d->ack_epoch);
	m->ack_sequence = le64_to_cpu(d->ack_sequence);
	m->table_sector = le64_to_cpu(d->table_sector);
	m->tail_sector = le64_to_cpu(d->tail_sector);
	m->wal_sector = le64_to_cpu(d->wal_sector);
	m->strip_sector = le64_to_cpu(d->strip_sector);
	m->wal_sectors = le32_to_cpu(d->wal_sectors);
	m->nr_strips = le32_to_cpu(d->nr_strips);
	m->state = d->state;
	m->nr_index = d->nr_index;
}

static void open_read(const struct vfsr_disk_open_grid *d,
		      struct vfsr_open_grid *o)
{
	u32 c;

	o->grid = le64_to_cpu(d->grid);
	o->policy = policy_read(&d->policy);
	o->layout = d->layout;
	o->use = d->use;
	o->depth = le16_to_cpu(d->depth);
	o->rows_used = le32_to_cpu(d->rows_used);
	o->reserved = d->reserved;
	for (c = 0; c < VFSR_MAX_COLUMNS; c++) {
		o->strip[c] = le32_to_cpu(d->strip[c]);
		o->device[c] = d->device[c];
	}
	memcpy(o->starts, d->starts, sizeof(o->starts));
}

/* Is this a whole record? Nothing of it is used before. */
static int envelope_check(const struct vfsr_disk_super *d, u32 room,
			  struct vfsr_fault *f)
{
	u32 bytes, crc;

	if (room < sizeof(*d)) {
		vfsr_fault_set(f, VFSR_REASON_SIZE, room, sizeof(*d));
		return -EUCLEAN;
	}
	if (le32_to_cpu(d->magic) != VFSR_SUPER_MAGIC) {
		vfsr_fault_set(f, VFSR_REASON_MAGIC, le32_to_cpu(d->magic),
			       VFSR_SUPER_MAGIC);
		return -EBADMSG;
	}
	bytes = le32_to_cpu(d->bytes);
	if (bytes < sizeof(*d) || bytes > room || bytes > VFSR_SLOT_BYTES) {
		vfsr_fault_set(f, VFSR_REASON_SIZE, bytes, room);
		return -EUCLEAN;
	}
	crc = vfsr_bytes_crc(d, bytes, offsetof(struct vfsr_disk_super, crc));
	if (crc != le32_to_cpu(d->crc)) {
		vfsr_fault_set(f, VFSR_REASON_CRC, crc, le32_to_cpu(d->crc));
		return -EBADMSG;
	}
	return 0;
}

/* Numbers that other versions of the format may choose otherwise. */
static bool features_ok(const struct vfsr_disk_super *d, struct vfsr_fault *f)
{
	const struct {
		u64 have, want;
	} fixed[] = {
		{ le64_to_cpu(d->incompat) & ~VFSR_INCOMPAT_KNOWN, 0 },
		{ d->sector_shift, VFSR_SECTOR_SHIFT },
		{ d->page_shift, LOG2_MAP_PAGE },
		{ d->node_shift, LOG2_NODE },
		{ d->csum_type, VFSR_CSUM_CRC32C },
		{ d->parity_type, VFSR_PARITY_RAID6_CAUCHY },
		{ d->map_entry_shift, LOG2_MAP_ENTRY },
		{ le16_to_cpu(d->casefold), 0 },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(fixed); i++) {
		if (fixed[i].have != fixed[i].want)
			return vfsr_fault_set(f, VFSR_REASON_FEATURE,
					      fixed[i].have, fixed[i].want);
	}
	return true;
}

static bool header_padding_ok(const struct vfsr_disk_super *d,
			      struct vfsr_fault *f)
{
	size_t label = strnlen((const char *)d->label, sizeof(d->label));

	if (label == sizeof(d->label))
		return vfsr_fault_set(f, VFSR_REASON_NAME, label,
				      sizeof(d->label) - 1);
	if (d->pad0 || d->created.pad || d->committed.pad ||
	    !vfsr_bytes_zero(d->pad1, sizeof(d->pad1)) ||
	    !vfsr_bytes_zero(d->spare, sizeof(d->spare)) ||
	    !vfsr_bytes_zero(d->label + label, sizeof(d->label) - label))
		return vfsr_fault_set(f, VFSR_REASON_PADDING, 1, 0);
	return true;
}

static bool members_read(const struct vfsr_disk_member *d, struct vfsr_super *s,
			 struct vfsr_fault *f)
{
	u32 i;

	for (i = 0; i < s->nr_members; i++) {
		member_read(&d[i], &s->member[i]);
		if (s->member[i].nr_index > VFSR_MAX_INDEX_BLOCKS) {
			vfsr_fault_set(f, VFSR_REASON_SIZE,
				       s->member[i].nr_index,
				       VFSR_MAX_INDEX_BLOCKS);
			goto bad;
		}
		if (!vfsr_bytes_zero(d[i].pad, sizeof(d[i].pad))) {
			vfsr_fault_set(f, VFSR_REASON_PADDING, 1, 0);
			goto bad;
		}
	}
	return true;
bad:
	if (f)
		f->where = i;
	return false;
}

static bool opens_read(const struct vfsr_disk_open_grid *d,
		       struct vfsr_super *s, struct vfsr_fault *f)
{
	u32 i;

	for (i = 0; i < s->nr_open; i++) {
		open_read(&d[i], &s->open[i]);
		if (vfsr_bytes_zero(d[i].pad, sizeof(d[i].pad)))
			continue;
		vfsr_fault_set(f, VFSR_REASON_PADDING, 1, 0);
		if (f)
			f->where = i;
		return false;
	}
	return true;
}

/*
 * Read all tables. The counts say how long the record is, and each count is
 * used only after what it counts is known to lie within the record.
 */
static bool tables_read(const struct vfsr_disk_super *d, struct vfsr_super *s,
			struct vfsr_fault *f)
{
	const struct vfsr_disk_member *member = (const void *)(d + 1);
	const struct vfsr_disk_index_root *root;
	u32 bytes = le32_to_cpu(d->bytes);
	u32 i, j;

	if (!s->nr_members || s->nr_members > VFSR_MAX_MEMBERS)
		return vfsr_fault_set(f, VFSR_REASON_SIZE, s->nr_members,
				      VFSR_MAX_MEMBERS);
	if (s->nr_open > VFSR_MAX_OPEN_GRIDS)
		return vfsr_fault_set(f, VFSR_REASON_SIZE, s->nr_open,
				      VFSR_MAX_OPEN_GRIDS);
	if (bytes < sizeof(*d) + s->nr_members * sizeof(*member))
		return vfsr_fault_set(f, VFSR_REASON_SIZE, bytes,
				      sizeof(*d) +
					      s->nr_members * sizeof(*member));
	if (!members_read(member, s, f))
		return false;
	if (bytes != vfsr_super_bytes(s))
		return vfsr_fault_set(f, VFSR_REASON_SIZE, bytes,
				      vfsr_super_bytes(s));
	root = (const void *)(member + s->nr_members);
	for (i = 0; i < s->nr_members; i++) {
		for (j = 0; j < s->member[i].nr_index; j++, root++) {
			s->member[i].index[j].crc = le32_to_cpu(root->crc);
			s->member[i].index[j].slot = le32_to_cpu(root->slot);
		}
	}
	return opens_read((const void *)root, s, f);
}

int vfsr_super_decode(const void *slot, u32 room, struct vfsr_super *out,
		      struct vfsr_fault *f)
{
	const struct vfsr_disk_super *d = slot;
	int err = envelope_check(d, room, f);

	if (err)
		return err;
	if (!features_ok(d, f))
		return -EOPNOTSUPP;
	if (!header_padding_ok(d, f))
		return -EUCLEAN;
	memset(out, 0, sizeof(*out));
	header_read(d, out);
	if (!tables_read(d, out, f) || !vfsr_super_ok(out, f))
		return -EUCLEAN;
	return 0;
}
