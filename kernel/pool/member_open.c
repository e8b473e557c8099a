// SPDX-License-Identifier: GPL-2.0-only
/*
 * Opening a pool: which device is which member, which record counts, and who is
 * missing, stale, foreign or on a branch of its own.
 *
 * Nothing is written. What could mix two histories (devices of two pools, two copies
 * of one member, split brain) is refused; what is absent is refused unless the mount
 * is degraded. A device is claimed for its struct vfsr_dev, so that its removal finds
 * the member. All work is bounded by the rings' fixed size and the number of paths.
 */
#include <linux/blkdev.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "pool/member_priv.h"

#define RING_SECTORS (VFSR_RING_BYTES >> VFSR_SECTOR_SHIFT)
#define HEAD_RING (VFSR_BOOT_BYTES >> VFSR_SECTOR_SHIFT)
/* Duplicates are ignored, but not without end */
#define MAX_PATHS (4u * VFSR_MAX_MEMBERS)

/* A device that was named, on its way to become a member. */
struct candidate {
	struct vfsr_dev *dev; /* NULL: a duplicate, or left out */
	struct vfsr_super *super; /* its newest record, or NULL */
	u64 bytes; /* size of the device */
};

struct opener {
	struct vfsr_opening o;
	struct vfsr_pool *p;
	struct candidate *c;
	unsigned int nr;
	void *ring; /* VFSR_RING_BYTES */
	struct vfsr_super *tmp;
};

void vfsr_opening_say(const struct vfsr_opening *o, const char *fmt, ...)
{
	va_list args;
	char *text;

	va_start(args, fmt);
	text = kvasprintf(GFP_KERNEL, fmt, args);
	va_end(args);
	if (o->say && text)
		o->say(o->say_ctx, text);
	kfree(text);
}

/* --- devices --- */

static void member_mark_dead(struct block_device *bdev, bool surprise)
{
	struct vfsr_dev *d = bdev->bd_holder;

	/* the lock keeps the holder from going away */
	vfsr_dev_fail(d, surprise ? "it is gone" : "it is being removed");
	mutex_unlock(&bdev->bd_holder_lock);
}

static const struct blk_holder_ops member_holder_ops = {
	.mark_dead = member_mark_dead,
};

static struct vfsr_dev *dev_new(struct vfsr_pool *p, const char *path)
{
	struct vfsr_dev *d = kzalloc(sizeof(*d), GFP_KERNEL);

	if (!d)
		return NULL;
	d->pool = p;
	strscpy(d->path, path, sizeof(d->path));
	return d;
}

static void dev_free(struct vfsr_dev *d)
{
	if (!d)
		return;
	if (d->file) {
		/* who reads the device next shall see what was written here */
		invalidate_bdev(d->bdev);
		bdev_fput(d->file);
	}
	kvfree(d->strip);
	kvfree(d->live);
	kvfree(d->ref);
	kvfree(d->dirty);
	kfree(d);
}

/* What keeps a device that was opened from being used. */
static int dev_check(const struct vfsr_opening *o, const struct vfsr_dev *d)
{
	unsigned int block = bdev_logical_block_size(d->bdev);

	if (block <= VFSR_SECTOR_BYTES && VFSR_SECTOR_BYTES % block == 0)
		return 0;
	vfsr_opening_say(
		o,
		"%s: its blocks have %u bytes, and vfsr needs at most %u; use another device",
		d->path, block, VFSR_SECTOR_BYTES);
	return -EINVAL;
}

static int dev_open(struct vfsr_dev *d, const char *path, blk_mode_t mode,
		    void *holder)
{
	struct file *file;

	file = bdev_file_open_by_path(path, mode, holder,
				      holder ? &member_holder_ops : NULL);
	if (IS_ERR(file))
		return PTR_ERR(file);
	d->file = file;
	d->bdev = file_bdev(file);
	d->can_discard = bdev_max_discard_sectors(d->bdev) != 0;
	/* what a tool wrote through the page cache */
	sync_blockdev(d->bdev);
	return 0;
}

static const char *open_hint(int err)
{
	switch (err) {
	case -EBUSY:
		return "unmount it or stop what uses it first";
	case -EACCES:
	case -EROFS:
		return "it is read-only, mount with -o ro";
	case -ENOTBLK:
		return "it is no block device, attach images with losetup";
	default:
		return "check the name";
	}
}

