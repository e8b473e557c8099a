// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names and texts of the reasons in core/fault.h, for whoever prints a fault:
 * kernel log, fsck, JSON and Documentation/errors.rst. Constant tables only.
 */
#include "core/fault.h"

struct reason_words {
	const char *name, *text, *hint;
};

static const struct reason_words reasons[] = {
#define REASON_WORDS(sym, name, text, hint) { name, text, hint },
	VFSR_REASONS(REASON_WORDS)
#undef REASON_WORDS
};
static_assert(ARRAY_SIZE(reasons) == VFSR_NR_REASONS, "one row per reason");

static const struct reason_words unknown = {
	"unknown",
	"a reason that this version does not know",
	"use a newer version",
};

static const struct reason_words *words_of(enum vfsr_reason reason)
{
	return (unsigned int)reason < VFSR_NR_REASONS ? &reasons[reason] :
							&unknown;
}

const char *vfsr_reason_name(enum vfsr_reason reason)
{
	return words_of(reason)->name;
}

const char *vfsr_reason_text(enum vfsr_reason reason)
{
	return words_of(reason)->text;
}

const char *vfsr_reason_hint(enum vfsr_reason reason)
{
	return words_of(reason)->hint;
}

bool vfsr_fault_set(struct vfsr_fault *f, enum vfsr_reason reason, u64 have,
		    u64 want)
{
	if (f) {
		f->reason = reason;
		f->have = have;
		f->want = want;
		f->where = 0;
	}
	return false;
}
