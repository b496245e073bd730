/* Findings: one tolerant decoder of a document (docs/formats/findings.md). The text is proven well-formed, then walked: what is wrapped around the findings is taken off, and each
 * finding alone becomes a tree, so that one that is broken costs nothing else. Start at fl_finding_parse(), then take_object().
 *
 * Keys are compared without case at every level: the API writes Service.Action, events write service.action, and people paste the one into the other. What an object is, its own
 * members say, never what was around it. */
#include "feeds/finding.h"

#include <stdlib.h>

#include "feeds/scan.h"

enum { DESCENTS_MAX = 8, WHY_MAX = 300 };

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

/* What jansson says has pieces of the input in it. */
static const char *load_why(const json_error_t *je)
{
	switch (json_error_code(je)) {
	case json_error_duplicate_key:
		return "a member stands twice";
	case json_error_invalid_utf8:
		return "not JSON: a text is not UTF-8";
	case json_error_null_character:
		return "not JSON: U+0000 in a text";
	case json_error_numeric_overflow:
		return "not JSON: a number beyond all measure";
	default:
		return "not JSON";
	}
}

json_t *fl__finding_load(struct fl_span text, struct fl_err *err)
{
	json_error_t je;
	json_t *doc;

	if (fl__json_too_deep(text)) {
		fl_err_set(err, FL_EFORMAT, "nested deeper than %d levels", (int)FL__JSON_DEPTH_MAX);
		return NULL;
	}
	/* integers as reals: an id beyond 64 bits in a field of no concern must not cost the finding */
	doc = json_loadb((const char *)text.p, text.n, JSON_DECODE_INT_AS_REAL | JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &je);
	if (!doc)
		fl_err_set(err, FL_EFORMAT, "%s", load_why(&je));
	return doc;
}

/* --- what a document gives --- */

struct taking {
	const struct fl_finding_mapping *map;
	struct fl_arena *arena;
	struct fl_findings out;
	uint32_t *numbers; /* parallel to out.v */
	size_t cap, numbers_cap, refused_cap;
	uint32_t number; /* of the finding that is taken now */
	bool listed;	 /* it is one of several */
	int ret;
};

/* Room for one more of a growing array in the arena; false when out of memory. */
static bool room(struct taking *t, void **v, size_t n, size_t *cap, size_t size)
{
	size_t more = *cap ? 2 * *cap : 4;
	void *grown;

	if (n < *cap)
		return true;
	grown = fl_arena_array(t->arena, more, size);
	if (!grown) {
		t->ret = FL_ENOMEM;
		return false;
	}
	if (n)
		memcpy(grown, *v, n * size);
	*v = grown;
	*cap = more;
	return true;
}

static void refuse_as(struct taking *t, enum fl_drop word, const char *why)
{
	struct fl_findings *o = &t->out;

	if (!room(t, (void **)&o->refused, o->n_refused, &t->refused_cap, sizeof(*o->refused)))
		return;
	o->refused[o->n_refused].number = t->number;
	o->refused[o->n_refused].word = word;
	o->refused[o->n_refused].why = fl_arena_strn(t->arena, why, strnlen(why, WHY_MAX));
	if (!o->refused[o->n_refused++].why)
		t->ret = FL_ENOMEM;
}

static void refuse(struct taking *t, const char *why)
{
	refuse_as(t, FL_DROP_MALFORMED, why);
}

/* Counts one more; false: no more are taken. */
static bool next_number(struct taking *t)
{
	if (t->number < FL_FINDINGS_MAX) {
		t->number++;
		return true;
	}
	t->ret = t->ret ? t->ret : FL_ELIMIT;
	return false;
}

static void give(struct taking *t, const struct fl_finding *f)
{
	struct fl_findings *o = &t->out;

	if (!room(t, (void **)&o->v, o->n, &t->cap, sizeof(*o->v)) || !room(t, (void **)&t->numbers, o->n, &t->numbers_cap, sizeof(*t->numbers)))
		return;
	t->numbers[o->n] = t->number;
	o->v[o->n++] = *f;
}

static void take_finding(struct taking *t, json_t *obj)
{
	struct fl_finding got[2];
	const char *why = NULL;
	const struct fl__shape *shape = t->map ? NULL : fl__finding_shape(obj, &why);
	struct fl_err err = { 0 };
	int n;

	if (!t->map && fl__finding_is_context(obj) && t->listed) {
		t->number--;
		return;
	}
	if (!t->map && !shape) {
		refuse(t, why);
		return;
	}
	n = fl__finding_read(obj, shape, t->map, t->arena, got, &err);
	if (n == FL_ENOMEM)
		t->ret = n;
	else if (n < 0)
		refuse(t, err.text);
	for (int i = 0; i < n && t->ret == 0; i++)
		give(t, &got[i]);
}