/* Is a device with an error as good as one that is not there? */
static bool is_absent(int err)
{
	return err == -ENXIO || err == -ENODEV || err == -EIO ||
	       err == -ENOMEDIUM || err == -ENOENT;
}

/* Was this device already opened under another name? */
static bool is_open(const struct opener *op, dev_t devt)
{
	unsigned int i;

	for (i = 0; i < op->nr; i++)
		if (op->c[i].dev && op->c[i].dev->bdev->bd_dev == devt)
			return true;
	return false;
}

static int read_rings(struct opener *op, struct candidate *c)
{
	u64 end = c->bytes & ~(u64)(VFSR_BOOT_BYTES - 1);
	int head = 0, tail = 0;

	if (end >= VFSR_BOOT_BYTES + VFSR_RING_BYTES)
		head = vfsr_ring_read(c->dev, HEAD_RING, op->ring, op->tmp,
				      &c->super);
	if (end >= VFSR_RING_BYTES)
		tail = vfsr_ring_read(c->dev,
				      (end >> VFSR_SECTOR_SHIFT) - RING_SECTORS,
				      op->ring, op->tmp, &c->super);
	if (head == -ENOMEM || tail == -ENOMEM)
		return -ENOMEM;
	if (head || tail) {
		vfsr_opening_say(
			&op->o,
			"%s: holds a pool that needs a newer vfsr; use a newer version",
			c->dev->path);
		return -EOPNOTSUPP;
	}
	return 0;
}

/* Open one path. 0 (maybe without a candidate) or an error, said. */
static int open_path(struct opener *op, const char *path)
{
	blk_mode_t mode = BLK_OPEN_READ | BLK_OPEN_RESTRICT_WRITES;
	struct candidate *c = &op->c[op->nr];
	dev_t devt;
	int err;

	if (!op->p->read_only)
		mode |= BLK_OPEN_WRITE;
	err = lookup_bdev(path, &devt);
	if (!err && is_open(op, devt))
		return 0;
	c->dev = dev_new(op->p, path);
	if (!c->dev)
		return -ENOMEM;
	if (!err)
		err = dev_open(c->dev, path, mode, c->dev);
	if (err) {
		bool skip = is_absent(err) && op->o.flags & VFSR_OPEN_DEGRADED;

		vfsr_opening_say(&op->o, "%s: cannot be opened (%pe); %s", path,
				 ERR_PTR(err),
				 skip ? "left out" : open_hint(err));
		dev_free(c->dev);
		c->dev = NULL;
		return skip ? 0 : err;
	}
	c->bytes = bdev_nr_bytes(c->dev->bdev);
	op->nr++;
	err = dev_check(&op->o, c->dev);
	return err ? err : read_rings(op, c);
}

/* --- records --- */

/* Newest record of the pool that the first device with a record is of. */
static const struct vfsr_super *choose(const struct opener *op)
{
	const struct vfsr_super *best = NULL;
	unsigned int i;

	for (i = 0; i < op->nr; i++) {
		const struct vfsr_super *s = op->c[i].super;

		if (!s)
			continue;
		if (!best ||
		    (!memcmp(s->pool_uuid, best->pool_uuid, VFSR_UUID_BYTES) &&
		     vfsr_record_newer(s, best)))
			best = s;
	}
	return best;
}

/* Label, else uuid. What could confuse a log or a terminal is replaced. */
static void set_name(struct vfsr_pool *p)
{
	const struct vfsr_super *s = p->super;
	char *c;

	if (s->label[0])
		strscpy(p->name, s->label, sizeof(p->name));
	else
		snprintf(p->name, sizeof(p->name), "%pUb", s->pool_uuid);
	for (c = p->name; *c; c++)
		if ((u8)*c < 0x20 || *c == 0x7f)
			*c = '?';
}

