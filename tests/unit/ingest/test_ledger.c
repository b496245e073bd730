/* What the ledger promises: what was acknowledged is in force again after a store that lost its tail or everything, nothing withdrawn or dismissed is; nothing is acknowledged that neither topic
 * nor file has; and all that whatever fails, wherever the process dies. */
#include "ingest_help.h"

enum { HOSTS = 2 };

static struct fl_bus_mem *broker;
static struct host {
	struct fl_config cfg;
	struct fl_sets sets;
	struct fl_disk_mem *disk;
	struct fl_disk *door;
	struct fl_bus *bus;
	struct fl_findings_stage *st;
} hosts[HOSTS];
static struct fl_finding_outcome out;

/* Faults by a countdown: the n-th call of any door of a kind meets them. */
static struct {
	enum fl_bus_fault bus;
	bool bus_always, disk_full, dead;
	int dies_in; /* door calls until the process is dead; 0: it lives */
} faults;

static bool dying(void)
{
	if (faults.dies_in && --faults.dies_in == 0)
		faults.dead = true;
	return faults.dead;
}

static enum fl_bus_fault bus_plan(void *ctx, const char *what, const char *topic)
{
	(void)ctx, (void)topic;
	if (dying())
		return FL_BUS_DOWN;
	return faults.bus_always || strcmp(what, "produce") == 0 ? faults.bus : FL_BUS_OK;
}

static int disk_plan(void *ctx, const char *what, const char *path)
{
	(void)ctx, (void)path;
	if (dying())
		return FL_EIO;
	return faults.disk_full && strcmp(what, "append") == 0 ? FL_ELIMIT : 0;
}

static enum fl_fault store_plan(void *ctx, const char *what)
{
	(void)ctx, (void)what;
	return dying() ? FL_FAULT_BEFORE : FL_FAULT_NONE;
}

static void start(int h, bool keeps)
{
	struct host *x = &hosts[h];
	struct fl_findings_config c = { .cfg = &x->cfg, .sets = &x->sets, .clock = &w.clock.door, .random = &w.random.door, .names = names_lib, .bus_keeps = keeps };

	x->cfg = cfg;
	x->cfg.node_name = h ? "two" : "one";
	x->sets = world_sets(&w, world_door(&w));
	x->door = fl_disk_mem_open(x->disk);
	x->bus = fl_bus_mem_open(broker, "fireline.");
	c.ledger = x->door;
	c.bus = x->bus;
	assert_int_equal(fl_findings_open(&c, &x->st, &why), 0);
}

static void stop(int h)
{
	struct host *x = &hosts[h];

	if (!x->st)
		return;
	fl_findings_close(x->st);
	fl_store_close(x->sets.store);
	x->door->ops->close(x->door);
	fl_bus_close(x->bus);
	x->st = NULL;
}

/* kill -9, or a power cut that leaves nothing unsynced. */
static size_t keep_nothing(void *ctx, size_t unsynced)
{
	(void)ctx, (void)unsynced;
	return 0;
}

static void crash(int h)
{
	faults.dead = true;
	fl_disk_mem_power_cut(hosts[h].disk, keep_nothing, NULL);
	stop(h);
	memset(&faults, 0, sizeof(faults));
	fl_clock_mem_advance(&w.clock, 11 * FL_NS_PER_S); /* its leases */
}

static int setup(void **state)
{
	(void)state;
	if (ingest_world() < 0)
		return -1;
	memset(&faults, 0, sizeof(faults));
	memset(hosts, 0, sizeof(hosts));
	broker = fl_bus_mem_new(&w.clock.door, 3);
	fl_bus_mem_faults(broker, bus_plan, NULL);
	fl_store_mem_faults(w.mem, store_plan, NULL);
	for (int h = 0; h < HOSTS; h++) {
		hosts[h].disk = fl_disk_mem_new();
		fl_disk_mem_faults(hosts[h].disk, disk_plan, NULL);
	}
	hosts[0].bus = fl_bus_mem_open(broker, "fireline.");
	assert_int_equal(fl_bus_create_topic(hosts[0].bus, FL_TOPIC_FINDINGS, 3, NULL, NULL), 0);
	fl_bus_close(hosts[0].bus);
	start(0, true);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	memset(&faults, 0, sizeof(faults));
	for (int h = 0; h < HOSTS; h++) {
		stop(h);
		fl_disk_mem_free(hosts[h].disk);
	}
	fl_bus_mem_free(broker);
	return ingest_world_end();
}

