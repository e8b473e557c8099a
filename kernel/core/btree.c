// SPDX-License-Identifier: GPL-2.0-only
/*
 * The B+tree's reading side: paths, lookup, next, previous, walk.
 *
 * Each node of a path is held until the path is put, at most 16 at a time, one
 * per level. The provider gives nodes that vfsr_node_ok() passed; how they
 * hang together is checked here on every step down, so that no tree, however
 * hostile, leads to a loop, to one node twice, or out of order. Callers hold
 * whatever guards the tree.
 */
#include "core/btree_impl.h"

/* A fault of node @id; returns -EUCLEAN */
static int node_fault(struct vfsr_bt *t, enum vfsr_reason reason, u64 have,
		      u64 want, u64 id)
{
	vfsr_fault_set(&t->fault, reason, have, want);
	t->fault.where = id;
	return -EUCLEAN;
}

void vfsr_bt_path_trim(struct vfsr_bt *t, struct vfsr_bt_path *p,
		       unsigned int depth)
{
	while (p->depth > depth) {
		p->depth--;
		t->ops->put(t->ctx, p->id[p->depth], p->node[p->depth]);
	}
}

int vfsr_bt_path_root(struct vfsr_bt *t, struct vfsr_bt_path *p)
{
	const u8 *node;
	int rc;

	p->depth = 0;
	rc = t->ops->get(t->ctx, t->ino, &p->node[0]);
	if (rc)
		return rc;
	node = p->node[0];
	p->id[0] = t->ino;
	p->slot[0] = 0;
	p->depth = 1;
	if (vfsr_node_level(node) > VFSR_MAX_NODE_LEVEL)
		rc = node_fault(t, VFSR_REASON_SIZE, vfsr_node_level(node),
				VFSR_MAX_NODE_LEVEL, t->ino);
	else if (vfsr_node_level(node) && !vfsr_node_nr_items(node))
		rc = node_fault(t, VFSR_REASON_SIZE, 0, 1, t->ino);
	if (rc)
		vfsr_bt_path_trim(t, p, 0);
	return rc;
}

/* The key that all keys below item @slot of node[d] are smaller than, if any */
static bool upper_bound(const struct vfsr_bt_path *p, unsigned int d,
			unsigned int slot, struct vfsr_key *key)
{
	for (;;) {
		if (slot + 1 < vfsr_node_nr_items(p->node[d])) {
			*key = vfsr_node_key(p->node[d], slot + 1);
			return true;
		}
		if (!d)
			return false;
		slot = p->slot[--d];
	}
}

static int child_check(struct vfsr_bt *t, const struct vfsr_bt_path *p,
		       unsigned int d, unsigned int slot, u64 id,
		       const u8 *node)
{
	unsigned int want_level = vfsr_node_level(p->node[d]) - 1;
	unsigned int nr = vfsr_node_nr_items(node);
	struct vfsr_key lo = vfsr_node_key(p->node[d], slot), hi, first, last;

	if (vfsr_node_level(node) != want_level)
		return node_fault(t, VFSR_REASON_SELF, vfsr_node_level(node),
				  want_level, id);
	if (!nr)
		return node_fault(t, VFSR_REASON_SIZE, 0, 1, id);
	first = vfsr_node_key(node, 0);
	if (vfsr_key_cmp(first, lo) < 0)
		return node_fault(t, VFSR_REASON_ORDER, first.key, lo.key, id);
	last = vfsr_node_key(node, nr - 1);
	if (upper_bound(p, d, slot, &hi) && vfsr_key_cmp(last, hi) >= 0)
		return node_fault(t, VFSR_REASON_ORDER, last.key, hi.key, id);
	return 0;
}

int vfsr_bt_child_get(struct vfsr_bt *t, const struct vfsr_bt_path *p,
		      unsigned int d, unsigned int slot, u64 *id, u8 **node)
{
	int rc;

	*id = vfsr_node_child(p->node[d], slot);
	if (!*id)
		return node_fault(t, VFSR_REASON_ITEM, 0, 1, p->id[d]);
	rc = t->ops->get(t->ctx, *id, node);
	if (rc)
		return rc;
	rc = child_check(t, p, d, slot, *id, *node);
	if (rc)
		t->ops->put(t->ctx, *id, *node);
	return rc;
}

/*
 * Add the child at the last slot. It fits the arrays: the root's level is at most 15
 * and each step was seen to lead one level down.
 */
static int path_down(struct vfsr_bt *t, struct vfsr_bt_path *p)
{
	unsigned int d = p->depth - 1;
	int rc;

	rc = vfsr_bt_child_get(t, p, d, p->slot[d], &p->id[d + 1],
			       &p->node[d + 1]);
	if (rc)
		return rc;
	p->slot[d + 1] = 0;
	p->depth++;
	return 0;
}

static const u8 *last_node(const struct vfsr_bt_path *p)
{
	return p->node[p->depth - 1];
}

int vfsr_bt_path_find(struct vfsr_bt *t, struct vfsr_bt_path *p,
		      struct vfsr_key key, bool *found)
{
	unsigned int slot;
	int rc;

