/* Resource records as text, as far as feeds need them: what stands between the owner and the data (RFC 1035, 5.1).
 * Shared by unbound's local-data and by policy zones. */
#include "feeds/reader.h"

bool fl__word_is(struct fl_span s, const char *word)
{
	return s.n == strlen(word) && (s.n == 0 || strncasecmp((const char *)s.p, word, s.n) == 0);
}

/* Digits, with the units that BIND allows: 300, 1h30m. No type starts with a digit. */
static bool is_ttl(struct fl_span s)
{
	static const char octets[] = "0123456789smhdwSMHDW";

	for (size_t i = 0; i < s.n; i++)
		if (!s.p[i] || !strchr(octets, s.p[i]))
			return false;
	return s.n && s.p[0] >= '0' && s.p[0] <= '9';
}

static bool is_class(struct fl_span s)
{
	return fl__word_is(s, "IN") || fl__word_is(s, "CH") || fl__word_is(s, "HS") || fl__word_is(s, "CLASS1");
}

bool fl__record_type(struct fl_span *rest, struct fl_span *type)
{
	bool ttl = false, class = false, internet = true;

	while (fl__token(rest, type)) {
		if (!ttl && is_ttl(*type))
			ttl = true;
		else if (!class && is_class(*type)) {
			class = true;
			internet = fl__word_is(*type, "IN") || fl__word_is(*type, "CLASS1");
		} else
			return internet;
	}
	return false;
}

bool fl__record_is_sinkhole(struct fl_span type, struct fl_span rdata)
{
	struct fl_span address;

	return (fl__word_is(type, "A") || fl__word_is(type, "AAAA")) && fl__token(&rdata, &address) &&
	       fl__hosts_address(address) == FL__HOSTS_SINKHOLE;
}
