/* From a question to its answer and its record: policy, chain, probe names, explanations. Rows are read as: who asks what, with this in the cache, gets that. */
#include "tests/unit/enforcer/wire.h"

#include <arpa/inet.h>
#include <unistd.h>

#include "base/text.h"
#include "enforcer/server_int.h"
#include "tests/support/answer_help.h"

static struct fl_server *server;
static struct fl_config cfg;
static struct fl_policy *policy;
static struct fl_view *view;
static struct fl__settings settings = { .ede = { FL_EDE_AUTO, "" } };
static struct fl__chain_scratch *scratch;
static uint8_t buf[65535];
static uint64_t ring_pos;
static char folder[64];

/* A kept answer: a chain of names from the question, and an address at its end. */
static struct fl_answer *kept(const char *name, const char *const *hops)
{
	struct fl_dname d = wdname(name);
	struct fl__asked asked = { &d, 1, false, false };
	struct fl__ttl_limits limits = { .max_s = 86400, .negative_max_s = 900 };
	const char *last = name;
	struct fl_answer *a = NULL;
	struct fl_buf b = { 0 };
	unsigned n = 1;

	while (hops[n - 1])
		n++;
	wheader(&b, 1, 0x8180, 1, n, 0, 0);
	wquestion(&b, name, 1);
	for (; *hops; last = *hops++)
		wrr_name(&b, last, 5, 300, *hops);
	wrr_a(&b, last, 300, 1);
	assert_int_equal(fl__chain_read(scratch, fl_buf_span(&b), &asked, &limits, 100 * FL_NS_PER_S, &a), 0);
	fl_buf_done(&b);
	return a;
}

struct result {
	bool answered;
	struct fl__out o;
	unsigned rcode, answers, authority;
	struct fl_qlog log;
	bool logged;
};

static struct result respond(const char *client, const char *name, unsigned type, const struct fl_answer *a, bool edns)
{
	struct fl_buf q = wquery(7, name, type, edns ? 1232 : 0, false);
	struct fl_job job = { .received = 100 * FL_NS_PER_S };
	struct fl__ask ask = { .job = &job, .kept = a };
	struct result r = { .o = { buf, 0, 1232 } };
	struct fl__frame f;

	if (inet_pton(AF_INET, client, &job.peer.in.sin_addr) == 1)
		job.peer.in.sin_family = AF_INET;
	else {
		job.peer.in6.sin6_family = AF_INET6;
		assert_int_equal(inet_pton(AF_INET6, client, &job.peer.in6.sin6_addr), 1);
	}
	ask.parsed = fl__question_parse(fl_buf_span(&q), &job.q);
	r.answered = fl__respond(&server->threads[0], view, &settings, &ask, 100 * FL_NS_PER_S, 1000, &r.o);
	if (r.answered) {
		r.rcode = buf[3] & 15;
		r.answers = fl__be16(buf + 6);
		r.authority = fl__be16(buf + 8);
	}
	r.logged = fl__ring_next(server->threads[0].ring, &ring_pos, &f) == 1;
	if (r.logged) {
		assert_true(fl__record_read(f.body, &r.log));
		r.log.seq = f.seq;
		fl__ring_release(server->threads[0].ring, f.end);
	}
	assert_int_equal(r.logged, r.answered); /* one record an answer, none without */
	fl_buf_done(&q);
	return r;
}

#define CHAIN(...) ((const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })
#define NOTHING NULL

