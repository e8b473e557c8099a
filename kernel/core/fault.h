/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reasons why something on disk is refused: ONE list for the kernel log,
 * fsck, JSON and Documentation/errors.rst. Checks fill a struct vfsr_fault
 * and return false (or -EUCLEAN, -EBADMSG); only the caller that did the I/O
 * reports. Names never change or get reused.
 *
 * VFSR_REASON(symbol, stable name, what it means, what to do)
 */
#ifndef VFSR_CORE_FAULT_H
#define VFSR_CORE_FAULT_H

#include "port.h"

#define VFSR_REASONS(R) \
	R(NONE, "none", "nothing is wrong", "nothing") \
	R(MAGIC, "bad-magic", "a block does not start with its magic", \
	  "run vfsr verify --repair") \
	R(CRC, "bad-crc", "a block's own checksum does not match", \
	  "run vfsr verify --repair") \
	R(UUID, "foreign-uuid", "a block belongs to another pool", \
	  "check that all devices named are of one pool") \
	R(SIZE, "bad-size", "a length or count is out of its range", \
	  "run vfsr verify, then fsck.vfsr") \
	R(RANGE, "out-of-range", "an address lies outside of the pool", \
	  "run fsck.vfsr --rebuild-map") \
	R(FEATURE, "unknown-feature", "the pool needs a newer vfsr", \
	  "use a newer version") \
	R(GEOMETRY, "bad-geometry", "k, m, r, rows or depth are impossible", \
	  "run fsck.vfsr --rebuild-map") \
	R(PADDING, "dirty-padding", "bytes that must be zero are not", \
	  "run vfsr verify, then fsck.vfsr") \
	R(SELF, "wrong-address", "a block says it belongs elsewhere", \
	  "run fsck.vfsr --rebuild-map") \
	R(ORDER, "bad-order", "items, entries or stripes are out of order", \
	  "run fsck.vfsr --rebuild-map") \
	R(ITEM, "bad-item", "an item of a node is malformed", \
	  "restore the file from a backup") \
	R(INODE, "bad-inode", "an inode header is malformed", \
	  "restore the file from a backup") \
	R(NAME, "bad-name", "a file name is empty, too long or has a slash", \
	  "restore the directory from a backup") \
	R(CODEC, "bad-stream", "compressed data does not expand", \
	  "run vfsr verify --repair") \
	R(CHUNK_CRC, "chunk-crc", "a chunk's checksum does not match", \
	  "run vfsr verify --repair") \
	R(SECTOR_CRC, "sector-crc", "a sector's checksum does not match", \
	  "run vfsr verify --repair") \
	R(LOST, "lost-data", "more is damaged than parity can rebuild", \
	  "attach missing devices, or restore the files from a backup") \
	R(MISSING, "missing-chunk", \
	  "an id is used that the map does not have", \
	  "run fsck.vfsr --rebuild-map") \
	R(KIND, "wrong-kind", "a chunk is of another kind than its user says", \
	  "run fsck.vfsr --rebuild-map") \
	R(REFS, "wrong-refs", "a chunk's reference count is wrong", \
	  "run fsck.vfsr --rebuild-map") \
	R(NLINK, "wrong-nlink", "an inode's link count is wrong", \
	  "run fsck.vfsr --rebuild-map") \
	R(LIVE, "wrong-live", "a grid's count of live bytes is wrong", \
	  "run fsck.vfsr --rebuild-map") \
	R(COUNTER, "wrong-counter", "a counter of the record is wrong", \
	  "run fsck.vfsr --rebuild-map") \
	R(UNREACHABLE, "unreachable", "an id is in use but nothing names it", \
	  "run fsck.vfsr --rebuild-map") \
	R(TWICE, "claimed-twice", "two owners claim the same space or id", \
	  "run fsck.vfsr --rebuild-map") \
	R(OVERLAP, "overlap", "extents of one file overlap", \
	  "restore the file from a backup") \
	R(DIRENT, "bad-dirent", \
	  "a name points to nothing, or to another type", \
	  "run fsck.vfsr --rebuild-map") \
	R(DIRSIZE, "wrong-dirsize", "a directory's entry count is wrong", \
	  "run fsck.vfsr --rebuild-map") \
	R(HASH, "wrong-hash", "a name is filed under another hash", \
	  "run fsck.vfsr --rebuild-map") \
	R(PARENT, "wrong-parent", "a directory names another parent", \
	  "run fsck.vfsr --rebuild-map") \
	R(BLOCKS, "wrong-blocks", "an inode's block count is wrong", \
	  "run fsck.vfsr --rebuild-map") \
	R(LOOP, "loop", "blocks or directories form a loop", \
	  "run fsck.vfsr --rebuild-map") \
	R(STRIP, "wrong-strip", "a strip table disagrees with the grid", \
	  "run fsck.vfsr --rebuild-map") \
	R(ENTRY, "wrong-entry", "a stripe's entry table and the map disagree", \
	  "run fsck.vfsr --rebuild-map") \
	R(COMMIT, "bad-commit", "a transaction's commit mark is missing", \
	  "an older state is used") \
	R(STALE, "stale-member", "a device missed the latest commits", \
	  "run vfsr verify --repair with every device") \
	R(SPLIT, "split-brain", "a device went on without the others", \
	  "leave it out, or make a new pool from one of the two") \
	R(NO_DEVICE, "missing-device", "a device of the pool was not given", \
	  "name every device of the pool") \
	R(TRUNCATED, "truncated", "a device is smaller than the pool says", \
	  "give the whole device or image") \
	R(NO_SUPER, "no-record", "no valid checkpoint record was found", \
	  "check the device names; else fsck.vfsr --rebuild-map")

/* clang-format off */
enum vfsr_reason {
#define VFSR_REASON_ENUM(sym, name, text, hint) VFSR_REASON_##sym,
	VFSR_REASONS(VFSR_REASON_ENUM)
#undef VFSR_REASON_ENUM
	VFSR_NR_REASONS
};
/* clang-format on */

/* What a check found; `where` is a byte offset or item number, if any. */
struct vfsr_fault {
	enum vfsr_reason reason;
	u64 have;
	u64 want;
	u64 where;
};

/**
 * vfsr_reason_name - stable name of a reason, for messages and JSON
 * @reason: any value
 *
 * Return: a constant string, "unknown" beyond the list.
 */
const char *vfsr_reason_name(enum vfsr_reason reason);

/**
 * vfsr_reason_text - what a reason means
 * @reason: any value
 *
 * Return: a constant clause without a full stop.
 */
const char *vfsr_reason_text(enum vfsr_reason reason);

/**
 * vfsr_reason_hint - what to do about a reason
 * @reason: any value
 *
 * Return: a constant clause without a full stop.
 */
const char *vfsr_reason_hint(enum vfsr_reason reason);

/**
 * vfsr_fault_set - note a fault
 * @f: may be NULL
 * @reason: why
 * @have: the value found
 * @want: the value (or bound) expected
 *
 * Sets `where` to 0; a check that knows a place sets it afterwards.
 *
 * Return: false, so that checks can return it.
 */
bool vfsr_fault_set(struct vfsr_fault *f, enum vfsr_reason reason, u64 have,
		    u64 want);

#endif
