/* From a question to its answer and record: the one place where policy, cache and wire meet. Question and each name of the chain are decided; a block on a later hop is answered like a
 * block on the question. Verdicts are never cached. */
#include "enforcer/server_int.h"
#include "enforcer/special.h"

#include "base/text.h"

enum { ANY_TTL = 3600 };

/* LIST.probe.fireline.internal as a key: these labels, then the list's name. */
static const char probe_key[] = "internal\0fireline\0probe";

void fl__client_of(const union fl__addr *a, struct fl_client *out, uint16_t *port)
{
	memset(out, 0, sizeof(*out));
	if (a->sa.sa_family == AF_INET6) {
		const uint8_t *p = a->in6.sin6_addr.s6_addr;
		static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

		*port = ntohs(a->in6.sin6_port);
		out->v6 = memcmp(p, mapped, sizeof(mapped)) != 0;
		memcpy(out->addr, out->v6 ? p : p + 12, out->v6 ? 16 : 4);
	} else {
		*port = ntohs(a->in.sin_port);
		memcpy(out->addr, &a->in.sin_addr, 4);
	}
}

/* The list that a probe name asks about; false when the name is none. Never forwarded. */
static bool probe_list(struct fl_span key, char list[FL_SET_NAME])
{
	size_t n = sizeof(probe_key), len;

	if (key.n < n || memcmp(key.p, probe_key, n) != 0)
		return false;
	len = key.n > n ? key.n - n - 1 : 0;
	if (len == 0 || len >= FL_SET_NAME || memchr(key.p + n, 0, len))
		list[0] = '\0';
	else {
		memcpy(list, key.p + n, len);
		list[len] = '\0';
	}
	return true;
}

static void answer_probe(const struct fl_question *q, const struct fl_view *view, const char *list, struct fl__out *o)
{
	const struct fl_image_list *v;
	char text[256], chain[17];
	int i = view && list[0] ? fl_image_list_index(view->image, list) : -1;

	if (i < 0 || q->qtype != FL__T_TXT) {
		if (i < 0)
			fl__answer_error(q, FL__NXDOMAIN, FL__NO_REMARK, o);
		else
			fl__answer_txt(q, NULL, o);
		return;
	}
	fl_image_lists(view->image, &v);
	fl_hex(v[i].id.chain, 8, chain);
	snprintf(text, sizeof(text), "list=%s version=%llu chain=%s names=%llu", list, (unsigned long long)v[i].id.number, chain, (unsigned long long)v[i].names);
	fl__answer_txt(q, text, o);
}

/* Question, then each hop of what was kept. *entry: the key of the name that decided. */
static void decide(const struct fl_view *view, const struct fl__ask *a, struct fl_decision *d, struct fl_span *decided)
{
	const struct fl_question *q = &a->job->q;
	const uint8_t *at;

	memset(d, 0, sizeof(*d));
	*decided = fl_rkey_span(&q->key);
	if (!view) { /* no list is held yet, and the grace is open */
		d->degraded = true;
		return;
	}
	fl_decide(view, &a->client, *decided, q->qtype, 0, NULL, d);
	at = a->kept ? a->kept->chain : NULL;
	for (unsigned i = 0; a->kept && i < a->kept->n_chain && d->action != FL_ACTION_BLOCK && !d->trust; i++) {
		struct fl_span hop = fl__answer_hop(&at);
		struct fl_decision h;

		fl_decide(view, &a->client, hop, q->qtype, (uint8_t)(i + 1), d, &h);
		fl_decision_combine(d, &h);
		if (d->list && d->hop == i + 1)
			*decided = hop;
	}
	fl_decision_enforce(d);
}

/* What the record is made of, beside the decision. */
struct outcome {
	enum fl__source source;
	unsigned rcode;
	bool cached;
	const char *upstream;
};

static uint32_t source_names(const struct fl_view *view, const struct fl_decision *d, struct fl_span key, const char *out[FL__RECORD_SOURCES])
{
	const struct fl_image_input *in;
	struct fl_match m[4 * FL__RECORD_SOURCES]; /* of all lists */
	struct fl_walk w;
	uint32_t n = 0;
	size_t k;

	if (!view || !d->list)
		return 0;
	fl_image_walk(view->image, key, &w);
	k = fl_walk_inputs(view->image, &w, m, sizeof(m) / sizeof(m[0]));
	fl_image_inputs(view->image, &in);
	for (size_t i = 0; i < k && n < FL__RECORD_SOURCES; i++)
		if (strcmp(in[m[i].input].list, d->list) == 0)
			out[n++] = in[m[i].input].source;
	return n;
}

