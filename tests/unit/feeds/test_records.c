/* What each record of csv, json, ndjson, stix2 and misp claims: the rulings of docs/formats/feeds.md, a row each. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "feeds/feeds.h"

enum { NOW = 1800000000 }; /* 2027-01-15 */

/* Claims as text: "name scope" and the attributes that are stated, in the order they come. */
static int take(void *ctx, const struct fl_feed_claim *c)
{
	struct fl_buf *b = ctx;

	fl_buf_printf(b, "%.*s %u", (int)c->name.n, (const char *)c->name.p, c->scope);
	if (c->confidence)
		fl_buf_printf(b, " c%u", c->confidence);
	if (c->category != FL_CAT_NONE)
		fl_buf_printf(b, " %s", fl_category_word(c->category));
	if (c->first_seen_s)
		fl_buf_printf(b, " f%u", c->first_seen_s);
	if (c->expires_s)
		fl_buf_printf(b, " e%u", c->expires_s);
	fl_buf_str(b, ";");
	return 0;
}

struct row {
	const char *body;
	const char *claims; /* NULL: the body is refused, and `error` says why */
	enum fl_drop why;   /* FL_DROP_COUNT: no record was dropped */
	const char *error;
	struct fl_feed_options opt;
};

static void row_check(const struct row *row, enum fl_format format, size_t index)
{
	struct fl_feed_options opt = row->opt;
	struct fl_feed_result res = { 0 };
	struct fl_buf got = { 0 };
	struct fl_err err = { 0 };
	int ret;

	opt.format = format;
	opt.now_s = NOW;
	ret = fl_feed_parse(fl_span_str(row->body), &opt, take, NULL, &got, &res, &err);
	if (!row->claims) {
		if (ret != FL_EFORMAT || !strstr(err.text, row->error))
			fail_msg("%s row %zu: %d '%s' does not say '%s'", fl_format_word(format), index, ret, err.text, row->error);
		fl_buf_done(&got);
		return;
	}
	if (ret < 0)
		fail_msg("%s row %zu: %s", fl_format_word(format), index, err.text);
	if (strcmp(fl_buf_cstr(&got), row->claims) != 0)
		fail_msg("%s row %zu, %s: claims '%s', not '%s'", fl_format_word(format), index, row->body, fl_buf_cstr(&got), row->claims);
	assert_true(fl_tally_balances(&res.lines));
	assert_int_equal(res.format, format);
	if (row->why != FL_DROP_COUNT && res.lines.dropped[row->why] == 0)
		fail_msg("%s row %zu, %s: not dropped as %s", fl_format_word(format), index, row->body, fl_drop_word(row->why));
	if (row->why == FL_DROP_COUNT && fl_tally_dropped(&res.lines) != 0)
		fail_msg("%s row %zu, %s: a record was dropped", fl_format_word(format), index, row->body);
	fl_buf_done(&got);
}

#define CHECK(rows, format)                                         \
	for (size_t i = 0; i < sizeof(rows) / sizeof(*(rows)); i++) \
		row_check(&(rows)[i], (format), i)

#define V1 .opt = { .fields = { .value = "1" } }
#define V2 .opt = { .fields = { .value = "2" } }
#define NAMED(name) .opt = { .fields = { .value = name } }

