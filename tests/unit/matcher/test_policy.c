/* Policy: which rule decides (docs/decisions/policy-order.md), one row a question. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "matcher/policy.h"
#include "tests/support/image_help.h"

enum { A = 1, NS = 2, CNAME = 5, AAAA = 28 };

static const struct fl_cfg_list lists[] = {
	{ .name = FL_LIST_OPERATOR_ALLOW, .builtin = true },
	{ .name = FL_LIST_OPERATOR_BLOCK, .builtin = true },
	{ .name = "allowed" },
	{ .name = "ads" },
	{ .name = "malware" },
	{ .name = "watched" },
	{ .name = "everything", .entries = (const char *const[]){ "*" }, .n_entries = 1 },
	{ .name = "absent" },
};
#define N(v) (sizeof(v) / sizeof((v)[0]))
#define RULE(n, p, l, ...) { .name = n, .priority = p, .list = l, __VA_ARGS__ }
#define ALLOWS .action = FL_ACTION_ALLOW
#define ALERTS .action = FL_ACTION_ALERT
#define BLOCKS(r) .action = FL_ACTION_BLOCK, .block_response = FL_BLOCK_##r
#define GROUP(n, v) { .name = n, .rules = v, .n_rules = N(v) }

static const struct fl_cfg_rule local_rules[] = {
	RULE("watch", 50, "watched", ALERTS, .continue_ = true),
	RULE("let", 100, "allowed", ALLOWS),
	RULE("ads-aaaa", 150, "ads", BLOCKS(NODATA), .q_types = { AAAA }, .n_q_types = 1),
	RULE("ads", 200, "ads", BLOCKS(OVERRIDE), .override_domain = "walled.example", .override_ttl = 7),
	RULE("malware", 300, "malware", BLOCKS(NXDOMAIN)),
};
static const struct fl_cfg_rule garden_rules[] = {
	RULE("let", 100, "allowed", ALLOWS, .trust_redirection = true),
	RULE("rest", 200, "everything", BLOCKS(NXDOMAIN)),
};
static const struct fl_cfg_rule absent_rules[] = {
	RULE("mx-only", 10, "absent", BLOCKS(NXDOMAIN), .q_types = { 15 }, .n_q_types = 1),
	RULE("let", 50, "allowed", ALLOWS),
	RULE("gone", 100, "absent", BLOCKS(NXDOMAIN)),
	RULE("ads", 200, "ads", BLOCKS(NXDOMAIN)),
};
static const struct fl_cfg_rule before_rules[] = { RULE("org-malware", 1, "malware", BLOCKS(NODATA), .q_types = { A }, .n_q_types = 1) };
static const struct fl_cfg_rule after_rules[] = { RULE("org-watch", 1, "watched", ALERTS) };
static const struct fl_cfg_rule_group groups[] = {
	GROUP("local", local_rules),   GROUP("garden", garden_rules), GROUP("absent", absent_rules),
	GROUP("before", before_rules), GROUP("after", after_rules),
};
#define V4(a, b, c, d, p) { .addr = { a, b, c, d }, .prefix = p }
static const struct fl_cfg_network local_nets[] = { V4(10, 0, 0, 0, 8), V4(192, 0, 2, 0, 24) };
static const struct fl_cfg_network garden_nets[] = { V4(10, 1, 0, 0, 16), { .v6 = true, .addr = { 0x20, 1, 0xd, 0xb8 }, .prefix = 32 } };
static const struct fl_cfg_network closed_nets[] = { V4(10, 1, 2, 3, 32), /* ::ffff:10.9.0.0/112 */
						     { .v6 = true, .addr = { [10] = 0xff, 0xff, 10, 9 }, .prefix = 112 } };
static const struct fl_cfg_network open_nets[] = { V4(172, 16, 0, 0, 12) };
#define REF(n) (const struct fl_cfg_group_ref[]){ { n, 100 } }, .n_groups = 1
#define NETS(v) .networks = v, .n_networks = N(v)
static const struct fl_cfg_association associations[] = {
	{ .name = "local", NETS(local_nets), .groups = REF("local") },
	{ .name = "garden", NETS(garden_nets), .groups = REF("garden") },
	{ .name = "closed", NETS(closed_nets), .groups = REF("absent") },
	{ .name = "open", NETS(open_nets), .groups = REF("absent"), .fail_open = true },
};

