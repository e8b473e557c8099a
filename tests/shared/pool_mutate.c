// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mutations of a pool image: see pool_image.h. New metadata goes, uncompressed,
 * to spare sectors of file data; map pages follow it up to the record, which
 * is the same in all slots that hold one. Sectors no longer agree with their
 * footers then; readers do not ask for those while a chunk's crc is right. What
 * is changed in place agrees with its footers, but parity is never made anew.
 */
#include <stdlib.h>
#include <unistd.h>

#include "core/bytes.h"
#include "pool_image.h"

#define OP_LEN_MASK 15u /* of the number that holds the length */
#define MAX_OPS 64u
#define CRC_AT 4u /* of the crc, in every self-checked block */

struct input {
	const u8 *data;
	size_t left;
};

struct op {
	u16 what, offset, length;
	u8 byte[OP_LEN_MASK + 1];
	u32 nr;
};

static u8 take(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->data++;
}

static u16 take16(struct input *in)
{
	u16 low = take(in);

	return (u16)(low | (u16)(take(in) << 8));
}

/* Put the bytes of an op into a buffer, somewhere. */
static void patch(const struct op *o, u8 *buf, u32 bytes)
{
	u32 at, i;

	for (i = 0; i < o->nr && bytes; i++) {
		at = (o->offset + i) % bytes;
		buf[at] = o->byte[i];
	}
}

static u8 *block_at(struct image *im, const struct image_block *b)
{
	return im->map[b->dev] + b->pos;
}

static struct image_block *block_of(struct image *im, u16 what)
{
	struct image_block *b = &im->block[what % im->nr_blocks];

	b->dirty = true;
	return b;
}

/* --- chunks and map pages --- */

static struct image_page *page_of(struct image *im, unsigned int level,
				  u64 index)
{
	u32 i;

	for (i = 0; i < im->nr_pages; i++)
		if (im->page[i].level == level && im->page[i].index == index)
			return &im->page[i];
	return NULL;
}

/* The map's entry of a chunk, in its leaf. */
static struct vfsr_disk_map_entry *entry_of(struct image *im, u64 id)
{
	struct image_page *p = page_of(im, 0, id / VFSR_MAP_LEAF_ENTRIES);
	const size_t head = sizeof(struct vfsr_disk_map_head);

	if (!p)
		return NULL;
	p->dirty = true;
	return (struct vfsr_disk_map_entry *)(p->buf + head) +
	       id % VFSR_MAP_LEAF_ENTRIES;
}

/* A spare sector: the one that holds this id, else a free one. */
static struct image_spare *spare_of(struct image *im, u64 id)
{
	struct image_spare *free = NULL;
	u32 i;

	for (i = 0; i < im->nr_spares; i++) {
		if (id && im->spare[i].id == id)
			return &im->spare[i];
		if (!free && !im->spare[i].id)
			free = &im->spare[i];
	}
	return free;
}

/* Contents of a chunk that is to be mutated, moved to a spare sector. */
static struct image_spare *chunk_moved(struct image *im,
				       const struct vfsr_chunk *c)
{
	struct image_spare *s;
	u8 *buf;
	u32 n;

	s = spare_of(im, c->id);
	if (!s || s->id == c->id)
		return s;
	buf = malloc(c->logical);
	if (!buf || vfsr_pool_read(im->pool, c, buf, NULL, im->ws)) {
		free(buf);
		return NULL;
	}
	n = min_t(u32, c->logical, VFSR_SECTOR_BYTES);
	memset(s->at, 0, VFSR_SECTOR_BYTES);
	memcpy(s->at, buf, n);
	free(buf);
	s->id = c->id;
	return s;
}

