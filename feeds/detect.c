/* What is this body? Two questions. Is it a list at all: an expired key or a parked domain answers with a page or a
 * JSON error, often with status 200. And which format: found out by what the lines look like, and refused unless sure.
 */
#include "feeds/reader.h"
#include "base/lanes.h"
#include "feeds/fields.h"

enum { SNIFF_BYTES = 65536, DETECT_LINES = 10000, HEAD_BYTES = 1024 };

static const struct magic {
	const char *bytes;
	size_t n;
	const char *what;
} magics[] = {
	{ "\x1f\x8b", 2, "gzip data" },
	{ "\x28\xb5\x2f\xfd", 4, "zstd data" },
	{ "PK\x03\x04", 4, "a zip archive" },
	{ "BZh", 3, "bzip2 data" },
	{ "\xfd"
	  "7zXZ",
	  5, "xz data" },
	{ "7z\xbc\xaf", 4, "a 7z archive" },
	{ "%PDF-", 5, "a PDF document" },
	{ "\x7f"
	  "ELF",
	  4, "a program" },
	{ "\x89PNG", 4, "an image" },
	{ "GIF8", 4, "an image" },
	{ "\xff\xd8\xff", 3, "an image" },
	{ "\xff\xfe", 2, "UTF-16 text" },
	{ "\xfe\xff", 2, "UTF-16 text" },
	{ "{\\rtf", 5, "an RTF document" },
};

static bool starts_ci(struct fl_span s, const char *word)
{
	size_t n = strlen(word);

	return s.n >= n && strncasecmp((const char *)s.p, word, n) == 0;
}

/* Control octets, without white space and escape. */
static fl_lanes odd_controls(fl_lanes v)
{
	return fl_lanes_within(v, 0, 31) & ~fl_lanes_within(v, '\t', '\r') & (fl_lanes)(v != 0x1b);
}

/* More than a stray control octet: text has none. */
static bool is_binary(struct fl_span body)
{
	size_t n = body.n < SNIFF_BYTES ? body.n : SNIFF_BYTES, odd = 0, i = 0;

	for (; i + FL_LANES <= n; i += FL_LANES)
		for (unsigned bits = fl_lanes_bits(odd_controls(fl_lanes_load(body.p + i))); bits; bits &= bits - 1)
			odd++;
	for (; i < n; i++) {
		unsigned c = body.p[i];

		odd += (c < 32) & (c - '\t' > '\r' - '\t') & (c != 0x1b);
	}
	return odd >= 8 && odd > n / 50;
}

/* A '[' may open an adblock header or an address; JSON goes on with a value, and a number there ends at a comma. */
static bool is_json(struct fl_span s)
{
	size_t n = 0;

	if (s.p[0] == '{' || s.p[0] == '"')
		return true;
	if (s.p[0] != '[')
		return false;
	s = fl_span_trim(fl_span(s.p + 1, s.n - 1));
	if (s.n == 0 || (s.p[0] && strchr("\"{[]", s.p[0])) || starts_ci(s, "null") || starts_ci(s, "true") ||
	    starts_ci(s, "false"))
		return true;
	while (n < s.n && s.p[n] && strchr("0123456789+-.eE \t\r\n", s.p[n]))
		n++;
	return n && n < s.n && (s.p[n] == ',' || s.p[n] == ']');
}

static bool has_html(struct fl_span s)
{
	size_t n = s.n < 5 ? 0 : s.n - 5 < HEAD_BYTES ? s.n - 5 : HEAD_BYTES; /* where it may begin */
	const uint8_t *end = s.p + n, *p = s.p;

	for (; p < end && (p = memchr(p, '<', (size_t)(end - p))); p++) {
		struct fl_span tag = fl_span(p, (size_t)(s.p + s.n - p));

		if (starts_ci(tag, "<html") || starts_ci(tag, "<!doctype"))
			return true;
	}
	return false;
}

static const char json_document[] = "a JSON document";

const char *fl__sniff(struct fl_span body)
{
	struct fl_span s = fl_span_trim(body);

	if (s.n == 0)
		return "the body is empty";
	for (size_t i = 0; i < sizeof(magics) / sizeof(*magics); i++)
		if (body.n >= magics[i].n && memcmp(body.p, magics[i].bytes, magics[i].n) == 0)
			return magics[i].what;
	if (starts_ci(s, "<?xml"))
		return "an XML document";
	if (s.p[0] == '<' || has_html(s))
		return "an HTML page";
	if (is_json(s))
		return json_document;
	return is_binary(body) ? "binary data" : NULL;
}

