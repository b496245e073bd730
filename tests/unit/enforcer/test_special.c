/* Which names stay here, and what is said of them. */
#include "tests/unit/enforcer/wire.h"

#include "enforcer/special.h"

enum { FORWARD = 99 };
#define T_PTR FL__T_PTR

static const struct {
	const char *name;
	uint16_t type;
	unsigned rcode;	  /* FORWARD: none of our business */
	const char *rdata; /* octets of the one answer; NULL: none */
	unsigned n;
} rows[] = {
	{ "localhost", FL__T_A, 0, "\x7f\0\0\1", 4 },
	{ "x.y.LocalHost", FL__T_A, 0, "\x7f\0\0\1", 4 },
	{ "localhost", FL__T_AAAA, 0, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16 },
	{ "localhost", FL__T_TXT, 0, NULL, 0 },
	{ "localhost.example", FL__T_A, FORWARD, NULL, 0 },
	{ "mylocalhost", FL__T_A, FORWARD, NULL, 0 },
	{ "invalid", FL__T_A, 3, NULL, 0 },
	{ "a.invalid", FL__T_SOA, 3, NULL, 0 },
	{ "a.test", FL__T_A, 3, NULL, 0 },
	{ "testing", FL__T_A, FORWARD, NULL, 0 },
	{ "a.b.onion", FL__T_A, 3, NULL, 0 },
	{ "a.local", FL__T_A, 3, NULL, 0 },
	{ "a.alt", FL__T_A, 3, NULL, 0 },
	{ "a.example", FL__T_A, FORWARD, NULL, 0 },
	{ "", FL__T_NS, FORWARD, NULL, 0 },
	{ "arpa", FL__T_NS, FORWARD, NULL, 0 },
	{ "home.arpa", FL__T_SOA, 0, NULL, 0 },
	{ "home.arpa", FL__T_DS, FORWARD, NULL, 0 },
	{ "a.home.arpa", FL__T_DS, 3, NULL, 0 },
	{ "ipv4only.arpa", FL__T_A, FORWARD, NULL, 0 },
	{ "resolver.arpa", FL__T_A, 0, NULL, 0 },
	{ "_dns.resolver.arpa", 64, 0, NULL, 0 },
	{ "10.in-addr.arpa", T_PTR, 0, NULL, 0 },
	{ "1.2.3.10.in-addr.arpa", T_PTR, 3, NULL, 0 },
	{ "1.2.3.110.in-addr.arpa", T_PTR, FORWARD, NULL, 0 },
	{ "1.2.3.11.in-addr.arpa", T_PTR, FORWARD, NULL, 0 },
	{ "15.172.in-addr.arpa", T_PTR, FORWARD, NULL, 0 },
	{ "16.172.in-addr.arpa", T_PTR, 0, NULL, 0 },
	{ "1.31.172.in-addr.arpa", T_PTR, 3, NULL, 0 },
	{ "1.32.172.in-addr.arpa", T_PTR, FORWARD, NULL, 0 },
	{ "1.160.172.in-addr.arpa", T_PTR, FORWARD, NULL, 0 },
	{ "1.016.172.in-addr.arpa", T_PTR, FORWARD, NULL, 0 },
	{ "1.16a.172.in-addr.arpa", T_PTR, FORWARD, NULL, 0 },
	{ "172.in-addr.arpa", T_PTR, FORWARD, NULL, 0 },
	{ "1.63.100.in-addr.arpa", T_PTR, FORWARD, NULL, 0 },
	{ "1.64.100.in-addr.arpa", T_PTR, 3, NULL, 0 },
	{ "1.127.100.in-addr.arpa", T_PTR, 3, NULL, 0 },
	{ "1.128.100.in-addr.arpa", T_PTR, FORWARD, NULL, 0 },
	{ "1.168.192.in-addr.arpa", T_PTR, 3, NULL, 0 },
	{ "1.1.254.169.in-addr.arpa", T_PTR, 3, NULL, 0 },
	{ "5.2.0.192.in-addr.arpa", T_PTR, 3, NULL, 0 },
	{ "255.255.255.255.in-addr.arpa", T_PTR, 0, NULL, 0 },
	{ "254.255.255.255.in-addr.arpa", T_PTR, FORWARD, NULL, 0 },
	{ "1.0.0.127.in-addr.arpa", T_PTR, 0, "\x9" "localhost\0", 11 },
	{ "1.0.0.127.in-addr.arpa", FL__T_A, 0, NULL, 0 },
	{ "0.0.127.in-addr.arpa", T_PTR, 0, NULL, 0 },
	{ "127.in-addr.arpa", T_PTR, 0, NULL, 0 },
	{ "2.0.0.127.in-addr.arpa", T_PTR, 3, NULL, 0 },
	{ "x.1.0.0.127.in-addr.arpa", T_PTR, 3, NULL, 0 },
	{ "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa", T_PTR, 0, "\x9" "localhost\0", 11 },
	{ "x.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa", T_PTR, 3, NULL, 0 },
	{ "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa", T_PTR, 0, NULL, 0 },
	{ "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa", T_PTR, FORWARD, NULL, 0 },
	{ "1.d.f.ip6.arpa", T_PTR, 3, NULL, 0 },
	{ "1.c.f.ip6.arpa", T_PTR, FORWARD, NULL, 0 },
	{ "1.9.e.f.ip6.arpa", T_PTR, 3, NULL, 0 },
	{ "1.c.e.f.ip6.arpa", T_PTR, FORWARD, NULL, 0 },
	{ "1.8.b.d.0.1.0.0.2.ip6.arpa", T_PTR, 3, NULL, 0 },
};

