// SPDX-License-Identifier: GPL-2.0-only
/*
 * What mkfs makes of a set of devices: policies, strip size, layout, and the
 * fresh record that says so.
 *
 * Everything here is arithmetic on sizes: no device is touched, and equal
 * wishes give equal records. A plan is accepted if at least 64 grids of data
 * could be placed in an empty pool, so that garbage collection has room to
 * work. Called by mkfs.
 */
#include <stdio.h>

#include "core/items.h"
#include "lib/out.h"
#include "lib/writer.h"

#define MIN_GRIDS 64u /* of data that must fit */
#define MAX_DATA_COLUMNS 8u /* that a default policy takes */
#define ONE_DEVICE_COLUMNS 16u /* of data, on one device */
#define MAX_META_COPIES 3u
#define DEFAULT_STRIP_SHIFT 22u /* 4 MiB, the largest without need */
#define DEFAULT_KEEP 80u /* percent */
#define SIZE_STEP 65536u /* sizes count in these */
#define FIRST_EPOCH 1
/* Of a full stripe: two footers, a page with its entry beside, or the record
 * of the largest pool, as the commit mark is one chunk */
#define MIN_DATA_SECTORS 4u
#define MIN_META_SECTORS \
	(3u + DIV_ROUND_UP(MAX_RECORD_BYTES, VFSR_SECTOR_BYTES))
#define MAX_RECORD_BYTES                                           \
	(u32)(sizeof(struct vfsr_disk_super) +                     \
	      VFSR_MAX_MEMBERS * sizeof(struct vfsr_disk_member) + \
	      VFSR_MAX_MEMBERS * VFSR_MAX_INDEX_BLOCKS *           \
		      sizeof(struct vfsr_disk_index_root) +        \
	      VFSR_MAX_OPEN_GRIDS * sizeof(struct vfsr_disk_open_grid))
/* Beyond this no device is; ends the search for the least size */
#define MAX_SIZE_STEPS (1ull << 46)

/* Strips of every device for one strip size. */
struct strips {
	u32 nr[VFSR_MAX_MEMBERS];
	struct vfsr_device_layout layout[VFSR_MAX_MEMBERS];
};

/* What was chosen. */
struct choice {
	struct vfsr_policy data, meta;
	unsigned int strip_shift;
	u8 layout;
};

u64 vfsr_plan_grids(const u32 *strips, unsigned int nr_devs, unsigned int n,
		    unsigned int layout)
{
	u32 share = DIV_ROUND_UP(n, nr_devs);
	u64 low = 0, high = 0;
	unsigned int i;

	if (layout == VFSR_LAYOUT_INTERLEAVED)
		return strips[0] / n;
	for (i = 0; i < nr_devs; i++)
		high += strips[i];
	high /= n;
	while (low < high) {
		u64 mid = high - (high - low) / 2;
		u64 have = 0;

		for (i = 0; i < nr_devs; i++)
			have += min_t(u64, strips[i], mid * share);
		if (have >= mid * n)
			low = mid;
		else
			high = mid - 1;
	}
	return low;
}

/* Column-parity rows that suit a strip size. */
static u16 default_r(unsigned int strip_shift)
{
	return strip_shift <= DEFAULT_STRIP_SHIFT ?
		       1 :
		       (u16)(1u << (strip_shift - DEFAULT_STRIP_SHIFT));
}

static struct vfsr_policy default_data(unsigned int nr_devs)
{
	unsigned int k = min_t(unsigned int, nr_devs - 2, MAX_DATA_COLUMNS);

	if (nr_devs == 1)
		return (struct vfsr_policy){ ONE_DEVICE_COLUMNS, 1, 1 };
	if (nr_devs == 2)
		return (struct vfsr_policy){ 1, 1, 1 };
	if (nr_devs == 3)
		return (struct vfsr_policy){ 2, 1, 1 };
	return (struct vfsr_policy){ (u8)k, 2, 1 };
}

static struct vfsr_policy default_meta(unsigned int nr_devs)
{
	unsigned int copies = min_t(unsigned int, nr_devs, MAX_META_COPIES);

	/* on one device a second copy still survives bad sectors */
	if (copies == 1)
		copies = 2;
	return (struct vfsr_policy){ 1, (u8)(copies - 1), 1 };
}

