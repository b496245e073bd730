/* What no row can say alone: references, pairs of keys, derived defaults, built-in lists. Policy is in config_policy.c. Start at fl__check. */
#include "cli/config_table.h"

#include <unistd.h>

#include "base/text.h"
#include "feeds/feeds.h"

static const char *const builtins[] = { FL_LIST_OPERATOR_ALLOW, FL_LIST_OPERATOR_BLOCK, FL_LIST_FINDINGS_BLOCK, FL_LIST_FINDINGS_ALERT };
enum { N_BUILTINS = sizeof(builtins) / sizeof(builtins[0]) };

static bool is_builtin(const char *name)
{
	for (size_t i = 0; i < N_BUILTINS; i++)
		if (strcmp(builtins[i], name) == 0)
			return true;
	return false;
}

/* Built-in lists stand behind the configured ones. */
static void add_builtin_lists(struct fl__load *l)
{
	struct fl_config *c = l->cfg;
	struct fl_cfg_list *v = fl__load_array(l, c->n_lists + N_BUILTINS, sizeof(*v));

	for (size_t i = 0; i < c->n_lists; i++)
		if (is_builtin(c->lists[i].name))
			fl__load_error(l, fl__load_node(l, &c->lists[i].name), "it exists in every deployment, and needs no definition",
				       "'%s' is the name of a built-in list", c->lists[i].name);
	if (!v)
		return;
	if (c->n_lists)
		memcpy(v, c->lists, c->n_lists * sizeof(*v));
	for (size_t i = 0; i < N_BUILTINS; i++) {
		v[c->n_lists + i] = (struct fl_cfg_list){ .builtin = true };
		fl__defaults(l, "domain_lists[]", &v[c->n_lists + i]);
		v[c->n_lists + i].name = builtins[i];
	}
	c->lists = v;
	c->n_lists += N_BUILTINS;
}

/* Lists that are asked for by name; the hint is the nearest there is. */
void fl__check_list_exists(struct fl__load *l, const char *const *field, const char *who)
{
	const struct fl_config *c = l->cfg;
	const char **names;
	const char *hint;

	if (**field == '\0' || fl_config_list(c, *field))
		return;
	names = fl_arena_array(&l->scratch, c->n_lists, sizeof(*names));
	if (!names)
		return;
	for (size_t i = 0; i < c->n_lists; i++)
		names[i] = c->lists[i].name;
	hint = fl__load_suggest(l, *field, names, c->n_lists);
	fl__load_error(l, fl__load_node(l, field), hint ? hint : "add it to domain_lists", "%s names the list '%.80s', which does not exist", who ? who : "this", *field);
}

static void check_feed_source(struct fl__load *l, const struct fl_cfg_feed *f)
{
	const struct fl_yaml_node *name = fl__load_node(l, &f->name);

	if (f->url[0] && f->path[0])
		fl__load_error(l, fl__load_node(l, &f->path), "leave one of them out", "feed '%s' has both url and path", f->name);
	else if (name && !f->url[0] && !f->path[0] && !f->preset[0])
		fl__load_error(l, name, "where does it come from? (or a preset: fireline feed presets)", "feed '%s' has neither url nor path", f->name);
	if (f->watch && !f->path[0])
		fl__load_error(l, fl__load_node(l, &f->watch), "only a path can be watched", "watch without path");
	if (f->n_headers && !f->url[0])
		fl__load_error(l, fl__load_node(l, &f->headers), NULL, "headers_file without url");
}

/* The first field that is set, if any; value is the one without which the others say nothing. */
static const char *const *field_set(const struct fl_cfg_fields *f)
{
	const char *const *v[] = { &f->value, &f->type, &f->category, &f->confidence, &f->first_seen, &f->expires };

	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++)
		if (**v[i])
			return v[i];
	return NULL;
}

