/* hosts(5) (docs/formats/feeds.md):  ADDRESS NAME...  # comment
 *
 * A sinkhole address (0.0.0.0, 127/8, ::, ::1) with names is a claim on each, exact. Any other address is a mapping and
 * blocks nothing. A machine's own names (localhost and its kin) are passed over wherever they point. */
#include "feeds/reader.h"

#include <arpa/inet.h>

static const char *const local_names[] = { "localhost", "localhost.localdomain", "local", "broadcasthost", "0.0.0.0" };

enum fl__hosts_address fl__hosts_address(struct fl_span tok)
{
	static const uint8_t zero[16], one[16] = { [15] = 1 };
	const uint8_t *zone;
	char text[INET6_ADDRSTRLEN];
	uint8_t a[16];

	if (fl_span_eqs(tok, "0.0.0.0") || fl_span_eqs(tok, "127.0.0.1")) /* nearly every line */
		return FL__HOSTS_SINKHOLE;
	zone = tok.n ? memchr(tok.p, '%', tok.n) : NULL;
	if (zone)
		tok.n = (size_t)(zone - tok.p);
	if (tok.n == 0 || tok.n >= sizeof(text))
		return FL__HOSTS_NO_ADDRESS;
	memcpy(text, tok.p, tok.n);
	text[tok.n] = '\0';
	if (inet_pton(AF_INET, text, a) == 1)
		return a[0] == 127 || memcmp(a, zero, 4) == 0 ? FL__HOSTS_SINKHOLE : FL__HOSTS_OTHER;
	if (inet_pton(AF_INET6, text, a) == 1)
		return memcmp(a, zero, 16) == 0 || memcmp(a, one, 16) == 0 ? FL__HOSTS_SINKHOLE : FL__HOSTS_OTHER;
	return FL__HOSTS_NO_ADDRESS;
}

/* The first octet of every local name; asked first, since the rest costs. */
static bool maybe_local(struct fl_span name)
{
	uint8_t c = name.n ? name.p[0] | 32 : 0;

	return c == 'l' || c == 'b' || c == 'i' || c == ('0' | 32);
}

static bool is_local(struct fl_span name)
{
	if (!maybe_local(name))
		return false;
	if (name.n > 1 && name.p[name.n - 1] == '.')
		name.n--;
	if (name.n > 4 && strncasecmp((const char *)name.p, "ip6-", 4) == 0)
		return !memchr(name.p, '.', name.n);
	for (size_t i = 0; i < sizeof(local_names) / sizeof(*local_names); i++)
		if (name.n == strlen(local_names[i]) && strncasecmp((const char *)name.p, local_names[i], name.n) == 0)
			return true;
	return false;
}

/* Why this name makes no claim. */
static enum fl_drop name_judge(struct fl_span name, enum fl__hosts_address address)
{
	if (is_local(name))
		return FL_DROP_LOCAL_NAME;
	return address == FL__HOSTS_SINKHOLE ? fl__token_judge(name) : FL_DROP_MAPPING;
}

static int hosts_names(struct fl__reader *r, struct fl_span text, struct fl_span rest, enum fl__hosts_address address)
{
	struct fl__account line = { .text = text, .first = FL_DROP_COUNT };
	struct fl_span name;
	int ret = 0;

	while (ret == 0 && fl__token(&rest, &name))
		ret = fl__account_name(r, &line, name, FL_SCOPE_EXACT, name_judge(name, address));
	if (ret == 0)
		fl__account_end(r, &line);
	return ret;
}

int fl__hosts_read(struct fl__reader *r)
{
	struct fl_span text, rest, tok;

	while (fl__reader_line(r, &text)) {
		const uint8_t *hash = text.n ? memchr(text.p, '#', text.n) : NULL;
		enum fl__hosts_address address;
		int ret;

		rest = hash ? fl_span(text.p, (size_t)(hash - text.p)) : text;
		if (!fl__token(&rest, &tok)) {
			fl__reader_drop(r, r->line, text, FL_DROP_COMMENT);
			continue;
		}
		address = text.n > FL__LINE_MAX ? FL__HOSTS_NO_ADDRESS : fl__hosts_address(tok);
		if (address == FL__HOSTS_NO_ADDRESS) {
			fl__reader_drop(r, r->line, text,
					text.n > FL__LINE_MAX ? FL_DROP_LINE_TOO_LONG : FL_DROP_SYNTAX);
			continue;
		}
		ret = hosts_names(r, text, rest, address);
		if (ret < 0)
			return ret;
	}
	return 0;
}
