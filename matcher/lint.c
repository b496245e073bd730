/* What config check warns of (FIELD.md H.11): rules and entries that can never decide, lists, groups and associations that nothing uses or fills, answers that lead back
 * to a block. A rule is judged in every order it stands in (each association's, and that of clients without one): one order where it can decide is enough. Of a list only its
 * `entries` are known here; what feeds, findings and people put in comes later. Start at fl_policy_lint(); networks are lint_networks.c.
 *
 *   order of an association   operators | before | its groups | after
 *                                              a ......... r        a always decides before r: a's list holds all that r's does, for each of r's types */
#include <stdlib.h>

#include "matcher/lint.h"

/* Work is counted, not timed: a configuration may have 10,000 associations. */
enum { STEPS_MAX = 20000000 };

struct fl__lint {
	const struct fl_config *cfg;
	const struct fl_policy *p;
	fl_policy_warn *warn;
	void *ctx;
	struct list_facts *lists; /* by the policy's numbers */
	uint8_t *holds;		  /* lists x lists: does the first hold all of the second? UNKNOWN first */
	struct rule_facts *rules; /* of the configuration, in its order */
	size_t *first;		  /* of a group: the number of its first rule */
	uint64_t steps;
	bool failed; /* out of memory */
};

/* --- lists --- */

struct list_facts {
	const struct fl_cfg_list *cfg; /* NULL: an operator list that is not configured */
	const char **sorted;	       /* entries */
	bool everything, closed;       /* holds `*`; nothing but its entries and people fill it */
	bool fed;		       /* something fills it */
};

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_fed(const struct fl_config *c, const char *list)
{
	for (size_t i = 0; i < c->n_feeds; i++)
		if (c->feeds[i].enabled && strcmp(c->feeds[i].into, list) == 0)
			return true;
	return (c->findings.into && strcmp(c->findings.into, list) == 0) || (c->findings.alert_into && strcmp(c->findings.alert_into, list) == 0) ||
	       strcmp(list, FL_LIST_FINDINGS_BLOCK) == 0 || strcmp(list, FL_LIST_FINDINGS_ALERT) == 0 || strcmp(list, FL_LIST_OPERATOR_ALLOW) == 0 || strcmp(list, FL_LIST_OPERATOR_BLOCK) == 0;
}

static void learn_list(struct fl__lint *l, size_t at)
{
	struct list_facts *f = &l->lists[at];
	size_t n;

	f->cfg = fl_config_list(l->cfg, l->p->lists[at]);
	f->fed = is_fed(l->cfg, l->p->lists[at]);
	n = f->cfg ? f->cfg->n_entries : 0;
	f->closed = n && !f->fed;
	f->fed = f->fed || n;
	f->sorted = calloc(n + 1, sizeof(*f->sorted));
	if (!f->sorted) {
		l->failed = true;
		return;
	}
	for (size_t i = 0; i < n; i++) {
		f->sorted[i] = f->cfg->entries[i];
		f->everything = f->everything || strcmp(f->sorted[i], "*") == 0;
	}
	if (n)
		qsort(f->sorted, n, sizeof(*f->sorted), by_text);
}

static const char *find_entry(const struct list_facts *f, const char *text)
{
	const char **hit = f->cfg && f->cfg->n_entries ? bsearch(&text, f->sorted, f->cfg->n_entries, sizeof(*f->sorted), by_text) : NULL;

	return hit ? *hit : NULL;
}

/* The entry of the list that covers all that `entry` ("x", "*.x", "*") does, or NULL. */
static const char *holder(const struct list_facts *f, const char *entry)
{
	const char *hit = f->everything ? "*" : find_entry(f, entry);
	const char *name = strncmp(entry, "*.", 2) == 0 ? entry + 2 : entry;
	char star[FL_NAME_TEXT + 2];

	for (const char *dot = strchr(name, '.'); !hit && dot; dot = strchr(dot + 1, '.')) {
		snprintf(star, sizeof(star), "*%s", dot);
		hit = find_entry(f, star);
	}
	return hit;
}

enum { UNKNOWN, HOLDS, LACKS };

static bool judge_holds(const struct fl__lint *l, size_t a, size_t b)
{
	const struct list_facts *x = &l->lists[a], *y = &l->lists[b];

	if (a == b || x->everything)
		return true;
	for (size_t i = 0; y->closed && i < y->cfg->n_entries; i++)
		if (!holder(x, y->cfg->entries[i]))
			return false;
	return y->closed;
}

