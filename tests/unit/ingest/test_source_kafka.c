/* A topic as a source of findings, on the bus's twin and a clock of the test's own: the test is the stage. What is committed is what is durable, in order, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ingest/source_kafka.h"
#include "io/clock.h"

enum { PARTITIONS = 2 };

struct world {
	struct fl_clock_mem clock;
	struct fl_bus_mem *mem;
	struct fl_bus *bus, *producer;
	struct fl_intake *intake;
	struct fl_kafka_source *s;
	struct fl_cfg_findings_source cfg;
	fl_mono_ns wake;
	int woken;
	enum fl_bus_fault fault;
	const char *fault_at, *fault_topic;
	int faults; /* so often; < 0: ever */
};

static enum fl_bus_fault plan(void *ctx, const char *what, const char *topic)
{
	struct world *w = ctx;

	if (!w->faults || !w->fault_at || strcmp(what, w->fault_at) != 0 || strcmp(topic, w->fault_topic) != 0)
		return FL_BUS_OK;
	w->faults -= w->faults > 0;
	return w->fault;
}

static void intake_wakes(void *ctx)
{
	(void)ctx;
}

static void stage_wakes(void *ctx)
{
	((struct world *)ctx)->woken++;
}

static void open_source(struct world *w)
{
	struct fl_kafka_source_config c = { w->bus, w->intake, &w->clock.door, &w->cfg, stage_wakes, w };

	assert_int_equal(fl_kafka_source_open(&c, &w->s, NULL), 0);
}

static int up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	fl_clock_mem_init(&w->clock, INT64_C(1790000000) * FL_US_PER_S);
	w->mem = fl_bus_mem_new(&w->clock.door, PARTITIONS);
	fl_bus_mem_faults(w->mem, plan, w);
	w->bus = fl_bus_mem_open(w->mem, "fireline.");
	w->producer = fl_bus_mem_open(w->mem, "");
	assert_int_equal(fl_bus_create_topic(w->producer, "soc", PARTITIONS, NULL, NULL), 0);
	fl_intake_open(intake_wakes, NULL, &w->intake, NULL);
	w->cfg = (struct fl_cfg_findings_source){ .name = "siem", .type = FL_FINDINGS_KAFKA, .topic = "soc", .group = "g" };
	open_source(w);
	*state = w;
	return 0;
}

static int down(void **state)
{
	struct world *w = *state;

	fl_kafka_source_close(w->s);
	fl_intake_close(w->intake);
	fl_intake_free(w->intake);
	fl_kafka_source_letters(w->bus, 0);
	fl_bus_close(w->bus);
	fl_bus_close(w->producer);
	fl_bus_mem_free(w->mem);
	free(w);
	return 0;
}

/* All with one key, and so in one partition. */
static void put(struct world *w, const char *value)
{
	assert_int_equal(fl_bus_produce(w->producer, FL_BUS_CONTROL, "soc", fl_span_str("k"), fl_span_str(value), NULL, 0, 0, NULL), 0);
}

static void fill(struct world *w, int from, int to)
{
	char text[32];

	for (int i = from; i < to; i++) {
		snprintf(text, sizeof(text), "%d", i);
		put(w, text);
	}
}

static void step(struct world *w)
{
	fl_kafka_source_step(w->s, w->clock.now_mono, &w->wake);
}

static void later(struct world *w, int64_t ms)
{
	fl_clock_mem_advance(&w->clock, ms * FL_NS_PER_MS);
	step(w);
}

/* Steps until what is done is committed: a commit is heard of by the next fetch. */
static void settle(struct world *w)
{
	for (int i = 0; i < 4; i++)
		step(w);
}

static int64_t committed(struct world *w)
{
	int64_t a = fl_bus_mem_committed(w->mem, "soc", "g", 0), b = fl_bus_mem_committed(w->mem, "soc", "g", 1);

	return a > b ? a : b;
}

static struct fl_source_status status(struct world *w)
{
	struct fl_source_status s;

	fl_kafka_source_status(w->s, &s);
	return s;
}

