/* STIX 2.0 and 2.1: a bundle, a TAXII 2.1 envelope, or a bare array of objects (docs/formats/feeds.md). Indicators claim; every other object is context.
 * Of several versions of one object the last modified counts, wherever it stands. Start at fl__stix_read(). */
#include "feeds/stix.h"

#include <stdlib.h>

#include "base/time.h"
#include "feeds/scan.h"
#include "model/digest.h"

/* The newest version of each indicator: by the checksum of its id. */
struct version {
	uint64_t id;
	fl_unix_us modified;
	uint32_t index;
};
struct versions {
	struct version *v;
	size_t n, cap;
};

static bool is_true(json_t *o, const char *key)
{
	json_t *v = json_object_get(o, key);

	return json_is_true(v) || fl_span_eqs(fl__json_text(v), "true");
}

static int versions_add(struct versions *s, json_t *o, uint32_t index)
{
	struct fl_span id = fl__json_member_text(o, "id"), modified = fl__json_member_text(o, "modified");
	struct version *v = &(struct version){ .index = index };

	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 1024;
		struct version *more = reallocarray(s->v, cap, sizeof(*more));

		if (!more)
			return FL_ENOMEM;
		s->v = more;
		s->cap = cap;
	}
	/* an object without an id is its own */
	v->id = id.n ? fl_checksum64(id.p, id.n) : index;
	if (modified.n)
		fl_time_parse((const char *)modified.p, modified.n, &v->modified);
	s->v[s->n++] = *v;
	return 0;
}

