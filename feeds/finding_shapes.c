/* The shapes of findings: how each is known, and where each has what (docs/formats/findings.md). One row a field. What is not in a table is not read: no caller's name, no
 * victim's, no free text. */
#include "feeds/finding.h"

#include "feeds/scan.h"
#include "model/digest.h"

enum { ID_MAX = sizeof(((struct fl_claim *)0)->finding) - 1, ID_CUT = 150 };

#define PATHS(table) .paths = table, .n_paths = sizeof(table) / sizeof(*table)

static const struct fl__path guardduty_paths[] = {
	{ "id", fl__take_id },
	{ "type", fl__take_type },
	{ "severity", fl__take_severity },
	{ "createdAt", fl__take_created },
	{ "updatedAt", fl__take_updated },
	{ "title", fl__take_title },
	{ "service.archived", fl__take_archived },
	{ "service.action.dnsRequestAction.domain", fl__take_domain },
	{ "service.additionalInfo.sample", fl__take_sample },
	{ "service.additionalInfo.threatListName", fl__take_threat_list },
	{ "service.additionalInfo.value", fl__take_additional_value },
	{ "service.evidence.threatIntelligenceDetails[].threatListName", fl__take_threat_list },
	{ "service.detection.sequence", fl__take_sequence },
	{ "service.detection.sequence.endpoints[]", fl__take_endpoint },
	{ "service.detection.sequence.signals[].signalIndicators[]", fl__take_indicator },
	{ "service.detection.sequence.sequenceIndicators[]", fl__take_indicator },
};

/* Normalized before Label: a label says more, where the two do not agree. */
static const struct fl__path asff_paths[] = {
	{ "Id", fl__take_arn_id },
	{ "Types[]", fl__take_types },
	{ "FindingProviderFields.Types[]", fl__take_types },
	{ "FindingProviderFields.Severity.Label", fl__take_label },
	{ "Severity.Normalized", fl__take_normalized },
	{ "Severity.Label", fl__take_label },
	{ "CreatedAt", fl__take_created },
	{ "UpdatedAt", fl__take_updated },
	{ "Title", fl__take_title },
	{ "Sample", fl__take_sample },
	{ "RecordState", fl__take_record_state },
	{ "Workflow.Status", fl__take_workflow },
	{ "VerificationState", fl__take_verification },
	{ "Action.DnsRequestAction.Domain", fl__take_domain },
	{ "Network", fl__take_network },
	{ "ThreatIntelIndicators[]", fl__take_intel },
	{ "ProductFields", fl__take_product_fields }, /* last: its name only where there is no other */
};

static const struct fl__path ocsf_paths[] = {
	{ "metadata.uid", fl__take_arn_id },
	{ "finding_info.uid", fl__take_arn_id },
	{ "finding_info.types[]", fl__take_types },
	{ "severity_id", fl__take_severity_id },
	{ "time", fl__take_updated },
	{ "finding_info.created_time", fl__take_created },
	{ "finding_info.created_time_dt", fl__take_created },
	{ "finding_info.modified_time", fl__take_updated },
	{ "finding_info.modified_time_dt", fl__take_updated },
	{ "finding_info.title", fl__take_title },
	{ "activity_id", fl__take_activity },
	{ "status_id", fl__take_status },
	{ "verdict_id", fl__take_verdict },
	{ "evidences[]", fl__take_evidence },
	{ "osint[]", fl__take_osint },
};

static const struct fl__path firewall_paths[] = {
	{ "firewall-rule-action", fl__take_firewall_action },
	{ "firewall-domain-list-id", fl__take_firewall_list },
	{ "last-observed-at", fl__take_updated },
	{ "query-name", fl__take_domain },
};

static const struct fl__path stix_paths[] = {
	{ "id", fl__take_id },
	{ "created", fl__take_created },
	{ "modified", fl__take_updated },
	{ "revoked", fl__take_archived },
	{ "valid_from", fl__take_not_before },
	{ "valid_until", fl__take_expires },
	{ "external_references[].source_name", fl__take_threat_list },
	{ "", fl__take_stix },
};