static void test_csv(void **state)
{
	static const struct row rows[] = {
		/* columns by number need no header */
		{ "bad.example,x\n", "bad.example 1;", FL_DROP_COUNT, NULL, V1 },
		{ "x,bad.example\r\n", "bad.example 1;", FL_DROP_COUNT, NULL, V2 },
		{ "x,bad.example", "bad.example 1;", FL_DROP_COUNT, NULL, V2 },
		{ "x\n", "", FL_DROP_SYNTAX, NULL, V2 },
		{ "x,\n", "", FL_DROP_SYNTAX, NULL, V2 },
		{ "\xef\xbb\xbf" "bad.example,x\n", "bad.example 1;", FL_DROP_COUNT, NULL, V1 },
		/* quotes */
		{ "\"a,b\",\"bad.example\"\n", "bad.example 1;", FL_DROP_COUNT, NULL, V2 },
		{ "\"a \"\"b\"\", c\",bad.example\n", "bad.example 1;", FL_DROP_COUNT, NULL, V2 },
		{ "\"two\nlines\",bad.example\nx,worse.example\n", "bad.example 1;worse.example 1;", FL_DROP_COUNT, NULL, V2 },
		{ "\"a\", \"bad.example\" , \"c\"\n", "bad.example 1;", FL_DROP_COUNT, NULL, V2 },
		{ "\"\",\"bad.example\"\n", "bad.example 1;", FL_DROP_COUNT, NULL, V2 },
		{ "a \"b\" c,bad.example\n", "bad.example 1;", FL_DROP_COUNT, NULL, V2 },
		/* a stray quote costs its line, not the body */
		{ "\"a,bad.example\nx,worse.example\n", "worse.example 1;", FL_DROP_SYNTAX, NULL, V2 },
		{ "\"a\"b,bad.example\nx,worse.example\n", "worse.example 1;", FL_DROP_SYNTAX, NULL, V2 },
		{ "x,bad.example\ny,\"worse.exa", NULL, 0, "ends within a quoted field", V2 },
		{ "x,bad.example\n", NULL, 0, "no column '99'", NAMED("99") },
		/* comments before, among and behind */
		{ "# a\n\nx,bad.example\n# b\ny,worse.example\n# Number of entries: 2\n", "bad.example 1;worse.example 1;", FL_DROP_COMMENT, NULL, V2 },
		/* other delimiters */
		{ "x;bad.example;y,z\n", "bad.example 1;", FL_DROP_COUNT, NULL, .opt = { .fields = { .value = "2" }, .delimiter = ';' } },
		{ "x\tbad.example\ty\n", "bad.example 1;", FL_DROP_COUNT, NULL, .opt = { .fields = { .value = "2" }, .delimiter = '\t' } },
		/* columns by name: the first record, or a comment before it */
		{ "id,Host\n1,bad.example\n", "bad.example 1;", FL_DROP_COMMENT, NULL, NAMED("host") },
		{ "# id,host\n1,bad.example\n", "bad.example 1;", FL_DROP_COMMENT, NULL, NAMED("host") },
		{ "# \"id\",\"host\"\n1,bad.example\n", "bad.example 1;", FL_DROP_COMMENT, NULL, NAMED("host") },
		{ "id,host\n1,bad.example\n", NULL, 0, "no column 'hots' in the header; it has: id, host", NAMED("hots") },
		{ "id,host\n1,bad.example\n", NULL, 0, "set columns.value", .opt = { 0 } },
		{ "id,host\n", "", FL_DROP_COMMENT, NULL, NAMED("host") },
		{ "# nothing today\n", "", FL_DROP_COMMENT, NULL, NAMED("host") },
		/* scope */
		{ "x,bad.example\n", "bad.example 3;", FL_DROP_COUNT, NULL, .opt = { .fields = { .value = "2" }, .scope = 3 } },
		{ "x,*.bad.example\n", "bad.example 2;", FL_DROP_COUNT, NULL, V2 },
		{ "x,.bad.example\n", "bad.example 3;", FL_DROP_COUNT, NULL, V2 },
		/* URLs: the host, exact; addresses are none */
		{ "https://bad.example/a?b=c,d\n", "bad.example 1;", FL_DROP_COUNT, NULL, V1 },
		{ "http://u:p@bad.example:8080/x\n", "bad.example 1;", FL_DROP_COUNT, NULL, .opt = { .fields = { .value = "1" }, .scope = 3 } },
		{ "http://bad.example\\@good.example/\n", "bad.example 1;", FL_DROP_COUNT, NULL, V1 },
		{ "bad.example/path\n", "bad.example 1;", FL_DROP_COUNT, NULL, V1 },
		/* a URL within a URL is not the host */
		{ "evil.example/redirect?u=https://www.paypal.com/login\n", "evil.example 1;", FL_DROP_COUNT, NULL, V1 },
		{ "evil.example?u=http://www.paypal.com/\n", "evil.example 1;", FL_DROP_COUNT, NULL, V1 },
		{ "evil[.]example?u=hxxp[://]www[.]paypal[.]com/\n", "evil.example 1;", FL_DROP_COUNT, NULL, V1 },
		{ "evil.example://www.paypal.com/\n", "evil.example 1;", FL_DROP_COUNT, NULL, V1 },
		/* the host is read as in a list of URLs */
		{ "http://ev%69l.example/\n", "evil.example 1;", FL_DROP_COUNT, NULL, V1 },
		{ "http://good.evil.example:8080abc/\n", "", FL_DROP_SYNTAX, NULL, V1 },
		{ "user@bad.example/x\n", "", FL_DROP_SYNTAX, NULL, V1 },
		{ "https://github.com/x\n", "", FL_DROP_SHARED_HOST, NULL, V1 },
		{ "http://%67ithub.com/x\n", "", FL_DROP_SHARED_HOST, NULL, V1 },
		{ "http://192.0.2.1:81/i\n", "", FL_DROP_ADDRESS, NULL, V1 },
		{ "http://[2001:db8::1]/i\n", "", FL_DROP_ADDRESS, NULL, V1 },
		{ "http:///x\n", "", FL_DROP_SYNTAX, NULL, V1 },
		{ "192.0.2.1\n", "", FL_DROP_ADDRESS, NULL, V1 },
		{ "192.0.2.0/24\n", "", FL_DROP_ADDRESS, NULL, V1 },
		{ "https://bad.example/\n", "", FL_DROP_NOT_APPLICABLE, NULL, .opt = { .fields = { .value = "1" }, .urls = FL_URLS_SKIP } },
		{ "user@bad.example\n", "user@bad.example 1;", FL_DROP_COUNT, NULL, V1 }, /* the rules of names refuse it */
		{ "ba*d.example\n", "", FL_DROP_PATTERN, NULL, V1 },
		/* defanged */
		{ "hxxps://bad[.]example/x\n", "bad.example 1;", FL_DROP_COUNT, NULL, V1 },
		{ "bad(.)example\n", "bad.example 1;", FL_DROP_COUNT, NULL, V1 },
		{ "hxxp-bad.example\n", "hxxp-bad.example 1;", FL_DROP_COUNT, NULL, V1 }, /* a name, not a scheme */
		{ "bad[dot]example\n", "bad.example 1;", FL_DROP_COUNT, NULL, V1 },
		{ "hxxp[://]bad[.]example[:]80/\n", "bad.example 1;", FL_DROP_COUNT, NULL, V1 },
		/* types and attributes */
		{ "t,v,c,k,f,e\ndomain,bad.example,90,phishing,2026-01-02,2028-01-01\n", "bad.example 1 c90 phishing f1767312000 e1830297600;",
		  FL_DROP_COMMENT, NULL,
		  .opt = { .fields = { .type = "t", .value = "v", .confidence = "c", .category = "k", .first_seen = "f", .expires = "e" } } },
		{ "ip:port,192.0.2.1:443\n", "", FL_DROP_NOT_APPLICABLE, NULL, .opt = { .fields = { .type = "1", .value = "2" } } },
		{ "sha256_hash,00ff\n", "", FL_DROP_NOT_APPLICABLE, NULL, .opt = { .fields = { .type = "1", .value = "2" } } },
		{ "HostName,bad.example\n", "bad.example 1;", FL_DROP_COUNT, NULL, .opt = { .fields = { .type = "1", .value = "2" } } },
		{ "bad.example,2026-12-31 23:59:59\n", "", FL_DROP_EXPIRED, NULL, .opt = { .fields = { .value = "1", .expires = "2" } } },
		{ "bad.example,soon\n", "bad.example 1;", FL_DROP_COUNT, NULL, .opt = { .fields = { .value = "1", .expires = "2" } } },
		{ "bad.example,101\n", "bad.example 1;", FL_DROP_COUNT, NULL, .opt = { .fields = { .value = "1", .confidence = "2" } } },
		/* dates */
		{ "bad.example,2026-08-22 02:53:35\n", "bad.example 1 f1787367215;", FL_DROP_COUNT, NULL, .opt = { .fields = { .value = "1", .first_seen = "2" } } },
		{ "bad.example,2022-08-05 19:43:08 UTC\n", "bad.example 1 f1659728588;", FL_DROP_COUNT, NULL, .opt = { .fields = { .value = "1", .first_seen = "2" } } },
		{ "bad.example,2026-08-22T02:53:35+02:00\n", "bad.example 1 f1787360015;", FL_DROP_COUNT, NULL, .opt = { .fields = { .value = "1", .first_seen = "2" } } },
		{ "bad.example,03-01-2026\n", "bad.example 1 f1767398400;", FL_DROP_COUNT, NULL, .opt = { .fields = { .value = "1", .first_seen = "2" } } },
		{ "bad.example,1787367215\n", "bad.example 1 f1787367215;", FL_DROP_COUNT, NULL, .opt = { .fields = { .value = "1", .first_seen = "2" } } },
		{ "bad.example,1787367215000\n", "bad.example 1 f1787367215;", FL_DROP_COUNT, NULL, .opt = { .fields = { .value = "1", .first_seen = "2" } } },
		/* providers by their header */
		{ "# id,dateadded,url,url_status,last_online,threat,tags,urlhaus_link,reporter\r\n"
		  "\"1\",\"2026-02-26 12:05:20\",\"http://bad.example/i\",\"online\",\"\",\"malware_download\",\"a,b\",\"https://link.example/\",\"r\"\r\n",
		  "bad.example 1 malware f1772107520;", FL_DROP_COMMENT, NULL, .opt = { 0 } },
		{ "# \"first_seen_utc\",\"ioc_id\",\"ioc_value\",\"ioc_type\",\"threat_type\",\"confidence_level\"\r\n"
		  "\"2026-07-04 22:19:04\", \"1\", \"bad.example\", \"domain\", \"botnet_cc\", \"75\"\r\n# Number of entries: 1\r\n",
		  "bad.example 1 c75 c2 f1783203544;", FL_DROP_COMMENT, NULL, .opt = { 0 } },
		{ "2026-08-22 02:53:35,user,domain,bad.example,#phishing #scam,https://x.example/1\r\n", "bad.example 1 phishing f1787367215;", FL_DROP_COUNT, NULL,
		  .opt = { 0 } },
		{ "Domain,Malware,Date added,Source\nbad.example,k,2024-09-01,V\n", "bad.example 1 f1725148800;", FL_DROP_COMMENT, NULL, .opt = { 0 } },
		{ "type,indicator,app\r\ndomain,bad.example,App\r\n", "bad.example 1;", FL_DROP_COMMENT, NULL, .opt = { 0 } },
		{ "Family,URL,IP,FirstSeen\nPony,http://bad.example/a.php,192.0.2.1,03-01-2026", "bad.example 1 f1767398400;", FL_DROP_COMMENT, NULL, .opt = { 0 } },
		/* no list at all */
		{ "<html>", NULL, 0, "HTML", V1 },
		{ "{\"error\":1}", NULL, 0, "JSON", V1 },
	};

	(void)state;
	CHECK(rows, FL_FORMAT_CSV);
}

