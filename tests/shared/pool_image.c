// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes the pools of pool_image.h and finds what there is to mutate in them.
 */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/bytes.h"
#include "lib/fill.h"
#include "lib/out.h"
#include "pool_image.h"

#define NR_LINKS 120 /* enough names for a tree of two levels */
#define NR_FILES 150 /* enough inodes for several leaves of the map */
#define DATA_BYTES (200u * 1024)
#define SPARSE_STEP (64 * 1024)
#define NR_EXTENTS 250 /* more than one leaf of extents */
#define XATTR_BYTES 3000u /* more than fits an item */
#define TREE_FDS 16

static const struct {
	unsigned int nr_devs;
	u32 device_kib;
	const char *data, *meta;
	u8 alg;
} kinds[NR_IMAGE_KINDS] = {
	[IMAGE_SINGLE] = { 1, 16384, "grid:2+1+1", "grid:1+1+1",
			   VFSR_ALG_NONE },
	[IMAGE_TRIPLE] = { 3, 8192, "grid:2+1+1", "replica:3", VFSR_ALG_ZLIB },
};

/* --- the tree that fills it --- */

static u8 noise(u64 *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return (u8)(*state >> 56);
}

static bool put_file(const char *dir, const char *name, size_t bytes,
		     unsigned int symbols, u64 seed)
{
	char path[1024];
	size_t i;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "we");
	if (!f)
		return false;
	for (i = 0; i < bytes; i++)
		fputc((u8)('a' + noise(&seed) % symbols), f);
	return !fclose(f);
}

/* One block in every step: extents that cannot be joined. */
static bool put_sparse(const char *dir)
{
	char path[512], block[VFSR_SECTOR_BYTES];
	bool ok = true;
	int fd, i;

	snprintf(path, sizeof(path), "%s/sparse", dir);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	for (i = 0; fd >= 0 && i < NR_EXTENTS; i++) {
		memset(block, i, sizeof(block));
		ok &= pwrite(fd, block, sizeof(block),
			     (off_t)i * SPARSE_STEP) == sizeof(block);
	}
	return fd >= 0 && !close(fd) && ok;
}

static bool put_names(const char *dir)
{
	char name[300], path[512], to[1024];
	bool ok;
	int i;

	snprintf(path, sizeof(path), "%s/names", dir);
	ok = !mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/text", dir);
	for (i = 0; i < NR_LINKS && ok; i++) {
		snprintf(name, sizeof(name), "%0150d-\xff", i);
		snprintf(to, sizeof(to), "%s/names/%s", dir, name);
		ok = !link(path, to);
	}
	snprintf(path, sizeof(path), "%s/files", dir);
	ok = ok && !mkdir(path, 0750);
	for (i = 0; i < NR_FILES && ok; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		ok = put_file(path, name, (size_t)(i * 37 % 3000), 20, (u64)i);
	}
	return ok;
}

static bool make_tree(const char *dir)
{
	char path[512], value[XATTR_BYTES];
	bool ok;

	ok = put_file(dir, "text", DATA_BYTES, 4, 1) &&
	     put_file(dir, "noise", DATA_BYTES, 256, 2) &&
	     put_file(dir, "same", DATA_BYTES, 1, 3) && put_sparse(dir) &&
	     put_names(dir);
	snprintf(path, sizeof(path), "%s/zero", dir);
	ok = ok && put_file(dir, "zero", 0, 1, 1) &&
	     !truncate(path, DATA_BYTES);
	snprintf(path, sizeof(path), "%s/link", dir);
	ok = ok && !symlink("names/../text", path);
	snprintf(path, sizeof(path), "%s/fifo", dir);
	ok = ok && !mkfifo(path, 0600);
	/* where the filesystem of the source takes attributes */
	snprintf(path, sizeof(path), "%s/text", dir);
	memset(value, 'x', sizeof(value));
	if (setxattr(path, "user.small", "value", 5, 0) ||
	    setxattr(path, "user.large", value, sizeof(value), 0))
		fprintf(stderr, "no attributes in %s\n", dir);
	return ok;
}