const char *fl__sniff_for(struct fl_span body, enum fl_format format)
{
	const char *what = fl__sniff(body);

	switch (format) {
	case FL_FORMAT_JSON:
	case FL_FORMAT_NDJSON:
	case FL_FORMAT_STIX2:
	case FL_FORMAT_MISP:
	case FL_FORMAT_TAXII2:
		return what == json_document ? NULL : what ? what : "not a JSON document";
	case FL_FORMAT_AUTO:
		return what == json_document ? NULL : what;
	case FL_FORMAT_CSV: /* a quoted first field is no JSON text */
		return what == json_document && fl_span_trim(body).p[0] == '"' ? NULL : what;
	default:
		return what;
	}
}

/* What the lines look like. Bare addresses stand in lists of every format: they say nothing. */
struct votes {
	size_t n[FL_FORMAT_COUNT], other;
	bool adblock_header, zeek_header, zone, trails; /* marks that only one format has */
};

/* The formats that are found out, in the order of the message. */
static const enum fl_format candidates[] = {
	FL_FORMAT_HOSTS, FL_FORMAT_ADBLOCK, FL_FORMAT_DOMAINS, FL_FORMAT_DNSMASQ, FL_FORMAT_UNBOUND,
	FL_FORMAT_RPZ,   FL_FORMAT_URLS,    FL_FORMAT_ZEEK,    FL_FORMAT_BIND,
};
enum { CANDIDATES = sizeof(candidates) / sizeof(*candidates) };

static bool has(struct fl_span s, const char *word)
{
	return s.n && memmem(s.p, s.n, word, strlen(word));
}

/* One word on the line: a name, maybe below a star, or a site, or a URL. */
static void vote_token(struct votes *v, struct fl_span tok)
{
	enum fl_drop why;

	if (tok.n > 2 && tok.p[0] == '*' && tok.p[1] == '.')
		tok = fl_span(tok.p + 2, tok.n - 2);
	else if (tok.n > 6 && memcmp(tok.p, "*://", 4) == 0 && memcmp(tok.p + tok.n - 2, "/*", 2) == 0) {
		v->n[FL_FORMAT_DOMAINS]++;
		return;
	}
	why = fl__token_judge(tok);
	if (why == FL_DROP_ADDRESS)
		return;
	if (fl__urls_looks(tok))
		v->n[FL_FORMAT_URLS]++;
	else if (why == FL_DROP_COUNT && memchr(tok.p, '.', tok.n))
		v->n[FL_FORMAT_DOMAINS]++;
	else
		v->other++;
}

/* Several words on the line. */
static void vote_tokens(struct votes *v, struct fl_span text, struct fl_span first)
{
	if (has(text, "\tIntel::"))
		v->n[FL_FORMAT_ZEEK]++;
	else if (fl__hosts_address(first) != FL__HOSTS_NO_ADDRESS)
		v->n[FL_FORMAT_HOSTS]++;
	else if (fl__rpz_looks(text))
		v->n[FL_FORMAT_RPZ]++;
	else if (fl__urls_looks(text))
		v->n[FL_FORMAT_URLS]++; /* white space in a path */
	else
		v->other++;
}

static void vote(struct votes *v, struct fl_span text)
{
	struct fl_span rest = fl__comment_off(text), tok, next;

	if (text.p[0] == '[' && starts_ci(text, "[ad"))
		v->adblock_header = true;
	else if (fl__dnsmasq_looks(text))
		v->n[FL_FORMAT_DNSMASQ]++;
	else if (fl__unbound_looks(text))
		v->n[FL_FORMAT_UNBOUND]++;
	else if (fl__bind_looks(text))
		v->n[FL_FORMAT_BIND]++;
	else if (fl__adblock_looks(text))
		v->n[FL_FORMAT_ADBLOCK]++;
	else if (fl__token(&rest, &tok)) {
		if (fl__token(&rest, &next))
			vote_tokens(v, text, tok);
		else
			vote_token(v, tok);
	}
}

/* What comments and directives give away. */
static void mark(struct votes *v, struct fl_span text)
{
	v->zeek_header = v->zeek_header || fl__zeek_header(text);
	v->trails = v->trails || (text.n && text.p[0] == '#' && has(text, "stamparm/maltrail"));
	v->zone = v->zone || starts_ci(text, "$TTL") || starts_ci(text, "$ORIGIN") ||
		  (has(text, "SOA") && fl__rpz_looks(text));
}

static size_t votes_sum(const struct votes *v)
{
	size_t sum = 0;

	for (size_t i = 0; i < CANDIDATES; i++)
		sum += v->n[candidates[i]];
	return sum;
}

