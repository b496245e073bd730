/* What people ask of a list: rollback, hold, unhold, recover, purge; and a store that lost what a list names. */
#include "base/text.h"
#include "publisher_help.h"

static struct fl_publish_answer a;

/* mal @1: fa@1 fb@1 operator@1, @2: fa@2 */
static void two_versions(void)
{
	source("fa", "a.example b.example");
	source("fb", "c.example");
	source("mal.operator", "own.example");
	pub_run(1500);
	source("fa", "a.example b.example poison.example worse.example");
	pub_run(1500);
}

static void test_rollback(void **state)
{
	struct fl_list_version v;
	uint64_t before;

	(void)state;
	two_versions();
	before = list_head("mal", NULL);
	assert_int_equal(ask((struct fl_publish_request){ .op = FL_OP_ROLLBACK, .list = "mal", .dry_run = true }, &a), 0);
	assert_int_equal(a.would_remove, 2);
	assert_int_equal(a.would_add, 0);
	assert_int_equal(a.version.id.number, before + 1);
	assert_int_equal(list_head("mal", NULL), before); /* only said */
	source("mal.operator", "own.example newer.example");
	assert_int_equal(ask((struct fl_publish_request){ .op = FL_OP_ROLLBACK, .list = "mal" }, &a), 0);
	assert_int_equal(a.version.id.number, before + 1);
	assert_int_equal(a.before.id.number, before);
	list_head("mal", &v);
	assert_int_equal(v.cause, FL_CAUSE_ROLLBACK);
	assert_string_equal(v.actor, "mona");
	assert_string_equal(v.reason, "because");
	assert_int_equal(input(&v, "fa")->id.number, 1);
	assert_true(input(&v, "fa")->pinned);
	assert_false(input(&v, "fb")->pinned); /* it did no harm: it goes on */
	assert_int_equal(input(&v, "mal.operator")->id.number, 2); /* what people entered is the newest */
	/* the feed moves: the pin holds; the others go on */
	source("fa", "c.example");
	source("fb", "d.example");
	pub_run(1500);
	list_head("mal", &v);
	assert_int_equal(input(&v, "fa")->id.number, 1);
	assert_int_equal(input(&v, "fb")->id.number, 2);
	assert_int_equal(pub_status("mal").pinned, 1);
	assert_int_equal(ask((struct fl_publish_request){ .op = FL_OP_UNHOLD, .list = "mal" }, &a), 0);
	list_head("mal", &v);
	assert_int_equal(v.cause, FL_CAUSE_UNHOLD);
	assert_int_equal(input(&v, "fa")->id.number, 3);
	assert_false(input(&v, "fa")->pinned);
	pub_run(1000);
	assert_int_equal(pub_status("mal").pinned, 0);
	assert_int_equal(pub_status("mal").outbox, 0); /* all of it was sent */
}

static void test_rollback_including_findings(void **state)
{
	struct fl_list_version v;

	(void)state;
	source("cli.block", "a.example");
	pub_run(1500);
	source("cli.block", "a.example b.example");
	pub_run(1500);
	assert_int_equal(ask((struct fl_publish_request){ .op = FL_OP_ROLLBACK, .list = FL_LIST_FINDINGS_BLOCK, .include_findings = true }, &a), 0);
	list_head(FL_LIST_FINDINGS_BLOCK, &v);
	assert_int_equal(input(&v, "cli.block")->id.number, 1);
	assert_true(input(&v, "cli.block")->pinned);
}

