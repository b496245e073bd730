/* What a source of findings says of itself: one shape for all kinds, for status and metrics. */
#pragma once
#include "base/metrics.h"
#include "base/time.h"
#include "model/version.h"

#define FL_SOURCE_STATES(X)                                                       \
	X(STARTING, "starting") /* nothing was asked yet */                       \
	X(OK, "ok")                                                               \
	X(DEGRADED, "degraded") /* it goes on, or tries again: reason says why */ \
	X(FAILED, "failed")	/* a person has to mend it */                     \
	X(DISABLED, "disabled")
enum fl_source_state {
#define FL_X(name, word) FL_SOURCE_##name,
	FL_SOURCE_STATES(FL_X)
#undef FL_X
};

/* Of a topic, received = taken + unreadable + empty + what is under way; again is beside that: one document may be tried often, or be sent again. accepted, withdrawn, duplicate and refused are of
 * findings and names, in what was taken. The rest never became a document. */
#define FL_SOURCE_COUNTS(X)                                                    \
	X(RECEIVED, "received")                                                \
	X(TAKEN, "taken")	    /* durable, and acknowledged */           \
	X(ACCEPTED, "accepted")						       \
	X(WITHDRAWN, "withdrawn")                                              \
	X(DUPLICATE, "duplicate")                                              \
	X(REFUSED, "refused")	    /* by policy */                           \
	X(UNREADABLE, "unreadable")                                            \
	X(EMPTY, "empty")	    /* a tombstone, or no octets */           \
	X(AGAIN, "again")	    /* not durable: tried once more, or told to */ \
	X(UNSIGNED, "unsigned")     /* webhook: no signature, or a wrong one */ \
	X(LIMITED, "limited")	    /* too many from one address */           \
	X(UNFIT, "unfit")	    /* too large, packed, not a POST */
enum fl_source_count {
#define FL_X(name, word) FL_SOURCE_N_##name,
	FL_SOURCE_COUNTS(FL_X)
#undef FL_X
		FL_SOURCE_COUNT_COUNT
};

struct fl_source_status {
	char name[FL_SET_NAME];
	const char *type; /* as in the configuration */
	enum fl_source_state state;
	char reason[256];  /* of the state; "" none */
	fl_unix_us last_at; /* of the last document that came; 0: none */
	uint64_t under_way;
	uint64_t n[FL_SOURCE_COUNT_COUNT];
};
const char *fl_source_state_word(enum fl_source_state s);
const char *fl_source_count_word(enum fl_source_count c);
/** Counters and states of all, as families of their own. */
void fl_source_metrics(const struct fl_source_status *v, size_t n, struct fl_buf *out);
