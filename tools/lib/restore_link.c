// SPDX-License-Identifier: GPL-2.0-only
/*
 * First names of inodes that have several: the second and later names become
 * hard links to it. An entry holds its directory, so that the name can still
 * be reached, and goes away when all names that the inode counts were made.
 */
#include <stdlib.h>

#include "lib/restore_impl.h"

#define FIRST_BUCKETS 1024u

enum link_state {
	LINK_BUSY, /* a thread is making the file */
	LINK_MADE,
};

struct link {
	struct link *next;
	u64 ino;
	u64 left; /* names that are still to come */
	enum link_state state;
	struct vfsr_rdir *dir;
	char *name;
};

struct vfsr_rlinks {
	pthread_mutex_t lock;
	struct link **bucket;
	size_t nr_buckets, nr;
};

struct vfsr_rlinks *vfsr_rlinks_new(void)
{
	struct vfsr_rlinks *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->nr_buckets = FIRST_BUCKETS;
	l->bucket = calloc(l->nr_buckets, sizeof(*l->bucket));
	if (!l->bucket) {
		free(l);
		return NULL;
	}
	pthread_mutex_init(&l->lock, NULL);
	return l;
}

static void link_free(struct vfsr_restore *rs, struct link *k)
{
	if (k->dir)
		vfsr_rdir_put(rs, k->dir);
	free(k->name);
	free(k);
}

void vfsr_rlinks_free(struct vfsr_restore *rs, struct vfsr_rlinks *l)
{
	size_t i;

	if (!l)
		return;
	for (i = 0; i < l->nr_buckets; i++) {
		struct link *k = l->bucket[i], *next;

		for (; k; k = next) {
			next = k->next;
			link_free(rs, k);
		}
	}
	pthread_mutex_destroy(&l->lock);
	free(l->bucket);
	free(l);
}

static struct link **find(struct vfsr_rlinks *l, u64 ino)
{
	struct link **at = &l->bucket[ino % l->nr_buckets];

	while (*at && (*at)->ino != ino)
		at = &(*at)->next;
	return at;
}

/* Twice as many buckets; without memory the old ones stay. */
static void grow(struct vfsr_rlinks *l)
{
	size_t nr = l->nr_buckets * 2, i;
	struct link **bucket = calloc(nr, sizeof(*bucket));

	if (!bucket)
		return;
	for (i = 0; i < l->nr_buckets; i++) {
		struct link *k = l->bucket[i], *next;

		for (; k; k = next) {
			next = k->next;
			k->next = bucket[k->ino % nr];
			bucket[k->ino % nr] = k;
		}
	}
	free(l->bucket);
	l->bucket = bucket;
	l->nr_buckets = nr;
}

static enum vfsr_rclaim claim_new(struct vfsr_rlinks *l, u64 ino, u64 nlink)
{
	struct link *k = calloc(1, sizeof(*k));
	struct link **at;

	if (!k)
		return VFSR_RCLAIM_NOMEM;
	if (l->nr >= l->nr_buckets)
		grow(l);
	at = find(l, ino);
	k->ino = ino;
	k->left = nlink - 1;
	k->state = LINK_BUSY;
	*at = k;
	l->nr++;
	return VFSR_RCLAIM_FIRST;
}

enum vfsr_rclaim vfsr_rlinks_claim(struct vfsr_rlinks *l, u64 ino, u64 nlink,
				   struct vfsr_rdir **dir, char **name)
{
	enum vfsr_rclaim got;
	struct link *k;

	pthread_mutex_lock(&l->lock);
	k = *find(l, ino);
	if (!k) {
		got = claim_new(l, ino, nlink);
	} else if (k->state == LINK_BUSY) {
		got = VFSR_RCLAIM_LATER;
	} else {
		*name = strdup(k->name);
		got = *name ? VFSR_RCLAIM_LINK : VFSR_RCLAIM_NOMEM;
		if (*name)
			*dir = vfsr_rdir_get(k->dir);
	}
	pthread_mutex_unlock(&l->lock);
	return got;
}

/* Take an entry out of the table; the caller frees it without the lock. */
static struct link *take_out(struct vfsr_rlinks *l, struct link **at)
{
	struct link *k = *at;

	*at = k->next;
	l->nr--;
	return k;
}

void vfsr_rlinks_made(struct vfsr_restore *rs, u64 ino, struct vfsr_rdir *dir,
		      const char *name)
{
	struct vfsr_rlinks *l = rs->links;
	char *copy = name ? strdup(name) : NULL;
	struct link **at, *gone = NULL;

	pthread_mutex_lock(&l->lock);
	at = find(l, ino);
	if (*at && copy) {
		(*at)->dir = vfsr_rdir_get(dir);
		(*at)->name = copy;
		(*at)->state = LINK_MADE;
		copy = NULL;
	} else if (*at) {
		gone = take_out(l, at);
	}
	pthread_mutex_unlock(&l->lock);
	free(copy);
	if (gone)
		link_free(rs, gone);
}

void vfsr_rlinks_used(struct vfsr_restore *rs, u64 ino)
{
	struct vfsr_rlinks *l = rs->links;
	struct link **at, *gone = NULL;

	pthread_mutex_lock(&l->lock);
	at = find(l, ino);
	if (*at && !--(*at)->left)
		gone = take_out(l, at);
	pthread_mutex_unlock(&l->lock);
	if (gone)
		link_free(rs, gone);
}
