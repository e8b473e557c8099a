/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The place of the write-ahead log. A member whose record says wal_sectors > 0
 * has a ring there. Nothing writes it yet, and a record whose wal_tail is not
 * zero names a log that this version cannot replay.
 */
#ifndef VFSR_FORMAT_WAL_H
#define VFSR_FORMAT_WAL_H

#include "format/types.h"

#define VFSR_WAL_MAGIC		0x57534656u	/* "VFSW" */

#endif