/* Do the stripes of a policy hold all that must not be cut? */
static bool policy_fits(const struct vfsr_policy *p, unsigned int strip_shift,
			u32 min_sectors)
{
	struct vfsr_geometry g;

	return !vfsr_geometry_init(&g, p, strip_shift, VFSR_LAYOUT_SPREAD,
				   NULL) &&
	       g.k * g.depth >= min_sectors;
}

/* Would the choice give enough grids? */
static bool choice_fits(const struct vfsr_plan_in *in, const struct choice *c,
			struct strips *st)
{
	unsigned int i;

	if (!policy_fits(&c->data, c->strip_shift, MIN_DATA_SECTORS) ||
	    !policy_fits(&c->meta, c->strip_shift, MIN_META_SECTORS))
		return false;
	for (i = 0; i < in->nr_devs; i++) {
		if (vfsr_device_layout(in->dev_bytes[i], c->strip_shift,
				       &st->layout[i]))
			return false;
		st->nr[i] = st->layout[i].nr_strips;
	}
	return vfsr_plan_grids(st->nr, in->nr_devs, c->data.k + c->data.m,
			       c->layout) >= MIN_GRIDS &&
	       vfsr_plan_grids(st->nr, in->nr_devs, c->meta.k + c->meta.m,
			       c->layout) >= 1;
}

/* The largest strip size worth trying. */
static unsigned int strip_shift_max(const struct vfsr_plan_in *in)
{
	unsigned int shift = DEFAULT_STRIP_SHIFT;
	unsigned int i;

	for (i = 0; i < in->nr_devs; i++)
		while (in->dev_bytes[i] >> shift > VFSR_MAX_STRIPS &&
		       shift < VFSR_MAX_STRIP_SHIFT)
			shift++;
	return shift;
}

/* Strip sizes from large to small for the policies of @c. */
static bool choose_strip(const struct vfsr_plan_in *in, struct choice *c,
			 struct strips *st)
{
	unsigned int first = in->strip_shift, last = first;

	if (!in->strip_shift) {
		first = strip_shift_max(in);
		last = VFSR_MIN_STRIP_SHIFT;
	}
	for (c->strip_shift = first; c->strip_shift >= last; c->strip_shift--) {
		if (!in->have_data)
			c->data.r = default_r(c->strip_shift);
		if (!in->have_meta)
			c->meta.r = default_r(c->strip_shift);
		if (choice_fits(in, c, st))
			return true;
	}
	return false;
}

static bool choose(const struct vfsr_plan_in *in, struct choice *c,
		   struct strips *st)
{
	bool one_rotating = in->nr_devs == 1 && in->rotational[0];

	c->meta = in->have_meta ? in->meta : default_meta(in->nr_devs);
	c->data = in->have_data ? in->data : default_data(in->nr_devs);
	c->layout = in->layout >= 0 ? (u8)in->layout :
		    one_rotating    ? VFSR_LAYOUT_INTERLEAVED :
				      VFSR_LAYOUT_SPREAD;
	while (!choose_strip(in, c, st)) {
		if (in->have_data || c->data.k == 1)
			return false;
		c->data.k /= 2;
	}
	return true;
}

/* Is there any strip size that the policies allow? */
static bool policies_possible(const struct vfsr_plan_in *in)
{
	unsigned int shift;

	for (shift = VFSR_MIN_STRIP_SHIFT; shift <= VFSR_MAX_STRIP_SHIFT;
	     shift++) {
		if (in->strip_shift && in->strip_shift != shift)
			continue;
		if (in->have_data &&
		    !policy_fits(&in->data, shift, MIN_DATA_SECTORS))
			continue;
		if (in->have_meta &&
		    !policy_fits(&in->meta, shift, MIN_META_SECTORS))
			continue;
		return true;
	}
	return false;
}

