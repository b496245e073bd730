/* Cross-checks of rules, groups and associations. */
#include "cli/config_table.h"

/* A list that findings are only to be logged by. */
static bool is_alert_list(const struct fl_config *c, const char *list)
{
	bool found = strcmp(list, c->findings.alert_into) == 0;

	for (size_t i = 0; i < c->findings.n_rules; i++)
		found = found || (c->findings.rules[i].action == FL_FINDING_ALERT && strcmp(c->findings.rules[i].into, list) == 0);
	return found;
}

/* A list that findings write into: what is bad must not be opened by it. */
static bool is_findings_list(const struct fl_config *c, const char *list)
{
	bool found = strcmp(list, c->findings.into) == 0 || strcmp(list, c->findings.alert_into) == 0;

	for (size_t i = 0; i < c->findings.n_rules; i++)
		found = found || strcmp(c->findings.rules[i].into, list) == 0;
	return found;
}

static void check_rule_list(struct fl__load *l, const struct fl_cfg_rule *r)
{
	fl__check_list_exists(l, &r->list, fl__load_hint(l, "rule '%s'", r->name));
	if (r->action == FL_ACTION_BLOCK && r->list[0] && is_alert_list(l->cfg, r->list))
		fl__load_error(l, fl__load_node(l, &r->list), "findings that shall only be logged go there: action ALERT, or findings.defaults.into here",
			       "a BLOCK rule on the alert list of the findings");
	else if (r->action == FL_ACTION_ALLOW && r->list[0] && is_findings_list(l->cfg, r->list))
		fl__load_error(l, fl__load_node(l, &r->list), "an allow list that nothing but people and feeds write", "an ALLOW rule on a list that findings go into");
}

/* What each type of OVERRIDE answers with, and what it has no use for. */
static void check_override_data(struct fl__load *l, const struct fl_cfg_rule *r, const struct fl_yaml_node *domain, const struct fl_yaml_node *address)
{
	static const char *const words[] = { "CNAME", "A", "AAAA" };
	const struct fl_yaml_node *at = fl__load_node(l, &r->override_type);
	const char *word = words[r->override_type];

	at = at ? at : fl__load_node(l, &r->block_response);
	if (r->override_type == FL_OVERRIDE_CNAME) {
		if (address)
			fl__load_error(l, address, "leave block_override_dns_type out, or set A or AAAA", "an OVERRIDE with CNAME has a domain, and no address");
		else if (!r->override_domain[0] && !domain)
			fl__load_error(l, at, "add block_override_domain, or block_override_address", "OVERRIDE without a domain to point at");
		return;
	}
	if (domain)
		fl__load_error(l, domain, "leave it out", "an OVERRIDE with %s has an address, and no domain", word);
	if (!address)
		fl__load_error(l, at, "add block_override_address", "OVERRIDE with %s without an address", word);
	for (size_t i = 0; i < r->n_override_addresses; i++)
		if (r->override_addresses[i].v6 != (r->override_type == FL_OVERRIDE_AAAA)) {
			fl__load_error(l, address, "a rule answers with one type; a rule before it with q_type takes the other", "not an address for %s", word);
			return;
		}
}

static void check_override(struct fl__load *l, struct fl_cfg_rule *r)
{
	const struct fl_yaml_node *domain = fl__load_node(l, &r->override_domain), *address = fl__load_node(l, &r->override_addresses);
	const struct fl_yaml_node *ttl = fl__load_node(l, &r->override_ttl), *type = fl__load_node(l, &r->override_type);
	const struct fl_yaml_node *any = domain ? domain : address ? address : ttl ? ttl : type;

	if (r->block_response != FL_BLOCK_OVERRIDE) {
		if (any)
			fl__load_error(l, any, "set block_response: OVERRIDE", "an override without block_response: OVERRIDE");
		return;
	}
	if (address && !r->n_override_addresses)
		return; /* wrong: said already */
	if (!type && address && !domain)
		r->override_type = r->override_addresses[0].v6 ? FL_OVERRIDE_AAAA : FL_OVERRIDE_A;
	check_override_data(l, r, domain, address);
}

static void check_rule(struct fl__load *l, struct fl_cfg_rule *r)
{
	const struct fl_yaml_node *response = fl__load_node(l, &r->block_response);

	check_rule_list(l, r);
	if (r->action == FL_ACTION_NONE)
		return; /* missing or misspelt: said already */
	if (r->action != FL_ACTION_BLOCK && response)
		fl__load_error(l, response, "leave it out, or set action: BLOCK", "block_response in a rule that does not block");
	else if (r->action == FL_ACTION_BLOCK && !response)
		r->block_response = FL_BLOCK_NXDOMAIN;
	if (r->continue_ && r->action != FL_ACTION_ALERT)
		fl__load_error(l, fl__load_node(l, &r->continue_), NULL, "only an ALERT can go on to the next rule");
	check_override(l, r);
}

static int by_rule_priority(const void *a, const void *b)
{
	const struct fl_cfg_rule *x = a, *y = b;

	return (x->priority > y->priority) - (x->priority < y->priority);
}

static int by_group_priority(const void *a, const void *b)
{
	const struct fl_cfg_group_ref *x = a, *y = b;

	return (x->priority > y->priority) - (x->priority < y->priority);
}

