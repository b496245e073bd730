/* Sixteen octets at a time say what one at a time says; and the portable way from lanes to bits is that of the machine. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <ctype.h>
#include <stdlib.h>

#include "base/lanes.h"

static uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);

static uint8_t draw(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint8_t)(seed >> 33);
}

static void test_bits_are_lanes(void **state)
{
	(void)state;
	for (unsigned want = 0; want < 65536; want++) {
		fl_lanes mask = { 0 };

		for (int i = 0; i < FL_LANES; i++)
			mask[i] = want >> i & 1 ? 0xff : 0;
		assert_int_equal(fl_lanes_bits(mask), want);
		assert_int_equal(fl_lanes_bits_portable(mask), want);
	}
}

static bool is_name(uint8_t c)
{
	return c < 0x80 && (isalnum(c) || c == '-' || c == '_' || c == '.');
}

static bool is_letter(uint8_t c)
{
	return c < 0x80 && isalpha(c);
}

static void test_classes(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		for (int at = 0; at < FL_LANES; at++) {
			uint8_t b[FL_LANES], low[FL_LANES];
			unsigned names, letters;

			for (int i = 0; i < FL_LANES; i++)
				b[i] = draw();
			b[at] = (uint8_t)c;
			names = fl_lanes_bits(fl_lanes_names(fl_lanes_load(b)));
			letters = fl_lanes_bits(fl_lanes_letters(fl_lanes_load(b)));
			fl_lanes_store(low, fl_lanes_lower(fl_lanes_load(b)));
			for (int i = 0; i < FL_LANES; i++) {
				assert_int_equal(names >> i & 1, is_name(b[i]));
				assert_int_equal(letters >> i & 1, is_letter(b[i]));
				assert_int_equal(low[i], is_letter(b[i]) ? b[i] | 32 : b[i]);
			}
		}
	}
}

static void test_within(void **state)
{
	(void)state;
	for (unsigned lo = 0; lo < 256; lo += 5) {
		for (unsigned hi = lo; hi < 256; hi += 3) {
			for (unsigned c = 0; c < 256; c += FL_LANES) {
				fl_lanes v;

				for (int i = 0; i < FL_LANES; i++)
					v[i] = (uint8_t)(c + (unsigned)i);
				v = fl_lanes_within(v, (uint8_t)lo, (uint8_t)hi);
				for (unsigned i = 0; i < FL_LANES; i++)
					assert_int_equal(v[i], c + i >= lo && c + i <= hi ? 0xff : 0);
			}
		}
	}
}

/* Each from memory of its own size, so that a look outside is seen. */
static void test_short_spans(void **state)
{
	(void)state;
	for (size_t n = 0; n < FL_LANES; n++) {
		uint8_t *p = malloc(n ? n : 1);
		fl_lanes v;

		assert_non_null(p);
		for (size_t i = 0; i < n; i++)
			p[i] = draw() | 1;
		v = fl_lanes_load_short(fl_span(p, n));
		for (size_t i = 0; i < FL_LANES; i++)
			assert_int_equal(v[i], i < n ? p[i] : 0);
		free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bits_are_lanes),
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_within),
		cmocka_unit_test(test_short_spans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
