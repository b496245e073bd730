/* Zeek intelligence (docs/formats/feeds.md): columns between tabs, named by the line that starts with "#fields".
 *
 *   #fields  indicator    indicator_type  meta.source ...
 *   bad.example           Intel::DOMAIN                         x itself
 *   bad.example/login     Intel::URL                            its host, unless many share it; without a scheme
 *
 * The other types are about addresses, files, people and certificates. */
#include "feeds/reader.h"

enum { NO_COLUMN = -1 };

struct columns {
	int indicator, type;
};

static const struct indicator_type {
	const char *word;
	enum fl_drop why; /* FL_DROP_COUNT: it speaks of a name */
} types[] = {
	{ "Intel::DOMAIN", FL_DROP_COUNT },
	{ "Intel::URL", FL_DROP_COUNT },
	{ "Intel::ADDR", FL_DROP_ADDRESS },
	{ "Intel::SUBNET", FL_DROP_ADDRESS },
};

/* The next field; false when there is none left. */
static bool field_next(struct fl_span *rest, struct fl_span *field)
{
	const uint8_t *tab;

	if (!rest->p)
		return false;
	tab = rest->n ? memchr(rest->p, '\t', rest->n) : NULL;
	*field = fl_span_trim(fl_span(rest->p, tab ? (size_t)(tab - rest->p) : rest->n));
	*rest = tab ? fl_span(tab + 1, rest->n - (size_t)(tab + 1 - rest->p)) : fl_span(NULL, 0);
	return true;
}

static bool field_at(struct fl_span text, int column, struct fl_span *field)
{
	bool found = column != NO_COLUMN;

	for (int i = 0; found && i <= column; i++)
		found = field_next(&text, field);
	return found && field->n;
}

bool fl__zeek_header(struct fl_span text)
{
	return text.n > 8 && memcmp(text.p, "#fields\t", 8) == 0;
}

static void header_read(struct fl_span text, struct columns *c)
{
	struct fl_span field;

	*c = (struct columns){ NO_COLUMN, NO_COLUMN };
	text = fl_span(text.p + 8, text.n - 8);
	for (int i = 0; field_next(&text, &field); i++) {
		if (fl_span_eqs(field, "indicator"))
			c->indicator = i;
		else if (fl_span_eqs(field, "indicator_type"))
			c->type = i;
	}
}

static enum fl_drop type_judge(struct fl_span type)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (fl_span_eqs(type, types[i].word))
			return types[i].why;
	return type.n > 7 && memcmp(type.p, "Intel::", 7) == 0 ? FL_DROP_NOT_APPLICABLE : FL_DROP_SYNTAX;
}

static enum fl_drop intel_line(struct fl_span text, const struct columns *c, uint8_t *buf, struct fl_span *name)
{
	struct fl_span type = { 0 };
	enum fl_drop why;

	if (text.n == 0 || text.p[0] == '#')
		return FL_DROP_COMMENT;
	if (text.n > FL__LINE_MAX)
		return FL_DROP_LINE_TOO_LONG;
	if (!field_at(text, c->indicator, name) || !field_at(text, c->type, &type))
		return FL_DROP_SYNTAX;
	why = type_judge(type);
	if (why != FL_DROP_COUNT)
		return why;
	return fl_span_eqs(type, "Intel::URL") ? fl__url_host(fl__refang(*name, buf), buf, name) : fl__token_judge(*name);
}

int fl__zeek_read(struct fl__reader *r)
{
	struct columns c = { NO_COLUMN, NO_COLUMN };
	uint8_t buf[FL__LINE_MAX];
	struct fl_span text, name;
	int ret = 0;

	while (ret == 0 && fl__reader_line(r, &text)) {
		enum fl_drop why;

		if (fl__zeek_header(text) && text.n <= FL__LINE_MAX)
			header_read(text, &c);
		why = intel_line(text, &c, buf, &name);
		if (why != FL_DROP_COUNT) {
			fl__reader_drop(r, r->line, text, why);
			continue;
		}
		ret = fl__reader_claim(r, r->line, name, FL_SCOPE_EXACT);
		r->result->lines.out += ret == 0;
	}
	return ret;
}
