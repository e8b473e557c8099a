// SPDX-License-Identifier: GPL-2.0-only
/*
 * The run: threads, the queue between them, and the walk over directories.
 *
 * The calling thread walks. It takes a directory from a stack, makes it, and
 * sorts its names by inode, which is nearly the order of the data: files go to
 * the queue in batches, directories to the stack. No recursion, and a bound on
 * depth; a directory that is met twice (a loop, or a hard link to a directory)
 * is reported and passed over, so every walk ends. Memory is bounded by the
 * window of names, the queue, and a record per directory that has work left.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "lib/restore_impl.h"

#define WINDOW_NAMES 32768u /* names sorted together */
#define BATCH_NAMES 64u /* files a worker gets at a time */
#define QUEUE_MAX 256u /* batches */
#define TICK_NS 250000000 /* between looks at the progress */
#define FIRST_SEEN 4096u

/* Set of directories met; open addressing, 0: free. */
struct seen {
	u64 *slot;
	size_t nr_slots, nr;
};

/* A part of a directory's names. */
struct window {
	struct vfsr_rname name[WINDOW_NAMES];
	u32 nr;
	char text[WINDOW_NAMES * (VFSR_NAME_MAX + 1)];
	u32 used;
};

/* A directory to be walked. */
struct todo {
	struct todo *next;
	struct vfsr_rdir *dir;
};

struct walk {
	struct vfsr_restore *rs;
	struct vfsr_rworker *w;
	struct window *win;
	struct seen seen;
	struct todo *todo;
};

/* --- workers --- */

int vfsr_rworker_init(struct vfsr_rworker *w, struct vfsr_restore *rs)
{
	memset(w, 0, sizeof(*w));
	w->rs = rs;
	w->ws = vfsr_ws_new();
	w->chunk = aligned_alloc(64, VFSR_CHUNK_BYTES);
	vfsr_iter_init(&w->iter, rs->pool, w->ws);
	return w->ws && w->chunk ? 0 : -ENOMEM;
}

void vfsr_rworker_release(struct vfsr_rworker *w)
{
	vfsr_iter_release(&w->iter);
	vfsr_rmeta_release(&w->meta);
	if (w->ws)
		vfsr_ws_free(w->ws);
	free(w->chunk);
}

static void batch_free(struct vfsr_restore *rs, struct vfsr_rbatch *b)
{
	vfsr_rdir_put(rs, b->dir);
	free(b->names);
	free(b);
}

static void run_batch(struct vfsr_rworker *w, struct vfsr_rbatch *b)
{
	struct vfsr_restore *rs = w->rs;
	int fd = vfsr_rdir_pin(rs, b->dir);
	u32 i;

	if (fd < 0) {
		vfsr_rerror_fatal(rs, fd);
		vfsr_rerror(rs, b->dir, NULL, "open", fd);
	}
	for (i = 0; fd >= 0 && i < b->nr && !atomic_load(&rs->fatal); i++)
		vfsr_restore_name(w, b->dir, fd, &b->name[i],
				  b->names + b->name[i].name);
	if (fd >= 0)
		vfsr_rdir_unpin(rs, b->dir);
	batch_free(rs, b);
}

/* With rs->lock held: is everything done and nothing more to come? */
static bool all_done(const struct vfsr_restore *rs)
{
	return rs->closing && !rs->head && !rs->nr_active;
}

static struct vfsr_rbatch *dequeue(struct vfsr_restore *rs)
{
	struct vfsr_rbatch *b = rs->head;

	rs->head = b->next;
	if (!rs->head)
		rs->tail = &rs->head;
	rs->nr_queued--;
	rs->nr_active++;
	pthread_cond_broadcast(&rs->room);
	return b;
}

