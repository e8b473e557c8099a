// SPDX-License-Identifier: GPL-2.0-only
/*
 * Map pages: entries of leaves and children of interior pages between disk
 * and host form. Pages come from disk with a crc that their parent holds, but
 * nothing of them is believed for that; each getter refuses what no writer
 * could have written.
 */
#include "core/mappage.h"

#include "core/geometry.h"

#define STATE_SHIFT VFSR_LEN_BITS
#define STATE_MASK 3u
#define ALG_SHIFT (VFSR_LEN_BITS + 2)
#define KIND_SHIFT VFSR_LEN_BITS

static struct vfsr_disk_map_entry *entry_at(void *page, unsigned int i)
{
	u8 *body = (u8 *)page + sizeof(struct vfsr_disk_map_head);

	return (struct vfsr_disk_map_entry *)body + i;
}

static struct vfsr_disk_map_child *child_at(void *page, unsigned int i)
{
	u8 *body = (u8 *)page + sizeof(struct vfsr_disk_map_head);

	return (struct vfsr_disk_map_child *)body + i;
}

void vfsr_map_page_init(void *page, unsigned int level, u64 index,
			u64 transaction, const u8 *pool_uuid)
{
	struct vfsr_disk_map_head *head = page;

	memset(page, 0, VFSR_NODE_BYTES);
	head->magic = cpu_to_le32(VFSR_MAP_MAGIC);
	head->level = (u8)level;
	head->index = cpu_to_le64(index);
	head->transaction = cpu_to_le64(transaction);
	memcpy(head->pool_tag, pool_uuid, sizeof(head->pool_tag));
}

void vfsr_map_page_stamp(void *page, u64 transaction)
{
	struct vfsr_disk_map_head *head = page;

	head->transaction = cpu_to_le64(transaction);
}

static bool page_ok(const struct vfsr_disk_map_head *head, unsigned int level,
		    u64 index, const u8 *pool_uuid, struct vfsr_fault *f)
{
	static const u8 zero[sizeof(head->pad)];
	u64 max_index;

	if (le32_to_cpu(head->magic) != VFSR_MAP_MAGIC)
		return vfsr_fault_set(f, VFSR_REASON_MAGIC,
				      le32_to_cpu(head->magic), VFSR_MAP_MAGIC);
	if (memcmp(head->pool_tag, pool_uuid, sizeof(head->pool_tag)) != 0)
		return vfsr_fault_set(f, VFSR_REASON_UUID, 0, 0);
	if (head->level != level)
		return vfsr_fault_set(f, VFSR_REASON_SELF, head->level, level);
	if (le64_to_cpu(head->index) != index)
		return vfsr_fault_set(f, VFSR_REASON_SELF,
				      le64_to_cpu(head->index), index);
	if (level >= VFSR_MAP_MAX_LEVELS)
		return vfsr_fault_set(f, VFSR_REASON_RANGE, level,
				      VFSR_MAP_MAX_LEVELS - 1);
	if (memcmp(head->pad, zero, sizeof(zero)) != 0)
		return vfsr_fault_set(f, VFSR_REASON_PADDING, 1, 0);
	max_index = VFSR_MAX_ID;
	while (level--)
		max_index = div_u64(max_index, VFSR_MAP_FANOUT);
	max_index = div_u64(max_index, VFSR_MAP_LEAF_ENTRIES);
	if (index > max_index)
		return vfsr_fault_set(f, VFSR_REASON_RANGE, index, max_index);
	return true;
}

int vfsr_map_page_check(const void *page, unsigned int level, u64 index,
			const u8 *pool_uuid, struct vfsr_fault *f)
{
	return page_ok(page, level, index, pool_uuid, f) ? 0 : -EUCLEAN;
}

