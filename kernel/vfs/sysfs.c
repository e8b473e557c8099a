// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/fs/vfsr/<uuid>/: what a mounted pool is and does, one value per file.
 *
 * Values are read without locks; each is right by itself, two may be of
 * different moments. Files are there from after the pool was opened until
 * before it is closed; removing them waits for their readers.
 */
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "vfs/vfs.h"

static struct kobject *vfsr_root;

/* A directory devices/<N>. */
struct dev_dir {
	struct kobject kobj;
	struct vfsr_dev *dev;
};

struct vfsr_sysfs {
	struct kobject *devices;
	struct dev_dir *dev[VFSR_MAX_MEMBERS]; /* or NULL */
};

/* --- files of a pool --- */

struct pool_attr {
	struct attribute attr;
	ssize_t (*show)(struct vfsr_sb *s, char *buf);
};

static struct vfsr_sb *sb_of(struct kobject *kobj)
{
	return container_of(kobj, struct vfsr_sb, kobj);
}

static ssize_t pool_show(struct kobject *kobj, struct attribute *attr,
			 char *buf)
{
	const struct pool_attr *a =
		container_of(attr, const struct pool_attr, attr);

	return a->show(sb_of(kobj), buf);
}

static const struct sysfs_ops pool_ops = { .show = pool_show };

/* clang-format off */
#define POOL_ATTR(_name)						\
static const struct pool_attr pool_##_name = {				\
	.attr = { .name = #_name, .mode = 0444 },			\
	.show = show_##_name,						\
}

#define POOL_NUMBER(_name, _value)					\
static ssize_t show_##_name(struct vfsr_sb *s, char *buf)		\
{									\
	return sysfs_emit(buf, "%llu\n", (u64)(_value));		\
}									\
POOL_ATTR(_name)
/* clang-format on */

static ssize_t show_label(struct vfsr_sb *s, char *buf)
{
	return sysfs_emit(buf, "%.*s\n", (int)VFSR_LABEL_BYTES,
			  s->pool->super->label);
}
POOL_ATTR(label);

/* clang-format off */
POOL_NUMBER(transaction, READ_ONCE(s->log->transaction));
POOL_NUMBER(durable, READ_ONCE(s->log->durable));
POOL_NUMBER(epoch, READ_ONCE(s->pool->super->epoch));
POOL_NUMBER(sequence, READ_ONCE(s->pool->super->sequence));
POOL_NUMBER(nr_commits, atomic64_read(&s->log->nr_commits));
POOL_NUMBER(nr_reserves, atomic64_read(&s->log->nr_reserves));
POOL_NUMBER(stopped, !!vfsr_log_error(s->log));
POOL_NUMBER(live_bytes, atomic64_read(&s->grids->live_bytes));
POOL_NUMBER(nr_inodes, atomic64_read(&s->log->counts.nr_inodes));
POOL_NUMBER(logical_bytes, atomic64_read(&s->log->counts.logical_bytes));
POOL_NUMBER(open_grids, READ_ONCE(s->grids->nr_open));
POOL_NUMBER(dirty_nodes, vfsr_trees_nr_dirty(s->trees));
POOL_NUMBER(route_raw, atomic64_read(&s->route[VFSR_STATE_RAW]));
POOL_NUMBER(route_compressed, atomic64_read(&s->route[VFSR_STATE_COMPRESSED]));
POOL_NUMBER(route_void, atomic64_read(&s->route[VFSR_STATE_VOID]));
POOL_NUMBER(route_monolith, atomic64_read(&s->route[VFSR_STATE_MONOLITH]));
POOL_NUMBER(bad_chunks, atomic64_read(&s->grids->heal.bad_chunks));
POOL_NUMBER(healed_chunks, atomic64_read(&s->grids->heal.healed_chunks));
POOL_NUMBER(lost_chunks, atomic64_read(&s->grids->heal.lost_chunks));
/* clang-format on */

static const struct attribute *const pool_attrs[] = {
	&pool_label.attr,
	&pool_transaction.attr,
	&pool_durable.attr,
	&pool_epoch.attr,
	&pool_sequence.attr,
	&pool_nr_commits.attr,
	&pool_nr_reserves.attr,
	&pool_stopped.attr,
	&pool_live_bytes.attr,
	&pool_nr_inodes.attr,
	&pool_logical_bytes.attr,
	&pool_open_grids.attr,
	&pool_dirty_nodes.attr,
	&pool_route_raw.attr,
	&pool_route_compressed.attr,
	&pool_route_void.attr,
	&pool_route_monolith.attr,
	NULL
};

static const struct attribute *const heal_attrs[] = { &pool_bad_chunks.attr,
						      &pool_healed_chunks.attr,
						      &pool_lost_chunks.attr,
						      NULL };

static const struct attribute_group pool_group = {
	.attrs = (struct attribute **)pool_attrs,
};

static const struct attribute_group heal_group = {
	.name = "heal",
	.attrs = (struct attribute **)heal_attrs,
};

static const struct attribute_group *pool_groups[] = { &pool_group, &heal_group,
						       NULL };

static void pool_release(struct kobject *kobj)
{
	complete(&sb_of(kobj)->kobj_gone);
}

static const struct kobj_type pool_type = {
	.release = pool_release,
	.sysfs_ops = &pool_ops,
	.default_groups = pool_groups,
};

/* --- files of a member --- */

