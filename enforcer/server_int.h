/* Private to the server: what its threads share.
 *
 *   worker 0..n-1  (UDP)  ──miss──> resolve ──> the worker's socket, or the TCP thread
 *   tcp                   ──miss──> resolve
 *   all of them: ring ──> log thread ──> Kafka, file, taps
 *
 * What workers read (view, settings, cached answers) changes by RCU only. Threads are numbered: workers, then resolve, then tcp; the number stands in refs and records. */
#pragma once
#include <pthread.h>
#include <stdlib.h>

#include "base/rcu.h"
#include "enforcer/cookie.h"
#include "enforcer/counters.h"
#include "enforcer/decisions.h"
#include "enforcer/ranges.h"
#include "enforcer/rate.h"
#include "enforcer/record.h"
#include "enforcer/resolve.h"
#include "enforcer/server.h"

enum { FL__THREADS_MAX = 16, FL__QUEUE = 1024, FL__TCP_QUEUE = 4096 };

/* Settings that answers depend on, of one configuration. */
struct fl__settings {
	struct fl__ede_style ede;
	char contact[128];
	/* who may ask, and how often (admit.c) */
	struct fl__ranges allowed, exempt;
	bool open;	    /* no table of clients: everyone may ask (tests of parts) */
	bool drop_others;
	uint32_t per_client, burst, prefix_v4, prefix_v6;
	bool cookies;
	struct fl__cookie_key cookie_key;
	uint16_t keepalive; /* of TCP connections, in 100 ms */
	/* what is not forwarded (respond.c) */
	bool special_names, doh_canary, rebinding, prefetch;
	uint32_t block_ttl;
	struct fl_rkey *zones; /* of upstreams: special-use names at and below are forwarded, private addresses are right */
	size_t n_zones;
	struct fl_rkey *inside; /* rebinding.allow */
	size_t n_inside;
};

/* An answering thread's own things. */
struct fl__thread {
	struct fl_server *server;
	uint32_t number;
	pthread_t id;
	bool up;
	int fd; /* worker: its socket */
	struct fl_ring *ring;
	struct fl__counters counters;
	struct fl__decisions decisions;
	struct fl__spsc to_resolve; /* of struct fl_job; workers and tcp */
};

struct fl__tcp_reply {
	uint64_t conn;
	size_t n;
	uint8_t *msg; /* malloc'ed: the TCP thread frees it; NULL: no answer comes */
};

struct fl__log; /* qlog_thread.c */
struct fl__tcp; /* tcp.c */

struct fl_server {
	struct fl_server_config c;
	char enforcer[FL_SET_NAME], account_id[16], region[64];
	uint32_t boot;
	_Atomic bool closed;   /* no more questions are taken: workers end */
	_Atomic bool stopping; /* resolve and TCP end too */
	struct fl_view *view;	       /* RCU; NULL until the first is set */
	struct fl__settings *settings; /* RCU */
	struct fl_cache *cache;
	struct fl__rate *rate;
	uint64_t client_key; /* of hashes of client addresses */
	uint8_t cookie_secret[16]; /* where no file gives one */
	struct fl__thread threads[FL__THREADS_MAX];
	uint32_t n_workers, n_threads, resolve_number, tcp_number;
	int *tcp_fds;
	size_t n_tcp;
	/* resolve */
	struct fl_upstream *door;
	struct fl_resolve *resolve;
	struct fl__upstreams *upstreams; /* in force; replaced by the resolve thread */
	pthread_mutex_t reload_lock;
	struct fl__upstreams *next_upstreams;
	struct fl__ttl_limits next_limits;
	int resolve_event; /* eventfd */
	uint8_t resolve_answer[FL__MSG_MAX]; /* resolve thread's */
	/* resolve -> tcp */
	struct fl__spsc tcp_replies;
	int tcp_event;
	struct fl__tcp *tcp;
	struct fl__log *log;
};

/* One question being answered. */
struct fl__ask {
	const struct fl_job *job;
	enum fl__parsed parsed;
	const struct fl_answer *kept; /* from cache or upstream; NULL */
	const struct fl__resolved *resolved; /* on the resolve thread */
	struct fl_client client;
	bool refresh; /* answered from the cache, whose answer ends soon: ask for it anew */
};

/* settings.c */
/** NULL: out of memory, or err: a file. secret: of cookies, where no file gives one. */
struct fl__settings *fl__settings_new(const struct fl_config *c, const uint8_t secret[16], struct fl_err *err);
void fl__settings_free(struct fl__settings *s);
/* admit.c */
enum fl__admitted { FL__ADMIT_ASK, FL__ADMIT_SAID /* o holds the answer */, FL__ADMIT_DROP };
/** May this client ask, and now? Sets a->client, and what the answer says of cookie and keepalive. Inside a read section; no allocation, lock or system call. */
enum fl__admitted fl__admit(struct fl__thread *t, const struct fl__settings *st, struct fl__ask *a, struct fl_job *job, fl_mono_ns now, fl_unix_us now_us,
			    struct fl__out *o);
/** Is this address among the clients? */
bool fl__admit_peer(const struct fl__settings *st, const union fl__addr *peer);
/* respond.c */
void fl__client_of(const union fl__addr *a, struct fl_client *out, uint16_t *port);
/**
 * Decide question and chain, write the answer and its record. Inside a read section; no allocation, lock or system call.
 * @return false: nothing can be said without asking an upstream (o is untouched, no number was taken)
 */
bool fl__respond(struct fl__thread *t, const struct fl_view *view, const struct fl__settings *st, struct fl__ask *a, fl_mono_ns now, fl_unix_us now_us,
		 struct fl__out *o);
/* worker.c */
/** Takes the answer that the cache has, counted as a hit. Inside a read section; only for a question that was parsed. */
void fl__look_up(struct fl__thread *t, struct fl__ask *a, fl_mono_ns now);
/** A copy to the resolve thread, counted as a miss; false, counted as lost, when its queue is full. The caller wakes it: fl__resolve_kick. */
bool fl__hand_on(struct fl__thread *t, const struct fl_job *job);
/** The same for an answer that was given and ends soon (a->refresh). */
bool fl__hand_on_refresh(struct fl__thread *t, struct fl_job *job);
void *fl__worker_main(void *thread);
/** Send one answer from the address that was asked. */
bool fl__udp_send(int fd, const union fl__addr *peer, const struct fl__local *local, const uint8_t *p, size_t n);
void fl__resolve_kick(struct fl_server *s);
/* resolve_thread.c */
void *fl__resolve_main(void *thread);
/** The resolve core's callback: ctx is the server. */
void fl__resolve_reply(void *ctx, const struct fl_job *job, const struct fl__resolved *r);
/* tcp.c */
int fl__tcp_open(struct fl_server *s, struct fl_err *err);
void *fl__tcp_main(void *thread);
void fl__tcp_close(struct fl_server *s);
/* qlog_thread.c */
int fl__log_open(struct fl_server *s, struct fl_err *err);
/** Ends when all rings are delivered, or at the deadline. */
void fl__log_close(struct fl_server *s, int drain_ms);
void fl__log_stats(struct fl_server *s, struct fl_server_stats *out);
/** The log thread's samples of fireline_querylog_records_total, whose family is open, then its own families. */
void fl__log_metrics(struct fl_server *s, struct fl_buf *out);
/* answers.c: ldns */
void fl__answers_json(struct fl_buf *out, struct fl_span response);
/* builtin.c: answers made here, for the demo: never forwards */
struct fl_upstream *fl__builtin_open(void);
