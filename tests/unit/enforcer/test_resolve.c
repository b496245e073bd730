/* The resolve core on a virtual clock, against forwarders that are mute, slow, lying, or strange. The door here is the test's own: it can answer a query more than once. */
#include "tests/unit/enforcer/wire.h"

#include "base/rcu.h"
#include "enforcer/resolve.h"

enum { OUT_MAX = 64, ANSWERS_MAX = 4096, REPLIES_MAX = 256 };

struct out { /* a query that left */
	uint64_t tag;
	char address[64];
	bool tcp, open;
	uint8_t msg[512];
	size_t n;
	fl_mono_ns at;
};
struct queued {
	uint64_t tag;
	int code;
	struct fl_buf msg;
};
struct world {
	struct fl_upstream door;
	struct out out[OUT_MAX];
	unsigned n_out;
	struct queued replies[REPLIES_MAX];
	unsigned r_from, r_n;
	struct fl_buf last;
	int send_code;
	fl_mono_ns now, wake;
	struct fl_random_mem random;
	struct fl_cache *cache;
	struct fl_resolve *r;
	/* what waiters were told */
	struct {
		uint16_t id, ede;
		unsigned rcode;
		bool stale, cached, overload, negative, authentic, inside;
		unsigned answers, hops;
		fl_mono_ns at;
	} told[ANSWERS_MAX];
	unsigned n_told;
};

static int door_send(struct fl_upstream *u, const char *address, bool tcp, struct fl_span msg, fl_mono_ns deadline, uint64_t tag, struct fl_err *err)
{
	struct world *w = (struct world *)u;
	struct out *o;

	(void)err, (void)deadline;
	if (w->send_code)
		return w->send_code;
	assert_true(w->n_out < OUT_MAX);
	o = &w->out[w->n_out++];
	*o = (struct out){ .tag = tag, .tcp = tcp, .open = true, .n = msg.n, .at = w->now };
	snprintf(o->address, sizeof(o->address), "%s", address);
	memcpy(o->msg, msg.p, msg.n);
	return 0;
}
static int door_poll(struct fl_upstream *u, fl_mono_ns now, struct fl_upstream_reply *reply)
{
	struct world *w = (struct world *)u;

	(void)now;
	if (w->r_from == w->r_n)
		return 0;
	fl_buf_done(&w->last);
	w->last = w->replies[w->r_from].msg;
	*reply = (struct fl_upstream_reply){ w->replies[w->r_from].tag, w->replies[w->r_from].code, fl_buf_span(&w->last) };
	w->r_from++;
	return 1;
}
static void door_cancel(struct fl_upstream *u, uint64_t tag)
{
	struct world *w = (struct world *)u;

	for (unsigned i = 0; i < w->n_out; i++)
		if (w->out[i].tag == tag)
			w->out[i].open = false;
}
static const struct fl_upstream_ops ops = { door_send, door_poll, door_cancel, NULL, NULL };

static void done(void *ctx, const struct fl_job *job, const struct fl__resolved *r)
{
	struct world *w = ctx;

	assert_true(w->n_told < ANSWERS_MAX);
	w->told[w->n_told].id = job->q.id;
	w->told[w->n_told].ede = r->remark.ede;
	w->told[w->n_told].stale = r->stale;
	w->told[w->n_told].cached = r->cached;
	w->told[w->n_told].overload = r->overload;
	w->told[w->n_told].rcode = r->answer ? r->answer->rcode : 2;
	w->told[w->n_told].answers = r->answer ? fl__be16(r->answer->msg + 6) : 0;
	w->told[w->n_told].hops = r->answer ? r->answer->n_chain : 0;
	w->told[w->n_told].authentic = r->answer && r->answer->authentic;
	w->told[w->n_told].inside = r->answer && r->answer->inside;
	w->told[w->n_told].at = w->now;
	w->n_told++;
}

static const char *const servers_one[] = { "192.0.2.1:53" };
static const char *const servers_three[] = { "192.0.2.1:53", "192.0.2.2:53", "192.0.2.3:53" };
static const char *const servers_corp[] = { "10.0.0.1:53" };
static const char *const zones_corp[] = { "corp.example", "10.in-addr.arpa" };

