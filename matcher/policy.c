/* Compiling a configuration's rules. Start at fl_policy_new(). Every association gets its whole order as one flat array (operator
 * lists, organisation before, its groups, organisation after), so that a decision is one loop; docs/decisions/policy-order.md. */
#include "matcher/policy.h"

#include <stdlib.h>

#include "base/address.h"
#include "matcher/network.h"

enum { LISTS_MAX = FL_IMAGE_LISTS_MAX + 2 };

static bool text_set(const char *s)
{
	return s && *s;
}

static int out_of_memory(struct fl_err *err)
{
	return fl_err_set(err, FL_ENOMEM, "policy: out of memory");
}

/* The policy's number of a list, added when new; -1: too many. */
static int list_number(struct fl_policy *p, const char *name)
{
	for (size_t i = 0; i < p->n_lists; i++)
		if (strcmp(p->lists[i], name) == 0)
			return (int)i;
	if (p->n_lists == LISTS_MAX)
		return -1;
	p->lists[p->n_lists] = name;
	return (int)p->n_lists++;
}

static bool list_alerts_only(const struct fl_config *c, const char *name)
{
	const char *alert = text_set(c->findings.alert_into) ? c->findings.alert_into : FL_LIST_FINDINGS_ALERT;

	return strcmp(name, alert) == 0;
}

/* What is wrong with a rule, or NULL. */
static const char *rule_fault(const struct fl_config *c, const struct fl_cfg_rule *r)
{
	if (!text_set(r->list) || !fl_config_list(c, r->list))
		return "names a list that is not configured";
	if (r->action != FL_ACTION_ALLOW && r->action != FL_ACTION_ALERT && r->action != FL_ACTION_BLOCK)
		return "has no action";
	if (r->action == FL_ACTION_BLOCK && r->block_response != FL_BLOCK_NXDOMAIN && r->block_response != FL_BLOCK_NODATA &&
	    r->block_response != FL_BLOCK_OVERRIDE)
		return "blocks without a block response";
	if (r->block_response == FL_BLOCK_OVERRIDE && (r->override_type == FL_OVERRIDE_CNAME ? !text_set(r->override_domain) : !r->n_override_addresses))
		return "overrides without a domain or an address";
	if (r->continue_ && r->action != FL_ACTION_ALERT)
		return "continues, but only an ALERT can go on";
	if (r->action == FL_ACTION_BLOCK && list_alerts_only(c, r->list))
		return "blocks with a list whose findings are to be alerted only";
	if (r->n_q_types > sizeof(r->q_types) / sizeof(r->q_types[0]))
		return "has too many q_types";
	return NULL;
}

static int rules_check(const struct fl_config *c, struct fl_err *err)
{
	for (size_t i = 0; i < c->n_rule_groups; i++)
		for (size_t j = 0; j < c->rule_groups[i].n_rules; j++) {
			const struct fl_cfg_rule *r = &c->rule_groups[i].rules[j];
			const char *fault = rule_fault(c, r);

			if (fault)
				return fl_err_set(err, FL_ECONFIG, "rule '%s' of rule group '%s' %s",
						  text_set(r->name) ? r->name : "?", c->rule_groups[i].name, fault);
		}
	return 0;
}

/* ---- one association's order ---- */

struct order {
	struct fl_policy *p;
	struct fl__ruleset *set; /* v is NULL while rules are only counted */
	struct fl_err *err;
};

static int order_list(struct order *o, const char *list, struct fl__rule r)
{
	int at = list_number(o->p, list);

	if (at < 0)
		return fl_err_set(o->err, FL_ELIMIT, "rules name more than %d lists", LISTS_MAX);
	r.list = (uint16_t)at;
	if (o->set->v)
		o->set->v[o->set->n] = r;
	o->set->n++;
	return 0;
}

static int order_group(struct order *o, enum fl_policy_band band, const char *name)
{
	const struct fl_cfg_rule_group *g = fl_config_rule_group(o->p->cfg, name);
	int ret = 0;

	if (!g)
		return fl_err_set(o->err, FL_ECONFIG, "rule group '%s' is not configured", name);
	for (size_t i = 0; i < g->n_rules && ret == 0; i++) {
		const struct fl_cfg_rule *r = &g->rules[i];

		ret = order_list(o, r->list, (struct fl__rule){ .cfg = r, .band = band, .group = g->name, .name = r->name,
								.trust = r->trust_redirection && r->action != FL_ACTION_BLOCK,
								.action = r->action, .response = r->block_response });
	}
	return ret;
}

static int order_fill(struct order *o)
{
	const struct fl_config *c = o->p->cfg;
	const struct fl_cfg_association *a = o->set->assoc;
	int ret = order_list(o, FL_LIST_OPERATOR_ALLOW,
			     (struct fl__rule){ .own_list = true, .trust = true, .action = FL_ACTION_ALLOW });

	if (ret == 0)
		ret = order_list(o, FL_LIST_OPERATOR_BLOCK, (struct fl__rule){ .own_list = true, .action = FL_ACTION_BLOCK,
									       .response = FL_BLOCK_NXDOMAIN });
	for (size_t i = 0; i < c->n_org_before && ret == 0; i++)
		ret = order_group(o, FL_BAND_BEFORE, c->org_before[i]);
	for (size_t i = 0; a && i < a->n_groups && ret == 0; i++)
		ret = order_group(o, FL_BAND_ASSOCIATION, a->groups[i].name);
	for (size_t i = 0; i < c->n_org_after && ret == 0; i++)
		ret = order_group(o, FL_BAND_AFTER, c->org_after[i]);
	return ret;
}

