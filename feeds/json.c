/* JSON documents and JSON lines (docs/formats/feeds.md). Where the records are and which field says what is told by the feed's definition, or known of
 * the provider by the document's shape; it is never guessed. The body is walked as text and one record at a time becomes a tree, so that memory does
 * not depend on the body. Start at fl__json_read(). */
#include "feeds/scan.h"

#include "feeds/fields.h"

/* Providers by shape: `must` in the document, and `first` in its first record. */
static const struct provider {
	const char *name;
	const char *items, *exceptions;
	const char *must, *first;
	uint8_t scope; /* of a bare name, where the provider says it */
	struct fl_feed_fields fields;
} providers[] = {
	{ .name = "threatfox", .items = "/data", .must = "/query_status", .first = "/ioc_type",
	  .fields = { .value = "/ioc", .type = "/ioc_type", .category = "/threat_type", .confidence = "/confidence_level", .first_seen = "/first_seen" } },
	{ .name = "urlhaus", .items = "/urls", .must = "/query_status", .first = "/url_status",
	  .fields = { .value = "/url", .category = "/threat", .first_seen = "/date_added" } },
	{ .name = "urlhaus-dump", .items = "", .must = "", .first = "/urlhaus_link",
	  .fields = { .value = "/url", .category = "/threat", .first_seen = "/dateadded" } },
	{ .name = "phishtank", .items = "", .must = "", .first = "/phish_id", .fields = { .value = "/url", .first_seen = "/submission_time" } },
	/* its whitelist wins over its blacklist at any depth; both speak of a name and what is below it */
	{ .name = "eth-phishing-detect", .items = "/blacklist", .exceptions = "/whitelist", .must = "/fuzzylist", .first = "", .scope = FL_SCOPE_SUBTREE,
	  .fields = { .value = "" } },
};

/* What is read: the definition's pointers, or a provider's. */
struct plan {
	const char *items, *exceptions;
	struct fl_feed_fields fields;
	uint8_t scope;
	struct fl_set allowed; /* the exceptions, canonical */
	const struct fl__reader *reader;
};

/* A record of an array; a member of an object, or an element of an array that is one. */
struct records {
	struct fl__members outer, inner;
	bool in_inner;
	struct fl_span key, value;
};

static struct records records_of(struct fl_span items)
{
	return (struct records){ .outer = fl__members_of(items) };
}

static bool records_next(struct records *it)
{
	for (;;) {
		if (it->in_inner && fl__members_next(&it->inner)) {
			it->value = it->inner.value;
			return true;
		}
		it->in_inner = false;
		if (!fl__members_next(&it->outer))
			return false;
		it->key = it->outer.key;
		it->value = it->outer.value;
		if (!it->outer.object || it->value.p[0] != '[')
			return true;
		it->inner = fl__members_of(it->value); /* {"id": [record, ...], ...} */
		it->in_inner = true;
	}
}

static bool record_has(struct fl_span record, const char *pointer)
{
	struct fl_span v;

	return fl__json_at(record, pointer, &v) == 1;
}

static bool provider_fits(const struct provider *p, struct fl_span document, bool line)
{
	struct fl_span items;
	struct records it;

	if (line)
		return !*p->items && record_has(document, p->first);
	if ((*p->must && !record_has(document, p->must)) || fl__json_at(document, p->items, &items) != 1)
		return false;
	it = records_of(items);
	if (!records_next(&it))
		return *p->must && *p->items; /* an answer of that shape with nothing in it */
	return !*p->first || record_has(it.value, p->first);
}

static const struct provider *provider_find(struct fl_span document, bool line)
{
	for (size_t i = 0; i < sizeof(providers) / sizeof(*providers); i++)
		if (provider_fits(&providers[i], document, line))
			return &providers[i];
	return NULL;
}

static bool is_set(const char *s)
{
	return s && *s;
}

/* Fills the plan; FL_EFORMAT when nothing says what to read. */
static int plan_make(struct fl__reader *r, struct fl_span document, bool line, struct plan *plan)
{
	const struct fl_feed_options *o = r->opt;
	const struct provider *p;
	struct fl_span first;

	*plan = (struct plan){ .reader = r, .items = is_set(o->items) ? o->items : "", .exceptions = is_set(o->exceptions) ? o->exceptions : NULL, .fields = o->fields,
			       .scope = o->scope ? o->scope : FL_SCOPE_EXACT };
	if (is_set(o->fields.value) || is_set(o->items) || is_set(o->exceptions))
		return 0;
	p = provider_find(document, line);
	if (p) {
		plan->items = p->items;
		plan->exceptions = p->exceptions;
		plan->fields = p->fields;
		if (!o->scope && p->scope)
			plan->scope = p->scope;
		return 0;
	}
	/* an array of names says all there is to say */
	if (!line && document.p[0] == '[' && (fl__json_at(document, "/0", &first) != 1 || first.p[0] == '"'))
		return 0;
	return fl_err_set(r->err, FL_EFORMAT, "a JSON document of no known shape: which field holds the names? Set pointers.value%s",
			  line ? "" : ", and pointers.items where the records are not the document itself");
}

