// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mount itself, by the kernel's mount API: what the filesystem has to say about
 * a refusal is in the context's log, and is printed as it is.
 *
 * A pool whose devices cannot be written to is mounted read-only, with a warning,
 * unless "rw" was asked for, as mount(8) does for other filesystems.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mount.h"

#define TYPE "vfsr"

/* A filesystem context and what became of it. */
struct context {
	int fd;
	bool done; /* mounted: what was said is no error then */
	bool said; /* the kernel gave an error's reason */
	int error; /* of the call that failed */
};

/* Print what the kernel said. One message per read, after a letter and a blank. */
static void drain(struct context *c)
{
	char text[4096];
	ssize_t len;

	while ((len = read(c->fd, text, sizeof(text) - 1)) > 0) {
		char *msg = text;

		while (len && text[len - 1] == '\n')
			len--;
		text[len] = '\0';
		if (len > 2 && text[1] == ' ')
			msg += 2;
		if (!strncmp(msg, TYPE ": ", strlen(TYPE ": ")))
			msg += strlen(TYPE ": ");
		if (text[0] == 'e' && !c->done) {
			vfsr_error("%s", msg);
			c->said = true;
		} else if (text[0] != 'i') {
			vfsr_warn("%s", msg);
		} else {
			vfsr_note("%s", msg);
		}
	}
}

/* Forget what the kernel said. */
static void drain_quietly(const struct context *c)
{
	char text[4096];

	while (read(c->fd, text, sizeof(text)) > 0)
		continue;
}

static int failed(struct context *c)
{
	c->error = errno;
	drain(c);
	return -1;
}

static int set_flag(struct context *c, const char *key)
{
	if (!fsconfig(c->fd, FSCONFIG_SET_FLAG, key, NULL, 0))
		return 0;
	return failed(c);
}

static int set_string(struct context *c, const char *key, const char *value)
{
	if (!fsconfig(c->fd, FSCONFIG_SET_STRING, key, value, 0))
		return 0;
	return failed(c);
}

static int set_options(struct context *c, const struct mount_opts *o)
{
	unsigned int i;
	int err;

	for (i = 0; i < o->nr_opts; i++) {
		const struct mount_opt *opt = &o->opt[i];

		err = fsconfig(c->fd,
			       opt->value ? FSCONFIG_SET_STRING :
					    FSCONFIG_SET_FLAG,
			       opt->key, opt->value, 0);
		if (err && errno == EINVAL && o->sloppy) {
			drain_quietly(c);
			continue;
		}
		if (!err)
			continue;
		failed(c);
		if (!c->said)
			vfsr_error("option '%s%s%s': %s; see vfsr(5)", opt->key,
				   opt->value ? "=" : "",
				   opt->value ? opt->value : "",
				   strerror(c->error));
		c->said = true;
		return -1;
	}
	return 0;
}

static int set_devices(struct context *c, const struct mount_pool *p)
{
	unsigned int i;

	if (set_string(c, "source", p->source->path))
		return -1;
	for (i = 0; i < p->super->nr_members; i++)
		if (p->member[i] && p->member[i] != p->source &&
		    set_string(c, "device", p->member[i]->path))
			return -1;
	return 0;
}

/* Attributes of the mount point. */
static unsigned int attributes(const struct mount_opts *o, bool read_only)
{
	return (unsigned int)o->attr_set | (read_only ? MOUNT_ATTR_RDONLY : 0);
}