	*found = false;
	rc = vfsr_bt_path_root(t, p);
	if (rc)
		return rc;
	while (vfsr_node_level(last_node(p))) {
		slot = vfsr_node_search(last_node(p), key, found);
		/* below the first key there is only the first child */
		if (!*found && slot)
			slot--;
		p->slot[p->depth - 1] = (u16)slot;
		rc = path_down(t, p);
		if (rc) {
			vfsr_bt_path_trim(t, p, 0);
			return rc;
		}
	}
	p->slot[p->depth - 1] = (u16)vfsr_node_search(last_node(p), key, found);
	return 0;
}

/* Down to the first leaf below the last slot */
static int path_first(struct vfsr_bt *t, struct vfsr_bt_path *p)
{
	int rc = 0;

	while (!rc && vfsr_node_level(last_node(p)))
		rc = path_down(t, p);
	return rc;
}

/* Down to the last item below the last slot */
static int path_last(struct vfsr_bt *t, struct vfsr_bt_path *p)
{
	int rc;

	while (vfsr_node_level(last_node(p))) {
		rc = path_down(t, p);
		if (rc)
			return rc;
		p->slot[p->depth - 1] =
			(u16)(vfsr_node_nr_items(last_node(p)) - 1);
	}
	return 0;
}

int vfsr_bt_path_settle(struct vfsr_bt *t, struct vfsr_bt_path *p,
			struct vfsr_item *item)
{
	int rc;

	while (p->slot[p->depth - 1] >= vfsr_node_nr_items(last_node(p))) {
		if (p->depth == 1)
			return -ENOENT;
		vfsr_bt_path_trim(t, p, p->depth - 1);
		p->slot[p->depth - 1]++;
		if (p->slot[p->depth - 1] < vfsr_node_nr_items(last_node(p))) {
			rc = path_first(t, p);
			if (rc)
				return rc;
		}
	}
	vfsr_node_item(last_node(p), p->slot[p->depth - 1], item);
	return 0;
}

static void item_out(const struct vfsr_item *item, void *value, u32 *bytes)
{
	if (value && item->bytes)
		memcpy(value, item->value, item->bytes);
	if (bytes)
		*bytes = item->bytes;
}

int vfsr_bt_lookup(struct vfsr_bt *t, struct vfsr_key key, void *value,
		   u32 *bytes)
{
	struct vfsr_bt_path p;
	struct vfsr_item item;
	bool found;
	int rc;

	rc = vfsr_bt_path_find(t, &p, key, &found);
	if (rc)
		return rc;
	if (found) {
		vfsr_node_item(last_node(&p), p.slot[p.depth - 1], &item);
		item_out(&item, value, bytes);
	}
	vfsr_bt_path_trim(t, &p, 0);
	return found ? 0 : -ENOENT;
}

int vfsr_bt_next(struct vfsr_bt *t, struct vfsr_key *key, void *value,
		 u32 *bytes)
{
	struct vfsr_bt_path p;
	struct vfsr_item item;
	bool found;
	int rc;

	rc = vfsr_bt_path_find(t, &p, *key, &found);
	if (rc)
		return rc;
	rc = vfsr_bt_path_settle(t, &p, &item);
	if (!rc) {
		*key = item.key;
		item_out(&item, value, bytes);
	}
	vfsr_bt_path_trim(t, &p, 0);
	return rc;
}

/* From the slot to the item before it, which may be in another leaf */
static int path_before(struct vfsr_bt *t, struct vfsr_bt_path *p)
{
	while (!p->slot[p->depth - 1]) {
		if (p->depth == 1)
			return -ENOENT;
		vfsr_bt_path_trim(t, p, p->depth - 1);
	}
	p->slot[p->depth - 1]--;
	return path_last(t, p);
}

int vfsr_bt_prev(struct vfsr_bt *t, struct vfsr_key *key, void *value,
		 u32 *bytes)
{
	struct vfsr_bt_path p;
	struct vfsr_item item;
	bool found;
	int rc;

	rc = vfsr_bt_path_find(t, &p, *key, &found);
	if (rc)
		return rc;
	if (!found)
		rc = path_before(t, &p);
	if (!rc) {
		vfsr_node_item(last_node(&p), p.slot[p.depth - 1], &item);
		*key = item.key;
		item_out(&item, value, bytes);
	}
	vfsr_bt_path_trim(t, &p, 0);
	return rc;
}

/*
 * The number of visits needs no count of its own: every child has at least
 * one key, and lies between bounds that no other slot shares, so no node is
 * met twice and the walk ends after each node of the tree at most once.
 */
int vfsr_bt_walk(struct vfsr_bt *t, vfsr_bt_visit visit, void *arg)
{
	struct vfsr_bt_path p;
	int rc;

	rc = vfsr_bt_path_root(t, &p);
	if (rc)
		return rc;
	rc = visit(arg, p.id[0], p.node[0]);
	while (!rc && p.depth) {
		const u8 *node = last_node(&p);

		if (vfsr_node_level(node) &&
		    p.slot[p.depth - 1] < vfsr_node_nr_items(node)) {
			rc = path_down(t, &p);
			if (!rc)
				rc = visit(arg, p.id[p.depth - 1],
					   last_node(&p));
			continue;
		}
		vfsr_bt_path_trim(t, &p, p.depth - 1);
		if (p.depth)
			p.slot[p.depth - 1]++;
	}
	vfsr_bt_path_trim(t, &p, 0);
	return rc;
}