#define POINTERS(...) .opt = { .fields = { __VA_ARGS__ } }

static void test_json(void **state)
{
	static const struct row rows[] = {
		{ "[\"bad.example\", \"worse.example\"]", "bad.example 1;worse.example 1;", FL_DROP_COUNT, NULL, .opt = { 0 } },
		{ "[\"bad.example\"]", "bad.example 3;", FL_DROP_COUNT, NULL, .opt = { .scope = 3 } },
		{ "[\"http://bad.example/x\", \"hxxp://worse[.]example\"]", "bad.example 1;worse.example 1;", FL_DROP_COUNT, NULL, .opt = { 0 } },
		{ "[\"evil.example/r?u=https://www.paypal.com/login\", \"evil.example?u=http://www.paypal.com/\"]", "evil.example 1;evil.example 1;", FL_DROP_COUNT, NULL,
		  .opt = { 0 } },
		{ "[\"http://ev%69l.example/\", \"http://good.example:80x/\"]", "evil.example 1;", FL_DROP_SYNTAX, NULL, .opt = { 0 } },
		{ "[]", "", FL_DROP_COUNT, NULL, .opt = { 0 } },
		{ "[\"b\\u0061d.example\"]", "bad.example 1;", FL_DROP_COUNT, NULL, .opt = { 0 } },
		{ "[\"bad.example\", 7, null, {}]", "bad.example 1;", FL_DROP_SYNTAX, NULL, .opt = { 0 } },
		{ "[\"a\\u0000b\"]", "", FL_DROP_MALFORMED, NULL, .opt = { 0 } },
		{ "[\"\xff.example\", \"bad.example\"]", "bad.example 1;", FL_DROP_MALFORMED, NULL, .opt = { 0 } },
		/* pointers */
		{ "{\"list\":[\"bad.example\"]}", "bad.example 1;", FL_DROP_COUNT, NULL, .opt = { .items = "/list" } },
		{ "{\"a\":{\"b/c\":{\"~\":[\"bad.example\"]}}}", "bad.example 1;", FL_DROP_COUNT, NULL, .opt = { .items = "/a/b~1c/~0" } },
		{ "[[\"good.example\"],[\"bad.example\"]]", "bad.example 1;", FL_DROP_COUNT, NULL, .opt = { .items = "/1" } },
		{ "[{\"d\":{\"n\":\"bad.example\"}}]", "bad.example 1;", FL_DROP_COUNT, NULL, POINTERS(.value = "/d/n") },
		{ "[{\"d\":[\"bad.example\",\"worse.example\"]}]", "bad.example 1;worse.example 1;", FL_DROP_COUNT, NULL, POINTERS(.value = "/d") },
		{ "[{\"d\":[\"good.example\",\"bad.example\"]}]", "bad.example 1;", FL_DROP_COUNT, NULL, POINTERS(.value = "/d/1") },
		{ "{\"x\":{\"h\":\"bad.example\"},\"y\":{\"h\":\"worse.example\"}}", "bad.example 1;worse.example 1;", FL_DROP_COUNT, NULL, POINTERS(.value = "/h") },
		{ "{\"7\":[{\"h\":\"bad.example\"}],\"8\":[{\"h\":\"worse.example\"}]}", "bad.example 1;worse.example 1;", FL_DROP_COUNT, NULL,
		  POINTERS(.value = "/h") },
		{ "{\"bad.example\":{\"k\":1},\"worse.example\":{}}", "bad.example 1;worse.example 1;", FL_DROP_COUNT, NULL, POINTERS(.value = "#") },
		{ "[{\"h\":\"bad.example\",\"t\":\"domain\",\"c\":60,\"k\":[\"x\",\"phishing\"],\"f\":1700000000,\"e\":\"2028-01-01\"}]",
		  "bad.example 1 c60 phishing f1700000000 e1830297600;", FL_DROP_COUNT, NULL,
		  POINTERS(.value = "/h", .type = "/t", .confidence = "/c", .category = "/k", .first_seen = "/f", .expires = "/e") },
		{ "[{\"h\":\"bad.example\",\"t\":\"md5\"}]", "", FL_DROP_NOT_APPLICABLE, NULL, POINTERS(.value = "/h", .type = "/t") },
		{ "[{\"h\":\"bad.example\",\"e\":1700000000}]", "", FL_DROP_EXPIRED, NULL, POINTERS(.value = "/h", .expires = "/e") },
		{ "[{\"x\":1}]", "", FL_DROP_SYNTAX, NULL, POINTERS(.value = "/h") },
		{ "[{\"h\":\"a.example\",\"h\":\"b.example\"},{\"h\":\"c.example\"}]", "c.example 1;", FL_DROP_MALFORMED, NULL, POINTERS(.value = "/h") },
		{ "{\"list\":[\"a.example\"],\"list\":[\"b.example\"]}", NULL, 0, "stands twice", .opt = { .items = "/list" } },
		{ "{\"l\\u0069st\":[\"a.example\"],\"list\":[\"b.example\"]}", NULL, 0, "stands twice", .opt = { .items = "/list" } },
		{ "{\"list\":[]}", NULL, 0, "nothing at '/lsit'", .opt = { .items = "/lsit" } },
		{ "{\"list\":7}", NULL, 0, "no array and no object", .opt = { .items = "/list" } },
		{ "{\"list\":[{\"h\":\"bad.example\"}]}", NULL, 0, "no known shape", .opt = { 0 } },
		{ "[{\"h\":\"bad.example\"}]", NULL, 0, "pointers.value", .opt = { 0 } },
		/* providers by their shape */
		{ "{\"query_status\":\"ok\",\"data\":[{\"id\":\"1\",\"ioc\":\"bad.example\",\"threat_type\":\"botnet_cc\",\"ioc_type\":\"domain\","
		  "\"confidence_level\":100,\"first_seen\":\"2022-08-05 19:43:08 UTC\"},{\"ioc\":\"192.0.2.1:80\",\"ioc_type\":\"ip:port\"}]}",
		  "bad.example 1 c100 c2 f1659728588;", FL_DROP_NOT_APPLICABLE, NULL, .opt = { 0 } },
		{ "{\"query_status\":\"ok\",\"urls\":[{\"url\":\"http://bad.example/x\",\"url_status\":\"online\",\"host\":\"bad.example\"}]}", "bad.example 1;",
		  FL_DROP_COUNT, NULL, .opt = { 0 } },
		{ "{\"query_status\":\"no_result\"}", NULL, 0, "no_result", .opt = { 0 } },
		{ "{\"query_status\":\"unknown_auth_key\"}", NULL, 0, "unknown_auth_key", .opt = { .items = "/data" } },
		{ "{\"7\":[{\"url\":\"http://bad.example/x\",\"urlhaus_link\":\"l\"}]}", "bad.example 1;", FL_DROP_COUNT, NULL, .opt = { 0 } },
		{ "{\"fuzzylist\":[\"x.example\"],\"whitelist\":[\"ok.example\"],\"blacklist\":[\"bad.example\"]}", "ok.example 12;bad.example 3;", FL_DROP_COUNT, NULL,
		  .opt = { 0 } },
		{ "{\"fuzzylist\":[],\"whitelist\":[\"ok.bad.example\"],\"blacklist\":[\"bad.example\"]}", "ok.bad.example 12;bad.example 3;", FL_DROP_COUNT, NULL,
		  .opt = { 0 } },
		/* an exception wins at any depth */
		{ "{\"fuzzylist\":[],\"whitelist\":[\"ok.example\"],\"blacklist\":[\"a.ok.example\", \"OK.example\"]}", "ok.example 12;", FL_DROP_DISABLED, NULL,
		  .opt = { 0 } },
		{ "{\"no\":[\"a.example\"],\"yes\":[\"b.a.example\",\"c.example\"]}", "a.example 12;c.example 1;", FL_DROP_DISABLED, NULL,
		  .opt = { .items = "/yes", .exceptions = "/no" } },
		/* it is asked of what is claimed, not of how it is written */
#define EXCEPT(blacklist) "{\"fuzzylist\":[],\"whitelist\":[\"good.example.net\"],\"blacklist\":[" blacklist "]}"
		{ EXCEPT("\"sub[.]good.example.net\""), "good.example.net 12;", FL_DROP_DISABLED, NULL, .opt = { 0 } },
		{ EXCEPT("\"http://x.good.example.net/\", \"hxxps://good[.]example[.]net:8443/x\""), "good.example.net 12;", FL_DROP_DISABLED, NULL, .opt = { 0 } },
		{ EXCEPT("\"x.good.example.net/login\""), "good.example.net 12;", FL_DROP_DISABLED, NULL, .opt = { 0 } },
		{ EXCEPT("\"http://g%6fod.example.net/\""), "good.example.net 12;", FL_DROP_DISABLED, NULL, .opt = { 0 } },
		{ EXCEPT("\".good.example.net\", \"*.good.example.net\", \".x.good.example.net\""), "good.example.net 12;", FL_DROP_DISABLED, NULL, .opt = { 0 } },
		{ EXCEPT("\".example.net\", \"http://bad.example/?u=good.example.net\""), "good.example.net 12;example.net 3;bad.example 1;", FL_DROP_COUNT, NULL,
		  .opt = { 0 } },
		{ "{\"no\":[\"good.example\"],\"yes\":[{\"t\":\"domain|ip\",\"h\":\"a.good.example|192.0.2.1\"}]}", "good.example 12;", FL_DROP_DISABLED, NULL,
		  .opt = { .items = "/yes", .exceptions = "/no", .fields = { .value = "/h", .type = "/t" } } },
		/* broken documents are refused whole: a cut connection must not shorten a list */
		{ "[\"bad.example\",", NULL, 0, "ends too early", .opt = { 0 } },
		{ "[\"bad.example\", \"wor", NULL, 0, "within a string", .opt = { 0 } },
		{ "[\"bad.example\"] x", NULL, 0, "more text", .opt = { 0 } },
		{ "[\"bad.example\",]", NULL, 0, "not a value", .opt = { 0 } },
		{ "[\"bad.example\"\n \"x\"]", NULL, 0, "line 2", .opt = { 0 } },
		{ "[01]", NULL, 0, "not JSON", .opt = { 0 } },
		{ "bad.example\n", NULL, 0, "not a JSON document", .opt = { 0 } },
	};

	(void)state;
	CHECK(rows, FL_FORMAT_JSON);
}

