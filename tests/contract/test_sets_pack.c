/* Packing of old deltas over both stores: what is packed, that nothing read changes by it, and that nobody's view breaks while it is done. */
#include "tests/support/sets_help.h"

static struct fl_lease lease;
static struct fl_retention_report rep;

static const char *text_of(uint64_t i, char out[96])
{
	snprintf(out, 96, "a%llu.example b%llu.example c.example", (unsigned long long)i % 7, (unsigned long long)i);
	return out;
}

/* n versions of f, ten minutes apart; a keyframe every twelve, packs of five. Nothing is past its time. */
static void history(uint64_t n)
{
	struct fl_source_version v;
	char text[96];

	lease = (struct fl_lease){ 0 };
	w.s.deltas_max = w.f.deltas_max = 12;
	w.s.pack_max = w.f.pack_max = 5;
	w.s.keep_age_ms = w.f.keep_age_ms = INT64_C(86400000) * 300;
	for (uint64_t i = 1; i <= n; i++) {
		assert_int_equal(commit_names(&w.s, "f", &lease, text_of(i, text), &v), 0);
		fl_clock_mem_advance(&w.clock, 600 * FL_NS_PER_S);
	}
	assert_int_equal(fl_lease_take(&w.s, FL_SOURCE, "f", INT64_C(86400000) * 90, &lease, NULL), 0);
}

static void retain(void)
{
	assert_int_equal(fl_source_retain(&w.s, &lease, &rep, NULL), 0);
	assert_int_equal(rep.versions_removed, 0);
}

static bool exists(const char *key)
{
	char line[120];

	snprintf(line, sizeof(line), "EXISTS {fl}:source/f:%s", key);
	return redis_int(&w, line) == 1;
}

/* What the packs stand for has left: on the twin by its time, on the server at once, whose clock is not ours. */
static void superseded_leave(uint64_t n)
{
	char line[120];

	fl_clock_mem_advance(&w.clock, 700 * FL_NS_PER_S);
	for (uint64_t i = 1; i <= n; i++) {
		snprintf(line, sizeof(line), "PTTL {fl}:source/f:d:%llu", (unsigned long long)i);
		if (redis_int(&w, line) > 0) {
			snprintf(line, sizeof(line), "DEL {fl}:source/f:d:%llu", (unsigned long long)i);
			redis_int(&w, line);
		}
	}
}

static void all_readable(uint64_t n)
{
	char text[96];

	for (uint64_t i = 1; i <= n; i++)
		if (!names_are(&w.s, "f", i, text_of(i, text)))
			fail_msg("version %d", (int)i);
}

/* Every stored delta is the one that its version vouches for. */
static void deltas_right(uint64_t from, uint64_t to)
{
	struct fl_source_version a, b, v;
	struct fl_event_delta *d;
	struct fl_delta_meta meta;
	uint32_t n;

	assert_int_equal(fl_source_version_get(&w.s, "f", from, &a, NULL), 0);
	assert_int_equal(fl_source_version_get(&w.s, "f", to, &b, NULL), 0);
	assert_int_equal(fl_source_deltas(&w.s, "f", &a.id, &b.id, &w.arena, &d, &n, NULL), 0);
	assert_int_equal(n, to - from);
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(d[i].number, from + 1 + i);
		assert_int_equal(fl_source_version_get(&w.s, "f", d[i].number, &v, NULL), 0);
		assert_int_equal(fl_delta_check(d[i].bytes, &meta, NULL), 0);
		assert_memory_equal(meta.sha256, v.delta_sha256, 32);
	}
}

static void test_old_deltas_are_packed(void **state)
{
	(void)state;
	history(30);
	retain();
	/* 12 and 24 have keyframes, and begin a pack; the last hour stays apart, and 11, which would be alone */
	assert_int_equal(rep.deltas_packed, 22);
	assert_true(exists("p:1-5") && exists("p:6-10") && exists("p:12-16") && exists("p:17-21") && exists("p:22-23"));
	assert_true(exists("d:3")); /* whoever is on the way to it finds it */
	all_readable(30);
	superseded_leave(30);
	assert_false(exists("d:3"));
	assert_true(exists("d:11") && exists("d:24") && exists("d:30"));
	all_readable(30);
	retain();
	assert_int_equal(rep.deltas_packed, 0);
}

