// SPDX-License-Identifier: GPL-2.0-only
/*
 * The B+tree's changing side: insert, replace, delete, and the header of the root.
 *
 * A change has two phases. First everything that may fail: the path is got,
 * new nodes are allocated, every node is announced as dirty. Then the
 * bytes move, which cannot fail; so an error leaves the tree as it was.
 *
 * A split always makes room. Let C = 4064 be the bytes of a node without inode
 * header for items, W = 16 + 1792 = 1808 the largest item. The items of a
 * node that is split and the new one are T < C + W = 5872 bytes. Of all places
 * to cut, one is within W / 2 of T / 2 (cuts are at most W apart), so the
 * larger side has at most T / 2 + W / 2 <= 3840 <= C bytes, and as T > C
 * neither side is empty. A root (192 bytes of inode header: C - 192) is never
 * split: its items go to a new child without header, where T is no greater
 * than before, and the root keeps 24 bytes for it and 24 for the child's other
 * half. Replacing a value is the same with the old value taken out.
 */
#include "core/btree_impl.h"

/* A node below this many bytes of items looks for one to merge with. */
#define MERGE_BYTES	(VFSR_NODE_ROOM / 3)
/* What a child takes in its parent */
#define CHILD_ITEM_BYTES (VFSR_ITEM_HEAD + VFSR_CHILD_BYTES)
/* One per level, and one for the root's items */
#define MAX_NEW_NODES	(VFSR_BT_MAX_DEPTH + 1)

static_assert(VFSR_NODE_ROOM + 2 * (VFSR_ITEM_HEAD + VFSR_MAX_ITEM_BYTES) <=
		      2 * VFSR_NODE_ROOM,
	      "the larger half of a split fits a node");
static_assert(VFSR_NODE_ROOM - sizeof(struct vfsr_disk_inode) >=
		      2 * (VFSR_ITEM_HEAD + VFSR_MAX_ITEM_BYTES),
	      "a root holds two items of any size");

/* A change under way */
struct change {
	struct vfsr_bt_path p;
	u64 new_id[MAX_NEW_NODES];
	u8 *new_node[MAX_NEW_NODES];
	unsigned int nr_new;	/* allocated */
	unsigned int used;	/* of them */
};

/* An item on its way into the node of level-from-the-root d */
struct pending {
	struct vfsr_key key;
	struct vfsr_value value;
	unsigned int slot;
	bool replace;	/* the value of item @slot */
};

/* --- what may fail --- */

static int new_nodes(struct vfsr_bt *t, struct change *c, unsigned int nr)
{
	int rc;

	while (c->nr_new < nr) {
		unsigned int i = c->nr_new;

		rc = t->ops->alloc(t->ctx, &c->new_id[i], &c->new_node[i]);
		if (rc)
			return rc;
		c->nr_new++;
		rc = t->ops->dirty(t->ctx, c->new_id[i], c->new_node[i]);
		if (rc)
			return rc;
	}
	return 0;
}

static int path_dirty(struct vfsr_bt *t, const struct vfsr_bt_path *p,
		      unsigned int d)
{
	return t->ops->dirty(t->ctx, p->id[d], p->node[d]);
}

/* Put everything; new nodes that nobody used go back to the provider. */
static void change_end(struct vfsr_bt *t, struct change *c)
{
	unsigned int i;

	vfsr_bt_path_trim(t, &c->p, 0);
	for (i = 0; i < c->nr_new; i++) {
		t->ops->put(t->ctx, c->new_id[i], c->new_node[i]);
		if (i >= c->used)
			t->ops->free(t->ctx, c->new_id[i]);
	}
}

/* Does the insertion of @key make the first key of node[d] smaller? */
static bool lowers_key(const struct vfsr_bt_path *p, unsigned int d,
		       struct vfsr_key key)
{
	return !p->slot[d] &&
	       vfsr_key_cmp(key, vfsr_node_key(p->node[d], 0)) < 0;
}

/*
 * Allocate and announce all that putting @need more bytes into the leaf takes.
 * @push: out: the root has no room for its part
 */
static int store_prepare(struct vfsr_bt *t, struct change *c,
			 struct vfsr_key key, u32 need, bool *push)
{
	struct vfsr_bt_path *p = &c->p;
	unsigned int d, top = p->depth - 1, nr = 0;
	int rc;

