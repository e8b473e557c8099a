// SPDX-License-Identifier: GPL-2.0-only
/*
 * Opening a pool: which path is which member, which record counts, and who is
 * missing, stale, foreign or on a branch of its own.
 *
 * Nothing is written. What is merely absent or damaged is named and left out;
 * what could mix two histories (members of two pools, two copies of one
 * member, split brain) is refused. All work is bounded by the rings' fixed size and
 * the number of paths.
 */
#include <stdlib.h>

#include "lib/accel.h"
#include "lib/out.h"
#include "lib/pool_priv.h"

/* Is record @a newer than @b? */
static bool newer(const struct vfsr_super *a, const struct vfsr_super *b)
{
	if (a->epoch != b->epoch)
		return a->epoch > b->epoch;
	return a->sequence > b->sequence;
}

/*
 * Which of two records of one device counts? One of another pool is what an
 * earlier mkfs left behind: the pool made last owns the device.
 */
static bool supersedes(const struct vfsr_super *a, const struct vfsr_super *b)
{
	if (!memcmp(a->pool_uuid, b->pool_uuid, VFSR_UUID_BYTES))
		return newer(a, b);
	if (a->created.sec != b->created.sec)
		return a->created.sec > b->created.sec;
	return a->created.nsec > b->created.nsec;
}

int pool_read_ring(struct candidate *c, u64 pos, u8 *slot,
		   struct vfsr_super *tmp)
{
	struct vfsr_fault f;
	int err, refused = 0;
	u32 i;

	for (i = 0; i < VFSR_RING_SLOTS; i++) {
		if (vfsr_dev_read(c->dev, slot, VFSR_SLOT_BYTES,
				  pos + (u64)i * VFSR_SLOT_BYTES))
			continue;
		err = vfsr_super_decode(slot, VFSR_SLOT_BYTES, tmp, &f);
		if (err == -EOPNOTSUPP)
			refused = err;
		if (err || (c->super && !supersedes(tmp, c->super)))
			continue;
		if (!c->super)
			c->super = malloc(sizeof(*c->super));
		if (!c->super)
			return -ENOMEM;
		*c->super = *tmp;
	}
	return refused;
}

/* Read both rings of a candidate. 0 or a reported error. */
static int read_rings(struct candidate *c, u8 *slot, struct vfsr_super *tmp)
{
	u64 end = c->dev->bytes & ~(u64)(VFSR_BOOT_BYTES - 1);
	int head, tail = 0;

	head = pool_read_ring(c, VFSR_BOOT_BYTES, slot, tmp);
	if (end >= VFSR_RING_BYTES)
		tail = pool_read_ring(c, end - VFSR_RING_BYTES, slot, tmp);
	if (head == -ENOMEM || tail == -ENOMEM)
		return -ENOMEM;
	if (head || tail) {
		vfsr_error(
			"%s: holds a pool that needs a newer vfsr; use a newer version",
			c->dev->path);
		return -EOPNOTSUPP;
	}
	return 0;
}

/* The record of the pool that most paths belong to; the newest of it. */
static struct vfsr_super *choose(struct candidate *c, unsigned int nr)
{
	unsigned int i, j, votes, best_votes = 0;
	struct vfsr_super *best = NULL;

	for (i = 0; i < nr; i++) {
		if (!c[i].super)
			continue;
		for (votes = 0, j = 0; j < nr; j++)
			votes += c[j].super && !memcmp(c[i].super->pool_uuid,
						       c[j].super->pool_uuid,
						       VFSR_UUID_BYTES);
		if (votes > best_votes) {
			best_votes = votes;
			best = c[i].super;
		} else if (!memcmp(c[i].super->pool_uuid, best->pool_uuid,
				   VFSR_UUID_BYTES) &&
			   newer(c[i].super, best)) {
			best = c[i].super;
		}
	}
	return best;
}

/* The place of a candidate in the pool by its own record; -1: none. */
static int member_by_record(const struct vfsr_super *s,
			    const struct vfsr_super *own)
{
	u16 i = own->this_member;

	if (i >= own->nr_members || i >= s->nr_members ||
	    s->member[i].state == VFSR_MEMBER_NONE ||
	    memcmp(s->member[i].uuid, own->member[i].uuid, VFSR_UUID_BYTES))
		return -1;
	return i;
}

