/* Signatures of webhooks: the header's text, secrets that change, times; and the limit of an address on a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "admin/webhook_int.h"
#include "base/text.h"
#include "model/hmac.h"

#define HEX32 "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define NOW (INT64_C(1800000000) * FL_US_PER_S)

static void the_text_of_the_header(void **state)
{
	static const struct {
		const char *text;
		size_t n;
	} rows[] = {
		{ "sha256=" HEX32, 1 },
		{ "  sha256=" HEX32 "\t", 1 },
		{ "sha256=000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F", 1 },
		{ "sha256=" HEX32 ", sha256=" HEX32, 2 },
		{ "sha256=" HEX32 ",sha256=" HEX32 ",sha256=" HEX32 ",sha256=" HEX32, 4 },
		{ "sha256=" HEX32 ",sha256=" HEX32 ",sha256=" HEX32 ",sha256=" HEX32 ",sha256=" HEX32, 0 },
		{ "", 0 },
		{ ",", 0 },
		{ HEX32, 0 },
		{ "sha1=" HEX32, 0 },
		{ "SHA256=" HEX32, 0 },
		{ "sha256=", 0 },
		{ "sha256=" HEX32 "0", 0 },
		{ "sha256=" HEX32 "00", 0 },
		{ "sha256=" HEX32 ",", 0 },
		{ "sha256=" HEX32 " sha256=" HEX32, 0 },
		{ "sha256=g00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", 0 },
		{ "sha256=\xff\xfe", 0 },
	};
	uint8_t out[FL__SIGNATURES][32];
	char longest[FL__SIGNATURE_TEXT + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = fl__signature_parse(rows[i].text, out);

		if (n != rows[i].n)
			fail_msg("row %zu: %zu", i, n);
		for (size_t k = 0; k < n; k++)
			assert_int_equal(out[k][31], 0x1f);
	}
	memset(longest, ' ', sizeof(longest));
	memcpy(longest, "sha256=" HEX32, 71);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(fl__signature_parse(longest, out), 0);
	longest[sizeof(longest) - 2] = '\0';
	assert_int_equal(fl__signature_parse(longest, out), 1);
}

static const char *sign(const char *secret, const char *before, const char *body, char out[128])
{
	struct fl_span parts[] = { fl_span_str(before), fl_span_str(body) };
	uint8_t mac[32];
	char hex[65];

	assert_true(fl_hmac_sha256(fl_span_str(secret), parts, 2, mac));
	snprintf(out, 128, "sha256=%s", fl_hex(mac, 32, hex));
	return out;
}

static bool right(const char *fireline, const char *hub, const char *timestamp, const char *body)
{
	struct fl_span secrets[] = { fl_span_str("the old secret....."), fl_span_str("the new secret.....") };
	struct fl__signature_head h = { fireline, hub, timestamp };

	return fl__signature_right(&h, secrets, 2, fl_span_str(body), NOW);
}

static void who_has_signed(void **state)
{
	char old[128], new[128], other[128], both[300];

	(void)state;
	sign("the old secret.....", "", "body", old);
	sign("the new secret.....", "", "body", new);
	sign("another secret.....", "", "body", other);
	assert_true(right(old, NULL, NULL, "body"));
	assert_true(right(new, NULL, NULL, "body"));
	assert_true(right(NULL, old, NULL, "body"));
	assert_false(right(other, NULL, NULL, "body"));
	assert_false(right(NULL, other, NULL, "body"));
	assert_false(right(old, NULL, NULL, "bodY"));
	assert_false(right(NULL, NULL, NULL, "body"));
	assert_false(right(other, old, NULL, "body")); /* our own header is the one that counts */
	snprintf(both, sizeof(both), "%s,%s", other, new);
	assert_true(right(both, NULL, NULL, "body"));
	old[70] ^= 1;
	assert_false(right(old, NULL, NULL, "body"));
	assert_false(fl__signature_right(&(struct fl__signature_head){ new, NULL, NULL }, NULL, 0, fl_span_str("body"), NOW)); /* no secret, no word */
}

static void a_signed_time_is_believed_for_five_minutes(void **state)
{
	static const struct {
		const char *timestamp;
		bool want;
	} rows[] = {
		{ "1800000000", true },	 { "1799999700", true },  { "1800000300", true }, { "1799999699", false }, { "1800000301", false }, { "0", false },
		{ "-1800000000", false }, { "1800000000 ", false }, { "", false },	  { "1e9", false },	   { "99999999999999999999", false }, { "9999999999999999", false },
	};
	char sig[128], before[64], plain[128];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(before, sizeof(before), "%s.", rows[i].timestamp);
		if (right(sign("the new secret.....", before, "body", sig), NULL, rows[i].timestamp, "body") != rows[i].want)
			fail_msg("'%s'", rows[i].timestamp);
	}
	sign("the new secret.....", "1800000000.", "body", sig);
	sign("the new secret.....", "", "body", plain);
	assert_false(right(sig, NULL, "1800000001", "body"));	/* another time than was signed */
	assert_false(right(plain, NULL, "1800000000", "body")); /* a time that was not signed */
	assert_false(right(NULL, plain, "1800000000", "body"));
	assert_false(right(sig, NULL, NULL, "body"));
	assert_false(right(sig, NULL, NULL, "1800000000.body")); /* the time taken off, and made part of the body */
	assert_false(right(NULL, sig, NULL, "1800000000.body"));
	assert_true(right(plain, NULL, NULL, "body"));
}

static void address(uint8_t key[16], uint32_t n)
{
	memset(key, 0, 16);
	memcpy(key + 12, &n, 4);
}

static void an_address_has_its_share(void **state)
{
	struct fl__limit *l = fl__limit_new(10);
	fl_mono_ns now = 5 * FL_NS_PER_S;
	uint8_t a[16], b[16];
	int passed = 0;

	(void)state;
	address(a, 1);
	address(b, 2);
	for (int i = 0; i < 10; i++)
		assert_int_equal(fl__limit_take(l, a, now), 0);
	assert_int_equal(fl__limit_take(l, a, now), 1);
	assert_int_equal(fl__limit_take(l, b, now), 0); /* another's is its own */
	assert_int_equal(fl__limit_take(l, a, now + FL_NS_PER_S / 10), 0);
	assert_int_equal(fl__limit_take(l, a, now + FL_NS_PER_S / 10), 1);
	for (int i = 0; i < 100000; i++) /* ten seconds of asking all the time */
		passed += fl__limit_take(l, a, now + 2 * FL_NS_PER_S + i * FL_NS_PER_S / 10000) == 0;
	assert_in_range(passed, 109, 110);
	fl__limit_free(l);
}

static void many_addresses_make_it_no_larger(void **state)
{
	struct fl__limit *l = fl__limit_new(1);
	uint8_t key[16];

	(void)state;
	for (uint32_t i = 0; i < 100000; i++) {
		address(key, i);
		assert_int_equal(fl__limit_take(l, key, FL_NS_PER_S), 0);
	}
	assert_int_equal(fl__limit_take(l, key, FL_NS_PER_S), 1); /* the newest is known */
	fl__limit_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_text_of_the_header),
		cmocka_unit_test(who_has_signed),
		cmocka_unit_test(a_signed_time_is_believed_for_five_minutes),
		cmocka_unit_test(an_address_has_its_share),
		cmocka_unit_test(many_addresses_make_it_no_larger),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
