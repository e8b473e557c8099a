// SPDX-License-Identifier: GPL-2.0-only
/*
 * Batches of reads or writes in flight together: by io_uring where the kernel
 * permits it, one after another where it does not.
 *
 * A queue belongs to one thread. A piece that io_uring moved only in part is
 * finished by plain calls, so that both ways end in the same state. Called by
 * the writer and by whatever reads whole grids.
 */
#include <liburing.h>
#include <stdlib.h>

#include "lib/dev.h"

/* Largest piece that is handed to io_uring at once (its length is 32 bits). */
#define PIECE_MAX_BYTES (1u << 30)
#define QUEUE_MAX_DEPTH 1024u

struct vfsr_queue {
	struct io_uring ring;
	unsigned int depth;
	bool async; /* ring is set up */
};

struct vfsr_queue *vfsr_queue_new(unsigned int depth)
{
	struct vfsr_queue *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->depth = min_t(unsigned int, depth, QUEUE_MAX_DEPTH);
	q->async = q->depth && !io_uring_queue_init(q->depth, &q->ring, 0);
	return q;
}

void vfsr_queue_free(struct vfsr_queue *q)
{
	if (!q)
		return;
	if (q->async)
		io_uring_queue_exit(&q->ring);
	free(q);
}

bool vfsr_queue_async(const struct vfsr_queue *q)
{
	return q->async;
}

/* A piece, or its rest from @done bytes on, by plain calls. */
static void run_plain(struct vfsr_iov *v, bool write, size_t done)
{
	u8 *buf = (u8 *)v->buf + done;

	if (write)
		v->error = vfsr_dev_write(v->dev, buf, v->len_bytes - done,
					  v->pos + done);
	else
		v->error = vfsr_dev_read(v->dev, buf, v->len_bytes - done,
					 v->pos + done);
}

/* Put a piece into the ring. false: it must go by plain calls. */
static bool submit_one(struct vfsr_queue *q, bool write, struct vfsr_iov *v)
{
	struct io_uring_sqe *sqe;

	if (!v->len_bytes || v->len_bytes > PIECE_MAX_BYTES ||
	    v->pos > v->dev->bytes || v->len_bytes > v->dev->bytes - v->pos)
		return false;
	sqe = io_uring_get_sqe(&q->ring);
	if (!sqe)
		return false;
	if (write)
		io_uring_prep_write(sqe, v->dev->fd, v->buf,
				    (unsigned int)v->len_bytes, v->pos);
	else
		io_uring_prep_read(sqe, v->dev->fd, v->buf,
				   (unsigned int)v->len_bytes, v->pos);
	io_uring_sqe_set_data(sqe, v);
	return true;
}

/* Take one completion. false: the ring is broken. */
static bool reap_one(struct vfsr_queue *q, bool write)
{
	struct io_uring_cqe *cqe;
	struct vfsr_iov *v;
	int err;

	do {
		err = io_uring_wait_cqe(&q->ring, &cqe);
	} while (err == -EINTR);
	if (err)
		return false;
	v = io_uring_cqe_get_data(cqe);
	if (cqe->res == -EAGAIN || cqe->res == -EINTR)
		run_plain(v, write, 0);
	else if (cqe->res < 0)
		v->error = cqe->res;
	else if ((size_t)cqe->res < v->len_bytes)
		run_plain(v, write, (size_t)cqe->res);
	else
		v->error = 0;
	io_uring_cqe_seen(&q->ring, cqe);
	return true;
}

/*
 * Send what is queued. A kernel short of memory refuses: then what is in flight
 * must end first. false: the ring is broken, and nothing is in flight.
 */
static bool send_all(struct vfsr_queue *q, bool write, unsigned int queued,
		     unsigned int *flying)
{
	while (queued) {
		int sent = io_uring_submit(&q->ring);

		if (sent == -EINTR)
			continue;
		if (sent > 0) {
			queued -=
				min_t(unsigned int, queued, (unsigned int)sent);
			*flying += (unsigned int)sent;
			continue;
		}
		if (!*flying || !reap_one(q, write))
			return false;
		(*flying)--;
	}
	return true;
}

static void run_ring(struct vfsr_queue *q, bool write, struct vfsr_iov *iov,
		     unsigned int nr)
{
	unsigned int next = 0, flying = 0;

	while (next < nr || flying) {
		unsigned int queued = 0;

		while (next < nr && flying + queued < q->depth) {
			if (submit_one(q, write, &iov[next]))
				queued++;
			else
				run_plain(&iov[next], write, 0);
			next++;
		}
		if (!send_all(q, write, queued, &flying))
			goto broken;
		if (!flying)
			continue;
		if (!reap_one(q, write))
			goto broken;
		flying--;
	}
	return;
broken:
	/* do the whole batch again: pieces are idempotent */
	io_uring_queue_exit(&q->ring);
	q->async = false;
	for (next = 0; next < nr; next++)
		run_plain(&iov[next], write, 0);
}

unsigned int vfsr_queue_run(struct vfsr_queue *q, bool write,
			    struct vfsr_iov *iov, unsigned int nr)
{
	unsigned int i, failed = 0;

	if (q->async)
		run_ring(q, write, iov, nr);
	else
		for (i = 0; i < nr; i++)
			run_plain(&iov[i], write, 0);
	for (i = 0; i < nr; i++)
		failed += iov[i].error != 0;
	return failed;
}
