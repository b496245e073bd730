/* Claims into sets, sets renewed, versions judged. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "normalize/normalize.h"

static struct fl_names *names;

static void claim(struct fl_normalizer *z, const char *name, uint8_t scope)
{
	assert_int_equal(fl_normalize_claim(z, fl_span_str(name), scope), 0);
}

static void test_one_name_one_entry(void **state)
{
	struct fl_normalizer z = { .names = names, .attrs = { .confidence = 80, .category = FL_CAT_PHISHING, .first_seen_s = 7 } };
	char text[FL_NAME_TEXT];

	(void)state;
	claim(&z, "www.bad.example", FL_SCOPE_EXACT);
	claim(&z, "Bad.Example.", FL_SCOPE_EXACT);
	claim(&z, "bad.example", FL_SCOPE_SUBDOMAINS);
	claim(&z, "github.io", FL_SCOPE_SUBTREE);
	claim(&z, "com", FL_SCOPE_EXACT);
	claim(&z, "co.uk", FL_SCOPE_SUBTREE);
	claim(&z, "1.2.3.4", FL_SCOPE_EXACT);
	assert_int_equal(fl_normalize_finish(&z), 0);
	assert_int_equal(z.set.n, 3);
	assert_string_equal(fl_rkey_to_text(fl_set_key(&z.set, 0), text), "bad.example");
	assert_int_equal(z.set.v[0].t.scope, FL_SCOPE_SUBTREE);
	assert_int_equal(z.set.v[0].t.confidence, 80);
	assert_int_equal(z.set.v[0].t.category, FL_CAT_PHISHING);
	assert_string_equal(fl_rkey_to_text(fl_set_key(&z.set, 1), text), "www.bad.example");
	assert_int_equal(z.set.v[2].t.scope, FL_SCOPE_EXACT);
	assert_true(fl_tally_balances(&z.tally));
	assert_int_equal(z.tally.in, 7);
	assert_int_equal(z.tally.out, 3);
	assert_int_equal(z.tally.narrowed, 1);
	assert_int_equal(z.tally.dropped[FL_DROP_DUPLICATE], 1);
	assert_int_equal(z.tally.dropped[FL_DROP_SINGLE_LABEL], 1);
	assert_int_equal(z.tally.dropped[FL_DROP_ICANN_SUFFIX], 1);
	assert_int_equal(z.tally.dropped[FL_DROP_ADDRESS], 1);
	fl_set_done(&z.set);
}

static void claim_as(struct fl_normalizer *z, const char *name, struct fl_tuple t)
{
	assert_int_equal(fl_normalize_claim_as(z, fl_span_str(name), t.scope, &t, 100), 0);
}

/* Claims of one name in one body: the strongest confidence, the latest expiry, the earliest first sight. */
static void test_claims_of_one_name_merge(void **state)
{
	static const struct fl_tuple first = { .scope = FL_SCOPE_EXACT, .confidence = 30, .first_seen_s = 50, .expires_s = 300 };
	static const struct fl_tuple second = { .scope = FL_SCOPE_SUBDOMAINS, .confidence = 90, .category = FL_CAT_C2, .first_seen_s = 40, .expires_s = 200 };
	static const struct fl_tuple ended = { .scope = FL_SCOPE_EXACT, .confidence = 100, .first_seen_s = 10, .expires_s = 100 };
	static const struct fl_tuple endless = { .scope = FL_SCOPE_EXACT, .first_seen_s = 90 };
	struct fl_normalizer z = { .names = names };
	const struct fl_tuple *t;

	(void)state;
	claim_as(&z, "bad.example", first);
	claim_as(&z, "bad.example", second);
	claim_as(&z, "bad.example", ended);
	claim_as(&z, "worse.example", first);
	claim_as(&z, "worse.example", endless);
	claim_as(&z, "gone.example", ended);
	assert_int_equal(fl_normalize_finish(&z), 0);
	assert_int_equal(z.set.n, 2);
	t = &z.set.v[0].t;
	assert_int_equal(t->scope, FL_SCOPE_SUBTREE);
	assert_int_equal(t->confidence, 90);
	assert_int_equal(t->category, FL_CAT_C2);
	assert_int_equal(t->first_seen_s, 40);
	assert_int_equal(t->expires_s, 300);
	assert_int_equal(z.set.v[1].t.expires_s, 0);
	assert_int_equal(z.tally.dropped[FL_DROP_EXPIRED], 2);
	assert_true(fl_tally_balances(&z.tally));
	fl_set_done(&z.set);
}

static void add(struct fl_set *s, const char *name, uint32_t first_seen_s, uint32_t absent_since_s)
{
	struct fl_tuple t = { .scope = 1, .first_seen_s = first_seen_s, .absent_since_s = absent_since_s };
	struct fl_rkey key;

	assert_true(fl_rkey_from_text(fl_span_str(name), &key));
	assert_int_equal(fl_set_add(s, fl_rkey_span(&key), &t), 0);
}

/* "name first_seen absent_since;" of all that comes. */
static void renewed(struct fl_set *old, struct fl_set *new, uint32_t now_s, uint32_t keep_s, const char *expect)
{
	struct fl_entry_iter *it;
	struct fl_buf b = { 0 };
	struct fl_entry e;
	char text[FL_NAME_TEXT];
	size_t folded;

	assert_int_equal(fl_set_sort(old, &folded) | fl_set_sort(new, &folded), 0);
	it = keep_s ? fl_renew_keep_iter(fl_set_iter(old), fl_set_iter(new), now_s, keep_s) :
		      fl_renew_iter(fl_set_iter(old), fl_set_iter(new));
	assert_non_null(it);
	while (it->next(it, &e, NULL) == 1)
		fl_buf_printf(&b, "%s %u %u;", fl_rkey_to_text(e.key, text), e.t.first_seen_s, e.t.absent_since_s);
	assert_int_equal(it->next(it, &e, NULL), 0);
	fl_entries_close(it);
	assert_string_equal(fl_buf_cstr(&b), expect);
	fl_buf_done(&b);
}

