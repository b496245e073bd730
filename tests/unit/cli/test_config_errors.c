/* Broken configurations: each names its place, and what to do about it. Lines and columns are counted as an editor does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/config.h"

struct broken {
	const char *text;
	uint32_t line, column;
	const char *says, *hint; /* parts of them; hint NULL: none asked for */
};

#define LISTS "domain_lists: [{name: malware}, {name: corp-allow}]\n"
#define RULE(rest) LISTS "rule_groups:\n - name: base\n   rules:\n    - {name: r, priority: 1, " rest "}\n"
#define FEED(rest) LISTS "feeds:\n - {name: f, " rest "}\n"

static const struct broken rows[] = {
	/* syntax */
	{ "state: [\n", 2, 1, "flow sequence without a closing bracket", "never closed" },
	{ "cache:\n\tsize: 1GiB\n", 2, 1, "a tab in the indentation", "spaces" },
	{ "state: \"/a\nruntime: /b\n", 1, 8, "double-quoted", "closing quote" },
	{ "state: /a\n  runtime: /b\n", 1, 8, "plain key", "':' missing" },
	{ "state: /a\n---\nstate: /b\n", 2, 1, "second document", "conf.d" },
	{ "- a\n- b\n", 1, 1, "a map of keys, not a list", "feeds:" },
	{ "domain_lists: [{name: l, entries: [*.corp.example]}]\n", 1, 36, "alias", "quote it: \"*.corp.example\"" },
	{ "state: &x /a\n", 1, 11, "anchors and tags", NULL },
	{ "state: !!str /a\n", 1, 14, "anchors and tags", NULL },
	{ "state: \x01/a\n", 1, 8, "octet 0x01", "UTF-8" },
	{ "state: \xff\n", 1, 8, "octet 0xff", "UTF-8" },
	/* keys */
	{ "upstream: []\n", 1, 1, "unknown key 'upstream'", "did you mean 'upstreams'?" },
	{ "cache: {sise: 1MiB}\n", 1, 9, "unknown key 'sise' in cache", "did you mean 'size'?" },
	{ RULE("domain_list: malware, acton: BLOCK"), 5, 52, "unknown key 'acton' in rule_groups[].rules[]", "did you mean 'action'?" },
	{ "cache:\n  size: 1MiB\n  size: 2MiB\n", 3, 3, "duplicate key 'size'", "already on line 2" },
	{ "zzzzzz: 1\n", 1, 1, "unknown key 'zzzzzz'", "known here: version, state" },
	{ "traffic_record: {}\n", 1, 1, "'traffic_record' belongs to a later release", "leave it out" },
	{ LISTS "feeds: [{name: f, preset: urlhaus-filtre, into: malware}]\n", 2, 27, "there is no preset 'urlhaus-filtre'", "did you mean 'urlhaus-filter'?" },
	{ LISTS "feeds: [{name: f, preset: qqqqqqqqqqqqqqqqqq, into: malware}]\n", 2, 27, "there is no preset", "fireline feed presets" },
	{ LISTS "feeds: [{name: f, preset: phishtank, format: hosts, into: malware}]\n", 2, 27, "wants a key in the url", "https://data.phishtank.com/data/KEY/" },
	{ LISTS "feeds: [{name: f, preset: urlhaus, into: malware, url: \"https://urlhaus-api.abuse.ch/files/exports/recent.csv?auth-key=KEY\"}]\n", 2, 57,
	  "'urlhaus' wants a key in the url", "with your key for KEY" },
	{ LISTS "feeds: [{name: f, into: malware, format: csv, url: \"https://data.phishtank.com/data/KEY/online-valid.csv.gz\"}]\n", 2, 53, "'phishtank' wants a key in the url", NULL },
	{ "domain_lists:\n - name: l\n   publish_guard: {on_trip: hold}\n", 3, 20, "'on_trip' belongs to a later release", NULL },
	/* types and ranges */
	{ "cache: 3\n", 1, 8, "'cache' wants a map, not a single value", NULL },
	{ "feeds: x\n", 1, 8, "'feeds' wants a list of maps", "begins with '- '" },
	{ "feeds: [x]\n", 1, 9, "an item of 'feeds' must be a map", NULL },
	{ "cache: {size: big}\n", 1, 15, "'size' wants a size, not 'big'", "64MiB" },
	{ "cache: {size: 1KiB}\n", 1, 15, "'size' is out of range", "1MiB to 64GiB" },
	{ "startup_grace: 60\n", 1, 16, "'startup_grace' wants a duration, not '60'", "did you mean '60s'?" },
	{ "startup_grace: 2h\n", 1, 16, "out of range: 2h", "0s to 1h" },
	{ "query_log: {enabled: yes}\n", 1, 22, "'enabled' wants true or false, not 'yes'", "did you mean 'true'?" },
	{ "query_log: {enabled: [true]}\n", 1, 22, "not a list", NULL },
	{ "version: 2\n", 1, 10, "'version' is out of range", NULL },
	{ "ede: {text: ful}\n", 1, 13, "'ful' is no text", "did you mean 'full'?" },
	{ "log: {level: loud}\n", 1, 14, "'loud' is no level", "debug, info, notice, warn, error" },
	{ "state: lib/fireline\n", 1, 8, "relative path", "from the root" },
	{ "node: {account_id: 12}\n", 1, 20, "'account_id' wants an account number", "12 digits" },
	{ "admin: {unix_socket: {mode: \"rw\"}}\n", 1, 30, "octal", "0660" },
	{ "listen: [{proto: tls, address: \"127.0.0.1:53\"}]\n", 1, 18, "'tls' is no proto", "one of udp, tcp" },
	{ "listen: [{proto: udp, address: \"127.0.0.1\"}]\n", 1, 33, "no address and port", "127.0.0.1:53" },
	{ "listen: [{proto: udp}]\n", 1, 10, "'address' is missing in listen[]", NULL },
	{ "listen: [{proto: udp, address: \"127.0.0.1:53\"}, {proto: udp, address: \"127.0.0.1:53\"}]\n", 1, 72, "two udp listeners", NULL },
	{ "upstreams: [{name: u, servers: [dns.example]}]\n", 1, 33, "'dns.example' is no server address", "not a name" },
	{ "upstreams: [{name: u, servers: [\"tls://192.0.2.1:853\"]}]\n", 1, 34, "later release", NULL },
	{ "upstreams: [{name: u, servers: 192.0.2.1}]\n", 1, 32, "'servers' wants a list of addresses", "[\"192.0.2.1\"]" },
	{ "upstreams: [{name: u, zones: [\"*.corp.example\"], servers: [\"192.0.2.1\"]}]\n", 1, 32, "no '*'", "corp.example" },
	{ "cache: {min_ttl: 1h, max_ttl: 1m}\n", 1, 18, "min_ttl is longer than", NULL },
	/* names */
	{ "domain_lists: [{name: Malware}]\n", 1, 23, "'Malware' is no name", "did you mean 'malware'?" },
	{ "domain_lists: [{name: a.b}]\n", 1, 23, "'a.b' is no name", "did you mean 'a-b'?" },
	{ "domain_lists: [{name: aaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggggggggggh}]\n", 1, 23, "is no name: 1 to 64", NULL },
	{ "domain_lists: [{name: a}, {name: a}]\n", 1, 34, "duplicate name 'a' in domain_lists", "already in" },
	{ "domain_lists: [{name: operator-block}]\n", 1, 23, "built-in list", "needs no definition" },
	{ "domain_lists: [{name: l, entries: [\"a..b\"]}]\n", 1, 37, "'a..b' is no domain name", NULL },
	{ "domain_lists: [{name: l, entries: [\"192.0.2.1\"]}]\n", 1, 37, "an address literal", "associations" },
	/* feeds */
	{ FEED("path: /x, format: hosts, into: malwar"), 3, 45, "names the list 'malwar'", "did you mean 'malware'?" },
	{ FEED("path: /x, url: \"https://a.example/\", format: hosts, into: malware"), 3, 20, "both url and path", NULL },
	{ FEED("format: hosts, into: malware"), 3, 11, "neither url nor path", NULL },
	{ FEED("path: /x, format: domains, into: malware"), 3, 32, "does not say whether", "scope: exact" },
	{ FEED("path: /x, format: csv, into: malware, columns: {valeu: url}"), 3, 62, "unknown key 'valeu' in feeds[].columns", "did you mean 'value'?" },
	{ FEED("path: /x, format: csv, into: malware, columns: {value: 0}"), 3, 69, "'value' wants a column, not '0'", "counted from 1" },
	{ FEED("path: /x, format: csv, into: malware, columns: {value: 65}"), 3, 69, "'value' wants a column, not '65'", "first 64" },
	{ FEED("path: /x, format: csv, into: malware, columns: {value: \"\"}"), 3, 70, "'value' wants a column", "a name in the header" },
	{ FEED("path: /x, format: csv, into: malware, columns: {type: kind}"), 3, 68, "no column is named that holds the names", "add columns.value" },
	{ FEED("path: /x, format: hosts, into: malware, columns: {value: url}"), 3, 71, "columns are for format csv, and this feed's is hosts", "write format: csv" },
	{ FEED("path: /x, format: json, into: malware, delimiter: tab"), 3, 64, "delimiter is for format csv", NULL },
	{ FEED("path: /x, format: csv, into: malware, delimiter: \":\""), 3, 64, "':' is no delimiter", "did you mean" },
	{ FEED("path: /x, format: json, into: malware, pointers: {value: url}"), 3, 71, "'value' wants a JSON pointer or #, not 'url'", "write \"/url\"" },
	{ FEED("path: /x, format: json, into: malware, pointers: {items: /a~b}"), 3, 71, "'items' wants a JSON pointer, not '/a~b'", "character 3" },
	{ FEED("path: /x, format: json, into: malware, pointers: {type: /t}"), 3, 70, "no pointer is named that holds the names", "add pointers.value" },
	{ FEED("path: /x, format: csv, into: malware, pointers: {value: /v}"), 3, 70, "pointers are for format json and ndjson", "write format: json" },
	{ FEED("path: /x, format: ndjson, into: malware, pointers: {value: /v, items: /i}"), 3, 84, "are for format json", "each line is a record" },
	{ FEED("path: /x, format: stix2, into: malware, urls: hosts"), 3, 60, "'hosts' is no urls", "did you mean 'host'?" },
	{ FEED("path: /x, format: domain, scope: exact, into: malware"), 3, 32, "'domain' is no format", "did you mean 'domains'?" },
	{ FEED("url: \"ftp://a.example/x\", format: hosts, into: malware"), 3, 20, "no http or https URL", NULL },
	{ FEED("url: \"https://u:p@a.example/x\", format: hosts, into: malware"), 3, 20, "credentials in a URL", "headers_file" },
	{ FEED("url: \"https://a.example/\", watch: true, format: hosts, into: malware"), 3, 48, "watch without path", NULL },
	{ FEED("path: /x, format: hosts, into: findings-block"), 3, 45, "no feed may write into", NULL },
	{ FEED("path: /x, format: hosts, into: malware, confidence: 101"), 3, 66, "out of range: 101", "0 to 100" },
	{ FEED("path: /x, format: hosts, into: malware, category: fishing"), 3, 64, "'fishing' is no category", "did you mean 'phishing'?" },
	{ FEED("path: /x, format: hosts, into: malware, jitter: 90%"), 3, 62, "out of range: 90%", NULL },
	/* findings */
	{ "findings: {defaults: {alert_into: findings-block}}\n", 1, 35, "the same list", NULL },
	{ "findings: {sources: [{name: q, type: sqz, path: /x}]}\n", 1, 38, "'sqz' is no type", "did you mean 'sqs'?" },
	{ "findings: {sources: [{name: q, type: directory}]}\n", 1, 38, "needs path", "the folder" },
	{ "findings: {sources: [{name: q, type: sqs, region: us-east-1}]}\n", 1, 38, "needs queue_url", "https://sqs" },
	{ "findings: {sources: [{name: q, type: guardduty, region: us-east-1}]}\n", 1, 38, "needs detector_id", NULL },
	{ "findings: {sources: [{name: q, type: webhook, path: /v1/x}], webhook: {address: \"127.0.0.1:1\"}}\n", 1, 38, "needs hmac_secret_file", "anyone's" },
	{ "findings: {sources: [{name: q, type: webhook, path: /v1/x, hmac_secret_file: /s}]}\n", 1, 38, "no listener", "address" },
	{ "findings: {sources: [{name: q, type: kafka, topic: x}]}\n", 1, 38, "no Kafka", "brokers" },
	{ "findings: {webhook: {address: \"127.0.0.1:1\", cert_file: /c}}\n", 1, 57, "belong together", NULL },
	{ "findings: {actions: [{type: x, action: drop}]}\n", 1, 40, "'drop' is no action", "block, alert, ignore" },
	{ "findings: {actions: [{type: x, into: nowhere}]}\n", 1, 38, "names the list 'nowhere'", NULL },
	{ "findings: {actions: [{type: x, into: findings-alert}]}\n", 1, 38, "only alerted", "two lists" },
	{ "findings: {actions: [{type: x, action: alert, into: findings-block}]}\n", 1, 53, "is blocked", "two lists" },
	{ "findings: {actions: [{type: x, action: ignore, into: findings-block}]}\n", 1, 54, "goes into no list", NULL },
	{ "domain_lists: [{name: a-list-with-a-name-that-is-nearly-as-long-as-a-name-may-be-64}]\n"
	  "findings: {sources: [{name: a-source-with-a-long-name-as-well-here, type: directory, path: /x}],\n"
	  "  actions: [{type: x, into: a-list-with-a-name-that-is-nearly-as-long-as-a-name-may-be-64}]}\n",
	  3, 29, "too long together", "shorter" },
	/* policy */
	{ RULE("domain_list: malvare, action: BLOCK"), 5, 43, "names the list 'malvare'", "did you mean 'malware'?" },
	{ RULE("domain_list: malware, action: block"), 5, 60, "'block' is no action", "did you mean 'BLOCK'?" },
	{ RULE("domain_list: malware, action: ALLOW, block_response: NODATA"), 5, 83, "does not block", NULL },
	{ RULE("domain_list: malware, action: BLOCK, block_response: OVERRIDE"), 5, 83, "without a domain", "block_override_domain" },
	{ RULE("domain_list: malware, action: BLOCK, block_override_domain: a.example"), 5, 90, "without block_response", "OVERRIDE" },
	{ RULE("domain_list: malware, action: BLOCK, block_override_dns_type: A"), 5, 92, "without block_response", "OVERRIDE" },
	{ RULE("domain_list: malware, action: BLOCK, block_override_address: 192.0.2.1"), 5, 91, "without block_response", "OVERRIDE" },
	{ RULE("domain_list: malware, action: BLOCK, block_response: OVERRIDE, block_override_dns_type: A"), 5, 118, "OVERRIDE with A without an address", "block_override_address" },
	{ RULE("domain_list: malware, action: BLOCK, block_response: OVERRIDE, block_override_dns_type: A, block_override_address: \"2001:db8::1\""), 5, 146, "not an address for A", "q_type" },
	{ RULE("domain_list: malware, action: BLOCK, block_response: OVERRIDE, block_override_address: [192.0.2.1, \"2001:db8::1\"]"), 5, 117, "not an address for A", "q_type" },
	{ RULE("domain_list: malware, action: BLOCK, block_response: OVERRIDE, block_override_address: a.example"), 5, 117, "'a.example' is no address", "block_override_domain" },
	{ RULE("domain_list: malware, action: BLOCK, block_response: OVERRIDE, block_override_address: []"), 5, 117, "'block_override_address' is empty", NULL },
	{ RULE("domain_list: malware, action: BLOCK, block_response: OVERRIDE, block_override_address: [0.0.0.0, 0.0.0.0, 0.0.0.0, 0.0.0.0, 0.0.0.0, 0.0.0.0, 0.0.0.0, 0.0.0.0, 0.0.0.0]"), 5, 117,
	  "more than 8 addresses", NULL },
	{ RULE("domain_list: malware, action: BLOCK, block_response: OVERRIDE, block_override_dns_type: CNAME, block_override_address: 192.0.2.1"), 5, 149, "and no address", "A or AAAA" },
	{ RULE("domain_list: malware, action: BLOCK, block_response: OVERRIDE, block_override_dns_type: AAAA, block_override_domain: a.example, block_override_address: \"::\""), 5, 147,
	  "and no domain", "leave it out" },
	{ RULE("domain_list: malware, action: BLOCK, block_response: OVERRIDE, block_override_domain: a.example, block_override_ttl: 604801"), 5, 147, "out of range", "0 to 604800" },
	{ RULE("domain_list: malware, action: BLOCK, q_type: []"), 5, 75, "'q_type' is empty", "leave q_type out" },
	{ RULE("domain_list: malware, action: BLOCK, q_type: [A, TYPE0]"), 5, 79, "'TYPE0' is no query type", NULL },
	{ RULE("domain_list: malware, action: BLOCK, q_type: TYPE65535"), 5, 75, "'TYPE65535' is no query type", NULL },
	{ RULE("domain_list: malware, action: BLOCK, continue: true"), 5, 77, "only an ALERT", NULL },
	{ RULE("domain_list: malware, action: BLOCK, q_type: AAA"), 5, 75, "'AAA' is no query type", "did you mean 'AAAA'?" },
	{ RULE("domain_list: findings-alert, action: BLOCK"), 5, 43, "alert list of the findings", NULL },
	{ RULE("domain_list: findings-block, action: ALLOW"), 5, 43, "findings go into", NULL },
	{ RULE("domain_list: malware, action: ALLOW}\n    - {name: s, priority: 1, domain_list: corp-allow, action: ALLOW"), 6, 27, "same priority", NULL },
	{ LISTS "rule_groups: [{name: g}]\n", 2, 15, "'rules' is missing", NULL },
	{ "organisation: {before: [basline]}\nrule_groups: [{name: baseline, rules: []}]\n", 1, 25, "no rule group 'basline'", "did you mean 'baseline'?" },
	{ "associations: [{name: a, networks: [\"10.0.0.0/33\"]}]\n", 1, 38, "bad prefix length", "0 to 32" },
	{ "associations: [{name: a, networks: [\"10.1.2.3/8\"]}]\n", 1, 38, "bits set behind its prefix", "did you mean '10.0.0.0/8'?" },
	{ "associations: [{name: a, networks: [lan]}]\n", 1, 37, "'lan' is no network", NULL },
	{ "associations:\n - {name: a, networks: [\"10.0.0.0/8\"]}\n - {name: b, networks: [\"10.0.0.0/8\"]}\n", 3, 26, "is in association 'a' already", NULL },
	{ "associations: [{name: a, networks: [\"::/0\"], rule_groups: [{name: x, priority: 1}]}]\n", 1, 67, "no rule group 'x'", NULL },
	/* doors */
	{ "redis: {url: \"rediss://r.example:6380\"}\n", 1, 15, "TLS to Redis", "tunnel" },
	{ "redis: {url: \"http://r.example\"}\n", 1, 15, "no Redis URL", "redis://host" },
	{ "redis: {url: \"redis://u:p@r.example:6379\"}\n", 1, 15, "credentials in a URL", "password_file" },
	{ "redis: {keep: {age: 30}}\n", 1, 21, "wants a duration", "30s" },
	{ "kafka: {brokers: [kafka.example]}\n", 1, 19, "no host:port", "9092" },
	{ "kafka: {librdkafka: {bootstrap.servers: x}}\n", 1, 22, "not to be set here", "kafka.brokers" },
	{ "query_log: {sinks: [{type: dnstap}]}\n", 1, 28, "no type of sink", NULL },
	{ "query_log: {sinks: [{type: kafka, filter: {}}]}\n", 1, 35, "'filter' belongs to a later release", NULL },
	{ "query_log: {sinks: [{type: file, path: /x}]}\n", 1, 20, "without kafka", "{type: kafka}" },
	{ "state: \"${FL_TEST_NO_SUCH_VARIABLE}\"\n", 1, 9, "FL_TEST_NO_SUCH_VARIABLE is not set", NULL },
	{ "state: \"${x\"\n", 1, 9, "'${' without", "$${" },
	{ "psl_file: /nonexistent/psl.dat\ndomain_lists: [{name: l, entries: [a.example]}]\n", 1, 11, "public suffix list", "publicsuffix" },
};

