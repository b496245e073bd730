/* Address literals. Start at fl_address_literal(): brackets off, what follows a slash off, then by the number of colons. */
#include "base/address.h"

#include <arpa/inet.h>

enum { TEXT_MAX = 64 };

static int digit_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 32) >= 'a' && (c | 32) <= 'f')
		return (c | 32) - 'a' + 10;
	return 99;
}

/* One part in inet_aton's spelling: 0x is hexadecimal, a leading 0 octal. */
static bool part_parse(struct fl_span s, uint64_t *out)
{
	int base = 10;
	uint64_t v = 0;

	if (s.n > 2 && s.p[0] == '0' && (s.p[1] | 32) == 'x') {
		base = 16;
		s = fl_span(s.p + 2, s.n - 2);
	} else if (s.n > 1 && s.p[0] == '0')
		base = 8;
	if (s.n == 0 || s.n > 12)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		int d = digit_value(s.p[i]);

		if (d >= base)
			return false;
		v = v * (uint64_t)base + (uint64_t)d;
	}
	*out = v;
	return true;
}

/* 1 to 4 parts; the last one fills the octets that are left. */
static bool v4_loose(struct fl_span s)
{
	unsigned parts = 0;
	uint64_t v = 0;

	if (s.n && s.p[s.n - 1] == '.')
		s.n--;
	if (s.n == 0 || s.p[0] < '0' || s.p[0] > '9')
		return false;
	while (parts < 4) {
		const uint8_t *dot = memchr(s.p, '.', s.n);
		size_t n = dot ? (size_t)(dot - s.p) : s.n;

		if (!part_parse(fl_span(s.p, n), &v))
			return false;
		parts++;
		if (!dot)
			return v < UINT64_C(1) << (8 * (5 - parts));
		if (v > 255)
			return false;
		s = fl_span(dot + 1, s.n - n - 1);
	}
	return false;
}

static bool v6_strict(struct fl_span s)
{
	char text[TEXT_MAX];
	struct in6_addr a;
	const uint8_t *zone = s.n ? memchr(s.p, '%', s.n) : NULL;

	if (zone)
		s.n = (size_t)(zone - s.p);
	if (s.n < 2 || s.n >= sizeof(text))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	return inet_pton(AF_INET6, text, &a) == 1;
}

static bool all_digits(struct fl_span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return true;
}

static bool digits_or_colons(struct fl_span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != ':' && (s.p[i] < '0' || s.p[i] > '9'))
			return false;
	return true;
}

static bool bracketed(struct fl_span s)
{
	const uint8_t *close = memchr(s.p, ']', s.n);
	size_t n = close ? (size_t)(close - s.p) : 0;

	if (!close || !v6_strict(fl_span(s.p + 1, n - 1)))
		return false;
	s = fl_span(close + 1, s.n - n - 1);
	return s.n == 0 || (s.p[0] == ':' && all_digits(fl_span(s.p + 1, s.n - 1)));
}

bool fl_address_literal(struct fl_span s)
{
	const uint8_t *slash, *first, *last;

	s = fl_span_trim(s);
	slash = s.n ? memchr(s.p, '/', s.n) : NULL;
	if (slash)
		s.n = (size_t)(slash - s.p);
	if (s.n == 0)
		return false;
	if (s.p[0] == '[')
		return bracketed(s);
	first = memchr(s.p, ':', s.n);
	if (!first)
		return v4_loose(s);
	last = memrchr(s.p, ':', s.n);
	/* a port, or two: 1.2.3.4:22:443 is met in lists too */
	if (v4_loose(fl_span(s.p, (size_t)(first - s.p))) &&
	    digits_or_colons(fl_span(first, s.n - (size_t)(first - s.p))))
		return true;
	if (first == last)
		return false;
	/* 2a02:cf40:1::5:40669 is met in lists: a port without brackets */
	return v6_strict(s) || (all_digits(fl_span(last + 1, s.n - (size_t)(last + 1 - s.p))) &&
				v6_strict(fl_span(s.p, (size_t)(last - s.p))));
}

void fl_address_mask(uint8_t addr[16], unsigned prefix)
{
	for (unsigned i = 0; i < 16; i++) {
		unsigned bits = prefix > i * 8 ? prefix - i * 8 : 0;

		if (bits < 8)
			addr[i] &= (uint8_t)(0xff00u >> bits);
	}
}