#define LEDGER(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void steps(int h, int n)
{
	fl_mono_ns wake;

	while (n--) {
		fl_clock_mem_advance(&w.clock, 500 * FL_NS_PER_MS);
		for (int i = 0; i < 20; i++) {
			fl_findings_step(hosts[h].st, fl_now_mono(&w.clock.door), &wake);
			if (wake > fl_now_mono(&w.clock.door))
				break;
		}
	}
}

static int find_at(int h, const char *id, const char *domain, int second, bool archived)
{
	const char *json = fl_arena_printf(&w.arena,
					   "{\"schemaVersion\":\"2.0\",\"id\":\"%s\",\"type\":\"Backdoor:EC2/C&CActivity.B!DNS\",\"severity\":8,\"updatedAt\":\"2026-09-01T00:00:%02dZ\","
					   "\"service\":{\"archived\":%s,\"action\":{\"dnsRequestAction\":{\"domain\":\"%s\"}}}}",
					   id, second, archived ? "true" : "false", domain);

	memset(&why, 0, sizeof(why));
	return fl_findings_inject(hosts[h].st, "cli", fl_span_str(json), false, "mona", &out, &why);
}

static int find(const char *id, const char *domain)
{
	return find_at(0, id, domain, 1, false);
}

static int withdraw(const char *id, const char *domain)
{
	return find_at(0, id, domain, 2, true);
}

static int operator_says(const char *name, bool add)
{
	struct fl_operator_entry e = { .name = name, .permanent = true };
	struct fl_source_version v;

	memset(&why, 0, sizeof(why));
	return fl_operator_change(hosts[0].st, "mal", add, &e, 1, "mona", "by hand", &v, &why);
}

static struct fl_findings_status status(int h)
{
	struct fl_findings_status s;

	fl_findings_status(hosts[h].st, &s);
	return s;
}

static size_t in_topic(void)
{
	return fl_bus_mem_count(broker, "fireline.findings");
}

/* --- */

static void test_each_change_is_in_the_topic(void **state)
{
	(void)state;
	assert_int_equal(find("1", "a.example"), 0);
	assert_int_equal(in_topic(), 1);
	assert_int_equal(withdraw("1", "a.example"), 0);
	assert_int_equal(operator_says("b.example", true), 0);
	assert_int_equal(in_topic(), 3);
	assert_int_equal(status(0).ledger_delivered, 3);
	assert_int_equal(status(0).ledger_pending, 0);
	assert_true(status(0).ledger);
	assert_false(status(0).ledger_file);
	assert_string_equal(status(0).ledger_problem, "");
}

static void test_an_emptied_store_is_filled_again(void **state)
{
	(void)state;
	assert_int_equal(find("1", "a.example"), 0);
	assert_int_equal(find("2", "b.example"), 0);
	assert_int_equal(withdraw("2", "b.example"), 0);
	assert_int_equal(operator_says("c.example", true), 0);
	assert_int_equal(operator_says("d.example", true), 0);
	assert_int_equal(operator_says("d.example", false), 0);
	fl_store_mem_flush(w.mem);
	steps(0, 6);
	assert_true(holds("cli.block", "a.example"));
	assert_true(holds("mal.operator", "c.example"));
	/* and the withdrawal is known again: the finding that comes once more does not block */
	assert_int_equal(find("2", "b.example"), 0);
	assert_int_equal(out.accepted, 0);
	assert_true(holds("cli.block", "a.example"));
	assert_int_equal(status(0).restored, 4);
	assert_int_equal(in_topic(), 6); /* what came from the ledger is not written to it again */
}

static void test_before_anything_new(void **state)
{
	struct fl_source_version v;

	(void)state;
	assert_int_equal(find("1", "a.example"), 0);
	fl_store_mem_flush(w.mem);
	assert_int_equal(find("2", "b.example"), 0); /* the commit finds it by itself, and waits for the rest */
	assert_true(holds("cli.block", "a.example b.example"));
	assert_int_equal(version_of("cli.block", &v), 2);
	assert_int_equal(v.cause, FL_CAUSE_FINDING);
}

static void test_an_older_copy(void **state)
{
	(void)state;
	assert_int_equal(find("1", "a.example"), 0);
	assert_int_equal(operator_says("x.example", true), 0);
	fl_store_mem_snapshot(w.mem);
	assert_int_equal(find("2", "b.example"), 0);
	assert_int_equal(withdraw("1", "a.example"), 0);
	assert_int_equal(operator_says("x.example", false), 0);
	fl_store_mem_restore(w.mem, "");
	assert_true(holds("cli.block", "a.example"));
	steps(0, 6);
	assert_true(holds("cli.block", "b.example"));
	assert_true(holds("mal.operator", ""));
}

