#include "enforcer/record.h"

enum { F_TCP = 1, F_CACHED = 2, F_V6 = 4, F_DEGRADED = 8, F_LIST = 16, F_BYPASS = 32, F_WOULD_BLOCK = 64 };
#define LAST_SECOND INT64_C(253402300799) /* of the year 9999 */
enum { S_ASSOCIATION, S_GROUP, S_RULE, S_LIST, S_UPSTREAM, S_COUNT };

struct fixed {
	int64_t at;
	uint64_t list_version;
	uint32_t duration_us;
	uint16_t qtype, qclass, port, response;
	uint8_t client[16];
	uint8_t flags, rcode, action, block_response, scope, hop, n_sources, name, entry;
	uint8_t str[S_COUNT]; /* lengths with terminator; 0: absent */
};

static uint8_t str_len(const char *s)
{
	size_t n = s ? strnlen(s, 254) + 1 : 0;

	return (uint8_t)n;
}

static uint8_t *put_str(uint8_t *to, const char *s, uint8_t len)
{
	if (!len)
		return to;
	memcpy(to, s, len - 1u);
	to[len - 1] = 0;
	return to + len;
}

static void fill(struct fixed *f, const struct fl__record *r, const char *const str[S_COUNT])
{
	const struct fl_decision *d = r->d;

	memset(f, 0, sizeof(*f));
	f->at = r->at;
	f->list_version = d->list_version;
	f->duration_us = r->duration_us;
	f->qtype = r->q->qtype;
	f->qclass = r->q->qclass;
	f->port = r->client_port;
	if (r->response.n >= FL__DNS_HEADER && fl__be16(r->response.p + 6))
		f->response = (uint16_t)(r->response.n > FL__RECORD_RESPONSE ? FL__RECORD_RESPONSE : r->response.n);
	memcpy(f->client, r->client->addr, r->client->v6 ? 16 : 4);
	f->flags = (uint8_t)((r->tcp ? F_TCP : 0) | (r->cached ? F_CACHED : 0) | (r->client->v6 ? F_V6 : 0) | (d->degraded ? F_DEGRADED : 0) |
			     (d->list ? F_LIST : 0) | (d->bypass ? F_BYPASS : 0) | (d->would_block ? F_WOULD_BLOCK : 0));
	f->rcode = r->rcode;
	f->action = (uint8_t)d->action;
	f->block_response = (uint8_t)d->response;
	f->scope = d->entry_scope;
	f->hop = d->hop;
	f->name = r->q->has_name ? r->q->name.len : 0;
	f->entry = (uint8_t)r->entry.n;
	f->n_sources = (uint8_t)r->n_sources;
	for (int i = 0; i < S_COUNT; i++)
		f->str[i] = str_len(str[i]);
}

static uint8_t *put_all(uint8_t *to, const struct fixed *f, const struct fl__record *r, const char *const str[S_COUNT])
{
	memcpy(to, f, sizeof(*f));
	to += sizeof(*f);
	for (int i = 0; i < S_COUNT; i++)
		to = put_str(to, str[i], f->str[i]);
	for (uint32_t i = 0; i < r->n_sources; i++) {
		*to = str_len(r->sources[i]);
		to = put_str(to + 1, r->sources[i], *to);
	}
	if (f->name)
		memcpy(to, r->q->raw, f->name);
	to += f->name;
	if (f->entry)
		memcpy(to, r->entry.p, f->entry);
	to += f->entry;
	if (f->response)
		memcpy(to, r->response.p, f->response);
	return to + f->response;
}

bool fl__record_write(struct fl_ring *ring, uint64_t seq, const struct fl__record *r)
{
	const struct fl_decision *d = r->d;
	const char *const str[S_COUNT] = { d->association, d->rule_group, d->rule_name, d->list, r->upstream };
	struct fixed f;
	size_t n = sizeof(f);
	uint8_t *to;

	fill(&f, r, str);
	for (int i = 0; i < S_COUNT; i++)
		n += f.str[i];
	for (uint32_t i = 0; i < r->n_sources; i++)
		n += 1u + str_len(r->sources[i]);
	n += (size_t)f.name + f.entry + f.response;
	to = fl__ring_begin(ring, n, d->action == FL_ACTION_BLOCK || d->action == FL_ACTION_ALERT);
	if (!to)
		return false;
	put_all(to, &f, r, str);
	fl__ring_commit(ring, seq, n);
	return true;
}

static const char *get_str(struct fl_rd *rd, uint8_t len)
{
	struct fl_span s = fl_rd_bytes(rd, len);

	if (!len || s.n != len)
		return NULL;
	if (s.p[len - 1]) {
		rd->bad = true;
		return NULL;
	}
	return (const char *)s.p;
}

static void take_fixed(const struct fixed *f, struct fl_qlog *out)
{
	memset(out, 0, sizeof(*out));
	out->ts_us = f->at;
	out->qtype = f->qtype;
	out->qclass = f->qclass;
	out->rcode = f->rcode;
	out->tcp = f->flags & F_TCP;
	out->cached = f->flags & F_CACHED;
	out->client_v6 = f->flags & F_V6;
	out->degraded = f->flags & F_DEGRADED;
	out->bypass = f->flags & F_BYPASS;
	out->would = f->flags & F_WOULD_BLOCK ? fl_action_word(FL_ACTION_BLOCK) : NULL;
	memcpy(out->client, f->client, sizeof(out->client));
	out->client_port = f->port;
	out->action = f->action;
	out->block_response = f->block_response;
	out->list_version = f->list_version;
	out->entry_scope = f->scope;
	out->hop = f->hop;
	out->duration_us = f->duration_us;
}

static bool take_name(struct fl_span raw, struct fl_dname *out)
{
	struct fl_rd rd = fl_rd(raw);

	if (raw.n == 0) { /* a question that could not be read */
		out->len = 1;
		out->b[0] = 0;
		return true;
	}
	return fl_dname_read(&rd, out) && fl_rd_left(&rd) == 0;
}

bool fl__record_read(struct fl_span body, struct fl_qlog *out)
{
	struct fl_rd rd = fl_rd(body);
	struct fl_span s = fl_rd_bytes(&rd, sizeof(struct fixed));
	struct fixed f;

	if (s.n != sizeof(f))
		return false;
	memcpy(&f, s.p, sizeof(f));
	if (f.at < 0 || f.at > LAST_SECOND * FL_US_PER_S || f.action > FL_ACTION_BLOCK || f.block_response > FL_BLOCK_SERVFAIL ||
	    f.n_sources > FL__RECORD_SOURCES || f.entry > FL_RKEY_MAX)
		return false;
	take_fixed(&f, out);
	out->association = get_str(&rd, f.str[S_ASSOCIATION]);
	out->rule_group = get_str(&rd, f.str[S_GROUP]);
	out->rule = get_str(&rd, f.str[S_RULE]);
	out->list = get_str(&rd, f.str[S_LIST]);
	out->upstream = get_str(&rd, f.str[S_UPSTREAM]);
	for (out->n_sources = 0; out->n_sources < f.n_sources; out->n_sources++) {
		out->sources[out->n_sources] = get_str(&rd, fl_rd_u8(&rd));
		if (!out->sources[out->n_sources])
			return false;
	}
	if (!take_name(fl_rd_bytes(&rd, f.name), &out->qname))
		return false;
	s = fl_rd_bytes(&rd, f.entry);
	if (s.n && !fl_rkey_valid(s))
		return false;
	fl_rkey_set(&out->entry, s);
	out->response = fl_rd_bytes(&rd, f.response);
	return !rd.bad && fl_rd_left(&rd) == 0;
}
