/* The follow engine over the in-memory doors: a store whose versions the test commits as ingest and the publisher would, a broker, a disk that can be killed, full or rotten.
 * Two lists: mal is made of the sources fa and fb, ads of fc. */
#pragma once
#include "enforcer/follow_int.h"
#include "tests/support/image_help.h"
#include "tests/support/sets_help.h"

static struct fl_bus_mem *broker;
static struct fl_bus *bus;
static struct fl_disk_mem *platter;
static struct fl_disk *disk;
static struct fl_follow *fol;
static struct fl_image *shown; /* what workers would serve: a reference of our own */
static unsigned shows;
static bool bus_away, event_rots;
static struct fl_config cfg;
static struct fl_lease mal_lease, ads_lease;

static inline void fol_show(void *ctx, struct fl_image *img)
{
	(void)ctx;
	fl_image_release(shown);
	shown = fl_image_acquire(img);
	shows++;
}

static inline enum fl_bus_fault fol_bus_plan(void *ctx, const char *what, const char *topic)
{
	(void)ctx;
	if (bus_away)
		return FL_BUS_DOWN;
	return event_rots && strcmp(what, "produce") == 0 && strstr(topic, FL_TOPIC_LIST_EVENTS) ? FL_BUS_CORRUPT : FL_BUS_OK;
}

static inline void fol_open(void)
{
	struct fl_follow_config c = { &cfg, &w.f, bus, disk, &w.clock.door, &w.random.door, fol_show, NULL };
	struct fl_err err = { 0 };

	if (fl_follow_open(&c, &fol, &err) < 0)
		fail_msg("%s", err.text);
}

/* Another life of the process: killed (what the system took stays) and started again, over the same files. */
static inline void fol_killed(void)
{
	fl_disk_mem_kill(platter);
	fl_follow_close(fol);
	fol = NULL;
	fl_image_release(shown); /* it may be mapped by the door */
	shown = NULL;
	disk->ops->close(disk);
	disk = fl_disk_mem_open(platter);
}

static inline void fol_restart(void)
{
	fol_killed();
	fol_open();
}

static inline int fol_setup(void **state)
{
	static const struct fl_cfg_list lists[] = { { .name = "mal", .description = "" }, { .name = "ads", .description = "" } };

	(void)state;
	if (!world_open(&w, STORE_MEM))
		return -1;
	memset(&mal_lease, 0, sizeof(mal_lease));
	memset(&ads_lease, 0, sizeof(ads_lease));
	memset(&cfg, 0, sizeof(cfg));
	cfg.lists = lists;
	cfg.n_lists = 2;
	cfg.node_name = "ns1";
	bus_away = event_rots = false;
	shows = 0;
	broker = fl_bus_mem_new(&w.clock.door, 1);
	fl_bus_mem_faults(broker, fol_bus_plan, NULL);
	bus = fl_bus_mem_open(broker, "fireline.");
	fl_bus_create_topic(bus, FL_TOPIC_LIST_EVENTS, 1, NULL, NULL);
	fl_bus_create_topic(bus, FL_TOPIC_ENFORCER_STATE, 1, NULL, NULL);
	platter = fl_disk_mem_new();
	disk = fl_disk_mem_open(platter);
	fol_open();
	return 0;
}

static inline int fol_teardown(void **state)
{
	(void)state;
	fl_follow_close(fol);
	fol = NULL;
	fl_image_release(shown);
	shown = NULL;
	disk->ops->close(disk);
	fl_disk_mem_free(platter);
	fl_bus_close(bus);
	fl_bus_mem_free(broker);
	world_close(&w);
	return 0;
}

#define FOL(f) cmocka_unit_test_setup_teardown(f, fol_setup, fol_teardown)

static inline void fol_run(int64_t ms)
{
	fl_mono_ns end = fl_now_mono(&w.clock.door) + ms * FL_NS_PER_MS, wake, now;

	do {
		now = fl_now_mono(&w.clock.door);
		assert_int_equal(fl_follow_step(fol, now, &wake), 0);
		if (wake > now + 100 * FL_NS_PER_MS)
			wake = now + 100 * FL_NS_PER_MS;
		fl_clock_mem_advance(&w.clock, wake > now ? wake - now : FL_NS_PER_MS);
	} while (fl_now_mono(&w.clock.door) < end);
}

