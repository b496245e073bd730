/* What the parser says to every shape of packet: a question, silence, or an rcode. */
#include "tests/unit/enforcer/wire.h"

#include "base/text.h"
#include "enforcer/dns.h"

enum { DROP = FL__PARSED_DROP, OK = FL__PARSED_OK };

static struct fl_buf unhex(const char *text)
{
	struct fl_buf b = { 0 };

	for (const char *p = text; *p;) {
		uint8_t v;

		if (*p == ' ') {
			p++;
			continue;
		}
		assert_true(fl_unhex(fl_span(p, 2), &v, 1));
		fl_buf_u8(&b, v);
		p += 2;
	}
	return b;
}

#define Q "03 777777 07 6578616d706c65 03 636f6d 00"
#define H(flags, qd, an, ns, ar) "1234 " flags " " qd " " an " " ns " " ar " "

static const struct {
	const char *what, *hex;
	int verdict;
} packets[] = {
	{ "nothing", "", DROP },
	{ "half a header", "1234 0100 0001", DROP },
	{ "a response", H("8180", "0001", "0000", "0000", "0000") Q "0001 0001", DROP },
	{ "a response that is no message", H("8100", "ffff", "ffff", "ffff", "ffff"), DROP },
	{ "a question", H("0100", "0001", "0000", "0000", "0000") Q "0001 0001", OK },
	{ "without recursion desired", H("0000", "0001", "0000", "0000", "0000") Q "0001 0001", OK },
	{ "with AD and CD", H("0130", "0001", "0000", "0000", "0000") Q "0001 0001", OK },
	{ "inverse query", H("0900", "0001", "0000", "0000", "0000") Q "0001 0001", FL__NOTIMP },
	{ "status", H("1000", "0000", "0000", "0000", "0000"), FL__NOTIMP },
	{ "notify", H("2400", "0001", "0000", "0000", "0000") Q "0006 0001", FL__NOTIMP },
	{ "update", H("2800", "0001", "0000", "0000", "0000") Q "0006 0001", FL__NOTIMP },
	{ "no question", H("0100", "0000", "0000", "0000", "0000"), FL__FORMERR },
	{ "two questions", H("0100", "0002", "0000", "0000", "0000") Q "0001 0001" Q "001c 0001", FL__FORMERR },
	{ "a name cut off", H("0100", "0001", "0000", "0000", "0000") "03 7777", FL__FORMERR },
	{ "a name without an end", H("0100", "0001", "0000", "0000", "0000") "03 777777", FL__FORMERR },
	{ "no type", H("0100", "0001", "0000", "0000", "0000") Q, FL__FORMERR },
	{ "half a class", H("0100", "0001", "0000", "0000", "0000") Q "0001 00", FL__FORMERR },
	{ "a pointer as a name", H("0100", "0001", "0000", "0000", "0000") "c00c 0001 0001", FL__FORMERR },
	{ "label type 01", H("0100", "0001", "0000", "0000", "0000") "41 00 0001 0001", FL__FORMERR },
	{ "label type 10", H("0100", "0001", "0000", "0000", "0000") "81 00 0001 0001", FL__FORMERR },
	{ "trailing octet", H("0100", "0001", "0000", "0000", "0000") Q "0001 0001 00", FL__FORMERR },
	{ "a record that is not there", H("0100", "0001", "0000", "0000", "0001") Q "0001 0001", FL__FORMERR },
	{ "65,535 records", H("0100", "0001", "0000", "0000", "ffff") Q "0001 0001", FL__FORMERR },
	{ "the root", H("0100", "0001", "0000", "0000", "0000") "00 0002 0001", OK },
	{ "class CH", H("0100", "0001", "0000", "0000", "0000") "07 76657273696f6e 04 62696e64 00 0010 0003", FL__REFUSED },
	{ "class ANY", H("0100", "0001", "0000", "0000", "0000") Q "0001 00ff", FL__REFUSED },
	{ "AXFR", H("0100", "0001", "0000", "0000", "0000") Q "00fc 0001", FL__REFUSED },
	{ "IXFR with its SOA", H("0100", "0001", "0000", "0001", "0000") Q "00fb 0001 c00c 0006 0001 00000000 0016 00 00 00000001 00000001 00000001 00000001 00000001",
	  FL__REFUSED },
	{ "type 0", H("0100", "0001", "0000", "0000", "0000") Q "0000 0001", FL__FORMERR },
	{ "type OPT", H("0100", "0001", "0000", "0000", "0000") Q "0029 0001", FL__FORMERR },
	{ "type TSIG", H("0100", "0001", "0000", "0000", "0000") Q "00fa 0001", FL__NOTIMP },
	{ "type MAILB", H("0100", "0001", "0000", "0000", "0000") Q "00fd 0001", FL__NOTIMP },
	{ "type ANY", H("0100", "0001", "0000", "0000", "0000") Q "00ff 0001", OK },
	{ "type 65400", H("0100", "0001", "0000", "0000", "0000") Q "ff78 0001", OK },
	{ "EDNS 0", H("0100", "0001", "0000", "0000", "0001") Q "0001 0001 00 0029 04d0 00 00 8000 0000", OK },
	{ "EDNS with an option", H("0100", "0001", "0000", "0000", "0001") Q "0001 0001 00 0029 04d0 00 00 0000 0006 000c 0002 abcd", OK },
	{ "a client cookie", H("0100", "0001", "0000", "0000", "0001") Q "0001 0001 00 0029 04d0 00 00 0000 000c 000a 0008 0011223344556677", OK },
	{ "a cookie of 7 octets", H("0100", "0001", "0000", "0000", "0001") Q "0001 0001 00 0029 04d0 00 00 0000 000b 000a 0007 00112233445566", FL__FORMERR },
	{ "a cookie of 15 octets", H("0100", "0001", "0000", "0000", "0001") Q "0001 0001 00 0029 04d0 00 00 0000 0013 000a 000f 001122334455660011223344556677", FL__FORMERR },
	{ "no question, a cookie", H("0100", "0000", "0000", "0000", "0001") "00 0029 04d0 00 00 0000 000c 000a 0008 0011223344556677", FL__PARSED_PING },
	{ "no question, EDNS", H("0100", "0000", "0000", "0000", "0001") "00 0029 04d0 00 00 0000 0000", FL__FORMERR },
	{ "EDNS, an option cut off", H("0100", "0001", "0000", "0000", "0001") Q "0001 0001 00 0029 04d0 00 00 0000 0005 000a 0002 ab", FL__FORMERR },
	{ "EDNS, three octets of option", H("0100", "0001", "0000", "0000", "0001") Q "0001 0001 00 0029 04d0 00 00 0000 0003 000a 00", FL__FORMERR },
	{ "EDNS 1", H("0100", "0001", "0000", "0000", "0001") Q "0001 0001 00 0029 04d0 00 01 0000 0000", FL__BADVERS },
	{ "EDNS 1 goes before class CH", H("0100", "0001", "0000", "0000", "0001") Q "0001 0003 00 0029 04d0 00 01 0000 0000", FL__BADVERS },
	{ "two OPT", H("0100", "0001", "0000", "0000", "0002") Q "0001 0001 00 0029 04d0 00 00 0000 0000 00 0029 04d0 00 00 0000 0000", FL__FORMERR },
	{ "OPT with a name", H("0100", "0001", "0000", "0000", "0001") Q "0001 0001 01 61 00 0029 04d0 00 00 0000 0000", FL__FORMERR },
	{ "OPT among the answers", H("0100", "0001", "0001", "0000", "0000") Q "0001 0001 00 0029 04d0 00 00 0000 0000", FL__FORMERR },
	{ "OPT, rdata longer than the packet", H("0100", "0001", "0000", "0000", "0001") Q "0001 0001 00 0029 04d0 00 00 0000 0010", FL__FORMERR },
	{ "another additional record", H("0100", "0001", "0000", "0000", "0001") Q "0001 0001 c00c 0001 0001 00000000 0004 c0000201", OK },
};