/* Do two records of one number say the same, but for whose copy it is? */
static bool same_record(const struct vfsr_super *a, const struct vfsr_super *b)
{
	u16 i;

	/* two halves of a pool that went on apart gave each other up */
	for (i = 0; i < a->nr_members && a->nr_members == b->nr_members; i++)
		if (a->member[i].state != b->member[i].state)
			return false;
	return a->nr_members == b->nr_members &&
	       a->transaction == b->transaction &&
	       a->map_place == b->map_place && a->map_crc == b->map_crc &&
	       a->committed.sec == b->committed.sec &&
	       a->committed.nsec == b->committed.nsec &&
	       a->next_id == b->next_id && a->nr_open == b->nr_open;
}

/*
 * Did a member go on without the others? It may be one record ahead of what
 * it acknowledged: that one was written but its commit did not end.
 */
static bool is_split(const struct vfsr_super *s, const struct vfsr_super *own,
		     int member)
{
	const struct vfsr_member *m = &s->member[member];

	if (own->epoch == s->epoch && own->sequence == s->sequence)
		return !same_record(own, s);
	/* an epoch above the acknowledged one can only be that one record too */
	return own->epoch >= m->ack_epoch &&
	       own->sequence > m->ack_sequence + 1;
}

/* Make a candidate a member. 0 or a reported error. */
static int take_member(struct vfsr_pool *p, struct candidate *c, int member)
{
	const struct vfsr_member *m = &p->super->member[member];
	struct vfsr_dev *other = p->dev[member];

	if (other) {
		vfsr_error(
			"%s: is member %d of pool %s, and so is %s; name only one of them",
			c->dev->path, member, p->name, other->path);
		return -EEXIST;
	}
	c->member = member;
	p->dev[member] = c->dev;
	if (c->super) {
		p->seen_epoch[member] = c->super->epoch;
		p->seen_sequence[member] = c->super->sequence;
	}
	if (c->dev->bytes < m->bytes)
		vfsr_warn(
			"%s: truncated: has %llu bytes, the pool says %llu; what lay beyond is rebuilt where parity allows",
			c->dev->path, (unsigned long long)c->dev->bytes,
			(unsigned long long)m->bytes);
	return 0;
}

/* Place a candidate that has a record of its own. 0 or a reported error. */
static int place_known(struct vfsr_pool *p, struct candidate *c,
		       unsigned int flags)
{
	const struct vfsr_super *s = p->super;
	char uuid[40];
	int member;

	if (memcmp(c->super->pool_uuid, s->pool_uuid, VFSR_UUID_BYTES)) {
		vfsr_uuid_text(c->super->pool_uuid, uuid);
		vfsr_error(
			"%s: belongs to another pool (%s), not to %s; name only devices of one pool",
			c->dev->path, uuid, p->name);
		return -EINVAL;
	}
	member = member_by_record(s, c->super);
	if (member < 0) {
		vfsr_warn(
			"%s: is no longer a member of pool %s; leaving it out",
			c->dev->path, p->name);
		return 0;
	}
	if (is_split(s, c->super, member)) {
		if (!(flags & VFSR_POOL_FORCE)) {
			vfsr_error(
				"%s: split brain: it went on without the others (record %llu.%llu, the pool knows %llu.%llu); leave it out, or make a new pool from one of the two",
				c->dev->path,
				(unsigned long long)c->super->epoch,
				(unsigned long long)c->super->sequence,
				(unsigned long long)s->member[member].ack_epoch,
				(unsigned long long)s->member[member]
					.ack_sequence);
			return -EUCLEAN;
		}
		vfsr_warn(
			"%s: split brain: it went on without the others; used because forced",
			c->dev->path);
	} else if (newer(s, c->super)) {
		vfsr_warn(
			"%s: stale: its last record is %llu.%llu, the pool's %llu.%llu; run vfsr verify --repair with every device",
			c->dev->path, (unsigned long long)c->super->epoch,
			(unsigned long long)c->super->sequence,
			(unsigned long long)s->epoch,
			(unsigned long long)s->sequence);
	}
	return take_member(p, c, member);
}

/* Place a candidate without any record, by its labels. */
static int place_unknown(struct vfsr_pool *p, struct candidate *c)
{
	int member = pool_identify(p, c);

	if (member < 0) {
		vfsr_warn(
			"%s: nothing of pool %s recognised on it; treated as missing, check the name",
			c->dev->path, p->name);
		return 0;
	}
	vfsr_warn(
		"%s: all its checkpoint records are destroyed; recognised as member %d by its strips, run vfsr verify --repair",
		c->dev->path, member);
	return take_member(p, c, member);
}