static struct world *world_with(const char *const *servers, size_t n, unsigned retries, bool mixed_case, bool trust_ad)
{
	struct world *w = calloc(1, sizeof(*w));
	struct fl_cfg_upstream groups[2] = {
		{ .name = "isp", .servers = servers, .n_servers = n, .timeout_ms = 2000, .retries = retries, .mixed_case = mixed_case, .trust_ad = trust_ad },
		{ .name = "corp", .servers = servers_corp, .n_servers = 1, .zones = zones_corp, .n_zones = 2, .timeout_ms = 2000 },
	};
	struct fl_config cfg = { .upstreams = groups, .n_upstreams = n ? 2 : 0 };
	struct fl__upstreams *u = fl__upstreams_new(&cfg);
	struct fl__resolve_config c = { .upstreams = u, .limits = { 0, 86400, 900, 86400 }, .done = done, .ctx = w };

	w->door.ops = &ops;
	w->now = 100 * FL_NS_PER_S;
	fl_random_mem_init(&w->random, 7);
	w->cache = fl__cache_new(1 << 20, 7);
	c.door = &w->door;
	c.random = &w->random.door;
	c.cache = w->cache;
	w->r = fl__resolve_new(&c);
	fl__upstreams_release(u);
	return w;
}

static struct world *world(const char *const *servers, size_t n, unsigned retries)
{
	return world_with(servers, n, retries, false, false);
}

static void end(struct world *w)
{
	fl__resolve_free(w->r);
	fl__cache_free(w->cache);
	while (w->r_from < w->r_n)
		fl_buf_done(&w->replies[w->r_from++].msg);
	fl_buf_done(&w->last);
	free(w);
}

static void ask_from(struct world *w, uint16_t id, const char *name, unsigned type, bool dnssec_ok, uint32_t client)
{
	struct fl_buf b = wquery(id, name, type, 1232, dnssec_ok);
	struct fl_job job = { .peer.in = { .sin_family = AF_INET, .sin_addr.s_addr = client } };

	assert_int_equal(fl__question_parse(fl_buf_span(&b), &job.q), 0);
	fl__resolve_ask(w->r, &job, w->now);
	fl_buf_done(&b);
}
static void ask(struct world *w, uint16_t id, const char *name)
{
	ask_from(w, id, name, 1, false, 0x0100007f);
}
static void step(struct world *w)
{
	fl__resolve_step(w->r, w->now, &w->wake);
}
/* Timers as they come due, up to ms from now. */
static void run(struct world *w, int64_t ms)
{
	fl_mono_ns until = w->now + ms * FL_NS_PER_MS;

	for (;;) {
		step(w);
		if (w->wake > until)
			break;
		if (w->wake > w->now)
			w->now = w->wake;
	}
	w->now = until;
	step(w);
}

static void queue(struct world *w, unsigned i, int code, const struct fl_buf *msg)
{
	assert_true(w->r_n < REPLIES_MAX);
	w->replies[w->r_n++] = (struct queued){ w->out[i].tag, code, msg ? *msg : (struct fl_buf){ 0 } };
}
/* The reply to query i: header as given, the question echoed. */
static struct fl_buf reply_to(const struct world *w, unsigned i, unsigned flags, unsigned an)
{
	struct fl_buf b = { 0 };
	size_t n = 12;

	while (w->out[i].msg[n])
		n += 1u + w->out[i].msg[n];
	n += 5;
	fl_buf_add(&b, w->out[i].msg, n);
	b.p[2] = (uint8_t)(flags >> 8);
	b.p[3] = (uint8_t)flags;
	b.p[7] = (uint8_t)an;
	b.p[9] = b.p[11] = 0;
	return b;
}
static void reply_a(struct world *w, unsigned i, const char *owner, uint32_t ttl)
{
	struct fl_buf b = reply_to(w, i, 0x8180, 1);

	wrr_a(&b, owner, ttl, 1);
	queue(w, i, 0, &b);
}
static void reply_rcode(struct world *w, unsigned i, unsigned rcode)
{
	struct fl_buf b = reply_to(w, i, 0x8180 | rcode, 0);

	queue(w, i, 0, &b);
}

