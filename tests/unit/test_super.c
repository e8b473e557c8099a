// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checkpoint records: round trip of the largest one, golden bytes, each check by
 * one impossible field, mutants with a valid crc; and the layout of devices.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "core/super.h"
#include "prng.h"

/* Records are far too large for a stack. */
static struct vfsr_super a, b;
static union {
	u8 bytes[VFSR_SLOT_BYTES];
	struct vfsr_disk_super d;
} slot, again;

static void reseal(void)
{
	slot.d.crc = cpu_to_le32(
		vfsr_bytes_crc(&slot, le32_to_cpu(slot.d.bytes),
			       offsetof(struct vfsr_disk_super, crc)));
}

static void member_init(struct vfsr_member *m, u32 i, u64 bytes,
			unsigned int strip_shift)
{
	struct vfsr_device_layout l;
	u32 j;

	assert_int_equal(vfsr_device_layout(bytes, strip_shift, &l), 0);
	memset(m->uuid, (int)(0x40 + i), sizeof(m->uuid));
	m->bytes = bytes;
	m->ack_epoch = 4;
	m->ack_sequence = 1000 + i % 2;
	m->table_sector = l.table_sector;
	m->tail_sector = l.tail_sector;
	m->strip_sector = l.strip_sector;
	m->nr_strips = l.nr_strips;
	m->state = VFSR_MEMBER_ACTIVE;
	m->nr_index = (u8)l.nr_index;
	for (j = 0; j < l.nr_index; j++) {
		m->index[j].crc = 0x1000 * i + j;
		m->index[j].slot = j & 1;
	}
}

static void open_init(struct vfsr_super *s, u32 i, struct vfsr_policy p,
		      u32 rows_used)
{
	struct vfsr_open_grid *o = &s->open[i];
	struct vfsr_geometry g;
	u32 c;

	memset(o, 0, sizeof(*o));
	assert_int_equal(vfsr_geometry_init(&g, &p, s->strip_shift,
					    VFSR_LAYOUT_SPREAD, NULL),
			 0);
	o->grid = 100 + i;
	o->policy = p;
	o->use = (u8)(i % VFSR_NR_USES);
	o->depth = g.depth;
	o->rows_used = min_t(u32, rows_used, g.data_rows);
	o->reserved = !rows_used;
	for (c = 0; c < g.n; c++) {
		o->strip[c] = i * VFSR_MAX_COLUMNS + c;
		o->device[c] = (u8)(c % s->nr_members);
	}
	for (c = 0; c < o->rows_used; c += g.depth)
		vfsr_starts_set(o->starts, c);
}

/* A pool in use, of so many members and open grids. */
static void super_init(struct vfsr_super *s, u32 nr_members, u32 nr_open,
		       u64 bytes, unsigned int strip_shift,
		       struct vfsr_policy p)
{
	u32 i;

	memset(s, 0, sizeof(*s));
	memset(s->pool_uuid, 0x11, sizeof(s->pool_uuid));
	memset(s->metadata_uuid, 0x22, sizeof(s->metadata_uuid));
	memset(s->hash_key, 0x33, sizeof(s->hash_key));
	strcpy(s->label, "archive");
	s->this_member = (u16)(nr_members - 1);
	s->nr_members = (u16)nr_members;
	s->epoch = 4;
	s->sequence = 1001;
	s->transaction = 500;
	s->strip_shift = (u8)strip_shift;
	s->compress_alg = VFSR_ALG_ZLIB;
	s->compress_level = 1;
	s->compress_keep = 80;
	s->data = p;
	s->meta = (struct vfsr_policy){ 1, 2, 1 };
	s->map_place = vfsr_place_make(99, 17, 333);
	s->map_crc = 0xcafe;
	s->map_len = 700;
	s->map_free = 1234;
	s->map_levels = 2;
	s->next_id = 30000;
	s->next_grid = 200;
	s->next_serial = 7000;
	s->next_transaction = 600;
	s->nr_ids = 20000;
	s->nr_inodes = 15000;
	s->logical_bytes = 1ull << 40;
	s->live_bytes = 1ull << 39;
	s->quota_root = 20;
	s->snapshot_root = 21;
	s->forward_root = 22;
	s->damage_root = 29999;
	s->created = (struct vfsr_time){ -5, 999999999 };
	s->committed = (struct vfsr_time){ 1700000000, 1 };
	for (i = 0; i < nr_members; i++)
		member_init(&s->member[i], i, bytes, strip_shift);
	for (i = 0; i < nr_open; i++)
		open_init(s, i, p, i * 3);
	s->nr_open = (u8)nr_open;
}