static bool list_holds(struct fl__lint *l, size_t a, size_t b)
{
	uint8_t *known = &l->holds[a * l->p->n_lists + b];

	l->steps++;
	if (*known == UNKNOWN) {
		l->steps += l->lists[b].cfg ? l->lists[b].cfg->n_entries : 0;
		*known = judge_holds(l, a, b) ? HOLDS : LACKS;
	}
	return *known == HOLDS;
}

/* --- rules --- */

struct rule_facts {
	const struct fl__rule *by; /* always decides before it, in the last order looked at */
	bool stands, lives;	   /* is in an order; can decide in one */
};

static size_t number_of(const struct fl__lint *l, const struct fl__rule *r)
{
	const struct fl_config *c = l->cfg;

	for (size_t i = 0; i < c->n_rule_groups; i++)
		if (c->rule_groups[i].name == r->group)
			return l->first[i] + (size_t)(r->cfg - c->rule_groups[i].rules);
	return 0;
}

static bool is_last_word(const struct fl__rule *r)
{
	return r->cfg && !r->cfg->continue_;
}

/* An earlier rule that takes the type, is the last word, and holds all of rule i's list; NULL. type 0: every type. */
static const struct fl__rule *shadow_for(struct fl__lint *l, const struct fl__ruleset *set, size_t i, uint16_t type)
{
	for (size_t j = 0; j < i; j++) {
		const struct fl__rule *a = &set->v[j];

		l->steps++;
		if (is_last_word(a) && (a->cfg->n_q_types == 0 || (type && fl__rule_fits(a, type))) && list_holds(l, a->list, set->v[i].list))
			return a;
	}
	return NULL;
}

/* The earlier rule that always decides before rule i; several may share its types between them: then the last of them. NULL: it can decide. */
static const struct fl__rule *shadow_of(struct fl__lint *l, const struct fl__ruleset *set, size_t i)
{
	const struct fl_cfg_rule *r = set->v[i].cfg;
	const struct fl__rule *by = NULL;

	if (r->n_q_types == 0)
		return shadow_for(l, set, i, 0);
	for (size_t t = 0; t < r->n_q_types; t++) {
		by = shadow_for(l, set, i, r->q_types[t]);
		if (!by)
			return NULL;
	}
	return by;
}

static void judge_set(struct fl__lint *l, const struct fl__ruleset *set)
{
	for (size_t i = 0; i < set->n && l->steps < STEPS_MAX; i++) {
		struct rule_facts *f;

		if (!set->v[i].cfg)
			continue;
		l->steps += l->cfg->n_rule_groups;
		f = &l->rules[number_of(l, &set->v[i])];
		f->stands = true;
		if (f->lives)
			continue;
		f->by = shadow_of(l, set, i);
		f->lives = f->by == NULL;
	}
}

