/* What the clock and random doors promise, kept by the system's and by the twins. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "io/clock.h"

#include <string.h>

static void the_monotonic_clock_never_goes_back(void **state)
{
	struct fl_clock_mem mem;
	struct fl_clock *clocks[] = { fl_clock_sys(), &mem.door };

	(void)state;
	fl_clock_mem_init(&mem, 0);
	for (int k = 0; k < 2; k++) {
		fl_mono_ns last = fl_now_mono(clocks[k]);

		assert_true(last > 0); /* so that 0 may mean never */
		for (int i = 0; i < 1000; i++) {
			fl_mono_ns now = fl_now_mono(clocks[k]);

			assert_true(now >= last);
			last = now;
		}
	}
}

static void the_wall_clock_is_in_microseconds(void **state)
{
	(void)state;
	assert_true(fl_now_unix(fl_clock_sys()) > INT64_C(1577836800) * FL_US_PER_S); /* 2020 */
	assert_true(fl_now_unix(fl_clock_sys()) < INT64_C(4102444800) * FL_US_PER_S); /* 2100 */
}

static void virtual_time_stands_still_until_moved(void **state)
{
	const fl_unix_us start = INT64_C(1790000000) * FL_US_PER_S;
	struct fl_clock_mem c;
	fl_mono_ns mono;

	(void)state;
	fl_clock_mem_init(&c, start);
	mono = fl_now_mono(&c.door);
	assert_int_equal(fl_now_unix(&c.door), start);
	assert_int_equal(fl_now_unix(&c.door), start);
	for (int i = 0; i < 1000; i++)
		fl_clock_mem_advance(&c, 1500); /* many small steps lose nothing */
	assert_int_equal(fl_now_mono(&c.door) - mono, 1500000);
	assert_int_equal(fl_now_unix(&c.door) - start, 1500);
	fl_clock_mem_jump(&c, -3600 * FL_US_PER_S);
	assert_int_equal(fl_now_mono(&c.door) - mono, 1500000);
	assert_int_equal(fl_now_unix(&c.door) - start, 1500 - 3600 * FL_US_PER_S);
}

static void random_below_is_below_and_everywhere(void **state)
{
	struct fl_random_mem mem;
	struct fl_random *dice[] = { fl_random_sys(), &mem.door };

	(void)state;
	fl_random_mem_init(&mem, 1);
	for (int k = 0; k < 2; k++) {
		int seen[7] = { 0 };

		assert_int_equal(fl_random_below(dice[k], 0), 0);
		assert_int_equal(fl_random_below(dice[k], 1), 0);
		for (int i = 0; i < 7000; i++) {
			uint64_t v = fl_random_below(dice[k], 7);

			assert_true(v < 7);
			seen[v]++;
		}
		for (int i = 0; i < 7; i++)
			assert_in_range(seen[i], 700, 1300); /* 1000, and 10 standard deviations */
		for (int i = 0; i < 100; i++)
			assert_true(fl_random_below(dice[k], UINT64_MAX / 2 + 2) <= UINT64_MAX / 2 + 1);
	}
}

static void a_seed_gives_the_same_bytes(void **state)
{
	struct fl_random_mem a, b;
	uint8_t x[100], y[100];

	(void)state;
	fl_random_mem_init(&a, 42);
	fl_random_mem_init(&b, 42);
	a.door.bytes(&a.door, x, sizeof(x));
	b.door.bytes(&b.door, y, sizeof(y));
	assert_memory_equal(x, y, sizeof(x));
	fl_random_mem_init(&b, 43);
	b.door.bytes(&b.door, y, sizeof(y));
	assert_memory_not_equal(x, y, sizeof(x));
	fl_random_mem_init(&a, 0);
	assert_int_not_equal(fl_random_u64(&a.door), fl_random_u64(&a.door));
	assert_int_not_equal(fl_random_u64(fl_random_sys()), fl_random_u64(fl_random_sys()));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_monotonic_clock_never_goes_back),	 cmocka_unit_test(the_wall_clock_is_in_microseconds),
		cmocka_unit_test(virtual_time_stands_still_until_moved), cmocka_unit_test(random_below_is_below_and_everywhere),
		cmocka_unit_test(a_seed_gives_the_same_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