static inline void store_away(bool away)
{
	w.lossy = (struct lossy){ w.lossy.door, w.lossy.inner, 0, away, UINT32_MAX - 1, FL_FAULT_BEFORE };
}

static inline uint64_t source(const char *name, const char *names)
{
	struct fl_lease l = { 0 };
	struct fl_source_version v;

	if (commit_names(&w.s, name, &l, names, &v) < 0)
		fail();
	fl_lease_release(&w.s, &l, NULL);
	return v.id.number;
}

static inline struct fl_list_input input_now(const char *name)
{
	struct fl_head head;

	assert_int_equal(fl_set_head(&w.s, FL_SOURCE, name, &head, NULL), 0);
	return input_at(&w.s, name, head.id.number);
}

/* The list as it is committed, not yet said on the bus. */
static inline struct fl_list_version commit(const char *list, struct fl_lease *lease, const struct fl_list_input *in, uint32_t n, struct fl_list_commit c)
{
	struct fl_list_version v;
	struct fl_err err = { 0 };

	memset(lease, 0, sizeof(*lease));
	c.actor = "test";
	if (commit_inputs(&w.s, list, lease, in, n, c, &w.arena, &v, &err) < 0)
		fail_msg("%s", err.text);
	fl_lease_release(&w.s, lease, NULL);
	return v;
}

/* mal with all that fa has now. */
static inline struct fl_list_version mal(const char *names)
{
	struct fl_list_input in;

	source("fa", names);
	in = input_now("fa");
	return commit("mal", &mal_lease, &in, 1, (struct fl_list_commit){ .cause = FL_CAUSE_SOURCES });
}

static inline void send_value(const char *list, struct fl_span value)
{
	fl_bus_produce(bus, FL_BUS_CONTROL, FL_TOPIC_LIST_EVENTS, fl_span_str(list), value, NULL, 0, 0, NULL);
}

/* As the relay says it. */
static inline void event_value(const char *list, uint64_t number, struct fl_buf *out)
{
	struct fl_event ev;

	assert_int_equal(fl_event_load(&w.s, list, number, &w.arena, &ev, NULL), 0);
	assert_int_equal(fl_event_encode(&ev, out, NULL), 0);
}

static inline void send(const char *list, uint64_t number)
{
	struct fl_buf b = { 0 };

	event_value(list, number, &b);
	send_value(list, fl_buf_span(&b));
	fl_buf_done(&b);
}

static inline struct fl_follow_list_status fol_list(const char *list)
{
	struct fl_follow_list_status *v;
	struct fl_follow_status s;
	size_t n;

	fl_follow_status(fol, &s, &w.arena, &v, &n);
	for (size_t i = 0; i < n; i++)
		if (strcmp(v[i].list, list) == 0)
			return v[i];
	fail_msg("no list %s", list);
	return (struct fl_follow_list_status){ 0 };
}

static inline struct fl_follow_status fol_status(void)
{
	struct fl_follow_list_status *v;
	struct fl_follow_status s;
	size_t n;

	fl_follow_status(fol, &s, &w.arena, &v, &n);
	return s;
}

static inline bool blocks(const char *list, const char *name)
{
	return fl_image_list_index(shown, list) >= 0 && help_covers(shown, list, name, NULL);
}

/* What is in force of mal: each of the names up to the bar, none of those behind it. */
static inline bool in_force(const char *text)
{
	bool want = true;

	while (*text) {
		size_t n = strcspn(text, " ");
		char name[128];

		snprintf(name, sizeof(name), "%.*s", (int)n, text);
		if (strcmp(name, "|") == 0)
			want = false;
		else if (blocks("mal", name) != want) {
			print_message("%s is %s\n", name, want ? "not blocked" : "blocked");
			return false;
		}
		text += n + (text[n] == ' ');
	}
	return true;
}

#define ASSERT_STATE(list, want)                                                                  \
	do {                                                                                      \
		struct fl_follow_list_status st_ = fol_list(list);                                \
		if (st_.state != (want))                                                          \
			fail_msg("%s is %s (%s)", list, fl_follow_state_word(st_.state), st_.reason); \
	} while (0)
