/* The parser that faces clients. Strict where a question is concerned (RFC 1035, 6891, 9619), liberal in what it ignores: records that do not matter are skipped, not
 * judged. The order of the checks is the order of the answers: silence, NOTIMP, FORMERR, BADVERS, REFUSED. */
#include "enforcer/dns.h"

enum { JUMPS_MAX = 64 }; /* compression pointers in one name */

static inline uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

void fl__dname_lower(struct fl_dname *d)
{
	for (unsigned i = 0; i < d->len; i++)
		d->b[i] = lower(d->b[i]); /* length octets are below 64: never a letter */
}

bool fl__dname_eq(const struct fl_dname *a, const struct fl_dname *b)
{
	if (a->len != b->len)
		return false;
	for (unsigned i = 0; i < a->len; i++)
		if (lower(a->b[i]) != lower(b->b[i]))
			return false;
	return true;
}

bool fl__dname_below_or_at(const struct fl_dname *d, const struct fl_dname *top, size_t *prefix)
{
	size_t at = 0, skip;

	if (top->len > d->len)
		return false;
	skip = (size_t)d->len - top->len;
	while (at < skip)
		at += 1u + d->b[at];
	if (at != skip)
		return false;
	for (size_t i = 0; i < top->len; i++)
		if (lower(d->b[skip + i]) != lower(top->b[i]))
			return false;
	*prefix = skip;
	return true;
}

void fl__key_from_dname(const struct fl_dname *d, struct fl_rkey *out)
{
	size_t at = 0, end = d->len - 1u;

	/* filled from its end: the first label of the name is the last of the key */
	out->len = (uint8_t)end;
	while (at < d->len && d->b[at]) {
		unsigned n = d->b[at];
		uint8_t *to = out->b + end - n - 1;

		for (unsigned i = 0; i < n; i++)
			to[i] = d->b[at + 1 + i] ? d->b[at + 1 + i] : 1;
		to[n] = 0;
		end -= n + 1;
		at += n + 1;
	}
}

bool fl__name_read(struct fl_span msg, size_t *pos, struct fl_dname *out)
{
	size_t at = *pos, limit = *pos, n = 0;
	unsigned jumps = 0;

	for (;;) {
		unsigned len;

		if (at >= msg.n)
			return false;
		len = msg.p[at];
		if ((len & 0xc0) == 0xc0) {
			size_t to;

			if (at + 2 > msg.n)
				return false;
			to = (size_t)(len & 0x3f) << 8 | msg.p[at + 1];
			if (to >= limit || jumps >= JUMPS_MAX) /* strictly backwards, so it ends; few, so it ends soon */
				return false;
			if (jumps++ == 0)
				*pos = at + 2;
			limit = at = to;
			continue;
		}
		if (len > 63 || at + 1 + len > msg.n || n + 1 + len > FL_DNAME_MAX)
			return false;
		memcpy(out->b + n, msg.p + at, 1 + len);
		n += 1 + len;
		at += 1 + len;
		if (len == 0)
			break;
	}
	if (jumps == 0)
		*pos = at;
	out->len = (uint8_t)n;
	return true;
}

bool fl__name_skip(struct fl_span msg, size_t *pos)
{
	size_t at = *pos;

	while (at < msg.n) {
		unsigned len = msg.p[at];

		if ((len & 0xc0) == 0xc0) {
			*pos = at + 2;
			return *pos <= msg.n;
		}
		if (len > 63 || at - *pos > FL_DNAME_MAX)
			return false;
		at += 1 + len;
		if (len == 0) {
			*pos = at;
			return at <= msg.n;
		}
	}
	return false;
}

bool fl__rr_read(struct fl_span msg, size_t *pos, struct fl__rr *out)
{
	const uint8_t *f;

	if (*pos > FL__MSG_MAX)
		return false;
	out->owner = (uint16_t)*pos;
	if (!fl__name_skip(msg, pos) || msg.n - *pos < 10)
		return false;
	f = msg.p + *pos;
	out->type = fl__be16(f);
	out->rclass = fl__be16(f + 2);
	out->ttl = fl__be32(f + 4);
	out->rdlen = fl__be16(f + 8);
	*pos += 10;
	if (msg.n - *pos < out->rdlen)
		return false;
	out->rdata = (uint16_t)*pos;
	*pos += out->rdlen;
	return true;
}