static void check_fields(struct fl__load *l, const struct fl_cfg_feed *f)
{
	const char *const *column = field_set(&f->columns), *const *pointer = field_set(&f->pointers);
	const char *const *place = f->items[0] ? &f->items : f->exceptions[0] ? &f->exceptions : NULL;
	bool json = f->format == FL_FORMAT_JSON || f->format == FL_FORMAT_NDJSON;
	const struct fl_yaml_node *delimiter = fl__load_node(l, &f->delimiter);

	if ((column || delimiter) && f->format != FL_FORMAT_CSV)
		fl__load_error(l, column ? fl__load_node(l, column) : delimiter, "write format: csv", "%s %s for format csv, and this feed's is %s",
			       column ? "columns" : "delimiter", column ? "are" : "is", fl_format_word((enum fl_format)f->format));
	else if (column && !f->columns.value[0])
		fl__load_error(l, fl__load_node(l, column), "add columns.value", "no column is named that holds the names");
	if ((pointer || place) && !json)
		fl__load_error(l, fl__load_node(l, pointer ? pointer : place), "write format: json, or ndjson", "pointers are for format json and ndjson, and this feed's is %s",
			       fl_format_word((enum fl_format)f->format));
	else if (pointer && !f->pointers.value[0])
		fl__load_error(l, fl__load_node(l, pointer), "add pointers.value", "no pointer is named that holds the names");
	else if (place && f->format == FL_FORMAT_NDJSON)
		fl__load_error(l, fl__load_node(l, place), "each line is a record", "pointers.items and pointers.exceptions are for format json");
}

static void check_feed(struct fl__load *l, struct fl_cfg_feed *f)
{
	const struct fl_cfg_list *list;

	fl__preset_fill(l, f);
	fl__check_list_exists(l, &f->into, "the feed");
	list = fl_config_list(l->cfg, f->into);
	if (list && list->builtin)
		fl__load_error(l, fl__load_node(l, &f->into), "a list of its own, beside it in the rule group, does the same", "no feed may write into '%s'",
			       f->into);
	check_feed_source(l, f);
	check_fields(l, f);
	if (f->format == FL_FORMAT_DOMAINS && f->scope == 0 && !fl__load_node(l, &f->scope))
		fl__load_error(l, fl__load_node(l, &f->format), "add scope: exact, subdomains, subtree or as_written",
			       "format domains does not say whether a name covers what is below it");
	if (!fl__load_node(l, &f->stale_after_ms))
		f->stale_after_ms = 3 * f->every_ms > 3600000 ? 3 * f->every_ms : 3600000;
	if (!list)
		return;
	if (!fl__load_node(l, &f->guard.max_added_ratio))
		f->guard.max_added_ratio = list->guard.max_added_ratio;
	if (!fl__load_node(l, &f->guard.max_removed_ratio))
		f->guard.max_removed_ratio = list->guard.max_removed_ratio;
}

/* What a type of findings source cannot do without. */
static const struct need {
	enum fl_cfg_findings_type type;
	size_t off; /* of a text */
	const char *key, *hint;
} findings_needs[] = {
	{ FL_FINDINGS_DIRECTORY, offsetof(struct fl_cfg_findings_source, path), "path", "path: the folder that is watched" },
	{ FL_FINDINGS_WEBHOOK, offsetof(struct fl_cfg_findings_source, path), "path", "path: of the URL that it is sent to, as /v1/findings/NAME" },
	{ FL_FINDINGS_WEBHOOK, offsetof(struct fl_cfg_findings_source, hmac_secret_file), "hmac_secret_file", "a webhook without a secret could be anyone's" },
	{ FL_FINDINGS_KAFKA, offsetof(struct fl_cfg_findings_source, topic), "topic", "topic: the whole name, without fireline's prefix" },
	{ FL_FINDINGS_SQS, offsetof(struct fl_cfg_findings_source, queue_url), "queue_url", "queue_url: as https://sqs.REGION.amazonaws.com/ACCOUNT/NAME" },
	{ FL_FINDINGS_SQS, offsetof(struct fl_cfg_findings_source, region), "region", "region: as us-east-1" },
	{ FL_FINDINGS_GUARDDUTY, offsetof(struct fl_cfg_findings_source, detector_id), "detector_id", "detector_id: of the detector whose findings are read" },
	{ FL_FINDINGS_GUARDDUTY, offsetof(struct fl_cfg_findings_source, region), "region", "region: as us-east-1" },
};

