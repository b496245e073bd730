/* The table of formats, and what all readers share: lines, tokens, the account of lines. Start at fl_feed_parse(). */
#include "feeds/reader.h"
#include "feeds/fields.h"

#include "base/address.h"
#include "base/lanes.h"

static const char *const words[] = {
#define FL_X(name, word, text) [name] = word,
	FL_FORMATS(FL_X)
#undef FL_X
};
static fl__read *const readers[FL_FORMAT_COUNT] = {
	[FL_FORMAT_DOMAINS] = fl__plain_read,
	[FL_FORMAT_HOSTS] = fl__hosts_read,
	[FL_FORMAT_ADBLOCK] = fl__adblock_read,
	[FL_FORMAT_CSV] = fl__csv_read,
	[FL_FORMAT_JSON] = fl__json_read,
	[FL_FORMAT_NDJSON] = fl__ndjson_read,
	[FL_FORMAT_STIX2] = fl__stix_read,
	[FL_FORMAT_MISP] = fl__misp_read,
	[FL_FORMAT_TAXII2] = fl__stix_read,
	[FL_FORMAT_DNSMASQ] = fl__dnsmasq_read,
	[FL_FORMAT_UNBOUND] = fl__unbound_read,
	[FL_FORMAT_URLS] = fl__urls_read,
	[FL_FORMAT_MALTRAIL] = fl__maltrail_read,
	[FL_FORMAT_ZEEK] = fl__zeek_read,
	[FL_FORMAT_RPZ] = fl__rpz_read,
	[FL_FORMAT_BIND] = fl__bind_read,
};

const char *fl_format_word(enum fl_format f)
{
	return (unsigned)f < FL_FORMAT_COUNT ? words[f] : "unknown";
}

bool fl_format_parse(const char *s, enum fl_format *out)
{
	for (int f = 0; f < FL_FORMAT_COUNT; f++) {
		if (strcmp(words[f], s) == 0) {
			*out = (enum fl_format)f;
			return true;
		}
	}
	return false;
}

struct fl_span fl__bom_off(struct fl_span body)
{
	if (body.n >= 3 && memcmp(body.p, "\xef\xbb\xbf", 3) == 0)
		return fl_span(body.p + 3, body.n - 3);
	return body;
}

bool fl__reader_line(struct fl__reader *r, struct fl_span *text)
{
	const uint8_t *start = r->body.p + r->pos, *nl;
	size_t left = r->body.n - r->pos;

	r->over = left && r->line == FL__LINES_MAX;
	if (left == 0 || r->over)
		return false;
	nl = memchr(start, '\n', left);
	*text = fl_span_trim(fl_span(start, nl ? (size_t)(nl - start) : left));
	r->pos += nl ? (size_t)(nl - start) + 1 : left;
	r->line++;
	r->result->lines.in++;
	return true;
}

enum { NAME_LANES = 2 * FL_LANES };

bool fl__reader_name(struct fl__reader *r, struct fl_span head, struct fl_span *name)
{
	const uint8_t *p = r->body.p + r->pos;
	uint32_t good, dots, n;
	fl_lanes a, b;

	if (r->body.n - r->pos < head.n + NAME_LANES + 1 || r->line == FL__LINES_MAX || (head.n && memcmp(p, head.p, head.n) != 0))
		return false;
	p += head.n;
	a = fl_lanes_load(p);
	b = fl_lanes_load(p + FL_LANES);
	good = fl_lanes_bits(fl_lanes_names(a)) | fl_lanes_bits(fl_lanes_names(b)) << FL_LANES;
	dots = fl_lanes_bits((fl_lanes)(a == '.')) | fl_lanes_bits((fl_lanes)(b == '.')) << FL_LANES;
	n = good == UINT32_MAX ? NAME_LANES : (uint32_t)__builtin_ctz(~good);
	if (n == NAME_LANES || (p[n] != '\n' && (p[n] != '\r' || p[n + 1] != '\n')))
		return false;
	dots &= (UINT32_C(1) << n) - 1;
	/* from the last dot on, with a dot before the name: one that ends the name has the line's end behind it, and no name begins with one */
	if (n == 0 || dots & 1 || (p[dots ? 32 - __builtin_clz(dots) : 0] <= '9'))
		return false;
	*name = fl_span(p, n);
	r->pos += head.n + n + (p[n] == '\r') + 1;
	r->line++;
	r->result->lines.in++;
	return true;
}

bool fl__drop_is_harmless(enum fl_drop why)
{
	switch (why) {
	case FL_DROP_COMMENT:
	case FL_DROP_NOT_APPLICABLE:
	case FL_DROP_DISABLED:
	case FL_DROP_DUPLICATE:
	case FL_DROP_LOCAL_NAME:
	case FL_DROP_EXPIRED:
	case FL_DROP_REVOKED:
	case FL_DROP_NOT_YET:
	case FL_DROP_SHARED_HOST:
	case FL_DROP_TRIGGER:
		return true;
	default:
		return false;
	}
}

void fl__reader_drop(struct fl__reader *r, uint32_t line, struct fl_span text, enum fl_drop why)
{
	r->result->lines.dropped[why]++;
	if (why == FL_DROP_ADDRESS && !r->records)
		r->result->addresses++;
	r->result->refused += !fl__drop_is_harmless(why) && !(r->records && why == FL_DROP_ADDRESS);
	if (r->reject && why != FL_DROP_COMMENT)
		r->reject(r->ctx, line, text, why);
}

int fl__reader_claim(struct fl__reader *r, uint32_t line, struct fl_span name, uint8_t scope)
{
	struct fl_feed_claim c = { .name = name, .scope = scope, .line = line };

	return fl__reader_give(r, &c);
}

