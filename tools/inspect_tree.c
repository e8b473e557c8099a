// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfsr inspect inode and tree: an inode's header and what its items say, and
 * the nodes that they are in. An inode goes on behind damage; a tree
 * ends at the first node that cannot be read, and says so.
 */
#include <stdlib.h>
#include <sys/stat.h>

#include "cmd.h"
#include "inspect.h"
#include "lib/treeiter.h"

#define ITEMS_SHOWN	1000u	/* of an inode, without --all */

/* --- which inode --- */

/* Look a path up, component by component. 0 or a reported error. */
static int find_path(struct inspect *in, const char *path, u64 *ino)
{
	const u8 *key = in->p->super->hash_key;
	struct vfsr_inode inode;
	const char *at = path;
	struct vfsr_tree t;
	int err = vfsr_tree_init(&t, in->p, in->ws);
	u8 type;

	*ino = VFSR_ROOT_INO;
	for (at += strspn(at, "/"); !err && *at; at += strspn(at, "/")) {
		size_t len = strcspn(at, "/");

		err = len > VFSR_NAME_MAX ? -ENAMETOOLONG :
					    vfsr_tree_seek(&t, *ino, &inode);
		if (!err && !S_ISDIR(inode.mode))
			err = -ENOTDIR;
		if (!err)
			err = vfsr_dir_lookup(&t.bt, key, (const u8 *)at,
					      (u32)len, NULL, ino, &type);
		at += len;
	}
	vfsr_tree_release(&t);
	if (err) {
		char *text = vfsr_name_text(path, strlen(path));

		vfsr_error("%s: cannot find it in pool %s: %s", text,
			   in->p->name, strerror(-err));
		free(text);
	}
	return err;
}

/* The inode that the argument names. VFSR_EXIT_OK, or reported. */
static int find_inode(struct inspect *in, u64 *ino)
{
	struct vfsr_chunk c;
	int err;

	if (in->arg[0][0] == '/')
		return find_path(in, in->arg[0], ino) ? VFSR_EXIT_FAILED :
							VFSR_EXIT_OK;
	if (!inspect_number(in->arg[0], ino)) {
		vfsr_error(
			"'%s' is neither an inode number nor a path that begins with '/'",
			in->arg[0]);
		return VFSR_EXIT_USAGE;
	}
	err = vfsr_map_lookup(in->p, *ino, &c, in->ws);
	if (!err && c.kind == VFSR_KIND_INODE)
		return VFSR_EXIT_OK;
	if (err == -ENOENT)
		vfsr_error(
			"pool %s has no inode %llu; 'vfsr map' lists all ids in use",
			in->p->name, (unsigned long long)*ino);
	else if (err)
		vfsr_error(
			"pool %s: the map's entry of %llu cannot be read: %s",
			in->p->name, (unsigned long long)*ino, strerror(-err));
	else
		vfsr_error("id %llu is no inode, it is of kind '%s'",
			   (unsigned long long)*ino, inspect_kind_name(c.kind));
	return VFSR_EXIT_FAILED;
}

/* --- items --- */

static const char *item_name(u8 type)
{
	static const char *const names[VFSR_NR_ITEM_TYPES] = {
		[VFSR_ITEM_INLINE] = "inline",	 [VFSR_ITEM_EXTENT] = "extent",
		[VFSR_ITEM_XATTR] = "attribute", [VFSR_ITEM_DIRENT] = "entry",
		[VFSR_ITEM_PARENT] = "parent",	 [VFSR_ITEM_VERITY] = "verity",
		[VFSR_ITEM_CRYPT] = "crypt",
	};

	return type < ARRAY_SIZE(names) && names[type] ? names[type] :
							 "unknown";
}

static const char *file_type(unsigned int dt)
{
	switch (dt) {
	case VFSR_DT_FIFO:
		return "fifo";
	case VFSR_DT_CHR:
		return "char-device";
	case VFSR_DT_DIR:
		return "directory";
	case VFSR_DT_BLK:
		return "block-device";
	case VFSR_DT_REG:
		return "file";
	case VFSR_DT_LNK:
		return "symlink";
	case VFSR_DT_SOCK:
		return "socket";
	default:
		return "unknown";
	}
}

