// SPDX-License-Identifier: GPL-2.0-only
/*
 * PATH arguments, and the contents of one file on a descriptor.
 *
 * A PATH is looked up in the pool component by component; symlinks in it are
 * not followed, "." and slashes are passed over, ".." is refused.
 */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/restore_impl.h"

void vfsr_rtarget_release(struct vfsr_rtarget *t)
{
	free(t->before);
	free(t->name);
	memset(t, 0, sizeof(*t));
}

/* Why a component could not be found, in words. */
static int say_why(const char *path, const char *name, u32 bytes, u8 type,
		   int err)
{
	char *part = vfsr_name_text(name, bytes);

	if (type == VFSR_DT_LNK)
		vfsr_error(
			"%s: there is a symbolic link before '%s', which is not followed; name the file by its own path",
			path, part);
	else if (type != VFSR_DT_DIR)
		vfsr_error("%s: what is before '%s' is not a directory", path,
			   part);
	else if (err == -ENOENT)
		vfsr_error(
			"%s: '%s' is not in the pool; 'vfsr inspect' looks into it (devices are named before --to)",
			path, part);
	else
		vfsr_error("%s: cannot look up '%s': %s", path, part,
			   strerror(-err));
	free(part);
	return type == VFSR_DT_DIR ? err : -ENOTDIR;
}

/* Append "/component" to the path before the last one. */
static int extend(struct vfsr_rtarget *t)
{
	size_t old = strlen(t->before), more = strlen(t->name);
	char *joined;

	if (!more)
		return 0;
	joined = realloc(t->before, old + more + 2);
	if (!joined)
		return -ENOMEM;
	joined[old] = '/';
	memcpy(joined + old + 1, t->name, more + 1);
	t->before = joined;
	return 0;
}

/* Go one component down from what @t is. */
static int step(struct vfsr_tree *tree, const char *path, const char *name,
		u32 bytes, struct vfsr_rtarget *t)
{
	const u8 *key = tree->pool->super->hash_key;
	struct vfsr_inode in;
	char *copy;
	int err;

	if (t->type != VFSR_DT_DIR)
		return say_why(path, name, bytes, t->type, -ENOTDIR);
	if (bytes > VFSR_NAME_MAX)
		return say_why(path, name, bytes, t->type, -ENAMETOOLONG);
	err = vfsr_tree_seek(tree, t->ino, &in);
	if (!err && !S_ISDIR(in.mode))
		err = -EUCLEAN;
	if (!err)
		err = vfsr_dir_lookup(&tree->bt, key, (const u8 *)name, bytes,
				      NULL, &t->ino, &t->type);
	if (err)
		return say_why(path, name, bytes, VFSR_DT_DIR, err);
	copy = strndup(name, bytes);
	if (!copy || extend(t)) {
		free(copy);
		return -ENOMEM;
	}
	free(t->name);
	t->name = copy;
	return 0;
}

int vfsr_rtarget_find(struct vfsr_pool *p, struct vfsr_ws *ws, const char *path,
		      struct vfsr_rtarget *out)
{
	struct vfsr_tree tree;
	const char *at = path;
	int err;

	out->ino = VFSR_ROOT_INO;
	out->type = VFSR_DT_DIR;
	out->before = strdup("");
	out->name = strdup("");
	err = out->before && out->name ? vfsr_tree_init(&tree, p, ws) : -ENOMEM;
	if (err)
		return err;
	while (*at && !err) {
		size_t bytes = strcspn(at, "/");

		if (bytes == 2 && !memcmp(at, "..", 2)) {
			vfsr_error("%s: '..' is not allowed in a path", path);
			err = -EINVAL;
		} else if (bytes && !(bytes == 1 && *at == '.')) {
			err = step(&tree, path, at,
				   (u32)min_t(size_t, bytes, UINT_MAX), out);
		}
		at += bytes;
		at += strspn(at, "/");
	}
	vfsr_tree_release(&tree);
	return err;
}

/* The inode of a PATH, if it is a regular file. */
static int open_regular(struct vfsr_rworker *w, const char *path,
			const struct vfsr_rtarget *t, struct vfsr_inode *in)
{
	int err;

	err = vfsr_iter_open(&w->iter, t->ino, in);
	if (err) {
		vfsr_error("%s: its inode is lost", path);
		return err;
	}
	if (!S_ISREG(in->mode)) {
		vfsr_error("%s: only regular files go to standard output",
			   path);
		return -EINVAL;
	}
	return 0;
}

int vfsr_restore_cat(struct vfsr_pool *p, const char *path, int fd,
		     struct vfsr_restore_stats *st)
{
	const struct vfsr_restore_opts opts = { .threads = 1 };
	struct vfsr_rtarget t = { 0 };
	struct vfsr_rdir *top = NULL;
	struct vfsr_restore rs;
	struct vfsr_rworker *w;
	struct vfsr_inode in;
	struct vfsr_rfile f;
	int err;

	err = vfsr_restore_begin(&rs, p, &opts, st);
	if (err) {
		vfsr_error("out of memory");
		goto out;
	}
	w = &rs.worker[0];
	err = vfsr_rtarget_find(p, w->ws, path, &t);
	if (!err)
		err = open_regular(w, path, &t, &in);
	if (err)
		goto out;
	top = vfsr_rdir_new(NULL, t.before, strlen(t.before), 0);
	if (!top) {
		err = -ENOMEM;
		goto out;
	}
	vfsr_rfile_init(&f, top, t.name, t.ino, in.size, fd);
	f.stream = true;
	err = vfsr_rfile_write(w, &f);
	if (err)
		vfsr_error("%s: cannot write it out: %s", path, strerror(-err));
	vfsr_rlost_ranges(&rs, &f);
	rs.files = !err;
	vfsr_rfile_release(&f);
	vfsr_rdir_put(&rs, top);
out:
	vfsr_rtarget_release(&t);
	vfsr_restore_end(&rs);
	return err;
}
