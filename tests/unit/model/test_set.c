/* A set in memory: sorted by key, each name once, repeats folded by rule. And the streams made of sets. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/support/setgen.h"

static void add(struct fl_set *s, const char *name, struct fl_tuple t)
{
	struct fl_rkey k = gen_rkey(name);

	assert_int_equal(fl_set_add(s, fl_rkey_span(&k), &t), 0);
}

static void test_order_keeps_subtrees_together(void **state)
{
	static const char *const names[] = { "b.example", "example", "a.b.example", "example-x", "b-c.example", ".", "a.example" };
	static const char *const want[] = { ".", "example", "a.example", "b.example", "a.b.example", "b-c.example", "example-x" };
	struct fl_set s = { 0 };
	char text[FL_NAME_TEXT];

	(void)state;
	for (size_t i = 0; i < 7; i++)
		add(&s, names[i], (struct fl_tuple){ .scope = 1 });
	assert_int_equal(fl_set_sort(&s, NULL), 0);
	assert_int_equal(s.n, 7);
	for (size_t i = 0; i < 7; i++) {
		struct fl_rkey k = gen_rkey(want[i]);

		assert_string_equal(fl_rkey_to_text(fl_set_key(&s, i), text), want[i]);
		assert_int_equal(fl_set_find(&s, fl_rkey_span(&k)), i);
	}
	assert_int_equal(fl_set_find(&s, fl_span("nosuch", 7)), SIZE_MAX);
	fl_set_done(&s);
}

static void test_repeats_fold(void **state)
{
	static const struct {
		struct fl_tuple a, b, want; /* scope, confidence, category, first seen, absent since, expires */
	} rows[] = {
		{ { 1, 0, 0, 0, 0, 0 }, { 2, 0, 0, 0, 0, 0 }, { 3, 0, 0, 0, 0, 0 } },
		{ { 3, 50, 2, 0, 0, 0 }, { 12, 90, 1, 0, 0, 0 }, { 15, 90, 2, 0, 0, 0 } },
		{ { 1, 0, 0, 9, 0, 0 }, { 1, 0, 4, 5, 0, 0 }, { 1, 0, 4, 5, 0, 0 } },
		{ { 1, 0, 0, 0, 0, 0 }, { 1, 0, 0, 5, 0, 0 }, { 1, 0, 0, 5, 0, 0 } },
		{ { 1, 0, 0, 5, 0, 0 }, { 1, 0, 0, 0, 0, 0 }, { 1, 0, 0, 5, 0, 0 } },
		{ { 1, 0, 0, 0, 7, 0 }, { 1, 0, 0, 0, 0, 0 }, { 1, 0, 0, 0, 0, 0 } }, /* present in one */
		{ { 1, 0, 0, 0, 7, 0 }, { 1, 0, 0, 0, 9, 0 }, { 1, 0, 0, 0, 9, 0 } },
		{ { 1, 0, 0, 0, 0, 7 }, { 1, 0, 0, 0, 0, 9 }, { 1, 0, 0, 0, 0, 9 } },
		{ { 1, 0, 0, 0, 0, 7 }, { 1, 0, 0, 0, 0, 0 }, { 1, 0, 0, 0, 0, 0 } }, /* never, in one */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_set s = { 0 };
		size_t folded = 99;

		add(&s, "z.example", (struct fl_tuple){ .scope = 1 });
		add(&s, "bad.example", rows[i].a);
		add(&s, "bad.example", rows[i].b);
		assert_int_equal(fl_set_sort(&s, &folded), 0);
		assert_int_equal(folded, 1);
		assert_int_equal(s.n, 2);
		if (!fl_tuple_eq(&s.v[0].t, &rows[i].want))
			fail_msg("row %zu", i);
		fl_set_done(&s);
	}
}

static void test_limits(void **state)
{
	static const uint8_t long_key[FL_RKEY_MAX + 1];
	struct fl_set s = { 0 };

	(void)state;
	assert_int_equal(fl_set_sort(&s, NULL), 0);
	assert_int_equal(fl_set_find(&s, fl_span(NULL, 0)), SIZE_MAX);
	assert_int_equal(fl_set_add(&s, fl_span(long_key, sizeof(long_key)), &(struct fl_tuple){ .scope = 1 }), FL_ELIMIT);
	s.keys_n = UINT32_MAX;
	assert_int_equal(fl_set_add(&s, fl_span("a", 2), &(struct fl_tuple){ .scope = 1 }), FL_ELIMIT);
	s.keys_n = 0;
	fl_set_done(&s);
}

static const struct fl_set *cmp_set;

static int by_key_then_row(const void *a, const void *b)
{
	uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
	int c = fl_rkey_cmp(fl_set_key(cmp_set, i), fl_set_key(cmp_set, j));

	return c ? c : (i > j) - (i < j);
}

/* Octets that no name has, zeros in a row, starts shared for longer than one look of the sort. */
static struct fl_rkey odd_key(struct gen *g)
{
	static const uint8_t octets[] = { 0, 0, 1, 0x1f, 0x20, '-', '0', '9', '?', '@', 'A', '_', '`', 'a', 'z', 0x7f, 0x80, 0xff };
	struct fl_rkey k = { 0 };
	unsigned same = 16 * gen_below(g, 4), n = same + gen_below(g, 20);

