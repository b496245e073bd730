/* What the feed stage promises: the last good version stands on any failure and the reason is told; nobody is asked more often than needed; a set in hand is not lost. */
#include "ingest_help.h"

static struct fl_ingest *ing;

static struct fl_ingest *open_ingest(struct fl_sets *s)
{
	struct fl_ingest_config c = { .cfg = &cfg, .sets = s, .http = &web.door, .clock = &w.clock.door, .random = &w.random.door, .names = names_lib };
	struct fl_ingest *g = NULL;

	assert_int_equal(fl_ingest_open(&c, &g, &why), 0);
	return g;
}

static int setup(void **state)
{
	(void)state;
	if (ingest_world() < 0)
		return -1;
	ing = open_ingest(&w.f);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fl_ingest_close(ing);
	return ingest_world_end();
}

#define FEED(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void step(void)
{
	fl_mono_ns wake;

	assert_int_equal(fl_ingest_step(ing, fl_now_mono(&w.clock.door), &wake), 0);
	assert_true(wake > 0);
}

/* Steps every 100 ms; ends early when a transfer waits for its answer. */
static void run(int64_t ms)
{
	for (int64_t t = 0; t <= ms; t += 100) {
		step();
		if (asked_for(URL_A) || asked_for(URL_B) || asked_for(URL_C))
			return;
		fl_clock_mem_advance(&w.clock, 100 * FL_NS_PER_MS);
	}
}

static void give(const char *url, struct answer a)
{
	run(3600000);
	web_answer(url, a);
	step();
}

static struct fl_feed_status status_of(const char *name)
{
	struct fl_feed_status *v;
	size_t n;

	fl_ingest_status(ing, &w.arena, &v, &n);
	for (size_t i = 0; i < n; i++)
		if (strcmp(v[i].name, name) == 0)
			return v[i];
	fail_msg("no feed %s", name);
	return (struct fl_feed_status){ 0 };
}

static void test_first_fetch(void **state)
{
	struct fl_source_version v;
	struct fl_feed_status s;

	(void)state;
	run(1000);
	assert_non_null(asked_for(URL_A));
	assert_int_equal(status_of("fa").state, FL_FEED_FETCHING);
	give(URL_A, (struct answer){ .body = "# list\nA.example\nb.example.\nb.example\n\n", .etag = "\"1\"", .last_modified = "Mon, 01 Jan 2024 00:00:00 GMT" });
	assert_int_equal(version_of("fa", &v), 1);
	assert_true(holds("fa", "a.example b.example"));
	assert_string_equal(v.fetch.etag, "\"1\"");
	assert_string_equal(v.fetch.last_modified, "Mon, 01 Jan 2024 00:00:00 GMT");
	assert_int_equal(strlen(v.fetch.body_sha256), 64);
	assert_int_equal(v.cause, FL_CAUSE_FEED);
	assert_int_equal(status_of("fa").state, FL_FEED_OK);
	assert_int_equal(status_of("fa").version, 1);
	assert_int_equal(status_of("fa").names, 2);
	s = status_of("fa");
	assert_true(fl_tally_balances(&s.lines) && fl_tally_balances(&s.claims));
	assert_int_equal(web_running(NULL), 0);
	assert_int_equal(redis_int(&w, "EXISTS {fl}:source/fa:lease"), 0);
}

static void test_conditional(void **state)
{
	(void)state;
	give(URL_A, (struct answer){ .body = "a.example\n", .etag = "\"1\"", .last_modified = "then" });
	run(3600000);
	assert_string_equal(asked_for(URL_A)->etag, "\"1\"");
	assert_string_equal(asked_for(URL_A)->last_modified, "then");
	give(URL_A, (struct answer){ .status = 304 });
	assert_int_equal(status_of("fa").state, FL_FEED_UNCHANGED);
	assert_int_equal(version_of("fa", NULL), 1);
	/* a server that knows no validators: the body's digest says the same */
	give(URL_A, (struct answer){ .body = "a.example\n" });
	assert_int_equal(status_of("fa").state, FL_FEED_UNCHANGED);
	/* other comments, same names */
	give(URL_A, (struct answer){ .body = "# later\na.example\n" });
	assert_int_equal(version_of("fa", NULL), 1);
	assert_int_equal(status_of("fa").failures_in_row, 0);
	give(URL_A, (struct answer){ .body = "a.example\nb.example\n" });
	assert_int_equal(version_of("fa", NULL), 2);
	/* a process that starts now goes on with what the version says of its fetch */
	give(URL_A, (struct answer){ .body = "b.example\n", .etag = "\"9\"" });
	fl_ingest_close(ing);
	ing = open_ingest(&w.f);
	run(1000);
	assert_string_equal(asked_for(URL_A)->etag, "\"9\"");
	give(URL_A, (struct answer){ .status = 304 });
	assert_int_equal(version_of("fa", NULL), 3);
	assert_true(holds("fa", "b.example"));
}

/* 1,200 names, so that the guard by ratio counts. */
static char *many_names(size_t n)
{
	struct fl_buf b = { 0 };
	char *text;

	for (size_t i = 0; i < n; i++)
		fl_buf_printf(&b, "n%zu.example\n", i);
	text = fl_arena_str(&w.arena, fl_buf_cstr(&b));
	fl_buf_done(&b);
	return text;
}