static void put_extent(struct json_object *o, const struct vfsr_item *item,
		       const struct vfsr_extent *e)
{
	/* state raw means: the map tells how the chunk is stored */
	bool chunk = e->state == VFSR_STATE_RAW;

	inspect_put_u64(o, "offset", item->key.key * VFSR_SECTOR_BYTES);
	inspect_put_u64(o, "bytes", e->bytes);
	inspect_put_text(o, "state",
			 chunk ? "chunk" : inspect_state_name(e->state));
	if (chunk) {
		inspect_put_id(o, "chunk", e->chunk);
		inspect_put_u64(o, "chunk_offset", e->offset);
	}
	if (e->state == VFSR_STATE_MONOLITH)
		inspect_put_u64(o, "fill", e->fill);
	if (e->flags)
		inspect_put_hex(o, "flags", e->flags, 4);
}

static int put_xattr(struct json_object *o, const struct vfsr_item *item)
{
	struct vfsr_xattr x;

	if (vfsr_xattr_decode(item->value, item->bytes, &x, NULL))
		return -EUCLEAN;
	inspect_put_name(o, "name", x.name, x.name_bytes);
	inspect_put_u64(o, "bytes", x.value_bytes);
	if (!x.value && x.value_bytes)
		inspect_put_id(o, "chunk", x.chunk);
	return 0;
}

/* What an item of a leaf says. */
static void put_item(struct json_object *o, const struct vfsr_item *item)
{
	struct vfsr_extent e;
	struct vfsr_dirent d;
	int err = 0;

	inspect_put_text(o, "type", item_name(item->key.type));
	inspect_put_id(o, "key", item->key.key);
	switch (item->key.type) {
	case VFSR_ITEM_INLINE:
		inspect_put_u64(o, "bytes", item->bytes);
		break;
	case VFSR_ITEM_EXTENT:
		err = vfsr_extent_decode(item->value, item->bytes,
					 item->key.key, &e, NULL);
		if (!err)
			put_extent(o, item, &e);
		break;
	case VFSR_ITEM_XATTR:
		err = put_xattr(o, item);
		break;
	case VFSR_ITEM_DIRENT:
		err = vfsr_dirent_decode(item->value, item->bytes, &d, NULL);
		if (!err) {
			inspect_put_name(o, "name", d.name, d.name_bytes);
			inspect_put_id(o, "inode", d.ino);
			inspect_put_text(o, "file_type", file_type(d.type));
		}
		break;
	default:
		inspect_put_u64(o, "bytes", item->bytes);
	}
	if (err)
		inspect_put_bool(o, "damaged", true);
}

/* --- inode --- */

static void put_header(struct json_object *to, const struct vfsr_inode *i)
{
	char mode[8];

	snprintf(mode, sizeof(mode), "%06o", i->mode);
	inspect_put_text(to, "type",
			 file_type(i->mode >> VFSR_MODE_TYPE_SHIFT));
	inspect_put_text(to, "mode", mode);
	inspect_put_u64(to, "size", i->size);
	inspect_put_u64(to, "links", i->nlink);
	inspect_put_u64(to, "blocks", i->blocks);
	inspect_put_u64(to, "uid", i->uid);
	inspect_put_u64(to, "gid", i->gid);
	inspect_put_u64(to, "project", i->project);
	inspect_put_id(to, "parent", i->parent);
	inspect_put_time(to, "modified", &i->mtime);
	inspect_put_time(to, "changed", &i->ctime);
	inspect_put_time(to, "accessed", &i->atime);
	inspect_put_time(to, "born", &i->btime);
	inspect_put_id(to, "change", i->change);
	inspect_put_u64(to, "generation", i->generation);
	inspect_put_hex(to, "flags", i->flags, 8);
	if (i->policy.k)
		inspect_put_policy(to, "policy", &i->policy);
	else
		inspect_put_text(to, "policy", "default");
	inspect_put_text(to, "compress",
			 i->compress_alg ?
				 inspect_alg_name(i->compress_alg - 1u) :
				 "default");
	inspect_put_u64(to, "compress_level", i->compress_level);
	inspect_put_u64(to, "compress_keep", i->compress_keep);
	inspect_put_u64(to, "device_major", i->rdev_major);
	inspect_put_u64(to, "device_minor", i->rdev_minor);
}

