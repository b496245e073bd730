/* The store's contract: the rows of store_rows.h, run against the twin and against a real redis-server, must give the
 * replies that stand there. Without a redis-server the twin's half still runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <signal.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/span.h"
#include "io/clock.h"
#include "io/store.h"
#include "tests/contract/store_rows.h"
#include "tests/support/redis.h"

enum { WORDS_MAX = 40 };
#define START_US (INT64_C(1700000000) * FL_US_PER_S)

/* ---- replies as text ---- */

static void show_text(struct fl_buf *b, char mark, struct fl_span s)
{
	fl_buf_u8(b, (uint8_t)mark);
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] >= ' ' && s.p[i] < 0x7f && s.p[i] != '\\')
			fl_buf_u8(b, s.p[i]);
		else
			fl_buf_printf(b, "\\x%02x", s.p[i]);
	}
	if (mark == '\'')
		fl_buf_u8(b, (uint8_t)mark);
}

static int by_text(const void *a, const void *b)
{
	const struct fl_reply *x = a, *y = b;
	size_t n = x->s.n < y->s.n ? x->s.n : y->s.n;
	int d = n ? memcmp(x->s.p, y->s.p, n) : 0;

	return d ? d : (x->s.n > y->s.n) - (x->s.n < y->s.n);
}

static void show(struct fl_buf *b, const struct fl_reply *r)
{
	switch (r->type) {
	case FL_REPLY_NIL:
		fl_buf_str(b, "nil");
		break;
	case FL_REPLY_INT:
		fl_buf_printf(b, ":%lld", (long long)r->i);
		break;
	case FL_REPLY_STRING:
		show_text(b, '\'', r->s);
		break;
	case FL_REPLY_STATUS:
		show_text(b, '+', r->s);
		break;
	case FL_REPLY_ERROR:
		show_text(b, '-', r->s);
		break;
	case FL_REPLY_ARRAY:
		fl_buf_str(b, "[");
		for (size_t i = 0; i < r->n; i++) {
			fl_buf_str(b, i ? " " : "");
			show(b, &r->v[i]);
		}
		fl_buf_str(b, "]");
		break;
	}
}

/* ---- a row ---- */

/* Words between blanks; '...' holds blanks, or nothing. */
static size_t split(struct fl_arena *arena, const char *line, struct fl_span *words)
{
	size_t n = 0;

	while (*line) {
		size_t len;

		line += strspn(line, " ");
		if (!*line)
			break;
		assert_true(n < WORDS_MAX);
		if (*line == '\'') {
			line++;
			len = strcspn(line, "'");
		} else {
			len = strcspn(line, " ");
		}
		words[n++] = fl_span(fl_arena_strn(arena, line, len), len);
		line += len + (line[len] == '\'');
	}
	return n;
}

static void run_script(struct fl_store *s, const char *body, struct fl_arena *arena, struct fl_buf *out)
{
	const struct fl_span keys[] = { fl_span_str("k1"), fl_span_str("k2") },
			     args[] = { fl_span_str("a1"), fl_span_str("7") };
	const struct fl_script script = { "script", body };
	struct fl_err err = { 0 };
	struct fl_reply r;
	int ret = fl_store_eval(s, &script, keys, 2, args, 2, arena, &r, &err);

	if (ret == 0) {
		show(out, &r);
		return;
	}
	if (strstr(err.text, " script: ")) /* behind it stands a digest in one, a name in the other */
		*strstr(err.text, " script: ") = '\0';
	fl_buf_printf(out, "%s %s", fl_code_name(ret), err.text);
}

static void run_command(struct fl_store *s, const char *line, char how, struct fl_arena *arena, struct fl_buf *out)
{
	struct fl_span words[WORDS_MAX];
	struct fl_cmd cmd = { words, split(arena, line, words) };
	struct fl_err err = { 0 };
	struct fl_reply *r;

	if (fl_store_call(s, &cmd, 1, arena, &r, &err) < 0) {
		fl_buf_printf(out, "failed: %s", err.text);
		return;
	}
	if (how == '~' && r->type == FL_REPLY_ARRAY && r->n)
		qsort(r->v, r->n, sizeof(*r->v), by_text);
	if (how == '^')
		fl_buf_printf(out, "type %d", r->type);
	else
		show(out, r);
}

