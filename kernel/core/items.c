// SPDX-License-Identifier: GPL-2.0-only
/*
 * Items and inode headers: disk form to host order and back.
 *
 * Decoders take any bytes: they check before they use, and copy, as values
 * in a node are not aligned. Names and attribute values are not copied, the
 * result points into the item. Every encoder gives the only form that its decoder
 * takes for the same contents.
 */
#include "core/bytes.h"
#include "core/items.h"

#define COMPRESS_LEVEL_MAX	9
#define PERCENT_MAX		100

static int bad(struct vfsr_fault *f, enum vfsr_reason reason, u64 have,
	       u64 want)
{
	vfsr_fault_set(f, reason, have, want);
	return -EUCLEAN;
}

static bool id_ok(u64 id)
{
	return id && id <= VFSR_MAX_ID;
}

static bool file_type_ok(unsigned int type)
{
	switch (type) {
	case VFSR_DT_FIFO:
	case VFSR_DT_CHR:
	case VFSR_DT_DIR:
	case VFSR_DT_BLK:
	case VFSR_DT_REG:
	case VFSR_DT_LNK:
	case VFSR_DT_SOCK:
		return true;
	default:
		return false;
	}
}

/* --- inode --- */

u32 vfsr_inode_encode(const struct vfsr_inode *in, void *buf)
{
	struct vfsr_disk_inode d;
	u32 bytes = sizeof(d);

	memset(&d, 0, sizeof(d));
	d.mode = cpu_to_le16(in->mode);
	d.flags = cpu_to_le32(in->flags);
	d.uid = cpu_to_le32(in->uid);
	d.gid = cpu_to_le32(in->gid);
	d.size = cpu_to_le64(in->size);
	d.nlink = cpu_to_le64(in->nlink);
	d.blocks = cpu_to_le64(in->blocks);
	d.parent = cpu_to_le64(in->parent);
	d.mtime_sec = cpu_to_le64((u64)in->mtime.sec);
	d.ctime_sec = cpu_to_le64((u64)in->ctime.sec);
	d.atime_sec = cpu_to_le64((u64)in->atime.sec);
	d.btime_sec = cpu_to_le64((u64)in->btime.sec);
	d.mtime_nsec = cpu_to_le32(in->mtime.nsec);
	d.ctime_nsec = cpu_to_le32(in->ctime.nsec);
	d.atime_nsec = cpu_to_le32(in->atime.nsec);
	d.btime_nsec = cpu_to_le32(in->btime.nsec);
	d.change = cpu_to_le64(in->change);
	d.generation = cpu_to_le32(in->generation);
	d.policy.k = in->policy.k;
	d.policy.m = in->policy.m;
	d.policy.r = cpu_to_le16(in->policy.r);
	d.project = cpu_to_le32(in->project);
	d.compress_alg = in->compress_alg;
	d.compress_level = in->compress_level;
	d.compress_keep = in->compress_keep;
	d.rdev_major = cpu_to_le32(in->rdev_major);
	d.rdev_minor = cpu_to_le32(in->rdev_minor);
	while (bytes > VFSR_INODE_BYTES_MIN &&
	       vfsr_bytes_zero((u8 *)&d + bytes - VFSR_INODE_BYTES_ALIGN,
			       VFSR_INODE_BYTES_ALIGN))
		bytes -= VFSR_INODE_BYTES_ALIGN;
	d.bytes = cpu_to_le16((u16)bytes);
	memcpy(buf, &d, sizeof(d));
	return bytes;
}

static bool nsec_ok(const struct vfsr_inode *in)
{
	return in->mtime.nsec < VFSR_NSEC_PER_SEC &&
	       in->ctime.nsec < VFSR_NSEC_PER_SEC &&
	       in->atime.nsec < VFSR_NSEC_PER_SEC &&
	       in->btime.nsec < VFSR_NSEC_PER_SEC;
}

/* What needs no strip size; the rest is for who makes a geometry of it. */
static bool policy_ok(const struct vfsr_policy *p)
{
	if (!p->k)
		return !p->m && !p->r;
	return p->m <= VFSR_MAX_PARITY && p->k + p->m <= VFSR_MAX_COLUMNS &&
	       (p->k + p->m) * (u32)p->r <= VFSR_MAX_PARITY_CRCS;
}

