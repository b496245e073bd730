/* What a scenario declares, kept as it was said, and written as the YAML that the product's own loader reads. Anything may be said again: the last word counts, at the next `reload`.
 *
 *   list ads action=nxdomain              a list, and a rule for it in the group `default`
 *   rule ads action=alert group=guest     a further rule
 *   association lan networks=10.0.0.0/8 groups=guest    without any: everyone has the group `default` */
#include <string.h>

#include "scenario.h"

enum { YAML = 400 };
struct item {
	char name[64], of[64]; /* of: a rule's list */
	char group[64];
	char yaml[YAML];
};
struct items {
	struct item v[SCN_ITEMS];
	size_t n;
};
struct scn_policy {
	struct items lists, feeds, rules, associations, settings;
	char before[128], after[128], findings[128];
	unsigned priority;
};

struct scn_policy *scn_policy_new(void)
{
	struct scn_policy *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	p->priority = 100;
	return p;
}

void scn_policy_free(struct scn_policy *p)
{
	free(p);
}

static struct item *find(struct items *t, const char *name, const char *group)
{
	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->v[i].name, name) == 0 && strcmp(t->v[i].group, group) == 0)
			return &t->v[i];
	return NULL;
}

/* Of this name, made when there is none; NULL: too many. */
static struct item *item(struct items *t, const char *name, const char *group)
{
	struct item *it = find(t, name, group);

	if (it || t->n == SCN_ITEMS)
		return it;
	it = &t->v[t->n++];
	memset(it, 0, sizeof(*it));
	snprintf(it->name, sizeof(it->name), "%s", name);
	snprintf(it->group, sizeof(it->group), "%s", group);
	return it;
}

/* "a,b" as a YAML list of texts. */
static void put_list(struct fl_buf *b, const char *key, const char *csv)
{
	fl_buf_printf(b, ", %s: [", key);
	for (const char *at = csv; *at; at += strspn(at, ",")) {
		size_t n = strcspn(at, ",");

		fl_buf_printf(b, "%s\"%.*s\"", at == csv ? "" : ", ", (int)n, at);
		at += n;
	}
	fl_buf_str(b, "]");
}

static const char *keep(struct item *it, struct fl_buf *b)
{
	const char *text = it ? fl_buf_cstr(b) : NULL, *why = NULL;

	if (!it)
		why = "too many of these";
	else if (!text || strlen(text) >= sizeof(it->yaml))
		why = "too long";
	else
		snprintf(it->yaml, sizeof(it->yaml), "%s", text);
	fl_buf_done(b);
	return why;
}

/* The action's word, and for a BLOCK its response. */
static const char *put_action(struct fl_buf *b, const char *action)
{
	static const char *const rows[][2] = { { "allow", "ALLOW" }, { "alert", "ALERT" }, { "nxdomain", "BLOCK, block_response: NXDOMAIN" },
					       { "nodata", "BLOCK, block_response: NODATA" } };

	if (strncmp(action, "override:", 9) == 0) { /* a name, or addresses with a plus between them */
		bool address = strchr(action, ':') != strrchr(action, ':') || strspn(action + 9, "0123456789.+") == strlen(action + 9);

		fl_buf_str(b, ", action: BLOCK, block_response: OVERRIDE, ");
		if (!address)
			fl_buf_printf(b, "block_override_domain: %s", action + 9);
		for (const char *at = action + 9; address && *at; at += strspn(at, "+")) {
			fl_buf_printf(b, "%s\"%.*s\"", at == action + 9 ? "block_override_address: [" : ", ", (int)strcspn(at, "+"), at);
			at += strcspn(at, "+");
		}
		fl_buf_str(b, address ? "]" : "");
		return NULL;
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(rows[i][0], action) == 0) {
			fl_buf_printf(b, ", action: %s", rows[i][1]);
			return NULL;
		}
	return "action=allow, alert, nxdomain, nodata or override:TARGET (a name, or addresses with + between them)";
}