static void test_refused(void **state)
{
	static const struct {
		struct fl_publish_request r;
		int code;
		const char *says;
	} rows[] = {
		{ { .op = FL_OP_ROLLBACK, .list = "nolist" }, FL_ENOTFOUND, "nolist" },
		{ { .op = FL_OP_ROLLBACK, .list = "mal", .to = 2 }, FL_EREFUSED, "no earlier version" },
		{ { .op = FL_OP_ROLLBACK, .list = "mal", .to = 99 }, FL_EREFUSED, "no earlier version" },
		{ { .op = FL_OP_ROLLBACK, .list = "ads" }, FL_ENOTFOUND, "no version" },
		{ { .op = FL_OP_UNHOLD, .list = "mal" }, FL_EREFUSED, "nothing to unhold" },
		{ { .op = FL_OP_HOLD, .list = "mal", .source = "fz" }, FL_EREFUSED, "fz" },
		{ { .op = FL_OP_PURGE, .list = "mal" }, FL_EREFUSED, "configuration" },
		{ { .op = FL_OP_PURGE, .list = "NoName!" }, FL_EUSAGE, "NoName!" },
		{ { .op = FL_OP_PURGE, .list = "unheard" }, FL_ENOTFOUND, "unheard" },
		{ { .op = FL_OP_RECOVER, .list = "ads" }, FL_EREFUSED, "fc" },
	};
	uint64_t before;

	(void)state;
	two_versions();
	before = list_head("mal", NULL);
	assert_int_equal(before, 2);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int ret = ask(rows[i].r, &a);

		if (ret != rows[i].code || !strstr(why.text, rows[i].says))
			fail_msg("row %d: %s: %s", (int)i, fl_code_name(ret), why.text);
	}
	pub_run(2000);
	assert_int_equal(list_head("mal", NULL), before);
	assert_int_equal(list_head("ads", NULL), 0);
}

static void test_hold(void **state)
{
	struct fl_list_version v;

	(void)state;
	two_versions();
	assert_int_equal(ask((struct fl_publish_request){ .op = FL_OP_HOLD, .list = "mal" }, &a), 0);
	list_head("mal", &v);
	assert_true(input(&v, "fa")->pinned && input(&v, "fb")->pinned);
	assert_false(input(&v, "mal.operator")->pinned); /* people go on being heard */
	assert_int_equal(ask((struct fl_publish_request){ .op = FL_OP_UNHOLD, .list = "mal", .source = "fb" }, &a), 0);
	source("fa", "z.example");
	source("fb", "z.example");
	pub_run(1500);
	list_head("mal", &v);
	assert_int_equal(input(&v, "fa")->id.number, 2);
	assert_int_equal(input(&v, "fb")->id.number, 2);
}

/* --- purge --- */

static void test_purge(void **state)
{
	struct fl_config next;
	struct fl_list_version v;
	uint64_t seen[16];

	(void)state;
	two_versions();
	next = cfg;
	next.lists++; /* without mal */
	next.n_lists--;
	assert_int_equal(fl_publisher_reload(pub, &next), 0);
	pub_run(1500);
	bus_fault = FL_BUS_DOWN;
	assert_int_equal(ask((struct fl_publish_request){ .op = FL_OP_PURGE, .list = "mal" }, &a), 0);
	assert_int_equal(a.version.id.number, 3);
	assert_int_equal(list_head("mal", &v), 3);
	assert_int_equal(v.cause, FL_CAUSE_DELETE);
	assert_int_equal(v.n_inputs, 0);
	pub_run(3000);
	bus_fault = FL_BUS_OK;
	pub_run(5000);
	assert_int_equal(sent("mal", seen, 16), 3); /* the deletion is told, even late */
	assert_int_equal(seen[2], 3);
	assert_int_equal(redis_int(&w, "EXISTS {fl}:list/mal:v:1 {fl}:list/mal:v:2"), 0);
	assert_int_equal(redis_int(&w, "HLEN {fl}:source/fa:needed"), 0);
	/* and back: above it, in its epoch */
	assert_int_equal(fl_publisher_reload(pub, &cfg), 0);
	pub_run(12000);
	assert_int_equal(list_head("mal", &v), 4);
	assert_int_equal(v.n_inputs, 3);
}

/* --- a store that lost something --- */

