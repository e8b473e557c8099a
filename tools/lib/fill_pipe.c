// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pipeline: jobs, the workers that route and compress them, and their
 * retirement in the order of submission.
 *
 * Only the workers' queue and the `done` marks are shared, under the pipe's lock,
 * taken a few times per 128 KiB. Retiring may submit more jobs (nodes of a
 * file whose last chunk was placed); they wait in a list until the retirement is
 * over, so there is no recursion.
 */
#include <stdlib.h>
#include <unistd.h>

#include "lib/fill_priv.h"

/* Nodes are small: a better level costs little, and any gain is kept. */
#define META_LEVEL_MIN 6
#define META_KEEP 90
#define BUFFER_ALIGN 4096u

static void encode(const struct vfsr_route_opts *opts, void *ws,
		   struct fill_job *job)
{
	struct vfsr_routed r;

	vfsr_chunk_route(opts, ws, job->in, job->bytes, job->out, &r);
	job->c.logical = job->bytes;
	if (r.state == VFSR_STATE_COMPRESSED) {
		job->c.state = r.state;
		job->c.alg = r.alg;
		job->c.stored = r.stored;
		job->data = r.data;
	} else { /* uniform values of attributes are chunks too */
		job->c.state = VFSR_STATE_RAW;
		job->c.alg = VFSR_ALG_NONE;
		job->c.stored = job->bytes;
		job->data = job->in;
	}
	job->c.crc = vfsr_port_crc32c(0, job->data, job->c.stored);
}

static void encode_nodes(const struct vfsr_route_opts *opts, void *ws,
			 struct fill_job *job)
{
	struct vfsr_routed r;
	u32 i;

	for (i = 0; i < job->nr_nodes; i++) {
		struct fill_node *n = &job->node[i];
		const u8 *data = job->in + n->at;

		vfsr_chunk_route(opts, ws, data, n->bytes, job->out + n->at,
				 &r);
		n->state = VFSR_STATE_RAW;
		n->alg = VFSR_ALG_NONE;
		n->stored = n->bytes;
		if (r.state == VFSR_STATE_COMPRESSED) {
			n->state = r.state;
			n->alg = r.alg;
			n->stored = (u16)r.stored;
			data = r.data;
		}
		n->crc = vfsr_port_crc32c(0, data, n->stored);
	}
}

static void *work(void *arg)
{
	struct fill_pipe *p = arg;
	void *ws = calloc(1, vfsr_port_deflate_ws_bytes());
	struct vfsr_route_opts data = p->data, meta = p->meta;
	struct fill_job *job;

	if (!ws) /* without a workspace all is stored raw */
		data.alg = meta.alg = VFSR_ALG_NONE;
	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (!p->head && !p->stop)
			pthread_cond_wait(&p->work, &p->lock);
		job = p->head;
		if (!job)
			break;
		p->head = job->next;
		pthread_mutex_unlock(&p->lock);
		if (job->kind == FILL_JOB_NODES)
			encode_nodes(&meta, ws, job);
		else
			encode(job->kind == FILL_JOB_XATTR ? &meta : &data, ws,
			       job);
		pthread_mutex_lock(&p->lock);
		job->done = true;
		pthread_cond_signal(&p->done);
	}
	pthread_mutex_unlock(&p->lock);
	vfsr_port_ws_release(ws);
	free(ws);
	return NULL;
}

int fill_pipe_start(struct fill *f)
{
	const struct vfsr_fill_opts *o = f->opts;
	struct fill_pipe *p = &f->pipe;
	u8 level = max_t(u8, o->level, META_LEVEL_MIN);
	long nr = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned int i;
	int err = 0;

	if (o->threads)
		nr = (long)o->threads;
	if (nr < 1)
		nr = 1;
	if (nr > FILL_MAX_THREADS)
		nr = FILL_MAX_THREADS;
	p->data = (struct vfsr_route_opts){ o->alg, o->level, o->keep, true };
	p->meta = (struct vfsr_route_opts){
		.alg = o->alg,
		.level = level,
		.keep = META_KEEP,
	};
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	pthread_cond_init(&p->done, NULL);
	for (i = 0; i < nr && !err; i++) {
		err = -pthread_create(&p->thread[i], NULL, work, p);
		if (!err)
			p->nr_threads++;
	}
	/* fewer threads than wanted will do */
	return p->nr_threads ? 0 : err;
}

