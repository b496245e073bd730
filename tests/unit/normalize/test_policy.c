/* Which claims policy makes of findings, by type, severity, sample, echo and archive. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "normalize/normalize.h"

#define NOW (INT64_C(1767700000) * FL_US_PER_S)
#define DAY_MS INT64_C(86400000)

static struct fl_names *names;
static const char *const own_lists[] = { "fireline-export" };
static const struct fl_finding_policy usual = { .min_severity = 4.0, .ttl_ms = 14 * DAY_MS, .ignore_samples = true,
						.own_lists = own_lists, .n_own_lists = 1 };

struct made {
	struct fl_arena arena;
	struct fl_finding_claims claims;
	struct fl_tally tally;
};

static struct made decide(const struct fl_finding *f, const struct fl_finding_policy *p)
{
	struct made m = { 0 };

	assert_int_equal(fl_finding_claims(names, f, p, "findings", NOW, &m.arena, &m.claims, &m.tally), 0);
	assert_true(fl_tally_balances(&m.tally));
	assert_int_equal(m.tally.out, m.claims.n);
	return m;
}

static struct fl_finding finding(const char *type, const char *const *domain)
{
	return (struct fl_finding){ .id = "0cc1aa55", .type = type, .shape = "guardduty-event", .severity = 8,
				    .domains = domain, .n_domains = 1 };
}

/* Every type that `finding sample` knows is one that policy knows: none falls to what nobody has heard of. */
static void test_known_types(void **state)
{
	static const char *const alerts[] = { "Exfiltration", "Suspicious", "Abused", "Rebind", "Blackhole" };
	static const char *const domain[] = { "a.bad.example" };

	(void)state;
	for (size_t i = 0; i < fl_finding_types_n; i++) {
		const char *type = fl_finding_types[i].type, *slash = strchr(type, '/');
		struct fl_finding f = finding(type, domain);
		struct made m = decide(&f, &usual);
		bool alert = false, twin = strstr(type, ":EC2/") && i + 1 < fl_finding_types_n && strstr(fl_finding_types[i + 1].type, slash);

		for (size_t k = 0; k < sizeof(alerts) / sizeof(alerts[0]); k++)
			alert = alert || strstr(type, alerts[k]);
		if (m.claims.n != 1 || m.claims.action != (alert ? FL_FINDING_ALERT : FL_FINDING_BLOCK))
			fail_msg("%s: %d claims, action %d", type, (int)m.claims.n, (int)m.claims.action);
		assert_ptr_equal(fl_finding_type(type), &fl_finding_types[i]);
		if (twin)
			assert_null(fl_finding_type(slash + 1)); /* it stands for two */
		assert_ptr_equal(fl_finding_type(strchr(type, ':') + 1), &fl_finding_types[i]);
		fl_arena_done(&m.arena);
	}
	assert_ptr_equal(fl_finding_type("DNSDataExfiltration"), fl_finding_type("Trojan:EC2/DNSDataExfiltration"));
	assert_null(fl_finding_type(""));
	assert_null(fl_finding_type("Trojan"));
}

