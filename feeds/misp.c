/* MISP (docs/formats/feeds.md): an event, the answer of a search that holds several, or a warning list. A feed's manifest names events, not domains: it is
 * read by fl_misp_manifest_parse(). Start at fl__misp_read(). */
#include "feeds/scan.h"

#include "base/text.h"
#include "feeds/fields.h"

/* true, 1, "1" and "true" are all met. */
static bool is_true(json_t *o, const char *key)
{
	json_t *v = json_object_get(o, key);
	struct fl_span s = fl__json_text(v);

	return json_is_true(v) || (json_is_number(v) && json_number_value(v) != 0) || fl_span_eqs(s, "1") || fl_span_eqs(s, "true");
}

static enum fl_category category_of(json_t *attribute)
{
	enum fl_category got = FL_CAT_NONE;
	json_t *tag;
	size_t i;

	json_array_foreach (json_object_get(attribute, "Tag"), i, tag)
		if (got == FL_CAT_NONE)
			got = fl__category(fl__json_member_text(tag, "name"));
	return got;
}

static int attribute_give(struct fl__reader *r, struct fl__record *rec, json_t *a)
{
	if (is_true(a, "deleted")) {
		fl__record_why(rec, FL_DROP_REVOKED);
		return 0;
	}
	if (!is_true(a, "to_ids")) { /* a reference, for people */
		fl__record_why(rec, FL_DROP_NOT_APPLICABLE);
		return 0;
	}
	rec->category = category_of(a);
	fl__date(fl__json_member_text(a, "first_seen"), &rec->first_seen_s);
	return fl__record_value(r, rec, fl__kind_of(fl__json_member_text(a, "type")), fl__json_member_text(a, "value"));
}

static int attribute_take(struct fl__reader *r, struct fl_span text)
{
	struct fl__record rec = fl__record_begin(r, text, fl__json_line(r, text.p));
	json_t *a = fl__tree_load(text);
	int ret = 0;

	if (json_is_object(a))
		ret = attribute_give(r, &rec, a);
	else
		fl__record_why(&rec, text.n > FL__ITEM_MAX ? FL_DROP_LINE_TOO_LONG : FL_DROP_MALFORMED);
	json_decref(a);
	if (ret == 0)
		fl__record_end(r, &rec);
	return ret;
}

static int attributes_take(struct fl__reader *r, struct fl_span holder)
{
	struct fl_span list;
	int ret = 0;

	if (fl__json_at(holder, "/Attribute", &list) != 1 || list.p[0] != '[')
		return 0;
	for (struct fl__members w = fl__members_of(list); ret == 0 && fl__members_next(&w);)
		ret = attribute_take(r, w.value);
	return ret;
}

static bool object_deleted(struct fl_span object)
{
	struct fl_span v;

	return fl__json_at(object, "/deleted", &v) == 1 && (fl_span_eqs(v, "true") || fl_span_eqs(v, "1") || fl_span_eqs(v, "\"1\""));
}

static int event_take(struct fl__reader *r, struct fl_span event)
{
	struct fl_span objects;
	int ret = attributes_take(r, event);

	if (ret < 0 || fl__json_at(event, "/Object", &objects) != 1 || objects.p[0] != '[')
		return ret;
	for (struct fl__members w = fl__members_of(objects); ret == 0 && fl__members_next(&w);)
		if (!object_deleted(w.value))
			ret = attributes_take(r, w.value);
	return ret;
}

/* {"Event": ...} */
static bool event_of(struct fl_span document, struct fl_span *event)
{
	return document.n && document.p[0] == '{' && fl__json_at(document, "/Event", event) == 1 && event->p[0] == '{';
}

/* {"response": [{"Event": ...}, ...]}, or the array alone. */
static bool answer_of(struct fl_span document, struct fl_span *events)
{
	struct fl_span first, event;

	*events = document;
	if (document.p[0] == '{' && fl__json_at(document, "/response", events) != 1)
		return false;
	return events->p[0] == '[' && fl__json_at(*events, "/0", &first) == 1 && event_of(first, &event);
}

/* {"name", "type", "list": [...]} */
static bool warninglist_of(struct fl_span document, struct fl_span *type, struct fl_span *list)
{
	struct fl_span name;

	return document.p[0] == '{' && fl__json_at(document, "/list", list) == 1 && list->p[0] == '[' && fl__json_at(document, "/type", type) == 1 &&
	       fl__json_at(document, "/name", &name) == 1;
}