/* The same numbers, another history: another host went on from the older copy, and had not heard. */
static void test_another_chain(void **state)
{
	struct fl_source_version v;

	(void)state;
	assert_int_equal(find("1", "a.example"), 0);
	fl_store_mem_snapshot(w.mem);
	assert_int_equal(find("2", "b.example"), 0);
	fl_store_mem_restore(w.mem, "");
	stop(0);
	start(1, false); /* a ledger of its own: it knows nothing of the topic */
	steps(1, 2);
	assert_int_equal(find_at(1, "3", "c.example", 1, false), 0);
	stop(1);
	assert_int_equal(version_of("cli.block", &v), 2);
	start(0, true);
	steps(0, 6);
	assert_true(holds("cli.block", "a.example b.example c.example"));
}

static void test_found_at_run_time_by_another_host(void **state)
{
	(void)state;
	start(1, true);
	steps(1, 4);
	fl_store_mem_snapshot(w.mem);
	assert_int_equal(find("1", "a.example"), 0);
	stop(0);
	fl_store_mem_restore(w.mem, ""); /* host two never saw that version in the store */
	fl_clock_mem_advance(&w.clock, 11 * FL_NS_PER_S);
	steps(1, 6);
	assert_true(holds("cli.block", "a.example"));
}

static void test_kafka_away(void **state)
{
	(void)state;
	assert_int_equal(find("0", "zero.example"), 0);
	faults.bus = FL_BUS_DOWN;
	faults.bus_always = true;
	assert_int_equal(find("1", "a.example"), 0);
	assert_int_equal(find("2", "b.example"), 0);
	assert_int_equal(in_topic(), 1);
	assert_int_equal(status(0).ledger_pending, 2);
	/* a power cut loses none of it, nor does the store */
	fl_store_mem_flush(w.mem);
	crash(0);
	faults.bus = FL_BUS_DOWN;
	faults.bus_always = true;
	start(0, true);
	steps(0, 6);
	assert_true(holds("cli.block", "a.example b.example"));
	assert_non_null(strstr(status(0).problem, "Kafka"));
	memset(&faults, 0, sizeof(faults));
	steps(0, 30);
	assert_int_equal(in_topic(), 3);
	assert_true(holds("cli.block", "a.example b.example zero.example"));
	assert_int_equal(status(0).ledger_pending, 0);
	assert_int_equal(status(0).ledger_sent_on, 2);
	assert_string_equal(status(0).problem, "");
}

static void test_nothing_is_acknowledged_that_nobody_has(void **state)
{
	(void)state;
	steps(0, 2);
	faults.bus = FL_BUS_DOWN;
	faults.bus_always = faults.disk_full = true;
	assert_int_equal(find("1", "a.example"), FL_EUNAVAIL);
	assert_int_equal(operator_says("b.example", true), FL_EUNAVAIL);
	assert_non_null(strstr(status(0).ledger_problem, "nothing is acknowledged"));
	memset(&faults, 0, sizeof(faults));
	steps(0, 4);
	/* sent again it says nothing new, and is in the ledger before it is acknowledged */
	assert_int_equal(find("1", "a.example"), 0);
	assert_int_equal(out.duplicate, 1);
	assert_int_equal(in_topic(), 1);
	assert_int_equal(find("1", "a.example"), 0);
	assert_int_equal(in_topic(), 1); /* known now */
	assert_string_equal(status(0).ledger_problem, "");
}

/* A crash between the commit and the record: the finding comes again, and the record is made then. */
static void test_a_commit_without_its_record(void **state)
{
	struct fl_findings_config c = { .cfg = &hosts[0].cfg, .sets = &hosts[0].sets, .clock = &w.clock.door, .random = &w.random.door, .names = names_lib };
	struct fl_findings_stage *bare;

	(void)state;
	assert_int_equal(fl_findings_open(&c, &bare, &why), 0);
	assert_int_equal(fl_findings_inject(bare, "cli", fl_span_str(fl_arena_printf(&w.arena, "{\"domain\":\"a.example\",\"type\":\"t\",\"id\":\"1\"}")), false, "mona", &out, &why), 0);
	assert_int_equal(out.accepted, 1);
	fl_findings_close(bare);
	assert_int_equal(in_topic(), 0);
	assert_int_equal(fl_findings_inject(hosts[0].st, "cli", fl_span_str("{\"domain\":\"a.example\",\"type\":\"t\",\"id\":\"1\"}"), false, "mona", &out, &why), 0);
	assert_true(in_topic() >= 1);
}

