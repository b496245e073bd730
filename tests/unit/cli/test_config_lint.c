/* What config check warns of, each at its place; and a policy that means all it says is passed over in silence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/config.h"

/* Findings have their rules, so that only what a row is about is said. */
#define BASE "findings: {defaults: {into: found, alert_into: seen}}\n"
#define LISTS "domain_lists: [{name: found}, {name: seen}, {name: fed}, {name: all, entries: [\"*\"]}, {name: wide, entries: [\"*.corp.example\", a.test]}, {name: narrow, entries: [www.corp.example]}]\n"
#define FEEDS "feeds: [{name: f, path: /f, format: hosts, scope: exact, into: fed}]\n"
#define IDLE "    - {name: z1, priority: 901, domain_list: found, action: BLOCK}\n    - {name: z2, priority: 902, domain_list: seen, action: ALERT}\n" \
	     "    - {name: z3, priority: 903, domain_list: findings-block, action: BLOCK}\n    - {name: z4, priority: 904, domain_list: findings-alert, action: ALERT}\n"
#define NETS "associations: [{name: n, networks: [10.0.0.0/8], rule_groups: [{name: g, priority: 2}, {name: rest, priority: 1}]}]\n"
#define REST(used) "rule_groups:\n - name: rest\n   rules:\n" IDLE used " - name: g\n   rules:\n"
#define R(rest) "    - {name: r, priority: 1, " rest "}\n"
#define S(rest) "    - {name: s, priority: 2, " rest "}\n"
/* The rules of group g begin on line 13. */
#define POLICY(rules) BASE LISTS FEEDS REST("") rules NETS
enum { RULE_R = 13, RULE_S = 14, COL = 14 };

