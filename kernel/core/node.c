// SPDX-License-Identifier: GPL-2.0-only
/*
 * One node: its check, access to its items, and editing in place.
 *
 * Invariant after every function: the buffer is canonical (format/node.h),
 * item heads and values without gaps in key order, `bytes` exact. Value offsets
 * are not stored, they are sums of the lengths before. Buffers are 4 KiB and
 * aligned to 8 bytes; vfsr_node_ok() alone reads no more than it is told.
 */
#include "core/btree_impl.h"
#include "core/bytes.h"
#include "format/map.h"

static struct vfsr_disk_node *head_of(u8 *node)
{
	return (struct vfsr_disk_node *)node;
}

static const struct vfsr_disk_node *chead_of(const u8 *node)
{
	return (const struct vfsr_disk_node *)node;
}

/* Where the item heads start */
static u32 items_start(const u8 *node)
{
	return (u32)sizeof(struct vfsr_disk_node) +
	       le16_to_cpu(chead_of(node)->inode_bytes);
}

static struct vfsr_disk_item *items_of(u8 *node)
{
	return (struct vfsr_disk_item *)(node + items_start(node));
}

static const struct vfsr_disk_item *citems_of(const u8 *node)
{
	return (const struct vfsr_disk_item *)(node + items_start(node));
}

/* Where the value of item @i starts; @i may be the number of items. */
static u32 value_start(const u8 *node, unsigned int i)
{
	const struct vfsr_disk_item *items = citems_of(node);
	u32 at = items_start(node) + vfsr_node_nr_items(node) * VFSR_ITEM_HEAD;
	unsigned int j;

	for (j = 0; j < i; j++)
		at += le16_to_cpu(items[j].bytes);
	return at;
}

static struct vfsr_key key_of(const struct vfsr_disk_item *item)
{
	struct vfsr_key key = { item->type, le64_to_cpu(item->key) };

	return key;
}

static void item_set(struct vfsr_disk_item *item, struct vfsr_key key,
		     u32 bytes)
{
	memset(item, 0, sizeof(*item));
	item->key = cpu_to_le64(key.key);
	item->type = key.type;
	item->bytes = cpu_to_le16((u16)bytes);
}

static bool inode_bytes_ok(u32 bytes)
{
	return bytes >= VFSR_INODE_BYTES_MIN &&
	       bytes <= sizeof(struct vfsr_disk_inode) &&
	       bytes % VFSR_INODE_BYTES_ALIGN == 0;
}

void vfsr_node_init(u8 *node, u64 id, u64 owner, unsigned int level,
		    const void *inode, u32 inode_bytes)
{
	struct vfsr_disk_node *head = head_of(node);

	if (!inode)
		inode_bytes = 0;
	memset(head, 0, sizeof(*head));
	head->magic = cpu_to_le32(VFSR_NODE_MAGIC);
	head->level = (u8)level;
	head->bytes = cpu_to_le16((u16)(sizeof(*head) + inode_bytes));
	head->id = cpu_to_le64(id);
	head->owner = cpu_to_le64(owner);
	head->inode_bytes = cpu_to_le16((u16)inode_bytes);
	if (inode_bytes)
		memcpy(node + sizeof(*head), inode, inode_bytes);
}

u32 vfsr_node_bytes(const u8 *node)
{
	return le16_to_cpu(chead_of(node)->bytes);
}

/* A fault at item @i; returns false */
static bool item_fault(struct vfsr_fault *f, enum vfsr_reason reason, u64 have,
		       u64 want, unsigned int i)
{
	vfsr_fault_set(f, reason, have, want);
	if (f)
		f->where = i;
	return false;
}

