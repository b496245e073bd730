/* Decisions beside the store: acknowledged when Kafka or the file has them, and made again when the store forgot them. */
#include "publisher_help.h"

static struct fl_disk_mem *files;
static struct fl_disk *disk;
static struct fl_publish_answer a;

static void reopen(void)
{
	struct fl_publisher_config c = { &cfg, &w.f, bus, &w.clock.door, &w.random.door, true, disk };

	fl_publisher_close(pub);
	pub = NULL;
	fl_clock_mem_advance(&w.clock, 4 * FL_NS_PER_S);
	assert_int_equal(fl_publisher_open(&c, &pub, &why), 0);
}

static int setup(void **state)
{
	if (pub_setup(state) < 0)
		return -1;
	cfg.node_name = "here";
	files = fl_disk_mem_new();
	disk = fl_disk_mem_open(files);
	reopen();
	return 0;
}

static int teardown(void **state)
{
	fl_publisher_close(pub);
	pub = NULL;
	disk->ops->close(disk);
	fl_disk_mem_free(files);
	return pub_teardown(state);
}

#define AUDIT(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static struct fl_publish_ledger ledger(void)
{
	struct fl_publish_ledger l;

	fl_publisher_ledger(pub, &l);
	return l;
}

/* mal @1: fa@1 fb@1, @2: fa@2 */
static void two_versions(void)
{
	source("fa", "a.example");
	source("fb", "c.example");
	pub_run(1500);
	source("fa", "a.example poison.example");
	pub_run(1500);
	assert_int_equal(list_head("mal", NULL), 2);
}

static int rollback(void)
{
	return ask((struct fl_publish_request){ .op = FL_OP_ROLLBACK, .list = "mal" }, &a);
}

static void test_a_decision_is_in_the_topic(void **state)
{
	struct fl_bus_consumer *c;
	struct fl_bus_msg m;
	struct fl_event ev;

	(void)state;
	two_versions();
	assert_int_equal(fl_bus_mem_count(broker, "fireline.audit"), 0);
	assert_int_equal(rollback(), 0);
	assert_int_equal(fl_bus_consumer_open(bus, FL_TOPIC_AUDIT, NULL, &c, NULL), 0);
	assert_int_equal(fl_bus_fetch(bus, c, 0, &m, NULL), 1);
	assert_true(fl_span_eqs(m.key, "mona"));
	assert_int_equal(fl_event_decode(m.value, &w.arena, &ev, &why), 0);
	assert_string_equal(ev.version.list, "mal");
	assert_int_equal(ev.version.cause, FL_CAUSE_ROLLBACK);
	assert_string_equal(ev.version.reason, "because");
	assert_true(input(&ev.version, "fa")->pinned);
	fl_bus_consumer_close(bus, c);
	pub_run(1500);
	assert_int_equal(pub_status("mal").outbox, 0); /* reports of both kinds came to whom they belong */
	assert_true(ledger().there);
	assert_false(ledger().file);
}

static void test_kafka_away(void **state)
{
	(void)state;
	two_versions();
	bus_fault = FL_BUS_DOWN;
	assert_int_equal(rollback(), 0);
	assert_int_equal(ledger().pending, 1);
	bus_fault = FL_BUS_OK;
	pub_run(40000);
	assert_int_equal(ledger().pending, 0);
	assert_int_equal(fl_bus_mem_count(broker, "fireline.audit"), 1);
}

static int no_disk(void *ctx, const char *what, const char *path)
{
	(void)ctx, (void)path;
	return strcmp(what, "append") == 0 ? FL_ELIMIT : 0;
}

static void test_neither(void **state)
{
	(void)state;
	two_versions();
	bus_fault = FL_BUS_DOWN;
	fl_disk_mem_faults(files, no_disk, NULL);
	assert_int_equal(rollback(), FL_EUNAVAIL);
	assert_non_null(strstr(why.text, "version 3 is committed"));
	assert_non_null(strstr(ledger().problem, "nothing is acknowledged"));
}

