/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Small pools in memory that tests damage: made once by the writer and the
 * filler as mkfs does it, mutated, used by every reader, and put back.
 *
 * A mutation repairs the checksums above what it changes (blocks, index, map
 * pages, record), so that the checks behind them are reached. Linked into the
 * unit tests and the fuzz targets; one pool at a time is used by one thread.
 */
#ifndef VFSR_TESTS_POOL_IMAGE_H
#define VFSR_TESTS_POOL_IMAGE_H

#include "lib/pool.h"

#define IMAGE_MAX_DEVS 3u

enum image_kind {
	IMAGE_SINGLE, /* one device, 2+1+1 and a copy of metadata; all raw */
	IMAGE_TRIPLE, /* three devices, 2+1+1 and three copies */
	NR_IMAGE_KINDS
};

/* What a self-checked block is. */
enum image_block_kind {
	BLOCK_SUPER,
	BLOCK_INDEX,
	BLOCK_STRIPS,
	BLOCK_LIVE,
	BLOCK_FOOTER,
	BLOCK_TRAILER,
	NR_BLOCK_KINDS
};

struct image_block {
	enum image_block_kind kind;
	unsigned int dev;
	u64 pos; /* byte on the device */
	u32 bytes;
	bool dirty; /* to be sealed again */
};

/* A map page, decoded; what is dirty gets a new place. */
struct image_page {
	unsigned int level;
	u64 index;
	bool dirty;
	u8 *buf; /* VFSR_NODE_BYTES as mutated */
	u8 *base; /* as made */
};

/* A sector of incompressible file data, given up for mutated metadata. */
struct image_spare {
	u64 place;
	u64 id; /* whose mutated node is there, 0: free */
	u8 *at; /* in the image */
};

#define IMAGE_MAX_SPARES 24u

struct image {
	unsigned int nr_devs;
	size_t bytes; /* of each device */
	int fd[IMAGE_MAX_DEVS];
	char path[IMAGE_MAX_DEVS][32];
	u8 *map[IMAGE_MAX_DEVS]; /* the files, mapped shared */
	u8 *base[IMAGE_MAX_DEVS]; /* their contents as made */
	struct vfsr_pool *pool; /* as made: for addresses alone */
	struct vfsr_ws *ws;
	struct image_block *block;
	u32 nr_blocks;
	struct image_page *page;
	u32 nr_pages;
	struct vfsr_chunk *chunk; /* all ids in use */
	u32 nr_chunks;
	struct image_spare spare[IMAGE_MAX_SPARES];
	u32 nr_spares;
};

/* --- pool_image.c --- */

/* Make a pool. Return: whether that worked; says why not. */
bool image_make(struct image *im, enum image_kind kind);
void image_free(struct image *im);
/* Take the devices' present contents for the image as made. Return: as above. */
bool image_scan(struct image *im);
/* Undo all mutations and repairs. */
void image_reset(struct image *im);
/* Where in the mapped images the byte of a place is; NULL: nowhere. */
u8 *image_at(struct image *im, u64 place);

/* --- pool_mutate.c --- */

/* What one mutation changes. */
enum image_op {
	OP_BLOCK, /* a self-checked block */
	OP_BYTES, /* any byte, no checksum is repaired */
	OP_NODE, /* contents of a node or another chunk */
	OP_NODE_BYTES, /* the same, and its length */
	OP_ENTRY, /* an entry of the map */
	OP_PAGE, /* any byte of a map page */
	OP_RECORD, /* the same byte of all records */
	OP_STORED, /* stored bytes of a chunk, right everywhere but in parity */
	OP_ENTRIES, /* a stripe's entry table */
	OP_COPY, /* a block gets the contents of another */
	OP_WIPE, /* all blocks of some kinds */
	OP_LIFT, /* one more level above the map's root */
	OP_TRUNCATE, /* a device */
	NR_IMAGE_OPS
};

/**
 * image_mutate - apply a list of mutations
 * @im: pool as made
 * @data: one after another: op, three numbers of 16 bits (what, offset in it,
 *	  and length in the low 4 bits), then 1..16 bytes
 * @size: bytes of @data; what is missing at the end counts as zero
 */
void image_mutate(struct image *im, const u8 *data, size_t size);

/* --- pool_use.c --- */

#define USE_READ 0x01u /* map walk, every tree, every chunk */
#define USE_CHECK 0x02u
#define USE_SCRUB 0x04u
#define USE_RESTORE 0x08u
#define USE_REBUILD 0x10u /* find out only */
#define USE_REPAIR 0x20u /* scrub that writes, then check again */
#define USE_REWRITE 0x40u /* rebuild that writes, then check again */
#define USE_DEGRADED 0x80u /* without the last device, if several */
#define USE_ALL_READ 0x1fu

/* Prepare for image_use(): messages go nowhere, files stay small. */
void image_use_init(void);
/* Messages of the library appear again. */
void image_use_end(void);
/* Use a pool by every way of USE_*. Return: whether it could be opened. */
bool image_use(struct image *im, unsigned int how);

#endif