/* mem NULL: real time passes. */
static void pass_time(struct fl_clock_mem *mem, int ms)
{
	if (mem)
		fl_clock_mem_advance(mem, ms * FL_NS_PER_MS);
	else
		nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000L }, NULL);
}

static void run_rows(struct fl_store *s, struct fl_clock_mem *mem)
{
	int wrong = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_arena arena = { 0 };
		struct fl_buf got = { 0 };
		const char *line = rows[i].line;

		if (strncmp(line, "@ms ", 4) == 0)
			pass_time(mem, (int)strtol(line + 4, NULL, 10));
		else if (line[0] == '!')
			run_script(s, line + 1, &arena, &got);
		else
			run_command(s, line + (line[0] == '~' || line[0] == '^'), line[0], &arena, &got);
		if (strcmp(fl_buf_cstr(&got), rows[i].reply) != 0) {
			print_error("row %zu: %s\n  wanted %s\n  got    %s\n", i, line, rows[i].reply,
				    (const char *)got.p);
			wrong++;
		}
		if (getenv("FL_SHOW_ROWS"))
			print_message("ROW\t%zu\t%s\n", i, (const char *)got.p);
		fl_buf_done(&got);
		fl_arena_done(&arena);
	}
	assert_int_equal(wrong, 0);
}

static void test_rows_mem(void **state)
{
	struct fl_clock_mem clock;
	struct fl_store_mem *w;
	struct fl_store *s;

	(void)state;
	fl_clock_mem_init(&clock, START_US);
	w = fl_store_mem_new(&clock.door);
	s = fl_store_mem_open(w, "{fl}:");
	run_rows(s, &clock);
	fl_store_close(s);
	fl_store_mem_free(w);
}

/* ---- the real one ---- */

static struct fl_store *open_real(const struct fl_test_redis *r, const char *user, const char *password)
{
	const struct fl_store_redis_config cfg = { .url = r->url,
						   .username = user,
						   .password = password,
						   .prefix = "{fl}:",
						   .connect_timeout_ms = 5000,
						   .timeout_ms = 10000 };
	struct fl_store *s = NULL;
	struct fl_err err = { 0 };

	if (fl_store_redis_open(&cfg, &s, &err) < 0)
		fail_msg("%s", err.text);
	return s;
}

static void start_or_skip(struct fl_test_redis *r, const char *const *options)
{
	if (!fl_test_redis_present())
		skip();
	assert_true(fl_test_redis_start(r, options));
}

static void test_rows_real(void **state)
{
	struct fl_test_redis r;
	struct fl_store *s;

	(void)state;
	start_or_skip(&r, NULL);
	s = open_real(&r, NULL, NULL);
	run_rows(s, NULL);
	fl_store_close(s);
	fl_test_redis_stop(&r);
}

static int set_x(struct fl_store *s, const char *value, struct fl_err *err)
{
	struct fl_arena arena = { 0 };
	struct fl_reply r;
	int ret = fl_store_cmd(s, &arena, &r, err, "SET", "x", value, (char *)NULL);

	fl_arena_done(&arena);
	return ret;
}

static int get_x(struct fl_store *s, char out[32])
{
	struct fl_arena arena = { 0 };
	struct fl_err err;
	struct fl_reply r;
	int ret = fl_store_cmd(s, &arena, &r, &err, "GET", "x", (char *)NULL);

	snprintf(out, 32, "%.*s", ret == 0 && r.type == FL_REPLY_STRING ? (int)r.s.n : 0,
		 ret == 0 && r.s.n ? (const char *)r.s.p : "");
	fl_arena_done(&arena);
	return ret;
}

/* Until it works again; the door tries at most every 100 ms. */
static int set_x_soon(struct fl_store *s, const char *value)
{
	struct fl_err err = { 0 };
	int ret = FL_EUNAVAIL;

	for (int i = 0; i < 200 && ret < 0; i++) {
		ret = set_x(s, value, &err);
		if (ret < 0)
			pass_time(NULL, 20);
	}
	return ret;
}

/* A server that is killed is an error that says whether anything can have happened, and its return is found by itself;
 * scripts that it has forgotten are sent again. */
