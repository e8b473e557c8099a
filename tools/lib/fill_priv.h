/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of the filler share: fill.c, fill_walk.c, fill_dir.c,
 * fill_file.c, fill_link.c, fill_xattr.c, fill_pack.c, fill_tree.c,
 * fill_place.c, fill_pipe.c.
 *
 * One thread, the caller's, walks the tree, reads data, gives out ids and calls the
 * writer. Workers only turn a job's input into its stored form. A job is taken
 * back exactly when the one that was submitted FILL_FLIGHT jobs later is
 * handed out, never earlier: so the order of all ids and chunks depends on the tree
 * alone, not on the number or speed of the threads.
 *
 * The first error that is not about a single file is kept in f->err; from then on
 * everything returns without doing anything, and the walk ends.
 */
#ifndef VFSR_LIB_FILL_PRIV_H
#define VFSR_LIB_FILL_PRIV_H

#include <pthread.h>
#include <sys/stat.h>

#include "core/items.h"
#include "lib/fill.h"
#include "lib/out.h"

#define FILL_FLIGHT 128u /* jobs between submission and retirement */
#define FILL_WINDOW 32u /* finished data chunks to choose from */
#define FILL_PACKS 32u /* packs open at once */
#define FILL_BATCH_NODES 256u /* nodes of one job */
#define FILL_MAX_THREADS 64

enum fill_job_kind {
	FILL_JOB_DATA, /* one piece of one file; may be cut when it is raw */
	FILL_JOB_PACK, /* small pieces of several files */
	FILL_JOB_XATTR, /* one large value */
	FILL_JOB_NODES, /* a batch of nodes, each a chunk of its own */
};

/* A node in a batch. */
struct fill_node {
	u64 id, owner;
	u32 at; /* byte of both buffers of the job */
	u32 crc;
	u16 bytes, stored;
	u8 kind, state, alg;
};

struct fill_file;
struct fill_extent;

/* A unit of work; both buffers have VFSR_CHUNK_BYTES. */
struct fill_job {
	struct fill_job *next;
	enum fill_job_kind kind;
	bool done; /* by a worker; pipe lock */
	u8 *in, *out;
	u32 bytes; /* used of @in */
	struct vfsr_chunk c; /* all but NODES; filled up by the worker */
	const u8 *data; /* stored form, in @in or @out */
	struct fill_file *file; /* DATA: waits for the chunk */
	struct fill_extent *ext; /* DATA: that names the chunk */
	u64 class; /* PACK */
	bool shared; /* PACK: of more than one file */
	u32 nr_nodes; /* NODES */
	struct fill_node node[FILL_BATCH_NODES];
};

/* Bulk load of one inode's tree: items come in ascending order. */
struct fill_tree {
	u64 ino;
	unsigned int nr_levels; /* 0: all items are in the root so far */
	u8 *level[VFSR_BT_MAX_DEPTH]; /* the open node of each level */
	u8 root[VFSR_NODE_BYTES] __attribute__((aligned(8)));
};

/* Encoded attributes of an inode, ascending by key. */
struct fill_xattr {
	u64 key;
	size_t at; /* byte of the item in @buf */
	u32 bytes;
};

struct fill_xattrs {
	struct fill_xattr *item;
	u8 *buf;
	size_t used, room;
	u32 nr, nr_room;
};

/* An extent that is not in the tree yet. */
struct fill_extent {
	struct fill_extent *next;
	u64 pos; /* byte of the file */
	struct vfsr_extent e;
	bool waiting; /* its chunk may still be cut */
};

/*
 * An inode other than a directory, until its root node is complete. Extents
 * go into the tree in order, so one that waits holds up those behind it.
 */
struct fill_file {
	struct fill_file *prev, *next; /* all that exist */
	struct vfsr_inode in;
	struct fill_xattrs xattrs;
	struct fill_extent *head, *tail; /* not in the tree yet */
	u32 nr_extents; /* of them */
	struct fill_extent run; /* void or monolith that may still grow */
	bool closed; /* everything was read */
	bool linked; /* has an entry in the link table */
	u64 dev, host_ino; /* of that entry */
	struct fill_tree tree;
};

