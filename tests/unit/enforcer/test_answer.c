/* The octets that clients get, read back by ldns. */
#include "tests/unit/enforcer/wire.h"

#include <arpa/inet.h>
#include <ldns/ldns.h>

#include "enforcer/answer.h"

static uint8_t buf[65535];

static void ask(struct fl_question *q, const char *name, unsigned type, unsigned size, bool dnssec_ok)
{
	struct fl_buf b = wquery(0x4242, name, type, size, dnssec_ok);

	assert_int_equal(fl__question_parse(fl_buf_span(&b), q), FL__PARSED_OK);
	fl_buf_done(&b);
}

static ldns_pkt *parse(const struct fl__out *o)
{
	ldns_pkt *p = NULL;

	assert_int_equal(ldns_wire2pkt(&p, o->p, o->n), LDNS_STATUS_OK);
	assert_true(ldns_pkt_qr(p));
	assert_true(ldns_pkt_ra(p));
	assert_false(ldns_pkt_aa(p));
	assert_false(ldns_pkt_ad(p));
	return p;
}

static void assert_text(ldns_rr_list *list, const char *expected)
{
	char *text;

	assert_int_equal(ldns_rr_list_rr_count(list), 1);
	text = ldns_rr2str(ldns_rr_list_rr(list, 0));
	for (char *p = text; *p; p++)
		if (*p == '\t' || *p == '\n')
			*p = ' ';
	assert_string_equal(text, expected);
	free(text);
}

/* code and text of the EDE option; -1: none */
static int ede_of(ldns_pkt *p, char *text, size_t cap)
{
	ldns_rdf *r = ldns_pkt_edns_data(p);
	uint8_t *d;
	size_t n;

	if (!r || ldns_rdf_size(r) < 6)
		return -1;
	d = ldns_rdf_data(r);
	n = (size_t)(d[2] << 8 | d[3]);
	assert_int_equal(d[0] << 8 | d[1], 15);
	assert_int_equal(n + 4, ldns_rdf_size(r));
	snprintf(text, cap, "%.*s", (int)(n - 2), d + 6);
	return d[4] << 8 | d[5];
}

static const struct fl_cfg_rule rule = { .name = "malware", .priority = 200 };

static struct fl_decision block(const struct fl_question *q, enum fl_block_response response, const char *entry)
{
	struct fl_decision d = { .action = FL_ACTION_BLOCK, .response = response, .rule = &rule, .rule_group = "baseline", .rule_name = "malware", .list = "malware",
				 .list_version = 1842, .ttl = 30 };
	struct fl_rkey k;

	(void)q;
	assert_true(fl_rkey_from_text(fl_span_str(entry), &k));
	d.entry_len = k.len;
	return d;
}

static void test_block_nxdomain(void **state)
{
	struct fl_question q;
	struct fl_decision d;
	struct fl__out o = { buf, 0, 512 };
	char text[256];
	ldns_pkt *p;

	(void)state;
	ask(&q, "CDN.Evil.Example", 1, 1232, true);
	d = block(&q, FL_BLOCK_NXDOMAIN, "evil.example");
	fl__answer_block(&q, &d, (struct fl__remark){ FL__EDE_BLOCKED, "list=malware" }, &o);
	p = parse(&o);
	assert_int_equal(ldns_pkt_id(p), 0x4242);
	assert_int_equal(ldns_pkt_get_rcode(p), LDNS_RCODE_NXDOMAIN);
	assert_true(ldns_pkt_rd(p));
	assert_memory_equal(o.p + 12, "\3CDN\4Evil\7Example", 18); /* the client's case */
	assert_int_equal(ldns_pkt_ancount(p), 0);
	assert_text(ldns_pkt_authority(p), "Evil.Example. 30 IN SOA fireline.invalid. fireline.invalid. 1842 3600 600 86400 30 ");
	assert_true(ldns_pkt_edns_do(p));
	assert_int_equal(ldns_pkt_edns_udp_size(p), 1232);
	assert_int_equal(ede_of(p, text, sizeof(text)), 15);
	assert_string_equal(text, "list=malware");
	ldns_pkt_free(p);
}

