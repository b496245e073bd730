/* Records of comma-separated values to claims. Which column says what is told by the feed's definition, or known of the provider by its header; it
 * is never guessed. Start at fl__csv_read(). */
#include "feeds/csv.h"

#include <stdio.h>
#include <stdlib.h>

/* Columns, from 0; -1: there is none. */
struct columns {
	int value, type, category, confidence, first_seen, expires;
};

/* Providers by the columns that their header must have. */
static const struct provider {
	const char *name, *must; /* another column of the header, so that no stranger is taken for it */
	struct fl_feed_fields fields;
} providers[] = {
	{ "urlhaus", "url_status", { .value = "url", .category = "threat", .first_seen = "dateadded" } },
	{ "threatfox", "ioc_id",
	  { .value = "ioc_value", .type = "ioc_type", .category = "threat_type", .confidence = "confidence_level", .first_seen = "first_seen_utc" } },
	{ "phishtank", "phish_id", { .value = "url", .first_seen = "submission_time" } },
	{ "blackbook", "malware", { .value = "domain", .first_seen = "date added" } },
	{ "viriback", "family", { .value = "url", .first_seen = "firstseen" } },
	{ "indicators", "type", { .value = "indicator", .type = "type", .category = "category", .confidence = "confidence", .first_seen = "first_seen" } },
};

static bool is_number(const char *s)
{
	return *s && strspn(s, "0123456789") == strlen(s);
}

static bool same_name(struct fl_span field, const char *name)
{
	return field.n == strlen(name) && strncasecmp((const char *)field.p, name, field.n) == 0;
}

/* Column of a name or number in the header that was last split (c is not looked at for numbers); -1 when the header lacks it. */
static int column_find(const struct fl__csv *c, const char *name)
{
	if (is_number(name)) {
		long v = strtol(name, NULL, 10);

		return v >= 1 && v <= FL__CSV_FIELDS ? (int)v - 1 : -1;
	}
	for (size_t i = 0; i < c->n; i++)
		if (same_name(c->fields[i], name))
			return (int)i;
	return -1;
}

static const struct {
	size_t in, out;
} places[] = {
#define PLACE(f) { offsetof(struct fl_feed_fields, f), offsetof(struct columns, f) }
	PLACE(value), PLACE(type), PLACE(category), PLACE(confidence), PLACE(first_seen), PLACE(expires),
#undef PLACE
};

/* Every field's column; the name of the first that is missing, or NULL. */
static const char *columns_find(const struct fl__csv *c, const struct fl_feed_fields *f, struct columns *out)
{
	const char *missing = NULL;

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		const char *name = *(const char *const *)((const char *)f + places[i].in);
		int *column = (int *)((char *)out + places[i].out);

		*column = name && *name ? column_find(c, name) : -1;
		if (name && *name && *column < 0 && !missing)
			missing = name;
	}
	return missing;
}

static bool needs_header(const struct fl_feed_fields *f)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		const char *name = *(const char *const *)((const char *)f + places[i].in);

		if (name && *name && !is_number(name))
			return true;
	}
	return false;
}

/* A provider's header, if this is one. Columns that older dumps lack are none. */
static bool provider_find(const struct fl__csv *c, struct columns *out)
{
	for (size_t i = 0; i < sizeof(providers) / sizeof(*providers); i++) {
		columns_find(c, &providers[i].fields, out);
		if (column_find(c, providers[i].must) >= 0 && out->value >= 0 && (!providers[i].fields.type || out->type >= 0))
			return true;
	}
	return false;
}

/* TweetFeed has no header: date, user, type, value, tags, link. Its shape is not another's. */
static bool tweetfeed_find(const struct fl__csv *c, struct columns *out)
{
	static const char *const types[] = { "url", "domain", "ip", "md5", "sha256" };
	bool typed = false;
	uint32_t date;

	if (c->n != 6 || !fl__date(c->fields[0], &date))
		return false;
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		typed = typed || same_name(c->fields[2], types[i]);
	*out = (struct columns){ .value = 3, .type = 2, .category = 4, .confidence = -1, .first_seen = 0, .expires = -1 };
	return typed;
}

static void csv_open(struct fl__csv *c, struct fl_span body, char delimiter, uint8_t *plain)
{
	*c = (struct fl__csv){ .body = body, .delimiter = delimiter ? delimiter : ',', .next_line = 1, .plain = plain };
}

/* The text of a comment, without its signs. */
static struct fl_span comment_text(struct fl_span text)
{
	while (text.n && text.p[0] == '#')
		text = fl_span(text.p + 1, text.n - 1);
	return fl_span_trim(text);
}

enum { HEADER_LINES = 1000 };

struct header {
	struct columns columns;
	bool found;
	size_t skip;	/* where the record that is the header begins, plus one; 0: it is none of the records */
	char names[200]; /* of the header that did not fit, for people */
	const char *missing;
};

static void header_names(const struct fl__csv *c, char *out, size_t cap)
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < c->n && n + 4 < cap; i++)
		n += (size_t)snprintf(out + n, cap - n, "%s%.*s", i ? ", " : "", (int)(c->fields[i].n < 40 ? c->fields[i].n : 40),
				      (const char *)c->fields[i].p);
}

/* Is what c has split a header that says where the fields are? */
static bool header_try(const struct fl__csv *c, const struct fl_feed_fields *f, struct header *h)
{
	if (f->value && *f->value) {
		h->missing = columns_find(c, f, &h->columns);
		h->found = !h->missing;
	} else
		h->found = provider_find(c, &h->columns);
	return h->found;
}

