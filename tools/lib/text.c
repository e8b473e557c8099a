// SPDX-License-Identifier: GPL-2.0-only
/*
 * Words that people type and read: sizes, uuids, policies, file names; and
 * the progress line.
 */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "lib/out.h"

#define TTY_INTERVAL	0.5	/* seconds between updates on a terminal */
#define PLAIN_INTERVAL	10.0	/* seconds between lines elsewhere */

int vfsr_parse_size(const char *text, u64 *bytes)
{
	static const char units[] = "KMGTPE";
	const char *unit;
	unsigned int shift = 0;
	unsigned long long whole;
	long double v;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	whole = strtoull(text, &end, 10);
	if (errno)
		return -ERANGE;
	v = (long double)whole;
	if (*end == '.')
		v = strtold(text, &end);
	if (*end) {
		unit = strchr(units, *end & ~0x20);
		if (!unit || !*unit)
			return -EINVAL;
		shift = 10 * (unsigned int)(unit - units + 1);
		end++;
		/* K, KiB and KB are one and the same here */
		if (*end == 'i')
			end++;
		if (*end == 'B')
			end++;
		if (*end)
			return -EINVAL;
	}
	v *= (long double)(1ull << shift);
	if (v >= 18446744073709551616.0L)
		return -ERANGE;
	*bytes = (u64)v;
	return 0;
}

const char *vfsr_size_text(u64 bytes, char *buf)
{
	static const char *const unit[] = { "B",   "KiB", "MiB", "GiB",
					    "TiB", "PiB", "EiB" };
	double v = (double)bytes;
	size_t i = 0;

	while (v >= 1024 && i + 1 < ARRAY_SIZE(unit)) {
		v /= 1024;
		i++;
	}
	if (!i)
		snprintf(buf, 16, "%u B", (unsigned int)bytes);
	else
		snprintf(buf, 16, "%.1f %s", v, unit[i]);
	return buf;
}