static void test_block_nodata_without_edns(void **state)
{
	struct fl_question q;
	struct fl_decision d;
	struct fl__out o = { buf, 0, 512 };
	ldns_pkt *p;

	(void)state;
	ask(&q, "evil.example", 65, 0, false);
	d = block(&q, FL_BLOCK_NODATA, "evil.example");
	fl__answer_block(&q, &d, (struct fl__remark){ FL__EDE_BLOCKED, "x" }, &o);
	p = parse(&o);
	assert_int_equal(ldns_pkt_get_rcode(p), LDNS_RCODE_NOERROR);
	assert_int_equal(ldns_pkt_nscount(p), 1);
	assert_int_equal(ldns_pkt_arcount(p), 0);
	assert_false(ldns_pkt_edns(p));
	ldns_pkt_free(p);
}

static void test_block_override(void **state)
{
	struct fl_question q;
	struct fl_decision d;
	struct fl__out o = { buf, 0, 512 };
	ldns_pkt *p;

	(void)state;
	ask(&q, "evil.example", 28, 0, false);
	d = block(&q, FL_BLOCK_OVERRIDE, "evil.example");
	d.override_domain = "blocked.corp.example";
	d.ttl = 60;
	fl__answer_block(&q, &d, FL__NO_REMARK, &o);
	p = parse(&o);
	assert_int_equal(ldns_pkt_get_rcode(p), LDNS_RCODE_NOERROR);
	assert_text(ldns_pkt_answer(p), "evil.example. 60 IN CNAME blocked.corp.example. ");
	assert_int_equal(ldns_pkt_nscount(p), 0);
	ldns_pkt_free(p);
}

