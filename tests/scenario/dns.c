/* The answer path without its threads: one question goes the way of worker and resolve thread, through the same functions, and comes out as octets; the record is read back from the ring. */
#include <arpa/inet.h>
#include <string.h>

#include "base/text.h"
#include "scenario.h"

enum { WORKER, RESOLVE, THREADS, CACHE_BYTES = 1 << 20, ROUNDS = 4000, EDE_OPTION = 15 };

struct scn_dns {
	struct fl_server *server; /* only what answering reads */
	struct fl_cache *cache;
	struct fl__upstreams *upstreams;
	struct fl_upstream *door;
	struct fl_resolve *resolve;
	struct scn_role *role;
	struct fl__settings settings;
	uint8_t buf[FL__MSG_MAX];
	struct fl__out out; /* of the question in hand */
	bool answered;
};

static struct fl__ttl_limits limits_of(const struct fl_config *c)
{
	return (struct fl__ttl_limits){ (uint32_t)(c->cache_min_ttl_ms / 1000), (uint32_t)(c->cache_max_ttl_ms / 1000),
					(uint32_t)(c->cache_negative_max_ttl_ms / 1000), (uint32_t)(c->serve_stale_ms / 1000) };
}

static void settings_of(struct scn_dns *d, const struct fl_config *c)
{
	d->settings.ede.text = c->ede_text;
	snprintf(d->settings.contact, sizeof(d->settings.contact), "%s", c->ede_contact);
	d->settings.ede.contact = d->settings.contact;
}

static void on_resolved(void *ctx, const struct fl_job *job, const struct fl__resolved *r)
{
	struct scn_dns *d = ctx;
	struct fl_clock *clock = d->server->c.clock;
	struct fl__ask a = { .job = job, .kept = r->answer, .resolved = r };

	fl_rcu_read_lock();
	d->answered = fl__respond(&d->server->threads[RESOLVE], d->role->view, &d->settings, &a, fl_now_mono(clock), fl_now_unix(clock), &d->out);
	fl_rcu_read_unlock();
}

struct scn_dns *scn_dns_open(struct scn_role *r)
{
	struct scn *s = r->s;
	struct scn_dns *d = calloc(1, sizeof(*d));
	struct fl__resolve_config rc = { .random = &s->random.door, .limits = limits_of(r->cfg), .done = on_resolved, .ctx = d };
	struct fl_err err = { 0 };

	d->role = r;
	d->server = aligned_alloc(64, (sizeof(*d->server) + 63) & ~(size_t)63);
	memset(d->server, 0, sizeof(*d->server));
	d->server->c.clock = &s->clock.door;
	snprintf(d->server->enforcer, sizeof(d->server->enforcer), "%s", r->name);
	d->server->boot = ++s->boots;
	for (uint32_t i = 0; i < THREADS; i++) {
		d->server->threads[i].server = d->server;
		d->server->threads[i].number = i;
		if (fl__ring_create(s->folder, r->name, s->boots, i, FL__RING_BYTES_MIN, &d->server->threads[i].ring, &err) < 0) {
			fprintf(stderr, "%s\n", err.text);
			abort();
		}
	}
	settings_of(d, r->cfg);
	rc.door = d->door = fl_upstream_mem_open(scn_zone_answer, s);
	rc.cache = d->cache = fl__cache_new(CACHE_BYTES, 1);
	rc.upstreams = d->upstreams = fl__upstreams_new(r->cfg);
	d->resolve = fl__resolve_new(&rc);
	if (!d->cache || !d->upstreams || !d->resolve)
		abort();
	return d;
}

void scn_dns_reload(struct scn_role *r)
{
	struct scn_dns *d = r->dns;
	struct fl__upstreams *next = fl__upstreams_new(r->cfg);
	struct fl__ttl_limits limits = limits_of(r->cfg);

	fl__upstreams_carry(next, d->upstreams);
	fl__resolve_set(d->resolve, next, &limits);
	fl__upstreams_release(d->upstreams);
	d->upstreams = next;
	settings_of(d, r->cfg);
}

void scn_dns_step(struct scn_dns *d, fl_mono_ns now, fl_mono_ns *wake)
{
	fl__resolve_step(d->resolve, now, wake);
}

void scn_dns_close(struct scn_dns *d)
{
	if (!d)
		return;
	fl__resolve_free(d->resolve);
	fl__upstreams_release(d->upstreams);
	fl__cache_free(d->cache);
	d->door->ops->close(d->door);
	for (int i = 0; i < THREADS; i++)
		fl__ring_close(d->server->threads[i].ring, true);
	free(d->server);
	free(d);
}

/* --- the question --- */

