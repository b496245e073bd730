/* Comma-separated values (docs/formats/feeds.md). A field in quotes may hold delimiters, doubled quotes and line ends; white space round the
 * quotes is off. A line that begins with '#' is a comment, before, among and behind the records. */
#include "feeds/csv.h"

static bool at_line_end(uint8_t c)
{
	return c == '\n' || c == '\r';
}

static void field_add(struct fl__csv *c, struct fl_span f)
{
	if (c->n < FL__CSV_FIELDS)
		c->fields[c->n++] = f;
}

static bool is_blank(const struct fl__csv *c, uint8_t ch)
{
	return (ch == ' ' || ch == '\t') && ch != (uint8_t)c->delimiter;
}

/* From behind the opening quote to behind the closing one; false when there is none in `left`. Doubled quotes are undone in c->plain. */
static bool quoted(struct fl__csv *c, struct fl_span left, size_t *len, struct fl_span *field)
{
	size_t i = 0, from = c->plain_n;
	bool doubled = false;

	for (;; i++) {
		const uint8_t *q = i < left.n ? memchr(left.p + i, '"', left.n - i) : NULL;

		if (!q)
			return false;
		i = (size_t)(q - left.p);
		if (i + 1 >= left.n || left.p[i + 1] != '"')
			break;
		doubled = true;
		i++;
	}
	*len = i + 1;
	*field = fl_span(left.p, i);
	if (doubled) {
		for (size_t k = 0; k < i; k++) {
			c->plain[c->plain_n++] = left.p[k];
			k += left.p[k] == '"';
		}
		*field = fl_span(c->plain + from, c->plain_n - from);
	}
	*field = fl_span_trim(*field);
	return true;
}

/* One field at *at in text; false when its quotes make no sense. *at moves on to what ends it. */
static bool field_read(struct fl__csv *c, struct fl_span text, size_t *at)
{
	size_t i = *at, len;
	struct fl_span f;

	while (i < text.n && is_blank(c, text.p[i]))
		i++;
	if (i < text.n && text.p[i] == '"') {
		if (!quoted(c, fl_span(text.p + i + 1, text.n - i - 1), &len, &f))
			return false;
		i += 1 + len;
		while (i < text.n && is_blank(c, text.p[i]))
			i++;
		if (i < text.n && text.p[i] != (uint8_t)c->delimiter && !at_line_end(text.p[i]))
			return false;
	} else {
		size_t from = *at;

		while (i < text.n && text.p[i] != (uint8_t)c->delimiter && text.p[i] != '\n')
			i++;
		f = fl_span_trim(fl_span(text.p + from, i - from));
	}
	field_add(c, f);
	*at = i;
	return true;
}

/* The fields from the start of text to the end of the record in it; false when broken. *len is the record's length. */
static bool record_read(struct fl__csv *c, struct fl_span text, size_t *len)
{
	size_t i = 0;

	c->n = 0;
	c->plain_n = 0;
	for (;;) {
		if (!field_read(c, text, &i))
			return false;
		if (i >= text.n || at_line_end(text.p[i])) {
			*len = i;
			return true;
		}
		i++;
	}
}

bool fl__csv_split(struct fl__csv *c, struct fl_span text)
{
	size_t len;

	return text.n <= FL__RECORD_MAX && record_read(c, text, &len);
}

/* Takes n octets as the text, and the line end behind them. */
static void take(struct fl__csv *c, size_t n)
{
	const uint8_t *p = c->body.p + c->pos;

	c->text = fl_span_trim(fl_span(p, n));
	for (const uint8_t *q = p; (q = memchr(q, '\n', (size_t)(p + n - q))); q++)
		c->next_line++;
	c->pos += n;
	while (c->pos < c->body.n && c->body.p[c->pos] == '\r')
		c->pos++;
	if (c->pos < c->body.n && c->body.p[c->pos] == '\n') {
		c->pos++;
		c->next_line++;
	}
}

enum fl__csv_got fl__csv_next(struct fl__csv *c)
{
	struct fl_span left = fl_span(c->body.p + c->pos, c->body.n - c->pos), line;
	const uint8_t *nl;
	size_t len;
	bool cut = left.n > FL__RECORD_MAX;

	if (left.n == 0)
		return FL__CSV_END;
	c->line = c->next_line;
	nl = memchr(left.p, '\n', left.n);
	line = fl_span(left.p, nl ? (size_t)(nl - left.p) : left.n);
	if (fl_span_trim(line).n == 0 || fl_span_trim(line).p[0] == '#') {
		take(c, line.n);
		return FL__CSV_COMMENT;
	}
	if (line.n > FL__RECORD_MAX) {
		take(c, line.n);
		return FL__CSV_TOO_LONG;
	}
	if (cut)
		left.n = FL__RECORD_MAX;
	if (!record_read(c, left, &len) || (cut && len == left.n)) {
		take(c, line.n);
		return FL__CSV_BROKEN;
	}
	take(c, len);
	return FL__CSV_RECORD;
}
