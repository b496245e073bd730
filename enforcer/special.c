#include "enforcer/special.h"

enum { TTL = 10800 /* RFC 6303, section 3 */ };

struct row {
	const char *key; /* labels from the top down, each ended by a zero octet */
	uint8_t len;
	enum fl__special_kind kind;
};
#define ROW(text, kind) { text "\0", sizeof(text "\0") - 1, kind }

static const struct row tops[] = {
	ROW("alt", FL__SPECIAL_ABSENT),	      /* RFC 9476 */
	ROW("invalid", FL__SPECIAL_ABSENT),   /* RFC 6761, 6.4 */
	ROW("local", FL__SPECIAL_ABSENT),     /* RFC 6762, 22.1 */
	ROW("localhost", FL__SPECIAL_LOCALHOST), /* RFC 6761, 6.3 */
	ROW("onion", FL__SPECIAL_ABSENT),     /* RFC 7686 */
	ROW("test", FL__SPECIAL_ABSENT),      /* RFC 6761, 6.2 */
};
#define IN4 "arpa\0in-addr\0"
#define IN6 "arpa\0ip6\0"
#define NIL8 "0\0" "0\0" "0\0" "0\0" "0\0" "0\0" "0\0" "0\0"
static const struct row arpa[] = {
	ROW("arpa\0home", FL__SPECIAL_EMPTY),	   /* RFC 8375 */
	ROW("arpa\0resolver", FL__SPECIAL_NODATA), /* RFC 9462, 6.4: no designated resolver */
	/* RFC 6303, 4.1 and 4.2; RFC 6598 and 7793 for 100.64/10 */
	ROW(IN4 "0", FL__SPECIAL_EMPTY), ROW(IN4 "10", FL__SPECIAL_EMPTY), ROW(IN4 "127", FL__SPECIAL_LOOPBACK), ROW(IN4 "169\0" "254", FL__SPECIAL_EMPTY),
	ROW(IN4 "192\0" "168", FL__SPECIAL_EMPTY), ROW(IN4 "192\0" "0\0" "2", FL__SPECIAL_EMPTY), ROW(IN4 "198\0" "51\0" "100", FL__SPECIAL_EMPTY),
	ROW(IN4 "203\0" "0\0" "113", FL__SPECIAL_EMPTY), ROW(IN4 "255\0" "255\0" "255\0" "255", FL__SPECIAL_EMPTY),
	/* 4.3 to 4.6 */
	ROW(IN6 NIL8 NIL8 NIL8 "0\0" "0\0" "0\0" "0\0" "0\0" "0\0" "0\0" "0", FL__SPECIAL_EMPTY),
	ROW(IN6 NIL8 NIL8 NIL8 "0\0" "0\0" "0\0" "0\0" "0\0" "0\0" "0\0" "1", FL__SPECIAL_LOOPBACK),
	ROW(IN6 "f\0" "d", FL__SPECIAL_EMPTY), ROW(IN6 "f\0" "e\0" "8", FL__SPECIAL_EMPTY), ROW(IN6 "f\0" "e\0" "9", FL__SPECIAL_EMPTY),
	ROW(IN6 "f\0" "e\0" "a", FL__SPECIAL_EMPTY), ROW(IN6 "f\0" "e\0" "b", FL__SPECIAL_EMPTY),
	ROW(IN6 "2\0" "0\0" "0\0" "1\0" "0\0" "d\0" "b\0" "8", FL__SPECIAL_EMPTY),
};

static struct fl__special in_rows(const struct row *v, size_t n, struct fl_span key)
{
	for (size_t i = 0; i < n; i++)
		if (fl_rkey_below_or_at(key, fl_span((const uint8_t *)v[i].key, v[i].len)))
			return (struct fl__special){ v[i].kind, v[i].len };
	return (struct fl__special){ FL__SPECIAL_NONE, 0 };
}

/* 16 to 31 below 172, 64 to 127 below 100: rows that count. */
static struct fl__special in_counted(struct fl_span key)
{
	static const struct {
		struct row above;
		unsigned from, to;
	} v[] = { { ROW(IN4 "172", FL__SPECIAL_EMPTY), 16, 31 }, { ROW(IN4 "100", FL__SPECIAL_EMPTY), 64, 127 } };

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		unsigned n = 0, at = v[i].above.len;

