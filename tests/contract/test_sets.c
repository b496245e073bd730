/* Source sets over both stores: what the header promises of commits, leases, content, look-ups, differences and claims. */
#include <pthread.h>

#include "tests/support/sets_help.h"

/* --- birth --- */

static void test_first_version(void **state)
{
	struct fl_lease lease = { 0 };
	struct fl_source_version v, got;
	struct fl_head head;
	struct fl_set set = { 0 };
	struct fl_digests sum;
	uint8_t chain[32];

	(void)state;
	names_set("a.example b.example", &set);
	sum = gen_digests(&set);
	assert_int_equal(fl_set_head(&w.s, FL_SOURCE, "f", &head, NULL), FL_ENOTFOUND);
	assert_int_equal(fl_set_lineage(&w.s, FL_SOURCE, "f", 1, chain, NULL), FL_EGAP);
	assert_int_equal(fl_lease_take(&w.s, FL_SOURCE, "f", 60000, &lease, NULL), 0);
	/* only a lease was taken: a head without epoch is no head */
	assert_int_equal(fl_set_head(&w.s, FL_SOURCE, "f", &head, NULL), FL_ENOTFOUND);
	assert_int_equal(head.id.number, 0);
	assert_int_equal(commit_names(&w.s, "f", &lease, "a.example b.example", &v), 0);
	assert_int_equal(v.id.number, 1);
	assert_int_equal(v.parent, 0);
	assert_false(fl_epoch_is_zero(&v.id.epoch));
	assert_int_equal(v.added, 2);
	assert_true(gen_digests_equal(&v.digests, &sum));
	assert_int_equal(fl_set_head(&w.s, FL_SOURCE, "f", &head, NULL), 0);
	assert_true(fl_version_id_eq(&head.id, &v.id));
	assert_true(fl_u128_eq(head.digest, sum.scope) && head.entries == 2);
	assert_string_equal(head.state, "ok");
	assert_string_equal(head.fence, lease.fence);
	assert_int_equal(head.published_at, fl_now_unix(&w.clock.door));
	assert_int_equal(fl_source_version_get(&w.s, "f", 1, &got, NULL), 0);
	assert_true(fl_version_id_eq(&got.id, &v.id));
	assert_int_equal(fl_set_lineage(&w.s, FL_SOURCE, "f", 1, chain, NULL), 0);
	assert_memory_equal(chain, v.id.chain, 32);
	assert_int_equal(fl_set_lineage(&w.s, FL_SOURCE, "f", 2, chain, NULL), FL_ENOTFOUND);
	assert_true(content_is(&w.s, "f", 1, &set));
	assert_int_equal(fl_source_version_get(&w.s, "f", 2, &got, NULL), FL_ENOTFOUND);
	fl_set_done(&set);
}

static void test_heads_and_names(void **state)
{
	const char *const ask[] = { "c", "never", "a" };
	struct fl_lease lease[3] = { 0 };
	struct fl_source_version v;
	const char *const *names;
	struct fl_head heads[3];
	size_t n;

	(void)state;
	assert_int_equal(commit_names(&w.s, "c", &lease[0], "x.example", &v), 0);
	assert_int_equal(commit_names(&w.s, "a", &lease[1], "y.example z.example", &v), 0);
	assert_int_equal(commit_names(&w.s, "b", &lease[2], "", &v), 0);
	assert_int_equal(fl_set_heads(&w.s, FL_SOURCE, ask, 3, heads, NULL), 0);
	assert_int_equal(heads[0].entries, 1);
	assert_int_equal(heads[1].id.number, 0);
	assert_int_equal(heads[2].entries, 2);
	assert_int_equal(fl_set_names(&w.s, FL_SOURCE, &w.arena, &names, &n, NULL), 0);
	assert_int_equal(n, 3);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(names[i], i == 0 ? "a" : i == 1 ? "b" : "c");
	assert_int_equal(fl_set_names(&w.s, FL_LIST, &w.arena, &names, &n, NULL), 0);
	assert_int_equal(n, 0);
}