/* Wishes that no size of devices can fulfil. */
static int check_wishes(const struct vfsr_plan_in *in, char *why,
			size_t why_bytes)
{
	if (!in->nr_devs || in->nr_devs > VFSR_MAX_MEMBERS) {
		snprintf(why, why_bytes, "a pool has 1 to %d devices, not %u",
			 VFSR_MAX_MEMBERS, in->nr_devs);
		return -EINVAL;
	}
	if (in->strip_shift && (in->strip_shift < VFSR_MIN_STRIP_SHIFT ||
				in->strip_shift > VFSR_MAX_STRIP_SHIFT)) {
		snprintf(
			why, why_bytes,
			"the strip size must be a power of two from 64K to 16M");
		return -EINVAL;
	}
	if (in->layout == VFSR_LAYOUT_INTERLEAVED && in->nr_devs > 1) {
		snprintf(why, why_bytes,
			 "the interleaved layout needs a pool of one device");
		return -EINVAL;
	}
	if (!policies_possible(in)) {
		char data[32] = "default", meta[32] = "default";

		if (in->have_data)
			vfsr_policy_text(&in->data, data);
		if (in->have_meta)
			vfsr_policy_text(&in->meta, meta);
		snprintf(
			why, why_bytes,
			"the policies (data %s, metadata %s) exceed the limits%s: at most 32 columns, 6 of them parity, 65536 data sectors in a grid, and stripes that hold %u data sectors, %u of metadata",
			data, meta,
			in->strip_shift ? " at this strip size" : "",
			MIN_DATA_SECTORS, MIN_META_SECTORS);
		return -EINVAL;
	}
	return 0;
}

/* Are devices of this size, all of them, enough? */
static bool size_enough(const struct vfsr_plan_in *in, u64 bytes)
{
	struct vfsr_plan_in try = *in;
	struct strips st;
	struct choice c;
	unsigned int i;

	for (i = 0; i < in->nr_devs; i++)
		try.dev_bytes[i] = bytes;
	return choose(&try, &c, &st);
}

u64 vfsr_plan_min_bytes(const struct vfsr_plan_in *in)
{
	u64 low = 0, high = 1; /* in SIZE_STEP: too small, enough */
	char why[8];

	if (check_wishes(in, why, sizeof(why)))
		return 0;
	while (!size_enough(in, high * SIZE_STEP)) {
		low = high;
		high *= 2;
		if (high > MAX_SIZE_STEPS)
			return 0;
	}
	while (high - low > 1) {
		u64 mid = low + (high - low) / 2;

		if (size_enough(in, mid * SIZE_STEP))
			high = mid;
		else
			low = mid;
	}
	return high * SIZE_STEP;
}

/* 16 bytes that follow from the pool's uuid and a name. */
static void derive(const u8 *uuid, const char *name, unsigned int i, u8 *out)
{
	char text[32];
	unsigned int half;

	for (half = 0; half < 2; half++) {
		int len = snprintf(text, sizeof(text), "vfsr %s %u.%u", name, i,
				   half);
		__le64 v = cpu_to_le64(vfsr_siphash(uuid, text, (u32)len));

		memcpy(out + half * sizeof(v), &v, sizeof(v));
	}
}

static void fill_members(const struct vfsr_plan_in *in, const struct strips *st,
			 struct vfsr_super *s)
{
	unsigned int i;

	for (i = 0; i < in->nr_devs; i++) {
		const struct vfsr_device_layout *l = &st->layout[i];
		struct vfsr_member *m = &s->member[i];

		derive(in->uuid, "member", i, m->uuid);
		/* a uuid of version 8: made by a rule of our own (RFC 9562) */
		m->uuid[6] = (u8)((m->uuid[6] & 0x0f) | 0x80);
		m->uuid[8] = (u8)((m->uuid[8] & 0x3f) | 0x80);
		m->bytes = in->dev_bytes[i] / SIZE_STEP * SIZE_STEP;
		m->ack_epoch = FIRST_EPOCH;
		m->table_sector = l->table_sector;
		m->tail_sector = l->tail_sector;
		m->strip_sector = l->strip_sector;
		m->nr_strips = l->nr_strips;
		m->state = VFSR_MEMBER_ACTIVE;
		m->nr_index = (u8)l->nr_index;
	}
	s->nr_members = (u16)in->nr_devs;
}

