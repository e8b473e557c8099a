/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One member as a file: a block device or a plain image. Positional I/O in
 * whole buffers, thread-safe; and queues of asynchronous writes (io_uring, or
 * plain calls where it is not permitted).
 */
#ifndef VFSR_LIB_DEV_H
#define VFSR_LIB_DEV_H

#include "port.h"

#define VFSR_DEV_WRITE	0x1u	/* open for writing */
#define VFSR_DEV_EXCL	0x2u	/* exclusive: refuse mounted block devices */

struct vfsr_dev {
	char *path;
	int fd;
	u64 bytes;	/* size, rounded down to 64 KiB by nobody */
	bool block;	/* a block device, not a file */
	bool rotational;
};

/**
 * vfsr_dev_open - open a device or image
 * @path: its name
 * @flags: VFSR_DEV_*
 * @out: the device; NULL on failure
 *
 * Says what is wrong by vfsr_error(). With VFSR_DEV_EXCL a device that is mounted or
 * otherwise in use is refused (O_EXCL, /proc/self/mountinfo by device number),
 * and so is an image file that a loop device in use is backed by.
 *
 * Return: 0 or a negative errno, already reported.
 */
int vfsr_dev_open(const char *path, unsigned int flags, struct vfsr_dev **out);
void vfsr_dev_close(struct vfsr_dev *d);

/* Whole-buffer I/O. Return: 0; -ENODATA beyond the end (-ENOSPC for a write: an
 * image never grows); -EIO and others. */
int vfsr_dev_read(struct vfsr_dev *d, void *buf, size_t len_bytes, u64 pos);
int vfsr_dev_write(struct vfsr_dev *d, const void *buf, size_t len_bytes,
		   u64 pos);
int vfsr_dev_sync(struct vfsr_dev *d);
/* Discard, or punch a hole in an image; errors are ignored. */
void vfsr_dev_discard(struct vfsr_dev *d, u64 pos, u64 len_bytes);

/* One piece of a batch. */
struct vfsr_iov {
	struct vfsr_dev *dev;
	void *buf;
	size_t len_bytes;
	u64 pos;
	int error;	/* out: 0 or negative errno */
};

/* A queue belongs to one thread. */
struct vfsr_queue;

/* @depth: pieces in flight; 0: plain calls, one after another. NULL: no memory. */
struct vfsr_queue *vfsr_queue_new(unsigned int depth);
void vfsr_queue_free(struct vfsr_queue *q);
/* True if io_uring carries it. */
bool vfsr_queue_async(const struct vfsr_queue *q);

/**
 * vfsr_queue_run - read or write a batch and wait for all of it
 * @q: queue
 * @write: write, else read
 * @iov: pieces; those of one batch may not overlap when writing
 * @nr: how many
 *
 * Return: number of pieces that failed (their error is set).
 */
unsigned int vfsr_queue_run(struct vfsr_queue *q, bool write,
			    struct vfsr_iov *iov, unsigned int nr);

#endif