static void test_unchanged(void **state)
{
	struct fl_fetch_state fetch = { .etag = "\"1\"", .body_sha256 = "00", .seen_at = 5 };
	struct fl_lease lease = { 0 };
	struct fl_source_version v1, v2, v3;
	struct fl_set set = { 0 };

	(void)state;
	names_set("a.example", &set);
	assert_int_equal(commit_set(&w.s, "f", &lease, &set, (struct fl_source_commit){ .fetch = &fetch }, &v1, NULL), 0);
	assert_int_equal(commit_set(&w.s, "f", &lease, &set, (struct fl_source_commit){ 0 }, &v2, NULL), 0);
	assert_true(fl_version_id_eq(&v1.id, &v2.id));
	assert_string_equal(v2.fetch.etag, "\"1\"");
	/* and a version when that is asked for; without a fetch state of its own it carries the parent's */
	assert_int_equal(commit_set(&w.s, "f", &lease, &set, (struct fl_source_commit){ .even_unchanged = true }, &v3, NULL), 0);
	assert_int_equal(v3.id.number, 2);
	assert_int_equal(v3.added + v3.removed + v3.changed, 0);
	assert_string_equal(v3.fetch.etag, "\"1\"");
	assert_true(content_is(&w.s, "f", 2, &set));
	fl_set_done(&set);
}

/* A key is its own when only an attribute moved: a version, but no other set digest. */
static void test_attribute_change(void **state)
{
	struct fl_lease lease = { 0 };
	struct fl_source_version v1, v2;
	struct fl_set set = { 0 };

	(void)state;
	names_set("a.example b.example", &set);
	assert_int_equal(commit_set(&w.s, "f", &lease, &set, (struct fl_source_commit){ 0 }, &v1, NULL), 0);
	set.v[0].t.expires_s = 1800000000;
	assert_int_equal(commit_set(&w.s, "f", &lease, &set, (struct fl_source_commit){ 0 }, &v2, NULL), 0);
	assert_int_equal(v2.id.number, 2);
	assert_int_equal(v2.changed, 1);
	assert_true(fl_u128_eq(v1.digests.scope, v2.digests.scope));
	assert_false(fl_u128_eq(v1.digests.attrs, v2.digests.attrs));
	assert_true(content_is(&w.s, "f", 2, &set));
	fl_set_done(&set);
}

/* --- delta or keyframe --- */

static void test_delta_or_keyframe(void **state)
{
	static const struct {
		const char *what;
		size_t n, skip;
		bool delta, keyframe;
	} rows[] = {
		{ "a small first version is a delta from nothing", 50, 0, true, false },
		{ "few more", 60, 0, true, false },
		{ "a big one would weigh over half a keyframe", 30000, 0, false, true },
		{ "1 in 1,000 leaves", 30000, 1000, true, false },
		{ "half leave", 30000, 2, false, true },
		{ "nothing is left", 0, 0, false, true },
		{ "and small again", 10, 0, true, false },
	};
	struct fl_lease lease = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_source_version v, got;
		struct fl_set set = { 0 };
		struct fl_head head;

		many_set(rows[i].n, rows[i].skip, &set);
		assert_int_equal(commit_set(&w.s, "f", &lease, &set, (struct fl_source_commit){ 0 }, &v, NULL), 0);
		assert_int_equal(fl_source_version_get(&w.s, "f", i + 1, &got, NULL), 0);
		if (got.has_delta != rows[i].delta || (got.attempt[0] != '\0') != rows[i].keyframe || !content_is(&w.s, "f", i + 1, &set))
			fail_msg("%s: delta %d, keyframe %d", rows[i].what, got.has_delta, got.attempt[0] != '\0');
		assert_int_equal(fl_set_head(&w.s, FL_SOURCE, "f", &head, NULL), 0);
		if (rows[i].keyframe)
			assert_int_equal(head.keyframe, i + 1);
		fl_set_done(&set);
	}
}

