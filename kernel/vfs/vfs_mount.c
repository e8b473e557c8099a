// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mounting and remounting: options, and the superblock that belongs to a pool.
 *
 * A pool is one superblock, found by uuid, whichever member is named as the source.
 * Everything that is wrong is said through the fs_context, in sentences. Of
 * the options compression, discard and the commit interval may change by remount.
 */
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/slab.h>

#include "vfs/vfs.h"

#define COMMIT_SECONDS 15u
#define DEFAULT_LEVEL 1u
#define COMMIT_SECONDS_MAX 300u
#define PATHS_MAX (4u * VFSR_MAX_MEMBERS)

/* To the mount's own log; to the kernel's with a prefix, if there is none. */
#define complain(fc, fmt, ...)                                        \
	logfc((fc)->log.log, (fc)->log.log ? NULL : "vfsr", 'e', fmt, \
	      ##__VA_ARGS__)
#define invalid(fc, fmt, ...) (complain(fc, fmt, ##__VA_ARGS__), -EINVAL)

enum param {
	PARAM_DEVICE,
	PARAM_DEGRADED,
	PARAM_COMPRESS,
	PARAM_COMPRESS_KEEP,
	PARAM_COMMIT,
	PARAM_ACL,
	PARAM_FORCE,
	PARAM_DISCARD,
};

const struct fs_parameter_spec vfsr_mount_params[] = {
	fsparam_string("device", PARAM_DEVICE),
	fsparam_flag("degraded", PARAM_DEGRADED),
	fsparam_string("compress", PARAM_COMPRESS),
	fsparam_u32("compress_keep", PARAM_COMPRESS_KEEP),
	fsparam_u32("commit", PARAM_COMMIT),
	fsparam_flag("acl", PARAM_ACL),
	fsparam_flag("force", PARAM_FORCE),
	fsparam_flag_no("discard", PARAM_DISCARD),
	{}
};

/* What the options said; only what is set counts. */
struct mount_ctx {
	struct vfsr_opts opts;
	bool set_compress, set_keep, set_commit, set_discard, force;
	char **paths; /* PATHS_MAX, filled from the front */
	unsigned int nr_paths;
};

void vfsr_opts_default(const struct vfsr_super *super, struct vfsr_opts *o)
{
	*o = (struct vfsr_opts){
		.compress_alg = super->compress_alg,
		/* also without compression: files may have it by property */
		.compress_level = super->compress_level ?: DEFAULT_LEVEL,
		.compress_keep = super->compress_keep,
		.commit_seconds = COMMIT_SECONDS,
		.discard = true,
	};
}

static void opts_merge(const struct mount_ctx *m, struct vfsr_opts *o)
{
	if (m->set_compress) {
		WRITE_ONCE(o->compress_level, m->opts.compress_level);
		WRITE_ONCE(o->compress_alg, m->opts.compress_alg);
	}
	if (m->set_keep)
		WRITE_ONCE(o->compress_keep, m->opts.compress_keep);
	if (m->set_commit)
		o->commit_seconds = m->opts.commit_seconds;
	if (m->set_discard)
		o->discard = m->opts.discard;
}

/* Tell the layers below what concerns them. */
static void opts_apply(struct vfsr_sb *s)
{
	WRITE_ONCE(s->log->commit_seconds, s->opts.commit_seconds);
	WRITE_ONCE(s->grids->discard, s->opts.discard);
}

/* --- parsing --- */

static bool path_known(char *const *paths, unsigned int nr, const char *path)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (!strcmp(paths[i], path))
			return true;
	return false;
}

static int path_add(struct fs_context *fc, const char *path)
{
	struct mount_ctx *m = fc->fs_private;

	if (!*path)
		return invalid(fc, "device= needs the path of a block device");
	if (path_known(m->paths, m->nr_paths, path))
		return 0;
	if (m->nr_paths == PATHS_MAX)
		return invalid(fc, "more than %u devices are named", PATHS_MAX);
	m->paths[m->nr_paths] = kstrdup(path, GFP_KERNEL);
	if (!m->paths[m->nr_paths])
		return -ENOMEM;
	m->nr_paths++;
	return 0;
}