/* Members of 4 GiB with strips of 1 MiB. */
static void small_init(struct vfsr_super *s, u32 nr_members, u32 nr_open)
{
	super_init(s, nr_members, nr_open, 4ull << 30, 20,
		   (struct vfsr_policy){ 4, 1, 1 });
}

static void round_trip(void)
{
	struct vfsr_fault f = { 0 };
	u32 bytes;

	memset(&slot, 0xff, sizeof(slot));
	memset(&b, 0xff, sizeof(b));
	bytes = vfsr_super_encode(&a, &slot);
	assert_int_equal(bytes, vfsr_super_bytes(&a));
	assert_true(bytes <= VFSR_SLOT_BYTES);
	assert_true(
		vfsr_bytes_zero(slot.bytes + bytes, VFSR_SLOT_BYTES - bytes));
	if (vfsr_super_decode(&slot, bytes, &b, &f))
		fail_msg("%s: have %llu, want %llu at %llu",
			 vfsr_reason_name(f.reason), (unsigned long long)f.have,
			 (unsigned long long)f.want,
			 (unsigned long long)f.where);
	/* these have no padding but what was zeroed; the bytes tell the rest */
	assert_memory_equal(a.member, b.member, sizeof(a.member));
	assert_memory_equal(a.open, b.open, sizeof(a.open));
	assert_int_equal(vfsr_super_encode(&b, &again), bytes);
	assert_memory_equal(&slot, &again, sizeof(slot));
	assert_int_equal(vfsr_super_decode(&slot, bytes - 1, &b, &f), -EUCLEAN);
	assert_int_equal(f.reason, VFSR_REASON_SIZE);
}

static void records_round_trip(void **state)
{
	(void)state;
	small_init(&a, 1, 0);
	round_trip();
	small_init(&a, 5, 7);
	round_trip();
	/* a fresh pool has no map */
	small_init(&a, 2, 0);
	a.map_place = 0;
	a.map_crc = a.map_len = a.map_free = a.map_levels = 0;
	a.transaction = 0;
	a.next_transaction = 1;
	round_trip();
	/* places in the member table may be free */
	small_init(&a, 3, 0);
	memset(&a.member[1], 0, sizeof(a.member[1]));
	round_trip();
	/* a log, as far as there is space before the strips */
	small_init(&a, 1, 0);
	a.member[0].wal_sector = a.member[0].strip_sector - 3;
	a.member[0].wal_sectors = 3;
	round_trip();
}

static void the_largest_record_fits(void **state)
{
	(void)state;
	super_init(&a, VFSR_MAX_MEMBERS, VFSR_MAX_OPEN_GRIDS, 1ull << 60, 20,
		   (struct vfsr_policy){ 26, 6, 16 });
	assert_int_equal(a.member[0].nr_index, VFSR_MAX_INDEX_BLOCKS);
	assert_int_equal(a.member[0].nr_strips, VFSR_MAX_STRIPS);
	memset(a.label, 'x', VFSR_LABEL_BYTES - 1);
	a.next_id = VFSR_MAX_ID + 1;
	a.next_grid = VFSR_MAX_GRID + 1;
	a.map_place = vfsr_place_make(VFSR_MAX_GRID, 65535, 4095);
	a.map_levels = VFSR_MAP_MAX_LEVELS;
	a.map_free = VFSR_CHILD_FREE_MAX;
	a.map_len = VFSR_NODE_BYTES;
	round_trip();
	assert_int_equal(vfsr_super_bytes(&a),
			 512 + 64 * 128 + 64 * 19 * 8 + 32 * 704);
}