static void test_bad_answers(void **state)
{
	static const struct {
		const char *what;
		struct answer a;
		const char *says; /* in the reason */
		enum fl_feed_state state;
	} rows[] = {
		{ "a web page", { .body = "<!DOCTYPE html>\n<html><body>Sign in</body></html>\n" }, "HTML", FL_FEED_DEGRADED },
		{ "a page without doctype", { .body = "\n  <html lang=en>\n<p>a.example</p>\n" }, "HTML", FL_FEED_DEGRADED },
		{ "an error in JSON", { .body = "{\"error\":\"rate limited\"}\n" }, "", FL_FEED_DEGRADED },
		{ "nothing", { .body = "" }, "empty", FL_FEED_DEGRADED },
		{ "comments only", { .body = "# gone\n# for good\n" }, "became empty", FL_FEED_HELD },
		{ "a binary file", { .body = "\x7f" "ELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0>\0\x01", .body_n = 22 }, "", FL_FEED_DEGRADED },
		{ "more refused than accepted", { .body = "a.example\nnot a name\nneither this one\n??\n" }, "refused", FL_FEED_DEGRADED },
		{ "not found", { .status = 404, .body = "a.example\n" }, "404", FL_FEED_DEGRADED },
		{ "forbidden", { .status = 403 }, "403", FL_FEED_DEGRADED },
		{ "broken", { .status = 500, .body = "a.example\n" }, "500", FL_FEED_DEGRADED },
		{ "part of it", { .status = 206, .body = "a.example\n" }, "206", FL_FEED_DEGRADED },
		{ "too many requests", { .status = 429, .retry_after_s = 60 }, "429", FL_FEED_DEGRADED },
		{ "unreachable", { .code = FL_EUNAVAIL, .reason = "one.example: connection refused" }, "refused", FL_FEED_DEGRADED },
		{ "cut off", { .code = FL_EFORMAT, .reason = "the body was cut off" }, "cut off", FL_FEED_DEGRADED },
		{ "too big", { .code = FL_ELIMIT, .reason = "the body is over 1048576 octets" }, "1048576", FL_FEED_DEGRADED },
		{ "a private address", { .code = FL_EREFUSED, .reason = "redirected to 169.254.169.254" }, "169.254", FL_FEED_DEGRADED },
		{ "a broken gzip", { .body = "\x1f\x8b\x08\0\0\0\0\0\0\x03garbage", .body_n = 17 }, "", FL_FEED_DEGRADED },
	};
	struct fl_source_version before, after;

	(void)state;
	give(URL_A, (struct answer){ .body = "a.example\nb.example\n", .etag = "\"1\"" });
	version_of("fa", &before);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_feed_status s;

		give(URL_A, rows[i].a);
		s = status_of("fa");
		if (s.state != rows[i].state || !s.reason[0] || !strstr(s.reason, rows[i].says))
			fail_msg("%s: %s: %s", rows[i].what, fl_feed_state_word(s.state), s.reason);
		if (version_of("fa", &after) != 1 || !fl_version_id_eq(&before.id, &after.id))
			fail_msg("%s: another version", rows[i].what);
		assert_int_equal(s.failures_in_row, i + 1);
		assert_int_equal(s.version, 1);
		assert_true(s.next_try > fl_now_unix(&w.clock.door));
	}
	assert_true(holds("fa", "a.example b.example"));
	give(URL_A, (struct answer){ .body = "a.example\nc.example\n" }); /* and it heals by itself */
	assert_int_equal(status_of("fa").state, FL_FEED_OK);
	assert_string_equal(status_of("fa").reason, "");
	assert_int_equal(status_of("fa").failures_in_row, 0);
	assert_true(holds("fa", "a.example c.example"));
}

/* A first body that is bad makes no version at all. */
static void test_bad_from_the_start(void **state)
{
	(void)state;
	feeds[0].min_names = 3;
	assert_int_equal(fl_ingest_reload(ing, &cfg), 0);
	give(URL_A, (struct answer){ .body = "a.example\nb.example\n" });
	assert_int_equal(version_of("fa", NULL), 0);
	assert_non_null(strstr(status_of("fa").reason, "min_names"));
	give(URL_A, (struct answer){ .status = 304 }); /* of what? */
	assert_int_equal(version_of("fa", NULL), 0);
	assert_int_equal(status_of("fa").state, FL_FEED_DEGRADED);
	give(URL_A, (struct answer){ .body = "a.example\nb.example\nc.example\n" });
	assert_int_equal(version_of("fa", NULL), 1);
}

/* A person's word on what is held of fa, or on a name. */
static int say(bool approve, const char *name)
{
	struct fl_feed_word word = { .approve = approve, .names = &name, .n_names = name != NULL, .actor = "alice", .reason = "I know them" };

	return fl_ingest_judge(ing, "fa", &word, fl_now_mono(&w.clock.door), &why);
}

static void test_guard_and_approve(void **state)
{
	(void)state;
	give(URL_A, (struct answer){ .body = many_names(1200) });
	assert_int_equal(version_of("fa", NULL), 1);
	give(URL_A, (struct answer){ .body = many_names(700), .etag = "\"small\"" });
	assert_int_equal(status_of("fa").state, FL_FEED_HELD);
	assert_int_equal(version_of("fa", NULL), 1);
	give(URL_A, (struct answer){ .body = many_names(2600) });
	assert_int_equal(status_of("fa").state, FL_FEED_HELD);
	give(URL_A, (struct answer){ .body = many_names(1000) }); /* a real purge is not held */
	assert_int_equal(version_of("fa", NULL), 2);
	give(URL_A, (struct answer){ .body = many_names(500) });
	assert_int_equal(version_of("fa", NULL), 2);
	assert_int_equal(status_of("fa").held.before, 1000);
	assert_int_equal(status_of("fa").held.after, 500);
	assert_int_equal(status_of("fa").held.removed, 500);
	assert_int_equal(say(true, NULL), 0);
	run(200);
	assert_non_null(asked_for(URL_A)); /* at once */
	give(URL_A, (struct answer){ .body = many_names(500) });
	assert_int_equal(version_of("fa", NULL), 3);
	give(URL_A, (struct answer){ .body = many_names(200) }); /* 500 names: under 1,000 on both sides, by ratio nothing is held */
	assert_int_equal(version_of("fa", NULL), 4);
	give(URL_A, (struct answer){ .body = "# none\n" });
	assert_int_equal(status_of("fa").state, FL_FEED_HELD); /* but an emptied set is, at any size */
	assert_int_equal(say(true, NULL), 0);
	give(URL_A, (struct answer){ .body = "# none\n" });
	assert_int_equal(version_of("fa", NULL), 5);
	assert_true(holds("fa", ""));
	assert_int_equal(fl_ingest_refresh(ing, "nofeed", 0), FL_ENOTFOUND);
}

