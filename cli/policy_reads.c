/* What an enforcer says of its policy: explanations, the order of rules, bypasses, as JSON. For the admin thread, under the role's lock. Start at fl_policy_explain(). */
#include "cli/policy_reads.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "cli/json.h"

static bool client_of(const char *text, struct fl_client *out)
{
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, text, out->addr) == 1)
		return true;
	out->v6 = true;
	return inet_pton(AF_INET6, text, out->addr) == 1;
}

static json_t *because_json(const struct fl_view *v, struct fl_span key)
{
	struct fl_match m[64];
	struct fl_walk w;
	const struct fl_image_input *in;
	char scope[FL_SCOPE_TEXT];
	json_t *a = json_array();
	size_t n;

	fl_image_walk(v->image, key, &w);
	n = fl_walk_inputs(v->image, &w, m, 64);
	fl_image_inputs(v->image, &in);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(a, json_pack("{s:s, s:s, s:I, s:o, s:s}", "list", in[m[i].input].list, "source", in[m[i].input].source, "version",
						   (json_int_t)in[m[i].input].id.number, "entry", fl_json_key(fl_span(key.p, m[i].key_len)), "scope",
						   fl_scope_format(m[i].scope, scope)));
	return a;
}

static json_t *steps_json(const struct fl_decide_step *s, size_t n)
{
	static const char *const words[] = { "matched", "no match", "q_type does not fit", "list never held", "not reached" };
	json_t *a = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(a, json_pack("{s:s?, s:s?, s:s, s:i, s:s, s:s}", "rule_group", s[i].rule_group, "rule", s[i].rule, "list", s[i].list,
						   "priority", (int)s[i].priority, "action", fl_action_word(s[i].action), "result", words[s[i].what]));
	return a;
}

static json_t *decision_json(const struct fl_decision *d, struct fl_span key)
{
	char scope[FL_SCOPE_TEXT];
	const char *response = fl_block_response_word(d->response);
	json_t *o = json_pack("{s:s, s:s?, s:b, s:s?}", "verdict", fl_action_word(d->action), "response", response, "degraded", d->degraded, "association",
			      d->association);

	if (o && d->list) {
		json_object_set_new(o, "matched", json_pack("{s:o, s:s, s:i}", "entry", fl_json_key(fl_span(key.p, d->entry_len)), "scope",
							    fl_scope_format(d->entry_scope, scope), "hop", (int)d->hop));
		json_object_set_new(o, "rule", json_pack("{s:s?, s:s?, s:i, s:s, s:I}", "rule_group", d->rule_group, "rule", d->rule_name, "priority",
							 d->rule ? (int)d->rule->priority : 0, "list", d->list, "list_version", (json_int_t)d->list_version));
	}
	return o;
}

static json_t *bypass_json(const struct fl_bypass *b)
{
	return b ? json_pack("{s:s?, s:o, s:o, s:s, s:s}", "association", b->association[0] ? b->association : NULL, "since", fl_json_time(b->since), "until",
			     fl_json_time(b->until), "actor", b->actor, "reason", b->reason) :
		   json_null();
}

json_t *fl_policy_bypasses(const struct fl_bypasses *b)
{
	json_t *v = json_array();

	for (size_t i = 0; i < b->n; i++)
		json_array_append_new(v, bypass_json(&b->v[i]));
	return v;
}

/* --- explanations --- */

static json_t *explanation(const struct fl_view *v, const struct fl_bypasses *b, const struct fl_client *c, struct fl_span key, uint16_t qtype)
{
	size_t n = fl_view_order(v, fl_view_set_of(v, c), NULL, 0);
	struct fl_decide_step *steps = calloc(n + 1, sizeof(*steps));
	struct fl_decision d;
	json_t *o;

	if (!steps)
		return NULL;
	n = fl_decide_explain(v, c, key, qtype, &d, steps, n);
	o = decision_json(&d, key);
	if (o) {
		json_object_set_new(o, "enforced", json_boolean(!d.bypass));
		json_object_set_new(o, "bypass", bypass_json(d.bypass ? fl_bypasses_of(b, d.association) : NULL));
		json_object_set_new(o, "because", because_json(v, key));
		json_object_set_new(o, "steps", steps_json(steps, n));
	}
	free(steps);
	return o;
}

void fl_policy_explain(const struct fl_view *v, const struct fl_bypasses *b, const struct fl_names *names, const struct fl_admin_request *req,
		       struct fl_admin_response *res)
{
	const char *name = req->query(req, "name"), *client = req->query(req, "client"), *type = req->query(req, "qtype");
	struct fl_client c;
	struct fl_rkey key;
	enum fl_drop why;
	uint16_t qtype = 1;
	char word[16];
	json_t *o;

	why = fl_name_canon(names, fl_span_str(name ? name : ""), &key);
	if (why != FL_DROP_COUNT && why != FL_DROP_SINGLE_LABEL) {
		fl_json_problem(res, FL_EUSAGE, fl_drop_text(why));
		return;
	}
	if (!client_of(client ? client : "127.0.0.1", &c) || (type && !fl_qtype_parse(type, &qtype))) {
		fl_json_problem(res, FL_EUSAGE, "client must be an address, qtype a record type");
		return;
	}
	o = explanation(v, b, &c, fl_rkey_span(&key), qtype);
	if (o) {
		json_object_set_new(o, "name", fl_json_key(fl_rkey_span(&key)));
		json_object_set_new(o, "client", json_string(client ? client : "127.0.0.1"));
		json_object_set_new(o, "qtype", json_string(fl_qtype_format(qtype, word)));
		json_object_set_new(o, "as_of", fl_json_time(fl_now_unix(fl_clock_sys())));
	}
	fl_json_answer(res, o);
}

