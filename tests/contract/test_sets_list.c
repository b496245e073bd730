/* Lists as manifests over both stores: what a commit checks of its inputs, numbers, pins, recovery, outbox and event. */
#include "base/text.h"
#include "tests/support/sets_help.h"

static struct fl_lease la, lb, ll;

/* Sources a @1..3 and b @1..2. */
static void two_sources(void)
{
	static const char *const a[] = { "a.example", "a.example b.example", "b.example" };
	struct fl_source_version v;

	la = lb = ll = (struct fl_lease){ 0 };
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(commit_names(&w.s, "a", &la, a[i], &v), 0);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(commit_names(&w.s, "b", &lb, i ? "x.example y.example" : "x.example", &v), 0);
}

static int publish(uint64_t a, uint64_t b, struct fl_list_commit c, struct fl_list_version *v)
{
	struct fl_list_input in[] = { input_at(&w.s, "a", a), input_at(&w.s, "b", b) };

	if (!c.actor)
		c.actor = "test";
	return commit_inputs(&w.s, "l", &ll, in, 2, c, &w.arena, v, NULL);
}

/* What the list needs of a source, by the source's word. */
static bool needs(const char *source, const char *number)
{
	char key[64];
	struct fl_reply r;

	snprintf(key, sizeof(key), "{fl}:source/%s:needed", source);
	return fl_store_cmd(w.plain, &w.arena, &r, NULL, "HGET", key, "l", NULL) == 0 && r.type == FL_REPLY_STRING && fl_span_eqs(r.s, number);
}

#define SOURCES (struct fl_list_commit){ .cause = FL_CAUSE_SOURCES }
#define BY(word) (struct fl_list_commit){ .cause = FL_CAUSE_##word }

static void test_manifest(void **state)
{
	struct fl_list_version v, got;
	struct fl_head head;
	uint8_t chain[32];

	(void)state;
	two_sources();
	assert_int_equal(publish(1, 1, SOURCES, &v), 0);
	assert_int_equal(v.id.number, 1);
	assert_int_equal(v.names, 2);
	assert_int_equal(publish(3, 2, SOURCES, &v), 0);
	assert_int_equal(v.id.number, 2);
	assert_int_equal(v.parent, 1);
	assert_int_equal(fl_set_head(&w.s, FL_LIST, "l", &head, NULL), 0);
	assert_true(fl_version_id_eq(&head.id, &v.id));
	assert_int_equal(head.entries, 3);
	assert_int_equal(fl_list_version_get(&w.s, "l", 2, &w.arena, &got, NULL), 0);
	assert_int_equal(got.n_inputs, 2);
	assert_string_equal(got.inputs[0].source, "a");
	assert_int_equal(got.inputs[0].id.number, 3);
	assert_int_equal(got.inputs[1].id.number, 2);
	assert_int_equal(fl_set_lineage(&w.s, FL_LIST, "l", 1, chain, NULL), 0);
	assert_memory_equal(chain, v.parent_chain, 32);
	/* it holds no names: the same list over sources of any size weighs the same */
	assert_int_equal(redis_int(&w, "EXISTS {fl}:list/l:d:2 {fl}:list/l:k:2"), 0);
}

static void test_inputs_do_not_go_back(void **state)
{
	struct fl_list_version v;

	(void)state;
	two_sources();
	assert_int_equal(publish(2, 2, SOURCES, &v), 0);
	assert_int_equal(publish(1, 2, SOURCES, &v), FL_EREFUSED);
	assert_int_equal(publish(3, 1, SOURCES, &v), FL_EREFUSED);
	assert_int_equal(publish(1, 2, BY(ROLLBACK), &v), 0);
	assert_int_equal(v.id.number, 2);
	assert_int_equal(publish(3, 2, SOURCES, &v), 0); /* forward from there */
	assert_int_equal(publish(2, 1, BY(RECOVER), &v), 0);
}

