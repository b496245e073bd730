/* What people ask of a list: rollback, hold, unhold, recover, purge; and a store that lost what a list names. */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		PUB(test_rollback), PUB(test_rollback_including_findings), PUB(test_refused), PUB(test_hold), PUB(test_purge), PUB(test_emptied_store),
		PUB(test_emptied_store_and_a_new_publisher), PUB(test_gone_inputs), PUB(test_gone_and_back_empty),
	};

	return cmocka_run_group_tests_name("requests", tests, NULL, NULL);
}