/* An approval is of one content upon one version: the same collapse later is asked about again. */
static void test_an_approval_is_of_one_step(void **state)
{
	(void)state;
	give(URL_A, (struct answer){ .body = many_names(1200) });
	assert_int_equal(say(true, NULL), FL_EREFUSED); /* nothing is held */
	give(URL_A, (struct answer){ .body = many_names(600) });
	assert_int_equal(say(true, NULL), 0);
	give(URL_A, (struct answer){ .body = many_names(500) }); /* not what was approved */
	assert_int_equal(status_of("fa").state, FL_FEED_HELD);
	give(URL_A, (struct answer){ .body = many_names(600) });
	assert_int_equal(version_of("fa", NULL), 2);
	give(URL_A, (struct answer){ .body = many_names(1100) });
	assert_int_equal(version_of("fa", NULL), 3);
	give(URL_A, (struct answer){ .body = many_names(600) });
	assert_int_equal(status_of("fa").state, FL_FEED_HELD);
	assert_int_equal(version_of("fa", NULL), 3);
}

/* As many names, but others: by counts of what comes and goes, not by size. */
static void test_a_swap_is_held(void **state)
{
	char *swapped;

	(void)state;
	give(URL_A, (struct answer){ .body = many_names(1200) });
	swapped = strdup(many_names(1200));
	for (char *c = swapped; (c = strstr(c, ".example")); c += 8)
		memcpy(c, ".invalid", 8);
	give(URL_A, (struct answer){ .body = swapped });
	assert_int_equal(status_of("fa").state, FL_FEED_HELD);
	assert_int_equal(status_of("fa").held.removed, 1200);
	assert_int_equal(version_of("fa", NULL), 1);
	free(swapped);
}

/* A lagging mirror's copy waits; a newer one, or a person, goes on. */
static void test_an_older_copy_is_held(void **state)
{
	(void)state;
	give(URL_A, (struct answer){ .body = "a.example\n", .last_modified = "Mon, 01 Jan 2024 10:00:00 GMT" });
	give(URL_A, (struct answer){ .body = "a.example\nb.example\n", .last_modified = "Tue, 02 Jan 2024 10:00:00 GMT" });
	assert_int_equal(version_of("fa", NULL), 2);
	give(URL_A, (struct answer){ .body = "a.example\n", .last_modified = "Mon, 01 Jan 2024 10:00:00 GMT" });
	assert_int_equal(version_of("fa", NULL), 2);
	assert_int_equal(status_of("fa").state, FL_FEED_HELD);
	assert_non_null(strstr(status_of("fa").reason, "older copy"));
	assert_non_null(strstr(status_of("fa").reason, "Tue, 02 Jan 2024"));
	give(URL_A, (struct answer){ .body = "# same names\na.example\nb.example\n", .last_modified = "Mon, 01 Jan 2024 10:00:00 GMT" });
	assert_int_equal(status_of("fa").state, FL_FEED_UNCHANGED); /* nothing is taken back by it */
	give(URL_A, (struct answer){ .body = "b.example\n", .last_modified = "Tue, 02 Jan 2024 10:00:00 GMT" });
	assert_int_equal(version_of("fa", NULL), 3);
	give(URL_A, (struct answer){ .body = "a.example\n", .last_modified = "Mon, 01 Jan 2024 10:00:00 GMT" });
	assert_int_equal(status_of("fa").state, FL_FEED_HELD);
	assert_int_equal(say(true, NULL), 0);
	give(URL_A, (struct answer){ .body = "a.example\n", .last_modified = "Mon, 01 Jan 2024 10:00:00 GMT" });
	assert_int_equal(version_of("fa", NULL), 4);
	assert_true(holds("fa", "a.example"));
	/* without dates, and after one that nobody can have: nothing to go by */
	give(URL_A, (struct answer){ .body = "b.example\n" });
	assert_int_equal(version_of("fa", NULL), 5);
	give(URL_A, (struct answer){ .body = "c.example\n", .last_modified = "Fri, 31 Dec 2099 10:00:00 GMT" });
	give(URL_A, (struct answer){ .body = "d.example\n", .last_modified = "Mon, 01 Jan 2024 10:00:00 GMT" });
	assert_int_equal(version_of("fa", NULL), 7);
}

/* Ended by nothing but its connection: whole lines are taken, half a line is half a body. */
static void test_half_a_line(void **state)
{
	(void)state;
	give(URL_A, (struct answer){ .body = "a.example\nb.example\n", .unframed = true });
	assert_int_equal(version_of("fa", NULL), 1);
	give(URL_A, (struct answer){ .body = "a.example\nb.example\nc.exam", .unframed = true });
	assert_int_equal(version_of("fa", NULL), 1);
	assert_int_equal(status_of("fa").state, FL_FEED_DEGRADED);
	assert_non_null(strstr(status_of("fa").reason, "cut off"));
	give(URL_A, (struct answer){ .body = "a.example\nb.example\nc.exam" });
	assert_int_equal(version_of("fa", NULL), 2);
}

static void test_too_many_names(void **state)
{
	(void)state;
	feeds[0].max_names = 1500;
	give(URL_A, (struct answer){ .body = many_names(1500) });
	assert_int_equal(version_of("fa", NULL), 1);
	give(URL_A, (struct answer){ .body = many_names(1501) });
	assert_int_equal(version_of("fa", NULL), 1);
	assert_int_equal(status_of("fa").state, FL_FEED_DEGRADED);
	assert_string_equal(status_of("fa").reason, "over 1500 names");
}