static void *worker_main(void *arg)
{
	struct vfsr_rworker *w = arg;
	struct vfsr_restore *rs = w->rs;

	pthread_mutex_lock(&rs->lock);
	for (;;) {
		struct vfsr_rfile *f = rs->want_help;

		if (rs->head) {
			struct vfsr_rbatch *b = dequeue(rs);

			pthread_mutex_unlock(&rs->lock);
			run_batch(w, b);
			pthread_mutex_lock(&rs->lock);
			rs->nr_active--;
			pthread_cond_broadcast(&rs->room);
			if (all_done(rs))
				pthread_cond_broadcast(&rs->work);
			continue;
		}
		while (f && f->exhausted)
			f = f->next;
		if (f) {
			f->helpers++;
			pthread_mutex_unlock(&rs->lock);
			vfsr_rfile_help(w, f);
			pthread_mutex_lock(&rs->lock);
			f->exhausted = true;
			f->helpers--;
			pthread_cond_broadcast(&rs->helped);
			continue;
		}
		if (all_done(rs))
			break;
		pthread_cond_wait(&rs->work, &rs->lock);
	}
	pthread_mutex_unlock(&rs->lock);
	return NULL;
}

/* With rs->lock held: wait for a change, and show how far it got. */
static void wait_tick(struct vfsr_restore *rs)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += TICK_NS;
	if (t.tv_nsec >= (long)VFSR_NSEC_PER_SEC) {
		t.tv_nsec -= VFSR_NSEC_PER_SEC;
		t.tv_sec++;
	}
	pthread_cond_timedwait(&rs->room, &rs->lock, &t);
	vfsr_progress_set(&rs->progress, atomic_load(&rs->data_bytes));
}

static void enqueue(struct vfsr_restore *rs, struct vfsr_rbatch *b)
{
	pthread_mutex_lock(&rs->lock);
	while (rs->nr_queued >= QUEUE_MAX)
		wait_tick(rs);
	b->next = NULL;
	*rs->tail = b;
	rs->tail = &b->next;
	rs->nr_queued++;
	pthread_cond_signal(&rs->work);
	pthread_mutex_unlock(&rs->lock);
}

static void drain(struct vfsr_restore *rs)
{
	pthread_mutex_lock(&rs->lock);
	while (rs->head || rs->nr_active)
		wait_tick(rs);
	pthread_mutex_unlock(&rs->lock);
}

/* --- the walk --- */

/* Return: 1 if it is new, 0 if it was there, -ENOMEM. */
static int seen_add(struct seen *s, u64 ino)
{
	size_t i;

	if (s->nr * 2 >= s->nr_slots) {
		struct seen more = { .nr_slots = s->nr_slots * 2 };

		if (!more.nr_slots)
			more.nr_slots = FIRST_SEEN;
		more.slot = calloc(more.nr_slots, sizeof(u64));
		if (!more.slot)
			return -ENOMEM;
		for (i = 0; i < s->nr_slots; i++)
			if (s->slot[i])
				seen_add(&more, s->slot[i]);
		free(s->slot);
		*s = more;
	}
	if (!s->nr_slots)
		return -ENOMEM;
	/* ids are dense: neighbours land in neighbouring slots */
	i = ino % s->nr_slots;
	while (s->slot[i] && s->slot[i] != ino)
		i = (i + 1) % s->nr_slots;
	if (s->slot[i])
		return 0;
	s->slot[i] = ino;
	s->nr++;
	return 1;
}

static void give_up(struct vfsr_restore *rs, const struct vfsr_rdir *d,
		    const char *what, int err)
{
	vfsr_rerror_fatal(rs, err);
	vfsr_rerror(rs, d, NULL, what, err);
}

static void push_dir(struct walk *k, struct vfsr_rdir *parent, const char *name,
		     u8 name_bytes, u64 ino)
{
	struct todo *t = malloc(sizeof(*t));
	struct vfsr_rdir *d = vfsr_rdir_new(parent, name, name_bytes, ino);

	if (!t || !d) {
		give_up(k->rs, parent, "directory", -ENOMEM);
		free(t);
		if (d)
			vfsr_rdir_put(k->rs, d);
		return;
	}
	t->dir = d;
	t->next = k->todo;
	k->todo = t;
}

