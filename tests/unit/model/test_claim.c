/* Claims: the example of the page, decode undoes encode, ids belong to their content, hostile values are refused. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "model/finding.h"

#include <jansson.h>
#include <math.h>

static struct fl_claim claim(void)
{
	struct fl_claim c = { .source = "findings-block", .finding = "0ab1", .type = "Backdoor:EC2/C&CActivity.B!DNS", .scope = 1,
			      .severity = 8, .updated_at = 1795442531000000, .seen_at = 1795442531114203,
			      .expires_at = 1798034531114203, .actor = "finding inject" };

	assert_true(fl_rkey_from_text(fl_span_str("bad.example.com"), &c.key));
	fl_claim_id(&c);
	return c;
}

static char *encode(const struct fl_claim *c, struct fl_buf *out)
{
	fl_buf_reset(out);
	fl_claim_encode(c, out);
	return fl_buf_cstr(out);
}

static void test_example_of_the_page(void **state)
{
	struct fl_claim c = claim();
	struct fl_buf out = { 0 };

	(void)state;
	assert_string_equal(encode(&c, &out),
			    "{\"id\":\"05c2f936c93bd4ddc2e342728f7c602982f2105060c049ecad7bad95003065bf\",\"source\":\"findings-block\","
			    "\"finding\":\"0ab1\",\"type\":\"Backdoor:EC2/C&CActivity.B!DNS\",\"name\":\"bad.example.com\",\"scope\":\"exact\","
			    "\"state\":\"active\",\"severity\":8,\"updated_at_us\":1795442531000000,\"seen_at_us\":1795442531114203,"
			    "\"expires_at_us\":1798034531114203,\"actor\":\"finding inject\",\"reason\":\"\"}");
	fl_buf_done(&out);
}

static void test_round_trip(void **state)
{
	static const double severities[] = { 0, 8, 8.9, 0.1, 1.0 / 3, 1e300, 5e-324, -1, 100 };
	struct fl_buf out = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(severities) / sizeof(severities[0]); i++) {
		struct fl_claim c = claim(), got;
		struct fl_err err = { 0 };

		c.severity = severities[i];
		c.state = (enum fl_claim_state)(i % 4);
		c.scope = (uint8_t)(1 + i);
		c.key.len = i % 2 ? c.key.len : 0; /* the root */
		memset(c.finding, '"', sizeof(c.finding) - 1);
		memcpy(c.reason, "l\xc3\xa4ng\tlich", 11);
		fl_claim_id(&c);
		if (fl_claim_decode(fl_span_str(encode(&c, &out)), &got, &err))
			fail_msg("row %zu: %s", i, err.text);
		assert_true(got.severity == c.severity);
		assert_int_equal(got.state, c.state);
		assert_int_equal(got.scope, c.scope);
		assert_int_equal(got.key.len, c.key.len);
		assert_string_equal(got.finding, c.finding);
		assert_string_equal(got.reason, c.reason);
		assert_string_equal(got.id, c.id);
	}
	fl_buf_done(&out);
}

static void test_what_json_cannot_carry(void **state)
{
	struct fl_claim c = claim(), got;
	struct fl_buf out = { 0 };

	(void)state;
	c.severity = NAN;
	c.expires_at = -5;
	memcpy(c.finding, "cut \xc3", 6);
	fl_claim_id(&c);
	assert_int_equal(fl_claim_decode(fl_span_str(encode(&c, &out)), &got, NULL), 0);
	assert_true(got.severity == 0);
	assert_int_equal(got.expires_at, 0);
	assert_string_equal(got.finding, "cut ?");
	fl_buf_done(&out);
}

static void test_ids_are_of_source_finding_and_name(void **state)
{
	struct fl_claim a = claim(), b;

	(void)state;
#define SAME(yes, stmt)                                       \
	do {                                                  \
		b = a;                                        \
		stmt;                                         \
		fl_claim_id(&b);                              \
		assert_int_equal(strcmp(a.id, b.id) == 0, yes); \
	} while (0)
	SAME(true, b.state = FL_CLAIM_WITHDRAWN);
	SAME(true, b.updated_at++);
	SAME(true, b.type[0] = 'x');
	SAME(false, b.source[0] = 'x');
	SAME(false, b.finding[0] = 'x');
	SAME(false, b.key.b[0] = 'x');
	SAME(false, (memcpy(b.source, "findings-bloc", 14), memcpy(b.finding, "k0ab1", 6)));
#undef SAME
}

