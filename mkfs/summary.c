// SPDX-License-Identifier: GPL-2.0-only
/*
 * The summary of mkfs: what the pool is made of, what it survives, and what
 * went into it. Text for people, one JSON document for programs; both say the
 * same.
 */
#include <stdlib.h>

#include "mkfs.h"

#define PERCENT 100.0
#define WORTH_A_SHARE (1u << 20) /* bytes used: of less, waste says nothing */
#define SURVIVES_ROOM 256

static const char *const state_name[VFSR_NR_STATES] = {
	[VFSR_STATE_RAW] = "raw",
	[VFSR_STATE_COMPRESSED] = "compressed",
	[VFSR_STATE_VOID] = "void",
	[VFSR_STATE_MONOLITH] = "monolith",
};

static const char *layout_name(const struct vfsr_super *s)
{
	return s->layout == VFSR_LAYOUT_INTERLEAVED ? "interleaved" : "spread";
}

/* Share of a grid's sectors that is data, in percent. */
static double efficiency(const struct vfsr_super *s,
			 const struct vfsr_policy *p)
{
	double rows =
		(double)((1u << (s->strip_shift - VFSR_SECTOR_SHIFT)) - 1);

	return PERCENT * p->k / (p->k + p->m) * (rows - p->r) / rows;
}

/* Bytes of data that an empty pool takes: all strips as data grids. */
static u64 usable_bytes(const struct vfsr_super *s)
{
	u32 strips[VFSR_MAX_MEMBERS];
	struct vfsr_geometry g;
	unsigned int i;

	for (i = 0; i < s->nr_members; i++)
		strips[i] = s->member[i].nr_strips;
	if (vfsr_geometry_init(&g, &s->data, s->strip_shift, s->layout, NULL))
		return 0;
	return vfsr_plan_grids(strips, s->nr_members, g.n, s->layout) *
	       g.data_sectors * VFSR_SECTOR_BYTES;
}

static double share(u64 part, u64 whole)
{
	return whole ? PERCENT * (double)part / (double)whole : 0;
}

static double saved_percent(const struct mkfs_result *r)
{
	return r->fill.logical_bytes ? PERCENT - share(r->write.used_bytes,
						       r->fill.logical_bytes) :
				       0;
}

/* Millions of bytes of file data per second. */
static double speed(const struct mkfs_result *r)
{
	return r->seconds > 0 ?
		       (double)r->fill.logical_bytes / 1e6 / r->seconds :
		       0;
}

static void compression_text(const struct vfsr_super *s, char *buf, size_t room)
{
	if (s->compress_alg == VFSR_ALG_ZLIB)
		snprintf(buf, room, "zlib:%u", s->compress_level);
	else
		snprintf(buf, room, "none");
}

/* --- JSON --- */

static void add(struct json_object *to, const char *name,
		struct json_object *value)
{
	json_object_object_add(to, name, value);
}

static void add_u64(struct json_object *to, const char *name, u64 value)
{
	add(to, name, json_object_new_uint64(value));
}

static void add_text(struct json_object *to, const char *name, const char *text)
{
	add(to, name, json_object_new_string(text));
}

static void add_number(struct json_object *to, const char *name, double value)
{
	add(to, name, vfsr_json_number(value));
}

static struct json_object *policy_json(const struct mkfs_result *r,
				       const struct vfsr_policy *p)
{
	struct json_object *o = json_object_new_object();
	char survives[SURVIVES_ROOM], text[32];

	vfsr_plan_survives(p, r->s->nr_members, r->s->strip_shift, r->s->layout,
			   survives, sizeof(survives));
	add_text(o, "policy", vfsr_policy_text(p, text));
	add_u64(o, "k", p->k);
	add_u64(o, "m", p->m);
	add_u64(o, "r", p->r);
	add_number(o, "efficiency_percent", efficiency(r->s, p));
	add_text(o, "survives", survives);
	return o;
}

static struct json_object *devices_json(const struct mkfs_result *r)
{
	struct json_object *list = json_object_new_array();
	unsigned int i;