static void test_rejected_content_is_remembered(void **state)
{
	(void)state;
	give(URL_A, (struct answer){ .body = many_names(1200) });
	give(URL_A, (struct answer){ .body = many_names(600) });
	assert_int_equal(say(false, NULL), 0);
	give(URL_A, (struct answer){ .body = many_names(600) });
	assert_int_equal(status_of("fa").state, FL_FEED_DEGRADED);
	assert_non_null(strstr(status_of("fa").reason, "rejected by alice: I know them"));
	assert_int_equal(fl_ingest_reload(ing, &cfg), 0);
	give(URL_A, (struct answer){ .body = many_names(600) });
	assert_int_equal(status_of("fa").state, FL_FEED_DEGRADED);
	give(URL_A, (struct answer){ .body = many_names(1190) }); /* a newer one goes on */
	assert_int_equal(version_of("fa", NULL), 2);
}

/* What would block a protected name stays out alone, is listed, and comes when a person says so. */
static void test_quarantine(void **state)
{
	static const char *const names[] = { "*.corp.example" };
	struct fl_feed_status s;
	static struct fl_arena arena;
	struct fl_feed_status *all;
	size_t n;

	(void)state;
	cfg.protected_names = names;
	cfg.n_protected_names = 1;
	assert_int_equal(fl_ingest_reload(ing, &cfg), 0);
	give(URL_A, (struct answer){ .body = "a.example\nhost.corp.example\nocsp.digicert.com\nb.example\n", .etag = "\"q\"" });
	assert_true(holds("fa", "a.example b.example"));
	fl_ingest_status(ing, &arena, &all, &n);
	s = all[0];
	assert_int_equal(s.state, FL_FEED_OK);
	assert_int_equal(s.quarantined_total, 2);
	assert_string_equal(s.quarantined[0].entry, "ocsp.digicert.com");
	assert_string_equal(s.quarantined[0].why, "shipped");
	assert_string_equal(s.quarantined[1].name, "corp.example");
	assert_int_equal(say(true, "ocsp.digicert.com"), 0);
	give(URL_A, (struct answer){ .body = "a.example\nhost.corp.example\nocsp.digicert.com\nb.example\n", .etag = "\"q\"" });
	assert_true(holds("fa", "a.example b.example ocsp.digicert.com"));
	assert_int_equal(status_of("fa").quarantined_total, 1);
	assert_int_equal(say(false, "ocsp.digicert.com"), 0); /* and back */
	give(URL_A, (struct answer){ .body = "a.example\nhost.corp.example\nocsp.digicert.com\nb.example\n", .etag = "\"q\"" });
	assert_true(holds("fa", "a.example b.example"));
	/* a new process, a body that is not read again: what stays out is still known */
	fl_ingest_close(ing);
	assert_int_equal(fl_ingest_open(&(struct fl_ingest_config){ .cfg = &cfg, .sets = &w.s, .http = &web.door, .clock = &w.clock.door, .random = &w.random.door, .names = names_lib }, &ing, NULL), 0);
	give(URL_A, (struct answer){ .status = 304 });
	assert_int_equal(status_of("fa").quarantined_total, 2);
	assert_string_equal(status_of("fa").quarantined[1].entry, "host.corp.example");
	cfg.n_protected_names = 0;
	fl_arena_done(&arena);
}

/* Whatever a feed names: what breaks networks is refused or kept out, each with its reason, and the rest goes on. */
static void test_a_feed_that_names_everything(void **state)
{
	static const char *const zones[] = { "corp.example", "10.in-addr.arpa" };
	static const struct fl_cfg_upstream upstream = { .name = "corp", .zones = zones, .n_zones = 2 };
	static const struct {
		const char *entry, *why;
	} kept_out[] = { { "google.com", "shipped" }, { "one.example", "feed-host" }, { "intranet.corp.example", "own-zone" }, { "broker.example", "pipeline-host" },
			 { "store.example", "pipeline-host" } };
	struct fl_feed_status s;

	(void)state;
	cfg.upstreams = &upstream;
	cfg.n_upstreams = 1;
	cfg.kafka_brokers = "broker.example:9092,192.0.2.9:9092";
	cfg.redis_url = "redis://store.example:6379/0";
	assert_int_equal(fl_ingest_reload(ing, &cfg), 0);
	give(URL_A, (struct answer){ .body = "good.example\ngoogle.com\nco.uk\ncom\ncdn.\none.example\nintranet.corp.example\nbroker.example\nstore.example\n"
					     "below.google.com\nlocalhost\n" });
	assert_true(holds("fa", "good.example below.google.com"));
	s = status_of("fa");
	assert_int_equal(s.claims.dropped[FL_DROP_ICANN_SUFFIX], 1); /* co.uk */
	assert_int_equal(s.claims.dropped[FL_DROP_SINGLE_LABEL] + s.claims.dropped[FL_DROP_LOCAL_NAME] + s.lines.dropped[FL_DROP_LOCAL_NAME] +
				 s.lines.dropped[FL_DROP_SINGLE_LABEL],
			 3); /* com, cdn, localhost */
	assert_int_equal(s.quarantined_total, sizeof(kept_out) / sizeof(kept_out[0]));
	for (size_t i = 0; i < sizeof(kept_out) / sizeof(kept_out[0]); i++) {
		bool found = false;

		for (size_t k = 0; k < s.n_quarantined; k++)
			found = found || (strcmp(s.quarantined[k].entry, kept_out[i].entry) == 0 && strcmp(s.quarantined[k].why, kept_out[i].why) == 0);
		if (!found)
			fail_msg("%s is not kept out because of %s", kept_out[i].entry, kept_out[i].why);
	}
	assert_true(fl_tally_balances(&s.claims) && fl_tally_balances(&s.lines));
	cfg.n_upstreams = 0;
	cfg.kafka_brokers = cfg.redis_url = NULL;
}

/* Other URL, other list: what the old one's answers said of dates and tags means nothing there. */
static void test_another_url(void **state)
{
	(void)state;
	give(URL_A, (struct answer){ .body = "a.example\n", .etag = "\"1\"", .last_modified = "Tue, 02 Jan 2024 00:00:00 GMT" });
	feeds[0].url = URL_C "2";
	assert_int_equal(fl_ingest_reload(ing, &cfg), 0);
	run(1000);
	assert_non_null(asked_for(URL_C "2"));
	assert_string_equal(asked_for(URL_C "2")->etag, "");
	assert_string_equal(asked_for(URL_C "2")->last_modified, "");
	give(URL_C "2", (struct answer){ .body = "c.example\n", .last_modified = "Mon, 01 Jan 2024 00:00:00 GMT" });
	assert_true(holds("fa", "c.example"));
}