static void mutate_chunk(struct image *im, const struct op *o, bool resize)
{
	struct vfsr_chunk *list = im->chunk;
	struct vfsr_chunk c = list[o->what % im->nr_chunks];
	struct vfsr_disk_map_entry *e = entry_of(im, c.id);
	struct image_spare *s = chunk_moved(im, &c);
	struct vfsr_disk_node *node;

	if (!e || !s)
		return;
	c.logical = min_t(u32, c.logical, VFSR_SECTOR_BYTES);
	if (resize) {
		c.logical = 1u + o->offset % VFSR_SECTOR_BYTES;
		node = (struct vfsr_disk_node *)s->at;
		node->bytes = cpu_to_le16((u16)c.logical);
	} else {
		patch(o, s->at, c.logical);
	}
	c.place = s->place;
	c.stored = c.logical;
	c.state = VFSR_STATE_RAW;
	c.alg = VFSR_ALG_NONE;
	c.crc = vfsr_port_crc32c(0, s->at, c.stored);
	vfsr_map_entry_set((u8 *)e - sizeof(struct vfsr_disk_map_head) -
				   c.id % VFSR_MAP_LEAF_ENTRIES * sizeof(*e),
			   (unsigned int)(c.id % VFSR_MAP_LEAF_ENTRIES), &c);
}

/* The record's fields are at the same place in every copy. */
static void record_bytes(struct image *im, u32 at, const void *data, u32 bytes)
{
	u32 i;

	for (i = 0; i < im->nr_blocks; i++) {
		struct image_block *b = &im->block[i];

		if (b->kind != BLOCK_SUPER || at + bytes > b->bytes)
			continue;
		memcpy(block_at(im, b) + at, data, bytes);
		b->dirty = true;
	}
}

static void place_page(struct image *im, struct image_page *p)
{
	struct image_spare *s = spare_of(im, 0);
	struct vfsr_map_child c = { .len = VFSR_NODE_BYTES };
	struct image_page *up;
	struct vfsr_disk_map_child root;

	if (!s)
		return;
	memcpy(s->at, p->buf, VFSR_NODE_BYTES);
	s->id = vfsr_map_chunk_id(p->level + 1, p->index);
	c.place = s->place;
	c.crc = vfsr_port_crc32c(0, s->at, VFSR_NODE_BYTES);
	up = page_of(im, p->level + 1, p->index / VFSR_MAP_FANOUT);
	if (up) {
		up->dirty = true;
		vfsr_map_child_set(up->buf,
				   (unsigned int)(p->index % VFSR_MAP_FANOUT),
				   &c);
		return;
	}
	root.place = cpu_to_le64(c.place);
	root.crc = cpu_to_le32(c.crc);
	root.len_free = cpu_to_le32(vfsr_map_len_free(c.len, 0));
	record_bytes(im, offsetof(struct vfsr_disk_super, map_place), &root,
		     sizeof(root));
}

static void place_pages(struct image *im)
{
	unsigned int level;
	u32 i;

	for (level = 0; level < VFSR_MAP_MAX_LEVELS; level++)
		for (i = 0; i < im->nr_pages; i++)
			if (im->page[i].level == level && im->page[i].dirty)
				place_page(im, &im->page[i]);
}

/* A page above the root: it goes to a spare sector at once. */
static void lift(struct image *im, const struct op *o)
{
	struct vfsr_disk_super *s = NULL;
	struct vfsr_disk_map_child root;
	struct vfsr_map_child c;
	struct image_spare *spare;
	u64 index = o->what & 1 ? o->offset : 0;
	u8 levels;
	u32 i;

	place_pages(im);
	for (i = 0; i < im->nr_pages; i++)
		im->page[i].dirty = false;
	for (i = 0; i < im->nr_blocks && !s; i++)
		if (im->block[i].kind == BLOCK_SUPER)
			s = (void *)block_at(im, &im->block[i]);
	spare = spare_of(im, 0);
	if (!s || !spare)
		return;
	spare->id = ~(u64)0;
	levels = s->map_levels;
	c.place = le64_to_cpu(s->map_place);
	c.crc = le32_to_cpu(s->map_crc);
	c.len = le32_to_cpu(s->map_len_free) & VFSR_CHILD_LEN_MASK;
	c.free = 0;
	vfsr_map_page_init(spare->at, levels, 0, 1, s->pool_uuid);
	for (i = 0; i <= index % VFSR_MAP_FANOUT; i++)
		vfsr_map_child_set(spare->at, i, &c);
	root.place = cpu_to_le64(spare->place);
	root.crc = cpu_to_le32(vfsr_port_crc32c(0, spare->at, VFSR_NODE_BYTES));
	root.len_free = cpu_to_le32(vfsr_map_len_free(VFSR_NODE_BYTES, 0));
	record_bytes(im, offsetof(struct vfsr_disk_super, map_place), &root,
		     sizeof(root));
	levels++;
	record_bytes(im, offsetof(struct vfsr_disk_super, map_levels), &levels,
		     1);
}

