/* The canonical form of a name (docs/formats/names.md): what a feed, a finding or a person writes, as the one key that
 * everything is sorted, compared and decided by. ASCII is taken as it stands, lower-cased: DNS serves A-labels that no
 * IDNA decodes, and they must stay blockable. The rest goes through UTS 46 first, then through the same grammar.
 * Start at fl__canon(). */
#include "normalize/names.h"

#include "base/address.h"
#include "base/lanes.h"

enum { CANON_TEXT = 1024, QUICK_MAX = 64 };

int fl_names_open(const char *psl_path, struct fl_names **out, struct fl_err *err)
{
	struct fl_names *n = calloc(1, sizeof(*n));
	int ret;

	if (!n)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	n->idna = fl__idna_open();
	if (!n->idna) {
		free(n);
		return fl_err_set(err, FL_EUNAVAIL, "ICU's UTS 46 tables cannot be opened");
	}
	ret = fl__suffixes_open(psl_path, n->idna, &n->suffixes, err);
	if (ret < 0) {
		fl_names_close(n);
		return ret;
	}
	*out = n;
	return 0;
}

void fl_names_close(struct fl_names *n)
{
	if (!n)
		return;
	fl__idna_close(n->idna);
	fl__suffixes_close(n->suffixes);
	free(n);
}

static bool is_ascii(struct fl_span s)
{
	uint8_t seen = 0;

	for (size_t i = 0; i < s.n; i++)
		seen |= s.p[i];
	return seen < 0x80;
}

/* 0: no name has this octet; else its lower case. The dot is apart. A table: this is asked for each octet of a million names. */
static const uint8_t name_octet[256] = {
	['-'] = '-', ['_'] = '_',
	['0'] = '0', '1', '2', '3', '4', '5', '6', '7', '8', '9',
	['a'] = 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z',
	['A'] = 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z',
};

struct labels {
	size_t count;
	uint8_t start[FL_LABELS_MAX + 1]; /* offsets of the labels, and one past the last dot to be */
};

/* Measures the labels; false on an empty or long one, or too many. */
static bool labels_find(struct fl_span s, struct labels *l)
{
	const uint8_t *end = s.p + s.n, *p = s.p;

	l->count = 0;
	for (;;) {
		const uint8_t *dot = p;

		while (dot < end && *dot != '.')
			dot++;
		if (dot == p || dot - p > 63 || l->count == FL_LABELS_MAX)
			return false;
		l->start[l->count++] = (uint8_t)(p - s.p);
		if (dot == end)
			break;
		p = dot + 1;
	}
	l->start[l->count] = (uint8_t)(s.n + 1);
	return true;
}

/* The labels in reverse, in lower case, each behind it a zero. False on an octet no name has. */
static bool labels_key(struct fl_span s, const struct labels *l, struct fl_rkey *out)
{
	uint8_t *to = out->b;
	bool good = true;

	for (size_t i = l->count; i-- > 0;) {
		const uint8_t *p = s.p + l->start[i], *end = s.p + l->start[i + 1] - 1;

		for (; p < end; p++) {
			*to = name_octet[*p];
			good &= *to++ != 0;
		}
		*to++ = 0;
	}
	out->len = (uint8_t)(to - out->b);
	return good;
}

static bool all_digits(struct fl_span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return true;
}

/* Our grammar over ASCII. An address needs a colon, a bracket, a slash or a last label that starts with a digit: the
 * costly look is for these alone. */
static enum fl_drop canon_ascii(struct fl_span s, bool single_ok, struct fl_rkey *out)
{
	struct labels l;
	struct fl_span last;

	if (s.n && s.p[s.n - 1] == '.')
		s.n--;
	if (s.n == 0)
		return FL_DROP_BAD_LABEL;
	if (s.n > 253)
		return FL_DROP_TOO_LONG;
	if (!labels_find(s, &l) || !labels_key(s, &l, out))
		return fl_address_literal(s) ? FL_DROP_ADDRESS : FL_DROP_BAD_LABEL;
	last = fl_span(s.p + l.start[l.count - 1], s.n - l.start[l.count - 1]);
	if (last.p[0] >= '0' && last.p[0] <= '9') {
		if (fl_address_literal(s))
			return FL_DROP_ADDRESS;
		if (all_digits(last))
			return FL_DROP_NUMERIC_TLD;
	}
	return l.count == 1 && !single_ok ? FL_DROP_SINGLE_LABEL : FL_DROP_COUNT;
}