static void test_ndjson(void **state)
{
	static const struct row rows[] = {
		{ "{\"h\":\"bad.example\"}\n{\"h\":\"worse.example\"}\r\n", "bad.example 1;worse.example 1;", FL_DROP_COUNT, NULL, POINTERS(.value = "/h") },
		{ "{\"h\":\"bad.example\"}\n\n{\"h\":\"worse.example\"}", "bad.example 1;worse.example 1;", FL_DROP_COMMENT, NULL, POINTERS(.value = "/h") },
		{ "{\"h\":\"bad.example\"}\n{\"h\":\n{\"h\":\"worse.example\"}\n", "bad.example 1;worse.example 1;", FL_DROP_MALFORMED, NULL, POINTERS(.value = "/h") },
		{ "{\"h\":\"bad.example\"}\n{\"h\":\"cut.exa", NULL, 0, "ends within line 2", POINTERS(.value = "/h") },
		{ "{\"id\":\"1\",\"dateadded\":\"2024-03-19 11:34:09 UTC\",\"url\":\"http://bad.example/m\",\"threat\":\"malware_download\",\"urlhaus_link\":\"l\"}\n",
		  "bad.example 1 malware f1710848049;", FL_DROP_COUNT, NULL, .opt = { 0 } },
		{ "{\"h\":\"bad.example\"}\n", NULL, 0, "pointers.value", .opt = { 0 } },
		{ "[\"bad.example\"]\n", NULL, 0, "one object a line", .opt = { 0 } },
	};

	(void)state;
	CHECK(rows, FL_FORMAT_NDJSON);
}

