/* The query-log record, octet for octet, and the words in it. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/text.h"
#include "model/qlog.h"

static struct fl_qlog blocked(void)
{
	struct fl_qlog q = { .ts_us = 1795442531114203, .account_id = "000000000000", .region = "dc-a", .enforcer = "ns1",
			     .association = "corp-lan", .boot = 7, .seq = 81734412, .qtype = 1, .qclass = 1, .rcode = 3,
			     .client = { 10, 20, 4, 7 }, .client_port = 51514, .action = FL_ACTION_BLOCK,
			     .block_response = FL_BLOCK_NXDOMAIN, .rule_group = "baseline", .rule = "malware-and-phishing",
			     .list = "malware", .list_version = 1842, .entry_scope = 3, .sources = { "urlhaus", "guardduty" },
			     .n_sources = 2, .duration_us = 41 };

	assert_true(fl_dname_from_text(fl_span_str("cdn.evil-updates.example"), &q.qname));
	assert_true(fl_rkey_from_text(fl_span_str("evil-updates.example"), &q.entry));
	return q;
}

static void expect(const struct fl_qlog *q, fl_answers_format *answers, const char *want)
{
	struct fl_buf out = { 0 };

	fl_qlog_format(q, answers, &out);
	assert_string_equal(fl_buf_cstr(&out), want);
	fl_buf_done(&out);
}

static void test_block(void **state)
{
	struct fl_qlog q = blocked();

	(void)state;
	expect(&q, NULL,
	       "{\"version\":\"1.100000\",\"account_id\":\"000000000000\",\"region\":\"dc-a\",\"vpc_id\":\"vpc-corp-lan\","
	       "\"query_timestamp\":\"2026-11-23T14:02:11Z\",\"query_name\":\"cdn.evil-updates.example.\",\"query_type\":\"A\","
	       "\"query_class\":\"IN\",\"rcode\":\"NXDOMAIN\",\"answers\":[],\"srcaddr\":\"10.20.4.7\",\"srcport\":\"51514\","
	       "\"transport\":\"UDP\",\"srcids\":{},\"firewall_rule_action\":\"BLOCK\",\"firewall_rule_group_id\":\"baseline\","
	       "\"firewall_domain_list_id\":\"malware\",\"fireline\":{\"ref\":\"mucn6kym\",\"ts_us\":1795442531114203,"
	       "\"enforcer\":\"ns1\",\"boot\":7,\"worker\":0,\"seq\":81734412,\"action\":\"BLOCK\",\"rule\":\"malware-and-phishing\","
	       "\"list\":\"malware\",\"list_version\":1842,\"entry\":\"evil-updates.example\",\"scope\":\"subtree\",\"hop\":0,"
	       "\"block_response\":\"NXDOMAIN\",\"sources\":[\"urlhaus\",\"guardduty\"],\"cached\":false,\"upstream\":null,"
	       "\"duration_us\":41,\"would\":null,\"bypass\":false}}");
}

static void answers(struct fl_buf *out, struct fl_span response)
{
	fl_buf_printf(out, "[%zu]", response.n);
}

/* No rule, no association: nothing of a firewall, and nulls where nothing is known. */
static void test_plain_answer(void **state)
{
	struct fl_qlog q = { .ts_us = 1795442531999999, .enforcer = "ns1", .qtype = 65, .qclass = 1, .client_v6 = true,
			     .client = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 }, .tcp = true, .cached = false,
			     .upstream = "192.0.2.53:53", .duration_us = 12000, .degraded = true, .bypass = true,
			     .response = { (const uint8_t *)"xyz", 3 } };

	(void)state;
	fl_dname_from_text(fl_span_str("."), &q.qname);
	expect(&q, answers,
	       "{\"version\":\"1.100000\",\"account_id\":\"000000000000\",\"region\":\"\",\"vpc_id\":\"vpc-none\","
	       "\"query_timestamp\":\"2026-11-23T14:02:11Z\",\"query_name\":\".\",\"query_type\":\"HTTPS\",\"query_class\":\"IN\","
	       "\"rcode\":\"NOERROR\",\"answers\":[3],\"srcaddr\":\"2001:db8::1\",\"srcport\":\"0\",\"transport\":\"TCP\",\"srcids\":{},"
	       "\"fireline\":{\"ref\":\"muaaaaaa\",\"ts_us\":1795442531999999,\"enforcer\":\"ns1\",\"boot\":0,\"worker\":0,\"seq\":0,"
	       "\"action\":\"NONE\",\"rule\":null,\"list\":null,\"list_version\":null,\"entry\":null,\"scope\":null,\"hop\":0,"
	       "\"block_response\":null,\"sources\":[],\"cached\":false,\"upstream\":\"192.0.2.53:53\",\"duration_us\":12000,"
	       "\"would\":null,\"bypass\":true,\"degraded\":true}}");
}

