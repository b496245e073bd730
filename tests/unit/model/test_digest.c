/* Digests: the values of docs/formats/digest.md, and that they follow changes either way. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/text.h"
#include "tests/support/setgen.h"

static void expect(struct fl_u128 v, const char *want)
{
	struct fl_u128 again;
	char text[33];

	assert_string_equal(fl_u128_format(v, text), want);
	assert_true(fl_u128_parse(fl_span_str(text), &again));
	assert_true(fl_u128_eq(v, again));
}

static void test_values_of_the_page(void **state)
{
	struct fl_rkey com = gen_rkey("example.com"), bad = gen_rkey("bad.example.com");
	struct fl_tuple one = { .scope = 3 }, two = { .scope = 1, .confidence = 90, .category = 1, .first_seen_s = 1795442531 };
	struct fl_digests d = { 0 };

	(void)state;
	fl_digests_add(&d, fl_rkey_span(&com), &one);
	expect(d.scope, "917fb273c4438582bbaff7709d5902d3");
	expect(d.attrs, "0e6a9207143fb1b6b0c37326568d9265");
	fl_digests_add(&d, fl_rkey_span(&bad), &two);
	expect(d.scope, "8fffcac3197c487fd3d8987f95adaff0");
	expect(d.attrs, "c8daae3202e1255b7563390c602d9a52");
	assert_int_equal(d.entries, 2);
	fl_digests_sub(&d, fl_rkey_span(&com), &one);
	expect(d.scope, "fe80184f5538c2fd1828a10ef854ad1d");
	expect(d.attrs, "ba701c2aeea173a4c49fc5e609a007ed");
	fl_digests_change(&d, &(struct fl_change){ fl_rkey_span(&bad), two, { 0 } });
	expect(d.scope, "00000000000000000000000000000000");
	assert_int_equal(d.entries, 0);
}

static void test_absent_counts_nothing(void **state)
{
	struct fl_tuple absent = { .confidence = 3, .first_seen_s = 7 };

	(void)state;
	expect(fl_digest_scope(fl_span("a", 2), 0), "00000000000000000000000000000000");
	expect(fl_digest_attrs(fl_span("a", 2), &absent), "00000000000000000000000000000000");
}

static void test_sums_carry(void **state)
{
	struct fl_u128 max = { UINT64_MAX, UINT64_MAX }, one = { 1, 0 }, low = { UINT64_MAX, 0 };

	(void)state;
	expect(fl_u128_add(max, one), "00000000000000000000000000000000");
	expect(fl_u128_add(low, one), "00000000000000010000000000000000");
	expect(fl_u128_sub((struct fl_u128){ 0, 0 }, one), "ffffffffffffffffffffffffffffffff");
	expect(fl_u128_sub((struct fl_u128){ 0, 1 }, one), "0000000000000000ffffffffffffffff");
}

static void test_text_refused(void **state)
{
	static const char *const rows[] = { "", "0", "0000000000000000000000000000000", "000000000000000000000000000000000",
					    "0000000000000000000000000000000g" };
	struct fl_u128 v;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_false(fl_u128_parse(fl_span_str(rows[i]), &v));
}

static void test_sha256(void **state)
{
	static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
	struct fl_sha256 s;
	uint8_t d[32];
	char text[65];

	(void)state;
	fl_sha256_of("abc", 3, d);
	assert_string_equal(fl_hex(d, 32, text), abc);
	assert_true(fl_sha256_init(&s));
	fl_sha256_add(&s, "a", 1);
	fl_sha256_add(&s, NULL, 0);
	fl_sha256_add(&s, "bc", 2);
	fl_sha256_done(&s, d);
	assert_string_equal(fl_hex(d, 32, text), abc);
	assert_true(fl_sha256_init(&s));
	fl_sha256_done(&s, NULL); /* abandoned */
	assert_null(s.ctx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_of_the_page),
		cmocka_unit_test(test_absent_counts_nothing),
		cmocka_unit_test(test_sums_carry),
		cmocka_unit_test(test_text_refused),
		cmocka_unit_test(test_sha256),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