static void test_answer_and_cache(void **state)
{
	struct world *w = world(servers_one, 1, 2);

	(void)state;
	ask(w, 1, "a.example");
	assert_int_equal(w->n_out, 1);
	assert_string_equal(w->out[0].address, "192.0.2.1:53");
	assert_int_equal(w->out[0].msg[2], 1); /* RD */
	reply_a(w, 0, "a.example", 300);
	step(w);
	assert_int_equal(w->n_told, 1);
	assert_int_equal(w->told[0].rcode, 0);
	assert_int_equal(w->told[0].answers, 1);
	assert_false(w->told[0].cached);
	assert_false(w->out[0].open);
	assert_int_equal(fl__resolve_waiting(w->r), 0);
	ask(w, 2, "A.EXAMPLE");
	assert_int_equal(w->n_out, 1);
	assert_true(w->told[1].cached);
	w->now += 301 * FL_NS_PER_S;
	ask(w, 3, "a.example");
	assert_int_equal(w->n_out, 2);
	end(w);
}

static void test_one_flight_for_equal_questions(void **state)
{
	struct world *w = world(servers_one, 1, 2);

	(void)state;
	for (uint16_t i = 0; i < 60; i++)
		ask(w, i, i % 2 ? "a.example" : "A.eXample");
	assert_int_equal(w->n_out, 1);
	ask_from(w, 100, "a.example", 1, true, 1); /* DO, and another type: questions of their own */
	ask_from(w, 101, "a.example", 28, false, 1);
	assert_int_equal(w->n_out, 3);
	reply_a(w, 0, "a.example", 300);
	step(w);
	assert_int_equal(w->n_told, 60);
	end(w);
}

/* Forged and broken replies are dropped and counted; the true one still counts. */
static void test_forged(void **state)
{
	struct world *w = world(servers_one, 1, 2);
	const struct fl__resolve_stats *s = fl__resolve_stats(w->r);
	struct fl_buf b;

	(void)state;
	ask(w, 1, "a.example");
	b = reply_to(w, 0, 0x8180, 1); /* wrong id */
	b.p[0] ^= 1;
	wrr_a(&b, "a.example", 300, 66);
	queue(w, 0, 0, &b);
	b = reply_to(w, 0, 0x8180, 1); /* wrong name */
	b.p[13] = 'b';
	wrr_a(&b, "b.example", 300, 66);
	queue(w, 0, 0, &b);
	b = reply_to(w, 0, 0x8180, 0); /* wrong type */
	b.p[b.n - 3] = 28;
	queue(w, 0, 0, &b);
	b = reply_to(w, 0, 0x0100, 0); /* a question */
	queue(w, 0, 0, &b);
	b = (struct fl_buf){ 0 }; /* four octets */
	fl_buf_add(&b, "abcd", 4);
	queue(w, 0, 0, &b);
	step(w);
	assert_int_equal(w->n_told, 0);
	assert_int_equal(atomic_load(&s->bad_id), 1);
	assert_int_equal(atomic_load(&s->bad_question), 2);
	assert_int_equal(atomic_load(&s->bad_format), 2);
	assert_int_equal(w->n_out, 1); /* no new query for a liar */
	reply_a(w, 0, "a.example", 300);
	step(w);
	assert_int_equal(w->n_told, 1);
	assert_int_equal(w->told[0].answers, 1);
	end(w);
}

static void test_mute(void **state)
{
	struct world *w = world(servers_three, 3, 5);
	fl_mono_ns start = w->now;

	(void)state;
	ask(w, 1, "a.example");
	run(w, 10000);
	assert_int_equal(w->n_told, 1);
	assert_int_equal(w->told[0].rcode, 2);
	assert_int_equal(w->told[0].ede, 22);
	assert_true(w->told[0].at - start <= 5 * FL_NS_PER_S);
	assert_true(w->n_out <= 16);
	assert_true(w->n_out >= 6);
	assert_string_not_equal(w->out[0].address, w->out[1].address); /* the next one asked is another */
	assert_string_not_equal(w->out[1].address, w->out[2].address);
	for (unsigned i = 0; i < w->n_out; i++)
		assert_false(w->out[i].open);
	end(w);
}

