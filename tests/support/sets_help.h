/* Versioned sets for tests: one store (the twin or a real redis-server), any number of doors to it, a virtual clock for what sets/ judges by time, and a door that loses
 * calls or replies at a chosen call. Header only, because only some tests link sets/. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sets/sets.h"
#include "tests/support/claims_help.h"
#include "tests/support/redis.h"
#include "tests/support/setgen.h"

enum store_kind { STORE_MEM, STORE_REDIS };

/* A door that fails. Calls are counted from 1; from call `at` on, `many` calls meet `fault`. */
struct lossy {
	struct fl_store door;
	struct fl_store *inner;
	uint32_t calls, at, many;
	enum fl_fault fault;
};

struct world {
	enum store_kind kind;
	struct fl_clock_mem clock;
	struct fl_random_mem random;
	struct fl_store_mem *mem;
	struct fl_store *plain; /* meets no faults */
	struct lossy lossy;
	struct fl_sets s;	/* over the plain door */
	struct fl_sets f;	/* over the lossy one */
	struct fl_arena arena;
};

static struct fl_test_redis world_server; /* one for a whole program */

static inline enum fl_fault lossy_now(struct lossy *d)
{
	d->calls++;
	return d->at && d->calls >= d->at && d->calls < d->at + d->many ? d->fault : FL_FAULT_NONE;
}

static inline int lossy_call(struct fl_store *st, const struct fl_cmd *cmds, size_t n, struct fl_arena *arena, struct fl_reply **out, struct fl_err *err)
{
	struct lossy *d = (struct lossy *)st;
	enum fl_fault f = lossy_now(d);
	int ret;

	if (f == FL_FAULT_BEFORE)
		return fl_err_set(err, FL_EUNAVAIL, "the store is away");
	ret = d->inner->ops->call(d->inner, cmds, n, arena, out, err);
	return f == FL_FAULT_AFTER ? fl_err_set(err, FL_EUNKNOWN, "the reply was lost") : ret;
}

static inline int lossy_eval(struct fl_store *st, const struct fl_script *script, const struct fl_span *keys, size_t n_keys, const struct fl_span *args, size_t n_args,
			     struct fl_arena *arena, struct fl_reply *out, struct fl_err *err)
{
	struct lossy *d = (struct lossy *)st;
	enum fl_fault f = lossy_now(d);
	int ret;

	if (f == FL_FAULT_BEFORE)
		return fl_err_set(err, FL_EUNAVAIL, "the store is away");
	ret = d->inner->ops->eval(d->inner, script, keys, n_keys, args, n_args, arena, out, err);
	return f == FL_FAULT_AFTER ? fl_err_set(err, FL_EUNKNOWN, "the reply was lost") : ret;
}

static inline int lossy_wake_next(struct fl_store *st, char *name, size_t cap)
{
	struct lossy *d = (struct lossy *)st;

	return d->inner->ops->wake_next(d->inner, name, cap);
}

static inline int lossy_wake_fd(struct fl_store *st)
{
	(void)st;
	return -1;
}

static inline void lossy_close(struct fl_store *st)
{
	(void)st;
}

static inline struct fl_store *world_door(struct world *w)
{
	struct fl_store_redis_config cfg = { .url = world_server.url, .prefix = "{fl}:", .connect_timeout_ms = 5000, .timeout_ms = 10000 };
	struct fl_store *st = NULL;

	if (w->kind == STORE_MEM)
		return fl_store_mem_open(w->mem, "{fl}:");
	if (fl_store_redis_open(&cfg, &st, NULL) < 0)
		abort();
	return st;
}

static inline struct fl_sets world_sets(struct world *w, struct fl_store *door)
{
	return (struct fl_sets){ .store = door, .clock = &w->clock.door, .random = &w->random.door, .keep_age_ms = 36000000, .keep_floor = 3 };
}

