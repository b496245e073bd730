/* The findings decoder on the fixtures and on what people really send. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <unistd.h>

#include "feeds/feeds.h"
#include "tests/support/skip.h"

static struct fl_buf file_read(const char *path)
{
	struct fl_buf b = { 0 };
	char chunk[4096];
	size_t n;
	FILE *f = fopen(path, "re");

	if (!f)
		return b;
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		fl_buf_add(&b, chunk, n);
	fclose(f);
	return b;
}

static void test_fixtures(void **state)
{
	static const struct {
		const char *file, *type, *domain;
		double severity;
	} rows[] = {
		{ "01-c2-dns", "Backdoor:EC2/C&CActivity.B!DNS", "update.badcdn.example", 8 },
		{ "02-bitcoin-dns", "CryptoCurrency:EC2/BitcoinTool.B!DNS", "Pool.Hashrate.EXAMPLE.", 8 },
		{ "03-dga", "Trojan:EC2/DGADomainRequest.B", "q7xv2mzk9p1w.example", 8 },
		{ "04-dns-exfiltration", "Trojan:EC2/DNSDataExfiltration", "48656c6c6f.chunk1.tunnel.example", 8 },
		{ "05-runtime-phishing", "Trojan:Runtime/PhishingDomainRequest!DNS", "login.pay-portal.example", 8 },
		{ "06-abused-domain", "Impact:EC2/AbusedDomainRequest.Reputation", "tenant-42.freehost.example", 8 },
		{ "07-api-call-domain-caller", "Persistence:IAMUser/AnomalousBehavior", NULL, 8 },
		{ "08-attack-sequence", "AttackSequence:EC2/CompromisedInstanceGroup", "stage.multi-step.example", 8 },
	};
	static const char *const forms[] = { "api", "eventbridge" };

	(void)state;
	if (access(FL_SHARED "/fixtures/guardduty", R_OK) < 0)
		fl_test_skip("the shared findings are not here");
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(*rows); i++) {
		struct fl_arena arena = { 0 };
		struct fl_findings got;
		struct fl_err err = { 0 };
		struct fl_buf body;
		char path[512];

		snprintf(path, sizeof(path), "%s/fixtures/guardduty/%s.%s.json", FL_SHARED, rows[i / 2].file, forms[i % 2]);
		body = file_read(path);
		if (fl_finding_parse(fl_buf_span(&body), NULL, &arena, &got, &err) < 0)
			fail_msg("%s: %s", path, err.text);
		fl_buf_done(&body); /* nothing may point into it */
		assert_int_equal(got.n, 1);
		assert_string_equal(got.v[0].type, rows[i / 2].type);
		assert_string_equal(got.v[0].shape, i % 2 ? "guardduty-event" : "guardduty-api");
		assert_int_equal(strlen(got.v[0].id), 32);
		assert_true(got.v[0].severity == rows[i / 2].severity);
		assert_true(got.v[0].updated_at > got.v[0].created_at && got.v[0].created_at > 0);
		assert_false(got.v[0].sample || got.v[0].archived);
		assert_int_equal(got.v[0].n_domains, rows[i / 2].domain ? 1 : 0);
		if (rows[i / 2].domain)
			assert_string_equal(got.v[0].domains[0], rows[i / 2].domain);
		fl_arena_done(&arena);
	}
}

#define DNS(domain) "\"service\":{\"action\":{\"dnsRequestAction\":{\"domain\":\"" domain "\"}}}"

