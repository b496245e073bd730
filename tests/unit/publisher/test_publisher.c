/* What the stage promises: a list follows its sources, every version is sent at least once and in order, and trouble with Kafka or another publisher loses nothing. */
#include "publisher_help.h"

static uint64_t seen[256];

static void test_follows_its_sources(void **state)
{
	struct fl_list_version v;

	(void)state;
	pub_run(2000);
	assert_int_equal(list_head("mal", NULL), 0); /* not known yet: no empty version that would unblock all */
	source("fa", "a.example b.example");
	pub_run(1500);
	assert_int_equal(list_head("mal", &v), 1);
	assert_int_equal(v.n_inputs, 1); /* a source that never had a version is no input yet */
	assert_int_equal(v.cause, FL_CAUSE_SOURCES);
	source("fb", "c.example");
	source("mal.operator", "d.example");
	pub_run(1500);
	assert_true(list_head("mal", &v) >= 2);
	assert_int_equal(v.n_inputs, 3);
	assert_int_equal(v.names, 4);
	assert_string_equal(v.inputs[2].source, "mal.operator");
	assert_int_equal(pub_status("mal").waiting_sources, 0);
	assert_true(pub_status("mal").leader);
	assert_int_equal(list_head("ads", NULL), 0);
}

static void test_a_list_of_people_is_born_empty(void **state)
{
	struct fl_list_version v;

	(void)state;
	pub_run(1500);
	assert_int_equal(list_head("people", &v), 1);
	assert_int_equal(v.n_inputs, 0);
	assert_int_equal(list_head(FL_LIST_FINDINGS_BLOCK, &v), 1);
	source("cli.block", "bad.example");
	pub_run(100);
	assert_int_equal(list_head(FL_LIST_FINDINGS_BLOCK, &v), 2);
	assert_int_equal(v.names, 1);
}

/* The wake, not the tick: the next step sees it. */
static void test_wake(void **state)
{
	fl_mono_ns wake;

	(void)state;
	source("fa", "a.example");
	pub_run(3000);
	source("fa", "b.example");
	assert_int_equal(fl_publisher_step(pub, fl_now_mono(&w.clock.door), &wake), 0);
	assert_int_equal(list_head("mal", NULL), 2);
}

static void test_nothing_new_is_no_version(void **state)
{
	(void)state;
	source("fa", "a.example");
	pub_run(2000);
	assert_int_equal(list_head("mal", NULL), 1);
	pub_run(60000);
	assert_int_equal(list_head("mal", NULL), 1);
	assert_int_equal(list_head("people", NULL), 1);
}

/* --- the relay --- */

static void test_each_version_is_sent_in_order(void **state)
{
	struct fl_bus_consumer *c = NULL;
	struct fl_bus_msg m;
	bool subject = false;

	(void)state;
	for (int i = 0; i < 5; i++) {
		source("fa", i % 2 ? "a.example" : "b.example");
		pub_run(300);
	}
	pub_run(1000);
	assert_int_equal(sent("mal", seen, 256), 5);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(seen[i], i + 1);
	assert_int_equal(pub_status("mal").outbox, 0);
	assert_int_equal(pub_status("mal").sent_version, 5);
	assert_int_equal(redis_int(&w, "XLEN {fl}:list/mal:outbox"), 0);
	assert_int_equal(fl_bus_consumer_open(bus, FL_TOPIC_LIST_EVENTS, NULL, &c, NULL), 0);
	while (fl_bus_fetch(bus, c, 0, &m, NULL) == 1)
		for (size_t i = 0; i < m.n_headers; i++)
			subject = subject || (strcmp(m.headers[i].key, "ce_subject") == 0 && fl_span_eqs(m.headers[i].value, "mal"));
	assert_true(subject);
	fl_bus_consumer_close(bus, c);
}

