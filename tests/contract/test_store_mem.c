/* What the store's twin promises beyond Redis: faults, snapshots, corruption, counts, repeatability, several doors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/clock.h"
#include "io/store.h"

#define START_US (INT64_C(1700000000) * FL_US_PER_S)

struct fixture {
	struct fl_clock_mem clock;
	struct fl_store_mem *w;
	struct fl_store *s;
	struct fl_arena arena;
	struct fl_err err;
	struct fl_reply r;
	/* the plan */
	const char *hit;
	enum fl_fault fault;
	char asked[64];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	fl_clock_mem_init(&f->clock, START_US);
	f->w = fl_store_mem_new(&f->clock.door);
	f->s = fl_store_mem_open(f->w, "{fl}:");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fl_arena_done(&f->arena);
	fl_store_close(f->s);
	fl_store_mem_free(f->w);
	free(f);
	return 0;
}

#define CMD(f, ...) fl_store_cmd((f)->s, &(f)->arena, &(f)->r, &(f)->err, __VA_ARGS__, (char *)NULL)

static enum fl_fault plan(void *ctx, const char *what)
{
	struct fixture *f = ctx;

	snprintf(f->asked, sizeof(f->asked), "%s", what);
	return strcmp(what, f->hit) == 0 ? f->fault : FL_FAULT_NONE;
}

static void test_faults(void **state)
{
	const struct fl_script script = { "commit", "return redis.call('INCR', 'n')" };
	struct fixture *f = *state;

	fl_store_mem_faults(f->w, plan, f);
	f->hit = "SET";
	f->fault = FL_FAULT_BEFORE;
	assert_int_equal(CMD(f, "set", "a", "1"), FL_EUNAVAIL);
	assert_string_equal(f->asked, "SET");
	assert_int_equal(CMD(f, "EXISTS", "a"), 0);
	assert_int_equal(f->r.i, 0);
	f->fault = FL_FAULT_AFTER;
	assert_int_equal(CMD(f, "SET", "a", "1"), FL_EUNKNOWN);
	assert_int_equal(CMD(f, "EXISTS", "a"), 0);
	assert_int_equal(f->r.i, 1);
	f->hit = "commit";
	assert_int_equal(fl_store_eval(f->s, &script, NULL, 0, NULL, 0, &f->arena, &f->r, &f->err), FL_EUNKNOWN);
	f->fault = FL_FAULT_BEFORE;
	assert_int_equal(fl_store_eval(f->s, &script, NULL, 0, NULL, 0, &f->arena, &f->r, &f->err), FL_EUNAVAIL);
	fl_store_mem_faults(f->w, NULL, NULL);
	assert_int_equal(fl_store_eval(f->s, &script, NULL, 0, NULL, 0, &f->arena, &f->r, &f->err), 0);
	assert_int_equal(f->r.i, 2); /* one before was carried out, one was not */
}

/* Every type comes back as it was, and what came later is gone. */
static void test_snapshot(void **state)
{
	struct fixture *f = *state;
	size_t bytes;

	CMD(f, "SET", "s", "v", "PX", "5000");
	CMD(f, "HSET", "h", "f", "v", "g", "w");
	CMD(f, "SADD", "set", "m");
	CMD(f, "ZADD", "z", "2", "b", "1", "a");
	CMD(f, "XADD", "x", "1-1", "f", "v");
	bytes = fl_store_mem_bytes(f->w);
	fl_store_mem_snapshot(f->w);
	CMD(f, "SET", "s", "other");
	CMD(f, "HSET", "h", "f", "other");
	CMD(f, "ZADD", "z", "0", "b", "7", "c");
	CMD(f, "XADD", "x", "2-1", "f", "v");
	CMD(f, "DEL", "set");
	CMD(f, "SET", "new", "1");
	for (int i = 0; i < 2; i++) { /* a snapshot can be put back more than once */
		fl_store_mem_flush(f->w);
		assert_int_equal(fl_store_mem_keys(f->w, ""), 0);
		fl_store_mem_restore(f->w, "");
		assert_int_equal(fl_store_mem_bytes(f->w), bytes);
		assert_int_equal(CMD(f, "GET", "s"), 0);
		assert_true(fl_span_eqs(f->r.s, "v"));
		assert_int_equal(CMD(f, "PTTL", "s"), 0);
		assert_int_equal(f->r.i, 5000);
		assert_int_equal(CMD(f, "HGET", "h", "f"), 0);
		assert_true(fl_span_eqs(f->r.s, "v"));
		assert_int_equal(CMD(f, "SISMEMBER", "set", "m"), 0);
		assert_int_equal(f->r.i, 1);
		assert_int_equal(CMD(f, "ZRANGE", "z", "0", "-1"), 0);
		assert_int_equal(f->r.n, 2);
		assert_true(fl_span_eqs(f->r.v[0].s, "a") && fl_span_eqs(f->r.v[1].s, "b"));
		assert_int_equal(CMD(f, "XLEN", "x"), 0);
		assert_int_equal(f->r.i, 1);
		assert_int_equal(CMD(f, "XADD", "x", "2-1", "f", "v"), 0); /* the last id went back too */
		assert_int_equal(CMD(f, "EXISTS", "new"), 0);
		assert_int_equal(f->r.i, 0);
	}
	fl_clock_mem_advance(&f->clock, 6 * FL_NS_PER_S);
	assert_int_equal(CMD(f, "EXISTS", "s"), 0);
	assert_int_equal(f->r.i, 0);
}

