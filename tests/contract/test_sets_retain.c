/* Retention and purge over both stores: what may leave, and above all what may not. */
#include "tests/support/sets_help.h"

static struct fl_lease lease, list_lease;
static struct fl_retention_report rep;

static const char *text_of(uint64_t i, char out[96])
{
	snprintf(out, 96, "a%llu.example b%llu.example c.example", (unsigned long long)i % 7, (unsigned long long)i);
	return out;
}

/* n versions of f, `minutes` apart; a keyframe at least every four. */
static void history(uint64_t n, int64_t minutes)
{
	struct fl_source_version v;
	char text[96];

	lease = list_lease = (struct fl_lease){ 0 };
	w.s.deltas_max = w.f.deltas_max = 4;
	w.s.pack_max = w.f.pack_max = 3;
	for (uint64_t i = 1; i <= n; i++) {
		if (commit_names(&w.s, "f", &lease, text_of(i, text), &v) < 0)
			fail();
		fl_clock_mem_advance(&w.clock, minutes * 60 * FL_NS_PER_S);
	}
}

static void lease_again(struct fl_lease *l, enum fl_set_kind kind, const char *name)
{
	assert_int_equal(fl_lease_take(&w.s, kind, name, INT64_C(86400000) * 90, l, NULL), 0);
}

static bool readable(uint64_t number)
{
	char text[96];

	return names_are(&w.s, "f", number, text_of(number, text));
}

/* Each version is there and right, or not there; from `from` on all are. */
static void whole_from(uint64_t from, uint64_t head)
{
	for (uint64_t i = 1; i <= head; i++) {
		struct fl_source_version v;
		int ret = fl_source_version_get(&w.s, "f", i, &v, NULL);

		if (i >= from ? !readable(i) : ret != FL_ENOTFOUND && !readable(i))
			fail_msg("version %d of %d (from %d)", (int)i, (int)head, (int)from);
	}
}

static uint64_t oldest_there(uint64_t head)
{
	for (uint64_t i = 1; i <= head; i++)
		if (readable(i))
			return i;
	return 0;
}

/* Keys of f whose version is gone: nothing may be left behind. */
static void nothing_left_below(uint64_t oldest)
{
	struct fl_arena a = { 0 };
	struct fl_reply r;

	assert_int_equal(fl_store_cmd(w.plain, &a, &r, NULL, "KEYS", "{fl}:source/f:*", NULL), 0);
	for (size_t i = 0; i < r.n; i++) {
		char key[200];
		unsigned long long n = 0;

		snprintf(key, sizeof(key), "%.*s", (int)r.v[i].s.n, (const char *)r.v[i].s.p);
		if (key[15] == ':' && key[14] && strchr("vdk", key[14]))
			n = strtoull(key + 16, NULL, 10);
		if (key[14] == 'p')
			n = strtoull(strchr(key + 16, '-') + 1, NULL, 10);
		if (n && n < oldest)
			fail_msg("%s is left, the oldest version is %d", key, (int)oldest);
	}
	fl_arena_done(&a);
}

static void test_age(void **state)
{
	uint64_t oldest;

	(void)state;
	w.s.keep_age_ms = 10 * 3600000;
	history(30, 120);
	lease_again(&lease, FL_SOURCE, "f");
	assert_int_equal(fl_source_retain(&w.s, &lease, &rep, NULL), 0);
	oldest = oldest_there(30);
	/* in force within ten hours: 26 to 30; what these stand on may be four deltas more */
	assert_true(oldest > 20 && oldest <= 26);
	assert_int_equal(rep.versions_removed, oldest - 1);
	assert_true(rep.keys_removed >= 2 * (oldest - 1) && rep.bytes_removed > 0);
	whole_from(oldest, 30);
	nothing_left_below(oldest);
	assert_int_equal(fl_source_retain(&w.s, &lease, &rep, NULL), 0); /* again: nothing */
	assert_int_equal(rep.versions_removed, 0);
	whole_from(oldest, 30);
}

static void test_floor(void **state)
{
	(void)state;
	w.s.keep_age_ms = 1;
	w.s.keep_floor = 6;
	history(20, 120);
	lease_again(&lease, FL_SOURCE, "f");
	assert_int_equal(fl_source_retain(&w.s, &lease, &rep, NULL), 0);
	whole_from(15, 20);
	assert_true(oldest_there(20) > 10);
}

