/* The answer path: sockets, workers, response cache, resolve thread, TCP, query-log rings and the log thread (DESIGN.md 5).
 * One worker a UDP socket: recvmmsg, parse, decide, answer from the cache or a precomputed block answer, sendmmsg; between receive and send it does not
 * allocate, lock, log or enter the kernel. What the cache lacks goes to the resolve thread. Start reading at worker.c. */
#pragma once
#include "base/metrics.h"
#include "io/bus.h"
#include "io/clock.h"
#include "io/upstream.h"
#include "matcher/policy.h"

struct fl_server_config {
	const struct fl_config *cfg;	/* borrowed until fl_server_reload or stop */
	const int *udp_fds; /* bound sockets, one a worker (SO_REUSEPORT); handed over */
	size_t n_udp;
	const int *tcp_fds; /* listening; handed over */
	size_t n_tcp;
	struct fl_upstream *upstream; /* handed over; NULL: cfg->upstream_builtin (answers made here) */
	struct fl_bus *bus;	      /* for the query log; borrowed; NULL: none, records go to taps and the file only */
	struct fl_clock *clock;
	struct fl_random *random;
	const char *runtime; /* folder of the rings */
};

struct fl_server;
/** Starts all threads. Until the first view is set every client is answered as if startup_grace were open and no list held. */
int fl_server_start(const struct fl_server_config *c, struct fl_server **out, struct fl_err *err);
/** Swap what workers read; takes the view, frees the old one after a grace period. */
void fl_server_set_view(struct fl_server *s, struct fl_view *take_view);
/** Stop taking questions, answer what is in flight (at most drain_ms), deliver the rings, end all threads. */
void fl_server_stop(struct fl_server *s, int drain_ms);
/** A new configuration (upstreams, cache and EDE settings; sockets and workers stay). The old one may be freed after. */
int fl_server_reload(struct fl_server *s, const struct fl_config *cfg, struct fl_err *err);
/** Families: responses, decisions, drops, cache, upstream, query-log results, duration. */
void fl_server_metrics(struct fl_server *s, struct fl_buf *out);

/* A tap on the query log: called by the log thread with each formatted record (JSON, no newline). Must not wait. */
typedef void fl_server_tap(void *ctx, const struct fl_qlog *q, struct fl_span json);
/** At most 16 taps. Returns a handle, or 0. */
uint64_t fl_server_tap_add(struct fl_server *s, fl_server_tap *tap, void *ctx);
/** After it returns the tap is not called again. */
void fl_server_tap_remove(struct fl_server *s, uint64_t handle);
/** The record of one of the last 65,536 blocks by its ref (JSON appended). FL_ENOTFOUND. */
int fl_server_ref(struct fl_server *s, uint64_t ref, struct fl_buf *out);

struct fl_server_stats {
	uint64_t queries, answers, blocked, alerted, allowed, servfail, cache_hits, cache_misses, dropped;
	uint64_t qlog_written, qlog_delivered, qlog_dropped, qlog_failed;
	uint64_t qlog_rings_damaged, qlog_rings_surplus; /* rings whose rest is lost */
	uint32_t workers;
};
void fl_server_stats(struct fl_server *s, struct fl_server_stats *out);
