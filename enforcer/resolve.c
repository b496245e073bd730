/* The core. A flight's life: ask() makes it, send_next() asks servers in turn, on_reply() judges what comes, on_timer() loses patience; finish() or fail() answers the waiters. */
#include "enforcer/resolve.h"
#include "enforcer/asking.h"
#include "enforcer/hash.h"
#include "enforcer/special.h"

enum { BUDGET_MS = 4800, STALE_AFTER_MS = 1800, FAILURE_KEPT_MS = 2000, FAILURES_KEPT = FL__FLIGHTS_MAX / 2, REPLIES_A_STEP = 512, CLIENT_SLOTS = 16384, EXPLORE = 32 };

struct fl_resolve {
	struct fl__resolve_config c;
	struct fl__chain_scratch *scratch;
	struct fl__flights flights;
	_Atomic size_t n_waiters; /* read by whoever drains */
	uint64_t client_key;
	uint16_t clients[CLIENT_SLOTS]; /* waiters by a hash of the client's address */
	struct fl__resolve_stats stats;
	uint8_t joined[FL__MSG_MAX];
};

static void bump(_Atomic uint64_t *c)
{
	atomic_fetch_add_explicit(c, 1, memory_order_relaxed);
}

struct fl_resolve *fl__resolve_new(const struct fl__resolve_config *c)
{
	struct fl_resolve *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->c = *c;
	r->scratch = fl__chain_scratch_new();
	if (!r->scratch) {
		free(r);
		return NULL;
	}
	fl__upstreams_acquire(r->c.upstreams);
	r->client_key = fl_random_u64(c->random);
	fl__flights_init(&r->flights);
	return r;
}

static void close_tries(struct fl_resolve *r, struct fl_flight *f)
{
	for (unsigned i = 0; i < f->n_tries; i++)
		if (f->tries[i].open) {
			r->c.door->ops->cancel(r->c.door, fl__flight_tag(f, i));
			f->tries[i].open = false;
		}
}

void fl__resolve_free(struct fl_resolve *r)
{
	if (!r)
		return;
	while (r->flights.n_heap) {
		struct fl_flight *f = r->flights.heap[0];

		close_tries(r, f);
		for (struct fl__waiter *w = f->waiters, *next; w; w = next) {
			next = w->next;
			free(w);
		}
		fl__flight_free(&r->flights, f);
	}
	fl__upstreams_release(r->c.upstreams);
	fl__chain_scratch_free(r->scratch);
	free(r);
}

void fl__resolve_set(struct fl_resolve *r, struct fl__upstreams *u, const struct fl__ttl_limits *limits)
{
	fl__upstreams_acquire(u);
	fl__upstreams_release(r->c.upstreams);
	r->c.upstreams = u;
	r->c.limits = *limits;
}
size_t fl__resolve_waiting(const struct fl_resolve *r)
{
	return r->n_waiters;
}
const struct fl__resolve_stats *fl__resolve_stats(const struct fl_resolve *r)
{
	return &r->stats;
}

static uint16_t *client_slot(struct fl_resolve *r, const struct fl_job *job)
{
	uint64_t h = job->peer.sa.sa_family == AF_INET6 ? fl__hash(r->client_key, &job->peer.in6.sin6_addr, 16) :
							 fl__hash(r->client_key, &job->peer.in.sin_addr, 4);

	return &r->clients[h % CLIENT_SLOTS];
}

static void answer_waiters(struct fl_resolve *r, struct fl_flight *f, const struct fl__resolved *res)
{
	struct fl__waiter *w = f->waiters, *next;

	for (f->waiters = NULL; w; w = next) {
		next = w->next;
		r->c.done(r->c.ctx, &w->job, res);
		(*client_slot(r, &w->job))--;
		r->n_waiters--; /* after its answer is on the way: who drains looks at this */
		free(w);
	}
}

static struct fl__asked asked_of(const struct fl_flight *f)
{
	return (struct fl__asked){ &f->name, f->qtype, f->dnssec_ok, f->cd };
}

/* What is said when the servers do not help: the stale answer within its limit, else SERVFAIL. */
static struct fl__resolved failure(struct fl_resolve *r, const struct fl_flight *f, fl_mono_ns now)
{
	struct fl__asked asked = asked_of(f);
	const struct fl_answer *a = fl__cache_get_stale(r->c.cache, f->hash, &asked, now);
	struct fl__resolved res = { .now = now, .remark = f->why, .upstream = f->group ? f->group->name : NULL };

