/* The next manifest, decided from heads alone: rows of what the list has, what each source's head is, and what the next version has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "publisher/state.h"

/* A version in a row: epoch, number, entries, and a letter that stands for the chain; number 0: none. */
struct at {
	char epoch;
	uint64_t number, entries;
	char chain;
};

enum { ABSENT, PLAIN, PINNED, GONE, PINNED_GONE };

static const struct fl_guard_counts guard = { .max_removed_ratio = 0.30, .min_side = 1000 };

static struct fl_version_id id_of(const struct at *v)
{
	struct fl_version_id id = { .number = v->number };

	if (v->number) {
		memset(id.epoch.b, v->epoch, sizeof(id.epoch.b));
		memset(id.chain, v->chain, sizeof(id.chain));
	}
	return id;
}

static struct fl_list_input input_of(const char *source, const struct at *v, int how)
{
	struct fl_list_input in = { .id = id_of(v), .entries = v->entries, .pinned = how == PINNED || how == PINNED_GONE, .gone = how == GONE || how == PINNED_GONE };

	memcpy(in.source, source, strlen(source));
	return in;
}

/* One source: what the list has of it, its head, what of both the store lacks, and what the next version has. */
struct row {
	const char *what;
	enum fl_cfg_source_kind kind;
	int had;
	struct at input;
	struct at head;
	const char *lost; /* i: the input's version, h: the head's */
	int has;
	struct at next;
	bool changed;
};

#define NONE { 0, 0, 0, 0 }