/* The addresses of a rule: whole for their type and ANY, NODATA for any other, and they always fit. */
static void test_block_override_addresses(void **state)
{
	static struct fl_cfg_address v4[8], v6[8];
	struct fl_cfg_rule four = { .name = "sink", .override_type = FL_OVERRIDE_A, .override_addresses = v4, .n_override_addresses = 2 };
	struct fl_cfg_rule six = { .name = "sink", .override_type = FL_OVERRIDE_AAAA, .override_addresses = v6, .n_override_addresses = 8 };
	const struct {
		const struct fl_cfg_rule *rule;
		unsigned type, answers, type_of;
	} rows[] = { { &four, 1, 2, 1 }, { &four, 255, 2, 1 }, { &four, 28, 0, 0 }, { &four, 65, 0, 0 }, { &six, 28, 8, 28 }, { &six, 255, 8, 28 }, { &six, 1, 0, 0 } };
	struct fl__out o = { buf, 0, 1232 };
	struct fl_question q;
	struct fl_decision d;
	char text[64];
	ldns_pkt *p;

	(void)state;
	for (uint8_t i = 0; i < 8; i++) {
		v4[i] = (struct fl_cfg_address){ .addr = { 192, 0, 2, (uint8_t)(80 + i) } };
		v6[i] = (struct fl_cfg_address){ .v6 = true, .addr = { 0x20, 1, 0xd, 0xb8, [15] = i } };
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ask(&q, "www.evil.example", rows[i].type, 1232, false);
		d = block(&q, FL_BLOCK_OVERRIDE, "evil.example");
		d.rule = rows[i].rule;
		fl__answer_block(&q, &d, (struct fl__remark){ FL__EDE_FORGED, "x" }, &o);
		p = parse(&o);
		assert_int_equal(ldns_pkt_get_rcode(p), LDNS_RCODE_NOERROR);
		assert_int_equal(ldns_pkt_ancount(p), rows[i].answers);
		assert_int_equal(ldns_pkt_nscount(p), rows[i].answers ? 0 : 1);
		assert_int_equal(ede_of(p, text, sizeof(text)), 4);
		for (unsigned k = 0; k < rows[i].answers; k++)
			assert_int_equal(ldns_rr_get_type(ldns_rr_list_rr(ldns_pkt_answer(p), k)), rows[i].type_of);
		ldns_pkt_free(p);
	}
	/* the longest name, eight IPv6 addresses and OPT fit into 512 octets: the text of the EDE goes */
	o.cap = 512;
	ask(&q, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.evil.example", 28, 512, false);
	assert_int_equal(q.name.len, 254);
	d = block(&q, FL_BLOCK_OVERRIDE, "evil.example");
	d.rule = &six;
	fl__answer_block(&q, &d, (struct fl__remark){ FL__EDE_FORGED, "list=malware rule=baseline/200 v=1842" }, &o);
	p = parse(&o);
	assert_false(ldns_pkt_tc(p));
	assert_int_equal(ldns_pkt_ancount(p), 8);
	assert_true(ldns_pkt_edns(p));
	ldns_pkt_free(p);
}

static void test_block_by_root_and_by_hop(void **state)
{
	struct fl_question q;
	struct fl_decision d;
	struct fl__out o = { buf, 0, 512 };
	ldns_pkt *p;

	(void)state;
	ask(&q, "any.example", 1, 0, false);
	d = block(&q, FL_BLOCK_NXDOMAIN, "."); /* a walled garden: `*` */
	fl__answer_block(&q, &d, FL__NO_REMARK, &o);
	p = parse(&o);
	assert_text(ldns_pkt_authority(p), ". 30 IN SOA fireline.invalid. fireline.invalid. 1842 3600 600 86400 30 ");
	ldns_pkt_free(p);
	d = block(&q, FL_BLOCK_NXDOMAIN, "tracker.test"); /* entry of a later hop: the owner stays in bailiwick */
	d.hop = 1;
	fl__answer_block(&q, &d, FL__NO_REMARK, &o);
	p = parse(&o);
	assert_text(ldns_pkt_authority(p), "any.example. 30 IN SOA fireline.invalid. fireline.invalid. 1842 3600 600 86400 30 ");
	ldns_pkt_free(p);
}

static void test_fail_closed(void **state)
{
	struct fl_question q;
	struct fl_decision d = { .action = FL_ACTION_BLOCK, .response = FL_BLOCK_SERVFAIL, .list = "new", .degraded = true };
	struct fl__out o = { buf, 0, 512 };
	struct fl_client c = { .addr = { 10, 1, 2, 3 } };
	char ede[FL__EDE_TEXT], text[256];
	ldns_pkt *p;

	(void)state;
	ask(&q, "any.example", 1, 512, false);
	fl__answer_block(&q, &d, fl__ede_block(&(struct fl__ede_style){ FL_EDE_AUTO, "" }, &c, &d, "aaaaaaaa", ede), &o);
	p = parse(&o);
	assert_int_equal(ldns_pkt_get_rcode(p), LDNS_RCODE_SERVFAIL);
	assert_int_equal(ldns_pkt_nscount(p), 0);
	assert_int_equal(ede_of(p, text, sizeof(text)), 14);
	ldns_pkt_free(p);
}

static void test_errors(void **state)
{
	struct fl_buf b = { 0 };
	struct fl_question q;
	struct fl__out o = { buf, 0, 512 };
	ldns_pkt *p;

	(void)state;
	wheader(&b, 7, 0x0100, 1, 0, 0, 1);
	wquestion(&b, "a.example", 1);
	wopt(&b, 1232, 3, false);
	assert_int_equal(fl__question_parse(fl_buf_span(&b), &q), FL__BADVERS);
	fl__answer_error(&q, FL__BADVERS, FL__NO_REMARK, &o);
	p = parse(&o);
	assert_int_equal(ldns_pkt_get_rcode(p), 0);
	assert_int_equal(ldns_pkt_edns_extended_rcode(p), 1); /* 16 */
	assert_int_equal(ldns_pkt_edns_version(p), 0);
	ldns_pkt_free(p);
	b.n = 0;
	wheader(&b, 7, 0x2800, 0, 0, 0, 0); /* UPDATE without a question */
	assert_int_equal(fl__question_parse(fl_buf_span(&b), &q), FL__NOTIMP);
	fl__answer_error(&q, FL__NOTIMP, FL__NO_REMARK, &o);
	assert_int_equal(o.n, 12);
	assert_int_equal(o.p[2] & 0x78, 0x28); /* the opcode comes back */
	fl_buf_done(&b);
}

static struct { const char *client; bool v6, is_private; } clients[] = {
	{ "10.0.0.1", false, true }, { "172.31.255.1", false, true }, { "172.32.0.1", false, false }, { "192.168.9.9", false, true }, { "100.64.0.1", false, true },
	{ "169.254.1.1", false, true }, { "127.0.0.53", false, true }, { "8.8.8.8", false, false }, { "fd00::1", true, true }, { "fe80::1", true, true },
	{ "::1", true, true }, { "2001:db8::1", true, false },
};

static void test_ede_text(void **state)
{
	struct fl_question q;
	struct fl_decision d;
	char buf2[FL__EDE_TEXT];

	(void)state;
	ask(&q, "evil.example", 1, 1232, false);
	d = block(&q, FL_BLOCK_NXDOMAIN, "evil.example");
	for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
		struct fl_client c = { .v6 = clients[i].v6 };
		struct fl__ede_style style = { FL_EDE_AUTO, "" };
		struct fl__remark r;

		assert_int_equal(inet_pton(c.v6 ? AF_INET6 : AF_INET, clients[i].client, c.addr), 1);
		assert_int_equal(fl__client_private(&c), clients[i].is_private);
		r = fl__ede_block(&style, &c, &d, "k3f9x2ma", buf2);
		assert_int_equal(r.ede, 15);
		assert_string_equal(r.text, clients[i].is_private ? "list=malware rule=baseline/200 v=1842 ref=k3f9x2ma" : "ref=k3f9x2ma");
		style = (struct fl__ede_style){ FL_EDE_FULL, "soc@corp.example" };
		r = fl__ede_block(&style, &c, &d, "k3f9x2ma", buf2);
		assert_string_equal(r.text, "list=malware rule=baseline/200 v=1842 ref=k3f9x2ma contact=soc@corp.example");
		style.text = FL_EDE_REF;
		r = fl__ede_block(&style, &c, &d, "k3f9x2ma", buf2);
		assert_string_equal(r.text, "ref=k3f9x2ma");
		style.text = FL_EDE_OFF;
		r = fl__ede_block(&style, &c, &d, "k3f9x2ma", buf2);
		assert_int_equal(r.ede, FL__EDE_NONE);
	}
	d.response = FL_BLOCK_OVERRIDE;
	assert_int_equal(fl__ede_block(&(struct fl__ede_style){ FL_EDE_REF, "" }, &(struct fl_client){ 0 }, &d, "k3f9x2ma", buf2).ede, 4);
}

