/* Flights: the table of questions that are out, by key and by slot, and the heap of their timers. */
#pragma once
#include "enforcer/resolve.h"

struct fl__waiter {
	struct fl__waiter *next;
	struct fl_job job;
};
struct fl__try {
	uint16_t id, server;
	bool tcp, open, plain; /* plain: without EDNS */
	bool charged;	       /* its silence was held against the server */
	bool refused;	       /* the server answered with an error, or could not be reached */
	bool case_lost;	       /* a reply came whose case was not ours */
	uint64_t mix;	       /* case of the name as sent; 0: lower */
	fl_mono_ns sent;
};
struct fl_flight {
	struct fl_flight *next; /* in its bucket */
	uint64_t hash, serial;
	uint32_t slot, heap;
	fl_mono_ns wake;
	struct fl_dname name;	/* the question */
	struct fl_dname ask;	/* what is asked now: the question, or the end of a chain that an upstream left out */
	struct fl_answer *head; /* owned: the answer so far, when its end is asked for */
	uint16_t qtype;
	bool dnssec_ok, cd;
	bool failed;	 /* remembered only: until deadline */
	bool stale_given;
	struct fl__remark why; /* of the failure */
	fl_mono_ns deadline, stale_at, next_send;
	struct fl__upstreams *upstreams;
	struct fl__upstream_group *group;
	struct fl__waiter *waiters;
	uint8_t first_try; /* of what is asked now */
	uint8_t n_tries, n_unreachable, n_errors;
	struct fl__try tries[FL__TRIES_MAX];
};
enum { FL__BUCKETS = 8192, FL__SLOTS = 2 * FL__FLIGHTS_MAX };
struct fl__flights {
	struct fl_flight *buckets[FL__BUCKETS];
	struct fl_flight *slots[FL__SLOTS];
	struct fl_flight *heap[FL__SLOTS];
	uint32_t free_slots[FL__SLOTS];
	uint32_t n_free, n_heap, n_active;
	uint64_t serial;
};
void fl__flights_init(struct fl__flights *t);
struct fl_flight *fl__flight_find(struct fl__flights *t, uint64_t hash, const struct fl__asked *asked);
/** NULL: full, or out of memory. In the table; its timer is FL_MONO_NEVER. */
struct fl_flight *fl__flight_new(struct fl__flights *t, uint64_t hash, const struct fl__asked *asked);
void fl__flight_free(struct fl__flights *t, struct fl_flight *f);
/** By the tag of a try; NULL when that flight is over. */
struct fl_flight *fl__flight_by_tag(struct fl__flights *t, uint64_t tag, unsigned *try_index);
uint64_t fl__flight_tag(const struct fl_flight *f, unsigned try_index);
void fl__flight_set_wake(struct fl__flights *t, struct fl_flight *f, fl_mono_ns wake);