/* Its head went back, so it is the source and no late publisher: the list may name that head, and no other version below. */
static void test_a_source_that_went_back(void **state)
{
	struct fl_list_version v;
	struct fl_event ev;
	char line[300], chain[65];
	struct fl_list_input in;

	(void)state;
	two_sources();
	assert_int_equal(publish(3, 2, SOURCES, &v), 0);
	in = input_at(&w.s, "a", 2);
	snprintf(line, sizeof(line), "HSET {fl}:source/a:head version 2 entries 2 chain %s", fl_hex(in.id.chain, 32, chain));
	assert_int_equal(redis_int(&w, line), 0);
	assert_int_equal(publish(1, 2, SOURCES, &v), FL_EREFUSED);
	assert_int_equal(publish(2, 1, SOURCES, &v), FL_EREFUSED); /* b did not */
	assert_int_equal(publish(2, 2, SOURCES, &v), 0);
	assert_int_equal(v.id.number, 2);
	/* readers take its content: no delta leads there */
	assert_int_equal(fl_event_load(&w.s, "l", 2, &w.arena, &ev, NULL), 0);
	assert_true(ev.inputs[0].moved && ev.inputs[0].fetch);
	assert_int_equal(redis_int(&w, "ZREVRANGEBYSCORE {fl}:list/l:back 2 2"), 1);
}

static void test_versions_there(void **state)
{
	static const char *const names[] = { "a", "a", "a", "b", "none", "none" };
	struct fl_version_id ids[6] = { 0 };
	bool there[6];

	(void)state;
	two_sources();
	ids[0] = input_at(&w.s, "a", 3).id;
	ids[1] = input_at(&w.s, "a", 2).id;
	ids[1].chain[7] ^= 1;
	ids[2] = input_at(&w.s, "a", 1).id;
	ids[2].epoch.b[7] ^= 1;
	ids[3] = input_at(&w.s, "b", 2).id;
	ids[3].number = 7;
	ids[4] = ids[0]; /* ids[5]: none is always there */
	assert_int_equal(fl_set_versions_there(&w.s, FL_SOURCE, names, ids, 6, there, NULL), 0);
	assert_true(there[0] && there[5]);
	assert_false(there[1] || there[2] || there[3] || there[4]);
	assert_int_equal(fl_set_versions_there(&w.s, FL_SOURCE, names, ids, 0, there, NULL), 0);
}

/* Rolled back to before b came: an input without a version, pinned. It is committed, read, sent and read again, and what b has is not lost for older versions by it. */
static void test_an_input_without_a_version(void **state)
{
	struct fl_list_input in[2];
	struct fl_list_version v, got;
	struct fl_event ev, back;
	struct fl_buf b = { 0 };

	(void)state;
	two_sources();
	in[0] = input_at(&w.s, "a", 2);
	in[1] = input_at(&w.s, "b", 0);
	assert_int_equal(commit_inputs(&w.s, "l", &ll, in, 1, SOURCES, &w.arena, &v, NULL), 0);
	assert_int_equal(publish(3, 1, SOURCES, &v), 0);
	in[1].pinned = true;
	assert_int_equal(commit_inputs(&w.s, "l", &ll, in, 2, BY(ROLLBACK), &w.arena, &v, NULL), 0);
	assert_int_equal(v.names, 2);
	assert_int_equal(v.removed, 1); /* b's name */
	assert_int_equal(fl_list_version_get(&w.s, "l", 3, &w.arena, &got, NULL), 0);
	assert_int_equal(got.n_inputs, 2);
	assert_int_equal(got.inputs[1].id.number, 0);
	assert_true(got.inputs[1].pinned);
	assert_true(fl_version_id_eq(&got.inputs[1].id, &in[1].id));
	assert_int_equal(fl_event_load(&w.s, "l", 3, &w.arena, &ev, NULL), 0);
	assert_int_equal(fl_event_encode(&ev, &b, NULL), 0);
	assert_int_equal(fl_event_decode(fl_buf_span(&b), &w.arena, &back, NULL), 0);
	assert_true(fl_version_id_eq(&back.version.id, &v.id));
	assert_true(back.inputs[1].moved && back.inputs[1].from.number == 1);
	assert_int_equal(back.version.inputs[1].id.number, 0);
	/* the older version still reads */
	assert_int_equal(fl_list_version_get(&w.s, "l", 2, &w.arena, &got, NULL), 0);
	assert_int_equal(got.inputs[1].id.number, 1);
	assert_true(names_are(&w.s, "b", 1, "x.example"));
	/* held there while a goes on; then let go: version 1 of b is still what the older list versions stand on */
	in[0] = input_at(&w.s, "a", 3);
	assert_int_equal(commit_inputs(&w.s, "l", &ll, in, 2, SOURCES, &w.arena, &v, NULL), 0);
	assert_int_equal(redis_int(&w, "HLEN {fl}:source/b:needed"), 1);
	assert_int_equal(publish(3, 2, BY(UNHOLD), &v), 0);
	assert_true(needs("b", "1"));
	assert_int_equal(fl_event_load(&w.s, "l", v.id.number, &w.arena, &ev, NULL), 0);
	assert_true(ev.inputs[1].moved && ev.inputs[1].from.number == 0);
	fl_buf_done(&b);
}