static void test_reconnect(void **state)
{
	static const char *const options[] = { "--appendonly", "yes", "--appendfsync", "always", NULL };
	const struct fl_script script = { "twice", "return ARGV[1] * 2" };
	struct fl_span arg = fl_span_str("21");
	struct fl_arena arena = { 0 };
	struct fl_err err = { 0 };
	struct fl_test_redis r;
	struct fl_reply reply;
	struct fl_store *s;
	char x[32];
	int ret;

	(void)state;
	start_or_skip(&r, options);
	s = open_real(&r, NULL, NULL);
	assert_int_equal(set_x(s, "1", &err), 0);
	assert_int_equal(fl_store_eval(s, &script, NULL, 0, &arg, 1, &arena, &reply, &err), 0);
	assert_int_equal(reply.i, 42);
	fl_test_redis_kill(&r);
	for (int i = 0; i < 5; i++) {
		ret = set_x(s, "2", &err);
		assert_true(ret == FL_EUNAVAIL || ret == FL_EUNKNOWN);
		assert_true(err.text[0] != '\0');
	}
	assert_int_equal(set_x(s, "2", &err), FL_EUNAVAIL); /* by now it is known to be away */
	assert_int_equal(fl_store_eval(s, &script, NULL, 0, &arg, 1, &arena, &reply, &err), FL_EUNAVAIL);
	assert_true(fl_test_redis_restart(&r));
	assert_int_equal(set_x_soon(s, "3"), 0);
	assert_int_equal(get_x(s, x), 0);
	assert_string_equal(x, "3");
	assert_int_equal(fl_store_eval(s, &script, NULL, 0, &arg, 1, &arena, &reply, &err), 0);
	assert_int_equal(reply.i, 42);
	fl_arena_done(&arena);
	fl_store_close(s);
	fl_test_redis_stop(&r);
}

/* A server that is stopped (SIGSTOP) gives no reply: the outcome is unknown within the time set, and what it does later
 * is not mistaken for the reply to the next question. */
static void test_lost_reply(void **state)
{
	struct fl_err err = { 0 };
	struct fl_test_redis r;
	struct fl_store *s = NULL;
	struct fl_store_redis_config cfg;
	char x[32];

	(void)state;
	start_or_skip(&r, NULL);
	cfg = (struct fl_store_redis_config){
		.url = r.url, .prefix = "{fl}:", .connect_timeout_ms = 300, .timeout_ms = 300
	};
	assert_int_equal(fl_store_redis_open(&cfg, &s, &err), 0);
	assert_int_equal(set_x(s, "1", &err), 0);
	assert_int_equal(kill(r.pid, SIGSTOP), 0);
	assert_int_equal(set_x(s, "2", &err), FL_EUNKNOWN);
	assert_int_equal(set_x(s, "3", &err), FL_EUNAVAIL); /* it accepts, and does not answer the greeting */
	assert_int_equal(kill(r.pid, SIGCONT), 0);
	assert_int_equal(set_x_soon(s, "4"), 0);
	assert_int_equal(get_x(s, x), 0);
	assert_string_equal(x, "4");
	fl_store_close(s);
	fl_test_redis_stop(&r);
}

/* A server that a client has filled refuses writes with OOM: not now, nothing carried out. */
static void test_oom_passes(void **state)
{
	static const char *const options[] = { "--maxmemory", "1kb", NULL };
	const struct fl_script script = { "write", "return redis.call('SET', 'x', 'y')" };
	struct fl_arena arena = { 0 };
	struct fl_err err = { 0 };
	struct fl_test_redis r;
	struct fl_reply reply;
	struct fl_store *s;

	(void)state;
	start_or_skip(&r, options);
	s = open_real(&r, NULL, NULL);
	assert_int_equal(set_x(s, "1", &err), FL_EUNAVAIL);
	assert_non_null(strstr(err.text, "OOM"));
	assert_int_equal(fl_store_eval(s, &script, NULL, 0, NULL, 0, &arena, &reply, &err), FL_EUNAVAIL);
	fl_arena_done(&arena);
	fl_store_close(s);
	fl_test_redis_stop(&r);
}

