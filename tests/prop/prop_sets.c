/* Sets over random histories of 300 versions, with thresholds so small that every path is met: full sets and changes, deletions, lists that go forward and back, retention in between.
 * Against a model that keeps every content: what is kept reads as it was, differences in both directions and look-ups agree, nothing that a list needs has left, what has left has
 * left nothing behind, and the head's books (oldest, count, bytes, needed) say what is there. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/text.h"
#include "sets/sets.h"
#include "tests/support/setgen.h"

enum { SEEDS = 12, STEPS = 300, SOURCES = 3, VERSIONS_MAX = STEPS + 2, LIST_MAX = STEPS + 2 };
#define START_US (INT64_C(1790000000) * FL_US_PER_S)

struct model {
	char name[16];
	struct fl_set v[VERSIONS_MAX]; /* content at each version */
	struct fl_head head;
	uint64_t oldest;
	struct fl_lease lease;
};

struct run {
	struct gen g;
	uint64_t seed;
	struct fl_clock_mem clock;
	struct fl_random_mem random;
	struct fl_store_mem *mem;
	struct fl_store *store;
	struct fl_sets s;
	struct model src[SOURCES];
	struct fl_head list;
	struct fl_lease list_lease;
	struct fl_arena arena; /* of one step */
	size_t removed, packed;
};