/* The question's name, no pointers: lower case into name, as sent into raw. */
static bool read_qname(struct fl_span pkt, size_t *pos, struct fl_question *q)
{
	size_t at = *pos, n = 0;

	for (;;) {
		unsigned len;

		if (at >= pkt.n)
			return false;
		len = pkt.p[at];
		if (len > 63 || n + 1 + len > FL_DNAME_MAX || at + 1 + len > pkt.n)
			return false;
		memcpy(q->raw + n, pkt.p + at, 1 + len);
		for (unsigned i = 0; i <= len; i++)
			q->name.b[n + i] = lower(pkt.p[at + i]);
		n += 1 + len;
		at += 1 + len;
		if (len == 0)
			break;
	}
	q->name.len = (uint8_t)n;
	*pos = at;
	return true;
}

/* A COOKIE of any other length is malformed (RFC 7873, 5.2.2). Of several options of one kind the first counts. */
static bool read_option(uint16_t code, const uint8_t *p, uint16_t n, struct fl_question *q)
{
	if (code == FL__OPTION_KEEPALIVE)
		q->keepalive = true;
	if (code != FL__OPTION_COOKIE || q->cookie_len)
		return true;
	if (n != FL__COOKIE_CLIENT && (n < 2 * FL__COOKIE_CLIENT || n > FL__COOKIE_MAX))
		return false;
	memcpy(q->cookie, p, n);
	q->cookie_len = (uint8_t)n;
	return true;
}

static bool read_options(const uint8_t *p, size_t n, struct fl_question *q)
{
	while (n >= 4) {
		size_t len = 4u + fl__be16(p + 2);

		if (len > n || !read_option(fl__be16(p), p + 4, (uint16_t)(len - 4), q))
			return false;
		p += len;
		n -= len;
	}
	return n == 0;
}

/* The OPT record (RFC 6891, 6.1): at most one, at the root, in the additional section. */
static int read_opt(struct fl_span pkt, const struct fl__rr *rr, bool additional, struct fl_question *q)
{
	if (!additional || q->edns || pkt.p[rr->owner] != 0)
		return FL__FORMERR;
	q->edns = true;
	q->dnssec_ok = rr->ttl & 0x8000;
	q->udp_size = rr->rclass < FL__UDP_PLAIN ? FL__UDP_PLAIN : rr->rclass > FL__UDP_SIZE ? FL__UDP_SIZE : rr->rclass;
	if (rr->ttl >> 16 & 0xff) /* options of a version that we do not know are not read */
		return FL__BADVERS;
	return read_options(pkt.p + rr->rdata, rr->rdlen, q) ? FL__PARSED_OK : FL__FORMERR;
}

static int read_rest(struct fl_span pkt, size_t pos, unsigned before, unsigned additional, struct fl_question *q)
{
	int verdict = FL__PARSED_OK;

	if (before + additional > 64)
		return FL__FORMERR;
	for (unsigned i = 0; i < before + additional; i++) {
		struct fl__rr rr;
		int ret;

		if (!fl__rr_read(pkt, &pos, &rr))
			return FL__FORMERR;
		if (rr.type != FL__T_OPT)
			continue;
		ret = read_opt(pkt, &rr, i >= before, q);
		if (ret == FL__FORMERR)
			return ret;
		if (ret)
			verdict = ret;
	}
	return pos == pkt.n ? verdict : FL__FORMERR;
}

/* Types that are no question to a resolver. */
static int judge_type(uint16_t qtype)
{
	switch (qtype) {
	case 0:
	case FL__T_OPT:
		return FL__FORMERR;
	case FL__T_AXFR:
	case FL__T_IXFR:
		return FL__REFUSED;
	case FL__T_TKEY:
	case FL__T_TSIG:
	case FL__T_MAILA:
	case FL__T_MAILB:
		return FL__NOTIMP;
	default:
		return FL__PARSED_OK;
	}
}

