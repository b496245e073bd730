/* Zones of a BIND configuration (docs/formats/feeds.md), as lists of names were published before policy zones:
 *
 *   zone "x" { type master; file "null.zone"; };       x and what is below it, on one line or several
 *
 * Braces stand within a zone as well: allow-query { any; }; does not end it.
 * A zone of one's own answers for the name and all below it: a block. Zones that come from elsewhere or are forwarded
 * are not. Other statements say nothing about names. */
#include "feeds/reader.h"

/* A zone that was opened, until its type is known or it ends without one. */
struct open_zone {
	bool open;
	struct fl_span name; /* in the body */
	unsigned depth;      /* of braces, 1 where its clauses stand */
	bool at_type;        /* the next word is the type */
	bool waits;          /* the line that opened it is not accounted for yet: */
	struct fl__account opening;
	uint32_t line;
};

/* What stands in quotes is one word. */
struct token {
	struct fl_span word;
	uint8_t sign; /* '{', '}' or ';', else it is a word */
};

static struct fl_span after(struct fl_span s, const uint8_t *p)
{
	return fl_span(p, s.n - (size_t)(p - s.p));
}

static bool is_one_of(uint8_t c, const char *set)
{
	return c && strchr(set, c);
}

/* A quote that nobody closes is passed over, as white space is. */
static bool token_next(struct fl_span *rest, struct token *t)
{
	const uint8_t *p = rest->p, *end = rest->p + rest->n, *start, *quote = NULL;

	for (; p < end && is_one_of(*p, " \t\r\v\f\""); p++)
		if (*p == '"' && (quote = memchr(p + 1, '"', (size_t)(end - p - 1))))
			break;
	if (p == end)
		return false;
	start = quote ? p + 1 : p;
	*t = (struct token){ .sign = !quote && is_one_of(*p, "{};") ? *p : 0 };
	if (t->sign)
		p++;
	else if (quote)
		p = quote;
	else
		while (p < end && !is_one_of(*p, " \t\r\v\f\"{};"))
			p++;
	t->word = fl_span(start, (size_t)(p - start));
	*rest = after(*rest, quote ? p + 1 : p);
	return true;
}

/* Is this word the start of a zone? Its name then is next, on the same line. */
static bool zone_starts(const struct token *t, struct fl_span *rest, struct token *name)
{
	struct fl_span ahead = *rest;

	if (!fl_span_eqs(t->word, "zone") || !token_next(&ahead, name) || name->sign)
		return false;
	*rest = ahead;
	return true;
}

/* What follows '#' or '//', first or behind white space, is off. */
static struct fl_span comment_off(struct fl_span s)
{
	const uint8_t *slashes;

	s = fl__comment_off(s);
	slashes = s.n > 1 ? memmem(s.p, s.n, "//", 2) : NULL;
	if (slashes && (slashes == s.p || slashes[-1] == ' ' || slashes[-1] == '\t'))
		s.n = (size_t)(slashes - s.p);
	return fl_span_trim(s);
}

static enum fl_drop type_judge(struct fl_span type)
{
	static const char *const elsewhere[] = { "slave",       "secondary",       "mirror", "forward", "stub",
						 "static-stub", "delegation-only", "hint",   "redirect" };

	if (fl__word_is(type, "master") || fl__word_is(type, "primary"))
		return FL_DROP_COUNT;
	for (size_t i = 0; i < sizeof(elsewhere) / sizeof(*elsewhere); i++)
		if (fl__word_is(type, elsewhere[i]))
			return FL_DROP_MAPPING;
	return FL_DROP_SYNTAX;
}

bool fl__bind_looks(struct fl_span text)
{
	struct token t, name;

	return text.n > 5 && memcmp(text.p, "zone", 4) == 0 && token_next(&text, &t) && zone_starts(&t, &text, &name);
}

static bool is_statement(struct fl_span text)
{
	return is_one_of(text.p[text.n - 1], ";{}");
}