static void test_keyframe_after_many_deltas(void **state)
{
	struct fl_lease lease = { 0 };
	uint64_t last = 0, keyframes = 0;

	(void)state;
	w.s.deltas_max = 5;
	for (int i = 1; i <= 21; i++) {
		struct fl_source_version v;
		struct fl_set set = { 0 };
		struct fl_head head;

		many_set((size_t)i, 0, &set);
		assert_int_equal(commit_set(&w.s, "f", &lease, &set, (struct fl_source_commit){ 0 }, &v, NULL), 0);
		assert_true(v.has_delta); /* who holds the version before follows by it, keyframe or not */
		assert_int_equal(fl_set_head(&w.s, FL_SOURCE, "f", &head, NULL), 0);
		if (v.attempt[0]) {
			keyframes++;
			last = v.id.number;
		}
		assert_int_equal(head.keyframe, last);
		assert_true(v.id.number - last <= 5);
		fl_set_done(&set);
	}
	assert_int_equal(keyframes, 4);
}

static void test_heavy_delta_is_not_kept(void **state)
{
	struct fl_lease lease = { 0 };
	struct fl_source_version v;
	struct fl_set set = { 0 };

	(void)state;
	w.s.delta_max = 64;
	many_set(40, 0, &set);
	assert_int_equal(commit_set(&w.s, "f", &lease, &set, (struct fl_source_commit){ 0 }, &v, NULL), 0);
	assert_false(v.has_delta);
	assert_true(v.attempt[0] && v.blocks >= 1 && v.keyframe_bytes);
	assert_true(content_is(&w.s, "f", 1, &set));
	fl_set_done(&set);
}

/* Blocks are written before the commit and live an hour; committed ones live on. */
static void test_blocks_do_not_expire(void **state)
{
	struct fl_lease lease = { 0 };
	struct fl_source_version v;
	struct fl_set set = { 0 };
	char line[160];

	(void)state;
	many_set(30000, 0, &set);
	assert_int_equal(commit_set(&w.s, "f", &lease, &set, (struct fl_source_commit){ 0 }, &v, NULL), 0);
	for (uint32_t i = 0; i < v.blocks; i++) {
		snprintf(line, sizeof(line), "PTTL {fl}:source/f:k:1:%s:%u", v.attempt, i);
		assert_int_equal(redis_int(&w, line), -1);
	}
	if (w.kind == STORE_MEM) {
		world_hours(&w, 48);
		assert_true(content_is(&w.s, "f", 1, &set));
	}
	fl_set_done(&set);
}

/* --- who writes --- */

static void test_stale_parent(void **state)
{
	struct fl_lease lease = { 0 };
	struct fl_source_version v1, v2, v;
	struct fl_head old = { 0 }, none = { 0 };
	struct fl_set set = { 0 };

	(void)state;
	assert_int_equal(commit_names(&w.s, "f", &lease, "a.example", &v1), 0);
	assert_int_equal(fl_set_head(&w.s, FL_SOURCE, "f", &old, NULL), 0);
	assert_int_equal(commit_names(&w.s, "f", &lease, "b.example", &v2), 0);
	names_set("c.example", &set);
	/* by the number before, by no version at all, and by our number with another chain or epoch */
	assert_int_equal(commit_set(&w.s, "f", &lease, &set, (struct fl_source_commit){ .parent = &old }, &v, NULL), FL_ESTALE);
	assert_int_equal(commit_set(&w.s, "f", &lease, &set, (struct fl_source_commit){ .parent = &none }, &v, NULL), FL_ESTALE);
	old.id = v2.id;
	old.id.chain[0] ^= 1;
	assert_int_equal(commit_set(&w.s, "f", &lease, &set, (struct fl_source_commit){ .parent = &old }, &v, NULL), FL_ESTALE);
	old.id = v2.id;
	old.id.epoch.b[0] ^= 1;
	assert_int_equal(commit_set(&w.s, "f", &lease, &set, (struct fl_source_commit){ .parent = &old }, &v, NULL), FL_ESTALE);
	assert_true(names_are(&w.s, "f", 2, "b.example"));
	assert_int_equal(fl_source_version_get(&w.s, "f", 3, &v, NULL), FL_ENOTFOUND);
	fl_set_done(&set);
}

