/* The life of a finding: what an update moves, what a person's word does and that it lasts, what is protected, and a year of ends. */
#include "ingest_help.h"

#include "ingest/findings_int.h"

static struct fl_findings_stage *st;
static struct fl_clock_mem here; /* the stage's own clock; the store keeps the world's */
static struct fl_finding_outcome out;
static struct fl_claim_answer ans;

static void open_stage(void)
{
	struct fl_findings_config c = { .cfg = &cfg, .sets = &w.f, .clock = &here.door, .random = &w.random.door, .names = names_lib };

	assert_int_equal(fl_findings_open(&c, &st, &why), 0);
}

static int setup(void **state)
{
	static const char *const kept[] = { "*.kept.example", "alone.example" };

	(void)state;
	if (ingest_world() < 0)
		return -1;
	fl_clock_mem_init(&here, fl_now_unix(&w.clock.door));
	w.f.clock = &here.door;
	cfg.protected_names = kept;
	cfg.n_protected_names = 2;
	open_stage();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fl_findings_close(st);
	return ingest_world_end();
}

#define LIFE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define C2 "Backdoor:EC2/C&CActivity.B!DNS"
#define SCORE "Impact:EC2/AbusedDomainRequest.Reputation"

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

/* Names, each with the quotes of JSON, as an attack sequence has them; one name alone is a question. day 0: no date. */
static const char *says(const char *id, const char *type, const char *domain, int day, bool archived)
{
	const char *when = day ? fl_arena_printf(&w.arena, "\"updatedAt\":\"2026-09-%02dT00:00:00Z\",", day) : "";
	const char *names = domain[0] == '"' ? fl_arena_printf(&w.arena, "\"detection\":{\"sequence\":{\"sequenceIndicators\":[{\"key\":\"MALICIOUS_DOMAIN\",\"values\":[%s]}]}}", domain) :
			    domain[0]	     ? fl_arena_printf(&w.arena, "\"action\":{\"dnsRequestAction\":{\"domain\":\"%s\"}}", domain) :
					       "\"action\":{}";

	return fl_arena_printf(&w.arena, "{\"schemaVersion\":\"2.0\",\"id\":\"%s\",\"type\":\"%s\",\"severity\":8,%s\"service\":{\"archived\":%s,%s}}", id, type, when,
			       archived ? "true" : "false", names);
}

static void inject(const char *json)
{
	memset(&why, 0, sizeof(why));
	if (fl_findings_inject(st, "cli", fl_span_str(json), false, "mona", &out, &why) != 0)
		fail_msg("%s: %s", json, why.text);
	assert_true(fl_tally_balances(&out.tally));
}

static int decide(enum fl_claim_op op, const char *id, int64_t for_s)
{
	struct fl_claim_request r = { op, id, for_s ? fl_now_unix(&here.door) + for_s * FL_US_PER_S : 0, "lena", "looked at it", false };

	memset(&why, 0, sizeof(why));
	memset(&ans, 0, sizeof(ans));
	return fl_findings_decide(st, &r, &w.arena, &ans, &why);
}

static enum fl_claim_state state_of(const char *source, const char *finding, const char *name, struct fl_claim *c)
{
	struct fl_claim mine;

	c = c ? c : &mine;
	memset(c, 0, sizeof(*c));
	snprintf(c->source, sizeof(c->source), "%s", source);
	snprintf(c->finding, sizeof(c->finding), "%s", finding);
	c->key = gen_rkey(name);
	fl_claim_id(c);
	return fl_claim_get(&w.s, source, c->id, c, NULL) == 0 ? c->state : FL_CLAIM_STATES;
}

/* --- moves --- */

