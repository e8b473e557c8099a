// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hard links: which host inodes with several names were met, by device and inode
 * number, and how often.
 *
 * An inode is written once, when all its names were met, or at the end of the
 * walk with the number that was. Until then its root node waits in an unlinked
 * temporary file, so that a link costs 48 bytes of memory. At the end the
 * file is read in its order, which is that of the walk and not of the host's
 * numbers.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/fill_priv.h"

#define FIRST_ROOM 1024u
#define SPOOL_BUFFER (1u << 20)
#define HASH_MIX 0x9e3779b97f4a7c15ull

/* A root node in the spool; `bytes` of it follow. */
struct record {
	u64 dev, host_ino;
	u32 bytes;
	u32 pad;
};

static size_t first_slot(const struct fill_links *t, u64 dev, u64 host_ino)
{
	u64 h = (host_ino ^ dev * HASH_MIX) * HASH_MIX;

	return (size_t)(h ^ h >> 32) & (t->room - 1);
}

/* The entry, or the free place where it would go. */
static struct fill_link *find(const struct fill_links *t, u64 dev, u64 host_ino)
{
	size_t i = first_slot(t, dev, host_ino);
	struct fill_link *l;

	for (;; i = (i + 1) & (t->room - 1)) {
		l = &t->slot[i];
		if (!l->id || (l->dev == dev && l->host_ino == host_ino))
			return l;
	}
}

static int enlarge(struct fill_links *t)
{
	struct fill_links old = *t;
	size_t i;

	t->room = old.room ? 2 * old.room : FIRST_ROOM;
	t->slot = calloc(t->room, sizeof(*t->slot));
	if (!t->slot) {
		*t = old;
		return -ENOMEM;
	}
	for (i = 0; i < old.room; i++)
		if (old.slot[i].id)
			*find(t, old.slot[i].dev, old.slot[i].host_ino) =
				old.slot[i];
	free(old.slot);
	return 0;
}

static u32 link_count(const struct stat *st)
{
	return (u32)min_t(u64, st->st_nlink, UINT32_MAX);
}

void fill_link_new(struct fill *f, const struct stat *st, u64 id)
{
	struct fill_links *t = &f->links;
	struct fill_link *l;

	/* at most three quarters full */
	if (4 * (t->nr + 1) > 3 * t->room && enlarge(t)) {
		fill_fail(f, -ENOMEM);
		return;
	}
	l = find(t, st->st_dev, st->st_ino);
	*l = (struct fill_link){
		.dev = st->st_dev,
		.host_ino = st->st_ino,
		.id = id,
		.seen = 1,
		.total = link_count(st),
		.state = FILL_LINK_OPEN,
	};
	t->nr++;
}

/* --- the spool --- */

