// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packs: chunks that small files and the tails of others share, so that they
 * compress together and cost no map entry each.
 *
 * Pieces are put together by the class of the file's name: its extension, or
 * the whole name where there is none (Makefile). A class that was met only a
 * few times goes with the other rare ones, so that a directory full of
 * singular names neither gets a chunk per file nor closes all other packs. Ids
 * are given when a pack is opened: what names them needs not wait.
 */
#include <stdlib.h>

#include "lib/fill_priv.h"

#define CLASS_SLOTS 65536u /* power of two */
#define CLASS_RARE 4u /* classes met less often go together */
#define CLASS_MISC 1u
#define EXT_MAX 15u /* longer ones are no extensions */
#define FNV_START 0xcbf29ce484222325ull
#define FNV_PRIME 0x100000001b3ull

static u64 hash_of(const char *text)
{
	u64 h = FNV_START;

	for (; *text; text++)
		h = (h ^ (u8)*text) * FNV_PRIME;
	return h;
}

static u64 class_of(struct fill *f, const char *name)
{
	const char *dot = strrchr(name, '.');
	u64 h;
	u8 *seen;

	if (dot && dot != name && dot[1] && strlen(dot) <= EXT_MAX + 1)
		h = hash_of(dot);
	else
		h = hash_of(name);
	seen = &f->packs.seen[(h ^ h >> 32) & (CLASS_SLOTS - 1)];
	if (*seen >= CLASS_RARE)
		return h;
	++*seen;
	return CLASS_MISC;
}

/* Submit pack @i. */
static void close_pack(struct fill *f, unsigned int i)
{
	struct fill_packs *p = &f->packs;
	struct fill_job *job = p->job[i];

	p->nr--;
	memmove(&p->job[i], &p->job[i + 1],
		(p->nr - i) * sizeof(struct fill_job *));
	if (job->bytes)
		fill_submit(f, job);
	else
		fill_job_put(f, job);
}

/* Move pack @i to the front. */
static struct fill_job *touch(struct fill_packs *p, unsigned int i)
{
	struct fill_job *job = p->job[i];

	memmove(&p->job[1], &p->job[0], i * sizeof(struct fill_job *));
	p->job[0] = job;
	return job;
}

static struct fill_job *open_pack(struct fill *f, u64 class)
{
	struct fill_packs *p = &f->packs;
	struct fill_job *job;

	if (p->nr == FILL_PACKS)
		close_pack(f, p->nr - 1);
	job = fill_job_get(f, FILL_JOB_PACK);
	if (!job)
		return NULL;
	job->class = class;
	job->c.kind = VFSR_KIND_DATA;
	p->job[p->nr++] = job;
	return touch(p, p->nr - 1);
}

u8 *fill_pack_room(struct fill *f, const char *name, u32 bytes)
{
	struct fill_packs *p = &f->packs;
	struct fill_job *job = NULL;
	unsigned int i;
	u64 class;

	if (f->err)
		return NULL;
	if (!p->seen) {
		p->seen = calloc(CLASS_SLOTS, 1);
		if (!p->seen) {
			fill_fail(f, -ENOMEM);
			return NULL;
		}
	}
	class = class_of(f, name);
	for (i = 0; i < p->nr && p->job[i]->class != class; i++)
		;
	if (i < p->nr && p->job[i]->bytes + bytes > f->piece_max)
		close_pack(f, i);
	else if (i < p->nr)
		job = touch(p, i);
	if (!job)
		job = open_pack(f, class);
	return job ? job->in + job->bytes : NULL;
}

u64 fill_pack_add(struct fill *f, u32 bytes, u64 owner, u64 pos, u32 *offset)
{
	struct fill_job *job = f->packs.job[0];

	if (!job->bytes) {
		job->c.id = vfsr_writer_new_id(f->w);
		job->c.owner = owner;
		job->c.offset = pos;
	}
	job->shared |= job->c.owner != owner;
	job->c.refs++;
	*offset = job->bytes;
	job->bytes += bytes;
	return job->c.id;
}

void fill_pack_flush(struct fill *f)
{
	while (f->packs.nr)
		close_pack(f, f->packs.nr - 1);
}

void fill_pack_release(struct fill *f)
{
	while (f->packs.nr)
		fill_job_put(f, f->packs.job[--f->packs.nr]);
	free(f->packs.seen);
}
