/* Walking a path of a finding, and taking what all shapes have: id, type, severity, times, names. Start at fl__path_each(). */
#include "feeds/finding.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

/* AWS sends 400 endpoints and values at most. */
enum { NAMES_MAX = 1024, NUMBER_TEXT_MAX = 24, ID_NAME_MAX = 100 };
#define INTEGER_MAX 9007199254740992.0 /* 2^53: what a double has exactly */

void fl__wrong(struct fl__reading *r, const char *why)
{
	if (!r->wrong)
		r->wrong = why;
}

/* A member in two spellings is two answers. */
static const json_t *member(struct fl__reading *r, const json_t *obj, const char *key, size_t n)
{
	const json_t *v = NULL, *m;
	const char *k;

	if (!json_is_object(obj))
		return NULL;
	json_object_foreach((json_t *)obj, k, m) {
		if (strncasecmp(k, key, n) != 0 || k[n] != '\0')
			continue;
		if (v) {
			r->ret = fl_err_set(r->err, FL_EFORMAT, "'%.*s' stands twice, in two spellings", (int)n, key);
			return NULL;
		}
		v = m;
	}
	return v;
}

void fl__path_each(struct fl__reading *r, const json_t *v, const char *path, fl__taker *take)
{
	while (v && *path && r->ret == 0) {
		size_t n = strcspn(path, ".[");

		v = member(r, v, path, n);
		path += n;
		if (path[0] == '[') {
			size_t count = json_is_array(v) ? json_array_size(v) : 0;

			path += 2 + (path[2] == '.');
			for (size_t i = 0; i < count && r->ret == 0; i++)
				fl__path_each(r, json_array_get(v, i), path, take);
			return;
		}
		path += *path == '.';
	}
	if (v && r->ret == 0 && !json_is_null(v))
		take(r, v);
}

const json_t *fl__path_get(const json_t *v, const char *path)
{
	while (v && *path) {
		size_t n = strcspn(path, ".");

		v = fl__finding_member(v, path, n);
		path += n + (path[n] == '.');
	}
	return v;
}

const char *fl__path_str(const json_t *v, const char *path)
{
	const char *s = json_string_value(fl__path_get(v, path));

	return s ? s : "";
}

static bool number_of(const json_t *v, double *out)
{
	const char *s = json_string_value(v);
	int used = 0;

	if (json_is_number(v)) {
		*out = json_number_value(v);
		return true;
	}
	return s && strlen(s) < NUMBER_TEXT_MAX && sscanf(s, "%lf%n", out, &used) == 1 && s[used] == '\0' && isfinite(*out);
}

double fl__path_num(const json_t *v, const char *path, double dflt)
{
	double d;

	return number_of(fl__path_get(v, path), &d) ? d : dflt;
}

bool fl__path_true(const json_t *v)
{
	return json_is_true(v) || (json_is_string(v) && strcasecmp(json_string_value(v), "true") == 0);
}

const char *fl__reading_printf(struct fl__reading *r, const char *fmt, ...)
{
	char text[512];
	const char *s;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	s = fl_arena_str(r->arena, text);
	if (!s)
		r->ret = fl_err_set(r->err, FL_ENOMEM, "out of memory");
	return s;
}

int fl__cut(const char *s, size_t max)
{
	size_t n = strnlen(s, max + 1);

	if (n > max)
		for (n = max; n && ((uint8_t)s[n] & 0xc0) == 0x80;)
			n--;
	return (int)n;
}

const char *fl__id_name(const char *name, char out[101])
{
	size_t n = (size_t)fl__cut(name, ID_NAME_MAX);

	if (n < ID_NAME_MAX && n && name[n - 1] == '.')
		n--;
	for (size_t i = 0; i < n; i++)
		out[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] + 32) : name[i];
	out[n] = '\0';
	return out;
}

static const char *copy(struct fl__reading *r, const char *text, size_t n)
{
	char *s = fl_arena_strn(r->arena, text, n);

	if (!s)
		r->ret = fl_err_set(r->err, FL_ENOMEM, "out of memory");
	return s;
}

static const char *copy_text(struct fl__reading *r, const json_t *v)
{
	return json_is_string(v) ? copy(r, json_string_value(v), json_string_length(v)) : NULL;
}

/* --- names --- */

bool fl__name_eq(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);

	n -= n && a[n - 1] == '.';
	m -= m && b[m - 1] == '.';
	return n && n == m && strncasecmp(a, b, n) == 0;
}

/* Once each; a finding with more names than any finding has is refused, not cut. */
static void names_add(struct fl__reading *r, struct fl__names *names, struct fl_span name)
{
	if (name.n == 0)
		return;
	for (uint32_t i = 0; i < names->n; i++)
		if (fl_span_eqs(name, names->v[i]))
			return;
	if (names->n == NAMES_MAX) {
		r->ret = fl_err_set(r->err, FL_EFORMAT, "more than %d names in one finding", (int)NAMES_MAX);
		return;
	}
	if (names->n == names->cap) {
		uint32_t cap = names->cap ? names->cap * 2 : 4;
		const char **grown = fl_arena_array(r->arena, cap, sizeof(*grown));

		if (!grown) {
			r->ret = fl_err_set(r->err, FL_ENOMEM, "out of memory");
			return;
		}
		if (names->n)
			memcpy(grown, names->v, names->n * sizeof(*grown));
		names->v = grown;
		names->cap = cap;
	}
	names->v[names->n] = copy(r, (const char *)name.p, name.n);
	names->n += names->v[names->n] != NULL;
}

