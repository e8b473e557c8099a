/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of mount.vfsr share: options, devices found, and the pool that
 * is to be mounted.
 */
#ifndef VFSR_MOUNT_H
#define VFSR_MOUNT_H

#include "core/super.h"
#include "lib/out.h"

/* Exit codes of mount(8). */
enum {
	MOUNT_OK = 0,
	MOUNT_USAGE = 1, /* incorrect invocation or permissions */
	MOUNT_SYSTEM = 2, /* out of memory ... */
	MOUNT_FAILED = 32,
};

/* --- options.c --- */

/* An option for the filesystem: KEY or KEY=VALUE. */
struct mount_opt {
	char *key;
	char *value; /* NULL: a flag */
};

struct mount_opts {
	const char *source, *dir;
	bool fake, json, sloppy, udev;
	bool remount;
	bool read_only, read_write; /* asked for */
	bool degraded;
	u64 attr_set, attr_clear; /* MOUNT_ATTR_* of the mount point */
	struct mount_opt *opt;
	unsigned int nr_opts;
	char **device; /* of device= */
	unsigned int nr_devices;
};

/* Take over one argument of -o. 0 or a reported error. */
int mount_opts_add(struct mount_opts *o, const char *text);
void mount_opts_free(struct mount_opts *o);

/* --- scan.c --- */

/* A device or image that was looked at. */
struct mount_dev {
	char *path;
	struct vfsr_super *super; /* newest record, NULL: none */
	bool named; /* by the user */
	bool is_image; /* a file */
	bool newer; /* has a record of a newer version */
	int error; /* of opening or reading it, or 0 */
	u64 id[2]; /* what tells it from others */
};

struct mount_scan {
	struct mount_dev *dev;
	unsigned int nr, room;
};

/* Look at one device; a second name for one that is there only makes it named.
 * NULL: out of memory, reported. The pointer is valid until the next call. */
struct mount_dev *mount_scan_path(struct mount_scan *s, const char *path,
				  bool named);
/* Look at all block devices, or at those that VFSR_DEVICES lists. 0 or a
 * reported error. */
int mount_scan_all(struct mount_scan *s);
void mount_scan_free(struct mount_scan *s);

/* --- members.c --- */

/* The pool to be mounted. */
struct mount_pool {
	const struct vfsr_super *super; /* newest record of all members */
	char name[VFSR_LABEL_BYTES * 4]; /* label, else uuid */
	const struct mount_dev *member[VFSR_MAX_MEMBERS];
	const struct mount_dev *source; /* named first to the kernel */
	unsigned int nr_missing;
};

/* Are all members of the first device's pool among those scanned so far? Says nothing. */
bool mount_all_found(const struct mount_scan *s);

/**
 * mount_find_pool - the pool and its members
 * @o: source and device= options
 * @s: all devices, scanned
 * @p: out
 *
 * Return: 0 or a reported error.
 */
int mount_find_pool(const struct mount_opts *o, struct mount_scan *s,
		    struct mount_pool *p);

/* --- loop.c --- */

/* Give members that are files loop devices; their paths become those. The devices
 * stay open until the program ends. 0 or a reported error. */
int mount_loop_images(struct mount_scan *s, const struct mount_pool *p,
		      bool ro);

/* --- attach.c --- */

/* Mount the pool. Returns an exit code; errors are reported. */
int mount_attach(const struct mount_opts *o, const struct mount_pool *p);
/* Change options of what is mounted on o->dir. */
int mount_change(const struct mount_opts *o);

/* --- udev.c --- */

/* Print what a device is as properties for udev. Returns an exit code. */
int mount_udev(const char *path);

#endif
