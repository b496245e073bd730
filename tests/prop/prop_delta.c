/* Deltas and streams against sets in memory, over random histories: patch undoes diff, reversing gives back, composing is
 * diffing the ends, digests follow, and one flipped bit or one missing octet is refused. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/support/setgen.h"

enum { RUNS = 150 };

struct trio {
	struct fl_set a, b, c;
	struct fl_buf ab, bc;
	struct fl_delta_meta ab_meta, bc_meta;
};

static void trio_make(struct gen *g, struct trio *t)
{
	size_t n = gen_below(g, 3) ? gen_below(g, 300) : gen_below(g, 4);

	*t = (struct trio){ 0 };
	gen_set(g, n, &t->a);
	gen_next(g, &t->a, gen_below(g, 40), &t->b);
	gen_next(g, &t->b, gen_below(g, 40), &t->c);
	assert_int_equal(gen_encode(fl_diff_iter(fl_set_iter(&t->a), fl_set_iter(&t->b)), &t->ab, &t->ab_meta), 0);
	assert_int_equal(gen_encode(fl_diff_iter(fl_set_iter(&t->b), fl_set_iter(&t->c)), &t->bc, &t->bc_meta), 0);
}

static void trio_done(struct trio *t)
{
	fl_set_done(&t->a);
	fl_set_done(&t->b);
	fl_set_done(&t->c);
	fl_buf_done(&t->ab);
	fl_buf_done(&t->bc);
}

static struct fl_change_iter *opened(const struct fl_buf *b, bool reversed)
{
	struct fl_change_iter *it = NULL;
	struct fl_err err = { 0 };
	int ret = reversed ? fl_delta_open_reversed(fl_buf_span(b), &it, &err) : fl_delta_open(fl_buf_span(b), &it, &err);

	if (ret)
		fail_msg("open: %s", err.text);
	return it;
}

static void expect(struct fl_entry_iter *it, const struct fl_set *want)
{
	struct fl_set got = { 0 };
	struct fl_err err = { 0 };

	if (gen_collect(it, &got, &err) != 0)
		fail_msg("stream: %s", err.text);
	assert_true(gen_sets_equal(&got, want));
	fl_set_done(&got);
}

static void check_patches(const struct trio *t)
{
	expect(fl_patch_iter(fl_set_iter(&t->a), opened(&t->ab, false)), &t->b);
	expect(fl_patch_iter(fl_set_iter(&t->b), opened(&t->ab, true)), &t->a);
	expect(fl_patch_iter(fl_patch_iter(fl_set_iter(&t->a), opened(&t->ab, false)), opened(&t->bc, false)), &t->c);
	expect(fl_patch_iter(fl_set_iter(&t->a), fl_compose_iter(opened(&t->ab, false), opened(&t->bc, false))), &t->c);
	expect(fl_patch_iter(fl_set_iter(&t->c), fl_compose_iter(opened(&t->bc, true), opened(&t->ab, true))), &t->a);
}

/* The same octets, so the same changes in the same order. */
static void check_compose(const struct trio *t)
{
	struct fl_buf joint = { 0 }, direct = { 0 };
	struct fl_delta_meta joint_meta, direct_meta;

	assert_int_equal(gen_encode(fl_compose_iter(opened(&t->ab, false), opened(&t->bc, false)), &joint, &joint_meta), 0);
	assert_int_equal(gen_encode(fl_diff_iter(fl_set_iter(&t->a), fl_set_iter(&t->c)), &direct, &direct_meta), 0);
	assert_memory_equal(joint_meta.sha256, direct_meta.sha256, 32);
	assert_int_equal(joint_meta.added + t->a.n, direct_meta.removed + t->c.n);
	assert_true(fl_span_eq(fl_buf_span(&joint), fl_buf_span(&direct)));
	fl_buf_done(&joint);
	fl_buf_done(&direct);
}

static void check_digests(const struct trio *t)
{
	struct fl_digests d = gen_digests(&t->a), b = gen_digests(&t->b), a = d;
	struct fl_change_iter *it = opened(&t->ab, false);
	struct fl_change c;

	while (it->next(it, &c, NULL) > 0)
		fl_digests_change(&d, &c);
	fl_changes_close(it);
	assert_true(gen_digests_equal(&d, &b));
	it = opened(&t->ab, true);
	while (it->next(it, &c, NULL) > 0)
		fl_digests_change(&d, &c);
	fl_changes_close(it);
	assert_true(gen_digests_equal(&d, &a));
}

static void check_meta(const struct trio *t)
{
	struct fl_delta_meta m;

	assert_int_equal(fl_delta_check(fl_buf_span(&t->ab), &m, NULL), 0);
	assert_memory_equal(&m, &t->ab_meta, sizeof(m));
	assert_int_equal(m.records, m.added + m.removed + m.changed);
	assert_int_equal(t->a.n + m.added - m.removed, t->b.n);
}

/* Applied where it does not belong: an error, or (when it says the same there) the right set, never a wrong one in silence. */
static void check_wrong_base(const struct trio *t)
{
	struct fl_set got = { 0 };
	int ret = gen_collect(fl_patch_iter(fl_set_iter(&t->b), opened(&t->ab, false)), &got, NULL);

	if (t->ab_meta.records)
		assert_int_equal(ret, FL_ECORRUPT);
	else
		assert_int_equal(ret, 0);
	fl_set_done(&got);
}

static void test_histories(void **state)
{
	uint64_t seed = gen_first_seed();

	(void)state;
	for (uint64_t i = 0; i < RUNS; i++) {
		struct gen g = { seed + i };
		struct trio t;

		printf("seed %llu\n", (unsigned long long)(seed + i));
		trio_make(&g, &t);
		check_patches(&t);
		check_compose(&t);
		check_digests(&t);
		check_meta(&t);
		check_wrong_base(&t);
		trio_done(&t);
	}
}

static void test_damage_is_refused(void **state)
{
	struct gen g = { gen_first_seed() };
	struct fl_set a = { 0 }, b = { 0 };
	struct fl_delta_meta m;
	struct fl_buf bytes = { 0 };

	(void)state;
	gen_set(&g, 12, &a);
	gen_next(&g, &a, 6, &b);
	assert_int_equal(gen_encode(fl_diff_iter(fl_set_iter(&a), fl_set_iter(&b)), &bytes, &m), 0);
	for (size_t i = 0; i < bytes.n * 8; i++) {
		bytes.p[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_int_equal(fl_delta_check(fl_buf_span(&bytes), &m, NULL), FL_ECORRUPT);
		bytes.p[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	for (size_t n = 0; n < bytes.n; n++)
		assert_int_equal(fl_delta_check(fl_span(bytes.p, n), &m, NULL), FL_ECORRUPT);
	fl_buf_u8(&bytes, 0);
	assert_int_equal(fl_delta_check(fl_buf_span(&bytes), &m, NULL), FL_ECORRUPT);
	fl_buf_done(&bytes);
	fl_set_done(&a);
	fl_set_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_histories),
		cmocka_unit_test(test_damage_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
