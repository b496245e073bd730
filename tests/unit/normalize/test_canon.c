/* Canonical names: a row for each case that has hurt somebody. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "normalize/normalize.h"

static struct fl_names *names;

#define L50 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee"
#define L63 L50 "fffffffffffff"

/* out NULL: refused with why. */
static const struct {
	const char *in, *out;
	enum fl_drop why;
} rows[] = {
	{ "Example.COM.", "example.com", 0 },
	{ "  example.com\t\r\n", "example.com", 0 },
	{ "m\xc3\xbcnchen.example", "xn--mnchen-3ya.example", 0 },
	{ "mu\xcc\x88nchen.example", "xn--mnchen-3ya.example", 0 },
	{ "fa\xc3\x9f.example", "xn--fa-hia.example", 0 },
	{ "\xd0\xb8\xd0\xbc\xd1\x8f\xd0\xb5\xd0\xbd\xd0\xbd.010.xn--p1acf", "xn--e1afmfa9h.010.xn--p1acf", 0 },
	{ "example\xe3\x80\x82" "com", "example.com", 0 },
	{ "\xef\xbd\x85xample.com", "example.com", 0 },
	{ "_dmarc.example.com", "_dmarc.example.com", 0 },
	{ "a_b.example", "a_b.example", 0 },
	{ "xn--.example", "xn--.example", 0 },
	{ "xn--cnms-kjr.dmdoc.dynv6.net", "xn--cnms-kjr.dmdoc.dynv6.net", 0 },
	{ "support\xc2\xac" "forum.org", "xn--supportforum-tqa.org", 0 },
	{ "r3---sn-x.example", "r3---sn-x.example", 0 },
	{ "-a.example", "-a.example", 0 },
	{ "a-.example", "a-.example", 0 },
	{ "m\xc3\xbc--.-x-.example", "xn--m---hoa.-x-.example", 0 },
	{ "exam\xe2\x80\x8bple.com", "example.com", 0 },	  /* zero width space */
	{ "\xef\xbb\xbf" "example.com", "example.com", 0 },	  /* BOM */
	{ "ex\xc2\xa0" "ample.com", NULL, FL_DROP_BAD_LABEL },	  /* no-break space */
	{ "ex ample.com", NULL, FL_DROP_BAD_LABEL },
	{ L63 ".example", L63 ".example", 0 },
	{ L63 "x.example", NULL, FL_DROP_BAD_LABEL },
	{ L63 "." L63 "." L63 "." L50 "1234567890a", L63 "." L63 "." L63 "." L50 "1234567890a", 0 }, /* 253 */
	{ L63 "." L63 "." L63 "." L50 "1234567890a.", L63 "." L63 "." L63 "." L50 "1234567890a", 0 },
	{ L63 "." L63 "." L63 "." L50 "1234567890ab", NULL, FL_DROP_TOO_LONG },
	{ L63 "." L63 "." L63 "." L63 "." L63, NULL, FL_DROP_TOO_LONG },
	{ "1.2.3.4", NULL, FL_DROP_ADDRESS },
	{ "1.2.3.4.", NULL, FL_DROP_ADDRESS },
	{ "1.2.3.0/24", NULL, FL_DROP_ADDRESS },
	{ "1.2.3.4:8443", NULL, FL_DROP_ADDRESS },
	{ "1.2.3.4:22:443", NULL, FL_DROP_ADDRESS },
	{ "[::1]", NULL, FL_DROP_ADDRESS },
	{ "[2604:2dc0::]:443", NULL, FL_DROP_ADDRESS },
	{ "::1", NULL, FL_DROP_ADDRESS },
	{ "fe80::1%lo0", NULL, FL_DROP_ADDRESS },
	{ "2001:db8::/32", NULL, FL_DROP_ADDRESS },
	{ "2a02:cf40:1::5:40669", NULL, FL_DROP_ADDRESS },
	{ "0x5bf076a8", NULL, FL_DROP_ADDRESS },
	{ "0X5B.0xF0.118.0250", NULL, FL_DROP_ADDRESS },
	{ "0056.0151.0121.0114", NULL, FL_DROP_ADDRESS },
	{ "1542485672", NULL, FL_DROP_ADDRESS },
	{ "\xef\xbc\x91.2.3.4", NULL, FL_DROP_ADDRESS }, /* full-width one */
	{ "registry.12913298", NULL, FL_DROP_NUMERIC_TLD },
	{ "999.1.2.3", NULL, FL_DROP_NUMERIC_TLD },
	{ "1.2.3.4.5", NULL, FL_DROP_NUMERIC_TLD },
	{ "1.2.3.4.example", "1.2.3.4.example", 0 },
	{ "007.example", "007.example", 0 },
	{ "a.0example", "a.0example", 0 },
	{ "localhost", NULL, FL_DROP_SINGLE_LABEL },
	{ "com.", NULL, FL_DROP_SINGLE_LABEL },
	{ "fe", NULL, FL_DROP_SINGLE_LABEL },
	{ "printer.local", "printer.local", 0 },
	{ "1.168.192.in-addr.arpa", "1.168.192.in-addr.arpa", 0 },
	{ "co.uk", "co.uk", 0 }, /* suffixes are not looked at */
	{ "", NULL, FL_DROP_BAD_LABEL },
	{ ".", NULL, FL_DROP_BAD_LABEL },
	{ "example..com", NULL, FL_DROP_BAD_LABEL },
	{ ".example.com", NULL, FL_DROP_BAD_LABEL },
	{ "example.com..", NULL, FL_DROP_BAD_LABEL },
	{ "*.example.com", NULL, FL_DROP_BAD_LABEL },
	{ "user@example.com", NULL, FL_DROP_BAD_LABEL },
	{ "EXAMPLE\\.com", NULL, FL_DROP_BAD_LABEL },
	{ "http://example.com/", NULL, FL_DROP_BAD_LABEL },
	{ "\xff\xfe.example", NULL, FL_DROP_NOT_UTF8 },
	{ "a\xc3.example", NULL, FL_DROP_NOT_UTF8 },
	{ "xn--a\xc3\xbc.example", NULL, FL_DROP_BAD_IDNA },
	{ "\xe2\x80\x8d.example", NULL, FL_DROP_BAD_IDNA },		     /* a lone joiner */
	{ "\xd7\x90" "a.example", NULL, FL_DROP_BAD_IDNA },		     /* both directions in one label */
	{ "\xcc\x80" "a.example", NULL, FL_DROP_BAD_IDNA },		     /* a leading combining mark */
};