	while (top && need > vfsr_node_room(p->node[top])) {
		nr++;
		top--;
		need = CHILD_ITEM_BYTES;
	}
	*push = need > vfsr_node_room(p->node[top]);
	if (*push) {
		if (vfsr_node_level(p->node[0]) >= VFSR_MAX_NODE_LEVEL)
			return -EFBIG;
		nr++;
		if (vfsr_node_item_bytes(p->node[0]) + need > VFSR_NODE_ROOM)
			nr++;
	}
	rc = new_nodes(t, c, nr);
	for (d = 0; !rc && d < p->depth; d++)
		if (d >= top || lowers_key(p, d, key))
			rc = path_dirty(t, p, d);
	return rc;
}

/* --- what cannot fail --- */

static struct vfsr_value child_value(const __le64 *id)
{
	struct vfsr_value v = { { id }, { sizeof(*id) } };

	return v;
}

static void pending_put(u8 *node, unsigned int slot, const struct pending *pd)
{
	if (pd->replace)
		vfsr_node_set_value(node, slot, &pd->value);
	else
		vfsr_node_insert(node, slot, pd->key, &pd->value);
}

/* Bytes that a node grows by */
static u32 pending_need(const u8 *node, const struct pending *pd)
{
	u32 bytes = vfsr_value_bytes(&pd->value), old;

	if (!pd->replace)
		return VFSR_ITEM_HEAD + bytes;
	old = vfsr_node_value_bytes(node, pd->slot);
	return bytes > old ? bytes - old : 0;
}

/*
 * Where to cut a node and the item on its way to it: the number of items, that one
 * counted, that stay on the left; the larger side is as small as can be.
 */
static unsigned int best_cut(const u8 *node, const struct pending *pd)
{
	unsigned int nr = vfsr_node_nr_items(node) + !pd->replace;
	u32 mine = VFSR_ITEM_HEAD + vfsr_value_bytes(&pd->value);
	u32 total = vfsr_node_item_bytes(node) + mine;
	u32 left = 0, best = 2 * VFSR_NODE_BYTES;
	unsigned int i, cut = 1;

	if (pd->replace)
		total -= VFSR_ITEM_HEAD + vfsr_node_value_bytes(node, pd->slot);
	for (i = 0; i + 1 < nr; i++) {
		u32 larger;

		if (i == pd->slot)
			left += mine;
		else
			left += VFSR_ITEM_HEAD +
				vfsr_node_value_bytes(node, i - (!pd->replace &&
								 i > pd->slot));
		larger = max_t(u32, left, total - left);
		if (larger < best) {
			best = larger;
			cut = i + 1;
		}
	}
	return cut;
}

/* Is the item on its way to node[d] going to be the last of its level? */
static bool at_end(const struct vfsr_bt_path *p, unsigned int d,
		   const struct pending *pd)
{
	if (pd->replace || pd->slot != vfsr_node_nr_items(p->node[d]))
		return false;
	while (d--)
		if (p->slot[d] + 1u != vfsr_node_nr_items(p->node[d]))
			return false;
	return true;
}

/* Split node[d], with @pd on its way to it, into itself and the empty @right. */
static void split(const struct vfsr_bt_path *p, unsigned int d, u8 *right,
		  const struct pending *pd)
{
	u8 *left = p->node[d];
	unsigned int nr = vfsr_node_nr_items(left);
	unsigned int cut = at_end(p, d, pd) ? nr : best_cut(left, pd);
	bool to_left = pd->slot < cut;

	/* the cut counts the new item, the node does not have it yet */
	if (to_left && !pd->replace)
		cut--;
	vfsr_node_move(right, 0, left, cut, nr - cut);
	if (to_left)
		pending_put(left, pd->slot, pd);
	else
		pending_put(right, pd->slot - cut, pd);
}

/* Move the root's items to the next new node; the path grows by it. */
static void push_root(struct vfsr_bt *t, struct change *c, struct vfsr_key low)
{
	struct vfsr_bt_path *p = &c->p;
	u8 *root = p->node[0], *child = c->new_node[c->used];
	u64 id = c->new_id[c->used];
	unsigned int nr = vfsr_node_nr_items(root), d;
	unsigned int level = vfsr_node_level(root);
	__le64 disk_id = cpu_to_le64(id);
	struct vfsr_value v = child_value(&disk_id);

	vfsr_node_init(child, id, t->ino, level, NULL, 0);
	vfsr_node_move(child, 0, root, 0, nr);
	vfsr_node_set_level(root, level + 1);
	if (vfsr_key_cmp(vfsr_node_key(child, 0), low) < 0)
		low = vfsr_node_key(child, 0);
	vfsr_node_insert(root, 0, low, &v);
	/* The path holds the new node from here on, and puts it. */
	for (d = p->depth; d > 1; d--) {
		p->node[d] = p->node[d - 1];
		p->id[d] = p->id[d - 1];
		p->slot[d] = p->slot[d - 1];
	}
	p->slot[1] = p->slot[0];
	p->slot[0] = 0;
	p->node[1] = child;
	p->id[1] = id;
	p->depth++;
	c->nr_new--;
	c->new_id[c->used] = c->new_id[c->nr_new];
	c->new_node[c->used] = c->new_node[c->nr_new];
}