/* --- the order of rules --- */

static json_t *network_json(const struct fl_cfg_network *n)
{
	char text[INET6_ADDRSTRLEN];

	return json_sprintf("%s/%u", inet_ntop(n->v6 ? AF_INET6 : AF_INET, n->addr, text, sizeof(text)), n->prefix);
}

static json_t *q_types_json(const struct fl_cfg_rule *r)
{
	json_t *a = json_array();
	char word[16];

	for (size_t i = 0; r && i < r->n_q_types; i++)
		json_array_append_new(a, json_string(fl_qtype_format(r->q_types[i], word)));
	return a;
}

static json_t *override_json(const struct fl_cfg_rule *r)
{
	static const char *const words[] = { "CNAME", "A", "AAAA" };
	json_t *data = json_array();
	char text[INET6_ADDRSTRLEN];

	if (r->override_type == FL_OVERRIDE_CNAME)
		json_array_append_new(data, json_string(r->override_domain));
	for (size_t i = 0; i < r->n_override_addresses; i++)
		json_array_append_new(data, json_string(inet_ntop(r->override_addresses[i].v6 ? AF_INET6 : AF_INET, r->override_addresses[i].addr, text, sizeof(text))));
	return json_pack("{s:s, s:o, s:I}", "type", words[r->override_type], "data", data, "ttl", (json_int_t)r->override_ttl);
}

static json_t *row_json(const struct fl_policy_row *row)
{
	static const char *const bands[] = { "operator", "organisation.before", "association", "organisation.after" };
	const struct fl_cfg_rule *r = row->rule;
	json_t *o = json_pack("{s:s, s:s?, s:s?, s:I, s:s, s:s, s:s?, s:o, s:s, s:b, s:b, s:I, s:I}", "band", bands[row->band], "rule_group", row->rule_group, "rule",
			      r ? r->name : NULL, "priority", (json_int_t)(r ? r->priority : 0), "list", row->list, "action", fl_action_word(row->action),
			      "block_response", fl_block_response_word(row->response), "q_type", q_types_json(r), "domain_redirection_action",
			      (r ? r->trust_redirection : row->action == FL_ACTION_ALLOW) ? "TRUST_REDIRECTION_DOMAIN" : "INSPECT_REDIRECTION_DOMAIN", "continue",
			      r && r->continue_, "held", row->held, "list_version", (json_int_t)row->list_version, "list_names", (json_int_t)row->list_names);

	if (o && r && row->response == FL_BLOCK_OVERRIDE)
		json_object_set_new(o, "override", override_json(r));
	return o;
}

static json_t *set_json(const struct fl_view *v, const struct fl_bypasses *b, size_t set)
{
	const struct fl_config *c = fl_view_config(v);
	const struct fl_cfg_association *a = set < c->n_associations ? &c->associations[set] : NULL;
	size_t n = fl_view_order(v, set, NULL, 0);
	struct fl_policy_row *rows = calloc(n + 1, sizeof(*rows));
	json_t *networks = json_array(), *rules = json_array();

	for (size_t i = 0; a && i < a->n_networks; i++)
		json_array_append_new(networks, network_json(&a->networks[i]));
	n = rows ? fl_view_order(v, set, rows, n) : 0;
	for (size_t i = 0; i < n; i++)
		json_array_append_new(rules, row_json(&rows[i]));
	free(rows);
	return json_pack("{s:s?, s:o, s:b, s:b, s:o, s:o}", "association", a ? a->name : NULL, "networks", networks, "fail_open", a && a->fail_open,
			 "mutation_protection", a && a->mutation_protection, "bypass", bypass_json(fl_bypasses_of(b, a ? a->name : NULL)), "rules", rules);
}

enum { SHOWN_MAX = 20000 };

void fl_policy_show(const struct fl_view *v, const struct fl_bypasses *b, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	const char *client = req->query(req, "client");
	size_t n = fl_view_config(v)->n_associations, rows = 0, at;
	json_t *sets = json_array(), *network = json_null();
	struct fl_cfg_network net;
	struct fl_client c;

	if (client && !client_of(client, &c)) {
		json_decref(sets);
		fl_json_problem(res, FL_EUSAGE, "client must be an address");
		return;
	}
	if (client && fl_view_network(v, &c, &net))
		network = network_json(&net);
	if (client)
		json_array_append_new(sets, set_json(v, b, fl_view_set_of(v, &c)));
	for (at = 0; !client && at <= n && rows < SHOWN_MAX; at++) {
		rows += fl_view_order(v, at, NULL, 0) + 1;
		json_array_append_new(sets, set_json(v, b, at));
	}
	fl_json_answer(res, json_pack("{s:s?, s:o, s:b, s:I, s:o}", "client", client, "network", network, "startup_grace", v->grace, "left_out",
				      (json_int_t)(client ? 0 : n + 1 - at), "items", sets));
}