static void test_pins(void **state)
{
	struct fl_list_input in[2];
	struct fl_list_version v;

	(void)state;
	two_sources();
	assert_int_equal(publish(2, 2, SOURCES, &v), 0);
	in[0] = input_at(&w.s, "a", 2);
	in[1] = input_at(&w.s, "b", 2);
	in[0].pinned = true;
	assert_int_equal(commit_inputs(&w.s, "l", &ll, in, 2, SOURCES, &w.arena, &v, NULL), FL_EREFUSED); /* only a person pins */
	assert_int_equal(commit_inputs(&w.s, "l", &ll, in, 2, BY(HOLD), &w.arena, &v, NULL), 0);
	assert_int_equal(publish(3, 2, SOURCES, &v), FL_EREFUSED); /* nor is a pin lost by a publisher */
	assert_int_equal(publish(2, 2, SOURCES, &v), FL_EREFUSED);
	in[1] = input_at(&w.s, "b", 2);
	assert_int_equal(commit_inputs(&w.s, "l", &ll, in, 2, SOURCES, &w.arena, &v, NULL), 0);
	assert_true(v.inputs[0].pinned);
	assert_int_equal(publish(3, 2, BY(UNHOLD), &v), 0);
	assert_false(v.inputs[0].pinned);
}

static void test_inputs_must_exist(void **state)
{
	struct fl_list_input in[2];
	struct fl_list_version v;
	struct fl_head head;

	(void)state;
	two_sources();
	in[0] = input_at(&w.s, "a", 2);
	in[1] = input_at(&w.s, "b", 2);
	in[0].id.chain[3] ^= 1;
	assert_int_equal(commit_inputs(&w.s, "l", &ll, in, 2, SOURCES, &w.arena, &v, NULL), FL_ESTALE);
	in[0] = input_at(&w.s, "a", 2);
	in[0].id.epoch.b[3] ^= 1;
	assert_int_equal(commit_inputs(&w.s, "l", &ll, in, 2, SOURCES, &w.arena, &v, NULL), FL_ESTALE);
	in[0] = input_at(&w.s, "a", 2);
	in[0].id.number = 9;
	assert_int_equal(commit_inputs(&w.s, "l", &ll, in, 2, SOURCES, &w.arena, &v, NULL), FL_ESTALE);
	assert_int_equal(fl_set_head(&w.s, FL_LIST, "l", &head, NULL), FL_ENOTFOUND);
	in[0].gone = true; /* said to be gone: readers keep what they hold of it */
	assert_int_equal(commit_inputs(&w.s, "l", &ll, in, 2, SOURCES, &w.arena, &v, NULL), 0);
	in[0] = input_at(&w.s, "a", 0); /* no version yet */
	assert_int_equal(commit_inputs(&w.s, "l", &ll, in, 2, BY(ROLLBACK), &w.arena, &v, NULL), 0);
}

static void test_who_may_write(void **state)
{
	struct fl_lease other = { 0 };
	struct fl_list_version v, v2;
	struct fl_head old;

	(void)state;
	two_sources();
	assert_int_equal(publish(1, 1, SOURCES, &v), 0);
	assert_int_equal(fl_set_head(&w.s, FL_LIST, "l", &old, NULL), 0);
	assert_int_equal(publish(2, 1, SOURCES, &v), 0);
	assert_int_equal(publish(3, 1, (struct fl_list_commit){ .cause = FL_CAUSE_SOURCES, .parent = &old }, &v2), FL_ESTALE);
	other = ll;
	assert_int_equal(fl_lease_release(&w.s, &ll, NULL), 0);
	assert_int_equal(fl_lease_take(&w.s, FL_LIST, "l", 60000, &ll, NULL), 0);
	assert_int_equal(commit_inputs(&w.s, "l", &other, v.inputs, 2, SOURCES, &w.arena, &v2, NULL), FL_EFENCED);
	assert_int_equal(publish(3, 2, SOURCES, &v), 0);
	assert_int_equal(v.id.number, 3);
	assert_int_equal(redis_int(&w, "XLEN {fl}:list/l:outbox"), 3); /* refused commits left nothing to send */
}