/* What was in force in the last hour stays, whatever it weighs and however many there are. */
static void test_the_last_hour(void **state)
{
	(void)state;
	w.s.keep_age_ms = 1;
	w.s.keep_bytes = 1;
	w.s.keep_floor = 1;
	history(25, 2);
	lease_again(&lease, FL_SOURCE, "f");
	assert_int_equal(fl_source_retain(&w.s, &lease, &rep, NULL), 0);
	assert_int_equal(rep.versions_removed, 0);
	whole_from(1, 25);
}

static void test_bytes(void **state)
{
	(void)state;
	w.s.keep_age_ms = INT64_C(86400000) * 365;
	w.s.keep_bytes = 1;
	history(20, 120);
	lease_again(&lease, FL_SOURCE, "f");
	assert_int_equal(fl_source_retain(&w.s, &lease, &rep, NULL), 0);
	assert_true(rep.versions_removed > 5);
	whole_from(18, 20); /* the floor */
}

static int publish(uint64_t number, enum fl_cause cause, bool pinned)
{
	struct fl_list_input in = input_at(&w.s, "f", number);
	struct fl_list_version v;

	in.pinned = pinned;
	return commit_inputs(&w.s, "l", &list_lease, &in, 1, (struct fl_list_commit){ .cause = cause, .actor = "t" }, &w.arena, &v, NULL);
}

static void test_needed_by_a_list(void **state)
{
	(void)state;
	w.s.keep_age_ms = 3600000;
	history(12, 120);
	lease_again(&list_lease, FL_LIST, "l");
	assert_int_equal(publish(5, FL_CAUSE_SOURCES, false), 0);
	world_hours(&w, 10);
	lease_again(&lease, FL_SOURCE, "f");
	assert_int_equal(fl_source_retain(&w.s, &lease, &rep, NULL), 0);
	whole_from(5, 12);
	/* the list goes on, and its old version stays for a while: so does what it needs */
	assert_int_equal(publish(9, FL_CAUSE_SOURCES, false), 0);
	assert_int_equal(fl_list_retain(&w.s, &list_lease, &rep, NULL), 0);
	assert_int_equal(fl_source_retain(&w.s, &lease, &rep, NULL), 0);
	whole_from(5, 12);
	/* then its old versions leave, once they are sent, and with them the need */
	for (uint64_t i = 10; i <= 12; i++)
		assert_int_equal(publish(i, FL_CAUSE_SOURCES, false), 0);
	redis_int(&w, "XTRIM {fl}:list/l:outbox MAXLEN 0");
	world_hours(&w, 24);
	lease_again(&list_lease, FL_LIST, "l");
	assert_int_equal(fl_list_retain(&w.s, &list_lease, &rep, NULL), 0);
	assert_int_equal(rep.versions_removed, 2); /* three stay */
	lease_again(&lease, FL_SOURCE, "f");
	assert_int_equal(fl_source_retain(&w.s, &lease, &rep, NULL), 0);
	assert_true(rep.versions_removed > 0);
	whole_from(10, 12);
	assert_false(readable(5));
}

/* A rollback far back: the pinned input lives as long as the pin. */
static void test_needed_by_a_pin(void **state)
{
	(void)state;
	w.s.keep_age_ms = 3600000;
	w.s.keep_floor = 1;
	history(6, 120);
	lease_again(&list_lease, FL_LIST, "l");
	assert_int_equal(publish(2, FL_CAUSE_SOURCES, false), 0);
	assert_int_equal(publish(6, FL_CAUSE_SOURCES, false), 0);
	assert_int_equal(publish(2, FL_CAUSE_ROLLBACK, true), 0);
	redis_int(&w, "XTRIM {fl}:list/l:outbox MAXLEN 0");
	for (int i = 0; i < 4; i++) {
		world_hours(&w, 24);
		lease_again(&list_lease, FL_LIST, "l");
		lease_again(&lease, FL_SOURCE, "f");
		assert_int_equal(fl_list_retain(&w.s, &list_lease, &rep, NULL), 0);
		assert_int_equal(fl_source_retain(&w.s, &lease, &rep, NULL), 0);
		assert_true(readable(2) && readable(6));
	}
	assert_int_equal(publish(6, FL_CAUSE_UNHOLD, false), 0);
	redis_int(&w, "XTRIM {fl}:list/l:outbox MAXLEN 0");
	world_hours(&w, 24);
	lease_again(&list_lease, FL_LIST, "l");
	lease_again(&lease, FL_SOURCE, "f");
	assert_int_equal(fl_list_retain(&w.s, &list_lease, &rep, NULL), 0);
	assert_int_equal(fl_source_retain(&w.s, &lease, &rep, NULL), 0);
	assert_true(readable(6));
	assert_false(readable(2));
}