static const char *declare_rule(struct scn_policy *p, const struct scn_line *l, const char *list)
{
	const char *group = scn_option(l, "group"), *priority = scn_option(l, "priority"), *types = scn_option(l, "q_type"), *why;
	const char *action = scn_option(l, "action"), *name = scn_option(l, "name");
	struct item *it = item(&p->rules, name ? name : list, group ? group : "default");
	struct fl_buf b = { 0 };

	fl_buf_printf(&b, "{name: %s, domain_list: %s, priority: ", name ? name : list, list);
	if (priority)
		fl_buf_str(&b, priority);
	else
		fl_buf_printf(&b, "%u", p->priority++);
	why = action ? put_action(&b, action) : "a rule needs an action";
	if (types)
		put_list(&b, "q_type", types);
	if (scn_option(l, "ttl"))
		fl_buf_printf(&b, ", block_override_ttl: %s", scn_option(l, "ttl"));
	if (scn_has(l, "trust"))
		fl_buf_str(&b, ", domain_redirection_action: TRUST_REDIRECTION_DOMAIN");
	if (scn_has(l, "continue"))
		fl_buf_str(&b, ", continue: true");
	fl_buf_str(&b, "}");
	if (it)
		snprintf(it->of, sizeof(it->of), "%s", list);
	if (!why)
		return keep(it, &b);
	fl_buf_done(&b);
	return why;
}

static const char *declare_list(struct scn_policy *p, const struct scn_line *l, const char *name)
{
	const char *entries = scn_option(l, "entries");
	struct fl_buf b = { 0 };
	const char *why;

	fl_buf_printf(&b, "{name: %s", name);
	if (entries)
		put_list(&b, "entries", entries);
	if (scn_option(l, "default_ttl"))
		fl_buf_printf(&b, ", default_ttl: %s", scn_option(l, "default_ttl"));
	fl_buf_str(&b, "}");
	why = keep(item(&p->lists, name, ""), &b);
	return why || !scn_option(l, "action") ? why : declare_rule(p, l, name);
}

static const char *declare_feed(struct scn_policy *p, const struct scn_line *l, const char *name)
{
	static const char *const keys[] = { "format", "scope", "every", "min_names", "stale_after", "remove_after_absent" };
	static const char *const dflt[] = { "domains", "subtree", "5m", NULL, NULL, NULL };
	const char *into = scn_option(l, "into");
	struct item *it = find(&p->feeds, name, "");
	struct fl_buf b = { 0 };

	if (it && !into)
		return NULL; /* only other content */
	if (!into && p->lists.n == 0)
		return "no list to feed";
	fl_buf_printf(&b, "{name: %s, url: \"http://feeds.example/%s\", jitter: 0%%, into: %s", name, name, into ? into : p->lists.v[p->lists.n - 1].name);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *v = scn_option(l, keys[i]) ? scn_option(l, keys[i]) : dflt[i];

		if (v)
			fl_buf_printf(&b, ", %s: %s", keys[i], v);
	}
	fl_buf_str(&b, "}");
	return keep(item(&p->feeds, name, ""), &b);
}

static const char *declare_association(struct scn_policy *p, const struct scn_line *l, const char *name)
{
	const char *networks = scn_option(l, "networks"), *groups = scn_option(l, "groups"), *fail = scn_option(l, "fail");
	struct fl_buf b = { 0 };
	unsigned n = 0;

	if (!networks || !groups)
		return "an association needs networks= and groups=";
	fl_buf_printf(&b, "{name: %s", name);
	put_list(&b, "networks", networks);
	fl_buf_str(&b, ", rule_groups: [");
	for (const char *at = groups; *at; at += strspn(at, ",")) {
		size_t len = strcspn(at, ",");

		fl_buf_printf(&b, "%s{name: %.*s, priority: %u}", at == groups ? "" : ", ", (int)len, at, ++n * 100);
		at += len;
	}
	fl_buf_printf(&b, "], fail_open: %s, mutation_protection: %s}", fail && strcmp(fail, "open") == 0 ? "true" : "false", scn_has(l, "protected") ? "true" : "false");
	return keep(item(&p->associations, name, ""), &b);
}

static void remove_at(struct items *t, size_t i)
{
	memmove(&t->v[i], &t->v[i + 1], (--t->n - i) * sizeof(t->v[0]));
}

/* drop list ads, drop feed urls, drop rule ads (every rule that asks the list), drop association lan */
static const char *drop(struct scn_policy *p, const char *what, const char *name)
{
	struct items *t = strcmp(what, "list") == 0 ? &p->lists : strcmp(what, "feed") == 0 ? &p->feeds : strcmp(what, "rule") == 0 ? &p->rules :
			  strcmp(what, "association") == 0 ? &p->associations : NULL;
	bool found = false;

	for (size_t i = t ? t->n : 0; i-- > 0;)
		if (strcmp(t == &p->rules ? t->v[i].of : t->v[i].name, name) == 0) {
			remove_at(t, i);
			found = true;
		}
	return found ? NULL : "there is no such thing to drop";
}

