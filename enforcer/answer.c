/* Answers as octets. Every writer checks the room it has: what a client takes over UDP is the client's word, and what does not fit is said by TC. */
#include "enforcer/answer.h"

enum { STALE_TTL = 30, OPT_FIXED = 11, EDE_FIXED = 6 };
/* MNAME "fireline.invalid."; RNAME points at it */
static const uint8_t soa_mname[18] = "\x08" "fireline" "\x07" "invalid";
enum { SOA_REFRESH = 3600, SOA_RETRY = 600, SOA_EXPIRE = 86400 };

static bool put(struct fl__out *o, const void *p, size_t n)
{
	if (o->cap - o->n < n)
		return false;
	if (n == 0)
		return true;
	memcpy(o->p + o->n, p, n);
	o->n += n;
	return true;
}
static bool put_u16(struct fl__out *o, uint16_t v)
{
	uint8_t b[2];

	fl__put16(b, v);
	return put(o, b, 2);
}
static bool put_u32(struct fl__out *o, uint32_t v)
{
	uint8_t b[4];

	fl__put32(b, v);
	return put(o, b, 4);
}

static uint16_t response_flags(const struct fl_question *q, unsigned rcode)
{
	return (uint16_t)(FL__F_QR | FL__F_RA | (q->flags & (FL__F_OPCODE | FL__F_RD | FL__F_CD)) | (rcode & 15));
}

/* Header and question. An o->cap below 512 does not happen: UDP takes 512 at least, and these need 271. */
static void begin(const struct fl_question *q, unsigned rcode, struct fl__out *o)
{
	uint8_t h[FL__DNS_HEADER] = { 0 };

	o->n = 0;
	fl__put16(h, q->id);
	fl__put16(h + 2, response_flags(q, rcode));
	fl__put16(h + 4, q->has_name);
	put(o, h, sizeof(h));
	if (!q->has_name)
		return;
	put(o, q->raw, q->name.len);
	put_u16(o, q->qtype);
	put_u16(o, q->qclass);
}

static void count_up(struct fl__out *o, size_t at)
{
	fl__put16(o->p + at, (uint16_t)(fl__be16(o->p + at) + 1));
}

static void put_option(struct fl__out *o, uint16_t code, const void *p, size_t n)
{
	put_u16(o, code);
	put_u16(o, (uint16_t)n);
	put(o, p, n);
}

/* What OPT says beside the remark: 34 octets at most. */
static size_t fixed_options(const struct fl_question *q)
{
	return (q->cookie_out ? 4u + FL__COOKIE_OURS : 0u) + (q->keepalive_out ? 6u : 0u);
}

/* OPT with the remark; its text goes first when room is short, then the remark. False when not even OPT fits. */
static bool put_opt(const struct fl_question *q, unsigned rcode, struct fl__remark r, struct fl__out *o)
{
	size_t text = r.text ? strlen(r.text) : 0, options = fixed_options(q), left = o->cap - o->n;
	bool remark = r.ede != FL__EDE_NONE;
	uint8_t keepalive[2];

	if (!q->edns)
		return true;
	if (left < OPT_FIXED + options)
		return false;
	left -= OPT_FIXED + options;
	remark = remark && left >= EDE_FIXED;
	if (left < EDE_FIXED + text)
		text = 0;
	options += remark ? EDE_FIXED + text : 0;
	put(o, "", 1);
	put_u16(o, FL__T_OPT);
	put_u16(o, FL__UDP_SIZE);
	put_u32(o, (uint32_t)(rcode >> 4) << 24 | (q->dnssec_ok ? 0x8000u : 0));
	put_u16(o, (uint16_t)options);
	if (q->cookie_out)
		put_option(o, FL__OPTION_COOKIE, q->cookie, FL__COOKIE_OURS);
	fl__put16(keepalive, q->keepalive_out);
	if (q->keepalive_out)
		put_option(o, FL__OPTION_KEEPALIVE, keepalive, sizeof(keepalive));
	if (remark) {
		put_u16(o, FL__OPTION_EDE);
		put_u16(o, (uint16_t)(2 + text));
		put_u16(o, r.ede);
		put(o, r.text, text);
	}
	count_up(o, 10);
	return true;
}

void fl__answer_truncated(const struct fl_question *q, unsigned rcode, struct fl__remark r, struct fl__out *o)
{
	begin(q, rcode, o);
	fl__put16(o->p + 2, fl__be16(o->p + 2) | FL__F_TC);
	put_opt(q, rcode, r, o);
}

void fl__answer_error(const struct fl_question *q, unsigned rcode, struct fl__remark remark, struct fl__out *o)
{
	begin(q, rcode, o);
	put_opt(q, rcode, remark, o);
}

