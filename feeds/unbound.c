/* An unbound configuration (docs/formats/feeds.md), as far as it speaks of names:
 *
 *   server:
 *     local-zone: "x." static          x and what is below it, blocked; the type decides
 *     local-data: "x A 0.0.0.0"        x itself, when the data lead nowhere
 *
 * Options are words with a colon at the end and their values; several may share a line. Quotes are for people. The most
 * specific zone decides, as the nearest entry does here. Other options say nothing about names. */
#include "feeds/reader.h"

/* Zone types of unbound.conf(5). */
static const struct zone_type {
	const char *word;
	uint8_t scope; /* 0: the zone neither blocks nor lets through */
} zone_types[] = {
	{ "static", FL_SCOPE_SUBTREE },
	{ "refuse", FL_SCOPE_SUBTREE },
	{ "deny", FL_SCOPE_SUBTREE },
	{ "redirect", FL_SCOPE_SUBTREE },
	{ "always_nxdomain", FL_SCOPE_SUBTREE },
	{ "always_nodata", FL_SCOPE_SUBTREE },
	{ "always_null", FL_SCOPE_SUBTREE },
	{ "always_refuse", FL_SCOPE_SUBTREE },
	{ "always_deny", FL_SCOPE_SUBTREE },
	{ "inform_deny", FL_SCOPE_SUBTREE },
	{ "inform_redirect", FL_SCOPE_SUBTREE },
	{ "block_a", FL_SCOPE_SUBTREE },
	{ "transparent", FL_SCOPE_EXCEPT_SUBTREE },
	{ "always_transparent", FL_SCOPE_EXCEPT_SUBTREE },
	{ "typetransparent", 0 },
	{ "inform", 0 },
	{ "nodefault", 0 },
	{ "noview", 0 },
};

/* The next value: a quoted text, or a run without white space. False at the end of the line. */
static bool value_next(struct fl_span *rest, struct fl_span *value)
{
	struct fl_span s = fl_span_trim(*rest);
	const uint8_t *end;

	if (s.n == 0 || (s.p[0] != '"' && s.p[0] != '\''))
		return fl__token(rest, value);
	end = memchr(s.p + 1, s.p[0], s.n - 1);
	if (!end)
		return false;
	*value = fl_span_trim(fl_span(s.p + 1, (size_t)(end - s.p - 1)));
	*rest = fl_span(end + 1, s.n - (size_t)(end + 1 - s.p));
	return true;
}

static const struct zone_type *zone_type_find(struct fl_span word)
{
	for (size_t i = 0; i < sizeof(zone_types) / sizeof(*zone_types); i++)
		if (fl__word_is(word, zone_types[i].word))
			return &zone_types[i];
	return NULL;
}

/* local-zone: NAME TYPE */
static int zone_read(struct fl__reader *r, struct fl__account *line, struct fl_span *rest)
{
	const struct zone_type *type;
	struct fl_span name, word;
	enum fl_drop why;

	if (!value_next(rest, &name) || !value_next(rest, &word) || name.n == 0) {
		*rest = fl_span(NULL, 0);
		fl__account_drop(line, FL_DROP_SYNTAX);
		return 0;
	}
	type = zone_type_find(word);
	why = fl_span_eqs(name, ".") ? FL_DROP_PATTERN : fl__token_judge(name);
	if (!type)
		why = FL_DROP_SYNTAX;
	else if (why == FL_DROP_COUNT && !type->scope)
		why = FL_DROP_NOT_APPLICABLE;
	return fl__account_name(r, line, name, type ? type->scope : 0, why);
}

/* local-data: "NAME [TTL] [class] TYPE DATA" */
static int data_read(struct fl__reader *r, struct fl__account *line, struct fl_span *rest)
{
	struct fl_span record, name, type;
	enum fl_drop why;

	if (!value_next(rest, &record) || !fl__token(&record, &name) || !fl__record_type(&record, &type)) {
		fl__account_drop(line, FL_DROP_SYNTAX);
		return 0;
	}
	why = fl__token_judge(name);
	if (why == FL_DROP_COUNT && !fl__record_is_sinkhole(type, record))
		why = FL_DROP_MAPPING;
	return fl__account_name(r, line, name, FL_SCOPE_EXACT, why);
}

static bool is_option(struct fl_span word)
{
	for (size_t i = 0; i + 1 < word.n; i++)
		if (!(word.p[i] >= 'a' && word.p[i] <= 'z') && !(word.p[i] >= '0' && word.p[i] <= '9') &&
		    word.p[i] != '-' && word.p[i] != '_')
			return false;
	return word.n > 1 && word.p[word.n - 1] == ':';
}

/* An option of no concern has one value, or none (a clause), or several: all up to the next option. */
static void other_skip(struct fl_span *rest)
{
	struct fl_span ahead = *rest, value;

	while (value_next(&ahead, &value) && !is_option(value))
		*rest = ahead;
}

static int options_read(struct fl__reader *r, struct fl__account *line, struct fl_span rest)
{
	struct fl_span word;
	int ret = 0;

	while (ret == 0 && fl__token(&rest, &word)) {
		if (fl_span_eqs(word, "local-zone:"))
			ret = zone_read(r, line, &rest);
		else if (fl_span_eqs(word, "local-data:"))
			ret = data_read(r, line, &rest);
		else {
			fl__account_drop(line, is_option(word) ? FL_DROP_NOT_APPLICABLE : FL_DROP_SYNTAX);
			other_skip(&rest);
		}
	}
	return ret;
}

bool fl__unbound_looks(struct fl_span text)
{
	struct fl_span word;

	return fl__token(&text, &word) &&
	       (fl_span_eqs(word, "local-zone:") || fl_span_eqs(word, "local-data:") || fl_span_eqs(word, "server:"));
}

int fl__unbound_read(struct fl__reader *r)
{
	return fl__account_lines(r, options_read);
}