/* none, zlib, zlib:1 to zlib:9 */
static int parse_compress(struct fs_context *fc, const char *text)
{
	struct mount_ctx *m = fc->fs_private;
	u8 level = DEFAULT_LEVEL;

	if (!strcmp(text, "none")) {
		m->opts.compress_alg = VFSR_ALG_NONE;
		m->opts.compress_level = DEFAULT_LEVEL;
		m->set_compress = true;
		return 0;
	}
	if (strncmp(text, "zlib", 4) || (text[4] && text[4] != ':'))
		goto bad;
	if (text[4] &&
	    (kstrtou8(text + 5, 10, &level) || level < 1 || level > 9))
		goto bad;
	m->opts.compress_alg = VFSR_ALG_ZLIB;
	m->opts.compress_level = level;
	m->set_compress = true;
	return 0;
bad:
	return invalid(
		fc,
		"compress=%s: say none, zlib, or zlib:LEVEL with a level from 1 to 9",
		text);
}

static int parse_number(struct fs_context *fc, const char *key, u32 value,
			u32 max)
{
	if (value >= 1 && value <= max)
		return 0;
	return invalid(fc, "%s=%u: say a number from 1 to %u", key, value, max);
}

static int parse_param(struct fs_context *fc, struct fs_parameter *param)
{
	struct mount_ctx *m = fc->fs_private;
	struct fs_parse_result result;
	int opt = fs_parse(fc, vfsr_mount_params, param, &result);
	int err = 0;

	if (opt < 0)
		return opt;
	switch (opt) {
	case PARAM_DEVICE:
		return path_add(fc, param->string);
	case PARAM_DEGRADED:
		m->opts.degraded = true;
		break;
	case PARAM_COMPRESS:
		return parse_compress(fc, param->string);
	case PARAM_COMPRESS_KEEP:
		err = parse_number(fc, param->key, result.uint_32, 100);
		m->opts.compress_keep = (u8)result.uint_32;
		m->set_keep = !err;
		break;
	case PARAM_COMMIT:
		err = parse_number(fc, param->key, result.uint_32,
				   COMMIT_SECONDS_MAX);
		m->opts.commit_seconds = result.uint_32;
		m->set_commit = !err;
		break;
	case PARAM_FORCE:
		m->force = true;
		break;
	case PARAM_DISCARD:
		m->opts.discard = !result.negated;
		m->set_discard = true;
		break;
	default: /* acl: always on */
		break;
	}
	return err;
}

/* --- mounting --- */

static void say(void *ctx, const char *text)
{
	struct fs_context *fc = ctx;

	complain(fc, "%s", text);
}

static int test_super(struct super_block *sb, struct fs_context *fc)
{
	const struct vfsr_sb *have = vfsr_sb(sb);
	const struct vfsr_sb *want = fc->s_fs_info;

	return !memcmp(have->uuid, want->uuid, sizeof(want->uuid));
}

/* A struct vfsr_sb that knows its pool and its devices, in fc->s_fs_info. */
static int identify(struct fs_context *fc)
{
	struct mount_ctx *m = fc->fs_private;
	struct vfsr_sb *s;
	int err;

	if (!fc->source)
		return invalid(
			fc, "no device is named; name any member of the pool");
	err = path_add(fc, fc->source);
	if (err)
		return err;
	s = kzalloc(sizeof(*s), GFP_KERNEL);
	if (!s)
		return -ENOMEM;
	fc->s_fs_info = s;
	err = vfsr_pool_identify(fc->source, s->uuid);
	if (err == -EINVAL && !(fc->sb_flags & SB_SILENT))
		complain(fc, "%s: no vfsr pool is on this device", fc->source);
	else if (err == -ENOTBLK)
		complain(
			fc,
			"%s: not a block device; give an image a loop device (losetup, or -o loop)",
			fc->source);
	else if (err && err != -EINVAL)
		complain(fc, "%s: cannot be read (error %d)", fc->source, err);
	if (err)
		return err;
	s->paths = m->paths;
	s->nr_paths = m->nr_paths;
	m->paths = NULL;
	m->nr_paths = 0;
	return 0;
}

static int fill(struct fs_context *fc, struct super_block *sb)
{
	struct mount_ctx *m = fc->fs_private;
	struct vfsr_sb *s = vfsr_sb(sb);
	unsigned int flags = 0;
	int err;

	if (fc->sb_flags & SB_RDONLY)
		flags |= VFSR_OPEN_RDONLY;
	if (m->opts.degraded)
		flags |= VFSR_OPEN_DEGRADED;
	if (m->force)
		flags |= VFSR_OPEN_FORCE;
	err = vfsr_fill_super(sb, flags, say, fc);
	if (err)
		return err;
	vfsr_opts_default(s->pool->super, &s->opts);
	s->opts.degraded = m->opts.degraded;
	opts_merge(m, &s->opts);
	opts_apply(s);
	sb->s_flags |= SB_ACTIVE;
	return 0;
}