static void push_batch(struct walk *k, struct vfsr_rdir *d,
		       const struct vfsr_rname *n, u32 nr, const char *text)
{
	struct vfsr_rbatch *b = malloc(sizeof(*b) + nr * sizeof(*n));
	u32 i, bytes = 0;

	for (i = 0; i < nr; i++)
		bytes += n[i].name_bytes + 1u;
	if (b)
		b->names = malloc(bytes);
	if (!b || !b->names) {
		give_up(k->rs, d, "files", -ENOMEM);
		free(b);
		return;
	}
	b->dir = vfsr_rdir_get(d);
	b->nr = nr;
	bytes = 0;
	for (i = 0; i < nr; i++) {
		b->name[i] = n[i];
		b->name[i].name = bytes;
		memcpy(b->names + bytes, text + n[i].name,
		       n[i].name_bytes + 1u);
		bytes += n[i].name_bytes + 1u;
	}
	enqueue(k->rs, b);
}

/* Files before directories, each by inode. */
static int by_inode(const void *a, const void *b)
{
	const struct vfsr_rname *x = a, *y = b;
	bool xd = x->type == VFSR_DT_DIR, yd = y->type == VFSR_DT_DIR;

	if (xd != yd)
		return xd ? 1 : -1;
	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

static void flush_window(struct walk *k, struct vfsr_rdir *d)
{
	struct window *win = k->win;
	u32 files = 0, i;

	qsort(win->name, win->nr, sizeof(win->name[0]), by_inode);
	while (files < win->nr && win->name[files].type != VFSR_DT_DIR)
		files++;
	/* a stack: what comes last is walked first */
	for (i = win->nr; i-- > files;)
		push_dir(k, d, win->text + win->name[i].name,
			 win->name[i].name_bytes, win->name[i].ino);
	for (i = 0; i < files; i += BATCH_NAMES)
		push_batch(k, d, &win->name[i],
			   min_t(u32, files - i, BATCH_NAMES), win->text);
	win->nr = 0;
	win->used = 0;
}

static void take_name(struct walk *k, struct vfsr_rdir *d,
		      const struct vfsr_dirent *e)
{
	struct window *win = k->win;
	struct vfsr_rname *n;

	if (win->nr == WINDOW_NAMES)
		flush_window(k, d);
	n = &win->name[win->nr++];
	n->ino = e->ino;
	n->type = e->type;
	n->name_bytes = e->name_bytes;
	n->name = win->used;
	memcpy(win->text + win->used, e->name, e->name_bytes);
	win->used += e->name_bytes;
	win->text[win->used++] = '\0';
}

/* All names of the directory that the iterator has open. */
static void walk_names(struct walk *k, struct vfsr_rdir *d)
{
	struct vfsr_iter *it = &k->w->iter;
	struct vfsr_item item;
	bool lost = false;
	int err;

	vfsr_iter_seek(it, (struct vfsr_key){ VFSR_ITEM_DIRENT, 0 });
	while (!atomic_load(&k->rs->fatal)) {
		struct vfsr_fault f = { 0 };
		struct vfsr_dirent e;

		err = vfsr_iter_next(it, &item);
		if (err == -ENOENT ||
		    (!err && item.key.type != VFSR_ITEM_DIRENT))
			break;
		if (err == -ENOMEM) {
			give_up(k->rs, d, "read", err);
			break;
		}
		if (!err &&
		    vfsr_dirent_decode(item.value, item.bytes, &e, &f)) {
			vfsr_complain(k->rs->pool->name, -1, 0, d->ino, &f);
			err = -EUCLEAN;
		}
		if (err)
			lost = true;
		else
			take_name(k, d, &e);
	}
	flush_window(k, d);
	if (lost)
		vfsr_rlost_thing(k->rs, d, NULL, "some names");
}

/* Open the inode and see that it is a directory that was not met before. */
static int open_dir(struct walk *k, struct vfsr_rdir *d, struct vfsr_inode *in)
{
	struct vfsr_fault f = { VFSR_REASON_LOOP, d->ino, 0, 0 };
	int err;

	if (d->depth > VFSR_RESTORE_MAX_DEPTH) {
		vfsr_rlost_thing(k->rs, d, NULL,
				 "directory (nested too deeply)");
		return -EUCLEAN;
	}
	err = seen_add(&k->seen, d->ino);
	if (err < 0) {
		give_up(k->rs, d, "directory", err);
		return err;
	}
	if (!err) {
		vfsr_complain(k->rs->pool->name, -1, 0, d->ino, &f);
		vfsr_rlost_thing(k->rs, d, NULL,
				 "directory (the same as another)");
		return -EUCLEAN;
	}
	err = vfsr_iter_open(&k->w->iter, d->ino, in);
	if (!err && !S_ISDIR(in->mode)) {
		f = (struct vfsr_fault){ VFSR_REASON_DIRENT, VFSR_DT_DIR,
					 in->mode >> VFSR_MODE_TYPE_SHIFT, 0 };
		vfsr_complain(k->rs->pool->name, -1, 0, d->ino, &f);
		err = -EUCLEAN;
	}
	if (err == -ENOMEM)
		give_up(k->rs, d, "read", err);
	else if (err)
		vfsr_rlost_thing(k->rs, d, NULL, "directory with all below it");
	return err;
}

static void walk_dir(struct walk *k, struct vfsr_rdir *d)
{
	struct vfsr_inode in;
	int err;

	if (open_dir(k, d, &in))
		return;
	if (!d->made) {
		err = vfsr_rdir_make(k->rs, d);
		if (err) {
			give_up(k->rs, d, "create directory", err);
			return;
		}
	}
	vfsr_rmeta_take(&d->meta, &in);
	err = vfsr_rmeta_collect(k->w, &k->w->iter, &d->meta);
	if (err < 0)
		give_up(k->rs, d, "read", err);
	else if (err)
		vfsr_rlost_thing(k->rs, d, NULL, "attributes");
	atomic_fetch_add(&k->rs->dirs, 1);
	walk_names(k, d);
}

static void walk_all(struct walk *k)
{
	while (k->todo) {
		struct todo *t = k->todo;

		k->todo = t->next;
		if (!atomic_load(&k->rs->fatal))
			walk_dir(k, t->dir);
		vfsr_rdir_put(k->rs, t->dir);
		free(t);
		vfsr_progress_set(&k->rs->progress,
				  atomic_load(&k->rs->data_bytes));
	}
}

/* Names that came while their inode was being made. Nothing else runs now. */
static void link_later(struct walk *k)
{
	struct vfsr_rlater *l = k->rs->later, *next;

	k->rs->later = NULL;
	for (; l; l = next) {
		struct vfsr_rname n = { .ino = l->ino, .type = l->type };
		int fd = vfsr_rdir_pin(k->rs, l->dir);

		next = l->next;
		if (fd < 0) {
			give_up(k->rs, l->dir, "open", fd);
		} else {
			if (!atomic_load(&k->rs->fatal))
				vfsr_restore_name(k->w, l->dir, fd, &n,
						  l->name);
			vfsr_rdir_unpin(k->rs, l->dir);
		}
		vfsr_rdir_put(k->rs, l->dir);
		free(l);
	}
}

/* One PATH: a top directory with its own descriptor of the target. */
static int run_target(struct walk *k, int fd, const struct vfsr_rtarget *t)
{
	bool whole = !*t->name;
	struct vfsr_rdir *top;

	top = vfsr_rdir_new(NULL, t->before, strlen(t->before),
			    whole ? t->ino : 0);
	if (!top)
		return -ENOMEM;
	top->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	top->made = true;
	if (top->fd < 0) {
		vfsr_error("%s: %s", k->rs->opts->to, strerror(errno));
		vfsr_rdir_put(k->rs, top);
		return -EMFILE;
	}
	if (whole) {
		walk_dir(k, top);
	} else if (t->type == VFSR_DT_DIR) {
		push_dir(k, top, t->name, (u8)strlen(t->name), t->ino);
	} else {
		struct vfsr_rname n = {
			.ino = t->ino,
			.type = t->type,
			.name_bytes = (u8)strlen(t->name),
		};

		push_batch(k, top, &n, 1, t->name);
	}
	walk_all(k);
	drain(k->rs);
	link_later(k);
	vfsr_rdir_put(k->rs, top);
	/* another PATH may lie within this one: that is no loop */
	free(k->seen.slot);
	k->seen = (struct seen){ 0 };
	return atomic_load(&k->rs->fatal);
}

/* --- the run --- */

int vfsr_restore_begin(struct vfsr_restore *rs, struct vfsr_pool *p,
		       const struct vfsr_restore_opts *opts,
		       struct vfsr_restore_stats *st)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned int i;

	memset(rs, 0, sizeof(*rs));
	memset(st, 0, sizeof(*st));
	st->lost = json_object_new_array();
	rs->pool = p;
	rs->opts = opts;
	rs->st = st;
	rs->euid = geteuid();
	rs->egid = getegid();
	rs->privileged = !rs->euid;
	pthread_mutex_init(&rs->dir_lock, NULL);
	pthread_mutex_init(&rs->lock, NULL);
	pthread_mutex_init(&rs->report_lock, NULL);
	pthread_cond_init(&rs->work, NULL);
	pthread_cond_init(&rs->room, NULL);
	pthread_cond_init(&rs->helped, NULL);
	rs->tail = &rs->head;
	rs->nr_workers = opts->threads;
	if (!rs->nr_workers)
		rs->nr_workers = cpus < 1 ? 1 : (unsigned int)cpus;
	rs->nr_workers =
		min_t(unsigned int, rs->nr_workers, VFSR_RESTORE_MAX_THREADS);
	rs->cache = vfsr_rcache_new();
	rs->links = vfsr_rlinks_new();
	rs->worker = calloc(rs->nr_workers + 1, sizeof(*rs->worker));
	if (!rs->cache || !rs->links || !rs->worker)
		return -ENOMEM;
	for (i = 0; i <= rs->nr_workers; i++)
		if (vfsr_rworker_init(&rs->worker[i], rs))
			return -ENOMEM;
	return 0;
}

