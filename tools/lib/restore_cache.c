// SPDX-License-Identifier: GPL-2.0-only
/*
 * Decoded chunks that several files share: small files of a directory may
 * lie in one compressed chunk, which is expanded once, not once per file.
 *
 * Sharded by id. A thread that asks for a chunk which another is just decoding
 * waits for it. Each thread holds at most one entry, so waiting for a free
 * entry ends. Memory: NR_SHARDS * NR_ENTRIES buffers of 128 KiB, made at first
 * use.
 */
#include <stdlib.h>

#include "lib/restore_impl.h"

#define NR_SHARDS 8u
#define NR_ENTRIES 24u /* per shard: 24 MiB in all */

enum entry_state {
	ENTRY_EMPTY,
	ENTRY_LOADING,
	ENTRY_READY,
};

struct entry {
	u64 id;
	u64 used; /* clock of the shard at its last use */
	enum entry_state state;
	unsigned int pins;
	u8 *data;
	struct vfsr_rchunk chunk;
};

struct shard {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	u64 clock;
	struct entry entry[NR_ENTRIES];
};

struct vfsr_rcache {
	struct shard shard[NR_SHARDS];
};

struct vfsr_rcache *vfsr_rcache_new(void)
{
	struct vfsr_rcache *c = calloc(1, sizeof(*c));
	unsigned int i;

	for (i = 0; c && i < NR_SHARDS; i++) {
		pthread_mutex_init(&c->shard[i].lock, NULL);
		pthread_cond_init(&c->shard[i].changed, NULL);
	}
	return c;
}

void vfsr_rcache_free(struct vfsr_rcache *c)
{
	unsigned int i, j;

	for (i = 0; c && i < NR_SHARDS; i++) {
		pthread_mutex_destroy(&c->shard[i].lock);
		pthread_cond_destroy(&c->shard[i].changed);
		for (j = 0; j < NR_ENTRIES; j++)
			free(c->shard[i].entry[j].data);
	}
	free(c);
}

void vfsr_rchunk_read(struct vfsr_pool *p, u64 id, u8 *buf, struct vfsr_ws *ws,
		      struct vfsr_rchunk *out)
{
	struct vfsr_fault f = { VFSR_REASON_KIND, 0, VFSR_KIND_DATA, 0 };
	struct vfsr_chunk c;

	memset(out, 0, sizeof(*out));
	out->data = buf;
	out->err = vfsr_map_lookup(p, id, &c, ws);
	if (out->err)
		return;
	if (c.kind != VFSR_KIND_DATA) {
		f.have = c.kind;
		vfsr_complain(p->name, -1, 0, id, &f);
		out->err = -EUCLEAN;
		return;
	}
	out->logical = c.logical;
	out->err = vfsr_pool_read(p, &c, buf, &out->bad, ws);
	/* some pieces are lost, the others are right */
	if (out->err == -EIO && out->bad)
		out->err = 0;
}

/* The entry of @id, or one to load it into; NULL: all are in use. */
static struct entry *pick(struct shard *s, u64 id)
{
	struct entry *best = NULL;
	unsigned int i;

	for (i = 0; i < NR_ENTRIES; i++) {
		struct entry *e = &s->entry[i];

		if (e->state != ENTRY_EMPTY && e->id == id)
			return e;
		if (!e->pins && (!best || e->used < best->used))
			best = e;
	}
	return best;
}

static void load(struct shard *s, struct entry *e, struct vfsr_pool *p, u64 id,
		 struct vfsr_ws *ws)
{
	e->id = id;
	e->state = ENTRY_LOADING;
	pthread_mutex_unlock(&s->lock);
	if (!e->data)
		e->data = aligned_alloc(64, VFSR_CHUNK_BYTES);
	if (e->data)
		vfsr_rchunk_read(p, id, e->data, ws, &e->chunk);
	else
		e->chunk = (struct vfsr_rchunk){ .err = -ENOMEM };
	pthread_mutex_lock(&s->lock);
	e->state = ENTRY_READY;
	pthread_cond_broadcast(&s->changed);
}

void vfsr_rcache_get(struct vfsr_rcache *c, struct vfsr_pool *p, u64 id,
		     struct vfsr_ws *ws, struct vfsr_rchunk *out)
{
	struct shard *s = &c->shard[id % NR_SHARDS];
	struct entry *e;

	pthread_mutex_lock(&s->lock);
	while (!(e = pick(s, id)))
		pthread_cond_wait(&s->changed, &s->lock);
	e->pins++;
	e->used = ++s->clock;
	if (e->state == ENTRY_EMPTY || e->id != id)
		load(s, e, p, id, ws);
	while (e->state == ENTRY_LOADING)
		pthread_cond_wait(&s->changed, &s->lock);
	*out = e->chunk;
	out->entry = e;
	pthread_mutex_unlock(&s->lock);
}

void vfsr_rcache_put(struct vfsr_rcache *c, struct vfsr_rchunk *k)
{
	struct entry *e = k->entry;
	struct shard *s = &c->shard[e->id % NR_SHARDS];

	pthread_mutex_lock(&s->lock);
	if (!--e->pins)
		pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	k->entry = NULL;
}
