// SPDX-License-Identifier: GPL-2.0-only
/*
 * Uses a pool image, however damaged, by every reader of the library. What must
 * hold is that each of them comes to an end, with whatever answer, and that
 * nothing of the image is reported as found that the walk cannot bound.
 */
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/check.h"
#include "lib/out.h"
#include "lib/rebuild.h"
#include "lib/restore.h"
#include "lib/scrub.h"
#include "lib/treeiter.h"
#include "pool_image.h"

#define MAX_FILE_BYTES (32u << 20) /* above the images' own size */
#define MAX_PATHS 16u /* paths looked up in one use */
#define MAX_ITEMS 100000u /* far more than the image has */
#define TREE_FDS 16

static FILE *messages; /* the real stderr while the library is silent */

void image_use_init(void)
{
	struct rlimit limit = { MAX_FILE_BYTES, MAX_FILE_BYTES };
	FILE *nowhere = fopen("/dev/null", "we");

	/* a hostile file may say that it has any size */
	setrlimit(RLIMIT_FSIZE, &limit);
	vfsr_quiet = true;
	if (nowhere) {
		messages = stderr;
		stderr = nowhere;
	}
}

void image_use_end(void)
{
	if (!messages)
		return;
	fclose(stderr);
	stderr = messages;
	messages = NULL;
}

/* --- reading --- */

struct reader {
	struct vfsr_pool *p;
	struct vfsr_ws *ws;
	struct vfsr_iter iter;
	u8 *buf;
	u32 paths;
};

static void decode_item(const struct vfsr_item *item)
{
	struct vfsr_extent e;
	struct vfsr_dirent d;
	struct vfsr_xattr x;

	vfsr_extent_decode(item->value, item->bytes, item->key.key, &e, NULL);
	vfsr_dirent_decode(item->value, item->bytes, &d, NULL);
	vfsr_xattr_decode(item->value, item->bytes, &x, NULL);
}

static void read_inode(struct reader *r, u64 ino)
{
	struct vfsr_inode in;
	struct vfsr_item item;
	u32 nr;
	int err;

	if (vfsr_iter_open(&r->iter, ino, &in))
		return;
	for (nr = 0;; nr++) {
		if (nr > MAX_ITEMS)
			abort();
		err = vfsr_iter_next(&r->iter, &item);
		if (err == -ENOENT)
			break;
		if (!err)
			decode_item(&item);
	}
	if (r->paths++ < MAX_PATHS)
		free(vfsr_path_of(r->p, ino, r->ws));
}

static int read_chunk(void *arg, const struct vfsr_chunk *c)
{
	struct reader *r = arg;
	u64 bad;

	if (c->kind == VFSR_KIND_INODE)
		read_inode(r, c->id);
	else
		vfsr_pool_read(r->p, c, r->buf, &bad, r->ws);
	return 0;
}

static int visit_node(void *arg, u64 id, const u8 *node)
{
	(void)arg;
	(void)id;
	(void)node;
	return 0;
}

static void read_all(struct vfsr_pool *p)
{
	struct reader r = { .p = p, .ws = vfsr_ws_new() };
	struct vfsr_tree t;
	struct vfsr_inode in;

	r.buf = malloc(VFSR_CHUNK_BYTES);
	if (!r.ws || !r.buf)
		abort();
	vfsr_iter_init(&r.iter, p, r.ws);
	vfsr_map_walk(p, r.ws, read_chunk, NULL, &r);
	read_inode(&r, VFSR_ROOT_INO);
	vfsr_iter_release(&r.iter);
	if (!vfsr_tree_init(&t, p, r.ws) &&
	    !vfsr_tree_seek(&t, VFSR_ROOT_INO, &in))
		vfsr_bt_walk(&t.bt, visit_node, NULL);
	vfsr_tree_release(&t);
	free(r.buf);
	vfsr_ws_free(r.ws);
}

/* --- the tools --- */

static void report(void *ctx, const struct vfsr_finding *finding)
{
	u64 *nr = ctx;

	*nr += vfsr_reason_name(finding->fault.reason) != NULL;
}

static void check(struct vfsr_pool *p)
{
	u64 nr = 0;
	struct vfsr_check_opts opts = { .report = report, .ctx = &nr };
	struct vfsr_check_stats stats;

	vfsr_check(p, &opts, &stats);
}

static void lost(void *ctx, const char *path, const char *what, u64 from,
		 u64 bytes)
{
	u64 *nr = ctx;

	(void)from;
	(void)bytes;
	*nr += strlen(path) + strlen(what);
}

static void scrub(struct vfsr_pool *p, bool repair)
{
	u64 nr = 0;
	struct vfsr_scrub_opts opts = {
		.repair = repair,
		.threads = 1,
		.lost = lost,
		.ctx = &nr,
	};
	struct vfsr_scrub_stats stats;

	vfsr_scrub(p, &opts, &stats);
}

static int remove_one(const char *path, const struct stat *st, int flag,
		      struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static void restore(struct vfsr_pool *p)
{
	static const char *const roots[] = { "/dev/shm", "/tmp" };
	char dir[64];
	struct vfsr_restore_opts opts = { .to = dir, .threads = 1 };
	struct vfsr_restore_stats stats;
	u32 i;

	/* here, since libFuzzer has a handler of its own */
	signal(SIGXFSZ, SIG_IGN);
	for (i = 0; i < ARRAY_SIZE(roots); i++) {
		snprintf(dir, sizeof(dir), "%s/vfsr-out.XXXXXX", roots[i]);
		if (mkdtemp(dir))
			break;
	}
	vfsr_restore(p, &opts, &stats);
	json_object_put(stats.lost);
	nftw(dir, remove_one, TREE_FDS, FTW_DEPTH | FTW_PHYS);
}

bool image_use(struct image *im, unsigned int how)
{
	struct vfsr_rebuild_stats rebuilt;
	char *paths[IMAGE_MAX_DEVS];
	unsigned int nr = im->nr_devs, i;
	struct vfsr_pool *p;
	bool opened;

	for (i = 0; i < im->nr_devs; i++)
		paths[i] = im->path[i];
	if (how & USE_DEGRADED && nr > 1)
		nr--;
	opened = !vfsr_pool_open(paths, nr, VFSR_POOL_FORCE, &p);
	if (opened) {
		if (how & USE_READ)
			read_all(p);
		if (how & USE_CHECK)
			check(p);
		if (how & USE_SCRUB)
			scrub(p, false);
		if (how & USE_RESTORE)
			restore(p);
		vfsr_pool_close(p);
	}
	if (how & (USE_REBUILD | USE_REWRITE))
		vfsr_rebuild(paths, nr, how & USE_REWRITE, &rebuilt);
	if (how & (USE_REPAIR | USE_REWRITE) &&
	    !vfsr_pool_open(paths, nr, VFSR_POOL_WRITE | VFSR_POOL_FORCE, &p)) {
		if (how & USE_REPAIR)
			scrub(p, true);
		check(p);
		vfsr_pool_close(p);
	}
	vfsr_complain_flush();
	return opened;
}