/* Rolled back to before the source came, and let go: what older list versions are made of stays until they leave; then it leaves. */
static void test_needed_behind_an_input_without_a_version(void **state)
{
	struct fl_list_version v;

	(void)state;
	w.s.keep_age_ms = 3600000;
	w.s.keep_floor = 1;
	history(6, 120);
	lease_again(&list_lease, FL_LIST, "l");
	assert_int_equal(publish(2, FL_CAUSE_SOURCES, false), 0);
	assert_int_equal(publish(0, FL_CAUSE_ROLLBACK, true), 0);
	assert_int_equal(publish(6, FL_CAUSE_UNHOLD, false), 0);
	world_hours(&w, 24);
	lease_again(&list_lease, FL_LIST, "l");
	lease_again(&lease, FL_SOURCE, "f");
	assert_int_equal(fl_list_retain(&w.s, &list_lease, &rep, NULL), 0); /* all three are still to be sent */
	assert_int_equal(fl_source_retain(&w.s, &lease, &rep, NULL), 0);
	assert_int_equal(fl_list_version_get(&w.s, "l", 1, &w.arena, &v, NULL), 0);
	assert_true(readable(2));
	redis_int(&w, "XTRIM {fl}:list/l:outbox MAXLEN 0");
	world_hours(&w, 24);
	lease_again(&list_lease, FL_LIST, "l");
	lease_again(&lease, FL_SOURCE, "f");
	assert_int_equal(fl_list_retain(&w.s, &list_lease, &rep, NULL), 0);
	assert_int_equal(fl_list_version_get(&w.s, "l", 2, &w.arena, &v, NULL), FL_ENOTFOUND);
	assert_int_equal(fl_source_retain(&w.s, &lease, &rep, NULL), 0);
	assert_true(readable(6));
	assert_false(readable(2));
}

static void test_unsent_versions_stay(void **state)
{
	struct fl_list_version v;

	(void)state;
	w.s.keep_age_ms = 3600000;
	w.s.keep_floor = 1;
	history(8, 120);
	lease_again(&list_lease, FL_LIST, "l");
	for (uint64_t i = 1; i <= 8; i++)
		assert_int_equal(publish(i, FL_CAUSE_SOURCES, false), 0);
	world_hours(&w, 72);
	lease_again(&list_lease, FL_LIST, "l");
	lease_again(&lease, FL_SOURCE, "f");
	assert_int_equal(fl_list_retain(&w.s, &list_lease, &rep, NULL), 0);
	assert_int_equal(rep.versions_removed, 0);
	assert_int_equal(fl_source_retain(&w.s, &lease, &rep, NULL), 0);
	whole_from(1, 8);
	for (uint64_t i = 1; i <= 8; i++)
		assert_int_equal(fl_list_version_get(&w.s, "l", i, &w.arena, &v, NULL), 0);
}

static void test_fenced(void **state)
{
	struct fl_lease other = { 0 };

	(void)state;
	w.s.keep_age_ms = 1;
	history(12, 120);
	assert_int_equal(fl_lease_release(&w.s, &lease, NULL), 0);
	assert_int_equal(redis_int(&w, "DEL {fl}:source/f:lease") >= 0, 1);
	lease_again(&other, FL_SOURCE, "f");
	memcpy(lease.fence, "00000000000000000000000000000000", 33);
	assert_int_equal(fl_source_retain(&w.s, &lease, &rep, NULL), FL_EFENCED);
	assert_int_equal(rep.versions_removed, 0);
	whole_from(1, 12);
}

/* A clock that jumps ahead, ours alone, expires nothing. */
static void test_clock_jump(void **state)
{
	struct fl_clock_mem ahead;

	(void)state;
	if (w.kind == STORE_REDIS)
		fl_clock_mem_jump(&w.clock, 99 * 86400 * FL_US_PER_S); /* near the server's */
	history(10, 120);
	fl_clock_mem_init(&ahead, fl_now_unix(&w.clock.door) + INT64_C(3650) * 86400 * FL_US_PER_S);
	lease_again(&lease, FL_SOURCE, "f");
	w.s.clock = &ahead.door;
	w.s.keep_age_ms = INT64_C(30) * 86400000;
	assert_int_equal(fl_source_retain(&w.s, &lease, &rep, NULL), 0);
	assert_int_equal(rep.versions_removed, 0);
	w.s.clock = &w.clock.door;
	whole_from(1, 10);
}