static void test_kafka_away(void **state)
{
	size_t n;

	(void)state;
	source("fa", "a.example");
	pub_run(2000);
	bus_fault = FL_BUS_DOWN;
	for (int i = 0; i < 6; i++) {
		source("fa", i % 2 ? "a.example" : "b.example");
		pub_run(500);
	}
	assert_int_equal(list_head("mal", NULL), 7); /* versions go on */
	assert_true(pub_status("mal").outbox >= 5);
	assert_true(pub_status("mal").outbox_oldest > 0);
	assert_true(pub_status("mal").sent_version < 7);
	bus_fault = FL_BUS_OK;
	pub_run(5000);
	assert_int_equal(pub_status("mal").outbox, 0);
	n = sent("mal", seen, 256);
	for (uint64_t v = 1; v <= 7; v++) {
		bool there = false;

		for (size_t i = 0; i < n; i++)
			there = there || seen[i] == v;
		assert_true(there);
	}
	assert_int_equal(seen[n - 1], 7); /* the newest record is the head */
}

/* Stored, and reported as failed: sent again, harmless. */
static void test_lost_acknowledgement(void **state)
{
	(void)state;
	bus_fault = FL_BUS_LOST_ACK;
	source("fa", "a.example");
	pub_run(1500);
	assert_true(pub_status("mal").outbox >= 1);
	bus_fault = FL_BUS_OK;
	pub_run(2000);
	assert_int_equal(pub_status("mal").outbox, 0);
	assert_true(sent("mal", seen, 256) >= 2);
	assert_int_equal(seen[0], 1);
}

/* A broker that lost the topic, or a stale predecessor's late record: the head is sent again. */
static void test_head_is_sent_again(void **state)
{
	size_t n;

	(void)state;
	source("fa", "a.example");
	pub_run(1000);
	source("fa", "b.example");
	pub_run(10000);
	n = sent("mal", seen, 256);
	assert_int_equal(n, 2); /* while all is well it is not */
	pub_run(3700000);
	assert_int_equal(sent("mal", seen, 256), 3); /* but for once an hour */
	fl_bus_mem_reset(broker);
	fl_publisher_close(pub);
	pub = pub_open(&w.f);
	pub_run(20000);
	n = sent("mal", seen, 256);
	assert_true(n >= 1);
	assert_int_equal(seen[n - 1], 2);
}

/* --- others --- */

static void test_two_publishers(void **state)
{
	struct fl_sets other_sets = world_sets(&w, w.plain);
	struct fl_publisher *first = pub, *second;
	struct fl_publish_answer answer;

	(void)state;
	source("fa", "a.example");
	pub_run(1500);
	second = pub_open(&other_sets);
	pub = second;
	source("fa", "b.example");
	pub_run(1500);
	assert_false(pub_status("mal").leader);
	assert_int_equal(list_head("mal", NULL), 1);
	/* while the first lives it keeps its lists, also when nothing happens */
	for (int i = 0; i < 120; i++) {
		pub = i % 2 ? first : second;
		pub_run(500);
		assert_int_equal(pub_status("mal").leader, i % 2);
	}
	pub = first;
	assert_int_equal(list_head("mal", NULL), 2);
	/* nor does a person's question, which may take long and holds the list longer, make its successor wait longer */
	assert_int_equal(ask((struct fl_publish_request){ .op = FL_OP_ROLLBACK, .list = "mal", .dry_run = true }, &answer), 0);
	pub_run(1500);
	/* the first dies without a word: its lease ends, the second goes on */
	w.lossy = (struct lossy){ w.lossy.door, w.lossy.inner, 0, 1, UINT32_MAX - 1, FL_FAULT_BEFORE };
	pub = second;
	source("fa", "c.example");
	pub_run(4500);
	assert_true(pub_status("mal").leader);
	assert_int_equal(list_head("mal", NULL), 3);
	fl_publisher_close(second);
	pub = first;
}

static void test_store_away_and_back(void **state)
{
	(void)state;
	source("fa", "a.example");
	pub_run(1500);
	w.lossy = (struct lossy){ w.lossy.door, w.lossy.inner, 0, 1, UINT32_MAX - 1, FL_FAULT_BEFORE };
	source("fa", "b.example");
	pub_run(3000);
	assert_true(pub_status("mal").problem[0]);
	assert_int_equal(list_head("mal", NULL), 1);
	w.lossy.at = 0;
	pub_run(3000);
	assert_int_equal(list_head("mal", NULL), 2);
	assert_string_equal(pub_status("mal").problem, "");
}

