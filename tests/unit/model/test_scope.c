/* Scope bits have one text each, and only that text is read. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "model/scope.h"

#include <string.h>

static void test_words(void **state)
{
	static const struct {
		uint8_t scope;
		const char *text;
	} rows[] = {
		{ 0, "none" },
		{ 1, "exact" },
		{ 2, "subdomains" },
		{ 3, "subtree" },
		{ 4, "except-exact" },
		{ 8, "except-subdomains" },
		{ 12, "except-subtree" },
		{ 7, "subtree+except-exact" },
		{ 9, "exact+except-subdomains" },
		{ 15, "subtree+except-subtree" },
	};
	char out[FL_SCOPE_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(fl_scope_format(rows[i].scope, out), rows[i].text);
	for (unsigned s = 0; s <= FL_SCOPE_ALL; s++) {
		uint8_t again = 99;

		assert_true(fl_scope_parse(fl_scope_format((uint8_t)s, out), &again));
		assert_int_equal(again, s);
	}
}

static void test_refused(void **state)
{
	static const char *const rows[] = { "", "+", "Exact", "exact+", "+exact", "exact+exact", "subtree+exact", "none+exact",
					    "exact subdomains", "exactly", "exact,subdomains" };
	uint8_t s = 77;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (fl_scope_parse(rows[i], &s))
			fail_msg("'%s' was read", rows[i]);
	assert_int_equal(s, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