static void test_numbers(void **state)
{
	struct fl_list_version v;

	(void)state;
	two_sources();
	assert_int_equal(publish(1, 1, (struct fl_list_commit){ .cause = FL_CAUSE_RECOVER, .first_number = 41 }, &v), 0);
	assert_int_equal(v.id.number, 41);
	assert_int_equal(v.parent, 0);
	assert_int_equal(v.recovered.version, 41);
	assert_int_equal(publish(2, 1, (struct fl_list_commit){ .cause = FL_CAUSE_SOURCES, .at_least = 50 }, &v), 0);
	assert_int_equal(v.id.number, 51);
	assert_int_equal(v.parent, 41); /* ordered, not consecutive */
	assert_int_equal(v.recovered.version, 41); /* carried on */
	assert_int_equal(publish(3, 1, (struct fl_list_commit){ .cause = FL_CAUSE_SOURCES, .at_least = 7 }, &v), 0);
	assert_int_equal(v.id.number, 52);
}

static void test_recovery_is_carried_on(void **state)
{
	struct fl_list_commit c = BY(RECOVER);
	struct fl_list_version v, got;

	(void)state;
	two_sources();
	c.recovered.n_over = 1;
	memset(c.recovered.over[0].b, 7, 16);
	assert_int_equal(publish(1, 1, c, &v), 0);
	assert_int_equal(publish(2, 1, SOURCES, &v), 0);
	assert_int_equal(fl_list_version_get(&w.s, "l", 2, &w.arena, &got, NULL), 0);
	assert_int_equal(got.recovered.version, 1);
	assert_int_equal(got.recovered.n_over, 1);
	assert_int_equal(got.recovered.over[0].b[15], 7);
	assert_int_equal(publish(2, 1, BY(RECOVER), &v), 0);
	assert_int_equal(v.recovered.version, 3);
	assert_int_equal(v.recovered.n_over, 0);
}

static void test_recreation_in_the_same_epoch(void **state)
{
	struct fl_list_version v1, v2, v3;
	struct fl_head head;

	(void)state;
	two_sources();
	assert_int_equal(publish(1, 1, SOURCES, &v1), 0);
	assert_int_equal(commit_inputs(&w.s, "l", &ll, NULL, 0, BY(DELETE), &w.arena, &v2, NULL), 0);
	assert_int_equal(fl_set_head(&w.s, FL_LIST, "l", &head, NULL), 0);
	assert_string_equal(head.state, "deleted");
	assert_int_equal(publish(3, 2, SOURCES, &v3), 0);
	assert_int_equal(v3.id.number, 3);
	assert_true(fl_epoch_eq(&v1.id.epoch, &v3.id.epoch));
	assert_int_equal(fl_set_head(&w.s, FL_LIST, "l", &head, NULL), 0);
	assert_string_equal(head.state, "ok");
}

static void test_outbox(void **state)
{
	struct fl_outbox_entry *e;
	struct fl_list_version v[4];
	uint64_t length;
	size_t n;

	(void)state;
	two_sources();
	for (uint64_t i = 1; i <= 3; i++)
		assert_int_equal(publish(i, 1, SOURCES, &v[i]), 0);
	assert_int_equal(fl_outbox_read(&w.s, "l", 2, &w.arena, &e, &n, &length, NULL), 0);
	assert_int_equal(n, 2);
	assert_int_equal(length, 3);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(e[i].number, i + 1);
		assert_memory_equal(e[i].chain, v[i + 1].id.chain, 32);
		assert_int_equal(e[i].at, v[i + 1].at);
	}
	assert_int_equal(fl_outbox_trim(&w.s, "l", &e[1], 1, NULL), 0); /* exactly that one */
	assert_int_equal(fl_outbox_trim(&w.s, "l", &e[1], 1, NULL), 0); /* again: no harm */
	assert_int_equal(fl_outbox_trim(&w.s, "l", NULL, 0, NULL), 0);
	assert_int_equal(fl_outbox_read(&w.s, "l", 10, &w.arena, &e, &n, &length, NULL), 0);
	assert_int_equal(n, 2);
	assert_int_equal(e[0].number, 1);
	assert_int_equal(e[1].number, 3);
	assert_int_equal(fl_outbox_read(&w.s, "never", 10, &w.arena, &e, &n, &length, NULL), 0);
	assert_int_equal(n + length, 0);
}