static int by_id(const void *a, const void *b)
{
	const struct version *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	if (x->modified != y->modified)
		return x->modified < y->modified ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

static int by_index(const void *a, const void *b)
{
	const struct version *x = a, *y = b;

	return x->index < y->index ? -1 : x->index > y->index;
}

/* Leaves those that a later version replaced, in the order of the body. */
static void versions_old(struct versions *s)
{
	size_t n = 0;

	if (s->n)
		qsort(s->v, s->n, sizeof(*s->v), by_id);
	for (size_t i = 0; i + 1 < s->n; i++)
		if (s->v[i].id == s->v[i + 1].id)
			s->v[n++] = s->v[i];
	s->n = n;
	if (n)
		qsort(s->v, n, sizeof(*s->v), by_index);
}

/* The objects of a bundle or envelope, or the array itself; an empty span when there are none. */
static struct fl_span objects_of(struct fl_span document)
{
	struct fl_span objects;

	if (document.p[0] == '[')
		return document;
	return fl__json_at(document, "/objects", &objects) == 1 && objects.p[0] == '[' ? objects : fl_span(NULL, 0);
}

static bool is_indicator(json_t *o)
{
	return fl_span_eqs(fl__json_member_text(o, "type"), "indicator");
}

/* A cheap look, so that only what may be an indicator becomes a tree twice. */
static bool may_be_indicator(struct fl_span text)
{
	return memmem(text.p, text.n, "indicator", 9) || memchr(text.p, '\\', text.n);
}

static int versions_read(struct fl_span objects, struct versions *s)
{
	struct fl__members w = fl__members_of(objects);
	uint32_t index = 0;
	int ret = 0;

	for (; ret == 0 && fl__members_next(&w); index++) {
		json_t *o = may_be_indicator(w.value) ? fl__tree_load(w.value) : NULL;

		if (is_indicator(o))
			ret = versions_add(s, o, index);
		json_decref(o);
	}
	versions_old(s);
	return ret;
}

struct giving {
	struct fl__reader *r;
	struct fl__record *rec;
};

static int give(void *ctx, enum fl__kind kind, struct fl_span text)
{
	struct giving *g = ctx;

	return fl__record_value(g->r, g->rec, kind, text);
}

static enum fl_category category_of(json_t *o)
{
	static const char *const keys[] = { "indicator_types", "labels" };
	enum fl_category got = FL_CAT_NONE;
	json_t *word;
	size_t k;

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		json_array_foreach (json_object_get(o, keys[i]), k, word)
			if (got == FL_CAT_NONE)
				got = fl__category(fl__json_text(word));
	return got;
}

/* Why an indicator claims nothing, whatever its pattern says; FL_DROP_COUNT: it may. Fills in the attributes. */
static enum fl_drop indicator_judge(const struct fl__reader *r, struct fl__record *rec, json_t *o)
{
	struct fl_span language = fl__json_member_text(o, "pattern_type");
	json_t *confidence = json_object_get(o, "confidence");
	double c = json_is_number(confidence) ? json_number_value(confidence) : 0;

	if (is_true(o, "revoked"))
		return FL_DROP_REVOKED;
	if (language.n && !fl_span_eqs(language, "stix"))
		return FL_DROP_NOT_APPLICABLE;
	rec->confidence = c >= 1 && c <= 100 ? (uint8_t)c : 0;
	rec->category = category_of(o);
	fl__date(fl__json_member_text(o, "valid_from"), &rec->first_seen_s);
	fl__date(fl__json_member_text(o, "valid_until"), &rec->expires_s);
	if (r->opt->now_s && rec->first_seen_s > r->opt->now_s) {
		if (!r->result->next_valid_s || rec->first_seen_s < r->result->next_valid_s)
			r->result->next_valid_s = rec->first_seen_s;
		return FL_DROP_NOT_YET;
	}
	return r->opt->now_s && rec->expires_s && rec->expires_s <= r->opt->now_s ? FL_DROP_EXPIRED : FL_DROP_COUNT;
}

static int indicator_take(struct fl__reader *r, struct fl__record *rec, json_t *o)
{
	struct giving g = { r, rec };
	enum fl_drop why = indicator_judge(r, rec, o);
	int ret = 0;

	if (why == FL_DROP_COUNT)
		why = fl__stix_pattern(fl__json_member_text(o, "pattern"), give, &g, &ret);
	if (why != FL_DROP_COUNT)
		fl__record_why(rec, why);
	else if (ret == 0 && rec->claims == 0)
		fl__record_why(rec, FL_DROP_PATTERN); /* LIKE and its kin alone */
	return ret;
}

static int object_take(struct fl__reader *r, struct fl_span text, bool replaced)
{
	struct fl__record rec = fl__record_begin(r, text, fl__json_line(r, text.p));
	json_t *o = replaced ? NULL : fl__tree_load(text);
	int ret = 0;

	if (replaced)
		fl__record_why(&rec, FL_DROP_REVOKED);
	else if (!json_is_object(o))
		fl__record_why(&rec, text.n > FL__ITEM_MAX ? FL_DROP_LINE_TOO_LONG : FL_DROP_MALFORMED);
	else if (!is_indicator(o))
		fl__record_why(&rec, FL_DROP_NOT_APPLICABLE);
	else
		ret = indicator_take(r, &rec, o);
	json_decref(o);
	if (ret == 0)
		fl__record_end(r, &rec);
	return ret;
}

bool fl__stix_looks(struct fl_span document)
{
	struct fl_span type, objects = objects_of(document), first;

	if (document.p[0] == '{' && fl__json_at(document, "/type", &type) == 1)
		return fl_span_eqs(type, "\"bundle\"");
	return objects.n && fl__json_at(objects, "/0/id", &first) == 1 && fl__json_at(objects, "/0/type", &type) == 1 && type.n > 2 &&
	       first.n > type.n && memcmp(first.p, type.p, type.n - 1) == 0; /* "indicator--..." */
}

int fl__stix_read(struct fl__reader *r)
{
	struct fl_span document, objects;
	struct versions old = { 0 };
	int ret = fl__json_document(r, &document);
	size_t next = 0;
	uint32_t index = 0;

	if (ret < 0)
		return ret;
	if (!fl__stix_looks(document))
		return fl_err_set(r->err, FL_EFORMAT, "a JSON document, but no STIX 2 bundle or TAXII envelope");
	objects = objects_of(document);
	ret = versions_read(objects, &old);
	for (struct fl__members w = fl__members_of(objects); ret == 0 && fl__members_next(&w); index++) {
		bool replaced = next < old.n && old.v[next].index == index;

		next += replaced;
		ret = object_take(r, w.value, replaced);
	}
	free(old.v);
	return ret == FL_ENOMEM ? fl_err_set(r->err, ret, "out of memory") : ret;
}