static struct fl_config config(void)
{
	return (struct fl_config){
		.lists = lists, .n_lists = N(lists), .rule_groups = groups, .n_rule_groups = N(groups),
		.associations = associations, .n_associations = N(associations), .block_ttl = 30,
	};
}

static struct fl_client client(const char *text)
{
	unsigned a, b, c, d;
	struct fl_client cl = { 0 };

	if (strcmp(text, "v6") == 0) /* 2001:db8::1 */
		return (struct fl_client){ true, { 0x20, 1, 0xd, 0xb8, [15] = 1 } };
	if (strncmp(text, "mapped:", 7) == 0) {
		cl = client(text + 7);
		memcpy(cl.addr + 12, cl.addr, 4);
		memset(cl.addr, 0, 10);
		cl.addr[10] = cl.addr[11] = 0xff;
		cl.v6 = true;
		return cl;
	}
	assert_int_equal(sscanf(text, "%u.%u.%u.%u", &a, &b, &c, &d), 4);
	cl.addr[0] = (uint8_t)a;
	cl.addr[1] = (uint8_t)b;
	cl.addr[2] = (uint8_t)c;
	cl.addr[3] = (uint8_t)d;
	return cl;
}

static void hold(struct fl_image **img, const char *list, const char *const *names)
{
	struct fl_set s = { 0 };
	struct help_input in = { "s", 1, NULL, &s, true, false };

	for (; *names; names++)
		help_add(&s, *names, 3);
	help_sort(&s);
	assert_int_equal(help_apply(img, list, 1, &in, 1, NULL, NULL), 0);
	fl_set_done(&s);
}
#define HOLD(img, list, ...) hold(img, list, (const char *const[]){ __VA_ARGS__, NULL })

struct world {
	struct fl_config cfg;
	struct fl_policy *policy;
	struct fl_view *view;
};

/* An image of every list but "absent" and the operator lists. */
static void world_open(struct world *w, bool operators, bool grace)
{
	struct fl_image *img = NULL;
	struct fl_err err;

	assert_int_equal(fl_image_new(&(struct fl_image_key){ { 5 } }, &img), 0);
	HOLD(&img, "allowed", "good.com", "cdn.good.net");
	HOLD(&img, "ads", "ads.com", "good.com", "watched-ads.com");
	HOLD(&img, "malware", "evil.com", "watched-evil.com");
	HOLD(&img, "watched", "watched.com", "watched-ads.com", "watched-evil.com");
	HOLD(&img, "everything", ".");
	if (operators) {
		HOLD(&img, FL_LIST_OPERATOR_ALLOW, "evil.com");
		HOLD(&img, FL_LIST_OPERATOR_BLOCK, "good.com", "evil.com");
	}
	assert_int_equal(fl_policy_new(&w->cfg, &w->policy, &err), 0);
	assert_int_equal(fl_view_new(w->policy, img, grace, &w->view), 0);
	fl_image_release(img);
}

static void world_close(struct world *w)
{
	fl_view_free(w->view);
	fl_policy_free(w->policy);
}

static struct fl_decision decide(const struct world *w, const char *from, const char *name, uint16_t qtype)
{
	struct fl_client cl = client(from);
	struct fl_decision d;
	struct fl_rkey k;

	assert_true(fl_rkey_from_text(fl_span_str(name), &k));
	fl_decide(w->view, &cl, fl_rkey_span(&k), qtype, 0, NULL, &d);
	return d;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

struct row {
	const char *from, *name;
	uint16_t qtype;
	const char *association, *rule;
	enum fl_action action;
	enum fl_block_response response;
	bool degraded;
};

static void check(const struct world *w, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct fl_decision d = decide(w, rows[i].from, rows[i].name, rows[i].qtype);

		if (d.action != rows[i].action || d.response != rows[i].response || d.degraded != rows[i].degraded ||
		    !same_text(d.rule_name, rows[i].rule) || !same_text(d.association, rows[i].association))
			fail_msg("row %zu: %s asks %s: got action %d response %d degraded %d rule %s association %s", i, rows[i].from,
				 rows[i].name, d.action, d.response, d.degraded, d.rule_name ? d.rule_name : "-",
				 d.association ? d.association : "-");
	}
}