#define IND(rest) "{\"type\":\"bundle\",\"objects\":[{\"type\":\"indicator\",\"id\":\"indicator--1\"," rest "}]}"
#define PATTERN(p) IND("\"pattern\":\"" p "\"")

static void test_stix(void **state)
{
	static const struct row rows[] = {
		{ PATTERN("[domain-name:value = 'bad.example']"), "bad.example 1;", FL_DROP_COUNT, NULL, .opt = { 0 } },
		{ PATTERN("[domain-name:value='bad.example']"), "bad.example 1;", FL_DROP_COUNT, NULL, .opt = { 0 } },
		{ PATTERN("[domain-name:value = 'bad.example']"), "bad.example 3;", FL_DROP_COUNT, NULL, .opt = { .scope = 3 } },
		{ PATTERN("[domain-name:value == 'bad.example']"), "bad.example 1;", FL_DROP_COUNT, NULL, .opt = { 0 } },
		{ PATTERN("[domain-name:value = 'a.example' OR domain-name:value = 'b.example']"), "a.example 1;b.example 1;", FL_DROP_COUNT, NULL, .opt = { 0 } },
		{ PATTERN("[domain-name:value = 'a.example'] OR [domain-name:value = 'b.example']"), "a.example 1;b.example 1;", FL_DROP_COUNT, NULL, .opt = { 0 } },
		{ PATTERN("([domain-name:value = 'a.example'] OR ([(domain-name:value = 'b.example')]))"), "a.example 1;b.example 1;", FL_DROP_COUNT, NULL, .opt = { 0 } },
		{ PATTERN("[domain-name:value IN ('a.example', 'b.example')]"), "a.example 1;b.example 1;", FL_DROP_COUNT, NULL, .opt = { 0 } },
		{ PATTERN("[domain-name:value = 'a.example' OR file:hashes.'SHA-256' = '00']"), "a.example 1;", FL_DROP_COUNT, NULL, .opt = { 0 } },
		{ PATTERN("[domain-name:value = 'a.example' OR domain-name:value LIKE '%b']"), "a.example 1;", FL_DROP_COUNT, NULL, .opt = { 0 } },
		{ PATTERN("[domain-name:value = 'domain bad.example']"), "domain bad.example 1;", FL_DROP_COUNT, NULL, .opt = { 0 } }, /* refused as a name */
		{ PATTERN("[domain-name:value = 'it\\\\'s.example']"), "it's.example 1;", FL_DROP_COUNT, NULL, .opt = { 0 } },
		{ PATTERN("[domain-name:value = '192.0.2.1']"), "", FL_DROP_ADDRESS, NULL, .opt = { 0 } },
		/* more than a list of names */
		{ PATTERN("[domain-name:value = 'a.example' AND domain-name:value = 'b.example']"), "", FL_DROP_PATTERN, NULL, .opt = { 0 } },
		{ PATTERN("[domain-name:value = 'a.example'] AND [domain-name:value = 'b.example']"), "", FL_DROP_PATTERN, NULL, .opt = { 0 } },
		{ PATTERN("[domain-name:value = 'a.example'] FOLLOWEDBY [file:name = 'x']"), "", FL_DROP_PATTERN, NULL, .opt = { 0 } },
		{ PATTERN("[domain-name:value NOT = 'a.example']"), "", FL_DROP_PATTERN, NULL, .opt = { 0 } },
		{ PATTERN("[NOT domain-name:value = 'a.example']"), "", FL_DROP_PATTERN, NULL, .opt = { 0 } },
		{ PATTERN("[domain-name:value = 'a.example'] REPEATS 5 TIMES"), "", FL_DROP_PATTERN, NULL, .opt = { 0 } },
		{ PATTERN("[domain-name:value = 'a.example'] WITHIN 300 SECONDS"), "", FL_DROP_PATTERN, NULL, .opt = { 0 } },
		{ PATTERN("[domain-name:value = 'a'] START t'2026-01-01T00:00:00Z' STOP t'2026-02-01T00:00:00Z'"), "", FL_DROP_PATTERN, NULL, .opt = { 0 } },
		{ PATTERN("[(domain-name:value = 'a.example' OR domain-name:value = 'b.example') AND file:size > 5]"), "", FL_DROP_PATTERN, NULL, .opt = { 0 } },
		{ PATTERN("[domain-name:value LIKE '%.example']"), "", FL_DROP_PATTERN, NULL, .opt = { 0 } },
		{ PATTERN("[domain-name:value != 'a.example']"), "", FL_DROP_PATTERN, NULL, .opt = { 0 } },
		/* nothing about names */
		{ PATTERN("[ipv4-addr:value = '192.0.2.1']"), "", FL_DROP_NOT_APPLICABLE, NULL, .opt = { 0 } },
		{ PATTERN("[file:hashes.MD5 = '00' AND file:size = 25536]"), "", FL_DROP_NOT_APPLICABLE, NULL, .opt = { 0 } },
		{ PATTERN("[network-traffic:dst_ref.value = 'a.example']"), "", FL_DROP_NOT_APPLICABLE, NULL, .opt = { 0 } },
		/* no pattern */
		{ PATTERN("[domain-name:value = 'a.example'"), "", FL_DROP_SYNTAX, NULL, .opt = { 0 } },
		{ PATTERN("[domain-name:value = 'a.example] x"), "", FL_DROP_SYNTAX, NULL, .opt = { 0 } },
		{ PATTERN("[domain-name:value = 'a.example'] [x:y = 1]"), "", FL_DROP_SYNTAX, NULL, .opt = { 0 } },
		{ PATTERN(""), "", FL_DROP_SYNTAX, NULL, .opt = { 0 } },
		{ IND("\"x\":1"), "", FL_DROP_SYNTAX, NULL, .opt = { 0 } },
		/* URLs claim nothing unless the definition says so */
		{ PATTERN("[url:value = 'https://bad.example/x']"), "", FL_DROP_NOT_APPLICABLE, NULL, .opt = { 0 } },
		{ PATTERN("[url:value = 'https://bad.example/x']"), "bad.example 1;", FL_DROP_COUNT, NULL, .opt = { .urls = FL_URLS_HOST } },
		{ PATTERN("[url:value = 'https://192.0.2.1/x']"), "", FL_DROP_ADDRESS, NULL, .opt = { .urls = FL_URLS_HOST } },
		/* attributes */
		{ IND("\"pattern\":\"[domain-name:value='a.example']\",\"confidence\":80,\"indicator_types\":[\"malicious-activity\",\"phishing\"],"
		      "\"valid_from\":\"2026-02-01T00:00:00Z\",\"valid_until\":\"2028-01-01T00:00:00.5Z\""),
		  "a.example 1 c80 phishing f1769904000 e1830297600;", FL_DROP_COUNT, NULL, .opt = { 0 } },
		{ IND("\"pattern\":\"[domain-name:value='a.example']\",\"valid_until\":\"2026-01-01T00:00:00Z\""), "", FL_DROP_EXPIRED, NULL, .opt = { 0 } },
		{ IND("\"pattern\":\"[domain-name:value='a.example']\",\"valid_from\":\"2028-01-01T00:00:00Z\""), "", FL_DROP_NOT_YET, NULL, .opt = { 0 } },
		{ IND("\"pattern\":\"[domain-name:value='a.example']\",\"revoked\":true"), "", FL_DROP_REVOKED, NULL, .opt = { 0 } },
		{ IND("\"pattern\":\"[domain-name:value='a.example']\",\"pattern_type\":\"stix\""), "a.example 1;", FL_DROP_COUNT, NULL, .opt = { 0 } },
		{ IND("\"pattern\":\"rule x {}\",\"pattern_type\":\"yara\""), "", FL_DROP_NOT_APPLICABLE, NULL, .opt = { 0 } },
		/* other objects are context */
		{ "{\"type\":\"bundle\",\"objects\":[{\"type\":\"domain-name\",\"value\":\"a.example\"}]}", "", FL_DROP_NOT_APPLICABLE, NULL, .opt = { 0 } },
		{ "{\"type\":\"bundle\",\"objects\":[7]}", "", FL_DROP_MALFORMED, NULL, .opt = { 0 } },
		{ "{\"type\":\"bundle\"}", "", FL_DROP_COUNT, NULL, .opt = { 0 } },
		/* envelope and bare objects */
		{ "{\"more\":true,\"next\":\"n\",\"objects\":[{\"type\":\"indicator\",\"id\":\"indicator--1\",\"pattern\":\"[domain-name:value='a.example']\"}]}",
		  "a.example 1;", FL_DROP_COUNT, NULL, .opt = { 0 } },
		{ "[{\"type\":\"indicator\",\"id\":\"indicator--1\",\"pattern\":\"[domain-name:value='a.example']\"}]", "a.example 1;", FL_DROP_COUNT, NULL, .opt = { 0 } },
		/* the last modified of one object counts, wherever it stands */
		{ "{\"type\":\"bundle\",\"objects\":["
		  "{\"type\":\"indicator\",\"id\":\"indicator--1\",\"modified\":\"2026-02-02T00:00:00Z\",\"pattern\":\"[domain-name:value='new.example']\"},"
		  "{\"type\":\"indicator\",\"id\":\"indicator--1\",\"modified\":\"2026-02-01T00:00:00Z\",\"pattern\":\"[domain-name:value='old.example']\"}]}",
		  "new.example 1;", FL_DROP_REVOKED, NULL, .opt = { 0 } },
		{ "{\"type\":\"bundle\",\"objects\":["
		  "{\"type\":\"indicator\",\"id\":\"indicator--1\",\"modified\":\"2026-02-01T00:00:00Z\",\"pattern\":\"[domain-name:value='a.example']\"},"
		  "{\"type\":\"indicator\",\"id\":\"indicator--1\",\"modified\":\"2026-02-02T00:00:00Z\",\"revoked\":true,\"pattern\":\"[domain-name:value='a.example']\"}]}",
		  "", FL_DROP_REVOKED, NULL, .opt = { 0 } },
		{ "{\"objects\":[\"bad.example\"]}", NULL, 0, "no STIX 2", .opt = { 0 } },
		{ "{\"type\":\"bundle\",\"objects\":[{\"type\":\"indica", NULL, 0, "not JSON", .opt = { 0 } },
	};

	(void)state;
	CHECK(rows, FL_FORMAT_STIX2);
}

