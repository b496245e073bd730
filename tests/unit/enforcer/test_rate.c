/* The table of rates: bursts, refill, strangers that share it; and sets of networks. */
#include "tests/unit/enforcer/wire.h"

#include <arpa/inet.h>
#include <pthread.h>

#include "enforcer/ranges.h"
#include "enforcer/rate.h"

static const fl_mono_ns start = 1000 * FL_NS_PER_S;

static unsigned take(struct fl__rate *r, uint64_t hash, fl_mono_ns now, unsigned n, uint32_t per_s, uint32_t burst)
{
	unsigned got = 0;

	while (n--)
		got += fl__rate_take(r, hash, now, per_s, burst);
	return got;
}

static void test_burst_and_refill(void **state)
{
	struct fl__rate *r = fl__rate_new();

	(void)state;
	assert_int_equal(take(r, 7, start, 100, 10, 20), 20);
	assert_int_equal(take(r, 7, start + 99 * FL_NS_PER_MS, 100, 10, 20), 0);
	assert_int_equal(take(r, 7, start + 100 * FL_NS_PER_MS, 100, 10, 20), 1);
	assert_int_equal(take(r, 7, start + 1100 * FL_NS_PER_MS, 100, 10, 20), 10);
	assert_int_equal(take(r, 7, start + 3600 * FL_NS_PER_S, 100, 10, 20), 20); /* no more than the burst is saved up */
	assert_int_equal(take(r, 8, start, 5, 1, 1), 1);
	fl__rate_free(r);
}

static void test_steady_rate_is_kept(void **state)
{
	struct fl__rate *r = fl__rate_new();
	unsigned got = 0;

	(void)state;
	for (int ms = 0; ms < 10000; ms++) /* 1,000 a second, of which 100 are let through */
		got += fl__rate_take(r, 99, start + ms * FL_NS_PER_MS, 100, 10);
	assert_in_range(got, 1000, 1011);
	fl__rate_free(r);
}

/* Four clients of one set have accounts of their own; a fifth takes one over, and is let in rather than refused. */
static void test_a_full_set_lets_in(void **state)
{
	struct fl__rate *r = fl__rate_new();
	const uint64_t set = 5;

	(void)state;
	for (uint64_t i = 1; i <= 4; i++)
		assert_int_equal(take(r, i << 44 | set, start, 50, 10, 10), 10);
	for (uint64_t i = 1; i <= 4; i++)
		assert_int_equal(take(r, i << 44 | set, start, 5, 10, 10), 0);
	assert_int_equal(take(r, UINT64_C(9) << 44 | set, start, 50, 10, 10), 10);
	fl__rate_free(r);
}

/* A narrower limit after a reload holds at once; a clock that went round its 44 bits locks nobody out for long. */
static void test_settings_and_clock(void **state)
{
	struct fl__rate *r = fl__rate_new();
	fl_mono_ns round = (fl_mono_ns)(UINT64_C(1) << 44) * 1000;

	(void)state;
	assert_int_equal(take(r, 3, start, 1000, 1, 1000), 1000);
	assert_int_equal(take(r, 3, start + 2 * FL_NS_PER_S, 100, 10, 10), 10);
	assert_int_equal(take(r, 4, round - FL_NS_PER_S, 100, 10, 10), 10);
	assert_int_equal(take(r, 4, round + FL_NS_PER_S, 100, 10, 10), 10);
	fl__rate_free(r);
}

static void *hammer(void *arg)
{
	uint64_t got = 0;

	for (int i = 0; i < 20000; i++)
		got += fl__rate_take(arg, 42, start, 1, 5000);
	return (void *)(uintptr_t)got;
}

static void test_threads_share_an_account(void **state)
{
	struct fl__rate *r = fl__rate_new();
	pthread_t t[4];
	uint64_t got = 0;
	void *p;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, hammer, r), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &p);
		got += (uintptr_t)p;
	}
	assert_in_range(got, 5000, 40000); /* a contended question may be let through; the account itself is never overdrawn */
	assert_int_equal(take(r, 42, start, 10, 1, 5000), 0);
	fl__rate_free(r);
}

static struct fl_cfg_network net(const char *text, unsigned prefix)
{
	struct fl_cfg_network n = { .prefix = (uint8_t)prefix };

	n.v6 = strchr(text, ':');
	assert_int_equal(inet_pton(n.v6 ? AF_INET6 : AF_INET, text, n.addr), 1);
	return n;
}

static bool holds(const struct fl__ranges *r, const char *text)
{
	struct fl_cfg_network n = net(text, 0);

	return fl__ranges_hold(r, fl__address_of(n.v6, n.addr));
}

static void test_ranges(void **state)
{
	const struct fl_cfg_network nets[] = { net("192.0.2.0", 25), net("192.0.2.64", 26), net("192.0.2.128", 25), net("10.0.0.0", 8),	net("198.51.100.7", 32),
					       net("2001:db8::", 32), net("2001:db8::1", 128),	net("fe80::", 10) };
	static const char *const in[] = { "192.0.2.0", "192.0.2.127", "192.0.2.128", "192.0.2.255", "10.255.255.255", "198.51.100.7", "2001:db8::", "2001:db8:ffff:ffff::", "febf::1" };
	static const char *const out[] = { "192.0.1.255", "192.0.3.0", "9.255.255.255", "11.0.0.0", "198.51.100.6", "198.51.100.8", "2001:db7::1", "2001:db9::", "fec0::1", "::1", "0.0.0.0" };
	const struct fl_cfg_network all[] = { net("::", 0) }, four[] = { net("0.0.0.0", 0) };
	struct fl__ranges r;

	(void)state;
	assert_true(fl__ranges_init(&r, nets, sizeof(nets) / sizeof(nets[0])));
	for (size_t i = 0; i < sizeof(in) / sizeof(in[0]); i++)
		if (!holds(&r, in[i]))
			fail_msg("%s is not held", in[i]);
	for (size_t i = 0; i < sizeof(out) / sizeof(out[0]); i++)
		if (holds(&r, out[i]))
			fail_msg("%s is held", out[i]);
	fl__ranges_done(&r);
	assert_true(fl__ranges_init(&r, NULL, 0));
	assert_false(holds(&r, "127.0.0.1"));
	fl__ranges_done(&r);
	assert_true(fl__ranges_init(&r, four, 1));
	assert_true(holds(&r, "203.0.113.9") && !holds(&r, "2001:db8::9"));
	fl__ranges_done(&r);
	assert_true(fl__ranges_init(&r, all, 1));
	assert_true(holds(&r, "2001:db8::9"));
	fl__ranges_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_burst_and_refill),   cmocka_unit_test(test_steady_rate_is_kept), cmocka_unit_test(test_a_full_set_lets_in),
		cmocka_unit_test(test_settings_and_clock), cmocka_unit_test(test_threads_share_an_account), cmocka_unit_test(test_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