static int ruleset_build(struct fl_policy *p, struct fl__ruleset *set, struct fl_err *err)
{
	struct order o = { p, set, err };
	int ret = order_fill(&o); /* counts */

	if (ret < 0)
		return ret;
	set->v = fl_arena_array(&p->arena, set->n, sizeof(*set->v));
	if (!set->v)
		return out_of_memory(err);
	set->n = 0;
	return order_fill(&o);
}

/* ---- networks ---- */

static int networks_add(struct fl_policy *p, uint32_t ruleset, struct fl_err *err)
{
	const struct fl_cfg_association *a = &p->cfg->associations[ruleset];

	for (size_t i = 0; i < a->n_networks; i++) {
		struct fl__network n = { .prefix = a->networks[i].prefix, .ruleset = ruleset };
		bool v6 = a->networks[i].v6;

		if (n.prefix > (v6 ? 128 : 32))
			return fl_err_set(err, FL_ECONFIG, "association '%s': a prefix length is out of range", a->name);
		memcpy(n.addr, a->networks[i].addr, v6 ? 16 : 4);
		fl__address_unmap(&v6, n.addr, &n.prefix);
		fl_address_mask(n.addr, n.prefix);
		p->net[v6].v[p->net[v6].n++] = n;
	}
	return 0;
}

static int networks_build(struct fl_policy *p, struct fl_err *err)
{
	const struct fl_config *c = p->cfg;
	size_t total = 0;
	int ret = 0;

	for (size_t i = 0; i < c->n_associations; i++)
		total += c->associations[i].n_networks;
	for (int f = 0; f < 2; f++) {
		p->net[f].v = fl_arena_array(&p->arena, total, sizeof(struct fl__network));
		if (!p->net[f].v)
			return out_of_memory(err);
	}
	for (uint32_t i = 0; i < c->n_associations && ret == 0; i++)
		ret = networks_add(p, i, err);
	for (int f = 0; f < 2 && ret == 0; f++) {
		const struct fl__network *twice;

		if (!fl__networks_build(&p->net[f], &p->arena, &twice))
			return out_of_memory(err);
		if (twice)
			ret = fl_err_set(err, FL_ECONFIG, "association '%s': one of its networks is also another association's",
					 c->associations[twice->ruleset].name);
	}
	return ret;
}

static int policy_build(struct fl_policy *p, struct fl_err *err)
{
	const struct fl_config *c = p->cfg;
	int ret = rules_check(c, err);

	p->n_sets = c->n_associations + 1;
	p->sets = fl_arena_array(&p->arena, p->n_sets, sizeof(*p->sets));
	p->lists = fl_arena_array(&p->arena, LISTS_MAX, sizeof(*p->lists));
	if (!p->sets || !p->lists)
		return out_of_memory(err);
	for (size_t i = 0; i < p->n_sets && ret == 0; i++) {
		p->sets[i].assoc = i < c->n_associations ? &c->associations[i] : NULL;
		ret = ruleset_build(p, &p->sets[i], err);
	}
	return ret < 0 ? ret : networks_build(p, err);
}

int fl_policy_new(const struct fl_config *cfg, struct fl_policy **out, struct fl_err *err)
{
	struct fl_policy *p = calloc(1, sizeof(*p));
	int ret;

	if (!p)
		return out_of_memory(err);
	p->cfg = cfg;
	ret = policy_build(p, err);
	if (ret < 0) {
		fl_policy_free(p);
		return ret;
	}
	*out = p;
	return 0;
}

void fl_policy_free(struct fl_policy *p)
{
	if (!p)
		return;
	fl_arena_done(&p->arena);
	free(p);
}

const struct fl__ruleset *fl__policy_ruleset(const struct fl_policy *p, const struct fl_client *client)
{
	uint8_t addr[16] = { 0 };
	bool v6 = client->v6;
	uint32_t at;

	memcpy(addr, client->addr, v6 ? 16 : 4);
	fl__address_unmap(&v6, addr, NULL);
	at = fl__networks_find(&p->net[v6], addr);
	return &p->sets[at == UINT32_MAX ? p->n_sets - 1 : at];
}

int fl_view_new(const struct fl_policy *p, struct fl_image *img, bool grace, struct fl_view **out)
{
	struct fl_view *v = calloc(1, sizeof(*v));
	int *index = calloc(p->n_lists + 1, sizeof(*index));
	const struct fl_image_list *lists;

	if (!v || !index) {
		free(v);
		free(index);
		return FL_ENOMEM;
	}
	fl_image_lists(img, &lists);
	for (size_t i = 0; i < p->n_lists; i++) {
		index[i] = fl_image_list_index(img, p->lists[i]);
		if (index[i] >= 0 && lists[index[i]].id.number == 0)
			index[i] = -1;
	}
	v->policy = p;
	v->image = fl_image_acquire(img);
	v->list_index = index;
	v->grace = grace;
	*out = v;
	return 0;
}

void fl_view_free(struct fl_view *v)
{
	if (!v)
		return;
	fl_image_release(v->image);
	free(v->list_index);
	free(v->bypassed);
	free(v);
}

int fl_view_bypass(struct fl_view *v, const char *association)
{
	const struct fl_policy *p = v->policy;

	if (!v->bypassed)
		v->bypassed = calloc(p->n_sets, sizeof(*v->bypassed));
	if (!v->bypassed)
		return FL_ENOMEM;
	for (size_t i = 0; i < p->n_sets; i++)
		if (!*association || (p->sets[i].assoc && strcmp(p->sets[i].assoc->name, association) == 0))
			v->bypassed[i] = true;
	return 0;
}
