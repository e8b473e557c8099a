// SPDX-License-Identifier: GPL-2.0-only
/*
 * Seeds for all fuzz targets, taken from a pool that is made here: its blocks,
 * map pages, nodes and chunks; and one mutation of every kind for the images.
 * The argument is a directory with one directory for each target.
 */
#include "fuzz.h"
#include "tests/shared/pool_image.h"

#define PER_KIND 12u /* seeds of one kind of block */
#define PER_OP 4u /* seeds of one kind of mutation */
#define SEED_BYTES_MAX 16384u

static const char *top;

/* Write an input in two parts; a target that is not wanted has no directory. */
static void put(const char *target, u32 number, const void *head,
		size_t head_bytes, const void *data, size_t bytes)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s/seed-%u", top, target, number);
	f = fopen(path, "we");
	if (!f)
		return;
	fwrite(head, 1, head_bytes, f);
	fwrite(data, 1, bytes, f);
	fclose(f);
}

/* A footer, then its entry table. */
static void put_footer(struct image *im, u32 number, const u8 *sector)
{
	const struct vfsr_disk_footer *ft = (const void *)sector;
	u32 bytes = le32_to_cpu(ft->entries_bytes), i;
	u8 *table = fuzz_alloc(bytes), *at;
	u64 place = vfsr_place_make(le64_to_cpu(ft->grid),
				    le32_to_cpu(ft->row) * ft->policy.k, 0) +
		    le32_to_cpu(ft->entries_start);

	for (i = 0; i < bytes; i++) {
		at = image_at(im, place + i);
		table[i] = at ? *at : 0;
	}
	put("fuzz_footer", number, sector, VFSR_SECTOR_BYTES, table, bytes);
	free(table);
}

static void put_blocks(struct image *im, u32 base)
{
	u32 count[NR_BLOCK_KINDS] = { 0 }, i, number;

	for (i = 0; i < im->nr_blocks; i++) {
		const struct image_block *b = &im->block[i];
		const u8 *at = im->map[b->dev] + b->pos;

		if (count[b->kind]++ >= PER_KIND)
			continue;
		number = base + b->kind * PER_KIND + count[b->kind];
		if (b->kind == BLOCK_SUPER)
			put("fuzz_super", number, "", 0, at, b->bytes);
		else if (b->kind == BLOCK_FOOTER)
			put_footer(im, number, at);
		else if (b->kind == BLOCK_TRAILER)
			put("fuzz_footer", number, "", 0, at, b->bytes);
		else
			put("fuzz_strips", number, "", 1, at, b->bytes);
	}
}

static void put_chunk(const struct vfsr_chunk *c, u32 number, const u8 *stored)
{
	u8 head[13] = { 1, c->state, c->alg, c->kind };
	__le32 length = cpu_to_le32(c->stored);

	memcpy(head + 4, &length, sizeof(length));
	length = cpu_to_le32(c->logical);
	memcpy(head + 8, &length, sizeof(length));
	head[12] = 1;
	put("fuzz_chunk", number, head, sizeof(head), stored, c->stored);
}

/* The nodes of one inode, with their lengths, then operations. */
static void put_tree(struct image *im, u32 number, const struct vfsr_chunk *c)
{
	u8 input[VFSR_NODE_BYTES + 4 + 64];
	u8 *node = input + 4;
	__le64 id = cpu_to_le64(16);

	if (vfsr_pool_read(im->pool, c, node, NULL, im->ws))
		return;
	input[0] = 1;
	input[1] = 0;
	input[2] = (u8)c->logical;
	input[3] = (u8)(c->logical >> 8);
	/* it stands for the root that the target has */
	memcpy(node + offsetof(struct vfsr_disk_node, id), &id, sizeof(id));
	memcpy(node + offsetof(struct vfsr_disk_node, owner), &id, sizeof(id));
	memset(node + c->logical, 0x43, 64);
	put("fuzz_node", number, "", 0, input, 4 + c->logical + 64);
}

static void put_chunks(struct image *im, u32 base)
{
	u8 *buf = fuzz_alloc(VFSR_CHUNK_BYTES);
	u32 i, nodes = 0, chunks = 0;

	for (i = 0; i < im->nr_pages; i++)
		put("fuzz_map", base + i, "", 0, im->page[i].buf,
		    VFSR_NODE_BYTES);
	for (i = 0; i < im->nr_chunks; i++) {
		const struct vfsr_chunk *c = &im->chunk[i];

		if (c->kind == VFSR_KIND_INODE &&
		    (i < PER_KIND || c->logical > VFSR_NODE_BYTES / 4) &&
		    nodes++ < 2 * PER_KIND)
			put_tree(im, base + i, c);
		if (c->stored < SEED_BYTES_MAX && i % 8 == 0 &&
		    chunks++ < PER_KIND &&
		    !vfsr_pool_read_stored(im->pool, c, buf, NULL, im->ws))
			put_chunk(c, base + i, buf);
	}
	free(buf);
}

/* Each kind of mutation on several things, followed by every use. */
static void put_mutations(unsigned int kind)
{
	u8 in[2 + 2 * 9] = { 0 };
	u32 op, i, number = kind * 1000;

	for (op = 0; op < NR_IMAGE_OPS; op++) {
		for (i = 0; i < PER_OP; i++) {
			in[0] = (u8)kind;
			in[1] = (u8)(i & 1 ? USE_ALL_READ : 1u << (op + i) % 8);
			in[2] = (u8)op;
			in[3] = (u8)(i * 7);
			in[5] = (u8)(i * 5);
			in[7] = (u8)(i & 3);
			in[9] = (u8)(0x80 >> i % 8);
			put("fuzz_image", number++, "", 0, in, sizeof(in));
		}
	}
}

int main(int argc, char **argv)
{
	static struct image im;
	unsigned int kind;

	if (argc != 2) {
		fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
		return 2;
	}
	top = argv[1];
	for (kind = 0; kind < NR_IMAGE_KINDS; kind++) {
		fuzz_must(image_make(&im, kind));
		put_blocks(&im, kind * 1000);
		put_chunks(&im, kind * 1000);
		put_mutations(kind);
		image_free(&im);
	}
	return 0;
}
