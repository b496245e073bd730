/* Bypasses: written before they count, ended by their timer, brought back by a restart, and never by a file that is wrong. */
#include "tests/unit/enforcer/wire.h"

#include <stdlib.h>

#include "base/text.h"
#include "enforcer/bypass.h"
#include "io/disk.h"
#include "tests/support/answer_help.h"

static struct fl_config cfg;
static struct fl_clock_mem clock_mem;
static struct fl_disk_mem *platter;
static struct fl_disk *disk;

static int begin(void **state)
{
	(void)state;
	cfg = help_config();
	fl_clock_mem_init(&clock_mem, INT64_C(1790000000) * FL_US_PER_S);
	platter = fl_disk_mem_new();
	disk = fl_disk_mem_open(platter);
	return 0;
}

static int end(void **state)
{
	(void)state;
	disk->ops->close(disk);
	fl_disk_mem_free(platter);
	return 0;
}

static const struct fl_bypass *on(struct fl_bypasses *b, const char *association, int64_t ms)
{
	const struct fl_bypass *out = NULL;

	assert_int_equal(fl_bypasses_on(b, &cfg, association, ms, "alice", "why not", &out, NULL), 0);
	return out;
}

static void put(const char *text)
{
	assert_int_equal(fl_disk_replace(disk, "bypass.json", fl_span_str(text), NULL), 0);
}

static void test_the_timer(void **state)
{
	struct fl_bypasses b;
	struct fl_bypass ended;

	(void)state;
	fl_bypasses_open(&b, disk, &clock_mem.door);
	assert_int_equal(fl_bypasses_next(&b), FL_MONO_NEVER);
	on(&b, "guests", 60000);
	on(&b, "", 30000);
	assert_int_equal(fl_bypasses_next(&b), clock_mem.now_mono + 30 * FL_NS_PER_S);
	assert_string_equal(fl_bypasses_of(&b, "everyone")->association, "");
	assert_string_equal(fl_bypasses_of(&b, "guests")->association, "guests"); /* the one that lasts longer */
	assert_string_equal(fl_bypasses_of(&b, NULL)->association, "");
	fl_clock_mem_advance(&clock_mem, 30 * FL_NS_PER_S - 1);
	assert_false(fl_bypasses_end(&b, &cfg, clock_mem.now_mono, &ended));
	fl_clock_mem_advance(&clock_mem, 1);
	assert_true(fl_bypasses_end(&b, &cfg, clock_mem.now_mono, &ended));
	assert_string_equal(ended.association, "");
	assert_string_equal(ended.reason, "why not");
	assert_false(fl_bypasses_end(&b, &cfg, clock_mem.now_mono, &ended));
	assert_null(fl_bypasses_of(&b, "everyone"));
	/* asked for again: another end, and still one */
	on(&b, "guests", 5000);
	assert_int_equal(b.n, 1);
	assert_int_equal(fl_bypasses_next(&b), clock_mem.now_mono + 5 * FL_NS_PER_S);
}

static void test_a_restart_neither_ends_nor_prolongs(void **state)
{
	struct fl_bypasses b, again;

	(void)state;
	fl_bypasses_open(&b, disk, &clock_mem.door);
	on(&b, "guests", 60000);
	fl_clock_mem_advance(&clock_mem, 20 * FL_NS_PER_S);
	fl_bypasses_open(&again, disk, &clock_mem.door);
	assert_int_equal(again.n, 1);
	assert_string_equal(again.v[0].actor, "alice");
	assert_int_equal(fl_bypasses_next(&again), clock_mem.now_mono + 40 * FL_NS_PER_S);
	fl_clock_mem_jump(&clock_mem, -3600 * INT64_C(1000000)); /* the clock went back while we were away: never more than the whole */
	fl_bypasses_open(&again, disk, &clock_mem.door);
	assert_int_equal(fl_bypasses_next(&again), clock_mem.now_mono + 60 * FL_NS_PER_S);
	fl_clock_mem_jump(&clock_mem, 7200 * INT64_C(1000000));
	fl_bypasses_open(&again, disk, &clock_mem.door);
	assert_int_equal(fl_bypasses_next(&again), clock_mem.now_mono); /* over */
	put("{\"format\":1,\"bypasses\":[{\"association\":\"\",\"since_us\":1,\"until_us\":9000000000000000,\"actor\":\"a\",\"reason\":\"for ever\"}]}");
	fl_bypasses_open(&again, disk, &clock_mem.door);
	assert_int_equal(fl_bypasses_next(&again), clock_mem.now_mono + FL_BYPASS_LONGEST_MS * FL_NS_PER_MS); /* a file cannot say for ever */
}

