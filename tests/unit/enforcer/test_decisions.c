/* Rule matches are counted by their words, whatever addresses a reload gives them. */
#include "tests/unit/enforcer/wire.h"

#include "enforcer/decisions.h"

static struct fl__decisions t, u;

static bool has(const char *text, const char *line)
{
	const char *at = strstr(text, line);

	return at && (at == text || at[-1] == '\n');
}

static void test_counts(void **state)
{
	struct fl_cfg_rule rule = { .name = "r" };
	struct fl_decision d = { .action = FL_ACTION_BLOCK, .response = FL_BLOCK_NXDOMAIN, .rule = &rule, .rule_group = "g", .rule_name = "r", .list = "malware" };
	const struct fl__decisions *both[] = { &t, &u };
	struct fl_buf out = { 0 };
	char *text;

	(void)state;
	fl__decisions_count(&t, &d);
	fl__decisions_count(&t, &d);
	fl__decisions_count(&u, &d); /* another thread: one sample all the same */
	d.rule_name = "other";	     /* the same address, another rule: after a reload */
	fl__decisions_count(&t, &d);
	d.action = FL_ACTION_ALERT;
	d.response = FL_BLOCK_NONE;
	d.rule_name = "r\"q";
	fl__decisions_count(&t, &d);
	d = (struct fl_decision){ .action = FL_ACTION_NONE };
	fl__decisions_count(&t, &d);
	fl__decisions_metrics(both, 2, &out);
	text = fl_buf_cstr(&out);
	assert_true(has(text, "fireline_policy_decisions_total{action=\"BLOCK\",response=\"NXDOMAIN\",rule_group=\"g\",rule=\"r\",domain_list=\"malware\"} 3\n"));
	assert_true(has(text, "fireline_policy_decisions_total{action=\"BLOCK\",response=\"NXDOMAIN\",rule_group=\"g\",rule=\"other\",domain_list=\"malware\"} 1\n"));
	assert_true(has(text, "fireline_policy_decisions_total{action=\"ALERT\",response=\"\",rule_group=\"g\",rule=\"r\\\"q\",domain_list=\"malware\"} 1\n"));
	assert_true(has(text, "fireline_policy_decisions_total{action=\"NONE\",response=\"\",rule_group=\"\",rule=\"\",domain_list=\"\"} 1\n"));
	fl_buf_done(&out);
}

/* More rules than slots: none is counted twice or under another's name. */
static void test_full(void **state)
{
	static struct fl__decisions full;
	const struct fl__decisions *one[] = { &full };
	struct fl_buf out = { 0 };
	uint64_t total = 0;
	char name[16];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct fl_decision d = { .action = FL_ACTION_ALLOW, .rule_group = "g", .rule_name = name, .list = name };

		snprintf(name, sizeof(name), "r%d", i);
		fl__decisions_count(&full, &d);
	}
	fl__decisions_metrics(one, 1, &out);
	for (char *p = strstr(fl_buf_cstr(&out), "} "); p; p = strstr(p + 1, "} "))
		total += strtoul(p + 2, NULL, 10);
	assert_int_equal(total, 1000);
	fl_buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_counts), cmocka_unit_test(test_full) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
