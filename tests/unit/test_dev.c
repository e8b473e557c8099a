// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices and queues: whole-buffer I/O on images, its errors at the end and on
 * what is no image, and batches by io_uring and by plain calls alike.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/dev.h"
#include "prng.h"

#define IMAGE_BYTES (1024u * 1024u + 1000u)
#define NR_PIECES 300u
#define PIECE_BYTES 3000u

static char path[] = "/tmp/vfsr-dev-XXXXXX";

static int setup(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	if (fd < 0)
		return -1;
	return ftruncate(fd, IMAGE_BYTES) || close(fd);
}

static int teardown(void **state)
{
	(void)state;
	return unlink(path);
}

static void test_io(void **state)
{
	struct vfsr_dev *d;
	u8 a[5000], b[5000];

	(void)state;
	assert_int_equal(
		vfsr_dev_open(path, VFSR_DEV_WRITE | VFSR_DEV_EXCL, &d), 0);
	assert_int_equal(d->bytes, IMAGE_BYTES);
	assert_false(d->block);
	prng_fill(a, sizeof(a));
	assert_int_equal(vfsr_dev_write(d, a, sizeof(a), 777), 0);
	assert_int_equal(vfsr_dev_read(d, b, sizeof(b), 777), 0);
	assert_memory_equal(a, b, sizeof(a));
	assert_int_equal(vfsr_dev_sync(d), 0);
	assert_int_equal(vfsr_dev_read(d, b, 0, IMAGE_BYTES), 0);
	assert_int_equal(vfsr_dev_read(d, b, 1, IMAGE_BYTES - 1), 0);
	assert_int_equal(vfsr_dev_read(d, b, 2, IMAGE_BYTES - 1), -ENODATA);
	assert_int_equal(vfsr_dev_read(d, b, 1, ~(u64)0), -ENODATA);
	assert_int_equal(vfsr_dev_write(d, a, 2, IMAGE_BYTES - 1), -ENOSPC);
	assert_int_equal(vfsr_dev_write(d, a, 1, ~(u64)0), -ENOSPC);
	vfsr_dev_discard(d, 0, 65536);
	assert_int_equal(vfsr_dev_read(d, b, sizeof(b), 777), 0);
	memset(a, 0, sizeof(a));
	assert_memory_equal(a, b, sizeof(a));
	vfsr_dev_discard(d, 0, ~(u64)0);
	vfsr_dev_close(d);
	/* it shrinks while it is open */
	assert_int_equal(vfsr_dev_open(path, 0, &d), 0);
	assert_int_equal(truncate(path, 10000), 0);
	assert_int_equal(vfsr_dev_read(d, b, 5000, 8000), -ENODATA);
	assert_int_equal(truncate(path, IMAGE_BYTES), 0);
	assert_int_equal(vfsr_dev_write(d, b, 1, 0), -EBADF);
	vfsr_dev_close(d);
	vfsr_dev_close(NULL);
}

static void test_refused(void **state)
{
	struct vfsr_dev *d;

	(void)state;
	assert_int_equal(vfsr_dev_open("/nonexistent/image", 0, &d), -ENOENT);
	assert_null(d);
	assert_int_equal(vfsr_dev_open("/tmp", 0, &d), -EISDIR);
	assert_int_equal(vfsr_dev_open("/tmp", VFSR_DEV_WRITE, &d), -EISDIR);
	assert_int_equal(vfsr_dev_open("/dev/null", 0, &d), -ENOTBLK);
	assert_int_equal(vfsr_dev_open("", 0, &d), -ENOENT);
	/* a fifo without a writer must not hang */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(vfsr_dev_open(path, 0, &d), -ENOTBLK);
	assert_int_equal(unlink(path), 0);
	fclose(fopen(path, "we"));
	assert_int_equal(truncate(path, IMAGE_BYTES), 0);
}

/* Batches larger than the queue, with pieces that fail between good ones. */
static void batch(unsigned int depth)
{
	static u8 data[NR_PIECES][PIECE_BYTES], back[NR_PIECES][PIECE_BYTES];
	static struct vfsr_iov iov[NR_PIECES];
	struct vfsr_queue *q = vfsr_queue_new(depth);
	struct vfsr_dev *d;
	unsigned int i, nr_bad = 0;

	assert_non_null(q);
	if (!depth)
		assert_false(vfsr_queue_async(q));
	print_message("  depth %u: %s\n", depth,
		      vfsr_queue_async(q) ? "io_uring" : "plain calls");
	assert_int_equal(vfsr_dev_open(path, VFSR_DEV_WRITE, &d), 0);
	prng_fill(data, sizeof(data));
	for (i = 0; i < NR_PIECES; i++) {
		bool beyond = i % 7 == 3;

		iov[i].dev = d;
		iov[i].buf = data[i];
		iov[i].len_bytes = i % 11 ? PIECE_BYTES : 0;
		iov[i].pos = i * PIECE_BYTES;
		if (beyond)
			iov[i].pos = IMAGE_BYTES - 1;
		iov[i].error = 1;
		nr_bad += beyond && iov[i].len_bytes;
	}
	assert_int_equal(vfsr_queue_run(q, true, iov, NR_PIECES), nr_bad);
	for (i = 0; i < NR_PIECES; i++)
		iov[i].buf = back[i];
	memset(back, 0, sizeof(back));
	assert_int_equal(vfsr_queue_run(q, false, iov, NR_PIECES), nr_bad);
	for (i = 0; i < NR_PIECES; i++) {
		if (i % 7 == 3 && iov[i].len_bytes) {
			assert_int_equal(iov[i].error, -ENODATA);
			continue;
		}
		assert_int_equal(iov[i].error, 0);
		assert_memory_equal(data[i], back[i], iov[i].len_bytes);
	}
	assert_int_equal(vfsr_queue_run(q, false, iov, 0), 0);
	/* the file shrinks: short reads end as errors, not as old bytes */
	assert_int_equal(truncate(path, PIECE_BYTES + 10), 0);
	iov[0].pos = 0;
	iov[0].len_bytes = PIECE_BYTES;
	assert_int_equal(vfsr_queue_run(q, false, iov, 2), 1);
	assert_int_equal(iov[0].error, 0);
	assert_int_equal(iov[1].error, -ENODATA);
	assert_int_equal(truncate(path, IMAGE_BYTES), 0);
	vfsr_dev_close(d);
	vfsr_queue_free(q);
}

static void test_queue(void **state)
{
	(void)state;
	batch(0);
	batch(1);
	batch(8);
	batch(512);
	vfsr_queue_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_io),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_queue),
	};

	return cmocka_run_group_tests_name("dev", tests, setup, teardown);
}
