/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the module says to the kernel log: one prefix, one grammar for
 * corruption (the same as the tools'), and a rate limit so that a bad disk
 * does not flood the log.
 */
#ifndef VFSR_BASE_REPORT_H
#define VFSR_BASE_REPORT_H

#include <linux/printk.h>

#include "core/fault.h"

#define vfsr_err(name, fmt, ...) \
	pr_err("vfsr (%s): " fmt "\n", name, ##__VA_ARGS__)
#define vfsr_warn(name, fmt, ...) \
	pr_warn("vfsr (%s): " fmt "\n", name, ##__VA_ARGS__)
#define vfsr_info(name, fmt, ...) \
	pr_info("vfsr (%s): " fmt "\n", name, ##__VA_ARGS__)

/* What a fault is about; what does not apply: dev -1, the rest 0. */
struct vfsr_where {
	int dev;	/* member number */
	u64 grid;
	u64 ino;
};

/**
 * vfsr_report - log something found corrupt
 * @name: of the pool, label or uuid
 * @at: where
 * @f: what
 *
 * One line, rate limited: "vfsr (NAME): corrupt REASON: dev=2 grid=118 ino=0,
 * have 4096, want 2047; HINT". Any context.
 */
void vfsr_report(const char *name, const struct vfsr_where *at,
		 const struct vfsr_fault *f);

#endif