/* Each call to the store of one change lost, and each reply: one version, sent, in the end. */
static void test_every_lost_call(void **state)
{
	uint64_t number = 1;

	(void)state;
	source("fa", "a.example");
	pub_run(2000);
	for (uint32_t at = 1; at <= 40; at++)
		for (int kind = 0; kind < 2; kind++) {
			source("fa", number % 2 ? "b.example" : "a.example");
			number++;
			w.lossy = (struct lossy){ w.lossy.door, w.lossy.inner, 0, at, 1 + at % 5, kind ? FL_FAULT_AFTER : FL_FAULT_BEFORE };
			pub_run(2500);
			w.lossy.at = 0;
			pub_run(2500);
			if (list_head("mal", NULL) != number)
				fail_msg("call %u, %s: head %d, want %d", at, kind ? "reply" : "call", (int)list_head("mal", NULL), (int)number);
			assert_int_equal(pub_status("mal").outbox, 0);
			assert_int_equal(pub_status("mal").sent_version, number);
		}
}

static void test_reload(void **state)
{
	struct fl_config next;
	struct fl_lease l = { 0 };

	(void)state;
	source("fa", "a.example");
	source("fc", "x.example");
	pub_run(1500);
	assert_int_equal(list_head("ads", NULL), 1);
	next = cfg;
	next.n_lists = 1; /* mal alone */
	assert_int_equal(fl_publisher_reload(pub, &next), 0);
	source("fa", "b.example");
	source("fc", "y.example");
	pub_run(1500);
	assert_int_equal(list_head("mal", NULL), 2);
	assert_int_equal(list_head("ads", NULL), 1);
	assert_int_equal(fl_lease_take(&w.s, FL_LIST, "ads", 1000, &l, NULL), 0); /* nobody sits on it */
	fl_lease_release(&w.s, &l, NULL);
	assert_int_equal(fl_publisher_reload(pub, &cfg), 0);
	pub_run(1500);
	assert_int_equal(list_head("ads", NULL), 2);
}

static void test_a_source_leaves_the_configuration(void **state)
{
	struct fl_config next;
	struct fl_list_version v;

	(void)state;
	source("fa", "a.example");
	source("fb", "b.example");
	pub_run(1500);
	next = cfg;
	next.n_feeds = 1;
	assert_int_equal(fl_publisher_reload(pub, &next), 0);
	pub_run(1500);
	list_head("mal", &v);
	assert_int_equal(v.n_inputs, 1);
	assert_null(input(&v, "fb"));
}

static void test_metrics(void **state)
{
	struct fl_buf b = { 0 };

	(void)state;
	source("fa", "a.example");
	pub_run(1500);
	fl_publisher_metrics(pub, &b);
	assert_non_null(strstr(fl_buf_cstr(&b), "fireline_list_published_version{domain_list=\"mal\"} 1\n"));
	assert_non_null(strstr(fl_buf_cstr(&b), "fireline_outbox_records 0\n"));
	assert_non_null(strstr(fl_buf_cstr(&b), "fireline_list_publishes_total{domain_list=\"mal\",result=\"published\"} 1\n"));
	fl_buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PUB(test_follows_its_sources), PUB(test_a_list_of_people_is_born_empty), PUB(test_wake),		 PUB(test_nothing_new_is_no_version),
		PUB(test_each_version_is_sent_in_order), PUB(test_kafka_away),		 PUB(test_lost_acknowledgement), PUB(test_head_is_sent_again),
		PUB(test_two_publishers),      PUB(test_store_away_and_back),		 PUB(test_every_lost_call),	 PUB(test_reload),
		PUB(test_a_source_leaves_the_configuration), PUB(test_metrics),
	};

	return cmocka_run_group_tests_name("publisher", tests, NULL, NULL);
}