static void give(struct fl_intake_item *it, int ret)
{
	it->ret = ret;
	if (ret)
		fl_err_set(&it->err, ret, "because %d", ret);
	else
		it->outcome.accepted = 1;
	it->done(it->ctx, it);
}

/* Takes what waits and says ret of it; how many it was. The first is the one expected. */
static int serve(struct world *w, int ret, int first)
{
	struct fl_intake_item *next;
	char text[32];
	int n = 0;

	for (struct fl_intake_item *it = fl_intake_take(w->intake, SIZE_MAX, SIZE_MAX); it; it = next, n++) {
		next = it->next;
		snprintf(text, sizeof(text), "%d", first + n);
		if (first >= 0 && !fl_span_eqs(it->json, text))
			fail_msg("not %s: %.*s", text, (int)it->json.n, (const char *)it->json.p);
		assert_string_equal(it->source, "siem");
		assert_string_equal(it->actor, "siem");
		give(it, ret);
	}
	return n;
}

static void committed_once_durable(void **state)
{
	struct world *w = *state;

	assert_int_equal(status(w).state, FL_SOURCE_STARTING);
	fill(w, 0, 10);
	settle(w);
	assert_int_equal(committed(w), -1);
	assert_int_equal(status(w).under_way, 10);
	assert_int_equal(serve(w, 0, 0), 10);
	assert_true(w->woken > 0);
	settle(w);
	assert_int_equal(committed(w), 10);
	assert_int_equal(status(w).state, FL_SOURCE_OK);
	assert_int_equal(status(w).under_way, 0);
	assert_int_equal(status(w).n[FL_SOURCE_N_TAKEN], 10);
	assert_int_equal(status(w).n[FL_SOURCE_N_ACCEPTED], 10);
	assert_int_equal(status(w).n[FL_SOURCE_N_RECEIVED], 10);
	assert_string_equal(status(w).reason, "");
}

/* What is done behind something that is not is not committed. */
static void the_offset_goes_on_in_order(void **state)
{
	struct world *w = *state;
	struct fl_intake_item *it[10];

	fill(w, 0, 10);
	settle(w);
	it[0] = fl_intake_take(w->intake, 10, SIZE_MAX);
	for (int i = 1; i < 10; i++)
		it[i] = it[i - 1]->next;
	for (int i = 9; i > 4; i--)
		give(it[i], 0);
	settle(w);
	assert_int_equal(committed(w), -1);
	give(it[0], 0);
	give(it[1], 0);
	settle(w);
	assert_int_equal(committed(w), 2);
	give(it[3], 0);
	give(it[4], 0);
	settle(w);
	assert_int_equal(committed(w), 2);
	give(it[2], 0);
	settle(w);
	assert_int_equal(committed(w), 10);
}

static void a_crash_before_the_commit_repeats(void **state)
{
	struct world *w = *state;

	fill(w, 0, 10);
	settle(w);
	serve(w, 0, 0); /* durable, and nobody has heard of it */
	fl_kafka_source_close(w->s);
	assert_int_equal(committed(w), -1);
	open_source(w);
	settle(w);
	assert_int_equal(serve(w, 0, 0), 10);
	settle(w);
	assert_int_equal(committed(w), 10);
	/* and what lies in the intake when the source ends comes again too */
	fill(w, 10, 15);
	settle(w);
	fl_kafka_source_close(w->s);
	assert_int_equal(serve(w, 0, 10), 5);
	open_source(w);
	settle(w);
	assert_int_equal(committed(w), 10);
	assert_int_equal(serve(w, 0, 10), 5);
	settle(w);
	assert_int_equal(committed(w), 15);
}