/* Put an item into the leaf, and what splits make of it into the levels above. */
static void store_apply(struct vfsr_bt *t, struct change *c, struct pending *pd)
{
	struct vfsr_bt_path *p = &c->p;
	unsigned int d = p->depth - 1;
	__le64 id;

	while (pending_need(p->node[d], pd) > vfsr_node_room(p->node[d])) {
		u8 *right = c->new_node[c->used];

		vfsr_node_init(right, c->new_id[c->used], t->ino,
			       vfsr_node_level(p->node[d]), NULL, 0);
		split(p, d, right, pd);
		id = cpu_to_le64(c->new_id[c->used]);
		c->used++;
		d--;
		pd->key = vfsr_node_key(right, 0);
		pd->value = child_value(&id);
		pd->slot = p->slot[d] + 1u;
		pd->replace = false;
	}
	pending_put(p->node[d], pd->slot, pd);
}

/* --- insert, replace, inode header --- */

int vfsr_bt_store(struct vfsr_bt *t, struct vfsr_key key,
		  const struct vfsr_value *v, enum vfsr_store how)
{
	struct pending pd = { .key = key, .value = *v };
	struct change c;
	struct vfsr_bt_path *p = &c.p;
	unsigned int d;
	bool found, push;
	u32 need;
	int rc;

	if (vfsr_value_bytes(v) > VFSR_MAX_ITEM_BYTES)
		return -E2BIG;
	if (!key.type || key.type >= VFSR_NR_ITEM_TYPES)
		return -EINVAL;
	rc = vfsr_bt_path_find(t, p, key, &found);
	if (rc)
		return rc;
	c.nr_new = 0;
	c.used = 0;
	pd.replace = how == VFSR_STORE_REPLACE;
	pd.slot = p->slot[p->depth - 1];
	if (found != pd.replace) {
		rc = found ? -EEXIST : -ENOENT;
		goto out;
	}
	need = pending_need(p->node[p->depth - 1], &pd);
	rc = store_prepare(t, &c, key, need, &push);
	if (rc)
		goto out;
	for (d = 0; d + 1 < p->depth; d++)
		if (lowers_key(p, d, key))
			vfsr_node_set_key(p->node[d], 0, key);
	if (push)
		push_root(t, &c, key);
	store_apply(t, &c, &pd);
out:
	change_end(t, &c);
	return rc;
}

int vfsr_bt_insert(struct vfsr_bt *t, struct vfsr_key key, const void *value,
		   u32 bytes)
{
	struct vfsr_value v = { { value }, { bytes } };

	return vfsr_bt_store(t, key, &v, VFSR_STORE_INSERT);
}

int vfsr_bt_replace(struct vfsr_bt *t, struct vfsr_key key, const void *value,
		    u32 bytes)
{
	struct vfsr_value v = { { value }, { bytes } };

	return vfsr_bt_store(t, key, &v, VFSR_STORE_REPLACE);
}

int vfsr_bt_set_inode(struct vfsr_bt *t, const void *inode, u32 inode_bytes)
{
	struct change c;
	u8 *root;
	int rc;

	rc = vfsr_bt_path_root(t, &c.p);
	if (rc)
		return rc;
	c.nr_new = 0;
	c.used = 0;
	root = c.p.node[0];
	rc = path_dirty(t, &c.p, 0);
	if (!rc)
		rc = vfsr_node_set_inode(root, inode, inode_bytes);
	if (rc != -ENOSPC || !vfsr_node_nr_items(root))
		goto out;
	rc = -EFBIG;
	if (vfsr_node_level(root) >= VFSR_MAX_NODE_LEVEL)
		goto out;
	rc = new_nodes(t, &c, 1);
	if (rc)
		goto out;
	push_root(t, &c, vfsr_node_key(root, 0));
	rc = vfsr_node_set_inode(root, inode, inode_bytes);
out:
	change_end(t, &c);
	return rc;
}

/* --- delete --- */

/* Free node[d], which is empty or moved, and take it out of the path's end. */
static void path_free(struct vfsr_bt *t, struct vfsr_bt_path *p, unsigned int d)
{
	u64 id = p->id[d];

	t->ops->put(t->ctx, id, p->node[d]);
	t->ops->free(t->ctx, id);
	p->depth = d;
}