static void rules_decide_in_order(void **state)
{
	static const struct row rows[] = {
		/* priority, not the closeness of an entry */
		{ "10.0.0.1", "good.com", A, "local", "let", FL_ACTION_ALLOW, FL_BLOCK_NONE, false },
		{ "10.0.0.1", "www.ads.com", A, "local", "ads", FL_ACTION_BLOCK, FL_BLOCK_OVERRIDE, false },
		{ "10.0.0.1", "www.ads.com", AAAA, "local", "ads-aaaa", FL_ACTION_BLOCK, FL_BLOCK_NODATA, false },
		{ "10.0.0.1", "www.ads.com", 65400, "local", "ads", FL_ACTION_BLOCK, FL_BLOCK_OVERRIDE, false },
		{ "10.0.0.1", "evil.com", A, "local", "malware", FL_ACTION_BLOCK, FL_BLOCK_NXDOMAIN, false },
		{ "10.0.0.1", "nothing.com", A, "local", NULL, FL_ACTION_NONE, FL_BLOCK_NONE, false },
		/* an ALERT that continues: a later rule decides, else it stands itself */
		{ "10.0.0.1", "watched-evil.com", A, "local", "malware", FL_ACTION_BLOCK, FL_BLOCK_NXDOMAIN, false },
		{ "10.0.0.1", "watched.com", A, "local", "watch", FL_ACTION_ALERT, FL_BLOCK_NONE, false },
		/* longest prefix; v4-mapped clients and networks are v4 */
		{ "10.1.0.1", "nothing.com", A, "garden", "rest", FL_ACTION_BLOCK, FL_BLOCK_NXDOMAIN, false },
		{ "10.1.0.1", "www.good.com", A, "garden", "let", FL_ACTION_ALLOW, FL_BLOCK_NONE, false },
		{ "mapped:10.1.0.1", "nothing.com", A, "garden", "rest", FL_ACTION_BLOCK, FL_BLOCK_NXDOMAIN, false },
		{ "v6", "nothing.com", A, "garden", "rest", FL_ACTION_BLOCK, FL_BLOCK_NXDOMAIN, false },
		{ "192.0.2.255", "evil.com", A, "local", "malware", FL_ACTION_BLOCK, FL_BLOCK_NXDOMAIN, false },
		/* never held: closed fails, and says so; an earlier rule still decides; q_types that do not fit come first */
		{ "10.1.2.3", "ads.com", A, "closed", "gone", FL_ACTION_BLOCK, FL_BLOCK_SERVFAIL, true },
		{ "10.1.2.3", "nothing.com", A, "closed", "gone", FL_ACTION_BLOCK, FL_BLOCK_SERVFAIL, true },
		{ "10.1.2.3", "good.com", A, "closed", "let", FL_ACTION_ALLOW, FL_BLOCK_NONE, false },
		{ "10.1.2.3", "good.com", 15, "closed", "mx-only", FL_ACTION_BLOCK, FL_BLOCK_SERVFAIL, true },
		{ "10.9.0.200", "nothing.com", A, "closed", "gone", FL_ACTION_BLOCK, FL_BLOCK_SERVFAIL, true },
		{ "172.16.0.1", "ads.com", A, "open", "ads", FL_ACTION_BLOCK, FL_BLOCK_NXDOMAIN, true },
		{ "172.31.255.1", "nothing.com", A, "open", NULL, FL_ACTION_NONE, FL_BLOCK_NONE, true },
		/* no association: a plain forwarder */
		{ "198.51.100.1", "evil.com", A, NULL, NULL, FL_ACTION_NONE, FL_BLOCK_NONE, false },
		{ "11.0.0.1", "evil.com", A, NULL, NULL, FL_ACTION_NONE, FL_BLOCK_NONE, false },
	};
	struct world w = { config(), NULL, NULL };

	(void)state;
	world_open(&w, false, false);
	check(&w, rows, N(rows));
	assert_int_equal(decide(&w, "10.0.0.1", "ads.com", A).ttl, 7);
	assert_string_equal(decide(&w, "10.0.0.1", "ads.com", A).override_domain, "walled.example");
	assert_int_equal(decide(&w, "10.0.0.1", "a.evil.com", A).ttl, 30);
	assert_int_equal(decide(&w, "10.0.0.1", "a.evil.com", A).entry_len, sizeof("com\0evil"));
	assert_int_equal(decide(&w, "10.0.0.1", "a.evil.com", A).list_version, 1);
	assert_string_equal(decide(&w, "10.0.0.1", "a.evil.com", A).list, "malware");
	assert_string_equal(decide(&w, "10.0.0.1", "watched-evil.com", A).alerted->name, "watch");
	world_close(&w);
}