	if (a) {
		res.answer = a;
		res.stale = res.cached = true;
		res.remark = (struct fl__remark){ a->rcode == FL__NXDOMAIN ? FL__EDE_STALE_NXDOMAIN : FL__EDE_STALE, NULL };
	}
	return res;
}

/* The flight may be gone when it returns. */
static void fail(struct fl_resolve *r, struct fl_flight *f, fl_mono_ns now)
{
	struct fl__resolved res;

	close_tries(r, f);
	if (!f->why.text)
		f->why = f->n_tries - f->first_try == f->n_unreachable ? (struct fl__remark){ FL__EDE_NETWORK, "upstream not reachable" } :
			 f->n_errors			? (struct fl__remark){ FL__EDE_NO_REACHABLE, "upstream answered with an error" } :
							  (struct fl__remark){ FL__EDE_NO_REACHABLE, "no answer from upstream" };
	bump(&r->stats.failed);
	res = failure(r, f, now);
	if (res.stale)
		bump(&r->stats.stale);
	f->failed = true;
	r->flights.n_active--;
	f->deadline = now + FAILURE_KEPT_MS * FL_NS_PER_MS;
	fl__flight_set_wake(&r->flights, f, f->deadline);
	answer_waiters(r, f, &res);
	if (r->flights.n_heap - r->flights.n_active > FAILURES_KEPT)
		fl__flight_free(&r->flights, f);
}

static void finish(struct fl_resolve *r, struct fl_flight *f, struct fl_answer *take, fl_mono_ns now)
{
	struct fl__resolved res = { .answer = take, .remark = FL__NO_REMARK, .upstream = f->group->name, .now = now };
	bool kept = take->expires > now && fl__cache_put(r->c.cache, f->hash, take, now);

	close_tries(r, f);
	answer_waiters(r, f, &res);
	if (!kept)
		fl__answer_free(take);
	r->flights.n_active--;
	fl__flight_free(&r->flights, f);
}

/* False when it did not leave; the try is counted all the same. */
static bool send_try(struct fl_resolve *r, struct fl_flight *f, uint16_t server, bool tcp, bool plain, fl_mono_ns now)
{
	uint8_t msg[FL__QUERY_MAX];
	unsigned i = f->n_tries++;
	struct fl__try *t = &f->tries[i];
	size_t n;
	int ret;

	*t = (struct fl__try){ .server = server, .tcp = tcp, .plain = plain, .open = true, .sent = now };
	r->c.random->bytes(r->c.random, &t->id, sizeof(t->id));
	if (f->group->mixed_case && !tcp) /* over TCP there is nothing to guess */
		t->mix = fl_random_u64(r->c.random);
	n = fl__query_write(f, t, msg);
	bump(&r->stats.queries);
	if (tcp)
		bump(&r->stats.tcp);
	ret = r->c.door->ops->send(r->c.door, f->group->servers[server].address, tcp, fl_span(msg, n), f->deadline, fl__flight_tag(f, i), NULL);
	if (ret == 0)
		return true;
	t->open = false;
	t->refused = true;
	f->n_unreachable++;
	if (ret == FL_ELIMIT) /* our own door is full: not the server's fault */
		f->why = (struct fl__remark){ FL__EDE_NETWORK, "too many questions out" };
	else
		f->group->servers[server].fails++;
	fl__upstream_count(f->group, FL__UP_UNREACHABLE);
	return false;
}

/* The server to ask next: asked least in this flight, then the best score. Servers that answered with an error come no more. -1: none. */
static int choose(struct fl_resolve *r, const struct fl_flight *f)
{
	const struct fl__upstream_group *g = f->group;
	bool explore = g->n_servers > 1 && fl_random_below(r->c.random, EXPLORE) == 0;
	uint64_t best = UINT64_MAX;
	int found = -1;

	for (uint32_t s = 0; s < g->n_servers && s < UINT16_MAX; s++) {
		uint64_t asked = 0, score;
		bool refused = false;

		for (unsigned i = f->first_try; i < f->n_tries; i++) {
			asked += f->tries[i].server == s;
			refused |= f->tries[i].server == s && f->tries[i].refused;
		}
		if (refused)
			continue;
		score = explore ? fl_random_below(r->c.random, FL_NS_PER_S) : (uint64_t)fl__upstream_score(&g->servers[s]);
		score = asked << 48 | (score & ((UINT64_C(1) << 48) - 1));
		if (score < best) {
			best = score;
			found = (int)s;
		}
	}
	return found;
}