/* A device that grew since mkfs has its last ring where it used to end. */
static int read_old_tails(const struct vfsr_pool *p, struct candidate *c,
			  u8 *slot, struct vfsr_super *tmp)
{
	u16 i;
	int err;

	for (i = 0; i < p->super->nr_members && !c->super; i++) {
		const struct vfsr_member *m = &p->super->member[i];

		if (m->state == VFSR_MEMBER_NONE || p->dev[i] ||
		    m->bytes < VFSR_RING_BYTES)
			continue;
		err = pool_read_ring(c, m->bytes - VFSR_RING_BYTES, slot, tmp);
		if (err)
			return err;
	}
	return 0;
}

static int place_all(struct vfsr_pool *p, struct candidate *c, unsigned int nr,
		     unsigned int flags, u8 *slot, struct vfsr_super *tmp)
{
	unsigned int i;
	int err;

	for (i = 0; i < nr; i++) {
		if (!c[i].super)
			continue;
		err = place_known(p, &c[i], flags);
		if (err)
			return err;
	}
	/* what is left can only be a place that is still free */
	for (i = 0; i < nr; i++) {
		if (!c[i].dev || c[i].super)
			continue;
		err = read_old_tails(p, &c[i], slot, tmp);
		if (!err)
			err = c[i].super ? place_known(p, &c[i], flags) :
					   place_unknown(p, &c[i]);
		if (err)
			return err;
	}
	return 0;
}

static void name_missing(const struct vfsr_pool *p)
{
	char uuid[40], size[32];
	u16 i;

	for (i = 0; i < p->super->nr_members; i++) {
		const struct vfsr_member *m = &p->super->member[i];

		if (m->state == VFSR_MEMBER_NONE || p->dev[i])
			continue;
		vfsr_uuid_text(m->uuid, uuid);
		vfsr_warn(
			"pool %s: member %u (%s, %s) is missing; going on with parity",
			p->name, i, uuid, vfsr_size_text(m->bytes, size));
	}
}

static int pool_init(struct vfsr_pool *p)
{
	struct vfsr_pool_priv *v = calloc(1, sizeof(*v));
	pthread_mutexattr_t nested;

	p->priv = v;
	p->ops = vfsr_accel_parity();
	if (!v)
		return -ENOMEM;
	/* a whole-grid decode asks for footers, which may need it too */
	pthread_mutexattr_init(&nested);
	pthread_mutexattr_settype(&nested, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&v->heal_lock, &nested);
	pthread_mutexattr_destroy(&nested);
	pthread_mutex_init(&v->grid_lock, NULL);
	pthread_mutex_init(&v->stripe_lock, NULL);
	pthread_mutex_init(&v->mark_lock, NULL);
	pthread_mutex_init(&v->sector_lock, NULL);
	return map_cache_init(p);
}

static void set_name(struct vfsr_pool *p)
{
	const struct vfsr_super *s = p->super;
	char *text;

	if (!s->label[0]) {
		vfsr_uuid_text(s->pool_uuid, p->name);
		return;
	}
	text = vfsr_name_text(s->label, strlen(s->label));
	snprintf(p->name, sizeof(p->name), "%.63s", text ? text : "?");
	free(text);
}

/* Choose the record and take it over into the pool. 0 or a reported error. */
static int take_record(struct vfsr_pool *p, struct candidate *c,
		       unsigned int nr, unsigned int flags)
{
	const struct vfsr_super *best = choose(c, nr);

	if (!best) {
		vfsr_error(
			"%s%s: no checkpoint record was found; check the device names, else run fsck.vfsr --rebuild-map",
			c[0].dev ? c[0].dev->path : "pool",
			nr > 1 ? " and the others" : "");
		return -ENOENT;
	}
	p->super = malloc(sizeof(*p->super));
	if (!p->super)
		return -ENOMEM;
	*p->super = *best;
	set_name(p);
	if (best->wal_tail && !(flags & VFSR_POOL_FORCE)) {
		vfsr_error(
			"pool %s: has a write-ahead log to replay; use a newer version",
			p->name);
		return -EOPNOTSUPP;
	}
	return 0;
}