static const struct {
	const char *text;
	uint32_t line, column; /* 0: of the whole */
	const char *says;
} rows[] = {
	/* a rule that can never decide */
	{ POLICY(R("domain_list: fed, action: ALERT") S("domain_list: fed, action: BLOCK")), RULE_S, COL, "rule 's' of rule group 'g' can never block: rule 'r' of 'g' alerts" },
	{ POLICY(R("domain_list: fed, action: ALLOW") S("domain_list: fed, action: BLOCK, q_type: [A, MX]")), RULE_S, COL, "rule 's' of rule group 'g' can never decide: rule 'r'" },
	{ POLICY(R("domain_list: fed, action: ALLOW, q_type: [A, MX]") S("domain_list: fed, action: BLOCK, q_type: MX")), RULE_S, COL, "rule 's' of rule group 'g' can never decide" },
	{ POLICY(R("domain_list: fed, action: BLOCK, q_type: A") S("domain_list: fed, action: ALLOW, q_type: [A, AAAA]")
		 "    - {name: t, priority: 0003, domain_list: fed, action: BLOCK, q_type: [AAAA, A]}\n"), RULE_S + 1, COL, "rule 't' of rule group 'g' can never decide: rule 'r'" },
	{ POLICY(R("domain_list: wide, action: ALLOW") S("domain_list: narrow, action: BLOCK")), RULE_S, COL, "its list 'wide' holds all of this one's entries" },
	{ POLICY(R("domain_list: all, action: BLOCK") S("domain_list: fed, action: ALLOW")), RULE_S, COL, "rule 's' of rule group 'g' can never decide: rule 'r' of 'g' always decides first, its list 'all' holds all of this one's entries" },
	{ BASE LISTS FEEDS REST("") R("domain_list: fed, action: BLOCK") " - name: org\n   rules:\n    - {name: o, priority: 1, domain_list: fed, action: ALLOW}\n"
	  "organisation: {before: [org]}\n" NETS, RULE_R, COL, "rule 'r' of rule group 'g' can never decide: rule 'o' of 'org'" },
	/* an entry that another rule takes first */
	{ POLICY(R("domain_list: narrow, action: ALLOW") S("domain_list: all, action: BLOCK") "    - {name: t, priority: 3, domain_list: wide, action: ALERT}\n"), RULE_S + 1, COL,
	  "rule 't' of rule group 'g' can never decide" },
	{ BASE "domain_lists: [{name: found}, {name: seen}, {name: fed}, {name: let, entries: [\"*.corp.example\"]}, {name: bad, entries: [b.test, x.corp.example, corp.example]}]\n" FEEDS REST("")
		 R("domain_list: let, action: ALLOW") S("domain_list: bad, action: BLOCK") NETS, 2, 130, "entry 'x.corp.example' of list 'bad' never decides: rule 'r' of 'g' says ALLOW first" },
	/* lists, groups, associations */
	{ BASE "domain_lists: [{name: found}, {name: seen}, {name: fed}, {name: nobody}]\n" FEEDS REST("") R("domain_list: fed, action: BLOCK") NETS, 2, 65, "list 'nobody' is named by no rule" },
	{ BASE "domain_lists: [{name: found}, {name: seen}, {name: fed}, {name: empty}]\n" FEEDS REST("") R("domain_list: fed, action: BLOCK") S("domain_list: empty, action: BLOCK") NETS,
	  RULE_S, COL, "list 'empty' has no entries and no enabled feed" },
	{ BASE LISTS FEEDS REST("") R("domain_list: fed, action: BLOCK") " - name: lonely\n   rules:\n    - {name: o, priority: 1, domain_list: fed, action: ALLOW}\n" NETS, 14, 10,
	  "rule group 'lonely' is in no association" },
	{ BASE LISTS FEEDS REST("") R("domain_list: fed, action: BLOCK") "organisation: {before: [g]}\n" NETS, 15, 71, "rule group 'g' is asked before already" },
	{ BASE LISTS FEEDS REST("") R("domain_list: fed, action: BLOCK") "associations:\n - {name: n, networks: [10.0.0.0/8], rule_groups: [{name: g, priority: 2}, {name: rest, priority: 1}]}\n"
	  " - {name: a, networks: [10.0.0.0/9]}\n - {name: b, networks: [10.128.0.0/10, 10.192.0.0/10]}\n", 15, 11, "association 'n' has no clients" },
	{ BASE LISTS FEEDS REST("") R("domain_list: fed, action: BLOCK") "associations:\n - {name: n, networks: [\"::/0\", 0.0.0.0/0], rule_groups: [{name: g, priority: 2}, {name: rest, priority: 1}]}\n"
	  " - {name: a, networks: [\"::/1\", 0.0.0.0/1]}\n - {name: b, networks: [\"8000::/1\"]}\n", 15, 11, "network ::/0 of association 'n' has no clients" },
	{ BASE LISTS FEEDS "associations: [{name: n, networks: [10.0.0.0/8], fail_open: true}]\n", 4, 23, "fail_open has no effect without rules" },
	/* actions */
	{ POLICY(R("domain_list: fed, action: BLOCK, domain_redirection_action: TRUST_REDIRECTION_DOMAIN")), RULE_R, COL, "TRUST_REDIRECTION_DOMAIN has no effect on a BLOCK" },
	{ POLICY(R("domain_list: all, action: ALLOW")), RULE_R, COL, "allows every name" },
	{ POLICY(R("domain_list: all, action: BLOCK, block_response: OVERRIDE, block_override_domain: help.corp.test")), RULE_R, COL, "clients are led in a circle" },
	{ BASE "domain_lists: [{name: found}, {name: seen}, {name: fed}, {name: s, entries: [a.test, \"*.co.uk\"]}]\n" FEEDS REST("") R("domain_list: s, action: ALLOW") NETS, 2, 87,
	  "'*.co.uk' allows whatever anybody registers" },
	{ BASE "domain_lists: [{name: found}, {name: seen}, {name: fed}, {name: s, entries: [\"*.zip\"]}]\n" FEEDS REST("") R("domain_list: s, action: BLOCK") NETS, 2, 79,
	  "'*.zip' blocks all that is registered" },
};