static void test_alterations_are_refused(void **state)
{
	static const struct {
		const char *key, *value; /* JSON; NULL: taken out */
		int ret;
	} rows[] = {
		{ "of_later_days", "[]", 0 },
		{ "state", "\"withdrawn\"", 0 },
		{ "state", "\"Active\"", FL_EFORMAT },
		{ "state", "\"\"", FL_EFORMAT },
		{ "state", NULL, FL_EFORMAT },
		{ "id", "\"\"", FL_ECORRUPT },
		{ "id", "7", FL_EFORMAT },
		{ "source", "\"other\"", FL_ECORRUPT },
		{ "source", "\"../x\"", FL_EFORMAT },
		{ "finding", "\"other\"", FL_ECORRUPT },
		{ "name", "\"good.example.com\"", FL_ECORRUPT },
		{ "name", "\"BAD.example.com\"", FL_EFORMAT },
		{ "name", "\"bad.example.com.\"", FL_EFORMAT },
		{ "name", "\"\"", FL_EFORMAT },
		{ "name", "\"a..b\"", FL_EFORMAT },
		{ "scope", "\"none\"", FL_EFORMAT },
		{ "scope", "1", FL_EFORMAT },
		{ "severity", "\"8\"", FL_EFORMAT },
		{ "severity", "8.5", 0 },
		{ "seen_at_us", "-1", FL_EFORMAT },
		{ "seen_at_us", "1.5", FL_EFORMAT },
		{ "actor", "\"0123456789012345678901234567890123456789012345678901234567890123\"", FL_EFORMAT },
		{ "reason", NULL, FL_EFORMAT },
	};
	struct fl_buf out = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_claim c = claim(), got;
		json_t *root = json_loads(encode(&c, &out), 0, NULL);
		char *text;
		int ret;

		if (rows[i].value)
			json_object_set_new(root, rows[i].key, json_loads(rows[i].value, JSON_DECODE_ANY, NULL));
		else
			json_object_del(root, rows[i].key);
		text = json_dumps(root, 0);
		ret = fl_claim_decode(fl_span_str(text), &got, NULL);
		if (ret != rows[i].ret)
			fail_msg("%s = %s: %s", rows[i].key, rows[i].value ? rows[i].value : "(none)", fl_code_name(ret));
		free(text);
		json_decref(root);
	}
	fl_buf_done(&out);
}

static void test_no_claim_at_all(void **state)
{
	static const char *const rows[] = { "", "[]", "{}", "nonsense", "{\"id\":1,\"id\":1}" };
	static char big[70000];
	struct fl_claim got;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(fl_claim_decode(fl_span_str(rows[i]), &got, NULL), FL_EFORMAT);
	memset(big, ' ', sizeof(big));
	assert_int_equal(fl_claim_decode(fl_span(big, sizeof(big)), &got, NULL), FL_ELIMIT);
}

static struct fl_claim_record record(void)
{
	struct fl_claim_record r = { .claim = { .source = "cli.block", .finding = "0ab1", .type = "Backdoor:EC2/C&CActivity.B!DNS", .scope = 1, .severity = 8,
						.updated_at = 1795442531000000, .seen_at = 1795442531114203, .expires_at = 1798034531114203, .actor = "mona" },
				     .in = { .number = 7 }, .cause = FL_CAUSE_FINDING, .at = 1795442531120000, .node = "ns-1" };

	memset(r.in.epoch.b, 0xa1, sizeof(r.in.epoch.b));
	memset(r.in.chain, 0xc2, sizeof(r.in.chain));
	assert_true(fl_rkey_from_text(fl_span_str("bad.example"), &r.claim.key));
	fl_claim_id(&r.claim);
	return r;
}

