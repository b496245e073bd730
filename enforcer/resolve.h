/* The resolve core: questions that the cache lacks, on their way to the forwarders and back. Stepped: no thread, socket or clock of its own, so that it can be simulated.
 *
 *   ask ──> flight (name, type, DO, CD) ──> tries: at most 16, several servers, TCP on truncation ──> chain_read ──> cache ──> done for each waiter
 *
 * One flight per question, however many wait. A reply with a wrong id or question, or none that can be read, is dropped and counted, and the wait goes on. After 4.8 s at the
 * latest every waiter has its answer: fresh, stale (EDE 3) or SERVFAIL (EDE 22, 23, or the upstream's own). A failure is remembered for a moment (RFC 9520). Start reading at resolve.c. */
#pragma once
#include "enforcer/cache.h"
#include "enforcer/job.h"
#include "enforcer/upstreams.h"
#include "io/clock.h"
#include "io/upstream.h"

enum { FL__TRIES_MAX = 16, FL__FLIGHTS_MAX = 4096, FL__WAITERS_MAX = 10000 };

/** What the question of a job is in the cache. Borrows the job. */
static inline struct fl__asked fl__job_asked(const struct fl_job *job)
{
	return (struct fl__asked){ &job->q.name, job->q.qtype, job->q.dnssec_ok, job->q.flags & FL__F_CD };
}

struct fl__resolved {
	const struct fl_answer *answer; /* NULL: SERVFAIL with the remark */
	bool cached, stale;
	bool overload; /* no answer: too many wait; the client asks again */
	struct fl__remark remark;
	const char *upstream; /* NULL: none asked */
	fl_mono_ns now;
};
typedef void fl__resolve_done(void *ctx, const struct fl_job *job, const struct fl__resolved *r);

struct fl__resolve_config {
	struct fl_upstream *door; /* borrowed */
	struct fl_random *random;
	struct fl_cache *cache;
	struct fl__upstreams *upstreams; /* a reference is taken */
	struct fl__ttl_limits limits;
	fl__resolve_done *done; /* called outside of any read section, also from within ask */
	void *ctx;
};
struct fl__resolve_stats {
	_Atomic uint64_t queries, shared, tcp, stale, failed, overload;
	_Atomic uint64_t bad_id, bad_question, bad_format;
};
struct fl_resolve;
struct fl_resolve *fl__resolve_new(const struct fl__resolve_config *c);
/** Open flights end without a word. */
void fl__resolve_free(struct fl_resolve *r);
/** For questions asked from now on. */
void fl__resolve_set(struct fl_resolve *r, struct fl__upstreams *u, const struct fl__ttl_limits *limits);
/** Copies the job. */
void fl__resolve_ask(struct fl_resolve *r, const struct fl_job *job, fl_mono_ns now);
/** Takes replies and acts on timers. *wake: when to call again at the latest. */
void fl__resolve_step(struct fl_resolve *r, fl_mono_ns now, fl_mono_ns *wake);
size_t fl__resolve_waiting(const struct fl_resolve *r);
const struct fl__resolve_stats *fl__resolve_stats(const struct fl_resolve *r);
