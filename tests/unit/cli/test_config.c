/* What a good configuration becomes, files in conf.d, and the manual that is made from the table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/config.h"
#include "feeds/catalog.h"
#include "normalize/normalize.h"

static struct fl_config *load(const char *text)
{
	struct fl_diag diag = { 0 };
	struct fl_config *c = NULL;
	int ret = fl_config_load_text("t.yaml", fl_span_str(text), &c, &diag);

	if (ret)
		fl_diag_print(&diag, stderr);
	assert_int_equal(ret, 0);
	fl_diag_done(&diag);
	return c;
}

static void test_nothing_is_all_defaults(void **state)
{
	struct fl_config *c = load("");

	(void)state;
	assert_string_equal(c->state, "/var/lib/fireline");
	assert_string_equal(c->admin_socket, "/run/fireline/admin.sock");
	assert_int_equal(c->admin_mode, 0666);
	assert_true(c->node_name[0] != '\0');
	assert_int_equal(c->cache_bytes, 256u << 20);
	assert_int_equal(c->startup_grace_ms, 60000);
	assert_int_equal(c->block_ttl, 30);
	assert_int_equal(c->n_listens, 0);
	assert_int_equal(c->n_lists, 4);
	assert_non_null(fl_config_list(c, FL_LIST_OPERATOR_ALLOW));
	assert_true(fl_config_list(c, FL_LIST_FINDINGS_ALERT)->builtin);
	assert_string_equal(c->findings.into, FL_LIST_FINDINGS_BLOCK);
	assert_string_equal(c->redis_prefix, "{fl}:");
	assert_string_equal(c->redis_url, "");
	assert_string_equal(c->kafka_brokers, "");
	assert_true(c->durability_always && c->query_log_enabled);
	assert_string_equal(c->metrics_address, "");
	fl_config_free(c);
}

static void test_values(void **state)
{
	struct fl_config *c = load("listen: [{proto: tcp, address: \"[::1]:53\", workers: 3}]\n"
				   "upstreams: [{name: u, zones: [Corp.Example., b\xc3\xbc" "cher.example], servers: [\"192.0.2.1\", \"2001:DB8::1\", \"[::1]:5300\"]}]\n"
				   "domain_lists:\n - {name: l, entries: [A.Example, \"*.B.example\", \"*\"], publish_guard: {max_added_ratio: 2.5}}\n"
				   "feeds:\n - {name: f, url: \"https://x.example/a\", format: domains, scope: subtree, into: l, every: 2h, jitter: 5%,\n"
				   "    headers_file: {Auth-Key: /k}, publish_guard: {max_removed_ratio: 0.5}}\n"
				   "findings: {defaults: {own_exports: [rslvr-fdl-1, \"My list\"]}, actions: [{type: \"X*\", action: alert, scope: registrable, ttl: 2d}, {type: Y, into: l}]}\n"
				   "rule_groups:\n - name: g\n   rules:\n"
				   "    - {name: b, priority: 20, domain_list: l, action: BLOCK, q_type: [A, TYPE65]}\n"
				   "    - {name: a, priority: 10, domain_list: l, action: ALERT, continue: true, q_type: MX, domain_redirection_action: TRUST_REDIRECTION_DOMAIN}\n"
				   "associations: [{name: n, networks: [10.0.0.1, \"2001:db8::/32\"], rule_groups: [{name: g, priority: 1}]}]\n"
				   "kafka: {brokers: [\"a:1\", \"b:2\"], librdkafka: {security.protocol: ssl}}\n"
				   "query_log: {sinks: [{type: kafka}, {type: file, path: /q, keep: 3}]}\n"
				   "redis: {url: \"unix:///r\", prefix: \"dev:\"}\n");
	const struct fl_cfg_feed *f = fl_config_feed(c, "f");
	const struct fl_cfg_rule *r = fl_config_rule_group(c, "g")->rules;

	(void)state;
	assert_true(c->listens[0].tcp);
	assert_int_equal(c->listens[0].workers, 3);
	assert_string_equal(c->upstreams[0].zones[0], "corp.example");
	assert_string_equal(c->upstreams[0].zones[1], "xn--bcher-kva.example");
	assert_string_equal(c->upstreams[0].servers[0], "192.0.2.1:53");
	assert_string_equal(c->upstreams[0].servers[1], "[2001:db8::1]:53");
	assert_string_equal(c->upstreams[0].servers[2], "[::1]:5300");
	assert_string_equal(c->lists[0].entries[0], "a.example");
	assert_string_equal(c->lists[0].entries[1], "*.b.example");
	assert_string_equal(c->lists[0].entries[2], "*");
	assert_int_equal(f->format, FL_FORMAT_DOMAINS);
	assert_int_equal(f->scope, FL_SCOPE_SUBTREE);
	assert_int_equal(f->every_ms, 7200000);
	assert_int_equal(f->stale_after_ms, 3 * 7200000);
	assert_int_equal(f->jitter_percent, 5);
	assert_string_equal(f->headers[0].name, "Auth-Key");
	assert_true(f->guard.max_added_ratio > 2.4 && f->guard.max_added_ratio < 2.6); /* its list's */
	assert_true(f->guard.max_removed_ratio > 0.4);				       /* its own */
	assert_true(f->enabled && !f->watch);
	assert_int_equal(c->findings.rules[0].action, FL_FINDING_ALERT);
	assert_int_equal(c->findings.rules[0].scope, 2);
	assert_string_equal(c->findings.rules[0].into, "");
	assert_string_equal(c->findings.rules[1].into, "l");
	assert_int_equal(c->findings.n_own_exports, 2);
	assert_string_equal(c->findings.own_exports[1], "My list");
	assert_int_equal(r[0].priority, 10);
	assert_true(r[0].continue_ && r[0].trust_redirection);
	assert_int_equal(r[0].block_response, FL_BLOCK_NONE);
	assert_int_equal(r[1].block_response, FL_BLOCK_NXDOMAIN);
	assert_int_equal(r[1].n_q_types, 2);
	assert_int_equal(r[1].q_types[1], 65);
	assert_int_equal(c->associations[0].networks[0].prefix, 32);
	assert_true(c->associations[0].networks[1].v6);
	assert_string_equal(c->kafka_brokers, "a:1,b:2");
	assert_string_equal(c->kafka_options[1], "ssl");
	assert_null(c->kafka_options[2]);
	assert_string_equal(c->query_log_file, "/q");
	assert_int_equal(c->query_log_file_keep, 3);
	assert_string_equal(c->redis_prefix, "{dev}:");
	fl_config_free(c);
}

