/* What the bus door promises, kept by each of its kinds: the twin in memory, Kafka's protocol against the mock broker in
 * this process, and a real broker when FL_KAFKA=host:port names one. After that what only one kind can show. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/bus.h"
#include "io/bus_kafka.h"
#include "io/clock.h"

enum { PATIENCE_MS = 20000, PARTITIONS = 3 };

struct world {
	struct fl_clock_mem clock;
	struct fl_bus_mem *mem;
	struct fl_bus_mock *mock;
	struct fl_bus *bus;
	char brokers[256], prefix[64];
};

static struct fl_bus *open_kafka(const char *brokers, const char *prefix)
{
	struct fl_bus_kafka_config c = { .brokers = brokers, .topic_prefix = prefix, .client_id = "test", .create_topics = true };
	struct fl_err err = { 0 };
	struct fl_bus *b = NULL;

	if (fl_bus_kafka_open(&c, &b, &err) < 0)
		fail_msg("%s", err.text);
	return b;
}

static int up_mem(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	fl_clock_mem_init(&w->clock, INT64_C(1790000000) * FL_US_PER_S);
	w->mem = fl_bus_mem_new(&w->clock.door, PARTITIONS);
	w->bus = fl_bus_mem_open(w->mem, "t.");
	*state = w;
	return 0;
}

static int up_mock(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	*state = w;
	if (fl_bus_mock_start(&w->mock, w->brokers, sizeof(w->brokers), NULL) < 0)
		return -1;
	w->bus = open_kafka(w->brokers, "t.");
	return 0;
}

static int up_real(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	const char *at = getenv("FL_KAFKA");

	*state = w;
	if (!at)
		return 0;
	snprintf(w->prefix, sizeof(w->prefix), "t%llx.", (unsigned long long)fl_random_u64(fl_random_sys()));
	snprintf(w->brokers, sizeof(w->brokers), "%s", at);
	w->bus = open_kafka(w->brokers, w->prefix);
	return 0;
}

static int down(void **state)
{
	struct world *w = *state;

	if (w->bus)
		fl_bus_close(w->bus);
	fl_bus_mem_free(w->mem);
	fl_bus_mock_stop(w->mock);
	free(w);
	return 0;
}

/* --- small talk --- */

static struct world *world(void **state)
{
	struct world *w = *state;

	if (!w->bus)
		skip();
	return w;
}

static void make_topic(struct world *w, const char *topic)
{
	struct fl_err err = { 0 };
	char name[128];

	if (w->mock) {
		snprintf(name, sizeof(name), "%s%s", w->bus->topic_prefix, topic);
		assert_int_equal(fl_bus_mock_topic(w->mock, name, PARTITIONS, &err), 0);
	}
	if (fl_bus_create_topic(w->bus, topic, PARTITIONS, (const char *const[]){ "cleanup.policy", "compact", NULL }, &err) < 0)
		fail_msg("%s", err.text);
}

struct seen {
	int n, failed;
	uint64_t tags[512];
	int codes[512];
	int64_t offsets[512];
};

static void see(void *ctx, uint64_t tag, int code, int32_t partition, int64_t offset)
{
	struct seen *s = ctx;

	if (code == 0) {
		assert_in_range(partition, 0, PARTITIONS - 1);
		assert_true(offset >= 0);
	}
	assert_true(s->n < 512);
	s->tags[s->n] = tag;
	s->codes[s->n] = code;
	s->offsets[s->n] = offset;
	s->n++;
	s->failed += code != 0;
}

static void put(struct world *w, const char *topic, const char *key, const char *value, uint64_t tag)
{
	struct fl_err err = { 0 };

	if (fl_bus_produce(w->bus, FL_BUS_CONTROL, topic, fl_span_str(key), fl_span_str(value), NULL, 0, tag, &err) < 0)
		fail_msg("%s", err.text);
}

/* Until nothing is in flight, or patience ends. */
static struct seen reports(struct world *w, enum fl_bus_producer which)
{
	struct seen s = { 0 };

	for (int waited = 0; w->bus->ops->in_flight(w->bus, which) && waited < PATIENCE_MS; waited += 100)
		fl_bus_poll(w->bus, which, 100, see, &s);
	assert_int_equal(w->bus->ops->in_flight(w->bus, which), 0);
	return s;
}

static struct fl_bus_consumer *consume(struct world *w, const char *topic, const struct fl_bus_offsets *from)
{
	struct fl_bus_consumer *c = NULL;
	struct fl_err err = { 0 };

	for (int i = 0; i < 50 && fl_bus_consumer_open(w->bus, topic, from, &c, &err) < 0; i++)
		usleep(100000);
	if (!c)
		fail_msg("%s", err.text);
	return c;
}