static void test_event(void **state)
{
	struct fl_list_version v;
	struct fl_event ev, back;
	struct fl_buf b = { 0 };

	(void)state;
	two_sources();
	assert_int_equal(publish(1, 2, SOURCES, &v), 0);
	assert_int_equal(publish(3, 2, SOURCES, &v), 0);
	assert_int_equal(fl_event_load(&w.s, "l", 1, &w.arena, &ev, NULL), 0);
	assert_true(ev.inputs[0].moved && !ev.inputs[0].fetch && ev.inputs[0].from.number == 0 && ev.inputs[0].n_deltas == 1);
	assert_int_equal(ev.inputs[1].n_deltas, 2); /* b came at its second version: both deltas, from nothing */
	assert_int_equal(fl_event_load(&w.s, "l", 2, &w.arena, &ev, NULL), 0);
	assert_true(ev.inputs[0].moved && ev.inputs[0].from.number == 1 && ev.inputs[0].n_deltas == 2);
	assert_false(ev.inputs[1].moved);
	assert_true(fl_version_id_eq(&ev.version.id, &v.id));
	assert_int_equal(fl_event_encode(&ev, &b, NULL), 0);
	assert_int_equal(fl_event_decode(fl_buf_span(&b), &w.arena, &back, NULL), 0);
	assert_true(fl_version_id_eq(&back.version.id, &v.id));
	/* a delta that is gone: readers fetch */
	assert_int_equal(redis_int(&w, "DEL {fl}:source/a:d:2"), 1);
	assert_int_equal(fl_event_load(&w.s, "l", 2, &w.arena, &ev, NULL), 0);
	assert_true(ev.inputs[0].moved && ev.inputs[0].fetch && ev.inputs[0].n_deltas == 0);
	assert_int_equal(fl_event_load(&w.s, "l", 9, &w.arena, &ev, NULL), FL_ENOTFOUND);
	/* the parent's manifest is gone: this one still says what is in force */
	assert_int_equal(redis_int(&w, "DEL {fl}:list/l:v:1"), 1);
	assert_int_equal(fl_event_load(&w.s, "l", 2, &w.arena, &ev, NULL), 0);
	assert_int_equal(ev.version.n_inputs, 2);
	fl_buf_done(&b);
}

/* A keyframe stands between: no inline bytes, however small the change. */
static void test_event_of_a_big_set(void **state)
{
	struct fl_list_input in;
	struct fl_lease lease = { 0 };
	struct fl_list_version v;
	struct fl_source_version sv;
	struct fl_set set = { 0 };
	struct fl_event ev;

	(void)state;
	ll = (struct fl_lease){ 0 };
	many_set(30000, 0, &set);
	assert_int_equal(commit_set(&w.s, "big", &lease, &set, (struct fl_source_commit){ 0 }, &sv, NULL), 0);
	in = input_at(&w.s, "big", 1);
	assert_int_equal(commit_inputs(&w.s, "l", &ll, &in, 1, SOURCES, &w.arena, &v, NULL), 0);
	assert_int_equal(fl_event_load(&w.s, "l", 1, &w.arena, &ev, NULL), 0);
	assert_true(ev.inputs[0].moved && ev.inputs[0].fetch);
	fl_set_done(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_a_source_that_went_back), BOTH(test_versions_there), BOTH(test_an_input_without_a_version),
		BOTH(test_manifest),	    BOTH(test_inputs_do_not_go_back), BOTH(test_pins),			       BOTH(test_inputs_must_exist),
		BOTH(test_who_may_write),   BOTH(test_numbers),		      BOTH(test_recovery_is_carried_on),       BOTH(test_recreation_in_the_same_epoch),
		BOTH(test_outbox),	    BOTH(test_event),		      BOTH(test_event_of_a_big_set),
	};

	return world_run("sets_list", tests, sizeof(tests) / sizeof(tests[0]));
}
