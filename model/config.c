/* Look-ups in the configuration, and the one place that says which sources make a list. */
#include "model/config.h"

#include <stdio.h>

static const char cli_source[] = "cli";

const struct fl_cfg_list *fl_config_list(const struct fl_config *c, const char *name)
{
	for (size_t i = 0; i < c->n_lists; i++)
		if (strcmp(c->lists[i].name, name) == 0)
			return &c->lists[i];
	return NULL;
}

const struct fl_cfg_feed *fl_config_feed(const struct fl_config *c, const char *name)
{
	for (size_t i = 0; i < c->n_feeds; i++)
		if (strcmp(c->feeds[i].name, name) == 0)
			return &c->feeds[i];
	return NULL;
}

const struct fl_cfg_rule_group *fl_config_rule_group(const struct fl_config *c, const char *name)
{
	for (size_t i = 0; i < c->n_rule_groups; i++)
		if (strcmp(c->rule_groups[i].name, name) == 0)
			return &c->rule_groups[i];
	return NULL;
}

struct sources {
	struct fl_arena *arena;
	struct fl_cfg_source *v;
	size_t n, cap;
	bool failed;
};

/* "first" or "first.suffix"; a name that is there already is not added again. */
static void sources_add(struct sources *s, const char *first, const char *suffix, enum fl_cfg_source_kind kind)
{
	const char *name = suffix ? fl_arena_printf(s->arena, "%s.%s", first, suffix) : fl_arena_str(s->arena, first);

	if (!name || s->n == s->cap) {
		s->failed = true;
		return;
	}
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i].source, name) == 0)
			return;
	s->v[s->n++] = (struct fl_cfg_source){ .source = name, .kind = kind };
}

static bool same_list(const char *configured, const char *builtin, const char *list)
{
	return strcmp(configured && *configured ? configured : builtin, list) == 0;
}

bool fl_config_finding_set(const struct fl_config *c, const char *source, const char *action, const char *list, char out[FL_SET_NAME])
{
	bool block = strcmp(action, "block") == 0;
	bool usual = block ? same_list(c->findings.into, FL_LIST_FINDINGS_BLOCK, list) : same_list(c->findings.alert_into, FL_LIST_FINDINGS_ALERT, list);
	int n = snprintf(out, FL_SET_NAME, "%s.%s%s%s", source, action, usual ? "" : ".", usual ? "" : list);

	return n > 0 && n < FL_SET_NAME;
}

static void sources_findings(struct sources *s, const struct fl_config *c, const char *action, const char *list)
{
	char set[FL_SET_NAME];

	for (size_t i = 0; i <= c->findings.n_sources; i++) {
		bool cli = i == c->findings.n_sources;

		if ((cli || c->findings.sources[i].enabled) && fl_config_finding_set(c, cli ? cli_source : c->findings.sources[i].name, action, list, set))
			sources_add(s, set, NULL, FL_SRC_FINDINGS);
	}
}

/* Does a rule of this action write into the list? */
static bool rules_write(const struct fl_cfg_findings *f, const char *action, const char *list)
{
	static const char *const words[] = { "block", "alert", "ignore" };

	for (size_t i = 0; i < f->n_rules; i++)
		if (f->rules[i].into && strcmp(f->rules[i].into, list) == 0 && strcmp(words[f->rules[i].action], action) == 0)
			return true;
	return false;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct fl_cfg_source *)a)->source, ((const struct fl_cfg_source *)b)->source);
}

size_t fl_config_sources(const struct fl_config *c, const char *list, struct fl_arena *arena,
			 struct fl_cfg_source **out)
{
	const struct fl_cfg_list *l = fl_config_list(c, list);
	struct sources s = { .arena = arena, .cap = c->n_feeds + 2 * (c->findings.n_sources + 1) + 2 };

	*out = NULL;
	s.v = fl_arena_array(arena, s.cap, sizeof(*s.v));
	if (!s.v)
		return 0;
	for (size_t i = 0; i < c->n_feeds; i++)
		if (c->feeds[i].enabled && strcmp(c->feeds[i].into, list) == 0)
			sources_add(&s, c->feeds[i].name, NULL, FL_SRC_FEED);
	sources_add(&s, list, "operator", FL_SRC_OPERATOR);
	if (l && l->n_entries)
		sources_add(&s, list, "config", FL_SRC_CONFIG);
	if (same_list(c->findings.into, FL_LIST_FINDINGS_BLOCK, list) || rules_write(&c->findings, "block", list))
		sources_findings(&s, c, "block", list);
	if (same_list(c->findings.alert_into, FL_LIST_FINDINGS_ALERT, list) || rules_write(&c->findings, "alert", list))
		sources_findings(&s, c, "alert", list);
	if (s.failed)
		return 0;
	qsort(s.v, s.n, sizeof(*s.v), by_name);
	*out = s.v;
	return s.n;
}

void fl_config_free(struct fl_config *c)
{
	if (!c)
		return;
	fl_arena_done(&c->arena);
	free(c);
}