static int next(struct world *w, struct fl_bus_consumer *c, struct fl_bus_msg *m)
{
	int ret = 0;

	for (int waited = 0; ret == 0 && waited < (w->mem ? 100 : PATIENCE_MS); waited += 100)
		ret = fl_bus_fetch(w->bus, c, 100, m, NULL);
	return ret;
}

/* --- promises of all kinds --- */

static void what_is_produced_is_reported_and_read(void **state)
{
	struct world *w = world(state);
	struct fl_bus_header headers[] = { { "ce_id", fl_span_str("x@1") }, { "empty", fl_span_str("") } };
	struct fl_bus_consumer *c;
	struct fl_bus_msg m;
	struct seen s;

	make_topic(w, "one");
	assert_int_equal(fl_bus_produce(w->bus, FL_BUS_CONTROL, "one", fl_span_str("k"), fl_span_str("value"), headers, 2, 42, NULL), 0);
	assert_int_equal(w->bus->ops->in_flight(w->bus, FL_BUS_CONTROL), 1);
	s = reports(w, FL_BUS_CONTROL);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.codes[0], 0);
	assert_int_equal(s.tags[0], 42);
	c = consume(w, "one", NULL);
	assert_int_equal(next(w, c, &m), 1);
	assert_true(fl_span_eqs(m.key, "k"));
	assert_true(fl_span_eqs(m.value, "value"));
	assert_int_equal(m.offset, s.offsets[0]);
	assert_true(m.timestamp > INT64_C(1600000000) * FL_US_PER_S);
	assert_int_equal(m.n_headers, 2);
	assert_string_equal(m.headers[0].key, "ce_id");
	assert_true(fl_span_eqs(m.headers[0].value, "x@1"));
	assert_int_equal(m.headers[1].value.n, 0);
	assert_int_equal(fl_bus_fetch(w->bus, c, 10, &m, NULL), 0);
	fl_bus_consumer_close(w->bus, c);
}

static void bytes_are_bytes_and_no_value_is_a_tombstone(void **state)
{
	struct world *w = world(state);
	const uint8_t odd[] = { 0, 0xff, '\n', 0 };
	struct fl_bus_consumer *c;
	struct fl_bus_msg m;

	make_topic(w, "odd");
	assert_int_equal(fl_bus_produce(w->bus, FL_BUS_CONTROL, "odd", fl_span(odd, 4), fl_span(odd, 4), NULL, 0, 1, NULL), 0);
	assert_int_equal(reports(w, FL_BUS_CONTROL).failed, 0);
	assert_int_equal(fl_bus_produce(w->bus, FL_BUS_CONTROL, "odd", fl_span(odd, 4), fl_span(NULL, 0), NULL, 0, 2, NULL), 0);
	assert_int_equal(reports(w, FL_BUS_CONTROL).failed, 0);
	c = consume(w, "odd", NULL);
	assert_int_equal(next(w, c, &m), 1);
	assert_true(fl_span_eq(m.key, fl_span(odd, 4)));
	assert_true(fl_span_eq(m.value, fl_span(odd, 4)));
	assert_int_equal(next(w, c, &m), 1);
	assert_null(m.value.p);
	fl_bus_consumer_close(w->bus, c);
}

static void a_key_keeps_its_order(void **state)
{
	struct world *w = world(state);
	struct fl_bus_consumer *c;
	int want[4] = { 0 };
	char key[8], value[16];
	struct fl_bus_msg m;

	make_topic(w, "order");
	for (int i = 0; i < 100; i++) {
		snprintf(key, sizeof(key), "k%d", i % 4);
		snprintf(value, sizeof(value), "%d", i / 4);
		put(w, "order", key, value, (uint64_t)i);
	}
	assert_int_equal(reports(w, FL_BUS_CONTROL).n, 100);
	c = consume(w, "order", NULL);
	for (int i = 0; i < 100; i++) {
		int k;

		assert_int_equal(next(w, c, &m), 1);
		k = m.key.p[1] - '0';
		snprintf(value, sizeof(value), "%d", want[k]++);
		assert_true(fl_span_eqs(m.value, value));
	}
	fl_bus_consumer_close(w->bus, c);
}