static bool head_ok(const struct vfsr_disk_node *head, u32 bytes, u64 id,
		    u64 owner, struct vfsr_fault *f)
{
	u64 have_id = le64_to_cpu(head->id);
	u64 have_owner = le64_to_cpu(head->owner);

	if (le32_to_cpu(head->magic) != VFSR_NODE_MAGIC)
		return vfsr_fault_set(f, VFSR_REASON_MAGIC,
				      le32_to_cpu(head->magic),
				      VFSR_NODE_MAGIC);
	if (le16_to_cpu(head->bytes) != bytes)
		return vfsr_fault_set(f, VFSR_REASON_SIZE,
				      le16_to_cpu(head->bytes), bytes);
	if (!id || have_id != id)
		return vfsr_fault_set(f, VFSR_REASON_SELF, have_id, id);
	if (!have_owner || (owner && have_owner != owner))
		return vfsr_fault_set(f, VFSR_REASON_SELF, have_owner, owner);
	if (head->level > VFSR_MAX_NODE_LEVEL)
		return vfsr_fault_set(f, VFSR_REASON_SIZE, head->level,
				      VFSR_MAX_NODE_LEVEL);
	if (head->flags || head->pad)
		return vfsr_fault_set(f, VFSR_REASON_PADDING, head->flags, 0);
	return true;
}

/* The inode header's length; the head is checked, @bytes are readable. */
static bool inode_ok(const u8 *node, u32 bytes, struct vfsr_fault *f)
{
	const struct vfsr_disk_node *head = chead_of(node);
	u32 inode_bytes = le16_to_cpu(head->inode_bytes);
	__le16 own;

	if (head->id != head->owner) {
		if (inode_bytes)
			return vfsr_fault_set(f, VFSR_REASON_INODE, inode_bytes,
					      0);
		return true;
	}
	if (!inode_bytes_ok(inode_bytes) || sizeof(*head) + inode_bytes > bytes)
		return vfsr_fault_set(f, VFSR_REASON_INODE, inode_bytes,
				      VFSR_INODE_BYTES_MIN);
	memcpy(&own, node + sizeof(*head), sizeof(own));
	if (le16_to_cpu(own) != inode_bytes)
		return vfsr_fault_set(f, VFSR_REASON_INODE, le16_to_cpu(own),
				      inode_bytes);
	return true;
}

/* One item head; @before is the item before it or NULL. */
static bool item_ok(const struct vfsr_disk_item *item,
		    const struct vfsr_disk_item *before, unsigned int level,
		    unsigned int i, struct vfsr_fault *f)
{
	u32 bytes = le16_to_cpu(item->bytes);

	if (!item->type || item->type >= VFSR_NR_ITEM_TYPES)
		return item_fault(f, VFSR_REASON_ITEM, item->type,
				  VFSR_NR_ITEM_TYPES, i);
	if (level ? bytes != VFSR_CHILD_BYTES : bytes > VFSR_MAX_ITEM_BYTES)
		return item_fault(
			f, VFSR_REASON_SIZE, bytes,
			level ? VFSR_CHILD_BYTES : VFSR_MAX_ITEM_BYTES, i);
	if (!vfsr_bytes_zero(item->pad, sizeof(item->pad)))
		return item_fault(f, VFSR_REASON_PADDING, 1, 0, i);
	if (before && vfsr_key_cmp(key_of(before), key_of(item)) >= 0)
		return item_fault(f, VFSR_REASON_ORDER, le64_to_cpu(item->key),
				  le64_to_cpu(before->key), i);
	return true;
}

bool vfsr_node_ok(const u8 *node, u32 bytes, u64 id, u64 owner,
		  struct vfsr_fault *f)
{
	const struct vfsr_disk_node *head = chead_of(node);
	const struct vfsr_disk_item *items;
	unsigned int i, nr;
	u32 end;

	if (bytes < sizeof(*head) || bytes > VFSR_NODE_BYTES)
		return vfsr_fault_set(f, VFSR_REASON_SIZE, bytes,
				      VFSR_NODE_BYTES);
	if (!head_ok(head, bytes, id, owner, f) || !inode_ok(node, bytes, f))
		return false;
	nr = vfsr_node_nr_items(node);
	end = items_start(node) + nr * VFSR_ITEM_HEAD;
	if (end > bytes || (!nr && (head->level || head->id != head->owner)))
		return vfsr_fault_set(f, VFSR_REASON_SIZE, nr,
				      (bytes - items_start(node)) /
					      VFSR_ITEM_HEAD);
	items = citems_of(node);
	for (i = 0; i < nr; i++) {
		if (!item_ok(&items[i], i ? &items[i - 1] : NULL, head->level,
			     i, f))
			return false;
		end += le16_to_cpu(items[i].bytes);
	}
	if (end != bytes)
		return vfsr_fault_set(f, VFSR_REASON_SIZE, end, bytes);
	for (i = 0; head->level && i < nr; i++) {
		u64 child = vfsr_node_child(node, i);

		if (!child || child == id || child > VFSR_MAX_ID)
			return item_fault(f, VFSR_REASON_ITEM, child,
					  VFSR_MAX_ID, i);
	}
	return true;
}