/* A name in lower case, and what stands in it: bit i is octet i. */
struct seen {
	uint8_t low[QUICK_MAX + FL_LANES];
	uint64_t good, dots;
};

static inline void see_lanes(struct seen *to, fl_lanes v, size_t at)
{
	fl_lanes_store(to->low + at, fl_lanes_lower(v));
	to->good |= (uint64_t)fl_lanes_bits(fl_lanes_names(v)) << at;
	to->dots |= (uint64_t)fl_lanes_bits((fl_lanes)(v == '.')) << at;
}

/* 1 to QUICK_MAX octets; the last sixteen may overlap. */
static inline void see(struct fl_span s, struct seen *to)
{
	size_t at = 0;

	to->good = to->dots = 0;
	if (s.n < FL_LANES) {
		see_lanes(to, fl_lanes_load_short(s), 0);
		return;
	}
	for (; at + FL_LANES < s.n; at += FL_LANES)
		see_lanes(to, fl_lanes_load(s.p + at), at);
	see_lanes(to, fl_lanes_load(s.p + s.n - FL_LANES), s.n - FL_LANES);
}

/* One label and its zero. Copies by sixteen: up to fifteen octets behind it are scratch. */
static inline uint8_t *put_label(uint8_t *to, const uint8_t *label, size_t n)
{
	for (size_t i = 0; i < n; i += FL_LANES)
		fl_lanes_store(to + i, fl_lanes_load(label + i));
	to[n] = 0;
	return to + n + 1;
}

/* What canon_ascii() does, for nearly every name: of some labels, short, in our grammar, without a dot at its end or a digit
 * where an address has one. False where it is not like that, right or wrong: then canon_ascii() says. */
static inline bool canon_quick(struct fl_span s, struct fl_rkey *out, size_t *first_dot)
{
	struct seen seen;
	uint8_t *to = out->b;
	size_t end = s.n;

	if (s.n == 0 || s.n > QUICK_MAX)
		return false;
	see(s, &seen);
	if (seen.good != ~UINT64_C(0) >> (QUICK_MAX - s.n) || !seen.dots || seen.dots & (seen.dots << 1 | 1 | UINT64_C(1) << (s.n - 1)))
		return false;
	*first_dot = (size_t)__builtin_ctzll(seen.dots);
	while (seen.dots) {
		size_t dot = 63 - (size_t)__builtin_clzll(seen.dots);

		to = put_label(to, seen.low + dot + 1, end - dot - 1);
		seen.dots ^= UINT64_C(1) << dot;
		end = dot;
	}
	out->len = (uint8_t)(put_label(to, seen.low, end) - out->b);
	return out->b[0] > '9' || out->b[0] < '0';
}

enum fl_drop fl__canon(const struct fl__idna *idna, struct fl_span text, bool single_ok, struct fl_rkey *out)
{
	char ascii[CANON_TEXT];
	enum fl_drop why;
	size_t n;

	text = fl_span_trim(text);
	why = canon_ascii(text, single_ok, out);
	if (why == FL_DROP_COUNT || is_ascii(text)) /* no octet above ASCII is in our grammar */
		return why;
	why = fl__idna_to_ascii(idna, text, ascii, sizeof(ascii), &n);
	return why == FL_DROP_COUNT ? canon_ascii(fl_span(ascii, n), single_ok, out) : why;
}

enum fl_drop fl_name_canon(const struct fl_names *n, struct fl_span text, struct fl_rkey *out)
{
	size_t first_dot;

	return canon_quick(text, out, &first_dot) ? FL_DROP_COUNT : fl__canon(n->idna, text, false, out);
}

enum fl_drop fl_name_claim(const struct fl_names *n, struct fl_span text, uint8_t *scope, bool *narrowed, struct fl_rkey *out)
{
	uint8_t block = *scope & FL_SCOPE_SUBTREE, left;
	enum fl__suffix kind;
	enum fl_drop why;
	size_t first_dot;

	*narrowed = false;
	if (canon_quick(text, out, &first_dot)) {
		if (block == 0 || !fl__suffix_maybe(n->suffixes, text, first_dot))
			return FL_DROP_COUNT;
		why = FL_DROP_COUNT;
	} else
		why = fl_name_canon(n, text, out);
	if (why != FL_DROP_COUNT || block == 0)
		return why; /* an exception cuts its own source only: it stays */
	kind = fl__suffix_kind(n->suffixes, fl_rkey_span(out));
	if (kind == FL__SUFFIX_NONE)
		return FL_DROP_COUNT;
	left = (uint8_t)(*scope & ~(kind == FL__SUFFIX_ICANN ? FL_SCOPE_SUBTREE : FL_SCOPE_SUBDOMAINS));
	if (left == 0)
		return kind == FL__SUFFIX_ICANN ? FL_DROP_ICANN_SUFFIX : FL_DROP_PRIVATE_SUFFIX;
	*narrowed = left != *scope;
	*scope = left;
	return FL_DROP_COUNT;
}