static void test_read_from_packs(void **state)
{
	struct fl_change_iter *it = NULL;
	struct fl_rkey k[2] = { gen_rkey("c.example"), gen_rkey("b9.example") };
	struct fl_span keys[2] = { fl_rkey_span(&k[0]), fl_rkey_span(&k[1]) };
	struct fl_tuple t[2];
	struct fl_head head;
	struct fl_change c;
	int n = 0, ret;

	(void)state;
	history(30);
	retain();
	superseded_leave(30);
	deltas_right(1, 5);
	deltas_right(3, 9);
	deltas_right(12, 30);
	for (int back = 0; back < 2; back++) {
		assert_int_equal(fl_source_diff(&w.s, "f", back ? 25 : 13, back ? 13 : 25, &it, NULL), 0);
		for (n = 0; (ret = it->next(it, &c, NULL)) == 1; n++)
			;
		assert_int_equal(ret, 0);
		assert_int_equal(n, 4); /* a6 and b13 went, a4 and b25 came; or the other way */
		fl_changes_close(it);
	}
	assert_int_equal(fl_set_head(&w.s, FL_SOURCE, "f", &head, NULL), 0);
	head.id.number = 9;
	assert_int_equal(fl_source_lookup(&w.s, "f", &head, keys, 2, t, NULL), 0);
	assert_int_equal(t[0].scope, FL_SCOPE_SUBTREE);
	assert_int_equal(t[1].scope, FL_SCOPE_SUBTREE);
	head.id.number = 10;
	assert_int_equal(fl_source_lookup(&w.s, "f", &head, keys, 2, t, NULL), 0);
	assert_int_equal(t[1].scope, 0);
}

/* A name that stands in a heavy delta, in a pack above it and in a young delta above that: whoever asks for another is not told that the set is broken. */
static void test_lookup_over_mixed_pieces(void **state)
{
	struct fl_rkey k = gen_rkey("c.example");
	struct fl_span key = fl_rkey_span(&k);
	struct fl_source_version v;
	struct fl_tuple t;
	struct fl_head head;

	(void)state;
	lease = (struct fl_lease){ 0 };
	w.s.small_bytes = 300;
	w.s.pack_max = 4;
	w.s.keep_age_ms = INT64_C(86400000) * 300;
	for (int i = 1; i <= 9; i++) {
		struct fl_set set = { 0 };

		many_set(3000, i == 1 ? 0 : 50, &set); /* the second version takes sixty names away: a heavy delta, not packed */
		names_set("c.example", &set);
		if (i >= 2 && i != 5 && i != 6)
			names_set("x.example", &set);
		names_set(i % 2 ? "odd.example" : "even.example", &set);
		assert_int_equal(fl_set_sort(&set, NULL), 0);
		assert_int_equal(commit_set(&w.s, "f", &lease, &set, (struct fl_source_commit){ .cause = FL_CAUSE_FEED }, &v, NULL), 0);
		fl_set_done(&set);
		fl_clock_mem_advance(&w.clock, (i == 6 ? 7200 : 60) * FL_NS_PER_S);
		if (i == 6)
			lease.until = 0;
	}
	assert_int_equal(fl_lease_take(&w.s, FL_SOURCE, "f", INT64_C(86400000), &lease, NULL), 0);
	retain();
	assert_true(exists("p:3-6"));
	assert_true(exists("d:2"));
	superseded_leave(9);
	assert_int_equal(fl_set_head(&w.s, FL_SOURCE, "f", &head, NULL), 0);
	assert_int_equal(fl_source_lookup(&w.s, "f", &head, &key, 1, &t, NULL), 0);
	assert_int_equal(t.scope, FL_SCOPE_SUBTREE);
}

/* What the store broke is seen, and never read as something else. */
static void test_broken_pack(void **state)
{
	struct fl_set set = { 0 };
	struct fl_reply r;

	(void)state;
	history(30);
	retain();
	superseded_leave(30);
	assert_int_equal(fl_store_cmd(w.plain, &w.arena, &r, NULL, "GET", "{fl}:source/f:p:6-10", NULL), 0);
	r.s.n -= 3;
	{
		struct fl_span argv[] = { fl_span_str("SET"), fl_span_str("{fl}:source/f:p:6-10"), r.s };
		struct fl_reply *out;

		assert_int_equal(fl_store_call(w.plain, &(struct fl_cmd){ argv, 3 }, 1, &w.arena, &out, NULL), 0);
	}
	assert_int_equal(content_of(&w.s, "f", 8, &set), FL_ECORRUPT);
	assert_int_equal(redis_int(&w, "DEL {fl}:source/f:p:6-10"), 1);
	assert_int_equal(content_of(&w.s, "f", 8, &set), FL_ENOTFOUND);
	fl_set_done(&set);
	{
		char text[96];

		assert_true(names_are(&w.s, "f", 4, text_of(4, text)));
		assert_true(names_are(&w.s, "f", 13, text_of(13, text)));
	}
	redis_int(&w, "HSET {fl}:source/f:v:3 pack 5-1");
	assert_int_equal(content_of(&w.s, "f", 3, &set), FL_ECORRUPT);
}