static void opening_end(struct fl__reader *r, struct open_zone *z, enum fl_drop why)
{
	uint32_t line = r->line;

	r->line = z->line;
	fl__account_drop(&z->opening, why);
	fl__account_end(r, &z->opening);
	r->line = line;
	z->waits = false;
}

/* The zone ends, and has no type: the line that opened it answers for it. */
static void zone_end(struct fl__reader *r, struct open_zone *z, struct fl__account *a, enum fl_drop why)
{
	z->open = false;
	if (z->waits)
		opening_end(r, z, why);
	else
		fl__account_drop(a, why);
}

static int zone_type(struct fl__reader *r, struct open_zone *z, struct fl__account *a, struct fl_span type)
{
	enum fl_drop why = fl_span_eqs(z->name, ".") ? FL_DROP_PATTERN : z->name.n ? fl__token_judge(z->name) : FL_DROP_SYNTAX;

	z->open = false;
	if (z->waits)
		opening_end(r, z, FL_DROP_NOT_APPLICABLE);
	return fl__account_name(r, a, z->name, FL_SCOPE_SUBTREE, why == FL_DROP_COUNT ? type_judge(type) : why);
}

/* A sign within an open zone. */
static void sign_read(struct fl__reader *r, struct open_zone *z, struct fl__account *a, uint8_t sign)
{
	z->at_type = false;
	if (sign == '{')
		z->depth++;
	else if (sign == ';' && z->depth == 0)
		zone_end(r, z, a, FL_DROP_NOT_APPLICABLE); /* another statement speaks of that zone */
	else if (sign == '}' && (z->depth == 0 || --z->depth == 0))
		zone_end(r, z, a, FL_DROP_SYNTAX);
}

/* A zone may start wherever a statement may: also in a view, and in a zone that nobody closed, which ends there. */
static int clauses_read(struct fl__reader *r, struct open_zone *z, struct fl__account *a, struct fl_span rest)
{
	struct token t, name;
	bool first = true; /* in its statement */
	int ret = 0;

	while (ret == 0 && token_next(&rest, &t)) {
		if (first && !t.sign && zone_starts(&t, &rest, &name)) {
			if (z->open)
				zone_end(r, z, a, FL_DROP_SYNTAX);
			*z = (struct open_zone){ .open = true, .name = name.word };
		} else if (z->open && t.sign) {
			sign_read(r, z, a, t.sign);
		} else if (z->open && z->at_type) {
			ret = zone_type(r, z, a, t.word);
		} else if (z->open && first && z->depth == 1) {
			z->at_type = fl__word_is(t.word, "type");
		}
		first = t.sign;
	}
	return ret;
}

static int line_read(struct fl__reader *r, struct open_zone *z, struct fl_span text)
{
	struct fl__account a = { .text = text, .first = FL_DROP_COUNT };
	struct fl_span rest = comment_off(text);
	bool inside = z->open;
	int ret = 0;

	if (rest.n == 0)
		fl__account_drop(&a, FL_DROP_COMMENT);
	else if (text.n > FL__LINE_MAX)
		fl__account_drop(&a, FL_DROP_LINE_TOO_LONG);
	else
		ret = clauses_read(r, z, &a, rest);
	if (ret < 0)
		return ret;
	if (z->open && !z->waits) {
		z->waits = true;
		z->opening = a;
		z->line = r->line;
		return 0;
	}
	if (a.first == FL_DROP_COUNT && !a.claimed && (inside || is_statement(rest)))
		fl__account_drop(&a, FL_DROP_NOT_APPLICABLE);
	fl__account_end(r, &a);
	return 0;
}

int fl__bind_read(struct fl__reader *r)
{
	struct open_zone z = { 0 };
	struct fl_span text;
	int ret = 0;

	while (ret == 0 && fl__reader_line(r, &text))
		ret = line_read(r, &z, text);
	if (ret == 0 && z.open)
		opening_end(r, &z, FL_DROP_SYNTAX);
	return ret;
}