/* A key that is set wins; the others come from the preset, also those of a copy on disk. */
static void test_a_preset_fills_what_is_not_said(void **state)
{
	struct fl_config *c = load("domain_lists: [{name: l}]\nfeeds:\n"
				   " - {name: a, preset: durablenapkin-scam, into: l}\n"
				   " - {name: b, preset: jarelllama-scam, into: l, scope: exact, every: 2d, category: none, min_names: 0, licence: mine, url: \"https://mirror.example/s\"}\n"
				   " - {name: c, preset: jarelllama-scam, into: l, path: /copy}\n");
	const struct fl_cfg_feed *a = fl_config_feed(c, "a"), *b = fl_config_feed(c, "b"), *d = fl_config_feed(c, "c");
	const struct fl_preset *scam = fl_preset_find("durablenapkin-scam");

	(void)state;
	assert_string_equal(a->url, scam->url);
	assert_int_equal(a->format, FL_FORMAT_HOSTS);
	assert_int_equal(a->every_ms, 86400000);
	assert_int_equal(a->stale_after_ms, 3 * 86400000);
	assert_int_equal(a->category, FL_CAT_SCAM);
	assert_int_equal(a->min_names, scam->min_names);
	assert_string_equal(a->licence, "MIT");
	assert_string_equal(b->url, "https://mirror.example/s");
	assert_int_equal(b->format, FL_FORMAT_DOMAINS);
	assert_int_equal(b->scope, FL_SCOPE_EXACT);
	assert_int_equal(b->every_ms, 2 * 86400000);
	assert_int_equal(b->category, FL_CAT_NONE);
	assert_int_equal(b->min_names, 0);
	assert_string_equal(b->licence, "mine");
	assert_string_equal(d->url, "");
	assert_string_equal(d->path, "/copy");
	assert_int_equal(d->scope, FL_SCOPE_SUBTREE);
	fl_config_free(c);
}