/* Mount once. 0, or -1 with c->error set. */
static int attach(struct context *c, const struct mount_opts *o,
		  const struct mount_pool *p, bool read_only)
{
	int fd, err;

	if (set_devices(c, p) || set_flag(c, read_only ? "ro" : "rw") ||
	    set_options(c, o))
		return -1;
	if (fsconfig(c->fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return failed(c);
	c->done = true;
	drain(c);
	fd = fsmount(c->fd, FSMOUNT_CLOEXEC, attributes(o, read_only));
	if (fd < 0)
		return failed(c);
	err = move_mount(fd, "", AT_FDCWD, o->dir, MOVE_MOUNT_F_EMPTY_PATH);
	if (err)
		c->error = errno;
	close(fd);
	return err;
}

/* Why nothing was mounted, if the kernel did not say. */
static void explain(const struct context *c, const struct mount_opts *o,
		    const char *what)
{
	const char *hint = "see dmesg";

	if (c->said)
		return;
	if (c->error == ENODEV)
		hint = "load the module: modprobe vfsr";
	else if (c->error == EPERM || c->error == EACCES)
		hint = "run as root";
	else if (c->error == EBUSY)
		hint = "unmount it or stop what uses it first";
	else if (c->error == ENOENT || c->error == ENOTDIR)
		hint = "check the mount point";
	vfsr_error("%s on %s: %s; %s", what, o->dir, strerror(c->error), hint);
}

static int exit_code(const struct context *c)
{
	if (c->error == EPERM)
		return MOUNT_USAGE;
	return c->error == ENOMEM ? MOUNT_SYSTEM : MOUNT_FAILED;
}

static int try_mount(struct context *c, const struct mount_opts *o,
		     const struct mount_pool *p, bool read_only)
{
	int err;

	memset(c, 0, sizeof(*c));
	c->fd = fsopen(TYPE, FSOPEN_CLOEXEC);
	if (c->fd < 0) {
		c->error = errno;
		return -1;
	}
	err = attach(c, o, p, read_only);
	close(c->fd);
	return err;
}

/* The first member that cannot be written to, or NULL. */
static const char *protected_member(const struct mount_pool *p)
{
	unsigned int i;

	for (i = 0; i < p->super->nr_members; i++) {
		const struct mount_dev *d = p->member[i];
		int fd = d ? open(d->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) :
			     -1;
		int read_only = 0;

		if (fd < 0)
			continue;
		if (ioctl(fd, BLKROGET, &read_only))
			read_only = 0;
		close(fd);
		if (read_only)
			return d->path;
	}
	return NULL;
}

int mount_attach(const struct mount_opts *o, const struct mount_pool *p)
{
	bool read_only = o->read_only;
	const char *path = NULL;
	struct context c;

	if (!read_only && !o->read_write)
		path = protected_member(p);
	if (path) {
		vfsr_warn("%s: write-protected, mounting read-only", path);
		read_only = true;
	}
	if (!try_mount(&c, o, p, read_only))
		return MOUNT_OK;
	explain(&c, o, p->source->path);
	return exit_code(&c);
}

/* --- remount --- */

static int change(struct context *c, const struct mount_opts *o)
{
	struct mount_attr attr = {
		.attr_set = attributes(o, o->read_only),
		.attr_clr = o->attr_clear,
	};

	if (o->read_write) {
		attr.attr_clr |= MOUNT_ATTR_RDONLY;
		if (set_flag(c, "rw"))
			return -1;
	} else if (o->read_only && set_flag(c, "ro")) {
		return -1;
	}
	if (set_options(c, o))
		return -1;
	if (fsconfig(c->fd, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0))
		return failed(c);
	c->done = true;
	drain(c);
	if ((attr.attr_set || attr.attr_clr) &&
	    mount_setattr(AT_FDCWD, o->dir, 0, &attr, sizeof(attr))) {
		c->error = errno;
		return -1;
	}
	return 0;
}

int mount_change(const struct mount_opts *o)
{
	struct context c = { 0 };
	int err;

	c.fd = fspick(AT_FDCWD, o->dir, FSPICK_CLOEXEC | FSPICK_NO_AUTOMOUNT);
	if (c.fd < 0) {
		c.error = errno;
		err = -1;
	} else {
		err = change(&c, o);
		close(c.fd);
	}
	if (!err)
		return MOUNT_OK;
	explain(&c, o, "remount");
	return exit_code(&c);
}
