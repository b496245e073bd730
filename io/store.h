/* Store door: Redis by hiredis (store_redis.c), and a twin in memory (store_mem.c) that runs the very Lua scripts.
 * Synchronous with a bounded wait. Commands are argument vectors as in Redis' own manual. A lost reply is not a failure:
 * FL_EUNKNOWN says that a command may or may not have been carried out. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/time.h"

enum fl_reply_type { FL_REPLY_NIL, FL_REPLY_INT, FL_REPLY_STRING, FL_REPLY_STATUS, FL_REPLY_ERROR, FL_REPLY_ARRAY };

struct fl_reply {
	enum fl_reply_type type;
	int64_t i;
	struct fl_span s; /* string, status, error */
	struct fl_reply *v;
	size_t n;
};

struct fl_cmd {
	const struct fl_span *argv;
	size_t argc;
};

struct fl_script {
	const char *name; /* for messages and the fault table */
	const char *body; /* Lua 5.1, as Redis runs it: KEYS, ARGV, redis.call */
};

struct fl_store;
struct fl_store_ops {
	/* Send n commands in one go and read n replies, all in arena; an error reply is a reply, not a failure.
	 * 0; FL_EUNAVAIL: nothing was carried out; FL_EUNKNOWN: the connection was lost after sending. */
	int (*call)(struct fl_store *s, const struct fl_cmd *cmds, size_t n, struct fl_arena *arena, struct fl_reply **out,
		    struct fl_err *err);
	/* EVALSHA, and EVAL when the script is not known there. A script's error reply is FL_ECORRUPT with its text, but
	 * FL_EUNAVAIL where the server did not run it (fl_store_cmd). */
	int (*eval)(struct fl_store *s, const struct fl_script *script, const struct fl_span *keys, size_t n_keys,
		    const struct fl_span *args, size_t n_args, struct fl_arena *arena, struct fl_reply *out, struct fl_err *err);
	/* Wakes (PUBLISH on `PREFIXwake`, payload = set name) since the last call; 1 and the name, or 0. Never waits. While the
	 * subscription is down there are none: callers poll heads as well. */
	int (*wake_next)(struct fl_store *s, char *name, size_t cap);
	/* A descriptor that is readable when wake_next may have something; -1: none (poll). */
	int (*wake_fd)(struct fl_store *s);
	void (*close)(struct fl_store *s);
};
struct fl_store {
	const struct fl_store_ops *ops;
	const char *prefix; /* "{fl}:" */
};

/** One command from C strings. Errors of the server are FL_ECORRUPT with its text (OOM, MISCONF, LOADING,
 * READONLY, BUSY and the like say "not now, nothing was done": FL_EUNAVAIL). */
int fl_store_cmd(struct fl_store *s, struct fl_arena *arena, struct fl_reply *out, struct fl_err *err, const char *first, ...)
	__attribute__((sentinel));
int fl_store_call(struct fl_store *s, const struct fl_cmd *cmds, size_t n, struct fl_arena *arena, struct fl_reply **out,
		  struct fl_err *err);
int fl_store_eval(struct fl_store *s, const struct fl_script *script, const struct fl_span *keys, size_t n_keys,
		  const struct fl_span *args, size_t n_args, struct fl_arena *arena, struct fl_reply *out, struct fl_err *err);
/** The store's own clock (TIME). */
int fl_store_time(struct fl_store *s, fl_unix_us *out, struct fl_err *err);
void fl_store_close(struct fl_store *s);

struct fl_store_redis_config {
	const char *url;      /* redis://host:port/db, unix:///path?db=N; rediss:// needs hiredis 1.x */
	const char *username, *password; /* NULL: none */
	const char *prefix;   /* "{fl}:" */
	int connect_timeout_ms, timeout_ms;
};
/** Connects lazily and again after a failure, at most every 100 ms. FL_ECONFIG on an unusable URL. */
int fl_store_redis_open(const struct fl_store_redis_config *cfg, struct fl_store **out, struct fl_err *err);
/** What a person must know before trusting this server: maxmemory-policy other than noeviction is FL_EREFUSED; no AOF, everysec are
 * a warning text ("" = none). */
int fl_store_redis_check(struct fl_store *s, char *warning, size_t cap, struct fl_err *err);

/** A store that is not there: every call is FL_EUNAVAIL. For an enforcer without redis.url. Shared and constant; closing it does nothing. */
struct fl_store *fl_store_none(void);

/* The twin in memory. One `world` is shared by any number of doors, as one server is by its clients. */
struct fl_store_mem;
struct fl_clock;
struct fl_store_mem *fl_store_mem_new(struct fl_clock *clock);
void fl_store_mem_free(struct fl_store_mem *w);
/** A client of it. */
struct fl_store *fl_store_mem_open(struct fl_store_mem *w, const char *prefix);
/* What a fault plan says of one call: before (not carried out), after (carried out, the reply lost), or none. */
enum fl_fault { FL_FAULT_NONE, FL_FAULT_BEFORE, FL_FAULT_AFTER };
/** Asked at every call and eval with the command or script name. NULL: no faults. */
typedef enum fl_fault fl_fault_plan(void *ctx, const char *what);
void fl_store_mem_faults(struct fl_store_mem *w, fl_fault_plan *plan, void *ctx);
/** The server forgets everything (FLUSHALL). */
void fl_store_mem_flush(struct fl_store_mem *w);
/** Keep a copy of the whole content, and put back of it the keys that begin with prefix ("": all, a failover that loses the last writes). Scripts survive. restore needs a snapshot. */
void fl_store_mem_snapshot(struct fl_store_mem *w);
void fl_store_mem_restore(struct fl_store_mem *w, const char *prefix);
/** Number of keys with this prefix, and total bytes of keys and values: for tests of retention. */
size_t fl_store_mem_keys(const struct fl_store_mem *w, const char *prefix);
size_t fl_store_mem_bytes(const struct fl_store_mem *w);
/** Flip one bit in the value of a string key; false when there is none. For corruption tests. */
bool fl_store_mem_corrupt(struct fl_store_mem *w, const char *key, size_t bit);
