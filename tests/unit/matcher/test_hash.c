/* The keyed hash: what the layout of rows and the bound in docs/formats/image.md rely on. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "matcher/rows.h"
#include "tests/support/image_help.h"

static struct fl__print print_of(const struct fl__hash_keys *k, const char *name)
{
	struct fl_rkey key;

	assert_true(fl_rkey_from_text(fl_span_str(name), &key));
	return fl__hash_key(k, fl_rkey_span(&key));
}

static bool same(struct fl__print a, struct fl__print b)
{
	return a.hi == b.hi && a.lo == b.lo;
}

static void labels_are_cut_without_ambiguity(void **state)
{
	static const char *const names[] = { ".",	    "a",	  "aa",		 "a.a",		 "aaaaaaa",	 "aaaaaaaa",
					     "a.aaaaaaa", "aaaaaaa.a", "aaaaaaaaaaaaaa", "aaaaaaa.aaaaaaa", "aaaaaaaaaaaaaaa", "ab.c",
					     "a.bc",	    "abc",	  "c.ab",	 "0",		 "-",		 "_" };
	struct fl__hash_keys k;

	(void)state;
	fl__hash_keys_init(&k, &(struct fl_image_key){ { 1 } });
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		for (size_t j = 0; j < i; j++)
			assert_false(same(print_of(&k, names[i]), print_of(&k, names[j])));
}

static void label_by_label_is_the_whole(void **state)
{
	struct fl__hash_keys k;
	struct fl__hash h = { 0, 0 };
	/* the last octets of a readable area, and the same with octets behind them, hash alike */
	static const uint8_t tail[] = "com\0example-with-more\0www\0garbage";

	(void)state;
	fl__hash_keys_init(&k, &(struct fl_image_key){ { 2 } });
	fl__hash_label(&k, &h, tail, 3, tail + 3);
	fl__hash_label(&k, &h, tail + 4, 17, tail + 21);
	fl__hash_label(&k, &h, tail + 22, 3, tail + sizeof(tail));
	assert_true(same(fl__hash_print(&h), print_of(&k, "www.example-with-more.com")));
}

static void the_key_matters(void **state)
{
	struct fl__hash_keys a, b;

	(void)state;
	fl__hash_keys_init(&a, &(struct fl_image_key){ { 1 } });
	fl__hash_keys_init(&b, &(struct fl_image_key){ { 1, 1 } });
	assert_false(same(print_of(&a, "example.com"), print_of(&b, "example.com")));
	assert_true(a.k1 != a.k2);
}

/* Siblings that differ in their last octet only must not share a bucket, or a bucket would hold a whole zone. */
static void siblings_spread(void **state)
{
	enum { N = 20000 };
	struct fl__row *v = calloc(N + 1, sizeof(*v));
	struct fl__hash_keys k;
	struct fl__ops ops = { 0 };
	struct fl__table *t;
	size_t longest = 0;

	(void)state;
	fl__hash_keys_init(&k, &(struct fl_image_key){ { 3 } });
	for (unsigned i = 0; i < N; i++) {
		char name[32];
		struct fl__print p;

		snprintf(name, sizeof(name), "r%u.example.com", i);
		p = print_of(&k, name);
		assert_int_equal(fl__ops_add(&ops, &(struct fl__op){ p.hi, p.lo, 0, 0, 1 }), 0);
	}
	assert_true(fl__ops_sort(&ops));
	for (unsigned i = 0; i < N; i++) {
		v[i] = (struct fl__row){ ops.v[i].hi, ops.v[i].lo, 1 };
		if (i > 0)
			assert_true(fl__print_cmp(v[i - 1].hi, v[i - 1].lo, v[i].hi, v[i].lo) < 0);
	}
	fl__ops_done(&ops);
	t = fl__table_new(v, N);
	assert_non_null(t);
	for (size_t b = 0; b < (size_t)1 << t->bits; b++)
		if (t->first[b + 1] - t->first[b] > longest)
			longest = t->first[b + 1] - t->first[b];
	assert_true(longest < 40);
	fl__table_release(t);
}

static void operations_on_one_name_keep_their_order(void **state)
{
	struct fl__ops ops = { 0 };

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		fl__ops_add(&ops, &(struct fl__op){ (uint64_t)(i * 7919 % 50) << 57, i * 31 % 3, (uint16_t)i, 0, 1 });
	assert_true(fl__ops_sort(&ops));
	for (size_t i = 1; i < ops.n; i++) {
		int c = fl__print_cmp(ops.v[i - 1].hi, ops.v[i - 1].lo, ops.v[i].hi, ops.v[i].lo);

		assert_true(c < 0 || (c == 0 && ops.v[i - 1].input < ops.v[i].input));
	}
	fl__ops_done(&ops);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels_are_cut_without_ambiguity),
		cmocka_unit_test(label_by_label_is_the_whole),
		cmocka_unit_test(the_key_matters),
		cmocka_unit_test(siblings_spread),
		cmocka_unit_test(operations_on_one_name_keep_their_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
