/* The indexes of claims over both stores: pages, by name, by finding, by what a person types; and that they end with their claims. */
#include "sets/audit.h"
#include "tests/support/sets_help.h"

enum { MANY = 2500 };

static struct fl_lease lease;
#define a w.arena

static struct fl_claim a_claim(const char *source, const char *finding, const char *name, fl_unix_us seen)
{
	struct fl_claim c = { .type = "T", .scope = FL_SCOPE_EXACT, .state = FL_CLAIM_ACTIVE, .updated_at = 1, .seen_at = seen, .expires_at = 5000 };

	snprintf(c.source, sizeof(c.source), "%s", source);
	snprintf(c.finding, sizeof(c.finding), "%s", finding);
	c.key = gen_rkey(name);
	fl_claim_id(&c);
	return c;
}

static void commit(const struct fl_claim *v, size_t n)
{
	struct rows_iter rows = { { rows_next, rows_close }, NULL, 0 };
	struct fl_head head;
	struct fl_source_version out;
	struct fl_source_commit c = { .name = v[0].source, .lease = &lease, .parent = &head, .cause = FL_CAUSE_FINDING, .actor = "t", .reason = "", .claims = { v, n } };

	lease = (struct fl_lease){ 0 };
	assert_int_equal(fl_lease_take(&w.s, FL_SOURCE, v[0].source, 10000, &lease, NULL), 0);
	fl_set_head(&w.s, FL_SOURCE, v[0].source, &head, NULL);
	assert_int_equal(fl_source_commit_changes(&w.s, &c, &rows.it, &out, NULL), 0);
	fl_lease_release(&w.s, &lease, NULL);
	fl_clock_mem_advance(&w.clock, FL_NS_PER_S);
}

/* Everything of a source by pages of `size`, each claim once, the one seen last first. */
static size_t all_pages(const char *source, size_t size)
{
	struct fl_claim_place at = { 0 };
	struct fl_claim_row *v;
	size_t n, total = 0;
	fl_unix_us last = INT64_MAX;
	char last_id[65] = "";
	bool more = true;

	while (more) {
		assert_int_equal(fl_claims_page(&w.s, source, &at, size, &a, &v, &n, &more, NULL), 0);
		assert_true(n <= size && (n || !more));
		for (size_t i = 0; i < n; i++) {
			assert_true(v[i].claim.seen_at < last || (v[i].claim.seen_at == last && strcmp(v[i].claim.id, last_id) < 0));
			last = v[i].claim.seen_at;
			memcpy(last_id, v[i].claim.id, sizeof(last_id));
		}
		total += n;
	}
	return total;
}

static void test_pages(void **state)
{
	static struct fl_claim v[MANY];

	(void)state;
	assert_int_equal(all_pages("f", 10), 0);
	for (int i = 0; i < MANY; i++) /* most of them seen at one moment */
		v[i] = a_claim("f", fl_arena_printf(&a, "id%d", i), fl_arena_printf(&a, "n%d.example", i), i < 2200 ? 1000 : 1000 + i);
	for (int i = 0; i < MANY; i += 500)
		commit(v + i, 500);
	assert_int_equal(all_pages("f", 7), MANY);
	assert_int_equal(all_pages("f", 1000), MANY);
	assert_int_equal(all_pages("f", 100000), MANY);
}

static void test_by_name_and_finding(void **state)
{
	struct fl_claim v[4] = { a_claim("f", "one", "a.example", 10), a_claim("f", "one", "b.example", 11), a_claim("f", "two", "a.example", 12), a_claim("g", "one", "a.example", 13) };
	const struct fl_finding_ref refs[] = { { "f", "one" }, { "g", "one" }, { "f", "none" }, { "f", "two" } };
	struct fl_claim_rows rows[4];
	struct fl_claim_row *on;
	size_t n;

	(void)state;
	commit(v, 3);
	commit(v + 3, 1);
	assert_int_equal(fl_claims_by_finding(&w.s, refs, 4, &a, rows, NULL), 0);
	assert_int_equal(rows[0].n, 2);
	assert_int_equal(rows[1].n, 1);
	assert_int_equal(rows[2].n, 0);
	assert_int_equal(rows[3].n, 1);
	assert_int_equal(rows[3].v[0].first, 1);
	assert_int_equal(rows[3].v[0].version, 1);
	assert_true(rows[3].v[0].at > 0);
	v[0].state = FL_CLAIM_DISMISSED;
	v[2].state = FL_CLAIM_QUARANTINED;
	commit(v, 1);
	commit(v + 2, 1);
	assert_int_equal(fl_claims_on(&w.s, "f", fl_rkey_span(&v[0].key), &a, &on, &n, NULL), 0);
	assert_int_equal(n, 2); /* neither holds it, both tell of it: the newest first */
	assert_int_equal(on[0].claim.state, FL_CLAIM_QUARANTINED);
	assert_int_equal(on[1].claim.state, FL_CLAIM_DISMISSED);
	assert_int_equal(on[1].first, 1);
	assert_int_equal(on[1].version, 2);
	assert_int_equal(fl_claims_by_finding(&w.s, refs, 1, &a, rows, NULL), 0);
	assert_int_equal(rows[0].n, 2);
	/* while one of a finding is active its list stays; then it goes with them */
	assert_int_equal(redis_int(&w, "ZCARD {fl}:source/f:was:a.example"), 2);
	v[0].state = FL_CLAIM_ACTIVE;
	commit(v, 1);
	assert_int_equal(redis_int(&w, "ZCARD {fl}:source/f:was:a.example"), 1);
}