static void records_are_golden(void **state)
{
	static const u8 want[232] = {
		0x56, 0x46, 0x53, 0x52, 0x51, 0x51, 0xed, 0x9b, 0x11, 0x11,
		0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
		0x11, 0x11, 0x11, 0x11, 0x90, 0x08, 0x00, 0x00, 0x01, 0x00,
		0x02, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0xe9, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xf4, 0x01,
		0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22,
		0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x33, 0x33, 0x33, 0x33,
		0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33,
		0x33, 0x33, 0x61, 0x72, 0x63, 0x68, 0x69, 0x76, 0x65, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0c, 0x0c, 0x0c, 0x14,
		0x01, 0x01, 0x01, 0x01, 0x50, 0x05, 0x00, 0x02, 0x00, 0x00,
		0x00, 0x00, 0x04, 0x01, 0x01, 0x00, 0x01, 0x02, 0x01, 0x00,
		0x4d, 0x11, 0x01, 0x30, 0x06, 0x00, 0x00, 0x00, 0xfe, 0xca,
		0x00, 0x00, 0xbc, 0x42, 0x9a, 0x00, 0x02, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x30, 0x75, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x00,
	};
	u32 bytes;

	(void)state;
	small_init(&a, 2, 2);
	bytes = vfsr_super_encode(&a, &slot);
	assert_memory_equal(&slot, want, sizeof(want));
	assert_int_equal(bytes, 2192);
	assert_int_equal(vfsr_port_crc32c(0, &slot, bytes), 0x1b0748d0u);
}

/* One impossible field of the host form each, and why it is refused. */
#define S(m) offsetof(struct vfsr_super, m), sizeof(((struct vfsr_super *)0)->m)

struct bad_field {
	const char *name;
	size_t at, bytes;
	u64 value;
	enum vfsr_reason reason;
	u64 where;
};

static const struct bad_field bad_header[] = {
	{ "as it is", S(epoch), 4, VFSR_REASON_NONE, 0 },
	{ "this member", S(this_member), 3, VFSR_REASON_RANGE, 0 },
	{ "epoch", S(epoch), 1ull << 63, VFSR_REASON_RANGE, 0 },
	{ "sequence", S(sequence), 1ull << 63, VFSR_REASON_RANGE, 0 },
	{ "strip of 32 KiB", S(strip_shift), 15, VFSR_REASON_GEOMETRY, 0 },
	{ "strip of 2^255", S(strip_shift), 255, VFSR_REASON_GEOMETRY, 0 },
	{ "algorithm", S(compress_alg), 2, VFSR_REASON_CODEC, 0 },
	{ "level 10", S(compress_level), 10, VFSR_REASON_RANGE, 0 },
	{ "level 0", S(compress_level), 0, VFSR_REASON_RANGE, 0 },
	{ "keep 101 %", S(compress_keep), 101, VFSR_REASON_RANGE, 0 },
	{ "layout", S(layout), 2, VFSR_REASON_GEOMETRY, 0 },
	{ "data k", S(data.k), 0, VFSR_REASON_GEOMETRY, 0 },
	{ "data r", S(data.r), 255, VFSR_REASON_GEOMETRY, 0 },
	{ "meta m", S(meta.m), 7, VFSR_REASON_GEOMETRY, 0 },
	{ "map without place", S(map_place), 0, VFSR_REASON_RANGE, 0 },
	{ "map in no grid", S(map_place), 5, VFSR_REASON_RANGE, 0 },
	{ "map in a later grid", S(map_place), 200ull << 28, VFSR_REASON_RANGE,
	  0 },
	{ "no level", S(map_levels), 0, VFSR_REASON_SIZE, 0 },
	{ "8 levels", S(map_levels), 8, VFSR_REASON_SIZE, 0 },
	{ "empty root", S(map_len), 0, VFSR_REASON_SIZE, 0 },
	{ "large root", S(map_len), 4097, VFSR_REASON_SIZE, 0 },
	{ "next id 0", S(next_id), 0, VFSR_REASON_RANGE, 0 },
	{ "next id", S(next_id), (1ull << 56) + 1, VFSR_REASON_RANGE, 0 },
	{ "next grid 0", S(next_grid), 0, VFSR_REASON_RANGE, 0 },
	{ "next grid", S(next_grid), (1ull << 36) + 1, VFSR_REASON_RANGE, 0 },
	{ "next serial", S(next_serial), ~0ull, VFSR_REASON_RANGE, 0 },
	{ "next transaction", S(next_transaction), ~0ull, VFSR_REASON_RANGE,
	  0 },
	{ "transaction at ceiling", S(transaction), 600, VFSR_REASON_ORDER, 0 },
	{ "quota root", S(quota_root), 30000, VFSR_REASON_RANGE, 0 },
	{ "snapshot root", S(snapshot_root), ~0ull, VFSR_REASON_RANGE, 0 },
	{ "forward root", S(forward_root), 30000, VFSR_REASON_RANGE, 0 },
	{ "damage root", S(damage_root), 30000, VFSR_REASON_RANGE, 0 },
	{ "created", S(created.nsec), 1000000000, VFSR_REASON_RANGE, 0 },
	{ "committed", S(committed.nsec), ~0u, VFSR_REASON_RANGE, 0 },
};