/* The depth of the last node that keeps an item if the leaf loses one */
static unsigned int survivor(const struct vfsr_bt_path *p)
{
	unsigned int d = p->depth - 1;

	while (d && vfsr_node_nr_items(p->node[d]) == 1)
		d--;
	return d;
}

/*
 * Merge node[d] with the neighbour at @slot of its parent, if both fit into
 * one. The path then ends at the parent.
 */
static bool merge_with(struct vfsr_bt *t, struct vfsr_bt_path *p,
		       unsigned int d, unsigned int slot)
{
	unsigned int parent = d - 1, mine = p->slot[parent];
	u8 *node = p->node[d], *other;
	u64 id;
	bool done;

	if (vfsr_bt_child_get(t, p, parent, slot, &id, &other))
		return false;
	done = vfsr_node_item_bytes(node) + vfsr_node_item_bytes(other) <=
	       VFSR_NODE_ROOM;
	/* this node lost an item, so it is dirty already */
	done = done && !path_dirty(t, p, parent) &&
	       !t->ops->dirty(t->ctx, id, other);
	if (done && slot < mine) {
		vfsr_node_move(other, vfsr_node_nr_items(other), node, 0,
			       vfsr_node_nr_items(node));
		vfsr_node_remove(p->node[parent], mine, 1);
	} else if (done) {
		vfsr_node_move(node, vfsr_node_nr_items(node), other, 0,
			       vfsr_node_nr_items(other));
		vfsr_node_remove(p->node[parent], slot, 1);
	}
	t->ops->put(t->ctx, id, other);
	if (!done)
		return false;
	if (slot < mine) {
		path_free(t, p, d);
		return true;
	}
	t->ops->free(t->ctx, id);
	t->ops->put(t->ctx, p->id[d], node);
	p->depth = d;
	return true;
}

/* Merge the end of the path, and then its ancestors, while they are sparse. */
static void merge_up(struct vfsr_bt *t, struct vfsr_bt_path *p)
{
	bool merged = true;

	while (merged && p->depth > 1) {
		unsigned int d = p->depth - 1, slot = p->slot[d - 1];

		if (vfsr_node_item_bytes(p->node[d]) >= MERGE_BYTES)
			return;
		merged = slot && merge_with(t, p, d, slot - 1);
		if (!merged && slot + 1 < vfsr_node_nr_items(p->node[d - 1]))
			merged = merge_with(t, p, d, slot + 1);
	}
}

/* While the root has one child whose items fit into it, take them back. */
static void collapse(struct vfsr_bt *t, struct vfsr_bt_path *p)
{
	u8 *root = p->node[0], *child;
	u64 id;

	while (vfsr_node_level(root) && vfsr_node_nr_items(root) == 1) {
		unsigned int level = vfsr_node_level(root);
		bool fits;

		if (vfsr_bt_child_get(t, p, 0, 0, &id, &child))
			return;
		fits = vfsr_node_item_bytes(child) <=
		       vfsr_node_room(root) + CHILD_ITEM_BYTES;
		if (!fits || path_dirty(t, p, 0) ||
		    t->ops->dirty(t->ctx, id, child)) {
			t->ops->put(t->ctx, id, child);
			return;
		}
		vfsr_node_remove(root, 0, 1);
		vfsr_node_move(root, 0, child, 0, vfsr_node_nr_items(child));
		vfsr_node_set_level(root, level - 1);
		t->ops->put(t->ctx, id, child);
		t->ops->free(t->ctx, id);
	}
}

/*
 * Merging is thrift, not correctness: a neighbour that cannot be read is left
 * alone, and the deletion has succeeded.
 */
int vfsr_bt_delete(struct vfsr_bt *t, struct vfsr_key key)
{
	struct vfsr_bt_path p;
	unsigned int d, end;
	bool found;
	int rc;

	rc = vfsr_bt_path_find(t, &p, key, &found);
	if (rc)
		return rc;
	end = survivor(&p);
	rc = found ? 0 : -ENOENT;
	for (d = end; !rc && d < p.depth; d++)
		rc = path_dirty(t, &p, d);
	if (rc)
		goto out;
	while (p.depth - 1 > end)
		path_free(t, &p, p.depth - 1);
	vfsr_node_remove(p.node[end], p.slot[end], 1);
	if (!vfsr_node_nr_items(p.node[end])) {
		/* only a root gets here: the tree is empty */
		vfsr_node_set_level(p.node[0], 0);
		goto out;
	}
	merge_up(t, &p);
	vfsr_bt_path_trim(t, &p, 1);
	collapse(t, &p);
out:
	vfsr_bt_path_trim(t, &p, 0);
	return rc;
}