/* Every item is counted, the first ones are listed. */
static int put_items(struct inspect *in, struct vfsr_iter *it)
{
	struct json_object *counts = json_object_new_object();
	struct json_object *list = json_object_new_array();
	u64 nr[VFSR_NR_ITEM_TYPES] = { 0 }, all = 0, lost = 0;
	struct vfsr_item item;
	unsigned int i;
	int err;

	while ((err = vfsr_iter_next(it, &item)) != -ENOENT && err != -ENOMEM) {
		if (err) {
			lost++;
			continue;
		}
		if (item.key.type < VFSR_NR_ITEM_TYPES)
			nr[item.key.type]++;
		if (all++ < ITEMS_SHOWN || in->all)
			put_item(inspect_add_object(list), &item);
	}
	for (i = 1; i < VFSR_NR_ITEM_TYPES; i++)
		if (nr[i])
			inspect_put_u64(counts, item_name((u8)i), nr[i]);
	inspect_put(in->root, "counts", counts);
	inspect_put_u64(in->root, "nr_items", all);
	inspect_put_u64(in->root, "lost_subtrees", lost);
	inspect_put(in->root, "items", list);
	if (all > ITEMS_SHOWN && !in->all)
		inspect_put_u64(in->root, "items_left_out", all - ITEMS_SHOWN);
	if (err == -ENOMEM) {
		vfsr_error("out of memory; close other programs");
		return VFSR_EXIT_FAILED;
	}
	return lost ? VFSR_EXIT_LOST : VFSR_EXIT_OK;
}

int inspect_inode(struct inspect *in)
{
	struct json_object *entry;
	struct vfsr_inode inode;
	struct vfsr_iter it;
	struct vfsr_chunk c;
	char *path;
	u64 ino;
	int code = find_inode(in, &ino), err;

	if (code)
		return code;
	inspect_put_id(in->root, "inode", ino);
	path = vfsr_path_of(in->p, ino, in->ws);
	inspect_put_name(in->root, "path", path ? path : "",
			 path ? strlen(path) : 0);
	free(path);
	if (!vfsr_map_lookup(in->p, ino, &c, in->ws)) {
		entry = json_object_new_object();
		inspect_put_entry(entry, &c);
		inspect_put(in->root, "map_entry", entry);
	}
	vfsr_iter_init(&it, in->p, in->ws);
	err = vfsr_iter_open(&it, ino, &inode);
	if (err) {
		inspect_put_bool(in->root, "lost", true);
		vfsr_error(
			"inode %llu cannot be read: %s; attach missing devices",
			(unsigned long long)ino, strerror(-err));
		code = VFSR_EXIT_LOST;
	} else {
		put_header(in->root, &inode);
		code = put_items(in, &it);
	}
	vfsr_iter_release(&it);
	return code;
}

/* --- tree --- */

struct nodes {
	struct json_object *list;
	u64 nr, bytes, items;
};

static int node(void *arg, u64 id, const u8 *data)
{
	struct nodes *w = arg;
	struct json_object *o = inspect_add_object(w->list), *list;
	unsigned int level = vfsr_node_level(data);
	unsigned int nr = vfsr_node_nr_items(data), i;
	struct vfsr_item item;

	inspect_put_id(o, "id", id);
	inspect_put_u64(o, "level", level);
	inspect_put_u64(o, "bytes", vfsr_node_bytes(data));
	inspect_put_u64(o, "nr_items", nr);
	list = inspect_put_list(o, "items");
	for (i = 0; i < nr; i++) {
		struct json_object *e = inspect_add_object(list);

		vfsr_node_item(data, i, &item);
		if (!level) {
			put_item(e, &item);
			continue;
		}
		inspect_put_text(e, "type", item_name(item.key.type));
		inspect_put_id(e, "key", item.key.key);
		inspect_put_id(e, "child", vfsr_node_child(data, i));
	}
	w->nr++;
	w->items += level ? 0 : nr;
	w->bytes += vfsr_node_bytes(data);
	return 0;
}

int inspect_tree(struct inspect *in)
{
	struct nodes w = { 0 };
	struct vfsr_inode inode;
	struct vfsr_tree t;
	u64 ino;
	int code = find_inode(in, &ino), err;

	if (code)
		return code;
	err = vfsr_tree_init(&t, in->p, in->ws);
	if (!err)
		err = vfsr_tree_seek(&t, ino, &inode);
	w.list = json_object_new_array();
	if (!err)
		err = vfsr_bt_walk(&t.bt, node, &w);
	inspect_put_id(in->root, "inode", ino);
	inspect_put_u64(in->root, "nr_nodes", w.nr);
	inspect_put_u64(in->root, "nr_items", w.items);
	inspect_put_u64(in->root, "used_bytes", w.bytes);
	inspect_put_bool(in->root, "complete", !err);
	inspect_put(in->root, "nodes", w.list);
	if (err == -EUCLEAN && t.bt.fault.reason != VFSR_REASON_NONE)
		vfsr_complain(in->p->name, -1, 0, ino, &t.bt.fault);
	vfsr_tree_release(&t);
	if (err)
		vfsr_error(
			"the tree of inode %llu cannot be read to its end: %s; attach missing devices, or run fsck.vfsr",
			(unsigned long long)ino, strerror(-err));
	return err ? VFSR_EXIT_LOST : VFSR_EXIT_OK;
}