static void test_broken(void **state)
{
	size_t wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct broken *r = &rows[i];
		struct fl_diag diag = { 0 };
		struct fl_config *c = NULL;
		const struct fl_diag_item *d = NULL;
		int ret = fl_config_load_text("x.yaml", fl_span_str(r->text), &c, &diag);

		for (size_t k = 0; k < diag.n && !d; k++)
			if (strstr(diag.v[k].text, r->says))
				d = &diag.v[k];
		if (ret != FL_ECONFIG || c || diag.errors != 1 || !d || d->line != r->line || d->column != r->column ||
		    (r->hint && (!d->hint || !strstr(d->hint, r->hint)))) {
			print_error("row %zu, wanted %u:%u %s (%s), got %d:\n", i, r->line, r->column, r->says, r->hint ? r->hint : "", ret);
			fl_diag_print(&diag, stderr);
			wrong++;
		}
		fl_diag_done(&diag);
	}
	assert_int_equal(wrong, 0);
}

static void test_all_errors_of_a_file(void **state)
{
	static const char text[] = "stat: /a\ncache: {size: x}\nlog: {level: loud}\n";
	struct fl_diag diag = { 0 };
	struct fl_config *c = NULL;
	struct fl_buf out = { 0 };

	(void)state;
	assert_int_equal(fl_config_load_text("a.yaml", fl_span_str(text), &c, &diag), FL_ECONFIG);
	fl_diag_format(&diag, &out);
	assert_string_equal(fl_buf_cstr(&out), "a.yaml:1:1: error: unknown key 'stat'\n"
					       "    stat: /a\n"
					       "    ^~~~\n"
					       "  did you mean 'state'?\n"
					       "a.yaml:2:15: error: 'size' wants a size, not 'x'\n"
					       "    cache: {size: x}\n"
					       "                  ^\n"
					       "  units are KiB, MiB and GiB, as in 64MiB\n"
					       "a.yaml:3:14: error: 'loud' is no level\n"
					       "    log: {level: loud}\n"
					       "                 ^~~~\n"
					       "  one of debug, info, notice, warn, error\n");
	fl_buf_done(&out);
	fl_diag_done(&diag);
}

