/* Purging a source, over both stores: what may go, what is refused and why, and what stays readable. */
#include "base/text.h"
#include "ingest/ingest.h"
#include "tests/support/sets_help.h"

static const struct fl_cfg_list lists[] = { { .name = "mal", .description = "" } };
static const struct fl_cfg_feed feeds[] = { { .name = "fa", .into = "mal", .url = "http://a.example/", .path = "", .enabled = true } };
static struct fl_config cfg;
static struct fl_findings_stage *stage;
static struct fl_lease list_leases[2];
static struct fl_err why;

/* The configuration has feed fa into list mal; fb has been one, and list old too. */
static void begin(void)
{
	static const char *const sources[] = { "fa", "fb" };
	struct fl_source_version v;
	struct fl_findings_config c = { &cfg, &w.s, NULL, NULL, NULL, &w.clock.door, &w.random.door, NULL };

	memset(&cfg, 0, sizeof(cfg));
	memset(list_leases, 0, sizeof(list_leases));
	cfg.lists = lists;
	cfg.n_lists = 1;
	cfg.feeds = feeds;
	cfg.n_feeds = 1;
	cfg.findings.into = FL_LIST_FINDINGS_BLOCK;
	cfg.findings.alert_into = FL_LIST_FINDINGS_ALERT;
	for (size_t i = 0; i < 2; i++) {
		struct fl_lease l = { 0 };

		assert_int_equal(commit_names(&w.s, sources[i], &l, "a.example b.example", &v), 0);
		assert_int_equal(commit_names(&w.s, sources[i], &l, "a.example", &v), 0);
		fl_lease_release(&w.s, &l, NULL);
	}
	assert_int_equal(fl_findings_open(&c, &stage, &why), 0);
}

/* The next version of a list: fa@a, fb@b, 0 for not at all. */
static void publish(const char *list, uint64_t a, uint64_t b, enum fl_cause cause)
{
	struct fl_list_input in[2];
	struct fl_list_version v;
	uint32_t n = 0;

	if (a)
		in[n++] = input_at(&w.s, "fa", a);
	if (b)
		in[n++] = input_at(&w.s, "fb", b);
	assert_int_equal(commit_inputs(&w.s, list, &list_leases[strcmp(list, "old") == 0], in, n, (struct fl_list_commit){ .cause = cause, .actor = "t" }, &w.arena, &v, NULL),
			 0);
}

static int purge(const char *source)
{
	memset(&why, 0, sizeof(why));
	return fl_source_purge(stage, source, "mona", "not wanted", &why);
}

static void head_is(const char *source, uint64_t number, const char *state)
{
	struct fl_head h;

	assert_int_equal(fl_set_head(&w.s, FL_SOURCE, source, &h, NULL), 0);
	assert_int_equal(h.id.number, number);
	assert_string_equal(h.state, state);
}

/* Nothing that a list is made of now is taken from under it. */
static void test_refused_while_a_list_is_made_of_it(void **state)
{
	(void)state;
	begin();
	publish("mal", 2, 2, FL_CAUSE_SOURCES);
	publish("old", 0, 1, FL_CAUSE_SOURCES);
	assert_int_equal(purge("fa"), FL_EREFUSED);
	assert_non_null(strstr(why.text, "is in the configuration"));
	assert_int_equal(purge("fb"), FL_EREFUSED);
	assert_non_null(strstr(why.text, "'mal' (version 1)"));
	assert_non_null(strstr(why.text, "'old' (version 1)"));
	head_is("fb", 2, "ok"); /* and nothing was done */
	assert_true(names_are(&w.s, "fb", 1, "a.example b.example"));
	/* the publisher has taken the configuration: the list goes on without it */
	publish("mal", 2, 0, FL_CAUSE_SOURCES);
	assert_int_equal(purge("fb"), FL_EREFUSED);
	assert_null(strstr(why.text, "'mal'"));
	assert_non_null(strstr(why.text, "'old' (version 1): purge the list first"));
	publish("old", 0, 0, FL_CAUSE_DELETE);
	assert_int_equal(purge("fb"), 0);
	head_is("fb", 3, "deleted");
	assert_int_equal(purge("unheard"), FL_ENOTFOUND);
	fl_findings_close(stage);
}

/* It is complete: a deleting version that reads alone, and no other key. What older versions of lists had of it is gone, the rest of them reads. */
static void test_complete(void **state)
{
	struct fl_list_version v;
	struct fl_source_version sv;
	struct fl_lease l = { 0 };

	(void)state;
	begin();
	publish("mal", 1, 2, FL_CAUSE_SOURCES);
	publish("mal", 2, 0, FL_CAUSE_SOURCES);
	assert_int_equal(purge("fb"), 0);
	head_is("fb", 3, "deleted");
	assert_true(names_are(&w.s, "fb", 3, ""));
	assert_int_equal(redis_int(&w, "EXISTS {fl}:source/fb:v:1 {fl}:source/fb:v:2 {fl}:source/fb:d:1 {fl}:source/fb:d:2 {fl}:source/fb:needed {fl}:source/fb:lease"), 0);
	assert_int_equal(fl_list_version_get(&w.s, "mal", 1, &w.arena, &v, NULL), 0);
	assert_int_equal(v.inputs[1].id.number, 2);
	assert_int_equal(fl_source_version_get(&w.s, "fb", 2, &sv, NULL), FL_ENOTFOUND);
	assert_true(names_are(&w.s, "fa", 1, "a.example b.example"));
	/* again, also while a list names the deletion itself: it stays */
	publish("mal", 2, 3, FL_CAUSE_SOURCES);
	assert_int_equal(purge("fb"), 0);
	head_is("fb", 3, "deleted");
	assert_true(names_are(&w.s, "fb", 3, ""));
	/* and back: above it */
	assert_int_equal(commit_names(&w.s, "fb", &l, "c.example", &sv), 0);
	assert_int_equal(sv.id.number, 4);
	fl_findings_close(stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = { BOTH(test_refused_while_a_list_is_made_of_it), BOTH(test_complete) };

	return world_run("purge", tests, sizeof(tests) / sizeof(tests[0]));
}
