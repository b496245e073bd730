/* What only AWS has: GuardDuty's additional information and attack sequences, Security Hub's words (ASFF), DNS Firewall's matches. */
#include "feeds/finding.h"

#include "feeds/scan.h"

/* Members looked at, and texts compared, STEP octets at a time. 400 endpoints with 100 signals, the most there are, ask for some 4 million: a sequence
 * that asks for more than twice that is none of GuardDuty's. */
enum { WORK_MAX = 10000000, STEP = 64 };

static bool ends_with(const char *s, const char *tail)
{
	size_t n = strlen(s), m = strlen(tail);

	return n >= m && strcasecmp(s + n - m, tail) == 0;
}

/* --- GuardDuty --- */

/* additionalInfo.value is JSON text in a string. A second name in it is not evidence enough to block. Text that is no
 * JSON is no reason to refuse the finding. */
void fl__take_additional_value(struct fl__reading *r, const json_t *v)
{
	json_t *doc;

	if (!json_is_string(v) || json_string_length(v) == 0)
		return;
	doc = fl__finding_load(fl__json_text(v), NULL);
	if (!doc)
		return;
	fl__path_each(r, doc, "sample", fl__take_sample);
	fl__path_each(r, doc, "threatListName", fl__take_threat_list);
	json_decref(doc);
}

/* What a sequence asks for is counted; one that asks for too much is refused. False: it is. */
static bool spend(struct fl__reading *r, size_t n)
{
	if (r->ret == 0 && (r->work += (uint32_t)n) >= WORK_MAX)
		r->ret = fl_err_set(r->err, FL_EFORMAT, "an attack sequence larger than any");
	return r->ret == 0;
}

/* A member, which is found by looking at all of them. */
static const json_t *member(struct fl__reading *r, const json_t *obj, const char *key)
{
	return spend(r, 1 + json_object_size(obj)) ? fl__finding_member(obj, key, strlen(key)) : NULL;
}

static const char *member_str(struct fl__reading *r, const json_t *obj, const char *key)
{
	const char *s = json_string_value(member(r, obj, key));

	return s ? s : "";
}

static bool array_has(struct fl__reading *r, const json_t *array, const json_t *text, bool (*same)(const char *, const char *))
{
	const json_t *v;
	size_t i;

	json_array_foreach(array, i, v) {
		if (!spend(r, 1 + (json_string_length(v) + json_string_length(text)) / STEP))
			return false;
		if (json_is_string(v) && same(json_string_value(v), json_string_value(text)))
			return true;
	}
	return false;
}

