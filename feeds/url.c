/* The host of a URL, as feeds write URLs: with or without a scheme, user info, port and path, defanged or not
 * (hxxp://bad[.]example[:]8080/x). RFC 3986, 3.2.2, read as browsers do: '\' is a '/', octets may be percent-encoded.
 */
#include "feeds/reader.h"

#include "base/address.h"

/* What people write so that nobody clicks. The longer ones first. */
static const struct fang {
	const char *from, *to;
} fangs[] = {
	{ "[://]", "://" }, { "[:]", ":" },   { "[.]", "." },   { "(.)", "." },
	{ "{.}", "." },     { "[dot]", "." }, { "(dot)", "." }, { "[/]", "/" },
};

static const struct fang *fang_at(struct fl_span s, size_t i)
{
	if (s.p[i] != '[' && s.p[i] != '(' && s.p[i] != '{')
		return NULL;
	for (size_t f = 0; f < sizeof(fangs) / sizeof(*fangs); f++) {
		size_t n = strlen(fangs[f].from);

		if (s.n - i >= n && strncasecmp((const char *)s.p + i, fangs[f].from, n) == 0)
			return &fangs[f];
	}
	return NULL;
}

struct fl_span fl__refang(struct fl_span text, uint8_t *buf)
{
	size_t n = 0;

	for (size_t i = 0; i < text.n;) {
		const struct fang *f = fang_at(text, i);

		if (!f) {
			buf[n++] = text.p[i++];
			continue;
		}
		memcpy(buf + n, f->to, strlen(f->to));
		n += strlen(f->to);
		i += strlen(f->from);
	}
	return fl_span(buf, n);
}

static int hex(uint8_t c)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)((at - digits) % 16) : -1;
}

/* Into out, which may be where s stands; what is not two hexadecimal digits stays. */
static struct fl_span percent_off(struct fl_span s, uint8_t *out)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		int hi = s.p[i] == '%' && i + 2 < s.n ? hex(s.p[i + 1]) : -1;
		int lo = hi >= 0 ? hex(s.p[i + 2]) : -1;

		out[n++] = lo >= 0 ? (uint8_t)(hi << 4 | lo) : s.p[i];
		i += lo >= 0 ? 2 : 0;
	}
	return fl_span(out, n);
}

/* RFC 3986, 3.1, but without dots: "evil.example://x" is a host with an empty port, and no scheme that feeds write has one. */
static bool is_scheme(struct fl_span s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		bool letter = (c | 32) >= 'a' && (c | 32) <= 'z';

		if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '+' || c == '-')))
			return false;
	}
	return s.n != 0;
}

/* What stands between "scheme://", if that is how the text begins, and the first '/', '\\', '?' or '#'. */
static struct fl_span authority(struct fl_span s, bool *scheme)
{
	const uint8_t *mark = s.n ? memmem(s.p, s.n, "://", 3) : NULL;
	size_t n = 0;

	*scheme = mark && is_scheme(fl_span(s.p, (size_t)(mark - s.p)));
	if (*scheme)
		s = fl_span(mark + 3, s.n - (size_t)(mark + 3 - s.p));
	while (n < s.n && !(s.p[n] && strchr("/\\?#", s.p[n])))
		n++;
	return fl_span(s.p, n);
}

static enum fl_drop port_off(struct fl_span *s)
{
	const uint8_t *colon = s->n ? memchr(s->p, ':', s->n) : NULL;

	if (!colon)
		return FL_DROP_COUNT;
	for (const uint8_t *p = colon + 1; p < s->p + s->n; p++)
		if (*p < '0' || *p > '9')
			return FL_DROP_SYNTAX;
	s->n = (size_t)(colon - s->p);
	return FL_DROP_COUNT;
}

enum fl_drop fl__url_host(struct fl_span url, uint8_t *buf, struct fl_span *host)
{
	bool scheme;
	struct fl_span s = authority(url, &scheme);
	const uint8_t *at = s.n ? memrchr(s.p, '@', s.n) : NULL;
	enum fl_drop why;

	if (at && !scheme)
		return FL_DROP_SYNTAX; /* somebody's mail address */
	if (at)
		s = fl_span(at + 1, s.n - (size_t)(at + 1 - s.p));
	s = percent_off(s, buf);
	*host = s;
	if (s.n == 0)
		return FL_DROP_SYNTAX;
	if (fl_address_literal(s))
		return FL_DROP_ADDRESS;
	why = port_off(&s);
	*host = s;
	if (why == FL_DROP_COUNT)
		why = s.n ? fl__token_judge(s) : FL_DROP_SYNTAX;
	return why == FL_DROP_COUNT && fl__host_is_shared(s) ? FL_DROP_SHARED_HOST : why;
}
