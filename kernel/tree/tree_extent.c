// SPDX-License-Identifier: GPL-2.0-only
/*
 * Changing what covers a file: extents and inline data set, cut and removed.
 *
 * Setting a range works on a window of items: those that the range meets, and
 * the neighbour on either side. From the window's old items its new ones are
 * planned in memory (what stays of the old ones, and the new extent), what may
 * fail for the map is done, and then only the difference is applied to the tree. A
 * failure of the first change leaves all as it was; a later one stops the
 * filesystem. Callers hold the tree's lock for write, in a transaction.
 *
 * Counts: blocks are those of items that name a chunk; the pool's logical bytes are all
 * bytes of extents (void ones too) and of inline items of regular files.
 */
#include "tree/tree_impl.h"

#define BLOCK_BYTES	512u	/* of the inode's block count */
#define TRUNCATE_ITEMS	64u	/* removed per call */

/* A change of file data under way. */
struct file_change {
	struct vfsr_tree *t;
	struct vfsr_bt bt;
	struct vfsr_tree_scratch *s;
	u64 pos, end;			/* the range, whole blocks */
	const struct vfsr_extent *e;	/* what it becomes; NULL: a hole */
	const u8 *data;			/* inline data to set, if any */
	u32 data_bytes;
	bool is_file;			/* its bytes count */
};

static u64 ext_pos(const struct vfsr_ext *x)
{
	return x->block << VFSR_SECTOR_SHIFT;
}

static u64 ext_end(const struct vfsr_ext *x)
{
	return ext_pos(x) + x->e.bytes;
}

static s64 ext_blocks(const struct vfsr_ext *x)
{
	return x->e.chunk ? (s64)DIV_ROUND_UP_ULL(x->e.bytes, BLOCK_BYTES) : 0;
}

static bool ext_same(const struct vfsr_ext *a, const struct vfsr_ext *b)
{
	return a->block == b->block && a->e.chunk == b->e.chunk &&
	       a->e.bytes == b->e.bytes && a->e.offset == b->e.offset &&
	       a->e.state == b->e.state && a->e.fill == b->e.fill &&
	       a->e.flags == b->e.flags;
}

static void logical_add(struct vfsr_tree *t, bool is_file, s64 bytes)
{
	if (is_file)
		atomic64_add(bytes, &t->trees->log->counts.logical_bytes);
}

static int change_fault(struct file_change *c, enum vfsr_reason reason,
			u64 have, u64 want)
{
	vfsr_fault_set(&c->bt.fault, reason, have, want);
	return -EUCLEAN;
}

/* --- the window --- */

/* The item that bt_prev() or bt_next() found; -ENOENT if it is no extent. */
static int ext_decode(struct file_change *c, struct vfsr_key key, u32 bytes,
		      struct vfsr_ext *x)
{
	if (key.type != VFSR_ITEM_EXTENT)
		return -ENOENT;
	x->block = key.key;
	return vfsr_extent_decode(c->s->value, bytes, key.key, &x->e,
				  &c->bt.fault);
}

/* The extent before the range, if it reaches the range or touches it. */
static int window_left(struct file_change *c)
{
	struct vfsr_tree_scratch *s = c->s;
	struct vfsr_ext *x = &s->old[0];
	struct vfsr_key key;
	u32 bytes;
	int rc;

	if (!c->pos)
		return 0;
	key = vfsr_tree_key(VFSR_ITEM_EXTENT,
			    (c->pos >> VFSR_SECTOR_SHIFT) - 1);
	rc = vfsr_bt_prev(&c->bt, &key, s->value, &bytes);
	if (!rc)
		rc = ext_decode(c, key, bytes, x);
	if (!rc && ext_end(x) >= c->pos)
		s->nr_old = 1;
	return rc == -ENOENT ? 0 : rc;
}