static void test_emptied_store(void **state)
{
	static const char *const without[] = { "fb", NULL };
	struct fl_list_version old, v;

	(void)state;
	two_versions();
	list_head("mal", &old);
	fl_store_mem_flush(w.mem);
	source("fa", "a.example");
	pub_run(30000);
	assert_int_equal(list_head("mal", NULL), 0); /* never from 1 where a higher number is known */
	assert_non_null(strstr(pub_status("mal").problem, "recover"));
	assert_int_equal(ask((struct fl_publish_request){ .op = FL_OP_RECOVER, .list = "mal" }, &a), FL_EREFUSED);
	assert_non_null(strstr(why.text, "--without fb"));
	assert_int_equal(ask((struct fl_publish_request){ .op = FL_OP_RECOVER, .list = "mal", .without = without, .dry_run = true }, &a), 0);
	assert_int_equal(a.lost_version, 2);
	assert_int_equal(list_head("mal", NULL), 0);
	assert_int_equal(ask((struct fl_publish_request){ .op = FL_OP_RECOVER, .list = "mal", .without = without }, &a), 0);
	assert_int_equal(list_head("mal", &v), old.id.number + 1);
	assert_false(fl_epoch_eq(&v.id.epoch, &old.id.epoch));
	assert_int_equal(v.recovered.version, v.id.number);
	assert_int_equal(v.recovered.n_over, 1);
	assert_true(fl_epoch_eq(&v.recovered.over[0], &old.id.epoch));
	assert_int_equal(v.n_inputs, 1);
	source("fb", "c.example");
	pub_run(1500);
	list_head("mal", &v);
	assert_int_equal(v.n_inputs, 2);
	assert_int_equal(v.recovered.version, old.id.number + 1); /* carried on */
}

/* A publisher that starts now learns from the topic what was published. */
static void test_emptied_store_and_a_new_publisher(void **state)
{
	(void)state;
	two_versions();
	fl_publisher_close(pub);
	fl_store_mem_flush(w.mem);
	pub = pub_open(&w.f);
	source("fa", "a.example");
	source("fb", "c.example");
	pub_run(15000);
	assert_int_equal(list_head("mal", NULL), 0);
	assert_int_equal(ask((struct fl_publish_request){ .op = FL_OP_RECOVER, .list = "mal" }, &a), 0);
	assert_int_equal(list_head("mal", NULL), 3);
}

static void lose(const char *name)
{
	char line[200];

	snprintf(line, sizeof(line), "DEL {fl}:source/%s:head {fl}:source/%s:v:1 {fl}:source/%s:v:2 {fl}:source/%s:lease", name, name, name, name);
	redis_int(&w, line);
}

static void test_gone_inputs(void **state)
{
	struct fl_list_version v;

	(void)state;
	two_versions();
	lose("fb");
	pub_run(2000);
	list_head("mal", &v);
	assert_true(input(&v, "fb")->gone); /* readers keep what they hold of it */
	assert_int_equal(input(&v, "fb")->id.number, 1);
	assert_int_equal(pub_status("mal").gone, 1);
	assert_non_null(strstr(pub_status("mal").problem, "fb"));
	source("fb", "c.example"); /* fetched again, in a new epoch: as many names, so it is taken */
	pub_run(2000);
	list_head("mal", &v);
	assert_false(input(&v, "fb")->gone);
	assert_int_equal(pub_status("mal").gone, 0);
	/* what people entered is not taken away by counts */
	lose("mal.operator");
	pub_run(2000);
	source("mal.operator", "");
	pub_run(2000);
	list_head("mal", &v);
	assert_true(input(&v, "mal.operator")->gone);
	source("mal.operator", "own.example");
	pub_run(2000);
	list_head("mal", &v);
	assert_false(input(&v, "mal.operator")->gone);
}

/* A feed's set that came back empty does not take the place of what was lost. */
static void test_gone_and_back_empty(void **state)
{
	struct fl_list_version v;

	(void)state;
	two_versions();
	lose("fb");
	source("fb", "");
	pub_run(2000);
	list_head("mal", &v);
	assert_true(input(&v, "fb")->gone);
}

static void redis(const char *line)
{
	redis_int(&w, line);
}