static void test_a_changed_name_moves_the_claim(void **state)
{
	struct fl_claim c;
	uint64_t before;

	(void)state;
	inject(says("1", C2, "bad.example", 1, false));
	inject(says("2", C2, "bad.example", 1, false));
	inject(says("3", C2, "still.example", 1, false));
	before = version_of("cli.block", NULL);
	inject(says("1", C2, "worse.example", 2, false));
	assert_int_equal(out.accepted, 1);
	assert_int_equal(out.withdrawn, 1);
	assert_int_equal(version_of("cli.block", NULL), before + 1); /* by one version */
	assert_true(holds("cli.block", "bad.example worse.example still.example")); /* another finding holds the old name */
	assert_int_equal(state_of("cli.block", "1", "bad.example", &c), FL_CLAIM_WITHDRAWN);
	assert_non_null(strstr(c.reason, "no more"));
	inject(says("2", C2, "x.example", 2, false));
	assert_true(holds("cli.block", "worse.example x.example still.example"));
	/* the older word, again and late: no news */
	inject(says("1", C2, "bad.example", 1, false));
	assert_int_equal(out.duplicate, 1);
	assert_true(holds("cli.block", "worse.example x.example still.example"));
	/* and back, by a later one */
	inject(says("1", C2, "bad.example", 3, false));
	assert_true(holds("cli.block", "bad.example x.example still.example"));
}

/* The older document arrives after its update: its names were never claimed, and are not now. */
static void test_an_older_word_that_arrives_late(void **state)
{
	(void)state;
	inject(says("1", C2, "now.example", 5, false));
	inject(says("1", C2, "before.example", 4, false));
	assert_int_equal(out.accepted, 0);
	assert_int_equal(out.duplicate, 1);
	assert_true(out.reason[0]);
	assert_true(holds("cli.block", "now.example"));
	inject(says("1", C2, "now.example", 6, true));
	inject(says("1", C2, "before.example", 5, false));
	assert_true(holds("cli.block", ""));
}

static void test_fewer_names(void **state)
{
	(void)state;
	inject(says("s", "AttackSequence:EC2/Compromise", "\"a.example\",\"b.example\",\"c.example\"", 1, false));
	assert_true(holds("cli.block", "a.example b.example c.example"));
	inject(says("s", "AttackSequence:EC2/Compromise", "\"c.example\",\"d.example\"", 2, false));
	assert_int_equal(out.accepted, 2);
	assert_int_equal(out.withdrawn, 2);
	assert_true(holds("cli.block", "c.example d.example"));
}

static void test_another_action_is_another_set(void **state)
{
	(void)state;
	inject(says("1", C2, "bad.example", 1, false));
	inject(says("1", SCORE, "bad.example", 2, false));
	assert_true(holds("cli.block", ""));
	assert_true(holds("cli.alert", "bad.example"));
	assert_string_equal(out.source, "cli.alert");
	inject(says("1", C2, "bad.example", 3, false));
	assert_true(holds("cli.block", "bad.example"));
	assert_true(holds("cli.alert", ""));
}

/* One that names nothing any more, or has another type by now: all that it claimed is taken back, in both sets. */
static void test_archived_everywhere(void **state)
{
	static const char *const last[] = { "", "192.0.2.1", "a.example" };

	(void)state;
	for (int i = 0; i < 3; i++) {
		const char *id = fl_arena_printf(&w.arena, "f%d", i);

		inject(says(id, C2, "a.example", 1, false));
		inject(says(id, SCORE, last[i], 2, true));
		assert_int_equal(out.withdrawn, i == 2 ? 2 : 1);
		if (!holds("cli.block", ""))
			fail_msg("row %d: it is still there", i);
		inject(says(id, C2, "a.example", 1, false));
		assert_true(holds("cli.block", ""));
	}
}

/* No date, no order: one id for many names is what some tools do, and none of them is taken back by another. */
static void test_undated_ids_do_not_move(void **state)
{
	(void)state;
	inject("{\"id\":\"incident-7\",\"domain\":\"a.example\"}");
	inject("{\"id\":\"incident-7\",\"domain\":\"b.example\"}");
	assert_true(holds("cli.block", "a.example b.example"));
	inject("{\"id\":\"incident-7\",\"domain\":\"b.example\",\"archived\":true}"); /* closes all of it */
	assert_true(holds("cli.block", ""));
}

/* Several words of one finding in one batch. */
static void test_moves_within_a_document(void **state)
{
	(void)state;
	inject(fl_arena_printf(&w.arena, "{\"Findings\":[%s,%s,%s]}", says("1", C2, "new.example", 3, false), says("1", C2, "old.example", 2, false), says("2", C2, "second.example", 1, false)));
	assert_true(holds("cli.block", "new.example second.example"));
	inject(fl_arena_printf(&w.arena, "{\"Findings\":[%s,%s]}", says("1", C2, "newer.example", 4, false), says("1", C2, "newest.example", 5, false)));
	assert_true(holds("cli.block", "newest.example second.example"));
}