/* A failure is remembered for a moment: equal questions do not ask again at once, and do soon after. */
static void test_failure_is_remembered(void **state)
{
	struct world *w = world(servers_one, 1, 0);
	unsigned n;

	(void)state;
	ask(w, 1, "a.example");
	reply_rcode(w, 0, 2);
	step(w);
	assert_int_equal(w->told[0].rcode, 2);
	n = w->n_out;
	ask(w, 2, "a.example");
	assert_int_equal(w->n_told, 2);
	assert_int_equal(w->n_out, n);
	run(w, 2500);
	ask(w, 3, "a.example");
	assert_int_equal(w->n_out, n + 1);
	end(w);
}

static void test_unreachable(void **state)
{
	struct world *w = world(servers_three, 3, 2);

	(void)state;
	ask(w, 1, "a.example");
	queue(w, 0, FL_EUNAVAIL, NULL);
	step(w);
	assert_int_equal(w->n_out, 2); /* at once */
	queue(w, 1, FL_EUNAVAIL, NULL);
	step(w);
	queue(w, 2, FL_EUNAVAIL, NULL);
	step(w);
	assert_int_equal(w->n_told, 1);
	assert_int_equal(w->told[0].ede, 23);
	end(w);
	w = world(servers_three, 3, 2);
	w->send_code = FL_EUNAVAIL;
	ask(w, 1, "a.example");
	assert_int_equal(w->n_told, 1);
	assert_int_equal(w->told[0].ede, 23);
	end(w);
}

static void test_no_upstream(void **state)
{
	struct world *w = world(NULL, 0, 0);

	(void)state;
	ask(w, 1, "a.example");
	assert_int_equal(w->n_told, 1);
	assert_int_equal(w->told[0].rcode, 2);
	assert_int_equal(w->told[0].ede, 23);
	end(w);
}

static void test_error_rcodes_try_another(void **state)
{
	struct world *w = world(servers_three, 3, 2);

	(void)state;
	ask(w, 1, "a.example");
	reply_rcode(w, 0, 2);
	step(w);
	assert_int_equal(w->n_out, 2);
	reply_rcode(w, 1, 5);
	step(w);
	assert_int_equal(w->n_out, 3);
	assert_int_equal(w->n_told, 0);
	reply_a(w, 2, "a.example", 60);
	step(w);
	assert_int_equal(w->told[0].rcode, 0);
	end(w);
}

/* FORMERR, also one without a question: once more without EDNS. */
static void test_without_edns(void **state)
{
	struct world *w = world(servers_one, 1, 0);
	struct fl_buf b = { 0 };

	(void)state;
	ask(w, 1, "a.example");
	assert_int_equal(w->out[0].msg[11], 1);
	wheader(&b, fl__be16(w->out[0].msg), 0x8101, 0, 0, 0, 0);
	queue(w, 0, 0, &b);
	step(w);
	assert_int_equal(w->n_out, 2);
	assert_int_equal(w->out[1].msg[11], 0);
	reply_a(w, 1, "a.example", 60);
	step(w);
	assert_int_equal(w->told[0].rcode, 0);
	end(w);
}

static void test_truncation_goes_to_tcp(void **state)
{
	struct world *w = world(servers_one, 1, 0);
	struct fl_buf b;

	(void)state;
	ask(w, 1, "big.example");
	b = reply_to(w, 0, 0x8380, 0);
	queue(w, 0, 0, &b);
	step(w);
	assert_int_equal(w->n_out, 2);
	assert_true(w->out[1].tcp);
	assert_string_equal(w->out[1].address, w->out[0].address);
	reply_a(w, 1, "big.example", 60);
	step(w);
	assert_int_equal(w->told[0].answers, 1);
	end(w);
}

static void test_chain_is_followed(void **state)
{
	struct world *w = world(servers_one, 1, 0);
	struct fl_buf b;

	(void)state;
	ask(w, 1, "www.example");
	b = reply_to(w, 0, 0x8180, 3);
	wrr_name(&b, "www.example", 5, 60, "cdn.test");
	wrr_name(&b, "cdn.test", 5, 60, "edge.test");
	wrr_a(&b, "edge.test", 60, 1);
	queue(w, 0, 0, &b);
	step(w);
	assert_int_equal(w->told[0].hops, 2);
	end(w);
}