static void not_durable_is_tried_again_in_order(void **state)
{
	struct world *w = *state;
	int64_t waited = 0;

	fill(w, 0, 5);
	settle(w);
	assert_int_equal(serve(w, FL_EUNAVAIL, 0), 5);
	fill(w, 5, 8);
	settle(w);
	assert_int_equal(serve(w, 0, 5), 0); /* nothing goes before those that wait */
	assert_int_equal(status(w).state, FL_SOURCE_DEGRADED);
	assert_non_null(strstr(status(w).reason, "because"));
	assert_true(w->wake > w->clock.now_mono);
	later(w, FL_KAFKA_AGAIN_MIN_MS);
	assert_int_equal(serve(w, FL_EUNKNOWN, 0), 8); /* all of them, in order */
	step(w);
	for (int i = 0; i < 200; i++) { /* each time later, up to the bound */
		int n;

		later(w, FL_KAFKA_AGAIN_MIN_MS / 2);
		waited += FL_KAFKA_AGAIN_MIN_MS / 2;
		n = serve(w, FL_EUNAVAIL, -1);
		step(w);
		if (n == 0)
			continue;
		assert_true(waited <= FL_KAFKA_AGAIN_MAX_MS);
		waited = 0;
	}
	assert_int_equal(committed(w), -1);
	later(w, FL_KAFKA_AGAIN_MAX_MS);
	assert_int_equal(serve(w, 0, 0), 8);
	settle(w);
	assert_int_equal(committed(w), 8);
	assert_int_equal(status(w).state, FL_SOURCE_OK);
	assert_true(status(w).n[FL_SOURCE_N_AGAIN] >= 13);
}

/* A malformed claim in the store waits for a person, and the others do not. */
static void what_the_store_has_broken_holds_nothing_up(void **state)
{
	struct world *w = *state;

	fill(w, 0, 1);
	settle(w);
	assert_int_equal(serve(w, FL_ECORRUPT, 0), 1);
	fill(w, 1, 4);
	settle(w);
	assert_int_equal(serve(w, 0, 1), 3);
	settle(w);
	assert_int_equal(committed(w), -1); /* it is not passed over */
	later(w, FL_KAFKA_AGAIN_MIN_MS);
	assert_int_equal(serve(w, FL_ECORRUPT, 0), 1);
	settle(w);
	assert_int_equal(serve(w, 0, -1), 0);
	later(w, 2 * FL_KAFKA_AGAIN_MIN_MS);
	assert_int_equal(serve(w, 0, 0), 1);
	settle(w);
	assert_int_equal(committed(w), 4);
	assert_int_equal(status(w).state, FL_SOURCE_OK);
}

static void letter(struct world *w, int n, const char *reason, const char *origin, const char *value)
{
	struct fl_bus_consumer *c = NULL;
	struct fl_bus_msg m;

	assert_int_equal(fl_bus_consumer_open(w->bus, FL_TOPIC_DEAD_LETTER, NULL, &c, NULL), 0);
	for (int i = 0; i <= n; i++)
		assert_int_equal(fl_bus_fetch(w->bus, c, 0, &m, NULL), 1);
	assert_true(fl_span_eqs(m.key, "siem"));
	assert_true(fl_span_eqs(m.value, value));
	assert_string_equal(m.headers[0].key, "reason");
	assert_true(fl_span_eqs(m.headers[0].value, reason));
	assert_string_equal(m.headers[1].key, "origin");
	assert_true(m.headers[1].value.n > 4 && memcmp(m.headers[1].value.p, "soc/", 4) == 0);
	assert_true(fl_span_eqs(fl_span(m.headers[1].value.p + 5, m.headers[1].value.n - 5), origin));
	fl_bus_consumer_close(w->bus, c);
}

static void what_cannot_be_read_is_set_aside(void **state)
{
	struct world *w = *state;

	put(w, "0");
	put(w, "poison");
	put(w, "2");
	settle(w);
	for (struct fl_intake_item *it = fl_intake_take(w->intake, 9, SIZE_MAX), *next; it; it = next) {
		next = it->next;
		give(it, fl_span_eqs(it->json, "poison") ? FL_EFORMAT : 0);
	}
	w->fault = FL_BUS_DELAY; /* its report comes two seconds later */
	w->fault_at = "produce";
	w->fault_topic = "fireline.dead-letter";
	w->faults = 1;
	settle(w);
	assert_int_equal(committed(w), 1); /* not past it, before the report */
	later(w, 2100);
	settle(w);
	assert_int_equal(committed(w), 3);
	letter(w, 0, "because -1", "/1", "poison");
	assert_int_equal(status(w).n[FL_SOURCE_N_UNREADABLE], 1);
	assert_int_equal(status(w).n[FL_SOURCE_N_TAKEN], 2);
	assert_int_equal(status(w).state, FL_SOURCE_OK);
}

