/* Answers to clients: errors, block answers, and answers kept from an upstream (struct fl_answer, immutable, shared under RCU by all threads).
 *
 *   fl_answer  [struct][key name][chain: length and key of each hop][offsets of TTLs][message: header, question, records, no OPT]
 *
 * A kept message has TTLs as they were when stored; ageing happens while copying. Id, RD, CD and the case of the name are the client's. */
#pragma once
#include "base/time.h"
#include "enforcer/dns.h"
#include "matcher/policy.h"

enum { FL__CHAIN_MAX = 11, FL__EDE_TEXT = 200 };

struct fl_answer {
	struct fl_answer *next; /* resolve thread only: list of the retired */
	fl_mono_ns stored, expires, stale_until;
	uint64_t hash;
	size_t bytes; /* of the allocation */
	uint8_t used; /* relaxed atomic: a worker answered from it */
	uint8_t rcode, n_chain;
	uint8_t refreshing; /* relaxed atomic: it was asked for anew, shortly before its end */
	bool dnssec_ok, checking_disabled, negative;
	bool authentic; /* AD, from an upstream that is trusted to say so */
	bool dangling;	/* ends in a CNAME or DNAME whose target the upstream left out */
	bool inside;	/* holds an address of a private network (inside.h) */
	uint16_t qtype, n_ttls;
	uint32_t msg_len;
	uint8_t name_len; /* of the key name, lower case wire form */
	const uint8_t *name, *chain, *msg;
	const uint16_t *ttl_at;
};
static inline struct fl_span fl__answer_hop(const uint8_t **at)
{
	struct fl_span s = fl_span(*at + 1, **at);

	*at += 1 + s.n;
	return s;
}

struct fl__out {
	uint8_t *p;
	size_t n, cap; /* cap: what the client takes */
};
/* What is said beside the records. */
struct fl__remark {
	uint16_t ede; /* FL__EDE_NONE: nothing */
	const char *text;
};
#define FL__NO_REMARK ((struct fl__remark){ FL__EDE_NONE, NULL })

/** An answer without records; rcode may be extended (BADVERS). The question is repeated when it was read. */
void fl__answer_error(const struct fl_question *q, unsigned rcode, struct fl__remark remark, struct fl__out *o);
/** The block answer of a decision: NXDOMAIN, NODATA, OVERRIDE or SERVFAIL. */
void fl__answer_block(const struct fl_question *q, const struct fl_decision *d, struct fl__remark remark, struct fl__out *o);
/** A kept answer, aged to `now`; stale: every TTL is 30 s. What does not fit becomes an empty answer with TC. */
void fl__answer_kept(const struct fl_question *q, const struct fl_answer *a, fl_mono_ns now, bool stale, struct fl__remark remark, struct fl__out *o);
/** An empty answer with TC: the client comes again over TCP. */
void fl__answer_truncated(const struct fl_question *q, unsigned rcode, struct fl__remark remark, struct fl__out *o);
/** NOERROR or NXDOMAIN without records; its SOA stands at the question's name without its first `skip` octets (a label's begin). */
void fl__answer_negative(const struct fl_question *q, unsigned rcode, size_t skip, uint32_t ttl, struct fl__remark remark, struct fl__out *o);
/** One record at the question's name. */
void fl__answer_record(const struct fl_question *q, uint16_t type, uint32_t ttl, struct fl_span rdata, struct fl__out *o);
/** NOERROR with one TXT string, or NODATA when text is NULL; TTL 0. */
void fl__answer_txt(const struct fl_question *q, const char *text, struct fl__out *o);

/* What the EDE of a block says (docs/formats/ede.md). */
struct fl__ede_style {
	enum fl_ede_text text;
	const char *contact; /* "" = none */
};
bool fl__client_private(const struct fl_client *c);
/** The remark of a block; text is written into buf. ref: 8 characters. */
struct fl__remark fl__ede_block(const struct fl__ede_style *style, const struct fl_client *client, const struct fl_decision *d, const char *ref,
				char buf[FL__EDE_TEXT]);
