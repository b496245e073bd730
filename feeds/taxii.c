/* TAXII 2.1 (OASIS): what a server answers to a question for objects is an envelope, a page of them. Only indicators claim names; the rest is passed over. */
#include <jansson.h>

#include "feeds/finding.h"

enum { ENVELOPE_MAX = 64 << 20 };

static int page_error(struct fl_err *err, const char *what)
{
	return fl_err_set(err, FL_EFORMAT, "not a TAXII envelope: %s", what);
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* 1: taken; 0: it claims nothing. */
static int take(json_t *o, struct fl_arena *arena, struct fl_taxii_object *out)
{
	const char *id = text_of(o, "id"), *modified = text_of(o, "modified");
	char *json;

	if (strcmp(text_of(o, "type"), "indicator") != 0 || !id[0] || strlen(id) > FL_TAXII_ID_MAX || strlen(modified) > FL_TAXII_ID_MAX)
		return 0;
	json = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
	out->id = fl_arena_str(arena, id);
	out->modified = fl_arena_str(arena, modified);
	out->json = json ? fl_span(fl_arena_dup(arena, json, strlen(json)), strlen(json)) : fl_span(NULL, 0);
	free(json);
	return out->id && out->modified && out->json.p ? 1 : FL_ENOMEM;
}

int fl_taxii_page_parse(struct fl_span body, struct fl_arena *arena, struct fl_taxii_page *out, struct fl_err *err)
{
	json_t *root, *objects, *o;
	size_t i;
	int ret = 0;

	memset(out, 0, sizeof(*out));
	if (body.n > ENVELOPE_MAX)
		return fl_err_set(err, FL_ELIMIT, "a TAXII page is over %d octets", ENVELOPE_MAX);
	if (fl__json_too_deep(body))
		return page_error(err, "it is nested too deep");
	root = json_loadb((const char *)body.p, body.n, JSON_REJECT_DUPLICATES, NULL);
	objects = json_object_get(root, "objects");
	if (!json_is_object(root) || (objects && !json_is_array(objects))) {
		ret = page_error(err, json_is_object(root) ? "objects is no list" : "no JSON object");
		json_decref(root);
		return ret;
	}
	out->v = fl_arena_array(arena, json_array_size(objects) + 1, sizeof(*out->v));
	out->next = fl_arena_str(arena, text_of(root, "next"));
	out->more = json_is_true(json_object_get(root, "more"));
	if (!out->v || !out->next)
		ret = FL_ENOMEM;
	json_array_foreach (objects, i, o) {
		int took = ret == 0 ? take(o, arena, &out->v[out->n]) : 0;

		if (took < 0)
			ret = took;
		else
			out->n += (size_t)took;
	}
	json_decref(root);
	return ret < 0 ? fl_err_set(err, ret, "TAXII: out of memory") : 0;
}

int fl_json_one_line(struct fl_span document, struct fl_buf *out, struct fl_err *err)
{
	json_t *root;
	char *text;

	if (document.n > ENVELOPE_MAX)
		return fl_err_set(err, FL_ELIMIT, "a document is over %d octets", ENVELOPE_MAX);
	root = fl__json_too_deep(document) ? NULL : json_loadb((const char *)document.p, document.n, 0, NULL);
	if (!root)
		return fl_err_set(err, FL_EFORMAT, "not a JSON document");
	text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	if (text)
		fl_buf_str(out, text);
	free(text);
	return text && !out->failed ? 0 : fl_err_set(err, FL_ENOMEM, "out of memory");
}
