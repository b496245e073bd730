/* The forwarders of a configuration: which group answers for a name (longest zone), and which server of it is asked next (measured latency, failures). A copy of its own, counted
 * references: a reload replaces it while questions to the old ones are still out. Only the resolve thread changes latencies; counters are read by anyone. */
#pragma once
#include <stdatomic.h>
#include "base/dname.h"
#include "base/time.h"
#include "model/config.h"

enum fl__upstream_result { FL__UP_ANSWERED, FL__UP_ERROR, FL__UP_TIMEOUT, FL__UP_UNREACHABLE, FL__UP_BAD, FL__UP_COUNT };
extern const char *const fl__upstream_result_words[FL__UP_COUNT];

struct fl__upstream_server {
	const char *address;
	fl_mono_ns srtt; /* 0: never measured */
	uint32_t fails;	 /* in a row */
};
struct fl__upstream_group {
	const char *name;
	struct fl_dname *zones;
	size_t n_zones; /* 0: every name */
	struct fl__upstream_server *servers;
	uint32_t n_servers, retries;
	bool mixed_case, trust_ad;
	fl_mono_ns timeout;
	_Atomic uint64_t results[FL__UP_COUNT];
};
struct fl__upstreams {
	_Atomic uint32_t refs;
	struct fl_arena arena;
	struct fl__upstream_group *groups;
	size_t n_groups;
	uint32_t waiting; /* questions of one client that may wait */
};
/** NULL: out of memory. Without groups and with upstream_builtin: one group "builtin". */
struct fl__upstreams *fl__upstreams_new(const struct fl_config *cfg);
struct fl__upstreams *fl__upstreams_acquire(struct fl__upstreams *u);
void fl__upstreams_release(struct fl__upstreams *u);
/** Counters and latencies go on where the names are the same. */
void fl__upstreams_carry(struct fl__upstreams *to, const struct fl__upstreams *from);
/** The group for a lower-case name, or NULL. */
struct fl__upstream_group *fl__upstreams_for(struct fl__upstreams *u, const struct fl_dname *name);
/** How long to wait before another server is asked too. */
fl_mono_ns fl__upstream_patience(const struct fl__upstream_group *g, const struct fl__upstream_server *s);
/** Lower is better. */
fl_mono_ns fl__upstream_score(const struct fl__upstream_server *s);
void fl__upstream_measured(struct fl__upstream_server *s, fl_mono_ns rtt);
static inline void fl__upstream_count(struct fl__upstream_group *g, enum fl__upstream_result r)
{
	atomic_fetch_add_explicit(&g->results[r], 1, memory_order_relaxed);
}
