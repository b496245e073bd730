/* Lost calls and lost replies. Each operation is run once to count its calls to the store; then once for each call, with that call (and up to four after it) lost before it was carried
 * out, or carried out with its reply lost. Then it is done again as its caller would. In the end there is exactly one version, whole, with the right digest. */
#include "tests/support/sets_help.h"

enum { RUN_MAX = 6 };

struct op {
	const char *name;
	void (*before)(void);
	int (*run)(void);    /* over the lossy door; 0 or a code */
	void (*after)(void); /* asserts; over the plain one */
};

static struct fl_lease lease, list_lease;
static struct fl_set base_set, next_set;

static void start(size_t n, size_t skip)
{
	struct fl_source_version v;

	world_forget(&w);
	lease = list_lease = (struct fl_lease){ 0 };
	fl_set_done(&base_set);
	fl_set_done(&next_set);
	memset(&base_set, 0, sizeof(base_set));
	memset(&next_set, 0, sizeof(next_set));
	many_set(200, 0, &base_set);
	many_set(n, skip, &next_set);
	if (commit_set(&w.s, "f", &lease, &base_set, (struct fl_source_commit){ .actor = "t" }, &v, NULL) < 0)
		fail();
	w.lossy.calls = 0;
}

static int commit_next_set(void)
{
	struct fl_source_version v;

	return commit_set(&w.f, "f", &lease, &next_set, (struct fl_source_commit){ .actor = "t" }, &v, NULL);
}

static void one_more_version(void)
{
	struct fl_digests want = gen_digests(&next_set);
	struct fl_source_version v;
	struct fl_head head;
	uint8_t chain[32];

	assert_int_equal(fl_set_head(&w.s, FL_SOURCE, "f", &head, NULL), 0);
	assert_int_equal(head.id.number, 2);
	assert_int_equal(fl_source_version_get(&w.s, "f", 2, &v, NULL), 0);
	assert_true(fl_version_id_eq(&v.id, &head.id));
	assert_true(gen_digests_equal(&v.digests, &want));
	assert_true(content_is(&w.s, "f", 2, &next_set));
	assert_true(content_is(&w.s, "f", 1, &base_set));
	assert_int_equal(fl_set_lineage(&w.s, FL_SOURCE, "f", 2, chain, NULL), 0);
	assert_memory_equal(chain, head.id.chain, 32);
	assert_int_equal(fl_source_version_get(&w.s, "f", 3, &v, NULL), FL_ENOTFOUND);
}

static void before_delta(void)
{
	start(203, 0);
}

static void before_keyframe(void)
{
	start(20000, 3);
}

static void before_first(void)
{
	start(0, 0);
	world_forget(&w);
	lease = (struct fl_lease){ 0 };
	w.lossy.calls = 0;
}

static int run_first(void)
{
	struct fl_source_version v;

	return commit_set(&w.f, "f", &lease, &base_set, (struct fl_source_commit){ .actor = "t" }, &v, NULL);
}

static void after_first(void)
{
	struct fl_head head;

	assert_int_equal(fl_set_head(&w.s, FL_SOURCE, "f", &head, NULL), 0);
	assert_int_equal(head.id.number, 1);
	assert_true(content_is(&w.s, "f", 1, &base_set));
	assert_int_equal(redis_int(&w, "EXISTS {fl}:source/f:v:2"), 0);
}

/* A list, as the publisher does it: nothing is committed when the head already names these inputs. */
static void before_list(void)
{
	start(0, 0);
	w.lossy.calls = 0;
}

static int run_list(void)
{
	struct fl_list_commit c = { .cause = FL_CAUSE_SOURCES, .actor = "t" };
	struct fl_list_input in = input_at(&w.s, "f", 1);
	struct fl_list_version v;
	struct fl_head head;
	int ret = list_lease.until ? 0 : fl_lease_take(&w.f, FL_LIST, "l", 60000, &list_lease, NULL);

	if (ret < 0)
		return ret;
	ret = fl_set_head(&w.f, FL_LIST, "l", &head, NULL);
	if (ret == 0)
		ret = fl_list_version_get(&w.f, "l", head.id.number, &w.arena, &v, NULL);
	if (ret == 0 && v.n_inputs == 1 && fl_version_id_eq(&v.inputs[0].id, &in.id))
		return 0;
	if (ret < 0 && ret != FL_ENOTFOUND)
		return ret;
	c.parent = &head;
	return commit_inputs(&w.f, "l", &list_lease, &in, 1, c, &w.arena, &v, NULL);
}

static void after_list(void)
{
	struct fl_outbox_entry *e;
	struct fl_head head;
	uint64_t length;
	size_t n;

	assert_int_equal(fl_set_head(&w.s, FL_LIST, "l", &head, NULL), 0);
	assert_int_equal(head.id.number, 1);
	assert_int_equal(fl_outbox_read(&w.s, "l", 10, &w.arena, &e, &n, &length, NULL), 0);
	assert_int_equal(n, 1); /* sent once, not twice, and not never */
	assert_memory_equal(e[0].chain, head.id.chain, 32);
	assert_int_equal(redis_int(&w, "HLEN {fl}:source/f:needed"), 1);
}

/* A finding: changes and a claim in one commit; done again, the claim is known. */
static struct fl_claim claim;

static void before_claim(void)
{
	start(0, 0);
	claim = (struct fl_claim){ .source = "f", .finding = "one", .type = "T", .scope = FL_SCOPE_EXACT, .state = FL_CLAIM_ACTIVE, .updated_at = 1, .seen_at = 1 };
	claim.key = gen_rkey("bad.example");
	fl_claim_id(&claim);
	w.lossy.calls = 0;
}