static void test_verdicts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
		struct fl_buf b = unhex(packets[i].hex);
		uint8_t *exact = malloc(b.n + 1); /* a heap block of just its size: a sanitizer sees an octet read past it */
		struct fl_question q;
		int got;

		if (b.n)
			memcpy(exact, b.p, b.n);
		exact = realloc(exact, b.n ? b.n : 1);
		got = fl__question_parse(fl_span(exact, b.n), &q);
		if (got != packets[i].verdict)
			fail_msg("%s: %d, not %d", packets[i].what, got, packets[i].verdict);
		/* no prefix of it is read beyond its end, and none is a question */
		for (size_t n = 0; n < b.n && got == OK; n++) {
			uint8_t *cut = malloc(n ? n : 1);

			if (n)
				memcpy(cut, b.p, n);
			assert_int_not_equal(fl__question_parse(fl_span(cut, n), &q), OK);
			free(cut);
		}
		free(exact);
		fl_buf_done(&b);
	}
}

static void test_what_is_read(void **state)
{
	struct fl_buf b = { 0 };
	struct fl_question q;
	char text[FL_NAME_TEXT];

	(void)state;
	wheader(&b, 0xbeef, 0x0110, 1, 0, 0, 1);
	wquestion(&b, "WwW.Example.COM", 28);
	wopt(&b, 4096, 0, true);
	assert_int_equal(fl__question_parse(fl_buf_span(&b), &q), OK);
	assert_int_equal(q.id, 0xbeef);
	assert_int_equal(q.qtype, 28);
	assert_true(q.edns && q.dnssec_ok && q.has_name && (q.flags & FL__F_CD));
	assert_int_equal(q.udp_size, 1232);
	assert_string_equal(fl_dname_to_text(&q.name, text), "www.example.com.");
	assert_string_equal(fl_rkey_to_text(fl_rkey_span(&q.key), text), "www.example.com");
	assert_memory_equal(q.raw, "\3WwW\7Example\3COM", 17);
	fl_buf_done(&b);
}