		if (key.n <= at || !fl_rkey_below_or_at(key, fl_span((const uint8_t *)v[i].above.key, at)) || key.p[at] == '0')
			continue;
		for (; at < key.n && key.p[at] >= '0' && key.p[at] <= '9' && n < 1000; at++)
			n = 10 * n + (key.p[at] - '0');
		if (at < key.n && key.p[at] == 0 && n >= v[i].from && n <= v[i].to)
			return (struct fl__special){ FL__SPECIAL_EMPTY, (uint8_t)(at + 1) };
	}
	return (struct fl__special){ FL__SPECIAL_NONE, 0 };
}

struct fl__special fl__special_find(struct fl_span key)
{
	static const uint8_t top[] = "arpa"; /* with its zero octet */
	struct fl__special s;

	if (!fl_rkey_below_or_at(key, fl_span(top, sizeof(top))))
		return in_rows(tops, sizeof(tops) / sizeof(tops[0]), key);
	s = in_rows(arpa, sizeof(arpa) / sizeof(arpa[0]), key);
	return s.kind ? s : in_counted(key);
}

bool fl__special_canary(struct fl_span key)
{
	static const uint8_t canary[] = "net\0use-application-dns";

	return fl_rkey_below_or_at(key, fl_span(canary, sizeof(canary)));
}

static void answer_localhost(const struct fl_question *q, size_t skip, struct fl__out *o)
{
	static const uint8_t v4[4] = { 127, 0, 0, 1 }, v6[16] = { [15] = 1 };

	if (q->qtype == FL__T_A)
		fl__answer_record(q, FL__T_A, TTL, fl_span(v4, sizeof(v4)), o);
	else if (q->qtype == FL__T_AAAA)
		fl__answer_record(q, FL__T_AAAA, TTL, fl_span(v6, sizeof(v6)), o);
	else
		fl__answer_negative(q, FL__NOERROR, skip, TTL, FL__NO_REMARK, o);
}

/* The one name of a reverse zone that has an owner; the names between it and the top exist, and are empty. */
static void answer_loopback(const struct fl_question *q, size_t skip, struct fl__out *o)
{
	static const uint8_t name[] = IN4 "127\0" "0\0" "0\0" "1", localhost[] = "\x9" "localhost";
	struct fl_span key = fl_rkey_span(&q->key), full = fl_span(name, sizeof(name));
	bool whole = skip == 0 && q->key.len > sizeof(IN4) + 4; /* ::1: the zone is the name */

	if (!whole)
		whole = key.n == full.n && memcmp(key.p, full.p, full.n) == 0;
	if (whole && q->qtype == FL__T_PTR)
		fl__answer_record(q, FL__T_PTR, TTL, fl_span(localhost, sizeof(localhost)), o);
	else
		fl__answer_negative(q, whole || fl_rkey_below_or_at(full, key) ? FL__NOERROR : FL__NXDOMAIN, skip, TTL, FL__NO_REMARK, o);
}

bool fl__special_answer(const struct fl_question *q, struct fl__special s, struct fl__out *o)
{
	size_t skip = (size_t)q->key.len - s.top_len;

	switch (s.kind) {
	case FL__SPECIAL_LOCALHOST:
		answer_localhost(q, skip, o);
		return true;
	case FL__SPECIAL_LOOPBACK:
		answer_loopback(q, skip, o);
		return true;
	case FL__SPECIAL_NODATA:
		fl__answer_negative(q, FL__NOERROR, skip, TTL, FL__NO_REMARK, o);
		return true;
	case FL__SPECIAL_EMPTY:
		if (skip == 0 && q->qtype == FL__T_DS)
			return false;
		fl__answer_negative(q, skip ? FL__NXDOMAIN : FL__NOERROR, skip, TTL, FL__NO_REMARK, o);
		return true;
	case FL__SPECIAL_ABSENT:
		fl__answer_negative(q, FL__NXDOMAIN, skip, TTL, FL__NO_REMARK, o);
		return true;
	case FL__SPECIAL_NONE:
		break;
	}
	return false;
}
