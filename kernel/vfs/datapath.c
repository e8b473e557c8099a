// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffers and workqueues of the data path.
 *
 * Buffers are made when they are needed and kept until the unmount. The first
 * ones are made at mount; so whoever waits for a buffer waits for work that has
 * all it needs. Lock: vfsr_bufs.lock, for the list alone.
 */
#include <linux/cpumask.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "core/pack.h"
#include "vfs/datapath.h"

#define MIN_BUFS 2u
#define MAX_CPUS 64u
/* Of a stripe, what chunks cannot have: two footers and the entries */
#define FOOTER_SECTORS 3u

/* --- buffers --- */

static void buf_free(struct vfsr_buf *b)
{
	if (!b)
		return;
	kvfree(b->data);
	kvfree(b->out);
	kvfree(b->ws);
	kfree(b);
}

static struct vfsr_buf *buf_new(bool codec)
{
	gfp_t gfp = GFP_NOFS | __GFP_NOWARN;
	struct vfsr_buf *b = kzalloc(sizeof(*b), gfp);

	if (!b)
		return NULL;
	b->data = kvmalloc(VFSR_CHUNK_BYTES, gfp);
	if (codec) {
		b->out = kvmalloc(VFSR_CHUNK_BYTES, gfp);
		b->ws = kvzalloc(vfsr_port_deflate_ws_bytes(), gfp);
	}
	if (b->data && (!codec || (b->out && b->ws)))
		return b;
	buf_free(b);
	return NULL;
}

static struct vfsr_buf *buf_pop(struct vfsr_bufs *bs)
{
	struct vfsr_buf *b;

	spin_lock(&bs->lock);
	b = list_first_entry_or_null(&bs->free, struct vfsr_buf, link);
	if (b)
		list_del(&b->link);
	spin_unlock(&bs->lock);
	return b;
}

/* Make one more, if there may be more and memory allows. */
static struct vfsr_buf *buf_add(struct vfsr_bufs *bs)
{
	struct vfsr_buf *b;
	bool may;

	spin_lock(&bs->lock);
	may = bs->nr < bs->max;
	bs->nr += may;
	spin_unlock(&bs->lock);
	if (!may)
		return NULL;
	b = buf_new(bs->codec);
	if (!b) {
		spin_lock(&bs->lock);
		bs->nr--;
		spin_unlock(&bs->lock);
	}
	return b;
}

struct vfsr_buf *vfsr_bufs_get(struct vfsr_bufs *bs)
{
	struct vfsr_buf *b = buf_pop(bs);

	if (!b)
		b = buf_add(bs);
	if (!b)
		wait_event(bs->wait, (b = buf_pop(bs)) != NULL);
	return b;
}

/* One that is free, if another one is left that was not lent. */
static struct vfsr_buf *buf_lend(struct vfsr_bufs *bs)
{
	struct vfsr_buf *b = NULL;

	spin_lock(&bs->lock);
	if (bs->nr_lent + 1 < bs->nr)
		b = list_first_entry_or_null(&bs->free, struct vfsr_buf, link);
	if (b) {
		list_del(&b->link);
		b->lent = true;
		bs->nr_lent++;
	}
	spin_unlock(&bs->lock);
	return b;
}

struct vfsr_buf *vfsr_bufs_try(struct vfsr_bufs *bs)
{
	struct vfsr_buf *b = buf_lend(bs);

	if (b)
		return b;
	b = buf_add(bs);
	if (!b)
		return NULL;
	vfsr_bufs_put(bs, b);
	return buf_lend(bs);
}

void vfsr_bufs_put(struct vfsr_bufs *bs, struct vfsr_buf *b)
{
	spin_lock(&bs->lock);
	bs->nr_lent -= b->lent;
	b->lent = false;
	list_add(&b->link, &bs->free);
	spin_unlock(&bs->lock);
	wake_up(&bs->wait);
}

