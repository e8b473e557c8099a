// SPDX-License-Identifier: GPL-2.0-only
/*
 * optest: random numbers and the bytes that files are filled with.
 *
 * Every byte is a pure function of (kind, seed, position), so the oracle keeps
 * a few words for a write of any size, and any part of it can be made again.
 * Numbers come from a sequence that starts anew with each operation.
 */
#include <stdlib.h>

#include "optest.h"

/* Eight bytes each. */
static const char words[64][9] = {
	"sector  ", "stripe\n ",  "column\t ",	      "parity, ",
	"footer. ", "trailer ",	  "chunk = ",	      "extent; ",
	"return  ", "static  ",	  "struct {",	      "};\n\n    ",
	"uint64_t", "const * ",	  "if (err)",	      "\tgoto ou",
	"0x%08llx", "hello, w",	  "orld!\\n\"",	      "        ",
	"########", "the quic",	  "k brown ",	      "fox jump",
	"s over t", "he lazy ",	  "dog. And",	      " so it g",
	"oes on. ", "AAAAAAAA",	  "\n\n\n\n\n\n\n\n", "ACGTACGT",
	"GATTACA ", "lorem ip",	  "sum dolo",	      "r sit am",
	"et, cons", "ectetur ",	  "adipisci",	      "ng elit.",
	"<div><p>", "</p></di",	  "{\"key\": ",	      "\"value\",",
	"1234567 ", "3.14159 ",	  "-2.71828",	      "true,   ",
	"false,  ", "null,   ",	  "0000000 ",	      "INSERT I",
	"NTO t VA", "LUES (1)",	  "SELECT *",	      " FROM t ",
	"WHERE id", " = 42;\n ",  "GET /ind",	      "ex.html ",
	"HTTP/1.1", "\r\nHost: ", "localhos",	      "t\r\n\r\nOK ",
};

void *xmalloc(size_t len)
{
	return xrealloc(NULL, len);
}

void *xrealloc(void *p, size_t len)
{
	p = realloc(p, len ? len : 1);
	if (!p)
		fatal("out of memory");
	return p;
}

/* strcpy for names and paths whose room is known. */
void copy_text(char *to, const char *from, size_t room)
{
	snprintf(to, room, "%s", from);
}

u64 mix64(u64 v)
{
	v += 0x9e3779b97f4a7c15ull;
	v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9ull;
	v = (v ^ (v >> 27)) * 0x94d049bb133111ebull;
	return v ^ (v >> 31);
}

u64 rnd(void)
{
	ot.rng += 0x9e3779b97f4a7c15ull;
	return mix64(ot.rng);
}

/* 0..n - 1 */
u64 below(u64 n)
{
	return n ? rnd() % n : 0;
}

bool chance(u32 one_in)
{
	return below(one_in) == 0;
}

static u64 word_at(const struct source *s, u64 i)
{
	u64 h, v;

	switch (s->kind) {
	case DATA_RANDOM:
		return mix64(s->seed + i);
	case DATA_TEXT:
		h = mix64(s->seed + i);
		memcpy(&v, words[h % 64], sizeof(v));
		return v;
	case DATA_MIXED:
		/* 1..7 of each 8 words are random, the same for all of it */
		if (i % 8 < 1 + s->seed % 7)
			return mix64(s->seed + i);
		return 0x2020202020202020ull;
	case DATA_BYTE:
		return (s->seed & 0xff) * 0x0101010101010101ull;
	default:
		return 0;
	}
}

/* The bytes from s->pos + skip on. */
void gen_fill(const struct source *s, u64 skip, u8 *buf, size_t len)
{
	u64 pos = s->pos + skip, v;
	size_t n, in;

	if (s->kind == DATA_REAL) {
		memcpy(buf, s->real->bytes + pos, len);
		return;
	}
	if (s->kind == DATA_ZERO || s->kind == DATA_BYTE) {
		memset(buf, s->kind == DATA_ZERO ? 0 : (int)(s->seed & 0xff),
		       len);
		return;
	}
	while (len) {
		v = word_at(s, pos / 8);
		in = pos % 8;
		n = min_t(size_t, 8 - in, len);
		memcpy(buf, (const u8 *)&v + in, n);
		buf += n;
		pos += n;
		len -= n;
	}
}

/* A source for new data. */
struct source gen_pick(void)
{
	static const u8 kinds[] = { DATA_RANDOM, DATA_RANDOM, DATA_RANDOM,
				    DATA_TEXT,	 DATA_TEXT,   DATA_TEXT,
				    DATA_MIXED,	 DATA_MIXED,  DATA_ZERO,
				    DATA_BYTE };
	struct source s = {
		.kind = kinds[below(ARRAY_SIZE(kinds))],
		.seed = rnd(),
		.op = ot.op,
	};

	/* a repeated zero is the kind above it */
	if (s.kind == DATA_BYTE && !(s.seed & 0xff))
		s.seed |= 0x5a;
	return s;
}

/* A length: often small, often a multiple of a page, up to max. */
u64 pick_len(u64 max)
{
	u64 len;

	switch (below(8)) {
	case 0:
		len = 1 + below(64);
		break;
	case 1:
	case 2:
		len = 1 + below(4096);
		break;
	case 3:
		len = 4096 * (1 + below(8));
		break;
	case 4:
		len = 1 + below(65536);
		break;
	case 5:
		len = 131072;
		break;
	case 6:
		len = chance(4) ? 1 + below(IO_MAX) : 1 + below(16384);
		break;
	default:
		len = 1 + below(300);
	}
	return min_t(u64, len, max);
}
