// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzes the blocks of the strip-table region: index, strips and live counts.
 * The input is the strip size, then one block.
 */
#include "core/striptab.h"
#include "fuzz.h"

#define HEAD_BYTES 1u /* the strip size */

/* Entries are canonical: what was read gives the same bytes again. */
static void read_strips(const u8 *block, unsigned int shift)
{
	const size_t entry = sizeof(struct vfsr_disk_strip);
	const size_t head = sizeof(struct vfsr_disk_table_head);
	u8 *again = fuzz_alloc(VFSR_SECTOR_BYTES);
	struct vfsr_fault f;
	struct vfsr_strip s;
	unsigned int i;

	for (i = 0; i < VFSR_STRIPS_PER_BLOCK; i++) {
		f.reason = VFSR_REASON_NONE;
		if (vfsr_strip_decode(block, i, shift, &s, &f)) {
			fuzz_must(f.reason != VFSR_REASON_NONE && f.where == i);
			continue;
		}
		fuzz_must(!s.grid || vfsr_policy_ok(&s.policy, shift, NULL));
		vfsr_strip_encode(&s, again, i);
		fuzz_must(!memcmp(again + head + i * entry,
				  block + head + i * entry, entry));
	}
	free(again);
}

static void read_refs(const u8 *block)
{
	struct vfsr_table_ref ref;
	unsigned int i;

	for (i = 0; i < VFSR_REFS_PER_BLOCK; i++)
		fuzz_must(vfsr_ref_get(block, i, &ref, NULL) || ref.slot < 2);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct fuzz_in in = { data, size };
	unsigned int shift = fuzz_u8(&in), i;
	const struct vfsr_disk_table_head *head;
	struct vfsr_fault f = { .reason = VFSR_REASON_NONE };
	struct vfsr_table_head want;
	u8 *block = fuzz_alloc(VFSR_SECTOR_BYTES);

	fuzz_take(&in, block, VFSR_SECTOR_BYTES);
	head = (const struct vfsr_disk_table_head *)block;
	memcpy(want.pool_uuid, head->pool_uuid, VFSR_UUID_BYTES);
	want.block = le32_to_cpu(head->block);
	want.member = le16_to_cpu(head->member);
	want.kind = head->kind;
	if (vfsr_table_check(block, &want, le32_to_cpu(head->crc), &f)) {
		fuzz_must(f.reason != VFSR_REASON_NONE);
		goto out;
	}
	shift = VFSR_MIN_STRIP_SHIFT +
		shift % (VFSR_MAX_STRIP_SHIFT - VFSR_MIN_STRIP_SHIFT + 1);
	read_strips(block, shift);
	read_refs(block);
	for (i = 0; i < VFSR_LIVES_PER_BLOCK; i++)
		vfsr_live_get(block, i);
out:
	free(block);
	return 0;
}

size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max_size,
			       unsigned int seed)
{
	size = LLVMFuzzerMutate(data, size, max_size);
	if (size >= HEAD_BYTES + VFSR_SECTOR_BYTES && seed % FUZZ_KEEP_BROKEN)
		fuzz_seal(data + HEAD_BYTES, VFSR_SECTOR_BYTES,
			  VFSR_TABLE_MAGIC);
	return size;
}