	for (i = 0; i < r->s->nr_members; i++) {
		const struct vfsr_member *m = &r->s->member[i];
		struct json_object *o = json_object_new_object();
		char *path = vfsr_name_text(r->dev[i]->path,
					    strlen(r->dev[i]->path));
		char uuid[40];

		vfsr_uuid_text(m->uuid, uuid);
		add_u64(o, "number", i);
		add_text(o, "path", path);
		free(path);
		add_text(o, "uuid", uuid);
		add_u64(o, "size_bytes", m->bytes);
		add_u64(o, "strips", m->nr_strips);
		add_u64(o, "strip_start_bytes",
			m->strip_sector * VFSR_SECTOR_BYTES);
		add(o, "rotational",
		    json_object_new_boolean(r->dev[i]->rotational));
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *fill_json(const struct mkfs_result *r)
{
	struct json_object *o = json_object_new_object();
	struct json_object *states = json_object_new_object();
	const struct vfsr_fill_stats *f = &r->fill;
	unsigned int i;

	add_u64(o, "files", f->files);
	add_u64(o, "dirs", f->dirs);
	add_u64(o, "symlinks", f->symlinks);
	add_u64(o, "specials", f->specials);
	add_u64(o, "hardlinks", f->hardlinks);
	add_u64(o, "xattrs", f->xattrs);
	add_u64(o, "changed", f->changed);
	add_u64(o, "logical_bytes", f->logical_bytes);
	for (i = 0; i < VFSR_NR_STATES; i++)
		add_u64(states, state_name[i], f->state_bytes[i]);
	add(o, "state_bytes", states);
	add_u64(o, "stored_bytes", f->stored_bytes);
	add_u64(o, "shared_chunks", f->shared_chunks);
	add_number(o, "seconds", r->seconds);
	add_number(o, "megabytes_per_second", speed(r));
	return o;
}

static void written_json(const struct mkfs_result *r, struct json_object *o)
{
	const struct vfsr_write_stats *w = &r->write;

	add(o, "fill", fill_json(r));
	add_u64(o, "grids", w->grids);
	add_u64(o, "stripes", w->stripes);
	add_u64(o, "stored_bytes", w->stored_bytes);
	add_u64(o, "gap_bytes", w->gap_bytes);
	add_u64(o, "footer_bytes", w->footer_bytes);
	add_u64(o, "meta_bytes", w->meta_bytes);
	add_u64(o, "used_bytes", w->used_bytes);
	add_u64(o, "raw_used_bytes", w->raw_used_bytes);
	add_u64(o, "allocated_bytes", w->allocated_bytes);
	add_number(o, "waste_percent", share(w->gap_bytes, w->used_bytes));
	add_number(o, "saved_percent", saved_percent(r));
}

static void print_json(const struct mkfs_result *r)
{
	const struct vfsr_super *s = r->s;
	struct vfsr_doc doc;
	char text[40];

	vfsr_doc_begin(&doc, "mkfs");
	add_text(doc.root, "label", s->label);
	vfsr_uuid_text(s->pool_uuid, text);
	add_text(doc.root, "uuid", text);
	add(doc.root, "dry_run", json_object_new_boolean(r->opts->dry_run));
	add(doc.root, "devices", devices_json(r));
	add_u64(doc.root, "sector_bytes", VFSR_SECTOR_BYTES);
	add_u64(doc.root, "strip_bytes", 1ull << s->strip_shift);
	add_text(doc.root, "layout", layout_name(s));
	add(doc.root, "data", policy_json(r, &s->data));
	add(doc.root, "metadata", policy_json(r, &s->meta));
	compression_text(s, text, sizeof(text));
	add_text(doc.root, "compress", text);
	add_u64(doc.root, "usable_bytes", usable_bytes(s));
	if (r->written)
		written_json(r, doc.root);
	vfsr_doc_end(&doc, true);
}

/* --- text --- */

static void print_policy(const struct mkfs_result *r, const char *what,
			 const struct vfsr_policy *p)
{
	char survives[SURVIVES_ROOM], text[32];

	vfsr_plan_survives(p, r->s->nr_members, r->s->strip_shift, r->s->layout,
			   survives, sizeof(survives));
	printf("%-12s%s, %.1f %% of the space\n", what,
	       vfsr_policy_text(p, text), efficiency(r->s, p));
	printf("  %-10s%s\n", "survives", survives);
}

static void print_devices(const struct mkfs_result *r)
{
	u64 sum = 0;
	unsigned int i;
	char text[32];

	for (i = 0; i < r->s->nr_members; i++)
		sum += r->s->member[i].bytes;
	printf("%-12s%u, %s\n", "devices", r->s->nr_members,
	       vfsr_size_text(sum, text));
	for (i = 0; i < r->s->nr_members; i++) {
		const struct vfsr_member *m = &r->s->member[i];
		char *path = vfsr_name_text(r->dev[i]->path,
					    strlen(r->dev[i]->path));

		printf("  %-10u%10s  %7u strips  %s\n", i,
		       vfsr_size_text(m->bytes, text), m->nr_strips, path);
		free(path);
	}
}

static void print_fill(const struct mkfs_result *r)
{
	const struct vfsr_fill_stats *f = &r->fill;
	const char *sep = "";
	unsigned int i;
	char text[32];

	printf("%-12s%llu file%s, %llu director%s, %llu symlink%s, %llu other%s\n",
	       "contents", (unsigned long long)f->files, vfsr_plural(f->files),
	       (unsigned long long)f->dirs, f->dirs == 1 ? "y" : "ies",
	       (unsigned long long)f->symlinks, vfsr_plural(f->symlinks),
	       (unsigned long long)f->specials, vfsr_plural(f->specials));
	if (f->changed)
		printf("  %-10s%llu while the tree was read, named above\n",
		       "changed", (unsigned long long)f->changed);
	printf("  %-10s%s (", "data", vfsr_size_text(f->logical_bytes, text));
	for (i = 0; i < VFSR_NR_STATES; i++) {
		printf("%s%s %s", sep, state_name[i],
		       vfsr_size_text(f->state_bytes[i], text));
		sep = ", ";
	}
	printf(")\n");
	printf("  %-10s%.1f s, %.1f MB/s\n", "time", r->seconds, speed(r));
}

static void print_written(const struct mkfs_result *r)
{
	char text[32], raw[32], strips[32];

	if (r->opts->rootdir)
		print_fill(r);
	printf("%-12s%s before parity, %s with it, in strips of %s", "used",
	       vfsr_size_text(r->write.used_bytes, text),
	       vfsr_size_text(r->write.raw_used_bytes, raw),
	       vfsr_size_text(r->write.allocated_bytes, strips));
	/* of a tiny tree nothing is saved: what every pool has outweighs it */
	if (r->opts->rootdir && saved_percent(r) > 0)
		printf("; %.1f %% saved", saved_percent(r));
	if (r->opts->rootdir && r->write.used_bytes >= WORTH_A_SHARE)
		printf("; %.2f %% packing waste",
		       share(r->write.gap_bytes, r->write.used_bytes));
	putchar('\n');
}

static void print_text(const struct mkfs_result *r)
{
	const struct vfsr_super *s = r->s;
	char text[40];

	if (r->opts->dry_run)
		printf("Nothing was written (--dry-run).\n");
	if (s->label[0]) {
		char *label = vfsr_name_text(s->label, strlen(s->label));

		printf("%-12s%s\n", "label", label);
		free(label);
	}
	vfsr_uuid_text(s->pool_uuid, text);
	printf("%-12s%s\n", "uuid", text);
	print_devices(r);
	printf("%-12s%s, %s\n", "strips",
	       vfsr_size_text(1ull << s->strip_shift, text), layout_name(s));
	print_policy(r, "data", &s->data);
	print_policy(r, "metadata", &s->meta);
	compression_text(s, text, sizeof(text));
	printf("%-12s%s\n", "compress", text);
	printf("%-12sabout %s\n", "usable",
	       vfsr_size_text(usable_bytes(s), text));
	if (r->written)
		print_written(r);
	fflush(stdout);
}

void mkfs_summary(const struct mkfs_result *r)
{
	if (r->opts->json)
		print_json(r);
	else if (!vfsr_quiet)
		print_text(r);
}
