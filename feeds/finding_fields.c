/* The fields of one finding: one table of paths, from which everything is read. A path is member names joined by dots,
 * "[]" goes through an array. Start at the table. */
#include "feeds/finding.h"

#include <math.h>

/* AWS sends 400 endpoints and values at most; a document that asks for more work than WORK_MAX comparisons is none of theirs. */
enum { NAMES_MAX = 1024, SEVERITY_MAX_TEXT = 16, WORK_MAX = 4000000 };

struct names {
	const char **v;
	uint32_t n, cap;
};

struct reading {
	struct fl_arena *arena;
	struct fl_finding f;
	struct names domains, threat_lists;
	const json_t *sequence;
	uint32_t work;
	bool severity_stated;
	struct fl_err *err;
	int ret;
};

typedef void taker(struct reading *r, const json_t *v);
static taker take_id, take_type, take_severity, take_archived, take_sample, take_title, take_created, take_updated,
	take_expires, take_reason, take_domain, take_threat_list, take_value, take_sequence, take_endpoint, take_indicator;

/* In this order. */
static const struct path {
	const char *path;
	taker *take;
} guardduty_paths[] = {
	{ "id", take_id },
	{ "type", take_type },
	{ "severity", take_severity },
	{ "createdAt", take_created },
	{ "updatedAt", take_updated },
	{ "title", take_title },
	{ "service.archived", take_archived },
	{ "service.action.dnsRequestAction.domain", take_domain },
	{ "service.additionalInfo.sample", take_sample },
	{ "service.additionalInfo.threatListName", take_threat_list },
	{ "service.additionalInfo.value", take_value },
	{ "service.evidence.threatIntelligenceDetails[].threatListName", take_threat_list },
	{ "service.detection.sequence", take_sequence },
	{ "service.detection.sequence.endpoints[]", take_endpoint },
	{ "service.detection.sequence.signals[].signalIndicators[]", take_indicator },
	{ "service.detection.sequence.sequenceIndicators[]", take_indicator },
}, plain_paths[] = {
	{ "id", take_id },
	{ "type", take_type },
	{ "severity", take_severity },
	{ "domain", take_domain },
	{ "reason", take_reason },
	{ "created_at", take_created },
	{ "updated_at", take_updated },
	{ "expires_at", take_expires },
	{ "archived", take_archived },
	{ "sample", take_sample },
};

/* Every value at the path. */
static void path_each(struct reading *r, const json_t *v, const char *path, taker *take)
{
	while (v && *path && r->ret == 0) {
		size_t n = strcspn(path, ".[");

		v = fl__finding_member(v, path, n);
		path += n;
		if (path[0] == '[') {
			size_t count = json_is_array(v) ? json_array_size(v) : 0;

			path += 2 + (path[2] == '.');
			for (size_t i = 0; i < count && r->ret == 0; i++)
				path_each(r, json_array_get(v, i), path, take);
			return;
		}
		path += *path == '.';
	}
	if (v && r->ret == 0 && !json_is_null(v))
		take(r, v);
}

/* The value at a path without arrays. */
static const json_t *path_get(const json_t *v, const char *path)
{
	while (v && *path) {
		size_t n = strcspn(path, ".");

		v = fl__finding_member(v, path, n);
		path += n + (path[n] == '.');
	}
	return v;
}

static const char *copy(struct reading *r, const json_t *v)
{
	char *s;

	if (!json_is_string(v))
		return NULL;
	s = fl_arena_strn(r->arena, json_string_value(v), json_string_length(v));
	if (!s)
		r->ret = fl_err_set(r->err, FL_ENOMEM, "out of memory");
	return s;
}

static bool truth(const json_t *v)
{
	return json_is_true(v) || (json_is_string(v) && strcasecmp(json_string_value(v), "true") == 0);
}

/* Once each; a finding with more names than any finding has is refused, not cut. */
static void names_add(struct reading *r, struct names *names, const json_t *v)
{
	const char *s = json_string_value(v);

	if (!s || !*s)
		return;
	for (uint32_t i = 0; i < names->n; i++)
		if (strcmp(names->v[i], s) == 0)
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
	s = copy(r, v);
	if (s)
		names->v[names->n++] = s;
}

static void take_id(struct reading *r, const json_t *v)
{
	r->f.id = copy(r, v);
}

static void take_type(struct reading *r, const json_t *v)
{
	r->f.type = copy(r, v);
}

static void take_reason(struct reading *r, const json_t *v)
{
	r->f.reason = copy(r, v);
}