/* An inode with more than one name, by the host's numbers. */
struct fill_link {
	u64 dev, host_ino;
	u64 id; /* 0: free place */
	u64 spool; /* byte in the spool file */
	u32 seen, total; /* names met; names on the host */
	u16 bytes; /* of the root node */
	u8 type; /* VFSR_DT_* */
	u8 state; /* enum fill_link_state */
};

enum fill_link_state {
	FILL_LINK_OPEN, /* its node is not complete */
	FILL_LINK_SPOOLED, /* complete, the link count is not */
	FILL_LINK_DONE, /* handed to the writer */
};

struct fill_links {
	struct fill_link *slot;
	size_t nr, room; /* room: a power of two, or 0 */
	int fd; /* spool, -1: none yet */
	u64 end; /* bytes in the spool */
	u8 *buf; /* end of the spool, not yet in the file */
	u32 buffered;
};

struct fill_pipe {
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	struct fill_job *head, *tail; /* for the workers; lock */
	bool stop; /* lock */
	pthread_t thread[FILL_MAX_THREADS];
	unsigned int nr_threads;
	struct vfsr_route_opts data, meta;
	/* the rest belongs to the caller's thread */
	struct fill_job *flight[FILL_FLIGHT]; /* ring */
	unsigned int first, nr;
	struct fill_job *todo, *todo_tail; /* submitted while pumping */
	bool pumping;
	struct fill_job *free;
};

/* Finished data chunks; the oldest first. */
struct fill_window {
	struct fill_job *job[FILL_WINDOW];
	unsigned int nr;
};

struct fill_packs {
	struct fill_job *job[FILL_PACKS]; /* used last: first */
	unsigned int nr;
	u8 *seen; /* how often a class was met, by hash */
};

/* An open directory. */
struct fill_dir;

struct fill {
	struct vfsr_writer *w;
	struct vfsr_super *s;
	const struct vfsr_fill_opts *opts;
	struct vfsr_fill_stats *stats;
	struct vfsr_progress progress;
	u64 nr_inodes;
	u32 piece_max; /* longest piece of data */
	u32 pack_max; /* pieces below this share chunks */
	u32 cut_min; /* bytes of a stripe that are worth a cut */
	u32 xattr_max; /* longest value that surely fits a stripe */
	int err; /* the first fatal one */
	struct fill_pipe pipe;
	struct fill_window window;
	struct fill_packs packs;
	struct fill_links links;
	struct fill_job *batch; /* open batch of nodes */
	struct fill_file *files, *free_files;
	struct fill_extent *free_extents;
	/* the walk */
	struct fill_dir *dir; /* innermost */
	char *path; /* of the object at hand */
	size_t path_bytes, path_room;
	char *link_path; /* way to it for calls without a descriptor */
	u8 *scratch; /* names of attributes, directory blocks */
	u8 *value; /* an attribute's value, a link's target */
	u64 no_xattr_dev; /* host device without attributes */
	bool have_no_xattr_dev;
	bool shorter; /* the file at hand ended early */
};

#define FILL_SCRATCH_BYTES 65536u /* XATTR_LIST_MAX; a value's limit too */

/* Note the first fatal error; returns @err. */
int fill_fail(struct fill *f, int err);
/* Report one object that could not be taken, and count it. */
void fill_skip(struct fill *f, const char *what, int err);
/* Warn of an object that changed while it was read, and count it. */
void fill_changed(struct fill *f, const char *what);

/* --- fill_pipe.c --- */

int fill_pipe_start(struct fill *f);
void fill_pipe_stop(struct fill *f);
/* An unused job; NULL: no memory (f->err is set). */
struct fill_job *fill_job_get(struct fill *f, enum fill_job_kind kind);
void fill_job_put(struct fill *f, struct fill_job *job);
/* Hand a job over; it comes back to the fill_*_retire() of its kind. */
void fill_submit(struct fill *f, struct fill_job *job);
/* Wait for everything submitted and place it. */
void fill_drain(struct fill *f);

/* --- fill_place.c --- */

/* A finished chunk of file data wants its place. */
void fill_place(struct fill *f, struct fill_job *job);
/* Place all that is in the window. */
void fill_place_all(struct fill *f);

/* --- fill_tree.c --- */

void fill_tree_begin(struct fill_tree *t, u64 ino, const struct vfsr_inode *in);
/* Append an item behind all others. */
void fill_tree_append(struct fill *f, struct fill_tree *t, struct vfsr_key key,
		      const void *value, u32 bytes);