static const struct bad_field bad_member[] = {
	{ "state", S(member[1].state), 4, VFSR_REASON_RANGE, 1 },
	{ "odd size", S(member[1].bytes), (4ull << 30) + 4096, VFSR_REASON_SIZE,
	  1 },
	{ "tiny", S(member[1].bytes), 65536, VFSR_REASON_SIZE, 1 },
	{ "smaller", S(member[1].bytes), (4ull << 30) - 65536,
	  VFSR_REASON_ORDER, 1 },
	{ "huge", S(member[1].bytes), ~0ull << 16, VFSR_REASON_SIZE, 1 },
	{ "no strips", S(member[1].nr_strips), 0, VFSR_REASON_SIZE, 1 },
	{ "too many strips", S(member[1].nr_strips), (1u << 20) + 1,
	  VFSR_REASON_SIZE, 1 },
	{ "more strips than fit", S(member[1].nr_strips), 5000,
	  VFSR_REASON_ORDER, 1 },
	{ "acknowledged later epoch", S(member[1].ack_epoch), 5,
	  VFSR_REASON_ORDER, 1 },
	{ "acknowledged later", S(member[1].ack_sequence), 1002,
	  VFSR_REASON_ORDER, 1 },
	{ "table in the ring", S(member[1].table_sector), 271,
	  VFSR_REASON_ORDER, 1 },
	{ "table over the strips", S(member[1].table_sector), 512,
	  VFSR_REASON_ORDER, 1 },
	{ "table far out", S(member[1].table_sector), ~0ull, VFSR_REASON_RANGE,
	  1 },
	{ "strips far out", S(member[1].strip_sector), ~0ull, VFSR_REASON_RANGE,
	  1 },
	{ "strips late", S(member[1].strip_sector), 1 << 20, VFSR_REASON_ORDER,
	  1 },
	{ "tail in the strips", S(member[1].tail_sector), 1000,
	  VFSR_REASON_ORDER, 1 },
	{ "tail in the ring", S(member[1].tail_sector), (1 << 20) - 257,
	  VFSR_REASON_ORDER, 1 },
	{ "tail far out", S(member[1].tail_sector), ~0ull, VFSR_REASON_RANGE,
	  1 },
	{ "log without length", S(member[1].wal_sector), 400, VFSR_REASON_SIZE,
	  1 },
	{ "log without start", S(member[1].wal_sectors), 4, VFSR_REASON_SIZE,
	  1 },
	{ "log far out", S(member[1].wal_sector), ~0ull, VFSR_REASON_SIZE, 1 },
	{ "index slot", S(member[1].index[0].slot), 2, VFSR_REASON_RANGE, 1 },
};