static int run_claim(void)
{
	struct fl_tuple t = { .scope = FL_SCOPE_EXACT }, none = { 0 };
	struct fl_change c = { fl_rkey_span(&claim.key), none, t };
	struct rows_iter rows = { { rows_next, rows_close }, &c, 1 };
	struct fl_source_version v;
	struct fl_claim got;
	struct fl_head head;
	struct fl_source_commit sc = { .name = "f", .lease = &lease, .parent = &head, .cause = FL_CAUSE_FINDING, .actor = "t", .reason = "", .claims = { &claim, 1 } };
	int ret = fl_claim_get(&w.f, "f", claim.id, &got, NULL);

	if (ret != FL_ENOTFOUND)
		return ret;
	ret = fl_set_head(&w.f, FL_SOURCE, "f", &head, NULL);
	return ret < 0 ? ret : fl_source_commit_changes(&w.f, &sc, &rows.it, &v, NULL);
}

static void after_claim(void)
{
	struct fl_claim *many;
	struct fl_head head;
	struct fl_set got = { 0 };
	size_t n;

	assert_int_equal(fl_set_head(&w.s, FL_SOURCE, "f", &head, NULL), 0);
	assert_int_equal(head.id.number, 2);
	assert_int_equal(content_of(&w.s, "f", 2, &got), 0);
	assert_int_equal(got.n, 201);
	assert_true(fl_set_find(&got, fl_rkey_span(&claim.key)) != SIZE_MAX);
	assert_int_equal(claims_on_name(&w.s, "f", fl_rkey_span(&claim.key), &w.arena, &many, &n), 0);
	assert_int_equal(n, 1);
	fl_set_done(&got);
}

static const struct op ops[] = {
	{ "first version", before_first, run_first, after_first },
	{ "delta", before_delta, commit_next_set, one_more_version },
	{ "keyframe", before_keyframe, commit_next_set, one_more_version },
	{ "list version", before_list, run_list, after_list },
	{ "finding", before_claim, run_claim, after_claim },
};

/* Done again until it works, as every stage does; the lease may have been taken without our knowing it, then it is ours by its fence. */
static void redo(const struct op *o)
{
	int ret = -1;

	w.lossy.at = 0;
	for (int i = 0; i < 5 && ret != 0; i++)
		ret = o->run();
	if (ret != 0)
		fail_msg("%s: done again, and still %s", o->name, fl_code_name(ret));
}

static void try_all(const struct op *o)
{
	uint32_t calls;

	w.lossy.at = 0;
	o->before();
	assert_int_equal(o->run(), 0);
	calls = w.lossy.calls;
	o->after();
	assert_true(calls >= 2);
	for (uint32_t at = 1; at <= calls; at++)
		for (uint32_t many = 1; many < RUN_MAX; many++)
			for (int kind = 0; kind < 2; kind++) {
				int ret;

				o->before();
				w.lossy.at = at;
				w.lossy.many = many;
				w.lossy.fault = kind ? FL_FAULT_AFTER : FL_FAULT_BEFORE;
				ret = o->run();
				if (ret != 0 && ret != FL_EUNAVAIL && ret != FL_EUNKNOWN)
					fail_msg("%s: call %u lost: %s", o->name, at, fl_code_name(ret));
				redo(o);
				o->after();
			}
}

static void test_every_call(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		try_all(&ops[i]);
	fl_set_done(&base_set);
	fl_set_done(&next_set);
	memset(&base_set, 0, sizeof(base_set));
	memset(&next_set, 0, sizeof(next_set));
}

/* One lost reply of the commit itself is nobody's business: the commit id tells. */
static void test_one_lost_reply_is_resolved(void **state)
{
	struct fl_source_version v;
	struct fl_set set = { 0 };
	uint32_t calls;

	(void)state;
	before_delta();
	assert_int_equal(commit_next_set(), 0);
	calls = w.lossy.calls; /* the script is the last call */
	before_delta();
	w.lossy = (struct lossy){ w.lossy.door, w.lossy.inner, 0, calls, 1, FL_FAULT_AFTER };
	assert_int_equal(commit_next_set(), 0);
	one_more_version();
	before_delta();
	w.lossy.at = calls;
	w.lossy.many = 100;
	assert_int_equal(commit_next_set(), FL_EUNKNOWN); /* never a plain failure: it may have been carried out */
	w.lossy.at = 0;
	assert_int_equal(commit_set(&w.s, "f", &lease, &next_set, (struct fl_source_commit){ 0 }, &v, NULL), 0);
	assert_int_equal(v.id.number, 2);
	fl_set_done(&set);
}

/* A lease whose reply was lost is not waited for: the next try comes with the same fence. */
static void test_lost_lease(void **state)
{
	struct fl_lease l = { 0 };

	(void)state;
	w.lossy.calls = 0;
	w.lossy.at = 1;
	w.lossy.many = 1;
	w.lossy.fault = FL_FAULT_AFTER;
	assert_true(fl_lease_take(&w.f, FL_SOURCE, "f", 60000, &l, NULL) < 0);
	w.lossy.at = 0;
	assert_int_equal(fl_lease_take(&w.f, FL_SOURCE, "f", 60000, &l, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { BOTH(test_every_call), BOTH(test_one_lost_reply_is_resolved), BOTH(test_lost_lease) };

	return world_run("sets_lost", tests, sizeof(tests) / sizeof(tests[0]));
}
