/* What people decide of findings, as requests to role ingest. */
#include "cli/ingest_findings.h"

#include <stdio.h>
#include <string.h>

#include "cli/json.h"

/* The id may hold slashes: the operation is what follows the last. */
static bool path_split(const struct fl_admin_request *req, const char **id, enum fl_claim_op *op)
{
	const char *from = req->path + strlen("/v1/findings/"), *end = strrchr(from, '/');

	if (!end || end == from)
		return false;
	*id = fl_arena_strn(req->arena, from, (size_t)(end - from));
	for (int i = 0; *id && i < FL_CLAIM_OPS; i++)
		if (strcmp(end + 1, fl_claim_op_word((enum fl_claim_op)i)) == 0) {
			*op = (enum fl_claim_op)i;
			return true;
		}
	return false;
}

static json_t *change_json(const struct fl_claim_change *c)
{
	char name[FL_NAME_TEXT], scope[FL_SCOPE_TEXT];

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:I}", "id", c->before.id, "finding", c->before.finding, "name",
			 fl_rkey_to_text(fl_rkey_span(&c->before.key), name), "scope", fl_scope_format(c->before.scope, scope), "source", c->before.source, "list", c->list, "type",
			 c->before.type, "was", fl_claim_state_word(c->before.state), "state", fl_claim_state_word(c->after.state), "expires_was", fl_json_time(c->before.expires_at),
			 "expires", fl_json_time(c->after.expires_at), "version", (json_int_t)c->version);
}

static void audit(const struct fl_decider *d, const struct fl_claim_request *r, const struct fl_claim_answer *ans, struct fl_arena *arena)
{
	struct fl_audit a = { .actor = r->actor, .action = fl_arena_printf(arena, "finding.%s", fl_claim_op_word(r->op)), .object = ans->v[0].before.finding, .reason = r->reason,
			      .node = d->node, .at = fl_now_unix(fl_clock_sys()) };

	for (size_t i = 0; i < ans->n; i++)
		if (i == 0 || strcmp(ans->v[i].before.source, ans->v[i - 1].before.source) != 0)
			fl_audit_result(&a, fl_arena_printf(arena, "source/%s", ans->v[i].before.source), ans->v[i].version);
	fl_audit(d->bus, &a);
}

static void decide(const struct fl_decider *d, struct fl_claim_request *r, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	struct fl_claim_answer ans = { 0 };
	struct fl_err err = { 0 };
	json_t *changed;
	int ret = fl_findings_decide(d->findings, r, req->arena, &ans, &err);

	if (ret < 0) {
		fl_json_problem(res, ret, err.text);
		return;
	}
	if (ans.n && !r->dry_run)
		audit(d, r, &ans, req->arena);
	changed = json_array();
	for (size_t i = 0; i < ans.n; i++)
		json_array_append_new(changed, change_json(&ans.v[i]));
	fl_json_answer(res, json_pack("{s:s, s:s, s:o, s:I, s:b}", "operation", fl_claim_op_word(r->op), "finding", ans.n ? ans.v[0].before.finding : r->id, "changed", changed, "others",
				      (json_int_t)ans.others, "dry_run", r->dry_run));
}

void fl_finding_decision(const struct fl_decider *d, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	struct fl_claim_request r = { .actor = fl_request_actor(req) };
	json_t *body;

	if (!path_split(req, &r.id, &r.op)) {
		fl_json_problem(res, FL_ENOTFOUND, "no such resource: /v1/findings/ID/dismiss, restore, extend or approve");
		return;
	}
	body = fl_json_body(req, res);
	if (!body)
		return;
	r.until = fl_json_get_int(body, "until_us", 0);
	r.reason = fl_json_get_str(body, "reason", "");
	r.dry_run = fl_json_get_bool(body, "dry_run");
	if (r.op == FL_CLAIM_EXTEND && (r.until > 0) == fl_json_get_bool(body, "permanent"))
		fl_json_problem(res, FL_EUSAGE, "extend needs until_us, or permanent: true");
	else
		decide(d, &r, req, res);
	json_decref(body);
}

void fl_audit_reload(struct fl_bus *bus, const char *node, const char *role)
{
	struct fl_audit a = { .actor = "signal", .action = "config.reload", .object = role, .reason = "", .node = node, .at = fl_now_unix(fl_clock_sys()) };

	fl_audit(bus, &a);
}
