/* One record to its claims: the same for every format that has records. Start at fl__record_value(). */
#include "feeds/fields.h"

#include "base/address.h"

static const struct {
	const char *word;
	enum fl__kind kind;
} kinds[] = {
	{ "domain", FL__KIND_NAME },
	{ "domain-name", FL__KIND_NAME },
	{ "domain_name", FL__KIND_NAME },
	{ "hostname", FL__KIND_NAME },
	{ "host", FL__KIND_NAME },
	{ "fqdn", FL__KIND_NAME },
	{ "dns", FL__KIND_NAME },
	{ "url", FL__KIND_URL },
	{ "uri", FL__KIND_URL },
	{ "domain|ip", FL__KIND_NAME_FIRST },
	{ "hostname|port", FL__KIND_NAME_FIRST },
};

enum fl__kind fl__kind_of(struct fl_span word)
{
	word = fl_span_trim(word);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (fl__word_is(word, kinds[i].word))
			return kinds[i].kind;
	return FL__KIND_OTHER;
}

static const struct {
	const char *word;
	enum fl_category category;
} tags[] = {
	{ "malware", FL_CAT_MALWARE },
	{ "malware_download", FL_CAT_MALWARE },
	{ "payload_delivery", FL_CAT_MALWARE },
	{ "payload", FL_CAT_MALWARE },
	{ "ransomware", FL_CAT_MALWARE },
	{ "infostealer", FL_CAT_MALWARE },
	{ "stealer", FL_CAT_MALWARE },
	{ "phishing", FL_CAT_PHISHING },
	{ "phish", FL_CAT_PHISHING },
	{ "c2", FL_CAT_C2 },
	{ "c&c", FL_CAT_C2 },
	{ "cc", FL_CAT_C2 },
	{ "botnet", FL_CAT_C2 },
	{ "botnet_cc", FL_CAT_C2 },
	{ "command-and-control", FL_CAT_C2 },
	{ "scam", FL_CAT_SCAM },
	{ "fraud", FL_CAT_SCAM },
	{ "cryptomining", FL_CAT_CRYPTOMINING },
	{ "coinminer", FL_CAT_CRYPTOMINING },
	{ "spyware", FL_CAT_SPYWARE },
	{ "stalkerware", FL_CAT_SPYWARE },
	{ "tracking", FL_CAT_TRACKING },
};

static enum fl_category tag_of(struct fl_span word)
{
	for (size_t i = 0; i < sizeof(tags) / sizeof(*tags); i++)
		if (fl__word_is(word, tags[i].word))
			return tags[i].category;
	return FL_CAT_NONE;
}

enum fl_category fl__category(struct fl_span text)
{
	static const char separators[] = " \t#,;|:";
	size_t i = 0, start;

	while (i < text.n) {
		enum fl_category c;

		while (i < text.n && text.p[i] && strchr(separators, text.p[i]))
			i++;
		start = i;
		while (i < text.n && (!text.p[i] || !strchr(separators, text.p[i])))
			i++;
		c = tag_of(fl_span(text.p + start, i - start));
		if (c != FL_CAT_NONE)
			return c;
	}
	return FL_CAT_NONE;
}

uint8_t fl__confidence(struct fl_span text)
{
	unsigned v = 0;

	text = fl_span_trim(text);
	if (text.n == 0 || text.n > 3)
		return 0;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return 0;
		v = 10 * v + (text.p[i] - '0');
	}
	return v <= 100 ? (uint8_t)v : 0;
}

/* --- records --- */

struct fl__record fl__record_begin(struct fl__reader *r, struct fl_span text, uint32_t line)
{
	r->result->lines.in++;
	return (struct fl__record){ .text = text, .line = line, .scope = r->opt->scope ? r->opt->scope : FL_SCOPE_EXACT, .why = FL_DROP_COUNT };
}

void fl__record_why(struct fl__record *rec, enum fl_drop why)
{
	if (rec->why == FL_DROP_COUNT)
		rec->why = why;
}