static void test_ledger_record(void **state)
{
	struct fl_claim_record r = record(), got;
	struct fl_buf out = { 0 };

	(void)state;
	fl_claim_record_encode(&r, &out);
	assert_string_equal(fl_buf_cstr(&out),
			    "{\"cause\":\"finding\",\"node\":\"ns-1\",\"at_us\":1795442531120000,\"version\":{\"epoch\":\"a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1\",\"number\":7,"
			    "\"chain\":\"c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2\"},\"claim\":{\"id\":\"0a62bf675d244bb71428252b1b5fbc68a02848fefa146a2883028962850e8b42\","
			    "\"source\":\"cli.block\",\"finding\":\"0ab1\",\"type\":\"Backdoor:EC2/C&CActivity.B!DNS\",\"name\":\"bad.example\",\"scope\":\"exact\",\"state\":\"active\","
			    "\"severity\":8,\"updated_at_us\":1795442531000000,\"seen_at_us\":1795442531114203,\"expires_at_us\":1798034531114203,\"actor\":\"mona\",\"reason\":\"\"}}");
	assert_int_equal(fl_claim_record_decode(fl_buf_span(&out), &got, NULL), 0);
	assert_string_equal(got.claim.id, r.claim.id);
	assert_true(fl_version_id_eq(&got.in, &r.in));
	assert_int_equal(got.at, r.at);
	assert_string_equal(got.node, "ns-1");
	assert_string_equal(got.purged, "");
	memset(&r.in, 0, sizeof(r.in));
	memcpy(r.purged, "old.block", 10);
	r.cause = FL_CAUSE_DELETE;
	fl_buf_reset(&out);
	fl_claim_record_encode(&r, &out);
	assert_string_equal(fl_buf_cstr(&out), "{\"cause\":\"delete\",\"node\":\"ns-1\",\"at_us\":1795442531120000,\"version\":null,\"purged\":\"old.block\"}");
	assert_int_equal(fl_claim_record_decode(fl_buf_span(&out), &got, NULL), 0);
	assert_string_equal(got.purged, "old.block");
	assert_int_equal(fl_claim_record_decode(fl_span_str("{\"cause\":\"delete\",\"node\":\"n\",\"at_us\":1,\"version\":null}"), &got, NULL), FL_EFORMAT);
	fl_buf_done(&out);
}

/* The one rule of news: for findings that arrive, for what the ledger says of one claim, and for what the store lost. */
static void test_what_says_nothing_new(void **state)
{
	enum { A = FL_CLAIM_ACTIVE, W = FL_CLAIM_WITHDRAWN, D = FL_CLAIM_DISMISSED, E = FL_CLAIM_EXPIRED };
	static const struct {
		int had, had_at, c, c_at;
		bool nothing;
	} rows[] = {
		{ A, 5, A, 5, true },  { A, 5, A, 6, false }, { A, 5, A, 4, true },  { A, 0, A, 0, false }, /* without dates: renewed */
		{ A, 5, W, 5, false }, { A, 5, W, 6, false }, { A, 5, W, 4, true },  { A, 5, W, 0, false },
		{ W, 5, A, 5, true },  { W, 5, A, 6, false }, { W, 5, A, 4, true },  { W, 5, A, 0, true },
		{ W, 0, A, 9, true },  { W, 5, W, 5, true },  { W, 5, W, 6, false }, { W, 6, W, 5, true },
		{ D, 5, A, 9, true },  { D, 5, W, 9, true },  { D, 5, D, 9, true },  { A, 9, D, 5, false }, { W, 9, D, 5, false },
		{ E, 5, A, 5, false }, { E, 5, A, 4, true },  { E, 5, W, 5, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_claim had = { .state = (enum fl_claim_state)rows[i].had, .updated_at = rows[i].had_at };
		struct fl_claim c = { .state = (enum fl_claim_state)rows[i].c, .updated_at = rows[i].c_at };

		if (fl_claim_says_nothing_new(&had, &c) != rows[i].nothing)
			fail_msg("row %d", (int)i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_example_of_the_page),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_what_json_cannot_carry),
		cmocka_unit_test(test_ids_are_of_source_finding_and_name),
		cmocka_unit_test(test_alterations_are_refused),
		cmocka_unit_test(test_no_claim_at_all),
		cmocka_unit_test(test_ledger_record),
		cmocka_unit_test(test_what_says_nothing_new),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
