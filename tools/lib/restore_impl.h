/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of restore share. Only restore*.c include it.
 *
 *   restore.c        the run: threads, the queue, walking directories
 *   restore_path.c   PATH arguments, and one file to a descriptor
 *   restore_dir.c    directories of the target and their descriptors
 *   restore_file.c   contents of files
 *   restore_node.c   one name: file, symlink, special, hard link
 *   restore_meta.c   attributes, owners, modes, times
 *   restore_link.c   first names of inodes with several
 *   restore_cache.c  decoded chunks that several files share
 *   restore_lost.c   what is lost, and errors of the target
 *
 * Lock order: none of these locks is taken while another is held, but for the
 * cache's and the pool's own, which are innermost.
 */
#ifndef VFSR_LIB_RESTORE_IMPL_H
#define VFSR_LIB_RESTORE_IMPL_H

#include "lib/restore.h"
#include "lib/treeiter.h"

struct vfsr_restore;

/* --- attributes of one inode --- */

/* Attributes to set, packed: name, NUL, u32 length, value. */
struct vfsr_rmeta {
	u32 mode, uid, gid;
	struct vfsr_time mtime, atime;
	u32 nr_xattrs;
	u32 used, room; /* bytes of @xattrs */
	u8 *xattrs;
};

/* --- directories --- */

/*
 * A directory of the target that has work left. A reference is held by each
 * child directory, each batch of files, and each hard link that may need a
 * name in it; dropping the last one sets its attributes. So nothing below a
 * directory happens after its times and its mode were set.
 */
struct vfsr_rdir {
	struct vfsr_rdir *parent; /* NULL: the target itself */
	char *name; /* in the parent; of a top: pool path before it */
	u64 ino; /* 0: attributes are not restored */
	unsigned int depth;
	atomic_uint refs;
	bool made; /* exists in the target */
	struct vfsr_rmeta meta;
	/* under rs->dir_lock */
	int fd; /* -1: closed */
	unsigned int pins; /* users of fd */
	struct vfsr_rdir *newer, *older; /* open ones, by last use */
};

struct vfsr_rdir *vfsr_rdir_new(struct vfsr_rdir *parent, const char *name,
				size_t name_bytes, u64 ino);
struct vfsr_rdir *vfsr_rdir_get(struct vfsr_rdir *d);
/* Drop a reference; may set the attributes of it and of its ancestors. */
void vfsr_rdir_put(struct vfsr_restore *rs, struct vfsr_rdir *d);
/* Its descriptor, or a negative errno; pair with vfsr_rdir_unpin(). */
int vfsr_rdir_pin(struct vfsr_restore *rs, struct vfsr_rdir *d);
void vfsr_rdir_unpin(struct vfsr_restore *rs, struct vfsr_rdir *d);
/* Make it in its parent, or take the directory that is there. 0 or errno. */
int vfsr_rdir_make(struct vfsr_restore *rs, struct vfsr_rdir *d);
/* Path in the pool of a name in @d (NULL: of @d), printable; caller frees. */
char *vfsr_rdir_path(const struct vfsr_rdir *d, const char *name);

/* --- the queue --- */

struct vfsr_rname {
	u64 ino;
	u32 name; /* offset into the batch's names */
	u8 name_bytes;
	u8 type; /* DT_* */
};

/* Files of one directory, for one worker. */
struct vfsr_rbatch {
	struct vfsr_rbatch *next;
	struct vfsr_rdir *dir;
	u32 nr;
	char *names; /* NUL terminated each */
	struct vfsr_rname name[];
};

/* A name whose first name is just being made: linked at the end. */
struct vfsr_rlater {
	struct vfsr_rlater *next;
	struct vfsr_rdir *dir;
	u64 ino;
	u8 type;
	char name[];
};

/* --- contents --- */

struct vfsr_range {
	u64 from, to; /* bytes, [from, to) */
};