static void test_more_than_fifty(void **state)
{
	struct fl_diag diag = { 0 };
	struct fl_config *c = NULL;
	struct fl_buf text = { 0 }, out = { 0 };

	(void)state;
	for (int i = 0; i < 70; i++)
		fl_buf_printf(&text, "zz%d: 1\n", i);
	assert_int_equal(fl_config_load_text("a.yaml", fl_buf_span(&text), &c, &diag), FL_ECONFIG);
	fl_diag_format(&diag, &out);
	assert_int_equal(diag.n, FL_DIAG_MAX);
	assert_int_equal(diag.errors, 70);
	assert_non_null(strstr(fl_buf_cstr(&out), "... and 20 more\n"));
	fl_buf_done(&out);
	fl_buf_done(&text);
	fl_diag_done(&diag);
}

static void test_a_long_line_is_cut_round_the_caret(void **state)
{
	struct fl_diag diag = { 0 };
	struct fl_config *c = NULL;
	struct fl_buf text = { 0 };

	(void)state;
	fl_buf_str(&text, "ede: {contact: \"");
	for (int i = 0; i < 300; i++)
		fl_buf_str(&text, "é");
	fl_buf_str(&text, "\", txet: full}\n");
	assert_int_equal(fl_config_load_text("a.yaml", fl_buf_span(&text), &c, &diag), FL_ECONFIG);
	assert_int_equal(diag.v[0].column, 320);
	assert_string_equal(diag.v[0].hint, "did you mean 'text'?");
	assert_true(strlen(diag.v[0].source) < 400);
	assert_non_null(strstr(diag.v[0].source, "txet: full}"));
	fl_buf_done(&text);
	fl_diag_done(&diag);
}