/* The part of the question's name that stands `skip` octets in. */
static bool put_owner(const struct fl_question *q, size_t skip, struct fl__out *o)
{
	if (skip == q->name.len - 1u)
		return put(o, "", 1);
	return put_u16(o, (uint16_t)(0xc000 | (FL__DNS_HEADER + skip)));
}

static bool put_soa(const struct fl_question *q, size_t skip, uint32_t serial, uint32_t ttl, struct fl__out *o)
{
	size_t mname;

	if (!put_owner(q, skip, o) || !put_u16(o, FL__T_SOA) || !put_u16(o, FL__CLASS_IN) || !put_u32(o, ttl) || !put_u16(o, sizeof(soa_mname) + 2 + 20))
		return false;
	mname = o->n;
	if (!put(o, soa_mname, sizeof(soa_mname)) || !put_u16(o, (uint16_t)(0xc000 | mname)) || !put_u32(o, serial) || !put_u32(o, SOA_REFRESH) ||
	    !put_u32(o, SOA_RETRY) || !put_u32(o, SOA_EXPIRE) || !put_u32(o, ttl))
		return false;
	count_up(o, 8);
	return true;
}

/* A block's SOA stands at the matched entry, where that is the question's name or above it; a block on a later hop looks like one on the question. */
static size_t soa_skip(const struct fl_question *q, const struct fl_decision *d)
{
	return d->hop == 0 && d->entry_len <= q->key.len ? (size_t)q->key.len - d->entry_len : 0;
}

static bool put_addresses(const struct fl_cfg_rule *r, uint32_t ttl, struct fl__out *o)
{
	uint16_t type = r->override_type == FL_OVERRIDE_A ? FL__T_A : FL__T_AAAA, len = r->override_type == FL_OVERRIDE_A ? 4 : 16;

	for (size_t i = 0; i < r->n_override_addresses; i++) {
		if (!put_u16(o, 0xc000 | FL__DNS_HEADER) || !put_u16(o, type) || !put_u16(o, FL__CLASS_IN) || !put_u32(o, ttl) || !put_u16(o, len) ||
		    !put(o, r->override_addresses[i].addr, len))
			return false;
		count_up(o, 6);
	}
	return true;
}

static bool put_override(const struct fl_question *q, const struct fl_decision *d, struct fl__out *o)
{
	struct fl_dname target;

	if (d->rule && d->rule->override_type != FL_OVERRIDE_CNAME)
		return fl_override_answers(d->rule, q->qtype) ? put_addresses(d->rule, d->ttl, o) : put_soa(q, soa_skip(q, d), (uint32_t)d->list_version, d->ttl, o);

	if (!d->override_domain || !fl_dname_from_text(fl_span_str(d->override_domain), &target))
		return false;
	if (!put_u16(o, 0xc000 | FL__DNS_HEADER) || !put_u16(o, FL__T_CNAME) || !put_u16(o, FL__CLASS_IN) || !put_u32(o, d->ttl) ||
	    !put_u16(o, target.len) || !put(o, target.b, target.len))
		return false;
	count_up(o, 6);
	return true;
}

void fl__answer_block(const struct fl_question *q, const struct fl_decision *d, struct fl__remark remark, struct fl__out *o)
{
	unsigned rcode = d->response == FL_BLOCK_NXDOMAIN ? FL__NXDOMAIN : d->response == FL_BLOCK_SERVFAIL ? FL__SERVFAIL : FL__NOERROR;
	bool whole = true;

	begin(q, rcode, o);
	if (d->response == FL_BLOCK_OVERRIDE)
		whole = put_override(q, d, o);
	else if (d->response != FL_BLOCK_SERVFAIL)
		whole = put_soa(q, soa_skip(q, d), (uint32_t)d->list_version, d->ttl, o);
	if (!whole || !put_opt(q, rcode, remark, o))
		fl__answer_truncated(q, rcode, remark, o);
}

void fl__answer_negative(const struct fl_question *q, unsigned rcode, size_t skip, uint32_t ttl, struct fl__remark remark, struct fl__out *o)
{
	begin(q, rcode, o);
	if (!put_soa(q, skip, 1, ttl, o) || !put_opt(q, rcode, remark, o))
		fl__answer_truncated(q, rcode, remark, o);
}

void fl__answer_record(const struct fl_question *q, uint16_t type, uint32_t ttl, struct fl_span rdata, struct fl__out *o)
{
	begin(q, FL__NOERROR, o);
	if (put_u16(o, 0xc000 | FL__DNS_HEADER) && put_u16(o, type) && put_u16(o, FL__CLASS_IN) && put_u32(o, ttl) && put_u16(o, (uint16_t)rdata.n) &&
	    put(o, rdata.p, rdata.n))
		count_up(o, 6);
	if (!fl__be16(o->p + 6) || !put_opt(q, FL__NOERROR, FL__NO_REMARK, o))
		fl__answer_truncated(q, FL__NOERROR, FL__NO_REMARK, o);
}