static void test_types(void **state)
{
	static const struct {
		const char *type;
		enum fl_finding_action action;
		const char *name;
		uint8_t scope;
	} rows[] = {
		{ "Backdoor:EC2/C&CActivity.B!DNS", FL_FINDING_BLOCK, "a.b.evil.example", 1 },
		{ "Backdoor:Runtime/C&CActivity.B!DNS", FL_FINDING_BLOCK, "a.b.evil.example", 1 },
		{ "Backdoor:EC2-C&CActivity.B!DNS", FL_FINDING_BLOCK, "a.b.evil.example", 1 },
		{ "CryptoCurrency:EC2/BitcoinTool.B!DNS", FL_FINDING_BLOCK, "a.b.evil.example", 1 },
		{ "Impact:EC2/AbusedDomainRequest.Reputation", FL_FINDING_ALERT, "a.b.evil.example", 1 },
		{ "Impact:EC2/BitcoinDomainRequest.Reputation", FL_FINDING_BLOCK, "a.b.evil.example", 1 },
		{ "Impact:EC2/MaliciousDomainRequest.Reputation", FL_FINDING_BLOCK, "a.b.evil.example", 1 },
		{ "Impact:EC2/MaliciousDomainRequest.Custom", FL_FINDING_BLOCK, "a.b.evil.example", 1 },
		{ "Impact:Runtime/SuspiciousDomainRequest.Reputation", FL_FINDING_ALERT, "a.b.evil.example", 1 },
		{ "Trojan:EC2/BlackholeTraffic!DNS", FL_FINDING_ALERT, "a.b.evil.example", 1 },
		{ "Trojan:EC2/DGADomainRequest.B", FL_FINDING_BLOCK, "a.b.evil.example", 1 },
		{ "Trojan:Runtime/DGADomainRequest.C!DNS", FL_FINDING_BLOCK, "a.b.evil.example", 1 },
		{ "Trojan:EC2/DNSDataExfiltration", FL_FINDING_ALERT, "evil.example", 3 },
		{ "Trojan:EC2-DNSDataExfiltration", FL_FINDING_ALERT, "evil.example", 3 },
		{ "Trojan:EC2/DriveBySourceTraffic!DNS", FL_FINDING_BLOCK, "a.b.evil.example", 1 },
		{ "Trojan:EC2/DropPoint!DNS", FL_FINDING_BLOCK, "a.b.evil.example", 1 },
		{ "Trojan:EC2/PhishingDomainRequest!DNS", FL_FINDING_BLOCK, "a.b.evil.example", 1 },
		{ "UnauthorizedAccess:EC2/MetadataDNSRebind", FL_FINDING_ALERT, "a.b.evil.example", 1 },
		{ "AttackSequence:EC2/CompromisedInstanceGroup", FL_FINDING_BLOCK, "a.b.evil.example", 1 },
		{ "Trojan:EC2/NeverHeardOf!DNS", FL_FINDING_ALERT, "a.b.evil.example", 1 },
		{ "", FL_FINDING_ALERT, "a.b.evil.example", 1 },
	};
	const char *domain = "A.b.Evil.example.";

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct fl_finding f = finding(rows[i].type, &domain);
		struct made m = decide(&f, &usual);
		char text[FL_NAME_TEXT];

		if (m.claims.n != 1 || m.claims.action != rows[i].action)
			fail_msg("%s: %zu claims, action %d, %s", rows[i].type, m.claims.n, m.claims.action,
				 fl_drop_word(m.claims.why));
		assert_string_equal(fl_rkey_to_text(fl_rkey_span(&m.claims.v->key), text), rows[i].name);
		assert_int_equal(m.claims.v->scope, rows[i].scope);
		assert_int_equal(m.claims.v->state, FL_CLAIM_ACTIVE);
		assert_int_equal(m.claims.v->expires_at, NOW + 14 * DAY_MS * 1000);
		assert_int_equal(strlen(m.claims.v->id), 64);
		fl_arena_done(&m.arena);
	}
}

static void test_plain_blocks(void **state)
{
	const char *domain = "evil.example";
	struct fl_finding f = finding("", &domain);
	struct made m;

	(void)state;
	f.shape = "plain";
	f.reason = "seen by hand";
	f.expires_at = NOW + 5;
	m = decide(&f, &usual);
	assert_int_equal(m.claims.n, 1);
	assert_int_equal(m.claims.action, FL_FINDING_BLOCK);
	assert_int_equal(m.claims.v->expires_at, NOW + 5);
	assert_string_equal(m.claims.v->reason, "seen by hand");
	fl_arena_done(&m.arena);
	f.expires_at = NOW;
	m = decide(&f, &usual);
	assert_int_equal(m.claims.why, FL_DROP_EXPIRED);
	fl_arena_done(&m.arena);
}

static void test_refused(void **state)
{
	static const struct {
		const char *domain; /* NULL: none */
		bool sample, echo;
		double severity;
		enum fl_drop why;
	} rows[] = {
		{ "evil.example", true, false, 8, FL_DROP_SAMPLE },
		{ "evil.example", true, false, 1, FL_DROP_SAMPLE },
		{ "evil.example", false, true, 8, FL_DROP_IGNORED },
		{ "evil.example", false, false, 3.9, FL_DROP_LOW_SEVERITY },
		{ NULL, false, false, 8, FL_DROP_NO_DOMAIN },
		{ NULL, false, false, 1, FL_DROP_LOW_SEVERITY },
		{ "1.2.3.4", false, false, 8, FL_DROP_ADDRESS },
		{ "evil", false, false, 8, FL_DROP_SINGLE_LABEL },
		{ "co.uk", false, false, 8, FL_DROP_ICANN_SUFFIX },
		{ "evil.example", false, false, 4.0, FL_DROP_COUNT },
		{ "github.io", false, false, 8, FL_DROP_COUNT },
	};
	static const char *const lists[] = { "ProofPoint", "fireline-export" };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct fl_finding f = finding("Backdoor:EC2/C&CActivity.B!DNS", &rows[i].domain);
		struct made m;

		f.n_domains = rows[i].domain != NULL;
		f.sample = rows[i].sample;
		f.severity = rows[i].severity;
		f.threat_lists = lists;
		f.n_threat_lists = rows[i].echo ? 2 : 1;
		m = decide(&f, &usual);
		if (m.claims.why != rows[i].why || m.claims.n != (rows[i].why == FL_DROP_COUNT))
			fail_msg("row %zu: %s", i, fl_drop_word(m.claims.why));
		fl_arena_done(&m.arena);
	}
}

