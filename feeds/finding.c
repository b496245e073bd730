/* Findings: one tolerant decoder of one JSON document (docs/formats/findings.md). It finds the findings in the document,
 * whatever is wrapped around them, and reads each by one table of field paths. Names are taken from the fields that mean
 * "this is the bad name" and from no other: never a caller's, a victim's, or free text. Start at fl_finding_parse().
 *
 * Keys are compared without case at every level: the API writes Service.Action, events write service.action, and people
 * paste the one into the other. */
#include "feeds/finding.h"

enum { SIZE_MAX_BYTES = 16 << 20 };

json_t *fl__finding_member(const json_t *obj, const char *key, size_t n)
{
	const char *k;
	json_t *v;

	if (!json_is_object(obj))
		return NULL;
	json_object_foreach((json_t *)obj, k, v)
		if (strncasecmp(k, key, n) == 0 && k[n] == '\0')
			return v;
	return NULL;
}

static bool has_key(const json_t *obj, const char *key)
{
	return fl__finding_member(obj, key, strlen(key)) != NULL;
}

bool fl__json_too_deep(struct fl_span s)
{
	unsigned depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"')
			in_string = true;
		else if (c == '{' || c == '[') {
			if (++depth > FL__JSON_DEPTH_MAX)
				return true;
		} else if ((c == '}' || c == ']') && depth)
			depth--;
	}
	return false;
}

json_t *fl__finding_load(struct fl_span text, struct fl_err *err)
{
	json_error_t je;
	json_t *doc;

	if (text.n > SIZE_MAX_BYTES) {
		fl_err_set(err, FL_EFORMAT, "a document of %zu octets; at most %d are read", text.n, (int)SIZE_MAX_BYTES);
		return NULL;
	}
	if (fl__json_too_deep(text)) {
		fl_err_set(err, FL_EFORMAT, "nested deeper than %d levels", (int)FL__JSON_DEPTH_MAX);
		return NULL;
	}
	/* integers as reals: an id beyond 64 bits in a field of no concern must not cost the finding */
	doc = json_loadb((const char *)text.p, text.n, JSON_DECODE_INT_AS_REAL | JSON_DECODE_ANY, &je);
	if (!doc)
		fl_err_set(err, FL_EFORMAT, "not JSON: line %d, column %d: %s", je.line, je.column, je.text);
	return doc;
}

/* NULL, or why this object cannot be read as a finding; *shape is what it is otherwise. */
static const char *shape_find(const json_t *obj, const char **shape)
{
	if (!json_is_object(obj))
		return "not an object";
	if (has_key(obj, "ProductArn") || has_key(obj, "FindingProviderFields"))
		return "a Security Hub (ASFF) finding, which is not read";
	if (has_key(obj, "class_uid"))
		return "an OCSF event, which is not read";
	if (has_key(obj, "service") || has_key(obj, "schemaVersion") || has_key(obj, "detectorId")) {
		bool api = json_object_get(obj, "Service") || json_object_get(obj, "Type") ||
			   json_object_get(obj, "SchemaVersion");

		*shape = api ? "guardduty-api" : "guardduty-event";
		return NULL;
	}
	if (has_key(obj, "domain")) {
		*shape = "plain";
		return NULL;
	}
	return "no finding of a known shape (neither service, nor domain)";
}

struct batch {
	struct fl_arena *arena;
	struct fl_findings out;
	struct fl_err *err;
};

static int batch_take(struct batch *b, const json_t *obj, size_t index)
{
	const char *shape = NULL, *why = shape_find(obj, &shape);
	int ret;

	if (why)
		return fl_err_set(b->err, FL_EFORMAT, "finding %zu: %s", index + 1, why);
	ret = fl__finding_read(obj, shape, b->arena, &b->out.v[b->out.n], b->err);
	if (ret < 0)
		return fl_err_wrap(b->err, ret, "finding %zu", index + 1);
	b->out.n++;
	return 0;
}

/* The findings of a document: an envelope's detail, an array of findings, or the document itself. */
static int batch_read(struct batch *b, const json_t *doc)
{
	const json_t *detail = fl__finding_member(doc, "detail", 6), *list;
	size_t n;

	if (json_is_object(detail))
		doc = detail;
	list = fl__finding_member(doc, "findings", 8);
	n = json_is_array(list) ? json_array_size(list) : 1;
	b->out.v = fl_arena_array(b->arena, n ? n : 1, sizeof(*b->out.v));
	if (!b->out.v)
		return fl_err_set(b->err, FL_ENOMEM, "out of memory");
	if (!json_is_array(list))
		return batch_take(b, doc, 0);
	for (size_t i = 0; i < n; i++) {
		int ret = batch_take(b, json_array_get(list, i), i);

		if (ret < 0)
			return ret;
	}
	return 0;
}

int fl_finding_parse(struct fl_span json, struct fl_arena *arena, struct fl_findings *out, struct fl_err *err)
{
	struct batch b = { .arena = arena, .err = err };
	json_t *doc;
	int ret;

	if (json.n >= 3 && memcmp(json.p, "\xef\xbb\xbf", 3) == 0)
		json = fl_span(json.p + 3, json.n - 3);
	doc = fl__finding_load(json, err);
	if (!doc)
		return FL_EFORMAT;
	ret = batch_read(&b, doc);
	json_decref(doc);
	if (ret == 0)
		*out = b.out;
	return ret;
}
