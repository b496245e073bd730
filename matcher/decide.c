/* Deciding one name: the client's rules in order, each asked of the one walk over the name. Start at evaluate(). */
#include "matcher/policy_rules.h"

enum { QTYPE_A = 1, QTYPE_AAAA = 28, QTYPE_ANY = 255 };

static void step_put(struct fl_decide_step *steps, size_t cap, size_t i, const struct fl_view *v, const struct fl__rule *r, int what)
{
	if (i >= cap)
		return;
	steps[i] = (struct fl_decide_step){
		.rule_group = r->group,
		.rule = r->name,
		.list = v->policy->lists[r->list],
		.priority = r->cfg ? r->cfg->priority : 0,
		.action = r->action,
	};
	steps[i].what = what;
}

static void decision_rule(struct fl_decision *d, const struct fl_view *v, const struct fl__rule *r)
{
	d->rule = r->cfg;
	d->rule_group = r->group;
	d->rule_name = r->name;
	d->list = v->policy->lists[r->list];
}

bool fl_override_answers(const struct fl_cfg_rule *r, uint16_t qtype)
{
	return r->override_type == FL_OVERRIDE_CNAME || qtype == QTYPE_ANY || qtype == (r->override_type == FL_OVERRIDE_A ? QTYPE_A : QTYPE_AAAA);
}

/* The rule's list covers the name: this is what it says. */
static void decision_fill(struct fl_decision *d, const struct fl_view *v, const struct fl__rule *r, uint16_t qtype, const struct fl_match *m)
{
	const struct fl_image_list *lists;

	fl_image_lists(v->image, &lists);
	decision_rule(d, v, r);
	d->list_version = lists[v->list_index[r->list]].id.number;
	d->entry_len = m->key_len;
	d->entry_scope = m->scope;
	d->action = r->action;
	d->trust = r->trust;
	if (r->action != FL_ACTION_BLOCK)
		return;
	d->response = r->response;
	d->ttl = v->policy->cfg->block_ttl;
	if (r->response == FL_BLOCK_OVERRIDE) {
		if (fl_override_answers(r->cfg, qtype) || r->cfg->override_ttl < d->ttl)
			d->ttl = r->cfg->override_ttl; /* else NODATA, which is to be forgotten as quickly as any block */
		d->override_domain = r->cfg->override_domain;
	}
}

/* One rule. True when it is the last word. */
static bool ask(const struct fl_view *v, const struct fl__ruleset *set, const struct fl__rule *r, const struct fl_walk *w,
		uint16_t qtype, struct fl_decision *d, int *what)
{
	struct fl_match m;

	if (!fl__rule_fits(r, qtype)) {
		*what = FL_STEP_QTYPE;
		return false;
	}
	if (v->list_index[r->list] < 0) {
		*what = FL_STEP_NOT_HELD;
		if (r->own_list)
			return false;
		d->degraded = true;
		if (v->grace || (set->assoc && set->assoc->fail_open))
			return false;
		decision_rule(d, v, r);
		d->list_version = 0;
		d->action = FL_ACTION_BLOCK;
		d->response = FL_BLOCK_SERVFAIL;
		d->trust = false;
		d->entry_len = d->entry_scope = 0;
		return true;
	}
	if (!fl_walk_list(v->image, w, v->list_index[r->list], &m)) {
		*what = FL_STEP_NO_MATCH;
		return false;
	}
	*what = FL_STEP_MATCHED;
	if (r->action == FL_ACTION_ALERT && r->cfg && r->cfg->continue_) {
		if (!d->alerted) { /* it also stands as the decision, until a later rule says more */
			d->alerted = r->cfg;
			decision_fill(d, v, r, qtype, &m);
		}
		return false;
	}
	decision_fill(d, v, r, qtype, &m);
	return true;
}

static size_t evaluate(const struct fl_view *v, const struct fl_client *client, struct fl_span key, uint16_t qtype, uint8_t hop,
		       struct fl_decision *d, struct fl_decide_step *steps, size_t cap)
{
	const struct fl__ruleset *set = fl__policy_ruleset(v->policy, client);
	struct fl_walk w;
	bool decided = false;

	*d = (struct fl_decision){ .action = FL_ACTION_NONE, .hop = hop };
	d->association = set->assoc ? set->assoc->name : NULL;
	d->bypass = v->bypassed && v->bypassed[set - v->policy->sets];
	fl_image_walk(v->image, key, &w);
	for (size_t i = 0; i < set->n; i++) {
		int what = FL_STEP_NOT_REACHED;

		if (!decided)
			decided = ask(v, set, &set->v[i], &w, qtype, d, &what);
		else if (i >= cap)
			break;
		step_put(steps, cap, i, v, &set->v[i], what);
	}
	return set->n < cap ? set->n : cap;
}

void fl_decide(const struct fl_view *v, const struct fl_client *client, struct fl_span key, uint16_t qtype, uint8_t hop,
	       const struct fl_decision *so_far, struct fl_decision *out)
{
	if (so_far && so_far->trust)
		*out = *so_far;
	else
		evaluate(v, client, key, qtype, hop, out, NULL, 0);
}

size_t fl_decide_explain(const struct fl_view *v, const struct fl_client *client, struct fl_span key, uint16_t qtype,
			 struct fl_decision *out, struct fl_decide_step *steps, size_t cap)
{
	return evaluate(v, client, key, qtype, 0, out, steps, cap);
}

void fl_decision_combine(struct fl_decision *so_far, const struct fl_decision *hop)
{
	const struct fl_cfg_rule *alerted = so_far->alerted ? so_far->alerted : hop->alerted;
	bool degraded = so_far->degraded || hop->degraded;

	if (so_far->action == FL_ACTION_BLOCK || so_far->trust)
		return;
	if (hop->action > so_far->action) /* NONE, ALLOW, ALERT, BLOCK: each says more than the one before */
		*so_far = *hop;
	else if (hop->action != FL_ACTION_NONE)
		so_far->trust = hop->trust;
	so_far->alerted = alerted;
	so_far->degraded = degraded;
}

void fl_decision_enforce(struct fl_decision *d)
{
	if (!d->bypass || d->action != FL_ACTION_BLOCK)
		return;
	d->action = FL_ACTION_ALERT;
	d->response = FL_BLOCK_NONE;
	d->would_block = true;
}