static void test_renewal(void **state)
{
	struct fl_set old = { 0 }, new = { 0 };

	(void)state;
	add(&old, "a.example", 1, 0);
	add(&old, "b.example", 2, 0);
	add(&old, "c.example", 3, 900);
	add(&old, "z.example", 4, 0);
	add(&new, "a.example", 1000, 0);
	add(&new, "c.example", 1000, 0);
	add(&new, "n.example", 1000, 0);
	renewed(&old, &new, 1000, 0, "a.example 1 0;c.example 3 0;n.example 1000 0;");
	renewed(&old, &new, 1000, 60, "a.example 1 0;b.example 2 1000;c.example 3 0;n.example 1000 0;z.example 4 1000;");
	old.v[1].t.absent_since_s = 940;
	old.v[3].t.absent_since_s = 941;
	renewed(&old, &new, 1000, 60, "a.example 1 0;c.example 3 0;n.example 1000 0;z.example 4 941;");
	fl_set_done(&old);
	fl_set_done(&new);
}

static void test_guard(void **state)
{
	static const struct fl_guard_limits usual = { 0.30, 1.0, 1000, 0 }, least = { 0.30, 1.0, 1000, 500 };
	static const struct {
		const struct fl_guard_limits *l;
		bool first;
		uint64_t before, after, added, removed;
		const char *says; /* NULL: accepted */
	} rows[] = {
		{ &usual, true, 0, 1000000, 1000000, 0, NULL },
		{ &usual, true, 0, 0, 0, 0, NULL },
		{ &least, true, 0, 499, 499, 0, "min_names 500" },
		{ &least, true, 0, 500, 500, 0, NULL },
		{ &least, false, 600, 499, 0, 101, "min_names 500" },
		{ &usual, false, 90508, 88812, 409, 2105, NULL },     /* a real purge */
		{ &usual, false, 1275, 0, 0, 1275, "empty" },	      /* a real accident */
		{ &usual, false, 3, 0, 0, 3, "empty" },		      /* at any size */
		{ &usual, false, 1275, 8528, 7253, 0, "add" },	      /* and its end */
		{ &usual, false, 1000, 700, 0, 300, NULL },
		{ &usual, false, 1000, 699, 0, 301, "remove" },
		{ &usual, false, 1000, 2000, 1000, 0, NULL },
		{ &usual, false, 1000, 2001, 1001, 0, "add" },
		{ &usual, false, 999, 1, 0, 998, NULL },	      /* small sets may do what they like */
		{ &usual, false, 10, 1000, 990, 0, "add" },
		{ &usual, false, 0, 5000, 5000, 0, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char buf[160];
		const char *why = fl_guard_judge(rows[i].l, rows[i].first, rows[i].before, rows[i].after, rows[i].added,
						 rows[i].removed, buf, sizeof(buf));

		if (!why != !rows[i].says || (why && !strstr(why, rows[i].says)))
			fail_msg("row %zu: %s", i, why ? why : "accepted");
	}
}

/* What time takes: a name at its expiry, an absent one at the end of its stay, and never what was not asked about. */
static void test_time_takes_what_has_ended(void **state)
{
	static const struct {
		struct fl_tuple t;
		uint32_t now_s, keep_s;
		bool ended;
	} rows[] = {
		{ { .scope = 1 }, 1000, 10, false },
		{ { .scope = 1, .expires_s = 1000 }, 999, 0, false },
		{ { .scope = 1, .expires_s = 1000 }, 1000, 0, true },
		{ { .scope = 1, .absent_since_s = 900 }, 1000, 0, false },
		{ { .scope = 1, .absent_since_s = 900 }, 1000, 101, false },
		{ { .scope = 1, .absent_since_s = 900 }, 1000, 100, true },
		{ { .scope = 1, .absent_since_s = 1100 }, 1000, 100, false },
		{ { .scope = 1, .absent_since_s = 999, .expires_s = 1000 }, 1000, 100, true },
	};
	struct fl_set set = { 0 };
	struct fl_entry_iter *it;
	struct fl_entry e;
	struct fl_rkey key;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_int_equal(fl_tuple_ended(&rows[i].t, rows[i].now_s, rows[i].keep_s), rows[i].ended);
	assert_true(fl_rkey_from_text(fl_span_str("a.example"), &key));
	assert_int_equal(fl_set_add(&set, fl_rkey_span(&key), &rows[2].t), 0);
	assert_true(fl_rkey_from_text(fl_span_str("b.example"), &key));
	assert_int_equal(fl_set_add(&set, fl_rkey_span(&key), &rows[0].t), 0);
	it = fl_unexpired_iter(fl_set_iter(&set), 1000, 0);
	assert_non_null(it);
	assert_int_equal(it->next(it, &e, NULL), 1);
	assert_true(fl_span_eq(e.key, fl_rkey_span(&key)));
	assert_int_equal(it->next(it, &e, NULL), 0);
	fl_entries_close(it);
	fl_set_done(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_name_one_entry), cmocka_unit_test(test_claims_of_one_name_merge),
		cmocka_unit_test(test_time_takes_what_has_ended),
		cmocka_unit_test(test_renewal),
		cmocka_unit_test(test_guard),
	};
	struct fl_err err;
	int failed;

	if (fl_names_open(NULL, &names, &err) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fl_names_close(names);
	return failed;
}