/* False when there is no redis-server. */
static inline bool world_open(struct world *w, enum store_kind kind)
{
	static const struct fl_store_ops ops = { lossy_call, lossy_eval, lossy_wake_next, lossy_wake_fd, lossy_close };
	struct fl_reply r;

	memset(w, 0, sizeof(*w));
	w->kind = kind;
	if (kind == STORE_REDIS && !world_server.pid && (!fl_test_redis_present() || !fl_test_redis_start(&world_server, NULL)))
		return false;
	fl_clock_mem_init(&w->clock, INT64_C(1790000000) * FL_US_PER_S);
	fl_random_mem_init(&w->random, 7);
	if (kind == STORE_MEM)
		w->mem = fl_store_mem_new(&w->clock.door);
	w->plain = world_door(w);
	if (kind == STORE_REDIS) { /* retention goes by the earlier clock: ours starts a hundred days before the server's, and may run on */
		fl_unix_us there;

		if (fl_store_cmd(w->plain, &w->arena, &r, NULL, "FLUSHALL", NULL) < 0 || fl_store_time(w->plain, &there, NULL) < 0)
			abort();
		fl_clock_mem_init(&w->clock, there - 100 * 86400 * FL_US_PER_S);
	}
	w->lossy.door = (struct fl_store){ &ops, w->plain->prefix };
	w->lossy.inner = w->plain;
	w->s = world_sets(w, w->plain);
	w->f = world_sets(w, &w->lossy.door);
	return true;
}

static inline void world_close(struct world *w)
{
	if (w->plain)
		fl_store_close(w->plain);
	fl_store_mem_free(w->mem);
	fl_arena_done(&w->arena);
}

static inline void world_forget(struct world *w)
{
	struct fl_reply r;

	if (fl_store_cmd(w->plain, &w->arena, &r, NULL, "FLUSHALL", NULL) < 0)
		abort();
}

static inline void world_hours(struct world *w, int64_t hours)
{
	fl_clock_mem_advance(&w->clock, hours * 3600 * FL_NS_PER_S);
}

/* The set of these names, parted by blanks, scope subtree. */
static inline void names_set(const char *names, struct fl_set *out)
{
	struct fl_tuple t = { .scope = FL_SCOPE_SUBTREE, .first_seen_s = 1790000000 };

	while (*names) {
		size_t n = strcspn(names, " ");
		struct fl_rkey k;

		if (n && (!fl_rkey_from_text(fl_span(names, n), &k) || fl_set_add(out, fl_rkey_span(&k), &t) < 0))
			abort();
		names += n + (names[n] == ' ');
	}
	if (fl_set_sort(out, NULL) < 0)
		abort();
}

/* n names of one shape; every `skip`th (0: none) is left out. */
static inline void many_set(size_t n, size_t skip, struct fl_set *out)
{
	struct fl_tuple t = { .scope = FL_SCOPE_EXACT };

	for (size_t i = 0; i < n; i++) {
		struct fl_rkey k;
		char text[64];

		snprintf(text, sizeof(text), "n%06zu-%08x.example", i, (unsigned)((i + 1) * 2654435761U));
		if (skip && i % skip == 0)
			continue;
		if (!fl_rkey_from_text(fl_span_str(text), &k) || fl_set_add(out, fl_rkey_span(&k), &t) < 0)
			abort();
	}
	if (fl_set_sort(out, NULL) < 0)
		abort();
}

/* One commit as a writer does it: lease, head, commit. *v only on success. */
static inline int commit_set(struct fl_sets *s, const char *name, struct fl_lease *lease, const struct fl_set *set, struct fl_source_commit c,
			     struct fl_source_version *v, struct fl_err *err)
{
	struct fl_entry_iter *it;
	struct fl_head head;
	int ret = lease->until ? 0 : fl_lease_take(s, FL_SOURCE, name, 60000, lease, err);

	if (ret == 0)
		ret = fl_set_head(s, FL_SOURCE, name, &head, err);
	if (ret < 0 && ret != FL_ENOTFOUND)
		return ret;
	c.name = name;
	c.lease = lease;
	c.parent = c.parent ? c.parent : &head;
	if (!c.actor)
		c.actor = "test";
	it = fl_set_iter(set);
	return it ? fl_source_commit(s, &c, it, v, err) : FL_ENOMEM;
}

static inline int commit_names(struct fl_sets *s, const char *name, struct fl_lease *lease, const char *names, struct fl_source_version *v)
{
	struct fl_set set = { 0 };
	struct fl_err err = { 0 };
	int ret;

	names_set(names, &set);
	ret = commit_set(s, name, lease, &set, (struct fl_source_commit){ .cause = FL_CAUSE_FEED }, v, &err);
	fl_set_done(&set);
	if (ret < 0)
		printf("commit of %s: %s: %s\n", name, fl_code_name(ret), err.text);
	return ret;
}

/* The content of a version. */
static inline int content_of(struct fl_sets *s, const char *name, uint64_t number, struct fl_set *out)
{
	struct fl_entry_iter *it = NULL;
	int ret = fl_source_open(s, name, number, &it, NULL, NULL);

	return ret < 0 ? ret : gen_collect(it, out, NULL);
}

