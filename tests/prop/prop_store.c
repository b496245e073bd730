/* Random commands and scripts, the same to the twin and to a real redis-server: every reply must be the same. A wrong
 * one prints seed, step and command. FL_SEED=N repeats one seed; FL_RUNS=N sets how many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/span.h"
#include "io/clock.h"
#include "io/store.h"
#include "tests/support/redis.h"

enum { STEPS = 3000, RUNS = 5, WORDS_MAX = 12, TEXT = 40 };

struct gen {
	uint64_t s;
	int times; /* expiries drawn: no two are alike, or a millisecond between the two servers would decide GT and LT
		    */
	char family;
	char text[WORDS_MAX][TEXT];
	struct fl_span words[WORDS_MAX];
	size_t n;
};

static uint64_t next(struct gen *g)
{
	g->s ^= g->s << 13;
	g->s ^= g->s >> 7;
	g->s ^= g->s << 17;
	return g->s;
}

static size_t below(struct gen *g, size_t n)
{
	return (size_t)((next(g) >> 11) % n);
}

/* A template is words; K a key (few, mostly of the command's type), F a field, V a value, I an integer, N a score, E an
 * expiry far off, D a stream id, B a score bound, P a position. `?` before a word: perhaps. */
static const char *const templates[] = {
	"GET K",
	"SET K V",
	"SET K I",
	"SET K V ?NX",
	"SET K V XX ?GET",
	"SET K V EX E",
	"SETEX K E V",
	"STRLEN K",
	"DEL K",
	"UNLINK K K",
	"EXISTS K K",
	"TYPE K",
	"EXPIRE K E ?NX",
	"EXPIRE K E ?GT",
	"EXPIRE K -5",
	"PERSIST K",
	"INCR K",
	"INCRBY K I",
	"HSET K F V",
	"HSET K F I F V",
	"HSETNX K F V",
	"HGET K F",
	"HMGET K F F F",
	"HGETALL K",
	"HKEYS K",
	"HVALS K",
	"HDEL K F F",
	"HEXISTS K F",
	"HLEN K",
	"HINCRBY K F I",
	"SADD K F F",
	"SREM K F",
	"SISMEMBER K F",
	"SCARD K",
	"ZADD K N F",
	"ZADD K ?NX ?CH N F N F",
	"ZADD K ?GT ?XX ?CH N F",
	"ZADD K ?LT INCR N F",
	"ZREM K F F",
	"ZRANGE K P P ?WITHSCORES",
	"ZRANGE K P P REV",
	"ZCARD K",
	"ZCOUNT K B B",
	"ZRANGE K B B BYSCORE LIMIT I P",
	"ZRANGEBYSCORE K B B ?WITHSCORES",
	"ZRANGEBYSCORE K B B LIMIT P P",
	"ZREVRANGEBYSCORE K B B",
	"ZREMRANGEBYSCORE K B B",
	"ZSCORE K F",
	"XADD K D F V",
	"XADD K MAXLEN P D F V",
	"XADD K NOMKSTREAM D F V F V",
	"XADD K MINID D D F V",
	"XRANGE K D D",
	"XRANGE K - + ?COUNT P",
	"XREVRANGE K + D COUNT P",
	"XRANGE K (D +",
	"XDEL K D D",
	"XLEN K",
	"XTRIM K MAXLEN P",
	"XTRIM K MINID D",
	"FLUSHALL",
	"HSET K F",
	"SET K",
	"ZADD K F N",
	"XADD K D F",
	"GET K K",
	"ZRANGE K F P",
};

static const char *const scripts[] = {
	"return redis.call(unpack(ARGV))",
	"return redis.pcall(unpack(ARGV))",
	"local r = redis.pcall(unpack(ARGV)) return type(r)",
	"redis.call('SET', KEYS[1], 'script') return {redis.pcall(unpack(ARGV)), redis.call('TYPE', KEYS[1])}",
	"local r = redis.call(unpack(ARGV)) redis.call('INCR', KEYS[1]) return r",
};

static void word(struct gen *g, char *out, const char *t, size_t len)
{
	static const char *const bounds[] = { "-inf", "+inf", "(1", "(2.5", "0", "1", "2", "3", "x" };
	static const char *const values[] = { "",     "v",         "two words", "10", "-3", "9223372036854775807",
					      "0012", "a\xff\x01", "3.5" };

	if (len == 2 && t[0] == '(' && t[1] == 'D')
		snprintf(out, TEXT, "(%zu-%zu", below(g, 30), below(g, 3));
	else if (len > 1 || !strchr("KFVINEDBP", t[0]))
		snprintf(out, TEXT, "%.*s", (int)len, t);
	else if (t[0] == 'K')
		snprintf(out, TEXT, "%c%zu", below(g, 6) ? g->family : "GHSZX"[below(g, 5)], below(g, 2));
	else if (t[0] == 'F')
		snprintf(out, TEXT, "f%zu", below(g, 12));
	else if (t[0] == 'V')
		snprintf(out, TEXT, "%s", values[below(g, sizeof(values) / sizeof(values[0]))]);
	else if (t[0] == 'I' || t[0] == 'P')
		snprintf(out, TEXT, "%d", (int)below(g, 9) - 3);
	else if (t[0] == 'N')
		snprintf(out, TEXT, "%.3g", ((double)below(g, 21) - 10) / 4);
	else if (t[0] == 'E')
		snprintf(out, TEXT, "%d", 1000000 + (below(g, 2) ? 1 : -1) * 2 * ++g->times);
	else if (t[0] == 'B')
		snprintf(out, TEXT, "%s", bounds[below(g, sizeof(bounds) / sizeof(bounds[0]))]);
	else
		snprintf(out, TEXT, "%zu-%zu", below(g, 30), below(g, 3));
}