static void test_a_provider_is_not_asked_too_often(void **state)
{
	struct fl_diag diag = { 0 };
	struct fl_config *c = NULL;

	(void)state;
	assert_int_equal(fl_config_load_text("t.yaml", fl_span_str("domain_lists: [{name: l}]\nfeeds: [{name: a, preset: nocoin, into: l, every: 10m}]\n"), &c, &diag), 0);
	assert_int_equal(diag.n, 1);
	assert_non_null(strstr(diag.v[0].text, "more often than its provider wishes"));
	assert_string_equal(diag.v[0].hint, "every: 1d");
	fl_config_free(c);
	fl_diag_done(&diag);
}

/* The resolver's own settings: defaults, and what is said of odd ones. */
static void test_clients_and_limits(void **state)
{
	static const struct {
		const char *text, *warning;
	} rows[] = {
		{ "clients: {allow: [\"10.0.0.0/8\"]}\n", NULL },
		{ "clients: {allow: [\"0.0.0.0/0\", \"::/0\"]}\n", "the whole internet may ask, as often as it likes" },
		{ "clients: {allow: [\"0.0.0.0/0\"]}\nrate_limit: {per_client: 50}\n", NULL },
		{ "rate_limit: {burst: 50}\n", "rate_limit.burst without per_client limits nothing" },
		{ "rate_limit: {per_client: 50, burst: 20}\n", "rate_limit.burst is less than a second of per_client" },
		{ "upstreams: [{name: a, servers: [\"192.0.2.1\"]}, {name: b, zones: [b.example], servers: [\"192.0.2.2\"]}]\n", NULL },
		{ "upstreams: [{name: a, servers: [\"192.0.2.1\"]}, {name: b, servers: [\"192.0.2.2\"]}]\n", "'b' is never asked: 'a' before it takes every name" },
	};
	struct fl_config *c = load("version: 1\n");

	(void)state;
	assert_true(c->cookies && c->special_names && c->prefetch && !c->rebinding && !c->doh_canary && !c->drop_others);
	assert_true(c->n_allowed_clients == 0 && c->rate.per_client == 0 && c->rate.ipv4_prefix == 32 && c->rate.ipv6_prefix == 64 && c->rate.waiting == 1000);
	fl_config_free(c);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_diag diag = { 0 };

		c = NULL;
		assert_int_equal(fl_config_load_text("test", fl_span_str(rows[i].text), &c, &diag), 0);
		assert_int_equal(diag.warnings, rows[i].warning != NULL);
		if (rows[i].warning)
			assert_string_equal(diag.v[0].text, rows[i].warning);
		fl_config_free(c);
		fl_diag_done(&diag);
	}
}

static void test_environment_in_values_only(void **state)
{
	struct fl_config *c;

	(void)state;
	setenv("FL_TEST_SITE", "dc-b", 1);
	c = load("node: {site: \"x-${FL_TEST_SITE}-$${y}\"}\n");
	assert_string_equal(c->site, "x-dc-b-${y}");
	fl_config_free(c);
}

static void write_file(const char *folder, const char *name, const char *text)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

struct folder {
	char path[64], main[128];
};

static void folder_make(struct folder *f)
{
	char sub[128];

	snprintf(f->path, sizeof(f->path), "/tmp/fl-config-XXXXXX");
	assert_non_null(mkdtemp(f->path));
	snprintf(f->main, sizeof(f->main), "%s/fireline.yaml", f->path);
	snprintf(sub, sizeof(sub), "%s/conf.d", f->path);
	assert_int_equal(mkdir(sub, 0700), 0);
}

static void folder_remove(const struct folder *f)
{
	static const char *const names[] = { "conf.d/a.yaml", "conf.d/b.yaml", "conf.d/c.txt", "conf.d", "fireline.yaml", "." };
	char path[256];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", f->path, names[i]);
		if (remove(path) != 0 && names[i][0] == '.')
			rmdir(f->path);
	}
}

static void test_confd_is_joined(void **state)
{
	struct fl_diag diag = { 0 };
	struct fl_config *c = NULL;
	struct folder f;

	(void)state;
	folder_make(&f);
	write_file(f.path, "fireline.yaml", "version: 1\ndomain_lists: [{name: l}]\ncache: {size: 2MiB}\n");
	write_file(f.path, "conf.d/a.yaml", "version: 1\nfeeds: [{name: a, path: /a, format: hosts, into: l}]\ncache: {max_ttl: 1h}\n");
	write_file(f.path, "conf.d/b.yaml", "feeds: [{name: b, path: /b, format: hosts, into: l}]\n");
	write_file(f.path, "conf.d/c.txt", "not: read\n");
	assert_int_equal(fl_config_load(f.main, &c, &diag), 0);
	assert_int_equal(c->n_feeds, 2);
	assert_string_equal(c->feeds[1].name, "b");
	assert_int_equal(c->cache_max_ttl_ms, 3600000);
	assert_int_equal(c->cache_bytes, 2 << 20);
	assert_string_equal(c->file, f.main);
	fl_config_free(c);
	fl_diag_done(&diag);
	folder_remove(&f);
}

