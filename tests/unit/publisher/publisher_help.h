/* A publisher over the in-memory doors: three lists, their sources committed by the test as ingest would. */
#pragma once
#include "publisher/publisher.h"
#include "tests/support/sets_help.h"

enum { CFG_LISTS = 4 };

static struct fl_bus_mem *broker;
static struct fl_bus *bus;
static struct fl_publisher *pub;
static struct fl_config cfg;
static struct fl_lease leases[8];
static enum fl_bus_fault bus_fault; /* of every produce */
static struct fl_err why;

/* mal has two feeds, ads has one, people has none but its operator's set; findings-block is what findings write. */
static inline void pub_config(void)
{
	static const struct fl_cfg_list lists[] = { { .name = "mal", .description = "" }, { .name = "ads", .description = "" }, { .name = "people", .description = "" },
						    { .name = FL_LIST_FINDINGS_BLOCK, .description = "", .builtin = true } };
	static const struct fl_cfg_feed feeds[] = { { .name = "fa", .into = "mal", .url = "http://a.example/", .path = "", .enabled = true },
						    { .name = "fb", .into = "mal", .url = "http://a.example/", .path = "", .enabled = true },
						    { .name = "fc", .into = "ads", .url = "http://a.example/", .path = "", .enabled = true },
						    { .name = "off", .into = "ads", .url = "http://a.example/", .path = "", .enabled = false } };

	memset(&cfg, 0, sizeof(cfg));
	cfg.lists = lists;
	cfg.n_lists = CFG_LISTS;
	cfg.feeds = feeds;
	cfg.n_feeds = 4;
	cfg.findings.into = FL_LIST_FINDINGS_BLOCK;
	cfg.findings.alert_into = FL_LIST_FINDINGS_ALERT;
}

static inline enum fl_bus_fault pub_bus_plan(void *ctx, const char *what, const char *topic)
{
	(void)ctx, (void)topic;
	return bus_fault == FL_BUS_DOWN || strcmp(what, "produce") == 0 ? bus_fault : FL_BUS_OK;
}

static inline struct fl_publisher *pub_open(struct fl_sets *s)
{
	struct fl_publisher_config c = { &cfg, s, bus, &w.clock.door, &w.random.door };
	struct fl_publisher *p = NULL;

	assert_int_equal(fl_publisher_open(&c, &p, &why), 0);
	return p;
}

static inline int pub_setup(void **state)
{
	(void)state;
	if (!world_open(&w, STORE_MEM))
		return -1;
	memset(leases, 0, sizeof(leases));
	memset(&why, 0, sizeof(why));
	bus_fault = FL_BUS_OK;
	broker = fl_bus_mem_new(&w.clock.door, 1);
	fl_bus_mem_faults(broker, pub_bus_plan, NULL);
	bus = fl_bus_mem_open(broker, "fireline.");
	fl_bus_create_topic(bus, FL_TOPIC_LIST_EVENTS, 1, NULL, NULL);
	fl_bus_create_topic(bus, FL_TOPIC_ENFORCER_STATE, 1, NULL, NULL);
	pub_config();
	pub = pub_open(&w.f);
	return 0;
}

static inline int pub_teardown(void **state)
{
	(void)state;
	fl_publisher_close(pub);
	pub = NULL;
	fl_bus_close(bus);
	fl_bus_mem_free(broker);
	world_close(&w);
	return 0;
}

#define PUB(f) cmocka_unit_test_setup_teardown(f, pub_setup, pub_teardown)

/* One step after another until nothing is due before `ms` have passed. */
static inline void pub_run(int64_t ms)
{
	fl_mono_ns end = fl_now_mono(&w.clock.door) + ms * FL_NS_PER_MS, wake, now;

	do {
		now = fl_now_mono(&w.clock.door);
		assert_int_equal(fl_publisher_step(pub, now, &wake), 0);
		if (wake > now + 100 * FL_NS_PER_MS)
			wake = now + 100 * FL_NS_PER_MS;
		fl_clock_mem_advance(&w.clock, wake > now ? wake - now : FL_NS_PER_MS);
	} while (fl_now_mono(&w.clock.door) < end);
}

/* As ingest commits; the lease is given back. */
static inline uint64_t source(const char *name, const char *names)
{
	struct fl_lease l = { 0 };
	struct fl_source_version v;

	if (commit_names(&w.s, name, &l, names, &v) < 0)
		fail();
	fl_lease_release(&w.s, &l, NULL);
	return v.id.number;
}

static inline uint64_t list_head(const char *name, struct fl_list_version *v)
{
	struct fl_list_version mine;
	struct fl_head head;
	int ret = fl_set_head(&w.s, FL_LIST, name, &head, NULL);

	if (ret == FL_ENOTFOUND)
		return 0;
	assert_int_equal(ret, 0);
	assert_int_equal(fl_list_version_get(&w.s, name, head.id.number, &w.arena, v ? v : &mine, NULL), 0);
	return head.id.number;
}

static inline const struct fl_list_input *input(const struct fl_list_version *v, const char *name)
{
	for (uint32_t i = 0; i < v->n_inputs; i++)
		if (strcmp(v->inputs[i].source, name) == 0)
			return &v->inputs[i];
	return NULL;
}

static inline struct fl_publish_status pub_status(const char *list)
{
	struct fl_publish_status *v;
	size_t n;

	fl_publisher_status(pub, &w.arena, &v, &n);
	for (size_t i = 0; i < n; i++)
		if (strcmp(v[i].list, list) == 0)
			return v[i];
	fail_msg("no list %s", list);
	return (struct fl_publish_status){ 0 };
}

/* Versions of a list on the topic, in order; at most max. */
static inline size_t sent(const char *list, uint64_t *numbers, size_t max)
{
	struct fl_bus_consumer *c = NULL;
	struct fl_bus_msg m;
	size_t n = 0;

	assert_int_equal(fl_bus_consumer_open(bus, FL_TOPIC_LIST_EVENTS, NULL, &c, NULL), 0);
	while (n < max && fl_bus_fetch(bus, c, 0, &m, NULL) == 1) {
		struct fl_arena a = { 0 };
		struct fl_event ev;

		if (fl_span_eqs(m.key, list) && fl_event_decode(m.value, &a, &ev, NULL) == 0)
			numbers[n++] = ev.version.id.number;
		fl_arena_done(&a);
	}
	fl_bus_consumer_close(bus, c);
	return n;
}

static inline int ask(struct fl_publish_request r, struct fl_publish_answer *out)
{
	if (!r.actor)
		r.actor = "mona";
	if (!r.reason)
		r.reason = "because";
	memset(&why, 0, sizeof(why));
	return fl_publisher_request(pub, &r, &w.arena, out, &why);
}
