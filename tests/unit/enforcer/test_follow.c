/* What an enforcer follows, and what it does not: the judge as a table, and the stage over the in-memory doors. Whatever happens, what is in force stays until something that may be followed
 * has come whole. */
#include "follow_help.h"

/* --- the judge --- */

static struct fl_version_id id_of(char epoch, uint64_t number, char chain)
{
	struct fl_version_id id = { .number = number };

	memset(id.epoch.b, epoch, sizeof(id.epoch.b));
	memset(id.chain, chain, sizeof(id.chain));
	return id;
}

/* Held is version 5 of epoch A, chain 5, which followed the recovery 3. */
static const struct judge_row {
	const char *what;
	char epoch;
	uint64_t number;
	char chain;
	uint64_t parent;
	char parent_chain;
	uint64_t recovered;
	char over; /* 0: none */
	enum fl_verdict want;
} judge_rows[] = {
	{ "itself", 'A', 5, '5', 4, '4', 3, 'Z', FL_V_HELD },
	{ "the next", 'A', 6, '6', 5, '5', 3, 'Z', FL_V_NEXT },
	{ "the next, its number over a hole", 'A', 9, '9', 5, '5', 3, 'Z', FL_V_NEXT },
	{ "its parent has our number and another chain", 'A', 6, '6', 5, 'x', 3, 'Z', FL_V_GAP },
	{ "its parent is not ours", 'A', 8, '8', 7, '7', 3, 'Z', FL_V_GAP },
	{ "lower", 'A', 4, '4', 3, '3', 3, 'Z', FL_V_OLD },
	{ "our number, another chain", 'A', 5, 'x', 4, '4', 3, 'Z', FL_V_OTHER },
	{ "our number and chain of another epoch", 'B', 5, '5', 4, '4', 0, 0, FL_V_OTHER },
	{ "higher, of another epoch", 'B', 9, '9', 5, '5', 0, 0, FL_V_OTHER },
	{ "a recovery above ours", 'A', 8, '8', 4, 'x', 8, 'A', FL_V_RECOVERED },
	{ "a recovery of another epoch, above ours", 'B', 8, '8', 0, 0, 8, 'Z', FL_V_RECOVERED },
	{ "what came after a recovery", 'B', 9, '9', 8, '8', 8, 'Z', FL_V_RECOVERED },
	{ "a recovery over our epoch, with a number below ours", 'B', 4, '4', 0, 0, 4, 'A', FL_V_RECOVERED },
	{ "a recovery below ours that does not name our epoch", 'B', 4, '4', 0, 0, 4, 'C', FL_V_OTHER },
	{ "the recovery we followed, again", 'B', 9, '9', 0, 0, 3, 'A', FL_V_OTHER },
	{ "a recovery before the one we followed", 'B', 9, '9', 0, 0, 2, 'A', FL_V_OTHER },
	{ "a recovery of our epoch below ours", 'A', 4, 'x', 0, 0, 4, 'A', FL_V_OLD },
	{ "a recovery with our number and another chain", 'A', 5, 'x', 0, 0, 5, 'A', FL_V_OTHER },
};

static void test_judge(void **state)
{
	struct fl_image_list held = { .id = id_of('A', 5, '5'), .parent = 4, .recovered = { .version = 3 } }, none = { .parent = 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(judge_rows) / sizeof(judge_rows[0]); i++) {
		const struct judge_row *r = &judge_rows[i];
		struct fl_list_version v = { .id = id_of(r->epoch, r->number, r->chain), .parent = r->parent, .recovered = { .version = r->recovered } };

		memset(v.parent_chain, r->parent_chain, sizeof(v.parent_chain));
		v.recovered.n_over = r->over != 0;
		memset(v.recovered.over[0].b, r->over, sizeof(v.recovered.over[0].b));
		if (fl__judge(&held, &v) != r->want)
			fail_msg("%s: %d, want %d", r->what, fl__judge(&held, &v), r->want);
		assert_int_equal(fl__judge(NULL, &v), FL_V_FIRST);
		assert_int_equal(fl__judge(&none, &v), FL_V_FIRST);
	}
}

