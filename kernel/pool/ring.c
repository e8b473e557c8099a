// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rings of checkpoint records: reading the newest one of a device, and making
 * a new one durable on all.
 *
 * A record is durable when every member acknowledged it, or is marked failed in
 * it. A member that fails on the way is given up, and the record is written again
 * under a higher epoch. Until then the slot of the last durable record is never
 * touched: a sequence goes to slot sequence % 16, and retries count on.
 * Writing happens under record_lock.
 */
#include <linux/blkdev.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "pool/member_priv.h"

#define SLOT_SECTORS (VFSR_SLOT_BYTES >> VFSR_SECTOR_SHIFT)
#define HEAD_RING (VFSR_BOOT_BYTES >> VFSR_SECTOR_SHIFT)
#define RING_SECTORS (VFSR_RING_BYTES >> VFSR_SECTOR_SHIFT)
#define NR_RINGS 2u
#define RECORD_WRITE (REQ_OP_WRITE | REQ_FUA | REQ_META | REQ_SYNC | REQ_PRIO)

/* --- reading --- */

bool vfsr_record_newer(const struct vfsr_super *a, const struct vfsr_super *b)
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
		return vfsr_record_newer(a, b);
	if (a->created.sec != b->created.sec)
		return a->created.sec > b->created.sec;
	return a->created.nsec > b->created.nsec;
}

/* Read all slots at once; those that fail once more, each alone. */
static void read_slots(struct vfsr_dev *d, u64 sector, u8 *buf,
		       struct vfsr_io *io)
{
	unsigned int i;

	for (i = 0; i < VFSR_RING_SLOTS; i++)
		io[i] = (struct vfsr_io){
			.dev = d,
			.sector = sector + i * SLOT_SECTORS,
			.buf = buf + i * VFSR_SLOT_BYTES,
			.nr_sectors = SLOT_SECTORS,
		};
	if (!vfsr_io_run(io, VFSR_RING_SLOTS, REQ_OP_READ | REQ_META))
		return;
	for (i = 0; i < VFSR_RING_SLOTS; i++)
		if (io[i].error)
			vfsr_io_run(&io[i], 1, REQ_OP_READ | REQ_META);
}

int vfsr_ring_read(struct vfsr_dev *d, u64 sector, void *buf,
		   struct vfsr_super *tmp, struct vfsr_super **best)
{
	struct vfsr_io io[VFSR_RING_SLOTS];
	struct vfsr_fault f;
	int err, refused = 0;
	unsigned int i;

	read_slots(d, sector, buf, io);
	for (i = 0; i < VFSR_RING_SLOTS; i++) {
		if (io[i].error)
			continue;
		err = vfsr_super_decode(io[i].buf, VFSR_SLOT_BYTES, tmp, &f);
		if (err == -EOPNOTSUPP)
			refused = err;
		if (err || (*best && !supersedes(tmp, *best)))
			continue;
		if (!*best)
			*best = kvmalloc(sizeof(**best), GFP_KERNEL);
		if (!*best)
			return -ENOMEM;
		**best = *tmp;
	}
	return refused;
}

/* --- writing --- */

/* Must a member be marked failed that is not? */
static bool any_lost(const struct vfsr_pool *p, const struct vfsr_super *next)
{
	unsigned int i;

	for (i = 0; i < next->nr_members; i++)
		if (next->member[i].state != VFSR_MEMBER_NONE &&
		    next->member[i].state != VFSR_MEMBER_FAILED &&
		    !vfsr_dev_usable(p->dev[i]))
			return true;
	return false;
}

/*
 * Whoever cannot be written is marked failed. Its table stays what the last
 * durable record says: what this commit wrote may not have reached it.
 */
static bool mark_failed(const struct vfsr_pool *p, struct vfsr_super *next)
{
	bool found = false;
	unsigned int i;

	for (i = 0; i < next->nr_members; i++) {
		struct vfsr_member *m = &next->member[i];

		if (m->state == VFSR_MEMBER_NONE || vfsr_dev_usable(p->dev[i]))
			continue;
		memcpy(m->index, p->super->member[i].index, sizeof(m->index));
		found |= m->state != VFSR_MEMBER_FAILED;
		m->state = VFSR_MEMBER_FAILED;
	}
	return found;
}