static const char *const silent[] = {
	"",
	POLICY(R("domain_list: fed, action: ALERT, continue: true") S("domain_list: fed, action: BLOCK")),
	POLICY(R("domain_list: fed, action: ALLOW, q_type: A") S("domain_list: fed, action: BLOCK")),
	POLICY(R("domain_list: fed, action: ALLOW, q_type: A") S("domain_list: fed, action: BLOCK, q_type: [A, AAAA]")),
	/* an ALLOW for part of a walled garden, and for the page that its OVERRIDE leads to */
	POLICY(R("domain_list: wide, action: ALLOW") S("domain_list: all, action: BLOCK, block_response: OVERRIDE, block_override_domain: help.corp.example")),
	POLICY(R("domain_list: narrow, action: BLOCK") S("domain_list: wide, action: ALLOW")),
	POLICY(R("domain_list: narrow, action: BLOCK, q_type: A") S("domain_list: wide, action: ALLOW")),
	/* in one order it is shadowed, in another not */
	BASE LISTS FEEDS REST("") R("domain_list: fed, action: ALLOW") " - name: h\n   rules:\n    - {name: o, priority: 1, domain_list: fed, action: BLOCK}\n"
		"associations:\n - {name: n, networks: [10.0.0.0/8], rule_groups: [{name: g, priority: 2}, {name: rest, priority: 1}, {name: h, priority: 3}]}\n"
		" - {name: m, networks: [10.0.0.0/9], rule_groups: [{name: h, priority: 3}]}\n",
	BASE LISTS FEEDS REST("") R("domain_list: fed, action: BLOCK") "associations:\n - {name: n, networks: [10.0.0.0/8], rule_groups: [{name: g, priority: 2}, {name: rest, priority: 1}]}\n"
		" - {name: a, networks: [10.0.0.0/9]}\n - {name: b, networks: [10.192.0.0/10]}\n",
};

static size_t about(const struct fl_diag *d, const char *says)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n; i++)
		n += strstr(d->v[i].text, says) != NULL;
	return n;
}

static void test_each_is_said_where_it_is(void **state)
{
	unsigned bad = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_diag d = { 0 };
		struct fl_config *c = NULL;
		bool found = false;

		assert_int_equal(fl_config_check_text("t.yaml", fl_span_str(rows[i].text), &c, &d), 0);
		for (size_t k = 0; k < d.n; k++)
			found = found || (d.v[k].warning && strstr(d.v[k].text, rows[i].says) && d.v[k].line == rows[i].line && d.v[k].column == rows[i].column);
		if (!found || about(&d, rows[i].says) != 1) {
			fprintf(stderr, "row %zu, wanted %u:%u %s, got:\n", i, rows[i].line, rows[i].column, rows[i].says);
			fl_diag_print(&d, stderr);
			bad++;
		}
		fl_diag_done(&d);
		fl_config_free(c);
	}
	assert_int_equal(bad, 0);
}

static void test_what_is_meant_is_silent(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(silent) / sizeof(silent[0]); i++) {
		static const char *const words[] = { "never", "no clients", "circle", "decides nothing:", "already", "no effect", "allows" };
		struct fl_diag d = { 0 };
		struct fl_config *c = NULL;

		assert_int_equal(fl_config_check_text("t.yaml", fl_span_str(silent[i]), &c, &d), 0);
		for (size_t k = 0; k < sizeof(words) / sizeof(words[0]); k++)
			if (about(&d, words[k])) {
				fprintf(stderr, "silent row %zu:\n", i);
				fl_diag_print(&d, stderr);
				fail();
			}
		fl_diag_done(&d);
		fl_config_free(c);
	}
}

/* What the table cannot see and the policy refuses is an error of the check too, not of the start alone. */
static void test_what_a_start_would_refuse(void **state)
{
	static const char text[] = "associations: [{name: a, networks: [10.0.0.0/8]}, {name: b, networks: [\"::ffff:10.0.0.0/104\"]}]\n";
	struct fl_diag d = { 0 };
	struct fl_config *c = NULL;

	(void)state;
	assert_int_equal(fl_config_check_text("t.yaml", fl_span_str(text), &c, &d), FL_ECONFIG);
	assert_int_equal(about(&d, "is also another association's"), 1);
	fl_diag_done(&d);
}

/* Loading alone is silent: every role loads. */
static void test_a_load_does_not_lint(void **state)
{
	struct fl_diag d = { 0 };
	struct fl_config *c = NULL;

	(void)state;
	assert_int_equal(fl_config_load_text("t.yaml", fl_span_str(rows[0].text), &c, &d), 0);
	assert_int_equal(d.n, 0);
	fl_diag_done(&d);
	fl_config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_is_said_where_it_is),
		cmocka_unit_test(test_what_is_meant_is_silent),
		cmocka_unit_test(test_what_a_start_would_refuse),
		cmocka_unit_test(test_a_load_does_not_lint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
