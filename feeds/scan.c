/* JSON as text: checked once, then walked. Start at fl__json_check(). */
#include "feeds/scan.h"

#include "feeds/fields.h"

struct scan {
	const uint8_t *start, *p, *end;
	const char *wrong;
};

static bool fail(struct scan *s, const char *what)
{
	if (!s->wrong)
		s->wrong = what;
	return false;
}

static void skip_space(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
		s->p++;
}

static bool eat(struct scan *s, char c)
{
	skip_space(s);
	if (s->p == s->end || *s->p != (uint8_t)c)
		return false;
	s->p++;
	return true;
}

static bool is_hex(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool escape(struct scan *s)
{
	uint8_t c = s->p < s->end ? *s->p++ : 0;

	if (c == 'u') {
		for (int i = 0; i < 4; i++, s->p++)
			if (s->p == s->end || !is_hex(*s->p))
				return fail(s, "a broken escape in a string");
		return true;
	}
	return (c && strchr("\"\\/bfnrt", c)) || fail(s, "a broken escape in a string");
}

/* From behind the opening quote. */
static bool string(struct scan *s)
{
	while (s->p < s->end) {
		uint8_t c = *s->p++;

		if (c == '"')
			return true;
		if (c < 0x20)
			return fail(s, "a control octet in a string");
		if (c == '\\' && !escape(s))
			return false;
	}
	return fail(s, "it ends within a string");
}

static bool digits(struct scan *s)
{
	const uint8_t *from = s->p;

	while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
		s->p++;
	return s->p != from || fail(s, "a broken number");
}

static bool number(struct scan *s)
{
	if (*s->p == '-')
		s->p++;
	if (s->p < s->end && *s->p == '0')
		s->p++;
	else if (!digits(s))
		return false;
	if (s->p < s->end && *s->p == '.') {
		s->p++;
		if (!digits(s))
			return false;
	}
	if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
		s->p++;
		if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
			s->p++;
		return digits(s);
	}
	return true;
}

static bool literal(struct scan *s)
{
	static const char *const words[] = { "true", "false", "null" };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		size_t n = strlen(words[i]);

		if ((size_t)(s->end - s->p) >= n && memcmp(s->p, words[i], n) == 0) {
			s->p += n;
			return true;
		}
	}
	return fail(s, s->p == s->end ? "it ends too early" : "not a value");
}

static bool value(struct scan *s, unsigned depth);

static bool container(struct scan *s, bool object, unsigned depth)
{
	char close = object ? '}' : ']';

	if (depth >= FL__JSON_DEPTH)
		return fail(s, "nested deeper than 64 levels");
	if (eat(s, close))
		return true;
	do {
		if (object && (!eat(s, '"') || !string(s) || !eat(s, ':')))
			return fail(s, s->p == s->end ? "it ends too early" : "a key and a colon are expected");
		if (!value(s, depth + 1))
			return false;
	} while (eat(s, ','));
	return eat(s, close) || fail(s, s->p == s->end ? "it ends too early" : "a comma or the end of the list is expected");
}

/* Recursion as deep as FL__JSON_DEPTH. */
static bool value(struct scan *s, unsigned depth)
{
	skip_space(s);
	if (s->p == s->end)
		return fail(s, "it ends too early");
	switch (*s->p) {
	case '{':
	case '[':
		s->p++;
		return container(s, s->p[-1] == '{', depth);
	case '"':
		s->p++;
		return string(s);
	default:
		return *s->p == '-' || (*s->p >= '0' && *s->p <= '9') ? number(s) : literal(s);
	}
}

static struct scan scan_of(struct fl_span text)
{
	static const uint8_t none[1];
	const uint8_t *p = text.n ? text.p : none;

	return (struct scan){ .start = p, .p = p, .end = p + text.n };
}

const char *fl__json_check(struct fl_span text, size_t *at)
{
	struct scan s = scan_of(text);

	if (value(&s, 0)) {
		skip_space(&s);
		if (s.p != s.end)
			fail(&s, "more text behind the value");
	}
	*at = (size_t)(s.p - s.start);
	return s.wrong;
}

struct fl_span fl__json_first(struct fl_span text, size_t *end)
{
	struct scan s = scan_of(text);
	const uint8_t *from;

	skip_space(&s);
	from = s.p;
	if (!value(&s, 0))
		return fl_span(NULL, 0);
	*end = (size_t)(s.p - s.start);
	return fl_span(from, (size_t)(s.p - from));
}