static void test_stale(void **state)
{
	struct world *w = world(servers_one, 1, 0);
	fl_mono_ns asked;

	(void)state;
	ask(w, 1, "a.example");
	reply_a(w, 0, "a.example", 60);
	step(w);
	w->now += 100 * FL_NS_PER_S;
	asked = w->now;
	ask(w, 2, "a.example"); /* the upstream is mute now */
	run(w, 3000);
	assert_int_equal(w->n_told, 2);
	assert_true(w->told[1].stale);
	assert_int_equal(w->told[1].ede, 3);
	assert_int_equal(w->told[1].answers, 1);
	assert_true(w->told[1].at - asked <= 2 * FL_NS_PER_S); /* RFC 8767: 1.8 s */
	ask(w, 3, "a.example"); /* while the failure is remembered: at once */
	assert_int_equal(w->n_told, 3);
	assert_true(w->told[2].stale);
	end(w);
}

/* A late answer after a stale one is kept all the same. */
static void test_late_answer_refreshes(void **state)
{
	struct world *w = world(servers_one, 1, 3);

	(void)state;
	ask(w, 1, "a.example");
	reply_a(w, 0, "a.example", 60);
	step(w);
	w->now += 100 * FL_NS_PER_S;
	ask(w, 2, "a.example");
	run(w, 2000);
	assert_true(w->told[1].stale);
	reply_a(w, 1, "a.example", 60);
	step(w);
	ask(w, 3, "a.example");
	assert_int_equal(w->n_told, 3);
	assert_false(w->told[2].stale);
	assert_true(w->told[2].cached);
	end(w);
}

static void test_zones(void **state)
{
	struct world *w = world(servers_one, 1, 0);

	(void)state;
	ask(w, 1, "host.corp.example");
	ask(w, 2, "corp.example");
	ask(w, 3, "notcorp.example");
	ask(w, 4, "5.1.10.in-addr.arpa");
	assert_string_equal(w->out[0].address, "10.0.0.1:53");
	assert_string_equal(w->out[1].address, "10.0.0.1:53");
	assert_string_equal(w->out[2].address, "192.0.2.1:53");
	assert_string_equal(w->out[3].address, "10.0.0.1:53");
	end(w);
}

/* No single client can fill the table of waiters. */
static void test_one_client_is_bounded(void **state)
{
	struct world *w = world(servers_one, 1, 0);
	unsigned refused = 0;

	(void)state;
	for (uint16_t i = 0; i < 1100; i++)
		ask_from(w, i, "a.example", 1, false, 0x01010101);
	for (unsigned i = 0; i < w->n_told; i++)
		refused += w->told[i].overload;
	assert_int_equal(refused, 100);
	assert_int_equal(fl__resolve_waiting(w->r), 1000);
	ask_from(w, 1, "a.example", 1, false, 0x02020202);
	assert_int_equal(fl__resolve_waiting(w->r), 1001);
	reply_a(w, 0, "a.example", 60);
	step(w);
	assert_int_equal(fl__resolve_waiting(w->r), 0);
	end(w);
}

/* A server that answers fast is asked more than one that never does. */
static void test_the_faster_server(void **state)
{
	struct world *w = world(servers_three, 3, 2);
	unsigned first_good = 0, total = 0;
	char name[32];

	(void)state;
	for (int i = 0; i < 60; i++) {
		unsigned from;

		w->n_out = 0;
		snprintf(name, sizeof(name), "n%d.example", i);
		ask(w, (uint16_t)i, name);
		if (i >= 20) {
			total++;
			first_good += strcmp(w->out[0].address, "192.0.2.2:53") == 0;
		}
		from = 0;
		for (int k = 0; k < 20 && w->n_told == (unsigned)i; k++) { /* only the second answers */
			for (; from < w->n_out; from++)
				if (strcmp(w->out[from].address, "192.0.2.2:53") == 0) {
					w->now += 10 * FL_NS_PER_MS;
					reply_a(w, from, name, 60);
				}
			run(w, 400);
		}
		w->r_from = w->r_n = 0;
		assert_int_equal(w->told[i].rcode, 0);
	}
	assert_true(first_good * 10 >= total * 8);
	end(w);
}

