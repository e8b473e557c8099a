// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is lost in the pool, and what the target refused.
 *
 * Losses go to stderr as "lost: PATH: bytes A-B" (both inclusive) or
 * "lost: PATH: WHAT", all of them; and into a list for JSON, which has a bound.
 * Errors of the target are printed up to a number, then counted.
 */
#include <stdlib.h>
#include <unistd.h>

#include "lib/restore_impl.h"

#define LIST_MAX 262144u /* entries of the JSON list */

/* With report_lock held. */
static void list_add(struct vfsr_restore *rs, const char *path,
		     const char *what, const struct vfsr_range *r)
{
	struct json_object *list = rs->st->lost, *o;

	if (json_object_array_length(list) >= LIST_MAX) {
		rs->st->lost_cut = true;
		return;
	}
	o = json_object_new_object();
	json_object_object_add(o, "path", json_object_new_string(path));
	json_object_object_add(o, "what", json_object_new_string(what));
	if (r) {
		json_object_object_add(o, "offset",
				       json_object_new_uint64(r->from));
		json_object_object_add(o, "bytes",
				       json_object_new_uint64(r->to - r->from));
	}
	json_object_array_add(list, o);
}

/* A progress line may stand on the terminal: begin with a clear one. */
static const char *clear_line(void)
{
	return isatty(2) ? "\r\033[K" : "";
}

void vfsr_rlost_thing(struct vfsr_restore *rs, const struct vfsr_rdir *d,
		      const char *name, const char *what)
{
	char *path = vfsr_rdir_path(d, name);

	pthread_mutex_lock(&rs->report_lock);
	rs->st->lost_names++;
	fprintf(stderr, "%slost: %s: %s\n", clear_line(), path, what);
	list_add(rs, path, what, NULL);
	pthread_mutex_unlock(&rs->report_lock);
	free(path);
}

static int by_offset(const void *a, const void *b)
{
	const struct vfsr_range *x = a, *y = b;

	return x->from < y->from ? -1 : x->from > y->from;
}

/* Merge neighbours and overlaps in place; returns how many are left. */
static u32 merge(struct vfsr_range *r, u32 nr)
{
	u32 i, out = 0;

	for (i = 0; i < nr; i++) {
		if (out && r[i].from <= r[out - 1].to) {
			r[out - 1].to = max_t(u64, r[out - 1].to, r[i].to);
			continue;
		}
		r[out++] = r[i];
	}
	return out;
}

void vfsr_rlost_ranges(struct vfsr_restore *rs, struct vfsr_rfile *f)
{
	char *path;
	u32 i;

	if (f->xattrs_lost)
		vfsr_rlost_thing(rs, f->dir, f->name, "attributes");
	if (!f->nr_lost)
		return;
	qsort(f->lost, f->nr_lost, sizeof(*f->lost), by_offset);
	f->nr_lost = merge(f->lost, f->nr_lost);
	path = vfsr_rdir_path(f->dir, f->name);
	pthread_mutex_lock(&rs->report_lock);
	rs->st->lost_files++;
	for (i = 0; i < f->nr_lost; i++) {
		const struct vfsr_range *r = &f->lost[i];

		rs->st->lost_ranges++;
		rs->st->lost_bytes += r->to - r->from;
		fprintf(stderr, "%slost: %s: bytes %llu-%llu\n", clear_line(),
			path, (unsigned long long)r->from,
			(unsigned long long)r->to - 1);
		list_add(rs, path, "bytes", r);
	}
	pthread_mutex_unlock(&rs->report_lock);
	free(path);
}

void vfsr_rerror(struct vfsr_restore *rs, const struct vfsr_rdir *d,
		 const char *name, const char *what, int err)
{
	const char *advice = "";
	char *path;

	pthread_mutex_lock(&rs->report_lock);
	rs->st->errors++;
	if (rs->nr_messages++ >= VFSR_RESTORE_MESSAGES && !vfsr_verbose) {
		pthread_mutex_unlock(&rs->report_lock);
		return;
	}
	pthread_mutex_unlock(&rs->report_lock);
	if (err == -EEXIST)
		advice = "; --overwrite replaces existing files";
	else if (err == -EPERM && !rs->privileged)
		advice = "; run as root";
	else if (err == -EACCES)
		advice = "; name a directory that you may write to";
	else if (err == -ENOSPC || err == -EDQUOT)
		advice = "; free some space, or restore to another place";
	path = vfsr_rdir_path(d, name);
	vfsr_error("%s: cannot restore %s: %s: %s%s", rs->opts->to, path, what,
		   strerror(-err), advice);
	free(path);
}

bool vfsr_rerror_fatal(struct vfsr_restore *rs, int err)
{
	int none = 0;

	switch (err) {
	case -ENOSPC:
	case -EDQUOT:
	case -EROFS:
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
		atomic_compare_exchange_strong(&rs->fatal, &none, err);
		return true;
	default:
		return false;
	}
}