/* The header is a comment before the first record (the last that fits), or that record. */
static void header_find(struct fl_span body, const struct fl_feed_options *opt, uint8_t *plain, struct header *h)
{
	const struct fl_feed_fields *f = &opt->fields;
	struct fl__csv c, split;
	enum fl__csv_got got = FL__CSV_COMMENT;
	size_t at = 0;

	*h = (struct header){ 0 };
	if (f->value && *f->value && !needs_header(f)) {
		h->missing = columns_find(NULL, f, &h->columns);
		h->found = !h->missing;
		return;
	}
	csv_open(&c, body, opt->delimiter, plain);
	csv_open(&split, body, opt->delimiter, plain);
	for (size_t i = 0; i < HEADER_LINES && got != FL__CSV_RECORD && got != FL__CSV_END; i++) {
		struct header maybe = { 0 };

		at = c.pos;
		got = fl__csv_next(&c);
		if (got == FL__CSV_COMMENT && fl__csv_split(&split, comment_text(c.text)) && split.n > 1 && header_try(&split, f, &maybe))
			*h = maybe;
	}
	if (h->found || got != FL__CSV_RECORD)
		return;
	if (header_try(&c, f, h))
		h->skip = at + 1;
	else if ((!f->value || !*f->value) && tweetfeed_find(&c, &h->columns))
		h->found = true;
	else
		header_names(&c, h->names, sizeof(h->names));
}

bool fl__csv_detect(struct fl_span body)
{
	const struct fl_feed_options opt = { 0 };
	uint8_t *plain = malloc(FL__RECORD_MAX);
	struct header h = { 0 };

	if (plain)
		header_find(body, &opt, plain, &h);
	free(plain);
	return h.found;
}

static struct fl_span field(const struct fl__csv *c, int column)
{
	return column >= 0 && (size_t)column < c->n ? c->fields[column] : fl_span("", 0);
}

static int record_take(struct fl__reader *r, const struct fl__csv *c, const struct columns *cols)
{
	struct fl__record rec = fl__record_begin(r, c->text, c->line);
	enum fl__kind kind = cols->type >= 0 ? fl__kind_of(field(c, cols->type)) : FL__KIND_ANY;
	int ret = 0;

	rec.defang = true;
	rec.category = fl__category(field(c, cols->category));
	rec.confidence = fl__confidence(field(c, cols->confidence));
	fl__date(field(c, cols->first_seen), &rec.first_seen_s);
	fl__date(field(c, cols->expires), &rec.expires_s);
	if (cols->value >= 0 && (size_t)cols->value >= c->n)
		fl__record_why(&rec, FL_DROP_SYNTAX);
	else
		ret = fl__record_value(r, &rec, kind, field(c, cols->value));
	if (ret == 0)
		fl__record_end(r, &rec);
	return ret;
}

static void drop(struct fl__reader *r, const struct fl__csv *c, enum fl_drop why)
{
	r->result->lines.in++;
	fl__reader_drop(r, c->line, c->text, why);
}

static int read_all(struct fl__reader *r, const struct header *h, uint8_t *plain)
{
	struct fl__csv c;
	int ret = 0;

	csv_open(&c, r->body, r->opt->delimiter, plain);
	while (ret == 0) {
		size_t at = c.pos;

		switch (fl__csv_next(&c)) {
		case FL__CSV_END:
			return 0;
		case FL__CSV_COMMENT:
			drop(r, &c, FL_DROP_COMMENT);
			break;
		case FL__CSV_TOO_LONG:
			drop(r, &c, FL_DROP_LINE_TOO_LONG);
			break;
		case FL__CSV_BROKEN:
			if (c.pos == c.body.n && c.body.p[c.pos - 1] != '\n')
				return fl_err_set(r->err, FL_EFORMAT, "the body ends within a quoted field, in line %u", c.line);
			drop(r, &c, FL_DROP_SYNTAX);
			break;
		case FL__CSV_RECORD:
			if (h->skip && at + 1 == h->skip)
				drop(r, &c, FL_DROP_COMMENT);
			else
				ret = record_take(r, &c, &h->columns);
		}
	}
	return ret;
}

static bool has_records(struct fl_span body, uint8_t *plain, char delimiter)
{
	struct fl__csv c;
	enum fl__csv_got got = FL__CSV_COMMENT;

	csv_open(&c, body, delimiter, plain);
	while (got == FL__CSV_COMMENT)
		got = fl__csv_next(&c);
	return got != FL__CSV_END;
}

int fl__csv_read(struct fl__reader *r)
{
	uint8_t *plain = malloc(FL__RECORD_MAX);
	struct header h;
	int ret = 0;

	if (!plain)
		return fl_err_set(r->err, FL_ENOMEM, "out of memory");
	r->records = r->url_hosts = true;
	header_find(r->body, r->opt, plain, &h);
	if (h.found || !has_records(r->body, plain, r->opt->delimiter))
		ret = read_all(r, &h, plain);
	else if (h.missing)
		ret = fl_err_set(r->err, FL_EFORMAT, "no column '%.60s' in the header; it has: %s", h.missing, h.names[0] ? h.names : "nothing");
	else
		ret = fl_err_set(r->err, FL_EFORMAT, "which column holds the names? No provider known here has the header %s: set columns.value", h.names);
	free(plain);
	return ret;
}
