/* What no feed may block, by a configuration: the shipped names, the operator's, the zones of upstreams, and the hosts that the pipeline itself needs. `feed test` and the guard ask the same. */
#include "ingest/feed_int.h"

enum { FILE_MAX = 16 << 20 };

struct loading {
	const struct fl_protected_from *from;
	struct fl_protected *out;
	char *problem;
	fl_read_file *read_file;
};

struct fl_span fl__url_authority(struct fl_span url)
{
	const uint8_t *mark = url.n ? memmem(url.p, url.n, "://", 3) : NULL, *at;
	size_t n = 0;

	if (mark)
		url = fl_span(mark + 3, url.n - (size_t)(mark + 3 - url.p));
	while (n < url.n && !memchr("/?#", url.p[n], 3))
		n++;
	at = n ? memrchr(url.p, '@', n) : NULL;
	return at ? fl_span(at + 1, n - (size_t)(at + 1 - url.p)) : fl_span(url.p, n);
}

/* Of an authority, its port taken off; an IPv6 address keeps its brackets and is no name. */
static struct fl_span host_in(struct fl_span url)
{
	struct fl_span host = fl__url_authority(url);
	const uint8_t *colon = host.n && host.p[0] != '[' ? memchr(host.p, ':', host.n) : NULL;

	return colon ? fl_span(host.p, (size_t)(colon - host.p)) : host;
}

static int add_host(struct loading *l, struct fl_span url, enum fl_protect_why why)
{
	struct fl_span host = host_in(url);
	int ret = 0;

	if (host.n)
		fl_protect_add_text(l->out, l->from->names, host, why, &ret); /* an address is no name, and need not be one */
	return ret;
}

static int add_brokers(struct loading *l)
{
	const char *s = l->from->cfg->kafka_brokers;
	int ret = 0;

	while (ret == 0 && s && *s) {
		size_t n = strcspn(s, ",");

		ret = add_host(l, fl_span(s, n), FL_PROTECT_PIPELINE);
		s += n + (s[n] == ',');
	}
	return ret;
}

static int add_zones(struct loading *l)
{
	int ret = 0;

	for (size_t i = 0; i < l->from->cfg->n_upstreams; i++)
		for (size_t k = 0; ret == 0 && k < l->from->cfg->upstreams[i].n_zones; k++) {
			struct fl_rkey key;

			if (fl_rkey_from_text(fl_span_str(l->from->cfg->upstreams[i].zones[k]), &key) && key.len)
				ret = fl_protect_add(l->out, fl_rkey_span(&key), true, FL_PROTECT_ZONE);
		}
	return ret;
}

/* A file that cannot be read, or a line that is no name, is said, and keeps nothing else from being protected. */
static int add_file(struct loading *l, const char *path)
{
	struct fl_buf b = { 0 };
	struct fl_span rest;
	struct fl_err err = { 0 };
	char validator[FL_ETAG];
	unsigned line = 0;
	int ret = l->read_file(l->from->file_ctx, path, FILE_MAX, &b, validator, sizeof(validator), &err);

	if (ret < 0) {
		snprintf(l->problem, FL_PROTECT_PROBLEM, "protected.files: %.180s", err.text);
		fl_buf_done(&b);
		return ret == FL_ENOMEM ? ret : 0;
	}
	for (rest = fl_buf_span(&b); ret == 0 && rest.n;) {
		const uint8_t *nl = memchr(rest.p, '\n', rest.n);
		size_t n = nl ? (size_t)(nl - rest.p) : rest.n;
		const uint8_t *hash = memchr(rest.p, '#', n);
		struct fl_span text = fl_span_trim(fl_span(rest.p, hash ? (size_t)(hash - rest.p) : n));

		line++;
		if (text.n && fl_protect_add_text(l->out, l->from->names, text, FL_PROTECT_OPERATOR, &ret) != FL_DROP_COUNT)
			snprintf(l->problem, FL_PROTECT_PROBLEM, "%.100s:%u: '%.*s' is no name", path, line, (int)(text.n < 60 ? text.n : 60),
				 (const char *)text.p);
		rest = fl_span(rest.p + n + (nl != NULL), rest.n - n - (nl != NULL));
	}
	fl_buf_done(&b);
	return ret;
}

static int add_configured(struct loading *l)
{
	const struct fl_config *cfg = l->from->cfg;
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < cfg->n_protected_names; i++)
		fl_protect_add_text(l->out, l->from->names, fl_span_str(cfg->protected_names[i]), FL_PROTECT_OPERATOR, &ret);
	for (size_t i = 0; ret == 0 && i < cfg->n_protected_files; i++)
		ret = add_file(l, cfg->protected_files[i]);
	if (ret == 0)
		ret = add_zones(l);
	for (size_t i = 0; ret == 0 && i < cfg->n_feeds; i++)
		ret = add_host(l, fl_span_str(cfg->feeds[i].url ? cfg->feeds[i].url : ""), FL_PROTECT_FEED);
	if (ret == 0 && cfg->redis_url && strncmp(cfg->redis_url, "redis", 5) == 0)
		ret = add_host(l, fl_span_str(cfg->redis_url), FL_PROTECT_PIPELINE);
	return ret ? ret : add_brokers(l);
}

int fl_protected_from(const struct fl_protected_from *from, struct fl_protected *out, char problem[FL_PROTECT_PROBLEM])
{
	struct loading l = { .from = from, .out = out, .problem = problem, .read_file = from->read_file ? from->read_file : fl__read_system_file };
	int ret;

	fl_protected_done(out);
	problem[0] = '\0';
	ret = fl_protect_add_shipped(out, from->names);
	return ret == 0 && from->cfg ? add_configured(&l) : ret;
}

/* A list that only ALLOW rules use opens names; what it holds blocks nothing. */
bool fl_list_only_allows(const struct fl_config *cfg, const char *list)
{
	bool used = false;

	for (size_t i = 0; i < cfg->n_rule_groups; i++)
		for (size_t k = 0; k < cfg->rule_groups[i].n_rules; k++) {
			const struct fl_cfg_rule *r = &cfg->rule_groups[i].rules[k];

			if (strcmp(r->list, list) != 0)
				continue;
			if (r->action != FL_ACTION_ALLOW)
				return false;
			used = true;
		}
	return used;
}