static void test_the_file_is_the_ledger(void **state)
{
	char name[32], id[8];

	(void)state;
	stop(0);
	start(0, false);
	assert_int_equal(find("1", "a.example"), 0);
	for (int i = 0; i < 700; i++) {
		snprintf(name, sizeof(name), "n%d.example", i % 5);
		snprintf(id, sizeof(id), "%d", i % 5);
		assert_int_equal(operator_says(name, true), 0);
		assert_int_equal(operator_says(name, false), 0);
	}
	assert_true(status(0).ledger_file);
	assert_int_equal(status(0).ledger_pending, 0);
	fl_store_mem_flush(w.mem);
	crash(0);
	start(0, false);
	steps(0, 6);
	assert_true(holds("cli.block", "a.example"));
	assert_true(holds("mal.operator", ""));
	/* it was made small, and says the same */
	fl_store_mem_flush(w.mem);
	crash(0);
	start(0, false);
	steps(0, 6);
	assert_true(holds("cli.block", "a.example"));
	assert_int_equal(status(0).restored, 6);
}

static void test_what_ended_stays_ended(void **state)
{
	struct fl_operator_entry e = { .name = "soon.example", .expires_at = fl_now_unix(&w.clock.door) + 3 * FL_US_PER_S };
	struct fl_source_version v;

	(void)state;
	assert_int_equal(fl_operator_change(hosts[0].st, "mal", true, &e, 1, "mona", "", &v, &why), 0);
	assert_int_equal(operator_says("x.example", true), 0);
	steps(0, 10);
	assert_true(holds("mal.operator", "x.example"));
	fl_store_mem_flush(w.mem);
	steps(0, 8);
	assert_true(holds("mal.operator", "x.example"));
}

static void test_a_purged_source_stays_purged(void **state)
{
	static struct fl_cfg_list one[] = { { .name = "mal", .description = "" } };
	const struct fl_cfg_list *all = cfg.lists;
	size_t n = cfg.n_lists;

	(void)state;
	assert_int_equal(operator_says("x.example", true), 0);
	hosts[0].cfg.lists = one;
	hosts[0].cfg.n_lists = 0;
	assert_int_equal(fl_findings_reload(hosts[0].st, &hosts[0].cfg), 0);
	fl_clock_mem_advance(&w.clock, 11 * FL_NS_PER_S); /* the stage's own lease of it */
	assert_int_equal(fl_source_purge(hosts[0].st, "mal.operator", "mona", "", &why), 0);
	hosts[0].cfg.lists = all;
	hosts[0].cfg.n_lists = n;
	stop(0);
	fl_store_mem_flush(w.mem);
	start(0, true);
	steps(0, 6);
	assert_int_equal(version_of("mal.operator", NULL), 0);
	assert_int_equal(operator_says("y.example", true), 0);
	assert_true(holds("mal.operator", "y.example"));
}

/* Kafka is away when the store is found empty: work goes on, and what the topic has comes back when it can be read. */
static void test_restored_when_kafka_is_back(void **state)
{
	(void)state;
	assert_int_equal(find("1", "a.example"), 0);
	assert_int_equal(withdraw("2", "b.example"), 0);
	stop(0);
	fl_store_mem_flush(w.mem);
	faults.bus = FL_BUS_DOWN;
	faults.bus_always = true;
	start(0, true);
	steps(0, 4);
	assert_int_equal(find("2", "b.example"), 0);
	assert_int_equal(out.accepted, 1); /* nobody here knows better */
	memset(&faults, 0, sizeof(faults));
	steps(0, 30);
	assert_true(holds("cli.block", "a.example"));
}

static void test_a_store_that_is_away_is_not_empty(void **state)
{
	struct fl_store *door = hosts[0].sets.store;
	uint64_t before;

	(void)state;
	assert_int_equal(find("1", "a.example"), 0);
	steps(0, 3);
	before = version_of("cli.block", NULL);
	fl_store_mem_faults(w.mem, NULL, NULL);
	hosts[0].sets.store = &w.lossy.door;
	w.lossy.inner = w.plain;
	store_away(true);
	steps(0, 6);
	store_away(false);
	steps(0, 6);
	assert_int_equal(version_of("cli.block", NULL), before);
	hosts[0].sets.store = door;
}