static int inode_check(const struct vfsr_inode *in, struct vfsr_fault *f)
{
	if (!file_type_ok(in->mode >> VFSR_MODE_TYPE_SHIFT))
		return bad(f, VFSR_REASON_INODE, in->mode, 0);
	if (in->size > VFSR_FILE_BYTES_MAX)
		return bad(f, VFSR_REASON_INODE, in->size, VFSR_FILE_BYTES_MAX);
	if (in->parent > VFSR_MAX_ID)
		return bad(f, VFSR_REASON_INODE, in->parent, VFSR_MAX_ID);
	if (!nsec_ok(in))
		return bad(f, VFSR_REASON_INODE, in->mtime.nsec,
			   VFSR_NSEC_PER_SEC - 1);
	if (!policy_ok(&in->policy))
		return bad(f, VFSR_REASON_GEOMETRY, in->policy.k,
			   VFSR_MAX_COLUMNS);
	if (in->compress_alg > VFSR_NR_ALGS)
		return bad(f, VFSR_REASON_INODE, in->compress_alg,
			   VFSR_NR_ALGS);
	if (in->compress_level > COMPRESS_LEVEL_MAX)
		return bad(f, VFSR_REASON_INODE, in->compress_level,
			   COMPRESS_LEVEL_MAX);
	if (in->compress_keep > PERCENT_MAX)
		return bad(f, VFSR_REASON_INODE, in->compress_keep,
			   PERCENT_MAX);
	return 0;
}

static void times_decode(const struct vfsr_disk_inode *d,
			 struct vfsr_inode *out)
{
	out->mtime.sec = (s64)le64_to_cpu(d->mtime_sec);
	out->ctime.sec = (s64)le64_to_cpu(d->ctime_sec);
	out->atime.sec = (s64)le64_to_cpu(d->atime_sec);
	out->btime.sec = (s64)le64_to_cpu(d->btime_sec);
	out->mtime.nsec = le32_to_cpu(d->mtime_nsec);
	out->ctime.nsec = le32_to_cpu(d->ctime_nsec);
	out->atime.nsec = le32_to_cpu(d->atime_nsec);
	out->btime.nsec = le32_to_cpu(d->btime_nsec);
}

int vfsr_inode_decode(const void *buf, u32 bytes, struct vfsr_inode *out,
		      struct vfsr_fault *f)
{
	struct vfsr_disk_inode d;

	if (bytes < VFSR_INODE_BYTES_MIN || bytes > sizeof(d) ||
	    bytes % VFSR_INODE_BYTES_ALIGN)
		return bad(f, VFSR_REASON_INODE, bytes, VFSR_INODE_BYTES_MIN);
	memset(&d, 0, sizeof(d));
	memcpy(&d, buf, bytes);
	if (le16_to_cpu(d.bytes) != bytes)
		return bad(f, VFSR_REASON_INODE, le16_to_cpu(d.bytes), bytes);
	if (d.pad0 || !vfsr_bytes_zero(d.spare, sizeof(d.spare)))
		return bad(f, VFSR_REASON_PADDING, d.pad0, 0);
	memset(out, 0, sizeof(*out));
	out->mode = le16_to_cpu(d.mode);
	out->flags = le32_to_cpu(d.flags);
	out->uid = le32_to_cpu(d.uid);
	out->gid = le32_to_cpu(d.gid);
	out->size = le64_to_cpu(d.size);
	out->nlink = le64_to_cpu(d.nlink);
	out->blocks = le64_to_cpu(d.blocks);
	out->parent = le64_to_cpu(d.parent);
	times_decode(&d, out);
	out->change = le64_to_cpu(d.change);
	out->generation = le32_to_cpu(d.generation);
	out->policy.k = d.policy.k;
	out->policy.m = d.policy.m;
	out->policy.r = le16_to_cpu(d.policy.r);
	out->project = le32_to_cpu(d.project);
	out->compress_alg = d.compress_alg;
	out->compress_level = d.compress_level;
	out->compress_keep = d.compress_keep;
	out->rdev_major = le32_to_cpu(d.rdev_major);
	out->rdev_minor = le32_to_cpu(d.rdev_minor);
	return inode_check(out, f);
}

/* --- extent --- */

u32 vfsr_extent_encode(const struct vfsr_extent *e, void *buf)
{
	struct vfsr_disk_extent d;

	memset(&d, 0, sizeof(d));
	d.chunk = cpu_to_le64(e->chunk);
	d.bytes = cpu_to_le64(e->bytes);
	d.offset = cpu_to_le32(e->offset);
	d.state = e->state;
	d.fill = e->fill;
	d.flags = cpu_to_le16(e->flags);
	memcpy(buf, &d, sizeof(d));
	return sizeof(d);
}