/* The extents that begin in the range, and one that begins where it ends. */
static int window_items(struct file_change *c)
{
	struct vfsr_tree_scratch *s = c->s;
	struct vfsr_key key =
		vfsr_tree_key(VFSR_ITEM_EXTENT, c->pos >> VFSR_SECTOR_SHIFT);
	u64 floor = s->nr_old ? ext_end(&s->old[0]) : 0;
	struct vfsr_ext x;
	u32 bytes;
	int rc;

	for (;;) {
		rc = vfsr_bt_next(&c->bt, &key, s->value, &bytes);
		if (!rc)
			rc = ext_decode(c, key, bytes, &x);
		if (rc)
			return rc == -ENOENT ? 0 : rc;
		if (ext_pos(&x) > c->end)
			return 0;
		if (ext_pos(&x) < floor)
			return change_fault(c, VFSR_REASON_OVERLAP, ext_pos(&x),
					    floor);
		if (WARN_ON_ONCE(s->nr_old == VFSR_EXT_OLD))
			return -EINVAL;
		s->old[s->nr_old++] = x;
		if (ext_pos(&x) == c->end)
			return 0;
		floor = ext_end(&x);
		key.key++;
	}
}

/* Keys and bytes of all inline items. */
static int window_inline(struct file_change *c)
{
	struct vfsr_tree_scratch *s = c->s;
	struct vfsr_key key = vfsr_tree_key(VFSR_ITEM_INLINE, 0);
	u32 bytes;
	int rc;

	do {
		rc = vfsr_bt_next(&c->bt, &key, NULL, &bytes);
		if (rc)
			return rc == -ENOENT ? 0 : rc;
		if (key.type != VFSR_ITEM_INLINE)
			return 0;
		if (s->nr_inline == VFSR_INLINE_ITEMS)
			return change_fault(c, VFSR_REASON_SIZE,
					    s->nr_inline + 1,
					    VFSR_INLINE_ITEMS);
		s->inline_key[s->nr_inline++] = key.key;
		s->inline_bytes += bytes;
	} while (++key.key);
	return 0;
}

static int window_load(struct file_change *c)
{
	int rc = window_left(c);

	if (!rc)
		rc = window_items(c);
	/* inline data lies before all extents: only a range at 0 meets it */
	if (!rc && !c->pos)
		rc = window_inline(c);
	if (!rc)
		rc = vfsr_tree_is_file(c->t);
	if (rc < 0)
		return rc;
	c->is_file = rc;
	return 0;
}

/* --- the plan --- */

/* One byte repeated without a chunk, the same in both, and without a gap */
static bool mergeable(const struct vfsr_ext *a, const struct vfsr_ext *b)
{
	return !a->e.chunk && !b->e.chunk && a->e.state == b->e.state &&
	       a->e.fill == b->e.fill && a->e.flags == b->e.flags &&
	       ext_end(a) == ext_pos(b);
}

static void plan_add(struct vfsr_tree_scratch *s, const struct vfsr_ext *x)
{
	struct vfsr_ext *last = s->nr_new ? &s->new[s->nr_new - 1] : NULL;

	if (last && mergeable(last, x))
		last->e.bytes += x->e.bytes;
	else if (!WARN_ON_ONCE(s->nr_new == VFSR_EXT_NEW))
		s->new[s->nr_new++] = *x;
}

/* What is left of an item before the range; it may touch the range. */
static bool plan_head(const struct file_change *c, const struct vfsr_ext *old,
		      struct vfsr_ext *x)
{
	if (ext_pos(old) >= c->pos)
		return false;
	*x = *old;
	x->e.bytes = min(x->e.bytes, c->pos - ext_pos(old));
	return true;
}

/* What is left of an item behind the range; it may touch the range. */
static bool plan_tail(const struct file_change *c, const struct vfsr_ext *old,
		      struct vfsr_ext *x)
{
	u64 cut;

	if (ext_end(old) <= c->end)
		return false;
	*x = *old;
	if (ext_pos(old) >= c->end)
		return true;
	cut = c->end - ext_pos(old);
	x->block = c->end >> VFSR_SECTOR_SHIFT;
	x->e.bytes -= cut;
	if (x->e.chunk)
		x->e.offset += (u32)cut;
	return true;
}

/*
 * From the old items, which are in order and do not overlap, to the new ones:
 * at most one has a head, at most one a tail.
 */