static const struct row {
	const char *client, *name;
	const char *const *chain; /* in the cache; NULL: nothing */
	bool answered;
	unsigned rcode;
	enum fl_action action;
	const char *list;
	unsigned hop;
} rows[] = {
	{ "192.0.2.7", "evil.example", NOTHING, true, 3, FL_ACTION_BLOCK, "bad", 0 },
	{ "192.0.2.7", "www.EVIL.example", NOTHING, true, 3, FL_ACTION_BLOCK, "bad", 0 },
	{ "2001:db8::7", "evil.example", NOTHING, true, 3, FL_ACTION_BLOCK, "bad", 0 },
	{ "192.0.2.7", "notevil.example", NOTHING, false, 0, FL_ACTION_NONE, NULL, 0 },
	{ "192.0.2.7", "unlisted.example", CHAIN(), true, 0, FL_ACTION_NONE, NULL, 0 },
	{ "192.0.2.7", "good.example", CHAIN(), true, 0, FL_ACTION_ALLOW, "let", 0 },
	{ "192.0.2.7", "watched.example", CHAIN(), true, 0, FL_ACTION_ALERT, "watched", 0 },
	{ "192.0.2.7", "ads.example", NOTHING, true, 0, FL_ACTION_BLOCK, "ads", 0 },
	{ "192.0.2.7", "nodata.example", NOTHING, true, 0, FL_ACTION_BLOCK, "nodata", 0 },
	/* listed now, in the cache since before: the cache does not outlive the block */
	{ "192.0.2.7", "evil.example", CHAIN(), true, 3, FL_ACTION_BLOCK, "bad", 0 },
	/* chains */
	{ "192.0.2.7", "cloaked.example", CHAIN("t.bad-zone.test"), true, 3, FL_ACTION_BLOCK, "bad", 1 },
	{ "192.0.2.7", "cloaked.example", CHAIN("cdn.test", "edge.test", "t.bad-zone.test"), true, 3, FL_ACTION_BLOCK, "bad", 3 },
	{ "192.0.2.7", "good.example", CHAIN("t.bad-zone.test"), true, 3, FL_ACTION_BLOCK, "bad", 1 },
	{ "192.0.2.7", "trusted.example", CHAIN("t.bad-zone.test"), true, 0, FL_ACTION_ALLOW, "trusted", 0 },
	{ "192.0.2.7", "cloaked.example", CHAIN("trusted.example", "t.bad-zone.test"), true, 0, FL_ACTION_ALLOW, "trusted", 1 },
	{ "192.0.2.7", "cloaked.example", CHAIN("watched.example"), true, 0, FL_ACTION_ALERT, "watched", 1 },
	{ "192.0.2.7", "watched.example", CHAIN("good.example"), true, 0, FL_ACTION_ALERT, "watched", 0 },
	/* a walled garden */
	{ "10.9.1.1", "good.example", CHAIN(), true, 0, FL_ACTION_ALLOW, "let", 0 },
	{ "10.9.1.1", "elsewhere.test", NOTHING, true, 3, FL_ACTION_BLOCK, "all", 0 },
	{ "10.9.1.1", "good.example", CHAIN("elsewhere.test"), true, 3, FL_ACTION_BLOCK, "all", 1 },
	{ "10.9.1.1", "\x80!.odd.test", NOTHING, true, 3, FL_ACTION_BLOCK, "all", 0 },
	/* a list that was never held, fail closed */
	{ "10.8.1.1", "anything.test", NOTHING, true, 2, FL_ACTION_BLOCK, "absent", 0 },
	{ "10.8.1.1", "anything.test", CHAIN(), true, 2, FL_ACTION_BLOCK, "absent", 0 },
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < HELP_N(rows); i++) {
		const struct row *w = &rows[i];
		struct fl_answer *a = w->chain ? kept(w->name, w->chain) : NULL;
		struct result r = respond(w->client, w->name, 1, a, true);

		if (r.answered != w->answered || (r.answered && (r.rcode != w->rcode || r.log.action != w->action || r.log.hop != w->hop)))
			fail_msg("row %zu, %s: answered %d rcode %u action %s hop %u", i, w->name, r.answered, r.rcode, fl_action_word(r.log.action), r.log.hop);
		if (r.answered && w->list)
			assert_string_equal(r.log.list, w->list);
		else
			assert_null(r.log.list);
		if (w->action == FL_ACTION_BLOCK && r.log.block_response == FL_BLOCK_NXDOMAIN)
			assert_true(r.answers == 0 && r.authority == 1); /* nothing of the chain leaves */
		fl__answer_free(a);
	}
}

/* Blocked by the question or by a later name: the client sees the same. */
static void test_hop_looks_like_the_question(void **state)
{
	struct fl_answer *a = kept("x.bad-zone.test", CHAIN());
	struct fl_answer *b = kept("cloaked-x.test", CHAIN("x.bad-zone.test"));
	struct result direct = respond("192.0.2.7", "x.bad-zone.test", 1, a, false), hop;
	size_t n = direct.o.n;
	uint8_t first[12];

	(void)state;
	memcpy(first, buf, 12);
	hop = respond("192.0.2.7", "cloaked-x.test", 1, b, false);
	assert_memory_equal(first, buf, 12);
	assert_int_equal(hop.o.n, n - 1); /* the name is an octet shorter, all else is the same */
	fl__answer_free(a);
	fl__answer_free(b);
}

static void test_record_of_a_block(void **state)
{
	struct result r = respond("192.0.2.7", "a.b.evil.example", 28, NULL, true);
	char text[FL_NAME_TEXT];

	(void)state;
	assert_string_equal(r.log.rule_group, "base");
	assert_string_equal(r.log.rule, "bad");
	assert_int_equal(r.log.list_version, 4);
	assert_string_equal(r.log.association, "everyone");
	assert_string_equal(fl_rkey_to_text(fl_rkey_span(&r.log.entry), text), "evil.example");
	assert_int_equal(r.log.entry_scope, 3);
	assert_int_equal(r.log.n_sources, 1);
	assert_string_equal(r.log.sources[0], "feed");
	assert_int_equal(r.log.qtype, 28);
	assert_int_equal(r.log.response.n, 0); /* no answers to show */
}