/* Take the chosen record over. 0 or an error, said. */
static int take_record(struct opener *op)
{
	const struct vfsr_super *best = choose(op);
	struct vfsr_pool *p = op->p;

	if (!best) {
		vfsr_opening_say(
			&op->o,
			"%s: no checkpoint record was found; check the device names, else run fsck.vfsr --rebuild-map",
			op->nr ? op->c[0].dev->path : "pool");
		return -EINVAL;
	}
	p->super = kvmalloc(sizeof(*p->super), GFP_KERNEL);
	p->records =
		kvmalloc_array(best->nr_members, VFSR_SLOT_BYTES, GFP_KERNEL);
	if (!p->super || !p->records)
		return -ENOMEM;
	*p->super = *best;
	set_name(p);
	p->clean = best->next_transaction == best->transaction + 1;
	if (best->wal_tail) {
		vfsr_opening_say(
			&op->o,
			"pool %s: has a write-ahead log to replay; use a newer version",
			p->name);
		return -EOPNOTSUPP;
	}
	if (best->ro_compat & ~VFSR_RO_COMPAT_KNOWN && !p->read_only) {
		vfsr_opening_say(
			&op->o,
			"pool %s: has features that this version can only read; mount with -o ro, or use a newer version",
			p->name);
		return -EROFS;
	}
	return 0;
}

/* --- members --- */

/* The place of a device in the pool by its own record; -1: none. */
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
		     unsigned int member)
{
	const struct vfsr_member *m = &s->member[member];

	if (own->epoch == s->epoch && own->sequence == s->sequence)
		return !same_record(own, s);
	return own->epoch >= m->ack_epoch &&
	       own->sequence > m->ack_sequence + 1;
}

/*
 * Did a member miss commits? One record behind is the commit that was cut: the
 * tables and stripes of that were flushed to all before any got the record.
 */
static bool is_stale(const struct vfsr_super *s, const struct vfsr_super *own,
		     unsigned int member)
{
	return s->member[member].state == VFSR_MEMBER_FAILED ||
	       own->epoch != s->epoch || own->sequence + 1 < s->sequence;
}

/* Check a device against the others of its pool. 0, -ENOENT: leave it out, or an
 * error. All said. */
static int check_member(const struct opener *op, const struct candidate *c,
			int member)
{
	const struct vfsr_super *s = op->p->super, *own = c->super;
	const char *path = c->dev->path;

	if (member < 0) {
		vfsr_opening_say(
			&op->o,
			"%s: is no longer a member of pool %s; leave it out",
			path, op->p->name);
		return -EINVAL;
	}
	if (op->p->dev[member] && op->p->dev[member]->file) {
		vfsr_opening_say(
			&op->o,
			"%s: is member %d of pool %s, and so is %s; name only one of them",
			path, member, op->p->name, op->p->dev[member]->path);
		return -EEXIST;
	}
	if (is_split(s, own, (unsigned int)member)) {
		bool force = op->o.flags & VFSR_OPEN_FORCE;

		vfsr_opening_say(
			&op->o,
			"%s: split brain: it went on without the others (record %llu.%llu, the pool knows %llu.%llu); %s",
			path, own->epoch, own->sequence,
			s->member[member].ack_epoch,
			s->member[member].ack_sequence,
			force ? "used because forced" :
				"leave it out, or make a new pool from one of the two");
		if (!force)
			return -EUCLEAN;
	}
	if (c->bytes < s->member[member].bytes) {
		bool skip = op->o.flags & VFSR_OPEN_DEGRADED;

		vfsr_opening_say(
			&op->o,
			"%s: truncated: has %llu bytes, the pool says %llu; %s",
			path, c->bytes, s->member[member].bytes,
			skip ? "left out" :
			       "give the whole device, or mount with -o degraded");
		return skip ? -ENOENT : -EINVAL;
	}
	return 0;
}

/* A device that grew since mkfs has its last ring where it used to end. */
static int read_old_tails(struct opener *op, struct candidate *c)
{
	const struct vfsr_super *s = op->p->super;
	unsigned int i;
	int err;

	for (i = 0; i < s->nr_members && !c->super; i++) {
		u64 bytes = s->member[i].bytes;

		if (s->member[i].state == VFSR_MEMBER_NONE || op->p->dev[i] ||
		    bytes < VFSR_RING_BYTES || bytes > c->bytes)
			continue;
		err = vfsr_ring_read(
			c->dev, (bytes >> VFSR_SECTOR_SHIFT) - RING_SECTORS,
			op->ring, op->tmp, &c->super);
		if (err)
			return err;
	}
	return 0;
}

/* Make a candidate a member. 0 (maybe left out) or an error, said. */
static int place(struct opener *op, struct candidate *c,
		 struct vfsr_super **own)
{
	const struct vfsr_super *s = op->p->super;
	struct vfsr_dev *d = c->dev;
	int member, err;