static void fill_record(const struct vfsr_plan_in *in, const struct choice *c,
			const struct strips *st, struct vfsr_super *s)
{
	memset(s, 0, sizeof(*s));
	memcpy(s->pool_uuid, in->uuid, VFSR_UUID_BYTES);
	derive(in->uuid, "hash key", 0, s->hash_key);
	memcpy(s->label, in->label, VFSR_LABEL_BYTES - 1);
	s->epoch = FIRST_EPOCH;
	s->strip_shift = (u8)c->strip_shift;
	s->compress_alg = in->compress_alg;
	s->compress_level = in->compress_level;
	s->compress_keep = DEFAULT_KEEP;
	s->layout = c->layout;
	s->data = c->data;
	s->meta = c->meta;
	s->next_id = VFSR_FIRST_ID;
	s->next_grid = 1;
	s->next_serial = 1;
	s->next_transaction = 1;
	s->created = in->now;
	s->committed = in->now;
	fill_members(in, st, s);
}

int vfsr_plan(const struct vfsr_plan_in *in, struct vfsr_super *s, char *why,
	      size_t why_bytes)
{
	struct strips st;
	struct choice c;
	int err;

	err = check_wishes(in, why, why_bytes);
	if (err)
		return err;
	if (!choose(in, &c, &st)) {
		u64 least = vfsr_plan_min_bytes(in);

		if (least)
			snprintf(
				why, why_bytes,
				"too small: %u grids of data must fit, which takes %u device%s of at least %llu KiB%s",
				MIN_GRIDS, in->nr_devs,
				in->nr_devs > 1 ? "s" : "",
				(unsigned long long)least >> 10,
				in->nr_devs > 1 ? " each" : "");
		else
			snprintf(why, why_bytes,
				 "no size of device can hold %u such grids",
				 MIN_GRIDS);
		return -ENOSPC;
	}
	fill_record(in, &c, &st, s);
	return 0;
}

/* --- what it survives --- */

/* Devices whose loss takes at most m columns of any grid. */
static unsigned int devices_lost_max(const struct vfsr_policy *p,
				     unsigned int nr_devs)
{
	unsigned int n = p->k + p->m, lost = 0, columns = 0;

	while (lost < nr_devs) {
		columns += n / nr_devs + (lost < n % nr_devs);
		if (columns > p->m)
			break;
		lost++;
	}
	return min_t(unsigned int, lost, p->m);
}

/* Text behind what is in @buf. */
static void add_text(char *buf, size_t buf_bytes, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void add_text(char *buf, size_t buf_bytes, const char *fmt, ...)
{
	size_t len = strlen(buf);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf + len, buf_bytes - len, fmt, ap);
	va_end(ap);
}

/* Bad sectors and bursts, where no whole device may be lost. */
static void survives_sectors(const struct vfsr_policy *p,
			     unsigned int strip_shift, unsigned int layout,
			     char *buf, size_t buf_bytes)
{
	struct vfsr_geometry g;
	u32 bad = p->r ? 2u * p->m + 1 : p->m;

	add_text(buf, buf_bytes, "any %u bad sector%s per %s", bad,
		 bad == 1 ? "" : "s", p->r ? "grid" : "row");
	if (!p->m) {
		add_text(buf, buf_bytes, ", one burst of %u sector%s per strip",
			 p->r, p->r == 1 ? "" : "s");
		return;
	}
	if (vfsr_geometry_init(&g, p, strip_shift, layout, NULL))
		return;
	/* sectors of one row are a strip, or a stripe's depth, apart */
	if (layout == VFSR_LAYOUT_INTERLEAVED)
		add_text(buf, buf_bytes,
			 ", any burst of up to %u sectors in full stripes",
			 p->m * g.depth);
	else
		add_text(buf, buf_bytes, ", any burst of up to %u sectors",
			 p->m * g.strip_sectors);
}

void vfsr_plan_survives(const struct vfsr_policy *p, unsigned int nr_devs,
			unsigned int strip_shift, unsigned int layout,
			char *buf, size_t buf_bytes)
{
	unsigned int lost = devices_lost_max(p, nr_devs);

	buf[0] = '\0';
	if (!p->m && !p->r) {
		add_text(buf, buf_bytes,
			 "nothing: damage is found, but not repaired");
		return;
	}
	if (!lost) {
		if (nr_devs > 1)
			add_text(buf, buf_bytes, "no lost device; ");
		survives_sectors(p, strip_shift, layout, buf, buf_bytes);
		return;
	}
	add_text(buf, buf_bytes, "any %u device%s", lost, lost == 1 ? "" : "s");
	if (p->r)
		add_text(buf, buf_bytes,
			 ", plus one burst of %u sector%s on each survivor",
			 p->r, p->r == 1 ? "" : "s");
}