static bool urls_claim(const struct fl__reader *r)
{
	return r->opt->urls == FL_URLS_AUTO ? r->url_hosts : r->opt->urls == FL_URLS_HOST;
}

/* "*.x" is below x, ".x" is x and below, as in a list of domains. */
static enum fl_drop claim_name(struct fl_span s, struct fl_feed_claim *c)
{
	if (s.n > 2 && s.p[0] == '*' && s.p[1] == '.') {
		s = fl_span(s.p + 2, s.n - 2);
		c->scope = FL_SCOPE_SUBDOMAINS;
	} else if (s.n > 1 && s.p[0] == '.') {
		s = fl_span(s.p + 1, s.n - 1);
		c->scope = FL_SCOPE_SUBTREE;
	}
	c->name = s;
	return s.n ? fl__token_judge(s) : FL_DROP_SYNTAX;
}

/* A URL says where one page was: its host alone, whatever the feed says of bare names. */
static enum fl_drop claim_url(struct fl_span s, uint8_t *buf, struct fl_feed_claim *c)
{
	c->scope = FL_SCOPE_EXACT;
	return fl__url_host(s, buf, &c->name);
}

static bool looks_like_url(struct fl_span s)
{
	return memmem(s.p, s.n, "://", 3) || memchr(s.p, '/', s.n);
}

static enum fl_drop claim_of(enum fl__kind kind, bool urls, struct fl_span s, uint8_t *buf, struct fl_feed_claim *c)
{
	const uint8_t *bar;

	switch (kind) {
	case FL__KIND_NAME_FIRST:
		bar = memchr(s.p, '|', s.n);
		return claim_name(bar ? fl_span_trim(fl_span(s.p, (size_t)(bar - s.p))) : s, c);
	case FL__KIND_NAME:
		return claim_name(s, c);
	case FL__KIND_ANY:
		if (!looks_like_url(s))
			return claim_name(s, c);
		if (fl_address_literal(s)) /* 192.0.2.0/24 */
			return FL_DROP_ADDRESS;
		return urls ? claim_url(s, buf, c) : FL_DROP_NOT_APPLICABLE;
	case FL__KIND_URL:
		return urls ? claim_url(s, buf, c) : FL_DROP_NOT_APPLICABLE;
	default:
		return FL_DROP_NOT_APPLICABLE;
	}
}

int fl__record_value(struct fl__reader *r, struct fl__record *rec, enum fl__kind kind, struct fl_span value)
{
	struct fl_feed_claim c = { .scope = rec->scope, .line = rec->line, .confidence = rec->confidence, .category = rec->category,
				   .first_seen_s = rec->first_seen_s, .expires_s = rec->expires_s };
	uint8_t buf[FL__LINE_MAX];
	enum fl_drop why;
	int ret;

	value = fl_span_trim(value);
	if (value.n == 0)
		why = FL_DROP_SYNTAX;
	else if (value.n > FL__LINE_MAX)
		why = FL_DROP_LINE_TOO_LONG;
	else if (rec->expires_s && r->opt->now_s && rec->expires_s <= r->opt->now_s)
		why = FL_DROP_EXPIRED;
	else
		why = claim_of(kind, urls_claim(r), rec->defang ? fl__refang(value, buf) : value, buf, &c);
	if (why == FL_DROP_COUNT && rec->excepted && rec->excepted(rec->ctx, c.name))
		why = FL_DROP_DISABLED;
	if (why != FL_DROP_COUNT) {
		fl__record_why(rec, why);
		return 0;
	}
	ret = fl__reader_give(r, &c);
	rec->claims += ret == 0;
	return ret;
}

void fl__record_end(struct fl__reader *r, const struct fl__record *rec)
{
	if (rec->claims)
		r->result->lines.out++;
	else
		fl__reader_drop(r, rec->line, rec->text, rec->why == FL_DROP_COUNT ? FL_DROP_SYNTAX : rec->why);
}