/* The provider's own word for "no data" comes with status 200. */
static int answer_check(struct fl__reader *r, struct fl_span document)
{
	struct fl_span v;

	if (document.p[0] != '{' || fl__json_at(document, "/query_status", &v) != 1 || fl_span_eqs(v, "\"ok\""))
		return 0;
	return fl_err_set(r->err, FL_EFORMAT, "not a list: a JSON document in which the provider answers %.*s", (int)(v.n < 80 ? v.n : 80),
			  (const char *)v.p);
}

/* Counted from the place that was asked for last, in either direction: what it costs is the way between the two. */
static uint32_t line_of(struct fl__reader *r, const uint8_t *p)
{
	const uint8_t *at = r->body.p + r->pos;

	if (r->line == 0)
		r->line = 1;
	for (const uint8_t *q = p; q < at && (q = memchr(q, '\n', (size_t)(at - q))); q++)
		r->line--;
	for (const uint8_t *q = at; q < p && (q = memchr(q, '\n', (size_t)(p - q))); q++)
		r->line++;
	r->pos = (size_t)(p - r->body.p);
	return r->line;
}

/* --- exceptions at any depth --- */

static bool key_of(const struct fl__reader *r, struct fl_span name, struct fl_rkey *out)
{
	uint8_t lower[256];

	name = fl_span_trim(name);
	if (r->opt->canon)
		return r->opt->canon(r->opt->canon_ctx, name, out) == FL_DROP_COUNT;
	if (name.n > sizeof(lower))
		return false;
	for (size_t i = 0; i < name.n; i++)
		lower[i] = name.p[i] >= 'A' && name.p[i] <= 'Z' ? (uint8_t)(name.p[i] + 32) : name.p[i];
	return fl_rkey_from_text(fl_span(lower, name.n), out);
}

static int allow(struct fl__reader *r, struct plan *plan, struct fl_span name)
{
	struct fl_tuple t = { .scope = FL_SCOPE_SUBTREE };
	struct fl_rkey key;

	return key_of(r, name, &key) ? fl_set_add(&plan->allowed, fl_rkey_span(&key), &t) : 0;
}

/* Is the name of a claim, or one above it, an exception? */
static bool is_allowed(const void *ctx, struct fl_span name)
{
	const struct plan *plan = ctx;
	struct fl_rkey key;

	if (plan->allowed.n == 0 || !key_of(plan->reader, name, &key))
		return false;
	for (struct fl_span k = fl_rkey_span(&key); k.n; k = fl_rkey_parent(k))
		if (fl_set_find(&plan->allowed, k) != SIZE_MAX)
			return true;
	return false;
}

/* --- one record --- */

static struct fl_span text_at(json_t *v, const char *pointer)
{
	return is_set(pointer) ? fl__json_text(fl__tree_at(v, pointer)) : fl_span("", 0);
}

static void date_at(json_t *v, const char *pointer, uint32_t *out)
{
	json_t *d = is_set(pointer) ? fl__tree_at(v, pointer) : NULL;
	double s = json_is_number(d) ? json_number_value(d) : 0;

	if (json_is_string(d))
		fl__date(fl__json_text(d), out);
	else if (s > 0)
		*out = s > 1e11 ? (uint32_t)(s / 1000 < UINT32_MAX ? s / 1000 : UINT32_MAX) : s < UINT32_MAX ? (uint32_t)s : UINT32_MAX;
}

static uint8_t confidence_at(json_t *v, const char *pointer)
{
	json_t *c = is_set(pointer) ? fl__tree_at(v, pointer) : NULL;
	double n = json_is_number(c) ? json_number_value(c) : 0;

	if (json_is_string(c))
		return fl__confidence(fl__json_text(c));
	return n >= 1 && n <= 100 ? (uint8_t)n : 0;
}

/* A text, or a list of tags. */
static enum fl_category category_at(json_t *v, const char *pointer)
{
	json_t *c = is_set(pointer) ? fl__tree_at(v, pointer) : NULL, *tag;
	enum fl_category got = fl__category(fl__json_text(c));
	size_t i;