static unsigned tries_max(const struct fl_flight *f)
{
	uint64_t n = f->first_try + (uint64_t)f->group->n_servers * (1 + f->group->retries);

	return n < FL__TRIES_MAX ? (unsigned)n : FL__TRIES_MAX;
}

static bool any_open(const struct fl_flight *f)
{
	for (unsigned i = 0; i < f->n_tries; i++)
		if (f->tries[i].open)
			return true;
	return false;
}

static void set_timer(struct fl_resolve *r, struct fl_flight *f)
{
	fl_mono_ns wake = f->next_send < f->deadline ? f->next_send : f->deadline;

	if (!f->stale_given && f->stale_at < wake)
		wake = f->stale_at;
	fl__flight_set_wake(&r->flights, f, wake);
}

/* When patience with what is out ends: each round waits twice as long as the one before; the last one a whole timeout. */
static fl_mono_ns patience(const struct fl_flight *f, const struct fl__upstream_server *s)
{
	unsigned round = (f->n_tries - f->first_try - 1u) / f->group->n_servers;
	fl_mono_ns p = fl__upstream_patience(f->group, s) << (round < 4 ? round : 4);

	if (f->n_tries >= tries_max(f) || p > f->group->timeout)
		p = f->group->timeout;
	return p;
}

/* Asks the next server, or fails when nothing is left to ask and nothing is out. The flight may be over when it returns. */
static void send_next(struct fl_resolve *r, struct fl_flight *f, fl_mono_ns now)
{
	while (f->n_tries < tries_max(f)) {
		int s = choose(r, f);

		if (s < 0)
			break;
		if (!send_try(r, f, (uint16_t)s, false, false, now))
			continue;
		f->next_send = now + patience(f, &f->group->servers[s]);
		set_timer(r, f);
		return;
	}
	if (!any_open(f)) {
		fail(r, f, now);
		return;
	}
	f->next_send = now + f->group->timeout;
	set_timer(r, f);
}

/* The same server again, otherwise: over TCP, or without EDNS. */
static void send_again(struct fl_resolve *r, struct fl_flight *f, const struct fl__try *t, bool tcp, bool plain, fl_mono_ns now)
{
	uint16_t server = t->server;

	if (f->n_tries < FL__TRIES_MAX && send_try(r, f, server, tcp, plain, now)) {
		f->next_send = now + f->group->timeout;
		set_timer(r, f);
		return;
	}
	send_next(r, f, now);
}

static bool is_ours(struct fl_resolve *r, enum fl__match match)
{
	switch (match) {
	case FL__MATCH_FORMAT:
		bump(&r->stats.bad_format);
		return false;
	case FL__MATCH_ID:
		bump(&r->stats.bad_id);
		return false;
	case FL__MATCH_QUESTION:
	case FL__MATCH_CASE:
		bump(&r->stats.bad_question);
		return false;
	case FL__MATCH:
		break;
	}
	return true;
}

static void close_try(struct fl_resolve *r, struct fl_flight *f, unsigned i)
{
	f->tries[i].open = false;
	r->c.door->ops->cancel(r->c.door, fl__flight_tag(f, i));
}

static void on_error_rcode(struct fl_resolve *r, struct fl_flight *f, unsigned i, struct fl_span msg, fl_mono_ns now)
{
	unsigned rcode = msg.p[3] & 15;
	struct fl__try *t = &f->tries[i];
	uint16_t ede = fl__ede_read(msg);

	close_try(r, f, i);
	if ((rcode == FL__FORMERR || rcode == FL__NOTIMP) && !t->plain) {
		send_again(r, f, t, t->tcp, true, now);
		return;
	}
	t->refused = true;
	if (ede != FL__EDE_NONE) /* its reason says more than ours; its text may be anything */
		f->why = (struct fl__remark){ ede, "said by the upstream" };
	f->n_errors++;
	fl__upstream_count(f->group, FL__UP_ERROR);
	send_next(r, f, now);
}

/* The upstream left out where its chain leads (it serves one zone, and knows no other): that is asked for, of whom it may concern. False: there is nobody, or it stays here. */
static bool follow(struct fl_resolve *r, struct fl_flight *f, struct fl_answer *take, fl_mono_ns now)
{
	const struct fl_dname *end = fl__chain_end(r->scratch);
	struct fl__upstream_group *group = fl__upstreams_for(f->upstreams, end);
	struct fl_rkey key;

	fl__key_from_dname(end, &key);
	if (!group || (group->n_zones == 0 && fl__special_find(fl_rkey_span(&key)).kind) || f->n_tries >= FL__TRIES_MAX)
		return false;
	close_tries(r, f);
	f->ask = *end;
	fl__answer_free(f->head);
	f->head = take;
	f->group = group;
	f->first_try = f->n_tries;
	f->n_unreachable = f->n_errors = 0;
	send_next(r, f, now);
	return true;
}