static void test_leases(void **state)
{
	struct fl_lease a = { 0 }, b = { 0 }, gone;
	struct fl_source_version v;
	int ret = FL_EFENCED;

	(void)state;
	assert_int_equal(fl_lease_take(&w.s, FL_SOURCE, "f", 60000, &a, NULL), 0);
	assert_int_equal(strlen(a.fence), 32);
	assert_int_equal(fl_lease_take(&w.s, FL_SOURCE, "f", 60000, &b, NULL), FL_EFENCED);
	gone = a;
	assert_int_equal(fl_lease_take(&w.s, FL_SOURCE, "f", 60000, &a, NULL), 0); /* extended, not drawn anew */
	assert_string_equal(a.fence, gone.fence);
	assert_int_equal(commit_names(&w.s, "f", &a, "a.example", &v), 0);
	assert_int_equal(fl_lease_release(&w.s, &a, NULL), 0);
	assert_int_equal(fl_lease_take(&w.s, FL_SOURCE, "f", 50, &b, NULL), 0);
	/* who held it before is shut out of commits, and cannot take the new lease away */
	assert_int_equal(commit_names(&w.s, "f", &gone, "b.example", &v), FL_EFENCED);
	assert_int_equal(fl_lease_release(&w.s, &gone, NULL), 0);
	assert_int_equal(redis_int(&w, "EXISTS {fl}:source/f:lease"), 1);
	assert_int_equal(commit_names(&w.s, "f", &b, "c.example", &v), 0);
	assert_int_equal(v.id.number, 2);
	/* a lease that ran out is free; a list of the same name is another set */
	for (int i = 0; i < 200 && ret == FL_EFENCED; i++) {
		if (w.kind == STORE_MEM)
			fl_clock_mem_advance(&w.clock, 60 * FL_NS_PER_MS);
		else
			nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
		ret = fl_lease_take(&w.s, FL_SOURCE, "f", 60000, &a, NULL);
	}
	assert_int_equal(ret, 0);
	assert_int_equal(fl_lease_take(&w.s, FL_LIST, "f", 60000, &b, NULL), 0);
}

/* Two writers under one fence: only the compare-and-set stands between them. */
struct racer {
	struct fl_sets s;
	struct fl_random_mem random;
	struct fl_lease lease;
	int id, done;
};
enum { RACES = 40 };

static void *race(void *arg)
{
	struct racer *r = arg;

	for (int tries = 0; r->done < RACES && tries < 100000; tries++) {
		struct fl_source_version v;
		struct fl_set set = { 0 };
		struct fl_entry_iter *it;
		struct fl_head head;
		struct fl_tuple t = { .scope = FL_SCOPE_EXACT };
		struct fl_rkey k;
		char name[48];
		int ret = fl_set_head(&r->s, FL_SOURCE, "f", &head, NULL);
		struct fl_source_commit c = { .name = "f", .lease = &r->lease, .parent = &head, .actor = "racer", .reason = "" };

		if (ret == 0)
			ret = content_of(&r->s, "f", head.id.number, &set);
		if (ret == FL_ENOTFOUND && !head.id.number)
			ret = 0;
		snprintf(name, sizeof(name), "w%d-%d.example", r->id, r->done);
		if (ret == 0 && fl_rkey_from_text(fl_span_str(name), &k) && fl_set_add(&set, fl_rkey_span(&k), &t) == 0 && fl_set_sort(&set, NULL) == 0 &&
		    (it = fl_set_iter(&set)))
			ret = fl_source_commit(&r->s, &c, it, &v, NULL);
		fl_set_done(&set);
		if (ret == 0)
			r->done++;
		else if (ret != FL_ESTALE)
			break;
	}
	return NULL;
}