static void write_record(struct fl__thread *t, const struct fl_view *view, const struct fl__ask *a, const struct fl_decision *d, struct fl_span decided,
			 const struct outcome *out, uint64_t seq, uint16_t port, fl_mono_ns now, fl_unix_us now_us, const struct fl__out *o)
{
	fl_mono_ns took = fl_now_mono(t->server->c.clock) - a->job->received;
	uint64_t us = took > 0 ? (uint64_t)took / 1000 : 0;
	struct fl__record r = { .at = now_us - (now - a->job->received) / 1000, .duration_us = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us, .q = &a->job->q, .client = &a->client,
				.client_port = port, .d = d, .entry = d->list ? fl_span(decided.p, d->entry_len) : fl_span(NULL, 0),
				.rcode = (uint8_t)(out->rcode & 0xff), .tcp = a->job->tcp, .cached = out->cached, .upstream = out->upstream,
				.response = fl_span(o->p, o->n) };

	r.n_sources = source_names(view, d, decided, r.sources);
	fl__bump(&t->counters.records);
	if (!fl__record_write(t->ring, seq, &r))
		fl__bump(&t->counters.records_lost[d->action]);
	fl__count_answer(&t->counters, out->source, out->rcode, r.duration_us);
	fl__bump(&t->counters.actions[d->action]);
	fl__decisions_count(&t->decisions, d);
	if (d->list && d->hop)
		fl__bump(&t->counters.redirect_matches);
}

static void answer_blocked(struct fl__thread *t, const struct fl__settings *st, const struct fl__ask *a, const struct fl_decision *d, uint64_t seq,
			   struct fl__out *o)
{
	char text[FL__EDE_TEXT], ref[9];
	struct fl__remark remark;

	fl_base32_40(fl_ref(t->server->enforcer, t->number, seq), ref);
	remark = a->job->q.edns ? fl__ede_block(&st->ede, &a->client, d, ref, text) : FL__NO_REMARK;
	fl__answer_block(&a->job->q, d, remark, o);
}

static bool blocks(const struct fl_decision *d)
{
	return d->action == FL_ACTION_BLOCK || d->response == FL_BLOCK_SERVFAIL;
}

static unsigned rcode_of(const struct fl__out *o)
{
	return o->n >= FL__DNS_HEADER ? o->p[3] & 15 : FL__SERVFAIL;
}

static bool listed(const struct fl_rkey *v, size_t n, struct fl_span key)
{
	for (size_t i = 0; i < n; i++)
		if (fl_rkey_below_or_at(key, fl_rkey_span(&v[i])))
			return true;
	return false;
}

/* An upstream's zone that lies at or below the special name, and holds this one: it is forwarded. */
static bool has_upstream(const struct fl__settings *st, struct fl_span key, struct fl_span special)
{
	for (size_t i = 0; i < st->n_zones; i++)
		if (fl_rkey_below_or_at(key, fl_rkey_span(&st->zones[i])) && fl_rkey_below_or_at(fl_rkey_span(&st->zones[i]), special))
			return true;
	return false;
}

/* Names that stay here. False: this is none of them. */
static bool answer_special(struct fl__thread *t, const struct fl__settings *st, const struct fl_question *q, struct fl__out *o)
{
	struct fl_span key = fl_rkey_span(&q->key);
	struct fl__special s = { FL__SPECIAL_NONE, 0 };

	if (st->special_names)
		s = fl__special_find(key);
	if (s.kind && has_upstream(st, key, fl_span(key.p, s.top_len)))
		s.kind = FL__SPECIAL_NONE;
	if (!s.kind && st->doh_canary && fl__special_canary(key))
		s = (struct fl__special){ FL__SPECIAL_ABSENT, q->key.len };
	if (!s.kind || !fl__special_answer(q, s, o))
		return false;
	fl__bump(&t->counters.special);
	return true;
}

/* Questions that are not forwarded: special names, and over UDP ANY, which is asked for much and seldom meant (RFC 8482, 4.2). False: it is for the cache and the upstreams. */
static bool answer_here(struct fl__thread *t, const struct fl__settings *st, const struct fl_job *job, struct fl__out *o)
{
	static const uint8_t hinfo[] = "\x7" "RFC8482"; /* CPU, and an empty OS: the text's own zero octet */

	if (answer_special(t, st, &job->q, o))
		return true;
	if (job->q.qtype != FL__T_ANY || job->tcp)
		return false;
	fl__answer_record(&job->q, FL__T_HINFO, ANY_TTL, fl_span(hinfo, sizeof(hinfo)), o);
	return true;
}

/* A name of the world that gives an address of this network: DNS rebinding, unless the name is one of ours. */
static bool rebinds(const struct fl__settings *st, const struct fl__ask *a)
{
	struct fl_span key = fl_rkey_span(&a->job->q.key);

	return st->rebinding && a->kept && a->kept->inside && !listed(st->zones, st->n_zones, key) && !listed(st->inside, st->n_inside, key);
}