	if (memcmp(c->super->pool_uuid, s->pool_uuid, VFSR_UUID_BYTES)) {
		vfsr_opening_say(
			&op->o,
			"%s: belongs to another pool (%pUb), not to %s; name only devices of one pool",
			d->path, c->super->pool_uuid, op->p->name);
		return -EINVAL;
	}
	member = member_by_record(s, c->super);
	err = check_member(op, c, member);
	if (err)
		return err == -ENOENT ? 0 : err;
	d->index = (unsigned int)member;
	d->stale = is_stale(s, c->super, d->index);
	d->ack_epoch = c->super->epoch;
	d->ack_sequence = c->super->sequence;
	if (d->stale)
		vfsr_opening_say(
			&op->o,
			"%s: stale: it missed commits (its last record is %llu.%llu, the pool's %llu.%llu); it is brought up to date while mounted read-write",
			d->path, c->super->epoch, c->super->sequence, s->epoch,
			s->sequence);
	op->p->dev[member] = d;
	own[member] = c->super;
	/* the pool's now */
	c->dev = NULL;
	return 0;
}

static int place_all(struct opener *op, struct vfsr_super **own)
{
	unsigned int i;
	int err;

	for (i = 0; i < op->nr; i++) {
		if (!op->c[i].super)
			continue;
		err = place(op, &op->c[i], own);
		if (err)
			return err;
	}
	/* what is left can only be a place that is still free */
	for (i = 0; i < op->nr; i++) {
		struct candidate *c = &op->c[i];
		bool skip = op->o.flags & VFSR_OPEN_DEGRADED;

		if (!c->dev || c->super)
			continue;
		err = read_old_tails(op, c);
		if (!err && c->super)
			err = place(op, c, own);
		if (err)
			return err;
		if (c->super)
			continue;
		vfsr_opening_say(
			&op->o, "%s: nothing of pool %s recognised on it; %s",
			c->dev->path, op->p->name,
			skip ? "left out" :
			       "check the name, or run fsck.vfsr on all devices");
		if (!skip)
			return -EINVAL;
	}
	return 0;
}

/* Places without a device. 0, -ENOMEM, or -ENOTCONN, said. (For -ENXIO and
 * -ENODEV mount(8) would blame the device that was named.) */
static int fill_missing(struct opener *op)
{
	const bool degraded = op->o.flags & VFSR_OPEN_DEGRADED;
	struct vfsr_pool *p = op->p;
	unsigned int i, nr = 0;

	for (i = 0; i < p->nr_devs; i++) {
		const struct vfsr_member *m = &p->super->member[i];

		if (m->state == VFSR_MEMBER_NONE)
			continue;
		if (!p->dev[i]) {
			p->dev[i] = dev_new(p, "");
			if (!p->dev[i])
				return -ENOMEM;
			vfsr_opening_say(
				&op->o,
				"pool %s: member %u (%pUb, %llu MiB) is missing; %s",
				p->name, i, m->uuid, m->bytes >> 20,
				degraded ?
					"going on with parity" :
					"attach it, or mount with -o degraded");
			nr++;
		}
		p->dev[i]->index = i;
		p->dev[i]->strip_sector = m->strip_sector;
		p->dev[i]->nr_strips = m->nr_strips;
	}
	return nr && !degraded ? -ENOTCONN : 0;
}

/* --- pools --- */

static struct vfsr_pool *pool_new(unsigned int flags)
{
	struct vfsr_pool *p = kzalloc(sizeof(*p), GFP_KERNEL);

	if (!p)
		return NULL;
	mutex_init(&p->record_lock);
	spin_lock_init(&p->table_lock);
	strscpy(p->name, "?", sizeof(p->name));
	p->read_only = flags & VFSR_OPEN_RDONLY;
	p->slot = kvmalloc(VFSR_SLOT_BYTES, GFP_KERNEL);
	if (p->slot && !vfsr_bios_init(p))
		return p;
	kvfree(p->slot);
	kfree(p);
	return NULL;
}

void vfsr_pool_close(struct vfsr_pool *p)
{
	unsigned int i;

	if (!p)
		return;
	for (i = 0; i < VFSR_MAX_MEMBERS; i++)
		dev_free(p->dev[i]);
	bioset_exit(&p->bios);
	kvfree(p->records);
	kvfree(p->super);
	kvfree(p->slot);
	mutex_destroy(&p->record_lock);
	kfree(p);
}