/* What the topic said to have and has not is lost; the rest is not waited for in vain. */
static void test_the_end_of_the_topic_is_gone(void **state)
{
	(void)state;
	assert_int_equal(find("1", "a.example"), 0);
	faults.bus = FL_BUS_LOST;
	assert_int_equal(find("2", "b.example"), 0);
	assert_int_equal(find("3", "c.example"), 0);
	faults.bus = FL_BUS_OK;
	fl_store_mem_flush(w.mem);
	crash(0);
	start(0, true);
	steps(0, 8);
	assert_true(status(0).restoring); /* the broker may be slow */
	steps(0, 60);
	assert_false(status(0).restoring);
	assert_true(holds("cli.block", "a.example"));
}

/* The process dies at each door call in turn, the store is emptied each time: what was acknowledged is there. */
static void test_death_at_every_step(void **state)
{
	bool died = true;

	(void)state;
	for (int n = 1; died && n < 400; n++) {
		bool a, b, c;

		teardown(NULL);
		setup(NULL);
		steps(0, 2);
		assert_int_equal(find("0", "zero.example"), 0);
		if (n % 3 == 0)
			faults.bus = n % 2 ? FL_BUS_LOST_ACK : FL_BUS_DELAY;
		faults.dies_in = n;
		a = find("1", "a.example") == 0;
		b = operator_says("b.example", true) == 0;
		c = a && withdraw("1", "a.example") == 0;
		steps(0, 3);
		died = faults.dead;
		crash(0);
		fl_store_mem_flush(w.mem);
		start(0, true);
		steps(0, 30);
		if (c)
			assert_true(holds("cli.block", "zero.example"));
		else if (a) {
			struct fl_set got = { 0 };

			assert_int_equal(content_of(&w.s, "cli.block", version_of("cli.block", NULL), &got), 0);
			assert_true(got.n >= 1); /* the withdrawal may have been taken */
			fl_set_done(&got);
		} else if (!holds("cli.block", "zero.example"))
			assert_true(holds("cli.block", "a.example zero.example"));
		if (b)
			assert_true(holds("mal.operator", "b.example"));
		/* and dies again while it restores */
		fl_store_mem_flush(w.mem);
		faults.dies_in = n;
		steps(0, 6);
		crash(0);
		start(0, true);
		steps(0, 30);
		if (b)
			assert_true(holds("mal.operator", "b.example"));
		if (c)
			assert_true(holds("cli.block", "zero.example"));
	}
	assert_false(died);
}

/* What another host wrote is followed, and meanwhile the store is emptied: what was followed is not all that was lost. */
static void test_emptied_while_it_follows(void **state)
{
	(void)state;
	start(1, true);
	assert_int_equal(find("1", "a.example"), 0);
	steps(0, 3);
	steps(1, 3);
	for (int i = 0; i < 4; i++) {
		fl_clock_mem_advance(&w.clock, 4 * FL_NS_PER_S); /* the other's lease */
		assert_int_equal(find_at(1, fl_arena_printf(&w.arena, "b%d", i), fl_arena_printf(&w.arena, "b%d.example", i), 1, false), 0);
		fl_store_mem_flush(w.mem);
		for (int k = 0; k < i; k++) { /* at another point of the round each time */
			fl_mono_ns wake;

			fl_findings_step(hosts[0].st, fl_now_mono(&w.clock.door), &wake);
		}
		fl_clock_mem_advance(&w.clock, 4 * FL_NS_PER_S);
		steps(0, 8);
		assert_true(holds("cli.block", i == 0 ? "a.example b0.example" : i == 1 ? "a.example b0.example b1.example"
									: i == 2 ? "a.example b0.example b1.example b2.example"
										 : "a.example b0.example b1.example b2.example b3.example"));
	}
}

static int decide(enum fl_claim_op op, const char *id, fl_unix_us until)
{
	struct fl_claim_request r = { op, id, until, "mona", "a person's word", false };
	struct fl_claim_answer a;

	memset(&why, 0, sizeof(why));
	return fl_findings_decide(hosts[0].st, &r, &w.arena, &a, &why);
}

static fl_unix_us end_of(const char *id, const char *domain)
{
	struct fl_claim c = { .source = "cli.block", .key = gen_rkey(domain) };

	snprintf(c.finding, sizeof(c.finding), "%s", id);
	fl_claim_id(&c);
	return fl_claim_get(&w.s, "cli.block", c.id, &c, &why) == 0 && c.state == FL_CLAIM_ACTIVE ? c.expires_at : -1;
}

