/* STIX patterns (STIX 2.1, section 9), as far as they are lists of names:
 *
 *   pattern     = observation *("OR" observation)           observation = "[" comparisons "]" | "(" pattern ")"
 *   comparisons = comparison *("OR" comparison)             comparison  = path ("=" string | "IN" "(" string *("," string) ")") | "(" comparisons ")"
 *
 * Any one comparison of such a pattern is enough, so each claims for itself. AND, FOLLOWEDBY, NOT, qualifiers and other operators say more than
 * names can: such a pattern claims nothing. Start at fl__stix_pattern(). */
#include "feeds/stix.h"

enum token { END, BAD, WORD, STRING, OPEN, CLOSE, SQUARE_OPEN, SQUARE_CLOSE, COMMA, EQUALS, OTHER };
enum { DEPTH_MAX = 32 };

struct parser {
	struct fl_span text;
	size_t pos;
	enum token token;
	struct fl_span at; /* of the token; a string without its quotes, as it stands */
	bool more;	   /* it says more than a list of names */
	bool name;	   /* it speaks of a name or URL */
	bool give;	   /* second pass */
	fl__stix_sink *sink;
	void *ctx;
	int ret;
};

static bool is_word(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("_-:.*", c)) || c >= 0x80;
}

/* From behind the opening quote; a backslash guards what follows it. */
static enum token string(struct parser *p)
{
	size_t from = ++p->pos;

	for (; p->pos < p->text.n; p->pos++) {
		if (p->text.p[p->pos] == '\\')
			p->pos++;
		else if (p->text.p[p->pos] == '\'') {
			p->at = fl_span(p->text.p + from, p->pos++ - from);
			return STRING;
		}
	}
	return BAD;
}

/* A word; an object path may hold quoted parts and indexes in it: file:hashes.'SHA-256', x:y[0].z. */
static enum token word(struct parser *p)
{
	size_t from = p->pos;
	bool path = false;

	while (p->pos < p->text.n) {
		uint8_t c = p->text.p[p->pos];

		path = path || c == ':';
		if (is_word(c))
			p->pos++;
		else if (c == '\'' && path && p->text.p[p->pos - 1] == '.') {
			if (string(p) == BAD)
				return BAD;
		} else if (c == '[' && path) {
			while (p->pos < p->text.n && p->text.p[p->pos] != ']')
				p->pos++;
			if (p->pos++ >= p->text.n)
				return BAD;
		} else
			break;
	}
	p->at = fl_span(p->text.p + from, p->pos - from);
	return WORD;
}

static enum token sign(uint8_t c)
{
	static const struct {
		char sign;
		enum token token;
	} signs[] = { { '(', OPEN }, { ')', CLOSE }, { '[', SQUARE_OPEN }, { ']', SQUARE_CLOSE }, { ',', COMMA }, { '=', EQUALS } };

	for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++)
		if (c == (uint8_t)signs[i].sign)
			return signs[i].token;
	return c && strchr("!<>", c) ? OTHER : BAD;
}

static void next(struct parser *p)
{
	uint8_t c;

	while (p->pos < p->text.n && p->text.p[p->pos] && strchr(" \t\r\n", p->text.p[p->pos]))
		p->pos++;
	if (p->pos >= p->text.n) {
		p->token = END;
		return;
	}
	c = p->text.p[p->pos];
	if (c == '\'')
		p->token = string(p);
	else if (is_word(c))
		p->token = word(p);
	else {
		p->token = sign(c);
		p->pos++;
		if (c == '=' && p->pos < p->text.n && p->text.p[p->pos] == '=') /* "==" is "=" */
			p->pos++;
		if (p->token == OTHER && p->pos < p->text.n && p->text.p[p->pos] && strchr("=>", p->text.p[p->pos]))
			p->pos++;
	}
}

static bool is(const struct parser *p, const char *keyword)
{
	return p->token == WORD && fl_span_eqs(p->at, keyword);
}

static bool eat(struct parser *p, enum token t)
{
	if (p->token != t)
		return false;
	next(p);
	return true;
}

static void give(struct parser *p, enum fl__kind kind, struct fl_span text)
{
	uint8_t plain[FL__LINE_MAX];
	size_t n = 0;

	if (!p->give || p->ret < 0 || kind == FL__KIND_OTHER)
		return;
	if (text.n > sizeof(plain)) {
		p->ret = p->sink(p->ctx, kind, text); /* refused there for its length */
		return;
	}
	for (size_t i = 0; i < text.n; i++) {
		i += text.p[i] == '\\' && i + 1 < text.n;
		plain[n++] = text.p[i];
	}
	p->ret = p->sink(p->ctx, kind, fl_span(plain, n));
}

