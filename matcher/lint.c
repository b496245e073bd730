/* What config check warns of: rules that can never decide, lists and rule groups that nothing uses. A rule is judged in every order
 * it stands in (each association's, and that of clients without one): one order where it can decide is enough. Contents of lists are
 * not known here, except that a list whose own entries hold `*` covers every name. */
#include <stdlib.h>

#include "matcher/policy_rules.h"

struct lint {
	const struct fl_config *cfg;
	void (*warn)(void *ctx, const char *text);
	void *ctx;
};

static void say(const struct lint *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(const struct lint *l, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	l->warn(l->ctx, text);
}

static bool covers_all(const struct fl_config *c, const char *list)
{
	const struct fl_cfg_list *cl = fl_config_list(c, list);

	for (size_t i = 0; cl && i < cl->n_entries; i++)
		if (strcmp(cl->entries[i], "*") == 0)
			return true;
	return false;
}

/* Does `a` take every question type that `b` takes? */
static bool types_include(const struct fl__rule *a, const struct fl__rule *b)
{
	if (!a->cfg || a->cfg->n_q_types == 0)
		return true;
	if (!b->cfg || b->cfg->n_q_types == 0)
		return false;
	for (size_t i = 0; i < b->cfg->n_q_types; i++)
		if (!fl__rule_fits(a, b->cfg->q_types[i]))
			return false;
	return true;
}

/* The earlier rule that always decides before rule i of a set, or NULL. */
static const struct fl__rule *shadow_of(const struct fl_config *c, const struct fl_policy *p, const struct fl__ruleset *set, size_t i)
{
	for (size_t j = 0; j < i; j++) {
		const struct fl__rule *a = &set->v[j];

		if (a->cfg && !a->cfg->continue_ && types_include(a, &set->v[i]) &&
		    (a->list == set->v[i].list || covers_all(c, p->lists[a->list])))
			return a;
	}
	return NULL;
}

/* Of one configured rule: in how many orders it stands, and whether it can decide in any. */
static void rule_lint(const struct lint *l, const struct fl_policy *p, const struct fl_cfg_rule_group *g, const struct fl_cfg_rule *r)
{
	const struct fl__rule *by = NULL;
	size_t stands = 0;

	for (size_t s = 0; s < p->n_sets; s++)
		for (size_t i = 0; i < p->sets[s].n; i++) {
			if (p->sets[s].v[i].cfg != r)
				continue;
			stands++;
			by = shadow_of(l->cfg, p, &p->sets[s], i);
			if (!by)
				return;
		}
	if (stands == 0 || !by)
		return;
	if (by->action == FL_ACTION_ALERT && r->action == FL_ACTION_BLOCK)
		say(l, "rule '%s' of rule group '%s' can never block: rule '%s' of '%s' alerts on the same names first, and ALERT is the "
		       "last word unless it says `continue: true`",
		    r->name, g->name, by->name, by->group);
	else
		say(l, "rule '%s' of rule group '%s' can never decide: rule '%s' of '%s' always decides first", r->name, g->name,
		    by->name, by->group);
}

static bool group_used(const struct fl_policy *p, const struct fl_cfg_rule_group *g)
{
	for (size_t s = 0; s < p->n_sets; s++)
		for (size_t i = 0; i < p->sets[s].n; i++)
			if (p->sets[s].v[i].group == g->name)
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

void fl_policy_lint(const struct fl_config *cfg, void (*warn)(void *ctx, const char *text), void *ctx)
{
	struct lint l = { cfg, warn, ctx };
	struct fl_policy *p = NULL;

	if (fl_policy_new(cfg, &p, NULL) < 0) /* the caller has been told why, by fl_policy_new itself */
		return;
	for (size_t i = 0; i < cfg->n_rule_groups; i++) {
		const struct fl_cfg_rule_group *g = &cfg->rule_groups[i];

		if (g->n_rules > 0 && !group_used(p, g))
			say(&l, "rule group '%s' is in no association, and organisation does not name it", g->name);
		for (size_t j = 0; j < g->n_rules; j++)
			rule_lint(&l, p, g, &g->rules[j]);
	}
	for (size_t i = 0; i < cfg->n_lists; i++)
		if (!list_named(cfg, cfg->lists[i].name))
			say(&l, "list '%s' is named by no rule: it decides nothing", cfg->lists[i].name);
	fl_policy_free(p);
}