/* --- footers --- */

/* Is a linear sector of a grid in the stripe of this footer? */
static bool covers(const struct vfsr_disk_footer *ft, u64 place)
{
	u32 first = le32_to_cpu(ft->row) * ft->policy.k;
	u32 nr = le16_to_cpu(ft->depth) * ft->policy.k;

	return le64_to_cpu(ft->grid) == vfsr_place_grid(place) &&
	       vfsr_place_sector(place) - first < nr &&
	       nr <= VFSR_MAX_STRIPE_SECTORS;
}

/* A footer of the stripe that holds a place; @from on, NULL: no more. */
static struct vfsr_disk_footer *footer_of(struct image *im, u64 place,
					  u32 *from)
{
	while (*from < im->nr_blocks) {
		struct image_block *b = &im->block[(*from)++];
		struct vfsr_disk_footer *ft = (void *)block_at(im, b);

		if (b->kind != BLOCK_FOOTER || !covers(ft, place))
			continue;
		b->dirty = true;
		return ft;
	}
	return NULL;
}

/* Both footers learn the crc of a sector that was changed. */
static void sector_changed(struct image *im, u64 place)
{
	const u8 *at = image_at(im, place & ~(u64)(VFSR_SECTOR_BYTES - 1));
	struct vfsr_disk_footer *ft;
	u32 from = 0, i;

	while (at && (ft = footer_of(im, place, &from))) {
		i = vfsr_place_sector(place) -
		    le32_to_cpu(ft->row) * ft->policy.k;
		ft->sector_crc[i] =
			cpu_to_le32(vfsr_port_crc32c(0, at, VFSR_SECTOR_BYTES));
	}
}

/* Crc of bytes from a place on, and the footers know their sectors. */
static u32 run_changed(struct image *im, u64 place, u32 bytes)
{
	u32 i, crc = 0;
	const u8 *at;

	for (i = 0; i < bytes; i++) {
		at = image_at(im, place + i);
		if (!at)
			break;
		crc = vfsr_port_crc32c(crc, at, 1);
		if (!i || !vfsr_place_byte(place + i))
			sector_changed(im, place + i);
	}
	return crc;
}

static void patch_run(struct image *im, u64 place, u32 bytes,
		      const struct op *o)
{
	u32 i;
	u8 *at;

	for (i = 0; i < o->nr && bytes; i++) {
		at = image_at(im, place + (o->offset + i) % bytes);
		if (at)
			*at = o->byte[i];
	}
}

/* Where the entry table of a footer is; its length is bounded here. */
static u64 table_place(const struct vfsr_disk_footer *ft, u32 *bytes)
{
	*bytes = min_t(u32, le32_to_cpu(ft->entries_bytes), VFSR_CHUNK_BYTES);
	return vfsr_place_make(le64_to_cpu(ft->grid),
			       le32_to_cpu(ft->row) * ft->policy.k, 0) +
	       le32_to_cpu(ft->entries_start);
}

static void table_changed(struct image *im, const struct vfsr_disk_footer *of)
{
	struct vfsr_disk_footer *ft;
	u32 bytes, crc, from = 0;
	u64 place = table_place(of, &bytes);

	crc = run_changed(im, place, bytes);
	while ((ft = footer_of(im, place, &from)))
		ft->entries_crc = cpu_to_le32(crc);
}

