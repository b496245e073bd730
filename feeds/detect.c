/* What is this body? Two questions. Is it a list at all: an expired key or a parked domain answers with a page or a JSON
 * error, often with status 200. And which format: found out by what the lines look like, and refused unless sure. */
#include "feeds/reader.h"
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
	{ "\xfd" "7zXZ", 5, "xz data" },
	{ "7z\xbc\xaf", 4, "a 7z archive" },
	{ "%PDF-", 5, "a PDF document" },
	{ "\x7f" "ELF", 4, "a program" },
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

/* More than a stray control octet: text has none. */
static bool is_binary(struct fl_span body)
{
	size_t n = body.n < SNIFF_BYTES ? body.n : SNIFF_BYTES, odd = 0;

	for (size_t i = 0; i < n; i++)
		odd += body.p[i] < 32 && !(body.p[i] >= '\t' && body.p[i] <= '\r') && body.p[i] != 0x1b;
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
	for (size_t i = 0; i + 5 < s.n && i < HEAD_BYTES; i++)
		if (s.p[i] == '<' && (starts_ci(fl_span(s.p + i, s.n - i), "<html") ||
				      starts_ci(fl_span(s.p + i, s.n - i), "<!doctype")))
			return true;
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
		return what == json_document ? NULL : what ? what : "not a JSON document";
	case FL_FORMAT_AUTO:
		return what == json_document ? NULL : what;
	case FL_FORMAT_CSV: /* a quoted first field is no JSON text */
		return what == json_document && fl_span_trim(body).p[0] == '"' ? NULL : what;
	default:
		return what;
	}
}

struct votes {
	size_t hosts, adblock, domains, addresses, other;
	bool adblock_header;
};

static void vote(struct votes *v, struct fl_span text)
{
	struct fl_span rest = fl__comment_off(text), tok, next;
	enum fl_drop why;

	if (text.p[0] == '[' && starts_ci(text, "[ad")) {
		v->adblock_header = true;
		return;
	}
	if (fl__adblock_looks(text)) {
		v->adblock++;
		return;
	}
	if (!fl__token(&rest, &tok))
		return;
	if (fl__token(&rest, &next)) {
		if (fl__hosts_address(tok) != FL__HOSTS_NO_ADDRESS)
			v->hosts++;
		else
			v->other++;
		return;
	}
	if (tok.n > 2 && tok.p[0] == '*' && tok.p[1] == '.')
		tok = fl_span(tok.p + 2, tok.n - 2);
	why = fl__token_judge(tok);
	if (why == FL_DROP_ADDRESS)
		v->addresses++;
	else if (why == FL_DROP_COUNT && memchr(tok.p, '.', tok.n))
		v->domains++;
	else
		v->other++;
}

int fl_feed_detect(struct fl_span body, enum fl_format *out, struct fl_err *err)
{
	struct fl_feed_result unused = { 0 };
	struct fl__reader r = { .body = fl__bom_off(body), .result = &unused };
	struct fl_span text;
	struct votes v = { 0 };
	size_t seen = 0, named;
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
		if (fl__plain_comment(text) || text.n > FL__LINE_MAX)
			continue;
		seen++;
		vote(&v, text);
	}
	/* bare addresses stand in lists of every format: they say nothing */
	named = v.hosts + v.adblock + v.domains + v.other;
	if (v.hosts + v.adblock + v.domains == 0)
		return fl_err_set(err, FL_EFORMAT, "format not found out: no line looks like hosts, adblock or domains");
	if (v.hosts >= named - named / 10) /* nine of ten */
		*out = FL_FORMAT_HOSTS;
	else if (v.domains >= named - named / 10 && v.adblock == 0 && !v.adblock_header)
		*out = FL_FORMAT_DOMAINS;
	else if (v.hosts == 0 && (v.adblock >= named - named / 2 || v.adblock_header))
		*out = FL_FORMAT_ADBLOCK;
	else {
		bool hosts_less = v.hosts < v.adblock && v.hosts < v.domains;
		bool adblock_less = !hosts_less && v.adblock <= v.domains;
		const char *a = hosts_less ? "adblock" : "hosts", *b = hosts_less || adblock_less ? "domains" : "adblock";

		return fl_err_set(err, FL_EFORMAT,
				  "format not found out: %s or %s (lines that look like hosts %zu, adblock %zu, domains %zu, "
				  "none of them %zu): name it",
				  a, b, v.hosts, v.adblock, v.domains, v.other);
	}
	return 0;
}
