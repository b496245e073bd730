/* Reads of a hostile JSON object through jansson: every field is checked for type and range before it is taken. */
#include "model/json_int.h"

#include "base/text.h"

json_t *fl__json_load(struct fl_span text, size_t max, const char *what, int *code, struct fl_err *err)
{
	json_error_t je;
	json_t *root;

	if (text.n > max) {
		*code = fl_err_set(err, FL_ELIMIT, "%s: %zu octets, at most %zu are read", what, text.n, max);
		return NULL;
	}
	root = json_loadb(text.p ? (const char *)text.p : "", text.n, JSON_REJECT_DUPLICATES, &je);
	if (root && json_is_object(root))
		return root;
	*code = fl_err_set(err, FL_EFORMAT, "%s: %s", what, root ? "not a JSON object" : je.text);
	json_decref(root);
	return NULL;
}

void fl__json_bad(struct fl__json_rd *r, const char *key, const char *why)
{
	if (!r->bad)
		fl_err_set(r->err, FL_EFORMAT, "%s: '%s' %s", r->what, key, why);
	r->bad = true;
}

static const json_t *get(struct fl__json_rd *r, const char *key)
{
	const json_t *v = r->bad ? NULL : json_object_get(r->obj, key);

	if (!v)
		fl__json_bad(r, key, "is missing");
	return v;
}

void fl__json_get_u64(struct fl__json_rd *r, const char *key, uint64_t *out)
{
	const json_t *v = get(r, key);

	if (v && json_is_integer(v) && json_integer_value(v) >= 0)
		*out = (uint64_t)json_integer_value(v);
	else
		fl__json_bad(r, key, "is not a whole number from 0 to 9223372036854775807");
}

void fl__json_get_time(struct fl__json_rd *r, const char *key, fl_unix_us *out)
{
	uint64_t v = 0;

	fl__json_get_u64(r, key, &v);
	if (!r->bad)
		*out = (fl_unix_us)v;
}

void fl__json_get_number(struct fl__json_rd *r, const char *key, double *out)
{
	const json_t *v = get(r, key);

	if (v && json_is_number(v))
		*out = json_number_value(v);
	else
		fl__json_bad(r, key, "is not a number");
}

void fl__json_get_bool(struct fl__json_rd *r, const char *key, bool *out)
{
	const json_t *v = get(r, key);

	if (v && json_is_boolean(v))
		*out = json_is_true(v);
	else
		fl__json_bad(r, key, "is not true or false");
}

static struct fl_span text(struct fl__json_rd *r, const char *key)
{
	const json_t *v = get(r, key);

	if (v && json_is_string(v))
		return fl_span(json_string_value(v), json_string_length(v));
	fl__json_bad(r, key, "is not a string");
	return fl_span(NULL, 0);
}

void fl__json_get_str(struct fl__json_rd *r, const char *key, char *out, size_t size)
{
	struct fl_span s = text(r, key);

	if (s.n >= size)
		fl__json_bad(r, key, "is too long");
	if (r->bad)
		return;
	memcpy(out, s.p, s.n);
	out[s.n] = '\0';
}

void fl__json_get_hex(struct fl__json_rd *r, const char *key, void *out, size_t n)
{
	struct fl_span s = text(r, key);

	if (!r->bad && (s.n != 2 * n || !fl_unhex(s, out, n)))
		fl__json_bad(r, key, "is not hex of the right length");
}

void fl__json_get_u128(struct fl__json_rd *r, const char *key, struct fl_u128 *out)
{
	struct fl_span s = text(r, key);

	if (!r->bad && !fl_u128_parse(s, out))
		fl__json_bad(r, key, "is not 32 hex digits");
}

const json_t *fl__json_get_object(struct fl__json_rd *r, const char *key, bool nullable)
{
	const json_t *v = get(r, key);

	if (v && json_is_object(v))
		return v;
	if (!v || !nullable || !json_is_null(v))
		fl__json_bad(r, key, "is not an object");
	return NULL;
}

const json_t *fl__json_get_array(struct fl__json_rd *r, const char *key, size_t max)
{
	const json_t *v = get(r, key);

	if (v && json_is_array(v) && json_array_size(v) <= max)
		return v;
	fl__json_bad(r, key, "is not an array, or one too long");
	return NULL;
}