/* The reference in the explanation is the record's. A stranger learns the reference only. */
static void test_reference(void **state)
{
	static const struct { const char *client; bool full; } who[] = { { "10.1.2.3", true }, { "203.0.113.9", false }, { "fd00::1", true }, { "2001:db8::1", false } };

	(void)state;
	for (size_t i = 0; i < HELP_N(who); i++) {
		struct result r = respond(who[i].client, "evil.example", 1, NULL, true);
		char ref[9], want[128];

		fl_base32_40(fl_ref("ns1", 0, r.log.seq), ref);
		snprintf(want, sizeof(want), who[i].full ? "list=bad rule=base/200 v=4 ref=%s" : "ref=%s", ref);
		assert_memory_equal(buf + r.o.n - strlen(want), want, strlen(want));
		assert_int_equal(fl__be16(buf + r.o.n - strlen(want) - 2), 15);
		if (!who[i].full)
			assert_int_equal(fl__be16(buf + r.o.n - strlen(want) - 4), strlen(want) + 2);
	}
}

static void test_probe(void **state)
{
	struct result r = respond("192.0.2.7", "bad.probe.fireline.internal", 16, NULL, false);

	(void)state;
	assert_int_equal(r.rcode, 0);
	assert_int_equal(r.answers, 1);
	assert_non_null(memmem(buf, r.o.n, "version=4 ", 10));
	r = respond("192.0.2.7", "BAD.probe.FIRELINE.internal", 16, NULL, false);
	assert_int_equal(r.answers, 1);
	r = respond("192.0.2.7", "nosuch.probe.fireline.internal", 16, NULL, false);
	assert_int_equal(r.rcode, 3);
	r = respond("192.0.2.7", "absent.probe.fireline.internal", 16, NULL, false);
	assert_int_equal(r.rcode, 3);
	r = respond("192.0.2.7", "let.probe.fireline.internal", 1, NULL, false); /* never forwarded, whatever is asked */
	assert_true(r.answered);
	r = respond("192.0.2.7", "probe.fireline.internal", 1, NULL, false);
	assert_true(r.answered);
}

/* Before the first view there is no policy, and every client is served. */
static void test_without_a_view(void **state)
{
	struct fl_view *old = view;
	struct fl_answer *a = kept("evil.example", CHAIN());
	struct result r;

	(void)state;
	view = NULL;
	r = respond("10.8.1.1", "evil.example", 1, a, false);
	assert_int_equal(r.rcode, 0);
	assert_int_equal(r.answers, 1);
	assert_true(r.log.degraded);
	r = respond("10.8.1.1", "evil.example", 1, NULL, false);
	assert_false(r.answered);
	r = respond("10.8.1.1", "bad.probe.fireline.internal", 16, NULL, false);
	assert_int_equal(r.rcode, 3);
	view = old;
	fl__answer_free(a);
}

static void test_errors_have_records(void **state)
{
	struct result r = respond("192.0.2.7", "evil.example", 252, NULL, false);

	(void)state;
	assert_int_equal(r.rcode, 5);
	assert_int_equal(r.log.rcode, 5);
	assert_int_equal(r.log.action, FL_ACTION_NONE);
}

/* Names that stay here: after the policy, before the cache; a zone of an upstream takes them back. */
static void test_special_names(void **state)
{
	struct fl_answer *a = kept("www.lab.test", CHAIN());
	struct fl_rkey zone;
	struct result r;

	(void)state;
	r = respond("192.0.2.7", "www.lab.test", 1, NULL, false);
	assert_false(r.answered); /* not asked for in the settings */
	settings.special_names = true;
	r = respond("192.0.2.7", "www.lab.test", 1, a, false);
	assert_int_equal(r.rcode, 3);
	assert_int_equal(r.log.action, FL_ACTION_NONE);
	r = respond("192.0.2.7", "x.bad-zone.test", 1, NULL, true);
	assert_int_equal(r.log.action, FL_ACTION_BLOCK);
	assert_true(fl_rkey_from_text(fl_span_str("lab.test"), &zone));
	settings.zones = &zone;
	settings.n_zones = 1;
	r = respond("192.0.2.7", "www.lab.test", 1, NULL, false);
	assert_false(r.answered);
	r = respond("192.0.2.7", "www.other.test", 1, NULL, false);
	assert_int_equal(r.rcode, 3);
	assert_true(fl_rkey_from_text(fl_span_str("arpa"), &zone)); /* a zone above says nothing of what is special below it */
	r = respond("192.0.2.7", "1.10.in-addr.arpa", 12, NULL, false);
	assert_int_equal(r.rcode, 3);
	settings.n_zones = 0;
	r = respond("192.0.2.7", "use-application-dns.net", 1, NULL, false);
	assert_false(r.answered);
	settings.doh_canary = true;
	r = respond("192.0.2.7", "use-application-dns.net", 1, NULL, false);
	assert_int_equal(r.rcode, 3);
	settings.special_names = settings.doh_canary = false;
	fl__answer_free(a);
}