static void check_findings_source(struct fl__load *l, const struct fl_cfg_findings_source *s)
{
	for (size_t i = 0; i < sizeof(findings_needs) / sizeof(*findings_needs); i++) {
		const struct need *n = &findings_needs[i];

		if (n->type == s->type && !**(const char *const *)((const char *)s + n->off))
			fl__load_error(l, fl__load_node(l, &s->type), n->hint, "a source of this type needs %s", n->key);
	}
	if (s->type == FL_FINDINGS_WEBHOOK && s->path[0] && s->path[0] != '/')
		fl__load_error(l, fl__load_node(l, &s->path), "as /v1/findings/NAME", "the path of a webhook begins with /");
	if (s->type == FL_FINDINGS_WEBHOOK && s->enabled && !l->cfg->findings.webhook_address[0])
		fl__load_error(l, fl__load_node(l, &s->type), "findings: {webhook: {address: \"127.0.0.1:8454\"}}", "no listener for webhooks");
	if (s->type == FL_FINDINGS_KAFKA && s->enabled && !l->cfg->kafka_brokers[0])
		fl__load_error(l, fl__load_node(l, &s->type), "kafka: {brokers: [...]}", "there is no Kafka to read it from");
	if (*s->mapping.id || *s->mapping.type || *s->mapping.severity || *s->mapping.reason || *s->mapping.updated_at || *s->mapping.expires_at ||
	    *s->mapping.archived)
		if (!*s->mapping.domain)
			fl__load_error(l, fl__load_node(l, &s->name), "mapping: {domain: /path/to/name}", "a mapping that does not say where the domain stands");
}

/* The list of a rule: it exists, and the sets of all sources for it can be named. */
static void check_findings_rule(struct fl__load *l, const struct fl_cfg_finding_rule *r)
{
	const struct fl_cfg_findings *f = &l->cfg->findings;
	char set[FL_SET_NAME];

	if (!r->into[0])
		return;
	fl__check_list_exists(l, &r->into, "findings");
	if (r->action == FL_FINDING_IGNORE)
		fl__load_error(l, fl__load_node(l, &r->into), NULL, "what is ignored goes into no list");
	else if (strcmp(r->into, r->action == FL_FINDING_BLOCK ? f->alert_into : f->into) == 0)
		fl__load_error(l, fl__load_node(l, &r->into), "two lists: one rule blocks, the other alerts", "the list of what is %s",
			       r->action == FL_FINDING_BLOCK ? "only alerted" : "blocked");
	for (size_t i = 0; i < f->n_sources; i++)
		if (!fl_config_finding_set(l->cfg, f->sources[i].name, fl_finding_action_word((enum fl_finding_action)r->action), r->into, set))
			fl__load_error(l, fl__load_node(l, &r->into), "a shorter name for the list, or for the source", "the names of source '%s' and of this list are too long together",
				       f->sources[i].name);
}

static void check_findings(struct fl__load *l)
{
	struct fl_cfg_findings *f = &l->cfg->findings;

	if (!f->webhook_cert_file[0] != !f->webhook_key_file[0])
		fl__load_error(l, fl__load_node(l, f->webhook_cert_file[0] ? &f->webhook_cert_file : &f->webhook_key_file), NULL, "cert_file and key_file belong together");

	fl__check_list_exists(l, &f->into, "findings");
	fl__check_list_exists(l, &f->alert_into, "findings");
	if (strcmp(f->into, f->alert_into) == 0)
		fl__load_error(l, fl__load_node(l, fl__load_node(l, &f->alert_into) ? &f->alert_into : &f->into), "two lists: one rule blocks, the other alerts",
			       "into and alert_into are the same list");
	for (size_t i = 0; i < f->n_rules; i++)
		check_findings_rule(l, &f->rules[i]);
	for (size_t i = 0; i < f->n_sources; i++) {
		check_findings_source(l, &f->sources[i]);
		if (strcmp(f->sources[i].name, "cli") == 0)
			fl__load_error(l, fl__load_node(l, &f->sources[i].name), NULL, "'cli' is the source of `fireline finding inject`");
		for (size_t j = 0; j < i; j++)
			if (f->sources[i].path[0] && strcmp(f->sources[i].path, f->sources[j].path) == 0)
				fl__load_error(l, fl__load_node(l, &f->sources[i].path), NULL, "two sources have the same path");
	}
}

static void check_listen(struct fl__load *l)
{
	const struct fl_config *c = l->cfg;

	for (size_t i = 0; i < c->n_listens; i++)
		for (size_t j = 0; j < i; j++)
			if (c->listens[i].address[0] && c->listens[i].tcp == c->listens[j].tcp && strcmp(c->listens[i].address, c->listens[j].address) == 0)
				fl__load_error(l, fl__load_node(l, &c->listens[i].address), NULL, "two %s listeners on %s", c->listens[i].tcp ? "tcp" : "udp",
					       c->listens[i].address);
}