static const struct bad_field bad_open[] = {
	{ "grid 0", S(open[1].grid), 0, VFSR_REASON_RANGE, 1 },
	{ "later grid", S(open[1].grid), 200, VFSR_REASON_RANGE, 1 },
	{ "grid twice", S(open[1].grid), 100, VFSR_REASON_TWICE, 1 },
	{ "k 0", S(open[1].policy.k), 0, VFSR_REASON_GEOMETRY, 1 },
	{ "m 9", S(open[1].policy.m), 9, VFSR_REASON_GEOMETRY, 1 },
	{ "layout", S(open[1].layout), 2, VFSR_REASON_GEOMETRY, 1 },
	{ "interleaved, apart", S(open[1].layout), 1, VFSR_REASON_STRIP, 1 },
	{ "depth", S(open[1].depth), 1, VFSR_REASON_GEOMETRY, 1 },
	{ "use", S(open[1].use), 4, VFSR_REASON_RANGE, 1 },
	{ "reserved 2", S(open[1].reserved), 2, VFSR_REASON_RANGE, 1 },
	{ "reserved, with rows", S(open[1].reserved), 1, VFSR_REASON_STRIP, 1 },
	{ "rows", S(open[1].rows_used), 255, VFSR_REASON_GEOMETRY, 1 },
	{ "rows 2^32 - 1", S(open[1].rows_used), ~0u, VFSR_REASON_GEOMETRY, 1 },
	{ "no start", S(open[1].starts[0]), 0, VFSR_REASON_ORDER, 1 },
	{ "start far out", S(open[1].starts[511]), 1, VFSR_REASON_ORDER, 1 },
	{ "device 3", S(open[1].device[1]), 3, VFSR_REASON_RANGE, 1 },
	{ "device 255", S(open[1].device[1]), 255, VFSR_REASON_RANGE, 1 },
	{ "strip that is not", S(open[1].strip[0]), 1 << 19, VFSR_REASON_RANGE,
	  1 },
	{ "strip beyond all", S(open[1].strip[0]), ~0u, VFSR_REASON_RANGE, 1 },
	{ "strip twice in a grid", S(open[1].strip[3]), 32, VFSR_REASON_TWICE,
	  1 },
	{ "strip in two grids", S(open[1].strip[0]), 0, VFSR_REASON_TWICE, 1 },
};

static void set_field(const struct bad_field *t)
{
	u8 *at = (u8 *)&a + t->at;

	switch (t->bytes) {
	case sizeof(u8):
		*at = (u8)t->value;
		break;
	case sizeof(u16):
		*(u16 *)(void *)at = (u16)t->value;
		break;
	case sizeof(u32):
		*(u32 *)(void *)at = (u32)t->value;
		break;
	case sizeof(u64):
		*(u64 *)(void *)at = t->value;
		break;
	default:
		fail_msg("%s: field of %zu bytes", t->name, t->bytes);
	}
}

static void refuse(const struct bad_field *t, size_t nr)
{
	struct vfsr_fault f;
	size_t i;
	int ret;

	for (i = 0; i < nr; i++, t++) {
		memset(&f, 0, sizeof(f));
		small_init(&a, 3, 3);
		set_field(t);
		vfsr_super_encode(&a, &slot);
		ret = vfsr_super_decode(&slot, sizeof(slot), &b, &f);
		if (f.reason != t->reason || f.where != t->where ||
		    ret != (f.reason ? -EUCLEAN : 0))
			fail_msg("%s: %d, %s at %llu", t->name, ret,
				 vfsr_reason_name(f.reason),
				 (unsigned long long)f.where);
	}
}

static void impossible_headers_are_refused(void **state)
{
	(void)state;
	refuse(bad_header, ARRAY_SIZE(bad_header));
}

static void impossible_members_are_refused(void **state)
{
	struct vfsr_fault f;

	(void)state;
	refuse(bad_member, ARRAY_SIZE(bad_member));
	/* a free place has no contents */
	small_init(&a, 3, 0);
	a.member[1].state = VFSR_MEMBER_NONE;
	assert_false(vfsr_super_ok(&a, &f));
	assert_int_equal(f.reason, VFSR_REASON_PADDING);
	assert_int_equal(f.where, 1);
	a.this_member = 1;
	assert_false(vfsr_super_ok(&a, &f));
	assert_int_equal(f.reason, VFSR_REASON_SELF);
	/* a log must lie between tables and strips */
	small_init(&a, 3, 0);
	a.member[1].wal_sector = a.member[1].strip_sector - 3;
	a.member[1].wal_sectors = 4;
	assert_false(vfsr_super_ok(&a, &f));
	assert_int_equal(f.reason, VFSR_REASON_ORDER);
	a.member[1].wal_sectors = ~0u;
	assert_false(vfsr_super_ok(&a, &f));
	a.member[1].wal_sector = 300;
	a.member[1].wal_sectors = 1;
	assert_false(vfsr_super_ok(&a, &f));
	assert_int_equal(f.reason, VFSR_REASON_ORDER);
	small_init(&a, 3, 0);
	memcpy(a.member[2].uuid, a.member[0].uuid, VFSR_UUID_BYTES);
	assert_false(vfsr_super_ok(&a, &f));
	assert_int_equal(f.reason, VFSR_REASON_TWICE);
	assert_int_equal(f.where, 2);
	/* a column on a place that is free */
	small_init(&a, 3, 1);
	memset(&a.member[1], 0, sizeof(a.member[1]));
	assert_false(vfsr_super_ok(&a, &f));
	assert_int_equal(f.reason, VFSR_REASON_RANGE);
}