/* Diagnostics reach logs and bug reports: no part of one has a URL's password or key. Columns stay. */
static void test_secrets_of_urls_are_masked(void **state)
{
	static const char *const urls[] = {
		"\"http://user:SEKRET@feeds.example/l?auth-key=SEKRET&b=SEKRET#SEKRET\"", "'https://SEKRET@feeds.example/l'", "\"https://feeds.example/l?SEKRET\"",
		"http://user:a/SEKRET?SEKRET@feeds.example/l", "http://user:a SEKRET@feeds.example/l", "\"http://u:p'SEKRET@feeds.example/\"", "\"ftp://user:SEKRET@feeds.example/l\"",
		"\"http:\\/\\/user:SEKRET@feeds.example\\/l?k=SEKRET\"", "\"http://[::1]:80/l?k=SEKRET\"", "\"http://user:SEK\\\"SEKRET@feeds.example/l\"",
		"\"ftp://user:SEKRET-SEKRET-SEKRET-SEKRET-SEKRET-SEKRET-SEKRET-SEKRET-SEKRET-SEKRET-SEKRET-SEKRET-SEKRET-SEKRET@feeds.example/l\"",
	};
	char text[600];

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		struct fl_diag diag = { 0 };
		struct fl_config *c = NULL;
		struct fl_buf out = { 0 };

		snprintf(text, sizeof(text), LISTS "feeds:\n - {url: %s, nome: f}\n", urls[i]);
		assert_int_equal(fl_config_load_text("a.yaml", fl_span_str(text), &c, &diag), FL_ECONFIG);
		fl_diag_format(&diag, &out);
		if (strstr(fl_buf_cstr(&out), "SEKRET") || !strstr(fl_buf_cstr(&out), "nome: f}"))
			fail_msg("%s: %s", urls[i], fl_buf_cstr(&out));
		fl_buf_done(&out);
		fl_diag_done(&diag);
	}
}