/* Contents being written; big ones by several threads. */
struct vfsr_rfile {
	struct vfsr_rdir *dir; /* for messages */
	const char *name;
	u64 ino, size;
	int fd;
	u8 *memory; /* instead of fd: symlink targets */
	bool stream; /* fd cannot seek: everything in order */
	u64 streamed; /* bytes written to a stream */
	pthread_mutex_t lock;
	/* under lock */
	struct vfsr_iter *iter;
	bool ended;
	int error; /* of the target */
	bool damaged; /* from @damage on, up to the next item */
	u64 damage;
	u64 end; /* bytes that exist by writing */
	struct vfsr_range *lost;
	u32 nr_lost, room_lost;
	bool xattrs_lost;
	/* under rs->lock */
	struct vfsr_rfile *next; /* files that want help */
	unsigned int helpers;
	bool exhausted; /* nothing left to hand out */
};

/* --- threads --- */

struct vfsr_rworker {
	struct vfsr_restore *rs;
	pthread_t thread;
	struct vfsr_ws *ws;
	struct vfsr_iter iter; /* of the inode in hand */
	u8 *chunk; /* VFSR_CHUNK_BYTES */
	struct vfsr_rmeta meta; /* of the inode in hand */
};

struct vfsr_rlinks;
struct vfsr_rcache;

/* One run. */
struct vfsr_restore {
	struct vfsr_pool *pool;
	const struct vfsr_restore_opts *opts;
	bool privileged; /* effective user is root */
	u32 euid, egid;
	bool inherits; /* the target gives a group or ACL to new files */
	atomic_int fatal; /* negative errno: give up */

	pthread_mutex_t dir_lock;
	struct vfsr_rdir *newest, *oldest;
	unsigned int nr_open;

	struct vfsr_rcache *cache;
	struct vfsr_rlinks *links;

	pthread_mutex_t lock; /* queue */
	pthread_cond_t work; /* there is something to do, or the end */
	pthread_cond_t room; /* the queue is shorter, or all is done */
	pthread_cond_t helped; /* a helper left a file */
	struct vfsr_rbatch *head, **tail;
	unsigned int nr_queued, nr_active;
	bool closing;
	struct vfsr_rfile *want_help;
	struct vfsr_rlater *later;

	struct vfsr_rworker *worker; /* [nr_workers] is the walker's own */
	unsigned int nr_workers;
	struct vfsr_progress progress;

	pthread_mutex_t report_lock;
	struct vfsr_restore_stats *st; /* under report_lock */
	unsigned int nr_messages; /* likewise */
	/* counted without it, added to st at the end */
	atomic_ullong files, dirs, symlinks, specials, hardlinks, xattrs;
	atomic_ullong data_bytes;
	atomic_ullong owners_skipped, xattrs_skipped;
};

int vfsr_rworker_init(struct vfsr_rworker *w, struct vfsr_restore *rs);
void vfsr_rworker_release(struct vfsr_rworker *w);

/* Prepare and free what every run needs; no threads yet. */
int vfsr_restore_begin(struct vfsr_restore *rs, struct vfsr_pool *p,
		       const struct vfsr_restore_opts *opts,
		       struct vfsr_restore_stats *st);
void vfsr_restore_end(struct vfsr_restore *rs);

/* Restore one name of a directory (not itself a directory). */
void vfsr_restore_name(struct vfsr_rworker *w, struct vfsr_rdir *dir, int dirfd,
		       const struct vfsr_rname *n, const char *name);

/* What a PATH names. */
struct vfsr_rtarget {
	u64 ino;
	u8 type; /* DT_* */
	char *before; /* path of its directory, "" for the root */
	char *name; /* last component, "" for "/" */
};

/* 0, or a negative errno, already reported. */
int vfsr_rtarget_find(struct vfsr_pool *p, struct vfsr_ws *ws, const char *path,
		      struct vfsr_rtarget *out);
void vfsr_rtarget_release(struct vfsr_rtarget *t);

/* --- contents --- */

/*
 * Write the contents that iter's inode has; iter was opened. Losses are in
 * @f; the caller reports them. Return: 0 or a negative errno of the target.
 */