static void test_two_writers(void **state)
{
	struct fl_lease lease = { 0 };
	struct racer r[2] = { 0 };
	struct fl_set got = { 0 };
	struct fl_store *doors[2];
	struct fl_head head;
	pthread_t t[2];

	(void)state;
	assert_int_equal(fl_lease_take(&w.s, FL_SOURCE, "f", 600000, &lease, NULL), 0);
	for (int i = 0; i < 2; i++) {
		doors[i] = world_door(&w);
		r[i].s = world_sets(&w, doors[i]);
		r[i].s.deltas_max = 7;
		fl_random_mem_init(&r[i].random, 100 + (uint64_t)i);
		r[i].s.random = &r[i].random.door;
		r[i].lease = lease;
		r[i].id = i;
		assert_int_equal(pthread_create(&t[i], NULL, race, &r[i]), 0);
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(t[i], NULL);
		fl_store_close(doors[i]);
		assert_int_equal(r[i].done, RACES);
	}
	assert_int_equal(fl_set_head(&w.s, FL_SOURCE, "f", &head, NULL), 0);
	assert_int_equal(head.id.number, 2 * RACES);
	assert_int_equal(content_of(&w.s, "f", head.id.number, &got), 0);
	assert_int_equal(got.n, 2 * RACES); /* no writer wrote over the other's name */
	fl_set_done(&got);
}

static void test_wake(void **state)
{
	struct fl_store *other = world_door(&w);
	struct fl_lease lease = { 0 };
	struct fl_source_version v;
	char name[128] = "";
	int ret = 0;

	(void)state;
	for (int i = 0; i < 50 && ret == 0; i++) { /* a subscription takes its time; a wake is a hint */
		ret = other->ops->wake_next(other, name, sizeof(name));
		assert_int_equal(commit_names(&w.s, "f", &lease, i % 2 ? "a.example" : "b.example", &v), 0);
		if (ret == 0 && w.kind == STORE_REDIS)
			nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
		ret = other->ops->wake_next(other, name, sizeof(name));
	}
	assert_int_equal(ret, 1);
	assert_string_equal(name, "source/f");
	fl_store_close(other);
}

/* --- changes, look-ups, differences --- */

static int commit_change(struct fl_lease *lease, const char *name, bool add, bool even, struct fl_source_version *v)
{
	struct fl_rkey k = gen_rkey(name);
	struct fl_tuple t = { .scope = FL_SCOPE_SUBTREE, .first_seen_s = 1790000000 }, none = { 0 };
	struct fl_change c = { fl_rkey_span(&k), add ? none : t, add ? t : none };
	struct rows_iter rows = { { rows_next, rows_close }, &c, even ? 0 : 1 };
	struct fl_head head;
	struct fl_source_commit sc = { .name = "f", .lease = lease, .parent = &head, .cause = FL_CAUSE_FINDING, .actor = "t", .reason = "", .even_unchanged = even };
	int ret = fl_set_head(&w.s, FL_SOURCE, "f", &head, NULL);

	return ret < 0 && ret != FL_ENOTFOUND ? ret : fl_source_commit_changes(&w.s, &sc, &rows.it, v, NULL);
}

static void test_commit_changes(void **state)
{
	struct fl_lease lease = { 0 };
	struct fl_source_version v;
	struct fl_set want = { 0 };
	struct fl_digests sum;
	int keyframes = 0;

	(void)state;
	w.s.deltas_max = 4;
	assert_int_equal(fl_lease_take(&w.s, FL_SOURCE, "f", 60000, &lease, NULL), 0);
	assert_int_equal(commit_change(&lease, "a.example", true, false, &v), 0);
	assert_int_equal(commit_change(&lease, "b.a.example", true, false, &v), 0);
	assert_int_equal(commit_change(&lease, "a.example", false, false, &v), 0);
	assert_int_equal(v.removed, 1);
	for (int i = 0; i < 12; i++) {
		assert_int_equal(commit_change(&lease, "a.example", true, true, &v), 0); /* no change: a version all the same */
		keyframes += v.attempt[0] != '\0';
	}
	assert_int_equal(v.id.number, 15);
	assert_true(keyframes >= 2);
	names_set("b.a.example", &want);
	sum = gen_digests(&want);
	assert_true(gen_digests_equal(&v.digests, &sum));
	assert_true(content_is(&w.s, "f", 15, &want));
	assert_true(names_are(&w.s, "f", 2, "a.example b.a.example"));
	fl_set_done(&want);
}

