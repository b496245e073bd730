/* The chain of an answer. The reply's sections are read once into arrays; then the chain is followed from the question, and each record on it is written anew:
 * owner names point to the name they equal, names inside RDATA of the types that may be compressed (RFC 3597, section 4) are written out. */
#include "enforcer/chain.h"
#include "enforcer/inside.h"

struct rrs {
	unsigned n;
	struct fl__rr v[FL__RRS_MAX];
};
struct fl__chain_scratch {
	struct rrs answer, authority;
	bool taken[FL__RRS_MAX]; /* of answer */
	uint16_t ttl_at[2 * FL__RRS_MAX];
	unsigned n_ttls, n_answers, n_authority;
	uint8_t out[FL__MSG_MAX];
	size_t n_out;
	struct fl_dname hops[FL__CHAIN_MAX]; /* names after the question, lower case */
	unsigned n_hops;
	uint32_t min_ttl;
	bool inside; /* a record holds an address of a private network */
};

struct fl__chain_scratch *fl__chain_scratch_new(void)
{
	return calloc(1, sizeof(struct fl__chain_scratch));
}
void fl__chain_scratch_free(struct fl__chain_scratch *s)
{
	free(s);
}
void fl__answer_free(struct fl_answer *a)
{
	free(a);
}

/* RDATA of the types whose names a sender may compress: octets, names, octets. */
static const struct shape {
	uint16_t type;
	uint8_t before, names; /* what follows the names is copied */
} shapes[] = {
	{ FL__T_NS, 0, 1 }, { 3, 0, 1 }, { 4, 0, 1 }, { FL__T_CNAME, 0, 1 }, { FL__T_SOA, 0, 2 }, { 7, 0, 1 }, { 8, 0, 1 }, { 9, 0, 1 },
	{ FL__T_PTR, 0, 1 }, { 14, 0, 2 }, { FL__T_MX, 2, 1 }, { 17, 0, 2 }, { 18, 2, 1 }, { 21, 2, 1 }, { 24, 18, 1 }, { 26, 2, 2 },
	{ 30, 0, 1 }, { 33, 6, 1 }, { 36, 2, 1 }, { FL__T_DNAME, 0, 1 }, { FL__T_RRSIG, 18, 1 },
};

static const struct shape *shape_of(uint16_t type)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		if (shapes[i].type == type)
			return &shapes[i];
	return NULL;
}

static bool read_section(struct fl_span msg, size_t *pos, unsigned count, struct rrs *out)
{
	if (count > FL__RRS_MAX)
		return false;
	for (out->n = 0; out->n < count; out->n++)
		if (!fl__rr_read(msg, pos, &out->v[out->n]))
			return false;
	return true;
}

/* A name that is the whole rdata. */
static bool rdata_name(struct fl_span msg, const struct fl__rr *rr, struct fl_dname *out)
{
	size_t pos = rr->rdata;

	return fl__name_read(fl_span(msg.p, (size_t)rr->rdata + rr->rdlen), &pos, out) && pos == (size_t)rr->rdata + rr->rdlen;
}

static bool put(struct fl__chain_scratch *s, const void *p, size_t n)
{
	if (sizeof(s->out) - s->n_out < n)
		return false;
	memcpy(s->out + s->n_out, p, n);
	s->n_out += n;
	return true;
}

static bool put_rdata(struct fl__chain_scratch *s, struct fl_span msg, const struct fl__rr *rr)
{
	const struct shape *shape = shape_of(rr->type);
	size_t pos = rr->rdata, end = (size_t)rr->rdata + rr->rdlen, len_at = s->n_out;
	struct fl_dname name;

	if (!put(s, "\0", 2))
		return false;
	if (shape) {
		if (rr->rdlen < shape->before || !put(s, msg.p + pos, shape->before))
			return false;
		pos += shape->before;
		for (unsigned i = 0; i < shape->names; i++)
			if (!fl__name_read(fl_span(msg.p, end), &pos, &name) || !put(s, name.b, name.len))
				return false;
	}
	if (!put(s, msg.p + pos, end - pos) || s->n_out - len_at - 2 > UINT16_MAX)
		return false;
	fl__put16(s->out + len_at, (uint16_t)(s->n_out - len_at - 2));
	return true;
}