static void startup_grace_is_open(void **state)
{
	static const struct row rows[] = {
		{ "10.1.2.3", "nothing.com", A, "closed", NULL, FL_ACTION_NONE, FL_BLOCK_NONE, true },
		{ "10.1.2.3", "ads.com", A, "closed", "ads", FL_ACTION_BLOCK, FL_BLOCK_NXDOMAIN, true },
	};
	struct world w = { config(), NULL, NULL };

	(void)state;
	world_open(&w, false, true);
	check(&w, rows, N(rows));
	world_close(&w);
}

static void organisation_stands_around_and_operators_before(void **state)
{
	static const char *const before[] = { "before" }, *const after[] = { "after" };
	static const struct row org[] = {
		{ "10.0.0.1", "evil.com", A, "local", "org-malware", FL_ACTION_BLOCK, FL_BLOCK_NODATA, false },
		{ "10.0.0.1", "evil.com", NS, "local", "malware", FL_ACTION_BLOCK, FL_BLOCK_NXDOMAIN, false },
		{ "198.51.100.1", "evil.com", A, NULL, "org-malware", FL_ACTION_BLOCK, FL_BLOCK_NODATA, false },
		{ "198.51.100.1", "watched.com", A, NULL, "org-watch", FL_ACTION_ALERT, FL_BLOCK_NONE, false },
		{ "10.1.0.1", "watched.com", A, "garden", "rest", FL_ACTION_BLOCK, FL_BLOCK_NXDOMAIN, false },
	};
	static const struct row operators[] = {
		{ "10.0.0.1", "evil.com", A, "local", NULL, FL_ACTION_ALLOW, FL_BLOCK_NONE, false },
		{ "10.0.0.1", "good.com", A, "local", NULL, FL_ACTION_BLOCK, FL_BLOCK_NXDOMAIN, false },
		{ "198.51.100.1", "x.good.com", A, NULL, NULL, FL_ACTION_BLOCK, FL_BLOCK_NXDOMAIN, false },
	};
	struct world w = { config(), NULL, NULL };
	struct fl_decision d;

	(void)state;
	w.cfg.org_before = before;
	w.cfg.org_after = after;
	w.cfg.n_org_before = w.cfg.n_org_after = 1;
	world_open(&w, false, false);
	check(&w, org, N(org));
	world_close(&w);
	world_open(&w, true, false);
	check(&w, operators, N(operators));
	d = decide(&w, "10.0.0.1", "evil.com", A);
	assert_string_equal(d.list, FL_LIST_OPERATOR_ALLOW);
	assert_true(d.trust);
	world_close(&w);
}

static struct fl_decision chain(const struct world *w, const char *from, const char *const *names)
{
	struct fl_client cl = client(from);
	struct fl_decision all = { 0 }, one;
	struct fl_rkey k;

	for (uint8_t hop = 0; names[hop]; hop++) {
		assert_true(fl_rkey_from_text(fl_span_str(names[hop]), &k));
		fl_decide(w->view, &cl, fl_rkey_span(&k), A, hop, hop ? &all : NULL, &one);
		if (hop)
			fl_decision_combine(&all, &one);
		else
			all = one;
	}
	return all;
}
#define CHAIN(w, from, ...) chain(w, from, (const char *const[]){ __VA_ARGS__, NULL })