static void test_a_wrong_file_bypasses_nothing(void **state)
{
	struct fl_bypasses b;
	struct fl_buf text = { 0 };

	(void)state;
	put("{\"format\":1,\"bypasses\":[{\"association\":\"guests\"");
	fl_bypasses_open(&b, disk, &clock_mem.door);
	assert_int_equal(b.n, 0);
	assert_non_null(strstr(b.problem, "set aside"));
	assert_int_equal(disk->ops->read(disk, "bypass.json", 1000, &text, NULL), FL_ENOTFOUND);
	assert_int_equal(disk->ops->read(disk, "bypass.json.bad", 1000, &text, NULL), 0);
	fl_buf_done(&text);
}

static int full(void *ctx, const char *what, const char *path)
{
	(void)ctx, (void)path;
	return strcmp(what, "append") == 0 ? FL_ELIMIT : 0;
}

static void test_a_full_disk(void **state)
{
	const struct fl_bypass *out;
	struct fl_bypasses b;
	struct fl_bypass was;
	struct fl_err err = { 0 };

	(void)state;
	fl_bypasses_open(&b, disk, &clock_mem.door);
	on(&b, "guests", 60000);
	fl_disk_mem_faults(platter, full, NULL);
	assert_true(fl_bypasses_on(&b, &cfg, "", 60000, "a", "b", &out, &err) < 0); /* not on the disk: not on */
	assert_int_equal(b.n, 1);
	assert_true(fl_bypasses_on(&b, &cfg, "guests", 5000, "a", "b", &out, &err) < 0);
	assert_int_equal(fl_bypasses_next(&b), clock_mem.now_mono + 60 * FL_NS_PER_S); /* as it was */
	assert_int_equal(fl_bypasses_off(&b, "guests", &was, &err), 0); /* off counts all the same */
	assert_int_equal(b.n, 0);
	assert_string_equal(was.association, "guests");
	assert_non_null(strstr(b.problem, "would come back"));
	fl_disk_mem_faults(platter, NULL, NULL);
	on(&b, "guests", 60000);
	assert_string_equal(b.problem, "");
}

static void test_refusals(void **state)
{
	const struct fl_bypass *out;
	struct fl_bypasses b;
	struct fl_bypass was;
	struct fl_err err = { 0 };
	char reason[400];

	(void)state;
	fl_bypasses_open(&b, disk, &clock_mem.door);
	memset(reason, 'x', sizeof(reason) - 1);
	reason[sizeof(reason) - 1] = '\0';
	assert_int_equal(fl_bypasses_on(&b, &cfg, "nobody", 60000, "a", "b", &out, &err), FL_ENOTFOUND);
	assert_int_equal(fl_bypasses_on(&b, &cfg, "", 999, "a", "b", &out, &err), FL_EUSAGE);
	assert_int_equal(fl_bypasses_on(&b, &cfg, "", FL_BYPASS_LONGEST_MS + 1, "a", "b", &out, &err), FL_EUSAGE);
	assert_int_equal(fl_bypasses_on(&b, &cfg, "", 60000, "a", "", &out, &err), FL_EUSAGE);
	assert_int_equal(fl_bypasses_on(&b, &cfg, "", 60000, "a", reason, &out, &err), FL_EUSAGE);
	assert_int_equal(fl_bypasses_off(&b, "", &was, &err), FL_ENOTFOUND);
	assert_int_equal(fl_bypasses_off(&b, "guests", &was, &err), FL_ENOTFOUND);
	assert_int_equal(b.n, 0);
}