static uint32_t clamp_ttl(uint32_t ttl, uint32_t min, uint32_t max)
{
	if (ttl > INT32_MAX) /* RFC 2181, section 8 */
		ttl = 0;
	return ttl < min ? min : ttl > max ? max : ttl;
}

/* One record: the owner is written as a pointer to the question when it equals it. */
static bool put_rr(struct fl__chain_scratch *s, struct fl_span msg, const struct fl__rr *rr, const struct fl_dname *owner, const struct fl__asked *asked,
		   uint32_t ttl)
{
	uint8_t fixed[8];

	if (fl__dname_eq(owner, asked->name)) {
		if (!put(s, (const uint8_t[]){ 0xc0, FL__DNS_HEADER }, 2))
			return false;
	} else if (!put(s, owner->b, owner->len)) {
		return false;
	}
	fl__put16(fixed, rr->type);
	fl__put16(fixed + 2, rr->rclass);
	fl__put32(fixed + 4, ttl);
	if (s->n_out + 4 > UINT16_MAX || !put(s, fixed, sizeof(fixed)))
		return false;
	s->ttl_at[s->n_ttls++] = (uint16_t)(s->n_out - 4);
	if (ttl < s->min_ttl)
		s->min_ttl = ttl;
	return put_rdata(s, msg, rr);
}

static bool take(struct fl__chain_scratch *s, struct fl_span msg, unsigned i, const struct fl_dname *owner, const struct fl__asked *asked,
		 const struct fl__ttl_limits *limits)
{
	const struct fl__rr *rr = &s->answer.v[i];

	s->taken[i] = true;
	s->n_answers++;
	s->inside = s->inside || fl__leads_inside(msg, rr);
	return put_rr(s, msg, rr, owner, asked, clamp_ttl(rr->ttl, limits->min_s, limits->max_s));
}

static bool hop_to(struct fl__chain_scratch *s, const struct fl__asked *asked, const struct fl_dname *target)
{
	if (s->n_hops == FL__CHAIN_MAX || fl__dname_eq(target, asked->name))
		return false;
	for (unsigned i = 0; i < s->n_hops; i++)
		if (fl__dname_eq(target, &s->hops[i]))
			return false;
	s->hops[s->n_hops] = *target;
	fl__dname_lower(&s->hops[s->n_hops++]);
	return true;
}

/* `name` with the DNAME's owner replaced by its target (RFC 6672). */
static bool substitute(const struct fl_dname *name, size_t prefix, const struct fl_dname *target, struct fl_dname *out)
{
	if (prefix + target->len > FL_DNAME_MAX)
		return false;
	memcpy(out->b, name->b, prefix);
	memcpy(out->b + prefix, target->b, target->len);
	out->len = (uint8_t)(prefix + target->len);
	return true;
}

enum step { STEP_END, STEP_ON, STEP_BAD };

struct seen {
	bool cname, dname;
	struct fl_dname cname_target, dname_target;
};

/* Does a record that lies on `cur` belong into the answer? */
static bool wanted(const struct fl__asked *asked, const struct fl__rr *rr)
{
	if (rr->type == asked->qtype || asked->qtype == FL__T_ANY || rr->type == FL__T_CNAME)
		return true;
	return rr->type == FL__T_RRSIG && asked->dnssec_ok;
}

/* A DNAME above `cur`. */
static bool take_dname(struct fl__chain_scratch *s, struct fl_span msg, unsigned i, const struct fl_dname *cur, const struct fl_dname *owner, size_t prefix,
		       const struct fl__asked *asked, const struct fl__ttl_limits *limits, struct seen *seen)
{
	struct fl_dname target;

	if (s->answer.v[i].type == FL__T_RRSIG)
		return !asked->dnssec_ok || take(s, msg, i, owner, asked, limits);
	if (!rdata_name(msg, &s->answer.v[i], &target) || !substitute(cur, prefix, &target, &seen->dname_target))
		return false;
	seen->dname = true;
	return take(s, msg, i, owner, asked, limits);
}