static void test_a_name_in_two_files(void **state)
{
	struct fl_diag diag = { 0 };
	struct fl_config *c = NULL;
	struct folder f;

	(void)state;
	folder_make(&f);
	write_file(f.path, "fireline.yaml", "domain_lists:\n  - name: l\n");
	write_file(f.path, "conf.d/a.yaml", "domain_lists: [{name: l}]\nstate: /a\n");
	write_file(f.path, "conf.d/b.yaml", "state: /b\n");
	assert_int_equal(fl_config_load(f.main, &c, &diag), FL_ECONFIG);
	assert_int_equal(diag.errors, 2);
	for (size_t i = 0; i < 2; i++) {
		bool name = strstr(diag.v[i].text, "duplicate name") != NULL;

		assert_non_null(strstr(diag.v[i].file, name ? "conf.d/a.yaml" : "conf.d/b.yaml"));
		assert_non_null(strstr(diag.v[i].hint, name ? "fireline.yaml, line 2" : "conf.d/a.yaml, line 2"));
	}
	fl_diag_done(&diag);
	folder_remove(&f);
}

static void test_a_file_that_is_not_there(void **state)
{
	struct fl_diag diag = { 0 };
	struct fl_config *c = NULL;

	(void)state;
	assert_int_equal(fl_config_load("/nonexistent/fireline.yaml", &c, &diag), FL_ECONFIG);
	assert_int_equal(diag.errors, 1);
	assert_non_null(strstr(diag.v[0].text, "No such file"));
	fl_diag_done(&diag);
	assert_int_equal(fl_config_load("/tmp", &c, &diag), FL_ECONFIG);
	assert_non_null(strstr(diag.v[0].text, "not a regular file"));
	fl_diag_done(&diag);
}

static void test_search_order(void **state)
{
	(void)state;
	unsetenv("FIRELINE_CONFIG");
	assert_string_equal(fl_config_path(NULL), "/etc/fireline/fireline.yaml");
	setenv("FIRELINE_CONFIG", "/e", 1);
	assert_string_equal(fl_config_path(NULL), "/e");
	assert_string_equal(fl_config_path("/c"), "/c");
	unsetenv("FIRELINE_CONFIG");
}

static void test_the_sample_loads(void **state)
{
	struct fl_diag diag = { 0 };
	struct fl_config *c = NULL;

	(void)state;
	if (fl_config_load(FL_SOURCE_DIR "/packaging/fireline.yaml", &c, &diag) != 0)
		fl_diag_print(&diag, stderr);
	assert_non_null(c);
	assert_int_equal(diag.warnings, 0);
	assert_int_equal(c->n_rule_groups, 2);
	fl_config_free(c);
	fl_diag_done(&diag);
}

static void test_the_demo_loads(void **state)
{
	struct fl_config *c = NULL;

	(void)state;
	assert_int_equal(fl_config_demo("/tmp/demo", &c), 0);
	assert_int_equal(c->mode, FL_MODE_DEMO);
	assert_true(c->upstream_builtin);
	assert_string_equal(c->runtime, "/tmp/demo/run");
	assert_int_equal(c->n_feeds, 1);
	assert_string_equal(c->feeds[0].path, "/tmp/demo/feeds/demo-threats.txt");
	assert_string_equal(c->listens[0].address, "127.0.0.1:5353");
	fl_config_free(c);
}

static void test_explain(void **state)
{
	struct fl_buf out = { 0 };

	(void)state;
	assert_int_equal(fl_config_explain("feeds.every", &out), 0);
	assert_string_equal(fl_buf_cstr(&out), "feeds[].every\n  How often it is fetched.\n  type      a duration, 1s to 30d\n  default   1h\n  reload    yes\n");
	fl_buf_reset(&out);
	assert_int_equal(fl_config_explain("cache", &out), 0);
	assert_non_null(strstr(fl_buf_cstr(&out), "serve_stale"));
	fl_buf_reset(&out);
	assert_int_equal(fl_config_explain("feeds.evry", &out), FL_ENOTFOUND);
	assert_string_equal(fl_buf_cstr(&out), "feeds[].every");
	fl_buf_done(&out);
}