static void test_firewall_only_for_alert_and_block(void **state)
{
	static const struct {
		enum fl_action action;
		bool there;
	} rows[] = {
		{ FL_ACTION_NONE, false },
		{ FL_ACTION_ALLOW, false },
		{ FL_ACTION_ALERT, true },
		{ FL_ACTION_BLOCK, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_qlog q = blocked();
		struct fl_buf out = { 0 };
		char want[64];

		q.action = rows[i].action;
		fl_qlog_format(&q, NULL, &out);
		assert_int_equal(strstr(fl_buf_cstr(&out), "firewall_") != NULL, rows[i].there);
		snprintf(want, sizeof(want), "\"action\":\"%s\"", fl_action_word(rows[i].action));
		assert_non_null(strstr(fl_buf_cstr(&out), want));
		fl_buf_done(&out);
	}
}

/* A name of any octets stays one JSON string of ASCII. */
static void test_hostile_name(void **state)
{
	struct fl_qlog q = blocked();
	struct fl_buf out = { 0 };

	(void)state;
	fl_dname_from_text(fl_span_str("a\\\"\\000\\255\\.b.example"), &q.qname);
	fl_qlog_format(&q, NULL, &out);
	assert_non_null(strstr(fl_buf_cstr(&out), "\"query_name\":\"a\\\\\\\"\\\\000\\\\255\\\\.b.example.\""));
	fl_buf_done(&out);
}

static void test_ref(void **state)
{
	char text[9];
	uint64_t v;

	(void)state;
	assert_string_equal(fl_base32_40(fl_ref("ns1", 0, 81734412), text), "mucn6kym");
	assert_true(fl_unbase32_40(fl_span_str(text), &v));
	assert_int_equal(v & 0xfffffff, 81734412);
	assert_int_equal(fl_ref("ns1", 5, 7) >> 28 & 15, 5);
	assert_int_equal(fl_ref("ns1", 21, UINT64_C(1) << 28 | 7), fl_ref("ns1", 5, 7)); /* low bits only */
	assert_int_not_equal(fl_ref("ns1", 0, 7) >> 32, fl_ref("ns2", 0, 7) >> 32);
	assert_true(fl_ref("some other name", UINT32_MAX, UINT64_MAX) < UINT64_C(1) << 40);
}

static void test_dns_words(void **state)
{
	static const struct {
		const char *text;
		int value; /* -1: refused */
	} rows[] = {
		{ "A", 1 }, { "aaaa", 28 }, { "HTTPS", 65 }, { "Any", 255 }, { "TYPE1", 1 }, { "type65400", 65400 },
		{ "TYPE0", 0 }, { "TYPE65536", -1 }, { "TYPE", -1 }, { "TYPE-1", -1 }, { "", -1 }, { "AA", -1 }, { "A ", -1 },
	};
	char out[16];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint16_t t = 0;
		bool ok = fl_qtype_parse(rows[i].text, &t);

		if (ok != (rows[i].value >= 0) || (ok && t != rows[i].value))
			fail_msg("'%s'", rows[i].text);
	}
	for (unsigned t = 0; t <= UINT16_MAX; t++) {
		uint16_t again;

		assert_true(fl_qtype_parse(fl_qtype_format((uint16_t)t, out), &again));
		assert_int_equal(again, t);
	}
	assert_string_equal(fl_qtype_format(65535, out), "TYPE65535");
	assert_string_equal(fl_qclass_format(1, out), "IN");
	assert_string_equal(fl_qclass_format(3, out), "CH");
	assert_string_equal(fl_qclass_format(17, out), "CLASS17");
	assert_string_equal(fl_rcode_format(2, out), "SERVFAIL");
	assert_string_equal(fl_rcode_format(11, out), "RCODE11");
	assert_string_equal(fl_rcode_format(UINT32_MAX, out), "RCODE4095");
	assert_string_equal(fl_action_word((enum fl_action)99), "NONE");
	assert_null(fl_block_response_word(FL_BLOCK_NONE));
	assert_null(fl_block_response_word((enum fl_block_response)99));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_block),
		cmocka_unit_test(test_plain_answer),
		cmocka_unit_test(test_firewall_only_for_alert_and_block),
		cmocka_unit_test(test_hostile_name),
		cmocka_unit_test(test_ref),
		cmocka_unit_test(test_dns_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