/* Lines of the formats whose every line shows what it is, other than `f`. */
static size_t votes_against(const struct votes *v, enum fl_format f)
{
	static const enum fl_format plain[] = { FL_FORMAT_HOSTS, FL_FORMAT_DNSMASQ, FL_FORMAT_UNBOUND,
						FL_FORMAT_RPZ,   FL_FORMAT_ZEEK,    FL_FORMAT_BIND };
	size_t sum = 0;

	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++)
		sum += plain[i] == f ? 0 : v->n[plain[i]];
	return sum;
}

/* Nine of ten lines, and nothing that belongs to another format alone. */
static bool is_sure(const struct votes *v, enum fl_format f)
{
	size_t named = votes_sum(v) + v->other, n = v->n[f];

	switch (f) {
	case FL_FORMAT_DOMAINS:
		return n >= named - named / 10 && v->n[FL_FORMAT_ADBLOCK] == 0 && !v->adblock_header;
	case FL_FORMAT_ADBLOCK: /* half: bare names and stray text stand in it */
		return votes_against(v, f) == 0 && (n >= named - named / 2 || v->adblock_header);
	case FL_FORMAT_RPZ: /* half with a zone's marks: a SOA takes many lines */
		return n >= named - named / 10 ||
		       (v->zone && n && n >= named - named / 2 && votes_sum(v) - n <= votes_sum(v) / 10);
	case FL_FORMAT_ZEEK:
		return v->zeek_header && n >= named - named / 10;
	default:
		return n >= named - named / 10;
	}
}

/* Trail files hold as many addresses and paths as names; only their header tells them from lists of names. */
static bool is_trails(const struct votes *v)
{
	size_t n = v->n[FL_FORMAT_DOMAINS];

	return v->trails && n && votes_against(v, FL_FORMAT_MALTRAIL) == 0 && n >= votes_sum(v) - votes_sum(v) / 2;
}

static int not_found_out(const struct votes *v, struct fl_err *err)
{
	enum fl_format best[2] = { FL_FORMAT_AUTO, FL_FORMAT_AUTO };
	size_t at[2] = { CANDIDATES, CANDIDATES };

	for (int k = 0; k < 2; k++)
		for (size_t i = 0; i < CANDIDATES; i++)
			if (i != at[0] && v->n[candidates[i]] >= (best[k] == FL_FORMAT_AUTO ? 0 : v->n[best[k]] + 1)) {
				best[k] = candidates[i];
				at[k] = i;
			}
	if (at[0] > at[1]) {
		enum fl_format first = best[1];

		best[1] = best[0];
		best[0] = first;
	}
	return fl_err_set(err, FL_EFORMAT,
			  "format not found out: %s or %s (lines that look like %s %zu, %s %zu, other formats %zu, "
			  "none of them %zu): name it",
			  fl_format_word(best[0]), fl_format_word(best[1]), fl_format_word(best[0]), v->n[best[0]],
			  fl_format_word(best[1]), v->n[best[1]], votes_sum(v) - v->n[best[0]] - v->n[best[1]],
			  v->other);
}

int fl_feed_detect(struct fl_span body, enum fl_format *out, struct fl_err *err)
{
	struct fl_feed_result unused = { 0 };
	struct fl__reader r = { .body = fl__bom_off(body), .result = &unused };
	struct fl_span text;
	struct votes v = { 0 };
	size_t seen = 0;
	const char *why = fl__sniff(r.body);

	if (!fl__sniff_for(r.body, FL_FORMAT_CSV) && fl__csv_detect(r.body)) {
		*out = FL_FORMAT_CSV;
		return 0;
	}
	if (why == json_document)
		return fl__json_detect(r.body, out, err);
	if (why)
		return fl_err_set(err, FL_EFORMAT, "not a list: %s", why);
	while (seen < DETECT_LINES && fl__reader_line(&r, &text)) {
		if (text.n > FL__LINE_MAX)
			continue;
		mark(&v, text);
		if (fl__plain_comment(text))
			continue;
		seen++;
		vote(&v, text);
	}
	if (votes_sum(&v) == 0)
		return fl_err_set(err, FL_EFORMAT, "format not found out: no line looks like any of them: name it");
	if (is_trails(&v)) {
		*out = FL_FORMAT_MALTRAIL;
		return 0;
	}
	for (size_t i = 0; i < CANDIDATES; i++) {
		if (!is_sure(&v, candidates[i]))
			continue;
		*out = candidates[i];
		return 0;
	}
	return not_found_out(&v, err);
}