	json_array_foreach (c, i, tag)
		if (got == FL_CAT_NONE)
			got = fl__category(fl__json_text(tag));
	return got;
}

/* A text, or a list of texts. */
static int values_give(struct fl__reader *r, struct fl__record *rec, enum fl__kind kind, json_t *v)
{
	json_t *one;
	size_t i;
	int ret = 0;

	if (!json_is_array(v))
		return fl__record_value(r, rec, kind, fl__json_text(v));
	json_array_foreach (v, i, one) {
		ret = fl__record_value(r, rec, kind, fl__json_text(one));
		if (ret < 0)
			break;
	}
	return ret;
}

static int record_give(struct fl__reader *r, const struct plan *plan, struct fl__record *rec, struct fl_span key, json_t *v)
{
	const struct fl_feed_fields *f = &plan->fields;
	enum fl__kind kind = is_set(f->type) ? fl__kind_of(text_at(v, f->type)) : FL__KIND_ANY;
	json_t *name;
	int ret;

	rec->category = category_at(v, f->category);
	rec->confidence = confidence_at(v, f->confidence);
	date_at(v, f->first_seen, &rec->first_seen_s);
	date_at(v, f->expires, &rec->expires_s);
	if (!f->value || strcmp(f->value, "#") != 0)
		return values_give(r, rec, kind, fl__tree_at(v, f->value ? f->value : ""));
	name = key.p ? fl__tree_load(fl_span(key.p - 1, key.n + 2)) : NULL; /* with its quotes */
	ret = values_give(r, rec, kind, name);
	json_decref(name);
	return ret;
}

static int record_take(struct fl__reader *r, const struct plan *plan, struct fl_span key, struct fl_span text, uint32_t line)
{
	struct fl__record rec = fl__record_begin(r, text, line);
	json_t *v = fl__tree_load(text);
	int ret = 0;

	rec.defang = true;
	rec.scope = plan->scope;
	rec.excepted = is_allowed;
	rec.ctx = plan;
	if (v)
		ret = record_give(r, plan, &rec, key, v);
	else
		fl__record_why(&rec, text.n > FL__ITEM_MAX ? FL_DROP_LINE_TOO_LONG : FL_DROP_MALFORMED);
	json_decref(v);
	if (ret == 0)
		fl__record_end(r, &rec);
	return ret;
}

/* --- a document --- */

static int at_pointer(struct fl__reader *r, struct fl_span document, const char *pointer, struct fl_span *out)
{
	int ret = fl__json_at(document, pointer, out);

	if (ret == FL_EFORMAT)
		return fl_err_set(r->err, FL_EFORMAT, "a key of '%.80s' stands twice in its JSON object", pointer);
	if (ret == 0)
		return fl_err_set(r->err, FL_EFORMAT, "the JSON document has nothing at '%.80s'", pointer);
	if (out->p[0] != '[' && out->p[0] != '{')
		return fl_err_set(r->err, FL_EFORMAT, "'%.80s' of the JSON document is no array and no object", pointer);
	return 0;
}

/* Exceptions claim as well: they cut the claims of their own source. */
static int exceptions_take(struct fl__reader *r, struct plan *plan, struct fl_span document)
{
	struct fl_span items;
	struct records it;
	size_t folded;
	int ret = at_pointer(r, document, plan->exceptions, &items);

	if (ret < 0)
		return ret;
	it = records_of(items);
	while (ret == 0 && records_next(&it)) {
		struct fl__record rec = fl__record_begin(r, it.value, line_of(r, it.value.p));
		json_t *v = fl__tree_load(it.value);
		struct fl_span name = fl__json_text(v);

		rec.scope = (uint8_t)(FL_SCOPE_SUBTREE << 2);
		if (name.n && name.p[0] != '.' && name.p[0] != '*')
			ret = fl__record_value(r, &rec, FL__KIND_NAME, name);
		if (ret == 0 && rec.claims)
			ret = allow(r, plan, name);
		json_decref(v);
		if (ret == 0)
			fl__record_end(r, &rec);
	}
	return ret < 0 ? ret : fl_set_sort(&plan->allowed, &folded);
}

static int document_read(struct fl__reader *r, struct plan *plan, struct fl_span document)
{
	struct fl_span items;
	struct records it;
	int ret = plan->exceptions ? exceptions_take(r, plan, document) : 0;

	if (ret == 0)
		ret = at_pointer(r, document, plan->items, &items);
	if (ret < 0)
		return ret;
	it = records_of(items);
	while (ret == 0 && records_next(&it))
		ret = record_take(r, plan, it.key, it.value, line_of(r, it.value.p));
	return ret;
}