static void age(uint8_t *msg, const struct fl_answer *a, uint32_t seconds, bool stale)
{
	for (unsigned i = 0; i < a->n_ttls; i++) {
		uint8_t *at = msg + a->ttl_at[i];
		uint32_t ttl = fl__be32(at);

		fl__put32(at, stale ? STALE_TTL : ttl > seconds ? ttl - seconds : 0);
	}
}

void fl__answer_kept(const struct fl_question *q, const struct fl_answer *a, fl_mono_ns now, bool stale, struct fl__remark remark, struct fl__out *o)
{
	int64_t seconds = now > a->stored ? (now - a->stored) / FL_NS_PER_S : 0;
	bool authentic = a->authentic && !stale && (q->dnssec_ok || q->flags & FL__F_AD); /* RFC 6840, 5.7 */

	if (a->msg_len > o->cap) {
		fl__answer_truncated(q, a->rcode, remark, o);
		return;
	}
	memcpy(o->p, a->msg, a->msg_len);
	o->n = a->msg_len;
	fl__put16(o->p, q->id);
	fl__put16(o->p + 2, (uint16_t)(response_flags(q, a->rcode) | (authentic ? FL__F_AD : 0)));
	memcpy(o->p + FL__DNS_HEADER, q->raw, q->name.len);
	age(o->p, a, seconds > UINT32_MAX ? UINT32_MAX : (uint32_t)seconds, stale);
	if (!put_opt(q, a->rcode, remark, o))
		fl__answer_truncated(q, a->rcode, remark, o);
}

void fl__answer_txt(const struct fl_question *q, const char *text, struct fl__out *o)
{
	size_t n = text ? strlen(text) : 0;
	uint8_t len = (uint8_t)(n > 255 ? 255 : n);

	begin(q, FL__NOERROR, o);
	if (text && put_u16(o, 0xc000 | FL__DNS_HEADER) && put_u16(o, FL__T_TXT) && put_u16(o, FL__CLASS_IN) && put_u32(o, 0) &&
	    put_u16(o, (uint16_t)(len + 1)) && put(o, &len, 1) && put(o, text, len))
		count_up(o, 6);
	else if (text) {
		fl__answer_truncated(q, FL__NOERROR, FL__NO_REMARK, o);
		return;
	}
	put_opt(q, FL__NOERROR, FL__NO_REMARK, o);
}

bool fl__client_private(const struct fl_client *c)
{
	const uint8_t *a = c->addr;

	if (!c->v6)
		return a[0] == 10 || a[0] == 127 || (a[0] == 172 && (a[1] & 0xf0) == 16) || (a[0] == 192 && a[1] == 168) ||
		       (a[0] == 169 && a[1] == 254) || (a[0] == 100 && (a[1] & 0xc0) == 64);
	return (a[0] & 0xfe) == 0xfc || (a[0] == 0xfe && (a[1] & 0xc0) == 0x80) || memcmp(a, &(const uint8_t[16]){ [15] = 1 }, 16) == 0;
}

struct fl__remark fl__ede_block(const struct fl__ede_style *style, const struct fl_client *client, const struct fl_decision *d, const char *ref,
				char buf[FL__EDE_TEXT])
{
	struct fl__remark r = { FL__EDE_BLOCKED, buf };
	bool full = style->text == FL_EDE_FULL || (style->text == FL_EDE_AUTO && fl__client_private(client));
	const char *group = d->rule_group ? d->rule_group : "operator";

	if (style->text == FL_EDE_OFF)
		return FL__NO_REMARK;
	if (d->response == FL_BLOCK_OVERRIDE)
		r.ede = FL__EDE_FORGED;
	if (d->response == FL_BLOCK_SERVFAIL)
		r.ede = FL__EDE_NOT_READY;
	if (!full)
		snprintf(buf, FL__EDE_TEXT, "ref=%s", ref);
	else if (d->rule) /* names have 64 octets at most, so the reference always fits; a long contact may be cut */
		snprintf(buf, FL__EDE_TEXT, "list=%.64s rule=%.64s/%u v=%llu ref=%s%s%s", d->list ? d->list : "", group, d->rule->priority,
			 (unsigned long long)d->list_version, ref, style->contact[0] ? " contact=" : "", style->contact);
	else
		snprintf(buf, FL__EDE_TEXT, "list=%.64s rule=%.64s v=%llu ref=%s", d->list ? d->list : "", group,
			 (unsigned long long)d->list_version, ref);
	return r;
}