#define EVENT(attributes) "{\"Event\":{\"uuid\":\"u\",\"Attribute\":[" attributes "]}}"
#define ATTR(type, value) "{\"type\":\"" type "\",\"value\":\"" value "\",\"to_ids\":true}"
#define WARNINGS(type, list) "{\"name\":\"n\",\"type\":\"" type "\",\"list\":[" list "]}"

static void test_misp(void **state)
{
	static const struct row rows[] = {
		{ EVENT(ATTR("domain", "bad.example")), "bad.example 1;", FL_DROP_COUNT, NULL, .opt = { 0 } },
		{ EVENT(ATTR("hostname", "bad.example")), "bad.example 3;", FL_DROP_COUNT, NULL, .opt = { .scope = 3 } },
		{ EVENT(ATTR("domain|ip", "bad.example|192.0.2.1")), "bad.example 1;", FL_DROP_COUNT, NULL, .opt = { 0 } },
		{ EVENT(ATTR("hostname|port", "bad.example|443")), "bad.example 1;", FL_DROP_COUNT, NULL, .opt = { 0 } },
		{ EVENT(ATTR("url", "https://bad.example/x")), "", FL_DROP_NOT_APPLICABLE, NULL, .opt = { 0 } },
		{ EVENT(ATTR("url", "https://bad.example/x")), "bad.example 1;", FL_DROP_COUNT, NULL, .opt = { .urls = FL_URLS_HOST } },
		{ EVENT(ATTR("url", "evil.example/r?u=https://www.paypal.com/")), "evil.example 1;", FL_DROP_COUNT, NULL, .opt = { .urls = FL_URLS_HOST } },
		{ EVENT(ATTR("url", "evil.example?u=http://www.paypal.com/")), "evil.example 1;", FL_DROP_COUNT, NULL, .opt = { .urls = FL_URLS_HOST } },
		{ EVENT(ATTR("url", "http://u@ev%69l.example:80/")), "evil.example 1;", FL_DROP_COUNT, NULL, .opt = { .urls = FL_URLS_HOST } },
		{ EVENT(ATTR("ip-dst", "192.0.2.1")), "", FL_DROP_NOT_APPLICABLE, NULL, .opt = { 0 } },
		{ EVENT(ATTR("link", "https://report.example/")), "", FL_DROP_NOT_APPLICABLE, NULL, .opt = { .urls = FL_URLS_HOST } },
		{ EVENT(ATTR("text", "bad.example")), "", FL_DROP_NOT_APPLICABLE, NULL, .opt = { 0 } },
		{ EVENT("{\"type\":\"domain\",\"value\":\"bad.example\",\"to_ids\":false}"), "", FL_DROP_NOT_APPLICABLE, NULL, .opt = { 0 } },
		{ EVENT("{\"type\":\"domain\",\"value\":\"bad.example\"}"), "", FL_DROP_NOT_APPLICABLE, NULL, .opt = { 0 } },
		{ EVENT("{\"type\":\"domain\",\"value\":\"bad.example\",\"to_ids\":\"1\"}"), "bad.example 1;", FL_DROP_COUNT, NULL, .opt = { 0 } },
		{ EVENT("{\"type\":\"domain\",\"value\":\"bad.example\",\"to_ids\":true,\"deleted\":true}"), "", FL_DROP_REVOKED, NULL, .opt = { 0 } },
		{ EVENT("{\"type\":\"domain\",\"value\":\"bad.example\",\"to_ids\":true,\"first_seen\":\"2026-02-01T00:00:00.000000+00:00\","
			"\"Tag\":[{\"name\":\"infostealer\"}]}"),
		  "bad.example 1 malware f1769904000;", FL_DROP_COUNT, NULL, .opt = { 0 } },
		{ EVENT("7"), "", FL_DROP_MALFORMED, NULL, .opt = { 0 } },
		{ "{\"Event\":{\"Object\":[{\"Attribute\":[" ATTR("domain", "bad.example") "]}]}}", "bad.example 1;", FL_DROP_COUNT, NULL, .opt = { 0 } },
		{ "{\"Event\":{\"Object\":[{\"deleted\":true,\"Attribute\":[" ATTR("domain", "bad.example") "]}]}}", "", FL_DROP_COUNT, NULL, .opt = { 0 } },
		{ "{\"response\":[" EVENT(ATTR("domain", "a.example")) "," EVENT(ATTR("domain", "b.example")) "]}", "a.example 1;b.example 1;", FL_DROP_COUNT, NULL,
		  .opt = { 0 } },
		{ "{\"Event\":{}}", "", FL_DROP_COUNT, NULL, .opt = { 0 } },
		/* warning lists */
		{ WARNINGS("hostname", "\"ok.example\",\".below.example\""), "ok.example 1;below.example 3;", FL_DROP_COUNT, NULL, .opt = { 0 } },
		{ WARNINGS("string", "\"ok.example\",\"192.0.2.1\""), "ok.example 1;", FL_DROP_ADDRESS, NULL, .opt = { 0 } },
		{ WARNINGS("string", "7"), "", FL_DROP_SYNTAX, NULL, .opt = { 0 } },
		{ WARNINGS("cidr", "\"192.0.2.0/24\""), NULL, 0, "names no domains", .opt = { 0 } },
		{ WARNINGS("regex", "\"a.example\""), NULL, 0, "names no domains", .opt = { 0 } },
		/* an index of events */
		{ "{\"06159a36-6012-5d68-bff5-7fac1110a2a6\":{\"timestamp\":\"1787269519\"}}", NULL, 0, "manifest", .opt = { 0 } },
		{ "{\"x\":1}", NULL, 0, "neither a MISP event", .opt = { 0 } },
	};

	(void)state;
	CHECK(rows, FL_FORMAT_MISP);
}