void vfsr_map_entry_set(void *page, unsigned int i, const struct vfsr_chunk *c)
{
	struct vfsr_disk_map_entry *e = entry_at(page, i);

	memset(e, 0, sizeof(*e));
	if (!c->place)
		return;
	e->place = cpu_to_le64(c->place);
	e->birth = cpu_to_le64(c->birth);
	e->crc = cpu_to_le32(c->crc);
	e->refs = cpu_to_le32(c->refs);
	e->stored = cpu_to_le32(c->stored | (u32)c->state << STATE_SHIFT |
				(u32)c->alg << ALG_SHIFT);
	e->logical = cpu_to_le32(c->logical | (u32)c->kind << KIND_SHIFT);
}

/* The rules of an entry in use, beyond those of every chunk. */
static bool entry_ok(const struct vfsr_chunk *c, struct vfsr_fault *f)
{
	if (!c->id || c->id > VFSR_MAX_ID)
		return vfsr_fault_set(f, VFSR_REASON_RANGE, c->id, VFSR_MAX_ID);
	if (!vfsr_place_grid(c->place))
		return vfsr_fault_set(f, VFSR_REASON_RANGE, c->place,
				      1ull << VFSR_PLACE_GRID_SHIFT);
	if (!vfsr_chunk_ok(c, f))
		return false;
	/* map pages are found by their parents, commit marks by footers */
	if (c->kind == VFSR_KIND_MAP || c->kind == VFSR_KIND_COMMIT)
		return vfsr_fault_set(f, VFSR_REASON_KIND, c->kind,
				      VFSR_KIND_DATA);
	if (!c->refs || (c->kind != VFSR_KIND_DATA && c->refs != 1))
		return vfsr_fault_set(f, VFSR_REASON_REFS, c->refs, 1);
	return true;
}

int vfsr_map_entry_get(const void *page, unsigned int i, struct vfsr_chunk *c,
		       struct vfsr_fault *f)
{
	static const struct vfsr_disk_map_entry empty;
	const struct vfsr_disk_map_head *head = page;
	const struct vfsr_disk_map_entry *e;
	u32 stored, logical;

	memset(c, 0, sizeof(*c));
	if (i >= VFSR_MAP_LEAF_ENTRIES) {
		vfsr_fault_set(f, VFSR_REASON_RANGE, i,
			       VFSR_MAP_LEAF_ENTRIES - 1);
		return -EUCLEAN;
	}
	e = entry_at((void *)page, i);
	c->id = le64_to_cpu(head->index) * VFSR_MAP_LEAF_ENTRIES + i;
	c->place = le64_to_cpu(e->place);
	if (!c->place) {
		if (memcmp(e, &empty, sizeof(empty)) == 0)
			return 0;
		vfsr_fault_set(f, VFSR_REASON_PADDING, 1, 0);
		goto bad;
	}
	stored = le32_to_cpu(e->stored);
	logical = le32_to_cpu(e->logical);
	c->birth = le64_to_cpu(e->birth);
	c->crc = le32_to_cpu(e->crc);
	c->refs = le32_to_cpu(e->refs);
	c->stored = stored & VFSR_LEN_MASK;
	c->state = stored >> STATE_SHIFT & STATE_MASK;
	c->alg = (u8)(stored >> ALG_SHIFT);
	c->logical = logical & VFSR_LEN_MASK;
	c->kind = (u8)(logical >> KIND_SHIFT);
	if (entry_ok(c, f))
		return 1;
bad:
	if (f)
		f->where = c->id;
	return -EUCLEAN;
}

void vfsr_map_child_set(void *page, unsigned int i,
			const struct vfsr_map_child *c)
{
	struct vfsr_disk_map_child *d = child_at(page, i);

	memset(d, 0, sizeof(*d));
	if (!c->place)
		return;
	d->place = cpu_to_le64(c->place);
	d->crc = cpu_to_le32(c->crc);
	d->len_free = cpu_to_le32(vfsr_map_len_free(c->len, c->free));
}