static void take_text(struct taking *t, struct fl_span text)
{
	struct fl_err err = { 0 };
	json_t *obj;

	if (text.n > FL_FINDING_MAX) {
		refuse(t, "a finding of over 1 MiB");
		return;
	}
	obj = fl__finding_load(text, &err);
	if (obj)
		take_finding(t, obj);
	else
		refuse(t, err.text);
	json_decref(obj);
}

/* --- what is around them --- */

/* OBJECT and TEXT wrap one thing more, and are counted; a text is JSON in a string. LIST has findings, or things wrapped. */
enum { OBJECT = 1, TEXT = 2, LIST = 4 };
static const struct envelope {
	const char *key;
	unsigned holds;
	bool counted;
} envelopes[] = {
	{ "detail", OBJECT | TEXT, true }, /* EventBridge; PutEvents has it as text */
	{ "Message", TEXT, true },	   /* SNS */
	{ "Body", TEXT, true },		   /* SQS */
	{ "Findings", LIST, false },	   /* GetFindings, Security Hub */
	{ "objects", LIST, false },	   /* a STIX bundle, a TAXII envelope */
	{ "Messages", LIST, false },	   /* ReceiveMessage */
	{ "Records", LIST, false },	   /* what a function is called with */
	{ "Sns", OBJECT, false },
};

static bool key_eq(struct fl_span key, const char *s)
{
	return key.n == strlen(s) && strncasecmp((const char *)key.p, s, key.n) == 0;
}

static const struct envelope *envelope_of(struct fl_span key)
{
	for (size_t i = 0; i < sizeof(envelopes) / sizeof(*envelopes); i++)
		if (key_eq(key, envelopes[i].key))
			return &envelopes[i];
	return NULL;
}

static void take_value(struct taking *t, struct fl_span text, unsigned wraps, unsigned descents);

static void take_list(struct taking *t, struct fl_span list, unsigned wraps, unsigned descents)
{
	t->listed = true;
	for (struct fl__members w = fl__members_of(list); t->ret == 0 && fl__members_next(&w);) {
		if (w.value.p[0] == '{')
			take_value(t, w.value, wraps, descents);
		else if (next_number(t))
			refuse(t, "not an object");
	}
}

/* NULL, or what keeps a text from being a JSON value; *at its offset. */
static const char *not_json(struct fl_span text, size_t *at, struct fl_err *err)
{
	unsigned line = 1, column = 1;
	const char *wrong = fl__json_check(text, at);

	for (size_t i = 0; wrong && i < *at && i < text.n; i++) {
		column = text.p[i] == '\n' ? 1 : column + 1;
		line += text.p[i] == '\n';
	}
	if (wrong)
		fl_err_set(err, FL_EFORMAT, "not JSON: line %u, column %u: %s", line, column, wrong);
	return wrong ? err->text : NULL;
}

/* A text in a member of an envelope is a document of its own. */
static void take_wrapped_text(struct taking *t, const char *key, struct fl_span quoted, unsigned wraps, unsigned descents)
{
	struct fl_err err = { 0 };
	json_t *v = fl__finding_load(quoted, &err);
	struct fl_span text = v ? fl_span_trim(fl__json_text(v)) : fl_span("", 0);
	size_t at;

	if (!v || not_json(text, &at, &err)) {
		fl_err_wrap(&err, FL_EFORMAT, "%s", key);
		if (next_number(t))
			refuse(t, err.text);
	} else
		take_value(t, text, wraps, descents);
	json_decref(v);
}

static void take_envelope(struct taking *t, const struct envelope *e, struct fl_span value, unsigned wraps, unsigned descents)
{
	char first = (char)value.p[0];
	char why[64];

	wraps += e->counted;
	if (wraps > FL_FINDING_WRAPS_MAX || ++descents > DESCENTS_MAX) {
		if (next_number(t))
			refuse(t, "wrapped more than three deep");
	} else if (first == '{' && (e->holds & OBJECT))
		take_value(t, value, wraps, descents);
	else if (first == '"' && (e->holds & TEXT))
		take_wrapped_text(t, e->key, value, wraps, descents);
	else if (first == '[' && (e->holds & LIST))
		take_list(t, value, wraps, descents);
	else if (next_number(t)) {
		snprintf(why, sizeof(why), "%s holds no finding", e->key);
		refuse(t, why);
	}
}