static void test_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_buf b = wquery(9, rows[i].name, rows[i].type, 1232, false);
		uint8_t buf[512];
		struct fl__out o = { buf, 0, sizeof(buf) };
		struct fl_question q;
		struct fl__special s;
		size_t pos = FL__DNS_HEADER, prefix;
		struct fl_dname owner;
		struct fl__rr rr;
		bool said;

		assert_int_equal(fl__question_parse(fl_buf_span(&b), &q), FL__PARSED_OK);
		fl_buf_done(&b);
		s = fl__special_find(fl_rkey_span(&q.key));
		said = s.kind && fl__special_answer(&q, s, &o);
		if (said != (rows[i].rcode != FORWARD))
			fail_msg("%s %u: %s", rows[i].name, rows[i].type, said ? "answered" : "forwarded");
		if (!said)
			continue;
		if ((buf[3] & 15) != rows[i].rcode || fl__be16(buf + 6) != (rows[i].rdata != NULL) || fl__be16(buf + 8) != (rows[i].rdata == NULL))
			fail_msg("%s %u: rcode %u, %u answers, %u in authority", rows[i].name, rows[i].type, buf[3] & 15u, fl__be16(buf + 6), fl__be16(buf + 8));
		assert_true(fl__name_skip(fl_span(buf, o.n), &pos));
		pos += 4;
		assert_true(fl__rr_read(fl_span(buf, o.n), &pos, &rr));
		assert_int_equal(rr.ttl, 10800);
		if (rows[i].rdata) {
			assert_int_equal(rr.rdlen, rows[i].n);
			assert_memory_equal(buf + rr.rdata, rows[i].rdata, rr.rdlen);
			continue;
		}
		assert_int_equal(rr.type, FL__T_SOA);
		pos = rr.owner;
		assert_true(fl__name_read(fl_span(buf, o.n), &pos, &owner)); /* the zone: at or above the question */
		assert_true(fl__dname_below_or_at(&q.name, &owner, &prefix));
		assert_int_equal(prefix, q.key.len - s.top_len);
	}
}

static void test_canary(void **state)
{
	static const char *const in[] = { "use-application-dns.net", "a.use-application-dns.net" }, *const out[] = { "net", "use-application-dns.org", "xuse-application-dns.net" };
	struct fl_rkey key;

	(void)state;
	for (size_t i = 0; i < sizeof(in) / sizeof(in[0]); i++) {
		assert_true(fl_rkey_from_text(fl_span_str(in[i]), &key));
		assert_true(fl__special_canary(fl_rkey_span(&key)));
	}
	for (size_t i = 0; i < sizeof(out) / sizeof(out[0]); i++) {
		assert_true(fl_rkey_from_text(fl_span_str(out[i]), &key));
		assert_false(fl__special_canary(fl_rkey_span(&key)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_names), cmocka_unit_test(test_canary) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