static bool read_question(struct fl_span pkt, size_t *pos, struct fl_question *q)
{
	if (!read_qname(pkt, pos, q) || pkt.n - *pos < 4)
		return false;
	q->qtype = fl__be16(pkt.p + *pos);
	q->qclass = fl__be16(pkt.p + *pos + 2);
	*pos += 4;
	q->has_name = true;
	fl__key_from_dname(&q->name, &q->key);
	return true;
}

/* Another opcode is answered with NOTIMP; its question and its OPT are read as far as they can be, so that the answer repeats them. */
static int other_opcode(struct fl_span pkt, struct fl_question *q)
{
	size_t pos = FL__DNS_HEADER;
	unsigned n = fl__be16(pkt.p + 4);

	if (n > 1 || (n == 1 && !read_question(pkt, &pos, q)))
		return FL__NOTIMP;
	read_rest(pkt, pos, (unsigned)fl__be16(pkt.p + 6) + fl__be16(pkt.p + 8), fl__be16(pkt.p + 10), q);
	return FL__NOTIMP;
}

uint16_t fl__ede_read(struct fl_span msg)
{
	size_t pos = FL__DNS_HEADER;
	struct fl__rr rr;
	unsigned n;

	if (msg.n < FL__DNS_HEADER)
		return FL__EDE_NONE;
	for (n = fl__be16(msg.p + 4); n; n--, pos += 4)
		if (!fl__name_skip(msg, &pos))
			return FL__EDE_NONE;
	for (n = (unsigned)fl__be16(msg.p + 6) + fl__be16(msg.p + 8) + fl__be16(msg.p + 10); n && pos < msg.n && fl__rr_read(msg, &pos, &rr); n--) {
		const uint8_t *p = msg.p + rr.rdata;

		if (rr.type != FL__T_OPT)
			continue;
		for (size_t left = rr.rdlen, len; left >= 4 && (len = 4u + fl__be16(p + 2)) <= left; left -= len, p += len)
			if (fl__be16(p) == FL__OPTION_EDE && len >= 6)
				return fl__be16(p + 4);
	}
	return FL__EDE_NONE;
}

int fl__question_parse(struct fl_span pkt, struct fl_question *q)
{
	size_t pos = FL__DNS_HEADER;
	int verdict;

	q->has_name = q->edns = q->dnssec_ok = q->keepalive = q->cookie_out = false;
	q->cookie_len = 0;
	q->keepalive_out = 0;
	q->udp_size = FL__UDP_PLAIN;
	q->qtype = q->qclass = 0;
	if (pkt.n < FL__DNS_HEADER)
		return FL__PARSED_DROP;
	q->id = fl__be16(pkt.p);
	q->flags = fl__be16(pkt.p + 2);
	if (q->flags & FL__F_QR)
		return FL__PARSED_DROP;
	if (q->flags & FL__F_OPCODE)
		return other_opcode(pkt, q);
	if (fl__be16(pkt.p + 4) > 1) /* RFC 9619 */
		return FL__FORMERR;
	if (fl__be16(pkt.p + 4) == 0) {
		verdict = read_rest(pkt, pos, (unsigned)fl__be16(pkt.p + 6) + fl__be16(pkt.p + 8), fl__be16(pkt.p + 10), q);
		return verdict ? verdict : q->cookie_len ? FL__PARSED_PING : FL__FORMERR;
	}
	if (!read_question(pkt, &pos, q))
		return FL__FORMERR;
	verdict = read_rest(pkt, pos, (unsigned)fl__be16(pkt.p + 6) + fl__be16(pkt.p + 8), fl__be16(pkt.p + 10), q);
	if (verdict)
		return verdict;
	if (q->qclass != FL__CLASS_IN)
		return FL__REFUSED;
	return judge_type(q->qtype);
}