static void plan(struct file_change *c)
{
	struct vfsr_tree_scratch *s = c->s;
	struct vfsr_ext x;
	unsigned int i;

	for (i = 0; i < s->nr_old; i++) {
		s->parts[i] = 0;
		if (!plan_head(c, &s->old[i], &x))
			continue;
		plan_add(s, &x);
		s->parts[i]++;
	}
	if (c->e) {
		x.block = c->pos >> VFSR_SECTOR_SHIFT;
		x.e = *c->e;
		plan_add(s, &x);
	}
	for (i = 0; i < s->nr_old; i++) {
		if (!plan_tail(c, &s->old[i], &x))
			continue;
		plan_add(s, &x);
		s->parts[i]++;
	}
}

/* --- references of chunks --- */

/*
 * Make sure that a reference can be dropped. In a damaged pool the id may be
 * free or no data's; then *@id becomes 0, and the item can go all the same.
 */
static int unref_prepare(struct vfsr_tree *t, u64 *id)
{
	int rc;

	if (!*id)
		return 0;
	rc = vfsr_map_pin(t->trees->log->map, *id);
	if (rc != -ENOENT && rc != -EUCLEAN)
		return rc;
	vfsr_tree_bad(t, VFSR_REASON_MISSING, *id, 0);
	*id = 0;
	return 0;
}

static void unref(struct vfsr_tree *t, u64 id)
{
	int rc = id ? vfsr_map_ref(t->trees->log->map, id, -1) : 0;

	if (rc == -EUCLEAN || rc == -ENOENT)
		vfsr_tree_bad(t, VFSR_REASON_REFS, id, 0);
	else if (rc)
		vfsr_log_stop(t->trees->log, rc,
			      "a chunk's reference could not be dropped");
}

/* Undo what refs_prepare() did to the first @nr items. */
static void refs_undo(struct file_change *c, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (c->s->parts[i] == 2)
			unref(c->t, c->s->old[i].e.chunk);
}

/* Take the references that a split adds; make those sure that will go. */
static int refs_prepare(struct file_change *c)
{
	struct vfsr_tree_scratch *s = c->s;
	struct vfsr_map *map = c->t->trees->log->map;
	unsigned int i;
	u64 id;
	int rc;

	for (i = 0; i < s->nr_old; i++) {
		rc = 0;
		id = s->old[i].e.chunk;
		if (id && s->parts[i] == 2) {
			rc = vfsr_map_ref(map, id, 1);
		} else if (id && !s->parts[i]) {
			rc = unref_prepare(c->t, &id);
			if (!rc && !id)
				s->parts[i] = 1; /* nothing to drop */
		}
		if (rc) {
			refs_undo(c, i);
			return rc;
		}
	}
	return 0;
}

static void refs_finish(struct file_change *c)
{
	unsigned int i;

	for (i = 0; i < c->s->nr_old; i++)
		if (!c->s->parts[i])
			unref(c->t, c->s->old[i].e.chunk);
}

/* --- applying --- */

static const struct vfsr_ext *ext_at(const struct vfsr_ext *x, unsigned int nr,
				     u64 block)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (x[i].block == block)
			return &x[i];
	return NULL;
}

static int apply_extents(struct file_change *c)
{
	struct vfsr_tree_scratch *s = c->s;
	u8 item[sizeof(struct vfsr_disk_extent)];
	const struct vfsr_ext *old;
	struct vfsr_key key = vfsr_tree_key(VFSR_ITEM_EXTENT, 0);
	unsigned int i;
	u32 bytes;
	int rc;

	for (i = 0; i < s->nr_new; i++) {
		key.key = s->new[i].block;
		old = ext_at(s->old, s->nr_old, key.key);
		if (old && ext_same(old, &s->new[i]))
			continue;
		bytes = vfsr_extent_encode(&s->new[i].e, item);
		rc = old ? vfsr_bt_replace(&c->bt, key, item, bytes) :
			   vfsr_bt_insert(&c->bt, key, item, bytes);
		if (rc)
			return rc;
		s->changed = true;
	}
	for (i = 0; i < s->nr_old; i++) {
		key.key = s->old[i].block;
		if (ext_at(s->new, s->nr_new, key.key))
			continue;
		rc = vfsr_bt_delete(&c->bt, key);
		if (rc)
			return rc;
		s->changed = true;
	}
	return 0;
}

