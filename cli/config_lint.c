/* config check beyond errors: the warnings of matcher/lint.c at their places, and those about entries as names. Rules are sorted once they are checked, so places are kept
 * by the address of each name's text. */
#include "cli/config_table.h"

#include "matcher/policy.h"

static void place(struct fl__load *l, const char *const *field)
{
	const struct fl_yaml_node *n = fl__load_node(l, field);

	if (n && **field)
		fl__load_mark(l, *field, n);
}

/* Of a list of texts, each item at its own place. */
static void place_items(struct fl__load *l, const char *const *v, size_t n, const void *field)
{
	const struct fl_yaml_node *list = fl__load_node(l, field), *c = list ? list->first : NULL;

	for (size_t i = 0; i < n && c; i++, c = c->next)
		fl__load_mark(l, v[i], c);
}

void fl__lint_places(struct fl__load *l)
{
	const struct fl_config *c = l->cfg;

	if (!l->lint)
		return;
	for (size_t i = 0; i < c->n_lists; i++) {
		place(l, &c->lists[i].name);
		place_items(l, c->lists[i].entries, c->lists[i].n_entries, &c->lists[i].entries);
	}
	for (size_t i = 0; i < c->n_rule_groups; i++) {
		place(l, &c->rule_groups[i].name);
		for (size_t j = 0; j < c->rule_groups[i].n_rules; j++)
			place(l, &c->rule_groups[i].rules[j].name);
	}
	for (size_t i = 0; i < c->n_associations; i++) {
		place(l, &c->associations[i].name);
		for (size_t j = 0; j < c->associations[i].n_groups; j++)
			place(l, &c->associations[i].groups[j].name);
	}
}

static void warn(void *ctx, const void *what, const char *hint, const char *text)
{
	struct fl__load *l = ctx;

	fl__load_warn(l, what ? fl__load_node(l, what) : NULL, hint, "%s", text);
}

static bool list_in(const struct fl_config *c, const char *list, enum fl_action action)
{
	for (size_t i = 0; i < c->n_rule_groups; i++)
		for (size_t j = 0; j < c->rule_groups[i].n_rules; j++)
			if (c->rule_groups[i].rules[j].action == action && strcmp(c->rule_groups[i].rules[j].list, list) == 0)
				return true;
	return false;
}

/* "*.SUFFIX" holds the names of everybody under a public suffix: seldom meant, and worst where it allows. */
static void lint_suffix(struct fl__load *l, const struct fl_cfg_list *list, const char *entry)
{
	const struct fl_names *names = fl__load_names(l);
	struct fl_rkey key;
	struct fl_span r;

	if (!names || strncmp(entry, "*.", 2) != 0 || !fl_rkey_from_text(fl_span_str(entry + 2), &key) || fl_name_registrable(names, fl_rkey_span(&key), &r))
		return;
	if (list_in(l->cfg, list->name, FL_ACTION_ALLOW))
		fl__load_warn(l, fl__load_node(l, entry), "name the domains that are meant", "'%.100s' allows whatever anybody registers under '%.100s', a public suffix", entry, entry + 2);
	else if (list_in(l->cfg, list->name, FL_ACTION_BLOCK))
		fl__load_warn(l, fl__load_node(l, entry), "if that is meant, leave it", "'%.100s' blocks all that is registered under '%.100s', a public suffix", entry, entry + 2);
}

void fl__lint(struct fl__load *l)
{
	const struct fl_config *c = l->cfg;
	struct fl_err err = { 0 };
	int ret;

	if (!l->lint || l->failed || l->diag->errors)
		return;
	ret = fl_policy_lint(c, warn, l, &err);
	if (ret == FL_ENOMEM)
		l->failed = true;
	else if (ret < 0)
		fl__load_error(l, NULL, NULL, "%s", err.text);
	for (size_t i = 0; i < c->n_lists; i++)
		for (size_t j = 0; j < c->lists[i].n_entries; j++)
			lint_suffix(l, &c->lists[i], c->lists[i].entries[j]);
}