/* The answer to what is asked now; behind what was known before, the answer to the question. NULL: not sound. */
static struct fl_answer *read_answer(struct fl_resolve *r, const struct fl_flight *f, struct fl_span msg, fl_mono_ns now)
{
	struct fl__asked asked = asked_of(f), part = { &f->ask, f->qtype, f->dnssec_ok, f->cd };
	struct fl_answer *a = NULL, *whole = NULL;
	size_t n;

	if (fl__chain_read(r->scratch, msg, &part, &r->c.limits, now, &a) < 0)
		return NULL;
	a->authentic = f->group->trust_ad && (msg.p[3] & FL__F_AD) && (!f->head || f->head->authentic);
	if (!f->head)
		return a;
	n = fl__chain_join(f->head, a, r->joined);
	if (n && fl__chain_read(r->scratch, fl_span(r->joined, n), &asked, &r->c.limits, now, &whole) == 0) {
		whole->authentic = a->authentic;
		whole->dangling = a->dangling;
	}
	fl__answer_free(a);
	return whole;
}

static void on_message(struct fl_resolve *r, struct fl_flight *f, unsigned i, struct fl_span msg, fl_mono_ns now)
{
	struct fl__try *t = &f->tries[i];
	struct fl_answer *a;
	enum fl__match match = fl__reply_match(f, t, msg);
	unsigned rcode;

	if (!is_ours(r, match)) {
		fl__upstream_count(f->group, FL__UP_BAD);
		if (match == FL__MATCH_CASE && !t->case_lost) { /* a forger, or a server that does not keep case: ask it once more, where nobody else can answer */
			t->case_lost = true;
			send_again(r, f, t, true, t->plain, now);
		}
		return; /* the wait goes on */
	}
	rcode = msg.p[3] & 15;
	fl__upstream_measured(&f->group->servers[t->server], now - t->sent);
	if (rcode != FL__NOERROR && rcode != FL__NXDOMAIN) {
		on_error_rcode(r, f, i, msg, now);
		return;
	}
	if (msg.p[2] & 2 && !t->tcp) {
		close_try(r, f, i);
		send_again(r, f, t, true, t->plain, now);
		return;
	}
	a = msg.p[2] & 2 ? NULL : read_answer(r, f, msg, now);
	if (!a) {
		bump(&r->stats.bad_format);
		fl__upstream_count(f->group, FL__UP_BAD);
		send_next(r, f, now); /* others may do better; a true reply may still come */
		return;
	}
	fl__upstream_count(f->group, FL__UP_ANSWERED);
	if (!a->dangling || !follow(r, f, a, now))
		finish(r, f, a, now);
}

static void on_reply(struct fl_resolve *r, const struct fl_upstream_reply *reply, fl_mono_ns now)
{
	unsigned i;
	struct fl_flight *f = fl__flight_by_tag(&r->flights, reply->tag, &i);
	struct fl__try *t;

	if (!f || f->failed || !f->tries[i].open)
		return;
	if (reply->code == 0) {
		on_message(r, f, i, reply->msg, now);
		return;
	}
	t = &f->tries[i];
	t->open = false;
	if (reply->code == FL_ELIMIT) {
		if (!any_open(f))
			send_next(r, f, now);
		return;
	}
	t->refused = true;
	f->n_unreachable++;
	f->group->servers[t->server].fails++;
	fl__upstream_count(f->group, FL__UP_UNREACHABLE);
	send_next(r, f, now);
}

/* Silence is held against a server once a try. */
static void charge_silence(struct fl_flight *f)
{
	for (unsigned i = 0; i < f->n_tries; i++) {
		struct fl__try *t = &f->tries[i];

		if (!t->open || t->charged)
			continue;
		t->charged = true;
		f->group->servers[t->server].fails++;
		fl__upstream_count(f->group, FL__UP_TIMEOUT);
	}
}

static void give_stale(struct fl_resolve *r, struct fl_flight *f, fl_mono_ns now)
{
	struct fl__resolved res = failure(r, f, now);

	f->stale_given = true;
	if (!res.stale)
		return;
	bump(&r->stats.stale);
	answer_waiters(r, f, &res);
}