/* Is an RRSIG over a DNAME? Its first field is the type covered. */
static bool covers_dname(struct fl_span msg, const struct fl__rr *rr)
{
	return rr->type == FL__T_RRSIG && rr->rdlen >= 2 && fl__be16(msg.p + rr->rdata) == FL__T_DNAME;
}

/* Takes all records that lie on `cur`, and says where the chain goes. */
static enum step follow(struct fl__chain_scratch *s, struct fl_span msg, const struct fl_dname *cur, const struct fl__asked *asked,
			const struct fl__ttl_limits *limits)
{
	struct seen seen = { 0 };

	for (unsigned i = 0; i < s->answer.n; i++) {
		const struct fl__rr *rr = &s->answer.v[i];
		size_t pos = rr->owner, prefix;
		struct fl_dname owner;

		if (s->taken[i] || rr->rclass != FL__CLASS_IN)
			continue;
		if (!fl__name_read(msg, &pos, &owner))
			return STEP_BAD;
		if (!fl__dname_below_or_at(cur, &owner, &prefix))
			continue;
		if (prefix == 0 ? !wanted(asked, rr) : rr->type != FL__T_DNAME && !covers_dname(msg, rr))
			continue;
		if (prefix == 0 && rr->type == FL__T_CNAME) {
			if (seen.cname) /* two CNAMEs at one name: no server may do that */
				return STEP_BAD;
			seen.cname = true;
			if (!rdata_name(msg, rr, &seen.cname_target))
				return STEP_BAD;
		}
		if (prefix ? !take_dname(s, msg, i, cur, &owner, prefix, asked, limits, &seen) : !take(s, msg, i, &owner, asked, limits))
			return STEP_BAD;
	}
	if (!seen.cname && !seen.dname)
		return STEP_END;
	if (!hop_to(s, asked, seen.cname ? &seen.cname_target : &seen.dname_target))
		return STEP_BAD;
	return asked->qtype == FL__T_CNAME || asked->qtype == FL__T_ANY ? STEP_END : STEP_ON;
}

/* Is there anything at the end of the chain? Then the answer is positive. */
static bool ends_in_data(const struct fl__chain_scratch *s, struct fl_span msg, const struct fl_dname *end, const struct fl__asked *asked)
{
	for (unsigned i = 0; i < s->answer.n; i++) {
		size_t pos = s->answer.v[i].owner;
		struct fl_dname owner;

		if (s->taken[i] && (s->answer.v[i].type == asked->qtype || asked->qtype == FL__T_ANY) && fl__name_read(msg, &pos, &owner) &&
		    fl__dname_eq(&owner, end))
			return true;
	}
	return false;
}

static bool soa_minimum(struct fl_span msg, const struct fl__rr *rr, uint32_t *out)
{
	size_t end = (size_t)rr->rdata + rr->rdlen, pos = rr->rdata;
	struct fl_dname name;

	if (!fl__name_read(fl_span(msg.p, end), &pos, &name) || !fl__name_read(fl_span(msg.p, end), &pos, &name) || end - pos != 20)
		return false;
	*out = fl__be32(msg.p + pos + 16);
	return true;
}