/* An older copy of the store forgot the rollback: it is made again, above what is known, also by a publisher that was not there. */
static void made_again(bool another, bool kafka_was_away)
{
	struct fl_list_version v;

	two_versions();
	fl_store_mem_snapshot(w.mem);
	if (kafka_was_away)
		bus_fault = FL_BUS_DOWN;
	assert_int_equal(rollback(), 0);
	pub_run(2000);
	fl_store_mem_restore(w.mem, "");
	bus_fault = FL_BUS_OK;
	if (another)
		reopen();
	pub_run(40000);
	assert_true(list_head("mal", &v) > 3);
	assert_int_equal(v.cause, FL_CAUSE_ROLLBACK);
	assert_string_equal(v.actor, "mona");
	assert_non_null(strstr(v.reason, "because"));
	assert_true(input(&v, "fa")->pinned);
	assert_int_equal(input(&v, "fa")->id.number, 1);
	assert_false(input(&v, "fb")->pinned);
	assert_int_equal(ledger().again, 1);
	pub_run(5000);
	assert_int_equal(list_head("mal", NULL), v.id.number); /* once */
	reopen();
	pub_run(5000);
	assert_int_equal(list_head("mal", NULL), v.id.number);
	assert_int_equal(ledger().again, 0);
}

static void test_a_rollback_is_made_again(void **state)
{
	(void)state;
	made_again(false, false);
}

static void test_by_another_publisher(void **state)
{
	(void)state;
	made_again(true, false);
}

static void test_from_the_file(void **state)
{
	(void)state;
	made_again(true, true);
}

static void test_an_unhold_is_made_again(void **state)
{
	struct fl_list_version v;

	(void)state;
	two_versions();
	assert_int_equal(ask((struct fl_publish_request){ .op = FL_OP_HOLD, .list = "mal", .source = "fa" }, &a), 0);
	fl_store_mem_snapshot(w.mem);
	assert_int_equal(ask((struct fl_publish_request){ .op = FL_OP_UNHOLD, .list = "mal" }, &a), 0);
	fl_store_mem_restore(w.mem, "");
	pub_run(5000);
	list_head("mal", &v);
	assert_int_equal(v.cause, FL_CAUSE_UNHOLD);
	assert_false(input(&v, "fa")->pinned);
	assert_int_equal(input(&v, "fa")->id.number, 2);
}

/* What the store still has is not said twice, whoever looks. */
static void test_what_is_there_is_left_alone(void **state)
{
	uint64_t before;

	(void)state;
	two_versions();
	assert_int_equal(rollback(), 0);
	source("fb", "d.example");
	pub_run(3000);
	before = list_head("mal", NULL);
	reopen();
	pub_run(5000);
	assert_int_equal(list_head("mal", NULL), before);
}

static void test_what_cannot_be_made_again(void **state)
{
	(void)state;
	two_versions();
	assert_int_equal(rollback(), 0);
	pub_run(2000);
	world_forget(&w);
	source("fa", "x.example");
	source("fb", "y.example");
	pub_run(3000);
	assert_int_equal(ask((struct fl_publish_request){ .op = FL_OP_RECOVER, .list = "mal" }, &a), 0);
	pub_run(3000);
	assert_int_equal(pub_status("mal").pinned, 0); /* a recovery is a new beginning */
	assert_int_equal(ledger().again, 0);
}

static void test_a_deletion_is_made_again(void **state)
{
	struct fl_list_version v;
	size_t n = cfg.n_lists;
	const struct fl_cfg_list *lists = cfg.lists;

	(void)state;
	two_versions();
	fl_store_mem_snapshot(w.mem);
	cfg.lists = lists + 1;
	cfg.n_lists = n - 1;
	assert_int_equal(fl_publisher_reload(pub, &cfg), 0);
	assert_int_equal(ask((struct fl_publish_request){ .op = FL_OP_PURGE, .list = "mal" }, &a), 0);
	pub_run(2000);
	fl_store_mem_restore(w.mem, "");
	fl_clock_mem_advance(&w.clock, 31 * FL_NS_PER_S);
	pub_run(30000);
	list_head("mal", &v);
	assert_int_equal(v.cause, FL_CAUSE_DELETE);
	assert_int_equal(v.n_inputs, 0);
	assert_string_equal(v.actor, "mona");
	/* and not when the configuration has it again */
	fl_store_mem_restore(w.mem, "");
	cfg.lists = lists;
	cfg.n_lists = n;
	fl_clock_mem_advance(&w.clock, 31 * FL_NS_PER_S);
	assert_int_equal(fl_publisher_reload(pub, &cfg), 0);
	pub_run(30000);
	list_head("mal", &v);
	assert_int_not_equal(v.cause, FL_CAUSE_DELETE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AUDIT(test_a_decision_is_in_the_topic),
		AUDIT(test_kafka_away),
		AUDIT(test_neither),
		AUDIT(test_a_rollback_is_made_again),
		AUDIT(test_by_another_publisher),
		AUDIT(test_from_the_file),
		AUDIT(test_an_unhold_is_made_again),
		AUDIT(test_what_is_there_is_left_alone),
		AUDIT(test_what_cannot_be_made_again),
		AUDIT(test_a_deletion_is_made_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
