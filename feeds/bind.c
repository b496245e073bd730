/* Zones of a BIND configuration (docs/formats/feeds.md), as lists of names were published before policy zones:
 *
 *   zone "x" { type master; file "null.zone"; };       x and what is below it, on one line or several
 *
 * A zone of one's own answers for the name and all below it: a block. Zones that come from elsewhere or are forwarded
 * are not. Other statements say nothing about names. */
#include "feeds/reader.h"

/* A zone that was opened, until its type is known. */
struct open_zone {
	struct fl_span name; /* in the body; n is 0: none is open */
};

static struct fl_span after(struct fl_span s, const uint8_t *p)
{
	return fl_span(p, s.n - (size_t)(p - s.p));
}

/* The next word: quotes, braces and semicolons stand apart from it, and are passed over. */
static bool word_next(struct fl_span *rest, struct fl_span *word)
{
	static const char signs[] = " \t\r\v\f\"{};";
	size_t i = 0, start;

	while (i < rest->n && rest->p[i] && strchr(signs, rest->p[i]))
		i++;
	start = i;
	while (i < rest->n && !(rest->p[i] && strchr(signs, rest->p[i])))
		i++;
	*word = fl_span(rest->p + start, i - start);
	*rest = after(*rest, rest->p + i);
	return word->n != 0;
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

/* The type among the clauses of an open zone on this line, if it is there. */
static bool type_find(struct fl_span rest, struct fl_span *type)
{
	struct fl_span word;

	while (word_next(&rest, &word))
		if (fl__word_is(word, "type"))
			return word_next(&rest, type);
	return false;
}

/* A line inside a zone, or behind its name: FL_DROP_COUNT when it settles that the zone is a block of *name. */
static enum fl_drop clauses_read(struct open_zone *z, struct fl_span rest, struct fl_span *name)
{
	bool closed = rest.n && memchr(rest.p, '}', rest.n);
	struct fl_span type;
	enum fl_drop why;

	*name = z->name;
	if (!type_find(rest, &type)) {
		if (closed)
			z->name.n = 0;
		return closed ? FL_DROP_SYNTAX : FL_DROP_NOT_APPLICABLE;
	}
	z->name.n = 0;
	why = fl_span_eqs(*name, ".") ? FL_DROP_PATTERN : fl__token_judge(*name);
	return why == FL_DROP_COUNT ? type_judge(type) : why;
}

bool fl__bind_looks(struct fl_span text)
{
	struct fl_span word;

	return text.n > 5 && memcmp(text.p, "zone", 4) == 0 && word_next(&text, &word) && fl_span_eqs(word, "zone") &&
	       word_next(&text, &word);
}

static bool is_statement(struct fl_span text)
{
	uint8_t last = text.p[text.n - 1];

	return last == ';' || last == '{' || last == '}';
}

static enum fl_drop line_read(struct open_zone *z, struct fl_span text, struct fl_span *name)
{
	struct fl_span rest = comment_off(text), word;

	if (rest.n == 0)
		return FL_DROP_COMMENT;
	if (text.n > FL__LINE_MAX)
		return FL_DROP_LINE_TOO_LONG;
	if (fl__bind_looks(rest)) {
		word_next(&rest, &word);
		word_next(&rest, &z->name);
		return clauses_read(z, rest, name);
	}
	if (z->name.n)
		return clauses_read(z, rest, name);
	return is_statement(rest) ? FL_DROP_NOT_APPLICABLE : FL_DROP_SYNTAX;
}

int fl__bind_read(struct fl__reader *r)
{
	struct open_zone z = { 0 };
	struct fl_span text, name;
	int ret = 0;

	while (ret == 0 && fl__reader_line(r, &text)) {
		enum fl_drop why = line_read(&z, text, &name);

		if (why != FL_DROP_COUNT) {
			fl__reader_drop(r, r->line, text, why);
			continue;
		}
		ret = fl__reader_claim(r, r->line, name, FL_SCOPE_SUBTREE);
		r->result->lines.out += ret == 0;
	}
	return ret;
}