/* The SOA of a negative answer, and with DO the proofs beside it. Without a SOA a negative answer is not kept (RFC 2308, section 5). */
static bool take_authority(struct fl__chain_scratch *s, struct fl_span msg, const struct fl_dname *end, const struct fl__asked *asked,
			   const struct fl__ttl_limits *limits, bool negative, bool *soa)
{
	for (unsigned i = 0; i < s->authority.n; i++) {
		const struct fl__rr *rr = &s->authority.v[i];
		size_t pos = rr->owner, prefix;
		uint32_t ttl = rr->ttl, minimum;
		struct fl_dname owner;
		bool proof = asked->dnssec_ok && (rr->type == FL__T_NSEC || rr->type == FL__T_NSEC3 || rr->type == FL__T_RRSIG);

		if (rr->rclass != FL__CLASS_IN || !(proof || (negative && rr->type == FL__T_SOA && !*soa)))
			continue;
		if (!fl__name_read(msg, &pos, &owner))
			return false;
		if (rr->type == FL__T_SOA) {
			if (!fl__dname_below_or_at(end, &owner, &prefix))
				continue;
			if (!soa_minimum(msg, rr, &minimum))
				return false;
			ttl = ttl < minimum ? ttl : minimum;
			*soa = true;
		}
		if (!put_rr(s, msg, rr, &owner, asked, clamp_ttl(ttl, 0, limits->negative_max_s)))
			return false;
		s->n_authority++;
	}
	return true;
}

static bool put_question(struct fl__chain_scratch *s, const struct fl__asked *asked)
{
	uint8_t b[4];

	memset(s->out, 0, FL__DNS_HEADER);
	s->n_out = FL__DNS_HEADER;
	fl__put16(b, asked->qtype);
	fl__put16(b + 2, FL__CLASS_IN);
	return put(s, asked->name->b, asked->name->len) && put(s, b, 4);
}

static size_t chain_bytes(const struct fl__chain_scratch *s)
{
	size_t n = 0;

	for (unsigned i = 0; i < s->n_hops; i++)
		n += s->hops[i].len; /* one length octet, len - 1 of key */
	return n;
}

static uint8_t *write_chain(const struct fl__chain_scratch *s, uint8_t *to)
{
	for (unsigned i = 0; i < s->n_hops; i++) {
		struct fl_rkey key;

		fl__key_from_dname(&s->hops[i], &key);
		*to++ = key.len;
		memcpy(to, key.b, key.len);
		to += key.len;
	}
	return to;
}

/* One allocation holds it all. The offsets come first behind the struct: they want alignment. */
static struct fl_answer *freeze(struct fl__chain_scratch *s, const struct fl__asked *asked, unsigned rcode)
{
	size_t ttls = s->n_ttls * sizeof(uint16_t);
	size_t bytes = sizeof(struct fl_answer) + ttls + asked->name->len + chain_bytes(s) + s->n_out;
	struct fl_answer *a = malloc(bytes);
	uint8_t *at;

	if (!a)
		return NULL;
	memset(a, 0, sizeof(*a));
	at = (uint8_t *)(a + 1);
	memcpy(at, s->ttl_at, ttls);
	a->ttl_at = (const uint16_t *)(a + 1);
	at += ttls;
	a->name = memcpy(at, asked->name->b, asked->name->len);
	at += asked->name->len;
	a->chain = at;
	at = write_chain(s, at);
	fl__put16(s->out + 2, (uint16_t)(FL__F_QR | FL__F_RA | FL__F_RD | rcode));
	fl__put16(s->out + 4, 1);
	fl__put16(s->out + 6, (uint16_t)s->n_answers);
	fl__put16(s->out + 8, (uint16_t)s->n_authority);
	a->msg = memcpy(at, s->out, s->n_out);
	a->bytes = bytes;
	a->rcode = (uint8_t)rcode;
	a->n_chain = (uint8_t)s->n_hops;
	a->dnssec_ok = asked->dnssec_ok;
	a->checking_disabled = asked->checking_disabled;
	a->inside = s->inside;
	a->qtype = asked->qtype;
	a->n_ttls = (uint16_t)s->n_ttls;
	a->msg_len = (uint32_t)s->n_out;
	a->name_len = asked->name->len;
	return a;
}

static bool read_message(struct fl__chain_scratch *s, struct fl_span msg)
{
	size_t pos = FL__DNS_HEADER;

	if (msg.n < FL__DNS_HEADER || msg.n > FL__MSG_MAX || fl__be16(msg.p + 4) != 1)
		return false;
	if (!fl__name_skip(msg, &pos) || msg.n - pos < 4)
		return false;
	pos += 4;
	return read_section(msg, &pos, fl__be16(msg.p + 6), &s->answer) && read_section(msg, &pos, fl__be16(msg.p + 8), &s->authority);
}