static int open_all(struct vfsr_pool *p, char *const *paths, unsigned int nr,
		    unsigned int flags, struct candidate *c)
{
	unsigned int dev_flags = 0;
	struct vfsr_super *own[VFSR_MAX_MEMBERS] = { NULL };
	struct vfsr_super *tmp = malloc(sizeof(*tmp));
	u8 *slot = malloc(VFSR_SLOT_BYTES);
	unsigned int i;
	int err = 0;

	if (flags & VFSR_POOL_WRITE)
		dev_flags = VFSR_DEV_WRITE | VFSR_DEV_EXCL;
	if (!tmp || !slot)
		err = -ENOMEM;
	for (i = 0; !err && i < nr; i++) {
		err = vfsr_dev_open(paths[i], dev_flags, &c[i].dev);
		/* a device that does not answer is as good as missing */
		if (err == -ENXIO || err == -EIO || err == -ENODEV ||
		    err == -ENOMEDIUM)
			err = 0;
		else if (!err)
			err = read_rings(&c[i], slot, tmp);
	}
	if (!err)
		err = take_record(p, c, nr, flags);
	if (!err)
		err = place_all(p, c, nr, flags, slot, tmp);
	for (i = 0; i < nr; i++)
		if (c[i].member >= 0)
			own[c[i].member] = c[i].super;
	if (!err && !(flags & VFSR_POOL_QUIET))
		name_missing(p);
	if (!err)
		err = pool_load_tables(p, own);
	free(slot);
	free(tmp);
	return err;
}

int vfsr_pool_open(char *const *paths, unsigned int nr, unsigned int flags,
		   struct vfsr_pool **out)
{
	struct candidate *c;
	struct vfsr_pool *p;
	unsigned int i;
	int err;

	*out = NULL;
	if (!nr || nr > VFSR_MAX_MEMBERS) {
		vfsr_error("%u devices named; a pool has 1 to %u", nr,
			   VFSR_MAX_MEMBERS);
		return -EINVAL;
	}
	p = calloc(1, sizeof(*p));
	c = calloc(nr, sizeof(*c));
	for (i = 0; c && i < nr; i++)
		c[i].member = -1;
	err = p && c ? pool_init(p) : -ENOMEM;
	if (!err)
		err = open_all(p, paths, nr, flags, c);
	for (i = 0; c && i < nr; i++) {
		free(c[i].super);
		if (c[i].member < 0)
			vfsr_dev_close(c[i].dev);
	}
	free(c);
	if (err == -ENOMEM)
		vfsr_error("out of memory; close other programs");
	if (err)
		vfsr_pool_close(p);
	else
		*out = p;
	return err;
}

int vfsr_pool_assemble(const struct vfsr_super *s, struct vfsr_dev **devs,
		       struct vfsr_pool **out)
{
	struct vfsr_super *own[VFSR_MAX_MEMBERS] = { NULL };
	struct vfsr_pool *p = calloc(1, sizeof(*p));
	unsigned int i;
	int err = -ENOMEM;

	*out = NULL;
	for (i = 0; i < VFSR_MAX_MEMBERS; i++) {
		if (p)
			p->dev[i] = devs[i];
		else
			vfsr_dev_close(devs[i]);
	}
	if (!p)
		return err;
	p->ignore_tables = true;
	p->super = malloc(sizeof(*p->super));
	if (p->super) {
		*p->super = *s;
		set_name(p);
		err = pool_init(p);
	}
	if (!err)
		err = pool_load_tables(p, own);
	if (err)
		vfsr_pool_close(p);
	else
		*out = p;
	return err;
}

static void free_caches(struct vfsr_pool_priv *v)
{
	u32 i, j;

	for (i = 0; i < STRIPE_SETS; i++)
		for (j = 0; j < STRIPE_WAYS; j++)
			free(v->stripe[i][j].s);
	for (i = 0; v->sector && i < SECTOR_SETS; i++)
		for (j = 0; j < SECTOR_WAYS; j++)
			free(v->sector[i][j].data);
	free(v->sector);
	pthread_mutex_destroy(&v->heal_lock);
	pthread_mutex_destroy(&v->grid_lock);
	pthread_mutex_destroy(&v->stripe_lock);
	pthread_mutex_destroy(&v->mark_lock);
	pthread_mutex_destroy(&v->sector_lock);
}

void vfsr_pool_close(struct vfsr_pool *p)
{
	u32 i;

	if (!p)
		return;
	for (i = 0; i < VFSR_MAX_MEMBERS; i++)
		vfsr_dev_close(p->dev[i]);
	for (i = 0; i < p->nr_grids; i++) {
		free(p->grid[i].parity_crc);
		heal_free(p->grid[i].heal);
	}
	free(p->grid);
	if (p->priv) {
		map_cache_free(p);
		free_caches(p->priv);
		free(p->priv);
	}
	free(p->super);
	free(p);
}
