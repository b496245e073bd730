/* Bytes: a borrowed span, and a growing buffer that owns its bytes. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

/* Borrowed bytes; p may be NULL when n is 0. */
struct fl_span {
	const uint8_t *p;
	size_t n;
};

static inline struct fl_span fl_span(const void *p, size_t n)
{
	return (struct fl_span){ p, n };
}
static inline struct fl_span fl_span_str(const char *s)
{
	return (struct fl_span){ (const uint8_t *)s, s ? strlen(s) : 0 };
}
static inline bool fl_span_eq(struct fl_span a, struct fl_span b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
static inline bool fl_span_eqs(struct fl_span a, const char *s)
{
	return fl_span_eq(a, fl_span_str(s));
}
/** Without leading and trailing space, tab, CR, LF, VT, FF. */
struct fl_span fl_span_trim(struct fl_span s);

/* A growing buffer. Zero-initialise; fl_buf_done frees. After an allocation failure `failed` is set and every further
 * append is a no-op, so that a writer checks once, at its end. */
struct fl_buf {
	uint8_t *p;
	size_t n, cap;
	bool failed;
};

void fl_buf_done(struct fl_buf *b);
/** Drop the content, keep the memory. */
static inline void fl_buf_reset(struct fl_buf *b)
{
	b->n = 0;
	b->failed = false;
}
/** Room for `more` bytes behind b->n; false (and failed set) when out of memory. */
bool fl_buf_reserve(struct fl_buf *b, size_t more);
void fl_buf_add(struct fl_buf *b, const void *p, size_t n);
void fl_buf_u8(struct fl_buf *b, uint8_t v);
void fl_buf_u16le(struct fl_buf *b, uint16_t v);
void fl_buf_u32le(struct fl_buf *b, uint32_t v);
void fl_buf_u64le(struct fl_buf *b, uint64_t v);
/** LEB128, 1 to 10 bytes. */
void fl_buf_varint(struct fl_buf *b, uint64_t v);
void fl_buf_str(struct fl_buf *b, const char *s);
void fl_buf_printf(struct fl_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** Terminate with a NUL that is not counted in n, and return the text; NULL when failed. */
char *fl_buf_cstr(struct fl_buf *b);
static inline struct fl_span fl_buf_span(const struct fl_buf *b)
{
	return fl_span(b->p, b->n);
}

/* A bounded reader over hostile bytes. After the first short read `bad` is set and every further read gives 0. */
struct fl_rd {
	const uint8_t *p, *end;
	bool bad;
};

static inline struct fl_rd fl_rd(struct fl_span s)
{
	return (struct fl_rd){ s.p, s.p ? s.p + s.n : s.p, false };
}
static inline size_t fl_rd_left(const struct fl_rd *r)
{
	return r->bad ? 0 : (size_t)(r->end - r->p);
}
uint8_t fl_rd_u8(struct fl_rd *r);
uint16_t fl_rd_u16le(struct fl_rd *r);
uint32_t fl_rd_u32le(struct fl_rd *r);
uint64_t fl_rd_u64le(struct fl_rd *r);
/** LEB128; more than 10 bytes or an overflow of 64 bits sets bad. */
uint64_t fl_rd_varint(struct fl_rd *r);
/** The next n bytes, borrowed; an empty span and bad when there are fewer. */
struct fl_span fl_rd_bytes(struct fl_rd *r, size_t n);
