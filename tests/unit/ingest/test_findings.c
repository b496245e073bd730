/* What the findings stage promises: durable when it answers, each name as long as one claim holds it, ended by itself; and an operator's entries. */
#include "ingest_help.h"

static struct fl_findings_stage *st;
static struct fl_clock_mem here; /* the stage's own clock; the store keeps the world's */
static struct fl_finding_outcome out;

static void open_stage(const struct fl_drop_dir *dir)
{
	struct fl_findings_config c = { .cfg = &cfg, .sets = &w.f, .dir = dir, .clock = &here.door, .random = &w.random.door, .names = names_lib };

	assert_int_equal(fl_findings_open(&c, &st, &why), 0);
}

static int setup(void **state)
{
	(void)state;
	if (ingest_world() < 0)
		return -1;
	fl_clock_mem_init(&here, fl_now_unix(&w.clock.door));
	w.f.clock = &here.door;
	open_stage(NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fl_findings_close(st);
	return ingest_world_end();
}

#define FIND(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void pass(int64_t s)
{
	fl_clock_mem_advance(&w.clock, s * FL_NS_PER_S);
	fl_clock_mem_advance(&here, s * FL_NS_PER_S);
}

static void step(void)
{
	fl_mono_ns wake;

	assert_int_equal(fl_findings_step(st, fl_now_mono(&here.door), &wake), 0);
}

enum { PLAIN, ARCHIVED, SAMPLE };

static const char *finding(const char *id, const char *type, const char *domain, double severity, int how, int updated_s)
{
	return fl_arena_printf(&w.arena,
			       "{\"schemaVersion\":\"2.0\",\"id\":\"%s\",\"type\":\"%s\",\"severity\":%g,\"updatedAt\":\"2026-09-%02dT00:00:%02dZ\",\"service\":{\"archived\":%s,"
			       "\"additionalInfo\":{\"sample\":%s},\"action\":{\"dnsRequestAction\":{\"domain\":\"%s\"}}}}",
			       id, type, severity, 1, updated_s, how == ARCHIVED ? "true" : "false", how == SAMPLE ? "true" : "false", domain);
}

#define C2 "Backdoor:EC2/C&CActivity.B!DNS"

static int inject(const char *json)
{
	memset(&why, 0, sizeof(why));
	return fl_findings_inject(st, "cli", fl_span_str(json), false, "mona", &out, &why);
}

static struct fl_findings_status status(void)
{
	struct fl_findings_status s;

	fl_findings_status(st, &s);
	return s;
}

static void test_a_finding_becomes_an_entry(void **state)
{
	struct fl_source_version v;
	struct fl_claim *c;
	struct fl_rkey k = gen_rkey("bad.example");
	size_t n;

	(void)state;
	assert_int_equal(inject(finding("1", C2, "Bad.Example.", 8, PLAIN, 1)), 0);
	assert_int_equal(out.accepted, 1);
	assert_int_equal(out.documents, 1);
	assert_string_equal(out.source, "cli.block");
	assert_string_equal(out.list, FL_LIST_FINDINGS_BLOCK);
	assert_int_equal(out.version, 1);
	assert_true(fl_tally_balances(&out.tally));
	assert_int_equal(version_of("cli.block", &v), 1);
	assert_int_equal(v.cause, FL_CAUSE_FINDING);
	assert_string_equal(v.actor, "mona");
	assert_string_equal(v.reason, C2);
	assert_true(holds("cli.block", "bad.example"));
	assert_int_equal(claims_on_name(&w.s, "cli.block", fl_rkey_span(&k), &w.arena, &c, &n), 0);
	assert_int_equal(n, 1);
	assert_string_equal(c->finding, "1");
	assert_int_equal(c->state, FL_CLAIM_ACTIVE);
	assert_int_equal(status().accepted, 1);
}

static void test_refused(void **state)
{
	static const struct {
		const char *type, *domain;
		double severity;
		int how;
		const char *says;
	} rows[] = {
		{ C2, "bad.example", 8, SAMPLE, "sample" },
		{ C2, "bad.example", 2, PLAIN, "severity" },
		{ C2, "192.0.2.1", 8, PLAIN, "" },
		{ C2, "co.uk", 8, PLAIN, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(inject(finding("1", rows[i].type, rows[i].domain, rows[i].severity, rows[i].how, 1)), 0);
		if (out.accepted || !out.reason[0] || !strstr(out.reason, rows[i].says))
			fail_msg("row %d: accepted %u, %s", (int)i, out.accepted, out.reason);
		assert_true(fl_tally_balances(&out.tally));
	}
	assert_int_equal(inject("{\"schemaVersion\":\"2.0\",\"id\":\"1\",\"type\":\"x\",\"severity\":8}"), 0);
	assert_int_equal(out.refused, 1);
	assert_int_equal(inject("{"), FL_EFORMAT);
	assert_int_equal(inject("<html>"), FL_EFORMAT);
	assert_int_equal(version_of("cli.block", NULL), 0);
	assert_int_equal(version_of("cli.alert", NULL), 0);
	assert_int_equal(status().sample, 1);
	assert_int_equal(status().low_severity, 1);
	assert_int_equal(status().no_domain, 1);
	assert_true(status().malformed >= 2);
	assert_int_equal(status().accepted, 0);
}

static void test_some_types_only_alert(void **state)
{
	(void)state;
	assert_int_equal(inject(finding("1", "Impact:EC2/AbusedDomainRequest.Reputation", "t.freehost.example", 8, PLAIN, 1)), 0);
	assert_string_equal(out.source, "cli.alert");
	assert_string_equal(out.list, FL_LIST_FINDINGS_ALERT);
	assert_int_equal(version_of("cli.block", NULL), 0);
	assert_true(holds("cli.alert", "t.freehost.example"));
}

static void test_a_protected_name_is_not_blocked(void **state)
{
	(void)state;
	assert_int_equal(inject(finding("1", C2, "google.com", 8, PLAIN, 1)), 0);
	assert_int_equal(out.accepted, 0);
	assert_int_equal(out.refused, 1);
	assert_non_null(strstr(out.reason, "protected name google.com"));
	assert_int_equal(status().protected, 1);
	assert_int_equal(status().malformed, 0);
	assert_true(holds("cli.block", "")); /* its claim is kept, quarantined */
	/* and costs the other names of the finding nothing */
	assert_int_equal(inject("{\"id\":\"2\",\"severity\":9,\"type\":\"AttackSequence:X\",\"service\":{\"detection\":{\"sequence\":{\"sequenceIndicators\":"
				"[{\"key\":\"MALICIOUS_DOMAIN\",\"values\":[\"google.com\",\"bad.example\"]}]}}}}"),
			 0);
	assert_int_equal(out.accepted, 1);
	assert_int_equal(out.refused, 1);
	assert_int_equal(status().protected, 2);
	assert_true(holds("cli.block", "bad.example"));
	assert_false(holds("cli.block", "google.com"));
}

static void test_one_that_is_broken_costs_no_other(void **state)
{
	(void)state;
	assert_int_equal(inject("[{\"domain\":\"a.example\"},{\"domain\":7},{\"domain\":\"b.example\"}]"), 0);
	assert_int_equal(out.findings, 3);
	assert_int_equal(out.accepted, 2);
	assert_int_equal(out.refused, 1);
	assert_non_null(strstr(out.reason, "finding 2: domain is not a text"));
	assert_int_equal(status().malformed, 1);
	assert_int_equal(inject("[{\"domain\":7}]"), FL_EFORMAT);
}

static void test_dry_run(void **state)
{
	(void)state;
	assert_int_equal(fl_findings_inject(st, "cli", fl_span_str(finding("1", C2, "bad.example", 8, PLAIN, 1)), true, "mona", &out, &why), 0);
	assert_int_equal(out.accepted, 1);
	assert_int_equal(out.version, 0);
	assert_int_equal(version_of("cli.block", NULL), 0);
	assert_int_equal(status().accepted, 0);
}

static void test_repeats(void **state)
{
	(void)state;
	assert_int_equal(inject(finding("1", C2, "bad.example", 8, PLAIN, 5)), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(inject(finding("1", C2, "bad.example", 8, PLAIN, i < 2 ? 5 : 4)), 0); /* the same, and an older one */
		assert_int_equal(out.duplicate, 1);
		assert_int_equal(out.accepted, 0);
		assert_int_equal(out.version, 0);
	}
	assert_int_equal(version_of("cli.block", NULL), 1);
	pass(3600);
	assert_int_equal(inject(finding("1", C2, "bad.example", 8, PLAIN, 6)), 0); /* seen again: its end moves */
	assert_int_equal(out.accepted, 1);
	assert_int_equal(version_of("cli.block", NULL), 2);
	pass(86400 - 1800);
	step();
	assert_true(holds("cli.block", "bad.example"));
	pass(3600);
	step();
	assert_true(holds("cli.block", ""));
}

static void test_archived(void **state)
{
	struct fl_claim *c;
	struct fl_rkey k = gen_rkey("bad.example");
	size_t n;

	(void)state;
	assert_int_equal(inject(finding("1", C2, "bad.example", 8, PLAIN, 1)), 0);
	assert_int_equal(inject(finding("1", C2, "bad.example", 8, ARCHIVED, 2)), 0);
	assert_int_equal(out.withdrawn, 1);
	assert_true(holds("cli.block", ""));
	assert_int_equal(claims_on_name(&w.s, "cli.block", fl_rkey_span(&k), &w.arena, &c, &n), 0);
	assert_int_equal(n, 0);
	/* a late repeat of the first does not revive it; a newer update does */
	assert_int_equal(inject(finding("1", C2, "bad.example", 8, PLAIN, 1)), 0);
	assert_int_equal(out.duplicate, 1);
	assert_true(holds("cli.block", ""));
	assert_int_equal(inject(finding("1", C2, "bad.example", 8, PLAIN, 3)), 0);
	assert_true(holds("cli.block", "bad.example"));
}

/* Its withdrawal arrives first: it is kept, so that the finding that it takes back does not block when it comes late. */
static void test_withdrawn_before_it_was_claimed(void **state)
{
	static const int late[] = { 2, 5 };
	struct fl_claim c = { .source = "cli.block", .finding = "1", .key = gen_rkey("bad.example") };

	(void)state;
	assert_int_equal(inject(finding("1", C2, "bad.example", 8, ARCHIVED, 5)), 0);
	assert_int_equal(out.withdrawn, 1);
	assert_string_equal(out.source, "cli.block");
	assert_int_equal(version_of("cli.block", NULL), out.version);
	fl_claim_id(&c);
	assert_int_equal(fl_claim_get(&w.s, "cli.block", c.id, &c, &why), 0);
	assert_int_equal(c.state, FL_CLAIM_WITHDRAWN);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(inject(finding("1", C2, "bad.example", 8, PLAIN, late[i])), 0); /* older, and of the same moment */
		assert_int_equal(out.accepted, 0);
		assert_int_equal(out.duplicate, 1);
		assert_non_null(strstr(out.reason, "withdrawn"));
		assert_true(holds("cli.block", ""));
	}
	assert_int_equal(inject(finding("1", C2, "bad.example", 8, ARCHIVED, 5)), 0);
	assert_int_equal(out.duplicate, 1);
	assert_int_equal(inject(finding("2", C2, "bad.example", 8, PLAIN, 1)), 0); /* another finding of the name is another claim */
	assert_true(holds("cli.block", "bad.example"));
	assert_int_equal(inject(finding("2", C2, "bad.example", 8, ARCHIVED, 1)), 0);
	assert_int_equal(inject(finding("1", C2, "bad.example", 8, PLAIN, 6)), 0); /* the source's own later word */
	assert_int_equal(out.accepted, 1);
	assert_true(holds("cli.block", "bad.example"));
}

#define UNDATED(more) "{\"id\":\"u\",\"domain\":\"bad.example\"" more "}"

/* What has no date is ordered by its arrival, but for this: nothing without a date takes a withdrawal back, or is revived. */
static void test_undated(void **state)
{
	(void)state;
	assert_int_equal(inject(UNDATED("")), 0);
	assert_int_equal(inject(UNDATED("")), 0);
	assert_int_equal(out.accepted, 1); /* seen again */
	assert_int_equal(inject(UNDATED(",\"archived\":true")), 0);
	assert_true(holds("cli.block", ""));
	assert_int_equal(inject(UNDATED("")), 0);
	assert_int_equal(out.duplicate, 1);
	assert_int_equal(inject(UNDATED(",\"updated_at\":\"2026-09-01T00:00:00Z\"")), 0);
	assert_int_equal(out.duplicate, 1);
	assert_true(holds("cli.block", ""));
	assert_int_equal(inject(finding("1", C2, "dated.example", 8, PLAIN, 5)), 0);
	assert_int_equal(inject("{\"id\":\"1\",\"domain\":\"dated.example\",\"archived\":true}"), 0);
	assert_int_equal(out.withdrawn, 1); /* whoever takes back without a date means now */
	assert_true(holds("cli.block", ""));
}

/* A detector that was given one of our lists finds its names: a list must not confirm itself for ever. */
static void test_echo_of_our_own_list(void **state)
{
	static const struct fl_cfg_list later[] = { { .name = "newlist", .description = "" }, { .name = FL_LIST_FINDINGS_BLOCK, .description = "", .builtin = true } };
	static const struct {
		const char *list;
		bool echo;
	} rows[] = { { "mal", true }, { "fireline-gar", true }, { FL_LIST_FINDINGS_BLOCK, true }, { "VendorX", false }, { "MAL", false }, { "newlist", false }, { "fireline-", false } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *json = fl_arena_printf(&w.arena,
						   "{\"schemaVersion\":\"2.0\",\"id\":\"e%zu\",\"type\":\"Impact:EC2/MaliciousDomainRequest.Custom\",\"severity\":5,\"service\":{\"additionalInfo\":"
						   "{\"threatListName\":\"%s\"},\"action\":{\"dnsRequestAction\":{\"domain\":\"e%zu.example\"}}}}",
						   i, rows[i].list, i);

		assert_int_equal(inject(json), 0);
		if (out.accepted != !rows[i].echo || out.refused != rows[i].echo)
			fail_msg("%s: accepted %u, refused %u, %s", rows[i].list, out.accepted, out.refused, out.reason);
	}
	assert_int_equal(status().ignored, 3);
	cfg.lists = later;
	cfg.n_lists = 2;
	assert_int_equal(fl_findings_reload(st, &cfg), 0);
	assert_int_equal(inject("{\"schemaVersion\":\"2.0\",\"id\":\"x\",\"type\":\"Impact:EC2/MaliciousDomainRequest.Custom\",\"severity\":5,\"service\":{\"evidence\":"
				"{\"threatIntelligenceDetails\":[{\"threatListName\":\"newlist\"}]},\"action\":{\"dnsRequestAction\":{\"domain\":\"x.example\"}}}}"), 0);
	assert_int_equal(out.refused, 1);
}

/* A withdrawal counts also when its severity fell meanwhile. */
static void test_archived_at_low_severity(void **state)
{
	(void)state;
	assert_int_equal(inject(finding("1", C2, "bad.example", 8, PLAIN, 1)), 0);
	assert_int_equal(inject(finding("1", C2, "bad.example", 1, ARCHIVED, 2)), 0);
	assert_int_equal(out.withdrawn, 1);
	assert_true(holds("cli.block", ""));
}

static void test_two_claims_on_one_name(void **state)
{
	(void)state;
	assert_int_equal(inject(finding("1", C2, "bad.example", 8, PLAIN, 1)), 0);
	pass(36000);
	assert_int_equal(inject(finding("2", C2, "bad.example", 8, PLAIN, 1)), 0);
	assert_int_equal(inject(finding("1", C2, "bad.example", 8, ARCHIVED, 2)), 0);
	assert_true(holds("cli.block", "bad.example")); /* the other holds it */
	pass(86400 - 3600);
	step();
	assert_true(holds("cli.block", "bad.example"));
	pass(7200);
	step();
	assert_true(holds("cli.block", ""));
	assert_int_equal(status().expired, 1);
}

static void test_expiry(void **state)
{
	struct fl_source_version v;

	(void)state;
	assert_int_equal(inject(finding("1", C2, "bad.example", 8, PLAIN, 1)), 0);
	assert_int_equal(inject(finding("2", C2, "other.example", 8, PLAIN, 1)), 0);
	pass(86000);
	step();
	assert_int_equal(version_of("cli.block", NULL), 2);
	pass(401);
	step();
	assert_int_equal(version_of("cli.block", &v), 3); /* both by one version */
	assert_int_equal(v.cause, FL_CAUSE_EXPIRY);
	assert_true(holds("cli.block", ""));
	assert_int_equal(status().expired, 2);
	pass(3600);
	step();
	assert_int_equal(version_of("cli.block", NULL), 3);
}

/* What an earlier process left behind expires too. */
static void test_expiry_after_a_restart(void **state)
{
	(void)state;
	assert_int_equal(inject(finding("1", C2, "bad.example", 8, PLAIN, 1)), 0);
	fl_findings_close(st);
	open_stage(NULL);
	pass(90000);
	step();
	assert_true(holds("cli.block", ""));
}

/* A clock that jumps expires nothing, whichever of the two it is. */
static void test_clocks_apart(void **state)
{
	(void)state;
	assert_int_equal(inject(finding("1", C2, "bad.example", 8, PLAIN, 1)), 0);
	fl_clock_mem_jump(&here, INT64_C(86400) * 3650 * FL_US_PER_S);
	pass(1);
	step();
	assert_true(status().clock_skewed);
	assert_true(holds("cli.block", "bad.example"));
	fl_clock_mem_jump(&here, INT64_C(-86400) * 3650 * FL_US_PER_S);
	fl_clock_mem_jump(&w.clock, INT64_C(86400) * 3650 * FL_US_PER_S);
	pass(1);
	step();
	assert_true(status().clock_skewed);
	assert_true(holds("cli.block", "bad.example"));
	fl_clock_mem_jump(&w.clock, INT64_C(-86400) * 3650 * FL_US_PER_S);
	pass(90000);
	step();
	assert_false(status().clock_skewed);
	assert_true(holds("cli.block", ""));
}

/* --- much at once --- */

/* Entries n0.LIST.example and so on, as one change. */
static void enter(const char *list, unsigned n, int64_t for_s)
{
	struct fl_operator_entry *e = fl_arena_array(&w.arena, n, sizeof(*e));
	struct fl_source_version v;

	for (unsigned i = 0; i < n; i++)
		e[i] = (struct fl_operator_entry){ .name = fl_arena_printf(&w.arena, "n%u.%llds.example", i, (long long)for_s),
						   .expires_at = fl_now_unix(&here.door) + for_s * FL_US_PER_S };
	assert_int_equal(fl_operator_change(st, list, true, e, n, "mona", "", &v, &why), 0);
}

static size_t entries_of(const char *source)
{
	struct fl_head head;

	assert_int_equal(fl_set_head(&w.s, FL_SOURCE, source, &head, NULL), 0);
	return head.entries;
}

static void jump(int64_t s)
{
	fl_clock_mem_jump(&here, s * FL_US_PER_S);
	fl_clock_mem_jump(&w.clock, s * FL_US_PER_S);
}

/* As after a kill and a long time, or on a host that comes up with another clock. */
static void restart_after(int64_t s)
{
	fl_findings_close(st);
	pass(s);
	open_stage(NULL);
	step();
}

static void test_a_burst_ends_in_its_time(void **state)
{
	(void)state;
	enter("mal", 2500, 3600);
	step();
	pass(3599);
	step();
	assert_int_equal(entries_of("mal.operator"), 2500);
	for (int i = 0; i < 4; i++) {
		pass(1);
		step();
	}
	assert_int_equal(entries_of("mal.operator"), 0);
	assert_int_equal(status().expiry_waits, 0);
}

/* The process was there all the time, only the store was not: time has passed, whatever could not be done. */
static void test_a_store_away_is_no_leap(void **state)
{
	(void)state;
	enter("mal", 300, 3600);
	step();
	store_away(true);
	pass(90000);
	step();
	store_away(false);
	pass(1);
	step();
	assert_int_equal(entries_of("mal.operator"), 0);
}

static void test_limits_of_an_unwatched_end(void **state)
{
	static const struct {
		unsigned end, stay;
		bool waits;
	} rows[] = { { 100, 0, false }, { 101, 0, true }, { 101, 235, true }, { 101, 236, false }, { 300, 700, false }, { 301, 699, true } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *list = i % 2 ? "mal" : "gar", *source = i % 2 ? "mal.operator" : "gar.operator";

		enter(list, rows[i].end, 3600);
		if (rows[i].stay)
			enter(list, rows[i].stay, INT64_C(86400) * 300);
		restart_after(7200);
		if (entries_of(source) != rows[i].stay + (rows[i].waits ? rows[i].end : 0))
			fail_msg("row %d: %d entries", (int)i, (int)entries_of(source));
		assert_int_equal(status().expiry_waits, rows[i].waits ? rows[i].end : 0);
		fl_findings_close(st);
		ingest_world_end();
		assert_int_equal(setup(NULL), 0);
	}
}

static void test_a_person_lets_it_go(void **state)
{
	struct fl_source_version v;
	struct fl_buf b = { 0 };
	uint64_t expired;

	(void)state;
	enter("mal", 1500, 3600);
	enter("mal", 1, 10800);
	restart_after(7200);
	assert_int_equal(status().expiry_waits, 1500);
	assert_string_equal(status().waits_list, "mal");
	assert_non_null(strstr(status().waits, "mal.operator: 1500 claims on a set of 1501 names"));
	fl_findings_metrics(st, &b);
	assert_non_null(strstr(fl_buf_cstr(&b), "fireline_list_held{domain_list=\"mal\"} 1\n"));
	assert_non_null(strstr(fl_buf_cstr(&b), "fireline_list_held{domain_list=\"gar\"} 0\n"));
	fl_buf_done(&b);
	pass(7200);
	step();
	assert_int_equal(entries_of("mal.operator"), 1500); /* what ends later does not wait with them */
	assert_int_equal(fl_expiry_approve(st, "gar", "mona", "", &expired, &why), FL_ENOTFOUND);
	store_away(true);
	assert_int_equal(fl_expiry_approve(st, "mal", "mona", "", &expired, &why), FL_EUNAVAIL);
	store_away(false);
	assert_int_equal(fl_expiry_approve(st, "mal", "mona", "clock is right", &expired, &why), 0);
	assert_int_equal(expired, 1500);
	assert_int_equal(entries_of("mal.operator"), 0);
	version_of("mal.operator", &v);
	assert_int_equal(v.cause, FL_CAUSE_EXPIRY);
	assert_string_equal(v.actor, "mona");
	assert_string_equal(v.reason, "clock is right");
	assert_int_equal(status().expiry_waits, 0);
	assert_string_equal(status().waits, "");
	assert_int_equal(fl_expiry_approve(st, "mal", "mona", "", &expired, &why), FL_ENOTFOUND);
}

/* Host and store share a clock that leaps ten years: nothing is lost, and it is over when the clock is set right. */
static void test_both_clocks_leap(void **state)
{
	(void)state;
	enter("mal", 200, 3600);
	enter(FL_LIST_OPERATOR_BLOCK, 50, 3600);
	step();
	jump(INT64_C(86400) * 3650);
	pass(1);
	step();
	assert_int_equal(entries_of("mal.operator"), 200);
	assert_int_equal(status().expiry_waits, 200);
	pass(60);
	step();
	assert_int_equal(entries_of("mal.operator"), 200);
	jump(INT64_C(-86400) * 3650);
	pass(1);
	step();
	assert_int_equal(status().expiry_waits, 0);
	assert_int_equal(entries_of("mal.operator"), 200);
	pass(3600);
	step();
	assert_int_equal(entries_of("mal.operator"), 0);
}

/* The wait ends by itself when what waits is little of the set. */
static void test_the_share_falls(void **state)
{
	(void)state;
	enter("mal", 150, 3600);
	restart_after(7200);
	assert_int_equal(status().expiry_waits, 150);
	enter("mal", 349, 86400);
	pass(1);
	step();
	assert_int_equal(status().expiry_waits, 150); /* of 499 */
	enter("mal", 1, 96400);
	pass(1);
	step();
	assert_int_equal(status().expiry_waits, 0);
	assert_int_equal(entries_of("mal.operator"), 350);
}

/* --- what cannot be read --- */

static void break_claim(const char *finding_id, const char *name)
{
	struct fl_claim c = { .source = "cli.block", .key = gen_rkey(name) };

	snprintf(c.finding, sizeof(c.finding), "%s", finding_id);
	fl_claim_id(&c);
	redis_int(&w, fl_arena_printf(&w.arena, "HSET {fl}:source/cli.block:claim:%s json broken", c.id));
}

static void test_a_broken_claim_keeps_no_other(void **state)
{
	(void)state;
	assert_int_equal(inject(finding("1", C2, "a.example", 8, PLAIN, 1)), 0);
	assert_int_equal(inject(finding("2", C2, "b.example", 8, PLAIN, 1)), 0);
	assert_int_equal(inject(finding("3", C2, "b.example", 8, PLAIN, 1)), 0);
	assert_int_equal(inject(finding("4", C2, "c.example", 8, PLAIN, 1)), 0);
	assert_int_equal(inject(finding("5", C2, "d.example", 8, PLAIN, 1)), 0);
	break_claim("1", "a.example");
	break_claim("3", "b.example");
	pass(90000);
	step();
	assert_true(holds("cli.block", "a.example b.example"));
	assert_int_equal(status().expired, 2);
	assert_int_equal(status().unreadable, 3); /* two are broken, and of b.example nobody knows what it is without one of them */
	assert_non_null(strstr(status().problem, "cli.block"));
	assert_non_null(strstr(status().problem, "3 claims"));
	assert_int_equal(inject(finding("1", C2, "a.example", 8, PLAIN, 2)), FL_ECORRUPT); /* the store's fault, not the document's */
	assert_int_equal(inject(finding("6", C2, "e.example", 8, PLAIN, 1)), 0); /* and new ones come and go */
	pass(90000);
	step();
	assert_true(holds("cli.block", "a.example b.example"));
}

/* --- the store --- */

static void test_nothing_is_acknowledged_without_store(void **state)
{
	(void)state;
	store_away(true);
	assert_int_equal(inject(finding("1", C2, "bad.example", 8, PLAIN, 1)), FL_EUNAVAIL);
	assert_int_equal(out.accepted, 0);
	store_away(false);
	assert_int_equal(inject(finding("1", C2, "bad.example", 8, PLAIN, 1)), 0);
	assert_int_equal(out.accepted, 1);
	assert_int_equal(version_of("cli.block", NULL), 1);
}

static void test_every_lost_call(void **state)
{
	(void)state;
	assert_int_equal(inject(finding("0", C2, "first.example", 8, PLAIN, 1)), 0);
	for (int i = 1; i <= 24; i++) {
		const char *id = fl_arena_printf(&w.arena, "%d", i), *name = fl_arena_printf(&w.arena, "n%d.example", i);
		const char *doc = finding(id, C2, name, 8, PLAIN, 1);
		uint64_t before = version_of("cli.block", NULL), after;
		struct fl_rkey k = gen_rkey(name);
		struct fl_set got = { 0 };
		int ret;

		w.lossy = (struct lossy){ w.lossy.door, w.lossy.inner, 0, 1 + (uint32_t)i / 2 % 8, 1 + (uint32_t)i % 5, i % 2 ? FL_FAULT_AFTER : FL_FAULT_BEFORE };
		ret = inject(doc);
		if (ret == 0 && out.accepted != 1 && out.duplicate != 1)
			fail_msg("finding %d: answered, and neither accepted nor known", i);
		w.lossy.at = 0;
		for (int k2 = 0; ret < 0 && k2 < 3; k2++)
			ret = inject(doc);
		assert_int_equal(ret, 0);
		after = version_of("cli.block", NULL);
		assert_true(after > before && after <= before + 2);
		assert_int_equal(content_of(&w.s, "cli.block", after, &got), 0);
		assert_int_equal(got.n, i + 1);
		assert_true(fl_set_find(&got, fl_rkey_span(&k)) != SIZE_MAX);
		fl_set_done(&got);
	}
}

/* Another writer in between: what both entered stands. */
static void test_two_stages(void **state)
{
	struct fl_findings_stage *first = st, *second;

	(void)state;
	assert_int_equal(inject(finding("1", C2, "a.example", 8, PLAIN, 1)), 0);
	open_stage(NULL);
	second = st;
	assert_int_equal(inject(finding("2", C2, "b.example", 8, PLAIN, 1)), FL_EFENCED); /* the first holds the set: try again */
	pass(11);
	assert_int_equal(inject(finding("2", C2, "b.example", 8, PLAIN, 1)), 0);
	st = first;
	pass(11);
	assert_int_equal(inject(finding("3", C2, "c.example", 8, PLAIN, 1)), 0);
	assert_true(holds("cli.block", "a.example b.example c.example"));
	fl_findings_close(second);
}

/* --- operators --- */

static int change(bool add, const char *list, const char *name, fl_unix_us expires)
{
	struct fl_operator_entry e = { .name = name, .expires_at = expires };
	struct fl_source_version v;

	memset(&why, 0, sizeof(why));
	return fl_operator_change(st, list, add, &e, 1, "mona", "ticket 7", &v, &why);
}

static void test_operator_entries(void **state)
{
	struct fl_source_version v;

	(void)state;
	assert_int_equal(change(true, FL_LIST_OPERATOR_BLOCK, "Bad.Example", 0), 0);
	assert_int_equal(change(true, FL_LIST_OPERATOR_BLOCK, "zip", 0), 0); /* a person may */
	assert_true(holds("operator-block.operator", "bad.example zip"));
	version_of("operator-block.operator", &v);
	assert_int_equal(v.cause, FL_CAUSE_OPERATOR);
	assert_string_equal(v.actor, "mona");
	assert_string_equal(v.reason, "ticket 7");
	assert_int_equal(change(false, FL_LIST_OPERATOR_BLOCK, "bad.example", 0), 0);
	assert_true(holds("operator-block.operator", "zip"));
	assert_int_equal(change(false, FL_LIST_OPERATOR_BLOCK, "bad.example", 0), FL_ENOTFOUND);
	assert_non_null(strstr(why.text, "bad.example"));
	assert_int_equal(change(true, "nolist", "bad.example", 0), FL_ENOTFOUND);
	assert_int_equal(change(true, "mal", "not a name", 0), FL_EFORMAT);
	assert_int_equal(version_of("operator-block.operator", NULL), 3);
	assert_int_equal(change(true, "mal", "own.example", 0), 0); /* any list may have them */
	assert_true(holds("mal.operator", "own.example"));
}

static void test_operator_all_or_nothing(void **state)
{
	struct fl_operator_entry e[] = { { .name = "good.example" }, { .name = "192.0.2.1" }, { .name = "fine.example" } };
	struct fl_source_version v;

	(void)state;
	assert_int_equal(fl_operator_change(st, "mal", true, e, 3, "mona", "", &v, &why), FL_EFORMAT);
	assert_int_equal(version_of("mal.operator", NULL), 0);
	e[1].name = "better.example";
	assert_int_equal(fl_operator_change(st, "mal", true, e, 3, "mona", "", &v, &why), 0);
	assert_int_equal(v.id.number, 1); /* one version */
	assert_int_equal(v.added, 3);
	e[1].name = "never-there.example";
	assert_int_equal(fl_operator_change(st, "mal", false, e, 3, "mona", "", &v, &why), FL_ENOTFOUND);
	assert_int_equal(version_of("mal.operator", NULL), 1);
}

static void test_operator_name_and_below(void **state)
{
	struct fl_set set = { 0 };

	(void)state;
	assert_int_equal(change(true, "mal", "x.example", 0), 0);
	assert_int_equal(change(true, "mal", "*.x.example", 0), 0);
	assert_int_equal(content_of(&w.s, "mal.operator", 2, &set), 0);
	assert_int_equal(set.n, 1);
	assert_int_equal(set.v[0].t.scope, FL_SCOPE_SUBTREE);
	fl_set_done(&set);
	assert_int_equal(change(false, "mal", "x.example", 0), 0);
	assert_int_equal(content_of(&w.s, "mal.operator", 3, &set), 0);
	assert_int_equal(set.v[0].t.scope, FL_SCOPE_SUBDOMAINS);
	fl_set_done(&set);
	assert_int_equal(change(true, "mal", "*", 0), 0);
	assert_int_equal(change(false, "mal", "*", 0), 0);
}

static void test_operator_for_a_while(void **state)
{
	fl_unix_us day = fl_now_unix(&here.door) + INT64_C(86400) * FL_US_PER_S;

	(void)state;
	assert_int_equal(change(true, "mal", "x.example", day), 0);
	assert_int_equal(change(true, "mal", "y.example", day), 0);
	pass(43200);
	assert_int_equal(change(true, "mal", "y.example", 2 * day - fl_now_unix(&here.door)), 0); /* renewed */
	pass(43200 + 2);
	step();
	assert_true(holds("mal.operator", "y.example"));
	pass(43200);
	step();
	assert_true(holds("mal.operator", ""));
	assert_int_equal(change(false, "mal", "x.example", 0), FL_ENOTFOUND);
}

/* A list's default_ttl is the end of what is added without one, by the configuration of that moment. */
static void test_operator_default_ttl(void **state)
{
	struct fl_operator_entry e = { .name = "kept.example", .permanent = true };
	struct fl_cfg_list lists[5];
	struct fl_source_version v;

	(void)state;
	memcpy(lists, cfg.lists, sizeof(lists));
	lists[0].default_ttl_ms = 3600000;
	cfg.lists = lists;
	assert_int_equal(fl_findings_reload(st, &cfg), 0);
	assert_int_equal(change(true, "mal", "plain.example", 0), 0);
	assert_int_equal(change(true, "mal", "longer.example", fl_now_unix(&here.door) + 7200 * FL_US_PER_S), 0);
	assert_int_equal(fl_operator_change(st, "mal", true, &e, 1, "mona", "", &v, &why), 0);
	assert_int_equal(change(true, "gar", "other.example", 0), 0);
	assert_int_equal(fl_operator_end(st, "mal", &e), 0);
	e.permanent = false;
	assert_int_equal(fl_operator_end(st, "mal", &e), fl_now_unix(&here.door) + 3600 * FL_US_PER_S);
	assert_int_equal(fl_operator_end(st, "gar", &e), 0);
	pass(3601);
	step();
	assert_true(holds("mal.operator", "kept.example longer.example"));
	pass(3600);
	step();
	assert_true(holds("mal.operator", "kept.example"));
	assert_true(holds("gar.operator", "other.example"));
}

static void test_source_purge(void **state)
{
	(void)state;
	assert_int_equal(inject(finding("1", C2, "bad.example", 8, PLAIN, 1)), 0);
	assert_int_equal(fl_source_purge(st, "fa", "mona", "", &why), FL_EREFUSED);
	assert_int_equal(fl_source_purge(st, "cli.block", "mona", "", &why), FL_EREFUSED);
	assert_int_equal(fl_source_purge(st, "unheard", "mona", "", &why), FL_ENOTFOUND);
	assert_true(holds("cli.block", "bad.example"));
	{
		struct fl_lease l = { 0 };
		struct fl_source_version v;

		assert_int_equal(commit_names(&w.s, "old", &l, "a.example b.example", &v), 0);
		assert_int_equal(fl_lease_release(&w.s, &l, NULL), 0);
	}
	assert_int_equal(fl_source_purge(st, "old", "mona", "no longer", &why), 0);
	assert_true(holds("old", ""));
	assert_int_equal(redis_int(&w, "EXISTS {fl}:source/old:v:1"), 0);
	assert_int_equal(redis_int(&w, "EXISTS {fl}:source/old:lease"), 0);
}

/* --- a folder --- */

static struct {
	struct {
		const char *name, *text;
		fl_unix_us mtime;
		int where; /* 0 there, 1 done, 2 failed */
	} v[8];
	size_t n;
	char reason[256];
} folder;

static int dir_list(void *ctx, const char *path, const char *glob, const char *after, struct fl_drop_file *v, size_t max, struct fl_err *err)
{
	size_t n = 0;

	(void)ctx, (void)path, (void)glob, (void)err;
	for (size_t i = 0; i < folder.n && n < max; i++)
		if (folder.v[i].where == 0 && strcmp(folder.v[i].name, after) > 0) {
			v[n].mtime = folder.v[i].mtime;
			snprintf(v[n++].name, sizeof(v->name), "%s", folder.v[i].name);
		}
	return (int)n;
}

static int dir_read(void *ctx, const char *path, const char *name, size_t max, struct fl_buf *text, struct fl_err *err)
{
	(void)ctx, (void)path, (void)max, (void)err;
	for (size_t i = 0; i < folder.n; i++)
		if (strcmp(folder.v[i].name, name) == 0)
			fl_buf_str(text, folder.v[i].text);
	return 0;
}

static int put_away(const char *name, int where)
{
	for (size_t i = 0; i < folder.n; i++)
		if (strcmp(folder.v[i].name, name) == 0)
			folder.v[i].where = where;
	return 0;
}

static int dir_done(void *ctx, const char *path, const char *name, bool move, struct fl_err *err)
{
	(void)ctx, (void)path, (void)move, (void)err;
	return put_away(name, 1);
}

static int dir_failed(void *ctx, const char *path, const char *name, const char *reason, struct fl_err *err)
{
	(void)ctx, (void)path, (void)err;
	snprintf(folder.reason, sizeof(folder.reason), "%s", reason);
	return put_away(name, 2);
}

static void test_directory(void **state)
{
	static const struct fl_drop_dir dir = { dir_list, dir_read, dir_done, dir_failed };
	static const struct fl_cfg_findings_source sources[] = { { .name = "gd", .type = FL_FINDINGS_DIRECTORY, .path = "/in", .glob = "*.json", .done_move = true,
								   .enabled = true } };

	(void)state;
	memset(&folder, 0, sizeof(folder));
	fl_findings_close(st);
	cfg.findings.sources = sources;
	cfg.findings.n_sources = 1;
	open_stage(&dir);
	for (size_t i = 0; i < 3; i++)
		folder.v[i].mtime = fl_now_unix(&here.door);
	folder.v[0].name = "1.json";
	folder.v[0].text = finding("1", C2, "a.example", 8, PLAIN, 1);
	folder.v[1].name = "2.json";
	folder.v[1].text = "{\"half\":"; /* still being written */
	folder.v[2].name = "3.json";
	folder.v[2].text = finding("3", C2, "c.example", 8, PLAIN, 1);
	folder.n = 3;
	store_away(true);
	step();
	assert_int_equal(folder.v[0].where + folder.v[1].where + folder.v[2].where, 0); /* nothing is lost while the store is away */
	store_away(false);
	pass(1);
	step();
	assert_int_equal(folder.v[0].where, 1);
	assert_int_equal(folder.v[1].where, 0);
	assert_int_equal(folder.v[2].where, 1);
	assert_true(holds("gd.block", "a.example c.example"));
	pass(5);
	step();
	assert_int_equal(folder.v[1].where, 2); /* it stays so: put away with the reason */
	assert_true(folder.reason[0]);
	pass(5);
	step();
	assert_int_equal(version_of("gd.block", NULL), 1); /* what one pass finds is one version */
}

/* A file of many findings that is still being written: what is there counts, the rest is not lost. */
static void test_a_file_that_grows(void **state)
{
	static const struct fl_drop_dir dir = { dir_list, dir_read, dir_done, dir_failed };
	static const struct fl_cfg_findings_source sources[] = { { .name = "gd", .type = FL_FINDINGS_DIRECTORY, .path = "/in", .glob = "*", .done_move = true, .enabled = true } };

	(void)state;
	memset(&folder, 0, sizeof(folder));
	fl_findings_close(st);
	cfg.findings.sources = sources;
	cfg.findings.n_sources = 1;
	open_stage(&dir);
	folder.v[0].name = "1.ndjson";
	folder.v[0].text = "{\"domain\":\"a.example\"}\n{\"domain\":\"b.ex";
	folder.v[0].mtime = fl_now_unix(&here.door);
	folder.n = 1;
	step();
	assert_int_equal(folder.v[0].where, 0);
	assert_true(holds("gd.block", "a.example"));
	assert_int_equal(status().malformed, 0);
	folder.v[0].text = "{\"domain\":\"a.example\"}\n{\"domain\":\"b.example\"}\n{\"domain\":";
	pass(1);
	folder.v[0].mtime = fl_now_unix(&here.door);
	step();
	assert_int_equal(folder.v[0].where, 0);
	assert_true(holds("gd.block", "a.example b.example"));
	pass(5);
	step();
	assert_int_equal(folder.v[0].where, 1);
	assert_int_equal(status().malformed, 1);
}

static void test_a_rule_with_a_list_of_its_own(void **state)
{
	static const struct fl_cfg_finding_rule rules[] = { { .type = "*C&CActivity*", .action = FL_FINDING_BLOCK, .into = "mal" } };

	(void)state;
	cfg.findings.rules = rules;
	cfg.findings.n_rules = 1;
	assert_int_equal(fl_findings_reload(st, &cfg), 0);
	assert_int_equal(inject(finding("1", C2, "bad.example", 8, PLAIN, 1)), 0);
	assert_string_equal(out.source, "cli.block.mal");
	assert_string_equal(out.list, "mal");
	assert_true(holds("cli.block.mal", "bad.example"));
	assert_int_equal(version_of("cli.block", NULL), 0);
	assert_int_equal(inject(finding("2", "Trojan:EC2/DropPoint!DNS", "drop.example", 8, PLAIN, 1)), 0);
	assert_string_equal(out.source, "cli.block");
	assert_int_equal(inject(finding("1", C2, "bad.example", 8, ARCHIVED, 2)), 0);
	assert_false(holds("cli.block.mal", "bad.example"));
	/* a stage that begins anew knows the set, and ends its claims */
	assert_int_equal(inject(finding("3", C2, "late.example", 8, PLAIN, 1)), 0);
	fl_findings_close(st);
	open_stage(NULL);
	pass(86400 + 60);
	step();
	assert_false(holds("cli.block.mal", "late.example"));
}

static void test_metrics(void **state)
{
	struct fl_buf b = { 0 };

	(void)state;
	assert_int_equal(inject(finding("1", C2, "bad.example", 8, PLAIN, 1)), 0);
	assert_int_equal(inject(finding("1", C2, "bad.example", 8, PLAIN, 1)), 0);
	fl_findings_metrics(st, &b);
	assert_non_null(strstr(fl_buf_cstr(&b), "fireline_findings_total{result=\"accepted\"} 1\n"));
	assert_non_null(strstr(fl_buf_cstr(&b), "fireline_findings_total{result=\"duplicate\"} 1\n"));
	fl_buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIND(test_a_finding_becomes_an_entry), FIND(test_refused), FIND(test_some_types_only_alert), FIND(test_a_protected_name_is_not_blocked), FIND(test_one_that_is_broken_costs_no_other), FIND(test_dry_run), FIND(test_repeats), FIND(test_archived),
		FIND(test_withdrawn_before_it_was_claimed), FIND(test_undated), FIND(test_echo_of_our_own_list),
		FIND(test_archived_at_low_severity), FIND(test_two_claims_on_one_name), FIND(test_expiry), FIND(test_expiry_after_a_restart), FIND(test_clocks_apart),
		FIND(test_a_burst_ends_in_its_time), FIND(test_a_store_away_is_no_leap), FIND(test_limits_of_an_unwatched_end), FIND(test_a_person_lets_it_go),
		FIND(test_both_clocks_leap), FIND(test_the_share_falls), FIND(test_a_broken_claim_keeps_no_other),
		FIND(test_nothing_is_acknowledged_without_store), FIND(test_every_lost_call), FIND(test_two_stages), FIND(test_operator_entries),
		FIND(test_operator_all_or_nothing), FIND(test_operator_name_and_below), FIND(test_operator_for_a_while), FIND(test_operator_default_ttl), FIND(test_source_purge), FIND(test_directory),
		FIND(test_a_file_that_grows), FIND(test_a_rule_with_a_list_of_its_own), FIND(test_metrics),
	};

	return cmocka_run_group_tests_name("findings", tests, NULL, names_free);
}