struct fl__members fl__members_of(struct fl_span c)
{
	c = fl_span_trim(c);
	if (c.n < 2 || (c.p[0] != '{' && c.p[0] != '['))
		return (struct fl__members){ 0 };
	return (struct fl__members){ .text = fl_span(c.p, c.n - 1), .pos = 1, .object = c.p[0] == '{' };
}

bool fl__members_next(struct fl__members *w)
{
	struct scan s = scan_of(w->text);
	const uint8_t *from;

	s.p += w->pos;
	eat(&s, ',');
	skip_space(&s);
	if (s.p >= s.end)
		return false;
	if (w->object) {
		from = ++s.p;
		if (!string(&s))
			return false;
		w->key = fl_span(from, (size_t)(s.p - 1 - from));
		if (!eat(&s, ':'))
			return false;
		skip_space(&s);
	}
	from = s.p;
	if (!value(&s, 1))
		return false;
	w->value = fl_span(from, (size_t)(s.p - from));
	w->pos = (size_t)(s.p - s.start);
	return true;
}

bool fl__key_is(struct fl_span key, struct fl_span text)
{
	json_t *v;
	bool same;

	if (!key.n || !memchr(key.p, '\\', key.n))
		return fl_span_eq(key, text);
	v = fl__tree_load(fl_span(key.p - 1, key.n + 2)); /* with its quotes */
	same = v && fl_span_eq(fl__json_text(v), text);
	json_decref(v);
	return same;
}

/* --- pointers --- */

enum { TOKEN_MAX = 256 };

bool fl_pointer_valid(const char *p, size_t *at)
{
	*at = 0;
	if (*p && *p != '/')
		return false;
	for (size_t i = 0, from = 0; p[i]; i++) {
		*at = i;
		if (p[i] == '/')
			from = i;
		if (i - from > TOKEN_MAX || (p[i] == '~' && p[i + 1] != '0' && p[i + 1] != '1'))
			return false;
	}
	return true;
}

/* The next reference token, unescaped; false at the end, or when it is none. */
static bool token_next(const char **p, char out[TOKEN_MAX + 1], size_t *n)
{
	const char *s = *p;

	if (*s != '/')
		return false;
	for (*n = 0, s++; *s && *s != '/'; s++) {
		if (*n == TOKEN_MAX)
			return false;
		out[(*n)++] = *s != '~' ? *s : *++s == '1' ? '/' : '~';
		if (!*s)
			return false;
	}
	out[*n] = '\0';
	*p = s;
	return true;
}

/* An index as RFC 6901 writes it: no leading zeros. */
static bool index_of(const char *t, size_t n, size_t *out)
{
	if (n == 0 || n > 9 || (n > 1 && t[0] == '0'))
		return false;
	for (*out = 0; n; n--, t++) {
		if (*t < '0' || *t > '9')
			return false;
		*out = 10 * *out + (size_t)(*t - '0');
	}
	return true;
}

static int child_at(struct fl_span text, const char *token, size_t n, struct fl_span *out)
{
	struct fl__members w = fl__members_of(text);
	size_t want = 0, i = 0;
	int found = 0;

	if (!w.object && !index_of(token, n, &want))
		return 0;
	for (; fl__members_next(&w); i++) {
		if (w.object ? !fl__key_is(w.key, fl_span(token, n)) : i != want)
			continue;
		if (found)
			return FL_EFORMAT;
		found = 1;
		*out = w.value;
		if (!w.object)
			break;
	}
	return found;
}

int fl__json_at(struct fl_span text, const char *pointer, struct fl_span *out)
{
	char token[TOKEN_MAX + 1];
	size_t n;

	text = fl_span_trim(text);
	while (token_next(&pointer, token, &n)) {
		int ret = child_at(text, token, n, &text);

		if (ret <= 0)
			return ret;
	}
	if (*pointer)
		return 0;
	*out = text;
	return 1;
}

json_t *fl__tree_at(json_t *v, const char *pointer)
{
	char token[TOKEN_MAX + 1];
	size_t n, i;

	while (v && token_next(&pointer, token, &n)) {
		if (json_is_array(v))
			v = index_of(token, n, &i) ? json_array_get(v, i) : NULL;
		else
			v = json_object_get(v, token);
	}
	return *pointer ? NULL : v;
}

json_t *fl__tree_load(struct fl_span text)
{
	json_error_t je;

	if (text.n > FL__ITEM_MAX)
		return NULL;
	/* integers as reals: an id beyond 64 bits in a field of no concern must not cost the record */
	return json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &je);
}

struct fl_span fl__json_text(const json_t *v)
{
	return json_is_string(v) ? fl_span(json_string_value(v), json_string_length(v)) : fl_span("", 0);
}