static void chains_are_decided_hop_by_hop(void **state)
{
	struct world w = { config(), NULL, NULL };
	struct fl_decision d;

	(void)state;
	world_open(&w, false, false);
	/* a block on a later hop stands for the question, also after an ALLOW that inspects redirections */
	d = CHAIN(&w, "10.0.0.1", "nothing.com", "cdn.net", "evil.com", "ads.com");
	assert_int_equal(d.action, FL_ACTION_BLOCK);
	assert_int_equal(d.hop, 2);
	assert_string_equal(d.rule_name, "malware");
	d = CHAIN(&w, "10.0.0.1", "good.com", "evil.com");
	assert_int_equal(d.action, FL_ACTION_BLOCK);
	assert_int_equal(d.hop, 1);
	/* trust: the walled garden's allow keeps its decision over a hop that `*` would block */
	d = CHAIN(&w, "10.1.0.1", "good.com", "edge.cdn.example");
	assert_int_equal(d.action, FL_ACTION_ALLOW);
	assert_int_equal(d.hop, 0);
	/* an alert on a hop is the decision where nothing says more, and a hop that no rule matches changes nothing */
	d = CHAIN(&w, "10.0.0.1", "nothing.com", "watched.com", "cdn.net");
	assert_int_equal(d.action, FL_ACTION_ALERT);
	assert_int_equal(d.hop, 1);
	d = CHAIN(&w, "10.0.0.1", "good.com", "cdn.net");
	assert_int_equal(d.action, FL_ACTION_ALLOW);
	assert_int_equal(d.hop, 0);
	world_close(&w);
}

static void explain_shows_each_rule(void **state)
{
	struct world w = { config(), NULL, NULL };
	struct fl_client cl = client("10.0.0.1");
	struct fl_decide_step steps[16];
	struct fl_decision d;
	struct fl_rkey k;

	(void)state;
	world_open(&w, false, false);
	assert_true(fl_rkey_from_text(fl_span_str("www.ads.com"), &k));
	assert_int_equal(fl_decide_explain(w.view, &cl, fl_rkey_span(&k), A, &d, steps, 16), 2 + N(local_rules));
	assert_string_equal(steps[0].list, FL_LIST_OPERATOR_ALLOW);
	assert_int_equal(steps[0].what, FL_STEP_NOT_HELD);
	assert_int_equal(steps[2].what, FL_STEP_NO_MATCH);
	assert_int_equal(steps[4].what, FL_STEP_QTYPE);
	assert_int_equal(steps[5].what, FL_STEP_MATCHED);
	assert_string_equal(steps[5].rule, "ads");
	assert_int_equal(steps[5].priority, 200);
	assert_int_equal(steps[6].what, FL_STEP_NOT_REACHED);
	assert_string_equal(d.rule_name, "ads");
	assert_int_equal(fl_decide_explain(w.view, &cl, fl_rkey_span(&k), A, &d, steps, 3), 3);
	assert_string_equal(d.rule_name, "ads");
	world_close(&w);
}

static void broken_configurations_are_refused(void **state)
{
	static const struct fl_cfg_rule unknown[] = { RULE("r", 1, "no-such-list", BLOCKS(NXDOMAIN)) };
	static const struct fl_cfg_rule no_domain[] = { RULE("r", 1, "ads", BLOCKS(OVERRIDE)) };
	static const struct fl_cfg_rule no_response[] = { RULE("r", 1, "ads", .action = FL_ACTION_BLOCK) };
	static const struct fl_cfg_rule goes_on[] = { RULE("r", 1, "ads", BLOCKS(NXDOMAIN), .continue_ = true) };
	static const struct fl_cfg_rule alert_list[] = { RULE("r", 1, "watched", BLOCKS(NXDOMAIN)) };
	static const struct fl_cfg_rule_group bad[] = { GROUP("g", unknown), GROUP("g", no_domain), GROUP("g", no_response),
							GROUP("g", goes_on), GROUP("g", alert_list) };
	static const struct fl_cfg_network again[] = { V4(10, 0, 0, 99, 8) };
	const struct fl_cfg_association twice[] = { { .name = "one", NETS(local_nets), .groups = REF("local") },
							   { .name = "two", NETS(again), .groups = REF("local") } };
	const struct fl_cfg_association no_group[] = { { .name = "one", NETS(local_nets), .groups = REF("no-such-group") } };
	struct fl_config c;
	struct fl_policy *p;
	struct fl_err err;

	(void)state;
	for (size_t i = 0; i < N(bad); i++) {
		c = config();
		c.rule_groups = &bad[i];
		c.n_rule_groups = 1;
		c.n_associations = 0;
		c.findings.alert_into = "watched";
		assert_int_equal(fl_policy_new(&c, &p, &err), FL_ECONFIG);
		assert_non_null(strstr(err.text, "rule 'r'"));
	}
	c = config();
	c.associations = twice;
	c.n_associations = 2;
	assert_int_equal(fl_policy_new(&c, &p, &err), FL_ECONFIG);
	c.associations = no_group;
	c.n_associations = 1;
	assert_int_equal(fl_policy_new(&c, &p, &err), FL_ECONFIG);
	assert_non_null(strstr(err.text, "no-such-group"));
}