static inline bool content_is(struct fl_sets *s, const char *name, uint64_t number, const struct fl_set *want)
{
	struct fl_set got = { 0 };
	bool ok = content_of(s, name, number, &got) == 0 && gen_sets_equal(&got, want);

	fl_set_done(&got);
	return ok;
}

static inline bool names_are(struct fl_sets *s, const char *name, uint64_t number, const char *names)
{
	struct fl_set want = { 0 };
	bool ok;

	names_set(names, &want);
	ok = content_is(s, name, number, &want);
	fl_set_done(&want);
	return ok;
}

/* An input from a head. */
static inline struct fl_list_input input_at(struct fl_sets *s, const char *source, uint64_t number)
{
	struct fl_list_input in = { 0 };
	struct fl_source_version v;

	snprintf(in.source, sizeof(in.source), "%s", source);
	if (number && fl_source_version_get(s, source, number, &v, NULL) == 0) {
		in.id = v.id;
		in.digest = v.digests.scope;
		in.entries = v.digests.entries;
	}
	return in;
}

static inline int commit_inputs(struct fl_sets *s, const char *list, struct fl_lease *lease, const struct fl_list_input *in, uint32_t n, struct fl_list_commit c,
				struct fl_arena *arena, struct fl_list_version *v, struct fl_err *err)
{
	struct fl_head head;
	int ret = lease->until ? 0 : fl_lease_take(s, FL_LIST, list, 60000, lease, err);

	if (ret == 0)
		ret = fl_set_head(s, FL_LIST, list, &head, err);
	if (ret < 0 && ret != FL_ENOTFOUND)
		return ret;
	c.name = list;
	c.lease = lease;
	c.parent = c.parent ? c.parent : &head;
	c.inputs = in;
	c.n_inputs = n;
	return fl_list_commit(s, &c, arena, v, err);
}

/* A command whose words are parted by blanks; its integer, or -1. */
static inline int64_t redis_int(struct world *w, const char *line)
{
	struct fl_span words[16];
	struct fl_reply *r = NULL;
	size_t n = 0;

	while (*line && n < 16) {
		size_t k = strcspn(line, " ");

		words[n++] = fl_span(line, k);
		line += k + (line[k] == ' ');
	}
	if (fl_store_call(w->plain, &(struct fl_cmd){ words, n }, 1, &w->arena, &r, NULL) < 0)
		return -1;
	return r->type == FL_REPLY_INT ? r->i : r->type == FL_REPLY_ARRAY ? (int64_t)r->n : -1;
}

/* Changes from a table. */
struct rows_iter {
	struct fl_change_iter it;
	const struct fl_change *v;
	size_t n;
};

static inline int rows_next(struct fl_change_iter *it, struct fl_change *out, struct fl_err *err)
{
	struct rows_iter *r = (struct rows_iter *)it;

	(void)err;
	if (!r->n)
		return 0;
	*out = *r->v++;
	r->n--;
	return 1;
}

static inline void rows_close(struct fl_change_iter *it)
{
	(void)it;
}

/* --- one test, both stores --- */

static struct world w;

static inline int world_setup(void **state)
{
	return world_open(&w, *(const enum store_kind *)*state) ? 0 : -1;
}

static inline int world_teardown(void **state)
{
	(void)state;
	world_close(&w);
	return 0;
}

static const enum store_kind world_mem = STORE_MEM;
static const enum store_kind world_redis __attribute__((unused)) = STORE_REDIS;

#define BOTH(f)                                                                                       \
	{ #f " (memory)", f, world_setup, world_teardown, (void *)(uintptr_t)&world_mem },            \
	{                                                                                             \
		#f " (redis)", f, world_setup, world_teardown, (void *)(uintptr_t)&world_redis        \
	}

/* Without a redis-server the twin alone is asked. */
static inline int world_run(const char *group, const struct CMUnitTest *tests, size_t n)
{
	struct CMUnitTest mine[128];
	bool server = fl_test_redis_present();
	size_t k = 0;
	int failed;

	assert_true(n <= sizeof(mine) / sizeof(mine[0]));
	for (size_t i = 0; i < n; i++)
		if (server || tests[i].initial_state == (void *)(uintptr_t)&world_mem)
			mine[k++] = tests[i];
	if (!server)
		printf("SKIP: no redis-server on PATH; the twin alone was asked\n");
	failed = _cmocka_run_group_tests(group, mine, k, NULL, NULL);
	if (world_server.pid)
		fl_test_redis_stop(&world_server);
	return failed;
}
