/* What is kept of an upstream's reply, and for how long. */
#include "tests/unit/enforcer/wire.h"

#include "enforcer/chain.h"

static struct fl__chain_scratch *scratch;
static const struct fl__ttl_limits limits = { .min_s = 0, .max_s = 86400, .negative_max_s = 900, .stale_s = 3600 };
static const fl_mono_ns now = 1000 * FL_NS_PER_S;

static struct fl_buf reply(unsigned rcode, const char *name, unsigned type, unsigned an, unsigned ns, unsigned ar)
{
	struct fl_buf b = { 0 };

	wheader(&b, 1, 0x8180 | rcode, 1, an, ns, ar);
	wquestion(&b, name, type);
	return b;
}

static int read_reply(struct fl_buf *b, const char *name, unsigned type, bool dnssec_ok, struct fl_answer **out)
{
	struct fl_dname d = wdname(name);
	struct fl__asked asked = { &d, (uint16_t)type, dnssec_ok, false };
	uint8_t *exact = malloc(b->n);
	int ret;

	memcpy(exact, b->p, b->n); /* a block of just its size, for the sanitizer */
	*out = NULL;
	ret = fl__chain_read(scratch, fl_span(exact, b->n), &asked, &limits, now, out);
	free(exact);
	fl_buf_done(b);
	return ret;
}

static void assert_hops(const struct fl_answer *a, const char *const *names)
{
	const uint8_t *at = a->chain;
	char text[FL_NAME_TEXT];
	unsigned n = 0;

	for (; names[n]; n++) {
		assert_true(n < a->n_chain);
		assert_string_equal(fl_rkey_to_text(fl__answer_hop(&at), text), names[n]);
	}
	assert_int_equal(n, a->n_chain);
}
#define HOPS(...) ((const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

static int64_t life_s(const struct fl_answer *a)
{
	return (a->expires - a->stored) / FL_NS_PER_S;
}
static unsigned count(const struct fl_answer *a, int section)
{
	return fl__be16(a->msg + 6 + 2 * section);
}

static void test_plain(void **state)
{
	struct fl_buf b = reply(0, "WWW.example", 1, 2, 1, 1);
	struct fl_answer *a;

	(void)state;
	wrr_a(&b, "www.EXAMPLE", 300, 1);
	wrr_a(&b, "www.example", 200, 2);
	wrr_name(&b, "example", 2, 300, "ns.example"); /* authority and additional of a positive answer are not kept */
	wrr_a(&b, "ns.example", 300, 9);
	assert_int_equal(read_reply(&b, "www.example", 1, false, &a), 0);
	assert_int_equal(count(a, 0), 2);
	assert_int_equal(count(a, 1), 0);
	assert_int_equal(count(a, 2), 0);
	assert_int_equal(life_s(a), 200);
	assert_int_equal(a->stale_until, a->expires + 3600 * FL_NS_PER_S);
	assert_hops(a, HOPS());
	fl__answer_free(a);
}

static void test_records_off_the_chain_are_dropped(void **state)
{
	struct fl_buf b = reply(0, "a.example", 1, 4, 0, 0);
	struct fl_answer *a;

	(void)state;
	wrr_a(&b, "bank.example", 300, 66);
	wrr_name(&b, "a.example", 5, 60, "b.test");
	wrr_a(&b, "b.test", 30, 1);
	wrr(&b, "a.example", 16, 300, "\2hi", 3);
	assert_int_equal(read_reply(&b, "a.example", 1, false, &a), 0);
	assert_int_equal(count(a, 0), 2);
	assert_int_equal(life_s(a), 30);
	assert_hops(a, HOPS("b.test"));
	fl__answer_free(a);
}