static bool text_eq(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

/* MALICIOUS_DOMAIN and CRYPTOMINING_DOMAIN are the indicators whose values are bad names. */
static const json_t *indicator_names(struct fl__reading *r, const json_t *indicator)
{
	const char *key = member_str(r, indicator, "key");

	if (strcasecmp(key, "MALICIOUS_DOMAIN") != 0 && strcasecmp(key, "CRYPTOMINING_DOMAIN") != 0)
		return NULL;
	return member(r, indicator, "values");
}

static bool indicators_have(struct fl__reading *r, const json_t *indicators, const json_t *domain)
{
	const json_t *v;
	size_t i;

	json_array_foreach(indicators, i, v)
		if (array_has(r, indicator_names(r, v), domain, fl__name_eq))
			return true;
	return false;
}

/* A signal that is itself a finding, at this endpoint, which was connected to. One by DNS ("...!DNS") is a question that went out. */
static bool signal_points_at(struct fl__reading *r, const json_t *signal, const json_t *endpoint_id, bool outbound)
{
	if (json_string_length(endpoint_id) == 0 || strcasecmp(member_str(r, signal, "type"), "FINDING") != 0)
		return false;
	return (outbound || ends_with(member_str(r, signal, "name"), "!DNS")) && array_has(r, member(r, signal, "endpointIds"), endpoint_id, text_eq);
}

static bool signals_agree(struct fl__reading *r, const json_t *domain, const json_t *endpoint_id, bool outbound)
{
	const json_t *v;
	size_t i;

	json_array_foreach(r->signals, i, v)
		if (indicators_have(r, member(r, v, "signalIndicators"), domain) || signal_points_at(r, v, endpoint_id, outbound))
			return true;
	return false;
}

void fl__take_sequence(struct fl__reading *r, const json_t *v)
{
	r->signals = member(r, v, "signals");
	r->indicators = member(r, v, "sequenceIndicators");
}

/* The far end of an attack sequence: its name is bad when the connection did not come in from it, and something in the
 * sequence says so: an indicator with this name, or a finding that something here went out to it. */
void fl__take_endpoint(struct fl__reading *r, const json_t *v)
{
	const json_t *domain = member(r, v, "domain");
	const char *direction = member_str(r, member(r, v, "connection"), "direction");
	bool outbound = strcasecmp(direction, "OUTBOUND") == 0;

	if (!json_is_string(domain) || (*direction && !outbound))
		return;
	if (indicators_have(r, r->indicators, domain) || signals_agree(r, domain, member(r, v, "id"), outbound))
		fl__take_domain(r, domain);
}

void fl__take_indicator(struct fl__reading *r, const json_t *v)
{
	const json_t *name;
	size_t i;

	json_array_foreach(indicator_names(r, v), i, name)
		if (r->ret == 0)
			fl__take_domain(r, name);
}

/* --- Security Hub --- */

/* Bands of the scale. What was stated as a number before stays where the two agree. */
void fl__take_label(struct fl__reading *r, const json_t *v)
{
	static const struct {
		const char *word;
		double from, below;
	} bands[] = { { "informational", 0, 1 }, { "low", 1, 4 }, { "medium", 4, 7 }, { "high", 7, 9 }, { "critical", 9, 11 } };
	const char *s = json_string_value(v);

	for (size_t i = 0; s && i < sizeof(bands) / sizeof(*bands); i++) {
		if (strcasecmp(s, bands[i].word) != 0)
			continue;
		if (!r->severity_stated || r->f.severity < bands[i].from || r->f.severity >= bands[i].below)
			fl__take_score(r, bands[i].from);
		return;
	}
	fl__wrong(r, "severity is neither a number nor low, medium, high, critical");
}

void fl__take_normalized(struct fl__reading *r, const json_t *v)
{
	if (json_is_number(v))
		fl__take_score(r, json_number_value(v) / 10);
}

/* Is the text one of these words? Ended by NULL. */
static bool is_one_of(const json_t *v, const char *const *words)
{
	const char *s = json_string_value(v);

	for (; s && *words; words++)
		if (strcasecmp(s, *words) == 0)
			return true;
	return false;
}

void fl__take_record_state(struct fl__reading *r, const json_t *v)
{
	static const char *const ended[] = { "ARCHIVED", NULL };

	r->f.archived = r->f.archived || is_one_of(v, ended);
}

void fl__take_workflow(struct fl__reading *r, const json_t *v)
{
	static const char *const ended[] = { "SUPPRESSED", "RESOLVED", NULL };

	r->f.archived = r->f.archived || is_one_of(v, ended);
}

void fl__take_verification(struct fl__reading *r, const json_t *v)
{
	static const char *const ended[] = { "FALSE_POSITIVE", "BENIGN_POSITIVE", NULL };

	r->f.archived = r->f.archived || is_one_of(v, ended);
}

/* Where a connection went to; where one came from is a caller. */
void fl__take_network(struct fl__reading *r, const json_t *v)
{
	if (strcasecmp(fl__path_str(v, "Direction"), "OUT") == 0)
		fl__path_each(r, v, "DestinationDomain", fl__take_domain);
}

void fl__take_intel(struct fl__reading *r, const json_t *v)
{
	if (strcasecmp(fl__path_str(v, "Type"), "DOMAIN") == 0)
		fl__path_each(r, v, "Value", fl__take_domain);
	fl__path_each(r, v, "Source", fl__take_threat_list);
}

/* A flat map, its keys GuardDuty's paths: "aws/guardduty/service/additionalInfo/sample"; older ones begin with "action/". */
void fl__take_product_fields(struct fl__reading *r, const json_t *v)
{
	bool named = r->domains.n || r->withdrawn.n;
	const char *k;
	json_t *m;

	if (!json_is_object(v))
		return;
	json_object_foreach((json_t *)v, k, m) {
		if (ends_with(k, "/threatListName"))
			fl__take_threat_list(r, m);
		else if (strcasecmp(k, "aws/guardduty/service/additionalInfo/sample") == 0)
			fl__take_sample(r, m);
		else if (strcasecmp(k, "aws/guardduty/service/archived") == 0)
			fl__take_archived(r, m);
		else if (!named && r->ret == 0 &&
			 (strcasecmp(k, "aws/guardduty/service/action/dnsRequestAction/domain") == 0 || strcasecmp(k, "action/dnsRequestAction/domain") == 0))
			fl__take_domain(r, m);
	}
}

/* --- DNS Firewall --- */

/* BLOCK and ALERT are what another firewall did with a question; how bad the name is, it does not say: high, and medium. */
void fl__take_firewall_action(struct fl__reading *r, const json_t *v)
{
	static const char *const block[] = { "BLOCK", NULL }, *const alert[] = { "ALERT", NULL };
	bool blocked = is_one_of(v, block);

	if (!blocked && !is_one_of(v, alert)) {
		fl__wrong(r, "firewall-rule-action is neither BLOCK nor ALERT");
		return;
	}
	r->f.type = fl__reading_printf(r, "DNSFirewall:%s", blocked ? "BLOCK" : "ALERT");
	fl__take_score(r, blocked ? 7 : 4);
}

void fl__take_firewall_list(struct fl__reading *r, const json_t *v)
{
	fl__take_threat_list(r, v);
	r->list_id = json_string_value(v);
}

/* An event has an id of its own, a match has none: list and name are what stays the same when it happens again. */
void fl__finish_firewall(struct fl__reading *r)
{
	const char *list = r->list_id ? r->list_id : "";
	char name[101];

	if (r->domains.n == 0)
		r->ret = fl_err_set(r->err, FL_EFORMAT, "query-name is not a text");
	else
		r->f.id = fl__reading_printf(r, "dns-firewall:%.*s:%s", fl__cut(list, 60), list, fl__id_name(r->domains.v[0], name));
}