static void test_samples_never_block(void **state)
{
	const char *domain = "3322.example";
	struct fl_finding f = finding("Trojan:EC2/DropPoint!DNS", &domain);
	struct fl_finding_policy p = usual;
	struct made m;

	(void)state;
	f.sample = true;
	p.ignore_samples = false;
	m = decide(&f, &p);
	assert_int_equal(m.claims.n, 1);
	assert_int_equal(m.claims.action, FL_FINDING_ALERT);
	fl_arena_done(&m.arena);
}

static void test_archived_withdraws_whatever_the_severity(void **state)
{
	const char *domain = "evil.example";
	struct fl_finding f = finding("Backdoor:EC2/C&CActivity.B!DNS", &domain);
	struct made before = decide(&f, &usual), after;

	(void)state;
	f.archived = true;
	f.severity = 1;
	after = decide(&f, &usual);
	assert_int_equal(after.claims.n, 1);
	assert_int_equal(after.claims.v->state, FL_CLAIM_WITHDRAWN);
	assert_string_equal(after.claims.v->id, before.claims.v->id);
	fl_arena_done(&before.arena);
	fl_arena_done(&after.arena);
}

static void test_the_operators_rules_come_first(void **state)
{
	static const struct fl_finding_rule rules[] = {
		{ "*DNSDataExfiltration*", FL_FINDING_BLOCK, 2, DAY_MS, NULL },
		{ "Trojan:EC2/DropPoint*", FL_FINDING_IGNORE, 0, 0, NULL },
	};
	struct fl_finding_policy p = usual;
	const char *domain = "a.b.evil.example";
	struct fl_finding f = finding("Trojan:EC2/DNSDataExfiltration", &domain);
	struct made m;

	(void)state;
	p.rules = rules;
	p.n_rules = 2;
	m = decide(&f, &p);
	assert_int_equal(m.claims.action, FL_FINDING_BLOCK);
	assert_int_equal(m.claims.v->scope, FL_SCOPE_SUBTREE);
	assert_int_equal(m.claims.v->expires_at, NOW + DAY_MS * 1000);
	fl_arena_done(&m.arena);
	f.type = "Trojan:EC2-DropPoint!DNS";
	m = decide(&f, &p);
	assert_int_equal(m.claims.why, FL_DROP_IGNORED);
	fl_arena_done(&m.arena);
}

static void test_scope_is_the_types_where_a_rule_leaves_it(void **state)
{
	static const struct fl_finding_rule rules[] = { { "*DNSDataExfiltration*", FL_FINDING_BLOCK, 0, 0, NULL } };
	struct fl_finding_policy p = usual;
	const char *domain = "a.b.evil.example";
	struct fl_finding f = finding("Trojan:EC2/DNSDataExfiltration", &domain);
	struct made m;

	(void)state;
	p.rules = rules;
	p.n_rules = 1;
	m = decide(&f, &p);
	assert_int_equal(m.claims.action, FL_FINDING_BLOCK);
	assert_int_equal(m.claims.v->scope, FL_SCOPE_SUBTREE);
	fl_arena_done(&m.arena);
}