bool fl__respond(struct fl__thread *t, const struct fl_view *view, const struct fl__settings *st, struct fl__ask *a, fl_mono_ns now, fl_unix_us now_us,
		 struct fl__out *o)
{
	const struct fl_question *q = &a->job->q;
	struct outcome out = { .source = FL__FROM_LOCAL };
	struct fl_decision d = { 0 };
	struct fl_span decided = fl_rkey_span(&q->key);
	char list[FL_SET_NAME];
	bool numbered = false, here; /* the first number is 0 */
	uint64_t seq = 0;
	uint16_t port;

	fl__client_of(&a->job->peer, &a->client, &port);
	if (a->parsed != FL__PARSED_OK) {
		out.source = a->parsed == FL__PARSED_PING ? FL__FROM_LOCAL : FL__FROM_ERROR;
		out.rcode = a->parsed == FL__PARSED_PING ? FL__NOERROR : (unsigned)a->parsed;
		fl__answer_error(q, out.rcode, FL__NO_REMARK, o);
		if (!q->has_name || q->flags & FL__F_OPCODE) { /* no question, no record: counted as an answer all the same */
			fl__count_answer(&t->counters, out.source, out.rcode, 0);
			return true;
		}
	} else if (probe_list(decided, list)) {
		answer_probe(q, view, list, o);
	} else {
		decide(view, a, &d, &decided);
		here = !blocks(&d) && answer_here(t, st, a->job, o);
		if (!here && !blocks(&d) && !a->kept && !a->resolved)
			return false;
		if (here) {
			out.source = FL__FROM_LOCAL;
		} else if (blocks(&d)) {
			seq = fl__ring_number(t->ring);
			numbered = true;
			answer_blocked(t, st, a, &d, seq, o);
			out.source = FL__FROM_POLICY;
			out.upstream = a->resolved ? a->resolved->upstream : NULL;
		} else if (rebinds(st, a)) {
			fl__bump(&t->counters.rebinding);
			fl__answer_negative(q, FL__NOERROR, 0, st->block_ttl, (struct fl__remark){ FL__EDE_BLOCKED, "an address of a private network: DNS rebinding" }, o);
			out.upstream = a->resolved ? a->resolved->upstream : NULL;
		} else if (a->kept) {
			struct fl__remark remark = a->resolved ? a->resolved->remark : FL__NO_REMARK;

			fl__answer_kept(q, a->kept, now, a->resolved && a->resolved->stale, remark, o);
			out.cached = !a->resolved || a->resolved->cached;
			out.source = out.cached ? FL__FROM_CACHE : FL__FROM_UPSTREAM;
			a->refresh = !a->resolved && st->prefetch && fl__cache_ends_soon(a->kept, now);
			out.upstream = a->resolved ? a->resolved->upstream : NULL;
		} else {
			fl__answer_error(q, FL__SERVFAIL, a->resolved->remark, o);
			out.source = FL__FROM_ERROR;
			out.upstream = a->resolved->upstream;
		}
	}
	if (!numbered)
		seq = fl__ring_number(t->ring);
	if (a->parsed == FL__PARSED_OK)
		out.rcode = rcode_of(o);
	write_record(t, view, a, &d, decided, &out, seq, port, now, now_us, o);
	return true;
}

void fl__look_up(struct fl__thread *t, struct fl__ask *a, fl_mono_ns now)
{
	struct fl_cache *cache = t->server->cache;
	struct fl__asked asked = fl__job_asked(a->job);

	if (a->parsed != FL__PARSED_OK)
		return;
	a->kept = fl__cache_get(cache, fl__cache_hash(cache, &asked), &asked, now);
	if (a->kept)
		fl__bump(&t->counters.hits);
}

static bool hand_on(struct fl__thread *t, const struct fl_job *job)
{
	struct fl_job *slot = fl__spsc_slot(&t->to_resolve);

	if (!slot)
		return false;
	*slot = *job;
	fl__spsc_push(&t->to_resolve);
	return true;
}

bool fl__hand_on(struct fl__thread *t, const struct fl_job *job)
{
	fl__bump(&t->counters.misses);
	if (hand_on(t, job))
		return true;
	fl__bump(&t->counters.lost[FL__LOST_OVERLOAD]);
	return false;
}

bool fl__hand_on_refresh(struct fl__thread *t, struct fl_job *job)
{
	bool ok;

	job->refresh = true;
	ok = hand_on(t, job);
	job->refresh = false;
	if (ok)
		fl__bump(&t->counters.prefetches);
	return ok;
}
