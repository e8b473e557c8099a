// SPDX-License-Identifier: GPL-2.0-only
/*
 * From devices with records to the pool that is meant, its members, and who is
 * missing.
 *
 * The kernel judges the members (stale, split brain, truncated); here it is only
 * found which devices to name to it. Where two devices claim one place the one
 * that the user named counts; if none was, the choice is the user's.
 */
#include <blkid/blkid.h>
#include <stdlib.h>

#include "mount.h"

static bool same_pool(const struct vfsr_super *a, const struct vfsr_super *b)
{
	return !memcmp(a->pool_uuid, b->pool_uuid, VFSR_UUID_BYTES);
}

static bool newer(const struct vfsr_super *a, const struct vfsr_super *b)
{
	return a->epoch != b->epoch ? a->epoch > b->epoch :
				      a->sequence > b->sequence;
}

/* The newest record of the pool that @one is of. */
static const struct vfsr_super *newest(const struct mount_scan *s,
				       const struct vfsr_super *one)
{
	unsigned int i;

	for (i = 0; i < s->nr; i++) {
		const struct vfsr_super *other = s->dev[i].super;

		if (other && same_pool(other, one) && newer(other, one))
			one = other;
	}
	return one;
}

/* --- which pool --- */

/* What is wrong with a device that the user named. 0: nothing. */
static int check_named(const struct mount_dev *d)
{
	if (d->super)
		return 0;
	if (d->newer)
		vfsr_error(
			"%s: holds a pool that needs a newer vfsr; use a newer version",
			d->path);
	else if (d->error)
		vfsr_error("%s: %s; %s", d->path, strerror(-d->error),
			   d->error == -EACCES ? "run as root" :
						 "check the name");
	else
		vfsr_error(
			"%s: no checkpoint record was found; check the name, else run fsck.vfsr --rebuild-map on all devices",
			d->path);
	return -EINVAL;
}

/* Does a pool, by its newest record, have this label or uuid? */
static bool is_wanted(const struct vfsr_super *s, const char *label,
		      const u8 *uuid)
{
	return label ? !strcmp(s->label, label) :
		       !memcmp(s->pool_uuid, uuid, VFSR_UUID_BYTES);
}

/* The one pool with a label, or a uuid. */
static int find_by_tag(const struct mount_scan *s, const char *tag,
		       const char *label, const u8 *uuid,
		       const struct vfsr_super **out)
{
	char text[40], other[40];
	unsigned int i;

	*out = NULL;
	for (i = 0; i < s->nr; i++) {
		const struct vfsr_super *one = s->dev[i].super;

		if (!one || !is_wanted(newest(s, one), label, uuid))
			continue;
		if (*out && !same_pool(*out, one)) {
			vfsr_uuid_text((*out)->pool_uuid, text);
			vfsr_uuid_text(one->pool_uuid, other);
			vfsr_error(
				"%s: two pools have this label; name one by UUID=%s or UUID=%s",
				tag, text, other);
			return -EEXIST;
		}
		*out = one;
	}
	if (*out)
		return 0;
	vfsr_error(
		"%s: no device with a record of such a pool was found; attach its devices, or name one of them",
		tag);
	return -ENOENT;
}

/* Without the quotes that fstab(5) allows around a tag's value. */
static char *unquoted(const char *text)
{
	size_t len = strlen(text);
	bool quoted = len >= 2 && (*text == '"' || *text == '\'') &&
		      text[len - 1] == *text;

	return quoted ? strndup(text + 1, len - 2) : strdup(text);
}

static int find_by_source(const struct mount_opts *o, struct mount_scan *s,
			  const struct vfsr_super **out, const char **path)
{
	char *value = strchr(o->source, '=');
	const struct mount_dev *d;
	u8 uuid[VFSR_UUID_BYTES];
	char *text;
	int err;

	*path = NULL;
	if (strncmp(o->source, "LABEL=", 6) != 0 &&
	    strncmp(o->source, "UUID=", 5) != 0) {
		/* of tags that are left (PARTUUID= ...) libblkid knows the
		 * device, of a plain name nothing */
		text = blkid_evaluate_spec(o->source, NULL);
		d = mount_scan_path(s, text ? text : o->source, true);
		free(text);
		err = d ? check_named(d) : -ENOMEM;
		if (!err) {
			*out = d->super;
			*path = d->path;
		}
		return err;
	}
	text = unquoted(value + 1);
	if (!text)
		return -ENOMEM;
	if (o->source[0] == 'L')
		err = find_by_tag(s, o->source, text, NULL, out);
	else if (!vfsr_uuid_parse(text, uuid))
		err = find_by_tag(s, o->source, NULL, uuid, out);
	else
		err = -EINVAL;
	if (err == -EINVAL)
		vfsr_error("%s: not a uuid; give 8-4-4-4-12 hex digits",
			   o->source);
	free(text);
	return err;
}

/* --- members --- */

/* The place of a device in the pool by its own record; -1: none. */
static int place_of(const struct vfsr_super *s, const struct vfsr_super *own)
{
	u16 i = own->this_member;

	if (i >= s->nr_members || s->member[i].state == VFSR_MEMBER_NONE ||
	    memcmp(s->member[i].uuid, own->member[i].uuid, VFSR_UUID_BYTES))
		return -1;
	return i;
}