static void bufs_exit(struct vfsr_bufs *bs)
{
	struct vfsr_buf *b;

	while ((b = buf_pop(bs))) {
		buf_free(b);
		bs->nr--;
	}
	WARN_ON_ONCE(bs->nr);
}

static int bufs_init(struct vfsr_bufs *bs, unsigned int max, bool codec)
{
	unsigned int i;

	spin_lock_init(&bs->lock);
	INIT_LIST_HEAD(&bs->free);
	init_waitqueue_head(&bs->wait);
	bs->max = max;
	bs->codec = codec;
	for (i = 0; i < MIN_BUFS; i++) {
		struct vfsr_buf *b = buf_add(bs);

		if (!b)
			return -ENOMEM;
		vfsr_bufs_put(bs, b);
	}
	return 0;
}

/* --- life --- */

/* Folios that fit a chunk: chunks do not cross stripes, and small pools have
 * stripes that are shorter than a chunk may be. */
static int job_pages(const struct vfsr_super *super)
{
	struct vfsr_geometry g;
	u32 sectors;

	if (vfsr_geometry_init(&g, &super->data, super->strip_shift,
			       super->layout, NULL))
		return -EINVAL;
	sectors = g.k * g.depth;
	if (sectors <= FOOTER_SECTORS)
		return 1;
	return min_t(u32, VFSR_WINDOW_PAGES, sectors - FOOTER_SECTORS);
}

static int queues_init(struct vfsr_sb *s, unsigned int cpus)
{
	s->read_wq = alloc_workqueue("vfsr-read/%s", WQ_UNBOUND | WQ_HIGHPRI,
				     2 * cpus, s->sb->s_id);
	s->write_wq = alloc_workqueue("vfsr-write/%s",
				      WQ_UNBOUND | WQ_MEM_RECLAIM, cpus,
				      s->sb->s_id);
	return s->read_wq && s->write_wq ? 0 : -ENOMEM;
}

/**
 * vfsr_io_init - get the data path ready
 * @s: filesystem, pool opened, space initialised
 *
 * Return: 0 or a negative errno; on an error nothing is left behind.
 */
int vfsr_io_init(struct vfsr_sb *s)
{
	unsigned int cpus = clamp(num_online_cpus(), MIN_BUFS, MAX_CPUS);
	struct vfsr_io_ws *io = kzalloc(sizeof(*io), GFP_KERNEL);
	int pages = job_pages(s->pool->super);
	int err;

	if (!io)
		return -ENOMEM;
	s->io_ws = io;
	s->space.write_back_ctx = s;
	s->space.write_back = vfsr_write_back;
	err = bufs_init(&io->rd, 2 * cpus + MIN_BUFS, false);
	/* for all workers, as many that wait for their turn, and one for who
	 * works in its own context */
	if (!err)
		err = bufs_init(&io->wr, 2 * cpus + 1, true);
	if (!err && pages < 0)
		err = pages;
	if (!err) {
		io->job_pages = pages;
		io->max_queued = 4 * cpus;
		err = vfsr_writepath_init(io);
	}
	if (!err)
		err = queues_init(s, cpus);
	if (err)
		vfsr_io_exit(s);
	return err;
}

/**
 * vfsr_io_exit - undo vfsr_io_init()
 * @s: filesystem without inodes
 *
 * Also after a failed vfsr_io_init(), and a second time.
 */
void vfsr_io_exit(struct vfsr_sb *s)
{
	struct vfsr_io_ws *io = s->io_ws;

	if (!io)
		return;
	s->space.write_back = NULL;
	if (s->read_wq)
		destroy_workqueue(s->read_wq);
	if (s->write_wq)
		destroy_workqueue(s->write_wq);
	s->read_wq = NULL;
	s->write_wq = NULL;
	vfsr_writepath_exit(io);
	/* a mount that failed early may have left the second one as zeroes */
	if (io->rd.max)
		bufs_exit(&io->rd);
	if (io->wr.max)
		bufs_exit(&io->wr);
	kfree(io);
	s->io_ws = NULL;
}