/* What cannot be read is never taken away, and nothing beyond it. */
static void test_unreadable_versions_stay(void **state)
{
	static const char *const garble[] = { "at_us x", "attempt short", "blocks many", "version z", "next 1" };
	int64_t keys;
	char line[120];

	(void)state;
	for (size_t i = 0; i < sizeof(garble) / sizeof(garble[0]); i++) {
		world_forget(&w);
		history(12, 120);
		world_hours(&w, 48);
		lease_again(&lease, FL_SOURCE, "f");
		snprintf(line, sizeof(line), "HSET {fl}:source/f:v:1 %s", garble[i]);
		redis_int(&w, line);
		keys = redis_int(&w, "DBSIZE");
		w.s.keep_age_ms = 1;
		fl_source_retain(&w.s, &lease, &rep, NULL);
		if (rep.versions_removed || redis_int(&w, "DBSIZE") != keys)
			fail_msg("%s: %d versions went", garble[i], (int)rep.versions_removed);
	}
}

/* A history far longer than one look: what is old leaves, all of it, in a few calls, and nothing stays behind unreachable. */
static void test_long_history(void **state)
{
	uint64_t oldest = 0;

	(void)state;
	if (w.kind == STORE_REDIS)
		skip(); /* the same scripts, only slower */
	w.s.keep_age_ms = 3600000;
	history(6000, 1);
	world_hours(&w, 48);
	lease_again(&lease, FL_SOURCE, "f");
	for (int i = 0; i < 50; i++)
		assert_int_equal(fl_source_retain(&w.s, &lease, &rep, NULL), 0);
	for (uint64_t i = 5980; i <= 6000 && !oldest; i++)
		if (readable(i))
			oldest = i;
	assert_true(oldest);
	nothing_left_below(oldest);
}

/* Every call and reply of retention lost once: what is kept can be read at every instant, and in the end nothing is left behind. */
static void test_lost_calls(void **state)
{
	uint32_t calls;

	(void)state;
	w.s.keep_age_ms = w.f.keep_age_ms = 6 * 3600000;
	history(24, 120);
	lease_again(&lease, FL_SOURCE, "f");
	w.lossy.calls = 0;
	assert_int_equal(fl_source_retain(&w.f, &lease, &rep, NULL), 0);
	assert_true(rep.versions_removed > 5);
	calls = w.lossy.calls;
	for (uint32_t at = 1; at <= calls; at++)
		for (int kind = 0; kind < 2; kind++) {
			world_forget(&w);
			history(24, 120);
			lease_again(&lease, FL_SOURCE, "f");
			w.lossy = (struct lossy){ w.lossy.door, w.lossy.inner, 0, at, 5, kind ? FL_FAULT_AFTER : FL_FAULT_BEFORE };
			fl_source_retain(&w.f, &lease, &rep, NULL);
			whole_from(22, 24);
			w.lossy.at = 0;
			for (int i = 0; i < 3; i++)
				assert_int_equal(fl_source_retain(&w.f, &lease, &rep, NULL), 0);
			whole_from(22, 24);
			assert_true(oldest_there(24) > 15);
			nothing_left_below(oldest_there(24));
			if (w.kind == STORE_REDIS) /* the clock must not overtake the server's */
				fl_clock_mem_jump(&w.clock, -50 * 3600 * FL_US_PER_S);
		}
}

/* --- purge --- */

static int delete_set(struct fl_source_version *v)
{
	struct fl_set none = { 0 };

	return commit_set(&w.s, "f", &lease, &none, (struct fl_source_commit){ .cause = FL_CAUSE_DELETE, .even_unchanged = true }, v, NULL);
}

