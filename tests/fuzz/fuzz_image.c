// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzes the whole reader: mutates a pool that was made once, then opens,
 * walks, checks, scrubs, restores and rebuilds it, as the input's first two
 * bytes say; the rest is a list of mutations (tests/shared/pool_image.h).
 */
#include "fuzz.h"
#include "tests/shared/pool_image.h"

#define HEAD_BYTES 2u

static struct image image[NR_IMAGE_KINDS];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	unsigned int i;

	(void)argc;
	(void)argv;
	for (i = 0; i < NR_IMAGE_KINDS; i++)
		fuzz_must(image_make(&image[i], i));
	image_use_init();
	return 0;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct image *im;

	if (size <= HEAD_BYTES)
		return 0;
	im = &image[data[0] % NR_IMAGE_KINDS];
	image_mutate(im, data + HEAD_BYTES, size - HEAD_BYTES);
	image_use(im, data[1]);
	image_reset(im);
	return 0;
}