static void test_password(void **state)
{
	static const char *const options[] = { "--requirepass", "secret", "--user",      "fire", "on", ">line", "~*",
					       "&{fl}:*",       "+@all",  "-@dangerous", NULL };
	struct fl_err err = { 0 };
	char warning[256] = "";
	struct fl_test_redis r;
	struct fl_store *s;

	(void)state;
	start_or_skip(&r, options);
	s = open_real(&r, NULL, "secret");
	assert_int_equal(set_x(s, "1", &err), 0);
	fl_store_close(s);
	s = open_real(&r, "fire", "line");
	assert_int_equal(set_x(s, "2", &err), 0);
	assert_int_equal(fl_store_redis_check(s, warning, sizeof(warning), &err),
			 0); /* CONFIG and INFO are forbidden to it */
	assert_non_null(strstr(warning, "not known"));
	fl_store_close(s);
	s = open_real(&r, NULL, "wrong");
	assert_int_equal(set_x(s, "3", &err), FL_EUNAVAIL);
	assert_non_null(strstr(err.text, "WRONGPASS"));
	assert_null(strstr(err.text, "'wrong'"));
	fl_store_close(s);
	s = open_real(&r, NULL, NULL);
	assert_int_equal(set_x(s, "3", &err), FL_EUNAVAIL);
	assert_non_null(strstr(err.text, "NOAUTH"));
	fl_store_close(s);
	fl_test_redis_stop(&r);
}

static const struct {
	const char *options[7];
	int code;
	const char *says; /* in the warning, or in the error */
} check_rows[] = {
	{ { "--appendonly", "yes", "--appendfsync", "always" }, 0, "" },
	{ { "--appendonly", "yes", "--appendfsync", "everysec" }, 0, "everysec" },
	{ { "--appendonly", "yes", "--appendfsync", "no" }, 0, "appendfsync no" },
	{ { "--appendonly", "no" }, 0, "append-only file" },
	{ { "--maxmemory-policy", "allkeys-lru", "--appendonly", "yes" }, FL_EREFUSED, "allkeys-lru" },
};

static void test_check(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(check_rows) / sizeof(check_rows[0]); i++) {
		struct fl_err err = { 0 };
		char warning[256] = "";
		struct fl_test_redis r;
		struct fl_store *s;

		start_or_skip(&r, check_rows[i].options);
		s = open_real(&r, NULL, NULL);
		assert_int_equal(fl_store_redis_check(s, warning, sizeof(warning), &err), check_rows[i].code);
		assert_non_null(strstr(check_rows[i].code ? err.text : warning, check_rows[i].says));
		assert_true(check_rows[i].says[0] || !warning[0]);
		fl_store_close(s);
		fl_test_redis_stop(&r);
	}
}

/* ---- wakes ---- */

static int wake(struct fl_store *s, char *name, size_t cap)
{
	return s->ops->wake_next(s, name, cap);
}

static void publish(struct fl_store *s, const char *name)
{
	struct fl_arena arena = { 0 };
	struct fl_err err = { 0 };
	struct fl_reply r;

	assert_int_equal(fl_store_cmd(s, &arena, &r, &err, "PUBLISH", "{fl}:wake", name, (char *)NULL), 0);
	fl_arena_done(&arena);
}

/* Publishes until the other side has subscribed and heard it; then exactly the names that follow come, in order. */
static void wakes(struct fl_store *from, struct fl_store *to)
{
	char name[64] = "";
	int got = 0;

	for (int i = 0; i < 500 && !got; i++) {
		publish(from, "first");
		got = wake(to, name, sizeof(name));
		if (!got)
			pass_time(NULL, 10);
	}
	assert_int_equal(got, 1);
	assert_string_equal(name, "first");
	publish(from, "list/ads");
	publish(from, "source/urls");
	for (int i = 0; i < 500 && strcmp(name, "source/urls") != 0; i++) {
		char before[64];

		memcpy(before, name, sizeof(before));
		if (!wake(to, name, sizeof(name)))
			pass_time(NULL, 10);
		else if (strcmp(name, "source/urls") == 0)
			assert_string_equal(before, "list/ads");
	}
	assert_string_equal(name, "source/urls");
	assert_int_equal(wake(to, name, sizeof(name)), 0);
}

static void test_wakes_mem(void **state)
{
	struct fl_clock_mem clock;
	struct fl_store_mem *w;
	struct fl_store *a, *b;

	(void)state;
	fl_clock_mem_init(&clock, START_US);
	w = fl_store_mem_new(&clock.door);
	a = fl_store_mem_open(w, "{fl}:");
	b = fl_store_mem_open(w, "{fl}:");
	wakes(a, b);
	wakes(b, b); /* its own too */
	fl_store_close(a);
	fl_store_close(b);
	fl_store_mem_free(w);
}