unsigned int vfsr_node_level(const u8 *node)
{
	return chead_of(node)->level;
}

void vfsr_node_set_level(u8 *node, unsigned int level)
{
	head_of(node)->level = (u8)level;
}

unsigned int vfsr_node_nr_items(const u8 *node)
{
	return le16_to_cpu(chead_of(node)->nr_items);
}

struct vfsr_key vfsr_node_key(const u8 *node, unsigned int i)
{
	return key_of(&citems_of(node)[i]);
}

void vfsr_node_set_key(u8 *node, unsigned int i, struct vfsr_key key)
{
	struct vfsr_disk_item *item = &items_of(node)[i];

	item->key = cpu_to_le64(key.key);
	item->type = key.type;
}

u32 vfsr_node_value_bytes(const u8 *node, unsigned int i)
{
	return le16_to_cpu(citems_of(node)[i].bytes);
}

u32 vfsr_node_item_bytes(const u8 *node)
{
	return vfsr_node_bytes(node) - items_start(node);
}

u32 vfsr_node_room(const u8 *node)
{
	return VFSR_NODE_BYTES - vfsr_node_bytes(node);
}

void vfsr_node_item(const u8 *node, unsigned int i, struct vfsr_item *out)
{
	const struct vfsr_disk_item *item = &citems_of(node)[i];

	out->key = key_of(item);
	out->bytes = le16_to_cpu(item->bytes);
	out->value = node + value_start(node, i);
}

u64 vfsr_node_child(const u8 *node, unsigned int i)
{
	/* All values are of one size here, so no sum is needed. */
	u32 at = items_start(node) + vfsr_node_nr_items(node) * VFSR_ITEM_HEAD +
		 i * VFSR_CHILD_BYTES;
	__le64 child;

	memcpy(&child, node + at, sizeof(child));
	return le64_to_cpu(child);
}

u8 *vfsr_node_inode(u8 *node, u32 *bytes)
{
	u32 inode_bytes = le16_to_cpu(chead_of(node)->inode_bytes);

	if (bytes)
		*bytes = inode_bytes;
	return inode_bytes ? node + sizeof(struct vfsr_disk_node) : NULL;
}

int vfsr_node_set_inode(u8 *node, const void *inode, u32 inode_bytes)
{
	struct vfsr_disk_node *head = head_of(node);
	u32 old = le16_to_cpu(head->inode_bytes);
	u32 item_bytes = vfsr_node_item_bytes(node);

	if (!inode_bytes_ok(inode_bytes))
		return -EINVAL;
	if (inode_bytes > old && inode_bytes - old > vfsr_node_room(node))
		return -ENOSPC;
	memmove(node + sizeof(*head) + inode_bytes, node + items_start(node),
		item_bytes);
	memcpy(node + sizeof(*head), inode, inode_bytes);
	head->inode_bytes = cpu_to_le16((u16)inode_bytes);
	head->bytes =
		cpu_to_le16((u16)(sizeof(*head) + inode_bytes + item_bytes));
	return 0;
}

