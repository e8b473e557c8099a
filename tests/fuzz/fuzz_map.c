// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzes map pages: the input is one page, which is taken for what its head
 * says. Entries that are accepted must be possible chunks in the one encoding.
 */
#include "core/mappage.h"
#include "fuzz.h"

static void read_leaf(const u8 *page, u8 *again)
{
	const size_t at = sizeof(struct vfsr_disk_map_head);
	const size_t entry = sizeof(struct vfsr_disk_map_entry);
	struct vfsr_fault f;
	struct vfsr_chunk c;
	unsigned int i;
	int ret;

	for (i = 0; i < VFSR_MAP_LEAF_ENTRIES; i++) {
		f.reason = VFSR_REASON_NONE;
		ret = vfsr_map_entry_get(page, i, &c, &f);
		if (ret < 0) {
			fuzz_must(f.reason != VFSR_REASON_NONE);
			continue;
		}
		fuzz_must(!ret || vfsr_chunk_ok(&c, NULL));
		if (!ret)
			c.place = 0;
		vfsr_map_entry_set(again, i, &c);
		fuzz_must(!memcmp(again + at + i * entry, page + at + i * entry,
				  entry));
	}
}

static void read_interior(const u8 *page, u8 *again)
{
	const size_t at = sizeof(struct vfsr_disk_map_head);
	const size_t entry = sizeof(struct vfsr_disk_map_child);
	struct vfsr_map_child c;
	struct vfsr_fault f;
	unsigned int i;
	int ret;

	for (i = 0; i < VFSR_MAP_FANOUT; i++) {
		f.reason = VFSR_REASON_NONE;
		ret = vfsr_map_child_get(page, i, &c, &f);
		if (ret < 0) {
			fuzz_must(f.reason != VFSR_REASON_NONE);
			continue;
		}
		fuzz_must(!ret || (c.len && c.len <= VFSR_NODE_BYTES));
		vfsr_map_child_set(again, i, &c);
		fuzz_must(!memcmp(again + at + i * entry, page + at + i * entry,
				  entry));
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct fuzz_in in = { data, size };
	const struct vfsr_disk_map_head *head;
	struct vfsr_fault f = { .reason = VFSR_REASON_NONE };
	u8 uuid[VFSR_UUID_BYTES] = { 0 };
	u8 *page = fuzz_alloc(VFSR_NODE_BYTES);
	u8 *again = fuzz_alloc(VFSR_NODE_BYTES);

	fuzz_take(&in, page, VFSR_NODE_BYTES);
	head = (const struct vfsr_disk_map_head *)page;
	memcpy(uuid, head->pool_tag, sizeof(head->pool_tag));
	memcpy(again, page, VFSR_NODE_BYTES);
	if (vfsr_map_page_check(page, head->level, le64_to_cpu(head->index),
				uuid, &f)) {
		fuzz_must(f.reason != VFSR_REASON_NONE);
	} else {
		fuzz_must(vfsr_map_page_free(page) <= VFSR_CHILD_FREE_MAX);
		if (head->level)
			read_interior(page, again);
		else
			read_leaf(page, again);
	}
	free(again);
	free(page);
	return 0;
}
