/* What only AWS has: GuardDuty's additional information and attack sequences, Security Hub's words (ASFF), DNS Firewall's matches. */
#include "feeds/finding.h"

#include "feeds/scan.h"

enum { WORK_MAX = 4000000 }; /* comparisons: a sequence that asks for more is none of GuardDuty's */

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

static bool array_has(struct fl__reading *r, const json_t *array, const char *s, bool (*same)(const char *, const char *))
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
	const char *key = fl__path_str(indicator, "key");

	if (strcasecmp(key, "MALICIOUS_DOMAIN") != 0 && strcasecmp(key, "CRYPTOMINING_DOMAIN") != 0)
		return NULL;
	return fl__path_get(indicator, "values");
}

static bool indicators_have(struct fl__reading *r, const json_t *indicators, const char *domain)
{
	const json_t *v;
	size_t i;

	json_array_foreach(indicators, i, v)
		if (r->work++ < WORK_MAX && array_has(r, indicator_names(v), domain, fl__name_eq))
			return true;
	return false;
}

/* A signal that is itself a finding, or a DNS log record, at this endpoint. */
static bool signal_points_at(struct fl__reading *r, const json_t *signal, const char *endpoint_id)
{
	const char *type = fl__path_str(signal, "type");

	if (*type && strcasecmp(type, "FINDING") != 0 && strcasecmp(type, "DNS_LOG") != 0)
		return false;
	return *endpoint_id && array_has(r, fl__path_get(signal, "endpointIds"), endpoint_id, text_eq);
}

static bool sequence_agrees(struct fl__reading *r, const char *endpoint_id, const char *domain)
{
	const json_t *signals = fl__path_get(r->sequence, "signals"), *v;
	size_t i;

	if (indicators_have(r, fl__path_get(r->sequence, "sequenceIndicators"), domain))
		return true;
	json_array_foreach(signals, i, v)
		if (r->work++ < WORK_MAX && (signal_points_at(r, v, endpoint_id) || indicators_have(r, fl__path_get(v, "signalIndicators"), domain)))
			return true;
	return false;
}

void fl__take_sequence(struct fl__reading *r, const json_t *v)
{
	r->sequence = v;
}

/* The far end of an attack sequence: its name is bad when the connection did not come in from it, and something in the
 * sequence says so: an indicator with this name, or a finding at this endpoint. */
void fl__take_endpoint(struct fl__reading *r, const json_t *v)
{
	const json_t *domain = fl__path_get(v, "domain");
	const char *direction = fl__path_str(v, "connection.direction");

	if (!json_is_string(domain) || (*direction && strcasecmp(direction, "OUTBOUND") != 0))
		return;
	if (sequence_agrees(r, fl__path_str(v, "id"), json_string_value(domain)))
		fl__take_domain(r, domain);
	else if (r->work >= WORK_MAX)
		r->ret = fl_err_set(r->err, FL_EFORMAT, "an attack sequence larger than any");
}

void fl__take_indicator(struct fl__reading *r, const json_t *v)
{
	const json_t *name;
	size_t i;

	json_array_foreach(indicator_names(v), i, name)
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

static bool ends_with(const char *s, const char *tail)
{
	size_t n = strlen(s), m = strlen(tail);

	return n >= m && strcasecmp(s + n - m, tail) == 0;
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