/* Entry table of a stripe, crc of it in both footers. */
static void mutate_entries(struct image *im, const struct op *o)
{
	struct vfsr_disk_footer *ft = NULL;
	u32 i, bytes;
	u64 place;

	for (i = 0; i < im->nr_blocks && !ft; i++) {
		struct image_block *b =
			&im->block[(o->what + i) % im->nr_blocks];

		if (b->kind == BLOCK_FOOTER)
			ft = (void *)block_at(im, b);
	}
	if (!ft)
		return;
	place = table_place(ft, &bytes);
	patch_run(im, place, bytes, o);
	table_changed(im, ft);
}

/* Replace the crc of a chunk in its stripe's entry table. */
static void entry_changed(struct image *im, const struct vfsr_chunk *c, u32 crc)
{
	u32 from = 0, bytes, i, j;
	struct vfsr_disk_footer *ft = footer_of(im, c->place, &from);
	__le32 old = cpu_to_le32(c->crc), new = cpu_to_le32(crc);
	u64 place;
	u8 *at;

	if (!ft)
		return;
	place = table_place(ft, &bytes);
	for (i = 0; i + sizeof(old) <= bytes; i++) {
		for (j = 0; j < sizeof(old); j++) {
			at = image_at(im, place + i + j);
			if (!at || *at != ((u8 *)&old)[j])
				break;
		}
		if (j < sizeof(old))
			continue;
		for (j = 0; j < sizeof(new); j++)
			*image_at(im, place + i + j) = ((u8 *)&new)[j];
		table_changed(im, ft);
		return;
	}
}

/*
 * Stored bytes in place, with all that is said of them: the map's entry, the
 * table's, the footers' sectors. So a rebuild from the footers meets them too.
 */
static void mutate_stored(struct image *im, const struct op *o)
{
	const struct vfsr_chunk *c = &im->chunk[o->what % im->nr_chunks];
	struct vfsr_disk_map_entry *e = entry_of(im, c->id);
	u32 crc;

	if (!e)
		return;
	patch_run(im, c->place, c->stored, o);
	crc = run_changed(im, c->place, c->stored);
	e->crc = cpu_to_le32(crc);
	entry_changed(im, c, crc);
}

/* --- sealing --- */

static void seal(struct image *im, struct image_block *b)
{
	u8 *at = block_at(im, b);
	__le32 crc = cpu_to_le32(vfsr_bytes_crc(at, b->bytes, CRC_AT));

	memcpy(at + CRC_AT, &crc, sizeof(crc));
}

/* Tell the index, or the record, the new crc of a table block. */
static void tell_index(struct image *im, const struct image_block *b, u32 old)
{
	const u8 *at = block_at(im, b);
	struct image_block *up;
	__le32 word, new;
	u32 i, pos;

	memcpy(&new, at + CRC_AT, sizeof(new));
	for (i = 0; i < im->nr_blocks; i++) {
		up = &im->block[i];
		if (up->kind !=
		    (b->kind == BLOCK_INDEX ? BLOCK_SUPER : BLOCK_INDEX))
			continue;
		for (pos = sizeof(struct vfsr_disk_table_head);
		     pos + sizeof(word) <= up->bytes; pos += sizeof(word)) {
			u8 *ref = block_at(im, up) + pos;

			memcpy(&word, ref, sizeof(word));
			if (le32_to_cpu(word) != old)
				continue;
			memcpy(ref, &new, sizeof(new));
			up->dirty = true;
		}
	}
}

static void seal_kind(struct image *im, enum image_block_kind kind)
{
	u32 i, old;
	__le32 word;

	for (i = 0; i < im->nr_blocks; i++) {
		struct image_block *b = &im->block[i];

		if (b->kind != kind || !b->dirty)
			continue;
		memcpy(&word, block_at(im, b) + CRC_AT, sizeof(word));
		old = le32_to_cpu(word);
		seal(im, b);
		if (kind == BLOCK_INDEX || kind == BLOCK_STRIPS ||
		    kind == BLOCK_LIVE)
			tell_index(im, b, old);
	}
}

/* --- the list --- */