static void check(size_t i, enum fl_drop why, const struct fl_rkey *key)
{
	char text[FL_NAME_TEXT];

	if (!rows[i].out) {
		if (why != rows[i].why)
			fail_msg("row %zu, '%s': %s, not %s", i, rows[i].in, fl_drop_word(why), fl_drop_word(rows[i].why));
		return;
	}
	if (why != FL_DROP_COUNT)
		fail_msg("row %zu, '%s': refused as %s", i, rows[i].in, fl_drop_word(why));
	assert_true(fl_rkey_valid(fl_rkey_span(key)));
	if (strcmp(fl_rkey_to_text(fl_rkey_span(key), text), rows[i].out) != 0)
		fail_msg("row %zu, '%s': %s, not %s", i, rows[i].in, text, rows[i].out);
}

static void test_canonical_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct fl_rkey key;
		enum fl_drop why = fl_name_canon(names, fl_span_str(rows[i].in), &key);

		check(i, why, &key);
	}
}

static void test_canonical_form_is_a_fixed_point(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct fl_rkey key;

		if (!rows[i].out)
			continue;
		check(i, fl_name_canon(names, fl_span_str(rows[i].out), &key), &key);
	}
}

static void test_urls(void **state)
{
	static const struct {
		const char *in, *out;
	} urls[] = {
		{ "http://Example.com/a/b?c=d", "example.com" },
		{ "https://user:pw@example.com:8443/x", "example.com" },
		{ "ftp://example.com", "example.com" },
		{ "  hxxp://example.com#x ", "example.com" },
		{ "https://m\xc3\xbcnchen.example/", "xn--mnchen-3ya.example" },
		{ "https://ex%61mple.com/%2f", "example.com" },
		{ "http://a@b@example.com/", "example.com" },
		{ "example.com", "example.com" },
		{ "http://1.2.3.4:80/x", NULL },
		{ "http://[::1]:80/x", NULL },
		{ "http:///x", NULL },
		{ "http://", NULL },
		{ "example.com/path", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
		struct fl_rkey key;
		char text[FL_NAME_TEXT];
		enum fl_drop why = fl_name_from_url(names, fl_span_str(urls[i].in), &key);

		if ((why == FL_DROP_COUNT) != (urls[i].out != NULL))
			fail_msg("row %zu: %s", i, fl_drop_word(why));
		if (urls[i].out)
			assert_string_equal(fl_rkey_to_text(fl_rkey_span(&key), text), urls[i].out);
	}
}

static void test_operators_may_claim_more(void **state)
{
	static const struct {
		const char *in;
		uint8_t scope;
		const char *out; /* NULL: refused */
		uint8_t out_scope;
	} claims[] = {
		{ "*", 0, ".", FL_SCOPE_SUBDOMAINS },
		{ "*", FL_SCOPE_SUBTREE, ".", FL_SCOPE_SUBTREE },
		{ "*.Example.com", 0, "example.com", FL_SCOPE_SUBDOMAINS },
		{ "example.com", 0, "example.com", FL_SCOPE_EXACT },
		{ "example.com", FL_SCOPE_SUBTREE, "example.com", FL_SCOPE_SUBTREE },
		{ "zip", 0, "zip", FL_SCOPE_EXACT },
		{ "*.zip", 0, "zip", FL_SCOPE_SUBDOMAINS },
		{ "co.uk", FL_SCOPE_SUBTREE, "co.uk", FL_SCOPE_SUBTREE },
		{ "github.io", FL_SCOPE_SUBTREE, "github.io", FL_SCOPE_SUBTREE },
		{ "*.example.com", FL_SCOPE_EXACT, NULL, 0 },
		{ "*example.com", 0, NULL, 0 },
		{ ".example.com", 0, NULL, 0 },
		{ "1.2.3.4", 0, NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(claims) / sizeof(*claims); i++) {
		struct fl_rkey key;
		char text[FL_NAME_TEXT];
		uint8_t scope = claims[i].scope;
		enum fl_drop why = fl_name_operator(names, fl_span_str(claims[i].in), &scope, &key);

		if ((why == FL_DROP_COUNT) != (claims[i].out != NULL))
			fail_msg("row %zu: %s", i, fl_drop_word(why));
		if (!claims[i].out)
			continue;
		assert_string_equal(fl_rkey_to_text(fl_rkey_span(&key), text), claims[i].out);
		assert_int_equal(scope, claims[i].out_scope);
	}
}

static void test_unicode_form(void **state)
{
	struct fl_rkey key;
	char text[FL_NAME_TEXT];

	(void)state;
	assert_int_equal(fl_name_canon(names, fl_span_str("xn--mnchen-3ya.example"), &key), FL_DROP_COUNT);
	assert_true(fl_name_unicode(names, fl_rkey_span(&key), text, sizeof(text)));
	assert_string_equal(text, "m\xc3\xbcnchen.example");
	assert_false(fl_name_unicode(names, fl_rkey_span(&key), text, 8)); /* no room: none */
	assert_int_equal(fl_name_canon(names, fl_span_str("plain.example"), &key), FL_DROP_COUNT);
	assert_false(fl_name_unicode(names, fl_rkey_span(&key), text, sizeof(text)));
	assert_int_equal(fl_name_canon(names, fl_span_str("xn--99999999.example"), &key), FL_DROP_COUNT);
	assert_false(fl_name_unicode(names, fl_rkey_span(&key), text, sizeof(text)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_canonical_names), cmocka_unit_test(test_canonical_form_is_a_fixed_point),
		cmocka_unit_test(test_urls),		cmocka_unit_test(test_operators_may_claim_more),
		cmocka_unit_test(test_unicode_form),
	};
	struct fl_err err;
	int failed;

	if (fl_names_open(NULL, &names, &err) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fl_names_close(names);
	return failed;
}