static const struct fl__path plain_paths[] = {
	{ "id", fl__take_id },
	{ "type", fl__take_type },
	{ "severity", fl__take_severity },
	{ "domain", fl__take_domain },
	{ "reason", fl__take_reason },
	{ "created_at", fl__take_created },
	{ "updated_at", fl__take_updated },
	{ "expires_at", fl__take_expires },
	{ "archived", fl__take_archived },
	{ "sample", fl__take_sample },
};

/* --- how each is known --- */

static const char *const guardduty_keys[] = { "service", "schemaVersion", "detectorId", NULL };
static const char *const asff_keys[] = { "ProductArn", "FindingProviderFields", NULL };
static const char *const ocsf_keys[] = { "class_uid", NULL };
static const char *const firewall_keys[] = { "firewall-rule-action", "query-name", NULL };
static const char *const stix_keys[] = { "pattern", "created_by_ref", "first_observed", NULL }; /* not spec_version: a bundle of STIX 2.0 has it */
static const char *const plain_keys[] = { "domain", NULL };

static const char *judge_guardduty_api(const json_t *obj)
{
	bool api = json_object_get(obj, "Service") || json_object_get(obj, "Type") || json_object_get(obj, "SchemaVersion");

	return api ? NULL : "";
}

static const char *judge_ocsf(const json_t *obj)
{
	return fl__path_num(obj, "class_uid", 0) == 2004 ? NULL : "an OCSF event of another class than Detection Finding (2004), which is not read";
}

static const char *judge_stix(const json_t *obj)
{
	return strcasecmp(fl__path_str(obj, "type"), "indicator") == 0 ? NULL : "a STIX object that is no indicator";
}

/* The plain form, and foreign JSON, may lack an id: then the name is what stays the same when it is sent again. */
static void finish_plain(struct fl__reading *r)
{
	char name[101];

	if (r->domains.n == 0) {
		r->ret = fl_err_set(r->err, FL_EFORMAT, "domain is not a text");
		return;
	}
	if (!r->severity_stated)
		r->f.severity = 7; /* somebody says so: high */
	if (!r->f.id || !*r->f.id)
		r->f.id = fl__reading_printf(r, "plain:%s", fl__id_name(r->domains.v[0], name));
}

/* The first that fits: ASFF has a SchemaVersion too. judge: "" says "another shape", else why there is none. */
static const struct fl__shape shapes[] = {
	{ "asff", asff_keys, NULL, PATHS(asff_paths), NULL },
	{ "ocsf", ocsf_keys, judge_ocsf, PATHS(ocsf_paths), NULL },
	{ "dns-firewall", firewall_keys, NULL, PATHS(firewall_paths), fl__finish_firewall },
	{ "guardduty-api", guardduty_keys, judge_guardduty_api, PATHS(guardduty_paths), NULL },
	{ "guardduty-event", guardduty_keys, NULL, PATHS(guardduty_paths), NULL },
	{ "plain", plain_keys, NULL, PATHS(plain_paths), finish_plain },
	{ "stix", stix_keys, judge_stix, PATHS(stix_paths), fl__finish_stix },
};
enum { N_SHAPES = sizeof(shapes) / sizeof(*shapes) };

bool fl__finding_key_tells(struct fl_span key)
{
	for (size_t i = 0; i < N_SHAPES; i++)
		for (const char *const *k = shapes[i].keys; *k; k++)
			if (key.n == strlen(*k) && strncasecmp((const char *)key.p, *k, key.n) == 0)
				return true;
	return false;
}

static bool has_any(const json_t *obj, const char *const *keys)
{
	for (; *keys; keys++)
		if (fl__finding_member(obj, *keys, strlen(*keys)))
			return true;
	return false;
}

const struct fl__shape *fl__finding_shape(const json_t *obj, const char **why)
{
	for (size_t i = 0; i < N_SHAPES; i++) {
		const char *no;

		if (!has_any(obj, shapes[i].keys))
			continue;
		no = shapes[i].judge ? shapes[i].judge(obj) : NULL;
		if (!no)
			return &shapes[i];
		if (*no) {
			*why = no;
			return NULL;
		}
	}
	*why = "no finding of a known shape (docs/formats/findings.md)";
	return NULL;
}

/* "identity--6f2c...": an id that begins with its type. */
bool fl__finding_is_context(const json_t *obj)
{
	const char *type = fl__path_str(obj, "type"), *id = fl__path_str(obj, "id");
	size_t n = strlen(type);

	return n && strcasecmp(type, "indicator") != 0 && strncmp(id, type, n) == 0 && strncmp(id + n, "--", 2) == 0;
}