static void test_lookup(void **state)
{
	static const struct {
		const char *name;
		bool there;
	} rows[] = {
		{ "n000000-9e3779b1.example", true }, { "n002500-d3fa3cf7.example", false }, { "extra.example", true }, { "no.such.name", false }, { "example", false },
	};
	struct fl_lease lease = { 0 };
	struct fl_source_version v;
	struct fl_set set = { 0 };
	struct fl_head head, none = { 0 };

	(void)state;
	many_set(5000, 0, &set);
	w.s.small_bytes = 4096;
	assert_int_equal(commit_set(&w.s, "f", &lease, &set, (struct fl_source_commit){ 0 }, &v, NULL), 0);
	assert_true(v.attempt[0]);
	fl_set_done(&set);
	many_set(5000, 0, &set);
	assert_int_equal(set.n, 5000);
	{ /* a delta upon the keyframe: one comes, one goes */
		struct fl_rkey k = gen_rkey("extra.example");
		struct fl_tuple t = { .scope = FL_SCOPE_EXACT, .confidence = 7 };
		size_t gone = SIZE_MAX;

		for (size_t i = 0; i < set.n && gone == SIZE_MAX; i++) {
			char text[FL_NAME_TEXT];

			if (strncmp(fl_rkey_to_text(fl_set_key(&set, i), text), "n002500-", 8) == 0)
				gone = i;
		}
		assert_true(gone != SIZE_MAX);
		memmove(&set.v[gone], &set.v[gone + 1], (set.n - gone - 1) * sizeof(*set.v));
		set.n--;
		assert_int_equal(fl_set_add(&set, fl_rkey_span(&k), &t), 0);
		assert_int_equal(fl_set_sort(&set, NULL), 0);
	}
	assert_int_equal(commit_set(&w.s, "f", &lease, &set, (struct fl_source_commit){ 0 }, &v, NULL), 0);
	assert_true(v.has_delta && !v.attempt[0]);
	assert_int_equal(fl_set_head(&w.s, FL_SOURCE, "f", &head, NULL), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_rkey k = gen_rkey(rows[i].name);
		struct fl_span key = fl_rkey_span(&k);
		struct fl_tuple t;
		bool want = fl_set_find(&set, key) != SIZE_MAX;

		assert_int_equal(want, rows[i].there);
		assert_int_equal(fl_source_lookup(&w.s, "f", &head, &key, 1, &t, NULL), 0);
		if ((t.scope != 0) != want)
			fail_msg("%s", rows[i].name);
		if (strcmp(rows[i].name, "extra.example") == 0)
			assert_int_equal(t.confidence, 7);
		assert_int_equal(fl_source_lookup(&w.s, "f", &none, &key, 1, &t, NULL), 0);
		assert_int_equal(t.scope, 0);
	}
	fl_set_done(&set);
}

/* Applies the difference to the content of `from` and compares with `to`. */
static bool diff_fits(uint64_t from, uint64_t to)
{
	struct fl_set a = { 0 }, b = { 0 }, got = { 0 };
	struct fl_change_iter *it = NULL;
	struct fl_entry_iter *base;
	bool ok = (!from || content_of(&w.s, "f", from, &a) == 0) && (!to || content_of(&w.s, "f", to, &b) == 0) &&
		  fl_source_diff(&w.s, "f", from, to, &it, NULL) == 0;

	base = ok ? fl_set_iter(&a) : NULL;
	ok = ok && base && gen_collect(fl_patch_iter(base, it), &got, NULL) == 0 && gen_sets_equal(&got, &b);
	fl_set_done(&a);
	fl_set_done(&b);
	fl_set_done(&got);
	return ok;
}