/* Put one source back to an older head, as a copy that was brought back key by key; `and_versions`: what came after is gone too. */
static void rewind_source(const char *name, uint64_t to, uint64_t from, bool and_versions)
{
	struct fl_source_version v;
	char line[400], epoch[33], chain[65];

	assert_int_equal(fl_source_version_get(&w.s, name, to, &v, NULL), 0);
	snprintf(line, sizeof(line), "HSET {fl}:source/%s:head version %llu chain %s entries %llu epoch %s", name, (unsigned long long)to, fl_hex(v.id.chain, 32, chain),
		 (unsigned long long)v.digests.entries, fl_hex(v.id.epoch.b, 16, epoch));
	redis(line);
	for (; and_versions && from > to; from--) {
		snprintf(line, sizeof(line), "DEL {fl}:source/%s:v:%llu {fl}:source/%s:d:%llu", name, (unsigned long long)from, name, (unsigned long long)from);
		redis(line);
		snprintf(line, sizeof(line), "HDEL {fl}:source/%s:lineage %llu", name, (unsigned long long)from);
		redis(line);
	}
}

/* Its head went back: the list takes it, though its number is lower, and goes on; readers can follow the event. */
static void test_rewound_source(void **state)
{
	struct fl_list_version v;
	uint64_t numbers[16];

	(void)state;
	for (int both = 0; both < 2; both++) {
		uint64_t top, head;

		two_versions();
		top = source("fa", "a.example b.example c.example");
		pub_run(1500);
		list_head("mal", &v);
		assert_int_equal(input(&v, "fa")->id.number, top);
		rewind_source("fa", top - 1, top, both);
		pub_run(1500);
		list_head("mal", &v);
		assert_int_equal(input(&v, "fa")->id.number, top - 1);
		assert_false(input(&v, "fa")->gone);
		assert_int_equal(v.cause, FL_CAUSE_SOURCES);
		assert_string_equal(pub_status("mal").problem, "");
		/* and on from there, on another way than before */
		assert_int_equal(source("fa", "z.example"), top);
		source("fb", both ? "d.example" : "e.example");
		pub_run(1500);
		head = list_head("mal", &v);
		assert_int_equal(input(&v, "fa")->id.number, top);
		assert_int_equal(v.names, 3);
		assert_int_equal(pub_status("mal").outbox, 0);
		assert_true(sent("mal", numbers, 16) >= head);
	}
}

/* Too much would be taken away by it: the input stays, marked, and the list's other sources go on. */
static void test_rewound_source_that_the_guard_refuses(void **state)
{
	struct fl_list_version v;
	uint64_t top;

	(void)state;
	two_versions();
	top = source("mal.operator", "own.example second.example");
	pub_run(1500);
	rewind_source("mal.operator", top - 1, top, true);
	source("fb", "d.example e.example");
	pub_run(1500);
	list_head("mal", &v);
	assert_int_equal(input(&v, "mal.operator")->id.number, top);
	assert_true(input(&v, "mal.operator")->gone);
	assert_int_equal(input(&v, "fb")->id.number, 2);
	assert_non_null(strstr(pub_status("mal").problem, "mal.operator"));
	source("fb", "d.example");
	pub_run(1500);
	list_head("mal", &v);
	assert_int_equal(input(&v, "fb")->id.number, 3);
	/* entered again: it is followed again, in the same epoch, beside what was lost */
	assert_int_equal(source("mal.operator", "own.example third.example"), top);
	pub_run(1500);
	list_head("mal", &v);
	assert_false(input(&v, "mal.operator")->gone);
	assert_string_equal(pub_status("mal").problem, "");
}

/* How often the stage asks to be called again at once, in a second of virtual time. */
static int calls_in_a_second(void)
{
	fl_mono_ns end = fl_now_mono(&w.clock.door) + FL_NS_PER_S, wake, now;
	int n = 0;

	for (; (now = fl_now_mono(&w.clock.door)) < end && n < 1000; n++) {
		assert_int_equal(fl_publisher_step(pub, now, &wake), 0);
		fl_clock_mem_advance(&w.clock, wake > now ? wake - now : FL_NS_PER_MS);
	}
	return n;
}