/* The fields that belong to the state, and zero in those that do not */
static int extent_check(const struct vfsr_extent *e, struct vfsr_fault *f)
{
	switch (e->state) {
	case VFSR_STATE_RAW:
		if (!id_ok(e->chunk))
			return bad(f, VFSR_REASON_ITEM, e->chunk, VFSR_MAX_ID);
		if (e->offset >= VFSR_CHUNK_BYTES ||
		    e->bytes > VFSR_CHUNK_BYTES - e->offset)
			return bad(f, VFSR_REASON_SIZE, e->bytes,
				   VFSR_CHUNK_BYTES);
		break;
	case VFSR_STATE_VOID:
	case VFSR_STATE_MONOLITH:
		if (e->chunk || e->offset)
			return bad(f, VFSR_REASON_ITEM, e->chunk, 0);
		break;
	default:
		return bad(f, VFSR_REASON_ITEM, e->state, VFSR_NR_STATES);
	}
	if (e->fill && e->state != VFSR_STATE_MONOLITH)
		return bad(f, VFSR_REASON_PADDING, e->fill, 0);
	return 0;
}

int vfsr_extent_decode(const void *buf, u32 bytes, u64 block,
		       struct vfsr_extent *out, struct vfsr_fault *f)
{
	struct vfsr_disk_extent d;

	if (bytes != sizeof(d))
		return bad(f, VFSR_REASON_SIZE, bytes, sizeof(d));
	memcpy(&d, buf, sizeof(d));
	out->chunk = le64_to_cpu(d.chunk);
	out->bytes = le64_to_cpu(d.bytes);
	out->offset = le32_to_cpu(d.offset);
	out->flags = le16_to_cpu(d.flags);
	out->state = d.state;
	out->fill = d.fill;
	if (out->flags)
		return bad(f, VFSR_REASON_FEATURE, out->flags, 0);
	if (block > VFSR_FILE_BYTES_MAX >> VFSR_SECTOR_SHIFT)
		return bad(f, VFSR_REASON_SIZE, block,
			   VFSR_FILE_BYTES_MAX >> VFSR_SECTOR_SHIFT);
	if (!out->bytes ||
	    out->bytes > VFSR_FILE_BYTES_MAX - (block << VFSR_SECTOR_SHIFT))
		return bad(f, VFSR_REASON_SIZE, out->bytes,
			   VFSR_FILE_BYTES_MAX - (block << VFSR_SECTOR_SHIFT));
	return extent_check(out, f);
}

/* --- directory entry --- */

u32 vfsr_dirent_encode_head(const struct vfsr_dirent *d, void *buf)
{
	struct vfsr_disk_dirent head;

	memset(&head, 0, sizeof(head));
	head.ino = cpu_to_le64(d->ino);
	head.type = d->type;
	memcpy(buf, &head, VFSR_DIRENT_HEAD);
	return VFSR_DIRENT_HEAD;
}

u32 vfsr_dirent_encode(const struct vfsr_dirent *d, void *buf)
{
	u32 bytes = vfsr_dirent_encode_head(d, buf);

	memcpy((u8 *)buf + bytes, d->name, d->name_bytes);
	return bytes + d->name_bytes;
}

bool vfsr_name_ok(const void *name, u32 name_bytes, struct vfsr_fault *f)
{
	const u8 *c = name;
	u32 i;

	if (!name_bytes || name_bytes > VFSR_NAME_MAX)
		return vfsr_fault_set(f, VFSR_REASON_NAME, name_bytes,
				      VFSR_NAME_MAX);
	for (i = 0; i < name_bytes; i++)
		if (!c[i] || c[i] == '/')
			return vfsr_fault_set(f, VFSR_REASON_NAME, c[i], 0);
	if (c[0] == '.' &&
	    (name_bytes == 1 || (name_bytes == 2 && c[1] == '.')))
		return vfsr_fault_set(f, VFSR_REASON_NAME, name_bytes, 0);
	return true;
}

int vfsr_dirent_decode(const void *buf, u32 bytes, struct vfsr_dirent *out,
		       struct vfsr_fault *f)
{
	struct vfsr_disk_dirent head;

	if (bytes < VFSR_DIRENT_HEAD)
		return bad(f, VFSR_REASON_SIZE, bytes, VFSR_DIRENT_HEAD);
	memcpy(&head, buf, VFSR_DIRENT_HEAD);
	if (!vfsr_name_ok((const u8 *)buf + VFSR_DIRENT_HEAD,
			  bytes - VFSR_DIRENT_HEAD, f))
		return -EUCLEAN;
	out->ino = le64_to_cpu(head.ino);
	out->type = head.type;
	out->name = (const u8 *)buf + VFSR_DIRENT_HEAD;
	out->name_bytes = (u8)(bytes - VFSR_DIRENT_HEAD);
	if (!id_ok(out->ino))
		return bad(f, VFSR_REASON_ITEM, out->ino, VFSR_MAX_ID);
	if (!file_type_ok(out->type))
		return bad(f, VFSR_REASON_ITEM, out->type, 0);
	if (head.pad)
		return bad(f, VFSR_REASON_PADDING, head.pad, 0);
	return 0;
}