/* Expected: "domains|flags|severity", flags s sample, a archived; NULL: refused, and the reason has `says`. */
static const struct {
	const char *json, *expect, *says;
} rows[] = {
	{ "{\"id\":\"1\",\"severity\":5," DNS("a.example") "}", "a.example||5", NULL },
	{ "{\"ID\":\"1\",\"SEVERITY\":5,\"SERVICE\":{\"ACTION\":{\"DNSREQUESTACTION\":{\"DOMAIN\":\"a.example\"}}}}",
	  "a.example||5", NULL },
	{ "{\"detail\":{\"Id\":\"1\",\"Severity\":5,\"Service\":{\"Action\":{\"DnsRequestAction\":{\"Domain\":\"a.example\"}}}}}",
	  "a.example||5", NULL },
	{ "{\"Findings\":[{\"Id\":\"1\",\"SchemaVersion\":\"2.0\",\"Severity\":5}]}", "||5", NULL },
	{ "{\"id\":\"1\",\"severity\":\"7.5\"," DNS("a.example") "}", "a.example||7.5", NULL },
	{ "{\"id\":\"1\",\"severity\":\"High\"," DNS("a.example") "}", "a.example||7", NULL },
	{ "{\"id\":\"1\",\"severity\":\"loud\"," DNS("a.example") "}", NULL, "severity" },
	{ "{\"id\":\"1\",\"severity\":true," DNS("a.example") "}", NULL, "severity" },
	{ "{\"id\":\"1\",\"schemaVersion\":\"2.0\",\"severity\":5}", "||5", NULL },
	{ "{\"id\":\"1\",\"service\":null,\"schemaVersion\":\"2.0\"}", "||0", NULL },
	{ "{\"id\":\"1\",\"service\":[1],\"schemaVersion\":\"2.0\"}", "||0", NULL },
	{ "{\"severity\":5," DNS("a.example") "}", NULL, "no id" },
	{ "{\"id\":\"1\",\"severity\":5,\"service\":{\"archived\":true,\"action\":{\"dnsRequestAction\":{\"domain\":\"a.example\"}}}}",
	  "a.example|a|5", NULL },
	{ "{\"id\":\"1\",\"severity\":5,\"service\":{\"additionalInfo\":{\"sample\":true},\"action\":{\"dnsRequestAction\":{\"domain\":\"3322.org\"}}}}",
	  "3322.org|s|5", NULL },
	{ "{\"id\":\"1\",\"severity\":5,\"service\":{\"additionalInfo\":{\"value\":\"{\\\"sample\\\":true}\"},\"action\":{\"dnsRequestAction\":{\"domain\":\"3322.org\"}}}}",
	  "3322.org|s|5", NULL },
	{ "{\"id\":\"1\",\"severity\":5,\"service\":{\"additionalInfo\":{\"value\":\"{not json\"},\"action\":{\"dnsRequestAction\":{\"domain\":\"a.example\"}}}}",
	  "a.example||5", NULL },
	{ "{\"id\":\"1\",\"severity\":5,\"title\":\"[SAMPLE] x\"," DNS("a.example") "}", "a.example|s|5", NULL },
	{ "{\"id\":\"1\",\"severity\":5," DNS("GeneratedFindingDomainName") "}", "GeneratedFindingDomainName|s|5", NULL },
	/* names that are no evidence */
	{ "{\"id\":\"1\",\"severity\":5,\"service\":{\"action\":{\"awsApiCallAction\":{\"domainDetails\":{\"domain\":\"x.example\"}}}}}",
	  "||5", NULL },
	{ "{\"id\":\"1\",\"severity\":5,\"service\":{\"action\":{\"dnsRequestAction\":{\"domainWithSuffix\":\"x.example\"}}}}", "||5",
	  NULL },
	{ "{\"id\":\"1\",\"severity\":5,\"service\":{\"additionalInfo\":{\"domain\":\"x.example\"}}}", "||5", NULL },
	/* attack sequences */
	{ "{\"id\":\"1\",\"severity\":9,\"service\":{\"detection\":{\"sequence\":{"
	  "\"endpoints\":[{\"id\":\"e1\",\"domain\":\"a.example\",\"connection\":{\"direction\":\"OUTBOUND\"}},"
	  "{\"id\":\"e2\",\"domain\":\"in.example\",\"connection\":{\"direction\":\"INBOUND\"}},"
	  "{\"id\":\"e3\",\"domain\":\"nobody-says-so.example\"}],"
	  "\"signals\":[{\"type\":\"FINDING\",\"endpointIds\":[\"e2\"]},{\"type\":\"CLOUD_TRAIL\",\"endpointIds\":[\"e3\"]}],"
	  "\"sequenceIndicators\":[{\"key\":\"MALICIOUS_DOMAIN\",\"values\":[\"A.example.\",\"b.example\"]},"
	  "{\"key\":\"SUSPICIOUS_NETWORK\",\"values\":[\"net.example\"]}]}}}}",
	  "a.example,A.example.,b.example||9", NULL },
	{ "{\"id\":\"1\",\"severity\":9,\"service\":{\"detection\":{\"sequence\":{\"signals\":[{\"signalIndicators\":"
	  "[{\"key\":\"CRYPTOMINING_DOMAIN\",\"values\":[\"pool.example\",7,null]}]}]}}}}",
	  "pool.example||9", NULL },
	/* the plain form */
	{ "{\"domain\":\"a.example\"}", "a.example||7", NULL },
	{ "{\"domain\":\"a.example\",\"severity\":3,\"type\":\"x\",\"expires_at\":\"2026-11-23T10:00:00Z\",\"reason\":\"r\"}",
	  "a.example||3", NULL },
	{ "{\"domain\":\"a.example\",\"expires_at\":\"tomorrow\"}", NULL, "expiry" },
	{ "{\"domain\":7}", NULL, "domain" },
	/* what is no finding */
	{ "", NULL, "not JSON" },
	{ "{", NULL, "not JSON" },
	{ "{} {}", NULL, "finding 1: no finding of a known shape" },
	{ "{} x", NULL, "not JSON" },
	{ "7", NULL, "not an object" },
	{ "{}", NULL, "known shape" },
	{ "[{\"domain\":\"a.example\"}]", "a.example||7", NULL },
	{ "[[{\"domain\":\"a.example\"}]]", NULL, "not an object" },
	{ "{\"Findings\":[7]}", NULL, "finding 1" },
	{ "{\"SchemaVersion\":\"2018-10-08\",\"ProductArn\":\"arn\",\"Id\":\"1\"}", "||0", NULL },
	{ "{\"class_uid\":2004}", NULL, "no id" },
	{ "{\"class_uid\":4003}", NULL, "OCSF" },
	{ "{\"domain\":\"a\\u0000b.example\"}", NULL, "not JSON" },
};

