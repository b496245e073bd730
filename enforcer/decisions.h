/* Rule matches of one answering thread, counted by action, response, rule group, rule and list. One writer, on the answer path: no allocation, no lock. A slot is found by a hash of
 * the rule's words and confirmed by them, so that a reload finds it again; its words never change once it is in use. */
#pragma once
#include <stdatomic.h>

#include "base/metrics.h"
#include "matcher/policy.h"

enum { FL__DECISION_SLOTS = 256, FL__DECISION_WORD = 81 };

struct fl__decision_slot {
	_Atomic uint64_t count; /* 0: free; words are set before it rises */
	uint8_t action, response;
	char group[FL__DECISION_WORD], rule[FL__DECISION_WORD], list[FL__DECISION_WORD];
};
struct fl__decisions {
	_Atomic uint64_t none;	/* no rule matched */
	_Atomic uint64_t other; /* no slot was free: more rules than any one resolver should have */
	struct fl__decision_slot v[FL__DECISION_SLOTS];
};
void fl__decisions_count(struct fl__decisions *t, const struct fl_decision *d);
/** The family, summed over n tables. */
void fl__decisions_metrics(const struct fl__decisions *const *tables, size_t n, struct fl_buf *out);