/* At any moment, with any mix of replies, a client query costs at most 16 upstream queries, and ends within 5 s. */
static void test_bounds_hold_under_a_hostile_upstream(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 300; seed++) {
		struct world *w = world(servers_three, 3, 100);
		fl_mono_ns start = w->now;
		unsigned from = 0;

		fl_random_mem_init(&w->random, seed);
		ask(w, 1, "a.example");
		while (w->n_told == 0) {
			for (; from < w->n_out && w->r_n < REPLIES_MAX - 2; from++) {
				struct fl_buf b;

				switch (fl_random_below(&w->random.door, 6)) {
				case 0:
					reply_rcode(w, from, (unsigned)fl_random_below(&w->random.door, 16));
					break;
				case 1:
					b = reply_to(w, from, 0x8380, 0);
					queue(w, from, 0, &b);
					break;
				case 2:
					queue(w, from, FL_EUNAVAIL, NULL);
					break;
				case 3:
					b = reply_to(w, from, 0x8180, 9); /* records that are not there */
					queue(w, from, 0, &b);
					break;
				default:
					break;
				}
			}
			step(w);
			if (w->n_told == 0)
				w->now = w->wake > w->now ? w->wake : w->now;
		}
		assert_true(w->n_out <= 16);
		assert_true(w->now - start <= 5 * FL_NS_PER_S);
		end(w);
	}
}

static void test_ids_differ(void **state)
{
	struct world *w = world(servers_one, 1, 0);
	unsigned same = 0;
	char name[32];

	(void)state;
	for (uint16_t i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "n%u.example", i);
		ask(w, 1, name);
		for (unsigned k = 0; k + 1 < w->n_out; k++)
			same += memcmp(w->out[k].msg, w->out[w->n_out - 1].msg, 2) == 0;
	}
	assert_true(same < 5);
	end(w);
}

/* An upstream that serves one zone gives a CNAME and not where it leads: the end is asked for, of whom it belongs to, and the client gets one answer. */
static void test_dangling_chain(void **state)
{
	struct world *w = world(servers_three, 3, 2);
	struct fl_buf b;

	(void)state;
	ask(w, 1, "www.corp.example");
	assert_string_equal(w->out[0].address, "10.0.0.1:53");
	b = reply_to(w, 0, 0x8180, 1);
	wrr_name(&b, "www.corp.example", 5, 60, "cdn.outside.example");
	queue(w, 0, 0, &b);
	step(w);
	assert_int_equal(w->n_told, 0);
	assert_int_equal(w->n_out, 2);
	assert_true(memmem(w->out[1].msg, w->out[1].n, "\3cdn\7outside", 12));
	assert_true(memcmp(w->out[1].address, "192.0.2.", 8) == 0);
	reply_rcode(w, 1, 2); /* the other group has servers and tries of its own */
	step(w);
	assert_int_equal(w->n_out, 3);
	b = reply_to(w, 2, 0x8180, 2);
	wrr_name(&b, "cdn.outside.example", 5, 60, "edge.outside.example");
	wrr_a(&b, "edge.outside.example", 60, 1);
	queue(w, 2, 0, &b);
	step(w);
	assert_int_equal(w->n_told, 1);
	assert_int_equal(w->told[0].answers, 3);
	assert_int_equal(w->told[0].hops, 2);
	ask(w, 2, "www.corp.example");
	assert_true(w->told[1].cached);
	end(w);
}