/* In any order of the records, with names in any case. */
static void test_long_chain(void **state)
{
	struct fl_buf b = reply(0, "n0.example", 1, 12, 0, 0);
	struct fl_answer *a;
	char from[32], to[32];

	(void)state;
	wrr_a(&b, "N11.example", 30, 1);
	for (int i = 10; i >= 0; i--) {
		snprintf(from, sizeof(from), "n%d.example", i);
		snprintf(to, sizeof(to), "N%d.Example", i + 1);
		wrr_name(&b, from, 5, 60, to);
	}
	assert_int_equal(read_reply(&b, "n0.example", 1, false, &a), 0);
	assert_int_equal(a->n_chain, 11);
	assert_int_equal(count(a, 0), 12);
	fl__answer_free(a);
	/* one more is too long */
	b = reply(0, "n0.example", 1, 13, 0, 0);
	for (int i = 0; i < 12; i++) {
		snprintf(from, sizeof(from), "n%d.example", i);
		snprintf(to, sizeof(to), "n%d.example", i + 1);
		wrr_name(&b, from, 5, 60, to);
	}
	wrr_a(&b, "n12.example", 30, 1);
	assert_int_equal(read_reply(&b, "n0.example", 1, false, &a), FL_EFORMAT);
}

static void test_loops(void **state)
{
	struct fl_buf b = reply(0, "a.example", 1, 2, 0, 0);
	struct fl_answer *a;

	(void)state;
	wrr_name(&b, "a.example", 5, 60, "b.example");
	wrr_name(&b, "b.example", 5, 60, "A.example");
	assert_int_equal(read_reply(&b, "a.example", 1, false, &a), FL_EFORMAT);
	b = reply(0, "a.example", 1, 1, 0, 0);
	wrr_name(&b, "a.example", 5, 60, "a.example");
	assert_int_equal(read_reply(&b, "a.example", 1, false, &a), FL_EFORMAT);
	b = reply(0, "a.example", 1, 2, 0, 0); /* two CNAMEs at one name */
	wrr_name(&b, "a.example", 5, 60, "b.example");
	wrr_name(&b, "a.example", 5, 60, "c.example");
	assert_int_equal(read_reply(&b, "a.example", 1, false, &a), FL_EFORMAT);
}

static void test_dname(void **state)
{
	struct fl_buf b = reply(0, "www.old.example", 1, 3, 0, 0);
	struct fl_answer *a;

	(void)state;
	wrr_name(&b, "old.example", 39, 600, "new.test");
	wrr_name(&b, "www.old.example", 5, 0, "www.new.test"); /* as servers synthesise it */
	wrr_a(&b, "www.new.test", 300, 1);
	assert_int_equal(read_reply(&b, "www.old.example", 1, false, &a), 0);
	assert_hops(a, HOPS("www.new.test"));
	assert_int_equal(count(a, 0), 3);
	fl__answer_free(a);
	b = reply(0, "www.old.example", 1, 2, 0, 0); /* without the CNAME the DNAME leads */
	wrr_name(&b, "old.example", 39, 600, "new.test");
	wrr_a(&b, "www.new.test", 300, 1);
	assert_int_equal(read_reply(&b, "www.old.example", 1, false, &a), 0);
	assert_hops(a, HOPS("www.new.test"));
	assert_int_equal(life_s(a), 300);
	fl__answer_free(a);
}

/* CNAME and ANY questions: the target is shown to the client, so it is decided. */
static void test_target_in_the_answer(void **state)
{
	static const unsigned types[] = { 5, 255 };
	struct fl_answer *a;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct fl_buf b = reply(0, "a.example", types[i], 1, 0, 0);

		wrr_name(&b, "a.example", 5, 60, "b.test");
		assert_int_equal(read_reply(&b, "a.example", types[i], false, &a), 0);
		assert_hops(a, HOPS("b.test"));
		assert_false(a->negative);
		fl__answer_free(a);
	}
}

