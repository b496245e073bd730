/* The policy on findings, by a configuration. Stage and `finding inject --dry-run` ask the same. */
#include "ingest/ingest.h"

/* Findings of a detector that was given one of our lists say its name: the list's own, or with ours before it; or what the operator says it is called there. */
static int own_lists(const struct fl_config *cfg, struct fl_arena *arena, struct fl_finding_policy *p)
{
	const struct fl_cfg_findings *f = &cfg->findings;
	const char **v = fl_arena_array(arena, cfg->n_lists * 2 + f->n_own_exports + 1, sizeof(*v));
	size_t n = 0;

	for (size_t i = 0; v && i < cfg->n_lists; i++) {
		v[n++] = fl_arena_str(arena, cfg->lists[i].name);
		v[n++] = fl_arena_printf(arena, "fireline-%s", cfg->lists[i].name);
	}
	for (size_t i = 0; v && i < f->n_own_exports; i++)
		v[n++] = fl_arena_str(arena, f->own_exports[i]);
	for (size_t i = 0; v && i < n; i++)
		if (!v[i])
			return FL_ENOMEM;
	p->own_lists = v;
	p->n_own_lists = n;
	return v ? 0 : FL_ENOMEM;
}

int fl_finding_policy_of(const struct fl_config *cfg, struct fl_arena *arena, struct fl_finding_policy *out)
{
	const struct fl_cfg_findings *f = &cfg->findings;
	struct fl_finding_rule *rules = fl_arena_array(arena, f->n_rules + 1, sizeof(*rules));
	struct fl_finding_policy p = { .rules = rules, .n_rules = f->n_rules, .min_severity = f->min_severity, .ttl_ms = f->ttl_ms, .ignore_samples = f->ignore_samples,
				       .into = f->into, .alert_into = f->alert_into };

	if (!rules || own_lists(cfg, arena, &p) < 0)
		return FL_ENOMEM;
	for (size_t i = 0; i < f->n_rules; i++)
		rules[i] = (struct fl_finding_rule){ f->rules[i].type, (enum fl_finding_action)f->rules[i].action, f->rules[i].scope, f->rules[i].ttl_ms, f->rules[i].into };
	*out = p;
	return 0;
}