static void test_purge(void **state)
{
	struct fl_source_version v, first, other;
	struct fl_lease lo = { 0 };
	struct fl_head head;
	struct fl_set big = { 0 };

	(void)state;
	assert_int_equal(commit_names(&w.s, "f2", &lo, "x.example", &other), 0);
	many_set(30000, 0, &big);
	lease = (struct fl_lease){ 0 };
	assert_int_equal(commit_set(&w.s, "f", &lease, &big, (struct fl_source_commit){ 0 }, &first, NULL), 0);
	assert_int_equal(commit_names(&w.s, "f", &lease, "a.example", &v), 0);
	assert_int_equal(fl_set_purge(&w.s, &lease, &rep, NULL), FL_EREFUSED); /* only what was deleted */
	assert_true(names_are(&w.s, "f", 2, "a.example"));
	assert_int_equal(delete_set(&v), 0);
	assert_int_equal(fl_set_head(&w.s, FL_SOURCE, "f", &head, NULL), 0);
	assert_string_equal(head.state, "deleted");
	assert_int_equal(fl_set_purge(&w.s, &lease, &rep, NULL), 0);
	assert_true(rep.keys_removed > 3);
	assert_int_equal(fl_source_version_get(&w.s, "f", 1, &v, NULL), FL_ENOTFOUND);
	assert_int_equal(fl_source_version_get(&w.s, "f", 2, &v, NULL), FL_ENOTFOUND);
	assert_true(names_are(&w.s, "f", 3, "")); /* the deleting version can be read alone */
	assert_true(redis_int(&w, "KEYS {fl}:source/f:*") <= 7);
	assert_true(names_are(&w.s, "f2", 1, "x.example"));
	assert_int_equal(fl_set_purge(&w.s, &lease, &rep, NULL), 0);
	/* re-creation goes on above it in the same epoch */
	assert_int_equal(commit_names(&w.s, "f", &lease, "b.example", &v), 0);
	assert_int_equal(v.id.number, 4);
	assert_true(fl_epoch_eq(&v.id.epoch, &first.id.epoch));
	assert_true(names_are(&w.s, "f", 4, "b.example"));
	fl_set_done(&big);
}

static void test_purge_fenced(void **state)
{
	struct fl_source_version v;

	(void)state;
	history(3, 1);
	assert_int_equal(delete_set(&v), 0);
	lease.fence[0] = lease.fence[0] == '0' ? '1' : '0';
	assert_int_equal(fl_set_purge(&w.s, &lease, &rep, NULL), FL_EFENCED);
	whole_from(1, 3);
}

/* A purged list needs nothing of its sources any more. */
static void test_purge_of_a_list(void **state)
{
	struct fl_list_version v;

	(void)state;
	w.s.keep_age_ms = 1;
	w.s.keep_floor = 1;
	history(10, 120);
	lease_again(&list_lease, FL_LIST, "l");
	assert_int_equal(publish(1, FL_CAUSE_SOURCES, false), 0);
	assert_int_equal(redis_int(&w, "HLEN {fl}:source/f:needed"), 1);
	assert_int_equal(commit_inputs(&w.s, "l", &list_lease, NULL, 0, (struct fl_list_commit){ .cause = FL_CAUSE_DELETE, .actor = "t" }, &w.arena, &v, NULL), 0);
	assert_int_equal(fl_set_purge(&w.s, &list_lease, &rep, NULL), 0);
	assert_int_equal(fl_list_version_get(&w.s, "l", 1, &w.arena, &v, NULL), FL_ENOTFOUND);
	assert_int_equal(fl_list_version_get(&w.s, "l", 2, &w.arena, &v, NULL), 0);
	assert_int_equal(redis_int(&w, "HLEN {fl}:source/f:needed"), 0);
	assert_int_equal(redis_int(&w, "XLEN {fl}:list/l:outbox"), 2); /* enforcers have yet to hear of it */
	world_hours(&w, 24);
	lease_again(&lease, FL_SOURCE, "f");
	assert_int_equal(fl_source_retain(&w.s, &lease, &rep, NULL), 0);
	assert_true(rep.versions_removed > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_age),		     BOTH(test_floor),		BOTH(test_the_last_hour),	     BOTH(test_bytes),	     BOTH(test_needed_by_a_list),
		BOTH(test_needed_by_a_pin), BOTH(test_needed_behind_an_input_without_a_version),  BOTH(test_unsent_versions_stay), BOTH(test_fenced),	     BOTH(test_clock_jump),  BOTH(test_unreadable_versions_stay),
		BOTH(test_long_history),     BOTH(test_lost_calls),	BOTH(test_purge),		     BOTH(test_purge_fenced), BOTH(test_purge_of_a_list),
	};

	return world_run("sets_retain", tests, sizeof(tests) / sizeof(tests[0]));
}