static void test_udp_size(void **state)
{
	static const struct { unsigned said, taken; } rows[] = { { 1, 512 }, { 512, 512 }, { 1000, 1000 }, { 1232, 1232 }, { 65535, 1232 } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_buf b = wquery(1, "a.example", 1, rows[i].said, false);
		struct fl_question q;

		assert_int_equal(fl__question_parse(fl_buf_span(&b), &q), OK);
		assert_int_equal(q.udp_size, rows[i].taken);
		fl_buf_done(&b);
	}
}

/* A name with octets that no list can hold still has a key: suffixes and `*` cover it. */
static void test_key_of_odd_names(void **state)
{
	struct fl_dname d = { .len = 11, .b = "\2\0.\3zip\3!A\x80" };
	struct fl_rkey k;

	(void)state;
	d.len = 12;
	fl__key_from_dname(&d, &k);
	assert_int_equal(k.len, 11);
	assert_memory_equal(k.b, "!A\x80\0zip\0\1.\0", 11);
}

static void test_longest_name(void **state)
{
	struct fl_buf b = { 0 };
	char name[256] = "";
	struct fl_question q;

	(void)state;
	for (int i = 0; i < 127; i++) {
		name[2 * i] = 'a';
		name[2 * i + 1] = '.';
	}
	name[253] = '\0'; /* 127 labels, 255 octets of wire */
	wheader(&b, 1, 0x0100, 1, 0, 0, 0);
	wquestion(&b, name, 1);
	assert_int_equal(fl__question_parse(fl_buf_span(&b), &q), OK);
	assert_int_equal(q.name.len, 255);
	assert_int_equal(q.key.len, 254);
	b.n = 12; /* one label more */
	fl_buf_add(&b, "\1b", 2);
	wquestion(&b, name, 1);
	assert_int_equal(fl__question_parse(fl_buf_span(&b), &q), FL__FORMERR);
	fl_buf_done(&b);
}

static void test_compression(void **state)
{
	static const uint8_t msg[] = "\3www\7example\0" "\1a\xc0\4" "\xc0\x0d" "\xc0\x13" "\xc0\xff" "\3ab";
	struct fl_dname d;
	size_t pos;
	char text[FL_NAME_TEXT];

	(void)state;
	pos = 13; /* a.example, by a pointer */
	assert_true(fl__name_read(fl_span(msg, sizeof(msg) - 1), &pos, &d));
	assert_int_equal(pos, 17);
	assert_string_equal(fl_dname_to_text(&d, text), "a.example.");
	pos = 17; /* a pointer to a name that ends in a pointer */
	assert_true(fl__name_read(fl_span(msg, sizeof(msg) - 1), &pos, &d));
	assert_string_equal(fl_dname_to_text(&d, text), "a.example.");
	pos = 19; /* to itself */
	assert_false(fl__name_read(fl_span(msg, sizeof(msg) - 1), &pos, &d));
	pos = 21; /* forwards */
	assert_false(fl__name_read(fl_span(msg, sizeof(msg) - 1), &pos, &d));
	pos = 23; /* cut off */
	assert_false(fl__name_read(fl_span(msg, sizeof(msg) - 1), &pos, &d));
}

static void test_below(void **state)
{
	static const struct { const char *name, *top; bool below; size_t prefix; } rows[] = {
		{ "www.example.com", "example.com", true, 4 }, { "EXAMPLE.com", "example.COM", true, 0 }, { "badexample.com", "example.com", false, 0 },
		{ "com", "example.com", false, 0 }, { "a.b", ".", true, 4 }, { ".", ".", true, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_dname d = wdname(rows[i].name), t = wdname(rows[i].top);
		size_t prefix = 0;

		assert_int_equal(fl__dname_below_or_at(&d, &t, &prefix), rows[i].below);
		assert_int_equal(prefix, rows[i].prefix);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts), cmocka_unit_test(test_what_is_read), cmocka_unit_test(test_udp_size), cmocka_unit_test(test_key_of_odd_names),
		cmocka_unit_test(test_longest_name), cmocka_unit_test(test_compression), cmocka_unit_test(test_below),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