/* --- reading --- */

static void read_mapped(struct fl__reading *r, json_t *obj, const struct fl_finding_mapping *m);

/* Ids of some products are longer than a claim keeps: their beginning, and a checksum of all of it. */
static void shorten_id(struct fl__reading *r)
{
	size_t n = strlen(r->f.id);

	if (n > ID_MAX)
		r->f.id = fl__reading_printf(r, "%.*s~%016llx", fl__cut(r->f.id, ID_CUT), r->f.id, (unsigned long long)fl_checksum64(r->f.id, n));
}

/* One piece of evidence that was not judged false is enough. */
static void keep_claimed(struct fl__reading *r)
{
	uint32_t k = 0;

	for (uint32_t i = 0; i < r->withdrawn.n; i++) {
		bool claimed = false;

		for (uint32_t j = 0; j < r->domains.n && !claimed; j++)
			claimed = fl__name_eq(r->withdrawn.v[i], r->domains.v[j]);
		if (!claimed)
			r->withdrawn.v[k++] = r->withdrawn.v[i];
	}
	r->withdrawn.n = k;
}

static int finding_end(struct fl__reading *r, struct fl_finding out[2])
{
	struct fl_finding *f = &r->f;

	if (r->ret < 0)
		return r->ret;
	if (!f->id || !*f->id)
		return fl_err_set(r->err, FL_EFORMAT, "it has no id");
	shorten_id(r);
	if (r->ret < 0)
		return r->ret;
	keep_claimed(r);
	if (r->domains.n == 0 && r->withdrawn.n) {
		f->archived = true;
		r->domains = r->withdrawn;
		r->withdrawn.n = 0;
	}
	if (r->wrong && !f->archived)
		return fl_err_set(r->err, FL_EFORMAT, "%s", r->wrong);
	f->type = f->type ? f->type : "";
	f->reason = f->reason ? f->reason : "";
	f->domains = r->domains.v;
	f->n_domains = r->domains.n;
	f->threat_lists = r->threat_lists.v;
	f->n_threat_lists = r->threat_lists.n;
	out[0] = out[1] = *f;
	if (r->withdrawn.n == 0 || f->archived)
		return 1;
	out[1].archived = true;
	out[1].domains = r->withdrawn.v;
	out[1].n_domains = r->withdrawn.n;
	return 2;
}

int fl__finding_read(json_t *obj, const struct fl__shape *shape, const struct fl_finding_mapping *map, struct fl_arena *arena, struct fl_finding out[2],
		     struct fl_err *err)
{
	struct fl__reading r = { .arena = arena, .err = err };

	r.f.shape = shape ? shape->word : "mapped";
	if (shape)
		for (size_t i = 0; i < shape->n_paths && r.ret == 0; i++)
			fl__path_each(&r, obj, shape->paths[i].path, shape->paths[i].take);
	else
		read_mapped(&r, obj, map);
	if (r.ret == 0 && shape && shape->finish)
		shape->finish(&r);
	return finding_end(&r, out);
}

/* --- foreign JSON --- */

static void take_domains(struct fl__reading *r, const json_t *v)
{
	const json_t *name;
	size_t i;

	if (!json_is_array(v))
		fl__take_domain(r, v);
	else
		json_array_foreach(v, i, name)
			fl__take_domain(r, name);
}

static void read_mapped(struct fl__reading *r, json_t *obj, const struct fl_finding_mapping *m)
{
	const struct {
		const char *pointer;
		fl__taker *take;
	} rows[] = {
		{ m->id, fl__take_id },		   { m->type, fl__take_type },		 { m->severity, fl__take_severity }, { m->domain, take_domains },
		{ m->reason, fl__take_reason },	   { m->updated_at, fl__take_updated },	 { m->expires_at, fl__take_expires },
		{ m->archived, fl__take_archived },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows) && r->ret == 0; i++) {
		const json_t *v = rows[i].pointer && rows[i].pointer[0] ? fl__tree_at(obj, rows[i].pointer) : NULL;

		if (v && !json_is_null(v))
			rows[i].take(r, v);
	}
	if (r->ret == 0)
		finish_plain(r);
}