static void impossible_open_grids_are_refused(void **state)
{
	(void)state;
	refuse(bad_open, ARRAY_SIZE(bad_open));
}

/* Fields that only the disk form has. */
static void impossible_bytes_are_refused(void **state)
{
#define D(m) offsetof(struct vfsr_disk_super, m)
#define M(m) \
	(sizeof(struct vfsr_disk_super) + offsetof(struct vfsr_disk_member, m))
	/* after the header 3 members of 128 bytes with one root of 8 each */
#define O(m) (512 + 3 * 136 + offsetof(struct vfsr_disk_open_grid, m))
	static const struct {
		const char *name;
		size_t at;
		u8 value;
		int err;
		enum vfsr_reason reason;
	} t[] = {
		{ "unknown ro_compat", D(ro_compat), 1, 0, VFSR_REASON_NONE },
		{ "unknown compat", D(compat), 1, 0, VFSR_REASON_NONE },
		{ "incompat", D(incompat) + 7, 0x80, -EOPNOTSUPP,
		  VFSR_REASON_FEATURE },
		{ "sector", D(sector_shift), 13, -EOPNOTSUPP,
		  VFSR_REASON_FEATURE },
		{ "page", D(page_shift), 13, -EOPNOTSUPP, VFSR_REASON_FEATURE },
		{ "node", D(node_shift), 13, -EOPNOTSUPP, VFSR_REASON_FEATURE },
		{ "csum", D(csum_type), 2, -EOPNOTSUPP, VFSR_REASON_FEATURE },
		{ "parity", D(parity_type), 0, -EOPNOTSUPP,
		  VFSR_REASON_FEATURE },
		{ "map entry", D(map_entry_shift), 6, -EOPNOTSUPP,
		  VFSR_REASON_FEATURE },
		{ "casefold", D(casefold), 1, -EOPNOTSUPP,
		  VFSR_REASON_FEATURE },
		{ "no members", D(nr_members), 0, -EUCLEAN, VFSR_REASON_SIZE },
		{ "2 members", D(nr_members), 2, -EUCLEAN, VFSR_REASON_SIZE },
		{ "64 members", D(nr_members), 64, -EUCLEAN, VFSR_REASON_SIZE },
		{ "65 members", D(nr_members), 65, -EUCLEAN, VFSR_REASON_SIZE },
		{ "33 open", D(nr_open), 33, -EUCLEAN, VFSR_REASON_SIZE },
		{ "2 open", D(nr_open), 2, -EUCLEAN, VFSR_REASON_SIZE },
		{ "20 roots", M(nr_index), 20, -EUCLEAN, VFSR_REASON_SIZE },
		{ "2 roots", M(nr_index), 2, -EUCLEAN, VFSR_REASON_SIZE },
		{ "label's end", D(label) + 63, 1, -EUCLEAN,
		  VFSR_REASON_PADDING },
		{ "pad0", D(pad0), 1, -EUCLEAN, VFSR_REASON_PADDING },
		{ "pad1", D(pad1), 1, -EUCLEAN, VFSR_REASON_PADDING },
		{ "spare", D(spare) + 151, 1, -EUCLEAN, VFSR_REASON_PADDING },
		{ "time", D(committed.pad), 1, -EUCLEAN, VFSR_REASON_PADDING },
		{ "member's pad", M(pad), 1, -EUCLEAN, VFSR_REASON_PADDING },
		{ "open grid's pad", O(pad), 1, -EUCLEAN, VFSR_REASON_PADDING },
		{ "strip beyond n", O(strip) + 31 * 4, 1, -EUCLEAN,
		  VFSR_REASON_PADDING },
	};
	struct vfsr_fault f;
	u32 i;
	int ret;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		memset(&f, 0, sizeof(f));
		small_init(&a, 3, 1);
		vfsr_super_encode(&a, &slot);
		slot.bytes[t[i].at] = t[i].value;
		reseal();
		ret = vfsr_super_decode(&slot, sizeof(slot), &b, &f);
		if (f.reason != t[i].reason || ret != t[i].err)
			fail_msg("%s: %d, %s", t[i].name, ret,
				 vfsr_reason_name(f.reason));
	}
	small_init(&a, 3, 1);
	vfsr_super_encode(&a, &slot);
	memset(slot.d.label, 'x', VFSR_LABEL_BYTES);
	reseal();
	assert_int_equal(vfsr_super_decode(&slot, sizeof(slot), &b, &f),
			 -EUCLEAN);
	assert_int_equal(f.reason, VFSR_REASON_NAME);
}