static void a_letter_that_fails_is_sent_again(void **state)
{
	struct world *w = *state;

	fill(w, 0, 1);
	settle(w);
	serve(w, FL_ELIMIT, 0);
	w->fault = FL_BUS_DOWN;
	w->fault_at = "produce";
	w->fault_topic = "fireline.dead-letter";
	w->faults = 2; /* refused at once, and reported failed */
	settle(w);
	assert_int_equal(committed(w), -1);
	assert_int_equal(status(w).state, FL_SOURCE_DEGRADED);
	assert_non_null(strstr(status(w).reason, "dead-letter"));
	fill(w, 1, 3); /* it holds nothing up but the offset */
	settle(w);
	assert_int_equal(serve(w, 0, 1), 2);
	for (int i = 0; i < 10; i++)
		later(w, 1000);
	assert_int_equal(committed(w), 3);
	assert_int_equal(fl_bus_mem_count(w->mem, "fireline.dead-letter"), 1);
	assert_int_equal(status(w).state, FL_SOURCE_OK);
}

static void tombstones_and_empty_values_are_passed(void **state)
{
	struct world *w = *state;

	put(w, "0");
	assert_int_equal(fl_bus_produce(w->producer, FL_BUS_CONTROL, "soc", fl_span_str("k"), fl_span(NULL, 0), NULL, 0, 0, NULL), 0);
	put(w, "");
	settle(w);
	assert_int_equal(committed(w), -1);
	assert_int_equal(serve(w, 0, 0), 1);
	settle(w);
	assert_int_equal(committed(w), 3);
	assert_int_equal(status(w).n[FL_SOURCE_N_EMPTY], 2);
}

static void reading_stops_while_much_is_under_way(void **state)
{
	struct world *w = *state;
	enum { ALL = 3 * FL_KAFKA_UNDER_WAY };
	int n = 0;

	fill(w, 0, ALL);
	for (int i = 0; i < 60; i++)
		step(w);
	assert_int_equal(status(w).under_way, FL_KAFKA_UNDER_WAY);
	for (int i = 0; i < 60 && n < ALL; i++) {
		n += serve(w, 0, n);
		settle(w);
		assert_true(status(w).under_way <= FL_KAFKA_UNDER_WAY);
	}
	assert_int_equal(n, ALL);
	settle(w);
	assert_int_equal(committed(w), ALL);
}

/* Others have filled the intake. */
static void a_full_intake_is_waited_for(void **state)
{
	struct world *w = *state;
	struct fl_intake_item *others = calloc(FL_INTAKE_ITEMS, sizeof(*others));

	for (int i = 0; i < FL_INTAKE_ITEMS; i++)
		assert_int_equal(fl_intake_push(w->intake, &others[i]), 0);
	fill(w, 0, 5);
	settle(w);
	assert_int_equal(status(w).under_way, 5);
	assert_non_null(strstr(status(w).reason, "full"));
	assert_true(w->wake > w->clock.now_mono && w->wake <= w->clock.now_mono + FL_NS_PER_S);
	fl_intake_take(w->intake, SIZE_MAX, SIZE_MAX);
	later(w, 50);
	assert_int_equal(serve(w, 0, 0), 5);
	settle(w);
	assert_int_equal(committed(w), 5);
	free(others);
}