/* A finding says so by a member of its own; else a member of the table is looked into. */
static void take_object(struct taking *t, struct fl_span text, unsigned wraps, unsigned descents)
{
	const struct envelope *e = NULL;
	struct fl_span inside = fl_span(NULL, 0);
	bool finding = t->map != NULL;

	for (struct fl__members w = fl__members_of(text); !finding && fl__members_next(&w);) {
		const struct envelope *row = e ? NULL : envelope_of(w.key);

		finding = fl__finding_key_tells(w.key);
		if (row) {
			e = row;
			inside = w.value;
		}
	}
	if (!finding && e)
		take_envelope(t, e, inside, wraps, descents);
	else if (next_number(t))
		take_text(t, text);
}

static void take_value(struct taking *t, struct fl_span text, unsigned wraps, unsigned descents)
{
	if (text.p[0] == '{')
		take_object(t, text, wraps, descents);
	else if (text.p[0] == '[')
		take_list(t, text, wraps, descents);
	else if (next_number(t))
		refuse(t, "not an object");
}

static int take_document(void *ctx, const struct fl_finding_document *d)
{
	struct taking *t = ctx;
	struct fl_span text = d->text;
	struct fl_err err = { 0 };
	const char *why;
	size_t at = 0;

	if (d->number > 1)
		t->listed = true;
	if (text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0)
		text = fl_span(text.p + 3, text.n - 3);
	text = fl_span_trim(text);
	why = not_json(text, &at, &err);
	t->out.cut_off = why && at >= text.n; /* as the last one says */
	if (!why)
		take_value(t, text, 0, 0);
	else if (next_number(t))
		refuse(t, why);
	return t->ret;
}

/* --- of several versions of one finding, the last --- */

static int by_id_and_date(const void *a, const void *b)
{
	const struct fl_finding *x = *(const struct fl_finding *const *)a, *y = *(const struct fl_finding *const *)b;
	int by_id = strcmp(x->id, y->id);

	if (by_id)
		return by_id;
	if (x->updated_at != y->updated_at)
		return x->updated_at < y->updated_at ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* A version without a date is as new as any: it stays. */
static void drop_replaced(struct taking *t)
{
	struct fl_findings *o = &t->out;
	struct fl_finding **sorted = fl_arena_array(t->arena, o->n, sizeof(*sorted));
	bool *gone = fl_arena_array(t->arena, o->n, sizeof(*gone));
	size_t k = 0;

	if (!sorted || !gone) {
		t->ret = FL_ENOMEM;
		return;
	}
	for (size_t i = 0; i < o->n; i++)
		sorted[i] = &o->v[i];
	qsort(sorted, o->n, sizeof(struct fl_finding *), by_id_and_date);
	for (size_t i = o->n - 1; i-- > 0;) {
		const struct fl_finding *last = sorted[i + 1], *f = sorted[i];

		if (strcmp(f->id, last->id) != 0)
			continue;
		gone[f - o->v] = f->updated_at && f->updated_at < last->updated_at;
		if (gone[f - o->v])
			sorted[i] = sorted[i + 1];
	}
	for (size_t i = 0; i < o->n; i++) {
		t->number = t->numbers[i];
		if (gone[i])
			refuse_as(t, FL_DROP_REVOKED, "a later version of it stands in the same document");
		else
			o->v[k++] = o->v[i];
	}
	o->n = k;
}

static int nothing_read(const struct taking *t, struct fl_err *err)
{
	const struct fl_finding_refused *first = t->out.refused;

	if (t->listed)
		return fl_err_set(err, FL_EFORMAT, "finding %u: %s", first->number, first->why);
	return fl_err_set(err, FL_EFORMAT, "%s", first->why);
}

int fl_finding_parse(struct fl_span json, const struct fl_finding_options *opt, struct fl_arena *arena, struct fl_findings *out, struct fl_err *err)
{
	struct taking t = { .map = opt ? opt->mapping : NULL, .arena = arena };
	struct fl_finding_split s = { .sink = take_document, .ctx = &t };
	int ret;

	if (json.n > FL_FINDING_DOCUMENT_MAX)
		return fl_err_set(err, FL_EFORMAT, "a document of %zu octets; at most %d are read", json.n, (int)FL_FINDING_DOCUMENT_MAX);
	ret = fl_finding_split_push(&s, json);
	if (ret == 0)
		ret = fl_finding_split_end(&s);
	fl_finding_split_done(&s);
	if (ret == 0 && s.number == 0)
		return fl_err_set(err, FL_EFORMAT, "not JSON: it is empty");
	if (ret == 0 && t.out.n > 1)
		drop_replaced(&t);
	ret = ret ? ret : t.ret;
	if (ret == FL_ENOMEM)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	if (ret == FL_ELIMIT)
		return fl_err_set(err, FL_ELIMIT, "over %d findings in one document", (int)FL_FINDINGS_MAX);
	if (t.out.n == 0 && t.out.n_refused)
		return nothing_read(&t, err);
	*out = t.out;
	return 0;
}