static void broken_envelopes_are_refused(void **state)
{
	static const u32 lengths[] = { 0, 511, 65537, ~0u };
	struct vfsr_fault f;
	u8 *exact;
	u32 i, bytes;

	(void)state;
	small_init(&a, 1, 0);
	bytes = vfsr_super_encode(&a, &slot);
	for (i = 0; i < bytes; i += 8) {
		exact = malloc(i + !i);
		assert_non_null(exact);
		memcpy(exact, &slot, i);
		assert_true(vfsr_super_decode(exact, i, &b, &f) < 0);
		assert_int_equal(f.reason, VFSR_REASON_SIZE);
		free(exact);
	}
	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		slot.d.bytes = cpu_to_le32(lengths[i]);
		assert_int_equal(vfsr_super_decode(&slot, sizeof(slot), &b, &f),
				 -EUCLEAN);
		assert_int_equal(f.reason, VFSR_REASON_SIZE);
	}
	vfsr_super_encode(&a, &slot);
	for (i = 8; i < bytes; i++) {
		if (i >= D(bytes) && i < D(bytes) + 4)
			continue;
		slot.bytes[i] ^= 0x10;
		assert_int_equal(vfsr_super_decode(&slot, sizeof(slot), &b, &f),
				 -EBADMSG);
		assert_int_equal(f.reason, VFSR_REASON_CRC);
		slot.bytes[i] ^= 0x10;
	}
	slot.d.magic = 0;
	assert_int_equal(vfsr_super_decode(&slot, sizeof(slot), &b, NULL),
			 -EBADMSG);
}

/* What passes is consistent and has one encoding. */
static void mutants_are_survived(void **state)
{
	u32 i, hits, bytes, passed = 0;

	(void)state;
	small_init(&a, 3, 3);
	bytes = vfsr_super_encode(&a, &again);
	for (i = 0; i < 20000; i++) {
		memcpy(&slot, &again, bytes);
		for (hits = 1 + prng_below(3); hits; hits--)
			slot.bytes[8 + prng_below(bytes - 8)] ^=
				(u8)(1u << prng_below(8));
		if (prng_below(8) == 0)
			prng_fill(slot.bytes + 24 + prng_below(bytes - 40), 8);
		if (le32_to_cpu(slot.d.bytes) > sizeof(slot) ||
		    le32_to_cpu(slot.d.bytes) < sizeof(slot.d))
			continue;
		reseal();
		if (vfsr_super_decode(&slot, sizeof(slot), &b, NULL))
			continue;
		passed++;
		assert_true(vfsr_super_ok(&b, NULL));
		assert_int_equal(vfsr_super_encode(&b, &again),
				 le32_to_cpu(slot.d.bytes));
		assert_memory_equal(&slot, &again, le32_to_cpu(slot.d.bytes));
		vfsr_super_encode(&a, &again);
	}
	assert_true(passed > 100);
}

