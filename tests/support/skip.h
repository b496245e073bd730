/* What a test cannot try on this machine. cmocka's skip() leaves the exit code 0, so that nobody would count it: with FL_REQUIRE_ALL=1 in the environment it is a failure. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static inline bool fl_test_required(void)
{
	const char *require = getenv("FL_REQUIRE_ALL");

	return require && strcmp(require, "1") == 0;
}

/** Ends the test. */
static inline void fl_test_skip(const char *why)
{
	if (fl_test_required())
		fail_msg("%s, and FL_REQUIRE_ALL=1 wants it", why);
	print_message("skipped: %s\n", why);
	skip();
}