static void protection_is_of_the_association(void **state)
{
	static const struct fl_cfg_network same[] = { V4(192, 0, 2, 0, 24), V4(10, 0, 0, 0, 8) }; /* in another order */
	static const struct fl_cfg_network mapped[] = { { .v6 = true, .addr = { [10] = 0xff, 0xff, 10 }, .prefix = 104 }, V4(192, 0, 2, 0, 24) };
	static const struct fl_cfg_network less[] = { V4(10, 0, 0, 0, 8) };
	static const struct fl_cfg_network inside[] = { { .v6 = true, .addr = { [10] = 0xff, 0xff, 10, 77 }, .prefix = 112 } };
	static const struct fl_cfg_network beside[] = { V4(11, 0, 0, 0, 8) }, wider[] = { V4(0, 0, 0, 0, 0) };
	static const struct fl_cfg_group_ref two[] = { { "local", 7 }, { "after", 8 } };
	const struct fl_cfg_association old[] = { { .name = "local", NETS(local_nets), .groups = REF("local"), .mutation_protection = true },
						  { .name = "garden", NETS(garden_nets), .groups = REF("garden") } };
	const struct {
		struct fl_cfg_association v[2];
		const char *why; /* NULL: allowed */
	} rows[] = {
		{ { { .name = "local", NETS(same), .groups = REF("local"), .mutation_protection = true } }, NULL },
		{ { { .name = "local", NETS(mapped), .groups = REF("local"), .mutation_protection = true } }, NULL },
		{ { { .name = "local", NETS(local_nets), .groups = REF("local") } }, NULL }, /* switched off, alone */
		{ { { .name = "local", NETS(less), .groups = REF("local") } }, "its networks differ" },
		{ { { .name = "local", NETS(local_nets), .groups = two, .n_groups = 2 } }, "its rule groups differ" },
		{ { { .name = "local", NETS(local_nets), .groups = REF("local"), .fail_open = true } }, "its fail_open differs" },
		{ { { .name = "renamed", NETS(local_nets), .groups = REF("local"), .mutation_protection = true } }, "it is missing" },
		{ { { .name = "local", NETS(local_nets), .groups = REF("local") }, { .name = "x", NETS(inside), .groups = REF("after") } }, "association 'x' would take clients of it" },
		{ { { .name = "local", NETS(local_nets), .groups = REF("local") }, { .name = "x", NETS(beside), .groups = REF("after") } }, NULL },
		{ { { .name = "local", NETS(local_nets), .groups = REF("local") }, { .name = "x", NETS(wider), .groups = REF("after") } }, NULL },
		{ { { .name = "local", NETS(local_nets), .groups = REF("local") }, { .name = "x", NETS(garden_nets), .groups = REF("after") } }, NULL }, /* it had none of them before */
	};
	struct fl_config a = config(), b = config();
	struct fl_err err;

	(void)state;
	a.associations = old;
	a.n_associations = N(old);
	for (size_t i = 0; i < N(rows); i++) {
		b.associations = rows[i].v;
		b.n_associations = rows[i].v[1].name ? 2 : 1;
		assert_int_equal(fl_policy_protected(&a, &b, &err), rows[i].why ? FL_EREFUSED : 0);
		if (rows[i].why)
			assert_non_null(strstr(err.text, rows[i].why));
	}
	assert_int_equal(fl_policy_protected(&b, &a, &err), 0); /* what is not protected may become anything */
}

