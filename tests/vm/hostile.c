// SPDX-License-Identifier: GPL-2.0-only
/*
 * hostile DIR FIRST NR DEVICE...: write NR mutated pools to the devices, one
 * after another, and use each through a mount at DIR. One device or three. The
 * seeds are FIRST and those after it: an odd one mutates a pool that was cut
 * off while it was written, an even one a pool as mkfs makes it.
 *
 * A seed fails if the kernel says something bad, if a call does not return
 * within HOSTILE_SECONDS (60), or if the pool cannot be unmounted; that ends
 * the program with status 1, with the seed in the last line.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/fs.h>

#include "hostile.h"

#define WORDS_BYTES 400u
#define MESSAGE_BYTES 8192u
#define WRITE_BYTES (1u << 20)
#define NR_ERRNOS 200u

/* In a message of the kernel, each means that something is wrong with it. */
static const char *const bad[] = {
	"BUG",
	"WARNING:",
	"Oops",
	"KASAN",
	"UBSAN",
	"general protection",
	"cut here",
	"blocked for more",
	"Call Trace",
	"corruption of",
	"Busy inodes",
	"refcount_t:",
	"lock held",
	"suspicious RCU",
	"bad page",
	"Bad page",
	"page allocation failure",
};

static struct {
	const char *where;
	unsigned int nr_devs;
	char **dev;
	int fd[IMAGE_MAX_DEVS];
	int messages; /* of the kernel */
	time_t seconds;
	struct used *used;
	struct image image[2]; /* as made, and cut off */
	u32 refused[NR_ERRNOS];
	u32 nr_mounted;
	u64 nr_entries, nr_worked, nr_failed;
} h;

static void die(const char *what)
{
	printf("hostile: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* --- images and devices --- */

/* What is beyond the end of a shortened image is zeros on the device. */
static void to_devices(const struct image *im)
{
	static char zeros[WRITE_BYTES] __attribute__((aligned(4096)));
	unsigned int i;
	off_t end, at;

	for (i = 0; i < im->nr_devs; i++) {
		end = lseek(im->fd[i], 0, SEEK_END);
		if (ftruncate(im->fd[i], (off_t)im->bytes))
			die(im->path[i]);
		for (at = 0; at < (off_t)im->bytes; at += WRITE_BYTES)
			if (pwrite(h.fd[i],
				   at < end ? (char *)im->map[i] + at : zeros,
				   WRITE_BYTES, at) != WRITE_BYTES)
				die(h.dev[i]);
	}
}

static bool from_devices(struct image *im)
{
	unsigned int i;
	off_t at;

	for (i = 0; i < im->nr_devs; i++)
		for (at = 0; at < (off_t)im->bytes; at += WRITE_BYTES)
			if (pread(h.fd[i], im->map[i] + at, WRITE_BYTES, at) !=
			    WRITE_BYTES)
				return false;
	return image_scan(im);
}

static void make_images(enum image_kind kind)
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		if (!image_make(&h.image[i], kind))
			die("no image");
	to_devices(&h.image[1]);
	if (!use_cut(h.where, h.nr_devs, h.dev))
		die("no pool that is cut off");
	if (!from_devices(&h.image[1]))
		die("the pool that is cut off");
}

/* --- the kernel's messages --- */

/* Print the new ones if one of them is bad. Return: whether one is. */
static bool bad_message(void)
{
	static char text[MESSAGE_BYTES], all[64 * MESSAGE_BYTES];
	size_t used = 0, i;
	bool found = false;
	const char *line;
	ssize_t got;

	for (;;) {
		got = read(h.messages, text, sizeof(text) - 1);
		if (got < 0 && errno == EPIPE)
			continue;
		if (got <= 0)
			break;
		text[got] = '\0';
		line = strchr(text, ';');
		line = line ? line + 1 : text;
		for (i = 0; i < ARRAY_SIZE(bad); i++)
			found |= strstr(line, bad[i]) != NULL;
		got = snprintf(all + used, sizeof(all) - used, "| %s", line);
		if (got > 0 && used + (size_t)got < sizeof(all))
			used += (size_t)got;
	}
	if (found)
		fwrite(all, 1, used, stdout);
	return found;
}

static void open_messages(void)
{
	h.messages = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (h.messages < 0 || lseek(h.messages, 0, SEEK_END) < 0)
		die("/dev/kmsg");
}

/* --- one seed --- */

/* Return: NULL if the child came to a good end, else what is wrong. */
static const char *wait_child(pid_t pid)
{
	const struct timespec tick = { .tv_nsec = 2000000 };
	time_t end = time(NULL) + h.seconds;
	int status;

	while (!waitpid(pid, &status, WNOHANG)) {
		if (time(NULL) > end) {
			kill(pid, SIGKILL);
			return "hangs";
		}
		nanosleep(&tick, NULL);
	}
	if (!WIFEXITED(status))
		return "a call killed the process";
	return h.used->unmount_errno ? "cannot be unmounted" : NULL;
}

static void count(void)
{
	if (h.used->mount_errno)
		h.refused[(u32)h.used->mount_errno % NR_ERRNOS]++;
	else
		h.nr_mounted++;
	h.nr_entries += h.used->nr_entries;
	h.nr_worked += h.used->nr_worked;
	h.nr_failed += h.used->nr_failed;
}

static bool try_seed(u64 seed, bool talk)
{
	struct image *im = &h.image[seed & 1];
	char words[WORDS_BYTES];
	u8 list[LIST_BYTES];
	const char *wrong;
	pid_t pid;

	memset(h.used, 0, sizeof(*h.used));
	image_mutate(im, list,
		     plan_mutations(im, seed, list, words, sizeof(words)));
	to_devices(im);
	image_reset(im);
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		use_mounted(h.where, h.nr_devs, h.dev, seed, h.used);
		_exit(0);
	}
	wrong = wait_child(pid);
	if (bad_message())
		wrong = wrong ? wrong : "a bad message of the kernel";
	count();
	if (wrong || talk)
		printf("seed %llu: %s: %s, at '%s', %u entries, %u calls worked, %u failed\n",
		       (unsigned long long)seed, words,
		       h.used->mount_errno ? strerror(h.used->mount_errno) :
					     "mounted",
		       h.used->stage, h.used->nr_entries, h.used->nr_worked,
		       h.used->nr_failed);
	if (wrong)
		printf("hostile: seed %llu, %u devices: %s (%s)\n",
		       (unsigned long long)seed, h.nr_devs, wrong,
		       h.used->stage);
	fflush(stdout);
	return !wrong;
}