static void test_wakes_real(void **state)
{
	struct fl_test_redis r;
	struct fl_store *a, *b;

	(void)state;
	start_or_skip(&r, NULL);
	a = open_real(&r, NULL, NULL);
	b = open_real(&r, NULL, NULL);
	wakes(a, b);
	wakes(b, b);
	assert_true(b->ops->wake_fd(b) >= 0);
	assert_true(fl_test_redis_restart(&r)); /* the subscription comes back by itself */
	assert_int_equal(set_x_soon(a, "1"), 0);
	wakes(a, b);
	fl_store_close(a);
	fl_store_close(b);
	fl_test_redis_stop(&r);
}

static void test_large_values(void **state)
{
	enum { LARGE = 24 << 20 };
	struct fl_arena arena = { 0 };
	struct fl_err err = { 0 };
	struct fl_test_redis r;
	struct fl_reply *v;
	struct fl_store *s;
	uint8_t *big = calloc(1, LARGE);
	const struct fl_span set[] = { fl_span_str("SET"), fl_span_str("big"), fl_span(big, LARGE) };
	const struct fl_span get[] = { fl_span_str("GET"), fl_span_str("big") };
	const struct fl_cmd cmds[] = { { set, 3 }, { get, 2 }, { get, 2 }, { get, 2 } };

	(void)state;
	assert_non_null(big);
	for (size_t i = 0; i < LARGE; i++)
		big[i] = (uint8_t)(i * 31 >> 3);
	start_or_skip(&r, NULL);
	s = open_real(&r, NULL, NULL);
	assert_int_equal(fl_store_call(s, cmds, 4, &arena, &v, &err), 0);
	for (size_t i = 1; i < 4; i++)
		assert_true(fl_span_eq(v[i].s, set[2]));
	fl_arena_done(&arena);
	fl_store_close(s);
	fl_test_redis_stop(&r);
	free(big);
}

static const struct {
	const char *url;
	int code;
} url_rows[] = {
	{ "redis://127.0.0.1", 0 },
	{ "redis://127.0.0.1:6379", 0 },
	{ "redis://redis.example:6380/3", 0 },
	{ "redis://[::1]:6379/0", 0 },
	{ "redis://[::1]", 0 },
	{ "unix:///run/redis/redis.sock", 0 },
	{ "unix:///run/redis/redis.sock?db=2", 0 },
	{ "", FL_ECONFIG },
	{ "http://127.0.0.1", FL_ECONFIG },
	{ "redis://", FL_ECONFIG },
	{ "redis://:6379", FL_ECONFIG },
	{ "redis://host:0", FL_ECONFIG },
	{ "redis://host:70000", FL_ECONFIG },
	{ "redis://host:", FL_ECONFIG },
	{ "redis://host/x", FL_ECONFIG },
	{ "redis://[::1", FL_ECONFIG },
	{ "redis://[::1]x", FL_ECONFIG },
	{ "redis://user:secret@host", FL_ECONFIG },
	{ "rediss://host:6379", FL_ECONFIG },
	{ "unix://relative", FL_ECONFIG },
	{ "unix:///s?x=2", FL_ECONFIG },
	{ "unix:///s?db=-1", FL_ECONFIG },
};

static void test_urls(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(url_rows) / sizeof(url_rows[0]); i++) {
		const struct fl_store_redis_config cfg = { .url = url_rows[i].url };
		struct fl_store *s = NULL;
		struct fl_err err = { 0 };
		int ret = fl_store_redis_open(&cfg, &s, &err);

		if (ret != url_rows[i].code)
			fail_msg("%s: %d %s", url_rows[i].url, ret, err.text);
		assert_null(strstr(err.text, "secret"));
		fl_store_close(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_mem),   cmocka_unit_test(test_rows_real),
		cmocka_unit_test(test_reconnect),  cmocka_unit_test(test_lost_reply),
		cmocka_unit_test(test_oom_passes), cmocka_unit_test(test_password),
		cmocka_unit_test(test_check),      cmocka_unit_test(test_wakes_mem),
		cmocka_unit_test(test_wakes_real), cmocka_unit_test(test_large_values),
		cmocka_unit_test(test_urls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