static void a_partition_that_goes_is_not_committed(void **state)
{
	struct world *w = *state;
	struct fl_kafka_source *mine = w->s;
	struct fl_bus_member *other;
	struct fl_bus_msg m;
	int64_t before;

	fill(w, 0, 5);
	for (int i = 0; i < 5; i++) /* and in the other partition */
		assert_int_equal(fl_bus_produce(w->producer, FL_BUS_CONTROL, "soc", fl_span(NULL, 0), fl_span_str("x"), NULL, 0, 0, NULL), 0);
	settle(w);
	assert_int_equal(status(w).under_way, 10);
	assert_int_equal(fl_bus_member_open(w->bus, "soc", "g", &other, NULL), 0);
	fl_bus_member_fetch(w->bus, other, 0, &m, NULL);
	step(w); /* all was given anew: what was read comes again to whoever has it now */
	serve(w, 0, -1);
	before = committed(w);
	settle(w);
	serve(w, 0, -1);
	settle(w);
	assert_int_equal(before, -1);
	assert_true((fl_bus_mem_committed(w->mem, "soc", "g", 0) < 0) != (fl_bus_mem_committed(w->mem, "soc", "g", 1) < 0)); /* its half alone */
	fl_bus_member_close(w->bus, other);
	for (int i = 0; i < 4; i++) {
		settle(w);
		serve(w, 0, -1);
	}
	settle(w);
	assert_int_equal(fl_bus_mem_committed(w->mem, "soc", "g", 0) + fl_bus_mem_committed(w->mem, "soc", "g", 1), 10);
	assert_ptr_equal(mine, w->s);
}

static void a_broker_that_is_away(void **state)
{
	struct world *w = *state;

	fill(w, 0, 5);
	w->fault = FL_BUS_DOWN;
	w->fault_at = "fetch";
	w->fault_topic = "soc";
	w->faults = -1;
	settle(w);
	assert_int_equal(status(w).state, FL_SOURCE_DEGRADED);
	assert_non_null(strstr(status(w).reason, "down"));
	w->faults = 0;
	settle(w);
	assert_int_equal(serve(w, 0, 0), 5);
	w->fault_at = "commit"; /* fails twice, and is asked for again */
	w->faults = 2;
	for (int i = 0; i < 3; i++)
		settle(w);
	assert_int_equal(committed(w), 5);
	assert_int_equal(status(w).state, FL_SOURCE_OK);
}

/* A topic that was deleted and made again: its records are read from the beginning, none is left out. */
static void a_topic_made_anew(void **state)
{
	struct world *w = *state;

	fill(w, 0, 10);
	settle(w);
	serve(w, 0, 0);
	settle(w);
	assert_int_equal(committed(w), 10);
	fl_bus_mem_reset(w->mem);
	fill(w, 100, 103);
	for (int i = 0; i < 10; i++)
		later(w, 1000);
	assert_int_equal(serve(w, 0, 100), 3);
	settle(w);
	assert_int_equal(committed(w), 3);
}

static void a_missing_topic_is_said(void **state)
{
	struct world *w = *state;

	fl_kafka_source_close(w->s);
	w->cfg.topic = "nowhere";
	open_source(w);
	settle(w);
	assert_int_equal(status(w).state, FL_SOURCE_DEGRADED);
	assert_non_null(strstr(status(w).reason, "nowhere"));
}

static void the_mapping_goes_along(void **state)
{
	struct world *w = *state;
	struct fl_intake_item *it;

	fl_kafka_source_close(w->s);
	w->cfg.mapping = (struct fl_cfg_finding_mapping){ .domain = "/ioc", .id = "/id" };
	open_source(w);
	memset(&w->cfg, 0, sizeof(w->cfg)); /* the configuration it came from may be gone */
	fill(w, 0, 1);
	settle(w);
	it = fl_intake_take(w->intake, 1, SIZE_MAX);
	assert_string_equal(it->mapping->domain, "/ioc");
	assert_string_equal(it->mapping->id, "/id");
	assert_string_equal(it->mapping->severity, "");
	assert_string_equal(it->source, "siem");
	give(it, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(committed_once_durable),
		T(the_offset_goes_on_in_order),
		T(a_crash_before_the_commit_repeats),
		T(not_durable_is_tried_again_in_order),
		T(what_the_store_has_broken_holds_nothing_up),
		T(what_cannot_be_read_is_set_aside),
		T(a_letter_that_fails_is_sent_again),
		T(tombstones_and_empty_values_are_passed),
		T(reading_stops_while_much_is_under_way),
		T(a_full_intake_is_waited_for),
		T(a_partition_that_goes_is_not_committed),
		T(a_broker_that_is_away),
		T(a_topic_made_anew),
		T(a_missing_topic_is_said),
		T(the_mapping_goes_along),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