/* Write all nodes but the root, which is complete then. */
void fill_tree_finish(struct fill *f, struct fill_tree *t,
		      const struct vfsr_inode *in);
void fill_tree_release(struct fill_tree *t);
/* Store a node. */
void fill_node_add(struct fill *f, u8 kind, u64 id, u64 owner, const u8 *node);
/* Submit the open batch. */
void fill_node_flush(struct fill *f);
void fill_nodes_retire(struct fill *f, struct fill_job *job);

/* --- fill_pack.c --- */

/*
 * Room for a piece in a pack for files of this name; the caller reads the
 * data there and then calls fill_pack_add() or just leaves it.
 */
u8 *fill_pack_room(struct fill *f, const char *name, u32 bytes);
/* The piece is there: returns its chunk id, and the offset in it. */
u64 fill_pack_add(struct fill *f, u32 bytes, u64 owner, u64 pos, u32 *offset);
void fill_pack_flush(struct fill *f);
void fill_pack_release(struct fill *f);

/* --- fill_xattr.c --- */

/*
 * Read all attributes of an object: of @fd, or if it is -1 of the link
 * path. Large values become chunks of @owner.
 */
void fill_xattr_read(struct fill *f, int fd, const struct stat *st, u64 owner,
		     struct fill_xattrs *x);
/* Append them to a tree and free them. */
void fill_xattr_append(struct fill *f, struct fill_xattrs *x,
		       struct fill_tree *t);
void fill_xattr_release(struct fill_xattrs *x);

/* --- fill_file.c --- */

/* Header fields from the host's. */
void fill_inode_set(struct vfsr_inode *in, const struct stat *st, u64 parent);
/*
 * Take an object that is no directory: give it an id (or find that of another
 * name of it), and write it. Returns the id, 0 if it was skipped.
 */
u64 fill_file_add(struct fill *f, int dirfd, const char *name, u64 parent,
		  const struct stat *st, int fd);
/* The chunk of an extent keeps only its first @bytes; the rest gets id @rest. */
struct fill_extent *fill_file_cut(struct fill *f, struct fill_file *file,
				  struct fill_extent *ext, u32 bytes, u64 rest);
/* The chunk of an extent is final. */
void fill_file_placed(struct fill *f, struct fill_file *file,
		      struct fill_extent *ext);
void fill_file_release(struct fill *f);

/* --- fill_link.c --- */

/* One more name of an inode; NULL if it is new, or to be taken as new. */
struct fill_link *fill_link_seen(struct fill *f, const struct stat *st);
void fill_link_new(struct fill *f, const struct stat *st, u64 id);
/* The root node of an inode in the table is complete. */
void fill_link_complete(struct fill *f, u64 dev, u64 host_ino, u8 *root);
/* Write all inodes whose other names are not in the tree. */
void fill_link_finish(struct fill *f);
void fill_link_release(struct fill *f);

/* --- fill_dir.c, fill_walk.c --- */

/* Name @i of a directory, in bytewise order. */
struct fill_name {
	const char *text; /* terminated */
	unsigned int type; /* VFSR_DT_*, 0: unknown */
};

struct fill_dir {
	struct fill_dir *up;
	int fd; /* -1: closed to spare descriptors */
	u64 id;
	struct vfsr_inode in;
	u64 dev, host_ino;
	size_t path_bytes; /* of the path up to here */
	u8 *names; /* records: id, type, length, name, NUL */
	size_t used, room;
	size_t *order; /* records in bytewise order */
	size_t nr, nr_room;
	size_t next; /* name that the walk takes next */
	struct fill_xattrs xattrs;
};

/* Read all names. 0 or a negative errno, about this directory alone. */
int fill_dir_read(struct fill *f, struct fill_dir *d);
void fill_dir_name(const struct fill_dir *d, size_t i, struct fill_name *out);
/* What the name leads to; id 0: leave it out. */
void fill_dir_set(struct fill_dir *d, size_t i, u64 id, unsigned int type);
/* Write the inode. */
void fill_dir_finish(struct fill *f, struct fill_dir *d);
void fill_dir_free(struct fill_dir *d);

/* The whole tree below opts->rootdir. */
void fill_walk(struct fill *f);
void fill_walk_release(struct fill *f);

#endif