static void test_diff(void **state)
{
	static const char *const texts[] = { "a.example b.example", "b.example c.example", "c.example", "", "z.example y.x.example" };
	struct fl_lease lease = { 0 };
	struct fl_source_version v;

	(void)state;
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(commit_names(&w.s, "f", &lease, texts[i], &v), 0);
	for (uint64_t from = 0; from <= 5; from++)
		for (uint64_t to = 0; to <= 5; to++)
			if (!diff_fits(from, to))
				fail_msg("diff %d..%d", (int)from, (int)to);
	assert_int_equal(fl_source_diff(&w.s, "f", 1, 9, &(struct fl_change_iter *){ NULL }, NULL), FL_ENOTFOUND);
}

static void test_stored_deltas(void **state)
{
	struct fl_version_id nothing = { 0 }, other;
	struct fl_lease lease = { 0 };
	struct fl_source_version v[6];
	struct fl_event_delta *d;
	struct fl_delta_meta meta;
	uint32_t n;

	(void)state;
	for (int i = 1; i <= 3; i++)
		assert_int_equal(commit_names(&w.s, "f", &lease, i == 1 ? "a.example" : i == 2 ? "b.example" : "c.example", &v[i]), 0);
	assert_int_equal(fl_source_deltas(&w.s, "f", &v[1].id, &v[3].id, &w.arena, &d, &n, NULL), 0);
	assert_int_equal(n, 2);
	for (uint32_t i = 0; i < 2; i++) { /* oldest first, each the stored bytes, which the version vouches for */
		assert_int_equal(d[i].number, i + 2);
		assert_int_equal(d[i].parent, i + 1);
		assert_memory_equal(d[i].chain, v[i + 2].id.chain, 32);
		assert_memory_equal(d[i].parent_chain, v[i + 1].id.chain, 32);
		assert_true(fl_u128_eq(d[i].digest, v[i + 2].digests.scope));
		assert_int_equal(fl_delta_check(d[i].bytes, &meta, NULL), 0);
		assert_memory_equal(meta.sha256, v[i + 2].delta_sha256, 32);
	}
	assert_int_equal(fl_source_deltas(&w.s, "f", &nothing, &v[3].id, &w.arena, &d, &n, NULL), 0);
	assert_int_equal(n, 3);
	assert_int_equal(fl_source_deltas(&w.s, "f", &v[3].id, &v[3].id, &w.arena, &d, &n, NULL), 0);
	assert_int_equal(n, 0);
	other = v[1].id;
	other.chain[5] ^= 1;
	assert_int_equal(fl_source_deltas(&w.s, "f", &other, &v[3].id, &w.arena, &d, &n, NULL), FL_ESTALE);
	other = v[3].id;
	other.chain[5] ^= 1;
	assert_int_equal(fl_source_deltas(&w.s, "f", &v[1].id, &other, &w.arena, &d, &n, NULL), FL_ESTALE);
	assert_int_equal(redis_int(&w, "DEL {fl}:source/f:d:2"), 1);
	assert_int_equal(fl_source_deltas(&w.s, "f", &v[1].id, &v[3].id, &w.arena, &d, &n, NULL), FL_ENOTFOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_first_version),	   BOTH(test_heads_and_names),		  BOTH(test_unchanged),		      BOTH(test_attribute_change),
		BOTH(test_delta_or_keyframe),	   BOTH(test_keyframe_after_many_deltas), BOTH(test_heavy_delta_is_not_kept), BOTH(test_blocks_do_not_expire),
		BOTH(test_stale_parent),	   BOTH(test_leases),			  BOTH(test_two_writers),	      BOTH(test_wake),
		BOTH(test_commit_changes),	   BOTH(test_lookup),			  BOTH(test_diff),		      BOTH(test_stored_deltas),
	};

	return world_run("sets", tests, sizeof(tests) / sizeof(tests[0]));
}