static void check_group(struct fl__load *l, const struct fl_cfg_rule_group *g)
{
	struct fl_cfg_rule *rules = (struct fl_cfg_rule *)g->rules;

	for (size_t i = 0; i < g->n_rules; i++) {
		check_rule(l, &rules[i]);
		for (size_t j = 0; j < i && rules[i].priority; j++)
			if (rules[i].priority == rules[j].priority) {
				fl__load_error(l, fl__load_node(l, &rules[i].priority), "rules are asked in the order of their priorities: each needs its own",
					       "rules '%s' and '%s' have the same priority", rules[j].name, rules[i].name);
				break;
			}
	}
	if (g->n_rules == 0 && fl__load_node(l, &g->rules))
		fl__load_warn(l, fl__load_node(l, &g->name), NULL, "rule group '%s' has no rules", g->name);
}

static void check_group_name(struct fl__load *l, const struct fl_yaml_node *at, const char *name)
{
	const struct fl_config *c = l->cfg;
	const char **names, *hint;

	if (name[0] == '\0' || fl_config_rule_group(c, name))
		return;
	names = fl_arena_array(&l->scratch, c->n_rule_groups, sizeof(*names));
	if (!names)
		return;
	for (size_t i = 0; i < c->n_rule_groups; i++)
		names[i] = c->rule_groups[i].name;
	hint = fl__load_suggest(l, name, names, c->n_rule_groups);
	fl__load_error(l, at, hint ? hint : "add it to rule_groups", "there is no rule group '%.80s'", name);
}

static const struct fl_yaml_node *item(const struct fl_yaml_node *list, size_t i)
{
	const struct fl_yaml_node *c = list ? list->first : NULL;

	while (c && i--)
		c = c->next;
	return c;
}

static void check_association(struct fl__load *l, const struct fl_cfg_association *a)
{
	struct fl_cfg_group_ref *groups = (struct fl_cfg_group_ref *)a->groups;

	for (size_t i = 0; i < a->n_groups; i++) {
		check_group_name(l, fl__load_node(l, &groups[i].name), groups[i].name);
		for (size_t j = 0; j < i && groups[i].priority; j++)
			if (groups[i].priority == groups[j].priority) {
				fl__load_error(l, fl__load_node(l, &groups[i].priority), NULL, "groups '%s' and '%s' have the same priority", groups[j].name,
					       groups[i].name);
				break;
			}
	}
}

static bool same_network(const struct fl_cfg_network *a, const struct fl_cfg_network *b)
{
	return a->v6 == b->v6 && a->prefix == b->prefix && memcmp(a->addr, b->addr, 16) == 0;
}

/* The longest prefix decides, so two of the same length must not be the same. */
static void check_overlap(struct fl__load *l, size_t ai, size_t ni)
{
	const struct fl_config *c = l->cfg;
	const struct fl_cfg_association *a = &c->associations[ai];

	for (size_t i = 0; i <= ai; i++) {
		const struct fl_cfg_association *b = &c->associations[i];

		for (size_t j = 0; j < (i == ai ? ni : b->n_networks); j++) {
			const struct fl_yaml_node *at;

			if (!same_network(&a->networks[ni], &b->networks[j]))
				continue;
			at = item(fl__load_node(l, &a->networks), ni);
			fl__load_error(l, at, "a client has one association: the one with the longest network", "network %s is in association '%s' already",
				       at ? at->text : "", b->name);
			return;
		}
	}
}

enum { NETWORKS_MAX = 20000 };

void fl__check_policy(struct fl__load *l)
{
	struct fl_config *c = l->cfg;
	size_t networks = 0;

	for (size_t i = 0; i < c->n_rule_groups; i++)
		check_group(l, &c->rule_groups[i]);
	for (size_t i = 0; i < c->n_org_before; i++)
		check_group_name(l, item(fl__load_node(l, &c->org_before), i), c->org_before[i]);
	for (size_t i = 0; i < c->n_org_after; i++)
		check_group_name(l, item(fl__load_node(l, &c->org_after), i), c->org_after[i]);
	for (size_t i = 0; i < c->n_associations; i++) {
		check_association(l, &c->associations[i]);
		networks += c->associations[i].n_networks;
	}
	if (networks > NETWORKS_MAX)
		fl__load_error(l, fl__load_node(l, &c->associations), NULL, "more than %d networks", NETWORKS_MAX);
	for (size_t i = 0; i < c->n_associations && networks <= NETWORKS_MAX; i++)
		for (size_t j = 0; j < c->associations[i].n_networks; j++)
			check_overlap(l, i, j);
	if (l->diag->errors)
		return; /* the places are known by address: sort last, and only what is in force */
	for (size_t i = 0; i < c->n_rule_groups; i++)
		if (c->rule_groups[i].n_rules)
			qsort((void *)c->rule_groups[i].rules, c->rule_groups[i].n_rules, sizeof(struct fl_cfg_rule), by_rule_priority);
	for (size_t i = 0; i < c->n_associations; i++)
		if (c->associations[i].n_groups)
			qsort((void *)c->associations[i].groups, c->associations[i].n_groups, sizeof(struct fl_cfg_group_ref), by_group_priority);
}