static int warninglist_take(struct fl__reader *r, struct fl_span type, struct fl_span list)
{
	int ret = 0;

	/* the other types hold patterns and networks, which look like names at times */
	if (!fl_span_eqs(type, "\"hostname\"") && !fl_span_eqs(type, "\"string\""))
		return fl_err_set(r->err, FL_EFORMAT, "a MISP warning list of type %.*s names no domains", (int)(type.n < 40 ? type.n : 40),
				  (const char *)type.p);
	for (struct fl__members w = fl__members_of(list); ret == 0 && fl__members_next(&w);) {
		struct fl__record rec = fl__record_begin(r, w.value, fl__json_line(r, w.value.p));
		json_t *v = fl__tree_load(w.value);

		ret = fl__record_value(r, &rec, FL__KIND_NAME, fl__json_text(v));
		json_decref(v);
		if (ret == 0)
			fl__record_end(r, &rec);
	}
	return ret;
}

/* --- the manifest --- */

static bool is_uuid(struct fl_span s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;

		if (hyphen ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')))
			return false;
	}
	return s.n == 36;
}

static bool is_manifest(struct fl_span document)
{
	struct fl__members w = fl__members_of(document);
	struct fl_span v;

	return w.object && fl__members_next(&w) && is_uuid(w.key) && fl__json_at(w.value, "/timestamp", &v) == 1;
}

static bool timestamp_of(struct fl_span event, uint32_t *out)
{
	struct fl_span v;

	if (fl__json_at(event, "/timestamp", &v) != 1)
		return false;
	if (v.n > 2 && v.p[0] == '"')
		v = fl_span(v.p + 1, v.n - 2);
	return fl__date(v, out);
}

static char *uuid_copy(struct fl_arena *arena, struct fl_span s)
{
	char *copy = fl_arena_strn(arena, (const char *)s.p, s.n);

	for (char *c = copy; c && *c; c++)
		if (*c >= 'A' && *c <= 'F')
			*c = (char)(*c + 32);
	return copy;
}

int fl_misp_manifest_parse(struct fl_span body, struct fl_arena *arena, struct fl_misp_event **out, size_t *n, size_t *skipped, struct fl_err *err)
{
	struct fl_feed_result unused = { 0 };
	struct fl__reader r = { .body = fl__bom_off(body), .result = &unused, .err = err };
	struct fl_span document;
	struct fl_misp_event *v;
	size_t all = 0, bad = 0, got = 0;
	int ret = fl__json_document(&r, &document);

	if (ret < 0)
		return ret;
	if (!is_manifest(document))
		return fl_err_set(err, FL_EFORMAT, "no manifest of a MISP feed");
	for (struct fl__members w = fl__members_of(document); fl__members_next(&w);)
		all++;
	if (all > FL_MISP_EVENTS_MAX)
		return fl_err_set(err, FL_ELIMIT, "a manifest of %zu events; at most %d are read", all, (int)FL_MISP_EVENTS_MAX);
	v = fl_arena_array(arena, all, sizeof(*v));
	for (struct fl__members w = fl__members_of(document); v && fl__members_next(&w);) {
		if (!is_uuid(w.key) || !timestamp_of(w.value, &v[got].timestamp_s)) {
			bad++;
			continue;
		}
		v[got].uuid = uuid_copy(arena, w.key);
		if (!v[got++].uuid)
			v = NULL;
	}
	if (!v)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	*out = v;
	*n = got;
	if (skipped)
		*skipped = bad;
	return 0;
}

/* --- any of them --- */

bool fl__misp_looks(struct fl_span document)
{
	struct fl_span a, b;

	return event_of(document, &a) || answer_of(document, &a) || warninglist_of(document, &a, &b);
}

static int events_take(struct fl__reader *r, struct fl_span events)
{
	struct fl_span event;
	int ret = 0;

	for (struct fl__members w = fl__members_of(events); ret == 0 && fl__members_next(&w);)
		if (event_of(w.value, &event))
			ret = event_take(r, event);
	return ret;
}

int fl__misp_read(struct fl__reader *r)
{
	struct fl_span document, at, list;
	int ret = fl__json_document(r, &document);

	if (ret < 0)
		return ret;
	if (event_of(document, &at))
		return event_take(r, at);
	if (answer_of(document, &at))
		return events_take(r, at);
	if (warninglist_of(document, &at, &list))
		return warninglist_take(r, at, list);
	if (is_manifest(document))
		return fl_err_set(r->err, FL_EFORMAT, "the manifest of a MISP feed: it names events, not domains; each is a document UUID.json beside it");
	return fl_err_set(r->err, FL_EFORMAT, "a JSON document, but neither a MISP event nor a warning list");
}