static int opener_init(struct opener *op, unsigned int nr)
{
	op->ring = kvmalloc(VFSR_RING_BYTES, GFP_KERNEL);
	op->tmp = kvmalloc(sizeof(*op->tmp), GFP_KERNEL);
	op->c = kcalloc(nr, sizeof(*op->c), GFP_KERNEL);
	return op->ring && op->tmp && op->c && op->p ? 0 : -ENOMEM;
}

static void opener_exit(struct opener *op)
{
	unsigned int i;

	for (i = 0; op->c && i < op->nr; i++) {
		dev_free(op->c[i].dev);
		kvfree(op->c[i].super);
	}
	kfree(op->c);
	kvfree(op->tmp);
	kvfree(op->ring);
}

static int open_all(struct opener *op, char *const *paths, unsigned int nr)
{
	struct vfsr_super **own;
	unsigned int i;
	int err = 0;

	own = kcalloc(VFSR_MAX_MEMBERS, sizeof(struct vfsr_super *),
		      GFP_KERNEL);
	if (!own)
		return -ENOMEM;
	for (i = 0; i < nr && !err; i++)
		err = open_path(op, paths[i]);
	if (!err)
		err = take_record(op);
	if (!err) {
		op->p->nr_devs = op->p->super->nr_members;
		err = place_all(op, own);
	}
	if (!err)
		err = fill_missing(op);
	if (!err)
		err = vfsr_tables_load(op->p, own, &op->o);
	kfree(own);
	return err;
}

int vfsr_pool_open(char *const *paths, unsigned int nr, unsigned int flags,
		   vfsr_say_fn say, void *say_ctx, struct vfsr_pool **out)
{
	struct opener op = {
		.o = { .say = say, .say_ctx = say_ctx, .flags = flags },
	};
	int err;

	*out = NULL;
	if (!nr || nr > MAX_PATHS) {
		vfsr_opening_say(&op.o, "%u devices named; a pool has 1 to %u",
				 nr, VFSR_MAX_MEMBERS);
		return -EINVAL;
	}
	op.p = pool_new(flags);
	err = opener_init(&op, nr);
	if (!err)
		err = open_all(&op, paths, nr);
	/* candidates first: their bdevs were opened for this pool's members */
	opener_exit(&op);
	if (err == -ENOMEM)
		vfsr_opening_say(&op.o, "out of memory");
	if (err)
		vfsr_pool_close(op.p);
	else
		*out = op.p;
	return err;
}

int vfsr_pool_set_rw(struct vfsr_pool *p, vfsr_say_fn say, void *say_ctx)
{
	const struct vfsr_opening o = { .say = say, .say_ctx = say_ctx };
	unsigned int i;

	if (p->super->ro_compat & ~VFSR_RO_COMPAT_KNOWN) {
		vfsr_opening_say(
			&o,
			"pool %s: has features that this version can only read; use a newer version",
			p->name);
		return -EROFS;
	}
	for (i = 0; i < p->nr_devs; i++) {
		if (!vfsr_dev_usable(p->dev[i]) ||
		    !bdev_read_only(p->dev[i]->bdev))
			continue;
		vfsr_opening_say(
			&o,
			"%s: the device is read-only; make it writable first",
			p->dev[i]->path);
		return -EROFS;
	}
	WRITE_ONCE(p->read_only, false);
	return 0;
}

int vfsr_pool_identify(const char *path, u8 *uuid)
{
	struct opener op = { .nr = 1 };
	struct candidate *c;
	int err;

	op.p = pool_new(VFSR_OPEN_RDONLY);
	err = opener_init(&op, 1);
	if (err)
		goto out;
	c = &op.c[0];
	c->dev = dev_new(op.p, path);
	err = c->dev ? dev_open(c->dev, path, BLK_OPEN_READ, NULL) : -ENOMEM;
	if (err)
		goto out;
	c->bytes = bdev_nr_bytes(c->dev->bdev);
	err = dev_check(&op.o, c->dev);
	if (!err)
		err = read_rings(&op, c);
	if (!err && !c->super)
		err = -EINVAL;
	if (!err)
		memcpy(uuid, c->super->pool_uuid, VFSR_UUID_BYTES);
out:
	opener_exit(&op);
	vfsr_pool_close(op.p);
	return err;
}