static void take_archived(struct reading *r, const json_t *v)
{
	r->f.archived = truth(v);
}

static void take_sample(struct reading *r, const json_t *v)
{
	r->f.sample = r->f.sample || truth(v);
}

static void take_title(struct reading *r, const json_t *v)
{
	const char *s = json_string_value(v);

	r->f.sample = r->f.sample || (s && strncmp(s, "[SAMPLE]", 8) == 0);
}

static void take_domain(struct reading *r, const json_t *v)
{
	const char *s = json_string_value(v);

	if (s && strncasecmp(s, "GeneratedFindingDomainName", 26) == 0)
		r->f.sample = true; /* what a generated sample says in place of a name */
	names_add(r, &r->domains, v);
}

static void take_threat_list(struct reading *r, const json_t *v)
{
	names_add(r, &r->threat_lists, v);
}

/* additionalInfo.value is JSON text in a string. A second name in it is not evidence enough to block. Text that is no
 * JSON is no reason to refuse the finding. */
static void take_value(struct reading *r, const json_t *v)
{
	json_t *doc;

	if (!json_is_string(v) || json_string_length(v) == 0)
		return;
	doc = fl__finding_load(fl_span(json_string_value(v), json_string_length(v)), NULL);
	if (!doc)
		return;
	path_each(r, doc, "sample", take_sample);
	path_each(r, doc, "threatListName", take_threat_list);
	json_decref(doc);
}

/* A number, a number as text, or one of the words; the floor of its band then. */
static void take_severity(struct reading *r, const json_t *v)
{
	static const struct {
		const char *word;
		double floor;
	} words[] = { { "informational", 0 }, { "low", 1 }, { "medium", 4 }, { "high", 7 }, { "critical", 9 } };
	const char *s = json_string_value(v);
	double d;
	int used = 0;

	if (json_is_number(v)) {
		r->f.severity = json_number_value(v);
		r->severity_stated = true;
		return;
	}
	for (size_t i = 0; s && i < sizeof(words) / sizeof(*words); i++) {
		if (strcasecmp(s, words[i].word) == 0) {
			r->f.severity = words[i].floor;
			r->severity_stated = true;
			return;
		}
	}
	if (s && strlen(s) < SEVERITY_MAX_TEXT && sscanf(s, "%lf%n", &d, &used) == 1 && s[used] == '\0' && isfinite(d)) {
		r->f.severity = d;
		r->severity_stated = true;
		return;
	}
	r->ret = fl_err_set(r->err, FL_EFORMAT, "severity is neither a number nor low, medium, high, critical");
}

/* RFC 3339, or unix time in seconds or milliseconds. */
static bool time_read(const json_t *v, fl_unix_us *out)
{
	double t;

	if (json_is_string(v))
		return fl_time_parse(json_string_value(v), json_string_length(v), out);
	if (!json_is_number(v))
		return false;
	t = json_number_value(v);
	if (t >= 1e11)
		t /= 1000;
	if (!(t > 0 && t < 1e11))
		return false;
	*out = (fl_unix_us)(t * 1e6);
	return true;
}

static void take_created(struct reading *r, const json_t *v)
{
	time_read(v, &r->f.created_at);
}

static void take_updated(struct reading *r, const json_t *v)
{
	time_read(v, &r->f.updated_at);
}

/* Read wrongly, a block would stay for ever or not at all: refused instead. */
static void take_expires(struct reading *r, const json_t *v)
{
	if (!time_read(v, &r->f.expires_at))
		r->ret = fl_err_set(r->err, FL_EFORMAT, "expires_at is no RFC 3339 time");
}

static bool name_eq(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);

	n -= n && a[n - 1] == '.';
	m -= m && b[m - 1] == '.';
	return n && n == m && strncasecmp(a, b, n) == 0;
}

static bool array_has(struct reading *r, const json_t *array, const char *s, bool (*same)(const char *, const char *))
{
	const json_t *v;
	size_t i;

	json_array_foreach(array, i, v)
		if (r->work++ < WORK_MAX && json_is_string(v) && same(json_string_value(v), s))
			return true;
	return false;
}