static void summary(u32 nr)
{
	u32 i;

	printf("hostile: %u images on %u devices: %u mounted", nr, h.nr_devs,
	       h.nr_mounted);
	for (i = 0; i < NR_ERRNOS; i++)
		if (h.refused[i])
			printf(", %u refused with %s", h.refused[i],
			       strerrorname_np((int)i));
	printf("; %llu entries, %llu calls worked, %llu failed\n",
	       (unsigned long long)h.nr_entries,
	       (unsigned long long)h.nr_worked,
	       (unsigned long long)h.nr_failed);
}

int main(int argc, char **argv)
{
	const char *seconds = getenv("HOSTILE_SECONDS");
	u64 first;
	u32 nr, i;

	if (argc != 5 && argc != 7) {
		fprintf(stderr, "usage: hostile DIR FIRST NR DEVICE...\n");
		return 2;
	}
	h.where = argv[1];
	first = strtoull(argv[2], NULL, 0);
	nr = (u32)strtoul(argv[3], NULL, 0);
	h.dev = argv + 4;
	h.nr_devs = (unsigned int)argc - 4;
	h.seconds = seconds ? atol(seconds) : 60;
	h.used = mmap(NULL, sizeof(*h.used), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (h.used == MAP_FAILED)
		die("memory");
	for (i = 0; i < h.nr_devs; i++) {
		h.fd[i] = open(h.dev[i], O_RDWR | O_DIRECT | O_CLOEXEC);
		if (h.fd[i] < 0)
			die(h.dev[i]);
	}
	make_images(h.nr_devs == 1 ? IMAGE_SINGLE : IMAGE_TRIPLE);
	open_messages();
	for (i = 0; i < nr; i++) {
		if (!try_seed(first + i, nr == 1 || getenv("HOSTILE_TALK")))
			break;
		if (i % 100 == 99 && i + 1 < nr)
			summary(i + 1);
	}
	summary(i);
	return i < nr;
}