static enum fl__kind path_kind(struct fl_span path)
{
	if (fl_span_eqs(path, "domain-name:value") || fl_span_eqs(path, "hostname:value"))
		return FL__KIND_NAME;
	return fl_span_eqs(path, "url:value") ? FL__KIND_URL : FL__KIND_OTHER;
}

/* IN ( 'a', 'b' ), after IN. Values of other kinds may be numbers. */
static bool set_read(struct parser *p, enum fl__kind kind)
{
	if (!eat(p, OPEN))
		return false;
	do {
		if (p->token == STRING)
			give(p, kind, p->at);
		else if (p->token != WORD)
			return false;
		next(p);
	} while (eat(p, COMMA));
	return eat(p, CLOSE);
}

/* A literal with its type before it (t'2026-...', h'00'), a number, or true: none of them a name. */
static bool literal(struct parser *p)
{
	if (p->token == WORD) {
		next(p);
		eat(p, STRING);
		return true;
	}
	return eat(p, STRING);
}

/* What stands between a path and its literal, when it is not "=" or IN: such a comparison claims nothing, and does not harm those beside it. */
static bool operator_read(struct parser *p)
{
	static const char *const words[] = { "LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET" };

	if (eat(p, OTHER))
		return true;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (is(p, words[i])) {
			next(p);
			return true;
		}
	return false;
}

static bool comparison(struct parser *p)
{
	enum fl__kind kind = path_kind(p->at);
	struct fl_span at;

	if (p->token != WORD || !memchr(p->at.p, ':', p->at.n))
		return false;
	p->name = p->name || kind != FL__KIND_OTHER;
	next(p);
	if (is(p, "NOT")) {
		p->more = true;
		next(p);
	}
	if (is(p, "IN")) {
		next(p);
		return set_read(p, kind);
	}
	if (!eat(p, EQUALS))
		return operator_read(p) && literal(p);
	at = p->at;
	if (p->token == STRING)
		give(p, kind, at);
	return literal(p);
}

static bool comparisons(struct parser *p, unsigned depth)
{
	if (depth > DEPTH_MAX)
		return false;
	for (;;) {
		if (is(p, "NOT") || is(p, "EXISTS")) {
			p->more = true;
			next(p);
		}
		if (p->token == OPEN) {
			next(p);
			if (!comparisons(p, depth + 1) || !eat(p, CLOSE))
				return false;
		} else if (!comparison(p))
			return false;
		if (!is(p, "OR") && !is(p, "AND"))
			return true;
		p->more = p->more || is(p, "AND");
		next(p);
	}
}

/* WITHIN 5 SECONDS, REPEATS 2 TIMES, START t'...' STOP t'...' */
static void qualifiers(struct parser *p)
{
	while (is(p, "WITHIN") || is(p, "REPEATS") || is(p, "START") || is(p, "STOP") || is(p, "SECONDS") || is(p, "TIMES")) {
		bool unit = is(p, "SECONDS") || is(p, "TIMES");

		p->more = true;
		next(p);
		if (!unit)
			literal(p);
	}
}

static bool pattern(struct parser *p, unsigned depth)
{
	if (depth > DEPTH_MAX)
		return false;
	for (;;) {
		bool ok;

		if (eat(p, OPEN))
			ok = pattern(p, depth + 1) && eat(p, CLOSE);
		else
			ok = eat(p, SQUARE_OPEN) && comparisons(p, 0) && eat(p, SQUARE_CLOSE);
		if (!ok)
			return false;
		qualifiers(p);
		if (!is(p, "OR") && !is(p, "AND") && !is(p, "FOLLOWEDBY"))
			return true;
		p->more = p->more || !is(p, "OR");
		next(p);
	}
}

enum fl_drop fl__stix_pattern(struct fl_span text, fl__stix_sink *sink, void *ctx, int *ret)
{
	struct parser p = { .text = text, .sink = sink, .ctx = ctx };

	*ret = 0;
	next(&p);
	if (!pattern(&p, 0) || p.token != END)
		return FL_DROP_SYNTAX;
	if (!p.name)
		return FL_DROP_NOT_APPLICABLE;
	if (p.more)
		return FL_DROP_PATTERN;
	p = (struct parser){ .text = text, .sink = sink, .ctx = ctx, .give = true };
	next(&p);
	pattern(&p, 0);
	*ret = p.ret;
	return FL_DROP_COUNT;
}
