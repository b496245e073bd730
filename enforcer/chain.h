/* Reads an upstream's answer: which records lie on the CNAME and DNAME chain of the question, and nothing else is kept (a forwarder caches no record that it did
 * not ask for). Authority only for negative answers: the SOA, and with DO its proofs. Pure. Start reading at chain.c:fl__chain_read(). */
#pragma once
#include "enforcer/answer.h"

struct fl__ttl_limits {
	uint32_t min_s, max_s, negative_max_s, stale_s;
};
/* The question as it was asked. */
struct fl__asked {
	const struct fl_dname *name; /* lower case */
	uint16_t qtype;
	bool dnssec_ok, checking_disabled;
};
struct fl__chain_scratch; /* about 100 KiB, one a resolve thread */
struct fl__chain_scratch *fl__chain_scratch_new(void);
void fl__chain_scratch_free(struct fl__chain_scratch *s);

/**
 * Makes the kept form of a reply with rcode NOERROR or NXDOMAIN whose header and question were checked. expires <= now: good for this question only.
 * FL_EFORMAT: not a sound message, a loop, over 11 names or 1,024 records; FL_ENOMEM.
 */
int fl__chain_read(struct fl__chain_scratch *s, struct fl_span msg, const struct fl__asked *asked, const struct fl__ttl_limits *limits, fl_mono_ns now,
		   struct fl_answer **out);
/** The last name of the chain that was read last; only after success, until the next read. */
const struct fl_dname *fl__chain_end(const struct fl__chain_scratch *s);
/**
 * The message that an upstream would have sent that follows chains itself: `head`, which dangles, and behind it the records of `tail`, which answers for its end.
 * Written to out (FL__MSG_MAX octets); its length, or 0 when it does not fit. To be read with the question of head.
 */
size_t fl__chain_join(const struct fl_answer *head, const struct fl_answer *tail, uint8_t *out);
void fl__answer_free(struct fl_answer *a);
