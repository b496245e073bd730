/* The response cache: what it gives back, ages, keeps within its bytes, and serves stale. */
#include "tests/unit/enforcer/wire.h"

#include "base/rcu.h"
#include "enforcer/cache.h"

static const struct fl__ttl_limits limits = { .max_s = 86400, .negative_max_s = 900, .stale_s = 3600 };
static struct fl__chain_scratch *scratch;

static struct fl_answer *make(const char *name, uint32_t ttl, unsigned records, bool dnssec_ok, fl_mono_ns now)
{
	struct fl_dname d = wdname(name);
	struct fl__asked asked = { &d, 1, dnssec_ok, false };
	struct fl_buf b = { 0 };
	struct fl_answer *a = NULL;

	wheader(&b, 1, 0x8180, 1, records, 0, 0);
	wquestion(&b, name, 1);
	for (unsigned i = 0; i < records; i++)
		wrr_a(&b, name, ttl, (uint8_t)i);
	assert_int_equal(fl__chain_read(scratch, fl_buf_span(&b), &asked, &limits, now, &a), 0);
	fl_buf_done(&b);
	return a;
}

static void put(struct fl_cache *c, const char *name, uint32_t ttl, unsigned records, fl_mono_ns now)
{
	struct fl_dname d = wdname(name);

	struct fl__asked asked = { &d, 1, false, false };

	assert_true(fl__cache_put(c, fl__cache_hash(c, &asked), make(name, ttl, records, false, now), now));
}
static const struct fl_answer *get(struct fl_cache *c, const char *name, unsigned type, bool dnssec_ok, fl_mono_ns now)
{
	struct fl_dname d = wdname(name);
	struct fl__asked asked = { &d, (uint16_t)type, dnssec_ok, false };

	return fl__cache_get(c, fl__cache_hash(c, &asked), &asked, now);
}
static const struct fl_answer *get_stale(struct fl_cache *c, const char *name, fl_mono_ns now)
{
	struct fl_dname d = wdname(name);
	struct fl__asked asked = { &d, 1, false, false };

	return fl__cache_get_stale(c, fl__cache_hash(c, &asked), &asked, now);
}

static void test_key(void **state)
{
	struct fl_cache *c = fl__cache_new(1 << 20, 42);

	(void)state;
	put(c, "a.example", 300, 1, FL_NS_PER_S);
	assert_non_null(get(c, "A.Example", 1, false, 2 * FL_NS_PER_S));
	assert_null(get(c, "a.example", 28, false, 2 * FL_NS_PER_S));
	assert_null(get(c, "a.example", 1, true, 2 * FL_NS_PER_S)); /* DO is another answer */
	assert_null(get(c, "b.example", 1, false, 2 * FL_NS_PER_S));
	fl__cache_free(c);
}

static void test_ageing(void **state)
{
	struct fl_cache *c = fl__cache_new(1 << 20, 42);
	struct fl_buf q = wquery(99, "A.eXample", 1, 0, false);
	struct fl_question question;
	uint8_t buf[512];
	struct fl__out o = { buf, 0, sizeof(buf) };
	const struct fl_answer *a;

	(void)state;
	assert_int_equal(fl__question_parse(fl_buf_span(&q), &question), 0);
	put(c, "a.example", 300, 1, FL_NS_PER_S);
	a = get(c, "a.example", 1, false, 101 * FL_NS_PER_S);
	assert_non_null(a);
	fl__answer_kept(&question, a, 101 * FL_NS_PER_S, false, FL__NO_REMARK, &o);
	assert_int_equal(fl__be16(o.p), 99);
	assert_memory_equal(o.p + 12, "\1A\7eXample", 10); /* the client's case */
	assert_int_equal(fl__be32(o.p + o.n - 10), 200);
	assert_null(get(c, "a.example", 1, false, 301 * FL_NS_PER_S));
	a = get_stale(c, "a.example", 400 * FL_NS_PER_S);
	assert_non_null(a);
	fl__answer_kept(&question, a, 400 * FL_NS_PER_S, true, FL__NO_REMARK, &o);
	assert_int_equal(fl__be32(o.p + o.n - 10), 30);
	assert_null(get_stale(c, "a.example", 3902 * FL_NS_PER_S));
	fl__cache_free(c);
	fl_buf_done(&q);
}

static void test_replaces(void **state)
{
	struct fl_cache *c = fl__cache_new(1 << 20, 42);
	struct fl__cache_stats s;

	(void)state;
	put(c, "a.example", 300, 1, FL_NS_PER_S);
	put(c, "a.example", 300, 3, FL_NS_PER_S);
	assert_int_equal(fl__be16(get(c, "a.example", 1, false, FL_NS_PER_S)->msg + 6), 3);
	fl__cache_stats(c, &s);
	assert_int_equal(s.entries, 1);
	assert_int_equal(s.retired, 1);
	fl__cache_reclaim(c, true);
	fl__cache_stats(c, &s);
	assert_int_equal(s.retired, 0);
	fl__cache_free(c);
}

/* Whatever is put in, the bytes stay within the bound, and what is asked for stays longer than what is not. */
static void test_bounded(void **state)
{
	enum { LIMIT = 256 << 10, N = 20000 };
	struct fl_cache *c = fl__cache_new(LIMIT, 42);
	struct fl__cache_stats s;
	fl_mono_ns now = FL_NS_PER_S;
	unsigned hot = 0;
	char name[64];

	(void)state;
	for (int i = 0; i < 16; i++) {
		snprintf(name, sizeof(name), "hot%d.example", i);
		put(c, name, 86400, 1, now);
	}
	for (int i = 0; i < N; i++) {
		now += 1000003;
		snprintf(name, sizeof(name), "n%d.example", i);
		put(c, name, 300, 1 + (unsigned)i % 20, now);
		fl__cache_stats(c, &s);
		assert_true(s.bytes <= LIMIT);
		snprintf(name, sizeof(name), "hot%d.example", i % 16);
		get(c, name, 1, false, now);
	}
	for (int i = 0; i < 16; i++) {
		snprintf(name, sizeof(name), "hot%d.example", i);
		hot += get(c, name, 1, false, now) != NULL;
	}
	assert_true(hot >= 12);
	assert_true(s.entries > 100);
	assert_true(s.evicted > 0);
	fl__cache_free(c);
}

static void test_too_big(void **state)
{
	struct fl_cache *c = fl__cache_new(1, 42); /* the least: 64 KiB */
	struct fl_answer *a = make("a.example", 300, 1000, false, FL_NS_PER_S);

	(void)state;
	assert_false(fl__cache_put(c, 1, a, FL_NS_PER_S));
	fl__answer_free(a);
	fl__cache_free(c);
}

static int up(void **state)
{
	(void)state;
	fl_rcu_thread_init();
	scratch = fl__chain_scratch_new();
	return 0;
}
static int down(void **state)
{
	(void)state;
	fl__chain_scratch_free(scratch);
	fl_rcu_thread_done();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_key),	 cmocka_unit_test(test_ageing),	 cmocka_unit_test(test_replaces),
		cmocka_unit_test(test_bounded), cmocka_unit_test(test_too_big),
	};

	return cmocka_run_group_tests(tests, up, down);
}
