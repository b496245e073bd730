/* People's words on a source's content, and its quarantine, over both stores. */
#include "tests/support/sets_help.h"

static struct fl_judgement *all;
static size_t n_all;

static struct fl_judgement word(const char *what, bool approved, int64_t at_s, const char *actor, const char *reason)
{
	struct fl_judgement j = { .approved = approved, .at = at_s * FL_US_PER_S };

	snprintf(j.what, sizeof(j.what), "%s", what);
	snprintf(j.actor, sizeof(j.actor), "%s", actor);
	snprintf(j.reason, sizeof(j.reason), "%s", reason);
	return j;
}

static void judge(struct fl_judgement j)
{
	assert_int_equal(fl_source_judge(&w.s, "f", &j, NULL), 0);
	assert_int_equal(fl_source_judgements(&w.s, "f", &w.arena, &all, &n_all, NULL), 0);
}

static void test_words_are_kept(void **state)
{
	(void)state;
	assert_int_equal(fl_source_judgements(&w.s, "f", &w.arena, &all, &n_all, NULL), 0);
	assert_int_equal(n_all, 0);
	judge(word("00112233445566778899aabbccddeeff", false, 10, "alice b", "a collapse,  with two blanks"));
	judge(word("name:google.com", true, 20, "", ""));
	assert_int_equal(n_all, 2);
	assert_string_equal(all[0].what, "name:google.com"); /* the newest first */
	assert_true(all[0].approved);
	assert_string_equal(all[0].actor, "-");
	assert_string_equal(all[1].actor, "alice_b");
	assert_string_equal(all[1].reason, "a collapse,  with two blanks");
	judge(word("name:google.com", false, 30, "bob", "no")); /* the later word counts */
	assert_int_equal(n_all, 2);
	assert_false(all[0].approved);
	redis_int(&w, "HSET {fl}:source/f:judged x garbage");
	assert_int_equal(fl_source_judgements(&w.s, "f", &w.arena, &all, &n_all, NULL), 0);
	assert_int_equal(n_all, 2);
}

static void test_the_oldest_leave(void **state)
{
	char what[40];

	(void)state;
	for (int i = 0; i < FL_JUDGEMENTS_MAX + 3; i++) {
		struct fl_judgement j;

		snprintf(what, sizeof(what), "%032d", i);
		j = word(what, true, 1000 + i, "a", "");
		assert_int_equal(fl_source_judge(&w.s, "f", &j, NULL), 0);
		if (i % 100 == 0)
			fl_arena_done(&w.arena);
	}
	assert_int_equal(fl_source_judgements(&w.s, "f", &w.arena, &all, &n_all, NULL), 0);
	assert_int_equal(n_all, FL_JUDGEMENTS_MAX);
	assert_string_equal(all[n_all - 1].what, "00000000000000000000000000000003");
}

static void test_quarantine(void **state)
{
	struct fl_span text;

	(void)state;
	assert_int_equal(fl_source_quarantine_get(&w.s, "f", &w.arena, &text, NULL), FL_ENOTFOUND);
	assert_int_equal(fl_source_quarantine_put(&w.s, "f", fl_span_str("a exact a shipped\n"), NULL), 0);
	assert_int_equal(fl_source_quarantine_get(&w.s, "f", &w.arena, &text, NULL), 0);
	assert_true(fl_span_eqs(text, "a exact a shipped\n"));
	assert_int_equal(fl_source_quarantine_put(&w.s, "f", fl_span(NULL, 0), NULL), 0);
	assert_int_equal(fl_source_quarantine_get(&w.s, "f", &w.arena, &text, NULL), FL_ENOTFOUND);
	assert_int_equal(redis_int(&w, "EXISTS {fl}:source/f:quarantine"), 0);
}

static void test_store_away(void **state)
{
	struct fl_judgement j = word("name:a", true, 1, "a", "");
	struct fl_span text;

	(void)state;
	for (uint32_t at = 1; at <= 2; at++)
		for (int kind = 0; kind < 2; kind++) {
			w.lossy = (struct lossy){ w.lossy.door, w.lossy.inner, 0, at, 9, kind ? FL_FAULT_AFTER : FL_FAULT_BEFORE };
			assert_true(fl_source_judge(&w.f, "f", &j, NULL) < 0);
			w.lossy.calls = 0;
			if (at == 1)
				assert_true(fl_source_quarantine_put(&w.f, "f", fl_span_str("x"), NULL) < 0);
			w.lossy.calls = 0;
			if (at == 1)
				assert_true(fl_source_quarantine_get(&w.f, "f", &w.arena, &text, NULL) < 0);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = { BOTH(test_words_are_kept), BOTH(test_the_oldest_leave), BOTH(test_quarantine), BOTH(test_store_away) };

	return world_run("sets_judged", tests, sizeof(tests) / sizeof(tests[0]));
}