static void layouts_are_tight(void **state)
{
	static const unsigned int shifts[] = { 16, 18, 20, 22, 24 };
	struct vfsr_device_layout l, more;
	u32 i, t, v, x;
	u64 bytes, align, strip;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(shifts); i++) {
		strip = 1ull << (shifts[i] - VFSR_SECTOR_SHIFT);
		align = min_t(u64, strip, 256);
		for (bytes = 1 << 20; bytes <= 1ull << 60;
		     bytes += bytes / 7 + 12345) {
			if (vfsr_device_layout(bytes, shifts[i], &l)) {
				assert_true(bytes <
					    (4ull << 20) + (strip << 12));
				continue;
			}
			vfsr_table_counts(l.nr_strips, &t, &v, &x);
			assert_int_equal(l.nr_table, t);
			assert_int_equal(l.nr_live, v);
			assert_int_equal(l.nr_index, x);
			assert_true(x <= VFSR_MAX_INDEX_BLOCKS);
			assert_int_equal(l.table_sectors, 2 * (t + v + x));
			assert_true(l.table_sector == 272);
			assert_true(l.strip_sector % align == 0);
			assert_true(l.strip_sector >=
				    l.table_sector + l.table_sectors);
			assert_true(l.strip_sector + l.nr_strips * strip <=
				    l.tail_sector);
			assert_true(l.tail_sector + l.table_sectors ==
				    l.ring_tail_sector);
			assert_true(l.ring_tail_sector + 256 ==
				    bytes / 65536 * 16);
			/* with one strip more there would be an overlap */
			assert_true(l.nr_strips == VFSR_MAX_STRIPS ||
				    l.tail_sector - l.strip_sector <
					    (l.nr_strips + 1) * strip + align +
						    12);
			assert_int_equal(
				vfsr_device_layout(bytes + (strip << 12) +
							   (align + 12) * 4096,
						   shifts[i], &more),
				0);
			assert_true(more.nr_strips > l.nr_strips ||
				    l.nr_strips == VFSR_MAX_STRIPS);
		}
	}
}

static void table_counts_are_exact(void **state)
{
	static const struct {
		u32 strips, table, live, index;
	} t[] = {
		{ 0, 0, 0, 0 },
		{ 1, 1, 1, 1 },
		{ 126, 1, 1, 1 },
		{ 127, 2, 1, 1 },
		{ 1008, 8, 1, 1 },
		{ 1009, 9, 2, 1 },
		{ 56448, 448, 56, 1 },
		{ 56449, 449, 57, 2 },
		{ 1 << 20, 8323, 1041, 19 },
	};
	u32 i, nr_table, nr_live, nr_index;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		vfsr_table_counts(t[i].strips, &nr_table, &nr_live, &nr_index);
		assert_int_equal(nr_table, t[i].table);
		assert_int_equal(nr_live, t[i].live);
		assert_int_equal(nr_index, t[i].index);
	}
}

static void small_devices_are_refused(void **state)
{
	struct vfsr_device_layout l;

	(void)state;
	assert_int_equal(vfsr_device_layout(0, 16, &l), -ENOSPC);
	assert_int_equal(vfsr_device_layout(65535, 16, &l), -ENOSPC);
	/* 272 + 256 of rings, 2 * 6 of tables, aligned, one strip */
	assert_int_equal(vfsr_device_layout(35 * 65536, 16, &l), -ENOSPC);
	assert_int_equal(vfsr_device_layout(36 * 65536, 16, &l), 0);
	assert_int_equal(l.nr_strips, 1);
	assert_int_equal(vfsr_device_layout(36 * 65536 - 1, 16, &l), -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_round_trip),
		cmocka_unit_test(the_largest_record_fits),
		cmocka_unit_test(records_are_golden),
		cmocka_unit_test(impossible_headers_are_refused),
		cmocka_unit_test(impossible_members_are_refused),
		cmocka_unit_test(impossible_open_grids_are_refused),
		cmocka_unit_test(impossible_bytes_are_refused),
		cmocka_unit_test(broken_envelopes_are_refused),
		cmocka_unit_test(mutants_are_survived),
		cmocka_unit_test(layouts_are_tight),
		cmocka_unit_test(table_counts_are_exact),
		cmocka_unit_test(small_devices_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