/* auto names a format when it is sure, and then reads as that format does. */
static void test_auto(void **state)
{
	static const struct {
		const char *body;
		int format;
		const char *error;
	} rows[] = {
		{ EVENT(ATTR("domain", "bad.example")), FL_FORMAT_MISP, NULL },
		{ WARNINGS("hostname", "\"ok.example\""), FL_FORMAT_MISP, NULL },
		{ PATTERN("[domain-name:value = 'bad.example']"), FL_FORMAT_STIX2, NULL },
		{ "{\"query_status\":\"ok\",\"data\":[{\"ioc\":\"bad.example\",\"ioc_type\":\"domain\"}]}", FL_FORMAT_JSON, NULL },
		{ "{\"fuzzylist\":[],\"whitelist\":[],\"blacklist\":[\"bad.example\"]}", FL_FORMAT_JSON, NULL },
		{ "{\"url\":\"http://bad.example/\",\"urlhaus_link\":\"l\"}\n{\"url\":\"http://bad.example/\",\"urlhaus_link\":\"l\"}\n", FL_FORMAT_NDJSON, NULL },
		{ "type,indicator,app\ndomain,bad.example,x\n", FL_FORMAT_CSV, NULL },
		{ "\"Domain\",\"Malware\"\n\"bad.example\",\"x\"\n", FL_FORMAT_CSV, NULL },
		{ "2026-08-22 02:53:35,u,domain,bad.example,,https://x.example/\n", FL_FORMAT_CSV, NULL },
		{ "[\"bad.example\"]", -1, "name its format" },
		{ "{\"domains\":[\"bad.example\"]}", -1, "name its format" },
		{ "{\"query_status\":\"illegal_days\"}", -1, "illegal_days" },
		{ "{\"query_status\":\"ok\",\"data\":[{\"ioc\":\"bad.exa", -1, "not JSON" },
		{ "host,note\nbad.example,x\n", -1, "not found out" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		enum fl_format f = FL_FORMAT_AUTO;
		struct fl_err err = { 0 };
		int ret = fl_feed_detect(fl_span_str(rows[i].body), &f, &err);

		if (rows[i].format < 0 ? ret != FL_EFORMAT || !strstr(err.text, rows[i].error) : ret != 0 || (int)f != rows[i].format)
			fail_msg("row %zu: %d, %s %s", i, ret, fl_format_word(f), err.text);
	}
}

static struct fl_feed_result parse(enum fl_format format, const struct fl_buf *body, const struct fl_feed_options *more, int want)
{
	struct fl_feed_options opt = more ? *more : (struct fl_feed_options){ 0 };
	struct fl_feed_result res = { 0 };
	struct fl_buf got = { 0 };
	struct fl_err err = { 0 };

	opt.format = format;
	if (fl_feed_parse(fl_buf_span(body), &opt, take, NULL, &got, &res, &err) != want)
		fail_msg("%s", err.text);
	fl_buf_done(&got);
	return res;
}

/* Brackets without end, in every format of JSON: refused, and the stack is not touched. */
static void test_depth_bombs(void **state)
{
	static const enum fl_format formats[] = { FL_FORMAT_JSON, FL_FORMAT_NDJSON, FL_FORMAT_STIX2, FL_FORMAT_MISP, FL_FORMAT_AUTO };
	static const char *const opens[] = { "[", "{\"a\":", "[{\"a\":" };
	struct fl_buf b = { 0 };

	(void)state;
	for (size_t k = 0; k < sizeof(opens) / sizeof(*opens); k++) {
		fl_buf_reset(&b);
		for (int i = 0; i < 1000000; i++)
			fl_buf_str(&b, opens[k]);
		for (size_t f = 0; f < sizeof(formats) / sizeof(*formats); f++)
			parse(formats[f], &b, NULL, FL_EFORMAT);
	}
	/* a pattern, too */
	fl_buf_reset(&b);
	fl_buf_str(&b, "{\"type\":\"bundle\",\"objects\":[{\"type\":\"indicator\",\"pattern\":\"");
	for (int i = 0; i < 100000; i++)
		fl_buf_str(&b, "(");
	fl_buf_str(&b, "\"}]}");
	assert_int_equal(parse(FL_FORMAT_STIX2, &b, NULL, 0).lines.dropped[FL_DROP_SYNTAX], 1);
	fl_buf_done(&b);
}

/* Records past their limit are dropped alone. */
static void test_long_records(void **state)
{
	static const struct fl_feed_options csv = { .fields = { .value = "1" } };
	struct fl_feed_result res;
	struct fl_buf b = { 0 };

	(void)state;
	fl_buf_str(&b, "a.example,\"");
	for (int i = 0; i < 100000; i++)
		fl_buf_str(&b, "x,");
	fl_buf_str(&b, "\"\nb.example,x\n\"");
	for (int i = 0; i < 100000; i++)
		fl_buf_str(&b, "y\n");
	res = parse(FL_FORMAT_CSV, &b, &csv, 0);
	assert_int_equal(res.lines.dropped[FL_DROP_LINE_TOO_LONG], 1);
	assert_int_equal(res.lines.dropped[FL_DROP_SYNTAX], 1); /* the quote without end costs its own line */
	assert_int_equal(res.claims, 100000);
	fl_buf_reset(&b);
	fl_buf_str(&b, "[\"a.example\",\"");
	for (int i = 0; i < 2000000; i++)
		fl_buf_u8(&b, 'x');
	fl_buf_str(&b, "\",\"b.example\"]");
	res = parse(FL_FORMAT_JSON, &b, NULL, 0);
	assert_int_equal(res.lines.dropped[FL_DROP_LINE_TOO_LONG], 1);
	assert_int_equal(res.claims, 2);
	fl_buf_done(&b);
}

/* Half a million records of a body that no tree is made of. */
static void test_a_large_document(void **state)
{
	struct fl_feed_result res;
	struct fl_buf b = { 0 };

	(void)state;
	fl_buf_str(&b, "[");
	for (int i = 0; i < 500000; i++)
		fl_buf_printf(&b, "%s\"n%d.bad.example\"", i ? ",\n" : "", i);
	fl_buf_str(&b, "]");
	res = parse(FL_FORMAT_JSON, &b, NULL, 0);
	assert_int_equal(res.claims, 500000);
	assert_int_equal(res.lines.in, 500000);
	fl_buf_done(&b);
}

/* Events whose parts stand in the order in which they are not read: the way back is short each time. */
static void test_many_events_backwards(void **state)
{
	struct fl_buf b = { 0 };

	(void)state;
	fl_buf_str(&b, "{\"response\":[{\"Event\":{}}");
	for (int i = 0; i < 50000; i++)
		fl_buf_str(&b, ",\n{\"Event\":{\"Object\":[{\"Attribute\":[" ATTR("domain", "a.example") "]}],\n\"Attribute\":[" ATTR("domain", "b.example") "]}}");
	fl_buf_str(&b, "]}");
	assert_int_equal(parse(FL_FORMAT_MISP, &b, NULL, 0).claims, 100000);
	fl_buf_done(&b);
}

static int last_line(void *ctx, const struct fl_feed_claim *c)
{
	*(uint32_t *)ctx = c->line;
	return 0;
}

/* A person who looks for a record finds it. */
static void test_lines_are_told(void **state)
{
	static const struct {
		enum fl_format format;
		const char *body;
		uint32_t line;
	} rows[] = {
		{ FL_FORMAT_CSV, "# a\n\n\"two\nlines\",x.example\n1,bad.example\n", 5 },
		{ FL_FORMAT_JSON, "[\n \"a.example\",\n\n \"b.example\"]", 4 },
		{ FL_FORMAT_NDJSON, "{\"h\":\"a.example\"}\n\n{\"h\":\"b.example\"}\n", 3 },
		/* objects stand before attributes, and are read behind them */
		{ FL_FORMAT_MISP, "{\"Event\":{\n\"Object\":[\n{\"Attribute\":[\n" ATTR("domain", "a.example") "]}],\n\n\"Attribute\":[" ATTR("domain", "b.example") "]}}", 4 },
		{ FL_FORMAT_MISP, "{\"Event\":{\n\"Attribute\":[\n" ATTR("domain", "a.example") "]}}", 3 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct fl_feed_options opt = { .format = rows[i].format };
		struct fl_feed_result res;
		struct fl_err err;
		uint32_t line = 0;

		opt.fields.value = opt.format == FL_FORMAT_CSV ? "2" : opt.format == FL_FORMAT_NDJSON ? "/h" : NULL;
		assert_int_equal(fl_feed_parse(fl_span_str(rows[i].body), &opt, last_line, NULL, &line, &res, &err), 0);
		assert_int_equal(line, rows[i].line);
	}
}

static void test_pointers(void **state)
{
	static const struct {
		const char *pointer;
		bool valid;
		size_t at;
	} rows[] = { { "", true, 0 }, { "/a/0/b~0~1", true, 0 }, { "/", true, 0 }, { "a", false, 0 }, { "/a~2", false, 2 }, { "/a~", false, 2 } };
	size_t at;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(fl_pointer_valid(rows[i].pointer, &at), rows[i].valid);
		if (!rows[i].valid)
			assert_int_equal(at, rows[i].at);
	}
}

static void test_manifest(void **state)
{
	static const char body[] = "{\"06159A36-6012-5d68-bff5-7fac1110a2a6\":{\"info\":\"x\",\"timestamp\":\"1787269519\"},"
				   "\"67317f07-5461-555f-9491-d7685196f614\":{\"timestamp\":1787422222},"
				   "\"../../../../../../../../../etc/passwd\":{\"timestamp\":\"1787269519\"},"
				   "\"ec185261-dda2-5256-bf1a-f93d913192fa\":{\"info\":\"no timestamp\"}}";
	struct fl_arena arena = { 0 };
	struct fl_misp_event *v;
	struct fl_err err = { 0 };
	size_t n, skipped;

	(void)state;
	assert_int_equal(fl_misp_manifest_parse(fl_span_str(body), &arena, &v, &n, &skipped, &err), 0);
	assert_int_equal(n, 2);
	assert_int_equal(skipped, 2);
	assert_string_equal(v[0].uuid, "06159a36-6012-5d68-bff5-7fac1110a2a6");
	assert_int_equal(v[0].timestamp_s, 1787269519);
	assert_int_equal(v[1].timestamp_s, 1787422222);
	assert_int_equal(fl_misp_manifest_parse(fl_span_str("{\"Event\":{}}"), &arena, &v, &n, NULL, &err), FL_EFORMAT);
	assert_int_equal(fl_misp_manifest_parse(fl_span_str("{\"a\":"), &arena, &v, &n, NULL, &err), FL_EFORMAT);
	fl_arena_done(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_csv),	     cmocka_unit_test(test_json),	  cmocka_unit_test(test_ndjson),
		cmocka_unit_test(test_stix),	     cmocka_unit_test(test_misp),	  cmocka_unit_test(test_auto),
		cmocka_unit_test(test_depth_bombs),  cmocka_unit_test(test_long_records), cmocka_unit_test(test_a_large_document),
		cmocka_unit_test(test_many_events_backwards), cmocka_unit_test(test_lines_are_told), cmocka_unit_test(test_pointers),	  cmocka_unit_test(test_manifest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