/* The end does not exist, has nothing, is a special name, or leads back. */
static void test_dangling_ends(void **state)
{
	struct world *w = world(servers_one, 1, 0);
	struct fl_buf b;

	(void)state;
	ask(w, 1, "a.example");
	b = reply_to(w, 0, 0x8180, 1);
	wrr_name(&b, "a.example", 5, 60, "gone.example");
	queue(w, 0, 0, &b);
	step(w);
	b = reply_to(w, 1, 0x8183, 0);
	b.p[9] = 1;
	wrr_soa(&b, "example", 900, 60);
	queue(w, 1, 0, &b);
	step(w);
	assert_int_equal(w->told[0].rcode, 3);
	assert_int_equal(w->told[0].answers, 1);
	ask(w, 2, "b.example");
	b = reply_to(w, 2, 0x8180, 1);
	wrr_name(&b, "b.example", 5, 60, "empty.example");
	queue(w, 2, 0, &b);
	step(w);
	b = reply_to(w, 3, 0x8180, 0); /* no SOA either */
	queue(w, 3, 0, &b);
	step(w);
	assert_int_equal(w->n_told, 2);
	assert_int_equal(w->told[1].rcode, 0);
	assert_int_equal(w->told[1].answers, 1);
	ask(w, 3, "c.example");
	b = reply_to(w, 4, 0x8180, 1);
	wrr_name(&b, "c.example", 5, 60, "x.localhost");
	queue(w, 4, 0, &b);
	step(w);
	assert_int_equal(w->n_out, 5); /* it does not leak */
	assert_int_equal(w->told[2].answers, 1);
	ask(w, 4, "d.example");
	b = reply_to(w, 5, 0x8180, 1);
	wrr_name(&b, "d.example", 5, 60, "e.example");
	queue(w, 5, 0, &b);
	step(w);
	b = reply_to(w, 6, 0x8180, 1);
	wrr_name(&b, "e.example", 5, 60, "d.example");
	queue(w, 6, 0, &b);
	run(w, 5000);
	assert_int_equal(w->n_told, 4);
	assert_int_equal(w->told[3].rcode, 2);
	assert_true(w->n_out <= 22);
	assert_int_equal(fl__resolve_waiting(w->r), 0);
	end(w);
}

/* 0x20: the case is a secret; a reply in another one is dropped, and the server is asked once over TCP, where case means nothing. */
static void test_mixed_case(void **state)
{
	static const char name[] = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrst.example";
	struct world *w = world_with(servers_one, 1, 3, true, false);
	const struct fl__resolve_stats *s = fl__resolve_stats(w->r);
	struct fl_buf b;
	unsigned upper = 0;

	(void)state;
	ask(w, 1, name);
	for (unsigned i = 12; i < 60; i++)
		upper += w->out[0].msg[i] >= 'A' && w->out[0].msg[i] <= 'Z';
	assert_in_range(upper, 10, 36);
	reply_a(w, 0, name, 300); /* the question echoed as it was */
	step(w);
	assert_int_equal(w->n_told, 1);
	assert_int_equal(w->told[0].rcode, 0);
	ask(w, 2, "other.abcdefghijklmnopqrst.example");
	for (int i = 0; i < 3; i++) {
		b = reply_to(w, 1, 0x8180, 1);
		for (size_t k = 12; k < b.n; k++)
			b.p[k] = b.p[k] >= 'A' && b.p[k] <= 'Z' ? b.p[k] | 0x20 : b.p[k];
		wrr_a(&b, "other.abcdefghijklmnopqrst.example", 300, 66);
		queue(w, 1, 0, &b);
	}
	step(w);
	assert_int_equal(w->n_told, 1);
	assert_int_equal(atomic_load(&s->bad_question), 3);
	assert_int_equal(w->n_out, 3); /* one more question, and not one a forgery */
	assert_true(w->out[2].tcp);
	assert_true(w->out[1].open); /* the true reply may still come */
	reply_a(w, 2, "other.abcdefghijklmnopqrst.example", 300);
	step(w);
	assert_int_equal(w->n_told, 2);
	assert_int_equal(w->told[1].answers, 1);
	end(w);
}

static void test_ad_of_who_is_trusted(void **state)
{
	(void)state;
	for (int trust = 0; trust < 2; trust++) {
		struct world *w = world_with(servers_one, 1, 0, false, trust);
		struct fl_buf b;

		ask(w, 1, "a.example");
		assert_int_equal(w->out[0].msg[3] & 0x20, trust ? 0x20 : 0);
		b = reply_to(w, 0, 0x81a0, 1);
		wrr_a(&b, "a.example", 300, 1);
		queue(w, 0, 0, &b);
		step(w);
		assert_int_equal(w->told[0].authentic, trust);
		end(w);
	}
}