static void test_any_is_little(void **state)
{
	struct result r = respond("192.0.2.7", "unlisted.example", 255, NULL, true);

	(void)state;
	assert_int_equal(r.answers, 1);
	assert_non_null(memmem(buf, r.o.n, "\7RFC8482", 8));
	r = respond("192.0.2.7", "evil.example", 255, NULL, true);
	assert_int_equal(r.rcode, 3);
}

/* An address of this network from the world: withheld, but for names that may have one. */
static void test_rebinding(void **state)
{
	struct fl_answer *a = kept("host.corp.example", CHAIN("hop.example"));
	struct fl_rkey corp;
	struct result r;

	(void)state;
	a->inside = true;
	settings.block_ttl = 30;
	r = respond("192.0.2.7", "host.corp.example", 1, a, true);
	assert_int_equal(r.answers, 2);
	settings.rebinding = true;
	r = respond("192.0.2.7", "host.corp.example", 1, a, true);
	assert_true(r.rcode == 0 && r.answers == 0 && r.authority == 1);
	assert_int_equal(r.log.action, FL_ACTION_NONE);
	assert_true(fl_rkey_from_text(fl_span_str("corp.example"), &corp));
	settings.inside = &corp;
	settings.n_inside = 1;
	r = respond("192.0.2.7", "host.corp.example", 1, a, true);
	assert_int_equal(r.answers, 2);
	settings.n_inside = 0;
	settings.zones = &corp;
	settings.n_zones = 1;
	r = respond("192.0.2.7", "host.corp.example", 1, a, true);
	assert_int_equal(r.answers, 2);
	settings.n_zones = 0;
	settings.rebinding = false;
	fl__answer_free(a);
}

/* Once, in the last tenth; never for what a rule blocks. */
static void test_what_ends_soon_is_asked_for_anew(void **state)
{
	struct fl_answer *a = kept("unlisted.example", CHAIN()); /* 300 s, from 100 s on */

	(void)state;
	assert_false(fl__cache_ends_soon(a, 100 * FL_NS_PER_S));
	assert_false(fl__cache_ends_soon(a, 369 * FL_NS_PER_S));
	assert_true(fl__cache_ends_soon(a, 371 * FL_NS_PER_S));
	assert_false(fl__cache_ends_soon(a, 372 * FL_NS_PER_S));
	fl__answer_free(a);
}

static int up(void **state)
{
	(void)state;
	server = aligned_alloc(64, (sizeof(*server) + 63) & ~(size_t)63);
	memset(server, 0, sizeof(*server));
	snprintf(folder, sizeof(folder), "/tmp/fl-respond-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(server->enforcer, sizeof(server->enforcer), "ns1");
	server->c.clock = fl_clock_sys();
	server->threads[0].server = server;
	cfg = help_config();
	scratch = fl__chain_scratch_new();
	if (fl_policy_new(&cfg, &policy, NULL) < 0)
		return -1;
	view = help_view(policy, 4);
	return fl__ring_create(folder, "ns1", 1, 0, 1 << 20, &server->threads[0].ring, NULL);
}
static int down(void **state)
{
	(void)state;
	fl__ring_close(server->threads[0].ring, true);
	fl_view_free(view);
	fl_policy_free(policy);
	fl__chain_scratch_free(scratch);
	free(server);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows), cmocka_unit_test(test_hop_looks_like_the_question), cmocka_unit_test(test_record_of_a_block),
		cmocka_unit_test(test_reference), cmocka_unit_test(test_probe), cmocka_unit_test(test_without_a_view), cmocka_unit_test(test_errors_have_records),
		cmocka_unit_test(test_special_names), cmocka_unit_test(test_any_is_little), cmocka_unit_test(test_rebinding), cmocka_unit_test(test_what_ends_soon_is_asked_for_anew),
	};

	return cmocka_run_group_tests(tests, up, down);
}