struct dev_attr {
	struct attribute attr;
	ssize_t (*show)(const struct vfsr_dev *d, char *buf);
};

static ssize_t dev_show(struct kobject *kobj, struct attribute *attr, char *buf)
{
	const struct dev_attr *a =
		container_of(attr, const struct dev_attr, attr);

	return a->show(container_of(kobj, struct dev_dir, kobj)->dev, buf);
}

static const struct sysfs_ops dev_ops = { .show = dev_show };

/* clang-format off */
#define DEV_ATTR(_name)							\
static const struct dev_attr dev_##_name = {				\
	.attr = { .name = #_name, .mode = 0444 },			\
	.show = dev_show_##_name,					\
}

#define DEV_COUNTER(_name)						\
static ssize_t dev_show_##_name(const struct vfsr_dev *d, char *buf)	\
{									\
	return sysfs_emit(buf, "%llu\n",				\
			  (u64)atomic64_read(&d->stats._name));		\
}									\
DEV_ATTR(_name)
/* clang-format on */

static ssize_t dev_show_path(const struct vfsr_dev *d, char *buf)
{
	return sysfs_emit(buf, "%s\n", d->path);
}
DEV_ATTR(path);

static ssize_t dev_show_state(const struct vfsr_dev *d, char *buf)
{
	const char *state = "active";

	if (!d->file)
		state = "missing";
	else if (READ_ONCE(d->failed))
		state = "failed";
	else if (READ_ONCE(d->stale))
		state = "stale";
	return sysfs_emit(buf, "%s\n", state);
}
DEV_ATTR(state);

DEV_COUNTER(read_errors);
DEV_COUNTER(write_errors);
DEV_COUNTER(bad_sectors);
DEV_COUNTER(healed_sectors);
DEV_COUNTER(written_sectors);
DEV_COUNTER(lost_sectors);

static const struct attribute *const dev_attrs[] = { &dev_path.attr,
						     &dev_state.attr,
						     &dev_read_errors.attr,
						     &dev_write_errors.attr,
						     &dev_bad_sectors.attr,
						     &dev_healed_sectors.attr,
						     &dev_written_sectors.attr,
						     &dev_lost_sectors.attr,
						     NULL };

static const struct attribute_group dev_group = {
	.attrs = (struct attribute **)dev_attrs,
};

static const struct attribute_group *dev_groups[] = { &dev_group, NULL };

static void dev_release(struct kobject *kobj)
{
	kfree(container_of(kobj, struct dev_dir, kobj));
}

static const struct kobj_type dev_type = {
	.release = dev_release,
	.sysfs_ops = &dev_ops,
	.default_groups = dev_groups,
};

/* --- life --- */

static int dev_add(struct vfsr_sysfs *y, struct vfsr_dev *d, unsigned int i)
{
	struct dev_dir *dir = kzalloc(sizeof(*dir), GFP_KERNEL);
	int err;

	if (!dir)
		return -ENOMEM;
	dir->dev = d;
	err = kobject_init_and_add(&dir->kobj, &dev_type, y->devices, "%u", i);
	if (err) {
		kobject_put(&dir->kobj);
		return err;
	}
	y->dev[i] = dir;
	return 0;
}

static int devs_add(struct vfsr_sb *s)
{
	struct vfsr_sysfs *y = s->sysfs;
	unsigned int i;
	int err = 0;

	y->devices = kobject_create_and_add("devices", &s->kobj);
	if (!y->devices)
		return -ENOMEM;
	for (i = 0; i < s->pool->nr_devs && !err; i++)
		if (s->pool->dev[i])
			err = dev_add(y, s->pool->dev[i], i);
	return err;
}

/**
 * vfsr_sysfs_add - make the files of a pool
 * @s: filesystem whose layers are all there
 *
 * Return: 0 or a negative errno; on an error nothing is left behind.
 */
int vfsr_sysfs_add(struct vfsr_sb *s)
{
	int err;

	s->sysfs = kzalloc(sizeof(*s->sysfs), GFP_KERNEL);
	if (!s->sysfs)
		return -ENOMEM;
	init_completion(&s->kobj_gone);
	err = kobject_init_and_add(&s->kobj, &pool_type, vfsr_root, "%pU",
				   s->uuid);
	if (!err)
		err = devs_add(s);
	if (err)
		vfsr_sysfs_del(s);
	return err;
}

/* Also for a filesystem that has none. Waits for readers. */
void vfsr_sysfs_del(struct vfsr_sb *s)
{
	struct vfsr_sysfs *y = s->sysfs;
	unsigned int i;

	if (!y)
		return;
	for (i = 0; i < VFSR_MAX_MEMBERS; i++) {
		if (!y->dev[i])
			continue;
		kobject_del(&y->dev[i]->kobj);
		kobject_put(&y->dev[i]->kobj);
	}
	if (y->devices) {
		kobject_del(y->devices);
		kobject_put(y->devices);
	}
	if (s->kobj.state_in_sysfs)
		kobject_del(&s->kobj);
	kobject_put(&s->kobj);
	wait_for_completion(&s->kobj_gone);
	kfree(y);
	s->sysfs = NULL;
}

int vfsr_sysfs_init(void)
{
	vfsr_root = kobject_create_and_add("vfsr", fs_kobj);
	return vfsr_root ? 0 : -ENOMEM;
}

void vfsr_sysfs_exit(void)
{
	kobject_put(vfsr_root);
}