static const char *finding_key(const char *source, const char *finding)
{
	uint8_t sum[32];
	char hex[65];

	fl_sha256_of(finding, strlen(finding), sum);
	for (int i = 0; i < 16; i++)
		snprintf(hex + 2 * i, 3, "%02x", sum[i]);
	return fl_arena_printf(&a, "{fl}:source/%s:finding:%s", source, hex);
}

/* Each way a claim may go; what is counted is how many of the finding are active. */
static void test_a_finding_goes_with_its_claims(void **state)
{
	static const enum fl_claim_state steps[] = { FL_CLAIM_ACTIVE, FL_CLAIM_ACTIVE, FL_CLAIM_WITHDRAWN, FL_CLAIM_WITHDRAWN, FL_CLAIM_ACTIVE, FL_CLAIM_DISMISSED };
	struct fl_claim v[2] = { a_claim("f", "one", "a.example", 10), a_claim("f", "one", "b.example", 11) };
	const char *key = finding_key("f", "one");

	(void)state;
	commit(v, 2);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		v[0].state = steps[i];
		commit(v, 1);
		assert_int_equal(redis_int(&w, fl_arena_printf(&a, "TTL %s", key)), -1);
	}
	v[1].state = FL_CLAIM_EXPIRED;
	commit(v + 1, 1);
	assert_true(redis_int(&w, fl_arena_printf(&a, "TTL %s", key)) > 399 * 86400);
	v[1].state = FL_CLAIM_ACTIVE;
	commit(v + 1, 1);
	assert_int_equal(redis_int(&w, fl_arena_printf(&a, "TTL %s", key)), -1);
}

static void test_find(void **state)
{
	static const char *const sources[] = { "f", "g" };
	struct fl_claim v[3] = { a_claim("f", "finding-one", "a.example", 10), a_claim("f", "finding-one", "b.example", 11), a_claim("f", "finding-two", "a.example", 12) };
	struct fl_claim g = a_claim("g", "finding-one", "a.example", 13);
	const struct {
		const char *id;
		int ret;
		size_t n;
	} rows[] = { { "finding-one", 0, 3 }, { "finding-two", 0, 1 }, { "finding-t", 0, 1 }, { "finding-o", 0, 3 }, { "finding-", FL_EUSAGE, 0 }, { "fin", FL_ENOTFOUND, 0 },
		     { "finding-x", FL_ENOTFOUND, 0 }, { "", FL_ENOTFOUND, 0 }, { v[1].id, 0, 1 }, { fl_arena_strn(&a, v[1].id, 10), 0, 1 },
		     { "0000000000000000000000000000000000000000000000000000000000000000", FL_ENOTFOUND, 0 } };
	struct fl_claim_rows out;
	struct fl_err err = { 0 };

	(void)state;
	commit(v, 3);
	commit(&g, 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int ret = fl_claims_find(&w.s, sources, 2, rows[i].id, &a, &out, &err);

		if (ret != rows[i].ret || (ret == 0 && out.n != rows[i].n))
			fail_msg("'%s': %d, %zu", rows[i].id, ret, out.n);
		assert_true(ret == 0 || err.text[0]);
	}
}