/* Held is fa with 3 names and fb, pinned, with 2, after the recovery 3. */
static void test_a_head_that_says_the_same(void **state)
{
	static const struct {
		const char *what;
		struct fl_list_input in[3];
		uint32_t n;
		uint64_t recovered;
		bool want;
	} rows[] = {
		{ "the same", { { .source = "fa", .digest = { 1, 1 }, .entries = 3 }, { .source = "fb", .digest = { 2, 2 }, .entries = 2, .pinned = true } }, 2, 3, true },
		{ "one pin more",
		  { { .source = "fa", .digest = { 1, 1 }, .entries = 3, .pinned = true }, { .source = "fb", .digest = { 2, 2 }, .entries = 2, .pinned = true } }, 2, 3, true },
		{ "a pin is lost", { { .source = "fa", .digest = { 1, 1 }, .entries = 3 }, { .source = "fb", .digest = { 2, 2 }, .entries = 2 } }, 2, 3, false },
		{ "other names", { { .source = "fa", .digest = { 1, 9 }, .entries = 3 }, { .source = "fb", .digest = { 2, 2 }, .entries = 2, .pinned = true } }, 2, 3, false },
		{ "a name less", { { .source = "fa", .digest = { 1, 1 }, .entries = 2 }, { .source = "fb", .digest = { 2, 2 }, .entries = 2, .pinned = true } }, 2, 3, false },
		{ "an input less", { { .source = "fb", .digest = { 2, 2 }, .entries = 2, .pinned = true } }, 1, 3, false },
		{ "none", { { .source = "" } }, 0, 3, false },
		{ "an input more",
		  { { .source = "fa", .digest = { 1, 1 }, .entries = 3 }, { .source = "fb", .digest = { 2, 2 }, .entries = 2, .pinned = true }, { .source = "fc", .entries = 1 } }, 3, 3,
		  false },
		{ "an empty input more",
		  { { .source = "fa", .digest = { 1, 1 }, .entries = 3 }, { .source = "fb", .digest = { 2, 2 }, .entries = 2, .pinned = true }, { .source = "fc" } }, 3, 3, true },
		{ "from before the recovery",
		  { { .source = "fa", .digest = { 1, 1 }, .entries = 3 }, { .source = "fb", .digest = { 2, 2 }, .entries = 2, .pinned = true } }, 2, 2, false },
	};
	struct fl_image_list held = { .name = "mal", .id = id_of('A', 5, '5'), .recovered = { .version = 3 } };
	struct fl_image_input in[] = {
		{ .list = "ads", .source = "fc", .digests = { .entries = 9 } },
		{ .list = "mal", .source = "fa", .digests = { .scope = { 1, 1 }, .entries = 3 } },
		{ .list = "mal", .source = "fb", .digests = { .scope = { 2, 2 }, .entries = 2 }, .pinned = true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_list_input copy[3];
		struct fl_list_version v = { .id = id_of('B', 9, '9'), .inputs = copy, .n_inputs = rows[i].n, .recovered = { .version = rows[i].recovered } };

		memcpy(copy, rows[i].in, sizeof(copy));
		if (fl__keeps_all(&held, in, 3, &v) != rows[i].want)
			fail_msg("%s", rows[i].what);
	}
}

/* --- following --- */

static void test_follows(void **state)
{
	(void)state;
	assert_int_equal(shows, 1); /* there is something to serve at once */
	fol_run(1000);
	ASSERT_STATE("mal", FL_FOLLOW_WAITING);
	send("mal", mal("a.example b.example").id.number);
	fol_run(1000);
	ASSERT_STATE("mal", FL_FOLLOW_OK);
	assert_true(in_force("a.example x.b.example | c.example"));
	send("mal", mal("b.example c.example").id.number);
	fol_run(300);
	assert_true(in_force("b.example c.example | a.example"));
	assert_int_equal(fol_list("mal").applied_version, 2);
	assert_int_equal(fol_list("mal").names, 2);
	ASSERT_STATE("ads", FL_FOLLOW_WAITING);
	mal("c.example"); /* not said by anybody: the poll of heads finds it */
	fol_run(12000);
	assert_true(in_force("c.example | a.example b.example"));
	assert_int_equal(fol_status().resyncs, 0);
	assert_string_equal(fol_status().problem, "");
}

/* Inline changes need no store; without them, or over a hole, the list waits, says so, and keeps what it has. */
static void test_store_away(void **state)
{
	struct fl_buf fourth = { 0 };

	(void)state;
	send("mal", mal("a.example").id.number);
	fol_run(1000);
	store_away(true);
	send("mal", mal("a.example b.example").id.number);
	fol_run(12000);
	assert_true(in_force("a.example b.example"));
	assert_false(fol_status().store_up);
	mal("b.example"); /* its event is lost */
	event_value("mal", mal("b.example c.example").id.number, &fourth);
	send_value("mal", fl_buf_span(&fourth));
	fol_run(1000);
	ASSERT_STATE("mal", FL_FOLLOW_BEHIND);
	assert_int_equal(fol_list("mal").known_version, 4);
	assert_int_equal(fol_list("mal").applied_version, 2);
	assert_true(in_force("a.example b.example | c.example"));
	store_away(false);
	fol_run(2000);
	ASSERT_STATE("mal", FL_FOLLOW_OK);
	assert_true(in_force("b.example c.example | a.example"));
	fl_buf_done(&fourth);
}

/* Repeats and reordered records change nothing; neither does a record with a bit flipped, which is counted and healed. */
static void test_bad_events(void **state)
{
	struct fl_buf junk = { 0 };
	uint64_t dropped;

	(void)state;
	for (int i = 0; i < 3; i++)
		send("mal", mal(i == 0 ? "a.example" : i == 1 ? "b.example" : "c.example").id.number);
	fol_run(1000);
	dropped = fol_status().events_dropped;
	for (uint64_t n = 3; n; n--)
		send("mal", n);
	send_value("mal", fl_span(NULL, 0)); /* a tombstone */
	fol_run(1000);
	ASSERT_STATE("mal", FL_FOLLOW_OK);
	assert_true(in_force("c.example | a.example b.example"));
	assert_int_equal(fol_status().events_dropped, dropped + 4);
	assert_int_equal(fol_status().events_corrupt, 0);
	event_rots = true;
	for (int i = 0; i < 20; i++)
		send("mal", mal(i % 2 ? "c.example" : "c.example d.example").id.number);
	event_rots = false;
	fol_run(13000);
	ASSERT_STATE("mal", FL_FOLLOW_OK);
	assert_true(in_force("c.example | d.example"));
	assert_true(fol_status().events_corrupt > 0);
	fl_buf_str(&junk, "{\"list\":\"mal\"}");
	send_value("mal", fl_buf_span(&junk));
	fol_run(1000);
	assert_true(in_force("c.example"));
	fl_buf_done(&junk);
}

/* An event whose delta is sound by itself and leads elsewhere than its digest says: kept out, counted, and the source is taken whole. */
static void test_a_wrong_delta(void **state)
{
	struct fl_event ev, other;
	struct fl_buf b = { 0 };

	(void)state;
	send("mal", mal("a.example b.example").id.number);
	fol_run(1000);
	mal("a.example b.example c.example");
	mal("a.example b.example c.example d.example");
	assert_int_equal(fl_event_load(&w.s, "mal", 2, &w.arena, &ev, NULL), 0);
	assert_int_equal(fl_event_load(&w.s, "mal", 3, &w.arena, &other, NULL), 0);
	ev.inputs[0].deltas[0].bytes = other.inputs[0].deltas[0].bytes;
	assert_int_equal(fl_event_encode(&ev, &b, NULL), 0);
	store_away(true);
	send_value("mal", fl_buf_span(&b));
	fol_run(1000);
	ASSERT_STATE("mal", FL_FOLLOW_BEHIND);
	assert_true(in_force("a.example b.example | c.example d.example"));
	assert_true(fol_status().events_corrupt >= 1);
	store_away(false);
	fol_run(1000);
	ASSERT_STATE("mal", FL_FOLLOW_OK);
	assert_true(in_force("a.example b.example c.example d.example"));
	assert_true(fol_status().resyncs >= 1);
	fl_buf_done(&b);
}

/* --- a store that lost something --- */

static struct fl_reply first_head, second_head;

#define HEAD "{fl}:list/mal:head"
#define LINEAGE "{fl}:list/mal:lineage"

static void hash_save(const char *key, struct fl_reply *out)
{
	assert_int_equal(fl_store_cmd(w.plain, &w.arena, out, NULL, "HGETALL", key, NULL), 0);
}

static const char *reply_text(const struct fl_reply *r)
{
	return fl_arena_strn(&w.arena, (const char *)r->s.p, r->s.n);
}

static void hash_restore(const char *key, const struct fl_reply *from)
{
	struct fl_reply r;

	assert_int_equal(fl_store_cmd(w.plain, &w.arena, &r, NULL, "DEL", key, NULL), 0);
	for (size_t i = 0; i + 1 < from->n; i += 2)
		assert_int_equal(fl_store_cmd(w.plain, &w.arena, &r, NULL, "HSET", key, reply_text(&from->v[i]), reply_text(&from->v[i + 1]), NULL), 0);
}

/* The store goes back to version 1, and all it knows of version 2 is gone. */
static void rewind_to_first(void)
{
	struct fl_reply r;

	hash_restore(HEAD, &first_head);
	assert_int_equal(fl_store_cmd(w.plain, &w.arena, &r, NULL, "DEL", "{fl}:list/mal:v:2", NULL), 0);
	assert_int_equal(fl_store_cmd(w.plain, &w.arena, &r, NULL, "HDEL", LINEAGE, "2", NULL), 0);
}

static void two_held(void)
{
	send("mal", mal("a.example").id.number);
	fol_run(1000);
	hash_save(HEAD, &first_head);
	send("mal", mal("a.example bad.example").id.number);
	fol_run(1000);
	hash_save(HEAD, &second_head);
	assert_true(in_force("a.example bad.example"));
}

/* A head below what is held keeps what is held, and the trouble ends by itself when a head descends again. */
static void test_degraded_ends_by_itself(void **state)
{
	(void)state;
	two_held();
	hash_restore(HEAD, &first_head);
	fol_run(12000);
	ASSERT_STATE("mal", FL_FOLLOW_DEGRADED);
	assert_string_equal(fl_follow_state_word(fol_list("mal").state), "DEGRADED");
	assert_non_null(strstr(fol_list("mal").reason, "fireline recover mal"));
	assert_true(in_force("a.example bad.example"));
	hash_restore(HEAD, &second_head);
	mal("a.example later.example");
	fol_run(12000);
	ASSERT_STATE("mal", FL_FOLLOW_OK);
	assert_string_equal(fol_list("mal").reason, "");
	assert_true(in_force("a.example later.example | bad.example"));
}

/* Version 2 was lost, and another was written under its number: not followed, neither itself nor what comes after it. */
static void test_a_fork(void **state)
{
	(void)state;
	two_held();
	rewind_to_first();
	send("mal", mal("a.example fork.example").id.number);
	fol_run(1000);
	ASSERT_STATE("mal", FL_FOLLOW_DEGRADED);
	assert_true(in_force("a.example bad.example | fork.example"));
	send("mal", mal("a.example fork.example more.example").id.number);
	fol_run(12000);
	ASSERT_STATE("mal", FL_FOLLOW_DEGRADED);
	assert_int_equal(fol_list("mal").applied_version, 2);
	assert_int_equal(fol_list("mal").known_version, 3);
	assert_true(in_force("a.example bad.example | fork.example more.example"));
	fol_restart(); /* and by a restart neither */
	fol_run(12000);
	ASSERT_STATE("mal", FL_FOLLOW_DEGRADED);
	assert_true(in_force("a.example bad.example | fork.example"));
}

/* The lost version is committed again, in another history: it says the same, so it is followed, and what comes after it too. */
static void test_a_lost_tail_that_comes_again(void **state)
{
	struct fl_version_id before;

	(void)state;
	two_held();
	before = fl__follow_held(fol, "mal")->id;
	rewind_to_first();
	fol_run(12000);
	ASSERT_STATE("mal", FL_FOLLOW_DEGRADED);
	fl_clock_mem_advance(&w.clock, FL_NS_PER_S);
	send("mal", mal("bad.example a.example").id.number);
	fol_run(1000);
	ASSERT_STATE("mal", FL_FOLLOW_OK);
	assert_false(fl_version_id_eq(&before, &fl__follow_held(fol, "mal")->id));
	assert_true(in_force("a.example bad.example"));
	send("mal", mal("a.example").id.number);
	fol_run(1000);
	ASSERT_STATE("mal", FL_FOLLOW_OK);
	assert_true(in_force("a.example | bad.example"));
	store_away(true);
	fol_restart();
	assert_true(in_force("a.example | bad.example"));
}

/* Higher numbers over a gap, and no lineage to read: not known to be another history, so STALE, and followed as soon as it can be known. */
static void test_unknown_ancestry(void **state)
{
	struct fl_reply lineage, r;

	(void)state;
	two_held();
	mal("b.example");
	mal("c.example");
	hash_save(LINEAGE, &lineage);
	assert_int_equal(fl_store_cmd(w.plain, &w.arena, &r, NULL, "DEL", LINEAGE, NULL), 0);
	fol_run(12000);
	ASSERT_STATE("mal", FL_FOLLOW_STALE);
	assert_true(in_force("a.example bad.example | c.example"));
	hash_restore(LINEAGE, &lineage);
	fol_run(12000);
	ASSERT_STATE("mal", FL_FOLLOW_OK);
	assert_true(in_force("c.example | a.example bad.example"));
}

/* An emptied store takes nothing away. */
static void test_no_head(void **state)
{
	(void)state;
	two_held();
	world_forget(&w);
	fol_run(12000);
	ASSERT_STATE("mal", FL_FOLLOW_DEGRADED);
	assert_true(in_force("a.example bad.example"));
	ASSERT_STATE("ads", FL_FOLLOW_WAITING);
}

/* --- recover --- */

static struct fl_list_version recover(const struct fl_epoch *over, uint64_t first_number, const char *names)
{
	struct fl_list_commit c = { .cause = FL_CAUSE_RECOVER, .first_number = first_number, .at_least = first_number - 1, .recovered = { .n_over = 1, .over = { *over } } };
	struct fl_list_input in;

	source("fa", names);
	in = input_now("fa");
	return commit("mal", &mal_lease, &in, 1, c);
}

/* An event of a recovery that takes all names away, made by hand: a list of no inputs. */
static void send_recovery(const struct fl_epoch *over, uint64_t number)
{
	struct fl_list_version v = { .list = "mal", .id = id_of('C', number, 0), .cause = FL_CAUSE_RECOVER, .actor = "mona", .at = fl_now_unix(&w.clock.door),
				     .recovered = { .version = number, .n_over = 1, .over = { *over } } };
	struct fl_event ev = { .version = v };
	struct fl_event_input none = { .moved = false };
	struct fl_list_input no_input = { .gone = false };
	struct fl_buf b = { 0 };

	ev.version.inputs = &no_input;
	ev.inputs = &none;
	fl_list_version_chain(&ev.version);
	assert_int_equal(fl_event_encode(&ev, &b, NULL), 0);
	send_value("mal", fl_buf_span(&b));
	fl_buf_done(&b);
}

/* A person's recovery is followed, also where it takes names away; an older one, over the very epoch that is held, is not: neither before nor after a restart. */
static void test_recover_is_followed_once(void **state)
{
	struct fl_list_version r;
	struct fl_epoch old;

	(void)state;
	two_held();
	old = fl__follow_held(fol, "mal")->id.epoch;
	world_forget(&w);
	fol_run(12000);
	ASSERT_STATE("mal", FL_FOLLOW_DEGRADED);
	r = recover(&old, 3, "only.example");
	assert_int_equal(r.id.number, 3);
	send("mal", 3);
	fol_run(1000);
	ASSERT_STATE("mal", FL_FOLLOW_OK);
	assert_true(in_force("only.example | a.example bad.example"));
	send("mal", mal("only.example next.example").id.number);
	fol_run(1000);
	assert_true(in_force("only.example next.example"));
	for (int life = 0; life < 3; life++) {
		send("mal", 3);
		send_recovery(&r.id.epoch, 2);
		fol_run(100);
		assert_true(in_force("only.example next.example"));
		fol_run(12000);
		ASSERT_STATE("mal", FL_FOLLOW_OK);
		assert_int_equal(fol_list("mal").applied_version, 4);
		assert_true(in_force("only.example next.example"));
		if (life == 1) /* from the journal, then from an image */
			assert_int_equal(fl__generation_write(fol, fol->image, NULL), 0);
		fol_restart();
		assert_true(in_force("only.example next.example"));
	}
	send_recovery(&r.id.epoch, 5); /* a newer one is */
	fol_run(100);
	assert_true(in_force("| only.example next.example"));
}

/* A recovery that claims to be above its own number is no recovery. */
static void test_a_recovery_above_its_number(void **state)
{
	struct fl_list_version v = { .list = "mal", .id = id_of('C', 9, 0), .cause = FL_CAUSE_RECOVER, .actor = "mona", .at = 1 };
	uint64_t corrupt;
	struct fl_event_input none = { .moved = false };
	struct fl_list_input no_input = { .gone = false };
	struct fl_event ev = { .inputs = &none };
	struct fl_buf b = { 0 };

	(void)state;
	two_held();
	v.recovered.version = 10;
	v.inputs = &no_input;
	ev.version = v;
	fl_list_version_chain(&ev.version);
	corrupt = fol_status().events_corrupt;
	assert_int_equal(fl_event_encode(&ev, &b, NULL), 0);
	send_value("mal", fl_buf_span(&b));
	fol_run(1000);
	assert_int_equal(fol_status().events_corrupt, corrupt + 1);
	ASSERT_STATE("mal", FL_FOLLOW_OK);
	assert_true(in_force("a.example bad.example"));
	fl_buf_done(&b);
}

/* Holding nothing, with the store away: an event that carries all there is will do. */
static void test_first_event(void **state)
{
	struct fl_buf b = { 0 };

	(void)state;
	event_value("mal", mal("a.example").id.number, &b);
	store_away(true);
	fol_run(1000);
	ASSERT_STATE("mal", FL_FOLLOW_WAITING);
	send_value("mal", fl_buf_span(&b));
	fol_run(1000);
	ASSERT_STATE("mal", FL_FOLLOW_OK);
	assert_true(in_force("a.example | b.example"));
	fl_buf_done(&b);
}

static void test_a_list_leaves_the_configuration(void **state)
{
	struct fl_config next;

	(void)state;
	two_held();
	next = cfg;
	next.lists = cfg.lists + 1;
	next.n_lists = 1;
	assert_int_equal(fl_follow_reload(fol, &next), 0);
	assert_false(blocks("mal", "a.example"));
	assert_int_equal(fl_follow_reload(fol, &cfg), 0);
	ASSERT_STATE("mal", FL_FOLLOW_WAITING);
	fol_run(1000);
	ASSERT_STATE("mal", FL_FOLLOW_OK);
	assert_true(in_force("a.example bad.example"));
}

static void test_metrics(void **state)
{
	struct fl_buf b = { 0 };

	(void)state;
	two_held();
	world_forget(&w);
	fol_run(12000);
	fl_follow_metrics(fol, &b);
	assert_non_null(strstr(fl_buf_cstr(&b), "fireline_list_applied_version{domain_list=\"mal\"} 2\n"));
	assert_non_null(strstr(fl_buf_cstr(&b), "fireline_list_degraded{domain_list=\"mal\"} 1\n"));
	assert_non_null(strstr(fl_buf_cstr(&b), "fireline_list_degraded{domain_list=\"ads\"} 0\n"));
	fl_buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judge), cmocka_unit_test(test_a_head_that_says_the_same), FOL(test_follows), FOL(test_store_away), FOL(test_bad_events), FOL(test_a_wrong_delta), FOL(test_degraded_ends_by_itself),
		FOL(test_a_fork), FOL(test_a_lost_tail_that_comes_again), FOL(test_unknown_ancestry), FOL(test_no_head), FOL(test_recover_is_followed_once), FOL(test_a_recovery_above_its_number),
		FOL(test_first_event), FOL(test_a_list_leaves_the_configuration), FOL(test_metrics),
	};

	return cmocka_run_group_tests_name("follow", tests, NULL, NULL);
}