static void the_order_can_be_looked_at(void **state)
{
	struct world w = { config(), NULL, NULL };
	struct fl_client guest = client("10.1.9.9"), nobody = client("203.0.113.1");
	struct fl_cfg_network net;
	struct fl_policy_row rows[8];

	(void)state;
	world_open(&w, false, false);
	assert_int_equal(fl_view_set_of(w.view, &guest), 1);
	assert_int_equal(fl_view_set_of(w.view, &nobody), N(associations));
	assert_true(fl_view_network(w.view, &guest, &net));
	assert_int_equal(net.prefix, 16);
	assert_false(fl_view_network(w.view, &nobody, &net));
	assert_int_equal(fl_view_order(w.view, 1, rows, 8), 2 + N(garden_rules));
	assert_null(rows[0].rule_group);
	assert_int_equal(rows[0].band, FL_BAND_OPERATOR);
	assert_int_equal(rows[3].band, FL_BAND_ASSOCIATION);
	assert_string_equal(rows[3].rule->name, "rest");
	assert_int_equal(rows[3].response, FL_BLOCK_NXDOMAIN);
	assert_true(rows[3].held && rows[3].list_version == 1);
	assert_int_equal(fl_view_order(w.view, 2, rows, 3), 2 + N(absent_rules)); /* as many as there are */
	assert_false(rows[2].held);
	world_close(&w);
}

static void collect(void *ctx, const void *what, const char *hint, const char *text)
{
	struct fl_buf *b = ctx;

	(void)what, (void)hint;
	fl_buf_str(b, text);
	fl_buf_str(b, "\n");
}

static void lint_names_what_can_never_decide(void **state)
{
	static const struct fl_cfg_rule shadowed[] = {
		RULE("alert-first", 1, "ads", ALERTS),
		RULE("block-late", 2, "ads", BLOCKS(NXDOMAIN)),
		RULE("all", 3, "everything", BLOCKS(NXDOMAIN), .q_types = { A }, .n_q_types = 1),
		RULE("after-all-a", 4, "malware", BLOCKS(NXDOMAIN), .q_types = { A }, .n_q_types = 1),
		RULE("after-all", 5, "malware", BLOCKS(NXDOMAIN)),
	};
	static const struct fl_cfg_rule idle[] = { RULE("idle", 1, "allowed", ALLOWS) };
	static const struct fl_cfg_rule_group two[] = { GROUP("g", shadowed), GROUP("unused", idle) };
	const struct fl_cfg_association one[] = { { .name = "one", NETS(local_nets), .groups = REF("g") } };
	struct fl_config c = config();
	struct fl_buf b = { 0 };

	(void)state;
	assert_int_equal(fl_policy_lint(&c, collect, &b, NULL), 0); /* the tests' own configuration: only unused things, no shadow */
	assert_null(strstr(fl_buf_cstr(&b), "can never"));
	assert_non_null(strstr(fl_buf_cstr(&b), "rule group 'before' is in no association"));
	fl_buf_reset(&b);
	c.rule_groups = two;
	c.n_rule_groups = 2;
	c.associations = one;
	c.n_associations = 1;
	assert_int_equal(fl_policy_lint(&c, collect, &b, NULL), 0);
	assert_non_null(strstr(fl_buf_cstr(&b), "rule 'block-late' of rule group 'g' can never block"));
	assert_non_null(strstr(fl_buf_cstr(&b), "rule 'after-all-a' of rule group 'g' can never decide"));
	assert_null(strstr(fl_buf_cstr(&b), "'after-all' of rule group 'g' can never"));
	assert_non_null(strstr(fl_buf_cstr(&b), "rule group 'unused'"));
	assert_non_null(strstr(fl_buf_cstr(&b), "list 'watched' is named by no rule"));
	fl_buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_decide_in_order),
		cmocka_unit_test(startup_grace_is_open),
		cmocka_unit_test(organisation_stands_around_and_operators_before),
		cmocka_unit_test(chains_are_decided_hop_by_hop),
		cmocka_unit_test(explain_shows_each_rule),
		cmocka_unit_test(broken_configurations_are_refused),
		cmocka_unit_test(protection_is_of_the_association),
		cmocka_unit_test(the_order_can_be_looked_at),
		cmocka_unit_test(lint_names_what_can_never_decide),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