/* The provider took its mistake back: nothing waits any more, and a later mistake is asked about. */
static void test_a_hold_ends_by_itself(void **state)
{
	(void)state;
	give(URL_A, (struct answer){ .body = many_names(1200), .etag = "\"g\"" });
	give(URL_A, (struct answer){ .body = many_names(300) });
	assert_int_equal(status_of("fa").state, FL_FEED_HELD);
	assert_true(status_of("fa").next_try - fl_now_unix(&w.clock.door) > 400 * FL_US_PER_S); /* as after a good fetch: the provider is well */
	give(URL_A, (struct answer){ .status = 304 });
	assert_int_equal(status_of("fa").state, FL_FEED_UNCHANGED);
	assert_string_equal(status_of("fa").held.digest, "");
	assert_int_equal(say(true, NULL), FL_EREFUSED);
	give(URL_A, (struct answer){ .body = many_names(300) });
	assert_int_equal(status_of("fa").state, FL_FEED_HELD);
}

static void test_a_refusal_is_taken_back(void **state)
{
	(void)state;
	give(URL_A, (struct answer){ .body = many_names(1200) });
	give(URL_A, (struct answer){ .body = many_names(300) });
	assert_int_equal(say(false, NULL), 0);
	give(URL_A, (struct answer){ .body = many_names(300) });
	assert_int_equal(status_of("fa").state, FL_FEED_DEGRADED);
	assert_int_equal(say(true, NULL), 0);
	give(URL_A, (struct answer){ .body = many_names(300) });
	assert_int_equal(version_of("fa", NULL), 2);
	assert_int_equal(say(true, "nowhere.example"), FL_EREFUSED); /* not quarantined: no word for later */
}

/* A new body is no way round the rule that much does not end at once. */
static void test_an_expiry_by_a_new_body_waits(void **state)
{
	struct fl_buf b = { 0 };
	char until[FL_TIME_TEXT];

	(void)state;
	feeds[0].format = FL_FORMAT_STIX2;
	assert_int_equal(fl_ingest_reload(ing, &cfg), 0);
	fl_time_format(fl_now_unix(&w.clock.door) + 3600 * FL_US_PER_S, until);
	for (int more = 0; more < 2; more++) {
		fl_buf_reset(&b);
		fl_buf_str(&b, "{\"type\":\"bundle\",\"objects\":[");
		for (int i = 0; i < 300; i++)
			fl_buf_printf(&b, "{\"type\":\"indicator\",\"id\":\"indicator--%d\",\"pattern\":\"[domain-name:value='e%d.example']\",\"valid_until\":\"%s\"},", i, i, until);
		fl_buf_printf(&b, "{\"type\":\"indicator\",\"id\":\"indicator--x\",\"pattern\":\"[domain-name:value='stays%d.example']\"}]}", more);
		give(URL_A, (struct answer){ .body = fl_buf_cstr(&b) });
		if (more)
			break;
		assert_int_equal(version_of("fa", NULL), 1);
		fl_clock_mem_advance(&w.clock, 7200 * FL_NS_PER_S);
	}
	assert_int_equal(status_of("fa").state, FL_FEED_HELD);
	assert_int_equal(version_of("fa", NULL), 1);
	fl_buf_done(&b);
}

/* A record that begins to hold later does so, though the body stays as it is. */
static void test_what_is_not_valid_yet(void **state)
{
	char from[FL_TIME_TEXT];
	char *body;

	(void)state;
	feeds[0].format = FL_FORMAT_STIX2;
	assert_int_equal(fl_ingest_reload(ing, &cfg), 0);
	fl_time_format(fl_now_unix(&w.clock.door) + 3600 * FL_US_PER_S, from);
	body = fl_arena_printf(&w.arena,
			       "{\"type\":\"bundle\",\"objects\":[{\"type\":\"indicator\",\"id\":\"indicator--1\",\"pattern\":\"[domain-name:value='now.example']\"},"
			       "{\"type\":\"indicator\",\"id\":\"indicator--2\",\"pattern\":\"[domain-name:value='later.example']\",\"valid_from\":\"%s\"}]}",
			       from);
	give(URL_A, (struct answer){ .body = body, .etag = "\"s\"" });
	assert_true(holds("fa", "now.example"));
	give(URL_A, (struct answer){ .status = 304 });
	fl_clock_mem_advance(&w.clock, 3600 * FL_NS_PER_S);
	run(1000);
	if (asked_for(URL_A) && asked_for(URL_A)->etag[0])
		give(URL_A, (struct answer){ .status = 304 });
	run(1000);
	assert_string_equal(asked_for(URL_A)->etag, "");
	give(URL_A, (struct answer){ .body = body, .etag = "\"s\"" });
	assert_true(holds("fa", "later.example now.example"));
}

/* A list that only opens names may hold any. */
static void test_an_allow_list_is_not_quarantined(void **state)
{
	static const struct fl_cfg_rule rule = { .name = "r", .priority = 1, .list = "mal", .action = FL_ACTION_ALLOW };
	static const struct fl_cfg_rule_group group = { .name = "g", .rules = &rule, .n_rules = 1 };

	(void)state;
	cfg.rule_groups = &group;
	cfg.n_rule_groups = 1;
	give(URL_A, (struct answer){ .body = "a.example\ngoogle.com\n" });
	assert_true(holds("fa", "a.example google.com"));
	cfg.n_rule_groups = 0;
}

/* --- how often --- */

static int64_t wait_s(void)
{
	return (status_of("fa").next_try - fl_now_unix(&w.clock.door)) / FL_US_PER_S;
}