void vfsr_restore_end(struct vfsr_restore *rs)
{
	struct vfsr_restore_stats *st = rs->st;
	unsigned int i;

	for (i = 0; rs->worker && i <= rs->nr_workers; i++)
		vfsr_rworker_release(&rs->worker[i]);
	free(rs->worker);
	/* gives directories of unfinished links their attributes */
	vfsr_rlinks_free(rs, rs->links);
	vfsr_rcache_free(rs->cache);
	pthread_mutex_destroy(&rs->dir_lock);
	pthread_mutex_destroy(&rs->lock);
	pthread_mutex_destroy(&rs->report_lock);
	pthread_cond_destroy(&rs->work);
	pthread_cond_destroy(&rs->room);
	pthread_cond_destroy(&rs->helped);
	st->files = rs->files;
	st->dirs = rs->dirs;
	st->symlinks = rs->symlinks;
	st->specials = rs->specials;
	st->hardlinks = rs->hardlinks;
	st->xattrs = rs->xattrs;
	st->data_bytes = rs->data_bytes;
	st->owners_skipped = rs->owners_skipped;
	st->xattrs_skipped = rs->xattrs_skipped;
}

static int start_workers(struct vfsr_restore *rs)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < rs->nr_workers && !err; i++)
		err = -pthread_create(&rs->worker[i].thread, NULL, worker_main,
				      &rs->worker[i]);
	if (!err)
		return 0;
	/* fewer threads do as well */
	if (i > 1) {
		unsigned int j;

		for (j = i; j <= rs->nr_workers; j++)
			vfsr_rworker_release(&rs->worker[j]);
		rs->nr_workers = i - 1;
		return 0;
	}
	vfsr_error("cannot start a thread: %s", strerror(-err));
	return err;
}