static void say(const struct fl__lint *l, const void *what, const char *hint, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static void say(const struct fl__lint *l, const void *what, const char *hint, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	l->warn(l->ctx, what, hint, text);
}

static void say_shadowed(const struct fl__lint *l, const struct fl_cfg_rule_group *g, const struct fl_cfg_rule *r, const struct fl__rule *by)
{
	bool same = strcmp(l->p->lists[by->list], r->list) == 0;

	if (by->action == FL_ACTION_ALERT && r->action == FL_ACTION_BLOCK)
		say(l, r->name, "write `continue: true` there, or put the BLOCK before it",
		    "rule '%s' of rule group '%s' can never block: rule '%s' of '%s' alerts on the same names first, and ALERT is the last word", r->name, g->name,
		    by->name, by->group);
	else
		say(l, r->name, NULL, "rule '%s' of rule group '%s' can never decide: rule '%s' of '%s' always decides first%s%s%s", r->name, g->name, by->name, by->group,
		    same ? "" : ", its list '", same ? "" : l->p->lists[by->list], same ? "" : "' holds all of this one's entries");
}

/* Does an earlier ALLOW let the target of an OVERRIDE through? Asked of the order where the rule stands. */
static bool target_allowed(const struct fl__lint *l, const struct fl_cfg_rule *r)
{
	for (size_t s = 0; s < l->p->n_sets; s++)
		for (size_t i = 0; i < l->p->sets[s].n; i++) {
			const struct fl__rule *v = &l->p->sets[s].v[i];

			if (v->cfg == r)
				break;
			if (v->cfg && v->action == FL_ACTION_ALLOW && holder(&l->lists[v->list], r->override_domain))
				return true;
		}
	return false;
}

static size_t list_of(const struct fl__lint *l, const char *name)
{
	for (size_t i = 0; i < l->p->n_lists; i++)
		if (strcmp(l->p->lists[i], name) == 0)
			return i;
	return 0; /* operator-allow: not reached, a rule's list is among them once the rule stands somewhere */
}

static void lint_rule(struct fl__lint *l, const struct fl_cfg_rule_group *g, const struct fl_cfg_rule *r, const struct rule_facts *f)
{
	const struct list_facts *list;

	if (r->trust_redirection && r->action == FL_ACTION_BLOCK)
		say(l, r->name, "leave it out: what is blocked has no chain to trust",
		    "rule '%s' of rule group '%s': TRUST_REDIRECTION_DOMAIN has no effect on a BLOCK", r->name, g->name);
	if (!f->stands)
		return;
	list = &l->lists[list_of(l, r->list)];
	if (!list->fed)
		say(l, r->name, "give the list a feed or entries", "rule '%s' of rule group '%s' decides nothing: list '%s' has no entries and no enabled feed, only people can fill it",
		    r->name, g->name, r->list);
	if (!f->lives && f->by)
		say_shadowed(l, g, r, f->by);
	if (r->action == FL_ACTION_ALLOW && list->everything)
		say(l, r->name, NULL, "rule '%s' of rule group '%s' allows every name: its list '%s' holds `*`", r->name, g->name, r->list);
	if (r->block_response == FL_BLOCK_OVERRIDE && r->override_type == FL_OVERRIDE_CNAME && holder(list, r->override_domain) && !target_allowed(l, r))
		say(l, r->name, "an ALLOW rule before it, for the target", "rule '%s' of rule group '%s' leads to '%s', which its own list '%s' covers: clients are led in a circle",
		    r->name, g->name, r->override_domain, r->list);
}

/* --- entries: those on which another rule always decides first, and says something else --- */

static bool same_word(const struct fl__rule *a, const struct fl__rule *b)
{
	return a->action == b->action && a->response == b->response;
}

/* The earlier rule of another list that decides on entry e before rule i. */
static const struct fl__rule *entry_taken(struct fl__lint *l, const struct fl__ruleset *set, size_t i, const char *e, const char **by_entry)
{
	for (size_t j = 0; j < i; j++) {
		const struct fl__rule *a = &set->v[j];

		l->steps++;
		if (!is_last_word(a) || a->list == set->v[i].list || a->cfg->n_q_types)
			continue;
		*by_entry = holder(&l->lists[a->list], e);
		if (*by_entry)
			return a;
	}
	return NULL;
}

/* One entry in all orders where its list is asked. */
static void lint_entry(struct fl__lint *l, size_t list, const char *e)
{
	const struct fl__rule *by = NULL, *of = NULL;
	const char *by_entry = NULL;

	for (size_t s = 0; s < l->p->n_sets; s++)
		for (size_t i = 0; i < l->p->sets[s].n && l->steps < STEPS_MAX; i++) {
			const struct fl__ruleset *set = &l->p->sets[s];

			if (set->v[i].list != list || !set->v[i].cfg || !l->rules[number_of(l, &set->v[i])].lives)
				continue; /* of a rule that can never decide it is said already */
			by = entry_taken(l, set, i, e, &by_entry);
			if (!by || same_word(by, &set->v[i]))
				return;
			of = &set->v[i];
		}
	if (of && l->steps < STEPS_MAX)
		say(l, e, NULL, "entry '%s' of list '%s' never decides: rule '%s' of '%s' says %s first, its list '%s' holds '%s'", e, l->p->lists[list], by->name, by->group,
		    fl_action_word(by->action), l->p->lists[by->list], by_entry);
}

/* --- what nothing uses --- */

static bool group_used(const struct fl_config *c, const char *name)
{
	for (size_t i = 0; i < c->n_org_before; i++)
		if (strcmp(c->org_before[i], name) == 0)
			return true;
	for (size_t i = 0; i < c->n_org_after; i++)
		if (strcmp(c->org_after[i], name) == 0)
			return true;
	for (size_t i = 0; i < c->n_associations; i++)
		for (size_t k = 0; k < c->associations[i].n_groups; k++)
			if (strcmp(c->associations[i].groups[k].name, name) == 0)
				return true;
	return false;
}

static bool list_named(const struct fl_config *c, const char *list)
{
	if (strcmp(list, FL_LIST_OPERATOR_ALLOW) == 0 || strcmp(list, FL_LIST_OPERATOR_BLOCK) == 0)
		return true;
	for (size_t i = 0; i < c->n_rule_groups; i++)
		for (size_t j = 0; j < c->rule_groups[i].n_rules; j++)
			if (strcmp(c->rule_groups[i].rules[j].list, list) == 0)
				return true;
	return false;
}

static bool among(const char *const *v, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(v[i], name) == 0)
			return true;
	return false;
}