const char *scn_write_question(const struct scn_question *q, struct fl_buf *out)
{
	uint8_t opt[11] = { 0, 0, FL__T_OPT, FL__UDP_SIZE >> 8, FL__UDP_SIZE & 255, [7] = q->dnssec_ok ? 0x80 : 0 };
	uint8_t h[FL__DNS_HEADER] = { 0x12, 0x34, FL__F_RD >> 8, [5] = 1, [11] = 1 }, tail[4] = { 0 };
	struct fl_dname d;
	uint16_t type;

	if (!fl_dname_from_text(fl_span_str(q->name), &d))
		return "this is no name";
	if (!fl_qtype_parse(q->qtype, &type))
		return "this is no query type";
	fl__put16(tail, type);
	fl__put16(tail + 2, q->qclass);
	fl_buf_add(out, h, sizeof(h));
	fl_buf_add(out, d.b, d.len);
	fl_buf_add(out, tail, sizeof(tail));
	fl_buf_add(out, opt, sizeof(opt));
	return NULL;
}

static bool address_of(const char *text, union fl__addr *out)
{
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, text, &out->in.sin_addr) == 1) {
		out->in.sin_family = AF_INET;
		return true;
	}
	out->in6.sin6_family = AF_INET6;
	return inet_pton(AF_INET6, text, &out->in6.sin6_addr) == 1;
}

/* As a worker does; what it cannot say goes to the resolve core, whose wait moves the clock. */
static bool answer(struct scn_dns *d, struct fl_job *job, struct fl_span packet)
{
	struct fl_clock_mem *clock = &d->role->s->clock;
	struct fl__ask a = { .job = job, .parsed = fl__question_parse(packet, &job->q) };
	struct fl__asked asked = fl__job_asked(job);

	d->out = (struct fl__out){ d->buf, 0, FL__UDP_SIZE };
	d->answered = false;
	job->received = clock->now_mono;
	fl_rcu_read_lock();
	if (a.parsed == FL__PARSED_OK)
		a.kept = fl__cache_get(d->cache, fl__cache_hash(d->cache, &asked), &asked, clock->now_mono);
	d->answered = a.parsed != FL__PARSED_DROP &&
		      fl__respond(&d->server->threads[WORKER], d->role->view, &d->settings, &a, clock->now_mono, clock->now_unix, &d->out);
	fl_rcu_read_unlock();
	if (d->answered || a.parsed == FL__PARSED_DROP)
		return d->answered;
	fl__resolve_ask(d->resolve, job, clock->now_mono);
	for (int i = 0; i < ROUNDS && !d->answered; i++) {
		fl_mono_ns wake = FL_MONO_NEVER;

		fl__resolve_step(d->resolve, clock->now_mono, &wake);
		if (!d->answered && wake != FL_MONO_NEVER)
			scn_advance(d->role->s, wake > clock->now_mono ? wake - clock->now_mono : FL_NS_PER_MS);
	}
	fl__cache_reclaim(d->cache, true);
	return d->answered;
}

/* --- the answer --- */

static void read_opt(struct fl_span msg, const struct fl__rr *rr, struct scn_result *out)
{
	const uint8_t *p = msg.p + rr->rdata, *end = p + rr->rdlen;

	while (end - p >= 4) {
		uint16_t code = fl__be16(p), n = fl__be16(p + 2);

		p += 4;
		if (n > end - p)
			return;
		if (code == EDE_OPTION && n >= 2) {
			scn_put(out, "ede", "%u", fl__be16(p));
			snprintf(out->text, sizeof(out->text), "%.*s", n - 2, p + 2);
		}
		p += n;
	}
}

static void read_record(struct fl_span msg, const struct fl__rr *rr, struct scn_result *out)
{
	char text[FL_NAME_TEXT];
	struct fl_dname d;
	size_t at = rr->rdata;

	if (rr->type == FL__T_A && rr->rdlen == 4)
		scn_put(out, "address", "%s", inet_ntop(AF_INET, msg.p + rr->rdata, text, sizeof(text)));
	else if (rr->type == FL__T_AAAA && rr->rdlen == 16)
		scn_put(out, "address", "%s", inet_ntop(AF_INET6, msg.p + rr->rdata, text, sizeof(text)));
	else if (rr->type == FL__T_CNAME && fl__name_read(msg, &at, &d))
		scn_put(out, "cname", "%s", fl_dname_to_text(&d, text));
	else if (rr->type == FL__T_TXT && rr->rdlen > 1)
		snprintf(out->text, sizeof(out->text), "%.*s", rr->rdlen - 1, msg.p + rr->rdata + 1);
	else if (rr->type == FL__T_OPT)
		read_opt(msg, rr, out);
}

enum { OPT_OCTETS = 11, F_AA = 0x0400, F_AD = 0x0020 };