static void stop_workers(struct vfsr_restore *rs)
{
	unsigned int i;

	pthread_mutex_lock(&rs->lock);
	rs->closing = true;
	pthread_cond_broadcast(&rs->work);
	pthread_mutex_unlock(&rs->lock);
	for (i = 0; i < rs->nr_workers; i++)
		pthread_join(rs->worker[i].thread, NULL);
}

/* Make or take the target. Return: descriptor or a negative errno, reported. */
static int open_to(struct vfsr_restore *rs)
{
	const char *to = rs->opts->to;
	struct stat st;
	int fd, err;

	if (mkdir(to, 0777) && errno != EEXIST) {
		err = -errno;
		vfsr_error("%s: cannot make the directory: %s", to,
			   strerror(-err));
		return err;
	}
	fd = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		err = -errno;
		vfsr_error("%s: %s; --to names a directory, or - for stdout",
			   to, strerror(-err));
		return err;
	}
	rs->inherits = (!fstat(fd, &st) && st.st_mode & S_ISGID) ||
		       fgetxattr(fd, "system.posix_acl_default", NULL, 0) > 0;
	return fd;
}

static int run_paths(struct walk *k, int fd)
{
	static char *const all[] = { (char *)"/" };
	const struct vfsr_restore_opts *o = k->rs->opts;
	char *const *paths = o->nr_paths ? o->paths : all;
	unsigned int nr = o->nr_paths ? o->nr_paths : 1, i;
	struct vfsr_rtarget *t = calloc(nr, sizeof(*t));
	int err = t ? 0 : -ENOMEM;

	/* a name that is not there: say so before anything is written */
	for (i = 0; i < nr && !err; i++)
		err = vfsr_rtarget_find(k->rs->pool, k->w->ws, paths[i], &t[i]);
	for (i = 0; i < nr && !err; i++)
		err = run_target(k, fd, &t[i]);
	for (i = 0; i < nr && t; i++)
		vfsr_rtarget_release(&t[i]);
	free(t);
	return err;
}