static const struct row rows[] = {
	{ "a source without a version is no input", FL_SRC_FEED, ABSENT, NONE, NONE, "", ABSENT, NONE, false },
	{ "its first version is one", FL_SRC_FEED, ABSENT, NONE, { 'E', 1, 5, 'a' }, "", PLAIN, { 'E', 1, 5, 'a' }, true },
	{ "an empty first version too", FL_SRC_OPERATOR, ABSENT, NONE, { 'E', 1, 0, 'a' }, "", PLAIN, { 'E', 1, 0, 'a' }, true },
	{ "a first version that is not there", FL_SRC_FEED, ABSENT, NONE, { 'E', 1, 5, 'a' }, "h", ABSENT, NONE, false },
	{ "nothing moved", FL_SRC_FEED, PLAIN, { 'E', 3, 5, 'c' }, { 'E', 3, 5, 'c' }, "", PLAIN, { 'E', 3, 5, 'c' }, false },
	{ "the head moved", FL_SRC_FEED, PLAIN, { 'E', 3, 5, 'c' }, { 'E', 7, 2, 'g' }, "", PLAIN, { 'E', 7, 2, 'g' }, true },
	{ "the guard has judged it already", FL_SRC_FEED, PLAIN, { 'E', 3, 50000, 'c' }, { 'E', 4, 0, 'd' }, "", PLAIN, { 'E', 4, 0, 'd' }, true },
	{ "pinned", FL_SRC_FEED, PINNED, { 'E', 3, 5, 'c' }, { 'E', 7, 2, 'g' }, "", PINNED, { 'E', 3, 5, 'c' }, false },
	{ "pinned to before it came", FL_SRC_FEED, PINNED, NONE, { 'E', 7, 2, 'g' }, "", PINNED, NONE, false },
	{ "pinned, and lost", FL_SRC_FEED, PINNED, { 'E', 3, 5, 'c' }, { 'E', 7, 2, 'g' }, "i", PINNED_GONE, { 'E', 3, 5, 'c' }, true },
	{ "pinned, lost, and there again", FL_SRC_FEED, PINNED_GONE, { 'E', 3, 5, 'c' }, { 'E', 7, 2, 'g' }, "", PINNED, { 'E', 3, 5, 'c' }, true },
	{ "let go, but the source is lost", FL_SRC_FEED, PLAIN, NONE, NONE, "", PLAIN, NONE, false },
	{ "let go", FL_SRC_FEED, PLAIN, NONE, { 'E', 7, 2, 'g' }, "", PLAIN, { 'E', 7, 2, 'g' }, true },
	/* the source is lost */
	{ "no head any more", FL_SRC_FEED, PLAIN, { 'E', 3, 5, 'c' }, NONE, "i", GONE, { 'E', 3, 5, 'c' }, true },
	{ "still none", FL_SRC_FEED, GONE, { 'E', 3, 5, 'c' }, NONE, "i", GONE, { 'E', 3, 5, 'c' }, false },
	{ "in a new epoch, small", FL_SRC_FEED, GONE, { 'E', 3, 5, 'c' }, { 'F', 1, 2, 'x' }, "i", PLAIN, { 'F', 1, 2, 'x' }, true },
	{ "in a new epoch, empty", FL_SRC_FEED, GONE, { 'E', 3, 5, 'c' }, { 'F', 1, 0, 'x' }, "i", GONE, { 'E', 3, 5, 'c' }, false },
	{ "in a new epoch, most of it", FL_SRC_FEED, GONE, { 'E', 3, 5000, 'c' }, { 'F', 1, 3500, 'x' }, "i", PLAIN, { 'F', 1, 3500, 'x' }, true },
	{ "in a new epoch, too little", FL_SRC_FEED, GONE, { 'E', 3, 5000, 'c' }, { 'F', 1, 3499, 'x' }, "i", GONE, { 'E', 3, 5000, 'c' }, false },
	/* the source went back */
	{ "below, small", FL_SRC_FEED, PLAIN, { 'E', 5, 5, 'e' }, { 'E', 3, 4, 'c' }, "i", PLAIN, { 'E', 3, 4, 'c' }, true },
	{ "below, too little", FL_SRC_FEED, PLAIN, { 'E', 5, 5000, 'e' }, { 'E', 3, 300, 'c' }, "i", GONE, { 'E', 5, 5000, 'e' }, true },
	{ "below, and the old version is still there", FL_SRC_FEED, PLAIN, { 'E', 5, 5, 'e' }, { 'E', 3, 4, 'c' }, "", PLAIN, { 'E', 3, 4, 'c' }, true },
	{ "beside", FL_SRC_FEED, PLAIN, { 'E', 5, 5, 'e' }, { 'E', 5, 4, 'x' }, "i", PLAIN, { 'E', 5, 4, 'x' }, true },
	{ "beside, too little", FL_SRC_FEED, PLAIN, { 'E', 5, 5000, 'e' }, { 'E', 5, 400, 'x' }, "i", GONE, { 'E', 5, 5000, 'e' }, true },
	{ "above on another way, too little", FL_SRC_FEED, PLAIN, { 'E', 5, 5000, 'e' }, { 'E', 6, 400, 'x' }, "i", GONE, { 'E', 5, 5000, 'e' }, true },
	{ "above on another way, enough", FL_SRC_FEED, GONE, { 'E', 5, 5000, 'e' }, { 'E', 6, 5100, 'x' }, "i", PLAIN, { 'E', 6, 5100, 'x' }, true },
	{ "what people entered, less", FL_SRC_OPERATOR, PLAIN, { 'E', 5, 5, 'e' }, { 'E', 3, 4, 'c' }, "i", GONE, { 'E', 5, 5, 'e' }, true },
	{ "what findings entered, as much", FL_SRC_FINDINGS, PLAIN, { 'E', 5, 5, 'e' }, { 'E', 3, 5, 'c' }, "i", PLAIN, { 'E', 3, 5, 'c' }, true },
	/* the head's version is missing */
	{ "a head of which nothing is there", FL_SRC_FEED, PLAIN, { 'E', 4, 5, 'd' }, { 'E', 5, 5, 'e' }, "h", PLAIN, { 'E', 4, 5, 'd' }, false },
	{ "nor of the input", FL_SRC_FEED, PLAIN, { 'E', 4, 5, 'd' }, { 'E', 5, 5, 'e' }, "hi", GONE, { 'E', 4, 5, 'd' }, true },
	{ "the input is the head", FL_SRC_FEED, PLAIN, { 'E', 5, 5, 'e' }, { 'E', 5, 5, 'e' }, "hi", GONE, { 'E', 5, 5, 'e' }, true },
	{ "and the source goes on", FL_SRC_FEED, GONE, { 'E', 5, 5, 'e' }, { 'E', 6, 5, 'f' }, "i", PLAIN, { 'E', 6, 5, 'f' }, true },
	{ "and is there again", FL_SRC_FEED, GONE, { 'E', 5, 5, 'e' }, { 'E', 5, 5, 'e' }, "", PLAIN, { 'E', 5, 5, 'e' }, true },
};

