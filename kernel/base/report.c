// SPDX-License-Identifier: GPL-2.0-only
/*
 * The one line in the kernel log for whatever is found corrupt. Its grammar is
 * that of the tools, so that scripts read both alike.
 *
 * One rate limit for all pools: a broken disk gives thousands of faults, of
 * which the counters in sysfs keep the number. Any context.
 */
#include <linux/ratelimit.h>

#include "base/report.h"

#define REPORT_BURST 20 /* lines */
#define REPORT_INTERVAL (5 * HZ)

static DEFINE_RATELIMIT_STATE(report_limit, REPORT_INTERVAL, REPORT_BURST);

void vfsr_report(const char *name, const struct vfsr_where *at,
		 const struct vfsr_fault *f)
{
	if (!__ratelimit(&report_limit))
		return;
	if (at->dev < 0)
		pr_err("vfsr (%s): corrupt %s: grid=%llu ino=%llu, have %llu, want %llu; %s\n",
		       name, vfsr_reason_name(f->reason), at->grid, at->ino,
		       f->have, f->want, vfsr_reason_hint(f->reason));
	else
		pr_err("vfsr (%s): corrupt %s: dev=%d grid=%llu ino=%llu, have %llu, want %llu; %s\n",
		       name, vfsr_reason_name(f->reason), at->dev, at->grid,
		       at->ino, f->have, f->want, vfsr_reason_hint(f->reason));
}
