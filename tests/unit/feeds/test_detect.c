/* What is no list is refused with the reason; a format is named only when it is sure. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "feeds/feeds.h"

static int count(void *ctx, const struct fl_feed_claim *c)
{
	(void)c;
	++*(size_t *)ctx;
	return 0;
}

static void test_no_list_at_all(void **state)
{
	static const struct {
		const char *body;
		size_t n;
		const char *reason;
		bool json; /* a list in format json */
	} rows[] = {
		{ "", 0, "empty", false },
		{ " \r\n\n", 4, "empty", false },
		{ "\xef\xbb\xbf", 3, "empty", false },
		{ "<!DOCTYPE html><html>", 21, "HTML", false },
		{ "\n  <html><body>bad.example</body>", 33, "HTML", false },
		{ "Sorry!\n<html>\nbad.example\n", 26, "HTML", false },
		{ "<?xml version=\"1.0\"?>", 21, "XML", false },
		{ "{\"error\":\"unknown_auth_key\"}", 28, "JSON", false },
		{ "[\"bad.example\"]", 15, "JSON", true },
		{ "[ ]", 3, "JSON", true },
		{ "\x1f\x8b\x08\x00", 4, "gzip", false },
		{ "\x28\xb5\x2f\xfd\x04", 5, "zstd", false },
		{ "PK\x03\x04zip", 7, "zip", false },
		{ "%PDF-1.7\n", 9, "PDF", false },
		{ "\xff\xfe" "b\0a\0d\0", 8, "UTF-16", false },
		{ "\x01\x02\x03\x04\x05\x06\x07\x0e\x0f\x10\x11 xx", 14, "binary", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		for (int f = FL_FORMAT_AUTO; f < FL_FORMAT_COUNT; f++) {
			const struct fl_feed_options opt = { .format = (enum fl_format)f, .scope = 1 };
			struct fl_feed_result res;
			struct fl_err err = { 0 };
			size_t n = 0;

			if (rows[i].json && f == FL_FORMAT_JSON)
				continue;
			assert_int_equal(fl_feed_parse(fl_span(rows[i].body, rows[i].n), &opt, count, NULL, &n, &res, &err),
					 FL_EFORMAT);
			if (!strstr(err.text, rows[i].reason))
				fail_msg("row %zu: '%s' does not say %s", i, err.text, rows[i].reason);
		}
	}
}

static void test_formats_are_found_out(void **state)
{
	static const struct {
		const char *body;
		int format; /* -1: refused */
	} rows[] = {
		{ "# list\nbad.example\n*.worse.example\n.worst.example\n", FL_FORMAT_DOMAINS },
		{ "bad.example\n1.2.3.4\n5.6.7.8\n", FL_FORMAT_DOMAINS },
		{ "127.0.0.1 localhost\n0.0.0.0 bad.example\n", FL_FORMAT_HOSTS },
		{ "[Adblock Plus]\nbad.example\n", FL_FORMAT_ADBLOCK },
		{ "! Title\n||bad.example^\n@@||good.example^\nworse.example\n1.2.3.4\n", FL_FORMAT_ADBLOCK },
		{ "bad.example\n0.0.0.0 worse.example\n", -1 },
		{ "# Entries: 0\n", -1 },
		{ "Your request could not be served\n", -1 },
		{ "1.2.3.4\n5.6.7.8\n", -1 },
		{ "||bad.example^\n0.0.0.0 bad.example\nbad.example\n", -1 },
		{ "*://*.bad.example/*\n*://worse.example/*\n", FL_FORMAT_DOMAINS },
		{ "# t\nserver=/bad.example/127.0.0.1\naddress=/worse.example/#\n", FL_FORMAT_DNSMASQ },
		{ "\xef\xbb\xbfserver:\n  local-zone: \"bad.example\" static\n", FL_FORMAT_UNBOUND },
		{ "bad.example CNAME .\n*.bad.example CNAME .\n", FL_FORMAT_RPZ },
		{ "$TTL 1h\n@ IN SOA a. b. (\n 1\n 2\n 3\n 4\n 5 )\nbad.example CNAME .\nx.example 60 IN CNAME "
		  "rpz-passthru.\n"
		  "24.0.2.0.192.rpz-ip CNAME .\ny.example CNAME .\nz.example CNAME .\n",
		  FL_FORMAT_RPZ },
		{ "https://bad.example/x\nhxxp://worse[.]example/a b\nhttp://192.0.2.7/x\n", FL_FORMAT_URLS },
		{ "#fields\tindicator\tindicator_type\nbad.example\tIntel::DOMAIN\n192.0.2.7\tIntel::ADDR\n",
		  FL_FORMAT_ZEEK },
		{ "bad.example\tIntel::DOMAIN\n", -1 },
		{ "# (https://github.com/stamparm/maltrail/)\nbad.example\n/x/\n1.2.3.4:80\n", FL_FORMAT_MALTRAIL },
		{ "# (https://github.com/stamparm/maltrail/)\n0.0.0.0 bad.example\n", FL_FORMAT_HOSTS },
		{ "zone \"bad.example\" { type master; };\nzone \"worse.example\" { type master; };\n",
		  FL_FORMAT_BIND },
		{ "bad.example\nhttps://bad.example/x\n", -1 },
		{ "server=/bad.example/\n0.0.0.0 bad.example\n", -1 },
		{ "bad.example CNAME .\n0.0.0.0 bad.example\n", -1 },
		{ "http://192.0.2.7/x\nhttp://192.0.2.8/y\n", -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		enum fl_format f = FL_FORMAT_AUTO;
		struct fl_err err = { 0 };
		int ret = fl_feed_detect(fl_span_str(rows[i].body), &f, &err);

		if (rows[i].format < 0 ? ret != FL_EFORMAT || !*err.text : ret != 0 || (int)f != rows[i].format)
			fail_msg("row %zu: %d, %s %s", i, ret, fl_format_word(f), err.text);
	}
}

static void test_two_candidates_are_named(void **state)
{
	enum fl_format f;
	struct fl_err err = { 0 };

	(void)state;
	assert_int_equal(fl_feed_detect(fl_span_str("bad.example\n0.0.0.0 worse.example\n"), &f, &err), FL_EFORMAT);
	assert_non_null(strstr(err.text, "hosts or domains"));
}

/* The accident of a real list: a header and nothing else. It is a list; that it is empty is for others to judge. */
static void test_comments_only(void **state)
{
	const struct fl_feed_options opt = { .format = FL_FORMAT_HOSTS };
	struct fl_feed_result res;
	struct fl_err err = { 0 };
	size_t n = 0;

	(void)state;
	assert_int_equal(fl_feed_parse(fl_span_str("# Title: Scam Block List\n# Entries: 0\n"), &opt, count, NULL, &n,
				       &res, &err),
			 0);
	assert_int_equal(res.claims, 0);
	assert_int_equal(res.refused, 0);
	assert_int_equal(res.lines.dropped[FL_DROP_COMMENT], 2);
}

static void test_words(void **state)
{
	enum fl_format f;

	(void)state;
	for (int i = 0; i < FL_FORMAT_COUNT; i++) {
		assert_true(fl_format_parse(fl_format_word((enum fl_format)i), &f));
		assert_int_equal(f, i);
	}
	assert_false(fl_format_parse("excel", &f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_list_at_all),
		cmocka_unit_test(test_formats_are_found_out),
		cmocka_unit_test(test_two_candidates_are_named),
		cmocka_unit_test(test_comments_only),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