int fl__json_document(struct fl__reader *r, struct fl_span *document)
{
	size_t at;
	const char *wrong = fl__json_check(r->body, &at);

	if (wrong)
		return fl_err_set(r->err, FL_EFORMAT, "not JSON: line %u: %s", line_of(r, r->body.p + at), wrong);
	*document = fl_span_trim(r->body);
	r->records = true;
	return 0;
}

uint32_t fl__json_line(struct fl__reader *r, const uint8_t *p)
{
	return line_of(r, p);
}

int fl__json_read(struct fl__reader *r)
{
	struct fl_span document;
	struct plan plan = { 0 };
	int ret = fl__json_document(r, &document);

	r->url_hosts = true;
	if (ret == 0)
		ret = answer_check(r, document);
	if (ret == 0)
		ret = plan_make(r, document, false, &plan);
	if (ret == 0)
		ret = document_read(r, &plan, document);
	fl_set_done(&plan.allowed);
	return ret;
}

/* --- JSON lines --- */

static bool line_next(struct fl_span body, size_t *pos, uint32_t *number, struct fl_span *text)
{
	const uint8_t *start = body.p + *pos, *nl;
	size_t left = body.n - *pos;

	if (left == 0)
		return false;
	nl = memchr(start, '\n', left);
	*text = fl_span_trim(fl_span(start, nl ? (size_t)(nl - start) : left));
	*pos += nl ? (size_t)(nl - start) + 1 : left;
	++*number;
	return true;
}

/* The first line that says something. */
static bool line_first(struct fl_span body, struct fl_span *text)
{
	uint32_t number = 0;
	size_t pos = 0;

	while (line_next(body, &pos, &number, text))
		if (text->n)
			return true;
	return false;
}

static int ndjson_line(struct fl__reader *r, const struct plan *plan, struct fl_span text, uint32_t number)
{
	size_t at;

	if (text.n == 0 || text.n > FL__ITEM_MAX || text.p[0] != '{' || fl__json_check(text, &at)) {
		if (text.n && text.p + text.n == r->body.p + r->body.n)
			return fl_err_set(r->err, FL_EFORMAT, "not JSON: the body ends within line %u", number);
		r->result->lines.in++;
		fl__reader_drop(r, number, text, text.n == 0 ? FL_DROP_COMMENT : text.n > FL__ITEM_MAX ? FL_DROP_LINE_TOO_LONG : FL_DROP_MALFORMED);
		return 0;
	}
	return record_take(r, plan, fl_span(NULL, 0), text, number);
}

int fl__ndjson_read(struct fl__reader *r)
{
	struct fl_span text;
	struct plan plan;
	uint32_t number = 0;
	size_t pos = 0, at;
	int ret;

	if (!line_first(r->body, &text) || text.p[0] != '{' || fl__json_check(text, &at))
		return fl_err_set(r->err, FL_EFORMAT, "not JSON, one object a line");
	r->records = r->url_hosts = true;
	ret = answer_check(r, text);
	if (ret == 0)
		ret = plan_make(r, text, true, &plan);
	while (ret == 0 && line_next(r->body, &pos, &number, &text))
		ret = ndjson_line(r, &plan, text, number);
	return ret;
}

/* --- which format of JSON is it? --- */

static bool is_ndjson(struct fl_span body)
{
	struct fl_span first;
	size_t at;

	return line_first(body, &first) && first.p[0] == '{' && first.n <= FL__ITEM_MAX && !fl__json_check(first, &at) && provider_find(first, true);
}

int fl__json_detect(struct fl_span body, enum fl_format *out, struct fl_err *err)
{
	struct fl_feed_result unused = { 0 };
	struct fl__reader r = { .body = body, .result = &unused, .err = err };
	struct fl_span document;
	size_t at;

	if (is_ndjson(body)) {
		*out = FL_FORMAT_NDJSON;
		return 0;
	}
	if (fl__json_check(body, &at))
		return fl__json_document(&r, &document);
	document = fl_span_trim(body);
	if (fl__stix_looks(document))
		*out = FL_FORMAT_STIX2;
	else if (fl__misp_looks(document))
		*out = FL_FORMAT_MISP;
	else if (provider_find(document, false))
		*out = FL_FORMAT_JSON;
	else if (answer_check(&r, document) < 0)
		return FL_EFORMAT;
	else
		return fl_err_set(err, FL_EFORMAT, "format not found out: a JSON document of no known shape; if it is a list, name its format");
	return 0;
}