static void test_another_source_has_its_own(void **state)
{
	(void)state;
	inject(says("1", C2, "bad.example", 1, false));
	assert_int_equal(fl_findings_inject(st, "gd", fl_span_str(says("1", C2, "bad.example", 1, false)), false, "gd", &out, &why), 0);
	assert_int_equal(fl_findings_inject(st, "gd", fl_span_str(says("1", C2, "other.example", 2, false)), false, "gd", &out, &why), 0);
	assert_true(holds("gd.block", "other.example"));
	assert_true(holds("cli.block", "bad.example"));
}

static void test_whose_set(void **state)
{
	static const struct {
		const char *set, *source;
		bool yes;
	} rows[] = { { "gd.block", "gd", true }, { "gd.alert", "gd", true }, { "gd.block.mal", "gd", true }, { "gd.blocked", "gd", false }, { "gd2.block", "gd", false },
		     { "gd.operator", "gd", false }, { "gd", "gd", false }, { "g.block", "gd", false } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (fl__set_of_source(rows[i].set, rows[i].source) != rows[i].yes)
			fail_msg("%s of %s", rows[i].set, rows[i].source);
}

/* --- a person's word --- */

static void test_dismissed_stays_so(void **state)
{
	struct fl_source_version v;
	struct fl_claim c;
	uint64_t before;

	(void)state;
	inject(says("1", C2, "bad.example", 1, false));
	inject(says("2", C2, "bad.example", 1, false));
	assert_int_equal(decide(FL_CLAIM_DISMISS, "1", 0), 0);
	assert_int_equal(ans.n, 1);
	assert_int_equal(ans.v[0].version, version_of("cli.block", &v));
	assert_string_equal(ans.v[0].list, FL_LIST_FINDINGS_BLOCK);
	assert_int_equal(v.cause, FL_CAUSE_OPERATOR);
	assert_string_equal(v.actor, "lena");
	assert_string_equal(v.reason, "looked at it");
	assert_true(holds("cli.block", "bad.example")); /* the other finding holds it */
	assert_int_equal(decide(FL_CLAIM_DISMISS, "2", 0), 0);
	assert_true(holds("cli.block", ""));
	assert_int_equal(state_of("cli.block", "2", "bad.example", &c), FL_CLAIM_DISMISSED);
	assert_string_equal(c.actor, "lena");
	assert_string_equal(c.reason, "looked at it");
	/* later updates, of the name, of another name, of another type */
	before = version_of("cli.block", NULL);
	inject(says("1", C2, "bad.example", 2, false));
	assert_int_equal(out.duplicate, 1);
	assert_non_null(strstr(out.reason, "dismissed"));
	inject(says("1", C2, "other.example", 3, false));
	assert_non_null(strstr(out.reason, "dismissed"));
	inject(says("1", SCORE, "bad.example", 4, false));
	assert_non_null(strstr(out.reason, "dismissed"));
	assert_int_equal(version_of("cli.block", NULL), before);
	assert_int_equal(version_of("cli.alert", NULL), 0);
	inject(says("3", C2, "bad.example", 5, false)); /* another finding is another matter */
	assert_true(holds("cli.block", "bad.example"));
	assert_int_equal(decide(FL_CLAIM_DISMISS, "1", 0), 0); /* said again */
	assert_int_equal(ans.n, 0);
	assert_int_equal(ans.others, 1);
}

static void test_dismissed_and_taken_up_again(void **state)
{
	(void)state;
	inject(says("1", C2, "bad.example", 1, false));
	assert_int_equal(decide(FL_CLAIM_RESTORE, "1", 0), FL_EREFUSED);
	assert_int_equal(decide(FL_CLAIM_DISMISS, "1", 0), 0);
	assert_true(holds("cli.block", ""));
	assert_int_equal(decide(FL_CLAIM_RESTORE, "1", 0), 0);
	assert_true(holds("cli.block", "bad.example"));
	inject(says("1", C2, "worse.example", 2, false)); /* and it lives on */
	assert_true(holds("cli.block", "worse.example"));
	assert_int_equal(decide(FL_CLAIM_DISMISS, "1", 0), 0);
	pass(90000);
	step();
	assert_int_equal(decide(FL_CLAIM_RESTORE, "1", 0), FL_EREFUSED);
	assert_non_null(strstr(why.text, "past"));
}

static void test_extended(void **state)
{
	struct fl_claim c;

	(void)state;
	inject(says("1", C2, "bad.example", 1, false)); /* a day, by the configuration */
	assert_int_equal(decide(FL_CLAIM_EXTEND, "1", 10 * 86400), 0);
	assert_true(ans.v[0].after.expires_at > ans.v[0].before.expires_at);
	pass(2 * 86400);
	step();
	assert_true(holds("cli.block", "bad.example"));
	inject(says("1", C2, "bad.example", 2, false)); /* an update does not make it shorter again */
	assert_int_equal(out.accepted, 1);
	pass(5 * 86400);
	step();
	assert_true(holds("cli.block", "bad.example"));
	assert_int_equal(state_of("cli.block", "1", "bad.example", &c), FL_CLAIM_ACTIVE);
	assert_string_equal(c.actor, "lena");
	assert_int_equal(decide(FL_CLAIM_EXTEND, "1", 60), 0); /* shorter, since a person says so */
	pass(61);
	step();
	assert_true(holds("cli.block", ""));
	assert_int_equal(decide(FL_CLAIM_EXTEND, "1", 60), FL_EREFUSED); /* it has ended */
	inject(says("2", C2, "for.ever.example", 1, false));
	assert_int_equal(decide(FL_CLAIM_EXTEND, "2", 0), 0); /* no end */
	pass(INT64_C(300) * 86400);
	step();
	assert_true(holds("cli.block", "for.ever.example"));
	assert_int_equal(decide(FL_CLAIM_EXTEND, "2", -5), FL_EUSAGE);
}

static void test_ids(void **state)
{
	struct fl_claim c;
	char part[20];

	(void)state;
	inject(says("0cc1aa55e0f1", "AttackSequence:EC2/Compromise", "\"a.example\",\"b.example\"", 1, false));
	inject(says("0cc1bb", C2, "c.example", 1, false));
	state_of("cli.block", "0cc1aa55e0f1", "a.example", &c);
	assert_int_equal(decide(FL_CLAIM_DISMISS, "0cc1", 0), FL_EUSAGE); /* of several */
	assert_non_null(strstr(why.text, "0cc1bb"));
	assert_int_equal(decide(FL_CLAIM_DISMISS, "0cc", 0), FL_ENOTFOUND); /* too short to say */
	assert_int_equal(decide(FL_CLAIM_DISMISS, "none", 0), FL_ENOTFOUND);
	snprintf(part, sizeof(part), "%.12s", c.id);
	assert_int_equal(decide(FL_CLAIM_DISMISS, part, 0), 0); /* one claim of two */
	assert_int_equal(ans.n, 1);
	assert_true(holds("cli.block", "b.example c.example"));
	assert_int_equal(decide(FL_CLAIM_DISMISS, "0cc1aa", 0), 0); /* the rest of the finding */
	assert_int_equal(ans.n, 1);
	assert_int_equal(ans.others, 1);
	assert_true(holds("cli.block", "c.example"));
	assert_int_equal(decide(FL_CLAIM_RESTORE, c.id, 0), 0);
	assert_true(holds("cli.block", "a.example c.example"));
}

static void test_a_reason_is_needed_and_a_dry_run_changes_nothing(void **state)
{
	struct fl_claim_request r = { FL_CLAIM_DISMISS, "1", 0, "lena", "", false };

	(void)state;
	inject(says("1", C2, "bad.example", 1, false));
	assert_int_equal(fl_findings_decide(st, &r, &w.arena, &ans, &why), FL_EUSAGE);
	r.reason = "why not";
	r.dry_run = true;
	assert_int_equal(fl_findings_decide(st, &r, &w.arena, &ans, &why), 0);
	assert_int_equal(ans.n, 1);
	assert_int_equal(ans.v[0].version, 0);
	assert_int_equal(ans.v[0].after.state, FL_CLAIM_DISMISSED);
	assert_true(holds("cli.block", "bad.example"));
	store_away(true);
	r.dry_run = false;
	assert_int_equal(fl_findings_decide(st, &r, &w.arena, &ans, &why), FL_EUNAVAIL);
	store_away(false);
	assert_true(holds("cli.block", "bad.example"));
}

/* --- what is protected --- */

static void test_a_protected_name_waits(void **state)
{
	struct fl_claim c;

	(void)state;
	inject(says("1", C2, "www.kept.example", 1, false));
	assert_int_equal(out.accepted, 0);
	assert_int_equal(out.refused, 1);
	assert_non_null(strstr(out.reason, "protected"));
	assert_true(holds("cli.block", ""));
	assert_int_equal(state_of("cli.block", "1", "www.kept.example", &c), FL_CLAIM_QUARANTINED);
	assert_non_null(strstr(c.reason, "kept.example"));
	assert_string_equal(c.type, C2);
	inject(says("1", C2, "www.kept.example", 1, false));
	assert_int_equal(out.duplicate, 1);
	inject(says("2", "AttackSequence:EC2/Compromise", "\"alone.example\",\"bad.example\"", 1, false)); /* alone, and the rest goes on */
	assert_int_equal(out.accepted, 1);
	assert_int_equal(out.refused, 1);
	assert_true(holds("cli.block", "bad.example"));
	inject(says("3", SCORE, "alone.example", 1, false)); /* an alert breaks nothing */
	assert_true(holds("cli.alert", "alone.example"));
	assert_int_equal(decide(FL_CLAIM_EXTEND, "1", 3600), FL_EREFUSED);
	assert_int_equal(decide(FL_CLAIM_APPROVE, "1", 0), 0);
	assert_true(holds("cli.block", "bad.example www.kept.example"));
	inject(says("1", C2, "www.kept.example", 2, false)); /* let in once, it stays in over updates */
	assert_int_equal(out.accepted, 1);
	assert_true(holds("cli.block", "bad.example www.kept.example"));
	inject(says("1", C2, "www.kept.example", 3, true));
	assert_true(holds("cli.block", "bad.example"));
	assert_int_equal(decide(FL_CLAIM_APPROVE, "1", 0), FL_EREFUSED);
	assert_int_equal(decide(FL_CLAIM_DISMISS, "2", 0), 0); /* what waits can be dismissed */
	assert_int_equal(ans.n, 2);
	assert_int_equal(decide(FL_CLAIM_RESTORE, "2", 0), 0); /* and comes back to where it waited */
	assert_int_equal(state_of("cli.block", "2", "alone.example", NULL), FL_CLAIM_QUARANTINED);
	assert_true(holds("cli.block", "bad.example"));
}

static void test_a_name_that_becomes_protected(void **state)
{
	static const char *const more[] = { "bad.example", "worse.example" };

	(void)state;
	inject(says("1", C2, "bad.example", 1, false));
	inject(says("2", C2, "worse.example", 1, false));
	assert_int_equal(decide(FL_CLAIM_EXTEND, "2", 864000), 0);
	cfg.protected_names = more;
	assert_int_equal(fl_findings_reload(st, &cfg), 0);
	inject(says("1", C2, "bad.example", 2, false));
	inject(says("2", C2, "worse.example", 2, false));
	assert_true(holds("cli.block", "worse.example")); /* a person spoke for that one */
}

/* --- a year of ends --- */

enum { FINDINGS = 2000, SHARED = 300, YEAR_S = 365 * 86400, BATCH = 500 };

static int64_t ends[FINDINGS]; /* seconds from the start */

static int by_number(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static size_t entries(const char *source)
{
	struct fl_head head;

	assert_int_equal(fl_set_head(&w.s, FL_SOURCE, source, &head, NULL), 0);
	return head.entries;
}

/* Findings with ends of their own. The first SHARED names are held by a second finding too, which ends two years from now. */
static void fill_year(fl_unix_us start)
{
	struct fl_buf b = { 0 };
	char when[FL_TIME_TEXT];
	uint64_t x = 12345;

	for (int i = 0; i < FINDINGS + SHARED; i++) {
		int name = i < FINDINGS ? i : i - FINDINGS;
		int64_t end;

		x = x * UINT64_C(6364136223846793005) + 1442695040888963407u;
		end = i < FINDINGS ? 60 + (int64_t)((x >> 33) % (YEAR_S - 60)) : INT64_C(2) * YEAR_S;
		if (i < FINDINGS)
			ends[i] = end;
		fl_buf_printf(&b, "%s{\"id\":\"%d\",\"domain\":\"n%d.example\",\"expires_at\":\"%s\"}", i % BATCH ? "," : "{\"findings\":[", i, name,
			      fl_time_format(start + end * FL_US_PER_S, when));
		if (i % BATCH == BATCH - 1 || i == FINDINGS + SHARED - 1) {
			fl_buf_str(&b, "]}");
			inject(fl_buf_cstr(&b));
			fl_buf_reset(&b);
		}
	}
	fl_buf_done(&b);
}

/* Each leaves within a second of its time by a version of its own cause, none before it; what another claim holds stays. */
static void test_a_year_of_ends(void **state)
{
	fl_unix_us start = fl_now_unix(&here.door);
	int64_t shared[SHARED];
	struct fl_source_version v;
	uint64_t before;
	size_t held = 0;

	(void)state;
	fill_year(start);
	step();
	assert_int_equal(entries("cli.block"), FINDINGS);
	memcpy(shared, ends, sizeof(shared));
	qsort(shared, SHARED, sizeof(*shared), by_number);
	qsort(ends, FINDINGS, sizeof(*ends), by_number);
	for (size_t i = 0, k; i < FINDINGS; i = k) {
		int64_t now_s = (fl_now_unix(&here.door) - start) / FL_US_PER_S;

		for (k = i + 1; k < FINDINGS && ends[k] <= ends[i]; k++)
			;
		if (i % 8 == 0 && ends[i] - 1 > now_s) { /* a second before: as many as there were */
			pass(ends[i] - 1 - now_s);
			step();
			assert_int_equal(entries("cli.block"), FINDINGS - i + held);
		}
		before = version_of("cli.block", NULL);
		pass(ends[i] - (fl_now_unix(&here.door) - start) / FL_US_PER_S);
		step();
		while (held < SHARED && shared[held] <= ends[i])
			held++;
		if (entries("cli.block") != FINDINGS - k + held)
			fail_msg("at %lld s: %zu names, not %zu", (long long)ends[i], entries("cli.block"), (size_t)(FINDINGS - k + held));
		assert_int_equal(version_of("cli.block", &v), before + 1);
		assert_int_equal(v.cause, FL_CAUSE_EXPIRY);
		assert_true(v.at - start - ends[i] * FL_US_PER_S < FL_US_PER_S);
	}
	assert_int_equal(entries("cli.block"), SHARED);
	pass(INT64_C(2) * YEAR_S);
	step();
	assert_int_equal(entries("cli.block"), 0);
}

/* The clock leaps over the whole year, on both hosts: not one is let go unseen. */
static void test_a_leap_over_the_year(void **state)
{
	struct fl_findings_status s;

	(void)state;
	fill_year(fl_now_unix(&here.door));
	step();
	fl_clock_mem_jump(&here, (int64_t)YEAR_S * FL_US_PER_S);
	fl_clock_mem_jump(&w.clock, (int64_t)YEAR_S * FL_US_PER_S);
	pass(1);
	step();
	assert_int_equal(entries("cli.block"), FINDINGS);
	fl_findings_status(st, &s);
	assert_int_equal(s.expiry_waits, FINDINGS);
	fl_clock_mem_jump(&here, -(int64_t)YEAR_S * FL_US_PER_S);
	fl_clock_mem_jump(&w.clock, -(int64_t)YEAR_S * FL_US_PER_S);
	pass(1);
	step();
	assert_int_equal(entries("cli.block"), FINDINGS);
	fl_findings_status(st, &s);
	assert_int_equal(s.expiry_waits, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIFE(test_a_changed_name_moves_the_claim), LIFE(test_an_older_word_that_arrives_late), LIFE(test_fewer_names), LIFE(test_another_action_is_another_set),
		LIFE(test_archived_everywhere), LIFE(test_undated_ids_do_not_move), LIFE(test_moves_within_a_document), LIFE(test_another_source_has_its_own),
		cmocka_unit_test(test_whose_set), LIFE(test_dismissed_stays_so), LIFE(test_dismissed_and_taken_up_again), LIFE(test_extended), LIFE(test_ids),
		LIFE(test_a_reason_is_needed_and_a_dry_run_changes_nothing), LIFE(test_a_protected_name_waits), LIFE(test_a_name_that_becomes_protected),
		LIFE(test_a_year_of_ends), LIFE(test_a_leap_over_the_year),
	};

	return cmocka_run_group_tests(tests, NULL, names_free);
}