static void test_lists(void **state)
{
	static const struct fl_finding_rule rules[] = { { "*DropPoint*", FL_FINDING_BLOCK, 0, 0, "malware" }, { "*DGA*", FL_FINDING_BLOCK, 0, 0, "" } };
	static const struct {
		const char *type;
		bool sample;
		const char *into;
	} rows[] = { { "Trojan:EC2/DropPoint!DNS", false, "malware" }, { "Trojan:EC2/DGADomainRequest.B", false, "b" },
		     { "Trojan:EC2/BlackholeTraffic!DNS", false, "a" }, { "Trojan:EC2/DropPoint!DNS", true, "a" } }; /* a sample alerts, and not there */
	struct fl_finding_policy p = usual;
	const char *domain = "evil.example";

	(void)state;
	p.rules = rules;
	p.n_rules = 2;
	p.into = "b";
	p.alert_into = "a";
	p.ignore_samples = false;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct fl_finding f = finding(rows[i].type, &domain);
		struct made m;

		f.sample = rows[i].sample;
		m = decide(&f, &p);
		assert_int_equal(m.claims.n, 1);
		assert_string_equal(m.claims.into, rows[i].into);
		assert_string_equal(m.claims.domains[0], domain);
		fl_arena_done(&m.arena);
	}
}

static void test_what_is_protected_is_never_blocked(void **state)
{
	static const struct {
		const char *type;
		bool archived;
		size_t n, held;
	} rows[] = { { "Trojan:EC2/DropPoint!DNS", false, 1, 1 }, { "Trojan:EC2/DropPoint!DNS", true, 2, 0 }, { "Trojan:EC2/BlackholeTraffic!DNS", false, 2, 0 } };
	const char *domains[] = { "Time.Example.", "evil.example" };
	struct fl_finding_policy p = usual;
	struct fl_protected protected = { 0 };
	int ret;

	(void)state;
	fl_protect_add_text(&protected, names, fl_span_str("time.example"), FL_PROTECT_OPERATOR, &ret);
	p.protect = &protected;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct fl_finding f = finding(rows[i].type, domains);
		struct made m;

		f.n_domains = 2;
		f.archived = rows[i].archived;
		m = decide(&f, &p);
		assert_int_equal(m.claims.n, rows[i].n);
		assert_int_equal(m.claims.n_held, rows[i].held);
		assert_int_equal(m.tally.dropped[FL_DROP_PROTECTED], rows[i].held);
		if (rows[i].held) {
			assert_ptr_equal(m.claims.held->protects, protected.v);
			assert_string_equal(m.claims.held->domain, "Time.Example.");
			assert_string_equal(m.claims.held->claim.finding, f.id);
			assert_int_equal(strlen(m.claims.held->claim.id), 64);
		}
		fl_arena_done(&m.arena);
	}
	fl_protected_done(&protected);
}

static void test_one_claim_a_name(void **state)
{
	const char *domains[] = { "a.example", "A.Example.", "b.example", "1.2.3.4" };
	struct fl_finding f = finding("AttackSequence:S3/CompromisedData", domains);
	struct made m;

	(void)state;
	f.n_domains = 4;
	m = decide(&f, &usual);
	assert_int_equal(m.claims.n, 2);
	assert_int_equal(m.tally.in, 4);
	assert_int_equal(m.tally.dropped[FL_DROP_DUPLICATE], 1);
	assert_int_equal(m.tally.dropped[FL_DROP_ADDRESS], 1);
	assert_int_equal(m.claims.why, FL_DROP_COUNT);
	fl_arena_done(&m.arena);
}

static void test_an_id_that_does_not_fit_is_refused(void **state)
{
	char id[200];
	const char *domain = "evil.example";
	struct fl_finding f = finding("Backdoor:EC2/C&CActivity.B!DNS", &domain);
	struct made m;

	(void)state;
	memset(id, 'x', sizeof(id) - 1);
	id[sizeof(id) - 1] = '\0';
	f.id = id;
	m = decide(&f, &usual);
	assert_int_equal(m.claims.why, FL_DROP_MALFORMED);
	fl_arena_done(&m.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_types), cmocka_unit_test(test_types),
		cmocka_unit_test(test_plain_blocks),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_samples_never_block),
		cmocka_unit_test(test_archived_withdraws_whatever_the_severity),
		cmocka_unit_test(test_the_operators_rules_come_first),
		cmocka_unit_test(test_scope_is_the_types_where_a_rule_leaves_it),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_what_is_protected_is_never_blocked),
		cmocka_unit_test(test_one_claim_a_name),
		cmocka_unit_test(test_an_id_that_does_not_fit_is_refused),
	};
	struct fl_err err;
	int failed;

	if (fl_names_open(NULL, &names, &err) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fl_names_close(names);
	return failed;
}
