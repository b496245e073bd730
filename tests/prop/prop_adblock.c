/* The resolution of adblock rules against a slow, obvious reference: for random small filters, nearest-wins over the
 * claims that the reader gives must answer each question as the format's own order does (important exception, important
 * block, exception, block; badfilter first; denyallow holds a rule off). Prints its seed on failure. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "feeds/feeds.h"

enum { FILTERS = 20000, RULES_MAX = 7, NAMES = 15 };

/* A small tree, so that rules meet. */
static const char *const tree[NAMES] = { "e.x",	  "a.e.x",   "b.e.x",	"a.a.e.x", "b.a.e.x", "a.b.e.x",   "a.a.a.e.x", "b.b.a.e.x",
					 "x.y.z", "a.x.y.z", "c.a.e.x", "d.e.x",   "e.a.b.e.x", "a.b.a.e.x", "q.q" };

struct rule {
	int name, deny[2], n_deny;
	uint8_t scope;
	bool exception, important, badfilter;
};

static uint64_t rng;

static unsigned roll(unsigned n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (unsigned)((rng >> 20) % n);
}

static struct rule rule_roll(void)
{
	static const uint8_t scopes[] = { 1, 2, 3, 3 };
	struct rule r = { .name = (int)roll(NAMES), .scope = scopes[roll(4)], .exception = roll(3) == 0,
			  .important = roll(4) == 0, .badfilter = roll(10) == 0, .n_deny = roll(4) == 0 ? 1 + (int)roll(2) : 0 };

	for (int i = 0; i < r.n_deny; i++)
		r.deny[i] = (int)roll(NAMES);
	return r;
}

static void rule_print(struct fl_buf *b, const struct rule *r)
{
	const char *sep = "$";

	fl_buf_printf(b, "%s%s%s^", r->exception ? "@@" : "", r->scope == 1 ? "|" : r->scope == 2 ? "||*." : "||", tree[r->name]);
	if (r->important) {
		fl_buf_printf(b, "%simportant", sep);
		sep = ",";
	}
	for (int i = 0; i < r->n_deny; i++)
		fl_buf_printf(b, "%s%s", i ? "|" : *sep == '$' ? "$denyallow=" : ",denyallow=", tree[r->deny[i]]);
	if (r->n_deny)
		sep = ",";
	if (r->badfilter)
		fl_buf_printf(b, "%sbadfilter", sep);
	fl_buf_str(b, "\n");
}

static bool below(const char *q, const char *top)
{
	size_t n = strlen(q), m = strlen(top);

	return n > m && q[n - m - 1] == '.' && strcmp(q + n - m, top) == 0;
}

static bool at_or_below(const char *q, const char *top)
{
	return strcmp(q, top) == 0 || below(q, top);
}

static bool same_but_badfilter(const struct rule *a, const struct rule *b)
{
	return a->name == b->name && a->scope == b->scope && a->exception == b->exception && a->important == b->important &&
	       a->n_deny == b->n_deny && memcmp(a->deny, b->deny, sizeof(a->deny[0]) * (size_t)a->n_deny) == 0;
}

static bool rule_matches(const struct rule *r, const char *q)
{
	for (int i = 0; i < r->n_deny; i++)
		if (at_or_below(q, tree[r->deny[i]]))
			return false;
	return (r->scope & 1 && strcmp(q, tree[r->name]) == 0) || (r->scope & 2 && below(q, tree[r->name]));
}

/* The format's own words. */
static bool reference(const struct rule *rules, size_t n, const char *q)
{
	bool hit[4] = { false };

	for (size_t i = 0; i < n; i++) {
		bool off = rules[i].badfilter;

		for (size_t k = 0; k < n && !off; k++)
			off = rules[k].badfilter && same_but_badfilter(&rules[i], &rules[k]);
		if (!off && rule_matches(&rules[i], q))
			hit[rules[i].exception + 2 * rules[i].important] = true;
	}
	if (hit[3])
		return false;
	return hit[2] || (!hit[1] && hit[0]);
}

struct claims {
	struct {
		char name[64];
		uint8_t scope;
	} v[64];
	size_t n;
};

static int take(void *ctx, const struct fl_feed_claim *c)
{
	struct claims *all = ctx;
	char name[64];

	snprintf(name, sizeof(name), "%.*s", (int)c->name.n, (const char *)c->name.p);
	for (size_t i = 0; i < all->n; i++) {
		if (strcmp(all->v[i].name, name) == 0) {
			all->v[i].scope |= c->scope;
			return 0;
		}
	}
	assert_true(all->n < 64);
	memcpy(all->v[all->n].name, name, sizeof(name));
	all->v[all->n++].scope = c->scope;
	return 0;
}

/* Nearest entry with a bit for the question. */
static bool nearest(const struct claims *all, const char *q)
{
	for (const char *at = q; at; at = strchr(at, '.') ? strchr(at, '.') + 1 : NULL) {
		uint8_t bits = at == q ? FL_SCOPE_SELF_BITS : FL_SCOPE_BELOW_BITS;

		for (size_t i = 0; i < all->n; i++)
			if (strcmp(all->v[i].name, at) == 0 && all->v[i].scope & bits)
				return !(all->v[i].scope & bits & FL_SCOPE_EXCEPT_SUBTREE);
	}
	return false;
}

static void filter_check(uint64_t seed)
{
	const struct fl_feed_options opt = { .format = FL_FORMAT_ADBLOCK };
	struct rule rules[RULES_MAX];
	struct claims all = { 0 };
	struct fl_feed_result res;
	struct fl_buf b = { 0 };
	struct fl_err err = { 0 };
	size_t n;

	rng = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	n = 1 + roll(RULES_MAX);
	for (size_t i = 0; i < n; i++) {
		/* a badfilter rule is of use when its like is there */
		rules[i] = i && roll(6) == 0 ? rules[roll((unsigned)i)] : rule_roll();
		rules[i].badfilter = rules[i].badfilter || (i && roll(12) == 0);
		rule_print(&b, &rules[i]);
	}
	if (fl_feed_parse(fl_buf_span(&b), &opt, take, NULL, &all, &res, &err) < 0)
		fail_msg("seed %llu: %s", (unsigned long long)seed, err.text);
	assert_true(fl_tally_balances(&res.lines));
	for (int q = 0; q < 2 * NAMES; q++) {
		char name[64];

		snprintf(name, sizeof(name), "%s%s", q < NAMES ? "" : "child.", tree[q % NAMES]);
		if (nearest(&all, name) != reference(rules, n, name))
			fail_msg("seed %llu: %s: nearest-wins says %d\n%s", (unsigned long long)seed, name,
				 nearest(&all, name), fl_buf_cstr(&b));
	}
	fl_buf_done(&b);
}

static void test_nearest_wins_agrees(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= FILTERS; seed++)
		filter_check(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nearest_wins_agrees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