unsigned int vfsr_node_search(const u8 *node, struct vfsr_key key, bool *found)
{
	const struct vfsr_disk_item *items = citems_of(node);
	unsigned int lo = 0, hi = vfsr_node_nr_items(node);

	*found = false;
	while (lo < hi) {
		unsigned int mid = lo + (hi - lo) / 2;
		int cmp = vfsr_key_cmp(key_of(&items[mid]), key);

		if (!cmp) {
			*found = true;
			return mid;
		}
		if (cmp < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

u32 vfsr_value_bytes(const struct vfsr_value *v)
{
	u32 sum = 0;
	unsigned int i;

	for (i = 0; i < VFSR_VALUE_PARTS; i++)
		sum += v->bytes[i];
	return sum;
}

static void value_copy(u8 *to, const struct vfsr_value *v)
{
	unsigned int i;

	for (i = 0; i < VFSR_VALUE_PARTS; i++) {
		if (v->bytes[i])
			memcpy(to, v->part[i], v->bytes[i]);
		to += v->bytes[i];
	}
}

static void counts_set(u8 *node, unsigned int nr, u32 bytes)
{
	head_of(node)->nr_items = cpu_to_le16((u16)nr);
	head_of(node)->bytes = cpu_to_le16((u16)bytes);
}

/*
 * Make room for @nr items of @bytes value bytes in all before item @i. The
 * new heads are undefined. Returns where the new values go.
 */
static u8 *gap_open(u8 *node, unsigned int i, unsigned int nr, u32 bytes)
{
	u32 end = vfsr_node_bytes(node);
	u32 head_at = items_start(node) + i * VFSR_ITEM_HEAD;
	u32 value_at = value_start(node, i);
	u32 head_gap = nr * VFSR_ITEM_HEAD;

	memmove(node + value_at + head_gap + bytes, node + value_at,
		end - value_at);
	memmove(node + head_at + head_gap, node + head_at, value_at - head_at);
	counts_set(node, vfsr_node_nr_items(node) + nr, end + head_gap + bytes);
	return node + value_at + head_gap;
}

void vfsr_node_insert(u8 *node, unsigned int i, struct vfsr_key key,
		      const struct vfsr_value *v)
{
	u32 bytes = vfsr_value_bytes(v);

	value_copy(gap_open(node, i, 1, bytes), v);
	item_set(&items_of(node)[i], key, bytes);
}

void vfsr_node_set_value(u8 *node, unsigned int i, const struct vfsr_value *v)
{
	struct vfsr_disk_item *item = &items_of(node)[i];
	u32 end = vfsr_node_bytes(node);
	u32 at = value_start(node, i);
	u32 old = le16_to_cpu(item->bytes);
	u32 bytes = vfsr_value_bytes(v);

	memmove(node + at + bytes, node + at + old, end - at - old);
	value_copy(node + at, v);
	item->bytes = cpu_to_le16((u16)bytes);
	counts_set(node, vfsr_node_nr_items(node), end - old + bytes);
}

void vfsr_node_remove(u8 *node, unsigned int i, unsigned int nr)
{
	u32 end = vfsr_node_bytes(node);
	u32 head_at = items_start(node) + i * VFSR_ITEM_HEAD;
	u32 head_gap = nr * VFSR_ITEM_HEAD;
	u32 from = value_start(node, i);
	u32 to = value_start(node, i + nr);

	memmove(node + head_at, node + head_at + head_gap,
		from - head_at - head_gap);
	memmove(node + from - head_gap, node + to, end - to);
	counts_set(node, vfsr_node_nr_items(node) - nr,
		   end - head_gap - (to - from));
}

void vfsr_node_move(u8 *dst, unsigned int di, u8 *src, unsigned int si,
		    unsigned int nr)
{
	u32 from = value_start(src, si);
	u32 bytes = value_start(src, si + nr) - from;

	memcpy(gap_open(dst, di, nr, bytes), src + from, bytes);
	memcpy(&items_of(dst)[di], &items_of(src)[si], nr * VFSR_ITEM_HEAD);
	vfsr_node_remove(src, si, nr);
}

int vfsr_node_append(u8 *node, struct vfsr_key key, const void *value,
		     u32 bytes)
{
	unsigned int nr = vfsr_node_nr_items(node);
	struct vfsr_value v = { { value }, { bytes } };

	if (bytes > VFSR_MAX_ITEM_BYTES)
		return -E2BIG;
	if (VFSR_ITEM_HEAD + bytes > vfsr_node_room(node))
		return -ENOSPC;
	if (nr && vfsr_key_cmp(vfsr_node_key(node, nr - 1), key) >= 0)
		return -EINVAL;
	vfsr_node_insert(node, nr, key, &v);
	return 0;
}