int vfsr_restore(struct vfsr_pool *p, const struct vfsr_restore_opts *opts,
		 struct vfsr_restore_stats *st)
{
	mode_t mask;
	struct vfsr_restore rs;
	struct walk k = { .rs = &rs };
	int err, fd = -1;

	err = vfsr_restore_begin(&rs, p, opts, st);
	k.win = malloc(sizeof(*k.win));
	if (err || !k.win) {
		vfsr_error("out of memory");
		err = -ENOMEM;
		goto out;
	}
	k.win->nr = 0;
	k.win->used = 0;
	err = open_to(&rs);
	if (err < 0)
		goto out;
	fd = err;
	mask = umask(0);
	vfsr_progress_begin(&rs.progress, "restoring", p->super->logical_bytes);
	err = start_workers(&rs);
	if (!err) {
		k.w = &rs.worker[rs.nr_workers];
		err = run_paths(&k, fd);
		stop_workers(&rs);
	}
	vfsr_progress_end(&rs.progress);
	if (atomic_load(&rs.fatal))
		vfsr_error("given up: %s", strerror(-atomic_load(&rs.fatal)));
	/* what is left of hard links sets modes: before the mask returns */
	vfsr_restore_end(&rs);
	umask(mask);
	close(fd);
	free(k.win);
	free(k.seen.slot);
	return err;
out:
	vfsr_restore_end(&rs);
	free(k.win);
	return err;
}
