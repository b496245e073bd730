/* Counters of one answering thread. One writer, any number of readers: relaxed atomics, no read-modify-write on the hot path. */
#pragma once
#include <stdatomic.h>
#include "base/metrics.h"
#include "matcher/policy.h"

enum fl__source { FL__FROM_CACHE, FL__FROM_UPSTREAM, FL__FROM_POLICY, FL__FROM_LOCAL, FL__FROM_ERROR, FL__SOURCES };
enum fl__lost { FL__LOST_MALFORMED, FL__LOST_OVERLOAD, FL__LOST_SEND, FL__LOST_LIMIT, FL__LOST_STRANGER, FL__LOSSES };
enum { FL__RCODES = 24, FL__DURATIONS = 15 };

struct fl__counters {
	_Alignas(64) _Atomic uint64_t queries_udp;
	_Atomic uint64_t queries_tcp, hits, misses;
	_Atomic uint64_t tcp_refused; /* connections, before any question */
	_Atomic uint64_t strangers, limited, special, rebinding, prefetches;
	_Atomic uint64_t responses[FL__SOURCES][FL__RCODES];
	_Atomic uint64_t durations[FL__SOURCES][FL__DURATIONS], duration_us[FL__SOURCES];
	_Atomic uint64_t lost[FL__LOSSES];
	_Atomic uint64_t actions[FL_ACTION_BLOCK + 1], redirect_matches;
	_Atomic uint64_t records, records_lost[FL_ACTION_BLOCK + 1];
};
static inline void fl__bump(_Atomic uint64_t *c)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + 1, memory_order_relaxed);
}
static inline uint64_t fl__peek(const _Atomic uint64_t *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}
/** An answer was made: rcode, where from, how long it took. */
void fl__count_answer(struct fl__counters *c, enum fl__source source, unsigned rcode, uint32_t duration_us);
/** Adds *from to *to, word by word. */
void fl__counters_add(struct fl__counters *to, const struct fl__counters *from);
/** The families that come from these counters. */
void fl__counters_metrics(const struct fl__counters *c, struct fl_buf *out);