static const char *declare_rest(struct scn_policy *p, const struct scn_line *l)
{
	const char *before = scn_option(l, "before"), *after = scn_option(l, "after"), *ttl = scn_option(l, "ttl"), *least = scn_option(l, "min_severity"), *into = scn_option(l, "into");
	const char *a = scn_word(l, 1), *b = scn_word(l, 2);
	struct fl_buf value = { 0 };

	if (strcmp(l->v[0].text, "organisation") == 0) {
		snprintf(p->before, sizeof(p->before), "%s", before ? before : "");
		snprintf(p->after, sizeof(p->after), "%s", after ? after : "");
		return before || after ? NULL : "organisation before=GROUP after=GROUP";
	}
	if (strcmp(l->v[0].text, "findings") == 0) {
		snprintf(p->findings, sizeof(p->findings), "ttl: %s, min_severity: %s, into: %s", ttl ? ttl : "14d", least ? least : "4.0",
			 into ? into : FL_LIST_FINDINGS_BLOCK);
		return NULL;
	}
	if (!a || !b)
		return "two words more";
	if (strcmp(l->v[0].text, "drop") == 0)
		return drop(p, a, b);
	fl_buf_str(&value, b);
	return keep(item(&p->settings, a, ""), &value);
}

const char *scn_policy_declare(struct scn_policy *p, const struct scn_line *l)
{
	static const struct {
		const char *verb;
		const char *(*take)(struct scn_policy *p, const struct scn_line *l, const char *name);
	} rows[] = { { "list", declare_list }, { "rule", declare_rule }, { "feed", declare_feed }, { "association", declare_association } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(l->v[0].text, rows[i].verb) == 0)
			return scn_word(l, 1) ? rows[i].take(p, l, scn_word(l, 1)) : "a name is missing";
	return declare_rest(p, l);
}

static void put_items(const struct items *t, const char *key, struct fl_buf *out)
{
	if (t->n)
		fl_buf_printf(out, "%s:\n", key);
	for (size_t i = 0; i < t->n; i++)
		fl_buf_printf(out, "  - %s\n", t->v[i].yaml);
}

static void put_groups(const struct items *rules, struct fl_buf *out)
{
	if (rules->n)
		fl_buf_str(out, "rule_groups:\n");
	for (size_t i = 0; i < rules->n; i++) {
		bool first = true;

		for (size_t k = 0; k < i; k++)
			first = first && strcmp(rules->v[k].group, rules->v[i].group) != 0;
		if (!first)
			continue;
		fl_buf_printf(out, "  - name: %s\n    rules:\n", rules->v[i].group);
		for (size_t k = i; k < rules->n; k++)
			if (strcmp(rules->v[k].group, rules->v[i].group) == 0)
				fl_buf_printf(out, "      - %s\n", rules->v[k].yaml);
	}
}

static bool has_group(const struct items *rules, const char *group)
{
	for (size_t i = 0; i < rules->n; i++)
		if (strcmp(rules->v[i].group, group) == 0)
			return true;
	return false;
}

void scn_policy_yaml(const struct scn_policy *p, const char *node, struct fl_buf *out)
{
	fl_buf_printf(out, "version: 1\nnode: {name: %s}\nupstreams: [{name: default, servers: [\"192.0.2.53\"]}]\ncache: {size: 1MiB}\n", node);
	fl_buf_str(out, "special_names: {enabled: false}\n"); /* names of scenarios are of .test */
	for (size_t i = 0; i < p->settings.n; i++)
		fl_buf_printf(out, "%s: %s\n", p->settings.v[i].name, p->settings.v[i].yaml);
	put_items(&p->lists, "domain_lists", out);
	put_items(&p->feeds, "feeds", out);
	if (p->findings[0])
		fl_buf_printf(out, "findings: {defaults: {%s}}\n", p->findings);
	put_groups(&p->rules, out);
	if (p->before[0] || p->after[0])
		fl_buf_printf(out, "organisation: {before: [%s], after: [%s]}\n", p->before, p->after);
	put_items(&p->associations, "associations", out);
	if (p->associations.n == 0 && has_group(&p->rules, "default"))
		fl_buf_str(out, "associations:\n  - {name: everyone, networks: [\"0.0.0.0/0\", \"::/0\"], rule_groups: [{name: default, priority: 100}]}\n");
}