static void a_consumer_goes_on_where_it_is_told(void **state)
{
	struct world *w = world(state);
	struct fl_bus_offsets at, first, end, beyond = { .n = PARTITIONS };
	struct fl_bus_consumer *c;
	struct fl_bus_msg m;

	make_topic(w, "resume");
	for (int i = 0; i < 6; i++)
		put(w, "resume", "same", (const char *[]){ "0", "1", "2", "3", "4", "5" }[i], 0);
	reports(w, FL_BUS_CONTROL);
	c = consume(w, "resume", NULL);
	for (int i = 0; i < 3; i++)
		assert_int_equal(next(w, c, &m), 1);
	w->bus->ops->position(c, &at);
	assert_int_equal(w->bus->ops->watermarks(c, &first, &end, NULL), 0);
	assert_int_equal(end.n, PARTITIONS);
	assert_int_equal(first.next[m.partition], 0);
	assert_int_equal(end.next[m.partition], 6);
	assert_int_equal(at.next[m.partition], 3);
	fl_bus_consumer_close(w->bus, c);
	c = consume(w, "resume", &at);
	assert_int_equal(next(w, c, &m), 1);
	assert_true(fl_span_eqs(m.value, "3"));
	fl_bus_consumer_close(w->bus, c);
	for (int i = 0; i < PARTITIONS; i++)
		beyond.next[i] = 1000; /* another broker than the one it came from */
	c = consume(w, "resume", &beyond);
	assert_int_equal(next(w, c, &m), 1);
	assert_true(fl_span_eqs(m.value, "0"));
	fl_bus_consumer_close(w->bus, c);
}

static void producers_are_apart(void **state)
{
	struct world *w = world(state);
	struct seen s;

	make_topic(w, "apart");
	put(w, "apart", "a", "1", 1);
	assert_int_equal(fl_bus_produce(w->bus, FL_BUS_QUERY_LOG, "apart", fl_span_str("b"), fl_span_str("2"), NULL, 0, 2, NULL), 0);
	assert_int_equal(w->bus->ops->in_flight(w->bus, FL_BUS_QUERY_LOG), 1);
	s = reports(w, FL_BUS_CONTROL);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.tags[0], 1);
	s = reports(w, FL_BUS_QUERY_LOG);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.tags[0], 2);
	assert_int_equal(s.failed, 0);
}

static void see_and_produce(void *ctx, uint64_t tag, int code, int32_t partition, int64_t offset)
{
	(void)partition, (void)offset;
	assert_int_equal(code, 0);
	if (tag < 300)
		put(ctx, "chain", "k", "v", tag + 1);
}

static void a_report_may_produce(void **state)
{
	struct world *w = world(state);
	int n = 0;

	make_topic(w, "chain");
	put(w, "chain", "k", "v", 290);
	for (int i = 0; i < 400 && w->bus->ops->in_flight(w->bus, FL_BUS_CONTROL); i++)
		n += fl_bus_poll(w->bus, FL_BUS_CONTROL, 100, see_and_produce, w);
	assert_int_equal(n, 11);
}

static void a_missing_topic_is_not_there(void **state)
{
	struct world *w = world(state);
	struct fl_bus_consumer *c = NULL;
	struct fl_err err = { 0 };

	if (w->mock)
		skip(); /* it makes up any topic that is asked for */
	assert_int_equal(fl_bus_consumer_open(w->bus, "nowhere", NULL, &c, &err), FL_ENOTFOUND);
	assert_non_null(strstr(err.text, "nowhere"));
	assert_null(c);
}

static void misuse_is_refused(void **state)
{
	struct world *w = world(state);
	struct fl_bus_header headers[FL_BUS_HEADERS_MAX + 1] = { { "a", { 0 } } };
	char longest[300];

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(fl_bus_create_topic(w->bus, longest, 1, NULL, NULL), FL_EUSAGE);
	assert_int_equal(fl_bus_create_topic(w->bus, "p", FL_BUS_PARTITIONS_MAX + 1, NULL, NULL), FL_EUSAGE);
	assert_int_equal(fl_bus_create_topic(w->bus, "p", 0, NULL, NULL), FL_EUSAGE);
	for (size_t i = 0; i <= FL_BUS_HEADERS_MAX; i++)
		headers[i].key = "a";
	assert_int_equal(fl_bus_produce(w->bus, FL_BUS_CONTROL, "p", fl_span(NULL, 0), fl_span(NULL, 0), headers, FL_BUS_HEADERS_MAX + 1, 0,
					NULL),
			 FL_EUSAGE);
}

/* --- groups --- */

struct reader {
	struct fl_bus_member *m;
	struct fl_bus_offsets next;
	int n;
};

static void full_topic(struct world *w, const char *topic, char name[128])
{
	snprintf(name, 128, "%s%s", w->bus->topic_prefix, topic);
}

static struct reader join(struct world *w, const char *topic)
{
	struct reader r = { .next.n = PARTITIONS, .next.next = { -1, -1, -1 } };
	struct fl_err err = { 0 };
	char name[128];

	full_topic(w, topic, name);
	if (fl_bus_member_open(w->bus, name, "g", &r.m, &err) < 0)
		fail_msg("%s", err.text);
	return r;
}