int fl__reader_give(struct fl__reader *r, const struct fl_feed_claim *c)
{
	int ret = r->sink(r->ctx, c);

	if (ret < 0)
		return fl_err_set(r->err, ret, "line %u: %s", c->line, fl_code_text(ret));
	r->result->claims++;
	return 0;
}

/* What an octet may be to a reader: a list has millions of lines, and each is looked at octet by octet. */
enum { OCTET_SPACE = 1, OCTET_SIGN = 2, OCTET_NAME = 4 };
static const uint8_t octets[256] = {
	['\t'... '\r'] = OCTET_SPACE, [' '] = OCTET_SPACE,
	['a' ... 'z'] = OCTET_NAME, ['A' ... 'Z'] = OCTET_NAME, ['0' ... '9'] = OCTET_NAME, ['-'] = OCTET_NAME, ['_'] = OCTET_NAME, ['.'] = OCTET_NAME,
	['*'] = OCTET_SIGN, ['/'] = OCTET_SIGN, ['?'] = OCTET_SIGN, ['='] = OCTET_SIGN, ['('] = OCTET_SIGN, [')'] = OCTET_SIGN, ['['] = OCTET_SIGN,
	[']'] = OCTET_SIGN, ['{'] = OCTET_SIGN, ['}'] = OCTET_SIGN, ['\\'] = OCTET_SIGN, ['|'] = OCTET_SIGN, ['^'] = OCTET_SIGN, ['$'] = OCTET_SIGN,
	['+'] = OCTET_SIGN, [':'] = OCTET_SIGN,
};

static bool is_space(uint8_t c)
{
	return octets[c] & OCTET_SPACE;
}

bool fl__all_name_octets(struct fl_span s)
{
	uint8_t all = OCTET_NAME;

	for (size_t i = 0; i < s.n; i++)
		all &= octets[s.p[i]];
	return all;
}

bool fl__token(struct fl_span *rest, struct fl_span *tok)
{
	size_t i = 0, start;

	while (i < rest->n && is_space(rest->p[i]))
		i++;
	start = i;
	while (i < rest->n && !is_space(rest->p[i]))
		i++;
	*tok = fl_span(rest->p + start, i - start);
	*rest = fl_span(rest->p + i, rest->n - i);
	return tok->n != 0;
}

struct fl_span fl__comment_off(struct fl_span s)
{
	const uint8_t *end = s.p + s.n, *hash = s.n ? memchr(s.p, '#', s.n) : NULL;

	for (; hash; hash = memchr(hash + 1, '#', (size_t)(end - hash - 1)))
		if (hash == s.p || is_space(hash[-1]))
			return fl_span_trim(fl_span(s.p, (size_t)(hash - s.p)));
	return s;
}

/* Without a colon, an address has a last label that starts with a digit. */
enum fl_drop fl__name_judge(struct fl_span tok)
{
	size_t n = tok.n && tok.p[tok.n - 1] == '.' ? tok.n - 1 : tok.n;
	const uint8_t *last = tok.p + n;

	while (last > tok.p && last[-1] != '.')
		last--;
	if (last == tok.p + n || *last < '0' || *last > '9')
		return FL_DROP_COUNT;
	return fl_address_literal(tok) ? FL_DROP_ADDRESS : FL_DROP_COUNT;
}

/* Where "://" stands, or NULL. Addresses with a port are many. */
static const uint8_t *scheme_mark(struct fl_span s)
{
	const uint8_t *end = s.p + s.n, *p = memchr(s.p, ':', s.n);

	while (p && end - p >= 3 && (p[1] != '/' || p[2] != '/'))
		p = memchr(p + 1, ':', (size_t)(end - p - 1));
	return p && end - p >= 3 ? p : NULL;
}

enum fl_drop fl__token_judge(struct fl_span tok)
{
	const uint8_t *mark;
	uint8_t seen = 0;

	for (size_t i = 0; i < tok.n; i++)
		seen |= octets[tok.p[i]];
	if (!(seen & OCTET_SIGN))
		return fl__name_judge(tok);
	mark = scheme_mark(tok);
	if (mark)
		tok = fl_span(mark + 3, tok.n - (size_t)(mark + 3 - tok.p));
	return fl_address_literal(tok) ? FL_DROP_ADDRESS : FL_DROP_PATTERN;
}

int fl_feed_parse(struct fl_span body, const struct fl_feed_options *opt, fl_feed_sink *sink, fl_feed_reject *reject,
		  void *ctx, struct fl_feed_result *result, struct fl_err *err)
{
	struct fl_feed_result made = { .format = opt->format };
	struct fl__reader r = { .body = fl__bom_off(body), .opt = opt, .sink = sink, .reject = reject, .ctx = ctx,
				.result = &made, .err = err };
	const char *why = fl__sniff_for(r.body, opt->format);
	int ret = 0;

	if (why)
		return fl_err_set(err, FL_EFORMAT, "not a list: %s", why);
	if (made.format == FL_FORMAT_AUTO)
		ret = fl_feed_detect(body, &made.format, err);
	if (ret < 0)
		return ret;
	if ((unsigned)made.format >= FL_FORMAT_COUNT)
		return fl_err_set(err, FL_EUSAGE, "no such format: %d", (int)made.format);
	ret = readers[made.format](&r);
	if (ret == 0 && r.over)
		ret = fl_err_set(err, FL_ELIMIT, "over %d lines", FL__LINES_MAX);
	if (ret < 0)
		return ret;
	*result = made;
	return 0;
}