static int take(struct mount_pool *p, const struct mount_dev *d)
{
	int i = place_of(p->super, d->super);
	const struct mount_dev *other;

	if (i < 0) {
		if (!d->named) {
			vfsr_note("%s: was a member of pool %s; left out",
				  d->path, p->name);
			return 0;
		}
		vfsr_error("%s: is no longer a member of pool %s; leave it out",
			   d->path, p->name);
		return -EINVAL;
	}
	other = p->member[i];
	if (!other || (d->named && !other->named)) {
		p->member[i] = d;
		return 0;
	}
	if (other->named && !d->named) {
		vfsr_note("%s: shows member %d of pool %s too; left out",
			  d->path, i, p->name);
		return 0;
	}
	vfsr_error(
		"%s and %s are both member %d of pool %s; detach the copy, or name the right one with -o device=",
		other->path, d->path, i, p->name);
	return -EEXIST;
}

/* What was named has to be of this pool; the rest is used if it is. */
static int take_all(const struct mount_scan *s, struct mount_pool *p)
{
	char uuid[40];
	unsigned int i, turn;
	int err = 0;

	/* named ones first: then a copy of one is no conflict */
	for (turn = 0; turn < 2; turn++) {
		for (i = 0; i < s->nr && !err; i++) {
			const struct mount_dev *d = &s->dev[i];

			if (d->named == (bool)turn)
				continue;
			if (d->named)
				err = check_named(d);
			if (err || !d->super)
				continue;
			if (same_pool(d->super, p->super)) {
				err = take(p, d);
			} else if (d->named) {
				vfsr_uuid_text(d->super->pool_uuid, uuid);
				vfsr_error(
					"%s: belongs to another pool (%s), not to %s; name only devices of one pool",
					d->path, uuid, p->name);
				err = -EINVAL;
			}
		}
	}
	return err;
}

static void set_name(struct mount_pool *p)
{
	char *text;

	if (!p->super->label[0]) {
		vfsr_uuid_text(p->super->pool_uuid, p->name);
		return;
	}
	text = vfsr_name_text(p->super->label, strlen(p->super->label));
	snprintf(p->name, sizeof(p->name), "%s", text);
	free(text);
}

static int check_missing(const struct mount_opts *o, struct mount_pool *p)
{
	char uuid[40], size[32];
	unsigned int i;

	for (i = 0; i < p->super->nr_members; i++) {
		const struct vfsr_member *m = &p->super->member[i];

		if (m->state == VFSR_MEMBER_NONE || p->member[i])
			continue;
		vfsr_uuid_text(m->uuid, uuid);
		vfsr_size_text(m->bytes, size);
		p->nr_missing++;
		/* the kernel will say it too */
		if (o->degraded && !o->fake)
			continue;
		if (o->degraded)
			vfsr_warn(
				"pool %s: member %u (%s, %s) is missing; going on with parity",
				p->name, i, uuid, size);
		else
			vfsr_error(
				"pool %s: member %u (%s, %s) is missing; attach it, or mount with -o degraded",
				p->name, i, uuid, size);
	}
	return p->nr_missing && !o->degraded ? -ENXIO : 0;
}

bool mount_all_found(const struct mount_scan *s)
{
	const struct vfsr_super *super = NULL;
	bool there[VFSR_MAX_MEMBERS] = { false };
	unsigned int i;

	if (s->nr && s->dev[0].super)
		super = newest(s, s->dev[0].super);
	if (!super)
		return false;
	for (i = 0; i < s->nr; i++) {
		const struct vfsr_super *own = s->dev[i].super;

		if (own && same_pool(own, super) && place_of(super, own) >= 0)
			there[place_of(super, own)] = true;
	}
	for (i = 0; i < super->nr_members; i++)
		if (super->member[i].state != VFSR_MEMBER_NONE && !there[i])
			return false;
	return true;
}

int mount_find_pool(const struct mount_opts *o, struct mount_scan *s,
		    struct mount_pool *p)
{
	const struct vfsr_super *one;
	const char *path;
	unsigned int i;
	int err;

	memset(p, 0, sizeof(*p));
	err = find_by_source(o, s, &one, &path);
	if (err)
		return err;
	p->super = newest(s, one);
	set_name(p);
	err = take_all(s, p);
	if (!err)
		err = check_missing(o, p);
	if (err)
		return err;
	for (i = 0; i < p->super->nr_members; i++) {
		if (!p->member[i])
			continue;
		/* the name that was given is what /proc/mounts shall show */
		if (!p->source || (path && p->member[i]->path == path))
			p->source = p->member[i];
		vfsr_note("member %u: %s, record %llu.%llu", i,
			  p->member[i]->path,
			  (unsigned long long)p->member[i]->super->epoch,
			  (unsigned long long)p->member[i]->super->sequence);
	}
	if (p->source)
		return 0;
	/* its newest record knows none of the devices it was found on */
	vfsr_error("pool %s: no device is a member of it; run fsck.vfsr",
		   p->name);
	return -EINVAL;
}
