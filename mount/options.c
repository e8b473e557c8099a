// SPDX-License-Identifier: GPL-2.0-only
/*
 * The argument of -o, as mount(8) hands it to a helper: what the mount point gets,
 * what userspace alone means, and what the filesystem is told.
 *
 * The order of the filesystem's options is kept, since later ones win there too.
 */
#include <linux/mount.h>
#include <stdlib.h>
#include <string.h>

#include "mount.h"

/* Options of the mount point. */
static const struct {
	const char *name;
	u64 set, clear;
} attrs[] = {
	{ "nosuid", MOUNT_ATTR_NOSUID, 0 },
	{ "suid", 0, MOUNT_ATTR_NOSUID },
	{ "nodev", MOUNT_ATTR_NODEV, 0 },
	{ "dev", 0, MOUNT_ATTR_NODEV },
	{ "noexec", MOUNT_ATTR_NOEXEC, 0 },
	{ "exec", 0, MOUNT_ATTR_NOEXEC },
	{ "nodiratime", MOUNT_ATTR_NODIRATIME, 0 },
	{ "diratime", 0, MOUNT_ATTR_NODIRATIME },
	{ "nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0 },
	{ "symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW },
	{ "relatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME },
	{ "norelatime", 0, 0 },
	{ "noatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME },
	{ "atime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME },
	{ "strictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME },
	{ "nostrictatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME },
};

/* What only mount(8) and fstab(5) understand. A name with '=' stands for all
 * its values. */
static const char *const userspace[] = {
	"defaults", "auto",	"noauto",  "nofail",  "_netdev",
	"user",	    "nouser",	"users",   "nousers", "owner",
	"noowner",  "group",	"nogroup", "silent",  "loud",
	"comment=", "uhelper=", "helper=", "user=",
};

static bool is_userspace(const char *text)
{
	size_t i, len;

	if (!strncmp(text, "x-", 2) || !strncmp(text, "X-", 2))
		return true;
	for (i = 0; i < ARRAY_SIZE(userspace); i++) {
		len = strlen(userspace[i]);
		if (userspace[i][len - 1] == '=' ?
			    !strncmp(text, userspace[i], len) :
			    !strcmp(text, userspace[i]))
			return true;
	}
	return false;
}

static bool is_attr(struct mount_opts *o, const char *text)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(attrs); i++) {
		if (strcmp(text, attrs[i].name) != 0)
			continue;
		o->attr_set &= ~attrs[i].clear;
		o->attr_clear &= ~attrs[i].set;
		o->attr_clear |= attrs[i].clear;
		o->attr_set |= attrs[i].set;
		return true;
	}
	return false;
}

static int out_of_memory(void)
{
	vfsr_error("out of memory; close other programs");
	return -ENOMEM;
}

static int add_device(struct mount_opts *o, const char *path)
{
	char **bigger =
		reallocarray(o->device, o->nr_devices + 1, sizeof(*bigger));

	if (!bigger)
		return out_of_memory();
	o->device = bigger;
	o->device[o->nr_devices] = strdup(path);
	if (!o->device[o->nr_devices])
		return out_of_memory();
	o->nr_devices++;
	return 0;
}

static int add_opt(struct mount_opts *o, const char *key, const char *value)
{
	struct mount_opt *bigger =
		reallocarray(o->opt, o->nr_opts + 1, sizeof(*bigger));
	struct mount_opt *opt;

	if (!bigger)
		return out_of_memory();
	o->opt = bigger;
	opt = &o->opt[o->nr_opts++];
	opt->key = strdup(key);
	opt->value = value ? strdup(value) : NULL;
	return opt->key && (opt->value || !value) ? 0 : out_of_memory();
}

/* One option, which may be changed. */
static int add_one(struct mount_opts *o, char *text)
{
	char *value;

	if (!*text || is_userspace(text) || is_attr(o, text))
		return 0;
	if (!strcmp(text, "remount")) {
		o->remount = true;
		return 0;
	}
	if (!strcmp(text, "ro") || !strcmp(text, "rw")) {
		o->read_only = text[1] == 'o';
		o->read_write = !o->read_only;
		return 0;
	}
	value = strchr(text, '=');
	if (value)
		*value++ = '\0';
	if (!strcmp(text, "device") && value)
		return add_device(o, value);
	if (!strcmp(text, "degraded"))
		o->degraded = true;
	return add_opt(o, text, value);
}

int mount_opts_add(struct mount_opts *o, const char *text)
{
	char *copy = strdup(text), *at, *end;
	bool quoted = false;
	int err = 0;

	if (!copy)
		return out_of_memory();
	/* commas within double quotes belong to a value */
	for (at = end = copy; !err; end++) {
		if (*end == '"') {
			quoted = !quoted;
			memmove(end, end + 1, strlen(end));
			end--;
			continue;
		}
		if (*end && (*end != ',' || quoted))
			continue;
		if (!*end) {
			err = add_one(o, at);
			break;
		}
		*end = '\0';
		err = add_one(o, at);
		at = end + 1;
	}
	free(copy);
	return err;
}

void mount_opts_free(struct mount_opts *o)
{
	unsigned int i;

	for (i = 0; i < o->nr_opts; i++) {
		free(o->opt[i].key);
		free(o->opt[i].value);
	}
	for (i = 0; i < o->nr_devices; i++)
		free(o->device[i]);
	free(o->opt);
	free(o->device);
}