static void free_jobs(struct fill_job *job)
{
	struct fill_job *next;

	for (; job; job = next) {
		next = job->next;
		free(job->in);
		free(job);
	}
}

void fill_pipe_stop(struct fill *f)
{
	struct fill_pipe *p = &f->pipe;
	unsigned int i;

	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (i = 0; i < p->nr_threads; i++)
		pthread_join(p->thread[i], NULL);
	for (i = 0; i < p->nr; i++)
		fill_job_put(f, p->flight[(p->first + i) % FILL_FLIGHT]);
	free_jobs(p->todo);
	free_jobs(p->free);
	pthread_cond_destroy(&p->done);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
}

struct fill_job *fill_job_get(struct fill *f, enum fill_job_kind kind)
{
	struct fill_pipe *p = &f->pipe;
	struct fill_job *job = p->free;

	if (job) {
		p->free = job->next;
	} else {
		job = malloc(sizeof(*job));
		if (job)
			job->in = aligned_alloc(BUFFER_ALIGN,
						2 * VFSR_CHUNK_BYTES);
		if (!job || !job->in) {
			free(job);
			fill_fail(f, -ENOMEM);
			return NULL;
		}
		job->out = job->in + VFSR_CHUNK_BYTES;
	}
	job->next = NULL;
	job->kind = kind;
	job->done = false;
	job->bytes = 0;
	job->nr_nodes = 0;
	job->file = NULL;
	job->ext = NULL;
	job->class = 0;
	job->shared = false;
	memset(&job->c, 0, sizeof(job->c));
	return job;
}

void fill_job_put(struct fill *f, struct fill_job *job)
{
	job->next = f->pipe.free;
	f->pipe.free = job;
}

static void retire_xattr(struct fill *f, struct fill_job *job)
{
	int err = f->err;

	if (!err)
		err = vfsr_writer_add(f->w, VFSR_USE_META, &job->c, job->data);
	if (err)
		fill_fail(f, err);
	fill_job_put(f, job);
}

/* Take back the oldest job in flight. */
static void retire(struct fill *f)
{
	struct fill_pipe *p = &f->pipe;
	struct fill_job *job = p->flight[p->first];

	pthread_mutex_lock(&p->lock);
	while (!job->done)
		pthread_cond_wait(&p->done, &p->lock);
	pthread_mutex_unlock(&p->lock);
	p->first = (p->first + 1) % FILL_FLIGHT;
	p->nr--;
	switch (job->kind) {
	case FILL_JOB_DATA:
	case FILL_JOB_PACK:
		fill_place(f, job);
		break;
	case FILL_JOB_XATTR:
		retire_xattr(f, job);
		break;
	case FILL_JOB_NODES:
		fill_nodes_retire(f, job);
		break;
	}
}

static void hand_out(struct fill_pipe *p, struct fill_job *job)
{
	p->flight[(p->first + p->nr++) % FILL_FLIGHT] = job;
	job->next = NULL;
	pthread_mutex_lock(&p->lock);
	if (p->head)
		p->tail->next = job;
	else
		p->head = job;
	p->tail = job;
	pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->lock);
}

static void pump(struct fill *f)
{
	struct fill_pipe *p = &f->pipe;
	struct fill_job *job;

	if (p->pumping)
		return;
	p->pumping = true;
	while ((job = p->todo)) {
		p->todo = job->next;
		if (p->nr == FILL_FLIGHT)
			retire(f);
		hand_out(p, job);
	}
	p->pumping = false;
}

void fill_submit(struct fill *f, struct fill_job *job)
{
	struct fill_pipe *p = &f->pipe;

	job->next = NULL;
	if (p->todo)
		p->todo_tail->next = job;
	else
		p->todo = job;
	p->todo_tail = job;
	pump(f);
}

void fill_drain(struct fill *f)
{
	struct fill_pipe *p = &f->pipe;

	fill_pack_flush(f);
	do {
		fill_node_flush(f);
		while (p->nr) {
			p->pumping = true;
			retire(f);
			p->pumping = false;
			pump(f);
		}
		/* placing may complete files, whose nodes come next */
		p->pumping = true;
		fill_place_all(f);
		p->pumping = false;
		pump(f);
	} while (f->batch || p->nr);
}
