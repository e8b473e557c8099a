// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzes the decoder of checkpoint records. The input is a ring slot, or the
 * shorter copy of one in a commit mark. What is accepted must pass the check
 * that writers use, and must be the one encoding of what was read.
 */
#include "core/super.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct vfsr_super s;
	struct vfsr_fault f = { .reason = VFSR_REASON_NONE };
	struct vfsr_device_layout lay;
	u8 *slot, *again;
	u32 bytes, i;

	if (size > VFSR_SLOT_BYTES)
		return 0;
	slot = fuzz_copy(data, size);
	if (vfsr_super_decode(slot, (u32)size, &s, &f)) {
		fuzz_must(f.reason != VFSR_REASON_NONE);
		goto out;
	}
	fuzz_must(vfsr_super_ok(&s, &f));
	again = fuzz_alloc(VFSR_SLOT_BYTES);
	bytes = vfsr_super_encode(&s, again);
	fuzz_must(bytes == vfsr_super_bytes(&s));
	fuzz_must(bytes <= size && !memcmp(slot, again, bytes));
	free(again);
	for (i = 0; i < s.nr_members; i++)
		vfsr_device_layout(s.member[i].bytes, s.strip_shift, &lay);
out:
	free(slot);
	return 0;
}

size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max_size,
			       unsigned int seed)
{
	const size_t bytes_at = offsetof(struct vfsr_disk_super, bytes);
	__le32 bytes;

	size = LLVMFuzzerMutate(data, size, max_size);
	if (size < sizeof(struct vfsr_disk_super) || !(seed % FUZZ_KEEP_BROKEN))
		return size;
	memcpy(&bytes, data + bytes_at, sizeof(bytes));
	if (le32_to_cpu(bytes) < sizeof(struct vfsr_disk_super) ||
	    le32_to_cpu(bytes) > size) {
		bytes = cpu_to_le32((u32)size);
		memcpy(data + bytes_at, &bytes, sizeof(bytes));
	}
	fuzz_seal(data, le32_to_cpu(bytes), VFSR_SUPER_MAGIC);
	return size;
}