static void on_timer(struct fl_resolve *r, struct fl_flight *f, fl_mono_ns now)
{
	if (f->failed) {
		fl__flight_free(&r->flights, f);
		return;
	}
	if (!f->stale_given && now >= f->stale_at)
		give_stale(r, f, now);
	if (now >= f->deadline) {
		charge_silence(f);
		fail(r, f, now);
		return;
	}
	if (now < f->next_send) {
		set_timer(r, f);
		return;
	}
	charge_silence(f);
	if (f->n_tries >= tries_max(f) || choose(r, f) < 0) {
		fail(r, f, now); /* the last round's timeout is over */
		return;
	}
	send_next(r, f, now);
}

void fl__resolve_step(struct fl_resolve *r, fl_mono_ns now, fl_mono_ns *wake)
{
	struct fl_upstream_reply reply;
	unsigned n = 0;

	while (n++ < REPLIES_A_STEP && r->c.door->ops->poll(r->c.door, now, &reply) == 1)
		on_reply(r, &reply, now);
	while (r->flights.n_heap && r->flights.heap[0]->wake <= now)
		on_timer(r, r->flights.heap[0], now);
	*wake = n > REPLIES_A_STEP ? now : r->flights.n_heap ? r->flights.heap[0]->wake : FL_MONO_NEVER;
}

static void refuse(struct fl_resolve *r, const struct fl_job *job, fl_mono_ns now)
{
	struct fl__resolved res = { .overload = true, .remark = FL__NO_REMARK, .now = now };

	bump(&r->stats.overload);
	r->c.done(r->c.ctx, job, &res);
}

static bool join(struct fl_resolve *r, struct fl_flight *f, const struct fl_job *job)
{
	uint16_t *client = client_slot(r, job);
	struct fl__waiter *w;

	if (r->n_waiters >= FL__WAITERS_MAX || *client >= r->c.upstreams->waiting)
		return false;
	w = malloc(sizeof(*w));
	if (!w)
		return false;
	w->job = *job;
	w->next = f->waiters;
	f->waiters = w;
	r->n_waiters++;
	(*client)++;
	return true;
}

static void answer_now(struct fl_resolve *r, const struct fl_job *job, const struct fl_answer *a, fl_mono_ns now)
{
	struct fl__resolved res = { .answer = a, .cached = true, .remark = FL__NO_REMARK, .now = now };

	r->c.done(r->c.ctx, job, &res);
}

/* A question that joins what is known of it: a flight, or a failure that is remembered. */
static void ask_again(struct fl_resolve *r, struct fl_flight *f, const struct fl_job *job, fl_mono_ns now)
{
	struct fl__resolved res;

	if (f->failed || f->stale_given) {
		res = failure(r, f, now);
		if (f->failed || res.stale) {
			r->c.done(r->c.ctx, job, &res);
			return;
		}
	}
	bump(&r->stats.shared);
	if (!join(r, f, job))
		refuse(r, job, now);
}

void fl__resolve_ask(struct fl_resolve *r, const struct fl_job *job, fl_mono_ns now)
{
	struct fl__asked asked = fl__job_asked(job);
	uint64_t hash = fl__cache_hash(r->c.cache, &asked);
	const struct fl_answer *a = fl__cache_get(r->c.cache, hash, &asked, now);
	struct fl_flight *f;

	if (a && !job->refresh) {
		answer_now(r, job, a, now);
		return;
	}
	f = fl__flight_find(&r->flights, hash, &asked);
	if (f) {
		if (!job->refresh)
			ask_again(r, f, job, now);
		return;
	}
	f = r->flights.n_active < FL__FLIGHTS_MAX ? fl__flight_new(&r->flights, hash, &asked) : NULL;
	if (!f) {
		if (!job->refresh)
			refuse(r, job, now);
		return;
	}
	r->flights.n_active++;
	f->upstreams = fl__upstreams_acquire(r->c.upstreams);
	f->group = fl__upstreams_for(f->upstreams, &f->name);
	f->deadline = now + BUDGET_MS * FL_NS_PER_MS;
	f->stale_at = now + STALE_AFTER_MS * FL_NS_PER_MS;
	if (!job->refresh && !join(r, f, job))
		refuse(r, job, now);
	if (!f->group) {
		f->why = (struct fl__remark){ FL__EDE_NETWORK, "no upstream" };
		fail(r, f, now);
		return;
	}
	send_next(r, f, now);
}
