/* Keyframes over random sets: reading undoes writing, a range is what a filter over everything gives, and damage to any
 * octet of any block is refused. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/support/blocks.h"
#include "tests/support/setgen.h"

enum { RUNS = 60 };

static struct blocks kf; /* too large for a stack */

static void write_set(const struct fl_set *s, struct fl_keyframe_meta *meta)
{
	struct fl_digests want = gen_digests(s);
	uint64_t bytes = 0;

	blocks_done(&kf);
	assert_int_equal(blocks_write(&kf, s, meta), 0);
	assert_int_equal(meta->blocks, kf.n);
	for (uint32_t i = 0; i < kf.n; i++)
		bytes += kf.v[i].n;
	assert_int_equal(meta->bytes, bytes);
	assert_true(gen_digests_equal(&meta->digests, &want));
}

static int read_set(uint32_t blocks, struct fl_set *out)
{
	struct fl_entry_iter *it = NULL;
	int ret = fl_keyframe_open(blocks_source, &kf, blocks, &it, NULL);

	return ret < 0 ? ret : gen_collect(it, out, NULL);
}

static void check_range(const struct fl_set *s, uint32_t blocks, struct fl_span top)
{
	struct fl_entry_iter *it = NULL;
	struct fl_set got = { 0 }, want = { 0 };

	for (size_t i = 0; i < s->n; i++)
		if (fl_rkey_below_or_at(fl_set_key(s, i), top))
			fl_set_add(&want, fl_set_key(s, i), &s->v[i].t);
	assert_int_equal(fl_keyframe_open_range(blocks_source, &kf, blocks, top, &it, NULL), 0);
	assert_int_equal(gen_collect(it, &got, NULL), 0);
	assert_true(gen_sets_equal(&got, &want));
	fl_set_done(&got);
	fl_set_done(&want);
}

static void test_sets(void **state)
{
	uint64_t seed = gen_first_seed();

	(void)state;
	for (uint64_t i = 0; i < RUNS; i++) {
		struct gen g = { seed + i };
		struct fl_set s = { 0 }, got = { 0 };
		struct fl_keyframe_meta meta;

		printf("seed %llu\n", (unsigned long long)(seed + i));
		gen_set(&g, i % 4 ? gen_below(&g, 500) : gen_below(&g, 30000), &s);
		write_set(&s, &meta);
		assert_int_equal(read_set(meta.blocks, &got), 0);
		assert_true(gen_sets_equal(&got, &s));
		for (int k = 0; k < 20; k++) {
			struct fl_rkey top = gen_key(&g);

			check_range(&s, meta.blocks, fl_rkey_span(&top));
		}
		if (s.n)
			check_range(&s, meta.blocks, fl_set_key(&s, gen_below(&g, (uint32_t)s.n)));
		check_range(&s, meta.blocks, fl_span(NULL, 0));
		fl_set_done(&s);
		fl_set_done(&got);
	}
	blocks_done(&kf);
}

static void expect_corrupt(uint32_t blocks)
{
	struct fl_set got = { 0 };

	assert_int_equal(read_set(blocks, &got), FL_ECORRUPT);
	fl_set_done(&got);
}

static void test_damage_is_refused(void **state)
{
	struct gen g = { gen_first_seed() };
	struct fl_keyframe_meta meta;
	struct fl_set s = { 0 };

	(void)state;
	gen_set(&g, 20, &s);
	write_set(&s, &meta);
	for (uint32_t b = 0; b < kf.n; b++) {
		size_t n = kf.v[b].n;

		for (size_t i = 0; i < n * 8; i++) {
			kf.v[b].p[i / 8] ^= (uint8_t)(1 << i % 8);
			expect_corrupt(meta.blocks);
			kf.v[b].p[i / 8] ^= (uint8_t)(1 << i % 8);
		}
		for (kf.v[b].n = 1; kf.v[b].n < n; kf.v[b].n++)
			expect_corrupt(meta.blocks);
		fl_buf_u8(&kf.v[b], 0);
		expect_corrupt(meta.blocks);
		kf.v[b].n--;
	}
	blocks_done(&kf);
	fl_set_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_damage_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