static int spool_open(void)
{
	const char *dir = getenv("TMPDIR");
	FILE *tmp;
	int fd;

	fd = open(dir && *dir ? dir : "/var/tmp",
		  O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
	tmp = tmpfile(); /* where the file system has no O_TMPFILE */
	if (!tmp)
		return -1;
	fd = fcntl(fileno(tmp), F_DUPFD_CLOEXEC, 0);
	fclose(tmp);
	return fd;
}

/* Transfer all of it; false on any error. */
static bool transfer(int fd, bool out, u8 *buf, size_t bytes, u64 pos)
{
	ssize_t n;

	while (bytes) {
		n = out ? pwrite(fd, buf, bytes, (off_t)pos) :
			  pread(fd, buf, bytes, (off_t)pos);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		buf += n;
		bytes -= (size_t)n;
		pos += (u64)n;
	}
	return true;
}

static int spool_fail(struct fill *f, int err)
{
	vfsr_error(
		"cannot keep hard links in a temporary file: %s; free some space or set TMPDIR",
		strerror(err ? err : EIO));
	return fill_fail(f, err ? -err : -EIO);
}

static void spool_flush(struct fill *f)
{
	struct fill_links *t = &f->links;

	if (!t->buffered)
		return;
	if (t->fd < 0)
		t->fd = spool_open();
	if (t->fd < 0 ||
	    !transfer(t->fd, true, t->buf, t->buffered, t->end - t->buffered)) {
		spool_fail(f, errno);
		return;
	}
	t->buffered = 0;
}

static void spool_add(struct fill *f, struct fill_link *l, const u8 *root)
{
	struct fill_links *t = &f->links;
	struct record r = {
		.dev = l->dev,
		.host_ino = l->host_ino,
		.bytes = vfsr_node_bytes(root),
	};

	if (!t->buf)
		t->buf = malloc(SPOOL_BUFFER);
	if (!t->buf) {
		fill_fail(f, -ENOMEM);
		return;
	}
	if (t->buffered + sizeof(r) + r.bytes > SPOOL_BUFFER)
		spool_flush(f);
	if (f->err)
		return;
	l->spool = t->end + sizeof(r);
	l->bytes = (u16)r.bytes;
	l->state = FILL_LINK_SPOOLED;
	memcpy(t->buf + t->buffered, &r, sizeof(r));
	memcpy(t->buf + t->buffered + sizeof(r), root, r.bytes);
	t->buffered += (u32)sizeof(r) + r.bytes;
	t->end += sizeof(r) + r.bytes;
}

static bool spool_read(struct fill *f, u8 *to, size_t bytes, u64 pos)
{
	struct fill_links *t = &f->links;
	u64 flushed = t->end - t->buffered;

	if (pos >= flushed) {
		memcpy(to, t->buf + (pos - flushed), bytes);
		return true;
	}
	if (transfer(t->fd, false, to, bytes, pos))
		return true;
	spool_fail(f, errno);
	return false;
}

/* --- completion --- */

static void write_inode(struct fill *f, struct fill_link *l, u8 *root)
{
	struct vfsr_disk_inode *in;
	u32 bytes;

	in = (struct vfsr_disk_inode *)vfsr_node_inode(root, &bytes);
	in->nlink = cpu_to_le64(l->seen);
	l->state = FILL_LINK_DONE;
	fill_node_add(f, VFSR_KIND_INODE, l->id, l->id, root);
}

static void write_spooled(struct fill *f, struct fill_link *l)
{
	u8 root[VFSR_NODE_BYTES] __attribute__((aligned(8)));

	if (spool_read(f, root, l->bytes, l->spool))
		write_inode(f, l, root);
}

void fill_link_complete(struct fill *f, u64 dev, u64 host_ino, u8 *root)
{
	struct fill_link *l;

	if (f->err)
		return;
	l = find(&f->links, dev, host_ino);
	if (l->seen >= l->total)
		write_inode(f, l, root);
	else
		spool_add(f, l, root);
}

struct fill_link *fill_link_seen(struct fill *f, const struct stat *st)
{
	struct fill_links *t = &f->links;
	struct fill_link *l;

	if (!t->nr)
		return NULL;
	l = find(t, st->st_dev, st->st_ino);
	if (!l->id)
		return NULL;
	if (l->state == FILL_LINK_DONE) {
		/* the host's count was too small: a name was made meanwhile */
		fill_changed(
			f,
			"got another name while the tree was read; that one is taken as a file of its own");
		return NULL;
	}
	l->seen++;
	f->stats->hardlinks++;
	if (l->seen >= l->total && l->state == FILL_LINK_SPOOLED)
		write_spooled(f, l);
	return l;
}

void fill_link_finish(struct fill *f)
{
	struct fill_links *t = &f->links;
	struct fill_link *l;
	struct record r;
	u64 pos;

	for (pos = 0; pos < t->end && !f->err; pos += sizeof(r) + r.bytes) {
		if (!spool_read(f, (u8 *)&r, sizeof(r), pos))
			return;
		l = find(t, r.dev, r.host_ino);
		if (l->state == FILL_LINK_SPOOLED)
			write_spooled(f, l);
	}
}

void fill_link_release(struct fill *f)
{
	free(f->links.slot);
	free(f->links.buf);
	if (f->links.fd >= 0)
		close(f->links.fd);
}