static struct fl_pub_source source_of(const char *name, const struct row *r)
{
	return (struct fl_pub_source){ .cfg = { .source = name, .kind = r->kind },
				       .head = { .id = id_of(&r->head), .entries = r->head.entries },
				       .head_lost = strchr(r->lost, 'h') != NULL,
				       .input_lost = strchr(r->lost, 'i') != NULL };
}

static void check(const struct row *r, const struct fl_list_input *in)
{
	struct fl_version_id want = id_of(&r->next);

	if (!fl_version_id_eq(&in->id, &want) || in->entries != r->next.entries)
		fail_msg("%s: version %llu with %llu entries", r->what, (unsigned long long)in->id.number, (unsigned long long)in->entries);
	if (in->pinned != (r->has == PINNED || r->has == PINNED_GONE) || in->gone != (r->has == GONE || r->has == PINNED_GONE))
		fail_msg("%s: flags '%s'", r->what, fl_list_input_flags(in));
}

static void test_one_source(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		struct fl_list_input had = input_of("f", &r->input, r->had), out[2];
		struct fl_list_version current = { .inputs = &had, .n_inputs = r->had != ABSENT };
		struct fl_pub_source source = source_of("f", r);
		fl_unix_us at;
		uint32_t n;
		bool changed = fl__next_inputs(&current, &source, 1, &guard, out, &n, &at);

		if (n != (r->has != ABSENT) || changed != r->changed)
			fail_msg("%s: %u inputs, %s", r->what, n, changed ? "changed" : "unchanged");
		if (n)
			check(r, &out[0]);
	}
}

/* One that cannot go on holds no other back. */
static void test_others_go_on(void **state)
{
	const struct row *bad = NULL, *moved = &rows[5];
	struct fl_list_input had[2], out[4];
	struct fl_list_version current = { .inputs = had, .n_inputs = 2 };
	struct fl_pub_source sources[2];
	fl_unix_us at;
	uint32_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bad = &rows[i];
		if (bad->had == ABSENT)
			continue;
		had[0] = input_of("a", &bad->input, bad->had);
		had[1] = input_of("b", &moved->input, moved->had);
		sources[0] = source_of("a", bad);
		sources[1] = source_of("b", moved);
		assert_true(fl__next_inputs(&current, sources, 2, &guard, out, &n, &at));
		assert_int_equal(n, 2);
		check(bad, &out[0]);
		check(moved, &out[1]);
	}
}

/* The configuration says which sources a list is made of. */
static void test_sources_come_and_go(void **state)
{
	const struct row *still = &rows[4];
	struct fl_list_input had[2] = { input_of("a", &still->input, PLAIN), input_of("b", &still->input, PINNED) }, out[4];
	struct fl_list_version current = { .inputs = had, .n_inputs = 2 };
	struct fl_pub_source sources[2] = { source_of("a", still), source_of("c", still) };
	fl_unix_us at;
	uint32_t n;

	(void)state;
	sources[1].head.published_at = 77;
	assert_true(fl__next_inputs(&current, sources, 1, &guard, out, &n, &at)); /* b left, its pin with it */
	assert_int_equal(n, 1);
	assert_true(fl__next_inputs(&current, sources, 2, &guard, out, &n, &at));
	assert_int_equal(n, 2);
	assert_string_equal(out[1].source, "c");
	assert_int_equal(at, 77); /* the time of what moved */
	assert_true(fl__next_inputs(&current, sources, 0, &guard, out, &n, &at));
	assert_int_equal(n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_one_source), cmocka_unit_test(test_others_go_on), cmocka_unit_test(test_sources_come_and_go) };

	return cmocka_run_group_tests_name("next", tests, NULL, NULL);
}