int fl__chain_read(struct fl__chain_scratch *s, struct fl_span msg, const struct fl__asked *asked, const struct fl__ttl_limits *limits, fl_mono_ns now,
		   struct fl_answer **out)
{
	const struct fl_dname *cur = asked->name;
	enum step step = STEP_ON;
	bool negative, soa = false;
	unsigned rcode;
	struct fl_answer *a;

	if (!read_message(s, msg))
		return FL_EFORMAT;
	rcode = msg.p[3] & 15;
	memset(s->taken, 0, sizeof(s->taken));
	s->n_ttls = s->n_answers = s->n_authority = s->n_hops = 0;
	s->min_ttl = UINT32_MAX;
	s->inside = false;
	if (!put_question(s, asked))
		return FL_EFORMAT;
	while (step == STEP_ON) {
		step = follow(s, msg, cur, asked, limits);
		if (step == STEP_ON)
			cur = &s->hops[s->n_hops - 1];
	}
	if (step == STEP_BAD)
		return FL_EFORMAT;
	negative = rcode == FL__NXDOMAIN || !ends_in_data(s, msg, cur, asked);
	if (!take_authority(s, msg, cur, asked, limits, negative, &soa))
		return FL_EFORMAT;
	a = freeze(s, asked, rcode);
	if (!a)
		return FL_ENOMEM;
	a->negative = negative;
	a->dangling = negative && !soa && rcode == FL__NOERROR && s->n_hops && asked->qtype != FL__T_CNAME && asked->qtype != FL__T_ANY;
	a->stored = now;
	a->expires = now;
	if (s->min_ttl != UINT32_MAX && (!negative || soa))
		a->expires += (int64_t)s->min_ttl * FL_NS_PER_S;
	a->stale_until = a->expires > now ? a->expires + (int64_t)limits->stale_s * FL_NS_PER_S : now;
	*out = a;
	return 0;
}

const struct fl_dname *fl__chain_end(const struct fl__chain_scratch *s)
{
	return &s->hops[s->n_hops - 1];
}

/* Records of a kept message have no pointers but in owners, to its question; here they are written out. */
static bool join_records(struct fl_span from, size_t *pos, unsigned n, uint8_t *out, size_t *at)
{
	for (; n; n--) {
		struct fl_dname owner;
		struct fl__rr rr;
		size_t name, rest;

		if (!fl__rr_read(from, pos, &rr))
			return false;
		name = rr.owner;
		rest = 10u + rr.rdlen;
		if (!fl__name_read(from, &name, &owner) || *at + owner.len + rest > FL__MSG_MAX)
			return false;
		memcpy(out + *at, owner.b, owner.len);
		memcpy(out + *at + owner.len, from.p + rr.rdata - 10, rest);
		*at += owner.len + rest;
	}
	return true;
}

size_t fl__chain_join(const struct fl_answer *head, const struct fl_answer *tail, uint8_t *out)
{
	struct fl_span a = fl_span(head->msg, head->msg_len), b = fl_span(tail->msg, tail->msg_len);
	size_t pos = FL__DNS_HEADER, tail_pos = FL__DNS_HEADER, at;
	unsigned n = fl__be16(a.p + 6), tail_n = fl__be16(b.p + 6), authority = fl__be16(b.p + 8);

	if (!fl__name_skip(a, &pos) || !fl__name_skip(b, &tail_pos))
		return 0;
	pos += 4;
	tail_pos += 4;
	at = pos;
	memcpy(out, a.p, at);
	if (!join_records(a, &pos, n, out, &at) || !join_records(b, &tail_pos, tail_n + authority, out, &at))
		return 0;
	fl__put16(out + 2, (uint16_t)(FL__F_QR | FL__F_RD | FL__F_RA | tail->rcode));
	fl__put16(out + 6, (uint16_t)(n + tail_n));
	fl__put16(out + 8, (uint16_t)authority);
	fl__put16(out + 10, 0);
	return at;
}