static bool text_eq(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

/* MALICIOUS_DOMAIN and CRYPTOMINING_DOMAIN are the indicators whose values are bad names. */
static const json_t *indicator_names(const json_t *indicator)
{
	const char *key = json_string_value(path_get(indicator, "key"));

	if (!key || (strcasecmp(key, "MALICIOUS_DOMAIN") != 0 && strcasecmp(key, "CRYPTOMINING_DOMAIN") != 0))
		return NULL;
	return path_get(indicator, "values");
}

static bool indicators_have(struct reading *r, const json_t *indicators, const char *domain)
{
	const json_t *v;
	size_t i;

	json_array_foreach(indicators, i, v)
		if (r->work++ < WORK_MAX && array_has(r, indicator_names(v), domain, name_eq))
			return true;
	return false;
}

/* A signal that is itself a finding, or a DNS log record, at this endpoint. */
static bool signal_points_at(struct reading *r, const json_t *signal, const char *endpoint_id)
{
	const char *type = json_string_value(path_get(signal, "type"));

	if (type && strcasecmp(type, "FINDING") != 0 && strcasecmp(type, "DNS_LOG") != 0)
		return false;
	return endpoint_id && array_has(r, path_get(signal, "endpointIds"), endpoint_id, text_eq);
}

static bool sequence_agrees(struct reading *r, const char *endpoint_id, const char *domain)
{
	const json_t *signals = path_get(r->sequence, "signals"), *v;
	size_t i;

	if (indicators_have(r, path_get(r->sequence, "sequenceIndicators"), domain))
		return true;
	json_array_foreach(signals, i, v)
		if (r->work++ < WORK_MAX && (signal_points_at(r, v, endpoint_id) ||
					     indicators_have(r, path_get(v, "signalIndicators"), domain)))
			return true;
	return false;
}

static void take_sequence(struct reading *r, const json_t *v)
{
	r->sequence = v;
}

/* The far end of an attack sequence: its name is bad when the connection did not come in from it, and something in the
 * sequence says so: an indicator with this name, or a finding at this endpoint. */
static void take_endpoint(struct reading *r, const json_t *v)
{
	const json_t *domain = path_get(v, "domain");
	const char *direction = json_string_value(path_get(v, "connection.direction"));
	const char *id = json_string_value(path_get(v, "id"));

	if (!json_is_string(domain) || (direction && strcasecmp(direction, "OUTBOUND") != 0))
		return;
	if (sequence_agrees(r, id, json_string_value(domain)))
		take_domain(r, domain);
	else if (r->work >= WORK_MAX)
		r->ret = fl_err_set(r->err, FL_EFORMAT, "an attack sequence larger than any");
}

static void take_indicator(struct reading *r, const json_t *v)
{
	const json_t *name;
	size_t i;

	json_array_foreach(indicator_names(v), i, name)
		if (r->ret == 0)
			take_domain(r, name);
}

/* The plain form may lack an id: then the name is what stays the same when it is sent again. */
static void plain_defaults(struct reading *r)
{
	if (r->domains.n == 0) {
		r->ret = fl_err_set(r->err, FL_EFORMAT, "domain is not a text");
		return;
	}
	if (!r->severity_stated)
		r->f.severity = 7; /* somebody says so: high */
	if (!r->f.id)
		r->f.id = fl_arena_printf(r->arena, "plain:%s", r->domains.v[0]);
	if (!r->f.id)
		r->ret = fl_err_set(r->err, FL_ENOMEM, "out of memory");
}

static void paths_read(struct reading *r, const json_t *obj, const struct path *paths, size_t n)
{
	for (size_t i = 0; i < n && r->ret == 0; i++)
		path_each(r, obj, paths[i].path, paths[i].take);
}

int fl__finding_read(const json_t *obj, const char *shape, struct fl_arena *arena, struct fl_finding *out,
		     struct fl_err *err)
{
	struct reading r = { .arena = arena, .err = err };
	bool plain = strcmp(shape, "plain") == 0;

	r.f.shape = shape;
	if (plain)
		paths_read(&r, obj, plain_paths, sizeof(plain_paths) / sizeof(*plain_paths));
	else
		paths_read(&r, obj, guardduty_paths, sizeof(guardduty_paths) / sizeof(*guardduty_paths));
	if (r.ret == 0 && plain)
		plain_defaults(&r);
	if (r.ret < 0)
		return r.ret;
	if (!r.f.id || !*r.f.id)
		return fl_err_set(err, FL_EFORMAT, "it has no id");
	r.f.type = r.f.type ? r.f.type : "";
	r.f.reason = r.f.reason ? r.f.reason : "";
	r.f.domains = r.domains.v;
	r.f.n_domains = r.domains.n;
	r.f.threat_lists = r.threat_lists.v;
	r.f.n_threat_lists = r.threat_lists.n;
	*out = r.f;
	return 0;
}