static void test_back_off(void **state)
{
	int64_t last = 0;

	(void)state;
	for (int i = 0; i < 8; i++) {
		give(URL_A, (struct answer){ .status = 500 });
		assert_true(wait_s() >= 20 && wait_s() <= 721); /* from 30 s, doubled, to the interval; a fifth of jitter */
		if (i < 4)
			assert_true(wait_s() > last);
		last = wait_s();
	}
	assert_true(last >= 479);
	give(URL_A, (struct answer){ .body = "a.example\n" });
	give(URL_A, (struct answer){ .status = 500 });
	assert_true(wait_s() <= 36); /* begins anew */
}

static void test_retry_after(void **state)
{
	(void)state;
	give(URL_A, (struct answer){ .status = 429, .retry_after_s = 7200 });
	assert_int_equal(wait_s(), 7200);
	run(7000000);
	assert_null(asked_for(URL_A));
	run(300000);
	assert_non_null(asked_for(URL_A));
	web_answer(URL_A, (struct answer){ .status = 503, .retry_after_s = INT64_C(1) << 60 }); /* nobody is obeyed for ever */
	step();
	assert_true(wait_s() <= 86400);
}

static void test_one_transfer_a_host(void **state)
{
	(void)state;
	feeds[1].enabled = feeds[2].enabled = true;
	assert_int_equal(fl_ingest_reload(ing, &cfg), 0);
	step();
	assert_non_null(asked_for(URL_A));
	assert_null(asked_for(URL_B)); /* the same host */
	assert_non_null(asked_for(URL_C));
	web_answer(URL_A, (struct answer){ .body = "a.example\n" });
	step();
	assert_non_null(asked_for(URL_B));
	web_answer(URL_C, (struct answer){ .body = "c.example\n" });
	web_answer(URL_B, (struct answer){ .body = "b.example\n" });
	step();
	assert_true(holds("fa", "a.example") && holds("fb", "b.example") && holds("fc", "c.example"));
}

/* A feed that hangs delays no other. */
static void test_slow_feed(void **state)
{
	(void)state;
	feeds[2].enabled = true;
	assert_int_equal(fl_ingest_reload(ing, &cfg), 0);
	step();
	for (int i = 0; i < 5; i++) {
		web_answer(URL_C, (struct answer){ .body = i % 2 ? "c.example\n" : "d.example\n" });
		step();
		for (int k = 0; k < 8000 && !asked_for(URL_C); k++) {
			fl_clock_mem_advance(&w.clock, 100 * FL_NS_PER_MS);
			step();
		}
	}
	assert_int_equal(version_of("fc", NULL), 5);
	assert_non_null(asked_for(URL_A)); /* still under way, and its lease is still ours */
	web_answer(URL_A, (struct answer){ .body = "a.example\n" });
	step();
	assert_int_equal(version_of("fa", NULL), 1);
}

static void test_disabled(void **state)
{
	(void)state;
	feeds[0].enabled = false;
	assert_int_equal(fl_ingest_reload(ing, &cfg), 0);
	run(3600000);
	assert_int_equal(web.started, 0);
	assert_int_equal(status_of("fa").state, FL_FEED_DISABLED);
	feeds[0].enabled = true;
	assert_int_equal(fl_ingest_reload(ing, &cfg), 0);
	run(1000);
	assert_int_equal(web.started, 1);
}

static void test_stale(void **state)
{
	(void)state;
	give(URL_A, (struct answer){ .body = "a.example\n" });
	for (int i = 0; i < 160 && status_of("fa").state != FL_FEED_STALE; i++)
		give(URL_A, (struct answer){ .status = 500 });
	run(100);
	assert_int_equal(status_of("fa").state, FL_FEED_STALE);
	assert_true(fl_now_unix(&w.clock.door) - status_of("fa").last_ok > 86400 * FL_US_PER_S);
	assert_true(holds("fa", "a.example")); /* old, and still in force */
}

/* --- settings --- */

/* The same body under other settings is read anew, and so asked for without a condition. */
static void test_other_settings(void **state)
{
	struct fl_set set = { 0 };

	(void)state;
	give(URL_A, (struct answer){ .body = "a.example\n", .etag = "\"1\"" });
	feeds[0].scope = FL_SCOPE_EXACT;
	assert_int_equal(fl_ingest_reload(ing, &cfg), 0);
	run(1000);
	assert_string_equal(asked_for(URL_A)->etag, "");
	give(URL_A, (struct answer){ .body = "a.example\n", .etag = "\"1\"" });
	assert_int_equal(version_of("fa", NULL), 2);
	assert_int_equal(content_of(&w.s, "fa", 2, &set), 0);
	assert_int_equal(set.v[0].t.scope, FL_SCOPE_EXACT);
	fl_set_done(&set);
}

static void test_reload_during_a_transfer(void **state)
{
	(void)state;
	run(1000);
	assert_non_null(asked_for(URL_A));
	assert_int_equal(fl_ingest_reload(ing, &cfg), 0);
	assert_int_equal(web_running(NULL), 0); /* ended; asked again under the new settings */
	give(URL_A, (struct answer){ .body = "a.example\n" });
	assert_int_equal(version_of("fa", NULL), 1);
	cfg.n_feeds = 0;
	assert_int_equal(fl_ingest_reload(ing, &cfg), 0);
	run(3600000);
	assert_int_equal(web_running(NULL), 0);
	assert_true(holds("fa", "a.example")); /* an orphan, until it is purged */
}

static void test_absent_names_stay_a_while(void **state)
{
	(void)state;
	feeds[0].remove_after_absent = 3;
	assert_int_equal(fl_ingest_reload(ing, &cfg), 0);
	give(URL_A, (struct answer){ .body = "a.example\nb.example\n" });
	give(URL_A, (struct answer){ .body = "a.example\n# 1\n" });
	assert_true(holds("fa", "a.example b.example"));
	give(URL_A, (struct answer){ .body = "a.example\n# 2\n" });
	assert_true(holds("fa", "a.example b.example"));
	for (int i = 0; i < 3; i++)
		give(URL_A, (struct answer){ .body = i % 2 ? "a.example\n# 3\n" : "a.example\n# 4\n" });
	assert_true(holds("fa", "a.example"));
}