static void test_negative(void **state)
{
	static const struct {
		const char *what;
		unsigned rcode;
		const char *soa; /* owner; NULL: none */
		uint32_t ttl, minimum;
		int64_t life;
	} rows[] = {
		{ "NXDOMAIN", 3, "example", 3600, 60, 60 },
		{ "NODATA", 0, "example", 30, 3600, 30 },
		{ "the root's", 3, "", 86400, 86400, 900 },
		{ "capped", 3, "example", 86400, 86400, 900 },
		{ "no SOA is not kept", 3, NULL, 0, 0, 0 },
		{ "a SOA of elsewhere does not count", 3, "test", 3600, 3600, 0 },
		{ "of a name below the question", 0, "x.no.example", 3600, 3600, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_buf b = reply(rows[i].rcode, "no.example", 1, 0, rows[i].soa != NULL, 0);
		struct fl_answer *a;

		if (rows[i].soa)
			wrr_soa(&b, rows[i].soa, rows[i].ttl, rows[i].minimum);
		assert_int_equal(read_reply(&b, "no.example", 1, false, &a), 0);
		if (life_s(a) != rows[i].life || !a->negative || a->rcode != rows[i].rcode)
			fail_msg("%s: lives %lld s", rows[i].what, (long long)life_s(a));
		fl__answer_free(a);
	}
}

static void test_negative_at_the_end_of_a_chain(void **state)
{
	struct fl_buf b = reply(3, "a.example", 1, 1, 1, 0);
	struct fl_answer *a;

	(void)state;
	wrr_name(&b, "a.example", 5, 600, "gone.test");
	wrr_soa(&b, "test", 120, 60);
	assert_int_equal(read_reply(&b, "a.example", 1, false, &a), 0);
	assert_true(a->negative);
	assert_int_equal(a->rcode, 3);
	assert_int_equal(life_s(a), 60);
	assert_hops(a, HOPS("gone.test"));
	assert_int_equal(count(a, 1), 1);
	fl__answer_free(a);
}

/* Signatures and proofs go to those who ask for them. */
static void test_dnssec(void **state)
{
	static const uint8_t sig[] = "\0\1\10\2\0\0\1\54\0\0\0\0\0\0\0\0\0\1\7example\0sig";
	struct fl_answer *a;

	(void)state;
	for (int dnssec_ok = 0; dnssec_ok < 2; dnssec_ok++) {
		struct fl_buf b = reply(0, "a.example", 1, 2, 0, 0);

		wrr_a(&b, "a.example", 300, 1);
		wrr(&b, "a.example", 46, 300, sig, sizeof(sig) - 1);
		assert_int_equal(read_reply(&b, "a.example", 1, dnssec_ok, &a), 0);
		assert_int_equal(count(a, 0), dnssec_ok ? 2 : 1);
		fl__answer_free(a);
		b = reply(3, "b.example", 1, 0, 3, 0);
		wrr_soa(&b, "example", 300, 300);
		wrr(&b, "example", 46, 300, sig, sizeof(sig) - 1);
		wrr(&b, "a.example", 47, 300, "\1c\7example\0\0\1\x40", 14);
		assert_int_equal(read_reply(&b, "b.example", 1, dnssec_ok, &a), 0);
		assert_int_equal(count(a, 1), dnssec_ok ? 3 : 1);
		fl__answer_free(a);
	}
}

static void test_ttl_limits(void **state)
{
	struct fl_buf b = reply(0, "a.example", 1, 1, 0, 0);
	struct fl_answer *a;

	(void)state;
	wrr_a(&b, "a.example", 0x7fffffff, 1);
	assert_int_equal(read_reply(&b, "a.example", 1, false, &a), 0);
	assert_int_equal(life_s(a), 86400);
	assert_int_equal(fl__be32(a->msg + a->ttl_at[0]), 86400);
	fl__answer_free(a);
	b = reply(0, "a.example", 1, 1, 0, 0);
	wrr_a(&b, "a.example", 0x80000000u, 1); /* RFC 2181: as 0 */
	assert_int_equal(read_reply(&b, "a.example", 1, false, &a), 0);
	assert_int_equal(life_s(a), 0);
	fl__answer_free(a);
}

/* Compressed names in rdata are written out, so that the kept message stands alone. */
static void test_compressed_rdata(void **state)
{
	struct fl_buf b = reply(0, "example", 15, 1, 0, 0);
	struct fl_answer *a;

	(void)state;
	wrr(&b, "example", 15, 300, "\0\12\4mail\xc0\xc", 9);
	assert_int_equal(read_reply(&b, "example", 15, false, &a), 0);
	assert_memory_equal(a->msg + a->msg_len - 18, "\0\20\0\12\4mail\7example", 18 - 0);
	assert_int_equal(a->msg[a->msg_len - 1], 0);
	fl__answer_free(a);
	b = reply(0, "example", 15, 1, 0, 0); /* a name that runs out of its rdata */
	wrr(&b, "example", 15, 300, "\0\12\4ma", 5);
	assert_int_equal(read_reply(&b, "example", 15, false, &a), FL_EFORMAT);
}

/* Every prefix of a reply is refused, none is read beyond. */
static void test_truncated(void **state)
{
	struct fl_buf whole = reply(0, "a.example", 1, 2, 0, 0);

	(void)state;
	wrr_name(&whole, "a.example", 5, 60, "b.test");
	wrr_a(&whole, "b.test", 30, 1);
	for (size_t n = 0; n < whole.n; n++) {
		struct fl_buf b = { 0 };
		struct fl_answer *a;

		fl_buf_add(&b, whole.p, n);
		if (!b.p)
			fl_buf_reserve(&b, 1);
		assert_int_equal(read_reply(&b, "a.example", 1, false, &a), FL_EFORMAT);
	}
	fl_buf_done(&whole);
}

static void test_too_many_records(void **state)
{
	struct fl_buf b = reply(0, "a.example", 1, 1025, 0, 0);
	struct fl_answer *a;

	(void)state;
	for (int i = 0; i < 1025; i++)
		wrr_a(&b, "a.example", 60, 1);
	assert_int_equal(read_reply(&b, "a.example", 1, false, &a), FL_EFORMAT);
}

/* Addresses of no host of the internet, in A, AAAA and the hints of HTTPS; at the end of a chain too. */
static void test_private_addresses(void **state)
{
	static const struct {
		unsigned type;
		const char *rdata;
		size_t n;
		bool inside;
	} rows[] = {
		{ 1, "\xc0\xa8\1\1", 4, true },
		{ 1, "\x0a\0\0\1", 4, true },
		{ 1, "\x7f\0\0\1", 4, true },
		{ 1, "\0\0\0\0", 4, true },
		{ 1, "\xac\x20\0\1", 4, false },
		{ 1, "\xc0\0\2\1", 4, false },
		{ 1, "\x0a\0\0\1\1", 5, false }, /* no address */
		{ 28, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16, true },
		{ 28, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16, true },
		{ 28, "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16, true },
		{ 28, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\1\2\3", 16, true },
		{ 28, "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16, false },
		{ 65, "\0\1\0\0\4\0\4\xc0\0\2\1", 11, false },
		{ 65, "\0\1\0\0\4\0\x8\xc0\0\2\1\x0a\0\0\1", 15, true },
		{ 65, "\0\1\1a\0\0\1\0\3\2h2\0\6\0\x10\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 32, true },
		{ 65, "\0\1\0\0\4\0\x9\x0a\0\0\1", 11, false }, /* longer than it is */
		{ 65, "\0\1", 2, false },
		{ 16, "\4\x0a\0\0\1", 5, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_buf b = reply(0, "a.example", rows[i].type, 2, 0, 0);
		struct fl_answer *a = NULL;

		wrr_name(&b, "a.example", 5, 60, "b.test");
		wrr(&b, "b.test", rows[i].type, 30, rows[i].rdata, rows[i].n);
		assert_int_equal(read_reply(&b, "a.example", rows[i].type, false, &a), 0);
		if (a->inside != rows[i].inside)
			fail_msg("row %zu: %s", i, a->inside ? "inside" : "outside");
		fl__answer_free(a);
	}
}

static int up(void **state)
{
	(void)state;
	scratch = fl__chain_scratch_new();
	return scratch ? 0 : -1;
}
static int down(void **state)
{
	(void)state;
	fl__chain_scratch_free(scratch);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain), cmocka_unit_test(test_records_off_the_chain_are_dropped), cmocka_unit_test(test_long_chain),
		cmocka_unit_test(test_loops), cmocka_unit_test(test_dname), cmocka_unit_test(test_target_in_the_answer), cmocka_unit_test(test_negative),
		cmocka_unit_test(test_negative_at_the_end_of_a_chain), cmocka_unit_test(test_dnssec), cmocka_unit_test(test_ttl_limits),
		cmocka_unit_test(test_compressed_rdata), cmocka_unit_test(test_truncated), cmocka_unit_test(test_too_many_records), cmocka_unit_test(test_private_addresses),
	};

	return cmocka_run_group_tests(tests, up, down);
}