/* One message, or 0 when none came with patience. Trouble is passed over: a group takes its time to come together. */
static int read_one(struct world *w, struct reader *r, int patience_ms, struct fl_bus_msg *m)
{
	for (int waited = 0; waited < (w->mem ? 1000 : patience_ms); waited += 100) {
		int ret = fl_bus_member_fetch(w->bus, r->m, w->mem ? 0 : 100, m, NULL);

		if (ret < 0 && !w->mem)
			usleep(100000);
		if (ret < 1)
			continue;
		assert_in_range(m->partition, 0, PARTITIONS - 1);
		r->next.next[m->partition] = m->offset + 1;
		r->n++;
		return 1;
	}
	return 0;
}

static void read_n(struct world *w, struct reader *r, int n)
{
	struct fl_bus_msg m;

	for (int i = 0; i < n; i++)
		assert_int_equal(read_one(w, r, PATIENCE_MS, &m), 1);
}

static void commit(struct world *w, struct reader *r)
{
	struct fl_bus_assigned a;
	struct fl_err err = { 0 };
	struct fl_bus_msg m;

	if (w->bus->ops->member_commit(r->m, &r->next, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(w->bus->ops->member_commit(r->m, &r->next, NULL), FL_EUNAVAIL); /* one at a time */
	for (int i = 0; i < 200; i++) {
		w->bus->ops->member_assigned(r->m, &a);
		if (!a.committing)
			break;
		assert_int_equal(fl_bus_member_fetch(w->bus, r->m, 100, &m, NULL), 0);
	}
	assert_false(a.committing);
	for (int i = 0; i < PARTITIONS; i++)
		assert_int_equal(a.committed[i], r->next.next[i]);
}

static void fill(struct world *w, const char *topic, int from, int to)
{
	char key[16];

	for (int i = from; i < to; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		put(w, topic, key, "v", (uint64_t)i);
	}
	assert_int_equal(reports(w, FL_BUS_CONTROL).failed, 0);
}

static void a_group_goes_on_from_what_it_committed(void **state)
{
	struct world *w = world(state);
	struct reader r;
	struct fl_bus_msg m;

	make_topic(w, "grp");
	fill(w, "grp", 0, 60);
	r = join(w, "grp");
	read_n(w, &r, 60);
	assert_int_equal(read_one(w, &r, 300, &m), 0);
	fl_bus_member_close(w->bus, r.m); /* nothing committed: all of it comes again */
	r = join(w, "grp");
	read_n(w, &r, 60);
	commit(w, &r);
	fill(w, "grp", 60, 90);
	read_n(w, &r, 30);
	fl_bus_member_close(w->bus, r.m); /* read, and not committed */
	r = join(w, "grp");
	read_n(w, &r, 30);
	assert_int_equal(read_one(w, &r, 300, &m), 0);
	fl_bus_member_close(w->bus, r.m);
}

static void a_commit_under_way_is_waited_for_at_the_end(void **state)
{
	struct world *w = world(state);
	struct reader r;
	struct fl_bus_msg m;

	make_topic(w, "end");
	fill(w, "end", 0, 30);
	r = join(w, "end");
	read_n(w, &r, 30);
	assert_int_equal(w->bus->ops->member_commit(r.m, &r.next, NULL), 0);
	fl_bus_member_close(w->bus, r.m);
	r = join(w, "end");
	fill(w, "end", 30, 31);
	read_n(w, &r, 1);
	assert_int_equal(read_one(w, &r, 300, &m), 0);
	fl_bus_member_close(w->bus, r.m);
}

static void a_paused_member_keeps_what_it_has(void **state)
{
	struct world *w = world(state);
	struct fl_bus_assigned before, after;
	struct reader r;
	struct fl_bus_msg m;
	int64_t last[PARTITIONS] = { -1, -1, -1 };

	make_topic(w, "pause");
	fill(w, "pause", 0, 100);
	r = join(w, "pause");
	for (int n = 0; n < 100; n++) {
		if (n % 30 == 10) {
			w->bus->ops->member_assigned(r.m, &before);
			w->bus->ops->member_pause(r.m, true);
			assert_int_equal(read_one(w, &r, 300, &m), 0);
			w->bus->ops->member_pause(r.m, false);
			w->bus->ops->member_assigned(r.m, &after);
			assert_memory_equal(&before, &after, sizeof(before));
		}
		assert_int_equal(read_one(w, &r, PATIENCE_MS, &m), 1);
		assert_int_equal(m.offset, last[m.partition] + 1); /* none twice, none left out */
		last[m.partition] = m.offset;
	}
	assert_int_equal(read_one(w, &r, 300, &m), 0);
	fl_bus_member_close(w->bus, r.m);
}

/* What the first one read and did not commit goes to whoever has the partition now; what was read in an earlier turn is not committed. */
static void partitions_go_from_one_member_to_another(void **state)
{
	struct world *w = world(state);
	struct fl_bus_assigned one, two, then;
	struct reader a, b;
	struct fl_bus_msg m;
	int shared = 0;

	make_topic(w, "two");
	fill(w, "two", 0, 60);
	a = join(w, "two");
	read_n(w, &a, 60);
	w->bus->ops->member_assigned(a.m, &then);
	b = join(w, "two");
	for (int i = 0; i < 600 && shared != PARTITIONS; i++) {
		fl_bus_member_fetch(w->bus, a.m, w->mem ? 0 : 50, &m, NULL);
		fl_bus_member_fetch(w->bus, b.m, w->mem ? 0 : 50, &m, NULL);
		w->bus->ops->member_assigned(a.m, &one);
		w->bus->ops->member_assigned(b.m, &two);
		shared = 0;
		for (int p = 0; p < PARTITIONS && one.turn[p] > then.turn[p] - 1; p++)
			shared += one.ours[p] != two.ours[p];
		if (!two.ours[0] && !two.ours[1] && !two.ours[2])
			shared = 0;
	}
	assert_int_equal(shared, PARTITIONS);
	for (int p = 0; p < PARTITIONS; p++)
		if (one.ours[p]) {
			assert_true(one.turn[p] > then.turn[p]);
			assert_int_equal(one.committed[p], -1);
		}
	fl_bus_member_close(w->bus, a.m);
	for (int i = 0; i < 600; i++) { /* the other one has it all */
		fl_bus_member_fetch(w->bus, b.m, w->mem ? 0 : 50, &m, NULL);
		w->bus->ops->member_assigned(b.m, &two);
		if (two.ours[0] && two.ours[1] && two.ours[2])
			break;
	}
	assert_true(two.ours[0] && two.ours[1] && two.ours[2]);
	fl_bus_member_close(w->bus, b.m);
}

static void a_member_is_asked_for_by_name(void **state)
{
	struct world *w = world(state);
	struct fl_bus_member *m = NULL;

	assert_int_equal(fl_bus_member_open(w->bus, "", "g", &m, NULL), FL_EUSAGE);
	assert_int_equal(fl_bus_member_open(w->bus, "t", "", &m, NULL), FL_EUSAGE);
	assert_null(m);
}

/* --- Kafka alone --- */

static void wake_tells_of_reports_and_messages(void **state)
{
	struct world *w = world(state);
	struct fl_bus_consumer *c;
	struct fl_bus_msg m;
	uint64_t drop;
	int fd = w->bus->ops->wake_fd(w->bus), ret = -1;

	assert_true(fd >= 0);
	make_topic(w, "wake");
	c = consume(w, "wake", NULL);
	put(w, "wake", "k", "v", 1);
	for (int i = 0; i < 200 && ret < 1; i++) {
		while (read(fd, &drop, sizeof(drop)) < 0 && i++ < 200)
			usleep(50000);
		fl_bus_poll(w->bus, FL_BUS_CONTROL, 0, see, &(struct seen){ 0 });
		ret = fl_bus_fetch(w->bus, c, 0, &m, NULL);
	}
	assert_int_equal(ret, 1);
	fl_bus_consumer_close(w->bus, c);
}

static void a_fatal_producer_is_replaced(void **state)
{
	struct world *w = world(state);
	struct seen s = { 0 };

	make_topic(w, "fatal");
	put(w, "fatal", "k", "before", 1);
	assert_int_equal(reports(w, FL_BUS_CONTROL).failed, 0);
	fl__bus_kafka_make_fatal(w->bus, FL_BUS_CONTROL);
	assert_int_equal(fl_bus_produce(w->bus, FL_BUS_CONTROL, "fatal", fl_span_str("k"), fl_span_str("x"), NULL, 0, 2, NULL), FL_EUNAVAIL);
	fl_bus_poll(w->bus, FL_BUS_CONTROL, 0, see, &s);
	put(w, "fatal", "k", "after", 3);
	s = reports(w, FL_BUS_CONTROL);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.tags[0], 3);
	assert_int_equal(s.codes[0], 0);
}

/* To send it again would never help: a compacted topic takes no record without key. */
static void what_the_broker_refuses_is_refused(void **state)
{
	struct world *w = world(state);
	struct seen s;

	make_topic(w, "refused");
	assert_int_equal(fl_bus_produce(w->bus, FL_BUS_CONTROL, "refused", fl_span(NULL, 0), fl_span_str("v"), NULL, 0, 1, NULL), 0);
	s = reports(w, FL_BUS_CONTROL);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.codes[0], FL_EREFUSED);
}