static void wipe(struct image *im, const struct op *o)
{
	u32 i;

	for (i = 0; i < im->nr_blocks; i++) {
		struct image_block *b = &im->block[i];

		if (!(o->what >> b->kind & 1) ||
		    (o->offset & 1 && b->dev != (o->offset >> 1) % im->nr_devs))
			continue;
		memset(block_at(im, b), o->byte[0], b->bytes);
		b->dirty = o->length & 1;
	}
}

static void copy_block(struct image *im, const struct op *o)
{
	struct image_block *to = block_of(im, o->what);
	struct image_block *from = &im->block[o->offset % im->nr_blocks];

	memmove(block_at(im, to), block_at(im, from),
		min_t(u32, from->bytes, to->bytes));
}

static void apply(struct image *im, u8 code, const struct op *o)
{
	struct vfsr_disk_map_entry *e;
	struct image_page *p;
	struct image_block *b;
	u64 pos;

	switch (code % NR_IMAGE_OPS) {
	case OP_BLOCK:
		b = block_of(im, o->what);
		patch(o, block_at(im, b), b->bytes);
		break;
	case OP_BYTES:
		pos = (u64)o->what << 8 | o->offset >> 8;
		pos = (pos << 8 | (o->offset & 0xff)) % im->bytes;
		patch(&(struct op){ .nr = o->nr, .byte = { o->byte[0] } },
		      im->map[o->length % im->nr_devs] + pos,
		      min_t(u32, o->nr, (u32)(im->bytes - pos)));
		break;
	case OP_NODE:
	case OP_NODE_BYTES:
		mutate_chunk(im, o, code % NR_IMAGE_OPS == OP_NODE_BYTES);
		break;
	case OP_ENTRY:
		e = entry_of(im, im->chunk[o->what % im->nr_chunks].id);
		if (e)
			patch(o, (u8 *)e, sizeof(*e));
		break;
	case OP_PAGE:
		p = &im->page[o->what % im->nr_pages];
		p->dirty = true;
		patch(o, p->buf, VFSR_NODE_BYTES);
		break;
	case OP_RECORD:
		record_bytes(im, o->offset % VFSR_SLOT_BYTES, o->byte, o->nr);
		break;
	case OP_STORED:
		mutate_stored(im, o);
		break;
	case OP_ENTRIES:
		mutate_entries(im, o);
		break;
	case OP_COPY:
		copy_block(im, o);
		break;
	case OP_WIPE:
		wipe(im, o);
		break;
	case OP_LIFT:
		lift(im, o);
		break;
	default:
		break;
	}
}

void image_mutate(struct image *im, const u8 *data, size_t size)
{
	size_t end[IMAGE_MAX_DEVS] = { im->bytes, im->bytes, im->bytes };
	struct input in = { data, size };
	u32 ops, i;

	for (ops = 0; in.left && ops < MAX_OPS; ops++) {
		u8 code = take(&in);
		struct op o = { .what = take16(&in) };

		o.offset = take16(&in);
		o.length = take16(&in);
		o.nr = 1 + (o.length & OP_LEN_MASK);
		for (i = 0; i < o.nr; i++)
			o.byte[i] = take(&in);
		if (code % NR_IMAGE_OPS == OP_TRUNCATE)
			end[o.what % im->nr_devs] =
				((size_t)o.offset << 9) % im->bytes;
		else
			apply(im, code, &o);
	}
	place_pages(im);
	for (i = 0; i < NR_BLOCK_KINDS; i++) {
		/* from below: tables, index, then records */
		static const enum image_block_kind order[NR_BLOCK_KINDS] = {
			BLOCK_FOOTER, BLOCK_TRAILER, BLOCK_STRIPS,
			BLOCK_LIVE,   BLOCK_INDEX,   BLOCK_SUPER,
		};

		seal_kind(im, order[i]);
	}
	/* last, since what lies beyond cannot be touched any more */
	for (i = 0; i < im->nr_devs; i++)
		if (end[i] < im->bytes && ftruncate(im->fd[i], (off_t)end[i]))
			abort();
}
