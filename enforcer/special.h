/* Names that are answered here and never forwarded: special-use names (RFC 6761 and what followed it), reverse zones of private and reserved addresses (RFC 6303, 7793), and the canary
 * of encrypted DNS in browsers. A zone of `upstreams` at or below such a name is forwarded all the same: who writes it there means it. */
#pragma once
#include "enforcer/answer.h"

enum fl__special_kind {
	FL__SPECIAL_NONE,
	FL__SPECIAL_ABSENT,    /* does not exist: NXDOMAIN, at the name itself too */
	FL__SPECIAL_EMPTY,     /* an empty zone: NODATA at its name, NXDOMAIN below; its DS is in the parent, and is asked for there */
	FL__SPECIAL_NODATA,    /* exists, and has no records */
	FL__SPECIAL_LOCALHOST, /* the loopback addresses */
	FL__SPECIAL_LOOPBACK,  /* the loopback's reverse zone: PTR localhost at 1.0.0.127 and at ::1 */
};
struct fl__special {
	enum fl__special_kind kind;
	uint8_t top_len; /* octets of the key of its zone */
};
/** What the key's name is; FL__SPECIAL_NONE in a few comparisons for nearly every name. */
struct fl__special fl__special_find(struct fl_span key);
/** use-application-dns.net and what is below it. */
bool fl__special_canary(struct fl_span key);
/** False: this question is for others (a DS at the top of an empty zone). */
bool fl__special_answer(const struct fl_question *q, struct fl__special s, struct fl__out *o);