/* What each member has acknowledged so far goes into the record. */
static void set_acks(const struct vfsr_pool *p, struct vfsr_super *next)
{
	unsigned int i;

	for (i = 0; i < next->nr_members; i++) {
		if (!p->dev[i] || !p->dev[i]->file)
			continue;
		next->member[i].ack_epoch = p->dev[i]->ack_epoch;
		next->member[i].ack_sequence = p->dev[i]->ack_sequence;
	}
}

/* Both copies for every usable member. Returns how many runs that makes. */
static unsigned int fill_runs(const struct vfsr_pool *p,
			      struct vfsr_super *next, struct vfsr_io *io)
{
	u32 at = (u32)(next->sequence % VFSR_RING_SLOTS) * SLOT_SECTORS;
	u16 this_member = next->this_member;
	unsigned int i, nr = 0;

	for (i = 0; i < next->nr_members; i++) {
		u8 *slot = p->records + i * VFSR_SLOT_BYTES;
		u64 end = next->member[i].bytes >> VFSR_SECTOR_SHIFT;
		u32 bytes;

		if (!vfsr_dev_usable(p->dev[i]))
			continue;
		next->this_member = (u16)i;
		bytes = vfsr_super_encode(next, slot);
		io[nr] = (struct vfsr_io){
			.dev = p->dev[i],
			.sector = HEAD_RING + at,
			.buf = slot,
			.nr_sectors = DIV_ROUND_UP(bytes, VFSR_SECTOR_BYTES),
		};
		io[nr + 1] = io[nr];
		io[nr + 1].sector = end - RING_SECTORS + at;
		nr += NR_RINGS;
	}
	next->this_member = this_member;
	return nr;
}

/* Give up on the devices of runs that fail a second time too. */
static void settle_runs(struct vfsr_io *io, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (!io[i].error)
			continue;
		if (vfsr_io_run(&io[i], 1, RECORD_WRITE))
			vfsr_dev_fail(io[i].dev,
				      "a record cannot be written to it");
	}
}

/* A record that no one could read again must not become the newest. (Counters of a
 * hostile image may be at their end.) */
static int check_record(const struct vfsr_pool *p,
			const struct vfsr_super *next)
{
	struct vfsr_where at = { .dev = -1 };
	struct vfsr_fault f = { 0 };

	if (vfsr_super_ok(next, &f))
		return 0;
	vfsr_report(p->name, &at, &f);
	return -EUCLEAN;
}

/* Whoever is still in use has the record, whether it becomes durable or not. */
static void note_acks(const struct vfsr_pool *p, const struct vfsr_super *next)
{
	unsigned int i;

	for (i = 0; i < next->nr_members; i++) {
		if (!vfsr_dev_usable(p->dev[i]))
			continue;
		p->dev[i]->ack_epoch = next->epoch;
		p->dev[i]->ack_sequence = next->sequence;
	}
}

static int write_record(struct vfsr_pool *p, struct vfsr_super *next,
			struct vfsr_io *io)
{
	unsigned int nr;
	int err;

	next->sequence = p->super->sequence;
	/* each turn but the last one loses a member */
	do {
		if (mark_failed(p, next))
			next->epoch++;
		next->sequence++;
		set_acks(p, next);
		err = check_record(p, next);
		if (err)
			return err;
		nr = fill_runs(p, next, io);
		if (!nr)
			return -EIO;
		if (vfsr_io_run(io, nr, RECORD_WRITE))
			settle_runs(io, nr);
		note_acks(p, next);
	} while (any_lost(p, next));
	if (!vfsr_pool_usable(p))
		return -EIO;
	*p->super = *next;
	return 0;
}

int vfsr_record_write(struct vfsr_pool *p, struct vfsr_super *next)
{
	struct vfsr_io *io;
	int err;

	lockdep_assert_held(&p->record_lock);
	err = vfsr_pool_flush(p);
	if (err)
		return err;
	io = kcalloc(NR_RINGS * VFSR_MAX_MEMBERS, sizeof(*io),
		     GFP_NOFS | __GFP_NOFAIL);
	err = write_record(p, next, io);
	kfree(io);
	return err;
}