/* Also the reason that has to be escaped in the file: what is taken can be read again. */
static void test_any_reason_comes_back(void **state)
{
	const struct fl_bypass *out;
	struct fl_bypasses b, again;

	(void)state;
	fl_bypasses_open(&b, disk, &clock_mem.door);
	assert_int_equal(fl_bypasses_on(&b, &cfg, "guests", 60000, "DOMAIN\\alice", "a \"quote\", \n and \xc3\xbc", &out, NULL), 0);
	assert_int_equal(fl_bypasses_on(&b, &cfg, "everyone", 60000, "b\xff", "not UTF-8 \xff\xfe", &out, NULL), 0);
	fl_bypasses_open(&again, disk, &clock_mem.door);
	assert_int_equal(again.n, 2);
	assert_string_equal(again.v[0].reason, "a \"quote\", \n and \xc3\xbc");
	assert_string_equal(again.problem, "");
}

static void test_view_and_decision(void **state)
{
	struct fl_client guest = { .addr = { 10, 9, 0, 1 } }, other = { .addr = { 10, 7, 0, 1 } };
	struct fl_policy *p = NULL;
	struct fl_decision d;
	struct fl_bypasses b;
	struct fl_rkey key;
	struct fl_view *v;

	(void)state;
	assert_int_equal(fl_policy_new(&cfg, &p, NULL), 0);
	assert_true(fl_rkey_from_text(fl_span_str("evil.example"), &key));
	fl_bypasses_open(&b, disk, &clock_mem.door);
	on(&b, "guests", 60000);
	v = help_view(p, 2);
	assert_int_equal(fl_bypasses_apply(&b, v), 0);
	fl_decide(v, &guest, fl_rkey_span(&key), 1, 0, NULL, &d);
	assert_true(d.bypass && d.action == FL_ACTION_BLOCK); /* evaluated */
	fl_decision_enforce(&d);
	assert_int_equal(d.action, FL_ACTION_ALERT); /* and not enforced */
	assert_int_equal(d.response, FL_BLOCK_NONE);
	assert_true(d.would_block);
	assert_string_equal(d.rule_name, "rest");
	fl_decide(v, &other, fl_rkey_span(&key), 1, 0, NULL, &d);
	fl_decision_enforce(&d);
	assert_true(!d.bypass && !d.would_block && d.action == FL_ACTION_BLOCK);
	fl_view_free(v);
	fl_policy_free(p);
}

static void test_metrics(void **state)
{
	struct fl_bypasses b;
	struct fl_buf out = { 0 };

	(void)state;
	fl_bypasses_open(&b, disk, &clock_mem.door);
	on(&b, "guests", 60000);
	fl_bypasses_metrics(&b, &cfg, &out);
	assert_non_null(strstr(fl_buf_cstr(&out), "fireline_policy_bypass_active{association=\"guests\"} 1\n"));
	assert_non_null(strstr(fl_buf_cstr(&out), "fireline_policy_bypass_active{association=\"everyone\"} 0\n"));
	assert_non_null(strstr(fl_buf_cstr(&out), "fireline_policy_bypass_active{association=\"*\"} 0\n"));
	fl_buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_timer, begin, end),
		cmocka_unit_test_setup_teardown(test_a_restart_neither_ends_nor_prolongs, begin, end),
		cmocka_unit_test_setup_teardown(test_a_wrong_file_bypasses_nothing, begin, end),
		cmocka_unit_test_setup_teardown(test_a_full_disk, begin, end),
		cmocka_unit_test_setup_teardown(test_refusals, begin, end),
		cmocka_unit_test_setup_teardown(test_any_reason_comes_back, begin, end),
		cmocka_unit_test_setup_teardown(test_view_and_decision, begin, end),
		cmocka_unit_test_setup_teardown(test_metrics, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
