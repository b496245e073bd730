/* Which sources make a list. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "model/config.h"

static const char *const entries[] = { "a.example" };
static const struct fl_cfg_list lists[] = {
	{ .name = "malware" },
	{ .name = "walled", .entries = entries, .n_entries = 1 },
	{ .name = FL_LIST_FINDINGS_BLOCK, .builtin = true },
	{ .name = FL_LIST_FINDINGS_ALERT, .builtin = true },
};
static const struct fl_cfg_feed feeds[] = {
	{ .name = "zeta", .into = "malware", .enabled = true },
	{ .name = "alpha", .into = "malware", .enabled = true },
	{ .name = "off", .into = "malware" },
};
static const struct fl_cfg_findings_source sources[] = {
	{ .name = "drop", .enabled = true },
	{ .name = "idle" },
};

/* "name kind,..." */
static void expect(const struct fl_config *c, const char *list, const char *text)
{
	struct fl_arena arena = { 0 };
	struct fl_cfg_source *v;
	struct fl_buf b = { 0 };
	size_t n = fl_config_sources(c, list, &arena, &v);

	for (size_t i = 0; i < n; i++)
		fl_buf_printf(&b, "%s %d,", v[i].source, v[i].kind);
	assert_string_equal(fl_buf_cstr(&b), text);
	fl_buf_done(&b);
	fl_arena_done(&arena);
}

static struct fl_config config(void)
{
	return (struct fl_config){ .lists = lists, .n_lists = 4, .feeds = feeds, .n_feeds = 3,
				   .findings = { .into = FL_LIST_FINDINGS_BLOCK, .alert_into = FL_LIST_FINDINGS_ALERT,
						 .sources = sources, .n_sources = 2 } };
}

static void test_sources(void **state)
{
	struct fl_config c = config();

	(void)state;
	expect(&c, "malware", "alpha 0,malware.operator 1,zeta 0,");
	expect(&c, "walled", "walled.config 2,walled.operator 1,");
	expect(&c, FL_LIST_FINDINGS_BLOCK, "cli.block 3,drop.block 3,findings-block.operator 1,");
	expect(&c, FL_LIST_FINDINGS_ALERT, "cli.alert 3,drop.alert 3,findings-alert.operator 1,");
}

static void test_findings_may_go_into_any_list(void **state)
{
	struct fl_config c = config();

	(void)state;
	c.findings.into = "malware";
	c.findings.alert_into = "malware";
	expect(&c, "malware", "alpha 0,cli.alert 3,cli.block 3,drop.alert 3,drop.block 3,malware.operator 1,zeta 0,");
	expect(&c, FL_LIST_FINDINGS_BLOCK, "findings-block.operator 1,");
}

static void test_a_rule_of_findings_may_have_a_list_of_its_own(void **state)
{
	static const struct fl_cfg_finding_rule rules[] = { { .type = "X*", .action = 0, .into = "malware" }, { .type = "Y*", .action = 1, .into = "walled" },
							    { .type = "Z*", .action = 0, .into = FL_LIST_FINDINGS_BLOCK }, { .type = "U*", .action = 2 } };
	struct fl_config c = config();
	char set[FL_SET_NAME];

	(void)state;
	c.findings.rules = rules;
	c.findings.n_rules = 4;
	expect(&c, "malware", "alpha 0,cli.block.malware 3,drop.block.malware 3,malware.operator 1,zeta 0,");
	expect(&c, "walled", "cli.alert.walled 3,drop.alert.walled 3,walled.config 2,walled.operator 1,");
	expect(&c, FL_LIST_FINDINGS_BLOCK, "cli.block 3,drop.block 3,findings-block.operator 1,");
	assert_true(fl_config_finding_set(&c, "drop", "alert", FL_LIST_FINDINGS_ALERT, set));
	assert_string_equal(set, "drop.alert");
	assert_false(fl_config_finding_set(&c, "a-source-with-a-name-of-nearly-as-many-octets-as-a-name-may-have", "block", "a-list-with-a-long-name-beside-it", set));
}

static void test_lookups(void **state)
{
	struct fl_config c = config();

	(void)state;
	assert_ptr_equal(fl_config_list(&c, "walled"), &lists[1]);
	assert_null(fl_config_list(&c, "wall"));
	assert_ptr_equal(fl_config_feed(&c, "off"), &feeds[2]);
	assert_null(fl_config_feed(&c, "none"));
	assert_null(fl_config_rule_group(&c, "none"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_findings_may_go_into_any_list),
		cmocka_unit_test(test_a_rule_of_findings_may_have_a_list_of_its_own), cmocka_unit_test(test_lookups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