static void what_was_in_flight_is_reported_when_it_dies(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct seen s = { 0 };

	(void)state;
	w->bus = open_kafka("127.0.0.1:1", "t.");
	for (uint64_t i = 1; i <= 300; i++)
		put(w, "t", "k", "v", i);
	assert_int_equal(w->bus->ops->in_flight(w->bus, FL_BUS_CONTROL), 300);
	fl__bus_kafka_make_fatal(w->bus, FL_BUS_CONTROL);
	for (int i = 0; i < 100 && s.n < 300; i++)
		fl_bus_poll(w->bus, FL_BUS_CONTROL, 50, see, &s);
	assert_int_equal(s.n, 300);
	assert_int_equal(s.failed, 300);
	for (int i = 0; i < 300; i++)
		assert_true(s.codes[i] == FL_EUNAVAIL || s.codes[i] == FL_EUNKNOWN);
	assert_int_equal(w->bus->ops->in_flight(w->bus, FL_BUS_CONTROL), 0);
	fl_bus_close(w->bus);
	free(w);
}

static void no_broker_stops_nobody(void **state)
{
	struct fl_bus *b = open_kafka("127.0.0.1:1", "t.");
	struct fl_bus_consumer *c = NULL;
	struct fl_bus_member *member = NULL;
	struct fl_bus_msg m;
	struct fl_err err = { 0 };
	int ret = 0;

	(void)state;
	assert_int_equal(fl_bus_produce(b, FL_BUS_CONTROL, "x", fl_span_str("k"), fl_span_str("v"), NULL, 0, 1, NULL), 0);
	assert_int_equal(fl_bus_poll(b, FL_BUS_CONTROL, 0, see, NULL), 0);
	assert_int_equal(fl_bus_consumer_open(b, "x", NULL, &c, &err), FL_EUNAVAIL);
	assert_int_equal(fl_bus_consumer_open(b, "x", NULL, &c, &err), FL_EUNAVAIL);
	assert_int_equal(fl_bus_create_topic(b, "x", 1, NULL, &err), FL_EUNAVAIL);
	assert_int_equal(b->ops->in_flight(b, FL_BUS_CONTROL), 1);
	assert_int_equal(fl_bus_member_open(b, "x", "g", &member, &err), 0);
	for (int i = 0; i < 100 && ret == 0; i++)
		ret = fl_bus_member_fetch(b, member, 100, &m, &err);
	assert_int_equal(ret, FL_EUNAVAIL);
	fl_bus_member_close(b, member);
	fl_bus_close(b);
}