static int remove_one(const char *path, const struct stat *st, int flag,
		      struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

/* --- the pool --- */

static bool write_pool(struct image *im, enum image_kind kind, const char *dir)
{
	struct vfsr_plan_in in = {
		.nr_devs = im->nr_devs,
		.have_data = true,
		.have_meta = true,
		.strip_shift = VFSR_MIN_STRIP_SHIFT,
		.layout = -1,
		.compress_alg = VFSR_ALG_ZLIB,
		.compress_level = 1,
		.uuid = { 1, 2, 3, 4, 5, 6, 0x47, 8, 0x89 },
		.label = "image",
	};
	struct vfsr_fill_opts opts = {
		.rootdir = dir,
		.alg = kinds[kind].alg,
		.level = 1,
		.threads = 1,
	};
	struct vfsr_dev *dev[VFSR_MAX_MEMBERS] = { NULL };
	struct vfsr_super *s = calloc(1, sizeof(*s));
	struct vfsr_writer *w = NULL;
	struct vfsr_write_stats written;
	struct vfsr_fill_stats filled;
	char why[256] = "";
	unsigned int i;
	bool ok = s && !vfsr_policy_parse(kinds[kind].data, &in.data) &&
		  !vfsr_policy_parse(kinds[kind].meta, &in.meta);

	for (i = 0; i < im->nr_devs && ok; i++) {
		in.dev_bytes[i] = im->bytes;
		ok = !vfsr_dev_open(im->path[i], VFSR_DEV_WRITE, &dev[i]);
	}
	ok = ok && !vfsr_plan(&in, s, why, sizeof(why));
	if (ok) {
		opts.keep = s->compress_keep;
		ok = !vfsr_writer_new(s, dev, NULL, NULL, &w) &&
		     !vfsr_fill(w, s, &opts, &filled) &&
		     !vfsr_writer_commit(w, &written);
	}
	if (!ok)
		fprintf(stderr, "no pool: %s\n", why);
	if (w)
		vfsr_writer_free(w);
	for (i = 0; i < im->nr_devs; i++)
		vfsr_dev_close(dev[i]);
	free(s);
	return ok;
}

static bool make_devices(struct image *im, enum image_kind kind)
{
	unsigned int i;

	im->nr_devs = kinds[kind].nr_devs;
	im->bytes = (size_t)kinds[kind].device_kib << 10;
	for (i = 0; i < im->nr_devs; i++) {
		im->fd[i] = memfd_create("vfsr", MFD_CLOEXEC);
		if (im->fd[i] < 0 || ftruncate(im->fd[i], (off_t)im->bytes))
			return false;
		snprintf(im->path[i], sizeof(im->path[i]), "/proc/self/fd/%d",
			 im->fd[i]);
		im->map[i] = mmap(NULL, im->bytes, PROT_READ | PROT_WRITE,
				  MAP_SHARED, im->fd[i], 0);
		im->base[i] = malloc(im->bytes);
		if (im->map[i] == MAP_FAILED || !im->base[i])
			return false;
	}
	return true;
}

/* --- what is in it --- */

static void note_block(struct image *im, enum image_block_kind kind,
		       unsigned int dev, u64 pos, u32 bytes)
{
	im->block =
		realloc(im->block, (im->nr_blocks + 1) * sizeof(*im->block));
	im->block[im->nr_blocks++] = (struct image_block){
		.kind = kind,
		.dev = dev,
		.pos = pos,
		.bytes = bytes,
	};
}

/* A block is what its magic says, if its crc agrees. */
static void find_blocks(struct image *im, unsigned int dev)
{
	u32 bytes, crc, magic;
	__le32 word[2], length;
	u64 pos;

	for (pos = 0; pos < im->bytes; pos += VFSR_SECTOR_BYTES) {
		const u8 *at = im->map[dev] + pos;
		const struct vfsr_disk_table_head *t = (const void *)at;

		memcpy(word, at, sizeof(word));
		magic = le32_to_cpu(word[0]);
		crc = le32_to_cpu(word[1]);
		bytes = VFSR_SECTOR_BYTES;
		if (magic == VFSR_SUPER_MAGIC) {
			memcpy(&length,
			       at + offsetof(struct vfsr_disk_super, bytes),
			       sizeof(length));
			bytes = le32_to_cpu(length);
		}
		if (bytes > VFSR_SLOT_BYTES || bytes > im->bytes - pos ||
		    crc != vfsr_bytes_crc(at, bytes, sizeof(*word)))
			continue;
		if (magic == VFSR_SUPER_MAGIC)
			note_block(im, BLOCK_SUPER, dev, pos, bytes);
		else if (magic == VFSR_FOOTER_MAGIC)
			note_block(im, BLOCK_FOOTER, dev, pos, bytes);
		else if (magic == VFSR_TRAILER_MAGIC)
			note_block(im, BLOCK_TRAILER, dev, pos, bytes);
		else if (magic == VFSR_TABLE_MAGIC)
			note_block(im,
				   t->kind == VFSR_TABLE_INDEX	? BLOCK_INDEX :
				   t->kind == VFSR_TABLE_STRIPS ? BLOCK_STRIPS :
								  BLOCK_LIVE,
				   dev, pos, bytes);
	}
}

u8 *image_at(struct image *im, u64 place)
{
	struct vfsr_grid *g = vfsr_pool_grid(im->pool, vfsr_place_grid(place));
	struct vfsr_extent_rows rows;
	int member = -1;
	u32 col, row;
	s64 pos;

	if (!g || vfsr_grid_load(im->pool, g, im->ws) ||
	    vfsr_sector_locate(&g->g, g->starts, g->rows_used,
			       vfsr_place_sector(place), &rows, &col, &row))
		return NULL;
	pos = vfsr_grid_pos(im->pool, g, &rows, col, row, &member);
	if (pos < 0 || member < 0 || member >= (int)im->nr_devs)
		return NULL;
	return im->map[member] + pos + vfsr_place_byte(place);
}

/* Whole sectors of incompressible data can hold something else. */
static void note_spares(struct image *im, const struct vfsr_chunk *c)
{
	u32 i;

	if (c->kind != VFSR_KIND_DATA || c->state != VFSR_STATE_RAW ||
	    vfsr_place_byte(c->place))
		return;
	for (i = 0; i < c->stored / VFSR_SECTOR_BYTES; i++) {
		struct image_spare *s = &im->spare[im->nr_spares];

		if (im->nr_spares == IMAGE_MAX_SPARES)
			return;
		s->place = c->place + ((u64)i << VFSR_PLACE_BYTE_BITS);
		s->at = image_at(im, s->place);
		im->nr_spares += s->at != NULL;
	}
}

static int visit_chunk(void *arg, const struct vfsr_chunk *c)
{
	struct image *im = arg;

	im->chunk =
		realloc(im->chunk, (im->nr_chunks + 1) * sizeof(*im->chunk));
	im->chunk[im->nr_chunks++] = *c;
	note_spares(im, c);
	return 0;
}

static int visit_page(void *arg, const struct vfsr_chunk *c)
{
	struct image *im = arg;
	struct image_page *p;

	im->page = realloc(im->page, (im->nr_pages + 1) * sizeof(*im->page));
	p = &im->page[im->nr_pages++];
	memset(p, 0, sizeof(*p));
	p->level = (unsigned int)(c->id >> 56);
	p->index = c->id & VFSR_MAX_ID;
	p->buf = malloc(VFSR_NODE_BYTES);
	p->base = malloc(VFSR_NODE_BYTES);
	if (!p->buf || !p->base ||
	    vfsr_pool_read(im->pool, c, p->base, NULL, im->ws))
		return -EIO;
	return 0;
}

/* Drop what was found in the image. */
static void forget(struct image *im)
{
	u32 i;

	if (im->pool)
		vfsr_pool_close(im->pool);
	if (im->ws)
		vfsr_ws_free(im->ws);
	for (i = 0; i < im->nr_pages; i++) {
		free(im->page[i].buf);
		free(im->page[i].base);
	}
	free(im->page);
	free(im->block);
	free(im->chunk);
	im->pool = NULL;
	im->ws = NULL;
	im->page = NULL;
	im->block = NULL;
	im->chunk = NULL;
	im->nr_pages = im->nr_blocks = im->nr_chunks = im->nr_spares = 0;
}

bool image_scan(struct image *im)
{
	char *paths[IMAGE_MAX_DEVS];
	unsigned int i;

	forget(im);
	for (i = 0; i < im->nr_devs; i++) {
		paths[i] = im->path[i];
		memcpy(im->base[i], im->map[i], im->bytes);
		find_blocks(im, i);
	}
	im->ws = vfsr_ws_new();
	if (!im->ws ||
	    vfsr_pool_open(paths, im->nr_devs, VFSR_POOL_QUIET, &im->pool) ||
	    vfsr_map_walk(im->pool, im->ws, visit_chunk, visit_page, im))
		return false;
	image_reset(im);
	return im->nr_spares == IMAGE_MAX_SPARES;
}

bool image_make(struct image *im, enum image_kind kind)
{
	char dir[] = "/tmp/vfsr-tree.XXXXXX";
	bool ok;

	memset(im, 0, sizeof(*im));
	vfsr_quiet = true;
	if (!mkdtemp(dir))
		return false;
	ok = make_devices(im, kind) && make_tree(dir) &&
	     write_pool(im, kind, dir);
	nftw(dir, remove_one, TREE_FDS, FTW_DEPTH | FTW_PHYS);
	return ok && image_scan(im);
}

void image_free(struct image *im)
{
	u32 i;

	forget(im);
	for (i = 0; i < im->nr_devs; i++) {
		munmap(im->map[i], im->bytes);
		free(im->base[i]);
		close(im->fd[i]);
	}
	memset(im, 0, sizeof(*im));
}

void image_reset(struct image *im)
{
	u32 i;
	u64 pos;

	for (i = 0; i < im->nr_devs; i++) {
		if (ftruncate(im->fd[i], (off_t)im->bytes))
			abort();
		/* compare first: most pages were never touched */
		for (pos = 0; pos < im->bytes; pos += VFSR_SLOT_BYTES)
			if (memcmp(im->map[i] + pos, im->base[i] + pos,
				   VFSR_SLOT_BYTES) != 0)
				memcpy(im->map[i] + pos, im->base[i] + pos,
				       VFSR_SLOT_BYTES);
	}
	for (i = 0; i < im->nr_blocks; i++)
		im->block[i].dirty = false;
	for (i = 0; i < im->nr_pages; i++) {
		im->page[i].dirty = false;
		memcpy(im->page[i].buf, im->page[i].base, VFSR_NODE_BYTES);
	}
	for (i = 0; i < im->nr_spares; i++)
		im->spare[i].id = 0;
}