/* Claims past their 400 days leave the list, page by page, and those that are still there stay. */
static void test_trim(void **state)
{
	static struct fl_claim v[MANY];
	uint64_t at = 0;

	(void)state;
	for (int i = 0; i < MANY; i++)
		v[i] = a_claim("f", fl_arena_printf(&a, "id%d", i), fl_arena_printf(&a, "n%d.example", i), 1000 + i);
	for (int i = 0; i < MANY; i += 500)
		commit(v + i, 500);
	for (int i = 0; i < MANY; i += 2)
		redis_int(&w, fl_arena_printf(&a, "DEL {fl}:source/f:claim:%s", v[i].id));
	assert_int_equal(all_pages("f", 100), MANY / 2); /* what is gone is not shown */
	for (int i = 0; i < 20 && (i == 0 || at); i++)
		assert_int_equal(fl_claims_trim(&w.s, "f", 3000, &at, NULL), 0); /* seen before 3000: the first 2001 */
	assert_int_equal(at, 0);
	assert_int_equal(redis_int(&w, "ZCARD {fl}:source/f:claims"), MANY - 1001);
	for (int i = 0; i < 20 && (i == 0 || at); i++)
		assert_int_equal(fl_claims_trim(&w.s, "f", 1000000, &at, NULL), 0);
	assert_int_equal(redis_int(&w, "ZCARD {fl}:source/f:claims"), MANY / 2);
}

/* Of a name that was found again and again the newest are told, and no more are kept. */
static void test_was_is_bounded(void **state)
{
	struct fl_rkey key = gen_rkey("a.example");
	struct fl_claim_row *on;
	size_t n;

	(void)state;
	for (int i = 0; i < 40; i++) {
		struct fl_claim c = a_claim("f", fl_arena_printf(&a, "id%02d", i), "a.example", 10 + i);

		c.state = FL_CLAIM_WITHDRAWN;
		commit(&c, 1);
	}
	assert_int_equal(fl_claims_on(&w.s, "f", fl_rkey_span(&key), &a, &on, &n, NULL), 0);
	assert_int_equal(n, 32);
	assert_string_equal(on[0].claim.finding, "id39");
}

static void test_broken_indexes(void **state)
{
	struct fl_claim v[2] = { a_claim("f", "one", "a.example", 10), a_claim("f", "two", "b.example", 11) };
	struct fl_claim_place at = { 0 };
	struct fl_claim_row *rows;
	uint64_t trim = 0;
	bool more;
	size_t n;

	(void)state;
	commit(v, 2);
	redis_int(&w, fl_arena_printf(&a, "HSET {fl}:source/f:claim:%s json {}", v[0].id));
	redis_int(&w, fl_arena_printf(&a, "HSET {fl}:source/f:claim:%s version x", v[1].id));
	assert_int_equal(fl_claims_page(&w.s, "f", &at, 10, &a, &rows, &n, &more, NULL), 0);
	assert_int_equal(n, 1);
	assert_int_equal(rows[0].version, 0);
	redis_int(&w, "ZADD {fl}:source/f:claims 20 x");
	at = (struct fl_claim_place){ 0 };
	assert_int_equal(fl_claims_page(&w.s, "f", &at, 10, &a, &rows, &n, &more, NULL), 0);
	assert_int_equal(n, 1);
	redis_int(&w, "DEL {fl}:source/f:claims");
	redis_int(&w, "SADD {fl}:source/f:claims x");
	at = (struct fl_claim_place){ 0 };
	assert_true(fl_claims_page(&w.s, "f", &at, 10, &a, &rows, &n, &more, NULL) < 0);
	assert_true(fl_claims_trim(&w.s, "f", 100, &trim, NULL) < 0);
}

static void test_audit_text(void **state)
{
	struct fl_audit r = { .actor = "mona", .action = "finding.dismiss", .object = "a \"b\"", .reason = NULL, .node = "ns1", .at = 1790000000000000 };
	struct fl_buf b = { 0 };

	(void)state;
	fl_audit_result(&r, "source/none", 0);
	for (uint64_t i = 1; i < 40; i++)
		fl_audit_result(&r, "source/cli.block", i);
	assert_int_equal(r.n_results, FL_AUDIT_RESULTS);
	r.n_results = 1;
	fl_audit_encode(&r, &b);
	assert_string_equal(fl_buf_cstr(&b), "{\"at\":\"2026-09-21T14:13:20Z\",\"actor\":\"mona\",\"action\":\"finding.dismiss\",\"object\":\"a \\\"b\\\"\",\"reason\":\"\",\"node\":\"ns1\","
					     "\"results\":[{\"set\":\"source/cli.block\",\"version\":1}]}");
	fl_buf_done(&b);
	fl_audit(NULL, &r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_pages), BOTH(test_by_name_and_finding), BOTH(test_a_finding_goes_with_its_claims), BOTH(test_find), BOTH(test_trim), BOTH(test_was_is_bounded),
		BOTH(test_broken_indexes), BOTH(test_audit_text),
	};

	return world_run("claims", tests, sizeof(tests) / sizeof(tests[0]));
}