void vfsr_uuid_text(const u8 *uuid, char *buf)
{
	unsigned int i;

	for (i = 0; i < VFSR_UUID_BYTES; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*buf++ = '-';
		buf += sprintf(buf, "%02x", uuid[i]);
	}
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int vfsr_uuid_parse(const char *text, u8 *uuid)
{
	unsigned int i;

	for (i = 0; i < VFSR_UUID_BYTES; i++) {
		int hi, lo;

		if (i == 4 || i == 6 || i == 8 || i == 10)
			if (*text++ != '-')
				return -EINVAL;
		hi = hex(text[0]);
		lo = hi < 0 ? -1 : hex(text[1]);
		if (lo < 0)
			return -EINVAL;
		uuid[i] = (u8)(hi << 4 | lo);
		text += 2;
	}
	return *text ? -EINVAL : 0;
}

/* Length of the UTF-8 sequence at @s, 0 if it is none (RFC 3629). */
static size_t utf8_len(const u8 *s, size_t left)
{
	static const u32 least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n, i;
	u32 c;

	if (s[0] < 0x80)
		return 1;
	n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	if (s[0] < 0xc2 || s[0] > 0xf4 || n > left)
		return 0;
	c = s[0] & (0x7fu >> n);
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	return n;
}

char *vfsr_name_text(const void *name, size_t len_bytes)
{
	const u8 *s = name;
	char *out = malloc(len_bytes * 4 + 1), *o = out;
	size_t i = 0;

	if (!out)
		abort();
	while (i < len_bytes) {
		size_t n = utf8_len(s + i, len_bytes - i);

		if (n == 1 && (s[i] < 0x20 || s[i] == 0x7f || s[i] == '\\'))
			n = 0;
		if (!n) {
			o += sprintf(o, "\\x%02X", s[i++]);
			continue;
		}
		memcpy(o, s + i, n);
		o += n;
		i += n;
	}
	*o = '\0';
	return out;
}

/* A number of at most @max; moves @p behind it. */
static bool number(const char **p, unsigned int max, unsigned int *out)
{
	unsigned int v = 0;
	const char *s = *p;

	if (*s < '0' || *s > '9')
		return false;
	while (*s >= '0' && *s <= '9') {
		v = v * 10 + (unsigned int)(*s++ - '0');
		if (v > max)
			return false;
	}
	*p = s;
	*out = v;
	return true;
}

int vfsr_policy_parse(const char *text, struct vfsr_policy *p)
{
	static const struct {
		const char *prefix;
		unsigned int parts;
	} forms[] = { { "replica:", 1 }, { "ec:", 2 }, { "grid:", 3 } };
	unsigned int v[3] = { 0 }, i, j;

	if (!strcmp(text, "single") || !strcmp(text, "mirror")) {
		*p = (struct vfsr_policy){ 1, text[0] == 'm', 0 };
		return 0;
	}
	for (i = 0; i < ARRAY_SIZE(forms); i++) {
		size_t len = strlen(forms[i].prefix);

		if (strncmp(text, forms[i].prefix, len))
			continue;
		text += len;
		for (j = 0; j < forms[i].parts; j++) {
			if (j && *text++ != '+')
				return -EINVAL;
			if (!number(&text, 4096, &v[j]))
				return -EINVAL;
		}
		break;
	}
	if (i == ARRAY_SIZE(forms) || *text)
		return -EINVAL;
	if (!i) {	/* replica:N is one data column and N - 1 copies */
		if (!v[0])
			return -EINVAL;
		v[1] = v[0] - 1;
		v[0] = 1;
	}
	if (!v[0] || v[0] > VFSR_MAX_COLUMNS || v[1] > VFSR_MAX_PARITY)
		return -EINVAL;
	*p = (struct vfsr_policy){ (u8)v[0], (u8)v[1], (u16)v[2] };
	return 0;
}

const char *vfsr_policy_text(const struct vfsr_policy *p, char *buf)
{
	if (p->r)
		snprintf(buf, 32, "grid:%u+%u+%u", p->k, p->m, p->r);
	else if (p->k == 1 && !p->m)
		snprintf(buf, 32, "single");
	else if (p->k == 1)
		snprintf(buf, 32, "replica:%u", p->m + 1u);
	else
		snprintf(buf, 32, "ec:%u+%u", p->k, p->m);
	return buf;
}

/* --- progress --- */

double vfsr_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

void vfsr_progress_begin(struct vfsr_progress *p, const char *what, u64 total)
{
	memset(p, 0, sizeof(*p));
	p->what = what;
	p->total = total;
	p->started = vfsr_now();
	p->printed = p->started;
	p->tty = isatty(2);
}

static void progress_print(struct vfsr_progress *p, double now)
{
	double took = now - p->started;
	double rate = took > 0 ? (double)p->done / took : 0;
	char done[16], speed[16], eta[48] = "";
	u64 left = p->total > p->done ? p->total - p->done : 0;

	if (p->total && rate > 0) {
		u64 s = (u64)((double)left / rate) + 1;

		snprintf(eta, sizeof(eta), ", %u %%, %llu:%02llu left",
			 (unsigned int)(100.0 * (double)p->done /
					(double)p->total),
			 (unsigned long long)(s / 60),
			 (unsigned long long)(s % 60));
	}
	fprintf(stderr, "%s%s: %s %s, %s/s%s%s", p->tty ? "\r\033[K" : "",
		vfsr_prog, p->what, vfsr_size_text(p->done, done),
		vfsr_size_text((u64)rate, speed), eta, p->tty ? "" : "\n");
	p->shown = true;
}

void vfsr_progress_set(struct vfsr_progress *p, u64 done)
{
	double now;

	p->done = done;
	if (vfsr_quiet)
		return;
	now = vfsr_now();
	if (now - p->printed < (p->tty ? TTY_INTERVAL : PLAIN_INTERVAL))
		return;
	p->printed = now;
	progress_print(p, now);
}

void vfsr_progress_end(struct vfsr_progress *p)
{
	if (p->shown && p->tty)
		fprintf(stderr, "\r\033[K");
	p->shown = false;
}