static void test_the_manual_is_up_to_date(void **state)
{
	const char *write = getenv("FL_WRITE_DOCS");
	struct fl_buf made = { 0 };
	char *held = calloc(1, 1 << 20);
	FILE *f;

	(void)state;
	assert_int_equal(fl_config_explain(NULL, &made), 0);
	f = fopen(FL_SOURCE_DIR "/docs/configuration.md", write ? "w+" : "r");
	assert_non_null(f);
	if (write)
		assert_int_equal(fwrite(made.p, 1, made.n, f), made.n);
	rewind(f);
	held[fread(held, 1, (1 << 20) - 1, f)] = '\0';
	fclose(f);
	if (strcmp(held, fl_buf_cstr(&made)) != 0)
		fail_msg("docs/configuration.md differs from the table: run this test with FL_WRITE_DOCS=1");
	free(held);
	fl_buf_done(&made);
}

static void test_what_a_reload_cannot_change(void **state)
{
	struct fl_config *a = load("listen: [{proto: udp, address: \"127.0.0.1:53\"}]\nkafka: {librdkafka: {x: y}}\n");
	struct fl_config *b = load("listen: [{proto: udp, address: \"127.0.0.1:54\"}]\nstate: /s\nblock_ttl: 5s\nkafka: {librdkafka: {x: z}}\n");
	const char *keys[8];

	(void)state;
	assert_int_equal(fl_config_frozen(a, a, keys, 8), 0);
	assert_int_equal(fl_config_frozen(a, b, keys, 8), 3);
	assert_string_equal(keys[0], "state");
	assert_string_equal(keys[1], "listen");
	assert_string_equal(keys[2], "kafka.librdkafka");
	fl_config_free(a);
	fl_config_free(b);
}

/* Which fields of a record say what. */
static void test_fields_of_records(void **state)
{
	static const char text[] = "domain_lists: [{name: l}]\n"
				   "feeds:\n - {name: a, path: /a, format: csv, into: l, columns: {value: url, type: \"3\", expires: until}, delimiter: tab, urls: skip}\n"
				   " - {name: b, path: /b, format: json, into: l, pointers: {items: /data, exceptions: /ok, value: \"#\", confidence: /c}}\n"
				   " - {name: c, path: /c, format: stix2, into: l}\n";
	struct fl_config *c = NULL;
	struct fl_diag diag = { 0 };

	(void)state;
	assert_int_equal(fl_config_load_text("t.yaml", fl_span_str(text), &c, &diag), 0);
	assert_int_equal(c->feeds[0].format, FL_FORMAT_CSV);
	assert_string_equal(c->feeds[0].columns.value, "url");
	assert_string_equal(c->feeds[0].columns.type, "3");
	assert_string_equal(c->feeds[0].columns.expires, "until");
	assert_int_equal(c->feeds[0].delimiter, '\t');
	assert_int_equal(c->feeds[0].urls, FL_URLS_SKIP);
	assert_string_equal(c->feeds[1].items, "/data");
	assert_string_equal(c->feeds[1].exceptions, "/ok");
	assert_string_equal(c->feeds[1].pointers.value, "#");
	assert_string_equal(c->feeds[1].pointers.confidence, "/c");
	assert_string_equal(c->feeds[1].columns.value, "");
	assert_int_equal(c->feeds[2].delimiter, ',');
	assert_int_equal(c->feeds[2].urls, FL_URLS_AUTO);
	fl_config_free(c);
	fl_diag_done(&diag);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields_of_records),
		cmocka_unit_test(test_nothing_is_all_defaults), cmocka_unit_test(test_values),
		cmocka_unit_test(test_a_preset_fills_what_is_not_said), cmocka_unit_test(test_a_provider_is_not_asked_too_often),
		cmocka_unit_test(test_clients_and_limits),
		cmocka_unit_test(test_environment_in_values_only), cmocka_unit_test(test_confd_is_joined),
		cmocka_unit_test(test_a_name_in_two_files), cmocka_unit_test(test_a_file_that_is_not_there),
		cmocka_unit_test(test_search_order), cmocka_unit_test(test_the_sample_loads),
		cmocka_unit_test(test_the_demo_loads), cmocka_unit_test(test_explain),
		cmocka_unit_test(test_the_manual_is_up_to_date), cmocka_unit_test(test_what_a_reload_cannot_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