static void test_a_masked_line_keeps_its_columns(void **state)
{
	struct fl_diag diag = { 0 };
	struct fl_diag_place at = { .file = "a.yaml", .line = 1, .column = 41, .width = 4, .text = fl_span_str("{url: \"http://u:p\xc3\xa9@f.example:80/l?k=v\", nome: f, x: \"https://f.example/x@1?k=KEY\"}") };
	struct fl_buf out = { 0 };

	(void)state;
	fl_diag_add(&diag, false, &at, NULL, "no '%s'", "redis://:word@h:1/0");
	fl_diag_format(&diag, &out);
	assert_string_equal(fl_buf_cstr(&out), "a.yaml:1:41: error: no 'redis://*****@h:1/0'\n"
					       "    {url: \"http://****@f.example:80/l?k=*\", nome: f, x: \"https://f.example/x@1?k=KEY\"}\n"
					       "                                            ^~~~\n");
	fl_buf_done(&out);
	fl_diag_done(&diag);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_all_errors_of_a_file),
		cmocka_unit_test(test_more_than_fifty),
		cmocka_unit_test(test_a_long_line_is_cut_round_the_caret),
		cmocka_unit_test(test_secrets_of_urls_are_masked),
		cmocka_unit_test(test_a_masked_line_keeps_its_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
