/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Waiting that is no lock, told to lockdep: somebody waits until others are done
 * with something, and so must hold nothing that these need. Whoever does the
 * work holds the wait for as long; who waits takes it and lets it go. Then lockdep
 * sees a cycle even if it never comes to a hang. Without lockdep nothing of this is left.
 */
#ifndef VFSR_BASE_WAITS_H
#define VFSR_BASE_WAITS_H

#include <linux/lockdep.h>

struct vfsr_wait {
	struct lockdep_map map;
};

/* One class for each place that calls it. */
#define vfsr_wait_init(wait, name)                                  \
	do {                                                        \
		static struct lock_class_key wait_key;              \
		lockdep_init_map(&(wait)->map, name, &wait_key, 0); \
	} while (0)

/* Others wait for what is done from here on; or: it is had, and may be waited for. */
static inline void vfsr_wait_begin(struct vfsr_wait *wait)
{
	lock_map_acquire(&wait->map);
}

static inline void vfsr_wait_end(struct vfsr_wait *wait)
{
	lock_map_release(&wait->map);
}

/* To be called where it may be waited, whether or not it has to be this time. */
static inline void vfsr_might_wait(struct vfsr_wait *wait)
{
	lock_map_acquire(&wait->map);
	lock_map_release(&wait->map);
}

#endif