int vfsr_rfile_write(struct vfsr_rworker *w, struct vfsr_rfile *f);
/* Work on a file that wants help until its items are handed out. */
void vfsr_rfile_help(struct vfsr_rworker *w, struct vfsr_rfile *f);
void vfsr_rfile_init(struct vfsr_rfile *f, struct vfsr_rdir *dir,
		     const char *name, u64 ino, u64 size, int fd);
void vfsr_rfile_release(struct vfsr_rfile *f);

/* --- attributes --- */

void vfsr_rmeta_take(struct vfsr_rmeta *m, const struct vfsr_inode *in);
void vfsr_rmeta_release(struct vfsr_rmeta *m);
/*
 * Collect the attributes of iter's inode; leaves iter behind them.
 * Return: number of attributes that are lost, or -ENOMEM.
 */
int vfsr_rmeta_collect(struct vfsr_rworker *w, struct vfsr_iter *iter,
		       struct vfsr_rmeta *m);
/*
 * Set everything on a file or directory by descriptor, or on a name in @dirfd
 * (@fd < 0). @settled: mode and owner are known to be right. Reports errors
 * under @path's name.
 */
void vfsr_rmeta_apply(struct vfsr_restore *rs, int fd, int dirfd,
		      const char *name, const struct vfsr_rmeta *m,
		      bool settled, const struct vfsr_rdir *dir);

/* --- hard links --- */

enum vfsr_rclaim {
	VFSR_RCLAIM_FIRST, /* the caller makes the file, then tells */
	VFSR_RCLAIM_LINK, /* link to what @dir and @name say */
	VFSR_RCLAIM_LATER, /* another thread is making it */
	VFSR_RCLAIM_NOMEM,
};

struct vfsr_rlinks *vfsr_rlinks_new(void);
void vfsr_rlinks_free(struct vfsr_restore *rs, struct vfsr_rlinks *l);
enum vfsr_rclaim vfsr_rlinks_claim(struct vfsr_rlinks *l, u64 ino, u64 nlink,
				   struct vfsr_rdir **dir, char **name);
/* The first name exists (@name NULL: could not be made). */
void vfsr_rlinks_made(struct vfsr_restore *rs, u64 ino, struct vfsr_rdir *dir,
		      const char *name);
/* One more name was linked. */
void vfsr_rlinks_used(struct vfsr_restore *rs, u64 ino);

/* --- chunks --- */

struct vfsr_rchunk {
	const u8 *data;
	u32 logical;
	u64 bad; /* mask of lost 4 KiB pieces */
	int err; /* all of it is lost, or no such chunk */
	void *entry;
};

struct vfsr_rcache *vfsr_rcache_new(void);
void vfsr_rcache_free(struct vfsr_rcache *c);
/* Decoded chunk @id; pair with vfsr_rcache_put(), before any other get. */
void vfsr_rcache_get(struct vfsr_rcache *c, struct vfsr_pool *p, u64 id,
		     struct vfsr_ws *ws, struct vfsr_rchunk *out);
void vfsr_rcache_put(struct vfsr_rcache *c, struct vfsr_rchunk *k);
/* The same into a buffer, not cached. */
void vfsr_rchunk_read(struct vfsr_pool *p, u64 id, u8 *buf, struct vfsr_ws *ws,
		      struct vfsr_rchunk *out);

/* --- losses and errors --- */

/* Something of a name that is not a byte range: "inode", "names"... */
void vfsr_rlost_thing(struct vfsr_restore *rs, const struct vfsr_rdir *d,
		      const char *name, const char *what);
/* Sort, merge and report the ranges of a file. */
void vfsr_rlost_ranges(struct vfsr_restore *rs, struct vfsr_rfile *f);
/* The target refused something; counted, and printed if not too many. */
void vfsr_rerror(struct vfsr_restore *rs, const struct vfsr_rdir *d,
		 const char *name, const char *what, int err);
/* Is this errno the end of the whole run (no space, read-only...)? */
bool vfsr_rerror_fatal(struct vfsr_restore *rs, int err);

#endif