/* A head names a version that is not in the store: the list stays, says so, waits without spinning, and its other sources go on. */
static void test_head_without_its_version(void **state)
{
	struct fl_list_version v;

	(void)state;
	two_versions();
	source("fa", "a.example b.example c.example d.example e.example");
	redis("DEL {fl}:source/fa:v:3");
	source("fb", "c.example f.example");
	assert_true(calls_in_a_second() < 20);
	list_head("mal", &v);
	assert_int_equal(input(&v, "fa")->id.number, 2);
	assert_false(input(&v, "fa")->gone); /* this one can still be read */
	assert_int_equal(input(&v, "fb")->id.number, 2);
	assert_non_null(strstr(pub_status("mal").problem, "'fa'"));
	assert_non_null(strstr(pub_status("mal").problem, "3"));
	assert_true(calls_in_a_second() < 20);
	/* the very version that the list names */
	redis("DEL {fl}:source/fb:v:2");
	assert_true(calls_in_a_second() < 20);
	list_head("mal", &v);
	assert_true(input(&v, "fb")->gone);
	assert_int_equal(pub_status("mal").gone, 1);
	/* a person's recovery does not take it either */
	assert_int_equal(ask((struct fl_publish_request){ .op = FL_OP_RECOVER, .list = "mal" }, &a), FL_EREFUSED);
	assert_non_null(strstr(why.text, "'fa'"));
}

/* The only source of a list that was never published. */
static void test_first_version_that_is_not_there(void **state)
{
	(void)state;
	source("fc", "a.example");
	redis("DEL {fl}:source/fc:v:1");
	assert_true(calls_in_a_second() < 20);
	assert_int_equal(list_head("ads", NULL), 0);
	assert_non_null(strstr(pub_status("ads").problem, "'fc'"));
}

static void test_rollback_to_what_is_no_more(void **state)
{
	uint64_t before;

	(void)state;
	two_versions();
	before = list_head("mal", NULL);
	redis("DEL {fl}:source/fa:v:1");
	assert_int_equal(ask((struct fl_publish_request){ .op = FL_OP_ROLLBACK, .list = "mal" }, &a), FL_EREFUSED);
	assert_non_null(strstr(why.text, "version 1 of source 'fa'"));
	assert_int_equal(list_head("mal", NULL), before);
}

/* Rolled back to before a feed was added: nothing but a person lets it in again, a recovery neither. */
static void test_rollback_to_before_a_feed(void **state)
{
	struct fl_list_version v;
	uint64_t first;

	(void)state;
	source("fa", "a.example");
	pub_run(1500);
	first = list_head("mal", NULL);
	source("fb", "b.example");
	pub_run(1500);
	assert_int_equal(ask((struct fl_publish_request){ .op = FL_OP_ROLLBACK, .list = "mal", .to = first }, &a), 0);
	source("fb", "b.example c.example");
	source("fa", "a.example d.example");
	pub_run(1500);
	list_head("mal", &v);
	assert_int_equal(input(&v, "fb")->id.number, 0);
	assert_true(input(&v, "fb")->pinned);
	assert_int_equal(input(&v, "fa")->id.number, 2);
	assert_int_equal(pub_status("mal").gone, 0);
	assert_int_equal(ask((struct fl_publish_request){ .op = FL_OP_RECOVER, .list = "mal" }, &a), 0);
	list_head("mal", &v);
	assert_int_equal(input(&v, "fb")->id.number, 0);
	assert_true(input(&v, "fb")->pinned);
	assert_int_equal(ask((struct fl_publish_request){ .op = FL_OP_UNHOLD, .list = "mal", .source = "fb" }, &a), 0);
	list_head("mal", &v);
	assert_int_equal(input(&v, "fb")->id.number, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PUB(test_rollback), PUB(test_rollback_including_findings), PUB(test_refused), PUB(test_hold), PUB(test_purge), PUB(test_emptied_store),
		PUB(test_emptied_store_and_a_new_publisher), PUB(test_gone_inputs), PUB(test_gone_and_back_empty),
		PUB(test_rewound_source), PUB(test_rewound_source_that_the_guard_refuses), PUB(test_head_without_its_version), PUB(test_first_version_that_is_not_there),
		PUB(test_rollback_to_what_is_no_more), PUB(test_rollback_to_before_a_feed),
	};

	return cmocka_run_group_tests_name("requests", tests, NULL, NULL);
}
