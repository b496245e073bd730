/* The response cache: one set-associative table of tags and pointers to immutable answers.
 *
 *   set = 8 tags | 8 pointers        key = (name, type, class IN, DO, CD)
 *
 * Written by the resolve thread alone. Workers read under RCU: tag, pointer (acquire), key; they set one relaxed `used` flag. What leaves the table is retired and freed
 * after a grace period. Memory is bounded by bytes: table, answers and what is retired. */
#pragma once
#include "enforcer/chain.h"

struct fl_cache;
/** bytes: the bound, table included; at least 64 KiB is used. key: of the hash. */
struct fl_cache *fl__cache_new(uint64_t bytes, uint64_t key);
/** No reader may be left. */
void fl__cache_free(struct fl_cache *c);
uint64_t fl__cache_hash(const struct fl_cache *c, const struct fl__asked *asked);
/** Any thread, inside a read section: a fresh answer, or NULL. */
const struct fl_answer *fl__cache_get(struct fl_cache *c, uint64_t hash, const struct fl__asked *asked, fl_mono_ns now);
/** Any thread, inside a read section: true once for an answer in the last tenth of its time, if that is 10 s or more. */
bool fl__cache_ends_soon(const struct fl_answer *a, fl_mono_ns now);
/** Resolve thread: also one past its time, as long as it may be served stale. */
const struct fl_answer *fl__cache_get_stale(struct fl_cache *c, uint64_t hash, const struct fl__asked *asked, fl_mono_ns now);
/** True: taken; the older one of the same key is retired. False: too big to keep, still the caller's. Resolve thread, not inside a read section. */
bool fl__cache_put(struct fl_cache *c, uint64_t hash, struct fl_answer *take, fl_mono_ns now);
/** Frees what was retired, after a grace period, when there is enough of it or `force`. Not inside a read section. Resolve thread. */
void fl__cache_reclaim(struct fl_cache *c, bool force);

struct fl__cache_stats {
	uint64_t entries, bytes, evicted, retired;
};
void fl__cache_stats(const struct fl_cache *c, struct fl__cache_stats *out);