/* --- the store --- */

static void test_set_in_hand(void **state)
{
	(void)state;
	give(URL_A, (struct answer){ .body = "a.example\n" });
	run(3600000);
	store_away(true);
	web_answer(URL_A, (struct answer){ .body = "b.example\n" });
	step();
	assert_non_null(strstr(status_of("fa").reason, "in hand"));
	run(120000);
	assert_int_equal(web.started, 2); /* not fetched again */
	assert_true(holds("fa", "a.example"));
	store_away(false);
	run(120000);
	assert_int_equal(web.started, 2);
	assert_true(holds("fa", "b.example"));
	assert_int_equal(status_of("fa").state, FL_FEED_OK);
}

static void test_no_fetch_without_store(void **state)
{
	(void)state;
	store_away(true);
	run(60000);
	assert_int_equal(web.started, 0);
	assert_true(status_of("fa").reason[0]);
	store_away(false);
	run(60000);
	assert_int_equal(web.started, 1);
}

static void test_emptied_store(void **state)
{
	(void)state;
	give(URL_A, (struct answer){ .body = "a.example\n", .etag = "\"1\"" });
	run(5000);
	fl_store_mem_flush(w.mem);
	run(30000);
	assert_non_null(asked_for(URL_A)); /* at once, not at the next interval */
	assert_string_equal(asked_for(URL_A)->etag, ""); /* a 304 would lose the names for ever */
	web_answer(URL_A, (struct answer){ .body = "a.example\n", .etag = "\"1\"" });
	step();
	assert_int_equal(version_of("fa", NULL), 1);
	assert_true(holds("fa", "a.example"));
}

static void test_every_lost_call(void **state)
{
	uint64_t number = 1;

	(void)state;
	give(URL_A, (struct answer){ .body = "n0.example\n" });
	for (uint32_t at = 1; at <= 16; at++)
		for (int kind = 0; kind < 2; kind++) {
			char body[64], want[64];

			snprintf(body, sizeof(body), "n%d.example\n", (int)number);
			snprintf(want, sizeof(want), "n%d.example", (int)number);
			run(3600000);
			w.lossy = (struct lossy){ w.lossy.door, w.lossy.inner, 0, at, 1 + at % 5, kind ? FL_FAULT_AFTER : FL_FAULT_BEFORE };
			web_answer(URL_A, (struct answer){ .body = body });
			run(50000);
			w.lossy.at = 0;
			if (!asked_for(URL_A))
				run(60000);
			number++;
			if (version_of("fa", NULL) != number || !holds("fa", want))
				fail_msg("call %u, %s: version %d, want %d", at, kind ? "reply" : "call", (int)version_of("fa", NULL), (int)number);
		}
}

static void test_two_ingesters(void **state)
{
	struct fl_sets other = world_sets(&w, w.plain);
	struct fl_ingest *first = ing, *second = open_ingest(&other);

	(void)state;
	step();
	assert_int_equal(web.started, 1);
	ing = second;
	for (int i = 0; i < 20; i++) {
		step(); /* the first is at it: nobody is asked twice */
		fl_clock_mem_advance(&w.clock, 200 * FL_NS_PER_MS);
	}
	assert_int_equal(web.started, 1);
	store_away(true); /* the first dies in the middle of its transfer: its lease ends */
	web.v[0].id = 0;
	run(60000);
	assert_int_equal(web.started, 2);
	give(URL_A, (struct answer){ .body = "a.example\n" });
	assert_int_equal(version_of("fa", NULL), 1);
	fl_ingest_close(second);
	ing = first;
}

/* --- entries of the configuration, files, secrets --- */

static void test_config_entries(void **state)
{
	static const char *const e1[] = { "bad.example", "*.worse.example", "zip" }, *const e2[] = { "bad.example" };
	struct fl_cfg_list lists[5];
	struct fl_source_version v;
	struct fl_set set = { 0 };

	(void)state;
	memcpy(lists, cfg.lists, sizeof(lists));
	lists[0].entries = e1;
	lists[0].n_entries = 3;
	cfg.lists = lists;
	assert_int_equal(fl_ingest_reload(ing, &cfg), 0);
	step();
	assert_int_equal(version_of("mal.config", &v), 1);
	assert_int_equal(v.cause, FL_CAUSE_CONFIG);
	assert_true(holds("mal.config", "bad.example worse.example zip"));
	assert_int_equal(content_of(&w.s, "mal.config", 1, &set), 0);
	for (size_t i = 0; i < set.n; i++) {
		char text[FL_NAME_TEXT];

		fl_rkey_to_text(fl_set_key(&set, i), text);
		assert_int_equal(set.v[i].t.scope, strcmp(text, "worse.example") ? FL_SCOPE_EXACT : FL_SCOPE_SUBDOMAINS);
	}
	fl_set_done(&set);
	assert_int_equal(fl_ingest_reload(ing, &cfg), 0); /* the same: no version */
	step();
	assert_int_equal(version_of("mal.config", NULL), 1);
	lists[0].entries = e2;
	lists[0].n_entries = 1;
	assert_int_equal(fl_ingest_reload(ing, &cfg), 0);
	step();
	assert_true(holds("mal.config", "bad.example"));
	fl_store_mem_flush(w.mem);
	for (int i = 0; i < 1200 && !version_of("mal.config", NULL); i++) { /* an emptied store gets them back */
		step();
		fl_clock_mem_advance(&w.clock, 100 * FL_NS_PER_MS);
	}
	assert_true(holds("mal.config", "bad.example"));
}

static struct {
	const char *text, *validator;
	int reads;
} file;

static int read_file(void *ctx, const char *path, uint64_t max, struct fl_buf *out, char *validator, size_t cap, struct fl_err *err)
{
	(void)ctx, (void)max;
	if (!file.text)
		return fl_err_set(err, FL_ENOTFOUND, "file '%s': No such file", path);
	snprintf(validator, cap, "%s", file.validator);
	if (out) {
		file.reads++;
		fl_buf_str(out, file.text);
	}
	return 0;
}