static void test_corrupt(void **state)
{
	struct fixture *f = *state;

	CMD(f, "SET", "s", "a");
	CMD(f, "HSET", "h", "f", "a");
	assert_true(fl_store_mem_corrupt(f->w, "s", 1));
	CMD(f, "GET", "s");
	assert_true(fl_span_eqs(f->r.s, "c"));
	assert_false(fl_store_mem_corrupt(f->w, "s", 8));
	assert_false(fl_store_mem_corrupt(f->w, "h", 0));
	assert_false(fl_store_mem_corrupt(f->w, "missing", 0));
}

static void test_counts(void **state)
{
	struct fixture *f = *state;

	CMD(f, "SET", "p:a", "123");
	CMD(f, "HSET", "p:b", "f", "12");
	CMD(f, "SET", "q", "", "PX", "10");
	assert_int_equal(fl_store_mem_keys(f->w, ""), 3);
	assert_int_equal(fl_store_mem_keys(f->w, "p:"), 2);
	assert_int_equal(fl_store_mem_bytes(f->w), 3 + 3 + 3 + 1 + 2 + 1);
	fl_clock_mem_advance(&f->clock, 11 * FL_NS_PER_MS);
	assert_int_equal(fl_store_mem_keys(f->w, ""), 2); /* without a call in between */
}

/* Deleting while scanning never hides a key that stays. */
static void test_scan_meets_all(void **state)
{
	struct fixture *f = *state;
	char key[32], cursor[32] = "0";
	bool met[1000] = { false };

	for (int i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "%d", i);
		CMD(f, "SET", key, "v");
	}
	do {
		assert_int_equal(CMD(f, "SCAN", cursor, "COUNT", "7"), 0);
		snprintf(cursor, sizeof(cursor), "%.*s", (int)f->r.v[0].s.n, (const char *)f->r.v[0].s.p);
		for (size_t i = 0; i < f->r.v[1].n; i++) {
			struct fl_reply *k = &f->r.v[1].v[i];
			unsigned long n;

			snprintf(key, sizeof(key), "%.*s", (int)k->s.n, (const char *)k->s.p);
			n = strtoul(key, NULL, 10);
			assert_true(n < 1000);
			met[n] = true;
			if (n % 8 != 0) { /* most of what was met leaves */
				struct fl_reply r;

				assert_int_equal(fl_store_cmd(f->s, &f->arena, &r, &f->err, "DEL", key, (char *)NULL),
						 0);
			}
		}
	} while (strcmp(cursor, "0") != 0);
	for (int i = 0; i < 1000; i++)
		assert_true(met[i]);
	assert_int_equal(fl_store_mem_keys(f->w, ""), 125);
}

static void test_time_is_the_clock(void **state)
{
	struct fixture *f = *state;
	fl_unix_us t = 0;

	fl_clock_mem_advance(&f->clock, 1500 * FL_NS_PER_MS);
	assert_int_equal(fl_store_time(f->s, &t, &f->err), 0);
	assert_true(t == START_US + 1500000);
}

static void test_doors(void **state)
{
	struct fixture *f = *state;
	struct fl_store *other = fl_store_mem_open(f->w, "{other}:");
	char name[16];

	assert_int_equal(other->ops->wake_next(other, name, sizeof(name)), 0);
	assert_int_equal(f->s->ops->wake_next(f->s, name, sizeof(name)), 0);
	assert_int_equal(CMD(f, "PUBLISH", "{fl}:wake", "list/a"), 0);
	assert_int_equal(f->r.i, 1); /* the other deployment does not hear it */
	assert_int_equal(CMD(f, "PUBLISH", "{fl}:wake", "a name that is longer than the caller's room"), 0);
	assert_int_equal(other->ops->wake_next(other, name, sizeof(name)), 0);
	assert_int_equal(f->s->ops->wake_next(f->s, name, sizeof(name)), 1);
	assert_string_equal(name, "list/a");
	assert_int_equal(f->s->ops->wake_next(f->s, name, sizeof(name)), 0);
	fl_store_close(other);
	fl_store_mem_free(f->w); /* a server that is gone */
	assert_int_equal(CMD(f, "PING"), FL_EUNAVAIL);
	assert_int_equal(f->s->ops->wake_next(f->s, name, sizeof(name)), 0);
	f->w = NULL;
}

static void test_usage(void **state)
{
	struct fl_cmd empty = { NULL, 0 };
	struct fixture *f = *state;
	struct fl_reply *v;
	char warning[64] = "x";

	assert_int_equal(fl_store_call(f->s, &empty, 1, &f->arena, &v, &f->err), FL_EUSAGE);
	assert_int_equal(CMD(f, "NOSUCH"), FL_ECORRUPT);
	assert_non_null(strstr(f->err.text, "unknown command"));
	assert_int_equal(fl_store_redis_check(f->s, warning, sizeof(warning), &f->err), 0);
	assert_string_equal(warning, "");
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = { T(test_faults), T(test_snapshot),       T(test_corrupt),
					    T(test_counts), T(test_scan_meets_all), T(test_time_is_the_clock),
					    T(test_doors),  T(test_usage) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