	while (k.len < n) {
		k.b[k.len] = k.len < same ? 'a' : octets[gen_below(g, sizeof(octets))];
		k.len++;
	}
	return k;
}

static void sort_check(uint64_t seed, uint32_t n, struct fl_rkey (*key)(struct gen *g))
{
	struct gen g = { seed };
	struct fl_set s = { 0 }, plain = { 0 };
	uint32_t *order = calloc(n + 1, sizeof(*order)), at = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct fl_rkey k = key(&g);
		struct fl_tuple t = { .scope = 1, .category = (uint8_t)(1 + i % 8) };

		fl_set_add(&s, fl_rkey_span(&k), &t);
		fl_set_add(&plain, fl_rkey_span(&k), &t);
		order[i] = i;
	}
	cmp_set = &plain;
	qsort(order, n, sizeof(*order), by_key_then_row);
	assert_int_equal(fl_set_sort(&s, NULL), 0);
	for (uint32_t i = 0; i < n; i++) {
		if (i && fl_span_eq(fl_set_key(&plain, order[i - 1]), fl_set_key(&plain, order[i])))
			continue; /* the first of its name stands for it: its category won */
		assert_true(fl_span_eq(fl_set_key(&s, at), fl_set_key(&plain, order[i])));
		assert_int_equal(s.v[at].t.category, plain.v[order[i]].t.category);
		at++;
	}
	assert_int_equal(s.n, at);
	free(order);
	fl_set_done(&s);
	fl_set_done(&plain);
}

static void test_sort_agrees_with_qsort(void **state)
{
	uint64_t seed = gen_first_seed();

	(void)state;
	for (uint64_t run = 0; run < 30; run++) {
		struct gen g = { seed + run };

		sort_check(seed + run, gen_below(&g, 3000), gen_key);
		sort_check(seed + run, gen_below(&g, 3000), odd_key);
		sort_check(seed + run, gen_below(&g, 300), odd_key);
	}
	sort_check(seed, 50000, gen_key); /* large enough for all digits */
	sort_check(seed, 50000, odd_key);
}

static void test_room_is_asked_for(void **state)
{
	struct fl_set s = { 0 };
	struct fl_rkey k = gen_rkey("bad.example"), *to = NULL;
	uint8_t *keys;

	(void)state;
	fl_set_reserve(&s, 1000, 100000);
	assert_true(s.cap >= 1000 && s.keys_cap >= 100000 && s.n == 0);
	keys = s.keys;
	fl_set_reserve(&s, SIZE_MAX / 2, 0); /* cannot be had: nothing is lost */
	add(&s, "a.example", (struct fl_tuple){ .scope = 1 });
	assert_int_equal(fl_set_next(&s, &to), 0);
	*to = k;
	fl_set_take_next(&s, &(struct fl_tuple){ .scope = 2 });
	assert_ptr_equal(s.keys, keys);
	assert_int_equal(fl_set_sort(&s, NULL), 0);
	assert_int_equal(fl_set_find(&s, fl_rkey_span(&k)), 1);
	assert_int_equal(s.v[1].t.scope, 2);
	fl_set_done(&s);
}

/* A stream that fails after `good` entries, and notes that it was closed. */
struct faulty {
	struct fl_entry_iter base;
	int good;
	bool *closed;
};

static int faulty_next(struct fl_entry_iter *base, struct fl_entry *out, struct fl_err *err)
{
	static const uint8_t keys[][2] = { { 'a', 0 }, { 'b', 0 }, { 'c', 0 }, { 'd', 0 } };
	struct faulty *f = (struct faulty *)base;

	if (f->good == 0)
		return fl_err_set(err, FL_EUNAVAIL, "the store went away");
	*out = (struct fl_entry){ fl_span(keys[4 - f->good], 2), { .scope = 1 } };
	f->good--;
	return 1;
}

static void faulty_close(struct fl_entry_iter *base)
{
	*((struct faulty *)base)->closed = true;
	free(base);
}

static struct fl_entry_iter *faulty_new(int good, bool *closed)
{
	struct faulty *f = calloc(1, sizeof(*f));

	*f = (struct faulty){ { faulty_next, faulty_close }, good, closed };
	*closed = false;
	return &f->base;
}