#define MUST(call)                                                                                             \
	do {                                                                                                   \
		struct fl_err err = { 0 };                                                                     \
		int ret_ = (call);                                                                             \
		if (ret_ < 0)                                                                                  \
			fail_msg("seed %llu: %s: %s: %s", (unsigned long long)r->seed, #call, fl_code_name(ret_), err.text); \
	} while (0)

static void open_run(struct run *r, uint64_t seed)
{
	memset(r, 0, sizeof(*r));
	r->seed = seed;
	r->g.state = seed;
	fl_clock_mem_init(&r->clock, START_US);
	fl_random_mem_init(&r->random, seed);
	r->mem = fl_store_mem_new(&r->clock.door);
	r->store = fl_store_mem_open(r->mem, "{fl}:");
	r->s = (struct fl_sets){ .store = r->store, .clock = &r->clock.door, .random = &r->random.door, .keep_age_ms = 40 * 3600000LL,
				 .keep_bytes = gen_below(&r->g, 2) ? 60000 : 0, .keep_floor = 4, .small_bytes = 200 + gen_below(&r->g, 1500), .delta_max = 2500,
				 .deltas_max = 9, .pack_max = 2 + gen_below(&r->g, 6) };
	for (int i = 0; i < SOURCES; i++)
		snprintf(r->src[i].name, sizeof(r->src[i].name), "s%d", i);
}

static void close_run(struct run *r)
{
	for (int i = 0; i < SOURCES; i++)
		for (int k = 0; k < VERSIONS_MAX; k++)
			fl_set_done(&r->src[i].v[k]);
	fl_arena_done(&r->arena);
	fl_store_close(r->store);
	fl_store_mem_free(r->mem);
}

static void lease(struct run *r, enum fl_set_kind kind, const char *name, struct fl_lease *l)
{
	MUST(fl_lease_take(&r->s, kind, name, 3600000, l, &err));
}

/* --- steps --- */

static void commit_source(struct run *r, struct model *m, bool delete)
{
	struct fl_set *old = &m->v[m->head.id.number], *new = &m->v[m->head.id.number + 1];
	struct fl_source_commit c = { .name = m->name, .lease = &m->lease, .parent = &m->head, .cause = delete ? FL_CAUSE_DELETE : FL_CAUSE_FEED, .actor = "prop",
				      .even_unchanged = true };
	struct fl_source_version v;

	lease(r, FL_SOURCE, m->name, &m->lease);
	if (!delete && gen_below(&r->g, 8) == 0)
		gen_set(&r->g, gen_below(&r->g, 120), new);
	else if (!delete)
		gen_next(&r->g, old, gen_below(&r->g, 12), new);
	if (gen_below(&r->g, 2) || m->head.id.number == 0)
		MUST(fl_source_commit(&r->s, &c, fl_set_iter(new), &v, &err));
	else
		MUST(fl_source_commit_changes(&r->s, &c, fl_diff_iter(fl_set_iter(old), fl_set_iter(new)), &v, &err));
	MUST(fl_set_head(&r->s, FL_SOURCE, m->name, &m->head, &err));
	assert_true(fl_version_id_eq(&m->head.id, &v.id));
	if (!m->oldest)
		m->oldest = v.id.number;
}

static struct fl_list_input input_at(struct run *r, const struct model *m, uint64_t number)
{
	struct fl_list_input in = { 0 };
	struct fl_source_version v;

	snprintf(in.source, sizeof(in.source), "%s", m->name);
	if (!number)
		return in;
	MUST(fl_source_version_get(&r->s, m->name, number, &v, &err));
	in.id = v.id;
	in.digest = v.digests.scope;
	in.entries = v.digests.entries;
	return in;
}

/* Mostly the newest of each source; now and then one goes back to any version that stands, or leaves the list for a while. */
static void commit_list(struct run *r)
{
	struct fl_list_input in[SOURCES];
	struct fl_list_commit c = { .name = "l", .lease = &r->list_lease, .parent = &r->list, .inputs = in, .cause = FL_CAUSE_SOURCES, .actor = "prop" };
	struct fl_list_version v;
	int back = gen_below(&r->g, 6) ? -1 : (int)gen_below(&r->g, SOURCES);

	lease(r, FL_LIST, "l", &r->list_lease);
	for (int i = 0; i < SOURCES; i++) {
		const struct model *m = &r->src[i];
		uint64_t number = m->head.id.number;

		if (i == back && number) {
			number = m->oldest + gen_below(&r->g, (uint32_t)(number - m->oldest + 1));
			c.cause = FL_CAUSE_ROLLBACK;
		} else if (gen_below(&r->g, 12) == 0)
			continue;
		in[c.n_inputs++] = input_at(r, m, number);
	}
	MUST(fl_list_commit(&r->s, &c, &r->arena, &v, &err));
	MUST(fl_set_head(&r->s, FL_LIST, "l", &r->list, &err));
	assert_true(fl_version_id_eq(&r->list.id, &v.id));
}

static void trim_outbox(struct run *r)
{
	struct fl_outbox_entry *v;
	uint64_t length;
	size_t n;

	MUST(fl_outbox_read(&r->s, "l", 100000, &r->arena, &v, &n, &length, &err));
	MUST(fl_outbox_trim(&r->s, "l", v, n - gen_below(&r->g, (uint32_t)(n < 3 ? n + 1 : 3)), &err));
}

static void head_books(struct run *r, const char *set, uint64_t *oldest, uint64_t *count, uint64_t *bytes)
{
	uint64_t *to[] = { oldest, count, bytes };
	static const char *const fields[] = { "oldest", "count", "bytes" };
	struct fl_reply x;

	for (int i = 0; i < 3; i++) {
		MUST(fl_store_cmd(r->store, &r->arena, &x, &err, "HGET", fl_arena_printf(&r->arena, "{fl}:%s:head", set), fields[i], NULL));
		assert_true(fl_u64_parse(x.s, to[i]));
	}
}

static void retain(struct run *r)
{
	struct fl_retention_report rep;
	uint64_t count, bytes;

	if (r->list.id.number) {
		trim_outbox(r);
		lease(r, FL_LIST, "l", &r->list_lease);
		MUST(fl_list_retain(&r->s, &r->list_lease, &rep, &err));
		r->removed += rep.versions_removed;
	}
	for (int i = 0; i < SOURCES; i++) {
		struct model *m = &r->src[i];

		if (!m->head.id.number)
			continue;
		lease(r, FL_SOURCE, m->name, &m->lease);
		MUST(fl_source_retain(&r->s, &m->lease, &rep, &err));
		r->removed += rep.versions_removed;
		head_books(r, fl_arena_printf(&r->arena, "source/%s", m->name), &m->oldest, &count, &bytes);
	}
}

/* --- checks --- */

static void check_content(struct run *r, const struct model *m, uint64_t number)
{
	struct fl_entry_iter *it = NULL;
	struct fl_set got = { 0 };
	struct fl_version_id id;

	MUST(fl_source_open(&r->s, m->name, number, &it, &id, &err));
	MUST(gen_collect(it, &got, &err));
	assert_int_equal(id.number, number);
	if (!gen_sets_equal(&got, &m->v[number]))
		fail_msg("seed %llu: %s at %llu reads otherwise than it was written", (unsigned long long)r->seed, m->name, (unsigned long long)number);
	fl_set_done(&got);
}

static void check_diff(struct run *r, const struct model *m, uint64_t from, uint64_t to)
{
	struct fl_change_iter *it = NULL;
	struct fl_buf got = { 0 }, want = { 0 };
	struct fl_delta_meta meta;

	MUST(fl_source_diff(&r->s, m->name, from, to, &it, &err));
	assert_int_equal(gen_encode(it, &got, &meta), 0);
	assert_int_equal(gen_encode(fl_diff_iter(fl_set_iter(&m->v[from]), fl_set_iter(&m->v[to])), &want, &meta), 0);
	if (!fl_span_eq(fl_buf_span(&got), fl_buf_span(&want)))
		fail_msg("seed %llu: %s differs from %llu to %llu otherwise", (unsigned long long)r->seed, m->name, (unsigned long long)from, (unsigned long long)to);
	fl_buf_done(&got);
	fl_buf_done(&want);
}

static void check_lookup(struct run *r, const struct model *m)
{
	const struct fl_set *set = &m->v[m->head.id.number];
	struct fl_rkey keys[6];
	struct fl_span spans[6];
	struct fl_tuple got[6];

	for (int i = 0; i < 6; i++) {
		keys[i] = gen_key(&r->g);
		spans[i] = i % 2 && set->n ? fl_set_key(set, gen_below(&r->g, (uint32_t)set->n)) : fl_rkey_span(&keys[i]);
	}
	MUST(fl_source_lookup(&r->s, m->name, &m->head, spans, 6, got, &err));
	for (int i = 0; i < 6; i++) {
		size_t at = fl_set_find(set, spans[i]);

		if (at == SIZE_MAX)
			assert_int_equal(got[i].scope, 0);
		else
			assert_true(fl_tuple_eq(&got[i], &set->v[at].t));
	}
}

/* The path of stored deltas, where one is given, leads from one content to the other. */
static void check_deltas(struct run *r, const struct model *m, uint64_t from, uint64_t to)
{
	struct fl_source_version a, b;
	struct fl_event_delta *d = NULL;
	struct fl_set got = { 0 };
	struct fl_entry_iter *it;
	uint32_t n = 0;
	int ret;

	MUST(fl_source_version_get(&r->s, m->name, from, &a, &err));
	MUST(fl_source_version_get(&r->s, m->name, to, &b, &err));
	ret = fl_source_deltas(&r->s, m->name, &a.id, &b.id, &r->arena, &d, &n, NULL);
	if (ret == FL_ENOTFOUND)
		return;
	assert_int_equal(ret, 0);
	it = fl_set_iter(&m->v[from]);
	for (uint32_t i = 0; i < n; i++) {
		struct fl_change_iter *c = NULL;

		MUST(fl_delta_open(d[i].bytes, &c, &err));
		it = fl_patch_iter(it, c);
	}
	MUST(gen_collect(it, &got, &err));
	assert_true(gen_sets_equal(&got, &m->v[to]));
	fl_set_done(&got);
}

/* Keys that hold the delta to version k: its own, and for the last of a pack that pack; a packed one's own key lives on for a while. */
static uint64_t delta_keys(struct run *r, const struct model *m, uint64_t k)
{
	char number[24], own[96];
	struct fl_reply pack, x;
	const char *last;

	snprintf(number, sizeof(number), "%llu", (unsigned long long)k);
	snprintf(own, sizeof(own), "{fl}:source/%s:d:%s", m->name, number);
	MUST(fl_store_cmd(r->store, &r->arena, &pack, &err, "HGET", fl_arena_printf(&r->arena, "{fl}:source/%s:v:%s", m->name, number), "pack", NULL));
	if (pack.type != FL_REPLY_STRING)
		return 1;
	r->packed++;
	MUST(fl_store_cmd(r->store, &r->arena, &x, &err, "EXISTS", own, NULL));
	last = strchr(fl_arena_strn(&r->arena, (const char *)pack.s.p, pack.s.n), '-');
	return (uint64_t)x.i + (strcmp(last + 1, number) == 0);
}

/* All that the kept versions need, and nothing else, stands under the set's name. */
static void check_books(struct run *r, const struct model *m)
{
	uint64_t oldest, count, bytes, n = 0, weight = 0, keys = 1 /* head */ + 1 /* lineage */;
	char *set = fl_arena_printf(&r->arena, "source/%s", m->name);
	struct fl_reply x;

	head_books(r, set, &oldest, &count, &bytes);
	for (uint64_t k = oldest; k <= m->head.id.number; k++) {
		struct fl_source_version v;

		MUST(fl_source_version_get(&r->s, m->name, k, &v, &err));
		n++;
		weight += v.delta_bytes + v.keyframe_bytes + 512;
		keys += 1 + v.blocks + (v.has_delta ? delta_keys(r, m, k) : 0);
	}
	assert_int_equal(count, n);
	assert_int_equal(bytes, weight);
	MUST(fl_store_cmd(r->store, &r->arena, &x, &err, "EXISTS", fl_arena_printf(&r->arena, "{fl}:%s:needed", set), fl_arena_printf(&r->arena, "{fl}:%s:lease", set), NULL));
	assert_int_equal(fl_store_mem_keys(r->mem, fl_arena_printf(&r->arena, "{fl}:%s:", set)), keys + (uint64_t)x.i);
	assert_true(count >= 4 || count == m->head.id.number);
}

/* What each kept version of the list names can be read, and `needed` is the lowest of it. */
static void check_list(struct run *r)
{
	uint64_t low[SOURCES] = { 0 }, number = r->list.id.number, oldest, count, bytes;

	head_books(r, "list/l", &oldest, &count, &bytes);
	while (number >= oldest) {
		struct fl_list_version v;

		MUST(fl_list_version_get(&r->s, "l", number, &r->arena, &v, &err));
		for (uint32_t i = 0; i < v.n_inputs; i++) {
			struct model *m = &r->src[v.inputs[i].source[1] - '0'];
			uint64_t *l = &low[m - r->src];

			if (!v.inputs[i].id.number)
				continue;
			if (!*l || v.inputs[i].id.number < *l)
				*l = v.inputs[i].id.number;
			assert_true(v.inputs[i].id.number >= m->oldest);
		}
		number = v.parent;
	}
	for (int i = 0; i < SOURCES; i++) {
		struct fl_reply x;
		uint64_t needed = 0;

		MUST(fl_store_cmd(r->store, &r->arena, &x, &err, "HGET", fl_arena_printf(&r->arena, "{fl}:source/s%d:needed", i), "l", NULL));
		if (x.type == FL_REPLY_STRING)
			assert_true(fl_u64_parse(x.s, &needed));
		/* of a source that went and came, the lower bound may be old, but never too high */
		if (low[i] && (!needed || needed > low[i]))
			fail_msg("seed %llu: the list needs s%d from %llu, the store says %llu", (unsigned long long)r->seed, i, (unsigned long long)low[i],
				 (unsigned long long)needed);
		if (!low[i])
			assert_int_equal(needed, 0);
	}
}

static uint64_t any_version(struct run *r, const struct model *m)
{
	return m->oldest + gen_below(&r->g, (uint32_t)(m->head.id.number - m->oldest + 1));
}

static void check(struct run *r, bool all)
{
	for (int i = 0; i < SOURCES; i++) {
		const struct model *m = &r->src[i];

		if (!m->head.id.number)
			continue;
		for (uint64_t k = all ? m->oldest : m->head.id.number; k <= m->head.id.number; k++)
			check_content(r, m, k);
		for (int k = 0; k < (all ? 40 : 2); k++) {
			uint64_t a = any_version(r, m), b = any_version(r, m);

			check_diff(r, m, a, b);
			check_deltas(r, m, a < b ? a : b, a < b ? b : a);
		}
		check_lookup(r, m);
		check_books(r, m);
		if (m->oldest > 1) {
			struct fl_entry_iter *it;

			assert_int_equal(fl_source_open(&r->s, m->name, m->oldest - 1, &it, NULL, NULL), FL_ENOTFOUND);
		}
	}
	if (r->list.id.number)
		check_list(r);
}

static void test_histories(void **state)
{
	uint64_t first = gen_first_seed();
	size_t removed = 0, packed = 0;

	(void)state;
	for (uint64_t seed = first; seed < first + SEEDS; seed++) {
		struct run *r = malloc(sizeof(*r));

		assert_non_null(r);
		open_run(r, seed);
		for (int i = 0; i < STEPS; i++) {
			uint32_t what = gen_below(&r->g, 10);

			if (what < 6)
				commit_source(r, &r->src[gen_below(&r->g, SOURCES)], gen_below(&r->g, 60) == 0);
			else if (what < 9)
				commit_list(r);
			else
				retain(r);
			fl_clock_mem_advance(&r->clock, gen_below(&r->g, 7200) * FL_NS_PER_S);
			if (i % 10 == 0)
				check(r, i % 100 == 0);
			fl_arena_done(&r->arena);
		}
		check(r, true);
		removed += r->removed;
		packed += r->packed;
		close_run(r);
		free(r);
	}
	printf("%zu versions removed, %zu found in packs\n", removed, packed);
	assert_true(removed > 100 && packed > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_histories) };

	return cmocka_run_group_tests_name("prop sets", tests, NULL, NULL);
}