/* --- extended attribute --- */

u32 vfsr_xattr_inline_max(u32 name_bytes)
{
	return VFSR_MAX_ITEM_BYTES - VFSR_XATTR_HEAD - name_bytes;
}

/* An empty value is in the item, whatever the pointer. */
static bool xattr_in_chunk(const struct vfsr_xattr *x)
{
	return !x->value && x->value_bytes;
}

u32 vfsr_xattr_encode_head(const struct vfsr_xattr *x, void *buf)
{
	struct vfsr_disk_xattr head;

	memset(&head, 0, sizeof(head));
	head.value_bytes = cpu_to_le32(x->value_bytes);
	head.name_bytes = x->name_bytes;
	head.flags = xattr_in_chunk(x) ? VFSR_XATTR_CHUNK : 0;
	memcpy(buf, &head, VFSR_XATTR_HEAD);
	return VFSR_XATTR_HEAD;
}

u32 vfsr_xattr_encode(const struct vfsr_xattr *x, void *buf)
{
	__le64 chunk = cpu_to_le64(x->chunk);
	u8 *at = buf;

	at += vfsr_xattr_encode_head(x, at);
	memcpy(at, x->name, x->name_bytes);
	at += x->name_bytes;
	if (xattr_in_chunk(x)) {
		memcpy(at, &chunk, sizeof(chunk));
		at += sizeof(chunk);
	} else if (x->value_bytes) {
		memcpy(at, x->value, x->value_bytes);
		at += x->value_bytes;
	}
	return (u32)(at - (u8 *)buf);
}

static int xattr_head_check(const struct vfsr_disk_xattr *head, u32 bytes,
			    struct vfsr_fault *f)
{
	u32 value_bytes = le32_to_cpu(head->value_bytes);
	bool in_chunk = head->flags & VFSR_XATTR_CHUNK;
	u32 want = VFSR_XATTR_HEAD + head->name_bytes;

	if (!head->name_bytes)
		return bad(f, VFSR_REASON_NAME, 0, 1);
	if (head->flags & ~VFSR_XATTR_CHUNK)
		return bad(f, VFSR_REASON_ITEM, head->flags, VFSR_XATTR_CHUNK);
	if (head->pad[0] || head->pad[1])
		return bad(f, VFSR_REASON_PADDING, head->pad[0], 0);
	if (value_bytes > VFSR_XATTR_VALUE_MAX || (in_chunk && !value_bytes))
		return bad(f, VFSR_REASON_SIZE, value_bytes,
			   VFSR_XATTR_VALUE_MAX);
	want += in_chunk ? (u32)sizeof(__le64) : value_bytes;
	if (bytes != want)
		return bad(f, VFSR_REASON_SIZE, bytes, want);
	return 0;
}

int vfsr_xattr_decode(const void *buf, u32 bytes, struct vfsr_xattr *out,
		      struct vfsr_fault *f)
{
	const u8 *at = (const u8 *)buf + VFSR_XATTR_HEAD;
	struct vfsr_disk_xattr head;
	__le64 chunk;
	int rc;

	if (bytes < VFSR_XATTR_HEAD)
		return bad(f, VFSR_REASON_SIZE, bytes, VFSR_XATTR_HEAD);
	memcpy(&head, buf, VFSR_XATTR_HEAD);
	rc = xattr_head_check(&head, bytes, f);
	if (rc)
		return rc;
	if (memchr(at, 0, head.name_bytes))
		return bad(f, VFSR_REASON_NAME, 0, head.name_bytes);
	out->name = at;
	out->name_bytes = head.name_bytes;
	out->value_bytes = le32_to_cpu(head.value_bytes);
	out->value = at + head.name_bytes;
	out->chunk = 0;
	if (head.flags & VFSR_XATTR_CHUNK) {
		memcpy(&chunk, out->value, sizeof(chunk));
		out->value = NULL;
		out->chunk = le64_to_cpu(chunk);
		if (!id_ok(out->chunk))
			return bad(f, VFSR_REASON_ITEM, out->chunk,
				   VFSR_MAX_ID);
	}
	return 0;
}