static void open_with_files(void)
{
	struct fl_ingest_config c = { .cfg = &cfg, .sets = &w.f, .http = &web.door, .clock = &w.clock.door, .random = &w.random.door, .names = names_lib,
				      .read_file = read_file };

	fl_ingest_close(ing);
	ing = NULL;
	memset(&file, 0, sizeof(file));
	assert_int_equal(fl_ingest_open(&c, &ing, &why), 0);
}

static void test_file_feed(void **state)
{
	(void)state;
	feeds[0].url = "";
	feeds[0].path = "/lists/a";
	feeds[0].watch = true;
	open_with_files();
	run(100);
	assert_int_equal(status_of("fa").state, FL_FEED_DEGRADED);
	assert_non_null(strstr(status_of("fa").reason, "/lists/a"));
	file.text = "a.example\n";
	file.validator = "v1";
	run(60000);
	assert_true(holds("fa", "a.example"));
	assert_int_equal(file.reads, 1);
	run(60000);
	assert_int_equal(file.reads, 1); /* looked at, not read */
	file.text = "b.example\n";
	file.validator = "v2";
	run(5000);
	assert_true(holds("fa", "b.example"));
	file.text = NULL; /* deleted: the names stay */
	run(60000);
	assert_true(holds("fa", "b.example"));
	assert_int_equal(status_of("fa").state, FL_FEED_DEGRADED);
}

static void test_secret_headers(void **state)
{
	static const struct fl_cfg_header headers[] = { { "Auth-Key", "/etc/key" } };

	(void)state;
	feeds[0].headers = headers;
	feeds[0].n_headers = 1;
	open_with_files();
	run(1000);
	assert_int_equal(web.started, 0); /* never without it */
	assert_non_null(strstr(status_of("fa").reason, "/etc/key"));
	file.validator = "";
	file.text = "one\r\nX-Evil: two\n";
	run(600000);
	assert_int_equal(web.started, 0);
	assert_null(strstr(status_of("fa").reason, "Evil"));
	file.text = " s3cret\n";
	run(3600000);
	assert_int_equal(web.started, 1);
	assert_string_equal(asked_for(URL_A)->header, "Auth-Key: s3cret");
}

static void test_trial(void **state)
{
	struct fl_feed_options opt = { .format = FL_FORMAT_DOMAINS, .scope = FL_SCOPE_SUBTREE };
	struct fl_feed_trial t;

	(void)state;
	assert_int_equal(fl_feed_try(names_lib, &opt, fl_span_str("a.example\n192.0.2.1\nco.uk\n# c\nA.EXAMPLE\n"), 0, NULL, NULL, NULL, &t, &why), 0);
	assert_false(t.refused);
	assert_int_equal(t.names, 1);
	assert_int_equal(t.claims.dropped[FL_DROP_ICANN_SUFFIX], 1);
	assert_int_equal(t.claims.dropped[FL_DROP_DUPLICATE], 1);
	assert_true(fl_tally_balances(&t.claims));
	assert_true(fl_tally_balances(&t.parsed.lines));
	assert_int_equal(fl_feed_try(names_lib, &opt, fl_span_str("a.example\n"), 5, NULL, NULL, NULL, &t, &why), 0);
	assert_true(t.refused && strstr(t.reason, "min_names"));
	assert_int_equal(fl_feed_try(names_lib, &opt, fl_span_str("<html></html>"), 0, NULL, NULL, NULL, &t, &why), FL_EFORMAT);
	assert_int_equal(web.started, 0);
}

static void test_metrics(void **state)
{
	struct fl_buf b = { 0 };

	(void)state;
	give(URL_A, (struct answer){ .body = "a.example\n192.0.2.1\n" });
	give(URL_A, (struct answer){ .status = 500 });
	fl_ingest_metrics(ing, &b);
	assert_non_null(strstr(fl_buf_cstr(&b), "fireline_feed_names{feed=\"fa\"} 1\n"));
	assert_non_null(strstr(fl_buf_cstr(&b), "fireline_feed_fetches_total{feed=\"fa\",result=\"changed\"} 1\n"));
	assert_non_null(strstr(fl_buf_cstr(&b), "fireline_feed_fetches_total{feed=\"fa\",result=\"failed\"} 1\n"));
	assert_non_null(strstr(fl_buf_cstr(&b), "fireline_feed_rejected_entries{feed=\"fa\",reason=\"address\"} 1\n"));
	fl_buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FEED(test_first_fetch), FEED(test_conditional), FEED(test_bad_answers), FEED(test_bad_from_the_start), FEED(test_guard_and_approve), FEED(test_an_approval_is_of_one_step), FEED(test_a_swap_is_held),
		FEED(test_an_older_copy_is_held), FEED(test_half_a_line), FEED(test_too_many_names),
		FEED(test_rejected_content_is_remembered), FEED(test_quarantine), FEED(test_a_feed_that_names_everything), FEED(test_another_url), FEED(test_a_hold_ends_by_itself),
		FEED(test_a_refusal_is_taken_back), FEED(test_an_expiry_by_a_new_body_waits), FEED(test_what_is_not_valid_yet), FEED(test_an_allow_list_is_not_quarantined), FEED(test_back_off),
		FEED(test_retry_after), FEED(test_one_transfer_a_host), FEED(test_slow_feed), FEED(test_disabled), FEED(test_stale), FEED(test_other_settings),
		FEED(test_reload_during_a_transfer), FEED(test_absent_names_stay_a_while), FEED(test_set_in_hand), FEED(test_no_fetch_without_store),
		FEED(test_emptied_store), FEED(test_every_lost_call), FEED(test_two_ingesters), FEED(test_config_entries), FEED(test_file_feed),
		FEED(test_secret_headers), FEED(test_trial), FEED(test_metrics),
	};

	return cmocka_run_group_tests_name("feeds", tests, NULL, names_free);
}
