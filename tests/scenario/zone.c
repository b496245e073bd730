/* The Internet, as a forwarder answers it: every name has an address, but those that a scenario speaks of. */
#include <arpa/inet.h>
#include <string.h>

#include "scenario.h"

enum { RECORDS = 32, HOPS = 12 };

struct record {
	struct fl_dname owner, target;
	enum { REC_ADDRESS, REC_CNAME, REC_NXDOMAIN } kind;
	uint8_t address[4];
};
struct scn_zone {
	struct record v[RECORDS];
	size_t n;
};

struct scn_zone *scn_zone_new(void)
{
	struct scn_zone *z = calloc(1, sizeof(*z));

	if (!z)
		abort();
	return z;
}

void scn_zone_free(struct scn_zone *z)
{
	free(z);
}

static struct record *find(struct scn_zone *z, const struct fl_dname *owner)
{
	for (size_t i = 0; i < z->n; i++)
		if (fl__dname_eq(&z->v[i].owner, owner))
			return &z->v[i];
	return NULL;
}

const char *scn_zone_set(struct scn_zone *z, const char *name, const char *type, const char *value)
{
	struct record r = { 0 }, *at;

	if (!name || !type || !fl_dname_from_text(fl_span_str(name), &r.owner))
		return "zone NAME A ADDRESS | zone NAME CNAME TARGET | zone NAME NXDOMAIN";
	if (strcmp(type, "NXDOMAIN") == 0)
		r.kind = REC_NXDOMAIN;
	else if (strcmp(type, "CNAME") == 0 && value && fl_dname_from_text(fl_span_str(value), &r.target))
		r.kind = REC_CNAME;
	else if (strcmp(type, "A") != 0 || !value || inet_pton(AF_INET, value, r.address) != 1)
		return "this is no record";
	at = find(z, &r.owner);
	if (!at && z->n == RECORDS)
		return "the zone is full";
	if (!at)
		at = &z->v[z->n++];
	*at = r;
	return NULL;
}

static void put(struct fl_buf *out, const struct fl_dname *owner, uint16_t type, const void *rdata, uint16_t n)
{
	uint8_t h[10];

	fl__put16(h, type);
	fl__put16(h + 2, FL__CLASS_IN);
	fl__put32(h + 4, 300);
	fl__put16(h + 8, n);
	fl_buf_add(out, owner->b, owner->len);
	fl_buf_add(out, h, sizeof(h));
	fl_buf_add(out, rdata, n);
}

/* The chain of the question; returns the number of records, *rcode is set. */
static uint16_t follow(struct scn_zone *z, const struct fl_question *q, struct fl_buf *out, unsigned *rcode)
{
	static const uint8_t v4[4] = { 198, 51, 100, 80 }, v6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 80 };
	struct fl_dname at = q->name;
	uint16_t n = 0;

	*rcode = FL__NOERROR;
	for (int hop = 0; hop < HOPS; hop++) {
		const struct record *r = find(z, &at);

		if (r && r->kind == REC_NXDOMAIN) {
			*rcode = FL__NXDOMAIN;
			return n;
		}
		if (!r || r->kind != REC_CNAME) {
			bool v4_wanted = q->qtype == FL__T_A || q->qtype == FL__T_ANY;

			if (v4_wanted)
				put(out, &at, FL__T_A, r ? r->address : v4, 4);
			else if (q->qtype == FL__T_AAAA)
				put(out, &at, FL__T_AAAA, v6, 16);
			return n + (v4_wanted || q->qtype == FL__T_AAAA);
		}
		put(out, &at, FL__T_CNAME, r->target.b, r->target.len);
		n++;
		if (q->qtype == FL__T_CNAME)
			return n;
		at = r->target;
	}
	return n;
}

int scn_zone_answer(void *ctx, const char *address, bool tcp, struct fl_span query, struct fl_buf *reply)
{
	struct scn *s = ctx;
	struct fl_question q;
	unsigned rcode;
	uint16_t n;

	(void)address, (void)tcp;
	if (s->upstream_down)
		return FL_ELIMIT; /* mute: the deadline ends it */
	if (fl__question_parse(query, &q) != FL__PARSED_OK)
		return FL_EUNAVAIL;
	fl_buf_add(reply, query.p, FL__DNS_HEADER + q.name.len + 4u);
	n = follow(s->zone, &q, reply, &rcode);
	if (reply->failed)
		abort();
	fl__put16(reply->p + 2, (uint16_t)(FL__F_QR | FL__F_RD | FL__F_RA | rcode));
	fl__put16(reply->p + 6, n);
	fl__put16(reply->p + 8, 0);
	fl__put16(reply->p + 10, 0);
	return 0;
}