static void row_check(size_t i)
{
	struct fl_arena arena = { 0 };
	struct fl_findings got;
	struct fl_err err = { 0 };
	struct fl_buf b = { 0 };
	int ret = fl_finding_parse(fl_span_str(rows[i].json), NULL, &arena, &got, &err);

	if (!rows[i].expect) {
		if (ret != FL_EFORMAT || !strstr(err.text, rows[i].says))
			fail_msg("row %zu: %d, %s", i, ret, err.text);
	} else {
		if (ret < 0)
			fail_msg("row %zu: %s", i, err.text);
		assert_int_equal(got.n, 1);
		for (uint32_t k = 0; k < got.v->n_domains; k++)
			fl_buf_printf(&b, "%s%s", k ? "," : "", got.v->domains[k]);
		fl_buf_printf(&b, "|%s%s|%g", got.v->sample ? "s" : "", got.v->archived ? "a" : "", got.v->severity);
		if (strcmp(fl_buf_cstr(&b), rows[i].expect) != 0)
			fail_msg("row %zu: %s, not %s", i, fl_buf_cstr(&b), rows[i].expect);
	}
	fl_buf_done(&b);
	fl_arena_done(&arena);
}

static void test_documents(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		row_check(i);
}

static void test_plain_fields(void **state)
{
	static const char json[] = "{\"domain\":\"a.example\",\"type\":\"t\",\"expires_at\":\"1970-01-01T00:01:00Z\","
				   "\"updated_at\":60,\"reason\":\"seen\"}";
	struct fl_arena arena = { 0 };
	struct fl_findings got;
	struct fl_err err = { 0 };

	(void)state;
	assert_int_equal(fl_finding_parse(fl_span_str(json), NULL, &arena, &got, &err), 0);
	assert_string_equal(got.v->id, "plain:a.example");
	assert_string_equal(got.v->reason, "seen");
	assert_string_equal(got.v->type, "t");
	assert_int_equal(got.v->expires_at, 60 * FL_US_PER_S);
	assert_int_equal(got.v->updated_at, 60 * FL_US_PER_S);
	fl_arena_done(&arena);
}

static void test_provenance(void **state)
{
	static const char json[] =
		"{\"id\":\"1\",\"service\":{\"evidence\":{\"threatIntelligenceDetails\":[{\"threatListName\":\"A\"},"
		"{\"threatListName\":\"B\"}]},\"additionalInfo\":{\"threatListName\":\"A\",\"value\":\"{\\\"threatListName\\\":\\\"C\\\"}\"}}}";
	struct fl_arena arena = { 0 };
	struct fl_findings got;
	struct fl_err err = { 0 };

	(void)state;
	assert_int_equal(fl_finding_parse(fl_span_str(json), NULL, &arena, &got, &err), 0);
	assert_int_equal(got.v->n_threat_lists, 3);
	fl_arena_done(&arena);
}

static void test_depth_and_size_are_limited(void **state)
{
	struct fl_arena arena = { 0 };
	struct fl_findings got;
	struct fl_err err = { 0 };
	struct fl_buf b = { 0 };

	(void)state;
	for (int i = 0; i < 100; i++)
		fl_buf_u8(&b, '[');
	assert_int_equal(fl_finding_parse(fl_buf_span(&b), NULL, &arena, &got, &err), FL_EFORMAT);
	assert_non_null(strstr(err.text, "deeper"));
	fl_buf_reset(&b);
	assert_true(fl_buf_reserve(&b, 17 << 20));
	memset(b.p, ' ', 17 << 20);
	b.n = 17 << 20;
	assert_int_equal(fl_finding_parse(fl_buf_span(&b), NULL, &arena, &got, &err), FL_EFORMAT);
	assert_non_null(strstr(err.text, "octets"));
	fl_buf_done(&b);
	fl_arena_done(&arena);
}

static void test_get_findings_answers(void **state)
{
	struct fl_arena arena = { 0 };
	struct fl_findings got;
	struct fl_err err = { 0 };

	(void)state;
	assert_int_equal(fl_finding_parse(fl_span_str("{\"findings\":[]}"), NULL, &arena, &got, &err), 0);
	assert_int_equal(got.n, 0);
	assert_int_equal(fl_finding_parse(fl_span_str("{\"findings\":[{\"domain\":\"a.example\"},{\"domain\":\"b.example\"}]}"), NULL, &arena, &got, &err), 0);
	assert_int_equal(got.n, 2);
	assert_string_equal(got.v[1].domains[0], "b.example");
	fl_arena_done(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fixtures),   cmocka_unit_test(test_documents),
		cmocka_unit_test(test_plain_fields), cmocka_unit_test(test_provenance),
		cmocka_unit_test(test_depth_and_size_are_limited), cmocka_unit_test(test_get_findings_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