const char *scn_read_answer(struct fl_span msg, struct fl_span question, struct scn_result *out)
{
	unsigned records = msg.n >= FL__DNS_HEADER ? fl__be16(msg.p + 6u) + fl__be16(msg.p + 8u) + fl__be16(msg.p + 10u) : 0;
	size_t pos = question.n - OPT_OCTETS;
	char rcode[16];

	if (msg.n < pos || fl__be16(msg.p) != 0x1234 || !(fl__be16(msg.p + 2) & FL__F_QR) || memcmp(msg.p + FL__DNS_HEADER, question.p + FL__DNS_HEADER, pos - FL__DNS_HEADER) != 0)
		return "what came is no answer to the question";
	if (fl__be16(msg.p + 2) & (F_AA | F_AD))
		return "the answer claims authority, or that it was validated";
	fl_rcode_format(msg.p[3] & 15, rcode);
	snprintf(out->word, sizeof(out->word), "%s", (msg.p[3] & 15) == FL__NOERROR && fl__be16(msg.p + 6) == 0 ? "NODATA" : rcode);
	for (unsigned i = 0; i < records; i++) {
		struct fl__rr rr;

		if (!fl__rr_read(msg, &pos, &rr))
			return "the answer is malformed";
		if (rr.type == FL__T_SOA)
			scn_put(out, "soa", "%u", rr.ttl);
		else if (rr.type != FL__T_OPT)
			scn_put(out, "ttl", "%u", rr.ttl);
		if (rr.type != FL__T_SOA)
			read_record(msg, &rr, out);
	}
	return pos == msg.n ? NULL : "octets follow the answer";
}

/* --- the record --- */

void scn_put_record(const struct fl_qlog *q, struct scn_result *out)
{
	char entry[FL_NAME_TEXT], sources[200] = "";
	size_t n = 0;

	scn_put(out, "action", "%s", fl_action_word(q->action));
	scn_put(out, "association", "%s", q->association ? q->association : "-");
	scn_put(out, "list", "%s", q->list ? q->list : "-");
	scn_put(out, "degraded", "%s", q->degraded ? "yes" : "no");
	scn_put(out, "bypass", "%s", q->bypass ? "yes" : "no");
	scn_put(out, "would", "%s", q->would ? q->would : "-");
	scn_put(out, "cached", "%s", q->cached ? "yes" : "no");
	scn_put(out, "upstream", "%s", q->upstream ? q->upstream : "-");
	if (!q->list)
		return;
	scn_put(out, "version", "%llu", (unsigned long long)q->list_version);
	scn_put(out, "rule", "%s", q->rule ? q->rule : "-");
	scn_put(out, "group", "%s", q->rule_group ? q->rule_group : "-");
	scn_put(out, "hop", "%u", q->hop);
	scn_put(out, "entry", "%s", fl_rkey_to_text(fl_rkey_span(&q->entry), entry));
	for (uint32_t i = 0; i < q->n_sources && n < sizeof(sources); i++)
		n += (size_t)snprintf(sources + n, sizeof(sources) - n, "%s%s", i ? "," : "", q->sources[i]);
	scn_put(out, "sources", "%s", sources);
}

/* Every answered question leaves exactly one record, with the answer's rcode, and under the number that the EDE names. */
static const char *read_log(struct scn_dns *d, struct scn_result *out)
{
	unsigned found = 0;

	for (uint32_t i = 0; i < THREADS; i++) {
		struct fl_ring *ring = d->server->threads[i].ring;
		uint64_t pos = atomic_load(&ring->page->tail);
		struct fl_qlog q = { 0 };
		struct fl__frame f;
		char ref[9];

		for (; fl__ring_next(ring, &pos, &f) == 1; found++) {
			if (!fl__record_read(f.body, &q))
				return "the query-log record cannot be read";
			if (q.rcode != (d->out.p[3] & 15))
				return "the query-log record has another rcode than the answer";
			fl_base32_40(fl_ref(d->server->enforcer, i, f.seq), ref);
			if (strstr(out->text, "ref=") && !strstr(out->text, ref))
				return "the EDE and the query-log record have different references";
			scn_put_record(&q, out);
			fl__ring_release(ring, f.end);
		}
	}
	return found == 1 ? NULL : "not one query-log record of the answer";
}

const char *scn_ask(struct scn_role *r, const struct scn_question *q, struct scn_result *out)
{
	struct scn_dns *d = r->dns;
	struct fl_job job = { .received = 0 };
	struct fl_buf packet = { 0 };
	const char *why = scn_write_question(q, &packet);

	memset(out, 0, sizeof(*out));
	if (!why && !address_of(q->from, &job.peer))
		why = "this is no client address";
	if (!why && !answer(d, &job, fl_buf_span(&packet)))
		why = "no answer came";
	if (!why)
		why = scn_read_answer(fl_span(d->out.p, d->out.n), fl_buf_span(&packet), out);
	if (!why)
		why = read_log(d, out);
	fl_buf_done(&packet);
	return why;
}