static void draw(struct gen *g)
{
	const char *t = templates[below(g, sizeof(templates) / sizeof(templates[0]))];

	g->n = 0;
	g->family = strchr("HSZX", t[0]) && strncmp(t, "SET", 3) != 0 && strncmp(t, "STR", 3) != 0 ? t[0] : 'G';
	if (strchr("DUETP", t[0]) || strncmp(t, "EX", 2) == 0) /* of any type */
		g->family = "GHSZX"[below(g, 5)];
	if (strcmp(t, "FLUSHALL") == 0 && below(g, 8) != 0) /* seldom, or nothing ever grows */
		t = "GET K";
	while (*t) {
		size_t len;

		t += strspn(t, " ");
		len = strcspn(t, " ");
		if (*t == '?') {
			t++;
			len--;
			if (below(g, 2)) {
				t += len;
				len = 0;
				if (strncmp(t, " P", 2) == 0 && t[2] == '\0')
					break; /* an option's value leaves with it */
				continue;
			}
		}
		word(g, g->text[g->n], t, len);
		g->words[g->n] = fl_span_str(g->text[g->n]);
		g->n++;
		t += len;
	}
}

static void show(struct fl_buf *b, const struct fl_reply *r)
{
	fl_buf_printf(b, "%d:", r->type);
	if (r->type == FL_REPLY_INT)
		fl_buf_printf(b, "%lld", (long long)r->i);
	else if (r->type != FL_REPLY_ARRAY)
		fl_buf_add(b, r->s.p, r->s.n);
	for (size_t i = 0; r->type == FL_REPLY_ARRAY && i < r->n; i++) {
		fl_buf_str(b, i ? " " : "[");
		show(b, &r->v[i]);
	}
	fl_buf_str(b, r->type == FL_REPLY_ARRAY ? "]" : "");
}

static void ask(struct fl_store *s, const struct gen *g, const char *body, struct fl_buf *out)
{
	const struct fl_script script = { "random", body };
	struct fl_cmd cmd = { g->words, g->n };
	struct fl_arena arena = { 0 };
	struct fl_err err = { 0 };
	struct fl_reply r, *v;
	char *at;

	if (!body) {
		assert_int_equal(fl_store_call(s, &cmd, 1, &arena, &v, &err), 0);
		show(out, v);
	} else if (fl_store_eval(s, &script, &g->words[1], 1, g->words, g->n, &arena, &r, &err) == 0) {
		show(out, &r);
	} else {
		at = strstr(err.text, " script: ");
		if (at)
			*at = '\0';
		fl_buf_str(out, err.text);
	}
	assert_non_null(fl_buf_cstr(out));
	fl_arena_done(&arena);
}

/* The replies of one step; false when they differ. */
static bool step(struct fl_store *mem, struct fl_store *real, struct gen *g, uint64_t seed, int n)
{
	const char *body = NULL;
	struct fl_buf a = { 0 }, b = { 0 };
	bool same;

	draw(g);
	if (below(g, 4) == 0 && strcmp(g->text[0], "FLUSHALL") != 0)
		body = scripts[below(g, sizeof(scripts) / sizeof(scripts[0]))];
	ask(mem, g, body, &a);
	ask(real, g, body, &b);
	same = fl_span_eq(fl_buf_span(&a), fl_buf_span(&b));
	if (!same) {
		print_error("FL_SEED=%llu step %d:", (unsigned long long)seed, n);
		for (size_t i = 0; i < g->n; i++)
			print_error(" '%s'", g->text[i]);
		print_error("\n  script %s\n  twin   %s\n  redis  %s\n", body ? body : "none", (char *)a.p,
			    (char *)b.p);
	}
	fl_buf_done(&a);
	fl_buf_done(&b);
	return same;
}

static uint64_t number(const char *name, uint64_t dflt)
{
	const char *s = getenv(name);

	return s && *s ? strtoull(s, NULL, 10) : dflt;
}

static void test_same_replies(void **state)
{
	uint64_t seed = number("FL_SEED", 1), runs = getenv("FL_SEED") ? 1 : number("FL_RUNS", RUNS);
	struct fl_store_redis_config cfg = { .prefix = "{fl}:" };
	struct fl_store_mem *w;
	struct fl_store *mem, *real = NULL;
	struct fl_test_redis r;
	struct fl_err err;
	int wrong = 0;

	(void)state;
	if (!fl_test_redis_present())
		skip();
	assert_true(fl_test_redis_start(&r, NULL));
	cfg.url = r.url;
	assert_int_equal(fl_store_redis_open(&cfg, &real, &err), 0);
	w = fl_store_mem_new(fl_clock_sys());
	mem = fl_store_mem_open(w, "{fl}:");
	for (uint64_t k = 0; k < runs && !wrong; k++) {
		struct gen g = { .s = (seed + k) * UINT64_C(0x9e3779b97f4a7c15) };
		struct fl_reply reply;
		struct fl_arena arena = { 0 };

		assert_int_equal(fl_store_cmd(mem, &arena, &reply, &err, "FLUSHALL", (char *)NULL), 0);
		assert_int_equal(fl_store_cmd(real, &arena, &reply, &err, "FLUSHALL", (char *)NULL), 0);
		fl_arena_done(&arena);
		for (int i = 0; i < STEPS && wrong < 3; i++)
			wrong += !step(mem, real, &g, seed + k, i);
	}
	fl_store_close(mem);
	fl_store_mem_free(w);
	fl_store_close(real);
	fl_test_redis_stop(&r);
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_same_replies) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
