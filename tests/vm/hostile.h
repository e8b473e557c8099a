/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hostile: mutated pools under a real mount. What the files of the program
 * share. All that is done to an image and with it follows from its seed alone.
 */
#ifndef VFSR_TESTS_HOSTILE_H
#define VFSR_TESTS_HOSTILE_H

#include <errno.h>
#include <stdio.h>

#include "tests/shared/pool_image.h"

#define LIST_BYTES 256u /* of the mutations of one image */

/* What one image was good for; in memory that child and parent share. */
struct used {
	char stage[32]; /* what is being done, for a hang */
	int mount_errno;
	int unmount_errno;
	u32 nr_entries; /* names that the walk met */
	u32 nr_failed; /* calls that failed, ENOENT of a loop's names too */
	u32 nr_worked;
};

/* A sequence of random numbers. */
struct dice {
	u64 state;
};

/* The sequence of a seed; @use tells several of one seed apart. */
struct dice dice_of(u64 seed, u32 use);
/* 0..below - 1 */
u32 roll(struct dice *d, u32 below);

/**
 * plan_mutations - choose what is changed in an image
 * @im: the image, for what there is in it
 * @seed: of the choice
 * @list: LIST_BYTES, for image_mutate()
 * @words: what was chosen, for people
 * @size: bytes of @words
 *
 * Return: bytes of the list.
 */
size_t plan_mutations(const struct image *im, u64 seed, u8 *list, char *words,
		      size_t size);

/**
 * use_mounted - mount, walk, read, write, remove, unmount
 * @where: directory to mount at
 * @nr: devices
 * @devs: their paths
 * @seed: of all choices
 * @used: filled on the way
 */
void use_mounted(const char *where, unsigned int nr, char **devs, u64 seed,
		 struct used *used);

/**
 * use_cut - mount a sound pool, change it, and stop without a checkpoint
 *
 * Return: whether that worked.
 */
bool use_cut(const char *where, unsigned int nr, char **devs);

#endif
