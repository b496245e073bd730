#include "enforcer/asking.h"
#include "enforcer/hash.h"

/* Case as entropy (0x20): the letter at i is upper case where this bit is set. 64 letters at random, more by stretching. */
static bool upper_at(uint64_t mix, unsigned i)
{
	return (i < 64 ? mix : fl__fold(mix, UINT64_C(0x9e3779b97f4a7c15) + i / 64)) >> i % 64 & 1;
}

static void mix_case(uint64_t mix, uint8_t *name, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (name[i] >= 'a' && name[i] <= 'z' && upper_at(mix, i)) /* length octets are no letters */
			name[i] ^= 0x20;
}

size_t fl__query_write(const struct fl_flight *f, const struct fl__try *t, uint8_t out[FL__QUERY_MAX])
{
	uint8_t *at = out;

	memset(out, 0, FL__DNS_HEADER);
	fl__put16(out, t->id);
	fl__put16(out + 2, (uint16_t)(FL__F_RD | (f->cd ? FL__F_CD : 0) | (f->group->trust_ad ? FL__F_AD : 0)));
	fl__put16(out + 4, 1);
	at += FL__DNS_HEADER;
	memcpy(at, f->ask.b, f->ask.len);
	mix_case(t->mix, at, f->ask.len);
	at += f->ask.len;
	fl__put16(at, f->qtype);
	fl__put16(at + 2, FL__CLASS_IN);
	at += 4;
	if (t->plain)
		return (size_t)(at - out);
	fl__put16(out + 10, 1);
	*at++ = 0;
	fl__put16(at, FL__T_OPT);
	fl__put16(at + 2, FL__UDP_SIZE);
	fl__put32(at + 4, f->dnssec_ok ? 0x8000 : 0);
	fl__put16(at + 8, 0);
	return (size_t)(at + 10 - out);
}

static enum fl__match question_match(const struct fl_flight *f, const struct fl__try *t, struct fl_span msg)
{
	size_t pos = FL__DNS_HEADER;
	struct fl_dname name, sent = f->ask;

	if (fl__be16(msg.p + 4) != 1 || !fl__name_read(msg, &pos, &name) || msg.n - pos < 4 || !fl__dname_eq(&name, &f->ask) ||
	    fl__be16(msg.p + pos) != f->qtype || fl__be16(msg.p + pos + 2) != FL__CLASS_IN)
		return FL__MATCH_QUESTION;
	mix_case(t->mix, sent.b, sent.len);
	return t->mix && memcmp(name.b, sent.b, sent.len) != 0 ? FL__MATCH_CASE : FL__MATCH;
}

enum fl__match fl__reply_match(const struct fl_flight *f, const struct fl__try *t, struct fl_span msg)
{
	unsigned rcode;

	if (msg.n < FL__DNS_HEADER || !(msg.p[2] & 0x80) || (msg.p[2] & 0x78))
		return FL__MATCH_FORMAT;
	if (fl__be16(msg.p) != t->id)
		return FL__MATCH_ID;
	rcode = msg.p[3] & 15;
	if ((rcode == FL__FORMERR || rcode == FL__NOTIMP) && fl__be16(msg.p + 4) == 0)
		return FL__MATCH;
	return question_match(f, t, msg);
}
