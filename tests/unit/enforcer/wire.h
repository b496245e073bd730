/* DNS messages for tests, built by hand and independent of the code under test. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/dname.h"
#include "base/span.h"

static inline void w16(struct fl_buf *b, unsigned v)
{
	fl_buf_u8(b, (uint8_t)(v >> 8));
	fl_buf_u8(b, (uint8_t)v);
}
static inline void w32(struct fl_buf *b, uint32_t v)
{
	w16(b, v >> 16);
	w16(b, v & 0xffff);
}
/* Labels of text up to dots, the case kept; "" is the root. */
static inline void wname(struct fl_buf *b, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, ".");

		fl_buf_u8(b, (uint8_t)n);
		fl_buf_add(b, text, n);
		text += n + (text[n] == '.');
	}
	fl_buf_u8(b, 0);
}
static inline void wheader(struct fl_buf *b, unsigned id, unsigned flags, unsigned qd, unsigned an, unsigned ns, unsigned ar)
{
	w16(b, id);
	w16(b, flags);
	w16(b, qd);
	w16(b, an);
	w16(b, ns);
	w16(b, ar);
}
static inline void wquestion(struct fl_buf *b, const char *name, unsigned type)
{
	wname(b, name);
	w16(b, type);
	w16(b, 1);
}
static inline void wopt(struct fl_buf *b, unsigned size, unsigned version, bool dnssec_ok)
{
	fl_buf_u8(b, 0);
	w16(b, 41);
	w16(b, size);
	w32(b, version << 16 | (dnssec_ok ? 0x8000u : 0));
	w16(b, 0);
}
/* Owner, type, TTL, then rdata of n octets. */
static inline void wrr(struct fl_buf *b, const char *owner, unsigned type, uint32_t ttl, const void *rdata, size_t n)
{
	wname(b, owner);
	w16(b, type);
	w16(b, 1);
	w32(b, ttl);
	w16(b, (unsigned)n);
	fl_buf_add(b, rdata, n);
}
static inline void wrr_name(struct fl_buf *b, const char *owner, unsigned type, uint32_t ttl, const char *target)
{
	struct fl_buf t = { 0 };

	wname(&t, target);
	wrr(b, owner, type, ttl, t.p, t.n);
	fl_buf_done(&t);
}
static inline void wrr_a(struct fl_buf *b, const char *owner, uint32_t ttl, uint8_t last)
{
	wrr(b, owner, 1, ttl, (const uint8_t[]){ 192, 0, 2, last }, 4);
}
static inline void wrr_soa(struct fl_buf *b, const char *owner, uint32_t ttl, uint32_t minimum)
{
	struct fl_buf t = { 0 };

	wname(&t, "ns.example");
	wname(&t, "root.example");
	for (int i = 0; i < 4; i++)
		w32(&t, 1);
	w32(&t, minimum);
	wrr(b, owner, 6, ttl, t.p, t.n);
	fl_buf_done(&t);
}
/* A plain question, with OPT when size is not 0. */
static inline struct fl_buf wquery(unsigned id, const char *name, unsigned type, unsigned size, bool dnssec_ok)
{
	struct fl_buf b = { 0 };

	wheader(&b, id, 0x0100, 1, 0, 0, size != 0);
	wquestion(&b, name, type);
	if (size)
		wopt(&b, size, 0, dnssec_ok);
	return b;
}
static inline struct fl_dname wdname(const char *text)
{
	struct fl_dname d;

	assert_true(fl_dname_from_text(fl_span_str(text), &d));
	return d;
}