/* Is there an old inline item with this key? */
static bool had_inline(const struct vfsr_tree_scratch *s, u64 key)
{
	unsigned int i;

	for (i = 0; i < s->nr_inline; i++)
		if (s->inline_key[i] == key)
			return true;
	return false;
}

/* The new inline items, then away with the old ones that are none of them. */
static int apply_inline(struct file_change *c)
{
	struct vfsr_tree_scratch *s = c->s;
	struct vfsr_key key = vfsr_tree_key(VFSR_ITEM_INLINE, 0);
	unsigned int i;
	u32 n;
	int rc;

	for (; key.key < c->data_bytes; key.key += n) {
		n = min_t(u32, VFSR_MAX_ITEM_BYTES,
			  c->data_bytes - (u32)key.key);
		rc = had_inline(s, key.key) ?
			     vfsr_bt_replace(&c->bt, key, c->data + key.key,
					     n) :
			     vfsr_bt_insert(&c->bt, key, c->data + key.key, n);
		if (rc)
			return rc;
		s->changed = true;
	}
	for (i = 0; i < s->nr_inline; i++) {
		key.key = s->inline_key[i];
		if (key.key < c->data_bytes && !(key.key % VFSR_MAX_ITEM_BYTES))
			continue;
		rc = vfsr_bt_delete(&c->bt, key);
		if (rc)
			return rc;
		s->changed = true;
	}
	return 0;
}

static void account(struct file_change *c, struct vfsr_tree_delta *d)
{
	const struct vfsr_tree_scratch *s = c->s;
	s64 bytes = (s64)c->data_bytes - (s64)s->inline_bytes;
	unsigned int i;

	for (i = 0; i < s->nr_new; i++) {
		bytes += (s64)s->new[i].e.bytes;
		d->blocks += ext_blocks(&s->new[i]);
	}
	for (i = 0; i < s->nr_old; i++) {
		bytes -= (s64)s->old[i].e.bytes;
		d->blocks -= ext_blocks(&s->old[i]);
	}
	logical_add(c->t, c->is_file, bytes);
}

static int change_run(struct file_change *c, struct vfsr_tree_delta *d)
{
	struct vfsr_trees *ts = c->t->trees;
	struct vfsr_tree_scratch *s = vfsr_scratch_get(ts);
	int rc;

	s->nr_old = 0;
	s->nr_new = 0;
	s->nr_inline = 0;
	s->inline_bytes = 0;
	s->changed = false;
	c->s = s;
	c->bt = vfsr_tree_bt(c->t);
	rc = window_load(c);
	if (rc)
		goto out;
	plan(c);
	rc = refs_prepare(c);
	if (rc)
		goto out;
	rc = apply_extents(c);
	if (!rc)
		rc = apply_inline(c);
	if (rc && s->changed)
		vfsr_log_stop(ts->log, rc, "extents of a file half changed");
	if (rc) {
		refs_undo(c, s->nr_old);
		goto out;
	}
	refs_finish(c);
	account(c, d);
out:
	vfsr_scratch_put(ts, s);
	return vfsr_tree_result(c->t, &c->bt, rc);
}

int vfsr_tree_extent_set(struct vfsr_tree *t, u64 pos,
			 const struct vfsr_extent *e, u64 bytes,
			 struct vfsr_tree_delta *d)
{
	struct file_change c = { .t = t, .pos = pos, .e = e };

	lockdep_assert_held_write(&t->lock);
	if (WARN_ON_ONCE(pos % VFSR_SECTOR_BYTES || !bytes ||
			 bytes > VFSR_CHUNK_BYTES ||
			 pos > VFSR_FILE_BYTES_MAX - bytes ||
			 (e && e->bytes != bytes)))
		return -EINVAL;
	c.end = round_up(pos + bytes, VFSR_SECTOR_BYTES);
	return change_run(&c, d);
}