/* Free ids of a child of a page of @level that does not exist. */
static u32 empty_child_free(unsigned int level)
{
	u64 span = level ? vfsr_map_span(level - 1) : 0;

	return (u32)min_t(u64, span, VFSR_CHILD_FREE_MAX);
}

static bool child_ok(const struct vfsr_map_child *c, unsigned int level,
		     struct vfsr_fault *f)
{
	if (!vfsr_place_grid(c->place))
		return vfsr_fault_set(f, VFSR_REASON_RANGE, c->place,
				      1ull << VFSR_PLACE_GRID_SHIFT);
	if (!c->len || c->len > VFSR_NODE_BYTES)
		return vfsr_fault_set(f, VFSR_REASON_SIZE, c->len,
				      VFSR_NODE_BYTES);
	if (c->free > empty_child_free(level))
		return vfsr_fault_set(f, VFSR_REASON_SIZE, c->free,
				      empty_child_free(level));
	return true;
}

int vfsr_map_child_get(const void *page, unsigned int i,
		       struct vfsr_map_child *c, struct vfsr_fault *f)
{
	static const struct vfsr_disk_map_child empty;
	const struct vfsr_disk_map_head *head = page;
	const struct vfsr_disk_map_child *d;
	u32 word;

	memset(c, 0, sizeof(*c));
	if (i >= VFSR_MAP_FANOUT) {
		vfsr_fault_set(f, VFSR_REASON_RANGE, i, VFSR_MAP_FANOUT - 1);
		return -EUCLEAN;
	}
	d = child_at((void *)page, i);
	c->place = le64_to_cpu(d->place);
	if (!c->place) {
		if (memcmp(d, &empty, sizeof(empty)) == 0)
			return 0;
		vfsr_fault_set(f, VFSR_REASON_PADDING, 1, 0);
		goto bad;
	}
	word = le32_to_cpu(d->len_free);
	c->crc = le32_to_cpu(d->crc);
	c->len = word & VFSR_CHILD_LEN_MASK;
	c->free = word >> VFSR_CHILD_LEN_BITS;
	if (child_ok(c, head->level, f))
		return 1;
bad:
	if (f)
		f->where = i;
	return -EUCLEAN;
}

u32 vfsr_map_len_free(u32 len, u64 free)
{
	u32 word = (u32)min_t(u64, free, VFSR_CHILD_FREE_MAX);

	return word << VFSR_CHILD_LEN_BITS | (len & VFSR_CHILD_LEN_MASK);
}

static u32 leaf_free(const void *page)
{
	u32 free = 0;
	unsigned int i;

	for (i = 0; i < VFSR_MAP_LEAF_ENTRIES; i++)
		free += !entry_at((void *)page, i)->place;
	return free;
}

u32 vfsr_map_page_free(const void *page)
{
	const struct vfsr_disk_map_head *head = page;
	const struct vfsr_disk_map_child *d;
	u32 free = 0; /* 254 saturated counts fit 27 bits */
	unsigned int i;

	if (!head->level)
		return leaf_free(page);
	for (i = 0; i < VFSR_MAP_FANOUT; i++) {
		d = child_at((void *)page, i);
		if (d->place)
			free += le32_to_cpu(d->len_free) >> VFSR_CHILD_LEN_BITS;
		else
			free += empty_child_free(head->level);
	}
	return min_t(u32, free, VFSR_CHILD_FREE_MAX);
}

unsigned int vfsr_map_levels(u64 next_id)
{
	unsigned int levels = 1;

	while (levels < VFSR_MAP_MAX_LEVELS &&
	       vfsr_map_span(levels - 1) < next_id)
		levels++;
	return levels;
}

u64 vfsr_map_span(unsigned int level)
{
	u64 span = VFSR_MAP_LEAF_ENTRIES;

	level = min_t(unsigned int, level, VFSR_MAP_MAX_LEVELS);
	while (level--)
		span *= VFSR_MAP_FANOUT;
	return span;
}