static void test_errors_pass_and_end_the_stream(void **state)
{
	struct fl_change_iter *d;
	struct fl_entry_iter *p;
	struct fl_change c;
	struct fl_entry e;
	struct fl_err err = { 0 };
	bool a, b;

	(void)state;
	d = fl_diff_iter(faulty_new(4, &a), fl_entries_empty());
	for (int i = 0; i < 4; i++)
		assert_int_equal(d->next(d, &c, &err), 1);
	assert_int_equal(d->next(d, &c, &err), FL_EUNAVAIL);
	assert_string_equal(err.text, "the store went away");
	assert_int_equal(d->next(d, &c, &err), 0);
	fl_changes_close(d);
	assert_true(a);

	p = fl_patch_iter(faulty_new(0, &a), fl_changes_empty());
	assert_int_equal(p->next(p, &e, &err), FL_EUNAVAIL);
	assert_int_equal(p->next(p, &e, &err), 0);
	fl_entries_close(p);
	assert_true(a);

	d = fl_compose_iter(fl_diff_iter(faulty_new(1, &a), fl_entries_empty()), fl_diff_iter(fl_entries_empty(), faulty_new(2, &b)));
	assert_true(d->next(d, &c, &err) < 0 || d->next(d, &c, &err) < 0);
	fl_changes_close(d);
	assert_true(a && b);

	assert_null(fl_diff_iter(faulty_new(1, &a), NULL)); /* as when the other ran out of memory: the first is closed */
	assert_true(a);
}

static void test_patch_refuses_what_does_not_fit(void **state)
{
	const struct fl_tuple none = { 0 }, one = { .scope = 1 }, two = { .scope = 2 }, late = { .scope = 1, .expires_s = 9 };
	const struct {
		struct fl_tuple have, from, to;
		int ret;
		const char *says;
	} rows[] = {
		{ none, none, one, 0, "" },
		{ one, one, none, 0, "" },
		{ one, one, two, 0, "" },
		{ one, none, one, FL_ECORRUPT, "it is there already" },
		{ none, one, none, FL_ECORRUPT, "it is not there" },
		{ one, two, none, FL_ECORRUPT, "differ" },
		{ one, late, two, FL_ECORRUPT, "differ" }, /* attributes count */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_set base = { 0 }, from = { 0 }, to = { 0 }, got = { 0 };
		struct fl_err err = { 0 };
		int ret;

		if (rows[i].have.scope)
			add(&base, "bad.example", rows[i].have);
		if (rows[i].from.scope)
			add(&from, "bad.example", rows[i].from);
		if (rows[i].to.scope)
			add(&to, "bad.example", rows[i].to);
		ret = gen_collect(fl_patch_iter(fl_set_iter(&base), fl_diff_iter(fl_set_iter(&from), fl_set_iter(&to))), &got, &err);
		if (ret != rows[i].ret || !strstr(err.text, rows[i].says) || (ret < 0 && !strstr(err.text, "bad.example")))
			fail_msg("row %zu: %d %s", i, ret, err.text);
		if (ret == 0)
			assert_true(gen_sets_equal(&got, &to));
		fl_set_done(&base);
		fl_set_done(&from);
		fl_set_done(&to);
		fl_set_done(&got);
	}
}

static void test_compose_needs_one_story(void **state)
{
	struct fl_set none = { 0 }, one = { 0 }, two = { 0 };
	struct fl_change_iter *it;
	struct fl_err err = { 0 };
	struct fl_change c;

	(void)state;
	add(&one, "bad.example", (struct fl_tuple){ .scope = 1 });
	add(&two, "bad.example", (struct fl_tuple){ .scope = 2 });
	/* added, then removed: nothing */
	it = fl_compose_iter(fl_diff_iter(fl_set_iter(&none), fl_set_iter(&one)), fl_diff_iter(fl_set_iter(&one), fl_set_iter(&none)));
	assert_int_equal(it->next(it, &c, &err), 0);
	fl_changes_close(it);
	/* added as one, then removed as two */
	it = fl_compose_iter(fl_diff_iter(fl_set_iter(&none), fl_set_iter(&one)), fl_diff_iter(fl_set_iter(&two), fl_set_iter(&none)));
	assert_int_equal(it->next(it, &c, &err), FL_ECORRUPT);
	assert_non_null(strstr(err.text, "bad.example"));
	fl_changes_close(it);
	fl_set_done(&one);
	fl_set_done(&two);
}

static void test_reading_expects_order(void **state)
{
	struct fl_set unsorted = { 0 }, got = { 0 };

	(void)state;
	add(&unsorted, "b.example", (struct fl_tuple){ .scope = 1 });
	add(&unsorted, "a.example", (struct fl_tuple){ .scope = 1 });
	assert_int_equal(gen_collect(fl_set_iter(&unsorted), &got, NULL), FL_ECORRUPT);
	fl_set_done(&unsorted);
	fl_set_done(&got);
}

static void test_words(void **state)
{
	enum fl_category c;

	(void)state;
	for (unsigned i = 0; i < FL_CAT_COUNT; i++) {
		assert_true(fl_category_parse(fl_category_word((enum fl_category)i), &c));
		assert_int_equal(c, i);
	}
	assert_false(fl_category_parse("Malware", &c));
	assert_string_equal(fl_category_word((enum fl_category)200), "other");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_keeps_subtrees_together),
		cmocka_unit_test(test_repeats_fold),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_sort_agrees_with_qsort),
		cmocka_unit_test(test_room_is_asked_for),
		cmocka_unit_test(test_errors_pass_and_end_the_stream),
		cmocka_unit_test(test_patch_refuses_what_does_not_fit),
		cmocka_unit_test(test_compose_needs_one_story),
		cmocka_unit_test(test_reading_expects_order),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