/* A person's words on findings are acknowledged, too: what was dismissed stays so over later findings, what was taken up again is in force, an end stays where it was moved; whether the store
 * has nothing or an older copy, from before or between the words. */
static void test_words_of_people(void **state)
{
	fl_unix_us far = fl_now_unix(&w.clock.door) + 300 * 86400 * FL_US_PER_S;

	(void)state;
	steps(0, 3);
	for (int round = 0; round < 3; round++) {
		const char *gone = fl_arena_printf(&w.arena, "gone%d.example", round), *back = fl_arena_printf(&w.arena, "back%d.example", round),
			   *longer = fl_arena_printf(&w.arena, "long%d.example", round);

		assert_int_equal(find(gone, gone), 0);
		assert_int_equal(find(back, back), 0);
		assert_int_equal(find(longer, longer), 0);
		if (round == 1)
			fl_store_mem_snapshot(w.mem);
		assert_int_equal(decide(FL_CLAIM_DISMISS, gone, 0), 0);
		assert_int_equal(decide(FL_CLAIM_DISMISS, back, 0), 0);
		if (round == 2)
			fl_store_mem_snapshot(w.mem);
		assert_int_equal(decide(FL_CLAIM_RESTORE, back, 0), 0);
		assert_int_equal(decide(FL_CLAIM_EXTEND, longer, far), 0);
		assert_int_equal(find_at(0, gone, gone, 9, false), 0); /* a later finding does not revive it */
		if (round == 0)
			fl_store_mem_flush(w.mem);
		else
			fl_store_mem_restore(w.mem, "");
		steps(0, 8);
		assert_int_equal(end_of(gone, gone), -1);
		assert_true(end_of(back, back) > 0);
		assert_int_equal(end_of(longer, longer), far);
		assert_true(holds("cli.block", fl_arena_printf(&w.arena, "back0.example long0.example%s%s", round > 0 ? " back1.example long1.example" : "",
							       round > 1 ? " back2.example long2.example" : "")));
	}
	/* a start reads the same */
	stop(0);
	fl_store_mem_flush(w.mem);
	start(0, true);
	steps(0, 8);
	assert_true(holds("cli.block", "back0.example long0.example back1.example long1.example back2.example long2.example"));
	assert_int_equal(end_of("long2.example", "long2.example"), far);
	assert_int_equal(find_at(0, "gone1.example", "gone1.example", 20, false), 0);
	assert_int_equal(end_of("gone1.example", "gone1.example"), -1);
}

/* A word that neither topic nor file has is not acknowledged, and said again it is. */
static void test_a_word_that_nobody_has(void **state)
{
	(void)state;
	assert_int_equal(find("1", "a.example"), 0);
	faults.bus = FL_BUS_DOWN;
	faults.bus_always = faults.disk_full = true;
	assert_int_equal(decide(FL_CLAIM_DISMISS, "1", 0), FL_EUNAVAIL);
	memset(&faults, 0, sizeof(faults));
	steps(0, 4);
	assert_int_equal(decide(FL_CLAIM_DISMISS, "1", 0), 0);
	fl_store_mem_flush(w.mem);
	steps(0, 8);
	assert_int_equal(end_of("1", "a.example"), -1);
	assert_int_equal(find_at(0, "1", "a.example", 9, false), 0);
	assert_int_equal(end_of("1", "a.example"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEDGER(test_emptied_while_it_follows),
		LEDGER(test_words_of_people),
		LEDGER(test_a_word_that_nobody_has),
		LEDGER(test_each_change_is_in_the_topic),
		LEDGER(test_an_emptied_store_is_filled_again),
		LEDGER(test_before_anything_new),
		LEDGER(test_an_older_copy),
		LEDGER(test_another_chain),
		LEDGER(test_found_at_run_time_by_another_host),
		LEDGER(test_kafka_away),
		LEDGER(test_nothing_is_acknowledged_that_nobody_has),
		LEDGER(test_a_commit_without_its_record),
		LEDGER(test_the_file_is_the_ledger),
		LEDGER(test_what_ended_stays_ended),
		LEDGER(test_a_purged_source_stays_purged),
		LEDGER(test_restored_when_kafka_is_back),
		LEDGER(test_a_store_that_is_away_is_not_empty),
		LEDGER(test_the_end_of_the_topic_is_gone),
		LEDGER(test_death_at_every_step),
	};

	return cmocka_run_group_tests(tests, NULL, names_free);
}