static void check_upstreams(struct fl__load *l)
{
	const struct fl_config *c = l->cfg;
	const struct fl_cfg_upstream *all = NULL;

	for (size_t i = 0; i < c->n_upstreams; i++) {
		if (c->upstreams[i].n_zones)
			continue;
		if (all)
			fl__load_warn(l, fl__load_node(l, &c->upstreams[i].name), "give it zones, or its servers to the other", "'%s' is never asked: '%s' before it takes every name",
				      c->upstreams[i].name, all->name);
		else
			all = &c->upstreams[i];
	}
}

static void check_clients(struct fl__load *l)
{
	const struct fl_config *c = l->cfg;

	for (size_t i = 0; i < c->n_allowed_clients && !c->rate.per_client; i++)
		if (c->allowed_clients[i].prefix < 8) {
			fl__load_warn(l, fl__load_node(l, &c->allowed_clients), "set rate_limit.per_client", "the whole internet may ask, as often as it likes");
			break;
		}
	if (c->rate.burst && c->rate.per_client && c->rate.burst < c->rate.per_client)
		fl__load_warn(l, fl__load_node(l, &c->rate.burst), NULL, "rate_limit.burst is less than a second of per_client");
	if (c->rate.burst && !c->rate.per_client)
		fl__load_warn(l, fl__load_node(l, &c->rate.burst), "set rate_limit.per_client", "rate_limit.burst without per_client limits nothing");
}

static void check_cache(struct fl__load *l)
{
	const struct fl_config *c = l->cfg;

	if (c->cache_min_ttl_ms > c->cache_max_ttl_ms)
		fl__load_error(l, fl__load_node(l, fl__load_node(l, &c->cache_min_ttl_ms) ? &c->cache_min_ttl_ms : &c->cache_max_ttl_ms), NULL,
			       "cache.min_ttl is longer than cache.max_ttl");
}

/* The host name's first label, as a name. */
static const char *host_name(struct fl__load *l)
{
	char host[256] = "";
	size_t n = 0;

	gethostname(host, sizeof(host) - 1);
	for (; host[n] && host[n] != '.' && n < 60; n++) {
		char c = host[n] >= 'A' && host[n] <= 'Z' ? (char)(host[n] + 32) : host[n];

		host[n] = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c == '-' && n) ? c : n ? '-' : 'n';
	}
	host[n] = '\0';
	return n ? fl__load_str(l, host) : "fireline";
}

static void check_names(struct fl__load *l)
{
	struct fl_config *c = l->cfg;

	if (!c->node_name[0])
		c->node_name = host_name(l);
	if (!c->admin_socket[0])
		c->admin_socket = fl__load_str(l, fl__load_hint(l, "%s/admin.sock", c->runtime));
	if (!c->state[0] || !c->runtime[0])
		fl__load_error(l, fl__load_node(l, c->state[0] ? &c->runtime : &c->state), NULL, "an empty path");
	if (c->state[0] && strcmp(c->state, c->runtime) == 0)
		fl__load_error(l, fl__load_node(l, fl__load_node(l, &c->runtime) ? &c->runtime : &c->state), "state is kept, runtime is a tmpfs",
			       "state and runtime are the same folder");
	if (strlen(c->runtime) > 80)
		fl__load_error(l, fl__load_node(l, &c->runtime), "a socket's path has at most 107 octets", "runtime is too long for sockets in it");
	if (strlen(c->admin_socket) > 107)
		fl__load_error(l, fl__load_node(l, &c->admin_socket), "a socket's path has at most 107 octets", "the socket's path is too long");
	if (!c->redis_url[0] && (c->redis_username[0] || c->redis_password_file[0]))
		fl__load_warn(l, fl__load_node(l, c->redis_username[0] ? &c->redis_username : &c->redis_password_file), "set redis.url", "credentials without redis.url");
	if (strlen(c->topic_prefix) > 100 || strspn(c->topic_prefix, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-") != strlen(c->topic_prefix))
		fl__load_error(l, fl__load_node(l, &c->topic_prefix), "letters, digits, dots and hyphens; brokers confuse '_' and '.'", "'%.80s' is no topic prefix",
			       c->topic_prefix);
}

void fl__check(struct fl__load *l)
{
	struct fl_config *c = l->cfg;

	if (l->failed)
		return;
	fl__lint_places(l); /* before anything moves */
	add_builtin_lists(l);
	check_names(l);
	check_listen(l);
	check_upstreams(l);
	check_cache(l);
	check_clients(l);
	for (size_t i = 0; i < c->n_feeds; i++)
		check_feed(l, (struct fl_cfg_feed *)&c->feeds[i]);
	check_findings(l);
	fl__check_policy(l);
}
