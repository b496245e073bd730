/* The question as an upstream is asked it, and whether what comes back is a reply to it (RFC 5452, 9.1: address and port are the door's to check, id and question are here). */
#pragma once
#include "enforcer/flight.h"

enum { FL__QUERY_MAX = FL__DNS_HEADER + FL_DNAME_MAX + 4 + 11 };
/** RD, CD as the client's, EDNS with our size unless t->plain, DO as the client's, AD where it is believed; letters by t->mix. Returns the length. */
size_t fl__query_write(const struct fl_flight *f, const struct fl__try *t, uint8_t out[FL__QUERY_MAX]);

enum fl__match {
	FL__MATCH,
	FL__MATCH_FORMAT,   /* no response */
	FL__MATCH_ID,	    /* of another question */
	FL__MATCH_QUESTION, /* to another question */
	FL__MATCH_CASE,	    /* to this one, in letters that are not ours */
};
/** An error without a question section is a match too (RFC 1035: a server that could not read it). */
enum fl__match fl__reply_match(const struct fl_flight *f, const struct fl__try *t, struct fl_span msg);
