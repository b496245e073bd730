#include "base/span.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct fl_span fl_span_trim(struct fl_span s)
{
	while (s.n && (s.p[0] == ' ' || (s.p[0] >= '\t' && s.p[0] <= '\r')))
		s.p++, s.n--;
	while (s.n && (s.p[s.n - 1] == ' ' || (s.p[s.n - 1] >= '\t' && s.p[s.n - 1] <= '\r')))
		s.n--;
	return s;
}

void fl_buf_done(struct fl_buf *b)
{
	free(b->p);
	*b = (struct fl_buf){ 0 };
}

bool fl_buf_reserve(struct fl_buf *b, size_t more)
{
	size_t cap, need;
	uint8_t *p;

	if (b->failed)
		return false;
	if (__builtin_add_overflow(b->n, more, &need)) {
		b->failed = true;
		return false;
	}
	if (need <= b->cap)
		return true;
	cap = b->cap ? b->cap : 64;
	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	p = realloc(b->p, cap);
	if (!p) {
		b->failed = true;
		return false;
	}
	b->p = p;
	b->cap = cap;
	return true;
}

void fl_buf_add(struct fl_buf *b, const void *p, size_t n)
{
	if (n == 0 || !fl_buf_reserve(b, n))
		return;
	memcpy(b->p + b->n, p, n);
	b->n += n;
}

void fl_buf_u8(struct fl_buf *b, uint8_t v)
{
	fl_buf_add(b, &v, 1);
}

void fl_buf_u16le(struct fl_buf *b, uint16_t v)
{
	uint8_t t[2] = { (uint8_t)v, (uint8_t)(v >> 8) };

	fl_buf_add(b, t, sizeof(t));
}

void fl_buf_u32le(struct fl_buf *b, uint32_t v)
{
	uint8_t t[4];

	for (int i = 0; i < 4; i++)
		t[i] = (uint8_t)(v >> (8 * i));
	fl_buf_add(b, t, sizeof(t));
}

void fl_buf_u64le(struct fl_buf *b, uint64_t v)
{
	uint8_t t[8];

	for (int i = 0; i < 8; i++)
		t[i] = (uint8_t)(v >> (8 * i));
	fl_buf_add(b, t, sizeof(t));
}

void fl_buf_varint(struct fl_buf *b, uint64_t v)
{
	uint8_t t[10];
	size_t n = 0;

	do {
		t[n] = (uint8_t)(v & 0x7f);
		v >>= 7;
		if (v)
			t[n] |= 0x80;
		n++;
	} while (v);
	fl_buf_add(b, t, n);
}

void fl_buf_str(struct fl_buf *b, const char *s)
{
	fl_buf_add(b, s, strlen(s));
}

void fl_buf_printf(struct fl_buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		b->failed = true;
	else if (fl_buf_reserve(b, (size_t)n + 1)) {
		vsnprintf((char *)b->p + b->n, (size_t)n + 1, fmt, again);
		b->n += (size_t)n;
	}
	va_end(again);
}

char *fl_buf_cstr(struct fl_buf *b)
{
	if (!fl_buf_reserve(b, 1))
		return NULL;
	b->p[b->n] = '\0';
	return (char *)b->p;
}

struct fl_span fl_rd_bytes(struct fl_rd *r, size_t n)
{
	struct fl_span s = { NULL, 0 };

	if (r->bad || (size_t)(r->end - r->p) < n) {
		r->bad = true;
		return s;
	}
	s = fl_span(r->p, n);
	r->p += n;
	return s;
}

static uint64_t rd_le(struct fl_rd *r, size_t n)
{
	struct fl_span s = fl_rd_bytes(r, n);
	uint64_t v = 0;

	for (size_t i = 0; i < s.n; i++)
		v |= (uint64_t)s.p[i] << (8 * i);
	return v;
}

uint8_t fl_rd_u8(struct fl_rd *r)
{
	return (uint8_t)rd_le(r, 1);
}

uint16_t fl_rd_u16le(struct fl_rd *r)
{
	return (uint16_t)rd_le(r, 2);
}

uint32_t fl_rd_u32le(struct fl_rd *r)
{
	return (uint32_t)rd_le(r, 4);
}

uint64_t fl_rd_u64le(struct fl_rd *r)
{
	return rd_le(r, 8);
}

uint64_t fl_rd_varint(struct fl_rd *r)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 70; shift += 7) {
		uint8_t b = fl_rd_u8(r);

		if (r->bad)
			return 0;
		if (shift == 63 && b > 1)
			break;
		v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			return v;
	}
	r->bad = true;
	return 0;
}