/* The reason of an upstream is worth more than ours; one that is cut off is none. */
static void test_ede_of_the_upstream(void **state)
{
	static const uint8_t whole[] = { 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 6, 0, 15, 0, 2, 0, 6 }, cut[] = { 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 5, 0, 15, 0, 2, 0 };
	const struct {
		const uint8_t *opt;
		size_t n;
		uint16_t ede;
	} rows[] = { { whole, sizeof(whole), 6 }, { cut, sizeof(cut), 22 } };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct world *w = world(servers_one, 1, 0);
		struct fl_buf b;

		ask(w, 1, "a.example");
		b = reply_to(w, 0, 0x8182, 0);
		b.p[11] = 1;
		fl_buf_add(&b, rows[i].opt, rows[i].n);
		queue(w, 0, 0, &b);
		step(w);
		assert_int_equal(w->told[0].rcode, 2);
		assert_int_equal(w->told[0].ede, rows[i].ede);
		end(w);
	}
}

/* Nobody waits for a refresh: it goes out although the cache has an answer, joins what is out, and its failure hides nothing. */
static void test_refresh(void **state)
{
	struct world *w = world(servers_one, 1, 0);
	struct fl_buf q = wquery(1, "a.example", 1, 1232, false);
	struct fl_job job = { .refresh = true, .peer.in.sin_family = AF_INET };

	(void)state;
	assert_int_equal(fl__question_parse(fl_buf_span(&q), &job.q), 0);
	ask(w, 1, "a.example");
	reply_a(w, 0, "a.example", 300);
	step(w);
	w->now += 280 * FL_NS_PER_S;
	fl__resolve_ask(w->r, &job, w->now);
	fl__resolve_ask(w->r, &job, w->now);
	assert_int_equal(w->n_out, 2);
	assert_int_equal(w->n_told, 1);
	assert_int_equal(fl__resolve_waiting(w->r), 0);
	reply_rcode(w, 1, 2);
	step(w);
	assert_int_equal(w->n_told, 1);
	ask(w, 2, "a.example"); /* the old answer is still good */
	assert_true(w->told[1].cached && w->told[1].rcode == 0);
	run(w, 3000);
	fl__resolve_ask(w->r, &job, w->now);
	assert_int_equal(w->n_out, 3);
	reply_a(w, 2, "a.example", 300);
	step(w);
	w->now += 100 * FL_NS_PER_S; /* past the end of the first */
	ask(w, 3, "a.example");
	assert_int_equal(w->n_out, 3);
	assert_true(w->told[2].cached);
	fl_buf_done(&q);
	end(w);
}

static int up(void **state)
{
	(void)state;
	fl_rcu_thread_init();
	return 0;
}
static int down(void **state)
{
	(void)state;
	fl_rcu_thread_done();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answer_and_cache), cmocka_unit_test(test_one_flight_for_equal_questions), cmocka_unit_test(test_forged),
		cmocka_unit_test(test_mute), cmocka_unit_test(test_failure_is_remembered), cmocka_unit_test(test_unreachable), cmocka_unit_test(test_no_upstream),
		cmocka_unit_test(test_error_rcodes_try_another), cmocka_unit_test(test_without_edns), cmocka_unit_test(test_truncation_goes_to_tcp),
		cmocka_unit_test(test_chain_is_followed), cmocka_unit_test(test_stale), cmocka_unit_test(test_late_answer_refreshes), cmocka_unit_test(test_zones),
		cmocka_unit_test(test_one_client_is_bounded), cmocka_unit_test(test_the_faster_server),
		cmocka_unit_test(test_bounds_hold_under_a_hostile_upstream), cmocka_unit_test(test_ids_differ),
		cmocka_unit_test(test_dangling_chain), cmocka_unit_test(test_dangling_ends), cmocka_unit_test(test_mixed_case), cmocka_unit_test(test_ad_of_who_is_trusted), cmocka_unit_test(test_ede_of_the_upstream), cmocka_unit_test(test_refresh),
	};

	return cmocka_run_group_tests(tests, up, down);
}