void fl__take_name(struct fl__reading *r, struct fl_span name)
{
	/* what a generated sample says in place of a name */
	if (name.n >= 26 && strncasecmp((const char *)name.p, "GeneratedFindingDomainName", 26) == 0)
		r->f.sample = true;
	names_add(r, r->judged_false ? &r->withdrawn : &r->domains, name);
}

void fl__take_domain(struct fl__reading *r, const json_t *v)
{
	if (json_is_string(v))
		fl__take_name(r, fl_span(json_string_value(v), json_string_length(v)));
}

void fl__take_threat_list(struct fl__reading *r, const json_t *v)
{
	if (json_is_string(v))
		names_add(r, &r->threat_lists, fl_span(json_string_value(v), json_string_length(v)));
}

/* --- what it is --- */

/* A text; foreign systems also count their cases. */
void fl__take_id(struct fl__reading *r, const json_t *v)
{
	double d;

	if (json_is_number(v) && number_of(v, &d) && d == floor(d) && fabs(d) < INTEGER_MAX)
		r->f.id = fl__reading_printf(r, "%.0f", d);
	else
		r->f.id = copy_text(r, v);
}

/* Security Hub calls a GuardDuty finding by its ARN, GuardDuty by the last part of that: it is one finding, and a verdict on it there counts here. */
void fl__take_arn_id(struct fl__reading *r, const json_t *v)
{
	const char *s = json_string_value(v), *tail;

	tail = s && strncmp(s, "arn:", 4) == 0 && strstr(s, ":guardduty:") ? strstr(s, "/finding/") : NULL;
	if (tail && tail[9] && !strchr(tail + 9, '/'))
		r->f.id = copy(r, tail + 9, strlen(tail + 9));
	else
		fl__take_id(r, v);
}

void fl__take_type(struct fl__reading *r, const json_t *v)
{
	r->f.type = copy_text(r, v);
}

/* "TTPs/Command and Control/Backdoor:EC2-C&CActivity.B!DNS": the finding's own type begins behind the last slash before its colon; GuardDuty's own spelling has another
 * slash behind that. The first type with a colon counts; without any, the first text as it stands. */
void fl__take_types(struct fl__reading *r, const json_t *v)
{
	const char *s = json_string_value(v), *colon = s ? strchr(s, ':') : NULL, *slash = colon ? memrchr(s, '/', (size_t)(colon - s)) : NULL;

	if (!s || (r->f.type && (!colon || strchr(r->f.type, ':'))))
		return;
	s = slash ? slash + 1 : s;
	r->f.type = copy(r, s, strlen(s));
}

void fl__take_reason(struct fl__reading *r, const json_t *v)
{
	r->f.reason = copy_text(r, v);
}

void fl__take_archived(struct fl__reading *r, const json_t *v)
{
	r->f.archived = r->f.archived || fl__path_true(v);
}

void fl__take_sample(struct fl__reading *r, const json_t *v)
{
	r->f.sample = r->f.sample || fl__path_true(v);
}

void fl__take_title(struct fl__reading *r, const json_t *v)
{
	const char *s = json_string_value(v);

	r->f.sample = r->f.sample || (s && strncmp(s, "[SAMPLE]", 8) == 0);
}

/* --- severity --- */

void fl__take_score(struct fl__reading *r, double severity)
{
	if (!(severity >= 0 && severity <= 10)) {
		fl__wrong(r, "severity is not within 0 to 10");
		return;
	}
	r->f.severity = severity;
	r->severity_stated = true;
}

/* A number, a number as text, or one of the words; the floor of its band then. */
void fl__take_severity(struct fl__reading *r, const json_t *v)
{
	double d;

	if (json_is_string(v) && !number_of(v, &d))
		fl__take_label(r, v);
	else if (number_of(v, &d))
		fl__take_score(r, d);
	else
		fl__wrong(r, "severity is neither a number nor low, medium, high, critical");
}

/* --- times --- */

/* RFC 3339, or unix time in seconds or milliseconds, maybe as text. */
static bool time_read(const json_t *v, fl_unix_us *out)
{
	double t;

	if (json_is_string(v) && fl_time_parse(json_string_value(v), json_string_length(v), out))
		return true;
	if (!number_of(v, &t))
		return false;
	if (t >= 1e11)
		t /= 1000;
	if (!(t > 0 && t < 1e11))
		return false;
	*out = (fl_unix_us)(t * 1e6);
	return true;
}

void fl__take_created(struct fl__reading *r, const json_t *v)
{
	time_read(v, &r->f.created_at);
}

void fl__take_updated(struct fl__reading *r, const json_t *v)
{
	time_read(v, &r->f.updated_at);
}

/* Read wrongly, a block would stay for ever or not at all: refused instead. Of several the latest. */
void fl__take_expires(struct fl__reading *r, const json_t *v)
{
	fl_unix_us t = 0;

	if (!time_read(v, &t))
		fl__wrong(r, "its expiry is no RFC 3339 time");
	else if (t > r->f.expires_at)
		r->f.expires_at = t;
}

void fl__take_not_before(struct fl__reading *r, const json_t *v)
{
	if (!time_read(v, &r->f.not_before))
		fl__wrong(r, "the time from which it is valid is no RFC 3339 time");
}
