/* What a feed may not block: which entries are quarantined, and that the rest is not. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "normalize/normalize.h"
#include "tests/support/setgen.h"

static struct fl_names *names;

static int open_names(void **state)
{
	(void)state;
	return fl_names_open(NULL, &names, NULL);
}

static int close_names(void **state)
{
	(void)state;
	fl_names_close(names);
	return 0;
}

static void protect(struct fl_protected *p, const char *text)
{
	int ret;

	assert_int_equal(fl_protect_add_text(p, names, fl_span_str(text), FL_PROTECT_OPERATOR, &ret), FL_DROP_COUNT);
	assert_int_equal(ret, 0);
}

/* Each row: a protected name, an entry, whether that is a hit. */
static void test_rows(void **state)
{
	static const struct {
		const char *name, *entry;
		uint8_t scope;
		bool hit;
	} rows[] = {
		{ "a.example", "a.example", FL_SCOPE_EXACT, true },
		{ "a.example", "a.example", FL_SCOPE_SUBTREE, true },
		{ "a.example", "a.example", FL_SCOPE_SUBDOMAINS, false },   /* itself it does not block */
		{ "a.example", "b.a.example", FL_SCOPE_SUBTREE, false },    /* below it may be listed */
		{ "a.example", "example", FL_SCOPE_SUBTREE, true },
		{ "a.example", "example", FL_SCOPE_SUBDOMAINS, true },
		{ "a.example", "example", FL_SCOPE_EXACT, false },
		{ "a.example", "a.example", FL_SCOPE_EXCEPT_SUBTREE, false }, /* an exception lets it through */
		{ "a.example", "aa.example", FL_SCOPE_SUBTREE, false },
		{ "a.example", "-a.example", FL_SCOPE_SUBTREE, false },
		{ ".corp.example", "corp.example", FL_SCOPE_EXACT, true },
		{ ".corp.example", "x.corp.example", FL_SCOPE_EXACT, true },
		{ ".corp.example", "y.x.corp.example", FL_SCOPE_SUBDOMAINS, true },
		{ "*.corp.example", "x.corp.example", FL_SCOPE_EXACT, true },
		{ ".corp.example", "x.corp.example", FL_SCOPE_EXCEPT_EXACT, false },
		{ ".corp.example", "example", FL_SCOPE_SUBTREE, true },
		{ ".corp.example", "xcorp.example", FL_SCOPE_SUBTREE, false },
		{ ".corp.example", "corp-x.example", FL_SCOPE_SUBTREE, false },
		{ "A.Example.", "a.example", FL_SCOPE_EXACT, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_protected p = { 0 };
		struct fl_set set = { 0 };
		struct fl_arena arena = { 0 };
		struct fl_rkey k = gen_rkey(rows[i].entry);
		struct fl_protect_hit *hits;
		size_t n;

		protect(&p, rows[i].name);
		assert_int_equal(fl_set_add(&set, fl_rkey_span(&k), &(struct fl_tuple){ .scope = rows[i].scope }), 0);
		assert_int_equal(fl_protect_find(&p, &set, &arena, &hits, &n), 0);
		if (n != rows[i].hit)
			fail_msg("%s protected, %s listed (%d)", rows[i].name, rows[i].entry, rows[i].scope);
		fl_set_done(&set);
		fl_protected_done(&p);
		fl_arena_done(&arena);
	}
}

/* The entry that blocks a question at `name` (self), or below it; SIZE_MAX: none. By looking at all of them. */
static size_t decides(const struct fl_set *set, struct fl_span name, bool self)
{
	size_t best = SIZE_MAX, best_n = 0;

	for (size_t e = 0; e < set->n; e++) {
		struct fl_span key = fl_set_key(set, e);
		bool at = self && fl_span_eq(key, name);
		uint8_t bits = at ? FL_SCOPE_SELF_BITS : FL_SCOPE_BELOW_BITS;

		if (fl_rkey_below_or_at(name, key) && (set->v[e].t.scope & bits) && (best == SIZE_MAX || key.n >= best_n)) {
			best = e;
			best_n = key.n;
		}
	}
	if (best == SIZE_MAX)
		return best;
	{
		bool at = self && fl_span_eq(fl_set_key(set, best), name);

		return set->v[best].t.scope & (at ? FL_SCOPE_EXCEPT_EXACT : FL_SCOPE_EXCEPT_SUBDOMAINS) ? SIZE_MAX : best;
	}
}

/* The same by looking at every pair, over random sets. */
static void test_as_by_looking_at_every_pair(void **state)
{
	struct gen g = { gen_first_seed() };
	size_t found = 0;

	(void)state;
	for (int round = 0; round < 200; round++) {
		struct fl_protected p = { 0 };
		struct fl_set set = { 0 };
		struct fl_arena arena = { 0 };
		struct fl_protect_hit *hits;
		size_t n, k = 0;

		gen_set(&g, gen_below(&g, 60), &set);
		for (uint32_t i = gen_below(&g, 8); i; i--) {
			struct fl_rkey key = gen_key(&g);

			assert_int_equal(fl_protect_add(&p, fl_rkey_span(&key), gen_below(&g, 2), FL_PROTECT_ZONE), 0);
		}
		assert_int_equal(fl_protect_find(&p, &set, &arena, &hits, &n), 0);
		for (size_t e = 0; e < set.n; e++) {
			struct fl_span key = fl_set_key(&set, e);
			uint8_t scope = set.v[e].t.scope;
			bool want = false;

			for (size_t i = 0; i < p.n; i++) {
				struct fl_span name = fl_rkey_span(&p.v[i].key);

				want = want || decides(&set, name, true) == e;
				want = want || (p.v[i].zone && (decides(&set, name, false) == e || ((scope & FL_SCOPE_SUBTREE) && fl_rkey_below_or_at(key, name))));
			}
			if (want != (k < n && hits[k].entry == e))
				fail_msg("round %d, entry %zu", round, e);
			k += want;
		}
		assert_int_equal(k, n);
		found += n;
		fl_set_done(&set);
		fl_protected_done(&p);
		fl_arena_done(&arena);
	}
	assert_true(found > 100);
}

/* A list that excepts what is protected keeps its block: ||example.com^ with @@||bank.example.com^. */
static void test_an_exception_spares_the_block(void **state)
{
	struct fl_protected p = { 0 };
	struct fl_set set = { 0 };
	struct fl_arena arena = { 0 };
	struct fl_rkey top = gen_rkey("example.com"), bank = gen_rkey("bank.example.com");
	struct fl_protect_hit *hits;
	size_t n;

	(void)state;
	protect(&p, "bank.example.com");
	assert_int_equal(fl_set_add(&set, fl_rkey_span(&top), &(struct fl_tuple){ .scope = FL_SCOPE_SUBTREE }), 0);
	assert_int_equal(fl_set_add(&set, fl_rkey_span(&bank), &(struct fl_tuple){ .scope = FL_SCOPE_EXCEPT_EXACT }), 0);
	assert_int_equal(fl_set_sort(&set, NULL), 0);
	assert_int_equal(fl_protect_find(&p, &set, &arena, &hits, &n), 0);
	assert_int_equal(n, 0);
	fl_protected_done(&p);
	protect(&p, "*.bank.example.com"); /* the exception is of the name alone, and the zone is more */
	assert_int_equal(fl_protect_find(&p, &set, &arena, &hits, &n), 0);
	assert_int_equal(n, 1);
	fl_set_done(&set);
	fl_protected_done(&p);
	fl_arena_done(&arena);
}

static void test_shipped(void **state)
{
	static const char *const those[] = { "google.com", "ocsp.digicert.com", "pool.ntp.org", "captive.apple.com", "management.azure.com", "sts.amazonaws.com" };
	struct fl_protected p = { 0 };
	struct fl_arena arena = { 0 };
	struct fl_protect_hit *hits;
	struct fl_set set = { 0 };
	size_t n;

	(void)state;
	assert_int_equal(fl_protect_add_shipped(&p, names), 0);
	for (size_t i = 0; i < sizeof(those) / sizeof(those[0]); i++) {
		struct fl_rkey k = gen_rkey(those[i]);

		assert_int_equal(fl_set_add(&set, fl_rkey_span(&k), &(struct fl_tuple){ .scope = FL_SCOPE_SUBTREE }), 0);
	}
	assert_int_equal(fl_set_sort(&set, NULL), 0);
	assert_int_equal(fl_protect_find(&p, &set, &arena, &hits, &n), 0);
	assert_int_equal(n, sizeof(those) / sizeof(those[0]));
	assert_string_equal(fl_protect_word(hits[0].name->why), "shipped");
	fl_set_done(&set);
	fl_protected_done(&p);
	fl_arena_done(&arena);
}

/* A claim alone is judged as a set of one. */
static void test_a_claim(void **state)
{
	static const char *const those[] = { "example.com", "bank.example.com", "www.bank.example.com", "other.example.com", "com", "x.time.example", "time.example" };
	static const uint8_t scopes[] = { FL_SCOPE_EXACT, FL_SCOPE_SUBDOMAINS, FL_SCOPE_SUBTREE };
	struct fl_protected p = { 0 };
	int ret = 0;

	(void)state;
	fl_protect_add_text(&p, names, fl_span_str("time.example"), FL_PROTECT_OPERATOR, &ret);
	fl_protect_add_text(&p, names, fl_span_str("*.bank.example.com"), FL_PROTECT_ZONE, &ret);
	for (size_t i = 0; i < sizeof(those) / sizeof(*those) * 3; i++) {
		struct fl_rkey k = gen_rkey(those[i / 3]);
		struct fl_arena arena = { 0 };
		struct fl_protect_hit *hits;
		struct fl_set set = { 0 };
		const struct fl_protected_name *one;
		size_t n;

		assert_int_equal(fl_set_add(&set, fl_rkey_span(&k), &(struct fl_tuple){ .scope = scopes[i % 3] }), 0);
		assert_int_equal(fl_set_sort(&set, NULL), 0);
		assert_int_equal(fl_protect_find(&p, &set, &arena, &hits, &n), 0);
		one = fl_protect_claim(&p, fl_rkey_span(&k), scopes[i % 3]);
		if ((one != NULL) != (n > 0) || (one && one != hits[0].name))
			fail_msg("%s, scope %u: %zu", those[i / 3], scopes[i % 3], n);
		fl_set_done(&set);
		fl_arena_done(&arena);
	}
	fl_protected_done(&p);
}

static void test_what_is_no_name(void **state)
{
	struct fl_protected p = { 0 };
	int ret;

	(void)state;
	assert_int_not_equal(fl_protect_add_text(&p, names, fl_span_str("a..b"), FL_PROTECT_OPERATOR, &ret), FL_DROP_COUNT);
	assert_int_not_equal(fl_protect_add_text(&p, names, fl_span_str("192.0.2.1"), FL_PROTECT_OPERATOR, &ret), FL_DROP_COUNT);
	assert_int_not_equal(fl_protect_add_text(&p, names, fl_span_str("."), FL_PROTECT_OPERATOR, &ret), FL_DROP_COUNT);
	assert_int_equal(p.n, 0);
	fl_protected_done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_as_by_looking_at_every_pair),
		cmocka_unit_test(test_an_exception_spares_the_block),
		cmocka_unit_test(test_shipped),
		cmocka_unit_test(test_a_claim),
		cmocka_unit_test(test_what_is_no_name),
	};

	return cmocka_run_group_tests(tests, open_names, close_names);
}