int vfsr_tree_inline_set(struct vfsr_tree *t, const void *data, u32 bytes,
			 struct vfsr_tree_delta *d)
{
	struct file_change c = { .t = t,
				 .end = VFSR_SECTOR_BYTES,
				 .data = data,
				 .data_bytes = bytes };

	lockdep_assert_held_write(&t->lock);
	if (WARN_ON_ONCE(bytes > VFSR_SECTOR_BYTES))
		return -EINVAL;
	return change_run(&c, d);
}

/* --- truncation --- */

/* Cut or remove an extent at @size; 1: removed, 0: what is before it stays. */
static int cut_extent(struct file_change *c, struct vfsr_key key, u32 bytes,
		      u64 size, struct vfsr_tree_delta *d)
{
	u8 item[sizeof(struct vfsr_disk_extent)];
	struct vfsr_tree *t = c->t;
	struct vfsr_ext x, cut;
	u64 id;
	int rc = ext_decode(c, key, bytes, &x);

	if (rc) {
		/* what cannot be understood names no chunk to free */
		vfsr_tree_result(t, &c->bt, rc);
		if (key.key < DIV_ROUND_UP_ULL(size, VFSR_SECTOR_BYTES))
			return 0;
		rc = vfsr_bt_delete(&c->bt, key);
		return rc ? rc : 1;
	}
	if (ext_end(&x) <= size)
		return 0;
	if (ext_pos(&x) < size) {
		cut = x;
		cut.e.bytes = size - ext_pos(&x);
		rc = vfsr_bt_replace(&c->bt, key, item,
				     vfsr_extent_encode(&cut.e, item));
		if (rc)
			return rc;
		d->blocks += ext_blocks(&cut) - ext_blocks(&x);
		logical_add(t, c->is_file, (s64)(cut.e.bytes - x.e.bytes));
		return 0;
	}
	id = x.e.chunk;
	rc = unref_prepare(t, &id);
	if (!rc)
		rc = vfsr_bt_delete(&c->bt, key);
	if (rc)
		return rc;
	unref(t, id);
	d->blocks -= ext_blocks(&x);
	logical_add(t, c->is_file, -(s64)x.e.bytes);
	return 1;
}

/* The same for an inline item, whose value is in the scratch. */
static int cut_inline(struct file_change *c, struct vfsr_key key, u32 bytes,
		      u64 size)
{
	u32 keep = 0;
	int rc;

	if (key.key < size) {
		if (bytes <= size - key.key)
			return 0;
		keep = (u32)(size - key.key);
		rc = vfsr_bt_replace(&c->bt, key, c->s->value, keep);
	} else {
		rc = vfsr_bt_delete(&c->bt, key);
	}
	if (rc)
		return rc;
	logical_add(c->t, c->is_file, (s64)keep - (s64)bytes);
	return !keep;
}

/* Remove or cut the last item of file data; 1: there may be more. */
static int cut_last(struct file_change *c, u64 size, struct vfsr_tree_delta *d)
{
	struct vfsr_key key = vfsr_tree_key(VFSR_ITEM_EXTENT, U64_MAX);
	u32 bytes;
	int rc = vfsr_bt_prev(&c->bt, &key, c->s->value, &bytes);

	if (rc)
		return rc == -ENOENT ? 0 : rc;
	if (key.type == VFSR_ITEM_EXTENT)
		return cut_extent(c, key, bytes, size, d);
	return cut_inline(c, key, bytes, size);
}

int vfsr_tree_truncate(struct vfsr_tree *t, u64 size, struct vfsr_tree_delta *d)
{
	struct file_change c = { .t = t, .bt = vfsr_tree_bt(t) };
	unsigned int i;
	int rc = vfsr_tree_is_file(t);

	lockdep_assert_held_write(&t->lock);
	if (rc < 0)
		return rc;
	c.is_file = rc;
	c.s = vfsr_scratch_get(t->trees);
	rc = 1;
	for (i = 0; i < TRUNCATE_ITEMS && rc == 1; i++)
		rc = cut_last(&c, size, d);
	vfsr_scratch_put(t->trees, c.s);
	return vfsr_tree_result(t, &c.bt, rc);
}