enum fl_drop fl_name_operator(const struct fl_names *n, struct fl_span text, uint8_t *scope, struct fl_rkey *out)
{
	bool star;

	text = fl_span_trim(text);
	star = text.n && text.p[0] == '*' && (text.n == 1 || text.p[1] == '.');
	if (star && *scope && !(*scope & FL_SCOPE_BELOW_BITS))
		return FL_DROP_SYNTAX; /* a star is what is below: an exact scope contradicts it */
	if (*scope == 0)
		*scope = star ? FL_SCOPE_SUBDOMAINS : FL_SCOPE_EXACT;
	if (star && text.n == 1) {
		out->len = 0;
		return FL_DROP_COUNT;
	}
	if (star)
		text = fl_span(text.p + 2, text.n - 2);
	return fl__canon(n->idna, text, true, out);
}

bool fl_name_registrable(const struct fl_names *n, struct fl_span key, struct fl_span *out)
{
	unsigned labels = fl__suffix_registrable_labels(n->suffixes, key);
	size_t at = 0;

	if (labels == 0)
		return false;
	while (at < key.n && labels)
		labels -= key.p[at++] == 0;
	*out = fl_span(key.p, at);
	return labels == 0;
}

/* %41 to A, in place of a host only; anything else than two hexadecimal digits stays. */
static struct fl_span percent_decode(struct fl_span s, uint8_t *buf, size_t cap)
{
	static const char hex[] = "0123456789abcdef0123456789ABCDEF";
	size_t n = 0;

	if (!s.n || !memchr(s.p, '%', s.n) || s.n > cap)
		return s;
	for (size_t i = 0; i < s.n; i++) {
		const char *hi = i + 2 < s.n && s.p[i] == '%' && s.p[i + 1] ? strchr(hex, s.p[i + 1]) : NULL;
		const char *lo = hi && s.p[i + 2] ? strchr(hex, s.p[i + 2]) : NULL;

		if (lo) {
			buf[n++] = (uint8_t)(((hi - hex) % 16) << 4 | (lo - hex) % 16);
			i += 2;
		} else
			buf[n++] = s.p[i];
	}
	return fl_span(buf, n);
}

/* The host of scheme://user@host:port/path; the whole text when there is no scheme. */
static struct fl_span url_host(struct fl_span s)
{
	const uint8_t *mark = s.n ? memmem(s.p, s.n, "://", 3) : NULL;
	const uint8_t *at, *colon;
	size_t n;

	if (!mark || mark == s.p)
		return s;
	for (const uint8_t *p = s.p; p < mark; p++)
		if (!name_octet[*p] && *p != '+' && *p != '.')
			return s;
	s = fl_span(mark + 3, s.n - (size_t)(mark + 3 - s.p));
	for (n = 0; n < s.n && !strchr("/?#\\", s.p[n]); n++)
		;
	s.n = n;
	at = s.n ? memrchr(s.p, '@', s.n) : NULL;
	if (at)
		s = fl_span(at + 1, s.n - (size_t)(at + 1 - s.p));
	colon = s.n && s.p[0] != '[' ? memrchr(s.p, ':', s.n) : NULL;
	if (colon && colon == memchr(s.p, ':', s.n))
		s.n = (size_t)(colon - s.p);
	return s;
}

enum fl_drop fl_name_from_url(const struct fl_names *n, struct fl_span text, struct fl_rkey *out)
{
	uint8_t buf[CANON_TEXT];

	text = fl_span_trim(text);
	if (text.n && memmem(text.p, text.n, "://", 3))
		text = percent_decode(url_host(text), buf, sizeof(buf));
	return fl_name_canon(n, text, out);
}

bool fl_name_unicode(const struct fl_names *n, struct fl_span key, char *out, size_t cap)
{
	char text[FL_NAME_TEXT];

	fl_rkey_to_text(key, text);
	return strstr(text, "xn--") && fl__idna_to_unicode(n->idna, text, out, cap);
}
