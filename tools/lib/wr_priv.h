/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the writer share; only writer.c and wr_*.c include it.
 *
 * The caller's thread owns everything but the queue of stripes (struct
 * wr_pool, under its lock), the column parity of a grid (under the grid's lock)
 * and the buffers of a job that was handed over. Locks are never nested.
 */
#ifndef VFSR_LIB_WR_PRIV_H
#define VFSR_LIB_WR_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/footer.h"
#include "core/mappage.h"
#include "lib/writer.h"

/*
 * Streams: one per use, and one for map pages. That one writes metadata grids
 * too, but shares neither stripes nor sectors with nodes, so that no damage to
 * the map alone can take a node along: footers rebuild the map, not nodes.
 */
#define WR_STREAM_MAP	VFSR_NR_USES
#define WR_NR_STREAMS	(VFSR_NR_USES + 1)

/* What the footers and tables call a stream's grids. */
static inline u8 wr_stream_use(unsigned int stream)
{
	return stream == WR_STREAM_MAP ? VFSR_USE_META : (u8)stream;
}

/* A grid that is being filled. */
struct wr_grid {
	struct vfsr_geometry g;
	struct vfsr_policy policy;
	u64 id;
	u8 use; /* enum vfsr_grid_use */
	u32 strip[VFSR_MAX_COLUMNS];
	u8 device[VFSR_MAX_COLUMNS];
	u32 rows_used; /* rows in stripes */
	u8 starts[VFSR_BITMAP_BYTES];
	pthread_mutex_t lock; /* guards tail */
	u8 *tail; /* parity rows and trailer of each column, in
				 * the order in which they lie on disk */
	atomic_uint refs; /* stripes in flight, and 1 while open */
};

/* A stripe on its way to disk. */
struct wr_job {
	struct wr_job *next;
	struct wr_grid *grid;
	struct vfsr_footer ft;
	u8 *data; /* n * depth sectors, column after column */
};

/* Sealing threads and the stripes in flight. */
struct wr_pool {
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t work; /* a job came, or stop */
	pthread_cond_t done; /* a job ended */
	struct wr_job *head, *tail; /* waiting, oldest first */
	struct wr_job *idle;
	unsigned int nr_jobs, max_jobs;
	unsigned int running; /* waiting or being worked on */
	bool stop;
	int error; /* the first one */
	u32 job_sectors; /* room of a job's buffer */
	unsigned int nr_threads;
	pthread_t *thread;
	struct vfsr_queue **queue; /* one per thread */
};

/* A stream: one open grid, one open stripe. */
struct wr_stream {
	struct vfsr_policy policy;
	u32 depth; /* full depth, rows */
	struct wr_grid *grid; /* NULL: none yet */
	struct wr_job *job; /* the open stripe, NULL: none */
	struct vfsr_pack pack; /* of the open stripe */
	u8 *entries; /* room for its table */
	u32 entries_room;
	u32 *refs; /* reference count of each chunk in it */
	u32 refs_room;
};

/* Counts bytes by grid. */
struct wr_count {
	u64 grid; /* 0: free place */
	u64 bytes;
};

struct wr_counts {
	struct wr_count *slot;
	u32 nr, room; /* room: a power of two, or 0 */
};

/* A page of the map that was written. */
struct wr_page {
	u64 index;
	struct vfsr_map_child child;
};

struct wr_leaf;

struct wr_map {
	struct wr_leaf **bucket; /* incomplete leaves by index */
	u32 nr_leaves, nr_buckets;
	struct wr_leaf *full, **full_end; /* complete, not yet written */
	struct wr_page
		*page[2]; /* placed pages: of level 0, of the level above */
	size_t nr_pages[2], room[2];
	unsigned int level; /* level whose pages are being placed */
	u64 nr_ids;
	void *deflate_ws;
};

struct vfsr_writer {
	struct vfsr_super *s;
	struct vfsr_dev *dev[VFSR_MAX_MEMBERS];
	struct vfsr_strip *strips[VFSR_MAX_MEMBERS];
	u32 *live[VFSR_MAX_MEMBERS];
	bool own_strips, own_live; /* the arrays are the writer's */
	u32 nr_free[VFSR_MAX_MEMBERS];
	u32 first_free[VFSR_MAX_MEMBERS]; /* no free strip below */
	const struct vfsr_parity_ops *ops;
	u64 transaction, base;
	u64 first_grid; /* grids below were there before */
	struct wr_stream stream[WR_NR_STREAMS]; /* by use, and the map's own */
	struct wr_pool pool;
	struct wr_map map;
	struct wr_counts live_bytes; /* by grid */
	struct vfsr_write_stats stats;
	int error; /* of the caller's thread, final */
};

/* --- wr_alloc.c --- */

/* Count free strips. */
void wr_alloc_init(struct vfsr_writer *w);
/* A new grid with strips, marked in the tables; 0, -ENOSPC, -ENOMEM. */
int wr_grid_new(struct vfsr_writer *w, unsigned int use, struct wr_grid **out);

/* --- wr_stripe.c --- */

int wr_pool_start(struct vfsr_writer *w);
void wr_pool_stop(struct vfsr_writer *w);
/* An idle job (waits for one); NULL on error. */
struct wr_job *wr_job_get(struct vfsr_writer *w);
/* Hand over a stripe; the job's grid got a reference. */
void wr_job_submit(struct vfsr_writer *w, struct wr_job *job);
/* Give a job back unused. */
void wr_job_put(struct vfsr_writer *w, struct wr_job *job);
/* Wait for everything in flight. Return: 0 or the first error. */
int wr_pool_drain(struct vfsr_writer *w);
/* The first error of any thread, already reported. */
int wr_pool_error(struct vfsr_writer *w);
/* Note and report a failed write. */
void wr_fail_io(struct vfsr_writer *w, const struct vfsr_iov *v);
/* Drop a reference; the last one seals the grid and frees it. */
void wr_grid_put(struct vfsr_writer *w, struct wr_grid *grid,
		 struct vfsr_queue *q);

/* --- writer.c --- */

/* Close the open stripe of a stream, if any. */
int wr_stream_close(struct vfsr_writer *w, unsigned int use, u8 flags,
		    u32 nr_stripes);
/* Make sure that a stripe is open. */
int wr_stream_ready(struct vfsr_writer *w, unsigned int use);
/* No more stripes into the open grid. */
void wr_stream_end_grid(struct vfsr_writer *w, unsigned int use);
/* Append a chunk without writing map pages that became complete. */
int wr_append(struct vfsr_writer *w, unsigned int use,
	      const struct vfsr_chunk *c, const void *stored);
/* Count bytes of a grid; 0 or -ENOMEM. */
int wr_count_add(struct wr_counts *t, u64 grid, u64 bytes);
u64 wr_count_get(const struct wr_counts *t, u64 grid);

/* --- wr_map.c --- */

int wr_map_init(struct vfsr_writer *w);
void wr_map_release(struct vfsr_writer *w);
/* A chunk got its place: 0, -EEXIST, -EINVAL, -ENOMEM. */
int wr_map_set(struct vfsr_writer *w, const struct vfsr_chunk *c);
/* A map page got its place. */
int wr_map_page_placed(struct vfsr_writer *w, const struct vfsr_chunk *c);
/* Write pages that became complete. */
int wr_map_flush(struct vfsr_writer *w);
/* Write all that is left and set the root in the record. */
int wr_map_finish(struct vfsr_writer *w);

#endif