/* A delta that is not what its version says stays apart, and the rest is packed. */
static void test_broken_delta_is_not_packed(void **state)
{
	(void)state;
	history(30);
	redis_int(&w, "SET {fl}:source/f:d:3 garbage");
	redis_int(&w, "DEL {fl}:source/f:d:14");
	retain();
	assert_int_equal(rep.deltas_packed, 12);
	assert_false(exists("p:1-5") || exists("p:12-16"));
	assert_true(exists("p:6-10") && exists("p:17-21"));
	retain(); /* and is not looked at again */
	assert_int_equal(rep.deltas_packed, 0);
}

static void test_fenced(void **state)
{
	struct fl_lease other = { 0 };

	(void)state;
	history(30);
	assert_int_equal(fl_lease_release(&w.s, &lease, NULL), 0);
	assert_int_equal(fl_lease_take(&w.s, FL_SOURCE, "f", 86400000, &other, NULL), 0);
	memcpy(lease.fence, "00000000000000000000000000000000", 33);
	assert_int_equal(fl_source_retain(&w.s, &lease, &rep, NULL), FL_EFENCED);
	assert_int_equal(rep.deltas_packed, 0);
	assert_false(exists("p:1-5"));
	all_readable(30);
}

/* Every call and every reply lost once: what there is can be read at every instant, and in the end all is packed. */
static void test_lost_calls(void **state)
{
	uint32_t calls;

	(void)state;
	history(30);
	w.lossy = (struct lossy){ w.lossy.door, w.lossy.inner, 0, 0, 0, FL_FAULT_NONE };
	assert_int_equal(fl_source_retain(&w.f, &lease, &rep, NULL), 0);
	calls = w.lossy.calls;
	for (uint32_t at = 1; at <= calls; at++)
		for (int kind = 0; kind < 2; kind++) {
			world_forget(&w);
			history(30);
			w.lossy = (struct lossy){ w.lossy.door, w.lossy.inner, 0, at, 5, kind ? FL_FAULT_AFTER : FL_FAULT_BEFORE };
			fl_source_retain(&w.f, &lease, &rep, NULL);
			all_readable(30);
			w.lossy.at = 0;
			assert_int_equal(fl_source_retain(&w.f, &lease, &rep, NULL), 0);
			assert_true(exists("p:1-5") && exists("p:6-10") && exists("p:12-16") && exists("p:17-21"));
			superseded_leave(30);
			all_readable(30);
			if (w.kind == STORE_REDIS) /* the clock must not overtake the server's */
				fl_clock_mem_jump(&w.clock, -6 * 3600 * FL_US_PER_S);
		}
}

/* A source that begins anew, in a new epoch, or that was purged, packs what it has then. */
static void test_again_from_the_start(void **state)
{
	struct fl_head none = { 0 };
	struct fl_source_version v;
	struct fl_set set = { 0 };

	(void)state;
	history(30);
	retain();
	redis_int(&w, "DEL {fl}:source/f:head");
	assert_int_equal(fl_lease_take(&w.s, FL_SOURCE, "f", INT64_C(86400000) * 90, &lease, NULL), 0);
	names_set("x.example", &set);
	assert_int_equal(commit_set(&w.s, "f", &lease, &set, (struct fl_source_commit){ .parent = &none, .cause = FL_CAUSE_FEED }, &v, NULL), 0);
	fl_set_done(&set);
	assert_true(names_are(&w.s, "f", 1, "x.example"));
	for (uint64_t i = 2; i <= 20; i++) {
		char text[96];

		assert_int_equal(commit_names(&w.s, "f", &lease, text_of(i, text), &v), 0);
		fl_clock_mem_advance(&w.clock, 600 * FL_NS_PER_S);
	}
	retain();
	assert_int_equal(rep.deltas_packed, 10);
	superseded_leave(20);
	assert_true(names_are(&w.s, "f", 1, "x.example"));
	for (uint64_t i = 2; i <= 20; i++) {
		char text[96];

		assert_true(names_are(&w.s, "f", i, text_of(i, text)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_old_deltas_are_packed), BOTH(test_read_from_packs), BOTH(test_lookup_over_mixed_pieces), BOTH(test_broken_pack), BOTH(test_broken_delta_is_not_packed),
		BOTH(test_fenced),		  BOTH(test_lost_calls),      BOTH(test_again_from_the_start),
	};

	return world_run("sets_pack", tests, sizeof(tests) / sizeof(tests[0]));
}
