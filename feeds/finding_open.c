/* What only the open standards have: OCSF Detection Finding (schema.ocsf.io, class 2004) and STIX 2 indicators (OASIS STIX 2.1, section 4.7). */
#include "feeds/finding.h"

#include "feeds/scan.h"
#include "feeds/stix.h"

/* Is the number one of these? Ended by 0. */
static bool is_one_of(double d, const int *ids)
{
	for (; *ids; ids++)
		if (d == *ids)
			return true;
	return false;
}

static double number(const json_t *v)
{
	return fl__path_num(v, "", 0);
}

/* --- OCSF --- */

/* 0 Unknown and 99 Other say nothing. */
void fl__take_severity_id(struct fl__reading *r, const json_t *v)
{
	static const double floors[] = { [1] = 0, [2] = 1, [3] = 4, [4] = 7, [5] = 9, [6] = 10 };
	double id = number(v);

	for (int i = 1; i <= 6; i++)
		if (id == i)
			fl__take_score(r, floors[i]);
}

/* 3 Close */
void fl__take_activity(struct fl__reading *r, const json_t *v)
{
	r->f.archived = r->f.archived || number(v) == 3;
}

/* 3 Suppressed, 4 Resolved, 5 Archived, 6 Deleted */
void fl__take_status(struct fl__reading *r, const json_t *v)
{
	r->f.archived = r->f.archived || is_one_of(number(v), (const int[]){ 3, 4, 5, 6, 0 });
}

/* 1 False Positive, 5 Benign, 10 Duplicate */
static bool is_false(double verdict)
{
	return is_one_of(verdict, (const int[]){ 1, 5, 10, 0 });
}

void fl__take_verdict(struct fl__reading *r, const json_t *v)
{
	r->f.archived = r->f.archived || is_false(number(v));
}

/* What was asked for, and where a connection went to. A verdict on a piece of evidence is on its names alone. */
void fl__take_evidence(struct fl__reading *r, const json_t *v)
{
	bool outbound = fl__path_num(v, "connection_info.direction_id", 0) == 2;
	const char *host = fl__path_str(v, "dst_endpoint.hostname");

	r->judged_false = is_false(fl__path_num(v, "verdict_id", 0));
	fl__path_each(r, v, "query.hostname", fl__take_domain);
	if (outbound)
		fl__path_each(r, v, *host ? "dst_endpoint.hostname" : "dst_endpoint.domain", fl__take_domain);
	r->judged_false = false;
}

/* 2 Domain, 3 Hostname */
void fl__take_osint(struct fl__reading *r, const json_t *v)
{
	fl__path_each(r, v, "vendor_name", fl__take_threat_list);
	if (!is_one_of(fl__path_num(v, "type_id", 0), (const int[]){ 2, 3, 0 }))
		return;
	fl__path_each(r, v, "value", fl__take_domain);
	fl__path_each(r, v, "expiration_time", fl__take_expires);
	fl__path_each(r, v, "expiration_time_dt", fl__take_expires);
}

/* --- STIX --- */

struct taking {
	struct fl__reading *r;
	bool url;
};

static int take_pattern_name(void *ctx, enum fl__kind kind, struct fl_span text)
{
	struct taking *t = ctx;

	if (kind == FL__KIND_NAME)
		fl__take_name(t->r, text);
	t->url = t->url || kind == FL__KIND_URL;
	return t->r->ret;
}

/* A name alone must be what the whole pattern asks for; of a URL the host is often not to blame. */
static void take_pattern(struct fl__reading *r, const json_t *v)
{
	const char *language = fl__path_str(v, "pattern_type");
	enum fl_drop why = FL_DROP_NOT_APPLICABLE;
	struct taking t = { .r = r };
	int ret = 0;

	if (!*language || strcasecmp(language, "stix") == 0)
		why = fl__stix_pattern(fl_span_str(fl__path_str(v, "pattern")), take_pattern_name, &t, &ret);
	if (why == FL_DROP_COUNT)
		why = t.url ? FL_DROP_NOT_APPLICABLE : FL_DROP_PATTERN; /* LIKE and its kin alone */
	if (r->domains.n == 0)
		r->f.no_domain = why;
}

/* "STIX:malicious-activity": the first of its types, in STIX 2.0 of its labels. */
static void take_stix_type(struct fl__reading *r, const json_t *v)
{
	const json_t *types = fl__path_get(v, "indicator_types");
	const char *first;

	if (json_array_size(types) == 0)
		types = fl__path_get(v, "labels");
	first = json_string_value(json_array_get(types, 0));
	first = first ? first : "indicator";
	r->f.type = fl__reading_printf(r, "STIX:%.*s", fl__cut(first, 90), first);
}

/* An indicator has no severity. Its confidence, 0 to 100, is what there is to be asked for. */
void fl__take_stix(struct fl__reading *r, const json_t *v)
{
	double confidence = fl__path_num(v, "confidence", -1);

	take_stix_type(r, v);
	if (confidence >= 0 && confidence <= 100)
		fl__take_score(r, confidence / 10);
	if (r->ret == 0)
		take_pattern(r, v);
}

void fl__finish_stix(struct fl__reading *r)
{
	if (!r->severity_stated)
		r->f.severity = 7; /* somebody says so: high */
}
