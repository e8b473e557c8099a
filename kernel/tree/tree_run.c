// SPDX-License-Identifier: GPL-2.0-only
/*
 * What covers a byte of a file: extents, inline data, holes.
 *
 * Two looks into the tree per question: the item at or before the byte, and the
 * one behind, which bounds a hole and must not begin inside of the first. Inline
 * items come before extents in key order, and end at or before the first extent's
 * block, so an extent before the byte means that inline data is not of interest. An
 * extent may end anywhere in a block; the rest of the block is a hole.
 */
#include "tree/tree_impl.h"

/* An item of file data as a run of bytes. */
struct piece {
	u64 pos, end;
	u8 type;		/* item type; 0: none */
	struct vfsr_extent e;	/* EXTENT */
};

/* The item found by bt_prev() or bt_next() as a piece; other types: none. */
static int piece_decode(struct vfsr_bt *bt, struct vfsr_key key,
			const u8 *value, u32 bytes, struct piece *p)
{
	int rc;

	p->type = 0;
	if (key.type == VFSR_ITEM_EXTENT) {
		rc = vfsr_extent_decode(value, bytes, key.key, &p->e,
					&bt->fault);
		if (rc)
			return rc;
		p->pos = key.key << VFSR_SECTOR_SHIFT;
		p->end = p->pos + p->e.bytes;
		p->type = key.type;
	} else if (key.type == VFSR_ITEM_INLINE) {
		if (key.key > VFSR_FILE_BYTES_MAX - bytes) {
			vfsr_fault_set(&bt->fault, VFSR_REASON_SIZE, key.key,
				       VFSR_FILE_BYTES_MAX);
			return -EUCLEAN;
		}
		p->pos = key.key;
		p->end = p->pos + bytes;
		p->type = key.type;
	}
	return 0;
}

/* The last piece that starts at or before @pos. */
static int piece_before(struct vfsr_bt *bt, u64 pos, u8 *value, struct piece *p)
{
	struct vfsr_key key =
		vfsr_tree_key(VFSR_ITEM_EXTENT, pos >> VFSR_SECTOR_SHIFT);
	u32 bytes;
	int rc = vfsr_bt_prev(bt, &key, value, &bytes);

	/* inline data behind @pos: a link's target in several items */
	if (!rc && key.type == VFSR_ITEM_INLINE && key.key > pos) {
		key = vfsr_tree_key(VFSR_ITEM_INLINE, pos);
		rc = vfsr_bt_prev(bt, &key, value, &bytes);
	}
	p->type = 0;
	if (rc)
		return rc == -ENOENT ? 0 : rc;
	return piece_decode(bt, key, value, bytes, p);
}

/* The first piece that starts behind @pos, given what is before it. */
static int piece_behind(struct vfsr_bt *bt, u64 pos, const struct piece *before,
			u8 *value, struct piece *p)
{
	struct vfsr_key key = vfsr_tree_key(VFSR_ITEM_INLINE, pos + 1);
	u32 bytes;
	int rc;

	if (before->type == VFSR_ITEM_EXTENT)
		key = vfsr_tree_key(VFSR_ITEM_EXTENT,
				    (pos >> VFSR_SECTOR_SHIFT) + 1);
	rc = vfsr_bt_next(bt, &key, value, &bytes);
	p->type = 0;
	if (rc)
		return rc == -ENOENT ? 0 : rc;
	return piece_decode(bt, key, value, bytes, p);
}

static void run_of_extent(const struct vfsr_extent *e, struct vfsr_run *run)
{
	switch (e->state) {
	case VFSR_STATE_VOID:
		run->type = VFSR_RUN_HOLE;
		break;
	case VFSR_STATE_MONOLITH:
		run->type = VFSR_RUN_FILL;
		run->fill = e->fill;
		break;
	default:
		run->type = VFSR_RUN_CHUNK;
		run->chunk = e->chunk;
		run->offset = e->offset;
		break;
	}
}

static int run_find(struct vfsr_bt *bt, u64 pos, u8 *value,
		    struct vfsr_run *run)
{
	struct piece a, b;
	int rc = piece_before(bt, pos, value, &a);

	if (!rc)
		rc = piece_behind(bt, pos, &a, value, &b);
	if (rc)
		return rc;
	if (a.type && b.type && b.pos < a.end) {
		vfsr_fault_set(&bt->fault, VFSR_REASON_OVERLAP, b.pos, a.end);
		return -EUCLEAN;
	}
	memset(run, 0, sizeof(*run));
	if (a.type && pos < a.end) {
		run->pos = a.pos;
		run->bytes = a.end - a.pos;
		run->stored = true;
		if (a.type == VFSR_ITEM_EXTENT)
			run_of_extent(&a.e, run);
		else
			run->type = VFSR_RUN_INLINE;
		return 0;
	}
	run->type = VFSR_RUN_HOLE;
	run->pos = a.type ? a.end : 0;
	run->bytes = (b.type ? b.pos : VFSR_FILE_BYTES_MAX) - run->pos;
	return 0;
}

/**
 * vfsr_tree_run - what covers a byte
 * @t: tree, lock held
 * @pos: byte of the file, below 2^63 - 1
 * @run: out
 *
 * Return: 0; -EINVAL; -EUCLEAN (reported; also if the next extent overlaps), -EIO.
 */
int vfsr_tree_run(struct vfsr_tree *t, u64 pos, struct vfsr_run *run)
{
	struct vfsr_bt bt = vfsr_tree_bt(t);
	struct vfsr_tree_scratch *s;
	int rc;

	lockdep_assert_held(&t->lock);
	if (pos >= VFSR_FILE_BYTES_MAX)
		return -EINVAL;
	s = vfsr_scratch_get(t->trees);
	rc = run_find(&bt, pos, s->value, run);
	vfsr_scratch_put(t->trees, s);
	return vfsr_tree_result(t, &bt, rc);
}

/**
 * vfsr_tree_inline_read - copy inline data
 * @t: tree, lock held
 * @pos: byte of the file to start at
 * @buf: room for @room bytes
 * @room: how many at most
 *
 * Goes on over items that follow each other without a gap.
 *
 * Return: bytes copied, 0 if @pos is not in inline data; -EUCLEAN (reported),
 * -EIO.
 */
int vfsr_tree_inline_read(struct vfsr_tree *t, u64 pos, void *buf, u32 room)
{
	struct vfsr_bt bt = vfsr_tree_bt(t);
	struct vfsr_tree_scratch *s = vfsr_scratch_get(t->trees);
	struct vfsr_key key;
	struct piece p;
	u32 bytes, n, used = 0;
	int rc = 0;

	lockdep_assert_held(&t->lock);
	while (used < room) {
		key = vfsr_tree_key(VFSR_ITEM_INLINE, pos);
		rc = vfsr_bt_prev(&bt, &key, s->value, &bytes);
		if (!rc)
			rc = piece_decode(&bt, key, s->value, bytes, &p);
		if (rc || p.type != VFSR_ITEM_INLINE || pos >= p.end)
			break;
		n = min_t(u64, p.end - pos, room - used);
		memcpy((u8 *)buf + used, s->value + (pos - p.pos), n);
		used += n;
		pos += n;
	}
	vfsr_scratch_put(t->trees, s);
	if (rc && rc != -ENOENT)
		return vfsr_tree_result(t, &bt, rc);
	return (int)used;
}