static int get_tree(struct fs_context *fc)
{
	struct super_block *sb;
	int err;

	err = identify(fc);
	if (err)
		return err;
	sb = sget_fc(fc, test_super, set_anon_super_fc);
	if (IS_ERR(sb))
		return PTR_ERR(sb);
	if (!sb->s_root) {
		err = fill(fc, sb);
	} else if ((fc->sb_flags ^ sb->s_flags) & SB_RDONLY) {
		complain(fc, "%s: the pool is mounted already, and %s",
			 fc->source, sb_rdonly(sb) ? "read-only" : "writable");
		err = -EBUSY;
	}
	if (err) {
		deactivate_locked_super(sb);
		return err;
	}
	fc->root = dget(sb->s_root);
	return 0;
}

/* --- remounting --- */

static int check_fixed(struct fs_context *fc, const struct vfsr_sb *s)
{
	const struct mount_ctx *m = fc->fs_private;
	unsigned int i, j;
	bool known;

	for (i = 0; i < m->nr_paths; i++) {
		known = path_known(s->paths, s->nr_paths, m->paths[i]);
		for (j = 0; j < s->pool->nr_devs && !known; j++)
			known = s->pool->dev[j] &&
				!strcmp(s->pool->dev[j]->path, m->paths[i]);
		if (!known)
			return invalid(
				fc,
				"device=%s: devices cannot be added by a remount; unmount first",
				m->paths[i]);
	}
	if (m->opts.degraded && !s->opts.degraded)
		return invalid(
			fc,
			"degraded cannot be set by a remount; all that counts is the first mount");
	return 0;
}

static int become_rw(struct fs_context *fc, struct vfsr_sb *s)
{
	int err = vfsr_pool_set_rw(s->pool, say, fc);

	if (err)
		return err;
	err = vfsr_log_set_rw(s->log);
	if (!err)
		err = vfsr_begin_rw(s);
	if (!err)
		return 0;
	vfsr_log_set_ro(s->log);
	WRITE_ONCE(s->pool->read_only, true);
	complain(
		fc,
		"the pool cannot be written to (error %d); the kernel log says more",
		err);
	return err;
}

static int become_ro(struct fs_context *fc, struct vfsr_sb *s)
{
	int err;

	err = sync_filesystem(s->sb);
	vfsr_grids_stop(s->grids);
	cancel_work_sync(&s->resync);
	if (!err)
		err = vfsr_log_set_ro(s->log);
	else
		vfsr_log_set_ro(s->log);
	WRITE_ONCE(s->pool->read_only, true);
	/* after a stop it is read-only in effect: let the user have that */
	if (err && !vfsr_log_error(s->log)) {
		complain(fc, "the last checkpoint failed (error %d)", err);
		return err;
	}
	return 0;
}

static int reconfigure(struct fs_context *fc)
{
	struct super_block *sb = fc->root->d_sb;
	struct vfsr_sb *s = vfsr_sb(sb);
	bool ro = fc->sb_flags & SB_RDONLY;
	int err;

	/* the VFS takes the one and does not know the other */
	fc->sb_flags |= SB_I_VERSION;
	err = check_fixed(fc, s);
	if (err)
		return err;
	if (fc->sb_flags_mask & SB_RDONLY && ro != sb_rdonly(sb)) {
		err = ro ? become_ro(fc, s) : become_rw(fc, s);
		if (err)
			return err;
	} else if (!sb_rdonly(sb)) {
		sync_filesystem(sb);
	}
	opts_merge(fc->fs_private, &s->opts);
	opts_apply(s);
	return 0;
}

/* --- life of a context --- */

static void ctx_free(struct fs_context *fc)
{
	struct mount_ctx *m = fc->fs_private;
	unsigned int i;

	/* ours unless a superblock took it */
	vfsr_sb_free(fc->s_fs_info);
	fc->s_fs_info = NULL;
	if (!m)
		return;
	for (i = 0; i < m->nr_paths; i++)
		kfree(m->paths[i]);
	kfree(m->paths);
	kfree(m);
}

static const struct fs_context_operations ctx_ops = {
	.parse_param = parse_param,
	.get_tree = get_tree,
	.reconfigure = reconfigure,
	.free = ctx_free,
};

int vfsr_init_fs_context(struct fs_context *fc)
{
	struct mount_ctx *m = kzalloc(sizeof(*m), GFP_KERNEL);

	if (!m)
		return -ENOMEM;
	m->paths = kcalloc(PATHS_MAX, sizeof(*m->paths), GFP_KERNEL);
	if (!m->paths) {
		kfree(m);
		return -ENOMEM;
	}
	fc->fs_private = m;
	fc->ops = &ctx_ops;
	return 0;
}
