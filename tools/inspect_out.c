// SPDX-License-Identifier: GPL-2.0-only
/*
 * From values to members of a JSON document, for `vfsr inspect` and
 * `vfsr map`. Nothing here reads a device.
 */
#include <stdlib.h>
#include <time.h>

#include "inspect.h"

bool inspect_number(const char *text, u64 *out)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*out = strtoull(text, &end, 10);
	return !*end && !errno;
}

static const char *pick(const char *const *names, size_t nr, unsigned int i)
{
	return i < nr && names[i] ? names[i] : "unknown";
}

const char *inspect_state_name(unsigned int state)
{
	static const char *const names[VFSR_NR_STATES] = {
		[VFSR_STATE_RAW] = "raw",
		[VFSR_STATE_COMPRESSED] = "compressed",
		[VFSR_STATE_VOID] = "void",
		[VFSR_STATE_MONOLITH] = "monolith",
	};

	return pick(names, ARRAY_SIZE(names), state);
}

const char *inspect_alg_name(unsigned int alg)
{
	static const char *const names[VFSR_NR_ALGS] = {
		[VFSR_ALG_NONE] = "none",
		[VFSR_ALG_ZLIB] = "zlib",
	};

	return pick(names, ARRAY_SIZE(names), alg);
}

const char *inspect_kind_name(unsigned int kind)
{
	static const char *const names[VFSR_NR_KINDS] = {
		[VFSR_KIND_NONE] = "none",	 [VFSR_KIND_DATA] = "data",
		[VFSR_KIND_INODE] = "inode",	 [VFSR_KIND_NODE] = "node",
		[VFSR_KIND_XATTR] = "attribute", [VFSR_KIND_MAP] = "map",
		[VFSR_KIND_COMMIT] = "commit",
	};

	return pick(names, ARRAY_SIZE(names), kind);
}

const char *inspect_use_name(unsigned int use)
{
	static const char *const names[VFSR_NR_USES] = {
		[VFSR_USE_META] = "metadata",
		[VFSR_USE_HOT] = "hot",
		[VFSR_USE_WARM] = "warm",
		[VFSR_USE_COLD] = "cold",
	};

	return pick(names, ARRAY_SIZE(names), use);
}

const char *inspect_strip_state_name(unsigned int state)
{
	static const char *const names[VFSR_NR_STRIP_STATES] = {
		[VFSR_STRIP_FREE] = "free",
		[VFSR_STRIP_RESERVED] = "reserved",
		[VFSR_STRIP_OPEN] = "open",
		[VFSR_STRIP_SEALED] = "sealed",
	};

	return pick(names, ARRAY_SIZE(names), state);
}

const char *inspect_layout_name(unsigned int layout)
{
	static const char *const names[VFSR_NR_LAYOUTS] = {
		[VFSR_LAYOUT_SPREAD] = "spread",
		[VFSR_LAYOUT_INTERLEAVED] = "interleaved",
	};

	return pick(names, ARRAY_SIZE(names), layout);
}

void inspect_put(struct json_object *to, const char *name,
		 struct json_object *value)
{
	json_object_object_add(to, name, value);
}

void inspect_put_u64(struct json_object *to, const char *name, u64 value)
{
	inspect_put(to, name, json_object_new_uint64(value));
}

void inspect_put_bool(struct json_object *to, const char *name, bool value)
{
	inspect_put(to, name, json_object_new_boolean(value));
}

void inspect_put_text(struct json_object *to, const char *name,
		      const char *text)
{
	inspect_put(to, name, json_object_new_string(text));
}

void inspect_put_id(struct json_object *to, const char *name, u64 id)
{
	char buf[24];

	snprintf(buf, sizeof(buf), "%llu", (unsigned long long)id);
	inspect_put_text(to, name, buf);
}

void inspect_put_hex(struct json_object *to, const char *name, u64 value,
		     unsigned int digits)
{
	char buf[24];

	snprintf(buf, sizeof(buf), "%0*llx", (int)digits,
		 (unsigned long long)value);
	inspect_put_text(to, name, buf);
}

void inspect_put_uuid(struct json_object *to, const char *name, const u8 *uuid)
{
	char buf[40];

	vfsr_uuid_text(uuid, buf);
	inspect_put_text(to, name, buf);
}

void inspect_put_name(struct json_object *to, const char *name,
		      const void *text, size_t len_bytes)
{
	char *clean = vfsr_name_text(text, len_bytes);

	inspect_put_text(to, name, clean);
	free(clean);
}

void inspect_put_pool(struct json_object *to, const struct vfsr_pool *p)
{
	const char *label = p->super->label;

	if (label[0])
		inspect_put_name(to, "pool", label,
				 strnlen(label, sizeof(p->super->label)));
	else
		inspect_put_uuid(to, "pool", p->super->pool_uuid);
}

void inspect_put_time(struct json_object *to, const char *name,
		      const struct vfsr_time *t)
{
	time_t sec = (time_t)t->sec;
	char day[48], buf[80];
	struct tm tm;

	/* years that calendars do not have are possible on disk */
	if (gmtime_r(&sec, &tm) &&
	    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm))
		snprintf(buf, sizeof(buf), "%s.%09uZ", day, t->nsec);
	else
		snprintf(buf, sizeof(buf), "@%lld.%09u", (long long)t->sec,
			 t->nsec);
	inspect_put_text(to, name, buf);
}

void inspect_put_policy(struct json_object *to, const char *name,
			const struct vfsr_policy *p)
{
	char buf[32];

	inspect_put_text(to, name, vfsr_policy_text(p, buf));
}

void inspect_put_place(struct json_object *to, const char *name, u64 place)
{
	struct json_object *o = json_object_new_object();

	inspect_put_id(o, "grid", vfsr_place_grid(place));
	inspect_put_u64(o, "sector", vfsr_place_sector(place));
	inspect_put_u64(o, "byte", vfsr_place_byte(place));
	inspect_put(to, name, o);
}

void inspect_put_member(struct json_object *to, const struct vfsr_pool *p,
			int member)
{
	if (member < 0 || member >= VFSR_MAX_MEMBERS) {
		inspect_put_bool(to, "missing", true);
		return;
	}
	inspect_put_u64(to, "member", (u64)member);
	if (p->dev[member])
		inspect_put_name(to, "path", p->dev[member]->path,
				 strlen(p->dev[member]->path));
	else
		inspect_put_bool(to, "missing", true);
}

void inspect_put_entry(struct json_object *to, const struct vfsr_chunk *c)
{
	struct json_object *state = json_object_new_object();

	inspect_put_place(to, "place", c->place);
	inspect_put_u64(to, "stored", c->stored);
	inspect_put_text(state, "name", inspect_state_name(c->state));
	inspect_put_text(state, "algorithm", inspect_alg_name(c->alg));
	inspect_put_text(state, "kind", inspect_kind_name(c->kind));
	inspect_put(to, "state", state);
	inspect_put_u64(to, "logical", c->logical);
	inspect_put_u64(to, "refs", c->refs);
	inspect_put_hex(to, "crc", c->crc, 8);
	inspect_put_id(to, "birth", c->birth);
}

struct json_object *inspect_put_list(struct json_object *to, const char *name)
{
	struct json_object *list = json_object_new_array();

	inspect_put(to, name, list);
	return list;
}

struct json_object *inspect_add_object(struct json_object *list)
{
	struct json_object *o = json_object_new_object();

	json_object_array_add(list, o);
	return o;
}