/* A remark that does not fit goes; an answer that does not fit is said by TC. */
static void test_room(void **state)
{
	struct fl_question q;
	struct fl_decision d;
	char name[256] = "", text[256], remark[FL__EDE_TEXT];
	struct fl__out o = { buf, 0, 512 };
	ldns_pkt *p;

	(void)state;
	for (int i = 0; i < 4; i++)
		snprintf(name + strlen(name), sizeof(name) - strlen(name), "%s%.*s", i ? "." : "", i < 3 ? 63 : 61, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	ask(&q, name, 1, 512, false);
	memset(remark, 'x', sizeof(remark) - 1);
	remark[sizeof(remark) - 1] = '\0';
	d = block(&q, FL_BLOCK_NXDOMAIN, name);
	fl__answer_block(&q, &d, (struct fl__remark){ FL__EDE_BLOCKED, remark }, &o);
	p = parse(&o);
	assert_true(o.n <= 512);
	assert_false(ldns_pkt_tc(p));
	assert_int_equal(ede_of(p, text, sizeof(text)), 15);
	assert_string_equal(text, "");
	ldns_pkt_free(p);
	d.response = FL_BLOCK_OVERRIDE;
	d.override_domain = name;
	fl__answer_block(&q, &d, FL__NO_REMARK, &o);
	p = parse(&o);
	assert_true(ldns_pkt_tc(p));
	assert_int_equal(ldns_pkt_ancount(p), 0);
	assert_true(ldns_pkt_edns(p));
	ldns_pkt_free(p);
}

static void test_txt(void **state)
{
	struct fl_question q;
	struct fl__out o = { buf, 0, 512 };
	ldns_pkt *p;

	(void)state;
	ask(&q, "malware.probe.fireline.internal", 16, 0, false);
	fl__answer_txt(&q, "version=7", &o);
	p = parse(&o);
	assert_text(ldns_pkt_answer(p), "malware.probe.fireline.internal. 0 IN TXT \"version=7\" ");
	ldns_pkt_free(p);
	fl__answer_txt(&q, NULL, &o);
	p = parse(&o);
	assert_int_equal(ldns_pkt_ancount(p), 0);
	ldns_pkt_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_block_nxdomain), cmocka_unit_test(test_block_nodata_without_edns), cmocka_unit_test(test_block_override), cmocka_unit_test(test_block_override_addresses),
		cmocka_unit_test(test_block_by_root_and_by_hop), cmocka_unit_test(test_fail_closed), cmocka_unit_test(test_errors), cmocka_unit_test(test_ede_text),
		cmocka_unit_test(test_room), cmocka_unit_test(test_txt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