/* A group that the same clients meet twice: the second time nothing is left for it. */
static void lint_twice(const struct fl__lint *l, const struct fl_cfg_association *a)
{
	const struct fl_config *c = l->cfg;

	for (size_t i = 0; i < a->n_groups; i++) {
		bool again = among(c->org_before, c->n_org_before, a->groups[i].name);

		for (size_t k = 0; k < i && !again; k++)
			again = strcmp(a->groups[k].name, a->groups[i].name) == 0;
		if (again)
			say(l, a->groups[i].name, "once is enough", "rule group '%s' is asked before already, for the clients of association '%s'", a->groups[i].name, a->name);
	}
}

static void lint_unused(const struct fl__lint *l)
{
	const struct fl_config *c = l->cfg;

	for (size_t i = 0; i < c->n_rule_groups; i++)
		if (c->rule_groups[i].n_rules > 0 && !group_used(c, c->rule_groups[i].name))
			say(l, c->rule_groups[i].name, "name it in an association", "rule group '%s' is in no association, and organisation does not name it", c->rule_groups[i].name);
	for (size_t i = 0; i < c->n_lists; i++)
		if (!list_named(c, c->lists[i].name))
			say(l, c->lists[i].name, NULL, "list '%s' is named by no rule: it decides nothing", c->lists[i].name);
	for (size_t i = 0; i < c->n_associations; i++) {
		const struct fl_cfg_association *a = &c->associations[i];

		lint_twice(l, a);
		if (a->fail_open && a->n_groups == 0 && c->n_org_before == 0 && c->n_org_after == 0)
			say(l, a->name, NULL, "association '%s': fail_open has no effect without rules", a->name);
	}
}

static void lint_all(struct fl__lint *l)
{
	const struct fl_config *c = l->cfg;

	for (size_t i = 0; i < l->p->n_lists; i++)
		learn_list(l, i);
	if (l->failed)
		return;
	for (size_t i = 0; i < l->p->n_sets; i++)
		judge_set(l, &l->p->sets[i]);
	for (size_t i = 0; i < c->n_rule_groups && l->steps < STEPS_MAX; i++)
		for (size_t j = 0; j < c->rule_groups[i].n_rules; j++)
			lint_rule(l, &c->rule_groups[i], &c->rule_groups[i].rules[j], &l->rules[l->first[i] + j]);
	for (size_t i = 0; i < l->p->n_lists; i++)
		for (size_t j = 0; l->lists[i].cfg && j < l->lists[i].cfg->n_entries && l->steps < STEPS_MAX; j++)
			lint_entry(l, i, l->lists[i].cfg->entries[j]);
	if (l->steps >= STEPS_MAX)
		say(l, NULL, NULL, "so many rules in so many associations: not all of them were looked at");
	lint_unused(l);
	if (!fl__lint_networks(l->p, l->warn, l->ctx))
		l->failed = true;
}

int fl_policy_lint(const struct fl_config *cfg, fl_policy_warn *warn, void *ctx, struct fl_err *err)
{
	struct fl__lint l = { .cfg = cfg, .warn = warn, .ctx = ctx };
	struct fl_policy *p = NULL;
	size_t n_rules = 0;
	int ret = fl_policy_new(cfg, &p, err);

	if (ret < 0)
		return ret;
	l.p = p;
	l.first = calloc(cfg->n_rule_groups + 1, sizeof(*l.first));
	for (size_t i = 0; l.first && i < cfg->n_rule_groups; i++) {
		l.first[i] = n_rules;
		n_rules += cfg->rule_groups[i].n_rules;
	}
	l.rules = calloc(n_rules + 1, sizeof(*l.rules));
	l.lists = calloc(p->n_lists + 1, sizeof(*l.lists));
	l.holds = calloc(p->n_lists * p->n_lists + 1, 1);
	l.failed = !l.first || !l.rules || !l.lists || !l.holds;
	if (!l.failed)
		lint_all(&l);
	for (size_t i = 0; l.lists && i < p->n_lists; i++)
		free(l.lists[i].sorted);
	free(l.holds);
	free(l.lists);
	free(l.rules);
	free(l.first);
	fl_policy_free(p);
	return l.failed ? fl_err_set(err, FL_ENOMEM, "out of memory") : 0;
}