/* The caller tries again, and all is well once the broker is there. */
static void a_broker_that_goes_is_unavailable(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct fl_bus_consumer *c;
	struct fl_bus_msg m;
	int ret = 0;

	(void)state;
	assert_int_equal(fl_bus_mock_start(&w->mock, w->brokers, sizeof(w->brokers), NULL), 0);
	w->bus = open_kafka(w->brokers, "t.");
	make_topic(w, "gone");
	c = consume(w, "gone", NULL);
	assert_int_equal(fl_bus_fetch(w->bus, c, 10, &m, NULL), 0);
	fl_bus_mock_stop(w->mock);
	for (int i = 0; i < 200 && ret == 0; i++)
		ret = fl_bus_fetch(w->bus, c, 100, &m, NULL);
	assert_int_equal(ret, FL_EUNAVAIL);
	fl_bus_consumer_close(w->bus, c);
	fl_bus_close(w->bus);
	free(w);
}

static void settings_are_checked_by_name(void **state)
{
	static const struct {
		const char *all[3], *log[3], *named;
	} rows[] = {
		{ { "no.such.setting", "1", NULL }, { NULL }, "no.such.setting" },
		{ { "message.max.bytes", "many", NULL }, { NULL }, "message.max.bytes" },
		{ { NULL }, { "compression.codec", "none-such", NULL }, "compression.codec" },
		{ { NULL }, { "linger.ms", "5", NULL }, NULL },
		{ { "socket.timeout.ms", "7000", NULL }, { "compression.codec", "lz4", NULL }, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_bus_kafka_config c = { .brokers = "127.0.0.1:1", .librdkafka = rows[i].all, .query_log = rows[i].log };
		struct fl_err err = { 0 };
		struct fl_bus *b = NULL;
		int ret = fl_bus_kafka_open(&c, &b, &err);

		if (rows[i].named) {
			assert_int_equal(ret, FL_ECONFIG);
			assert_non_null(strstr(err.text, rows[i].named));
			assert_null(b);
		} else {
			assert_int_equal(ret, 0);
			fl_bus_close(b);
		}
	}
}

/* --- the twin alone: its faults --- */

static enum fl_bus_fault the_fault;
static const char *the_place;

static enum fl_bus_fault plan(void *ctx, const char *what, const char *topic)
{
	(void)ctx;
	assert_string_equal(topic, "t.f");
	return strcmp(what, the_place) == 0 ? the_fault : FL_BUS_OK;
}

static void read_all(struct world *w, char *out, size_t cap)
{
	struct fl_bus_consumer *c = consume(w, "f", NULL);
	struct fl_bus_msg m;
	size_t n = 0;

	while (n + 1 < cap && fl_bus_fetch(w->bus, c, 0, &m, NULL) == 1)
		out[n++] = m.value.n == 1 ? (char)m.value.p[0] : '?';
	out[n] = '\0';
	fl_bus_consumer_close(w->bus, c);
}

static void each_fault_does_what_it_says(void **state)
{
	static const struct {
		enum fl_bus_fault fault;
		int code;
		const char *read, *later; /* after 3 s */
	} rows[] = {
		{ FL_BUS_OK, 0, "ab", "ab" },	       { FL_BUS_LOST_ACK, FL_EUNKNOWN, "ab", "ab" }, { FL_BUS_LOST, 0, "a", "a" },
		{ FL_BUS_REPEAT, 0, "abb", "abb" },    { FL_BUS_REORDER, 0, "ba", "ba" },	     { FL_BUS_DELAY, 1, "a", "ab" },
		{ FL_BUS_DOWN, FL_EUNAVAIL, "a", "a" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct seen s = { 0 };
		struct world *w;
		void *made;
		char got[16];
		int ret;

		up_mem(&made);
		w = made;
		w->mem = (fl_bus_close(w->bus), fl_bus_mem_free(w->mem), fl_bus_mem_new(&w->clock.door, 1));
		w->bus = fl_bus_mem_open(w->mem, "t.");
		fl_bus_mem_faults(w->mem, plan, NULL);
		the_place = "";
		put(w, "f", "k", "a", 1);
		fl_bus_poll(w->bus, FL_BUS_CONTROL, 0, see, &s);
		the_fault = rows[i].fault;
		the_place = "produce";
		ret = fl_bus_produce(w->bus, FL_BUS_CONTROL, "f", fl_span_str("k"), fl_span_str("b"), NULL, 0, 2, NULL);
		the_place = "";
		fl_bus_poll(w->bus, FL_BUS_CONTROL, 0, see, &s);
		if (rows[i].code == 1)
			assert_int_equal(s.n, 1);
		else
			assert_int_equal(ret < 0 ? ret : s.codes[1], rows[i].code);
		read_all(w, got, sizeof(got));
		assert_string_equal(got, rows[i].read);
		fl_clock_mem_advance(&w->clock, 3 * FL_NS_PER_S);
		fl_bus_poll(w->bus, FL_BUS_CONTROL, 0, see, &s);
		assert_int_equal(w->bus->ops->in_flight(w->bus, FL_BUS_CONTROL), 0);
		read_all(w, got, sizeof(got));
		assert_string_equal(got, rows[i].later);
		assert_int_equal(fl_bus_mem_count(w->mem, "t.f"), strlen(rows[i].later));
		down(&made);
	}
}

static void corruption_flips_one_bit(void **state)
{
	struct world *w = world(state);
	struct fl_bus_consumer *c;
	struct fl_bus_msg m;
	int bits = 0;

	fl_bus_mem_faults(w->mem, plan, NULL);
	the_place = "produce";
	the_fault = FL_BUS_CORRUPT;
	put(w, "f", "k", "abcdefgh", 1);
	the_place = "";
	c = consume(w, "f", NULL);
	assert_int_equal(next(w, c, &m), 1);
	assert_int_equal(m.value.n, 8);
	for (int i = 0; i < 8; i++)
		bits += __builtin_popcount((unsigned)(m.value.p[i] ^ "abcdefgh"[i]));
	assert_int_equal(bits, 1);
	fl_bus_consumer_close(w->bus, c);
}

static void faults_of_fetch(void **state)
{
	static const struct {
		enum fl_bus_fault fault;
		int code;
		const char *first, *rest;
	} rows[] = {
		{ FL_BUS_DOWN, FL_EUNAVAIL, "", "abc" }, { FL_BUS_DELAY, 0, "", "abc" },    { FL_BUS_LOST, 0, "", "bc" },
		{ FL_BUS_REPEAT, 1, "a", "abc" },	 { FL_BUS_REORDER, 1, "b", "ac" }, { FL_BUS_OK, 1, "a", "bc" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_bus_consumer *c;
		struct fl_bus_msg m;
		struct world *w;
		void *made;

		up_mem(&made);
		w = made;
		put(w, "f", "k", "a", 0), put(w, "f", "k", "b", 0), put(w, "f", "k", "c", 0);
		c = consume(w, "f", NULL);
		fl_bus_mem_faults(w->mem, plan, NULL);
		the_fault = rows[i].fault;
		the_place = "fetch";
		assert_int_equal(fl_bus_fetch(w->bus, c, 0, &m, NULL), rows[i].code);
		if (rows[i].code == 1)
			assert_true(fl_span_eqs(m.value, rows[i].first));
		the_place = "";
		for (const char *p = rows[i].rest; *p; p++) {
			assert_int_equal(fl_bus_fetch(w->bus, c, 0, &m, NULL), 1);
			assert_int_equal(m.value.p[0], *p);
		}
		assert_int_equal(fl_bus_fetch(w->bus, c, 0, &m, NULL), 0);
		fl_bus_consumer_close(w->bus, c);
		down(&made);
	}
}

static void a_reset_broker_begins_at_zero(void **state)
{
	struct world *w = world(state);
	struct fl_bus_consumer *c;
	struct fl_bus_msg m;

	put(w, "f", "k", "old", 0), put(w, "f", "k", "older", 0);
	c = consume(w, "f", NULL);
	assert_int_equal(next(w, c, &m), 1);
	assert_int_equal(next(w, c, &m), 1);
	fl_bus_mem_reset(w->mem);
	assert_true(fl_span_eqs(m.value, "older")); /* lent until the next fetch */
	put(w, "f", "k", "new", 0);
	assert_int_equal(next(w, c, &m), 1);
	assert_true(fl_span_eqs(m.value, "new"));
	assert_int_equal(m.offset, 0);
	fl_bus_consumer_close(w->bus, c);
}

static void a_delayed_record_outlives_its_door(void **state)
{
	struct world *w = world(state);

	fl_bus_mem_faults(w->mem, plan, NULL);
	the_place = "produce";
	the_fault = FL_BUS_DELAY;
	put(w, "f", "k", "v", 1);
	the_place = "";
	fl_bus_close(w->bus);
	w->bus = fl_bus_mem_open(w->mem, "t.");
	assert_int_equal(fl_bus_mem_count(w->mem, "t.f"), 0);
	fl_clock_mem_advance(&w->clock, 3 * FL_NS_PER_S);
	fl_bus_poll(w->bus, FL_BUS_CONTROL, 0, see, NULL);
	assert_int_equal(fl_bus_mem_count(w->mem, "t.f"), 1);
}

#define OF_ALL(up)                                                                                  \
	cmocka_unit_test_setup_teardown(what_is_produced_is_reported_and_read, up, down),           \
		cmocka_unit_test_setup_teardown(bytes_are_bytes_and_no_value_is_a_tombstone, up, down), \
		cmocka_unit_test_setup_teardown(a_key_keeps_its_order, up, down),                   \
		cmocka_unit_test_setup_teardown(a_consumer_goes_on_where_it_is_told, up, down),     \
		cmocka_unit_test_setup_teardown(producers_are_apart, up, down),                     \
		cmocka_unit_test_setup_teardown(a_report_may_produce, up, down),                    \
		cmocka_unit_test_setup_teardown(a_missing_topic_is_not_there, up, down),            \
		cmocka_unit_test_setup_teardown(a_group_goes_on_from_what_it_committed, up, down),  \
		cmocka_unit_test_setup_teardown(a_commit_under_way_is_waited_for_at_the_end, up, down), \
		cmocka_unit_test_setup_teardown(a_paused_member_keeps_what_it_has, up, down),       \
		cmocka_unit_test_setup_teardown(partitions_go_from_one_member_to_another, up, down), \
		cmocka_unit_test_setup_teardown(a_member_is_asked_for_by_name, up, down),           \
		cmocka_unit_test_setup_teardown(misuse_is_refused, up, down)

int main(void)
{
	const struct CMUnitTest mem[] = {
		OF_ALL(up_mem),
		cmocka_unit_test(each_fault_does_what_it_says),
		cmocka_unit_test_setup_teardown(corruption_flips_one_bit, up_mem, down),
		cmocka_unit_test(faults_of_fetch),
		cmocka_unit_test_setup_teardown(a_reset_broker_begins_at_zero, up_mem, down),
		cmocka_unit_test_setup_teardown(a_delayed_record_outlives_its_door, up_mem, down),
	};
	const struct CMUnitTest mock[] = {
		OF_ALL(up_mock),
		cmocka_unit_test_setup_teardown(wake_tells_of_reports_and_messages, up_mock, down),
		cmocka_unit_test_setup_teardown(a_fatal_producer_is_replaced, up_mock, down),
		cmocka_unit_test(what_was_in_flight_is_reported_when_it_dies),
		cmocka_unit_test(no_broker_stops_nobody),
		cmocka_unit_test(a_broker_that_goes_is_unavailable),
		cmocka_unit_test(settings_are_checked_by_name),
	};
	const struct CMUnitTest real[] = {
		OF_ALL(up_real),
		cmocka_unit_test_setup_teardown(wake_tells_of_reports_and_messages, up_real, down),
		cmocka_unit_test_setup_teardown(a_fatal_producer_is_replaced, up_real, down),
		cmocka_unit_test_setup_teardown(what_the_broker_refuses_is_refused, up_real, down),
	};

	return cmocka_run_group_tests_name("twin", mem, NULL, NULL) + cmocka_run_group_tests_name("mock broker", mock, NULL, NULL) +
	       cmocka_run_group_tests_name("real broker", real, NULL, NULL);
}
