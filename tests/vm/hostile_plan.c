// SPDX-License-Identifier: GPL-2.0-only
/*
 * Chooses mutations: every kind as often as any other, and within a structure
 * rather the fields at its head, with numbers that sums and products overflow
 * with as often as with any bytes.
 */
#include "hostile.h"

#define MAX_CHANGES 3u
#define BYTES_MAX 16u
#define ALL_OFFSETS 65536u

static const char *const op_names[NR_IMAGE_OPS] = {
	[OP_BLOCK] = "block",	[OP_BYTES] = "bytes",
	[OP_NODE] = "node",	[OP_NODE_BYTES] = "node length",
	[OP_ENTRY] = "entry",	[OP_PAGE] = "page",
	[OP_RECORD] = "record", [OP_STORED] = "stored",
	[OP_ENTRIES] = "table", [OP_COPY] = "copy",
	[OP_WIPE] = "wipe",	[OP_LIFT] = "lift",
	[OP_TRUNCATE] = "end",
};

struct dice dice_of(u64 seed, u32 use)
{
	/* far from the step of roll(): else seeds share their numbers */
	return (struct dice){ (seed ^ (u64)use << 32) * 0xd1342543de82ef95ull };
}

u32 roll(struct dice *d, u32 below)
{
	u64 x;

	/* splitmix64: any state will do */
	d->state += 0x9e3779b97f4a7c15ull;
	x = (d->state ^ (d->state >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return (u32)(((x ^ (x >> 31)) >> 32) * below >> 32);
}

/* A block of a kind that is chosen first: there are far more of some. */
static u32 pick_block(const struct image *im, struct dice *d)
{
	enum image_block_kind kind = roll(d, NR_BLOCK_KINDS);
	u32 from = roll(d, im->nr_blocks), i, nr;

	for (i = 0; i < im->nr_blocks; i++) {
		nr = (from + i) % im->nr_blocks;
		if (im->block[nr].kind == kind)
			return nr;
	}
	return from;
}

/* A chunk, mostly one with metadata, and seldom the root: that ends a mount. */
static u32 pick_chunk(const struct image *im, struct dice *d)
{
	static const u8 kinds[] = { VFSR_KIND_NODE,  VFSR_KIND_NODE,
				    VFSR_KIND_NODE,  VFSR_KIND_INODE,
				    VFSR_KIND_INODE, VFSR_KIND_INODE,
				    VFSR_KIND_DATA };
	u32 from = roll(d, im->nr_chunks), i, nr;
	u8 kind = kinds[roll(d, ARRAY_SIZE(kinds))];
	bool root = !roll(d, 8);
	const struct vfsr_chunk *c;

	for (i = 0; i < im->nr_chunks; i++) {
		nr = (from + i) % im->nr_chunks;
		c = &im->chunk[nr];
		if (root ? c->id == VFSR_ROOT_INO : c->kind == kind)
			return nr;
	}
	return from;
}

static u32 pick_what(const struct image *im, u32 op, struct dice *d)
{
	switch (op) {
	case OP_BLOCK:
	case OP_COPY:
		return pick_block(im, d);
	case OP_NODE:
	case OP_NODE_BYTES:
	case OP_ENTRY:
	case OP_STORED:
		return pick_chunk(im, d);
	case OP_WIPE:
		return roll(d, 4) ? 1u << roll(d, NR_BLOCK_KINDS) :
				    roll(d, 1u << NR_BLOCK_KINDS);
	default:
		return roll(d, ALL_OFFSETS);
	}
}

static u32 pick_offset(struct dice *d)
{
	static const u32 limit[] = { 64, 256, 512, 4096, ALL_OFFSETS };
	u32 at = roll(d, limit[roll(d, ARRAY_SIZE(limit))]);

	return roll(d, 2) ? at & ~(u32)(sizeof(u32) - 1) : at;
}

/* Return: how many bytes. */
static u32 pick_bytes(u8 *buf, struct dice *d)
{
	static const u64 number[] = { 0,
				      1,
				      0xffffffffffffffffull,
				      0x7fffffffull,
				      0x8000000080000000ull,
				      0x7fffffffffffffffull,
				      0x1000,
				      0x100000000ull };
	__le64 value;
	u32 nr, i;

	if (roll(d, 2)) {
		nr = 1u << roll(d, 4);
		value = cpu_to_le64(number[roll(d, ARRAY_SIZE(number))]);
		memcpy(buf, &value, sizeof(value));
		return nr;
	}
	nr = roll(d, 2) ? 1 : 1 + roll(d, BYTES_MAX);
	for (i = 0; i < nr; i++)
		buf[i] = (u8)roll(d, 256);
	return nr;
}

static void put16(u8 *at, u32 value)
{
	at[0] = (u8)value;
	at[1] = (u8)(value >> 8);
}

size_t plan_mutations(const struct image *im, u64 seed, u8 *list, char *words,
		      size_t size)
{
	struct dice d = dice_of(seed, 0);
	u32 nr = roll(&d, 2) ? 1 : 1 + roll(&d, MAX_CHANGES);
	u8 *at = list;
	u32 i, op, bytes, what, offset;
	int said = 0;

	words[0] = '\0';
	for (i = 0; i < nr; i++) {
		/* the first by turns, so that few images have all */
		op = i ? roll(&d, NR_IMAGE_OPS) :
			 (u32)(seed / 2) % NR_IMAGE_OPS;
		what = pick_what(im, op, &d);
		offset = pick_offset(&d);
		bytes = pick_bytes(at + 7, &d);
		at[0] = (u8)op;
		put16(at + 1, what);
		put16(at + 3, offset);
		put16(at + 5, (roll(&d, 256) << 4) | (bytes - 1));
		at += 7 + bytes;
		if (said >= 0 && (size_t)said < size)
			said += snprintf(words + said, size - (size_t)said,
					 "%s%s %u at %u, %u bytes",
					 i ? "; " : "", op_names[op], what,
					 offset, bytes);
	}
	return (size_t)(at - list);
}
