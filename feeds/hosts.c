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

/* Nearly every line: one plain name behind a sinkhole's address. See fl__reader_name(). */
static bool hosts_plain(struct fl__reader *r, struct fl_span *text, struct fl_span *name)
{
	static const char *const heads[] = { "0.0.0.0 ", "127.0.0.1 " };

	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
		struct fl_span head = fl_span_str(heads[i]);

		if (fl__reader_name(r, head, name)) {
			*text = fl_span(name->p - head.n, head.n + name->n);
			return true;
		}
	}
	return false;
}

static int hosts_plain_name(struct fl__reader *r, struct fl_span text, struct fl_span name)
{
	struct fl__account line = { .text = text, .first = FL_DROP_COUNT };
	int ret = fl__account_name(r, &line, name, FL_SCOPE_EXACT, is_local(name) ? FL_DROP_LOCAL_NAME : FL_DROP_COUNT);

	if (ret == 0)
		fl__account_end(r, &line);
	return ret;
}

static int hosts_line(struct fl__reader *r, struct fl_span text)
{
	const uint8_t *hash = text.n ? memchr(text.p, '#', text.n) : NULL;
	struct fl_span rest = hash ? fl_span(text.p, (size_t)(hash - text.p)) : text, tok;
	enum fl__hosts_address address;

	if (!fl__token(&rest, &tok)) {
		fl__reader_drop(r, r->line, text, FL_DROP_COMMENT);
		return 0;
	}
	address = text.n > FL__LINE_MAX ? FL__HOSTS_NO_ADDRESS : fl__hosts_address(tok);
	if (address != FL__HOSTS_NO_ADDRESS)
		return hosts_names(r, text, rest, address);
	fl__reader_drop(r, r->line, text, text.n > FL__LINE_MAX ? FL_DROP_LINE_TOO_LONG : FL_DROP_SYNTAX);
	return 0;
}

int fl__hosts_read(struct fl__reader *r)
{
	struct fl_span text, name;
	int ret = 0;

	while (ret == 0) {
		if (hosts_plain(r, &text, &name))
			ret = hosts_plain_name(r, text, name);
		else if (fl__reader_line(r, &text))
			ret = hosts_line(r, text);
		else
			break;
	}
	return ret;
}
